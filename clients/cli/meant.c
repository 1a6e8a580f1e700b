/* meant: see its header. */
#include "clients/cli/meant.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "clients/cli/cases.h"
#include "clients/cli/look.h"
#include "clients/cli/when.h"
#include "proto/seal.h"

static enum cli_exit
refuse_none(const struct cli *c, const char *word, enum meant_of of)
{
	char line[256];

	if (of == MEANT_SENT)
		(void)snprintf(line, sizeof line, _("nothing that this node sent has an id that begins or ends with \"%s\"; \"kurzweg sent\" lists what it sent"), word);
	else
		(void)snprintf(line, sizeof line, _("nothing that this node sent, and nothing that came to it, has an id that begins or ends with \"%s\"; \"kurzweg sent\" and \"kurzweg inbox\" list what there is"), word);
	cli_error(c, line);
	return CLI_REFUSED;
}

bool
meant_is_piece(const char *word)
{
	size_t len = strlen(word);

	return len >= KW_ID_PIECE_MIN && len < KURZWEG_ID_SIZE - 1 && strspn(word, "0123456789abcdefABCDEF-") == len;
}

void
meant_candidate(const struct cli *c, const char *id, uint64_t at_ms, const char *topic)
{
	char at[WHEN_MAX];

	when_put_short(at, at_ms, clock_wall_ms());
	cli_note(c, "  %s  %s  %s", id, at, topic);
}

static enum cli_exit
refuse_several(const struct cli *c, const char *word, const json_t *found)
{
	char line[256];
	json_t *one;
	size_t i;

	(void)snprintf(line, sizeof line, _("several ids begin or end with \"%s\"; give more of it"), word);
	cli_error(c, line);
	json_array_foreach(look_at(found, "ids"), i, one)
		meant_candidate(c, look_text(one, "id"), look_number(one, "at_ms"), look_text(one, "topic"));
	if (look_flag(found, "more"))
		cli_note(c, "  …");
	return CLI_REFUSED;
}

/* It is in doubt then: what was published elsewhere in the same minute begins so too, and that may be the one whose id was copied. */
static enum cli_exit
refuse_beginning(const struct cli *c, const char *word, const json_t *one)
{
	char line[256];

	(void)snprintf(line, sizeof line, _("\"%s\" is the beginning of an id, and all that is published within a minute begins alike; to change something give its end, at least %d characters of it"), word,
	               MEANT_TO_ACT);
	cli_error(c, line);
	meant_candidate(c, look_text(one, "id"), look_number(one, "at_ms"), look_text(one, "topic"));
	return CLI_REFUSED;
}

static bool
ends_with(const char *id, const char *word)
{
	size_t len = strlen(id), of_word = strlen(word);

	return of_word <= len && strcasecmp(id + len - of_word, word) == 0;
}

const char *
meant(char room[KURZWEG_ID_SIZE], const struct cli *c, kurzweg *k, const char *word, enum meant_of of, enum cli_exit *code)
{
	size_t len = strlen(word);
	const char *id = NULL;
	char *text = NULL;
	enum kurzweg_result r;
	json_t *found;
	const json_t *one;

	if (len >= KURZWEG_ID_SIZE - 1 || strchr(word, ',') != NULL)
		return word;
	if (!meant_is_piece(word)) {
		*code = cli_usage(c, _("\"%s\" is no notification's id, nor %d characters or more of its beginning or end"), word, KW_ID_PIECE_MIN);
		return NULL;
	}
	if (of == MEANT_SENT && len < MEANT_TO_ACT) {
		*code = cli_usage(c, _("\"%s\" is too little of an id to change something by it; give at least the %d characters that lists show"), word, MEANT_TO_ACT);
		return NULL;
	}
	r = kurzweg_meant(k, word, of == MEANT_SENT, &text);
	if ((found = cases_json(c, k, r, text, code)) == NULL)
		return NULL;
	one = json_array_get(look_at(found, "ids"), 0);
	if (one == NULL)
		*code = refuse_none(c, word, of);
	else if (json_array_size(look_at(found, "ids")) > 1)
		*code = refuse_several(c, word, found);
	else if (of == MEANT_SENT && !ends_with(look_text(one, "id"), word))
		*code = refuse_beginning(c, word, one);
	else
		id = look_text(one, "id");
	if (id != NULL) {
		(void)snprintf(room, KURZWEG_ID_SIZE, "%s", id);
		id = room;
	}
	json_decref(found);
	return id;
}
