/* span: cursor and buffer; the only place that computes with lengths from outside. */
#include "base/span.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUF_FIRST 256u

struct span
span_str(const char *text)
{
	return (struct span){(const uint8_t *)text, text == NULL ? 0 : strlen(text)};
}

bool
span_eq(struct span a, struct span b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

struct cursor
cursor_over(struct span in)
{
	static const uint8_t nothing[1];
	const uint8_t *p = in.p != NULL ? in.p : nothing;

	return (struct cursor){p, p + in.len, false};
}

uint8_t
cursor_u8(struct cursor *c)
{
	const uint8_t *p = cursor_take(c, 1);

	return p != NULL ? *p : 0;
}

uint16_t
cursor_u16(struct cursor *c)
{
	const uint8_t *p = cursor_take(c, 2);

	return p != NULL ? be16_get(p) : 0;
}

uint32_t
cursor_u32(struct cursor *c)
{
	const uint8_t *p = cursor_take(c, 4);

	return p != NULL ? be32_get(p) : 0;
}

uint64_t
cursor_u64(struct cursor *c)
{
	const uint8_t *p = cursor_take(c, 8);

	return p != NULL ? be64_get(p) : 0;
}

bool
cursor_done(const struct cursor *c)
{
	return !c->bad && c->at == c->end;
}

/* A secret must not stay behind in memory that realloc gave back. */
static uint8_t *
move_larger(struct buf *b, size_t cap)
{
	uint8_t *p;

	if (!b->secret)
		return realloc(b->p, cap);
	p = malloc(cap);
	if (p == NULL)
		return NULL;
	if (b->p != NULL) {
		memcpy(p, b->p, b->len);
		explicit_bzero(b->p, b->cap);
		free(b->p);
	}
	return p;
}

uint8_t *
buf_reserve(struct buf *b, size_t n)
{
	size_t cap;
	uint8_t *p;

	if (b->failed || n > b->max - b->len) {
		b->failed = true;
		return NULL;
	}
	if (n <= b->cap - b->len && b->p != NULL)
		return b->p + b->len;
	cap = b->cap > 0 ? b->cap : BUF_FIRST;
	while (cap - b->len < n)
		cap = cap > SIZE_MAX / 2 ? b->len + n : cap * 2;
	p = move_larger(b, cap);
	if (p == NULL) {
		b->failed = true;
		return NULL;
	}
	b->p = p;
	b->cap = cap;
	return b->p + b->len;
}

void
buf_commit(struct buf *b, size_t n)
{
	MUST(n <= b->cap - b->len);
	b->len += n;
}

void
buf_put(struct buf *b, const void *p, size_t n)
{
	uint8_t *at = buf_reserve(b, n);

	if (at == NULL || n == 0)
		return;
	memcpy(at, p, n);
	b->len += n;
}

void
buf_put_span(struct buf *b, struct span s)
{
	buf_put(b, s.p, s.len);
}

void
buf_put_str(struct buf *b, const char *text)
{
	buf_put(b, text, strlen(text));
}

void
buf_put_u8(struct buf *b, uint8_t v)
{
	buf_put(b, &v, 1);
}

void
buf_put_u16(struct buf *b, uint16_t v)
{
	uint8_t p[2];

	be16_put(p, v);
	buf_put(b, p, sizeof p);
}

void
buf_put_u32(struct buf *b, uint32_t v)
{
	uint8_t p[4];

	be32_put(p, v);
	buf_put(b, p, sizeof p);
}

void
buf_put_u64(struct buf *b, uint64_t v)
{
	uint8_t p[8];

	be64_put(p, v);
	buf_put(b, p, sizeof p);
}

void
buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list args;
	uint8_t *at;
	int n;

	va_start(args, fmt);
	n = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	if (n < 0 || (at = buf_reserve(b, (size_t)n + 1)) == NULL) {
		b->failed = true;
		return;
	}
	va_start(args, fmt);
	(void)vsnprintf((char *)at, (size_t)n + 1, fmt, args);
	va_end(args);
	b->len += (size_t)n;
}

const char *
buf_text(struct buf *b)
{
	uint8_t *at = buf_reserve(b, 1);

	if (at == NULL)
		return NULL;
	*at = 0;
	return (const char *)b->p;
}

bool
buf_ok(const struct buf *b)
{
	return !b->failed;
}

struct span
buf_span(const struct buf *b)
{
	return (struct span){b->p, b->len};
}

void
buf_reset(struct buf *b)
{
	if (b->secret && b->p != NULL)
		explicit_bzero(b->p, b->cap);
	b->len = 0;
	b->failed = false;
}

void
buf_free(struct buf *b)
{
	if (b->secret && b->p != NULL)
		explicit_bzero(b->p, b->cap);
	free(b->p);
	*b = BUF_INIT(b->max);
}

void
be16_put(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

void
be32_put(uint8_t *p, uint32_t v)
{
	be16_put(p, (uint16_t)(v >> 16));
	be16_put(p + 2, (uint16_t)v);
}

void
be64_put(uint8_t *p, uint64_t v)
{
	be32_put(p, (uint32_t)(v >> 32));
	be32_put(p + 4, (uint32_t)v);
}

uint16_t
be16_get(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

uint32_t
be32_get(const uint8_t *p)
{
	return (uint32_t)be16_get(p) << 16 | be16_get(p + 2);
}

uint64_t
be64_get(const uint8_t *p)
{
	return (uint64_t)be32_get(p) << 32 | be32_get(p + 4);
}
