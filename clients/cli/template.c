/* template: see its header. */
#include "clients/cli/template.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "config/yaml_put.h"
#include "config/yaml_want.h"

struct role {
	char id[KW_NODE_MAX + 1];      /* "city-1", "city-1/node-2" */
	char actor[KW_NODE_MAX + 1];   /* who it is; "" nobody yet */
	char kind[16];                 /* of the partner */
	bool node;
};

struct template {
	struct yaml_tree *tree;
	struct role *roles;            /* each partner's before its nodes' */
	size_t count;
};

static const char *const head_keys[] = {"time_zone", "holidays", "coordinator_within"};
#define HEAD_KEYS (sizeof head_keys / sizeof head_keys[0])

/* At these keys stand partners and nodes. */
static bool
names_somebody(const char *key)
{
	static const char *const keys[] = {"publish", "receive", "who", "deputies", "onward", "by", "approve", "coordinator"};

	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
		if (strcmp(keys[i], key) == 0)
			return true;
	return false;
}

static bool
is_kind(const char *word)
{
	for (unsigned i = 0; agreement_kind_word(i) != NULL; i++)
		if (strcmp(agreement_kind_word(i), word) == 0)
			return true;
	return false;
}

static const char *
text_of(const struct yaml_node *map, const char *key)
{
	const struct yaml_node *value = yaml_get(map, key);

	return value != NULL && yaml_kind(value) == YAML_SCALAR ? yaml_text(value) : "";
}

static struct role *
role_by_id(const struct template *t, const char *id)
{
	for (size_t i = 0; i < t->count; i++)
		if (strcmp(t->roles[i].id, id) == 0)
			return &t->roles[i];
	return NULL;
}

static struct role *
role_by_actor(const struct template *t, const char *actor)
{
	for (size_t i = 0; i < t->count; i++)
		if (strcmp(t->roles[i].actor, actor) == 0)
			return &t->roles[i];
	return NULL;
}

static const char *
as_role(const void *data, const char *key, const char *word)
{
	const struct role *role = names_somebody(key) && !is_kind(word) ? role_by_actor(data, word) : NULL;

	return role != NULL ? role->id : word;
}

static const char *
as_actor(const void *data, const char *key, const char *word)
{
	const struct role *role = names_somebody(key) ? role_by_id(data, word) : NULL;

	return role != NULL ? role->actor : word;
}

static const char *
as_it_is(const void *data, const char *key, const char *word)
{
	(void)data;
	(void)key;
	return word;
}

/* ---- made of an agreement ---- */

/* A partner is meant where a node of it is. */
static bool
means(const char *word, const char *id)
{
	size_t len = strlen(id);

	return strncmp(word, id, len) == 0 && ((word[len] == '\0' && !is_kind(id)) || (word[len] == '/' && strchr(id, '/') == NULL));
}

static bool
stands_in(const struct yaml_node *at, const char *key, const char *id)
{
	if (yaml_kind(at) == YAML_SCALAR)
		return names_somebody(key) && means(yaml_text(at), id);
	for (size_t i = 0; i < yaml_count(at); i++)
		if (stands_in(yaml_item(at, i), yaml_kind(at) == YAML_MAP ? yaml_key(at, i) : key, id))
			return true;
	return false;
}

static bool
is_named(const struct yaml_node *agreement, const char *id)
{
	return means(text_of(agreement, "coordinator"), id) || stands_in(yaml_get(agreement, "topics"), "", id);
}

static enum kw_err
add_role(struct template *t, const char *actor, const char *kind, const char *within, const char *word, size_t number, bool node, struct kw_why *why)
{
	struct role *r = &t->roles[t->count];

	if (t->count == TEMPLATE_ROLES_MAX)
		return kw_refuse(why, KW_ELIMIT, "the rules name more than %u partners and nodes", TEMPLATE_ROLES_MAX);
	*r = (struct role){.node = node};
	(void)snprintf(r->id, sizeof r->id, "%s%s%s-%zu", within, node ? "/" : "", word, number);
	(void)snprintf(r->actor, sizeof r->actor, "%s", actor);
	(void)snprintf(r->kind, sizeof r->kind, "%s", kind);
	t->count++;
	return KW_OK;
}

/* The partner's role, and those of its nodes that the rules name. */
static enum kw_err
add_roles(struct template *t, const struct yaml_node *rules, const struct yaml_node *partner, size_t number, struct kw_why *why)
{
	const struct yaml_node *nodes = yaml_get(partner, "nodes");
	const char *id = text_of(partner, "id"), *kind = text_of(partner, "kind");
	char within[KW_NODE_MAX + 1], whole[KW_NODE_MAX + 1];
	size_t count = 0;
	enum kw_err err = add_role(t, id, kind, "", kind, number, false, why);

	(void)snprintf(within, sizeof within, "%s-%zu", kind, number);
	for (size_t i = 0; err == KW_OK && nodes != NULL && i < yaml_count(nodes); i++) {
		(void)snprintf(whole, sizeof whole, "%s/%s", id, text_of(yaml_item(nodes, i), "id"));
		if (is_named(rules, whole))
			err = add_role(t, whole, kind, within, "node", ++count, true, why);
	}
	return err;
}

static enum kw_err
find_roles(struct template *t, const struct yaml_node *agreement, struct kw_why *why)
{
	const struct yaml_node *partners = yaml_get(agreement, "partners");
	enum kw_err err = KW_OK;

	for (unsigned k = 0; agreement_kind_word(k) != NULL && err == KW_OK; k++) {
		size_t number = 0;

		for (size_t i = 0; i < yaml_count(partners) && err == KW_OK; i++) {
			const struct yaml_node *partner = yaml_item(partners, i);

			if (strcmp(text_of(partner, "kind"), agreement_kind_word(k)) == 0 && is_named(agreement, text_of(partner, "id")))
				err = add_roles(t, agreement, partner, ++number, why);
		}
	}
	return err;
}

static void
put_roles(struct buf *out, const struct template *t)
{
	buf_printf(out, "roles:%s\n", t->count == 0 ? " []" : "");
	for (size_t i = 0; i < t->count; i++) {
		if (t->roles[i].node)
			continue;
		buf_printf(out, "  - {id: %s, kind: %s, nodes: [", t->roles[i].id, t->roles[i].kind);
		for (size_t k = i + 1; k < t->count && t->roles[k].node; k++)
			buf_printf(out, "%s%s", k > i + 1 ? ", " : "", strchr(t->roles[k].id, '/') + 1);
		buf_put_str(out, "]}\n");
	}
}

static void
put_head_keys(struct buf *out, const struct yaml_node *root)
{
	for (size_t i = 0; i < HEAD_KEYS; i++) {
		const struct yaml_node *value = yaml_get(root, head_keys[i]);

		if (value == NULL)
			continue;
		buf_printf(out, "%s: ", head_keys[i]);
		yaml_put_flow(out, value, head_keys[i], as_it_is, NULL);
		buf_put_u8(out, '\n');
	}
}

static void
put_topics(struct buf *out, const struct yaml_node *root, yaml_word word, const struct template *t)
{
	const struct yaml_node *topics = yaml_get(root, "topics");

	buf_put_str(out, "topics:\n");
	for (size_t i = 0; i < yaml_count(topics); i++) {
		if (i > 0)
			buf_put_u8(out, '\n');
		yaml_put_item(out, yaml_item(topics, i), 2, word, t);
	}
}

enum kw_err
template_make(struct buf *out, const struct yaml_node *agreement, struct kw_why *why)
{
	struct template t = {.roles = calloc(TEMPLATE_ROLES_MAX, sizeof *t.roles)};
	enum kw_err err;

	if (t.roles == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory while making a template");
	if ((err = find_roles(&t, agreement, why)) == KW_OK) {
		buf_put_str(out, "template: 1\n");
		put_head_keys(out, agreement);
		buf_put_u8(out, '\n');
		put_roles(out, &t);
		buf_printf(out, "coordinator: %s\n\n", as_role(&t, "coordinator", text_of(agreement, "coordinator")));
		put_topics(out, agreement, as_role, &t);
		if (!buf_ok(out))
			err = kw_refuse(why, KW_ELIMIT, "the template has more than %zu bytes", out->max);
	}
	free(t.roles);
	return err;
}

/* ---- read ---- */

static enum kw_err
read_role(struct template *t, const struct yaml_node *item, struct kw_why *why)
{
	static const char *const known[] = {"id", "kind", "nodes"};
	const struct yaml_node *nodes;
	struct role *partner = &t->roles[t->count];
	const char *id, *kind;
	enum kw_err err;

	if ((err = yaml_only_keys(item, known, 3, "a role", why)) != KW_OK)
		return err;
	if ((err = yaml_want_text(&id, NULL, item, "id", "a role", why)) != KW_OK || (err = yaml_want_text(&kind, NULL, item, "kind", "a role", why)) != KW_OK)
		return err;
	if (!is_kind(kind) || strlen(id) > KW_NODE_MAX / 2 || strchr(id, '/') != NULL || is_kind(id) || role_by_id(t, id) != NULL)
		return kw_refuse(why, KW_EINVAL, "line %zu: \"%.40s\" of kind \"%.16s\" is no role that can be filled; see what \"kurzweg agreement template\" writes", yaml_line(item), id, kind);
	nodes = yaml_get(item, "nodes");
	if (nodes == NULL || yaml_kind(nodes) != YAML_LIST)
		return kw_refuse(why, KW_EINVAL, "line %zu: the role %.40s has no list \"nodes\"; write nodes: []", yaml_line(item), id);
	if (yaml_count(nodes) >= TEMPLATE_ROLES_MAX - t->count)
		return kw_refuse(why, KW_ELIMIT, "line %zu: more than %u roles", yaml_line(item), TEMPLATE_ROLES_MAX);
	*partner = (struct role){.node = false};
	(void)snprintf(partner->id, sizeof partner->id, "%s", id);
	(void)snprintf(partner->kind, sizeof partner->kind, "%s", kind);
	t->count++;
	for (size_t i = 0; i < yaml_count(nodes); i++) {
		struct role *r = &t->roles[t->count++];

		*r = *partner;
		r->node = true;
		if (yaml_kind(yaml_item(nodes, i)) != YAML_SCALAR || snprintf(r->id, sizeof r->id, "%s/%s", id, yaml_text(yaml_item(nodes, i))) >= (int)sizeof r->id)
			return kw_refuse(why, KW_EINVAL, "line %zu: the nodes of the role %.40s must be short words", yaml_line(nodes), id);
	}
	return KW_OK;
}

static enum kw_err
read_all(struct template *t, struct kw_why *why)
{
	static const char *const known[] = {"template", "time_zone", "holidays", "coordinator_within", "roles", "coordinator", "topics"};
	const struct yaml_node *root = yaml_tree_root(t->tree), *roles, *topics;
	const char *coordinator;
	uint64_t version;
	enum kw_err err;

	if (yaml_kind(root) == YAML_MAP && yaml_get(root, "template") == NULL && yaml_get(root, "partnership") != NULL)
		return kw_refuse(why, KW_EINVAL, "line 1: this is an agreement and no template; \"kurzweg agreement template\" makes one of it");
	if ((err = yaml_only_keys(root, known, sizeof known / sizeof known[0], "the template", why)) != KW_OK)
		return err;
	if ((err = yaml_want_u64(&version, root, "template", 1, 1, "the template", why)) != KW_OK)
		return err;
	if ((err = yaml_want_text(&coordinator, NULL, root, "coordinator", "the template", why)) != KW_OK)
		return err;
	if ((err = yaml_want(&topics, root, "topics", YAML_LIST, "the template", why)) != KW_OK)
		return err;
	for (size_t i = 0; i < yaml_count(topics); i++)
		if (yaml_kind(yaml_item(topics, i)) != YAML_MAP)
			return kw_refuse(why, KW_EINVAL, "line %zu: a topic must be keys with values", yaml_line(yaml_item(topics, i)));
	roles = yaml_get(root, "roles");
	if (roles == NULL || yaml_kind(roles) != YAML_LIST)
		return kw_refuse(why, KW_EINVAL, "line %zu: the template has no list \"roles\"; write roles: []", yaml_line(root));
	for (size_t i = 0; i < yaml_count(roles); i++)
		if ((err = read_role(t, yaml_item(roles, i), why)) != KW_OK)
			return err;
	if (role_by_id(t, coordinator) == NULL || strchr(coordinator, '/') == NULL)
		return kw_refuse(why, KW_EINVAL, "line %zu: the coordinator \"%.60s\" is no role of a node; write one that stands under \"roles\", as city-1/node-1",
		                 yaml_line(yaml_get(root, "coordinator")), coordinator);
	return KW_OK;
}

enum kw_err
template_read(struct template **out, struct span text, struct kw_why *why)
{
	struct template *t = calloc(1, sizeof *t);
	enum kw_err err;

	if (t == NULL || (t->roles = calloc(TEMPLATE_ROLES_MAX, sizeof *t->roles)) == NULL)
		err = kw_refuse(why, KW_ENOMEM, "out of memory while reading a template");
	else if ((err = yaml_tree_parse(&t->tree, text, why)) == KW_OK)
		err = read_all(t, why);
	if (err != KW_OK)
		template_free(&t);
	else
		*out = t;
	return err;
}

void
template_free(struct template **t)
{
	if (*t != NULL) {
		yaml_tree_free(&(*t)->tree);
		free((*t)->roles);
	}
	free(*t);
	*t = NULL;
}

/* ---- who is who ---- */

static const struct draft_partner *
partner_of(const struct draft_rows *rows, const char *id)
{
	for (size_t i = 0; i < rows->partner_count; i++)
		if (strcmp(rows->partners[i].id, id) == 0)
			return &rows->partners[i];
	return NULL;
}

static bool
has_node(const struct draft_rows *rows, const char *id)
{
	for (size_t i = 0; i < rows->key_count; i++)
		if (rows->keys[i].partner != SIZE_MAX && strcmp(rows->keys[i].key.name, id) == 0)
			return true;
	return false;
}

/* A partner is one role alone, a role one partner. */
static enum kw_err
set(struct template *t, struct role *role, const char *actor, const struct draft_rows *rows, struct kw_why *why)
{
	const struct role *other = role_by_actor(t, actor);
	const struct draft_partner *p = partner_of(rows, actor);

	if (role->actor[0] != '\0' && strcmp(role->actor, actor) != 0)
		return kw_refuse(why, KW_EINVAL, "%s cannot be %s and %s at once", role->id, role->actor, actor);
	if (other != NULL && other != role)
		return kw_refuse(why, KW_EINVAL, "%s cannot be %s and %s at once; who is to do both is written so in the draft", actor, other->id, role->id);
	if (role->node ? !has_node(rows, actor) : p == NULL)
		return kw_refuse(why, KW_EINVAL, "%s is no %s that is there, so %s cannot be it", actor, role->node ? kw_translate("node") : kw_translate("partner"), role->id);
	if (p != NULL && strcmp(p->kind, role->kind) != 0)
		return kw_refuse(why, KW_EINVAL, "%s is of kind %s, but %s must be of kind %s", actor, p->kind, role->id, role->kind);
	(void)snprintf(role->actor, sizeof role->actor, "%s", actor);
	return KW_OK;
}

static enum kw_err
take(struct template *t, const struct draft_rows *rows, const char *given, struct kw_why *why)
{
	const char *equals = strchr(given, '='), *slash;
	const char **ids, *near;
	char word[KW_NODE_MAX + 1], partner[KW_NODE_MAX + 1];
	struct role *role;
	enum kw_err err;

	if (equals == NULL || equals == given || equals[1] == '\0' || (size_t)(equals - given) >= sizeof word || strlen(equals + 1) > KW_NODE_MAX)
		return kw_refuse(why, KW_EINVAL, "--role is \"%.80s\", must be ROLE=NODE, as city-1/node-1=city/public-order", given);
	(void)snprintf(word, sizeof word, "%.*s", (int)(equals - given), given);
	if ((role = role_by_id(t, word)) == NULL) {
		if ((ids = calloc(t->count + 1, sizeof *ids)) == NULL)
			return kw_refuse(why, KW_ENOMEM, "out of memory while reading a template");
		for (size_t i = 0; i < t->count; i++)
			ids[i] = t->roles[i].id;
		near = text_nearest(word, ids, t->count);
		err = kw_refuse(why, KW_EINVAL, "the template has no role \"%s\"%s%s%s", word, near != NULL ? kw_translate(", did you mean \"") : "", near != NULL ? near : "",
		                near != NULL ? kw_translate("\"?") : "");
		free((void *)ids);
		return err;
	}
	slash = strchr(equals + 1, '/');
	if (role->node && slash != NULL) {
		struct role *whole;

		(void)snprintf(partner, sizeof partner, "%.*s", (int)(slash - equals - 1), equals + 1);
		word[strcspn(word, "/")] = '\0';
		whole = role_by_id(t, word);
		MUST(whole != NULL);
		if ((err = set(t, whole, partner, rows, why)) != KW_OK)
			return err;
	}
	return set(t, role, equals + 1, rows, why);
}

/* Of one partner role and one partner of a kind nobody needs to be told which is which. */
static enum kw_err
guess_partner(struct template *t, struct role *role, const struct draft_rows *rows, struct kw_why *why)
{
	const struct draft_partner *one = NULL;

	for (size_t i = 0; i < t->count; i++)
		if (&t->roles[i] != role && !t->roles[i].node && strcmp(t->roles[i].kind, role->kind) == 0)
			return KW_OK;
	for (size_t i = 0; i < rows->partner_count; i++) {
		if (strcmp(rows->partners[i].kind, role->kind) != 0)
			continue;
		if (one != NULL)
			return KW_OK;
		one = &rows->partners[i];
	}
	return one != NULL ? set(t, role, one->id, rows, why) : KW_OK;
}

static enum kw_err
guess_node(struct template *t, struct role *role, const struct role *partner, const struct draft_rows *rows, struct kw_why *why)
{
	const char *one = NULL;
	size_t len = strlen(partner->actor);

	if ((partner + 1 != role || (role + 1 < t->roles + t->count && role[1].node)) || len == 0)
		return KW_OK;
	for (size_t i = 0; i < rows->key_count; i++) {
		if (rows->keys[i].partner == SIZE_MAX || strcmp(rows->partners[rows->keys[i].partner].id, partner->actor) != 0)
			continue;
		if (one != NULL)
			return KW_OK;
		one = rows->keys[i].key.name;
	}
	return one != NULL ? set(t, role, one, rows, why) : KW_OK;
}

static enum kw_err
guess(struct template *t, const struct draft_rows *rows, struct kw_why *why)
{
	const struct role *partner = NULL;
	enum kw_err err = KW_OK;

	for (size_t i = 0; i < t->count && err == KW_OK; i++) {
		if (!t->roles[i].node)
			partner = &t->roles[i];
		if (t->roles[i].actor[0] == '\0')
			err = t->roles[i].node ? guess_node(t, &t->roles[i], partner, rows, why) : guess_partner(t, &t->roles[i], rows, why);
	}
	return err;
}

enum kw_err
template_cast(struct template *t, const struct draft_rows *rows, const char *const *given, size_t n, struct kw_why *why)
{
	struct buf missing = BUF_INIT(512);
	const char *names;
	enum kw_err err = KW_OK;

	for (size_t i = 0; i < n && err == KW_OK; i++)
		err = take(t, rows, given[i], why);
	if (err == KW_OK)
		err = guess(t, rows, why);
	for (size_t i = 0; i < t->count && err == KW_OK; i++)
		if (t->roles[i].actor[0] == '\0')
			buf_printf(&missing, "%s%s", missing.len > 0 ? ", " : "", t->roles[i].id);
	if (err == KW_OK && (missing.len > 0 || missing.failed)) {
		names = buf_text(&missing);
		err = kw_refuse(why, KW_ENOTFOUND, "who is %s? Say it with --role ROLE=NODE for each, or take out of the template what names it", names != NULL ? names : "…");
	}
	buf_free(&missing);
	return err;
}

size_t
template_roles(const struct template *t)
{
	return t->count;
}

const char *
template_role(const struct template *t, size_t i)
{
	MUST(i < t->count);
	return t->roles[i].id;
}

const char *
template_actor(const struct template *t, size_t i)
{
	MUST(i < t->count);
	return t->roles[i].actor;
}

const char *
template_coordinator(const struct template *t)
{
	return as_actor(t, "coordinator", text_of(yaml_tree_root(t->tree), "coordinator"));
}

void
template_put_head(struct buf *out, const struct template *t)
{
	put_head_keys(out, yaml_tree_root(t->tree));
}

void
template_put_topics(struct buf *out, const struct template *t)
{
	put_topics(out, yaml_tree_root(t->tree), as_actor, t);
}
