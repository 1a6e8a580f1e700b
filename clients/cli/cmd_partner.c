/* cmd_partner: a partner's node set up: three questions, its key, its configuration, and the line to hand over. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "certs/keys.h"
#include "clients/cli/commands.h"
#include "config/yaml_put.h"
#include "config/yaml_want.h"
#include "proto/topic.h"

#define FOLDER_DEFAULT "/etc/kurzweg"
#define CONFIG_MAX (1u << 20)

struct init_options {
	const char *node, *use, *spool, *to, *state, *socket;
	bool json;
};

struct init { /* what one run knows */
	const struct cli *c;
	const struct init_options *o;
	char node[KW_NODE_MAX + 1], use[16], spool[PATH_MAX];  /* the answers; spool "": none */
	char folder[PATH_MAX];
	char config[PATH_MAX + 16], key[PATH_MAX + 16];
	bool has_config;               /* it is there already, and stays as it is */
	struct secret_keys *keys;
};

/* ---- where ---- */

/* The key's path as the configuration that is there says. */
static enum kw_err
read_config(struct init *i, struct kw_why *why)
{
	struct buf text = BUF_INIT(CONFIG_MAX);
	struct yaml_tree *tree = NULL;
	const char *key = NULL;
	enum kw_err err = fs_read(&text, i->config, why);

	if (err == KW_ENOTFOUND) {
		buf_free(&text);
		return KW_OK;
	}
	if (err == KW_OK && (err = yaml_tree_parse(&tree, buf_span(&text), why)) == KW_OK)
		err = yaml_want_text(&key, NULL, yaml_tree_root(tree), "key", i->config, why);
	if (err == KW_OK && snprintf(i->key, sizeof i->key, "%s", key) >= (int)sizeof i->key)
		err = kw_refuse(why, KW_ELIMIT, "the path of the key in it is too long");
	if (err != KW_OK)
		kw_why_prefix(why, "%s", i->config);
	i->has_config = err == KW_OK;
	yaml_tree_free(&tree);
	buf_free(&text);
	return err;
}

/* Before anything is asked: what could not be written in the end is said at once. */
static enum kw_err
look_around(struct init *i, struct kw_why *why)
{
	const char *to = i->o->to != NULL ? i->o->to : FOLDER_DEFAULT;
	struct stat st;
	enum kw_err err;

	if (realpath(to, i->folder) == NULL || stat(i->folder, &st) != 0 || !S_ISDIR(st.st_mode))
		return kw_refuse(why, KW_ENOTFOUND, "%s is no folder that is there; make it, or name another with --to", to);
	(void)snprintf(i->config, sizeof i->config, "%s/partner.yaml", i->folder);
	(void)snprintf(i->key, sizeof i->key, "%s/node.key", i->folder);
	if ((err = read_config(i, why)) != KW_OK)
		return err;
	if (lstat(i->key, &st) == 0)
		return kw_refuse(why, KW_EEXISTS, "%s is there already, so this node has its key: \"kurzweg key show %s\" prints the line to hand over", i->key, i->key);
	if (access(i->folder, W_OK) != 0)
		return kw_refuse(why, KW_EDENIED, "this user may not write in %s; run it as root", i->folder);
	if (i->has_config && i->o->spool != NULL && strcmp(i->o->spool, "none") != 0)
		return kw_refuse(why, KW_EEXISTS, "%s is there already and stays as it is; write the spool into it by hand, and leave --spool away", i->config);
	return KW_OK;
}

/* ---- three questions ---- */

static enum kw_err
check_node(const char *answer, struct kw_why *why)
{
	return node_check(answer, why);
}

static enum kw_err
check_use(const char *answer, struct kw_why *why)
{
	if (strcmp(answer, "live") == 0 || strcmp(answer, "exercise") == 0)
		return KW_OK;
	return kw_refuse(why, KW_EINVAL, "\"%.40s\" is neither live nor exercise", answer);
}

static enum kw_err
check_spool(const char *answer, struct kw_why *why)
{
	struct stat st;

	if (strcmp(answer, "none") == 0)
		return KW_OK;
	if (answer[0] != '/')
		return kw_refuse(why, KW_EINVAL, "the spool \"%.200s\" must be a whole path, as /var/spool/kurzweg, or none", answer);
	if (stat(answer, &st) != 0 || !S_ISDIR(st.st_mode))
		return kw_refuse(why, KW_EINVAL, "%.200s is no folder that is there; make it, or say none", answer);
	return KW_OK;
}

/* The option's word, or what is typed, asked for again until it may stand; without a terminal what is usual. */
static enum kw_err
answer(char *out, size_t room, const struct init *i, const char *given, const char *question, const char *usual,
       enum kw_err (*check)(const char *, struct kw_why *), struct kw_why *why)
{
	enum kw_err err;

	if (given == NULL && !i->c->terminal)
		given = usual;
	if (given != NULL) {
		if (strlen(given) >= room)
			return kw_refuse(why, KW_ELIMIT, "\"%.40s…\" has more than %zu bytes", given, room - 1);
		(void)snprintf(out, room, "%s", given);
		return check(out, why);
	}
	for (;;) {
		if ((err = cli_ask(out, room, i->c, question, usual, why)) == KW_EDENIED)
			return err;
		if (err == KW_OK && check(out, why) == KW_OK)
			return KW_OK;
		cli_error(i->c, why->text);
	}
}

static enum kw_err
ask_three(struct init *i, struct kw_why *why)
{
	enum kw_err err;

	if ((err = answer(i->node, sizeof i->node, i, i->o->node, _("1 of 3: the name of this node, as police/control-room"), NULL, check_node, why)) != KW_OK)
		return err;
	if ((err = answer(i->use, sizeof i->use, i, i->o->use, _("2 of 3: is it for live use or for exercises (live, exercise)"), "live", check_use, why)) != KW_OK)
		return err;
	if (i->has_config) {
		if (i->c->terminal)
			cli_note(i->c, _("3 of 3 is not asked, since %s is there already: where other systems are to publish by files, write \"spool\" into it."), i->config);
		(void)snprintf(i->spool, sizeof i->spool, "none");
		return KW_OK;
	}
	return answer(i->spool, sizeof i->spool, i, i->o->spool, _("3 of 3: a folder from which other systems publish by files, or none"), "none", check_spool, why);
}

/* ---- what is made ---- */

static void
put_value(struct buf *out, const char *key, const char *before, const char *value, const char *behind)
{
	struct buf whole = BUF_INIT(2 * PATH_MAX);

	buf_printf(&whole, "%s%s%s", before, value, behind);
	buf_printf(out, "%s: ", key);
	yaml_put_quoted(out, cli_text(&whole));
	buf_put_u8(out, '\n');
	buf_free(&whole);
}

/* In the usual folder the units look for everything elsewhere; in another one all of it stays together. */
static void
put_config(struct buf *out, const struct init *i)
{
	bool usual = strcmp(i->folder, FOLDER_DEFAULT) == 0;

	buf_put_str(out, "# ");
	buf_printf(out, _("Configuration of kurzweg-partner for %s (%s), made by \"kurzweg partner init\"."), i->node, i->use);
	buf_printf(out, "\n# %s\n", _("partner.yaml.sample explains every key that may stand here."));
	put_value(out, "agreement", "", i->folder, "/agreement.yaml");
	put_value(out, "key", "", i->key, "");
	if (i->o->socket != NULL)
		put_value(out, "socket", "", i->o->socket, "");
	else
		put_value(out, "socket", "ipc://", usual ? "/run/kurzweg" : i->folder, "/partner.sock");
	if (i->o->state != NULL)
		put_value(out, "state", "", i->o->state, "");
	else
		put_value(out, "state", "", usual ? "/var/lib/kurzweg" : i->folder, usual ? "/partner" : "/state");
	if (strcmp(i->spool, "none") != 0)
		put_value(out, "spool", "", i->spool, "");
}

static enum kw_err
write_config(const struct init *i, struct kw_why *why)
{
	struct buf text = BUF_INIT(CONFIG_MAX);
	struct yaml_tree *tree = NULL;
	enum kw_err err;

	put_config(&text, i);
	if (!buf_ok(&text))
		err = kw_refuse(why, KW_ENOMEM, "out of memory while writing %s", i->config);
	else
		err = yaml_tree_parse(&tree, buf_span(&text), why); /* a path may hold what no YAML may */
	if (err == KW_OK)
		err = fs_write_new(i->config, buf_span(&text), 0644, why);
	yaml_tree_free(&tree);
	buf_free(&text);
	return err;
}

/* Both or neither: a key that nobody knows yet is taken away again. */
static enum kw_err
make(struct init *i, struct kw_why *why)
{
	enum kw_mode mode = strcmp(i->use, "live") == 0 ? MODE_LIVE : MODE_EXERCISE;
	enum kw_err err = secret_keys_new(&i->keys, KEY_NODE, mode, i->node, why);

	if (err == KW_OK && (err = secret_keys_write(i->keys, i->key, NULL, why)) == KW_OK && !i->has_config && (err = write_config(i, why)) != KW_OK)
		(void)unlink(i->key);
	return err;
}

static enum cli_exit
tell(const struct init *i)
{
	const char *line = secret_keys_line(i->keys);
	char fingerprint[KEY_FINGERPRINT_MAX];

	public_key_fingerprint(fingerprint, line);
	cli_note(i->c, _("%s holds the secret key of %s (%s); it never leaves this machine, but keep a copy where only you get at it."), i->key, i->node,
	         strcmp(i->use, "live") == 0 ? _("live") : _("exercise"));
	if (i->has_config)
		cli_note(i->c, _("%s was there already and stays as it is."), i->config);
	else
		cli_note(i->c, _("%s is its configuration."), i->config);
	cli_note(i->c, _("Hand over the public line to whoever writes the agreement; it holds nothing secret. When they call, read the fingerprint aloud:"));
	cli_note(i->c, "  %s", fingerprint);
	if (i->o->json)
		return cli_json(i->c, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "node", i->node, "mode", i->use, "line", line, "fingerprint", fingerprint, "key",
		                                i->key, "config", i->config));
	(void)printf("%s\n", line);
	return CLI_DONE;
}

static enum cli_exit
run_init(struct cli *c, const void *options)
{
	struct init i = {.c = c, .o = options};
	enum cli_exit code;
	struct kw_why why;
	enum kw_err err;

	if (i.o->node == NULL && !c->terminal)
		return cli_usage(c, _("there is no terminal to ask on; give --node NAME, and --use and --spool where they are not live and none"));
	err = look_around(&i, &why);
	if (err == KW_OK)
		err = ask_three(&i, &why);
	if (err == KW_OK)
		err = make(&i, &why);
	code = err == KW_OK ? tell(&i) : cli_fail(c, err, &why);
	secret_keys_free(&i.keys);
	return code;
}

static const struct cli_option init_table[] = {
	{"node", 0, CLI_TEXT, offsetof(struct init_options, node), N_("NAME"), N_("the node's name, as police/control-room"), 0, 0},
	{"use", 0, CLI_TEXT, offsetof(struct init_options, use), N_("USE"), N_("live or exercise; the two never mix"), 0, 0},
	{"spool", 0, CLI_TEXT, offsetof(struct init_options, spool), N_("FOLDER"), N_("from which other systems publish by files; or none"), 0, 0},
	{"to", 0, CLI_TEXT, offsetof(struct init_options, to), N_("FOLDER"), N_("where key and configuration go; /etc/kurzweg if not given"), 0, 0},
	{"state", 0, CLI_TEXT, offsetof(struct init_options, state), N_("FOLDER"), N_("where outbox and inbox will lie, if not in the usual place"), 0, 0},
	{"socket", 0, CLI_TEXT, offsetof(struct init_options, socket), N_("ENDPOINT"), N_("the node's local socket, if not in the usual place"), 0, 0},
	{"json", 0, CLI_FLAG, offsetof(struct init_options, json), NULL, N_("as JSON"), 0, 0},
	CLI_NO_MORE,
};

const struct cli_command cmd_partner_init = {
	"partner", "init", NULL, 0, 0, N_("set up this machine as a partner's node: key, configuration, the line to hand over"),
	N_("Asks three questions; what an option answers is not asked. Makes node.key and partner.yaml in /etc/kurzweg, and\n"
	   "overwrites neither. Prints the line for the agreement on standard output, and the fingerprint beside it."),
	init_table, run_init,
};
