/* top_lines: a screen of "kurzweg top" as lines of text, whatever room there is. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients/cli/look.h"
#include "clients/cli/standing.h"
#include "clients/cli/top_parts.h"
#include "clients/cli/when.h"

#define NAME_MIN 14u
#define LANES_FROM 16u  /* rows that have room for a table of the lanes */
#define FACTS_FROM 9u   /* and for the figures */
#define SENTENCE_LINES 3u /* of what is wrong */
#define DISK_SOON_MS (30ull * 86400 * 1000) /* of a disk that fills: worth a word */

struct page { struct top_line *out; size_t count, rows, columns; };

/* ---- text ---- */

void
top_cut(char *out, size_t size, const char *text, size_t width)
{
	size_t at = 0;

	while (text[at] != '\0' && width-- > 0) {
		size_t len = 1;

		while (((unsigned char)text[at + len] & 0xC0) == 0x80)
			len++;
		if (at + len >= size)
			break;
		memcpy(out + at, text + at, len);
		at += len;
	}
	out[at] = '\0';
}

/* The next line, cut at the page's width; NULL: the page is full. */
static struct top_line *
put_line(struct page *p, enum top_look look, const char *text)
{
	struct top_line *l;

	if (p->count == p->rows)
		return NULL;
	l = &p->out[p->count++];
	l->look = look;
	l->chosen = false;
	top_cut(l->text, sizeof l->text, text, p->columns);
	return l;
}

/* Appends text in a column of its width, to the right where it is a number. */
static void
put_cell(char *line, size_t size, const char *text, size_t width, bool right)
{
	char cell[4 * TOP_COLUMNS_MAX + 1];
	size_t at = strlen(line), has;

	top_cut(cell, sizeof cell, text, width);
	has = cli_width(cell);
	(void)snprintf(line + at, size - at, "%s%*s%s%*s", at > 0 ? " " : "", right ? (int)(width - has) : 0, "", cell, right ? 0 : (int)(width - has), "");
}

/* "12s", "25m", "3h12", "4d05": five characters at most, for 1,000 days. */
static void
put_age(char out[24], uint64_t ms)
{
	unsigned long long s = ms / 1000, m = s / 60, h = m / 60, d = h / 24;

	if (m == 0)
		(void)snprintf(out, 24, "%llus", s);
	else if (h == 0)
		(void)snprintf(out, 24, "%llum", m);
	else if (d == 0)
		(void)snprintf(out, 24, "%lluh%02llu", h, m % 60);
	else
		(void)snprintf(out, 24, "%llud%02llu", d, h % 24);
}

/* ---- above the nodes ---- */

/* What the broker says of itself, in words. */
static const char *
state_word(const char *state)
{
	static const struct { const char *state, *word; } words[] = {
		{"serving", N_("serving")}, {"behind", N_("behind its nodes")}, {"fork", N_("two histories")}, {"lost", N_("store failed")},
		{"stopping", N_("stopping")}, {"store_full", N_("store full")},
	};

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (strcmp(words[i].state, state) == 0)
			return _(words[i].word);
	return state;
}

static void
put_title(struct page *p, const struct top *t)
{
	const char *state = look_text(t->status, "state");
	char line[512], up[24], now[WHEN_MAX], cut[TOP_COLUMNS_MAX * 4 + 1];
	size_t has, room;

	put_age(up, look_number(t->status, "uptime_ms"));
	when_put(now, t->wall_ms, t->wall_ms);
	(void)snprintf(line, sizeof line, _("Broker of %.128s%s  %.32s  up %s"), look_text(t->status, "partnership"),
	               strcmp(look_text(t->status, "kind"), "exercise") == 0 ? _(" (EXERCISE)") : "", state_word(state), up);
	has = cli_width(line);
	room = p->columns > cli_width(now) ? p->columns - cli_width(now) : 0;
	if (t->status == NULL) {
		(void)put_line(p, TOP_TITLE, _("kurzweg top: waiting for the broker"));
		return;
	}
	if (has + 2 <= room) {
		(void)snprintf(cut, sizeof cut, "%s%*s%s", line, (int)(room - has), "", now);
		(void)put_line(p, TOP_TITLE, cut);
	} else {
		(void)put_line(p, TOP_TITLE, line);
	}
}

/* A sentence whose end says what to do is cut only where there is no room for the rest. */
static void
put_sentence(struct page *p, enum top_look look, const char *text)
{
	size_t most = p->rows >= LANES_FROM ? SENTENCE_LINES : p->rows >= FACTS_FROM ? 2 : 1;
	struct buf wrapped = BUF_INIT(1u << 16);
	char *line, *rest;

	cli_put_wrapped(&wrapped, text, p->columns, 2, 0);
	rest = strdup(cli_text(&wrapped));
	buf_free(&wrapped);
	for (line = rest; rest != NULL && line != NULL && most > 0; most--) {
		char *end = strchr(line, '\n');

		if (end != NULL && most > 1)
			*end = '\0';
		else
			end = NULL; /* the last one is cut at the page's width */
		for (char *at = line; (at = strchr(at, '\n')) != NULL; )
			*at = ' ';
		(void)put_line(p, look, line);
		line = end != NULL ? end + 1 : NULL;
	}
	free(rest);
}

static void
put_verdict(struct page *p, const struct top *t)
{
	size_t more = t->grave + t->minor;
	char line[1200];

	if (t->trouble[0] != '\0') {
		char since[WHEN_MAX];

		when_put(since, t->wall_ms, t->wall_ms);
		if (t->status != NULL)
			(void)snprintf(line, sizeof line, _("! As of %s: %s"), since, t->trouble);
		else
			(void)snprintf(line, sizeof line, "! %s", t->trouble);
		put_sentence(p, TOP_ALARM, line);
	} else if (more > 1) {
		(void)snprintf(line, sizeof line, _("%s (1 of %zu) %s"), t->grave > 0 ? "!" : "-", more, t->fault);
		put_sentence(p, t->grave > 0 ? TOP_ALARM : TOP_WARN, line);
	} else if (more == 1) {
		(void)snprintf(line, sizeof line, "%s %s", t->grave > 0 ? "!" : "-", t->fault);
		put_sentence(p, t->grave > 0 ? TOP_ALARM : TOP_WARN, line);
	} else if (t->status != NULL) {
		(void)put_line(p, TOP_GOOD, _("all is well"));
	}
}

static unsigned
percent(const json_t *o, const char *used, const char *limit)
{
	uint64_t of = look_number(o, limit);

	return of > 0 ? (unsigned)((double)look_number(o, used) * 100.0 / (double)of) : 0;
}

static void
put_facts(struct page *p, const struct top *t, const struct cli *c)
{
	uint64_t left_ms = look_number(t->status, "store.fills.left_ms");
	bool fills = strcmp(look_text(t->status, "store.fills.what"), "disk") == 0 && left_ms < DISK_SOON_MS;
	char line[512], disk[96], in[24], a[32], b[32], d[32];
	size_t up = 0, known = 0;

	for (size_t i = 0; i < t->count; i++) {
		up += t->rows[i].connected;
		known += t->rows[i].member;
	}
	standing_bytes(a, c, look_number(t->status, "store.used_bytes"));
	standing_bytes(b, c, look_number(t->status, "store.disk_free_bytes"));
	put_age(in, left_ms);
	if (fills)
		(void)snprintf(disk, sizeof disk, _("disk full in %s"), in); /* TRANSLATORS: at the end of a line of 80 columns, as the next */
	else
		(void)snprintf(disk, sizeof disk, _("disk %s free"), b);
	(void)snprintf(line, sizeof line, _("nodes %zu of %zu  cases %llu open, %llu overdue  store %s (%u %%)  %s"), up, known,
	               (unsigned long long)look_number(t->status, "cases.open"), (unsigned long long)look_number(t->status, "cases.overdue"), a,
	               percent(t->status, "store.used_bytes", "store.quota_bytes"), disk);
	(void)put_line(p, TOP_PLAIN, line);
	standing_decimal(a, c, look_real(t->status, "commit.per_second"));
	standing_ms(b, c, look_number(t->status, "commit.took_us_median"));
	standing_ms(d, c, look_number(t->status, "commit.took_us_max"));
	(void)snprintf(line, sizeof line, _("commits %s/s, sync %s, longest %s  queues %u %% in, %u %% out"), a, b, d,
	               percent(t->status, "queues.publish_bytes.used", "queues.publish_bytes.limit"), percent(t->status, "queues.deliver_bytes.used", "queues.deliver_bytes.limit"));
	(void)put_line(p, TOP_PLAIN, line);
}

static void
put_number(char *line, size_t size, uint64_t n, size_t width)
{
	char text[32];

	(void)snprintf(text, sizeof text, "%llu", (unsigned long long)n);
	put_cell(line, size, text, width, true);
}

static void
put_lanes(struct page *p, const struct top *t, const struct cli *c)
{
	const json_t *list = look_at(t->status, "lanes"), *lane;
	char line[512] = "", text[32];
	size_t i;

	put_cell(line, sizeof line, _("LANE"), 8, false);
	put_cell(line, sizeof line, _("RATE/S"), 8, true);
	put_cell(line, sizeof line, _("IN THE LOG"), 12, true);
	put_cell(line, sizeof line, _("WRITING"), 10, true);
	put_cell(line, sizeof line, _("UNREAD"), 10, true);
	put_cell(line, sizeof line, _("OLDEST"), 8, true);
	(void)put_line(p, TOP_HEAD, line);
	json_array_foreach(list, i, lane) {
		uint64_t waiting = 0, oldest = 0;

		for (size_t n = 0; n < t->count && i < KW_LANES; n++) {
			waiting += t->rows[n].lanes[i].waiting;
			oldest = t->rows[n].lanes[i].oldest_ms > oldest ? t->rows[n].lanes[i].oldest_ms : oldest;
		}
		line[0] = '\0';
		put_cell(line, sizeof line, look_text(lane, "name"), 8, false);
		standing_decimal(text, c, look_real(lane, "rate"));
		put_cell(line, sizeof line, text, 8, true);
		put_number(line, sizeof line, look_number(lane, "length"), 12);
		put_number(line, sizeof line, look_number(lane, "waiting_for_commit"), 10);
		put_number(line, sizeof line, waiting, 10);
		put_age(text, oldest);
		put_cell(line, sizeof line, waiting > 0 ? text : "-", 8, true);
		(void)put_line(p, TOP_PLAIN, line);
	}
}

/* ---- the nodes ---- */

enum column { COLUMN_STATE, COLUMN_UNREAD, COLUMN_OLDEST, COLUMN_FLASH, COLUMN_URGENT, COLUMN_ROUTINE, COLUMN_FLIGHT, COLUMN_RATE, COLUMN_ADDRESS, COLUMN_SOFTWARE, COLUMNS };

static const struct { const char *name; unsigned width; bool right; } columns[] = {
	[COLUMN_STATE] = {N_("STATE"), 10, false}, [COLUMN_UNREAD] = {N_("UNREAD"), 8, true}, [COLUMN_OLDEST] = {N_("OLDEST"), 6, true}, [COLUMN_FLASH] = {"FLASH", 6, true},
	[COLUMN_URGENT] = {"URGENT", 6, true}, [COLUMN_ROUTINE] = {"ROUTINE", 7, true}, [COLUMN_FLIGHT] = {N_("FLIGHT"), 7, true}, [COLUMN_RATE] = {N_("OUT/S"), 6, true},
	[COLUMN_ADDRESS] = {N_("FROM"), 16, false}, [COLUMN_SOFTWARE] = {N_("SOFTWARE"), 22, false},
};

/* Which columns fit beside a name, the more telling ones first; the three lanes make up for their sum. Answers the name's width. */
static size_t
choose_columns(bool shows[COLUMNS], size_t width)
{
	static const enum column first[] = {COLUMN_STATE, COLUMN_UNREAD, COLUMN_OLDEST, COLUMN_FLIGHT, COLUMN_RATE, COLUMN_ADDRESS, COLUMN_SOFTWARE};
	const size_t lanes = columns[COLUMN_FLASH].width + columns[COLUMN_URGENT].width + columns[COLUMN_ROUTINE].width + 2, sum = columns[COLUMN_UNREAD].width;
	size_t name = width;

	for (size_t i = 0; i < sizeof first / sizeof first[0] && name > columns[first[i]].width + NAME_MIN; i++) {
		shows[first[i]] = true;
		name -= columns[first[i]].width + 1;
		if (first[i] == COLUMN_OLDEST && name + sum >= lanes + NAME_MIN) {
			shows[COLUMN_UNREAD] = false;
			shows[COLUMN_FLASH] = shows[COLUMN_URGENT] = shows[COLUMN_ROUTINE] = true;
			name = name + sum - lanes;
		}
	}
	return name < KW_NODE_MAX ? name : KW_NODE_MAX;
}

static void
put_unread(char out[32], uint64_t waiting, bool behind)
{
	if (behind && waiting == 0)
		(void)snprintf(out, 32, "+");
	else
		(void)snprintf(out, 32, "%s%llu", behind ? ">" : "", (unsigned long long)waiting);
}

static void
put_state(char out[64], const struct top_row *r)
{
	char age[24];

	put_age(age, r->for_ms);
	if (!r->member)
		(void)snprintf(out, 64, "%s", _("left out"));
	else if (r->suspended_until_ms > 0)
		(void)snprintf(out, 64, "%s", _("suspended"));
	else if (r->connected)
		(void)snprintf(out, 64, _("up %s"), age);
	else if (r->for_ms > 0)
		(void)snprintf(out, 64, _("away %s"), age);
	else
		(void)snprintf(out, 64, "%s", _("away"));
}

static void
put_value(char out[128], const struct top_row *r, enum column column, const struct cli *c)
{
	char text[64];

	switch (column) {
	case COLUMN_STATE: put_state(text, r); break;
	case COLUMN_UNREAD: put_unread(text, r->waiting, r->behind); break;
	case COLUMN_OLDEST: put_age(text, r->oldest_ms); break;
	case COLUMN_FLASH: case COLUMN_URGENT: case COLUMN_ROUTINE: {
		const struct top_lane *l = &r->lanes[column - COLUMN_FLASH];

		put_unread(text, l->waiting, l->behind);
		break;
	}
	case COLUMN_FLIGHT: (void)snprintf(text, sizeof text, "%llu", (unsigned long long)r->in_flight); break;
	case COLUMN_RATE: standing_decimal(text, c, r->rate < 0 ? 0 : r->rate); break;
	default: (void)snprintf(out, 128, "%s", column == COLUMN_ADDRESS ? r->address : r->software); return;
	}
	if ((column == COLUMN_OLDEST && r->oldest_ms == 0) || (column == COLUMN_RATE && r->rate < 0) || (column == COLUMN_FLIGHT && !r->connected))
		(void)snprintf(text, sizeof text, "-");
	(void)snprintf(out, 128, "%s", text);
}

static void
put_row(struct page *p, const struct top *t, size_t at, const bool shows[COLUMNS], size_t name, const struct cli *c)
{
	const struct top_row *r = &t->rows[t->order[at]];
	char line[4 * TOP_COLUMNS_MAX + 1] = "", text[128];
	struct top_line *l;

	put_cell(line, sizeof line, r->id, name, false);
	for (int column = 0; column < COLUMNS; column++) {
		if (!shows[column])
			continue;
		put_value(text, r, (enum column)column, c);
		put_cell(line, sizeof line, text, columns[column].width, columns[column].right);
	}
	l = put_line(p, !r->member ? TOP_DIM : top_is_silent(r) ? TOP_ALARM : !r->connected || r->behind || r->waiting > 0 ? TOP_WARN : TOP_PLAIN, line);
	if (l != NULL)
		l->chosen = at == t->at;
}

static void
put_nodes(struct page *p, struct top *t, const struct cli *c, size_t foot)
{
	bool shows[COLUMNS] = {false};
	size_t name = choose_columns(shows, p->columns);
	char line[4 * TOP_COLUMNS_MAX + 1] = "";

	put_cell(line, sizeof line, _("NODE"), name, false);
	for (int column = 0; column < COLUMNS; column++)
		if (shows[column])
			put_cell(line, sizeof line, _(columns[column].name), columns[column].width, columns[column].right);
	(void)put_line(p, TOP_HEAD, line);
	t->page = p->rows > p->count + foot ? p->rows - p->count - foot : 0;
	if (t->at < t->first)
		t->first = t->at;
	if (t->page > 0 && t->at >= t->first + t->page)
		t->first = t->at - t->page + 1;
	if (t->first + t->page > t->shown)
		t->first = t->shown > t->page ? t->shown - t->page : 0;
	for (size_t i = 0; i < t->page && t->first + i < t->shown; i++)
		put_row(p, t, t->first + i, shows, name, c);
}

/* ---- one node ---- */

static void
put_field(struct page *p, const char *label, const char *text)
{
	char line[512] = "";

	if (text[0] == '\0')
		return;
	put_cell(line, sizeof line, label, 12, false);
	put_cell(line, sizeof line, text, cli_width(text), false);
	(void)put_line(p, TOP_PLAIN, line);
}

static void
put_detail(struct page *p, const struct top *t, const struct cli *c)
{
	const struct top_row *r = &t->rows[t->order[t->at]];
	char text[128], line[512] = "";

	put_field(p, _("node"), r->id);
	put_state(text, r);
	put_field(p, _("state"), text);
	put_field(p, _("from"), r->address);
	put_field(p, _("software"), r->software);
	standing_decimal(text, c, r->rate < 0 ? 0 : r->rate);
	(void)snprintf(line, sizeof line, _("%s/s, %llu on this connection; %llu of its own taken"), text, (unsigned long long)r->delivered, (unsigned long long)r->taken);
	put_field(p, _("delivered"), r->connected ? line : "");
	(void)put_line(p, TOP_PLAIN, "");
	line[0] = '\0';
	put_cell(line, sizeof line, _("LANE"), 8, false);
	put_cell(line, sizeof line, _("UNREAD"), 9, true);
	put_cell(line, sizeof line, _("OLDEST"), 7, true);
	put_cell(line, sizeof line, _("READ UP TO"), 12, true);
	put_cell(line, sizeof line, _("NEWEST"), 12, true);
	put_cell(line, sizeof line, _("FLIGHT"), 7, true);
	put_cell(line, sizeof line, _("WINDOW"), 7, true);
	(void)put_line(p, TOP_HEAD, line);
	for (size_t i = 0; i < KW_LANES; i++) {
		const struct top_lane *l = &r->lanes[i];

		line[0] = '\0';
		put_cell(line, sizeof line, top_lane_names[i], 8, false);
		put_unread(text, l->waiting, l->behind);
		put_cell(line, sizeof line, text, 9, true);
		put_age(text, l->oldest_ms);
		put_cell(line, sizeof line, l->oldest_ms > 0 ? text : "-", 7, true);
		put_number(line, sizeof line, l->cursor, 12);
		put_number(line, sizeof line, l->newest, 12);
		put_number(line, sizeof line, l->in_flight, 7);
		put_number(line, sizeof line, l->window, 7);
		(void)put_line(p, l->waiting > 0 || l->behind ? TOP_WARN : TOP_PLAIN, line);
	}
}

/* ---- the last line ---- */

static void
put_foot(struct page *p, const struct top *t)
{
	char line[512], only[80] = "";

	if (t->filter[0] != '\0')
		(void)snprintf(only, sizeof only, " \"%s\"", t->filter);
	if (t->typing)
		(void)snprintf(line, sizeof line, _("filter: %s_   Enter keeps it, Esc drops it"), t->filter);
	else if (t->detail)
		(void)snprintf(line, sizeof line, _("Enter or q: back   up, down: another node   Q: end"));
	else
		(void)snprintf(line, sizeof line, _("%zu-%zu of %zu  q end  s sort: %s  r turn  / filter%s  a %s  Enter: one"), t->shown > 0 ? t->first + 1 : 0,
		               t->first + t->page < t->shown ? t->first + t->page : t->shown, t->shown, _(top_sort_name(t->sort)), only, t->only_wrong ? _("all") : _("only wrong"));
	while (p->count + 1 < p->rows)
		(void)put_line(p, TOP_PLAIN, "");
	(void)put_line(p, TOP_HEAD, line);
}

size_t
top_lines_most(const struct top *t)
{
	return t->shown + LANES_FROM;
}

size_t
top_lines(struct top_line *out, struct top *t, const struct cli *c, size_t rows, size_t columns_wanted)
{
	bool all = rows == 0;
	struct page p = {out, 0, all ? top_lines_most(t) : rows < TOP_ROWS_MAX ? rows : TOP_ROWS_MAX, columns_wanted < TOP_COLUMNS_MAX ? columns_wanted : TOP_COLUMNS_MAX};
	size_t foot = !all && p.rows > 2;

	put_title(&p, t);
	if (p.rows > 3)
		put_verdict(&p, t);
	if (t->status != NULL && p.rows >= FACTS_FROM)
		put_facts(&p, t, c);
	if (t->status != NULL && p.rows >= LANES_FROM)
		put_lanes(&p, t, c);
	if (t->detail && t->shown > 0)
		put_detail(&p, t, c);
	else if (t->status != NULL)
		put_nodes(&p, t, c, foot);
	if (foot > 0 && p.count == p.rows)
		p.count--; /* the last line is the help's */
	if (foot > 0)
		put_foot(&p, t);
	return p.count;
}
