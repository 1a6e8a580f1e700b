/* daemon: see its header. */
#include "clients/partner/daemon.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include <zmq.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/service.h"
#include "clients/partner/checks.h"
#include "clients/partner/handlers.h"
#include "clients/partner/local.h"
#include "clients/partner/node.h"
#include "clients/partner/node_audit.h"
#include "clients/partner/node_backup.h"
#include "clients/partner/room.h"
#include "clients/partner/spool.h"

struct daemon {
	struct partner_config *config; /* what is in force */
	struct reload reload;
	struct node *node;
	struct handlers *handlers;
	struct local *local;
	struct spool *spool;
	struct room *room;
	struct service_beat beat;
	int signals;
	bool verbose;
};

static void
say(void *self, const char *sentence)
{
	(void)self;
	(void)fprintf(stderr, "kurzweg-partner: %s\n", sentence);
}

/* What only this machine knows is looked at too: the daemon would start, and these would not do their work. */
int
daemon_check(const struct partner_config *config, const char *path)
{
	if (checks_all(config, say, NULL) > 0)
		return EXIT_CONFIG;
	(void)printf(kw_translate("%s may stand\n"), path);
	return EXIT_DONE;
}

/* ---- the configuration, read again ---- */

/* What is in force, and told as that. */
static void
mind_verbose(const struct daemon *d, struct partner_config *config)
{
	if (d->verbose && config->log < LOG_INFO)
		config->log = LOG_INFO;
}

static void
take_sentence(void *self, const char *sentence)
{
	(void)kw_refuse(self, KW_EINVAL, "%s", sentence);
}

/* Whether all of it may stand, before any of it is in force. */
static enum kw_err
look_through(struct daemon *d, const struct partner_config *fresh, struct kw_why *why)
{
	enum kw_err err;

	if (handlers_check(fresh, take_sentence, why) > 0)
		return KW_EINVAL;
	if ((err = spool_check(fresh, why)) != KW_OK)
		return err;
	return node_agreement_fits(d->node, fresh->agreement, why);
}

/* What may fail goes first; an agreement that is here but not on disk ends the daemon, as everywhere. */
static enum kw_err
bring_in_force(struct daemon *d, struct partner_config *fresh, struct settings *file, struct kw_why *why)
{
	bool other_filters = fresh->filter_count != d->config->filter_count ||
	                     (fresh->filter_count > 0 && memcmp(fresh->filters, d->config->filters, fresh->filter_count * sizeof *fresh->filters) != 0);
	enum kw_err err;

	mind_verbose(d, fresh);
	config_settings(file, fresh);
	if (file->incomplete)
		return kw_refuse(why, KW_ENOMEM, "out of memory");
	if ((err = node_limit_store(d->node, fresh->store_pages_max, why)) != KW_OK)
		return err;
	if ((err = handlers_reload(d->handlers, fresh->handlers, fresh->handler_count, d->config->handlers, d->config->handler_count, why)) != KW_OK) {
		struct kw_why ignored;

		if (node_limit_store(d->node, d->config->store_pages_max, &ignored) != KW_OK)
			log_event(LOG_WARNING, "config.limit", "why=\"%s\"", ignored.text);
		return err;
	}
	config_exchange(d->config, fresh);
	log_set_level(d->config->log);
	spool_move(d->spool, d->config->spool);
	if (other_filters)
		node_resubscribe(d->node);
	return KW_OK;
}

static void
record_reread(struct daemon *d, const char *line)
{
	char detail[AUDIT_TEXT_MAX + 1];
	struct audit_record r = {.event = d->reload.refused ? "reload_refused" : "reload", .actor = "daemon", .detail = detail};

	audit_text_fit(detail, d->reload.refused ? d->reload.text : line);
	node_audit_note(d->node, &r);
}

static void
reread(struct daemon *d)
{
	struct partner_config fresh;
	struct settings file = {.count = 0};
	struct kw_why why = {{0}};
	enum kw_err err;
	char line[256];

	service_reloading();
	if ((err = config_read(&fresh, d->reload.path, &why)) == KW_OK && (err = look_through(d, &fresh, &why)) == KW_OK)
		err = bring_in_force(d, &fresh, &file, &why);
	if (err != KW_OK) {
		reload_refused(&d->reload, why.text, clock_wall_ms());
	} else {
		err = node_agreement_take(d->node, d->config->agreement, &why);
		reload_took(&d->reload, &file, clock_wall_ms());
		if (err != KW_OK)
			reload_not_whole(&d->reload, why.text);
	}
	settings_free(&file);
	config_free(&fresh);
	reload_line(line, &d->reload);
	record_reread(d, line);
	service_ready("%s: %s", node_id(d->node), line);
}

static json_t *
config_report(void *self)
{
	return reload_json(&((struct daemon *)self)->reload);
}

static void
on_signal(void *self, short events)
{
	struct daemon *d = self;
	struct signalfd_siginfo info;
	bool again = false;

	(void)events;
	while (read(d->signals, &info, sizeof info) == (ssize_t)sizeof info) {
		if (info.ssi_signo == SIGHUP)
			again = true;
		else
			node_stop(d->node);
	}
	if (again)
		reread(d);
}

static uint64_t
beat_due(void *self)
{
	return ((struct daemon *)self)->beat.due_ms;
}

static void
beat(void *self, uint64_t mono_ms)
{
	struct daemon *d = self;

	service_beat(&d->beat, mono_ms, "%s, broker: %s", node_id(d->node), node_link_word(d->node));
}

static enum kw_err
hang_in(struct daemon *d, const char *path, struct kw_why *why)
{
	const struct node_poller signals = {.fd = d->signals, .events = ZMQ_POLLIN, .ready = on_signal, .self = d};
	const struct node_timer timer = {beat_due, beat, d};
	struct settings in_force;
	int handle;

	config_settings(&in_force, d->config);
	if (reload_start(&d->reload, path, &in_force, clock_wall_ms()) != KW_OK)
		return kw_refuse(why, KW_ENOMEM, "out of memory");
	service_beat_begin(&d->beat, clock_mono_ms());
	if (node_add_poller(&handle, d->node, &signals) == KW_OK && node_add_timer(d->node, &timer) == KW_OK &&
	    node_add_report(d->node, "config", config_report, d) == KW_OK)
		return KW_OK;
	return kw_refuse(why, KW_ELIMIT, "the node's loop has no place left for the daemon itself");
}

/* What a new start alone cannot mend ends with EXIT_CONFIG, so that nothing starts it again and again. */
static int
code_of(enum kw_err err)
{
	switch (err) {
	case KW_OK:
		return EXIT_DONE;
	case KW_EIO:
	case KW_ECORRUPT:
	case KW_ENOMEM:
	case KW_EFULL:
		return EXIT_STORE;
	case KW_EINVAL:
	case KW_ELIMIT:
	case KW_EDENIED:
	case KW_ENOTFOUND:
	case KW_EPROTO:
	case KW_ECRYPTO:
	case KW_ESTATE: /* as a store that a newer program wrote */
		return EXIT_CONFIG;
	default:
		return EXIT_FAILED;
	}
}

/* A damaged trail is mended by people alone. */
static enum kw_err
open_trail(struct daemon *d, struct kw_why *why)
{
	enum kw_err err = node_audit_open(d->node, why);

	if (err == KW_OK)
		node_restored_told(d->node);
	return err == KW_ECORRUPT ? KW_EPROTO : err;
}

static enum kw_err
start(struct daemon *d, const char *path, bool resume, struct kw_why *why)
{
	enum kw_err err;

	service_starting("reading %s", d->config->state);
	if ((err = node_open(&d->node, d->config, why)) != KW_OK || (err = open_trail(d, why)) != KW_OK || (resume && (err = node_resume(d->node, why)) != KW_OK) ||
	    (err = local_open(&d->local, d->node, why)) != KW_OK || (err = handlers_open(&d->handlers, d->node, why)) != KW_OK ||
	    (err = spool_open(&d->spool, d->node, why)) != KW_OK || (err = room_open(&d->room, d->node, d->config->state, why)) != KW_OK ||
	    (err = hang_in(d, path, why)) != KW_OK)
		return err;
	log_event(LOG_NOTICE, "partner.ready", "node=%s socket=%s state=%s software=%s", node_id(d->node), d->config->socket, d->config->state, KW_VERSION);
	service_ready("%s serves on %s", node_id(d->node), d->config->socket);
	return KW_OK;
}

int
daemon_run(struct partner_config *config, const char *path, int signals, const struct daemon_start *how)
{
	struct daemon d = {.config = config, .signals = signals, .verbose = how->verbose};
	struct kw_why why = {{0}};
	enum kw_err err;
	bool began;

	mind_verbose(&d, config);
	log_set_level(config->log);
	err = start(&d, path, how->resume, &why);
	began = err == KW_OK;
	if (began)
		err = node_run(d.node, &why);
	if (began)
		service_stopping();
	room_close(&d.room);
	spool_close(&d.spool);
	handlers_close(&d.handlers);
	if (began)
		log_event(LOG_NOTICE, "partner.stopped", "node=%s", node_id(d.node));
	local_close(&d.local);
	node_audit_close(d.node);
	node_close(&d.node);
	reload_free(&d.reload);
	if (err != KW_OK)
		say(NULL, why.text);
	return began && err != KW_OK ? EXIT_STORE : code_of(err);
}
