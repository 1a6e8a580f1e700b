/* release: drafts, and the answers to them. */
#include <string.h>

#include "clients/lib/parts.h"

enum kurzweg_result
kurzweg_approve(kurzweg *k, const struct kurzweg_approval *a, char receipt[KURZWEG_ID_SIZE])
{
	json_t *ask;

	if (k == NULL)
		return KURZWEG_USAGE;
	if (a == NULL || receipt == NULL || a->size != sizeof *a || a->id == NULL || (a->refuse && a->reason == NULL) || (a->refuse ? a->text_hash : a->reason) != NULL)
		return fail(k, KURZWEG_USAGE, "kurzweg_approve wants an answer begun with KURZWEG_APPROVAL_INIT, the draft's id, a reason where it refuses, and room for the receipt's id",
		            "kurzweg_approve verlangt eine Antwort, die mit KURZWEG_APPROVAL_INIT begonnen wurde, die Kennung des Entwurfs, beim Ablehnen einen Grund, und Platz für die Kennung der Quittung");
	ask = json_pack("{s:s, s:s}", "verb", a->refuse ? "refuse" : "approve", "id", a->id);
	if (ask == NULL || !set_text(ask, "text", a->reason) || !set_text(ask, "as", a->as) || !set_text(ask, "text_hash", a->text_hash)) {
		json_decref(ask);
		return fail(k, KURZWEG_USAGE, "a text of the answer is no UTF-8", "ein Text der Antwort ist kein UTF-8");
	}
	return ask_for_receipt(k, ask, receipt);
}

enum kurzweg_result
kurzweg_releases(kurzweg *k, bool all, char **json)
{
	if (k == NULL || json == NULL)
		return KURZWEG_USAGE;
	*json = NULL;
	return ask_for_json(k, json_pack("{s:s, s:b}", "verb", "releases", "all", all), json);
}
