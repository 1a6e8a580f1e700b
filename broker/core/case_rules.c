/* case_rules: versions of the agreement and their nodes, in the broker's numbers. */
#include "broker/core/case_rules.h"

#include <stdlib.h>
#include <string.h>

static const struct agreement *
version_of(const struct core *c, uint32_t version)
{
	if (c->agreement != NULL && agreement_version(c->agreement) == version)
		return c->agreement;
	return c->versions.get != NULL ? c->versions.get(c->versions.self, version) : NULL;
}

static const struct agreement *
known_version(const void *self, uint32_t version)
{
	return version_of(((const struct case_view *)self)->core, version);
}

/* Numbers are found once a version: a walk over all nodes' ids. The oldest one known makes room. */
static const uint32_t *
numbers_of(struct core *c, const struct agreement *a)
{
	struct known_version *v;

	if (a == c->agreement)
		return c->audience.by_agreement;
	for (uint32_t i = 0; i < KNOWN_VERSIONS; i++)
		if (c->known[i].agreement == a)
			return c->known[i].numbers;
	v = &c->known[c->known_next++ % KNOWN_VERSIONS];
	free(v->numbers);
	*v = (struct known_version){.agreement = NULL};
	if (audience_know(&c->audience, a, &v->numbers) != KW_OK) {
		change_stop(c, SERVICE_LOST, "out of memory for the nodes of an earlier agreement; start again: nothing that was acknowledged is lost");
		return NULL;
	}
	v->agreement = a;
	return v->numbers;
}

static uint32_t
actor_of(const void *self, const struct agreement *a, uint32_t node)
{
	const struct case_view *view = self;
	const uint32_t *numbers = node != AGREEMENT_NOBODY ? numbers_of(view->core, a) : NULL;

	return numbers != NULL ? numbers[node] : CASE_NOBODY;
}

static const char *
id_of(const void *self, uint32_t actor)
{
	return rules_id(((const struct case_view *)self)->core, actor);
}

static bool
reads(const void *self, uint32_t actor)
{
	const struct case_view *view = self;

	return audience_place(&view->core->audience.sets[view->set], actor) != NO_NODE;
}

struct case_rules
rules_for(struct case_view *view, struct core *c, const char *topic, uint32_t set, uint32_t sender, uint32_t take_within_s)
{
	*view = (struct case_view){.core = c, .set = set, .sender = sender};
	view->context = (struct case_context){.topic = topic, .sender = sender, .take_within_s = take_within_s, .self = view, .version = known_version,
	                                      .actor = actor_of, .id = id_of, .reads = reads};
	return case_rules_of(&view->context);
}

struct case_rules
rules_of(struct case_view *view, struct core *c, const struct case_rec *r)
{
	return rules_for(view, c, r->topic, r->set, r->k.sender, r->take_within_s);
}

const struct agreement_topic *
rules_topic(const struct core *c, uint32_t version, const char *topic)
{
	const struct agreement *a = version_of(c, version);

	return a != NULL ? agreement_topic(a, topic) : NULL;
}

bool
rules_version_known(const struct core *c, uint32_t version)
{
	return version_of(c, version) != NULL;
}

uint32_t
rules_node(const struct core *c, const char *id)
{
	uint32_t node = c->agreement != NULL && id[0] != '\0' ? agreement_node(c->agreement, id) : AGREEMENT_NOBODY;

	if (node != AGREEMENT_NOBODY)
		return c->audience.by_agreement[node];
	for (uint32_t i = 0; i < c->audience.node_count && id[0] != '\0'; i++) /* seldom: who is gone, or never was */
		if (strcmp(c->audience.nodes[i]->id, id) == 0)
			return i;
	return CASE_NOBODY;
}

const char *
rules_id(const struct core *c, uint32_t actor)
{
	return actor < c->audience.node_count ? c->audience.nodes[actor]->id : "";
}

static bool
known(const struct core *c, uint32_t actor)
{
	return actor < c->audience.node_count;
}

bool
rules_actors_known(const struct core *c, const struct kw_case *k)
{
	for (uint32_t i = 0; i < k->party_count; i++)
		if (!known(c, k->party[i]))
			return false;
	return known(c, k->sender) && known(c, k->coordinator) && known(c, k->owner) && (k->next == CASE_NOBODY || known(c, k->next)) &&
	       (k->giver == CASE_NOBODY || known(c, k->giver)) && (k->wish == CASE_NOBODY || known(c, k->wish));
}

void
rules_forget(struct core *c)
{
	for (uint32_t i = 0; i < KNOWN_VERSIONS; i++) {
		free(c->known[i].numbers);
		c->known[i] = (struct known_version){.agreement = NULL};
	}
}

/* ---- statements ---- */

void
statement_put(const struct core *c, struct broker_entry *out, const struct case_rec *r, const struct case_statement *s)
{
	const struct agreement *a = version_of(c, s->version);
	struct entry_case *k = &out->of_case;

	MUST(a != NULL && known(c, s->owner));
	memset(out, 0, sizeof *out);
	out->kind = ENTRY_CASE;
	out->time_ms = s->time_ms;
	out->version = s->version;
	memcpy(out->agreement_hash, agreement_hash(a), KW_HASH_LEN);
	k->cause = s->cause;
	k->state = s->state;
	k->lane = (enum lane)r->k.lane;
	k->in_force = s->in_force;
	memcpy(k->id, r->k.id, KW_ID_LEN);
	memcpy(k->frame_hash, r->k.frame_hash, KW_HASH_LEN);
	k->opened = r->k.opened;
	k->upto = s->upto;
	k->entries = s->entries;
	k->alarms = s->alarms;
	k->rule = s->rule;
	k->until_ms = s->until_ms;
	memcpy(k->owner, c->audience.nodes[s->owner]->id, sizeof k->owner);
	if (s->next != CASE_NOBODY)
		memcpy(k->next, c->audience.nodes[s->next]->id, sizeof k->next);
}

void
statement_of(const struct core *c, struct case_statement *out, const struct broker_entry *e)
{
	const struct entry_case *k = &e->of_case;

	*out = (struct case_statement){.cause = k->cause, .state = k->state, .time_ms = e->time_ms, .upto = k->upto, .until_ms = k->until_ms, .entries = k->entries,
	                               .alarms = k->alarms, .version = e->version, .in_force = k->in_force, .owner = rules_node(c, k->owner),
	                               .next = rules_node(c, k->next), .rule = k->rule};
}
