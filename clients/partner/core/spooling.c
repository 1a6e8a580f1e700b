/* spooling: see its header. */
#include "clients/partner/core/spooling.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/err.h"

static bool
ends_in(const char *name, const char *end)
{
	size_t len = strlen(name), tail = strlen(end);

	return len >= tail && strcasecmp(name + len - tail, end) == 0;
}

enum spool_kind
spool_kind_of(const char *name)
{
	static const char *const unfinished[] = {"~", ".part", ".tmp", ".filepart"};

	if (name[0] == '.' || name[0] == '\0')
		return SPOOL_IGNORED;
	for (size_t i = 0; i < sizeof unfinished / sizeof unfinished[0]; i++)
		if (ends_in(name, unfinished[i]))
			return SPOOL_IGNORED;
	if (ends_in(name, ".json"))
		return SPOOL_JSON;
	return ends_in(name, ".cap.xml") ? SPOOL_CAP : SPOOL_UNKNOWN;
}

bool
spool_is_own(const char *folder_path)
{
	return strcmp(folder_path, "sent") == 0 || strcmp(folder_path, "failed") == 0;
}

/* The bytes of name before ".json" or ".cap.xml". */
static size_t
stem_len(const char *name)
{
	size_t len = strlen(name);

	switch (spool_kind_of(name)) {
	case SPOOL_JSON:
		return len - strlen(".json");
	case SPOOL_CAP:
		return len - strlen(".cap.xml");
	default:
		return len;
	}
}

static void
put_mark(char out[48], uint64_t wall_ms, uint32_t n)
{
	time_t seconds = (time_t)(wall_ms / 1000);
	struct tm t;
	size_t len;

	out[0] = '\0';
	if (n == 0 || gmtime_r(&seconds, &t) == NULL)
		return;
	len = strftime(out, 48, "-%Y%m%dT%H%M%S", &t);
	len += (size_t)snprintf(out + len, 48 - len, "%03uZ", (unsigned)(wall_ms % 1000));
	if (n > 1)
		(void)snprintf(out + len, 48 - len, "-%u", n);
}

void
spool_name(char out[SPOOL_NAME_MAX + 1], const char *name, uint64_t wall_ms, uint32_t n)
{
	size_t stem = stem_len(name), most;
	const char *suffix = name + stem;
	char mark[48];

	put_mark(mark, wall_ms, n);
	most = SPOOL_NAME_MAX - SPOOL_NOTE_MAX - strlen(mark) - strlen(suffix);
	if (stem > most) {
		stem = most;
		while (stem > 0 && ((unsigned char)name[stem] & 0xC0) == 0x80)
			stem--;
	}
	(void)snprintf(out, SPOOL_NAME_MAX + 1, "%.*s%s%s", (int)stem, name, mark, suffix);
}

bool
spool_same_look(const struct spool_look *a, const struct spool_look *b)
{
	return a->file == b->file && a->size == b->size && a->changed_ns == b->changed_ns;
}

bool
spool_quiet(const struct spool_look *now, uint64_t wall_ms, const struct spool_look *before, uint64_t since_mono_ms, uint64_t mono_ms)
{
	int64_t changed_ms = now->changed_ns / 1000000;

	if (changed_ms >= 0 && (uint64_t)changed_ms + SPOOL_QUIET_MS <= wall_ms)
		return true;
	return before != NULL && spool_same_look(now, before) && since_mono_ms + SPOOL_QUIET_MS <= mono_ms;
}
