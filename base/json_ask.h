/* json_ask: a request that came as JSON, read strictly: each refusal names its key. */
#ifndef KW_JSON_ASK_H
#define KW_JSON_ASK_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "base/span.h"

/* *out is a new object, to be given back by json_decref in any case. KW_ELIMIT: more than most bytes; KW_EPROTO: no object, or a key twice. */
KW_MUST_USE enum kw_err json_ask_load(json_t **out, struct span text, size_t most, struct kw_why *why);
/* All three: KW_EINVAL: of another kind, or beyond most. */
KW_MUST_USE enum kw_err json_ask_number(uint64_t *out, const json_t *v, uint64_t most, const char *key, struct kw_why *why); /* most: INT64_MAX at the most */
KW_MUST_USE enum kw_err json_ask_text(const char **out, const json_t *v, const char *key, struct kw_why *why);               /* borrowed from v */
KW_MUST_USE enum kw_err json_ask_flag(bool *out, const json_t *v, const char *key, struct kw_why *why);

#endif
