/* handout: see its header. */
#include "broker/net/handout.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "audit/trail_copy.h"
#include "backup/manifest.h"
#include "base/log.h"

#define STORE_FILE "data.mdb"
#define PIPE_BYTES (1024 * 1024)
#define N(v) ((unsigned long long)(v))

struct handout {
	char token[BACKUP_TOKEN_LEN + 1];
	struct trail_copy trail;
	int from;                        /* of the pipe; -1: closed */
	uint32_t file;                   /* which is handed out: 0 the store, then the trail's */
	uint64_t place;                  /* within it */
	uint64_t bytes;                  /* in all */
	uint64_t begun_ms, asked_ms;     /* monotonic */
	bool over;                       /* nobody gets any more of it */
	bool joined;
	pthread_t thread;
	/* the thread's until ended */
	struct store *store;
	int to;
	enum kw_err err;
	struct kw_why why;
	atomic_bool ended;
};

/* ---- the thread ---- */

static void *
copy(void *self)
{
	struct handout *h = self;

	(void)prctl(PR_SET_NAME, "backup");
	h->err = h->store->ops->copy(h->store, h->to, &h->why);
	(void)close(h->to);
	atomic_store(&h->ended, true);
	return NULL;
}

static enum kw_err
begin_thread(struct handout *h, struct kw_why *why)
{
	sigset_t all, before;
	int pipes[2], rc;

	if (pipe2(pipes, O_CLOEXEC) != 0)
		return kw_refuse(why, KW_EIO, "the copy cannot begin: %s", strerror(errno));
	(void)fcntl(pipes[0], F_SETFL, O_NONBLOCK); /* the other end waits */
	(void)fcntl(pipes[0], F_SETPIPE_SZ, PIPE_BYTES);
	h->from = pipes[0];
	h->to = pipes[1];
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the main thread's */
	rc = pthread_create(&h->thread, NULL, copy, h);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc == 0)
		return KW_OK;
	(void)close(h->to);
	h->joined = true;
	return kw_refuse(why, KW_ENOMEM, "no thread for the copy: %s", strerror(rc));
}

static void
close_pipe(struct handout *h)
{
	if (h->from >= 0)
		(void)close(h->from);
	h->from = -1;
}

static void
join(struct handout *h)
{
	if (!h->joined)
		(void)pthread_join(h->thread, NULL);
	h->joined = true;
}

/* ---- begin ---- */

static json_t *
about(const struct relay *r)
{
	const struct relay_parts *p = relay_parts_of(r);
	const struct agreement *a = core_agreement(p->core);
	json_t *tails = json_object();

	for (int lane = 0; lane < KW_LANES; lane++)
		(void)json_object_set_new(tails, lane_name((enum lane)lane), json_integer((json_int_t)core_tail(p->core, (enum lane)lane)));
	return json_pack("{s:s, s:s, s:s, s:s, s:i, s:i, s:i, s:I, s:o}", "software", "kurzweg-broker " KW_VERSION, "partnership", agreement_partnership(a), "kind",
	                 agreement_mode(a) == MODE_LIVE ? "live" : "exercise", "name", agreement_broker(a)->name, "format", (int)p->store->ops->format, "agreement",
	                 (int)agreement_version(a), "log_epoch", (int)core_log_epoch(p->core), "commit", (json_int_t)core_commit_number(p->core), "holds_at_least", tails);
}

static json_t *
files(const struct handout *h, uint64_t store_bytes)
{
	json_t *list = json_array();
	char name[TRAIL_COPY_NAME_MAX];

	(void)json_array_append_new(list, json_pack("{s:s, s:I}", "name", STORE_FILE, "bytes", (json_int_t)store_bytes));
	for (uint32_t i = 0; i < h->trail.years.count; i++) {
		trail_copy_name(name, &h->trail, i);
		(void)json_array_append_new(list, json_pack("{s:s, s:I}", "name", name, "bytes", (json_int_t)h->trail.bytes[i]));
	}
	return list;
}

static enum kw_err
put_begun(struct buf *out, const struct handout *h, const struct relay *r, uint64_t wall_ms, struct kw_why *why)
{
	const struct relay_parts *p = relay_parts_of(r);
	struct store_sizes sizes;
	json_t *doc;
	char *text = NULL;

	p->store->ops->sizes(p->store, &sizes);
	doc = json_pack("{s:s, s:s, s:I, s:o, s:o}", "backup", h->token, "of", backup_of_name(BACKUP_OF_BROKER), "made_ms", (json_int_t)wall_ms, "about", about(r), "files",
	                files(h, sizes.used_bytes));
	if (doc != NULL)
		text = json_dumps(doc, JSON_COMPACT);
	json_decref(doc);
	if (text != NULL)
		buf_put_str(out, text);
	free(text);
	return text != NULL && buf_ok(out) ? KW_OK : kw_refuse(why, KW_ENOMEM, "the broker is short of memory");
}

enum kw_err
handout_begin(struct handout **out, struct buf *answer, const struct relay *r, uint64_t wall_ms, uint64_t mono_ms, struct kw_why *why)
{
	const struct relay_parts *p = relay_parts_of(r);
	struct handout *h = calloc(1, sizeof *h);
	enum kw_err err;

	if (h == NULL)
		return kw_refuse(why, KW_ENOMEM, "the broker is short of memory");
	h->store = p->store;
	h->from = -1;
	h->joined = true;
	h->begun_ms = h->asked_ms = mono_ms;
	backup_token(h->token);
	if (p->store->ops->copy == NULL || core_agreement(p->core) == NULL)
		err = kw_refuse(why, KW_ESTATE, "this store cannot be copied while it is used");
	else if ((err = audit_book_copy(&h->trail, p->book, wall_ms, why)) == KW_OK && (err = put_begun(answer, h, r, wall_ms, why)) == KW_OK) {
		h->joined = false;
		err = begin_thread(h, why);
	}
	if (err != KW_OK) {
		handout_free(&h);
		return err;
	}
	log_event(LOG_NOTICE, "backup.begun", "by=control");
	*out = h;
	return KW_OK;
}

/* ---- pieces ---- */

static enum kw_err
failed(struct handout *h, enum kw_err err, const struct kw_why *why)
{
	log_event(LOG_WARNING, "backup.failed", "by=control bytes=%llu why=\"%s\"", N(h->bytes), why->text);
	h->over = true;
	close_pipe(h);
	return err;
}

/* What is in the pipe by now. */
static enum kw_err
take_from_pipe(enum backup_piece *kind, struct buf *out, struct handout *h, struct kw_why *why)
{
	size_t before = out->len;
	bool closed = false;

	while (out->len - before < BACKUP_PIECE) {
		size_t room = BACKUP_PIECE - (out->len - before);
		uint8_t *at = buf_reserve(out, room);
		ssize_t n;

		if (at == NULL)
			return kw_refuse(why, KW_ENOMEM, "the broker is short of memory");
		n = read(h->from, at, room);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			return kw_refuse(why, KW_EIO, "the copy cannot be read: %s", strerror(errno));
		closed = n == 0;
		if (n <= 0)
			break;
		buf_commit(out, (size_t)n);
	}
	*kind = out->len > before ? PIECE_BYTES : closed ? PIECE_OVER : PIECE_LATER;
	if (*kind != PIECE_OVER)
		return KW_OK;
	join(h);
	close_pipe(h);
	if (h->err != KW_OK && why != NULL)
		*why = h->why;
	return h->err;
}

static enum kw_err
take_from_trail(enum backup_piece *kind, struct buf *out, struct handout *h, struct kw_why *why)
{
	size_t before = out->len;
	enum kw_err err = trail_copy_read(out, &h->trail, h->file - 1, h->place, BACKUP_PIECE, why);

	*kind = out->len > before ? PIECE_BYTES : PIECE_OVER;
	return err;
}

static enum kw_err
check_turn(const struct handout *h, const struct backup_ask *a, struct kw_why *why)
{
	if (h->over || strcmp(a->backup, h->token) != 0)
		return kw_refuse(why, KW_ESTATE, "this backup is not being made any more; begin another");
	if (a->step == BACKUP_NEXT && (a->file != h->file || a->place != h->place || h->file > h->trail.years.count))
		return kw_refuse(why, KW_ESTATE, "the pieces of a backup are taken in their order");
	return KW_OK;
}

enum kw_err
handout_next(struct buf *answer, struct handout *h, const struct backup_ask *a, uint64_t mono_ms, struct kw_why *why)
{
	size_t kind_at = answer->len, before;
	enum backup_piece kind = PIECE_LATER;
	enum kw_err err = check_turn(h, a, why);

	if (err != KW_OK)
		return err;
	h->asked_ms = mono_ms;
	buf_put_u8(answer, 0);
	before = answer->len;
	err = h->file == 0 ? take_from_pipe(&kind, answer, h, why) : take_from_trail(&kind, answer, h, why);
	if (err == KW_OK && !buf_ok(answer))
		err = kw_refuse(why, KW_ENOMEM, "the broker is short of memory");
	if (err != KW_OK)
		return failed(h, err, why);
	answer->p[kind_at] = (uint8_t)kind;
	h->place += answer->len - before;
	h->bytes += answer->len - before;
	if (kind == PIECE_OVER) {
		h->file++;
		h->place = 0;
	}
	return KW_OK;
}

/* ---- its end ---- */

enum kw_err
handout_end(struct handout *h, const struct backup_ask *a, uint64_t mono_ms, struct kw_why *why)
{
	struct kw_why gave_up;
	enum kw_err err = check_turn(h, a, why);

	if (err != KW_OK)
		return err;
	if (a->step == BACKUP_END && h->file <= h->trail.years.count)
		return kw_refuse(why, KW_ESTATE, "not all of the backup was taken");
	if (a->step == BACKUP_END)
		log_event(LOG_NOTICE, "backup.done", "by=control bytes=%llu took_ms=%llu", N(h->bytes), N(mono_ms - h->begun_ms));
	else
		(void)failed(h, kw_refuse(&gave_up, KW_ESTATE, "who asked for it gave it up"), &gave_up);
	h->over = true;
	close_pipe(h);
	return KW_OK;
}

uint64_t handout_bytes(const struct handout *h) { return h->bytes; }

void
handout_tick(struct handout **handout, uint64_t mono_ms)
{
	struct handout *h = *handout;
	struct kw_why why;

	if (h == NULL)
		return;
	if (!h->over && mono_ms - h->asked_ms >= BACKUP_QUIET_MS)
		(void)failed(h, kw_refuse(&why, KW_ETIMEOUT, "who asked for it is gone"), &why);
	if (h->over && (h->joined || atomic_load(&h->ended)))
		handout_free(handout);
}

void
handout_free(struct handout **handout)
{
	struct handout *h = *handout;

	if (h == NULL)
		return;
	close_pipe(h);
	join(h);
	free(h);
	*handout = NULL;
}
