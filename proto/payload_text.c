/* payload_text: a payload as a person at a terminal reads it, the most urgent first. */
#include <stdio.h>
#include <string.h>

#include "proto/payload.h"
#include "proto/payload_check.h"
#include "proto/payload_lines.h"
#include "proto/payload_show.h"

#define JOINED_MAX (64u * 1024u)

static void
join(struct buf *out, const char *separator, const char *text)
{
	if (text[0] == '\0')
		return;
	if (out->len > 0)
		buf_put_str(out, separator);
	buf_put_str(out, text);
}

static void
put_joined(struct lines *l, const char *field, struct buf *text)
{
	if (text->len > 0 && buf_text(text) != NULL)
		lines_put(l, field, (const char *)text->p);
	buf_free(text);
}

/* What must not be overlooked stands alone on the first line: that it is no real one, that it takes something back. */
static void
put_banner(struct lines *l, const Kurzweg__Alert *a)
{
	static const char *const german[] = {"", "", "ÜBUNG", "SYSTEMMELDUNG", "TEST – nicht beachten", "ENTWURF – nicht danach handeln"};
	static const char *const english[] = {"", "", "EXERCISE", "SYSTEM MESSAGE", "TEST – disregard", "DRAFT – do not act on it"};
	const char *type = lines_word(l, &kurzweg__msg_type__is__descriptor, (int)a->msg_type);
	const char *status = l->german ? german[a->status] : english[a->status];

	if (status[0] != '\0')
		buf_printf(l->out, "*** %s ***\n", status);
	if (a->msg_type != KURZWEG__MSG_TYPE__IS__Alert)
		buf_printf(l->out, "[%s] ", type);
}

static void
put_judgement(struct lines *l, const Kurzweg__Info *i)
{
	lines_put(l, "severity", lines_word(l, &kurzweg__severity__is__descriptor, (int)i->severity));
	lines_put(l, "urgency", lines_word(l, &kurzweg__urgency__is__descriptor, (int)i->urgency));
	lines_put(l, "certainty", lines_word(l, &kurzweg__certainty__is__descriptor, (int)i->certainty));
}

static void
put_areas(struct lines *l, const Kurzweg__Info *i)
{
	struct buf names = BUF_INIT(JOINED_MAX);

	for (size_t k = 0; k < i->n_area; k++)
		join(&names, "; ", i->area[k]->area_desc);
	put_joined(l, "area", &names);
}

static void
put_from(struct lines *l, const Kurzweg__Alert *a, const Kurzweg__Info *i)
{
	struct buf from = BUF_INIT(JOINED_MAX);

	join(&from, "", i->sender_name);
	if (from.len > 0)
		buf_printf(&from, " (%s)", a->sender);
	else
		buf_put_str(&from, a->sender);
	put_joined(l, "from", &from);
}

static void
put_words(struct lines *l, const Kurzweg__Info *i)
{
	struct buf text = BUF_INIT(JOINED_MAX);

	for (size_t k = 0; k < i->n_response_type; k++)
		join(&text, ", ", lines_word(l, &kurzweg__response_type__is__descriptor, (int)i->response_type[k]));
	put_joined(l, "responseType", &text);
	text = BUF_INIT(JOINED_MAX);
	for (size_t k = 0; k < i->n_category; k++)
		join(&text, ", ", lines_word(l, &kurzweg__category__is__descriptor, (int)i->category[k]));
	put_joined(l, "category", &text);
}

static void
put_pairs(struct lines *l, const char *field, Kurzweg__Pair *const *pairs, size_t n)
{
	for (size_t k = 0; k < n; k++) {
		struct buf text = BUF_INIT(JOINED_MAX);

		buf_printf(&text, "%s = %s", pairs[k]->value_name, pairs[k]->value);
		put_joined(l, field, &text);
	}
}

static void
put_resources(struct lines *l, const Kurzweg__Info *i)
{
	for (size_t k = 0; k < i->n_resource; k++) {
		const Kurzweg__Resource *r = i->resource[k];
		struct buf text = BUF_INIT(JOINED_MAX);

		buf_printf(&text, "%s (%s", r->resource_desc, r->mime_type);
		if (r->deref_uri.len > 0)
			buf_printf(&text, l->german ? ", liegt bei, %zu Bytes" : ", enclosed, %zu bytes", r->deref_uri.len);
		buf_put_str(&text, ")");
		join(&text, " ", r->uri);
		put_joined(l, "resource", &text);
	}
}

/* First what must be known to act, then what explains it. */
static void
put_info(struct lines *l, const Kurzweg__Alert *a, const Kurzweg__Info *i)
{
	if (i->headline[0] != '\0')
		lines_put(l, "event", i->event);
	put_judgement(l, i);
	put_areas(l, i);
	lines_put_time(l, "until", i->expires);
	put_from(l, a, i);
	lines_put(l, "todo", i->instruction);
	put_words(l, i);
	lines_put_time(l, "onset", i->onset);
	lines_put_time(l, "effective", i->effective);
	lines_put(l, "description", i->description);
	lines_put(l, "audience", i->audience);
	lines_put(l, "contact", i->contact);
	lines_put(l, "web", i->web);
	put_resources(l, i);
	put_pairs(l, "eventCode", i->event_code, i->n_event_code);
	put_pairs(l, "parameter", i->parameter, i->n_parameter);
	for (size_t k = 0; k < i->n_area; k++) {
		put_pairs(l, "geocode", i->area[k]->geocode, i->area[k]->n_geocode);
		lines_put(l, "altitude", i->area[k]->altitude);
		lines_put(l, "ceiling", i->area[k]->ceiling);
	}
}

static const char *
language_of(const Kurzweg__Info *i)
{
	return i->language[0] != '\0' ? i->language : ALERT_LANGUAGE_DEFAULT;
}

static void
put_other_languages(struct lines *l, const Kurzweg__Alert *a, size_t chosen)
{
	struct buf others = BUF_INIT(JOINED_MAX);

	for (size_t i = 0; i < a->n_info; i++) {
		bool seen = alert_same_language(a, i, chosen);

		for (size_t k = 0; k < i && !seen; k++)
			seen = alert_same_language(a, i, k);
		if (!seen)
			join(&others, ", ", language_of(a->info[i]));
	}
	put_joined(l, "languages", &others);
}

static void
put_codes(struct lines *l, const Kurzweg__Alert *a)
{
	for (size_t i = 0; i < a->n_code; i++)
		lines_put(l, "code", a->code[i]);
}

static void
put_envelope(struct lines *l, const Kurzweg__Alert *a)
{
	lines_put_time(l, "sent", a->sent);
	if (a->n_info == 0)
		lines_put(l, "from", a->sender);
	lines_put(l, "note", a->note);
	lines_put(l, "source", a->source);
	lines_put(l, "scope", lines_word(l, &kurzweg__scope__is__descriptor, (int)a->scope));
	lines_put(l, "restriction", a->restriction);
	lines_put(l, "addresses", a->addresses);
	lines_put(l, "incidents", a->incidents);
	put_codes(l, a);
	lines_put(l, "references", a->references);
	lines_put(l, "identifier", a->identifier);
}

/* All infos of the chosen language, in their order: later ones add to the first. */
static void
put_alert(struct lines *l, const Kurzweg__Alert *a, const char *language)
{
	size_t chosen = alert_choose(a, language);
	bool first = true;

	put_banner(l, a);
	if (a->n_info == 0)
		lines_put_title(l, "", a->note[0] != '\0' ? a->note : a->identifier);
	for (size_t i = 0; i < a->n_info; i++) {
		const Kurzweg__Info *info = a->info[i];

		if (!alert_same_language(a, i, chosen))
			continue;
		lines_put_title(l, first ? "" : "\n", info->headline[0] != '\0' ? info->headline : info->event);
		put_info(l, a, info);
		first = false;
	}
	if (a->n_info > 0)
		put_other_languages(l, a, chosen);
	put_envelope(l, a);
}

static void
put_statement(struct lines *l, const Kurzweg__Statement *s, const char *language)
{
	const Kurzweg__StatementText *t = s->text[statement_choose(s, language)];
	struct buf others = BUF_INIT(JOINED_MAX);

	lines_put_title(l, "", t->headline);
	lines_put(l, "issuer", s->issuer);
	lines_put(l, "occasion", s->occasion);
	lines_put_time(l, "notBefore", s->not_before);
	lines_put(l, "body", t->body);
	lines_put(l, "contact", s->contact);
	lines_put(l, "web", s->web);
	for (size_t i = 0; i < s->n_text; i++)
		if (s->text[i] != t)
			join(&others, ", ", s->text[i]->language);
	put_joined(l, "languages", &others);
}

/* How it may be used stands before what it says: nobody reads to the end first. */
static void
put_handled(struct lines *l, const ProtobufCMessage *msg, const char *headline, Kurzweg__Handling *handling)
{
	lines_put_title(l, "", headline);
	if (handling->mark != KURZWEG__MARK__IS__Open)
		buf_printf(l->out, "*** %s ***\n", lines_word(l, &kurzweg__mark__is__descriptor, (int)handling->mark));
	lines_put_message(l, msg);
}

enum kw_err
payload_to_text(struct buf *out, enum payload_type type, struct span in, const char *language, bool german, struct kw_why *why)
{
	struct lines l = {out, german};
	size_t began = out->len;
	struct capped memory;
	ProtobufCMessage *msg;
	enum kw_err err;

	if ((err = payload_open_checked(&msg, &memory, type, in, why)) != KW_OK)
		return err;
	if (type == PAYLOAD_ALERT)
		put_alert(&l, (const Kurzweg__Alert *)msg, language);
	else if (type == PAYLOAD_STATEMENT)
		put_statement(&l, (const Kurzweg__Statement *)msg, language);
	else if (type == PAYLOAD_REQUEST)
		put_handled(&l, msg, ((const Kurzweg__Request *)msg)->subject, ((const Kurzweg__Request *)msg)->handling);
	else if (type == PAYLOAD_REPORT)
		put_handled(&l, msg, ((const Kurzweg__Report *)msg)->subject, ((const Kurzweg__Report *)msg)->handling);
	else if (type == PAYLOAD_DOCUMENT)
		put_handled(&l, msg, ((const Kurzweg__Document *)msg)->title, ((const Kurzweg__Document *)msg)->handling);
	else
		lines_put_message(&l, msg);
	payload_close(msg, &memory);
	if (buf_ok(out))
		return KW_OK;
	out->len = began;
	return kw_refuse(why, KW_ENOMEM, "no room for the text of a payload of %zu bytes", in.len);
}
