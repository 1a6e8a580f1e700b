/*
 * Bytes as events: parts of texts that come in order, again, too early, of another whole, of another length, or with signatures too soon. A
 * model knows which of them go on, and what is whole is the text itself.
 */
#include <string.h>

#include "base/span.h"
#include "fuzz.h"
#include "proto/parts.h"

#define TEXT_MAX (6u * KW_PART_LEN)

struct model { size_t total; uint32_t next; }; /* total 0: nothing is there */

static size_t
some_total(struct cursor *in)
{
	static const size_t near[] = {1, KW_PART_LEN - 1, KW_PART_LEN, KW_PART_LEN + 1, 3 * KW_PART_LEN, TEXT_MAX};

	return near[cursor_u8(in) % (sizeof near / sizeof near[0])];
}

static void
one(struct parts *p, struct model *m, const uint8_t *whole, size_t total, uint32_t part)
{
	struct span text = part_cut(span_of(whole, total), part), sigs = part_is_last(part, total) ? span_str("s") : span_of(NULL, 0);
	struct kw_why why = {""};
	enum kw_err err, want = KW_EPROTO;

	HOLDS(part_check(part, total, text, sigs, &why) == KW_OK, why.text);
	if (m->total == 0 && part == 0)
		m->total = total;
	if (m->total == 0 || total == m->total)
		want = part < m->next ? KW_EEXISTS : part > m->next ? KW_EPROTO : part_is_last(part, total) ? KW_OK : KW_EAGAIN;
	err = parts_take(p, part, total, text, sigs, &why);
	HOLDS(err == want, why.text);
	if (err == KW_EPROTO)
		*m = (struct model){.total = 0};
	else if (err != KW_EEXISTS)
		m->next = part + 1;
	HOLDS(p->total == m->total && p->next == m->next, "it is not where it says");
	HOLDS(p->text.cap <= 2 * p->text.len + KW_PART_LEN, "more is held than came");
	if (err == KW_OK)
		HOLDS(span_eq(buf_span(&p->text), span_of(whole, total)) && span_eq(buf_span(&p->sigs), span_str("s")), "what came together is another text");
}

/* A length that is none of that part is never taken. */
static void
cut_otherwise(const uint8_t *whole, size_t total, uint32_t part, size_t len)
{
	struct kw_why why;

	if (part >= part_count(total) || part_cut(span_of(whole, total), part).len != len)
		HOLDS(part_check(part, total, span_of(whole, len), span_of(NULL, 0), &why) == KW_EPROTO, "a part that cannot be");
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static uint8_t whole[TEXT_MAX];
	struct cursor in = cursor_over(span_of(bytes, len));
	struct parts p = {.total = 0};
	struct model m = {.total = 0};
	size_t total = KW_PART_LEN;

	for (size_t i = 0; i < TEXT_MAX && whole[1] == 0; i++)
		whole[i] = (uint8_t)(i + i / KW_PART_LEN);
	for (unsigned n = 0; n < 200 && cursor_left(&in) > 0; n++) {
		uint8_t what = cursor_u8(&in);

		switch (what % 4) {
		case 0: total = some_total(&in); break;
		case 1: one(&p, &m, whole, total, m.next < part_count(total) ? m.next : 0); break;
		case 2: one(&p, &m, whole, total, what / 4 % part_count(total)); break;
		default: cut_otherwise(whole, total, what / 4, cursor_u16(&in)); break;
		}
	}
	parts_drop(&p);
	return 0;
}
