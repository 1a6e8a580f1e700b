/*
 * steps: how a backup is asked for, the same at broker and node: begun, taken piece by piece in order, ended. docs/protocol.md [O-8], [N-19].
 *
 *   {"step":"begin","as":"…","reason":"…"}            answered {"backup":"…","of":"broker","made_ms":N,"about":{…},"files":[{"name":"data.mdb","bytes":N},…]}
 *   {"step":"next","backup":"…","file":0,"place":N}   what stands in that file from place on, if it is there by now, or that it is over
 *   {"step":"end","backup":"…"}                       all was taken
 *   {"step":"give_up","backup":"…"}                   no more is
 */
#ifndef KW_BACKUP_STEPS_H
#define KW_BACKUP_STEPS_H

#include <jansson.h>

#include "base/err.h"
#include "base/span.h"

#define BACKUP_TOKEN_LEN 32u           /* hexadecimal digits */
#define BACKUP_PIECE (192u * 1024u)
#define BACKUP_QUIET_MS 60000u         /* who asks for nothing for so long is gone */

enum backup_step { BACKUP_BEGIN, BACKUP_NEXT, BACKUP_END, BACKUP_GIVE_UP };
enum backup_piece { PIECE_LATER, PIECE_BYTES, PIECE_OVER }; /* nothing yet; bytes follow; the file is over */

struct backup_ask {
	json_t *doc;                   /* its texts lie in it */
	enum backup_step step;
	const char *backup;            /* of all but begin */
	uint32_t file;
	uint64_t place;
	const char *as, *reason;       /* of begin; NULL: not said */
};

/* doc is taken. KW_EINVAL: an unknown key, a missing one, a value of another kind. Free with backup_ask_free, also after an error. */
KW_MUST_USE enum kw_err backup_ask_read(struct backup_ask *out, json_t *doc, struct kw_why *why);
void backup_ask_free(struct backup_ask *a);

void backup_token(char out[BACKUP_TOKEN_LEN + 1]); /* at random */

#endif
