/* trail_aside: see its header. */
#include "audit/trail_aside.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audit/trail_file.h"
#include "base/fs.h"

#define DAMAGED ".audit.damaged-"
#define TORN ".audit.torn-"
#define NAMES_MAX 99u

static enum kw_err
path_of(char out[TRAIL_PATH_MAX], const char *folder, const char *name, struct kw_why *why)
{
	if (snprintf(out, TRAIL_PATH_MAX, "%s/%s", folder, name) >= (int)TRAIL_PATH_MAX)
		return kw_refuse(why, KW_ELIMIT, "the path of the audit trail is too long");
	return KW_OK;
}

/* The first that nothing is called by yet. */
static enum kw_err
free_name(char name[TRAIL_ASIDE_MAX], char path[TRAIL_PATH_MAX], const char *folder, uint32_t year, const char *kind, struct kw_why *why)
{
	for (uint32_t i = 1; i <= NAMES_MAX; i++) {
		enum kw_err err;

		(void)snprintf(name, TRAIL_ASIDE_MAX, "%04u%s%u", year, kind, i);
		if ((err = path_of(path, folder, name, why)) != KW_OK)
			return err;
		if (faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT)
			return KW_OK;
	}
	return kw_refuse(why, KW_ELIMIT, "%s holds %u files that were set aside; move them away", folder, NAMES_MAX);
}

enum kw_err
trail_aside_rename(char name[TRAIL_ASIDE_MAX], const char *folder, uint32_t year, struct kw_why *why)
{
	char from[TRAIL_PATH_MAX], to[TRAIL_PATH_MAX];
	enum kw_err err = trail_path(from, folder, year, why);

	if (err == KW_OK)
		err = free_name(name, to, folder, year, DAMAGED, why);
	if (err != KW_OK)
		return err;
	if (rename(from, to) != 0)
		return kw_refuse(why, KW_EIO, "%s does not hold and cannot be set aside: %s", from, strerror(errno));
	return fs_sync(folder, why);
}

static enum kw_err
read_from(struct buf *out, const char *path, uint64_t from, struct kw_why *why)
{
	FILE *f = fopen(path, "re");
	uint8_t part[4096];
	size_t n;
	enum kw_err err = KW_OK;

	if (f == NULL)
		return kw_refuse(why, KW_EIO, "%s cannot be opened: %s", path, strerror(errno));
	if (fseeko(f, (off_t)from, SEEK_SET) == 0)
		while ((n = fread(part, 1, sizeof part, f)) > 0)
			buf_put(out, part, n);
	if (ferror(f) != 0 || feof(f) == 0)
		err = kw_refuse(why, KW_EIO, "%s cannot be read: %s", path, strerror(errno));
	else if (!buf_ok(out))
		err = kw_refuse(why, KW_ENOMEM, "out of memory for the audit trail");
	(void)fclose(f);
	return err;
}

enum kw_err
trail_aside_copy(char name[TRAIL_ASIDE_MAX], const char *folder, uint32_t year, uint64_t from, struct kw_why *why)
{
	char path[TRAIL_PATH_MAX], to[TRAIL_PATH_MAX];
	struct buf bytes = BUF_INIT(TAIL_BYTES + AUDIT_LINE_MAX);
	enum kw_err err = trail_path(path, folder, year, why);

	if (err == KW_OK)
		err = free_name(name, to, folder, year, TORN, why);
	if (err == KW_OK)
		err = read_from(&bytes, path, from, why);
	if (err == KW_OK)
		err = fs_write_new(to, buf_span(&bytes), 0600, why);
	buf_free(&bytes);
	return err;
}

static bool
is_aside(uint32_t *year, bool *damaged, const char *name)
{
	*damaged = strlen(name) > 4 && strncmp(name + 4, DAMAGED, strlen(DAMAGED)) == 0;
	if (!*damaged && (strlen(name) <= 4 || strncmp(name + 4, TORN, strlen(TORN)) != 0))
		return false;
	*year = 0;
	for (size_t i = 0; i < 4; i++) {
		if (name[i] < '0' || name[i] > '9')
			return false;
		*year = *year * 10 + (uint32_t)(name[i] - '0');
	}
	return true;
}

void
trail_aside_end(struct tail *out, char name[TRAIL_ASIDE_MAX], const char *folder, const char *partnership, const struct public_key *mine)
{
	DIR *dir = opendir(folder);
	const struct dirent *e;
	char path[TRAIL_PATH_MAX];
	uint32_t year;
	bool damaged;

	*out = (struct tail){.number = 0};
	while (dir != NULL && (e = readdir(dir)) != NULL) {
		struct kw_why why;
		struct tail tail;

		if (!is_aside(&year, &damaged, e->d_name) || !damaged || strlen(e->d_name) >= TRAIL_ASIDE_MAX || path_of(path, folder, e->d_name, &why) != KW_OK ||
		    tail_read(&tail, path, partnership, mine, &why) != KW_OK || tail.number <= out->number)
			continue;
		*out = tail;
		(void)snprintf(name, TRAIL_ASIDE_MAX, "%s", e->d_name);
	}
	if (dir != NULL)
		(void)closedir(dir);
}

enum kw_err
trail_aside_tell(char out[KW_WHY_MAX], const char *folder, struct kw_why *why)
{
	DIR *dir = opendir(folder);
	const struct dirent *e;
	char first[TRAIL_ASIDE_MAX] = "";
	uint32_t year, count = 0;
	bool damaged;

	out[0] = '\0';
	if (dir == NULL)
		return kw_refuse(why, KW_EIO, "%s cannot be read: %s", folder, strerror(errno));
	while ((e = readdir(dir)) != NULL) {
		if (!is_aside(&year, &damaged, e->d_name) || !damaged)
			continue;
		if (count++ == 0 || strncmp(e->d_name, first, sizeof first) < 0)
			(void)snprintf(first, sizeof first, "%.*s", (int)sizeof first - 1, e->d_name);
	}
	(void)closedir(dir);
	if (count > 0)
		(void)snprintf(out, KW_WHY_MAX, "%.256s/%s does not hold: it was damaged, or changed by somebody, after it had been signed, and was set aside. "
		               "Keep a copy for whoever looks into it, then move it out of that folder", folder, first);
	return KW_OK;
}

enum kw_err
trail_aside_remove(const char *folder, uint32_t before, struct kw_why *why)
{
	DIR *dir = opendir(folder);
	const struct dirent *e;
	char path[TRAIL_PATH_MAX];
	uint32_t year;
	bool damaged;
	enum kw_err err = KW_OK;

	if (dir == NULL)
		return kw_refuse(why, KW_EIO, "%s cannot be read: %s", folder, strerror(errno));
	while (err == KW_OK && (e = readdir(dir)) != NULL) {
		if (!is_aside(&year, &damaged, e->d_name) || year >= before)
			continue;
		err = path_of(path, folder, e->d_name, why);
		if (err == KW_OK && unlink(path) != 0)
			err = kw_refuse(why, KW_EIO, "%s cannot be deleted: %s", path, strerror(errno));
	}
	(void)closedir(dir);
	return err;
}
