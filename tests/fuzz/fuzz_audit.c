/* Any bytes as lines of an audit trail, by themselves and under the right hash, and as what is asked of one: refused in a sentence, or read as what is written again. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "audit/check.h"
#include "audit/page.h"
#include "base/text.h"
#include "fuzz.h"
#include "proto/seal.h"

static bool
same(const char *a, const char *b)
{
	return strcmp(a != NULL ? a : "", b != NULL ? b : "") == 0;
}

/* What was read is written, and reads as the same. */
static void
again(const struct audit_line *l)
{
	struct audit_record r = l->record;
	struct buf out = BUF_INIT(2 * AUDIT_LINE_MAX);
	struct audit_line back;
	uint8_t hash[KW_HASH_LEN];
	struct kw_why why;

	if (audit_record_put(&out, hash, &r, l->before, NULL, NULL, &why) == KW_OK) {
		HOLDS(audit_line_read(&back, span_of(out.p, out.len - 1), &why) == KW_OK, why.text);
		HOLDS(back.record.number == r.number && back.record.time_ms == r.time_ms && back.record.count == r.count, "a number reads two ways");
		HOLDS(same(back.record.event, r.event) && same(back.record.actor, r.actor) && same(back.record.object, r.object) && same(back.record.topic, r.topic) &&
		      same(back.record.to, r.to) && same(back.record.detail, r.detail), "a text reads two ways");
		audit_line_free(&back);
	}
	buf_free(&out);
}

static void
line(struct audit_check *c, bool *on, struct span in)
{
	static const uint8_t secret[KW_KEY_LEN] = {5};
	struct audit_line l;
	struct kw_why why = {""};
	json_t *shown = NULL;

	if (audit_line_read(&l, in, &why) != KW_OK) {
		HOLDS(why.text[0] != '\0', "refused without a sentence");
	} else {
		if (l.kind == AUDIT_RECORD)
			again(&l);
		if (l.kind == AUDIT_RECORD && audit_sealing.open(&shown, &l, secret, &why) == KW_OK) {
			(void)!audit_shown_holds(&l, shown);
			json_decref(shown);
		}
		why.text[0] = '\0';
		*on = *on && audit_check_line(c, &l, &why) == KW_OK;
	}
	audit_line_free(&l);
}

/* The same under its own hash, so that what stands behind the hash is reached. */
static void
hashed(struct audit_check *c, bool *on, struct span body)
{
	struct buf b = BUF_INIT(4 * AUDIT_LINE_MAX);
	uint8_t hash[KW_HASH_LEN];
	char hex[2 * KW_HASH_LEN + 1];

	if (body.len > AUDIT_LINE_MAX)
		return;
	seal_hash(hash, NULL, LABEL_AUDIT, &body, 1);
	text_put_hex(hex, span_of(hash, sizeof hash));
	buf_put_str(&b, hex);
	buf_put_u8(&b, ' ');
	buf_put_span(&b, body);
	line(c, on, buf_span(&b));
	buf_free(&b);
}

static void
asked(struct span in)
{
	struct page_ask ask;
	struct kw_why why = {""};

	if (page_ask_read(&ask, json_loadb((const char *)in.p, in.len, JSON_REJECT_DUPLICATES, NULL), &why) != KW_OK)
		HOLDS(why.text[0] != '\0', "refused without a sentence");
	page_ask_free(&ask);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	const uint8_t *at = p, *end = p + len, *stop;
	struct audit_check c;
	struct kw_why why;
	bool on = true;

	if (sodium_init() < 0)
		abort();
	audit_check_begin(&c, NULL, NULL, false, NULL, 0);
	for (; at < end; at = stop + (stop < end)) {
		stop = memchr(at, '\n', (size_t)(end - at));
		stop = stop != NULL ? stop : end;
		line(&c, &on, span_of(at, (size_t)(stop - at)));
		hashed(&c, &on, span_of(at, (size_t)(stop - at)));
	}
	(void)!audit_check_end(&c, &why);
	asked(span_of(p, len));
	return 0;
}
