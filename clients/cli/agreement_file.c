/* agreement_file: see its header. */
#include "clients/cli/agreement_file.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/text.h"
#include "clients/cli/when.h"

enum kw_err
agreement_file_read(struct agreement **out, const char *path, struct buf *warnings, struct kw_why *why)
{
	struct buf text = BUF_INIT(KW_AGREEMENT_MAX);
	enum kw_err err = fs_read(&text, path, why);

	if (err == KW_OK && (err = agreement_parse(out, buf_span(&text), warnings, why)) != KW_OK)
		kw_why_prefix(why, "%s", path);
	buf_free(&text);
	return err;
}

enum kw_err
agreement_file_read_named(struct agreement **out, const char *named, struct kw_why *why)
{
	enum kw_err err = agreement_file_read(out, named != NULL ? named : AGREEMENT_DEFAULT_PATH, NULL, why);

	if (err == KW_ENOTFOUND && named == NULL)
		kw_why_suffix(why, "--agreement FILE names another");
	return err;
}

enum kw_err
agreement_file_no_topic(const struct agreement *a, const char *topic, struct kw_why *why)
{
	char filters[AGREEMENT_FILTERS_MAX];

	agreement_filters(filters, a);
	return kw_refuse(why, KW_EDENIED, "no topic of the agreement matches \"%s\", so nobody may publish or read it; there are %s", topic, filters);
}

enum kw_err
agreement_file_sig_path(char out[AGREEMENT_PATH_MAX], const char *path, struct kw_why *why)
{
	if (strcmp(path, "-") == 0)
		return kw_refuse(why, KW_EINVAL, "the agreement must be a file, since its signatures stand in FILE.sig beside it");
	if (snprintf(out, AGREEMENT_PATH_MAX, "%s.sig", path) >= AGREEMENT_PATH_MAX)
		return kw_refuse(why, KW_ELIMIT, "%s is too long a path", path);
	return KW_OK;
}

enum kw_err
agreement_file_signatures(struct buf *sigs, const char *path, struct kw_why *why)
{
	char sig_path[AGREEMENT_PATH_MAX];
	enum kw_err err = agreement_file_sig_path(sig_path, path, why);

	if (err != KW_OK)
		return err;
	err = fs_read(sigs, sig_path, why);
	return err == KW_ENOTFOUND ? KW_OK : err;
}

void
agreement_file_unsigned(const char *path, struct kw_why *why)
{
	char sig_path[AGREEMENT_PATH_MAX];

	if (agreement_file_sig_path(sig_path, path, NULL) == KW_OK && access(sig_path, F_OK) != 0)
		kw_why_suffix(why, "%s, where signatures stand, is not there: lay it beside the text, or have the text signed", sig_path);
}

static void
count_members(struct agreement_check *out, const struct agreement *a)
{
	if (agreement_count_signatures(out, a, a, span_of(NULL, 0), NULL) != KW_OK)
		memset(out, 0, sizeof *out);
}

/* Distinct, since nodes are sorted by their ids. */
static uint32_t
count_partners(const struct agreement *a)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < agreement_node_count(a); i++)
		n += i == 0 || strcmp(agreement_node_partner(a, i), agreement_node_partner(a, i - 1)) != 0;
	return n;
}

static void
line(const struct cli *c, bool to_note, const char *left, const char *right)
{
	struct buf safe = BUF_INIT(65536);
	size_t width = 0;

	for (const char *p = left; *p != '\0'; p++)
		width += ((unsigned char)*p & 0xC0) != 0x80;
	cli_put_safe(&safe, right);
	if (to_note)
		cli_note(c, "  %s%*s%s", left, (int)(width < 16 ? 16 - width : 1), "", right);
	else
		(void)printf("%s%s%s%*s%s\n", cli_colour(c, CLI_DIM), left, cli_colour(c, CLI_PLAIN), (int)(width < 16 ? 16 - width : 1), "",
		             cli_text(&safe));
	buf_free(&safe);
}

void
agreement_file_summary(const struct cli *c, const struct agreement *a, bool to_note)
{
	char text[256], nodes[64], topics[64], until[WHEN_MAX], fingerprint[KEY_FINGERPRINT_MAX];
	struct agreement_check members;

	count_members(&members, a);
	line(c, to_note, _("partnership"), agreement_partnership(a));
	(void)snprintf(text, sizeof text, "%u (%s)", agreement_version(a), agreement_mode(a) == MODE_LIVE ? _("live") : _("exercise"));
	line(c, to_note, _("version"), text);
	when_put_date(until, agreement_until_ms(a));
	line(c, to_note, _("valid until"), until);
	(void)snprintf(text, sizeof text, _("%u of %u must sign"), members.threshold, members.members);
	line(c, to_note, _("committee"), text);
	(void)snprintf(text, sizeof text, _("%s at %s"), agreement_broker(a)->name, agreement_endpoint(a, 0));
	line(c, to_note, _("broker"), text);
	(void)snprintf(nodes, sizeof nodes, ngettext("%u node", "%u nodes", agreement_node_count(a)), agreement_node_count(a));
	(void)snprintf(topics, sizeof topics, ngettext("%u topic", "%u topics", agreement_topic_count(a)), agreement_topic_count(a));
	/* TRANSLATORS: "3 with 4 nodes, 1 topic": of partners */
	(void)snprintf(text, sizeof text, _("%u with %s, %s"), count_partners(a), nodes, topics);
	line(c, to_note, _("partners"), text);
	line(c, to_note, _("coordinator"), agreement_coordinator(a));
	agreement_fingerprint(fingerprint, a);
	line(c, to_note, _("fingerprint"), fingerprint);
}

static const char *
age_word(enum agreement_age age)
{
	static const char *const words[] = {[AGREEMENT_NOT_YET] = "not-yet", [AGREEMENT_GOOD] = "good", [AGREEMENT_ENDS_SOON] = "ends-soon",
	                                    [AGREEMENT_GRACE] = "grace", [AGREEMENT_OVER] = "over"};

	return words[age];
}

json_t *
agreement_file_json(const struct agreement *a)
{
	char until[TEXT_TIME_MAX], fingerprint[KEY_FINGERPRINT_MAX], hash[3 + 2 * KW_HASH_LEN + 1] = "b2:";
	struct agreement_check members;

	count_members(&members, a);
	text_put_time_utc(until, agreement_until_ms(a));
	agreement_fingerprint(fingerprint, a);
	text_put_hex(hash + 3, span_of(agreement_hash(a), KW_HASH_LEN));
	return json_pack("{s:s, s:I, s:s, s:s, s:s, s:{s:I, s:I}, s:s, s:I, s:I, s:I, s:s, s:s, s:s}", "partnership", agreement_partnership(a), "version",
	                 (json_int_t)agreement_version(a), "kind", agreement_mode(a) == MODE_LIVE ? "live" : "exercise", "until", until, "age",
	                 age_word(agreement_age(a, clock_wall_ms())), "steering", "threshold", (json_int_t)members.threshold, "members",
	                 (json_int_t)members.members, "broker", agreement_broker(a)->name, "partners", (json_int_t)count_partners(a), "nodes",
	                 (json_int_t)agreement_node_count(a), "topics", (json_int_t)agreement_topic_count(a), "coordinator", agreement_coordinator(a),
	                 "fingerprint", fingerprint, "hash", hash);
}

void
agreement_file_warn_age(const struct cli *c, const struct agreement *a)
{
	char until[WHEN_MAX], grace[WHEN_MAX];

	when_put_date(until, agreement_until_ms(a));
	when_put_date(grace, agreement_grace_until_ms(a));
	switch (agreement_age(a, clock_wall_ms())) {
	case AGREEMENT_GOOD: break;
	case AGREEMENT_NOT_YET: cli_warn(c, _("the agreement is not valid yet; see \"from\"")); break;
	case AGREEMENT_ENDS_SOON: cli_warn(c, _("the agreement ends on %s; the committee should sign the next version"), until); break;
	case AGREEMENT_GRACE: cli_warn(c, _("the agreement ended on %s; its grace runs until %s, then nobody can publish"), until, grace); break;
	case AGREEMENT_OVER: cli_warn(c, _("the agreement ended on %s, and so did its grace on %s; nobody can publish"), until, grace); break;
	}
}

static void
show_change(const struct cli *c, const char *text, size_t len, bool to_note)
{
	enum cli_colour colour = text[0] == '+' ? CLI_GREEN : text[0] == '-' ? CLI_RED : CLI_YELLOW;

	if (to_note)
		cli_note(c, "  %.*s", (int)len, text);
	else
		(void)printf("%s%.*s%s\n", cli_colour(c, colour), (int)len, text, cli_colour(c, CLI_PLAIN));
}

enum kw_err
agreement_file_diff(const struct cli *c, const struct agreement *old, const struct agreement *next, bool to_note, struct kw_why *why)
{
	struct buf changes = BUF_INIT(AGREEMENT_DIFF_MAX);
	enum kw_err err = agreement_diff(&changes, old, next, c->german);
	const char *at;

	if (err != KW_OK || (at = buf_text(&changes)) == NULL) {
		buf_free(&changes);
		return kw_refuse(why, err != KW_OK ? err : KW_ENOMEM, "out of memory while comparing two agreements");
	}
	if (changes.len == 0 && to_note)
		cli_note(c, "  %s", _("nobody gains or loses anything"));
	else if (changes.len == 0)
		(void)printf("%s\n", _("nobody gains or loses anything"));
	while (*at != '\0') {
		size_t len = strcspn(at, "\n");

		show_change(c, at, len, to_note);
		at += len + (at[len] == '\n');
	}
	buf_free(&changes);
	return KW_OK;
}
