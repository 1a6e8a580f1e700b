/*
 * rival_redis: Redis Streams over RESP2. XADD, answered with the entry's id. Readers in two ways: each a consumer group of its own, so that all get
 * all, which says in one go which entries it has (XACK) and that it waits for more (XREADGROUP); or each by itself, asking for what is behind the
 * last entry that it had (XREAD): the server keeps nothing about it, and has less to do.
 *
 * A reader's answers are arrays within arrays, and one may hold megabytes: they are taken piece by piece, so that no byte is looked at twice.
 */
#include <stdio.h>
#include <string.h>

#include "rival.h"

#define DEPTH_MAX 8u
#define ID_MAX 24u
#define COUNT "256"                     /* entries of one answer at most */

/* Where in an answer of XREADGROUP, [[stream, [[id, [field, value]], …]]], an entry's own pieces stand. */
#define ID_DEPTH 4u
#define VALUE_DEPTH 5u

struct redis {
	uint32_t depth;                 /* arrays that are open */
	uint32_t left[DEPTH_MAX + 1];   /* pieces that each still lacks */
	bool waiting;                   /* for entries: XREADGROUP is under way */
	bool removing;
	bool made;                      /* the reader's group */
	uint32_t owed;                  /* entries delivered and not acknowledged */
	char ids[512][ID_MAX];          /* theirs */
	char last[ID_MAX];              /* of the newest, where only the reader knows */
};

static bool
by_itself(const struct rival *r)
{
	return r->protocol == &rival_redis_xread;
}

static void
put_word(struct rival *r, struct span word)
{
	buf_printf(&r->out, "$%zu\r\n", word.len);
	buf_put_span(&r->out, word);
	buf_put_str(&r->out, "\r\n");
}

static void
put_words(struct rival *r, const char *const *words)
{
	uint32_t count = 0;

	while (words[count] != NULL)
		count++;
	buf_printf(&r->out, "*%u\r\n", count);
	for (uint32_t i = 0; i < count; i++)
		put_word(r, span_str(words[i]));
}

static void
put_read(struct rival *r)
{
	struct redis *s = r->state;
	const char *read[] = {"XREADGROUP", "GROUP", r->name, r->name, "COUNT", COUNT, "BLOCK", "0", "STREAMS", r->run, ">", NULL};
	const char *after[] = {"XREAD", "COUNT", COUNT, "BLOCK", "0", "STREAMS", r->run, s->last[0] != '\0' ? s->last : "0-0", NULL};

	put_words(r, by_itself(r) ? after : read);
	s->waiting = true;
}

static void
begin(struct rival *r)
{
	const char *make[] = {"XGROUP", "CREATE", r->run, r->name, "$", "MKSTREAM", NULL};
	const char *ping[] = {"PING", NULL};

	put_words(r, r->role == RIVAL_READER && !by_itself(r) ? make : ping);
}

/* Groups stay with their stream; who reads by itself goes on behind the last entry that it had. */
static void
again(struct rival *r)
{
	struct redis *s = r->state;
	const char *ping[] = {"PING", NULL};

	s->depth = s->owed = 0;
	s->waiting = false;
	s->made = true;
	put_words(r, ping);
}

static void
publish(struct rival *r, struct span body)
{
	buf_put_str(&r->out, "*5\r\n$4\r\nXADD\r\n");
	put_word(r, span_str(r->run));
	buf_put_str(&r->out, "$1\r\n*\r\n$1\r\nb\r\n");
	put_word(r, body);
}

static void
acknowledge(struct rival *r)
{
	struct redis *s = r->state;

	if (s->owed > 0 && by_itself(r)) {
		memcpy(s->last, s->ids[s->owed - 1], sizeof s->last);
		s->owed = 0;
	}
	if (s->owed > 0) {
		buf_printf(&r->out, "*%u\r\n$4\r\nXACK\r\n", 3 + s->owed);
		put_word(r, span_str(r->run));
		put_word(r, span_str(r->name));
		for (uint32_t i = 0; i < s->owed; i++)
			put_word(r, span_str(s->ids[i]));
		s->owed = 0;
	}
	if (r->role == RIVAL_READER && r->ready && !s->waiting && s->depth == 0)
		put_read(r);
}

static void
remove_stream(struct rival *r)
{
	struct redis *s = r->state;
	const char *unlink[] = {"UNLINK", r->run, NULL};

	r->removed = r->role != RIVAL_OWNER; /* groups go with their stream */
	if (r->removed)
		return;
	s->removing = true;
	put_words(r, unlink);
}

/* ---- receiving ---- */

/* A piece was taken whole: those around it may be whole with it. */
static void
piece_over(struct rival *r)
{
	struct redis *s = r->state;

	while (s->depth > 0 && --s->left[s->depth] == 0)
		s->depth--;
	if (s->depth == 0 && s->waiting && r->ready)
		s->waiting = false;
}

static enum kw_err
on_word(struct rival *r, struct span word, struct kw_why *why)
{
	struct redis *s = r->state;

	if (s->depth == 0) {
		if (r->role == RIVAL_READER || r->role == RIVAL_IDLE)
			return rival_odd(r, "an answer to something else", why);
		rival_answered(r, 1);
		return KW_OK;
	}
	if (s->depth == ID_DEPTH) {
		if (s->owed == sizeof s->ids / sizeof s->ids[0] || word.len >= sizeof s->ids[0])
			return rival_odd(r, "more entries than were asked for, or a longer id than there is", why);
		memcpy(s->ids[s->owed], word.p, word.len);
		s->ids[s->owed++][word.len] = '\0';
	} else if (s->depth == VALUE_DEPTH && s->left[VALUE_DEPTH] == 1) {
		rival_delivered(r, word);
	}
	return KW_OK;
}

static enum kw_err
on_array(struct rival *r, uint64_t count, struct kw_why *why)
{
	struct redis *s = r->state;

	if (s->depth == 0 && (r->role != RIVAL_READER || !s->waiting))
		return rival_odd(r, "an array that nobody asked for", why);
	if (s->depth == DEPTH_MAX || count == 0 || count > UINT32_MAX)
		return rival_odd(r, "an answer that is no stream's entries", why);
	s->left[++s->depth] = (uint32_t)count;
	return KW_OK;
}

static void
on_simple(struct rival *r)
{
	if (r->ready)
		return;
	r->ready = true;
	if (r->role == RIVAL_READER)
		put_read(r);
}

/* How many bytes or pieces follow, behind the letter of a line. */
static bool
number(uint64_t *out, struct span line)
{
	*out = 0;
	if (line.len < 2 || line.len > 10)
		return false;
	for (size_t i = 1; i < line.len; i++) {
		if (line.p[i] < '0' || line.p[i] > '9')
			return false;
		*out = *out * 10 + (uint64_t)(line.p[i] - '0');
	}
	return true;
}

static enum kw_err
take_word(struct rival *r, struct span in, struct span line, size_t *used, struct kw_why *why)
{
	uint64_t len;
	size_t head = *used;
	enum kw_err err;

	*used = 0;
	if (!number(&len, line) || len > RIVAL_UNIT_MAX)
		return rival_odd(r, "a length that is none", why);
	if (in.len - head < len + 2)
		return KW_OK;
	err = on_word(r, span_of(in.p + head, (size_t)len), why);
	if (err == KW_OK) {
		*used = head + (size_t)len + 2;
		piece_over(r);
	}
	return err;
}

static enum kw_err
take(struct rival *r, struct span in, size_t *used, struct kw_why *why)
{
	struct redis *s = r->state;
	struct span line;
	uint64_t count;
	enum kw_err err;

	*used = 0;
	if (!rival_line(in, &line, used))
		return KW_OK;
	switch (line.len > 0 ? line.p[0] : 0) {
	case '-':
		if (!r->ready && line.len > 8 && memcmp(line.p, "-LOADING", 8) == 0) { /* it listens before it has read its log */
			(s->made ? again : begin)(r);
			return KW_OK;
		}
		return rival_refused(r, span_of(line.p + 1, line.len - 1), why);
	case '+':
		on_simple(r);
		return KW_OK;
	case ':': /* how many XACK or UNLINK meant */
		r->removed = s->removing;
		return KW_OK;
	case '$':
		return take_word(r, in, line, used, why);
	case '*':
		err = number(&count, line) ? on_array(r, count, why) : rival_odd(r, "a length that is none", why);
		return err;
	default:
		return rival_odd(r, "a line that begins with no letter of RESP", why);
	}
}

const struct rival_protocol rival_redis_xread = {
	.name = "redis-xread", .state_size = sizeof(struct redis), .begin = begin, .again = again, .take = take, .publish = publish, .acknowledge = acknowledge,
	.remove = remove_stream,
};
const struct rival_protocol rival_redis = {
	.name = "redis", .state_size = sizeof(struct redis), .begin = begin, .again = again, .take = take, .publish = publish, .acknowledge = acknowledge,
	.remove = remove_stream,
};
