/* cmd_trace: the way of one notification that this node sent, by the broker's commits and the readers' signed receipts. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "clients/cli/arrival.h"
#include "clients/cli/broker_trace.h"
#include "clients/cli/commands.h"
#include "clients/cli/local.h"
#include "clients/cli/look.h"
#include "clients/cli/meant.h"
#include "clients/cli/notice.h"
#include "clients/cli/when.h"

#define UNHURRIED_MS 90000u /* so long a confirmation may take where nothing is urgent */

struct trace_options {
	const char *socket;
	struct broker_way way;
	uint64_t further;
	bool json;
};

static void
show_verdict(const struct cli *c, const json_t *t, uint64_t now_ms)
{
	size_t has = json_array_size(look_at(t, "delivered")), missing = json_array_size(look_at(t, "missing")), rejected = json_array_size(look_at(t, "rejected"));
	const char *state = look_text(t, "state");
	char line[1024];

	if (strcmp(state, "refused") == 0) {
		(void)snprintf(line, sizeof line, _("The broker refused it: %s. Nobody has it."), look_text(t, "reason"));
		cli_paragraph(c, CLI_RED, line);
	} else if (strcmp(state, "expired") == 0) {
		cli_paragraph(c, CLI_RED, _("It expired before the broker stored it. Nobody has it."));
	} else if (strcmp(state, "stored") != 0) {
		cli_paragraph(c, CLI_YELLOW, _("It waits in the outbox of this node and is sent as soon as the broker is reached."));
	} else if (missing + rejected == 0) {
		(void)snprintf(line, sizeof line, ngettext("%zu node has it.", "All %zu nodes have it.", has), has);
		cli_paragraph(c, CLI_GREEN, line);
	} else {
		(void)snprintf(line, sizeof line, _("The broker has it, and %zu of %zu nodes; %zu have not confirmed, %zu rejected it."), has, has + missing + rejected, missing, rejected);
		cli_paragraph(c, rejected > 0 ? CLI_RED : CLI_YELLOW, line);
		if (missing > 0 && strcmp(look_text(t, "lane"), "flash") != 0 && now_ms < when_parse_utc(look_text(t, "stored.time")) + UNHURRIED_MS)
			cli_paragraph(c, CLI_PLAIN, _("In this lane nodes confirm within a minute."));
	}
}

static void
show_times(const struct cli *c, const json_t *t, uint64_t now_ms)
{
	char line[256], at[WHEN_MAX];

	cli_field(c, _("headline"), CLI_BOLD, look_text(t, "headline"));
	if (strcmp(look_text(t, "mark"), "reason needed") == 0)
		cli_field(c, _("headline"), CLI_YELLOW, _("reason needed: kurzweg sent --reason TEXT"));
	when_put(at, when_parse_utc(look_text(t, "created")), now_ms);
	(void)snprintf(line, sizeof line, _("%s on %s in lane %s (%s)"), at, look_text(t, "topic"), look_text(t, "lane"), notice_kind(look_text(t, "type")));
	cli_field(c, _("published"), CLI_PLAIN, line);
	if (json_is_object(look_at(t, "stored"))) {
		when_put(at, when_parse_utc(look_text(t, "stored.time")), now_ms);
		(void)snprintf(line, sizeof line, _("%s as %s %llu, log epoch %llu, commit %llu"), at, look_text(t, "stored.position.lane"),
		               (unsigned long long)look_number(t, "stored.position.number"), (unsigned long long)look_number(t, "stored.position.log_epoch"),
		               (unsigned long long)look_number(t, "stored.commit"));
		cli_field(c, _("stored"), CLI_PLAIN, line);
	}
	when_put_until(at, when_parse_utc(look_text(t, "expires")), now_ms);
	cli_field(c, _("kept until"), CLI_PLAIN, at);
	cli_field(c, _("CAP name"), CLI_PLAIN, look_text(t, "cap"));
	cli_field(c, _("sealed anew as"), CLI_PLAIN, look_text(t, "sealed_anew_as"));
}

/* When somebody there read it; "": nobody has, as far as this node was told. */
static void
put_read(char at[WHEN_MAX], const json_t *t, const char *node, uint64_t now_ms)
{
	json_t *one;
	size_t i;

	json_array_foreach(look_at(t, "opened"), i, one)
		if (strcmp(look_text(one, "node"), node) == 0)
			when_put(at, when_parse_utc(look_text(one, "at")), now_ms);
}

static void
reader_rows(struct cli_table *table, const json_t *t, const char *which, enum cli_colour colour, const char *word, uint64_t now_ms)
{
	json_t *one;
	size_t i;

	json_array_foreach(look_at(t, which), i, one) {
		char at[WHEN_MAX] = "", read[WHEN_MAX] = "";

		if (json_is_object(one)) {
			when_put(at, when_parse_utc(look_text(one, "at")), now_ms);
			put_read(read, t, look_text(one, "node"), now_ms);
		}
		cli_table_cell(table, CLI_PLAIN, "%s", json_is_string(one) ? json_string_value(one) : look_text(one, "node"));
		cli_table_cell(table, colour, "%s", word);
		cli_table_cell(table, CLI_PLAIN, "%s", at);
		cli_table_cell(table, CLI_PLAIN, "%s", read);
		cli_table_cell(table, CLI_DIM, "%s%s", look_text(one, "receipt"), look_text(one, "reason"));
	}
}

/* Who is missing stands first: that is what somebody must act on. */
static void
show_readers(const struct cli *c, const json_t *t, uint64_t now_ms)
{
	struct cli_table *table = cli_table_new(5);

	(void)printf("\n");
	cli_table_cell(table, CLI_PLAIN, "%s", _("node"));
	cli_table_cell(table, CLI_PLAIN, "%s", _("has it"));
	cli_table_cell(table, CLI_PLAIN, "%s", _("since"));
	cli_table_cell(table, CLI_PLAIN, "%s", _("read"));
	cli_table_cell(table, CLI_PLAIN, "%s", _("by receipt, or because"));
	reader_rows(table, t, "rejected", CLI_RED, _("rejected it"), now_ms);
	reader_rows(table, t, "missing", CLI_YELLOW, _("not confirmed yet"), now_ms);
	reader_rows(table, t, "delivered", CLI_GREEN, _("yes"), now_ms);
	cli_table_shrink(table, 4);
	cli_table_print(c, table, true);
}

/* k of n partners have answered, and who has not: where the topic wants several to. */
static void
show_answers(const struct cli *c, const json_t *t, uint64_t now_ms)
{
	const json_t *answered = look_at(t, "acknowledge.answered"), *missing = look_at(t, "acknowledge.missing");
	size_t has = json_array_size(answered), lacks = json_array_size(missing);
	struct cli_table *table;
	char line[512], until[WHEN_MAX];
	json_t *one;
	size_t i;

	if (!json_is_object(look_at(t, "acknowledge")))
		return;
	when_put_until(until, when_parse_utc(look_text(t, "acknowledge.until")), now_ms);
	(void)snprintf(line, sizeof line, _("%zu of %zu partners have answered; they were asked to until %s."), has, has + lacks, until);
	(void)printf("\n");
	cli_paragraph(c, lacks == 0 ? CLI_GREEN : when_parse_utc(look_text(t, "acknowledge.until")) <= now_ms ? CLI_RED : CLI_YELLOW, line);
	table = cli_table_new(3);
	json_array_foreach(missing, i, one) {
		cli_table_cell(table, CLI_PLAIN, "%s", json_string_value(one));
		cli_table_cell(table, CLI_YELLOW, "%s", _("no answer yet"));
		cli_table_cell(table, CLI_PLAIN, "%s", "");
	}
	json_array_foreach(answered, i, one) {
		char at[WHEN_MAX];

		when_put(at, when_parse_utc(look_text(one, "at")), now_ms);
		cli_table_cell(table, CLI_PLAIN, "%s", look_text(one, "partner"));
		cli_table_cell(table, CLI_GREEN, "%s", strcmp(look_text(one, "how"), "opened") == 0 ? _("has read it") : _("has answered"));
		cli_table_cell(table, CLI_PLAIN, "%s (%s)", at, look_text(one, "node"));
	}
	cli_table_print(c, table, false);
}

/* Where it had to be released: by whom it was, and whose approval is missing. */
static void
show_release(const struct cli *c, const json_t *t, uint64_t now_ms)
{
	const json_t *release = look_at(t, "release"), *approved = look_at(release, "approved");
	char line[512], at[WHEN_MAX];
	json_t *one;
	size_t i;

	if (!json_is_object(release))
		return;
	cli_field(c, _("text hash"), CLI_PLAIN, look_text(release, "text_hash"));
	json_array_foreach(approved, i, one) {
		when_put(at, look_number(one, "at_ms"), now_ms);
		(void)snprintf(line, sizeof line, "%s, %s", look_text(one, "node"), at);
		cli_field(c, _("approved by"), CLI_GREEN, line);
	}
	json_array_foreach(look_at(release, "refused"), i, one) {
		(void)snprintf(line, sizeof line, "%s: %s", look_text(one, "node"), look_text(one, "reason"));
		cli_field(c, _("refused by"), CLI_RED, line);
	}
	json_array_foreach(look_at(release, "missing"), i, one)
		cli_field(c, _("missing"), CLI_YELLOW, json_string_value(one));
	cli_field(c, _("released as"), CLI_PLAIN, look_text(release, "released_as"));
}

static enum cli_exit
trace_at_broker(const struct cli *c, const struct trace_options *o)
{
	struct broker_ask *b = NULL;
	json_t *trace = NULL;
	struct kw_why why;
	enum cli_exit code;
	enum kw_err err;

	if (!broker_way_stands(c, &o->way, &code))
		return code;
	if ((err = broker_way_open(&b, &o->way, &why)) == KW_OK)
		err = broker_trace(&trace, b, c->args[0], broker_trace_agreement(&o->way), o->further > 0 ? o->further : TRACE_FURTHER, &why);
	broker_ask_free(&b);
	if (err != KW_OK)
		return err == KW_EINVAL ? cli_usage(c, "%s", why.text) : cli_fail(c, err, &why);
	if (o->json)
		return cli_json(c, trace);
	broker_trace_show(c, trace, clock_wall_ms());
	json_decref(trace);
	return CLI_DONE;
}

static enum cli_exit
trace_at_node(const struct cli *c, const struct trace_options *o)
{
	uint64_t now = clock_wall_ms();
	char room[KURZWEG_ID_SIZE], *text = NULL;
	const char *id;
	enum kurzweg_result r;
	enum cli_exit code;
	json_t *trace;
	kurzweg *k;

	if ((k = local_open(c, o->socket, &code)) == NULL)
		return code;
	if ((id = meant(room, c, k, c->args[0], MEANT_SENT_OR_CAME, &code)) != NULL) {
		r = kurzweg_trace(k, id, &text);
		code = r == KURZWEG_OK ? CLI_DONE : local_fail(c, k, r);
	}
	kurzweg_close(&k);
	if (code != CLI_DONE)
		return code;
	trace = json_loads(text, 0, NULL);
	free(text);
	if (o->json)
		return cli_json(c, trace);
	if (arrival_is(trace)) {
		arrival_show(c, trace, now);
		json_decref(trace);
		return CLI_DONE;
	}
	show_verdict(c, trace, now);
	show_times(c, trace, now);
	show_release(c, trace, now);
	show_readers(c, trace, now);
	show_answers(c, trace, now);
	json_decref(trace);
	return CLI_DONE;
}

static enum cli_exit
run_trace(struct cli *c, const void *options)
{
	const struct trace_options *o = options;
	bool at_broker = o->way.control != NULL || o->way.key != NULL || o->way.broker != NULL;

	if (at_broker && o->socket != NULL)
		return cli_usage(c, _("--socket asks the node, --control the broker on this machine, --key one over the network; give one"));
	if (!at_broker && (o->further > 0 || o->way.agreement != NULL))
		return cli_usage(c, _("--further and --agreement are for the broker; say --control or --key too"));
	return at_broker ? trace_at_broker(c, o) : trace_at_node(c, o);
}

static const struct cli_option trace_table[] = {
	{"json", 0, CLI_FLAG, offsetof(struct trace_options, json), NULL, N_("as JSON"), 0, 0},
	CLI_SOCKET(struct trace_options, socket),
	CLI_BROKER_TRACE(struct trace_options, way, further),
	CLI_NO_MORE,
};

const struct cli_command cmd_trace = {
	"trace", NULL, N_("ID"), 1, 1, N_("tell how far a notification has come: stored when, at whom, who is missing"),
	N_("ID is a notification's id, or 4 characters or more of its beginning or end.\n"
	   "At the node that sent it: the broker's signed commit proves that it is stored, each reader's signed receipt that it arrived. At one that it came to: what it checked and what became of it.\n"
	   "With --control or --key at the broker: its place and proof, how far each reader is, and what came about it, never what it says."), trace_table, run_trace,
};
