/*
 * area_map: an alert's areas as a small picture of characters, north up, with its scale. For who has but a terminal: how large it is, of what form, and
 * whether it is one place or several. There is no street in it; the place itself stands beside it as a geo URI (RFC 5870).
 */
#ifndef KW_CLI_AREA_MAP_H
#define KW_CLI_AREA_MAP_H

#include <jansson.h>

#include "base/span.h"

struct area_map_format {
	size_t columns;      /* of the picture, at most; AREA_MAP_LEAST or more */
	size_t lines;        /* likewise; 2 or more */
	bool unicode;        /* Braille patterns, 2 by 4 dots a character; else '#' and blanks */
	const char *indent;  /* before each line */
	size_t room;         /* for the line below it, which may be longer than the picture; 0: as much as it needs */
};
#define AREA_MAP_LEAST 8

/*
 * Appends the picture, a line with the scale and the middle's geo URI; each line ends with '\n'. shapes: as row_json has them, from a node, so not to be
 * believed: what is no polygon or circle of CAP 1.2 section 3.2.4 is left out. Nothing is appended where none is left.
 */
void area_map_put(struct buf *out, const json_t *shapes, const struct area_map_format *format);

#endif
