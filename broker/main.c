/* main: kurzweg-broker's options and its process. */
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
#include "broker/config.h"
#include "broker/daemon.h"

struct options { const char *config; bool check; };

static const struct argp_option option_table[] = {
	{"config", 'c', N_("FILE"), 0, N_("the configuration; /etc/kurzweg/broker.yaml where this is left out"), 0},
	{"check-config", 'C', NULL, 0, N_("say whether configuration, key and agreement may stand, and end"), 0},
	{NULL, 0, NULL, 0, NULL, 0},
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
	case 'C': o->check = true; return 0;
	case ARGP_KEY_ARG: argp_error(state, kw_translate("\"%s\" is not expected here; the daemon takes options alone"), arg); return 0;
	default: return ARGP_ERR_UNKNOWN;
	}
}

/* No core file and no debugger: the memory holds the broker's keys. */
static bool
guard_process(void)
{
	struct rlimit none = {0, 0};

	(void)umask(0077);
	return setrlimit(RLIMIT_CORE, &none) == 0 && prctl(PR_SET_DUMPABLE, 0) == 0 && signal(SIGPIPE, SIG_IGN) != SIG_ERR;
}

/* Every connection is a descriptor: as many as we may have. */
static void
want_descriptors(uint32_t connections)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return;
	files.rlim_cur = files.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &files);
	if (files.rlim_max < connections + 256ull)
		log_event(LOG_WARNING, "broker.low_limit", "limit=%llu connections=%u what=\"raise LimitNOFILE or lower connections\"",
		          (unsigned long long)files.rlim_max, connections);
}

/* Blocked before any thread begins, so that none is ever interrupted; read from the descriptor. */
static int
signals_fd(void)
{
	sigset_t set;

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
		.table = option_table, .take = take_option, .version = "kurzweg-broker " KW_VERSION, .wrong = EXIT_USAGE,
		.above = N_("Relays sealed notifications between the partners of one agreement."),
		.below = N_("Ends with 0 when stopped, 1 when it could not start, 2 for a wrong option, 74 when its store is lost, 78 for configuration, key or agreement."),
	};
	struct options o = {0};
	struct broker_config config;
	struct kw_why why;
	int signals, code;

	code = options_read(&program, argc, argv, &o);
	if (code != 0) { /* what is wrong with an option it says itself, and ends */
		(void)fprintf(stderr, "kurzweg-broker: the options cannot be read: %s\n", strerror(code));
		return EXIT_FAILED;
	}
	if (o.config == NULL)
		o.config = "/etc/kurzweg/broker.yaml";
	json_memory_watch(malloc);
	if (sodium_init() < 0 || !guard_process()) {
		(void)fprintf(stderr, "kurzweg-broker: the process cannot be set up\n");
		return EXIT_FAILED;
	}
	if (o.check && isatty(STDERR_FILENO))
		language_ask(); /* somebody looks; under systemd, and into files, it is English as all of the log */
	if (broker_config_read(&config, o.config, &why) != KW_OK) {
		(void)fprintf(stderr, "kurzweg-broker: %s\n", why.text);
		return EXIT_CONFIG;
	}
	log_set_level(config.log);
	if (o.check) {
		code = daemon_check(&config);
		if (code == EXIT_DONE)
			(void)printf(kw_translate("%s may stand\n"), o.config);
	} else {
		want_descriptors(config.connections);
		signals = signals_fd();
		code = signals >= 0 ? daemon_run(&config, o.config, signals) : EXIT_FAILED;
		if (signals >= 0)
			(void)close(signals);
	}
	broker_config_free(&config);
	return code;
}
