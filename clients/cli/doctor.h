/*
 * doctor: what may be wrong at a partner's machine, looked at one thing after the other, with the configuration that the daemon has, whether it runs or
 * not. Nothing is changed and nothing is sent. Each look is one finding: how it is, and where it is not well what that means and what to type.
 */
#ifndef KW_CLI_DOCTOR_H
#define KW_CLI_DOCTOR_H

#include <sys/types.h>

#include "certs/agreement.h"
#include "clients/cli/cli.h"
#include "clients/partner/config.h"

enum doctor_verdict {
	DOCTOR_OK,
	DOCTOR_LOOK,    /* works; should be looked at */
	DOCTOR_WRONG,
	DOCTOR_UNKNOWN, /* could not be looked at */
};

struct doctor_finding {
	const char *check;            /* its name in JSON, a literal */
	const char *label;            /* for people, translated */
	enum doctor_verdict verdict;
	char *what, *means, *type;    /* NULL: nothing; type: commands, one a line */
};
#define DOCTOR_FINDINGS_MAX 160

struct doctor {
	const struct cli *c;
	const char *path;              /* of the configuration */
	const char *sudo;              /* "sudo ", or "" for root himself */
	uint64_t now_ms;               /* wall clock */

	char unit[256];                /* of systemd, by the configuration's path; "": none */
	bool unit_loaded, hands_key_over;
	char unit_state[64], unit_result[64];

	uid_t caller;                  /* who typed it, also behind sudo */

	uid_t uid;                     /* the daemon's, as far as that can be known */
	gid_t gid;
	char user[64];
	bool eyes;                     /* this process runs as the daemon would, so what it may and finds is what the daemon may and finds */

	struct partner_config config;
	bool has_config;
	struct secret_keys *keys;      /* NULL: they could not be read */
	struct agreement *agreement;   /* of the file; NULL: it could not be read */
	json_t *status;                /* what the running daemon says; NULL: none answers */

	struct doctor_finding found[DOCTOR_FINDINGS_MAX];
	size_t count;
};

/* One finding more. Behind it, of the newest: what it means, and a command, as often as there are commands. */
void doctor_found(struct doctor *d, const char *check, const char *label, enum doctor_verdict verdict, const char *fmt, ...) KW_PRINTF(5, 6);
void doctor_means(struct doctor *d, const char *sentence);
void doctor_type(struct doctor *d, const char *fmt, ...) KW_PRINTF(2, 3);
/* It could not be looked at, since the asker may not: how to. */
void doctor_ask_root(struct doctor *d, const char *check, const char *label);
/* path as a shell takes it. */
#define DOCTOR_QUOTED_MAX 4352
const char *doctor_quoted(char out[DOCTOR_QUOTED_MAX], const char *path);

size_t doctor_count(const struct doctor *d, enum doctor_verdict verdict);
void doctor_print(const struct doctor *d);
json_t *doctor_json(const struct doctor *d);
void doctor_free(struct doctor *d);

/* ---- the looks, in their order ---- */
void doctor_configuration(struct doctor *d);
void doctor_find_unit(struct doctor *d);     /* what systemd has; finds nothing yet */
void doctor_find_user(struct doctor *d);     /* who the daemon is */
void doctor_ask_daemon(struct doctor *d);    /* how it is, if it runs */
void doctor_key(struct doctor *d);           /* before doctor_become: root's own files */
bool doctor_become(struct doctor *d);        /* root becomes the daemon's user, for good; false: that failed */
void doctor_agreement(struct doctor *d);
void doctor_places(struct doctor *d);        /* state, disk, spool, handlers */
void doctor_daemon(struct doctor *d);        /* unit, local socket, agreement in force, who may open the socket */
void doctor_reach(struct doctor *d);         /* name, port, handshake */
void doctor_clock(struct doctor *d);

#endif
