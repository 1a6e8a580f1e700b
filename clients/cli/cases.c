/* cases: see its header. */
#include "clients/cli/cases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "clients/cli/look.h"
#include "proto/seal.h"

json_t *
cases_json(const struct cli *c, kurzweg *k, enum kurzweg_result r, char *text, enum cli_exit *code)
{
	json_t *v;

	if (r != KURZWEG_OK) {
		*code = local_fail(c, k, r);
		return NULL;
	}
	v = json_loads(text, 0, NULL);
	free(text);
	if (v != NULL)
		return v;
	cli_error(c, _("what the node answered is no JSON"));
	*code = CLI_FAILED;
	return NULL;
}

static bool
is_number(const char *word)
{
	return word[0] != '\0' && strspn(word, "0123456789") == strlen(word);
}

/* The case of the row with this number in the inbox: the notification itself, or the one that the broker's statement is about. */
static bool
of_row(char id[KURZWEG_ID_SIZE], kurzweg *k, const char *word)
{
	struct kurzweg_query q = KURZWEG_QUERY_INIT;
	const struct kurzweg_notification *n;
	uint64_t seq;
	json_t *row;
	bool found = false;

	if (text_u64(&seq, word, 1, INT64_MAX, "", NULL) != KW_OK)
		return false;
	q.after_seq = seq - 1;
	q.receipts = true;
	if (kurzweg_next(k, &q, 0, &n) != KURZWEG_OK || n->seq != seq)
		return false;
	row = json_loads(n->json, 0, NULL);
	if (row != NULL) {
		const char *of_case = look_text(row, "case.id"), *meant = of_case[0] != '\0' ? of_case : look_text(row, "id");

		found = strlen(meant) == KURZWEG_ID_SIZE - 1;
		if (found)
			memcpy(id, meant, KURZWEG_ID_SIZE);
	}
	json_decref(row);
	return found;
}

bool
cases_id(char id[KURZWEG_ID_SIZE], const struct cli *c, kurzweg *k, const char *word, enum cli_exit *code)
{
	const char *found = NULL;
	char *text = NULL;
	json_t *all, *one;
	size_t i, count = 0;
	enum kurzweg_result r;

	if (strlen(word) == KURZWEG_ID_SIZE - 1) { /* whether it is one says the node */
		memcpy(id, word, KURZWEG_ID_SIZE);
		return true;
	}
	if (strlen(word) < KW_ID_PIECE_MIN && is_number(word) && of_row(id, k, word))
		return true;
	if (strlen(word) < KW_ID_PIECE_MIN || strlen(word) >= KURZWEG_ID_SIZE) {
		*code = cli_usage(c, _("\"%s\" is no case: give the id that \"kurzweg case list\" shows, or at least %d characters of it"), word, KW_ID_PIECE_MIN);
		return false;
	}
	r = kurzweg_cases(k, true, &text);
	if ((all = cases_json(c, k, r, text, code)) == NULL)
		return false;
	json_array_foreach(json_object_get(all, "cases"), i, one) {
		const char *whole = look_text(one, "id");

		if (!kw_id_meant(whole, word) || strlen(whole) != KURZWEG_ID_SIZE - 1)
			continue;
		found = whole;
		count++;
	}
	if (count == 1)
		memcpy(id, found, KURZWEG_ID_SIZE);
	json_decref(all);
	if (count == 1 || (count == 0 && is_number(word) && of_row(id, k, word)))
		return true;
	if (count == 0)
		cli_error(c, _("this node has no case whose id begins or ends so; \"kurzweg case list --all\" shows those it has"));
	else
		cli_error(c, _("several cases have an id that begins or ends so; give more of it"));
	*code = CLI_REFUSED;
	return false;
}

const char *
cases_short(const char *id)
{
	size_t len = strlen(id);

	return len > 8 ? id + len - 8 : id;
}

void
cases_left(char out[CASES_LEFT_MAX], uint64_t until_ms, uint64_t now_ms)
{
	bool over = until_ms < now_ms;
	uint64_t s = (over ? now_ms - until_ms : until_ms - now_ms) / 1000;

	out[0] = '\0';
	if (until_ms == 0)
		return;
	if (s >= 3600)
		(void)snprintf(out, CASES_LEFT_MAX, "%s%llu:%02llu:%02llu", over ? "-" : "", (unsigned long long)(s / 3600), (unsigned long long)(s / 60 % 60),
		               (unsigned long long)(s % 60));
	else
		(void)snprintf(out, CASES_LEFT_MAX, "%s%llu:%02llu", over ? "-" : "", (unsigned long long)(s / 60), (unsigned long long)(s % 60));
}

static enum cli_colour
stands_open(char out[CASES_WORDS_MAX], const json_t *one, const char *left)
{
	const char *state = look_text(one, "state"), *owner = look_text(one, "owner"), *next = look_text(one, "next");
	bool turn = look_flag(one, "your_turn"), yours = look_flag(one, "yours");

	if (strcmp(state, "offered") == 0 && turn) {
		(void)snprintf(out, CASES_WORDS_MAX, _("YOUR TURN: take or decline it within %s"), left);
		return CLI_RED;
	}
	if (strcmp(state, "offered") == 0) {
		(void)snprintf(out, CASES_WORDS_MAX, _("offered to %s for another %s"), owner, left);
		return CLI_PLAIN;
	}
	if (strcmp(state, "escalated") == 0 && turn) {
		(void)snprintf(out, CASES_WORDS_MAX, _("YOUR TURN, as the coordinator: nobody else has taken it; next reminder in %s"), left);
		return CLI_RED;
	}
	if (strcmp(state, "escalated") == 0) {
		(void)snprintf(out, CASES_WORDS_MAX, _("nobody has taken it; it is with the coordinator, %s, reminded %llu times"), owner,
		               (unsigned long long)look_number(one, "alarms"));
		return CLI_RED;
	}
	if (strcmp(state, "taken") == 0 && turn) {
		(void)snprintf(out, CASES_WORDS_MAX, _("YOUR TURN: %s hands it over to you; take it within %s"), owner, left);
		return CLI_RED;
	}
	if (strcmp(state, "taken") == 0 && next[0] != '\0') {
		(void)snprintf(out, CASES_WORDS_MAX, _("with %s, handed over to %s, who has another %s to take it"), owner, next, left);
		return yours ? CLI_BOLD : CLI_PLAIN;
	}
	if (strcmp(state, "taken") == 0) {
		(void)snprintf(out, CASES_WORDS_MAX, yours ? _("yours") : _("with %s"), owner);
		return yours ? CLI_BOLD : CLI_PLAIN;
	}
	if (look_flag(one, "believed")) { /* who takes part is told more than who only reads */
		(void)snprintf(out, CASES_WORDS_MAX, "%s", _("open to every reader of its topic: take it, and you hear it if somebody was first"));
		return CLI_YELLOW;
	}
	(void)snprintf(out, CASES_WORDS_MAX, _("nobody has it yet; it is with the coordinator, %s"), owner);
	return CLI_YELLOW;
}

enum cli_colour
cases_stands(char out[CASES_WORDS_MAX], const json_t *one, uint64_t now_ms)
{
	const char *state = look_text(one, "state"), *owner = look_text(one, "owner");
	char left[CASES_LEFT_MAX];

	cases_left(left, look_number(one, "until_ms"), now_ms);
	if (strcmp(state, "done") == 0)
		(void)snprintf(out, CASES_WORDS_MAX, _("done by %s"), owner);
	else if (strcmp(state, "recalled") == 0)
		(void)snprintf(out, CASES_WORDS_MAX, "%s", _("recalled by its sender"));
	else if (strcmp(state, "lapsed") == 0)
		(void)snprintf(out, CASES_WORDS_MAX, _("expired while it was with %s"), owner);
	else
		return stands_open(out, one, left);
	return CLI_DIM;
}

/* ---- its log ---- */

static const char *
void_words(const char *verdict)
{
	if (strcmp(verdict, "waits") == 0)
		return _("not in effect yet: something before it has not come");
	if (strcmp(verdict, "already_yours") == 0)
		return _("it was so already");
	if (strcmp(verdict, "taken_by") == 0)
		return _("came second");
	return _("did not count");
}

static void
move_words(char out[CASES_WORDS_MAX], const json_t *e)
{
	const char *move = look_text(e, "move"), *verdict = look_text(e, "verdict"), *as = look_text(e, "as"), *text = look_text(e, "text");
	char who[256];
	int n;

	(void)snprintf(who, sizeof who, as[0] != '\0' ? "%s (%s)" : "%s", look_text(e, "by"), as);
	if (strcmp(move, "take") == 0)
		n = snprintf(out, CASES_WORDS_MAX, _("%s took it"), who);
	else if (strcmp(move, "decline") == 0)
		n = snprintf(out, CASES_WORDS_MAX, _("%s declined it"), who);
	else if (strcmp(move, "hand_over") == 0)
		n = snprintf(out, CASES_WORDS_MAX, _("%s hands it over to %s"), who, look_text(e, "to"));
	else if (strcmp(move, "return") == 0)
		n = snprintf(out, CASES_WORDS_MAX, _("%s returned it"), who);
	else if (strcmp(move, "done") == 0)
		n = snprintf(out, CASES_WORDS_MAX, _("%s: done"), who);
	else if (strcmp(move, "reopen") == 0)
		n = snprintf(out, CASES_WORDS_MAX, _("%s opened it again"), who);
	else
		n = snprintf(out, CASES_WORDS_MAX, _("%s recalled it"), who);
	if (n > 0 && n < CASES_WORDS_MAX && text[0] != '\0')
		n += snprintf(out + n, (size_t)(CASES_WORDS_MAX - n), ": %s", text);
	if (n > 0 && n < CASES_WORDS_MAX && strcmp(verdict, "ok") != 0)
		(void)snprintf(out + n, (size_t)(CASES_WORDS_MAX - n), " [%s]", void_words(verdict));
}

static void
cause_words(char out[CASES_WORDS_MAX], const json_t *e)
{
	const char *cause = look_text(e, "cause"), *state = look_text(e, "state"), *owner = look_text(e, "owner");

	if (strcmp(look_text(e, "verdict"), "ok") != 0) {
		if (strcmp(look_text(e, "verdict"), "stale") != 0)
			(void)snprintf(out, CASES_WORDS_MAX, _("the broker stated what does not follow from the log (%s)"), look_text(e, "verdict"));
		return;
	}
	if (strcmp(cause, "handover_lapsed") == 0)
		(void)snprintf(out, CASES_WORDS_MAX, _("the hand-over was not taken in time; it stays with %s"), owner);
	else if (strcmp(cause, "alarm") == 0)
		(void)snprintf(out, CASES_WORDS_MAX, _("the coordinator, %s, was reminded"), owner);
	else if (strcmp(cause, "lapsed") == 0)
		(void)snprintf(out, CASES_WORDS_MAX, "%s", _("it expired"));
	else if (strcmp(state, "offered") == 0)
		(void)snprintf(out, CASES_WORDS_MAX, strcmp(cause, "timeout") == 0 ? _("not taken in time; offered to %s") : _("offered to %s"), owner);
	else if (strcmp(state, "escalated") == 0)
		(void)snprintf(out, CASES_WORDS_MAX, _("nobody took it; it is the coordinator's, %s"), owner);
}

void
cases_entry(char out[CASES_WORDS_MAX], const json_t *entry)
{
	out[0] = '\0';
	if (look_text(entry, "move")[0] != '\0')
		move_words(out, entry);
	else
		cause_words(out, entry);
}

void
cases_reason(const struct cli *c, const json_t *one)
{
	if (strcmp(look_text(one, "mark"), "reason needed") == 0)
		cli_field(c, _("headline"), CLI_YELLOW, _("reason needed: kurzweg inbox ID --reason TEXT"));
}
