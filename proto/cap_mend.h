/*
 * cap_mend: what files get wrong although their meaning is clear, put into CAP's own form, so that the rules can stay
 * strict. Each writes the mended text to out and returns what was mended as a sentence, or NULL when nothing was. What
 * cannot be mended is passed on as it is, for the rules to refuse. Pure.
 */
#ifndef KW_PROTO_CAP_MEND_H
#define KW_PROTO_CAP_MEND_H

#include "base/span.h"

/* Blanks at both ends go; so do invisible characters that carry no meaning, never those that turn the direction of text. */
const char *mend_text(struct buf *out, const char *text);
const char *mend_time(struct buf *out, const char *text);     /* Z, fractions, missing seconds or colon */
const char *mend_polygon(struct buf *out, const char *text);  /* blanks, open ends, longitudes beyond 180, too many digits */
const char *mend_circle(struct buf *out, const char *text);
const char *mend_language(struct buf *out, const char *text); /* de_DE */
const char *mend_web(struct buf *out, const char *text);      /* no scheme; empty when it is no address at all */

struct own_reference { /* the alert in which the references stand */
	const char *sender, *identifier, *sent;
};
/* References to the alert itself or to a later one are left away. */
const char *mend_references(struct buf *out, const char *text, const struct own_reference *own);

#endif
