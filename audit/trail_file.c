/* trail_file: see its header. */
#include "audit/trail_file.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/text.h"

#define ENDING ".audit"

enum kw_err
trail_path(char out[TRAIL_PATH_MAX], const char *folder, uint32_t year, struct kw_why *why)
{
	if (snprintf(out, TRAIL_PATH_MAX, "%s/%04u" ENDING, folder, year) >= (int)TRAIL_PATH_MAX)
		return kw_refuse(why, KW_ELIMIT, "the path of the audit trail is too long");
	return KW_OK;
}

uint32_t
trail_year_of(uint64_t ms)
{
	time_t s = (time_t)(ms / 1000);
	struct tm tm;

	return gmtime_r(&s, &tm) != NULL ? (uint32_t)(tm.tm_year + 1900) : 1970;
}

static bool
is_year(uint32_t *year, const char *name)
{
	char digits[5];
	uint64_t v = 0;

	if (strlen(name) != 4 + strlen(ENDING) || strcmp(name + 4, ENDING) != 0)
		return false;
	memcpy(digits, name, 4);
	digits[4] = '\0';
	if (text_u64(&v, digits, 1970, 9999, "", NULL) != KW_OK)
		return false;
	*year = (uint32_t)v;
	return true;
}

static int
by_year(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

enum kw_err
trail_years(struct trail_years *out, const char *folder, struct kw_why *why)
{
	DIR *dir = opendir(folder);
	const struct dirent *e;
	enum kw_err err = KW_OK;

	out->count = 0;
	if (dir == NULL)
		return kw_refuse(why, KW_EIO, "%s cannot be read: %s", folder, strerror(errno));
	while (err == KW_OK && (e = readdir(dir)) != NULL) {
		uint32_t year;

		if (!is_year(&year, e->d_name))
			continue;
		if (out->count == TRAIL_YEARS_MAX)
			err = kw_refuse(why, KW_ELIMIT, "%s holds more than %u years", folder, TRAIL_YEARS_MAX);
		else
			out->year[out->count++] = year;
	}
	(void)closedir(dir);
	qsort(out->year, out->count, sizeof out->year[0], by_year);
	return err;
}

enum kw_err
lines_open(struct lines *l, const char *path, uint64_t at, struct kw_why *why)
{
	*l = (struct lines){.file = fopen(path, "re"), .at = at};
	if (l->file == NULL)
		return kw_refuse(why, errno == ENOENT ? KW_ENOTFOUND : KW_EIO, "%s cannot be opened: %s", path, strerror(errno));
	if (at > 0 && fseeko(l->file, (off_t)at, SEEK_SET) != 0) {
		lines_close(l);
		return kw_refuse(why, KW_EIO, "%s cannot be read: %s", path, strerror(errno));
	}
	return KW_OK;
}

/* Never more than a line's limit in memory, whatever stands there. */
enum kw_err
lines_next(struct span *line, bool *torn, struct lines *l, struct kw_why *why)
{
	size_t len = 0;
	int c = 0;

	if (l->line == NULL && (l->line = malloc(AUDIT_LINE_MAX + 2)) == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for the audit trail");
	while (len <= AUDIT_LINE_MAX && (c = getc_unlocked(l->file)) != EOF && c != '\n')
		l->line[len++] = (char)c;
	if (c == EOF && ferror(l->file))
		return kw_refuse(why, KW_EIO, "the audit trail cannot be read: %s", strerror(errno));
	if (c == EOF && len == 0)
		return KW_ENOTFOUND;
	*torn = c != '\n';
	*line = span_of(l->line, len);
	l->at += len + (c == '\n');
	return KW_OK;
}

void
lines_close(struct lines *l)
{
	if (l->file != NULL)
		(void)fclose(l->file);
	free(l->line);
	*l = (struct lines){.file = NULL};
}
