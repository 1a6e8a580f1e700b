/* cases: who has what matter, and the moves. */
#include <stdlib.h>
#include <string.h>

#include "clients/lib/parts.h"

enum kurzweg_result
kurzweg_move(kurzweg *k, const struct kurzweg_move *m, char receipt[KURZWEG_ID_SIZE])
{
	json_t *ask;

	if (k == NULL)
		return KURZWEG_USAGE;
	if (m == NULL || receipt == NULL || m->size != sizeof *m || m->id == NULL || m->move == NULL)
		return fail(k, KURZWEG_USAGE, "kurzweg_move wants a move begun with KURZWEG_MOVE_INIT, the case's id, what is done, and room for the receipt's id",
		            "kurzweg_move verlangt einen Schritt, der mit KURZWEG_MOVE_INIT begonnen wurde, die Kennung des Falls, was getan wird, und Platz für die Kennung der Quittung");
	ask = json_pack("{s:s, s:s, s:s}", "verb", "move", "id", m->id, "move", m->move);
	if (ask == NULL || !set_text(ask, "whom", m->to) || !set_text(ask, "text", m->text) || !set_text(ask, "as", m->as)) {
		json_decref(ask);
		return fail(k, KURZWEG_USAGE, "a text of the move is no UTF-8", "ein Text des Schritts ist kein UTF-8");
	}
	return ask_for_receipt(k, ask, receipt);
}

enum kurzweg_result
kurzweg_move_wait(kurzweg *k, const char *receipt, uint64_t timeout_ms)
{
	uint64_t now = now_ms(), end = timeout_ms < UINT64_MAX - now ? now + timeout_ms : UINT64_MAX;

	if (k == NULL)
		return KURZWEG_USAGE;
	if (receipt == NULL)
		return fail(k, KURZWEG_USAGE, "kurzweg_move_wait wants a receipt's id", "kurzweg_move_wait verlangt die Kennung einer Quittung");
	for (;;) {
		uint64_t left = end - now, wait_ms = left < WAIT_MS ? left : WAIT_MS;
		json_t *ask = json_pack("{s:s, s:s, s:I}", "verb", "fate", "id", receipt, "wait_ms", (json_int_t)wait_ms), *result = NULL;
		char code[16];
		enum kurzweg_result r = ask_node(k, &(struct asking){.ask = ask, .wait_ms = wait_ms, .repeat = true}, &result, code);

		json_decref(result);
		now = now_ms();
		if (r != KURZWEG_SILENT || strcmp(code, "ETIMEOUT") != 0 || now >= end)
			return r;
	}
}

enum kurzweg_result
kurzweg_cases(kurzweg *k, bool all, char **json)
{
	if (k == NULL || json == NULL)
		return KURZWEG_USAGE;
	*json = NULL;
	return ask_for_json(k, json_pack("{s:s, s:b}", "verb", "cases", "all", all), json);
}

enum kurzweg_result
kurzweg_recalls(kurzweg *k, const char *id, char **json)
{
	if (k == NULL || json == NULL)
		return KURZWEG_USAGE;
	*json = NULL;
	if (id == NULL)
		return fail(k, KURZWEG_USAGE, "kurzweg_recalls wants an id", "kurzweg_recalls verlangt eine Kennung");
	return ask_for_json(k, json_pack("{s:s, s:s}", "verb", "recalls", "id", id), json);
}

enum kurzweg_result
kurzweg_opened(kurzweg *k, const char *id, const char *as)
{
	json_t *ask, *result = NULL;
	char code[16];
	enum kurzweg_result r;

	if (k == NULL)
		return KURZWEG_USAGE;
	if (id == NULL)
		return fail(k, KURZWEG_USAGE, "kurzweg_opened wants an id", "kurzweg_opened verlangt eine Kennung");
	ask = json_pack("{s:s, s:s}", "verb", "opened", "id", id);
	if (ask == NULL || !set_text(ask, "as", as)) {
		json_decref(ask);
		return fail(k, KURZWEG_USAGE, "a text of the receipt is no UTF-8", "ein Text der Quittung ist kein UTF-8");
	}
	r = ask_node(k, &(struct asking){.ask = ask, .repeat = true}, &result, code);
	json_decref(result);
	return r;
}

enum kurzweg_result
kurzweg_receipts(kurzweg *k, const char *id, char **json)
{
	if (k == NULL || json == NULL)
		return KURZWEG_USAGE;
	*json = NULL;
	if (id == NULL)
		return fail(k, KURZWEG_USAGE, "kurzweg_receipts wants an id", "kurzweg_receipts verlangt eine Kennung");
	return ask_for_json(k, json_pack("{s:s, s:s}", "verb", "receipts", "id", id), json);
}

enum kurzweg_result
kurzweg_case(kurzweg *k, const char *id, char **json)
{
	if (k == NULL || json == NULL)
		return KURZWEG_USAGE;
	*json = NULL;
	if (id == NULL)
		return fail(k, KURZWEG_USAGE, "kurzweg_case wants an id", "kurzweg_case verlangt eine Kennung");
	return ask_for_json(k, json_pack("{s:s, s:s}", "verb", "case", "id", id), json);
}
