/* cmd_agreement_add: a partner's line put into a draft of the agreement; nothing else of the draft changes. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "clients/cli/agreement_file.h"
#include "clients/cli/commands.h"
#include "clients/cli/handed.h"
#include "config/yaml_append.h"
#include "config/yaml_put.h"
#include "proto/topic.h"

#define ITEM_MAX 65536u

struct add_options {
	const char *to, *kind, *title, *fingerprint;
	struct cli_texts purposes;
	bool json;
};

struct adding { /* what one run knows */
	const struct cli *c;
	const struct add_options *o;
	struct public_key key;
	char line[KEY_LINE_MAX], fingerprint[KEY_FINGERPRINT_MAX];
	char partner[KW_NODE_MAX + 1];
	const char *node;              /* its name within the partner */
	struct buf text, fresh;        /* the draft as it is, and with the partner */
	struct yaml_tree *tree;
};

/* ---- the line ---- */

static enum kw_err
take_line(struct adding *a, struct kw_why *why)
{
	enum kw_err err = handed_line(&a->key, a->line, a->c->args[0], why);
	char *slash;

	if (err != KW_OK)
		return err;
	if (a->key.kind != KEY_NODE)
		return kw_refuse(why, KW_EINVAL, "this is %s, that of \"%s\"; a partner hands over the line of a node, which \"kurzweg partner init\" prints",
		                 key_kind_title(a->key.kind), a->key.name);
	if (public_key_is_operator(&a->key))
		return kw_refuse(why, KW_EINVAL, "this is an operator's key, that of \"%s\"; write it under \"operators\", it is no partner's", a->key.name);
	public_key_fingerprint(a->fingerprint, a->line);
	if (a->o->fingerprint != NULL && !handed_same_fingerprint(a->o->fingerprint, a->fingerprint))
		return kw_refuse(why, KW_EDENIED, "the fingerprint of this line of %s is %s, not %s; nothing is added: ask them for the line again, on another way",
		                 a->key.name, a->fingerprint, a->o->fingerprint);
	(void)snprintf(a->partner, sizeof a->partner, "%s", a->key.name);
	slash = strchr(a->partner, '/');
	*slash = '\0';
	a->node = a->key.name + (slash - a->partner) + 1;
	return KW_OK;
}

/* ---- what stands in the draft already ---- */

static enum kw_err
compare(const struct adding *a, const struct yaml_node *scalar, struct kw_why *why)
{
	struct public_key other;
	const char *text = yaml_text(scalar);

	if (strncmp(text, "kw", 2) != 0 || public_key_parse(&other, text, NULL) != KW_OK)
		return KW_OK;
	if (strcmp(text, a->line) == 0)
		return kw_refuse(why, KW_EEXISTS, "%s: line %zu: this very line of %s stands there already; nothing is added", a->o->to, yaml_line(scalar), a->key.name);
	if (other.kind == KEY_NODE && strcmp(other.name, a->key.name) == 0)
		return kw_refuse(why, KW_EEXISTS, "%s: line %zu: %s stands there already with another key; where the node is to get a new one, put the new line in the "
		                 "place of the old one, else ask them which is theirs", a->o->to, yaml_line(scalar), a->key.name);
	if (memcmp(other.sign_pk, a->key.sign_pk, KW_KEY_LEN) == 0
	    || (other.kind == KEY_NODE && memcmp(other.seal_pk, a->key.seal_pk, KW_KEY_LEN) == 0)
	    || (other.kind != KEY_STEERING && memcmp(other.curve_pk, a->key.curve_pk, KW_KEY_LEN) == 0))
		return kw_refuse(why, KW_EEXISTS, "%s: line %zu: the line of %s holds a key of \"%s\", which stands there; each needs a key of its own", a->o->to,
		                 yaml_line(scalar), a->key.name, other.name);
	return KW_OK;
}

static enum kw_err
compare_all(const struct adding *a, const struct yaml_node *at, struct kw_why *why)
{
	enum kw_err err = KW_OK;

	if (yaml_kind(at) == YAML_SCALAR)
		return compare(a, at, why);
	for (size_t i = 0; i < yaml_count(at) && err == KW_OK; i++)
		err = compare_all(a, yaml_item(at, i), why);
	return err;
}

static const char *
text_of(const struct yaml_node *map, const char *key)
{
	const struct yaml_node *value = yaml_get(map, key);

	return value != NULL && yaml_kind(value) == YAML_SCALAR ? yaml_text(value) : "";
}

/* The item of a list whose id it is. */
static const struct yaml_node *
find(const struct yaml_node *list, const char *id)
{
	for (size_t i = 0; list != NULL && yaml_kind(list) == YAML_LIST && i < yaml_count(list); i++)
		if (strcmp(text_of(yaml_item(list, i), "id"), id) == 0)
			return yaml_item(list, i);
	return NULL;
}

static enum kw_err
check_mode(const struct adding *a, const struct yaml_node *root, struct kw_why *why)
{
	const char *kind = text_of(root, "kind"), *is = a->key.mode == MODE_LIVE ? "live" : "exercise";

	if (kind[0] == '\0' || strcmp(kind, is) == 0)
		return KW_OK;
	return kw_refuse(why, KW_EINVAL, "%s: line %zu: the draft's kind is %.16s, but the key of %s was made for %s; the two never mix, they have to make a key for %s",
	                 a->o->to, yaml_line(yaml_get(root, "kind")), kind, a->key.name, is, kind);
}

/* ---- what is added ---- */

static bool
is_kind(const char *word)
{
	for (unsigned i = 0; agreement_kind_word(i) != NULL; i++)
		if (strcmp(agreement_kind_word(i), word) == 0)
			return true;
	return false;
}

static void
put_kinds(struct buf *out)
{
	for (unsigned i = 0; agreement_kind_word(i) != NULL; i++)
		buf_printf(out, "%s%s", i > 0 ? ", " : "", agreement_kind_word(i));
}

/* A partner called as a kind is of that kind, where nothing else is said. */
static enum kw_err
kind_of(const char **out, const struct adding *a, struct kw_why *why)
{
	const char *kind = a->o->kind != NULL ? a->o->kind : a->partner;
	struct buf kinds = BUF_INIT(512);
	enum kw_err err = KW_OK;

	put_kinds(&kinds);
	if (is_kind(kind))
		*out = kind;
	else if (a->o->kind != NULL)
		err = kw_refuse(why, KW_EINVAL, "--kind is \"%s\", must be one of: %s", a->o->kind, cli_text(&kinds));
	else
		err = kw_refuse(why, KW_EINVAL, "%s is new in %s: say with --kind what it is, one of: %s", a->partner, a->o->to, cli_text(&kinds));
	buf_free(&kinds);
	return err;
}

static enum kw_err
put_purposes(struct buf *out, const struct adding *a, const char *kind, struct kw_why *why)
{
	enum kw_err err;

	if (a->o->purposes.count == 0)
		return KW_OK;
	if (strcmp(kind, "civil") != 0)
		return kw_refuse(why, KW_EINVAL, "%s is of kind %s and commits to no purposes, only civil partners do; leave --purpose away", a->partner, kind);
	buf_put_str(out, "purposes: [");
	for (size_t i = 0; i < a->o->purposes.count; i++) {
		if ((err = name_check(a->o->purposes.text[i], "--purpose", why)) != KW_OK)
			return err;
		buf_printf(out, "%s%s", i > 0 ? ", " : "", a->o->purposes.text[i]);
	}
	buf_put_str(out, "]");
	return KW_OK;
}

/* The same item twice: with a comma between its parts for one line, with a line end for several. */
static enum kw_err
put_partner(struct buf *out, const struct adding *a, const char *kind, const char *between, struct kw_why *why)
{
	enum kw_err err = KW_OK;

	buf_printf(out, "id: %s%skind: %s", a->partner, between, kind);
	if (a->o->title != NULL) {
		buf_printf(out, "%stitle: ", between);
		yaml_put_quoted(out, a->o->title);
	}
	if (a->o->purposes.count > 0) {
		buf_put_str(out, between);
		err = put_purposes(out, a, kind, why);
	}
	buf_printf(out, "%snodes: [{id: %s, key: \"%s\"}]", between, a->node, a->line);
	return err;
}

static enum kw_err
append_partner(struct adding *a, const struct yaml_node *partners, struct kw_why *why)
{
	struct buf flow = BUF_INIT(ITEM_MAX), block = BUF_INIT(ITEM_MAX);
	size_t n = yaml_count(partners);
	bool in_one_line = n > 0 && yaml_kind(yaml_item(partners, n - 1)) != YAML_SCALAR && yaml_place(yaml_item(partners, n - 1)).flow;
	const char *kind = NULL;
	enum kw_err err = kind_of(&kind, a, why);

	if (err == KW_OK) {
		buf_put_u8(&flow, '{');
		err = put_partner(&flow, a, kind, ", ", why);
		buf_put_u8(&flow, '}');
	}
	if (err == KW_OK)
		err = put_partner(&block, a, kind, "\n", why);
	if (err == KW_OK)
		err = yaml_append(&a->fresh, buf_span(&a->text), a->tree, partners, cli_text(&flow), in_one_line ? NULL : cli_text(&block), why);
	buf_free(&flow);
	buf_free(&block);
	return err;
}

/* One more node of a partner that stands there. */
static enum kw_err
append_node(struct adding *a, const struct yaml_node *partner, struct kw_why *why)
{
	const struct yaml_node *nodes = yaml_get(partner, "nodes"), *there = find(nodes, a->node);
	struct buf flow = BUF_INIT(ITEM_MAX);
	enum kw_err err;

	if (nodes == NULL || yaml_kind(nodes) != YAML_LIST)
		return kw_refuse(why, KW_EINVAL, "line %zu: the partner %s has no list \"nodes\"; write nodes: []", yaml_line(partner), a->partner);
	if (there != NULL)
		return kw_refuse(why, KW_EEXISTS, "line %zu: the node %s stands there already; put the line in the place of what stands at its \"key\"", yaml_line(there),
		                 a->key.name);
	if (a->o->kind != NULL && strcmp(a->o->kind, text_of(partner, "kind")) != 0)
		return kw_refuse(why, KW_EINVAL, "line %zu: the partner %s is of kind %.32s there; leave --kind away", yaml_line(partner), a->partner, text_of(partner, "kind"));
	if (a->o->title != NULL || a->o->purposes.count > 0)
		return kw_refuse(why, KW_EINVAL, "line %zu: the partner %s stands there already and gets one more node; leave --title and --purpose away", yaml_line(partner),
		                 a->partner);
	buf_printf(&flow, "{id: %s, key: \"%s\"}", a->node, a->line);
	err = yaml_append(&a->fresh, buf_span(&a->text), a->tree, nodes, cli_text(&flow), NULL, why);
	buf_free(&flow);
	return err;
}

static enum kw_err
append(struct adding *a, struct kw_why *why)
{
	const struct yaml_node *root = yaml_tree_root(a->tree), *partners = yaml_get(root, "partners"), *partner = find(partners, a->partner);

	if (partners == NULL || yaml_kind(partners) != YAML_LIST)
		return kw_refuse(why, KW_EINVAL, "line %zu: the draft has no list \"partners\"; write partners: []", yaml_line(root));
	return partner != NULL ? append_node(a, partner, why) : append_partner(a, partners, why);
}

/* A draft that could stand still can; one that could not is not made worse unseen. */
static enum kw_err
judge(const struct adding *a, struct kw_why *why)
{
	struct agreement *was = NULL, *is = NULL;
	struct kw_why unfinished;
	enum kw_err err;

	err = agreement_parse(&is, buf_span(&a->fresh), NULL, why);
	if (err == KW_OK && agreement_parse(&was, buf_span(&a->text), NULL, NULL) == KW_OK) {
		cli_note(a->c, _("It changes:"));
		err = agreement_file_diff(a->c, was, is, true, why);
	} else if (err != KW_OK && agreement_parse(&was, buf_span(&a->text), NULL, &unfinished) != KW_OK) {
		cli_warn(a->c, _("%s may not stand yet: %s"), a->o->to, why->text);
		err = KW_OK;
	} else if (err != KW_OK) {
		kw_why_prefix(why, "with %s in it the draft may not stand, so nothing is added", a->key.name);
	}
	agreement_free(&was);
	agreement_free(&is);
	return err;
}

/* ---- the file ---- */

static enum kw_err
not_signed(const struct adding *a, struct kw_why *why)
{
	char path[AGREEMENT_PATH_MAX];
	struct stat st;
	enum kw_err err = agreement_file_sig_path(path, a->o->to, why);

	if (err != KW_OK || lstat(path, &st) != 0)
		return err;
	return kw_refuse(why, KW_ESTATE, "%s is signed already, and a change would make all signatures in %s void; make a new draft, with the next version and \"previous\"",
	                 a->o->to, path);
}

static enum kw_err
add(struct adding *a, struct kw_why *why)
{
	const char *to = a->o->to;
	struct stat st;
	enum kw_err err;

	if ((err = not_signed(a, why)) != KW_OK)
		return err;
	if ((err = fs_read(&a->text, to, why)) != KW_OK)
		return err;
	err = yaml_tree_parse(&a->tree, buf_span(&a->text), why);
	if (err != KW_OK) {
		kw_why_prefix(why, "%s", to);
		return err;
	}
	if ((err = check_mode(a, yaml_tree_root(a->tree), why)) != KW_OK)
		return err;
	if ((err = compare_all(a, yaml_tree_root(a->tree), why)) != KW_OK)
		return err;
	if ((err = append(a, why)) != KW_OK || (err = judge(a, why)) != KW_OK) {
		kw_why_prefix(why, "%s", to);
		return err;
	}
	return fs_write(to, buf_span(&a->fresh), stat(to, &st) == 0 && (st.st_mode & 0077) == 0 ? 0600 : 0644, why);
}

/* Two people who add at once on one machine: the second waits, and adds to what the first wrote. */
static enum kw_err
add_locked(struct adding *a, struct kw_why *why)
{
	struct stat open_file, named;
	enum kw_err err;
	int fd;

	for (;;) {
		fd = open(a->o->to, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		if (fd < 0 && errno == ENOENT)
			return kw_refuse(why, KW_ENOTFOUND, "%s does not exist; \"kurzweg agreement draft\" makes a first one", a->o->to);
		if (fd < 0 || flock(fd, LOCK_EX) != 0 || fstat(fd, &open_file) != 0) {
			err = kw_refuse(why, KW_EIO, "%s cannot be locked: %s", a->o->to, strerror(errno));
			break;
		}
		if (stat(a->o->to, &named) != 0 || (named.st_dev == open_file.st_dev && named.st_ino == open_file.st_ino)) {
			err = add(a, why);
			break;
		}
		(void)close(fd); /* replaced while this one waited */
	}
	if (fd >= 0)
		(void)close(fd);
	return err;
}

static enum cli_exit
tell(const struct adding *a)
{
	if (a->o->fingerprint != NULL)
		cli_note(a->c, _("%s stands in %s. Its fingerprint is the one that was given."), a->key.name, a->o->to);
	else
		cli_note(a->c, _("%s stands in %s. Call them on a number that you knew before, and read the fingerprint aloud; all eight groups must be the same."), a->key.name,
		         a->o->to);
	if (a->o->json)
		return cli_json(a->c, json_pack("{s:s, s:s, s:s}", "node", a->key.name, "fingerprint", a->fingerprint, "draft", a->o->to));
	(void)printf("%s\n", a->fingerprint);
	return CLI_DONE;
}

static enum cli_exit
run_add_partner(struct cli *c, const void *options)
{
	struct adding a = {.c = c, .o = options, .text = BUF_INIT(KW_AGREEMENT_MAX), .fresh = BUF_INIT(KW_AGREEMENT_MAX)};
	struct kw_why why;
	enum kw_err err;

	if (a.o->to == NULL)
		return cli_usage(c, _("--to DRAFT is missing: the agreement's text that the partner is to stand in"));
	err = take_line(&a, &why);
	if (err == KW_OK)
		err = add_locked(&a, &why);
	yaml_tree_free(&a.tree);
	buf_free(&a.text);
	buf_free(&a.fresh);
	return err == KW_OK ? tell(&a) : cli_fail(c, err, &why);
}

static const struct cli_option add_table[] = {
	{"to", 0, CLI_TEXT, offsetof(struct add_options, to), N_("DRAFT"), N_("the text that it is put into"), 0, 0},
	{"kind", 0, CLI_TEXT, offsetof(struct add_options, kind), N_("KIND"), N_("of a new partner: police, city, civil, justice, health, fire, school, other"), 0, 0},
	{"title", 0, CLI_TEXT, offsetof(struct add_options, title), N_("TEXT"), N_("of a new partner: what it is called, for people"), 0, 0},
	{"purpose", 0, CLI_TEXTS, offsetof(struct add_options, purposes), N_("WORD"), N_("of a new civil partner: what it has committed itself to; may be given again"), 0, 0},
	{"fingerprint", 0, CLI_TEXT, offsetof(struct add_options, fingerprint), N_("F"), N_("what they read to you by phone; another one is refused"), 0, 0},
	{"json", 0, CLI_FLAG, offsetof(struct add_options, json), NULL, N_("as JSON"), 0, 0},
	CLI_NO_MORE,
};

const struct cli_command cmd_agreement_add_partner = {
	"agreement", "add-partner", N_("LINE"), 1, 1, N_("put a partner's line into a draft of the agreement"),
	N_("LINE is what \"kurzweg partner init\" printed there: the line itself, a file that holds it, or - for standard input.\n"
	   "The node comes to its partner, which is made where it is new; comments and all else stay as they are.\n"
	   "Prints the fingerprint, to be compared by phone. Where anything is wrong, nothing is changed."),
	add_table, run_add_partner,
};
