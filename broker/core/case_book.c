/* case_book: a table by id, a heap by time, and three lists. */
#include "broker/core/case_book.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS_FIRST 256u
#define SNAPSHOT_FORM 1u

enum kw_err
book_init(struct case_book *b)
{
	for (int lane = 0; lane < KW_LANES; lane++)
		link_init(&b->dirty[lane]);
	link_init(&b->closed);
	b->bucket_count = BUCKETS_FIRST;
	b->buckets = calloc(BUCKETS_FIRST, sizeof *b->buckets);
	return b->buckets != NULL ? KW_OK : KW_ENOMEM;
}

void
book_free(struct case_book *b)
{
	for (uint32_t i = 0; b->buckets != NULL && i < b->bucket_count; i++)
		while (b->buckets[i] != NULL) {
			struct case_rec *r = b->buckets[i];

			b->buckets[i] = r->chain;
			free(r);
		}
	free(b->buckets);
	free(b->heap);
}

/* The random bytes of a UUIDv7 stand at its end (RFC 9562 section 5.7). A sender may choose them: chains are bounded by its own cases. */
static struct case_rec **
bucket(const struct case_book *b, const uint8_t id[KW_ID_LEN])
{
	return &b->buckets[be64_get(id + KW_ID_LEN - 8) % b->bucket_count];
}

struct case_rec *
book_find(const struct case_book *b, const uint8_t id[KW_ID_LEN])
{
	struct case_rec *r = *bucket(b, id);

	while (r != NULL && memcmp(r->k.id, id, KW_ID_LEN) != 0)
		r = r->chain;
	return r;
}

static void
more_buckets(struct case_book *b)
{
	struct case_book wider = *b;

	wider.bucket_count = b->bucket_count * 4 + 1; /* odd: low bits alone do not decide */
	wider.buckets = calloc(wider.bucket_count, sizeof *wider.buckets);
	if (wider.buckets == NULL)
		return; /* slower, not wrong */
	for (uint32_t i = 0; i < b->bucket_count; i++)
		while (b->buckets[i] != NULL) {
			struct case_rec *r = b->buckets[i], **at = bucket(&wider, r->k.id);

			b->buckets[i] = r->chain;
			r->chain = *at;
			*at = r;
		}
	free(b->buckets);
	b->buckets = wider.buckets;
	b->bucket_count = wider.bucket_count;
}

static bool
heap_room(struct case_book *b)
{
	uint32_t cap = b->heap_cap == 0 ? 64 : b->heap_cap * 2;
	struct case_rec **more;

	if (b->open_count + b->closed_count < b->heap_cap)
		return true;
	more = realloc(b->heap, cap * sizeof *more);
	if (more == NULL)
		return false;
	b->heap = more;
	b->heap_cap = cap;
	return true;
}

struct case_rec *
book_add(struct case_book *b, const struct kw_case *k, const char *topic, uint32_t set, uint32_t take_within_s)
{
	size_t len = strlen(topic) + 1;
	struct case_rec *r = heap_room(b) ? calloc(1, sizeof *r + len) : NULL;
	struct case_rec **at;

	if (r == NULL)
		return NULL;
	if (b->open_count + b->closed_count > b->bucket_count)
		more_buckets(b);
	at = bucket(b, k->id);
	r->k = *k;
	r->limit_ms = r->out_ms = UINT64_MAX;
	r->heap_at = CASE_NOT_DUE;
	r->set = set;
	r->take_within_s = take_within_s;
	memcpy(r->topic, topic, len);
	link_init(&r->of_set);
	link_init(&r->dirty);
	link_init(&r->closed);
	r->chain = *at;
	*at = r;
	b->open_count++;
	return r;
}

void
book_remove(struct case_book *b, struct case_rec *r)
{
	struct case_rec **at = bucket(b, r->k.id);

	while (*at != r)
		at = &(*at)->chain;
	*at = r->chain;
	book_due(b, r, UINT64_MAX);
	book_clean(b, r);
	book_hold(b, r, false);
	link_remove(&r->of_set);
	if (link_alone(&r->closed))
		b->open_count--;
	else
		b->closed_count--;
	link_remove(&r->closed);
	free(r);
}

/* In the order of opening; a new one comes last, one that was reopened goes back to its place. */
static void
into_set(struct link *open_of_set, struct case_rec *r)
{
	struct link *after = open_of_set->prev;

	while (after != open_of_set && LINK_OF(after, struct case_rec, of_set)->k.opened > r->k.opened)
		after = after->prev;
	link_append(after->next, &r->of_set);
}

void
book_sort(struct case_book *b, struct case_rec *r, struct link *open_of_set, uint64_t closed_ms)
{
	bool was_open = link_alone(&r->closed), is_open = case_is_open(&r->k);

	if (is_open) {
		if (!was_open) {
			link_remove(&r->closed);
			b->closed_count--;
			b->open_count++;
		}
		if (link_alone(&r->of_set))
			into_set(open_of_set, r);
		return;
	}
	link_remove(&r->of_set);
	if (!was_open)
		return;
	b->open_count--;
	b->closed_count++;
	r->closed_ms = closed_ms;
	link_append(&b->closed, &r->closed);
}

void
book_dirty(struct case_book *b, struct case_rec *r, uint64_t from, uint64_t mono_ms)
{
	struct link *list = &b->dirty[r->k.lane], *after = list->prev;

	if (!link_alone(&r->dirty))
		return;
	r->dirty_from = from;
	r->dirty_ms = mono_ms;
	while (after != list && LINK_OF(after, struct case_rec, dirty)->dirty_from > from) /* seldom: a batch found no room */
		after = after->prev;
	link_append(after->next, &r->dirty);
	b->dirty_count++;
}

struct case_rec *
book_first_dirty(const struct case_book *b, enum lane lane)
{
	return link_alone(&b->dirty[lane]) ? NULL : LINK_OF(b->dirty[lane].next, struct case_rec, dirty);
}

void
book_hold(struct case_book *b, struct case_rec *r, bool held)
{
	b->held_count += held && !r->held;
	b->held_count -= !held && r->held;
	r->held = held;
}

void
book_clean(struct case_book *b, struct case_rec *r)
{
	if (link_alone(&r->dirty))
		return;
	link_remove(&r->dirty);
	b->dirty_count--;
}

/* ---- the heap ---- */

static void
heap_put(struct case_book *b, uint32_t at, struct case_rec *r)
{
	b->heap[at] = r;
	r->heap_at = at;
}

static void
sift_up(struct case_book *b, uint32_t at, struct case_rec *r)
{
	while (at > 0 && b->heap[(at - 1) / 2]->due_ms > r->due_ms) {
		heap_put(b, at, b->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	heap_put(b, at, r);
}

static void
sift_down(struct case_book *b, uint32_t at, struct case_rec *r)
{
	for (;;) {
		uint32_t child = 2 * at + 1;

		if (child + 1 < b->heap_count && b->heap[child + 1]->due_ms < b->heap[child]->due_ms)
			child++;
		if (child >= b->heap_count || b->heap[child]->due_ms >= r->due_ms)
			break;
		heap_put(b, at, b->heap[child]);
		at = child;
	}
	heap_put(b, at, r);
}

static void
heap_take(struct case_book *b, struct case_rec *r)
{
	struct case_rec *last = b->heap[--b->heap_count];
	uint32_t at = r->heap_at;

	r->heap_at = CASE_NOT_DUE;
	if (last == r)
		return;
	if (at > 0 && b->heap[(at - 1) / 2]->due_ms > last->due_ms)
		sift_up(b, at, last);
	else
		sift_down(b, at, last);
}

void
book_due(struct case_book *b, struct case_rec *r, uint64_t due_ms)
{
	if (r->heap_at != CASE_NOT_DUE)
		heap_take(b, r);
	if (due_ms == UINT64_MAX)
		return;
	MUST(b->heap_count < b->heap_cap);
	r->due_ms = due_ms;
	sift_up(b, b->heap_count++, r);
}

struct case_rec *
book_first_due(const struct case_book *b)
{
	return b->heap_count > 0 ? b->heap[0] : NULL;
}

void
book_each(const struct case_book *b, void (*each)(void *self, struct case_rec *r), void *self)
{
	for (uint32_t i = 0; i < b->bucket_count; i++)
		for (struct case_rec *r = b->buckets[i], *next; r != NULL; r = next) {
			next = r->chain;
			each(self, r);
		}
}

/* ---- snapshots ---- */

size_t
book_encode(uint8_t out[CASE_SNAPSHOT_MAX], const struct case_rec *r)
{
	size_t topic = strlen(r->topic), at = 0;

	out[at++] = SNAPSHOT_FORM;
	be32_put(out + at, r->set);
	be32_put(out + at + 4, r->take_within_s);
	be64_put(out + at + 8, link_alone(&r->closed) ? 0 : r->closed_ms);
	at += 16;
	out[at++] = (uint8_t)topic;
	memcpy(out + at, r->topic, topic);
	at += topic;
	return at + case_encode(out + at, &r->k);
}

enum kw_err
book_decode(struct case_kept *out, struct span in, struct kw_why *why)
{
	struct cursor c = cursor_over(in);
	uint8_t form = cursor_u8(&c), len;
	const uint8_t *topic;

	out->set = cursor_u32(&c);
	out->take_within_s = cursor_u32(&c);
	out->closed_ms = cursor_u64(&c);
	len = cursor_u8(&c);
	topic = cursor_take(&c, len);
	if (c.bad || form != SNAPSHOT_FORM)
		return kw_refuse(why, KW_ECORRUPT, "a case of %zu bytes in form %u is none that a broker wrote", in.len, form);
	memcpy(out->topic, topic, len);
	out->topic[len] = '\0';
	if (topic_check(out->topic, why) != KW_OK)
		return KW_ECORRUPT;
	return case_decode(&out->k, span_of(c.at, cursor_left(&c)), why);
}
