/* cmd_backup: a backup of the daemon of this machine, made while it runs. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "backup/backup_folder.h"
#include "base/text.h"
#include "clients/cli/backup_source.h"
#include "clients/cli/commands.h"
#include "clients/cli/look.h"
#include "clients/cli/progress.h"
#include "clients/cli/when.h"

struct backup_options {
	const char *control, *socket, *to, *as, *reason;
	bool json;
};

struct making {
	const struct cli *c;
	const struct backup_options *o;
	struct backup_source source;
	struct backup_folder *folder;
	struct progress progress;
	uint64_t expected;               /* bytes in all, about */
	json_t *begun;
};

/* So that nobody who presses control-C leaves half a backup: what came is met between two pieces. */
static void
hold_signals(void)
{
	sigset_t held;

	(void)sigemptyset(&held);
	(void)sigaddset(&held, SIGINT);
	(void)sigaddset(&held, SIGTERM);
	(void)sigaddset(&held, SIGHUP);
	(void)sigprocmask(SIG_BLOCK, &held, NULL);
}

static bool
is_interrupted(void)
{
	sigset_t came;

	return sigpending(&came) == 0 && (sigismember(&came, SIGINT) == 1 || sigismember(&came, SIGTERM) == 1 || sigismember(&came, SIGHUP) == 1);
}

static bool
failed(const struct making *m, enum kw_err err, const struct kw_why *why, enum cli_exit *code)
{
	*code = cli_fail(m->c, err, why);
	return false;
}

/* ---- files ---- */

static bool
take_file(struct making *m, uint32_t i, enum cli_exit *code)
{
	const char *name = look_text(json_array_get(json_object_get(m->begun, "files"), i), "name");
	struct buf piece = BUF_INIT(BACKUP_PIECE + 1024);
	enum backup_piece kind = PIECE_LATER;
	uint64_t place = 0;
	struct kw_why why;
	bool good = true;
	enum kw_err err = backup_folder_file(m->folder, name, &why);

	while (err == KW_OK && good && kind != PIECE_OVER) {
		buf_reset(&piece);
		if (is_interrupted())
			err = kw_refuse(&why, KW_ESTATE, "interrupted; nothing of the backup was kept");
		else if ((good = backup_source_next(&piece, &kind, &m->source, i, place, code)))
			err = backup_folder_put(m->folder, buf_span(&piece), &why);
		place += piece.len;
		progress_bytes(&m->progress, backup_folder_bytes(m->folder), m->expected);
	}
	buf_free(&piece);
	return err == KW_OK ? good : failed(m, err, &why, code);
}

static bool
take_files(struct making *m, enum cli_exit *code)
{
	const json_t *files = json_object_get(m->begun, "files"), *one;
	struct kw_why why;
	enum kw_err err;
	size_t i;

	json_array_foreach(files, i, one)
		m->expected += look_number(one, "bytes");
	for (i = 0; i < json_array_size(files); i++) {
		if (!take_file(m, (uint32_t)i, code))
			return false;
		if (i + 1 == json_array_size(files) && !backup_source_end(&m->source, code)) /* before the disk is waited for */
			return false;
		if ((err = backup_folder_file_end(m->folder, &why)) != KW_OK)
			return failed(m, err, &why, code);
	}
	return true;
}

/* ---- what was made ---- */

static enum cli_exit
tell(const struct making *m, const struct manifest *made)
{
	const char *name = look_text(made->about, "name"), *partnership = look_text(made->about, "partnership");
	char when[WHEN_MAX];

	if (m->o->json)
		return cli_json(m->c, json_pack("{s:s, s:s, s:I, s:I, s:I, s:O}", "folder", m->o->to, "of", backup_of_name(made->of), "made_ms", (json_int_t)made->made_ms, "files",
		                                (json_int_t)made->count, "bytes", (json_int_t)manifest_bytes(made), "about", made->about));
	when_put_date(when, made->made_ms);
	cli_note(m->c, made->of == BACKUP_OF_BROKER ? _("A backup of the broker %s (%s) as of %s stands in %s: %u files, %llu KiB.") : _("A backup of the node %s (%s) as of %s stands in %s: %u files, %llu KiB."),
	         name, partnership, when, m->o->to, made->count, (unsigned long long)((manifest_bytes(made) + 1023) >> 10));
	cli_note(m->c, _("Its key, its configuration and its agreement file are not in it: keep a copy of them somewhere else."));
	return CLI_DONE;
}

static bool
finish(struct making *m, struct manifest *made, enum cli_exit *code)
{
	const char *of = look_text(m->begun, "of");
	struct kw_why why;
	enum kw_err err;

	*made = (struct manifest){.of = strcmp(of, backup_of_name(BACKUP_OF_NODE)) == 0 ? BACKUP_OF_NODE : BACKUP_OF_BROKER, .made_ms = look_number(m->begun, "made_ms"),
	                          .about = json_incref(json_object_get(m->begun, "about"))};
	err = backup_folder_finish(&m->folder, made, &why);
	return err == KW_OK || failed(m, err, &why, code);
}

static enum cli_exit
make(struct making *m)
{
	struct manifest made = {.count = 0};
	enum cli_exit code = CLI_FAILED;
	bool good = backup_source_begin(&m->begun, &m->source, m->o->as, m->o->reason, &code);

	m->progress = progress_begin(m->c);
	if (good)
		good = take_files(m, &code);
	progress_end(&m->progress);
	if (good)
		good = finish(m, &made, &code);
	else
		backup_source_give_up(&m->source);
	if (good)
		code = tell(m, &made);
	manifest_free(&made);
	json_decref(m->begun);
	return code;
}

static enum cli_exit
run_backup(struct cli *c, const void *options)
{
	struct making m = {.c = c, .o = options};
	enum cli_exit code;
	struct kw_why why;
	enum kw_err err;

	if (m.o->to == NULL)
		return cli_usage(c, _("--to FOLDER is missing: the new folder that the backup is to stand in"));
	if (!backup_source_open(&m.source, c, m.o->control, m.o->socket, &code))
		return code;
	hold_signals();
	if ((err = backup_folder_begin(&m.folder, m.o->to, &why)) != KW_OK)
		code = cli_fail(c, err, &why);
	else
		code = make(&m);
	backup_folder_give_up(&m.folder);
	backup_source_close(&m.source);
	return code;
}

static const struct cli_option backup_table[] = {
	{"to", 0, CLI_TEXT, offsetof(struct backup_options, to), N_("FOLDER"), N_("the new folder to write"), 0, 0},
	CLI_SOCKET(struct backup_options, socket),
	CLI_CONTROL(struct backup_options, control),
	{"as", 0, CLI_TEXT, offsetof(struct backup_options, as), N_("NAME"), N_("who makes it, for the audit"), 0, 0},
	{"reason", 0, CLI_TEXT, offsetof(struct backup_options, reason), N_("TEXT"), N_("why, for the audit"), 0, 0},
	{"json", 0, CLI_FLAG, offsetof(struct backup_options, json), NULL, N_("what was made, as JSON"), 0, 0},
	CLI_NO_MORE,
};

const struct cli_command cmd_backup = {
	"backup", NULL, NULL, 0, 0, N_("make a backup of the node or broker of this machine while it runs"),
	N_("Without --control or --socket that of the node on this machine, or of the broker where no node is.\n"
	   "\n"
	   "FOLDER is new, and is there when all of it is on disk, or not at all. It holds all that was taken or answered before: a\n"
	   "node's inbox and outbox or a broker's log, and the audit trail, sealed as they are there. The key is not in it, nor\n"
	   "configuration and agreement file. \"kurzweg restore\" puts it back. That a backup is made stands in the audit trail."),
	backup_table, run_backup,
};
