/*
 * papers: who takes part, and the agreement's versions, signed by a committee. Keys are made once a process from one seed, so that each process has
 * the same. What a version allows is told here in a table of its own (papers_readers …), which knows nothing of certs/.
 */
#ifndef KW_SIM_PAPERS_H
#define KW_SIM_PAPERS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"
#include "certs/agreement.h"
#include "certs/keys.h"

enum who { /* actors; the first ones are nodes with the real code */
	WHO_CONTROL_ROOM, WHO_PATROL, WHO_PUBLIC_ORDER, WHO_CRIME_PREVENTION, WHO_YOUTH_HOUSE, WHO_SHELTER,
	WHO_CLUB,            /* not in version 1 */
	WHO_NODES,
	WHO_LIAR = WHO_NODES, /* has a node's keys, and plays one */
	WHO_BROKER,
	WHO_DRIVER,
	WHO_COUNT
};
const char *papers_name(int who);
int papers_who(const char *name); /* -1: nobody of these */

enum subject {
	SUBJECT_FLASH, SUBJECT_URGENT, SUBJECT_ROUTINE, SUBJECT_PAIR,
	SUBJECT_DUTY,        /* the first of those that somebody must take on: its open cases go on by the version that they began under */
	SUBJECT_WATCH,       /* its open cases are offered anew under another version */
	SUBJECT_HELP,        /* whoever reads it may take it on */
	SUBJECT_COUNT
};

struct policy { /* what a version says */
	uint32_t members;    /* bits of enum who */
	bool youth_urgent;   /* whether the youth house reads SUBJECT_URGENT */
	bool turned;         /* who is responsible comes in another order */
};
extern const struct policy policy_first;

const char *papers_topic(enum subject s);
enum lane papers_lane(enum subject s);
bool papers_may_publish(const struct policy *p, enum subject s, int who);
uint32_t papers_readers(const struct policy *p, enum subject s, int sender); /* bits, without the sender; with all who may have to take it on */

#define PAPERS_COORDINATOR WHO_CRIME_PREVENTION
#define PAPERS_COORDINATOR_MS 5000u
#define PAPERS_LINE_MAX 5u
struct papers_turn { int who; uint16_t rule; uint32_t within_ms; };
bool papers_opens_case(enum subject s);
bool papers_has_line(enum subject s);   /* else every reader may take it */
bool papers_moves_cases(enum subject s);
/* Who is to take it on, in order, at last the coordinator; returns how many. asked_ms: of a turn on a topic without a line. */
uint32_t papers_line(struct papers_turn out[PAPERS_LINE_MAX], const struct policy *p, enum subject s, uint32_t asked_ms);
uint32_t papers_concerned(const struct policy *p, enum subject s); /* bits: of the line of any hour, and the coordinator; 0: of what opens no case */

struct paper { /* one version */
	struct policy policy;
	uint32_t version;
	struct buf text, sigs;
	struct agreement *agreement;
};

KW_MUST_USE enum kw_err papers_open(const char *folder, struct kw_why *why); /* makes keys and their files there */
void papers_close(void);
const struct secret_keys *papers_keys(int who);
const char *papers_key_file(int who);
/* The next version behind old (NULL: the first); MUST hold. */
void papers_write(struct paper *out, const struct paper *old, const struct policy *policy);
void papers_free(struct paper *p);
enum subject papers_subject(const char *topic); /* SUBJECT_COUNT: none of these */

#endif
