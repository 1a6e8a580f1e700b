/*
 * trail_copy: a trail's files for a backup while it is written on: as they were, whole lines under a signed head, when the copy began. Lines are only
 * ever appended, so what stands up to then is read piece by piece later.
 */
#ifndef KW_AUDIT_TRAIL_COPY_H
#define KW_AUDIT_TRAIL_COPY_H

#include "audit/trail.h"
#include "audit/trail_file.h"

struct trail_copy {
	char folder[TRAIL_PATH_MAX];
	struct trail_years years;
	uint64_t bytes[TRAIL_YEARS_MAX];
};

/* Signs a head, syncs, and looks how long the files are. KW_EIO, KW_EFULL, KW_ELIMIT. */
KW_MUST_USE enum kw_err trail_copy_begin(struct trail_copy *out, struct trail *t, uint64_t now_ms, struct kw_why *why);
#define TRAIL_COPY_NAME_MAX 24
void trail_copy_name(char out[TRAIL_COPY_NAME_MAX], const struct trail_copy *c, uint32_t i); /* "audit/2026.audit" */
/* Appends what stands from place on, at most most bytes; nothing behind its end. KW_ENOTFOUND: the year was removed since; KW_EIO, KW_ENOMEM. */
KW_MUST_USE enum kw_err trail_copy_read(struct buf *out, const struct trail_copy *c, uint32_t i, uint64_t place, size_t most, struct kw_why *why);

#endif
