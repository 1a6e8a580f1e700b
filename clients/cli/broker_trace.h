/*
 * broker_trace: what a broker tells of one notification, gathered from its pages, with the broker's proof verified here; and how it is shown.
 * Headers, cursors and refusals alone: no content comes here.
 */
#ifndef KW_CLI_BROKER_TRACE_H
#define KW_CLI_BROKER_TRACE_H

#include "clients/cli/broker_ask.h"

/* Rows for a table of options; way is a struct broker_way, further a uint64_t. */
/* NOLINTBEGIN(bugprone-macro-parentheses): a member has none */
#define CLI_BROKER_TRACE(type, way, further)                                                                                                              \
	CLI_BROKER_WAY(type, way),                                                                                                                         \
	{"agreement", 'a', CLI_TEXT, offsetof(type, way.agreement), N_("FILE"), N_("where the broker's key stands, instead of /etc/kurzweg/agreement.yaml"), 0, 0}, \
	{"further", 0, CLI_NUMBER, offsetof(type, further), N_("N"), N_("look at so many entries of the log behind it, 100000 if not given"), 1, 1000000000}
/* NOLINTEND(bugprone-macro-parentheses) */

#define TRACE_FURTHER 100000u /* entries behind it that are looked at for what is about it, unless told otherwise */

/*
 * id: whole, or 4 characters or more of its beginning or end. {"id", "found", "notification", "commit" (with "verified" and "proof"), "readers", "about",
 * "looked_up_to", "tail", "refusals", "remembers_since_ms"}, of which those about the log are there where it was found. agreement: the file whose broker's key
 * verifies; NULL: the broker's own newest version. KW_ENOTFOUND: neither stored nor refused, as far as the broker remembers; KW_EINVAL: no id, or
 * a piece of several; the errors of broker_ask.
 */
KW_MUST_USE enum kw_err broker_trace(json_t **out, struct broker_ask *b, const char *id, const char *agreement, uint64_t further, struct kw_why *why);

/* Whose broker's key verifies: over the network the file that the connection trusts too; NULL over the control socket without --agreement. */
const char *broker_trace_agreement(const struct broker_way *w);

void broker_trace_show(const struct cli *c, const json_t *trace, uint64_t now_ms);
/* Its parts, for others that show them too. */
void broker_trace_show_refusals(const struct cli *c, const json_t *trace, uint64_t now_ms);
void broker_trace_show_itself(const struct cli *c, const json_t *trace, uint64_t now_ms);
/* What keeps it from this reader, and whose move it is; nothing where nothing does. */
void broker_trace_remedy(const struct cli *c, const json_t *reader);
const char *broker_trace_state(const json_t *reader, enum cli_colour *colour); /* "away", … in the user's language */

#endif
