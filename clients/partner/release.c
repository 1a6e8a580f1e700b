/* release: see its header. One check a line, cheapest first. */
#include "clients/partner/release.h"

#include <stdlib.h>
#include <string.h>

#include "proto/frame.h"
#include "proto/seal.h"

void
release_text_hash(uint8_t out[KW_HASH_LEN], enum payload_type type, struct span content)
{
	uint8_t kind = (uint8_t)type;
	struct span parts[3] = {span_str("KWT1"), span_of(&kind, 1), content};

	seal_hash(out, NULL, LABEL_PAYLOAD, parts, 3);
}

/* ---- one approval ---- */

/* The receipt in the body that the head signs, opened with the key that it commits to. */
static enum kw_err
open_receipt(struct receipt_payload *p, struct span head, struct span body, const uint8_t key[KW_KEY_LEN], struct kw_why *why)
{
	struct buf whole = BUF_INIT(KW_FRAME_MAX), payload = BUF_INIT(KW_OPENED_MAX);
	struct frame f;
	enum kw_err err;

	payload.secret = true;
	if (body.len > KW_APPROVAL_BODY_MAX) {
		err = kw_refuse(why, KW_ELIMIT, "the sealed body of an approval has %zu bytes, at most %u are allowed", body.len, KW_APPROVAL_BODY_MAX);
		goto free_whole;
	}
	buf_put_span(&whole, head);
	buf_put_u32(&whole, (uint32_t)body.len);
	buf_put_span(&whole, body);
	if (!buf_ok(&whole))
		err = kw_refuse(why, KW_ENOMEM, "out of memory for an approval");
	else if ((err = frame_parse(&f, buf_span(&whole), FRAME_WHOLE, why)) == KW_OK && (err = seal_check_body_hash(&f, why)) == KW_OK &&
	         (err = seal_check_key(key, &f, why)) == KW_OK && (err = seal_open_body(&payload, key, &f, why)) == KW_OK)
		err = receipt_decode(p, buf_span(&payload), why);
free_whole:
	buf_free(&whole);
	buf_free(&payload);
	return err;
}

static bool
is_about(const struct header *h, const struct release_draft *d)
{
	return h->about.set && memcmp(h->about.id, d->header->id, KW_ID_LEN) == 0 && memcmp(h->about.frame_hash, d->frame_hash, KW_HASH_LEN) == 0;
}

static enum kw_err
check_place(const struct header *h, const struct release_draft *d, const struct agreement *a, struct kw_why *why)
{
	if (h->type != TYPE_APPROVED)
		return kw_refuse(why, KW_EDENIED, "what is to be the approval of %s is of type \"%s\"", h->sender, notice_type_name(h->type));
	if (h->mode != agreement_mode(a))
		return kw_refuse(why, KW_EDENIED, "the approval of %s is from %s; the two never mix", h->sender, h->mode == MODE_LIVE ? "live" : "exercise");
	if (strcmp(h->partnership, agreement_partnership(a)) != 0)
		return kw_refuse(why, KW_EDENIED, "the approval of %s is from the partnership \"%s\"", h->sender, h->partnership);
	if (strcmp(h->topic, d->header->topic) != 0)
		return kw_refuse(why, KW_EDENIED, "the approval of %s stands on another topic, \"%.200s\"", h->sender, h->topic);
	if (h->to_count != 1 || strcmp(h->to[0], d->header->sender) != 0)
		return kw_refuse(why, KW_EDENIED, "the approval of %s is not to the author alone", h->sender);
	return is_about(h, d) ? KW_OK : kw_refuse(why, KW_EDENIED, "the approval of %s is about another draft", h->sender);
}

static enum kw_err
check_approver(const struct header *h, const struct release_draft *d, const struct agreement *a, struct kw_why *why)
{
	uint32_t node = agreement_node(a, h->sender), author = agreement_node(a, d->header->sender);

	if (node == AGREEMENT_NOBODY)
		return kw_refuse(why, KW_EDENIED, "the approval is from %s, which is no node of the agreement, version %u", h->sender, agreement_version(a));
	if (!agreement_must_approve(a, h->topic, node))
		return kw_refuse(why, KW_EDENIED, "the approval is from %s, which is not asked by the agreement, version %u", h->sender, agreement_version(a));
	if (author == AGREEMENT_NOBODY || strcmp(agreement_node_partner(a, node), agreement_node_partner(a, author)) == 0)
		return kw_refuse(why, KW_EDENIED, "the approval is from %s, of the author's own partner", h->sender);
	return KW_OK;
}

static enum kw_err
check_said(const struct receipt_payload *p, const struct header *h, const struct release_draft *d, struct kw_why *why)
{
	if (p->count != 1 || memcmp(p->items[0].id, d->header->id, KW_ID_LEN) != 0 || memcmp(p->items[0].frame_hash, d->frame_hash, KW_HASH_LEN) != 0)
		return kw_refuse(why, KW_EDENIED, "the approval of %s names another draft inside than outside", h->sender);
	if (!p->has_text_hash || memcmp(p->text_hash, d->text_hash, KW_HASH_LEN) != 0)
		return kw_refuse(why, KW_EDENIED, "the approval of %s is for another text", h->sender);
	return KW_OK;
}

struct approval { struct header header; struct receipt_payload said; };

static enum kw_err
check_approval(struct approval *at, const struct release_draft *d, const struct agreement *a, struct span head, struct span body, const uint8_t key[KW_KEY_LEN],
               struct kw_why *why)
{
	struct frame f;
	enum kw_err err;

	if ((err = frame_parse(&f, head, FRAME_BARE, why)) != KW_OK)
		return err;
	if ((err = header_decode(&at->header, f.header, why)) != KW_OK)
		return err;
	if ((err = check_place(&at->header, d, a, why)) != KW_OK)
		return err;
	if ((err = check_approver(&at->header, d, a, why)) != KW_OK)
		return err;
	if ((err = seal_check_signature(&f, agreement_node_key(a, agreement_node(a, at->header.sender))->sign_pk, why)) != KW_OK)
		return err;
	if ((err = open_receipt(&at->said, head, body, key, why)) != KW_OK)
		return err;
	return check_said(&at->said, &at->header, d, why);
}

static void
take_word(struct release_word *out, const struct approval *at)
{
	memcpy(out->node, at->header.sender, sizeof out->node);
	memcpy(out->as, at->said.as, sizeof out->as);
	out->at_ms = at->header.created_ms;
}

enum kw_err
release_approval(struct release_word *out, const struct release_draft *d, const struct agreement *a, struct span head, struct span body, const uint8_t key[KW_KEY_LEN],
                 struct kw_why *why)
{
	struct approval *at = calloc(1, sizeof *at);
	enum kw_err err;

	if (at == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for an approval");
	if ((err = check_approval(at, d, a, head, body, key, why)) == KW_OK)
		take_word(out, at);
	free(at);
	return err;
}

/* ---- the whole ---- */

/* Its own draft, with the same place, times and embargo. */
static enum kw_err
check_draft(const struct header *draft, const struct frame *f, const struct header *h, const struct agreement *a, struct kw_why *why)
{
	uint8_t hash[KW_HASH_LEN];
	uint32_t author = agreement_node(a, h->sender);

	if (draft->type != TYPE_DRAFT)
		return kw_refuse(why, KW_EDENIED, "its draft is of type \"%s\"", notice_type_name(draft->type));
	if (draft->mode != h->mode || h->mode != agreement_mode(a))
		return kw_refuse(why, KW_EDENIED, "its draft says %s, but the agreement is %s; the two never mix", draft->mode == MODE_LIVE ? "live" : "exercise",
		                 agreement_mode(a) == MODE_LIVE ? "live" : "exercise");
	if (strcmp(draft->partnership, agreement_partnership(a)) != 0)
		return kw_refuse(why, KW_EDENIED, "its draft is from the partnership \"%s\"", draft->partnership);
	if (strcmp(draft->sender, h->sender) != 0)
		return kw_refuse(why, KW_EDENIED, "its draft was sent by %s, and it by %s", draft->sender, h->sender);
	if (strcmp(draft->topic, h->topic) != 0 || draft->payload_type != h->payload_type)
		return kw_refuse(why, KW_EDENIED, "its draft stands on another topic or has another schema");
	if (draft->not_before_ms != h->not_before_ms)
		return kw_refuse(why, KW_EDENIED, "it has another embargo than its draft, which was approved");
	if (draft->expires_ms != h->expires_ms)
		return kw_refuse(why, KW_EDENIED, "it holds until another time than its draft, which was approved");
	seal_frame_hash(hash, f);
	if (!h->about.set || memcmp(h->about.id, draft->id, KW_ID_LEN) != 0 || memcmp(h->about.frame_hash, hash, KW_HASH_LEN) != 0)
		return kw_refuse(why, KW_EDENIED, "it is about another draft than the one that it brings");
	if (author == AGREEMENT_NOBODY)
		return kw_refuse(why, KW_EDENIED, "its author is no node of the agreement");
	return seal_check_signature(f, agreement_node_key(a, author)->sign_pk, why);
}

/* Sooner is for nobody; the sender's own clock is not believed. */
static enum kw_err
check_embargo(const struct header *h, uint64_t now_ms, struct kw_why *why)
{
	if (h->created_ms < h->not_before_ms)
		return kw_refuse(why, KW_EDENIED, "it was released %llu s before its embargo is over", (unsigned long long)((h->not_before_ms - h->created_ms + 999) / 1000));
	if (h->not_before_ms > now_ms + KW_CLOCK_SKEW_MS)
		return kw_refuse(why, KW_EDENIED, "its embargo is over only in %llu s by this machine's clock", (unsigned long long)((h->not_before_ms - now_ms + 999) / 1000));
	return KW_OK;
}

/* What the text itself says of its embargo binds as well: an author's desk that does not ask is no way around it. */
enum kw_err
release_embargo(const struct header *h, struct span content, struct kw_why *why)
{
	struct payload_brief *brief = calloc(1, sizeof *brief);
	enum kw_err err;

	if (brief == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for an embargo");
	if ((err = payload_brief(brief, h->payload_type, content, "", why)) == KW_OK && brief->not_before_ms > h->not_before_ms)
		err = kw_refuse(why, KW_EDENIED, "its text names a later embargo than its header, by %llu s", (unsigned long long)((brief->not_before_ms - h->not_before_ms + 999) / 1000));
	free(brief);
	return err;
}

static bool
has_approved(const struct release *r, const struct agreement *a, const char *partner)
{
	for (uint32_t i = 0; i < r->count; i++)
		if (strcmp(agreement_node_partner(a, agreement_node(a, r->words[i].node)), partner) == 0)
			return true;
	return false;
}

/* One of each partner, and of each partner one. */
static enum kw_err
check_all(struct release *r, const struct release_draft *d, const struct agreement *a, struct kw_why *why)
{
	uint32_t *nodes = calloc(agreement_node_count(a), sizeof *nodes), count;
	enum kw_err err = KW_OK;

	if (nodes == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for the approvers");
	count = agreement_approvers(nodes, a, d->header->topic, agreement_node(a, d->header->sender));
	if (count == 0)
		err = kw_refuse(why, KW_EDENIED, "nobody but its author is to approve on its topic, so nothing is released there");
	for (uint32_t i = 0; i < r->payload.count && err == KW_OK; i++) {
		struct release_word word;
		const char *partner;

		if ((err = release_approval(&word, d, a, r->payload.approvals[i].head, r->payload.approvals[i].body, r->payload.approvals[i].key, why)) != KW_OK)
			break;
		partner = agreement_node_partner(a, agreement_node(a, word.node));
		if (has_approved(r, a, partner))
			err = kw_refuse(why, KW_EDENIED, "two of its approvals are from one partner, %s", partner);
		else
			r->words[r->count++] = word;
	}
	for (uint32_t i = 0; i < count && err == KW_OK; i++)
		if (!has_approved(r, a, agreement_node_partner(a, nodes[i])))
			err = kw_refuse(why, KW_EDENIED, "the approval of %s is missing", agreement_node_partner(a, nodes[i]));
	free(nodes);
	return err;
}

enum kw_err
release_check(struct release *out, const struct header *h, struct span payload, const struct agreement *a, uint64_t now_ms, struct kw_why *why)
{
	struct release_draft d;
	struct frame f;
	uint8_t hash[KW_HASH_LEN];
	enum kw_err err;

	memset(out, 0, sizeof *out);
	if (h->type != TYPE_RELEASED)
		return kw_refuse(why, KW_EDENIED, "a \"%s\" is nothing that was released", notice_type_name(h->type));
	if ((err = check_embargo(h, now_ms, why)) != KW_OK)
		return err;
	if ((err = release_decode(&out->payload, payload, why)) != KW_OK)
		return err;
	if ((err = payload_check(h->payload_type, out->payload.content, why)) != KW_OK || (err = release_embargo(h, out->payload.content, why)) != KW_OK)
		return err;
	if ((err = frame_parse(&f, out->payload.draft, FRAME_BARE, why)) != KW_OK || (err = header_decode(&out->draft, f.header, why)) != KW_OK) {
		kw_why_prefix(why, "its draft");
		return err;
	}
	if ((err = check_draft(&out->draft, &f, h, a, why)) != KW_OK)
		return err;
	out->content = out->payload.content;
	release_text_hash(out->text_hash, h->payload_type, out->content);
	seal_frame_hash(hash, &f);
	d = (struct release_draft){&out->draft, hash, out->text_hash};
	return check_all(out, &d, a, why);
}

enum kw_err
release_read(struct release *out, struct span payload, struct kw_why *why)
{
	struct approval *at = calloc(1, sizeof *at);
	struct frame f;
	enum kw_err err;

	memset(out, 0, sizeof *out);
	if (at == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for the approvals");
	if ((err = release_decode(&out->payload, payload, why)) != KW_OK || (err = frame_parse(&f, out->payload.draft, FRAME_BARE, why)) != KW_OK ||
	    (err = header_decode(&out->draft, f.header, why)) != KW_OK)
		goto free_approval;
	out->content = out->payload.content;
	release_text_hash(out->text_hash, out->draft.payload_type, out->content);
	for (uint32_t i = 0; i < out->payload.count && err == KW_OK; i++) {
		if ((err = frame_parse(&f, out->payload.approvals[i].head, FRAME_BARE, why)) != KW_OK || (err = header_decode(&at->header, f.header, why)) != KW_OK ||
		    (err = open_receipt(&at->said, out->payload.approvals[i].head, out->payload.approvals[i].body, out->payload.approvals[i].key, why)) != KW_OK)
			break;
		take_word(&out->words[out->count++], at);
	}
free_approval:
	free(at);
	return err;
}
