/*
 * What an opened body holds, of the type that the first byte names: what is taken is shown cleanly, goes to JSON and back to
 * the same bytes, and an alert to CAP and back too.
 */
#include <string.h>

#include "base/text.h"
#include "fuzz.h"
#include "proto/payload.h"

static void
clean(struct buf *shown)
{
	HOLDS(buf_ok(shown), "grew beyond its limit");
	HOLDS(text_unclean_at(buf_span(shown), TEXT_MULTILINE) == SIZE_MAX, "shows what may not be shown");
}

static void
to_json_and_back(enum payload_type type, struct span in)
{
	struct buf json = BUF_INIT(64u << 20), back = BUF_INIT(KW_OPENED_MAX);
	struct kw_why why = {""};

	HOLDS(payload_to_json(&json, type, in, true, &why) == KW_OK, why.text);
	HOLDS(payload_from_json(&back, type, buf_span(&json), &why) == KW_OK, why.text);
	HOLDS(span_eq(buf_span(&back), in), "JSON means something else");
	buf_free(&json);
	buf_free(&back);
}

static void
shown_to_people(enum payload_type type, struct span in)
{
	struct payload_brief brief;
	struct buf text = BUF_INIT(64u << 20);
	struct kw_why why = {""};

	HOLDS(payload_brief(&brief, type, in, "de", &why) == KW_OK, why.text);
	HOLDS(text_unclean_at(span_str(brief.headline), TEXT_LINE) == SIZE_MAX, "an unclean headline");
	HOLDS(text_unclean_at(span_str(brief.area), TEXT_LINE) == SIZE_MAX, "an unclean area");
	HOLDS(payload_to_text(&text, type, in, "en", true, &why) == KW_OK, why.text);
	clean(&text);
	buf_free(&text);
}

/* A carriage return must be written so, or XML would read it as a line's end. */
static void
with_plain_returns(struct buf *out, struct span xml)
{
	static const char code[] = "&#13;";
	const size_t n = sizeof code - 1;

	for (size_t i = 0; i < xml.len; i++) {
		bool is = xml.len - i >= n && memcmp(xml.p + i, code, n) == 0;

		buf_put_u8(out, is ? '\r' : xml.p[i]);
		i += is ? n - 1 : 0;
	}
}

static bool
is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Blanks beside a tag mean nothing in CAP, and an import leaves them out. */
static void
without_blanks(struct buf *out, struct span xml)
{
	for (size_t i = 0, end; i < xml.len; i = end) {
		bool blank = is_blank(xml.p[i]);

		for (end = i + 1; end < xml.len && is_blank(xml.p[end]) == blank; end++)
			;
		if (!blank || (i > 0 && end < xml.len && xml.p[i - 1] != '>' && xml.p[end] != '<'))
			buf_put(out, xml.p + i, end - i);
	}
}

static bool
means_the_same(struct span a, struct span b)
{
	struct buf x = BUF_INIT(64u << 20), y = BUF_INIT(64u << 20), plain_a = BUF_INIT(64u << 20), plain_b = BUF_INIT(64u << 20);
	bool same;

	with_plain_returns(&plain_a, a);
	with_plain_returns(&plain_b, b);
	without_blanks(&x, buf_span(&plain_a));
	without_blanks(&y, buf_span(&plain_b));
	buf_free(&plain_a);
	buf_free(&plain_b);
	same = buf_ok(&x) && buf_ok(&y) && span_eq(buf_span(&x), buf_span(&y));
	buf_free(&x);
	buf_free(&y);
	return same;
}

static void
to_cap_and_back(struct span in)
{
	struct buf xml = BUF_INIT(64u << 20), back = BUF_INIT(KW_OPENED_MAX), again = BUF_INIT(64u << 20);
	struct cap_references *references = calloc(1, sizeof *references);
	struct kw_why why = {""};
	enum kw_err err = cap_references(references, in, &why);

	HOLDS(err == KW_OK || err == KW_ELIMIT, why.text);
	HOLDS(cap_export(&xml, in, &why) == KW_OK, why.text);
	HOLDS(cap_import(&back, NULL, buf_span(&xml), &why) == KW_OK, why.text);
	HOLDS(cap_export(&again, buf_span(&back), &why) == KW_OK, why.text);
	HOLDS(means_the_same(buf_span(&again), buf_span(&xml)), "CAP means something else");
	free(references);
	buf_free(&xml);
	buf_free(&back);
	buf_free(&again);
}

static void
receipts(struct span in)
{
	struct receipt_payload *r = calloc(1, sizeof *r);
	struct buf out = BUF_INIT(KW_OPENED_MAX);
	struct kw_why why = {""};

	if (receipt_decode(r, in, &why) == KW_OK) {
		HOLDS(receipt_encode(&out, r) == KW_OK, "taken, and not written");
		HOLDS(span_eq(buf_span(&out), in), "a receipt reads two ways");
	}
	buf_free(&out);
	free(r);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	struct span in = span_of(p + 1, len - 1);
	enum payload_type type;
	struct kw_why why = {""};
	uint64_t number;

	if (len == 0)
		return 0;
	type = p[0] % 9 < 7 ? (enum payload_type)(PAYLOAD_ALERT + p[0] % 9) : p[0] % 9 == 7 ? PAYLOAD_RECEIPT : PAYLOAD_VOID;
	if (type == PAYLOAD_RECEIPT)
		receipts(in);
	if (type == PAYLOAD_VOID)
		(void)!void_decode(&number, in, "city/public-order", &why);
	if (payload_check(type, in, &why) != KW_OK || type >= PAYLOAD_RECEIPT)
		return 0;
	to_json_and_back(type, in);
	shown_to_people(type, in);
	if (type == PAYLOAD_ALERT)
		to_cap_and_back(in);
	return 0;
}
