/*
 * json_look: a look at JSON text before a parser runs: how deep it nests, and what stands at an offset. It does not judge
 * whether the text is JSON. Pure.
 */
#ifndef KW_PROTO_JSON_LOOK_H
#define KW_PROTO_JSON_LOOK_H

#include "base/span.h"

#define JSON_DEPTH_MAX 16

/* The offset of the bracket that nests deeper than JSON_DEPTH_MAX, or SIZE_MAX. */
size_t json_too_deep_at(struct span text);
/* The path of what stands at offset, as info[0].area[2].polygon; "" at the top. Cut when it is longer than size. */
void json_path_at(char *out, size_t size, struct span text, size_t offset);

#endif
