/*
 * spool_places: the spool's folder and the three in it that are its own: .taking, where a file lies while it becomes a
 * notification, sent and failed, where it ends. A file is moved by renaming alone, never copied. No path is followed through a
 * symbolic link. folder is the path of the file's folder below the spool, "" for the spool itself, and the same in all three.
 */
#ifndef KW_PARTNER_SPOOL_PLACES_H
#define KW_PARTNER_SPOOL_PLACES_H

#include <sys/types.h>

#include "base/err.h"
#include "base/span.h"

struct spool_places {
	int root, taking, sent, failed; /* -1: not open */
	mode_t mode;                    /* of the spool's folder: what is made in it gets the same */
};
#define SPOOL_PLACES_INIT ((struct spool_places){-1, -1, -1, -1, 0})

/* Makes the three where they are missing. KW_ENOTFOUND, KW_EDENIED, KW_EINVAL, KW_EFULL, KW_EIO with a sentence; then all are closed. */
KW_MUST_USE enum kw_err spool_places_open(struct spool_places *p, const char *path, struct kw_why *why);
/* What it would say, without making anything. */
KW_MUST_USE enum kw_err spool_places_check(const char *path, struct kw_why *why);
void spool_places_close(struct spool_places *p);

/* From the spool into .taking. KW_ENOTFOUND: gone meanwhile; KW_EEXISTS: one of that name is in there; else as above: it lies where it lay. */
KW_MUST_USE enum kw_err spool_take(const struct spool_places *p, const char *folder, const char *name, struct kw_why *why);
/* A file in .taking. KW_EINVAL: no regular file; KW_ELIMIT: more than out->max; KW_EDENIED; KW_ENOTFOUND; KW_EIO. */
KW_MUST_USE enum kw_err spool_read(struct buf *out, const struct spool_places *p, const char *folder, const char *name, struct kw_why *why);

enum spool_end { SPOOL_SENT, SPOOL_FAILED };
/* What ends behind the file's name: ".id", ".reason.txt". */
const char *spool_note_of(enum spool_end end);
/*
 * From .taking to where it ends, under a name that nothing has there, with note beside it. Called again after a crash it goes on
 * with what that left of the note, so that there are not two. as: the name it got.
 */
KW_MUST_USE enum kw_err spool_settle(const struct spool_places *p, enum spool_end end, const char *folder, const char *name, const char *note,
                                     uint64_t wall_ms, char as[256], struct kw_why *why);

/* Brings to disk what was moved out of or into these folders: taken, settled. */
KW_MUST_USE enum kw_err spool_sync_taken(const struct spool_places *p, const char *folder, struct kw_why *why);
KW_MUST_USE enum kw_err spool_sync_settled(const struct spool_places *p, enum spool_end end, const char *folder, struct kw_why *why);

#endif
