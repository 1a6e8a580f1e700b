/* standing: the verdict and the faults; what is wrong stands before all figures. */
#include "clients/cli/standing.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void
standing_fault(struct standing *s, bool grave, const char *fmt, ...)
{
	char *text = NULL;
	va_list args;

	s->grave += grave;
	s->minor += !grave;
	if (s->count == STANDING_FAULTS_MAX)
		return;
	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) < 0)
		text = NULL;
	va_end(args);
	if (text == NULL)
		return;
	s->fault[s->count].grave = grave;
	s->fault[s->count++].text = text;
}

static void
print_faults(const struct standing *s, bool grave)
{
	for (size_t i = 0; i < s->count; i++) {
		struct buf lines = BUF_INIT(1u << 20);

		if (s->fault[i].grave != grave)
			continue;
		cli_put_wrapped(&lines, s->fault[i].text, s->c->columns, 2, 2);
		(void)printf("%s%s%s %s\n", cli_colour(s->c, grave ? CLI_RED : CLI_YELLOW), grave ? "!" : "-", cli_colour(s->c, CLI_PLAIN),
		             cli_text(&lines));
		buf_free(&lines);
	}
}

static void
print_verdict(const struct standing *s, char out[160])
{
	if (s->grave > 0)
		(void)snprintf(out, 160, ngettext("%zu thing does not work", "%zu things do not work", s->grave), s->grave);
	else if (s->minor > 0)
		(void)snprintf(out, 160, ngettext("works; %zu thing to look at", "works; %zu things to look at", s->minor), s->minor);
	else
		(void)snprintf(out, 160, "%s", _("all is well"));
}

void
standing_head(struct standing *s, const char *title)
{
	struct buf safe = BUF_INIT(4096);
	char verdict[160];

	print_verdict(s, verdict);
	cli_put_safe(&safe, title);
	(void)printf("%s%s%s  %s%s%s\n", cli_colour(s->c, CLI_BOLD), cli_text(&safe), cli_colour(s->c, CLI_PLAIN),
	             cli_colour(s->c, s->grave > 0 ? CLI_ALARM : s->minor > 0 ? CLI_YELLOW : CLI_GREEN), verdict, cli_colour(s->c, CLI_PLAIN));
	print_faults(s, true);
	print_faults(s, false);
	if (s->grave + s->minor > s->count)
		(void)printf("  ");
	if (s->grave + s->minor > s->count)
		(void)printf(_("and %zu more; --json tells all\n"), s->grave + s->minor - s->count);
	(void)printf("\n");
	for (size_t i = 0; i < s->count; i++)
		free(s->fault[i].text);
	s->count = 0;
	buf_free(&safe);
}

void
standing_bytes(char out[32], uint64_t bytes)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	double n = (double)bytes;
	size_t unit = 0;

	for (; n >= 1024 && unit + 1 < sizeof units / sizeof units[0]; unit++)
		n /= 1024;
	(void)snprintf(out, 32, unit == 0 || n >= 100 ? "%.0f %s" : "%.1f %s", n, units[unit]);
}
