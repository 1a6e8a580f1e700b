/* node: start, the loop, and the one transaction of a turn. */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "base/clock.h"
#include "base/log.h"
#include "clients/partner/node_backup.h"
#include "clients/partner/node_late.h"
#include "clients/partner/node_release.h"
#include "clients/partner/own_files.h"

#define OPENER_CACHE 256u
#define TURN_MS_MAX 1000    /* the loop looks around at least this often */
#define EXPIRE_MS 5000u
#define SWEEP_MS 30000u
#define SWEEP_RECORDS 500u
#define REST_MS 1000u

const struct agreement *
node_agreement(const struct node *n)
{
	return agreement_chain_newest(n->chain);
}

void
node_now(struct node *n)
{
	n->mono_ms = clock_mono_ms();
	n->wall_ms = clock_wall_ms();
}

/* What the store says, after a start and after a rollback. */
static enum kw_err
load(struct node *n, struct kw_why *why)
{
	uint64_t v;
	enum kw_err err;

	if ((err = pstore_value(&n->sender_epoch, n->store, VALUE_SENDER_EPOCH, why)) != KW_OK)
		return err;
	if ((err = pstore_value(&v, n->store, VALUE_LOG_EPOCH, why)) != KW_OK)
		return err;
	n->log_epoch = (uint32_t)v;
	if ((err = pstore_value(&n->epoch_since_ms, n->store, VALUE_EPOCH_SINCE_MS, why)) != KW_OK)
		return err;
	if ((err = pstore_value(&v, n->store, VALUE_STOPPED, why)) != KW_OK)
		return err;
	n->stopped = v != 0;
	if ((err = pstore_cursors(n->cursor, n->store, why)) != KW_OK)
		return err;
	if ((err = pstore_commit_newest(&n->seen, n->store, n->log_epoch, why)) != KW_OK)
		return err;
	if ((err = pstore_in_newest(&n->newest_seq, n->store, why)) != KW_OK)
		return err;
	if ((err = pstore_out_waiting(&n->waiting, n->store, why)) != KW_OK)
		return err;
	n->release_due = true;
	if ((err = node_recalls_load(n, why)) != KW_OK)
		return err;
	return node_receipts_load(n, why);
}

/* A new state counts from an epoch higher than any that an older, lost one can have used. */
static enum kw_err
first_epoch(struct node *n, struct kw_why *why)
{
	enum kw_err err;

	if (n->sender_epoch != 0)
		return KW_OK;
	if ((err = pstore_begin(n->store, why)) != KW_OK)
		return err;
	if ((err = pstore_set_value(n->store, VALUE_SENDER_EPOCH, n->wall_ms, why)) != KW_OK || (err = pstore_commit(n->store, why)) != KW_OK) {
		pstore_rollback(n->store);
		return err;
	}
	n->sender_epoch = n->wall_ms;
	return KW_OK;
}

/* Nothing is sent or signed with the key before: it opens what was sealed to it, and is wiped otherwise. */
static enum kw_err
open_before(struct node *n, struct kw_why *why)
{
	struct secret_keys *before = NULL;
	const struct public_key *mine = secret_keys_public(n->keys), *old;
	enum kw_err err;

	if (n->config->key_before == NULL)
		return KW_OK;
	if ((err = secret_keys_read_daemon(&before, KEY_NODE, n->config->key_before, why)) != KW_OK) {
		kw_why_prefix(why, "key_before");
		return err;
	}
	old = secret_keys_public(before);
	if (strcmp(old->name, mine->name) != 0 || old->mode != mine->mode)
		err = kw_refuse(why, KW_EDENIED, "key_before: %s is the key of %s (%s), but this node is %s (%s); give the key that this node had before", n->config->key_before,
		                old->name, old->mode == MODE_LIVE ? "live" : "exercise", mine->name, mine->mode == MODE_LIVE ? "live" : "exercise");
	else if (seal_opener_new(&n->opener_before, n->id, old->seal_pk, secret_keys_seal(before), OPENER_CACHE) != KW_OK)
		err = kw_refuse(why, KW_ENOMEM, "no guarded memory left for the key before");
	secret_keys_free(&before);
	return err;
}

static enum kw_err
make_parts(struct node *n, struct kw_why *why)
{
	const struct public_key *mine = secret_keys_public(n->keys);
	enum kw_err err;

	memcpy(n->id, mine->name, sizeof n->id);
	if ((err = sending_new(&n->sending)) != KW_OK || (err = receipts_new(&n->receipts)) != KW_OK || (err = confirmations_new(&n->confirmations)) != KW_OK ||
	    (err = sealer_new(&n->sealer, n->keys)) != KW_OK || (err = actors_new(&n->actors)) != KW_OK ||
	    (err = seal_opener_new(&n->opener, n->id, mine->seal_pk, secret_keys_seal(n->keys), OPENER_CACHE)) != KW_OK)
		return kw_refuse(why, err, "the node cannot start: %s", kw_err_text(err));
	if ((err = open_before(n, why)) != KW_OK)
		return err;
	return net_new(&n->net, why);
}

enum kw_err
node_open(struct node **out, const struct partner_config *config, struct kw_why *why)
{
	struct node *n = calloc(1, sizeof *n);
	uint64_t seed;
	enum kw_err err;

	if (n == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for the node");
	n->config = config;
	n->running = true;
	node_now(n);
	if ((err = own_key_read(&n->keys, config->key, why)) != KW_OK)
		goto close_node;
	if ((err = make_parts(n, why)) != KW_OK)
		goto close_node;
	backup_last_read(&n->backup_last, config->state);
	if ((err = node_restored_look(n, why)) != KW_OK || (err = node_agreement_start(n, why)) != KW_OK)
		goto close_node;
	if ((err = load(n, why)) != KW_OK || (err = first_epoch(n, why)) != KW_OK || (err = node_restored_begin(n, why)) != KW_OK)
		goto close_node;
	randombytes_buf(&seed, sizeof seed);
	link_init(&n->link, agreement_endpoint_count(node_agreement(n)), seed, n->mono_ms);
	sending_stop(n->sending);
	node_agreement_age(n);
	if (n->stopped)
		node_alarm(n, "fork", "two different commits of one number were met earlier; nothing is published until somebody looked at the evidence");
	*out = n;
	return KW_OK;
close_node:
	node_close(&n);
	return err;
}

void
node_close(struct node **at)
{
	struct node *n = at != NULL ? *at : NULL;

	if (n == NULL)
		return;
	node_held_drop(n);
	net_free(&n->net);
	seal_opener_free(&n->opener);
	seal_opener_free(&n->opener_before);
	sealer_free(&n->sealer);
	confirmations_free(&n->confirmations);
	receipts_free(&n->receipts);
	actors_free(&n->actors);
	sending_free(&n->sending);
	agreement_chain_free(&n->chain);
	node_agreement_drop(n);
	node_backup_drop(n);
	pstore_close(&n->store);
	secret_keys_free(&n->keys);
	free(n);
	*at = NULL;
}

enum kw_err
node_resume(struct node *n, struct kw_why *why)
{
	enum kw_err err;

	if (!n->stopped)
		return kw_refuse(why, KW_ESTATE, "no fork was met, so there is nothing to resume");
	if ((err = pstore_begin(n->store, why)) != KW_OK)
		return err;
	if ((err = pstore_set_value(n->store, VALUE_STOPPED, 0, why)) != KW_OK || (err = pstore_commits_forget(n->store, why)) != KW_OK ||
	    (err = pstore_commit(n->store, why)) != KW_OK) {
		pstore_rollback(n->store);
		return err;
	}
	n->stopped = false;
	n->seen = (struct commit_seen){0};
	node_alarm_clear(n, "fork");
	log_event(LOG_NOTICE, "fork.resumed", "node=%s", n->id);
	return KW_OK;
}

enum kw_err
node_tx(struct node *n, struct kw_why *why)
{
	return pstore_in_transaction(n->store) ? KW_OK : pstore_begin(n->store, why);
}

void
node_tx_undo(struct node *n)
{
	struct kw_why why;
	enum kw_err err;

	pstore_rollback(n->store);
	n->change = (struct node_change){.inbox = false};
	if ((err = load(n, &why)) == KW_OK)
		return;
	n->fatal = err;
	n->fatal_why = why;
}

static void
tell_listeners(struct node *n)
{
	struct node_change change = n->change;

	n->change = (struct node_change){.inbox = false};
	if (!change.inbox && !change.outbox && !change.cases)
		return;
	for (uint32_t i = 0; i < n->listener_count; i++)
		n->listeners[i].call(n->listeners[i].self, change);
}

enum kw_err
node_tx_end(struct node *n, struct kw_why *why)
{
	enum kw_err err;

	if (!pstore_in_transaction(n->store))
		return KW_OK;
	if (n->change.inbox && (err = pstore_in_newest(&n->newest_seq, n->store, why)) != KW_OK)
		goto undo;
	if ((err = pstore_commit(n->store, why)) != KW_OK)
		goto undo;
	node_alarm_clear(n, "store_full");
	node_send_acks(n);
	tell_listeners(n);
	return KW_OK;
undo:
	node_tx_undo(n);
	return err;
}

void
node_store_failed(struct node *n, enum kw_err err, const struct kw_why *why)
{
	struct kw_why said = *why;

	node_tx_undo(n);
	if (err == KW_EFULL) { /* nothing was acknowledged, so all of it comes again */
		node_alarm(n, "store_full", "%s", said.text);
		n->rest_until_ms = n->mono_ms + REST_MS;
		(void)link_refused(&n->link, CODE_BEHIND, 0, n->mono_ms);
		node_link_carry_out(n);
		return;
	}
	n->fatal = err;
	n->fatal_why = said;
}

static void
receive(struct node *n)
{
	struct net_message m;
	struct kw_why why;

	for (uint32_t i = 0; i < NODE_TURN_MESSAGES && net_receive(&m, n->net) == KW_OK; i++) {
		enum kw_err err;

		if (m.malformed || m.control.len == 0) {
			log_peer(LOG_WARNING, "link.malformed", NULL, "endpoint=%s why=\"a message has one or two frames, none of them empty\"", n->endpoint);
			link_failed(&n->link, n->mono_ms);
			break;
		}
		err = node_take_message(n, m.control, m.has_frame ? m.frame : span_of(NULL, 0), &why);
		if (err != KW_OK) {
			node_store_failed(n, err, &why);
			return;
		}
		if (n->link.state == LINK_WAITING)
			break;
	}
}

/* What came while it lasted is shown now. */
static void
look_for_caught_up(struct node *n)
{
	if (!catchup_over(&n->catchup, n->mono_ms))
		return;
	n->change.inbox = true;
	tell_listeners(n);
}

static enum kw_err
housekeeping(struct node *n, struct kw_why *why)
{
	uint32_t done = 0;
	bool settled = false;
	enum kw_err err;

	if (n->mono_ms < n->rest_until_ms)
		return KW_OK;
	if ((err = node_receipts_say(n, why)) != KW_OK)
		return err;
	if ((err = node_late_look(n, why)) != KW_OK)
		return err;
	if (n->version_wanted)
		node_agreement_ask(n);
	if (n->mono_ms >= n->expire_ms) {
		n->expire_ms = n->mono_ms + EXPIRE_MS;
		node_agreement_age(n);
		if ((err = node_expire(n, why)) != KW_OK)
			return err;
		settled = true; /* what is over is not late any more */
		n->release_due = true;
	}
	if ((settled || n->change.outbox) && (err = node_late_over(n, why)) != KW_OK)
		return err;
	if ((err = node_release_step(n, why)) != KW_OK || (err = node_recalls_look(n, why)) != KW_OK)
		return err;
	if (n->mono_ms < n->sweep_ms)
		return KW_OK;
	n->sweep_ms = n->mono_ms + SWEEP_MS;
	if ((err = node_tx(n, why)) != KW_OK)
		return err;
	if ((err = pstore_sweep(&done, n->store, n->wall_ms, SWEEP_RECORDS, why)) != KW_OK)
		return err;
	n->swept = n->swept || done > 0;
	n->scour_ms = n->mono_ms;
	if (done >= SWEEP_RECORDS) {
		n->sweep_ms = n->mono_ms + 100;
		n->scour_ms = UINT64_MAX;
	}
	return KW_OK;
}

/* Behind the sweep's commit. What does not go now is tried again behind the next one. */
static void
scour(struct node *n)
{
	struct kw_why why;

	if (!n->swept || n->mono_ms < n->scour_ms || n->backup != NULL) /* a backup holds the store as it was: behind it */
		return;
	n->scour_ms = UINT64_MAX;
	if (pstore_scour(n->store, &why) == KW_OK)
		n->swept = false;
	else
		log_event(LOG_WARNING, "inbox.not_scoured", "why=\"%s\"", why.text);
}

/* A broker that let this node in and then says nothing at all is not merely absent. */
static void
look_for_silence(struct node *n)
{
	bool greeted = n->link.state == LINK_HELLO || n->link.state == LINK_READY;

	link_tick(&n->link, n->mono_ms);
	if (greeted && n->link.state == LINK_WAITING)
		node_alarm(n, "silent_broker", "the broker at %s has said nothing for %u s; another connection is tried", n->endpoint, KW_SILENT_MS / 1000);
}

static void
turn(struct node *n)
{
	struct kw_why why;
	enum kw_err err;

	node_now(n);
	node_link_events(n);
	receive(n);
	node_link_carry_out(n);
	if (n->fatal != KW_OK)
		return;
	if ((err = housekeeping(n, &why)) != KW_OK || (err = node_tx_end(n, &why)) != KW_OK) {
		node_store_failed(n, err, &why);
		return;
	}
	look_for_caught_up(n);
	scour(n);
	node_send_acks(n);
	node_pump(n);
	if (sending_stalled(n->sending, n->mono_ms)) {
		node_alarm(n, "silent_broker", "the broker at %s takes notifications and answers nothing; another connection is tried", n->endpoint);
		link_failed(&n->link, n->mono_ms);
	}
	look_for_silence(n);
	node_link_carry_out(n);
	node_backup_tick(n);
	for (uint32_t i = 0; i < n->timer_count; i++)
		if (n->timers[i].wake_ms(n->timers[i].self) <= n->mono_ms)
			n->timers[i].fire(n->timers[i].self, n->mono_ms);
}

static uint64_t
earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t
node_wake_ms(struct node *n)
{
	uint64_t wake = earlier(link_wake_ms(&n->link), receipts_wake_ms(n->receipts)), late = confirmations_wake_ms(n->confirmations);

	wake = earlier(wake, earlier(n->expire_ms, n->sweep_ms));
	wake = earlier(wake, sending_wake_ms(n->sending));
	wake = earlier(wake, catchup_wake_ms(&n->catchup));
	if (late != UINT64_MAX)
		wake = earlier(wake, n->mono_ms + (late > n->wall_ms ? late - n->wall_ms : 0));
	for (uint32_t i = 0; i < n->timer_count; i++)
		wake = earlier(wake, n->timers[i].wake_ms(n->timers[i].self));
	return wake < n->rest_until_ms ? n->rest_until_ms : wake;
}

static long
wait_ms(struct node *n, uint32_t most)
{
	uint64_t wake = node_wake_ms(n);

	node_now(n);
	if (wake <= n->mono_ms)
		return 1; /* what is due and cannot be done yet must not turn the loop into a spin */
	return wake - n->mono_ms > most ? (long)most : (long)(wake - n->mono_ms);
}

struct waiting {
	zmq_pollitem_t items[2 + NODE_POLLERS_MAX];
	int handles[2 + NODE_POLLERS_MAX];  /* of the pollers; -1: our own */
	int count;
};

static void
wait_for(struct waiting *w, void *socket, int fd, short events, int handle)
{
	w->items[w->count] = (zmq_pollitem_t){.socket = socket, .fd = fd, .events = events};
	w->handles[w->count++] = handle;
}

static enum kw_err
wait(struct node *n, uint32_t most, struct kw_why *why)
{
	struct waiting w = {.count = 0};

	if (net_socket(n->net) != NULL) {
		wait_for(&w, net_socket(n->net), 0, ZMQ_POLLIN, -1);
		wait_for(&w, net_monitor(n->net), 0, ZMQ_POLLIN, -1);
	}
	for (int i = 0; i < NODE_POLLERS_MAX; i++)
		if (n->pollers[i].used)
			wait_for(&w, n->pollers[i].poller.socket, n->pollers[i].poller.fd, n->pollers[i].poller.events, i);
	if (zmq_poll(w.items, w.count, wait_ms(n, most)) < 0 && errno != EINTR)
		return kw_refuse(why, KW_EIO, "waiting failed: %s", zmq_strerror(errno));
	node_now(n);
	for (int i = 0; i < w.count; i++) {
		if (w.items[i].revents == 0 || w.handles[i] == -1)
			continue;
		if (n->pollers[w.handles[i]].used)
			n->pollers[w.handles[i]].poller.ready(n->pollers[w.handles[i]].poller.self, w.items[i].revents);
	}
	return KW_OK;
}

static enum kw_err
step(struct node *n, uint32_t wait_ms_max, struct kw_why *why)
{
	enum kw_err err = KW_OK;

	turn(n);
	if (n->running && n->fatal == KW_OK)
		err = wait(n, wait_ms_max, why);
	if (n->fatal == KW_OK)
		return err;
	*why = n->fatal_why;
	return n->fatal;
}

enum kw_err
node_turn(struct node *n, struct kw_why *why)
{
	turn(n);
	if (n->fatal != KW_OK)
		*why = n->fatal_why;
	return n->fatal;
}

enum kw_err
node_step(struct node *n, uint32_t wait_ms_max, struct kw_why *why)
{
	return step(n, wait_ms_max, why);
}

enum kw_err
node_run(struct node *n, struct kw_why *why)
{
	enum kw_err err = KW_OK;

	while (n->running && err == KW_OK) {
		err = step(n, TURN_MS_MAX, why);
		log_tick();
	}
	return err;
}

void
node_stop(struct node *n)
{
	n->running = false;
}

void
node_resubscribe(struct node *n)
{
	if (n->link.state == LINK_HELLO || n->link.state == LINK_READY)
		link_failed(&n->link, n->mono_ms);
}

enum kw_err
node_limit_store(struct node *n, uint32_t pages_max, struct kw_why *why)
{
	return pstore_limit(n->store, pages_max, why);
}

enum kw_err
node_add_poller(int *handle, struct node *n, const struct node_poller *p)
{
	for (int i = 0; i < NODE_POLLERS_MAX; i++) {
		if (n->pollers[i].used)
			continue;
		n->pollers[i].used = true;
		n->pollers[i].poller = *p;
		*handle = i;
		return KW_OK;
	}
	return KW_ELIMIT;
}

void
node_remove_poller(struct node *n, int handle)
{
	MUST(handle >= 0 && handle < NODE_POLLERS_MAX);
	n->pollers[handle].used = false;
}

enum kw_err
node_add_timer(struct node *n, const struct node_timer *t)
{
	if (n->timer_count == NODE_TIMERS_MAX)
		return KW_ELIMIT;
	n->timers[n->timer_count++] = *t;
	return KW_OK;
}

enum kw_err
node_on_committed(struct node *n, void (*call)(void *self, struct node_change change), void *self)
{
	if (n->listener_count == NODE_LISTENERS_MAX)
		return KW_ELIMIT;
	n->listeners[n->listener_count].call = call;
	n->listeners[n->listener_count++].self = self;
	return KW_OK;
}

enum kw_err
node_batch_begin(struct node *n, struct kw_why *why)
{
	enum kw_err err;

	MUST(!n->batch);
	if ((err = node_tx(n, why)) != KW_OK)
		return err;
	n->batch = true;
	return KW_OK;
}

enum kw_err
node_batch_end(struct node *n, struct kw_why *why)
{
	MUST(n->batch);
	n->batch = false;
	return node_tx_end(n, why);
}

void
node_batch_undo(struct node *n)
{
	MUST(n->batch);
	n->batch = false;
	node_tx_undo(n);
}

enum kw_err
node_add_report(struct node *n, const char *key, json_t *(*report)(void *self), void *self)
{
	if (n->report_count == NODE_REPORTS_MAX)
		return KW_ELIMIT;
	n->reports[n->report_count].key = key;
	n->reports[n->report_count].report = report;
	n->reports[n->report_count++].self = self;
	return KW_OK;
}

void *
node_zmq_context(struct node *n)
{
	return net_context(n->net);
}

const struct partner_config *
node_config(const struct node *n)
{
	return n->config;
}

const char *
node_id(const struct node *n)
{
	return n->id;
}

const char *
node_link_word(const struct node *n)
{
	return link_state_name(n->link.state);
}

uint64_t
node_mono_ms(const struct node *n)
{
	return n->mono_ms;
}
