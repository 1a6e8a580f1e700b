/* cmd_agreement_draft: the text of a first agreement out of a spreadsheet's table, or of a next one by somebody else's rules. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/text.h"
#include "clients/cli/agreement_file.h"
#include "clients/cli/commands.h"
#include "clients/cli/draft_rows.h"
#include "clients/cli/template.h"
#include "config/yaml_put.h"
#include "proto/topic.h"

#define DAY_MS (24ull * 3600 * 1000)

struct draft_options {
	const char *from, *previous, *template, *partnership, *coordinator, *to;
	uint64_t begins, ends, threshold;
	struct cli_texts roles;
};

struct drafting { /* what one run knows */
	const struct cli *c;
	const struct draft_options *o;
	struct draft_rows rows;
	struct agreement *old;         /* --previous, and its tree; NULL: a first one */
	struct yaml_tree *old_tree;
	struct template *template;     /* NULL: rules to begin with */
	struct buf text;
};

/* ---- the text ---- */

/* In the language of whoever has the draft made: it is for people. */
static void
put_comment(struct buf *out, const char *indent, const char *text)
{
	buf_printf(out, "%s# %s\n", indent, text);
}

static const char *
coordinator_of(const struct drafting *d)
{
	return d->o->coordinator != NULL ? d->o->coordinator : template_coordinator(d->template);
}

static const char *
as_it_is(const void *data, const char *key, const char *word)
{
	(void)data;
	(void)key;
	return word;
}

/* Version 1, from today for a year. */
static void
put_first(struct buf *out, const struct drafting *d)
{
	uint64_t begins = d->o->begins != 0 ? d->o->begins : clock_wall_ms() / DAY_MS * DAY_MS, ends = d->o->ends != 0 ? d->o->ends : begins + 365 * DAY_MS;
	char from[TEXT_TIME_MAX], until[TEXT_TIME_MAX];

	text_put_time_utc(from, begins);
	text_put_time_utc(until, ends);
	put_comment(out, "", _("A first draft, made by \"kurzweg agreement draft\". Read it, change it, see what \"kurzweg agreement check\" says; then the committee signs."));
	put_comment(out, "", _("agreement.yaml.sample explains every key that may stand here."));
	buf_printf(out, "partnership: %s\nversion: 1\nvalid: {from: %s, until: %s, grace: 30d}\n", d->o->partnership, from, until);
}

/* The version behind the old one, for as long as that is valid. */
static void
put_next(struct buf *out, const struct drafting *d)
{
	char hash[2 * KW_HASH_LEN + 1];

	text_put_hex(hash, span_of(agreement_hash(d->old), KW_HASH_LEN));
	put_comment(out, "", _("A draft, made by \"kurzweg agreement draft\" with the rules of a template. Read it, change it; then the committee signs."));
	buf_printf(out, "partnership: %s\nversion: %u\nprevious: \"b2:%s\"\nvalid: ", agreement_partnership(d->old), agreement_version(d->old) + 1, hash);
	yaml_put_flow(out, yaml_get(yaml_tree_root(d->old_tree), "valid"), "valid", as_it_is, NULL);
	buf_put_u8(out, '\n');
}

static void
put_head(struct buf *out, const struct drafting *d)
{
	if (d->old != NULL)
		put_next(out, d);
	else
		put_first(out, d);
	buf_printf(out, "kind: %s\n", d->rows.mode == MODE_LIVE ? "live" : "exercise");
	if (d->template != NULL)
		template_put_head(out, d->template);
	buf_put_u8(out, '\n');
}

static unsigned
threshold_of(const struct drafting *d)
{
	struct agreement_check members;

	if (d->o->threshold != 0)
		return (unsigned)d->o->threshold;
	if (d->old != NULL && agreement_count_signatures(&members, d->old, d->old, span_of(NULL, 0), NULL) == KW_OK)
		return members.threshold;
	return d->rows.members / 2 + 1;
}

static void
put_keys(struct buf *out, const struct draft_rows *rows, enum key_kind kind)
{
	for (size_t i = 0; i < rows->key_count; i++)
		if (rows->keys[i].key.kind == kind && rows->keys[i].partner == SIZE_MAX)
			buf_printf(out, "  - {name: %s, key: \"%s\"}\n", rows->keys[i].key.name, rows->keys[i].line);
}

static void
put_committee(struct buf *out, const struct drafting *d)
{
	const struct draft_rows *rows = &d->rows;
	const struct draft_key *broker = &rows->keys[rows->broker];
	struct buf operators = BUF_INIT(KW_AGREEMENT_MAX);

	buf_printf(out, "steering:\n  threshold: %u\n  members:\n", threshold_of(d));
	for (size_t i = 0; i < rows->key_count; i++)
		if (rows->keys[i].key.kind == KEY_STEERING)
			buf_printf(out, "    - {name: %s, key: \"%s\"}\n", rows->keys[i].key.name, rows->keys[i].line);
	buf_printf(out, "broker: {name: %s, endpoints: [%s], key: \"%s\"}\n\n", broker->key.name, rows->endpoints, broker->line);
	put_comment(out, "", _("The node that gets whatever nobody else has taken."));
	buf_printf(out, "coordinator: %s\n", coordinator_of(d));
	put_keys(&operators, rows, KEY_NODE);
	if (operators.len > 0)
		buf_put_str(out, "operators:\n");
	buf_put_span(out, buf_span(&operators));
	buf_free(&operators);
}

static void
put_partners(struct buf *out, const struct draft_rows *rows)
{
	buf_put_str(out, "\npartners:\n");
	for (size_t i = 0; i < rows->partner_count; i++) {
		const struct draft_partner *p = &rows->partners[i];

		buf_printf(out, "  - id: %s\n    kind: %s\n", p->id, p->kind);
		if (p->title[0] != '\0') {
			buf_put_str(out, "    title: ");
			yaml_put_quoted(out, p->title);
			buf_put_u8(out, '\n');
		}
		if (p->purposes[0] != '\0')
			buf_printf(out, "    purposes: [%s]\n", p->purposes);
		buf_put_str(out, "    nodes:\n");
		for (size_t k = 0; k < rows->key_count; k++)
			if (rows->keys[k].partner == i)
				buf_printf(out, "      - {id: %s, key: \"%s\"}\n", strchr(rows->keys[k].key.name, '/') + 1, rows->keys[k].line);
	}
}

/* The kinds that there are, without the civil one unless there is no other. */
static void
put_publishers(struct buf *out, const struct draft_rows *rows)
{
	bool first = true;

	for (unsigned i = 0; agreement_kind_word(i) != NULL; i++) {
		const char *kind = agreement_kind_word(i);
		bool there = false;

		for (size_t k = 0; k < rows->partner_count && !there; k++)
			there = strcmp(rows->partners[k].kind, kind) == 0;
		if (!there || strcmp(kind, "civil") == 0)
			continue;
		buf_printf(out, "%s%s", first ? "" : ", ", kind);
		first = false;
	}
	if (first)
		buf_put_str(out, "civil");
}

/* Rules to begin with, for whoever is there; they name nobody but the coordinator. */
static void
put_topics(struct buf *out, const struct drafting *d)
{
	buf_put_u8(out, '\n');
	put_comment(out, "", _("Of these the first whose filter matches decides alone. What is not allowed here is forbidden."));
	if (d->template != NULL) {
		template_put_topics(out, d->template);
		return;
	}
	buf_put_str(out, "topics:\n");
	put_comment(out, "  ", _("Alerts reach everyone at once; a civil partner reads them where it has committed to their purpose."));
	buf_put_str(out, "  - filter: \"alert/#\"\n    schema: alert\n    purpose: danger-prevention\n    publish: [");
	put_publishers(out, &d->rows);
	buf_put_str(out, "]\n    receive: [\"*\"]\n    lane: flash\n    keep: {content: 14d, proof: 2y}\n\n");
	put_comment(out, "  ", _("What somebody has to take on. Who is asked first, and when, is written under \"responsible\"."));
	buf_put_str(out, "  - filter: \"request/#\"\n    schema: request\n    purpose: danger-prevention\n    publish: [\"*\"]\n    receive: [\"*\"]\n    responsible:\n");
	buf_printf(out, "      - {who: %s, take_within: 15m}\n\n", coordinator_of(d));
	put_comment(out, "  ", _("Reports, which nobody has to take on."));
	buf_put_str(out, "  - filter: \"report/#\"\n    schema: report\n    purpose: danger-prevention\n    publish: [\"*\"]\n    receive: [\"*\"]\n    lane: routine\n");
}

static enum kw_err
make(struct drafting *d, struct kw_why *why)
{
	put_head(&d->text, d);
	put_committee(&d->text, d);
	put_partners(&d->text, &d->rows);
	put_topics(&d->text, d);
	if (!buf_ok(&d->text))
		return kw_refuse(why, KW_ELIMIT, "the draft has more than %u bytes, the most that an agreement may have", KW_AGREEMENT_MAX);
	return KW_OK;
}

/* ---- what is said about it ---- */

static void
tell_fingerprints(const struct cli *c, const struct draft_rows *rows)
{
	cli_note(c, _("Call each of them on a number that you knew before, and compare the fingerprint:"));
	for (size_t i = 0; i < rows->key_count; i++) {
		char fingerprint[KEY_FINGERPRINT_MAX];

		public_key_fingerprint(fingerprint, rows->keys[i].line);
		cli_note(c, "  %s  %s", fingerprint, rows->keys[i].key.name);
	}
}

static void
tell_roles(const struct cli *c, const struct template *t)
{
	for (size_t i = 0; i < template_roles(t); i++)
		cli_note(c, _("%s is %s."), template_role(t, i), template_actor(t, i));
}

static enum kw_err
hand_out(const struct drafting *d, const struct agreement *a, struct kw_why *why)
{
	enum kw_err err = KW_OK;

	if (d->o->to != NULL && (err = fs_write_new(d->o->to, buf_span(&d->text), 0644, why)) != KW_OK)
		return err;
	if (d->o->to == NULL)
		(void)printf("%.*s", (int)d->text.len, (const char *)d->text.p);
	if (d->template != NULL)
		tell_roles(d->c, d->template);
	if (d->old == NULL) {
		tell_fingerprints(d->c, &d->rows);
	} else {
		cli_note(d->c, _("It changes, against version %u:"), agreement_version(d->old));
		err = agreement_file_diff(d->c, d->old, a, d->o->to == NULL, why);
	}
	if (d->o->to != NULL)
		cli_note(d->c, _("%s is the draft. Read it; \"kurzweg agreement check\" tells what is probably not meant."), d->o->to);
	return err;
}

/* ---- what is read ---- */

static enum kw_err
read_rows(struct drafting *d, struct kw_why *why)
{
	const char *path = d->o->from;
	struct buf bytes = BUF_INIT(SHEET_BYTES_MAX);
	struct sheet *sheet = NULL;
	enum kw_err err = fs_read(&bytes, path, why);

	if (err == KW_OK) {
		if ((err = sheet_read(&sheet, buf_span(&bytes), why)) == KW_OK)
			err = draft_rows_read(&d->rows, sheet, why);
		if (err != KW_OK)
			kw_why_prefix(why, "%s", path);
	}
	if (err == KW_OK && sheet_empty_line(sheet) != 0)
		cli_warn(d->c, _("line %zu of %s is empty and adds nobody; was somebody to stand there?"), sheet_empty_line(sheet), path);
	if (err == KW_OK && sheet_was_windows(sheet))
		cli_note(d->c, _("%s is no UTF-8 and was read as Windows-1252; look whether all letters are right."), path);
	sheet_free(&sheet);
	buf_free(&bytes);
	return err;
}

static enum kw_err
read_previous(struct drafting *d, struct kw_why *why)
{
	enum kw_err err = agreement_file_read(&d->old, d->o->previous, NULL, why);

	if (err == KW_OK)
		err = yaml_tree_parse(&d->old_tree, agreement_text(d->old), why);
	return err == KW_OK ? draft_rows_of(&d->rows, yaml_tree_root(d->old_tree), why) : err;
}

static enum kw_err
read_template(struct drafting *d, struct kw_why *why)
{
	struct buf bytes = BUF_INIT(KW_AGREEMENT_MAX);
	enum kw_err err = fs_read(&bytes, d->o->template, why);

	if (err == KW_OK && (err = template_read(&d->template, buf_span(&bytes), why)) != KW_OK)
		kw_why_prefix(why, "%s", d->o->template);
	buf_free(&bytes);
	return err == KW_OK ? template_cast(d->template, &d->rows, d->o->roles.text, d->o->roles.count, why) : err;
}

static enum kw_err
draft(struct drafting *d, struct kw_why *why)
{
	struct agreement *a = NULL;
	enum kw_err err = d->o->from != NULL ? read_rows(d, why) : read_previous(d, why);

	if (err == KW_OK && d->o->template != NULL)
		err = read_template(d, why);
	if (err == KW_OK)
		err = make(d, why);
	if (err == KW_OK && (err = agreement_parse(&a, buf_span(&d->text), NULL, why)) != KW_OK)
		kw_why_prefix(why, "the draft could not stand, so none is written");
	if (err == KW_OK)
		err = hand_out(d, a, why);
	agreement_free(&a);
	return err;
}

/* What cannot be wanted together, or is missing. */
static bool
check(const struct cli *c, const struct draft_options *o)
{
	struct kw_why why;

	if ((o->from == NULL) == (o->previous == NULL))
		(void)cli_usage(c, _("--from TABLE is for a first agreement, --previous OLD for the next version of one; give one of them"));
	else if (o->previous != NULL && o->template == NULL)
		(void)cli_usage(c, _("--template FILE is missing: the rules that the next version is to have"));
	else if (o->from != NULL && o->partnership == NULL)
		(void)cli_usage(c, _("--partnership NAME is missing: what it is called"));
	else if (o->previous != NULL && (o->partnership != NULL || o->begins != 0 || o->ends != 0))
		(void)cli_usage(c, _("--partnership, --begins and --ends are for a first agreement; the next version keeps what the old one says"));
	else if (o->template == NULL && o->coordinator == NULL)
		(void)cli_usage(c, _("--coordinator NODE is missing: who gets whatever nobody else has taken"));
	else if (o->template == NULL && o->roles.count > 0)
		(void)cli_usage(c, _("--role is for the roles of a template; give --template too"));
	else if ((o->partnership != NULL && name_check(o->partnership, "--partnership", &why) != KW_OK) || (o->coordinator != NULL && node_check(o->coordinator, &why) != KW_OK))
		(void)cli_usage(c, "%s", why.text);
	else
		return true;
	return false;
}

static enum cli_exit
run_draft(struct cli *c, const void *options)
{
	struct drafting d = {.c = c, .o = options, .text = BUF_INIT(KW_AGREEMENT_MAX)};
	struct kw_why why;
	enum kw_err err;

	if (!check(c, options))
		return CLI_USAGE;
	err = draft(&d, &why);
	template_free(&d.template);
	yaml_tree_free(&d.old_tree);
	agreement_free(&d.old);
	draft_rows_free(&d.rows);
	buf_free(&d.text);
	return err == KW_OK ? CLI_DONE : cli_fail(c, err, &why);
}

static const struct cli_option draft_table[] = {
	{"from", 0, CLI_TEXT, offsetof(struct draft_options, from), N_("TABLE"), N_("CSV with a row for each key: key, kind, title, purposes, address, fingerprint"), 0, 0},
	{"previous", 'p', CLI_TEXT, offsetof(struct draft_options, previous), N_("OLD"), N_("instead: the next version of this agreement, by the template's rules"), 0, 0},
	{"template", 0, CLI_TEXT, offsetof(struct draft_options, template), N_("FILE"), N_("rules of others, as \"kurzweg agreement template\" writes them"), 0, 0},
	{"role", 0, CLI_TEXTS, offsetof(struct draft_options, roles), N_("WORD"), N_("ROLE=NODE: who is what in the template; may be given again"), 0, 0},
	{"partnership", 0, CLI_TEXT, offsetof(struct draft_options, partnership), N_("NAME"), N_("what it is called, for good"), 0, 0},
	{"coordinator", 0, CLI_TEXT, offsetof(struct draft_options, coordinator), N_("NODE"), N_("who gets whatever nobody else has taken"), 0, 0},
	{"threshold", 0, CLI_NUMBER, offsetof(struct draft_options, threshold), N_("N"), N_("how many of the committee must sign; more than half if not given"), 1, 32},
	{"begins", 0, CLI_TIME, offsetof(struct draft_options, begins), N_("TIME"), N_("from when it is valid; today if not given"), 0, 0},
	{"ends", 0, CLI_TIME, offsetof(struct draft_options, ends), N_("TIME"), N_("until when; 365 days if not given"), 0, 0},
	{"to", 0, CLI_TEXT, offsetof(struct draft_options, to), N_("DRAFT"), N_("the file that is made, never overwritten; standard output if not given"), 0, 0},
	CLI_NO_MORE,
};

const struct cli_command cmd_agreement_draft = {
	"agreement", "draft", NULL, 0, 0, N_("make an agreement's text from a spreadsheet's table, or by a template's rules"),
	N_("The table's first row names its columns, in English or German: key (Schlüssel), kind (Art), title (Titel), purposes\n"
	   "(Zwecke), address (Adresse, the broker's), fingerprint (Fingerabdruck, which is then compared), note (Bemerkung).\n"
	   "Each other row holds a public line: of the broker, the committee's members, operators, and the partners' nodes.\n"
	   "The rules are something to begin with, or a template's: each of its roles must be somebody, by --role, or because\n"
	   "there is but one of that kind. With --previous all but the rules stays, and what they change is told in words."),
	draft_table, run_draft,
};
