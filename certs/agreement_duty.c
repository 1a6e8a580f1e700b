/* agreement_duty: who takes a matter on, as a topic says it: responsible, on_change, onward, acknowledge. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "certs/agreement_parts.h"
#include "config/yaml_want.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define TAKE_MIN_MS 1000ull
#define TAKE_SHORT_MS (60ull * 1000) /* a person hardly answers faster; exercises may want it */
#define TAKE_MAX_MS (30 * DAY_MS)

static enum kw_err
no_memory(struct kw_why *why)
{
	return kw_refuse(why, KW_ENOMEM, "out of memory while reading the agreement's topics");
}

/* A node of the agreement that may read the topic. */
static enum kw_err
take_node(struct reading *r, uint32_t *node, const char *id, size_t line)
{
	const char *ids[KW_NODES_MAX], *near;

	*node = agreement_node(r->a, id);
	if (*node == AGREEMENT_NOBODY) {
		for (uint32_t i = 0; i < r->a->node_count; i++)
			ids[i] = r->a->nodes[i].id;
		near = text_nearest(id, ids, r->a->node_count);
		return kw_refuse(r->why, KW_EINVAL, "line %zu: \"%.80s\" is to be responsible for %s but is no node of this agreement%s%s%s; write one as partner/node",
		                 line, id, r->where, near != NULL ? kw_translate(", did you mean \"") : "", near != NULL ? near : "", near != NULL ? kw_translate("\"?") : "");
	}
	if (!rule_may_read(r->a, r->t, *node))
		return kw_refuse(r->why, KW_EINVAL, "line %zu: %s is to be responsible for %s but may not read it; add it to \"receive\"", line, id, r->where);
	return KW_OK;
}

static enum kw_err
parse_deputies(struct reading *r, struct responsible *entry, const struct yaml_node *map)
{
	const struct yaml_node *list;
	enum kw_err err = yaml_may(&list, map, "deputies", YAML_LIST, kw_translate("a line of responsible"), r->why);

	if (err != KW_OK || list == NULL)
		return err;
	if (yaml_count(list) > DEPUTIES_MAX)
		return kw_refuse(r->why, KW_ELIMIT, "line %zu: %zu deputies, at most %u are allowed; the next lines of responsible can take it on too", yaml_line(list),
		                 yaml_count(list), DEPUTIES_MAX);
	for (size_t i = 0; i < yaml_count(list); i++) {
		const struct yaml_node *item = yaml_item(list, i);
		const char *id = yaml_kind(item) == YAML_SCALAR ? yaml_text(item) : "";
		uint32_t node;

		if ((err = take_node(r, &node, id, yaml_line(item))) != KW_OK)
			return err;
		if (node == entry->node)
			return kw_refuse(r->why, KW_EINVAL, "line %zu: %s is its own deputy; name another node, or nobody", yaml_line(item), id);
		for (uint32_t k = 0; k < entry->deputy_count; k++)
			if (entry->deputies[k] == node)
				return kw_refuse(r->why, KW_EINVAL, "line %zu: the deputy %s stands here twice; keep one", yaml_line(item), id);
		entry->deputies[entry->deputy_count++] = node;
	}
	return KW_OK;
}

static enum kw_err
parse_area_name(struct reading *r, struct area *area, const struct yaml_node *item)
{
	const char *name = yaml_kind(item) == YAML_SCALAR ? yaml_text(item) : "";

	if (topic_check(name, NULL) != KW_OK || strchr(name, '/') != NULL)
		return kw_refuse(r->why, KW_EINVAL, "line %zu: \"%.80s\" in area cannot be a level of a topic; write one as mitte, without / and wildcards",
		                 yaml_line(item), name);
	if (strlen(name) >= AREA_NAME_LEN)
		return kw_refuse(r->why, KW_ELIMIT, "line %zu: the area's name has %zu bytes, at most %d are allowed", yaml_line(item), strlen(name), AREA_NAME_LEN - 1);
	for (uint32_t k = 0; k < area->count; k++)
		if (strcmp(area->names[k], name) == 0)
			return kw_refuse(r->why, KW_EINVAL, "line %zu: \"%s\" stands twice in area; keep one", yaml_line(item), name);
	(void)snprintf(area->names[area->count++], AREA_NAME_LEN, "%s", name);
	return KW_OK;
}

/* {level: 3, is: [mitte, west]} */
static enum kw_err
parse_area(struct reading *r, struct area *area, const struct yaml_node *map)
{
	static const char *const known[] = {"level", "is"};
	const struct yaml_node *node, *list;
	uint64_t level;
	enum kw_err err;

	if ((err = yaml_may(&node, map, "area", YAML_MAP, kw_translate("a line of responsible"), r->why)) != KW_OK || node == NULL)
		return err;
	if ((err = yaml_only_keys(node, known, COUNT(known), "area", r->why)) != KW_OK)
		return err;
	if ((err = yaml_want_u64(&level, node, "level", 1, KW_LEVELS_MAX, "area", r->why)) != KW_OK)
		return err;
	if ((err = yaml_want(&list, node, "is", YAML_LIST, "area", r->why)) != KW_OK)
		return err;
	if (yaml_count(list) > AREA_NAMES_MAX)
		return kw_refuse(r->why, KW_ELIMIT, "line %zu: %zu names in area, at most %u are allowed; make two lines of responsible of it", yaml_line(list),
		                 yaml_count(list), AREA_NAMES_MAX);
	area->names = calloc(yaml_count(list), sizeof *area->names);
	if (area->names == NULL)
		return no_memory(r->why);
	area->level = (uint32_t)level;
	for (size_t i = 0; i < yaml_count(list); i++)
		if ((err = parse_area_name(r, area, yaml_item(list, i))) != KW_OK)
			return err;
	return KW_OK;
}

static enum kw_err
parse_hours(struct reading *r, struct hours *hours, const struct yaml_node *map)
{
	const char *text = NULL;
	size_t line = 0;
	enum kw_err err = yaml_may_text(&text, &line, map, "hours", kw_translate("a line of responsible"), r->why);

	if (err != KW_OK || text == NULL)
		return err;
	if ((err = hours_parse(hours, text, r->why)) != KW_OK)
		kw_why_prefix(r->why, "line %zu", line);
	return err;
}

/* within_ms: what the topic says for entries that are silent; 0: it is silent too. */
static enum kw_err
parse_entry(struct reading *r, struct responsible *entry, const struct yaml_node *map, uint64_t within_ms)
{
	static const char *const known[] = {"who", "hours", "area", "deputies", "take_within"};
	const char *who;
	enum kw_err err;

	if ((err = yaml_only_keys(map, known, COUNT(known), kw_translate("a line of responsible"), r->why)) != KW_OK)
		return err;
	if ((err = yaml_want_text(&who, &entry->line, map, "who", kw_translate("a line of responsible"), r->why)) != KW_OK)
		return err;
	if ((err = take_node(r, &entry->node, who, entry->line)) != KW_OK)
		return err;
	if ((err = parse_deputies(r, entry, map)) != KW_OK)
		return err;
	if ((err = parse_hours(r, &entry->hours, map)) != KW_OK)
		return err;
	if ((err = parse_area(r, &entry->area, map)) != KW_OK)
		return err;
	entry->take_within_ms = within_ms;
	if (yaml_get(map, "take_within") == NULL && within_ms == 0)
		return kw_refuse(r->why, KW_EINVAL, "line %zu: a line of responsible lacks \"take_within\", how long it may take to take the matter on, as 10m; "
		                 "write it here, or once for the topic", yaml_line(map));
	if ((err = yaml_may_duration(&entry->take_within_ms, map, "take_within", TAKE_MIN_MS, TAKE_MAX_MS, kw_translate("a line of responsible"), r->why)) != KW_OK)
		return err;
	if (entry->take_within_ms < TAKE_SHORT_MS)
		reading_warn(r, entry->line, kw_translate("take_within is under a minute: hardly anybody answers so fast, and the matter goes on to the next"));
	return KW_OK;
}

/* The lines of all hours together fit one line: who is once in it counts once. */
static enum kw_err
check_size(struct reading *r, const struct yaml_node *list)
{
	uint64_t all_ms = 0;
	uint32_t nodes = 0;

	for (uint32_t i = 0; i < r->t->line_count; i++)
		all_ms += r->t->line[i].take_within_ms * (1 + r->t->line[i].deputy_count);
	if (all_ms > r->t->view.keep_content_ms)
		return kw_refuse(r->why, KW_EINVAL, "line %zu: the line of %s takes longer to go through than keep.content lasts; shorten take_within, or keep content longer",
		                 yaml_line(list), r->where);
	for (uint32_t i = 0; i < r->a->node_count; i++)
		nodes += rule_in_line(r->a, r->t, i);
	if (nodes > AGREEMENT_LINE_MAX)
		return kw_refuse(r->why, KW_ELIMIT, "line %zu: the lines of %s name %u nodes with deputies and coordinator, at most %u are allowed; make two topics of it",
		                 yaml_line(list), r->where, nodes, AGREEMENT_LINE_MAX);
	return KW_OK;
}

static enum kw_err
parse_responsible(struct reading *r)
{
	const struct yaml_node *list;
	uint64_t within_ms = 0;
	enum kw_err err;

	if ((err = yaml_may_duration(&within_ms, r->map, "take_within", TAKE_MIN_MS, TAKE_MAX_MS, r->where, r->why)) != KW_OK)
		return err;
	if ((err = yaml_may(&list, r->map, "responsible", YAML_LIST, r->where, r->why)) != KW_OK)
		return err;
	if (list == NULL && within_ms > 0)
		return kw_refuse(r->why, KW_EINVAL, "line %zu: take_within of %s is for the lines of \"responsible\", but there are none; add them, or delete it",
		                 yaml_line(yaml_get(r->map, "take_within")), r->where);
	if (list == NULL)
		return KW_OK;
	if (r->t->view.has_release)
		return kw_refuse(r->why, KW_EINVAL, "line %zu: %s has \"release\", and nobody takes on what is released to all; delete \"responsible\"", yaml_line(list), r->where);
	if (yaml_count(list) > RESPONSIBLE_MAX)
		return kw_refuse(r->why, KW_ELIMIT, "line %zu: %zu lines of responsible, at most %u are allowed", yaml_line(list), yaml_count(list), RESPONSIBLE_MAX);
	r->t->line = calloc(yaml_count(list), sizeof *r->t->line);
	if (r->t->line == NULL)
		return no_memory(r->why);
	for (size_t i = 0; i < yaml_count(list); i++)
		if ((err = parse_entry(r, &r->t->line[r->t->line_count++], yaml_item(list, i), within_ms)) != KW_OK)
			return err;
	if (!rule_may_read(r->a, r->t, r->a->coordinator))
		return kw_refuse(r->why, KW_EINVAL, "line %zu: the coordinator %s takes at last what is responsible for %s, but may not read it; add it to \"receive\"",
		                 yaml_line(list), agreement_coordinator(r->a), r->where);
	r->t->view.has_responsible = true;
	return check_size(r, list);
}

static enum kw_err
parse_on_change(struct reading *r)
{
	static const char *const words[] = {"keep", "move"};
	const struct yaml_node *n;
	size_t which = 0;
	enum kw_err err = yaml_may(&n, r->map, "on_change", YAML_SCALAR, r->where, r->why);

	if (err != KW_OK || n == NULL)
		return err;
	if ((err = yaml_one_of(&which, n, words, COUNT(words), "on_change", r->why)) == KW_OK)
		r->t->view.on_change = which == 0 ? ON_CHANGE_KEEP : ON_CHANGE_MOVE;
	return err;
}

static enum kw_err
parse_onward(struct reading *r)
{
	const struct yaml_node *list;
	char text[NAME_LEN + 100];
	enum kw_err err = yaml_may(&list, r->map, "onward", YAML_LIST, r->where, r->why);

	if (err != KW_OK || list == NULL)
		return err;
	if (r->t->view.has_release)
		return kw_refuse(r->why, KW_EINVAL, "line %zu: %s has \"release\", and what waits for release goes to nobody else; delete \"onward\"", yaml_line(list),
		                 r->where);
	if ((err = reading_words(r, r->t->onward, list, "onward")) != KW_OK)
		return err;
	if ((err = reading_bind_to_purpose(r, r->t->onward, list)) != KW_OK)
		return err;
	r->t->view.has_onward = true;
	r->t->at.onward = (uint32_t)yaml_line(list);
	for (uint32_t i = 0; i < r->a->partner_count; i++) {
		if (!r->t->onward[i] || !r->t->read[i])
			continue;
		(void)snprintf(text, sizeof text, kw_translate("\"onward\" names %s, which reads it anyway"), r->a->partners[i].id);
		reading_warn(r, yaml_line(list), text);
	}
	return KW_OK;
}

/* Of a kind only those who read it are meant; who is named by its id and does not read it is an error. */
static enum kw_err
keep_readers(struct reading *r, uint8_t *flags, const struct yaml_node *list)
{
	uint32_t left = 0;

	for (uint32_t i = 0; i < r->a->partner_count; i++) {
		const char *id = r->a->partners[i].id;

		for (size_t k = 0; flags[i] && !r->t->read[i] && k < yaml_count(list); k++)
			if (strcmp(yaml_text(yaml_item(list, k)), id) == 0)
				return kw_refuse(r->why, KW_EINVAL, "line %zu: %s is to acknowledge on %s but may not read it; add it to \"receive\"", yaml_line(list), id, r->where);
		flags[i] = flags[i] && r->t->read[i];
		left += flags[i];
	}
	if (left > 0)
		return KW_OK;
	return kw_refuse(r->why, KW_EINVAL, "line %zu: nobody who is to acknowledge on %s may read it; name partners that \"receive\" names too", yaml_line(list), r->where);
}

static enum kw_err
parse_acknowledge(struct reading *r)
{
	static const char *const known[] = {"by", "within"};
	const struct yaml_node *map, *by;
	enum kw_err err;

	if ((err = yaml_may(&map, r->map, "acknowledge", YAML_MAP, r->where, r->why)) != KW_OK || map == NULL)
		return err;
	if ((err = yaml_only_keys(map, known, COUNT(known), "acknowledge", r->why)) != KW_OK)
		return err;
	if ((err = yaml_want(&by, map, "by", YAML_LIST, "acknowledge", r->why)) != KW_OK)
		return err;
	if ((err = reading_words(r, r->t->acknowledge, by, "by")) != KW_OK)
		return err;
	if ((err = keep_readers(r, r->t->acknowledge, by)) != KW_OK)
		return err;
	if (yaml_get(map, "within") == NULL)
		return kw_refuse(r->why, KW_EINVAL, "line %zu: acknowledge of %s lacks \"within\", how long the answers may take, as 30m", yaml_line(map), r->where);
	return yaml_may_duration(&r->t->view.acknowledge_within_ms, map, "within", TAKE_MIN_MS, r->t->view.keep_content_ms, "acknowledge", r->why);
}

enum kw_err
reading_duty(struct reading *r)
{
	enum kw_err err;

	if ((err = parse_responsible(r)) != KW_OK)
		return err;
	if ((err = parse_on_change(r)) != KW_OK)
		return err;
	if ((err = parse_onward(r)) != KW_OK)
		return err;
	if ((err = parse_acknowledge(r)) != KW_OK)
		return err;
	reading_gaps(r);
	return KW_OK;
}
