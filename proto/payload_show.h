/* payload_show: what brief and text share. Seen by payload_brief.c and payload_text*.c alone. */
#ifndef KW_PROTO_PAYLOAD_SHOW_H
#define KW_PROTO_PAYLOAD_SHOW_H

#include "kurzweg/notice.pb-c.h"
#include "proto/payload_parts.h"

#define ALERT_LANGUAGE_DEFAULT "en-US" /* CAP: what an info without language is written in */

/* Does an info or text in the language has satisfy who asks for wanted: 2 the same, 1 the same first part, 0 no. */
int language_fit(const char *has, const char *wanted);
/* Which info to show: the best fit for wanted ("" or NULL: any), else the first. The alert has at least one. */
size_t alert_choose(const Kurzweg__Alert *a, const char *wanted);
/* Which text of the statement, likewise. */
size_t statement_choose(const Kurzweg__Statement *s, const char *wanted);
/* Does info i belong to what is shown when info chosen was: the same language. */
bool alert_same_language(const Kurzweg__Alert *a, size_t i, size_t chosen);
/* The value's own word ("Extreme"); "" for Unspecified. */
const char *choice_word(const ProtobufCEnumDescriptor *of, int value);

#endif
