/* trail_read: a trail's pages for whoever asks; the writer is trail.c. */
#include <string.h>

#include "audit/trail.h"
#include "audit/trail_file.h"

static bool
fits(const char *have, const char *want)
{
	return want == NULL || (have != NULL && strcmp(have, want) == 0);
}

static bool
wanted(const struct trail_query *q, const struct audit_line *l)
{
	const struct audit_record *r = &l->record;

	if (l->doc == NULL)
		return true;
	if (l->kind == AUDIT_HEAD)
		return q->heads;
	return r->time_ms >= q->since_ms && (q->until_ms == 0 || r->time_ms < q->until_ms) && fits(r->actor, q->actor) && fits(r->event, q->event) &&
	       fits(r->object, q->object);
}

#define PLACE(year, at) (((uint64_t)(year) << 48) | (at))

/* From *place on in one file; *left: bytes that may still be looked at. KW_ENOTFOUND: each wants no more. */
static enum kw_err
read_year(const struct trail *t, uint64_t *place, uint64_t *left, uint32_t year, const struct trail_query *q,
          bool (*each)(void *self, struct span line, const struct audit_line *l), void *self, struct kw_why *why)
{
	uint64_t at = *place >> 48 == year ? *place & ((1ull << 48) - 1) : 0, begun = at;
	char path[TRAIL_PATH_MAX];
	struct lines lines;
	struct span line;
	bool torn = false, on = true;
	enum kw_err err = trail_path(path, trail_folder(t), year, why);

	if (err != KW_OK || (err = lines_open(&lines, path, at, why)) != KW_OK)
		return err;
	while (on && lines.at - begun < *left && (err = lines_next(&line, &torn, &lines, why)) == KW_OK) {
		struct audit_line l;

		if (audit_line_read(&l, line, NULL) != KW_OK)
			audit_line_free(&l);
		if (wanted(q, &l))
			on = each(self, line, &l);
		audit_line_free(&l);
	}
	*place = PLACE(year, lines.at);
	*left -= lines.at - begun < *left ? lines.at - begun : *left;
	lines_close(&lines);
	if (!on)
		return KW_ENOTFOUND;
	return err == KW_ENOTFOUND ? KW_OK : err;
}

enum kw_err
trail_read(const struct trail *t, uint64_t *place, bool *more, const struct trail_query *q, bool (*each)(void *self, struct span line, const struct audit_line *l), void *self,
           struct kw_why *why)
{
	uint64_t left = TRAIL_PAGE_BYTES;
	struct trail_years years;
	enum kw_err err = trail_years(&years, trail_folder(t), why);

	*more = false;
	for (uint32_t i = 0; err == KW_OK && i < years.count; i++) {
		if (years.year[i] < *place >> 48)
			continue;
		if (left == 0) {
			*more = true;
			break;
		}
		err = read_year(t, place, &left, years.year[i], q, each, self, why);
		*more = left == 0 || err == KW_ENOTFOUND;
	}
	return err == KW_ENOTFOUND ? KW_OK : err;
}
