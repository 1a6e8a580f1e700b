/* agreement_sign: who signed the text, whether that is enough, and whether a version follows the one before it. */
#include <stdio.h>
#include <string.h>

#include "certs/agreement_parts.h"
#include "certs/key_text.h"
#include "proto/seal.h"

#define SIG_TEXT_LEN KEY_TEXT_LEN(KW_SIG_LEN)
#define LINE_MAX_LEN (KEY_LINE_MAX + 1u + SIG_TEXT_LEN)

/* The member of a who holds this key, or member_count. */
static uint32_t
member_of(const struct agreement *a, const uint8_t sign_pk[KW_KEY_LEN])
{
	uint32_t i = 0;

	while (i < a->member_count && memcmp(a->members[i].key.sign_pk, sign_pk, KW_KEY_LEN) != 0)
		i++;
	return i;
}

/* One line of the signature file: the key and its signature, not yet verified. */
static enum kw_err
parse_line(struct public_key *key, uint8_t sig[KW_SIG_LEN], struct span in, size_t number, struct kw_why *why)
{
	char line[LINE_MAX_LEN + 1], *blank;
	size_t len;
	enum kw_err err;

	if (in.len > LINE_MAX_LEN)
		return kw_refuse(why, KW_EPROTO, "line %zu of the signatures has %zu bytes, at most %u are allowed", number, in.len, LINE_MAX_LEN);
	memcpy(line, in.p, in.len);
	line[in.len] = '\0';
	blank = strchr(line, ' ');
	if (strlen(line) != in.len || blank == NULL)
		return kw_refuse(why, KW_EPROTO, "line %zu of the signatures is not \"kwsteer1:… SIGNATURE\"; take the line as \"kurzweg agreement sign\" wrote it", number);
	*blank = '\0';
	if ((err = public_key_parse_as(key, KEY_STEERING, line, why)) != KW_OK) {
		kw_why_prefix(why, "line %zu of the signatures", number);
		return err;
	}
	if (strlen(blank + 1) != SIG_TEXT_LEN || !key_text_get(sig, KW_SIG_LEN, &len, blank + 1, SIG_TEXT_LEN) || len != KW_SIG_LEN)
		return kw_refuse(why, KW_EPROTO, "line %zu of the signatures ends in no signature; take the line as \"kurzweg agreement sign\" wrote it", number);
	return KW_OK;
}

/* Counting: which members were met. */
struct tally {
	const struct agreement *signers;
	const struct agreement *a;
	bool met[MEMBERS_MAX];
	struct agreement_check out;
};

static enum kw_err
count_line(struct tally *t, struct span line, size_t number, struct kw_why *why)
{
	struct public_key key;
	uint8_t sig[KW_SIG_LEN];
	uint32_t member;
	enum kw_err err;

	if ((err = parse_line(&key, sig, line, number, why)) != KW_OK)
		return err;
	member = member_of(t->signers, key.sign_pk);
	if (member == t->signers->member_count) {
		if (t->out.unknown++ == 0)
			(void)snprintf(t->out.unknown_name, sizeof t->out.unknown_name, "%s", key.name);
		return KW_OK;
	}
	if (t->met[member]) {
		t->out.repeated++;
		return KW_OK;
	}
	if (!seal_verify(sig, LABEL_SIGN_AGREEMENT, buf_span(&t->a->text), key.sign_pk))
		return kw_refuse(why, KW_ECRYPTO, "line %zu of the signatures: what \"%s\" signed is not this text of version %u; let it be signed anew, or delete the line",
		                 number, t->signers->members[member].key.name, t->a->version);
	t->met[member] = true;
	t->out.valid++;
	return KW_OK;
}

static enum kw_err
count(struct tally *t, struct span sigs, struct kw_why *why)
{
	size_t number = 0, at = 0, lines = 0;
	enum kw_err err;

	if (sigs.len > KW_SIGNATURES_TEXT_MAX)
		return kw_refuse(why, KW_ELIMIT, "the signatures have %zu bytes, at most %u are allowed", sigs.len, KW_SIGNATURES_TEXT_MAX);
	t->out.threshold = t->signers->threshold;
	t->out.members = t->signers->member_count;
	while (at < sigs.len) {
		const uint8_t *end = memchr(sigs.p + at, '\n', sigs.len - at);
		size_t len = end != NULL ? (size_t)(end - (sigs.p + at)) : sigs.len - at;

		number++;
		if (len > 0 && ++lines > KW_SIGNATURES_MAX)
			return kw_refuse(why, KW_ELIMIT, "more than %d signatures; delete those of people who are no members", KW_SIGNATURES_MAX);
		if (len > 0 && (err = count_line(t, span_of(sigs.p + at, len), number, why)) != KW_OK)
			return err;
		at += len + (end != NULL);
	}
	return KW_OK;
}

enum kw_err
agreement_count_signatures(struct agreement_check *out, const struct agreement *signers, const struct agreement *a, struct span sigs,
                           struct kw_why *why)
{
	struct tally t = {.signers = signers, .a = a};
	enum kw_err err = count(&t, sigs, why);

	if (err == KW_OK)
		*out = t.out;
	return err;
}

/* "mayor, president" of those who did not sign. */
static void
list_missing(struct buf *out, const struct tally *t)
{
	for (uint32_t i = 0; i < t->signers->member_count; i++)
		if (!t->met[i])
			buf_printf(out, "%s%s", out->len > 0 ? ", " : "", t->signers->members[i].key.name);
}

static enum kw_err
check_threshold(const struct agreement *signers, const struct agreement *a, struct span sigs, struct kw_why *why)
{
	struct tally t = {.signers = signers, .a = a};
	struct buf missing = BUF_INIT(KW_WHY_MAX);
	const char *names;
	enum kw_err err;

	if ((err = count(&t, sigs, why)) != KW_OK)
		return err;
	if (t.out.valid >= signers->threshold)
		return KW_OK;
	list_missing(&missing, &t);
	names = buf_text(&missing);
	err = kw_refuse(why, KW_EDENIED, "version %u of the agreement is signed by %u of the %u members that version %u names, at least %u must sign; missing: %s%s%s%s",
	                a->version, t.out.valid, signers->member_count, signers->version, signers->threshold, names != NULL ? names : "?",
	                t.out.unknown > 0 ? kw_translate("; not counted, since no member: ") : "", t.out.unknown_name, t.out.unknown > 1 ? kw_translate(" and others") : "");
	buf_free(&missing);
	return err;
}

enum kw_err
agreement_verify_first(const struct agreement *a, struct span sigs, struct kw_why *why)
{
	return check_threshold(a, a, sigs, why);
}

/* Does next stand in the line of versions behind old? */
static enum kw_err
check_link(const struct agreement *old, const struct agreement *next, struct kw_why *why)
{
	if (strcmp(old->partnership, next->partnership) != 0)
		return kw_refuse(why, KW_EDENIED, "the partnership's name never changes: it is \"%s\", but the new version says \"%s\"", old->partnership, next->partnership);
	if (old->mode != next->mode)
		return kw_refuse(why, KW_EDENIED, "the kind never changes: it is %s, but the new version says %s; begin an agreement of its own for that",
		                 old->mode == MODE_LIVE ? kw_translate("live") : kw_translate("exercise"), next->mode == MODE_LIVE ? kw_translate("live") : kw_translate("exercise"));
	if (next->version <= old->version)
		return kw_refuse(why, KW_EDENIED, "version %u is in force and versions only go up, so version %u is refused; write version %u", old->version, next->version,
		                 old->version + 1);
	if (next->version != old->version + 1)
		return kw_refuse(why, KW_EDENIED, "version %u does not follow version %u; install the versions between first", next->version, old->version);
	if (memcmp(next->previous, old->hash, KW_HASH_LEN) != 0)
		return kw_refuse(why, KW_EDENIED, "\"previous\" of version %u is not the hash of the text of version %u that stands here; write the hash that "
		                 "\"kurzweg agreement fingerprint\" shows", next->version, old->version);
	return KW_OK;
}

enum kw_err
agreement_verify_next(const struct agreement *old, const struct agreement *next, struct span sigs, struct kw_why *why)
{
	enum kw_err err;

	if ((err = check_link(old, next, why)) != KW_OK)
		return err;
	if ((err = check_threshold(old, next, sigs, why)) != KW_OK)
		return err;
	return check_threshold(next, next, sigs, why);
}

enum kw_err
agreement_sign(struct buf *line, const struct agreement *a, const struct agreement *previous, const struct secret_keys *member, struct kw_why *why)
{
	const struct public_key *key = secret_keys_public(member);
	uint8_t sig[KW_SIG_LEN];
	char text[SIG_TEXT_LEN + 1];
	enum kw_err err;

	if (key->kind != KEY_STEERING)
		return kw_refuse(why, KW_EDENIED, "the key of \"%s\" is no steering key; an agreement is signed by members of the steering committee", key->name);
	if (previous != NULL && (err = check_link(previous, a, why)) != KW_OK)
		return err;
	if (member_of(a, key->sign_pk) == a->member_count && (previous == NULL || member_of(previous, key->sign_pk) == previous->member_count))
		return kw_refuse(why, KW_EDENIED, "\"%s\" with this key is no member of the steering committee%s, so the signature would not count", key->name,
		                 previous != NULL ? kw_translate(" of this version or the one before") : "");
	if (!seal_sign(sig, LABEL_SIGN_AGREEMENT, buf_span(&a->text), secret_keys_sign(member)))
		return kw_refuse(why, KW_ENOMEM, "out of memory while signing the agreement");
	key_text_put(text, sizeof text, sig, sizeof sig);
	buf_printf(line, "%s %s\n", secret_keys_line(member), text);
	if (!buf_ok(line))
		return kw_refuse(why, KW_ENOMEM, "out of memory while signing the agreement");
	return KW_OK;
}
