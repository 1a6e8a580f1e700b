/* progress: see its header. */
#include "clients/cli/progress.h"

#include <stdio.h>

#include "base/clock.h"

#define AFTER_MS 1000u
#define EVERY_MS 250u

struct progress
progress_begin(const struct cli *c)
{
	return (struct progress){.c = c, .begun_ms = clock_mono_ms()};
}

void
progress_bytes(struct progress *p, uint64_t bytes, uint64_t of)
{
	uint64_t now_ms = clock_mono_ms();

	if (!p->c->terminal || now_ms - p->begun_ms < AFTER_MS || (p->shown && now_ms - p->shown_ms < EVERY_MS))
		return;
	p->shown = true;
	p->shown_ms = now_ms;
	(void)fputc('\r', stderr);
	if (of >= bytes && of > 0)
		(void)fprintf(stderr, _("%llu of %llu MiB "), (unsigned long long)(bytes >> 20), (unsigned long long)(of >> 20));
	else
		(void)fprintf(stderr, "%llu MiB ", (unsigned long long)(bytes >> 20));
	(void)fflush(stderr);
}

void
progress_end(struct progress *p)
{
	if (p->shown)
		(void)fprintf(stderr, "\r%40s\r", "");
	p->shown = false;
}
