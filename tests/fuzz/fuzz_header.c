/* Any bytes as a notification's header: what is taken is written again to the same bytes. */
#include "fuzz.h"
#include "proto/header.h"

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	struct buf out = BUF_INIT(KW_HEADER_MAX);
	struct header h;
	struct kw_why why = {""};

	if (header_decode(&h, span_of(p, len), &why) != KW_OK) {
		HOLDS(why.text[0] != '\0', "refused without a sentence");
		return 0;
	}
	HOLDS(header_encode(&out, &h, &why) == KW_OK, why.text);
	HOLDS(span_eq(buf_span(&out), span_of(p, len)), "reads two ways");
	HOLDS(topic_check(h.topic, &why) == KW_OK && node_check(h.sender, &why) == KW_OK, why.text);
	buf_free(&out);
	return 0;
}
