/* case_table: what each move does in each state, by whom. The first row that fits decides alone. */
#include "base/span.h"
#include "cases/case_parts.h"

static const struct case_row rows[] = {
	/* move            in                          by              verdict                   does           becomes */
	{MOVE_TAKE,      IN(CASE_OFFERED),             BY_OWNER,       CASE_V_OK,                ACT_TAKE,      CASE_TAKEN},
	{MOVE_TAKE,      IN_NOBODYS,                   BY_TAKER,       CASE_V_OK,                ACT_TAKE,      CASE_TAKEN},
	{MOVE_TAKE,      IN_NOBODYS,                   BY_ANYBODY,     CASE_V_NOT_YOURS,         ACT_NOTHING,   0},
	{MOVE_TAKE,      IN(CASE_TAKEN),               BY_NEXT,        CASE_V_OK,                ACT_TAKE,      CASE_TAKEN},
	{MOVE_TAKE,      IN(CASE_TAKEN),               BY_OWNER,       CASE_V_ALREADY_YOURS,     ACT_NOTHING,   0},
	{MOVE_TAKE,      IN(CASE_TAKEN),               BY_ANYBODY,     CASE_V_TAKEN_BY,          ACT_NOTHING,   0},
	{MOVE_TAKE,      IN_CLOSED,                    BY_ANYBODY,     CASE_V_CLOSED,            ACT_NOTHING,   0},

	{MOVE_DECLINE,   IN_NOBODYS,                   BY_LAST,        CASE_V_NOBODY_LEFT,       ACT_NOTHING,   0},
	{MOVE_DECLINE,   IN(CASE_OFFERED),             BY_OWNER,       CASE_V_OK,                ACT_DECLINE,   CASE_WAITING},
	{MOVE_DECLINE,   IN_NOBODYS,                   BY_TRIED,       CASE_V_ALREADY_DECLINED,  ACT_NOTHING,   0},
	{MOVE_DECLINE,   IN_NOBODYS,                   BY_LINE,        CASE_V_OK,                ACT_SKIP,      0},
	{MOVE_DECLINE,   IN_NOBODYS,                   BY_ANYBODY,     CASE_V_NOT_YOURS,         ACT_NOTHING,   0},
	{MOVE_DECLINE,   IN(CASE_TAKEN),               BY_NEXT,        CASE_V_OK,                ACT_STAY,      CASE_TAKEN},
	{MOVE_DECLINE,   IN(CASE_TAKEN),               BY_OWNER,       CASE_V_USE_RETURN,        ACT_NOTHING,   0},
	{MOVE_DECLINE,   IN(CASE_TAKEN),               BY_ANYBODY,     CASE_V_TAKEN_BY,          ACT_NOTHING,   0},
	{MOVE_DECLINE,   IN_CLOSED,                    BY_ANYBODY,     CASE_V_CLOSED,            ACT_NOTHING,   0},

	{MOVE_HAND_OVER, IN_NOBODYS,                   BY_ANYBODY,     CASE_V_NOT_TAKEN,         ACT_NOTHING,   0},
	{MOVE_HAND_OVER, IN(CASE_TAKEN),               BY_OWNER,       CASE_V_OK,                ACT_HAND_OVER, CASE_TAKEN},
	{MOVE_HAND_OVER, IN(CASE_TAKEN),               BY_ANYBODY,     CASE_V_TAKEN_BY,          ACT_NOTHING,   0},
	{MOVE_HAND_OVER, IN_CLOSED,                    BY_ANYBODY,     CASE_V_CLOSED,            ACT_NOTHING,   0},

	{MOVE_RETURN,    IN_NOBODYS,                   BY_ANYBODY,     CASE_V_NOT_TAKEN,         ACT_NOTHING,   0},
	{MOVE_RETURN,    IN(CASE_TAKEN),               BY_OWNER,       CASE_V_OK,                ACT_GIVE_BACK, CASE_WAITING},
	{MOVE_RETURN,    IN(CASE_TAKEN),               BY_ANYBODY,     CASE_V_TAKEN_BY,          ACT_NOTHING,   0},
	{MOVE_RETURN,    IN_CLOSED,                    BY_ANYBODY,     CASE_V_CLOSED,            ACT_NOTHING,   0},

	{MOVE_DONE,      IN_NOBODYS,                   BY_ANYBODY,     CASE_V_NOT_TAKEN,         ACT_NOTHING,   0},
	{MOVE_DONE,      IN(CASE_TAKEN),               BY_OWNER,       CASE_V_OK,                ACT_CLOSE,     CASE_DONE},
	{MOVE_DONE,      IN(CASE_TAKEN),               BY_ANYBODY,     CASE_V_TAKEN_BY,          ACT_NOTHING,   0},
	{MOVE_DONE,      IN_CLOSED,                    BY_ANYBODY,     CASE_V_CLOSED,            ACT_NOTHING,   0},

	{MOVE_REOPEN,    IN_OPEN,                      BY_ANYBODY,     CASE_V_STILL_OPEN,        ACT_NOTHING,   0},
	{MOVE_REOPEN,    IN(CASE_DONE),                BY_SENDER,      CASE_V_OK,                ACT_REOPEN,    CASE_WAITING},
	{MOVE_REOPEN,    IN(CASE_DONE),                BY_OWNER,       CASE_V_OK,                ACT_REOPEN,    CASE_WAITING},
	{MOVE_REOPEN,    IN(CASE_DONE),                BY_COORDINATOR, CASE_V_OK,                ACT_REOPEN,    CASE_WAITING},
	{MOVE_REOPEN,    IN(CASE_DONE),                BY_ANYBODY,     CASE_V_NOT_YOURS,         ACT_NOTHING,   0},
	{MOVE_REOPEN,    IN(CASE_RECALLED) | IN(CASE_LAPSED), BY_ANYBODY, CASE_V_CLOSED,         ACT_NOTHING,   0},

	{MOVE_RECALL,    IN_OPEN | IN(CASE_DONE),      BY_SENDERS,     CASE_V_OK,                ACT_CLOSE,     CASE_RECALLED},
	{MOVE_RECALL,    IN_OPEN | IN(CASE_DONE),      BY_ANYBODY,     CASE_V_NOT_SENDERS,       ACT_NOTHING,   0},
	{MOVE_RECALL,    IN(CASE_RECALLED) | IN(CASE_LAPSED), BY_ANYBODY, CASE_V_CLOSED,         ACT_NOTHING,   0},
};

const struct case_table case_table = {rows, sizeof rows / sizeof rows[0]};

static bool
plays(const struct kw_case *c, enum case_role role, uint32_t actor, const struct case_rules *r)
{
	bool own_turn = c->state == CASE_OFFERED && c->owner == actor && !c->open_to_readers;

	switch (role) {
	case BY_OWNER:       return actor == c->owner;
	case BY_NEXT:        return actor == c->next;
	case BY_LAST:        return actor == c->coordinator && !own_turn;
	case BY_TRIED:       return case_party_is(c, actor, PARTY_LINE) && case_party_is(c, actor, PARTY_TRIED);
	case BY_LINE:        return case_party_is(c, actor, PARTY_LINE);
	case BY_TAKER:       return case_may_take(c, actor, r);
	case BY_SENDER:      return actor == c->sender;
	case BY_COORDINATOR: return actor == c->coordinator;
	case BY_SENDERS:     return r->may_recall(r->ctx, actor);
	case BY_ANYBODY:     return true;
	case ROLE_COUNT:     break;
	}
	return false;
}

const struct case_row *
case_table_find(const struct case_table *t, const struct kw_case *c, const struct case_move *m, const struct case_rules *r)
{
	static const struct case_row nobody = {.verdict = CASE_V_NOT_YOURS};

	if (m->actor == CASE_NOBODY)
		return &nobody;
	for (uint32_t i = 0; i < t->count; i++) {
		const struct case_row *row = &t->rows[i];

		if (row->move == m->kind && (row->states & IN(c->state)) != 0 && plays(c, row->by, m->actor, r))
			return row;
	}
	MUST(false && "the table has a row for every move in every state");
	return &nobody;
}

void
case_table_print(struct buf *out)
{
	static const char *const roles[ROLE_COUNT] = {"owner", "next", "last", "tried", "line", "taker", "sender", "coordinator", "sender's partner", "anybody"};
	static const char *const acts[ACT_COUNT] = {"-", "take", "decline", "skip", "stay", "hand over", "give back", "close", "reopen"};

	for (uint32_t i = 0; i < case_table.count; i++) {
		const struct case_row *row = &case_table.rows[i];

		buf_printf(out, "| %s |", case_move_name(row->move));
		for (enum case_state s = CASE_WAITING; s <= CASE_LAPSED; s++)
			if ((row->states & IN(s)) != 0)
				buf_printf(out, " %s", case_state_name(s));
		buf_printf(out, " | %s | ", roles[row->by]);
		if (row->verdict != CASE_V_OK)
			buf_printf(out, "void: %s |\n", case_verdict_name(row->verdict));
		else
			buf_printf(out, "%s → %s |\n", acts[row->act], row->becomes == 0 ? "as before" : case_state_name(row->becomes));
	}
}
