/* daemon: the broker's parts, from start to end. */
#include "broker/daemon.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include <zmq.h>

#include "backup/restored.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/service.h"
#include "base/text.h"
#include "broker/net/case_entries.h"
#include "broker/net/control.h"
#include "broker/net/events.h"
#include "broker/net/gate.h"
#include "broker/net/gate_listen.h"
#include "broker/net/loading.h"
#include "broker/net/relay.h"
#include "broker/net/zap.h"
#include "broker/store/commit_thread.h"
#include "broker/store/store_lmdb.h"
#include "certs/agreement_chain.h"
#include "certs/keys.h"
#include "proto/commit.h"

#define MESSAGES_A_TURN 512u
#define DELIVERIES_A_TURN 1024u
#define STOP_MS 5000u
#define FIRST_INSTALL_MS 30000u
#define WARN_EVERY_MS (6u * 3600u * 1000u)

enum { WAIT_GATE, WAIT_CONTROL, WAIT_MONITOR, WAIT_COMMITS, WAIT_SIGNALS, WAIT_COUNT };

/* A reading of the configuration file that is under way. */
struct rereading {
	bool wanted, under_way;              /* under_way: an agreement is coming into force */
	struct settings file;
};

struct daemon {
	struct broker_config *config;        /* what is in force */
	struct reload reload;
	struct rereading rereading;
	struct restored restored;            /* the store came back from a backup before this start */
	struct secret_keys *keys;
	struct buf text, sigs;               /* of the agreement's file */
	struct agreement *file;
	struct agreement_chain *chain;
	struct core *core;
	struct store *store;
	struct commit_thread *commits;
	void *context;
	struct zap *zap;
	struct audit_book *book;
	struct relay *relay;
	struct gate *gate;
	struct control *control;
	struct events *events;
	struct pollfd waits[WAIT_COUNT];
	uint64_t warned_ms;
	struct service_beat beat;
	bool installing;
	enum kw_err install_err;
	struct kw_why why;
};

/* One sentence for people on standard error and one line for the log. */
static int
give_up(const struct kw_why *why, int code)
{
	log_event(LOG_ERROR, "broker.failed", "exit=%d why=\"%s\"", code, why->text);
	return code;
}

/* ---- what the files say ---- */

static void
drop_agreement_file(struct daemon *d)
{
	agreement_free(&d->file);
	buf_free(&d->text);
	buf_free(&d->sigs);
}

static enum kw_err
read_agreement(struct daemon *d, const char *path)
{
	char name[4096];
	enum kw_err err;

	drop_agreement_file(d);
	d->text = BUF_INIT(KW_AGREEMENT_MAX);
	d->sigs = BUF_INIT(KW_SIGNATURES_TEXT_MAX);
	if (snprintf(name, sizeof name, "%s.sig", path) >= (int)sizeof name)
		return kw_refuse(&d->why, KW_ELIMIT, "the agreement's file name is too long");
	if ((err = fs_read(&d->text, path, &d->why)) == KW_OK)
		err = fs_read(&d->sigs, name, &d->why);
	if (err == KW_ENOTFOUND)
		kw_why_suffix(&d->why, "\"kurzweg agreement install FILE --to %s\" puts text and signatures there", path);
	if (err != KW_OK)
		return err;
	err = agreement_parse(&d->file, buf_span(&d->text), NULL, &d->why);
	if (err != KW_OK)
		kw_why_prefix(&d->why, "%s", path);
	return err;
}

static enum kw_err
read_key(struct daemon *d, const char *path)
{
	enum kw_err err = secret_keys_read_daemon(&d->keys, KEY_BROKER, path, &d->why);

	if (err == KW_ENOTFOUND)
		kw_why_suffix(&d->why, "\"kurzweg key new NAME --broker --out %s\" makes one", path);
	return err;
}

static enum kw_err
read_files(struct daemon *d)
{
	enum kw_err err = read_key(d, d->config->key);

	return err == KW_OK ? read_agreement(d, d->config->agreement) : err;
}

static enum kw_err
own_key_stands(struct daemon *d, const struct agreement *a)
{
	const struct public_key *theirs = agreement_broker(a), *ours = secret_keys_public(d->keys);

	if (memcmp(theirs->curve_pk, ours->curve_pk, KW_KEY_LEN) == 0 && memcmp(theirs->sign_pk, ours->sign_pk, KW_KEY_LEN) == 0)
		return KW_OK;
	return kw_refuse(&d->why, KW_EDENIED, "version %u of the agreement names another broker key than the one in %s", agreement_version(a),
	                 d->config->key);
}

/* Of version 1, or of another that is the first here. */
static enum kw_err
first_holds(struct daemon *d)
{
	enum kw_err err = agreement_verify_first(d->file, buf_span(&d->sigs), &d->why);

	if (err != KW_OK)
		kw_why_prefix(&d->why, "%s", d->config->agreement);
	return err;
}

static enum kw_err
files_hold(struct daemon *d)
{
	enum kw_err err = own_key_stands(d, d->file);

	return err == KW_OK ? first_holds(d) : err;
}

/* ---- the store ---- */

static void
sign_commit(void *self, const struct commit *c, uint8_t out[WIRE_COMMIT_LEN])
{
	commit_encode(out, c, secret_keys_sign(((struct daemon *)self)->keys));
}

static enum kw_err
open_store(struct daemon *d)
{
	struct store_lmdb_config config = {
		.path = d->config->store_path, .partnership = agreement_partnership(d->file), .quota_bytes = d->config->store_quota,
		.force_filesystem = d->config->store_force_filesystem, .signer = {d, sign_commit}, .working = service_more_time,
	};
	struct loading into = {d->core, d->chain, d->file};
	struct store_load load = loading_begin(&into);

	return store_lmdb_open(&d->store, &config, &load, &d->why);
}

/* ---- which agreement ---- */

enum plan { PLAN_STORED, PLAN_INSTALL };

/* The file's version against the store's: older ones are told of, the next one is installed, another history is refused. */
static enum kw_err
choose(struct daemon *d, const char *path, enum plan *plan)
{
	const struct agreement *newest = agreement_chain_newest(d->chain);
	const struct agreement *same = agreement_chain_get(d->chain, agreement_version(d->file));

	*plan = PLAN_INSTALL;
	if (newest == NULL)
		return first_holds(d);
	if (same == NULL && agreement_version(d->file) > agreement_version(newest))
		return agreement_verify_next(newest, d->file, buf_span(&d->sigs), &d->why);
	*plan = PLAN_STORED;
	if (same != NULL && memcmp(agreement_hash(same), agreement_hash(d->file), KW_HASH_LEN) != 0)
		return kw_refuse(&d->why, KW_EDENIED, "%s is another version %u than the one that was in force here: put the right file there",
		                 path, agreement_version(d->file));
	if (same != newest)
		log_event(LOG_WARNING, "agreement.file_is_older", "file_version=%u in_force=%u what=\"the newer one stays in force; put it into the file's place\"",
		          agreement_version(d->file), agreement_version(newest));
	return KW_OK;
}

static void
install_done(void *self, enum kw_err err, const char *sentence)
{
	struct daemon *d = self;

	d->installing = false;
	d->install_err = err;
	if (err != KW_OK)
		(void)kw_refuse(&d->why, err, "%s", sentence);
}

static enum kw_err
install_file(struct daemon *d)
{
	uint64_t end = clock_mono_ms() + FIRST_INSTALL_MS;

	d->installing = true;
	relay_install(d->relay, buf_span(&d->text), buf_span(&d->sigs), (struct relay_done){d, install_done});
	while (d->installing && !relay_lost(d->relay)) {
		zmq_pollitem_t item = {NULL, commit_thread_fd(d->commits), ZMQ_POLLIN, 0};

		(void)relay_carry(d->relay, 0);
		if (!d->installing)
			break;
		if (clock_mono_ms() >= end)
			return kw_refuse(&d->why, KW_ETIMEOUT, "the store did not take the agreement within %u s", FIRST_INSTALL_MS / 1000);
		(void)zmq_poll(&item, 1, 100);
	}
	return relay_lost(d->relay) ? kw_refuse(&d->why, KW_EIO, "the store is lost") : d->install_err;
}

/* ---- start, turn, end ---- */

static enum kw_err
open_gate(struct daemon *d)
{
	struct gate_config config = {
		.zmq_context = d->context, .curve_secret = secret_keys_curve(d->keys), .endpoints = (const char *const *)d->config->listen,
		.endpoint_count = d->config->listen_count, .conns_max = d->config->connections,
	};

	for (int lane = 0; lane < KW_LANES; lane++)
		config.send_hwm += (int)(2 * core_limits_default.deliver[lane].messages);
	return gate_open(&d->gate, &config, &d->why);
}

/* Beside the log, in a folder that its quota does not count. */
static enum kw_err
open_book(struct daemon *d)
{
	struct book_config config = {.folder = NULL, .partnership = agreement_partnership(d->file), .keys = d->keys, .keep_years = d->config->audit_keep_years};
	char folder[4096];

	if (snprintf(folder, sizeof folder, "%s/audit", d->config->store_path) >= (int)sizeof folder)
		return kw_refuse(&d->why, KW_ELIMIT, "store.path is too long");
	config.folder = folder;
	return audit_book_open(&d->book, &config, clock_wall_ms(), &d->why);
}

/* Once: in the trail, so that whoever checks it knows why it goes on from before, and in the log. Where it cannot be recorded it is told at the next start too. */
static void
tell_restored(struct daemon *d)
{
	struct audit_record r = {.event = "restored", .actor = "broker", .object = d->restored.made};
	struct kw_why why;

	if (!d->restored.there)
		return;
	log_event(LOG_WARNING, "store.restored", "made=%s what=\"the store is that of a backup; nodes that have seen more say so\"", d->restored.made);
	if (audit_book_operator(d->book, &r, clock_wall_ms(), &why) == KW_OK && restored_told(d->config->store_path, &why) != KW_OK)
		log_event(LOG_WARNING, "store.restored_mark", "why=\"%s\"", why.text);
}

static enum kw_err
start_threads(struct daemon *d)
{
	struct relay_parts parts;
	enum kw_err err;

	d->context = zmq_ctx_new();
	if (d->context == NULL)
		return kw_refuse(&d->why, KW_ENOMEM, "ZeroMQ does not start: %s", zmq_strerror(errno));
	(void)zmq_ctx_set(d->context, ZMQ_MAX_SOCKETS, (int)d->config->connections + 64);
	err = zap_start(&d->zap, d->context, &d->why);
	if (err != KW_OK)
		return err;
	err = commit_thread_start(&d->commits, d->store);
	if (err != KW_OK)
		return kw_refuse(&d->why, err, "the commit thread does not start");
	parts = (struct relay_parts){d->core, NULL, d->zap, d->store, d->commits, d->chain, d->keys, d->book};
	err = relay_new(&d->relay, &parts);
	return err == KW_OK ? KW_OK : kw_refuse(&d->why, err, "out of memory");
}

static void
warn_of_age(const struct agreement *a)
{
	char until[TEXT_TIME_MAX];

	text_put_time_utc(until, agreement_until_ms(a));
	switch (agreement_age(a, clock_wall_ms())) {
	case AGREEMENT_GOOD:
		break;
	case AGREEMENT_NOT_YET:
		log_event(LOG_WARNING, "agreement.not_yet", "what=\"its time has not come\"");
		break;
	case AGREEMENT_ENDS_SOON:
		log_event(LOG_WARNING, "agreement.ends_soon", "until=%s", until);
		break;
	case AGREEMENT_GRACE:
		log_event(LOG_ERROR, "agreement.grace", "until=%s what=\"over; publishing stops when the grace ends\"", until);
		break;
	case AGREEMENT_OVER:
		log_event(LOG_ERROR, "agreement.over", "until=%s what=\"nothing may be published any more\"", until);
		break;
	}
}

/* Exit code, EXIT_DONE when all stands. */
static int
start(struct daemon *d)
{
	struct core_limits limits = core_limits_default;
	const struct agreement *a;
	enum plan plan;
	enum kw_err err;

	if (events_new(&d->events) != KW_OK) {
		(void)kw_refuse(&d->why, KW_ENOMEM, "out of memory");
		return EXIT_FAILED;
	}
	log_set_sink(events_take, d->events);
	if (read_files(d) != KW_OK)
		return EXIT_CONFIG;
	limits.conns_max = d->config->connections;
	if (core_new(&d->core, &limits) != KW_OK || agreement_chain_new(&d->chain) != KW_OK) {
		(void)kw_refuse(&d->why, KW_ENOMEM, "out of memory");
		return EXIT_FAILED;
	}
	if ((err = restored_look(&d->restored, d->config->store_path, BACKUP_OF_BROKER, &d->why)) != KW_OK)
		return err == KW_ENOMEM ? EXIT_FAILED : err == KW_EIO ? EXIT_STORE_LOST : EXIT_CONFIG;
	if (!store_lmdb_is_there(d->config->store_path) && files_hold(d) != KW_OK)
		return EXIT_CONFIG; /* so a start that fails binds the folder to nobody */
	err = open_store(d);
	if (err != KW_OK)
		return err == KW_EEXISTS ? EXIT_FAILED : err == KW_EDENIED || err == KW_EINVAL ? EXIT_CONFIG : EXIT_STORE_LOST;
	if (choose(d, d->config->agreement, &plan) != KW_OK || own_key_stands(d, plan == PLAN_INSTALL ? d->file : agreement_chain_newest(d->chain)) != KW_OK)
		return EXIT_CONFIG;
	if (core_start(d->core, agreement_chain_newest(d->chain), relay_now()) != KW_OK) {
		(void)kw_refuse(&d->why, KW_ENOMEM, "out of memory");
		return EXIT_FAILED;
	}
	if ((err = open_book(d)) != KW_OK)
		return err == KW_EDENIED || err == KW_ESTATE ? EXIT_CONFIG : err == KW_EIO ? EXIT_STORE_LOST : EXIT_FAILED;
	tell_restored(d);
	if (start_threads(d) != KW_OK)
		return EXIT_FAILED;
	err = case_entries_replay(relay_parts_of(d->relay), &d->why);
	if (err != KW_OK)
		return err == KW_ENOMEM ? EXIT_FAILED : EXIT_STORE_LOST;
	if (plan == PLAN_INSTALL && (err = install_file(d)) != KW_OK)
		return err == KW_EIO ? EXIT_STORE_LOST : EXIT_FAILED;
	a = agreement_chain_newest(d->chain);
	zap_agreement(d->zap, a);
	err = open_gate(d);
	if (err != KW_OK)
		return err == KW_EDENIED || err == KW_EINVAL ? EXIT_CONFIG : EXIT_FAILED;
	relay_open_gate(d->relay, d->gate);
	if (control_open(&d->control, d->context, d->config->control, d->relay, d->events, &d->why) != KW_OK)
		return EXIT_FAILED;
	return EXIT_DONE;
}

static long
sooner(long a, long b)
{
	return b < 0 || (a >= 0 && a < b) ? a : b;
}

static long
wait_ms(const struct daemon *d)
{
	long relay = relay_wait_ms(d->relay), gate = gate_wait_ms(d->gate), beat = -1;
	uint64_t now;

	if (d->beat.due_ms != UINT64_MAX) {
		now = clock_mono_ms();
		beat = d->beat.due_ms > now ? (long)(d->beat.due_ms - now) : 0;
	}
	return sooner(sooner(sooner(relay, gate), sooner(beat, log_wait_ms())), audit_book_wait_ms(d->book, clock_mono_ms()));
}

/* How far it is, in systemd's words. */
static void
beat(struct daemon *d, uint64_t now)
{
	if (service_beat_is_due(&d->beat, now))
		service_beat(&d->beat, now, "%s %s by version %u of the agreement, %u connected", service_name(core_service(d->core)),
		             agreement_partnership(core_agreement(d->core)), agreement_version(core_agreement(d->core)), core_open_count(d->core));
}

/* What poll() waits for on a ZeroMQ socket; without one -1, which it passes over. */
static int
descriptor_of(void *socket)
{
	size_t size = sizeof(int);
	int fd = -1;

	if (socket != NULL)
		MUST(zmq_getsockopt(socket, ZMQ_FD, &fd, &size) == 0);
	return fd;
}

static bool
has_news(void *socket)
{
	size_t size = sizeof(int);
	int events = 0;

	return zmq_getsockopt(socket, ZMQ_EVENTS, &events, &size) == 0 && (events & ZMQ_POLLIN) != 0;
}

/* The monitor is read here once: a ZeroMQ pipe that was never found empty tells of nothing at all. */
static void
begin_waiting(struct daemon *d, int signals)
{
	d->waits[WAIT_GATE] = (struct pollfd){descriptor_of(gate_socket(d->gate)), POLLIN, 0};
	d->waits[WAIT_CONTROL] = (struct pollfd){descriptor_of(control_socket(d->control)), POLLIN, 0};
	d->waits[WAIT_MONITOR] = (struct pollfd){descriptor_of(gate_monitor(d->gate)), POLLIN, 0};
	d->waits[WAIT_COMMITS] = (struct pollfd){commit_thread_fd(d->commits), POLLIN, 0};
	d->waits[WAIT_SIGNALS] = (struct pollfd){signals, POLLIN, 0};
	gate_monitor_receive(d->gate);
}

/* ---- the configuration, read again ---- */

static void
reread_over(struct daemon *d)
{
	char line[256];

	reload_line(line, &d->reload);
	audit_book_event(d->book, d->reload.refused ? "reload_refused" : "reload", NULL, d->reload.refused ? d->reload.text : line, clock_wall_ms());
	service_ready("%s", line);
}

static void
reread_refused(struct daemon *d)
{
	reload_refused(&d->reload, d->why.text, clock_wall_ms());
	settings_free(&d->rereading.file);
	reread_over(d);
}

/* All else of the file is in force by then, and stays so. */
static void
version_came(void *self, enum kw_err err, const char *sentence)
{
	struct daemon *d = self;

	d->rereading.under_way = false;
	reload_took(&d->reload, &d->rereading.file, clock_wall_ms());
	if (err != KW_OK) {
		(void)kw_refuse(&d->why, err, "the agreement in %s did not come into force, all else did: %s", d->config->agreement, sentence);
		reload_not_whole(&d->reload, d->why.text);
	}
	reread_over(d);
}

/* Whether all of it may stand, before any of it is in force. */
static enum kw_err
look_through(struct daemon *d, struct broker_config *fresh, enum plan *plan)
{
	enum kw_err err;

	broker_config_settings(&d->rereading.file, fresh);
	if (d->rereading.file.incomplete)
		return kw_refuse(&d->why, KW_ENOMEM, "out of memory");
	err = read_agreement(d, fresh->agreement);
	if (err == KW_OK)
		err = choose(d, fresh->agreement, plan);
	if (err == KW_OK && *plan == PLAN_INSTALL)
		err = own_key_stands(d, d->file);
	return err == KW_OK ? store_lmdb_quota(d->store, fresh->store_quota, &d->why) : err;
}

/* Whole or not at all: nothing changes before everything was looked at. */
static void
reread(struct daemon *d)
{
	struct broker_config fresh = {.agreement = NULL};
	enum plan plan = PLAN_STORED;

	d->rereading.wanted = false;
	service_reloading();
	if (broker_config_read(&fresh, d->reload.path, &d->why) != KW_OK || look_through(d, &fresh, &plan) != KW_OK) {
		reread_refused(d);
		goto free_fresh;
	}
	broker_config_exchange(d->config, &fresh);
	log_set_level(d->config->log);
	d->rereading.under_way = true;
	if (plan == PLAN_INSTALL)
		relay_install(d->relay, buf_span(&d->text), buf_span(&d->sigs), (struct relay_done){d, version_came});
	else
		version_came(d, KW_OK, "");
free_fresh:
	drop_agreement_file(d);
	broker_config_free(&fresh);
}

static void
take_signals(struct daemon *d, bool *stop)
{
	struct signalfd_siginfo info;

	while (read(d->waits[WAIT_SIGNALS].fd, &info, sizeof info) == (ssize_t)sizeof info) {
		if (info.ssi_signo == SIGHUP)
			d->rereading.wanted = true;
		else
			*stop = true;
	}
}

/*
 * A ZeroMQ socket's descriptor tells of news once, and whatever is done with the socket may use that up. So nothing is waited for before each
 * socket was found empty after the last thing done with it: the gate, which relay_carry sends on, is asked again; the others were read to
 * their ends. zmq_poll does as much with ten system calls a turn instead of four.
 */
static void
turn(struct daemon *d, bool *stop)
{
	bool more = relay_receive(d->relay, MESSAGES_A_TURN);

	more = relay_carry(d->relay, DELIVERIES_A_TURN) || more;
	more = control_receive(d->control) || more;
	more = more || has_news(gate_socket(d->gate));
	if (poll(d->waits, WAIT_COUNT, more ? 0 : (int)wait_ms(d)) < 0)
		return;
	if (d->waits[WAIT_MONITOR].revents != 0 || gate_wait_ms(d->gate) >= 0)
		gate_monitor_receive(d->gate);
	if (d->waits[WAIT_SIGNALS].revents != 0)
		take_signals(d, stop);
	if (control_wants_stop(d->control))
		*stop = true;
	if (d->rereading.wanted && !d->rereading.under_way)
		reread(d);
	control_tick(d->control, clock_mono_ms());
	beat(d, clock_mono_ms());
	audit_book_tick(d->book, zap_turned_away(d->zap), clock_wall_ms(), clock_mono_ms());
	log_tick();
	if (clock_mono_ms() - d->warned_ms >= WARN_EVERY_MS) {
		d->warned_ms = clock_mono_ms();
		warn_of_age(core_agreement(d->core));
	}
}

/* Takes what waits for a commit to its end, not longer than STOP_MS. */
static void
wind_down(struct daemon *d)
{
	uint64_t end = clock_mono_ms() + STOP_MS;

	core_stopping(d->core);
	while (!relay_lost(d->relay) && clock_mono_ms() < end) {
		zmq_pollitem_t item = {NULL, commit_thread_fd(d->commits), ZMQ_POLLIN, 0};

		(void)relay_receive(d->relay, MESSAGES_A_TURN);
		(void)relay_carry(d->relay, DELIVERIES_A_TURN);
		if (relay_idle(d->relay))
			break;
		(void)zmq_poll(&item, 1, 10);
	}
}

static void
take_apart(struct daemon *d)
{
	control_close(&d->control);
	gate_close(&d->gate);
	if (d->commits != NULL)
		commit_thread_stop(&d->commits);
	relay_free(&d->relay);
	audit_book_close(&d->book, clock_wall_ms());
	zap_stop(&d->zap);
	core_free(&d->core); /* gives back what the gate's messages hold: before the context */
	if (d->context != NULL)
		(void)zmq_ctx_term(d->context);
	if (d->store != NULL)
		d->store->ops->close(d->store);
	agreement_chain_free(&d->chain);
	drop_agreement_file(d);
	settings_free(&d->rereading.file);
	reload_free(&d->reload);
	secret_keys_free(&d->keys);
	log_set_sink(NULL, NULL);
	events_free(&d->events);
}

static json_t *
config_report(void *self)
{
	return reload_json(&((struct daemon *)self)->reload);
}

/* What is in force from now on is told truly; where memory is short for that, it cannot start. */
static int
begin_telling(struct daemon *d, const char *path)
{
	struct settings in_force;

	broker_config_settings(&in_force, d->config);
	if (reload_start(&d->reload, path, &in_force, clock_wall_ms()) != KW_OK) {
		(void)kw_refuse(&d->why, KW_ENOMEM, "out of memory");
		return EXIT_FAILED;
	}
	control_on_config(d->control, config_report, d);
	control_restored(d->control, d->restored.made_ms);
	control_backups(d->control, d->config->store_path);
	return EXIT_DONE;
}

int
daemon_run(struct broker_config *config, const char *path, int signals)
{
	struct daemon d = {.config = config};
	bool stop = false;
	int code;

	service_starting("reading %s", config->store_path);
	code = start(&d);
	if (code == EXIT_DONE)
		code = begin_telling(&d, path);
	if (code != EXIT_DONE) {
		code = give_up(&d.why, code);
		goto free_parts;
	}
	log_event(LOG_NOTICE, "broker.ready", "partnership=%s version=%u listen=%s software=%s", agreement_partnership(core_agreement(d.core)),
	          agreement_version(core_agreement(d.core)), config->listen[0], KW_VERSION);
	begin_waiting(&d, signals);
	service_ready("serving %s by version %u of the agreement", agreement_partnership(core_agreement(d.core)), agreement_version(core_agreement(d.core)));
	service_beat_begin(&d.beat, clock_mono_ms());
	while (!stop && !relay_lost(d.relay))
		turn(&d, &stop);
	service_stopping();
	if (stop)
		wind_down(&d);
	if (relay_lost(d.relay)) {
		(void)kw_refuse(&d.why, KW_EIO, "the store is lost; start again: what was acknowledged is recovered from disk");
		code = give_up(&d.why, EXIT_STORE_LOST);
	} else {
		log_event(LOG_NOTICE, "broker.stopped", "clean=yes");
	}
free_parts:
	take_apart(&d);
	return code;
}

/* ---- what --check-config asks ---- */

static uint32_t
complain(enum kw_err err, const struct kw_why *why)
{
	if (err != KW_OK)
		(void)fprintf(stderr, "kurzweg-broker: %s\n", why->text);
	return err != KW_OK;
}

static enum kw_err
prefixed(enum kw_err err, const char *key, struct kw_why *why)
{
	if (err != KW_OK)
		kw_why_prefix(why, "%s", key);
	return err;
}

int
daemon_check(struct broker_config *config)
{
	struct daemon d = {.config = config};
	enum kw_err err = read_key(&d, config->key);
	bool has_key = err == KW_OK;
	uint32_t bad = complain(err, &d.why);

	err = read_agreement(&d, config->agreement);
	if (err == KW_OK && has_key)
		err = own_key_stands(&d, d.file);
	if (err == KW_OK)
		err = first_holds(&d);
	bad += complain(err, &d.why);
	bad += complain(prefixed(fs_folder_check(config->store_path, &d.why), "store.path", &d.why), &d.why);
	bad += complain(prefixed(fs_socket_check(config->control + strlen("ipc://"), &d.why), "control", &d.why), &d.why);
	for (uint32_t i = 0; i < config->listen_count; i++) {
		err = gate_listen_check(config->listen[i], &d.why);
		if (err != KW_EEXISTS || !fs_socket_answers(config->control + strlen("ipc://"))) /* by the broker that runs with this configuration */
			bad += complain(err, &d.why);
	}
	take_apart(&d);
	return bad == 0 ? EXIT_DONE : EXIT_CONFIG;
}
