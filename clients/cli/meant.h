/* meant: which notification is meant by what somebody typed for an id. */
#ifndef KW_CLI_MEANT_H
#define KW_CLI_MEANT_H

#include "clients/cli/local.h"

enum meant_of {
	MEANT_SENT,       /* for what changes something: what this node sent, and nothing else; by its end alone, never by less than MEANT_TO_ACT characters */
	MEANT_SENT_OR_CAME,
};

/*
 * What lists show of an id. Its beginning is the time: what was published within 65 seconds, at any node, has the same first 8 characters, and a double click on a
 * whole id selects just these. One character mistyped in four of them would often mean another one, and what is recalled is deleted everywhere.
 */
#define MEANT_TO_ACT 8

/*
 * The whole id of the one that begins or ends with word, or whose last eight characters begin so; the node is asked, and this says why it is the node:
 * clients/partner/desk_meant.h. room holds it, and word itself is the answer where it is as long as an id or longer, or a CAP name: then nobody is asked. NULL: it means
 * none or several, or is no piece of an id, or a beginning where that is not enough; *code is how to end, and it was said why, with the several.
 */
const char *meant(char room[KURZWEG_ID_SIZE], const struct cli *c, kurzweg *k, const char *word, enum meant_of of, enum cli_exit *code);

/* Whether word may be a piece of an id, and is not a whole one. */
bool meant_is_piece(const char *word);
/* One of several, each with what tells them apart, below the sentence that says so: on standard error. */
void meant_candidate(const struct cli *c, const char *id, uint64_t at_ms, const char *topic);

#endif
