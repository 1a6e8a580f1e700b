/* top_parts: what top_model.c and top_lines.c share, and nobody else. */
#ifndef KW_CLI_TOP_PARTS_H
#define KW_CLI_TOP_PARTS_H

#include "clients/cli/top_model.h"
#include "proto/limits.h"

static const char *const top_lane_names[KW_LANES] = {"flash", "urgent", "routine"};

struct top_lane { uint64_t waiting, oldest_ms, in_flight, window, cursor, newest, delivered, taken; bool behind; };

struct top_row {
	char id[KW_NODE_MAX + 1], address[80], software[65];
	bool member, connected, behind;      /* behind: more waits than is counted, in any lane */
	uint64_t suspended_until_ms;         /* by an operator; 0: it is not */
	uint64_t for_ms;                     /* connected, or away, for so long; 0: not known */
	uint64_t filters, waiting, oldest_ms, in_flight, delivered, taken; /* over all lanes */
	double rate;                         /* delivered a second; below 0: not known yet */
	struct top_lane lanes[KW_LANES];
};

struct top {
	struct top_row *rows;                /* by id */
	size_t count;
	uint32_t *order;                     /* those that are shown, in their order */
	size_t shown;
	enum top_sort sort;
	bool reverse, only_wrong, typing, detail;
	char filter[64];
	char chosen[KW_NODE_MAX + 1];        /* "": nobody chose */
	size_t at, first, page;              /* of order: the chosen one, the first on the screen; how many are there at once */
	json_t *status;                      /* without its nodes; NULL before the first */
	uint64_t looked_ms, wall_ms;
	size_t grave, minor;
	char fault[512], trouble[512];
};

void top_order(struct top *t);
void top_choose(struct top *t, size_t at);
bool top_is_silent(const struct top_row *r);
/* The first width characters of text, whole ones, that fit size bytes. */
void top_cut(char *out, size_t size, const char *text, size_t width);

#endif
