/* node_backup: see its header. */
#include "clients/partner/node_backup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/trail_copy.h"
#include "backup/manifest.h"
#include "base/clock.h"
#include "base/log.h"
#include "clients/partner/node_audit.h"
#include "clients/partner/node_parts.h"
#include "proto/base64.h"

#define N(v) ((unsigned long long)(v))

struct node_backup {
	char token[BACKUP_TOKEN_LEN + 1];
	struct pstore_copy *store;       /* NULL: all of it was handed out */
	struct trail_copy trail;
	uint32_t file;                   /* which is handed out: 0 the store, then the trail's */
	uint64_t place, bytes;
	uint64_t begun_ms, asked_ms;
	uint64_t made_ms;                /* wall clock */
};

static void
put_dump(struct buf *out, json_t *doc)
{
	char *text = doc != NULL ? json_dumps(doc, JSON_COMPACT) : NULL;

	json_decref(doc);
	if (text != NULL)
		buf_put_str(out, text);
	else
		out->failed = true;
	free(text);
}

static enum kw_err
whole(const struct buf *out, struct kw_why *why)
{
	return buf_ok(out) ? KW_OK : kw_refuse(why, KW_ENOMEM, "out of memory for an answer");
}

/* ---- begin ---- */

static json_t *
about(const struct node *n)
{
	const struct agreement *a = node_agreement(n);
	json_t *read = json_object();

	for (int lane = 0; lane < KW_LANES; lane++)
		(void)json_object_set_new(read, lane_name((enum lane)lane), json_integer((json_int_t)n->cursor[lane].number));
	return json_pack("{s:s, s:s, s:s, s:s, s:i, s:i, s:i, s:I, s:I, s:o}", "software", "kurzweg-partner " KW_VERSION, "partnership", agreement_partnership(a), "kind",
	                 agreement_mode(a) == MODE_LIVE ? "live" : "exercise", "name", n->id, "format", (int)pstore_version(), "agreement", (int)agreement_version(a), "log_epoch",
	                 (int)n->log_epoch, "sender_epoch", (json_int_t)n->sender_epoch, "inbox", (json_int_t)n->newest_seq, "read", read);
}

static json_t *
files(const struct node_backup *b)
{
	json_t *list = json_array();
	char name[TRAIL_COPY_NAME_MAX];

	(void)json_array_append_new(list, json_pack("{s:s, s:I}", "name", "partner.db", "bytes", (json_int_t)pstore_copy_bytes(b->store)));
	for (uint32_t i = 0; i < b->trail.years.count; i++) {
		trail_copy_name(name, &b->trail, i);
		(void)json_array_append_new(list, json_pack("{s:s, s:I}", "name", name, "bytes", (json_int_t)b->trail.bytes[i]));
	}
	return list;
}

/* It gives out all that there is, so it is not given where that cannot be recorded. */
static enum kw_err
begin(struct buf *out, struct node *n, const char *as, const char *reason, struct kw_why *why)
{
	struct audit_record r = {.event = "backup", .actor = "local", .as = as, .reason = reason};
	struct node_backup *b;
	enum kw_err err;

	if (n->backup != NULL)
		return kw_refuse(why, KW_ESTATE, "a backup of this node is being made just now; begin when it is done, or a minute after it was interrupted");
	if (pstore_in_transaction(n->store))
		return kw_refuse(why, KW_ESTATE, "the node is writing just now; begin again");
	if ((b = calloc(1, sizeof *b)) == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for a backup");
	n->backup = b;
	backup_token(b->token);
	b->begun_ms = b->asked_ms = n->mono_ms;
	b->made_ms = clock_wall_ms();
	if ((err = node_audit(n, &r, true, why)) == KW_OK && n->trail != NULL)
		err = trail_copy_begin(&b->trail, n->trail, clock_wall_ms(), why);
	if (err == KW_OK)
		err = pstore_copy_begin(&b->store, n->store, why);
	if (err == KW_OK) {
		put_dump(out, json_pack("{s:s, s:s, s:I, s:o, s:o}", "backup", b->token, "of", backup_of_name(BACKUP_OF_NODE), "made_ms", (json_int_t)b->made_ms, "about", about(n), "files", files(b)));
		err = whole(out, why);
	}
	if (err != KW_OK)
		node_backup_drop(n);
	else
		log_event(LOG_NOTICE, "backup.begun", "by=local");
	return err;
}

/* ---- pieces ---- */

static enum kw_err
failed(struct node *n, enum kw_err err, const struct kw_why *why)
{
	log_event(LOG_WARNING, "backup.failed", "by=local bytes=%llu why=\"%s\"", N(n->backup->bytes), why->text);
	node_backup_drop(n);
	return err;
}

static enum kw_err
check_turn(const struct node_backup *b, const struct backup_ask *a, struct kw_why *why)
{
	if (b == NULL || strcmp(a->backup, b->token) != 0)
		return kw_refuse(why, KW_ESTATE, "this backup is not being made any more; begin another");
	if (a->step == BACKUP_NEXT && (a->file != b->file || a->place != b->place || b->file > b->trail.years.count))
		return kw_refuse(why, KW_ESTATE, "the pieces of a backup are taken in their order");
	if (a->step == BACKUP_END && b->file <= b->trail.years.count)
		return kw_refuse(why, KW_ESTATE, "not all of the backup was taken");
	return KW_OK;
}

static void
put_piece(struct buf *out, struct span piece)
{
	buf_put_str(out, piece.len > 0 ? "{\"piece\":\"bytes\",\"bytes\":\"" : "{\"piece\":\"over\"}");
	if (piece.len == 0)
		return;
	base64_encode(out, piece);
	buf_put_str(out, "\"}");
}

/* The store is let go as soon as its last byte is out: until then SQLite's log grows. */
static enum kw_err
next(struct buf *out, struct node *n, struct kw_why *why)
{
	struct node_backup *b = n->backup;
	struct buf piece = BUF_INIT(BACKUP_PIECE);
	enum kw_err err;

	b->asked_ms = n->mono_ms;
	err = b->file == 0 ? pstore_copy_read(&piece, b->store, b->place, BACKUP_PIECE, why) : trail_copy_read(&piece, &b->trail, b->file - 1, b->place, BACKUP_PIECE, why);
	if (err == KW_OK) {
		put_piece(out, buf_span(&piece));
		err = whole(out, why);
	}
	if (err != KW_OK) {
		buf_free(&piece);
		return failed(n, err, why);
	}
	b->place += piece.len;
	b->bytes += piece.len;
	if (piece.len == 0) {
		pstore_copy_end(&b->store);
		b->file++;
		b->place = 0;
	}
	buf_free(&piece);
	return KW_OK;
}

/* Status tells it, from now on and after a new start. */
static void
done(struct node *n)
{
	const struct node_backup *b = n->backup;
	struct kw_why why;

	log_event(LOG_NOTICE, "backup.done", "by=local bytes=%llu took_ms=%llu", N(b->bytes), N(n->mono_ms - b->begun_ms));
	n->backup_last = (struct backup_last){b->made_ms, b->bytes};
	if (backup_last_write(&n->backup_last, n->config->state, &why) != KW_OK)
		log_event(LOG_WARNING, "backup.not_noted", "why=\"%s\"", why.text);
	node_backup_drop(n);
}

enum kw_err
node_backup_ask(struct buf *out, struct node *n, const struct backup_ask *a, const char *as, const char *reason, struct kw_why *why)
{
	struct kw_why gave_up;
	enum kw_err err;

	if (a->step == BACKUP_BEGIN)
		return begin(out, n, as, reason, why);
	if ((err = check_turn(n->backup, a, why)) != KW_OK)
		return err;
	if (a->step == BACKUP_NEXT)
		return next(out, n, why);
	if (a->step == BACKUP_END) {
		done(n);
	} else {
		(void)failed(n, kw_refuse(&gave_up, KW_ESTATE, "who asked for it gave it up"), &gave_up);
	}
	buf_put_str(out, "{}");
	return whole(out, why);
}

void
node_backup_tick(struct node *n)
{
	struct kw_why why;

	if (n->backup != NULL && n->mono_ms - n->backup->asked_ms >= BACKUP_QUIET_MS)
		(void)failed(n, kw_refuse(&why, KW_ETIMEOUT, "who asked for it is gone"), &why);
}

void
node_backup_drop(struct node *n)
{
	if (n->backup == NULL)
		return;
	pstore_copy_end(&n->backup->store);
	free(n->backup);
	n->backup = NULL;
}

/* ---- restored ---- */

enum kw_err
node_restored_look(struct node *n, struct kw_why *why)
{
	return restored_look(&n->restored, n->config->state, BACKUP_OF_NODE, why);
}

enum kw_err
node_restored_begin(struct node *n, struct kw_why *why)
{
	uint64_t epoch = n->wall_ms > n->sender_epoch ? n->wall_ms : n->sender_epoch + 1;
	enum kw_err err;

	if (!n->restored.there)
		return KW_OK;
	if ((err = pstore_begin(n->store, why)) != KW_OK)
		return err;
	if ((err = pstore_set_value(n->store, VALUE_SENDER_EPOCH, epoch, why)) != KW_OK || (err = pstore_forget_numbers(n->store, why)) != KW_OK || (err = pstore_commit(n->store, why)) != KW_OK) {
		pstore_rollback(n->store);
		return err;
	}
	n->sender_epoch = epoch;
	node_alarm(n, "restored", "this node's store was restored from a backup of %s: what came after that comes again as far as the broker still has it, and what is sent is counted anew, in sender epoch %llu",
	           n->restored.made, N(epoch));
	return KW_OK;
}

void
node_restored_told(struct node *n)
{
	struct audit_record r = {.event = "restored", .actor = "daemon", .object = n->restored.made};
	struct kw_why why;

	if (!n->restored.there)
		return;
	log_event(LOG_WARNING, "store.restored", "made=%s what=\"the store is that of a backup; it counts what it sends anew\"", n->restored.made);
	if (node_audit(n, &r, true, &why) == KW_OK && restored_told(n->config->state, &why) == KW_OK)
		return;
	log_event(LOG_WARNING, "store.restored_mark", "why=\"%s\"", why.text);
}
