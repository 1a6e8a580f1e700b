/* Log lines: what stands in one, who is held back, and that nobody is ever waited for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/log_brake.h"
#include "base/log_out.h"

static uint64_t mono_ms = 5000; /* the pretend clock */
uint64_t __wrap_clock_mono_ms(void);
uint64_t __wrap_clock_mono_ms(void) { return mono_ms; }

/* ---- the brake ---- */

static unsigned
let(struct log_brake *b, const char *name, unsigned times)
{
	unsigned lets = 0;

	for (unsigned i = 0; i < times; i++)
		lets += log_brake_lets(b, name, false);
	return lets;
}

static void
a_noisy_peer_hides_no_other(void **state)
{
	struct log_brake b = LOG_BRAKE_INIT(10, 100);
	struct log_held h;

	(void)state;
	assert_false(log_brake_over(&b, 7, &h));
	assert_int_equal(let(&b, "police/control-room", 5000), 10);
	assert_int_equal(let(&b, "city/public-order", 3), 3);
	assert_true(b.holds);
	assert_false(log_brake_over(&b, 7, &h));
	assert_true(log_brake_over(&b, 8, &h));
	assert_string_equal(h.name, "police/control-room");
	assert_true(h.lines == 4990 && !h.by_code);
	assert_false(log_brake_over(&b, 8, &h));
	assert_false(b.holds);
	assert_int_equal(let(&b, "police/control-room", 50), 10);
}

static void
all_together_have_a_limit_too(void **state)
{
	struct log_brake b = LOG_BRAKE_INIT(10, 100);
	struct log_held h;
	uint64_t held = 0, told = 0;
	unsigned lets = 0;
	char name[32];

	(void)state;
	(void)log_brake_over(&b, 1, &h);
	for (unsigned i = 0; i < 1000; i++) {
		(void)snprintf(name, sizeof name, "p/%u", i);
		lets += let(&b, name, 2);
	}
	assert_int_equal(lets, 100);
	while (log_brake_over(&b, 2, &h)) {
		held += h.lines;
		told++;
	}
	assert_int_equal(held, 2000 - 100);
	assert_int_equal(told, LOG_BRAKE_TOLD + 1);
}

static void
who_finds_no_place_is_counted_with_the_others(void **state)
{
	struct log_brake b = LOG_BRAKE_INIT(2, 1000);
	struct log_held h = {.name = "x"};
	char name[32];

	(void)state;
	(void)log_brake_over(&b, 1, &h);
	for (unsigned i = 0; i < LOG_BRAKE_PEERS; i++) {
		(void)snprintf(name, sizeof name, "p/%u", i);
		assert_int_equal(let(&b, name, 2), 2);
	}
	assert_int_equal(let(&b, "q/1", 1) + let(&b, "q/2", 1) + let(&b, "q/3", 1), 2);
	assert_true(log_brake_over(&b, 2, &h));
	assert_string_equal(h.name, "");
	assert_int_equal(h.lines, 1);
	assert_false(log_brake_over(&b, 2, &h));
}

static void
long_names_and_codes_are_told_apart(void **state)
{
	struct log_brake b = LOG_BRAKE_INIT(1, 100);
	char name[4 * LOG_BRAKE_NAME];
	struct log_held h;

	(void)state;
	(void)log_brake_over(&b, 1, &h);
	memset(name, 'n', sizeof name);
	name[sizeof name - 1] = '\0';
	assert_true(log_brake_lets(&b, name, false));
	assert_false(log_brake_lets(&b, name, false));
	assert_true(log_brake_lets(&b, "store.full", true));
	assert_true(log_brake_lets(&b, "store.full", false));
	assert_false(log_brake_lets(&b, "store.full", true));
	assert_true(log_brake_over(&b, 2, &h));
	assert_int_equal(strlen(h.name), LOG_BRAKE_NAME - 1);
	assert_true(log_brake_over(&b, 2, &h));
	assert_true(h.by_code && h.lines == 1);
}

/* ---- lines, each time from a process of its own: what is at standard error is looked at once ---- */

static char said[65536];

/* What run writes to standard error. stream: what $JOURNAL_STREAM is to be; "right": the one that is there. */
static const char *
lines_of(void (*run)(void), const char *stream)
{
	int ends[2], status;
	size_t len = 0;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (pid == 0) {
		struct stat s;
		char right[64];

		(void)dup2(ends[1], STDERR_FILENO);
		(void)close(ends[0]);
		(void)close(ends[1]);
		(void)fstat(STDERR_FILENO, &s);
		(void)snprintf(right, sizeof right, "%ju:%ju", (uintmax_t)s.st_dev, (uintmax_t)s.st_ino);
		(void)unsetenv("JOURNAL_STREAM");
		if (stream != NULL)
			(void)setenv("JOURNAL_STREAM", strcmp(stream, "right") == 0 ? right : stream, 1);
		run();
		_exit(0);
	}
	(void)close(ends[1]);
	while ((n = read(ends[0], said + len, sizeof said - 1 - len)) > 0)
		len += (size_t)n;
	said[len] = '\0';
	(void)close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	return said;
}

/* Behind the time. */
static const char *
rest_of(const char *line)
{
	assert_true(strlen(line) > 25 && line[4] == '-' && line[10] == 'T' && line[19] == '.' && line[23] == 'Z' && line[24] == ' ');
	return line + 25;
}

static void
one_line(void)
{
	log_event(LOG_WARNING, "test.event", "n=%d u=%u z=%zu l=%llu x=%x what=\"%s\"", -3, 4u, (size_t)5, 18446744073709551615ull, 255u, "all is well");
}

static void
a_line_has_time_level_code_and_fields(void **state)
{
	(void)state;
	assert_string_equal(rest_of(lines_of(one_line, NULL)), "warning test.event n=-3 u=4 z=5 l=18446744073709551615 x=ff what=\"all is well\"\n");
}

static void
where_the_journal_reads_a_line_begins_with_its_priority(void **state)
{
	static const char *const others[] = {"", "1:2", "x", "1", "1:", ":1", "99999999999999999999999:1"};

	(void)state;
	assert_string_equal(lines_of(one_line, "right"), "<4>warning test.event n=-3 u=4 z=5 l=18446744073709551615 x=ff what=\"all is well\"\n");
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
		(void)rest_of(lines_of(one_line, others[i]));
}

static void
every_level(void)
{
	log_set_level(LOG_DEBUG);
	for (int level = LOG_ERROR; level <= LOG_DEBUG; level++)
		log_event((enum log_level)level, "test.level", "n=%d", level);
	log_set_level(LOG_WARNING);
	log_event(LOG_NOTICE, "test.level", "n=%d", 9);
}

static void
levels_are_priorities_as_syslog_has_them(void **state)
{
	(void)state;
	assert_string_equal(lines_of(every_level, "right"), "<3>error test.level n=0\n<4>warning test.level n=1\n<5>notice test.level n=2\n<6>info test.level n=3\n"
	                                                    "<7>debug test.level n=4\n");
}

static void
hostile_values(void)
{
	static char cut[4000];

	log_event(LOG_NOTICE, "test.quoted", "why=\"%s\" n=%d", "x\" peer=other why=\"\\y", 1);
	log_event(LOG_NOTICE, "test.bare", "name=%s n=%d", "x peer=other\"", 1);
	log_event(LOG_NOTICE, "test.odd", "why=\"%s\"", "a\nb\tc\x1b[31m\xe2\x80\xae" "d\xff" "e\xc3");
	log_peer(LOG_NOTICE, "test.peer", "x\ny peer=z", "n=%d", 1);
	for (size_t i = 0; i + 2 < sizeof cut; i += 2)
		memcpy(cut + i, "\xc3\xa4", 2);
	log_event(LOG_NOTICE, "test.cut", "w=\"%s\"", cut);
}

static void
no_value_forges_a_field_or_a_line_or_reaches_a_terminal(void **state)
{
	const char *text, *line;

	(void)state;
	text = lines_of(hostile_values, "right");
	assert_non_null(strstr(text, "<5>notice test.quoted why=\"x\\\" peer=other why=\\\"\\\\y\" n=1\n"));
	assert_non_null(strstr(text, "<5>notice test.bare name=x?peer?other? n=1\n"));
	assert_non_null(strstr(text, "<5>notice test.odd why=\"a?b?c?[31m???d?e?\"\n"));
	assert_non_null(strstr(text, "<5>notice test.peer peer=x?y?peer?z n=1\n"));
	line = strstr(text, "<5>notice test.cut");
	assert_non_null(line);
	assert_in_range(strcspn(line, "\n"), 1000, 2047);
}

static void
a_failed_call(void)
{
	errno = ENOSPC;
	if (log_sys(KW_EIO, "test.failed", "path=\"%s\"", "/x y") != KW_EIO || errno != ENOSPC)
		abort();
}

static void
what_errno_says_is_told_and_stays(void **state)
{
	(void)state;
	assert_string_equal(lines_of(a_failed_call, "right"), "<3>error test.failed path=\"/x y\" errno=ENOSPC\n");
}

static void
noise(void)
{
	for (int i = 0; i < 25; i++)
		log_peer(LOG_WARNING, "test.noise", "a/a", "n=%d", i);
	for (int i = 0; i < 12; i++)
		log_peer(LOG_ERROR, "test.unnamed", NULL, "n=%d", i);
	log_peer(LOG_WARNING, "test.quiet", "b/b", "n=%d", 1);
	for (int i = 0; i < 500; i++) {
		char address[32];

		(void)snprintf(address, sizeof address, "192.0.2.%d", i % 250);
		log_stranger(LOG_WARNING, "test.stranger", address, "n=%d", i);
	}
	log_peer(LOG_WARNING, "test.quiet", "b/b", "n=%d", 2);
	if (log_wait_ms() != 1000 - 5000 % 1000)
		abort();
	mono_ms += 700;
	if (log_wait_ms() != 300)
		abort();
	log_tick(); /* too early to tell */
	mono_ms += 300;
	log_tick();
	if (log_wait_ms() != -1)
		abort();
	log_event(LOG_NOTICE, "test.end", "n=%d", 0);
}

static unsigned
count(const char *text, const char *what)
{
	unsigned n = 0;

	while ((text = strstr(text, what)) != NULL) {
		n++;
		text += strlen(what);
	}
	return n;
}

static void
what_is_held_back_of_whom_is_told_when_the_second_is_over(void **state)
{
	const char *text = lines_of(noise, "right");

	(void)state;
	assert_int_equal(count(text, "test.noise peer=a/a"), LOG_PEER_LINES);
	assert_int_equal(count(text, "test.unnamed n="), LOG_PEER_LINES);
	assert_int_equal(count(text, "test.quiet peer=b/b"), 2);
	assert_int_equal(count(text, "test.stranger peer=192.0.2."), LOG_STRANGERS_LINES);
	assert_non_null(strstr(text, "n=2\n<4>warning log.held_back peer=a/a lines=15\n<4>warning log.held_back code=test.unnamed lines=2\n"));
	assert_int_equal(count(text, "log.held_back peer=192.0.2."), LOG_BRAKE_TOLD); /* what is told of them is no flood of its own */
	assert_int_equal(count(text, "log.held_back peer=other-strangers lines="), 1);
	assert_non_null(strstr(text, "<5>notice test.end n=0\n"));
}

static void
the_next_line_tells(void)
{
	for (int i = 0; i < 11; i++)
		log_peer(LOG_WARNING, "test.noise", "a/a", "n=%d", i);
	mono_ms += 60000;
	log_event(LOG_NOTICE, "test.next", "n=%d", 1);
}

static void
whoever_comes_next_tells_what_was_held_back(void **state)
{
	(void)state;
	assert_non_null(strstr(lines_of(the_next_line_tells, "right"), "<4>warning log.held_back peer=a/a lines=1\n<5>notice test.next n=1\n"));
}

/* ---- nobody reads ---- */

#define LINES 3000

/* Everything that waits at fd, without waiting for more. */
static size_t
drain(int fd, char *text, size_t room)
{
	size_t len = 0;
	ssize_t n;

	(void)fcntl(fd, F_SETFL, O_NONBLOCK);
	while ((n = read(fd, text + len, room - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	return len;
}

static void sink_counts(void *self, const struct log_line *line) { (void)line; ++*(unsigned *)self; }

/* The writing end's flags belong to others as well: they must be as they were. */
static void
stuck_at(const int ends[2])
{
	static char before[1u << 20], after[65536];
	unsigned whole, lost, sunk = 0;
	const char *told;
	int flags = fcntl(ends[1], F_GETFL), status;
	pid_t pid = fork();

	if (pid == 0) {
		(void)alarm(60); /* whoever waits for a reader is ended */
		(void)dup2(ends[1], STDERR_FILENO);
		log_set_sink(sink_counts, &sunk);
		for (int i = 0; i < LINES; i++)
			log_event(LOG_NOTICE, "test.stuck", "n=%d filler=\"%s\" end=%d", i, "................................................................", 1);
		(void)drain(ends[0], before, sizeof before);
		log_tick();
		log_event(LOG_NOTICE, "test.flows", "n=%d", 1);
		(void)drain(ends[0], after, sizeof after);
		whole = count(before, " end=1\n");
		told = strstr(after, " warning log.lost lines=");
		lost = told != NULL ? (unsigned)strtoul(strchr(told, '=') + 1, NULL, 10) : 0;
		(void)dprintf(ends[1], "%u whole, %u lost, %u sunk\n", whole, lost, sunk);
		_exit(whole > 0 && lost > 0 && whole + lost == LINES && sunk == LINES + 2 && strstr(after, " notice test.flows n=1\n") != NULL &&
		      fcntl(STDERR_FILENO, F_GETFL) == flags && log_wait_ms() == -1 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status != 0) {
		(void)drain(ends[0], after, sizeof after);
		fail_msg("ended with %d: %s", status, after);
	}
	(void)close(ends[0]);
	(void)close(ends[1]);
}

static void
a_full_pipe_or_socket_holds_nobody_up_and_what_is_lost_is_told(void **state)
{
	int ends[2], small = 8192;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	stuck_at(ends);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	assert_int_equal(setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
	stuck_at(ends);
}

static void
a_line_that_went_in_part_is_ended_before_the_next(void **state)
{
	struct log_out o = {.torn = true};
	char text[64];
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	o.fd = ends[1];
	assert_true(log_out_put(&o, "next\n", 5));
	assert_false(o.torn);
	assert_int_equal(drain(ends[0], text, sizeof text), 6);
	assert_string_equal(text, "\nnext\n");
	(void)close(ends[0]);
	assert_false(log_out_put(&o, "gone\n", 5)); /* nobody reads any more: no signal, no line */
	(void)close(ends[1]);
}

/* ---- the sink and threads ---- */

static void
sink_orders(void *self, const struct log_line *line)
{
	static int last[4] = {-1, -1, -1, -1}; /* one at a time: no lock */
	int thread, n;

	if (sscanf(line->values, "thread=%d n=%d", &thread, &n) != 2 || n != last[thread] + 1)
		abort();
	last[thread] = n;
	++*(unsigned *)self;
}

static void *
talk(void *self)
{
	int thread = *(int *)self;

	for (int n = 0; n < 2000; n++)
		log_event(LOG_WARNING, "test.thread", "thread=%d n=%d", thread, n);
	return NULL;
}

static void
four_threads(void)
{
	int null = open("/dev/null", O_WRONLY), numbers[4] = {0, 1, 2, 3};
	pthread_t threads[4];
	unsigned lines = 0;

	(void)dup2(null, STDERR_FILENO);
	log_set_sink(sink_orders, &lines);
	for (int i = 0; i < 4; i++)
		if (pthread_create(&threads[i], NULL, talk, &numbers[i]) != 0)
			abort();
	for (int i = 0; i < 4; i++)
		(void)pthread_join(threads[i], NULL);
	log_set_sink(NULL, NULL);
	log_event(LOG_NOTICE, "test.after", "n=%d", 1);
	if (lines != 8000)
		abort();
}

static void
any_thread_may_log_and_the_sink_hears_one_at_a_time(void **state)
{
	(void)state;
	(void)lines_of(four_threads, NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_noisy_peer_hides_no_other),
		cmocka_unit_test(all_together_have_a_limit_too),
		cmocka_unit_test(who_finds_no_place_is_counted_with_the_others),
		cmocka_unit_test(long_names_and_codes_are_told_apart),
		cmocka_unit_test(a_line_has_time_level_code_and_fields),
		cmocka_unit_test(where_the_journal_reads_a_line_begins_with_its_priority),
		cmocka_unit_test(levels_are_priorities_as_syslog_has_them),
		cmocka_unit_test(no_value_forges_a_field_or_a_line_or_reaches_a_terminal),
		cmocka_unit_test(what_errno_says_is_told_and_stays),
		cmocka_unit_test(what_is_held_back_of_whom_is_told_when_the_second_is_over),
		cmocka_unit_test(whoever_comes_next_tells_what_was_held_back),
		cmocka_unit_test(a_full_pipe_or_socket_holds_nobody_up_and_what_is_lost_is_told),
		cmocka_unit_test(a_line_that_went_in_part_is_ended_before_the_next),
		cmocka_unit_test(any_thread_may_log_and_the_sink_hears_one_at_a_time),
	};

	(void)signal(SIGPIPE, SIG_IGN); /* as the daemons have it */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
