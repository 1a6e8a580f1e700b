/* Any text as a CAP file: what is taken stands as an alert, and is written as CAP 1.2 that means the same. */
#include "fuzz.h"
#include "proto/payload.h"

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	struct buf alert = BUF_INIT(KW_OPENED_MAX), mended = BUF_INIT(1u << 20), xml = BUF_INIT(64u << 20), again = BUF_INIT(KW_OPENED_MAX);
	struct kw_why why = {""};

	if (cap_import(&alert, &mended, span_of(p, len), &why) == KW_OK) {
		HOLDS(payload_check(PAYLOAD_ALERT, buf_span(&alert), &why) == KW_OK, why.text);
		HOLDS(cap_export(&xml, buf_span(&alert), &why) == KW_OK, why.text);
		buf_reset(&mended);
		HOLDS(cap_import(&again, &mended, buf_span(&xml), &why) == KW_OK, why.text);
		HOLDS(span_eq(buf_span(&again), buf_span(&alert)), "CAP means something else");
	} else {
		HOLDS(why.text[0] != '\0', "refused without a sentence");
	}
	buf_free(&alert);
	buf_free(&mended);
	buf_free(&xml);
	buf_free(&again);
	return 0;
}
