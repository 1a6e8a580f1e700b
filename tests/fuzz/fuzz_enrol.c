/*
 * Any bytes where somebody comes in: a spreadsheet's table, a draft that gets one more item in each of its lists, a template. The first byte
 * says which.
 */
#include <sodium.h>
#include <string.h>

#include "clients/cli/draft_rows.h"
#include "clients/cli/sheet.h"
#include "clients/cli/template.h"
#include "config/yaml_append.h"
#include "fuzz.h"

static void
read_table(struct span bytes)
{
	struct sheet *sheet = NULL;
	struct draft_rows rows = {0};
	struct kw_why why = {""};

	if (sheet_read(&sheet, bytes, &why) != KW_OK) {
		HOLDS(why.text[0] != '\0', "refused without a sentence");
		return;
	}
	HOLDS(sheet_rows(sheet) > 0, "a table of nothing");
	for (size_t i = 0; i < sheet_rows(sheet); i++) {
		HOLDS(sheet_line(sheet, i) > 0 && (i == 0 || sheet_line(sheet, i) > sheet_line(sheet, i - 1)), "rows out of order");
		for (size_t k = 0; k <= sheet_columns(sheet, i); k++)
			HOLDS(strpbrk(sheet_cell(sheet, i, k), "\r\n\x1b") == NULL, "a cell that a terminal would obey");
	}
	if (draft_rows_read(&rows, sheet, &why) != KW_OK)
		HOLDS(why.text[0] != '\0', "refused without a sentence");
	draft_rows_free(&rows);
	sheet_free(&sheet);
}

/* All of text is there still, in its order, with something in one place between. */
static void
holds_all(struct span text, const struct buf *out)
{
	size_t before = 0, behind = 0;

	HOLDS(out->len > text.len, "nothing was added");
	while (before < text.len && text.p[before] == out->p[before])
		before++;
	while (behind < text.len && text.p[text.len - 1 - behind] == out->p[out->len - 1 - behind])
		behind++;
	HOLDS(before + behind >= text.len, "something else was changed");
}

static void
add_to_lists(struct span text, const struct yaml_tree *tree, const struct yaml_node *at, unsigned *left)
{
	struct buf out = BUF_INIT(1u << 20);
	struct kw_why why = {""};

	if (yaml_kind(at) == YAML_SCALAR || *left == 0)
		return;
	--*left;
	if (yaml_kind(at) == YAML_LIST) {
		if (yaml_append(&out, text, tree, at, "{id: x, list: [1, \"2\"]}", "id: x\nlist: [1, \"2\"]", &why) == KW_OK)
			holds_all(text, &out);
		else
			HOLDS(why.text[0] != '\0', "refused without a sentence");
	}
	buf_free(&out);
	for (size_t i = 0; i < yaml_count(at); i++)
		add_to_lists(text, tree, yaml_item(at, i), left);
}

static void
add_everywhere(struct span text)
{
	struct yaml_tree *tree = NULL;
	unsigned left = 16;

	if (yaml_tree_parse(&tree, text, NULL) == KW_OK)
		add_to_lists(text, tree, yaml_tree_root(tree), &left);
	yaml_tree_free(&tree);
}

static void
fill_template(struct span text)
{
	static const char *const given[] = {"city-1/node-1=a/b"};
	struct draft_rows nobody = {0};
	struct template *t = NULL;
	struct kw_why why = {""};
	struct buf out = BUF_INIT(1u << 20);

	if (template_read(&t, text, &why) == KW_OK) {
		HOLDS(template_cast(t, &nobody, given, 1, &why) != KW_OK, "played by nobody");
		template_put_head(&out, t);
		template_put_topics(&out, t);
	}
	HOLDS(why.text[0] != '\0', "refused without a sentence");
	template_free(&t);
	buf_free(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	struct span rest = span_of(p + (len > 0), len - (len > 0));

	if (sodium_init() < 0)
		abort();
	switch (len > 0 ? p[0] % 3 : 0) {
	case 0: read_table(rest); break;
	case 1: add_everywhere(rest); break;
	default: fill_template(rest); break;
	}
	return 0;
}
