/*
 * case_rules: what the case machine asks (cases/case_agreement.h), answered with the broker's own numbers of nodes; and the
 * broker's entries as statements and back. Inside of the core.
 */
#ifndef KW_BROKER_CASE_RULES_H
#define KW_BROKER_CASE_RULES_H

#include "broker/core/parts.h"
#include "cases/case_agreement.h"

struct case_view { /* of one case, while the machine is asked about it */
	struct core *core;
	uint32_t set;                /* the audience of its notification */
	uint32_t sender;
	struct case_context context;
};
/* view is the caller's, for as long as the rules are used; topic is borrowed as long. */
struct case_rules rules_for(struct case_view *view, struct core *c, const char *topic, uint32_t set, uint32_t sender, uint32_t take_within_s);
struct case_rules rules_of(struct case_view *view, struct core *c, const struct case_rec *r);

/* The topic's rule under that version; NULL: the version is not here, or has no such topic. */
const struct agreement_topic *rules_topic(const struct core *c, uint32_t version, const char *topic);
bool rules_version_known(const struct core *c, uint32_t version);
/* The number of a node of the agreement in force or of any before; CASE_NOBODY: it is none. */
uint32_t rules_node(const struct core *c, const char *id);
const char *rules_id(const struct core *c, uint32_t actor); /* "" for none */
bool rules_actors_known(const struct core *c, const struct kw_case *k); /* all are nodes that the broker knows */
void rules_forget(struct core *c); /* what was found out about older versions */

void statement_put(const struct core *c, struct broker_entry *out, const struct case_rec *r, const struct case_statement *s);
void statement_of(const struct core *c, struct case_statement *out, const struct broker_entry *e);

#endif
