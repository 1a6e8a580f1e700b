/* charset: see its header. */
#include "clients/cli/charset.h"

#include <errno.h>
#include <iconv.h>
#include <langinfo.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PIECE 4096

struct outlet {
	iconv_t into;
	int fd;
	char left[8]; /* the beginning of a character whose end has not come yet */
	size_t left_len;
};

static bool
put(int fd, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, bytes, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		bytes += n;
		len -= (size_t)n;
	}
	return true;
}

/* All of in but the beginning of a character, of which it answers the length; SIZE_MAX: it could not be written. */
static size_t
convert(const struct outlet *o, char *in, size_t len)
{
	char out[PIECE];

	while (len > 0) {
		char *to = out;
		size_t room = sizeof out, done = iconv(o->into, &in, &len, &to, &room);
		int wrong = errno;

		if (!put(o->fd, out, (size_t)(to - out)))
			return SIZE_MAX;
		if (done != (size_t)-1 || wrong == E2BIG)
			continue;
		if (wrong == EINVAL)
			return len;
		if (!put(o->fd, "?", 1))
			return SIZE_MAX;
		do { /* the whole character, not each of its bytes */
			in++;
			len--;
		} while (len > 0 && ((unsigned char)*in & 0xC0) == 0x80);
	}
	return 0;
}

static ssize_t
on_write(void *self, const char *bytes, size_t len)
{
	struct outlet *o = self;
	char in[PIECE];
	size_t taken = 0;

	while (taken < len) {
		size_t n = len - taken < sizeof in - o->left_len ? len - taken : sizeof in - o->left_len, left;

		memcpy(in, o->left, o->left_len);
		memcpy(in + o->left_len, bytes + taken, n);
		left = convert(o, in, o->left_len + n);
		if (left == SIZE_MAX)
			return 0; /* stdio's way to say it */
		memmove(o->left, in + o->left_len + n - left, left);
		o->left_len = left;
		taken += n;
	}
	return (ssize_t)len;
}

static void
turn(FILE **stream, struct outlet *o, int fd, const char *codeset, int buffering)
{
	char name[128];
	FILE *mine;

	(void)snprintf(name, sizeof name, "%.100s//TRANSLIT", codeset);
	o->fd = fd;
	if (!isatty(fd) || (o->into = iconv_open(name, "UTF-8")) == (iconv_t)-1)
		return;
	if ((mine = fopencookie(o, "w", (cookie_io_functions_t){.write = on_write})) == NULL) {
		(void)iconv_close(o->into);
		return;
	}
	(void)setvbuf(mine, NULL, buffering, 0);
	*stream = mine;
}

void
charset_start(void)
{
	static struct outlet out, err; /* as long as stdout and stderr themselves */
	const char *codeset = nl_langinfo(CODESET);

	/* ASCII is what a locale is called that was never set, over ssh above all; such terminals read UTF-8. */
	if (strcmp(codeset, "UTF-8") == 0 || strcmp(codeset, "ANSI_X3.4-1968") == 0)
		return;
	turn(&stdout, &out, STDOUT_FILENO, codeset, _IOLBF);
	turn(&stderr, &err, STDERR_FILENO, codeset, _IONBF);
}
