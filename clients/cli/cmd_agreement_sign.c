/* cmd_agreement_sign: a committee member reads what it changes, unlocks the key, and signs. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <sodium.h>

#include "base/fs.h"
#include "clients/cli/agreement_file.h"
#include "clients/cli/commands.h"

struct sign_options {
	const char *key, *previous;
	struct cli_passphrase passphrase;
	bool yes;
};

/* What is about to be signed, on standard error. */
static enum kw_err
show(const struct cli *c, const struct agreement *a, const struct agreement *old, struct kw_why *why)
{
	cli_note(c, _("You are about to sign:"));
	agreement_file_summary(c, a, true);
	agreement_file_warn_age(c, a);
	if (old == NULL && agreement_version(a) > 1)
		cli_warn(c, _("without --previous OLD nothing tells what version %u changes"), agreement_version(a));
	if (old == NULL)
		return KW_OK;
	cli_note(c, _("It changes, against version %u:"), agreement_version(old));
	return agreement_file_diff(c, old, a, true, why);
}

/* Adds the line to those that are there; all must hold for this text. Already signed by this key: nothing is added. */
static enum kw_err
add(const struct cli *c, const char *path, const struct agreement *a, const struct agreement *old, struct span line, struct kw_why *why)
{
	struct buf sigs = BUF_INIT(KW_SIGNATURES_TEXT_MAX);
	const struct agreement *committees[] = {a, old};
	char sig_path[AGREEMENT_PATH_MAX];
	struct agreement_check is;
	enum kw_err err;

	if ((err = agreement_file_sig_path(sig_path, path, why)) != KW_OK)
		return err;
	if ((err = agreement_file_signatures(&sigs, path, why)) != KW_OK)
		goto free_sigs;
	if (sigs.len > 0 && sigs.p[sigs.len - 1] != '\n')
		buf_put_u8(&sigs, '\n');
	if (sigs.len > 0 && memmem(sigs.p, sigs.len, line.p, line.len) != NULL) {
		cli_note(c, _("This key has signed it already; nothing is changed."));
	} else {
		buf_put_span(&sigs, line);
		if (!buf_ok(&sigs)) {
			err = kw_refuse(why, KW_ELIMIT, "%s has no room for another signature; delete those of people who are no members", sig_path);
			goto free_sigs;
		}
		if ((err = agreement_count_signatures(&is, a, a, buf_span(&sigs), why)) != KW_OK) {
			kw_why_prefix(why, "%s", sig_path);
			goto free_sigs;
		}
		if ((err = fs_write(sig_path, buf_span(&sigs), 0644, why)) != KW_OK)
			goto free_sigs;
	}
	for (size_t i = 0; i < 2 && committees[i] != NULL; i++)
		if ((err = agreement_count_signatures(&is, committees[i], a, buf_span(&sigs), why)) == KW_OK)
			cli_note(c, _("Signed by %u of the %u members that version %u names; %u must."), is.valid, is.members, agreement_version(committees[i]),
			         is.threshold);
free_sigs:
	buf_free(&sigs);
	return err;
}

/* Two people who sign at once on one machine: the second waits. */
static enum kw_err
add_locked(const struct cli *c, const char *path, const struct agreement *a, const struct agreement *old, struct span line, struct kw_why *why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	enum kw_err err;

	if (fd < 0 || flock(fd, LOCK_EX) != 0)
		err = kw_refuse(why, KW_EIO, "%s cannot be locked: %s", path, strerror(errno));
	else
		err = add(c, path, a, old, line, why);
	if (fd >= 0)
		(void)close(fd);
	return err;
}

/* That it is there and of the right kind, before anybody reads and confirms. */
static enum kw_err
check_key(const char *path, struct kw_why *why)
{
	struct secret_keys *none = NULL;
	struct public_key public;
	enum kw_err err = secret_keys_read_public(&public, NULL, path, why);

	if (err != KW_OK || public.kind == KEY_STEERING)
		return err;
	err = secret_keys_read(&none, KEY_STEERING, path, NULL, why); /* which is refused */
	secret_keys_free(&none);
	return err;
}

static enum kw_err
unlock_and_sign(const struct cli *c, const struct sign_options *o, const struct agreement *a, const struct agreement *old, struct kw_why *why)
{
	struct buf line = BUF_INIT(KW_SIGNATURES_TEXT_MAX);
	struct secret_keys *k = NULL;
	char *passphrase = NULL;
	enum kw_err err = cli_passphrase(&passphrase, c, &o->passphrase, _("Passphrase of the steering key"), false, why);

	if (err == KW_OK)
		err = secret_keys_read(&k, KEY_STEERING, o->key, passphrase, why);
	sodium_free(passphrase);
	if (err == KW_OK)
		err = agreement_sign(&line, a, old, k, why);
	secret_keys_free(&k);
	if (err == KW_OK)
		err = add_locked(c, c->args[0], a, old, buf_span(&line), why);
	buf_free(&line);
	return err;
}

static enum cli_exit
run_sign(struct cli *c, const void *options)
{
	const struct sign_options *o = options;
	struct agreement *a = NULL, *old = NULL;
	enum cli_exit code = CLI_DONE;
	struct kw_why why;
	enum kw_err err;

	if (o->key == NULL)
		return cli_usage(c, _("--key FILE is missing: the steering key to sign with"));
	if (!o->yes && !c->terminal)
		return cli_usage(c, _("there is no terminal to ask on; read the agreement, then say --yes"));
	err = check_key(o->key, &why);
	if (err == KW_OK)
		err = agreement_file_read(&a, c->args[0], NULL, &why);
	if (err == KW_OK && o->previous != NULL)
		err = agreement_file_read(&old, o->previous, NULL, &why);
	if (err == KW_OK)
		err = show(c, a, old, &why);
	if (err == KW_OK && !o->yes && !cli_confirm(c, _("Sign it?"))) {
		cli_note(c, _("Nothing was signed."));
		code = CLI_REFUSED;
	} else if (err == KW_OK) {
		err = unlock_and_sign(c, o, a, old, &why);
	}
	agreement_free(&a);
	agreement_free(&old);
	return err == KW_OK ? code : cli_fail(c, err, &why);
}

static const struct cli_option sign_table[] = {
	{"key", 'k', CLI_TEXT, offsetof(struct sign_options, key), N_("FILE"), N_("the steering key to sign with"), 0, 0},
	{"previous", 'p', CLI_TEXT, offsetof(struct sign_options, previous), N_("OLD"), N_("the version before; shows what changes"), 0, 0},
	CLI_PASSPHRASE(struct sign_options, passphrase),
	{"yes", 'y', CLI_FLAG, offsetof(struct sign_options, yes), NULL, N_("do not ask"), 0, 0},
	CLI_NO_MORE,
};

const struct cli_command cmd_agreement_sign = {
	"agreement", "sign", N_("FILE"), 1, 1, N_("sign an agreement as a member of the steering committee"),
	N_("Shows what is signed and what it changes, asks, and adds a line to FILE.sig."), sign_table, run_sign,
};
