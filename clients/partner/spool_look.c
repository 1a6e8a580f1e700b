/* spool_look: which files lie in the spool and are whole, oldest first. */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "clients/partner/spool_parts.h"

void
spool_shown(char out[256], const char *path)
{
	struct buf escaped = BUF_INIT(4096);

	text_put_escaped(&escaped, span_str(path), 200);
	(void)snprintf(out, 256, "%s", buf_text(&escaped) != NULL ? buf_text(&escaped) : "?");
	buf_free(&escaped);
}

void
spool_trouble(struct spool *s, const char *fmt, ...)
{
	va_list args;

	if (s->trouble[0] != '\0') /* the first is said; the rest follows when that one is mended */
		return;
	va_start(args, fmt);
	(void)vsnprintf(s->trouble, sizeof s->trouble, fmt, args);
	va_end(args);
}

static uint64_t
hash_of(const char *folder, const char *name)
{
	uint64_t h = 14695981039346656037ull;

	for (const char *p = folder; *p != '\0'; p++)
		h = (h ^ (unsigned char)*p) * 1099511628211ull;
	h = (h ^ '/') * 1099511628211ull;
	for (const char *p = name; *p != '\0'; p++)
		h = (h ^ (unsigned char)*p) * 1099511628211ull;
	return h;
}

static int
by_age(const void *a, const void *b)
{
	const struct spool_file *x = a, *y = b;

	if (x->mtime_ns != y->mtime_ns)
		return x->mtime_ns < y->mtime_ns ? -1 : 1;
	return strcmp(x->name, y->name);
}

static int
by_folder_and_age(const void *a, const void *b)
{
	const struct spool_file *x = a, *y = b;
	int folders = strcmp(x->path, y->path);

	return folders != 0 ? folders : by_age(a, b);
}

/*
 * Whoever drops an alert and its update into one folder has them published in that order, also where the first must still prove
 * that it is whole (it came before the folder was watched) and the second was seen being renamed.
 */
static void
hold_back(struct spool *s)
{
	const char *held = NULL;
	uint32_t kept = 0;

	qsort(s->files, s->count, sizeof s->files[0], by_folder_and_age);
	for (uint32_t i = 0; i < s->count; i++) {
		struct spool_file *f = &s->files[i];

		if (held != NULL && strcmp(held, f->path) != 0)
			held = NULL;
		if (held == NULL && !f->whole)
			held = f->path;
		f->whole = held == NULL;
	}
	for (uint32_t i = 0; i < s->count; i++) {
		if (s->files[i].whole)
			s->files[kept++] = s->files[i];
		else
			free(s->files[i].path);
	}
	s->count = kept;
}

static void
keep_oldest(struct spool *s)
{
	qsort(s->files, s->count, sizeof s->files[0], by_age);
	for (; s->count > SPOOL_FILES_MAX; s->count--) {
		free(s->files[s->count - 1].path);
		s->cut = true;
	}
}

static void
add(struct spool *s, const char *folder, const char *name, const struct stat *st, bool whole)
{
	size_t folder_len = strlen(folder), name_len = strlen(name);
	char *path = malloc(folder_len + name_len + 2);

	if (path == NULL) {
		spool_trouble(s, "out of memory for the files of the spool");
		s->cut = true;
		return;
	}
	memcpy(path, folder, folder_len + 1);
	memcpy(path + folder_len + 1, name, name_len + 1);
	s->files[s->count++] = (struct spool_file){(int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec, path + folder_len + 1, path,
	                                           s->stage == SPOOL_LEFT, whole};
	if (s->count == 2 * SPOOL_FILES_MAX)
		keep_oldest(s);
}

static int
by_hash(const void *a, const void *b)
{
	const struct spool_seen *x = a, *y = b;

	return x->hash < y->hash ? -1 : x->hash > y->hash;
}

/* Remembers how it looks, if it is not quiet yet. */
static bool
is_whole(struct spool *s, const char *folder, const char *name, const struct stat *st)
{
	struct spool_seen now = {.hash = hash_of(folder, name), .since_mono_ms = node_mono_ms(s->node),
	                         .look = {st->st_ino, (uint64_t)st->st_size, (int64_t)st->st_ctim.tv_sec * 1000000000 + st->st_ctim.tv_nsec}};
	const struct spool_seen *before;

	if (!S_ISREG(st->st_mode) || (s->watch != NULL && spool_watch_renamed(s->watch, folder, name)))
		return true;
	before = s->seen_before_count > 0 ? bsearch(&now, s->seen_before, s->seen_before_count, sizeof now, by_hash) : NULL;
	if (spool_quiet(&now.look, clock_wall_ms(), before != NULL ? &before->look : NULL, before != NULL ? before->since_mono_ms : 0, node_mono_ms(s->node)))
		return true;
	if (before != NULL && spool_same_look(&before->look, &now.look))
		now.since_mono_ms = before->since_mono_ms;
	s->unquiet++;
	if (s->seen_count < SPOOL_SEEN_MAX)
		s->seen[s->seen_count++] = now;
	return false;
}

static void
on_file(void *self, const char *folder, int fd, const char *name, const struct stat *st)
{
	struct spool *s = self;

	(void)fd;
	if (s->stage == SPOOL_LEFT) {
		add(s, folder, name, st, true);
		return;
	}
	if (spool_kind_of(name) == SPOOL_IGNORED)
		return;
	s->waiting++;
	add(s, folder, name, st, is_whole(s, folder, name, st));
}

static bool
on_folder(void *self, const char *path, int fd)
{
	struct spool *s = self;
	const char *slash = strrchr(path, '/');

	if (s->stage == SPOOL_LEFT)
		return true;
	if (spool_is_own(path) || (slash != NULL ? slash[1] : path[0]) == '.')
		return false;
	if (s->watch != NULL)
		spool_watch_folder(s->watch, path, fd);
	return true;
}

static void
on_closed(void *self, const char *path, const char *why)
{
	struct spool *s = self;
	char shown[256];

	spool_shown(shown, path);
	spool_trouble(s, "the folder \"%s\" of the spool is not looked into: %s", shown, why);
}

static void
on_leave(void *self, int up, const char *name)
{
	struct spool *s = self;

	if (s->stage == SPOOL_LEFT)
		(void)unlinkat(up, name, AT_REMOVEDIR); /* .taking is empty as a rule; what is not stays */
}

enum kw_err
spool_look_begin(struct spool *s)
{
	const struct walk_calls calls = {on_folder, on_file, on_leave, on_closed, s};
	struct spool_seen *seen = s->seen_before;

	spool_files_drop(s);
	s->cut = false;
	if (s->stage == SPOOL_LEFT)
		return walk_open(&s->walk, s->places.taking, &calls);
	s->waiting = 0;
	s->unquiet = 0;
	s->seen_before = s->seen;
	s->seen_before_count = s->seen_count;
	qsort(s->seen_before, s->seen_before_count, sizeof s->seen[0], by_hash);
	s->seen = seen;
	s->seen_count = 0;
	if (s->watch != NULL)
		spool_watch_round(s->watch);
	return walk_open(&s->walk, s->places.root, &calls);
}

bool
spool_look_on(struct spool *s)
{
	if (!walk_step(s->walk, SPOOL_LOOK_ENTRIES))
		return false;
	walk_close(&s->walk);
	keep_oldest(s);
	hold_back(s);
	qsort(s->files, s->count, sizeof s->files[0], by_age);
	return true;
}

void
spool_files_drop(struct spool *s)
{
	for (uint32_t i = 0; i < s->count; i++)
		free(s->files[i].path);
	s->count = 0;
	s->next = 0;
}
