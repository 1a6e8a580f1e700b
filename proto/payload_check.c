/* payload_check: the door to every schema's rules, and the checks that several schemas share. */
#include "proto/payload_check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "proto/payload.h"
#include "proto/payload_values.h"

enum kw_err
check_fault(struct check *c, const char *name, const char *fmt, ...)
{
	char sentence[KW_WHY_MAX];
	va_list args;

	if (name != NULL)
		(void)path_down_name(&c->at, name);
	va_start(args, fmt);
	(void)vsnprintf(sentence, sizeof sentence, kw_translate(fmt), args);
	va_end(args);
	return kw_refuse(c->why, KW_EINVAL, "%s: %s", c->at.text, sentence);
}

enum kw_err
check_text(struct check *c, const char *name, const char *text)
{
	return text[strspn(text, " \t\r\n")] != '\0' ? KW_OK : check_fault(c, name, "is missing");
}

enum kw_err
check_choice(struct check *c, const char *name, int value, const ProtobufCEnumDescriptor *of)
{
	char choices[256];

	if (value != 0)
		return KW_OK;
	payload_words(choices, sizeof choices, of);
	return check_fault(c, name, "is missing, must be one of %s", choices);
}

enum kw_err
check_time(struct check *c, const char *name, const char *text, int64_t *ms)
{
	if (text[0] == '\0' || value_time(ms, text))
		return KW_OK;
	return check_fault(c, name, "\"%.64s\" is no time, must be as 2026-12-01T10:00:00+01:00 (no Z, no fractions)", text);
}

enum kw_err
check_language(struct check *c, const char *text)
{
	if (text[0] == '\0' || value_language(text))
		return KW_OK;
	return check_fault(c, "language", "\"%.64s\" is no language, must be as de or en-US", text);
}

enum kw_err
check_web(struct check *c, const char *name, const char *text)
{
	if (text[0] == '\0' || value_uri_absolute(text))
		return KW_OK;
	return check_fault(c, name, "\"%.200s\" is no absolute address, must be as https://example.org/page", text);
}

enum kw_err
check_message(struct check *c, enum payload_type type, const ProtobufCMessage *msg)
{
	const void *m = msg;

	path_start(&c->at, msg->descriptor);
	switch (type) {
	case PAYLOAD_ALERT:
		return check_alert(c, m);
	case PAYLOAD_REQUEST:
		return check_request(c, m);
	case PAYLOAD_REPORT:
		return check_report(c, m);
	case PAYLOAD_STATEMENT:
		return check_statement(c, m);
	case PAYLOAD_FEEDBACK:
		return check_feedback(c, m);
	case PAYLOAD_DOCUMENT:
		return check_document(c, m);
	case PAYLOAD_NOTE:
		return check_note(c, m);
	case PAYLOAD_RECEIPT:
		return check_receipt(c, m);
	case PAYLOAD_VOID:
		return check_void(c, m);
	case PAYLOAD_RELEASE:
		return check_release(c, m);
	default:
		return kw_refuse(c->why, KW_EPROTO, "payload type %u has no schema", (unsigned)type);
	}
}

enum kw_err
payload_open_checked(ProtobufCMessage **out, struct capped *memory, enum payload_type type, struct span in, struct kw_why *why)
{
	struct check c = {.why = why};
	enum kw_err err;

	if ((err = payload_open(out, memory, type, in, why)) != KW_OK)
		return err;
	if ((err = check_message(&c, type, *out)) != KW_OK)
		payload_close(*out, memory);
	return err;
}

enum kw_err
payload_check(enum payload_type type, struct span in, struct kw_why *why)
{
	struct capped memory;
	ProtobufCMessage *msg;
	enum kw_err err = payload_open_checked(&msg, &memory, type, in, why);

	if (err == KW_OK)
		payload_close(msg, &memory);
	return err;
}
