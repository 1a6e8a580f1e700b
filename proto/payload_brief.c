/* payload_brief: the few lines of a payload that stand in a list. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "proto/payload.h"
#include "proto/payload_check.h"
#include "proto/payload_show.h"
#include "proto/payload_values.h"

int
language_fit(const char *has, const char *wanted)
{
	size_t n;

	if (wanted == NULL || wanted[0] == '\0')
		return 0;
	if (has[0] == '\0')
		has = ALERT_LANGUAGE_DEFAULT;
	if (strcasecmp(has, wanted) == 0)
		return 2;
	n = strcspn(wanted, "-_");
	return n == strcspn(has, "-") && strncasecmp(has, wanted, n) == 0 ? 1 : 0;
}

size_t
alert_choose(const Kurzweg__Alert *a, const char *wanted)
{
	size_t best = 0;
	int fit = 0;

	for (size_t i = 0; i < a->n_info; i++) {
		int this_fit = language_fit(a->info[i]->language, wanted);

		if (this_fit <= fit)
			continue;
		fit = this_fit;
		best = i;
	}
	return best;
}

size_t
statement_choose(const Kurzweg__Statement *s, const char *wanted)
{
	size_t best = 0;
	int fit = 0;

	for (size_t i = 0; i < s->n_text; i++) {
		int this_fit = language_fit(s->text[i]->language, wanted);

		if (this_fit <= fit)
			continue;
		fit = this_fit;
		best = i;
	}
	return best;
}

bool
alert_same_language(const Kurzweg__Alert *a, size_t i, size_t chosen)
{
	return strcasecmp(a->info[i]->language, a->info[chosen]->language) == 0;
}

const char *
choice_word(const ProtobufCEnumDescriptor *of, int value)
{
	const ProtobufCEnumValue *v = value == 0 ? NULL : protobuf_c_enum_descriptor_get_value(of, value);

	return v != NULL ? v->name : "";
}

/* Appends text on one line, cut with … at a whole character. */
static void
add_line(char *out, size_t size, const char *text)
{
	static const char more[] = "…";
	size_t at = strlen(out), room = size - 1, len = strlen(text), take = len;

	if (take > room - at) {
		take = room - at > sizeof more - 1 ? room - at - (sizeof more - 1) : 0;
		while (take > 0 && ((unsigned char)text[take] & 0xC0) == 0x80)
			take--;
	}
	for (size_t i = 0; i < take; i++)
		out[at++] = strchr("\t\r\n", text[i]) != NULL ? ' ' : text[i];
	if (take < len && room - at >= sizeof more - 1) {
		memcpy(out + at, more, sizeof more - 1);
		at += sizeof more - 1;
	}
	out[at] = '\0';
}

static void
brief_areas(struct payload_brief *out, const Kurzweg__Alert *a, size_t chosen)
{
	for (size_t i = 0; i < a->n_info; i++) {
		if (!alert_same_language(a, i, chosen))
			continue;
		for (size_t k = 0; k < a->info[i]->n_area; k++) {
			if (strstr(out->area, a->info[i]->area[k]->area_desc) != NULL)
				continue;
			if (out->area[0] != '\0')
				add_line(out->area, sizeof out->area, "; ");
			add_line(out->area, sizeof out->area, a->info[i]->area[k]->area_desc);
		}
	}
}

static void
brief_until(struct payload_brief *out, const Kurzweg__Alert *a)
{
	for (size_t i = 0; i < a->n_info; i++) {
		int64_t ms;

		if (value_time(&ms, a->info[i]->expires) && ms > 0 && (uint64_t)ms > out->until_ms)
			out->until_ms = (uint64_t)ms;
	}
}

static void
brief_alert(struct payload_brief *out, const Kurzweg__Alert *a, const char *language)
{
	size_t chosen = alert_choose(a, language);
	const Kurzweg__Info *info;

	(void)snprintf(out->msg_type, sizeof out->msg_type, "%s", choice_word(&kurzweg__msg_type__is__descriptor, (int)a->msg_type));
	(void)snprintf(out->status, sizeof out->status, "%s", choice_word(&kurzweg__status__is__descriptor, (int)a->status));
	if (strlen(a->sender) + strlen(a->identifier) + strlen(a->sent) + 2 < sizeof out->cap_id) /* half a name names another */
		(void)snprintf(out->cap_id, sizeof out->cap_id, "%s,%s,%s", a->sender, a->identifier, a->sent);
	brief_until(out, a);
	if (a->n_info == 0) {
		add_line(out->headline, sizeof out->headline, a->note[0] != '\0' ? a->note : a->identifier);
		return;
	}
	info = a->info[chosen];
	add_line(out->headline, sizeof out->headline, info->headline[0] != '\0' ? info->headline : info->event);
	add_line(out->severity, sizeof out->severity, choice_word(&kurzweg__severity__is__descriptor, (int)info->severity));
	add_line(out->what_to_do, sizeof out->what_to_do, info->instruction);
	brief_areas(out, a, chosen);
}

static void
brief_place(struct payload_brief *out, const Kurzweg__Place *p)
{
	if (p == NULL)
		return;
	if (p->description[0] != '\0')
		add_line(out->area, sizeof out->area, p->description);
	else if (p->area_code[0] != '\0')
		add_line(out->area, sizeof out->area, p->area_code);
	else
		(void)snprintf(out->area, sizeof out->area, "%.5f, %.5f", p->position->latitude, p->position->longitude);
}

static uint64_t
delete_by(const Kurzweg__Handling *h)
{
	int64_t ms;

	if (h == NULL || h->delete_by[0] == '\0' || !value_time(&ms, h->delete_by))
		return 0;
	return ms > 0 ? (uint64_t)ms : 1; /* before 1970: over long ago, and not nothing */
}

/* How it is to be handled; NULL where its schema does not say. */
static const Kurzweg__Handling *
handling_of(enum payload_type type, const void *msg)
{
	switch (type) {
	case PAYLOAD_REQUEST: return ((const Kurzweg__Request *)msg)->handling;
	case PAYLOAD_REPORT: return ((const Kurzweg__Report *)msg)->handling;
	case PAYLOAD_DOCUMENT: return ((const Kurzweg__Document *)msg)->handling;
	default: return NULL;
	}
}

static void
brief_other(struct payload_brief *out, enum payload_type type, const void *msg, const char *language)
{
	const Kurzweg__Request *request = msg;
	const Kurzweg__Report *report = msg;
	const Kurzweg__Statement *statement = msg;
	const Kurzweg__Feedback *feedback = msg;
	int64_t ms = 0;

	switch (type) {
	case PAYLOAD_REQUEST:
		add_line(out->headline, sizeof out->headline, request->subject);
		add_line(out->what_to_do, sizeof out->what_to_do, request->description);
		brief_place(out, request->place);
		return;
	case PAYLOAD_REPORT:
		add_line(out->headline, sizeof out->headline, report->subject);
		add_line(out->severity, sizeof out->severity, choice_word(&kurzweg__severity__is__descriptor, (int)report->severity));
		brief_place(out, report->place);
		return;
	case PAYLOAD_STATEMENT:
		add_line(out->headline, sizeof out->headline, statement->text[statement_choose(statement, language)]->headline);
		if (statement->not_before[0] != '\0' && value_time(&ms, statement->not_before) && ms > 0)
			out->not_before_ms = (uint64_t)ms;
		return;
	case PAYLOAD_FEEDBACK:
		(void)snprintf(out->headline, sizeof out->headline, "confirmed: %s, acted: %s, still acting: %s",
		               choice_word(&kurzweg__answer__is__descriptor, (int)feedback->confirmed),
		               choice_word(&kurzweg__answer__is__descriptor, (int)feedback->acted),
		               choice_word(&kurzweg__answer__is__descriptor, (int)feedback->still_acting));
		return;
	case PAYLOAD_DOCUMENT:
		add_line(out->headline, sizeof out->headline, ((const Kurzweg__Document *)msg)->title);
		return;
	case PAYLOAD_NOTE:
		add_line(out->headline, sizeof out->headline, ((const Kurzweg__Note *)msg)->text);
		return;
	case PAYLOAD_RECEIPT:
		add_line(out->headline, sizeof out->headline, ((const Kurzweg__Receipt *)msg)->reason);
		return;
	case PAYLOAD_VOID:
		add_line(out->headline, sizeof out->headline, ((const Kurzweg__Void *)msg)->reason);
		return;
	default:
		return;
	}
}

enum kw_err
payload_brief(struct payload_brief *out, enum payload_type type, struct span in, const char *language, struct kw_why *why)
{
	struct capped memory;
	ProtobufCMessage *msg;
	enum kw_err err;

	if ((err = payload_open_checked(&msg, &memory, type, in, why)) != KW_OK)
		return err;
	memset(out, 0, sizeof *out);
	if (type == PAYLOAD_ALERT)
		brief_alert(out, (const Kurzweg__Alert *)msg, language);
	else
		brief_other(out, type, msg, language);
	out->delete_by_ms = delete_by(handling_of(type, msg));
	payload_close(msg, &memory);
	return KW_OK;
}

uint64_t
payload_delete_by_ms(enum payload_type type, struct span in)
{
	bool may_say = type == PAYLOAD_REQUEST || type == PAYLOAD_REPORT || type == PAYLOAD_DOCUMENT;
	struct capped memory;
	ProtobufCMessage *msg;
	uint64_t ms;

	if (!may_say || payload_open_checked(&msg, &memory, type, in, NULL) != KW_OK)
		return 0;
	ms = delete_by(handling_of(type, msg));
	payload_close(msg, &memory);
	return ms;
}

bool
payload_may_go_on(enum payload_type type, struct span in)
{
	struct capped memory;
	ProtobufCMessage *msg;
	const Kurzweg__Handling *h;
	bool may;

	if (payload_open_checked(&msg, &memory, type, in, NULL) != KW_OK)
		return false;
	h = handling_of(type, msg);
	may = h == NULL || h->onward != KURZWEG__ONWARD__IS__Forbidden;
	payload_close(msg, &memory);
	return may;
}
