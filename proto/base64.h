/* base64: RFC 4648, as JSON and CAP carry bytes. Pure. */
#ifndef KW_PROTO_BASE64_H
#define KW_PROTO_BASE64_H

#include <stdbool.h>

#include "base/span.h"

enum base64_rule {
	BASE64_BLANKS = 1, /* blanks and line ends between the digits are skipped */
	BASE64_EITHER = 2, /* the URL alphabet too, and padding may be left away (protobuf's JSON) */
};

/* Appends; false when text is no base64 (also bits left over that are not zero) or out failed; out may then hold a part. */
bool base64_decode(struct buf *out, struct span text, unsigned rules);
/* Standard alphabet, padded, no line ends. */
void base64_encode(struct buf *out, struct span in);

#endif
