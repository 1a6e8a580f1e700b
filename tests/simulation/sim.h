/*
 * sim: one run from one seed: the real broker, the real nodes, what people do, and what goes wrong, as events on one pretend clock in one
 * thread. The same options give the same run, to the byte.
 */
#ifndef KW_SIM_H
#define KW_SIM_H

#include <stdbool.h>
#include <stdint.h>

#include "clients/partner/config.h"
#include "clients/partner/node.h"
#include "dice.h"
#include "vault.h"
#include "papers.h"

enum fault { /* kinds, as bits of sim_options.faults */
	FAULT_CRASH_BROKER, FAULT_CRASH_NODE, FAULT_STALL, FAULT_PARTITION, FAULT_RESET, FAULT_HALF_OPEN, FAULT_SLOW, FAULT_CLOCK,
	FAULT_DISK, FAULT_NODE_DISK, FAULT_AGREEMENT, FAULT_RESTORE, FAULT_LIAR, FAULT_SUSPEND,
	FAULT_COUNT
};
#define FAULTS_ALL (((1u << FAULT_COUNT) - 1) & ~(1u << FAULT_RESTORE)) /* behind an old copy not every promise holds yet: docs/reliability.md */
const char *fault_name(enum fault f);

struct sim_options {
	uint64_t seed;
	uint32_t steps;                  /* things that people do */
	uint32_t faults;                 /* bits of enum fault */
	uint32_t idle;                   /* of 1,000 steps: nobody does anything */
	const char *folder;              /* for the nodes' files; exists, and is empty afterwards */
	const uint8_t *steps_left_out, *faults_left_out; /* by number, 1: this one is left out */
};

struct sim_counts {
	uint32_t published, refused_at_desk, stored, deliveries, receipts, cases, moves, recalls, suspended, let_in;
	uint32_t applied[FAULT_COUNT];
	uint32_t broker_starts, node_starts, commits, turns, agreements;
	uint64_t pretend_ms, drain_ms;
};

struct sim_result {
	bool failed;
	char what[1024];                 /* the sentence of what was broken */
	uint32_t planned_faults;
	struct sim_counts counts;
};

void sim_run(struct sim_result *out, const struct sim_options *o);

/* ---- inside ---- */

struct sim_disk;
struct liar;    /* liar.h */
struct sim_vfs;
struct house;   /* house.h: the broker */
struct oracle;  /* oracle.h */
struct case_books;   /* case_books.h */
struct suspensions;  /* suspensions.h */

struct post { /* a node's machine */
	int who;
	bool member;                     /* has a machine at all by now */
	struct partner_config config;
	struct node *node;               /* NULL: it is down */
	uint64_t turn_at;                /* the next one that is planned */
	uint64_t read_seq;               /* of the inbox, by the application */
	uint32_t unread;                 /* bits of enum subject: what it does not subscribe to */
};

enum event_kind { EVENT_STEP, EVENT_FAULT, EVENT_FAULT_OVER, EVENT_BROKER_TURN, EVENT_NODE_TURN, EVENT_SYNC, EVENT_ANSWER, EVENT_BROKER_START, EVENT_NODE_START, EVENT_LIAR, EVENT_OPERATOR, EVENT_WISH, EVENT_LET_IN };
struct event { uint64_t at, order; enum event_kind kind; uint32_t a; uint64_t b; };

#define PAPERS_MAX 16

struct sim {
	struct sim_options options;
	struct sim_counts counts;
	struct event *events;            /* a heap */
	uint32_t event_count, event_room;
	uint64_t orders;
	uint32_t at_once;                /* events since the clock went on */
	struct house *house;
	struct sim_disk *disk;           /* of all nodes' stores, by folder */
	struct sim_vfs *vfs;
	struct dice sectors;             /* what is left of it after a power cut */
	struct post posts[WHO_NODES];
	struct oracle *oracle;
	struct case_books *books;
	struct suspensions *suspensions;
	struct liar *liar;
	struct paper papers[PAPERS_MAX];
	uint32_t paper_count;            /* the newest of these is in force at the broker */
	bool has_next;                   /* papers[paper_count] is to come into force */
	uint64_t agreed_batches;         /* of the broker's store, when the newest version came into force: no copy is older */
	bool restored;                   /* an old copy came back once */
	bool epoch_due;                  /* an old copy came back, and the operator has not begun a new log epoch yet */
	struct dice net, lives;          /* delays of disks; when what fell over comes back */
	struct fault_plan *plan;
	uint32_t plan_count;
	uint64_t *bursts;                /* when many people begin to do something at about the same time */
	uint32_t burst_count;
	bool calm;                       /* no fault begins any more, and all are over */
	bool broken;
	char what[1024];
};

/* A run in pieces, for who decides himself what happens when: begin, run until …, drain (faults end, all must settle), end. */
void sim_begin(struct sim *s);                       /* options are set, the rest is zero */
void sim_run_until(struct sim *s, uint64_t true_ms);
void sim_drain(struct sim *s);
void sim_end(struct sim_result *out, struct sim *s); /* takes everything apart */

void sim_at(struct sim *s, uint64_t at, enum event_kind kind, uint32_t a, uint64_t b);
void sim_wake_broker(struct sim *s, uint64_t at);
void sim_wake_node(struct sim *s, int who, uint64_t at);
const struct policy *sim_policy(const struct sim *s);                  /* of the version in force */
const struct policy *sim_policy_of(const struct sim *s, uint32_t version); /* NULL: there is none */
bool sim_stayed(const struct sim *s, int who, uint32_t since);         /* a member of that version and of all behind it */
bool sim_was_taken_out(const struct sim *s, int who);                  /* by some version; perhaps it came back */
/* What the oracle says when a promise was broken: the run ends at the next event. The first sentence stays. */
void sim_broken(struct sim *s, const char *fmt, ...) KW_PRINTF(2, 3);

#endif
