/* arrival: see its header. */
#include "clients/cli/arrival.h"

#include <stdio.h>
#include <string.h>

#include "clients/cli/look.h"
#include "clients/cli/notice.h"
#include "clients/cli/when.h"

bool
arrival_is(const json_t *trace)
{
	return strcmp(look_text(trace, "direction"), "received") == 0;
}

void
arrival_why(const struct cli *c, const json_t *trace)
{
	const char *mark = look_text(trace, "mark");
	char line[1024];

	if (look_flag(trace, "rejected")) {
		(void)snprintf(line, sizeof line, _("This node rejected it, so it is in no inbox: %s. Its sender is told; \"kurzweg inbox --rejected\" lists it."), look_text(trace, "reason"));
		cli_paragraph(c, CLI_RED, line);
	} else if (look_flag(trace, "bare")) {
		(void)snprintf(line, sizeof line, _("Only its head is here, without content (%s)."), mark[0] != '\0' ? mark : "-");
		cli_paragraph(c, CLI_YELLOW, line);
	} else if (look_flag(trace, "outdated")) {
		cli_paragraph(c, CLI_YELLOW, _("All checks held, but under the newest agreement its sender might not send it: no handler is run for it."));
	} else {
		cli_paragraph(c, CLI_GREEN, _("It came and all checks held: signature, audience, agreement, number and content."));
	}
}

static void
show_state(const struct cli *c, const json_t *trace)
{
	const char *receipt = look_text(trace, "receipt"), *mark = look_text(trace, "mark");

	if (strcmp(receipt, "none") != 0)
		cli_field(c, _("confirmed"), CLI_PLAIN, strcmp(receipt, "said") == 0 ? _("yes, by a signed receipt") : _("not yet, goes with the next receipts"));
	cli_field(c, _("read"), CLI_PLAIN, look_flag(trace, "opened") ? _("yes, and its sender is told") : _("by nobody here yet"));
	if (!look_flag(trace, "bare"))
		cli_field(c, _("marked"), CLI_YELLOW, mark);
	if (look_flag(trace, "cancelled"))
		cli_field(c, _("marked"), CLI_YELLOW, _("cancelled by a later one"));
	if (look_flag(trace, "superseded"))
		cli_field(c, _("marked"), CLI_YELLOW, _("superseded by a later one"));
}

static const char *
state_words(const char *state)
{
	static const struct { const char *state, *words; } all[] = {
		{"through", N_("through with it")}, {"waits", N_("has not come to it yet")}, {"running", N_("is at it")}, {"failed, is tried again", N_("failed, is tried again")},
	};

	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		if (strcmp(all[i].state, state) == 0)
			return gettext(all[i].words);
	return state;
}

void
arrival_show(const struct cli *c, const json_t *trace, uint64_t now_ms)
{
	char line[512], at[WHEN_MAX];
	json_t *one;
	size_t i;

	arrival_why(c, trace);
	(void)snprintf(line, sizeof line, _("%s on %s in lane %s"), notice_kind(look_text(trace, "type")), look_text(trace, "topic"), look_text(trace, "lane"));
	cli_field(c, _("what"), CLI_PLAIN, line);
	when_put(at, when_parse_utc(look_text(trace, "created")), now_ms);
	(void)snprintf(line, sizeof line, _("%s by %s, under version %llu"), at, look_text(trace, "sender"), (unsigned long long)look_number(trace, "agreement_version"));
	cli_field(c, _("made"), CLI_PLAIN, line);
	when_put(at, when_parse_utc(look_text(trace, "received")), now_ms);
	cli_field(c, _("came"), CLI_PLAIN, at);
	when_put_until(at, when_parse_utc(look_text(trace, "expires")), now_ms);
	cli_field(c, _("kept until"), CLI_PLAIN, at);
	if (!look_flag(trace, "rejected"))
		show_state(c, trace);
	json_array_foreach(look_at(trace, "handlers"), i, one) {
		if (look_number(one, "failures") > 0)
			(void)snprintf(line, sizeof line, "%s: %s (%llu)", look_text(one, "name"), state_words(look_text(one, "state")), (unsigned long long)look_number(one, "failures"));
		else
			(void)snprintf(line, sizeof line, "%s: %s", look_text(one, "name"), state_words(look_text(one, "state")));
		cli_field(c, _("handler"), CLI_PLAIN, line);
	}
}
