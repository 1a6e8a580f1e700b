/*
 * standing: how a broker or a node stands, as one screen for people: one line that says whether all is well, then what is
 * not and what to do about it, then the figures. From the JSON that they answer with. Where the terminal says how many lines it has, what is shown fits
 * them, and the prompt too (standing_fit.h).
 */
#ifndef KW_CLI_STANDING_H
#define KW_CLI_STANDING_H

#include "base/span.h"
#include "clients/cli/cli.h"
#include "clients/cli/standing_fit.h"
#include "proto/limits.h"

#define STANDING_FAULTS_MAX 40
#define STANDING_PARTS_MAX 24

enum standing_group { STANDING_HEAD, STANDING_FACTS, STANDING_LANES }; /* an empty line stands between */

struct standing {
	const struct cli *c;
	uint64_t now_ms;                         /* wall clock */
	bool here;                               /* what is told of runs on this machine */
	size_t grave, minor;
	struct { bool grave; char *text; } fault[STANDING_FAULTS_MAX];
	size_t count;                            /* of fault; the rest is counted alone */
	struct fit_part part[STANDING_PARTS_MAX];
	struct buf text[STANDING_PARTS_MAX];     /* of each part */
	size_t parts;
	bool overflows;                          /* not even the sentences have room */
	size_t named;                            /* nodes that get a sentence of their own, the others one together; 0: as many as is usual */
};

/* One sentence: what is wrong, and what to do. grave: something does not work now; else it should be looked at. */
void standing_fault(struct standing *s, bool grave, const char *fmt, ...) KW_PRINTF(3, 4);
/* The first part: title, verdict and faults, the grave ones first; frees these. */
void standing_head(struct standing *s, const char *title);
bool standing_head_fits(const struct standing *s);     /* the head alone has room, or nobody knows how much there is */
void standing_drop_parts(struct standing *s);
/* A further part, below those that are there; takes text over. */
void standing_part(struct standing *s, enum standing_group group, enum fit_keep keep, struct buf *text);
/* One with a label; nothing where text is empty. A state or a setting in the colour of a warning is about what is wrong, and kept for it. */
void standing_fact(struct standing *s, enum fit_keep keep, const char *label, enum cli_colour colour, const char *text);
/* Prints the parts that have room, and frees all; then the first t->shown rows of t are the caller's to print, behind an empty line. */
void standing_show(struct standing *s, struct fit_table *t);
/* The very end: where the beginning has scrolled away, that it did. */
void standing_end(const struct standing *s);

void standing_drop(struct standing *s);               /* frees the faults */
const char *standing_worst(const struct standing *s); /* the first grave one's sentence, else the first; NULL: none */
/* The faults that a broker's status tells of. */
void standing_broker_judge(struct standing *s, const json_t *status);

/* What of the configuration file is not in force; and one line on it. Nothing where an older daemon does not say. */
void standing_judge_config(struct standing *s, const json_t *status);
void standing_show_config(struct standing *s, const json_t *status);

/*
 * When the last backup was handed out whole, as one line; none is known: no fault, since nobody says that any is wanted. One that is old is: somebody
 * made them, and does no more.
 */
void standing_judge_backup(struct standing *s, uint64_t made_ms);
void standing_show_backup(struct standing *s, uint64_t made_ms, uint64_t bytes);
/* Whether the kernel believes that somebody keeps this machine's clock right; and the line that says so where it does not. */
bool standing_clock_is_kept(void);
void standing_show_clock(struct standing *s);
/* ", enough for 5 h 10 min at this rate", or "" where that is not known or more than a month. */
#define STANDING_RATE_MAX 160
/* What --check tells only where it is known: " disk_full_in=18000s backup_age=3600s". */
void standing_figures(char out[192], bool fills, const char *name, uint64_t left_ms, uint64_t backup_ms, uint64_t now_ms);
void standing_put_rate(char out[STANDING_RATE_MAX], bool known, uint64_t left_ms);

void standing_bytes(char out[32], const struct cli *c, uint64_t bytes); /* "14.2 MiB" */
void standing_decimal(char out[32], const struct cli *c, double n);     /* "3.2", "0.04", "1200" */
void standing_ms(char out[32], const struct cli *c, uint64_t us);       /* "3.2 ms" */

/* Prints the whole. status: as the broker or the node answered. */
void standing_broker(const struct cli *c, const json_t *status, uint64_t now_ms, bool here); /* here: it runs on this machine */
void standing_node(const struct cli *c, const json_t *status, uint64_t now_ms);

/*
 * For monitoring: one line, "KURZWEG OK - … | figures", and the exit code by the convention of its plug-ins, which is another one than the tool's own:
 * 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.
 */
enum standing_check { CHECK_OK, CHECK_WARNING, CHECK_CRITICAL, CHECK_UNKNOWN };
enum standing_check standing_room(uint64_t left, uint64_t all); /* of a node's disk, in bytes */
enum standing_check standing_broker_check(const struct cli *c, const json_t *status, uint64_t now_ms);
enum standing_check standing_node_check(const struct cli *c, const json_t *status, uint64_t now_ms);
enum standing_check standing_check_failed(enum cli_exit code, const char *sentence); /* what could not be asked: CRITICAL where nobody answers */
/* figures: "connected=3;;;0;4 pending=0"; frees the faults. */
enum standing_check standing_check_line(struct standing *s, const char *title, const char *figures);

#endif
