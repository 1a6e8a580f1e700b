/*
 * tape: stands in front of the C library's calls that reach files, and for the files below one folder writes down what they do, or lets one fail.
 *
 * Linked into a program, it is met by every library of it too (LMDB, SQLite). Events lie in memory that children share, so what a child
 * of the program does is on the tape as well; only one process may be at work at a time. Left out are files that mean nothing
 * after a power cut: lock.mdb and *-shm. A program has one tape that runs, and as many that lie there as it likes.
 */
#ifndef KW_TESTS_CRASH_TAPE_H
#define KW_TESTS_CRASH_TAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tape_kind {
	TAPE_WRITE,         /* file, at, bytes; may reach the disk later, in part, or never */
	TAPE_THROUGH,       /* the same by a descriptor with O_DSYNC: on disk when it returned */
	TAPE_SIZE,          /* file, len: ftruncate */
	TAPE_GROW,          /* file, len: fallocate */
	TAPE_SYNC,          /* file */
	TAPE_SYNC_FAILED,   /* file: what was not synced by then may never be, whatever a later sync says */
	TAPE_NO_SYNC,       /* a sync that did nothing: tape_deaf */
	TAPE_ENTRY,         /* name stands for file */
	TAPE_GONE,          /* name does not any more */
	TAPE_MOVED,         /* name is to from now on, whatever stood there; file is what it names */
	TAPE_FOLDER,        /* name is a folder */
	TAPE_FOLDER_GONE,
	TAPE_FOLDER_SYNC,   /* name: what entries it has is on disk */
	TAPE_MARK,          /* mark: whatever the program wants to be found here again */
};

struct tape_event {
	enum tape_kind kind;
	uint32_t file;
	uint64_t at, len, mark;
	const uint8_t *bytes;
	const char *name, *to;   /* below the folder, "" is itself */
};

struct tape;
struct tape *tape_new(size_t bytes);             /* the most that all its events take; NULL: no memory */
void tape_free(struct tape **t);
uint32_t tape_count(const struct tape *t);
const struct tape_event *tape_event(const struct tape *t, uint32_t i);

/*
 * From here on into t, which begins empty, until tape_stop(). Files that are there already are named first: name stands for file;
 * others get numbers from files on.
 */
struct tape_known { const char *name; uint32_t file; };
void tape_start(struct tape *t, const char *folder, const struct tape_known *known, uint32_t count, uint32_t files);
void tape_stop(void);
void tape_mark(uint64_t mark);                   /* no effect while none runs */
void tape_deaf(bool deaf);                       /* true: syncs succeed and do nothing, as under eatmydata */

/* One of the calls below folder fails, the at-th from 1 (0: none, they are counted), or all from there on. */
struct tape_fault {
	uint32_t at;
	const char *only;    /* calls of this name alone count; NULL: all */
	bool forever;
	int error;       /* errno; 0: writes write half of what they were given, and then, where forever, ENOSPC */
};
void tape_fail(const char *folder, const struct tape_fault *f);
void tape_fail_no_more(void);
uint32_t tape_calls(void);                       /* so many calls there were since tape_fail */
bool tape_failed(const char **call);             /* whether the fault was met; the call's name */

#endif
