/* cmd_restore: a backup put back into the folder of a daemon that does not run. */
#include <stdio.h>

#include "backup/restore.h"
#include "base/clock.h"
#include "base/text.h"
#include "clients/cli/commands.h"
#include "clients/cli/look.h"
#include "clients/cli/progress.h"
#include "clients/cli/when.h"

struct restore_options {
	const char *from, *to;
	bool check;
};

static void
on_bytes(void *self, uint64_t bytes, uint64_t of)
{
	progress_bytes(self, bytes, of);
}

static void
tell(const struct cli *c, const struct restore_options *o, const struct manifest *m)
{
	char when[WHEN_MAX], ago[TEXT_TIME_MAX];
	uint64_t now_ms = clock_wall_ms();
	const char *name = look_text(m->about, "name"), *partnership = look_text(m->about, "partnership");

	when_put_date(when, m->made_ms);
	text_put_duration(ago, now_ms > m->made_ms ? now_ms - m->made_ms : 0);
	if (o->check)
		cli_note(c, m->of == BACKUP_OF_BROKER ? _("%s is whole: the broker %s (%s) as of %s, %s ago.") : _("%s is whole: the node %s (%s) as of %s, %s ago."), o->from, name, partnership, when,
		         ago);
	else if (m->of == BACKUP_OF_BROKER)
		cli_note(c, _("The broker %s (%s) as of %s, %s ago, stands in %s. Start it. Where its nodes have seen more than it holds, it says so "
		              "and serves nobody: then \"kurzweg broker new-epoch --help\" tells what to do."), name, partnership, when, ago, o->to);
	else
		cli_note(c, _("The node %s (%s) as of %s, %s ago, stands in %s. Start it: it counts what it sends anew, and gets again what the broker still "
		              "has for it. What it was given since and the broker has not any more is lost here."), name, partnership, when, ago, o->to);
}

static enum cli_exit
run_restore(struct cli *c, const void *options)
{
	const struct restore_options *o = options;
	struct progress progress = progress_begin(c);
	struct restore_progress p = {&progress, on_bytes};
	struct manifest m = {.count = 0};
	enum cli_exit code = CLI_DONE;
	struct kw_why why;
	enum kw_err err;

	if (o->from == NULL)
		return cli_usage(c, _("--from FOLDER is missing: the backup"));
	if ((o->to != NULL) == o->check)
		return cli_usage(c, _("--to STORE says where the backup goes, --check only looks whether it is whole; give one"));
	if ((err = manifest_read(&m, o->from, &why)) == KW_OK && (err = restore_check(&m, o->from, &p, &why)) == KW_OK && !o->check)
		err = restore_place(&m, o->from, o->to, &p, &why);
	progress_end(&progress);
	if (err != KW_OK)
		code = cli_fail(c, err, &why);
	else
		tell(c, o, &m);
	manifest_free(&m);
	return code;
}

static const struct cli_option restore_table[] = {
	{"from", 0, CLI_TEXT, offsetof(struct restore_options, from), N_("FOLDER"), N_("the backup"), 0, 0},
	{"to", 0, CLI_TEXT, offsetof(struct restore_options, to), N_("STORE"), N_("the broker's store.path or the node's state, empty or not there yet"), 0, 0},
	{"check", 0, CLI_FLAG, offsetof(struct restore_options, check), NULL, N_("only look whether the backup is whole; nothing is changed"), 0, 0},
	CLI_NO_MORE,
};

const struct cli_command cmd_restore = {
	"restore", NULL, NULL, 0, 0, N_("put a backup back where no daemon runs"),
	N_("The daemon must be stopped and the folder empty: move away what is in it, and keep that until all is well. Every file is\n"
	   "compared with what the backup says of it before anything is written. Run by root, the files get the folder's owner."),
	restore_table, run_restore,
};
