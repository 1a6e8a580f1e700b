/* payload_lines: "label   value" lines in two columns, for the files that write payloads as text. */
#ifndef KW_PROTO_PAYLOAD_LINES_H
#define KW_PROTO_PAYLOAD_LINES_H

#include "base/span.h"
#include "proto/payload_parts.h"

struct lines {
	struct buf *out;
	bool german;
};

/* field: the name in JSON or one that payload_labels knows. Nothing is written for "". Further lines of value are indented. */
void lines_put(struct lines *l, const char *field, const char *value);
/* A line of its own without a label. Line ends become blanks: what follows one could pass for a label. */
void lines_put_title(struct lines *l, const char *before, const char *title);
/* CAP's time, shown on the machine's own clock; what is no time is shown as it is. */
void lines_put_time(struct lines *l, const char *field, const char *value);
/* Every field of msg that is given, in the schema's order; submessages flatly. */
void lines_put_message(struct lines *l, const ProtobufCMessage *msg);
/* The enumeration's word for value as people say it; "" for none. */
const char *lines_word(const struct lines *l, const ProtobufCEnumDescriptor *of, int value);

#endif
