/*
 * oracle: what Kurzweg promises, kept apart from how it is done: who was told what, and what everybody may and must get. It knows what people
 * published, what crossed the network and what applications read, and says in one sentence which promise was broken.
 */
#ifndef KW_SIM_ORACLE_H
#define KW_SIM_ORACLE_H

#include "broker/store/store.h"
#include "clients/partner/desk.h"
#include "sim.h"

struct oracle *oracle_new(struct sim *s);
void oracle_free(struct oracle **o);

struct oracle_published { int sender; enum subject subject; uint32_t to; /* bits of those named; 0: all */ const uint8_t *id; struct span payload; uint64_t expires_ms; };
void oracle_published(struct oracle *o, const struct oracle_published *p);
void oracle_recalled(struct oracle *o, int sender, const uint8_t about[KW_ID_LEN], const uint8_t id[KW_ID_LEN]);
void oracle_logged(struct oracle *o, const struct store_batch *b); /* it is on the broker's disk */
void oracle_restoring(struct oracle *o);                           /* an old copy of the broker's store comes into its place, and what it holds is told again */
void oracle_restored(struct oracle *o);                            /* it is there */
/* What people published as the nth from the end; false: there is none, or it was recalled by them already. */
bool oracle_recallable(const struct oracle *o, uint32_t nth, uint8_t id[KW_ID_LEN], int *sender);
/* The same, where it opens no case. */
bool oracle_cancellable(const struct oracle *o, uint32_t nth, uint8_t id[KW_ID_LEN], int *sender, enum subject *subject);
void oracle_broker_turn(struct oracle *o);
void oracle_up(struct oracle *o, int who, struct span control, struct span frame);
void oracle_arrived(struct oracle *o, int who, const void *line, struct span control, struct span frame); /* the broker reads it now */
void oracle_down(struct oracle *o, int who, const void *line, struct span control, struct span frame);
void oracle_row(struct oracle *o, int who, const struct inbox_row *row);
void oracle_node_started(struct oracle *o, int who);
struct oracle_known {
	uint32_t audience, delivered, bare; /* bits of enum who: to whom it goes, whose application read it, and who of these without its content */
	bool stored;                        /* the broker said so */
	uint64_t row[WHO_NODES];            /* of the reader's inbox; 0: not there */
};
void oracle_look(struct oracle_known *out, const struct oracle *o, const uint8_t id[KW_ID_LEN]); /* all 0 where nobody published it */
bool oracle_settled(struct oracle *o, char what[512]); /* all that was promised is kept; else what is missing */

#endif
