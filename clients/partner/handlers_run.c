/* handlers_run: one handler: what is next for it, a run, and what came of it. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "clients/partner/desk_cases.h"
#include "clients/partner/desk_receipts.h"
#include "clients/partner/handler_input.h"
#include "clients/partner/handlers_parts.h"
#include "clients/partner/node_audit.h"
#include "proto/seal.h"

struct search { struct handler *h; uint32_t looked; uint64_t last, found; uint64_t wall_ms; };

static bool
wants_case(const struct handler *h, const struct entry_case *c)
{
	const char *me = node_id(h->all->node);
	bool turn = c->state == CASE_TAKEN ? strcmp(c->next, me) == 0 : (c->state == CASE_OFFERED || c->state == CASE_ESCALATED) && strcmp(c->owner, me) == 0;

	return h->config->cases == CASES_ALL || (h->config->cases == CASES_TURNS && turn);
}

/* One that came while this node was away, and is over, is news no more. */
static bool
wants_suspension(const struct handler *h, const struct entry_suspension *e, uint64_t wall_ms)
{
	return h->config->suspensions && (e->act == SUSPENSION_LIFTED || e->until_ms > wall_ms);
}

static bool
wants(const struct handler *h, const struct inbox_row *row, uint64_t wall_ms)
{
	if (row->of_suspension)
		return wants_suspension(h, &row->entry.of_suspension, wall_ms);
	if (h->config->topic[0] == '\0' || !filter_matches(h->config->topic, row->header.topic))
		return false;
	if (row->of_case)
		return wants_case(h, &row->entry.of_case);
	return row->header.type != TYPE_DRAFT || h->config->drafts; /* what nobody has released yet must not go on from here */
}

static bool
look(void *self, const struct inbox_row *row)
{
	struct search *s = self;
	struct handler *h = s->h;
	bool want_alert = h->config->as == HANDLER_CAP;
	struct handling_notice n = {.bare = row->bare, .outdated = row->outdated, .cancelled = row->cancelled, .mark = row->mark,
	                            .alert = row->header.payload_type == PAYLOAD_ALERT, .expires_ms = row->header.expires_ms};
	const char *skip;
	char id[37];

	s->looked++;
	s->last = row->seq;
	if (!wants(h, row, s->wall_ms))
		return true;
	skip = row->of_case || row->of_suspension ? NULL : handling_skip(&n, want_alert, s->wall_ms);
	if (skip == NULL) {
		s->found = row->seq;
		return false;
	}
	kw_id_text(id, row->header.id);
	log_peer(want_alert && !n.alert ? LOG_INFO : LOG_NOTICE, "handler.skipped", NULL, "name=\"%s\" id=%s why=\"%s\"", h->shown, id, skip);
	h->skipped++;
	return true;
}

void
handler_search(struct handler *h)
{
	struct node *n = h->all->node;
	struct search s = {.h = h, .wall_ms = clock_wall_ms()};
	struct inbox_query q = {.after_seq = h->at.seq, .until_seq = h->at.seq + HANDLERS_LOOK_SEQ, .limit = HANDLERS_LOOK_ROWS};
	uint64_t newest = desk_shown_seq(n);
	struct kw_why why;

	if (newest <= h->at.seq) {
		handling_reached(&h->at, h->at.seq);
		return;
	}
	if (q.until_seq > newest)
		q.until_seq = newest;
	if (desk_inbox(n, &q, look, &s, &why) != KW_OK) {
		node_alarm(n, "handlers", "the inbox cannot be read for the handlers: %s", why.text);
		h->all->rest_until_ms = node_mono_ms(n) + HANDLING_REST_MIN_MS;
		return;
	}
	if (s.found != 0)
		handling_found(&h->at, s.found);
	else if (s.looked == HANDLERS_LOOK_ROWS)
		handling_passed(&h->at, s.last);
	else if (q.until_seq < newest) /* receipts, which are not looked at */
		handling_passed(&h->at, q.until_seq);
	else
		handling_reached(&h->at, newest);
}

/* The attempt is over: what it means, told where people look. */
static void
judge(struct handler *h, bool well, bool fatal)
{
	uint64_t at = h->at.at;

	switch (handling_ended(&h->at, well, fatal, node_mono_ms(h->all->node))) {
	case HANDLING_DONE:
		h->done++;
		log_event(LOG_INFO, "handler.done", "name=\"%s\" id=%s", h->shown, h->id);
		break;
	case HANDLING_AGAIN:
		h->failed++;
		break;
	case HANDLING_SET_ASIDE:
		h->failed++;
		h->given_up++;
		h->set_aside = at;
		log_event(LOG_ERROR, "handler.set_aside", "name=\"%s\" id=%s seq=%llu", h->shown, h->id, (unsigned long long)at);
		break;
	}
}

/* how stands in h. */
static void
tell_failure(struct handler *h, struct span said)
{
	struct buf line = BUF_INIT(CHILD_SAID_MAX + 1);

	buf_put_span(&line, span_of(said.p, said.len < CHILD_SAID_MAX ? said.len : CHILD_SAID_MAX));
	log_event(LOG_WARNING, "handler.failed", "name=\"%s\" id=%s attempt=%u of=%u why=\"%s\" said=\"%s\"", h->shown, h->id, h->at.failures + 1,
	          h->at.attempts_max, h->how, buf_text(&line) != NULL ? buf_text(&line) : "");
	buf_free(&line);
	h->how_ms = clock_wall_ms();
	memcpy(h->how_id, h->id, sizeof h->how_id);
}

static void
on_ended(void *self)
{
	struct handler *h = self;

	h->ended = true;
}

/* What a program of this machine's configuration gets is disclosed too; the configuration is the reason. */
static void
note_given(const struct handler *h, const struct inbox_row *row)
{
	char actor[AUDIT_TEXT_MAX];
	struct audit_record r = {.event = "handler", .actor = actor, .object = h->id, .topic = row->header.topic};

	(void)snprintf(actor, sizeof actor, "handler/%.200s", h->config->name);
	node_audit_note(h->all->node, &r);
}

static enum kw_err
start(struct handler *h, const struct inbox_row *row, struct kw_why *why)
{
	struct handler_about about = {node_id(h->all->node), h->config->name, h->config->as, h->at.failures + 1,
	                              h->at.repeat || row->header.created_ms < desk_remembers_since_ms(h->all->node)};
	struct handler_input in;
	struct child_start c;
	enum kw_err err;

	kw_id_text(h->id, row->header.id);
	h->has_case = row->of_case || row->header.type == TYPE_NOTICE || row->header.type == TYPE_REQUEST;
	memcpy(h->case_id, row->of_case ? row->entry.of_case.id : row->header.id, KW_ID_LEN);
	if ((err = handler_input_make(&in, row, &about, why)) != KW_OK)
		goto free_input;
	note_given(h, row);
	h->input_len = in.content.len;
	c = (struct child_start){h->config->run, in.env, &in.content, on_ended, h};
	err = child_start(&h->child, h->all->node, &c, why);
	h->cannot_start = err != KW_OK;
free_input:
	handler_input_free(&in);
	return err;
}

struct fetch { struct handler *h; bool there; enum kw_err err; struct kw_why why; };

static bool
take(void *self, const struct inbox_row *row)
{
	struct fetch *f = self;

	f->there = row->seq == f->h->at.at;
	if (f->there && row->locked)
		f->err = kw_refuse(&f->why, KW_ECORRUPT, "its content does not open here; the node's status says more");
	else if (f->there)
		f->err = start(f->h, row, &f->why);
	return false;
}

/* A content that cannot be shown or opened will not be so at the next attempt either. */
static bool
helpless(enum kw_err err)
{
	return err == KW_ECRYPTO || err == KW_ECORRUPT || err == KW_EPROTO || err == KW_EINVAL || err == KW_ELIMIT;
}

void
handler_run(struct handler *h)
{
	struct inbox_query q = {.after_seq = h->at.at - 1, .with_payload = true, .limit = 1};
	struct fetch f = {.h = h};
	enum kw_err err = desk_inbox(h->all->node, &q, take, &f, &f.why);

	h->ended = false;
	if (err == KW_OK && !f.there) { /* its time was over meanwhile */
		handling_gone(&h->at);
		return;
	}
	if (err == KW_OK)
		err = f.err;
	if (err == KW_OK) {
		handling_started(&h->at, node_mono_ms(h->all->node));
		log_event(LOG_INFO, "handler.run", "name=\"%s\" id=%s attempt=%u", h->shown, h->id, h->at.failures + 1);
		return;
	}
	(void)snprintf(h->how, sizeof h->how, "%s", f.why.text);
	tell_failure(h, span_of(NULL, 0));
	judge(h, false, !h->cannot_start && helpless(err));
}

/* Exit codes by which a program takes or declines the case; what it complained about is the reason. False: it is a failure. */
static bool
moved_case(struct handler *h, int code, struct span said)
{
	struct desk_move m = {.type = code == HANDLER_TAKES ? TYPE_TAKEN : TYPE_DECLINED};
	char text[DESK_MOVE_TEXT_MAX + 1], as[DESK_MOVE_AS_MAX + 1];
	struct buf clean = BUF_INIT(4 * CHILD_SAID_MAX);
	struct kw_why why = {{0}};
	uint8_t receipt[KW_ID_LEN];
	enum kw_err err;

	if (!h->has_case || (code != HANDLER_TAKES && code != HANDLER_DECLINES))
		return false;
	while (said.len > 0 && (said.p[said.len - 1] == '\n' || said.p[said.len - 1] == '\r'))
		said.len--;
	text_put_escaped(&clean, said, DESK_MOVE_TEXT_MAX / 4);
	(void)snprintf(text, sizeof text, "%s", clean.len > 0 && buf_text(&clean) != NULL ? buf_text(&clean) : "a program declined it");
	buf_free(&clean);
	(void)snprintf(as, sizeof as, "%.100s", h->shown);
	memcpy(m.id, h->case_id, KW_ID_LEN);
	m.as = as;
	m.text = m.type == TYPE_DECLINED || said.len > 0 ? text : NULL;
	err = desk_move(h->all->node, &m, receipt, &why);
	if (err == KW_OK || err == KW_EEXISTS)
		return true;
	if (err != KW_ESTATE && err != KW_EDENIED) { /* no case of ours, no room: as any failure */
		(void)snprintf(h->how, sizeof h->how, "%s", why.text);
		return false;
	}
	log_event(LOG_NOTICE, "handler.too_late", "name=\"%s\" id=%s move=%s why=\"%s\"", h->shown, h->id, notice_type_name(m.type), why.text);
	return true;
}

/* Its sender hears that it was handled. What cannot be told now is no reason to handle it again. */
static void
tell_opened(const struct handler *h)
{
	struct kw_why why = {{0}};
	uint8_t id[KW_ID_LEN];
	char as[DESK_MOVE_AS_MAX + 1];

	(void)snprintf(as, sizeof as, "%.100s", h->shown);
	if (kw_id_parse(id, h->id) && desk_opened(h->all->node, id, as, &why) != KW_OK)
		log_event(LOG_WARNING, "handler.not_told", "name=\"%s\" id=%s why=\"%s\"", h->shown, h->id, why.text);
}

bool
handler_finish(struct handler *h, uint32_t wait_ms)
{
	bool well, late = h->at.state == HANDLING_ENDING || h->at.state == HANDLING_KILLED, never;
	char how[64];

	if (h->child == NULL || !child_end(&well, how, h->child, wait_ms))
		return h->child == NULL;
	if (!well && !late && moved_case(h, child_exit_code(h->child), child_said(h->child)))
		well = true;
	never = !well && !late && child_exit_code(h->child) == HANDLER_NEVER;
	if (!well) {
		if (late)
			(void)snprintf(h->how, sizeof h->how, "it took longer than %llu s and was ended", (unsigned long long)(h->at.timeout_ms / 1000));
		else
			(void)snprintf(h->how, sizeof h->how, "%s%s", how, never ? ": it can never be handled" : "");
		tell_failure(h, child_said(h->child));
	}
	if (well)
		tell_opened(h);
	child_free(&h->child);
	h->ended = false;
	h->input_len = 0;
	judge(h, well, never);
	return true;
}

bool
handler_has_room(const struct handler *h)
{
	const struct handlers *all = h->all;
	uint64_t running = 0, bytes = 0;

	for (uint32_t i = 0; i < all->count; i++) {
		running += all->each[i]->child != NULL;
		bytes += all->each[i]->input_len;
	}
	return running == 0 || (running < HANDLERS_RUNNING_MAX && bytes < HANDLERS_INPUT_MAX);
}
