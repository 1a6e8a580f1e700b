/*
 * err: one error code for everything, and the one sentence that goes with a refusal.
 *
 * A function that can fail returns enum kw_err and gives its results by out-parameters, which are
 * written on KW_OK only unless its header says otherwise. Where a person will read about the failure,
 * the function also takes a struct kw_why and leaves one sentence there: what, where, which limit,
 * what to do. The sentence is written once, where the fault is found; callers pass it on unchanged.
 */
#ifndef KW_BASE_ERR_H
#define KW_BASE_ERR_H

#include <stddef.h>

#define KW_ERRORS(X)                                                              \
	X(OK, "done")                                                             \
	X(EINVAL, "a value is wrong")                                             \
	X(ELIMIT, "a limit is exceeded")                                          \
	X(EDENIED, "not allowed")                                                 \
	X(ENOTFOUND, "not found")                                                 \
	X(EEXISTS, "exists already")                                              \
	X(EPROTO, "malformed")                                                    \
	X(ECRYPTO, "a signature, seal or key does not hold")                      \
	X(ECORRUPT, "stored data is damaged")                                     \
	X(EIO, "input or output failed")                                          \
	X(ENOMEM, "out of memory")                                                \
	X(EFULL, "no room left")                                                  \
	X(ETIMEOUT, "nobody answered in time")                                    \
	X(EAGAIN, "not now, try again")                                           \
	X(ESTATE, "not possible in this state")

enum kw_err {
#define X(name, text) KW_##name,
	KW_ERRORS(X)
#undef X
	KW_ERR_COUNT
};

#define KW_MUST_USE __attribute__((warn_unused_result))
#define KW_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* The code's name without prefix ("EINVAL") and its text; never NULL, "?" for a number that is no code. */
const char *kw_err_name(enum kw_err err);
const char *kw_err_text(enum kw_err err);

#define KW_WHY_MAX 1024 /* bytes with the final zero; a longer sentence is cut at a whole UTF-8 character */

struct kw_why {
	char text[KW_WHY_MAX];
};

/*
 * Writes the sentence and returns err, so that a refusal is one line: return kw_refuse(why, KW_ELIMIT, "…", …);
 * why may be NULL (the sentence is dropped). A program that set a language gets the sentence in it: fmt is looked up in
 * po/de.po, so it is one literal and whole. What came in by an argument and may not be shown (control characters, bytes that are
 * no UTF-8) becomes '?'.
 */
enum kw_err kw_refuse(struct kw_why *why, enum kw_err err, const char *fmt, ...) KW_PRINTF(3, 4);
#ifdef __clang_analyzer__ /* which reads one file at a time, and shall know that a refusal is never KW_OK */
void kw_refused(const char *fmt, ...);
#define kw_refuse(why, err, ...) ((void)(why), kw_refused(__VA_ARGS__), (err))
#endif

/* A word that goes into a sentence as an argument, in the program's language; english where it chose none. */
const char *kw_translate(const char *english) __attribute__((format_arg(1)));

/* Puts "prefix: " before what why holds, to say where (file, line, field) a caller met it. */
void kw_why_prefix(struct kw_why *why, const char *fmt, ...) KW_PRINTF(2, 3);
/* Puts "; suffix" behind it, to say what to do, where the caller knows and whoever found it did not. */
void kw_why_suffix(struct kw_why *why, const char *fmt, ...) KW_PRINTF(2, 3);

/*
 * Our own promises. Stays on in release, one check each, no side effect in the condition. Stopping is safe:
 * starting again is the recovery path. Never for input, disk, network or memory.
 */
#define MUST(cond)                                                                \
	do {                                                                      \
		if (!(cond))                                                      \
			kw_must_failed(#cond, __FILE__, __LINE__);                \
	} while (0)
_Noreturn void kw_must_failed(const char *cond, const char *file, int line);

#endif
