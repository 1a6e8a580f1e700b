/* cap_import: a CAP file's tree to an alert's bytes, element by element as the schema names them, in any order. */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "proto/base64.h"
#include "proto/cap_mend.h"
#include "proto/cap_xml.h"
#include "proto/payload.h"
#include "proto/payload_check.h"

#define NS_SIGNATURE "http://www.w3.org/2000/09/xmldsig#"

struct import {
	struct buf *warnings;
	struct kw_why *why;
	struct own_reference own;
	char *own_texts[3];    /* what own points to */
	bool first_message;    /* msgType Alert */
};

static bool
is_cap_ns(const xmlNode *node)
{
	static const char *const known[] = {
		"urn:oasis:names:tc:emergency:cap:1.2",
		"urn:oasis:names:tc:emergency:cap:1.1",
		"http://www.incident.com/cap/1.0",
		"urn:oasis:names:tc:emergency:cap:1.0",
	};

	for (size_t i = 0; node->ns != NULL && node->ns->href != NULL && i < sizeof known / sizeof known[0]; i++)
		if (strcmp((const char *)node->ns->href, known[i]) == 0)
			return true;
	return false;
}

static bool
is_named(const xmlNode *node, const char *name)
{
	return node->type == XML_ELEMENT_NODE && is_cap_ns(node) && strcmp((const char *)node->name, name) == 0;
}

static xmlNode *
next_named(xmlNode *from, const char *name)
{
	while (from != NULL && !is_named(from, name))
		from = from->next;
	return from;
}

static bool
has_elements(const xmlNode *node)
{
	for (const xmlNode *n = node->children; n != NULL; n = n->next)
		if (n->type == XML_ELEMENT_NODE)
			return true;
	return false;
}

static void
warn(struct import *im, const xmlNode *node, const char *sentence)
{
	if (im->warnings != NULL && sentence != NULL)
		buf_printf(im->warnings, kw_translate("line %ld: %s: %s\n"), xmlGetLineNo(node), (const char *)node->name, kw_translate(sentence));
}

static enum kw_err
refuse(struct import *im, const xmlNode *node, enum kw_err err, const char *fmt, ...) KW_PRINTF(4, 5);

static enum kw_err
refuse(struct import *im, const xmlNode *node, enum kw_err err, const char *fmt, ...)
{
	char sentence[KW_WHY_MAX];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(sentence, sizeof sentence, kw_translate(fmt), args);
	va_end(args);
	return kw_refuse(im->why, err, "line %ld: <%s>: %s", xmlGetLineNo(node), (const char *)node->name, sentence);
}

/* The element's text, cleaned, with a zero behind it. */
static enum kw_err
take_text(struct import *im, xmlNode *node, struct buf *out)
{
	xmlChar *raw = xmlNodeGetContent(node);

	if (raw == NULL)
		return kw_refuse(im->why, KW_ENOMEM, "out of memory for the CAP file");
	if (has_elements(node))
		warn(im, node, "has elements inside, only their text was taken");
	warn(im, node, mend_text(out, (const char *)raw));
	xmlFree(raw);
	return buf_text(out) != NULL ? KW_OK : kw_refuse(im->why, KW_ENOMEM, "out of memory for the CAP file");
}

/* ---- texts ---- */

static const char *
mend_by_name(struct import *im, struct buf *out, const char *name, const char *text)
{
	static const struct {
		const char *name;
		const char *(*mend)(struct buf *, const char *);
	} mends[] = {
		{"sent", mend_time},       {"effective", mend_time}, {"onset", mend_time},       {"expires", mend_time},
		{"polygon", mend_polygon}, {"circle", mend_circle},  {"language", mend_language}, {"web", mend_web},
	};

	if (strcmp(name, "references") == 0 && im->first_message)
		return mend_references(out, text, &im->own);
	for (size_t i = 0; i < sizeof mends / sizeof mends[0]; i++)
		if (strcmp(name, mends[i].name) == 0)
			return mends[i].mend(out, text);
	buf_put_str(out, text);
	return NULL;
}

static enum kw_err
put_text(struct import *im, const xmlNode *node, struct buf *out, const ProtobufCFieldDescriptor *f, const char *text)
{
	struct buf mended = BUF_INIT(CAP_XML_MAX + 4096);
	enum kw_err err = KW_OK;

	warn(im, node, mend_by_name(im, &mended, (const char *)node->name, text));
	if (!buf_ok(&mended))
		err = kw_refuse(im->why, KW_ENOMEM, "out of memory for the CAP file");
	else if (mended.len > 0)
		wire_put_bytes(out, f, buf_span(&mended));
	buf_free(&mended);
	return err;
}

static enum kw_err
put_number(struct import *im, const xmlNode *node, struct buf *out, const ProtobufCFieldDescriptor *f, const char *text)
{
	size_t digits = strspn(text, "0123456789");
	uint64_t v = 0;

	if (text[0] == '\0')
		return KW_OK;
	if (text[digits] != '\0' || digits > 18)
		warn(im, node, "is no whole number and was dropped");
	else
		v = strtoull(text, NULL, 10);
	if (v != 0)
		wire_put_number(out, f, v);
	return KW_OK;
}

static enum kw_err
put_content(struct import *im, const xmlNode *node, struct buf *out, const ProtobufCFieldDescriptor *f, const char *text)
{
	struct buf bytes = BUF_INIT(CAP_XML_MAX);
	enum kw_err err = KW_OK;

	if (!base64_decode(&bytes, span_str(text), BASE64_BLANKS))
		err = refuse(im, node, KW_EINVAL, "is no base64");
	else if (bytes.len > 0)
		wire_put_bytes(out, f, buf_span(&bytes));
	buf_free(&bytes);
	return err;
}

static enum kw_err
take_scalar(struct import *im, xmlNode *node, struct buf *out, const ProtobufCFieldDescriptor *f)
{
	struct buf text = BUF_INIT(CAP_XML_MAX + 1);
	enum kw_err err = take_text(im, node, &text);

	if (err == KW_OK && f->type == PROTOBUF_C_TYPE_STRING)
		err = put_text(im, node, out, f, (const char *)text.p);
	else if (err == KW_OK && f->type == PROTOBUF_C_TYPE_BYTES)
		err = put_content(im, node, out, f, (const char *)text.p);
	else if (err == KW_OK)
		err = put_number(im, node, out, f, (const char *)text.p);
	buf_free(&text);
	return err;
}

/* ---- words of a list ---- */

/* The word's number; 0 for an empty element, which then counts as not given. */
static enum kw_err
take_word(struct import *im, xmlNode *node, const ProtobufCFieldDescriptor *f, int *out)
{
	const ProtobufCEnumDescriptor *of = f->descriptor;
	struct buf text = BUF_INIT(CAP_XML_MAX + 1);
	enum kw_err err = take_text(im, node, &text);
	const char *word = (const char *)text.p;
	char words[256];

	*out = 0;
	if (err == KW_OK && strcasecmp(word, "Very Likely") == 0 && strcmp(f->name, "certainty") == 0) {
		warn(im, node, "\"Very Likely\" is read as Likely");
		word = "Likely";
	}
	for (unsigned i = 0; err == KW_OK && i < of->n_values && *out == 0; i++) {
		if (of->values[i].value == 0 || strcasecmp(word, of->values[i].name) != 0)
			continue;
		*out = of->values[i].value;
		if (strcmp(word, of->values[i].name) != 0)
			warn(im, node, "large and small letters were put right");
	}
	if (err == KW_OK && *out == 0 && word[0] != '\0') {
		payload_words(words, sizeof words, of);
		err = refuse(im, node, KW_EINVAL, "\"%.64s\" is none of its values, must be one of %s", word, words);
	}
	buf_free(&text);
	return err;
}

/* CAP 1.1 and 1.2 require these four; some real files leave one away, and what they mean then has a word. */
static int
word_when_absent(const ProtobufCFieldDescriptor *f)
{
	if (strcmp(f->name, "category") == 0)
		return KURZWEG__CATEGORY__IS__Other;
	if (strcmp(f->name, "urgency") == 0)
		return KURZWEG__URGENCY__IS__Unknown;
	if (strcmp(f->name, "severity") == 0)
		return KURZWEG__SEVERITY__IS__Unknown;
	if (strcmp(f->name, "certainty") == 0)
		return KURZWEG__CERTAINTY__IS__Unknown;
	return 0;
}

static enum kw_err
take_words(struct import *im, xmlNode *parent, const char *name, struct buf *out, const ProtobufCFieldDescriptor *f)
{
	struct buf packed = BUF_INIT(CAP_XML_MAX);
	xmlNode *node = next_named(parent->children, name);
	enum kw_err err = KW_OK;
	int word = node == NULL ? word_when_absent(f) : 0;

	if (word != 0 && im->warnings != NULL)
		buf_printf(im->warnings, kw_translate("line %ld: %s: %s is absent and was taken as %s\n"), xmlGetLineNo(parent), (const char *)parent->name,
		           name, f->label == PROTOBUF_C_LABEL_REPEATED ? "Other" : "Unknown");
	if (word != 0)
		wire_put_varint(&packed, (uint64_t)word);
	for (; node != NULL && err == KW_OK; node = next_named(node->next, name)) {
		if ((err = take_word(im, node, f, &word)) == KW_OK && word != 0)
			wire_put_varint(&packed, (uint64_t)word);
	}
	if (err == KW_OK && packed.len > 0 && f->label == PROTOBUF_C_LABEL_REPEATED)
		wire_put_bytes(out, f, buf_span(&packed));
	else if (err == KW_OK && packed.len > 0)
		wire_put_number(out, f, packed.p[0]);
	buf_free(&packed);
	return err;
}

/* ---- elements ---- */

/* CAP 1.0 wrote NAME=VALUE where later versions have two elements. */
static enum kw_err
take_pair_1_0(struct import *im, xmlNode *node, struct buf *out, const ProtobufCMessageDescriptor *desc)
{
	struct buf text = BUF_INIT(CAP_XML_MAX + 1);
	enum kw_err err = take_text(im, node, &text);
	const char *equals = err == KW_OK ? strchr((const char *)text.p, '=') : NULL;

	if (err == KW_OK && text.len > 0 && (equals == NULL || equals == (const char *)text.p))
		err = refuse(im, node, KW_EINVAL, "must be NAME=VALUE or have valueName and value");
	if (err == KW_OK && equals != NULL) {
		wire_put_bytes(out, &desc->fields[0], span_of(text.p, (size_t)(equals - (const char *)text.p)));
		if (equals[1] != '\0')
			wire_put_bytes(out, &desc->fields[1], span_str(equals + 1));
	}
	buf_free(&text);
	return err;
}

static enum kw_err take_element(struct import *im, xmlNode *node, struct buf *out, const ProtobufCMessageDescriptor *desc);

static enum kw_err
take_child(struct import *im, xmlNode *node, struct buf *out, const ProtobufCFieldDescriptor *f)
{
	struct buf inner = BUF_INIT(CAP_XML_MAX);
	enum kw_err err;

	if (f->descriptor == &kurzweg__pair__descriptor && !has_elements(node))
		err = take_pair_1_0(im, node, &inner, f->descriptor);
	else
		err = take_element(im, node, &inner, f->descriptor);
	if (err == KW_OK && inner.len > 0)
		wire_put_bytes(out, f, buf_span(&inner));
	else if (err == KW_OK)
		warn(im, node, "is empty and was dropped");
	buf_free(&inner);
	return err;
}

/* Given twice, an element that may stand once has two meanings, and which one was acted on could never be told. */
static enum kw_err
refuse_second(struct import *im, xmlNode *first, const char *name)
{
	xmlNode *second = first == NULL ? NULL : next_named(first->next, name);

	return second == NULL ? KW_OK : refuse(im, second, KW_EINVAL, "stands there twice, it may stand once (first in line %ld)", xmlGetLineNo(first));
}

static enum kw_err
take_field(struct import *im, xmlNode *parent, struct buf *out, const ProtobufCFieldDescriptor *f)
{
	char name[PAYLOAD_NAME_MAX];
	xmlNode *node;
	enum kw_err err;

	field_name(name, f);
	node = next_named(parent->children, name);
	if (f->label != PROTOBUF_C_LABEL_REPEATED && (err = refuse_second(im, node, name)) != KW_OK)
		return err;
	if (f->type == PROTOBUF_C_TYPE_ENUM)
		return take_words(im, parent, name, out, f);
	if (node == NULL && strcmp(name, "mimeType") == 0) {
		warn(im, parent, "has no mimeType, application/octet-stream was taken");
		wire_put_bytes(out, f, span_str("application/octet-stream"));
	}
	for (; node != NULL; node = next_named(node->next, name)) {
		err = f->type == PROTOBUF_C_TYPE_MESSAGE ? take_child(im, node, out, f) : take_scalar(im, node, out, f);
		if (err != KW_OK)
			return err;
	}
	return KW_OK;
}

static void
warn_of_strangers(struct import *im, const xmlNode *parent, const ProtobufCMessageDescriptor *desc)
{
	for (const xmlNode *n = parent->children; n != NULL; n = n->next) {
		const ProtobufCFieldDescriptor *f;
		char name[PAYLOAD_NAME_MAX] = "";

		if (n->type != XML_ELEMENT_NODE)
			continue;
		if (n->ns != NULL && strcmp((const char *)n->ns->href, NS_SIGNATURE) == 0) {
			warn(im, n, "the signature was not checked and is not kept");
			continue;
		}
		if ((f = field_by_name(desc, (const char *)n->name)) != NULL)
			field_name(name, f);
		if (!is_cap_ns(n) || strcmp(name, (const char *)n->name) != 0)
			warn(im, n, "is no element of CAP at this place and was dropped");
	}
}

static enum kw_err
take_element(struct import *im, xmlNode *node, struct buf *out, const ProtobufCMessageDescriptor *desc)
{
	enum kw_err err;

	warn_of_strangers(im, node, desc);
	for (unsigned i = 0; i < desc->n_fields; i++)
		if ((err = take_field(im, node, out, &desc->fields[i])) != KW_OK)
			return err;
	return buf_ok(out) ? KW_OK : kw_refuse(im->why, KW_ENOMEM, "out of memory for the CAP file");
}

/* ---- the whole ---- */

/* The alert's own name must be known before its references are read, wherever it stands. */
static enum kw_err
note_own(struct import *im, xmlNode *root)
{
	static const char *const names[] = {"sender", "identifier", "sent"};
	xmlNode *type = next_named(root->children, "msgType");
	xmlChar *raw = type != NULL ? xmlNodeGetContent(type) : NULL;

	im->first_message = raw != NULL && strcasestr((const char *)raw, "Alert") != NULL;
	xmlFree(raw);
	for (size_t i = 0; i < 3; i++) {
		xmlNode *node = next_named(root->children, names[i]);
		struct buf text = BUF_INIT(CAP_XML_MAX + 1), mended = BUF_INIT(CAP_XML_MAX + 64);
		struct import silent = {.why = im->why};
		enum kw_err err = node == NULL ? KW_OK : take_text(&silent, node, &text);

		if (err == KW_OK && node != NULL)
			(void)(i == 2 ? mend_time(&mended, (const char *)text.p) : mend_text(&mended, (const char *)text.p));
		im->own_texts[i] = err == KW_OK && buf_text(&mended) != NULL ? strdup((const char *)mended.p) : NULL;
		buf_free(&text);
		buf_free(&mended);
		if (im->own_texts[i] == NULL)
			return kw_refuse(im->why, KW_ENOMEM, "out of memory for the CAP file");
	}
	im->own = (struct own_reference){im->own_texts[0], im->own_texts[1], im->own_texts[2]};
	return KW_OK;
}

/* The index-th element of that name that was taken, which empty ones are not; the first empty one when there is none. */
static xmlNode *
nth_taken(xmlNode *parent, const char *name, unsigned long index)
{
	xmlNode *first = next_named(parent->children, name);

	for (xmlNode *node = first; node != NULL; node = next_named(node->next, name)) {
		bool empty = node->children == NULL || (node->children->next == NULL && xmlIsBlankNode(node->children));

		if (!empty && index-- == 0)
			return node;
	}
	return first;
}

/* A scan names fields as the schema does, sender_name; CAP's element is senderName. */
static void
element_name(char out[PAYLOAD_NAME_MAX], const char *name, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len && n < PAYLOAD_NAME_MAX - 1; i++) {
		if (name[i] == '_' && i + 1 < len)
			out[n++] = (char)toupper((unsigned char)name[++i]);
		else
			out[n++] = name[i];
	}
	out[n] = '\0';
}

/* The element that a path like Alert.info[1].area[0].polygon[2] means, or the last one of its way that is there. */
static const xmlNode *
node_at(xmlNode *root, const char *path)
{
	xmlNode *at = root;

	while ((path = strchr(path, '.')) != NULL) {
		char name[PAYLOAD_NAME_MAX];
		unsigned long index = 0;
		xmlNode *node;
		size_t len = strcspn(++path, ".[");

		element_name(name, path, len);
		if (path[len] == '[')
			index = strtoul(path + len + 1, NULL, 10);
		if ((node = nth_taken(at, name, index)) == NULL)
			break;
		at = node;
	}
	return at;
}

static enum kw_err
check_taken(struct import *im, xmlNode *root, struct span bytes)
{
	struct check c = {.why = im->why};
	struct capped memory;
	ProtobufCMessage *msg;
	enum kw_err err;

	if ((err = payload_open(&msg, &memory, PAYLOAD_ALERT, bytes, im->why)) != KW_OK) {
		if (im->why != NULL) { /* a scan's sentence begins with the path */
			(void)snprintf(c.at.text, sizeof c.at.text, "%.*s", (int)strcspn(im->why->text, ": "), im->why->text);
			kw_why_prefix(im->why, "line %ld", xmlGetLineNo(node_at(root, c.at.text)));
		}
		return err;
	}
	if ((err = check_message(&c, PAYLOAD_ALERT, msg)) != KW_OK)
		kw_why_prefix(im->why, "line %ld", xmlGetLineNo(node_at(root, c.at.text)));
	payload_close(msg, &memory);
	return err;
}

static enum kw_err
import_root(struct import *im, xmlNode *root, struct buf *out)
{
	struct buf bytes = BUF_INIT(KW_OPENED_MAX);
	enum kw_err err;

	if (root == NULL || strcmp((const char *)root->name, "alert") != 0)
		return kw_refuse(im->why, KW_EPROTO, "line %ld: the file holds no CAP alert but <%.64s>", root == NULL ? 1 : xmlGetLineNo(root),
		                 root == NULL ? "" : (const char *)root->name);
	if (!is_cap_ns(root))
		return kw_refuse(im->why, KW_EPROTO, "line %ld: <alert> is not of CAP 1.0, 1.1 or 1.2; its namespace must be urn:oasis:names:tc:emergency:cap:1.2",
		                 xmlGetLineNo(root));
	if ((err = note_own(im, root)) == KW_OK)
		err = take_element(im, root, &bytes, &kurzweg__alert__descriptor);
	if (err == KW_OK)
		err = check_taken(im, root, buf_span(&bytes));
	if (err == KW_OK) {
		buf_put_span(out, buf_span(&bytes));
		if (!buf_ok(out))
			err = kw_refuse(im->why, KW_ELIMIT, "the alert has %zu bytes, more than there is room for", bytes.len);
	}
	buf_free(&bytes);
	return err;
}

enum kw_err
cap_import(struct buf *out, struct buf *warnings, struct span xml, struct kw_why *why)
{
	struct import im = {.warnings = warnings, .why = why};
	xmlDoc *doc;
	enum kw_err err;

	if ((err = cap_xml_parse(&doc, xml, why)) != KW_OK)
		return err;
	err = import_root(&im, xmlDocGetRootElement(doc), out);
	for (size_t i = 0; i < 3; i++)
		free(im.own_texts[i]);
	xmlFreeDoc(doc);
	return err;
}
