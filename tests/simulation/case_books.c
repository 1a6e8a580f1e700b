/* case_books: the log told again, and what nodes make of it. */
#include "case_books.h"

#include <jansson.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "clocks.h"
#include "house.h"
#include "proto/entry.h"
#include "proto/frame.h"
#include "tests/unit/case_oracle.h"
#include "trace.h"

#define BIT(who) (1u << (who))
#define SAID_LATE_MS 75000u    /* [M-17] what ran out is stated a minute after a start at the latest; and some time to write it down */
#define CLOCK_ERROR_MS 300000u /* more than any clock here is wrong by */
#define SAID_EARLY_MS 1500u    /* a statement's time is when it was made, and it was written down so much later at most */
#define SAID_EARLY_NARROW_MS 6000u /* where a batch takes three entries, and much waits before it */

static_assert(CASE_VERSIONS >= PAPERS_MAX, "a world knows every version");

struct entry { /* of a case, and how the case stands behind it */
	uint64_t number, upto;         /* upto: what a statement was made from */
	uint8_t id[KW_ID_LEN];         /* a move's own; of a statement the first bytes of its hash */
	bool statement;
	int actor;
	enum notice_type type;         /* of a move */
	enum case_cause cause;
	enum case_verdict verdict;
	enum case_state state;
	uint32_t owner, next;
	uint32_t also;                 /* bits: of a statement that a move overtook: who would take part by it */
	uint64_t true_ms, until_ms, said_ms;
	uint32_t starts;               /* of the broker up to then */
};

struct matter {
	uint8_t id[KW_ID_LEN], frame_hash[KW_HASH_LEN];
	enum subject subject;
	enum lane lane;
	uint32_t asked_ms, readers, senders; /* bits: its audience; the nodes of its sender's partner */
	uint32_t parties, first;       /* bits: who gets every statement ([M-5]); of these, who has from the beginning, and folds it from there */
	struct case_oracle now;
	struct entry *entries;
	uint32_t count, room;
	struct copy { uint8_t id[KW_ID_LEN]; } *copies; /* of alarms, in lane flash */
	uint32_t copy_count;
	uint64_t read[WHO_NODES];      /* number of the statement that was read last */
};

struct made { int who; enum notice_type type; uint8_t about[KW_ID_LEN], id[KW_ID_LEN]; bool settled; }; /* a move that people made */
/* void_once: by some state of its case since it was first offered it would have been void. */
struct on_way { uint8_t id[KW_ID_LEN], about[KW_ID_LEN]; struct case_move move; bool void_once; };

struct case_books {
	struct sim *sim;
	struct matter **matters;
	uint32_t count;
	struct made *made;
	uint32_t made_count;
	struct on_way *on_way;
	uint32_t on_way_count;
	struct case_world world;       /* versions of one subject at a time */
	enum subject world_of;
	uint32_t world_asked_ms, world_versions;
	uint64_t calm_ms;
	bool retelling;
	bool restored;                 /* nodes may know of entries that the log lost */
};

struct case_books *
books_new(struct sim *s)
{
	struct case_books *c = calloc(1, sizeof *c);

	MUST(c != NULL);
	c->sim = s;
	c->world_of = SUBJECT_COUNT;
	return c;
}

static void
forget_matters(struct case_books *c)
{
	for (uint32_t i = 0; i < c->count; i++) {
		free(c->matters[i]->entries);
		free(c->matters[i]->copies);
		free(c->matters[i]);
	}
	free(c->matters);
	c->matters = NULL;
	c->count = 0;
}

void
books_restored(struct case_books *c, bool told)
{
	if (!told)
		forget_matters(c);
	c->restored = true;
	c->retelling = !told;
}

void
books_free(struct case_books **c)
{
	if (*c == NULL)
		return;
	forget_matters(*c);
	free((*c)->made);
	free((*c)->on_way);
	free(*c);
	*c = NULL;
}

static void *
room_for(void *list, uint32_t count, size_t each)
{
	if ((count & (count - 1)) == 0) /* doubles at 0, 1, 2, 4 … */
		list = realloc(list, (count == 0 ? 1 : 2 * (size_t)count) * each);
	MUST(list != NULL);
	return list;
}

static const char *
short_id(const uint8_t id[KW_ID_LEN])
{
	static char text[4][2 * KW_ID_LEN + 1];
	static unsigned turn;

	return sodium_bin2hex(text[turn++ % 4], sizeof text[0], id, KW_ID_LEN) + 2 * KW_ID_LEN - 12;
}

static const char *who_name(uint32_t who) { return who < WHO_COUNT ? papers_name((int)who) : "nobody"; }
static uint32_t who_of(const char *name) { return papers_who(name) >= 0 ? (uint32_t)papers_who(name) : CASE_NOBODY; }

static struct matter *
matter_of(const struct case_books *c, const uint8_t id[KW_ID_LEN])
{
	for (uint32_t i = c->count; i-- > 0;)
		if (memcmp(c->matters[i]->id, id, KW_ID_LEN) == 0)
			return c->matters[i];
	return NULL;
}

/* ---- the agreement, as case_oracle asks for it ---- */

static void
tell_version(struct case_books *c, const struct matter *m, uint32_t version)
{
	struct case_world_version *v = &c->world.v[version];
	const struct policy *p = sim_policy_of(c->sim, version);
	struct papers_turn line[PAPERS_LINE_MAX];
	uint32_t n = papers_line(line, p, m->subject, m->asked_ms);

	*v = (struct case_world_version){.known = true, .coordinator = PAPERS_COORDINATOR, .open_to_readers = !papers_has_line(m->subject),
	                                 .offer_anew = papers_moves_cases(m->subject), .spare_ms = m->asked_ms != 0 ? m->asked_ms : PAPERS_COORDINATOR_MS,
	                                 .nodes = p->members, .day_count = n, .night_count = n};
	for (uint32_t i = 0; i < n; i++)
		v->day[i] = v->night[i] = (struct case_turn){(uint32_t)line[i].who, line[i].rule, line[i].within_ms};
}

static const struct case_world *
world_for(struct case_books *c, const struct matter *m)
{
	if (c->world_of != m->subject || c->world_asked_ms != m->asked_ms)
		c->world_versions = 0;
	c->world_of = m->subject;
	c->world_asked_ms = m->asked_ms;
	while (c->world_versions < c->sim->paper_count)
		tell_version(c, m, ++c->world_versions);
	c->world.readers = m->readers;
	c->world.recallers = m->senders;
	return &c->world;
}

static bool
may_take(const struct matter *m, uint32_t who)
{
	if (who == PAPERS_COORDINATOR || (m->now.line >> who & 1) != 0)
		return true;
	return !papers_has_line(m->subject) && who != m->now.sender && (m->readers & BIT(who)) != 0;
}

/* ---- entries ---- */

static struct entry *
entry_add(struct case_books *c, struct matter *m, uint64_t number, const uint8_t *id)
{
	struct entry *e;

	m->entries = room_for(m->entries, m->count, sizeof *m->entries);
	e = &m->entries[m->count++];
	*e = (struct entry){.number = number, .state = m->now.state, .owner = m->now.owner, .next = m->now.next, .true_ms = clocks_true(), .until_ms = m->now.until_ms, .said_ms = m->now.said_ms,
	                    .starts = c->sim->counts.broker_starts};
	memcpy(e->id, id, KW_ID_LEN);
	if (e->owner >= WHO_NODES)
		sim_broken(c->sim, "at number %llu nobody has the case %s", (unsigned long long)number, short_id(m->id));
	return e;
}

/* [M-19] The broker judges a move at some moment between its offer and the answer, by what was committed then. */
static void
judge_on_way(struct case_books *c, const struct matter *m)
{
	for (uint32_t i = 0; i < c->on_way_count; i++) {
		struct on_way *w = &c->on_way[i];
		struct case_oracle now = m->now;

		if (!w->void_once && memcmp(w->about, m->id, KW_ID_LEN) == 0)
			w->void_once = case_oracle_move(&now, world_for(c, m), &w->move) != CASE_V_OK;
	}
}

static uint32_t
partner_of(int who)
{
	uint32_t who_all = 0;
	size_t len = strcspn(papers_name(who), "/") + 1;

	for (int i = 0; i < WHO_NODES; i++)
		if (strncmp(papers_name(i), papers_name(who), len) == 0)
			who_all |= BIT(i);
	return who_all;
}

static void
opened(struct case_books *c, const struct header *h, const struct store_op *op)
{
	struct matter *m = calloc(1, sizeof *m);
	const struct policy *p = sim_policy_of(c->sim, h->agreement_version);
	int sender = papers_who(h->sender);
	struct case_opening o = {.lane = op->at.lane, .number = op->at.number, .sender = (uint32_t)sender, .version = h->agreement_version, .expires_ms = h->expires_ms};
	uint32_t to = 0;

	MUST(m != NULL && p != NULL && sender >= 0);
	c->matters = room_for(c->matters, c->count, sizeof *c->matters);
	c->matters[c->count++] = m;
	memcpy(m->id, h->id, KW_ID_LEN);
	memcpy(m->frame_hash, op->append.frame_hash, KW_HASH_LEN);
	m->subject = papers_subject(h->topic);
	m->lane = op->at.lane;
	m->asked_ms = h->take_within_s * 1000;
	for (uint32_t i = 0; i < h->to_count; i++)
		to |= BIT(papers_who(h->to[i]));
	m->readers = papers_readers(p, m->subject, sender);
	if (to != 0)
		m->readers &= to | papers_concerned(p, m->subject);
	m->senders = partner_of(sender);
	m->now = case_oracle_open(world_for(c, m), &o);
	m->parties = m->first = BIT(sender) | BIT(PAPERS_COORDINATOR) | m->now.line;
	(void)entry_add(c, m, op->at.number, m->id);
	trace("case %s of %s at number %llu", short_id(m->id), h->sender, (unsigned long long)op->at.number);
}

static bool
move_kind(enum case_move_kind *out, enum notice_type type)
{
	static const struct { enum notice_type type; enum case_move_kind kind; } kinds[] = {
		{TYPE_TAKEN, MOVE_TAKE}, {TYPE_DECLINED, MOVE_DECLINE}, {TYPE_HANDED_OVER, MOVE_HAND_OVER}, {TYPE_RETURNED, MOVE_RETURN},
		{TYPE_DONE, MOVE_DONE}, {TYPE_REOPENED, MOVE_REOPEN}, {TYPE_RECALL, MOVE_RECALL}, {TYPE_CANCEL, MOVE_RECALL},
	};

	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		if (kinds[i].type == type) {
			*out = kinds[i].kind;
			return true;
		}
	return false;
}

static bool
read_move(struct case_move *out, struct matter **of, const struct case_books *c, const struct header *h)
{
	*out = (struct case_move){.actor = who_of(h->sender), .to = who_of(h->next_owner), .version = h->agreement_version};
	if (!h->about.set || !move_kind(&out->kind, h->type))
		return false;
	*of = matter_of(c, h->about.id);
	return *of != NULL && memcmp((*of)->frame_hash, h->about.frame_hash, KW_HASH_LEN) == 0;
}

static void
moved(struct case_books *c, const struct header *h, const struct store_op *op)
{
	struct case_move mv;
	struct matter *m;
	struct entry *e;
	enum case_verdict v;

	if (!read_move(&mv, &m, c, h))
		return;
	mv.number = op->at.number;
	v = case_oracle_move(&m->now, world_for(c, m), &mv);
	if (v == CASE_V_OK || ((v == CASE_V_TAKEN_BY || v == CASE_V_CLOSED) && mv.kind == MOVE_TAKE && may_take(m, mv.actor)))
		m->parties |= mv.kind == MOVE_HAND_OVER ? BIT(mv.to) : mv.kind == MOVE_TAKE ? BIT(mv.actor) : 0;
	e = entry_add(c, m, mv.number, h->id);
	e->actor = (int)mv.actor;
	e->type = h->type;
	e->verdict = v;
	judge_on_way(c, m);
	trace("case %s, number %llu: %s by %s%s%s: %s, with %s", short_id(m->id), (unsigned long long)mv.number, case_move_name(mv.kind), h->sender,
	      h->next_owner[0] != '\0' ? " to " : "", h->next_owner, case_verdict_name(v), who_name(m->now.owner));
}

/* ---- the broker's statements ---- */

static struct case_statement
statement_of(const struct broker_entry *b)
{
	const struct entry_case *e = &b->of_case;

	return (struct case_statement){.cause = e->cause, .state = e->state, .time_ms = b->time_ms, .upto = e->upto, .until_ms = e->until_ms, .entries = e->entries,
	                               .alarms = e->alarms, .version = b->version, .in_force = e->in_force, .owner = who_of(e->owner), .next = who_of(e->next),
	                               .rule = e->rule};
}

static void
does_not_follow(struct case_books *c, const struct matter *m, const struct case_statement *s, const struct case_oracle *stood)
{
	struct case_statement mine;
	bool any = case_oracle_states(&mine, stood, &c->world, s->time_ms, s->in_force);

	sim_broken(c->sim, "the broker states of the case %s: %s, %s, with %s, next %s, until %llu, rule %u, version %u; by the log it is %s: %s, %s, with %s, next %s, until %llu, rule %u, "
	           "version %u", short_id(m->id), case_cause_name(s->cause), case_state_name(s->state), who_name(s->owner), who_name(s->next),
	           (unsigned long long)s->until_ms, s->rule, s->version, any ? "otherwise" : "nothing new", case_cause_name(mine.cause), case_state_name(mine.state),
	           who_name(mine.owner), who_name(mine.next), (unsigned long long)mine.until_ms, mine.rule, mine.version);
}

/* A turn is as long as was said, by a clock that nobody sets; over a start of the broker the wall clock counts. */
static void
not_early(struct case_books *c, const struct matter *m, const struct case_statement *s, const struct case_oracle *stood)
{
	const struct entry *said = NULL;

	for (uint32_t i = m->count; i-- > 0;) {
		const struct entry *e = &m->entries[i];

		if (!e->statement || e->verdict != CASE_V_OK)
			continue;
		if (said != NULL && (e->until_ms != said->until_ms || e->owner != said->owner || e->state != said->state))
			break;
		said = e; /* what is stated while a turn runs begins none */
	}
	if (c->retelling || said == NULL || said->until_ms <= said->said_ms || said->starts != c->sim->counts.broker_starts)
		return;
	if (s->cause != CAUSE_TIMEOUT && s->cause != CAUSE_ALARM && s->cause != CAUSE_HANDOVER_LAPSED)
		return;
	if (clocks_true() - said->true_ms + (house_is_narrow(c->sim->house) ? SAID_EARLY_NARROW_MS : SAID_EARLY_MS) < said->until_ms - said->said_ms)
		sim_broken(c->sim, "the turn of %s in the case %s was to last %llu ms and is over after %llu", who_name(stood->owner), short_id(m->id),
		           (unsigned long long)(said->until_ms - said->said_ms), (unsigned long long)(clocks_true() - said->true_ms));
}

/* The parties of before and of now hear of a case that goes on under another agreement. */
static void
new_parties(struct matter *m)
{
	m->parties |= m->now.line | BIT(m->now.coordinator) | BIT(m->now.owner);
}

/* [M-18] Whom a statement under another agreement is for, beside the parties of before: that a move may overtake it is not known when it is made. */
static uint32_t
would_take_part(struct case_books *c, const struct matter *m, const struct case_statement *s)
{
	struct case_opening o = {.version = s->version, .sender = m->now.sender};
	struct case_oracle anew = case_oracle_open(world_for(c, m), &o);

	return anew.line | BIT(anew.coordinator) | BIT(s->owner);
}

static void
stated(struct case_books *c, const struct store_op *op)
{
	struct broker_entry b;
	struct case_statement s;
	struct case_oracle stood;
	struct matter *m;
	struct entry *e;
	enum case_verdict v;

	MUST(entry_decode(&b, op->append.head, NULL) == KW_OK);
	if (b.kind != ENTRY_CASE)
		return;
	if ((m = matter_of(c, b.of_case.id)) == NULL) {
		sim_broken(c->sim, "the broker states how the case %s stands, which nobody opened", short_id(b.of_case.id));
		return;
	}
	if (b.of_case.lane != op->at.lane) { /* an alarm's copy */
		m->copies = room_for(m->copies, m->copy_count, sizeof *m->copies);
		memcpy(m->copies[m->copy_count++].id, op->append.frame_hash, KW_ID_LEN);
		return;
	}
	s = statement_of(&b);
	stood = m->now;
	v = case_oracle_statement(&m->now, world_for(c, m), &s, op->at.number);
	if (v != CASE_V_OK && v != CASE_V_STALE)
		does_not_follow(c, m, &s, &stood);
	else if (v == CASE_V_OK)
		not_early(c, m, &s, &stood);
	if (v == CASE_V_OK && s.cause == CAUSE_AGREEMENT)
		new_parties(m);
	e = entry_add(c, m, op->at.number, op->append.frame_hash);
	e->statement = true;
	e->cause = s.cause;
	e->upto = s.upto;
	e->verdict = v;
	e->also = v == CASE_V_STALE && s.cause == CAUSE_AGREEMENT ? would_take_part(c, m, &s) : 0;
	judge_on_way(c, m);
	trace("case %s, number %llu: stated %s, %s: %s, with %s", short_id(m->id), (unsigned long long)op->at.number, case_cause_name(s.cause), case_verdict_name(v),
	      case_state_name(m->now.state), who_name(m->now.owner));
}

void
books_logged(struct case_books *c, const struct store_batch *b)
{
	for (uint32_t i = 0; i < b->count; i++) {
		const struct store_op *op = &b->ops[i];
		struct header h;
		struct frame f;

		if (op->kind != OP_APPEND || op->result != APPEND_STORED)
			continue;
		if (op->append.entry) {
			stated(c, op);
			continue;
		}
		MUST(frame_parse(&f, op->append.head, FRAME_EITHER, NULL) == KW_OK && header_decode(&h, f.header, NULL) == KW_OK);
		if (h.type == TYPE_NOTICE && papers_opens_case(papers_subject(h.topic)))
			opened(c, &h, op);
		else
			moved(c, &h, op);
	}
}

/* ---- moves on their way ---- */

void
books_moved(struct case_books *c, const struct books_move *m)
{
	struct made *n;

	c->made = room_for(c->made, c->made_count, sizeof *c->made);
	n = &c->made[c->made_count++];
	*n = (struct made){.who = m->who, .type = m->type};
	memcpy(n->about, m->about, KW_ID_LEN);
	memcpy(n->id, m->id, KW_ID_LEN);
	trace("moves the case %s with %s: %s", short_id(m->about), short_id(m->id), notice_type_name(m->type));
}

void
books_offered(struct case_books *c, int who, const struct header *h)
{
	struct case_move move;
	struct matter *m;
	struct on_way *w;

	(void)who;
	if (!read_move(&move, &m, c, h))
		return;
	c->on_way = room_for(c->on_way, c->on_way_count, sizeof *c->on_way);
	w = &c->on_way[c->on_way_count++];
	*w = (struct on_way){.move = move};
	memcpy(w->id, h->id, KW_ID_LEN);
	memcpy(w->about, m->id, KW_ID_LEN);
	judge_on_way(c, m);
}

bool
books_explain(struct case_books *c, const uint8_t id[KW_ID_LEN], enum wire_code code)
{
	for (uint32_t i = 0; i < c->on_way_count; i++) {
		const struct on_way *w = &c->on_way[i];

		if (memcmp(w->id, id, KW_ID_LEN) != 0 || code != CODE_DENIED)
			continue;
		if (matter_of(c, w->about) == NULL)
			return c->restored; /* [M-19] about no case: the log lost it */
		return w->void_once || sim_was_taken_out(c->sim, (int)matter_of(c, w->about)->now.sender); /* sealed while who asked was out: it is not named */
	}
	return c->restored && code == CODE_DENIED; /* a note, say, about a case that the log lost */
}

static bool
told_too(const struct matter *m, const struct entry_case *of_case, int who)
{
	for (uint32_t i = 0; i < m->count; i++)
		if (m->entries[i].statement && m->entries[i].upto == of_case->upto && m->entries[i].cause == of_case->cause && (m->entries[i].also & BIT(who)) != 0)
			return true;
	return false;
}

void
books_told(struct case_books *c, int who, struct span entry)
{
	struct broker_entry b;
	const struct matter *m;

	if (entry_decode(&b, entry, NULL) != KW_OK || b.kind != ENTRY_CASE)
		return;
	m = matter_of(c, b.of_case.id);
	if ((m == NULL || ((m->parties & BIT(who)) == 0 && !told_too(m, &b.of_case, who))) && !c->restored)
		sim_broken(c->sim, "the broker tells %s how the case %s stands, who takes no part in it", papers_name(who), short_id(b.of_case.id));
}

/* ---- what applications read ---- */

static const struct entry *
entry_of(const struct matter *m, const uint8_t id[KW_ID_LEN])
{
	for (uint32_t i = m->count; i-- > 0;)
		if (memcmp(m->entries[i].id, id, KW_ID_LEN) == 0)
			return &m->entries[i];
	return NULL;
}

/* [M-12] It hurries before the case's own lane, and is no entry of it. */
static bool
is_copy(const struct matter *m, const uint8_t id[KW_ID_LEN])
{
	for (uint32_t i = 0; m != NULL && i < m->copy_count; i++)
		if (memcmp(m->copies[i].id, id, KW_ID_LEN) == 0)
			return true;
	return false;
}

/* [M-13] A node may not know yet that a move of its own stands before the statement: the answer is on its way. */
static bool
overtaken_by_own(const struct matter *m, const struct entry *statement, int who)
{
	for (const struct entry *e = m->entries; e < statement; e++)
		if (!e->statement && e->number > statement->upto && e->actor == who)
			return true;
	return false;
}

void
books_row(struct case_books *c, int who, const struct inbox_row *row)
{
	struct matter *m = matter_of(c, row->header.about.id);
	const struct entry *e = m != NULL ? entry_of(m, row->header.id) : NULL;

	if ((e == NULL || e->verdict == CASE_V_STALE) && is_copy(m, row->header.id))
		return; /* a move may still overtake the alarm in the case's own lane */
	if (e != NULL && e->statement && e->verdict == CASE_V_STALE && (m->first & BIT(who)) == 0)
		return; /* who came later believes each statement: whether a move went before it need not be seen from there */
	if (e != NULL && e->statement && e->verdict == CASE_V_STALE && overtaken_by_own(m, e, who))
		return;
	if (e == NULL && c->restored)
		return; /* [M-15] the log lost it behind that */
	if (e == NULL || !e->statement || e->verdict != CASE_V_OK) {
		sim_broken(c->sim, "the application of %s reads a statement about the case %s that is not in the log, or counts nothing there", papers_name(who),
		           short_id(row->header.about.id));
		return;
	}
	trace("reads that the case %s is %s, with %s", short_id(m->id), case_state_name(row->entry.of_case.state), row->entry.of_case.owner);
	if (e->state != row->entry.of_case.state || e->owner != who_of(row->entry.of_case.owner) || e->next != who_of(row->entry.of_case.next))
		sim_broken(c->sim, "the application of %s reads that the case %s is %s with %s, and it is %s with %s", papers_name(who), short_id(m->id),
		           case_state_name(row->entry.of_case.state), row->entry.of_case.owner, case_state_name(e->state), who_name(e->owner));
	if (e->cause == CAUSE_ALARM)
		return; /* it may be the copy */
	if (e->number <= m->read[who])
		sim_broken(c->sim, "the application of %s reads number %llu of the case %s behind number %llu", papers_name(who), (unsigned long long)e->number,
		           short_id(m->id), (unsigned long long)m->read[who]);
	m->read[who] = e->number;
}

/* ---- what is to be known ---- */

uint32_t books_count(const struct case_books *c) { return c->count; }

static void
tell(struct books_known *out, const struct matter *m)
{
	*out = (struct books_known){.known = true, .sender = (int)m->now.sender, .owner = (int)m->now.owner, .next = m->now.next < WHO_NODES ? (int)m->now.next : -1,
	                            .state = m->now.state, .readers = m->readers, .alarms = m->now.alarms};
	memcpy(out->id, m->id, KW_ID_LEN);
}

void books_at(struct books_known *out, const struct case_books *c, uint32_t i) { tell(out, c->matters[i]); }

void
books_find(struct books_known *out, const struct case_books *c, const uint8_t id[KW_ID_LEN])
{
	const struct matter *m = matter_of(c, id);

	*out = (struct books_known){.owner = -1, .next = -1, .sender = -1};
	if (m != NULL)
		tell(out, m);
}

/* ---- what nodes show ---- */

static const char *
text_in(const json_t *o, const char *key)
{
	const char *t = json_string_value(json_object_get(o, key));

	return t != NULL ? t : "";
}

/*
 * How far it has come: the entry that it folded last. NULL: it only has the notification; checks the verdicts on the way. early: [M-13] among them is
 * a statement that a move of its own overtook, whose answer it has not.
 */
static const struct entry *
folded_last(struct case_books *c, int who, const struct matter *m, const json_t *shown, bool believed, bool *early)
{
	const struct entry *last = NULL;
	json_t *one;
	size_t i;

	json_array_foreach(json_object_get(shown, "entries"), i, one) {
		uint64_t number = (uint64_t)json_integer_value(json_object_get(one, "number"));
		const struct entry *e = NULL;

		for (uint32_t k = 0; k < m->count && e == NULL; k++)
			if (m->entries[k].number == number)
				e = &m->entries[k];
		if (e == NULL) {
			sim_broken(c->sim, "%s shows an entry of the case %s at number %llu, where the log has none", papers_name(who), short_id(m->id), (unsigned long long)number);
			return NULL;
		}
		if (strcmp(text_in(one, "verdict"), "waits") == 0)
			continue;
		last = e;
		if (e->statement && e->verdict == CASE_V_STALE && strcmp(text_in(one, "verdict"), "ok") == 0 && overtaken_by_own(m, e, who)) {
			*early = true;
			continue;
		}
		if (!believed && strcmp(text_in(one, "verdict"), case_verdict_name(e->verdict)) != 0) {
			sim_broken(c->sim, "%s shows number %llu of the case %s as \"%s\", and it is \"%s\"", papers_name(who), (unsigned long long)number, short_id(m->id),
			           text_in(one, "verdict"), case_verdict_name(e->verdict));
			return NULL;
		}
	}
	return last;
}

static bool
shows(const json_t *shown, enum case_state state, uint32_t owner, uint32_t next)
{
	return strcmp(text_in(shown, "state"), case_state_name(state)) == 0 && who_of(text_in(shown, "owner")) == owner &&
	       (state != CASE_TAKEN || who_of(text_in(shown, "next")) == next);
}

static void
look_at(struct case_books *c, int who, const struct matter *m, const json_t *shown)
{
	bool believed = json_is_true(json_object_get(shown, "believed")), early = false;
	const struct entry *at = folded_last(c, who, m, shown, believed, &early);

	if (at == NULL)
		at = &m->entries[0];
	if (json_is_true(json_object_get(shown, "parted")))
		sim_broken(c->sim, "%s says that the broker states of the case %s what does not follow", papers_name(who), short_id(m->id));
	if (!believed && !early && !shows(shown, at->state, at->owner, at->next))
		sim_broken(c->sim, "%s shows the case %s as %s with %s at number %llu, and there it is %s with %s", papers_name(who), short_id(m->id), text_in(shown, "state"),
		           text_in(shown, "owner"), (unsigned long long)at->number, case_state_name(at->state), who_name(at->owner));
}

void
books_look(struct case_books *c, int who, const uint8_t id[KW_ID_LEN])
{
	const struct matter *m = matter_of(c, id);
	struct kw_why why;
	json_t *shown;

	if (m == NULL || sim_was_taken_out(c->sim, who) || (c->restored && c->calm_ms == 0) || desk_case(&shown, c->sim->posts[who].node, id, true, "en", &why) != KW_OK)
		return;
	look_at(c, who, m, shown);
	json_decref(shown);
}

/* ---- the end ---- */

/* Whoever was taken out and came back does not hear what was said meanwhile. */
static bool
is_there(const struct case_books *c, int who)
{
	return c->sim->posts[who].node != NULL && (sim_policy(c->sim)->members & BIT(who)) != 0 && !sim_was_taken_out(c->sim, who);
}

/* Nothing is to be stated, and nobody waits in silence: it is closed, or somebody has it, or the coordinator was reminded. */
static bool
at_rest(const struct matter *m, char what[512])
{
	const struct case_oracle *o = &m->now;
	bool open = o->state != CASE_DONE && o->state != CASE_RECALLED && o->state != CASE_LAPSED;
	bool said = o->said && o->told && o->moved <= o->said_from;
	const char *waits = NULL;

	if (!said)
		waits = "the broker has not said how it stands";
	else if (o->state == CASE_TAKEN && o->next != CASE_NOBODY)
		waits = "a hand-over neither counts nor lapses";
	else if (open && o->state != CASE_TAKEN && (o->state != CASE_ESCALATED || o->alarms == 0))
		waits = "nobody has it and the coordinator is not reminded";
	else if (open && o->state == CASE_ESCALATED && m->lane != LANE_FLASH && m->copy_count == 0)
		waits = "its alarm is not in lane flash";
	if (waits == NULL)
		return true;
	(void)snprintf(what, 512, "the case %s is %s with %s: %s", short_id(m->id), case_state_name(o->state), who_name(o->owner), waits);
	return false;
}

/* A statement about something else leaves a turn that runs as it is. */
static bool
turn_began_before_a_start(const struct case_books *c, const struct matter *m)
{
	uint32_t i = m->count - 1;

	while (i > 0 && m->entries[i - 1].until_ms == m->now.until_ms)
		i--;
	return m->entries[i].starts != c->sim->counts.broker_starts;
}

/* A turn that is over, or a move that was made, is stated in a bounded time: by a clock that nobody sets, but over a start the wall clock counts. */
static void
not_late(struct case_books *c, const struct matter *m)
{
	const struct case_oracle *o = &m->now;
	const struct entry *last = &m->entries[m->count - 1];
	uint64_t lasts = o->until_ms > o->said_ms && o->told ? o->until_ms - o->said_ms : 0, since = last->true_ms + lasts;

	if (o->said && o->told && o->moved <= o->said_from && (o->until_ms == 0 || o->alarms > 0))
		return;
	if (turn_began_before_a_start(c, m))
		since += CLOCK_ERROR_MS;
	if (clocks_true() > (since > c->calm_ms ? since : c->calm_ms) + SAID_LATE_MS)
		sim_broken(c->sim, "the case %s is %s with %s, whose turn was over %llu s ago, and the broker says nothing", short_id(m->id), case_state_name(o->state),
		           who_name(o->owner), (unsigned long long)(clocks_true() - since) / 1000);
}

static bool
same_everywhere(struct case_books *c, const struct matter *m, char what[512])
{
	for (int who = 0; who < WHO_NODES; who++) {
		struct kw_why why;
		json_t *shown;
		bool same;

		if ((m->parties & (m->readers | BIT(m->now.sender)) & BIT(who)) == 0 || !is_there(c, who))
			continue;
		clocks_run_as(who);
		if (desk_case(&shown, c->sim->posts[who].node, m->id, true, "en", &why) != KW_OK) {
			(void)snprintf(what, 512, "%s takes part in the case %s and does not know it: %s", papers_name(who), short_id(m->id), why.text);
			return false;
		}
		same = shows(shown, m->now.state, m->now.owner, m->now.next) && text_in(shown, "waits")[0] == '\0' &&
		       (uint32_t)json_integer_value(json_object_get(shown, "alarms")) == m->now.alarms;
		if (!same)
			(void)snprintf(what, 512, "%s shows the case %s as %s with %s%s%s, %lld alarms; it is %s with %s, %u alarms", papers_name(who), short_id(m->id),
			               text_in(shown, "state"), text_in(shown, "owner"), text_in(shown, "waits")[0] != '\0' ? " and waits: " : "", text_in(shown, "waits"),
			               (long long)json_integer_value(json_object_get(shown, "alarms")), case_state_name(m->now.state), who_name(m->now.owner), m->now.alarms);
		else
			look_at(c, who, m, shown);
		json_decref(shown);
		if (!same)
			return false;
	}
	return true;
}

/* Entries that the first statement that holds and was made from e or from behind it was made from, and the one before it was not. */
static bool
stated_with(uint64_t *from, uint64_t *upto, const struct matter *m, const struct entry *e)
{
	*from = *upto = 0;
	for (uint32_t i = 0; i < m->count && *upto < e->number; i++)
		if (m->entries[i].statement && m->entries[i].verdict == CASE_V_OK) {
			*from = *upto;
			*upto = m->entries[i].upto;
		}
	return *upto >= e->number;
}

/*
 * [M-6] Whom the giver named took the case behind this move of the giver's, and did not know whom to tell: the giver sees it by the next statement alone,
 * which counts the entries. Only where that take is the one entry that is missing there, and the newest, is it known to stand behind.
 */
static bool
taken_unseen_behind(const struct matter *m, const struct entry *e, int who)
{
	const struct entry *take = NULL;
	uint32_t others = 0, given = 0;
	uint64_t from, upto;

	if ((m->first & BIT(who)) != 0 || e->verdict != CASE_V_OK || (e->type != TYPE_HANDED_OVER && e->type != TYPE_RETURNED) || !stated_with(&from, &upto, m, e))
		return false;
	for (const struct entry *x = m->entries; x < m->entries + m->count; x++) {
		if (x->statement || x->number > upto)
			continue;
		if (x->actor == who && x->type == TYPE_HANDED_OVER && x->verdict == CASE_V_OK && x->number < e->number)
			given |= BIT(x->next);
		if (x->number <= from || x->actor == who)
			continue;
		others++;
		if (x->number > e->number && x->type == TYPE_TAKEN && x->verdict == CASE_V_OK)
			take = x;
	}
	return take != NULL && (given & BIT(take->actor)) != 0 && (others > 1 || take->number < upto);
}

/* Whoever made a move hears what became of it, and who came second with whom the case is. */
static bool
heard(struct case_books *c, struct made *n, char what[512])
{
	const struct matter *m = matter_of(c, n->about);
	const struct entry *e = m != NULL ? entry_of(m, n->id) : NULL;
	struct kw_why why = {{0}};
	enum kw_err fate;

	if (n->settled || !is_there(c, n->who))
		return true;
	clocks_run_as(n->who);
	fate = desk_move_fate(c->sim->posts[n->who].node, n->id, &why);
	if (e != NULL && n->type == TYPE_RECALL && (m->first & BIT(n->who)) == 0)
		e = NULL; /* a colleague of the sender's takes no part: that it stands in the log is all there is to hear */
	if (e != NULL && e->verdict == CASE_V_CIRCLE && fate == KW_OK && (m->first & BIT(n->who)) == 0) {
		n->settled = true; /* who gave the case away before it came here cannot be seen from there; the next statement says who is to take it over */
		return true;
	}
	if (e != NULL && fate == KW_ESTATE && taken_unseen_behind(m, e, n->who)) {
		n->settled = true;
		return true;
	}
	if (fate == KW_EAGAIN && e == NULL && c->restored)
		return true; /* [C-11] the log lost it and may not take it any more: it stays stored at its node */
	if (fate == KW_EAGAIN || (e != NULL && (fate == KW_OK) != (e->verdict == CASE_V_OK || e->verdict == CASE_V_ALREADY_YOURS))) {
		(void)snprintf(what, 512, "%s hears of its move %s in the case %s: %s; it is %s", papers_name(n->who), short_id(n->id), short_id(n->about),
		               fate == KW_OK ? "it counts" : why.text, e != NULL ? case_verdict_name(e->verdict) : "not in the log");
		return false;
	}
	if (e != NULL && e->verdict == CASE_V_TAKEN_BY && strstr(why.text, who_name(m->now.owner)) == NULL) {
		(void)snprintf(what, 512, "%s came second with its move %s in the case %s, which is with %s, and hears: %s", papers_name(n->who), short_id(n->id),
		               short_id(n->about), who_name(m->now.owner), why.text);
		return false;
	}
	n->settled = true;
	return true;
}

void books_calm(struct case_books *c) { c->calm_ms = clocks_true(); }

void
books_go_on(struct case_books *c)
{
	for (uint32_t i = 0; i < c->count; i++)
		not_late(c, c->matters[i]);
}

bool
books_settled(struct case_books *c, char what[512])
{
	books_go_on(c);
	for (uint32_t i = 0; i < c->count; i++)
		if (!at_rest(c->matters[i], what))
			return false;
	for (uint32_t i = 0; i < c->made_count; i++)
		if (!heard(c, &c->made[i], what))
			return false;
	for (uint32_t i = 0; i < c->count; i++)
		if (!same_everywhere(c, c->matters[i], what))
			return false;
	return true;
}
