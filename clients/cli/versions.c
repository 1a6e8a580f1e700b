/* versions: see its header. */
#include "clients/cli/versions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "clients/cli/agreement_file.h"
#include "clients/cli/look.h"

#define WAIT_MS 10000u

void
versions_free(struct versions *v)
{
	for (size_t i = 0; i < v->count; i++)
		agreement_free(&v->all[i]);
	v->count = 0;
}

static const struct agreement *
oldest(const struct versions *v)
{
	const struct agreement *found = v->all[0];

	for (size_t i = 1; i < v->count; i++)
		if (agreement_version(v->all[i]) < agreement_version(found))
			found = v->all[i];
	return found;
}

/* It counts from its "from" on, or from when it came, where that is known and later. */
static void
take_version(struct versions *v, struct agreement *a, uint64_t came_ms)
{
	v->since_ms[v->count] = agreement_from_ms(a) > came_ms ? agreement_from_ms(a) : came_ms;
	v->all[v->count++] = a;
}

/* The newest that counts at at_ms; NULL: all begin later. */
static const struct agreement *
version_at(const struct versions *v, uint64_t at_ms)
{
	const struct agreement *found = NULL;

	for (size_t i = 0; i < v->count; i++)
		if (v->since_ms[i] <= at_ms && (found == NULL || agreement_version(v->all[i]) > agreement_version(found)))
			found = v->all[i];
	return found;
}

/* They must be of one partnership, or the answer would be about another town. */
static enum kw_err
check_same(const struct versions *v, struct kw_why *why)
{
	for (size_t i = 1; i < v->count; i++) {
		if (strcmp(agreement_partnership(v->all[0]), agreement_partnership(v->all[i])) != 0 || agreement_mode(v->all[0]) != agreement_mode(v->all[i]))
			return kw_refuse(why, KW_EINVAL, "the agreements are of different partnerships, or one is for exercises: \"%s\" and \"%s\"",
			                 agreement_partnership(v->all[0]), agreement_partnership(v->all[i]));
		for (size_t k = 0; k < i; k++)
			if (agreement_version(v->all[k]) == agreement_version(v->all[i]))
				return kw_refuse(why, KW_EINVAL, "version %u is named twice", agreement_version(v->all[i]));
	}
	return KW_OK;
}

static enum kw_err
read_files(struct versions *v, const struct versions_from *o, struct kw_why *why)
{
	static const char *const default_path[] = {AGREEMENT_DEFAULT_PATH};
	const char *const *paths = o->agreements.count > 0 ? o->agreements.text : default_path;
	size_t n = o->agreements.count > 0 ? o->agreements.count : 1;

	for (size_t i = 0; i < n; i++) {
		struct agreement *a = NULL;
		enum kw_err err = agreement_file_read(&a, paths[i], NULL, why);

		if (err != KW_OK)
			return err;
		take_version(v, a, 0);
	}
	return check_same(v, why);
}

enum kw_err
versions_ask(struct agreement **out, struct broker_ask *b, uint32_t version, struct kw_why *why)
{
	struct buf text = BUF_INIT(KW_AGREEMENT_MAX);
	char number[16] = "";
	enum kw_err err;

	if (version > 0)
		(void)snprintf(number, sizeof number, "%u", version);
	err = broker_ask(&text, b, ADMIN_AGREEMENT, span_str(number), span_of(NULL, 0), WAIT_MS, why);
	if (err == KW_OK)
		err = agreement_parse(out, buf_span(&text), NULL, why);
	buf_free(&text);
	return err;
}

/* From the newest back to the one that counted at the time asked for. */
static enum kw_err
ask_broker(struct versions *v, const struct versions_from *o, struct kw_why *why)
{
	struct broker_way way = o->way;
	struct broker_ask *b = NULL;
	uint64_t at_ms = clock_wall_ms();
	uint32_t version = 0;
	enum kw_err err;

	way.agreement = o->agreements.count > 0 ? o->agreements.text[0] : NULL;
	err = broker_way_open(&b, &way, why);
	while (err == KW_OK && v->count < CLI_TEXTS_MAX) {
		struct agreement *a = NULL;

		if ((err = versions_ask(&a, b, version, why)) != KW_OK)
			break;
		version = agreement_version(a) - 1;
		take_version(v, a, 0);
		if (o->at != NULL && v->count == 1)
			err = agreement_time(&at_ms, a, o->at, "--at", why);
		if (version == 0 || version_at(v, at_ms) != NULL)
			break;
	}
	broker_ask_free(&b);
	return err;
}

/* One that the node keeps; came_ms: when it got it. KW_ENOTFOUND: it began with a later one. */
static enum kw_err
ask_node_version(struct agreement **out, uint64_t *came_ms, kurzweg *k, uint32_t version, struct kw_why *why)
{
	char *text = NULL;
	enum kurzweg_result r = kurzweg_agreement(k, version, &text);
	json_t *doc;
	enum kw_err err;

	if (r == KURZWEG_REFUSED && version > 0)
		return KW_ENOTFOUND;
	if (r != KURZWEG_OK)
		return kw_refuse(why, r == KURZWEG_SILENT ? KW_ETIMEOUT : r == KURZWEG_REFUSED ? KW_EDENIED : KW_EIO, "%s", kurzweg_error(k));
	doc = json_loads(text, 0, NULL);
	free(text);
	*came_ms = look_number(doc, "came_ms");
	err = agreement_parse(out, span_str(look_text(doc, "text")), NULL, why);
	json_decref(doc);
	return err;
}

/* The first version that a node has was there before the node was: it counts from its "from" on. */
static enum kw_err
ask_node(struct versions *v, const struct versions_from *o, kurzweg *k, struct kw_why *why)
{
	uint64_t at_ms = clock_wall_ms(), came_ms = 0;
	uint32_t version = 0;
	enum kw_err err = KW_OK;

	while (err == KW_OK && v->count < CLI_TEXTS_MAX) {
		struct agreement *a = NULL;

		if ((err = ask_node_version(&a, &came_ms, k, version, why)) != KW_OK)
			break;
		version = agreement_version(a) - 1;
		take_version(v, a, came_ms);
		if (o->at != NULL && v->count == 1)
			err = agreement_time(&at_ms, a, o->at, "--at", why);
		if (version == 0 || version_at(v, at_ms) != NULL)
			break;
	}
	if (v->count > 0 && (version == 0 || err == KW_ENOTFOUND))
		v->since_ms[v->count - 1] = agreement_from_ms(v->all[v->count - 1]);
	return err == KW_ENOTFOUND && v->count > 0 ? KW_OK : err;
}

enum kw_err
versions_pick(const struct agreement **a, uint64_t *at_ms, const struct versions *v, const struct versions_from *o, bool german, struct kw_why *why)
{
	char from[TEXT_TIME_MAX];
	enum kw_err err;

	*at_ms = clock_wall_ms();
	if (o->at != NULL && (err = agreement_time(at_ms, v->all[0], o->at, "--at", why)) != KW_OK)
		return err;
	*a = version_at(v, *at_ms);
	if (*a != NULL)
		return KW_OK;
	agreement_put_time(from, oldest(v), agreement_from_ms(oldest(v)), german);
	return kw_refuse(why, KW_ENOTFOUND, "version %u is valid from %s on, and no older one is known here; name it with --agreement FILE as well, or ask the node or the broker with --socket or --control",
	                 agreement_version(oldest(v)), from);
}

bool
versions_find(struct versions *v, const struct cli *c, const struct versions_from *o, enum cli_exit *code)
{
	bool over_broker = o->way.control != NULL || o->way.key != NULL || o->way.broker != NULL;
	kurzweg *k = NULL;
	struct kw_why why;
	enum kw_err err;

	if (over_broker && !broker_way_stands(c, &o->way, code))
		return false;
	if (o->socket != NULL && (over_broker || o->agreements.count > 0)) {
		*code = cli_usage(c, _("--socket asks the node; without --agreement, --control and --key"));
		return false;
	}
	if (o->socket != NULL && (k = local_open(c, o->socket, code)) == NULL)
		return false;
	err = k != NULL ? ask_node(v, o, k, &why) : over_broker ? ask_broker(v, o, &why) : read_files(v, o, &why);
	kurzweg_close(&k);
	if (err != KW_OK)
		*code = err == KW_EINVAL && (over_broker || o->socket != NULL) ? cli_usage(c, "%s", why.text) : cli_fail(c, err, &why);
	return err == KW_OK;
}
