/* payload_parts: schemas by type, and messages seen through their descriptors. */
#include "proto/payload_parts.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "kurzweg/notice.pb-c.h"

const ProtobufCMessageDescriptor *
payload_schema(enum payload_type type)
{
	switch (type) {
	case PAYLOAD_ALERT:
		return &kurzweg__alert__descriptor;
	case PAYLOAD_REQUEST:
		return &kurzweg__request__descriptor;
	case PAYLOAD_REPORT:
		return &kurzweg__report__descriptor;
	case PAYLOAD_STATEMENT:
		return &kurzweg__statement__descriptor;
	case PAYLOAD_FEEDBACK:
		return &kurzweg__feedback__descriptor;
	case PAYLOAD_DOCUMENT:
		return &kurzweg__document__descriptor;
	case PAYLOAD_NOTE:
		return &kurzweg__note__descriptor;
	case PAYLOAD_RECEIPT:
		return &kurzweg__receipt__descriptor;
	case PAYLOAD_VOID:
		return &kurzweg__void__descriptor;
	case PAYLOAD_RELEASE:
		return &kurzweg__release__descriptor;
	default:
		return NULL;
	}
}

enum kw_err
payload_open(ProtobufCMessage **out, struct capped *memory, enum payload_type type, struct span in, struct kw_why *why)
{
	const ProtobufCMessageDescriptor *desc = payload_schema(type);
	enum kw_err err;

	if (desc == NULL)
		return kw_refuse(why, KW_EPROTO, "payload type %u has no schema", (unsigned)type);
	if (in.len == 0 && type != PAYLOAD_RECEIPT) /* a receipt may say no more than its type */
		return kw_refuse(why, KW_EPROTO, "%s: the payload is empty", desc->short_name);
	if (in.len > KW_OPENED_MAX)
		return kw_refuse(why, KW_ELIMIT, "%s: the payload has %zu bytes, at most %u are allowed", desc->short_name, in.len, KW_OPENED_MAX);
	if ((err = scan_message(in, desc, PAYLOAD_FIELDS_MAX, why)) != KW_OK)
		return err;
	capped_init(memory, PAYLOAD_MEMORY_MAX);
	if ((*out = protobuf_c_message_unpack(desc, &memory->allocator, in.len, in.p)) == NULL)
		return kw_refuse(why, KW_ENOMEM, "%s: out of memory for a payload of %zu bytes", desc->short_name, in.len);
	return KW_OK;
}

void
payload_close(ProtobufCMessage *msg, struct capped *memory)
{
	if (msg != NULL)
		protobuf_c_message_free_unpacked(msg, &memory->allocator);
}

void
field_name(char out[PAYLOAD_NAME_MAX], const ProtobufCFieldDescriptor *f)
{
	size_t n = 0;

	for (const char *p = f->name; *p != '\0' && n < PAYLOAD_NAME_MAX - 1; p++) {
		if (*p == '_' && p[1] != '\0')
			out[n++] = (char)toupper((unsigned char)*++p);
		else
			out[n++] = *p;
	}
	out[n] = '\0';
}

const ProtobufCFieldDescriptor *
field_by_name(const ProtobufCMessageDescriptor *desc, const char *name)
{
	for (unsigned i = 0; i < desc->n_fields; i++) {
		char camel[PAYLOAD_NAME_MAX];

		field_name(camel, &desc->fields[i]);
		if (strcmp(camel, name) == 0 || strcmp(desc->fields[i].name, name) == 0)
			return &desc->fields[i];
	}
	return NULL;
}

static const void *
member(const ProtobufCMessage *msg, unsigned offset)
{
	return (const char *)msg + offset;
}

static size_t
element_size(ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_STRING:
		return sizeof(char *);
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	case PROTOBUF_C_TYPE_MESSAGE:
		return sizeof(ProtobufCMessage *);
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return 8;
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_ENUM:
		return 4;
	default:
		MUST(false && "a type that no schema of ours uses");
		return 0;
	}
}

static bool
is_set(const void *at, ProtobufCType type)
{
	static const char zero[8];

	switch (type) {
	case PROTOBUF_C_TYPE_STRING:
		return (*(char *const *)at)[0] != '\0';
	case PROTOBUF_C_TYPE_BYTES:
		return ((const ProtobufCBinaryData *)at)->len > 0;
	case PROTOBUF_C_TYPE_MESSAGE:
		return *(ProtobufCMessage *const *)at != NULL;
	default:
		return memcmp(at, zero, element_size(type)) != 0;
	}
}

void
payload_words(char *out, size_t size, const ProtobufCEnumDescriptor *of)
{
	size_t n = 0;

	out[0] = '\0';
	for (unsigned i = 0; i < of->n_values && n < size; i++)
		if (of->values[i].value != 0)
			n += (size_t)snprintf(out + n, size - n, "%s%s", n > 0 ? ", " : "", of->values[i].name);
}

size_t
field_count(const ProtobufCMessage *msg, const ProtobufCFieldDescriptor *f)
{
	if (f->label == PROTOBUF_C_LABEL_REPEATED)
		return *(const size_t *)member(msg, f->quantifier_offset);
	return is_set(member(msg, f->offset), f->type) ? 1 : 0;
}

const void *
field_at(const ProtobufCMessage *msg, const ProtobufCFieldDescriptor *f, size_t i)
{
	const void *at = member(msg, f->offset);

	if (f->label != PROTOBUF_C_LABEL_REPEATED)
		return at;
	return *(const char *const *)at + i * element_size(f->type);
}

void
path_start(struct path *at, const ProtobufCMessageDescriptor *desc)
{
	(void)snprintf(at->text, sizeof at->text, "%s", desc->short_name);
}

size_t
path_down_name(struct path *at, const char *name)
{
	size_t len = strlen(at->text);

	(void)snprintf(at->text + len, sizeof at->text - len, ".%s", name);
	return len;
}

size_t
path_down(struct path *at, const ProtobufCFieldDescriptor *f, size_t index)
{
	char name[PAYLOAD_NAME_MAX];
	size_t len, end;

	field_name(name, f);
	len = path_down_name(at, name);
	end = strlen(at->text);
	if (f->label == PROTOBUF_C_LABEL_REPEATED)
		(void)snprintf(at->text + end, sizeof at->text - end, "[%zu]", index);
	return len;
}

void
path_up(struct path *at, size_t len)
{
	MUST(len < sizeof at->text);
	at->text[len] = '\0';
}

void
wire_put_varint(struct buf *out, uint64_t v)
{
	while (v >= 0x80) {
		buf_put_u8(out, (uint8_t)(v | 0x80));
		v >>= 7;
	}
	buf_put_u8(out, (uint8_t)v);
}

static void
put_tag(struct buf *out, const ProtobufCFieldDescriptor *f, unsigned wire_type)
{
	wire_put_varint(out, (uint64_t)f->id << 3 | wire_type);
}

void
wire_put_number(struct buf *out, const ProtobufCFieldDescriptor *f, uint64_t v)
{
	put_tag(out, f, 0);
	wire_put_varint(out, v);
}

void
wire_put_double(struct buf *out, const ProtobufCFieldDescriptor *f, double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof bits);
	put_tag(out, f, 1);
	for (unsigned i = 0; i < 8; i++) /* protobuf is little-endian, unlike our own layouts */
		buf_put_u8(out, (uint8_t)(bits >> (8 * i)));
}

void
wire_put_bytes(struct buf *out, const ProtobufCFieldDescriptor *f, struct span v)
{
	put_tag(out, f, 2);
	wire_put_varint(out, v.len);
	buf_put_span(out, v);
}
