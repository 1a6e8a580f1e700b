/* yaml_put: see its header. */
#include "config/yaml_put.h"

#include <string.h>

void
yaml_put_quoted(struct buf *out, const char *text)
{
	buf_put_u8(out, '"');
	for (const char *p = text; *p != '\0'; p++) {
		if (*p == '"' || *p == '\\')
			buf_put_u8(out, '\\');
		buf_put_u8(out, (uint8_t)*p);
	}
	buf_put_u8(out, '"');
}

void
yaml_put_scalar(struct buf *out, const char *text)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-";

	if (text[0] != '\0' && text[0] != '-' && text[strspn(text, plain)] == '\0')
		buf_put_str(out, text);
	else
		yaml_put_quoted(out, text);
}

void
yaml_put_flow(struct buf *out, const struct yaml_node *n, const char *key, yaml_word word, const void *data)
{
	bool is_map = yaml_kind(n) == YAML_MAP;

	if (yaml_kind(n) == YAML_SCALAR) {
		yaml_put_scalar(out, word(data, key, yaml_text(n)));
		return;
	}
	buf_put_u8(out, is_map ? '{' : '[');
	for (size_t i = 0; i < yaml_count(n); i++) {
		if (i > 0)
			buf_put_str(out, ", ");
		if (is_map)
			buf_printf(out, "%s: ", yaml_key(n, i));
		yaml_put_flow(out, yaml_item(n, i), is_map ? yaml_key(n, i) : key, word, data);
	}
	buf_put_u8(out, is_map ? '}' : ']');
}

static void
put_blanks(struct buf *out, size_t n)
{
	while (n-- > 0)
		buf_put_u8(out, ' ');
}

static bool
is_list_of_maps(const struct yaml_node *n)
{
	return yaml_kind(n) == YAML_LIST && yaml_count(n) > 0 && yaml_kind(yaml_item(n, 0)) == YAML_MAP;
}

void
yaml_put_item(struct buf *out, const struct yaml_node *map, size_t indent, yaml_word word, const void *data)
{
	for (size_t i = 0; i < yaml_count(map); i++) {
		const struct yaml_node *value = yaml_item(map, i);

		put_blanks(out, indent);
		buf_printf(out, "%s%s:", i == 0 ? "- " : "  ", yaml_key(map, i));
		if (!is_list_of_maps(value)) {
			buf_put_u8(out, ' ');
			yaml_put_flow(out, value, yaml_key(map, i), word, data);
			buf_put_u8(out, '\n');
			continue;
		}
		buf_put_u8(out, '\n');
		for (size_t k = 0; k < yaml_count(value); k++) {
			put_blanks(out, indent + 4);
			buf_put_str(out, "- ");
			yaml_put_flow(out, yaml_item(value, k), yaml_key(map, i), word, data);
			buf_put_u8(out, '\n');
		}
	}
}
