/* effects: the list of answers and orders that the driver drains after every event. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/core/parts.h"

struct core_effect *
effect_add(struct core *c, enum effect_kind kind, uint32_t conn)
{
	struct core_effect *e;

	if (c->effect_count == c->effect_cap) {
		uint32_t cap = c->effect_cap == 0 ? 64 : c->effect_cap * 2;
		struct core_effect *more = realloc(c->effects, cap * sizeof *more);

		if (more == NULL)
			return NULL;
		c->effects = more;
		c->effect_cap = cap;
	}
	e = &c->effects[c->effect_count++];
	memset(e, 0, sizeof *e);
	e->kind = kind;
	e->conn = conn;
	return e;
}

void
effect_refuse(struct core *c, uint32_t conn, enum wire_code code, const uint8_t *id, uint32_t wait_ms, const char *fmt, ...)
{
	struct core_effect *e = effect_add(c, EFFECT_REFUSED, conn);
	char text[512];
	va_list args;

	c->counters.refused[code]++;
	if (e == NULL)
		return; /* the node asks again */
	va_start(args, fmt);
	(void)vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	e->refused.code = code;
	e->refused.wait_ms = wait_ms;
	e->refused.has_id = id != NULL;
	if (id != NULL)
		memcpy(e->refused.id, id, KW_ID_LEN);
	e->refused.text = strdup(text);
}

void
core_count_refused(struct core *c, enum wire_code code)
{
	c->counters.refused[code]++;
}

bool
core_next(struct core *c, struct core_effect *out)
{
	free(c->last_text);
	c->last_text = NULL;
	if (c->effect_first == c->effect_count) {
		c->effect_first = c->effect_count = 0;
		return false;
	}
	*out = c->effects[c->effect_first++];
	if (out->kind == EFFECT_REFUSED) {
		c->last_text = (char *)(uintptr_t)out->refused.text;
		if (c->last_text == NULL)
			out->refused.text = "";
	}
	return true;
}
