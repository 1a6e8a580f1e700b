/* Any bytes as a request on a node's local socket: read whole, or refused in a sentence, with what was taken given back. */
#include "clients/partner/local_ask.h"
#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	struct ask a;
	struct kw_why why = {""};
	enum kw_err err = ask_open(&a, span_of(p, len), &why);

	if (err == KW_OK)
		err = ask_read(&a, &why);
	HOLDS(err == KW_OK || why.text[0] != '\0', "refused without a sentence");
	if (err == KW_OK) {
		HOLDS(a.verb != ASK_PUBLISH || a.publish.topic != NULL, "published on no topic");
		HOLDS(a.publish.to_count <= KW_TO_MAX && a.query.limit <= ASK_ROWS_MAX && a.wait_ms <= ASK_WAIT_MAX, "beyond a limit");
	}
	ask_free(&a);
	return 0;
}
