/* reader: the checks of a delivered notification, cheapest first; the first that fails ends it. */
#include "clients/partner/reader.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "clients/partner/release.h"

const char *
reader_step_name(enum reader_step s)
{
	static const char *const names[] = {"sizes", "header", "place", "agreement", "sender", "audience", "signature", "body hash", "wrap", "body",
	                                    "payload", "release", "all"};

	return (unsigned)s < sizeof names / sizeof names[0] ? names[s] : "?";
}

static enum kw_err
stop(struct reading *r, enum reader_step step, enum kw_err err)
{
	r->step = step;
	r->verdict = err == KW_ENOMEM ? READER_FAILED : READER_REJECTED;
	return err;
}

enum kw_err
reader_head(struct reading *r, struct span bytes, enum wire_mark mark)
{
	enum kw_err err;

	memset(r, 0, sizeof *r);
	r->payload = BUF_INIT(KW_OPENED_MAX + 64);
	r->payload.secret = true;
	if ((err = frame_parse(&r->frame, bytes, mark == MARK_WHOLE ? FRAME_WHOLE : FRAME_EITHER, &r->why)) != KW_OK)
		return stop(r, STEP_SIZES, err);
	if ((err = header_decode(&r->header, r->frame.header, &r->why)) != KW_OK)
		return stop(r, STEP_HEADER, err);
	r->has_header = true;
	seal_frame_hash(r->frame_hash, &r->frame);
	return KW_OK;
}

static enum kw_err
check_place(struct reading *r, const struct agreement *newest, const struct wire_deliver *d)
{
	const struct header *h = &r->header;

	if (h->lane != d->at.lane)
		return kw_refuse(&r->why, KW_EPROTO, "the header says lane %s, but it came in lane %s", lane_name(h->lane), lane_name(d->at.lane));
	if (strcmp(h->partnership, agreement_partnership(newest)) != 0)
		return kw_refuse(&r->why, KW_EDENIED, "the header names the partnership \"%s\", but this is \"%s\"", h->partnership, agreement_partnership(newest));
	if (h->mode != agreement_mode(newest))
		return kw_refuse(&r->why, KW_EDENIED, "the header says %s, but the agreement is %s; the two never mix", h->mode == MODE_LIVE ? "live" : "exercise",
		                 agreement_mode(newest) == MODE_LIVE ? "live" : "exercise");
	return KW_OK;
}

/* NULL with READER_HOLD: to be asked for. NULL with READER_REJECTED: it will never be here. */
static const struct agreement *
version_named(struct reading *r, const struct reader *reader, const struct agreement *newest)
{
	uint32_t version = r->header.agreement_version;
	const struct agreement *a = agreement_chain_get(reader->chain, version);

	r->step = STEP_AGREEMENT;
	if (a == NULL && version > agreement_version(newest)) {
		r->verdict = READER_HOLD;
		(void)kw_refuse(&r->why, KW_ENOTFOUND, "it was sent under version %u of the agreement, here is version %u", version, agreement_version(newest));
		return NULL;
	}
	r->verdict = READER_REJECTED;
	if (a == NULL) {
		(void)kw_refuse(&r->why, KW_EDENIED, "it was sent under version %u of the agreement, the oldest one kept here is %u", version,
		                agreement_version(agreement_chain_oldest(reader->chain)));
		return NULL;
	}
	if (memcmp(r->header.agreement_hash, agreement_hash(a), KW_HASH_LEN) == 0)
		return a;
	(void)kw_refuse(&r->why, KW_EDENIED, "it names another text of version %u of the agreement than the one in force here", version);
	return NULL;
}

static bool
among(const uint32_t *nodes, uint32_t count, uint32_t node)
{
	for (uint32_t i = 0; i < count; i++)
		if (nodes[i] == node)
			return true;
	return false;
}

/* A bare head of a topic that is not read any more is still ours: the audience is the header's, under its own version. */
static enum kw_err
check_rights(struct reading *r, const struct reader *reader, const struct agreement *a)
{
	uint32_t sender = agreement_node(a, r->header.sender), me = agreement_node(a, reader->node), count = 0;
	uint32_t *nodes;
	enum kw_err err;

	if (sender == AGREEMENT_NOBODY)
		return stop(r, STEP_SENDER, kw_refuse(&r->why, KW_EDENIED, "the sender \"%s\" is no node of the agreement, version %u", r->header.sender, agreement_version(a)));
	if ((nodes = calloc(agreement_node_count(a), sizeof *nodes)) == NULL)
		return stop(r, STEP_SENDER, kw_refuse(&r->why, KW_ENOMEM, "out of memory for an audience"));
	err = agreement_may_send(nodes, &count, a, &r->header, sender, r->header.created_ms, &r->why);
	if (err != KW_OK)
		err = stop(r, STEP_SENDER, err);
	else if (me == AGREEMENT_NOBODY || !among(nodes, count, me))
		err = stop(r, STEP_AUDIENCE, kw_refuse(&r->why, KW_EDENIED, "it is not meant for this node: \"%s\" is not in the audience of \"%.255s\"", reader->node,
		                                       r->header.topic));
	free(nodes);
	return err;
}

/* Judged by the version it names; what the newest would not allow is only marked. */
static bool
outdated(const struct reading *r, const struct agreement *named, const struct agreement *newest)
{
	struct header now = r->header;
	uint32_t sender;

	if (named == newest)
		return false;
	sender = agreement_node(newest, now.sender);
	if (sender == AGREEMENT_NOBODY)
		return true;
	if (memcmp(agreement_node_key(newest, sender)->sign_pk, agreement_node_key(named, agreement_node(named, now.sender))->sign_pk, KW_KEY_LEN) != 0)
		return true; /* its key was replaced, perhaps because somebody else had it */
	now.agreement_version = agreement_version(newest);
	memcpy(now.agreement_hash, agreement_hash(newest), KW_HASH_LEN);
	return agreement_may_send(NULL, NULL, newest, &now, sender, now.created_ms, NULL) != KW_OK;
}

/* What was sent under a version that has another key for this node is sealed to that one. */
static struct seal_opener *
opener_for(struct reading *r, const struct reader *reader, const struct agreement *a)
{
	const uint8_t *sealed_to = agreement_node_key(a, agreement_node(a, reader->node))->seal_pk;

	if (memcmp(sealed_to, seal_opener_key(reader->opener), KW_KEY_LEN) == 0)
		return reader->opener;
	if (reader->before != NULL && memcmp(sealed_to, seal_opener_key(reader->before), KW_KEY_LEN) == 0)
		return reader->before;
	(void)stop(r, STEP_WRAP, kw_refuse(&r->why, KW_ECRYPTO, "it was sealed to the key that %s had in version %u of the agreement, which is not kept here; key_before keeps one",
	                                   reader->node, agreement_version(a)));
	return NULL;
}

static enum kw_err
open_body(struct reading *r, struct seal_opener *opener, struct span wrap, bool want_body)
{
	uint8_t key[KW_KEY_LEN];
	enum kw_err err;

	if ((err = seal_open_wrap(&r->number, key, opener, &r->frame, wrap, &r->why)) != KW_OK)
		return stop(r, STEP_WRAP, err);
	r->has_number = true;
	if (want_body && (err = seal_open_body(&r->payload, key, &r->frame, &r->why)) != KW_OK)
		(void)stop(r, STEP_BODY, err);
	else
		memcpy(r->content_key, key, sizeof key);
	sodium_memzero(key, sizeof key);
	return err;
}

/* A void that has nothing for this node is fine: who reads the topic since has no number to be told of. */
static enum kw_err
check_void(struct span in, const char *node, struct kw_why *why)
{
	uint64_t number;
	enum kw_err err = void_decode(&number, in, node, why);

	return err == KW_ENOTFOUND ? KW_OK : err;
}

/* to */
static enum kw_err
check_released(struct reading *r, const struct reader *reader, const struct agreement *a)
{
	struct release *release = calloc(1, sizeof *release);
	enum kw_err err;

	if (release == NULL)
		return stop(r, STEP_RELEASE, kw_refuse(&r->why, KW_ENOMEM, "out of memory for the approvals"));
	if ((err = release_check(release, &r->header, buf_span(&r->payload), a, reader->now_ms, &r->why)) != KW_OK)
		(void)stop(r, STEP_RELEASE, err);
	else
		r->corrects = release->draft.about;
	free(release);
	return err;
}

static enum kw_err
check_payload(struct reading *r, const struct reader *reader, const struct agreement *a)
{
	const char *node = reader->node;
	struct span in = buf_span(&r->payload);
	enum kw_err err = KW_OK;

	if (r->header.type == TYPE_RELEASED)
		return check_released(r, reader, a);
	if (r->header.payload_type == PAYLOAD_RECEIPT) {
		struct receipt_payload *p = calloc(1, sizeof *p);

		err = p != NULL ? receipt_decode(p, in, &r->why) : KW_ENOMEM;
		free(p);
	} else if (r->header.payload_type == PAYLOAD_NONE) {
		if (in.len > 0)
			err = kw_refuse(&r->why, KW_EPROTO, "it says it carries no payload, but there are %zu bytes", in.len);
	} else if (r->header.payload_type == PAYLOAD_VOID) {
		err = check_void(in, node, &r->why);
	} else {
		err = payload_check(r->header.payload_type, in, &r->why);
		if (err == KW_OK && r->header.type == TYPE_DRAFT)
			err = release_embargo(&r->header, in, &r->why);
	}
	return err == KW_OK ? KW_OK : stop(r, STEP_PAYLOAD, err);
}

void
reader_check(struct reading *r, const struct reader *reader, const struct wire_deliver *d)
{
	const struct agreement *newest = agreement_chain_newest(reader->chain), *a;
	bool bare = d->mark != MARK_WHOLE || !r->frame.has_body;
	struct seal_opener *opener;
	uint32_t sender;
	enum kw_err err;

	MUST(r->has_header && newest != NULL);
	if ((err = check_place(r, newest, d)) != KW_OK) {
		(void)stop(r, STEP_PLACE, err);
		return;
	}
	if ((a = version_named(r, reader, newest)) == NULL)
		return;
	if (check_rights(r, reader, a) != KW_OK)
		return;
	sender = agreement_node(a, r->header.sender);
	if ((err = seal_check_signature(&r->frame, agreement_node_key(a, sender)->sign_pk, &r->why)) != KW_OK) {
		(void)stop(r, STEP_SIGNATURE, err);
		return;
	}
	r->signature_held = true;
	r->outdated = outdated(r, a, newest);
	if (!bare && (err = seal_check_body_hash(&r->frame, &r->why)) != KW_OK) {
		(void)stop(r, STEP_BODY_HASH, err);
		return;
	}
	if (!d->has_wrap && !bare) {
		(void)stop(r, STEP_WRAP, kw_refuse(&r->why, KW_EPROTO, "the wrap for this node is missing; the broker left it out"));
		return;
	}
	if (d->has_wrap && ((opener = opener_for(r, reader, a)) == NULL || open_body(r, opener, span_of(d->wrap, KW_WRAP_LEN), !bare) != KW_OK))
		return;
	if (!bare && check_payload(r, reader, a) != KW_OK)
		return;
	r->whole = !bare;
	r->step = STEP_ALL;
	r->verdict = READER_FINE;
}

void
reading_free(struct reading *r)
{
	buf_free(&r->payload);
	sodium_memzero(r->content_key, sizeof r->content_key);
}
