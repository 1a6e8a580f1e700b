/*
 * text: checked parsing of what people and files write, and the rule for text that may be shown.
 */
#ifndef KW_BASE_TEXT_H
#define KW_BASE_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"

/*
 * Whole decimal number in lo..hi, nothing before or behind it, no sign, no leading zeros. what names the value in the
 * sentence ("--limit"). KW_EINVAL or KW_ELIMIT; *out unchanged then.
 */
KW_MUST_USE enum kw_err text_u64(uint64_t *out, const char *text, uint64_t lo, uint64_t hi, const char *what,
                                 struct kw_why *why);

/* A duration "90s", "10m", "2h", "14d", "2w", "2y" (365 days), one number and one unit, in lo_ms..hi_ms. */
KW_MUST_USE enum kw_err text_duration_ms(uint64_t *out, const char *text, uint64_t lo_ms, uint64_t hi_ms,
                                         const char *what, struct kw_why *why);

/* Bytes: "512", "64KiB", "10MiB", "2GiB", "1TiB". */
KW_MUST_USE enum kw_err text_bytes(uint64_t *out, const char *text, uint64_t lo, uint64_t hi, const char *what,
                                   struct kw_why *why);

/*
 * RFC 3339 date-time with seconds and an offset (2026-12-01T00:00:00+01:00, or Z), years 1970..9999, to Unix
 * milliseconds. Fractions of a second up to three digits are accepted. No leap second.
 */
KW_MUST_USE enum kw_err text_time_ms(uint64_t *out, const char *text, const char *what, struct kw_why *why);

/* A day "2026-12-25", years 1970..9999, to days since 1970-01-01. */
KW_MUST_USE enum kw_err text_date(int32_t *out, const char *text, const char *what, struct kw_why *why);
/* The same from numbers, in the proleptic Gregorian calendar; month 1..12, day 1..31. */
int64_t text_civil_days(int64_t year, int month, int day);

#define TEXT_TIME_MAX 32
/* "2026-12-01T00:00:00Z"; and the same on the machine's local zone, "2026-12-01 01:00:00"; as Germans write it, "01.12.2026 01:00:00". */
void text_put_time_utc(char out[TEXT_TIME_MAX], uint64_t ms);
void text_put_time_local(char out[TEXT_TIME_MAX], uint64_t ms);
void text_put_time_german(char out[TEXT_TIME_MAX], uint64_t ms);
/* "3 s", "14 min", "2 h 05 min", "9 d 3 h": rounded down, for people. */
void text_put_duration(char out[TEXT_TIME_MAX], uint64_t ms);

/*
 * May stand in a log, on a terminal and in somebody's inbox: valid UTF-8, no C0 or C1 control except tab, line feed and
 * (multiline only) carriage return, no NUL, no bidirectional override or isolate (U+202A..E, U+2066..9), no other invisible
 * format character (U+200B, U+200E..F, U+2060..4, U+FEFF, U+FFF9..B, tags U+E0000..7F), no non-character.
 * Returns the offset of the first byte that breaks the rule, or SIZE_MAX when all is clean.
 */
enum text_kind { TEXT_LINE, TEXT_MULTILINE };
size_t text_unclean_at(struct span text, enum text_kind kind);

/* Lower-case hex. out has room for 2 * in.len + 1 bytes; decode wants exactly 2 * len digits of either case. */
void text_put_hex(char *out, struct span in);
KW_MUST_USE bool text_hex(uint8_t *out, size_t len, const char *text);

/* Appends in as a JSON-free, printable form for logs: controls, '"', '\\' and bytes over 0x7E become \xNN; at most max bytes of in. */
void text_put_escaped(struct buf *out, struct span in, size_t max);

/* The candidate nearest to wrong (edit distance at most 3), for "did you mean"; NULL when none is near. */
const char *text_nearest(const char *wrong, const char *const *candidates, size_t n);

#endif
