/* spool_parts: what the files of spool share. Nothing outside of clients/partner/spool*.c includes it. */
#ifndef KW_PARTNER_SPOOL_PARTS_H
#define KW_PARTNER_SPOOL_PARTS_H

#include <sys/stat.h>

#include "clients/partner/core/spooling.h"
#include "clients/partner/desk.h"
#include "clients/partner/node.h"
#include "clients/partner/spool.h"
#include "clients/partner/spool_places.h"
#include "clients/partner/spool_watch.h"
#include "clients/partner/walk.h"

#define SPOOL_LOOK_ENTRIES 256u   /* of a folder in one turn of the loop */
#define SPOOL_FILES_MAX 4096u     /* that one look through the folders remembers, the oldest */
#define SPOOL_SEEN_MAX 4096u      /* that are watched until they are quiet */
#define SPOOL_BATCH_FILES 32u     /* published in one transaction */
#define SPOOL_BATCH_MS 50u
#define SPOOL_AGAIN_MS 10000u     /* looked at even when nothing woke it */
#define SPOOL_SOON_MS 1000u       /* something waits until it is quiet */
#define SPOOL_LATER_MS 5000u      /* the node takes nothing now */
#define SPOOL_PAUSE_MS 100u       /* between two looks at least */
#define SPOOL_PURGE_MS 3600000u

struct spool_file {
	int64_t mtime_ns;
	const char *name;   /* within path */
	char *path;         /* the folder, a zero, the name, a zero */
	bool kept;          /* it lies in .taking since an earlier try */
	bool whole;         /* nobody writes it any more, and no older one of its folder either */
};

struct spool_seen { uint64_t hash; struct spool_look look; uint64_t since_mono_ms; };

enum spool_stage {
	SPOOL_RESTING,    /* until due_ms */
	SPOOL_LEFT,       /* looking for what an earlier try left in .taking */
	SPOOL_LOOKING,    /* through the folders */
	SPOOL_TAKING,     /* what was found */
	SPOOL_PURGING,    /* sent and failed */
};

struct spool {
	struct node *node;
	const char *path;               /* NULL: there is none */
	struct spool_places places;
	struct spool_watch *watch;      /* NULL: it does not work here */
	enum spool_stage stage, after_taking;
	struct walk *walk;
	bool left;                      /* something may lie in .taking */
	bool later;                     /* the node takes nothing now: what happens in the folders wakes nobody */
	bool cut;                       /* more was found than SPOOL_FILES_MAX */
	bool purge_failed;              /* sent was purged, failed is next */
	uint64_t due_ms, purge_ms, looked_ms;
	uint64_t woken_ms;              /* when the next look is due because of what happened during this one; UINT64_MAX: nothing did */

	struct spool_file files[2 * SPOOL_FILES_MAX];
	uint32_t count, next;
	struct spool_seen *seen, *seen_before; /* SPOOL_SEEN_MAX each; before is sorted */
	uint32_t seen_count, seen_before_count;

	char keep_folder[WALK_PATH_MAX]; /* the last asked, while purging */
	uint64_t keep_ms;

	char trouble[512];              /* of this look, the first; "": none */
	uint64_t waiting, unquiet;      /* files that the last look found */
	uint64_t sent, failed, purged;  /* since the start */
	char last_failed[256];
};

/* spool_look.c: what lies there */
KW_MUST_USE enum kw_err spool_look_begin(struct spool *s); /* at stage LEFT or LOOKING */
bool spool_look_on(struct spool *s);                       /* True: done, files are in order */
void spool_files_drop(struct spool *s);
void spool_trouble(struct spool *s, const char *fmt, ...) KW_PRINTF(2, 3);
void spool_shown(char out[256], const char *path);         /* as it may stand in a log */

/* spool_batch.c: what becomes of it */
enum spool_batch { SPOOL_GOES_ON, SPOOL_LATER };
enum spool_batch spool_take_some(struct spool *s);

/* spool_purge.c */
KW_MUST_USE enum kw_err spool_purge_begin(struct spool *s, bool failed);
bool spool_purge_on(struct spool *s); /* True: done */

#endif
