/*
 * kurzweg: talk to the Kurzweg node of this machine: publish notifications, read the inbox, follow it, take cases, approve drafts, ask how things stand.
 *
 *   kurzweg *k;
 *   char id[KURZWEG_ID_SIZE];
 *   struct kurzweg_publication p = KURZWEG_PUBLICATION_INIT;
 *   p.topic = "alert/flood/mitte"; p.form = KURZWEG_CAP; p.content = xml; p.content_len = strlen(xml);
 *   if (kurzweg_open(&k, NULL) == KURZWEG_OK && kurzweg_publish(k, &p, id) == KURZWEG_OK)
 *           puts(id);
 *   else
 *           fprintf(stderr, "%s\n", kurzweg_error(k));
 *   kurzweg_close(&k);
 *
 * The library holds no key and seals nothing: the node does, and whoever may open its socket may do all of this in its name.
 * One kurzweg is used by one thread at a time; different ones are independent. Texts are UTF-8. What a function answers
 * with a pointer into the kurzweg (errors, notifications) is borrowed until the next call on the same one.
 */
#ifndef KURZWEG_H
#define KURZWEG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define KURZWEG_API __attribute__((visibility("default")))
#define KURZWEG_MUST_USE __attribute__((warn_unused_result))
#else
#define KURZWEG_API
#define KURZWEG_MUST_USE
#endif

typedef struct kurzweg kurzweg;

/* What every function that can fail answers; 0 to 4 are also the exit codes of the command line. */
enum kurzweg_result {
	KURZWEG_OK = 0,
	KURZWEG_FAILED = 1,  /* memory, disk, damaged data: kurzweg_error tells */
	KURZWEG_USAGE = 2,   /* the call itself is wrong: a missing topic, an unknown word */
	KURZWEG_SILENT = 3,  /* nobody answered, or not in time; whether the node did it is unknown */
	KURZWEG_REFUSED = 4, /* by a rule, a right or a limit; nothing was changed */
	KURZWEG_NOTHING = 5, /* kurzweg_next: nothing (more) there within the time; kurzweg_sent: nothing further back */
};

#define KURZWEG_ID_SIZE 37 /* "0193a1b2-…" of 36 characters, and the zero */

/*
 * socket: "ipc:///run/kurzweg/partner.sock"; NULL: $KURZWEG_SOCKET, and where that is not set, this default. Connects at the
 * first request, so it does not tell whether a node is there. *out is NULL only when memory is short (KURZWEG_FAILED);
 * otherwise it must be closed, also after KURZWEG_USAGE (no ipc:// address), when kurzweg_error can be asked.
 */
KURZWEG_API KURZWEG_MUST_USE enum kurzweg_result kurzweg_open(kurzweg **out, const char *socket);
KURZWEG_API void kurzweg_close(kurzweg **k); /* accepts NULL and &NULL; leaves *k NULL */

/* One sentence about the last call that did not answer KURZWEG_OK: what, where, which limit, what to do. k may be NULL. */
KURZWEG_API const char *kurzweg_error(const kurzweg *k);
/* What the last kurzweg_publish mended in a CAP file, a line each; "" if nothing. */
KURZWEG_API const char *kurzweg_warnings(const kurzweg *k);

/* The language of sentences and texts for people: "en" (unless set, or NULL) or "de", "de_DE.UTF-8" …; others are answered in English. */
KURZWEG_API void kurzweg_set_language(kurzweg *k, const char *language);
/* How long a request waits for the node's answer, 10,000 unless set. Waiting for events has its own times. */
KURZWEG_API void kurzweg_set_timeout(kurzweg *k, uint32_t timeout_ms);

/* ---- publishing ---- */

enum kurzweg_form {
	KURZWEG_JSON = 0, /* protobuf's JSON mapping of the topic's schema */
	KURZWEG_CAP = 1,  /* CAP 1.0 to 1.2 XML; for topics with the schema "alert" */
};

struct kurzweg_publication {
	size_t size;              /* of this struct: set by KURZWEG_PUBLICATION_INIT, so that it can grow */
	const char *topic;
	enum kurzweg_form form;
	const void *content;      /* at most 8 MiB; need not end with a zero */
	size_t content_len;
	const char *type;         /* "notice", "update", "cancel", "request"; NULL: as the content says (CAP: its msgType; requests: request) */
	const char *about;        /* update, cancel: an id or CAP's "sender,identifier,sent"; NULL: as the CAP file's references say */
	const char *lane;         /* "flash", "urgent", "routine"; NULL: the topic's */
	const char *const *to;    /* nodes; none: all who may read the topic */
	size_t to_count;
	uint64_t expires_ms;      /* Unix milliseconds; 0: as the content says, else created plus the topic's keep */
	bool confirm_at_once;     /* ask the readers' nodes to confirm delivery at once, in every lane */
	uint32_t take_within_s;   /* somebody must take it within so many seconds, else it goes on to the next; 0: as the agreement says */
	uint64_t not_before_ms;   /* where it must be released first: the embargo, Unix milliseconds; 0: as the content says, or none */
	const char *as;           /* the person or role who publishes, for the node's own audit trail; or NULL */
	const char *reason;       /* why; must be given where the agreement demands it; it stays in that trail, sealed. Or NULL */
};
#define KURZWEG_PUBLICATION_INIT {sizeof(struct kurzweg_publication), NULL, KURZWEG_JSON, NULL, 0, NULL, NULL, NULL, NULL, 0, 0, false, 0, 0, NULL, NULL}

/*
 * KURZWEG_OK: sealed and on the node's disk; it will be sent until the broker has stored it, also after a restart. Borrows
 * all of p for the call. KURZWEG_REFUSED: nothing was kept. After KURZWEG_SILENT it may have been taken or not: look at
 * kurzweg_trace or the status before publishing again.
 */
KURZWEG_API KURZWEG_MUST_USE enum kurzweg_result kurzweg_publish(kurzweg *k, const struct kurzweg_publication *p, char id[KURZWEG_ID_SIZE]);

enum kurzweg_stage {
	KURZWEG_STORED = 1,    /* the broker's signed commit holds it */
	KURZWEG_DELIVERED = 2, /* and every reader's node has confirmed it by a signed receipt */
};
/*
 * Waits until the notification with this id has come so far. KURZWEG_REFUSED: it never will (refused, expired, rejected by a
 * reader); KURZWEG_SILENT: not within timeout_ms, it stays in the outbox or with the broker and goes on. The sentence names who is missing.
 */
KURZWEG_API KURZWEG_MUST_USE enum kurzweg_result kurzweg_wait(kurzweg *k, const char *id, enum kurzweg_stage stage, uint64_t timeout_ms);

/* ---- reading ---- */

struct kurzweg_query {
	size_t size;              /* set by KURZWEG_QUERY_INIT */
	uint64_t after_seq;       /* of the node's own counting; kurzweg_next raises it, so that the next call goes on behind */
	uint64_t since_ms;        /* received at or after, Unix milliseconds; 0: all */
	const char *topic;        /* a filter, "alert/#"; NULL: every topic */
	const char *id;           /* one notification alone; NULL: all */
	bool rejected;            /* those that were refused by the checks instead */
	bool receipts;            /* receipts and voids too */
	const char *content;      /* NULL: none; "json", "cap" (alerts; others give JSON), "text" (labelled lines for people) */
	const char *as;           /* who reads, for the node's own audit trail; or NULL */
	const char *reason;       /* why; without it nothing sealed is shown where the agreement demands a reason (mark "reason needed"). Or NULL */
};
#define KURZWEG_QUERY_INIT {sizeof(struct kurzweg_query), 0, 0, NULL, NULL, false, false, NULL, NULL, NULL}

struct kurzweg_notification { /* texts are never NULL; "" where there is nothing */
	uint64_t seq;             /* in the order of arrival at this node */
	const char *id;
	const char *topic;
	const char *sender;       /* "police/control-room" */
	const char *lane;
	const char *type;         /* "notice", "cancel" … */
	const char *schema;       /* "alert", "request" … */
	uint64_t created_ms;      /* by the sender's clock */
	uint64_t expires_ms;
	uint64_t received_ms;
	const char *about;        /* update, cancel …: the id of the one that it is about */
	const char *headline;
	const char *status;       /* alerts: "Actual", or that nobody is to act on it: "Exercise", "Test" */
	const char *severity;     /* alerts: "Extreme" … */
	const char *area;
	const char *what_to_do;
	uint64_t until_ms;        /* alerts: the latest expiry of its parts; 0: none */
	const char *mark;         /* "", "expired", "late", "not subscribed", "equivocation" … */
	const char *reason;       /* rejected: why */
	bool bare;                /* the content is gone, or never came */
	bool cancelled;           /* a later one takes it back */
	bool superseded;          /* a later one updates it */
	bool outdated;            /* today's agreement would not allow it to its sender */
	const char *content_form; /* "json", "cap" or "text"; "" where there is none */
	const char *content;      /* a zero behind it */
	size_t content_len;
	const char *json;         /* all of the above as one JSON object, for programs; a JSON content stands in it as an object */
};

/*
 * The next notification of the inbox that q wants, in the order of arrival; waits up to timeout_ms for one (0: answers at
 * once). KURZWEG_NOTHING: none came; *out is NULL then. The caller remembers q->after_seq where it must go on after a restart.
 */
KURZWEG_API KURZWEG_MUST_USE enum kurzweg_result kurzweg_next(kurzweg *k, struct kurzweg_query *q, uint64_t timeout_ms,
                                                             const struct kurzweg_notification **out);

/* ---- how things stand: JSON, in memory of the caller's, for free() ---- */
KURZWEG_API KURZWEG_MUST_USE enum kurzweg_result kurzweg_status(kurzweg *k, char **json);
/* The way of one notification that this node sent, by the broker's commits and the readers' signed receipts. */
KURZWEG_API KURZWEG_MUST_USE enum kurzweg_result kurzweg_trace(kurzweg *k, const char *id, char **json);
struct kurzweg_sent_query {
	size_t size;              /* set by KURZWEG_SENT_QUERY_INIT */
	uint64_t before_seq;      /* of the node's own counting of what it sends; 0: from the newest on. kurzweg_sent lowers it, so that the next call goes on */
	uint64_t since_ms;        /* published at or after, Unix milliseconds; 0: all */
	const char *topic;        /* a filter, "alert/#"; NULL: every topic */
	uint32_t limit;           /* rows of one call, at most 256; 0: as many as the node gives at once */
	const char *as;           /* who reads, for the node's own audit trail; or NULL */
	const char *reason;       /* why; without it no headline is shown where the agreement demands a reason (mark "reason needed"). Or NULL */
};
#define KURZWEG_SENT_QUERY_INIT {sizeof(struct kurzweg_sent_query), 0, 0, NULL, 0, NULL, NULL}

/*
 * What this node sent, the newest first: {"rows": [{"seq", "id", "topic", "lane", "type", "schema", "created_ms", "expires_ms", "headline" (as long as its content is kept), "state":
 * "waiting", "stored", "refused" (and "reason") or "expired", "readers" and of them "delivered", "rejected", "opened", "recalled", "bare", "mark", "about"…}…]}. A bounded part a
 * call, which may be empty though there is more: to be called until it answers KURZWEG_NOTHING, and *json is NULL. Receipts, moves, notes and recalls are not in it.
 */
KURZWEG_API KURZWEG_MUST_USE enum kurzweg_result kurzweg_sent(kurzweg *k, struct kurzweg_sent_query *q, char **json);

/*
 * Which notifications somebody means by a piece of an id: at least 4 characters of its beginning, its end, or the beginning of its last 8. sent: among what this node
 * sent alone; else what came to it too. {"ids": [{"id", "sent", "type", "topic", "lane", "at_ms"}…], "more": B}, 5 at most, none where nothing is meant. The functions that
 * take an id want a whole one: who acts on a piece asks here first, and does nothing unless it is one alone.
 */
KURZWEG_API KURZWEG_MUST_USE enum kurzweg_result kurzweg_meant(kurzweg *k, const char *piece, bool sent, char **json);

/*
 * A version of the agreement that the node keeps, 0: the newest: {"version", "newest", "came_ms": when the node got it, "text"}.
 * KURZWEG_REFUSED: the node has none of that number.
 */
KURZWEG_API KURZWEG_MUST_USE enum kurzweg_result kurzweg_agreement(kurzweg *k, unsigned version, char **json);

/* ---- cases: matters that somebody must take ---- */

struct kurzweg_move {
	size_t size;              /* set by KURZWEG_MOVE_INIT */
	const char *id;           /* of the case, which is its notification's */
	const char *move;         /* "take", "decline", "hand_over", "return", "done", "reopen", "note", "forward"; "recall" takes back any notification */
	const char *to;           /* hand_over: the node that is to take it; it stays with the giver until then. forward: who gets the content too */
	const char *text;         /* decline, recall: the reason, which must be given; note: what it says; else a remark, or NULL */
	const char *as;           /* the person or role who does it: "Duty officer 3"; or NULL */
};
#define KURZWEG_MOVE_INIT {sizeof(struct kurzweg_move), NULL, NULL, NULL, NULL, NULL}

/*
 * KURZWEG_OK: signed and on the node's disk. Whether it counts decides the order of the broker's log: of two who take one case the
 * second hears who was first, by kurzweg_move_wait. receipt is "" where it was so already and nothing was sent.
 * KURZWEG_REFUSED: it cannot count, and the sentence says who has the case.
 */
KURZWEG_API KURZWEG_MUST_USE enum kurzweg_result kurzweg_move(kurzweg *k, const struct kurzweg_move *m, char receipt[KURZWEG_ID_SIZE]);
/* KURZWEG_OK: it counts. KURZWEG_REFUSED: it does not, with who has the case; KURZWEG_SILENT: not known within timeout_ms. */
KURZWEG_API KURZWEG_MUST_USE enum kurzweg_result kurzweg_move_wait(kurzweg *k, const char *receipt, uint64_t timeout_ms);
/* {"node": "…", "cases": […]}: the open ones, the nearest limit first; all: the closed ones too, the newest change first. */
KURZWEG_API KURZWEG_MUST_USE enum kurzweg_result kurzweg_cases(kurzweg *k, bool all, char **json);
/* One of them, with its whole log under "entries". */
KURZWEG_API KURZWEG_MUST_USE enum kurzweg_result kurzweg_case(kurzweg *k, const char *id, char **json);
/* {"recalls": […]}: each recall of this notification that the node sent, as kurzweg_trace tells: who has confirmed that the content is gone. */
KURZWEG_API KURZWEG_MUST_USE enum kurzweg_result kurzweg_recalls(kurzweg *k, const char *id, char **json);

/* ---- joint release: statements that others must approve before anybody else gets them ---- */

struct kurzweg_approval {
	size_t size;              /* set by KURZWEG_APPROVAL_INIT */
	const char *id;           /* of the draft, a notification of the type "draft" in the inbox */
	bool refuse;              /* it ends the draft */
	const char *reason;       /* refuse: why, which must be given; else NULL */
	const char *as;           /* the person or role who does it, or NULL */
	const char *text_hash;    /* approve: of the text that was looked at, as the inbox shows it; another one is refused. NULL: the draft's */
};
#define KURZWEG_APPROVAL_INIT {sizeof(struct kurzweg_approval), NULL, false, NULL, NULL, NULL}

/*
 * KURZWEG_OK: signed and on the node's disk; the author's node seals the text for all readers once every partner has approved. receipt is
 * "" where this node said so before. KURZWEG_REFUSED: it cannot count: one's own draft, another text, a draft that is over.
 */
KURZWEG_API KURZWEG_MUST_USE enum kurzweg_result kurzweg_approve(kurzweg *k, const struct kurzweg_approval *a, char receipt[KURZWEG_ID_SIZE]);
/*
 * {"node": "…", "drafts": […]}: this node's own, and those that it is asked to approve: who has approved, who is "missing", "your_turn".
 * The open ones, the nearest expiry first; all: also those that are over, the newest change first.
 */
KURZWEG_API KURZWEG_MUST_USE enum kurzweg_result kurzweg_releases(kurzweg *k, bool all, char **json);

/* ---- receipts ---- */

/* Somebody has read the notification: its sender hears of it, once. as: who, "Duty officer 3", or NULL. */
KURZWEG_API KURZWEG_MUST_USE enum kurzweg_result kurzweg_opened(kurzweg *k, const char *id, const char *as);
/* A bundle of all proofs of a notification's way, which "kurzweg receipt verify" checks with public keys alone. No content is in it. */
KURZWEG_API KURZWEG_MUST_USE enum kurzweg_result kurzweg_receipts(kurzweg *k, const char *id, char **json);

/* ---- audit: what was done with notifications on this machine, by whom and why; docs/audit.md ---- */

/*
 * A page of the node's audit trail. query: {"place":N,"since_ms","until_ms","actor","event","object","heads":B,"opened":B}, every key optional; NULL:
 * from the beginning. as, reason: who reads it and why, or NULL: that it is read is recorded first. *json has the signed lines as they stand under
 * "lines", "place" for the next page and "more"; "opened" (where asked for): what stands sealed in them, by their numbers.
 */
KURZWEG_API KURZWEG_MUST_USE enum kurzweg_result kurzweg_audit(kurzweg *k, const char *query, const char *as, const char *reason, char **json);
/*
 * Where in this node's inbox somebody or something is spoken of: {"term","hits":[…],"after":N,"more":B,"gone":N}, behind after_seq, a bounded part a
 * call. No text of a notification is in it. KURZWEG_REFUSED: term has fewer than 3 bytes or more than 256.
 */
KURZWEG_API KURZWEG_MUST_USE enum kurzweg_result kurzweg_subject(kurzweg *k, const char *term, uint64_t after_seq, const char *as, const char *reason, char **json);
/* What this node has seen of the broker's signed commits, and its agreements: for who checks the broker's audit. */
KURZWEG_API KURZWEG_MUST_USE enum kurzweg_result kurzweg_seen(kurzweg *k, char **json);

/*
 * A step of a backup of the node's store and audit trail, as "kurzweg backup" makes it (docs/protocol.md [N-19]): {"step":"begin"}, then {"step":"next",
 * "backup":"…","file":N,"place":N} piece by piece, {"step":"end","backup":"…"}. as, reason: who makes it and why, or NULL; that it is made is recorded first.
 */
KURZWEG_API KURZWEG_MUST_USE enum kurzweg_result kurzweg_backup(kurzweg *k, const char *step, const char *as, const char *reason, char **json);

KURZWEG_API const char *kurzweg_version(void); /* of the library: "0.1.0" */

#ifdef __cplusplus
}
#endif
#endif
