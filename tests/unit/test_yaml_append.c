/* One more item at the end of a list in a YAML text: what stood there stays byte for byte, whatever way it was written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/yaml_append.h"
#include "config/yaml_put.h"

/* Adds to the list under "list" and gives the text that came of it. */
static enum kw_err
append(struct buf *out, const char *text, const char *flow, const char *block, struct kw_why *why)
{
	struct yaml_tree *tree = NULL;
	enum kw_err err;

	why->text[0] = '\0';
	assert_int_equal(yaml_tree_parse(&tree, span_str(text), why), KW_OK);
	err = yaml_append(out, span_str(text), tree, yaml_get(yaml_tree_root(tree), "list"), flow, block, why);
	yaml_tree_free(&tree);
	return err;
}

static void
makes(const char *text, const char *flow, const char *block, const char *expected)
{
	struct buf out = BUF_INIT(4096);
	struct kw_why why;

	assert_int_equal(append(&out, text, flow, block, &why), KW_OK);
	assert_string_equal(buf_text(&out), expected);
	buf_free(&out);
}

static void
it_stands_behind_the_last_item(void **state)
{
	(void)state;
	makes("list: [a, b]\n", "c", NULL, "list: [a, b, c]\n");
	makes("list: [a, b, ] # ü\nx: y\n", "c", NULL, "list: [a, b, c, ] # ü\nx: y\n");
	makes("list: []\n", "{k: v}", "k: v", "list: [{k: v}]\n");
	makes("list: [ # nothing\n]\n", "c", NULL, "list: [c # nothing\n]\n");
	makes("list:\n- a\n- b\n", "c", NULL, "list:\n- a\n- b\n- c\n");
	makes("list:\n  - a # äöü\n\n# behind\nnext: 1\n", "c", NULL, "list:\n  - a # äöü\n  - c\n\n# behind\nnext: 1\n");
	makes("list:\n  - a", "c", NULL, "list:\n  - a\n  - c");
	makes("other: \"Mühle\"\nlist:\n  - {k: v}\n", "{k: w}", NULL, "other: \"Mühle\"\nlist:\n  - {k: v}\n  - {k: w}\n");
	makes("list:\n    - k: v\n      l: [1, 2]\nz: 1\n", "{k: w, l: [3]}", "k: w\nl: [3]", "list:\n    - k: v\n      l: [1, 2]\n    - k: w\n      l: [3]\nz: 1\n");
	makes("list:\n  - k:\n      - deep\n  # not of it\n", "x", NULL, "list:\n  - k:\n      - deep\n  - x\n  # not of it\n");
	makes("{list: [a], z: 1}\n", "c", NULL, "{list: [a, c], z: 1}\n");
	makes("list: [[], {}]\n", "c", NULL, "list: [[], {}, c]\n");
	makes("list: [a,\n  {k: [b]}  ,\n  ]\n", "c", NULL, "list: [a,\n  {k: [b]}, c  ,\n  ]\n");
}

static void
what_would_read_otherwise_is_refused(void **state)
{
	struct buf out = BUF_INIT(64);
	struct kw_why why;

	(void)state;
	assert_int_equal(append(&out, "list:\n  - a\n", "b\nmore: 1", NULL, &why), KW_EINVAL); /* an item that is none */
	assert_int_equal(append(&out, "list:\n  - a\n", "b", "c", &why), KW_EINVAL);           /* two forms that differ */
	assert_non_null(strstr(why.text, "by hand"));
	assert_int_equal(append(&out, "list:\n  - a\n", "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"", NULL, &why), KW_ELIMIT);
	buf_free(&out);
}

static void
a_text_is_quoted(void **state)
{
	struct buf out = BUF_INIT(256);
	struct yaml_tree *tree = NULL;
	struct kw_why why;

	(void)state;
	buf_put_str(&out, "list: [");
	yaml_put_quoted(&out, "a \"b\" \\ # c: {ü}");
	buf_put_str(&out, "]\n");
	assert_int_equal(yaml_tree_parse(&tree, buf_span(&out), &why), KW_OK);
	assert_string_equal(yaml_text(yaml_item(yaml_get(yaml_tree_root(tree), "list"), 0)), "a \"b\" \\ # c: {ü}");
	yaml_tree_free(&tree);
	buf_free(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_stands_behind_the_last_item),
		cmocka_unit_test(what_would_read_otherwise_is_refused),
		cmocka_unit_test(a_text_is_quoted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
