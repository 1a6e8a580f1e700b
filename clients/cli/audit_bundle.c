/* audit_bundle: see its header. */
#include "clients/cli/audit_bundle.h"

#include <stdlib.h>
#include <string.h>

#include "audit/check.h"
#include "base/text.h"
#include "certs/agreement_chain.h"
#include "clients/cli/look.h"
#include "proto/commit.h"

#define FORM_AUDIT "kurzweg-audit-1"
#define FORM_SEEN "kurzweg-seen-1"
#define N(v) ((unsigned long long)(v))

/* ---- what was seen ---- */

struct seen_list { struct audit_seen *at; size_t count, room; };
struct audit_seen_files { struct seen_list heads, commits; };

static enum kw_err
seen_put(struct seen_list *l, uint64_t number, const uint8_t hash[KW_HASH_LEN], struct kw_why *why)
{
	if (l->count == l->room) {
		size_t room = l->room == 0 ? 256 : l->room * 2;
		struct audit_seen *more = realloc(l->at, room * sizeof *more);

		if (more == NULL)
			return kw_refuse(why, KW_ENOMEM, "out of memory");
		l->at = more;
		l->room = room;
	}
	l->at[l->count].number = number;
	memcpy(l->at[l->count++].hash, hash, KW_HASH_LEN);
	return KW_OK;
}

static int
by_number(const void *a, const void *b)
{
	const struct audit_seen *x = a, *y = b;

	return (x->number > y->number) - (x->number < y->number);
}

static void
seen_sort(struct seen_list *l)
{
	if (l->count > 0)
		qsort(l->at, l->count, sizeof *l->at, by_number);
}

enum kw_err
audit_seen_new(struct audit_seen_files **out, struct kw_why *why)
{
	*out = calloc(1, sizeof **out);
	return *out != NULL ? KW_OK : kw_refuse(why, KW_ENOMEM, "out of memory");
}

void
audit_seen_free(struct audit_seen_files **s)
{
	if (*s == NULL)
		return;
	free((*s)->heads.at);
	free((*s)->commits.at);
	free(*s);
	*s = NULL;
}

/* A commit by its record, or by its hash alone. */
static enum kw_err
commit_of(uint8_t hash[KW_HASH_LEN], uint8_t record[WIRE_COMMIT_LEN], bool *whole, uint64_t number, const char *text, struct kw_why *why)
{
	struct commit c;

	*whole = text != NULL && strlen(text) == 2 * WIRE_COMMIT_LEN;
	if (!*whole)
		return text != NULL && text_hex(hash, KW_HASH_LEN, text) ? KW_OK : kw_refuse(why, KW_EPROTO, "commit %llu is no record and no hash", N(number));
	if (!text_hex(record, WIRE_COMMIT_LEN, text) || commit_decode(&c, record, why) != KW_OK || c.number != number)
		return kw_refuse(why, KW_ECORRUPT, "commit %llu is none of that number", N(number));
	commit_hash(hash, record);
	return KW_OK;
}

static enum kw_err
seen_commits(struct audit_seen_files *s, const json_t *list, struct kw_why *why)
{
	const json_t *one;
	size_t i;

	json_array_foreach(list, i, one) {
		const char *record = json_string_value(json_object_get(one, "record")), *hash_text = json_string_value(json_object_get(one, "hash"));
		uint8_t hash[KW_HASH_LEN], bytes[WIRE_COMMIT_LEN];
		uint64_t number = look_number(one, "number");
		bool whole;
		enum kw_err err = commit_of(hash, bytes, &whole, number, record != NULL ? record : hash_text, why);

		if (err != KW_OK || (err = seen_put(&s->commits, number, hash, why)) != KW_OK)
			return err;
	}
	return KW_OK;
}

static enum kw_err
seen_heads(struct audit_seen_files *s, const json_t *lines, struct kw_why *why)
{
	const json_t *one;
	size_t i;

	json_array_foreach(lines, i, one) {
		struct audit_line l;
		enum kw_err err = audit_line_read(&l, span_of(json_string_value(one), json_string_length(one)), why);

		if (err == KW_OK && l.kind == AUDIT_HEAD)
			err = seen_put(&s->heads, l.head.number, l.head.hash, why);
		audit_line_free(&l);
		if (err != KW_OK)
			return err;
	}
	return KW_OK;
}

enum kw_err
audit_seen_add(struct audit_seen_files *s, struct span file, struct kw_why *why)
{
	json_t *doc = json_loadb((const char *)file.p, file.len, JSON_REJECT_DUPLICATES, NULL);
	const char *form = look_text(doc, "form");
	enum kw_err err;

	if (strcmp(form, FORM_SEEN) == 0)
		err = seen_commits(s, json_object_get(doc, "commits"), why);
	else if (strcmp(form, FORM_AUDIT) == 0)
		err = seen_heads(s, json_object_get(doc, "lines"), why);
	else
		err = kw_refuse(why, KW_EPROTO, "it is neither what \"kurzweg audit seen\" wrote nor an earlier bundle");
	json_decref(doc);
	seen_sort(&s->heads);
	seen_sort(&s->commits);
	return err;
}

/* ---- agreements ---- */

static enum kw_err
read_agreements(struct agreement_chain **out, const json_t *list, const char *pinned, struct kw_why *why)
{
	struct agreement_chain *chain = NULL;
	enum kw_err err = agreement_chain_new(&chain);
	const json_t *one;
	size_t i;

	if (err != KW_OK)
		return kw_refuse(why, err, "out of memory");
	json_array_foreach(list, i, one) {
		const char *text = json_string_value(json_object_get(one, "text")), *sigs = json_string_value(json_object_get(one, "signatures"));
		struct agreement *a = NULL;

		if (text == NULL || sigs == NULL)
			err = kw_refuse(why, KW_EPROTO, "text or signatures are missing");
		else if ((err = agreement_parse(&a, span_str(text), NULL, why)) == KW_OK)
			err = i == 0 ? agreement_chain_add_first(chain, &a, span_str(sigs), pinned, why) : agreement_chain_add_next(chain, &a, span_str(sigs), why);
		agreement_free(&a);
		if (err != KW_OK) {
			kw_why_prefix(why, "agreements[%zu]", i);
			break;
		}
	}
	if (err == KW_OK)
		*out = chain;
	else
		agreement_chain_free(&chain);
	return err;
}

static bool
same_key(const struct public_key *a, const struct public_key *b)
{
	return strcmp(a->name, b->name) == 0 && memcmp(a->sign_pk, b->sign_pk, KW_KEY_LEN) == 0;
}

/* Is the key one that the agreement names, in any of these versions? */
static bool
is_named(const struct agreement_chain *chain, const struct public_key *key)
{
	for (uint32_t v = agreement_version(agreement_chain_newest(chain)); v >= agreement_version(agreement_chain_oldest(chain)); v--) {
		const struct agreement *a = agreement_chain_get(chain, v);
		uint32_t node = agreement_node(a, key->name);

		if (same_key(agreement_broker(a), key) || (node != AGREEMENT_NOBODY && same_key(agreement_node_key(a, node), key)))
			return true;
	}
	return false;
}

static bool
signed_by_broker(const struct agreement_chain *chain, const uint8_t record[WIRE_COMMIT_LEN])
{
	for (uint32_t v = agreement_version(agreement_chain_newest(chain)); v >= agreement_version(agreement_chain_oldest(chain)); v--)
		if (commit_verify(record, agreement_broker(agreement_chain_get(chain, v))->sign_pk))
			return true;
	return false;
}

/* ---- commits ---- */

struct commits { uint64_t first, last, count, not_kept, seen; uint8_t hash[KW_HASH_LEN]; size_t at; };

static enum kw_err
compare_commit(struct commits *c, const struct seen_list *seen, uint64_t number, const uint8_t hash[KW_HASH_LEN], struct kw_why *why)
{
	while (c->at < seen->count && seen->at[c->at].number < number)
		c->at++;
	for (; c->at < seen->count && seen->at[c->at].number == number; c->at++) {
		if (memcmp(seen->at[c->at].hash, hash, KW_HASH_LEN) != 0)
			return kw_refuse(why, KW_ECORRUPT, "commit %llu of the broker is another one than a node has seen: the log was rewritten", N(number));
		c->seen++;
	}
	return KW_OK;
}

static enum kw_err
check_commit(struct commits *c, const json_t *one, const struct agreement_chain *chain, const struct seen_list *seen, struct kw_why *why)
{
	const char *text = json_string_value(json_array_get(one, 1));
	json_int_t number = json_integer_value(json_array_get(one, 0));
	uint8_t hash[KW_HASH_LEN], record[WIRE_COMMIT_LEN];
	struct commit said;
	bool whole;
	enum kw_err err;

	if (number <= 0 || (uint64_t)number <= c->last)
		return kw_refuse(why, KW_ECORRUPT, "behind commit %llu comes %lld: they stand twice or in another order", N(c->last), (long long)number);
	if ((err = commit_of(hash, record, &whole, (uint64_t)number, text, why)) != KW_OK)
		return err;
	if (whole && !signed_by_broker(chain, record))
		return kw_refuse(why, KW_ECRYPTO, "commit %lld is not signed by a broker of these agreements", (long long)number);
	if (whole && c->last > 0 && (uint64_t)number == c->last + 1 && commit_decode(&said, record, why) == KW_OK && memcmp(said.previous, c->hash, KW_HASH_LEN) != 0)
		return kw_refuse(why, KW_ECORRUPT, "commit %lld was made behind another commit %llu than the one that stands here", (long long)number, N(c->last));
	if (c->last > 0)
		c->not_kept += (uint64_t)number - c->last - 1;
	if (c->first == 0)
		c->first = (uint64_t)number;
	c->last = (uint64_t)number;
	c->count++;
	memcpy(c->hash, hash, KW_HASH_LEN);
	return compare_commit(c, seen, c->last, hash, why);
}

/* *out: null where it brings none. */
static enum kw_err
check_commits(json_t **out, const json_t *list, const struct agreement_chain *chain, const struct seen_list *seen, struct kw_why *why)
{
	struct commits c = {.first = 0};
	const json_t *one;
	size_t i;
	enum kw_err err;

	if (json_array_size(list) > 0 && chain == NULL)
		return kw_refuse(why, KW_EDENIED, "it brings commits and no agreement that names their broker's key");
	json_array_foreach(list, i, one)
		if ((err = check_commit(&c, one, chain, seen, why)) != KW_OK)
			return err;
	if (list != NULL && seen->count > 0 && seen->at[seen->count - 1].number > c.last)
		return kw_refuse(why, KW_ECORRUPT, "a node has seen commit %llu of the broker, but its log ends here at %llu: it was cut off", N(seen->at[seen->count - 1].number), N(c.last));
	*out = c.count == 0 ? json_null()
	                    : json_pack("{s:I, s:I, s:I, s:I, s:I}", "first", (json_int_t)c.first, "last", (json_int_t)c.last, "count", (json_int_t)c.count, "not_kept",
	                                (json_int_t)c.not_kept, "seen", (json_int_t)c.seen);
	return KW_OK;
}

/* ---- the trail ---- */

static json_t *
told(const struct audit_check *c)
{
	return json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s?}", "partnership", c->partnership, "owner", c->key.name, "first", (json_int_t)c->first, "last",
	                 (json_int_t)c->last, "records", (json_int_t)c->records, "heads", (json_int_t)c->heads, "signed_to", (json_int_t)c->signed_to, "from_ms",
	                 (json_int_t)c->first_ms, "to_ms", (json_int_t)c->last_ms, "seen", (json_int_t)c->seen_met, "damaged",
	                 c->damaged > 0 ? c->damage : NULL);
}

static enum kw_err
check_line(struct audit_check *c, struct span line, size_t row, struct audit_line *l, struct kw_why *why)
{
	enum kw_err err = audit_line_read(l, line, why);

	if (err != KW_OK) {
		kw_why_prefix(why, "line %zu", row + 1);
		return err;
	}
	return audit_check_line(c, l, why);
}

enum kw_err
audit_lines_check(json_t **out, struct span lines, const char *key, struct audit_seen_files *seen, struct kw_why *why)
{
	struct audit_check c;
	struct public_key known;
	const uint8_t *at = lines.p, *end = lines.p + lines.len, *stop;
	size_t row = 0;
	enum kw_err err = KW_OK;

	if (key != NULL && (err = public_key_parse(&known, key, why)) != KW_OK)
		return err;
	audit_check_begin(&c, NULL, key != NULL ? &known : NULL, false, seen != NULL ? seen->heads.at : NULL, seen != NULL ? seen->heads.count : 0);
	for (; err == KW_OK && at < end; at = stop + 1, row++) {
		struct audit_line l;

		if ((stop = memchr(at, '\n', (size_t)(end - at))) == NULL)
			return kw_refuse(why, KW_ECORRUPT, "line %zu: it is not whole", row + 1);
		err = check_line(&c, span_of(at, (size_t)(stop - at)), row, &l, why);
		audit_line_free(&l);
	}
	if (err == KW_OK)
		err = audit_check_end(&c, why);
	if (err == KW_OK && key != NULL && !same_key(&known, &c.key))
		return kw_refuse(why, KW_EDENIED, "it is signed by %s with another key than the one that was given", c.key.name);
	if (err == KW_OK)
		*out = told(&c);
	return err;
}

bool
audit_is_bundle(struct span file)
{
	return file.len > 0 && file.p[0] == '{';
}

struct bundle { json_t *doc, *out; struct agreement_chain *chain; struct audit_seen_files *seen; struct kw_why *why; };

static enum kw_err
check_trail(struct bundle *b, const struct public_key *key)
{
	const json_t *lines = json_object_get(b->doc, "lines"), *opened = json_object_get(b->doc, "opened"), *one;
	static const struct seen_list none;
	const struct seen_list *heads = b->seen != NULL && look_number(b->doc, "until_ms") == 0 ? &b->seen->heads : &none;
	struct audit_check c;
	uint64_t shown = 0;
	char number[24];
	size_t i;
	enum kw_err err = KW_OK;

	audit_check_begin(&c, look_text(b->doc, "partnership"), key, true, heads->at, heads->count);
	json_array_foreach(lines, i, one) {
		struct audit_line l;
		const json_t *text;

		err = check_line(&c, span_of(json_string_value(one), json_string_length(one)), i, &l, b->why);
		(void)snprintf(number, sizeof number, "%llu", N(l.record.number));
		if (err == KW_OK && l.kind == AUDIT_RECORD && (text = json_object_get(opened, number)) != NULL) {
			if (!audit_shown_holds(&l, text))
				err = kw_refuse(b->why, KW_ECRYPTO, "record %s: who and why are not what was sealed there", number);
			shown++;
		}
		if (err == KW_OK && b->chain != NULL && l.kind == AUDIT_HEAD && c.last > 0 && !is_named(b->chain, &c.key))
			err = kw_refuse(b->why, KW_EDENIED, "the key of %s behind the head of record %llu is in none of these agreements", c.key.name, N(l.head.number));
		audit_line_free(&l);
		if (err != KW_OK)
			return err;
	}
	if ((err = audit_check_end(&c, b->why)) != KW_OK)
		return err;
	if (c.signed_to < c.last)
		return kw_refuse(b->why, KW_ECRYPTO, "records %llu to %llu stand behind the last signed head", N(c.signed_to + 1), N(c.last));
	if (shown != json_object_size(opened))
		return kw_refuse(b->why, KW_EPROTO, "it tells who and why of records that it does not bring");
	b->out = told(&c);
	return json_object_set_new(b->out, "opened", json_integer((json_int_t)shown)) == 0 ? KW_OK : kw_refuse(b->why, KW_ENOMEM, "out of memory");
}

static enum kw_err
check_all(struct bundle *b, const char *pinned)
{
	static const struct seen_list none;
	const json_t *agreements = json_object_get(b->doc, "agreements");
	const char *line = look_text(b->doc, "key");
	char fingerprint[KEY_FINGERPRINT_MAX];
	struct public_key key;
	json_t *commits = NULL;
	enum kw_err err = public_key_parse(&key, line, b->why);

	if (err != KW_OK)
		return err;
	if (json_array_size(agreements) > 0 && (err = read_agreements(&b->chain, agreements, pinned, b->why)) != KW_OK)
		return err;
	if (pinned != NULL && b->chain == NULL)
		return kw_refuse(b->why, KW_EDENIED, "it brings no agreement whose fingerprint could be compared");
	if ((err = check_trail(b, &key)) != KW_OK)
		return err;
	if ((err = check_commits(&commits, json_object_get(b->doc, "commits"), b->chain, b->seen != NULL ? &b->seen->commits : &none, b->why)) != KW_OK)
		return err;
	public_key_fingerprint(fingerprint, line);
	(void)json_object_set_new(b->out, "key_fingerprint", json_string(fingerprint));
	(void)json_object_set_new(b->out, "commits", commits);
	if (b->chain != NULL) {
		agreement_fingerprint(fingerprint, agreement_chain_oldest(b->chain));
		(void)json_object_set_new(b->out, "agreement", json_pack("{s:I, s:I, s:s}", "first_version", (json_int_t)agreement_version(agreement_chain_oldest(b->chain)), "newest",
		                          (json_int_t)agreement_version(agreement_chain_newest(b->chain)), "fingerprint", fingerprint));
	}
	return KW_OK;
}

enum kw_err
audit_bundle_check(json_t **out, struct span file, const char *pinned, struct audit_seen_files *seen, struct kw_why *why)
{
	struct bundle b = {.doc = json_loadb((const char *)file.p, file.len, JSON_REJECT_DUPLICATES, NULL), .seen = seen, .why = why};
	enum kw_err err;

	if (strcmp(look_text(b.doc, "form"), FORM_AUDIT) != 0 || !json_is_array(json_object_get(b.doc, "lines")))
		err = kw_refuse(why, KW_EPROTO, "it is no bundle of an audit trail");
	else
		err = check_all(&b, pinned);
	if (err == KW_OK)
		*out = b.out;
	else
		json_decref(b.out);
	agreement_chain_free(&b.chain);
	json_decref(b.doc);
	return err;
}
