/* people_cases: what people do about cases, alone and several of them at the same moment. */
#include <string.h>

#include "clocks.h"
#include "case_books.h"
#include "people.h"
#include "posts.h"

#define BIT(who) (1u << (who))
#define RECENT 8u     /* most moves are about one of so many */
#define AT_ONCE 3u    /* nodes that do the same */

static void
open_case(struct sim *s, struct dice *d, uint32_t step)
{
	enum subject subject = (enum subject)(SUBJECT_DUTY + dice_below(d, SUBJECT_COUNT - SUBJECT_DUTY));
	struct people_says says = {.subject = subject, .step = step, .take_within_s = papers_has_line(subject) ? 0 : dice_between(d, 2, 6)};
	int first = (int)dice_below(d, WHO_NODES);

	for (int i = 0; i < WHO_NODES; i++) {
		says.who = (first + i) % WHO_NODES;
		if (!papers_may_publish(sim_policy(s), subject, says.who) || !post_ready(s, says.who))
			continue;
		clocks_run_as(says.who);
		people_publish(s, d, &says);
		s->counts.cases++;
		return;
	}
}

static enum notice_type
some_move(struct dice *d)
{
	static const struct { enum notice_type type; uint32_t weight; } moves[] = {
		{TYPE_TAKEN, 38}, {TYPE_DECLINED, 12}, {TYPE_HANDED_OVER, 16}, {TYPE_RETURNED, 9}, {TYPE_DONE, 10}, {TYPE_REOPENED, 8}, {TYPE_NOTE, 7},
	};
	uint32_t at = dice_below(d, 100);
	size_t i = 0;

	while (at >= moves[i].weight)
		at -= moves[i++].weight;
	return moves[i].type;
}

/* For the most part who can do it, and often enough who cannot. */
static int
who_moves(struct dice *d, const struct books_known *k, enum notice_type type)
{
	int anybody = (int)dice_below(d, WHO_NODES);
	bool owners = type == TYPE_HANDED_OVER || type == TYPE_RETURNED || type == TYPE_DONE;

	if (type == TYPE_TAKEN && k->next >= 0 && dice_permille(d, 600))
		return k->next;
	if ((owners || type == TYPE_DECLINED || type == TYPE_REOPENED) && dice_permille(d, 700))
		return k->owner;
	for (int i = 0; i < WHO_NODES; i++)
		if (((k->readers | BIT(k->sender)) & BIT((anybody + i) % WHO_NODES)) != 0)
			return (anybody + i) % WHO_NODES;
	return anybody;
}

static void
move(struct sim *s, struct dice *d, int who, enum notice_type type, const struct books_known *k)
{
	int to = (int)dice_below(d, WHO_NODES);
	struct desk_move m = {.type = type, .to = type == TYPE_HANDED_OVER ? papers_name(to) : NULL, .text = "people say so", .as = "Duty officer"};
	uint8_t receipt[KW_ID_LEN];
	struct kw_why why;

	if (!post_ready(s, who))
		return;
	clocks_run_as(who);
	books_look(s->books, who, k->id);
	memcpy(m.id, k->id, KW_ID_LEN);
	if (desk_move(s->posts[who].node, &m, receipt, &why) == KW_OK) {
		s->counts.moves++;
		books_moved(s->books, &(struct books_move){who, type, k->id, receipt});
	}
	sim_wake_node(s, who, clocks_true());
}

void
people_act_on_cases(struct sim *s, struct dice *d, uint32_t step)
{
	uint32_t count = books_count(s->books), recent = count < RECENT ? count : RECENT, at_once;
	enum notice_type type;
	struct books_known k;

	if (count == 0 || dice_permille(d, 300)) {
		open_case(s, d, step);
		return;
	}
	books_at(&k, s->books, count - 1 - dice_below(d, recent));
	type = some_move(d);
	at_once = dice_permille(d, 350) ? dice_between(d, 2, AT_ONCE) : 1;
	for (uint32_t i = 0; i < at_once; i++)
		move(s, d, who_moves(d, &k, type), type, &k);
}
