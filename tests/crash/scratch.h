/* scratch: a folder for stores under test, in memory where the machine has room for that, so that no disk waits. */
#ifndef KW_TESTS_CRASH_SCRATCH_H
#define KW_TESTS_CRASH_SCRATCH_H

#include <stdbool.h>
#include <stddef.h>

bool scratch_make(char *out, size_t len);   /* a new one; short, since paths of sockets and stores hang on it */
void scratch_empty(const char *path);       /* everything in it goes; one that is not there stays so */

#endif
