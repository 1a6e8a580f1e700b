/* payload_lines: two columns. */
#include "proto/payload_lines.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "proto/payload_labels.h"
#include "proto/payload_values.h"

#define COLUMN 18

static size_t
characters(const char *text)
{
	size_t n = 0;

	for (; *text != '\0'; text++)
		n += ((unsigned char)*text & 0xC0) != 0x80;
	return n;
}

static void
put_blanks(struct buf *out, size_t n)
{
	for (; n > 0; n--)
		buf_put_u8(out, ' ');
}

void
lines_put(struct lines *l, const char *field, const char *value)
{
	const char *label = label_of(field, l->german);
	size_t width = characters(label) + 1;

	if (value[0] == '\0')
		return;
	buf_printf(l->out, "%s:", label);
	put_blanks(l->out, width < COLUMN ? COLUMN - width : 1);
	while (value[0] != '\0') {
		size_t len = strcspn(value, "\r\n");

		buf_put(l->out, value, len);
		buf_put_u8(l->out, '\n');
		value += len;
		if (value[0] == '\r' && value[1] == '\n')
			value++;
		if (value[0] != '\0')
			value++;
		if (value[0] != '\0')
			put_blanks(l->out, COLUMN);
	}
}

void
lines_put_title(struct lines *l, const char *before, const char *title)
{
	buf_put_str(l->out, before);
	for (; *title != '\0'; title++)
		buf_put_u8(l->out, *title == '\r' || *title == '\n' || *title == '\t' ? ' ' : (uint8_t)*title);
	buf_put_u8(l->out, '\n');
}

static void
put_time(const struct lines *l, char out[TEXT_TIME_MAX], uint64_t ms)
{
	if (l->german)
		text_put_time_german(out, ms);
	else
		text_put_time_local(out, ms);
}

void
lines_put_time(struct lines *l, const char *field, const char *value)
{
	char text[TEXT_TIME_MAX];
	int64_t ms;

	if (!value_time(&ms, value) || ms < 0) {
		lines_put(l, field, value);
		return;
	}
	put_time(l, text, (uint64_t)ms);
	lines_put(l, field, text);
}

const char *
lines_word(const struct lines *l, const ProtobufCEnumDescriptor *of, int value)
{
	const ProtobufCEnumValue *v = value == 0 ? NULL : protobuf_c_enum_descriptor_get_value(of, value);

	/* kurzweg.Urgency.Is: what it is an enumeration of stands before the last point */
	return v == NULL ? "" : word_of(of->name + strcspn(of->name, ".") + 1, v->name, l->german);
}

static void
put_value(struct lines *l, const ProtobufCFieldDescriptor *f, const char *name, const void *at)
{
	char text[96];

	switch (f->type) {
	case PROTOBUF_C_TYPE_MESSAGE:
		lines_put_message(l, *(ProtobufCMessage *const *)at);
		return;
	case PROTOBUF_C_TYPE_STRING:
		lines_put_time(l, name, *(char *const *)at);
		return;
	case PROTOBUF_C_TYPE_BYTES:
		(void)snprintf(text, sizeof text, "%zu %s", ((const ProtobufCBinaryData *)at)->len, l->german ? "Bytes" : "bytes");
		break;
	case PROTOBUF_C_TYPE_ENUM:
		lines_put(l, name, lines_word(l, f->descriptor, *(const int *)at));
		return;
	case PROTOBUF_C_TYPE_UINT32:
		(void)snprintf(text, sizeof text, "%u", *(const uint32_t *)at);
		break;
	case PROTOBUF_C_TYPE_UINT64:
		if (strcmp(f->name, "at_ms") == 0)
			put_time(l, text, *(const uint64_t *)at);
		else
			(void)snprintf(text, sizeof text, "%llu", (unsigned long long)*(const uint64_t *)at);
		break;
	case PROTOBUF_C_TYPE_DOUBLE:
		(void)snprintf(text, sizeof text, "%.6f", *(const double *)at);
		break;
	default:
		MUST(false && "a type that no schema of ours uses");
	}
	lines_put(l, name, text);
}

void
lines_put_message(struct lines *l, const ProtobufCMessage *msg)
{
	for (unsigned i = 0; i < msg->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &msg->descriptor->fields[i];
		char name[PAYLOAD_NAME_MAX];

		field_name(name, f);
		if (strcmp(msg->descriptor->short_name, "Place") == 0 && strcmp(name, "description") == 0)
			memcpy(name, "place", sizeof "place"); /* "Description" would be the matter's */
		for (size_t k = 0; k < field_count(msg, f); k++)
			put_value(l, f, name, field_at(msg, f, k));
	}
}
