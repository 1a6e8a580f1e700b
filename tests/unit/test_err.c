/* Sentences of refusals: what is put before them and behind, and how they are cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/span.h"
#include "base/text.h"

static void
where_stands_before_and_what_to_do_behind(void **state)
{
	struct kw_why why;

	(void)state;
	assert_int_equal(kw_refuse(&why, KW_ENOTFOUND, "%s does not exist", "node.key"), KW_ENOTFOUND);
	kw_why_suffix(&why, "\"%s\" makes one", "kurzweg partner init");
	assert_string_equal(why.text, "node.key does not exist; \"kurzweg partner init\" makes one");
	kw_why_prefix(&why, "line %d", 7);
	assert_string_equal(why.text, "line 7: node.key does not exist; \"kurzweg partner init\" makes one");
	kw_why_suffix(NULL, "nobody asked");
}

static void
a_sentence_that_is_full_is_cut_at_a_whole_character(void **state)
{
	char long_one[KW_WHY_MAX], tail[KW_WHY_MAX];
	struct kw_why why;

	(void)state;
	memset(long_one, 'x', sizeof long_one);
	memset(tail, 0, sizeof tail);
	for (size_t i = 0; i + 3 < sizeof tail; i += 2)
		memcpy(tail + i, "\u00e4", 2);
	for (size_t n = KW_WHY_MAX - 8; n < KW_WHY_MAX; n++) {
		assert_int_equal(kw_refuse(&why, KW_EINVAL, "%.*s", (int)n, long_one), KW_EINVAL);
		kw_why_suffix(&why, "%s", tail);
		assert_true(strlen(why.text) < KW_WHY_MAX && strlen(why.text) + 1 >= n);
		assert_true(text_unclean_at(span_str(why.text), TEXT_LINE) == SIZE_MAX);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(where_stands_before_and_what_to_do_behind),
		cmocka_unit_test(a_sentence_that_is_full_is_cut_at_a_whole_character),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
