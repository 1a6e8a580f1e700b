/* cap_references: which alerts an alert is about. */
#include <string.h>

#include "proto/payload.h"
#include "proto/payload_check.h"

static enum kw_err
take_references(struct cap_references *out, const char *text, struct kw_why *why)
{
	static const char blanks[] = " \t\r\n";

	memset(out, 0, sizeof *out);
	for (const char *p = text + strspn(text, blanks); *p != '\0'; p += strspn(p, blanks)) {
		size_t len = strcspn(p, blanks);

		if (out->count == CAP_REFERENCES_MAX)
			return kw_refuse(why, KW_ELIMIT, "Alert.references: more than %d alerts are referred to", CAP_REFERENCES_MAX);
		if (len >= sizeof out->ids[0])
			return kw_refuse(why, KW_ELIMIT, "Alert.references: \"%.64s…\" has %zu bytes, at most %zu are allowed", p, len, sizeof out->ids[0] - 1);
		memcpy(out->ids[out->count++], p, len);
		p += len;
	}
	return KW_OK;
}

enum kw_err
cap_references(struct cap_references *out, struct span alert, struct kw_why *why)
{
	struct capped memory;
	ProtobufCMessage *msg;
	enum kw_err err;

	if ((err = payload_open_checked(&msg, &memory, PAYLOAD_ALERT, alert, why)) != KW_OK)
		return err;
	err = take_references(out, ((const Kurzweg__Alert *)msg)->references, why);
	payload_close(msg, &memory);
	return err;
}
