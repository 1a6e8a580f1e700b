/* log_out: see its header. */
#include "base/log_out.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* "DEVICE:INODE" in decimal, as systemd writes it. */
static bool
names(const char *stream, const struct stat *s)
{
	char *end;
	uintmax_t device, inode;

	if (stream == NULL || stream[0] < '0' || stream[0] > '9')
		return false;
	device = strtoumax(stream, &end, 10);
	if (*end != ':' || end[1] < '0' || end[1] > '9')
		return false;
	inode = strtoumax(end + 1, &end, 10);
	return *end == '\0' && device == s->st_dev && inode == s->st_ino;
}

void
log_out_look(struct log_out *o, int fd, const char *journal_stream)
{
	struct stat s;

	*o = (struct log_out){.fd = fd};
	if (fstat(fd, &s) != 0)
		return;
	o->is_socket = S_ISSOCK(s.st_mode);
	o->journal = names(journal_stream, &s);
}

/* A pipe or terminal that is ready takes 4,096 bytes without waiting; a file is always ready. */
static ssize_t
put(const struct log_out *o, const char *bytes, size_t len)
{
	struct pollfd p = {o->fd, POLLOUT, 0};

	if (o->is_socket)
		return send(o->fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (poll(&p, 1, 0) != 1 || (p.revents & POLLOUT) == 0 || (p.revents & POLLERR) != 0)
		return -1;
	return write(o->fd, bytes, len);
}

bool
log_out_put(struct log_out *o, const char *line, size_t len)
{
	ssize_t n;

	if (o->torn && put(o, "\n", 1) != 1)
		return false;
	o->torn = false;
	n = put(o, line, len);
	o->torn = n > 0 && (size_t)n < len;
	return n == (ssize_t)len;
}
