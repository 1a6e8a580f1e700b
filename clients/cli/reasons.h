/*
 * reasons: what the agreement says of one node on one topic, each answer with the lines of the text that it comes from. The answers are those
 * of certs/, which broker and nodes ask too; nothing is decided here.
 */
#ifndef KW_CLI_REASONS_H
#define KW_CLI_REASONS_H

#include "certs/agreement.h"
#include "clients/cli/cli.h"

struct reasons_ask {
	const struct agreement *a;
	const char *topic;
	uint32_t node;           /* below agreement_node_count */
	uint32_t sender;         /* AGREEMENT_NOBODY: whoever it is */
	bool has_lane;
	enum lane lane;          /* the highest of the topic if not has_lane */
	uint64_t at_ms;
	bool german;
};

/*
 * {"topic", "node", "version", "kind", "at", "filter", "line", "answers": [{"question": "delivered"|"publish"|"responsible"|"approve", "answer": bool,
 * "says": "…", "reasons": [{"line": 17, "text": "…", "says": "…"}], "change": "…"}]}, the sentences in the user's language.
 */
json_t *reasons_json(const struct reasons_ask *ask);
/* The answer to one question of it alone; borrowed, NULL: it was not asked. */
const json_t *reasons_answer(const json_t *reasons, const char *question);
void reasons_show_answer(const struct cli *c, const json_t *answer);
void reasons_show(const struct cli *c, const json_t *reasons);

#endif
