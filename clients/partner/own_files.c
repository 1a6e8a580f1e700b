/* own_files: see its header. */
#include "clients/partner/own_files.h"

#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "certs/agreement_chain.h"

void
own_files_free(struct own_files *f)
{
	agreement_free(&f->a);
	buf_free(&f->text);
	buf_free(&f->sigs);
}

enum kw_err
own_files_read(struct own_files *f, const char *path, struct kw_why *why)
{
	char sig[4096];
	enum kw_err err;

	*f = (struct own_files){.text = BUF_INIT(KW_AGREEMENT_MAX), .sigs = BUF_INIT(KW_SIGNATURES_TEXT_MAX)};
	if (snprintf(sig, sizeof sig, "%s.sig", path) >= (int)sizeof sig)
		return kw_refuse(why, KW_EINVAL, "agreement: the path has more than 4090 bytes");
	if ((err = fs_read(&f->text, path, why)) != KW_OK || (err = fs_read(&f->sigs, sig, why)) != KW_OK) {
		if (err == KW_ENOTFOUND)
			kw_why_suffix(why, "\"kurzweg agreement install FILE --to %s\" puts text and signatures there", path);
		return err;
	}
	if ((err = agreement_parse(&f->a, buf_span(&f->text), NULL, why)) != KW_OK)
		kw_why_prefix(why, "%s", path);
	return err;
}

enum kw_err
own_key_read(struct secret_keys **out, const char *path, struct kw_why *why)
{
	enum kw_err err = secret_keys_read_daemon(out, KEY_NODE, path, why);

	if (err == KW_ENOTFOUND)
		kw_why_suffix(why, "\"kurzweg partner init\" makes one");
	return err;
}

enum kw_err
own_key_check(const struct public_key *mine, const char *path, const struct agreement *a, struct kw_why *why)
{
	const struct public_key *theirs;
	uint32_t me = agreement_node(a, mine->name);

	if (public_key_is_operator(mine))
		return kw_refuse(why, KW_EDENIED, "%s is an operator's key, that of \"%s\", but a node's key is wanted here", path, mine->name);
	if (mine->mode != agreement_mode(a))
		return kw_refuse(why, KW_EDENIED, "%s: the key is for %s, but the agreement is %s; the two never mix", path,
		                 mine->mode == MODE_LIVE ? "live use" : "exercises", agreement_mode(a) == MODE_LIVE ? "live" : "an exercise");
	if (me == AGREEMENT_NOBODY) /* a node that was taken out still reads what it has */
		return KW_OK;
	theirs = agreement_node_key(a, me);
	if (memcmp(mine->sign_pk, theirs->sign_pk, KW_KEY_LEN) != 0 || memcmp(mine->seal_pk, theirs->seal_pk, KW_KEY_LEN) != 0 ||
	    memcmp(mine->curve_pk, theirs->curve_pk, KW_KEY_LEN) != 0)
		return kw_refuse(why, KW_EDENIED, "%s: this is not the key that the agreement, version %u, has for \"%s\"; use that one, or have the agreement changed",
		                 path, agreement_version(a), mine->name);
	return KW_OK;
}

enum kw_err
own_agreement_check(const struct partner_config *config, struct kw_why *why)
{
	struct agreement_chain *chain = NULL;
	struct own_files f;
	char own[KEY_FINGERPRINT_MAX];
	enum kw_err err = own_files_read(&f, config->agreement, why);

	if (err != KW_OK)
		goto free_files;
	agreement_fingerprint(own, f.a);
	if ((err = agreement_chain_new(&chain)) != KW_OK)
		err = kw_refuse(why, err, "out of memory for the agreement");
	else if ((err = agreement_chain_add_first(chain, &f.a, buf_span(&f.sigs), config->fingerprint != NULL ? config->fingerprint : own, why)) != KW_OK)
		kw_why_prefix(why, "%s", config->agreement);
	agreement_chain_free(&chain);
free_files:
	own_files_free(&f);
	return err;
}

enum kw_err
own_files_check(const struct partner_config *config, struct kw_why *why)
{
	struct secret_keys *keys = NULL;
	struct own_files f;
	enum kw_err err = own_key_read(&keys, config->key, why);

	if (err != KW_OK)
		return err;
	if ((err = own_files_read(&f, config->agreement, why)) == KW_OK)
		err = own_key_check(secret_keys_public(keys), config->key, f.a, why);
	own_files_free(&f);
	secret_keys_free(&keys);
	return err == KW_OK ? own_agreement_check(config, why) : err;
}
