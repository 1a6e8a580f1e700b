/* cmd_audit_files: an audit trail for who was not there: written to a file, checked offline against what others have seen. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "audit/record.h"
#include "audit/trail_file.h"
#include "base/clock.h"
#include "base/fs.h"
#include "clients/cli/agreement_file.h"
#include "clients/cli/audit_bundle.h"
#include "clients/cli/audit_source.h"
#include "clients/cli/cases.h"
#include "clients/cli/commands.h"
#include "clients/cli/look.h"
#include "clients/cli/when.h"
#include "proto/limits.h"

/* ---- export ---- */

struct export_options {
	const char *socket, *since, *until, *as, *reason, *out;
	struct broker_way way;
	bool persons;
};

struct export {
	const struct cli *c;
	const struct export_options *o;
	struct audit_source source;
	uint64_t since_ms, until_ms; /* until 0: now */
	json_t *lines, *opened;
	bool begun, over, done;      /* a record of the time was met; one behind it; the head behind that */
};

/* Without a hole: from the first record of that time to the head behind the last. */
static void
take_line(struct export *e, const json_t *page, json_t *text)
{
	struct audit_line l;
	char number[24];
	json_t *shown;

	if (e->done)
		return;
	if (audit_line_read(&l, span_of(json_string_value(text), json_string_length(text)), NULL) == KW_OK) {
		if (l.kind == AUDIT_RECORD) {
			e->begun = e->begun || l.record.time_ms >= e->since_ms;
			e->over = e->over || (e->begun && e->until_ms > 0 && l.record.time_ms >= e->until_ms);
			(void)snprintf(number, sizeof number, "%llu", (unsigned long long)l.record.number);
			shown = json_object_get(json_object_get(page, "opened"), number);
			if (e->begun && shown != NULL)
				(void)json_object_set(e->opened, number, shown);
		} else {
			e->done = e->over;
		}
	}
	audit_line_free(&l);
	if (e->begun) /* one that cannot be read too: who checks must find it */
		(void)json_array_append(e->lines, text);
}

static bool
read_trail(json_t **first, struct export *e, enum cli_exit *code)
{
	uint64_t place = 0;
	bool more = true;

	while (more && !e->done) {
		json_t *page = NULL, *text;
		size_t i;

		if (!audit_source_page(&page, &e->source, json_pack("{s:I, s:b, s:b}", "place", (json_int_t)place, "heads", 1, "opened", e->o->persons), code))
			return false;
		json_array_foreach(look_at(page, "lines"), i, text)
			take_line(e, page, text);
		more = look_flag(page, "more") && look_number(page, "place") > place;
		place = look_number(page, "place");
		if (*first == NULL)
			*first = json_incref(page);
		json_decref(page);
	}
	return true;
}

/* Of a broker: its commits; of a node the agreements that it keeps. */
static json_t *
read_commits(struct export *e, enum cli_exit *code)
{
	json_t *all = json_array();
	uint64_t after = 0;
	bool more = true;

	while (more) {
		json_t *page = NULL;

		if (!audit_source_page(&page, &e->source, json_pack("{s:I}", "commits_after", (json_int_t)after), code)) {
			json_decref(all);
			return NULL;
		}
		(void)json_array_extend(all, json_object_get(page, "commits"));
		more = look_flag(page, "more") && look_number(page, "after") > after;
		after = look_number(page, "after");
		json_decref(page);
	}
	return all;
}

/* The one that this machine has as a file, with its signatures: it names the broker's key. */
static json_t *
agreement_of_file(const struct export *e, enum cli_exit *code)
{
	const char *path = e->o->way.agreement != NULL ? e->o->way.agreement : AGREEMENT_DEFAULT_PATH;
	struct buf text = BUF_INIT(KW_AGREEMENT_MAX), sigs = BUF_INIT(KW_SIGNATURES_TEXT_MAX);
	json_t *list = NULL;
	struct kw_why why;
	enum kw_err err = fs_read(&text, path, &why);

	if (err == KW_OK)
		err = agreement_file_signatures(&sigs, path, &why);
	if (err == KW_OK)
		list = json_pack("[{s:s%, s:s%}]", "text", text.p, text.len, "signatures", sigs.len > 0 ? (const char *)sigs.p : "", sigs.len);
	else
		*code = cli_fail(e->c, err, &why);
	buf_free(&text);
	buf_free(&sigs);
	return list;
}

static json_t *
agreements_of_node(const struct export *e, enum cli_exit *code)
{
	char *text = NULL;
	enum kurzweg_result r = kurzweg_seen(e->source.node, &text);
	json_t *seen = cases_json(e->c, e->source.node, r, text, code), *list = json_incref(json_object_get(seen, "agreements"));

	json_decref(seen);
	return list;
}

/* Into a new file, or to standard output; text NULL: there was no memory for it. */
static enum cli_exit
write_out(const struct cli *c, const char *path, const char *text, mode_t mode)
{
	struct kw_why why;
	enum kw_err err;

	if (text == NULL) {
		cli_error(c, _("out of memory"));
		return CLI_FAILED;
	}
	if (path != NULL)
		return (err = fs_write_new(path, span_str(text), mode, &why)) == KW_OK ? CLI_DONE : cli_fail(c, err, &why);
	if (puts(text) >= 0 && fflush(stdout) == 0)
		return CLI_DONE;
	cli_error(c, _("the output could not be written"));
	return CLI_FAILED;
}

static enum cli_exit
write_bundle(const struct export *e, json_t *bundle)
{
	char *text = json_dumps(bundle, JSON_INDENT(0));
	enum cli_exit code = write_out(e->c, e->o->out, text, 0600);

	if (code == CLI_DONE && e->o->out != NULL)
		cli_note(e->c, _("Written to %s; \"kurzweg audit verify %s\" checks it, on any machine."), e->o->out, e->o->out);
	free(text);
	return code;
}

static enum cli_exit
export_all(struct export *e)
{
	json_t *first = NULL, *commits = NULL, *agreements = NULL;
	enum cli_exit code = CLI_FAILED;

	if (!read_trail(&first, e, &code))
		goto free_parts;
	if (e->source.broker != NULL && ((commits = read_commits(e, &code)) == NULL || (agreements = agreement_of_file(e, &code)) == NULL))
		goto free_parts;
	if (e->source.broker == NULL && (agreements = agreements_of_node(e, &code)) == NULL)
		goto free_parts;
	if (json_array_size(e->lines) == 0) {
		cli_error(e->c, _("nothing was recorded in that time"));
		goto free_parts;
	}
	{
		json_t *bundle = json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:O, s:O, s:O}", "form", "kurzweg-audit-1", "partnership", look_text(first, "partnership"), "owner",
		                           look_text(first, "owner"), "key", look_text(first, "key"), "made_ms", (json_int_t)clock_wall_ms(), "since_ms", (json_int_t)e->since_ms, "until_ms",
		                           (json_int_t)(e->done ? e->until_ms : 0), "agreements", agreements, "lines", e->lines, "opened", e->opened);

		if (commits != NULL)
			(void)json_object_set(bundle, "commits", commits);
		code = write_bundle(e, bundle);
		json_decref(bundle);
	}
free_parts:
	json_decref(first);
	json_decref(commits);
	json_decref(agreements);
	return code;
}

static enum cli_exit
run_export(struct cli *c, const void *options)
{
	struct export e = {.c = c, .o = options, .lines = json_array(), .opened = json_object()};
	uint64_t now_ms = clock_wall_ms();
	enum cli_exit code = CLI_FAILED;
	struct kw_why why;

	e.source.as = e.o->as;
	e.source.reason = e.o->reason;
	if ((e.o->since != NULL && when_parse_before(&e.since_ms, e.o->since, now_ms, "--since", &why) != KW_OK) ||
	    (e.o->until != NULL && when_parse_before(&e.until_ms, e.o->until, now_ms, "--until", &why) != KW_OK))
		code = cli_usage(c, "%s", why.text);
	else if (audit_source_open(&e.source, c, e.o->socket, &e.o->way, &code))
		code = export_all(&e);
	audit_source_close(&e.source);
	json_decref(e.lines);
	json_decref(e.opened);
	return code;
}

/* ---- seen ---- */

struct seen_options { const char *socket, *out; };

static enum cli_exit
run_seen(struct cli *c, const void *options)
{
	const struct seen_options *o = options;
	enum cli_exit code = CLI_DONE;
	kurzweg *k = local_open(c, o->socket, &code);
	enum kurzweg_result r;
	char *text = NULL;

	if (k == NULL)
		return code;
	if ((r = kurzweg_seen(k, &text)) != KURZWEG_OK)
		code = local_fail(c, k, r);
	else
		code = write_out(c, o->out, text, 0644);
	free(text);
	kurzweg_close(&k);
	return code;
}

/* ---- verify ---- */

struct verify_options { const char *fingerprint, *key; struct cli_texts seen; bool json; };

static enum kw_err
read_more(struct buf *all, const char *path, struct kw_why *why)
{
	struct buf one = BUF_INIT(AUDIT_BUNDLE_MAX);
	enum kw_err err = fs_read(&one, path, why);

	buf_put_span(all, buf_span(&one));
	buf_free(&one);
	return err == KW_OK && !buf_ok(all) ? kw_refuse(why, KW_ELIMIT, "%s: more than %u bytes", path, AUDIT_BUNDLE_MAX) : err;
}

/* A daemon's folder: its years, one behind the other. */
static enum kw_err
read_folder(struct buf *all, const char *folder, struct kw_why *why)
{
	struct trail_years years;
	char path[TRAIL_PATH_MAX];
	enum kw_err err = trail_years(&years, folder, why);

	if (err == KW_OK && years.count == 0)
		return kw_refuse(why, KW_ENOTFOUND, "%s holds no audit trail", folder);
	for (uint32_t i = 0; err == KW_OK && i < years.count; i++)
		if ((err = trail_path(path, folder, years.year[i], why)) == KW_OK)
			err = read_more(all, path, why);
	return err;
}

static enum kw_err
read_files(struct buf *all, const struct cli *c, struct kw_why *why)
{
	struct stat st;
	enum kw_err err = KW_OK;

	for (size_t i = 0; err == KW_OK && i < c->arg_count; i++)
		err = stat(c->args[i], &st) == 0 && S_ISDIR(st.st_mode) ? read_folder(all, c->args[i], why) : read_more(all, c->args[i], why);
	return err;
}

static enum kw_err
read_seen(struct audit_seen_files **seen, const struct verify_options *o, struct kw_why *why)
{
	enum kw_err err = audit_seen_new(seen, why);

	for (size_t i = 0; err == KW_OK && i < o->seen.count; i++) {
		struct buf file = BUF_INIT(AUDIT_BUNDLE_MAX);

		if ((err = fs_read(&file, o->seen.text[i], why)) == KW_OK && (err = audit_seen_add(*seen, buf_span(&file), why)) != KW_OK)
			kw_why_prefix(why, "%s", o->seen.text[i]);
		buf_free(&file);
	}
	return err;
}

static void
show_found(const struct cli *c, const json_t *v)
{
	char line[512], from[WHEN_MAX], to[WHEN_MAX];
	uint64_t now_ms = clock_wall_ms();
	const json_t *commits = look_at(v, "commits");

	cli_paragraph(c, CLI_GREEN, _("Every hash, link and signature in it holds."));
	if (look_text(v, "damaged")[0] != '\0')
		cli_paragraph(c, CLI_YELLOW, _("It tells itself that what stood before was damaged or changed and set aside: that part is not proven by this."));
	(void)snprintf(line, sizeof line, "%s, %s", look_text(v, "owner"), look_text(v, "partnership"));
	cli_field(c, _("trail of"), CLI_PLAIN, line);
	when_put(from, look_number(v, "from_ms"), now_ms);
	when_put(to, look_number(v, "to_ms"), now_ms);
	(void)snprintf(line, sizeof line, _("%llu to %llu, %s to %s"), (unsigned long long)look_number(v, "first"), (unsigned long long)look_number(v, "last"), from, to);
	cli_field(c, _("records"), CLI_PLAIN, line);
	(void)snprintf(line, sizeof line, _("%llu heads, the last over record %llu"), (unsigned long long)look_number(v, "heads"), (unsigned long long)look_number(v, "signed_to"));
	cli_field(c, _("signed"), CLI_PLAIN, line);
	if (look_number(v, "seen") > 0) {
		(void)snprintf(line, sizeof line, _("%llu heads that were seen before are the same here"), (unsigned long long)look_number(v, "seen"));
		cli_field(c, _("seen"), CLI_GREEN, line);
	}
	cli_field(c, _("damaged"), CLI_YELLOW, look_text(v, "damaged"));
	if (json_is_object(commits)) {
		(void)snprintf(line, sizeof line, _("%llu to %llu, %llu no longer kept; %llu are the same as nodes have seen"), (unsigned long long)look_number(commits, "first"),
		               (unsigned long long)look_number(commits, "last"), (unsigned long long)look_number(commits, "not_kept"), (unsigned long long)look_number(commits, "seen"));
		cli_field(c, _("commits"), CLI_PLAIN, line);
	}
	cli_field(c, _("key"), CLI_PLAIN, look_text(v, "key_fingerprint"));
	cli_field(c, _("fingerprint"), CLI_PLAIN, look_text(v, "agreement.fingerprint"));
}

static enum cli_exit
run_verify(struct cli *c, const void *options)
{
	const struct verify_options *o = options;
	struct buf all = BUF_INIT(AUDIT_BUNDLE_MAX);
	struct audit_seen_files *seen = NULL;
	enum cli_exit code = CLI_DONE;
	json_t *found = NULL;
	struct kw_why why;
	enum kw_err err = read_files(&all, c, &why);

	if (err == KW_OK)
		err = read_seen(&seen, o, &why);
	if (err != KW_OK) {
		code = cli_fail(c, err, &why);
		goto free_files;
	}
	err = audit_is_bundle(buf_span(&all)) ? audit_bundle_check(&found, buf_span(&all), o->fingerprint, seen, &why)
	                                      : audit_lines_check(&found, buf_span(&all), o->key, seen, &why);
	if (err != KW_OK) {
		kw_why_prefix(&why, "%s", c->args[0]);
		cli_error(c, why.text);
		code = CLI_REFUSED;
	} else if (o->json) {
		code = cli_json(c, json_incref(found));
	} else {
		show_found(c, found);
		if (o->seen.count == 0)
			cli_note(c, "%s", _("Whether something was cut off at its end shows only against what others have seen: --seen FILE"));
	}
free_files:
	json_decref(found);
	audit_seen_free(&seen);
	buf_free(&all);
	return code;
}

static const struct cli_option export_table[] = {
	{"since", 's', CLI_TEXT, offsetof(struct export_options, since), N_("TIME"), N_("recorded since: a time, or how long ago, as 30d; all that is kept if not given"), 0, 0},
	{"until", 0, CLI_TEXT, offsetof(struct export_options, until), N_("TIME"), N_("recorded before, and on to the next signed head; now if not given"), 0, 0},
	{"out", 'o', CLI_TEXT, offsetof(struct export_options, out), N_("FILE"), N_("a new file; standard output if not given"), 0, 0},
	{"persons", 0, CLI_FLAG, offsetof(struct export_options, persons), NULL, N_("who and why too, which stand sealed"), 0, 0},
	{"reason", 0, CLI_TEXT, offsetof(struct export_options, reason), N_("TEXT"), N_("why the audit is read; that it is read is recorded first"), 0, 0},
	{"as", 0, CLI_TEXT, offsetof(struct export_options, as), N_("NAME"), N_("who reads it"), 0, 0},
	CLI_SOCKET(struct export_options, socket),
	CLI_BROKER_WAY(struct export_options, way),
	{"agreement", 'a', CLI_TEXT, offsetof(struct export_options, way.agreement), N_("FILE"), N_("where the broker's key stands, instead of /etc/kurzweg/agreement.yaml"), 0, 0},
	CLI_NO_MORE,
};

static const struct cli_option seen_table[] = {
	{"out", 'o', CLI_TEXT, offsetof(struct seen_options, out), N_("FILE"), N_("a new file; standard output if not given"), 0, 0},
	CLI_SOCKET(struct seen_options, socket),
	CLI_NO_MORE,
};

static const struct cli_option verify_table[] = {
	{"seen", 0, CLI_TEXTS, offsetof(struct verify_options, seen), N_("FILE"), N_("what somebody else has seen: of \"kurzweg audit seen\", or an earlier bundle; may be given several times"), 0, 0},
	{"fingerprint", 0, CLI_TEXT, offsetof(struct verify_options, fingerprint), N_("TEXT"), N_("of the first agreement in it, as the committee told it"), 0, 0},
	{"key", 'k', CLI_TEXT, offsetof(struct verify_options, key), N_("LINE"), N_("files of a folder: the public line of whose trail it is, as the agreement has it"), 0, 0},
	{"json", 0, CLI_FLAG, offsetof(struct verify_options, json), NULL, N_("as JSON, for programs"), 0, 0},
	CLI_NO_MORE,
};

const struct cli_command cmd_audit_export = {
	"audit", "export", NULL, 0, 0, N_("write an audit trail into a file that public keys alone check"),
	N_("The records of that time as they stand, signed heads, agreements and, of a broker, its commits. No content is in it."), export_table, run_export,
};

const struct cli_command cmd_audit_seen = {
	"audit", "seen", NULL, 0, 0, N_("write down which commits of the broker this node has seen"),
	N_("For \"kurzweg audit verify --seen\" at whoever checks the broker's: a log that was changed or cut off is found by it."), seen_table, run_seen,
};

const struct cli_command cmd_audit_verify = {
	"audit", "verify", N_("FILE…"), 1, CLI_ARGS_MAX, N_("check an audit trail offline: a bundle, or the files of a daemon's folder"),
	N_("Ends with 0 when all of it holds, with 4 and the first thing that does not when something was inserted, changed, put in another\n"
	   "order or left out. Several files are those of one trail, the oldest first; a folder stands for all of its files."),
	verify_table, run_verify,
};
