/*
 * crash-errors: every call that a store makes of the system fails in its turn, once or from then on, with an I/O error, a full disk or half a write.
 *
 * What was answered must stand, an error must be an ordinary one, nothing may be there in half, and when the fault is over the store goes on
 * from where it was: after a full disk in the same process, after anything else by a new start. Each fault is tried in a process of its own.
 */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "tests/crash/scratch.h"
#include "tests/crash/subject.h"
#include "tests/crash/tape.h"

#define STEPS_MAX 60u
#define SECONDS_MAX 60u      /* a faulted run that takes longer hangs */
#define FULL_TRIES 3u        /* of a step that found a full disk, after the fault was over */

enum { ALL_STOOD = 0, LOST = 1, WRONG_USE = 2, PROVES_NOTHING = 3 };
enum { CHILD_FINE = 0, CHILD_LOST = 1, CHILD_NOT_MET = 2 };

static const struct { const char *name; int error; } kinds[] = {{"EIO", EIO}, {"ENOSPC", ENOSPC}, {"half a write", 0}};
#define KINDS (sizeof kinds / sizeof kinds[0])

struct options { const struct subject *subject; const char *call; uint32_t steps, seconds; uint64_t seed; };

struct sweep {
	struct options o;
	uint8_t expected[STEPS_MAX + 1][SUBJECT_HASH];
	char root[32], folder[40];
	uint32_t calls;
	uint64_t runs, met, lost;
};

static void
stop(const char *what, const struct kw_why *why)
{
	(void)fprintf(stderr, "crash-errors: %s%s%s\n", what, why != NULL ? ": " : "", why != NULL ? why->text : "");
	exit(WRONG_USE);
}

/* ---- without any fault ---- */

static void
learn(struct sweep *w)
{
	const struct subject *s = w->o.subject;
	struct kw_why why = {0};
	void *self;

	(void)mkdir(w->folder, 0700);
	for (uint32_t k = 0; k <= w->o.steps; k++) {
		if (s->open(&self, w->folder, &why) != KW_OK || s->hash(self, w->expected[k], &why) != KW_OK)
			stop("the store without any fault", &why);
		if (k < w->o.steps && s->step(self, k + 1, &why) != KW_OK)
			stop("the work without any fault", &why);
		s->close(&self);
	}
}

/* How many calls there are to fail, from the first start to a clean end and the start after it. */
static void
count_calls(struct sweep *w)
{
	const struct subject *s = w->o.subject;
	const struct tape_fault none = {.only = w->o.call};
	struct kw_why why = {0};
	void *self;

	scratch_empty(w->folder);
	tape_fail(w->folder, &none);
	if (s->open(&self, w->folder, &why) != KW_OK)
		stop("the store without any fault", &why);
	for (uint32_t k = 1; k <= w->o.steps; k++)
		if (s->step(self, k, &why) != KW_OK)
			stop("the work without any fault", &why);
	s->close(&self);
	if (s->open(&self, w->folder, &why) != KW_OK)
		stop("the store without any fault", &why);
	s->close(&self);
	tape_fail_no_more();
	w->calls = tape_calls();
}

/* ---- one fault, in a process of its own ---- */

static bool
ordinary(enum kw_err err)
{
	return err == KW_EIO || err == KW_EFULL || err == KW_ENOMEM || err == KW_ECORRUPT || err == KW_EEXISTS || err == KW_EDENIED || err == KW_EINVAL || err == KW_ENOTFOUND;
}

static int
bad(const char *what, uint32_t step, const struct kw_why *why)
{
	(void)fprintf(stderr, "  step %u: %s: %s\n", step, what, why->text);
	return CHILD_LOST;
}

/* The store is opened without the fault: it stands at least, and at most one step further, which nobody was told of. */
static int
stands(struct sweep *w, uint32_t *done, bool maybe_one_more)
{
	const struct subject *s = w->o.subject;
	uint8_t hash[SUBJECT_HASH];
	struct kw_why why = {0};
	void *self;
	int code = CHILD_LOST;

	if (s->open(&self, w->folder, &why) != KW_OK || s->hash(self, hash, &why) != KW_OK) {
		code = bad("it does not open when the fault is over", *done, &why);
	} else if (memcmp(hash, w->expected[*done], SUBJECT_HASH) == 0) {
		code = CHILD_FINE;
	} else if (maybe_one_more && *done < w->o.steps && memcmp(hash, w->expected[*done + 1], SUBJECT_HASH) == 0) {
		(*done)++;
		code = CHILD_FINE;
	} else {
		code = bad("what stands is neither what was answered nor that and the step under way", *done, &why);
	}
	s->close(&self);
	return code;
}

static int
go_on(struct sweep *w, uint32_t done)
{
	const struct subject *s = w->o.subject;
	struct kw_why why = {0};
	void *self;
	int code = CHILD_FINE;

	if (s->open(&self, w->folder, &why) != KW_OK)
		code = bad("it does not open", done, &why);
	while (code == CHILD_FINE && done < w->o.steps)
		if (s->step(self, ++done, &why) != KW_OK)
			code = bad("the next step after the fault", done, &why);
	s->close(&self);
	return code == CHILD_FINE ? stands(w, &done, false) : code;
}

/* A full disk is no reason to end: the same step again, in the same process, when there is room. */
static enum kw_err
again(struct sweep *w, void *self, uint32_t k, enum kw_err err, struct kw_why *why)
{
	for (uint32_t i = 0; i < FULL_TRIES && err == KW_EFULL; i++) {
		tape_fail_no_more();
		err = w->o.subject->step(self, k, why);
	}
	return err;
}

static int
one_fault(struct sweep *w, const struct tape_fault *f)
{
	const struct subject *s = w->o.subject;
	struct kw_why why = {0};
	uint32_t done = 0;
	void *self;
	enum kw_err err;
	int code;

	tape_fail(w->folder, f);
	err = s->open(&self, w->folder, &why);
	while (err == KW_OK && done < w->o.steps) {
		err = again(w, self, done + 1, s->step(self, done + 1, &why), &why);
		done += err == KW_OK;
	}
	s->close(&self);
	if (err == KW_OK) { /* the fault may meet the next start alone, or nobody minded */
		err = s->open(&self, w->folder, &why);
		s->close(&self);
	}
	tape_fail_no_more();
	if (!tape_failed(NULL))
		return CHILD_NOT_MET;
	if (err != KW_OK && (!ordinary(err) || why.text[0] == '\0'))
		return bad("no ordinary error", done, &why);
	code = stands(w, &done, err != KW_OK);
	return code == CHILD_FINE ? go_on(w, done) : code;
}

static void
try_one(struct sweep *w, uint32_t at, size_t kind, bool forever)
{
	struct tape_fault f = {.at = at, .only = w->o.call, .error = kinds[kind].error, .forever = forever};
	const char *call = "";
	int status;
	pid_t pid;

	scratch_empty(w->folder);
	pid = fork();
	if (pid == 0) {
		(void)alarm(SECONDS_MAX);
		_exit(one_fault(w, &f));
	}
	if (waitpid(pid, &status, 0) != pid)
		stop("a process cannot be waited for", NULL);
	w->runs++;
	if (WIFEXITED(status) && WEXITSTATUS(status) == CHILD_NOT_MET)
		return;
	w->met++;
	if (WIFEXITED(status) && WEXITSTATUS(status) == CHILD_FINE)
		return;
	w->lost++;
	(void)tape_failed(&call);
	(void)fprintf(stderr, "%s store, call %u (%s) of %u, %s %s: %s %d\n", w->o.subject->name, at, call, w->calls, kinds[kind].name, forever ? "from then on" : "once",
	              WIFSIGNALED(status) ? "ended by signal" : "failed", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

/* ---- all of them, or as many as there is time for ---- */

static double
now_s(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* In an order that is the seed's, so that a slice is another one each time. */
static void
sweep(struct sweep *w)
{
	uint64_t all = (uint64_t)w->calls * KINDS * 2, at = all > 0 ? w->o.seed % all : 0, stride = w->o.seconds > 0 ? 7919 : 1;
	double end = now_s() + w->o.seconds;

	while (stride > 1 && all % stride == 0)
		stride += 2;
	for (uint64_t i = 0; i < all && (w->o.seconds == 0 || now_s() < end); i++, at = (at + stride) % all)
		try_one(w, 1 + (uint32_t)(at / (KINDS * 2)), at / 2 % KINDS, at % 2 == 1);
}

static error_t
take_option(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;
	struct kw_why why;
	uint64_t n = 0;

	if ((key == 't' || key == 'r' || key == 'u') && text_u64(&n, arg, 0, UINT32_MAX, "it", &why) != KW_OK)
		argp_error(state, "%s", why.text);
	switch (key) {
	case 's':
		o->subject = strcmp(arg, "broker") == 0 ? &broker_subject : strcmp(arg, "node") == 0 ? &node_subject : NULL;
		if (o->subject == NULL)
			argp_error(state, "--store is broker or node");
		return 0;
	case 't': o->steps = n < STEPS_MAX ? (uint32_t)n : STEPS_MAX; return 0;
	case 'u': o->seconds = (uint32_t)n; return 0;
	case 'c': o->call = arg; return 0;
	case 'r': o->seed = n; return 0;
	default: return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option options[] = {
	{"store", 's', "broker|node", 0, "whose store", 0},
	{"steps", 't', "N", 0, "transactions of the work (12)", 0},
	{"seconds", 'u', "N", 0, "stops after so long, at faults that are others each time; 0: all of them (0)", 0},
	{"call", 'c', "NAME", 0, "calls of this name alone, as fdatasync", 0},
	{"seed", 'r', "N", 0, "where a slice begins", 0},
	{0},
};

static const struct argp parser = {options, take_option, NULL,
	"Lets every call that a store makes of the system fail, one after the other, once and from then on.\v"
	"Ends with 0 when all stood, 1 when something was lost, 3 when no fault was met.", NULL, NULL, NULL};

int
main(int argc, char **argv)
{
	static struct sweep w = {.o = {.steps = 12}};
	double begun = now_s();

	w.o.seed = (uint64_t)(begun * 1e6);
	if (argp_parse(&parser, argc, argv, 0, NULL, &w.o) != 0 || w.o.subject == NULL)
		stop("--store is needed; --help tells more", NULL);
	log_set_level(LOG_ERROR);
	if (!scratch_make(w.root, sizeof w.root))
		stop("no folder can be made", NULL);
	(void)snprintf(w.folder, sizeof w.folder, "%s/f", w.root);
	learn(&w);
	count_calls(&w);
	sweep(&w);
	(void)printf("%s store: %u steps, %u calls; %llu of %llu runs met their fault, %llu of them lost something, %.0f s\n", w.o.subject->name, w.o.steps, w.calls,
	             (unsigned long long)w.met, (unsigned long long)w.runs, (unsigned long long)w.lost, now_s() - begun);
	scratch_empty(w.root);
	(void)rmdir(w.root);
	if (w.met == 0)
		(void)printf("no fault was met: this proves nothing\n");
	return w.lost > 0 ? LOST : w.met == 0 ? PROVES_NOTHING : ALL_STOOD;
}
