/* config: partner.yaml to plain values. */
#include "clients/partner/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/text.h"
#include "config/yaml_tree.h"
#include "config/yaml_want.h"
#include "proto/topic.h"

#define HOUR_MS (3600ull * 1000)
#define DAY_MS (24 * HOUR_MS)
#define CONFIG_MAX (1024u * 1024u)
#define STORE_PAGE 4096u

static const char *const keys[] = {"agreement", "fingerprint", "key", "key_before", "subscribe", "socket", "state", "spool", "handlers", "keep", "audit", "limits", "log"};
static const char *const handler_keys[] = {"name", "topic", "run", "as", "cases", "drafts", "suspensions", "attempts", "timeout"};
static const char *const forms[] = {"json", "cap", "text", "text-de"}; /* enum handler_form */
static const char *const keep_keys[] = {"content"};
static const char *const audit_keys[] = {"keep_years"};
static const char *const limit_keys[] = {"outbox", "store"};
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static enum kw_err
copy_text(char **out, const char *text, struct kw_why *why)
{
	free(*out);
	*out = text != NULL ? strdup(text) : NULL;
	return text == NULL || *out != NULL ? KW_OK : kw_refuse(why, KW_ENOMEM, "out of memory for the configuration");
}

static enum kw_err
want_path(char **out, const struct yaml_node *root, const char *key, const char *standard, bool must, struct kw_why *why)
{
	const char *text = standard;
	size_t line = 0;
	enum kw_err err = must ? yaml_want_text(&text, &line, root, key, "partner.yaml", why) : yaml_may_text(&text, &line, root, key, "partner.yaml", why);

	if (err != KW_OK)
		return err;
	if (text != NULL && text[0] != '/')
		return kw_refuse(why, KW_EINVAL, "line %zu: %s is \"%.200s\"; write the whole path, beginning with /", line, key, text);
	return copy_text(out, text, why);
}

static enum kw_err
want_socket(struct partner_config *c, const struct yaml_node *root, struct kw_why *why)
{
	const char *text = "ipc:///run/kurzweg/partner.sock";
	size_t line = 0;
	enum kw_err err = yaml_may_text(&text, &line, root, "socket", "partner.yaml", why);

	if (err != KW_OK)
		return err;
	if (strncmp(text, "ipc:///", 7) != 0)
		return kw_refuse(why, KW_EINVAL, "line %zu: socket is \"%.200s\"; it must begin with ipc:/// and name a file of this machine", line, text);
	if (strlen(text + 6) > 100)
		return kw_refuse(why, KW_ELIMIT, "line %zu: the socket's path has %zu bytes, at most 100 are possible", line, strlen(text + 6));
	return copy_text(&c->socket, text, why);
}

static enum kw_err
want_filters(struct partner_config *c, const struct yaml_node *root, struct kw_why *why)
{
	const struct yaml_node *list;
	enum kw_err err = yaml_may(&list, root, "subscribe", YAML_LIST, "partner.yaml", why);

	if (err != KW_OK || list == NULL)
		return err;
	if (yaml_count(list) > WIRE_FILTERS_MAX)
		return kw_refuse(why, KW_ELIMIT, "line %zu: subscribe has %zu filters, at most %d are allowed", yaml_line(list), yaml_count(list), WIRE_FILTERS_MAX);
	c->filters = calloc(yaml_count(list), sizeof *c->filters);
	if (c->filters == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for the configuration");
	for (size_t i = 0; i < yaml_count(list); i++) {
		const struct yaml_node *n = yaml_item(list, i);

		if (yaml_kind(n) != YAML_SCALAR)
			return kw_refuse(why, KW_EINVAL, "line %zu: subscribe is a list of filters, each a text", yaml_line(n));
		if ((err = filter_check(yaml_text(n), why)) != KW_OK) {
			kw_why_prefix(why, "line %zu: subscribe", yaml_line(n));
			return err;
		}
		memcpy(c->filters[c->filter_count++], yaml_text(n), strlen(yaml_text(n)) + 1);
	}
	return KW_OK;
}

static enum kw_err
want_run(struct config_handler *h, const struct yaml_node *n, struct kw_why *why)
{
	const struct yaml_node *list;
	enum kw_err err = yaml_want(&list, n, "run", YAML_LIST, "a handler", why);

	if (err != KW_OK)
		return err;
	if (yaml_count(list) > CONFIG_ARGS_MAX)
		return kw_refuse(why, KW_ELIMIT, "line %zu: run has %zu words, at most %d are allowed", yaml_line(list), yaml_count(list), CONFIG_ARGS_MAX);
	for (size_t i = 0; i < yaml_count(list); i++) {
		const struct yaml_node *word = yaml_item(list, i);

		if (yaml_kind(word) != YAML_SCALAR)
			return kw_refuse(why, KW_EINVAL, "line %zu: run is a list of the program and its arguments, each a text", yaml_line(word));
		if (i == 0 && yaml_text(word)[0] != '/')
			return kw_refuse(why, KW_EINVAL, "line %zu: run begins with \"%.200s\"; write the program's whole path, beginning with /", yaml_line(list),
			                 yaml_text(word));
		if ((err = copy_text(&h->run[i], yaml_text(word), why)) != KW_OK)
			return err;
	}
	return KW_OK;
}

static enum kw_err
want_handler(struct config_handler *h, const struct yaml_node *n, struct kw_why *why)
{
	static const char *const cases[] = {"none", "turns", "all"};
	static const char *const wishes[] = {"no", "yes"};
	const struct yaml_node *as, *which;
	const char *topic = NULL, *name = NULL;
	char standard[KW_TOPIC_MAX + 256];
	size_t line, form = HANDLER_JSON, changes = CASES_NONE, wanted = 0;
	uint64_t attempts = 10;
	enum kw_err err;

	if (yaml_kind(n) != YAML_MAP)
		return kw_refuse(why, KW_EINVAL, "line %zu: a handler is written as {topic: …, run: […], as: json}", yaml_line(n));
	if ((err = yaml_only_keys(n, handler_keys, COUNT(handler_keys), "a handler", why)) != KW_OK)
		return err;
	if ((err = yaml_may(&which, n, "suspensions", YAML_SCALAR, "a handler", why)) != KW_OK)
		return err;
	if (which != NULL && (err = yaml_one_of(&wanted, which, wishes, COUNT(wishes), "suspensions", why)) != KW_OK)
		return err;
	h->suspensions = wanted == 1;
	if (h->suspensions) /* and for nothing else, where it names no topic */
		err = yaml_may_text(&topic, &line, n, "topic", "a handler", why);
	else
		err = yaml_want_text(&topic, &line, n, "topic", "a handler", why);
	if (err != KW_OK)
		return err;
	if (topic != NULL && (err = filter_check(topic, why)) != KW_OK) {
		kw_why_prefix(why, "line %zu: topic", line);
		return err;
	}
	if ((err = copy_text(&h->topic, topic != NULL ? topic : "", why)) != KW_OK || (err = want_run(h, n, why)) != KW_OK)
		return err;
	if ((err = yaml_may(&as, n, "as", YAML_SCALAR, "a handler", why)) != KW_OK)
		return err;
	if (as != NULL && (err = yaml_one_of(&form, as, forms, COUNT(forms), "as", why)) != KW_OK)
		return err;
	h->as = (enum handler_form)form;
	if ((err = yaml_may(&which, n, "cases", YAML_SCALAR, "a handler", why)) != KW_OK)
		return err;
	if (which != NULL && (err = yaml_one_of(&changes, which, cases, COUNT(cases), "cases", why)) != KW_OK)
		return err;
	if (changes != CASES_NONE && h->as == HANDLER_CAP)
		return kw_refuse(why, KW_EINVAL, "line %zu: a handler that takes CAP takes alerts alone; for \"cases\" let it take JSON", yaml_line(which));
	if (h->suspensions && h->as == HANDLER_CAP)
		return kw_refuse(why, KW_EINVAL, "line %zu: a handler that takes CAP takes alerts alone; for \"suspensions\" let it take JSON or text", yaml_line(n));
	if (topic == NULL && changes != CASES_NONE)
		return kw_refuse(why, KW_EINVAL, "line %zu: a handler for cases needs a \"topic\"; it may be left out only where \"suspensions\" are all that it is for", yaml_line(n));
	h->cases = (enum handler_cases)changes;
	wanted = 0;
	if ((err = yaml_may(&which, n, "drafts", YAML_SCALAR, "a handler", why)) != KW_OK)
		return err;
	if (which != NULL && (err = yaml_one_of(&wanted, which, wishes, COUNT(wishes), "drafts", why)) != KW_OK)
		return err;
	h->drafts = wanted == 1;
	if (yaml_get(n, "attempts") != NULL && (err = yaml_want_u64(&attempts, n, "attempts", 1, 1000, "a handler", why)) != KW_OK)
		return err;
	h->attempts = (uint32_t)attempts;
	h->timeout_ms = 60000;
	if ((err = yaml_may_duration(&h->timeout_ms, n, "timeout", 1000, HOUR_MS, "a handler", why)) != KW_OK)
		return err;
	if ((err = yaml_may_text(&name, &line, n, "name", "a handler", why)) != KW_OK)
		return err;
	(void)snprintf(standard, sizeof standard, "%s %.200s", topic != NULL ? topic : "suspensions", h->run[0]);
	return copy_text(&h->name, name != NULL ? name : standard, why);
}

static enum kw_err
want_handlers(struct partner_config *c, const struct yaml_node *root, struct kw_why *why)
{
	const struct yaml_node *list;
	enum kw_err err = yaml_may(&list, root, "handlers", YAML_LIST, "partner.yaml", why);

	if (err != KW_OK || list == NULL)
		return err;
	if (yaml_count(list) > CONFIG_HANDLERS_MAX)
		return kw_refuse(why, KW_ELIMIT, "line %zu: there are %zu handlers, at most %d are allowed", yaml_line(list), yaml_count(list), CONFIG_HANDLERS_MAX);
	c->handlers = calloc(yaml_count(list), sizeof *c->handlers);
	if (c->handlers == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for the configuration");
	for (size_t i = 0; i < yaml_count(list); i++) {
		const struct yaml_node *n = yaml_item(list, i);

		c->handler_count++;
		if ((err = want_handler(&c->handlers[i], n, why)) != KW_OK)
			return err;
		for (size_t k = 0; k < i; k++)
			if (strcmp(c->handlers[k].name, c->handlers[i].name) == 0)
				return kw_refuse(why, KW_EEXISTS, "line %zu: two handlers are called \"%.200s\"; give one of them a name of its own, \"name: …\"", yaml_line(n),
				                 c->handlers[i].name);
	}
	return KW_OK;
}

static enum kw_err
want_keep_and_limits(struct partner_config *c, const struct yaml_node *root, struct kw_why *why)
{
	const struct yaml_node *map;
	const char *store = NULL;
	uint64_t outbox = 1000000, bytes = 0;
	size_t line;
	enum kw_err err;

	c->outbox_max = (uint32_t)outbox;
	if ((err = yaml_may(&map, root, "keep", YAML_MAP, "partner.yaml", why)) != KW_OK)
		return err;
	if (map != NULL && (err = yaml_only_keys(map, keep_keys, COUNT(keep_keys), "keep", why)) != KW_OK)
		return err;
	if (map != NULL && (err = yaml_may_duration(&c->keep_content_ms, map, "keep.content", HOUR_MS, 3650 * DAY_MS, "keep", why)) != KW_OK)
		return err;
	if ((err = yaml_may(&map, root, "limits", YAML_MAP, "partner.yaml", why)) != KW_OK || map == NULL)
		return err;
	if ((err = yaml_only_keys(map, limit_keys, COUNT(limit_keys), "limits", why)) != KW_OK)
		return err;
	if (yaml_get(map, "outbox") != NULL && (err = yaml_want_u64(&outbox, map, "limits.outbox", 1, 100000000, "limits", why)) != KW_OK)
		return err;
	c->outbox_max = (uint32_t)outbox;
	if ((err = yaml_may_text(&store, &line, map, "store", "limits", why)) != KW_OK || store == NULL)
		return err;
	if ((err = text_bytes(&bytes, store, 1u << 20, (uint64_t)1 << 42, "limits.store", why)) != KW_OK) {
		kw_why_prefix(why, "line %zu", line);
		return err;
	}
	c->store_pages_max = (uint32_t)(bytes / STORE_PAGE);
	return KW_OK;
}

static enum kw_err
want_audit(struct partner_config *c, const struct yaml_node *root, struct kw_why *why)
{
	const struct yaml_node *map;
	uint64_t years = 1;
	enum kw_err err = yaml_may(&map, root, "audit", YAML_MAP, "partner.yaml", why);

	if (err == KW_OK && map != NULL)
		err = yaml_only_keys(map, audit_keys, COUNT(audit_keys), "audit", why);
	if (err == KW_OK && map != NULL)
		err = yaml_want_u64(&years, map, "keep_years", 0, KW_AUDIT_YEARS_MAX, "audit", why);
	c->audit_keep_years = (uint32_t)years;
	return err;
}

static enum kw_err
take(struct partner_config *c, const struct yaml_node *root, struct kw_why *why)
{
	const char *fingerprint = NULL;
	size_t line;
	enum kw_err err;

	if (yaml_kind(root) != YAML_MAP)
		return kw_refuse(why, KW_EINVAL, "line %zu: partner.yaml is a list of \"key: value\" lines", yaml_line(root));
	if ((err = yaml_only_keys(root, keys, COUNT(keys), "partner.yaml", why)) != KW_OK)
		return err;
	if ((err = want_path(&c->agreement, root, "agreement", NULL, true, why)) != KW_OK)
		return err;
	if ((err = want_path(&c->key, root, "key", NULL, true, why)) != KW_OK)
		return err;
	if ((err = want_path(&c->key_before, root, "key_before", NULL, false, why)) != KW_OK)
		return err;
	if ((err = want_path(&c->state, root, "state", "/var/lib/kurzweg/partner", false, why)) != KW_OK)
		return err;
	if ((err = want_path(&c->spool, root, "spool", NULL, false, why)) != KW_OK)
		return err;
	if ((err = want_socket(c, root, why)) != KW_OK)
		return err;
	if ((err = yaml_may_text(&fingerprint, &line, root, "fingerprint", "partner.yaml", why)) != KW_OK)
		return err;
	if ((err = copy_text(&c->fingerprint, fingerprint, why)) != KW_OK)
		return err;
	if ((err = want_filters(c, root, why)) != KW_OK || (err = want_handlers(c, root, why)) != KW_OK)
		return err;
	if ((err = want_audit(c, root, why)) != KW_OK)
		return err;
	c->log = LOG_NOTICE;
	if ((err = yaml_may_log_level(&c->log, root, "log", "partner.yaml", why)) != KW_OK)
		return err;
	return want_keep_and_limits(c, root, why);
}

enum kw_err
config_parse(struct partner_config *out, struct span text, struct kw_why *why)
{
	struct yaml_tree *tree;
	enum kw_err err;

	memset(out, 0, sizeof *out);
	if ((err = yaml_tree_parse(&tree, text, why)) != KW_OK)
		return err;
	err = take(out, yaml_tree_root(tree), why);
	yaml_tree_free(&tree);
	return err;
}

enum kw_err
config_read(struct partner_config *out, const char *path, struct kw_why *why)
{
	struct buf text = BUF_INIT(CONFIG_MAX);
	enum kw_err err;

	memset(out, 0, sizeof *out);
	if ((err = fs_read(&text, path, why)) != KW_OK)
		return err;
	if ((err = config_parse(out, buf_span(&text), why)) != KW_OK)
		kw_why_prefix(why, "%s", path);
	buf_free(&text);
	return err;
}

void
config_handler_free(struct config_handler *h)
{
	free(h->name);
	free(h->topic);
	for (size_t k = 0; k <= CONFIG_ARGS_MAX; k++)
		free(h->run[k]);
	*h = (struct config_handler){.name = NULL};
}

void
config_free(struct partner_config *c)
{
	for (uint32_t i = 0; i < c->handler_count; i++)
		config_handler_free(&c->handlers[i]);
	free(c->handlers);
	free(c->filters);
	free(c->agreement);
	free(c->fingerprint);
	free(c->key);
	free(c->key_before);
	free(c->socket);
	free(c->state);
	free(c->spool);
	memset(c, 0, sizeof *c);
}

static void
put_handlers(struct settings *out, const struct partner_config *c)
{
	static const char *const cases[] = {"none", "turns", "all"};
	struct buf text = BUF_INIT(4u * 1024 * 1024);

	for (uint32_t i = 0; i < c->handler_count; i++) {
		const struct config_handler *h = &c->handlers[i];

		buf_printf(&text, "%s%s: %s ->", i > 0 ? "; " : "", h->name, h->topic[0] != '\0' ? h->topic : "suspensions");
		for (uint32_t k = 0; h->run[k] != NULL; k++)
			buf_printf(&text, " %s", h->run[k]);
		buf_printf(&text, " (%s, cases %s, drafts %s, suspensions %s, %u attempts, %llu s)", forms[h->as], cases[h->cases], h->drafts ? "yes" : "no",
		           h->suspensions ? "yes" : "no", h->attempts, (unsigned long long)(h->timeout_ms / 1000));
	}
	buf_put_str(&text, "");
	out->incomplete = out->incomplete || (c->handler_count > 0 && buf_text(&text) == NULL);
	settings_put(out, "handlers", true, "%s", c->handler_count > 0 && buf_text(&text) != NULL ? buf_text(&text) : "none");
	buf_free(&text);
}

static void
put_filters(struct settings *out, const struct partner_config *c)
{
	struct buf text = BUF_INIT(1024u * 1024);

	for (uint32_t i = 0; i < c->filter_count; i++)
		buf_printf(&text, "%s%s", i > 0 ? ", " : "", c->filters[i]);
	out->incomplete = out->incomplete || (c->filter_count > 0 && buf_text(&text) == NULL);
	settings_put(out, "subscribe", true, "%s", c->filter_count > 0 && buf_text(&text) != NULL ? buf_text(&text) : "everything");
	buf_free(&text);
}

void
config_settings(struct settings *out, const struct partner_config *c)
{
	*out = (struct settings){.count = 0};
	settings_put(out, "agreement", true, "%s", c->agreement);
	settings_put(out, "fingerprint", false, "%s", c->fingerprint != NULL ? c->fingerprint : "none");
	settings_put(out, "key", false, "%s", c->key);
	settings_put(out, "key_before", false, "%s", c->key_before != NULL ? c->key_before : "none");
	put_filters(out, c);
	settings_put(out, "socket", false, "%s", c->socket);
	settings_put(out, "state", false, "%s", c->state);
	settings_put(out, "spool", true, "%s", c->spool != NULL ? c->spool : "none");
	put_handlers(out, c);
	if (c->keep_content_ms > 0)
		settings_put(out, "keep.content", true, "%llu s", (unsigned long long)(c->keep_content_ms / 1000));
	else
		settings_put(out, "keep.content", true, "as each topic says");
	settings_put(out, "audit.keep_years", false, "%u", c->audit_keep_years);
	settings_put(out, "limits.outbox", true, "%u", c->outbox_max);
	if (c->store_pages_max > 0)
		settings_put(out, "limits.store", true, "%llu bytes", (unsigned long long)c->store_pages_max * STORE_PAGE);
	else
		settings_put(out, "limits.store", true, "as the disk allows");
	settings_put(out, "log", true, "%s", log_level_name(c->log));
}

void
config_exchange(struct partner_config *running, struct partner_config *fresh)
{
	struct partner_config before = *running;

	*running = *fresh;
	*fresh = before;
	/* what a restart alone changes goes back to where it was */
	fresh->fingerprint = running->fingerprint;
	fresh->key = running->key;
	fresh->key_before = running->key_before;
	fresh->socket = running->socket;
	fresh->state = running->state;
	fresh->audit_keep_years = running->audit_keep_years;
	running->fingerprint = before.fingerprint;
	running->key = before.key;
	running->key_before = before.key_before;
	running->socket = before.socket;
	running->state = before.state;
	running->audit_keep_years = before.audit_keep_years;
}
