/* handlers: all of them in the node's loop. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "clients/partner/handlers_parts.h"
#include "clients/partner/program.h"

#define STOP_MS 5000u
#define PASSED_KEPT 1000u /* rows passed by that may be looked at again after a crash */
#define FAILING 3u        /* failures of one notification that are worth an alarm */

static struct desk_place
place_now(const struct handler *h)
{
	return (struct desk_place){h->at.seq, h->at.at, h->at.failures};
}

/* Passing rows by is brought to disk now and then; all else before anything runs. */
static bool
to_be_kept(const struct handler *h, bool all)
{
	struct desk_place p = place_now(h);

	if (h->set_aside != 0 || p.at != h->kept.at || p.failures != h->kept.failures)
		return true;
	return p.seq > h->kept.seq + (all ? 0 : PASSED_KEPT);
}

static enum kw_err
keep_one(struct handler *h)
{
	struct desk_place p = place_now(h);
	enum kw_err err = desk_keep_place(h->all->node, h->config->name, &p);

	if (err != KW_OK || h->set_aside == 0)
		return err;
	return desk_set_aside(h->all->node, h->config->name, h->set_aside, h->how);
}

/* All places in one transaction. False: nothing is on disk, nothing may begin. */
static bool
keep_places(struct handlers *all, bool every)
{
	bool any = false;
	struct kw_why why = {{0}};
	enum kw_err err = KW_OK;

	for (uint32_t i = 0; i < all->count; i++)
		any = any || to_be_kept(all->each[i], every);
	if (!any)
		return true;
	if ((err = node_batch_begin(all->node, &why)) != KW_OK)
		goto failed;
	for (uint32_t i = 0; i < all->count && err == KW_OK; i++)
		if (to_be_kept(all->each[i], true))
			err = keep_one(all->each[i]);
	if (err != KW_OK) {
		node_batch_undo(all->node);
		goto failed;
	}
	if ((err = node_batch_end(all->node, &why)) != KW_OK)
		goto failed;
	for (uint32_t i = 0; i < all->count; i++) {
		all->each[i]->kept = place_now(all->each[i]);
		all->each[i]->set_aside = 0;
	}
	node_alarm_clear(all->node, "handlers");
	return true;
failed:
	node_alarm(all->node, "handlers", "the handlers' places cannot be kept, so none is run: %s", why.text[0] != '\0' ? why.text : kw_err_text(err));
	all->rest_until_ms = node_mono_ms(all->node) + HANDLING_REST_MIN_MS;
	return false;
}

/* ---- alarms, as long as there is a reason ---- */

static void
alarm_set_aside(struct handlers *all)
{
	const struct handler *last = NULL;
	uint64_t count = 0;

	for (uint32_t i = 0; i < all->count; i++) {
		count += all->each[i]->given_up;
		if (all->each[i]->given_up > 0 && (last == NULL || all->each[i]->how_ms >= last->how_ms))
			last = all->each[i];
	}
	if (count > all->given_up_told)
		node_alarm(all->node, "handler_set_aside", "%llu notifications were set aside by handlers since the start, which means they were not handled; the last by \"%s\"; "
		           "\"kurzweg status\" lists them", (unsigned long long)count, last->shown);
	all->given_up_told = count;
}

static void
alarm_if(struct handlers *all, const char *code, bool (*bad)(const struct handler *h), const char *what)
{
	const struct handler *first = NULL;
	uint32_t count = 0;

	for (uint32_t i = 0; i < all->count; i++) {
		if (!bad(all->each[i]))
			continue;
		count++;
		if (first == NULL)
			first = all->each[i];
	}
	if (first == NULL)
		node_alarm_clear(all->node, code);
	else if (count == 1)
		node_alarm(all->node, code, "handler \"%s\" %s: %s", first->shown, what, first->how);
	else
		node_alarm(all->node, code, "%u handlers %s, the first is \"%s\": %s", count, what, first->shown, first->how);
}

static bool
cannot_start(const struct handler *h)
{
	return h->cannot_start;
}

static bool
keeps_failing(const struct handler *h)
{
	return !h->cannot_start && h->at.failures >= FAILING;
}

static void
look_after_alarms(struct handlers *all)
{
	alarm_if(all, "handler_start", cannot_start, "cannot run");
	alarm_if(all, "handler_failing", keeps_failing, "fails again and again");
}

/* ---- the loop ---- */

static bool
nothing_new(const struct handler *h)
{
	return h->at.state == HANDLING_READY && !handler_has_room(h);
}

static void
step(struct handler *h, uint64_t now_ms)
{
	if (h->leaving && h->child == NULL) /* it only waits for its place to be kept */
		return;
	switch (handling_want(&h->at, now_ms)) {
	case HANDLING_SEARCH:
		handler_search(h);
		break;
	case HANDLING_TERM:
		child_signal(h->child, SIGTERM);
		break;
	case HANDLING_KILL:
		child_signal(h->child, SIGKILL);
		break;
	case HANDLING_RUN: /* below, when its beginning is on disk */
	case HANDLING_NOTHING:
		break;
	}
}

static bool
has_ended(const struct handlers *all)
{
	for (uint32_t i = 0; i < all->count; i++)
		if (all->each[i]->ended)
			return true;
	return false;
}

static void
free_handler(struct handler *h)
{
	if (h != NULL)
		config_handler_free(&h->own);
	free(h);
}

/* Those that are gone and rest. */
static void
drop_left(struct handlers *all)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < all->count; i++) {
		if (all->each[i]->leaving && all->each[i]->child == NULL && !to_be_kept(all->each[i], true))
			free_handler(all->each[i]);
		else
			all->each[kept++] = all->each[i];
	}
	all->count = kept;
	if (all->first >= all->count)
		all->first = 0;
}

static void
fire(void *self, uint64_t mono_ms)
{
	struct handlers *all = self;
	bool judged = has_ended(all), leaving = false;

	for (uint32_t i = 0; i < all->count; i++)
		if (all->each[i]->ended)
			(void)handler_finish(all->each[i], 0);
	for (uint32_t i = 0; i < all->count && mono_ms >= all->rest_until_ms; i++)
		step(all->each[i], mono_ms);
	for (uint32_t i = 0; i < all->count; i++)
		leaving = leaving || all->each[i]->leaving;
	if (mono_ms < all->rest_until_ms || !keep_places(all, leaving))
		return;
	if (leaving) {
		drop_left(all);
		look_after_alarms(all);
	}
	for (uint32_t i = 0; i < all->count; i++) {
		struct handler *h = all->each[(all->first + i) % all->count];

		if (h->leaving || h->at.state != HANDLING_READY || !handler_has_room(h))
			continue;
		handler_run(h);
		judged = true;
	}
	if (++all->first >= all->count)
		all->first = 0;
	if (!judged)
		return;
	look_after_alarms(all);
	alarm_set_aside(all);
}

static uint64_t
wake_ms(void *self)
{
	struct handlers *all = self;
	uint64_t wake = UINT64_MAX;

	for (uint32_t i = 0; i < all->count; i++) {
		const struct handler *h = all->each[i];
		uint64_t at = h->ended ? 0 : nothing_new(h) || (h->leaving && h->child == NULL) ? UINT64_MAX : handling_wake_ms(&h->at);

		if (to_be_kept(h, false))
			at = 0;
		if (at < wake)
			wake = at;
	}
	return wake < all->rest_until_ms ? all->rest_until_ms : wake;
}

static void
on_committed(void *self, struct node_change change)
{
	struct handlers *all = self;

	for (uint32_t i = 0; change.inbox && i < all->count; i++)
		handling_news(&all->each[i]->at);
}

/* ---- status ---- */

static json_t *
report_one(const struct handler *h)
{
	char when[TEXT_TIME_MAX];
	json_t *out = json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I}", "name", h->config->name, "topic", h->config->topic, "state",
	                        handling_state_name(h->at.state), "seq", (json_int_t)h->at.seq, "failures", (json_int_t)h->at.failures, "done", (json_int_t)h->done,
	                        "failed", (json_int_t)h->failed, "skipped", (json_int_t)h->skipped, "set_aside", (json_int_t)h->given_up);

	if (out == NULL)
		return NULL;
	(void)json_object_set_new(out, "at", h->at.at != 0 && h->id[0] != '\0' ? json_string(h->id) : json_null());
	if (h->how_ms == 0)
		return out;
	text_put_time_utc(when, h->how_ms);
	(void)json_object_set_new(out, "last_failure", json_pack("{s:s, s:s?, s:s}", "id", h->how_id, "text", h->how, "at", when));
	return out;
}

static json_t *
report(void *self)
{
	const struct handlers *all = self;
	json_t *list = json_array();

	for (uint32_t i = 0; i < all->count; i++)
		(void)json_array_append_new(list, report_one(all->each[i]));
	return list;
}

/* ---- start and end ---- */

static void
name_for_logs(char out[256], const char *name)
{
	struct buf escaped = BUF_INIT(4096);

	text_put_escaped(&escaped, span_str(name), 60);
	(void)snprintf(out, 256, "%s", buf_text(&escaped) != NULL ? buf_text(&escaped) : "?");
	buf_free(&escaped);
}

static enum kw_err
open_one(struct handler *h, struct handlers *all, const struct config_handler *config, struct kw_why *why)
{
	struct kw_why said;
	enum kw_err err;

	h->all = all;
	h->config = config;
	name_for_logs(h->shown, config->name);
	err = desk_place(&h->kept, all->node, config->name);
	if (err == KW_ENOTFOUND) {
		h->kept = (struct desk_place){desk_newest_seq(all->node), 0, 0};
		log_event(LOG_NOTICE, "handler.new", "name=\"%s\" after=%llu", h->shown, (unsigned long long)h->kept.seq);
		err = desk_keep_place(all->node, config->name, &h->kept);
	}
	if (err != KW_OK)
		return kw_refuse(why, err, "the place of handler \"%.100s\" in the inbox cannot be kept: %s", config->name, kw_err_text(err));
	handling_init(&h->at, config->attempts, config->timeout_ms, h->kept.seq, h->kept.at, h->kept.failures);
	if (program_check(config->run[0], &said) == KW_OK)
		return KW_OK;
	h->cannot_start = true;
	(void)snprintf(h->how, sizeof h->how, "%s", said.text);
	h->how_ms = clock_wall_ms();
	return KW_OK;
}

static bool
same_words(char *const a[], char *const b[])
{
	uint32_t i = 0;

	while (a[i] != NULL && b[i] != NULL && strcmp(a[i], b[i]) == 0)
		i++;
	return a[i] == NULL && b[i] == NULL;
}

static bool
is_same(const struct config_handler *a, const struct config_handler *b)
{
	return strcmp(a->topic, b->topic) == 0 && same_words(a->run, b->run) && a->as == b->as && a->cases == b->cases && a->drafts == b->drafts && a->suspensions == b->suspensions &&
	       a->attempts == b->attempts && a->timeout_ms == b->timeout_ms;
}

static struct handler *
named(const struct handlers *all, const char *name)
{
	for (uint32_t i = 0; i < all->count; i++)
		if (strcmp(all->each[i]->config->name, name) == 0)
			return all->each[i];
	return NULL;
}

/* Its own list keeps what a handler says that is not configured any more and whose program still runs. */
static void
leave(struct handler *h, struct config_handler *before)
{
	h->own = *before;
	*before = (struct config_handler){.name = NULL};
	h->config = &h->own;
	h->leaving = true;
}

static void
follow(struct handler *h, const struct config_handler *now)
{
	bool same = is_same(h->config, now);
	struct kw_why said;

	config_handler_free(&h->own);
	h->config = now;
	h->leaving = false;
	if (same)
		return;
	handling_changed(&h->at, now->attempts, now->timeout_ms);
	if (program_check(now->run[0], &said) == KW_OK)
		h->cannot_start = false;
}

enum kw_err
handlers_reload(struct handlers *all, const struct config_handler *now, uint32_t count, struct config_handler *before, uint32_t before_count, struct kw_why *why)
{
	struct handler **each = calloc(all->count + count + 1, sizeof *each);
	uint32_t made = 0;
	enum kw_err err = KW_OK;

	if (each == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for the handlers");
	for (uint32_t i = 0; i < count && err == KW_OK; i++) {
		if (named(all, now[i].name) != NULL)
			continue;
		if ((each[all->count + made] = calloc(1, sizeof **each)) == NULL)
			err = kw_refuse(why, KW_ENOMEM, "out of memory for the handlers");
		else
			err = open_one(each[all->count + made++], all, &now[i], why);
	}
	if (err != KW_OK) {
		for (uint32_t i = 0; i < made; i++)
			free_handler(each[all->count + i]);
		free(each);
		return err;
	}
	for (uint32_t i = 0; i < all->count; i++) {
		each[i] = all->each[i];
		if (!each[i]->leaving)
			each[i]->goes = true;
	}
	for (uint32_t i = 0; i < count; i++) {
		struct handler *h = named(all, now[i].name);

		if (h == NULL)
			continue;
		follow(h, &now[i]);
		h->goes = false;
	}
	for (uint32_t i = 0; i < all->count; i++)
		for (uint32_t k = 0; k < before_count && each[i]->goes; k++)
			if (each[i]->config == &before[k]) {
				leave(each[i], &before[k]);
				each[i]->goes = false;
			}
	free(all->each);
	all->each = each;
	all->count += made;
	drop_left(all);
	look_after_alarms(all);
	return KW_OK;
}

static void
free_all_of(struct handlers *all)
{
	for (uint32_t i = 0; i < all->count; i++)
		free_handler(all->each[i]);
	free(all->each);
	free(all);
}

enum kw_err
handlers_open(struct handlers **out, struct node *n, struct kw_why *why)
{
	const struct partner_config *config = node_config(n);
	struct handlers *all = calloc(1, sizeof *all);
	struct node_timer timer = {wake_ms, fire, all};
	enum kw_err err = KW_OK;

	if (all == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for the handlers");
	all->node = n;
	(void)signal(SIGCHLD, SIG_DFL); /* where whoever started us ignored it, nobody would tell how a program ended */
	if ((err = handlers_reload(all, config->handlers, config->handler_count, NULL, 0, why)) != KW_OK)
		goto free_all;
	if (node_add_timer(n, &timer) != KW_OK || node_on_committed(n, on_committed, all) != KW_OK)
		err = kw_refuse(why, KW_ELIMIT, "too much hangs in the node's loop already for the handlers");
	if (err == KW_OK && node_add_report(n, "handlers", report, all) != KW_OK)
		err = kw_refuse(why, KW_ELIMIT, "too much hangs in the node's status already for the handlers");
	if (err != KW_OK)
		goto free_all;
	*out = all;
	return KW_OK;
free_all:
	free_all_of(all);
	return err;
}

/* All are asked at once, so that the slowest alone is waited for. */
static void
end_all(struct handlers *all)
{
	uint64_t until = clock_mono_ms() + STOP_MS;

	for (uint32_t i = 0; i < all->count; i++)
		if (all->each[i]->child != NULL)
			child_signal(all->each[i]->child, SIGTERM);
	for (uint32_t i = 0; i < all->count; i++) {
		struct handler *h = all->each[i];
		uint64_t now = clock_mono_ms();
		char how[64];
		bool well;

		if (h->child == NULL)
			continue;
		if (child_end(&well, how, h->child, until > now ? (uint32_t)(until - now) : 0) && well)
			(void)handler_finish(h, 0);
		else
			log_event(LOG_NOTICE, "handler.interrupted", "name=\"%s\" id=%s", h->shown, h->id); /* no failure of its own: it is run again */
		child_free(&h->child);
	}
}

void
handlers_close(struct handlers **at)
{
	struct handlers *all = at != NULL ? *at : NULL;

	if (all == NULL)
		return;
	end_all(all);
	(void)keep_places(all, true);
	free_all_of(all);
	*at = NULL;
}
