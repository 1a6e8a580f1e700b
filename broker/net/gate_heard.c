/* gate_heard: see its header. */
#include "broker/net/gate_heard.h"

#include <stdlib.h>
#include <sys/resource.h>

#define MOST (1u << 20)

enum kw_err
gate_heard_init(struct gate_heard *h)
{
	struct rlimit files;

	*h = (struct gate_heard){0};
	if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur > MOST)
		files.rlim_cur = MOST;
	if ((h->of = calloc(files.rlim_cur, sizeof *h->of)) == NULL)
		return KW_ENOMEM;
	h->count = files.rlim_cur;
	return KW_OK;
}

void
gate_heard_free(struct gate_heard *h)
{
	free(h->of);
	*h = (struct gate_heard){0};
}

static bool
known(const struct gate_heard *h, int fd)
{
	return fd >= 0 && (size_t)fd < h->count;
}

void
gate_heard_accepted(struct gate_heard *h, int fd)
{
	if (known(h, fd))
		h->of[fd] = false;
}

void
gate_heard_message(struct gate_heard *h, int fd)
{
	if (known(h, fd))
		h->of[fd] = true;
}

bool
gate_heard_ended(struct gate_heard *h, int fd)
{
	return known(h, fd) && !h->of[fd];
}
