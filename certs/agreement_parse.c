/* agreement_parse: the agreement's text, checked for itself: head, committee, broker, operators, partners and nodes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "base/text.h"
#include "certs/agreement_parts.h"
#include "config/yaml_want.h"

const char *const partner_kind_words[KIND_COUNT] = {"police", "city", "civil", "justice", "health", "fire", "school", "other"};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define VERSION_MAX 1000000000u
#define GRACE_DEFAULT_MS (30 * DAY_MS)
#define GRACE_MAX_MS (90 * DAY_MS)

const char *
agreement_kind_word(unsigned i)
{
	return i < KIND_COUNT ? partner_kind_words[i] : NULL;
}

static enum kw_err
at_line(enum kw_err err, size_t line, struct kw_why *why)
{
	if (err != KW_OK)
		kw_why_prefix(why, "line %zu", line);
	return err;
}

static enum kw_err
no_memory(struct kw_why *why)
{
	return kw_refuse(why, KW_ENOMEM, "out of memory while reading the agreement");
}

/* A name of key in map, checked. */
static enum kw_err
want_name(char out[NAME_LEN], size_t *line, const struct yaml_node *map, const char *key, const char *where, struct kw_why *why)
{
	const char *text;
	enum kw_err err = yaml_want_text(&text, line, map, key, where, why);

	if (err != KW_OK)
		return err;
	if ((err = at_line(name_check(text, key, why), *line, why)) != KW_OK)
		return err;
	(void)snprintf(out, NAME_LEN, "%s", text);
	return KW_OK;
}

/* A public line of one kind that belongs to name. */
static enum kw_err
want_key(struct public_key *out, size_t *line, enum key_kind kind, const struct yaml_node *map, const char *name, const char *where,
         struct kw_why *why)
{
	const char *text;
	enum kw_err err = yaml_want_text(&text, line, map, "key", where, why);

	if (err != KW_OK)
		return err;
	if ((err = public_key_parse_as(out, kind, text, why)) != KW_OK)
		return at_line(err, *line, why);
	if (strcmp(out->name, name) != 0)
		return kw_refuse(why, KW_EINVAL, "line %zu: the key is that of \"%s\", but stands at \"%s\"; put it where it belongs, or have %s make a key of its own",
		                 *line, out->name, name, name);
	return KW_OK;
}

static enum kw_err
same_mode(const struct agreement *a, const struct public_key *key, size_t line, struct kw_why *why)
{
	if (key->mode == a->mode)
		return KW_OK;
	return kw_refuse(why, KW_EINVAL, "line %zu: the key of \"%s\" was made for %s, but the agreement's kind is %s; make a key for %s", line, key->name,
	                 key->mode == MODE_LIVE ? kw_translate("live") : kw_translate("exercise"), a->mode == MODE_LIVE ? kw_translate("live") : kw_translate("exercise"),
	                 a->mode == MODE_LIVE ? kw_translate("live") : kw_translate("exercise"));
}

static enum kw_err
parse_previous(struct agreement *a, const struct yaml_node *root, struct kw_why *why)
{
	const char *text = NULL;
	size_t line = 0;
	enum kw_err err = yaml_may_text(&text, &line, root, "previous", kw_translate("the agreement"), why);

	if (err != KW_OK)
		return err;
	if (a->version == 1 && text != NULL)
		return kw_refuse(why, KW_EINVAL, "line %zu: version 1 has no \"previous\"; delete the line, or raise the version", line);
	if (a->version == 1)
		return KW_OK;
	if (text == NULL)
		return kw_refuse(why, KW_EINVAL, "line %zu: version %u lacks \"previous\", the hash of version %u's text as \"b2:\" and 64 hex digits",
		                 yaml_line(root), a->version, a->version - 1);
	if (strncmp(text, "b2:", 3) != 0 || !text_hex(a->previous, KW_HASH_LEN, text + 3))
		return kw_refuse(why, KW_EINVAL, "line %zu: previous is \"%.80s\", must be \"b2:\" and the 64 hex digits of the hash of version %u's text", line,
		                 text, a->version - 1);
	return KW_OK;
}

static enum kw_err
parse_valid(struct agreement *a, const struct yaml_node *root, struct kw_why *why)
{
	static const char *const known[] = {"from", "until", "grace"};
	const struct yaml_node *valid;
	enum kw_err err;

	if ((err = yaml_want(&valid, root, "valid", YAML_MAP, kw_translate("the agreement"), why)) != KW_OK)
		return err;
	if ((err = yaml_only_keys(valid, known, COUNT(known), "valid", why)) != KW_OK)
		return err;
	if ((err = yaml_want_time(&a->from_ms, valid, "from", "valid", why)) != KW_OK)
		return err;
	if ((err = yaml_want_time(&a->until_ms, valid, "until", "valid", why)) != KW_OK)
		return err;
	a->grace_ms = GRACE_DEFAULT_MS;
	if ((err = yaml_may_duration(&a->grace_ms, valid, "grace", 0, GRACE_MAX_MS, "valid", why)) != KW_OK)
		return err;
	if (a->from_ms >= a->until_ms)
		return kw_refuse(why, KW_EINVAL, "line %zu: until is not later than from; the agreement would never be valid", yaml_line(yaml_get(valid, "until")));
	return KW_OK;
}

static enum kw_err
parse_head(struct agreement *a, const struct yaml_node *root, struct kw_why *why)
{
	static const char *const known[] = {"partnership", "version", "previous", "valid", "kind", "steering", "broker", "coordinator", "operators",
	                                    "partners", "topics", "time_zone", "holidays", "coordinator_within"};
	static const char *const modes[] = {"live", "exercise"};
	const struct yaml_node *kind;
	uint64_t version;
	size_t line, mode;
	enum kw_err err;

	if ((err = yaml_only_keys(root, known, COUNT(known), kw_translate("the agreement"), why)) != KW_OK)
		return err;
	if ((err = want_name(a->partnership, &line, root, "partnership", kw_translate("the agreement"), why)) != KW_OK)
		return err;
	if ((err = yaml_want_u64(&version, root, "version", 1, VERSION_MAX, kw_translate("the agreement"), why)) != KW_OK)
		return err;
	a->version = (uint32_t)version;
	if ((err = parse_previous(a, root, why)) != KW_OK)
		return err;
	if ((err = parse_valid(a, root, why)) != KW_OK)
		return err;
	if ((err = yaml_want(&kind, root, "kind", YAML_SCALAR, kw_translate("the agreement"), why)) != KW_OK)
		return err;
	if ((err = yaml_one_of(&mode, kind, modes, COUNT(modes), "kind", why)) != KW_OK)
		return err;
	a->mode = mode == 0 ? MODE_LIVE : MODE_EXERCISE;
	return KW_OK;
}

/* members or operators: [{name, key}, …] with distinct names. */
static enum kw_err
parse_signers(struct signer **out, uint32_t *count, const struct yaml_node *list, uint32_t max, enum key_kind kind, const char *what,
              struct kw_why *why)
{
	static const char *const known[] = {"name", "key"};
	struct signer *all;
	char name[NAME_LEN];
	size_t line;
	enum kw_err err;

	if (yaml_count(list) > max)
		return kw_refuse(why, KW_ELIMIT, "line %zu: %zu %ss, at most %u are allowed", yaml_line(list), yaml_count(list), what, max);
	all = calloc(yaml_count(list), sizeof *all);
	if (all == NULL)
		return no_memory(why);
	*out = all;
	for (size_t i = 0; i < yaml_count(list); i++) {
		const struct yaml_node *item = yaml_item(list, i);

		if ((err = yaml_only_keys(item, known, COUNT(known), what, why)) != KW_OK)
			return err;
		if ((err = want_name(name, &line, item, "name", what, why)) != KW_OK)
			return err;
		for (uint32_t k = 0; k < *count; k++)
			if (strcmp(all[k].key.name, name) == 0)
				return kw_refuse(why, KW_EINVAL, "line %zu: the %s \"%s\" stands here a second time, first in line %zu; keep one", line, what, name,
				                 all[k].line);
		if ((err = want_key(&all[i].key, &all[i].line, kind, item, name, what, why)) != KW_OK)
			return err;
		++*count;
	}
	return KW_OK;
}

static enum kw_err
parse_steering(struct agreement *a, const struct yaml_node *root, struct kw_why *why)
{
	static const char *const known[] = {"threshold", "members"};
	const struct yaml_node *steering, *members;
	uint64_t threshold;
	size_t line;
	enum kw_err err;

	if ((err = yaml_want(&steering, root, "steering", YAML_MAP, kw_translate("the agreement"), why)) != KW_OK)
		return err;
	if ((err = yaml_only_keys(steering, known, COUNT(known), "steering", why)) != KW_OK)
		return err;
	if ((err = yaml_want_u64(&threshold, steering, "threshold", 1, MEMBERS_MAX, "steering", why)) != KW_OK)
		return err;
	if ((err = yaml_want(&members, steering, "members", YAML_LIST, "steering", why)) != KW_OK)
		return err;
	if ((err = parse_signers(&a->members, &a->member_count, members, MEMBERS_MAX, KEY_STEERING, kw_translate("member"), why)) != KW_OK)
		return err;
	line = yaml_line(yaml_get(steering, "threshold"));
	if (threshold > a->member_count)
		return kw_refuse(why, KW_EINVAL, "line %zu: threshold is %u, but the committee has only %u members; write %u at most", line, (unsigned)threshold,
		                 a->member_count, a->member_count);
	if (2 * threshold <= a->member_count)
		return kw_refuse(why, KW_EINVAL, "line %zu: threshold is %u, half of the %u members or less; more than half must sign, write %u at least", line,
		                 (unsigned)threshold, a->member_count, a->member_count / 2 + 1);
	a->threshold = (uint32_t)threshold;
	return KW_OK;
}

/* host:port behind tcp://; host is a name, an IPv4 address or an IPv6 address in brackets. */
static bool
is_endpoint(const char *text)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.";
	const char *host = text + 6, *colon;
	uint64_t port;
	size_t len;

	if (strncmp(text, "tcp://", 6) != 0)
		return false;
	if (host[0] == '[') {
		len = 1 + strspn(host + 1, "0123456789abcdefABCDEF:.");
		if (len < 3 || host[len] != ']')
			return false;
		len++;
	} else {
		len = strspn(host, letters);
		if (len == 0 || host[0] == '-' || host[0] == '.')
			return false;
	}
	colon = host + len;
	return *colon == ':' && text_u64(&port, colon + 1, 1, 65535, "port", NULL) == KW_OK;
}

static enum kw_err
parse_endpoints(struct agreement *a, const struct yaml_node *list, struct kw_why *why)
{
	if (yaml_count(list) > ENDPOINTS_MAX)
		return kw_refuse(why, KW_ELIMIT, "line %zu: %zu endpoints, at most %u are allowed", yaml_line(list), yaml_count(list), ENDPOINTS_MAX);
	a->endpoints = calloc(yaml_count(list), sizeof *a->endpoints);
	if (a->endpoints == NULL)
		return no_memory(why);
	for (size_t i = 0; i < yaml_count(list); i++) {
		const struct yaml_node *item = yaml_item(list, i);
		const char *text = yaml_kind(item) == YAML_SCALAR ? yaml_text(item) : "";

		if (strlen(text) > ENDPOINT_LEN_MAX || !is_endpoint(text))
			return kw_refuse(why, KW_EINVAL, "line %zu: the endpoint \"%.80s\" must be tcp://host:port, as tcp://broker.example.org:7411", yaml_line(item), text);
		for (uint32_t k = 0; k < a->endpoint_count; k++)
			if (strcmp(a->endpoints[k], text) == 0)
				return kw_refuse(why, KW_EINVAL, "line %zu: the endpoint %s stands here twice; keep one", yaml_line(item), text);
		(void)snprintf(a->endpoints[a->endpoint_count++], ENDPOINT_LEN_MAX + 1, "%s", text);
	}
	return KW_OK;
}

static enum kw_err
parse_broker(struct agreement *a, const struct yaml_node *root, struct kw_why *why)
{
	static const char *const known[] = {"name", "endpoints", "key"};
	const struct yaml_node *broker, *endpoints;
	char name[NAME_LEN];
	size_t line;
	enum kw_err err;

	if ((err = yaml_want(&broker, root, "broker", YAML_MAP, kw_translate("the agreement"), why)) != KW_OK)
		return err;
	if ((err = yaml_only_keys(broker, known, COUNT(known), "broker", why)) != KW_OK)
		return err;
	if ((err = want_name(name, &line, broker, "name", "broker", why)) != KW_OK)
		return err;
	if ((err = want_key(&a->broker, &a->broker_line, KEY_BROKER, broker, name, "broker", why)) != KW_OK)
		return err;
	if ((err = same_mode(a, &a->broker, a->broker_line, why)) != KW_OK)
		return err;
	if ((err = yaml_want(&endpoints, broker, "endpoints", YAML_LIST, "broker", why)) != KW_OK)
		return err;
	return parse_endpoints(a, endpoints, why);
}

static enum kw_err
parse_operators(struct agreement *a, const struct yaml_node *root, struct kw_why *why)
{
	const struct yaml_node *list;
	enum kw_err err = yaml_may(&list, root, "operators", YAML_LIST, kw_translate("the agreement"), why);

	if (err != KW_OK || list == NULL)
		return err;
	if ((err = parse_signers(&a->operators, &a->operator_count, list, OPERATORS_MAX, KEY_NODE, kw_translate("operator"), why)) != KW_OK)
		return err;
	for (uint32_t i = 0; i < a->operator_count; i++)
		if ((err = same_mode(a, &a->operators[i].key, a->operators[i].line, why)) != KW_OK)
			return err;
	return KW_OK;
}

static enum kw_err
parse_purposes(struct partner *p, const struct yaml_node *map, const char *where, struct kw_why *why)
{
	const struct yaml_node *list;
	enum kw_err err = yaml_may(&list, map, "purposes", YAML_LIST, where, why);

	if (err != KW_OK || list == NULL)
		return err;
	if (p->kind != KIND_CIVIL)
		return kw_refuse(why, KW_EINVAL, "line %zu: %s is of kind %s and commits to no purposes, only civil partners do; delete \"purposes\"", yaml_line(list),
		                 where, partner_kind_words[p->kind]);
	if (yaml_count(list) > PURPOSES_MAX)
		return kw_refuse(why, KW_ELIMIT, "line %zu: %zu purposes, at most %u are allowed", yaml_line(list), yaml_count(list), PURPOSES_MAX);
	p->purposes_line = yaml_line(list);
	p->purposes = calloc(yaml_count(list), sizeof *p->purposes);
	if (p->purposes == NULL)
		return no_memory(why);
	for (size_t i = 0; i < yaml_count(list); i++) {
		const struct yaml_node *item = yaml_item(list, i);
		const char *text = yaml_kind(item) == YAML_SCALAR ? yaml_text(item) : "";

		if ((err = at_line(name_check(text, "the purpose", why), yaml_line(item), why)) != KW_OK)
			return err;
		for (uint32_t k = 0; k < p->purpose_count; k++)
			if (strcmp(p->purposes[k], text) == 0)
				return kw_refuse(why, KW_EINVAL, "line %zu: the purpose \"%s\" stands here twice; keep one", yaml_line(item), text);
		(void)snprintf(p->purposes[p->purpose_count++], NAME_LEN, "%s", text);
	}
	return KW_OK;
}

static enum kw_err
parse_partner(struct agreement *a, struct partner *p, const struct yaml_node *map, struct kw_why *why)
{
	static const char *const known[] = {"id", "kind", "title", "purposes", "nodes"};
	const struct yaml_node *kind_node;
	const char *title = "";
	char where[NAME_LEN + 16];
	size_t kind, line = 0;
	enum kw_err err;

	if ((err = yaml_only_keys(map, known, COUNT(known), "a partner", why)) != KW_OK)
		return err;
	if ((err = want_name(p->id, &p->line, map, "id", "a partner", why)) != KW_OK)
		return err;
	for (const struct partner *other = a->partners; other < p; other++)
		if (strcmp(other->id, p->id) == 0)
			return kw_refuse(why, KW_EINVAL, "line %zu: the partner \"%s\" stands here a second time, first in line %zu; keep one", p->line, p->id, other->line);
	(void)snprintf(where, sizeof where, kw_translate("partner %s"), p->id);
	if ((err = yaml_want(&kind_node, map, "kind", YAML_SCALAR, where, why)) != KW_OK)
		return err;
	if ((err = yaml_one_of(&kind, kind_node, partner_kind_words, KIND_COUNT, "kind", why)) != KW_OK)
		return err;
	p->kind = (enum partner_kind)kind;
	if ((err = yaml_may_text(&title, &line, map, "title", where, why)) != KW_OK)
		return err;
	if (strlen(title) >= TITLE_MAX)
		return kw_refuse(why, KW_ELIMIT, "line %zu: the title of %s has %zu bytes, at most %d are allowed", line, where, strlen(title), TITLE_MAX - 1);
	(void)snprintf(p->title, sizeof p->title, "%s", title);
	return parse_purposes(p, map, where, why);
}

/* A public line that the version before has for this node is not checked again: its signature and its points are sound. */
static enum kw_err
want_node_key(struct agreement *a, struct node *n, const struct yaml_node *map, const char *where, struct kw_why *why)
{
	uint32_t was = a->before != NULL ? agreement_node(a->before, n->id) : AGREEMENT_NOBODY;
	const char *text;
	enum kw_err err = yaml_want_text(&text, &n->line, map, "key", where, why);

	if (err != KW_OK)
		return err;
	MUST(crypto_generichash(n->key_line_hash, KW_HASH_LEN, (const uint8_t *)text, strlen(text), NULL, 0) == 0);
	if (was == AGREEMENT_NOBODY || memcmp(a->before->nodes[was].key_line_hash, n->key_line_hash, KW_HASH_LEN) != 0)
		return want_key(&n->key, &n->line, KEY_NODE, map, n->id, where, why);
	n->key = a->before->nodes[was].key;
	return KW_OK;
}

static enum kw_err
parse_node(struct agreement *a, struct node *n, uint32_t partner, const struct yaml_node *map, struct kw_why *why)
{
	static const char *const known[] = {"id", "key"};
	char name[NAME_LEN], where[NAME_LEN + 32];
	size_t line;
	enum kw_err err;

	(void)snprintf(where, sizeof where, kw_translate("a node of %s"), a->partners[partner].id);
	if ((err = yaml_only_keys(map, known, COUNT(known), where, why)) != KW_OK)
		return err;
	if ((err = want_name(name, &line, map, "id", where, why)) != KW_OK)
		return err;
	n->partner = partner;
	n->line = line;
	(void)snprintf(n->id, sizeof n->id, "%s/%s", a->partners[partner].id, name);
	if ((err = want_node_key(a, n, map, where, why)) != KW_OK)
		return err;
	return same_mode(a, &n->key, n->line, why);
}

static enum kw_err
parse_nodes(struct agreement *a, uint32_t partner, const struct yaml_node *map, struct kw_why *why)
{
	const struct yaml_node *list;
	char where[NAME_LEN + 16];
	struct node *grown;
	enum kw_err err;

	(void)snprintf(where, sizeof where, kw_translate("partner %s"), a->partners[partner].id);
	if ((err = yaml_want(&list, map, "nodes", YAML_LIST, where, why)) != KW_OK)
		return err;
	if (yaml_count(list) > KW_NODES_MAX - a->node_count)
		return kw_refuse(why, KW_ELIMIT, "line %zu: more than %d nodes in one agreement", yaml_line(list), KW_NODES_MAX);
	grown = realloc(a->nodes, (a->node_count + yaml_count(list)) * sizeof *grown);
	if (grown == NULL)
		return no_memory(why);
	a->nodes = grown;
	for (size_t i = 0; i < yaml_count(list); i++) {
		memset(&a->nodes[a->node_count], 0, sizeof *a->nodes);
		if ((err = parse_node(a, &a->nodes[a->node_count], partner, yaml_item(list, i), why)) != KW_OK)
			return err;
		a->node_count++;
		a->partners[partner].node_count++;
	}
	return KW_OK;
}

/* A partner may be called as its kind is only while nobody else is of that kind: else the word would mean two things. */
static enum kw_err
check_words(const struct agreement *a, struct kw_why *why)
{
	for (uint32_t i = 0; i < a->partner_count; i++) {
		const struct partner *p = &a->partners[i];

		for (unsigned kind = 0; kind < KIND_COUNT; kind++) {
			if (strcmp(p->id, partner_kind_words[kind]) != 0)
				continue;
			for (uint32_t k = 0; k < a->partner_count; k++)
				if (p->kind != (enum partner_kind)kind || (k != i && a->partners[k].kind == p->kind))
					return kw_refuse(why, KW_EINVAL, "line %zu: the partner \"%s\" is called as a kind of partners, and others would be meant by the word too; "
					                 "give it another id", p->line, p->id);
		}
	}
	return KW_OK;
}

static int
by_id(const void *x, const void *y)
{
	const struct node *a = x, *b = y;
	int order = strcmp(a->id, b->id);

	return order != 0 ? order : (a->line > b->line) - (a->line < b->line);
}

/* Sorted, those of one id stand side by side; of several the first in the text is told. */
static enum kw_err
check_twice(const struct agreement *a, struct kw_why *why)
{
	const struct node *first = NULL;

	for (uint32_t i = 1; i < a->node_count; i++)
		if (strcmp(a->nodes[i - 1].id, a->nodes[i].id) == 0 && (first == NULL || a->nodes[i].line < first[1].line))
			first = &a->nodes[i - 1];
	if (first == NULL)
		return KW_OK;
	return kw_refuse(why, KW_EINVAL, "line %zu: the node \"%s\" stands here a second time, first in line %zu; keep one", first[1].line, first->id, first->line);
}

static enum kw_err
parse_partners(struct agreement *a, const struct yaml_node *root, struct kw_why *why)
{
	const struct yaml_node *list;
	enum kw_err err;

	if ((err = yaml_want(&list, root, "partners", YAML_LIST, kw_translate("the agreement"), why)) != KW_OK)
		return err;
	if (yaml_count(list) > PARTNERS_MAX)
		return kw_refuse(why, KW_ELIMIT, "line %zu: %zu partners, at most %u are allowed", yaml_line(list), yaml_count(list), PARTNERS_MAX);
	a->partners = calloc(yaml_count(list), sizeof *a->partners);
	if (a->partners == NULL)
		return no_memory(why);
	for (size_t i = 0; i < yaml_count(list); i++) {
		struct partner *p = &a->partners[a->partner_count++];

		if ((err = parse_partner(a, p, yaml_item(list, i), why)) != KW_OK)
			return err;
		if ((err = parse_nodes(a, a->partner_count - 1, yaml_item(list, i), why)) != KW_OK)
			return err;
	}
	if ((err = check_words(a, why)) != KW_OK)
		return err;
	qsort(a->nodes, a->node_count, sizeof *a->nodes, by_id);
	return check_twice(a, why);
}

static enum kw_err
parse_coordinator(struct agreement *a, const struct yaml_node *root, struct kw_why *why)
{
	const char *id, *ids[KW_NODES_MAX], *near;
	size_t line;
	enum kw_err err;

	if ((err = yaml_want_text(&id, &line, root, "coordinator", kw_translate("the agreement"), why)) != KW_OK)
		return err;
	a->coordinator = agreement_node(a, id);
	a->coordinator_line = line;
	if (a->coordinator != AGREEMENT_NOBODY)
		return KW_OK;
	for (uint32_t i = 0; i < a->node_count; i++)
		ids[i] = a->nodes[i].id;
	near = text_nearest(id, ids, a->node_count);
	return kw_refuse(why, KW_EINVAL, "line %zu: the coordinator \"%.80s\" is no node of this agreement; write one as partner/node%s%s%s", line, id,
	                 near != NULL ? kw_translate(", did you mean \"") : "", near != NULL ? near : "", near != NULL ? kw_translate("\"?") : "");
}

/* One of the keys that somebody holds, for finding what stands twice. */
struct held {
	const uint8_t *key;
	const char *who;
	size_t line;
};

static int
by_key(const void *x, const void *y)
{
	const struct held *a = x, *b = y;
	int order = memcmp(a->key, b->key, KW_KEY_LEN);

	return order != 0 ? order : (a->line > b->line) - (a->line < b->line);
}

static size_t
hold(struct held *all, size_t n, const struct public_key *key, size_t line)
{
	all[n++] = (struct held){key->sign_pk, key->name, line};
	if (key->kind == KEY_NODE)
		all[n++] = (struct held){key->seal_pk, key->name, line};
	if (key->kind != KEY_STEERING)
		all[n++] = (struct held){key->curve_pk, key->name, line};
	return n;
}

/* No key may stand twice, whoever holds it and whatever it is for. */
static enum kw_err
check_keys(const struct agreement *a, struct kw_why *why)
{
	size_t n = 0, max = 3u * ((size_t)a->node_count + a->operator_count + a->member_count + 1);
	struct held *all = calloc(max, sizeof *all);
	enum kw_err err = KW_OK;

	if (all == NULL)
		return no_memory(why);
	n = hold(all, n, &a->broker, a->broker_line);
	for (uint32_t i = 0; i < a->member_count; i++)
		n = hold(all, n, &a->members[i].key, a->members[i].line);
	for (uint32_t i = 0; i < a->operator_count; i++)
		n = hold(all, n, &a->operators[i].key, a->operators[i].line);
	for (uint32_t i = 0; i < a->node_count; i++)
		n = hold(all, n, &a->nodes[i].key, a->nodes[i].line);
	qsort(all, n, sizeof *all, by_key);
	for (size_t i = 1; i < n && err == KW_OK; i++)
		if (memcmp(all[i - 1].key, all[i].key, KW_KEY_LEN) == 0)
			err = kw_refuse(why, KW_EINVAL, "line %zu: the key of \"%s\" holds the same public key as that of \"%s\" in line %zu; each needs a key of its own",
			                all[i].line, all[i].who, all[i - 1].who, all[i - 1].line);
	free(all);
	return err;
}

/* qsort has no argument for the nodes, and there are no globals here: keys and numbers side by side. */
struct curve_entry {
	uint8_t key[KW_KEY_LEN];
	uint32_t node;
};

static int
by_curve_key(const void *x, const void *y)
{
	return memcmp(((const struct curve_entry *)x)->key, ((const struct curve_entry *)y)->key, KW_KEY_LEN);
}

static enum kw_err
index_nodes(struct agreement *a, struct kw_why *why)
{
	struct curve_entry *all = calloc(a->node_count, sizeof *all);
	enum kw_err err = KW_OK;

	a->by_curve = calloc(a->node_count, sizeof *a->by_curve);
	if (all == NULL || a->by_curve == NULL) {
		err = no_memory(why);
		goto free_all;
	}
	for (uint32_t i = 0; i < a->node_count; i++) {
		memcpy(all[i].key, a->nodes[i].key.curve_pk, KW_KEY_LEN);
		all[i].node = i;
	}
	qsort(all, a->node_count, sizeof *all, by_curve_key);
	for (uint32_t i = 0; i < a->node_count; i++)
		a->by_curve[i] = all[i].node;
	for (uint32_t i = a->node_count; i-- > 0;)
		a->partners[a->nodes[i].partner].first_node = i;
free_all:
	free(all);
	return err;
}

static enum kw_err
parse_all(struct agreement *a, const struct yaml_node *root, struct buf *warnings, struct kw_why *why)
{
	enum kw_err err;

	if ((err = parse_head(a, root, why)) != KW_OK)
		return err;
	if ((err = agreement_parse_calendar(a, root, why)) != KW_OK)
		return err;
	if ((err = parse_steering(a, root, why)) != KW_OK)
		return err;
	if ((err = parse_broker(a, root, why)) != KW_OK)
		return err;
	if ((err = parse_operators(a, root, why)) != KW_OK)
		return err;
	if ((err = parse_partners(a, root, why)) != KW_OK)
		return err;
	if ((err = parse_coordinator(a, root, why)) != KW_OK)
		return err;
	if ((err = check_keys(a, why)) != KW_OK)
		return err;
	if ((err = index_nodes(a, why)) != KW_OK)
		return err;
	return agreement_parse_topics(a, root, warnings, why);
}

enum kw_err
agreement_parse(struct agreement **out, struct span text, struct buf *warnings, struct kw_why *why)
{
	return agreement_parse_after(out, text, NULL, warnings, why);
}

enum kw_err
agreement_parse_after(struct agreement **out, struct span text, const struct agreement *before, struct buf *warnings, struct kw_why *why)
{
	struct yaml_tree *tree = NULL;
	struct agreement *a;
	enum kw_err err;

	if (text.len > KW_AGREEMENT_MAX)
		return kw_refuse(why, KW_ELIMIT, "line 1: the agreement has %zu bytes, at most %u are allowed", text.len, KW_AGREEMENT_MAX);
	if ((err = yaml_tree_parse(&tree, text, why)) != KW_OK)
		return err;
	a = calloc(1, sizeof *a);
	if (a == NULL) {
		err = no_memory(why);
		goto free_tree;
	}
	a->before = before;
	a->text = BUF_INIT(text.len); /* kept for long: no more than it needs */
	buf_put_span(&a->text, text);
	if (!buf_ok(&a->text)) {
		err = no_memory(why);
		goto free_agreement;
	}
	MUST(crypto_generichash(a->hash, sizeof a->hash, text.p, text.len, NULL, 0) == 0);
	if ((err = parse_all(a, yaml_tree_root(tree), warnings, why)) != KW_OK)
		goto free_agreement;
	a->before = NULL;
	*out = a;
	a = NULL;
free_agreement:
	agreement_free(&a);
free_tree:
	yaml_tree_free(&tree);
	return err;
}

void
agreement_free(struct agreement **a)
{
	struct agreement *it;

	if (a == NULL || *a == NULL)
		return;
	it = *a;
	for (uint32_t i = 0; i < it->partner_count; i++)
		free(it->partners[i].purposes);
	for (uint32_t i = 0; i < it->topic_count; i++) {
		free(it->topics[i].publish);
		for (uint32_t k = 0; k < it->topics[i].line_count; k++)
			free(it->topics[i].line[k].area.names);
		free(it->topics[i].line);
	}
	zone_free(&it->zone);
	free(it->holidays);
	free(it->partners);
	free(it->topics);
	free(it->nodes);
	free(it->by_curve);
	free(it->members);
	free(it->operators);
	free(it->endpoints);
	buf_free(&it->text);
	free(it);
	*a = NULL;
}
