/* spool_purge: content does not stay in sent/ and failed/ for longer than anywhere else on this machine. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "clients/partner/spool_parts.h"

/* A file's own change time is when it was moved here. */
static void
on_file(void *self, const char *folder, int fd, const char *name, const struct stat *st)
{
	struct spool *s = self;
	uint64_t moved_ms = st->st_ctim.tv_sec > 0 ? (uint64_t)st->st_ctim.tv_sec * 1000 : 0;

	if (s->keep_ms == 0 || strcmp(folder, s->keep_folder) != 0) {
		(void)snprintf(s->keep_folder, sizeof s->keep_folder, "%s", folder);
		s->keep_ms = desk_keep_ms(s->node, folder);
	}
	if (moved_ms + s->keep_ms > clock_wall_ms())
		return;
	if (unlinkat(fd, name, 0) == 0)
		s->purged++;
	else
		spool_trouble(s, "what is older than its topic's keep cannot be deleted in the spool's %s: %s", s->purge_failed ? "failed" : "sent", strerror(errno));
}

static void
on_leave(void *self, int up, const char *name)
{
	(void)self;
	(void)unlinkat(up, name, AT_REMOVEDIR); /* stays where something is in it */
}

enum kw_err
spool_purge_begin(struct spool *s, bool failed)
{
	const struct walk_calls calls = {NULL, on_file, on_leave, NULL, s};

	s->keep_ms = 0;
	s->purge_failed = failed;
	return walk_open(&s->walk, failed ? s->places.failed : s->places.sent, &calls);
}

bool
spool_purge_on(struct spool *s)
{
	if (!walk_step(s->walk, SPOOL_LOOK_ENTRIES))
		return false;
	walk_close(&s->walk);
	return true;
}
