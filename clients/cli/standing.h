/*
 * standing: how a broker or a node stands, as one screen for people: one line that says whether all is well, then what is
 * not and what to do about it, then the figures. From the JSON that they answer with.
 */
#ifndef KW_CLI_STANDING_H
#define KW_CLI_STANDING_H

#include "clients/cli/cli.h"
#include "proto/limits.h"

#define STANDING_FAULTS_MAX 40

struct standing {
	const struct cli *c;
	uint64_t now_ms;                         /* wall clock */
	size_t grave, minor;
	struct { bool grave; char *text; } fault[STANDING_FAULTS_MAX];
	size_t count;                            /* of fault; the rest is counted alone */
};

/* One sentence: what is wrong, and what to do. grave: something does not work now; else it should be looked at. */
void standing_fault(struct standing *s, bool grave, const char *fmt, ...) KW_PRINTF(3, 4);
/* Prints title, verdict and faults, the grave ones first, and frees them. */
void standing_head(struct standing *s, const char *title);

void standing_bytes(char out[32], uint64_t bytes); /* "14.2 MiB" */

/* Prints the whole. status: as the broker or the node answered. */
void standing_broker(const struct cli *c, const json_t *status, uint64_t now_ms);
void standing_node(const struct cli *c, const json_t *status, uint64_t now_ms);

#endif
