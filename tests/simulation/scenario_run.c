/* scenario_run: events when their time comes; claims at every look, ten in a pretend second. */
#include "scenario_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/clock.h"
#include "clients/partner/desk.h"
#include "clocks.h"
#include "faults.h"
#include "house.h"
#include "lines.h"
#include "oracle.h"
#include "posts.h"
#include "suspensions.h"
#include "scenario_cases.h"
#include "proto/payload.h"
#include "trace.h"
#include "vault.h"

#define LOOK_MS 100u
#define LIFE_MS (24ull * 3600 * 1000)

struct label { bool known; uint8_t id[KW_ID_LEN]; int sender; bool moved[WHO_NODES]; uint8_t move[WHO_NODES][KW_ID_LEN]; /* the last one of each */ };

struct play {
	struct sim *sim;
	const struct scenario *text;
	const char *name;
	struct label labels[SCENARIO_LABELS_MAX];
	bool held[SCENARIO_LINES_MAX]; /* of what must be so within a time: it was */
	uint32_t next;                 /* sentence */
	uint64_t copied;               /* batches of the broker's store */
};

static void
wrong(struct play *p, const struct scenario_line *l, const char *what)
{
	sim_broken(p->sim, "%s:%u: %s", p->name, l->number, what);
}

/* ---- what happens ---- */

static void
write_report(struct buf *out, const char *label)
{
	struct buf json = BUF_INIT(8192);
	struct kw_why why;

	buf_printf(&json, "{\"category\":\"Security\",\"severity\":\"Minor\",\"subject\":\"%s\",\"description\":\"a scenario's\",\"language\":\"de\","
	                  "\"observedAt\":\"2026-12-01T09:00:00+01:00\","
	                  "\"handling\":{\"mark\":\"Internal\",\"purpose\":\"danger-prevention\",\"onward\":\"WithConsent\"},"
	                  "\"grading\":{\"source\":\"Reliable\",\"content\":\"Confirmed\",\"completeness\":\"Partial\",\"asOf\":\"2026-12-01T09:00:00+01:00\"}}", label);
	*out = BUF_INIT(65536);
	MUST(buf_ok(&json) && payload_from_json(out, PAYLOAD_REPORT, buf_span(&json), &why) == KW_OK);
	buf_free(&json);
}

static enum kw_err
offer(struct play *p, const struct scenario_line *l, const char *label, uint8_t id[KW_ID_LEN], struct kw_why *why)
{
	struct desk_publish d = {.topic = l->word, .payload_type = PAYLOAD_REPORT, .type = TYPE_NOTICE};
	char to[SCENARIO_NAMES_MAX][KW_NODE_MAX + 1];
	int who = l->who[0];
	struct oracle_published said = {.sender = who, .id = id};
	struct buf payload;
	enum kw_err err;

	for (uint32_t i = 1; i < l->who_count; i++)
		(void)snprintf(to[i - 1], sizeof to[0], "%s", papers_name(l->who[i]));
	if (l->who_count == 3 && strcmp(to[0], to[1]) > 0) {
		(void)snprintf(to[0], sizeof to[0], "%s", papers_name(l->who[2]));
		(void)snprintf(to[1], sizeof to[1], "%s", papers_name(l->who[1]));
	}
	d.to = l->who_count > 1 ? to : NULL;
	d.to_count = l->who_count - 1;
	write_report(&payload, label);
	d.payload = buf_span(&payload);
	clocks_run_as(who);
	d.expires_ms = clock_wall_ms() + (l->span_ms > 0 && l->verb == DO_PUBLISH ? l->span_ms : LIFE_MS);
	d.take_within_s = l->verb == DO_ASK ? (uint32_t)(l->span_ms / 1000) : 0;
	err = desk_publish(p->sim->posts[who].node, &d, id, why);
	if (err == KW_OK) {
		while (said.subject + 1 < SUBJECT_COUNT && strcmp(papers_topic(said.subject), l->word) != 0)
			said.subject++;
		for (uint32_t i = 1; i < l->who_count; i++)
			said.to |= 1u << l->who[i];
		said.payload = d.payload;
		said.expires_ms = d.expires_ms;
		p->sim->counts.published++;
		oracle_published(p->sim->oracle, &said);
		sim_wake_node(p->sim, who, clocks_true());
	}
	buf_free(&payload);
	return err;
}

static void
publish(struct play *p, const struct scenario_line *l)
{
	struct label *known = &p->labels[l->label[0]];
	struct kw_why why;
	enum kw_err err;

	if (known->known) {
		wrong(p, l, "this label was published before");
		return;
	}
	if (!post_ready(p->sim, l->who[0])) {
		wrong(p, l, "this node is down and publishes nothing");
		return;
	}
	known->sender = l->who[0];
	if ((err = offer(p, l, p->text->labels[l->label[0]], known->id, &why)) != KW_OK)
		wrong(p, l, why.text);
	known->known = err == KW_OK;
}

static void
try_publish(struct play *p, const struct scenario_line *l)
{
	uint8_t id[KW_ID_LEN];
	struct kw_why why;

	if (!post_ready(p->sim, l->who[0]))
		wrong(p, l, "this node is down and publishes nothing");
	else if (offer(p, l, "not allowed", id, &why) != KW_EDENIED)
		wrong(p, l, "it may, or was refused for another reason than its rights");
}

static void
move(struct play *p, const struct scenario_line *l)
{
	struct label *of = &p->labels[l->label[0]];
	int who = l->who[0];
	uint8_t receipt[KW_ID_LEN];
	struct kw_why why;
	enum kw_err err;

	if (!of->known || !post_ready(p->sim, who)) {
		wrong(p, l, !of->known ? "this label was not published" : "this node is down");
		return;
	}
	err = scenario_move(receipt, p->sim, l, of->id, &why);
	if (l->verb == DO_TRY_TAKE) {
		if (err != KW_EDENIED && err != KW_ESTATE)
			wrong(p, l, "it may, or was refused for another reason");
		return;
	}
	if (err != KW_OK) {
		wrong(p, l, err == KW_EEXISTS ? "it is so already" : why.text);
		return;
	}
	of->moved[who] = true;
	memcpy(of->move[who], receipt, KW_ID_LEN);
}

static void
agree(struct play *p, const struct scenario_line *l)
{
	struct policy next = *sim_policy(p->sim);
	int who = l->who[0];

	switch (l->verb) {
	case DO_LET_IN: next.members |= 1u << who; break;
	case DO_LEAVE_OUT: next.members &= ~(1u << who); break;
	case DO_TAKE_URGENT: next.youth_urgent = next.youth_urgent && who != WHO_YOUTH_HOUSE; break;
	default: next.turned = !next.turned; break;
	}
	if (l->verb != DO_TURN && next.members == sim_policy(p->sim)->members && next.youth_urgent == sim_policy(p->sim)->youth_urgent)
		wrong(p, l, "that is so already, or is not the pretend committee's to decide");
	else if (((next.members ^ sim_policy(p->sim)->members) & ~(1u << WHO_CLUB | 1u << WHO_SHELTER)) != 0)
		wrong(p, l, "only club/steward and shelter/desk come and go");
	else if (!faults_agree(p->sim, &next))
		wrong(p, l, "a version is on its way already");
}

static void
operate(struct play *p, const struct scenario_line *l)
{
	struct suspensions_wish w = {l->who[0], l->verb == DO_UNSUSPEND ? SUSPENSION_LIFTED : SUSPENSION_BEGUN, l->span_ms};
	enum kw_err err = house_suspend(p->sim->house, &w);

	if (l->verb == DO_TRY_SUSPEND && err != KW_ELIMIT && err != KW_ENOTFOUND)
		wrong(p, l, "the operator may, or was refused for another reason");
	else if (l->verb != DO_TRY_SUSPEND && err != KW_OK)
		wrong(p, l, kw_err_name(err));
}

static void
come_back(struct play *p, const struct scenario_line *l)
{
	if (p->copied < p->sim->agreed_batches || p->copied == 0) {
		wrong(p, l, "there is no copy, or it is from before the agreement in force");
		return;
	}
	house_crash(p->sim->house, true);
	house_back_to(p->sim->house, p->copied);
	house_start(p->sim->house);
}

static void
crash(struct play *p, const struct scenario_line *l, bool rude)
{
	int who = l->who[0];
	bool up = who == WHO_BROKER ? house_is_up(p->sim->house) : p->sim->posts[who].node != NULL;

	if (!up)
		wrong(p, l, "it is down already");
	else if (who == WHO_BROKER)
		house_crash(p->sim->house, rude);
	else
		post_crash(p->sim, who, rude);
}

static void
start(struct play *p, const struct scenario_line *l)
{
	int who = l->who[0];
	bool up = who == WHO_BROKER ? house_is_up(p->sim->house) : p->sim->posts[who].node != NULL;

	if (up)
		wrong(p, l, "it runs already");
	else if (who == WHO_BROKER)
		house_start(p->sim->house);
	else
		post_start(p->sim, who);
}

static void
happen(struct play *p, const struct scenario_line *l)
{
	struct vault *disk = house_vault(p->sim->house);
	int who = l->who[0];

	clocks_run_as(WHO_DRIVER);
	trace("--- %s:%u", p->name, l->number);
	if (scenario_is_move(l->verb)) {
		move(p, l);
		return;
	}
	switch (l->verb) {
	case DO_PUBLISH:
	case DO_ASK: publish(p, l); break;
	case DO_TRY_PUBLISH: try_publish(p, l); break;
	case DO_LET_IN:
	case DO_LEAVE_OUT:
	case DO_TAKE_URGENT:
	case DO_TURN: agree(p, l); break;
	case DO_SUSPEND:
	case DO_TRY_SUSPEND:
	case DO_UNSUSPEND: operate(p, l); break;
	case DO_COPY: p->copied = vault_batches(disk); break;
	case DO_COME_BACK: come_back(p, l); break;
	case DO_CRASH: crash(p, l, false); break;
	case DO_POWER: crash(p, l, true); break;
	case DO_START: start(p, l); break;
	case DO_CUT: lines_stall(who, WAY_UP, true); lines_stall(who, WAY_DOWN, true); break;
	case DO_MUTE: lines_stall(who, WAY_UP, true); break;
	case DO_DEAFEN: lines_stall(who, WAY_DOWN, true); break;
	case DO_JOIN: lines_stall(who, WAY_UP, false); lines_stall(who, WAY_DOWN, false); break;
	case DO_RESET:
		if (!lines_reset(who))
			wrong(p, l, "it has no connection");
		break;
	case DO_DEAD_LINE:
		if (!lines_forget(who, WAY_UP))
			wrong(p, l, "it has no connection");
		break;
	case DO_SLOW: lines_slow(who, (uint32_t)l->span_ms); break;
	case DO_FAST: lines_slow(who, 0); break;
	case DO_CLOCK_AHEAD: clocks_jump(who, (int64_t)l->span_ms); break;
	case DO_CLOCK_BACK: clocks_jump(who, -(int64_t)l->span_ms); break;
	case DO_DISK_FULL: vault_full(disk, true); break;
	case DO_DISK_ROOM: vault_full(disk, false); break;
	case DO_DISK_SYNC: vault_fail_next(disk, KW_EIO, false); break;
	case DO_DISK_SYNC_LATE: vault_fail_next(disk, KW_EIO, true); break;
	case DO_DISK_READ: vault_fail_read(disk); break;
	case DO_DISK_ONCE: vault_fail_next(disk, KW_EFULL, false); break;
	case DO_DISK_SLOW: house_is_slow(p->sim->house, clocks_true() + l->span_ms); break;
	default: MUST(!"a claim that happens");
	}
}

/* ---- what is so ---- */

static bool
has_alarm(struct play *p, int who, const char *code)
{
	json_t *status, *alarm;
	bool found = false;
	size_t i;

	if (p->sim->posts[who].node == NULL)
		return false;
	clocks_run_as(who);
	status = desk_status(p->sim->posts[who].node);
	MUST(status != NULL);
	json_array_foreach(json_object_get(status, "alarms"), i, alarm)
		found = found || strcmp(json_string_value(json_object_get(alarm, "code")), code) == 0;
	json_decref(status);
	return found;
}

static bool
is_linked(struct play *p, int who)
{
	json_t *status;
	bool linked;

	if (p->sim->posts[who].node == NULL)
		return false;
	clocks_run_as(who);
	status = desk_status(p->sim->posts[who].node);
	MUST(status != NULL);
	linked = strcmp(json_string_value(json_object_get(json_object_get(status, "link"), "state")), "ready") == 0;
	json_decref(status);
	return linked;
}

static bool
tells_out(struct play *p, int teller, int who)
{
	json_t *status, *one;
	bool found = false;
	size_t i;

	if (p->sim->posts[teller].node == NULL)
		return false;
	clocks_run_as(teller);
	status = desk_status(p->sim->posts[teller].node);
	MUST(status != NULL);
	json_array_foreach(json_object_get(status, "suspended"), i, one)
		found = found || papers_who(json_string_value(json_object_get(one, "node"))) == who;
	json_decref(status);
	return found;
}

static bool
is_confirmed(struct play *p, const struct label *a, int by)
{
	json_t *traced, *one;
	bool found = false;
	struct kw_why why;
	size_t i;

	if (p->sim->posts[a->sender].node == NULL)
		return false;
	clocks_run_as(a->sender);
	if (desk_trace(&traced, p->sim->posts[a->sender].node, a->id, "en", &why) != KW_OK)
		return false;
	json_array_foreach(json_object_get(traced, "delivered"), i, one)
		found = found || strcmp(json_string_value(json_object_get(one, "node")), papers_name(by)) == 0;
	json_decref(traced);
	return found;
}

static bool
is_so(struct play *p, const struct scenario_line *l)
{
	const struct label *a = &p->labels[l->label[0]], *b = &p->labels[l->label[1]];
	struct oracle_known known = {0}, other = {0};
	uint32_t bit = l->who_count > 0 ? 1u << l->who[0] : 0;

	if (a->known)
		oracle_look(&known, p->sim->oracle, a->id);
	switch (l->verb) {
	case IS_HERE: return (known.delivered & ~known.bare & bit) != 0;
	case IS_BARE: return (known.delivered & known.bare & bit) != 0;
	case IS_AT_NOBODY: return known.delivered == 0;
	case IS_AT_ALL: return known.audience != 0 && (known.audience & ~known.delivered) == 0;
	case IS_STORED: return known.stored;
	case IS_CONFIRMED: return a->known && is_confirmed(p, a, l->who[0]);
	case IS_BEFORE:
		if (b->known)
			oracle_look(&other, p->sim->oracle, b->id);
		return known.row[l->who[0]] != 0 && other.row[l->who[0]] != 0 && known.row[l->who[0]] < other.row[l->who[0]];
	case IS_ALARM: return has_alarm(p, l->who[0], l->word);
	case IS_NO_ALARM: return !has_alarm(p, l->who[0], l->word);
	case IS_STATE:
	case IS_STATE_WITH:
	case IS_SHOWN: return a->known && scenario_stands(p->sim, l, a->id);
	case IS_HEARD_GOOD:
	case IS_HEARD_VOID: return a->moved[l->who[0]] && scenario_heard(p->sim, l, a->move[l->who[0]]);
	case IS_OUT: return (suspensions_held(p->sim->suspensions) & bit) != 0;
	case IS_TOLD_OUT: return tells_out(p, l->who[0], l->who[1]);
	case IS_LINKED: return is_linked(p, l->who[0]);
	case IS_UP:
	case IS_DOWN: return (l->who[0] == WHO_BROKER ? house_is_up(p->sim->house) : p->sim->posts[l->who[0]].node != NULL) == (l->verb == IS_UP);
	default: break;
	}
	MUST(!"an event that is so");
	return false;
}

/* Claims count from the event before them on. */
static void
look(struct play *p, uint64_t now)
{
	for (uint32_t i = 0; i < p->next; i++) {
		const struct scenario_line *l = &p->text->lines[i];

		if (l->when == WHEN_EVENT || p->held[i])
			continue;
		if (l->when == WHEN_AT && now < l->at_ms)
			continue;
		if (l->when == WHEN_NEVER) {
			if (is_so(p, l))
				wrong(p, l, "it is so");
			continue;
		}
		p->held[i] = is_so(p, l);
		if (!p->held[i] && now >= l->at_ms)
			wrong(p, l, l->when == WHEN_AT ? "it is not so" : "it was not so by then");
	}
}

static bool
claims_open(const struct play *p)
{
	for (uint32_t i = 0; i < p->text->count; i++)
		if ((p->text->lines[i].when == WHEN_WITHIN || p->text->lines[i].when == WHEN_AT) && !p->held[i])
			return true;
	return false;
}

static void
play_until(struct play *p, uint64_t end)
{
	while (!p->sim->broken && clocks_true() < end) {
		uint64_t next = clocks_true() + LOOK_MS - clocks_true() % LOOK_MS;

		sim_run_until(p->sim, next < end ? next : end);
		look(p, clocks_true());
	}
}

static void
play(struct play *p)
{
	while (!p->sim->broken && p->next < p->text->count) {
		const struct scenario_line *l = &p->text->lines[p->next];

		if (l->when == WHEN_EVENT) {
			play_until(p, l->at_ms);
			if (!p->sim->broken)
				happen(p, l);
		}
		p->next++;
		look(p, clocks_true());
	}
	while (!p->sim->broken && claims_open(p))
		play_until(p, clocks_true() + LOOK_MS);
	if (!p->sim->broken)
		sim_drain(p->sim);
	look(p, clocks_true()); /* what must never be */
}

void
scenario_run(struct sim_result *out, const struct sim_options *o, const struct scenario *scenario, const char *name)
{
	struct sim s = {.options = *o};
	struct play p = {.sim = &s, .text = scenario, .name = name};

	sim_begin(&s);
	play(&p);
	sim_end(out, &s);
}
