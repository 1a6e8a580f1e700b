/* payload_json_write: a payload's bytes to JSON, by protobuf's own mapping and the schema's descriptor. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/base64.h"
#include "proto/payload.h"
#include "proto/payload_parts.h"

struct writer {
	int precision; /* digits with which every double so far reads back as itself */
};

static int
digits_needed(double v)
{
	for (int digits = 1; digits < 17; digits++) {
		char text[64];

		(void)snprintf(text, sizeof text, "%.*g", digits, v);
		if (!(strtod(text, NULL) < v) && !(strtod(text, NULL) > v))
			return digits;
	}
	return 17;
}

static json_t *
base64_of(const ProtobufCBinaryData *bytes)
{
	struct buf text = BUF_INIT(bytes->len / 3 * 4 + 64);
	json_t *v = NULL;

	base64_encode(&text, span_of(bytes->data, bytes->len));
	if (buf_ok(&text))
		v = json_stringn((const char *)text.p, text.len);
	buf_free(&text);
	return v;
}

static json_t *object_of(struct writer *w, const ProtobufCMessage *msg);

static json_t *
value_of(struct writer *w, const ProtobufCFieldDescriptor *f, const void *at)
{
	char number[24];
	double real;

	switch (f->type) {
	case PROTOBUF_C_TYPE_MESSAGE:
		return object_of(w, *(ProtobufCMessage *const *)at);
	case PROTOBUF_C_TYPE_STRING:
		return json_string(*(char *const *)at);
	case PROTOBUF_C_TYPE_BYTES:
		return base64_of(at);
	case PROTOBUF_C_TYPE_ENUM: /* the scan let only known numbers pass */
		return json_string(protobuf_c_enum_descriptor_get_value(f->descriptor, *(const int *)at)->name);
	case PROTOBUF_C_TYPE_UINT32:
		return json_integer((json_int_t)*(const uint32_t *)at);
	case PROTOBUF_C_TYPE_UINT64:
		(void)snprintf(number, sizeof number, "%llu", (unsigned long long)*(const uint64_t *)at);
		return json_string(number);
	case PROTOBUF_C_TYPE_DOUBLE:
		real = *(const double *)at;
		if (digits_needed(real) > w->precision)
			w->precision = digits_needed(real);
		return json_real(real);
	default:
		MUST(false && "a type that no schema of ours uses");
		return NULL;
	}
}

static json_t *
field_of(struct writer *w, const ProtobufCMessage *msg, const ProtobufCFieldDescriptor *f)
{
	json_t *list;

	if (f->label != PROTOBUF_C_LABEL_REPEATED)
		return value_of(w, f, field_at(msg, f, 0));
	if ((list = json_array()) == NULL)
		return NULL;
	for (size_t i = 0; i < field_count(msg, f); i++) {
		if (json_array_append_new(list, value_of(w, f, field_at(msg, f, i))) == 0)
			continue;
		json_decref(list);
		return NULL;
	}
	return list;
}

/* NULL when memory is short; jansson's setters take NULL and fail. */
static json_t *
object_of(struct writer *w, const ProtobufCMessage *msg)
{
	const ProtobufCMessageDescriptor *desc = msg->descriptor;
	json_t *object = json_object();

	for (unsigned i = 0; object != NULL && i < desc->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &desc->fields[i];
		char name[PAYLOAD_NAME_MAX];

		if (field_count(msg, f) == 0)
			continue;
		field_name(name, f);
		if (json_object_set_new(object, name, field_of(w, msg, f)) == 0)
			continue;
		json_decref(object);
		object = NULL;
	}
	return object;
}

static int
append(const char *text, size_t len, void *to)
{
	buf_put(to, text, len);
	return buf_ok(to) ? 0 : -1;
}

enum kw_err
payload_to_json(struct buf *out, enum payload_type type, struct span in, bool pretty, struct kw_why *why)
{
	struct writer w = {.precision = 1};
	size_t began = out->len;
	struct capped memory;
	ProtobufCMessage *msg;
	enum kw_err err;
	json_t *root;

	if ((err = payload_open(&msg, &memory, type, in, why)) != KW_OK)
		return err;
	root = object_of(&w, msg);
	payload_close(msg, &memory);
	if (root == NULL || json_dump_callback(root, append, out, (pretty ? JSON_INDENT(2) : JSON_COMPACT) | JSON_REAL_PRECISION((size_t)w.precision)) != 0) {
		out->len = began;
		err = kw_refuse(why, KW_ENOMEM, "no room for the JSON of a payload of %zu bytes", in.len);
	}
	json_decref(root);
	return err;
}
