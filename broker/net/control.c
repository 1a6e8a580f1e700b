/* control: the operator's socket and verbs. */
#include "broker/net/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/text.h"
#include "broker/net/audit_book.h"
#include "broker/net/commits_page.h"
#include "broker/net/events.h"
#include "broker/net/handout.h"
#include "broker/net/headers.h"
#include "broker/net/suspending.h"
#include "broker/net/tracing.h"
#include "proto/limits.h"
#include "proto/parts.h"
#include "proto/seal.h"

#define ID_MAX 255
#define ASK_MAX 4096u
#define ANSWERS_MAX 16 /* messages that may wait for one asker at the control socket; what comes beyond is dropped */
#define REPLY_MAX (KW_CONTROL_MAX - 64u)
#define LOOKS_US_A_SECOND 250000u /* of the loop's time for who only looks: a quarter, over each of the two ways */
#define READING_MS 60000u /* pages of one reading belong together for so long */
#define UPLOAD_QUIET_MS 10000u /* an asker that brings no more parts for so long is gone */

struct asker {
	bool waits;
	uint8_t id[ID_MAX]; /* on the control socket */
	size_t id_len;
	uint64_t request;
	uint32_t conn;      /* an operator's, over the network; CORE_NO_CONN: none */
	char name[KW_NODE_MAX + 1];
};
struct looks { uint64_t second, spent_us; };
struct upload { struct asker by; struct parts parts; uint64_t heard_ms; }; /* by.waits: there is one */

struct control {
	void *socket;
	char *path;
	struct relay *relay;
	struct events *events;
	struct status status;
	struct headers_budget headers;
	struct looks here, far; /* the control socket's, and operators' */
	struct buf bytes;
	struct upload upload;
	struct asker install, epoch, suspend;
	struct handout *handout; /* a backup that is being made; NULL: none */
	uint64_t handout_ms;     /* wall clock, when it was begun */
	const char *folder;      /* where it is kept when the last one was; NULL: nowhere */
	char reader[KW_NODE_MAX + 1]; /* whose reading is recorded */
	char reads[16], reads_id[37]; /* the event of the record, and the notification that it is about, or "" */
	uint64_t read_ms;
	bool stop;
};

/* ---- the socket ---- */

static enum kw_err
bind_socket(struct control *c, void *context, const char *endpoint, struct kw_why *why)
{
	int none = 0, answers = ANSWERS_MAX;
	int64_t largest = KW_MESSAGE_MAX;
	enum kw_err err = fs_socket_place(c->path, why);

	if (err != KW_OK) {
		kw_why_prefix(why, "control");
		return err;
	}
	c->socket = zmq_socket(context, ZMQ_ROUTER);
	if (c->socket == NULL || zmq_setsockopt(c->socket, ZMQ_LINGER, &none, sizeof none) != 0 ||
	    zmq_setsockopt(c->socket, ZMQ_RCVHWM, &none, sizeof none) != 0 || zmq_setsockopt(c->socket, ZMQ_SNDHWM, &answers, sizeof answers) != 0 ||
	    zmq_setsockopt(c->socket, ZMQ_MAXMSGSIZE, &largest, sizeof largest) != 0)
		return kw_refuse(why, KW_EIO, "control: the socket cannot be set up: %s", zmq_strerror(errno));
	if (zmq_bind(c->socket, endpoint) != 0)
		return kw_refuse(why, errno == EADDRINUSE ? KW_EEXISTS : KW_EIO, "control: %s: %s", endpoint, zmq_strerror(errno));
	if (chmod(c->path, 0600) != 0)
		return kw_refuse(why, KW_EIO, "control: the permissions of %s cannot be set: %s", c->path, strerror(errno));
	return KW_OK;
}

/* ---- answers ---- */

/* Asking for its events has libzmq hear how far an asker has read, which a send puts off for a millisecond: a quick one's 17th answer would be dropped. */
static void
send_on_socket(struct control *c, const struct asker *a, const struct wire_admin_reply *reply)
{
	struct wire_msg m = {.kind = WIRE_ADMIN_REPLY, .admin_reply = *reply};
	struct buf bytes = BUF_INIT(KW_CONTROL_MAX);
	size_t size = sizeof(int);
	int events;

	m.admin_reply.request = a->request;
	(void)zmq_getsockopt(c->socket, ZMQ_EVENTS, &events, &size);
	if (wire_encode(&bytes, &m) == KW_OK) {
		(void)zmq_send(c->socket, a->id, a->id_len, ZMQ_SNDMORE | ZMQ_DONTWAIT);
		(void)zmq_send(c->socket, bytes.p, bytes.len, ZMQ_DONTWAIT);
	}
	buf_free(&bytes);
}

static void
reply_on_socket(struct control *c, const struct asker *a, bool ok, struct span text)
{
	send_on_socket(c, a, &(struct wire_admin_reply){.ok = ok, .text = text});
}

static void
send_on_conn(struct control *c, uint32_t conn, uint64_t request, const struct wire_admin_reply *reply)
{
	struct wire_msg m = {.kind = WIRE_ADMIN_REPLY, .admin_reply = *reply};

	m.admin_reply.request = request;
	relay_answer(c->relay, conn, &m);
}

/* Whichever way it asked. A connection's number may be another's by now, whom it is not for. */
static void
reply_to(struct control *c, const struct asker *a, bool ok, struct span text)
{
	if (a->conn == CORE_NO_CONN)
		reply_on_socket(c, a, ok, text);
	else if (strcmp(gate_name(relay_parts_of(c->relay)->gate, a->conn), a->name) == 0)
		send_on_conn(c, a->conn, a->request, &(struct wire_admin_reply){.ok = ok, .text = text});
}

/* "4", or nothing for the newest: the part that is asked for. */
static enum kw_err
show_agreement(struct wire_admin_reply *out, const struct control *c, struct span which, uint32_t part, struct kw_why *why)
{
	const struct agreement_chain *chain = relay_parts_of(c->relay)->chain;
	const struct agreement *a = agreement_chain_newest(chain);
	char text[16] = "";
	uint64_t version;
	enum kw_err err;

	if (which.len >= sizeof text)
		return kw_refuse(why, KW_EINVAL, "version must be a number");
	if (which.len > 0) {
		memcpy(text, which.p, which.len);
		if ((err = text_u64(&version, text, 1, UINT32_MAX, "version", why)) != KW_OK)
			return err;
		a = agreement_chain_get(chain, (uint32_t)version);
	}
	if (a == NULL && which.len == 0)
		return kw_refuse(why, KW_ENOTFOUND, "no agreement is in force");
	if (a == NULL)
		return kw_refuse(why, KW_ENOTFOUND, "version %s of the agreement is not known here", text);
	if (part >= part_count(agreement_text(a).len))
		return kw_refuse(why, KW_EINVAL, "version %u of the agreement has no part %u", agreement_version(a), part);
	out->version = agreement_version(a);
	out->part = part;
	out->total = (uint32_t)agreement_text(a).len;
	out->text = part_cut(agreement_text(a), part);
	return KW_OK;
}

/* ---- what operators do stands in the audit trail ---- */

/* r's actor is filled in. */
static enum kw_err
record(struct control *c, const char *who, struct audit_record r, struct kw_why *why)
{
	char actor[AUDIT_TEXT_MAX];

	(void)snprintf(actor, sizeof actor, "operator/%s", who);
	r.actor = actor;
	return audit_book_operator(relay_parts_of(c->relay)->book, &r, clock_wall_ms(), why);
}

/*
 * Pages that follow each other are one reading; a first page, another reader, another matter, or a minute's rest begin another. id: the
 * notification that is asked for, or "".
 */
static enum kw_err
record_reading(struct control *c, const char *who, const char *id, bool first, const struct audit_record *r, struct kw_why *why)
{
	uint64_t now_ms = clock_mono_ms();
	enum kw_err err;

	if (!first && strcmp(c->reads, r->event) == 0 && strcmp(c->reads_id, id) == 0 && strcmp(c->reader, who) == 0 && now_ms - c->read_ms < READING_MS)
		return KW_OK;
	if ((err = record(c, who, *r, why)) != KW_OK)
		return err == KW_ELIMIT || err == KW_EINVAL ? err : kw_refuse(why, err, "it cannot be recorded that this is read, so it is not shown; look at the broker's log");
	(void)snprintf(c->reader, sizeof c->reader, "%s", who);
	(void)snprintf(c->reads, sizeof c->reads, "%s", r->event);
	(void)snprintf(c->reads_id, sizeof c->reads_id, "%s", id);
	c->read_ms = now_ms;
	return KW_OK;
}

/* What an operator does in need is done although it cannot be recorded; the broker's log tells that. */
static void
note(struct control *c, const char *event)
{
	struct kw_why why;

	(void)!record(c, "control", (struct audit_record){.event = event}, &why);
}

/* What operators say of themselves stands in clear, [U-4]. */
static enum kw_err
put_said(char detail[AUDIT_TEXT_MAX], const char *as, const char *reason, struct kw_why *why)
{
	int len = snprintf(detail, AUDIT_TEXT_MAX, "%s%s%s", as != NULL ? as : "", as != NULL && reason != NULL ? ": " : "", reason != NULL ? reason : "");

	return len < (int)AUDIT_TEXT_MAX ? KW_OK : kw_refuse(why, KW_ELIMIT, "name and reason are longer than %u bytes", AUDIT_TEXT_MAX - 1);
}

static enum kw_err
record_audit_reading(struct control *c, const struct page_ask *ask, const char *who, struct kw_why *why)
{
	bool first = ask->has_commits ? ask->commits_after == 0 : ask->place == 0;
	char detail[AUDIT_TEXT_MAX];
	struct audit_record r = {.event = "audit_read", .object = ask->query.object, .detail = detail};
	enum kw_err err = put_said(detail, ask->as, ask->reason, why);

	return err == KW_OK ? record_reading(c, who, "", first, &r, why) : err;
}

static enum kw_err
show_audit(struct control *c, struct span text, const char *who, struct kw_why *why)
{
	const struct relay_parts *p = relay_parts_of(c->relay);
	struct page_ask ask;
	enum kw_err err;

	if (text.len > ASK_MAX)
		return kw_refuse(why, KW_ELIMIT, "the request has %zu bytes, at most %u are allowed", text.len, ASK_MAX);
	err = page_ask_read(&ask, json_loadb((const char *)text.p, text.len, JSON_REJECT_DUPLICATES, NULL), why);
	if (err == KW_OK)
		err = record_audit_reading(c, &ask, who, why);
	if (err == KW_OK)
		err = ask.has_commits ? commits_page_put(&c->bytes, c->relay, ask.commits_after, why)
		                      : audit_book_page(&c->bytes, REPLY_MAX, p->book, &ask, clock_wall_ms(), why);
	page_ask_free(&ask);
	return err;
}

/* Which ones. */
static enum kw_err
record_headers_reading(struct control *c, const struct headers_ask *ask, const char *who, struct kw_why *why)
{
	char detail[AUDIT_TEXT_MAX], from[TEXT_TIME_MAX], to[TEXT_TIME_MAX];
	struct audit_record r = {.event = "headers_read", .topic = ask->topic, .detail = detail};

	text_put_time_utc(from, ask->from_ms);
	text_put_time_utc(to, ask->to_ms);
	(void)snprintf(detail, sizeof detail, "%s, %s to %s", lane_name(ask->lane), from, to);
	return record_reading(c, who, "", ask->after == 0, &r, why);
}

/* Who asks for headers leaves a line in the log. */
static enum kw_err
show_headers(struct control *c, struct span text, const char *who, struct kw_why *why)
{
	struct headers_ask ask;
	enum kw_err err = headers_ask_read(&ask, text, why);

	if (err != KW_OK)
		return err;
	if (ask.after == 0)
		log_peer(LOG_NOTICE, "headers.read", who, "lane=%s from_ms=%llu to_ms=%llu", lane_name(ask.lane), (unsigned long long)ask.from_ms,
		          (unsigned long long)ask.to_ms);
	if ((err = record_headers_reading(c, &ask, who, why)) != KW_OK)
		return err;
	return headers_put(&c->bytes, &c->headers, c->relay, &ask, why);
}

static enum kw_err
show_status(struct control *c, struct span text, bool with_all, struct kw_why *why)
{
	struct nodes_ask ask;
	enum kw_err err;

	if (text.len == 0)
		return status_put(&c->bytes, &c->status, c->relay, with_all, NULL, why);
	if ((err = nodes_ask_read(&ask, text, why)) != KW_OK)
		return err;
	return status_put(&c->bytes, &c->status, c->relay, with_all, &ask, why);
}

static enum kw_err
show_events(struct control *c, struct span text, struct kw_why *why)
{
	struct events_ask ask;
	enum kw_err err = events_ask_read(&ask, text, why);

	return err == KW_OK ? events_put(&c->bytes, c->events, &ask) : err;
}

/* So does who asks for one notification. */
static enum kw_err
show_trace(struct control *c, struct span text, const char *who, struct kw_why *why)
{
	struct trace_ask ask;
	char id[37];
	enum kw_err err = trace_ask_read(&ask, text, why);

	if (err != KW_OK)
		return err;
	kw_id_text(id, ask.id);
	if (!ask.behind && ask.readers_from == 0)
		log_peer(LOG_NOTICE, "trace.read", who, "id=%s", id);
	if ((err = record_reading(c, who, id, !ask.behind && ask.readers_from == 0, &(struct audit_record){.event = "trace_read", .object = id}, why)) != KW_OK)
		return err;
	return trace_put(&c->bytes, &c->headers, c->relay, &ask, why);
}

static enum kw_err
show_explain(struct control *c, struct span text, const char *who, struct kw_why *why)
{
	struct explain_ask ask;
	enum kw_err err = explain_ask_read(&ask, text, why);

	if (err != KW_OK)
		return err;
	log_peer(LOG_NOTICE, "explain.read", who, "id=%s", ask.piece);
	if ((err = record_reading(c, who, ask.piece, true, &(struct audit_record){.event = "explain_read", .object = ask.piece}, why)) != KW_OK)
		return err;
	return explain_put(&c->bytes, &c->headers, c->relay, &ask, why);
}

/* What is only looked at, the same over both ways; its text is of c or why, until the next. */
static struct wire_admin_reply
show(struct control *c, const struct wire_admin *a, const char *who, struct kw_why *why)
{
	struct wire_admin_reply out = {.ok = true};
	enum kw_err err;

	buf_reset(&c->bytes);
	switch (a->verb) {
	case ADMIN_AGREEMENT: err = show_agreement(&out, c, a->text, a->part, why); break;
	case ADMIN_HEADERS: err = show_headers(c, a->text, who, why); break;
	case ADMIN_EVENTS: err = show_events(c, a->text, why); break;
	case ADMIN_AUDIT: err = show_audit(c, a->text, who, why); break;
	case ADMIN_TRACE: err = show_trace(c, a->text, who, why); break;
	case ADMIN_EXPLAIN: err = show_explain(c, a->text, who, why); break;
	default: err = show_status(c, a->text, a->verb == ADMIN_STATUS, why); break;
	}
	if (err == KW_ENOMEM)
		err = kw_refuse(why, KW_ENOMEM, "the broker is short of memory");
	if (err != KW_OK)
		return (struct wire_admin_reply){.ok = false, .text = span_str(why->text)};
	if (a->verb != ADMIN_AGREEMENT)
		out.text = buf_span(&c->bytes);
	return out;
}

static uint64_t
now_us(void)
{
	struct timespec now = {.tv_sec = 0};

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* Looking is done in the loop that relays: it gets a part of each second, and who wants more is told to wait. */
static struct wire_admin_reply
show_in_turn(struct control *c, struct looks *looks, const struct wire_admin *a, const char *who, struct kw_why *why)
{
	uint64_t from_us = now_us();
	struct wire_admin_reply reply;

	if (from_us / 1000000 != looks->second)
		*looks = (struct looks){.second = from_us / 1000000};
	if (looks->spent_us >= LOOKS_US_A_SECOND)
		return (struct wire_admin_reply){.ok = false, .text = span_str("more is asked for in this second than the broker has time for beside its work; ask again in the next")};
	reply = show(c, a, who, why);
	looks->spent_us += now_us() - from_us;
	return reply;
}

static bool
is_look(enum admin_verb verb)
{
	return verb == ADMIN_STATUS || verb == ADMIN_NODES || verb == ADMIN_AGREEMENT || verb == ADMIN_HEADERS || verb == ADMIN_EVENTS || verb == ADMIN_TRACE ||
	       verb == ADMIN_EXPLAIN || verb == ADMIN_AUDIT;
}

/* What an operator tried that none may over the network. */
static void
refuse_act(struct control *c, const char *who)
{
	char actor[AUDIT_TEXT_MAX];

	(void)snprintf(actor, sizeof actor, "operator/%s", who);
	audit_book_refused(relay_parts_of(c->relay)->book, actor, CODE_DENIED, NULL, clock_wall_ms());
}

static void
over(struct control *c, struct asker *a, enum kw_err err, const char *sentence)
{
	if (!a->waits)
		return;
	a->waits = false;
	reply_to(c, a, err == KW_OK, span_str(sentence));
}

/* One at a time of each; a second asker hears so at once. */
static bool
takes_turn(struct control *c, struct asker *turn, const struct asker *a)
{
	if (turn->waits) {
		reply_to(c, a, false, span_str("the same is under way just now: try again in a second"));
		return false;
	}
	*turn = *a;
	turn->waits = true;
	return true;
}

/* ---- suspensions ---- */

static void
suspend_done(void *self, enum kw_err err, const char *sentence)
{
	struct control *c = self;
	struct asker *a = &c->suspend;
	bool told;

	a->waits = false;
	buf_reset(&c->bytes);
	told = err == KW_OK && suspending_put_answer(&c->bytes, c->relay) == KW_OK; /* without memory for it, it is done all the same */
	reply_to(c, a, err == KW_OK, told ? buf_span(&c->bytes) : span_str(sentence));
}

static void
note_suspension(struct control *c, const struct asker *a, enum suspension_act act, const struct suspending_ask *ask)
{
	char actor[AUDIT_TEXT_MAX], detail[AUDIT_TEXT_MAX] = "";
	struct audit_record r = {.event = act == SUSPENSION_BEGUN ? "suspend" : "resume", .actor = actor, .object = ask->node, .detail = detail};
	struct kw_why why;

	(void)snprintf(actor, sizeof actor, "operator/%s", a->name);
	if (act == SUSPENSION_BEGUN)
		(void)snprintf(detail, sizeof detail, "for %llu s: %.*s", (unsigned long long)ask->for_ms / 1000, (int)KW_SUSPENSION_REASON_MAX, ask->reason);
	(void)!audit_book_operator(relay_parts_of(c->relay)->book, &r, clock_wall_ms(), &why); /* in need it is done also where it cannot be recorded */
}

static void
on_suspend(struct control *c, const struct asker *a, const struct wire_admin *admin)
{
	enum suspension_act act = admin->verb == ADMIN_SUSPEND ? SUSPENSION_BEGUN : SUSPENSION_LIFTED;
	struct suspending_ask ask;
	struct kw_why why;

	if (suspending_ask_read(&ask, act, admin->text, &why) != KW_OK) {
		reply_to(c, a, false, span_str(why.text));
		return;
	}
	if (!takes_turn(c, &c->suspend, a))
		return;
	if (relay_suspend(c->relay, act, &ask, a->name, (struct relay_done){c, suspend_done}, &why) == KW_OK) {
		note_suspension(c, a, act, &ask);
		return;
	}
	c->suspend.waits = false;
	reply_to(c, a, false, span_str(why.text));
}

static void
on_conn(void *self, uint32_t conn, const struct wire_admin *a, bool operator)
{
	struct control *c = self;
	struct gate *gate = relay_parts_of(c->relay)->gate;
	struct wire_admin_reply reply = {.ok = false};
	struct kw_why why;

	MUST(operator);
	if (gate_owes_enough(gate, conn)) {
		log_peer(LOG_WARNING, "gate.not_reading", gate_name(gate, conn), "address=%s", gate_address(gate, conn));
		return;
	}
	if (a->verb == ADMIN_SUSPEND || a->verb == ADMIN_RESUME) {
		struct asker asker = {.request = a->request, .conn = conn};

		(void)strncpy(asker.name, gate_name(gate, conn), KW_NODE_MAX);
		on_suspend(c, &asker, a);
		return;
	}
	if (!is_look(a->verb))
		refuse_act(c, gate_name(gate, conn));
	if (is_look(a->verb))
		reply = show_in_turn(c, &c->far, a, gate_name(gate, conn), &why);
	else
		reply.text = span_str("over the network an operator may ask for status, nodes, headers, events, agreements, the way of a notification and the audit trail, and may suspend and resume nodes; the rest goes over the control socket on the broker's machine");
	send_on_conn(c, conn, a->request, &reply);
}

static void
install_done(void *self, enum kw_err err, const char *sentence)
{
	struct control *c = self;

	if (err != KW_OK)
		log_event(LOG_WARNING, "agreement.refused", "why=\"%s\"", sentence);
	over(c, &c->install, err, sentence);
}

static void
epoch_done(void *self, enum kw_err err, const char *sentence)
{
	struct control *c = self;

	over(c, &c->epoch, err, sentence);
}

static bool
same_asker(const struct asker *a, const struct asker *b)
{
	return a->id_len == b->id_len && memcmp(a->id, b->id, a->id_len) == 0;
}

static void
drop_upload(struct upload *u)
{
	parts_drop(&u->parts);
	u->by.waits = false;
}

/* One text at a time is collected; each part is answered, the last when the version is in force or refused. */
static void
on_install(struct control *c, const struct asker *a, const struct wire_admin *admin)
{
	struct upload *u = &c->upload;
	struct kw_why why;
	enum kw_err err;

	if (u->by.waits && !same_asker(&u->by, a) && clock_mono_ms() - u->heard_ms < UPLOAD_QUIET_MS) {
		reply_on_socket(c, a, false, span_str("the same is under way just now: try again in a second"));
		return;
	}
	if (admin->part == 0 || !u->by.waits || !same_asker(&u->by, a))
		drop_upload(u);
	u->by = *a;
	u->by.waits = true;
	u->heard_ms = clock_mono_ms();
	err = parts_take(&u->parts, admin->part, admin->total, admin->text, admin->sigs, &why);
	if (err == KW_EAGAIN || err == KW_EEXISTS) {
		reply_on_socket(c, a, true, span_of(NULL, 0));
		return;
	}
	if (err != KW_OK)
		reply_on_socket(c, a, false, span_str(why.text));
	else if (takes_turn(c, &c->install, a)) {
		note(c, "install");
		relay_install(c->relay, buf_span(&u->parts.text), buf_span(&u->parts.sigs), (struct relay_done){c, install_done});
	}
	drop_upload(u);
}

/* ---- backup ---- */

/* It gives out all that there is, so it is not given where that cannot be recorded. */
static enum kw_err
begin_backup(struct control *c, const struct backup_ask *a, struct kw_why *why)
{
	char detail[AUDIT_TEXT_MAX];
	struct audit_record r = {.event = "backup", .detail = detail};
	enum kw_err err;

	if (c->handout != NULL)
		return kw_refuse(why, KW_ESTATE, "a backup is being made just now; begin when it is done, or a minute after it was interrupted");
	if ((err = put_said(detail, a->as, a->reason, why)) != KW_OK || (err = record(c, "control", r, why)) != KW_OK)
		return err == KW_ELIMIT || err == KW_EINVAL ? err : kw_refuse(why, err, "it cannot be recorded that a backup is made, so none is; look at the broker's log");
	c->handout_ms = clock_wall_ms();
	return handout_begin(&c->handout, &c->bytes, c->relay, c->handout_ms, clock_mono_ms(), why);
}

/* Status tells it, from now on and after a new start. */
static void
backup_done(struct control *c, uint64_t bytes)
{
	struct kw_why why;

	c->status.backup = (struct backup_last){c->handout_ms, bytes};
	if (c->folder != NULL && backup_last_write(&c->status.backup, c->folder, &why) != KW_OK)
		log_event(LOG_WARNING, "backup.not_noted", "why=\"%s\"", why.text);
}

static enum kw_err
end_backup(struct control *c, const struct backup_ask *a, struct kw_why *why)
{
	enum kw_err err = handout_end(c->handout, a, clock_mono_ms(), why);

	if (err == KW_OK && a->step == BACKUP_END)
		backup_done(c, handout_bytes(c->handout));
	return err;
}

static enum kw_err
step_backup(struct control *c, const struct backup_ask *a, struct kw_why *why)
{
	if (a->step == BACKUP_BEGIN)
		return begin_backup(c, a, why);
	if (c->handout == NULL)
		return kw_refuse(why, KW_ESTATE, "this backup is not being made any more; begin another");
	return a->step == BACKUP_NEXT ? handout_next(&c->bytes, c->handout, a, clock_mono_ms(), why) : end_backup(c, a, why);
}

static void
on_backup(struct control *c, const struct asker *a, const struct wire_admin *admin)
{
	struct backup_ask ask;
	struct kw_why why;
	enum kw_err err;

	buf_reset(&c->bytes);
	if (admin->text.len > ASK_MAX) {
		reply_on_socket(c, a, false, span_str("the request is too long"));
		return;
	}
	handout_tick(&c->handout, clock_mono_ms());
	err = backup_ask_read(&ask, json_loadb((const char *)admin->text.p, admin->text.len, JSON_REJECT_DUPLICATES, NULL), &why);
	if (err == KW_OK)
		err = step_backup(c, &ask, &why);
	backup_ask_free(&ask);
	reply_on_socket(c, a, err == KW_OK, err == KW_OK ? buf_span(&c->bytes) : span_str(why.text));
}

static void
on_admin(struct control *c, const struct asker *a, const struct wire_admin *admin)
{
	struct wire_admin_reply reply;
	struct kw_why why;

	switch (admin->verb) {
	case ADMIN_STATUS:
	case ADMIN_NODES:
	case ADMIN_AGREEMENT:
	case ADMIN_HEADERS:
	case ADMIN_EVENTS:
	case ADMIN_AUDIT:
	case ADMIN_TRACE:
	case ADMIN_EXPLAIN:
		reply = show_in_turn(c, &c->here, admin, "control", &why);
		send_on_socket(c, a, &reply);
		break;
	case ADMIN_INSTALL:
		on_install(c, a, admin);
		break;
	case ADMIN_NEW_EPOCH:
		if (takes_turn(c, &c->epoch, a)) {
			note(c, "new_epoch");
			relay_new_epoch(c->relay, (struct relay_done){c, epoch_done});
		}
		break;
	case ADMIN_SUSPEND:
	case ADMIN_RESUME:
		on_suspend(c, a, admin);
		break;
	case ADMIN_STOP:
		log_event(LOG_NOTICE, "broker.stop_asked", "by=control");
		note(c, "stop_asked");
		c->stop = true;
		reply_on_socket(c, a, true, span_str("stopping"));
		break;
	case ADMIN_BACKUP:
		on_backup(c, a, admin);
		break;
	default:
		reply_on_socket(c, a, false, span_str("this is not known here"));
		break;
	}
}

static void
on_bytes(struct control *c, struct asker *a, struct span bytes)
{
	struct kw_why why;
	struct wire_msg m;

	if (wire_decode(&m, bytes, &why) != KW_OK) {
		reply_on_socket(c, a, false, span_str(why.text));
		return;
	}
	if (m.kind == WIRE_ADMIN) {
		a->request = m.admin.request;
		on_admin(c, a, &m.admin);
	} else {
		reply_on_socket(c, a, false, span_str("the control socket takes an operator's requests alone"));
	}
	wire_msg_clear(&m);
}

bool
control_receive(struct control *c)
{
	for (int n = 0; c->socket != NULL && n < 16; n++) {
		struct asker a = {.waits = false, .conn = CORE_NO_CONN, .name = "control"};
		zmq_msg_t frame;
		int len = zmq_recv(c->socket, a.id, sizeof a.id, ZMQ_DONTWAIT), frames = 0, more = 1;
		size_t size = sizeof more;

		if (len < 0)
			return false;
		a.id_len = (size_t)len;
		(void)zmq_msg_init(&frame);
		while (zmq_getsockopt(c->socket, ZMQ_RCVMORE, &more, &size) == 0 && more) {
			if (zmq_msg_recv(&frame, c->socket, 0) < 0)
				break;
			frames++;
		}
		if (frames == 1)
			on_bytes(c, &a, span_of(zmq_msg_data(&frame), zmq_msg_size(&frame)));
		else
			reply_on_socket(c, &a, false, span_str("a request is one frame"));
		(void)zmq_msg_close(&frame);
	}
	return c->socket != NULL;
}

/* ---- begin and end ---- */

enum kw_err
control_open(struct control **out, void *zmq_context, const char *endpoint, struct relay *r, struct events *e, struct kw_why *why)
{
	struct control *c = calloc(1, sizeof *c);
	enum kw_err err = KW_OK;

	if (c == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for the control socket");
	c->relay = r;
	c->events = e;
	c->bytes = BUF_INIT(REPLY_MAX);
	if (endpoint != NULL) {
		c->path = strdup(endpoint + strlen("ipc://"));
		err = c->path != NULL ? bind_socket(c, zmq_context, endpoint, why) : kw_refuse(why, KW_ENOMEM, "out of memory");
	}
	if (err != KW_OK) {
		control_close(&c);
		return err;
	}
	relay_on_admin(r, c, on_conn);
	*out = c;
	return KW_OK;
}

void
control_close(struct control **control)
{
	struct control *c = *control;

	if (c == NULL)
		return;
	if (c->socket != NULL)
		(void)zmq_close(c->socket);
	free(c->path);
	drop_upload(&c->upload);
	handout_free(&c->handout);
	buf_free(&c->bytes);
	free(c);
	*control = NULL;
}

void *control_socket(struct control *c) { return c->socket; }
bool control_wants_stop(const struct control *c) { return c->stop; }

void
control_on_config(struct control *c, json_t *(*report)(void *self), void *self)
{
	c->status.config = report;
	c->status.config_self = self;
}

void
control_restored(struct control *c, uint64_t made_ms)
{
	c->status.restored_ms = made_ms;
}

void
control_backups(struct control *c, const char *folder)
{
	c->folder = folder;
	backup_last_read(&c->status.backup, folder);
}

void
control_tick(struct control *c, uint64_t mono_ms)
{
	if (c->upload.by.waits && mono_ms - c->upload.heard_ms >= UPLOAD_QUIET_MS)
		drop_upload(&c->upload);
	handout_tick(&c->handout, mono_ms);
	status_tick(&c->status, c->relay, mono_ms);
}
