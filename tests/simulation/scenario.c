/* scenario: sentences are matched word by word with the forms of two tables; what fits best tells where a wrong one goes wrong. */
#include "scenario.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define WORDS_MAX 24u
#define WORD_MAX 200u

struct form { enum scenario_verb verb; const char *words; };

/* NODE, WHO (a node or the broker), TOPIC, LABEL, SPAN, CODE and STATE stand for what is named; everything else is meant literally. */
static const struct form events[] = {
	{DO_PUBLISH, "NODE publishes TOPIC LABEL"},
	{DO_PUBLISH, "NODE publishes TOPIC LABEL to NODE"},
	{DO_PUBLISH, "NODE publishes TOPIC LABEL to NODE and NODE"},
	{DO_PUBLISH, "NODE publishes TOPIC LABEL for SPAN"},
	{DO_ASK, "NODE publishes TOPIC LABEL to be taken within SPAN"},
	{DO_TRY_PUBLISH, "NODE may not publish TOPIC"},
	{DO_TAKE, "NODE takes LABEL"},
	{DO_DECLINE, "NODE declines LABEL"},
	{DO_HAND_OVER, "NODE hands LABEL over to NODE"},
	{DO_RETURN, "NODE returns LABEL"},
	{DO_DONE, "NODE finishes LABEL"},
	{DO_REOPEN, "NODE reopens LABEL"},
	{DO_RECALL, "NODE recalls LABEL"},
	{DO_TRY_TAKE, "NODE may not take LABEL"},
	{DO_CRASH, "WHO crashes"},
	{DO_POWER, "WHO loses power"},
	{DO_START, "WHO starts"},
	{DO_CUT, "NODE is cut off"},
	{DO_MUTE, "NODE is not heard"},
	{DO_DEAFEN, "NODE hears nothing"},
	{DO_JOIN, "NODE is reached again"},
	{DO_RESET, "NODE loses its connection"},
	{DO_DEAD_LINE, "NODE keeps a dead connection"},
	{DO_SLOW, "NODE has a slow line of SPAN"},
	{DO_FAST, "NODE has a fast line"},
	{DO_CLOCK_AHEAD, "WHO sets its clock ahead by SPAN"},
	{DO_CLOCK_BACK, "WHO sets its clock back by SPAN"},
	{DO_DISK_FULL, "broker has a full disk"},
	{DO_DISK_ROOM, "broker has room again"},
	{DO_DISK_SYNC, "broker fails to sync"},
	{DO_DISK_SYNC_LATE, "broker fails to sync after all was written"},
	{DO_DISK_READ, "broker fails to read"},
	{DO_DISK_ONCE, "broker finds no room once"},
	{DO_DISK_SLOW, "broker has a slow disk for SPAN"},
	{DO_COPY, "broker is copied"},
	{DO_COME_BACK, "broker comes back from its copy"},
	{DO_LET_IN, "agreement lets NODE in"},
	{DO_LEAVE_OUT, "agreement leaves NODE out"},
	{DO_TAKE_URGENT, "agreement takes urgent from NODE"},
	{DO_TURN, "agreement turns the lines round"},
	{DO_SUSPEND, "operator suspends NODE for SPAN"},
	{DO_TRY_SUSPEND, "operator may not suspend NODE for SPAN"},
	{DO_UNSUSPEND, "operator lets NODE in again"},
};
static const struct form claims[] = {
	{IS_HERE, "NODE has LABEL"},
	{IS_BARE, "NODE has LABEL without its content"},
	{IS_AT_ALL, "everybody has LABEL"},
	{IS_AT_NOBODY, "nobody has LABEL"},
	{IS_BEFORE, "NODE has LABEL before LABEL"},
	{IS_STORED, "LABEL is stored"},
	{IS_CONFIRMED, "LABEL is confirmed by NODE"},
	{IS_ALARM, "NODE raises CODE"},
	{IS_NO_ALARM, "NODE does not raise CODE"},
	{IS_LINKED, "NODE is connected"},
	{IS_STATE, "LABEL is STATE"},
	{IS_STATE_WITH, "LABEL is STATE with NODE"},
	{IS_SHOWN, "NODE shows LABEL STATE with NODE"},
	{IS_HEARD_GOOD, "NODE hears that its move of LABEL counts"},
	{IS_HEARD_VOID, "NODE hears that its move of LABEL is void"},
	{IS_OUT, "NODE is suspended"},
	{IS_TOLD_OUT, "NODE tells that NODE is suspended"},
	{IS_UP, "WHO runs"},
	{IS_DOWN, "WHO is down"},
};
#define EVENTS (sizeof events / sizeof events[0])
#define CLAIMS (sizeof claims / sizeof claims[0])

struct word { char text[WORD_MAX + 1]; bool quoted; };
struct sentence { struct word word[WORDS_MAX]; uint32_t count; };
struct place { const char *name; uint32_t line; struct kw_why *why; };

const char *
scenario_form(uint32_t i)
{
	return i < EVENTS ? events[i].words : i < EVENTS + CLAIMS ? claims[i - EVENTS].words : NULL;
}

/* ---- words ---- */

static enum kw_err
bad(const struct place *p, enum kw_err err, const char *word, const char *what)
{
	return kw_refuse(p->why, err, "%s:%u: \"%s\": %s", p->name, p->line, word, what);
}

/* One word behind *at, to the next space or, in quotes, to the next quote. */
static enum kw_err
next_word(struct word *w, const char **at, const struct place *p)
{
	const char *end = **at == '"' ? strchr(*at + 1, '"') : *at + strcspn(*at, " \t");
	size_t len;

	w->quoted = **at == '"';
	if (end == NULL)
		return bad(p, KW_EINVAL, *at, "the closing quote is missing");
	*at += w->quoted;
	len = (size_t)(end - *at);
	if (len > WORD_MAX)
		return bad(p, KW_ELIMIT, "…", "a word of more than 200 bytes");
	memcpy(w->text, *at, len);
	w->text[len] = '\0';
	*at = end + w->quoted;
	if (w->quoted && **at != '\0' && **at != ' ' && **at != '\t')
		return bad(p, KW_EINVAL, w->text, "a space is missing behind the quote");
	return KW_OK;
}

/* Everything behind '#' is for people. */
static enum kw_err
split(struct sentence *s, const char *line, const struct place *p)
{
	enum kw_err err;

	s->count = 0;
	for (line += strspn(line, " \t"); *line != '\0' && *line != '#'; line += strspn(line, " \t")) {
		if (s->count == WORDS_MAX)
			return bad(p, KW_ELIMIT, line, "a sentence has at most 24 words");
		if ((err = next_word(&s->word[s->count++], &line, p)) != KW_OK)
			return err;
	}
	return KW_OK;
}

/* "01:30" and "1:02:03" are minutes or hours, "00:05.250" has milliseconds. */
static bool
read_time(uint64_t *ms, const char *text)
{
	uint64_t part[3] = {0}, thousandths = 0, count = 0;

	for (;;) {
		size_t digits = strspn(text, "0123456789");

		if (digits == 0 || digits > 3 || count == 3)
			return false;
		for (size_t i = 0; i < digits; i++)
			part[count] = part[count] * 10 + (uint64_t)(text[i] - '0');
		count++;
		text += digits;
		if (*text != ':')
			break;
		text++;
	}
	if (*text == '.') {
		if (strspn(text + 1, "0123456789") != 3 || text[4] != '\0')
			return false;
		thousandths = (uint64_t)(text[1] - '0') * 100 + (uint64_t)(text[2] - '0') * 10 + (uint64_t)(text[3] - '0');
		text += 4;
	}
	if (*text != '\0' || count < 2 || part[count - 1] > 59 || (count == 3 && part[1] > 59))
		return false;
	*ms = (count == 2 ? part[0] * 60 + part[1] : (part[0] * 60 + part[1]) * 60 + part[2]) * 1000 + thousandths;
	return true;
}

/* ---- forms ---- */

static bool
take_who(struct scenario_line *l, const char *text, bool broker_too)
{
	int who = strcmp(text, "broker") == 0 ? (broker_too ? WHO_BROKER : -1) : papers_who(text);

	if (who < 0 || l->who_count == SCENARIO_NAMES_MAX || (who >= WHO_NODES && who != WHO_BROKER) || (who == WHO_BROKER && strcmp(text, "broker") != 0))
		return false;
	l->who[l->who_count++] = who;
	return true;
}

static bool
take_label(struct scenario *s, struct scenario_line *l, uint32_t which, const char *text)
{
	uint32_t i = 0;

	if (strlen(text) > SCENARIO_LABEL_MAX || which > 1)
		return false;
	while (i < s->label_count && strcmp(s->labels[i], text) != 0)
		i++;
	if (i == SCENARIO_LABELS_MAX)
		return false;
	if (i == s->label_count)
		memcpy(s->labels[s->label_count++], text, strlen(text) + 1);
	l->label[which] = i;
	return true;
}

static bool
take_plain(struct scenario_line *l, const char *text)
{
	if (strlen(text) > KW_TOPIC_MAX)
		return false;
	memcpy(l->word, text, strlen(text) + 1);
	return true;
}

static bool
take_state(struct scenario_line *l, const char *text)
{
	static const enum case_state states[] = {CASE_WAITING, CASE_OFFERED, CASE_ESCALATED, CASE_TAKEN, CASE_DONE, CASE_RECALLED, CASE_LAPSED};

	for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
		if (strcmp(case_state_name(states[i]), text) == 0) {
			l->state = states[i];
			return true;
		}
	return false;
}

static bool
fits(const char *wanted, const struct word *w, struct scenario *s, struct scenario_line *l, uint32_t *labels)
{
	if (strcmp(wanted, "LABEL") == 0)
		return w->quoted && take_label(s, l, (*labels)++, w->text);
	if (w->quoted)
		return false;
	if (strcmp(wanted, "NODE") == 0)
		return take_who(l, w->text, false);
	if (strcmp(wanted, "WHO") == 0)
		return take_who(l, w->text, true);
	if (strcmp(wanted, "TOPIC") == 0)
		return strchr(w->text, '/') != NULL && take_plain(l, w->text);
	if (strcmp(wanted, "CODE") == 0)
		return take_plain(l, w->text);
	if (strcmp(wanted, "STATE") == 0)
		return take_state(l, w->text);
	if (strcmp(wanted, "SPAN") == 0)
		return read_time(&l->span_ms, w->text);
	return strcmp(wanted, w->text) == 0;
}

/* How many words fit, all of them: UINT32_MAX. *wanted: the first one that does not, "" where the sentence is too long. */
static uint32_t
match(char wanted[WORD_MAX + 1], const struct form *f, const struct sentence *t, uint32_t from, struct scenario *s, struct scenario_line *l)
{
	uint32_t n = from, labels = 0, known = s->label_count;
	const char *at = f->words;

	l->who_count = 0;
	l->verb = f->verb;
	for (;; n++) {
		size_t len = strcspn(at, " ");

		memcpy(wanted, at, len);
		wanted[len] = '\0';
		if (len == 0 && n == t->count)
			return UINT32_MAX;
		if (len == 0 || n == t->count || !fits(wanted, &t->word[n], s, l, &labels)) {
			s->label_count = known;
			return n;
		}
		at += len + (at[len] == ' ');
	}
}

/* What may stand at the place to which the best forms came. */
static enum kw_err
tell_wrong(const struct form *forms, size_t count, const struct sentence *t, uint32_t from, uint32_t best, struct scenario *s, const struct place *p)
{
	struct scenario_line l;
	char said[512] = "", wanted[WORD_MAX + 1];

	for (size_t i = 0; i < count; i++) {
		if (match(wanted, &forms[i], t, from, s, &l) != best || strstr(said, wanted[0] != '\0' ? wanted : "nothing more") != NULL)
			continue;
		(void)snprintf(said + strlen(said), sizeof said - strlen(said), "%s%s", said[0] != '\0' ? ", " : "here may stand ", wanted[0] != '\0' ? wanted : "nothing more");
	}
	return bad(p, KW_EINVAL, best < t->count ? t->word[best].text : "(end of line)", said);
}

static enum kw_err
read_form(struct scenario *s, struct scenario_line *l, const struct sentence *t, uint32_t from, const struct place *p)
{
	const struct form *forms = l->when == WHEN_EVENT ? events : claims;
	size_t count = l->when == WHEN_EVENT ? EVENTS : CLAIMS;
	char wanted[WORD_MAX + 1];
	uint32_t best = from;

	for (size_t i = 0; i < count; i++) {
		uint32_t n = match(wanted, &forms[i], t, from, s, l);

		if (n == UINT32_MAX)
			return KW_OK;
		best = n > best ? n : best;
	}
	return tell_wrong(forms, count, t, from, best, s, p);
}

/* ---- lines ---- */

static enum kw_err
read_when(struct scenario_line *l, const struct sentence *t, uint32_t *from, const struct place *p)
{
	static const struct { const char *word; enum scenario_when when; } words[] = {{"within", WHEN_WITHIN}, {"at", WHEN_AT}, {"never", WHEN_NEVER}};

	l->when = WHEN_EVENT;
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (strcmp(t->word[0].text, words[i].word) == 0)
			l->when = words[i].when;
	*from = l->when != WHEN_EVENT;
	if (l->when == WHEN_NEVER)
		return KW_OK;
	if (*from == t->count || !read_time(&l->at_ms, t->word[*from].text))
		return bad(p, KW_EINVAL, *from < t->count ? t->word[*from].text : "(end of line)", "here stands a time, as 00:05 or 01:30:00, or within, at, never");
	++*from;
	return KW_OK;
}

static enum kw_err
read_line(struct scenario *s, const char *text, uint64_t *last_ms, const struct place *p)
{
	struct sentence t;
	struct scenario_line *l;
	uint32_t from;
	enum kw_err err = split(&t, text, p);

	if (err != KW_OK || t.count == 0)
		return err;
	if (s->count == SCENARIO_LINES_MAX)
		return bad(p, KW_ELIMIT, t.word[0].text, "a scenario has at most 500 sentences");
	l = &s->lines[s->count];
	*l = (struct scenario_line){.number = p->line};
	if ((err = read_when(l, &t, &from, p)) != KW_OK || (err = read_form(s, l, &t, from, p)) != KW_OK)
		return err;
	if (l->when == WHEN_EVENT && l->at_ms < *last_ms)
		return bad(p, KW_EINVAL, t.word[0].text, "it is later than that already; what happens stands in the order of its times");
	if (l->when == WHEN_EVENT)
		*last_ms = l->at_ms;
	s->count++;
	return KW_OK;
}

enum kw_err
scenario_parse(struct scenario *out, const char *name, struct span text, struct kw_why *why)
{
	struct place p = {name, 0, why};
	uint64_t last_ms = 0;
	size_t from = 0;
	enum kw_err err;

	memset(out, 0, sizeof *out);
	while (from < text.len) {
		const uint8_t *end = memchr(text.p + from, '\n', text.len - from);
		size_t len = end != NULL ? (size_t)(end - (text.p + from)) : text.len - from;
		char line[1024];

		p.line++;
		if (len >= sizeof line || memchr(text.p + from, '\0', len) != NULL)
			return bad(&p, KW_ELIMIT, "…", "a line has at most 1,000 bytes and no zero byte");
		memcpy(line, text.p + from, len);
		line[len] = '\0';
		if ((err = read_line(out, line, &last_ms, &p)) != KW_OK)
			return err;
		from += len + 1;
	}
	return out->count > 0 ? KW_OK : kw_refuse(why, KW_EINVAL, "%s: nothing happens in it", name);
}
