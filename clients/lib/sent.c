/* sent: what the node sent, a page at a time from the newest on. */
#include <stdlib.h>
#include <string.h>

#include "clients/lib/parts.h"

#define LIMIT_MOST 256u
#define OLDEST 1u /* before_seq: nothing is further back */

static enum kurzweg_result
check_query(kurzweg *k, const struct kurzweg_sent_query *q)
{
	if (q == NULL || q->size != sizeof *q)
		return fail(k, KURZWEG_USAGE, "kurzweg_sent wants a query begun with KURZWEG_SENT_QUERY_INIT", "kurzweg_sent verlangt eine Anfrage, die mit KURZWEG_SENT_QUERY_INIT begonnen wurde");
	if (q->before_seq > INT64_MAX || q->since_ms > INT64_MAX || q->limit > LIMIT_MOST)
		return fail(k, KURZWEG_USAGE, "before_seq, since_ms or limit is too large", "before_seq, since_ms oder limit ist zu groß");
	return KURZWEG_OK;
}

static json_t *
question(const struct kurzweg_sent_query *q)
{
	json_t *ask = json_pack("{s:s, s:I, s:i}", "verb", "sent", "since_ms", (json_int_t)q->since_ms, "limit", (int)(q->limit != 0 ? q->limit : LIMIT_MOST));

	if (ask != NULL && set_text(ask, "topic", q->topic) && set_text(ask, "as", q->as) && set_text(ask, "reason", q->reason) &&
	    (q->before_seq == 0 || json_object_set_new(ask, "before_seq", json_integer((json_int_t)q->before_seq)) == 0))
		return ask;
	json_decref(ask);
	return NULL;
}

/* Where the next call goes on; an answer that does not go back would be asked for ever. */
static enum kurzweg_result
go_on(kurzweg *k, struct kurzweg_sent_query *q, const json_t *result)
{
	json_int_t before = json_integer_value(json_object_get(result, "before"));

	if (!json_is_array(json_object_get(result, "rows")) || before < (json_int_t)OLDEST || (q->before_seq != 0 && (uint64_t)before >= q->before_seq))
		return fail(k, KURZWEG_FAILED, "the node's answer has no rows, or does not go back", "der Antwort des Knotens fehlen die Zeilen, oder sie geht nicht zurück");
	q->before_seq = json_is_true(json_object_get(result, "more")) ? (uint64_t)before : OLDEST;
	return KURZWEG_OK;
}

enum kurzweg_result
kurzweg_sent(kurzweg *k, struct kurzweg_sent_query *q, char **json)
{
	json_t *result = NULL, *rows;
	char code[16], *text;
	enum kurzweg_result r;

	if (k == NULL || json == NULL)
		return KURZWEG_USAGE;
	*json = NULL;
	if ((r = check_query(k, q)) != KURZWEG_OK)
		return r;
	if (q->before_seq == OLDEST)
		return fail(k, KURZWEG_NOTHING, "nothing was sent before", "davor wurde nichts gesendet");
	if ((r = ask_node(k, &(struct asking){.ask = question(q), .repeat = true}, &result, code)) != KURZWEG_OK)
		return r;
	if ((r = go_on(k, q, result)) == KURZWEG_OK) {
		rows = json_pack("{s:O}", "rows", json_object_get(result, "rows"));
		text = rows != NULL ? json_dumps(rows, JSON_COMPACT) : NULL;
		*json = text != NULL ? strdup(text) : NULL; /* whoever set jansson's allocator, the caller says free() */
		r = *json != NULL ? KURZWEG_OK : fail(k, KURZWEG_FAILED, "out of memory", "der Arbeitsspeicher reicht nicht");
		free(text);
		json_decref(rows);
	}
	json_decref(result);
	return r;
}
