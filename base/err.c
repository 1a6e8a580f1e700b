/* err: names of errors, sentences of refusals, and the end when a promise of ours is broken. */
#include "base/err.h"

#include <libintl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/span.h"
#include "base/text.h"

#define KW_MESSAGES "kurzweg" /* gettext's domain; a program that chose no language gets the English */

static const struct {
	const char *name;
	const char *text;
} table[] = {
#define X(name, text) {#name, text},
	KW_ERRORS(X)
#undef X
};

const char *
kw_err_name(enum kw_err err)
{
	return (unsigned)err < KW_ERR_COUNT ? table[err].name : "?";
}

const char *
kw_err_text(enum kw_err err)
{
	return (unsigned)err < KW_ERR_COUNT ? table[err].text : "?";
}

/* A cut in the middle of a UTF-8 character would make the whole sentence unprintable. */
static void
trim_broken_tail(char *text)
{
	size_t len = strlen(text), at = len;

	if (len < KW_WHY_MAX - 1)
		return;
	while (at > 0 && ((unsigned char)text[at - 1] & 0xC0) == 0x80)
		at--;
	if (at > 0 && ((unsigned char)text[at - 1] & 0x80) != 0)
		text[at - 1] = '\0';
}

/* Controls, and what an argument that was cut or never was UTF-8 left behind: no byte that a terminal or JSON cannot bear. */
static void
hide_unclean(char *text)
{
	size_t at;

	for (char *c = text; *c != '\0'; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7F)
			*c = '?';
	while ((at = text_unclean_at(span_str(text), TEXT_LINE)) != SIZE_MAX)
		*(text += at) = '?';
}

const char *
kw_translate(const char *english)
{
	return dgettext(KW_MESSAGES, english);
}

enum kw_err
(kw_refuse)(struct kw_why *why, enum kw_err err, const char *fmt, ...)
{
	va_list args;

	if (why == NULL)
		return err;
	va_start(args, fmt);
	(void)vsnprintf(why->text, sizeof why->text, kw_translate(fmt), args);
	va_end(args);
	trim_broken_tail(why->text);
	hide_unclean(why->text);
	return err;
}

void
kw_why_prefix(struct kw_why *why, const char *fmt, ...)
{
	char old[KW_WHY_MAX], head[KW_WHY_MAX];
	va_list args;
	size_t head_len;

	if (why == NULL)
		return;
	memcpy(old, why->text, sizeof old);
	va_start(args, fmt);
	(void)vsnprintf(head, sizeof head, kw_translate(fmt), args);
	va_end(args);
	head_len = strlen(head);
	(void)snprintf(why->text, sizeof why->text, "%s", head);
	if (head_len + 2 < sizeof why->text)
		(void)snprintf(why->text + head_len, sizeof why->text - head_len, ": %s", old);
	trim_broken_tail(why->text);
	hide_unclean(why->text);
}

void
kw_why_suffix(struct kw_why *why, const char *fmt, ...)
{
	char tail[KW_WHY_MAX];
	va_list args;
	size_t len;

	if (why == NULL)
		return;
	va_start(args, fmt);
	(void)vsnprintf(tail, sizeof tail, kw_translate(fmt), args);
	va_end(args);
	len = strlen(why->text);
	if (len + 2 < sizeof why->text)
		(void)snprintf(why->text + len, sizeof why->text - len, "; %s", tail);
	trim_broken_tail(why->text);
	hide_unclean(why->text);
}

_Noreturn void
kw_must_failed(const char *cond, const char *file, int line)
{
	fprintf(stderr, "kurzweg: broken promise at %s:%d: %s\n", file, line, cond);
	abort();
}
