/* versions: the agreement's versions that a question is about: from files, from the node, or from the broker; and the one that counts at a time. */
#ifndef KW_CLI_VERSIONS_H
#define KW_CLI_VERSIONS_H

#include "certs/agreement.h"
#include "clients/cli/broker_ask.h"
#include "clients/cli/local.h"

struct versions_from { /* what the options say */
	const char *at;
	struct cli_texts agreements;
	struct broker_way way;
	const char *socket;
};

/* Rows for a table of options; member is a struct versions_from. */
/* NOLINTBEGIN(bugprone-macro-parentheses): a member has none */
#define CLI_VERSIONS_FROM(type, member)                                                                                                                    \
	{"at", 0, CLI_TEXT, offsetof(type, member.at), N_("TIME"), N_("then, as \"2026-12-06 03:10\" in the partnership's zone, or with its offset; now if not given"), 0, 0}, \
	{"agreement", 'a', CLI_TEXTS, offsetof(type, member.agreements), N_("FILE"), N_("instead of /etc/kurzweg/agreement.yaml; several versions: the one that is valid then answers"), 0, 0}, \
	{"socket", 0, CLI_TEXT, offsetof(type, member.socket), N_("ENDPOINT"), N_("ask the node there, which keeps every version that it had"), 0, 0}, \
	CLI_BROKER_WAY(type, member.way)
/* NOLINTEND(bugprone-macro-parentheses) */

struct versions {
	struct agreement *all[CLI_TEXTS_MAX];
	uint64_t since_ms[CLI_TEXTS_MAX];  /* from when on it counts */
	size_t count;
};

/* False: *code is how to end, and it was said why; versions_free all the same. *v begins zeroed. */
bool versions_find(struct versions *v, const struct cli *c, const struct versions_from *o, enum cli_exit *code);
/* The newest that counts at o->at, or now; borrowed from v. KW_EINVAL: no time; KW_ENOTFOUND: all begin later. */
KW_MUST_USE enum kw_err versions_pick(const struct agreement **a, uint64_t *at_ms, const struct versions *v, const struct versions_from *o, bool german,
                                      struct kw_why *why);
/* One version from the broker, 0: the newest. The refusals of broker_ask and agreement_parse. */
KW_MUST_USE enum kw_err versions_ask(struct agreement **out, struct broker_ask *b, uint32_t version, struct kw_why *why);
void versions_free(struct versions *v);

#endif
