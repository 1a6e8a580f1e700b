/*
 * follow: see its header. Silence must mean that nothing happened: so a node that does not answer, a link that is down and
 * what the node complains of are told, on standard error, once each, and when they are over.
 */
#include "clients/cli/follow.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "clients/cli/look.h"
#include "clients/cli/notice.h"
#include "clients/cli/when.h"

#define LOOK_MS 3000u  /* how often the node is asked how things stand */
#define AGAIN_MS 1000u /* between two tries of a node that does not answer */
#define ANSWER_MS 5000u /* so long a node's silence is not told */
#define ALARMS_MAX 32

struct following {
	const struct cli *c;
	kurzweg *k;
	bool json, silent, down;
	uint64_t looked_mono_ms;
	size_t alarm_count;
	char alarms[ALARMS_MAX][600]; /* those that were told */
};

/* A line of the watch: time and sentence; bad ones ring. */
static void
tell(const struct following *f, bool bad, const char *sentence)
{
	char when[WHEN_MAX];
	uint64_t now = clock_wall_ms();

	when_put(when, now, now);
	(void)fflush(stdout);
	if (bad && f->c->bell && !f->json)
		(void)fprintf(stderr, "\a");
	if (bad)
		cli_warn(f->c, "%s %s", when, sentence);
	else
		cli_note(f->c, "%s %s", when, sentence);
}

static void
look_at_link(struct following *f, const json_t *status)
{
	bool down = strcmp(look_text(status, "link.state"), "ready") != 0;

	if (down == f->down)
		return;
	f->down = down;
	tell(f, down, down ? _("The link to the broker is down: nothing new can come until it is up again.") : _("The link to the broker is up again."));
}

static bool
was_told(const struct following *f, const char *text)
{
	for (size_t i = 0; i < f->alarm_count; i++)
		if (strcmp(f->alarms[i], text) == 0)
			return true;
	return false;
}

static void
look_at_alarms(struct following *f, const json_t *status)
{
	json_t *alarm;
	size_t i;

	json_array_foreach(look_at(status, "alarms"), i, alarm) {
		char text[600];

		(void)snprintf(text, sizeof text, "%s", look_text(alarm, "text"));
		if (was_told(f, text))
			continue;
		if (f->alarm_count == ALARMS_MAX) /* the oldest gives way; told again at the worst */
			memmove(f->alarms[0], f->alarms[1], (ALARMS_MAX - 1) * sizeof f->alarms[0]);
		else
			f->alarm_count++;
		memcpy(f->alarms[f->alarm_count - 1], text, sizeof text);
		tell(f, true, text);
	}
}

/* How things stand; says nothing of a node that is silent, which the next look at the inbox finds. */
static void
look(struct following *f)
{
	uint64_t now = clock_mono_ms();
	char *text = NULL;
	json_t *status;

	if (f->looked_mono_ms != 0 && now - f->looked_mono_ms < LOOK_MS)
		return;
	f->looked_mono_ms = now;
	if (kurzweg_status(f->k, &text) != KURZWEG_OK)
		return;
	status = json_loads(text, 0, NULL);
	free(text);
	look_at_link(f, status);
	look_at_alarms(f, status);
	json_decref(status);
}

/* The row that this one is about; NULL: none, or it is not here. */
static json_t *
earlier_of(const struct following *f, const json_t *row)
{
	const struct kurzweg_notification *n = NULL;
	struct kurzweg_query q = KURZWEG_QUERY_INIT;

	q.id = look_text(row, "about");
	return q.id[0] != '\0' && kurzweg_next(f->k, &q, 0, &n) == KURZWEG_OK ? json_loads(n->json, 0, NULL) : NULL;
}

static enum cli_exit
show(const struct following *f, const struct kurzweg_notification *n)
{
	json_t *row, *earlier;

	if (f->json)
		return cli_json_text(f->c, n->json) == CLI_DONE && fflush(stdout) == 0 ? CLI_DONE : CLI_FAILED;
	if ((row = json_loads(n->json, 0, NULL)) == NULL) {
		cli_error(f->c, _("out of memory"));
		return CLI_FAILED;
	}
	earlier = earlier_of(f, row);
	notice_news(f->c, row, earlier, clock_wall_ms());
	json_decref(earlier);
	json_decref(row);
	return ferror(stdout) == 0 ? CLI_DONE : CLI_FAILED;
}

/* The node is gone: said once; it is tried again until it is back. */
static void
wait_for_node(struct following *f)
{
	struct timespec pause = {.tv_sec = AGAIN_MS / 1000, .tv_nsec = (AGAIN_MS % 1000) * 1000000L};

	if (!f->silent)
		tell(f, true, _("The node on this machine does not answer: nothing new is shown until it does. Is kurzweg-partner running?"));
	f->silent = true;
	(void)nanosleep(&pause, NULL);
}

static enum cli_exit
watch(struct following *f, struct kurzweg_query *q)
{
	for (;;) {
		const struct kurzweg_notification *n = NULL;
		enum kurzweg_result r = kurzweg_next(f->k, q, LOOK_MS, &n);
		enum cli_exit code;

		if (r == KURZWEG_SILENT) {
			wait_for_node(f);
			continue;
		}
		if (r != KURZWEG_OK && r != KURZWEG_NOTHING)
			return local_fail(f->c, f->k, r);
		if (f->silent)
			tell(f, false, _("The node answers again."));
		f->silent = false;
		if (r == KURZWEG_OK && f->down)
			f->looked_mono_ms = 0; /* the link is up again: that is told before what came over it */
		if (r == KURZWEG_OK && f->down)
			look(f);
		if (r == KURZWEG_OK && (code = show(f, n)) != CLI_DONE)
			return code;
		look(f);
	}
}

enum cli_exit
follow(const struct cli *c, kurzweg *k, struct kurzweg_query *q, bool json)
{
	struct following *f = calloc(1, sizeof *f);
	enum cli_exit code = CLI_FAILED;
	json_t *status;

	if (f == NULL) {
		cli_error(c, _("out of memory"));
		return CLI_FAILED;
	}
	f->c = c;
	f->k = k;
	f->json = json;
	kurzweg_set_timeout(k, ANSWER_MS);
	if ((status = local_status(c, k, &code)) == NULL)
		goto free_following;
	if (q->since_ms == 0)
		q->after_seq = look_number(status, "inbox.newest");
	cli_note(c, _("%s of %s%s: new ones as they come, until control-C."), look_text(status, "node"), look_text(status, "partnership"),
	         strcmp(look_text(status, "agreement.kind"), "exercise") == 0 ? _(" (EXERCISE)") : "");
	look_at_link(f, status);
	look_at_alarms(f, status);
	f->looked_mono_ms = clock_mono_ms();
	code = watch(f, q);
	json_decref(status);
free_following:
	free(f);
	return code;
}
