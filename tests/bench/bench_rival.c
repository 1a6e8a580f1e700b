/*
 * bench_rival: does with other brokers, each in its own protocol over TLS, what bench_load does with Kurzweg's, and measures the same.
 * tests/bench/run starts them and calls it; README.md beside it tells what each figure means.
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "load_base.h"
#include "rival_body.h"
#include "rival_runs.h"

static const struct { const char *name; void (*run)(struct rival_net *net, const struct rival_wishes *w); } runs[] = {
	{"rate", rival_rate}, {"many", rival_rate}, {"paced", rival_paced}, {"fan", rival_fan}, {"idle", rival_idle},
	{"back", rival_back}, {"backlog", rival_backlog},
};

static const char usage[] =
	"usage: bench_rival RUN --certificate FILE --target NAME,PORT[,PID]… [--rounds N] [--messages N] [--bytes N] [--flight N] [--pace N]\n"
	"                   [--publishers N] [--readers N] [--seconds N] [--few N] [--apart]\n"
	"RUN is rate, many, paced, fan, idle, back or backlog; NAME is " RIVAL_NAMES ". tests/bench/run calls it with what each wants.\n";

static void
take_target(struct rival_wishes *w, const char *arg)
{
	struct rival_target *t = &w->targets[w->target_count];
	char name[32];
	unsigned port;

	if (w->target_count == RIVAL_TARGETS_MAX)
		load_fail("at most %u targets", RIVAL_TARGETS_MAX);
	if (sscanf(arg, "%31[^,],%u,%d", name, &port, &t->pid) < 2 || port == 0 || port > UINT16_MAX)
		load_fail("--target %s: write NAME,PORT,PID", arg);
	t->port = (uint16_t)port;
	t->protocol = rival_by_name(name);
	if (t->protocol == NULL)
		load_fail("--target %s: no protocol is called that; there are " RIVAL_NAMES, name);
	w->target_count++;
}

static void
take_options(struct rival_wishes *w, int argc, char **argv)
{
	static const struct option options[] = {
		{"certificate", 1, NULL, 'c'}, {"target", 1, NULL, 't'}, {"rounds", 1, NULL, 'r'}, {"messages", 1, NULL, 'm'}, {"bytes", 1, NULL, 'y'},
		{"flight", 1, NULL, 'l'}, {"pace", 1, NULL, 'p'}, {"publishers", 1, NULL, 'b'}, {"readers", 1, NULL, 'n'}, {"seconds", 1, NULL, 'd'},
		{"few", 1, NULL, 'f'}, {"apart", 0, NULL, 'a'}, {0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'c': w->certificate = optarg; break;
		case 't': take_target(w, optarg); break;
		case 'r': w->rounds = load_number(optarg, "--rounds"); break;
		case 'm': w->messages = load_number(optarg, "--messages"); break;
		case 'y': w->bytes = load_number(optarg, "--bytes"); break;
		case 'l': w->flight = load_number(optarg, "--flight"); break;
		case 'p': w->pace = load_number(optarg, "--pace"); break;
		case 'b': w->publishers = load_number(optarg, "--publishers"); break;
		case 'n': w->readers = load_number(optarg, "--readers"); break;
		case 'd': w->seconds = load_number(optarg, "--seconds"); break;
		case 'f': w->few = load_number(optarg, "--few"); break;
		case 'a': w->apart = true; break;
		default: (void)fputs(usage, stderr); exit(2);
		}
	}
	if (w->certificate == NULL || w->target_count == 0 || optind + 1 != argc) {
		(void)fputs(usage, stderr);
		exit(2);
	}
	if (w->bytes < RIVAL_BODY_LEAST || w->bytes > RIVAL_BODY_MOST)
		load_fail("--bytes %u: from %u to %u", w->bytes, RIVAL_BODY_LEAST, RIVAL_BODY_MOST);
	if (w->publishers + w->readers > RIVAL_CLIENTS_MAX)
		load_fail("at most %u connections", RIVAL_CLIENTS_MAX);
}

int
main(int argc, char **argv)
{
	struct rival_wishes w = {.rounds = 1, .messages = 1000, .bytes = 800, .flight = 256, .pace = 1000, .publishers = 1, .readers = 1, .few = 10};
	struct rival_net *net;

	take_options(&w, argc, argv);
	(void)signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++)
		if (strcmp(argv[optind], runs[i].name) == 0) {
			net = rival_net_new(w.certificate);
			runs[i].run(net, &w);
			rival_net_free(&net);
			return 0;
		}
	(void)fputs(usage, stderr);
	return 2;
}
