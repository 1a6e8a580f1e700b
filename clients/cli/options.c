/* options: one table of options feeds getopt_long and --help. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "clients/cli/cli.h"

#define HELP 1000 /* what getopt_long answers for --help; the table's rows answer FIRST and up */
#define FIRST 2000
#define HELP_OPTION_ROOM 28 /* for "-k, --key FILE" */

static size_t
count(const struct cli_command *command)
{
	size_t n = 0;

	while (command->options != NULL && command->options[n].name != NULL)
		n++;
	MUST(n <= CLI_OPTIONS_MAX);
	return n;
}

/* ---- --help ---- */

#define HELP_WIDTH 80 /* into a pipe: that of a mail, and of a page on paper */
#define HELP_WIDEST 110 /* longer lines are no longer read in one go */
#define HELP_NARROW 60 /* below it what is said of an option stands under it, and not beside it */

static size_t
help_width(const struct cli *c)
{
	if (c->columns == 0)
		return HELP_WIDTH;
	return c->columns < HELP_WIDEST ? c->columns : HELP_WIDEST;
}

void
cli_help_row(const struct cli *c, const char *left, size_t room, const char *text)
{
	struct buf lines = BUF_INIT(1u << 16);
	size_t width = help_width(c), column = width < HELP_NARROW ? 8 : 2 + room + 1, used = 2 + cli_width(left);

	buf_put_str(&lines, "  ");
	buf_put_str(&lines, left);
	if (used >= column) {
		buf_put_u8(&lines, '\n');
		used = 0;
	}
	for (; used < column; used++)
		buf_put_u8(&lines, ' ');
	cli_put_wrapped(&lines, text, width, column, column);
	(void)printf("%s\n", cli_text(&lines));
	buf_free(&lines);
}

void
cli_help_prose(const struct cli *c, const char *text)
{
	struct buf lines = BUF_INIT(1u << 16), paragraph = BUF_INIT(1u << 16);

	for (const char *line = text, *next; *line != '\0'; line = next) {
		size_t n = strcspn(line, "\n");
		bool flows = n > 0 && line[0] != ' ';

		next = line + n + (line[n] == '\n');
		if (flows) {
			buf_put_str(&paragraph, paragraph.len > 0 ? " " : "");
			buf_put(&paragraph, line, n);
		}
		if ((paragraph.len > 0 || paragraph.failed) && (!flows || *next == '\0')) {
			cli_put_wrapped(&lines, cli_text(&paragraph), help_width(c), 0, 0);
			buf_put_u8(&lines, '\n');
			paragraph.len = 0;
		}
		if (!flows) {
			buf_put(&lines, line, n);
			buf_put_u8(&lines, '\n');
		}
	}
	(void)printf("%s", cli_text(&lines));
	buf_free(&lines);
	buf_free(&paragraph);
}

void
cli_help(const struct cli *c, const struct cli_command *command)
{
	(void)printf(_("Usage: kurzweg %s%s%s%s%s%s\n"), command->name, command->sub != NULL ? " " : "",
	             command->sub != NULL ? command->sub : "", command->args != NULL ? " " : "", command->args != NULL ? _(command->args) : "",
	             count(command) > 0 ? _(" [OPTIONS]") : "");
	cli_help_prose(c, _(command->help));
	if (command->more != NULL) {
		(void)printf("\n");
		cli_help_prose(c, _(command->more));
	}
	(void)printf("\n");
	for (size_t i = 0; i < count(command); i++) {
		const struct cli_option *o = &command->options[i];
		char left[64], letter[8] = "    ";

		if (o->letter != 0)
			(void)snprintf(letter, sizeof letter, "-%c, ", o->letter);
		(void)snprintf(left, sizeof left, "%s--%s%s%s", letter, o->name, o->value != NULL ? " " : "", o->value != NULL ? _(o->value) : "");
		cli_help_row(c, left, HELP_OPTION_ROOM, _(o->help));
	}
	cli_help_row(c, "-h, --help", HELP_OPTION_ROOM, _("this text"));
}

/* ---- parsing ---- */

/* Letters and rows in getopt_long's form. */
static void
translate(const struct cli_command *command, struct option rows[CLI_OPTIONS_MAX + 2], char letters[2 * CLI_OPTIONS_MAX + 8])
{
	size_t n = count(command), len = 0;

	letters[len++] = ':';
	letters[len++] = 'h';
	for (size_t i = 0; i < n; i++) {
		const struct cli_option *o = &command->options[i];

		rows[i] = (struct option){o->name, o->kind == CLI_FLAG ? no_argument : required_argument, NULL, FIRST + (int)i};
		if (o->letter == 0)
			continue;
		letters[len++] = o->letter;
		if (o->kind != CLI_FLAG)
			letters[len++] = ':';
	}
	letters[len] = '\0';
	rows[n] = (struct option){"help", no_argument, NULL, HELP};
	rows[n + 1] = (struct option){NULL, 0, NULL, 0};
}

/* Was it written out? getopt_long takes "--pass" for the one option that begins so; a script would break at the next release. */
static bool
is_whole(const char *name, char *const *argv, int next)
{
	size_t len = strlen(name);

	for (int i = next - 1; i > 0 && i >= next - 2; i--)
		if (strncmp(argv[i], "--", 2) == 0 && strncmp(argv[i] + 2, name, len) == 0 && (argv[i][2 + len] == '\0' || argv[i][2 + len] == '='))
			return true;
	return false;
}

/* The word that getopt_long took for the option name, or its beginning: the last that it looked at, or the one before its value. */
static const char *
word_for(const char *name, char *const *argv, int next)
{
	for (int i = next - 1; name != NULL && i > 0 && i >= next - 2; i--)
		if (strncmp(argv[i], "--", 2) == 0 && strncmp(argv[i] + 2, name, strcspn(argv[i] + 2, "=")) == 0)
			return argv[i];
	return argv[next - 1];
}

static enum cli_exit
unknown(const struct cli *c, const struct cli_command *command, const char *word)
{
	const char *names[CLI_OPTIONS_MAX], *near;
	char name[64];
	size_t n = count(command);

	for (size_t i = 0; i < n; i++)
		names[i] = command->options[i].name;
	(void)snprintf(name, sizeof name, "%.*s", (int)strcspn(word, "="), word);
	near = strncmp(name, "--", 2) == 0 ? text_nearest(name + 2, names, n) : NULL;
	if (near != NULL)
		return cli_usage(c, _("there is no option %s; did you mean --%s?"), name, near);
	return cli_usage(c, _("there is no option %s"), name);
}

static enum kw_err
take_value(const struct cli_option *o, unsigned char *options, const char *value, struct kw_why *why)
{
	void *at = options + o->at;
	struct cli_texts *texts;
	char what[64];

	(void)snprintf(what, sizeof what, "--%s", o->name);
	switch (o->kind) {
	case CLI_FLAG: *(bool *)at = true; return KW_OK;
	case CLI_TEXT: *(const char **)at = value; return KW_OK;
	case CLI_NUMBER: return text_u64(at, value, o->lo, o->hi, what, why);
	case CLI_DURATION: return text_duration_ms(at, value, o->lo, o->hi, what, why);
	case CLI_TIME: return text_time_ms(at, value, what, why);
	case CLI_TEXTS: break;
	}
	texts = at;
	if (texts->count == CLI_TEXTS_MAX)
		return kw_refuse(why, KW_ELIMIT, "%s is given more than %d times", what, CLI_TEXTS_MAX);
	texts->text[texts->count++] = value;
	return KW_OK;
}

/* What getopt_long answered for a row of the table. */
static bool
take_option(const struct cli *c, const struct cli_command *command, size_t i, bool *seen, unsigned char *options, const char *value,
            enum cli_exit *code)
{
	const struct cli_option *o = &command->options[i];
	struct kw_why why;

	if (seen[i] && o->kind != CLI_TEXTS) {
		*code = cli_usage(c, _("--%s is given twice; give it once"), o->name);
		return false;
	}
	seen[i] = true;
	if (take_value(o, options, value, &why) == KW_OK)
		return true;
	*code = cli_usage(c, "%s", why.text);
	return false;
}

static size_t
row_of(const struct cli_command *command, int answer)
{
	size_t i = 0;

	if (answer >= FIRST)
		return (size_t)(answer - FIRST);
	while (command->options[i].letter != (char)answer)
		i++;
	return i;
}

static bool
take_args(struct cli *c, const struct cli_command *command, int argc, char **argv, enum cli_exit *code)
{
	size_t n = (size_t)(argc - optind);

	MUST(command->args_max <= CLI_ARGS_MAX);
	if (n < command->args_min) {
		*code = cli_usage(c, _("%s is missing"), _(command->args));
		return false;
	}
	if (n > command->args_max) {
		*code = cli_usage(c, _("\"%s\" is one word too many"), argv[optind + (int)command->args_max]);
		return false;
	}
	for (size_t i = 0; i < n; i++)
		c->args[i] = argv[optind + (int)i];
	c->arg_count = n;
	return true;
}

bool
cli_parse(struct cli *c, const struct cli_command *command, int argc, char **argv, void *options, enum cli_exit *code)
{
	struct option rows[CLI_OPTIONS_MAX + 2];
	char letters[2 * CLI_OPTIONS_MAX + 8];
	bool seen[CLI_OPTIONS_MAX] = {false};
	int answer, row = -1;

	translate(command, rows, letters);
	optind = 0; /* glibc: begin anew */
	opterr = 0;
	while ((answer = getopt_long(argc, argv, letters, rows, &row)) != -1) {
		if (answer == '?' && optopt >= HELP) {
			*code = cli_usage(c, _("%.*s takes no value"), (int)strcspn(argv[optind - 1], "="), argv[optind - 1]);
			return false;
		}
		if (answer == '?' || (row >= 0 && !is_whole(rows[row].name, argv, optind))) {
			char letter[3] = {'-', (char)optopt, '\0'};

			*code = unknown(c, command, answer == '?' && optopt > 0 ? letter : word_for(row >= 0 ? rows[row].name : NULL, argv, optind));
			return false;
		}
		if (answer == ':') {
			*code = cli_usage(c, _("%s wants a value behind it"), argv[optind - 1]);
			return false;
		}
		if (answer == 'h' || answer == HELP) {
			cli_help(c, command);
			*code = CLI_DONE;
			return false;
		}
		if (!take_option(c, command, row_of(command, answer), seen, options, optarg, code))
			return false;
		row = -1;
	}
	return take_args(c, command, argc, argv, code);
}
