/* local: see its header. */
#include "clients/cli/local.h"

#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "clients/cli/broker_ask.h"

#define START_MS 5000u /* a node that is just starting has its socket by then, on an old and busy machine too */

/* 0, or why nobody could be reached there. */
static int
reach(const struct sockaddr_un *at)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), wrong;

	if (fd < 0)
		return 0; /* the library will find the same, and say it */
	wrong = connect(fd, (const struct sockaddr *)at, sizeof *at) == 0 ? 0 : errno;
	(void)close(fd);
	return wrong;
}

static enum kw_err
may_not(const char *path, const char *endpoint, struct kw_why *why)
{
	const struct group *group;
	struct stat st;

	if (stat(path, &st) == 0 && (st.st_mode & S_IWGRP) != 0 && st.st_gid != 0 && (group = getgrgid(st.st_gid)) != NULL)
		return kw_refuse(why, KW_EDENIED, "you may not open the node's socket at %s; have root add you to the group %s (usermod --append --groups %s NAME), and log in anew", endpoint,
		                 group->gr_name, group->gr_name);
	return kw_refuse(why, KW_EDENIED, "you may not open the node's socket at %s; have whoever runs this machine add you to the group that may", endpoint);
}

/* So that nobody waits for the library's own patience to hear that there is no node, or that he may not open its socket. */
static enum kw_err
check_there(const char *endpoint, struct kw_why *why)
{
	const struct timespec pause = {.tv_nsec = 50000000};
	uint64_t end = clock_mono_ms() + START_MS;
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int wrong;

	if (strncmp(endpoint, "ipc:///", 7) != 0 || strlen(endpoint + 6) >= sizeof at.sun_path)
		return KW_OK; /* no address: the library says so */
	memcpy(at.sun_path, endpoint + 6, strlen(endpoint + 6) + 1);
	while ((wrong = reach(&at)) == ENOENT || wrong == ECONNREFUSED) {
		if (clock_mono_ms() >= end)
			return kw_refuse(why, KW_ETIMEOUT, "no node is at %s; is kurzweg-partner running (systemctl status kurzweg-partner)? Where its socket is another one, give --socket or set $KURZWEG_SOCKET", endpoint);
		(void)nanosleep(&pause, NULL);
	}
	return wrong == EACCES ? may_not(at.sun_path, endpoint, why) : KW_OK;
}

bool
local_only_a_broker_is_here(const char *socket)
{
	const char *named = getenv("KURZWEG_SOCKET");

	if (socket != NULL || (named != NULL && named[0] != '\0') || access(&LOCAL_SOCKET_DEFAULT[strlen("ipc://")], F_OK) == 0)
		return false;
	if (access(&BROKER_CONTROL_DEFAULT[strlen("ipc://")], F_OK) == 0)
		return true;
	return access("/etc/kurzweg/broker.yaml", F_OK) == 0 && access("/etc/kurzweg/partner.yaml", F_OK) != 0; /* it does not run yet */
}

kurzweg *
local_open(const struct cli *c, const char *socket, enum cli_exit *code)
{
	const char *at = socket != NULL ? socket : getenv("KURZWEG_SOCKET");
	kurzweg *k = NULL;
	enum kurzweg_result r;
	struct kw_why why;
	enum kw_err err;

	if ((err = check_there(at != NULL && at[0] != '\0' ? at : LOCAL_SOCKET_DEFAULT, &why)) != KW_OK) {
		*code = cli_fail(c, err, &why);
		return NULL;
	}
	r = kurzweg_open(&k, socket);

	if (k != NULL)
		kurzweg_set_language(k, c->german ? "de" : "en");
	if (r == KURZWEG_OK)
		return k;
	*code = local_fail(c, k, r);
	kurzweg_close(&k);
	return NULL;
}

enum cli_exit
local_fail(const struct cli *c, const kurzweg *k, enum kurzweg_result r)
{
	cli_error(c, kurzweg_error(k));
	switch (r) {
	case KURZWEG_USAGE: return CLI_USAGE;
	case KURZWEG_SILENT: return CLI_SILENT;
	case KURZWEG_REFUSED: return CLI_REFUSED;
	default: return CLI_FAILED;
	}
}

json_t *
local_status(const struct cli *c, kurzweg *k, enum cli_exit *code)
{
	char *text = NULL;
	enum kurzweg_result r = kurzweg_status(k, &text);
	json_t *status;

	if (r != KURZWEG_OK) {
		*code = local_fail(c, k, r);
		return NULL;
	}
	status = json_loads(text, 0, NULL);
	free(text);
	if (status == NULL) {
		cli_error(c, _("what the node answered is no JSON"));
		*code = CLI_FAILED;
	}
	return status;
}
