/* papers: keys and agreements. */
#include "papers.h"

#include <stdio.h>
#include <string.h>

#define BIT(who) (1u << (who))

static const struct { const char *name, *partner; } roster[WHO_COUNT] = {
	[WHO_CONTROL_ROOM] = {"police/control-room", "police"}, [WHO_PATROL] = {"police/patrol", "police"},
	[WHO_PUBLIC_ORDER] = {"city/public-order", "city"},     [WHO_CRIME_PREVENTION] = {"city/crime-prevention", "city"},
	[WHO_YOUTH_HOUSE] = {"youth-house/office", "youth-house"}, [WHO_SHELTER] = {"shelter/desk", "shelter"},
	[WHO_CLUB] = {"club/steward", "club"},                  [WHO_LIAR] = {"rogue/desk", "rogue"},
	[WHO_BROKER] = {"haus", NULL},                          [WHO_DRIVER] = {"", NULL},
};
static const char *const committee_names[] = {"mayor", "president", "prosecutor"};
#define COMMITTEE 3

static struct {
	struct secret_keys *keys[WHO_COUNT];
	struct secret_keys *committee[COMMITTEE];
	char files[WHO_COUNT][256];
} kept;

#define POLICE (BIT(WHO_CONTROL_ROOM) | BIT(WHO_PATROL))
#define CITY (BIT(WHO_PUBLIC_ORDER) | BIT(WHO_CRIME_PREVENTION))
#define CIVIL (BIT(WHO_YOUTH_HOUSE) | BIT(WHO_SHELTER) | BIT(WHO_CLUB) | BIT(WHO_LIAR))

const struct policy policy_first = {.members = POLICE | CITY | BIT(WHO_YOUTH_HOUSE) | BIT(WHO_SHELTER) | BIT(WHO_LIAR), .youth_urgent = true};

const char *papers_name(int who) { return roster[who].name; }

int
papers_who(const char *name)
{
	for (int i = 0; i <= WHO_BROKER; i++)
		if (strcmp(roster[i].name, name) == 0)
			return i;
	return -1;
}

static const struct { const char *topic; enum lane lane; } subjects[SUBJECT_COUNT] = {
	[SUBJECT_FLASH] = {"flash/storm", LANE_FLASH},
	[SUBJECT_URGENT] = {"urgent/traffic", LANE_URGENT},
	[SUBJECT_ROUTINE] = {"routine/roster", LANE_ROUTINE},
	[SUBJECT_PAIR] = {"pair/watch", LANE_URGENT},
	[SUBJECT_DUTY] = {"duty/noise", LANE_URGENT},
	[SUBJECT_WATCH] = {"watch/keys", LANE_ROUTINE},
	[SUBJECT_HELP] = {"help/lift", LANE_FLASH},
};

const char *papers_topic(enum subject s) { return subjects[s].topic; }
enum lane papers_lane(enum subject s) { return subjects[s].lane; }

enum subject
papers_subject(const char *topic)
{
	int s = 0;

	while (s < SUBJECT_COUNT && strcmp(subjects[s].topic, topic) != 0)
		s++;
	return (enum subject)s;
}

static uint32_t
readers(const struct policy *p, enum subject s)
{
	switch (s) {
	case SUBJECT_FLASH: return POLICE | CITY | CIVIL;
	case SUBJECT_URGENT: return POLICE | CITY | (p->youth_urgent ? BIT(WHO_YOUTH_HOUSE) : 0);
	case SUBJECT_ROUTINE: return POLICE | CITY | CIVIL;
	case SUBJECT_PAIR: return CITY;
	case SUBJECT_DUTY: return POLICE | CITY | BIT(WHO_SHELTER);
	case SUBJECT_WATCH: return POLICE | CITY | BIT(WHO_SHELTER);
	case SUBJECT_HELP: return POLICE | CITY | CIVIL;
	case SUBJECT_COUNT: break;
	}
	return 0;
}

bool
papers_may_publish(const struct policy *p, enum subject s, int who)
{
	static const uint32_t publishers[SUBJECT_COUNT] = {
		POLICE | CITY | CIVIL, POLICE | CITY, POLICE | CITY | CIVIL, POLICE, POLICE | CITY | CIVIL, POLICE | CITY | CIVIL, POLICE | CITY | CIVIL,
	};

	return (publishers[s] & p->members & BIT(who)) != 0;
}

uint32_t
papers_readers(const struct policy *p, enum subject s, int sender)
{
	return ((readers(p, s) & p->members) | papers_concerned(p, s)) & ~BIT(sender);
}

/* ---- who takes something on ---- */

bool papers_opens_case(enum subject s) { return s >= SUBJECT_DUTY && s < SUBJECT_COUNT; }
bool papers_has_line(enum subject s) { return s == SUBJECT_DUTY || s == SUBJECT_WATCH; }
bool papers_moves_cases(enum subject s) { return s == SUBJECT_WATCH; }

/* An entry of the line; deputy: who stands in for the one before and shares its entry. */
struct duty { int who; bool deputy; uint32_t within_ms; };
#define DUTIES 4
static const struct duty duties[SUBJECT_COUNT][2][DUTIES] = { /* as it stands, and turned round */
	[SUBJECT_DUTY] = {{{WHO_PATROL, false, 3000}, {WHO_CONTROL_ROOM, true, 3000}, {WHO_SHELTER, false, 2000}, {WHO_PUBLIC_ORDER, false, 4000}},
	                  {{WHO_PUBLIC_ORDER, false, 4000}, {WHO_SHELTER, false, 2000}, {WHO_PATROL, false, 3000}, {WHO_CONTROL_ROOM, true, 3000}}},
	[SUBJECT_WATCH] = {{{WHO_PUBLIC_ORDER, false, 3000}, {WHO_SHELTER, false, 2000}}, {{WHO_CONTROL_ROOM, false, 4000}, {WHO_PUBLIC_ORDER, false, 3000}}},
};

static bool
is_on_duty(const struct duty *d, const struct policy *p)
{
	return d->within_ms != 0 && (p->members & BIT(d->who)) != 0;
}

uint32_t
papers_line(struct papers_turn out[PAPERS_LINE_MAX], const struct policy *p, enum subject s, uint32_t asked_ms)
{
	const struct duty *d = duties[s][p->turned];
	uint32_t n = 0;
	uint16_t rule = 0;

	for (int i = 0; i < DUTIES; i++) {
		if (!is_on_duty(&d[i], p))
			continue;
		rule = (uint16_t)(rule + (n > 0 && !d[i].deputy));
		out[n++] = (struct papers_turn){d[i].who, rule, d[i].within_ms};
	}
	out[n] = (struct papers_turn){PAPERS_COORDINATOR, (uint16_t)(n > 0 ? rule + 1 : 0), papers_has_line(s) ? PAPERS_COORDINATOR_MS : asked_ms};
	return n + 1;
}

uint32_t
papers_concerned(const struct policy *p, enum subject s)
{
	struct papers_turn line[PAPERS_LINE_MAX];
	uint32_t n = papers_opens_case(s) ? papers_line(line, p, s, 0) : 0, who = 0;

	while (n > 0)
		who |= BIT(line[--n].who);
	return who;
}

/* ---- keys ---- */

enum kw_err
papers_open(const char *folder, struct kw_why *why)
{
	enum kw_err err;

	for (int i = 0; i <= WHO_BROKER; i++) {
		if ((err = secret_keys_new(&kept.keys[i], i == WHO_BROKER ? KEY_BROKER : KEY_NODE, MODE_LIVE, roster[i].name, why)) != KW_OK)
			return err;
		(void)snprintf(kept.files[i], sizeof kept.files[i], "%s/%d.key", folder, i);
		if ((err = secret_keys_write(kept.keys[i], kept.files[i], NULL, why)) != KW_OK)
			return err;
	}
	for (int i = 0; i < COMMITTEE; i++)
		if ((err = secret_keys_new(&kept.committee[i], KEY_STEERING, MODE_LIVE, committee_names[i], why)) != KW_OK)
			return err;
	return KW_OK;
}

void
papers_close(void)
{
	for (int i = 0; i <= WHO_BROKER; i++)
		secret_keys_free(&kept.keys[i]);
	for (int i = 0; i < COMMITTEE; i++)
		secret_keys_free(&kept.committee[i]);
}

const struct secret_keys *papers_keys(int who) { return kept.keys[who]; }
const char *papers_key_file(int who) { return kept.files[who]; }

/* ---- agreements ---- */

static void
put_hash(struct buf *b, const uint8_t hash[KW_HASH_LEN])
{
	for (int i = 0; i < KW_HASH_LEN; i++)
		buf_printf(b, "%02x", hash[i]);
}

static void
put_partners(struct buf *b, const struct policy *p)
{
	for (int i = 0; i <= WHO_LIAR; i++) {
		bool first = i == 0 || strcmp(roster[i].partner, roster[i - 1].partner) != 0;
		bool civil = (CIVIL & BIT(i)) != 0;

		if ((p->members & BIT(i)) == 0)
			continue;
		MUST(first || (p->members & BIT(i - 1)) != 0); /* both nodes of a partner or none */
		if (first)
			buf_printf(b, "  - id: %s\n    kind: %s\n%s    nodes:\n", roster[i].partner, civil ? "civil" : roster[i].partner,
			           civil ? "    purposes: [danger-prevention]\n" : "");
		buf_printf(b, "      - {id: %s, key: \"%s\"}\n", strchr(roster[i].name, '/') + 1, secret_keys_line(kept.keys[i]));
	}
}

static void
put_line(struct buf *b, const struct policy *p, enum subject s)
{
	const struct duty *d = duties[s][p->turned];

	buf_printf(b, "  - filter: \"%s\"\n    schema: report\n    purpose: danger-prevention\n    publish: [\"*\"]\n    receive: [police, city%s]\n    lane: %s\n%s    responsible:\n",
	           papers_topic(s), (p->members & BIT(WHO_SHELTER)) != 0 ? ", shelter" : "", lane_name(papers_lane(s)),
	           papers_moves_cases(s) ? "    on_change: move\n" : "");
	for (int i = 0; i < DUTIES; i++) {
		bool deputy = i + 1 < DUTIES && d[i + 1].deputy;

		if (is_on_duty(&d[i], p) && !d[i].deputy)
			buf_printf(b, "      - {who: %s, take_within: %us%s%s%s}\n", roster[d[i].who].name, d[i].within_ms / 1000, deputy ? ", deputies: [" : "",
			           deputy ? roster[d[i + 1].who].name : "", deputy ? "]" : "");
	}
}

static void
put_topics(struct buf *b, const struct policy *p)
{
	buf_put_str(b, "topics:\n"
	               "  - {filter: \"flash/#\", schema: report, purpose: danger-prevention, publish: [\"*\"], receive: [\"*\"], lane: flash}\n");
	buf_printf(b, "  - {filter: \"urgent/#\", schema: report, purpose: danger-prevention, publish: [police, city], receive: [police, city%s], lane: urgent}\n",
	           p->youth_urgent ? ", youth-house" : "");
	buf_put_str(b, "  - {filter: \"routine/#\", schema: report, purpose: danger-prevention, publish: [\"*\"], receive: [\"*\"], lane: routine}\n"
	               "  - {filter: \"pair/#\", schema: report, publish: [police], receive: [city], lane: urgent}\n"
	               "  - {filter: \"help/#\", schema: report, purpose: danger-prevention, publish: [\"*\"], receive: [\"*\"], lane: flash}\n");
	put_line(b, p, SUBJECT_DUTY);
	put_line(b, p, SUBJECT_WATCH);
}

void
papers_write(struct paper *out, const struct paper *old, const struct policy *policy)
{
	struct kw_why why;
	enum kw_err err;

	*out = (struct paper){.policy = *policy, .version = old != NULL ? old->version + 1 : 1};
	out->text = BUF_INIT(KW_AGREEMENT_MAX);
	out->sigs = BUF_INIT(KW_SIGNATURES_TEXT_MAX);
	buf_printf(&out->text, "partnership: musterstadt\nversion: %u\n", out->version);
	if (old != NULL) {
		buf_put_str(&out->text, "previous: \"b2:");
		put_hash(&out->text, agreement_hash(old->agreement));
		buf_put_str(&out->text, "\"\n");
	}
	buf_put_str(&out->text, "valid: {from: 2020-12-01T00:00:00+01:00, until: 2090-12-01T00:00:00+01:00, grace: 30d}\nkind: live\n"
	                        "steering:\n  threshold: 2\n  members:\n");
	for (int i = 0; i < COMMITTEE; i++)
		buf_printf(&out->text, "    - {name: %s, key: \"%s\"}\n", committee_names[i], secret_keys_line(kept.committee[i]));
	buf_printf(&out->text, "broker: {name: haus, endpoints: [\"tcp://broker:7411\"], key: \"%s\"}\ncoordinator: %s\ncoordinator_within: %us\npartners:\n",
	           secret_keys_line(kept.keys[WHO_BROKER]), roster[PAPERS_COORDINATOR].name, PAPERS_COORDINATOR_MS / 1000);
	put_partners(&out->text, policy);
	put_topics(&out->text, policy);
	MUST(buf_ok(&out->text));
	if ((err = agreement_parse(&out->agreement, buf_span(&out->text), NULL, &why)) != KW_OK)
		(void)fprintf(stderr, "the simulation's agreement: %s\n", why.text);
	MUST(err == KW_OK);
	for (int i = 0; i < 2; i++)
		MUST(agreement_sign(&out->sigs, out->agreement, old != NULL ? old->agreement : NULL, kept.committee[i], &why) == KW_OK);
}

void
papers_free(struct paper *p)
{
	buf_free(&p->text);
	buf_free(&p->sigs);
	agreement_free(&p->agreement);
}
