/*
 * payload_check: the rules of the schemas beyond what a scan sees. Each check returns at the first fault with the sentence
 * in why and the field's path left in at, so that an importer can name the line. Seen by payload*.c and cap*.c alone.
 */
#ifndef KW_PROTO_PAYLOAD_CHECK_H
#define KW_PROTO_PAYLOAD_CHECK_H

#include "kurzweg/notice.pb-c.h"
#include "proto/payload_parts.h"

struct check {
	struct path at;
	struct kw_why *why;
};

/* at.name: sentence. name may be NULL: the fault is at's own. KW_EINVAL, always. */
enum kw_err check_fault(struct check *c, const char *name, const char *fmt, ...) KW_PRINTF(3, 4);

KW_MUST_USE enum kw_err check_text(struct check *c, const char *name, const char *text);      /* more than blanks must be there */
KW_MUST_USE enum kw_err check_choice(struct check *c, const char *name, int value, const ProtobufCEnumDescriptor *of);
KW_MUST_USE enum kw_err check_time(struct check *c, const char *name, const char *text, int64_t *ms); /* "" holds, ms untouched */
KW_MUST_USE enum kw_err check_language(struct check *c, const char *text);                    /* "" holds */
KW_MUST_USE enum kw_err check_web(struct check *c, const char *name, const char *text);       /* "" holds */

KW_MUST_USE enum kw_err check_alert(struct check *c, const Kurzweg__Alert *a);
KW_MUST_USE enum kw_err check_request(struct check *c, const Kurzweg__Request *r);
KW_MUST_USE enum kw_err check_report(struct check *c, const Kurzweg__Report *r);
KW_MUST_USE enum kw_err check_statement(struct check *c, const Kurzweg__Statement *s);
KW_MUST_USE enum kw_err check_feedback(struct check *c, const Kurzweg__Feedback *f);
KW_MUST_USE enum kw_err check_document(struct check *c, const Kurzweg__Document *d);
KW_MUST_USE enum kw_err check_note(struct check *c, const Kurzweg__Note *n);
KW_MUST_USE enum kw_err check_receipt(struct check *c, const Kurzweg__Receipt *r);
KW_MUST_USE enum kw_err check_void(struct check *c, const Kurzweg__Void *v);
KW_MUST_USE enum kw_err check_release(struct check *c, const Kurzweg__Release *r);

/* Scanned, unpacked and checked: what every function that shows a payload begins with. Close it with payload_close. */
KW_MUST_USE enum kw_err payload_open_checked(ProtobufCMessage **out, struct capped *memory, enum payload_type type, struct span in,
                                             struct kw_why *why);

/* By type; msg is of that type's schema. c->at is set here. */
KW_MUST_USE enum kw_err check_message(struct check *c, enum payload_type type, const ProtobufCMessage *msg);

#endif
