/* payload_json_read: JSON to a payload's bytes, by protobuf's own mapping and the schema's descriptor. */
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base64.h"
#include "proto/json_look.h"
#include "proto/payload.h"
#include "proto/payload_parts.h"

#define N_(text) (text) /* translated where it is shown */

struct reader {
	struct path at;
	struct kw_why *why;
};

static const char *
kind_of(const json_t *v)
{
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		return N_("an object");
	case JSON_ARRAY:
		return N_("a list");
	case JSON_STRING:
		return N_("a text");
	case JSON_INTEGER:
	case JSON_REAL:
		return N_("a number");
	case JSON_TRUE:
	case JSON_FALSE:
		return N_("a truth value");
	default:
		return "null";
	}
}

static enum kw_err
wrong_kind(struct reader *r, const json_t *v, const char *wanted)
{
	return kw_refuse(r->why, KW_EINVAL, "%s: is %s, must be %s", r->at.text, kw_translate(kind_of(v)), kw_translate(wanted));
}

/* ---- single values ---- */

static enum kw_err
read_text(struct reader *r, const json_t *v, struct span *out)
{
	if (!json_is_string(v))
		return wrong_kind(r, v, "a text");
	*out = span_of(json_string_value(v), json_string_length(v));
	return KW_OK;
}

/* A number, or its digits as a text: JSON's own numbers are exact to 53 bits only. */
static enum kw_err
read_unsigned(struct reader *r, const json_t *v, uint64_t max, uint64_t *out)
{
	const char *text = json_string_value(v);
	char *end = NULL;

	if (text != NULL) {
		errno = 0;
		*out = strtoull(text, &end, 10);
		if (text[strspn(text, "0123456789")] != '\0' || text[0] == '\0' || (text[0] == '0' && text[1] != '\0'))
			return kw_refuse(r->why, KW_EINVAL, "%s: \"%.64s\" is no whole number", r->at.text, text);
		if (errno == ERANGE || *out > max)
			return kw_refuse(r->why, KW_EINVAL, "%s: %.64s is over the limit of %llu", r->at.text, text, (unsigned long long)max);
		return KW_OK;
	}
	if (!json_is_integer(v))
		return wrong_kind(r, v, "a whole number");
	if (json_integer_value(v) < 0 || (uint64_t)json_integer_value(v) > max)
		return kw_refuse(r->why, KW_EINVAL, "%s: %lld lies outside of 0 to %llu", r->at.text, (long long)json_integer_value(v), (unsigned long long)max);
	*out = (uint64_t)json_integer_value(v);
	return KW_OK;
}

static enum kw_err
read_double(struct reader *r, const json_t *v, double *out)
{
	const char *text = json_string_value(v);
	char *end = NULL;

	if (text != NULL) {
		*out = strtod(text, &end);
		if (text[0] == '\0' || *end != '\0' || text[strspn(text, "0123456789+-.eE")] != '\0' || !isfinite(*out))
			return kw_refuse(r->why, KW_EINVAL, "%s: \"%.64s\" is no finite number", r->at.text, text);
		return KW_OK;
	}
	if (!json_is_number(v))
		return wrong_kind(r, v, "a number");
	*out = json_number_value(v);
	return KW_OK;
}

static enum kw_err
read_word(struct reader *r, const json_t *v, const ProtobufCEnumDescriptor *of, uint64_t *out)
{
	const ProtobufCEnumValue *value;
	char words[256];
	enum kw_err err;

	if (!json_is_string(v) && !json_is_integer(v))
		return wrong_kind(r, v, "a word");
	if (json_is_integer(v)) {
		if ((err = read_unsigned(r, v, INT32_MAX, out)) != KW_OK)
			return err;
		value = protobuf_c_enum_descriptor_get_value(of, (int)*out);
	} else {
		value = protobuf_c_enum_descriptor_get_value_by_name(of, json_string_value(v));
	}
	if (value != NULL) {
		*out = (uint64_t)value->value;
		return KW_OK;
	}
	payload_words(words, sizeof words, of);
	if (json_is_integer(v))
		return kw_refuse(r->why, KW_EINVAL, "%s: %llu is none of its values, must be one of %s", r->at.text, (unsigned long long)*out, words);
	return kw_refuse(r->why, KW_EINVAL, "%s: \"%.64s\" is none of its values, must be one of %s", r->at.text, json_string_value(v), words);
}

/* ---- fields ---- */

static enum kw_err read_object(struct reader *r, const json_t *object, const ProtobufCMessageDescriptor *desc, struct buf *out);

static enum kw_err
put_message(struct reader *r, const json_t *v, const ProtobufCFieldDescriptor *f, struct buf *out)
{
	struct buf inner = BUF_INIT(KW_OPENED_MAX);
	enum kw_err err = read_object(r, v, f->descriptor, &inner);

	if (err == KW_OK)
		wire_put_bytes(out, f, buf_span(&inner));
	buf_free(&inner);
	return err;
}

static enum kw_err
put_content(struct reader *r, const json_t *v, const ProtobufCFieldDescriptor *f, struct buf *out)
{
	struct buf bytes = BUF_INIT(KW_OPENED_MAX);
	struct span text;
	enum kw_err err = read_text(r, v, &text);

	if (err == KW_OK && !base64_decode(&bytes, text, BASE64_EITHER))
		err = kw_refuse(r->why, KW_EINVAL, "%s: is no base64", r->at.text);
	if (err == KW_OK && bytes.len > 0)
		wire_put_bytes(out, f, buf_span(&bytes));
	buf_free(&bytes);
	return err;
}

/* One value; the default of a singular scalar is left away, as canonical protobuf wants. */
static enum kw_err
put_value(struct reader *r, const json_t *v, const ProtobufCFieldDescriptor *f, struct buf *out)
{
	bool repeated = f->label == PROTOBUF_C_LABEL_REPEATED;
	enum kw_err err = KW_OK;
	struct span text = {0};
	uint64_t number = 0;
	double real = 0;

	switch (f->type) {
	case PROTOBUF_C_TYPE_MESSAGE:
		return put_message(r, v, f, out);
	case PROTOBUF_C_TYPE_BYTES:
		return put_content(r, v, f, out);
	case PROTOBUF_C_TYPE_STRING:
		if ((err = read_text(r, v, &text)) == KW_OK && (text.len > 0 || repeated))
			wire_put_bytes(out, f, text);
		return err;
	case PROTOBUF_C_TYPE_DOUBLE:
		if ((err = read_double(r, v, &real)) == KW_OK && (real < 0 || real > 0))
			wire_put_double(out, f, real);
		return err;
	case PROTOBUF_C_TYPE_ENUM:
		err = read_word(r, v, f->descriptor, &number);
		break;
	default:
		err = read_unsigned(r, v, f->type == PROTOBUF_C_TYPE_UINT32 ? UINT32_MAX : UINT64_MAX, &number);
	}
	if (err == KW_OK && repeated) /* of a packed list: the tag stands once, before all */
		wire_put_varint(out, number);
	else if (err == KW_OK && number != 0)
		wire_put_number(out, f, number);
	return err;
}

static enum kw_err
put_list(struct reader *r, const json_t *list, const ProtobufCFieldDescriptor *f, struct buf *out)
{
	bool packed = (f->flags & PROTOBUF_C_FIELD_FLAG_PACKED) != 0;
	struct buf numbers = BUF_INIT(KW_OPENED_MAX);
	enum kw_err err = KW_OK;

	if (!json_is_array(list)) {
		char name[PAYLOAD_NAME_MAX];
		size_t up;

		field_name(name, f);
		up = path_down_name(&r->at, name);
		err = wrong_kind(r, list, "a list");
		path_up(&r->at, up);
		return err;
	}
	for (size_t i = 0; i < json_array_size(list) && err == KW_OK; i++) {
		size_t up = path_down(&r->at, f, i);

		err = put_value(r, json_array_get(list, i), f, packed ? &numbers : out);
		path_up(&r->at, up);
	}
	if (err == KW_OK && numbers.len > 0)
		wire_put_bytes(out, f, buf_span(&numbers));
	if (!buf_ok(&numbers))
		out->failed = true;
	buf_free(&numbers);
	return err;
}

static enum kw_err
refuse_strange_keys(struct reader *r, const json_t *object, const ProtobufCMessageDescriptor *desc)
{
	for (void *at = json_object_iter((json_t *)(uintptr_t)object); at != NULL; at = json_object_iter_next((json_t *)(uintptr_t)object, at)) {
		const char *key = json_object_iter_key(at);
		const ProtobufCFieldDescriptor *f = field_by_name(desc, key);
		char camel[PAYLOAD_NAME_MAX];

		if (f == NULL)
			return kw_refuse(r->why, KW_EINVAL, "%s.%.64s: there is no such field, take it away", r->at.text, key);
		field_name(camel, f);
		if (strcmp(camel, key) != 0 && json_object_get(object, camel) != NULL)
			return kw_refuse(r->why, KW_EINVAL, "%s.%s: stands there twice, as %s too", r->at.text, key, camel);
	}
	return KW_OK;
}

static enum kw_err
read_object(struct reader *r, const json_t *object, const ProtobufCMessageDescriptor *desc, struct buf *out)
{
	enum kw_err err;

	if (!json_is_object(object))
		return wrong_kind(r, object, "an object");
	if ((err = refuse_strange_keys(r, object, desc)) != KW_OK)
		return err;
	for (unsigned i = 0; i < desc->n_fields && err == KW_OK; i++) {
		const ProtobufCFieldDescriptor *f = &desc->fields[i];
		char camel[PAYLOAD_NAME_MAX];
		const json_t *v;
		size_t up;

		field_name(camel, f);
		if ((v = json_object_get(object, camel)) == NULL)
			v = json_object_get(object, f->name);
		if (v == NULL || json_is_null(v))
			continue;
		if (f->label == PROTOBUF_C_LABEL_REPEATED) {
			err = put_list(r, v, f, out);
			continue;
		}
		up = path_down(&r->at, f, 0);
		err = put_value(r, v, f, out);
		path_up(&r->at, up);
	}
	if (err == KW_OK && !buf_ok(out))
		return kw_refuse(r->why, KW_ELIMIT, "%s: the payload has more than %u bytes", r->at.text, KW_OPENED_MAX);
	return err;
}

/* ---- the whole ---- */

static enum kw_err
refuse_json(const json_error_t *e, struct span json, const char *schema, struct kw_why *why)
{
	char path[PATH_MAX_LEN];

	json_path_at(path, sizeof path, json, e->position > 0 ? (size_t)e->position : 0);
	if (json_error_code(e) == json_error_duplicate_key)
		return kw_refuse(why, KW_EINVAL, "line %d: %s.%s: stands there twice", e->line, schema, path);
	if (json_error_code(e) == json_error_out_of_memory)
		return kw_refuse(why, KW_ENOMEM, "out of memory for %zu bytes of JSON", json.len);
	return kw_refuse(why, KW_EPROTO, "line %d, column %d (%s%s%s): no JSON: %s", e->line, e->column, schema, path[0] != '\0' ? "." : "", path, e->text);
}

static enum kw_err
parse(json_t **out, struct span json, const char *schema, struct kw_why *why)
{
	char path[PATH_MAX_LEN];
	json_error_t error;
	size_t deep;

	if (json.len > KW_OPENED_MAX)
		return kw_refuse(why, KW_ELIMIT, "the JSON has %zu bytes, at most %u are read", json.len, KW_OPENED_MAX);
	if ((deep = json_too_deep_at(json)) != SIZE_MAX) {
		json_path_at(path, sizeof path, json, deep);
		return kw_refuse(why, KW_ELIMIT, "%s.%s: nested deeper than %d at byte %zu", schema, path, JSON_DEPTH_MAX, deep);
	}
	*out = json_loadb((const char *)json.p, json.len, JSON_REJECT_DUPLICATES, &error);
	return *out != NULL ? KW_OK : refuse_json(&error, json, schema, why);
}

enum kw_err
payload_from_json(struct buf *out, enum payload_type type, struct span json, struct kw_why *why)
{
	const ProtobufCMessageDescriptor *desc = payload_schema(type);
	struct buf bytes = BUF_INIT(KW_OPENED_MAX);
	struct reader r = {.why = why};
	json_t *root = NULL;
	enum kw_err err;

	if (desc == NULL)
		return kw_refuse(why, KW_EPROTO, "payload type %u has no schema", (unsigned)type);
	path_start(&r.at, desc);
	if ((err = parse(&root, json, desc->short_name, why)) == KW_OK)
		err = read_object(&r, root, desc, &bytes);
	if (err == KW_OK)
		err = payload_check(type, buf_span(&bytes), why);
	if (err == KW_OK) {
		buf_put_span(out, buf_span(&bytes));
		if (!buf_ok(out))
			err = kw_refuse(why, KW_ELIMIT, "the payload has %zu bytes, more than there is room for", bytes.len);
	}
	json_decref(root);
	buf_free(&bytes);
	return err;
}
