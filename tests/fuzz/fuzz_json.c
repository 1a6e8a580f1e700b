/* Any text as JSON of each payload: what is taken stands as that payload, and goes to JSON and back unchanged. */
#include "fuzz.h"
#include "proto/payload.h"

static void
as(enum payload_type type, struct span text)
{
	struct buf taken = BUF_INIT(KW_OPENED_MAX), json = BUF_INIT(64u << 20), again = BUF_INIT(KW_OPENED_MAX);
	struct kw_why why = {""};

	if (payload_from_json(&taken, type, text, &why) == KW_OK) {
		HOLDS(payload_check(type, buf_span(&taken), &why) == KW_OK, why.text);
		HOLDS(payload_to_json(&json, type, buf_span(&taken), false, &why) == KW_OK, why.text);
		HOLDS(payload_from_json(&again, type, buf_span(&json), &why) == KW_OK, why.text);
		HOLDS(span_eq(buf_span(&again), buf_span(&taken)), "JSON means something else");
	} else {
		HOLDS(why.text[0] != '\0', "refused without a sentence");
	}
	buf_free(&taken);
	buf_free(&json);
	buf_free(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	for (int type = PAYLOAD_ALERT; type <= PAYLOAD_NOTE; type++)
		as((enum payload_type)type, span_of(p, len));
	return 0;
}
