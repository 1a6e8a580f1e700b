/* names: the words for lanes, types and payloads, without any codec, so that pure cores can link them. */
#include <string.h>

#include "proto/entry.h"
#include "proto/header.h"
#include "proto/topic.h"

static const char *const lanes[KW_LANES] = {"flash", "urgent", "routine"};

const char *
lane_name(enum lane lane)
{
	return (unsigned)lane < KW_LANES ? lanes[lane] : "?";
}

bool
lane_of(enum lane *out, const char *name)
{
	for (unsigned i = 0; i < KW_LANES; i++) {
		if (strcmp(lanes[i], name) != 0)
			continue;
		*out = (enum lane)i;
		return true;
	}
	return false;
}

static const char *const types[] = {
	[TYPE_NOTICE] = "notice",       [TYPE_UPDATE] = "update",           [TYPE_CANCEL] = "cancel",
	[TYPE_RECALL] = "recall",       [TYPE_REQUEST] = "request",         [TYPE_VOID] = "void",
	[TYPE_AGREEMENT] = "agreement", [TYPE_DELIVERED] = "delivered",     [TYPE_OPENED] = "opened",
	[TYPE_TAKEN] = "taken",         [TYPE_DECLINED] = "declined",       [TYPE_HANDED_OVER] = "handed_over",
	[TYPE_RETURNED] = "returned",   [TYPE_DONE] = "done",               [TYPE_APPROVED] = "approved",
	[TYPE_REFUSED] = "refused",     [TYPE_REJECTED] = "rejected",       [TYPE_REOPENED] = "reopened",
	[TYPE_NOTE] = "note",           [TYPE_FORWARDED] = "forwarded",
	[TYPE_DRAFT] = "draft",         [TYPE_RELEASED] = "released",
};

const char *
notice_type_name(enum notice_type type)
{
	if ((unsigned)type >= sizeof types / sizeof types[0] || types[type] == NULL)
		return "?";
	return types[type];
}

bool
notice_type_is_receipt(enum notice_type type)
{
	return (type >= TYPE_DELIVERED && type <= TYPE_REJECTED) || type == TYPE_REOPENED;
}

static const struct {
	enum payload_type type;
	const char *name;
} payloads[] = {
	{PAYLOAD_NONE, "none"},         {PAYLOAD_ALERT, "alert"},       {PAYLOAD_REQUEST, "request"},
	{PAYLOAD_REPORT, "report"},     {PAYLOAD_STATEMENT, "statement"}, {PAYLOAD_FEEDBACK, "feedback"},
	{PAYLOAD_DOCUMENT, "document"}, {PAYLOAD_NOTE, "note"},         {PAYLOAD_RECEIPT, "receipt"},
	{PAYLOAD_VOID, "void"},         {PAYLOAD_RELEASE, "release"},
};

const char *
payload_type_name(enum payload_type type)
{
	for (size_t i = 0; i < sizeof payloads / sizeof payloads[0]; i++)
		if (payloads[i].type == type)
			return payloads[i].name;
	return "?";
}

bool
payload_type_of(enum payload_type *out, const char *name)
{
	for (size_t i = 0; i < sizeof payloads / sizeof payloads[0]; i++) {
		if (strcmp(payloads[i].name, name) != 0)
			continue;
		*out = payloads[i].type;
		return true;
	}
	return false;
}

const char *
case_state_name(enum case_state s)
{
	static const char *const names[] = {
		[CASE_WAITING] = "waiting", [CASE_OFFERED] = "offered",   [CASE_ESCALATED] = "escalated", [CASE_TAKEN] = "taken",
		[CASE_DONE] = "done",       [CASE_RECALLED] = "recalled", [CASE_LAPSED] = "lapsed",
	};

	return (unsigned)s < sizeof names / sizeof names[0] && names[s] != NULL ? names[s] : "?";
}

const char *
case_cause_name(enum case_cause c)
{
	static const char *const names[] = {
		[CAUSE_OPENED] = "opened",   [CAUSE_MOVED] = "moved",     [CAUSE_VOID] = "void",
		[CAUSE_TIMEOUT] = "timeout", [CAUSE_HANDOVER_LAPSED] = "handover_lapsed", [CAUSE_ALARM] = "alarm",
		[CAUSE_LAPSED] = "lapsed",   [CAUSE_AGREEMENT] = "agreement",
	};

	return (unsigned)c < sizeof names / sizeof names[0] && names[c] != NULL ? names[c] : "?";
}
