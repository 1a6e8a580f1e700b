/* desk_sending: see its header. */
#include "clients/partner/desk_sending.h"

#include <stdlib.h>
#include <string.h>

#include "clients/partner/node_release.h"
#include "proto/payload.h"

static enum kw_err
note_payload(struct sending_move *s, struct kw_why *why)
{
	json_t *note = json_pack("{s:s}", "text", s->move->text);
	char *dump = note != NULL ? json_dumps(note, JSON_COMPACT) : NULL;
	enum kw_err err = dump != NULL ? payload_from_json(&s->payload, PAYLOAD_NOTE, span_str(dump), why) : kw_refuse(why, KW_EINVAL, "the text is no UTF-8");

	json_decref(note);
	free(dump);
	s->header.payload_type = PAYLOAD_NOTE;
	return err;
}

static enum kw_err
receipt_payload(struct sending_move *s, const struct node *n, struct kw_why *why)
{
	const struct desk_move *m = s->move;
	struct receipt_payload *p = calloc(1, sizeof *p);
	enum kw_err err;

	if (p == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for a receipt");
	p->count = 1;
	memcpy(p->items[0].id, s->header.about.id, KW_ID_LEN);
	memcpy(p->items[0].frame_hash, s->header.about.frame_hash, KW_HASH_LEN);
	p->items[0].at_ms = n->wall_ms;
	if (m->text != NULL)
		memcpy(p->reason, m->text, strlen(m->text) + 1);
	if (m->as != NULL)
		memcpy(p->as, m->as, strlen(m->as) + 1);
	err = receipt_encode(&s->payload, p) == KW_OK ? payload_check(PAYLOAD_RECEIPT, buf_span(&s->payload), why)
	                                              : kw_refuse(why, KW_ENOMEM, "out of memory for a receipt");
	s->header.payload_type = PAYLOAD_RECEIPT;
	free(p);
	return err;
}

void
sending_begin(struct sending_move *s, const struct node *n, const struct header *about, enum lane lane, const uint8_t frame_hash[KW_HASH_LEN])
{
	node_begin_about(&s->header, n, about, lane, frame_hash);
	s->header.type = s->move->type;
}

void
sending_name(struct header *h, const struct node *n, const char *id)
{
	const struct agreement *a = node_agreement(n);
	uint32_t at = 0;

	if (id[0] == '\0' || strcmp(id, n->id) == 0 || h->to_count == KW_TO_MAX || !agreement_is_concerned(a, h->topic, agreement_node(a, id)))
		return;
	while (at < h->to_count && strcmp(h->to[at], id) < 0)
		at++;
	if (at < h->to_count && strcmp(h->to[at], id) == 0)
		return;
	memmove(h->to[at + 1], h->to[at], (h->to_count - at) * sizeof h->to[0]);
	memset(h->to[at], 0, sizeof h->to[at]);
	memcpy(h->to[at], id, strlen(id));
	h->to_count++;
}

/*
 * Whoever came later does not know who has been in the case from the beginning; these fold it from there and need every move ([M-3]). By
 * another agreement the line is another one, and the broker knows only that.
 */
static void
name_lines(struct header *h, const struct node *n, const struct case_fold *f)
{
	uint32_t last = 0;

	for (uint32_t i = 0; i <= f->count; i++) {
		uint32_t version = i == 0 ? f->header.agreement_version : f->entries[i - 1].version;
		struct case_terms t;

		if (version == last || !f->rules.terms(&t, f->rules.ctx, version))
			continue;
		last = version;
		sending_name(h, n, fold_id(f, t.coordinator));
		for (uint32_t k = 0; k < t.member_count && k < CASE_PARTIES_MAX; k++)
			sending_name(h, n, fold_id(f, t.members[k]));
	}
}

void
sending_name_parties(struct header *h, const struct node *n, const struct case_fold *f)
{
	for (uint32_t i = 0; i < f->now.party_count; i++)
		sending_name(h, n, fold_id(f, f->now.party[i]));
	if (f->believed)
		name_lines(h, n, f);
	sending_name(h, n, f->header.sender);
	sending_name(h, n, fold_id(f, f->now.owner));
	sending_name(h, n, fold_id(f, f->now.next));
	sending_name(h, n, agreement_coordinator(node_agreement(n)));
	if (h->next_owner[0] != '\0')
		sending_name(h, n, h->next_owner);
	for (uint32_t i = 0; i < f->count; i++) /* who moved it before */
		if (f->entries[i].type != 0)
			sending_name(h, n, f->entries[i].actor);
}

enum kw_err
sending_payload(struct sending_move *s, const struct node *n, struct kw_why *why)
{
	return s->move->type == TYPE_NOTE ? note_payload(s, why) : receipt_payload(s, n, why);
}

enum kw_err
sending_seal_only(struct sending_move *s, struct node *n, bool own, uint8_t receipt[KW_ID_LEN], struct kw_why *why)
{
	struct sealing in = node_sealing(n, &s->header);
	uint64_t seq;
	enum kw_err err;

	in.payload = buf_span(&s->payload);
	in.own = own;
	if ((err = node_seal(&seq, n, &in, why)) == KW_OK)
		memcpy(receipt, s->header.id, KW_ID_LEN);
	return err == KW_OK && s->header.type == TYPE_RECALL ? node_release_recalled(n, &s->header.about, n->id, why) : err;
}

enum kw_err
sending_seal(struct sending_move *s, struct node *n, uint8_t receipt[KW_ID_LEN], struct kw_why *why)
{
	bool own = s->move->type != TYPE_NOTE && s->move->type != TYPE_RECALL;
	enum kw_err err;

	if ((err = sending_payload(s, n, why)) != KW_OK || (err = node_tx(n, why)) != KW_OK)
		return err;
	return desk_end(n, sending_seal_only(s, n, own, receipt, why), why);
}
