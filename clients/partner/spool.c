/* spool: the stages of a look through it, in the node's loop. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "clients/partner/spool_parts.h"

/* ---- from stage to stage ---- */

static void
rest(struct spool *s, uint64_t wait_ms)
{
	walk_close(&s->walk);
	spool_files_drop(s);
	spool_places_close(&s->places);
	s->stage = SPOOL_RESTING;
	s->looked_ms = node_mono_ms(s->node);
	s->due_ms = s->looked_ms + wait_ms;
	s->later = wait_ms == SPOOL_LATER_MS;
	if (s->woken_ms < s->due_ms && !s->later)
		s->due_ms = s->woken_ms;
	s->woken_ms = UINT64_MAX;
	if (s->trouble[0] != '\0')
		node_alarm(s->node, "spool", "%s", s->trouble);
	else
		node_alarm_clear(s->node, "spool");
}

static void
go_to(struct spool *s, enum spool_stage stage)
{
	enum kw_err err;

	s->stage = stage;
	err = stage == SPOOL_PURGING ? spool_purge_begin(s, false) : spool_look_begin(s);
	if (err == KW_OK)
		return;
	spool_trouble(s, "the spool %s cannot be looked through: %s", s->path, kw_err_text(err));
	rest(s, SPOOL_AGAIN_MS);
}

/* Opened anew for each look, so that a file system that is mounted later, or is gone, is noticed. */
static void
begin(struct spool *s)
{
	struct kw_why why;

	s->trouble[0] = '\0';
	if (spool_places_open(&s->places, s->path, &why) != KW_OK) {
		spool_trouble(s, "%s", why.text);
		rest(s, SPOOL_AGAIN_MS);
		return;
	}
	go_to(s, s->left ? SPOOL_LEFT : SPOOL_LOOKING);
}

static void
found(struct spool *s)
{
	s->after_taking = s->stage;
	if (s->stage == SPOOL_LEFT)
		s->left = s->cut; /* unless something of it stays */
	s->stage = SPOOL_TAKING;
}

/* .taking is empty: whatever is remembered of files in it lies in sent/. */
static void
nothing_left(struct spool *s)
{
	struct kw_why why;

	if (desk_spool_forget(s->node, NULL, &why) == KW_OK)
		return;
	spool_trouble(s, "%s", why.text);
	s->left = true;
}

static void
all_taken(struct spool *s)
{
	if (s->after_taking == SPOOL_LEFT) {
		if (!s->left && s->trouble[0] == '\0')
			nothing_left(s);
		else
			s->left = true;
		if (s->cut)
			rest(s, SPOOL_PAUSE_MS);
		else
			go_to(s, SPOOL_LOOKING);
		return;
	}
	if (node_mono_ms(s->node) >= s->purge_ms) {
		s->purge_ms = node_mono_ms(s->node) + SPOOL_PURGE_MS;
		go_to(s, SPOOL_PURGING);
		return;
	}
	rest(s, s->cut ? SPOOL_PAUSE_MS : s->unquiet > 0 ? SPOOL_SOON_MS : SPOOL_AGAIN_MS);
}

static void
take(struct spool *s)
{
	if (s->next == s->count)
		all_taken(s);
	else if (spool_take_some(s) == SPOOL_LATER)
		rest(s, SPOOL_LATER_MS);
}

static void
purge(struct spool *s)
{
	if (!spool_purge_on(s))
		return;
	if (!s->purge_failed && spool_purge_begin(s, true) == KW_OK)
		return;
	rest(s, s->cut ? SPOOL_PAUSE_MS : s->unquiet > 0 ? SPOOL_SOON_MS : SPOOL_AGAIN_MS);
}

static void
fire(void *self, uint64_t mono_ms)
{
	struct spool *s = self;

	(void)mono_ms;
	switch (s->stage) {
	case SPOOL_RESTING:
		begin(s);
		break;
	case SPOOL_LEFT:
	case SPOOL_LOOKING:
		if (spool_look_on(s))
			found(s);
		break;
	case SPOOL_TAKING:
		take(s);
		break;
	case SPOOL_PURGING:
		purge(s);
		break;
	}
}

static uint64_t
wake_ms(void *self)
{
	const struct spool *s = self;

	return s->path == NULL ? UINT64_MAX : s->stage == SPOOL_RESTING ? s->due_ms : 0;
}

static void
woken(void *self, bool whole)
{
	struct spool *s = self;
	uint64_t now = node_mono_ms(s->node), soon = s->looked_ms + SPOOL_PAUSE_MS, at = !whole ? now + SPOOL_QUIET_MS : soon > now ? soon : now;

	if (s->stage != SPOOL_RESTING) {
		if (at < s->woken_ms)
			s->woken_ms = at;
	} else if (at < s->due_ms && !s->later) {
		s->due_ms = at;
	}
}

/* ---- status ---- */

static json_t *
report(void *self)
{
	const struct spool *s = self;

	if (s->path == NULL)
		return NULL;
	return json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:s}", "folder", s->path, "trouble", s->trouble, "waiting", (json_int_t)s->waiting, "sent", (json_int_t)s->sent,
	                 "failed", (json_int_t)s->failed, "purged", (json_int_t)s->purged, "last_failed", s->last_failed);
}

/* ---- start and end ---- */

static void
watch(struct spool *s)
{
	if (s->path != NULL && spool_watch_open(&s->watch, s->node, woken, s) != KW_OK)
		log_event(LOG_WARNING, "spool.unwatched", "why=\"no inotify; it is looked at every %u s\"", SPOOL_AGAIN_MS / 1000);
}

static enum kw_err
hang_in(struct spool *s, struct kw_why *why)
{
	struct node_timer timer = {wake_ms, fire, s};

	if (node_add_timer(s->node, &timer) != KW_OK || node_add_report(s->node, "spool", report, s) != KW_OK)
		return kw_refuse(why, KW_ELIMIT, "too much hangs in the node's loop already for the spool");
	watch(s);
	return KW_OK;
}

enum kw_err
spool_open(struct spool **out, struct node *n, struct kw_why *why)
{
	struct spool *s;
	enum kw_err err;

	*out = NULL;
	if ((s = calloc(1, sizeof *s)) == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for the spool");
	s->node = n;
	s->path = node_config(n)->spool;
	s->places = SPOOL_PLACES_INIT;
	s->left = true;
	s->due_ms = node_mono_ms(n);
	s->woken_ms = UINT64_MAX;
	s->seen = calloc(SPOOL_SEEN_MAX, sizeof *s->seen);
	s->seen_before = calloc(SPOOL_SEEN_MAX, sizeof *s->seen_before);
	if (s->seen == NULL || s->seen_before == NULL)
		err = kw_refuse(why, KW_ENOMEM, "out of memory for the spool");
	else
		err = hang_in(s, why);
	if (err == KW_OK)
		*out = s;
	else
		spool_close(&s);
	return err;
}

void
spool_move(struct spool *s, const char *path)
{
	bool same = path != NULL && s->path != NULL && strcmp(path, s->path) == 0;

	s->path = path;
	if (same)
		return;
	spool_watch_close(&s->watch);
	walk_close(&s->walk);
	spool_files_drop(s);
	spool_places_close(&s->places);
	s->stage = SPOOL_RESTING;
	s->left = true;
	s->later = s->cut = false;
	s->trouble[0] = s->last_failed[0] = '\0';
	s->waiting = s->unquiet = 0;
	s->seen_count = s->seen_before_count = 0;
	s->due_ms = node_mono_ms(s->node);
	s->woken_ms = UINT64_MAX;
	node_alarm_clear(s->node, "spool");
	watch(s);
}

void
spool_close(struct spool **at)
{
	struct spool *s = at != NULL ? *at : NULL;

	if (s == NULL)
		return;
	spool_watch_close(&s->watch);
	walk_close(&s->walk);
	spool_files_drop(s);
	spool_places_close(&s->places);
	free(s->seen);
	free(s->seen_before);
	free(s);
	*at = NULL;
}
