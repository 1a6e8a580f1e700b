/* agreement: what it says of itself, its nodes and its topics. */
#include "certs/agreement.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "certs/agreement_parts.h"

#define SOON_MS (60 * DAY_MS)

struct span
agreement_text(const struct agreement *a)
{
	return buf_span(&a->text);
}

const uint8_t *
agreement_hash(const struct agreement *a)
{
	return a->hash;
}

const char *
agreement_partnership(const struct agreement *a)
{
	return a->partnership;
}

uint32_t
agreement_version(const struct agreement *a)
{
	return a->version;
}

enum kw_mode
agreement_mode(const struct agreement *a)
{
	return a->mode;
}

uint32_t
agreement_member_count(const struct agreement *a)
{
	return a->member_count;
}

const char *
agreement_member_name(const struct agreement *a, uint32_t i)
{
	return a->members[i].key.name;
}

const char *
agreement_coordinator(const struct agreement *a)
{
	return a->nodes[a->coordinator].id;
}

void
agreement_fingerprint(char out[KEY_FINGERPRINT_MAX], const struct agreement *a)
{
	char *at = out;

	for (unsigned i = 0; i < 16; i += 2)
		at += snprintf(at, 6, "%s%02X%02X", i > 0 ? " " : "", a->hash[i], a->hash[i + 1]);
}

enum agreement_age
agreement_age(const struct agreement *a, uint64_t now_ms)
{
	if (now_ms < a->from_ms)
		return AGREEMENT_NOT_YET;
	if (now_ms >= a->until_ms)
		return now_ms - a->until_ms < a->grace_ms ? AGREEMENT_GRACE : AGREEMENT_OVER;
	return a->until_ms - now_ms <= SOON_MS ? AGREEMENT_ENDS_SOON : AGREEMENT_GOOD;
}

uint64_t
agreement_from_ms(const struct agreement *a)
{
	return a->from_ms;
}

uint64_t
agreement_until_ms(const struct agreement *a)
{
	return a->until_ms;
}

uint64_t
agreement_grace_until_ms(const struct agreement *a)
{
	return a->until_ms + a->grace_ms;
}

const struct public_key *
agreement_broker(const struct agreement *a)
{
	return &a->broker;
}

uint32_t
agreement_endpoint_count(const struct agreement *a)
{
	return a->endpoint_count;
}

const char *
agreement_endpoint(const struct agreement *a, uint32_t i)
{
	MUST(i < a->endpoint_count);
	return a->endpoints[i];
}

uint32_t
agreement_node_count(const struct agreement *a)
{
	return a->node_count;
}

static int
id_against(const void *id, const void *node)
{
	return strcmp(id, ((const struct node *)node)->id);
}

uint32_t
agreement_node(const struct agreement *a, const char *id)
{
	const struct node *n = bsearch(id, a->nodes, a->node_count, sizeof *a->nodes, id_against);

	return n != NULL ? (uint32_t)(n - a->nodes) : AGREEMENT_NOBODY;
}

const char *
agreement_node_id(const struct agreement *a, uint32_t node)
{
	MUST(node < a->node_count);
	return a->nodes[node].id;
}

const struct public_key *
agreement_node_key(const struct agreement *a, uint32_t node)
{
	MUST(node < a->node_count);
	return &a->nodes[node].key;
}

const char *
agreement_node_partner(const struct agreement *a, uint32_t node)
{
	MUST(node < a->node_count);
	return a->partners[a->nodes[node].partner].id;
}

const char *
agreement_node_title(const struct agreement *a, uint32_t node)
{
	const struct partner *p;

	MUST(node < a->node_count);
	p = &a->partners[a->nodes[node].partner];
	return p->title[0] != '\0' ? p->title : p->id;
}

struct peer
agreement_peer(const struct agreement *a, const uint8_t curve_pk[KW_KEY_LEN])
{
	uint32_t low = 0, high = a->node_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2, node = a->by_curve[middle];
		int order = memcmp(curve_pk, a->nodes[node].key.curve_pk, KW_KEY_LEN);

		if (order == 0)
			return (struct peer){.role = PEER_NODE, .node = node, .name = a->nodes[node].id};
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	for (uint32_t i = 0; i < a->operator_count; i++)
		if (memcmp(curve_pk, a->operators[i].key.curve_pk, KW_KEY_LEN) == 0)
			return (struct peer){.role = PEER_OPERATOR, .node = AGREEMENT_NOBODY, .name = a->operators[i].key.name};
	return (struct peer){.role = PEER_UNKNOWN, .node = AGREEMENT_NOBODY, .name = ""};
}

const struct topic_rule *
agreement_rule(const struct agreement *a, const char *topic)
{
	if (topic_check(topic, NULL) != KW_OK) /* a filter in a topic's place must not match anything */
		return NULL;
	for (uint32_t i = 0; i < a->topic_count; i++)
		if (filter_matches(a->topics[i].filter, topic))
			return &a->topics[i];
	return NULL;
}

bool
rule_may_read(const struct agreement *a, const struct topic_rule *t, uint32_t node)
{
	return node < a->node_count && t->read[a->nodes[node].partner] != 0;
}

bool
rule_may_publish(const struct agreement *a, const struct topic_rule *t, uint32_t node)
{
	return node < a->node_count && t->publish[a->nodes[node].partner] != 0;
}

const struct agreement_topic *
agreement_topic(const struct agreement *a, const char *topic)
{
	const struct topic_rule *t = agreement_rule(a, topic);

	return t != NULL ? &t->view : NULL;
}

uint32_t
agreement_topic_count(const struct agreement *a)
{
	return a->topic_count;
}

const struct agreement_topic *
agreement_topic_at(const struct agreement *a, uint32_t i)
{
	MUST(i < a->topic_count);
	return &a->topics[i].view;
}
