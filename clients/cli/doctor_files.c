/* doctor_files: what lies on this machine's disk: configuration, key, agreement, the daemon's folders, its handlers. */
#include "clients/cli/doctor.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/text.h"
#include "clients/cli/look.h"
#include "clients/cli/standing.h"
#include "clients/cli/when.h"
#include "clients/partner/checks.h"
#include "clients/partner/own_files.h"
#include "clients/partner/program.h"

/* ---- the configuration ---- */

void
doctor_configuration(struct doctor *d)
{
	const char *label = _("configuration");
	char quoted[DOCTOR_QUOTED_MAX];
	struct kw_why why;
	enum kw_err err = config_read(&d->config, d->path, &why);

	(void)doctor_quoted(quoted, d->path);
	d->has_config = err == KW_OK;
	if (err == KW_OK) {
		doctor_found(d, "configuration", label, DOCTOR_OK, _("%s is read, and every key in it is right"), d->path);
	} else if (err == KW_EDENIED) {
		doctor_found(d, "configuration", label, DOCTOR_UNKNOWN, "%s", why.text);
		doctor_type(d, "sudo kurzweg doctor --config %s", quoted);
	} else if (err == KW_ENOTFOUND) {
		doctor_found(d, "configuration", label, DOCTOR_WRONG, "%s", why.text);
		doctor_means(d, _("Without it the daemon does not start. Set this machine up by three questions, or name the file that is in use with --config."));
		doctor_type(d, "%skurzweg partner init", d->sudo);
		doctor_type(d, "%skurzweg doctor --config FILE", d->sudo);
	} else {
		doctor_found(d, "configuration", label, DOCTOR_WRONG, "%s", why.text);
		doctor_means(d, _("The daemon does not start with it; one that runs goes on with what it read before."));
		doctor_type(d, "%seditor %s", d->sudo, quoted);
	}
}

/* ---- the key ---- */

/* The commands for what is wrong with a secret file; the sentence says what that is. */
static void
type_for_key(struct doctor *d, enum kw_err err, const char *path)
{
	char quoted[DOCTOR_QUOTED_MAX], node[KW_NODE_MAX + 1];
	struct stat st;

	(void)doctor_quoted(quoted, path);
	(void)snprintf(node, sizeof node, "%s", look_text(d->status, "node"));
	if (err == KW_ENOTFOUND) {
		doctor_means(d, _("Without its key the daemon does not start. Put it back from your copy, or make a new one and have the committee sign its line."));
		doctor_type(d, "%skurzweg key new %s --out %s", d->sudo, node[0] != '\0' ? node : "PARTNER/NODE", quoted);
		return;
	}
	if (err == KW_EDENIED && lstat(path, &st) == 0 && S_ISREG(st.st_mode)) {
		doctor_means(d, _("A key that others can read is no secret, so the daemon does not take it; whoever could read it may have it."));
		if (st.st_uid != 0 && st.st_uid != d->uid)
			doctor_type(d, "%schown %s %s", d->sudo, d->hands_key_over ? "root" : d->user, quoted);
		if ((st.st_mode & 077) != 0)
			doctor_type(d, "%schmod 600 %s", d->sudo, quoted);
		return;
	}
	doctor_means(d, _("The daemon does not start with it. \"key\" in the configuration must name the secret key of this node, whole and as it was made."));
	doctor_type(d, "%skurzweg key show %s", d->sudo, quoted);
}

/* Root's own file, of which the daemon gets the content from systemd or not at all. */
static bool
is_out_of_reach(const struct doctor *d, const struct stat *st)
{
	return st->st_uid == 0 && d->uid != 0 && !d->hands_key_over;
}

static void
look_at_one_key(struct doctor *d, struct secret_keys **out, const char *check, const char *label, const char *path)
{
	char quoted[DOCTOR_QUOTED_MAX];
	struct stat st = {.st_mode = 0};
	bool there = stat(path, &st) == 0, was_denied = !there && errno == EACCES;
	struct kw_why why;
	enum kw_err err;

	if (was_denied || (there && geteuid() != 0 && st.st_uid != geteuid() && access(path, R_OK) != 0)) {
		if (strcmp(look_text(d->status, "link.state"), "ready") == 0)
			doctor_found(d, check, label, DOCTOR_OK, _("the running daemon has the key of %s, and the broker knows it"), look_text(d->status, "node"));
		else
			doctor_ask_root(d, check, label);
		return;
	}
	if ((err = secret_keys_read(out, KEY_NODE, path, NULL, &why)) != KW_OK) {
		doctor_found(d, check, label, DOCTOR_WRONG, "%s", why.text);
		type_for_key(d, err, path);
	} else if (is_out_of_reach(d, &st)) {
		doctor_found(d, check, label, DOCTOR_WRONG, _("%s belongs to root, and the daemon runs as %s"), path, d->user);
		doctor_means(d, _("The daemon cannot read its key. Its unit would hand it over (LoadCredential); without that the file must be the daemon's."));
		doctor_type(d, "%schown %s %s", d->sudo, d->user, doctor_quoted(quoted, path));
	} else {
		doctor_found(d, check, label, DOCTOR_OK, _("%s is the key of %s, and nobody else can read it"), path, secret_keys_public(*out)->name);
	}
}

static bool
belongs_to_root(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && st.st_uid == 0;
}

/* What belongs to root, root reads, as systemd does for the daemon; all else is read as the daemon reads it. */
void
doctor_key(struct doctor *d)
{
	struct secret_keys *before = NULL;
	bool as_daemon = geteuid() == 0 && d->uid != 0 && !belongs_to_root(d->config.key) && seteuid(d->uid) == 0;

	look_at_one_key(d, &d->keys, "key", _("key"), d->config.key);
	if (d->config.key_before != NULL)
		look_at_one_key(d, &before, "key_before", _("key before"), d->config.key_before);
	secret_keys_free(&before);
	if (as_daemon)
		MUST(seteuid(0) == 0);
}

/* ---- the agreement ---- */

static void
find_age(struct doctor *d)
{
	const char *label = _("agreement"), *path = d->config.agreement;
	char until[WHEN_MAX], from[WHEN_MAX], quoted[DOCTOR_QUOTED_MAX];
	unsigned version = agreement_version(d->agreement);

	(void)doctor_quoted(quoted, path);
	when_put_until(until, agreement_until_ms(d->agreement), d->now_ms);
	when_put_until(from, agreement_from_ms(d->agreement), d->now_ms);
	switch (agreement_age(d->agreement, d->now_ms)) {
	case AGREEMENT_GOOD:
		doctor_found(d, "agreement", label, DOCTOR_OK, _("%s: version %u of %s, signed by enough of its committee, until %s"), path, version,
		             agreement_partnership(d->agreement), until);
		return;
	case AGREEMENT_ENDS_SOON:
		doctor_found(d, "agreement", label, DOCTOR_LOOK, _("%s: version %u ends soon: %s"), path, version, until);
		doctor_means(d, _("Ask the coordinator when the committee signs the next version; it comes by itself from the broker."));
		break;
	case AGREEMENT_NOT_YET:
		doctor_found(d, "agreement", label, DOCTOR_WRONG, _("%s: version %u holds from %s on"), path, version, from);
		doctor_means(d, _("Until then nothing may be published. If that time is past, this machine's clock is wrong."));
		doctor_type(d, "timedatectl");
		return;
	case AGREEMENT_GRACE:
		doctor_found(d, "agreement", label, DOCTOR_WRONG, _("%s: version %u is over since %s; when its grace ends, nothing may be published any more"), path, version, until);
		doctor_means(d, _("Call the coordinator: the committee has to sign the next version; it comes by itself from the broker."));
		break;
	case AGREEMENT_OVER:
		doctor_found(d, "agreement", label, DOCTOR_WRONG, _("%s: version %u is over since %s, and so is its grace: nothing may be published"), path, version, until);
		doctor_means(d, _("Call the coordinator: the committee has to sign the next version; it comes by itself from the broker."));
		break;
	}
	doctor_type(d, "kurzweg agreement check %s", quoted);
}

static void
find_membership(struct doctor *d)
{
	const char *label = _("key in it");
	char quoted[DOCTOR_QUOTED_MAX];
	const struct public_key *mine;
	struct kw_why why;

	if (d->keys == NULL && strcmp(look_text(d->status, "link.state"), "ready") == 0) {
		doctor_found(d, "membership", label, DOCTOR_OK, _("the broker knows the running daemon's key as that of %s"), look_text(d->status, "node"));
		return;
	}
	if (d->keys == NULL || d->agreement == NULL) {
		doctor_found(d, "membership", label, DOCTOR_UNKNOWN, "%s", _("could not be looked at: key and agreement must both be readable first"));
		return;
	}
	mine = secret_keys_public(d->keys);
	(void)doctor_quoted(quoted, d->config.key);
	if (own_key_check(mine, d->config.key, d->agreement, &why) != KW_OK) {
		doctor_found(d, "membership", label, DOCTOR_WRONG, "%s", why.text);
		doctor_means(d, _("The daemon does not start. Compare the fingerprint with the coordinator by phone."));
		doctor_type(d, "%skurzweg key fingerprint %s", d->sudo, quoted);
	} else if (agreement_node(d->agreement, mine->name) == AGREEMENT_NOBODY) {
		doctor_found(d, "membership", label, DOCTOR_WRONG, _("version %u of the agreement does not name %s"), agreement_version(d->agreement), mine->name);
		doctor_means(d, _("The broker lets nobody in whom the agreement does not name. Hand the coordinator this node's public line."));
		doctor_type(d, "%skurzweg key show %s", d->sudo, quoted);
	} else {
		doctor_found(d, "membership", label, DOCTOR_OK, _("the agreement has exactly this key for %s"), mine->name);
	}
}

void
doctor_agreement(struct doctor *d)
{
	const char *label = _("agreement"), *path = d->config.agreement;
	char quoted[DOCTOR_QUOTED_MAX];
	struct own_files f;
	struct kw_why why;
	enum kw_err err = own_files_read(&f, path, &why);

	(void)doctor_quoted(quoted, path);
	if (err == KW_OK && (err = own_agreement_check(&d->config, &why)) != KW_OK) {
		doctor_found(d, "agreement", label, DOCTOR_WRONG, "%s", why.text);
		doctor_means(d, _("A node takes no agreement that does not hold. Fetch text and signatures anew from the operator, both of the same version, and compare the fingerprint by phone."));
		doctor_type(d, "kurzweg agreement verify %s", quoted);
		doctor_type(d, "kurzweg agreement fingerprint %s", quoted);
	} else if (err == KW_ENOTFOUND) {
		doctor_found(d, "agreement", label, DOCTOR_WRONG, "%s", why.text);
		doctor_means(d, _("Text and signatures lie beside each other. The operator or the coordinator has both; with both in this folder, and the fingerprint compared by phone:"));
		doctor_type(d, "%skurzweg agreement install agreement.yaml --to %s", d->sudo, quoted);
	} else if (err == KW_EDENIED) {
		doctor_found(d, "agreement", label, DOCTOR_WRONG, "%s", why.text);
		doctor_means(d, _("An agreement is no secret; the daemon must be able to read it."));
		doctor_type(d, "%schmod 644 %s", d->sudo, quoted);
	} else if (err != KW_OK) {
		doctor_found(d, "agreement", label, DOCTOR_WRONG, "%s", why.text);
		doctor_means(d, _("Nobody signed this text as it stands here. Fetch it anew from the operator; do not mend it by hand."));
		doctor_type(d, "kurzweg agreement check %s", quoted);
	} else {
		d->agreement = f.a;
		f.a = NULL;
		find_age(d);
	}
	own_files_free(&f);
	find_membership(d);
}

/* ---- folders ---- */

static void
find_state(struct doctor *d)
{
	const char *label = _("store folder"), *path = d->config.state;
	char quoted[DOCTOR_QUOTED_MAX];
	struct stat st;
	struct kw_why why;

	(void)doctor_quoted(quoted, path);
	if (!d->eyes) {
		if (d->status != NULL)
			doctor_found(d, "state", label, DOCTOR_OK, _("%s is what the running daemon works in"), path);
		else
			doctor_ask_root(d, "state", label);
	} else if (state_check(&d->config, &why) != KW_OK) {
		doctor_found(d, "state", label, DOCTOR_WRONG, "%s", why.text);
		doctor_means(d, _("Outbox and inbox lie there; without it the daemon does not start."));
		doctor_type(d, "%sinstall -d -m 0700 -o %s %s", d->sudo, d->user, quoted);
	} else if (stat(path, &st) != 0) {
		doctor_found(d, "state", label, DOCTOR_OK, _("%s is not there yet; the first start makes it"), path);
	} else if ((st.st_mode & 077) != 0) {
		doctor_found(d, "state", label, DOCTOR_LOOK, _("%s is %s's, but others may enter it (mode %04o)"), path, d->user, (unsigned)(st.st_mode & 07777));
		doctor_means(d, _("Contents lie sealed there; who sent what to whom does not."));
		doctor_type(d, "%schmod 700 %s", d->sudo, quoted);
	} else {
		doctor_found(d, "state", label, DOCTOR_OK, _("%s is %s's alone"), path, d->user);
	}
}

static void
find_disk(struct doctor *d)
{
	const char *label = _("disk");
	char folder[4096], quoted[DOCTOR_QUOTED_MAX], size[32];
	struct statvfs disk;
	uint64_t all, left;

	(void)snprintf(folder, sizeof folder, "%s", d->config.state);
	while (statvfs(folder, &disk) != 0) { /* before the first start: where it will lie */
		char *slash = strrchr(folder, '/');

		if (errno != ENOENT || slash == NULL || slash == folder) {
			doctor_found(d, "disk", label, DOCTOR_UNKNOWN, _("could not be looked at: %s: %s"), folder, strerror(errno));
			return;
		}
		*slash = '\0';
	}
	all = (uint64_t)disk.f_blocks * disk.f_frsize;
	left = (uint64_t)disk.f_bavail * disk.f_frsize;
	standing_bytes(size, d->c, left);
	if (all == 0 || standing_room(left, all) == CHECK_OK) {
		doctor_found(d, "disk", label, DOCTOR_OK, _("%s are free where outbox and inbox lie"), size);
		return;
	}
	doctor_found(d, "disk", label, standing_room(left, all) == CHECK_CRITICAL ? DOCTOR_WRONG : DOCTOR_LOOK, _("the disk under %s is %u %% full, %s are left"), folder,
	             (unsigned)(100 - left * 100 / all), size);
	doctor_means(d, _("A node whose disk is full takes nothing more and publishes nothing. What is large there:"));
	doctor_type(d, "%sdu -xh --max-depth=2 %s | sort -h | tail", d->sudo, doctor_quoted(quoted, folder));
}

static void
find_spool(struct doctor *d)
{
	const char *label = _("spool");
	char quoted[DOCTOR_QUOTED_MAX];
	struct stat st;
	struct kw_why why;

	if (d->config.spool == NULL)
		return;
	(void)doctor_quoted(quoted, d->config.spool);
	if (!d->eyes) {
		doctor_ask_root(d, "spool", label);
	} else if (spool_check(&d->config, &why) != KW_OK) {
		bool missing = stat(d->config.spool, &st) != 0 && errno == ENOENT;

		doctor_found(d, "spool", label, DOCTOR_WRONG, "%s", why.text);
		doctor_means(d, _("What agency systems drop there is not published. The daemon must be able to write the folder and those below it."));
		if (missing)
			doctor_type(d, "%sinstall -d -m 2770 -o %s -g kurzweg-spool %s", d->sudo, d->user, quoted);
		else
			doctor_type(d, "%schown -R %s %s", d->sudo, d->user, quoted);
	} else if (stat(d->config.spool, &st) == 0 && (st.st_mode & 0002) != 0) {
		doctor_found(d, "spool", label, DOCTOR_WRONG, _("everybody on this machine may drop files in %s (mode %04o)"), d->config.spool, (unsigned)(st.st_mode & 07777));
		doctor_means(d, _("Whoever may write in the spool may publish in this partner's name."));
		doctor_type(d, "%schmod o-w %s", d->sudo, quoted);
	} else {
		doctor_found(d, "spool", label, DOCTOR_OK, _("%s and its folders can be written by the daemon"), d->config.spool);
	}
}

/* ---- handlers ---- */

static void
find_handler(struct doctor *d, const struct config_handler *h)
{
	const char *label = _("handler"), *program = h->run[0];
	char quoted[DOCTOR_QUOTED_MAX];
	const struct passwd *owner;
	struct stat st;
	struct kw_why why;
	enum kw_err err = program_check(program, &why);

	(void)doctor_quoted(quoted, program);
	if (stat(program, &st) != 0 && errno == EACCES && !d->eyes) {
		doctor_ask_root(d, "handler", label);
	} else if (err != KW_OK && (d->eyes || err == KW_ENOTFOUND || (st.st_mode & 0111) == 0)) {
		doctor_found(d, "handler", label, DOCTOR_WRONG, "%s: %s", h->name, why.text);
		doctor_means(d, _("It is not run for what comes, and each notification is set aside for it after its attempts."));
		if (err == KW_EDENIED)
			doctor_type(d, "%schmod 755 %s", d->sudo, quoted);
		else
			doctor_type(d, "ls -l %s /usr/lib/kurzweg/handlers", quoted);
	} else if ((st.st_mode & 0002) != 0) {
		doctor_found(d, "handler", label, DOCTOR_WRONG, _("%s: everybody on this machine may change %s (mode %04o)"), h->name, program, (unsigned)(st.st_mode & 07777));
		doctor_means(d, _("Whoever changes it reads all that comes here, and runs as the daemon."));
		doctor_type(d, "%schmod o-w %s", d->sudo, quoted);
	} else if (st.st_uid != 0 && st.st_uid != d->uid) {
		owner = getpwuid(st.st_uid);
		doctor_found(d, "handler", label, DOCTOR_LOOK, _("%s: %s belongs to %s, who may change it"), h->name, program, owner != NULL ? owner->pw_name : "?");
		doctor_means(d, _("Whoever changes it reads all that comes here, and runs as the daemon."));
		doctor_type(d, "%schown root: %s", d->sudo, quoted);
	} else if (!d->eyes) {
		doctor_ask_root(d, "handler", label);
	} else {
		doctor_found(d, "handler", label, DOCTOR_OK, _("%s: %s can be run by the daemon"), h->name, program);
	}
}

/* Root has read it, and became the daemon's user since. */
static void
find_config_for_daemon(struct doctor *d)
{
	char quoted[DOCTOR_QUOTED_MAX];

	if (!d->eyes || access(d->path, R_OK) == 0)
		return;
	doctor_found(d, "configuration", _("configuration"), DOCTOR_WRONG, _("%s cannot be read by %s, whom the daemon runs as"), d->path, d->user);
	doctor_means(d, _("The daemon does not start without its configuration; there is no secret in it."));
	doctor_type(d, "%schmod 644 %s", d->sudo, doctor_quoted(quoted, d->path));
}

void
doctor_places(struct doctor *d)
{
	find_config_for_daemon(d);
	find_state(d);
	find_disk(d);
	find_spool(d);
	for (uint32_t i = 0; i < d->config.handler_count; i++)
		find_handler(d, &d->config.handlers[i]);
}
