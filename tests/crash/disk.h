/*
 * disk: what a tape's events leave on a disk when the power goes: all that was synced, and of the rest any part, torn at any sector.
 *
 * Entries of a folder reach it in their order, as every journalling file system has it; bytes and lengths in none. A sync makes the
 * bytes of its file durable, the sync of a folder its entries, and neither the other's. What a failed sync left behind no
 * later sync makes durable: the system may have forgotten that it is not.
 */
#ifndef KW_TESTS_CRASH_DISK_H
#define KW_TESTS_CRASH_DISK_H

#include "tests/crash/tape.h"

struct disk;
struct disk *disk_new(void);
struct disk *disk_copy(const struct disk *d);    /* as it is, what waits for a sync as well; the tapes must live on */
void disk_free(struct disk **d);

void disk_feed(struct disk *d, const struct tape_event *e); /* happened, as far as the program knows */
/* Whether a cut just before or during e shows something new: it is a sync, or a write that is its own. */
bool disk_is_barrier(const struct tape_event *e);

/*
 * What a cut leaves just as e is under way (NULL: between two events), as a disk on which nothing waits. The same draw of the same
 * disk gives the same: 0 nothing that waits, 1 all of it, others a prefix, a subset, all but one, one alone, torn or whole.
 * *what: a hash of what was taken of what waited.
 */
struct disk *disk_cut(const struct disk *d, const struct tape_event *e, uint64_t draw, uint64_t *what);
/* Everything that waits is there now: what the programs see while the power is on. */
void disk_settle(struct disk *d);
/* Fills folder, which is empty, with what is durable. False: it cannot be written. */
bool disk_write(const struct disk *d, const char *folder);
/* The files as a new tape has to know them (into room for max), and the first number that is free. */
uint32_t disk_known(const struct disk *d, struct tape_known *out, uint32_t max, uint32_t *files);

#endif
