/* node_link: carries out what link decides, says hello, takes welcome, and sorts what the broker sends. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "clients/partner/node_parts.h"
#include "proto/commit.h"

#define MALFORMED_MAX 3u

enum kw_err
node_send(struct node *n, const struct wire_msg *m, struct span frame)
{
	struct buf out = BUF_INIT(KW_CONTROL_MAX);
	enum kw_err err = wire_encode(&out, m);

	if (err == KW_OK)
		err = net_send(n->net, buf_span(&out), frame);
	buf_free(&out);
	if (err == KW_OK)
		link_sent(&n->link, n->mono_ms);
	return err;
}

/* What was sent of a lower lane lies before an alert on a slow line: 1.5 MiB are 12 seconds at 1 Mbit/s. */
static const struct lane_window windows[KW_LANES] = {
	[LANE_FLASH] = {NODE_WINDOW_MESSAGES, NODE_WINDOW_BYTES},
	[LANE_URGENT] = {256, 1024u * 1024u},
	[LANE_ROUTINE] = {256, 512u * 1024u},
};

static void
say_hello(struct node *n)
{
	const struct agreement *a = node_agreement(n);
	struct wire_msg m = {.kind = WIRE_HELLO};
	struct wire_hello *h = &m.hello;
	struct kw_why why;

	h->protocol = 1;
	(void)snprintf(h->software, sizeof h->software, "kurzweg-partner %s", KW_VERSION);
	h->sender_epoch = n->sender_epoch;
	h->agreement_version = agreement_version(a);
	memcpy(h->agreement_hash, agreement_hash(a), KW_HASH_LEN);
	h->seen = n->seen;
	h->filter_count = n->config->filter_count;
	h->filters = n->config->filters;
	for (int i = 0; i < KW_LANES; i++) {
		h->cursor[i] = n->cursor[i];
		h->window[i] = windows[i];
	}
	if (pstore_out_last_stored(&h->has_last_stored, h->last_stored, n->store, &why) != KW_OK)
		log_event(LOG_WARNING, "outbox.not_read", "why=\"%s\"", why.text);
	if (node_send(n, &m, span_of(NULL, 0)) != KW_OK)
		link_failed(&n->link, n->mono_ms);
}

static void
open_endpoint(struct node *n)
{
	const struct agreement *a = node_agreement(n);
	struct kw_why why;

	(void)snprintf(n->endpoint, sizeof n->endpoint, "%s", agreement_endpoint(a, n->link.endpoint));
	log_event(LOG_INFO, "link.connecting", "endpoint=%s", n->endpoint);
	if (net_open(n->net, n->endpoint, agreement_broker(a)->curve_pk, n->keys, &why) == KW_OK)
		return;
	node_alarm(n, "endpoint", "%s", why.text);
	link_failed(&n->link, n->mono_ms);
}

void
node_link_lost(struct node *n)
{
	if (n->up_since_ms != 0)
		log_event(LOG_NOTICE, "link.down", "endpoint=%s", n->endpoint);
	net_close(n->net);
	sending_stop(n->sending);
	node_held_drop(n);
	n->up_since_ms = 0;
	node_agreement_drop(n);
	n->malformed = 0;
	for (int i = 0; i < KW_LANES; i++)
		n->lanes[i].ack_due = false;
}

void
node_link_carry_out(struct node *n)
{
	struct wire_msg beat = {.kind = WIRE_BEAT};

	for (;;)
		switch (link_next(&n->link)) {
		case LINK_NOTHING:
			return;
		case LINK_OPEN:
			open_endpoint(n);
			break;
		case LINK_CLOSE:
			node_link_lost(n);
			break;
		case LINK_SAY_HELLO:
			say_hello(n);
			break;
		case LINK_BEAT:
			if (node_send(n, &beat, span_of(NULL, 0)) != KW_OK)
				log_event(LOG_INFO, "link.beat_not_sent", "endpoint=%s", n->endpoint);
			break;
		}
}

void
node_link_events(struct node *n)
{
	enum net_event e;

	while ((e = net_event(n->net)) != NET_NOTHING) {
		switch (e) {
		case NET_NOTHING:
			break;
		case NET_CONNECTED:
			node_alarm_clear(n, "key_mismatch");
			node_alarm_clear(n, "turned_away");
			link_connected(&n->link, n->mono_ms);
			break;
		case NET_TURNED_AWAY:
			node_alarm(n, "turned_away", "the broker at %s does not know this node's key; is %s in the agreement that is in force there?", n->endpoint, n->id);
			link_failed(&n->link, n->mono_ms);
			break;
		case NET_HANDSHAKE:
			node_alarm(n, "key_mismatch", "server key mismatch: what answers at %s does not hold the broker's key of the agreement, or turned this node away; nothing was sent",
			           n->endpoint);
			link_failed(&n->link, n->mono_ms);
			break;
		case NET_LOST:
			link_failed(&n->link, n->mono_ms);
			break;
		}
		if (n->link.state == LINK_WAITING) /* what else the old monitor says is of no interest */
			break;
	}
	node_link_carry_out(n);
}

/* [C-9], [C-11] */
static enum kw_err
new_sender_epoch(struct node *n, struct kw_why *why)
{
	uint64_t epoch = n->wall_ms > n->sender_epoch ? n->wall_ms : n->sender_epoch + 1;
	enum kw_err err;

	if ((err = pstore_set_value(n->store, VALUE_SENDER_EPOCH, epoch, why)) != KW_OK || (err = pstore_forget_numbers(n->store, why)) != KW_OK)
		return err;
	n->sender_epoch = epoch;
	node_alarm(n, "restored", "the broker remembers a notification of this node that is not in its store: the store is an old copy; it goes on with sender epoch %llu",
	           (unsigned long long)epoch);
	return KW_OK;
}

static enum kw_err
new_log_epoch(struct node *n, const struct wire_welcome *w, struct kw_why *why)
{
	uint64_t since = n->wall_ms > KW_OUTBOX_KEEP_MS ? n->wall_ms - KW_OUTBOX_KEEP_MS : 0;
	bool first = n->log_epoch == 0;
	enum kw_err err;

	if ((err = pstore_set_value(n->store, VALUE_LOG_EPOCH, w->log_epoch, why)) != KW_OK)
		return err;
	if ((err = pstore_set_value(n->store, VALUE_EPOCH_SINCE_MS, n->wall_ms, why)) != KW_OK)
		return err;
	for (int i = 0; i < KW_LANES; i++) { /* a cursor of the epoch before counts up to where this one began */
		uint64_t last = w->epoch_start[i] > 0 ? w->epoch_start[i] - 1 : 0;
		struct lane_cursor to = {w->log_epoch, n->cursor[i].number < last || first ? n->cursor[i].number : last};

		if ((err = pstore_set_cursor(n->store, (enum lane)i, to, why)) != KW_OK)
			return err;
		if ((err = pstore_cases_cut(n->store, (enum lane)i, w->log_epoch, w->epoch_start[i], why)) != KW_OK)
			return err;
		n->cursor[i] = to;
	}
	n->log_epoch = w->log_epoch;
	n->epoch_since_ms = n->wall_ms;
	n->seen = (struct commit_seen){0};
	if (first)
		return KW_OK;
	log_event(LOG_NOTICE, "link.new_epoch", "log_epoch=%u", w->log_epoch);
	n->change.outbox = true;
	if ((err = pstore_out_reopen(n->store, since, why)) != KW_OK)
		return err;
	return pstore_out_waiting(&n->waiting, n->store, why);
}

/* False: this broker is not to be worked with. */
static bool
acceptable(struct node *n, const struct wire_welcome *w)
{
	const struct agreement *a = agreement_chain_get(n->chain, w->agreement_version);

	if (w->log_epoch < n->log_epoch) {
		node_alarm(n, "behind", "the broker is in log epoch %u, this node has seen epoch %u: it came back from an old backup", w->log_epoch, n->log_epoch);
		return false;
	}
	if (a != NULL && memcmp(agreement_hash(a), w->agreement_hash, KW_HASH_LEN) != 0) {
		node_alarm(n, "agreement_refused", "the broker has another text of version %u of the agreement than this node", w->agreement_version);
		return false;
	}
	for (int i = 0; i < KW_LANES; i++)
		if (w->log_epoch == n->log_epoch && w->tail[i] < n->cursor[i].number) {
			node_alarm(n, "behind", "the broker's lane %s ends at %llu, this node has read %llu of it: it came back from an old backup", lane_name((enum lane)i),
			           (unsigned long long)w->tail[i], (unsigned long long)n->cursor[i].number);
			return false;
		}
	return true;
}

static enum kw_err
check_commit(bool *behind, struct node *n, const struct wire_welcome *w, struct kw_why *why)
{
	uint64_t before = n->seen.number;
	enum kw_err err;

	*behind = false;
	if (!w->has_commit) {
		*behind = before > 0;
	} else {
		struct commit c;

		if ((err = node_commit_came(n, w->log_epoch, w->commit, why)) != KW_OK)
			return err;
		if ((err = commit_decode(&c, w->commit, why)) != KW_OK)
			return err;
		*behind = c.number < before;
	}
	if (*behind)
		node_alarm(n, "behind", "the broker's newest commit is older than %llu, which this node has seen: it came back from an old backup", (unsigned long long)before);
	return KW_OK;
}

static enum kw_err
check_last_stored(struct node *n, const struct wire_welcome *w, struct kw_why *why)
{
	struct out_row row;
	enum kw_err err;

	if (!w->has_last_stored)
		return KW_OK;
	err = pstore_out_find(&row, n->store, w->last_stored, why);
	return err == KW_ENOTFOUND ? new_sender_epoch(n, why) : err;
}

static void
compare_clocks(struct node *n, uint64_t theirs)
{
	n->clock_ahead_ms = (int64_t)(n->wall_ms - theirs);
	if (n->clock_ahead_ms > (int64_t)KW_CLOCK_SKEW_MS || n->clock_ahead_ms < -(int64_t)KW_CLOCK_SKEW_MS)
		node_alarm(n, "clock", "this machine's clock and the broker's are %lld s apart, at most %llu are allowed; set the clock",
		           (long long)(n->clock_ahead_ms / 1000), (unsigned long long)(KW_CLOCK_SKEW_MS / 1000));
	else
		node_alarm_clear(n, "clock");
}

/* Versions only go up: a broker with an older one was not told yet, or went back; what is sent under the newer one waits. */
static void
compare_versions(struct node *n, uint32_t theirs)
{
	uint32_t ours = agreement_version(node_agreement(n));

	if (theirs < ours)
		node_alarm(n, "agreement_behind", "the broker has version %u of the agreement in force, this node version %u: install it there, or look why the broker went back",
		           theirs, ours);
	else
		node_alarm_clear(n, "agreement_behind");
}

static void
begin_catchup(struct node *n, const struct wire_welcome *w)
{
	uint64_t cursor[KW_LANES];

	for (int i = 0; i < KW_LANES; i++)
		cursor[i] = n->cursor[i].number;
	catchup_begin(&n->catchup, w->tail, cursor, n->mono_ms);
	n->shown_seq = n->newest_seq;
}

static enum kw_err
take_welcome(struct node *n, const struct wire_welcome *w, struct kw_why *why)
{
	bool behind;
	enum kw_err err;

	if (n->link.state != LINK_HELLO)
		return KW_OK;
	if (!acceptable(n, w)) {
		(void)link_refused(&n->link, CODE_BEHIND, 0, n->mono_ms);
		return KW_OK;
	}
	if ((err = node_tx(n, why)) != KW_OK)
		return err;
	if (w->log_epoch > n->log_epoch && (err = new_log_epoch(n, w, why)) != KW_OK)
		return err;
	if ((err = check_commit(&behind, n, w, why)) != KW_OK)
		return err;
	if (behind) {
		(void)link_refused(&n->link, CODE_BEHIND, 0, n->mono_ms);
		return KW_OK;
	}
	if ((err = check_last_stored(n, w, why)) != KW_OK)
		return err;
	node_alarm_clear(n, "behind");
	node_alarm_clear(n, "refused");
	node_alarm_clear(n, "suspended");
	node_alarm_clear(n, "silent_broker");
	compare_versions(n, w->agreement_version);
	compare_clocks(n, w->now_ms);
	link_welcomed(&n->link, n->mono_ms);
	sending_start(n->sending, w->window);
	n->up_since_ms = n->wall_ms;
	n->up_since_mono_ms = n->mono_ms;
	recalls_again(&n->recalls, n->mono_ms);
	n->broker_version = w->agreement_version;
	n->version_wanted = w->agreement_version > agreement_version(node_agreement(n));
	log_event(LOG_NOTICE, "link.up", "endpoint=%s log_epoch=%u agreement=%u", n->endpoint, w->log_epoch, w->agreement_version);
	if (n->version_wanted)
		node_agreement_ask(n);
	begin_catchup(n, w);
	return KW_OK;
}

static enum kw_err
take_refused(struct node *n, const struct wire_refused *r, struct kw_why *why)
{
	if (r->has_id)
		return node_publish_refused(n, r, why);
	if (r->code == CODE_NOT_FOUND && n->asked_ms != 0) { /* asked_ms stays, so that it is asked again after a while */
		node_alarm(n, "agreement_refused", "the broker does not have version %u of the agreement, which was named: %s", agreement_version(node_agreement(n)) + 1,
		           r->text);
		return KW_OK;
	}
	log_peer(LOG_WARNING, "link.refused", NULL, "code=%s", wire_code_name(r->code));
	if (!link_refused(&n->link, r->code, r->wait_ms, n->mono_ms))
		return KW_OK;
	if (r->code == CODE_SUSPENDED)
		node_alarm(n, "suspended", "this node is %s; until that is over or lifted what is published here waits, and nothing comes in: call the broker's operator", r->text);
	else if (r->code == CODE_REPLACED)
		node_alarm(n, "replaced", "another daemon connected with the key of %s; only one may run, look for the other one", n->id);
	else
		node_alarm(n, "refused", "the broker at %s does not serve this node (%s): %s", n->endpoint, wire_code_name(r->code), r->text);
	return KW_OK;
}

static void
malformed(struct node *n, const struct kw_why *said)
{
	log_peer(LOG_WARNING, "link.malformed", NULL, "endpoint=%s why=\"%s\"", n->endpoint, said->text);
	if (++n->malformed < MALFORMED_MAX)
		return;
	node_alarm(n, "gibberish", "what the broker at %s says cannot be read: %s", n->endpoint, said->text);
	link_failed(&n->link, n->mono_ms);
}

static enum kw_err
sort(struct node *n, const struct wire_msg *m, struct span frame, struct kw_why *why)
{
	bool ready = n->link.state == LINK_READY;

	switch (m->kind) {
	case WIRE_WELCOME:
		return take_welcome(n, &m->welcome, why);
	case WIRE_REFUSED:
		return take_refused(n, &m->refused, why);
	case WIRE_STORED:
		return ready ? node_stored(n, &m->stored, why) : KW_OK;
	case WIRE_DELIVER:
		if (!ready)
			return KW_OK;
		catchup_delivered(&n->catchup, m->deliver.at.lane, m->deliver.at.number, n->mono_ms);
		return node_delivered(n, &m->deliver, frame, why);
	case WIRE_AGREEMENT:
		return ready ? node_agreement_came(n, &m->agreement, why) : KW_OK;
	case WIRE_BEAT:
		return ready && m->beat.has_commit ? node_commit_came(n, n->log_epoch, m->beat.commit, why) : KW_OK;
	default:
		log_peer(LOG_WARNING, "link.unexpected", NULL, "kind=%d", (int)m->kind);
		return KW_OK;
	}
}

enum kw_err
node_take_message(struct node *n, struct span control, struct span frame, struct kw_why *why)
{
	struct wire_msg m;
	struct kw_why said;
	enum kw_err err = wire_decode(&m, control, &said);

	if (err == KW_ENOMEM)
		return kw_refuse(why, err, "out of memory for a message of the broker");
	if (err != KW_OK) {
		malformed(n, &said);
		return KW_OK;
	}
	if (n->link.state != LINK_HELLO && n->link.state != LINK_READY) {
		wire_msg_clear(&m);
		return KW_OK;
	}
	link_heard(&n->link, n->mono_ms);
	err = sort(n, &m, frame, why);
	wire_msg_clear(&m);
	if (err == KW_ECRYPTO) { /* something of the broker's did not hold: it is told, and this connection is not trusted on */
		node_alarm(n, "broker_lies", "%s", why->text);
		link_failed(&n->link, n->mono_ms);
		return KW_OK;
	}
	return err;
}

void
node_send_acks(struct node *n)
{
	struct wire_msg m = {.kind = WIRE_ACK};
	bool any = false;

	for (int i = 0; i < KW_LANES; i++) {
		if (!n->lanes[i].ack_due)
			continue;
		m.ack.cursor[i] = n->cursor[i];
		any = true;
	}
	if (!any || n->link.state != LINK_READY || node_send(n, &m, span_of(NULL, 0)) != KW_OK)
		return; /* what could not be sent now goes with the next turn */
	for (int i = 0; i < KW_LANES; i++)
		n->lanes[i].ack_due = false;
}
