/*
 * bench_counts: the work that tests/bench/counts counts. By itself it says what it did, and no figure.
 *
 *   bench_counts FOLDER     an empty one, for stores and keys
 */
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <valgrind/callgrind.h>

#include "../load_base.h"
#include "base/clock.h"
#include "base/span.h"
#include "counted.h"

#define BEGIN_MS 1800000000000ull

static struct {
	const char *folder;
	uint64_t ms;
	uint64_t drawn;
	uint32_t asked;
	bool off;                        /* nothing of this thread is counted */
} run;

/* ---- counting: each thread has a state of its own, and begins with being counted; so the store's thread always is ---- */

void
counted_on(void)
{
	run.off = false;
	CALLGRIND_TOGGLE_COLLECT;
}

bool
counted_off(void)
{
	if (run.off)
		return false;
	CALLGRIND_TOGGLE_COLLECT;
	run.off = true;
	return true;
}

void
counted_forget(void)
{
	CALLGRIND_ZERO_STATS;
}

const char *counted_folder(void) { return run.folder; }

void
counted_end(const char *name, uint32_t units)
{
	CALLGRIND_DUMP_STATS_AT(name);
	(void)printf("%s %u\n", name, units);
}

/* ---- time ---- */

uint64_t clock_wall_ms(void) { return BEGIN_MS + run.ms; }
uint64_t clock_wall_ns(void) { return (BEGIN_MS + run.ms) * 1000000; }
uint64_t clock_mono_ms(void) { return 1000000 + run.ms; }
void counted_pass(uint64_t ms) { run.ms += ms; }

/* ---- random numbers ---- */

static const char *name_of(void) { return "counted"; }

static void
draw(void *const out, const size_t len)
{
	uint8_t seed[randombytes_SEEDBYTES] = "counts";

	be64_put(seed + 8, run.drawn++);
	randombytes_buf_deterministic(out, len, seed);
}

static uint32_t
draw_one(void)
{
	uint32_t v;

	draw(&v, sizeof v);
	return v;
}

/*
 * ---- libsodium's choices ----
 * It asks these which code to run, at its start. Each processor has what is said here, so each counts the same code.
 */
static int
has(int what)
{
	run.asked++;
	return what;
}

int sodium_runtime_has_neon(void) { return has(0); }
int sodium_runtime_has_sse2(void) { return has(1); }
int sodium_runtime_has_sse3(void) { return has(0); }
int sodium_runtime_has_ssse3(void) { return has(0); }
int sodium_runtime_has_sse41(void) { return has(0); }
int sodium_runtime_has_avx(void) { return has(0); }
int sodium_runtime_has_avx2(void) { return has(0); }
int sodium_runtime_has_avx512f(void) { return has(0); }
int sodium_runtime_has_pclmul(void) { return has(0); }
int sodium_runtime_has_aesni(void) { return has(0); }
int sodium_runtime_has_rdrand(void) { return has(0); }

int
main(int argc, char **argv)
{
	struct randombytes_implementation random = {.implementation_name = name_of, .random = draw_one, .buf = draw};

	if (argc != 2) {
		(void)fprintf(stderr, "usage: bench_counts FOLDER\n");
		return 2;
	}
	run.folder = argv[1];
	if (randombytes_set_implementation(&random) != 0 || sodium_init() < 0)
		load_fail("libsodium does not start");
	if (run.asked == 0)
		load_fail("libsodium chose its code without asking: what is counted would hold for this processor alone");
	CALLGRIND_START_INSTRUMENTATION;
	(void)counted_off();
	count_broker();
	count_nodes();
	count_seal();
	return 0;
}
