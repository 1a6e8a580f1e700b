/* local_ask: every key of a request by a table; what is not in it is refused by name. */
#include "clients/partner/local_ask.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "proto/json_look.h"
#include "proto/seal.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *const verbs[] = {"publish", "inbox", "state", "status", "trace", "agreement", "cases", "case", "move", "fate", "recalls", "opened", "receipts", "approve",
                                   "refuse", "releases", "audit", "subject", "seen", "backup", "meant", "sent"};

/* ---- values ---- */

static enum kw_err
want_text(const char **out, const json_t *v, const char *key, struct kw_why *why)
{
	if (!json_is_string(v))
		return kw_refuse(why, KW_EINVAL, "%s must be a text", key);
	*out = json_string_value(v);
	return KW_OK;
}

static enum kw_err
want_number(uint64_t *out, const json_t *v, const char *key, uint64_t lo, uint64_t hi, struct kw_why *why)
{
	if (!json_is_integer(v) || json_integer_value(v) < 0)
		return kw_refuse(why, KW_EINVAL, "%s must be a whole number", key);
	if ((uint64_t)json_integer_value(v) < lo || (uint64_t)json_integer_value(v) > hi)
		return kw_refuse(why, KW_ELIMIT, "%s is %lld, must be %llu to %llu", key, (long long)json_integer_value(v), (unsigned long long)lo,
		                 (unsigned long long)hi);
	*out = (uint64_t)json_integer_value(v);
	return KW_OK;
}

static enum kw_err
want_bool(bool *out, const json_t *v, const char *key, struct kw_why *why)
{
	if (!json_is_boolean(v))
		return kw_refuse(why, KW_EINVAL, "%s must be true or false", key);
	*out = json_is_true(v);
	return KW_OK;
}

/* One of words; the sentence lists them. */
static enum kw_err
want_word(unsigned *out, const json_t *v, const char *key, const char *const *words, size_t n, struct kw_why *why)
{
	const char *text = "?";
	struct buf list = BUF_INIT(256);

	if (json_is_string(v))
		text = json_string_value(v);
	for (size_t i = 0; i < n; i++) {
		buf_printf(&list, "%s%s", i > 0 ? ", " : "", words[i]);
		if (strcmp(words[i], text) != 0)
			continue;
		*out = (unsigned)i;
		buf_free(&list);
		return KW_OK;
	}
	(void)kw_refuse(why, KW_EINVAL, "%s is \"%.32s\", must be one of: %s", key, text, buf_text(&list));
	buf_free(&list);
	return KW_EINVAL;
}

static enum kw_err
want_id(uint8_t out[KW_ID_LEN], const json_t *v, const char *key, struct kw_why *why)
{
	if (!json_is_string(v) || !kw_id_parse(out, json_string_value(v)))
		return kw_refuse(why, KW_EINVAL, "%s is \"%.64s\", must be a notification's id of 36 characters", key, json_is_string(v) ? json_string_value(v) : "?");
	return KW_OK;
}

/* ---- keys ---- */

static enum kw_err
take_topic(struct ask *a, const json_t *v, const char *key, struct kw_why *why)
{
	return want_text(a->verb == ASK_PUBLISH ? &a->publish.topic : &a->query.filter, v, key, why);
}

static enum kw_err
take_form(struct ask *a, const json_t *v, const char *key, struct kw_why *why)
{
	static const char *const forms[] = {"json", "cap"};
	unsigned i = 0;
	enum kw_err err = want_word(&i, v, key, forms, COUNT(forms), why);

	a->publish.form = i == 0 ? INTAKE_JSON : INTAKE_CAP;
	return err;
}

static enum kw_err
take_type(struct ask *a, const json_t *v, const char *key, struct kw_why *why)
{
	static const char *const types[] = {"notice", "update", "cancel", "request"};
	unsigned i = 0;
	enum kw_err err = want_word(&i, v, key, types, COUNT(types), why);

	a->publish.type = types[i];
	return err;
}

static enum kw_err
take_lane(struct ask *a, const json_t *v, const char *key, struct kw_why *why)
{
	static const char *const lanes[] = {"flash", "urgent", "routine"};
	unsigned i = 0;
	enum kw_err err = want_word(&i, v, key, lanes, COUNT(lanes), why);

	a->publish.lane = lanes[i];
	return err;
}

static enum kw_err
take_about(struct ask *a, const json_t *v, const char *key, struct kw_why *why)
{
	return want_text(&a->publish.about, v, key, why);
}

static enum kw_err
take_to(struct ask *a, const json_t *v, const char *key, struct kw_why *why)
{
	size_t n = json_array_size(v);

	if (!json_is_array(v))
		return kw_refuse(why, KW_EINVAL, "%s must be a list of nodes", key);
	if (n > KW_TO_MAX)
		return kw_refuse(why, KW_ELIMIT, "%s names %zu nodes, at most %d are allowed; name none for all readers of the topic", key, n, KW_TO_MAX);
	if (n == 0)
		return KW_OK;
	if ((a->publish.to = calloc(n, sizeof *a->publish.to)) == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for a request");
	for (size_t i = 0; i < n; i++) {
		const char *node = json_string_value(json_array_get(v, i));

		if (node == NULL || strlen(node) > KW_NODE_MAX)
			return kw_refuse(why, KW_EINVAL, "%s[%zu] must be a node, PARTNER/NODE, of at most %d bytes", key, i, KW_NODE_MAX);
		memcpy(a->publish.to[i], node, strlen(node) + 1);
	}
	a->publish.to_count = (uint32_t)n;
	return KW_OK;
}

static enum kw_err
take_expires(struct ask *a, const json_t *v, const char *key, struct kw_why *why)
{
	return want_number(&a->publish.expires_ms, v, key, 0, INT64_MAX, why);
}

static enum kw_err
take_confirm(struct ask *a, const json_t *v, const char *key, struct kw_why *why)
{
	return want_bool(&a->publish.confirm_at_once, v, key, why);
}

static enum kw_err
take_after(struct ask *a, const json_t *v, const char *key, struct kw_why *why)
{
	return want_number(&a->query.after_seq, v, key, 0, INT64_MAX, why);
}

static enum kw_err
take_before(struct ask *a, const json_t *v, const char *key, struct kw_why *why)
{
	return want_number(&a->before_seq, v, key, 1, INT64_MAX, why);
}

static enum kw_err
take_since(struct ask *a, const json_t *v, const char *key, struct kw_why *why)
{
	return want_number(&a->query.since_ms, v, key, 0, INT64_MAX, why);
}

static enum kw_err
take_limit(struct ask *a, const json_t *v, const char *key, struct kw_why *why)
{
	uint64_t limit = 0;
	enum kw_err err = want_number(&limit, v, key, 1, ASK_ROWS_MAX, why);

	a->query.limit = (uint32_t)limit;
	return err;
}

static enum kw_err
take_rejected(struct ask *a, const json_t *v, const char *key, struct kw_why *why)
{
	return want_bool(&a->query.rejected, v, key, why);
}

static enum kw_err
take_receipts(struct ask *a, const json_t *v, const char *key, struct kw_why *why)
{
	return want_bool(&a->query.receipts, v, key, why);
}

static enum kw_err
take_content(struct ask *a, const json_t *v, const char *key, struct kw_why *why)
{
	static const char *const contents[] = {"none", "json", "cap", "text"};
	unsigned i = 0;
	enum kw_err err = want_word(&i, v, key, contents, COUNT(contents), why);

	a->content = (enum row_content)i;
	return err;
}

static enum kw_err
take_id(struct ask *a, const json_t *v, const char *key, struct kw_why *why)
{
	a->query.has_id = a->verb == ASK_INBOX;
	return want_id(a->verb == ASK_INBOX ? a->query.id : a->id, v, key, why);
}

static enum kw_err
take_all(struct ask *a, const json_t *v, const char *key, struct kw_why *why)
{
	return want_bool(&a->all, v, key, why);
}

static enum kw_err
take_move(struct ask *a, const json_t *v, const char *key, struct kw_why *why)
{
	static const char *const moves[] = {"take", "decline", "hand_over", "return", "done", "reopen", "note", "recall", "forward"};
	unsigned i = 0;
	enum kw_err err = want_word(&i, v, key, moves, COUNT(moves), why);

	MUST(err != KW_OK || desk_move_type(&a->move.type, moves[i]));
	return err;
}

static enum kw_err
take_whom(struct ask *a, const json_t *v, const char *key, struct kw_why *why)
{
	return want_text(&a->move.to, v, key, why);
}

static enum kw_err
take_text(struct ask *a, const json_t *v, const char *key, struct kw_why *why)
{
	return want_text(&a->move.text, v, key, why);
}

static enum kw_err
take_as(struct ask *a, const json_t *v, const char *key, struct kw_why *why)
{
	enum kw_err err = want_text(&a->move.as, v, key, why);

	a->as = a->move.as;
	if (err == KW_OK && strlen(a->as) > DESK_MOVE_AS_MAX)
		return kw_refuse(why, KW_ELIMIT, "the name of who does it has %zu bytes, at most %u are allowed", strlen(a->as), DESK_MOVE_AS_MAX);
	return err;
}

static enum kw_err
take_reason(struct ask *a, const json_t *v, const char *key, struct kw_why *why)
{
	enum kw_err err = want_text(&a->reason, v, key, why);

	if (err == KW_OK && strlen(a->reason) > ASK_REASON_MAX)
		return kw_refuse(why, KW_ELIMIT, "%s has %zu bytes, at most %u are allowed", key, strlen(a->reason), ASK_REASON_MAX);
	if (err == KW_OK && text_unclean_at(span_str(a->reason), TEXT_LINE) != SIZE_MAX)
		return kw_refuse(why, KW_EINVAL, "%s has a character that may not be shown, at byte %zu; leave it out", key, text_unclean_at(span_str(a->reason), TEXT_LINE));
	return err;
}

static enum kw_err
take_term(struct ask *a, const json_t *v, const char *key, struct kw_why *why)
{
	enum kw_err err = want_text(&a->term, v, key, why);

	if (err == KW_OK && (strlen(a->term) < ASK_TERM_MIN || strlen(a->term) > ASK_TERM_MAX))
		return kw_refuse(why, KW_ELIMIT, "%s has %zu bytes, must be %u to %u", key, strlen(a->term), ASK_TERM_MIN, ASK_TERM_MAX);
	if (err == KW_OK && text_unclean_at(span_str(a->term), TEXT_LINE) != SIZE_MAX)
		return kw_refuse(why, KW_EINVAL, "%s has a character that may not be shown, at byte %zu; leave it out", key, text_unclean_at(span_str(a->term), TEXT_LINE));
	return err;
}

static enum kw_err
take_piece(struct ask *a, const json_t *v, const char *key, struct kw_why *why)
{
	const char *piece = json_is_string(v) ? json_string_value(v) : "";
	size_t len = strlen(piece);

	if (len < KW_ID_PIECE_MIN || len >= sizeof a->meant.piece || strspn(piece, "0123456789abcdefABCDEF-") != len)
		return kw_refuse(why, KW_EINVAL, "%s is \"%.64s\", must be %d to 36 characters of an id", key, piece, KW_ID_PIECE_MIN);
	memcpy(a->meant.piece, piece, len + 1);
	return KW_OK;
}

static enum kw_err
take_sent(struct ask *a, const json_t *v, const char *key, struct kw_why *why)
{
	return want_bool(&a->meant.sent, v, key, why);
}

static enum kw_err
take_audit(struct ask *a, const json_t *v, const char *key, struct kw_why *why)
{
	enum kw_err err = page_ask_read(&a->audit, json_incref((json_t *)(uintptr_t)v), why);

	if (err == KW_OK && a->audit.has_commits)
		return kw_refuse(why, KW_EINVAL, "%s: commits_after is for a broker; a node has \"seen\"", key);
	return err;
}

static enum kw_err
take_backup(struct ask *a, const json_t *v, const char *key, struct kw_why *why)
{
	enum kw_err err = backup_ask_read(&a->backup, json_incref((json_t *)(uintptr_t)v), why);

	if (err == KW_OK && (a->backup.as != NULL || a->backup.reason != NULL))
		return kw_refuse(why, KW_EINVAL, "%s: who asks and why stands beside it, under as and reason", key);
	return err;
}

static enum kw_err
take_within(struct ask *a, const json_t *v, const char *key, struct kw_why *why)
{
	uint64_t s = 0;
	enum kw_err err = want_number(&s, v, key, 1, 30u * 24 * 3600, why);

	a->publish.take_within_s = (uint32_t)s;
	return err;
}

static enum kw_err
take_not_before(struct ask *a, const json_t *v, const char *key, struct kw_why *why)
{
	return want_number(&a->publish.not_before_ms, v, key, 0, INT64_MAX, why);
}

static enum kw_err
take_text_hash(struct ask *a, const json_t *v, const char *key, struct kw_why *why)
{
	return want_text(&a->text_hash, v, key, why);
}

static enum kw_err
take_stage(struct ask *a, const json_t *v, const char *key, struct kw_why *why)
{
	static const char *const stages[] = {"stored", "delivered"};
	unsigned i = 0;
	enum kw_err err = want_word(&i, v, key, stages, COUNT(stages), why);

	a->stage = (enum ask_stage)i;
	return err;
}

static enum kw_err
take_wait(struct ask *a, const json_t *v, const char *key, struct kw_why *why)
{
	return want_number(&a->wait_ms, v, key, 0, ASK_WAIT_MAX, why);
}

static enum kw_err
take_version(struct ask *a, const json_t *v, const char *key, struct kw_why *why)
{
	uint64_t version = 0;
	enum kw_err err = want_number(&version, v, key, 1, UINT32_MAX, why);

	a->version = (uint32_t)version;
	return err;
}

#define BIT(verb) (1u << (verb))

static const struct key {
	const char *name;
	unsigned verbs;     /* where it may stand */
	unsigned wanted;    /* where it must */
	enum kw_err (*take)(struct ask *a, const json_t *v, const char *key, struct kw_why *why);
} keys[] = {
	{"topic", BIT(ASK_PUBLISH) | BIT(ASK_INBOX) | BIT(ASK_SENT), BIT(ASK_PUBLISH), take_topic},
	{"form", BIT(ASK_PUBLISH), BIT(ASK_PUBLISH), take_form},
	{"type", BIT(ASK_PUBLISH), 0, take_type},
	{"about", BIT(ASK_PUBLISH), 0, take_about},
	{"lane", BIT(ASK_PUBLISH), 0, take_lane},
	{"to", BIT(ASK_PUBLISH), 0, take_to},
	{"expires_ms", BIT(ASK_PUBLISH), 0, take_expires},
	{"confirm_at_once", BIT(ASK_PUBLISH), 0, take_confirm},
	{"take_within_s", BIT(ASK_PUBLISH), 0, take_within},
	{"not_before_ms", BIT(ASK_PUBLISH), 0, take_not_before},
	{"text_hash", BIT(ASK_APPROVE), 0, take_text_hash},
	{"all", BIT(ASK_CASES) | BIT(ASK_RELEASES), 0, take_all},
	{"move", BIT(ASK_MOVE), BIT(ASK_MOVE), take_move},
	{"whom", BIT(ASK_MOVE), 0, take_whom},
	{"text", BIT(ASK_MOVE) | BIT(ASK_REFUSE), BIT(ASK_REFUSE), take_text},
	{"as", BIT(ASK_MOVE) | BIT(ASK_OPENED) | BIT(ASK_APPROVE) | BIT(ASK_REFUSE) | BIT(ASK_PUBLISH) | BIT(ASK_INBOX) | BIT(ASK_AUDIT) | BIT(ASK_SUBJECT) | BIT(ASK_BACKUP) | BIT(ASK_SENT), 0, take_as},
	{"reason", BIT(ASK_PUBLISH) | BIT(ASK_INBOX) | BIT(ASK_AUDIT) | BIT(ASK_SUBJECT) | BIT(ASK_BACKUP) | BIT(ASK_SENT), 0, take_reason},
	{"term", BIT(ASK_SUBJECT), BIT(ASK_SUBJECT), take_term},
	{"piece", BIT(ASK_MEANT), BIT(ASK_MEANT), take_piece},
	{"sent", BIT(ASK_MEANT), 0, take_sent},
	{"audit", BIT(ASK_AUDIT), BIT(ASK_AUDIT), take_audit},
	{"backup", BIT(ASK_BACKUP), BIT(ASK_BACKUP), take_backup},
	{"after_seq", BIT(ASK_INBOX) | BIT(ASK_SUBJECT), 0, take_after},
	{"before_seq", BIT(ASK_SENT), 0, take_before},
	{"since_ms", BIT(ASK_INBOX) | BIT(ASK_SENT), 0, take_since},
	{"limit", BIT(ASK_INBOX) | BIT(ASK_SENT) | BIT(ASK_CASES) | BIT(ASK_RELEASES), 0, take_limit},
	{"rejected", BIT(ASK_INBOX), 0, take_rejected},
	{"receipts", BIT(ASK_INBOX), 0, take_receipts},
	{"content", BIT(ASK_INBOX), 0, take_content},
	{"id", BIT(ASK_INBOX) | BIT(ASK_STATE) | BIT(ASK_TRACE) | BIT(ASK_CASE) | BIT(ASK_MOVE) | BIT(ASK_FATE) | BIT(ASK_RECALLS) | BIT(ASK_OPENED) | BIT(ASK_RECEIPTS) |
	 BIT(ASK_APPROVE) | BIT(ASK_REFUSE),
	 BIT(ASK_STATE) | BIT(ASK_TRACE) | BIT(ASK_CASE) | BIT(ASK_MOVE) | BIT(ASK_FATE) | BIT(ASK_RECALLS) | BIT(ASK_OPENED) | BIT(ASK_RECEIPTS) | BIT(ASK_APPROVE) | BIT(ASK_REFUSE), take_id},
	{"stage", BIT(ASK_STATE), BIT(ASK_STATE), take_stage},
	{"version", BIT(ASK_AGREEMENT), 0, take_version},
	{"wait_ms", BIT(ASK_INBOX) | BIT(ASK_STATE) | BIT(ASK_FATE), 0, take_wait},
};

static const struct key *
key_of(const char *name, enum ask_verb verb)
{
	for (size_t i = 0; i < COUNT(keys); i++)
		if (strcmp(keys[i].name, name) == 0 && (keys[i].verbs & BIT(verb)) != 0)
			return &keys[i];
	return NULL;
}

/* ---- the whole ---- */

enum kw_err
ask_open(struct ask *out, struct span bytes, struct kw_why *why)
{
	json_error_t error;
	const json_t *v;
	enum kw_err err;

	memset(out, 0, sizeof *out);
	out->language = "en";
	out->query.limit = ASK_ROWS_MAX;
	if (bytes.len > ASK_MAX)
		return kw_refuse(why, KW_ELIMIT, "the request has %zu bytes, at most %u are allowed", bytes.len, ASK_MAX);
	if (json_too_deep_at(bytes) != SIZE_MAX)
		return kw_refuse(why, KW_ELIMIT, "the request nests more than %d deep", JSON_DEPTH_MAX);
	out->doc = json_loadb((const char *)bytes.p, bytes.len, JSON_REJECT_DUPLICATES, &error);
	if (!json_is_object(out->doc))
		return kw_refuse(why, KW_EPROTO, "the request is no JSON object: %s", out->doc == NULL ? error.text : "it is another value");
	if ((v = json_object_get(out->doc, "language")) != NULL && (err = want_text(&out->language, v, "language", why)) != KW_OK)
		return err;
	if ((v = json_object_get(out->doc, "request")) == NULL)
		return kw_refuse(why, KW_EINVAL, "the key \"%s\" is missing", "request");
	return want_number(&out->request, v, "request", 0, INT64_MAX, why);
}

static enum kw_err
read_verb(struct ask *a, struct kw_why *why)
{
	const json_t *v = json_object_get(a->doc, "verb");
	unsigned i = 0;
	enum kw_err err;

	if (v == NULL)
		return kw_refuse(why, KW_EINVAL, "the key \"%s\" is missing", "verb");
	err = want_word(&i, v, "verb", verbs, COUNT(verbs), why);
	a->verb = (enum ask_verb)i;
	return err;
}

enum kw_err
ask_read(struct ask *a, struct kw_why *why)
{
	enum kw_err err = read_verb(a, why);
	const char *name;
	json_t *v;

	if (err != KW_OK)
		return err;
	json_object_foreach(a->doc, name, v) {
		const struct key *k = key_of(name, a->verb);

		if (strcmp(name, "request") == 0 || strcmp(name, "verb") == 0 || strcmp(name, "language") == 0)
			continue;
		if (k == NULL)
			return kw_refuse(why, KW_EINVAL, "the key \"%.32s\" is not known for the verb %s", name, verbs[a->verb]);
		if ((err = k->take(a, v, k->name, why)) != KW_OK)
			return err;
	}
	for (size_t i = 0; i < COUNT(keys); i++)
		if ((keys[i].wanted & BIT(a->verb)) != 0 && json_object_get(a->doc, keys[i].name) == NULL)
			return kw_refuse(why, KW_EINVAL, "the key \"%s\" is missing", keys[i].name);
	return KW_OK;
}

void
ask_free(struct ask *a)
{
	page_ask_free(&a->audit);
	backup_ask_free(&a->backup);
	json_decref(a->doc);
	free(a->publish.to);
	memset(a, 0, sizeof *a);
}
