/*
 * payload_values: single values as CAP section 3 wants them, in the form in which they are stored. Each returns true when
 * the value holds. Pure.
 */
#ifndef KW_PROTO_PAYLOAD_VALUES_H
#define KW_PROTO_PAYLOAD_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* 2026-12-01T10:00:00+01:00: a real day and time, offset at most 14 hours, no Z, no fraction. ms: Unix time, may be NULL. */
bool value_time(int64_t *ms, const char *text);
#define VALUE_TIME_LEN 25

/* [+-]digits[.digits], at most 15 digits in all; no exponent. Reads up to the first byte that is no part; NULL: no number. */
const char *value_decimal(double *out, const char *text);

bool value_language(const char *text);  /* RFC 3066: letters{1,8}(-letters or digits{1,8})* */
bool value_mime(const char *text);      /* type/subtype, parameters allowed */
#define VALUE_URI_MAX 2048
bool value_uri(const char *text);       /* characters of a URI or IRI only, whole % escapes, no blanks */
bool value_uri_absolute(const char *text); /* the same, with a scheme */
bool value_cap_id(const char *text);    /* identifier, sender: not empty, no blanks, commas, '<', '&' */
bool value_purpose(const char *text);   /* lower-case letters, digits, '-', at most 64 */
bool value_words(const char *text);     /* separated by blanks; a word in double quotes may hold blanks; quotes are closed */

/* Why a polygon or circle does not hold, as the rest of a sentence; NULL when it holds. */
const char *value_polygon_fault(const char *text);
const char *value_circle_fault(const char *text);

#endif
