/* handler_input: see its header. */
#include "clients/partner/handler_input.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "clients/partner/release.h"
#include "clients/partner/row_json.h"
#include "proto/payload.h"
#include "proto/seal.h"

#define CONTENT_MAX (8u * KW_OPENED_MAX) /* JSON's escapes and CAP's tags make it longer, never so much */

/* Cut at a whole character; a tab or the end of a line becomes a blank. */
static size_t
clean_len(const char *value)
{
	size_t len = strnlen(value, HANDLER_VALUE_MAX + 1);

	if (len <= HANDLER_VALUE_MAX)
		return len;
	for (len = HANDLER_VALUE_MAX; len > 0 && ((unsigned char)value[len] & 0xC0) == 0x80; len--)
		;
	return len;
}

static bool
set(struct handler_input *in, const char *key, const char *value)
{
	size_t before = strlen(key) + 1, len = clean_len(value);
	char *line = malloc(before + len + 1);

	MUST(in->count < HANDLER_ENV_MAX);
	if (line == NULL)
		return false;
	(void)snprintf(line, before + 1, "%s=", key);
	memcpy(line + before, value, len);
	line[before + len] = '\0';
	for (char *p = line; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7F)
			*p = ' ';
	in->env[in->count++] = line;
	return true;
}

static bool
set_time(struct handler_input *in, const char *key, uint64_t ms)
{
	char when[TEXT_TIME_MAX];

	text_put_time_utc(when, ms);
	return set(in, key, when);
}

static bool
set_number(struct handler_input *in, const char *key, uint64_t v)
{
	char text[24];

	(void)snprintf(text, sizeof text, "%llu", (unsigned long long)v);
	return set(in, key, text);
}

static bool
set_id(struct handler_input *in, const char *key, bool given, const uint8_t id[KW_ID_LEN])
{
	char text[37] = "";

	if (given)
		kw_id_text(text, id);
	return set(in, key, text);
}

static bool
set_header(struct handler_input *in, const struct inbox_row *row)
{
	const struct header *h = &row->header;
	const char *type = row->of_case ? "case" : row->of_suspension ? "suspension" : notice_type_name(h->type);

	return set_id(in, "KURZWEG_ID", true, h->id) && set_id(in, "KURZWEG_ABOUT", h->about.set, h->about.id) && set(in, "KURZWEG_TOPIC", h->topic) &&
	       set(in, "KURZWEG_SENDER", h->sender) && set(in, "KURZWEG_LANE", lane_name(h->lane)) && set(in, "KURZWEG_TYPE", type) &&
	       set(in, "KURZWEG_SCHEMA", h->payload_type == PAYLOAD_NONE ? "" : payload_type_name(h->payload_type)) &&
	       set(in, "KURZWEG_PARTNERSHIP", h->partnership) && set(in, "KURZWEG_KIND", h->mode == MODE_LIVE ? "live" : "exercise") &&
	       set_time(in, "KURZWEG_CREATED", h->created_ms) && (h->expires_ms == 0 || set_time(in, "KURZWEG_EXPIRES", h->expires_ms));
}

/* What was looked at, for "kurzweg approve --text". */
static bool
set_draft(struct handler_input *in, const struct inbox_row *row)
{
	uint8_t hash[KW_HASH_LEN];
	char text[2 * KW_HASH_LEN + 1];

	if (row->of_case || row->header.type != TYPE_DRAFT)
		return true;
	release_text_hash(hash, row->header.payload_type, row->payload);
	for (int i = 0; i < KW_HASH_LEN; i++)
		(void)snprintf(text + 2 * i, 3, "%02x", hash[i]);
	return set(in, "KURZWEG_TEXT_HASH", text) && (row->header.not_before_ms == 0 || set_time(in, "KURZWEG_NOT_BEFORE", row->header.not_before_ms));
}

/* KURZWEG_CASE is the notification's id; the rest is there when the row tells how the case stands. */
static bool
set_case(struct handler_input *in, const struct inbox_row *row)
{
	const struct entry_case *c = &row->entry.of_case;

	if (!row->of_case)
		return true;
	return set_id(in, "KURZWEG_CASE", true, c->id) && set(in, "KURZWEG_CASE_CAUSE", case_cause_name(c->cause)) && set(in, "KURZWEG_CASE_STATE", case_state_name(c->state)) &&
	       set(in, "KURZWEG_CASE_OWNER", c->owner) && set(in, "KURZWEG_CASE_NEXT", c->next) && (c->until_ms == 0 || set_time(in, "KURZWEG_CASE_UNTIL", c->until_ms));
}

static bool
set_suspension(struct handler_input *in, const struct inbox_row *row)
{
	const struct entry_suspension *e = &row->entry.of_suspension;

	if (!row->of_suspension)
		return true;
	return set(in, "KURZWEG_SUSPENSION", e->act == SUSPENSION_LIFTED ? "lifted" : "begun") && set(in, "KURZWEG_SUSPENSION_NODE", e->node) &&
	       set(in, "KURZWEG_SUSPENSION_BY", e->by) && set(in, "KURZWEG_SUSPENSION_REASON", e->reason) && set_time(in, "KURZWEG_SUSPENSION_FROM", e->from_ms) &&
	       set_time(in, "KURZWEG_SUSPENSION_UNTIL", e->until_ms);
}

static bool
set_brief(struct handler_input *in, const struct payload_brief *b)
{
	return set(in, "KURZWEG_HEADLINE", b->headline) && set(in, "KURZWEG_STATUS", b->status) && set(in, "KURZWEG_SEVERITY", b->severity) &&
	       set(in, "KURZWEG_AREA", b->area);
}

static bool
is_text(enum handler_form form)
{
	return form == HANDLER_TEXT || form == HANDLER_TEXT_DE;
}

static const char *
form_name(enum handler_form form)
{
	return form == HANDLER_CAP ? "cap" : is_text(form) ? "text" : "json";
}

/* Of what people read; "": what stands first. */
static const char *
language_of(enum handler_form form)
{
	return form == HANDLER_TEXT ? "en" : form == HANDLER_TEXT_DE ? "de" : "";
}

static bool
set_run(struct handler_input *in, const struct inbox_row *row, const struct handler_about *run)
{
	return set(in, "KURZWEG_NODE", run->node) && set(in, "KURZWEG_HANDLER", run->name) && set(in, "KURZWEG_FORM", form_name(run->form)) &&
	       (!is_text(run->form) || set(in, "KURZWEG_LANGUAGE", language_of(run->form))) &&
	       set_number(in, "KURZWEG_SEQ", row->seq) && set_time(in, "KURZWEG_RECEIVED", row->received_ms) && set(in, "KURZWEG_MARK", row->mark) &&
	       set_number(in, "KURZWEG_ATTEMPT", run->attempt) && (!run->repeat || set(in, "KURZWEG_REPEAT", "1")) &&
	       (!row->superseded || set(in, "KURZWEG_SUPERSEDED", "1"));
}

/* What programs expect of any environment. */
static bool
set_base(struct handler_input *in)
{
	const char *zone = getenv("TZ");

	return set(in, "PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin") && set(in, "LANG", "C.UTF-8") &&
	       (zone == NULL || set(in, "TZ", zone));
}

static enum kw_err
put_content(struct handler_input *in, const struct inbox_row *row, const struct handler_about *run, struct kw_why *why)
{
	if (run->form == HANDLER_CAP)
		return cap_export(&in->content, row->payload, why);
	if (is_text(run->form) && row->payload.len == 0) /* of how a case stands, and of what is gone, the environment tells all */
		return KW_OK;
	if (is_text(run->form))
		return payload_to_text(&in->content, row->header.payload_type, row->payload, language_of(run->form), run->form == HANDLER_TEXT_DE, why);
	row_json_put(&in->content, row, CONTENT_JSON, "");
	buf_put_str(&in->content, "\n");
	return buf_ok(&in->content) ? KW_OK : kw_refuse(why, KW_ENOMEM, "out of memory for a notification of %zu bytes", row->payload.len);
}

enum kw_err
handler_input_make(struct handler_input *out, const struct inbox_row *row, const struct handler_about *run, struct kw_why *why)
{
	struct payload_brief *brief = calloc(1, sizeof *brief);
	enum kw_err err;

	*out = (struct handler_input){.content = BUF_INIT(CONTENT_MAX)};
	out->content.secret = true;
	if (brief == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for a handler");
	if (row->payload.len > 0 && (err = payload_brief(brief, row->header.payload_type, row->payload, language_of(run->form), why)) != KW_OK)
		goto free_brief;
	if ((err = put_content(out, row, run, why)) != KW_OK)
		goto free_brief;
	if (!set_base(out) || !set_header(out, row) || !set_case(out, row) || !set_suspension(out, row) || !set_draft(out, row) || !set_brief(out, brief) || !set_run(out, row, run))
		err = kw_refuse(why, KW_ENOMEM, "out of memory for a handler");
free_brief:
	free(brief);
	return err;
}

void
handler_input_free(struct handler_input *in)
{
	buf_free(&in->content);
	for (size_t i = 0; i < in->count; i++)
		free(in->env[i]);
	in->count = 0;
}
