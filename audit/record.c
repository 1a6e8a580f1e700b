/* record: see its header. */
#include "audit/record.h"

#include <string.h>

#include "audit/record_parts.h"
#include "base/text.h"
#include "proto/seal.h"

#define HEX (2 * KW_HASH_LEN)

static void
put_hex(char out[HEX + 1], const uint8_t hash[KW_HASH_LEN])
{
	text_put_hex(out, span_of(hash, KW_HASH_LEN));
}

/* ---- writing ---- */

static void
put_string(struct buf *out, const char *text)
{
	buf_put_u8(out, '"');
	for (const char *p = text; *p != '\0'; p++) {
		if ((unsigned char)*p < 0x20 || *p == '"' || *p == '\\' || *p == 0x7f)
			buf_printf(out, "\\u%04x", (unsigned)(unsigned char)*p);
		else
			buf_put(out, p, 1);
	}
	buf_put_u8(out, '"');
}

enum kw_err
audit_put_text(struct buf *out, const char *key, const char *text, size_t most, struct kw_why *why)
{
	if (text == NULL || text[0] == '\0')
		return KW_OK;
	if (strlen(text) > most)
		return kw_refuse(why, KW_ELIMIT, "%s has %zu bytes, at most %zu are allowed in the audit trail", key, strlen(text), most);
	if (text_unclean_at(span_str(text), TEXT_LINE) != SIZE_MAX)
		return kw_refuse(why, KW_EINVAL, "%s has a character that may not be shown, at byte %zu; leave it out", key, text_unclean_at(span_str(text), TEXT_LINE));
	buf_printf(out, ",\"%s\":", key);
	put_string(out, text);
	return KW_OK;
}

void
audit_text_fit(char out[AUDIT_TEXT_MAX + 1], const char *text)
{
	size_t len = strnlen(text, AUDIT_TEXT_MAX + 1), at;

	if (len > AUDIT_TEXT_MAX)
		for (len = AUDIT_TEXT_MAX; len > 0 && ((unsigned char)text[len] & 0xC0) == 0x80; len--)
			;
	memcpy(out, text, len);
	out[len] = '\0';
	while ((at = text_unclean_at(span_str(out), TEXT_LINE)) != SIZE_MAX)
		out[at] = '?';
}

static bool
is_empty(const char *text)
{
	return text == NULL || text[0] == '\0';
}

void
audit_shown_hash(uint8_t out[KW_HASH_LEN], const uint8_t salt[AUDIT_SALT_LEN], struct span texts)
{
	seal_hash(out, salt, LABEL_AUDIT, &texts, 1);
}

void
audit_put_shown(struct buf *out, const char *as, const char *reason)
{
	buf_put_str(out, "{\"as\":");
	put_string(out, as != NULL ? as : "");
	buf_put_str(out, ",\"reason\":");
	put_string(out, reason != NULL ? reason : "");
	buf_put_u8(out, '}');
}

enum kw_err
audit_record_put(struct buf *out, uint8_t hash[KW_HASH_LEN], const struct audit_record *r, const uint8_t before[KW_HASH_LEN],
                 const struct audit_sealing *sealing, const uint8_t *local_secret, struct kw_why *why)
{
	struct buf json = BUF_INIT(AUDIT_LINE_MAX - HEX - 2);
	char hex[HEX + 1];
	struct span body;
	enum kw_err err;

	MUST(r->number > 0 && !is_empty(r->event) && !is_empty(r->actor));
	put_hex(hex, before);
	buf_printf(&json, "{\"n\":%llu,\"at_ms\":%llu,\"before\":\"%s\"", (unsigned long long)r->number, (unsigned long long)r->time_ms, hex);
	if ((err = audit_put_text(&json, "event", r->event, AUDIT_WORD_MAX, why)) != KW_OK || (err = audit_put_text(&json, "actor", r->actor, AUDIT_TEXT_MAX, why)) != KW_OK ||
	    (err = audit_put_text(&json, "object", r->object, AUDIT_TEXT_MAX, why)) != KW_OK || (err = audit_put_text(&json, "topic", r->topic, AUDIT_TEXT_MAX, why)) != KW_OK ||
	    (err = audit_put_text(&json, "to", r->to, AUDIT_TO_MAX, why)) != KW_OK || (err = audit_put_text(&json, "detail", r->detail, AUDIT_TEXT_MAX, why)) != KW_OK)
		goto free_json;
	if (r->count > 0)
		buf_printf(&json, ",\"count\":%u", r->count);
	if (sealing != NULL && (!is_empty(r->as) || !is_empty(r->reason)) && (err = sealing->seal(&json, r, local_secret, why)) != KW_OK)
		goto free_json;
	buf_put_u8(&json, '}');
	body = buf_span(&json);
	if (!buf_ok(&json)) {
		err = kw_refuse(why, json.len >= json.max / 2 ? KW_ELIMIT : KW_ENOMEM, "no room for a record of the audit trail");
		goto free_json;
	}
	seal_hash(hash, NULL, LABEL_AUDIT, &body, 1);
	put_hex(hex, hash);
	buf_printf(out, "%s ", hex);
	buf_put_span(out, body);
	buf_put_u8(out, '\n');
	err = buf_ok(out) ? KW_OK : kw_refuse(why, KW_ENOMEM, "out of memory for the audit trail");
free_json:
	buf_free(&json);
	return err;
}

enum kw_err
audit_head_put(struct buf *out, const struct audit_head *h, struct kw_why *why)
{
	char hex[HEX + 1], sig[2 * KW_SIG_LEN + 1];

	put_hex(hex, h->hash);
	text_put_hex(sig, span_of(h->sig, KW_SIG_LEN));
	buf_printf(out, "head {\"n\":%llu,\"at_ms\":%llu,\"hash\":\"%s\",\"sig\":\"%s\"}\n", (unsigned long long)h->number, (unsigned long long)h->time_ms, hex, sig);
	return buf_ok(out) ? KW_OK : kw_refuse(why, KW_ENOMEM, "out of memory for the audit trail");
}

/* ---- heads ---- */

static void
head_bytes(struct buf *out, const struct audit_head *h, const struct audit_owner *o)
{
	buf_put_str(out, "KWA1");
	buf_put_u8(out, (uint8_t)strlen(o->partnership));
	buf_put_str(out, o->partnership);
	buf_put_u8(out, (uint8_t)strlen(o->name));
	buf_put_str(out, o->name);
	buf_put_u8(out, o->mode);
	buf_put_u64(out, h->number);
	buf_put_u64(out, h->time_ms);
	buf_put(out, h->hash, KW_HASH_LEN);
}

bool
audit_head_sign(struct audit_head *h, const struct audit_owner *owner, const uint8_t secret[64])
{
	struct buf bytes = BUF_INIT(1024);
	bool done;

	head_bytes(&bytes, h, owner);
	done = buf_ok(&bytes) && seal_sign(h->sig, LABEL_SIGN_AUDIT, buf_span(&bytes), secret);
	buf_free(&bytes);
	return done;
}

bool
audit_head_verify(const struct audit_head *h, const struct audit_owner *owner, const uint8_t pk[KW_KEY_LEN])
{
	struct buf bytes = BUF_INIT(1024);
	bool holds;

	head_bytes(&bytes, h, owner);
	holds = buf_ok(&bytes) && seal_verify(h->sig, LABEL_SIGN_AUDIT, buf_span(&bytes), pk);
	buf_free(&bytes);
	return holds;
}

/* ---- reading ---- */

static bool
is_hex(uint8_t *out, size_t len, const char *text)
{
	return text != NULL && text_hex(out, len, text);
}

static enum kw_err
want_number(uint64_t *out, const json_t *v, const char *key, struct kw_why *why)
{
	if (!json_is_integer(v) || json_integer_value(v) < 0)
		return kw_refuse(why, KW_ECORRUPT, "%s is no number", key);
	*out = (uint64_t)json_integer_value(v);
	return KW_OK;
}

static enum kw_err
want_hash(uint8_t *out, size_t len, const json_t *v, const char *key, struct kw_why *why)
{
	return is_hex(out, len, json_string_value(v)) ? KW_OK : kw_refuse(why, KW_ECORRUPT, "%s is not %zu bytes in hexadecimal", key, len);
}

static enum kw_err
want_text(const char **out, const json_t *v, const char *key, struct kw_why *why)
{
	if (!json_is_string(v) || json_string_length(v) == 0)
		return kw_refuse(why, KW_ECORRUPT, "%s is no text", key);
	*out = json_string_value(v);
	return KW_OK;
}

static enum kw_err
record_key(struct audit_line *l, const char *key, const json_t *v, struct kw_why *why)
{
	struct audit_record *r = &l->record;
	const struct { const char *key; const char **to; } texts[] = {
		{"event", &r->event}, {"actor", &r->actor}, {"object", &r->object}, {"topic", &r->topic}, {"to", &r->to}, {"detail", &r->detail}, {"sealed", &l->sealed},
	};
	uint64_t count = 0;
	enum kw_err err;

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		if (strcmp(key, texts[i].key) == 0)
			return want_text(texts[i].to, v, key, why);
	if (strcmp(key, "n") == 0)
		return want_number(&r->number, v, key, why);
	if (strcmp(key, "at_ms") == 0)
		return want_number(&r->time_ms, v, key, why);
	if (strcmp(key, "before") == 0)
		return want_hash(l->before, KW_HASH_LEN, v, key, why);
	if (strcmp(key, "sealed_hash") == 0)
		return want_hash(l->sealed_hash, KW_HASH_LEN, v, key, why);
	if (strcmp(key, "count") != 0)
		return kw_refuse(why, KW_ESTATE, "the key \"%.32s\" is none of a record's", key);
	err = want_number(&count, v, key, why);
	if (err == KW_OK && (count == 0 || count > UINT32_MAX))
		return kw_refuse(why, KW_ECORRUPT, "%s is no number", key);
	r->count = (uint32_t)count;
	return err;
}

static enum kw_err
head_key(struct audit_line *l, const char *key, const json_t *v, struct kw_why *why)
{
	if (strcmp(key, "n") == 0)
		return want_number(&l->head.number, v, key, why);
	if (strcmp(key, "at_ms") == 0)
		return want_number(&l->head.time_ms, v, key, why);
	if (strcmp(key, "hash") == 0)
		return want_hash(l->head.hash, KW_HASH_LEN, v, key, why);
	if (strcmp(key, "sig") == 0)
		return want_hash(l->head.sig, KW_SIG_LEN, v, key, why);
	return kw_refuse(why, KW_ECORRUPT, "the key \"%.32s\" is none of a head's", key);
}

static enum kw_err
whole(const struct audit_line *l, struct kw_why *why)
{
	const char *missing = NULL;

	if (l->kind == AUDIT_HEAD) {
		if (json_object_size(l->doc) != 4 || l->head.number == 0)
			missing = "n, at_ms, hash or sig";
	} else if (l->record.number == 0 || json_object_get(l->doc, "at_ms") == NULL || json_object_get(l->doc, "before") == NULL) {
		missing = "n, at_ms or before";
	} else if (l->record.event == NULL || l->record.actor == NULL) {
		missing = "event or actor";
	} else if ((l->sealed != NULL) != (json_object_get(l->doc, "sealed_hash") != NULL)) {
		missing = "sealed or sealed_hash";
	}
	return missing == NULL ? KW_OK : kw_refuse(why, KW_ECORRUPT, "%s is missing", missing);
}

enum kw_err
audit_line_read(struct audit_line *out, struct span line, struct kw_why *why)
{
	static const char head_word[] = "head ";
	uint8_t real[KW_HASH_LEN];
	char hex[HEX + 1];
	struct span body;
	const char *key;
	json_t *v;
	json_error_t error;
	enum kw_err err;

	memset(out, 0, sizeof *out);
	if (line.len > AUDIT_LINE_MAX)
		return kw_refuse(why, KW_ECORRUPT, "a line has %zu bytes, at most %u are possible", line.len, AUDIT_LINE_MAX);
	if (line.len > sizeof head_word && memcmp(line.p, head_word, sizeof head_word - 1) == 0) {
		out->kind = AUDIT_HEAD;
		body = span_of(line.p + sizeof head_word - 1, line.len - (sizeof head_word - 1));
	} else {
		if (line.len < HEX + 2 || line.p[HEX] != ' ')
			return kw_refuse(why, KW_ECORRUPT, "the line is no record and no head");
		memcpy(hex, line.p, HEX);
		hex[HEX] = '\0';
		if (!is_hex(out->hash, KW_HASH_LEN, hex))
			return kw_refuse(why, KW_ECORRUPT, "the line does not begin with a hash");
		body = span_of(line.p + HEX + 1, line.len - HEX - 1);
		seal_hash(real, NULL, LABEL_AUDIT, &body, 1);
		if (memcmp(real, out->hash, KW_HASH_LEN) != 0)
			return kw_refuse(why, KW_ECORRUPT, "its hash is not that of what stands there: it was changed");
	}
	out->doc = json_loadb((const char *)body.p, body.len, JSON_REJECT_DUPLICATES, &error);
	if (!json_is_object(out->doc))
		return kw_refuse(why, KW_ECORRUPT, "it is no JSON object: %s", out->doc == NULL ? error.text : "it is another value");
	json_object_foreach(out->doc, key, v) {
		err = out->kind == AUDIT_HEAD ? head_key(out, key, v, why) : record_key(out, key, v, why);
		if (err != KW_OK)
			return err;
	}
	return whole(out, why);
}

void
audit_line_free(struct audit_line *l)
{
	json_decref(l->doc);
	l->doc = NULL;
}

/* ---- what is sealed ---- */

bool
audit_shown_holds(const struct audit_line *l, const json_t *shown)
{
	const char *as = json_string_value(json_object_get(shown, "as")), *reason = json_string_value(json_object_get(shown, "reason"));
	struct buf texts = BUF_INIT(4 * PLAIN_MAX);
	uint8_t salt[AUDIT_SALT_LEN], hash[KW_HASH_LEN];
	bool holds = false;

	if (l->sealed == NULL || as == NULL || reason == NULL || !is_hex(salt, sizeof salt, json_string_value(json_object_get(shown, "salt"))))
		return false;
	audit_put_shown(&texts, as, reason);
	if (buf_ok(&texts)) {
		audit_shown_hash(hash, salt, buf_span(&texts));
		holds = memcmp(hash, l->sealed_hash, KW_HASH_LEN) == 0;
	}
	buf_free(&texts);
	return holds;
}
