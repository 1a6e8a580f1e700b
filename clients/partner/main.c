/* main: kurzweg-partner, the daemon at each partner. */
#include <argp.h>
#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json_memory.h"
#include "base/language.h"
#include "base/log.h"
#include "clients/partner/config.h"
#include "clients/partner/handlers.h"
#include "clients/partner/local.h"
#include "clients/partner/node.h"
#include "clients/partner/spool.h"

#define EXIT_USAGE 2
#define EXIT_STORE 74 /* the store failed: started again, the daemon goes on from what is on disk */
#define EXIT_CONFIG 78

struct options {
	const char *config;
	bool check;
	bool verbose;
	bool resume;
};

static const struct argp_option argp_options[] = {
	{"config", 'c', "FILE", 0, "the configuration, /etc/kurzweg/partner.yaml unless given", 0},
	{"check-config", 'n', NULL, 0, "say whether configuration, key and agreement may stand, and end", 0},
	{"resume-after-fork", 'r', NULL, 0, "somebody looked at the evidence of two histories and trusts the broker again: publish on", 0},
	{"verbose", 'v', NULL, 0, "log more", 0},
	{0},
};

static error_t
take_option(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 'c':
		if (o->config != NULL)
			argp_error(state, "--config is given twice; give it once");
		o->config = arg;
		return 0;
	case 'n':
		o->check = true;
		return 0;
	case 'v':
		o->verbose = true;
		return 0;
	case 'r':
		o->resume = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "\"%s\" is not expected here; the daemon takes options alone", arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* Readable when the daemon is to stop; the signals are blocked before any thread starts. */
static int
stop_signals(void)
{
	sigset_t set;

	(void)signal(SIGPIPE, SIG_IGN);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
		return -1;
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int
fail(const struct kw_why *why, int code)
{
	(void)fprintf(stderr, "kurzweg-partner: %s\n", why->text);
	return code;
}

static void
say(void *self, const char *sentence)
{
	(void)self;
	(void)fprintf(stderr, "kurzweg-partner: %s\n", sentence);
}

/* What only this machine knows is looked at too: the daemon would start, and these would not do their work. */
static int
check(const struct partner_config *config, const char *path)
{
	struct kw_why why;
	uint32_t bad = handlers_check(config, say, NULL);

	if (spool_check(config, &why) != KW_OK) {
		say(NULL, why.text);
		bad++;
	}
	if (node_files_check(config, &why) != KW_OK) {
		say(NULL, why.text);
		bad++;
	}
	if (bad > 0)
		return EXIT_CONFIG;
	(void)printf("%s is fine\n", path);
	return EXIT_SUCCESS;
}

static int
serve(const struct partner_config *config, bool resume)
{
	struct node *n = NULL;
	struct handlers *handlers = NULL;
	struct local *local = NULL;
	struct spool *spool = NULL;
	struct kw_why why = {{0}};
	int stop = stop_signals();
	enum kw_err err = node_open(&n, config, &why);

	if (err == KW_OK && resume)
		err = node_resume(n, &why);
	if (err == KW_OK)
		err = local_open(&local, n, &why);
	if (err == KW_OK)
		err = handlers_open(&handlers, n, &why);
	if (err == KW_OK)
		err = spool_open(&spool, n, &why);
	if (err != KW_OK) {
		spool_close(&spool);
		handlers_close(&handlers);
		local_close(&local);
		node_close(&n);
		return fail(&why, err == KW_EIO || err == KW_ECORRUPT || err == KW_ENOMEM || err == KW_EFULL ? EXIT_STORE : 1);
	}
	log_event(LOG_NOTICE, "partner.ready", "node=%s socket=%s state=%s version=%s", node_id(n), config->socket, config->state, KW_VERSION);
	err = node_run(n, stop, &why);
	spool_close(&spool);
	handlers_close(&handlers);
	log_event(LOG_NOTICE, "partner.stopped", "node=%s", node_id(n));
	local_close(&local);
	node_close(&n);
	if (stop >= 0)
		(void)close(stop);
	return err == KW_OK ? EXIT_SUCCESS : fail(&why, EXIT_STORE);
}

int
main(int argc, char **argv)
{
	static const char doc[] = "The daemon at each partner of a Kurzweg partnership: keeps the connection to the broker, the outbox and the inbox.";
	struct options o = {0};
	struct argp argp = {argp_options, take_option, NULL, doc, NULL, NULL, NULL};
	struct rlimit none = {0, 0};
	struct partner_config config;
	struct kw_why why = {{0}};
	int code;

	argp_program_version = "kurzweg-partner " KW_VERSION;
	argp_err_exit_status = EXIT_USAGE;
	if (argc > 0)
		argv[0] = program_invocation_short_name; /* so argp speaks as all other sentences do */
	code = argp_parse(&argp, argc, argv, 0, NULL, &o);
	if (code != 0) { /* what is wrong with an option it says itself, and ends */
		(void)fprintf(stderr, "kurzweg-partner: the options cannot be read: %s\n", strerror(code));
		return EXIT_FAILURE;
	}
	/* Keys lie in this process: no core file, no debugger of another user's. */
	(void)prctl(PR_SET_DUMPABLE, 0);
	(void)setrlimit(RLIMIT_CORE, &none);
	(void)umask(0077);
	if (sodium_init() < 0)
		return EXIT_FAILURE;
	json_memory_watch(malloc);
	language_start();
	if (o.verbose)
		log_set_level(LOG_INFO);
	if (config_read(&config, o.config != NULL ? o.config : "/etc/kurzweg/partner.yaml", &why) != KW_OK) {
		code = fail(&why, EXIT_CONFIG);
	} else if (o.check) {
		code = check(&config, o.config != NULL ? o.config : "/etc/kurzweg/partner.yaml");
	} else {
		code = serve(&config, o.resume);
	}
	config_free(&config);
	return code;
}
