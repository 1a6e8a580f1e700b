/*
 * crash-images: what a power cut leaves of the stores, at every sync and at none in particular: images of the disk, opened by the real code.
 *
 * The work of a subject is recorded once; then for each barrier images are built of what was synced and any part of what was not. A
 * part of them is also cut off while the store recovers, or begins with a killed process, whose successor sees what never was synced.
 * What was answered must stand, and nothing but what was given may: everything that can be read back is compared, as one hash,
 * with the same work done without any fault.
 */
#include <argp.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "tests/crash/disk.h"
#include "tests/crash/scratch.h"
#include "tests/crash/subject.h"
#include "tests/crash/tape.h"

#define STEPS_MAX 500u
#define STEPS_LEAST 30u       /* that some sync fails on the way */
#define TRIES 4u             /* draws for each image that is wanted of a barrier: many of them are the same */
#define RECOVERIES_EVERY 12u /* images of which one is also cut while it recovers */
#define KILLS_EVERY 6u       /* barriers of which one is also a kill before the cut */
#define CUTS_A_RECOVERY 5u
#define KNOWN_MAX 64u
#define TAPE_BYTES (2ull << 30)
#define RECOVERY_BYTES (512ull << 20)

enum { AS_IT_MUST = 0, LOST = 1, WRONG_USE = 2, PROVES_NOTHING = 3 };

struct options { const struct subject *subject; uint32_t images, steps; uint64_t seed; bool deaf, keep; };

struct run {
	struct options o;
	uint8_t expected[STEPS_MAX + 1][SUBJECT_HASH];
	struct tape *tape, *recovery;
	char root[32], work[40], image[40], again[40];
	uint64_t rng;
	uint64_t barriers, images, recoveries, kills, lost, went_on, failed_syncs;
	bool behind_half; /* of the barriers: what the dice have not chosen until then is done without them */
};

/* What must stand at least, and what may at most; told: exactly. */
struct promise { uint32_t least, most; };

static uint64_t
draw(struct run *r)
{
	r->rng ^= r->rng << 13;
	r->rng ^= r->rng >> 7;
	r->rng ^= r->rng << 17;
	return r->rng >> 8;
}

/* ---- folders ---- */

static void
fresh(const char *path)
{
	scratch_empty(path);
	(void)mkdir(path, 0700);
}

static void
stop(const char *what, const struct kw_why *why)
{
	(void)fprintf(stderr, "crash-images: %s%s%s\n", what, why != NULL ? ": " : "", why != NULL ? why->text : "");
	exit(WRONG_USE);
}

static void
make_root(struct run *r)
{
	if (!scratch_make(r->root, sizeof r->root))
		stop("no folder can be made", NULL);
	(void)snprintf(r->work, sizeof r->work, "%s/w", r->root);
	(void)snprintf(r->image, sizeof r->image, "%s/i", r->root);
	(void)snprintf(r->again, sizeof r->again, "%s/a", r->root);
}

/* ---- the work, without faults and on the tape ---- */

/* What stands after each step, from a run with a clean end and a new start behind each. */
static void
learn(struct run *r)
{
	const struct subject *s = r->o.subject;
	struct kw_why why = {0};
	void *self;

	fresh(r->work);
	for (uint32_t k = 0; k <= r->o.steps; k++) {
		if (s->open(&self, r->work, &why) != KW_OK || s->hash(self, r->expected[k], &why) != KW_OK)
			stop("the store without any fault", &why);
		if (k < r->o.steps && s->step(self, k + 1, &why) != KW_OK)
			stop("the work without any fault", &why);
		s->close(&self);
		for (uint32_t i = 0; i < k; i++)
			if (memcmp(r->expected[i], r->expected[k], SUBJECT_HASH) == 0)
				stop("two steps leave the same, so nothing could be told apart", NULL);
	}
}

static uint32_t
state_of(const struct run *r, const uint8_t hash[SUBJECT_HASH])
{
	for (uint32_t k = 0; k <= r->o.steps; k++)
		if (memcmp(r->expected[k], hash, SUBJECT_HASH) == 0)
			return k;
	return UINT32_MAX;
}

static void *
start_again(struct run *r, void *self, uint32_t *stands)
{
	const struct subject *s = r->o.subject;
	uint8_t hash[SUBJECT_HASH];
	struct kw_why why = {0};

	if (self != NULL)
		s->close(&self);
	if (s->open(&self, r->work, &why) != KW_OK || s->hash(self, hash, &why) != KW_OK)
		stop("a new start while it is recorded", &why);
	*stands = state_of(r, hash);
	return self;
}

/* Some syncs fail on the way, and sometimes there is a clean end. */
static void
record(struct run *r)
{
	const struct subject *s = r->o.subject;
	const struct tape_fault no_sync = {.at = 1, .only = "fdatasync", .error = 5};
	struct kw_why why = {0};
	uint32_t k = 0, stands;
	void *self;

	fresh(r->work);
	tape_deaf(r->o.deaf);
	tape_start(r->tape, r->work, NULL, 0, 0);
	self = start_again(r, NULL, &stands);
	tape_mark(0);
	while (k < r->o.steps) {
		bool fails = k % 40 == 25 && !r->o.deaf;
		enum kw_err err;

		if (fails)
			tape_fail(r->work, &no_sync);
		err = s->step(self, k + 1, &why);
		tape_fail_no_more();
		if (err == KW_OK) {
			tape_mark(++k);
			if (k % 40 != 10)
				continue;
		} else if (!fails) {
			stop("the work while it is recorded", &why);
		}
		r->failed_syncs += err != KW_OK;
		self = start_again(r, self, &stands);
		if (stands != k && !(err != KW_OK && stands == k + 1))
			stop("a new start shows something else than was answered", NULL);
		if (err != KW_OK) { /* the same step a second time must not end as the first did */
			k = stands;
			tape_mark(k);
			if (k < r->o.steps && s->step(self, k + 1, &why) == KW_OK)
				tape_mark(++k);
		}
	}
	s->close(&self);
	tape_stop();
	tape_deaf(false);
}

/* ---- one image ---- */

/* The state that it shows, or UINT32_MAX and why. Every fourth also takes the next step. */
static uint32_t
open_image(struct run *r, const char *folder, bool goes_on, struct kw_why *why)
{
	const struct subject *s = r->o.subject;
	uint8_t hash[SUBJECT_HASH];
	uint32_t shown = UINT32_MAX;
	void *self;
	bool ok = s->open(&self, folder, why) == KW_OK && s->hash(self, hash, why) == KW_OK;

	if (ok && (shown = state_of(r, hash)) == UINT32_MAX)
		(void)kw_refuse(why, KW_ECORRUPT, "it holds what no step left");
	if (shown < r->o.steps && goes_on) {
		r->went_on++;
		if (s->step(self, shown + 1, why) != KW_OK)
			shown = UINT32_MAX;
		s->close(&self);
		ok = shown != UINT32_MAX && s->open(&self, folder, why) == KW_OK && s->hash(self, hash, why) == KW_OK;
		if (!ok || state_of(r, hash) != shown + 1)
			shown = UINT32_MAX;
	}
	s->close(&self);
	return shown;
}

/* What nothing was synced of may end whoever reads it: in a process of its own. */
static uint32_t
open_apart(struct run *r, const char *folder)
{
	struct kw_why why = {0};
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		(void)signal(SIGSEGV, SIG_DFL);
		(void)signal(SIGBUS, SIG_DFL);
		(void)signal(SIGABRT, SIG_DFL);
		uint32_t shown = open_image(r, folder, false, &why);
		_exit(shown == UINT32_MAX ? 255 : (int)(shown % 251));
	}
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) == 255)
		return UINT32_MAX;
	return (uint32_t)WEXITSTATUS(status);
}

static void
judge(struct run *r, const char *folder, struct promise p, const char *how, uint32_t event, uint64_t drawn)
{
	struct kw_why why = {.text = "it shows another state"};
	uint32_t shown = r->o.deaf ? open_apart(r, folder) : open_image(r, folder, r->images % 4 == 0, &why);

	r->images++;
	if (r->o.deaf ? shown >= p.least % 251 && shown <= p.most % 251 : shown >= p.least && shown <= p.most)
		return;
	if (r->lost++ < 10 && !r->o.deaf)
		(void)fprintf(stderr, "lost: %s store, seed %llu, %u steps, event %u, draw %llu, %s: must show %u to %u, shows %d: %s\n", r->o.subject->name,
		              (unsigned long long)r->o.seed, r->o.steps, event, (unsigned long long)drawn, how, p.least, p.most, (int)shown, why.text);
	if (r->o.keep && r->lost == 1) {
		(void)fprintf(stderr, "the image, opened, lies in %s\n", folder);
		exit(LOST);
	}
}

static void
write_image(const struct disk *d, const char *folder)
{
	fresh(folder);
	if (!disk_write(d, folder))
		stop("an image cannot be written", NULL);
}

/* ---- recovery that is cut off ---- */

/* d: the disk as the store finds it, seen: what it sees of it (the same, or what a killed process left unsynced as well). Both are used up. */
static void
cut_recovery(struct run *r, struct disk *d, struct disk *seen, struct promise p, const char *how, uint32_t event)
{
	const struct subject *s = r->o.subject;
	struct tape_known known[KNOWN_MAX];
	uint8_t hash[SUBJECT_HASH];
	struct kw_why why = {0};
	uint32_t files, count = disk_known(seen, known, KNOWN_MAX, &files), shown, cuts = 0, total;
	void *self;

	write_image(seen, r->image);
	tape_start(r->recovery, r->image, known, count, files);
	shown = s->open(&self, r->image, &why) == KW_OK && s->hash(self, hash, &why) == KW_OK ? state_of(r, hash) : UINT32_MAX;
	tape_mark(1);
	tape_stop();
	s->close(&self);
	if (shown < p.least || shown > p.most) {
		r->lost++;
		(void)fprintf(stderr, "lost: %s store, seed %llu, event %u, %s: must show %u to %u, shows %d: %s\n", s->name, (unsigned long long)r->o.seed, event, how, p.least,
		              p.most, (int)shown, why.text);
	}
	total = tape_count(r->recovery);
	for (uint32_t i = 0; i < total; i++) {
		const struct tape_event *e = tape_event(r->recovery, i);

		if (e->kind == TAPE_MARK)
			p = (struct promise){shown, shown}; /* people may have been told by now */
		if ((disk_is_barrier(e) && cuts++ < CUTS_A_RECOVERY) || e->kind == TAPE_MARK) {
			for (uint64_t n = 0; n < 2; n++) {
				uint64_t what, drawn = n == 0 ? 0 : draw(r);
				struct disk *c = disk_cut(d, e, drawn, &what);

				write_image(c, r->again);
				judge(r, r->again, p, how, event, drawn);
				disk_free(&c);
			}
		}
		disk_feed(d, e);
	}
	disk_free(&d);
	disk_free(&seen);
}

/* ---- every barrier ---- */

static void
cut_here(struct run *r, const struct disk *d, const struct tape_event *e, struct promise p, uint32_t wanted, uint32_t event)
{
	uint64_t seen[256];
	uint32_t made = 0;

	for (uint32_t n = 0; n < wanted * TRIES && made < wanted && made < 256; n++) {
		uint64_t what, drawn = n < 2 && wanted > 3 ? n : 2 + draw(r);
		struct disk *c = disk_cut(d, e, drawn, &what);
		bool again = false;

		for (uint32_t i = 0; i < made && !again; i++)
			again = seen[i] == what;
		if (!again) {
			seen[made++] = what;
			write_image(c, r->image);
			judge(r, r->image, p, "cut", event, drawn);
			if (!r->o.deaf && (draw(r) % RECOVERIES_EVERY == 0 || (r->behind_half && r->recoveries == 0))) {
				r->recoveries++;
				cut_recovery(r, disk_copy(c), disk_copy(c), p, "cut again while it recovered", event);
			}
		}
		disk_free(&c);
	}
}

/* The process is killed in the middle of e; what it wrote is there for who starts after it, though not on the disk. */
static void
kill_here(struct run *r, const struct disk *d, const struct tape_event *e, struct promise p, uint32_t event)
{
	struct disk *left = disk_copy(d), *seen;

	if (e->kind == TAPE_THROUGH) {
		struct tape_event written = *e;

		written.kind = TAPE_WRITE;
		disk_feed(left, &written);
	}
	seen = disk_copy(left);
	disk_settle(seen);
	r->kills++;
	cut_recovery(r, left, seen, p, "killed, started, cut", event);
}

static uint32_t
count_barriers(const struct run *r)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < tape_count(r->tape); i++)
		n += disk_is_barrier(tape_event(r->tape, i));
	return n;
}

static void
cut_everywhere(struct run *r)
{
	struct disk *d = disk_new();
	struct promise p = {0, 0};
	uint32_t total = count_barriers(r), done = 0;
	bool begun = false;

	for (uint32_t i = 0; i < tape_count(r->tape); i++) {
		const struct tape_event *e = tape_event(r->tape, i);

		if (e->kind == TAPE_MARK) {
			p.least = (uint32_t)e->mark;
			begun = true;
		}
		p.most = begun && p.least < r->o.steps ? p.least + 1 : p.least;
		if (disk_is_barrier(e)) { /* what is wanted is shared out among those that are left */
			uint64_t left = r->o.images > r->images ? r->o.images - r->images : 0, others = total - done;
			uint32_t wanted = (uint32_t)(left / others + (draw(r) % others < left % others));

			r->barriers++;
			r->behind_half = 2 * done >= total;
			cut_here(r, d, e, p, wanted == 0 && r->behind_half && r->recoveries == 0 ? 1 : wanted, i);
			if (!r->o.deaf && (left > 0 || r->kills == 0) && (draw(r) % KILLS_EVERY == 0 || (r->behind_half && r->kills == 0)))
				kill_here(r, d, e, p, i);
			done++;
		}
		disk_feed(d, e);
	}
	disk_free(&d);
}

/* ---- the program ---- */

static error_t
take_option(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;
	struct kw_why why;
	uint64_t n = 0;

	if ((key == 'n' || key == 't' || key == 'r') && text_u64(&n, arg, 0, UINT32_MAX, "it", &why) != KW_OK)
		argp_error(state, "%s", why.text);
	switch (key) {
	case 's':
		o->subject = strcmp(arg, "broker") == 0 ? &broker_subject : strcmp(arg, "node") == 0 ? &node_subject : NULL;
		if (o->subject == NULL)
			argp_error(state, "--store is broker or node");
		return 0;
	case 'n': o->images = (uint32_t)n; return 0;
	case 't': o->steps = n < STEPS_MAX ? (uint32_t)n : STEPS_MAX; return 0;
	case 'r': o->seed = n; return 0;
	case 'd': o->deaf = true; return 0;
	case 'k': o->keep = true; return 0;
	default: return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option options[] = {
	{"store", 's', "broker|node", 0, "whose store", 0},
	{"images", 'n', "N", 0, "at least so many images (1000)", 0},
	{"steps", 't', "N", 0, "transactions of the work that is recorded (120)", 0},
	{"seed", 'r', "N", 0, "of an earlier run, for the same images", 0},
	{"deaf", 'd', NULL, 0, "the stores' syncs do nothing while they are recorded: it must find losses then", 0},
	{"keep", 'k', NULL, 0, "ends at the first loss and leaves its image", 0},
	{0},
};

static const struct argp parser = {options, take_option, NULL,
	"Cuts the power of a store at every sync of some work, and opens what is left.\v"
	"Ends with 0 when all recovered, 1 when something was lost (with --deaf: when nothing was), 3 when too little was tried to prove anything.", NULL, NULL, NULL};

static int
tell(const struct run *r, double seconds)
{
	(void)printf("%s store, seed %llu: %u steps, %u events, %llu barriers, %llu failed syncs; %llu images (%llu recoveries and %llu killed starts cut as well; "
	             "%llu took the next step), %llu lost, %.0f s\n",
	             r->o.subject->name, (unsigned long long)r->o.seed, r->o.steps, tape_count(r->tape), (unsigned long long)r->barriers, (unsigned long long)r->failed_syncs,
	             (unsigned long long)r->images, (unsigned long long)r->recoveries, (unsigned long long)r->kills, (unsigned long long)r->went_on,
	             (unsigned long long)r->lost, seconds);
	if (r->o.steps < STEPS_LEAST || r->images < r->o.images || (!r->o.deaf && (r->recoveries == 0 || r->kills == 0 || r->failed_syncs == 0))) {
		(void)printf("too little to prove anything: too few steps, images or faults\n");
		return r->lost > 0 && !r->o.deaf ? LOST : PROVES_NOTHING;
	}
	if (r->o.deaf && r->lost == 0)
		(void)printf("without syncs nothing was lost: this finds nothing\n");
	return (r->lost > 0) == r->o.deaf ? AS_IT_MUST : LOST;
}

int
main(int argc, char **argv)
{
	static struct run r = {.o = {.images = 1000, .steps = 120}};
	struct timespec begun, now;
	int code;

	(void)clock_gettime(CLOCK_MONOTONIC, &begun);
	r.o.seed = (uint64_t)begun.tv_nsec;
	if (argp_parse(&parser, argc, argv, 0, NULL, &r.o) != 0 || r.o.subject == NULL)
		stop("--store is needed; --help tells more", NULL);
	r.rng = r.o.seed * 0x9E3779B97F4A7C15ull | 1;
	log_set_level(LOG_ERROR);
	(void)mallopt(M_MMAP_THRESHOLD, 256 << 10); /* LMDB clears megabytes for each environment, unless they come clear from the kernel */
	r.tape = tape_new(TAPE_BYTES);
	r.recovery = tape_new(RECOVERY_BYTES);
	if (r.tape == NULL || r.recovery == NULL)
		stop("no memory", NULL);
	make_root(&r);
	learn(&r);
	record(&r);
	cut_everywhere(&r);
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	code = tell(&r, (double)(now.tv_sec - begun.tv_sec));
	scratch_empty(r.root);
	(void)rmdir(r.root);
	tape_free(&r.tape);
	tape_free(&r.recovery);
	return code;
}
