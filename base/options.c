/* options: see its header. */
#include "base/options.h"

#include <errno.h>
#include <libintl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/language.h"

#define DOMAIN "kurzweg"
#define DOC_MAX 2048
#define USAGE (-3) /* without a letter */

/* What argp says by itself and looks up in its caller's domain, so that the catalogue has it. */
static const char *const argp_says[] __attribute__((unused)) = {
	N_("Usage:"), N_(" [OPTION...]"), N_("Try `%s --help' or `%s --usage' for more information.\n"),
	N_("Mandatory or optional arguments to long options are also mandatory or optional for any corresponding short options."),
};

/* argp's own three are looked up in libc's catalogue, which few machines have. */
static const struct argp_option common[] = {
	{"help", '?', NULL, 0, N_("give this help"), -1},
	{"usage", USAGE, NULL, 0, N_("give a short usage message"), 0},
	{"version", 'V', NULL, 0, N_("print the version"), -1},
	{NULL, 0, NULL, 0, NULL, 0},
};

static error_t
take_common(int key, char *arg, struct argp_state *state)
{
	(void)arg;
	switch (key) {
	case '?': argp_state_help(state, state->out_stream, ARGP_HELP_STD_HELP); return 0;
	case USAGE: argp_state_help(state, state->out_stream, ARGP_HELP_USAGE | ARGP_HELP_EXIT_OK); return 0;
	case 'V':
		(void)fprintf(state->out_stream, "%s\n", (const char *)state->input);
		exit(0);
	default: return ARGP_ERR_UNKNOWN;
	}
}

/* The daemon's own parser gets its input, this one the version: both hang below a root without options. */
struct inputs { void *own; const char *version; };

static error_t
give_inputs(int key, char *arg, struct argp_state *state)
{
	struct inputs *in = state->input;

	(void)arg;
	if (key != ARGP_KEY_INIT)
		return ARGP_ERR_UNKNOWN;
	state->child_inputs[0] = in->own;
	state->child_inputs[1] = (void *)(uintptr_t)in->version;
	return 0;
}

int
options_read(const struct options_program *p, int argc, char **argv, void *input)
{
	char doc[DOC_MAX];
	struct inputs in = {input, p->version};
	struct argp own = {p->table, p->take, NULL, NULL, NULL, NULL, DOMAIN}, shared = {common, take_common, NULL, NULL, NULL, NULL, DOMAIN};
	struct argp_child children[] = {{&own, 0, NULL, 0}, {&shared, 0, NULL, 0}, {NULL, 0, NULL, 0}};
	struct argp root = {NULL, give_inputs, NULL, doc, children, NULL, DOMAIN};
	int code;

	argp_err_exit_status = p->wrong;
	if (argc > 0)
		argv[0] = program_invocation_short_name; /* so argp speaks as all other sentences do */
	language_ask();
	(void)snprintf(doc, sizeof doc, "%s%s%s", dgettext(DOMAIN, p->above), p->below != NULL ? "\v" : "", p->below != NULL ? dgettext(DOMAIN, p->below) : "");
	code = argp_parse(&root, argc, argv, ARGP_NO_HELP, NULL, &in);
	language_end();
	return code;
}
