/* main: kurzweg's table of commands, its language, and how it ends. */
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "base/text.h"
#include "clients/cli/charset.h"
#include "clients/cli/commands.h"
#include "clients/cli/standing.h"

static const struct cli_command *const commands[] = {
	&cmd_publish,
	&cmd_inbox,
	&cmd_sent,
	&cmd_trace,
	&cmd_explain,
	&cmd_case_list,
	&cmd_case_show,
	&cmd_case_watch,
	&cmd_take,
	&cmd_decline,
	&cmd_hand_over,
	&cmd_forward,
	&cmd_return,
	&cmd_done,
	&cmd_reopen,
	&cmd_note,
	&cmd_recall,
	&cmd_recall_status,
	&cmd_release_list,
	&cmd_approve,
	&cmd_refuse,
	&cmd_receipt_export,
	&cmd_receipt_verify,
	&cmd_audit_verify, /* before the one without a second word */
	&cmd_audit_export,
	&cmd_audit_seen,
	&cmd_audit_subject,
	&cmd_audit,
	&cmd_status,
	&cmd_nodes,
	&cmd_top,
	&cmd_doctor,
	&cmd_key_new,
	&cmd_key_show,
	&cmd_key_fingerprint,
	&cmd_partner_init,
	&cmd_agreement_draft,
	&cmd_agreement_template,
	&cmd_agreement_add_partner,
	&cmd_agreement_check,
	&cmd_agreement_diff,
	&cmd_agreement_sign,
	&cmd_agreement_verify,
	&cmd_agreement_install,
	&cmd_agreement_fingerprint,
	&cmd_agreement_who_reads,
	&cmd_agreement_who_is_responsible,
	&cmd_agreement_simulate,
	&cmd_log,
	&cmd_broker_headers,
	&cmd_suspend,
	&cmd_resume,
	&cmd_broker_new_epoch,
	&cmd_broker_stop,
	&cmd_backup,
	&cmd_restore,
};
#define COMMANDS (sizeof commands / sizeof commands[0])

/* What stands above a command in --help, and all that follow it. */
static const struct { const struct cli_command *first; const char *words; } headings[] = {
	{&cmd_publish, N_("Sending and reading:")},
	{&cmd_case_list, N_("Cases, which somebody must take on:")},
	{&cmd_recall, N_("Taking back:")},
	{&cmd_release_list, N_("What several must approve:")},
	{&cmd_receipt_export, N_("What can be proven, and who did what:")},
	{&cmd_status, N_("How things stand:")},
	{&cmd_key_new, N_("Keys, and a new node:")},
	{&cmd_agreement_draft, N_("The agreement:")},
	{&cmd_log, N_("For who runs the broker:")},
	{&cmd_backup, N_("Copies for the worst case:")},
};

/*
 * The language that the environment asks for. A machine without that language's locale has the messages all the same: gettext
 * wants only some locale that is not "C", and C.UTF-8 is always there.
 */
static void
set_language(void)
{
	const char *all = getenv("LC_ALL"), *messages = getenv("LC_MESSAGES"), *lang = getenv("LANG");
	const char *wanted = all != NULL && all[0] != '\0' ? all : messages != NULL && messages[0] != '\0' ? messages : lang;
	const char *folder = cli_program_folder();
	char path[4096];

	if (setlocale(LC_CTYPE, "") == NULL || setlocale(LC_MESSAGES, "") == NULL) { /* no other: numbers stay with their point */
		(void)setlocale(LC_CTYPE, "C.UTF-8");
		(void)setlocale(LC_MESSAGES, "C.UTF-8");
		if (wanted != NULL && strncmp(wanted, "de", 2) == 0)
			(void)setenv("LANGUAGE", "de", 0);
	}
	if (folder != NULL && snprintf(path, sizeof path, "%s/../share/locale", folder) < (int)sizeof path)
		(void)bindtextdomain("kurzweg", path);
	(void)bind_textdomain_codeset("kurzweg", "UTF-8");
	(void)textdomain("kurzweg");
}

/* No core file and no debugger: the memory may hold keys. The leak checker is a debugger of itself. */
static bool
guard_process(void)
{
	struct rlimit none = {0, 0};

	(void)umask(0077);
#ifndef __SANITIZE_ADDRESS__
	if (prctl(PR_SET_DUMPABLE, 0) != 0)
		return false;
#endif
	return setrlimit(RLIMIT_CORE, &none) == 0;
}

static bool
shows_colours(int fd)
{
	const char *term = getenv("TERM"), *no = getenv("NO_COLOR");

	return isatty(fd) && term != NULL && strcmp(term, "dumb") != 0 && (no == NULL || no[0] == '\0');
}

/* How wide the terminal at fd is; 0: there is none. */
static size_t
columns_of(int fd)
{
	struct winsize size = {0};

	if (!isatty(fd))
		return 0;
	if (ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col < 20)
		return 80;
	return size.ws_col;
}

/* How many lines it has; 0: there is none, or neither it nor $LINES says, as on a serial line. */
static size_t
rows_of(int fd)
{
	struct winsize size = {0};
	const char *lines = getenv("LINES");
	uint64_t n;

	if (!isatty(fd))
		return 0;
	if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_row > 0)
		return size.ws_row;
	return lines != NULL && text_u64(&n, lines, 1, UINT16_MAX, "$LINES", NULL) == KW_OK ? (size_t)n : 0;
}

/* Commands whose first word is name (all when NULL), a line each. */
static void
list(const struct cli *c, const char *name)
{
	for (size_t i = 0; i < COMMANDS; i++) {
		char words[64];

		if (name != NULL && strcmp(commands[i]->name, name) != 0)
			continue;
		for (size_t h = 0; name == NULL && h < sizeof headings / sizeof headings[0]; h++)
			if (headings[h].first == commands[i])
				(void)printf("%s%s\n", i > 0 ? "\n" : "", _(headings[h].words));
		(void)snprintf(words, sizeof words, "%s%s%s", commands[i]->name, commands[i]->sub != NULL ? " " : "",
		               commands[i]->sub != NULL ? commands[i]->sub : "");
		cli_help_row(c, words, 22, _(commands[i]->help));
	}
}

static enum cli_exit
help(const struct cli *c, const char *name)
{
	if (name == NULL)
		cli_help_prose(c, _("Usage: kurzweg COMMAND …\n\nEnd-to-end encrypted notifications between the partners of a security partnership."));
	else
		(void)printf(_("Usage: kurzweg %s COMMAND …\n"), name);
	(void)printf("\n");
	list(c, name);
	(void)printf("\n");
	cli_help_prose(c, _("\"kurzweg COMMAND --help\" tells the rest, \"kurzweg --version\" the version.\n\n"
	                    "Ends with 0 when done, 1 when it failed, 2 for wrong usage, 3 when nobody answered, 4 when it was refused."));
	return CLI_DONE;
}

/* name is no command, or sub none of name's. */
static enum cli_exit
unknown(const struct cli *c, const char *name, const char *sub)
{
	const char *candidates[COMMANDS], *near;
	size_t n = 0;

	for (size_t i = 0; i < COMMANDS; i++) {
		if (sub == NULL)
			candidates[n++] = commands[i]->name;
		else if (strcmp(commands[i]->name, name) == 0 && commands[i]->sub != NULL)
			candidates[n++] = commands[i]->sub;
	}
	near = text_nearest(sub != NULL ? sub : name, candidates, n);
	if (near != NULL)
		return cli_usage(c, _("there is no command \"%s%s%s\"; did you mean \"%s\"?"), name, sub != NULL ? " " : "", sub != NULL ? sub : "", near);
	return cli_usage(c, _("there is no command \"%s%s%s\""), name, sub != NULL ? " " : "", sub != NULL ? sub : "");
}

/* "status --check" is asked by monitoring, for which what is wrong with the options is a state too. */
static bool
is_checked(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--check") == 0)
			return true;
	return false;
}

static enum cli_exit
run_checked(struct cli *c, int argc, char **argv, void *options)
{
	struct buf said = BUF_INIT(1u << 16);
	enum cli_exit code;
	bool parsed;

	c->aside = &said;
	parsed = cli_parse(c, &cmd_status, argc, argv, options, &code);
	c->aside = NULL;
	if (parsed)
		code = cmd_status.run(c, options);
	else if (said.len > 0)
		code = (enum cli_exit)standing_check_failed(code, cli_text(&said));
	buf_free(&said);
	return code;
}

static enum cli_exit
run(struct cli *c, const struct cli_command *command, int argc, char **argv)
{
	_Alignas(max_align_t) unsigned char options[CLI_OPTIONS_SIZE] = {0};
	char words[64];
	enum cli_exit code;

	(void)snprintf(words, sizeof words, "%s%s%s", command->name, command->sub != NULL ? " " : "", command->sub != NULL ? command->sub : "");
	c->command = words;
	if (command == &cmd_status && is_checked(argc, argv))
		return run_checked(c, argc, argv, options);
	if (!cli_parse(c, command, argc, argv, options, &code))
		return code;
	return command->run(c, options);
}

/* argv[1] and, where the command has one, argv[2] say which. */
static enum cli_exit
dispatch(struct cli *c, int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : NULL, *sub = argc > 2 ? argv[2] : NULL;
	bool known = false;

	if (name == NULL)
		return cli_usage(c, _("a command is wanted"));
	if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0)
		return printf("kurzweg %s\n", KW_VERSION) > 0 ? CLI_DONE : CLI_FAILED;
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
		return help(c, NULL);
	if (name[0] == '-')
		return cli_usage(c, _("there is no option %s"), name);
	for (size_t i = 0; i < COMMANDS; i++) {
		if (strcmp(commands[i]->name, name) != 0)
			continue;
		known = true;
		if (commands[i]->sub == NULL)
			return run(c, commands[i], argc - 1, argv + 1);
		if (sub != NULL && strcmp(commands[i]->sub, sub) == 0)
			return run(c, commands[i], argc - 2, argv + 2);
	}
	if (!known)
		return unknown(c, name, NULL);
	if (sub == NULL)
		return cli_usage(c, _("a command behind \"%s\" is wanted; \"kurzweg %s --help\" lists them"), name, name);
	if (strcmp(sub, "--help") == 0 || strcmp(sub, "-h") == 0)
		return help(c, name);
	return unknown(c, name, sub);
}

int
main(int argc, char **argv)
{
	struct cli c = {.command = NULL};
	enum cli_exit code;

	set_language();
	charset_start();
	json_set_alloc_funcs(cli_memory, free);
	c.colour_out = shows_colours(STDOUT_FILENO);
	c.colour_err = shows_colours(STDERR_FILENO);
	c.columns = columns_of(STDOUT_FILENO);
	c.rows = rows_of(STDOUT_FILENO);
	c.bell = c.columns > 0;
	c.terminal = isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
	c.german = strcmp(/* TRANSLATORS: the two letters of your language */ _("en"), "de") == 0;
	if (sodium_init() < 0 || !guard_process()) {
		(void)fprintf(stderr, "kurzweg: %s\n", _("the process cannot be set up"));
		return CLI_FAILED;
	}
	code = dispatch(&c, argc, argv);
	if ((fflush(stdout) != 0 || ferror(stdout)) && code == CLI_DONE) {
		(void)fprintf(stderr, "kurzweg: %s\n", _("the output could not be written"));
		code = CLI_FAILED;
	}
	return code;
}
