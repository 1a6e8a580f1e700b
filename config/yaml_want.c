/* yaml_want: typed values out of a YAML tree. */
#include "config/yaml_want.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

static const char *
kind_word(enum yaml_kind kind)
{
	switch (kind) {
	case YAML_SCALAR:
		return kw_translate("one value");
	case YAML_LIST:
		return kw_translate("a list, as [a, b]");
	case YAML_MAP:
		return kw_translate("keys with values, as {key: value}");
	}
	return kw_translate("something else");
}

/* What stands there instead, for a sentence: the value as it is written, where it is one. */
static void
put_instead(char out[128], const struct yaml_node *n)
{
	if (yaml_kind(n) == YAML_SCALAR)
		(void)snprintf(out, 128, "\"%.80s\"", yaml_text(n));
	else
		(void)snprintf(out, 128, "%s", kind_word(yaml_kind(n)));
}

enum kw_err
yaml_may(const struct yaml_node **out, const struct yaml_node *map, const char *key, enum yaml_kind kind, const char *where, struct kw_why *why)
{
	const struct yaml_node *n = yaml_get(map, key);
	char instead[128];

	*out = NULL;
	if (n == NULL)
		return KW_OK;
	if (yaml_kind(n) != kind) {
		put_instead(instead, n);
		return kw_refuse(why, KW_EINVAL, "line %zu: \"%s\" of %s is %s, must be %s", yaml_line(n), key, where, instead, kind_word(kind));
	}
	if (kind == YAML_SCALAR ? yaml_text(n)[0] == '\0' : yaml_count(n) == 0)
		return kw_refuse(why, KW_EINVAL, "line %zu: \"%s\" of %s is empty; write what belongs there, or leave the key out", yaml_line(n), key, where);
	*out = n;
	return KW_OK;
}

enum kw_err
yaml_want(const struct yaml_node **out, const struct yaml_node *map, const char *key, enum yaml_kind kind, const char *where, struct kw_why *why)
{
	enum kw_err err = yaml_may(out, map, key, kind, where, why);

	if (err == KW_OK && *out == NULL)
		return kw_refuse(why, KW_EINVAL, "line %zu: %s lacks \"%s\", which must be %s", yaml_line(map), where, key, kind_word(kind));
	return err;
}

enum kw_err
yaml_may_text(const char **out, size_t *line, const struct yaml_node *map, const char *key, const char *where, struct kw_why *why)
{
	const struct yaml_node *n;
	enum kw_err err = yaml_may(&n, map, key, YAML_SCALAR, where, why);

	if (err != KW_OK || n == NULL)
		return err;
	*out = yaml_text(n);
	if (line != NULL)
		*line = yaml_line(n);
	return KW_OK;
}

enum kw_err
yaml_want_text(const char **out, size_t *line, const struct yaml_node *map, const char *key, const char *where, struct kw_why *why)
{
	const struct yaml_node *n;
	enum kw_err err = yaml_want(&n, map, key, YAML_SCALAR, where, why);

	return err != KW_OK ? err : yaml_may_text(out, line, map, key, where, why);
}

static enum kw_err
with_line(enum kw_err err, size_t line, struct kw_why *why)
{
	if (err != KW_OK)
		kw_why_prefix(why, "line %zu", line);
	return err;
}

/* "keep.content" in the map that stands under keep. */
static const char *
own_part(const char *key)
{
	const char *dot = strrchr(key, '.');

	return dot != NULL ? dot + 1 : key;
}

enum kw_err
yaml_may_duration(uint64_t *out, const struct yaml_node *map, const char *key, uint64_t lo_ms, uint64_t hi_ms, const char *where,
                  struct kw_why *why)
{
	const char *text = NULL;
	size_t line = 0;
	enum kw_err err = yaml_may_text(&text, &line, map, own_part(key), where, why);

	if (err != KW_OK || text == NULL)
		return err;
	return with_line(text_duration_ms(out, text, lo_ms, hi_ms, key, why), line, why);
}

enum kw_err
yaml_want_u64(uint64_t *out, const struct yaml_node *map, const char *key, uint64_t lo, uint64_t hi, const char *where, struct kw_why *why)
{
	const char *text = NULL;
	size_t line = 0;
	enum kw_err err = yaml_want_text(&text, &line, map, own_part(key), where, why);

	return err != KW_OK ? err : with_line(text_u64(out, text, lo, hi, key, why), line, why);
}

enum kw_err
yaml_want_time(uint64_t *out, const struct yaml_node *map, const char *key, const char *where, struct kw_why *why)
{
	const char *text = NULL;
	size_t line = 0;
	enum kw_err err = yaml_want_text(&text, &line, map, key, where, why);

	return err != KW_OK ? err : with_line(text_time_ms(out, text, key, why), line, why);
}

enum kw_err
yaml_one_of(size_t *out, const struct yaml_node *scalar, const char *const *words, size_t n, const char *what, struct kw_why *why)
{
	struct buf all = BUF_INIT(KW_WHY_MAX);
	const char *text = yaml_text(scalar), *near, *list;
	enum kw_err err;

	for (size_t i = 0; i < n; i++) {
		if (strcmp(words[i], text) != 0)
			continue;
		*out = i;
		return KW_OK;
	}
	for (size_t i = 0; i < n; i++)
		buf_printf(&all, "%s%s", i > 0 ? ", " : "", words[i]);
	list = buf_text(&all);
	near = text_nearest(text, words, n);
	err = kw_refuse(why, KW_EINVAL, "line %zu: %s is \"%.80s\", must be one of: %s%s%s%s", yaml_line(scalar), what, text, list != NULL ? list : "?",
	                near != NULL ? kw_translate("; did you mean \"") : "", near != NULL ? near : "", near != NULL ? kw_translate("\"?") : "");
	buf_free(&all);
	return err;
}

enum kw_err
yaml_may_log_level(enum log_level *out, const struct yaml_node *map, const char *key, const char *where, struct kw_why *why)
{
	const char *words[LOG_DEBUG + 1];
	const struct yaml_node *scalar;
	size_t level;
	enum kw_err err = yaml_may(&scalar, map, key, YAML_SCALAR, where, why);

	if (err != KW_OK || scalar == NULL)
		return err;
	for (int i = LOG_ERROR; i <= LOG_DEBUG; i++)
		words[i] = log_level_name((enum log_level)i);
	if ((err = yaml_one_of(&level, scalar, words, LOG_DEBUG + 1, key, why)) == KW_OK)
		*out = (enum log_level)level;
	return err;
}
