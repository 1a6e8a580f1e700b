/*
 * payload_parts: what the files behind proto/payload.h share: schemas by type, the descriptors' view of a message, the
 * path to a field, and canonical protobuf written without generated types. Seen by payload*.c and cap*.c alone.
 */
#ifndef KW_PROTO_PAYLOAD_PARTS_H
#define KW_PROTO_PAYLOAD_PARTS_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

#include "base/err.h"
#include "base/span.h"
#include "proto/header.h"
#include "proto/scan.h"

#define PAYLOAD_FIELDS_MAX 65536u             /* of one payload, all levels */
#define PAYLOAD_MEMORY_MAX (48u * 1024u * 1024u) /* unpacked: 8 MiB of texts and 65,536 fields with room */
#define PAYLOAD_NAME_MAX 64                   /* a field's name in JSON and CAP, with its zero */

/* NULL for PAYLOAD_NONE and for numbers that are no type. */
const ProtobufCMessageDescriptor *payload_schema(enum payload_type type);

/* Scanned and unpacked. Give it back with payload_close; memory must live as long as the message. */
KW_MUST_USE enum kw_err payload_open(ProtobufCMessage **out, struct capped *memory, enum payload_type type, struct span in,
                                     struct kw_why *why);
void payload_close(ProtobufCMessage *msg, struct capped *memory);

/* The name in JSON and CAP: value_name is valueName. */
void field_name(char out[PAYLOAD_NAME_MAX], const ProtobufCFieldDescriptor *f);
/* By either name; NULL when desc has no such field. */
const ProtobufCFieldDescriptor *field_by_name(const ProtobufCMessageDescriptor *desc, const char *name);

/* The words of a list, "Extreme, Severe, …", as many as fit; the one for "not given" is left away. */
void payload_words(char *out, size_t size, const ProtobufCEnumDescriptor *of);

/* How many values f has in msg: 0 or 1 for singular ones (default scalars, "" and no bytes count as 0), else the list's length. */
size_t field_count(const ProtobufCMessage *msg, const ProtobufCFieldDescriptor *f);
/* Where value i lies; i < field_count, or 0 for a singular scalar. */
const void *field_at(const ProtobufCMessage *msg, const ProtobufCFieldDescriptor *f, size_t i);

/* The place in a payload, as a person reads it: Alert.info[0].area[2].polygon[1]. Too long a path is cut. */
#define PATH_MAX_LEN 192
struct path {
	char text[PATH_MAX_LEN];
};
void path_start(struct path *at, const ProtobufCMessageDescriptor *desc);
/* Goes down and gives back the length to return to. index is left away when the field is singular. */
size_t path_down(struct path *at, const ProtobufCFieldDescriptor *f, size_t index);
size_t path_down_name(struct path *at, const char *name);
void path_up(struct path *at, size_t len);

/*
 * Canonical protobuf, field by field in ascending order. Default scalars of singular fields are left away by the caller.
 * wire_put_*: tag and value.
 */
void wire_put_varint(struct buf *out, uint64_t v);
void wire_put_number(struct buf *out, const ProtobufCFieldDescriptor *f, uint64_t v);
void wire_put_double(struct buf *out, const ProtobufCFieldDescriptor *f, double v);
void wire_put_bytes(struct buf *out, const ProtobufCFieldDescriptor *f, struct span v);

#endif
