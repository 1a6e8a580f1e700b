/* cmd_agreement_template: an agreement's rules without names, keys and titles, for another city to begin with. */
#include <stdio.h>

#include "base/fs.h"
#include "clients/cli/agreement_file.h"
#include "clients/cli/commands.h"
#include "clients/cli/template.h"

struct template_options {
	const char *to;
};

static enum kw_err
make(struct buf *out, const char *path, struct kw_why *why)
{
	struct buf rules = BUF_INIT(KW_AGREEMENT_MAX);
	struct agreement *a = NULL;
	struct yaml_tree *tree = NULL;
	enum kw_err err = agreement_file_read(&a, path, NULL, why);

	if (err == KW_OK)
		err = yaml_tree_parse(&tree, agreement_text(a), why);
	if (err == KW_OK)
		err = template_make(&rules, yaml_tree_root(tree), why);
	if (err == KW_OK) {
		buf_printf(out, "# %s\n# %s\n# %s\n", _("The rules of an agreement without its names, keys, titles and comments, made by \"kurzweg agreement template\"."),
		           _("Under \"roles\" stands whom they speak of; \"kurzweg agreement draft --template\" puts others in their places."),
		           _("Topics, areas and purposes stand as they were."));
		buf_put_span(out, buf_span(&rules));
	}
	if (err == KW_OK && !buf_ok(out))
		err = kw_refuse(why, KW_ELIMIT, "the template has more than %zu bytes", out->max);
	yaml_tree_free(&tree);
	agreement_free(&a);
	buf_free(&rules);
	return err;
}

static enum cli_exit
run_template(struct cli *c, const void *options)
{
	const struct template_options *o = options;
	struct buf text = BUF_INIT(KW_AGREEMENT_MAX);
	struct kw_why why;
	enum kw_err err = make(&text, c->args[0], &why);

	if (err == KW_OK && o->to != NULL)
		err = fs_write_new(o->to, buf_span(&text), 0644, &why);
	if (err == KW_OK && o->to == NULL)
		(void)printf("%s", cli_text(&text));
	if (err == KW_OK)
		cli_note(c, _("Before you hand it on, look whether topics, areas or purposes name a place or somebody: they are rules, and stand as they were."));
	buf_free(&text);
	return err == KW_OK ? CLI_DONE : cli_fail(c, err, &why);
}

static const struct cli_option template_table[] = {
	{"to", 0, CLI_TEXT, offsetof(struct template_options, to), N_("TEMPLATE"), N_("the file that is made, never overwritten; standard output if not given"), 0, 0},
	CLI_NO_MORE,
};

const struct cli_command cmd_agreement_template = {
	"agreement", "template", N_("FILE"), 1, 1, N_("take names, keys and titles out of an agreement, so that others can begin with its rules"),
	N_("Left are the topics, with a role wherever they named a partner or a node (police-1, city-1/node-2), holidays and\n"
	   "the time zone. \"kurzweg agreement draft --template\" makes a draft of it for somebody else."),
	template_table, run_template,
};
