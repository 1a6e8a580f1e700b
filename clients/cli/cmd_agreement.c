/* cmd_agreement: questions to an agreement: does it stand, what changes, who reads. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "clients/cli/agreement_file.h"
#include "clients/cli/commands.h"
#include "proto/topic.h"

#define WARNINGS_MAX (1u << 20)

struct look_options {
	bool json, hash;
};

struct verify_options {
	const char *previous;
	bool json;
};

struct readers_options {
	const char *agreement, *from;
	bool json;
};

/* ---- check ---- */

static json_t *
lines_json(const char *text)
{
	json_t *list = json_array();

	while (*text != '\0') {
		size_t len = strcspn(text, "\n");

		if (json_array_append_new(list, json_stringn(text, len)) != 0)
			break;
		text += len + (text[len] == '\n');
	}
	return list;
}

static json_t *
node_ids_json(const struct agreement *a)
{
	json_t *list = json_array();

	for (uint32_t i = 0; a != NULL && i < agreement_node_count(a); i++)
		(void)json_array_append_new(list, json_string(agreement_node_id(a, i)));
	return list;
}

static json_t *
filters_json(const struct agreement *a)
{
	json_t *list = json_array();

	for (uint32_t i = 0; a != NULL && i < agreement_topic_count(a); i++)
		(void)json_array_append_new(list, json_string(agreement_topic_at(a, i)->filter));
	return list;
}

static enum cli_exit
check_json(const struct cli *c, const struct agreement *a, const char *warnings, const struct kw_why *why)
{
	json_t *error = a != NULL ? json_null() : json_string(why->text), *about = a != NULL ? agreement_file_json(a) : json_null();
	enum cli_exit code = cli_json(c, json_pack("{s:b, s:o, s:o, s:o, s:o, s:o}", "ok", a != NULL, "error", error, "warnings", lines_json(warnings), "agreement", about, "node_ids",
	                                        node_ids_json(a), "filters", filters_json(a)));

	return a != NULL ? code : CLI_FAILED;
}

static void
show_warnings(const struct cli *c, const char *path, const char *text)
{
	while (*text != '\0') {
		size_t len = strcspn(text, "\n");

		cli_warn(c, "%s: %.*s", path, (int)len, text);
		text += len + (text[len] == '\n');
	}
}

static void
tell_verdict(const struct cli *c, bool warned)
{
	if (warned)
		cli_note(c, "%s", _("It may stand; but look first whether the warnings above are meant."));
	else
		cli_note(c, "%s", _("It may stand: no fault was found, and nothing that is probably not meant."));
}

static enum cli_exit
run_check(struct cli *c, const void *options)
{
	const struct look_options *o = options;
	struct buf warnings = BUF_INIT(WARNINGS_MAX);
	struct agreement *a = NULL;
	struct kw_why why = {{0}};
	enum kw_err err = agreement_file_read(&a, c->args[0], &warnings, &why);
	const char *text = cli_text(&warnings);
	enum cli_exit code = CLI_DONE;

	if (o->json) {
		code = check_json(c, a, text, &why);
	} else {
		show_warnings(c, c->args[0], text);
		if (err != KW_OK) {
			(void)cli_fail(c, err, &why);
			code = CLI_FAILED;
		} else {
			agreement_file_warn_age(c, a);
			agreement_file_summary(c, a, false);
			tell_verdict(c, text[0] != '\0' || agreement_age(a, clock_wall_ms()) != AGREEMENT_GOOD);
		}
	}
	agreement_free(&a);
	buf_free(&warnings);
	return code;
}

/* ---- fingerprint ---- */

static enum cli_exit
run_fingerprint(struct cli *c, const void *options)
{
	const struct look_options *o = options;
	char fingerprint[KEY_FINGERPRINT_MAX], hash[2 * KW_HASH_LEN + 1];
	struct agreement *a = NULL;
	struct kw_why why;
	enum kw_err err = agreement_file_read(&a, c->args[0], NULL, &why);
	enum cli_exit code = CLI_DONE;

	if (err != KW_OK)
		return cli_fail(c, err, &why);
	agreement_fingerprint(fingerprint, a);
	text_put_hex(hash, span_of(agreement_hash(a), KW_HASH_LEN));
	if (o->json) {
		code = cli_json(c, agreement_file_json(a));
	} else if (o->hash) {
		(void)printf("b2:%s\n", hash);
	} else {
		(void)printf("%s\n", fingerprint);
		cli_note(c, _("This is version %u of \"%s\". Version %u names it with previous: \"b2:%s\""), agreement_version(a), agreement_partnership(a),
		         agreement_version(a) + 1, hash);
	}
	agreement_free(&a);
	return code;
}

/* ---- diff ---- */

static enum cli_exit
diff_json(const struct cli *c, const struct agreement *old, const struct agreement *next)
{
	struct buf changes = BUF_INIT(AGREEMENT_DIFF_MAX);
	struct kw_why why;
	enum kw_err err = agreement_diff(&changes, old, next, c->german);
	enum cli_exit code;

	if (err != KW_OK || buf_text(&changes) == NULL)
		code = cli_fail(c, KW_ENOMEM, (kw_refuse(&why, KW_ENOMEM, "out of memory while comparing two agreements"), &why));
	else
		code = cli_json(c, json_pack("{s:o, s:o, s:o}", "old", agreement_file_json(old), "new", agreement_file_json(next), "changes",
		                             lines_json(buf_text(&changes))));
	buf_free(&changes);
	return code;
}

static enum cli_exit
run_diff(struct cli *c, const void *options)
{
	const struct look_options *o = options;
	struct agreement *old = NULL, *next = NULL;
	struct kw_why why;
	enum cli_exit code = CLI_DONE;
	enum kw_err err;

	if ((err = agreement_file_read(&old, c->args[0], NULL, &why)) != KW_OK || (err = agreement_file_read(&next, c->args[1], NULL, &why)) != KW_OK)
		code = cli_fail(c, err, &why);
	else if (o->json)
		code = diff_json(c, old, next);
	else if ((err = agreement_file_diff(c, old, next, false, &why)) != KW_OK)
		code = cli_fail(c, err, &why);
	agreement_free(&old);
	agreement_free(&next);
	return code;
}

/* ---- verify ---- */

static enum kw_err
verify(const struct cli *c, const struct agreement *a, const struct agreement *old, bool json, struct kw_why *why)
{
	struct buf sigs = BUF_INIT(KW_SIGNATURES_TEXT_MAX);
	struct agreement_check is;
	enum kw_err err = agreement_file_signatures(&sigs, c->args[0], why);

	if (err == KW_OK)
		err = old != NULL ? agreement_verify_next(old, a, buf_span(&sigs), why) : agreement_verify_first(a, buf_span(&sigs), why);
	if (err == KW_OK)
		err = agreement_count_signatures(&is, a, a, buf_span(&sigs), why);
	else if (sigs.len == 0)
		agreement_file_unsigned(c->args[0], why);
	buf_free(&sigs);
	if (err != KW_OK)
		return err;
	if (json) {
		if (cli_json(c, json_pack("{s:b, s:I, s:o}", "ok", 1, "signatures", (json_int_t)is.valid, "agreement", agreement_file_json(a))) != CLI_DONE)
			return kw_refuse(why, KW_EIO, "the output could not be written");
		return KW_OK;
	}
	agreement_file_warn_age(c, a);
	agreement_file_summary(c, a, false);
	(void)printf(_("signed by %u of %u members; %u must\n"), is.valid, is.members, is.threshold);
	if (is.unknown > 0)
		cli_warn(c, _("%u signatures are by people who are no members; the first is by \"%s\""), is.unknown, is.unknown_name);
	if (old != NULL)
		cli_note(c, _("It follows version %u, whose members signed it too."), agreement_version(old));
	else
		cli_note(c, _("Its own members signed it. Whether they are the right ones, only the fingerprint tells: compare it by phone."));
	return KW_OK;
}

static enum cli_exit
run_verify(struct cli *c, const void *options)
{
	const struct verify_options *o = options;
	struct agreement *a = NULL, *old = NULL;
	struct kw_why why;
	enum kw_err err = agreement_file_read(&a, c->args[0], NULL, &why);

	if (err == KW_OK && o->previous != NULL)
		err = agreement_file_read(&old, o->previous, NULL, &why);
	if (err == KW_OK)
		err = verify(c, a, old, o->json, &why);
	agreement_free(&a);
	agreement_free(&old);
	return err == KW_OK ? CLI_DONE : cli_fail(c, err, &why);
}

/* ---- who-reads ---- */

/* The audience's numbers into nodes, from whoever may publish, or from one sender. */
static enum kw_err
find_readers(uint32_t *nodes, uint32_t *count, const struct agreement *a, const char *topic, const char *from, struct kw_why *why)
{
	uint32_t sender;

	*count = 0;
	if (agreement_topic(a, topic) == NULL)
		return agreement_file_no_topic(a, topic, why);
	if (from != NULL) {
		if ((sender = agreement_node(a, from)) == AGREEMENT_NOBODY)
			return kw_refuse(why, KW_ENOTFOUND, "the agreement knows no node \"%s\"", from);
		return agreement_audience(nodes, count, a, topic, sender, NULL, 0, why);
	}
	for (uint32_t i = 0; i < agreement_node_count(a); i++)
		if (agreement_may_read(a, topic, i) || agreement_is_responsible(a, topic, i))
			nodes[(*count)++] = i;
	return KW_OK;
}

static void
tell_approvers(const struct cli *c, const struct agreement *a, const char *topic)
{
	struct buf names = BUF_INIT(1u << 16);
	const char *last = "";

	for (uint32_t i = 0; i < agreement_node_count(a); i++) {
		const char *partner = agreement_node_partner(a, i);

		if (!agreement_must_approve(a, topic, i) || strcmp(partner, last) == 0)
			continue;
		buf_printf(&names, "%s%s", names.len > 0 ? ", " : "", partner);
		last = partner;
	}
	cli_note(c, _("They get it when all of these have approved it, the author's own partner left out: %s."), cli_text(&names));
	buf_free(&names);
}

/* Partners whose approval is wanted there, as a list. */
static json_t *
approvers_json(const struct agreement *a, const char *topic)
{
	json_t *list = json_array();
	const char *last = "";

	for (uint32_t i = 0; i < agreement_node_count(a); i++) {
		const char *partner = agreement_node_partner(a, i);

		if (!agreement_must_approve(a, topic, i) || strcmp(partner, last) == 0)
			continue;
		(void)json_array_append_new(list, json_string(partner));
		last = partner;
	}
	return list;
}

static enum cli_exit
show_readers(const struct cli *c, const struct agreement *a, const char *topic, const uint32_t *nodes, uint32_t count, bool json)
{
	const struct agreement_topic *rule = agreement_topic(a, topic);
	struct cli_table *table;
	json_t *list = json_array();

	for (uint32_t i = 0; json && i < count; i++)
		(void)json_array_append_new(list, json_pack("{s:s, s:s, s:b}", "node", agreement_node_id(a, nodes[i]), "title", agreement_node_title(a, nodes[i]),
		                                            "responsible", agreement_is_responsible(a, topic, nodes[i])));
	if (json)
		return cli_json(c, json_pack("{s:s, s:s, s:I, s:s, s:o, s:o}", "topic", topic, "filter", rule->filter, "line", (json_int_t)rule->line, "lane",
		                             lane_name(rule->lane), "readers", list, "approve", approvers_json(a, topic)));
	json_decref(list);
	table = cli_table_new(3);
	cli_table_cell(table, CLI_PLAIN, "%s", _("node"));
	cli_table_cell(table, CLI_PLAIN, "%s", _("partner"));
	cli_table_cell(table, CLI_PLAIN, "%s", _("because"));
	for (uint32_t i = 0; i < count; i++) {
		cli_table_cell(table, CLI_PLAIN, "%s", agreement_node_id(a, nodes[i]));
		cli_table_cell(table, CLI_PLAIN, "%s", agreement_node_title(a, nodes[i]));
		cli_table_cell(table, CLI_PLAIN, "%s", agreement_is_responsible(a, topic, nodes[i]) ? _("responsible") : _("may read"));
	}
	cli_table_print(c, table, true);
	cli_note(c, _("Line %u decides: filter %s, up to lane %s."), rule->line, rule->filter, lane_name(rule->lane));
	if (rule->has_release)
		tell_approvers(c, a, topic);
	return CLI_DONE;
}

static enum cli_exit
run_who_reads(struct cli *c, const void *options)
{
	const struct readers_options *o = options;
	struct agreement *a = NULL;
	uint32_t *nodes, count;
	struct kw_why why;
	enum cli_exit code;
	enum kw_err err;

	if (topic_check(c->args[0], &why) != KW_OK || (o->from != NULL && node_check(o->from, &why) != KW_OK))
		return cli_usage(c, "%s", why.text);
	if ((err = agreement_file_read_named(&a, o->agreement, &why)) != KW_OK)
		return cli_fail(c, err, &why);
	nodes = calloc(agreement_node_count(a), sizeof *nodes);
	err = nodes != NULL ? find_readers(nodes, &count, a, c->args[0], o->from, &why) : kw_refuse(&why, KW_ENOMEM, "out of memory");
	code = err == KW_OK ? show_readers(c, a, c->args[0], nodes, count, o->json) : cli_fail(c, err, &why);
	free(nodes);
	agreement_free(&a);
	return code;
}

/* ---- tables ---- */

static const struct cli_option look_table[] = {
	{"json", 0, CLI_FLAG, offsetof(struct look_options, json), NULL, N_("as JSON"), 0, 0},
	CLI_NO_MORE,
};

static const struct cli_option fingerprint_table[] = {
	{"hash", 0, CLI_FLAG, offsetof(struct look_options, hash), NULL, N_("the whole hash, as \"previous\" of the next version wants it"), 0, 0},
	{"json", 0, CLI_FLAG, offsetof(struct look_options, json), NULL, N_("as JSON"), 0, 0},
	CLI_NO_MORE,
};

static const struct cli_option verify_table[] = {
	{"previous", 'p', CLI_TEXT, offsetof(struct verify_options, previous), N_("OLD"), N_("the version before, whose members must have signed too"), 0, 0},
	{"json", 0, CLI_FLAG, offsetof(struct verify_options, json), NULL, N_("as JSON"), 0, 0},
	CLI_NO_MORE,
};

static const struct cli_option readers_table[] = {
	{"agreement", 'a', CLI_TEXT, offsetof(struct readers_options, agreement), N_("FILE"), N_("instead of /etc/kurzweg/agreement.yaml"), 0, 0},
	{"from", 0, CLI_TEXT, offsetof(struct readers_options, from), N_("NODE"), N_("as that node would send it"), 0, 0},
	{"json", 0, CLI_FLAG, offsetof(struct readers_options, json), NULL, N_("as JSON"), 0, 0},
	CLI_NO_MORE,
};

const struct cli_command cmd_agreement_check = {
	"agreement", "check", N_("FILE"), 1, 1, N_("say whether an agreement's text may stand, with line numbers"), NULL, look_table, run_check,
};

const struct cli_command cmd_agreement_diff = {
	"agreement", "diff", N_("OLD NEW"), 2, 2, N_("say in words who gains and who loses what"), NULL, look_table, run_diff,
};

const struct cli_command cmd_agreement_verify = {
	"agreement", "verify", N_("FILE"), 1, 1, N_("count and check the signatures in FILE.sig"), NULL, verify_table, run_verify,
};

const struct cli_command cmd_agreement_fingerprint = {
	"agreement", "fingerprint", N_("FILE"), 1, 1, N_("print an agreement's fingerprint, to be compared by phone"), NULL, fingerprint_table,
	run_fingerprint,
};

const struct cli_command cmd_agreement_who_reads = {
	"agreement", "who-reads", N_("TOPIC"), 1, 1, N_("list the nodes that would get a notification on TOPIC"), NULL, readers_table, run_who_reads,
};
