/* scan: walks protobuf wire bytes by descriptor and refuses all that two readers might understand differently. */
#include "proto/scan.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define PATH_LEN 160

enum wire_type { WT_VARINT = 0, WT_64 = 1, WT_BYTES = 2, WT_32 = 5 };

struct step { const ProtobufCFieldDescriptor *field; uint32_t index; };

struct scan {
	const uint8_t *start; /* of the whole input, for offsets */
	uint32_t fields_left;
	uint32_t max_fields;
	const char *root;
	struct step steps[SCAN_DEPTH_MAX + 1]; /* to where we are; a text only when something is refused */
	unsigned depth;
	char path[PATH_LEN];
	struct kw_why *why;
};

static const char *
path(struct scan *s)
{
	size_t len = (size_t)snprintf(s->path, PATH_LEN, "%s", s->root);

	for (unsigned i = 0; i < s->depth && len < PATH_LEN; i++) {
		const struct step *step = &s->steps[i];

		if (step->field->label == PROTOBUF_C_LABEL_REPEATED)
			len += (size_t)snprintf(s->path + len, PATH_LEN - len, ".%s[%u]", step->field->name, step->index);
		else
			len += (size_t)snprintf(s->path + len, PATH_LEN - len, ".%s", step->field->name);
	}
	return s->path;
}

static size_t
offset(const struct scan *s, const struct cursor *c)
{
	return (size_t)(c->at - s->start);
}

/* What follows a number's first byte. */
static enum kw_err
take_more(struct scan *s, struct cursor *c, uint8_t first, uint64_t *out)
{
	uint64_t v = first & 0x7F;
	size_t began = offset(s, c) - 1;

	for (unsigned i = 1; i < 10; i++) {
		const uint8_t *p = cursor_take(c, 1);

		if (p == NULL)
			return kw_refuse(s->why, KW_EPROTO, "%s: a number is cut off at offset %zu", path(s), began);
		if (i == 9 && *p > 1)
			return kw_refuse(s->why, KW_EPROTO, "%s: a number at offset %zu is longer than 64 bits", path(s), began);
		v |= (uint64_t)(*p & 0x7F) << (7 * i);
		if ((*p & 0x80) != 0)
			continue;
		if (*p == 0)
			return kw_refuse(s->why, KW_EPROTO, "%s: a number at offset %zu is not in its shortest form", path(s), began);
		*out = v;
		return KW_OK;
	}
	return kw_refuse(s->why, KW_EPROTO, "%s: a number at offset %zu is longer than 10 bytes", path(s), began);
}

/* Shortest form only, at most 10 bytes, at most 64 bits; most have one. */
static enum kw_err
take_varint(struct scan *s, struct cursor *c, uint64_t *out)
{
	const uint8_t *p = cursor_take(c, 1);

	if (p == NULL)
		return kw_refuse(s->why, KW_EPROTO, "%s: a number is cut off at offset %zu", path(s), offset(s, c));
	if (*p >= 0x80)
		return take_more(s, c, *p, out);
	*out = *p;
	return KW_OK;
}

static enum wire_type
wire_type_of(ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return WT_64;
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
		return WT_32;
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_BYTES:
	case PROTOBUF_C_TYPE_MESSAGE:
		return WT_BYTES;
	default:
		return WT_VARINT;
	}
}

/* A proto3 field without a presence of its own that says its default says it twice: once by being there. */
static bool
default_is_silent(const ProtobufCFieldDescriptor *f)
{
	return f->label == PROTOBUF_C_LABEL_NONE && (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0;
}

static enum kw_err
refuse_default(struct scan *s, const ProtobufCFieldDescriptor *f)
{
	return kw_refuse(s->why, KW_EPROTO, "%s.%s: the default value is written out, it must be left away", path(s), f->name);
}

static enum kw_err
check_varint(struct scan *s, const ProtobufCFieldDescriptor *f, uint64_t v)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_BOOL:
		if (v > 1)
			return kw_refuse(s->why, KW_EPROTO, "%s.%s: %llu is no truth value", path(s), f->name, (unsigned long long)v);
		return KW_OK;
	case PROTOBUF_C_TYPE_ENUM:
		if (v > INT32_MAX || protobuf_c_enum_descriptor_get_value(f->descriptor, (int)v) == NULL)
			return kw_refuse(s->why, KW_EPROTO, "%s.%s: %llu is none of its values", path(s), f->name, (unsigned long long)v);
		return KW_OK;
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_SINT32:
		if (v > UINT32_MAX)
			return kw_refuse(s->why, KW_EPROTO, "%s.%s: %llu does not fit 32 bits", path(s), f->name, (unsigned long long)v);
		return KW_OK;
	case PROTOBUF_C_TYPE_INT32:
		if (v > INT32_MAX && v < 0xFFFFFFFF80000000ull)
			return kw_refuse(s->why, KW_EPROTO, "%s.%s: %llu does not fit 32 bits", path(s), f->name, (unsigned long long)v);
		return KW_OK;
	default:
		return KW_OK;
	}
}

static enum kw_err
check_fixed(struct scan *s, const ProtobufCFieldDescriptor *f, const uint8_t *p)
{
	double d = 0;
	float g;

	if (f->type == PROTOBUF_C_TYPE_DOUBLE) {
		memcpy(&d, p, sizeof d);
	} else if (f->type == PROTOBUF_C_TYPE_FLOAT) {
		memcpy(&g, p, sizeof g);
		d = (double)g;
	}
	if (!isfinite(d))
		return kw_refuse(s->why, KW_EPROTO, "%s.%s: not a finite number", path(s), f->name);
	return KW_OK;
}

static bool
all_zero(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != 0)
			return false;
	return true;
}

/* One scalar; single: not an element of a packed list. */
static enum kw_err
scan_scalar(struct scan *s, struct cursor *c, const ProtobufCFieldDescriptor *f, bool single)
{
	enum wire_type wt = wire_type_of(f->type);
	size_t n = wt == WT_64 ? 8 : 4, at = offset(s, c);
	const uint8_t *p;
	enum kw_err err;
	uint64_t v = 0;

	if (wt == WT_VARINT) {
		if ((err = take_varint(s, c, &v)) != KW_OK)
			return err;
		if (single && v == 0 && default_is_silent(f))
			return refuse_default(s, f);
		return check_varint(s, f, v);
	}
	if ((p = cursor_take(c, n)) == NULL)
		return kw_refuse(s->why, KW_EPROTO, "%s.%s: cut off at offset %zu", path(s), f->name, at);
	if (single && all_zero(p, n) && default_is_silent(f))
		return refuse_default(s, f);
	return check_fixed(s, f, p);
}

static enum kw_err scan_level(struct scan *s, struct span in, const ProtobufCMessageDescriptor *desc);

static enum kw_err
scan_packed(struct scan *s, struct span in, const ProtobufCFieldDescriptor *f)
{
	struct cursor c = cursor_over(in);
	enum kw_err err;

	if (in.len == 0)
		return kw_refuse(s->why, KW_EPROTO, "%s.%s: an empty list is written out, it must be left away", path(s), f->name);
	while (cursor_left(&c) > 0) {
		if (s->fields_left == 0)
			return kw_refuse(s->why, KW_EPROTO, "%s.%s: more than %u fields in all", path(s), f->name, s->max_fields);
		s->fields_left--;
		if ((err = scan_scalar(s, &c, f, false)) != KW_OK)
			return err;
	}
	return KW_OK;
}

static enum kw_err
scan_message_field(struct scan *s, struct span in, const ProtobufCFieldDescriptor *f, uint32_t index)
{
	enum kw_err err;

	s->steps[s->depth++] = (struct step){f, index};
	err = scan_level(s, in, f->descriptor);
	s->depth--;
	return err;
}

static enum kw_err
scan_delimited(struct scan *s, struct cursor *c, const ProtobufCFieldDescriptor *f, uint32_t index)
{
	size_t at = offset(s, c), bad;
	const uint8_t *p;
	enum kw_err err;
	uint64_t len;

	if ((err = take_varint(s, c, &len)) != KW_OK)
		return err;
	if (len > cursor_left(c) || (p = cursor_take(c, (size_t)len)) == NULL)
		return kw_refuse(s->why, KW_EPROTO, "%s.%s: length %llu at offset %zu reaches beyond the end", path(s), f->name,
		                 (unsigned long long)len, at);
	if (f->type == PROTOBUF_C_TYPE_MESSAGE)
		return scan_message_field(s, span_of(p, (size_t)len), f, index);
	if (f->type != PROTOBUF_C_TYPE_STRING && f->type != PROTOBUF_C_TYPE_BYTES)
		return scan_packed(s, span_of(p, (size_t)len), f);
	if (len == 0 && default_is_silent(f))
		return refuse_default(s, f);
	if (f->type == PROTOBUF_C_TYPE_BYTES)
		return KW_OK;
	bad = text_unclean_at(span_of(p, (size_t)len), TEXT_MULTILINE);
	if (bad != SIZE_MAX)
		return kw_refuse(s->why, KW_EPROTO, "%s.%s: byte %zu is no clean text (control, invisible or bidirectional character, or no UTF-8)",
		                 path(s), f->name, bad);
	return KW_OK;
}

static bool
takes_packed(const ProtobufCFieldDescriptor *f)
{
	return f->label == PROTOBUF_C_LABEL_REPEATED && (f->flags & PROTOBUF_C_FIELD_FLAG_PACKED) != 0;
}

static enum kw_err
scan_field(struct scan *s, struct cursor *c, const ProtobufCFieldDescriptor *f, unsigned wt, uint32_t index)
{
	enum wire_type wanted = takes_packed(f) ? WT_BYTES : wire_type_of(f->type);

	if (wt != (unsigned)wanted)
		return kw_refuse(s->why, KW_EPROTO, "%s.%s: wire type %u at offset %zu, must be %u", path(s), f->name, wt, offset(s, c),
		                 (unsigned)wanted);
	return wanted == WT_BYTES ? scan_delimited(s, c, f, index) : scan_scalar(s, c, f, true);
}

/* Ascending order makes duplicates of singular fields visible without a set of those seen. */
static enum kw_err
check_order(struct scan *s, const ProtobufCFieldDescriptor *f, uint32_t number, uint32_t previous)
{
	if (number < previous)
		return kw_refuse(s->why, KW_EPROTO, "%s.%s: field %u stands behind field %u; fields must ascend", path(s), f->name, number, previous);
	if (number > previous)
		return KW_OK;
	if (f->label != PROTOBUF_C_LABEL_REPEATED || takes_packed(f))
		return kw_refuse(s->why, KW_EPROTO, "%s.%s: field %u stands there twice", path(s), f->name, number);
	return KW_OK;
}

/* Descriptors list fields in the order in which they must stand, so place only goes on; what is not found so stands in the wrong place or is none. */
static const ProtobufCFieldDescriptor *
field_from(unsigned *place, const ProtobufCMessageDescriptor *desc, uint32_t number)
{
	while (*place < desc->n_fields && desc->fields[*place].id < number)
		++*place;
	if (*place < desc->n_fields && desc->fields[*place].id == number)
		return &desc->fields[*place];
	return protobuf_c_message_descriptor_get_field(desc, number);
}

static enum kw_err
scan_level(struct scan *s, struct span in, const ProtobufCMessageDescriptor *desc)
{
	struct cursor c = cursor_over(in);
	uint32_t previous = 0, index = 0;
	unsigned place = 0;
	enum kw_err err;

	if (s->depth > SCAN_DEPTH_MAX)
		return kw_refuse(s->why, KW_EPROTO, "%s: nested deeper than %d", path(s), SCAN_DEPTH_MAX);
	while (cursor_left(&c) > 0) {
		const ProtobufCFieldDescriptor *f;
		size_t at = offset(s, &c);
		uint64_t tag;

		if ((err = take_varint(s, &c, &tag)) != KW_OK)
			return err;
		if (tag >> 3 == 0 || tag >> 3 > (1u << 29) - 1)
			return kw_refuse(s->why, KW_EPROTO, "%s: field number %llu at offset %zu is none", path(s), (unsigned long long)(tag >> 3), at);
		if (s->fields_left == 0)
			return kw_refuse(s->why, KW_EPROTO, "%s: more than %u fields in all", path(s), s->max_fields);
		s->fields_left--;
		f = field_from(&place, desc, (uint32_t)(tag >> 3));
		if (f == NULL)
			return kw_refuse(s->why, KW_EPROTO, "%s: field %llu at offset %zu is unknown", path(s), (unsigned long long)(tag >> 3), at);
		if ((err = check_order(s, f, f->id, previous)) != KW_OK)
			return err;
		index = f->id == previous ? index + 1 : 0;
		previous = f->id;
		if ((err = scan_field(s, &c, f, (unsigned)(tag & 7), index)) != KW_OK)
			return err;
	}
	return KW_OK;
}

enum kw_err
scan_message(struct span in, const ProtobufCMessageDescriptor *desc, uint32_t max_fields, struct kw_why *why)
{
	struct scan s;

	s.start = in.p;
	s.fields_left = s.max_fields = max_fields;
	s.root = desc->short_name;
	s.depth = 0;
	s.why = why;
	return scan_level(&s, in, desc);
}

static void *
capped_alloc(void *self, size_t size)
{
	struct capped *c = self;

	if (size > c->left)
		return NULL;
	c->left -= size;
	return malloc(size);
}

static void
capped_free(void *self, void *p)
{
	(void)self;
	free(p);
}

static void *
block_alloc(void *self, size_t size)
{
	struct block *b = self;
	size_t at = (b->at + 15u) & ~(size_t)15u;

	if (at > b->cap || size > b->cap - at)
		return NULL;
	b->at = at + size;
	return b->p + at;
}

static void
block_free(void *self, void *p)
{
	(void)self;
	(void)p;
}

void
block_init(struct block *b, void *p, size_t cap)
{
	*b = (struct block){.allocator = {block_alloc, block_free, b}, .p = p, .cap = cap};
}

void
capped_init(struct capped *c, size_t limit)
{
	c->allocator = (ProtobufCAllocator){capped_alloc, capped_free, c};
	c->left = limit;
}
