/* people: publishing. */
#include "people.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "clients/partner/desk.h"
#include "clocks.h"
#include "oracle.h"
#include "posts.h"
#include "proto/payload.h"
#include "trace.h"

#define BIT(who) (1u << (who))
#define ABOUT_CASES 250u /* of 1,000 steps */
#define RECALLS 40u
#define CANCELS 30u
#define SUBSCRIPTIONS 8u
#define SHORT_LIVED 80u   /* of 1,000 notifications: some are over before they arrive */
#define LIFE_MS (24ull * 3600 * 1000)

/* Whether there is a version under which it must be refused: which one the node has by now is its own affair. */
static bool
may_be_refused(const struct sim *s, enum subject subject, int who, uint32_t to)
{
	for (uint32_t v = 1; v <= s->paper_count; v++)
		if (!papers_may_publish(sim_policy_of(s, v), subject, who) || (to & ~papers_readers(sim_policy_of(s, v), subject, who)) != 0)
			return true;
	return false;
}

static uint32_t
narrowed(struct dice *d, uint32_t readers)
{
	uint32_t some = readers & (uint32_t)dice_u64(d);

	return some != 0 ? some : readers;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

static uint32_t
names_of(char (*to)[KW_NODE_MAX + 1], uint32_t who)
{
	uint32_t n = 0;

	for (int i = 0; i < WHO_COUNT; i++)
		if ((who & BIT(i)) != 0)
			(void)snprintf(to[n++], KW_NODE_MAX + 1, "%s", papers_name(i));
	qsort(to, n, sizeof to[0], by_name);
	return n;
}

#define SUBJECT_TAG 0x1A     /* field 3 of a report, a text */
#define DESCRIPTION_TAG 0x22 /* field 4 */

/* A report as people write it, with "?" for both: their bytes stand side by side. */
static struct span
blank_report(void)
{
	static const char json[] = "{\"category\":\"Security\",\"severity\":\"Minor\",\"subject\":\"?\",\"description\":\"?\","
	                           "\"language\":\"de\",\"observedAt\":\"2026-12-01T09:00:00+01:00\","
	                           "\"handling\":{\"mark\":\"Internal\",\"purpose\":\"danger-prevention\",\"onward\":\"WithConsent\"},"
	                           "\"grading\":{\"source\":\"Reliable\",\"content\":\"Confirmed\",\"completeness\":\"Partial\","
	                           "\"asOf\":\"2026-12-01T09:00:00+01:00\"}}";
	static struct buf report;
	struct kw_why why;

	if (report.len > 0)
		return buf_span(&report);
	report = BUF_INIT(4096);
	if (payload_from_json(&report, PAYLOAD_REPORT, span_str(json), &why) != KW_OK) {
		(void)fprintf(stderr, "the simulation's report: %s\n", why.text);
		MUST(!"a report that is none");
	}
	return buf_span(&report);
}

static void
put_text(struct buf *out, uint8_t tag, const void *text, size_t len)
{
	size_t left = len;

	if (len == 0)
		return; /* left away, as every default */
	buf_put_u8(out, tag);
	for (; left >= 0x80; left >>= 7)
		buf_put_u8(out, (uint8_t)(left | 0x80));
	buf_put_u8(out, (uint8_t)left);
	buf_put(out, text, len);
}

/* A report that is like no other, of a length of its own. */
static void
write_report(struct buf *out, struct dice *d, uint32_t step)
{
	static const uint8_t both[] = {SUBJECT_TAG, 1, '?', DESCRIPTION_TAG, 1, '?'};
	struct span blank = blank_report();
	const uint8_t *at = memmem(blank.p, blank.len, both, sizeof both), *behind;
	char subject[32], description[20000];
	uint32_t len;

	MUST(at != NULL);
	behind = at + sizeof both;
	(void)snprintf(subject, sizeof subject, "step %u", step);
	len = dice_permille(d, 50) ? dice_below(d, sizeof description) : dice_below(d, 400);
	for (uint32_t i = 0; i < len; i++)
		description[i] = (char)('a' + dice_below(d, 26));
	*out = BUF_INIT(1u << 20);
	buf_put(out, blank.p, (size_t)(at - blank.p));
	put_text(out, SUBJECT_TAG, subject, strlen(subject));
	put_text(out, DESCRIPTION_TAG, description, len);
	buf_put(out, behind, (size_t)(blank.p + blank.len - behind));
	MUST(buf_ok(out));
}

void
people_publish(struct sim *s, struct dice *d, const struct people_says *says)
{
	int who = says->who;
	enum subject subject = says->subject;
	struct desk_publish p = {.topic = papers_topic(subject), .payload_type = PAYLOAD_REPORT, .type = TYPE_NOTICE, .take_within_s = says->take_within_s};
	uint32_t readers = papers_readers(sim_policy(s), subject, who), named = 0;
	char to[WHO_COUNT][KW_NODE_MAX + 1];
	uint8_t id[KW_ID_LEN];
	struct buf payload;
	struct kw_why why;
	enum kw_err err;

	if (readers == 0)
		return;
	if (says->cancels == NULL && dice_permille(d, 400)) {
		named = narrowed(d, readers);
		p.to_count = names_of(to, named);
		p.to = to;
	}
	if (says->cancels != NULL) {
		p.type = TYPE_CANCEL;
		p.about.set = true;
		memcpy(p.about.id, says->cancels, KW_ID_LEN);
	}
	write_report(&payload, d, says->step);
	p.payload = buf_span(&payload);
	p.expires_ms = clock_wall_ms() + (!papers_opens_case(subject) && dice_permille(d, SHORT_LIVED) ? 1000ull * dice_between(d, 1, 90) : LIFE_MS);
	p.confirm_at_once = dice_permille(d, 100);
	err = desk_publish(s->posts[who].node, &p, id, &why);
	if (err == KW_OK) {
		s->counts.published++;
		oracle_published(s->oracle, &(struct oracle_published){who, subject, named, id, p.payload, p.expires_ms});
	} else {
		s->counts.refused_at_desk++;
		trace("is refused at the desk: %s", why.text);
		if (err != KW_EFULL && err != KW_EIO && says->cancels == NULL && !may_be_refused(s, subject, who, named))
			sim_broken(s, "%s may publish on %s and is refused at its own desk: %s", papers_name(who), p.topic, why.text);
	}
	buf_free(&payload);
	sim_wake_node(s, who, clocks_true());
}

/* Somebody writes into the configuration what the node reads, all or some of it, and starts it again. */
static void
people_subscribe(struct sim *s, struct dice *d)
{
	int who = (int)dice_below(d, WHO_NODES);

	if (s->posts[who].node == NULL)
		return;
	post_crash(s, who, false);
	post_subscribe(s, who, dice_permille(d, 300) ? UINT32_MAX : (uint32_t)(dice_u64(d) | dice_u64(d)));
	post_start(s, who);
}

void
people_act(struct sim *s, uint32_t step)
{
	struct dice d = dice_of(s->options.seed, 1000000ull + step);
	enum subject subject = (enum subject)dice_below(&d, SUBJECT_DUTY);
	int first = (int)dice_below(&d, WHO_NODES);
	struct dice idle = dice_of(s->options.seed, 2000000ull + step);

	if (dice_permille(&idle, s->options.idle))
		return;
	if (dice_permille(&d, ABOUT_CASES)) {
		people_act_on_cases(s, &d, step);
		return;
	}
	if (dice_permille(&d, RECALLS)) {
		people_recall(s, &d);
		return;
	}
	if (dice_permille(&d, CANCELS)) {
		people_cancel(s, &d, step);
		return;
	}
	if (dice_permille(&d, SUBSCRIPTIONS)) {
		people_subscribe(s, &d);
		return;
	}
	for (int i = 0; i < WHO_NODES; i++) { /* somebody who may and whose node is up */
		int who = (first + i) % WHO_NODES;

		if (!papers_may_publish(sim_policy(s), subject, who) || !post_ready(s, who))
			continue;
		clocks_run_as(who);
		people_publish(s, &d, &(struct people_says){.who = who, .subject = subject, .step = step});
		return;
	}
}
