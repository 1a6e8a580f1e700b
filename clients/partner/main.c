/* main: kurzweg-partner, the daemon at each partner. */
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
#include "base/options.h"
#include "clients/partner/config.h"
#include "clients/partner/daemon.h"

struct options {
	const char *config;
	bool check;
	bool verbose;
	bool resume;
};

static const struct argp_option argp_options[] = {
	{"config", 'c', N_("FILE"), 0, N_("the configuration; /etc/kurzweg/partner.yaml where this is left out"), 0},
	{"check-config", 'n', NULL, 0, N_("say whether configuration, key and agreement may stand, and end"), 0},
	{"resume-after-fork", 'r', NULL, 0, N_("somebody looked at the evidence of two histories and trusts the broker again: publish on"), 0},
	{"verbose", 'v', NULL, 0, N_("log at least what \"log: info\" in the configuration does"), 0},
	{0},
};

static error_t
take_option(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 'c':
		if (o->config != NULL)
			argp_error(state, "%s", kw_translate("--config is given twice; give it once"));
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
		argp_error(state, kw_translate("\"%s\" is not expected here; the daemon takes options alone"), arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* Blocked before any thread begins, so that none is ever interrupted; read from the descriptor. */
static int
signals_fd(void)
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

int
main(int argc, char **argv)
{
	static const struct options_program program = {
		.table = argp_options, .take = take_option, .version = "kurzweg-partner " KW_VERSION, .wrong = EXIT_USAGE,
		.above = N_("The daemon at each partner of a Kurzweg partnership: keeps the connection to the broker, the outbox and the inbox."),
	};
	struct options o = {0};
	struct rlimit none = {0, 0};
	struct partner_config config;
	struct kw_why why = {{0}};
	const char *path;
	int code, signals;

	code = options_read(&program, argc, argv, &o);
	if (code != 0) { /* what is wrong with an option it says itself, and ends */
		(void)fprintf(stderr, "kurzweg-partner: the options cannot be read: %s\n", strerror(code));
		return EXIT_FAILED;
	}
	/* Keys lie in this process: no core file, no debugger of another user's. */
	(void)prctl(PR_SET_DUMPABLE, 0);
	(void)setrlimit(RLIMIT_CORE, &none);
	(void)umask(0077);
	if (sodium_init() < 0)
		return EXIT_FAILED;
	json_memory_watch(malloc);
	if (o.check && isatty(STDERR_FILENO))
		language_ask(); /* somebody looks; under systemd, and into files, it is English as all of the log */
	else
		language_start();
	path = o.config != NULL ? o.config : "/etc/kurzweg/partner.yaml";
	if (config_read(&config, path, &why) != KW_OK) {
		(void)fprintf(stderr, "kurzweg-partner: %s\n", why.text);
		code = EXIT_CONFIG;
	} else if (o.check) {
		code = daemon_check(&config, path);
	} else {
		signals = signals_fd();
		code = signals >= 0 ? daemon_run(&config, path, signals, &(struct daemon_start){.resume = o.resume, .verbose = o.verbose}) : EXIT_FAILED;
		if (signals >= 0)
			(void)close(signals);
	}
	config_free(&config);
	return code;
}
