/* A text in parts: what is cut is put together again, and whatever does not fit together is refused and holds nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/parts.h"

static uint8_t *whole;
static struct parts p;

static int
set_up(void **state)
{
	(void)state;
	whole = malloc(KW_AGREEMENT_MAX);
	assert_non_null(whole);
	for (size_t i = 0; i < KW_AGREEMENT_MAX; i++)
		whole[i] = (uint8_t)(i * 7 + i / KW_PART_LEN);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	parts_drop(&p);
	free(whole);
	return 0;
}

static struct span
sigs_of(uint32_t part, size_t total)
{
	return part_is_last(part, total) ? span_str("signed") : span_of(NULL, 0);
}

/* The next part of the first total bytes, as an honest one sends it. */
static enum kw_err
give(uint32_t part, size_t total, struct kw_why *why)
{
	struct span text = part_cut(span_of(whole, total), part), sigs = sigs_of(part, total);

	assert_int_equal(part_check(part, total, text, sigs, why), KW_OK);
	return parts_take(&p, part, total, text, sigs, why);
}

static void
a_text_of_any_length_comes_together_again(void **state)
{
	static const size_t lengths[] = {1, KW_PART_LEN - 1, KW_PART_LEN, KW_PART_LEN + 1, 3 * KW_PART_LEN, 5 * KW_PART_LEN + 17, KW_AGREEMENT_MAX - 1, KW_AGREEMENT_MAX};
	struct kw_why why;

	(void)state;
	for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
		size_t total = lengths[i];
		uint32_t n = part_count(total);

		parts_drop(&p);
		for (uint32_t part = 0; part < n; part++)
			assert_int_equal(give(part, total, &why), part + 1 < n ? KW_EAGAIN : KW_OK);
		assert_true(span_eq(buf_span(&p.text), span_of(whole, total)));
		assert_true(span_eq(buf_span(&p.sigs), span_str("signed")));
	}
	assert_int_equal(part_count(KW_AGREEMENT_MAX), 32);
	assert_int_equal(part_count(0), 0);
}

static void
it_holds_what_came_and_not_what_was_announced(void **state)
{
	struct kw_why why;

	(void)state;
	assert_int_equal(give(0, KW_AGREEMENT_MAX, &why), KW_EAGAIN);
	assert_true(p.text.cap <= 2 * KW_PART_LEN);
	for (uint32_t part = 1; part < part_count(KW_AGREEMENT_MAX); part++) {
		(void)give(part, KW_AGREEMENT_MAX, &why);
		assert_true(p.text.cap <= 2 * p.text.len && p.text.cap <= KW_AGREEMENT_MAX);
	}
}

static void
what_was_here_already_changes_nothing(void **state)
{
	struct kw_why why;

	(void)state;
	assert_int_equal(give(0, 3 * KW_PART_LEN, &why), KW_EAGAIN);
	assert_int_equal(give(1, 3 * KW_PART_LEN, &why), KW_EAGAIN);
	assert_int_equal(give(1, 3 * KW_PART_LEN, &why), KW_EEXISTS);
	assert_int_equal(give(0, 3 * KW_PART_LEN, &why), KW_EEXISTS);
	assert_int_equal(p.text.len, 2 * KW_PART_LEN);
	assert_int_equal(give(2, 3 * KW_PART_LEN, &why), KW_OK);
	assert_int_equal(give(2, 3 * KW_PART_LEN, &why), KW_EEXISTS);
	assert_true(span_eq(buf_span(&p.text), span_of(whole, 3 * KW_PART_LEN)));
	assert_int_equal(p.sigs.len, 6);
}

static void
drops_all_and_says(enum kw_err err, const struct kw_why *why, const char *says)
{
	assert_int_equal(err, KW_EPROTO);
	if (strstr(why->text, says) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", why->text, says);
	assert_int_equal(p.total, 0);
	assert_int_equal(p.next, 0);
	assert_null(p.text.p);
}

static void
parts_that_do_not_fit_together_are_refused_and_hold_nothing(void **state)
{
	struct kw_why why;

	(void)state;
	assert_int_equal(give(0, 4 * KW_PART_LEN, &why), KW_EAGAIN);
	drops_all_and_says(give(1, 4 * KW_PART_LEN + 1, &why), &why, "part 1 is of an agreement of 262145 bytes, the parts before it were of one of 262144");
	assert_int_equal(give(0, 4 * KW_PART_LEN, &why), KW_EAGAIN);
	drops_all_and_says(give(2, 4 * KW_PART_LEN, &why), &why, "part 2 came where part 1 was awaited");
	drops_all_and_says(give(2, 4 * KW_PART_LEN, &why), &why, "part 2 came where part 0 was awaited");
	assert_int_equal(give(0, 4 * KW_PART_LEN, &why), KW_EAGAIN);
	drops_all_and_says(give(0, KW_PART_LEN, &why), &why, "part 0 is of an agreement of 65536 bytes, the parts before it were of one of 262144");
	assert_int_equal(give(0, KW_PART_LEN, &why), KW_OK);
}

static void
is_refused(uint32_t part, size_t total, size_t len, size_t sigs, const char *says)
{
	struct kw_why why = {""};

	assert_int_equal(part_check(part, total, span_of(whole, len), span_of(whole, sigs), &why), KW_EPROTO);
	if (strstr(why.text, says) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", why.text, says);
}

static void
a_part_that_cannot_be_is_refused_by_itself(void **state)
{
	struct kw_why why;

	(void)state;
	is_refused(0, 0, 0, 0, "the agreement has 0 bytes, must have 1 to 2097152");
	is_refused(0, KW_AGREEMENT_MAX + 1, KW_PART_LEN, 0, "the agreement has 2097153 bytes, must have 1 to 2097152");
	is_refused(32, KW_AGREEMENT_MAX, KW_PART_LEN, 0, "part 32 of an agreement of 2097152 bytes, which has 32");
	is_refused(UINT32_MAX, KW_AGREEMENT_MAX, KW_PART_LEN, 0, "part 4294967295 of");
	is_refused(0, 2 * KW_PART_LEN, KW_PART_LEN - 1, 0, "part 0 of an agreement of 131072 bytes has 65535 bytes, must have 65536");
	is_refused(0, 2 * KW_PART_LEN, KW_PART_LEN + 1, 0, "must have 65536");
	is_refused(1, KW_PART_LEN + 9, 10, 0, "must have 9");
	is_refused(1, KW_PART_LEN + 9, 0, 0, "must have 9");
	is_refused(0, 2 * KW_PART_LEN, KW_PART_LEN, 1, "brings signatures, which come with the last");
	is_refused(1, 2 * KW_PART_LEN, KW_PART_LEN, KW_SIGNATURES_TEXT_MAX + 1, "the signatures have 49153 bytes, at most 49152 are allowed");
	assert_int_equal(part_check(1, 2 * KW_PART_LEN, span_of(whole, KW_PART_LEN), span_of(whole, KW_SIGNATURES_TEXT_MAX), &why), KW_OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_text_of_any_length_comes_together_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(it_holds_what_came_and_not_what_was_announced, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_was_here_already_changes_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(parts_that_do_not_fit_together_are_refused_and_hold_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_part_that_cannot_be_is_refused_by_itself, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("parts", tests, NULL, NULL);
}
