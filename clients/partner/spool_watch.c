/* spool_watch: inotify, its watches by folder, and two generations of what was renamed in. */
#include "clients/partner/spool_watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>
#include <zmq.h>

#include "base/log.h"

#define FOLDERS_MAX 1024u
#define RENAMED_MAX 4096u /* slots of a generation; a power of two */
#define EVENTS (IN_MOVED_TO | IN_CLOSE_WRITE | IN_CREATE | IN_ONLYDIR)

struct watched { int wd; char *folder; };

struct generation { uint32_t count; uint64_t hashes[RENAMED_MAX]; /* 0: free */ };

struct spool_watch {
	struct node *node;
	int fd, handle;
	uint32_t count;
	struct watched folders[FOLDERS_MAX];
	struct generation *now, *before;
	void (*woken)(void *self, bool whole);
	void *self;
};

/* Of folder and name; somebody who makes two that are alike gains that a file is taken two seconds early. */
static uint64_t
hash_of(const char *folder, const char *name)
{
	uint64_t h = 14695981039346656037ull;

	for (const char *p = folder; *p != '\0'; p++)
		h = (h ^ (unsigned char)*p) * 1099511628211ull;
	h = (h ^ '/') * 1099511628211ull;
	for (const char *p = name; *p != '\0'; p++)
		h = (h ^ (unsigned char)*p) * 1099511628211ull;
	return h != 0 ? h : 1;
}

static void
add(struct generation *g, uint64_t hash)
{
	if (g->count >= RENAMED_MAX / 2)
		return;
	for (uint64_t i = hash;; i++) {
		uint64_t *slot = &g->hashes[i & (RENAMED_MAX - 1)];

		if (*slot == hash)
			return;
		if (*slot != 0)
			continue;
		*slot = hash;
		g->count++;
		return;
	}
}

static bool
has(const struct generation *g, uint64_t hash)
{
	for (uint64_t i = hash; g->hashes[i & (RENAMED_MAX - 1)] != 0; i++)
		if (g->hashes[i & (RENAMED_MAX - 1)] == hash)
			return true;
	return false;
}

static struct watched *
find(struct spool_watch *w, int wd)
{
	for (uint32_t i = 0; i < w->count; i++)
		if (w->folders[i].wd == wd)
			return &w->folders[i];
	return NULL;
}

/* True: it is worth a look now. */
static bool
take(struct spool_watch *w, const struct inotify_event *e)
{
	struct watched *at = find(w, e->wd);

	if (at == NULL)
		return false;
	if ((e->mask & IN_IGNORED) != 0) { /* the folder is gone */
		free(at->folder);
		*at = w->folders[--w->count];
		return false;
	}
	if ((e->mask & IN_ISDIR) != 0) /* it is not watched yet */
		return true;
	if (e->len == 0 || (e->mask & IN_MOVED_TO) == 0)
		return false;
	add(w->now, hash_of(at->folder, e->name));
	return true;
}

static void
ready(void *self, short events)
{
	_Alignas(struct inotify_event) char bytes[16384];
	struct spool_watch *w = self;
	ssize_t n = read(w->fd, bytes, sizeof bytes);
	bool whole = false;

	(void)events;
	for (ssize_t at = 0; n > 0 && at < n;) {
		const struct inotify_event *e = (const void *)(bytes + at);

		whole = take(w, e) || whole;
		at += (ssize_t)(sizeof *e + e->len);
	}
	if (n > 0)
		w->woken(w->self, whole);
}

enum kw_err
spool_watch_open(struct spool_watch **out, struct node *n, void (*woken)(void *self, bool whole), void *self)
{
	struct spool_watch *w = calloc(1, sizeof *w);
	struct node_poller poller = {.events = ZMQ_POLLIN, .ready = ready, .self = w};
	enum kw_err err = KW_ENOMEM;

	if (w == NULL)
		return KW_ENOMEM;
	*w = (struct spool_watch){.node = n, .fd = -1, .handle = -1, .woken = woken, .self = self};
	w->now = calloc(1, sizeof *w->now);
	w->before = calloc(1, sizeof *w->before);
	if (w->now == NULL || w->before == NULL)
		goto close_watch;
	w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (w->fd < 0) {
		err = KW_EIO;
		goto close_watch;
	}
	poller.fd = w->fd;
	if ((err = node_add_poller(&w->handle, n, &poller)) != KW_OK)
		goto close_watch;
	*out = w;
	return KW_OK;
close_watch:
	spool_watch_close(&w);
	return err;
}

void
spool_watch_close(struct spool_watch **at)
{
	struct spool_watch *w = at != NULL ? *at : NULL;

	if (w == NULL)
		return;
	if (w->handle >= 0)
		node_remove_poller(w->node, w->handle);
	if (w->fd >= 0)
		(void)close(w->fd);
	for (uint32_t i = 0; i < w->count; i++)
		free(w->folders[i].folder);
	free(w->now);
	free(w->before);
	free(w);
	*at = NULL;
}

void
spool_watch_folder(struct spool_watch *w, const char *folder, int fd)
{
	char path[64];
	struct watched *known;
	char *copy;
	int wd;

	(void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd); /* the folder that was opened, whatever its name means by now */
	wd = inotify_add_watch(w->fd, path, EVENTS);
	if (wd < 0 || ((known = find(w, wd)) != NULL && strcmp(known->folder, folder) == 0))
		return;
	if ((known == NULL && w->count == FOLDERS_MAX) || (copy = strdup(folder)) == NULL) {
		(void)inotify_rm_watch(w->fd, wd);
		return;
	}
	if (known == NULL) {
		w->folders[w->count++] = (struct watched){wd, copy};
		return;
	}
	free(known->folder); /* it was renamed */
	known->folder = copy;
}

void
spool_watch_round(struct spool_watch *w)
{
	struct generation *old = w->before;

	w->before = w->now;
	memset(old, 0, sizeof *old);
	w->now = old;
}

bool
spool_watch_renamed(const struct spool_watch *w, const char *folder, const char *name)
{
	uint64_t hash = hash_of(folder, name);

	return has(w->now, hash) || has(w->before, hash);
}
