/* broker_trace: see its header. */
#include "clients/cli/broker_trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "clients/cli/agreement_file.h"
#include "clients/cli/look.h"
#include "clients/cli/notice.h"
#include "clients/cli/versions.h"
#include "clients/cli/when.h"
#include "proto/commit.h"
#include "proto/seal.h"

#define REMEDIES_SHOWN 8u /* of readers that do not have it; the table has all */
#define WAIT_MS 30000u
#define PAUSE_NS 10000000l    /* between two pages: the broker has more to do */
#define REST_NS 500000000l    /* where it has no pages left in this second */
#define RESTS_MAX 60

/* ---- pages ---- */

/* Takes request. Where others use up what the broker answers in a second, it is asked again a little later. */
static enum kw_err
ask(json_t **out, struct broker_ask *b, enum admin_verb verb, json_t *request, struct kw_why *why)
{
	const struct timespec rest = {0, REST_NS};
	char *text = json_dumps(request, JSON_COMPACT);
	enum kw_err err = KW_OK;

	json_decref(request);
	for (int n = 0; n < RESTS_MAX; n++) {
		struct buf answer = BUF_INIT(KW_MESSAGE_MAX);

		err = broker_ask(&answer, b, verb, span_str(text), span_of(NULL, 0), WAIT_MS, why);
		if (err == KW_OK && (*out = json_loadb((const char *)answer.p, answer.len, 0, NULL)) == NULL)
			err = kw_refuse(why, KW_EPROTO, "what the broker answered is no JSON");
		buf_free(&answer);
		if (err != KW_EDENIED || strstr(why->text, "ask again in the next") == NULL)
			break;
		(void)nanosleep(&rest, NULL);
	}
	free(text);
	return err;
}

static enum kw_err
more_readers(json_t *trace, struct broker_ask *b, struct kw_why *why)
{
	json_t *readers = json_object_get(trace, "readers");
	enum kw_err err = KW_OK;

	while (err == KW_OK && json_array_size(readers) < look_number(trace, "readers_total")) {
		json_t *page = NULL;
		size_t before = json_array_size(readers);

		err = ask(&page, b, ADMIN_TRACE, json_pack("{s:s, s:s, s:I}", "id", look_text(trace, "id"), "sender", look_text(trace, "notification.sender"),
		          "readers_from", (json_int_t)before), why);
		if (err == KW_OK)
			json_array_extend(readers, json_object_get(page, "readers"));
		json_decref(page);
		if (json_array_size(readers) == before)
			break;
	}
	json_object_del(trace, "readers_from");
	return err;
}

static enum kw_err
find_about(json_t *trace, struct broker_ask *b, uint64_t further, struct kw_why *why)
{
	const struct timespec pause = {0, PAUSE_NS};
	uint64_t begin = look_number(trace, "after"), after = begin, tail = look_number(trace, "tail");
	json_t *about = json_array();
	bool more = true;
	enum kw_err err = KW_OK;

	while (more && err == KW_OK && after - begin < further) {
		json_t *page = NULL;

		err = ask(&page, b, ADMIN_TRACE, json_pack("{s:s, s:s, s:I}", "id", look_text(trace, "id"), "lane", look_text(trace, "lane"), "after", (json_int_t)after), why);
		if (err == KW_OK) {
			json_array_extend(about, json_object_get(page, "about"));
			more = look_flag(page, "more") && look_number(page, "after") > after;
			after = look_number(page, "after") > after ? look_number(page, "after") : after;
			tail = look_number(page, "tail");
		}
		json_decref(page);
		if (more && err == KW_OK)
			(void)nanosleep(&pause, NULL);
	}
	json_object_del(trace, "after");
	json_object_set_new(trace, "about", about);
	json_object_set_new(trace, "looked_up_to", json_integer((json_int_t)after));
	json_object_set_new(trace, "looked_at_all", json_boolean(!more));
	json_object_set_new(trace, "tail", json_integer((json_int_t)tail));
	return err;
}

/* ---- the proof ---- */

/* NULL: it holds; else what does not. */
static const char *
judge(const json_t *trace, const uint8_t broker_pk[KW_KEY_LEN])
{
	const json_t *steps = look_at(trace, "commit.path");
	uint8_t record[WIRE_COMMIT_LEN], path[KW_PATH_MAX][KW_HASH_LEN], frame_hash[KW_HASH_LEN], hash[KW_HASH_LEN], id[KW_ID_LEN];
	struct leaf leaf = {.sender = look_text(trace, "notification.sender"), .id = id, .frame_hash = frame_hash};
	uint32_t len = 0;
	struct commit c;

	if (!json_is_object(look_at(trace, "commit")))
		return N_("the broker does not keep the commit any more");
	if (!text_hex(record, sizeof record, look_text(trace, "commit.record")) || !text_hex(frame_hash, sizeof frame_hash, look_text(trace, "notification.frame_hash")) ||
	    !kw_id_parse(id, look_text(trace, "id")) || commit_decode(&c, record, NULL) != KW_OK || !lane_of(&leaf.at.lane, look_text(trace, "notification.lane")))
		return N_("what the broker gives as its proof cannot be read");
	for (; len < json_array_size(steps) && len < KW_PATH_MAX; len++)
		if (!json_is_string(json_array_get(steps, len)) || !text_hex(path[len], KW_HASH_LEN, json_string_value(json_array_get(steps, len))))
			return N_("what the broker gives as its proof cannot be read");
	if (!commit_verify(record, broker_pk))
		return N_("the commit is not signed by the broker's key of the agreement");
	leaf.at.log_epoch = (uint32_t)look_number(trace, "notification.log_epoch");
	leaf.at.number = look_number(trace, "notification.number");
	commit_leaf(hash, &leaf);
	if (!commit_path_holds(c.root, c.count, (uint32_t)look_number(trace, "commit.index"), hash, (const uint8_t (*)[KW_HASH_LEN])path, len))
		return N_("the path does not lead from the notification to the commit");
	return NULL;
}

static enum kw_err
verify(json_t *trace, struct broker_ask *b, const char *file, struct kw_why *why)
{
	struct agreement *a = NULL;
	const char *fault;
	enum kw_err err = file != NULL ? agreement_file_read(&a, file, NULL, why) : versions_ask(&a, b, 0, why);
	json_t *commit = json_object_get(trace, "commit");

	if (err != KW_OK)
		return err;
	fault = judge(trace, agreement_broker(a)->sign_pk);
	agreement_free(&a);
	if (!json_is_object(commit))
		json_object_set_new(trace, "commit", commit = json_object());
	json_object_set_new(commit, "verified", json_boolean(fault == NULL));
	json_object_set_new(commit, "proof", json_string(fault != NULL ? fault : ""));
	return KW_OK;
}

/* ---- the whole ---- */

static enum kw_err
whole_id(char out[37], const json_t *known, const char *piece, struct kw_why *why)
{
	const json_t *ids = look_at(known, "ids");
	uint8_t id[KW_ID_LEN];

	if (kw_id_parse(id, piece)) {
		kw_id_text(out, id);
		return KW_OK;
	}
	if (json_array_size(ids) == 0)
		return kw_refuse(why, KW_ENOTFOUND, "nothing that begins or ends with \"%.40s\" is among the newest of the log or of what was refused; give the whole id", piece);
	if (json_array_size(ids) > 1)
		return kw_refuse(why, KW_EINVAL, "\"%.40s\" may be %s, %s%s; give more of it", piece, json_string_value(json_array_get(ids, 0)), json_string_value(json_array_get(ids, 1)),
		                 json_array_size(ids) > 2 ? " …" : "");
	(void)snprintf(out, 37, "%s", json_string_value(json_array_get(ids, 0)));
	return KW_OK;
}

static enum kw_err
none(const json_t *known, const char *id, struct kw_why *why)
{
	char since[TEXT_TIME_MAX];

	text_put_time_utc(since, look_number(known, "remembers_since_ms"));
	return kw_refuse(why, KW_ENOTFOUND, "%s is not in the broker's log, or what shows it is no longer kept; and it was not refused since %s, the broker remembers no further", id, since);
}

static enum kw_err
gather(json_t **out, struct broker_ask *b, const json_t *known, const char *id, const char *agreement, uint64_t further, struct kw_why *why)
{
	enum kw_err err = ask(out, b, ADMIN_TRACE, json_pack("{s:s}", "id", id), why);

	if (err == KW_OK && !look_flag(*out, "found") && json_array_size(look_at(known, "refusals")) == 0)
		err = none(known, id, why);
	if (err != KW_OK || !look_flag(*out, "found"))
		return err;
	if ((err = more_readers(*out, b, why)) == KW_OK)
		err = find_about(*out, b, further, why);
	return err == KW_OK ? verify(*out, b, agreement, why) : err;
}

enum kw_err
broker_trace(json_t **out, struct broker_ask *b, const char *piece, const char *agreement, uint64_t further, struct kw_why *why)
{
	size_t len = strlen(piece);
	json_t *known = NULL, *trace = NULL;
	char id[37];
	enum kw_err err;

	if (len < 4 || len > 36 || strspn(piece, "0123456789abcdefABCDEF-") != len)
		return kw_refuse(why, KW_EINVAL, "\"%.40s\" is no notification's id, nor 4 characters or more of its beginning or end", piece);
	if ((err = ask(&known, b, ADMIN_EXPLAIN, json_pack("{s:s}", "id", piece), why)) != KW_OK)
		return err;
	if ((err = whole_id(id, known, piece, why)) == KW_OK)
		err = gather(&trace, b, known, id, agreement, further, why);
	if (err == KW_OK) {
		json_object_set_new(trace, "refusals", json_incref(json_object_get(known, "refusals")));
		json_object_set_new(trace, "remembers_since_ms", json_incref(json_object_get(known, "remembers_since_ms")));
		*out = trace;
	} else {
		json_decref(trace);
	}
	json_decref(known);
	return err;
}

const char *
broker_trace_agreement(const struct broker_way *w)
{
	return w->agreement != NULL ? w->agreement : w->key != NULL ? AGREEMENT_DEFAULT_PATH : NULL;
}

/* ---- for people ---- */

void
broker_trace_show_refusals(const struct cli *c, const json_t *trace, uint64_t now_ms)
{
	json_t *one;
	size_t i;

	json_array_foreach(look_at(trace, "refusals"), i, one) {
		char line[1024], at[WHEN_MAX];

		when_put(at, look_number(one, "time_ms"), now_ms);
		if (look_number(one, "times") > 1)
			(void)snprintf(line, sizeof line, _("Put off %llu times, last at %s (%s): %s. %s offers it again."), (unsigned long long)look_number(one, "times"), at, look_text(one, "code"),
			               look_text(one, "says"), look_text(one, "sender"));
		else if (!look_flag(one, "for_good") && strcmp(look_text(one, "code"), "agreement_old") != 0)
			(void)snprintf(line, sizeof line, _("Put off at %s (%s): %s. %s offers it again."), at, look_text(one, "code"), look_text(one, "says"), look_text(one, "sender"));
		else
			(void)snprintf(line, sizeof line, _("Refused at %s, from %s (%s): %s."), at, look_text(one, "sender"), look_text(one, "code"), look_text(one, "says"));
		cli_paragraph(c, look_flag(one, "for_good") && !look_flag(trace, "found") ? CLI_RED : CLI_YELLOW, line);
	}
}

void
broker_trace_show_itself(const struct cli *c, const json_t *trace, uint64_t now_ms)
{
	const json_t *n = look_at(trace, "notification");
	char line[512], at[WHEN_MAX];

	(void)snprintf(line, sizeof line, _("%s on %s, from %s"), notice_kind(look_text(n, "type")), look_text(n, "topic"), look_text(n, "sender"));
	cli_paragraph(c, CLI_BOLD, line);
	cli_field(c, _("id"), CLI_PLAIN, look_text(trace, "id"));
	when_put(at, look_number(n, "created_ms"), now_ms);
	cli_field(c, _("made"), CLI_PLAIN, at);
	when_put(at, look_number(n, "time_ms"), now_ms);
	(void)snprintf(line, sizeof line, _("%s as %s %llu, log epoch %llu, commit %llu"), at, look_text(n, "lane"), (unsigned long long)look_number(n, "number"),
	               (unsigned long long)look_number(n, "log_epoch"), (unsigned long long)look_number(trace, "commit.number"));
	cli_field(c, _("stored"), CLI_PLAIN, line);
	if (look_flag(trace, "commit.verified"))
		cli_field(c, _("proof"), CLI_GREEN, _("holds: the commit is signed by the broker and leads to exactly this"));
	else
		cli_field(c, _("proof"), CLI_RED, gettext(look_text(trace, "commit.proof")));
	when_put_until(at, look_number(n, "expires_ms"), now_ms);
	(void)snprintf(line, sizeof line, look_number(n, "expires_ms") <= now_ms ? _("%s; who comes now gets its bare head") : "%s", at);
	cli_field(c, _("kept until"), CLI_PLAIN, line);
	if (look_flag(n, "recalled"))
		cli_field(c, _("recalled"), CLI_YELLOW, _("yes, its content is gone"));
	(void)snprintf(line, sizeof line, _("version %llu"), (unsigned long long)look_number(n, "agreement_version"));
	cli_field(c, _("agreement"), CLI_PLAIN, line);
}

const char *
broker_trace_state(const json_t *reader, enum cli_colour *colour)
{
	const char *state = look_text(reader, "state");
	bool passed = strcmp(state, "passed") == 0, whole = look_flag(reader, "subscribed");

	*colour = passed ? CLI_GREEN : CLI_YELLOW;
	if (passed)
		return whole ? _("has it") : _("has its head");
	if (strcmp(state, "suspended") == 0)
		return _("is suspended");
	if (strcmp(state, "away") == 0)
		return _("is away");
	if (strcmp(state, "behind") == 0)
		return _("still reads what is before it");
	if (strcmp(state, "window") == 0)
		return _("its window is full");
	if (strcmp(state, "left") == 0)
		return _("left the agreement");
	return _("sent, not confirmed");
}

/* "delivered 03:12, opened 03:14": what this node said of it, as far as headers tell. */
static void
put_receipts(char *out, size_t size, const json_t *trace, const char *node, uint64_t now_ms)
{
	json_t *one;
	size_t i;

	out[0] = '\0';
	json_array_foreach(look_at(trace, "about"), i, one) {
		size_t len = strlen(out);
		char at[WHEN_MAX];

		if (strcmp(look_text(one, "sender"), node) != 0 || len + 64 > size)
			continue;
		when_put(at, look_number(one, "time_ms"), now_ms);
		(void)snprintf(out + len, size - len, "%s%s %s", len > 0 ? ", " : "", notice_kind(look_text(one, "type")), at);
	}
}

static void
show_readers(const struct cli *c, const json_t *trace, uint64_t now_ms)
{
	struct cli_table *t = cli_table_new(3);
	json_t *one;
	size_t i;

	cli_table_cell(t, CLI_PLAIN, "%s", _("node"));
	cli_table_cell(t, CLI_PLAIN, "%s", _("state"));
	cli_table_cell(t, CLI_PLAIN, "%s", _("what it said of it"));
	json_array_foreach(look_at(trace, "readers"), i, one) {
		enum cli_colour colour;
		const char *state = broker_trace_state(one, &colour);
		char receipts[512];

		put_receipts(receipts, sizeof receipts, trace, look_text(one, "node"), now_ms);
		cli_table_cell(t, CLI_PLAIN, "%s", look_text(one, "node"));
		cli_table_cell(t, colour, "%s", state);
		cli_table_cell(t, CLI_PLAIN, "%s", receipts);
	}
	(void)printf("\n");
	cli_table_shrink(t, 2);
	cli_table_print(c, t, true);
}

void
broker_trace_remedy(const struct cli *c, const json_t *one)
{
	const char *state = look_text(one, "state"), *node = look_text(one, "node");
	char line[512] = "";

	if (strcmp(state, "suspended") == 0)
		(void)snprintf(line, sizeof line, _("%s is suspended by an operator and gets it when that is over; \"kurzweg nodes %s\" says until when and why."), node, node);
	else if (strcmp(state, "away") == 0)
		(void)snprintf(line, sizeof line, _("%s is not connected and gets it when it comes back; call them if it lasts."), node);
	else if (strcmp(state, "behind") == 0)
		(void)snprintf(line, sizeof line, _("%s is connected and is at %llu of this lane; what stands before it goes first."), node, (unsigned long long)look_number(one, "cursor"));
	else if (strcmp(state, "window") == 0)
		(void)snprintf(line, sizeof line, _("%s has %llu unconfirmed, as many as it takes: its node is slow or hangs; look at \"kurzweg status\" there."), node,
		               (unsigned long long)look_number(one, "unacknowledged"));
	else if (!look_flag(one, "subscribed"))
		(void)snprintf(line, sizeof line, _("%s did not subscribe to the topic, so it gets the head alone; \"subscribe\" in its partner.yaml says so."), node);
	if (line[0] != '\0')
		cli_paragraph(c, CLI_PLAIN, line);
}

static void
show_limits(const struct cli *c, const json_t *trace)
{
	struct buf note = BUF_INIT(4096);

	if (!look_flag(trace, "looked_at_all"))
		cli_note(c, _("Looked at the log up to %llu of %llu; --further looks on."), (unsigned long long)look_number(trace, "looked_up_to"),
		         (unsigned long long)look_number(trace, "tail"));
	cli_put_wrapped(&note, _("A receipt for several names the others under its seal: who said nothing here may have confirmed it all the same."), c->columns, 0, 0);
	for (const char *at = cli_text(&note), *end; *at != '\0'; at = *end != '\0' ? end + 1 : end) {
		end = strchrnul(at, '\n');
		cli_note(c, "%.*s", (int)(end - at), at);
	}
	buf_free(&note);
}

void
broker_trace_show(const struct cli *c, const json_t *trace, uint64_t now_ms)
{
	json_t *one;
	size_t i, told = 0;

	if (look_flag(trace, "found"))
		broker_trace_show_itself(c, trace, now_ms);
	broker_trace_show_refusals(c, trace, now_ms);
	if (!look_flag(trace, "found"))
		return;
	show_readers(c, trace, now_ms);
	json_array_foreach(look_at(trace, "readers"), i, one)
		if (strcmp(look_text(one, "state"), "passed") != 0 && told++ < REMEDIES_SHOWN)
			broker_trace_remedy(c, one);
	show_limits(c, trace);
}
