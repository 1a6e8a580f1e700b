/* scenario_cases: moves, how a case stands, and what becomes of a move. */
#include "scenario_cases.h"

#include <jansson.h>
#include <string.h>

#include "case_books.h"
#include "clocks.h"
#include "oracle.h"

static const struct { enum scenario_verb verb; enum notice_type type; } moves[] = {
	{DO_TAKE, TYPE_TAKEN}, {DO_TRY_TAKE, TYPE_TAKEN}, {DO_DECLINE, TYPE_DECLINED}, {DO_HAND_OVER, TYPE_HANDED_OVER}, {DO_RETURN, TYPE_RETURNED},
	{DO_DONE, TYPE_DONE}, {DO_REOPEN, TYPE_REOPENED}, {DO_RECALL, TYPE_RECALL},
};
#define MOVES (sizeof moves / sizeof moves[0])

static size_t
move_at(enum scenario_verb v)
{
	size_t i = 0;

	while (i < MOVES && moves[i].verb != v)
		i++;
	return i;
}

bool scenario_is_move(enum scenario_verb v) { return move_at(v) < MOVES; }

enum kw_err
scenario_move(uint8_t receipt[KW_ID_LEN], struct sim *s, const struct scenario_line *l, const uint8_t id[KW_ID_LEN], struct kw_why *why)
{
	struct desk_move m = {.type = moves[move_at(l->verb)].type, .text = "so it is told"};
	int who = l->who[0];
	enum kw_err err;

	if (m.type == TYPE_HANDED_OVER)
		m.to = papers_name(l->who[1]);
	memcpy(m.id, id, KW_ID_LEN);
	clocks_run_as(who);
	if ((err = desk_move(s->posts[who].node, &m, receipt, why)) == KW_OK && m.type == TYPE_RECALL)
		oracle_recalled(s->oracle, who, id, receipt);
	if (err == KW_OK)
		books_moved(s->books, &(struct books_move){who, m.type, id, receipt});
	sim_wake_node(s, who, clocks_true());
	return err;
}

static bool
is_shown(struct sim *s, const struct scenario_line *l, const uint8_t id[KW_ID_LEN])
{
	struct kw_why why;
	json_t *shown;
	bool so;

	if (s->posts[l->who[0]].node == NULL)
		return false;
	clocks_run_as(l->who[0]);
	if (desk_case(&shown, s->posts[l->who[0]].node, id, false, "en", &why) != KW_OK)
		return false;
	so = strcmp(json_string_value(json_object_get(shown, "state")), case_state_name(l->state)) == 0 &&
	     strcmp(json_string_value(json_object_get(shown, "owner")), papers_name(l->who[1])) == 0;
	json_decref(shown);
	return so;
}

bool
scenario_stands(struct sim *s, const struct scenario_line *l, const uint8_t id[KW_ID_LEN])
{
	struct books_known known;

	if (l->verb == IS_SHOWN)
		return is_shown(s, l, id);
	books_find(&known, s->books, id);
	return known.known && known.state == l->state && (l->verb == IS_STATE || known.owner == l->who[0]);
}

bool
scenario_heard(struct sim *s, const struct scenario_line *l, const uint8_t receipt[KW_ID_LEN])
{
	struct kw_why why;
	enum kw_err fate;

	if (s->posts[l->who[0]].node == NULL)
		return false;
	clocks_run_as(l->who[0]);
	fate = desk_move_fate(s->posts[l->who[0]].node, receipt, &why);
	return l->verb == IS_HEARD_GOOD ? fate == KW_OK : fate == KW_ESTATE || fate == KW_EDENIED;
}
