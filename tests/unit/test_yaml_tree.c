/* The strict YAML reader: what it reads, and the sentence for all that it does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/yaml_tree.h"
#include "config/yaml_want.h"

static enum kw_err
parse(struct yaml_tree **t, const char *text, struct kw_why *why)
{
	*t = NULL;
	why->text[0] = '\0';
	return yaml_tree_parse(t, span_str(text), why);
}

static void
a_text_reads_as_it_stands(void **state)
{
	struct yaml_tree *t;
	struct kw_why why;
	const struct yaml_node *root, *list;

	(void)state;
	assert_int_equal(parse(&t, "---\n# a comment\nname: \"quoted: yes\"\nlist: [a, 'b c', {k: v}]\nblock:\n  - 1\n  - Mühle\nempty: \"\"\nnone: {}\n", &why), KW_OK);
	root = yaml_tree_root(t);
	assert_int_equal(yaml_kind(root), YAML_MAP);
	assert_int_equal(yaml_count(root), 5);
	assert_string_equal(yaml_text(yaml_get(root, "name")), "quoted: yes");
	list = yaml_get(root, "list");
	assert_int_equal(yaml_kind(list), YAML_LIST);
	assert_int_equal(yaml_line(list), 4);
	assert_string_equal(yaml_text(yaml_item(list, 1)), "b c");
	assert_string_equal(yaml_key(yaml_item(list, 2), 0), "k");
	assert_string_equal(yaml_text(yaml_item(yaml_get(root, "block"), 1)), "Mühle");
	assert_int_equal(yaml_line(yaml_item(yaml_get(root, "block"), 1)), 7);
	assert_string_equal(yaml_text(yaml_get(root, "empty")), "");
	assert_int_equal(yaml_count(yaml_get(root, "none")), 0);
	assert_string_equal(yaml_key(root, 4), "none");
	assert_null(yaml_get(root, "absent"));
	assert_null(yaml_get(list, "name"));
	yaml_tree_free(&t);
	assert_null(t);
}

static void
what_can_be_read_in_two_ways_is_refused_with_its_line(void **state)
{
	static const struct {
		const char *text, *sentence;
	} refused[] = {
		{"", "line 1: the text is empty"},
		{"# only a comment\n", "line 1: the text is empty"},
		{"a: 1\nb: &x 2\n", "line 2: the anchor &x"},
		{"a: 1\nb: &x [2]\n", "line 2: the anchor &x"},
		{"a: 1\nb: &x {c: 2}\n", "line 2: the anchor &x"},
		{"a: 1\nb: *x\n", "line 2: the alias *x"},
		{"a: !!str 1\n", "line 1: the tag"},
		{"a: ! 1\n", "line 1: the tag !"},
		{"a: !x [1]\n", "line 1: the tag"},
		{"!t a: 1\n", "line 1: the tag"},
		{"%YAML 1.1\n---\na: 1\n", "line 1: a directive"},
		{"%TAG ! tag:x,2000:\n---\na: 1\n", "line 1: a directive"},
		{"a: 1\n---\nb: 2\n", "line 2: a second document"},
		{"a: 1\n...\n---\nb: 2\n", "line 3: a second document"},
		{"a: 1\nb: 2\na: 3\n", "line 3: the key \"a\" stands here a second time, first in line 1"},
		{"x:\n  - {a: 1, b: {c: 1, c: 2}}\n", "line 2: the key \"c\" stands here a second time"},
		{"\"a\": 1\n", "line 1: the key \"a\" is no plain word"},
		{"A: 1\n", "line 1: the key \"A\" is no plain word"},
		{"<<: {a: 1}\n", "line 1: the key \"<<\" is no plain word"},
		{"? [a]\n: 1\n", "line 1: a key is a list or a map"},
		{"? {a: 1}\n: 1\n", "line 1: a key is a list or a map"},
		{"a:\n", "line 1: a value is missing"},
		{"a: [b, , c]\n", "line 1: this is no YAML"},
		{"a: |\n  text\n", "line 1: a value runs over several lines"},
		{"a: >\n  text\n", "line 1: a value runs over several lines"},
		{"a: b\n  c\n", "line 1: a value runs over several lines"},
		{"a: \"b\n  c\"\n", "line 1: a value runs over several lines"},
		{"a: 1\n\tb: 2\n", "line 2: holds a tab"},
		{"a: 1\r\nb: 2\r\n", "line 1: ends with a carriage return"},
		{"a: 1\nb: x\xE2\x80\xAEy\n", "line 2: byte 9 "},
		{"a: x\xE2\x80\x8By\n", "line 1: byte 4 "},
		{"a: x\xE2\x80\xA8y\n", "line 1: byte 4 "},
		{"a: x\xC2\xADy\n", "line 1: byte 4 "},
		{"a: x\xD8\x9Cy\n", "line 1: byte 4 "},
		{"a: x\xC2\xA0y\n", "line 1: byte 4 "},
		{"\xEF\xBB\xBF" "a: 1\n", "line 1: byte 0 "},
		{"a: \xFF\n", "line 1: byte 3 "},
		{"a: x\x01\n", "line 1: byte 4 "},
		{"a: \"\\0\"\n", "line 1: a value holds an escaped character"},
		{"a: \"\\u202e\"\n", "line 1: a value holds an escaped character"},
		{"a: \"\\t\"\n", "line 1: a value holds an escaped character"},
		{"a: \"\\n\"\n", "line 1: a value holds an escaped character"},
		{"a: [1\n", "line 2: this is no YAML"},
		{"a: 1\n b: 2\n", "line 1: a value runs over several lines"},
		{"[[[[[[[[[[[[[[[[[a]]]]]]]]]]]]]]]]]\n", "line 1: more than 16 levels"},
	};
	struct yaml_tree *t;
	struct kw_why why;

	(void)state;
	for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
		if (parse(&t, refused[i].text, &why) == KW_OK)
			fail_msg("accepted: %s", refused[i].text);
		if (strncmp(why.text, refused[i].sentence, strlen(refused[i].sentence)) != 0)
			fail_msg("%s\n  gave \"%s\"\n  not  \"%s\"", refused[i].text, why.text, refused[i].sentence);
		assert_null(t);
	}
}

static void
depth_sixteen_is_the_deepest(void **state)
{
	struct yaml_tree *t;
	struct kw_why why;

	(void)state;
	assert_int_equal(parse(&t, "[[[[[[[[[[[[[[[[a]]]]]]]]]]]]]]]]\n", &why), KW_OK);
	yaml_tree_free(&t);
}

static void
too_many_values_and_keys_are_refused(void **state)
{
	struct buf text = BUF_INIT(1u << 22);
	struct yaml_tree *t = NULL;
	struct kw_why why;

	(void)state;
	buf_put_str(&text, "a: [");
	for (unsigned i = 0; i < 100001; i++)
		buf_put_str(&text, "1,");
	buf_put_str(&text, "]\n");
	assert_int_equal(yaml_tree_parse(&t, buf_span(&text), &why), KW_ELIMIT);
	assert_non_null(strstr(why.text, "more than 100000 values"));
	buf_reset(&text);
	for (unsigned i = 0; i < 257; i++)
		buf_printf(&text, "k%u: 1\n", i);
	assert_int_equal(yaml_tree_parse(&t, buf_span(&text), &why), KW_ELIMIT);
	assert_non_null(strstr(why.text, "line 257: more than 256 keys"));
	buf_reset(&text);
	for (unsigned i = 0; i < (2u << 20); i++)
		buf_put_u8(&text, '#');
	assert_int_equal(yaml_tree_parse(&t, buf_span(&text), &why), KW_EINVAL); /* nothing but a comment */
	buf_put_u8(&text, '#');
	assert_int_equal(yaml_tree_parse(&t, buf_span(&text), &why), KW_ELIMIT);
	assert_non_null(strstr(why.text, "line 1: the text has 2097153 bytes, at most 2097152 are allowed"));
	buf_free(&text);
}

static void
an_unknown_key_is_told_with_the_nearest_known(void **state)
{
	static const char *const known[] = {"publish", "receive"};
	struct yaml_tree *t;
	struct kw_why why;

	(void)state;
	assert_int_equal(parse(&t, "publish: a\nrecieve: b\n", &why), KW_OK);
	assert_int_equal(yaml_only_keys(yaml_tree_root(t), known, 2, "topic a", &why), KW_EINVAL);
	assert_string_equal(why.text, "line 2: unknown key \"recieve\" in topic a, did you mean \"receive\"? known here: publish, receive");
	assert_int_equal(yaml_only_keys(yaml_get(yaml_tree_root(t), "publish"), known, 2, "topic a", &why), KW_EINVAL);
	assert_string_equal(why.text, "line 1: topic a must be keys with values, as key: value");
	yaml_tree_free(&t);
	assert_int_equal(parse(&t, "publish: a\nelephants: b\n", &why), KW_OK);
	assert_int_equal(yaml_only_keys(yaml_tree_root(t), known, 2, "topic a", &why), KW_EINVAL);
	assert_string_equal(why.text, "line 2: unknown key \"elephants\" in topic a; known here: publish, receive");
	yaml_tree_free(&t);
}

static void
values_of_another_kind_are_refused(void **state)
{
	static const char *const words[] = {"live", "exercise"};
	struct yaml_tree *t;
	struct kw_why why;
	const struct yaml_node *n, *root;
	uint64_t v = 7;
	size_t which;

	(void)state;
	assert_int_equal(parse(&t, "a: x\nb: [1]\nc: \"\"\nd: []\ne: 2h\nf: 12\ng: liv\n", &why), KW_OK);
	root = yaml_tree_root(t);
	assert_int_equal(yaml_want(&n, root, "zz", YAML_LIST, "w", &why), KW_EINVAL);
	assert_string_equal(why.text, "line 1: w lacks \"zz\", which must be a list, as [a, b]");
	assert_int_equal(yaml_may(&n, root, "zz", YAML_LIST, "w", &why), KW_OK);
	assert_null(n);
	assert_int_equal(yaml_want(&n, root, "a", YAML_LIST, "w", &why), KW_EINVAL);
	assert_string_equal(why.text, "line 1: \"a\" of w is \"x\", must be a list, as [a, b]");
	assert_int_equal(yaml_want(&n, root, "b", YAML_SCALAR, "w", &why), KW_EINVAL);
	assert_int_equal(yaml_want(&n, root, "c", YAML_SCALAR, "w", &why), KW_EINVAL);
	assert_int_equal(yaml_want(&n, root, "d", YAML_LIST, "w", &why), KW_EINVAL);
	assert_string_equal(why.text, "line 4: \"d\" of w is empty; write what belongs there, or leave the key out");
	assert_int_equal(yaml_may_duration(&v, root, "e", 1, 3600000, "w", &why), KW_ELIMIT);
	assert_non_null(strstr(why.text, "line 5: e is 2h"));
	assert_int_equal(v, 7);
	assert_int_equal(yaml_may_duration(&v, root, "e", 1, 7200000, "w", &why), KW_OK);
	assert_int_equal(v, 7200000);
	assert_int_equal(yaml_want_u64(&v, root, "f", 1, 11, "w", &why), KW_ELIMIT);
	assert_int_equal(yaml_want_u64(&v, root, "a", 1, 11, "w", &why), KW_EINVAL);
	assert_int_equal(yaml_want_time(&v, root, "a", "w", &why), KW_EINVAL);
	assert_int_equal(yaml_one_of(&which, yaml_get(root, "g"), words, 2, "kind", &why), KW_EINVAL);
	assert_string_equal(why.text, "line 7: kind is \"liv\", must be one of: live, exercise; did you mean \"live\"?");
	yaml_tree_free(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_text_reads_as_it_stands),
		cmocka_unit_test(what_can_be_read_in_two_ways_is_refused_with_its_line),
		cmocka_unit_test(depth_sixteen_is_the_deepest),
		cmocka_unit_test(too_many_values_and_keys_are_refused),
		cmocka_unit_test(an_unknown_key_is_told_with_the_nearest_known),
		cmocka_unit_test(values_of_another_kind_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
