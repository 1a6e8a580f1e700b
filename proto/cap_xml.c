/* cap_xml: a look at the raw bytes first, then libxml2 with every way out of the text shut. */
#include "proto/cap_xml.h"

#include <libxml/SAX2.h>
#include <libxml/parser.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static size_t
line_at(struct span xml, size_t at)
{
	size_t line = 1;

	for (size_t i = 0; i < at && i < xml.len; i++)
		line += xml.p[i] == '\n';
	return line;
}

static size_t
blanks_before(struct span xml)
{
	size_t n = 0;

	while (n < xml.len && (xml.p[n] == ' ' || xml.p[n] == '\t' || xml.p[n] == '\r' || xml.p[n] == '\n'))
		n++;
	return n;
}

static bool
begins(struct span xml, size_t at, const char *with)
{
	size_t n = strlen(with);

	return n <= xml.len - at && memcmp(xml.p + at, with, n) == 0;
}

/* Behind the next end, or the end of all: what is not closed is for the parser to refuse. */
static size_t
behind(struct span xml, size_t at, const char *end)
{
	const uint8_t *p = memmem(xml.p + at, xml.len - at, end, strlen(end));

	return p == NULL ? xml.len : (size_t)(p - xml.p) + strlen(end);
}

static size_t
behind_tag(struct span xml, size_t at)
{
	uint8_t quote = 0;

	for (; at < xml.len; at++) {
		uint8_t c = xml.p[at];

		if (quote != 0)
			quote = c == quote ? 0 : quote;
		else if (c == '"' || c == '\'')
			quote = c;
		else if (c == '>')
			return at + 1;
	}
	return xml.len;
}

/* Before any parser runs: no zero bytes (so no UTF-16 that would hide the rest), no DTD, tags short, nodes countable. */
static enum kw_err
look_through(struct span xml, struct kw_why *why)
{
	const uint8_t *zero = memchr(xml.p, 0, xml.len);
	size_t nodes = 0, at = 0;

	if (zero != NULL)
		return kw_refuse(why, KW_EPROTO, "line %zu: a zero byte; the file must be text in UTF-8 or ISO-8859-1", line_at(xml, (size_t)(zero - xml.p)));
	while (at < xml.len) {
		const uint8_t *p = memchr(xml.p + at, '<', xml.len - at);
		size_t began;

		if (p == NULL)
			break;
		began = (size_t)(p - xml.p);
		if (++nodes > 2 * CAP_XML_NODES_MAX)
			return kw_refuse(why, KW_ELIMIT, "line %zu: more than %u elements", line_at(xml, began), CAP_XML_NODES_MAX);
		if (begins(xml, began, "<!--"))
			at = behind(xml, began + 4, "-->");
		else if (begins(xml, began, "<![CDATA["))
			at = behind(xml, began + 9, "]]>");
		else if (begins(xml, began, "<?"))
			at = behind(xml, began + 2, "?>");
		else if (begins(xml, began, "<!"))
			return kw_refuse(why, KW_EPROTO, "line %zu: a document type definition (<!DOCTYPE …>); a CAP file has none, remove it", line_at(xml, began));
		else if ((at = behind_tag(xml, began)) - began > CAP_XML_TAG_MAX)
			return kw_refuse(why, KW_ELIMIT, "line %zu: a tag longer than %d bytes", line_at(xml, began), CAP_XML_TAG_MAX);
	}
	return KW_OK;
}

/*
 * The encoding for libxml2, and only those of one byte per ASCII character: in another one '<' could be written so that
 * the look above does not see it. Files that say ISO-8859-1 and use 0x80 to 0x9F mean Windows-1252, as browsers know.
 */
static enum kw_err
choose_encoding(const char **out, struct span xml, struct kw_why *why)
{
	static const struct {
		const char *said, *meant;
	} known[] = {
		{"UTF-8", "UTF-8"},               {"UTF8", "UTF-8"},          {"US-ASCII", "UTF-8"},
		{"ISO-8859-1", "WINDOWS-1252"},   {"LATIN1", "WINDOWS-1252"}, {"ISO8859-1", "WINDOWS-1252"},
		{"WINDOWS-1252", "WINDOWS-1252"}, {"ISO-8859-15", "ISO-8859-15"},
	};
	char declaration[256] = "", name[32] = "";
	size_t skip = begins(xml, 0, "\xEF\xBB\xBF") ? 3 : 0, len;
	const char *p;

	*out = "UTF-8";
	if (!begins(xml, skip, "<?xml"))
		return KW_OK;
	len = behind(xml, skip, "?>") - skip;
	if (len >= sizeof declaration)
		return kw_refuse(why, KW_ELIMIT, "line 1: the XML declaration is longer than %zu bytes", sizeof declaration - 1);
	memcpy(declaration, xml.p + skip, len);
	if ((p = strstr(declaration, "encoding")) == NULL)
		return KW_OK;
	if (sscanf(p, "encoding%*[ \t\r\n=]%*[\"']%31[A-Za-z0-9._-]", name) != 1)
		name[0] = '\0';
	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
		if (strcasecmp(name, known[i].said) != 0)
			continue;
		*out = known[i].meant;
		return KW_OK;
	}
	return kw_refuse(why, KW_EPROTO, "line 1: the encoding \"%s\" is not read here, use UTF-8 or ISO-8859-1", name);
}

struct limits {
	unsigned nodes;
	size_t lines_before; /* of blanks, which the parser was not shown */
	const char *broken; /* which limit, as a sentence's end; NULL: none */
	int line;
};

static void
stop(xmlParserCtxt *ctxt, const char *broken)
{
	struct limits *l = ctxt->_private;

	if (l->broken == NULL) {
		l->broken = broken;
		l->line = ctxt->input != NULL ? ctxt->input->line : 0;
	}
	xmlStopParser(ctxt);
}

static void
on_start(void *ctx)
{
	xmlParserCtxt *ctxt = ctx;

	ctxt->input->line += (int)((struct limits *)ctxt->_private)->lines_before;
	xmlSAX2StartDocument(ctx);
}

static void
on_dtd(void *ctx, const xmlChar *name, const xmlChar *external, const xmlChar *system)
{
	(void)name;
	(void)external;
	(void)system;
	stop(ctx, "a document type definition; a CAP file has none, remove it");
}

static void
on_element(void *ctx, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri, int n_ns, const xmlChar **ns, int n_attr,
           int n_default, const xmlChar **attr)
{
	xmlParserCtxt *ctxt = ctx;
	struct limits *l = ctxt->_private;

	if (ctxt->nodeNr >= CAP_XML_DEPTH_MAX) {
		stop(ctxt, "elements nested deeper than 32");
		return;
	}
	if (++l->nodes > CAP_XML_NODES_MAX) {
		stop(ctxt, "more than 100000 elements");
		return;
	}
	xmlSAX2StartElementNs(ctx, name, prefix, uri, n_ns, ns, n_attr, n_default, attr);
}

static enum kw_err
refuse_parse(xmlParserCtxt *ctxt, const struct limits *l, struct kw_why *why)
{
	const xmlError *e = xmlCtxtGetLastError(ctxt);
	int len;

	if (l->broken != NULL)
		return kw_refuse(why, KW_ELIMIT, "line %d: %s", l->line, l->broken);
	if (e == NULL || e->message == NULL)
		return kw_refuse(why, KW_EPROTO, "line 1: no XML");
	if (e->code == XML_ERR_NO_MEMORY)
		return kw_refuse(why, KW_ENOMEM, "out of memory for the XML");
	len = (int)strcspn(e->message, "\n");
	return kw_refuse(why, KW_EPROTO, "line %d: no well-formed XML: %.*s", e->line, len, e->message);
}

enum kw_err
cap_xml_parse(xmlDoc **out, struct span xml, struct kw_why *why)
{
	struct limits limits = {0};
	const char *encoding;
	xmlParserCtxt *ctxt;
	xmlDoc *doc;
	size_t blanks;
	enum kw_err err;

	if (xml.len == 0)
		return kw_refuse(why, KW_EPROTO, "the CAP file is empty");
	if (xml.len > CAP_XML_MAX)
		return kw_refuse(why, KW_ELIMIT, "the CAP file has %zu bytes, at most %u are read", xml.len, CAP_XML_MAX);
	if ((err = look_through(xml, why)) != KW_OK)
		return err;
	blanks = blanks_before(xml); /* XML wants none before its declaration; files that were pasted together have some */
	limits.lines_before = line_at(xml, blanks) - 1;
	xml = span_of(xml.p + blanks, xml.len - blanks);
	if ((err = choose_encoding(&encoding, xml, why)) != KW_OK)
		return err;
	if ((ctxt = xmlNewParserCtxt()) == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for the XML");
	ctxt->_private = &limits;
	ctxt->sax->startDocument = on_start;
	ctxt->sax->internalSubset = on_dtd;
	ctxt->sax->externalSubset = on_dtd;
	ctxt->sax->startElementNs = on_element;
	doc = xmlCtxtReadMemory(ctxt, (const char *)xml.p, (int)xml.len, NULL, encoding,
	                        XML_PARSE_NONET | XML_PARSE_NOCDATA | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_BIG_LINES |
	                            XML_PARSE_IGNORE_ENC);
	if (doc == NULL || !ctxt->wellFormed || limits.broken != NULL) {
		err = refuse_parse(ctxt, &limits, why);
		xmlFreeDoc(doc);
		doc = NULL;
	}
	xmlFreeParserCtxt(ctxt);
	if (doc != NULL)
		*out = doc;
	return err;
}
