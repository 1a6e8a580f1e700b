/* Any bytes as a batch that the journal carries: what is taken is written again to the same bytes, and its entries lie within them. */
#include <string.h>

#include "broker/store/recent.h"
#include "fuzz.h"

static bool
within(struct span part, struct span all)
{
	return part.len == 0 || (part.p >= all.p && part.len <= all.len && (size_t)(part.p - all.p) <= all.len - part.len);
}

/* False: not such bytes. */
static bool
written_again(struct buf *out, struct span in)
{
	struct decided_reader r;
	struct decided_commit c;
	struct decided_op op;
	uint32_t ops = 0;

	if (!decided_open(&r, in))
		return false;
	decided_begin(out, r.now_ms);
	for (; r.left > 0; ops++) {
		if (!decided_next(&r, &op))
			return false;
		decided_put(out, &op);
	}
	if (!decided_close(&r, &c))
		return false;
	decided_end(out, 0, ops, &c);
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	struct buf again = BUF_INIT(2 * len + 64), record = BUF_INIT(2 * len + 64);
	bool taken = written_again(&again, span_of(p, len));
	struct recent_batch *b = NULL;
	uint8_t *head = buf_reserve(&record, JOURNAL_HEAD + len);

	HOLDS(head != NULL, "memory");
	memset(head, 0, JOURNAL_HEAD);
	if (len > 0)
		memcpy(head + JOURNAL_HEAD, p, len);
	buf_commit(&record, JOURNAL_HEAD + len);
	HOLDS((recent_of_record(&b, &record) == KW_OK) == taken, "taken by one and not by the other");
	if (taken)
		HOLDS(buf_ok(&again) && span_eq(buf_span(&again), span_of(p, len)), "a batch reads two ways");
	for (uint32_t i = 0; b != NULL && i < b->count; i++) {
		const struct decided_append *a = &b->entries[i].a;
		struct span all = buf_span(&b->record);

		HOLDS(within(a->head, all) && within(a->wraps, all) && within(a->body, all) && within(span_of(a->id, KW_ID_LEN), all), "beyond the record");
	}
	recent_free(&b);
	buf_free(&again);
	buf_free(&record);
	return 0;
}
