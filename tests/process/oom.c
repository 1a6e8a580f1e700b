/*
 * oom: preloaded into a program, it refuses memory: at the allocation $KW_OOM_AT once, or from it on where $KW_OOM_EVER is set. Into the
 * file $KW_OOM_LOG go "refused" with the way there, and "count N" at the end of the program; into $KW_OOM_CRASH, which is another since
 * another thread may write at the same time, "crashed" with the way there.
 */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WAY_MAX 24

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static atomic_bool counting;
static atomic_ulong asked;
static unsigned long at;
static bool ever;
static int log_fd = -1, crash_fd = -1;
static atomic_flag told = ATOMIC_FLAG_INIT;
static atomic_bool written;
static _Thread_local bool inside; /* what we do ourselves is not counted */

static void
tell(int fd, const char *word)
{
	void *way[WAY_MAX];
	int n;

	if (write(fd, word, strlen(word)) < 0)
		return;
	n = backtrace(way, WAY_MAX);
	backtrace_symbols_fd(way + 1, n - 1, fd);
}

static bool
refused(void)
{
	unsigned long number;

	if (!atomic_load(&counting) || inside)
		return false;
	number = atomic_fetch_add(&asked, 1) + 1;
	if (at == 0 || number < at || (number > at && !ever))
		return false;
	if (number == at) {
		inside = true;
		tell(log_fd, "refused\n");
		inside = false;
	}
	errno = ENOMEM;
	return true;
}

void *malloc(size_t size) { return refused() ? NULL : __libc_malloc(size); }
void *calloc(size_t count, size_t size) { return refused() ? NULL : __libc_calloc(count, size); }
void *realloc(void *p, size_t size) { return refused() ? NULL : __libc_realloc(p, size); }
void *memalign(size_t alignment, size_t size) { return refused() ? NULL : __libc_memalign(alignment, size); }
void *aligned_alloc(size_t alignment, size_t size) { return refused() ? NULL : __libc_memalign(alignment, size); }

int
posix_memalign(void **out, size_t alignment, size_t size)
{
	void *p = refused() ? NULL : __libc_memalign(alignment, size);

	if (p == NULL)
		return ENOMEM;
	*out = p;
	return 0;
}

static void
crashed(int signal_number)
{
	inside = true;
	if (!atomic_flag_test_and_set(&told)) {
		tell(crash_fd, "crashed\n");
		atomic_store(&written, true);
	}
	while (!atomic_load(&written)) /* another thread crashed first, and the process must not end before it has said so */
		(void)usleep(1000);
	(void)signal(signal_number, SIG_DFL);
	(void)raise(signal_number);
}

__attribute__((constructor)) static void
begin(void)
{
	static const int fatal[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
	const char *number = getenv("KW_OOM_AT"), *log = getenv("KW_OOM_LOG"), *crash = getenv("KW_OOM_CRASH");
	void *way[1];

	if (number == NULL || log == NULL || crash == NULL)
		return;
	at = strtoul(number, NULL, 10);
	ever = getenv("KW_OOM_EVER") != NULL;
	log_fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	crash_fd = open(crash, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	(void)backtrace(way, 1); /* loads what it needs */
	for (size_t i = 0; i < sizeof fatal / sizeof fatal[0]; i++)
		(void)signal(fatal[i], crashed);
	atomic_store(&counting, true);
}

__attribute__((destructor)) static void
end(void)
{
	char line[32];
	int n;

	if (!atomic_exchange(&counting, false))
		return;
	n = snprintf(line, sizeof line, "count %lu\n", atomic_load(&asked));
	if (write(log_fd, line, (size_t)n) < 0)
		return;
}
