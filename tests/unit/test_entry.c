/* The broker's own entries: what was written is read, and nothing that was changed on the way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "proto/entry.h"

static uint8_t pk[32], sk[64];

static struct broker_entry
make(uint8_t bytes[ENTRY_LEN])
{
	struct broker_entry e = {.kind = ENTRY_AGREEMENT, .time_ms = 1796000000000u, .version = 4};

	memset(e.agreement_hash, 7, sizeof e.agreement_hash);
	entry_encode(bytes, &e, sk);
	return e;
}

/* [L-2] */
static void
an_entry_is_read_as_it_was_written(void **state)
{
	uint8_t bytes[ENTRY_LEN];
	struct broker_entry e = make(bytes), back;
	struct kw_why why;

	(void)state;
	assert_int_equal(entry_decode(&back, span_of(bytes, sizeof bytes), &why), KW_OK);
	assert_int_equal(back.version, e.version);
	assert_int_equal(back.time_ms, e.time_ms);
	assert_memory_equal(back.agreement_hash, e.agreement_hash, KW_HASH_LEN);
	assert_true(entry_verify(span_of(bytes, sizeof bytes), pk));
}

static void
every_flipped_bit_and_every_other_length_is_refused(void **state)
{
	uint8_t bytes[ENTRY_LEN + 1] = {0};
	struct broker_entry back;
	struct kw_why why;

	(void)state;
	(void)make(bytes);
	for (size_t bit = 0; bit < ENTRY_LEN * 8; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		assert_false(entry_decode(&back, span_of(bytes, ENTRY_LEN), &why) == KW_OK && entry_verify(span_of(bytes, ENTRY_LEN), pk));
		bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
	}
	for (size_t len = 0; len <= ENTRY_LEN + 1; len++)
		if (len != ENTRY_LEN)
			assert_int_equal(entry_decode(&back, span_of(bytes, len), &why), KW_EPROTO);
}

static void
another_key_does_not_verify(void **state)
{
	uint8_t bytes[ENTRY_LEN], other_pk[32], other_sk[64];

	(void)state;
	(void)make(bytes);
	(void)crypto_sign_keypair(other_pk, other_sk);
	assert_false(entry_verify(span_of(bytes, sizeof bytes), other_pk));
}

/* ---- how a case stands ---- */

static struct broker_entry
of_case(void)
{
	struct broker_entry e = {.kind = ENTRY_CASE, .time_ms = 1796000000000u, .version = 4,
		.of_case = {.cause = CAUSE_MOVED, .state = CASE_TAKEN, .lane = LANE_URGENT, .in_force = 5, .opened = 10, .upto = 14, .entries = 3,
		            .alarms = 1, .rule = ENTRY_NO_RULE, .until_ms = 1796000600000u, .owner = "police/control-room", .next = "city/desk"}};

	memset(e.agreement_hash, 7, sizeof e.agreement_hash);
	memset(e.of_case.id, 8, sizeof e.of_case.id);
	memset(e.of_case.frame_hash, 9, sizeof e.of_case.frame_hash);
	return e;
}

static void
how_a_case_stands_is_read_as_it_was_written(void **state)
{
	struct broker_entry e = of_case(), back;
	uint8_t bytes[ENTRY_CASE_MAX];
	size_t len = entry_case_encode(bytes, &e, sk);

	(void)state;
	assert_int_equal(len, ENTRY_CASE_HEAD_LEN + 1 + strlen(e.of_case.owner) + 1 + strlen(e.of_case.next) + KW_SIG_LEN);
	assert_int_equal(entry_decode(&back, span_of(bytes, len), NULL), KW_OK);
	assert_true(entry_verify(span_of(bytes, len), pk));
	assert_int_equal(back.kind, ENTRY_CASE);
	assert_int_equal(back.time_ms, e.time_ms);
	assert_int_equal(back.version, 4);
	assert_memory_equal(back.agreement_hash, e.agreement_hash, KW_HASH_LEN);
	assert_int_equal(back.of_case.cause, CAUSE_MOVED);
	assert_int_equal(back.of_case.state, CASE_TAKEN);
	assert_int_equal(back.of_case.lane, LANE_URGENT);
	assert_int_equal(back.of_case.in_force, 5);
	assert_memory_equal(back.of_case.id, e.of_case.id, KW_ID_LEN);
	assert_memory_equal(back.of_case.frame_hash, e.of_case.frame_hash, KW_HASH_LEN);
	assert_int_equal(back.of_case.opened, 10);
	assert_int_equal(back.of_case.upto, 14);
	assert_int_equal(back.of_case.entries, 3);
	assert_int_equal(back.of_case.alarms, 1);
	assert_int_equal(back.of_case.rule, ENTRY_NO_RULE);
	assert_int_equal(back.of_case.until_ms, e.of_case.until_ms);
	assert_string_equal(back.of_case.owner, "police/control-room");
	assert_string_equal(back.of_case.next, "city/desk");
}

static void
the_shortest_and_the_longest_names_fit(void **state)
{
	struct broker_entry e = of_case(), back;
	uint8_t bytes[ENTRY_CASE_MAX];

	(void)state;
	e.of_case.state = CASE_DONE;
	e.of_case.until_ms = 0;
	(void)snprintf(e.of_case.owner, sizeof e.of_case.owner, "a/b");
	e.of_case.next[0] = '\0';
	assert_int_equal(entry_case_encode(bytes, &e, sk), ENTRY_CASE_MIN);
	assert_int_equal(entry_decode(&back, span_of(bytes, ENTRY_CASE_MIN), NULL), KW_OK);
	e = of_case();
	(void)snprintf(e.of_case.owner, sizeof e.of_case.owner, "a%030d/b%030d", 0, 0); /* 31 and 31: the longest there are */
	(void)snprintf(e.of_case.next, sizeof e.of_case.next, "c%030d/d%030d", 0, 0);
	assert_int_equal(entry_case_encode(bytes, &e, sk), ENTRY_CASE_MAX - 2);
}

static void
every_flipped_bit_and_every_other_length_of_a_case_is_refused(void **state)
{
	struct broker_entry e = of_case(), back;
	uint8_t bytes[ENTRY_CASE_MAX + 64] = {0};
	size_t len = entry_case_encode(bytes, &e, sk);

	(void)state;
	for (size_t bit = 0; bit < len * 8; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		assert_false(entry_decode(&back, span_of(bytes, len), NULL) == KW_OK && entry_verify(span_of(bytes, len), pk));
		bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
	}
	for (size_t other = 0; other <= sizeof bytes; other++)
		if (other != len)
			assert_int_equal(entry_decode(&back, span_of(bytes, other), NULL), KW_EPROTO);
}

/* Signed as it is by a broker that lies: the decoder alone must refuse it. */
static void
refuses(size_t at, uint64_t value, uint32_t width)
{
	struct broker_entry e = of_case(), back, untouched;
	uint8_t bytes[ENTRY_CASE_MAX];
	size_t len = entry_case_encode(bytes, &e, sk);

	for (uint32_t i = 0; i < width; i++)
		bytes[at + i] = (uint8_t)(value >> (8 * (width - 1 - i)));
	memset(&back, 0x5A, sizeof back);
	memset(&untouched, 0x5A, sizeof untouched);
	assert_int_equal(entry_decode(&back, span_of(bytes, len), NULL), KW_EPROTO);
	assert_memory_equal(&back, &untouched, sizeof back);
}

static void
an_alarm_that_counts_none_is_refused(void **state)
{
	enum { ALARMS = ENTRY_HEAD_LEN + 3 + 4 + 48 + 16 + 4 };
	struct broker_entry e = of_case(), back;
	uint8_t bytes[ENTRY_CASE_MAX];
	struct kw_why why = {""};
	size_t len;

	(void)state;
	e.of_case.cause = CAUSE_ALARM;
	e.of_case.state = CASE_ESCALATED;
	e.of_case.next[0] = '\0';
	len = entry_case_encode(bytes, &e, sk);
	if (entry_decode(&back, span_of(bytes, len), &why) != KW_OK)
		fail_msg("%s", why.text);
	assert_int_equal(be32_get(bytes + ALARMS), e.of_case.alarms);
	be32_put(bytes + ALARMS, 0);
	assert_int_equal(entry_decode(&back, span_of(bytes, len), &why), KW_EPROTO);
	assert_non_null(strstr(why.text, "is an alarm and counts none"));
}

static void
what_a_case_cannot_be_is_refused(void **state)
{
	enum { CAUSE = ENTRY_HEAD_LEN, STATE = CAUSE + 1, IN_LANE = STATE + 1, IN_FORCE = IN_LANE + 1, OPENED = IN_FORCE + 4 + 48, UPTO = OPENED + 8,
	       ENTRIES = UPTO + 8, UNTIL = ENTRIES + 10, OWNER = UNTIL + 8 };

	(void)state;
	refuses(CAUSE, 0, 1);
	refuses(CAUSE, CAUSE_AGREEMENT + 1, 1);
	refuses(CAUSE, CAUSE_TIMEOUT, 1);       /* nobody has it then */
	refuses(CAUSE, CAUSE_ALARM, 1);
	refuses(CAUSE, CAUSE_LAPSED, 1);
	refuses(STATE, 0, 1);
	refuses(STATE, CASE_WAITING, 1);        /* a statement always says whose turn it is */
	refuses(STATE, CASE_LAPSED + 1, 1);
	refuses(STATE, CASE_OFFERED, 1);        /* with a next owner */
	refuses(STATE, CASE_DONE, 1);
	refuses(IN_LANE, KW_LANES, 1);
	refuses(IN_FORCE, 3, 4);                /* older than the line's */
	refuses(13, 0, 4);
	refuses(OPENED, 0, 8);
	refuses(UPTO, 9, 8);
	refuses(ENTRIES, 0, 4);
	refuses(ENTRIES, 6, 4);                 /* from 10 to 14 there are five at most */
	refuses(UNTIL, 0, 8);                   /* a hand-over has its limit */
	refuses(OWNER, 65, 1);
	refuses(OWNER, 0, 1);
	refuses(OWNER, 18, 1);
	refuses(OWNER + 1, 'P', 1);
	refuses(OWNER + 1, 0, 1);
	refuses(OWNER + 20, 0, 1);              /* nobody is next, and bytes are left over */
	refuses(4, 3, 1);
}

/* ---- who is suspended ---- */

static struct broker_entry
of_suspension(void)
{
	struct broker_entry e = {.kind = ENTRY_SUSPENSION, .time_ms = 1796000000000u, .version = 4,
		.of_suspension = {.act = SUSPENSION_BEGUN, .from_ms = 1796000000000u, .until_ms = 1796003600000u, .node = "police/control-room", .by = "night-desk",
		                  .reason = "gestohlen, höchste Zeit"}};

	memset(e.agreement_hash, 7, sizeof e.agreement_hash);
	return e;
}

/* [O-9] */
static void
a_suspension_is_read_as_it_was_written_and_not_otherwise(void **state)
{
	struct broker_entry e = of_suspension(), back;
	uint8_t bytes[ENTRY_SUSPENSION_MAX + 64] = {0};
	size_t len = entry_suspension_encode(bytes, &e, sk);

	(void)state;
	assert_int_equal(entry_decode(&back, span_of(bytes, len), NULL), KW_OK);
	assert_true(entry_verify(span_of(bytes, len), pk));
	assert_int_equal(back.kind, ENTRY_SUSPENSION);
	assert_int_equal(back.time_ms, e.time_ms);
	assert_int_equal(back.version, 4);
	assert_int_equal(back.of_suspension.act, SUSPENSION_BEGUN);
	assert_int_equal(back.of_suspension.from_ms, e.of_suspension.from_ms);
	assert_int_equal(back.of_suspension.until_ms, e.of_suspension.until_ms);
	assert_string_equal(back.of_suspension.node, "police/control-room");
	assert_string_equal(back.of_suspension.by, "night-desk");
	assert_string_equal(back.of_suspension.reason, e.of_suspension.reason);
	for (size_t bit = 0; bit < len * 8; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		assert_false(entry_decode(&back, span_of(bytes, len), NULL) == KW_OK && entry_verify(span_of(bytes, len), pk));
		bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
	}
	for (size_t other = 0; other <= sizeof bytes; other++)
		if (other != len)
			assert_int_equal(entry_decode(&back, span_of(bytes, other), NULL), KW_EPROTO);
	e.of_suspension = (struct entry_suspension){.act = SUSPENSION_LIFTED, .from_ms = 5, .until_ms = 5, .node = "a/b", .by = "x", .reason = ""};
	assert_int_equal(entry_suspension_encode(bytes, &e, sk), ENTRY_SUSPENSION_MIN);
}

/* Signed as it is by a broker that lies. */
static void
refuses_suspension(size_t at, uint64_t value, uint32_t width)
{
	struct broker_entry e = of_suspension(), back;
	uint8_t bytes[ENTRY_SUSPENSION_MAX];
	size_t len = entry_suspension_encode(bytes, &e, sk);

	for (uint32_t i = 0; i < width; i++)
		bytes[at + i] = (uint8_t)(value >> (8 * (width - 1 - i)));
	assert_int_equal(entry_decode(&back, span_of(bytes, len), NULL), KW_EPROTO);
}

static void
what_a_suspension_cannot_be_is_refused(void **state)
{
	enum { ACT = ENTRY_HEAD_LEN, FROM = ACT + 1, UNTIL = FROM + 8, NODE = UNTIL + 8, BY = NODE + 1 + 19, REASON = BY + 1 + 10 };

	(void)state;
	refuses_suspension(ACT, 0, 1);
	refuses_suspension(ACT, 3, 1);
	refuses_suspension(ACT, SUSPENSION_LIFTED, 1);          /* which has no reason */
	refuses_suspension(UNTIL, 1796000000000u, 8);           /* no time at all */
	refuses_suspension(UNTIL, 1795999999999u, 8);
	refuses_suspension(UNTIL, 1796000000000u + KW_SUSPENDED_MAX_MS + 1, 8);
	refuses_suspension(FROM, 0, 8);
	refuses_suspension(NODE, 0, 1);
	refuses_suspension(NODE, 65, 1);
	refuses_suspension(NODE + 1, 'P', 1);
	refuses_suspension(BY, 0, 1);
	refuses_suspension(BY + 1, 27, 1);
	refuses_suspension(REASON, 0, 1);
	refuses_suspension(REASON, 255, 1);
	refuses_suspension(REASON + 1, '\n', 1);
	refuses_suspension(REASON + 1, 0, 1);
	refuses_suspension(4, 4, 1);
}

static int
keys(void **state)
{
	(void)state;
	if (sodium_init() < 0)
		return -1;
	return crypto_sign_keypair(pk, sk);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_entry_is_read_as_it_was_written),
		cmocka_unit_test(every_flipped_bit_and_every_other_length_is_refused),
		cmocka_unit_test(another_key_does_not_verify),
		cmocka_unit_test(how_a_case_stands_is_read_as_it_was_written),
		cmocka_unit_test(the_shortest_and_the_longest_names_fit),
		cmocka_unit_test(every_flipped_bit_and_every_other_length_of_a_case_is_refused),
		cmocka_unit_test(an_alarm_that_counts_none_is_refused),
		cmocka_unit_test(what_a_case_cannot_be_is_refused),
		cmocka_unit_test(a_suspension_is_read_as_it_was_written_and_not_otherwise),
		cmocka_unit_test(what_a_suspension_cannot_be_is_refused),
	};

	return cmocka_run_group_tests(tests, keys, NULL);
}
