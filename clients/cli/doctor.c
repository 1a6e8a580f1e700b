/* doctor: findings kept, shown, and as JSON. */
#include "clients/cli/doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients/cli/standing.h"

#define TEXT_MAX 9000u /* two paths, and words */
#define INDENT 9u  /* of the label, behind the verdict */
#define COLUMN 18u /* of the label */

static void KW_PRINTF(2, 0)
append(char **to, const char *fmt, va_list args)
{
	struct buf b = BUF_INIT(64 * 1024);
	char text[TEXT_MAX];

	(void)vsnprintf(text, sizeof text, fmt, args);
	if (*to != NULL)
		buf_printf(&b, "%s\n", *to);
	cli_put_safe(&b, text);
	free(*to);
	*to = cli_memory(strlen(cli_text(&b)) + 1);
	memcpy(*to, cli_text(&b), strlen(cli_text(&b)) + 1);
	buf_free(&b);
}

void
doctor_found(struct doctor *d, const char *check, const char *label, enum doctor_verdict verdict, const char *fmt, ...)
{
	struct doctor_finding *f = &d->found[d->count];
	va_list args;

	MUST(d->count < DOCTOR_FINDINGS_MAX);
	*f = (struct doctor_finding){.check = check, .label = label, .verdict = verdict};
	d->count++;
	va_start(args, fmt);
	append(&f->what, fmt, args);
	va_end(args);
}

static void KW_PRINTF(2, 3)
append_text(char **to, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	append(to, fmt, args);
	va_end(args);
}

void
doctor_means(struct doctor *d, const char *sentence)
{
	append_text(&d->found[d->count - 1].means, "%s", sentence);
}

void
doctor_type(struct doctor *d, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	append(&d->found[d->count - 1].type, fmt, args);
	va_end(args);
}

void
doctor_ask_root(struct doctor *d, const char *check, const char *label)
{
	char quoted[DOCTOR_QUOTED_MAX];

	doctor_found(d, check, label, DOCTOR_UNKNOWN, _("could not be looked at: only %s, whom the daemon runs as, and root may"), d->user);
	doctor_type(d, "sudo kurzweg doctor --config %s", doctor_quoted(quoted, d->path));
}

const char *
doctor_quoted(char out[DOCTOR_QUOTED_MAX], const char *path)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./@:+,=-";
	size_t n = 0;

	if (path[0] != '\0' && strspn(path, plain) == strlen(path)) {
		(void)snprintf(out, DOCTOR_QUOTED_MAX, "%s", path);
		return out;
	}
	out[n++] = '\'';
	for (; *path != '\0' && n + 6 < DOCTOR_QUOTED_MAX; path++) {
		if (*path == '\'') {
			memcpy(out + n, "'\\'", 3);
			n += 3;
		}
		out[n++] = *path;
	}
	out[n++] = '\'';
	out[n] = '\0';
	return out;
}

size_t
doctor_count(const struct doctor *d, enum doctor_verdict verdict)
{
	size_t n = 0;

	for (size_t i = 0; i < d->count; i++)
		n += d->found[i].verdict == verdict;
	return n;
}

void
doctor_free(struct doctor *d)
{
	for (size_t i = 0; i < d->count; i++) {
		free(d->found[i].what);
		free(d->found[i].means);
		free(d->found[i].type);
	}
	d->count = 0;
	secret_keys_free(&d->keys);
	agreement_free(&d->agreement);
	json_decref(d->status);
	config_free(&d->config);
}

/* ---- for people ---- */

static void
verdict_line(const struct doctor *d)
{
	size_t wrong = doctor_count(d, DOCTOR_WRONG), unknown = doctor_count(d, DOCTOR_UNKNOWN), look = doctor_count(d, DOCTOR_LOOK);
	char line[320] = "";

	if (wrong > 0)
		(void)snprintf(line, sizeof line, ngettext("%zu thing is wrong", "%zu things are wrong", wrong), wrong);
	if (unknown > 0) {
		size_t at = strlen(line);

		(void)snprintf(line + at, sizeof line - at, "%s", at > 0 ? ", " : "");
		at = strlen(line);
		(void)snprintf(line + at, sizeof line - at, ngettext("%zu could not be looked at", "%zu could not be looked at", unknown), unknown);
	}
	if (wrong + unknown == 0 && look > 0)
		(void)snprintf(line, sizeof line, ngettext("works; %zu thing to look at", "works; %zu things to look at", look), look);
	(void)printf("%s%s%s  %s%s%s\n\n", cli_colour(d->c, CLI_BOLD), d->keys != NULL ? secret_keys_public(d->keys)->name : d->path, cli_colour(d->c, CLI_PLAIN),
	             cli_colour(d->c, wrong > 0 ? CLI_ALARM : unknown + look > 0 ? CLI_YELLOW : CLI_GREEN), line[0] != '\0' ? line : _("all is well"),
	             cli_colour(d->c, CLI_PLAIN));
}

static void
print_part(const struct doctor *d, const char *text, size_t indent)
{
	struct buf lines = BUF_INIT(256 * 1024);

	cli_put_wrapped(&lines, text, d->c->columns, indent, indent);
	(void)printf("%s\n", cli_text(&lines));
	buf_free(&lines);
}

/* Never wrapped: a command is copied as it stands. */
static void
print_commands(const struct doctor *d, const char *text)
{
	while (*text != '\0') {
		size_t len = strcspn(text, "\n");

		(void)printf("%*s%s %s%.*s%s\n", (int)INDENT, "", _("type:"), cli_colour(d->c, CLI_BOLD), (int)len, text, cli_colour(d->c, CLI_PLAIN));
		text += len + (text[len] == '\n');
	}
}

void
doctor_print(const struct doctor *d)
{
	static const enum cli_colour colours[] = {[DOCTOR_OK] = CLI_GREEN, [DOCTOR_LOOK] = CLI_YELLOW, [DOCTOR_WRONG] = CLI_RED, [DOCTOR_UNKNOWN] = CLI_YELLOW};
	const char *const words[] = {
		[DOCTOR_OK] = _("ok"), /* TRANSLATORS: of a check, at most 8 characters, as the next three */
		[DOCTOR_LOOK] = _("look"), [DOCTOR_WRONG] = _("wrong"), [DOCTOR_UNKNOWN] = _("unknown"),
	};

	verdict_line(d);
	for (size_t i = 0; i < d->count; i++) {
		const struct doctor_finding *f = &d->found[i];
		size_t word = cli_width(words[f->verdict]), label = cli_width(f->label);

		(void)printf("%s%s%s%*s%s%*s", cli_colour(d->c, colours[f->verdict]), words[f->verdict], cli_colour(d->c, CLI_PLAIN), (int)(word < INDENT ? INDENT - word : 1), "",
		             f->label, (int)(label < COLUMN ? COLUMN - label : 1), "");
		print_part(d, f->what, INDENT + COLUMN);
		if (f->means != NULL) {
			(void)printf("%*s", (int)INDENT, "");
			print_part(d, f->means, INDENT);
		}
		if (f->type != NULL)
			print_commands(d, f->type);
	}
}

/* ---- for programs ---- */

static json_t *
commands_json(const char *text)
{
	json_t *list = json_array();

	while (text != NULL && *text != '\0') {
		size_t len = strcspn(text, "\n");

		(void)json_array_append_new(list, json_stringn(text, len));
		text += len + (text[len] == '\n');
	}
	return list;
}

json_t *
doctor_json(const struct doctor *d)
{
	static const char *const words[] = {[DOCTOR_OK] = "ok", [DOCTOR_LOOK] = "look", [DOCTOR_WRONG] = "wrong", [DOCTOR_UNKNOWN] = "unknown"};
	json_t *checks = json_array();

	for (size_t i = 0; i < d->count; i++) {
		const struct doctor_finding *f = &d->found[i];

		(void)json_array_append_new(checks, json_pack("{s:s, s:s, s:s, s:s?, s:o}", "check", f->check, "verdict", words[f->verdict], "what", f->what, "means", f->means,
		                            "type", commands_json(f->type)));
	}
	return json_pack("{s:s, s:s?, s:s?, s:b, s:I, s:I, s:I, s:o}", "config", d->path, "node", d->keys != NULL ? secret_keys_public(d->keys)->name : NULL, "daemon_user",
	                 d->user[0] != '\0' ? d->user : NULL, "well", doctor_count(d, DOCTOR_WRONG) + doctor_count(d, DOCTOR_UNKNOWN) == 0, "wrong",
	                 (json_int_t)doctor_count(d, DOCTOR_WRONG), "unknown", (json_int_t)doctor_count(d, DOCTOR_UNKNOWN), "look",
	                 (json_int_t)doctor_count(d, DOCTOR_LOOK), "checks", checks);
}
