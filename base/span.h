/*
 * span: borrowed bytes, a cursor to read them, a buffer to build them. Bounds arithmetic lives here and
 * nowhere else: the wish is compared with what is left, never a sum with the end. What is asked for every few bytes is inline.
 */
#ifndef KW_BASE_SPAN_H
#define KW_BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct span { /* borrowed; p may be NULL when len is 0 */
	const uint8_t *p;
	size_t len;
};

static inline struct span
span_of(const void *p, size_t len)
{
	return (struct span){(const uint8_t *)p, len};
}

struct span span_str(const char *text); /* without the final zero; NULL gives an empty span */
bool span_eq(struct span a, struct span b); /* not for secrets: stops at the first difference */

/* Reads forward. Goes bad at the first short read and stays bad; every later read gives NULL or 0. */
struct cursor {
	const uint8_t *at;
	const uint8_t *end;
	bool bad;
};

struct cursor cursor_over(struct span in);

static inline size_t
cursor_left(const struct cursor *c) /* 0 when bad */
{
	return c->bad ? 0 : (size_t)(c->end - c->at);
}

static inline const uint8_t *
cursor_take(struct cursor *c, size_t n) /* n bytes, or NULL and bad */
{
	if (c->bad || n > (size_t)(c->end - c->at)) {
		c->bad = true;
		return NULL;
	}
	c->at += n;
	return c->at - n;
}

uint8_t cursor_u8(struct cursor *c);
uint16_t cursor_u16(struct cursor *c); /* big-endian, as all numbers of Kurzweg's own layouts */
uint32_t cursor_u32(struct cursor *c);
uint64_t cursor_u64(struct cursor *c);
bool cursor_done(const struct cursor *c); /* not bad and nothing left over */

/*
 * Grows by doubling up to max bytes. Fails once and stays failed (memory short or max reached): build the whole,
 * then ask buf_ok() once. Start with BUF_INIT(max); free with buf_free(), which wipes when the buffer was marked secret.
 */
struct buf {
	uint8_t *p;
	size_t len;
	size_t cap;
	size_t max;
	bool failed;
	bool secret;
};

#define BUF_INIT(max_) ((struct buf){.max = (max_)})

uint8_t *buf_reserve(struct buf *b, size_t n); /* room for n more bytes, len unchanged; NULL when failed */
void buf_commit(struct buf *b, size_t n); /* n of the reserved bytes are now content */
void buf_put(struct buf *b, const void *p, size_t n);
void buf_put_span(struct buf *b, struct span s);
void buf_put_str(struct buf *b, const char *text); /* without its zero */
void buf_put_u8(struct buf *b, uint8_t v);
void buf_put_u16(struct buf *b, uint16_t v); /* big-endian */
void buf_put_u32(struct buf *b, uint32_t v);
void buf_put_u64(struct buf *b, uint64_t v);
void buf_printf(struct buf *b, const char *fmt, ...) KW_PRINTF(2, 3);
const char *buf_text(struct buf *b); /* content with a zero behind it, which is not counted; NULL when failed */
bool buf_ok(const struct buf *b);
struct span buf_span(const struct buf *b); /* borrowed until the next call that grows b */
void buf_reset(struct buf *b); /* empty again, memory kept, failure forgotten */
void buf_free(struct buf *b);

/* Big-endian in fixed places. */
void be16_put(uint8_t *p, uint16_t v);
void be32_put(uint8_t *p, uint32_t v);
void be64_put(uint8_t *p, uint64_t v);
uint16_t be16_get(const uint8_t *p);
uint32_t be32_get(const uint8_t *p);
uint64_t be64_get(const uint8_t *p);

#endif
