/* spool_batch: some files at a time become notifications, in one transaction, and are put away. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "clients/partner/intake.h"
#include "clients/partner/spool_parts.h"
#include "proto/seal.h"

enum fate {
	FATE_NONE,       /* it is not there any more, or cannot be moved */
	FATE_SENT,
	FATE_REFUSED,
	FATE_LATER,      /* the node takes nothing now */
};

struct taken {
	struct spool_file *file;
	enum fate fate;
	struct buf note;
	char id[37];
	bool settled;
};

struct batch {
	struct spool *s;
	uint32_t count;
	struct taken each[SPOOL_BATCH_FILES];
};

static void
place_of(char out[WALK_PATH_MAX + 256], const struct spool_file *f)
{
	(void)snprintf(out, WALK_PATH_MAX + 256, "%s/%s", f->path, f->name);
}

/* What stands in the way is no fault of the file. */
static bool
for_now(enum kw_err err)
{
	return err == KW_EFULL || err == KW_ENOMEM || err == KW_EIO || err == KW_ECORRUPT || err == KW_ESTATE;
}

static enum fate
refuse(struct taken *t, const struct kw_why *why)
{
	buf_put_str(&t->note, why->text);
	buf_put_str(&t->note, "\n");
	return FATE_REFUSED;
}

/* From the spool into .taking. */
static bool
move(struct spool *s, struct spool_file *f)
{
	struct kw_why why = {{0}};
	enum kw_err err = f->kept ? KW_OK : spool_take(&s->places, f->path, f->name, &why);

	if (err == KW_OK)
		return true;
	if (err == KW_EEXISTS) /* its predecessor is still there; it comes next time */
		s->left = true;
	else if (err != KW_ENOTFOUND)
		spool_trouble(s, "%s", why.text);
	return false;
}

static enum fate
publish(struct taken *t, struct spool *s, struct span content, struct kw_why *why)
{
	char place[WALK_PATH_MAX + 256];
	struct intake in = {.topic = t->file->path, .form = spool_kind_of(t->file->name) == SPOOL_CAP ? INTAKE_CAP : INTAKE_JSON, .content = content, .actor = "spool"};
	struct buf warnings = BUF_INIT(65536);
	uint8_t id[KW_ID_LEN];
	enum kw_err err = intake_publish(s->node, &in, id, &warnings, why);

	place_of(place, t->file);
	if (err == KW_OK) {
		kw_id_text(t->id, id);
		buf_printf(&t->note, "%s\n", t->id);
		buf_put_span(&t->note, buf_span(&warnings));
		err = desk_spool_keep(s->node, place, id, why);
		if (err != KW_OK) /* published and not remembered: together or not at all */
			err = KW_EIO;
	}
	buf_free(&warnings);
	if (err == KW_OK)
		return FATE_SENT;
	return for_now(err) ? FATE_LATER : refuse(t, why);
}

/* An earlier try published it and was interrupted before it was put away. */
static bool
was_published(struct taken *t, struct spool *s, bool *failed, struct kw_why *why)
{
	char place[WALK_PATH_MAX + 256];
	uint8_t id[KW_ID_LEN];
	enum kw_err err;

	*failed = false;
	if (!t->file->kept)
		return false;
	place_of(place, t->file);
	if ((err = desk_spool_find(id, s->node, place, why)) == KW_OK) {
		kw_id_text(t->id, id);
		buf_printf(&t->note, "%s\n", t->id);
	}
	*failed = err != KW_OK && err != KW_ENOTFOUND;
	return err == KW_OK;
}

static enum fate
handle(struct taken *t, struct spool *s, struct kw_why *why)
{
	struct buf content = BUF_INIT(KW_OPENED_MAX);
	enum fate fate;
	enum kw_err err;
	bool failed;

	if (was_published(t, s, &failed, why))
		return FATE_SENT;
	if (failed)
		return FATE_LATER;
	if (!move(s, t->file))
		return FATE_NONE;
	t->file->kept = true;
	if (t->file->path[0] == '\0') {
		(void)kw_refuse(why, KW_EINVAL, "it lay in the spool itself; put it into a folder whose path is its topic, as in alert/flood/%.200s", t->file->name);
		return refuse(t, why);
	}
	if (spool_kind_of(t->file->name) == SPOOL_UNKNOWN) {
		(void)kw_refuse(why, KW_EINVAL, "its name ends neither in .cap.xml nor in .json; rename it to what it is");
		return refuse(t, why);
	}
	content.secret = true;
	err = spool_read(&content, &s->places, t->file->path, t->file->name, why);
	if (err == KW_OK)
		fate = publish(t, s, buf_span(&content), why);
	else if (err == KW_ENOTFOUND)
		fate = FATE_NONE;
	else
		fate = for_now(err) ? FATE_LATER : refuse(t, why);
	buf_free(&content);
	return fate;
}

/* Files are in .taking on disk before the transaction that says so is. */
static bool
sync_taken(const struct batch *b, struct kw_why *why)
{
	for (uint32_t i = 0; i < b->count; i++) {
		const struct spool_file *f = b->each[i].file;

		if (i + 1 < b->count && strcmp(f->path, b->each[i + 1].file->path) == 0)
			continue;
		if (spool_sync_taken(&b->s->places, f->path, why) != KW_OK)
			return false;
	}
	return true;
}

static void
put_away(struct spool *s, struct taken *t)
{
	enum spool_end end = t->fate == FATE_SENT ? SPOOL_SENT : SPOOL_FAILED;
	char place[WALK_PATH_MAX + 256], shown[256], as[256];
	struct kw_why why;
	enum kw_err err;

	place_of(place, t->file);
	spool_shown(shown, place);
	err = buf_text(&t->note) != NULL ? spool_settle(&s->places, end, t->file->path, t->file->name, buf_text(&t->note), clock_wall_ms(), as, &why)
	                                 : kw_refuse(&why, KW_ENOMEM, "out of memory for a file of the spool");
	if (err != KW_OK && err != KW_ENOTFOUND) {
		spool_trouble(s, "%s", why.text);
		s->left = true;
		return;
	}
	t->settled = true;
	if (end == SPOOL_SENT) {
		s->sent++;
		log_event(LOG_INFO, "spool.sent", "file=\"%s\" id=%s", shown, t->id);
		return;
	}
	s->failed++;
	memcpy(s->last_failed, shown, sizeof shown);
	log_event(LOG_WARNING, "spool.failed", "file=\"%s\"", shown);
}

/* Once they lie in sent/ on disk. Until then a new start finds them as published. */
static void
forget(struct batch *b)
{
	struct node *n = b->s->node;
	char place[WALK_PATH_MAX + 256];
	struct kw_why why = {{0}};
	enum kw_err err = KW_OK;
	bool any = false;

	for (uint32_t i = 0; i < b->count && err == KW_OK; i++) {
		const struct taken *t = &b->each[i];

		any = any || (t->fate == FATE_SENT && t->settled);
		if (t->settled)
			err = spool_sync_settled(&b->s->places, t->fate == FATE_SENT ? SPOOL_SENT : SPOOL_FAILED, t->file->path, &why);
	}
	if (err == KW_OK && any)
		err = node_batch_begin(n, &why);
	if (err != KW_OK || !any)
		goto out;
	for (uint32_t i = 0; i < b->count && err == KW_OK; i++) {
		place_of(place, b->each[i].file);
		if (b->each[i].fate == FATE_SENT && b->each[i].settled)
			err = desk_spool_forget(n, place, &why);
	}
	if (err == KW_OK)
		err = node_batch_end(n, &why);
	else
		node_batch_undo(n);
out:
	if (err == KW_OK)
		return;
	spool_trouble(b->s, "%s", why.text);
	b->s->left = true;
}

static void
tell(struct spool *s, uint64_t failed_before)
{
	if (s->failed != failed_before)
		node_alarm(s->node, "spool_failed", "%llu files of the spool were refused since the start, the last is \"%s\"; each lies in failed/ with its reason beside it",
		           (unsigned long long)s->failed, s->last_failed);
}

/* All in one transaction. False: nothing of it happened, and it is tried again later. */
static bool
publish_all(struct batch *b, struct kw_why *why)
{
	struct spool *s = b->s;
	uint64_t end_ms = clock_mono_ms() + SPOOL_BATCH_MS;
	bool later = false;

	if (node_batch_begin(s->node, why) != KW_OK)
		return false;
	while (!later && s->next < s->count && b->count < SPOOL_BATCH_FILES && (b->count == 0 || clock_mono_ms() < end_ms)) {
		struct taken *t = &b->each[b->count++];

		*t = (struct taken){.file = &s->files[s->next++], .note = BUF_INIT(1u << 20)};
		t->fate = handle(t, s, why);
		later = t->fate == FATE_LATER;
	}
	if (!later && sync_taken(b, why))
		return node_batch_end(s->node, why) == KW_OK;
	node_batch_undo(s->node);
	return false;
}

enum spool_batch
spool_take_some(struct spool *s)
{
	struct batch *b = calloc(1, sizeof *b);
	uint64_t failed = s->failed;
	struct kw_why why = {{0}};
	bool done;

	if (b == NULL)
		return SPOOL_LATER;
	b->s = s;
	done = publish_all(b, &why);
	for (uint32_t i = 0; done && i < b->count; i++)
		if (b->each[i].fate == FATE_SENT || b->each[i].fate == FATE_REFUSED)
			put_away(s, &b->each[i]);
	if (done)
		forget(b);
	else
		node_alarm(s->node, "spool_waits", "files wait in the spool: %s", why.text);
	if (done && b->count > 0)
		node_alarm_clear(s->node, "spool_waits");
	tell(s, failed);
	for (uint32_t i = 0; i < b->count; i++)
		buf_free(&b->each[i].note);
	free(b);
	s->left = s->left || !done;
	return done ? SPOOL_GOES_ON : SPOOL_LATER;
}
