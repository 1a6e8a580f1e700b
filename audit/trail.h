/*
 * trail: an append-only audit trail in a folder: who did what, when and why, for an auditor who does not trust whoever runs the machine.
 * docs/protocol.md section "Audit", docs/audit.md.
 *
 * One file for each calendar year (UTC), "2026.audit", a line a record (record.h). Numbers go on across years. After every 256 records, a
 * minute behind the last, at the end of the process and whenever the trail is read, the owner signs a head: what stands before it can then
 * be changed by nobody without its key, and what is cut off behind it is found by who has seen a later head (check.h).
 *
 * When a year is over that a file's year and keep_years lie before, the file goes as a whole; a record that names its last number and hash
 * is on disk before, so that the rest is still checked from there.
 *
 * trail_add writes at once and does not sync; trail_tick syncs what is a second old; trail_sync at once, for what may not happen
 * unrecorded. What a crash left at the end is cut off at the start, and the record "torn" says so. What was signed and is another now is set aside
 * as "2026.audit.damaged-1", the next file goes on with the numbers, the record "damaged" says so, and trail_trouble until somebody moved it away.
 * A full disk is KW_EFULL: nothing of the record stands then, and the next one may be tried; a sync that fails is KW_EIO until the next start. One thread.
 */
#ifndef KW_AUDIT_TRAIL_H
#define KW_AUDIT_TRAIL_H

#include "audit/record.h"
#include "certs/keys.h"

#define TRAIL_HEAD_RECORDS 256u
#define TRAIL_HEAD_MS 60000u
#define TRAIL_SYNC_MS 1000u
#define TRAIL_LOOK_MS 60000u /* a year may be over, though nothing comes */
#define TRAIL_PAGE_BYTES (512u * 1024u) /* looked at for one page */

struct trail;
struct trail_config {
	const char *folder;               /* made (0700) if missing */
	const char *partnership;
	const struct secret_keys *keys;   /* the owner's; borrowed for the trail's life */
	const struct audit_sealing *sealing; /* NULL: as and reason are not kept */
	uint32_t keep_years;              /* a year's file stays for so many whole years after it; 1: BDSG section 76 */
};

/* KW_EDENIED: it may not be opened, or is another owner's; KW_EIO; KW_EEXISTS: another process writes there. A full disk opens, and refuses what is added. */
KW_MUST_USE enum kw_err trail_open(struct trail **out, const struct trail_config *config, uint64_t now_ms, struct kw_why *why);
void trail_close(struct trail **t, uint64_t now_ms); /* signs a last head; now_ms 0: leaves it as it is. NULL is no trail */

/* r's number and time are filled in. KW_ELIMIT, KW_EINVAL: a text cannot stand there; KW_EFULL, KW_EIO, KW_ENOMEM. */
KW_MUST_USE enum kw_err trail_add(struct trail *t, const struct audit_record *r, uint64_t now_ms, struct kw_why *why);
KW_MUST_USE enum kw_err trail_sync(struct trail *t, struct kw_why *why);
KW_MUST_USE enum kw_err trail_head(struct trail *t, uint64_t now_ms, struct kw_why *why); /* now, if anything came since the last; synced */
KW_MUST_USE enum kw_err trail_tick(struct trail *t, uint64_t now_ms, uint64_t mono_ms, struct kw_why *why);
uint64_t trail_wake_ms(const struct trail *t); /* when trail_tick wants to be called, on the monotonic clock */

/* What somebody should look at though records are written: a file that was set aside, one whose time is over and that cannot be deleted. NULL: nothing. */
const char *trail_trouble(const struct trail *t);
uint64_t trail_number(const struct trail *t); /* of the last record */
const char *trail_folder(const struct trail *t);
const struct audit_sealing *trail_sealing(const struct trail *t);

struct trail_query { /* texts NULL: any */
	uint64_t since_ms, until_ms;      /* until 0: no end */
	const char *actor, *event, *object;
	bool heads;                       /* the signed heads too */
};
/*
 * A page: lines as they stand, oldest first, from *place on (0: the beginning), at most TRAIL_PAGE_BYTES looked at; *place goes on, *more says
 * whether there is more. each returns false to stop behind its line. A line that cannot be read is given too: damaged.kind is AUDIT_RECORD, doc NULL.
 */
KW_MUST_USE enum kw_err trail_read(const struct trail *t, uint64_t *place, bool *more, const struct trail_query *q,
                                   bool (*each)(void *self, struct span line, const struct audit_line *l), void *self, struct kw_why *why);

#endif
