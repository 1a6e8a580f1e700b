/* standing_fit: see its header. */
#include "clients/cli/standing_fit.h"

/* The lines of the table with its first rows, or of its foot alone. */
static size_t
table_lines(const struct fit_table *t, size_t shown)
{
	size_t lines = shown > 0 ? t->head : 0;

	for (size_t i = 0; i < shown; i++)
		lines += t->lines[i];
	return lines + (shown < t->rows || t->more ? t->foot : 0);
}

static size_t
all_lines(const struct fit_part *parts, size_t count, size_t table)
{
	const struct fit_part *above = NULL;
	size_t lines = 0;

	for (size_t i = 0; i < count; i++) {
		if (!parts[i].shown)
			continue;
		lines += parts[i].lines + (above != NULL && above->group != parts[i].group);
		above = &parts[i];
	}
	return lines + table + (table > 0 && lines > 0);
}

/* What is kept less than this gives way, one after the other, until there is room for table lines too. */
static void
make_room(struct fit_part *parts, size_t count, enum fit_keep keep, size_t table, size_t room)
{
	for (int lowest = FIT_FLOW; lowest < (int)keep; lowest++)
		for (size_t i = count; i-- > 0 && all_lines(parts, count, table) > room;)
			if ((int)parts[i].keep == lowest)
				parts[i].shown = false;
}

bool
fit(struct fit_part *parts, size_t count, struct fit_table *t, size_t room)
{
	for (size_t i = 0; i < count; i++)
		parts[i].shown = true;
	t->shown = t->rows;
	t->foot_shown = t->more;
	if (room == 0)
		return true;
	make_room(parts, count, FIT_STATE, table_lines(t, t->about), room);
	make_room(parts, count, FIT_ALWAYS, table_lines(t, 0), room);
	t->shown = t->rows < room ? t->rows : room;
	while (t->shown > 0 && all_lines(parts, count, table_lines(t, t->shown)) > room)
		t->shown--;
	t->foot_shown = (t->shown < t->rows || t->more) && all_lines(parts, count, table_lines(t, t->shown)) <= room;
	return all_lines(parts, count, 0) <= room;
}
