/* child: fork, exec, a pipe in and one out, and a descriptor that tells the end. */
#include "clients/partner/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#include "clients/partner/program.h"

#define WRITE_MOST (256u * 1024u) /* in one turn of the loop */

struct watched { int fd, handle; }; /* -1: none */

struct child {
	struct node *node;
	pid_t pid;
	bool over;                 /* reaped: no signal may reach its number any more */
	int status;
	struct buf input;
	size_t written;
	uint8_t said[CHILD_SAID_MAX];
	size_t said_len;
	struct watched in, out, end;
	void (*ended)(void *self);
	void *self;
};

static void
unwatch(struct child *c, struct watched *w)
{
	if (w->handle >= 0)
		node_remove_poller(c->node, w->handle);
	if (w->fd >= 0)
		(void)close(w->fd);
	*w = (struct watched){-1, -1};
}

static void
stop_input(struct child *c)
{
	unwatch(c, &c->in);
	buf_free(&c->input);
}

/* SIGPIPE is ignored by the daemon: a program that does not read to the end is no error. */
static void
give_input(void *self, short events)
{
	struct child *c = self;
	size_t most = c->written + WRITE_MOST;

	(void)events;
	while (c->written < c->input.len && c->written < most) {
		ssize_t n = write(c->in.fd, c->input.p + c->written, c->input.len - c->written);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			break;
		c->written += (size_t)n;
	}
	if (c->written < most || c->written == c->input.len)
		stop_input(c);
}

/* At most so many reads, since a program may write for ever. */
static void
hear(struct child *c, int reads)
{
	uint8_t bytes[4096];

	for (int i = 0; i < reads && c->out.fd >= 0; i++) {
		ssize_t n = read(c->out.fd, bytes, sizeof bytes);
		size_t room = sizeof c->said - c->said_len;

		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			return;
		if (n <= 0) {
			unwatch(c, &c->out);
			return;
		}
		if ((size_t)n < room)
			room = (size_t)n;
		memcpy(c->said + c->said_len, bytes, room);
		c->said_len += room;
	}
}

static void
it_says(void *self, short events)
{
	(void)events;
	hear(self, 16);
}

static bool
has_ended(const struct child *c, uint32_t wait_ms)
{
	struct pollfd p = {.fd = c->end.fd, .events = POLLIN};

	return poll(&p, 1, (int)wait_ms) > 0;
}

static void
it_ended(void *self, short events)
{
	struct child *c = self;

	(void)events;
	if (!has_ended(c, 0))
		return;
	node_remove_poller(c->node, c->end.handle);
	c->end.handle = -1;
	c->ended(c->self);
}

struct pipes { int in[2], out[2], fault[2]; };

static void
close_all(struct pipes *p)
{
	int *all[6] = {&p->in[0], &p->in[1], &p->out[0], &p->out[1], &p->fault[0], &p->fault[1]};

	for (int i = 0; i < 6; i++) {
		if (*all[i] >= 0)
			(void)close(*all[i]);
		*all[i] = -1;
	}
}

static enum kw_err
open_all(struct pipes *p, struct kw_why *why)
{
	*p = (struct pipes){{-1, -1}, {-1, -1}, {-1, -1}};
	if (pipe2(p->in, O_CLOEXEC) == 0 && pipe2(p->out, O_CLOEXEC) == 0 && pipe2(p->fault, O_CLOEXEC) == 0 &&
	    fcntl(p->in[1], F_SETFL, O_NONBLOCK) == 0 && fcntl(p->out[0], F_SETFL, O_NONBLOCK) == 0)
		return KW_OK;
	(void)kw_refuse(why, KW_EIO, "no pipe to a program can be made: %s", strerror(errno));
	close_all(p);
	return KW_EIO;
}

static void
clean_signals(void)
{
	struct sigaction standard = {.sa_handler = SIG_DFL};
	sigset_t none;

	for (int i = 1; i < NSIG; i++)
		(void)sigaction(i, &standard, NULL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Between fork and exec, in a process that has threads: system calls alone. */
static _Noreturn void
become(const struct child_start *c, const struct pipes *p, pid_t daemon)
{
	int fault = fcntl(p->fault[1], F_DUPFD_CLOEXEC, 10), in = fcntl(p->in[0], F_DUPFD, 10), out = fcntl(p->out[1], F_DUPFD, 10);
	int nowhere = open("/dev/null", O_WRONLY), said;

	if (fault < 0 || in < 0 || out < 0 || nowhere < 0 || dup2(in, 0) < 0 || dup2(nowhere, 1) < 0 || dup2(out, 2) < 0 || dup2(fault, 3) < 0 ||
	    fcntl(3, F_SETFD, FD_CLOEXEC) < 0)
		_exit(127);
	(void)close_range(4, ~0u, 0);
	if (setpgid(0, 0) != 0 || chdir("/") != 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
		goto failed;
	if (getppid() != daemon) /* it died before it was watched */
		_exit(127);
	clean_signals();
	(void)execve(c->argv[0], c->argv, c->envp);
failed:
	said = errno;
	(void)!write(3, &said, sizeof said);
	_exit(127);
}

/* Permission is denied for several reasons; the usual one is told as what to do. */
static enum kw_err
denied(const char *program, struct kw_why *why)
{
	return program_check(program, why) != KW_OK ? KW_EDENIED : program_not_started(program, EACCES, why);
}

/* Returns when the program has begun, or what kept it from that. */
static enum kw_err
fork_and_exec(pid_t *pid, const struct child_start *c, struct pipes *p, struct kw_why *why)
{
	pid_t daemon = getpid();
	int said = 0;
	ssize_t n;

	if ((*pid = fork()) == 0)
		become(c, p, daemon);
	if (*pid < 0)
		return kw_refuse(why, KW_EIO, "no process can be made for %.200s: %s", c->argv[0], strerror(errno));
	(void)close(p->fault[1]);
	p->fault[1] = -1;
	while ((n = read(p->fault[0], &said, sizeof said)) < 0 && errno == EINTR)
		;
	if (n == 0) /* closed by exec */
		return KW_OK;
	while (waitpid(*pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (n == sizeof said && said == EACCES)
		return denied(c->argv[0], why);
	return program_not_started(c->argv[0], n == sizeof said ? said : EIO, why);
}

static enum kw_err
watch(struct child *c, struct watched *w, int fd, short events, void (*ready)(void *self, short events))
{
	struct node_poller poller = {.fd = fd, .events = events, .ready = ready, .self = c};

	w->fd = fd;
	return node_add_poller(&w->handle, c->node, &poller);
}

static enum kw_err
watch_all(struct child *c, struct pipes *p, struct kw_why *why)
{
	int end = pidfd_open(c->pid, 0), in = p->in[1], out = p->out[0];

	p->in[1] = -1;
	p->out[0] = -1;
	c->in.fd = in;
	c->out.fd = out;
	if (end < 0)
		return kw_refuse(why, KW_EIO, "a program that was started cannot be watched: %s", strerror(errno));
	if (watch(c, &c->end, end, ZMQ_POLLIN, it_ended) != KW_OK || watch(c, &c->in, in, ZMQ_POLLOUT, give_input) != KW_OK ||
	    watch(c, &c->out, out, ZMQ_POLLIN, it_says) != KW_OK)
		return kw_refuse(why, KW_ELIMIT, "more is waited for at once than the loop has places (%d); start fewer handlers", NODE_POLLERS_MAX);
	return KW_OK;
}

enum kw_err
child_start(struct child **out, struct node *n, const struct child_start *start, struct kw_why *why)
{
	struct child *c = calloc(1, sizeof *c);
	struct pipes p;
	enum kw_err err;

	if (c == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for a program");
	*c = (struct child){.node = n, .over = true, .in = {-1, -1}, .out = {-1, -1}, .end = {-1, -1}, .ended = start->ended, .self = start->self};
	if ((err = open_all(&p, why)) != KW_OK)
		goto free_child;
	if ((err = fork_and_exec(&c->pid, start, &p, why)) != KW_OK)
		goto close_pipes;
	c->over = false;
	if ((err = watch_all(c, &p, why)) != KW_OK)
		goto close_pipes;
	c->input = *start->input;
	*start->input = BUF_INIT(start->input->max);
	*out = c;
	c = NULL;
close_pipes:
	close_all(&p);
free_child:
	child_free(&c);
	return err;
}

void
child_signal(struct child *c, int signal)
{
	if (!c->over)
		(void)kill(-c->pid, signal);
}

static void
reap(struct child *c)
{
	siginfo_t info = {0};
	pid_t got;

	/* As long as it is not reaped, the number of its group is nobody else's. */
	if (waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOWAIT) == 0 && (info.si_code != CLD_EXITED || info.si_status != 0))
		(void)kill(-c->pid, SIGKILL);
	while ((got = waitpid(c->pid, &c->status, 0)) < 0 && errno == EINTR)
		;
	if (got < 0) /* somebody else reaped it: how it ended nobody knows */
		c->status = 127 << 8;
	c->over = true;
}

bool
child_end(bool *well, char how[64], struct child *c, uint32_t wait_ms)
{
	if (!c->over) {
		if (!has_ended(c, wait_ms))
			return false;
		reap(c);
		hear(c, 16);
	}
	unwatch(c, &c->end);
	unwatch(c, &c->out);
	stop_input(c);
	*well = WIFEXITED(c->status) && WEXITSTATUS(c->status) == 0;
	if (WIFSIGNALED(c->status))
		(void)snprintf(how, 64, "killed by signal %d", WTERMSIG(c->status));
	else
		(void)snprintf(how, 64, "exit code %d", WEXITSTATUS(c->status));
	return true;
}

int
child_exit_code(const struct child *c)
{
	return WIFEXITED(c->status) ? WEXITSTATUS(c->status) : -1;
}

struct span
child_said(const struct child *c)
{
	return span_of(c->said, c->said_len);
}

void
child_free(struct child **at)
{
	struct child *c = at != NULL ? *at : NULL;

	if (c == NULL)
		return;
	if (!c->over) {
		child_signal(c, SIGKILL);
		reap(c);
	}
	unwatch(c, &c->end);
	unwatch(c, &c->out);
	stop_input(c);
	free(c);
	*at = NULL;
}
