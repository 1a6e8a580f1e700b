/* cmd_top: the broker live: nodes, lanes, rates, and what is wrong first. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "clients/cli/broker_look.h"
#include "clients/cli/commands.h"
#include "clients/cli/top_model.h"
#include "clients/cli/top_screen.h"

#define INTERVAL_MS 2000u
#define PATIENCE_MS 5000u   /* of one request; keys wait as long */
#define PIPE_COLUMNS 120u

struct top_options {
	struct broker_way way;
	const char *sort, *filter;
	uint64_t interval_ms;
	bool once;
};

struct watch {
	const struct cli *c;
	const struct top_options *o;
	struct broker_ask *broker; /* NULL: to be opened */
	struct top *top;
};

static enum kw_err
look(struct watch *w, struct kw_why *why)
{
	json_t *status = NULL;
	enum kw_err err = KW_OK;

	if (w->broker == NULL)
		err = broker_way_open(&w->broker, &w->o->way, why);
	if (err == KW_OK)
		err = broker_look_status(&status, w->broker, PATIENCE_MS, why);
	if (err != KW_OK) {
		broker_ask_free(&w->broker); /* the next look begins anew */
		return err;
	}
	top_take(w->top, w->c, status, clock_mono_ms(), clock_wall_ms());
	json_decref(status);
	return KW_OK;
}

static enum cli_exit
print_once(struct watch *w)
{
	size_t most = top_lines_most(w->top);
	struct top_line *lines = cli_memory(most * sizeof *lines);
	size_t count = top_lines(lines, w->top, w->c, 0, w->c->columns > 0 ? w->c->columns : PIPE_COLUMNS);

	for (size_t i = 0; i < count; i++) {
		size_t len = strlen(lines[i].text);

		while (len > 0 && lines[i].text[len - 1] == ' ')
			lines[i].text[--len] = '\0';
		(void)puts(lines[i].text);
	}
	free(lines);
	return CLI_DONE;
}

static void
show(struct watch *w, struct top_screen *s, struct top_line *lines)
{
	size_t rows, columns;

	top_screen_size(s, &rows, &columns);
	top_screen_show(s, lines, top_lines(lines, w->top, w->c, rows, columns));
}

/* Until somebody ends it, or the terminal goes away. */
static void
watch(struct watch *w, struct top_screen *s)
{
	uint64_t interval_ms = w->o->interval_ms != 0 ? w->o->interval_ms : INTERVAL_MS, next_ms = clock_mono_ms() + interval_ms;
	struct top_line *lines = cli_memory(TOP_ROWS_MAX * sizeof *lines);
	enum top_did did = TOP_STAYS;
	uint32_t key;

	for (;;) {
		uint64_t now_ms = clock_mono_ms();
		struct kw_why why;

		if (now_ms >= next_ms || did == TOP_REFRESH) {
			if (look(w, &why) != KW_OK)
				top_trouble(w->top, why.text);
			next_ms = clock_mono_ms() + interval_ms;
		}
		show(w, s, lines);
		now_ms = clock_mono_ms();
		did = TOP_STAYS;
		if (!top_screen_key(&key, s, next_ms > now_ms ? next_ms - now_ms : 0))
			break;
		if (key != 0 && (did = top_press(w->top, key)) == TOP_ENDS)
			break;
		if (did == TOP_REFRESH)
			top_screen_redraw(s);
	}
	free(lines);
}

static enum cli_exit
run_live(struct watch *w)
{
	struct top_screen *s = NULL;
	struct kw_why why;
	enum kw_err err = top_screen_open(&s, w->c->colour_out, &why);

	if (err != KW_OK)
		return cli_fail(w->c, err, &why);
	watch(w, s);
	top_screen_close(&s);
	return CLI_DONE;
}

static enum cli_exit
begin(struct watch *w)
{
	struct kw_why why;
	enum kw_err err = look(w, &why); /* what is wrong from the beginning is said on the terminal as it is */

	if (err != KW_OK)
		return cli_fail(w->c, err, &why);
	return w->o->once ? print_once(w) : run_live(w);
}

static enum cli_exit
run_top(struct cli *c, const void *options)
{
	const struct top_options *o = options;
	struct watch w = {.c = c, .o = o};
	enum top_sort sort = TOP_BY_STATE;
	enum cli_exit code;

	if (!broker_way_stands(c, &o->way, &code))
		return code;
	if (o->sort != NULL && !top_sort_of(&sort, o->sort))
		return cli_usage(c, _("--sort is \"%s\", must be name, state, unread, age or rate"), o->sort);
	if (!o->once && (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)))
		return cli_usage(c, _("there is no terminal to show this on; --once prints one screen, and \"kurzweg status --json\" is for programs"));
	w.top = top_new();
	top_set(w.top, sort, o->filter);
	code = begin(&w);
	top_free(&w.top);
	broker_ask_free(&w.broker);
	return code;
}

static const struct cli_option top_table[] = {
	CLI_BROKER_WAY(struct top_options, way),
	{"agreement", 'a', CLI_TEXT, offsetof(struct top_options, way.agreement), N_("FILE"), N_("where the broker's key stands, instead of /etc/kurzweg/agreement.yaml"), 0, 0},
	{"interval", 'i', CLI_DURATION, offsetof(struct top_options, interval_ms), N_("DURATION"), N_("between two looks, 2s if not given"), 1000, 3600000},
	{"sort", 's', CLI_TEXT, offsetof(struct top_options, sort), N_("BY"), N_("name, state, unread, age or rate; what is wrong first if not given"), 0, 0},
	{"filter", 'f', CLI_TEXT, offsetof(struct top_options, filter), N_("TEXT"), N_("only nodes with TEXT in their name, address or software"), 0, 0},
	{"once", 'b', CLI_FLAG, offsetof(struct top_options, once), NULL, N_("print one screen with every node and end, for a pipe or a file"), 0, 0},
	CLI_NO_MORE,
};

const struct cli_command cmd_top = {
	"top", NULL, NULL, 0, 0, N_("watch the broker live: nodes, lanes, rates, and what is wrong"),
	N_("For who runs the broker, on its machine or with an operator's key. What waits unread stands behind each node; \"+\" and\n"
	   "\">\" say that more waits in the log than is counted. Keys: s sorts by the next, r turns the order, / filters as you\n"
	   "type, a leaves only what is wrong, Enter shows one node, u looks at once, q ends. Only what changes is sent to the\n"
	   "terminal, so it does over a slow line; --interval 10s does with less."),
	top_table, run_top,
};
