/* kurzweg-sim: runs of the simulation, by seed. */
#include <errno.h>
#include <ftw.h>
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <sodium.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "chance.h"
#include "clocks.h"
#include "scenario_run.h"
#include "sim.h"
#include "sim_memory.h"
#include "trace.h"

static const char help[] =
	"kurzweg-sim: the real broker and the real nodes with pretend clocks, network and disks, driven from one seed.\n"
	"\n"
	"  --seed N         run this seed (again and again the same run)\n"
	"  --count N        run so many, from --seed on, or from a fresh one\n"
	"  --steps N        things that people do in a run (600)\n"
	"  --faults LIST    all, none, or names with commas: crash-broker, crash-node, stall, partition, reset, half-open, slow, clock, disk, node-disk, agreement, liar,\n"
	"                   suspend; and restore, which is not among all\n"
	"  --jobs N         processes side by side (1)\n"
	"  --scenario FILE…  run what stands in these files (tests/scenario/README.md)\n"
	"  --sentences      the sentences that a scenario may have\n"
	"  --trace          show what happens, a line each\n"
	"  --without LIST   leave out these: numbers of steps, f3 for the fourth fault, ranges as 5-90 and f0-f7\n"
	"  --minimise       when the seed fails, look for few steps and faults with which it still does, and show the command\n"
	"  --seeds FILE     run every seed of the file: \"SEED STEPS what it found\" a line; \"faults LIST\" holds for the lines behind it; # comments\n"
	"  --idle N         of 1,000 steps nobody does anything in N, which is for the tests of what is too little traffic\n"
	"  --verbose        the counts of every run, not only of all\n"
	"\n"
	"Ctrl-C, or SIGTERM, ends it behind the runs that are under way, with the counts of what was run.\n";

#define EVENTS_MAX 65536u

struct left_out { uint8_t steps[EVENTS_MAX], faults[EVENTS_MAX]; bool any; };

/* What the processes of a campaign share. */
struct together {
	_Atomic uint64_t next;          /* of the campaign's count, which nobody has begun */
	atomic_bool stop;
};

static struct together *together;   /* for the signal, which is told nothing else */

struct campaign {
	uint64_t first, count;
	uint32_t steps, faults, jobs, idle;
	bool trace, verbose, minimise;
	char **scenarios;               /* their files */
	const char *file;
	struct left_out without;
	char root[64];                  /* for files of this process and its children */
};

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

static void
remove_tree(const char *path)
{
	if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0)
		(void)fprintf(stderr, "kurzweg-sim: %s stays\n", path);
}

static bool
number(uint64_t *out, const char *text)
{
	char *end;

	errno = 0;
	*out = strtoull(text, &end, 10);
	return errno == 0 && end != text && *end == '\0' && text[0] != '-';
}

static bool
read_faults(uint32_t *out, const char *list)
{
	char copy[256], *at = copy, *word;

	*out = strcmp(list, "all") == 0 ? FAULTS_ALL : 0;
	if (*out != 0 || strcmp(list, "none") == 0)
		return true;
	(void)snprintf(copy, sizeof copy, "%s", list);
	while ((word = strsep(&at, ",")) != NULL) {
		int f = 0;

		while (f < FAULT_COUNT && strcmp(fault_name((enum fault)f), word) != 0)
			f++;
		if (f == FAULT_COUNT) {
			(void)fprintf(stderr, "kurzweg-sim: no fault is called %s\n", word);
			return false;
		}
		*out |= 1u << f;
	}
	return true;
}

/* "3,5-9,f2,f4-f6" */
static bool
read_left_out(struct left_out *out, const char *list)
{
	const char *at = list;

	out->any = true;
	while (*at != '\0') {
		uint8_t *of = *at == 'f' ? out->faults : out->steps;
		unsigned long from, to;
		char *end;

		from = to = strtoul(at + (*at == 'f'), &end, 10);
		if (*end == '-') {
			at = end + 1;
			to = strtoul(at + (*at == 'f'), &end, 10);
		}
		if ((*end != ',' && *end != '\0') || from > to || to >= EVENTS_MAX) {
			(void)fprintf(stderr, "kurzweg-sim: --without does not know what %s is\n", at);
			return false;
		}
		memset(of + from, 1, to - from + 1);
		at = *end == ',' ? end + 1 : end;
	}
	return true;
}

struct sum { uint64_t seeds; struct sim_counts counts; };

static void
add(struct sum *all, const struct sum *more)
{
	struct sim_counts *sum = &all->counts;
	const struct sim_counts *c = &more->counts;

	all->seeds += more->seeds;
	sum->published += c->published;
	sum->refused_at_desk += c->refused_at_desk;
	sum->stored += c->stored;
	sum->deliveries += c->deliveries;
	sum->receipts += c->receipts;
	sum->cases += c->cases;
	sum->moves += c->moves;
	sum->recalls += c->recalls;
	sum->suspended += c->suspended;
	sum->let_in += c->let_in;
	for (int i = 0; i < FAULT_COUNT; i++)
		sum->applied[i] += c->applied[i];
	sum->broker_starts += c->broker_starts;
	sum->node_starts += c->node_starts;
	sum->commits += c->commits;
	sum->turns += c->turns;
	sum->agreements += c->agreements;
	sum->pretend_ms += c->pretend_ms;
	sum->drain_ms = sum->drain_ms > c->drain_ms ? sum->drain_ms : c->drain_ms;
}

static void
show(const char *what, const struct sim_counts *c)
{
	(void)printf("%s %u published, %u stored, %u delivered, %u of the nodes' own, %u cases, %u moves, %u recalls, %u suspensions, %u let in, %u commits, %u turns, %u broker starts, %u node starts,", what, c->published,
	             c->stored, c->deliveries, c->receipts, c->cases, c->moves, c->recalls, c->suspended, c->let_in, c->commits, c->turns, c->broker_starts, c->node_starts);
	for (int i = 0; i < FAULT_COUNT; i++)
		(void)printf(" %s %u,", fault_name((enum fault)i), c->applied[i]);
	(void)printf(" versions %u, pretend %llu s, longest drain %llu s\n", c->agreements, (unsigned long long)c->pretend_ms / 1000, (unsigned long long)c->drain_ms / 1000);
}

/*
 * A run in which next to nothing happened shows nothing. One alone may have little traffic and be right: while a node's disk is full its desk refuses everything, which
 * in one seed of 400 takes half of 200 steps, and in one of 20,000 half of 600. So of a run alone an eighth is asked for, which shows that it ran; that
 * people do on the whole what they are to do is asked of a campaign (check_campaign).
 */
static void
check_amount(struct sim_result *r, const struct campaign *c)
{
	uint32_t applied = 0;

	for (int i = 0; i < FAULT_COUNT; i++)
		applied += r->counts.applied[i];
	if (r->failed)
		return;
	if (r->counts.published < 1 + c->steps / 8 || r->counts.deliveries < r->counts.published) {
		r->failed = true;
		(void)snprintf(r->what, sizeof r->what, "too little traffic to show anything: %u published, %u delivered", r->counts.published, r->counts.deliveries);
	} else if (c->faults != 0 && c->steps >= 200 && applied == 0) {
		r->failed = true;
		(void)snprintf(r->what, sizeof r->what, "no fault was applied, so the run shows nothing");
	}
}

#define CAMPAIGN_LEAST 4u /* seeds; of fewer, chance may take half */

/* Of all steps three quarters publish something. */
static bool
check_campaign(const struct sum *sum, const struct campaign *c)
{
	if (c->without.any || c->file != NULL || sum->seeds < CAMPAIGN_LEAST || sum->counts.published >= sum->seeds * (1 + c->steps / 2))
		return true;
	(void)printf("FAILED campaign: too little traffic to show anything: %u published in %llu runs of %u steps\n", sum->counts.published, (unsigned long long)sum->seeds, c->steps);
	return false;
}

static void
run_once(struct sim_result *r, const struct campaign *c, uint64_t seed, const struct left_out *without)
{
	struct sim_options o = {.seed = seed, .steps = c->steps, .faults = c->faults, .idle = c->idle, .steps_left_out = without->steps, .faults_left_out = without->faults};
	char folder[128];

	(void)snprintf(folder, sizeof folder, "%s/%llu", c->root, (unsigned long long)seed);
	MUST(mkdir(folder, 0700) == 0);
	o.folder = folder;
	sim_run(r, &o);
	remove_tree(folder);
	if (!without->any)
		check_amount(r, c);
}

/* ---- fewer events ---- */

static bool
still_fails(const struct campaign *c, uint64_t seed, struct left_out *with, uint8_t *at, const uint32_t *items, uint32_t first, uint32_t count, struct sim_result *r)
{
	for (uint32_t i = 0; i < count; i++)
		at[items[first + i]] = 1;
	run_once(r, c, seed, with);
	if (r->failed)
		return true;
	for (uint32_t i = 0; i < count; i++)
		at[items[first + i]] = 0;
	return false;
}

/* Leaves out halves, then quarters … of what is there, as long as it still fails. */
static void
shorten(const struct campaign *c, uint64_t seed, struct left_out *with, uint8_t *at, uint32_t total, struct sim_result *kept)
{
	uint32_t *items = calloc(total + 1, sizeof *items), n = 0;
	struct sim_result r;

	MUST(items != NULL);
	for (uint32_t i = 0; i < total; i++)
		if (at[i] == 0)
			items[n++] = i;
	for (uint32_t chunk = n / 2 > 0 ? n / 2 : n; chunk > 0; chunk /= 2)
		for (uint32_t first = 0; first < n;) {
			uint32_t count = chunk < n - first ? chunk : n - first;

			if (still_fails(c, seed, with, at, items, first, count, &r)) {
				*kept = r;
				memmove(items + first, items + first + count, (n - first - count) * sizeof *items);
				n -= count;
			} else {
				first += count;
			}
		}
	free(items);
}

static void
put_ranges(const uint8_t *at, uint32_t total, const char *mark, bool *first)
{
	for (uint32_t i = 0; i < total; i++) {
		uint32_t end = i;

		if (at[i] == 0)
			continue;
		while (end + 1 < total && at[end + 1] != 0)
			end++;
		(void)printf("%s%s%u", *first ? "" : ",", mark, i);
		if (end > i)
			(void)printf("-%s%u", mark, end);
		*first = false;
		i = end;
	}
}

static void
put_command(const struct campaign *c, uint64_t seed, const struct left_out *without, uint32_t faults)
{
	bool first = true;

	(void)printf("  kurzweg-sim --seed %llu --steps %u", (unsigned long long)seed, c->steps);
	if (c->faults != FAULTS_ALL) {
		(void)printf(" --faults %s", c->faults == 0 ? "none" : "");
		for (int f = 0, n = 0; f < FAULT_COUNT; f++)
			if ((c->faults & (1u << f)) != 0)
				(void)printf("%s%s", n++ > 0 ? "," : "", fault_name((enum fault)f));
	}
	if (without->any) {
		(void)printf(" --without ");
		put_ranges(without->steps, c->steps, "", &first);
		put_ranges(without->faults, faults, "f", &first);
	}
	(void)printf(" --trace\n");
}

static void
minimise(const struct campaign *c, uint64_t seed)
{
	struct left_out *with = malloc(sizeof *with);
	struct sim_result r, kept;

	MUST(with != NULL);
	*with = c->without;
	run_once(&kept, c, seed, with);
	with->any = true;
	shorten(c, seed, with, with->faults, kept.planned_faults, &kept);
	shorten(c, seed, with, with->steps, c->steps, &kept);
	shorten(c, seed, with, with->faults, kept.planned_faults, &kept);
	run_once(&r, c, seed, with);
	(void)printf("with less it is: %s\n", r.what);
	put_command(c, seed, with, kept.planned_faults);
	free(with);
}

static bool
run_seed(struct sum *sum, const struct campaign *c, uint64_t seed)
{
	struct sim_result r;

	run_once(&r, c, seed, &c->without);
	add(sum, &(struct sum){1, r.counts});
	if (c->verbose || r.failed) {
		char name[64];

		(void)snprintf(name, sizeof name, "seed %llu:", (unsigned long long)seed);
		show(name, &r.counts);
	}
	if (r.failed) {
		(void)printf("FAILED seed %llu: %s\n", (unsigned long long)seed, r.what);
		put_command(c, seed, &c->without, r.planned_faults);
		if (c->minimise)
			minimise(c, seed);
	}
	(void)fflush(stdout);
	return !r.failed;
}

/* false: it does not come out as it is told, or is none. */
static bool
run_scenario(const struct campaign *c, const char *path)
{
	struct sim_options o = {.seed = c->first};
	struct scenario *play = calloc(1, sizeof *play);
	const char *name = strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path;
	struct buf text = BUF_INIT(1u << 20);
	struct sim_result r = {.failed = true};
	struct kw_why why;
	char folder[128];

	MUST(play != NULL);
	(void)snprintf(folder, sizeof folder, "%s/scenario", c->root);
	o.folder = folder;
	if (fs_read(&text, path, &why) == KW_OK && scenario_parse(play, name, buf_span(&text), &why) == KW_OK) {
		MUST(mkdir(folder, 0700) == 0);
		scenario_run(&r, &o, play, name);
		remove_tree(folder);
	} else {
		(void)snprintf(r.what, sizeof r.what, "%s", why.text);
	}
	(void)printf("%s: %s\n", name, r.failed ? r.what : "as it is told");
	(void)fflush(stdout);
	buf_free(&text);
	free(play);
	return !r.failed;
}

static bool
run_scenarios(const struct campaign *c)
{
	bool good = true;

	for (char **path = c->scenarios; *path != NULL; path++)
		good = run_scenario(c, *path) && good;
	return good;
}

/* "SEED STEPS what it found", "faults LIST" */
static bool
run_file(struct sum *sum, const struct campaign *c)
{
	struct campaign each = *c;
	FILE *f = fopen(c->file, "r");
	unsigned long long seed;
	unsigned steps;
	char line[1024], faults[256];
	bool good = true;

	if (f == NULL) {
		(void)fprintf(stderr, "kurzweg-sim: %s: %s\n", c->file, strerror(errno));
		return false;
	}
	while (!atomic_load(&together->stop) && fgets(line, sizeof line, f) != NULL)
		if (line[0] != '#' && sscanf(line, "%llu %u", &seed, &steps) == 2) {
			each.steps = steps;
			good = run_seed(sum, &each, seed) && good;
		} else if (sscanf(line, "faults %255s", faults) == 1) {
			good = read_faults(&each.faults, faults) && good;
		}
	(void)fclose(f);
	return good;
}

static bool
run_share(struct sum *sum, const struct campaign *c)
{
	bool good = true;
	uint64_t i;

	while (!atomic_load(&together->stop) && (i = atomic_fetch_add(&together->next, 1)) < c->count)
		good = run_seed(sum, c, c->first + i) && good;
	return good;
}

static bool
run_jobs(struct sum *sum, const struct campaign *c)
{
	bool good = true;
	int status, pipes[64];

	for (uint32_t j = 0; j < c->jobs; j++) {
		int ends[2];
		pid_t pid;

		MUST(pipe(ends) == 0);
		(void)fflush(stdout);
		pid = fork();
		MUST(pid >= 0);
		if (pid == 0) {
			struct sum own = {0};
			bool fine = run_share(&own, c);

			MUST(write(ends[1], &own, sizeof own) == sizeof own);
			_exit(fine ? 0 : 1);
		}
		(void)close(ends[1]);
		pipes[j] = ends[0];
	}
	for (uint32_t j = 0; j < c->jobs; j++) {
		struct sum own;

		if (read(pipes[j], &own, sizeof own) == sizeof own)
			add(sum, &own);
		(void)close(pipes[j]);
	}
	while (wait(&status) > 0)
		good = good && WIFEXITED(status) && WEXITSTATUS(status) == 0;
	return good;
}

static void
on_stop(int signal)
{
	(void)signal;
	atomic_store(&together->stop, true);
}

/* The terminal tells all processes of Ctrl-C, a SIGTERM comes to the first one alone. */
static void
begin_together(void)
{
	struct sigaction stop = {.sa_handler = on_stop, .sa_flags = SA_RESTART};

	together = mmap(NULL, sizeof *together, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	MUST(together != MAP_FAILED);
	MUST(sigaction(SIGINT, &stop, NULL) == 0 && sigaction(SIGTERM, &stop, NULL) == 0);
}

static void
show_sentences(void)
{
	for (uint32_t i = 0; scenario_form(i) != NULL; i++)
		(void)puts(scenario_form(i));
}

static bool
options(struct campaign *c, int argc, char **argv)
{
	enum { SEED = 1, WITHOUT, MINIMISE, SEEDS, COUNT, STEPS, FAULTS, JOBS, SCENARIO, SENTENCES, TRACE, VERBOSE, IDLE, HELP };
	static const struct option known[] = {
		{"seed", 1, NULL, SEED}, {"count", 1, NULL, COUNT}, {"steps", 1, NULL, STEPS}, {"faults", 1, NULL, FAULTS}, {"jobs", 1, NULL, JOBS},
		{"without", 1, NULL, WITHOUT}, {"minimise", 0, NULL, MINIMISE}, {"seeds", 1, NULL, SEEDS},
		{"scenario", 0, NULL, SCENARIO}, {"sentences", 0, NULL, SENTENCES},
		{"idle", 1, NULL, IDLE}, {"trace", 0, NULL, TRACE}, {"verbose", 0, NULL, VERBOSE}, {"help", 0, NULL, HELP}, {NULL, 0, NULL, 0},
	};
	uint64_t n = 0;
	bool scenarios = false;
	int o;

	while ((o = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if ((o == SEED || o == COUNT || o == STEPS || o == JOBS || o == IDLE) && !number(&n, optarg)) {
			(void)fprintf(stderr, "kurzweg-sim: %s is no number\n", optarg);
			return false;
		}
		switch (o) {
		case SEED: c->first = n; break;
		case COUNT: c->count = n; break;
		case STEPS: c->steps = (uint32_t)n; break;
		case JOBS: c->jobs = n > 64 ? 64 : n < 1 ? 1 : (uint32_t)n; break;
		case IDLE: c->idle = n > 1000 ? 1000 : (uint32_t)n; break;
		case SENTENCES: show_sentences(); exit(0);
		case SCENARIO: scenarios = true; break;
		case MINIMISE: c->minimise = true; break;
		case SEEDS: c->file = optarg; break;
		case WITHOUT:
			if (!read_left_out(&c->without, optarg))
				return false;
			break;
		case TRACE: c->trace = true; break;
		case VERBOSE: c->verbose = true; break;
		case FAULTS:
			if (!read_faults(&c->faults, optarg))
				return false;
			break;
		case HELP: (void)fputs(help, stdout); exit(0);
		default: return false;
		}
	}
	if (scenarios)
		c->scenarios = argv + optind;
	return scenarios == (optind < argc);
}

int
main(int argc, char **argv)
{
	static struct campaign c = {.first = UINT64_MAX, .count = 1, .steps = 600, .faults = FAULTS_ALL, .jobs = 1};
	struct sum sum = {0};
	struct kw_why why;
	char what[64];
	bool good;

	if (!options(&c, argc, argv) || c.steps >= EVENTS_MAX) {
		(void)fputs(help, stderr);
		return 64;
	}
	if (c.scenarios != NULL && c.first == UINT64_MAX)
		c.first = 1;
	if (c.first == UINT64_MAX) {
		MUST(getentropy(&c.first, sizeof c.first) == 0);
		c.first %= 1000000000;
	}
	(void)mallopt(M_MMAP_THRESHOLD, 1 << 30); /* what one run takes is there for the next: fresh pages are what costs most otherwise */
	(void)mallopt(M_TRIM_THRESHOLD, 1 << 30);
	(void)mallopt(M_TOP_PAD, 16 << 20);
	(void)snprintf(c.root, sizeof c.root, "%s/kw-sim-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	MUST(mkdtemp(c.root) != NULL);
	clocks_begin();
	chance_begin();
	MUST(sodium_init() >= 0);
	MUST(sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0) == SQLITE_OK);
	sim_memory_begin();
	if (papers_open(c.root, &why) != KW_OK) {
		(void)fprintf(stderr, "kurzweg-sim: %s\n", why.text);
		return 1;
	}
	trace_to(c.trace);
	begin_together();
	if (c.scenarios != NULL) {
		good = run_scenarios(&c);
		papers_close();
		remove_tree(c.root);
		return good ? 0 : 1;
	}
	if (c.file == NULL)
		(void)printf("seeds %llu to %llu, %u steps\n", (unsigned long long)c.first, (unsigned long long)(c.first + c.count - 1), c.steps);
	good = c.file != NULL ? run_file(&sum, &c) : c.jobs > 1 ? run_jobs(&sum, &c) : run_share(&sum, &c);
	good = check_campaign(&sum, &c) && good;
	(void)snprintf(what, sizeof what, "%s: %llu seeds,", good ? "all good" : "in all", (unsigned long long)sum.seeds);
	show(what, &sum.counts);
	papers_close();
	remove_tree(c.root);
	return good ? 0 : 1;
}
