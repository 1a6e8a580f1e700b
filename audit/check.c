/* check: see its header. */
#include "audit/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/trail.h"
#include "base/text.h"

#define N(v) ((unsigned long long)(v))

void
audit_check_begin(struct audit_check *c, const char *partnership, const struct public_key *key, bool partial, const struct audit_seen *seen, size_t seen_count)
{
	*c = (struct audit_check){.partial = partial, .seen = seen, .seen_count = seen_count};
	if (partnership != NULL)
		(void)snprintf(c->partnership, sizeof c->partnership, "%s", partnership);
	if (key != NULL) {
		c->key = *key;
		c->has_key = true;
		c->keys = 1;
	}
}

/* "begin" names the owner's public line: at every start, so in every file. */
static enum kw_err
meet_key(struct audit_check *c, const struct audit_record *r, struct kw_why *why)
{
	struct public_key key;

	if (r->detail == NULL || r->object == NULL || public_key_parse(&key, r->detail, why) != KW_OK)
		return kw_refuse(why, KW_ECORRUPT, "record %llu names no public key", N(r->number));
	if (c->partnership[0] != '\0' && strcmp(c->partnership, r->object) != 0)
		return kw_refuse(why, KW_ECORRUPT, "record %llu is of the partnership %.64s, those before it of %s", N(r->number), r->object, c->partnership);
	(void)snprintf(c->partnership, sizeof c->partnership, "%s", r->object);
	if (c->has_key && (strcmp(key.name, c->key.name) != 0 || key.mode != c->key.mode || key.kind != c->key.kind))
		return kw_refuse(why, KW_ECORRUPT, "record %llu is of %s, those before it of %s", N(r->number), key.name, c->key.name);
	if (!c->has_key || memcmp(key.sign_pk, c->key.sign_pk, KW_KEY_LEN) != 0)
		c->keys++;
	c->key = key;
	c->has_key = true;
	return KW_OK;
}

/* "years_removed": object "LAST", detail its hash. */
static enum kw_err
meet_removal(struct audit_check *c, const struct audit_record *r, struct kw_why *why)
{
	uint64_t to;

	if (r->object == NULL || r->detail == NULL || text_u64(&to, r->object, 1, INT64_MAX, "", NULL) != KW_OK || to >= r->number || strlen(r->detail) != 2 * KW_HASH_LEN ||
	    !text_hex(c->removed_hash, KW_HASH_LEN, r->detail))
		return kw_refuse(why, KW_ECORRUPT, "record %llu tells of a removal that cannot be", N(r->number));
	if (c->first > 1 && to == c->first - 1 && memcmp(c->removed_hash, c->before_first, KW_HASH_LEN) != 0)
		return kw_refuse(why, KW_ECORRUPT, "record %llu names another last hash of what was removed than the first record here has before it", N(r->number));
	if (c->removed_to < to)
		c->removed_to = to;
	return KW_OK;
}

/* "damaged": object the file, detail what of it did not hold. What stood there is not here, and no signature brings it back. */
static void
meet_damage(struct audit_check *c, const struct audit_record *r)
{
	c->damaged = r->number;
	(void)snprintf(c->damage, sizeof c->damage, "%.64s: %.400s", r->object != NULL ? r->object : "?", r->detail != NULL ? r->detail : "?");
}

static enum kw_err
compare_seen(struct audit_check *c, uint64_t number, const uint8_t hash[KW_HASH_LEN], struct kw_why *why)
{
	while (c->seen_at < c->seen_count && c->seen[c->seen_at].number < number)
		c->seen_at++;
	for (; c->seen_at < c->seen_count && c->seen[c->seen_at].number == number; c->seen_at++) {
		if (memcmp(c->seen[c->seen_at].hash, hash, KW_HASH_LEN) != 0)
			return kw_refuse(why, KW_ECORRUPT, "record %llu is another one than was seen before: this trail was rewritten", N(number));
		c->seen_met++;
	}
	return KW_OK;
}

static enum kw_err
check_record(struct audit_check *c, const struct audit_line *l, struct kw_why *why)
{
	const struct audit_record *r = &l->record;
	static const uint8_t none[KW_HASH_LEN];
	enum kw_err err = KW_OK;

	if (c->last > 0 && r->number != c->last + 1)
		return kw_refuse(why, KW_ECORRUPT, "behind record %llu comes %llu: %s", N(c->last), N(r->number),
		                 r->number > c->last ? kw_translate("records are missing between them") : kw_translate("records stand twice or in another order"));
	if (c->last > 0 && memcmp(l->before, c->hash, KW_HASH_LEN) != 0)
		return kw_refuse(why, KW_ECORRUPT, "record %llu was written behind another record %llu than the one that stands here", N(r->number), N(c->last));
	if (r->number == 1 && memcmp(l->before, none, KW_HASH_LEN) != 0)
		return kw_refuse(why, KW_ECORRUPT, "record 1 has something before it");
	if (c->last == 0) {
		c->first = r->number;
		c->first_ms = r->time_ms;
		c->signed_to = r->number - 1;
		memcpy(c->before_first, l->before, KW_HASH_LEN);
	}
	if (r->number - c->signed_to > TRAIL_HEAD_RECORDS)
		return kw_refuse(why, KW_ECRYPTO, "behind record %llu more than %u records came without a signed head: heads were taken away", N(c->signed_to), TRAIL_HEAD_RECORDS);
	if (strcmp(r->event, "begin") == 0)
		err = meet_key(c, r, why);
	else if (strcmp(r->event, "years_removed") == 0)
		err = meet_removal(c, r, why);
	else if (strcmp(r->event, "damaged") == 0)
		meet_damage(c, r);
	if (err == KW_OK)
		err = compare_seen(c, r->number, l->hash, why);
	c->last = r->number;
	c->last_ms = r->time_ms;
	memcpy(c->hash, l->hash, KW_HASH_LEN);
	c->records++;
	return err;
}

static enum kw_err
check_head(struct audit_check *c, const struct audit_head *h, struct kw_why *why)
{
	struct audit_owner owner = {c->partnership, c->key.name, (uint8_t)c->key.mode};

	if (c->last == 0 && c->partial) /* the one before the part */
		return KW_OK;
	if (h->number != c->last || memcmp(h->hash, c->hash, KW_HASH_LEN) != 0)
		return kw_refuse(why, KW_ECORRUPT, "the head behind record %llu is of another one: records were taken away, or put in another order", N(c->last));
	if (!c->has_key)
		return kw_refuse(why, KW_ECRYPTO, "the head of record %llu comes before a record that names the owner's key", N(h->number));
	if (!audit_head_verify(h, &owner, c->key.sign_pk))
		return kw_refuse(why, KW_ECRYPTO, "the head of record %llu is not signed by the key of %s", N(h->number), c->key.name);
	c->signed_to = h->number;
	c->heads++;
	return KW_OK;
}

enum kw_err
audit_check_line(struct audit_check *c, const struct audit_line *l, struct kw_why *why)
{
	return l->kind == AUDIT_HEAD ? check_head(c, &l->head, why) : check_record(c, l, why);
}

enum kw_err
audit_check_end(const struct audit_check *c, struct kw_why *why)
{
	if (c->last == 0)
		return kw_refuse(why, KW_ENOTFOUND, "there is no record");
	if (c->first > 1 && !c->partial && c->removed_to < c->first - 1 && c->damaged > 0)
		return kw_refuse(why, KW_ECORRUPT, "records 1 to %llu are not here: record %llu tells that their file did not hold and was set aside (%s)", N(c->first - 1), N(c->damaged), c->damage);
	if (c->first > 1 && !c->partial && c->removed_to < c->first - 1)
		return kw_refuse(why, KW_ECORRUPT, "records 1 to %llu are missing, and no record tells that they were removed when their time was over", N(c->first - 1));
	if (c->seen_count > 0 && c->seen[c->seen_count - 1].number > c->last)
		return kw_refuse(why, KW_ECORRUPT, "record %llu was seen before, but this trail ends at %llu: it was cut off", N(c->seen[c->seen_count - 1].number), N(c->last));
	if (c->heads == 0)
		return kw_refuse(why, KW_ECRYPTO, "no signed head is among them");
	return KW_OK;
}
