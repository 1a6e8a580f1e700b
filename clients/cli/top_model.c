/* top_model: see its header. What is taken in, sorted, filtered and chosen; top_lines.c makes lines of it. */
#include "clients/cli/top_model.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "clients/cli/look.h"
#include "clients/cli/standing.h"
#include "clients/cli/top_parts.h"

static const char *const sorts[] = {N_("name"), N_("state"), N_("unread"), N_("age"), N_("rate")};

const char *top_sort_name(enum top_sort s) { return sorts[s]; }

bool
top_sort_of(enum top_sort *out, const char *name)
{
	for (int s = 0; s < TOP_SORTS; s++)
		if (strcmp(sorts[s], name) == 0) {
			*out = (enum top_sort)s;
			return true;
		}
	return false;
}

struct top *
top_new(void)
{
	struct top *t = cli_memory(sizeof *t);

	memset(t, 0, sizeof *t);
	t->sort = TOP_BY_STATE;
	return t;
}

void
top_free(struct top **t)
{
	if (*t == NULL)
		return;
	json_decref((*t)->status);
	free((*t)->rows);
	free((*t)->order);
	free(*t);
	*t = NULL;
}

static void
take_text(char *out, size_t size, const char *text)
{
	struct buf safe = BUF_INIT(1u << 16);

	cli_put_safe(&safe, text);
	(void)cli_text(&safe);
	for (size_t i = 0; i < safe.len; i++)
		if (safe.p[i] < ' ')
			safe.p[i] = ' ';
	top_cut(out, size, cli_text(&safe), size - 1);
	buf_free(&safe);
}

void
top_set(struct top *t, enum top_sort sort, const char *filter)
{
	t->sort = sort;
	take_text(t->filter, sizeof t->filter, filter != NULL ? filter : "");
}

/* ---- what the broker says ---- */

static void
take_lane(struct top_lane *out, const json_t *lane)
{
	out->waiting = look_number(lane, "waiting");
	out->behind = look_flag(lane, "behind");
	out->oldest_ms = look_number(lane, "oldest_unread_ms");
	out->in_flight = look_number(lane, "in_flight");
	out->window = look_number(lane, "window");
	out->cursor = look_number(lane, "cursor");
	out->newest = look_number(lane, "newest");
	out->delivered = look_number(lane, "delivered");
	out->taken = look_number(lane, "taken");
}

static void
take_row(struct top_row *r, const json_t *node)
{
	memset(r, 0, sizeof *r);
	take_text(r->id, sizeof r->id, look_text(node, "id"));
	take_text(r->address, sizeof r->address, look_text(node, "address"));
	take_text(r->software, sizeof r->software, look_text(node, "software"));
	r->member = look_flag(node, "in_agreement");
	r->connected = look_flag(node, "connected");
	r->for_ms = look_number(node, r->connected ? "since_ms" : "away_ms");
	r->suspended_until_ms = look_number(node, "suspended_until_ms");
	r->filters = look_number(node, "filters");
	for (size_t i = 0; i < KW_LANES; i++) {
		struct top_lane *l = &r->lanes[i];
		char path[32];

		(void)snprintf(path, sizeof path, "lanes.%s", top_lane_names[i]);
		take_lane(l, look_at(node, path));
		r->waiting += l->waiting;
		r->behind = r->behind || l->behind;
		r->oldest_ms = l->oldest_ms > r->oldest_ms ? l->oldest_ms : r->oldest_ms;
		r->in_flight += l->in_flight;
		r->delivered += l->delivered;
		r->taken += l->taken;
	}
	r->rate = -1;
}

static int
by_id(const void *a, const void *b)
{
	return strcmp(((const struct top_row *)a)->id, ((const struct top_row *)b)->id);
}

/* Since the look before, where it is the same connection. */
static void
take_rate(struct top_row *r, const struct top *before, uint64_t passed_ms)
{
	const struct top_row *old = before->count > 0 ? bsearch(r, before->rows, before->count, sizeof *r, by_id) : NULL;

	if (old == NULL || passed_ms == 0 || !old->connected || !r->connected || r->delivered < old->delivered || r->for_ms + 1000 < old->for_ms)
		return;
	r->rate = (double)(r->delivered - old->delivered) * 1000.0 / (double)passed_ms;
}

static void
take_faults(struct top *t, const struct cli *c, const json_t *status, uint64_t wall_ms)
{
	struct standing s = {.c = c, .now_ms = wall_ms};

	standing_broker_judge(&s, status);
	t->grave = s.grave;
	t->minor = s.minor;
	t->fault[0] = '\0';
	if (s.count > 0)
		take_text(t->fault, sizeof t->fault, standing_worst(&s));
	standing_drop(&s);
}

void
top_take(struct top *t, const struct cli *c, const json_t *status, uint64_t mono_ms, uint64_t wall_ms)
{
	const json_t *nodes = look_at(status, "nodes");
	size_t count = json_array_size(nodes);
	struct top_row *rows = cli_memory((count + 1) * sizeof *rows);

	for (size_t i = 0; i < count; i++)
		take_row(&rows[i], json_array_get(nodes, i));
	qsort(rows, count, sizeof *rows, by_id);
	for (size_t i = 0; i < count; i++)
		take_rate(&rows[i], t, mono_ms - t->looked_ms);
	free(t->rows);
	free(t->order);
	t->rows = rows;
	t->count = count;
	t->order = cli_memory((count + 1) * sizeof *t->order);
	json_decref(t->status);
	t->status = json_copy((json_t *)(uintptr_t)status);
	(void)json_object_del(t->status, "nodes");
	take_faults(t, c, status, wall_ms);
	t->looked_ms = mono_ms;
	t->wall_ms = wall_ms;
	t->trouble[0] = '\0';
	top_order(t);
}

void
top_trouble(struct top *t, const char *sentence)
{
	take_text(t->trouble, sizeof t->trouble, sentence);
}

/* ---- order ---- */

bool top_is_silent(const struct top_row *r) { return r->member && !r->connected && r->behind && r->suspended_until_ms == 0; }

/* What is worse stands higher. */
static int
rank(const struct top_row *r)
{
	return !r->member ? 0 : top_is_silent(r) ? 4 : !r->connected ? 3 : r->behind ? 2 : 1;
}

static int
more(uint64_t a, uint64_t b)
{
	return a > b ? -1 : a < b;
}

static int
compare(const struct top_row *a, const struct top_row *b, enum top_sort sort)
{
	int by = 0;

	switch (sort) {
	case TOP_BY_STATE: by = more((uint64_t)rank(a), (uint64_t)rank(b)); by = by != 0 ? by : more(a->waiting, b->waiting); break;
	case TOP_BY_WAITING: by = more(a->waiting, b->waiting); by = by != 0 ? by : more(a->behind, b->behind); break;
	case TOP_BY_AGE: by = more(a->oldest_ms, b->oldest_ms); break;
	case TOP_BY_RATE: by = a->rate > b->rate ? -1 : a->rate < b->rate; break;
	case TOP_BY_NAME:
	case TOP_SORTS: break;
	}
	return by != 0 ? by : strcmp(a->id, b->id);
}

static int
ordered(const void *a, const void *b, void *self)
{
	const struct top *t = self;
	int by = compare(&t->rows[*(const uint32_t *)a], &t->rows[*(const uint32_t *)b], t->sort);

	return t->reverse ? -by : by;
}

static bool
is_shown(const struct top *t, const struct top_row *r)
{
	if (t->only_wrong && r->connected && r->waiting == 0 && !r->behind)
		return false;
	return strcasestr(r->id, t->filter) != NULL || strcasestr(r->address, t->filter) != NULL || strcasestr(r->software, t->filter) != NULL;
}

/* The chosen one stays chosen wherever it goes; where it is gone, what stands in its place. */
void
top_order(struct top *t)
{
	bool found = false;

	t->shown = 0;
	for (uint32_t i = 0; i < t->count; i++)
		if (is_shown(t, &t->rows[i]))
			t->order[t->shown++] = i;
	if (t->shown > 0)
		qsort_r(t->order, t->shown, sizeof *t->order, ordered, t);
	for (size_t i = 0; i < t->shown && !found; i++)
		if (strcmp(t->rows[t->order[i]].id, t->chosen) == 0) {
			t->at = i;
			found = true;
		}
	if (!found && t->detail)
		t->detail = false;
	top_choose(t, t->at);
	if (!found && t->at == 0)
		t->chosen[0] = '\0'; /* nobody chose yet: the first, whoever it is */
}

void
top_choose(struct top *t, size_t at)
{
	t->at = at < t->shown ? at : t->shown > 0 ? t->shown - 1 : 0;
	if (t->shown > 0)
		(void)snprintf(t->chosen, sizeof t->chosen, "%s", t->rows[t->order[t->at]].id);
}

/* ---- keys ---- */

static enum top_did
press_in_filter(struct top *t, uint32_t key)
{
	size_t len = strlen(t->filter);

	if (key == TOP_KEY_ENTER) {
		t->typing = false;
	} else if (key == TOP_KEY_ESCAPE) {
		t->typing = false;
		t->filter[0] = '\0';
	} else if (key == TOP_KEY_RUBOUT && len > 0) {
		t->filter[len - 1] = '\0'; /* it holds ASCII alone, as names do */
	} else if (key > ' ' && key < 0x7F && len + 1 < sizeof t->filter) {
		t->filter[len] = (char)key;
		t->filter[len + 1] = '\0';
	}
	top_order(t);
	return TOP_STAYS;
}

static void
press_move(struct top *t, uint32_t key)
{
	size_t page = t->page > 0 ? t->page : 1;

	switch (key) {
	case TOP_KEY_UP: case 'k': top_choose(t, t->at > 0 ? t->at - 1 : 0); break;
	case TOP_KEY_DOWN: case 'j': top_choose(t, t->at + 1); break;
	case TOP_KEY_PAGE_UP: top_choose(t, t->at > page ? t->at - page : 0); break;
	case TOP_KEY_PAGE_DOWN: case ' ': top_choose(t, t->at + page); break;
	case TOP_KEY_HOME: top_choose(t, 0); break;
	case TOP_KEY_END: top_choose(t, SIZE_MAX); break;
	default: break;
	}
}

enum top_did
top_press(struct top *t, uint32_t key)
{
	if (t->typing)
		return press_in_filter(t, key);
	switch (key) {
	case 3: case 'Q':
		return TOP_ENDS;
	case 'q': case TOP_KEY_ESCAPE:
		if (!t->detail)
			return key == 'q' ? TOP_ENDS : TOP_STAYS;
		t->detail = false;
		return TOP_STAYS;
	case TOP_KEY_ENTER:
		t->detail = !t->detail && t->shown > 0;
		if (t->detail)
			top_choose(t, t->at);
		return TOP_STAYS;
	case '/':
		t->typing = !t->detail;
		return TOP_STAYS;
	case 's':
		t->sort = (enum top_sort)((t->sort + 1) % TOP_SORTS);
		break;
	case 'r':
		t->reverse = !t->reverse;
		break;
	case 'a':
		t->only_wrong = !t->only_wrong;
		break;
	case 12: case 'u':
		return TOP_REFRESH;
	default:
		press_move(t, key);
		return TOP_STAYS;
	}
	top_order(t);
	return TOP_STAYS;
}
