/* agreement_diff: the inside of the comparison of two versions, shared by its two files. */
#ifndef KW_CERTS_AGREEMENT_DIFF_H
#define KW_CERTS_AGREEMENT_DIFF_H

#include "certs/agreement_parts.h"

struct place { /* a filter, and who decides about its topics */
	char filter[KW_TOPIC_MAX + 1];
	const struct topic_rule *old, *next;
};

struct diff {
	struct buf *out;
	const struct agreement *old, *next;
	bool german;
	struct place *places;
	size_t place_count;
};

/* The words of the language asked for. */
static inline const char *
diff_words(const struct diff *d, const char *english, const char *german)
{
	return d->german ? german : english;
}

/* Finds the places, which the caller frees. KW_ELIMIT: too many. */
KW_MUST_USE enum kw_err diff_collect_places(struct diff *d);
void diff_topics(struct diff *d);

#endif
