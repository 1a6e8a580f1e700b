/* node_commits: the broker's commits as this node sees them, and two of one number (docs/protocol.md [L-3], [L-5]). */
#include <string.h>

#include "base/log.h"
#include "clients/partner/node_parts.h"
#include "proto/commit.h"

#define EPOCH_CALM_MS (7ull * 24 * 3600 * 1000) /* for so long outboxes may still name commits of the log epoch before */

bool
node_commit_verify(const struct node *n, const uint8_t record[WIRE_COMMIT_LEN])
{
	uint32_t newest = agreement_version(agreement_chain_newest(n->chain)), oldest = agreement_version(agreement_chain_oldest(n->chain));
	const uint8_t *tried = NULL;

	for (uint32_t v = newest; v >= oldest; v--) { /* an older commit may be signed by a key that was replaced since */
		const uint8_t *pk = agreement_broker(agreement_chain_get(n->chain, v))->sign_pk;

		if (tried != NULL && memcmp(tried, pk, KW_KEY_LEN) == 0)
			continue;
		if (commit_verify(record, pk))
			return true;
		tried = pk;
	}
	return false;
}

static enum kw_err
fork_met(struct node *n, uint64_t number, struct span ours, struct span theirs, const char *how, struct kw_why *why)
{
	enum kw_err err;

	node_alarm(n, "fork", "two different commits %llu were met (%s): the broker shows two histories; nothing is published until somebody looked at the evidence",
	           (unsigned long long)number, how);
	if ((err = pstore_evidence_add(n->store, "fork", how, ours, theirs, n->wall_ms, why)) != KW_OK)
		return err;
	if ((err = pstore_set_value(n->store, VALUE_STOPPED, 1, why)) != KW_OK)
		return err;
	n->stopped = true;
	return KW_OK;
}

/* *fork: one is met and told. */
static enum kw_err
compare(bool *fork, struct node *n, const struct pstore_seen *known, uint64_t number, const uint8_t hash[KW_HASH_LEN], struct span theirs, const char *how, struct kw_why *why)
{
	*fork = known->known && memcmp(known->commit.hash, hash, KW_HASH_LEN) != 0;
	if (!*fork)
		return KW_OK;
	return fork_met(n, number, known->has_record ? span_of(known->record, WIRE_COMMIT_LEN) : span_of(known->commit.hash, KW_HASH_LEN), theirs, how, why);
}

static enum kw_err
look_up(bool *fork, struct node *n, uint32_t epoch, uint64_t number, const uint8_t hash[KW_HASH_LEN], struct span theirs, const char *how, struct kw_why *why)
{
	struct pstore_seen known;
	enum kw_err err = pstore_commit_get(&known, n->store, epoch, number, why);

	*fork = false;
	return err == KW_OK ? compare(fork, n, &known, number, hash, theirs, how, why) : err;
}

enum kw_err
node_commit_came(struct node *n, uint32_t epoch, const uint8_t record[WIRE_COMMIT_LEN], struct kw_why *why)
{
	struct commit c;
	struct commit_seen s;
	bool fork;
	enum kw_err err;

	if (commit_decode(&c, record, why) != KW_OK)
		return KW_ECRYPTO;
	if (!node_commit_verify(n, record))
		return kw_refuse(why, KW_ECRYPTO, "commit %llu is not signed by the broker of the agreement", (unsigned long long)c.number);
	s.number = c.number;
	commit_hash(s.hash, record);
	if ((err = node_tx(n, why)) != KW_OK)
		return err;
	if ((err = look_up(&fork, n, epoch, c.number, s.hash, span_of(record, WIRE_COMMIT_LEN), "one number, two hashes", why)) != KW_OK || fork)
		return err;
	if (c.number > 1 && (err = look_up(&fork, n, epoch, c.number - 1, c.previous, span_of(record, WIRE_COMMIT_LEN), "the link to the commit before", why)) != KW_OK)
		return err;
	if (fork)
		return KW_OK;
	if ((err = pstore_commit_add(n->store, epoch, &s, record, why)) != KW_OK)
		return err;
	if (epoch == n->log_epoch && s.number > n->seen.number)
		n->seen = s;
	return KW_OK;
}

enum kw_err
node_commit_heard(struct node *n, const struct header *h, struct span head, struct kw_why *why)
{
	struct pstore_seen known;
	bool fork;
	enum kw_err err;

	if (h->seen.number == 0 || h->seen.number > INT64_MAX)
		return KW_OK;
	if (n->log_epoch > 1 && h->created_ms < n->epoch_since_ms + EPOCH_CALM_MS)
		return KW_OK; /* it may name a commit of the epoch before, whose numbers are used again */
	if ((err = pstore_commit_get(&known, n->store, n->log_epoch, h->seen.number, why)) != KW_OK)
		return err;
	if (known.known)
		return compare(&fork, n, &known, h->seen.number, h->seen.hash, head, "a partner saw another one", why);
	/* Hearsay is compared, never told on: a partner that lies must not make the broker look behind. */
	if (h->seen.number > n->seen.number + 1000000)
		return KW_OK;
	return pstore_commit_add(n->store, n->log_epoch, &h->seen, NULL, why);
}
