/* people_recalls: taking back, or cancelling, what was published, by its sender or the other node of the same partner. */
#include <string.h>

#include "case_books.h"
#include "clocks.h"
#include "oracle.h"
#include "people.h"
#include "posts.h"

#define RECENT 30u

static int
colleague(int who)
{
	size_t len = strcspn(papers_name(who), "/") + 1;

	for (int i = 0; i < WHO_NODES; i++)
		if (i != who && strncmp(papers_name(i), papers_name(who), len) == 0)
			return i;
	return who;
}

void
people_recall(struct sim *s, struct dice *d)
{
	struct desk_move m = {.type = TYPE_RECALL, .text = "it was a mistake"};
	uint8_t recall[KW_ID_LEN];
	struct kw_why why;
	int who;

	if (!oracle_recallable(s->oracle, dice_below(d, RECENT), m.id, &who))
		return;
	if (dice_permille(d, 300))
		who = colleague(who);
	if (!post_ready(s, who))
		return;
	clocks_run_as(who);
	if (desk_move(s->posts[who].node, &m, recall, &why) == KW_OK) {
		s->counts.recalls++;
		oracle_recalled(s->oracle, who, m.id, recall);
		books_moved(s->books, &(struct books_move){who, TYPE_RECALL, m.id, recall});
	}
	sim_wake_node(s, who, clocks_true());
}

void
people_cancel(struct sim *s, struct dice *d, uint32_t step)
{
	struct people_says says = {.step = step};
	uint8_t id[KW_ID_LEN];

	if (!oracle_cancellable(s->oracle, dice_below(d, RECENT), id, &says.who, &says.subject))
		return;
	says.cancels = id;
	if (dice_permille(d, 300))
		says.who = colleague(says.who);
	if (!post_ready(s, says.who))
		return;
	clocks_run_as(says.who);
	people_publish(s, d, &says);
}
