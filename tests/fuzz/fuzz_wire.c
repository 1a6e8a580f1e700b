/* Any bytes as a control message: what is taken is written again to the same bytes, so that no two readers differ. */
#include "fuzz.h"
#include "proto/wire.h"

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	struct buf out = BUF_INIT(KW_CONTROL_MAX);
	struct wire_msg m;
	struct kw_why why = {""};

	if (wire_decode(&m, span_of(p, len), &why) != KW_OK) {
		HOLDS(why.text[0] != '\0', "refused without a sentence");
		return 0;
	}
	HOLDS(wire_encode(&out, &m) == KW_OK, "taken, and not written");
	HOLDS(span_eq(buf_span(&out), span_of(p, len)), "reads two ways");
	wire_msg_clear(&m);
	buf_free(&out);
	return 0;
}
