/* backup_source: the daemon that a backup is made of, a broker or a node, asked over its socket on this machine for one piece after the other. */
#ifndef KW_CLI_BACKUP_SOURCE_H
#define KW_CLI_BACKUP_SOURCE_H

#include "backup/steps.h"
#include "clients/cli/broker_ask.h"
#include "clients/cli/cli.h"
#include "clients/cli/local.h"

struct backup_source {
	const struct cli *c;
	struct broker_ask *broker; /* one of the two */
	kurzweg *node;
	char backup[BACKUP_TOKEN_LEN + 1];
	const char *as, *reason; /* of begin, to a node */
};

/* false, also of all below: *code is how to end, and it was said why. */
/* Where neither is given: the node of this machine, or the broker where only that is here. */
bool backup_source_open(struct backup_source *s, const struct cli *c, const char *control, const char *socket, enum cli_exit *code);
void backup_source_close(struct backup_source *s);
bool backup_source_begin(json_t **begun, struct backup_source *s, const char *as, const char *reason, enum cli_exit *code); /* a new reference */
/* A piece, behind what out holds. PIECE_LATER: a moment was waited. */
bool backup_source_next(struct buf *out, enum backup_piece *kind, struct backup_source *s, uint32_t file, uint64_t place, enum cli_exit *code);
bool backup_source_end(struct backup_source *s, enum cli_exit *code);
void backup_source_give_up(struct backup_source *s); /* says nothing */

#endif
