/* desk_receipts: see its header. */
#include "clients/partner/desk_receipts.h"

#include <stdlib.h>
#include <string.h>

#include "base/json_memory.h"
#include "clients/partner/desk_cases.h"
#include "clients/partner/desk_parts.h"
#include "proto/base64.h"

#define RECEIPTS_MAX 4096u /* in one bundle */

/* ---- opened ---- */

static enum kw_err
find_in(struct in_stored *row, struct node *n, const uint8_t id[KW_ID_LEN], struct kw_why *why)
{
	struct inbox_query q = {.has_id = true, .receipts = true};

	memcpy(q.id, id, KW_ID_LEN);
	return pstore_in_next(row, n->store, &q, 0, why);
}

/* What cannot be read here was read by nobody. */
static bool
opens(const struct node *n, const struct in_stored *row)
{
	struct buf plain = BUF_INIT(KW_OPENED_MAX + 64);
	bool yes;

	plain.secret = true;
	yes = sealer_open(&plain, n->sealer, row->id, row->payload, NULL) == KW_OK;
	buf_free(&plain);
	return yes;
}

/* Of what was put aside its sender was told something else. */
static bool
is_rejected(struct node *n, const uint8_t id[KW_ID_LEN])
{
	struct inbox_query q = {.has_id = true, .rejected = true};
	struct in_stored row;

	memcpy(q.id, id, KW_ID_LEN);
	return pstore_in_next(&row, n->store, &q, 0, NULL) == KW_OK;
}

enum kw_err
desk_opened(struct node *n, const uint8_t id[KW_ID_LEN], const char *as, struct kw_why *why)
{
	struct in_stored row;
	char text[37];
	enum kw_err err = find_in(&row, n, id, why);

	kw_id_text(text, id);
	if (err == KW_ENOTFOUND && is_rejected(n, id))
		return KW_OK;
	if (err != KW_OK)
		return err == KW_ENOTFOUND ? kw_refuse(why, err, "%s is not in the inbox of this node", text) : err;
	if (as != NULL && strlen(as) > DESK_MOVE_AS_MAX)
		return kw_refuse(why, KW_ELIMIT, "the name of who does it has %zu bytes, at most %u are allowed", strlen(as), DESK_MOVE_AS_MAX);
	if (row.opened || row.bare || row.outdated || row.type >= IN_TYPE_CASE || row.type == TYPE_VOID || notice_type_is_receipt((enum notice_type)row.type) || n->stopped ||
	    !opens(n, &row))
		return KW_OK;
	node_now(n);
	if ((err = node_tx(n, why)) != KW_OK)
		return err;
	err = node_say_opened(n, &row, as, why);
	return desk_end(n, err, why);
}

/* ---- bundles ---- */

static json_t *
base64_json(struct span bytes)
{
	struct buf out = BUF_INIT(2 * KW_FRAME_MAX);
	json_t *v;

	base64_encode(&out, bytes);
	if (!buf_ok(&out))
		json_memory_note();
	v = buf_ok(&out) ? json_stringn((const char *)out.p, out.len) : NULL;
	buf_free(&out);
	return v;
}

static json_t *
head_json(struct span frame)
{
	struct frame f;

	return frame_parse(&f, frame, FRAME_EITHER, NULL) == KW_OK ? base64_json(f.head) : NULL;
}

/* The commit, its place, and the hashes on the way to its root. */
static json_t *
stored_json(const struct out_row *row)
{
	struct cursor c = cursor_over(row->proof);
	const uint8_t *record = cursor_take(&c, WIRE_COMMIT_LEN), *hash;
	uint32_t index = cursor_u32(&c);
	json_t *path;

	if (c.bad)
		return NULL;
	path = json_array();
	while (cursor_left(&c) >= KW_HASH_LEN && (hash = cursor_take(&c, KW_HASH_LEN)) != NULL)
		(void)json_array_append_new(path, base64_json(span_of(hash, KW_HASH_LEN)));
	return json_pack("{s:o, s:I, s:i, s:s, s:I, s:o}", "commit", base64_json(span_of(record, WIRE_COMMIT_LEN)), "index", (json_int_t)index, "log_epoch",
	                 (int)row->at.log_epoch, "lane", lane_name(row->at.lane), "number", (json_int_t)row->at.number, "path", path);
}

struct ids { uint8_t (*ids)[KW_ID_LEN]; uint32_t count; json_t *statements; };

static void
add_id(struct ids *l, const uint8_t id[KW_ID_LEN])
{
	static const uint8_t none[KW_ID_LEN];

	if (memcmp(id, none, KW_ID_LEN) == 0 || l->count == RECEIPTS_MAX)
		return;
	for (uint32_t i = 0; i < l->count; i++)
		if (memcmp(l->ids[i], id, KW_ID_LEN) == 0)
			return;
	memcpy(l->ids[l->count++], id, KW_ID_LEN);
}

static void
add_confirm(void *self, const struct out_confirm *c)
{
	add_id(self, c->receipt);
	add_id(self, c->opened_receipt);
}

static enum kw_err
add_entry(void *self, const struct pstore_case_entry *e)
{
	struct ids *l = self;

	if (e->type != 0)
		add_id(l, e->receipt);
	else
		(void)json_array_append_new(l->statements, base64_json(e->statement));
	return KW_OK;
}

/* What somebody else signed: with what it said, which its body and content key show. */
static json_t *
received_json(struct node *n, const struct in_stored *row)
{
	struct buf plain = BUF_INIT(KW_BODY_MAX + 64);
	json_t *out = json_pack("{s:o}", "head", head_json(row->head));

	plain.secret = true;
	if (out != NULL && row->proof.len > 0 && sealer_open(&plain, n->sealer, row->id, row->proof, NULL) == KW_OK && plain.len > KW_KEY_LEN) {
		(void)json_object_set_new(out, "key", base64_json(span_of(plain.p, KW_KEY_LEN)));
		(void)json_object_set_new(out, "body", base64_json(span_of(plain.p + KW_KEY_LEN, plain.len - KW_KEY_LEN)));
	}
	buf_free(&plain);
	return out;
}

static json_t *
receipts_json(struct node *n, const struct ids *l)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < l->count; i++) {
		struct in_stored came;
		struct out_row sent;

		if (find_in(&came, n, l->ids[i], NULL) == KW_OK)
			(void)json_array_append_new(list, received_json(n, &came));
		else if (node_out_now(&sent, n, l->ids[i], NULL) == KW_OK) /* an own move: whoever sealed it keeps no key to it */
			(void)json_array_append_new(list, json_pack("{s:o}", "head", head_json(sent.frame)));
	}
	return list;
}

json_t *
desk_agreements(const struct node *n)
{
	json_t *list = json_array();

	for (uint32_t v = agreement_version(agreement_chain_oldest(n->chain)); v <= agreement_version(node_agreement(n)); v++) {
		const struct agreement *a = agreement_chain_get(n->chain, v);
		struct span text = agreement_text(a), sigs = agreement_chain_signatures(n->chain, v);

		(void)json_array_append_new(list, json_pack("{s:s%, s:s%}", "text", text.p, text.len, "signatures", sigs.len > 0 ? (const char *)sigs.p : "", sigs.len));
	}
	return list;
}

enum kw_err
desk_bundle(json_t **out, struct node *n, const uint8_t id[KW_ID_LEN], struct kw_why *why)
{
	struct ids l = {.statements = json_array()};
	struct out_row sent;
	struct in_stored came;
	json_t *head = NULL, *stored = NULL;
	uint8_t now[KW_ID_LEN];
	uint64_t seq = 0;
	char text[37];
	enum kw_err err;

	node_now(n);
	memcpy(now, id, KW_ID_LEN);
	kw_id_text(text, id);
	if ((l.ids = calloc(RECEIPTS_MAX, sizeof *l.ids)) == NULL) {
		err = kw_refuse(why, KW_ENOMEM, "out of memory for a bundle");
		goto free_ids;
	}
	if ((err = node_out_now(&sent, n, id, why)) == KW_OK) {
		head = head_json(sent.frame);
		stored = stored_json(&sent);
		seq = sent.seq;
		memcpy(now, sent.id, KW_ID_LEN);
		kw_id_text(text, now);
	} else if (err == KW_ENOTFOUND && (err = find_in(&came, n, id, why)) == KW_OK && came.type < IN_TYPE_CASE) {
		head = head_json(came.head);
	}
	if (head == NULL) {
		if (json_memory_was_short())
			err = kw_refuse(why, KW_ENOMEM, "out of memory for a bundle");
		else if (err == KW_OK || err == KW_ENOTFOUND)
			err = kw_refuse(why, KW_ENOTFOUND, "%s is neither in the inbox nor in the outbox of this node", text);
		json_decref(stored);
		goto free_ids;
	}
	if ((seq != 0 && (err = pstore_out_readers(n->store, seq, add_confirm, &l, why)) != KW_OK) || (err = pstore_case_entries(n->store, now, add_entry, &l, why)) != KW_OK) {
		json_decref(head);
		json_decref(stored);
		goto free_ids;
	}
	*out = json_pack("{s:s, s:s, s:s, s:I, s:o, s:{s:o}, s:o, s:o, s:O}", "form", "kurzweg-receipts-1", "id", text, "made_by", n->id, "made_ms", (json_int_t)n->wall_ms,
	                 "agreements", desk_agreements(n), "notification", "head", head, "stored", stored != NULL ? stored : json_null(), "receipts",
	                 receipts_json(n, &l), "statements", l.statements);
	err = *out != NULL ? KW_OK : kw_refuse(why, KW_ENOMEM, "out of memory for a bundle");
free_ids:
	json_decref(l.statements);
	free(l.ids);
	return err;
}
