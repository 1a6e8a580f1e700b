/* cmd_publish: a notification from a CAP file, a JSON file or options to the node's outbox, and how far it has come. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "clients/cli/commands.h"
#include "clients/cli/compose.h"
#include "clients/cli/local.h"
#include "clients/cli/look.h"
#include "clients/cli/meant.h"
#include "clients/cli/when.h"
#include "proto/limits.h"
#include "proto/topic.h"

#define WAIT_USUAL_MS 60000u
#define WAIT_SLICE_MS 500u     /* between two looks at how far it is, on a terminal */

struct publish_options {
	const char *socket, *cap, *json, *type, *about, *update, *cancel, *lane, *expires, *not_before, *wait, *as, *reason;
	struct cli_texts to;
	uint64_t lifetime_ms, timeout_ms;
	uint64_t take_within_ms;
	bool confirm;
	struct compose_options content;
};

struct publishing {
	const struct cli *c;
	const struct publish_options *o;
	kurzweg *k;
	json_t *status;
	struct buf content;
	uint64_t expires_ms, not_before_ms, now_ms;
	char cap_name[256];
};

/* ---- usage ---- */

static bool
is_one_of(const char *word, const char *const *words)
{
	for (; *words != NULL; words++)
		if (strcmp(word, *words) == 0)
			return true;
	return false;
}

static bool
check(const struct cli *c, const struct publish_options *o)
{
	static const char *const types[] = {"notice", "update", "cancel", "request", NULL}, *const lanes[] = {"flash", "urgent", "routine", NULL},
	                  *const stages[] = {"stored", "delivered", NULL};
	int ways = (o->cap != NULL) + (o->json != NULL) + compose_wanted(&o->content);

	if (ways == 0)
		(void)cli_usage(c, _("what is to be published? Give --cap FILE, --json FILE, or the content itself, as --headline TEXT or --text TEXT"));
	else if (ways > 1)
		(void)cli_usage(c, _("--cap, --json and the content by options are three ways to one content; give one"));
	else if (o->type != NULL && !is_one_of(o->type, types))
		(void)cli_usage(c, _("--type is \"%s\", must be notice, update, cancel or request"), o->type);
	else if ((o->update != NULL) + (o->cancel != NULL) + (o->type != NULL || o->about != NULL) > 1)
		(void)cli_usage(c, _("--update ID, --cancel ID, and --type with --about are ways to say one thing; give one"));
	else if (o->lane != NULL && !is_one_of(o->lane, lanes))
		(void)cli_usage(c, _("--lane is \"%s\", must be flash, urgent or routine"), o->lane);
	else if (o->wait != NULL && !is_one_of(o->wait, stages))
		(void)cli_usage(c, _("--wait is \"%s\", must be stored or delivered"), o->wait);
	else if (o->timeout_ms != 0 && o->wait == NULL)
		(void)cli_usage(c, _("--timeout is how long --wait waits; give --wait stored or --wait delivered too"));
	else if (o->expires != NULL && o->lifetime_ms != 0)
		(void)cli_usage(c, _("--expires and --lifetime say the same; give one"));
	else
		return true;
	return false;
}

static enum kw_err
take_expiry(struct publishing *p, struct kw_why *why)
{
	enum kw_err err;

	if (p->o->not_before != NULL && (err = when_parse_after(&p->not_before_ms, p->o->not_before, p->now_ms, "--not-before", why)) != KW_OK)
		return err;
	if (p->o->lifetime_ms != 0)
		p->expires_ms = p->now_ms + p->o->lifetime_ms;
	if (p->o->expires == NULL)
		return KW_OK;
	return when_parse_after(&p->expires_ms, p->o->expires, p->now_ms, "--expires", why);
}

/* ---- content ---- */

/* An alert's CAP name by the id of a notification that this node sent, or that came to it; false: neither, or no alert. */
static bool
cap_name_of(char out[256], kurzweg *k, const char *id)
{
	const struct kurzweg_notification *n = NULL;
	struct kurzweg_query q = KURZWEG_QUERY_INIT;
	char *text = NULL;
	json_t *t = NULL;

	out[0] = '\0';
	if (kurzweg_trace(k, id, &text) == KURZWEG_OK && (t = json_loads(text, 0, NULL)) != NULL)
		(void)snprintf(out, 256, "%s", look_text(t, "cap"));
	json_decref(t);
	free(text);
	q.id = id;
	q.content = "json";
	if (out[0] != '\0' || kurzweg_next(k, &q, 0, &n) != KURZWEG_OK)
		return out[0] != '\0';
	t = json_loads(n->content, 0, NULL);
	if (look_text(t, "identifier")[0] != '\0')
		(void)snprintf(out, 256, "%s,%s,%s", look_text(t, "sender"), look_text(t, "identifier"), look_text(t, "sent"));
	json_decref(t);
	return out[0] != '\0';
}

static enum kw_err
content_by_options(struct publishing *p, struct kw_why *why)
{
	char about[256];
	struct compose_surroundings s = {
		.node = look_text(p->status, "node"), .partnership = look_text(p->status, "partnership"),
		.exercise = strcmp(look_text(p->status, "agreement.kind"), "exercise") == 0, .german = p->c->german, .now_ms = p->now_ms,
		.expires_ms = p->expires_ms, .type = p->o->type, .about = p->o->about,
	};
	json_t *root = NULL;
	enum kw_err err;
	char *text;

	if (s.about != NULL && strchr(s.about, ',') == NULL && cap_name_of(about, p->k, s.about))
		s.about = about; /* an alert names the one that it updates or cancels inside too */
	if ((err = compose(&root, p->cap_name, &p->o->content, &s, why)) != KW_OK)
		return err;
	text = json_dumps(root, JSON_COMPACT);
	json_decref(root);
	if (text == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for a notification");
	buf_put_str(&p->content, text);
	free(text);
	return KW_OK;
}

/* NULL: the content is made of options. */
static const char *
content_path(const struct publishing *p)
{
	return p->o->cap != NULL ? p->o->cap : p->o->json;
}

static enum kw_err
take_content(struct publishing *p, struct kw_why *why)
{
	const char *path = content_path(p);

	return path != NULL ? fs_read(&p->content, path, why) : content_by_options(p, why);
}

static void
show_warnings(const struct publishing *p)
{
	const char *text = kurzweg_warnings(p->k), *path = content_path(p);

	while (*text != '\0') {
		size_t len = strcspn(text, "\n");

		cli_warn(p->c, "%s%s%.*s", path != NULL ? path : "", path != NULL ? ": " : "", (int)len, text);
		text += len + (text[len] == '\n');
	}
}

/* ---- how far it has come ---- */

/* "stored; 2 of 3 nodes have it": rewrites its line on the terminal. */
static void
show_progress(const struct publishing *p, const char *id)
{
	char *text = NULL, line[128];
	json_t *t;

	if (kurzweg_trace(p->k, id, &text) != KURZWEG_OK)
		return;
	t = json_loads(text, 0, NULL);
	free(text);
	if (json_is_object(look_at(t, "stored"))) {
		size_t has = json_array_size(look_at(t, "delivered")), all = has + json_array_size(look_at(t, "missing")) + json_array_size(look_at(t, "rejected"));

		(void)snprintf(line, sizeof line, _("stored; %zu of %zu nodes have it"), has, all);
	} else {
		(void)snprintf(line, sizeof line, "%s", _("in the outbox, not yet at the broker"));
	}
	(void)fprintf(stderr, "\r\x1b[K%s", line);
	json_decref(t);
}

static enum kurzweg_result
wait_for(const struct publishing *p, const char *id, enum kurzweg_stage stage, uint64_t timeout_ms)
{
	uint64_t end = clock_mono_ms() + timeout_ms;
	enum kurzweg_result r;

	if (!p->c->colour_err)
		return kurzweg_wait(p->k, id, stage, timeout_ms);
	for (;;) {
		uint64_t now = clock_mono_ms(), left = end > now ? end - now : 0;

		show_progress(p, id);
		r = kurzweg_wait(p->k, id, stage, left < WAIT_SLICE_MS ? left : WAIT_SLICE_MS);
		if (r != KURZWEG_SILENT || left <= WAIT_SLICE_MS)
			break;
	}
	(void)fprintf(stderr, "\r\x1b[K");
	return r;
}

static enum cli_exit
wait_and_tell(const struct publishing *p, const char *id)
{
	bool delivered = strcmp(p->o->wait, "delivered") == 0;
	enum kurzweg_result r = wait_for(p, id, delivered ? KURZWEG_DELIVERED : KURZWEG_STORED, p->o->timeout_ms != 0 ? p->o->timeout_ms : WAIT_USUAL_MS);

	if (r != KURZWEG_OK)
		return local_fail(p->c, p->k, r);
	cli_note(p->c, "%s", delivered ? _("Every reader's node has it and has confirmed it.") : _("The broker has stored it."));
	return CLI_DONE;
}

static void
tell_where_it_is(const struct publishing *p, const char *id)
{
	if (strcmp(look_text(p->status, "link.state"), "ready") == 0)
		cli_note(p->c, _("It is on its way; who has it: kurzweg trace %s"), id);
	else
		cli_warn(p->c, _("The broker is not reached now. It lies in the outbox and is sent by itself as soon as the link is up; do not publish it again."));
}

/* ---- the command ---- */

/* The node knows neither the file's name nor which options made the content. */
static enum cli_exit
fail_to_publish(const struct publishing *p, enum kurzweg_result r)
{
	const char *path = content_path(p), *text = kurzweg_error(p->k);
	struct kw_why why;

	if (r != KURZWEG_REFUSED || !compose_is_about_content(text))
		return local_fail(p->c, p->k, r);
	if (path != NULL)
		(void)snprintf(why.text, sizeof why.text, "%s: %s", path, text);
	else if (!compose_mismatch(&why, &p->o->content, p->c->args[0], text))
		return local_fail(p->c, p->k, r);
	return cli_fail(p->c, KW_EDENIED, &why);
}

static enum cli_exit
publish(struct publishing *p)
{
	const struct publish_options *o = p->o;
	struct kurzweg_publication n = KURZWEG_PUBLICATION_INIT;
	char id[KURZWEG_ID_SIZE];
	enum kurzweg_result r;

	n.topic = p->c->args[0];
	n.form = o->cap != NULL ? KURZWEG_CAP : KURZWEG_JSON;
	n.content = p->content.p;
	n.content_len = p->content.len;
	n.type = o->type;
	n.about = o->about;
	n.lane = o->lane;
	n.to = o->to.text;
	n.to_count = o->to.count;
	n.expires_ms = p->expires_ms;
	n.not_before_ms = p->not_before_ms;
	n.as = o->as;
	n.reason = o->reason;
	n.take_within_s = (uint32_t)((o->take_within_ms + 999) / 1000);
	n.confirm_at_once = o->confirm || (o->wait != NULL && strcmp(o->wait, "delivered") == 0);
	if ((r = kurzweg_publish(p->k, &n, id)) != KURZWEG_OK)
		return fail_to_publish(p, r);
	show_warnings(p);
	(void)printf("%s\n", id);
	(void)fflush(stdout);
	if (p->cap_name[0] != '\0')
		cli_note(p->c, _("To correct it: --update %s; to take it back: --cancel with the same"), id);
	if (o->wait != NULL)
		return wait_and_tell(p, id);
	tell_where_it_is(p, id);
	return CLI_DONE;
}

/* --update ID and --cancel ID are short for --type with --about ID. */
static struct publish_options
written_out(const struct publish_options *o)
{
	struct publish_options all = *o;

	if (o->update != NULL || o->cancel != NULL) {
		all.type = o->update != NULL ? "update" : "cancel";
		all.about = o->update != NULL ? o->update : o->cancel;
	}
	return all;
}

static enum cli_exit
run_publish(struct cli *c, const void *options)
{
	struct publish_options all = written_out(options);
	struct publishing p = {.c = c, .o = &all, .content = BUF_INIT(KW_OPENED_MAX), .now_ms = clock_wall_ms()};
	char about[KURZWEG_ID_SIZE];
	enum cli_exit code;
	struct kw_why why;
	enum kw_err err;

	if (!check(c, options))
		return CLI_USAGE;
	if (topic_check(c->args[0], &why) != KW_OK || take_expiry(&p, &why) != KW_OK)
		return cli_usage(c, "%s", why.text);
	if ((p.k = local_open(c, p.o->socket, &code)) == NULL)
		return code;
	if ((p.status = local_status(c, p.k, &code)) == NULL)
		goto close_node;
	if (all.about != NULL && (all.about = meant(about, c, p.k, all.about, MEANT_SENT, &code)) == NULL)
		goto close_node;
	err = take_content(&p, &why);
	if (err == KW_EINVAL && p.o->cap == NULL && p.o->json == NULL)
		code = cli_usage(c, "%s", why.text);
	else
		code = err == KW_OK ? publish(&p) : cli_fail(c, err, &why);
close_node:
	json_decref(p.status);
	buf_free(&p.content);
	kurzweg_close(&p.k);
	return code;
}

static const struct cli_option publish_table[] = {
	{"cap", 0, CLI_TEXT, offsetof(struct publish_options, cap), N_("FILE"), N_("an alert as CAP 1.0 to 1.2; - is standard input"), 0, 0},
	{"json", 0, CLI_TEXT, offsetof(struct publish_options, json), N_("FILE"), N_("the content as JSON of the topic's schema; - is standard input"), 0, 0},
	COMPOSE_ROWS(struct publish_options, content),
	{"lane", 0, CLI_TEXT, offsetof(struct publish_options, lane), N_("LANE"), N_("flash, urgent or routine; the topic's if not given"), 0, 0},
	{"to", 0, CLI_TEXTS, offsetof(struct publish_options, to), N_("NODE"), N_("for this node alone; may be given several times"), 0, 0},
	{"expires", 0, CLI_TEXT, offsetof(struct publish_options, expires), N_("TIME"), N_("until when it holds: 22:15 or 2026-12-01T22:15:00+01:00"), 0, 0},
	{"lifetime", 0, CLI_DURATION, offsetof(struct publish_options, lifetime_ms), N_("DURATION"), N_("the same as a duration: 90m, 2h"), 1000, 3650ull * 86400000},
	{"not-before", 0, CLI_TEXT, offsetof(struct publish_options, not_before), N_("TIME"), N_("what must be released first: not before then, as the content says if not given"), 0, 0},
	{"update", 0, CLI_TEXT, offsetof(struct publish_options, update), N_("ID"), N_("it takes the place of this one, which must be of this partner; its id, the last 8 characters of it, or CAP's sender,identifier,sent"), 0, 0},
	{"cancel", 0, CLI_TEXT, offsetof(struct publish_options, cancel), N_("ID"), N_("it takes this one back, as an all-clear does"), 0, 0},
	{"type", 0, CLI_TEXT, offsetof(struct publish_options, type), N_("TYPE"), N_("notice, update, cancel or request; as the content says if not given"), 0, 0},
	{"about", 0, CLI_TEXT, offsetof(struct publish_options, about), N_("ID"), N_("update, cancel: which one, in the same way"), 0, 0},
	{"take-within", 0, CLI_DURATION, offsetof(struct publish_options, take_within_ms), N_("DURATION"),
	 N_("somebody must take it; each who is responsible has so long"), 1000, 30ull * 86400000},
	{"confirm", 0, CLI_FLAG, offsetof(struct publish_options, confirm), NULL, N_("have the readers' nodes confirm at once, in every lane"), 0, 0},
	{"wait", 'w', CLI_TEXT, offsetof(struct publish_options, wait), N_("STAGE"), N_("until it is stored (by the broker) or delivered (to every reader)"), 0, 0},
	{"timeout", 0, CLI_DURATION, offsetof(struct publish_options, timeout_ms), N_("DURATION"), N_("how long that may take, 60s if not given"), 1000, 7ull * 86400000},
	{"as", 0, CLI_TEXT, offsetof(struct publish_options, as), N_("NAME"), N_("who publishes it: \"Duty officer 3\"; for this node's own audit trail"), 0, 0},
	{"reason", 0, CLI_TEXT, offsetof(struct publish_options, reason), N_("TEXT"), N_("why it is published, where the agreement demands it; kept sealed in this node's audit trail"), 0, 0},
	CLI_SOCKET(struct publish_options, socket),
	CLI_NO_MORE,
};

const struct cli_command cmd_publish = {
	"publish", NULL, N_("TOPIC"), 1, 1, N_("publish a notification to the partners who may read TOPIC"),
	N_("The content comes from a CAP file, a JSON file, or options: --headline begins an alert, --subject and --kind a request, "
	   "--subject and --category a report, --file a document, --text alone a note.\n"
	   "  kurzweg publish alert/flood/mitte --cap flood.cap.xml --wait delivered\n"
	   "  kurzweg publish alert/fire/west --headline \"Fire at the school\" \\\n"
	   "        --severity severe --area Weststadt --lifetime 2h\n"
	   "  kurzweg publish request/noise/mitte --kind presence \\\n"
	   "        --subject \"Loud music\" --purpose danger-prevention\n"
	   "Prints the id. Sealed and on this machine's disk when it ends with 0, whether the broker is reached or not."),
	publish_table, run_publish,
};
