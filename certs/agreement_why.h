/*
 * agreement_why: which lines of the agreement's text an answer comes from. The answers are those of agreement.h, asked of the same
 * functions; here stands only where the text says so. Lines are from 1; 0: the text says nothing of it.
 */
#ifndef KW_CERTS_AGREEMENT_WHY_H
#define KW_CERTS_AGREEMENT_WHY_H

#include "certs/agreement.h"

#define AGREEMENT_ENTRIES_MAX 64u

struct agreement_entry { /* of "responsible", where it names the node */
	uint32_t line;
	bool deputy;
	bool hours;              /* it counts at that time */
	bool area;               /* it takes in that topic */
	bool first;              /* the node's place in the line of that time comes from here */
};

struct agreement_why {
	const struct agreement_topic *topic; /* NULL: no filter takes it in, and all below but partner and coordinator is empty */
	uint32_t publish_line, receive_line, purpose_line, lane_line, approve_line, onward_line, coordinator_line;
	const char *purpose;                 /* the topic's; "": none */
	uint32_t partner_line, purposes_line;
	bool civil;                          /* the node's partner reads what it has committed to alone */
	bool barred;                         /* "receive" means it, and it has not committed to the purpose */
	bool reads, publishes, takes, approves, onward, coordinator;
	struct agreement_entry entries[AGREEMENT_ENTRIES_MAX];
	uint32_t entry_count;
};

/* node below agreement_node_count (MUST). Borrows from a. */
void agreement_why(struct agreement_why *out, const struct agreement *a, const char *topic, uint32_t node, uint64_t at_ms);

/* The line of an entry of "responsible", by its place from 0, as struct agreement_turn and the broker's statements name it; 0: there is none. */
uint32_t agreement_entry_line(const struct agreement *a, const char *topic, uint32_t rule);

/* A line of the text without the blanks around it; empty: there is none. */
struct span agreement_line_text(const struct agreement *a, uint32_t line);

#endif
