/* kurzweg: handles, publishing, waiting, status. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "clients/lib/parts.h"

#define DEFAULT_SOCKET "ipc:///run/kurzweg/partner.sock"
#define TIMEOUT_MS 10000u

/* ---- the handle ---- */

enum kurzweg_result
kurzweg_open(kurzweg **out, const char *socket)
{
	kurzweg *k;
	const char *at = socket != NULL ? socket : getenv("KURZWEG_SOCKET");

	if (out == NULL)
		return KURZWEG_USAGE;
	if ((*out = k = calloc(1, sizeof *k)) == NULL)
		return KURZWEG_FAILED;
	k->timeout_ms = TIMEOUT_MS;
	kurzweg_set_language(k, "en");
	if (at == NULL || at[0] == '\0')
		at = DEFAULT_SOCKET;
	if (strncmp(at, "ipc:///", 7) != 0)
		return fail(k, KURZWEG_USAGE, "the node's socket is \"%.200s\"; it must begin with ipc:/// and name a file of this machine",
		            "der Socket des Knotens ist \"%.200s\"; er muss mit ipc:/// beginnen und eine Datei dieses Rechners nennen", at);
	if ((k->endpoint = strdup(at)) == NULL) {
		free(k);
		*out = NULL;
		return KURZWEG_FAILED;
	}
	return KURZWEG_OK;
}

void
kurzweg_close(kurzweg **handle)
{
	kurzweg *k = handle != NULL ? *handle : NULL;

	if (k == NULL)
		return;
	hang_up(k);
	if (k->context != NULL)
		(void)zmq_ctx_term(k->context);
	json_decref(k->rows);
	json_decref(k->shown);
	free(k->shown_json);
	free(k->shown_content);
	free(k->rows_of);
	free(k->warnings);
	free(k->endpoint);
	free(k);
	*handle = NULL;
}

const char *
kurzweg_error(const kurzweg *k)
{
	return k != NULL ? k->error : "out of memory";
}

const char *
kurzweg_warnings(const kurzweg *k)
{
	return k != NULL && k->warnings != NULL ? k->warnings : "";
}

void
kurzweg_set_language(kurzweg *k, const char *language)
{
	if (k == NULL)
		return;
	(void)snprintf(k->language, sizeof k->language, "%s", language != NULL ? language : "en");
	k->german = strncmp(k->language, "de", 2) == 0 && (k->language[2] == '\0' || k->language[2] == '-' || k->language[2] == '_');
}

void
kurzweg_set_timeout(kurzweg *k, uint32_t timeout_ms)
{
	if (k != NULL)
		k->timeout_ms = timeout_ms;
}

const char *
kurzweg_version(void)
{
	return KW_VERSION;
}

/* ---- publishing ---- */

/* A key with a text, where there is one. */
static json_t *
to_json(const struct kurzweg_publication *p)
{
	json_t *list = json_array();

	for (size_t i = 0; i < p->to_count; i++) {
		if (json_array_append_new(list, json_string(p->to[i])) == 0)
			continue;
		json_decref(list);
		return NULL;
	}
	return list;
}

/* NULL: a text that is no UTF-8, or no memory. */
static json_t *
publish_ask(const struct kurzweg_publication *p)
{
	json_t *ask = json_pack("{s:s, s:s, s:s, s:b, s:I}", "verb", "publish", "topic", p->topic, "form", p->form == KURZWEG_CAP ? "cap" : "json",
	                        "confirm_at_once", (int)p->confirm_at_once, "expires_ms", (json_int_t)p->expires_ms);

	if (ask != NULL && p->not_before_ms > 0 && json_object_set_new(ask, "not_before_ms", json_integer((json_int_t)p->not_before_ms)) != 0) {
		json_decref(ask);
		return NULL;
	}
	if (ask != NULL && p->take_within_s > 0 && json_object_set_new(ask, "take_within_s", json_integer(p->take_within_s)) != 0) {
		json_decref(ask);
		return NULL;
	}

	if (ask != NULL && set_text(ask, "type", p->type) && set_text(ask, "about", p->about) && set_text(ask, "lane", p->lane) && set_text(ask, "as", p->as) &&
	    set_text(ask, "reason", p->reason) &&
	    json_object_set_new(ask, "to", to_json(p)) == 0)
		return ask;
	json_decref(ask);
	return NULL;
}

static enum kurzweg_result
check_publication(kurzweg *k, const struct kurzweg_publication *p, const char *id)
{
	if (p == NULL || id == NULL || p->size != sizeof *p)
		return fail(k, KURZWEG_USAGE, "kurzweg_publish wants a publication begun with KURZWEG_PUBLICATION_INIT, and room for the id",
		            "kurzweg_publish verlangt eine Veröffentlichung, die mit KURZWEG_PUBLICATION_INIT begonnen wurde, und Platz für die Kennung");
	if (p->topic == NULL || p->content == NULL || (p->to == NULL && p->to_count > 0))
		return fail(k, KURZWEG_USAGE, "the publication has no topic, no content or no list of nodes", "der Veröffentlichung fehlen Thema, Inhalt oder die Liste der Knoten");
	if (p->form != KURZWEG_JSON && p->form != KURZWEG_CAP)
		return fail(k, KURZWEG_USAGE, "the form of the content is %d, must be KURZWEG_JSON or KURZWEG_CAP",
		            "die Form des Inhalts ist %d, muss aber KURZWEG_JSON oder KURZWEG_CAP sein", (int)p->form);
	if (p->expires_ms > INT64_MAX)
		return fail(k, KURZWEG_USAGE, "expires_ms is %llu, which is no time", "expires_ms ist %llu, das ist keine Zeit", (unsigned long long)p->expires_ms);
	if (p->not_before_ms > INT64_MAX)
		return fail(k, KURZWEG_USAGE, "not_before_ms is %llu, which is no time", "not_before_ms ist %llu, das ist keine Zeit", (unsigned long long)p->not_before_ms);
	if (p->content_len > CONTENT_MAX)
		return fail(k, KURZWEG_REFUSED, "the content has %zu bytes, at most %u are allowed", "der Inhalt hat %zu Bytes, erlaubt sind höchstens %u", p->content_len,
		            CONTENT_MAX);
	return KURZWEG_OK;
}

enum kurzweg_result
kurzweg_publish(kurzweg *k, const struct kurzweg_publication *p, char id[KURZWEG_ID_SIZE])
{
	json_t *result = NULL;
	const char *got;
	char code[16];
	enum kurzweg_result r;

	if (k == NULL)
		return KURZWEG_USAGE;
	free(k->warnings);
	k->warnings = NULL;
	if ((r = check_publication(k, p, id)) != KURZWEG_OK)
		return r;
	r = ask_node(k, &(struct asking){.ask = publish_ask(p), .content = p->content, .content_len = p->content_len}, &result, code);
	if (r != KURZWEG_OK)
		return r;
	got = json_string_value(json_object_get(result, "id"));
	if (got == NULL || strlen(got) != KURZWEG_ID_SIZE - 1)
		r = fail(k, KURZWEG_FAILED, "the node took it, but its answer has no id", "der Knoten nahm es an, aber seiner Antwort fehlt die Kennung");
	else
		memcpy(id, got, KURZWEG_ID_SIZE);
	got = json_string_value(json_object_get(result, "warnings"));
	if (got != NULL && got[0] != '\0')
		k->warnings = strdup(got);
	json_decref(result);
	return r;
}

enum kurzweg_result
kurzweg_wait(kurzweg *k, const char *id, enum kurzweg_stage stage, uint64_t timeout_ms)
{
	uint64_t now = now_ms(), end = timeout_ms < UINT64_MAX - now ? now + timeout_ms : UINT64_MAX;

	if (k == NULL)
		return KURZWEG_USAGE;
	if (id == NULL || (stage != KURZWEG_STORED && stage != KURZWEG_DELIVERED))
		return fail(k, KURZWEG_USAGE, "kurzweg_wait wants an id, and KURZWEG_STORED or KURZWEG_DELIVERED",
		            "kurzweg_wait verlangt eine Kennung, und KURZWEG_STORED oder KURZWEG_DELIVERED");
	for (;;) {
		uint64_t left = end - now, wait_ms = left < WAIT_MS ? left : WAIT_MS;
		json_t *ask = json_pack("{s:s, s:s, s:s, s:I}", "verb", "state", "id", id, "stage", stage == KURZWEG_STORED ? "stored" : "delivered", "wait_ms",
		                        (json_int_t)wait_ms), *result = NULL;
		char code[16];
		enum kurzweg_result r = ask_node(k, &(struct asking){.ask = ask, .wait_ms = wait_ms, .repeat = true}, &result, code);

		json_decref(result);
		now = now_ms();
		if (r != KURZWEG_SILENT || strcmp(code, "ETIMEOUT") != 0 || now >= end)
			return r;
	}
}

/* ---- how things stand ---- */

enum kurzweg_result
ask_for_json(kurzweg *k, json_t *ask, char **json)
{
	json_t *result = NULL;
	char code[16], *text;
	enum kurzweg_result r = ask_node(k, &(struct asking){.ask = ask, .repeat = true}, &result, code);

	if (r != KURZWEG_OK)
		return r;
	text = json_dumps(result, JSON_COMPACT);
	*json = text != NULL ? strdup(text) : NULL; /* whoever set jansson's allocator, the caller says free() */
	if (*json == NULL)
		r = fail(k, KURZWEG_FAILED, "out of memory", "der Arbeitsspeicher reicht nicht");
	free(text);
	json_decref(result);
	return r;
}

enum kurzweg_result
kurzweg_status(kurzweg *k, char **json)
{
	if (k == NULL || json == NULL)
		return KURZWEG_USAGE;
	*json = NULL;
	return ask_for_json(k, json_pack("{s:s}", "verb", "status"), json);
}

enum kurzweg_result
kurzweg_trace(kurzweg *k, const char *id, char **json)
{
	if (k == NULL || json == NULL)
		return KURZWEG_USAGE;
	*json = NULL;
	if (id == NULL)
		return fail(k, KURZWEG_USAGE, "kurzweg_trace wants an id", "kurzweg_trace verlangt eine Kennung");
	return ask_for_json(k, json_pack("{s:s, s:s}", "verb", "trace", "id", id), json);
}

enum kurzweg_result
kurzweg_meant(kurzweg *k, const char *piece, bool sent, char **json)
{
	if (k == NULL || json == NULL)
		return KURZWEG_USAGE;
	*json = NULL;
	if (piece == NULL)
		return fail(k, KURZWEG_USAGE, "kurzweg_meant wants a piece of an id", "kurzweg_meant verlangt ein Stück einer Kennung");
	return ask_for_json(k, json_pack("{s:s, s:s, s:b}", "verb", "meant", "piece", piece, "sent", (int)sent), json);
}

enum kurzweg_result
kurzweg_agreement(kurzweg *k, unsigned version, char **json)
{
	json_t *ask;

	if (k == NULL || json == NULL)
		return KURZWEG_USAGE;
	*json = NULL;
	ask = json_pack("{s:s}", "verb", "agreement");
	if (version > 0)
		json_object_set_new(ask, "version", json_integer((json_int_t)version));
	return ask_for_json(k, ask, json);
}
