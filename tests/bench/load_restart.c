/* load_restart: asking, and knocking until somebody opens. */
#include "load_restart.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "load_figures.h"

#define LISTENS_WITHIN_NS 600000000000ull
#define KNOCK_EVERY_NS 500000

static void
ask(char *answer, size_t room, const char *what, const char *target)
{
	load_print(json_pack("{s:s,s:s}", "ask", what, "of", target));
	if (fgets(answer, (int)room, stdin) == NULL)
		load_fail("nobody answers on standard input: tests/bench/run does, where %s is to be started again", target);
}

void
load_restart(struct load_started *out, const char *target)
{
	char answer[512];

	*out = (struct load_started){0};
	ask(answer, sizeof answer, "restart", target);
	if (sscanf(answer, "%" SCNu64 " %159s %79s", &out->started_ns, out->endpoint, out->key) < 1 || out->started_ns == 0)
		load_fail("the answer to a restart was: %s", answer);
}

int
load_pid_of(const char *target)
{
	char answer[64];
	int pid;

	ask(answer, sizeof answer, "pid", target);
	if (sscanf(answer, "%d", &pid) != 1 || pid <= 0)
		load_fail("the answer to a process's number was: %s", answer);
	return pid;
}

uint64_t
load_await_listening(uint16_t port)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const struct timespec rest = {0, KNOCK_EVERY_NS};
	uint64_t deadline = load_ns() + LISTENS_WITHIN_NS;

	while (load_ns() < deadline) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		bool open = fd >= 0 && connect(fd, (const struct sockaddr *)&to, sizeof to) == 0;
		uint64_t now = load_ns();

		if (fd >= 0)
			(void)close(fd);
		if (open)
			return now;
		(void)nanosleep(&rest, NULL);
	}
	load_fail("nobody listens on port %u", port);
}
