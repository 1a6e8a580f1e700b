/*
 * Three lines: two filters and a topic. What a filter matches is compared with another way to say MQTT 5 section 4.7, and cover and
 * overlap with what both match.
 */
#include <string.h>

#include "fuzz.h"
#include "proto/topic.h"

/* Level by level, as the standard's text says it. */
static bool
matches(const char *filter, const char *topic)
{
	size_t f = strcspn(filter, "/"), t = strcspn(topic, "/");

	if (strcmp(filter, "#") == 0)
		return true;
	if (!(f == 1 && filter[0] == '+') && (f != t || strncmp(filter, topic, f) != 0))
		return false;
	if (topic[t] == '\0')
		return filter[f] == '\0' || strcmp(filter + f, "/#") == 0;
	return filter[f] != '\0' && matches(filter + f + 1, topic + t + 1);
}

static void
line(char out[KW_TOPIC_MAX + 8], const uint8_t **p, size_t *len)
{
	const uint8_t *end = *len > 0 ? memchr(*p, '\n', *len) : NULL;
	size_t n = end != NULL ? (size_t)(end - *p) : *len, kept = n < KW_TOPIC_MAX + 7 ? n : KW_TOPIC_MAX + 7;

	if (kept > 0)
		memcpy(out, *p, kept);
	out[kept] = '\0';
	*p += end != NULL ? n + 1 : n;
	*len -= end != NULL ? n + 1 : n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	char a[KW_TOPIC_MAX + 8], b[KW_TOPIC_MAX + 8], topic[KW_TOPIC_MAX + 8];
	bool in_a, in_b;

	line(a, &p, &len);
	line(b, &p, &len);
	line(topic, &p, &len);
	(void)!node_check(topic, NULL);
	if (topic_check(a, NULL) == KW_OK)
		HOLDS(filter_check(a, NULL) == KW_OK, "a topic that is no filter");
	if (filter_check(a, NULL) != KW_OK || filter_check(b, NULL) != KW_OK)
		return 0;
	HOLDS(filter_covers(a, a) && filters_overlap(a, a), a);
	HOLDS(filters_overlap(a, b) == filters_overlap(b, a), a);
	HOLDS(!filter_covers(a, b) || filters_overlap(a, b), "covers what it does not touch");
	if (topic_check(topic, NULL) != KW_OK)
		return 0;
	in_a = filter_matches(a, topic);
	in_b = filter_matches(b, topic);
	HOLDS(in_a == matches(a, topic), topic);
	HOLDS(in_b == matches(b, topic), topic);
	HOLDS(!(in_b && filter_covers(a, b)) || in_a, "covered, and does not match");
	HOLDS(!(in_a && in_b) || filters_overlap(a, b), "both match, and do not overlap");
	return 0;
}
