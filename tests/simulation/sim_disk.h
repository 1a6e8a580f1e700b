/*
 * sim_disk: a pretend disk in memory that a power cut may catch at any moment. Each file has what was synced and the writes since,
 * each name of a file is safe only once its folder was synced. Deterministic: all that is left to chance comes from the caller's dice.
 *
 * Paths are texts that are compared; folders need not be made. "Below PATH" means PATH itself and what begins with PATH and '/'.
 * Memory is taken freely: when it runs out the process ends. One thread.
 */
#ifndef KW_SIM_DISK_H
#define KW_SIM_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define SIM_SECTOR 512u /* what a disk writes whole or not at all */
#define SIM_PAGE 4096u  /* what the kernel's cache keeps or drops */

struct sim_dice {
	uint64_t (*below)(void *self, uint64_t n); /* any of 0 … n - 1; n is at least 1 */
	void *self;
};

struct sim_disk;
struct sim_file; /* one opening of a file */

struct sim_disk *sim_disk_new(struct sim_dice dice);
void sim_disk_free(struct sim_disk **d); /* all files are closed before */

/*
 * path NULL: a file without a name, gone when it is closed. KW_ENOTFOUND: not there and not to be made. All operations below also
 * say KW_EIO where the machine is halted or a fault was ordered, and KW_EFULL where that was ordered or the room is used up.
 */
enum kw_err sim_disk_open(struct sim_file **out, struct sim_disk *d, const char *path, bool create);
void sim_file_close(struct sim_file **f);
enum kw_err sim_file_read(const struct sim_file *f, uint64_t at, void *out, size_t len, size_t *got); /* *got < len: the file ends */
enum kw_err sim_file_write(struct sim_file *f, uint64_t at, const void *bytes, size_t len);
enum kw_err sim_file_truncate(struct sim_file *f, uint64_t size);
enum kw_err sim_file_sync(struct sim_file *f); /* the content; the name needs sim_disk_sync_folder */
uint64_t sim_file_size(const struct sim_file *f);
const void *sim_file_which(const struct sim_file *f); /* the same for two openings of the same file */
bool sim_file_dead(const struct sim_file *f); /* opened before a crash: good for closing alone */

enum kw_err sim_disk_remove(struct sim_disk *d, const char *path);
enum kw_err sim_disk_sync_folder(struct sim_disk *d, const char *path); /* of the folder that path lies in */
bool sim_disk_is_there(const struct sim_disk *d, const char *path, uint64_t *size); /* size may be NULL */

/* ---- faults ---- */
enum sim_op { SIM_OPEN = 1, SIM_READ = 2, SIM_WRITE = 4, SIM_TRUNCATE = 8, SIM_SYNC = 16, SIM_REMOVE = 32, SIM_SYNC_FOLDER = 64 };
#define SIM_CHANGES (SIM_WRITE | SIM_TRUNCATE | SIM_SYNC | SIM_REMOVE | SIM_SYNC_FOLDER)

/*
 * The nth (1: the next) of the operations (enum sim_op, added) below path fails with how, KW_EIO or KW_EFULL; for_ever: all behind it, too.
 * A write that fails may have been done in part. After a sync that failed the kernel takes what was to be synced for safe: a later
 * sync says KW_OK for it, and what stands on the disk, and comes back once the kernel's cache let go of it, is old or new by chance.
 */
void sim_disk_fail(struct sim_disk *d, const char *path, unsigned ops, uint64_t nth, bool for_ever, enum kw_err how);
void sim_disk_mend(struct sim_disk *d, const char *path); /* forgets what was ordered for this path, the room too */
void sim_disk_room(struct sim_disk *d, const char *path, uint64_t bytes); /* the files below path together grow no further than that */
void sim_disk_deaf(struct sim_disk *d, bool deaf); /* syncs say KW_OK and do nothing: with such a disk a test of crashes must fail */

/* From here on, or from the middle of the nth change (SIM_CHANGES) on, nothing below path reaches the disk any more. */
void sim_disk_halt(struct sim_disk *d, const char *path);
void sim_disk_halt_at(struct sim_disk *d, const char *path, uint64_t nth);
bool sim_disk_halted(const struct sim_disk *d, const char *path);

enum sim_crash { SIM_KILLED, SIM_POWER_CUT };
/*
 * The program that had files open below path ended, with all that it wrote (SIM_KILLED), or its machine did: then of what was not
 * synced anything is left, in any order, torn at any sector, and where a file grew and nothing is left there may be rubbish. What was
 * opened before is dead; what is opened from now on sees what is left. Whoever closes dead files by libraries that would write once
 * more calls sim_disk_halt first, closes, and calls this last.
 */
void sim_disk_crash(struct sim_disk *d, const char *path, enum sim_crash how);

struct sim_disk_counts { /* what was done, so that a run without faults can be told from one with them */
	uint64_t writes, syncs, failed, crashes;
	uint64_t lost, torn, kept; /* writes that were not synced, at power cuts */
};
struct sim_disk_counts sim_disk_counts(const struct sim_disk *d);

#endif
