/* handed: see its header. */
#include "clients/cli/handed.h"

#include <string.h>

#include "base/fs.h"

#define TEXT_MAX 16384u
#define BLANKS " \t\r\n"

static bool
is_line(const char *text)
{
	return strncmp(text, "kwnode1:", 8) == 0 || strncmp(text, "kwbroker1:", 10) == 0 || strncmp(text, "kwsteer1:", 9) == 0;
}

/* A secret key's file, whole or a row of it. */
static bool
is_secret(const char *text)
{
	static const char *const rows[] = {"sign ", "seal ", "curve ", "local ", "secret ", "lock "};

	if (strstr(text, "kurzweg secret key") != NULL)
		return true;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (strncmp(text, rows[i], strlen(rows[i])) == 0)
			return true;
	return false;
}

/* The first word, or all of text without its blanks. False: longer than any line. */
static bool
take(char line[KEY_LINE_MAX], const char *text, bool joined)
{
	size_t len = 0;

	for (; *text != '\0'; text++) {
		if (strchr(BLANKS, *text) != NULL) {
			if (!joined)
				break;
			continue;
		}
		if (len == KEY_LINE_MAX - 1)
			return false;
		line[len++] = *text;
	}
	line[len] = '\0';
	return true;
}

enum kw_err
handed_text(struct public_key *out, char line[KEY_LINE_MAX], const char *text, struct kw_why *why)
{
	char joined[KEY_LINE_MAX];
	const char *more;
	enum kw_err err;

	text += strspn(text, BLANKS);
	if (is_secret(text))
		return kw_refuse(why, KW_EDENIED, "this is a secret key and not the line to hand over; whoever sent it has to make a new one and keep it, since "
		                 "this one is known to others now; destroy what came");
	if (!take(line, text, false))
		return kw_refuse(why, KW_ELIMIT, "the public key line is longer than %d bytes; copy it again, alone", KEY_LINE_MAX - 1);
	err = public_key_parse(out, line, why);
	more = text + strcspn(text, BLANKS);
	more += strspn(more, BLANKS);
	if (*more == '\0')
		return err;
	if (err == KW_OK)
		return kw_refuse(why, KW_EINVAL, "something else stands behind the public key line of \"%s\"; give that line alone, and one line at a time", out->name);
	if (!is_line(text) || !take(joined, text, true) || public_key_parse(out, joined, NULL) != KW_OK)
		return err;
	memcpy(line, joined, sizeof joined);
	return KW_OK;
}

enum kw_err
handed_line(struct public_key *out, char line[KEY_LINE_MAX], const char *word, struct kw_why *why)
{
	struct buf text = BUF_INIT(TEXT_MAX);
	const char *content = word + strspn(word, BLANKS);
	enum kw_err err;

	text.secret = true; /* should it be one */
	if (is_line(content) || is_secret(content) || (strchr(content, '/') == NULL && strncmp(content, "kw", 2) == 0 && strchr(content, ':') != NULL))
		return handed_text(out, line, content, why);
	err = fs_read(&text, word, why);
	if (err == KW_ENOTFOUND) /* not shown: it may be a secret */
		err = kw_refuse(why, KW_ENOTFOUND, "what was given for the line is none, since it does not begin with kwnode1:, and is no file that is there either");
	if (err == KW_OK && (content = buf_text(&text)) == NULL)
		err = kw_refuse(why, KW_ENOMEM, "out of memory while reading %s", word);
	if (err == KW_OK && (err = handed_text(out, line, content, why)) != KW_OK)
		kw_why_prefix(why, "%s", word);
	buf_free(&text);
	return err;
}

bool
handed_same_fingerprint(const char *said, const char *is)
{
	while (*said != '\0' || *is != '\0') {
		char a = *said >= 'a' && *said <= 'f' ? (char)(*said - 'a' + 'A') : *said;

		if (a == ' ')
			said++;
		else if (*is == ' ')
			is++;
		else if (a != *is)
			return false;
		else
			said++, is++;
	}
	return true;
}
