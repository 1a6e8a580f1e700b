/* area_map: see its header. An equirectangular projection about the middle: over a city or a country nobody sees the difference. */
#include "clients/cli/area_map.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients/cli/cli.h"
#include "clients/cli/look.h"
#include "proto/payload_values.h"

#define KM_A_DEGREE 111.195 /* of a great circle */
#define KM_A_DOT_LEAST 0.005
#define SHAPES_MAX 256u
#define DOTS_MAX 512u /* a side */

struct point { double x, y; }; /* degrees, then kilometres east and south of the corner, then dots */
struct shape { struct point *points; size_t count; double radius; /* of a circle, in the unit of its one point */ };
struct box { double west, east, south, north; };

struct map {
	struct shape shapes[SHAPES_MAX];
	size_t count;
	struct box box;             /* degrees */
	size_t across, down;        /* dots */
	double km;                  /* a dot */
	uint8_t *dots;
};

/* ---- what was drawn ---- */

/* Points of a text that holds. */
static size_t
read_points(struct point *points, const char *text)
{
	size_t n = 0;

	while (text != NULL && *text != '\0') {
		text = value_decimal(&points[n].y, text);
		text = text != NULL && *text == ',' ? value_decimal(&points[n].x, text + 1) : NULL;
		if (text == NULL)
			return n;
		n++;
		if (*text == ' ')
			text++;
	}
	return n;
}

static void
add_polygon(struct map *m, const char *text)
{
	struct shape *s = &m->shapes[m->count];

	if (value_polygon_fault(text) != NULL)
		return;
	s->points = cli_memory((strlen(text) / 4 + 1) * sizeof *s->points); /* "0,0 " is the shortest */
	s->count = read_points(s->points, text);
	s->radius = 0;
	m->count++;
}

static void
add_circle(struct map *m, const char *text)
{
	struct shape *s = &m->shapes[m->count];
	const char *p;

	if (value_circle_fault(text) != NULL)
		return;
	s->points = cli_memory(sizeof *s->points);
	s->count = 1;
	p = value_decimal(&s->points[0].y, text);
	p = p != NULL ? value_decimal(&s->points[0].x, p + 1) : NULL;
	if (p == NULL || value_decimal(&s->radius, p + 1) == NULL)
		s->radius = 0;
	m->count++;
}

static void
read_shapes(struct map *m, const json_t *list)
{
	const json_t *one;
	size_t i;

	json_array_foreach(list, i, one) {
		if (m->count == SHAPES_MAX)
			return;
		if (look_text(one, "polygon")[0] != '\0')
			add_polygon(m, look_text(one, "polygon"));
		else
			add_circle(m, look_text(one, "circle"));
	}
}

/* ---- where it lies ---- */

static double
km_a_degree_east(double latitude)
{
	return KM_A_DEGREE * fmax(0.01, cos(latitude * 3.14159265358979 / 180));
}

static void
widen(struct box *b, const struct shape *s, const struct point *p)
{
	double high = s->radius / KM_A_DEGREE, wide = s->radius / km_a_degree_east(p->y);

	b->west = fmin(b->west, p->x - wide);
	b->east = fmax(b->east, p->x + wide);
	b->south = fmin(b->south, p->y - high);
	b->north = fmax(b->north, p->y + high);
}

static struct box
box_of(const struct map *m)
{
	struct box b = {DBL_MAX, -DBL_MAX, DBL_MAX, -DBL_MAX};

	for (size_t i = 0; i < m->count; i++)
		for (size_t k = 0; k < m->shapes[i].count; k++)
			widen(&b, &m->shapes[i], &m->shapes[i].points[k]);
	return b;
}

/* What lies on both sides of the 180th meridian lies together. */
static void
join_at_date_line(struct map *m)
{
	m->box = box_of(m);
	if (m->box.east - m->box.west <= 180)
		return;
	for (size_t i = 0; i < m->count; i++)
		for (size_t k = 0; k < m->shapes[i].count; k++)
			m->shapes[i].points[k].x += m->shapes[i].points[k].x < 0 ? 360 : 0;
	m->box = box_of(m);
}

static void
to_dots(struct map *m, const struct area_map_format *f)
{
	double east = km_a_degree_east((m->box.south + m->box.north) / 2), wide = (m->box.east - m->box.west) * east,
	       high = (m->box.north - m->box.south) * KM_A_DEGREE;
	size_t most_across = f->columns * (f->unicode ? 2 : 1), most_down = f->lines * (f->unicode ? 4 : 1);
	double tall = f->unicode ? 1 : 2; /* how much higher than wide a dot is */

	most_across = most_across < DOTS_MAX ? most_across : DOTS_MAX;
	most_down = most_down < DOTS_MAX ? most_down : DOTS_MAX;
	m->km = fmax(KM_A_DOT_LEAST, fmax(wide / (double)(most_across - 1), high / tall / (double)(most_down - 1)));
	m->across = (size_t)(wide / m->km + 1.5);
	m->down = (size_t)(high / tall / m->km + 1.5);
	m->across = m->across < most_across ? m->across : most_across;
	m->down = m->down < most_down ? m->down : most_down;
	for (size_t i = 0; i < m->count; i++) {
		struct shape *s = &m->shapes[i];

		s->radius /= m->km;
		for (size_t k = 0; k < s->count; k++)
			s->points[k] = (struct point){0.5 + (s->points[k].x - m->box.west) * east / m->km,
			                               0.5 + (m->box.north - s->points[k].y) * KM_A_DEGREE / tall / m->km};
	}
}

/* ---- dots ---- */

static void
dot(struct map *m, double x, double y)
{
	size_t column = x > 0 ? (size_t)x : 0, line = y > 0 ? (size_t)y : 0;

	column = column < m->across ? column : m->across - 1;
	line = line < m->down ? line : m->down - 1;
	m->dots[line * m->across + column] = 1;
}

static void
edge(struct map *m, struct point a, struct point b)
{
	size_t steps = (size_t)fmax(fabs(b.x - a.x), fabs(b.y - a.y)) + 1;

	steps = steps < 4 * DOTS_MAX ? steps : 4 * DOTS_MAX;
	for (size_t i = 0; i <= steps; i++)
		dot(m, a.x + (b.x - a.x) * (double)i / (double)steps, a.y + (b.y - a.y) * (double)i / (double)steps);
}

/* Inside is what an odd number of edges lies west of. */
static void
fill_polygon(struct map *m, const struct shape *s)
{
	uint8_t inside[DOTS_MAX];

	for (size_t line = 0; line < m->down; line++) {
		double y = (double)line + 0.5;

		memset(inside, 0, sizeof inside);
		for (size_t i = 0; i + 1 < s->count; i++) {
			struct point a = s->points[i], b = s->points[i + 1];
			double x = (a.y > y) != (b.y > y) ? (b.x - a.x) * (y - a.y) / (b.y - a.y) + a.x : DBL_MAX;

			for (size_t column = x > 0.5 ? (size_t)fmin(x + 0.5, DOTS_MAX) : 0; column < m->across; column++)
				inside[column] ^= 1;
		}
		for (size_t column = 0; column < m->across; column++)
			m->dots[line * m->across + column] |= inside[column];
	}
}

static void
fill_circle(struct map *m, const struct shape *s, double tall)
{
	for (size_t line = 0; line < m->down; line++)
		for (size_t column = 0; column < m->across; column++) {
			double dx = (double)column + 0.5 - s->points[0].x, dy = ((double)line + 0.5 - s->points[0].y) * tall;

			if (dx * dx + dy * dy <= s->radius * s->radius)
				m->dots[line * m->across + column] = 1;
		}
}

/* Its edges too: what is narrower than a dot is to be seen. */
static void
draw(struct map *m, const struct shape *s, double tall)
{
	if (s->count == 1) {
		dot(m, s->points[0].x, s->points[0].y);
		fill_circle(m, s, tall);
		return;
	}
	for (size_t i = 0; i + 1 < s->count; i++)
		edge(m, s->points[i], s->points[i + 1]);
	fill_polygon(m, s);
}

/* ---- characters ---- */

static bool
is_set(const struct map *m, size_t x, size_t y)
{
	return x < m->across && y < m->down && m->dots[y * m->across + x] != 0;
}

/* U+2800 and on: a bit a dot, numbered down the left column, down the right, and then the two below. */
static void
put_braille(struct buf *out, const struct map *m, size_t x, size_t y)
{
	static const uint8_t bits[4][2] = {{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};
	unsigned pattern = 0;

	for (size_t dy = 0; dy < 4; dy++)
		for (size_t dx = 0; dx < 2; dx++)
			pattern |= is_set(m, x + dx, y + dy) ? bits[dy][dx] : 0u;
	buf_put_u8(out, 0xE2);
	buf_put_u8(out, (uint8_t)(0xA0 | pattern >> 6));
	buf_put_u8(out, (uint8_t)(0x80 | (pattern & 0x3F)));
}

static void
put_picture(struct buf *out, const struct map *m, const struct area_map_format *f)
{
	size_t wide = f->unicode ? 2 : 1, high = f->unicode ? 4 : 1;

	for (size_t y = 0; y < m->down; y += high) {
		size_t across = m->across;

		while (!f->unicode && across > 0 && !is_set(m, across - 1, y))
			across--;
		buf_put_str(out, f->indent);
		for (size_t x = 0; x < across; x += wide)
			if (f->unicode)
				put_braille(out, m, x, y);
			else
				buf_put_u8(out, is_set(m, x, y) ? '#' : ' ');
		buf_put_u8(out, '\n');
	}
}

/* "├──────┤ 5 km  geo:52.51600,13.37700": the longest of 1, 2 and 5 times a power of ten that fits. */
static void
put_scale(struct buf *out, const struct map *m, const struct area_map_format *f)
{
	double column_km = m->km * (f->unicode ? 2 : 1), most = column_km * (double)(f->columns < 24 ? f->columns : 24) * 0.7, length = 0.001;
	double x = (m->box.west + m->box.east) / 2, ten = length;
	char middle[64], scale[32];
	size_t wide;

	while (ten <= most) {
		for (size_t i = 0; i < 3; i++)
			if (ten * (double[]){1, 2, 5}[i] <= most)
				length = ten * (double[]){1, 2, 5}[i];
		ten *= 10;
	}
	wide = (size_t)(length / column_km + 0.5);
	buf_put_str(out, f->indent);
	buf_put_str(out, f->unicode ? "├" : "|");
	for (size_t i = 2; i < wide; i++)
		buf_put_str(out, f->unicode ? "─" : "-");
	buf_put_str(out, f->unicode ? "┤" : "|");
	(void)snprintf(scale, sizeof scale, length < 1 ? " %.0f m" : " %.0f km", length < 1 ? length * 1000 : length);
	(void)snprintf(middle, sizeof middle, "geo:%.5f,%.5f", (m->box.south + m->box.north) / 2, x > 180 ? x - 360 : x);
	buf_put_str(out, scale);
	if (f->room > 0 && (wide < 2 ? 2 : wide) + strlen(scale) + 2 + strlen(middle) > f->room)
		buf_printf(out, "\n%s%s\n", f->indent, middle);
	else
		buf_printf(out, "  %s\n", middle);
}

void
area_map_put(struct buf *out, const json_t *shapes, const struct area_map_format *format)
{
	struct map *m = cli_memory(sizeof *m);

	memset(m, 0, sizeof *m);
	read_shapes(m, shapes);
	if (m->count > 0) {
		join_at_date_line(m);
		to_dots(m, format);
		m->dots = cli_memory(m->across * m->down);
		memset(m->dots, 0, m->across * m->down);
		for (size_t i = 0; i < m->count; i++)
			draw(m, &m->shapes[i], format->unicode ? 1 : 2);
		put_picture(out, m, format);
		put_scale(out, m, format);
	}
	for (size_t i = 0; i < m->count; i++)
		free(m->shapes[i].points);
	free(m->dots);
	free(m);
}
