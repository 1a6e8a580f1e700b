/*
 * broker_ask: requests to a broker that runs: over its control socket on this machine, or with an operator's key over the
 * network, where only what is looked at is answered: status, nodes, headers, agreements. One request at a time.
 */
#ifndef KW_CLI_BROKER_ASK_H
#define KW_CLI_BROKER_ASK_H

#include "base/err.h"
#include "base/span.h"
#include "clients/cli/cli.h"
#include "proto/wire.h"

#define BROKER_CONTROL_DEFAULT "ipc:///run/kurzweg/broker.sock"

/* A row for a table of options; member is a const char *, NULL: the default. */
#define CLI_CONTROL(type, member)                                                                                  \
	{"control", 0, CLI_TEXT, offsetof(type, member), N_("ENDPOINT"),                                           \
	 N_("the broker's control socket, ipc:///run/kurzweg/broker.sock if not given"), 0, 0}

struct broker_ask;

/* KW_EINVAL: no ipc:// address. KW_ETIMEOUT: nobody listens there. KW_EDENIED: this user may not open it. */
KW_MUST_USE enum kw_err broker_ask_control(struct broker_ask **out, const char *endpoint, struct kw_why *why);
/*
 * key: an operator's key file. agreement: the file that names the broker's key. endpoint NULL: the first that the agreement
 * names. Whether anybody is there, the first request tells. The refusals of reading both files; KW_EINVAL: the endpoint is none.
 */
KW_MUST_USE enum kw_err broker_ask_operator(struct broker_ask **out, const char *endpoint, const char *key, const char *agreement, struct kw_why *why);
void broker_ask_free(struct broker_ask **b);

/* Either of the two ways, for a command that only looks: rows for a table of options whose member is a struct broker_way. */
struct broker_way { const char *control, *broker, *key, *agreement; };
/* NOLINTBEGIN(bugprone-macro-parentheses): a member has none */
#define CLI_BROKER_WAY(type, member)                                                                                                                       \
	CLI_CONTROL(type, member.control),                                                                                                                 \
	{"broker", 0, CLI_TEXT, offsetof(type, member.broker), N_("ENDPOINT"), N_("the broker over the network, tcp://HOST:PORT; the agreement's first if not given"), 0, 0}, \
	{"key", 'k', CLI_TEXT, offsetof(type, member.key), N_("FILE"), N_("the operator's key for that"), 0, 0}
/* NOLINTEND(bugprone-macro-parentheses) */
/* Do the options go together? False: *code is how to end, and it was said why. */
bool broker_way_stands(const struct cli *c, const struct broker_way *w, enum cli_exit *code);
KW_MUST_USE enum kw_err broker_way_open(struct broker_ask **out, const struct broker_way *w, struct kw_why *why);

/*
 * text and sigs: what the verb takes, else empty. An agreement goes and comes in parts, of which text and answer are the whole. KW_EDENIED: the
 * broker refused, with its sentence, or does not know the key. KW_ETIMEOUT: no answer within timeout_ms. KW_ECRYPTO: what is there does not hold the broker's key.
 */
KW_MUST_USE enum kw_err broker_ask(struct buf *answer, struct broker_ask *b, enum admin_verb verb, struct span text, struct span sigs,
                                   uint64_t timeout_ms, struct kw_why *why);

#endif
