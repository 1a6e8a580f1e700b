/* node_cases: what the log says of cases, kept as it comes, folded, and told to the people here (docs/protocol.md section 10). */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "clients/partner/case_fold.h"
#include "clients/partner/node_cases.h"
#include "clients/partner/node_release.h"

#define DAY_MS (24ull * 3600 * 1000)

struct fold_with
node_fold_with(struct node *n)
{
	return (struct fold_with){n->store, n->chain, n->actors, n->id};
}

static uint64_t
proof_until(const struct node *n, const char *topic)
{
	const struct agreement_topic *t = topic != NULL ? agreement_topic(node_agreement(n), topic) : NULL;

	return n->wall_ms + (t != NULL ? t->keep_proof_ms : 730 * DAY_MS);
}

/* ---- telling ---- */

/* A row in the inbox for a statement, once; an alarm's copy in lane flash is the same bytes. */
static enum kw_err
tell(struct node *n, const char *topic, enum lane lane, const uint8_t id[KW_ID_LEN], struct span statement, struct kw_why *why)
{
	struct header h = {.type = (enum notice_type)IN_TYPE_CASE, .lane = lane, .about = {.set = true}};
	uint8_t hash[KW_HASH_LEN];
	struct in_new row = {
		.header = &h, .frame_hash = hash, .head = statement, .lane = lane, .received_ms = n->wall_ms, .bare = true, .content_until_ms = INT64_MAX,
		.proof_until_ms = proof_until(n, topic),
	};
	struct in_known known;
	uint64_t seq;
	enum kw_err err;

	entry_hash(hash, statement);
	memcpy(h.id, hash, KW_ID_LEN);
	memcpy(h.about.id, id, KW_ID_LEN);
	memcpy(h.topic, topic, strlen(topic) + 1);
	memcpy(h.sender, agreement_broker(node_agreement(n))->name, sizeof h.sender);
	err = pstore_in_known(&known, n->store, h.sender, h.id, hash, why);
	if (err != KW_ENOTFOUND)
		return err;
	n->change.inbox = true;
	return pstore_in_add(&seq, n->store, &row, why);
}

/* Each statement that holds and is new, in their order. */
static enum kw_err
tell_all(struct node *n, const struct case_fold *f, uint64_t *told, struct kw_why *why)
{
	struct span bytes;
	enum kw_err err = KW_OK;

	for (uint32_t i = 0; i < f->count && err == KW_OK; i++) {
		const struct fold_entry *e = &f->entries[i];

		if (e->type != 0 || !e->folded || e->at.number <= *told || e->verdict != CASE_V_OK)
			continue;
		if (e->cause != CAUSE_VOID && (err = pstore_case_statement(&bytes, n->store, f->id, e->at.number, why)) == KW_OK)
			err = tell(n, f->header.topic, e->at.lane, f->id, bytes, why);
		*told = e->at.number;
	}
	return err;
}

/* The broker states what does not follow from what it delivered: it is kept, and said. */
static enum kw_err
tell_parted(struct node *n, const struct case_fold *f, struct kw_why *why)
{
	struct span bytes;
	char id[37];
	enum kw_err err = pstore_case_statement(&bytes, n->store, f->id, f->parted.number, why);

	kw_id_text(id, f->id);
	if (err == KW_OK)
		err = pstore_evidence_add(n->store, "case_parted", id, bytes, span_of(NULL, 0), n->wall_ms, why);
	if (err != KW_OK)
		return err;
	node_alarm(n, "case_parted", "the broker states about the case %s on %s what does not follow from the log (%s at number %llu): by the agreement it is with %s; call "
	           "the others", id, f->header.topic, case_verdict_name(f->parted.verdict), (unsigned long long)f->parted.number, fold_id(f, f->now.owner));
	return KW_OK;
}

static enum kw_err
look_for_overdue(struct node *n, const struct case_fold *f, struct kw_why *why)
{
	bool overdue;
	char id[37];
	enum kw_err err;

	kw_id_text(id, f->id);
	if (f->now.state == CASE_ESCALATED && f->now.alarms > 0) {
		node_alarm(n, "case_overdue", "nobody has taken the case %s on %s, the coordinator %s was reminded %u times", id, f->header.topic, fold_id(f, f->now.owner),
		           f->now.alarms);
		return KW_OK;
	}
	if (node_alarm_text(n, "case_overdue") == NULL)
		return KW_OK;
	if ((err = pstore_cases_overdue(&overdue, n->store, why)) == KW_OK && !overdue)
		node_alarm_clear(n, "case_overdue");
	return err;
}

/* Folds it, writes down how it stands, and tells what is new. */
static enum kw_err
refresh(struct node *n, const uint8_t id[KW_ID_LEN], struct kw_why *why)
{
	struct fold_with with = node_fold_with(n);
	struct case_fold *f = calloc(1, sizeof *f);
	struct pstore_case row;
	enum kw_err err;

	if (f == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for a case");
	if ((err = case_fold(f, &with, id, why)) != KW_OK)
		goto free_fold;
	row = (struct pstore_case){
		.told = f->told, .parted = f->parted_before, .state = (enum case_state)f->now.state, .until_ms = f->now.until_ms, .alarms = f->now.alarms,
		.changed_ms = f->since_ms, .owner = fold_id(f, f->now.owner), .next = fold_id(f, f->now.next),
	};
	memcpy(row.id, id, KW_ID_LEN);
	if (f->parted.verdict != CASE_V_OK && !row.parted) {
		row.parted = true;
		if ((err = tell_parted(n, f, why)) != KW_OK)
			goto free_fold;
	}
	if ((err = tell_all(n, f, &row.told, why)) != KW_OK || (err = pstore_case_set(n->store, &row, why)) != KW_OK)
		goto free_fold;
	n->change.cases = true;
	err = look_for_overdue(n, f, why);
free_fold:
	case_fold_free(f);
	free(f);
	return err == KW_ENOTFOUND ? KW_OK : err;
}

enum kw_err
node_erase_own(struct node *n, const struct about *about, struct kw_why *why)
{
	struct out_row row;
	enum kw_err err = pstore_out_find(&row, n->store, about->id, why);

	if (err != KW_OK)
		return err == KW_ENOTFOUND ? KW_OK : err;
	if (memcmp(row.frame_hash, about->frame_hash, KW_HASH_LEN) != 0)
		return KW_OK;
	err = pstore_out_erase(n->store, row.seq, why);
	return err == KW_OK ? node_release_erase_own(n, about->id, why) : err;
}

/* ---- what came ---- */

/* One place of the log with two entries about one case: the broker's lie, and both are kept. */
static enum kw_err
conflict(struct node *n, const struct pstore_case_entry *e, struct kw_why *why)
{
	char id[37];

	kw_id_text(id, e->id);
	node_alarm(n, "broker_lies", "the broker told two entries about the case %s at one number, %llu, of lane %s", id, (unsigned long long)e->at.number, lane_name(e->at.lane));
	return pstore_evidence_add(n->store, "case_entry", id, e->statement, span_of(e->receipt, KW_ID_LEN), n->wall_ms, why);
}

static enum kw_err
keep_entry(struct node *n, const struct pstore_case_entry *e, const char *topic, struct kw_why *why)
{
	enum kw_err err = pstore_case_entry_add(n->store, e, proof_until(n, topic), why);

	if (err == KW_EEXISTS)
		return KW_OK;
	if (err == KW_EDENIED)
		return conflict(n, e, why);
	return err == KW_OK ? refresh(n, e->id, why) : err;
}

static enum kw_err
opened(struct node *n, const struct header *h, const uint8_t frame_hash[KW_HASH_LEN], struct span head, const struct position *at, struct kw_why *why)
{
	const struct agreement *a = agreement_chain_get(n->chain, h->agreement_version);
	const struct agreement_topic *t = a != NULL ? agreement_topic(a, h->topic) : NULL;
	struct pstore_case row = {.at = *at, .head = head, .state = CASE_WAITING, .changed_ms = n->wall_ms};
	enum kw_err err;

	if (t == NULL || !case_opened_by(h, t))
		return KW_OK;
	row.sent = strcmp(h->sender, n->id) == 0;
	row.owner = agreement_coordinator(a);
	memcpy(row.id, h->id, KW_ID_LEN);
	memcpy(row.frame_hash, frame_hash, KW_HASH_LEN);
	err = pstore_case_add(n->store, &row, proof_until(n, h->topic), why);
	if (err == KW_EEXISTS)
		return KW_OK;
	if (err != KW_OK)
		return err;
	node_moves_case_came(n, at->lane, h->id);
	return refresh(n, h->id, why);
}

enum kw_err
node_case_heard(struct node *n, const struct header *h, const uint8_t frame_hash[KW_HASH_LEN], struct span head, const struct position *at, struct kw_why *why)
{
	struct pstore_case_entry e = {.at = *at, .type = h->type, .actor = h->sender, .next = h->next_owner, .version = h->agreement_version, .at_ms = h->created_ms};
	enum case_move_kind kind;

	if (h->type == TYPE_NOTICE || h->type == TYPE_REQUEST)
		return opened(n, h, frame_hash, head, at, why);
	if (!h->about.set || !case_move_of(&kind, h->type))
		return KW_OK;
	memcpy(e.id, h->about.id, KW_ID_LEN);
	memcpy(e.receipt, h->id, KW_ID_LEN);
	return keep_entry(n, &e, h->topic, why);
}

enum kw_err
node_case_given_up(struct node *n, const struct header *h, struct kw_why *why)
{
	enum case_move_kind kind;

	return h->about.set && case_move_of(&kind, h->type) ? refresh(n, h->about.id, why) : KW_OK;
}

enum kw_err
node_case_stated(struct node *n, const struct broker_entry *b, struct span bytes, const struct position *at, struct kw_why *why)
{
	struct pstore_case_entry e = {.at = *at, .actor = "", .next = "", .statement = bytes};
	struct pstore_case row;
	struct header h;
	struct frame frame;
	enum kw_err err;

	memcpy(e.id, b->of_case.id, KW_ID_LEN);
	if (b->of_case.lane == at->lane)
		return keep_entry(n, &e, NULL, why);
	/* an alarm's copy, which hurries before the case's own lane */
	if ((err = pstore_case_get(&row, n->store, e.id, why)) != KW_OK)
		return err == KW_ENOTFOUND ? KW_OK : err;
	if (frame_parse(&frame, row.head, FRAME_EITHER, NULL) != KW_OK || header_decode(&h, frame.header, NULL) != KW_OK)
		return KW_OK;
	return tell(n, h.topic, at->lane, e.id, bytes, why);
}
