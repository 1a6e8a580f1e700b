/* agreement_chain: versions that only go up, and what was met instead. */
#include "certs/agreement_chain.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "certs/agreement_parts.h"

struct entry {
	struct agreement *a;
	struct buf sigs;
};

struct agreement_chain {
	struct entry *entries;     /* consecutive versions, oldest first */
	uint32_t count;
	uint32_t rival_version;    /* 0: none met */
	struct buf rival_text;
	struct buf rival_sigs;
};

enum kw_err
agreement_chain_new(struct agreement_chain **out)
{
	*out = calloc(1, sizeof **out);
	return *out != NULL ? KW_OK : KW_ENOMEM;
}

void
agreement_chain_free(struct agreement_chain **c)
{
	if (c == NULL || *c == NULL)
		return;
	for (uint32_t i = 0; i < (*c)->count; i++) {
		agreement_free(&(*c)->entries[i].a);
		buf_free(&(*c)->entries[i].sigs);
	}
	free((*c)->entries);
	buf_free(&(*c)->rival_text);
	buf_free(&(*c)->rival_sigs);
	free(*c);
	*c = NULL;
}

static enum kw_err
no_memory(struct kw_why *why)
{
	return kw_refuse(why, KW_ENOMEM, "out of memory while keeping a version of the agreement");
}

static enum kw_err
copy(struct buf *out, struct span bytes, struct kw_why *why)
{
	*out = BUF_INIT(bytes.len);
	buf_put_span(out, bytes);
	if (buf_ok(out))
		return KW_OK;
	buf_free(out);
	return no_memory(why);
}

static enum kw_err
push(struct agreement_chain *c, struct agreement **a, struct span sigs, struct kw_why *why)
{
	struct entry *grown = realloc(c->entries, (c->count + 1) * sizeof *grown);
	enum kw_err err;

	if (grown == NULL)
		return no_memory(why);
	c->entries = grown;
	if ((err = copy(&grown[c->count].sigs, sigs, why)) != KW_OK)
		return err;
	grown[c->count++].a = *a;
	*a = NULL;
	return KW_OK;
}

/* The same hex digits, whatever blanks stand between and whatever their case. */
static bool
same_fingerprint(const char *x, const char *y)
{
	for (;;) {
		while (*x == ' ')
			x++;
		while (*y == ' ')
			y++;
		if (*x == '\0' || *y == '\0')
			return *x == *y;
		if (toupper((unsigned char)*x++) != toupper((unsigned char)*y++))
			return false;
	}
}

enum kw_err
agreement_chain_add_first(struct agreement_chain *c, struct agreement **a, struct span sigs, const char *pinned, struct kw_why *why)
{
	char is[KEY_FINGERPRINT_MAX];
	enum kw_err err;

	if (c->count > 0)
		return kw_refuse(why, KW_ESTATE, "an agreement is installed already, version %u; later versions are added behind it", agreement_chain_newest(c)->version);
	agreement_fingerprint(is, *a);
	if (pinned != NULL && !same_fingerprint(pinned, is))
		return kw_refuse(why, KW_EDENIED, "the fingerprint of this agreement is %s, but %.63s was expected; compare by phone with who sent it", is, pinned);
	if (pinned == NULL && (*a)->version != 1)
		return kw_refuse(why, KW_EDENIED, "version %u cannot stand first without its fingerprint; name the one that was compared by phone, or begin with version 1",
		                 (*a)->version);
	if ((err = agreement_verify_first(*a, sigs, why)) != KW_OK)
		return err;
	return push(c, a, sigs, why);
}

/* Is a as valid a text of its version as the one in the chain? The first of the chain has no one before it: its own members judge. */
static bool
is_rival(const struct agreement_chain *c, const struct agreement *a, struct span sigs)
{
	const struct agreement *before = agreement_chain_get(c, a->version - 1), *here = agreement_chain_get(c, a->version);
	struct agreement_check check;

	if (before != NULL)
		return agreement_verify_next(before, a, sigs, NULL) == KW_OK;
	if (strcmp(a->partnership, here->partnership) != 0 || a->mode != here->mode)
		return false;
	return agreement_count_signatures(&check, here, a, sigs, NULL) == KW_OK && check.valid >= check.threshold
	       && agreement_verify_first(a, sigs, NULL) == KW_OK;
}

/* The first rival stays for good: who can make one can make many. */
static void
keep_evidence(struct agreement_chain *c, const struct agreement *a, struct span sigs)
{
	if (c->rival_version != 0 || copy(&c->rival_text, buf_span(&a->text), NULL) != KW_OK)
		return;
	if (copy(&c->rival_sigs, sigs, NULL) == KW_OK)
		c->rival_version = a->version;
	else
		buf_free(&c->rival_text);
}

/* A version that is in the chain, with another text. */
static enum kw_err
refuse_other_text(struct agreement_chain *c, const struct agreement *a, struct span sigs, struct kw_why *why)
{
	uint32_t version = a->version;

	if (!is_rival(c, a, sigs))
		return kw_refuse(why, KW_EDENIED, "version %u is here already with another text, and version %u is in force; versions only go up, write version %u", version,
		                 agreement_chain_newest(c)->version, agreement_chain_newest(c)->version + 1);
	keep_evidence(c, a, sigs);
	return kw_refuse(why, KW_EDENIED, "a second successor: version %u is here already, and this other text of version %u has all its signatures too; the first "
	                 "stays in force and this one is kept as evidence, so ask the steering committee who signed two", version, version);
}

enum kw_err
agreement_chain_add_next(struct agreement_chain *c, struct agreement **a, struct span sigs, struct kw_why *why)
{
	const struct agreement *newest = agreement_chain_newest(c), *here;
	enum kw_err err;

	if (newest == NULL)
		return kw_refuse(why, KW_ESTATE, "no agreement is installed yet; the first is pinned by its fingerprint");
	here = agreement_chain_get(c, (*a)->version);
	if (here != NULL && memcmp(here->hash, (*a)->hash, KW_HASH_LEN) == 0)
		return kw_refuse(why, KW_EEXISTS, "version %u is here already; in force is version %u", here->version, newest->version);
	if (here != NULL)
		return refuse_other_text(c, *a, sigs, why);
	if ((*a)->version > newest->version + 1)
		return kw_refuse(why, KW_ENOTFOUND, "version %u cannot be checked before version %u is here; install that one first", (*a)->version, newest->version + 1);
	if ((err = agreement_verify_next(newest, *a, sigs, why)) != KW_OK)
		return err;
	return push(c, a, sigs, why);
}

const struct agreement *
agreement_chain_newest(const struct agreement_chain *c)
{
	return c->count > 0 ? c->entries[c->count - 1].a : NULL;
}

const struct agreement *
agreement_chain_oldest(const struct agreement_chain *c)
{
	return c->count > 0 ? c->entries[0].a : NULL;
}

static const struct entry *
entry_of(const struct agreement_chain *c, uint32_t version)
{
	if (c->count == 0 || version < c->entries[0].a->version || version - c->entries[0].a->version >= c->count)
		return NULL;
	return &c->entries[version - c->entries[0].a->version];
}

const struct agreement *
agreement_chain_get(const struct agreement_chain *c, uint32_t version)
{
	const struct entry *e = entry_of(c, version);

	return e != NULL ? e->a : NULL;
}

struct span
agreement_chain_signatures(const struct agreement_chain *c, uint32_t version)
{
	const struct entry *e = entry_of(c, version);

	return e != NULL ? buf_span(&e->sigs) : span_of(NULL, 0);
}

bool
agreement_chain_evidence(const struct agreement_chain *c, struct agreement_rival *out)
{
	if (c->rival_version == 0)
		return false;
	*out = (struct agreement_rival){.version = c->rival_version, .text = buf_span(&c->rival_text), .sigs = buf_span(&c->rival_sigs)};
	return true;
}
