/* What a body of a receipt, of a void or of a released holds within its limits, and what beyond them is refused in a sentence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proto/payload.h"

#define ROOM (1u << 20)

/* Appends a field of bytes: its tag, their length, themselves. */
static void
put_field(struct buf *b, uint8_t tag, const void *bytes, size_t n)
{
	size_t len = n;

	buf_put_u8(b, tag);
	for (; len >= 0x80; len >>= 7)
		buf_put_u8(b, (uint8_t)(len | 0x80));
	buf_put_u8(b, (uint8_t)len);
	buf_put(b, bytes, n);
}

/* Empties b. says "": it is taken. */
static void
judged(enum payload_type type, struct buf *b, const char *says)
{
	struct kw_why why = {""};
	enum kw_err err = payload_check(type, buf_span(b), &why);

	if ((err == KW_OK) != (says[0] == '\0') || strstr(why.text, says) == NULL)
		fail_msg("\"%s\" and not \"%s\"", why.text, says);
	buf_reset(b);
}

static void
a_receipt_keeps_its_limits(void **state)
{
	static const char letters[600] = {[0 ... 599] = 'x'};
	static const struct { uint8_t tag; size_t len; const char *says; } all[] = {
		{0x12, 511, ""}, {0x12, 512, "reason: has 512 bytes, at most 511 are allowed"}, {0x1a, 127, ""}, {0x1a, 128, "as: has 128 bytes, at most 127 are allowed"},
		{0x22, 32, ""}, {0x22, 31, "textHash: has 31 bytes, must have 32"},
	};
	struct buf b = BUF_INIT(ROOM);

	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		put_field(&b, all[i].tag, letters, all[i].len);
		judged(PAYLOAD_RECEIPT, &b, all[i].says);
	}
	buf_free(&b);
}

static void
a_void_names_whose_numbers(void **state)
{
	struct buf b = BUF_INIT(ROOM), one = BUF_INIT(ROOM);

	(void)state;
	judged(PAYLOAD_VOID, &b, "the payload is empty");
	put_field(&b, 0x12, "why", 3);
	judged(PAYLOAD_VOID, &b, "numbers: is missing");
	put_field(&one, 0x0a, "city/public-order", 17);
	put_field(&b, 0x0a, one.p, one.len);
	judged(PAYLOAD_VOID, &b, "number: is missing");
	buf_put(&one, "\x10\x07", 2);
	put_field(&b, 0x0a, one.p, one.len);
	judged(PAYLOAD_VOID, &b, "");
	buf_reset(&one);
	put_field(&one, 0x0a, "city", 4);
	buf_put(&one, "\x10\x07", 2);
	put_field(&b, 0x0a, one.p, one.len);
	judged(PAYLOAD_VOID, &b, "node");
	buf_free(&one);
	buf_free(&b);
}

/* A released of a draft of so many bytes, with so many approvals of these. */
static void
released(struct buf *out, size_t draft, unsigned approvals, size_t head, size_t body, size_t key)
{
	static uint8_t bytes[KW_HEAD_MAX + KW_APPROVAL_BODY_MAX + 1];
	struct buf approval = BUF_INIT(ROOM);

	memset(bytes, 1, sizeof bytes);
	put_field(out, 0x0a, "text", 4);
	if (draft > 0)
		put_field(out, 0x12, bytes, draft);
	if (head > 0)
		put_field(&approval, 0x0a, bytes, head);
	if (body > 0)
		put_field(&approval, 0x12, bytes, body);
	if (key > 0)
		put_field(&approval, 0x1a, bytes, key);
	for (unsigned i = 0; i < approvals; i++)
		put_field(out, 0x1a, approval.p, approval.len);
	buf_free(&approval);
}

static void
a_released_is_whole(void **state)
{
	static const struct { size_t draft; unsigned approvals; size_t head, body, key; const char *says; } all[] = {
		{9, 1, 9, 9, 32, ""}, {KW_HEAD_MAX, 2, KW_HEAD_MAX, KW_APPROVAL_BODY_MAX, 32, ""}, {0, 1, 9, 9, 32, "draft: has 0 bytes"}, {KW_HEAD_MAX + 1, 1, 9, 9, 32, "draft: has"},
		{9, 0, 9, 9, 32, "approvals: has 0, must have 1 to"}, {9, KW_APPROVALS_MAX + 1, 9, 9, 32, "approvals: has"}, {9, 1, 0, 9, 32, "head: has 0 bytes"},
		{9, 1, KW_HEAD_MAX + 1, 9, 32, "head: has"}, {9, 1, 9, 0, 32, "body: has 0 bytes"}, {9, 1, 9, KW_APPROVAL_BODY_MAX + 1, 32, "body: has"},
		{9, 1, 9, 9, 31, "key: has 31 bytes, must have 32"}, {9, 1, 9, 9, 0, "key: has 0 bytes"},
	};
	struct buf b = BUF_INIT(ROOM);

	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		released(&b, all[i].draft, all[i].approvals, all[i].head, all[i].body, all[i].key);
		judged(PAYLOAD_RELEASE, &b, all[i].says);
	}
	put_field(&b, 0x12, "draft", 5);
	judged(PAYLOAD_RELEASE, &b, "content: is missing");
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_receipt_keeps_its_limits),
		cmocka_unit_test(a_void_names_whose_numbers),
		cmocka_unit_test(a_released_is_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
