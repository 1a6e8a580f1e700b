/* source: a connection that is made when it is needed and given up with the first failure. */
#include "clients/exporter/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <kurzweg/kurzweg.h>

#include "base/clock.h"
#include "clients/cli/broker_ask.h"
#include "clients/cli/look.h"
#include "clients/exporter/metrics.h"
#include "proto/limits.h"

#define PAGE 160u        /* nodes of one answer */
#define TEXT_MAX (8u << 20) /* 4,096 nodes have some 3 MiB */

struct source {
	struct source_way way;
	struct broker_ask *broker;       /* NULL: not connected */
	kurzweg *node;                   /* likewise */
	struct buf text;
	bool asked;
	uint64_t asked_ms;
	struct kw_why why;               /* text "": the last answer came */
};

static enum kw_err
connect_broker(struct broker_ask **out, const struct source_way *w, struct kw_why *why)
{
	return w->key != NULL ? broker_ask_operator(out, w->broker, w->key, w->agreement, why) : broker_ask_control(out, w->control, why);
}

static enum kw_err
ask_broker(json_t **out, struct source *s, enum admin_verb verb, const char *text)
{
	struct buf answer = BUF_INIT(KW_MESSAGE_MAX);
	enum kw_err err = broker_ask(&answer, s->broker, verb, span_str(text), span_of(NULL, 0), SOURCE_TIMEOUT_MS, &s->why);

	if (err == KW_OK && (*out = json_loadb((const char *)answer.p, answer.len, 0, NULL)) == NULL)
		err = kw_refuse(&s->why, KW_EPROTO, "what the broker answered is no JSON");
	buf_free(&answer);
	return err;
}

/* Page by page; *out is an array of all. */
static enum kw_err
ask_nodes(json_t **out, struct source *s)
{
	uint64_t after = 0;
	char text[64];
	bool more = true;

	if ((*out = json_array()) == NULL)
		return kw_refuse(&s->why, KW_ENOMEM, "out of memory");
	while (more) {
		json_t *page = NULL;
		enum kw_err err;

		(void)snprintf(text, sizeof text, "{\"after\": %llu, \"limit\": %u}", (unsigned long long)after, PAGE);
		if ((err = ask_broker(&page, s, ADMIN_NODES, text)) != KW_OK)
			return err;
		more = look_flag(page, "more") && look_number(page, "after") > after;
		after = look_number(page, "after");
		if (json_array_extend(*out, (json_t *)(uintptr_t)look_at(page, "nodes")) != 0)
			err = kw_refuse(&s->why, KW_EPROTO, "what the broker answered names no nodes");
		json_decref(page);
		if (err != KW_OK)
			return err;
	}
	return KW_OK;
}

static enum kw_err
look_at_broker(json_t **status, json_t **nodes, struct source *s)
{
	enum kw_err err = s->broker != NULL ? KW_OK : connect_broker(&s->broker, &s->way, &s->why);

	if (err == KW_OK)
		err = ask_broker(status, s, ADMIN_STATUS, "{\"limit\": 0}");
	if (err == KW_OK && s->way.nodes)
		err = ask_nodes(nodes, s);
	if (err != KW_OK)
		broker_ask_free(&s->broker);
	return err;
}

static enum kw_err
look_at_node(json_t **status, struct source *s)
{
	char *text = NULL;
	enum kurzweg_result r = s->node != NULL ? KURZWEG_OK : kurzweg_open(&s->node, s->way.socket);

	if (r == KURZWEG_OK) {
		kurzweg_set_timeout(s->node, SOURCE_TIMEOUT_MS);
		r = kurzweg_status(s->node, &text);
	}
	if (r != KURZWEG_OK) {
		(void)kw_refuse(&s->why, KW_ETIMEOUT, "%s", kurzweg_error(s->node));
		kurzweg_close(&s->node);
		return KW_ETIMEOUT;
	}
	*status = json_loads(text, 0, NULL);
	free(text);
	return *status != NULL ? KW_OK : kw_refuse(&s->why, KW_EPROTO, "what the node answered is no JSON");
}

static enum kw_err
ask(struct source *s)
{
	json_t *status = NULL, *nodes = NULL;
	uint64_t from = clock_mono_ms();
	bool node = s->way.socket != NULL;
	enum kw_err err;

	s->why.text[0] = '\0';
	err = node ? look_at_node(&status, s) : look_at_broker(&status, &nodes, s);
	if (err != KW_OK) {
		json_decref(status);
		status = NULL;
	}
	s->asked_ms = clock_mono_ms();
	buf_reset(&s->text);
	err = metrics_put(&s->text, node ? METRICS_NODE : METRICS_BROKER, status, status != NULL && s->way.nodes ? nodes : NULL, (double)(s->asked_ms - from) / 1e3);
	json_decref(status);
	json_decref(nodes);
	return err;
}

enum kw_err
source_text(struct span *out, struct source *s)
{
	if (!s->asked || clock_mono_ms() - s->asked_ms >= SOURCE_FRESH_MS) {
		enum kw_err err = ask(s);

		s->asked = err == KW_OK;
		if (err != KW_OK)
			return err;
	}
	*out = buf_span(&s->text);
	return KW_OK;
}

const char *source_trouble(const struct source *s) { return s->why.text; }

/* Nobody there is no fault at the start: it is told by kurzweg_up, until somebody is. */
static enum kw_err
try_once(struct source *s, struct kw_why *why)
{
	enum kw_err err;

	if (s->way.socket != NULL) {
		enum kurzweg_result r = kurzweg_open(&s->node, s->way.socket);

		return r == KURZWEG_OK ? KW_OK : kw_refuse(why, r == KURZWEG_USAGE ? KW_EINVAL : KW_ENOMEM, "%s", kurzweg_error(s->node));
	}
	err = connect_broker(&s->broker, &s->way, why);
	return s->way.control != NULL && (err == KW_ETIMEOUT || err == KW_EDENIED) ? KW_OK : err;
}

enum kw_err
source_open(struct source **out, const struct source_way *way, struct kw_why *why)
{
	struct source *s = calloc(1, sizeof *s);
	enum kw_err err;

	if (s == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory");
	s->way = *way;
	s->text = BUF_INIT(TEXT_MAX);
	err = try_once(s, why);
	if (err != KW_OK) {
		source_close(&s);
		return err;
	}
	*out = s;
	return KW_OK;
}

void
source_close(struct source **source)
{
	struct source *s = *source;

	if (s == NULL)
		return;
	broker_ask_free(&s->broker);
	kurzweg_close(&s->node);
	buf_free(&s->text);
	free(s);
	*source = NULL;
}
