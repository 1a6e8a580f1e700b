/* load_figures: quantiles and JSON. */
#include "load_figures.h"

#include <stdio.h>

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static int
by_ns(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static size_t
rank_of(size_t n, double q)
{
	size_t rank = (size_t)((double)n * q);

	return rank < n ? rank : n - 1;
}

double
load_quantile(double *v, size_t n, double q)
{
	MUST(n > 0);
	qsort(v, n, sizeof *v, by_value);
	return v[rank_of(n, q)];
}

json_t *
load_latency(uint64_t *ns, size_t n)
{
	MUST(n > 0);
	qsort(ns, n, sizeof *ns, by_ns);
	return json_pack("{s:f,s:f,s:f,s:f,s:I}", "p50", (double)ns[rank_of(n, 0.5)] / 1e3, "p99", (double)ns[rank_of(n, 0.99)] / 1e3, "p999",
	                 (double)ns[rank_of(n, 0.999)] / 1e3, "max", (double)ns[n - 1] / 1e3, "count", (json_int_t)n);
}

double
load_ms(uint64_t from_ns, uint64_t to_ns)
{
	return ((double)to_ns - (double)from_ns) / 1e6;
}

json_t *
load_usage_each(struct usage u, double messages)
{
	return json_pack("{s:f,s:f,s:f}", "main", (double)u.main_ns / 1e3 / messages, "io", (double)u.io_ns / 1e3 / messages, "rest",
	                 (double)u.rest_ns / 1e3 / messages);
}

void
load_print(json_t *figure)
{
	char *text = figure != NULL ? json_dumps(figure, JSON_COMPACT | JSON_REAL_PRECISION(6)) : NULL;

	if (text == NULL)
		load_fail("out of memory");
	(void)printf("%s\n", text);
	(void)fflush(stdout);
	free(text);
	json_decref(figure);
}
