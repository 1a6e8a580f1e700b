/* cap_export: an alert as strict CAP 1.2. The schema's fields stand in CAP's order, so writing them one by one is that order. */
#include <libxml/xmlwriter.h>
#include <stdio.h>
#include <string.h>

#include "proto/base64.h"
#include "proto/payload.h"
#include "proto/payload_check.h"

#define NS_CAP "urn:oasis:names:tc:emergency:cap:1.2"

static bool put_message(xmlTextWriter *w, const ProtobufCMessage *msg);

static bool
put_element(xmlTextWriter *w, const char *name, const char *text)
{
	return xmlTextWriterWriteElement(w, BAD_CAST name, BAD_CAST text) >= 0;
}

static bool
put_base64(xmlTextWriter *w, const char *name, const ProtobufCBinaryData *bytes)
{
	struct buf text = BUF_INIT(bytes->len / 3 * 4 + 64);
	bool ok;

	base64_encode(&text, span_of(bytes->data, bytes->len));
	ok = buf_text(&text) != NULL && put_element(w, name, (const char *)text.p);
	buf_free(&text);
	return ok;
}

static bool
put_value(xmlTextWriter *w, const ProtobufCFieldDescriptor *f, const void *at)
{
	char name[PAYLOAD_NAME_MAX], number[24];

	field_name(name, f);
	switch (f->type) {
	case PROTOBUF_C_TYPE_MESSAGE:
		return xmlTextWriterStartElement(w, BAD_CAST name) >= 0 && put_message(w, *(ProtobufCMessage *const *)at) &&
		       xmlTextWriterEndElement(w) >= 0;
	case PROTOBUF_C_TYPE_STRING:
		return put_element(w, name, *(char *const *)at);
	case PROTOBUF_C_TYPE_BYTES:
		return put_base64(w, name, at);
	case PROTOBUF_C_TYPE_ENUM: /* its names are CAP's words */
		return put_element(w, name, protobuf_c_enum_descriptor_get_value(f->descriptor, *(const int *)at)->name);
	case PROTOBUF_C_TYPE_UINT64:
		(void)snprintf(number, sizeof number, "%llu", (unsigned long long)*(const uint64_t *)at);
		return put_element(w, name, number);
	default:
		MUST(false && "a type that Alert does not use");
		return false;
	}
}

static bool
put_message(xmlTextWriter *w, const ProtobufCMessage *msg)
{
	const ProtobufCMessageDescriptor *desc = msg->descriptor;

	for (unsigned i = 0; i < desc->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &desc->fields[i];
		size_t n = field_count(msg, f);

		if (n == 0 && desc == &kurzweg__pair__descriptor) /* an empty value is a value: CAP requires the element */
			n = 1;
		for (size_t k = 0; k < n; k++)
			if (!put_value(w, f, field_at(msg, f, k)))
				return false;
	}
	return true;
}

static bool
put_document(xmlTextWriter *w, const ProtobufCMessage *alert)
{
	return xmlTextWriterSetIndent(w, 1) >= 0 && xmlTextWriterSetIndentString(w, BAD_CAST "  ") >= 0 &&
	       xmlTextWriterStartDocument(w, "1.0", "UTF-8", NULL) >= 0 && xmlTextWriterStartElement(w, BAD_CAST "alert") >= 0 &&
	       xmlTextWriterWriteAttribute(w, BAD_CAST "xmlns", BAD_CAST NS_CAP) >= 0 && put_message(w, alert) &&
	       xmlTextWriterEndElement(w) >= 0 && xmlTextWriterEndDocument(w) >= 0;
}

static enum kw_err
write_out(struct buf *out, const ProtobufCMessage *alert, struct kw_why *why)
{
	xmlBuffer *text = xmlBufferCreate();
	xmlTextWriter *w = text != NULL ? xmlNewTextWriterMemory(text, 0) : NULL;
	bool ok = w != NULL && put_document(w, alert);
	size_t began = out->len;

	xmlFreeTextWriter(w); /* what it still holds goes to text */
	if (ok)
		buf_put(out, xmlBufferContent(text), (size_t)xmlBufferLength(text));
	xmlBufferFree(text);
	if (ok && buf_ok(out))
		return KW_OK;
	out->len = began;
	return kw_refuse(why, KW_ENOMEM, "no room for the CAP file of the alert");
}

enum kw_err
cap_export(struct buf *out, struct span alert, struct kw_why *why)
{
	struct capped memory;
	ProtobufCMessage *msg;
	enum kw_err err;

	if ((err = payload_open_checked(&msg, &memory, PAYLOAD_ALERT, alert, why)) != KW_OK)
		return err;
	err = write_out(out, msg, why);
	payload_close(msg, &memory);
	return err;
}
