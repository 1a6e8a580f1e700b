/* parts: what the core's files share with one another, and with nobody else. */
#ifndef KW_BROKER_PARTS_H
#define KW_BROKER_PARTS_H

#include "broker/core/case_book.h"
#include "broker/core/core.h"
#include "broker/core/list.h"

#define NO_NODE UINT32_MAX
#define NO_SET UINT32_MAX
#define NO_ITEM UINT32_MAX
#define CONTROL_OPS_MAX 1000u    /* of one batch, beside its appends */
#define CURSOR_FLUSH_MS 1000u    /* an acknowledgement waits so long for a commit to travel with */
#define CURSOR_ALONG_MS 50u      /* and so long before it does */
#define SWEEP_EVERY_MS 1000u
#define SWEEP_AFTER 1024u        /* appends: so many are looked at sooner */
#define PURGE_EVERY_MS 10000u
#define FULL_REST_MS 250u        /* between two batches while there is no room */

/* [P-11] What a commit that failed held last of a sender's lane: of which session, which may be over by now, and of which round. */
struct failed { uint32_t generation, round; };

struct node_rec {
	char id[KW_NODE_MAX + 1];
	uint32_t under_agreement;              /* its number there, or AGREEMENT_NOBODY */
	uint32_t conn;                         /* its session, or CORE_NO_CONN */
	uint64_t left_ms;                      /* monotonic; when it was heard last before its session ended, 0: it had none since the start */
	uint64_t cursor[KW_LANES];
	uint64_t birth[KW_LANES];              /* nothing up to it was meant for this node */
	struct failed failed[KW_LANES];
	bool cursor_dirty[KW_LANES];
	bool in_dirty_list;
	bool has_last_stored;
	uint8_t last_stored[KW_ID_LEN];
	struct suspension *suspension;         /* the newest one, or what of it counts still; NULL: none */
	struct wire_subscribe filters;         /* memory of the node's own */
	bool filters_dirty;
	set_no *sets;                          /* ascending */
	uint32_t set_count, set_cap;
	uint32_t sets_made;                    /* since the start, by what it published */
	uint64_t members_made;
};

struct set_rec {
	uint32_t count;
	uint32_t next_hash;                    /* chain of its bucket */
	uint64_t hash;
	node_no *nodes;                        /* ascending */
	uint64_t newest[KW_LANES];             /* last number appended; 0: none known */
	uint64_t swept[KW_LANES];
	bool sweeping[KW_LANES];               /* stands in the list of those with something to sweep */
	bool sweep_sent[KW_LANES];
	struct link *cases;                    /* a list a lane of open ones, oldest first; NULL before the first */
};

struct audience {                          /* nodes and sets: audience.c */
	struct node_rec **nodes;
	uint32_t node_count, node_cap;
	uint32_t *by_agreement;                /* number under the agreement in force -> node_no */
	uint32_t by_agreement_count;
	struct set_rec *sets;
	uint32_t set_count, set_cap;
	uint32_t *buckets;
	uint32_t bucket_count;
	uint64_t members;
	uint32_t first_new_node, first_new_set; /* those below are in the store, or in the batch under way */
};

struct item {                              /* one entry on its way to one reader */
	uint64_t number;
	uint64_t commit;
	uint64_t since_ms;
	struct blob *blob;                     /* NULL once sent */
	uint32_t bytes;
	uint32_t wrap;
	uint32_t log_epoch;
	bool has_wrap;
};

struct out_lane {                          /* one reader's lane: delivery.c */
	struct link ready;                     /* has something to send and room in the window */
	struct link behind;                    /* wants a page from the log */
	struct item *items;                    /* ring: sent ones, then waiting ones */
	uint32_t cap, first, count, sent;      /* the first `sent` of `count` are unacknowledged */
	uint64_t queued;                       /* every number up to it is in the ring, was sent, or is not for this reader */
	uint64_t last_sent;
	uint64_t unacked_bytes;
	uint64_t delivered;                    /* on this connection */
	struct lane_window window;
	bool live;                             /* new commits go straight into the ring */
	bool reading;                          /* EFFECT_READ is out */
};

struct in_lane {
	uint32_t messages;                     /* publishes without an answer */
	uint64_t bytes;
	uint64_t taken;                        /* on this connection */
	bool put_off;                          /* one was refused for now: so is what comes of its round or an earlier one */
	uint32_t round;                        /* the newest that something of was put off */
};

struct session {
	uint32_t conn;
	uint32_t generation;
	uint32_t node;                         /* node_no */
	enum core_stage stage;
	uint64_t since_ms, heard_ms, sent_ms;
	struct link heard;                     /* in the order of heard_ms */
	struct link spoke;                     /* in the order of sent_ms */
	struct in_lane in[KW_LANES];
	struct out_lane out[KW_LANES];
	uint32_t first_stored, last_stored, stored_count; /* while one commit is being answered */
	char software[65];
};

struct case_note {                         /* what of a publication, or of the broker's own entry, matters for cases */
	enum notice_type type;
	bool opens;
	uint32_t version, take_within_s;
	uint32_t to;                           /* node_no of the next owner, or CASE_NOBODY */
	uint64_t expires_ms;
	bool counted;                          /* its case waits for it */
	uint8_t about[KW_ID_LEN];
	struct broker_entry entry;             /* ENTRY_CASE, ENTRY_SUSPENSION: it is one of the broker's */
	char topic[];
};

struct recall { uint32_t sender; uint8_t id[KW_ID_LEN]; };

#define KNOWN_VERSIONS 8u
struct known_version { const struct agreement *agreement; uint32_t *numbers; };

#define CASES_FORGET_MAX 64u

struct pending {                           /* a publication or entry on its way into the log */
	struct store_op op;
	uint32_t conn, generation;             /* CORE_NO_CONN: the broker's own */
	uint32_t round;                        /* [P-11] */
	uint32_t bytes;
	struct blob *blob;
	struct case_note *note;                /* NULL: no case is concerned; the entry's own */
	char *refusal;                         /* the rules of cases forbid it; it is asked for whether it stands in the log already */
};

struct pending_ring { struct pending *at; uint32_t cap, first, count; };

struct epoch { uint32_t number; uint64_t start[KW_LANES]; };
struct coming { uint32_t version; uint64_t before[KW_LANES]; }; /* a version of the agreement, and the lanes' tails before it */

enum change { CHANGE_NONE, CHANGE_WAITS, CHANGE_UNDER_WAY };

enum suspend_way { SUSPEND_NONE, SUSPEND_WAITS, SUSPEND_UNDER_WAY };
#define SUSPENSION_BYTES_MAX 512u

struct core {
	struct core_limits limits;
	struct core_counters counters;
	struct audience audience;

	/* the log's state */
	uint32_t log_epoch;
	struct epoch *epochs;
	uint32_t epoch_count;
	struct coming *comings;                /* of the versions in the store, oldest first; until the start */
	uint32_t coming_count;
	uint64_t tail[KW_LANES];
	bool has_commit;
	uint8_t commit[WIRE_COMMIT_LEN];

	/* service */
	enum service service;
	char service_why[512];
	const struct agreement *agreement;
	struct store_sizes sizes;
	uint32_t *scratch_nodes;               /* room for KW_NODES_MAX, the audience being judged */

	/* connections */
	struct session **sessions;             /* by connection */
	uint32_t open_count;
	uint32_t next_generation;
	struct link heard, spoke;              /* sessions, longest ago first */
	struct link ready[KW_LANES], behind[KW_LANES];
	uint32_t turns;                        /* of core_deliver */
	uint64_t queued_bytes;                 /* blobs waiting in rings */

	/* effects */
	struct core_effect *effects;
	uint32_t effect_first, effect_count, effect_cap;
	char *last_text;                       /* of the refusal handed out last */

	/* what the next commit takes: batch.c */
	struct pending_ring pending[KW_LANES];
	uint64_t pending_bytes;
	struct store_batch batch;
	struct store_op *ops;
	struct pending *context;               /* of the batch under way, appends only, in order */
	uint32_t context_count;
	struct wire_subscribe *filters_out;    /* copies: the commit thread reads them while nodes give others */
	uint32_t filters_out_count;
	bool batch_out;
	bool room_first;                       /* the last batch found no room: the next one makes some, and takes nothing else */
	bool room_out;                         /* that one is under way */
	bool full;                             /* the last one that took all found no room */
	bool room_cut;                         /* there was more to make room with, and what waits had its turn all the same */
	uint64_t room_until_ms;                /* monotonic; what waits has its turn then */
	uint64_t full_until_ms;                /* monotonic; nothing is tried until then */
	uint32_t *dirty;                       /* nodes with a cursor or filters to write */
	uint32_t dirty_count, dirty_cap;
	uint64_t dirty_since_ms;
	char **evidence;                       /* texts to keep */
	uint32_t evidence_count;
	uint32_t evidence_out;                 /* of them under way */
	struct core_stored *stored;
	uint32_t stored_count;

	/* changes of agreement and epoch: change.c */
	enum change install_state;
	struct core_install install;
	uint32_t install_set;
	uint32_t *install_numbers;             /* node_no of the next version's nodes */
	enum change epoch_state;
	uint64_t epoch_start[KW_LANES];        /* of the one under way */
	uint32_t epoch_next;                   /* its number */
	uint32_t epoch_heard;                  /* the newest that a node named */

	/* suspensions: suspend.c */
	struct {
		enum suspend_way way;
		uint32_t node;                 /* of the one on its way, as the next four */
		struct broker_entry entry;     /* it stays behind it */
		struct suspension *next;
		bool again;                    /* the one that holds, stated for who came by an agreement */
		uint8_t bytes[SUSPENSION_BYTES_MAX]; /* what the batch under way writes */
		uint32_t held_count;           /* nodes that are suspended now */
		uint64_t wake_ms;              /* when the first of them is over; UINT64_MAX: none is suspended */
		uint64_t again_ms;             /* when to look whether one is to be stated again; UINT64_MAX: none is */
	} suspend;

	/* retention: sweep.c */
	struct { uint32_t set; enum lane lane; } *sweeps; /* ring of what may have something to sweep */
	uint32_t sweep_first, sweep_count, sweep_cap;
	struct { uint32_t set; enum lane lane; uint64_t upto; } sweep_due[64];
	uint32_t sweep_due_count;
	uint32_t sweep_after;                  /* so many of the dirty nodes' cursors are written first */
	uint32_t sweep_appends;                /* since the last look */
	uint64_t next_sweep_ms, next_purge_ms;
	bool purge_due;

	/* cases: cases.c, case_rules.c */
	struct case_book book;
	struct core_versions versions;
	struct known_version known[KNOWN_VERSIONS];
	uint32_t known_next;
	uint64_t cases_hold_ms;                /* until then what was overdue at the start waits for its node */
	uint64_t folded[KW_LANES];             /* as the store has it */
	uint64_t folding[KW_LANES];            /* as the batch under way will make it */
	uint64_t folded_ms;
	bool folded_out;
	uint8_t *snapshots;                    /* of the batch under way */
	struct recall *recalls;                /* bodies that are to go */
	uint32_t recall_count, recall_cap, recall_out;
	uint8_t forget[CASES_FORGET_MAX][KW_ID_LEN];
	uint32_t forget_count, forget_out;
};

/* effects.c */
struct core_effect *effect_add(struct core *c, enum effect_kind kind, uint32_t conn); /* NULL: out of memory */
void effect_refuse(struct core *c, uint32_t conn, enum wire_code code, const uint8_t *id, uint32_t wait_ms, const char *fmt, ...) KW_PRINTF(6, 7);

/* audience.c */
KW_MUST_USE enum kw_err audience_init(struct audience *a);
void audience_free(struct audience *a);
KW_MUST_USE enum kw_err audience_add_node(struct audience *a, const char *id, uint32_t *node);
KW_MUST_USE enum kw_err audience_add_set(struct audience *a, const node_no *nodes, uint32_t count, uint32_t *set);
/* Every node of the agreement gets a number, in its order; numbers is malloc'd. */
KW_MUST_USE enum kw_err audience_know(struct audience *a, const struct agreement *g, uint32_t **numbers);
void audience_settle(struct audience *a); /* every node's number under by_agreement */
/* The same, and by_agreement is this one's from now on. */
KW_MUST_USE enum kw_err audience_under(struct audience *a, const struct agreement *in_force);
/* The set's number, made if new. nodes ascending. KW_EFULL: the store numbers no more of them. */
KW_MUST_USE enum kw_err audience_intern(struct audience *a, const node_no *nodes, uint32_t count, uint32_t *set);
bool audience_is_known(const struct audience *a, const node_no *nodes, uint32_t count);
/* Where node stands in set; NO_NODE: nowhere. */
uint32_t audience_place(const struct set_rec *set, uint32_t node);

/* session.c */
struct session *session_get(const struct core *c, uint32_t conn);            /* any stage; NULL: none */
struct session *session_open(const struct core *c, uint32_t conn);           /* STAGE_OPEN alone */
struct session *session_alive(const struct core *c, uint32_t conn, uint32_t generation); /* any stage, the same session */
void session_put_off(struct session *s, enum lane lane, uint32_t round); /* [P-11] */
void session_end(struct core *c, struct session *s);
void session_revoke(struct core *c, struct session *s); /* */
void session_spoke(struct core *c, struct session *s, uint64_t mono_ms);
void session_tick(struct core *c, struct core_time now);
uint64_t session_wake_ms(const struct core *c);
void session_end_all(struct core *c, enum wire_code code, const char *text); /* each hears it; open ones alone */
KW_MUST_USE enum kw_err session_filters(struct node_rec *n, uint32_t count, char (*filters)[KW_TOPIC_MAX + 1]);

/* delivery.c */
void delivery_begin(struct core *c, struct session *s, enum lane lane, uint64_t after, struct lane_window window);
void delivery_end(struct core *c, struct session *s);
bool delivery_wants(const struct core *c, const struct node_rec *n, const char *topic); /* its filters, and what it must take or approve */
void delivery_committed(struct core *c, const struct pending *p, struct core_time now); /* its op holds position and commit */
void delivery_ack(struct core *c, struct session *s, enum lane lane, uint64_t number);
void delivery_recalled(struct core *c, const struct position *at);   /* whoever it waits for gets it bare */

/* batch.c */
KW_MUST_USE enum kw_err batch_init(struct core *c);
void batch_free(struct core *c);
struct pending *batch_add(struct core *c, enum lane lane); /* zeroed; NULL: out of memory */
void batch_undo(struct core *c, enum lane lane);           /* takes the last one added back */
/* An entry of the broker's own, for all of the set; takes a reference of b. False: out of memory. */
bool batch_entry(struct core *c, enum lane lane, uint32_t set, const struct broker_entry *e, struct blob *b, const uint8_t hash[KW_HASH_LEN], uint64_t proof_until_ms);
void batch_dirty(struct core *c, uint32_t node, struct core_time now);
void batch_evidence(struct core *c, const char *fmt, ...) KW_PRINTF(2, 3);
#define BATCH_CONFLICT_TEXT "another notification of yours has this id; both are kept as evidence"
void batch_conflict(struct core *c, const char *sender, const uint8_t id[KW_ID_LEN], const uint8_t frame_hash[KW_HASH_LEN], const struct position *first);
void batch_say_again(struct core *c, const struct session *s, const uint8_t id[KW_ID_LEN], const struct position *at, uint64_t commit, uint32_t index);
uint64_t batch_wake_ms(const struct core *c); /* when core_batch has one; UINT64_MAX: not before something comes */

/* change.c */
void change_stop(struct core *c, enum service service, const char *fmt, ...) KW_PRINTF(3, 4);
KW_MUST_USE bool change_wants_batch(const struct core *c);
uint32_t change_ops_before(struct core *c, struct store_op *ops);             /* log epoch; at the batch's start */
bool change_install_fits(const struct core *c);
uint32_t change_install_ops(struct core *c, struct store_op *ops);            /* behind all appends */
void change_births(struct core *c, struct core_time now);                     /* at the start, from what was loaded: [K-4] */
void change_free(struct core *c);
void change_committed(struct core *c, struct store_batch *b, enum kw_err err, struct core_time now);

/* cases.c */
KW_MUST_USE enum kw_err cases_init(struct core *c);
void cases_free(struct core *c);
bool cases_concern(const struct header *h, const struct agreement_topic *topic);
struct case_note *cases_note(const struct core *c, const struct header *h, const struct agreement_topic *topic); /* malloc'd; NULL: out of memory */
/*
 * May it open its case or move one? 0, or the code to refuse it with. set: its audience; sender: node_no. What is denied may
 * stand in the log all the same, its answer lost on the way: the store is asked first.
 */
enum wire_code cases_judge(struct core *c, const struct header *h, const struct agreement_topic *topic, uint32_t set, uint32_t sender,
                           struct core_time now, struct kw_why *why);
void cases_accepted(struct core *c, struct case_note *n);  /* it waits for its commit */
void cases_answered(struct core *c, struct case_note *n);  /* it does not any more, whatever became of it */
void cases_committed(struct core *c, const struct pending *p, struct core_time now); /* it stands in the log */
void cases_failed(struct core *c, const struct pending *p, struct core_time now);    /* it does not */
void cases_tick(struct core *c, struct core_time now);
uint64_t cases_wake_ms(const struct core *c);
uint64_t cases_due_ms(const struct core *c); /* from when on they have something for a batch; UINT64_MAX: never */
uint32_t cases_ops(struct core *c, struct store_op *ops, struct core_time now);
void cases_ops_done(struct core *c, const struct store_batch *b, bool ok, struct core_time now);
void cases_node_back(struct core *c, uint32_t node, struct core_time now);
void cases_agreement(struct core *c, struct core_time now); /* another is in force */
uint64_t cases_body_needed(const struct set_rec *s, enum lane lane); /* bodies from this number on stay; UINT64_MAX: none must */

/* suspend.c */
bool suspend_keeps_out(const struct core *c, uint32_t node);   /* node_no, as in the next */
void suspend_refuse(struct core *c, uint32_t conn, uint32_t node, struct core_time now); /* tells it so: suspend_keeps_out holds */
void suspend_start(struct core *c, struct core_time now);
void suspend_tick(struct core *c, struct core_time now);
uint64_t suspend_wake_ms(const struct core *c);
uint32_t suspend_ops(struct core *c, struct store_op *ops);    /* behind the batch's appends; at most one */
void suspend_installed(struct core *c);                        /* another agreement is in force */
void suspend_committed(struct core *c, struct core_time now);  /* the entry on its way stands in the log */
void suspend_failed(struct core *c, struct core_time now);     /* it found no room */
void suspend_free(struct node_rec *n);

/* sweep.c */
void sweep_appended(struct core *c, uint32_t set, enum lane lane, uint64_t number);
void sweep_tick(struct core *c, struct core_time now);
uint32_t sweep_ops(struct core *c, struct store_op *ops);
void sweep_done(struct core *c, const struct store_op *op, bool ok);
uint64_t sweep_wake_ms(const struct core *c);
void sweep_free(struct core *c);

#endif
