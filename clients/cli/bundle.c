/* bundle: see its header. One check a line, each with its sentence. */
#include "clients/cli/bundle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "certs/agreement_chain.h"
#include "clients/cli/look.h"
#include "proto/base64.h"
#include "proto/commit.h"
#include "proto/entry.h"
#include "proto/frame.h"
#include "proto/json_look.h"
#include "proto/payload.h"
#include "proto/seal.h"

struct checking {
	const json_t *doc;
	struct agreement_chain *chain;
	struct header header;            /* of the notification */
	uint8_t frame_hash[KW_HASH_LEN];
	json_t *out;
	struct kw_why *why;
};

/* Bytes of a member that must be there. */
static enum kw_err
bytes_of(struct buf *out, const json_t *object, const char *key, const char *where, struct kw_why *why)
{
	const char *text = json_string_value(json_object_get(object, key));

	if (text == NULL || !base64_decode(out, span_str(text), 0) || !buf_ok(out))
		return kw_refuse(why, KW_EPROTO, "%s: \"%s\" is missing or no base64", where, key);
	return KW_OK;
}

/* ---- agreements ---- */

static enum kw_err
add_agreement(struct checking *c, const json_t *one, size_t i, const char *pinned)
{
	const char *text = json_string_value(json_object_get(one, "text")), *sigs = json_string_value(json_object_get(one, "signatures"));
	struct agreement *a = NULL;
	enum kw_err err;

	if (text == NULL || sigs == NULL)
		return kw_refuse(c->why, KW_EPROTO, "agreements[%zu]: text or signatures are missing", i);
	if ((err = agreement_parse(&a, span_str(text), NULL, c->why)) == KW_OK)
		err = i == 0 ? agreement_chain_add_first(c->chain, &a, span_str(sigs), pinned, c->why) : agreement_chain_add_next(c->chain, &a, span_str(sigs), c->why);
	agreement_free(&a);
	if (err != KW_OK)
		kw_why_prefix(c->why, "agreements[%zu]", i);
	return err;
}

static enum kw_err
check_agreements(struct checking *c, const char *pinned)
{
	const json_t *list = json_object_get(c->doc, "agreements");
	const struct agreement *first;
	char fingerprint[KEY_FINGERPRINT_MAX];
	enum kw_err err;

	if (json_array_size(list) == 0)
		return kw_refuse(c->why, KW_EPROTO, "it brings no agreement");
	for (size_t i = 0; i < json_array_size(list); i++)
		if ((err = add_agreement(c, json_array_get(list, i), i, pinned)) != KW_OK)
			return err;
	first = agreement_chain_oldest(c->chain);
	agreement_fingerprint(fingerprint, first);
	return json_object_set_new(c->out, "agreement", json_pack("{s:s, s:I, s:s, s:I}", "partnership", agreement_partnership(first), "first_version",
	                           (json_int_t)agreement_version(first), "fingerprint", fingerprint, "newest", (json_int_t)agreement_version(agreement_chain_newest(c->chain)))) == 0
	           ? KW_OK : kw_refuse(c->why, KW_ENOMEM, "out of memory for a bundle");
}

/* ---- heads ---- */

/* A head that its sender signed, under the agreement that it names. f's spans lie in bytes. */
static enum kw_err
check_head(struct header *h, struct frame *f, const struct checking *c, struct span bytes, const char *where)
{
	const struct agreement *a;
	uint32_t sender;
	enum kw_err err;

	if ((err = frame_parse(f, bytes, FRAME_EITHER, c->why)) != KW_OK || (err = header_decode(h, f->header, c->why)) != KW_OK)
		goto say_where;
	if ((a = agreement_chain_get(c->chain, h->agreement_version)) == NULL || memcmp(agreement_hash(a), h->agreement_hash, KW_HASH_LEN) != 0) {
		err = kw_refuse(c->why, KW_EDENIED, "it names version %u of an agreement that is not in the bundle", h->agreement_version);
		goto say_where;
	}
	sender = agreement_node(a, h->sender);
	if (sender == AGREEMENT_NOBODY) {
		err = kw_refuse(c->why, KW_EDENIED, "%s is no node of version %u of the agreement", h->sender, h->agreement_version);
		goto say_where;
	}
	if ((err = seal_check_signature(f, agreement_node_key(a, sender)->sign_pk, c->why)) == KW_OK)
		return KW_OK;
say_where:
	kw_why_prefix(c->why, "%s", where);
	return err;
}

static enum kw_err
check_notification(struct checking *c)
{
	struct buf head = BUF_INIT(KW_HEAD_MAX);
	struct frame f;
	char id[37];
	enum kw_err err = bytes_of(&head, json_object_get(c->doc, "notification"), "head", "notification", c->why);

	if (err == KW_OK)
		err = check_head(&c->header, &f, c, buf_span(&head), "notification");
	if (err == KW_OK) {
		seal_frame_hash(c->frame_hash, &f);
		kw_id_text(id, c->header.id);
		if (json_object_update_new(c->out, json_pack("{s:s, s:s, s:s, s:s, s:I}", "id", id, "topic", c->header.topic, "type", notice_type_name(c->header.type), "sender",
		                                             c->header.sender, "created_ms", (json_int_t)c->header.created_ms)) != 0)
			err = kw_refuse(c->why, KW_ENOMEM, "out of memory for a bundle");
	}
	buf_free(&head);
	return err;
}

/* ---- stored ---- */

static bool
signed_by_a_broker(const struct checking *c, bool (*holds)(struct span bytes, const uint8_t pk[KW_KEY_LEN]), struct span bytes)
{
	for (uint32_t v = agreement_version(agreement_chain_newest(c->chain)); v >= agreement_version(agreement_chain_oldest(c->chain)); v--)
		if (holds(bytes, agreement_broker(agreement_chain_get(c->chain, v))->sign_pk))
			return true;
	return false;
}

static bool
commit_holds(struct span bytes, const uint8_t pk[KW_KEY_LEN])
{
	return commit_verify(bytes.p, pk);
}

static enum kw_err
path_of(uint8_t path[KW_PATH_MAX][KW_HASH_LEN], uint32_t *len, const json_t *list, struct kw_why *why)
{
	if (!json_is_array(list) || json_array_size(list) > KW_PATH_MAX)
		return kw_refuse(why, KW_EPROTO, "stored: the path is missing or too long");
	*len = (uint32_t)json_array_size(list);
	for (uint32_t i = 0; i < *len; i++) {
		const char *text = json_string_value(json_array_get(list, i));
		struct buf one = BUF_INIT(KW_HASH_LEN);
		bool good = text != NULL && base64_decode(&one, span_str(text), 0) && one.len == KW_HASH_LEN;

		if (good)
			memcpy(path[i], one.p, KW_HASH_LEN);
		buf_free(&one);
		if (!good)
			return kw_refuse(why, KW_EPROTO, "stored: path[%u] is no hash", i);
	}
	return KW_OK;
}

static enum kw_err
check_place(struct checking *c, const json_t *stored, const struct commit *commit)
{
	uint8_t path[KW_PATH_MAX][KW_HASH_LEN], hash[KW_HASH_LEN];
	struct leaf leaf = {.sender = c->header.sender, .id = c->header.id, .frame_hash = c->frame_hash};
	const char *lane = look_text(stored, "lane");
	uint32_t len = 0;
	enum kw_err err;

	if (!lane_of(&leaf.at.lane, lane))
		return kw_refuse(c->why, KW_EPROTO, "stored: there is no lane \"%.32s\"", lane);
	leaf.at.log_epoch = (uint32_t)look_number(stored, "log_epoch");
	leaf.at.number = look_number(stored, "number");
	if ((err = path_of(path, &len, json_object_get(stored, "path"), c->why)) != KW_OK)
		return err;
	commit_leaf(hash, &leaf);
	if (!commit_path_holds(commit->root, commit->count, (uint32_t)look_number(stored, "index"), hash, (const uint8_t (*)[KW_HASH_LEN])path, len))
		return kw_refuse(c->why, KW_ECRYPTO, "stored: the path does not lead from this notification to the broker's commit %llu", (unsigned long long)commit->number);
	(void)json_object_set_new(c->out, "stored", json_pack("{s:I, s:I, s:s, s:I, s:I}", "commit", (json_int_t)commit->number, "time_ms", (json_int_t)commit->time_ms, "lane",
	                          lane, "number", (json_int_t)leaf.at.number, "log_epoch", (json_int_t)leaf.at.log_epoch));
	return KW_OK;
}

static enum kw_err
check_stored(struct checking *c)
{
	const json_t *stored = json_object_get(c->doc, "stored");
	struct buf record = BUF_INIT(WIRE_COMMIT_LEN);
	struct commit commit;
	enum kw_err err;

	(void)json_object_set_new(c->out, "stored", json_null());
	if (stored == NULL || json_is_null(stored))
		return KW_OK;
	if ((err = bytes_of(&record, stored, "commit", "stored", c->why)) != KW_OK)
		goto free_record;
	if (record.len != WIRE_COMMIT_LEN || commit_decode(&commit, record.p, c->why) != KW_OK)
		err = kw_refuse(c->why, KW_EPROTO, "stored: \"commit\" is no commit");
	else if (!signed_by_a_broker(c, commit_holds, buf_span(&record)))
		err = kw_refuse(c->why, KW_ECRYPTO, "stored: commit %llu is not signed by the broker", (unsigned long long)commit.number);
	else
		err = check_place(c, stored, &commit);
free_record:
	buf_free(&record);
	return err;
}

/* ---- receipts ---- */

/* What it says, opened with the key that was committed to; false in *there: only its head is in the bundle. */
static enum kw_err
open_receipt(struct receipt_payload *p, bool *there, const struct checking *c, const json_t *one, struct span head, const char *where)
{
	struct buf whole = BUF_INIT(KW_FRAME_MAX), key = BUF_INIT(KW_KEY_LEN), payload = BUF_INIT(KW_OPENED_MAX), body = BUF_INIT(KW_BODY_MAX);
	struct frame f;
	enum kw_err err = KW_OK;

	*there = json_object_get(one, "body") != NULL;
	if (!*there)
		return KW_OK;
	if ((err = bytes_of(&body, one, "body", where, c->why)) != KW_OK || (err = bytes_of(&key, one, "key", where, c->why)) != KW_OK)
		goto free_all;
	buf_put_span(&whole, head);
	buf_put_u32(&whole, (uint32_t)body.len);
	buf_put_span(&whole, buf_span(&body));
	if (!buf_ok(&whole) || key.len != KW_KEY_LEN)
		err = kw_refuse(c->why, KW_EPROTO, "body or key have a wrong length");
	else if ((err = frame_parse(&f, buf_span(&whole), FRAME_WHOLE, c->why)) == KW_OK && (err = seal_check_body_hash(&f, c->why)) == KW_OK &&
	         (err = seal_check_key(key.p, &f, c->why)) == KW_OK && (err = seal_open_body(&payload, key.p, &f, c->why)) == KW_OK)
		err = receipt_decode(p, buf_span(&payload), c->why);
	if (err != KW_OK)
		kw_why_prefix(c->why, "%s", where);
free_all:
	buf_free(&whole);
	buf_free(&key);
	buf_free(&payload);
	buf_free(&body);
	return err;
}

/* Its place among what the receipt names; NULL: it names others. */
static const struct receipt_item *
item_of(const struct receipt_payload *p, const struct checking *c)
{
	for (uint32_t i = 0; i < p->count; i++)
		if (memcmp(p->items[i].id, c->header.id, KW_ID_LEN) == 0 && memcmp(p->items[i].frame_hash, c->frame_hash, KW_HASH_LEN) == 0)
			return &p->items[i];
	return NULL;
}

static enum kw_err
check_receipt(struct checking *c, const json_t *one, size_t i, struct receipt_payload *p)
{
	struct buf head = BUF_INIT(KW_HEAD_MAX);
	const struct receipt_item *item = NULL;
	struct header *h = calloc(1, sizeof *h);
	struct frame f;
	char where[32];
	bool there = false, about;
	enum kw_err err;

	(void)snprintf(where, sizeof where, "receipts[%zu]", i);
	if (h == NULL) {
		err = kw_refuse(c->why, KW_ENOMEM, "out of memory for a bundle");
		goto free_head;
	}
	if ((err = bytes_of(&head, one, "head", where, c->why)) != KW_OK || (err = check_head(h, &f, c, buf_span(&head), where)) != KW_OK)
		goto free_head;
	if ((err = open_receipt(p, &there, c, one, f.head, where)) != KW_OK)
		goto free_head;
	about = h->about.set && memcmp(h->about.id, c->header.id, KW_ID_LEN) == 0 && memcmp(h->about.frame_hash, c->frame_hash, KW_HASH_LEN) == 0;
	if (there)
		item = item_of(p, c);
	if (!about && item == NULL) {
		err = kw_refuse(c->why, KW_EDENIED, "%s: what %s signed is about another notification", where, h->sender);
		goto free_head;
	}
	(void)json_array_append_new(json_object_get(c->out, "receipts"), json_pack("{s:s, s:s, s:I, s:I, s:s, s:s, s:s}", "type", notice_type_name(h->type), "by", h->sender, "at_ms",
	                            (json_int_t)(item != NULL ? item->at_ms : h->created_ms), "created_ms", (json_int_t)h->created_ms, "as", there ? p->as : "", "text",
	                            there ? p->reason : "", "to", h->next_owner));
free_head:
	buf_free(&head);
	free(h);
	return err;
}

static enum kw_err
check_receipts(struct checking *c)
{
	const json_t *list = json_object_get(c->doc, "receipts");
	struct receipt_payload *p = calloc(1, sizeof *p);
	enum kw_err err = p != NULL ? KW_OK : kw_refuse(c->why, KW_ENOMEM, "out of memory for a bundle");

	(void)json_object_set_new(c->out, "receipts", json_array());
	for (size_t i = 0; i < json_array_size(list) && err == KW_OK; i++)
		err = check_receipt(c, json_array_get(list, i), i, p);
	free(p);
	return err;
}

/* ---- statements ---- */

static bool
entry_holds(struct span bytes, const uint8_t pk[KW_KEY_LEN])
{
	return entry_verify(bytes, pk);
}

static enum kw_err
check_statement(struct checking *c, const json_t *one, size_t i)
{
	const char *text = json_string_value(one);
	struct buf bytes = BUF_INIT(ENTRY_CASE_MAX);
	struct broker_entry e;
	enum kw_err err = KW_OK;

	if (text == NULL || !base64_decode(&bytes, span_str(text), 0) || entry_decode(&e, buf_span(&bytes), c->why) != KW_OK || e.kind != ENTRY_CASE)
		err = kw_refuse(c->why, KW_EPROTO, "statements[%zu] is none", i);
	else if (!signed_by_a_broker(c, entry_holds, buf_span(&bytes)))
		err = kw_refuse(c->why, KW_ECRYPTO, "statements[%zu] is not signed by the broker", i);
	else if (memcmp(e.of_case.id, c->header.id, KW_ID_LEN) != 0 || memcmp(e.of_case.frame_hash, c->frame_hash, KW_HASH_LEN) != 0)
		err = kw_refuse(c->why, KW_EDENIED, "statements[%zu] is about another case", i);
	else
		(void)json_array_append_new(json_object_get(c->out, "statements"), json_pack("{s:s, s:s, s:s, s:s, s:I}", "cause", case_cause_name(e.of_case.cause), "state",
		                            case_state_name(e.of_case.state), "owner", e.of_case.owner, "next", e.of_case.next, "at_ms", (json_int_t)e.time_ms));
	buf_free(&bytes);
	return err;
}

static enum kw_err
check_statements(struct checking *c)
{
	const json_t *list = json_object_get(c->doc, "statements");
	enum kw_err err = KW_OK;

	(void)json_object_set_new(c->out, "statements", json_array());
	for (size_t i = 0; i < json_array_size(list) && err == KW_OK; i++)
		err = check_statement(c, json_array_get(list, i), i);
	return err;
}

enum kw_err
bundle_check(json_t **out, struct span file, const char *pinned, struct kw_why *why)
{
	struct checking *c = calloc(1, sizeof *c);
	json_t *doc = NULL;
	json_error_t error;
	enum kw_err err;

	if (c == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for a bundle");
	c->why = why;
	c->out = json_object();
	if (json_too_deep_at(file) != SIZE_MAX || (doc = json_loadb((const char *)file.p, file.len, JSON_REJECT_DUPLICATES, &error)) == NULL)
		err = kw_refuse(why, KW_EPROTO, "it is no JSON");
	else if (strcmp(look_text(doc, "form"), "kurzweg-receipts-1") != 0)
		err = kw_refuse(why, KW_EPROTO, "it is no bundle of receipts: \"form\" must be kurzweg-receipts-1");
	else
		err = agreement_chain_new(&c->chain);
	c->doc = doc;
	if (err == KW_OK && (err = check_agreements(c, pinned)) == KW_OK && (err = check_notification(c)) == KW_OK && (err = check_stored(c)) == KW_OK &&
	    (err = check_receipts(c)) == KW_OK)
		err = check_statements(c);
	if (err == KW_OK)
		*out = json_incref(c->out);
	json_decref(c->out);
	json_decref(doc);
	agreement_chain_free(&c->chain);
	free(c);
	return err;
}
