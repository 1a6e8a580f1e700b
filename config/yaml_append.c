/* yaml_append: see its header. */
#include "config/yaml_append.h"

#include <string.h>

/* Bytes of the first so many characters; text is good UTF-8, since it was parsed. */
static size_t
bytes_of(struct span text, size_t characters)
{
	size_t at = 0;

	for (; at < text.len; at++) {
		if ((text.p[at] & 0xC0) == 0x80)
			continue;
		if (characters-- == 0)
			break;
	}
	return at;
}

static void
put_blanks(struct buf *out, size_t n)
{
	while (n-- > 0)
		buf_put_u8(out, ' ');
}

/* "- " and the item on lines of their own, indented as the items before. */
static void
put_lines(struct buf *out, const char *item, size_t column)
{
	bool first = true;

	while (*item != '\0') {
		size_t len = strcspn(item, "\n");

		buf_put_u8(out, '\n');
		put_blanks(out, column);
		buf_put_str(out, first ? "- " : "  ");
		buf_put(out, item, len);
		item += len + (item[len] == '\n');
		first = false;
	}
}

static void
put_all(struct buf *out, struct span text, const struct yaml_node *list, const char *flow, const char *block)
{
	struct yaml_place place = yaml_place(list);
	size_t at = bytes_of(text, place.end);
	const uint8_t *line_end;

	if (!place.flow) { /* behind a comment that stands on the last item's line */
		line_end = memchr(text.p + at, '\n', text.len - at);
		at = line_end != NULL ? (size_t)(line_end - text.p) : text.len;
	}
	buf_put(out, text.p, at);
	if (!place.flow)
		put_lines(out, block != NULL ? block : flow, place.column);
	else
		buf_printf(out, "%s%s", yaml_count(list) > 0 ? ", " : "", flow);
	buf_put(out, text.p + at, text.len - at);
}

static bool
same(const struct yaml_node *was, const struct yaml_node *is, const struct yaml_node *list, const struct yaml_node *item)
{
	size_t n = yaml_count(was);

	if (yaml_kind(was) != yaml_kind(is))
		return false;
	if (yaml_kind(was) == YAML_SCALAR)
		return strcmp(yaml_text(was), yaml_text(is)) == 0;
	if (yaml_count(is) != n + (was == list))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (yaml_kind(was) == YAML_MAP && strcmp(yaml_key(was, i), yaml_key(is, i)) != 0)
			return false;
		if (!same(yaml_item(was, i), yaml_item(is, i), list, item))
			return false;
	}
	return was != list || same(item, yaml_item(is, n), NULL, NULL);
}

static enum kw_err
check(struct span fresh, const struct yaml_node *was, const struct yaml_node *list, const char *flow, struct kw_why *why)
{
	struct yaml_tree *tree = NULL, *item = NULL;
	enum kw_err err = yaml_tree_parse(&item, span_str(flow), why);

	if (err == KW_OK)
		err = yaml_tree_parse(&tree, fresh, why);
	if (err == KW_OK && !same(was, yaml_tree_root(tree), list, yaml_tree_root(item)))
		err = kw_refuse(why, KW_EINVAL, "line %zu: the list that begins here is written in a way in which nothing can be added to it; write its items a line each, "
		                "or add to it by hand", yaml_line(list));
	yaml_tree_free(&tree);
	yaml_tree_free(&item);
	return err;
}

enum kw_err
yaml_append(struct buf *out, struct span text, const struct yaml_tree *tree, const struct yaml_node *list, const char *flow, const char *block,
            struct kw_why *why)
{
	MUST(yaml_kind(list) == YAML_LIST);
	buf_reset(out);
	put_all(out, text, list, flow, block);
	if (!buf_ok(out))
		return kw_refuse(why, KW_ELIMIT, "line %zu: with what is to be added the text has more than %zu bytes", yaml_line(list), out->max);
	return check(buf_span(out), yaml_tree_root(tree), list, flow, why);
}
