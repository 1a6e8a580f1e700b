/*
 * case_agreement: the questions that the machine asks (struct case_rules), answered by the agreement. The broker and every node
 * use it, so that they get the same answers. Pure; who knows the versions and numbers the nodes is told by four callbacks.
 */
#ifndef KW_CASES_CASE_AGREEMENT_H
#define KW_CASES_CASE_AGREEMENT_H

#include "cases/case.h"
#include "certs/agreement.h"

struct case_context { /* of one case; borrowed for as long as the rules are used */
	const char *topic;
	uint32_t sender;                 /* the actor that sent its notification */
	uint32_t take_within_s;          /* of its header; 0: as the agreement says */
	const void *self;
	const struct agreement *(*version)(const void *self, uint32_t version);         /* NULL: not here */
	uint32_t (*actor)(const void *self, const struct agreement *a, uint32_t node);  /* of a node of a */
	const char *(*id)(const void *self, uint32_t actor);                            /* its node id; never NULL */
	bool (*reads)(const void *self, uint32_t actor);                                /* is in the audience of the notification */
};

struct case_rules case_rules_of(const struct case_context *c);

/*
 * Does a notification with this header open a case: a notice or request that somebody must take within a time, or on a topic with
 * "responsible". topic is the header's under its agreement.
 */
bool case_opened_by(const struct header *h, const struct agreement_topic *topic);
/* The move that a notification of this type is; false: none. */
bool case_move_of(enum case_move_kind *kind, enum notice_type type);

#endif
