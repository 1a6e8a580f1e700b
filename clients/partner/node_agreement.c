/* node_agreement: the pinned first version, the chain behind it, versions that the broker sends, and their age. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/text.h"
#include "clients/partner/node_audit.h"
#include "clients/partner/node_parts.h"
#include "clients/partner/own_files.h"

#define ASK_AGAIN_MS 5000u
#define ASKED_IN_VAIN_MAX 4u /* then it is an alarm: a line that is so slow, or a broker that sends something else each time */

struct loading { struct node *node; const struct agreement *file; }; /* file: has most of the same keys */

static enum kw_err
load_one(void *self, struct span text, struct span sigs, struct kw_why *why)
{
	struct node *n = ((struct loading *)self)->node;
	const struct agreement *newest = agreement_chain_newest(n->chain);
	struct agreement *a = NULL;
	enum kw_err err = agreement_parse_after(&a, text, newest != NULL ? newest : ((struct loading *)self)->file, NULL, why);

	if (err != KW_OK)
		return kw_refuse(why, KW_ECORRUPT, "an agreement in the node's store cannot be read any more; restore the store from a copy");
	if (agreement_chain_newest(n->chain) == NULL) {
		char pinned[KEY_FINGERPRINT_MAX]; /* compared by people when it was taken in */

		agreement_fingerprint(pinned, a);
		err = agreement_chain_add_first(n->chain, &a, sigs, pinned, why);
	} else {
		err = agreement_chain_add_next(n->chain, &a, sigs, why);
	}
	agreement_free(&a);
	return err;
}

static void
tell_installed(const struct agreement *a)
{
	char fingerprint[KEY_FINGERPRINT_MAX];

	agreement_fingerprint(fingerprint, a);
	log_event(LOG_NOTICE, "agreement.installed", "partnership=%s version=%u fingerprint=\"%s\"", agreement_partnership(a), agreement_version(a), fingerprint);
}

static void
tell_pinned(const struct agreement *a)
{
	char fingerprint[KEY_FINGERPRINT_MAX];

	agreement_fingerprint(fingerprint, a);
	log_event(LOG_NOTICE, "agreement.pinned", "partnership=%s version=%u fingerprint=\"%s\"", agreement_partnership(a), agreement_version(a), fingerprint);
}

/* On disk before it counts. */
static enum kw_err
keep(struct node *n, uint32_t version, struct span text, struct span sigs, struct kw_why *why)
{
	enum kw_err err;

	if ((err = pstore_begin(n->store, why)) != KW_OK)
		return err;
	if ((err = pstore_agreement_add(n->store, version, text, sigs, n->wall_ms, why)) != KW_OK || (err = pstore_commit(n->store, why)) != KW_OK)
		pstore_rollback(n->store);
	return err;
}

static enum kw_err
open_store(struct node *n, const struct agreement *a, struct kw_why *why)
{
	struct pstore_owner owner = {agreement_partnership(a), n->id, agreement_mode(a)};
	enum kw_err err = pstore_open(&n->store, n->config->state, &owner, n->config->store_pages_max, why);

	return err == KW_OK ? node_lock_check(n, why) : err;
}

static enum kw_err
add_first(struct node *n, struct own_files *f, struct kw_why *why)
{
	enum kw_err err = agreement_chain_add_first(n->chain, &f->a, buf_span(&f->sigs), n->config->fingerprint, why);

	if (err != KW_OK)
		kw_why_prefix(why, "%s", n->config->agreement);
	return err;
}

static enum kw_err
keep_first(struct node *n, struct own_files *f, struct kw_why *why)
{
	enum kw_err err = keep(n, agreement_version(node_agreement(n)), buf_span(&f->text), buf_span(&f->sigs), why);

	if (err == KW_OK)
		tell_pinned(node_agreement(n));
	return err;
}

/* The file's version when it goes on from what is here; what it says otherwise counts for nothing, and is told. */
static enum kw_err
go_on(struct node *n, struct own_files *f, struct kw_why *why)
{
	uint32_t version = agreement_version(f->a);
	enum kw_err err = agreement_chain_add_next(n->chain, &f->a, buf_span(&f->sigs), why);

	if (err == KW_EEXISTS)
		return KW_OK;
	if (err == KW_ENOTFOUND) {
		log_event(LOG_NOTICE, "agreement.later", "file_version=%u here=%u what=\"the versions between come from the broker\"", version,
		          agreement_version(node_agreement(n)));
		return KW_OK;
	}
	if (err != KW_OK) {
		kw_why_prefix(why, "%s", n->config->agreement);
		return err;
	}
	if ((err = keep(n, version, buf_span(&f->text), buf_span(&f->sigs), why)) == KW_OK)
		tell_installed(node_agreement(n));
	return err;
}

/* The first start: nothing is made before key and agreement hold, so that a start that fails binds the folder to nobody. */
static enum kw_err
begin(struct node *n, struct own_files *f, struct kw_why *why)
{
	enum kw_err err;

	if ((err = own_key_check(secret_keys_public(n->keys), n->config->key, f->a, why)) != KW_OK || (err = add_first(n, f, why)) != KW_OK ||
	    (err = open_store(n, node_agreement(n), why)) != KW_OK)
		return err;
	return keep_first(n, f, why);
}

static enum kw_err
go_on_from_store(struct node *n, struct own_files *f, struct kw_why *why)
{
	struct loading into = {n, f->a};
	enum kw_err err;

	if ((err = open_store(n, f->a, why)) != KW_OK || (err = pstore_agreements(n->store, load_one, &into, why)) != KW_OK)
		return err;
	if (agreement_chain_newest(n->chain) != NULL)
		err = go_on(n, f, why);
	else if ((err = add_first(n, f, why)) == KW_OK) /* an earlier start ended between its first two commits */
		err = keep_first(n, f, why);
	return err == KW_OK ? own_key_check(secret_keys_public(n->keys), n->config->key, node_agreement(n), why) : err;
}

enum kw_err
node_agreement_start(struct node *n, struct kw_why *why)
{
	struct own_files f;
	enum kw_err err = own_files_read(&f, n->config->agreement, why);

	if (err != KW_OK)
		goto free_file;
	if ((err = agreement_chain_new(&n->chain)) != KW_OK) {
		err = kw_refuse(why, err, "out of memory for the agreement");
		goto free_file;
	}
	if ((err = pstore_is_there(n->config->state) ? go_on_from_store(n, &f, why) : begin(n, &f, why)) != KW_OK)
		goto free_file;
	if (agreement_node(node_agreement(n), n->id) == AGREEMENT_NOBODY)
		node_alarm(n, "not_in_agreement", "this node, %s, is not in the agreement, version %u; it can neither publish nor receive", n->id,
		           agreement_version(node_agreement(n)));
free_file:
	own_files_free(&f);
	return err;
}

static void
ask_part(struct node *n, uint32_t version)
{
	struct wire_msg m = {.kind = WIRE_AGREEMENT_GET};

	m.agreement_get.version = version;
	m.agreement_get.part = n->coming_version == version ? n->coming.next : 0;
	if (node_send(n, &m, span_of(NULL, 0)) == KW_OK)
		n->asked_ms = n->mono_ms;
}

void
node_agreement_ask(struct node *n)
{
	uint32_t version = agreement_version(node_agreement(n)) + 1;

	if (n->link.state != LINK_READY || (n->asked_ms != 0 && n->mono_ms < n->asked_ms + ASK_AGAIN_MS))
		return;
	if (n->asked_ms != 0 && ++n->asked_in_vain == ASKED_IN_VAIN_MAX)
		node_alarm(n, "agreement_refused", "the broker has not sent part %u of version %u of the agreement, which was asked for %u times",
		           n->coming_version == version ? n->coming.next : 0, version, ASKED_IN_VAIN_MAX);
	ask_part(n, version);
}

static void
drop_parts(struct node *n)
{
	parts_drop(&n->coming);
	n->coming_version = 0;
}

void
node_agreement_drop(struct node *n)
{
	drop_parts(n);
	n->asked_ms = 0;
	n->asked_in_vain = 0;
}

static void
note(struct node *n, const char *event, uint32_t version)
{
	char text[16];
	struct audit_record r = {.event = event, .actor = "broker", .object = text};

	(void)snprintf(text, sizeof text, "%u", version);
	node_audit_note(n, &r);
}

static void
in_force(struct node *n)
{
	note(n, "agreement", agreement_version(node_agreement(n)));
	link_endpoints(&n->link, agreement_endpoint_count(node_agreement(n)));
	node_alarm_clear(n, "agreement_refused");
	if (agreement_node(node_agreement(n), n->id) == AGREEMENT_NOBODY)
		node_alarm(n, "not_in_agreement", "this node, %s, is not in the agreement any more since version %u", n->id, agreement_version(node_agreement(n)));
	else
		node_alarm_clear(n, "not_in_agreement");
	node_agreement_age(n);
}

static void
refuse(struct node *n, uint32_t version, const struct kw_why *said)
{
	struct agreement_rival rival;

	note(n, "agreement_refused", version);
	node_alarm(n, "agreement_refused", "the broker sent a version %u of the agreement that does not hold: %s", version, said->text);
	if (n->rival_kept || !agreement_chain_evidence(n->chain, &rival) || node_tx(n, NULL) != KW_OK)
		return;
	n->rival_kept = true; /* the chain keeps the first alone */
	if (pstore_evidence_add(n->store, "agreement", "a second text of one version, with all its signatures", rival.text, rival.sigs, n->wall_ms, NULL) != KW_OK)
		log_event(LOG_ERROR, "evidence.lost", "kind=agreement");
}

/* A version that is here already: said again it is nothing; with another text it is refused, and kept if it is signed as well. */
static void
known_version_came(struct node *n, uint32_t version, struct span text, struct span sigs)
{
	const struct agreement *here = agreement_chain_get(n->chain, version);
	struct agreement *a = NULL;
	struct kw_why said;
	enum kw_err err;

	if (here != NULL && span_eq(agreement_text(here), text))
		return;
	err = agreement_parse_after(&a, text, node_agreement(n), NULL, &said);
	if (err == KW_OK && agreement_version(a) > agreement_version(node_agreement(n)))
		err = kw_refuse(&said, KW_EDENIED, "its text says version %u", agreement_version(a));
	else if (err == KW_OK)
		err = agreement_chain_add_next(n->chain, &a, sigs, &said);
	if (err != KW_OK && err != KW_EEXISTS)
		refuse(n, version, &said);
	agreement_free(&a);
}

static enum kw_err
next_version_came(struct node *n, struct span text, struct span sigs, struct kw_why *why)
{
	uint32_t version = agreement_version(node_agreement(n)) + 1;
	struct agreement *a = NULL;
	struct kw_why said;
	enum kw_err err;

	n->asked_ms = 0;
	/* What this turn did so far belongs to the old version and must be on disk before the new one counts. */
	if ((err = node_tx_end(n, why)) != KW_OK)
		return err;
	if (agreement_parse_after(&a, text, node_agreement(n), NULL, &said) != KW_OK) {
		refuse(n, version, &said);
		return KW_OK;
	}
	if ((err = node_tx(n, why)) == KW_OK)
		err = pstore_agreement_add(n->store, version, text, sigs, n->wall_ms, why);
	if (err != KW_OK)
		goto free_agreement;
	if (agreement_chain_add_next(n->chain, &a, sigs, &said) != KW_OK) {
		node_tx_undo(n);
		refuse(n, version, &said);
		goto free_agreement;
	}
	if ((err = node_tx_end(n, why)) != KW_OK) {
		/* Here, but not on disk: only a new start has both the same again. */
		n->fatal = err;
		n->fatal_why = *why;
		goto free_agreement;
	}
	tell_installed(node_agreement(n));
	in_force(n);
	err = node_held_again(n, why);
	n->version_wanted = n->broker_version > agreement_version(node_agreement(n));
	for (int i = 0; i < KW_LANES; i++)
		n->version_wanted = n->version_wanted || n->lanes[i].count > 0;
	if (n->version_wanted)
		node_agreement_ask(n);
free_agreement:
	agreement_free(&a);
	return err;
}

/*
 * A part that is of use: of what is on its way, or the first of the next version, or, where none of that is awaited, of another text of a
 * version that is here.
 */
static bool
is_of_use(const struct node *n, const struct wire_agreement *in)
{
	const struct agreement *here = agreement_chain_get(n->chain, in->version);

	if (in->part > 0 || in->version == n->coming_version)
		return in->version == n->coming_version;
	if (in->version > agreement_version(node_agreement(n)))
		return in->version == agreement_version(node_agreement(n)) + 1; /* versions come in order */
	if (n->asked_ms != 0)
		return false;
	return here == NULL || agreement_text(here).len != in->total || !span_eq(part_cut(agreement_text(here), 0), in->text);
}

enum kw_err
node_agreement_came(struct node *n, const struct wire_agreement *in, struct kw_why *why)
{
	bool known = in->version <= agreement_version(node_agreement(n));
	struct parts whole;
	struct kw_why said;
	enum kw_err err;

	if (!is_of_use(n, in))
		return KW_OK;
	if (n->coming_version != in->version)
		drop_parts(n);
	n->coming_version = in->version;
	err = parts_take(&n->coming, in->part, in->total, in->text, in->sigs, &said);
	if (err == KW_EEXISTS)
		return KW_OK;
	n->asked_in_vain = 0;
	if (err == KW_EAGAIN) {
		ask_part(n, in->version);
		return KW_OK;
	}
	whole = n->coming; /* a link that is lost meanwhile drops what the node has */
	n->coming = (struct parts){.total = 0};
	n->coming_version = 0;
	if (known || err == KW_OK)
		n->asked_ms = 0; /* else it is asked for again after a while */
	if (err != KW_OK) {
		refuse(n, in->version, &said);
		return KW_OK; /* nothing came together: parts_take dropped it */
	}
	if (known)
		known_version_came(n, in->version, buf_span(&whole.text), buf_span(&whole.sigs));
	else
		err = next_version_came(n, buf_span(&whole.text), buf_span(&whole.sigs), why);
	parts_drop(&whole);
	return err;
}

/* Each age is an alarm of its own, so that the time beside it is when that began. */
static const char *
alarm_of(enum agreement_age age)
{
	switch (age) {
	case AGREEMENT_GOOD: return NULL;
	case AGREEMENT_NOT_YET: return "agreement_not_yet";
	case AGREEMENT_ENDS_SOON: return "agreement_age";
	case AGREEMENT_GRACE: return "agreement_grace";
	case AGREEMENT_OVER: return "agreement_over";
	}
	return NULL;
}

void
node_agreement_age(struct node *n)
{
	const struct agreement *a = node_agreement(n);
	enum agreement_age now = agreement_age(a, n->wall_ms);
	const char *code = alarm_of(now);
	char when[TEXT_TIME_MAX];

	for (int age = AGREEMENT_NOT_YET; age <= AGREEMENT_OVER; age++)
		if ((enum agreement_age)age != now && alarm_of((enum agreement_age)age) != NULL)
			node_alarm_clear(n, alarm_of((enum agreement_age)age));
	text_put_time_local(when, agreement_until_ms(a));
	switch (now) {
	case AGREEMENT_GOOD:
		return;
	case AGREEMENT_NOT_YET:
		node_alarm(n, code, "the agreement, version %u, is not valid yet; nothing can be published", agreement_version(a));
		return;
	case AGREEMENT_ENDS_SOON:
		node_alarm(n, code, "the agreement, version %u, ends at %s; the steering committee must sign a new version", agreement_version(a), when);
		return;
	case AGREEMENT_GRACE:
		node_alarm(n, code, "the agreement, version %u, ended at %s; publishing goes on for its grace alone: the steering committee must sign a new version",
		           agreement_version(a), when);
		return;
	case AGREEMENT_OVER:
		node_alarm(n, code, "the agreement, version %u, ended at %s, and its grace is over; nothing can be published until the steering committee signs a new version",
		           agreement_version(a), when);
		return;
	}
}

enum kw_err
node_agreement_fits(struct node *n, const char *path, struct kw_why *why)
{
	const struct agreement *newest = node_agreement(n), *same;
	struct own_files f;
	enum kw_err err = own_files_read(&f, path, why);

	if (err != KW_OK)
		goto free_file;
	same = agreement_chain_get(n->chain, agreement_version(f.a));
	if (same != NULL && memcmp(agreement_hash(same), agreement_hash(f.a), KW_HASH_LEN) != 0)
		err = kw_refuse(why, KW_EDENIED, "%s is another version %u than the one that is known here: put the right file there", path, agreement_version(f.a));
	else if (agreement_version(f.a) == agreement_version(newest) + 1 && (err = agreement_verify_next(newest, f.a, buf_span(&f.sigs), why)) != KW_OK)
		kw_why_prefix(why, "%s", path);
	if (err == KW_OK && agreement_version(f.a) > agreement_version(newest))
		err = own_key_check(secret_keys_public(n->keys), n->config->key, f.a, why);
free_file:
	own_files_free(&f);
	return err;
}

enum kw_err
node_agreement_take(struct node *n, const char *path, struct kw_why *why)
{
	uint32_t before = agreement_version(node_agreement(n));
	struct own_files f;
	enum kw_err err;

	/* What was done so far belongs to the old version and must be on disk before the new one counts. */
	if ((err = node_tx_end(n, why)) != KW_OK)
		return err;
	if ((err = own_files_read(&f, path, why)) == KW_OK)
		err = go_on(n, &f, why);
	own_files_free(&f);
	if (err != KW_OK && agreement_version(node_agreement(n)) != before) {
		/* Here, but not on disk: only a new start has both the same again. */
		n->fatal = err;
		n->fatal_why = *why;
	}
	if (err != KW_OK || agreement_version(node_agreement(n)) == before)
		return err;
	in_force(n);
	node_agreement_drop(n); /* what of this version was on its way */
	if ((err = node_held_again(n, why)) == KW_OK)
		err = node_tx_end(n, why);
	if (err != KW_OK)
		node_store_failed(n, err, why);
	n->version_wanted = n->broker_version > agreement_version(node_agreement(n));
	for (int i = 0; i < KW_LANES; i++)
		n->version_wanted = n->version_wanted || n->lanes[i].count > 0;
	return KW_OK;
}
