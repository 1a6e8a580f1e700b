/*
 * core: the broker's decisions. Events and the time go in; what is to be done comes out as data, in three streams that
 * the driver carries out:
 *
 *   core_next      answers and orders; drained to the end after every event
 *   core_deliver   deliveries and pages to read, as many at a time as the driver likes; flash before urgent before routine
 *   core_batch     what the store is to commit next, one batch at a time
 *
 * No socket, file, clock, thread or cryptography. One thread. Memory grows with nodes, audience sets and what is under
 * way, within struct core_limits; never with the backlog. docs/protocol.md is the specification.
 *
 * A connection is a number of the driver's own; it may be used again after core_closed or EFFECT_DROP. Who it is was decided by the
 * driver from its CURVE key before any event: node is a number under the agreement in force.
 */
#ifndef KW_BROKER_CORE_H
#define KW_BROKER_CORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "broker/core/blob.h"
#include "broker/store/store.h"
#include "certs/agreement.h"
#include "proto/entry.h"
#include "proto/header.h"
#include "proto/wire.h"

struct core;

struct core_time { uint64_t mono_ms; uint64_t wall_ms; };

struct core_limits {
	uint32_t conns_max;                     /* numbers of connections are below it */
	struct lane_window publish[KW_LANES];   /* what one sender may have unanswered; told in welcome */
	struct lane_window deliver[KW_LANES];   /* the most of a reader's window that is used */
	uint32_t queue_messages;                /* committed just now and kept in memory for one reader and lane, beyond it the log is read */
	uint64_t queue_bytes;                   /* the same over all readers */
	uint32_t batch_appends;                 /* at most STORE_BATCH_MAX */
	uint64_t batch_bytes;
	uint64_t pending_bytes;                 /* of all senders, waiting for a commit; as much again for flash, and for the first of each sender and lane */
	uint32_t page_entries;                  /* one read of a reader that is behind */
	uint32_t page_bytes;
	uint32_t sets_max;                      /* audience sets that what is published may make; the store's others are for the broker's own entries */
	uint64_t members_max;                   /* of all these sets together */
	uint32_t members_a_tick;                /* looked at for retention */
	uint32_t purge_records;                 /* one step of retention */
	uint32_t cursors_a_batch;               /* and filters; more of them wait for the next, at most half of CONTROL_OPS_MAX */
	uint32_t cases_open, cases_closed;      /* the most that are kept; beyond it none is opened, or the ones closed longest ago go */
};
extern const struct core_limits core_limits_default;

/* What a broker counts since its start. */
struct core_counters {
	uint64_t stored, duplicates, conflicts, delivered, delivered_bare, delivered_bytes, acks, hellos, commits, reads;
	uint64_t refused[CODE_LAST + 1];        /* by code */
};

enum service { SERVICE_SERVING, SERVICE_BEHIND, SERVICE_FORK, SERVICE_LOST, SERVICE_STOPPING };
const char *service_name(enum service s);       /* "serving", "behind", … */

KW_MUST_USE enum kw_err core_new(struct core **out, const struct core_limits *limits);
void core_free(struct core **c);

/* ---- what the store tells at its start (store.h: struct store_load), in its order ---- */
void core_load_state(struct core *c, uint32_t log_epoch, const uint64_t epoch_start[KW_LANES], const uint64_t tail[KW_LANES],
                     bool has_commit, const uint8_t commit[WIRE_COMMIT_LEN]);
KW_MUST_USE enum kw_err core_load_epoch(struct core *c, uint32_t log_epoch, const uint64_t start[KW_LANES]);
/* A version that came into force behind these numbers; oldest first. */
KW_MUST_USE enum kw_err core_load_agreement(struct core *c, uint32_t version, const uint64_t before[KW_LANES]);
KW_MUST_USE enum kw_err core_load_node(struct core *c, node_no node, const char *id);
KW_MUST_USE enum kw_err core_load_set(struct core *c, set_no set, const node_no *nodes, uint32_t count);
void core_load_cursor(struct core *c, node_no node, enum lane lane, struct lane_cursor cursor);
void core_load_last_stored(struct core *c, node_no node, const uint8_t id[KW_ID_LEN]);
KW_MUST_USE enum kw_err core_load_subscribe(struct core *c, node_no node, uint32_t count, const char *const *filters);
void core_load_swept(struct core *c, enum lane lane, set_no set, uint64_t upto);
void core_load_folded(struct core *c, const uint64_t upto[KW_LANES]);
KW_MUST_USE enum kw_err core_load_case(struct core *c, const uint8_t id[KW_ID_LEN], struct span bytes, struct kw_why *why);
/* Versions beside the one in force, for cases that stand under an older one; asked for as long as the core lives. */
KW_MUST_USE enum kw_err core_load_suspension(struct core *c, node_no node, struct span bytes, struct kw_why *why);
struct core_versions { const void *self; const struct agreement *(*get)(const void *self, uint32_t version); };
void core_knows(struct core *c, struct core_versions versions);
/* The newest version that the store kept, NULL: none yet. Borrowed until another is in force. */
KW_MUST_USE enum kw_err core_start(struct core *c, const struct agreement *in_force, struct core_time now);

/*
 * After core_start: what each lane's log holds behind core_folded is told in its order, then that it was all. Either header
 * and frame_hash are there, or entry.
 */
struct core_log_entry {
	struct position at;
	set_no set;
	node_no sender;
	const struct header *header;
	const uint8_t *frame_hash;
	const struct broker_entry *entry;
};
uint64_t core_folded(const struct core *c, enum lane lane);
void core_replay(struct core *c, const struct core_log_entry *e, struct core_time now);
void core_replayed(struct core *c, struct core_time now);

/* ---- events ---- */
enum core_stage {
	STAGE_NO_HELLO,   /* [C-5] only hello is heard */
	STAGE_OPEN,
	STAGE_REPLACED,   /* [C-5] ignored from now on */
	STAGE_REVOKED,    /* its session ended with the version that dropped it; who has its key under the newest one, if anybody, begins anew */
};
/* A message came on the connection; before any other event about it. */
enum core_stage core_heard(struct core *c, uint32_t conn, struct core_time now);
/* Something was sent on it that the core did not order (an agreement, a refusal of the gate's own). */
void core_sent(struct core *c, uint32_t conn, struct core_time now);

/* What the store says about the commit that a hello names: struct store_ops.commit_hash. */
enum core_seen { SEEN_NONE /* number 0, or no longer kept */, SEEN_SAME, SEEN_OTHER };
/* KW_ENOMEM alone: the connection hears slow_down. Everything else is answered by effects. */
void core_hello(struct core *c, uint32_t conn, uint32_t node, const struct wire_hello *hello, enum core_seen seen, struct core_time now);

struct core_publication {
	const struct header *header;            /* borrowed for the call */
	uint32_t round;                         /* [P-11] as the publish says */
	const uint8_t *frame_hash;              /* 32, likewise */
	struct blob *blob;                      /* the core takes references of its own; may put the wraps into another order */
	const struct store_found *known;        /* NULL: the store does not have it, or there was no need to ask */
};
/*
 * [P-6] What is too old to be taken, by its version or its time, may have been taken while it was not, and only the answer was lost:
 * true: ask the store for this sender's id, and hand over as known what it finds.
 */
bool core_asks_known(const struct core *c, uint32_t conn, const struct header *h, struct core_time now, node_no *sender);
void core_publish(struct core *c, uint32_t conn, const struct core_publication *p, struct core_time now);
/* [P-11] The caller itself put a publish off: what was sent behind it is put off as well. */
void core_put_off(struct core *c, uint32_t conn, enum lane lane, uint32_t round);
void core_ack(struct core *c, uint32_t conn, const struct wire_ack *ack, struct core_time now);
void core_subscribe(struct core *c, uint32_t conn, const struct wire_subscribe *filters, struct core_time now);
void core_closed(struct core *c, uint32_t conn); /* the connection is gone; deliveries not acknowledged come again */

/* The blob holds the reader's own wrap alone, or none; one reference to it goes to the core. */
struct core_read_entry { const struct store_entry *entry; struct blob *blob; };
/* Which of the set's wraps is this connection's own; CORE_NO_CONN: none. */
uint32_t core_wrap_place(const struct core *c, uint32_t conn, set_no set);
/*
 * The answer to EFFECT_READ. tail: the lane's newest number in the snapshot that was read. complete: nothing more was there. Neither
 * entries nor complete: there was no memory for any.
 */
void core_read(struct core *c, uint32_t conn, uint32_t generation, enum lane lane, const struct core_read_entry *entries,
               uint32_t count, bool complete, uint64_t tail, struct core_time now);

/*
 * A verified version is to come into force: its text and one entry of the broker's own in each lane go into one commit,
 * behind all that was accepted under the old one. Until then publish is answered slow_down. KW_ESTATE: another is on its way, or the
 * service is stopped. text, sigs and next are borrowed until EFFECT_INSTALLED; next for as long as it is in force.
 */
struct core_install {
	const struct agreement *next;
	struct span text, sigs;
	struct blob *entries[KW_LANES];
	uint8_t entry_hash[KW_LANES][KW_HASH_LEN];
};
KW_MUST_USE enum kw_err core_install(struct core *c, const struct core_install *i, struct core_time now, struct kw_why *why);
/* [C-11] KW_ESTATE: one is on its way. */
KW_MUST_USE enum kw_err core_new_epoch(struct core *c, struct kw_why *why);
/*
 * An operator's wish to suspend a node or to let it in again (docs/protocol.md [O-9] to [O-13]). core_suspend looks whether it may be, changes
 * nothing, and writes the entry to sign: KW_ENOTFOUND, KW_ELIMIT, KW_EINVAL, KW_EAGAIN: another is on its way, KW_ESTATE: not suspended,
 * or no service. core_suspended takes it signed, with its hash, at once: who is suspended is out from then on; EFFECT_SUSPENSION follows.
 */
#define CORE_SUSPEND_MIN_MS 1000u
struct core_suspend {
	enum suspension_act act;
	const char *node, *by;
	struct span reason;                     /* of SUSPENSION_BEGUN, as the next */
	uint64_t for_ms;
};
KW_MUST_USE enum kw_err core_suspend(struct core *c, const struct core_suspend *ask, struct broker_entry *out, struct core_time now, struct kw_why *why);
/* again: what core_suspension_again wrote; no operator waits for it, and its end by the clock that nobody sets stays. */
KW_MUST_USE enum kw_err core_suspended(struct core *c, const struct broker_entry *e, bool again, struct blob *b, const uint8_t hash[KW_HASH_LEN], struct core_time now,
                                       struct kw_why *why);
/* EFFECT_SUSPENSION_AGAIN: the entry to sign, for core_suspended; false: not now, the effect comes again where it is still wanted. */
bool core_suspension_again(struct broker_entry *out, const struct core *c, uint32_t node, struct core_time now);
const struct broker_entry *core_suspension_entry(const struct core *c); /* what EFFECT_SUSPENSION is about */
/* A node without a session spoke, and it was no hello: true: it is suspended, and hears so. node: under the agreement in force. */
bool core_keeps_out(struct core *c, uint32_t conn, uint32_t node, struct core_time now);
void core_sizes(struct core *c, const struct store_sizes *sizes); /* now and then, for [P-5] */
void core_stopping(struct core *c);
void core_tick(struct core *c, struct core_time now);
uint64_t core_wake_ms(const struct core *c); /* on the monotonic clock; UINT64_MAX: nothing pending */

/* ---- the store's side ---- */
/* NULL: one is under way, or nothing is to be done. The batch is the core's, unchanged until core_committed. */
struct store_batch *core_batch(struct core *c, struct core_time now);
/* The answer. KW_EFULL: refused, the service goes on. Any other error: lost, nothing more is acknowledged. */
void core_committed(struct core *c, struct store_batch *b, enum kw_err err, struct core_time now);
void core_store_lost(struct core *c); /* it could not be read */
bool core_quiet(const struct core *c); /* nothing waits for a commit and none is under way */

/* ---- effects ---- */
enum effect_kind {
	EFFECT_WELCOME,      /* core_welcome fills it */
	EFFECT_REFUSED,
	EFFECT_STORED,       /* of the commit just answered; core_stored_item */
	EFFECT_STORED_AGAIN, /* a duplicate: the store has the proof */
	EFFECT_BEAT,         /* with the newest commit */
	EFFECT_DROP,         /* forget the connection */
	EFFECT_INSTALLED,    /* another agreement is in force */
	EFFECT_INSTALL_FAILED, /* no room in the store; the old one stays */
	EFFECT_EPOCH,        /* the new log epoch has begun */
	EFFECT_SERVICE,      /* core_service is another one now */
	EFFECT_SUSPENSION,   /* core_suspension_entry stands in the log, or found no room and counts for nothing */
	EFFECT_SUSPENSION_OVER, /* a node's time is over: it may say hello again */
	EFFECT_SUSPENSION_AGAIN, /* one that holds is to be stated behind the agreement in force: core_suspension_again */
	EFFECT_STATE,        /* the broker has something to say about a case: core_statement */
	EFFECT_DELIVER,
	EFFECT_READ,
};

struct core_refusal {
	enum wire_code code;
	bool has_id;
	uint8_t id[KW_ID_LEN];
	uint32_t wait_ms;
	const char *text;            /* the core's until the next core_next */
};

struct core_effect {
	enum effect_kind kind;
	uint32_t conn;
	union {
		struct core_refusal refused;
		struct { uint32_t first, count; } stored;
		struct { uint8_t id[KW_ID_LEN]; } state;
		struct { bool stored, again; } suspension; /* again: nothing is new but who hears of it */
		struct { uint32_t node; } over;  /* as in core_node_id; of EFFECT_SUSPENSION_AGAIN too */
		struct { uint8_t id[KW_ID_LEN]; struct position at; uint64_t commit; uint32_t index; } again;
		struct {
			struct position at;
			uint64_t commit;
			enum wire_mark mark;
			bool has_wrap;
			uint32_t wrap;           /* index into the blob's wraps */
			struct blob *blob;       /* the driver's reference now */
		} deliver;
		struct {
			uint32_t generation;
			enum lane lane;
			const set_no *sets;      /* ascending; the core's until the next event */
			uint32_t set_count;
			uint64_t after;
			uint32_t max_entries, max_bytes;
			bool want_topic;         /* the blobs need their topic */
		} read;
	};
};
bool core_next(struct core *c, struct core_effect *out);
bool core_deliver(struct core *c, struct core_effect *out, struct core_time now);

struct core_stored { uint8_t id[KW_ID_LEN]; struct position at; uint32_t index; uint32_t next; };
/* Items of EFFECT_STORED: first, then next, count of them. The core's until the next core_committed. */
const struct core_stored *core_stored_item(const struct core *c, uint32_t i);
void core_welcome(const struct core *c, uint32_t conn, struct wire_welcome *out, struct core_time now);

/* Answers EFFECT_STATE: what is to be signed; false: nothing any more. core_stated takes it signed, with its hash, at once. */
bool core_statement(struct core *c, const uint8_t id[KW_ID_LEN], struct broker_entry *out, struct core_time now);
void core_stated(struct core *c, const struct broker_entry *e, struct blob *b, const uint8_t hash[KW_HASH_LEN], struct core_time now);

/* ---- questions ---- */
void core_count_refused(struct core *c, enum wire_code code);  /* one that the driver sent of its own */
enum service core_service(const struct core *c);
const char *core_service_why(const struct core *c);          /* one sentence, "" while serving */
const struct agreement *core_agreement(const struct core *c); /* in force; NULL before the first */
bool core_has_commit(const struct core *c);
const uint8_t *core_commit(const struct core *c);            /* the newest, WIRE_COMMIT_LEN */
uint64_t core_commit_number(const struct core *c);           /* 0: none */
uint32_t core_log_epoch(const struct core *c);
uint64_t core_tail(const struct core *c, enum lane lane);
const struct core_counters *core_counters(const struct core *c);
uint32_t core_open_count(const struct core *c);
uint64_t core_pending(const struct core *c, enum lane lane); /* notifications waiting for a commit */

/* How many cases there are, by state (proto/entry.h). */
struct core_case_counts {
	uint32_t by_state[CASE_LAPSED + 1];
	uint32_t handing_over;                  /* taken, and on their way to another */
	uint32_t unanswered;                    /* at the coordinator, who did not answer in time */
};
void core_case_counts(const struct core *c, struct core_case_counts *out);

/* How full is what has a limit (struct core_limits). */
struct core_fill { uint64_t used, limit; };
struct core_fills {
	struct core_fill pending_bytes;         /* taken and waiting for a commit */
	struct core_fill queued_bytes;          /* committed and kept in memory for readers */
	struct core_fill connections;
	struct core_fill cases;                 /* open ones */
};
void core_fills(const struct core *c, struct core_fills *out);

#define CORE_NO_CONN UINT32_MAX
struct core_node_info {
	const char *id;
	bool in_agreement;
	uint32_t conn;                          /* CORE_NO_CONN: not connected */
	uint64_t since_ms;                      /* monotonic; when its session began; not connected: when it was heard last, 0: not since the start */
	const char *software;
	uint32_t filters;
	uint64_t cursor[KW_LANES];
	uint64_t newest[KW_LANES];              /* newest number that is meant for it, as far as known since the start */
	uint64_t waiting[KW_LANES];             /* in memory for it, sent or not, not acknowledged */
	bool lagging[KW_LANES];                 /* reads from the log: more waits than is counted */
	uint64_t oldest_ms[KW_LANES];           /* monotonic; since when the oldest of them is known, 0: none */
	uint32_t in_flight[KW_LANES];           /* sent and not acknowledged: messages, and their bytes */
	uint64_t in_flight_bytes[KW_LANES];
	struct lane_window window[KW_LANES];    /* the most that may be in flight; zeros: not connected */
	uint64_t taken[KW_LANES];               /* of it, and delivered to it, on this connection */
	uint64_t delivered[KW_LANES];
};
uint32_t core_node_total(const struct core *c);
bool core_find_node(uint32_t *out, const struct core *c, const char *id); /* false: no node of that id was ever known here */
const char *core_node_id(const struct core *c, uint32_t i);             /* i below core_node_total, as in the next */
void core_node_info(const struct core *c, uint32_t i, struct core_node_info *out);
struct core_suspension {
	uint64_t from_ms, until_ms;             /* wall clock */
	const char *by, *reason;                /* borrowed until the next event */
};
bool core_suspension(const struct core *c, uint32_t i, struct core_suspension *out); /* false: it is not suspended. i below core_node_total */
uint32_t core_suspension_count(const struct core *c);                   /* nodes that are suspended now */
uint32_t core_cases_taken(const struct core *c, uint32_t i);            /* open ones that it has taken; looks at every case */
/* The nodes of an audience set, ascending; borrowed until the next event. 0: no such set. Their numbers are those of core_node_info. */
uint32_t core_set_nodes(const struct core *c, set_no set, const node_no **nodes);
/* Does its node get what is on topic whole: by its filters, or since it must take or approve it? i below core_node_total. */
bool core_node_wants(const struct core *c, uint32_t i, const char *topic);

#endif
