/* cmd_key: keys made, shown, and their fingerprints. */
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "base/fs.h"
#include "certs/keys.h"
#include "clients/cli/commands.h"
#include "proto/topic.h"

#define PATH_ROOM 256

struct new_options {
	bool broker, steering, is_operator, exercise, json;
	const char *out, *lock, *replaces;
	struct cli_passphrase passphrase;
};

struct show_options {
	bool json;
};

static const char *
title_of(const struct public_key *k)
{
	if (public_key_is_operator(k))
		return _("an operator's key");
	switch (k->kind) {
	case KEY_NODE: return _("a node's key");
	case KEY_BROKER: return _("a broker's key");
	case KEY_STEERING: break;
	}
	return _("a steering key");
}

static const char *
kind_word(const struct public_key *k)
{
	static const char *const words[] = {[KEY_NODE] = "node", [KEY_BROKER] = "broker", [KEY_STEERING] = "steering"};

	return public_key_is_operator(k) ? "operator" : words[k->kind];
}

static const char *
mode_title(const struct public_key *k)
{
	if (k->kind == KEY_STEERING)
		return _("signs for live and exercise");
	return k->mode == MODE_LIVE ? _("live") : _("exercise");
}

static enum cli_exit
show_json(const struct cli *c, const struct public_key *k, const char *line, const char *file)
{
	char fingerprint[KEY_FINGERPRINT_MAX];

	public_key_fingerprint(fingerprint, line);
	return cli_json(c, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s*}", "kind", kind_word(k), "name", k->name, "mode",
	                             k->mode == MODE_LIVE ? "live" : "exercise", "line", line, "fingerprint", fingerprint, "file", file));
}

/* police/control-room: police-control-room.key */
static void
default_path(char out[PATH_ROOM], const char *name)
{
	(void)snprintf(out, PATH_ROOM, "%s.key", name);
	for (char *p = out; *p != '\0'; p++)
		if (*p == '/')
			*p = '-';
}

/* What cannot be wanted together, or not for this kind. */
static bool
check_new(const struct cli *c, const struct new_options *o, enum cli_exit *code)
{
	bool passphrase = o->passphrase.file != NULL || o->passphrase.fd != NULL;

	*code = CLI_USAGE;
	if (o->broker + o->steering + o->is_operator > 1)
		(void)cli_usage(c, _("--broker, --steering and --operator are kinds of keys; give one"));
	else if (o->replaces != NULL && (o->broker || o->steering || o->is_operator))
		(void)cli_usage(c, _("--replaces is for a node's key alone: nothing else lies on disk under the old one"));
	else if (o->steering && o->exercise)
		(void)cli_usage(c, _("a steering key signs for live and for exercise; leave --exercise away"));
	else if (!o->steering && (passphrase || o->lock != NULL))
		(void)cli_usage(c, _("only a steering key is locked by a passphrase; its daemon could not ask for one"));
	else if (o->passphrase.file != NULL && o->passphrase.fd != NULL)
		(void)cli_usage(c, _("--passphrase-file and --passphrase-fd are two ways to one passphrase; give one"));
	else
		return true;
	return false;
}

static bool
lock_of(enum key_lock *out, const char *word)
{
	static const char *const words[] = {[KEY_LOCK_INTERACTIVE] = "interactive", [KEY_LOCK_MODERATE] = "moderate", [KEY_LOCK_SENSITIVE] = "sensitive"};

	for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++) {
		if (strcmp(words[i], word) != 0)
			continue;
		*out = (enum key_lock)i;
		return true;
	}
	return false;
}

static bool
check_name(const struct new_options *o, const char *name, struct kw_why *why)
{
	if (o->broker || o->steering || o->is_operator)
		return name_check(name, _("the key's name"), why) == KW_OK;
	return node_check(name, why) == KW_OK;
}

static enum kw_err
write_key(const struct cli *c, const struct secret_keys *k, const char *path, const struct new_options *o, enum key_lock lock, struct kw_why *why)
{
	char *passphrase = NULL;
	enum kw_err err;

	if (!o->steering)
		return secret_keys_write(k, path, NULL, why);
	if ((err = cli_passphrase(&passphrase, c, &o->passphrase, _("A passphrase for the new key"), true, why)) != KW_OK)
		return err;
	err = secret_keys_write_locked(k, path, passphrase, lock, why);
	sodium_free(passphrase);
	return err;
}

static enum cli_exit
tell_new(const struct cli *c, const struct secret_keys *k, const char *path, bool json)
{
	const struct public_key *public = secret_keys_public(k);
	char fingerprint[KEY_FINGERPRINT_MAX];

	public_key_fingerprint(fingerprint, secret_keys_line(k));
	cli_note(c, _("%s holds the secret key of %s (%s, %s); it never leaves this machine, but keep a copy where only you get at it"), path, public->name,
	         title_of(public), mode_title(public));
	cli_note(c, _("fingerprint: %s"), fingerprint);
	cli_note(c, _("Hand over the public line, and compare the fingerprint by phone with whoever writes it into the agreement."));
	if (json)
		return show_json(c, public, secret_keys_line(k), path);
	(void)printf("%s\n", secret_keys_line(k));
	return CLI_DONE;
}

/* That of the same node, whose disk the new key must open. */
static enum kw_err
make_successor(struct secret_keys **out, const struct new_options *o, const char *name, struct kw_why *why)
{
	struct secret_keys *old = NULL;
	const struct public_key *is;
	enum kw_err err = secret_keys_read(&old, KEY_NODE, o->replaces, NULL, why);

	if (err != KW_OK)
		return err;
	is = secret_keys_public(old);
	if (strcmp(is->name, name) != 0)
		err = kw_refuse(why, KW_EINVAL, "%s is the key of %s, not of %s; a key is replaced by one of the same node", o->replaces, is->name, name);
	else if (o->exercise && is->mode == MODE_LIVE)
		err = kw_refuse(why, KW_EINVAL, "%s is for live use, and so is what replaces it; leave --exercise away", o->replaces);
	else
		err = secret_keys_succeed(out, old, why);
	secret_keys_free(&old);
	return err;
}

static enum cli_exit
run_new(struct cli *c, const void *options)
{
	const struct new_options *o = options;
	enum key_kind kind = o->broker ? KEY_BROKER : o->steering ? KEY_STEERING : KEY_NODE;
	enum key_lock lock = KEY_LOCK_MODERATE;
	struct secret_keys *k = NULL;
	char path[PATH_ROOM];
	enum cli_exit code;
	struct kw_why why;
	enum kw_err err;

	if (!check_new(c, o, &code))
		return code;
	if (o->lock != NULL && !lock_of(&lock, o->lock))
		return cli_usage(c, _("--lock is \"%s\", must be interactive, moderate or sensitive"), o->lock);
	if (!check_name(o, c->args[0], &why)) {
		if (kind == KEY_NODE && !o->is_operator && strchr(c->args[0], '/') == NULL)
			kw_why_suffix(&why, "a broker's key wants --broker, a committee member's --steering, an operator's --operator");
		return cli_usage(c, "%s", why.text);
	}
	default_path(path, c->args[0]);
	err = o->replaces != NULL ? make_successor(&k, o, c->args[0], &why)
	                          : secret_keys_new(&k, kind, o->exercise ? MODE_EXERCISE : MODE_LIVE, c->args[0], &why);
	if (err != KW_OK)
		return cli_fail(c, err, &why);
	err = write_key(c, k, o->out != NULL ? o->out : path, o, lock, &why);
	if (err == KW_EEXISTS)
		kw_why_suffix(&why, "\"kurzweg key show %s\" prints the line that belongs to it", o->out != NULL ? o->out : path);
	code = err == KW_OK ? tell_new(c, k, o->out != NULL ? o->out : path, o->json) : cli_fail(c, err, &why);
	secret_keys_free(&k);
	return code;
}

static enum cli_exit
run_show(struct cli *c, const void *options)
{
	const struct show_options *o = options;
	struct public_key k;
	char line[KEY_LINE_MAX];
	struct kw_why why;
	enum kw_err err = secret_keys_read_public(&k, line, c->args[0], &why);

	if (err != KW_OK)
		return cli_fail(c, err, &why);
	if (o->json)
		return show_json(c, &k, line, c->args[0]);
	(void)printf("%s\n", line);
	return CLI_DONE;
}

/* A public line: the word itself, the file that holds it, or what a secret key's file says of itself. */
static enum kw_err
find_line(struct public_key *k, char line[KEY_LINE_MAX], const char *word, struct kw_why *why)
{
	struct buf text = BUF_INIT(4096);
	const char *content = word;
	enum kw_err err;

	text.secret = true;
	if (strncmp(word, "kw", 2) != 0 || strchr(word, ':') == NULL) {
		if ((err = fs_read(&text, word, why)) != KW_OK)
			goto free_text;
		if ((content = buf_text(&text)) == NULL) {
			err = kw_refuse(why, KW_ENOMEM, "out of memory while reading %s", word);
			goto free_text;
		}
		if (strncmp(content, "kurzweg secret key", 18) == 0) {
			err = secret_keys_read_public(k, line, word, why);
			goto free_text;
		}
	}
	content += strspn(content, " \t\r\n");
	(void)snprintf(line, KEY_LINE_MAX, "%.*s", (int)strcspn(content, " \t\r\n"), content);
	err = public_key_parse(k, line, why);
free_text:
	buf_free(&text);
	return err;
}

static enum cli_exit
run_fingerprint(struct cli *c, const void *options)
{
	const struct show_options *o = options;
	struct public_key k;
	char line[KEY_LINE_MAX], fingerprint[KEY_FINGERPRINT_MAX];
	struct kw_why why;
	enum kw_err err = find_line(&k, line, c->args[0], &why);

	if (err != KW_OK)
		return cli_fail(c, err, &why);
	if (o->json)
		return show_json(c, &k, line, NULL);
	public_key_fingerprint(fingerprint, line);
	(void)printf("%s\n", fingerprint);
	cli_note(c, _("This is %s, that of %s (%s). Read the groups aloud to each other by phone; all eight must be the same."), title_of(&k), k.name,
	         mode_title(&k));
	return CLI_DONE;
}

static const struct cli_option new_table[] = {
	{"broker", 0, CLI_FLAG, offsetof(struct new_options, broker), NULL, N_("for a broker; NODE is its name"), 0, 0},
	{"steering", 0, CLI_FLAG, offsetof(struct new_options, steering), NULL, N_("for a member of the steering committee; locked by a passphrase"), 0, 0},
	{"operator", 0, CLI_FLAG, offsetof(struct new_options, is_operator), NULL, N_("for an operator, who reads the broker's state"), 0, 0},
	{"exercise", 0, CLI_FLAG, offsetof(struct new_options, exercise), NULL, N_("for exercises; never mixes with live"), 0, 0},
	{"out", 'o', CLI_TEXT, offsetof(struct new_options, out), N_("FILE"), N_("where the secret key goes; partner-node.key if not given"), 0, 0},
	{"replaces", 0, CLI_TEXT, offsetof(struct new_options, replaces), N_("OLD.key"), N_("a new key for this node that opens what its old one keeps on disk"), 0, 0},
	{"lock", 0, CLI_TEXT, offsetof(struct new_options, lock), N_("LEVEL"), N_("cost of a guess: interactive, moderate (usual) or sensitive"), 0, 0},
	CLI_PASSPHRASE(struct new_options, passphrase),
	{"json", 0, CLI_FLAG, offsetof(struct new_options, json), NULL, N_("as JSON"), 0, 0},
	CLI_NO_MORE,
};

static const struct cli_option show_table[] = {
	{"json", 0, CLI_FLAG, offsetof(struct show_options, json), NULL, N_("as JSON"), 0, 0},
	CLI_NO_MORE,
};

const struct cli_command cmd_key_new = {
	"key", "new", N_("NODE"), 1, 1, N_("make the keys of a node, a broker, an operator or a committee member"),
	N_("NODE is partner/node, as police/control-room; brokers, operators and members have one plain name.\n"
	   "The secret key goes to a file of mode 0600 that is never overwritten; the public line, to hand over,\n"
	   "to standard output."),
	new_table, run_new,
};

const struct cli_command cmd_key_show = {
	"key", "show", N_("FILE"), 1, 1, N_("print the public line of a secret key's file"), NULL, show_table, run_show,
};

const struct cli_command cmd_key_fingerprint = {
	"key", "fingerprint", N_("FILE-OR-LINE"), 1, 1, N_("print a key's fingerprint, to be compared by phone"),
	N_("Takes a secret key's file, a file that holds a public line, - for standard input, or the line itself."), show_table, run_fingerprint,
};
