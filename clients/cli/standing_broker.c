/* standing_broker: an operator's one screen. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "clients/cli/look.h"
#include "clients/cli/standing.h"
#include "clients/cli/when.h"

#define WIDE 100 /* columns of a terminal that has room for addresses */

static const char *const lanes[] = {"flash", "urgent", "routine"};

/* ---- what is wrong ---- */

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

	if (strcmp(state, "behind") == 0)
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

static void
judge_nodes(struct standing *s, const json_t *o)
{
	size_t up = 0, known = 0, i;
	json_t *node;

	json_array_foreach(look_at(o, "nodes"), i, node) {
		bool member = look_flag(node, "in_agreement"), connected = look_flag(node, "connected");

		known += member;
		up += connected;
		if (member && !connected && is_behind(node))
			standing_fault(s, false, _("%s is away and something waits for it; call them if it lasts."), look_text(node, "id"));
	}
	if (known > 0 && up == 0)
		standing_fault(s, true, _("No node is connected. Do they reach the address, and does the clock of this machine go right?"));
}

/* ---- the figures ---- */

static void
show_facts(const struct standing *s, const json_t *o)
{
	char line[256], a[WHEN_MAX], used[32], quota[32], up[TEXT_TIME_MAX];

	when_put_until(a, when_parse_utc(look_text(o, "agreement.until")), s->now_ms);
	if (json_is_object(look_at(o, "agreement"))) {
		(void)snprintf(line, sizeof line, _("version %llu, until %s"), (unsigned long long)look_number(o, "agreement.version"), a);
		cli_field(s->c, _("agreement"), CLI_PLAIN, line);
		cli_field(s->c, _("fingerprint"), CLI_PLAIN, look_text(o, "agreement.fingerprint"));
	}
	standing_bytes(used, look_number(o, "store.used_bytes"));
	standing_bytes(quota, look_number(o, "store.quota_bytes"));
	(void)snprintf(line, sizeof line, _("%llu entries, %s of %s (%u %%)"), (unsigned long long)look_number(o, "store.entries"), used, quota, percent_full(o));
	cli_field(s->c, _("store"), percent_full(o) >= 80 ? CLI_RED : CLI_PLAIN, line);
	text_put_duration(up, look_number(o, "uptime_ms"));
	(void)snprintf(line, sizeof line, _("%s; log epoch %llu, commit %llu"), up, (unsigned long long)look_number(o, "log_epoch"),
	               (unsigned long long)look_number(o, "commit.number"));
	cli_field(s->c, _("running for"), CLI_PLAIN, line);
	(void)snprintf(line, sizeof line, _("%llu stored, %llu delivered, %llu twice, %llu unknown keys turned away"),
	               (unsigned long long)look_number(o, "counters.stored"), (unsigned long long)look_number(o, "counters.delivered"),
	               (unsigned long long)look_number(o, "counters.duplicates"), (unsigned long long)look_number(o, "counters.unknown_keys"));
	cli_field(s->c, _("since then"), CLI_PLAIN, line);
}

/* "expired 3, denied 1": what was refused, and how often; nothing when nothing was. */
static void
show_refusals(const struct standing *s, const json_t *o)
{
	char line[512] = "";
	const char *code;
	json_t *n;

	json_object_foreach((json_t *)(uintptr_t)look_at(o, "counters.refused"), code, n) {
		size_t at = strlen(line);

		if (json_integer_value(n) > 0)
			(void)snprintf(line + at, sizeof line - at, "%s%s %lld", at > 0 ? ", " : "", code, (long long)json_integer_value(n));
	}
	cli_field(s->c, _("refused"), CLI_YELLOW, line);
}

static void
show_lanes(const struct standing *s, const json_t *o)
{
	struct cli_table *t = cli_table_new(5);
	json_t *lane;
	size_t i;

	(void)printf("\n");
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
		cli_table_cell(t, CLI_PLAIN, "%.1f", look_real(lane, "rate") * 60);
	}
	cli_table_print(s->c, t, true);
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
		cli_table_cell(t, CLI_YELLOW, "%s", _("away"));
	for (size_t i = 0; i < KW_LANES; i++)
		unread_cell(t, node, lanes[i], &oldest);
	text_put_duration(text, oldest);
	cli_table_cell(t, oldest > 0 ? CLI_YELLOW : CLI_DIM, "%s", oldest > 0 ? text : "-");
}

static void
show_nodes(const struct standing *s, const json_t *o)
{
	bool wide = s->c->columns == 0 || s->c->columns >= WIDE;
	struct cli_table *t = cli_table_new(wide ? 7 : 6);
	json_t *node;
	size_t i;

	(void)printf("\n");
	cli_table_cell(t, CLI_PLAIN, "%s", _("node"));
	cli_table_cell(t, CLI_PLAIN, "%s", _("connected"));
	for (i = 0; i < KW_LANES; i++)
		cli_table_cell(t, CLI_PLAIN, "%s", lanes[i]);
	cli_table_cell(t, CLI_PLAIN, "%s", _("unread for"));
	if (wide)
		cli_table_cell(t, CLI_PLAIN, "%s", _("from"));
	json_array_foreach(look_at(o, "nodes"), i, node) {
		node_row(t, s, node);
		if (wide)
			cli_table_cell(t, CLI_DIM, "%s", look_text(node, "address"));
	}
	cli_table_shrink(t, 0);
	cli_table_print(s->c, t, true);
	if (look_number(o, "nodes_left_off") > 0)
		(void)printf(_("and %llu more\n"), (unsigned long long)look_number(o, "nodes_left_off"));
}

void
standing_broker(const struct cli *c, const json_t *status, uint64_t now_ms)
{
	struct standing s = {.c = c, .now_ms = now_ms};
	const char *kind = look_text(status, "kind");
	char title[256];

	judge_service(&s, status);
	judge_agreement(&s, status);
	judge_nodes(&s, status);
	(void)snprintf(title, sizeof title, _("Broker of %s%s"), look_text(status, "partnership"), strcmp(kind, "exercise") == 0 ? _(" (EXERCISE)") : "");
	standing_head(&s, title);
	show_facts(&s, status);
	show_refusals(&s, status);
	show_lanes(&s, status);
	show_nodes(&s, status);
}
