/* config: reads broker.yaml. */
#include "broker/config.h"

#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/text.h"
#include "config/yaml_tree.h"
#include "config/yaml_want.h"
#include "proto/limits.h"

#define FILE_MAX (64u * 1024u)
#define IPC_PATH_MAX 100u /* a Unix socket's name has room for 107 bytes */
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

void
broker_config_free(struct broker_config *c)
{
	free(c->agreement);
	free(c->key);
	for (uint32_t i = 0; i < c->listen_count; i++)
		free(c->listen[i]);
	free(c->control);
	free(c->store_path);
	memset(c, 0, sizeof *c);
}

static enum kw_err
keep(char **out, const char *text, struct kw_why *why)
{
	*out = strdup(text);
	return *out != NULL ? KW_OK : kw_refuse(why, KW_ENOMEM, "out of memory");
}

static enum kw_err
want_kept(char **out, const struct yaml_node *map, const char *key, const char *where, struct kw_why *why)
{
	const char *text;
	enum kw_err err = yaml_want_text(&text, NULL, map, key, where, why);

	return err == KW_OK ? keep(out, text, why) : err;
}

static enum kw_err
read_listen(struct broker_config *c, const struct yaml_node *root, struct kw_why *why)
{
	const struct yaml_node *list;
	enum kw_err err = yaml_want(&list, root, "listen", YAML_LIST, "broker.yaml", why);

	if (err != KW_OK)
		return err;
	if (yaml_count(list) > BROKER_LISTEN_MAX)
		return kw_refuse(why, KW_ELIMIT, "line %zu: listen names %zu addresses, at most %d are allowed", yaml_line(list), yaml_count(list),
		                 BROKER_LISTEN_MAX);
	for (size_t i = 0; i < yaml_count(list); i++) {
		const struct yaml_node *item = yaml_item(list, i);

		if (yaml_kind(item) != YAML_SCALAR || strncmp(yaml_text(item), "tcp://", 6) != 0)
			return kw_refuse(why, KW_EINVAL, "line %zu: listen has \"%.100s\", must be addresses such as tcp://*:7411 or tcp://192.0.2.1:7411", yaml_line(item),
			                 yaml_kind(item) == YAML_SCALAR ? yaml_text(item) : "[…]");
		err = keep(&c->listen[c->listen_count], yaml_text(item), why);
		if (err != KW_OK)
			return err;
		c->listen_count++;
	}
	return KW_OK;
}

static enum kw_err
read_control(struct broker_config *c, const struct yaml_node *root, struct kw_why *why)
{
	const char *text = "ipc:///run/kurzweg/broker.sock";
	size_t line = 0;
	enum kw_err err = yaml_may_text(&text, &line, root, "control", "broker.yaml", why);

	if (err != KW_OK)
		return err;
	if (strncmp(text, "ipc:///", 7) != 0)
		return kw_refuse(why, KW_EINVAL, "line %zu: control is \"%s\", must be an absolute path behind ipc://, such as ipc:///run/kurzweg/broker.sock",
		                 line, text);
	if (strlen(text) > IPC_PATH_MAX)
		return kw_refuse(why, KW_ELIMIT, "line %zu: control has %zu bytes, at most %u are allowed", line, strlen(text), IPC_PATH_MAX);
	return keep(&c->control, text, why);
}

static enum kw_err
read_store(struct broker_config *c, const struct yaml_node *root, struct kw_why *why)
{
	static const char *const known[] = {"path", "quota", "force_filesystem"};
	static const char *const words[] = {"false", "true"};
	const struct yaml_node *map, *force;
	const char *quota = NULL;
	size_t line = 0, word = 0;
	enum kw_err err = yaml_want(&map, root, "store", YAML_MAP, "broker.yaml", why);

	if (err == KW_OK)
		err = yaml_only_keys(map, known, COUNT(known), "store", why);
	if (err == KW_OK)
		err = want_kept(&c->store_path, map, "path", "store", why);
	if (err == KW_OK)
		err = yaml_may_text(&quota, &line, map, "quota", "store", why);
	if (err == KW_OK && quota != NULL) {
		err = text_bytes(&c->store_quota, quota, 16ull << 20, 32ull << 40, "store.quota", why);
		if (err != KW_OK)
			kw_why_prefix(why, "line %zu", line);
	}
	if (err == KW_OK)
		err = yaml_may(&force, map, "force_filesystem", YAML_SCALAR, "store", why);
	if (err == KW_OK && force != NULL)
		err = yaml_one_of(&word, force, words, COUNT(words), "store.force_filesystem", why);
	c->store_force_filesystem = word == 1;
	return err;
}

static enum kw_err
read_audit(struct broker_config *c, const struct yaml_node *root, struct kw_why *why)
{
	static const char *const known[] = {"keep_years"};
	const struct yaml_node *map;
	uint64_t years = 1;
	enum kw_err err = yaml_may(&map, root, "audit", YAML_MAP, "broker.yaml", why);

	if (err == KW_OK && map != NULL)
		err = yaml_only_keys(map, known, COUNT(known), "audit", why);
	if (err == KW_OK && map != NULL)
		err = yaml_want_u64(&years, map, "keep_years", 0, KW_AUDIT_YEARS_MAX, "audit", why);
	c->audit_keep_years = (uint32_t)years;
	return err;
}

static enum kw_err
read_rest(struct broker_config *c, const struct yaml_node *root, struct kw_why *why)
{
	uint64_t connections = 8192;
	enum kw_err err;

	if (yaml_get(root, "connections") != NULL) {
		err = yaml_want_u64(&connections, root, "connections", 16, 65536, "broker.yaml", why);
		if (err != KW_OK)
			return err;
	}
	c->connections = (uint32_t)connections;
	c->log = LOG_NOTICE;
	return yaml_may_log_level(&c->log, root, "log", "broker.yaml", why);
}

static enum kw_err
read_root(struct broker_config *c, const struct yaml_node *root, struct kw_why *why)
{
	static const char *const known[] = {"agreement", "key", "listen", "control", "store", "audit", "connections", "log"};
	enum kw_err err;

	if (yaml_kind(root) != YAML_MAP)
		return kw_refuse(why, KW_EINVAL, "line 1: a configuration is a list of \"key: value\"");
	err = yaml_only_keys(root, known, COUNT(known), "broker.yaml", why);
	if (err == KW_OK)
		err = want_kept(&c->agreement, root, "agreement", "broker.yaml", why);
	if (err == KW_OK)
		err = want_kept(&c->key, root, "key", "broker.yaml", why);
	if (err == KW_OK)
		err = read_listen(c, root, why);
	if (err == KW_OK)
		err = read_control(c, root, why);
	if (err == KW_OK)
		err = read_store(c, root, why);
	if (err == KW_OK)
		err = read_audit(c, root, why);
	return err == KW_OK ? read_rest(c, root, why) : err;
}

enum kw_err
broker_config_read(struct broker_config *out, const char *path, struct kw_why *why)
{
	struct buf text = BUF_INIT(FILE_MAX);
	struct yaml_tree *tree = NULL;
	struct broker_config c;
	enum kw_err err;

	memset(&c, 0, sizeof c);
	err = fs_read(&text, path, why);
	if (err != KW_OK)
		goto free_text;
	err = yaml_tree_parse(&tree, buf_span(&text), why);
	if (err == KW_OK)
		err = read_root(&c, yaml_tree_root(tree), why);
	if (err != KW_OK) {
		kw_why_prefix(why, "%s", path);
		broker_config_free(&c);
		goto free_tree;
	}
	*out = c;
free_tree:
	yaml_tree_free(&tree);
free_text:
	buf_free(&text);
	return err;
}

void
broker_config_settings(struct settings *out, const struct broker_config *c)
{
	struct buf listen = BUF_INIT(64 * 1024);
	const char *addresses;

	for (uint32_t i = 0; i < c->listen_count; i++)
		buf_printf(&listen, "%s%s", i > 0 ? ", " : "", c->listen[i]);
	addresses = buf_text(&listen);
	*out = (struct settings){.incomplete = addresses == NULL};
	settings_put(out, "agreement", true, "%s", c->agreement);
	settings_put(out, "key", false, "%s", c->key);
	settings_put(out, "listen", false, "%s", addresses != NULL ? addresses : "");
	settings_put(out, "control", false, "%s", c->control);
	settings_put(out, "store.path", false, "%s", c->store_path);
	if (c->store_quota != 0)
		settings_put(out, "store.quota", true, "%llu bytes", (unsigned long long)c->store_quota);
	else
		settings_put(out, "store.quota", true, "80 %% of the disk");
	settings_put(out, "store.force_filesystem", false, "%s", c->store_force_filesystem ? "true" : "false");
	settings_put(out, "audit.keep_years", false, "%u", c->audit_keep_years);
	settings_put(out, "connections", false, "%u", c->connections);
	settings_put(out, "log", true, "%s", log_level_name(c->log));
	buf_free(&listen);
}

void
broker_config_exchange(struct broker_config *running, struct broker_config *fresh)
{
	struct broker_config before = *running;

	running->agreement = fresh->agreement;
	running->store_quota = fresh->store_quota;
	running->log = fresh->log;
	fresh->agreement = before.agreement;
	fresh->store_quota = before.store_quota;
	fresh->log = before.log;
}
