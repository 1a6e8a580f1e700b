/*
 * rival_work: who publishes and who reads at one server, in a stream of their own that is removed again with them, and how many that goes between.
 * Every delivery is compared, bit by bit, each once, in its publisher's order; anything else ends the program. Only after its readers came back a server
 * may deliver what they had: not each of them has every acknowledgement on disk when it stops.
 */
#ifndef KW_BENCH_RIVAL_WORK_H
#define KW_BENCH_RIVAL_WORK_H

#include "rival_runs.h"

#define WORK_ROUND_NS 120000000000ull    /* a round that takes longer lost something */
#define WORK_FILL_NS 1800000000000ull
#define WORK_AT_ONCE 100u                /* handshakes under way; more would only queue. As many as bench_load has */

struct work;
struct work_publisher {
	struct work *work;
	struct rival *r;
	uint32_t sent, end;
	uint32_t answered;
	uint64_t deliveries;             /* of what it sent, to all readers together */
};
struct work_reader {
	struct work *work;
	struct rival *r;
	uint32_t *next;                  /* by publisher */
};

struct work {
	struct rival_net *net;
	const struct rival_target *target;
	uint32_t bytes;
	uint8_t *body;
	struct work_publisher *publishers;
	struct work_reader *readers;
	uint32_t publisher_count, reader_count;
	uint64_t *due_ns, *late_ns;      /* by number; NULL: not asked */
	bool returned;
	uint32_t delivered_again;        /* after that; counted nowhere else */
	bool apart;                      /* each publish leaves by itself */
};

/* All are ready when it returns: publishers, then readers, so that nothing is sent before all can get it. */
void work_open(struct work *w, struct rival_net *net, const struct rival_target *t, const struct rival_wishes *wish, uint32_t publishers, uint32_t readers);
void work_close(struct work *w);         /* removes what they made on the server */
void work_leave(struct work *w);         /* all connections end, nothing is removed */
void work_return_publishers(struct work *w); /* they come back; ready when it returns */
void work_return_readers(struct work *w);

struct rival *work_open_one(struct work *w, enum rival_role role, const char *run, const char *letter, uint32_t i, struct rival_handler on);
void work_await(struct work *w, const bool *what);

void work_publish(struct work_publisher *p);
uint32_t work_sent(const struct work *w);
bool work_over(const struct work *w);    /* all up to each publisher's end is answered, and delivered to all */
/* Until so many more have come to all, or, where seconds is not 0, all that could be sent in that time has; how long it took. */
double work_go(struct work *w, uint32_t messages, uint32_t flight, uint32_t seconds);
void work_fill(struct work *w, uint32_t messages, uint32_t flight); /* the first publisher's are answered, whether or not anybody reads */

#endif
