/* ask: what is asked of the person at the terminal. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include <sodium.h>

#include "base/fs.h"
#include "base/text.h"
#include "certs/keys.h"
#include "clients/cli/cli.h"

#define CONTROL_C 3
#define ROOM (KEY_PASSPHRASE_MAX + 2)

const char *
cli_program_folder(void)
{
	static char folder[PATH_MAX]; /* the kernel's answer, which never changes */
	ssize_t len = readlink("/proc/self/exe", folder, sizeof folder - 1);
	char *slash;

	if (len <= 0)
		return NULL;
	folder[len] = '\0';
	if ((slash = strrchr(folder, '/')) == NULL)
		return NULL;
	*slash = '\0';
	return folder;
}

bool
cli_confirm(const struct cli *c, const char *question)
{
	char answer[16];

	if (!c->terminal)
		return false;
	(void)fflush(stdout);
	(void)fprintf(stderr, "%s %s ", question, _("[y/N]"));
	if (fgets(answer, sizeof answer, stdin) == NULL)
		return false;
	return strchr("yYjJ", answer[0]) != NULL && answer[0] != '\0';
}

enum kw_err
cli_ask(char *out, size_t room, const struct cli *c, const char *question, const char *usual, struct kw_why *why)
{
	char answer[4096];
	const char *at = answer;
	size_t len;

	MUST(c->terminal);
	(void)fflush(stdout);
	(void)fprintf(stderr, usual != NULL ? "%s [%s]: " : "%s: ", question, usual);
	if (fgets(answer, sizeof answer, stdin) == NULL)
		return kw_refuse(why, KW_EDENIED, "no answer was given, so nothing is made");
	at += strspn(at, " \t\r\n");
	for (len = strlen(at); len > 0 && strchr(" \t\r\n", at[len - 1]) != NULL;)
		len--;
	if (len == 0 && usual != NULL)
		at = usual, len = strlen(usual);
	if (len >= room)
		return kw_refuse(why, KW_ELIMIT, "the answer has more than %zu bytes", room - 1);
	memcpy(out, at, len);
	out[len] = '\0';
	return KW_OK;
}

/* One line from fd into out (ROOM bytes), without its end; control-C and the end of input give it up. */
static enum kw_err
read_line(char *out, int fd, struct kw_why *why)
{
	size_t len = 0;

	for (;;) {
		char byte;
		ssize_t n = read(fd, &byte, 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return kw_refuse(why, KW_EIO, "the passphrase cannot be read: %s", strerror(errno));
		if (n == 1 && (byte == CONTROL_C || byte == 0))
			return kw_refuse(why, KW_EDENIED, "no passphrase was given");
		if (n == 0 || byte == '\n')
			break;
		if (len == ROOM - 1)
			return kw_refuse(why, KW_ELIMIT, "the passphrase has more than %d bytes", KEY_PASSPHRASE_MAX);
		out[len++] = byte;
	}
	out[len] = '\0';
	if (len == 0)
		return kw_refuse(why, KW_EDENIED, "no passphrase was given");
	return KW_OK;
}

/* Echo off and control-C as a character, so that no signal leaves the terminal without echo. */
static enum kw_err
ask(char *out, int terminal, const char *question, struct kw_why *why)
{
	struct termios before, quiet;
	enum kw_err err;

	if (tcgetattr(terminal, &before) != 0)
		return kw_refuse(why, KW_EIO, "the terminal does not answer: %s", strerror(errno));
	quiet = before;
	quiet.c_lflag &= ~(tcflag_t)(ECHO | ISIG);
	quiet.c_cc[VEOL] = CONTROL_C; /* ends the line, so that it is seen at once */
	if (tcsetattr(terminal, TCSAFLUSH, &quiet) != 0)
		return kw_refuse(why, KW_EIO, "the terminal does not answer: %s", strerror(errno));
	(void)dprintf(terminal, "%s: ", question);
	err = read_line(out, terminal, why);
	(void)tcsetattr(terminal, TCSAFLUSH, &before);
	(void)dprintf(terminal, "\n");
	return err;
}

static enum kw_err
from_terminal(char *out, const char *question, bool is_new, struct kw_why *why)
{
	int terminal = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
	char *again = NULL;
	enum kw_err err;

	if (terminal < 0)
		return kw_refuse(why, KW_EDENIED, "there is no terminal to ask for the passphrase on; give --passphrase-file FILE");
	err = ask(out, terminal, question, why);
	if (err == KW_OK && is_new) {
		if ((again = sodium_malloc(ROOM)) == NULL)
			err = kw_refuse(why, KW_ENOMEM, "no guarded memory left for a passphrase");
		else if ((err = ask(again, terminal, _("Once more"), why)) == KW_OK && strcmp(out, again) != 0)
			err = kw_refuse(why, KW_EINVAL, "the two passphrases differ; begin anew");
	}
	sodium_free(again);
	(void)close(terminal);
	return err;
}

static enum kw_err
from_file(char *out, const char *path, struct kw_why *why)
{
	struct buf text = BUF_INIT(ROOM + 4096);
	enum kw_err err = fs_read_private(&text, path, why);
	const uint8_t *end;
	size_t len;

	if (err != KW_OK)
		goto free_text;
	end = text.len > 0 ? memchr(text.p, '\n', text.len) : NULL;
	len = end != NULL ? (size_t)(end - text.p) : text.len;
	if (len == 0 || len > KEY_PASSPHRASE_MAX || memchr(text.p, 0, len) != NULL) {
		err = kw_refuse(why, KW_EINVAL, "%s: its first line must be the passphrase, of 1 to %d bytes", path, KEY_PASSPHRASE_MAX);
		goto free_text;
	}
	memcpy(out, text.p, len);
	out[len] = '\0';
free_text:
	buf_free(&text);
	return err;
}

enum kw_err
cli_passphrase(char **out, const struct cli *c, const struct cli_passphrase *from, const char *question, bool is_new, struct kw_why *why)
{
	char *text = sodium_malloc(ROOM);
	uint64_t fd;
	enum kw_err err;

	(void)c;
	if (text == NULL)
		return kw_refuse(why, KW_ENOMEM, "no guarded memory left for a passphrase");
	if (from->file != NULL)
		err = from_file(text, from->file, why);
	else if (from->fd == NULL)
		err = from_terminal(text, question, is_new, why);
	else if ((err = text_u64(&fd, from->fd, 0, 1023, "--passphrase-fd", why)) == KW_OK)
		err = read_line(text, (int)fd, why);
	if (err != KW_OK) {
		sodium_free(text);
		return err;
	}
	*out = text;
	return KW_OK;
}
