/* load_figures: many measurements to a few numbers, and those to one line of JSON for tests/bench/load. */
#ifndef KW_BENCH_LOAD_FIGURES_H
#define KW_BENCH_LOAD_FIGURES_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "load_base.h"

double load_quantile(double *v, size_t n, double q);      /* sorts v; q 0.5: the median; nearest rank */
json_t *load_latency(uint64_t *ns, size_t n);             /* sorts; {"p50": …, "p99": …, "p999": …, "max": …, "count": n} in microseconds */
double load_ms(uint64_t from_ns, uint64_t to_ns);
json_t *load_usage_each(struct usage u, double messages); /* {"main": …, "io": …, "rest": …} microseconds of processor for each message */
void load_print(json_t *figure);                          /* one line on standard output; takes the reference */

#endif
