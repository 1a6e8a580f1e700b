/*
 * cmd_agreement_install: a verified agreement put where daemons read it when they start, or into force at the broker that
 * runs; never an older one over a newer.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "clients/cli/agreement_file.h"
#include "clients/cli/broker_look.h"
#include "clients/cli/commands.h"
#include "clients/cli/handed.h"
#include "clients/cli/look.h"
#include "clients/cli/when.h"

#define WAIT_MS 60000u /* a commit of a large agreement on a slow disk */
#define LOOK_MS 10000u
#define NAMED_MAX 8u   /* suspended nodes; more are counted */

struct install_options {
	const char *to, *previous, *fingerprint, *control;
	bool running;
};

struct install { /* what one run knows */
	const struct cli *c;
	const struct install_options *o;
	struct agreement *next, *there, *old; /* the new one; what lies at --to; --previous */
	struct buf sigs;
};

static enum kw_err
read_all(struct install *i, struct kw_why *why)
{
	enum kw_err err;

	if ((err = agreement_file_read(&i->next, i->c->args[0], NULL, why)) != KW_OK)
		return err;
	if ((err = agreement_file_signatures(&i->sigs, i->c->args[0], why)) != KW_OK)
		return err;
	if (i->o->previous != NULL && (err = agreement_file_read(&i->old, i->o->previous, NULL, why)) != KW_OK)
		return err;
	if (i->o->to == NULL)
		return KW_OK;
	err = agreement_file_read(&i->there, i->o->to, NULL, why);
	return err == KW_ENOTFOUND ? KW_OK : err;
}

static bool
same_text(const struct agreement *a, const struct agreement *b)
{
	return memcmp(agreement_hash(a), agreement_hash(b), KW_HASH_LEN) == 0;
}

/* The fingerprint that was given, or somebody at the terminal who compares it. */
static enum kw_err
check_fingerprint(const struct install *i, struct kw_why *why)
{
	char fingerprint[KEY_FINGERPRINT_MAX];

	agreement_fingerprint(fingerprint, i->next);
	if (i->o->fingerprint != NULL && handed_same_fingerprint(i->o->fingerprint, fingerprint))
		return KW_OK;
	if (i->o->fingerprint != NULL)
		return kw_refuse(why, KW_EDENIED, "the fingerprint of %s is %s, not %s; ask the committee which text it signed", i->c->args[0], fingerprint,
		                 i->o->fingerprint);
	if (!i->c->terminal)
		return kw_refuse(why, KW_EDENIED, "nothing says that %s is the right agreement; compare its fingerprint by phone and give it with --fingerprint",
		                 i->c->args[0]);
	agreement_file_summary(i->c, i->next, true);
	cli_note(i->c, _("Call a member of the committee on a number that you knew before, and read the fingerprint aloud."));
	if (!cli_confirm(i->c, _("Is it the same?")))
		return kw_refuse(why, KW_EDENIED, "%s is not installed, since its fingerprint was not confirmed", i->c->args[0]);
	return KW_OK;
}

/* What lies at --to is trusted, the next must follow it; where nothing lies there, the fingerprint decides. */
static enum kw_err
verify(const struct install *i, struct kw_why *why)
{
	enum kw_err err;

	if (i->there != NULL && i->old != NULL && !same_text(i->there, i->old))
		return kw_refuse(why, KW_EDENIED, "%s holds version %u, which is not the text of %s; leave --previous away", i->o->to, agreement_version(i->there),
		                 i->o->previous);
	if (i->there != NULL && same_text(i->there, i->next))
		err = agreement_verify_first(i->next, buf_span(&i->sigs), why);
	else if (i->there != NULL)
		err = agreement_verify_next(i->there, i->next, buf_span(&i->sigs), why);
	else if (i->old != NULL)
		err = agreement_verify_next(i->old, i->next, buf_span(&i->sigs), why);
	else
		err = agreement_verify_first(i->next, buf_span(&i->sigs), why);
	if (err == KW_OK && ((i->o->to != NULL && i->there == NULL) || i->o->fingerprint != NULL))
		err = check_fingerprint(i, why);
	return err;
}

/* "police/control-room until 22:15, …": those suspended nodes that the new version names, or those that it does not; answers how many. */
static size_t
put_suspended(struct buf *out, const struct agreement *next, const json_t *list, bool named)
{
	uint64_t now_ms = clock_wall_ms();
	size_t count = 0, i;
	json_t *one;

	json_array_foreach(list, i, one) {
		char line[WHEN_MAX + 256], until[WHEN_MAX];
		const char *node = look_text(one, "node");

		if (i >= NAMED_MAX || (agreement_node(next, node) != AGREEMENT_NOBODY) != named)
			continue;
		when_put_short(until, look_number(one, "until_ms"), now_ms);
		(void)snprintf(line, sizeof line, _("%s until %s"), node, until);
		buf_put_str(out, count++ > 0 ? ", " : "");
		buf_put_str(out, named ? line : node);
	}
	return count;
}

/* Who steers may believe that a new version lets a node in again, or that it must still be resumed. */
static void
tell_suspended(const struct install *i, const json_t *status)
{
	const json_t *list = look_at(status, "suspended");
	uint64_t total = look_number(status, "suspended_total"), told = json_array_size(list) < NAMED_MAX ? json_array_size(list) : NAMED_MAX;
	struct buf held = BUF_INIT(1u << 16), dropped = BUF_INIT(1u << 16);
	size_t count;

	if (put_suspended(&held, i->next, list, true) > 0)
		cli_note(i->c, _("Suspended: %s. A version does not end that; \"kurzweg resume NODE\" does."), cli_text(&held));
	if ((count = put_suspended(&dropped, i->next, list, false)) > 0)
		cli_note(i->c, ngettext("%s was suspended and no longer belongs: it stays out when that ends.", "%s were suspended and no longer belong: they stay out when that ends.", count),
		         cli_text(&dropped));
	if (total > told)
		cli_note(i->c, ngettext("%llu more node is suspended; \"kurzweg nodes\" shows which.", "%llu more nodes are suspended; \"kurzweg nodes\" shows which.", total - told),
		         (unsigned long long)(total - told));
	buf_free(&held);
	buf_free(&dropped);
}

/* The broker judges it by the version that is in force there, and takes it whole or not at all. *status: what it says behind it; NULL: it does not. */
static enum kw_err
put_into_force(const struct install *i, json_t **status, struct kw_why *why)
{
	struct buf answer = BUF_INIT(KW_MESSAGE_MAX);
	struct broker_ask *b = NULL;
	struct kw_why unsaid;
	enum kw_err err = broker_ask_control(&b, i->o->control != NULL ? i->o->control : BROKER_CONTROL_DEFAULT, why);

	if (err == KW_OK)
		err = broker_ask(&answer, b, ADMIN_INSTALL, agreement_text(i->next), buf_span(&i->sigs), WAIT_MS, why);
	if (err == KW_OK && broker_look_short(status, b, LOOK_MS, &unsaid) != KW_OK)
		*status = NULL;
	broker_ask_free(&b);
	buf_free(&answer);
	return err;
}

/* Signatures first: what a stop between the two leaves is refused by every reader, and mended by running this again. */
static enum kw_err
write_both(const struct install *i, struct kw_why *why)
{
	char sig_path[AGREEMENT_PATH_MAX];
	enum kw_err err = agreement_file_sig_path(sig_path, i->o->to, why);

	if (err != KW_OK)
		return err;
	if ((err = fs_write(sig_path, buf_span(&i->sigs), 0644, why)) != KW_OK)
		return err;
	return fs_write(i->o->to, agreement_text(i->next), 0644, why);
}

static enum cli_exit
run_install(struct cli *c, const void *options)
{
	struct install i = {.c = c, .o = options, .sigs = BUF_INIT(KW_SIGNATURES_TEXT_MAX)};
	json_t *status = NULL;
	struct kw_why why;
	enum kw_err err;
	bool running;

	running = i.o->running || i.o->control != NULL;
	if (i.o->to == NULL && !running)
		return cli_usage(c, _("--to PATH is missing, where a daemon reads the agreement at its start; or --running, for the broker that runs on this machine"));
	if (i.o->to != NULL && running)
		return cli_usage(c, _("--to is for a daemon that is not started yet, --running and --control for the broker that runs; give one"));
	err = read_all(&i, &why);
	if (err == KW_OK && (err = verify(&i, &why)) != KW_OK && i.sigs.len == 0)
		agreement_file_unsigned(c->args[0], &why);
	if (err == KW_OK)
		err = running ? put_into_force(&i, &status, &why) : write_both(&i, &why);
	if (err == KW_OK)
		agreement_file_warn_age(c, i.next);
	if (err == KW_OK && running)
		cli_note(c, _("Version %u of \"%s\" is in force at the broker; the nodes get it from there and verify it themselves."), agreement_version(i.next),
		         agreement_partnership(i.next));
	else if (err == KW_OK)
		cli_note(c, _("Version %u of \"%s\" is installed at %s."), agreement_version(i.next), agreement_partnership(i.next), i.o->to);
	if (err == KW_OK && running)
		tell_suspended(&i, status);
	json_decref(status);
	agreement_free(&i.next);
	agreement_free(&i.there);
	agreement_free(&i.old);
	buf_free(&i.sigs);
	return err == KW_OK ? CLI_DONE : cli_fail(c, err, &why);
}

static const struct cli_option install_table[] = {
	{"to", 0, CLI_TEXT, offsetof(struct install_options, to), N_("PATH"), N_("where it is put, with its signatures in PATH.sig"), 0, 0},
	{"running", 0, CLI_FLAG, offsetof(struct install_options, running), NULL, N_("into force at the broker that runs on this machine"), 0, 0},
	CLI_CONTROL(struct install_options, control),
	{"previous", 'p', CLI_TEXT, offsetof(struct install_options, previous), N_("OLD"), N_("the version before, where PATH does not hold it"), 0, 0},
	{"fingerprint", 0, CLI_TEXT, offsetof(struct install_options, fingerprint), N_("F"), N_("what the committee read to you by phone"), 0, 0},
	CLI_NO_MORE,
};

const struct cli_command cmd_agreement_install = {
	"agreement", "install", N_("FILE"), 1, 1, N_("verify an agreement and put it where a daemon reads it, or into force at the broker"),
	N_("--to PATH is for a daemon before its first start. Where an agreement lies at PATH already, the new one must\n"
	   "follow it. Else its fingerprint must be given, or is compared at the terminal.\n"
	   "--running (or --control, which implies it) puts the next version into force at the broker that runs, whole or\n"
	   "not at all, without a restart. The nodes get it from the broker; a node that it leaves out is out at once."),
	install_table, run_install,
};
