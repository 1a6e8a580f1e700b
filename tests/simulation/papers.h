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

enum subject { SUBJECT_FLASH, SUBJECT_URGENT, SUBJECT_ROUTINE, SUBJECT_PAIR, SUBJECT_COUNT };

struct policy { /* what a version says */
	uint32_t members;    /* bits of enum who */
	bool youth_urgent;   /* whether the youth house reads SUBJECT_URGENT */
};
extern const struct policy policy_first;

const char *papers_topic(enum subject s);
enum lane papers_lane(enum subject s);
bool papers_may_publish(const struct policy *p, enum subject s, int who);
uint32_t papers_readers(const struct policy *p, enum subject s, int sender); /* bits, without the sender */

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
