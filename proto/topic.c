/* topic: names and filters, MQTT 5 section 4.7, narrowed to what is safe everywhere. */
#include "proto/topic.h"

#include <string.h>

#include "base/text.h"

/* The level that begins at text; its length. Levels are short: to call strcspn costs more than to look. */
static size_t
level_len(const char *text)
{
	size_t len = 0;

	while (text[len] != '\0' && text[len] != '/')
		len++;
	return len;
}

enum kind { TOPIC, FILTER };

/* For a sentence alone: looking a word up costs more than all checks together. */
static const char *
title(enum kind kind)
{
	return kind == FILTER ? kw_translate("the filter") : kw_translate("the topic");
}

static enum kw_err
check_characters(const char *text, enum kind kind, struct kw_why *why)
{
	size_t len = strlen(text), bad;

	if (len == 0)
		return kw_refuse(why, KW_EINVAL, "%s is empty; write levels as in alert/flood/mitte", title(kind));
	if (len > KW_TOPIC_MAX)
		return kw_refuse(why, KW_ELIMIT, "%s has %zu bytes, at most %d are allowed", title(kind), len, KW_TOPIC_MAX);
	bad = text_unclean_at(span_of(text, len), TEXT_LINE);
	if (bad != SIZE_MAX)
		return kw_refuse(why, KW_EINVAL, "%s holds a character at byte %zu that may not stand there (invisible, control or no UTF-8)", title(kind), bad);
	if (text[0] == '$')
		return kw_refuse(why, KW_EINVAL, "%s \"%s\" begins with $, which is reserved", title(kind), text);
	bad = strcspn(text, " \t*>\\");
	if (text[bad] != '\0')
		return kw_refuse(why, KW_EINVAL, "%s \"%s\" holds '%c'; blanks, *, > and \\ are not allowed, wildcards are + and #", title(kind), text, text[bad]);
	return KW_OK;
}

static enum kw_err
check_level(const char *text, const char *level, size_t len, enum kind kind, struct kw_why *why)
{
	if (len == 0)
		return kw_refuse(why, KW_EINVAL, "%s \"%s\" has an empty level; write no / at the start, at the end or twice", title(kind), text);
	if ((len == 1 && level[0] == '.') || (len == 2 && memcmp(level, "..", 2) == 0))
		return kw_refuse(why, KW_EINVAL, "%s \"%s\" has the level \"%.*s\", which is none", title(kind), text, (int)len, level);
	return KW_OK;
}

static enum kw_err
check_levels(const char *text, enum kind kind, struct kw_why *why)
{
	const char *at = text;
	unsigned levels = 0;
	enum kw_err err;

	for (;;) {
		size_t len = level_len(at);
		bool plus, hash;

		if ((err = check_level(text, at, len, kind, why)) != KW_OK)
			return err;
		if (++levels > KW_LEVELS_MAX)
			return kw_refuse(why, KW_ELIMIT, "%s \"%s\" has more than %d levels", title(kind), text, KW_LEVELS_MAX);
		plus = memchr(at, '+', len) != NULL;
		hash = memchr(at, '#', len) != NULL;
		if (kind == TOPIC && plus)
			return kw_refuse(why, KW_EINVAL, "%s \"%s\" holds the wildcard +; name one topic", title(kind), text);
		if (kind == TOPIC && hash)
			return kw_refuse(why, KW_EINVAL, "%s \"%s\" holds the wildcard #; name one topic", title(kind), text);
		if (plus && len != 1)
			return kw_refuse(why, KW_EINVAL, "%s \"%s\": + stands for a whole level and must stand alone in it", title(kind), text);
		if (hash && (len != 1 || at[len] != '\0'))
			return kw_refuse(why, KW_EINVAL, "%s \"%s\": # must be the whole last level", title(kind), text);
		if (at[len] == '\0')
			return KW_OK;
		at += len + 1;
	}
}

/* Nearly every topic is no more than letters, digits and hyphens in a few levels, and breaks none of the rules above: seen in one look. */
static bool
is_plain(const char *topic)
{
	const char *at = topic, *level = topic;
	unsigned levels = 1;

	for (; *at != '\0'; at++) {
		if ((*at >= 'a' && *at <= 'z') || (*at >= '0' && *at <= '9') || *at == '-')
			continue;
		if (*at != '/' || at == level)
			return false;
		level = at + 1;
		levels++;
	}
	return at != level && at - topic <= KW_TOPIC_MAX && levels <= KW_LEVELS_MAX;
}

enum kw_err
topic_check(const char *topic, struct kw_why *why)
{
	enum kw_err err;

	if (is_plain(topic))
		return KW_OK;
	err = check_characters(topic, TOPIC, why);
	return err != KW_OK ? err : check_levels(topic, TOPIC, why);
}

enum kw_err
filter_check(const char *filter, struct kw_why *why)
{
	enum kw_err err = check_characters(filter, FILTER, why);

	return err != KW_OK ? err : check_levels(filter, FILTER, why);
}

static bool
ends(const char *at)
{
	return *at == '\0' || *at == '/';
}

static bool
is(const char *level, char wildcard)
{
	return level[0] == wildcard && ends(level + 1);
}

static const char *
next_level(const char *at)
{
	return at + level_len(at);
}

/* Moves both behind the level that begins there; false: they differ in it. The first character decides most of the time. */
static bool
same_level(const char **a, const char **b)
{
	const char *x = *a, *y = *b;

	while (*x == *y && !ends(x)) {
		x++;
		y++;
	}
	*a = x;
	*b = y;
	return ends(x) && ends(y);
}

/* Walks two filters level by level; what decides is what wildcards of b mean: when covering, a must be at least as wide. */
enum walk { WALK_MATCH, WALK_COVER, WALK_OVERLAP };

static bool
walk(const char *a, const char *b, enum walk how)
{
	for (;;) {
		if (is(a, '#'))
			return true;
		if (is(b, '#'))
			return how == WALK_OVERLAP;
		if (is(a, '+') || (is(b, '+') && how == WALK_OVERLAP)) {
			a = next_level(a);
			b = next_level(b);
		} else if (!same_level(&a, &b)) {
			return false;
		}
		if (*a == '\0' || *b == '\0')
			break;
		a++;
		b++;
	}
	/* "x/#" takes in "x" itself: section 4.7.1.2 */
	if (*a == '/' && strcmp(a, "/#") == 0)
		return true;
	if (*b == '/' && strcmp(b, "/#") == 0)
		return how == WALK_OVERLAP;
	return *a == *b;
}

bool
filter_matches(const char *filter, const char *topic)
{
	return walk(filter, topic, WALK_MATCH);
}

bool
filter_covers(const char *outer, const char *inner)
{
	return walk(outer, inner, WALK_COVER);
}

bool
filters_overlap(const char *a, const char *b)
{
	return walk(a, b, WALK_OVERLAP);
}

#define NAME_PART_MAX 31

/* strspn makes a table of the characters first, for each name anew. */
static bool
holds_only_name_characters(const char *name)
{
	for (; *name != '\0'; name++)
		if (!(*name >= 'a' && *name <= 'z') && !(*name >= '0' && *name <= '9') && *name != '-')
			return false;
	return true;
}

enum kw_err
name_check(const char *name, const char *what, struct kw_why *why)
{
	size_t len = strlen(name);

	if (len == 0 || len > NAME_PART_MAX)
		return kw_refuse(why, KW_EINVAL, "%s \"%.80s\" has %zu bytes, must have 1 to %d", what, name, len, NAME_PART_MAX);
	if (name[0] < 'a' || name[0] > 'z')
		return kw_refuse(why, KW_EINVAL, "%s \"%s\" must begin with a small letter, a-z", what, name);
	if (!holds_only_name_characters(name))
		return kw_refuse(why, KW_EINVAL, "%s \"%s\" may hold only a-z, 0-9 and -", what, name);
	return KW_OK;
}

enum kw_err
node_check(const char *node, struct kw_why *why)
{
	const char *slash = strchr(node, '/');
	char partner[NAME_PART_MAX + 2];
	enum kw_err err;

	if (slash == NULL || slash == node || (size_t)(slash - node) > NAME_PART_MAX)
		return kw_refuse(why, KW_EINVAL, "the node \"%.80s\" must be written partner/node, as police/control-room", node);
	memcpy(partner, node, (size_t)(slash - node));
	partner[slash - node] = '\0';
	if (name_check(partner, "", NULL) == KW_OK && name_check(slash + 1, "", NULL) == KW_OK)
		return KW_OK; /* words are looked up for a sentence alone */
	if ((err = name_check(partner, kw_translate("the partner's id"), why)) != KW_OK)
		return err;
	return name_check(slash + 1, kw_translate("the node's id"), why);
}

bool
node_same_partner(const char *a, const char *b)
{
	return strncmp(a, b, strcspn(a, "/") + 1) == 0;
}
