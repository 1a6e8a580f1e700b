/* doctor_daemon: who the daemon is, what systemd says of it, what it says itself, and who on this machine may ask it. */
#include "clients/cli/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/text.h"
#include "clients/cli/local.h"
#include "clients/cli/look.h"
#include "clients/cli/when.h"

#define SYSTEMCTL_MS 5000u
#define ANSWER_MS 5000u
#define GROUPS_MOST 1024

extern char **environ;

static const char *
socket_path(const struct doctor *d)
{
	return d->config.socket + strlen("ipc://");
}

/* ---- systemd, where there is one ---- */

/* /etc/kurzweg/partner.yaml is kurzweg-partner's, /etc/kurzweg/NAME.yaml kurzweg-partner@NAME's; another file is nobody's. */
static void
name_unit(struct doctor *d)
{
	static const char folder[] = "/etc/kurzweg/";
	const char *name = d->path + strlen(folder);
	size_t len = strlen(d->path);

	if (strncmp(d->path, folder, strlen(folder)) != 0 || len < strlen(folder) + 6 || strcmp(d->path + len - 5, ".yaml") != 0 || strchr(name, '/') != NULL)
		return;
	if (strcmp(name, "partner.yaml") == 0)
		(void)snprintf(d->unit, sizeof d->unit, "kurzweg-partner");
	else
		(void)snprintf(d->unit, sizeof d->unit, "kurzweg-partner@%.*s", (int)(strlen(name) - 5), name);
}

/* What the program writes, at most out->max, until it ends or the time is over; false: it did not start, or failed. */
static bool
output_of(struct buf *out, char *const *argv)
{
	uint64_t end = clock_mono_ms() + SYSTEMCTL_MS;
	posix_spawn_file_actions_t files;
	int pipes[2], status = 0;
	bool started;
	pid_t pid;

	if (pipe2(pipes, O_CLOEXEC) != 0)
		return false;
	if (posix_spawn_file_actions_init(&files) != 0) {
		(void)close(pipes[0]);
		(void)close(pipes[1]);
		return false;
	}
	started = posix_spawn_file_actions_adddup2(&files, pipes[1], STDOUT_FILENO) == 0 &&
	          posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0) == 0 &&
	          posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0) == 0 && posix_spawnp(&pid, argv[0], &files, NULL, argv, environ) == 0;
	(void)posix_spawn_file_actions_destroy(&files);
	(void)close(pipes[1]);
	while (started) {
		struct pollfd item = {pipes[0], POLLIN, 0};
		uint64_t now = clock_mono_ms();
		char bytes[4096];
		ssize_t n;

		if (now >= end || poll(&item, 1, (int)(end - now)) <= 0 || (n = read(pipes[0], bytes, sizeof bytes)) <= 0)
			break;
		buf_put(out, bytes, (size_t)n);
	}
	(void)close(pipes[0]);
	if (!started)
		return false;
	if (clock_mono_ms() >= end)
		(void)kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 && buf_ok(out);
}

/* "NAME=value" among the lines of what systemctl shows. */
static bool
shows(const char *said, const char *property, char *value, size_t size)
{
	size_t len = strlen(property);

	for (const char *at = said; at != NULL && *at != '\0'; at = strchr(at, '\n'), at += at != NULL) {
		if (strncmp(at, property, len) != 0 || at[len] != '=')
			continue;
		(void)snprintf(value, size, "%.*s", (int)strcspn(at + len + 1, "\n"), at + len + 1);
		return true;
	}
	value[0] = '\0';
	return false;
}

/* Whether the credential at value ("%i.key:/etc/kurzweg/%i.key") is called so, in the unit of this instance. */
static bool
is_called(const char *value, const char *instance, const char *name)
{
	while (*value != '\0' && *value != '\n' && *value != ':') {
		bool is_instance = strncmp(value, "%i", 2) == 0;
		size_t len = is_instance ? strlen(instance) : 1;

		if (strncmp(name, is_instance ? instance : value, len) != 0)
			return false;
		name += len;
		value += is_instance ? 2 : 1;
	}
	return *name == '\0';
}

/* Whether the unit's text, its drop-ins behind it, hands over what the daemon looks for: a credential called as the key's file is. Of credentials
 * "systemctl show" has only "[unprintable]" to say. */
static bool
hands_over(const struct doctor *d, const char *text)
{
	const char *slash = strrchr(d->config.key, '/'), *name = slash != NULL ? slash + 1 : d->config.key, *instance = strchr(d->unit, '@');
	static const char setting[] = "LoadCredential", sealed[] = "Encrypted";
	bool found = false;

	for (const char *line = text; *line != '\0'; line += strcspn(line, "\n"), line += *line == '\n') {
		const char *value = line + strlen(setting);

		if (strncmp(line, setting, strlen(setting)) != 0)
			continue;
		value += strncmp(value, sealed, strlen(sealed)) == 0 ? strlen(sealed) : 0;
		if (*value == '=')
			found = value[1] != '\n' && (found || is_called(&value[1], instance != NULL ? instance + 1 : "", name));
	}
	return found;
}

void
doctor_find_unit(struct doctor *d)
{
	char unit[sizeof d->unit + 8], value[4096];
	char *const show[] = {(char[]){"systemctl"}, (char[]){"show"}, (char[]){"--property=LoadState,ActiveState,Result"}, unit, NULL};
	char *const cat[] = {(char[]){"systemctl"}, (char[]){"cat"}, unit, NULL};
	struct buf said = BUF_INIT(64 * 1024), text = BUF_INIT(256 * 1024);

	name_unit(d);
	(void)snprintf(unit, sizeof unit, "%s.service", d->unit);
	if (d->unit[0] != '\0' && output_of(&said, show) && shows(cli_text(&said), "LoadState", value, sizeof value) && strcmp(value, "loaded") == 0) {
		d->unit_loaded = true;
		d->hands_key_over = output_of(&text, cat) && hands_over(d, cli_text(&text));
		(void)shows(cli_text(&said), "ActiveState", d->unit_state, sizeof d->unit_state);
		(void)shows(cli_text(&said), "Result", d->unit_result, sizeof d->unit_result);
	}
	buf_free(&said);
	buf_free(&text);
}

static bool
unit_runs(const struct doctor *d)
{
	return strcmp(d->unit_state, "active") == 0 || strcmp(d->unit_state, "reloading") == 0;
}

static void
find_unit(struct doctor *d)
{
	const char *label = _("service");

	if (!d->unit_loaded)
		return;
	if (unit_runs(d)) {
		doctor_found(d, "unit", label, DOCTOR_OK, _("%s is running"), d->unit);
	} else if (strcmp(d->unit_state, "activating") == 0) {
		doctor_found(d, "unit", label, DOCTOR_LOOK, _("%s is being started"), d->unit);
		doctor_means(d, _("Where that goes on, it ends and is started again and again; its log says why."));
		doctor_type(d, "%sjournalctl -u %s -n 30", d->sudo, d->unit);
	} else if (strcmp(d->unit_state, "failed") == 0) {
		doctor_found(d, "unit", label, DOCTOR_WRONG, _("%s has failed (%s), and systemd starts it no more"), d->unit, d->unit_result);
		doctor_means(d, _("Its log says why. When that is mended, start it again."));
		doctor_type(d, "%sjournalctl -u %s -n 30", d->sudo, d->unit);
		doctor_type(d, "%ssystemctl reset-failed %s", d->sudo, d->unit);
		doctor_type(d, "%ssystemctl start %s", d->sudo, d->unit);
	} else {
		doctor_found(d, "unit", label, DOCTOR_WRONG, _("%s is not running"), d->unit);
		doctor_means(d, _("Nothing comes in and nothing goes out. When all else is well, start it, now and with the machine."));
		doctor_type(d, "%ssystemctl enable --now %s", d->sudo, d->unit);
	}
}

/* ---- who the daemon is ---- */

/* Whose socket it is, else whose folder, else whom the packages make for it, else whoever asks. */
void
doctor_find_user(struct doctor *d)
{
	const char *behind_sudo = getenv("SUDO_USER");
	const struct passwd *user = behind_sudo != NULL ? getpwnam(behind_sudo) : NULL;
	struct stat st;

	d->caller = user != NULL ? user->pw_uid : getuid();

	if ((stat(socket_path(d), &st) == 0 && S_ISSOCK(st.st_mode)) || stat(d->config.state, &st) == 0)
		d->uid = st.st_uid;
	else if (d->unit_loaded && (user = getpwnam("kurzweg-partner")) != NULL)
		d->uid = user->pw_uid;
	else
		d->uid = geteuid();
	user = getpwuid(d->uid);
	d->gid = user != NULL ? user->pw_gid : d->uid == geteuid() ? getegid() : (gid_t)-1;
	if (user != NULL)
		(void)snprintf(d->user, sizeof d->user, "%s", user->pw_name);
	else
		(void)snprintf(d->user, sizeof d->user, "%u", (unsigned)d->uid);
	d->eyes = geteuid() == d->uid || geteuid() == 0;
}

bool
doctor_become(struct doctor *d)
{
	if (geteuid() != 0 || d->uid == 0)
		return true;
	if (d->gid == (gid_t)-1 || initgroups(d->user, d->gid) != 0 || setresgid(d->gid, d->gid, d->gid) != 0 || setresuid(d->uid, d->uid, d->uid) != 0) {
		doctor_found(d, "user", _("daemon's user"), DOCTOR_UNKNOWN, _("could not be looked at: this process cannot become %s: %s"), d->user, strerror(errno));
		return false;
	}
#ifndef __SANITIZE_ADDRESS__
	(void)prctl(PR_SET_DUMPABLE, 0);
#endif
	return true;
}

/* ---- the daemon ---- */

void
doctor_ask_daemon(struct doctor *d)
{
	struct buf said = BUF_INIT(64 * 1024);
	struct cli quiet = *d->c;
	enum cli_exit code;
	kurzweg *k;

	if (!fs_socket_answers(socket_path(d)))
		return;
	quiet.aside = &said;
	if ((k = local_open(&quiet, d->config.socket, &code)) != NULL) {
		kurzweg_set_timeout(k, ANSWER_MS);
		d->status = local_status(&quiet, k, &code);
		kurzweg_close(&k);
	}
	buf_free(&said);
}

static void
find_daemon(struct doctor *d)
{
	const char *label = _("daemon");
	char at[DOCTOR_QUOTED_MAX];
	size_t alarms = json_array_size(look_at(d->status, "alarms"));
	struct stat st;

	if (d->status != NULL && alarms == 0) {
		doctor_found(d, "daemon", label, DOCTOR_OK, _("%s answers on %s"), look_text(d->status, "software"), d->config.socket);
	} else if (d->status != NULL) {
		doctor_found(d, "daemon", label, DOCTOR_LOOK, ngettext("%s answers on %s, and has %zu alarm", "%s answers on %s, and has %zu alarms", alarms),
		             look_text(d->status, "software"), d->config.socket, alarms);
		doctor_means(d, _("What each means and what to do about it, the status says."));
		doctor_type(d, "kurzweg status --socket %s", doctor_quoted(at, d->config.socket));
	} else if (!d->eyes && stat(socket_path(d), &st) == 0 && access(socket_path(d), R_OK | W_OK) != 0) {
		doctor_found(d, "daemon", label, DOCTOR_UNKNOWN, _("could not be looked at: you may not open %s"), d->config.socket);
	} else if (d->unit_loaded && !unit_runs(d)) {
		doctor_found(d, "daemon", label, DOCTOR_UNKNOWN, "%s", _("could not be looked at: it does not run"));
	} else if (fs_socket_answers(socket_path(d))) {
		doctor_found(d, "daemon", label, DOCTOR_WRONG, _("it took the call on %s, but did not answer within %u s"), d->config.socket, ANSWER_MS / 1000);
		doctor_means(d, _("It is very busy, or hangs; under systemd it is started again within a minute then."));
		doctor_type(d, "kurzweg status --socket %s --timeout 1m", doctor_quoted(at, d->config.socket));
	} else {
		doctor_found(d, "daemon", label, DOCTOR_WRONG, _("nobody answers on %s"), d->config.socket);
		doctor_means(d, _("The daemon does not run, or another configuration is in use. When all else is well, start it."));
		if (d->unit_loaded)
			doctor_type(d, "%ssystemctl restart %s", d->sudo, d->unit);
		else
			doctor_type(d, "kurzweg-partner --config %s", doctor_quoted(at, d->path));
	}
}

/* The file's agreement against the one that the daemon works by. */
static void
find_in_force(struct doctor *d)
{
	const char *label = _("in force");
	char quoted[DOCTOR_QUOTED_MAX], at[DOCTOR_QUOTED_MAX], own[KEY_FINGERPRINT_MAX];
	unsigned here, file;

	if (d->status == NULL || d->agreement == NULL) {
		doctor_found(d, "in_force", label, DOCTOR_UNKNOWN, "%s",
		             d->status == NULL ? _("could not be looked at: the daemon must answer first") : _("could not be looked at: the agreement's file must be readable first"));
		return;
	}
	here = (unsigned)look_number(d->status, "agreement.version");
	file = agreement_version(d->agreement);
	agreement_fingerprint(own, d->agreement);
	(void)doctor_quoted(quoted, d->config.agreement);
	if (here == file && strcmp(own, look_text(d->status, "agreement.fingerprint")) != 0) {
		doctor_found(d, "in_force", label, DOCTOR_WRONG, _("the daemon works by another text of version %u than the one in the file"), here);
		doctor_means(d, _("One of the two is not the partnership's. Compare both fingerprints with the operator by phone before anything else."));
		doctor_type(d, "kurzweg agreement fingerprint %s", quoted);
		doctor_type(d, "kurzweg status --socket %s", doctor_quoted(at, d->config.socket));
	} else if (here < file) {
		doctor_found(d, "in_force", label, DOCTOR_LOOK, _("the daemon works by version %u, the file has version %u"), here, file);
		doctor_means(d, _("It takes the next version when it reads its configuration again; those between come from the broker."));
		if (d->unit_loaded)
			doctor_type(d, "%ssystemctl reload %s", d->sudo, d->unit);
		else
			doctor_type(d, "%skill -HUP $(pidof kurzweg-partner)", d->sudo);
	} else if (here > file) {
		doctor_found(d, "in_force", label, DOCTOR_OK, _("the daemon works by version %u, which came from the broker; the file's older version %u does no harm"), here, file);
	} else {
		doctor_found(d, "in_force", label, DOCTOR_OK, _("the daemon works by this very text of version %u"), here);
	}
}

/* ---- who may ask it ---- */

static bool
is_member(const struct passwd *who, gid_t group)
{
	gid_t groups[GROUPS_MOST];
	int n = GROUPS_MOST;

	if (getgrouplist(who->pw_name, who->pw_gid, groups, &n) < 0)
		return false;
	for (int i = 0; i < n; i++)
		if (groups[i] == group)
			return true;
	return false;
}

static void
find_access(struct doctor *d)
{
	const char *label = _("access");
	const struct passwd *who = getpwuid(d->caller);
	const struct group *group;
	struct stat st;

	if (who == NULL || who->pw_uid == 0)
		return;
	if (stat(socket_path(d), &st) != 0) {
		doctor_found(d, "access", label, DOCTOR_UNKNOWN, "%s", _("could not be looked at: the daemon must make its socket first"));
		return;
	}
	group = getgrgid(st.st_gid);
	if (st.st_uid == who->pw_uid || is_member(who, st.st_gid)) {
		if (getuid() == who->pw_uid && access(socket_path(d), R_OK | W_OK) != 0) {
			doctor_found(d, "access", label, DOCTOR_WRONG, _("%s belongs to the group %s, but did not when this session began"), who->pw_name, group != NULL ? group->gr_name : "?");
			doctor_means(d, _("Groups are taken over at the login. Log out and in again, or for this terminal alone:"));
			doctor_type(d, "newgrp %s", group != NULL ? group->gr_name : "kurzweg");
			return;
		}
		doctor_found(d, "access", label, DOCTOR_OK, _("%s may ask the daemon, publish and take cases"), who->pw_name);
		return;
	}
	doctor_found(d, "access", label, DOCTOR_WRONG, _("%s may not open the daemon's socket: that is for the group %s"), who->pw_name, group != NULL ? group->gr_name : "?");
	doctor_means(d, _("Whoever shall read, publish and take cases here must belong to it. Then log out and in again."));
	doctor_type(d, "sudo usermod --append --groups %s %s", group != NULL ? group->gr_name : "kurzweg", who->pw_name);
}

void
doctor_daemon(struct doctor *d)
{
	find_unit(d);
	find_daemon(d);
	find_in_force(d);
	find_access(d);
}
