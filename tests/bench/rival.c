/* rival: what all protocols share. */
#include "rival.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "load_base.h"

#define LINE_MAX_BYTES 65536u
#define WORDS_MAX 300u

static const struct rival_protocol *const protocols[] = {&rival_redis, &rival_redis_xread, &rival_nats, &rival_mqtt, &rival_amqp};

const struct rival_protocol *
rival_by_name(const char *name)
{
	for (size_t i = 0; i < sizeof protocols / sizeof protocols[0]; i++)
		if (strcmp(protocols[i]->name, name) == 0)
			return protocols[i];
	return NULL;
}

void
rival_init(struct rival *r, const struct rival_protocol *p, enum rival_role role, const char *run, const char *name, struct rival_handler on)
{
	*r = (struct rival){.protocol = p, .role = role, .on = on, .out = BUF_INIT(SIZE_MAX)};
	(void)snprintf(r->run, sizeof r->run, "%s", run);
	(void)snprintf(r->name, sizeof r->name, "%s", name);
	r->state = load_memory(1, p->state_size);
}

void
rival_free(struct rival *r)
{
	if (r->protocol->clear != NULL)
		r->protocol->clear(r);
	buf_free(&r->out);
	free(r->state);
	r->state = NULL;
}

enum kw_err
rival_take(struct rival *r, struct span in, size_t *used, struct kw_why *why)
{
	*used = 0;
	for (;;) {
		size_t one = 0;
		enum kw_err err = r->protocol->take(r, span_of(in.p + *used, in.len - *used), &one, why);

		if (err != KW_OK)
			return err;
		if (one == 0)
			break;
		*used += one;
	}
	if (in.len - *used > RIVAL_UNIT_MAX)
		return rival_odd(r, "more at once than anybody sends", why);
	r->protocol->acknowledge(r);
	return KW_OK;
}

void
rival_answered(struct rival *r, uint32_t count)
{
	if (r->on.answered != NULL)
		r->on.answered(r->on.self, r, count);
}

void
rival_delivered(struct rival *r, struct span body)
{
	if (r->on.delivered != NULL)
		r->on.delivered(r->on.self, r, body);
}

bool
rival_line(struct span in, struct span *line, size_t *used)
{
	const uint8_t *end = in.len > 0 ? memchr(in.p, '\n', in.len) : NULL;

	if (end == NULL)
		return false;
	*used = (size_t)(end - in.p) + 1;
	*line = span_of(in.p, *used >= 2 && end[-1] == '\r' ? *used - 2 : *used - 1);
	return true;
}

enum kw_err
rival_refused(const struct rival *r, struct span words, struct kw_why *why)
{
	struct buf shown = BUF_INIT(4096);
	enum kw_err err;

	text_put_escaped(&shown, words, WORDS_MAX);
	err = kw_refuse(why, KW_EDENIED, "%s refused: %s", r->protocol->name, buf_text(&shown));
	buf_free(&shown);
	return err;
}

enum kw_err
rival_odd(const struct rival *r, const char *what, struct kw_why *why)
{
	return kw_refuse(why, KW_EPROTO, "%s sent what its protocol does not know: %s", r->protocol->name, what);
}
