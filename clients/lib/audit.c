/* audit: the node's own audit trail, what a data-protection officer asks of it, and a copy of all. */
#include "clients/lib/parts.h"

static enum kurzweg_result
not_utf8(kurzweg *k, json_t *ask)
{
	json_decref(ask);
	return fail(k, KURZWEG_USAGE, "a text of the request is no UTF-8", "ein Text der Anfrage ist kein UTF-8");
}

enum kurzweg_result
kurzweg_audit(kurzweg *k, const char *query, const char *as, const char *reason, char **json)
{
	json_t *wanted, *ask;

	if (k == NULL || json == NULL)
		return KURZWEG_USAGE;
	*json = NULL;
	if ((wanted = json_loads(query != NULL ? query : "{}", JSON_REJECT_DUPLICATES, NULL)) == NULL)
		return fail(k, KURZWEG_USAGE, "kurzweg_audit wants a query that is a JSON object", "kurzweg_audit verlangt eine Anfrage, die ein JSON-Objekt ist");
	ask = json_pack("{s:s, s:o}", "verb", "audit", "audit", wanted);
	if (ask == NULL || !set_text(ask, "as", as) || !set_text(ask, "reason", reason))
		return not_utf8(k, ask);
	return ask_for_json(k, ask, json);
}

enum kurzweg_result
kurzweg_backup(kurzweg *k, const char *step, const char *as, const char *reason, char **json)
{
	json_t *wanted, *ask;

	if (k == NULL || json == NULL)
		return KURZWEG_USAGE;
	*json = NULL;
	if (step == NULL || (wanted = json_loads(step, JSON_REJECT_DUPLICATES, NULL)) == NULL)
		return fail(k, KURZWEG_USAGE, "kurzweg_backup wants a step that is a JSON object", "kurzweg_backup verlangt einen Schritt, der ein JSON-Objekt ist");
	ask = json_pack("{s:s, s:o}", "verb", "backup", "backup", wanted);
	if (ask == NULL || !set_text(ask, "as", as) || !set_text(ask, "reason", reason))
		return not_utf8(k, ask);
	return ask_for_json(k, ask, json);
}

enum kurzweg_result
kurzweg_subject(kurzweg *k, const char *term, uint64_t after_seq, const char *as, const char *reason, char **json)
{
	json_t *ask;

	if (k == NULL || json == NULL)
		return KURZWEG_USAGE;
	*json = NULL;
	if (term == NULL || after_seq > INT64_MAX)
		return fail(k, KURZWEG_USAGE, "kurzweg_subject wants a term, and a place in the inbox", "kurzweg_subject verlangt einen Begriff und eine Stelle im Posteingang");
	ask = json_pack("{s:s, s:I}", "verb", "subject", "after_seq", (json_int_t)after_seq);
	if (ask == NULL || !set_text(ask, "term", term) || !set_text(ask, "as", as) || !set_text(ask, "reason", reason))
		return not_utf8(k, ask);
	return ask_for_json(k, ask, json);
}

enum kurzweg_result
kurzweg_seen(kurzweg *k, char **json)
{
	if (k == NULL || json == NULL)
		return KURZWEG_USAGE;
	*json = NULL;
	return ask_for_json(k, json_pack("{s:s}", "verb", "seen"), json);
}
