/*
 * without_disk: for a target that reads files by path: what the next path holds, and what was written last, in memory. The lock of a
 * steering key is a hash here, not Argon2id, which would take all the time there is. Linked in by -Wl,--wrap (KW_WITHOUT_DISK).
 */
#ifndef KW_TESTS_WITHOUT_DISK_H
#define KW_TESTS_WITHOUT_DISK_H

#include "base/span.h"

extern struct span disk_holds;   /* whatever is read */
extern struct buf disk_written;  /* the last that was written; freed by whoever looks at it */

#endif
