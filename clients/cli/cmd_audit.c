/* cmd_audit: who did what with notifications, when and why, as node or broker recorded it; and what somebody's own inbox says of a person. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/record.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/text.h"
#include "certs/keys.h"
#include "clients/cli/audit_source.h"
#include "clients/cli/cases.h"
#include "clients/cli/commands.h"
#include "clients/cli/look.h"
#include "clients/cli/meant.h"
#include "clients/cli/when.h"
#include "proto/header.h"
#include "proto/seal.h"

#define ROWS_MAX 100000u
#define DAY_MS (24ull * 3600 * 1000)

struct audit_options {
	const char *socket, *since, *until, *actor, *event, *id, *as, *reason;
	struct broker_way way;
	bool json, persons;
};

struct row { uint64_t at_ms, number; json_t *v; }; /* v: {"n","at_ms","event","actor","object","topic","to","count","detail","as","reason"} */

struct showing {
	const struct cli *c;
	const struct audit_options *o;
	struct audit_source source;
	uint64_t since_ms, until_ms, now_ms;
	struct row *rows;
	size_t count;
	bool cut, damaged;
};

/* ---- rows ---- */

static bool
fits(const char *have, const char *want)
{
	return want == NULL || strcmp(have, want) == 0;
}

/* A piece of an id is looked for here: the trail is asked for whole ones alone. */
static bool
fits_id(const char *have, const char *want)
{
	return fits(have, want) || (meant_is_piece(want) && kw_id_meant(have, want));
}

static bool
keep(struct showing *s, uint64_t at_ms, uint64_t number, json_t *v)
{
	const struct audit_options *o = s->o;

	if (at_ms < s->since_ms || at_ms >= s->until_ms || !fits(look_text(v, "actor"), o->actor) || !fits(look_text(v, "event"), o->event) ||
	    !fits_id(look_text(v, "object"), o->id)) {
		json_decref(v);
		return true;
	}
	if (s->count == ROWS_MAX) {
		s->cut = true;
		json_decref(v);
		return false;
	}
	s->rows[s->count++] = (struct row){at_ms, number, v};
	return true;
}

static void
set_text(json_t *v, const char *key, const char *text)
{
	if (text != NULL && text[0] != '\0')
		(void)json_object_set_new(v, key, json_string(text));
}

static json_t *
row_of(const struct audit_record *r, const json_t *opened)
{
	json_t *v = json_pack("{s:I, s:I, s:s, s:s}", "n", (json_int_t)r->number, "at_ms", (json_int_t)r->time_ms, "event", r->event, "actor", r->actor);

	set_text(v, "object", r->object);
	set_text(v, "topic", r->topic);
	set_text(v, "to", r->to);
	set_text(v, "detail", r->detail);
	if (r->count > 0)
		(void)json_object_set_new(v, "count", json_integer(r->count));
	set_text(v, "as", look_text(opened, "as"));
	set_text(v, "reason", look_text(opened, "reason"));
	return v;
}

static void
take_line(struct showing *s, const json_t *page, const json_t *one)
{
	struct audit_line l;
	char number[24];

	if (audit_line_read(&l, span_of(json_string_value(one), json_string_length(one)), NULL) != KW_OK) {
		s->damaged = true;
	} else if (l.kind == AUDIT_RECORD) {
		json_t *v;

		(void)snprintf(number, sizeof number, "%llu", (unsigned long long)l.record.number);
		v = row_of(&l.record, json_object_get(json_object_get(page, "opened"), number));
		if (l.sealed != NULL && look_at(v, "as") == NULL && look_at(v, "reason") == NULL)
			(void)json_object_set_new(v, "sealed", json_true());
		(void)keep(s, l.record.time_ms, l.record.number, v);
	}
	audit_line_free(&l);
}

static bool
read_trail(struct showing *s, enum cli_exit *code)
{
	uint64_t place = 0;
	bool more = true;

	while (more && !s->cut) {
		json_t *page = NULL, *one;
		size_t i;

		json_t *query = json_pack("{s:I, s:I, s:I, s:b}", "place", (json_int_t)place, "since_ms", (json_int_t)s->since_ms, "until_ms", (json_int_t)s->until_ms, "opened", s->o->persons);

		set_text(query, "actor", s->o->actor);
		set_text(query, "event", s->o->event);
		if (s->o->id != NULL && !meant_is_piece(s->o->id))
			set_text(query, "object", s->o->id);
		if (!audit_source_page(&page, &s->source, query, code))
			return false;
		json_array_foreach(look_at(page, "lines"), i, one)
			take_line(s, page, one);
		more = look_flag(page, "more") && look_number(page, "place") > place;
		place = look_number(page, "place");
		json_decref(page);
	}
	return true;
}

/* What the broker's log says: who sent, to whom, who confirmed, opened, took. */
static void
take_header(struct showing *s, const json_t *h)
{
	struct buf to = BUF_INIT(8192);
	char detail[64] = "";
	const json_t *one;
	json_t *v;
	size_t i;

	json_array_foreach(look_at(h, "to"), i, one)
		buf_printf(&to, "%s%s", i > 0 ? " " : "", json_string_value(one));
	if (look_text(h, "about")[0] != '\0')
		(void)snprintf(detail, sizeof detail, "about %s", look_text(h, "about"));
	v = json_pack("{s:I, s:s, s:s, s:s, s:s}", "at_ms", (json_int_t)look_number(h, "time_ms"), "event", look_text(h, "type"), "actor", look_text(h, "sender"), "object",
	              look_text(h, "id"), "topic", look_text(h, "topic"));
	set_text(v, "to", to.len > 0 ? cli_text(&to) : NULL);
	set_text(v, "detail", detail);
	(void)keep(s, look_number(h, "time_ms"), look_number(h, "number"), v);
	buf_free(&to);
}

static bool
read_headers(struct showing *s, enum cli_exit *code)
{
	for (int lane = 0; lane < KW_LANES; lane++) {
		uint64_t after = 0;
		bool more = true;

		while (more && !s->cut) {
			json_t *page = NULL, *one;
			size_t i;

			if (!audit_source_headers(&page, &s->source, json_pack("{s:s, s:I, s:I, s:I, s:b}", "lane", lane_name((enum lane)lane), "after", (json_int_t)after, "from_ms",
			                          (json_int_t)s->since_ms, "to_ms", (json_int_t)s->until_ms, "receipts", 1), code))
				return false;
			json_array_foreach(look_at(page, "headers"), i, one)
				take_header(s, one);
			more = look_flag(page, "more") && look_number(page, "after") > after;
			after = look_number(page, "after");
			json_decref(page);
		}
	}
	return true;
}

static int
by_time(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->at_ms != y->at_ms)
		return x->at_ms > y->at_ms ? 1 : -1;
	return (x->number > y->number) - (x->number < y->number);
}

/* ---- showing ---- */

static const char *
short_object(const char *object)
{
	uint8_t id[KW_ID_LEN];

	return kw_id_parse(id, object) ? cases_short(object) : object;
}

static void
put_detail(struct buf *out, const char *detail)
{
	static const char about[] = "about ";
	char fingerprint[KEY_FINGERPRINT_MAX];
	struct public_key key;

	if (strncmp(detail, about, strlen(about)) == 0) {
		buf_printf(out, "%s%s", about, short_object(detail + strlen(about)));
	} else if (public_key_parse(&key, detail, NULL) == KW_OK) { /* whole in --json and in what is exported */
		public_key_fingerprint(fingerprint, detail);
		buf_printf(out, _("key %s"), fingerprint);
	} else {
		buf_put_str(out, detail);
	}
}

/* What a reader of the table wants to know behind topic and event, in one cell. */
static void
put_rest(struct buf *out, const json_t *v)
{
	static const struct { const char *key, *between; } parts[] = {{"detail", ""}, {"to", "→ "}, {"as", ""}, {"reason", ""}};
	const char *topic = look_text(v, "topic");

	buf_put_str(out, topic);
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
		if (look_text(v, parts[i].key)[0] != '\0') {
			buf_printf(out, "%s%s", out->len > 0 ? " · " : "", parts[i].between);
			put_detail(out, look_text(v, parts[i].key));
		}
	if (look_number(v, "count") > 0)
		buf_printf(out, "%s%llu", out->len > 0 ? " · " : "", (unsigned long long)look_number(v, "count"));
	if (look_flag(v, "sealed"))
		buf_printf(out, "%s%s", out->len > 0 ? " · " : "", _("(sealed)"));
}

static void
show_table(const struct showing *s)
{
	struct cli_table *t = cli_table_new(5);

	cli_table_cell(t, CLI_BOLD, "%s", _("time"));
	cli_table_cell(t, CLI_BOLD, "%s", _("what"));
	cli_table_cell(t, CLI_BOLD, "%s", _("who"));
	cli_table_cell(t, CLI_BOLD, "%s", _("of"));
	cli_table_cell(t, CLI_BOLD, "%s", _("on, to, why"));
	for (size_t i = 0; i < s->count; i++) {
		const json_t *v = s->rows[i].v;
		struct buf rest = BUF_INIT(65536);
		char at[WHEN_MAX];
		bool refused = strncmp(look_text(v, "event"), "refused", 7) == 0;

		when_put(at, s->rows[i].at_ms, s->now_ms);
		put_rest(&rest, v);
		cli_table_cell(t, CLI_PLAIN, "%s", at);
		cli_table_cell(t, refused ? CLI_YELLOW : CLI_PLAIN, "%s", look_text(v, "event"));
		cli_table_cell(t, CLI_PLAIN, "%s", look_text(v, "actor"));
		cli_table_cell(t, CLI_PLAIN, "%s", short_object(look_text(v, "object")));
		cli_table_cell(t, CLI_PLAIN, "%s", cli_text(&rest));
		buf_free(&rest);
	}
	cli_table_shrink(t, 4);
	cli_table_print(s->c, t, true);
}

#define CANDIDATES 5u

/* --id with a piece that several begin or end with: their trails are not mixed. */
static bool
is_about_one(const struct showing *s)
{
	const json_t *of[CANDIDATES];
	size_t count = 0, seen;

	for (size_t i = 0; s->o->id != NULL && i < s->count && count < CANDIDATES; i++) {
		for (seen = 0; seen < count && strcmp(look_text(of[seen], "object"), look_text(s->rows[i].v, "object")) != 0; seen++)
			;
		if (seen == count)
			of[count++] = s->rows[i].v;
	}
	if (count < 2)
		return true;
	cli_error(s->c, _("--id begins or ends several ids in this time; give more of it:"));
	for (size_t i = 0; i < count; i++)
		meant_candidate(s->c, look_text(of[i], "object"), look_number(of[i], "at_ms"), look_text(of[i], "topic"));
	return false;
}

static enum cli_exit
show_all(struct showing *s)
{
	enum cli_exit code = CLI_DONE;

	if (!is_about_one(s))
		return CLI_REFUSED;
	qsort(s->rows, s->count, sizeof *s->rows, by_time);
	for (size_t i = 0; s->o->json && code == CLI_DONE && i < s->count; i++) {
		char *text = json_dumps(s->rows[i].v, JSON_COMPACT);

		code = cli_json_text(s->c, text);
		free(text);
	}
	if (!s->o->json && s->count > 0)
		show_table(s);
	else if (!s->o->json)
		cli_note(s->c, _("Nothing is recorded there."));
	if (s->cut)
		cli_warn(s->c, _("There is more than %u; ask for less time with --since and --until"), ROWS_MAX);
	if (s->damaged)
		cli_warn(s->c, _("A line of the trail cannot be read; \"kurzweg audit verify\" tells which"));
	return code;
}

static enum kw_err
read_times(struct showing *s, struct kw_why *why)
{
	const struct audit_options *o = s->o;
	enum kw_err err;

	s->now_ms = clock_wall_ms();
	s->since_ms = s->now_ms > DAY_MS ? s->now_ms - DAY_MS : 0;
	s->until_ms = s->now_ms + DAY_MS; /* a clock that is a little ahead hides nothing */
	if (o->since != NULL && (err = when_parse_before(&s->since_ms, o->since, s->now_ms, "--since", why)) != KW_OK)
		return err;
	if (o->until != NULL && (err = when_parse_before(&s->until_ms, o->until, s->now_ms, "--until", why)) != KW_OK)
		return err;
	return s->since_ms < s->until_ms ? KW_OK : kw_refuse(why, KW_EINVAL, "--since must lie before --until");
}

static enum cli_exit
run_audit(struct cli *c, const void *options)
{
	struct showing s = {.c = c, .o = options};
	enum cli_exit code = CLI_FAILED;
	struct kw_why why;

	s.source.as = s.o->as;
	s.source.reason = s.o->reason;
	if (read_times(&s, &why) != KW_OK)
		return cli_usage(c, "%s", why.text);
	if ((s.rows = cli_memory(ROWS_MAX * sizeof *s.rows)) != NULL && audit_source_open(&s.source, c, s.o->socket, &s.o->way, &code) &&
	    read_trail(&s, &code) && (s.source.broker == NULL || read_headers(&s, &code)))
		code = show_all(&s);
	for (size_t i = 0; s.rows != NULL && i < s.count; i++)
		json_decref(s.rows[i].v);
	free(s.rows);
	audit_source_close(&s.source);
	return code;
}

/* ---- a data subject ---- */

struct subject_options { const char *socket, *as, *reason; bool json; };

static void
show_hits(const struct cli *c, const json_t *hits)
{
	struct cli_table *t = cli_table_new(4);
	uint64_t now_ms = clock_wall_ms();
	const json_t *one;
	size_t i;

	cli_table_cell(t, CLI_BOLD, "%s", _("received"));
	cli_table_cell(t, CLI_BOLD, "%s", _("id"));
	cli_table_cell(t, CLI_BOLD, "%s", _("topic"));
	cli_table_cell(t, CLI_BOLD, "%s", _("from"));
	json_array_foreach(hits, i, one) {
		char at[WHEN_MAX];

		when_put(at, look_number(one, "received_ms"), now_ms);
		cli_table_cell(t, CLI_PLAIN, "%s", at);
		cli_table_cell(t, CLI_PLAIN, "%s", look_text(one, "id"));
		cli_table_cell(t, CLI_PLAIN, "%s", look_text(one, "topic"));
		cli_table_cell(t, CLI_PLAIN, "%s", look_text(one, "sender"));
	}
	cli_table_shrink(t, 2);
	cli_table_print(c, t, true);
}

static enum cli_exit
run_subject(struct cli *c, const void *options)
{
	const struct subject_options *o = options;
	enum cli_exit code = CLI_DONE;
	kurzweg *k = local_open(c, o->socket, &code);
	json_t *hits = json_array();
	uint64_t after = 0, gone = 0;
	bool more = k != NULL;

	while (more && code == CLI_DONE) {
		char *text = NULL;
		json_t *page = NULL;
		enum kurzweg_result r = kurzweg_subject(k, c->args[0], after, o->as, o->reason, &text);

		if ((page = cases_json(c, k, r, text, &code)) == NULL)
			break;
		(void)json_array_extend(hits, json_object_get(page, "hits"));
		gone += look_number(page, "gone");
		more = look_flag(page, "more") && look_number(page, "after") > after;
		after = look_number(page, "after");
		json_decref(page);
	}
	if (k != NULL && code == CLI_DONE && o->json) {
		code = cli_json(c, json_pack("{s:s, s:O, s:I}", "term", c->args[0], "hits", hits, "gone", (json_int_t)gone));
	} else if (k != NULL && code == CLI_DONE) {
		if (json_array_size(hits) > 0)
			show_hits(c, hits);
		else
			cli_note(c, _("Nothing in the inbox of this node speaks of it."));
		if (gone > 0)
			cli_note(c, ngettext("The content of %llu notification is no longer here, so nobody can tell what it said.",
			                     "The contents of %llu notifications are no longer here, so nobody can tell what they said.", gone), (unsigned long long)gone);
	}
	json_decref(hits);
	kurzweg_close(&k);
	return code;
}

static const struct cli_option audit_table[] = {
	{"since", 's', CLI_TEXT, offsetof(struct audit_options, since), N_("TIME"), N_("recorded since: a time, or how long ago, as 30d; one day if not given"), 0, 0},
	{"until", 0, CLI_TEXT, offsetof(struct audit_options, until), N_("TIME"), N_("recorded before; now if not given"), 0, 0},
	{"actor", 0, CLI_TEXT, offsetof(struct audit_options, actor), N_("WHO"), N_("of this one alone: local, spool, handler/NAME, operator/NAME, PARTNER/NODE"), 0, 0},
	{"event", 0, CLI_TEXT, offsetof(struct audit_options, event), N_("WHAT"), N_("this alone: publish, read, taken, refused …; docs/audit.md lists them"), 0, 0},
	{"id", 0, CLI_TEXT, offsetof(struct audit_options, id), N_("ID"), N_("about this notification alone"), 0, 0},
	{"persons", 0, CLI_FLAG, offsetof(struct audit_options, persons), NULL, N_("who and why too, which stand sealed"), 0, 0},
	{"reason", 0, CLI_TEXT, offsetof(struct audit_options, reason), N_("TEXT"), N_("why the audit is read; that it is read is recorded first"), 0, 0},
	{"as", 0, CLI_TEXT, offsetof(struct audit_options, as), N_("NAME"), N_("who reads it"), 0, 0},
	{"json", 0, CLI_FLAG, offsetof(struct audit_options, json), NULL, N_("a JSON object a line"), 0, 0},
	CLI_SOCKET(struct audit_options, socket),
	CLI_BROKER_WAY(struct audit_options, way),
	{"agreement", 'a', CLI_TEXT, offsetof(struct audit_options, way.agreement), N_("FILE"), N_("where the broker's key stands, instead of /etc/kurzweg/agreement.yaml"), 0, 0},
	CLI_NO_MORE,
};

const struct cli_command cmd_audit = {
	"audit", NULL, NULL, 0, 0, N_("show who did what with notifications, when and why: of this machine's node, or of a broker"),
	N_("Without --control or --key: the node's own trail. Of a broker: its trail, together with what its log's headers say (who sent, to\n"
	   "whom, who confirmed, opened, took). That the audit is read is itself recorded before it is shown."),
	audit_table, run_audit,
};

static const struct cli_option subject_table[] = {
	{"reason", 0, CLI_TEXT, offsetof(struct subject_options, reason), N_("TEXT"), N_("why it is searched for: the request's number"), 0, 0},
	{"as", 0, CLI_TEXT, offsetof(struct subject_options, as), N_("NAME"), N_("who searches"), 0, 0},
	{"json", 0, CLI_FLAG, offsetof(struct subject_options, json), NULL, N_("as JSON, for programs"), 0, 0},
	CLI_SOCKET(struct subject_options, socket),
	CLI_NO_MORE,
};

const struct cli_command cmd_audit_subject = {
	"audit", "subject", N_("TERM"), 1, 1, N_("find where somebody is spoken of in this node's own inbox, for a data subject's request"),
	N_("Contents are searched inside the daemon; shown are ids, times, topics and senders, no text. \"kurzweg inbox ID\" shows one. A broker\n"
	   "cannot be asked: it reads nothing. The search is recorded with TERM sealed."),
	subject_table, run_subject,
};
