/*
 * bench_load: speaks the node protocol with notifications that were sealed before, and measures. tests/bench/load makes keys and
 * agreement, starts what is measured and calls it; README.md beside it tells what each figure means.
 */
#include <getopt.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "load.h"
#include "load_runs.h"

static const struct { const char *name; void (*run)(struct load *l, const struct wishes *w); } runs[] = {
	{"rate", run_rate}, {"paced", run_paced}, {"fan", run_fan}, {"many", run_many}, {"idle", run_idle}, {"back", run_back}, {"first", run_first}, {"fill", run_fill},
	{"backlog", run_backlog}, {"cases", run_cases}, {"open", run_open}, {"due", run_due}, {"flat", run_flat},
	{"doors", run_doors},
};

static const char usage[] =
	"usage: bench_load RUN --folder DIR [--broker ENDPOINT[,PID]] [--bare NAME,ENDPOINT,KEY[,PID]]… [--rounds N] [--messages N] [--bytes N]\n"
	"                  [--flight N] [--pace N] [--readers N] [--publishers N] [--frame N] [--seconds N]\n"
	"                  [--store DIR] [--starts N]\n"
	"RUN is rate, paced, fan, many, idle, back, first, fill, backlog, cases, open, due, flat or doors. tests/bench/load calls it with what each wants.\n";

static struct target *
new_target(struct wishes *w)
{
	if (w->target_count == LOAD_TARGETS_MAX)
		load_fail("at most %u targets", LOAD_TARGETS_MAX);
	return &w->targets[w->target_count++];
}

static void
take_broker(struct wishes *w, const char *arg)
{
	struct target *t = new_target(w);

	(void)snprintf(t->name, sizeof t->name, "kurzweg");
	if (sscanf(arg, "%159[^,],%d", t->endpoint, &t->pid) < 1)
		load_fail("--broker %s: write ENDPOINT,PID", arg);
}

static void
take_bare(struct wishes *w, const char *arg)
{
	struct target *t = new_target(w);
	char key[2 * KW_KEY_LEN + 1];

	t->bare = true;
	if (sscanf(arg, "%31[^,],%159[^,],%64[0-9a-f],%d", t->name, t->endpoint, key, &t->pid) < 3 || !text_hex(t->curve_pk, KW_KEY_LEN, key))
		load_fail("--bare %s: write NAME,ENDPOINT,KEY,PID", arg);
}

static const char *
take_options(struct wishes *w, int argc, char **argv)
{
	static const struct option options[] = {
		{"folder", 1, NULL, 'f'}, {"broker", 1, NULL, 'k'}, {"bare", 1, NULL, 'b'}, {"rounds", 1, NULL, 'r'}, {"messages", 1, NULL, 'm'},
		{"bytes", 1, NULL, 'y'}, {"flight", 1, NULL, 'l'}, {"pace", 1, NULL, 'p'}, {"readers", 1, NULL, 'n'}, {"seconds", 1, NULL, 'd'}, {"store", 1, NULL, 's'},
		{"publishers", 1, NULL, 'u'}, {"frame", 1, NULL, 'a'}, {"starts", 1, NULL, 't'}, {0},
	};
	const char *folder = NULL;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'f': folder = optarg; break;
		case 'k': take_broker(w, optarg); break;
		case 'b': take_bare(w, optarg); break;
		case 'r': w->rounds = load_number(optarg, "--rounds"); break;
		case 'm': w->messages = load_number(optarg, "--messages"); break;
		case 'y': w->bytes = load_number(optarg, "--bytes"); break;
		case 'l': w->flight = load_number(optarg, "--flight"); break;
		case 'p': w->pace = load_number(optarg, "--pace"); break;
		case 'n': w->readers = load_number(optarg, "--readers"); break;
		case 'u': w->publishers = load_number(optarg, "--publishers"); break;
		case 'a': w->frame = load_number(optarg, "--frame"); break;
		case 'd': w->seconds = load_number(optarg, "--seconds"); break;
		case 't': w->starts = load_number(optarg, "--starts"); break;
		case 's': w->store = optarg; break;
		default: (void)fputs(usage, stderr); exit(2);
		}
	}
	if (folder == NULL || optind + 1 != argc) {
		(void)fputs(usage, stderr);
		exit(2);
	}
	return folder;
}

int
main(int argc, char **argv)
{
	struct wishes w = {.rounds = 1, .messages = 1000, .bytes = 300, .flight = 256, .pace = 1000, .readers = 1, .publishers = 1};
	const char *folder = take_options(&w, argc, argv);
	struct load l;

	if (sodium_init() < 0)
		load_fail("libsodium cannot be initialised");
	load_begin(&l, folder);
	for (uint32_t i = 0; i < w.target_count; i++)
		if (!w.targets[i].bare)
			memcpy(w.targets[i].curve_pk, agreement_broker(l.agreement)->curve_pk, KW_KEY_LEN);
	for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++)
		if (strcmp(argv[optind], runs[i].name) == 0) {
			if (strcmp(argv[optind], "fill") == 0 ? w.store == NULL : w.target_count == 0)
				load_fail("%s wants %s", runs[i].name, w.store == NULL && w.target_count > 0 ? "--store" : "somebody to measure");
			runs[i].run(&l, &w);
			load_end(&l);
			return 0;
		}
	(void)fputs(usage, stderr);
	return 2;
}
