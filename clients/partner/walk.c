/* walk: a stack of open folders. */
#include "clients/partner/walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct level {
	DIR *dir;
	size_t path_len; /* of this folder */
};

struct walk {
	struct walk_calls calls;
	struct level levels[WALK_DEPTH_MAX + 1];
	int depth;       /* of the level at hand; -1: all was seen */
	char path[WALK_PATH_MAX];
};

static void
closed(const struct walk *w, const char *path, const char *why)
{
	if (w->calls.closed != NULL)
		w->calls.closed(w->calls.self, path, why);
}

/* The folder fd, which becomes the walk's, at path. */
static void
go_in(struct walk *w, int fd, size_t path_len)
{
	DIR *dir;

	if (w->calls.enter != NULL && !w->calls.enter(w->calls.self, w->path, fd)) {
		(void)close(fd);
		return;
	}
	if ((dir = fdopendir(fd)) == NULL) {
		closed(w, w->path, strerror(errno));
		(void)close(fd);
		return;
	}
	w->levels[++w->depth] = (struct level){dir, path_len};
}

static void
try_in(struct walk *w, const char *name)
{
	struct level *l = &w->levels[w->depth];
	size_t len = l->path_len, more = strlen(name) + (len > 0);
	int fd;

	if (len + more >= sizeof w->path) {
		closed(w, w->path, "a folder's path below it is too long");
		return;
	}
	if (len > 0)
		w->path[len] = '/';
	memcpy(w->path + len + (len > 0), name, strlen(name) + 1);
	if (w->depth == WALK_DEPTH_MAX) {
		closed(w, w->path, "it is deeper than topics are");
	} else {
		fd = openat(dirfd(l->dir), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
		if (fd >= 0)
			go_in(w, fd, len + more);
		else if (errno != ENOENT)
			closed(w, w->path, strerror(errno));
	}
	w->path[w->levels[w->depth].path_len] = '\0';
}

static void
go_out(struct walk *w)
{
	char name[256];
	struct level *l = &w->levels[w->depth];
	const char *slash = strrchr(w->path, '/');

	(void)closedir(l->dir);
	l->dir = NULL;
	if (w->depth-- == 0)
		return;
	strncpy(name, slash != NULL ? slash + 1 : w->path, sizeof name - 1);
	name[sizeof name - 1] = '\0';
	w->path[w->levels[w->depth].path_len] = '\0';
	if (w->calls.leave != NULL)
		w->calls.leave(w->calls.self, dirfd(w->levels[w->depth].dir), name);
}

enum kw_err
walk_open(struct walk **out, int fd, const struct walk_calls *calls)
{
	struct walk *w = calloc(1, sizeof *w);
	int own;

	if (w == NULL)
		return KW_ENOMEM;
	w->calls = *calls;
	w->depth = -1;
	if ((own = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
		free(w);
		return KW_EIO;
	}
	go_in(w, own, 0);
	*out = w;
	return KW_OK;
}

bool
walk_step(struct walk *w, uint32_t most)
{
	while (w->depth >= 0 && most-- > 0) {
		DIR *dir = w->levels[w->depth].dir;
		struct dirent *e;
		struct stat st;

		errno = 0;
		if ((e = readdir(dir)) == NULL) {
			if (errno != 0)
				closed(w, w->path, strerror(errno));
			go_out(w);
			continue;
		}
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			continue; /* gone meanwhile */
		if (S_ISDIR(st.st_mode))
			try_in(w, e->d_name);
		else
			w->calls.entry(w->calls.self, w->path, dirfd(dir), e->d_name, &st);
	}
	return w->depth < 0;
}

void
walk_close(struct walk **w)
{
	if (w == NULL || *w == NULL)
		return;
	for (int i = 0; i <= (*w)->depth; i++)
		(void)closedir((*w)->levels[i].dir);
	free(*w);
	*w = NULL;
}
