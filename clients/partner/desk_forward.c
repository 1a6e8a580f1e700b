/* desk_forward: a case's notification for somebody who does not read its topic (docs/protocol.md [N-17]). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients/partner/desk_sending.h"
#include "proto/payload.h"

static enum kw_err
check(const struct sending_move *s, const struct node *n, const struct case_fold *f, struct kw_why *why)
{
	const struct agreement *a = node_agreement(n);
	const char *to = s->move->to, *topic = f->header.topic;
	uint32_t node = agreement_node(a, to);

	if (!case_is_open(&f->now))
		return case_refuse(why, CASE_V_CLOSED, &f->now, fold_id(f, f->now.owner));
	if (strcmp(fold_id(f, f->now.owner), n->id) != 0)
		return kw_refuse(why, KW_EDENIED, "only the owner of a case forwards it, and that is %s; ask there with \"kurzweg note\"", fold_id(f, f->now.owner));
	if (node == AGREEMENT_NOBODY)
		return kw_refuse(why, KW_EDENIED, "\"%s\" is no node of the agreement; \"kurzweg agreement who-reads %s\" tells who is", to, topic);
	if (agreement_may_read(a, topic, node) || agreement_is_responsible(a, topic, node))
		return kw_refuse(why, KW_EINVAL, "%s reads %s by itself, so nothing need be forwarded; hand the case over instead", to, topic);
	if (!agreement_onward(a, topic, node))
		return kw_refuse(why, KW_EDENIED, "the agreement does not allow that what is on %s goes on to %s: the topic's \"onward\" does not name it; "
		                 "hand the case over to somebody who reads it, or have the agreement changed", topic, to);
	return KW_OK;
}

/* As it came to this node, or as this node sent it. */
static enum kw_err
take_content(struct sending_move *s, struct node *n, const struct case_fold *f, struct kw_why *why)
{
	struct inbox_query q = {.has_id = true};
	struct in_stored came;
	struct out_row sent;
	struct span sealed = {0};
	char id[37];
	enum kw_err err;

	kw_id_text(id, f->header.id);
	memcpy(q.id, f->header.id, KW_ID_LEN);
	if ((err = pstore_in_next(&came, n->store, &q, 0, why)) == KW_OK)
		sealed = came.payload;
	else if (err == KW_ENOTFOUND && (err = node_out_now(&sent, n, f->header.id, why)) == KW_OK)
		sealed = sent.payload;
	if (err != KW_OK && err != KW_ENOTFOUND)
		return err;
	if (sealed.len == 0)
		return kw_refuse(why, KW_ESTATE, "the content of %s is not at this node any more, so it cannot be forwarded", id);
	if ((err = sealer_open(&s->payload, n->sealer, f->header.id, sealed, why)) != KW_OK)
		return err;
	if (!payload_may_go_on(f->header.payload_type, buf_span(&s->payload)))
		return kw_refuse(why, KW_EDENIED, "%s may not be passed on: its sender says so in its handling (onward: Forbidden); ask %s", id, f->header.sender);
	return KW_OK;
}

/* For those of the case who do not read the topic either, such as its sender: that it went on, to whom, and why. */
static enum kw_err
tell_parties(struct node *n, const struct case_fold *f, const struct desk_move *m, struct kw_why *why)
{
	struct sending_move *s = calloc(1, sizeof *s);
	char text[DESK_MOVE_TEXT_MAX + KW_NODE_MAX + 64];
	struct desk_move note = {.type = TYPE_NOTE, .text = text, .as = m->as};
	uint8_t receipt[KW_ID_LEN];
	enum kw_err err;

	if (s == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for a note");
	(void)snprintf(text, sizeof text, "Forwarded to / weitergeleitet an %s%s%s", m->to, m->text != NULL && m->text[0] != '\0' ? ": " : "", m->text != NULL ? m->text : "");
	s->move = &note;
	s->payload = BUF_INIT(KW_BODY_MAX);
	s->payload.secret = true;
	sending_begin(s, n, &f->header, f->at.lane, f->now.frame_hash);
	sending_name_parties(&s->header, n, f);
	sending_name(&s->header, n, m->to);
	if ((err = sending_payload(s, n, why)) == KW_OK)
		err = sending_seal_only(s, n, true, receipt, why);
	buf_free(&s->payload);
	free(s);
	return err;
}

enum kw_err
desk_forward(struct sending_move *s, struct node *n, const struct case_fold *f, uint8_t receipt[KW_ID_LEN], struct kw_why *why)
{
	enum kw_err err;

	if ((err = check(s, n, f, why)) != KW_OK || (err = take_content(s, n, f, why)) != KW_OK)
		return err;
	sending_begin(s, n, &f->header, f->at.lane, f->now.frame_hash);
	s->header.payload_type = f->header.payload_type;
	(void)snprintf(s->header.to[0], sizeof s->header.to[0], "%s", s->move->to);
	s->header.to_count = 1;
	if ((err = node_tx(n, why)) != KW_OK)
		return err;
	if ((err = sending_seal_only(s, n, false, receipt, why)) == KW_OK)
		err = tell_parties(n, f, s->move, why);
	return desk_end(n, err, why);
}
