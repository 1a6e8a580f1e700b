/* row_json: a row of the inbox, its brief and its content, as JSON: what the local socket answers and what handlers read. */
#ifndef KW_PARTNER_ROW_JSON_H
#define KW_PARTNER_ROW_JSON_H

#include "base/span.h"
#include "clients/partner/desk.h"

#define ROW_JSON_MAX (8u * KW_OPENED_MAX) /* JSON escapes and CAP's tags make content longer, never so much */

#define ROW_SHAPES_MAX 256

enum row_content { CONTENT_NONE, CONTENT_JSON, CONTENT_CAP, CONTENT_TEXT };

/*
 * Appends the row as one object. Its content stands in it as an object (JSON; also where CAP is asked for and it is no alert) or as a string, with
 * content_form beside it; content that cannot be given so has content_error in its place, so that one row hides no other.
 * Beside a text stand an alert's areas, for who draws them: "shapes": [{"polygon": "lat,lon lat,lon …"}, {"circle": "lat,lon km"}], ROW_SHAPES_MAX at most.
 * language: of what people read, as payload_brief has it. Sets out->failed when memory is short.
 */
void row_json_put(struct buf *out, const struct inbox_row *row, enum row_content content, const char *language);

#endif
