/*
 * Any text as an agreement, and what follows a line "%%" as its signatures: what is taken answers every question, and differs in
 * nothing from itself.
 */
#include <sodium.h>
#include <string.h>

#include "certs/agreement.h"
#include "fuzz.h"

#define AT_MS 1798761600000ull /* within the seed's validity */

static void
ask_of_nodes(const struct agreement *a, const char *topic)
{
	uint32_t n = agreement_node_count(a), count = 0;
	uint32_t *nodes = calloc(n + 1, sizeof *nodes);
	struct kw_why why = {""};

	for (uint32_t i = 0; i < n; i++) {
		HOLDS(agreement_node(a, agreement_node_id(a, i)) == i, "a node under another number");
		HOLDS(agreement_peer(a, agreement_node_key(a, i)->curve_pk).role == PEER_NODE, "a node that may not come in");
		if (agreement_audience(nodes, &count, a, topic, i, NULL, 0, &why) != KW_OK)
			continue;
		HOLDS(count > 0 && count <= n, "an audience of nobody");
		for (uint32_t k = 0; k < count; k++)
			HOLDS(nodes[k] < n && nodes[k] != i && (k == 0 || nodes[k] > nodes[k - 1]), "an audience out of order");
		(void)agreement_acknowledgers(nodes, a, topic, i);
		(void)agreement_approvers(nodes, a, topic, 0);
	}
	free(nodes);
}

static void
ask_of_line(const struct agreement *a, const char *topic)
{
	struct agreement_turn turns[AGREEMENT_LINE_MAX];
	uint32_t n = agreement_line(turns, a, topic, AT_MS);

	HOLDS(n >= 1 && n <= AGREEMENT_LINE_MAX, "a line of nobody");
	for (uint32_t i = 0; i < n; i++)
		HOLDS(turns[i].node < agreement_node_count(a) && agreement_may_take(a, topic, turns[i].node), "in the line, and may not take it");
	HOLDS(agreement_line_until(a, topic, AT_MS) > AT_MS, "a line that is over before it begins");
}

/* A topic that the filter takes in. */
static void
a_topic_of(char topic[KW_TOPIC_MAX + 1], const char *filter)
{
	(void)snprintf(topic, KW_TOPIC_MAX + 1, "%s", filter);
	for (char *at = topic; *at != '\0'; at++)
		if (*at == '+' || *at == '#')
			*at = 'x';
}

static void
ask_all(struct agreement *a)
{
	char fingerprint[KEY_FINGERPRINT_MAX], topic[KW_TOPIC_MAX + 1];
	struct buf diff = BUF_INIT(1u << 20);

	agreement_fingerprint(fingerprint, a);
	(void)agreement_age(a, AT_MS);
	(void)agreement_is_holiday(a, AT_MS);
	for (uint32_t i = 0; i < agreement_topic_count(a); i++) {
		a_topic_of(topic, agreement_topic_at(a, i)->filter);
		HOLDS(topic_check(topic, NULL) == KW_OK && agreement_topic(a, topic) != NULL, topic);
		ask_of_nodes(a, topic);
		ask_of_line(a, topic);
	}
	HOLDS(agreement_diff(&diff, a, a, true) == KW_OK && diff.len == 0, "differs from itself");
	buf_free(&diff);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	const uint8_t *mark = len > 0 ? memmem(p, len, "\n%%\n", 4) : NULL;
	struct span text = span_of(p, mark != NULL ? (size_t)(mark - p) + 1 : len);
	struct span sigs = mark != NULL ? span_of(mark + 4, len - (size_t)(mark + 4 - p)) : span_of(NULL, 0);
	struct buf warnings = BUF_INIT(1u << 20);
	struct agreement *a = NULL;
	struct agreement_check check;
	struct kw_why why = {""};

	if (sodium_init() < 0)
		abort();
	if (agreement_parse(&a, text, &warnings, &why) == KW_OK) {
		ask_all(a);
		if (agreement_count_signatures(&check, a, a, sigs, &why) == KW_OK)
			HOLDS(check.valid <= check.members, "more signatures than members");
		HOLDS(agreement_verify_first(a, sigs, &why) != KW_OK || check.valid >= check.threshold, "valid with too few signatures");
		agreement_free(&a);
	} else {
		HOLDS(why.text[0] != '\0', "refused without a sentence");
	}
	buf_free(&warnings);
	return 0;
}
