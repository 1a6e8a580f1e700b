/* cmd_receipt: the proofs of a notification's way, for a court or a data-protection officer: written to a file, and checked. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "clients/cli/bundle.h"
#include "clients/cli/cases.h"
#include "clients/cli/commands.h"
#include "clients/cli/look.h"
#include "clients/cli/meant.h"
#include "clients/cli/when.h"

struct receipt_options {
	const char *socket, *out, *fingerprint;
	bool json;
};

static enum cli_exit
run_export(struct cli *c, const void *options)
{
	const struct receipt_options *o = options;
	enum cli_exit code = CLI_DONE;
	kurzweg *k = local_open(c, o->socket, &code);
	char room[KURZWEG_ID_SIZE], *text = NULL;
	const char *id;
	enum kurzweg_result r;
	struct kw_why why;
	enum kw_err err;

	if (k == NULL)
		return code;
	if ((id = meant(room, c, k, c->args[0], MEANT_SENT_OR_CAME, &code)) == NULL) {
		kurzweg_close(&k);
		return code;
	}
	r = kurzweg_receipts(k, id, &text);
	if (r != KURZWEG_OK) {
		code = local_fail(c, k, r);
	} else if (o->out == NULL) {
		(void)printf("%s\n", text);
	} else if ((err = fs_write_new(o->out, span_str(text), 0644, &why)) != KW_OK) {
		code = cli_fail(c, err, &why);
	} else {
		cli_note(c, _("Written to %s; \"kurzweg receipt verify %s\" checks it, on any machine."), o->out, o->out);
	}
	free(text);
	kurzweg_close(&k);
	return code;
}

static const char *
receipt_words(const char *type)
{
	static const struct { const char *type, *words; } all[] = {
		{"delivered", N_("delivered to")}, {"opened", N_("opened at")}, {"taken", N_("taken by")}, {"declined", N_("declined by")},
		{"handed_over", N_("handed over by")}, {"returned", N_("returned by")}, {"done", N_("done by")}, {"reopened", N_("opened again by")},
		{"recall", N_("recalled by")}, {"cancel", N_("cancelled by")}, {"rejected", N_("rejected by")}, {"approved", N_("approved by")}, {"refused", N_("refused by")},
	};

	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		if (strcmp(all[i].type, type) == 0)
			return _(all[i].words);
	return type;
}

static void
show_receipt(const struct cli *c, const json_t *one, uint64_t now_ms)
{
	const char *as = look_text(one, "as"), *text = look_text(one, "text"), *to = look_text(one, "to");
	char at[WHEN_MAX];
	struct buf line = BUF_INIT(4096);

	when_put(at, look_number(one, "at_ms"), now_ms);
	buf_printf(&line, "%s %s", receipt_words(look_text(one, "type")), look_text(one, "by"));
	if (as[0] != '\0')
		buf_printf(&line, " (%s)", as);
	if (to[0] != '\0')
		buf_printf(&line, " → %s", to);
	if (text[0] != '\0')
		buf_printf(&line, ": %s", text);
	cli_field(c, at, CLI_PLAIN, cli_text(&line));
	buf_free(&line);
}

static void
show_bundle(const struct cli *c, const json_t *b, uint64_t now_ms)
{
	char line[512], at[WHEN_MAX];
	json_t *one;
	size_t i;

	cli_paragraph(c, CLI_GREEN, _("Every signature, hash and path in it holds."));
	cli_field(c, _("notification"), CLI_PLAIN, look_text(b, "id"));
	cli_field(c, _("topic"), CLI_PLAIN, look_text(b, "topic"));
	when_put(at, look_number(b, "created_ms"), now_ms);
	(void)snprintf(line, sizeof line, _("%s, signed by %s"), at, look_text(b, "sender"));
	cli_field(c, _("made"), CLI_PLAIN, line);
	if (json_is_object(look_at(b, "stored"))) {
		when_put(at, look_number(b, "stored.time_ms"), now_ms);
		(void)snprintf(line, sizeof line, _("%s by the broker, commit %llu, lane %s number %llu"), at, (unsigned long long)look_number(b, "stored.commit"),
		               look_text(b, "stored.lane"), (unsigned long long)look_number(b, "stored.number"));
		cli_field(c, _("stored"), CLI_PLAIN, line);
	} else {
		cli_field(c, _("stored"), CLI_YELLOW, _("no proof of it in this bundle: the sender's node has it"));
	}
	json_array_foreach(look_at(b, "receipts"), i, one)
		show_receipt(c, one, now_ms);
	(void)snprintf(line, sizeof line, "%s, %llu–%llu", look_text(b, "agreement.partnership"), (unsigned long long)look_number(b, "agreement.first_version"),
	               (unsigned long long)look_number(b, "agreement.newest"));
	cli_field(c, _("agreements"), CLI_PLAIN, line);
	cli_field(c, _("fingerprint"), CLI_PLAIN, look_text(b, "agreement.fingerprint"));
}

static enum cli_exit
run_verify(struct cli *c, const void *options)
{
	const struct receipt_options *o = options;
	struct buf file = BUF_INIT(BUNDLE_MAX);
	enum cli_exit code = CLI_DONE;
	json_t *bundle = NULL;
	struct kw_why why;
	enum kw_err err = fs_read(&file, c->args[0], &why);

	if (err != KW_OK) {
		code = cli_fail(c, err, &why);
	} else if (bundle_check(&bundle, buf_span(&file), o->fingerprint, &why) != KW_OK) {
		kw_why_prefix(&why, "%s", c->args[0]);
		cli_error(c, why.text);
		code = CLI_REFUSED;
	} else if (o->json) {
		code = cli_json(c, json_incref(bundle));
	} else {
		show_bundle(c, bundle, clock_wall_ms());
		if (o->fingerprint == NULL)
			cli_note(c, "%s", _("Compare the fingerprint with one that you got from the steering committee, or give it with --fingerprint."));
	}
	json_decref(bundle);
	buf_free(&file);
	return code;
}

static const struct cli_option export_table[] = {
	{"out", 'o', CLI_TEXT, offsetof(struct receipt_options, out), N_("FILE"), N_("a new file; standard output if not given"), 0, 0},
	CLI_SOCKET(struct receipt_options, socket),
	CLI_NO_MORE,
};

static const struct cli_option verify_table[] = {
	{"fingerprint", 0, CLI_TEXT, offsetof(struct receipt_options, fingerprint), N_("TEXT"), N_("of the first agreement in it, as the committee told it"), 0, 0},
	{"json", 0, CLI_FLAG, offsetof(struct receipt_options, json), NULL, N_("as JSON, for programs"), 0, 0},
	CLI_NO_MORE,
};

const struct cli_command cmd_receipt_export = {
	"receipt", "export", N_("ID"), 1, 1, N_("write down all proofs of a notification's way"),
	N_("ID is a notification's id, or 4 characters or more of its beginning or end.\n"
	   "Heads, commits, receipts and agreements, all signed; no content is in it."), export_table, run_export,
};

const struct cli_command cmd_receipt_verify = {
	"receipt", "verify", N_("FILE"), 1, 1, N_("check such a file with public keys alone, on any machine, offline"),
	N_("Ends with 0 when everything in it holds, with 4 and what does not when something does not."), verify_table, run_verify,
};
