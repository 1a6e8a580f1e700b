/* standing_broker: an operator's one screen. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "clients/cli/look.h"
#include "clients/cli/standing.h"
#include "clients/cli/when.h"

#define WIDE 100 /* columns of a terminal that has room for addresses */
#define ROWS_MAX 40           /* nodes in a pipe's table; of more, those that something is about */
#define NAMED_MAX 8           /* nodes with a sentence of their own */
#define FOOT_WIDEST 72        /* columns that "and N more …" takes at most, in any language */
#define STUCK_MS 600000u      /* connected, and nothing acknowledged for so long */
#define HOUR_MS 3600000ull
#define SKEW_MS 60000         /* between two machines that keep their clocks */

static const char *const lanes[] = {"flash", "urgent", "routine"};

/* ---- what is wrong ---- */

/* What an auditor will miss. */
static void
judge_audit(struct standing *s, const json_t *o)
{
	const char *trouble = look_text(o, "audit.trouble");

	if (trouble[0] != '\0' && look_flag(o, "audit.failing"))
		standing_fault(s, true, _("What is done here is not recorded: %s. It goes on relaying; until it records again it shows nobody headers or audit. Make room on that disk, "
		                          "or look at it."), trouble);
	else if (trouble[0] != '\0')
		standing_fault(s, false, _("The audit trail: %s."), trouble);
}

static unsigned
percent_full(const json_t *o)
{
	uint64_t used = look_number(o, "store.used_bytes"), quota = look_number(o, "store.quota_bytes");

	return quota > 0 ? (unsigned)(used * 100 / quota) : 0;
}

static void
judge_service(struct standing *s, const json_t *o)
{
	const char *state = look_text(o, "state"), *why = look_text(o, "why");
	uint64_t restored_ms = look_number(o, "restored_from_ms");
	char restored[WHEN_MAX];

	when_put_date(restored, restored_ms);
	if (strcmp(state, "behind") == 0 && restored_ms != 0)
		standing_fault(s, true, _("It serves nobody, since its store was restored from a backup of %s, and the nodes have seen more: %s. Restore a newer backup; only where "
		                          "there is none, say \"kurzweg broker new-epoch\"."), restored, why);
	else if (strcmp(state, "behind") == 0)
		standing_fault(s, true, _("It serves nobody, since its store is older than what the nodes have seen: %s. Put a newer store in its place; only where there "
		                          "is none, say \"kurzweg broker new-epoch\"."), why);
	else if (strcmp(state, "fork") == 0)
		standing_fault(s, true, _("It serves nobody, since two histories were met: %s. Keep a copy of the store as evidence and ask the steering committee."), why);
	else if (strcmp(state, "lost") == 0)
		standing_fault(s, true, _("Its store failed, so it takes nothing any more: %s. Look at the disk and the log, then start it again."), why);
	else if (strcmp(state, "stopping") == 0)
		standing_fault(s, true, _("It is stopping."));
	else if (look_flag(o, "store.disk_full"))
		standing_fault(s, true, _("The disk under its store has no room left, so nothing new is stored and waits in the senders' outboxes: make room on the broker's disk."));
	else if (strcmp(state, "store_full") == 0)
		standing_fault(s, true, _("Its store is at %u %% of its quota: routine notifications are refused%s. Raise store.quota in broker.yaml, or have the nodes that "
		                          "are away come back."), percent_full(o), percent_full(o) >= 90 ? _(", and urgent ones too") : "");
	else if (strcmp(state, "serving") != 0)
		standing_fault(s, true, "%s: %s", state, why);
}

static void
judge_agreement(struct standing *s, const json_t *o)
{
	const char *age = look_text(o, "agreement.age");
	char until[WHEN_MAX];

	when_put_until(until, when_parse_utc(look_text(o, "agreement.until")), s->now_ms);
	if (!json_is_object(look_at(o, "agreement")))
		standing_fault(s, true, _("No agreement is in force; install one with \"kurzweg agreement install FILE --running\"."));
	else if (strcmp(age, "not yet") == 0)
		standing_fault(s, true, _("The agreement is not valid yet, so nobody can publish; see its \"from\"."));
	else if (strcmp(age, "ends soon") == 0)
		standing_fault(s, false, _("The agreement ends %s; the steering committee should sign the next version."), until);
	else if (strcmp(age, "grace") == 0)
		standing_fault(s, true, _("The agreement ended %s; publishing goes on for its grace alone. The steering committee must sign the next version."), until);
	else if (strcmp(age, "over") == 0)
		standing_fault(s, true, _("The agreement and its grace are over, so nobody can publish until the steering committee signs the next version."));
}

static bool
is_disk_short(const json_t *o)
{
	return look_number(o, "store.disk_free_bytes") < look_number(o, "store.disk_bytes") / 10;
}

/* What is left of the disk, and until when. */
static void
judge_room(struct standing *s, const json_t *o)
{
	uint64_t all = look_number(o, "store.disk_bytes"), left = look_number(o, "store.disk_free_bytes"), left_ms = look_number(o, "store.fills.left_ms");
	const char *what = look_text(o, "store.fills.what");
	char in[TEXT_TIME_MAX], room[32], rate[STANDING_RATE_MAX];

	standing_put_rate(rate, strcmp(what, "disk") == 0, left_ms);
	if (look_flag(o, "store.disk_full") || strcmp(look_text(o, "state"), "store_full") == 0)
		return;
	text_put_duration(in, left_ms);
	standing_bytes(room, s->c, left);
	if (strcmp(what, "disk") == 0 && left_ms < 24 * HOUR_MS)
		standing_fault(s, left_ms < 2 * HOUR_MS, _("The disk under the store has %s left, which is enough for %s if it goes on as in the last hour; then nothing new is stored: "
		                                           "make room on the broker's disk."), room, in);
	else if (is_disk_short(o))
		standing_fault(s, left < all / 50, _("The disk under the store is %u %% full, %s are left%s: make room on the broker's disk."), (unsigned)(100 - left * 100 / all), room, rate);
	if (strcmp(what, "quota") == 0 && left_ms < 24 * HOUR_MS)
		standing_fault(s, left_ms < 2 * HOUR_MS, _("The store comes to 80 %% of its quota in %s if it goes on as in the last hour; then routine notifications are refused. Raise "
		                                           "store.quota in broker.yaml, or have the nodes that are away come back."), in);
}

static bool
is_nearly_full(const json_t *o, const char *queue, unsigned *percent)
{
	uint64_t used, limit;
	char path[64];

	(void)snprintf(path, sizeof path, "queues.%s.used", queue);
	used = look_number(o, path);
	(void)snprintf(path, sizeof path, "queues.%s.limit", queue);
	limit = look_number(o, path);
	*percent = limit > 0 ? (unsigned)((double)used * 100.0 / (double)limit) : 0;
	return *percent >= 80;
}

static void
judge_queues(struct standing *s, const json_t *o)
{
	char longest[32];
	unsigned percent;

	standing_ms(longest, s->c, look_number(o, "commit.took_us_max"));
	if (is_nearly_full(o, "publish_bytes", &percent))
		standing_fault(s, true, _("What waits to be written is at %u %% of its limit; then senders are told to wait. A commit took up to %s in the last minute: look at the disk."), percent,
		               longest);
	if (is_nearly_full(o, "connections", &percent))
		standing_fault(s, false, _("%u %% of the connections are taken; then no further node comes in. Raise connections in broker.yaml."), percent);
	if (is_nearly_full(o, "cases", &percent))
		standing_fault(s, false, _("%u %% of the cases that may be open are; then none is opened any more. Have those closed that are done."), percent);
}

static void
judge_cases(struct standing *s, const json_t *o)
{
	unsigned long long overdue = look_number(o, "cases.overdue"), unanswered = look_number(o, "cases.unanswered");

	if (unanswered > 0)
		standing_fault(s, true, ngettext("%llu case waits at the coordinator, who has not answered in time; call the coordinator.",
		                                 "%llu cases wait at the coordinator, who has not answered in time; call the coordinator.", unanswered), unanswered);
	if (overdue > unanswered)
		standing_fault(s, false, ngettext("%llu case was taken by nobody in its turn and is with the coordinator.",
		                                  "%llu cases were taken by nobody in their turns and are with the coordinator.", overdue - unanswered), overdue - unanswered);
}

static void
judge_clock(struct standing *s, const json_t *o)
{
	uint64_t theirs = look_number(o, "now_ms"), refused = look_number(o, "counters.refused.clock");
	uint64_t apart = theirs > s->now_ms ? theirs - s->now_ms : s->now_ms - theirs;

	if (theirs > 0 && apart > SKEW_MS)
		standing_fault(s, apart > KW_CLOCK_SKEW_MS, _("This machine's clock and the broker's are %llu s apart; set the one that is wrong."), (unsigned long long)apart / 1000);
	if (refused > 0)
		standing_fault(s, false, ngettext("%llu notification was refused, since its sender's clock is far ahead of the broker's; compare both with a clock that is right.",
		                                  "%llu notifications were refused, since their senders' clocks are far ahead of the broker's; compare them with a clock that is right.", refused),
		               (unsigned long long)refused);
}

static bool
is_behind(const json_t *node)
{
	char path[64];

	for (size_t i = 0; i < KW_LANES; i++) {
		(void)snprintf(path, sizeof path, "lanes.%s.behind", lanes[i]);
		if (look_flag(node, path))
			return true;
	}
	return false;
}

static uint64_t
oldest_of(const json_t *node)
{
	uint64_t oldest = 0;
	char path[64];

	for (size_t i = 0; i < KW_LANES; i++) {
		uint64_t ms;

		(void)snprintf(path, sizeof path, "lanes.%s.oldest_unread_ms", lanes[i]);
		ms = look_number(node, path);
		oldest = ms > oldest ? ms : oldest;
	}
	return oldest;
}

static bool is_suspended(const json_t *node) { return look_number(node, "suspended_until_ms") > 0; }
static bool is_silent(const json_t *node) { return look_flag(node, "in_agreement") && !look_flag(node, "connected") && is_behind(node) && !is_suspended(node); }
static bool is_stuck(const json_t *node) { return look_flag(node, "connected") && oldest_of(node) >= STUCK_MS; }

static void
tell_node(struct standing *s, const json_t *node)
{
	const char *id = look_text(node, "id");
	char since[WHEN_MAX];

	if (is_stuck(node)) {
		text_put_duration(since, oldest_of(node));
		standing_fault(s, false, _("%s is connected and has acknowledged nothing for %s, although something waits for it; call them to look at their node."), id, since);
		return;
	}
	when_put_short(since, s->now_ms - look_number(node, "away_ms"), s->now_ms);
	if (look_number(node, "away_ms") > 0)
		standing_fault(s, false, _("%s is away since %s and something waits for it; call them if it lasts."), id, since);
	else
		standing_fault(s, false, _("%s is away and something waits for it; call them if it lasts."), id);
}

static void
judge_nodes(struct standing *s, const json_t *o)
{
	size_t up = 0, known = 0, told = 0, most = s->named > 0 ? s->named : NAMED_MAX, i;
	json_t *node;

	json_array_foreach(look_at(o, "nodes"), i, node) {
		bool member = look_flag(node, "in_agreement"), connected = look_flag(node, "connected");

		known += member;
		up += connected;
		if (is_silent(node) || is_stuck(node)) {
			if (told++ < most)
				tell_node(s, node);
		}
	}
	if (told > most)
		standing_fault(s, false, ngettext("%zu more node is away, or reads nothing, and something waits for it; \"kurzweg nodes\" shows which.",
		                                  "%zu more nodes are away, or read nothing, and something waits for them; \"kurzweg nodes\" shows which.", told - most), told - most);
	if (known > 0 && up == 0)
		standing_fault(s, true, _("No node is connected. Do they reach the address, and does the clock of this machine go right?"));
}

/* Whom a later version of the agreement dropped stays out: nobody resumes it. */
static bool
is_left_out(const json_t *o, const char *id)
{
	json_t *node;
	size_t i;

	json_array_foreach(look_at(o, "nodes"), i, node)
		if (strcmp(look_text(node, "id"), id) == 0)
			return !look_flag(node, "in_agreement");
	return false;
}

/* What an operator did: to be looked at as long as it lasts, and grave where somebody's matters lie with who does not hear of them. */
static void
judge_suspended(struct standing *s, const json_t *o)
{
	size_t told = json_array_size(look_at(o, "suspended")), i;
	uint64_t total = look_number(o, "suspended_total");
	json_t *one;

	json_array_foreach(look_at(o, "suspended"), i, one) {
		const char *node = look_text(one, "node");
		unsigned long long taken = look_number(one, "cases_taken");
		char until[WHEN_MAX];

		when_put_until(until, look_number(one, "until_ms"), s->now_ms);
		if (!is_left_out(o, node))
			standing_fault(s, false, _("%s is suspended until %s by the operator %s: %s. \"kurzweg resume %s\" lets it in again; for longer than 72 hours only the steering "
			                           "committee can keep it out."), node, until, look_text(one, "by"), look_text(one, "reason"), node);
		if (taken > 0)
			standing_fault(s, true, ngettext("%s, which is suspended, has taken %llu case: call whoever should take it over, the sender can recall it.",
			                                 "%s, which is suspended, has taken %llu cases: call whoever should take them over, the senders can recall them.", taken), node, taken);
		if (look_flag(one, "coordinator"))
			standing_fault(s, true, _("%s, which is suspended, is the coordinator: what nobody takes is with it and it does not hear of it; watch the open cases."), node);
	}
	if (total > told)
		standing_fault(s, false, ngettext("%llu more node is suspended; \"kurzweg nodes\" shows which.", "%llu more nodes are suspended; \"kurzweg nodes\" shows which.", total - told),
		               (unsigned long long)(total - told));
}

/* ---- the figures ---- */

static enum cli_colour
agreement_colour(const json_t *o)
{
	const char *age = look_text(o, "agreement.age");

	return strcmp(age, "ends soon") == 0 ? CLI_YELLOW : strcmp(age, "not yet") == 0 || strcmp(age, "grace") == 0 || strcmp(age, "over") == 0 ? CLI_RED : CLI_PLAIN;
}

static void
show_facts(struct standing *s, const json_t *o)
{
	const char *fills = look_text(o, "store.fills.what");
	uint64_t left_ms = look_number(o, "store.fills.left_ms");
	char line[512], a[WHEN_MAX], used[32], quota[32], rate[STANDING_RATE_MAX];

	when_put_until(a, when_parse_utc(look_text(o, "agreement.until")), s->now_ms);
	if (json_is_object(look_at(o, "agreement"))) {
		(void)snprintf(line, sizeof line, _("version %llu, until %s"), (unsigned long long)look_number(o, "agreement.version"), a);
		standing_fact(s, FIT_STATE, _("agreement"), agreement_colour(o), line);
		standing_fact(s, FIT_SETTING, _("fingerprint"), CLI_PLAIN, look_text(o, "agreement.fingerprint"));
	}
	standing_bytes(used, s->c, look_number(o, "store.used_bytes"));
	standing_bytes(quota, s->c, look_number(o, "store.quota_bytes"));
	standing_put_rate(rate, strcmp(fills, "quota") == 0, left_ms);
	(void)snprintf(line, sizeof line, _("%llu entries, %s of %s (%u %%)%s"), (unsigned long long)look_number(o, "store.entries"), used, quota, percent_full(o), rate);
	standing_fact(s, FIT_STATE, _("store"), percent_full(o) >= 80 ? CLI_RED : CLI_PLAIN, line);
	standing_bytes(used, s->c, look_number(o, "store.disk_free_bytes"));
	standing_bytes(quota, s->c, look_number(o, "store.disk_bytes"));
	standing_put_rate(rate, strcmp(fills, "disk") == 0, left_ms);
	(void)snprintf(line, sizeof line, _("%s of %s free%s"), used, quota, rate);
	standing_fact(s, FIT_STATE, _("disk"), rate[0] != '\0' || is_disk_short(o) ? CLI_YELLOW : CLI_PLAIN, look_number(o, "store.disk_bytes") > 0 ? line : "");
	standing_show_backup(s, look_number(o, "backup_ms"), look_number(o, "backup_bytes"));
	standing_decimal(a, s->c, look_real(o, "commit.per_second"));
	standing_ms(used, s->c, look_number(o, "commit.took_us_median"));
	standing_ms(quota, s->c, look_number(o, "commit.took_us_max"));
	(void)snprintf(line, sizeof line, _("%s a second, %s each, the longest %s (last minute)"), a, used, quota);
	standing_fact(s, FIT_FLOW, _("commits"), CLI_PLAIN, line);
	(void)snprintf(line, sizeof line, _("%llu open, %llu overdue"), (unsigned long long)look_number(o, "cases.open"), (unsigned long long)look_number(o, "cases.overdue"));
	if (look_number(o, "cases.open") > 0)
		standing_fact(s, FIT_STATE, _("cases"), look_number(o, "cases.overdue") > 0 ? CLI_YELLOW : CLI_PLAIN, line);
}

/* What never happened is left out. */
static void
show_run(struct standing *s, const json_t *o)
{
	unsigned long long twice = look_number(o, "counters.duplicates"), unknown = look_number(o, "counters.unknown_keys");
	char line[512], up[TEXT_TIME_MAX];
	size_t at;

	text_put_duration(up, look_number(o, "uptime_ms"));
	(void)snprintf(line, sizeof line, _("%s; log epoch %llu, commit %llu"), up, (unsigned long long)look_number(o, "log_epoch"),
	               (unsigned long long)look_number(o, "commit.number"));
	standing_fact(s, FIT_FLOW, _("running for"), CLI_PLAIN, line);
	(void)snprintf(line, sizeof line, _("%llu stored, %llu delivered"), (unsigned long long)look_number(o, "counters.stored"),
	               (unsigned long long)look_number(o, "counters.delivered"));
	at = strlen(line);
	if (twice > 0)
		(void)snprintf(line + at, sizeof line - at, _(", %llu twice"), twice);
	at = strlen(line);
	if (unknown > 0)
		(void)snprintf(line + at, sizeof line - at, ngettext(", %llu unknown key turned away", ", %llu unknown keys turned away", unknown), unknown);
	standing_fact(s, FIT_FLOW, _("since then"), CLI_PLAIN, line);
}

/* "expired 3, denied 1": what was refused, and how often; nothing when nothing was. */
static void
show_refusals(struct standing *s, const json_t *o)
{
	char line[512] = "";
	const char *code;
	json_t *n;

	json_object_foreach((json_t *)(uintptr_t)look_at(o, "counters.refused"), code, n) {
		size_t at = strlen(line);

		if (json_integer_value(n) > 0)
			(void)snprintf(line + at, sizeof line - at, "%s%s %lld", at > 0 ? ", " : "", code, (long long)json_integer_value(n));
	}
	standing_fact(s, FIT_FLOW, _("refused"), CLI_YELLOW, line);
}

static void
show_lanes(struct standing *s, const json_t *o)
{
	struct cli_table *t = cli_table_new(5);
	struct buf out = BUF_INIT(1u << 20);
	char rate[32];
	json_t *lane;
	size_t i;

	cli_table_cell(t, CLI_PLAIN, "%s", _("lane"));
	cli_table_cell(t, CLI_PLAIN, "%s", _("in the log"));
	cli_table_cell(t, CLI_PLAIN, "%s", _("newest"));
	cli_table_cell(t, CLI_PLAIN, "%s", _("being written"));
	cli_table_cell(t, CLI_PLAIN, "%s", _("a minute"));
	json_array_foreach(look_at(o, "lanes"), i, lane) {
		cli_table_cell(t, CLI_PLAIN, "%s", look_text(lane, "name"));
		cli_table_cell(t, CLI_PLAIN, "%llu", (unsigned long long)look_number(lane, "length"));
		cli_table_cell(t, CLI_PLAIN, "%llu", (unsigned long long)look_number(lane, "tail"));
		cli_table_cell(t, CLI_PLAIN, "%llu", (unsigned long long)look_number(lane, "waiting_for_commit"));
		standing_decimal(rate, s->c, look_real(lane, "rate") * 60);
		cli_table_cell(t, CLI_PLAIN, "%s", rate);
	}
	cli_put_table(&out, s->c, t, true);
	standing_part(s, STANDING_LANES, FIT_FLOW, &out);
}

/* How much waits for a node in a lane; of one that reads from the log, that it is more than is counted. */
static void
unread_cell(struct cli_table *t, const json_t *node, const char *lane, uint64_t *oldest_ms)
{
	char path[64];
	const json_t *o;
	uint64_t waiting, oldest;

	(void)snprintf(path, sizeof path, "lanes.%s", lane);
	o = look_at(node, path);
	waiting = look_number(o, "waiting");
	oldest = look_number(o, "oldest_unread_ms");
	if (oldest > *oldest_ms)
		*oldest_ms = oldest;
	if (look_flag(o, "behind"))
		cli_table_cell(t, CLI_YELLOW, waiting > 0 ? _("over %llu") : _("some"), (unsigned long long)waiting);
	else
		cli_table_cell(t, waiting > 0 ? CLI_YELLOW : CLI_DIM, "%llu", (unsigned long long)waiting);
}

static void
away_cell(struct cli_table *t, const struct standing *s, const json_t *node)
{
	char since[WHEN_MAX];

	when_put_short(since, is_suspended(node) ? look_number(node, "suspended_until_ms") : s->now_ms - look_number(node, "away_ms"), s->now_ms);
	if (is_suspended(node))
		cli_table_cell(t, CLI_YELLOW, _("suspended until %s"), since);
	else if (look_number(node, "away_ms") > 0)
		cli_table_cell(t, CLI_YELLOW, _("away, %s"), since);
	else
		cli_table_cell(t, CLI_YELLOW, "%s", _("away"));
}

static void
node_row(struct cli_table *t, const struct standing *s, const json_t *node)
{
	bool up = look_flag(node, "connected");
	char text[WHEN_MAX];
	uint64_t oldest = 0;

	cli_table_cell(t, CLI_PLAIN, "%s", look_text(node, "id"));
	when_put_short(text, s->now_ms - look_number(node, "since_ms"), s->now_ms);
	if (!look_flag(node, "in_agreement"))
		cli_table_cell(t, CLI_DIM, "%s", _("left out"));
	else if (up)
		cli_table_cell(t, CLI_GREEN, _("since %s"), text);
	else
		away_cell(t, s, node);
	for (size_t i = 0; i < KW_LANES; i++)
		unread_cell(t, node, lanes[i], &oldest);
	text_put_duration(text, oldest);
	cli_table_cell(t, oldest > 0 ? CLI_YELLOW : CLI_DIM, "%s", oldest > 0 ? text : "-");
}

/* Those that something is about stand first, and those of which there is nothing to say last. */
enum rank { RANK_ABOUT, RANK_AWAY, RANK_WAITS, RANK_LEFT_OUT, RANK_WELL, RANKS };

static enum rank
rank_of(const json_t *node)
{
	char path[64];

	if (!look_flag(node, "in_agreement"))
		return RANK_LEFT_OUT;
	if (is_silent(node) || is_stuck(node) || is_suspended(node))
		return RANK_ABOUT;
	if (!look_flag(node, "connected"))
		return RANK_AWAY;
	for (size_t i = 0; i < KW_LANES; i++) {
		(void)snprintf(path, sizeof path, "lanes.%s.waiting", lanes[i]);
		if (look_number(node, path) > 0)
			return RANK_WAITS;
	}
	return is_behind(node) ? RANK_WAITS : RANK_WELL;
}

struct rows {                /* in the order in which they are shown */
	const json_t **node; /* for free() */
	size_t count, about, well, up;
	uint64_t left_off;   /* known to the broker, and not among them */
};

static struct rows
rows_by_rank(const json_t *list)
{
	struct rows r = {.node = cli_memory((json_array_size(list) + 1) * sizeof(const json_t *))};
	json_t *node;
	size_t i;

	for (enum rank rank = RANK_ABOUT; rank < RANKS; rank++)
		json_array_foreach(list, i, node) {
			if (rank_of(node) != rank)
				continue;
			r.node[r.count++] = node;
			r.about += rank <= RANK_AWAY;
			r.well += rank == RANK_WELL;
			r.up += look_flag(node, "connected");
		}
	return r;
}

/* Where nobody knows how much has room: as they come, and of very many those that something is about. */
static struct rows
rows_as_they_come(const json_t *list)
{
	struct rows r = {.node = cli_memory((json_array_size(list) + 1) * sizeof(const json_t *))};
	size_t all = json_array_size(list), i;
	json_t *node;

	json_array_foreach(list, i, node)
		if (r.count < ROWS_MAX && (all <= ROWS_MAX || rank_of(node) == RANK_ABOUT))
			r.node[r.count++] = node;
	r.left_off = all - r.count;
	return r;
}

static struct cli_table *
node_table(const struct standing *s, const struct rows *r, size_t count)
{
	bool wide = s->c->columns == 0 || s->c->columns >= WIDE;
	struct cli_table *t = cli_table_new(wide ? 7 : 6);

	cli_table_cell(t, CLI_PLAIN, "%s", _("node"));
	cli_table_cell(t, CLI_PLAIN, "%s", _("connected"));
	for (size_t i = 0; i < KW_LANES; i++)
		cli_table_cell(t, CLI_PLAIN, "%s", lanes[i]);
	cli_table_cell(t, CLI_PLAIN, "%s", _("unread for"));
	if (wide)
		cli_table_cell(t, CLI_PLAIN, "%s", _("from"));
	for (size_t i = 0; i < count; i++) {
		node_row(t, s, r->node[i]);
		if (wide)
			cli_table_cell(t, CLI_DIM, "%s", look_text(r->node[i], "address"));
	}
	cli_table_shrink(t, 0);
	return t;
}

/* What is not shown, where the first so many rows are. */
static void
say_left(char out[256], const struct rows *r, size_t shown)
{
	unsigned long long n = r->count - shown + r->left_off;
	unsigned long form = (unsigned long)n;
	bool well = n <= r->well && r->left_off == 0;

	if (shown == 0 && well)
		(void)snprintf(out, 256, ngettext("%llu node, connected and nothing waiting: kurzweg nodes", "%llu nodes, all connected and nothing waiting: kurzweg nodes", form), n);
	else if (shown == 0 && r->left_off == 0)
		(void)snprintf(out, 256, ngettext("%llu node, %zu connected: kurzweg nodes", "%llu nodes, %zu of them connected: kurzweg nodes", form), n, r->up);
	else if (well)
		(void)snprintf(out, 256, ngettext("and %llu more, connected and nothing waiting: kurzweg nodes", "and %llu more, all connected and nothing waiting: kurzweg nodes", form), n);
	else
		(void)snprintf(out, 256, ngettext("and %llu more; \"kurzweg nodes\" shows it", "and %llu more; \"kurzweg nodes\" shows them", form), n);
}

/* How many lines each row takes: one, but for a terminal that is narrower than the table. */
static size_t *
lines_of_rows(size_t *head, size_t *foot, const struct standing *s, const struct rows *r)
{
	size_t most = r->count < s->c->rows ? r->count : s->c->rows, *lines = cli_memory((r->count + 1) * sizeof *lines), each;
	struct buf out = BUF_INIT(8u << 20);

	cli_put_table(&out, s->c, node_table(s, r, most), true);
	each = (cli_lines(cli_text(&out), s->c->columns) + most) / (most + 1);
	for (size_t i = 0; i < r->count; i++)
		lines[i] = each;
	*head = each;
	*foot = s->c->columns > 0 && s->c->columns < FOOT_WIDEST ? 2 : 1;
	buf_free(&out);
	return lines;
}

static void
print_nodes(const struct standing *s, const struct rows *r, const struct fit_table *fit)
{
	char line[256];

	if (fit->shown > 0 || fit->foot_shown || s->c->rows == 0)
		(void)printf("\n");
	if (fit->shown > 0 || s->c->rows == 0)
		cli_table_print(s->c, node_table(s, r, fit->shown), true);
	say_left(line, r, fit->shown);
	if (fit->foot_shown)
		cli_paragraph(s->c, CLI_PLAIN, line);
}

/* All that was gathered, and the nodes. */
static void
show_all(struct standing *s, const json_t *o)
{
	struct rows r = s->c->rows > 0 ? rows_by_rank(look_at(o, "nodes")) : rows_as_they_come(look_at(o, "nodes"));
	struct fit_table fit = {.rows = r.count, .about = r.about};
	size_t *lines;

	r.left_off += look_number(o, "nodes_left_off");
	lines = lines_of_rows(&fit.head, &fit.foot, s, &r);
	fit.lines = lines;
	fit.more = r.left_off > 0;
	standing_show(s, &fit);
	print_nodes(s, &r, &fit);
	standing_end(s);
	free(lines);
	free(r.node);
}

void
standing_broker_judge(struct standing *s, const json_t *status)
{
	judge_service(s, status);
	judge_agreement(s, status);
	judge_room(s, status);
	standing_judge_backup(s, look_number(status, "backup_ms"));
	standing_judge_config(s, status);
	judge_queues(s, status);
	judge_clock(s, status);
	judge_audit(s, status);
	judge_cases(s, status);
	judge_nodes(s, status);
	judge_suspended(s, status);
}

/* Answers title. */
static const char *
judge(struct standing *s, const json_t *status, char title[256])
{
	standing_broker_judge(s, status);
	(void)snprintf(title, 256, _("Broker of %s%s"), look_text(status, "partnership"), strcmp(look_text(status, "kind"), "exercise") == 0 ? _(" (EXERCISE)") : "");
	return title;
}

/* Where the sentences themselves have no room, fewer nodes get one of their own: what is graver than a node that is away must not scroll out of sight for it. */
static void
judge_to_fit(struct standing *s, const struct cli *c, const json_t *status, uint64_t now_ms, bool here)
{
	char title[256];

	for (size_t named = NAMED_MAX; named > 0; named--) {
		*s = (struct standing){.c = c, .now_ms = now_ms, .here = here, .named = named};
		standing_head(s, judge(s, status, title));
		if (named == 1 || standing_head_fits(s))
			return;
		standing_drop_parts(s);
	}
}

void
standing_broker(const struct cli *c, const json_t *status, uint64_t now_ms, bool here)
{
	struct standing s;

	judge_to_fit(&s, c, status, now_ms, here);
	show_facts(&s, status);
	show_run(&s, status);
	standing_show_clock(&s);
	show_refusals(&s, status);
	standing_show_config(&s, status);
	show_lanes(&s, status);
	show_all(&s, status);
}

/* ---- for monitoring ---- */

static void
count_nodes(const json_t *o, size_t *known, size_t *up, size_t *silent)
{
	json_t *node;
	size_t i;

	*known = *up = *silent = 0;
	json_array_foreach(look_at(o, "nodes"), i, node) {
		*known += look_flag(node, "in_agreement");
		*up += look_flag(node, "connected");
		*silent += is_silent(node) || is_stuck(node);
	}
}

enum standing_check
standing_broker_check(const struct cli *c, const json_t *o, uint64_t now_ms)
{
	struct standing s = {.c = c, .now_ms = now_ms};
	uint64_t quota = look_number(o, "store.quota_bytes"), until = when_parse_utc(look_text(o, "agreement.until"));
	size_t known, up, silent;
	char title[256], figures[1024], more[192];

	count_nodes(o, &known, &up, &silent);
	standing_figures(more, json_is_object(look_at(o, "store.fills")), strcmp(look_text(o, "store.fills.what"), "quota") == 0 ? "store_full_in" : "disk_full_in",
	                 look_number(o, "store.fills.left_ms"), look_number(o, "backup_ms"), now_ms);
	(void)snprintf(figures, sizeof figures, "connected=%zu;;;0;%zu silent=%zu;0 cases_open=%llu cases_overdue=%llu;0 cases_unanswered=%llu;;0 commits_per_second=%.2f "
	               "commit_time=%.6fs commit_time_max=%.6fs store=%lluB;%llu;;0;%llu disk_free=%lluB stored=%lluc delivered=%lluc agreement_left=%llus%s", up, known, silent,
	               (unsigned long long)look_number(o, "cases.open"), (unsigned long long)look_number(o, "cases.overdue"), (unsigned long long)look_number(o, "cases.unanswered"),
	               look_real(o, "commit.per_second"), (double)look_number(o, "commit.took_us_median") / 1e6, (double)look_number(o, "commit.took_us_max") / 1e6,
	               (unsigned long long)look_number(o, "store.used_bytes"), (unsigned long long)(quota - quota / 5), (unsigned long long)quota,
	               (unsigned long long)look_number(o, "store.disk_free_bytes"), (unsigned long long)look_number(o, "counters.stored"),
	               (unsigned long long)look_number(o, "counters.delivered"), (unsigned long long)(until > now_ms ? (until - now_ms) / 1000 : 0), more);
	return standing_check_line(&s, judge(&s, o, title), figures);
}
