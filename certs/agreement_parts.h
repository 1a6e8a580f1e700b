/*
 * agreement_parts: the inside of an agreement, shared by the agreement*.c files and by nobody else.
 *
 * Rights are kept a flag per partner: a partner's nodes have the same rights everywhere.
 */
#ifndef KW_CERTS_AGREEMENT_PARTS_H
#define KW_CERTS_AGREEMENT_PARTS_H

#include "certs/agreement.h"
#include "certs/zone.h"
#include "config/yaml_tree.h"

#define PARTNERS_MAX 1024u
#define TOPICS_MAX 512u
#define MEMBERS_MAX 32u
#define OPERATORS_MAX 64u
#define ENDPOINTS_MAX 8u
#define ENDPOINT_LEN_MAX 200u
#define PURPOSES_MAX 32u       /* of one partner */
#define RESPONSIBLE_MAX 64u    /* entries of one topic */
#define DEPUTIES_MAX 4u        /* of one entry */
#define AREA_NAMES_MAX 256u    /* of one entry */
#define AREA_NAME_LEN 64       /* one of them with its final zero */
#define HOURS_MAX 16u          /* ranges in one entry's hours */
#define HOLIDAYS_MAX 1000u
#define NAME_LEN 32            /* one name with its final zero */
#define TITLE_MAX 128

#define DAY_MS (24ull * 3600 * 1000)
#define MINUTES_A_DAY 1440u
#define MINUTES_A_WEEK (7u * MINUTES_A_DAY)

enum partner_kind { KIND_POLICE, KIND_CITY, KIND_CIVIL, KIND_JUSTICE, KIND_HEALTH, KIND_FIRE, KIND_SCHOOL, KIND_OTHER, KIND_COUNT };
extern const char *const partner_kind_words[KIND_COUNT];

struct partner {
	char id[NAME_LEN];
	char title[TITLE_MAX];             /* "": none given */
	enum partner_kind kind;
	char (*purposes)[NAME_LEN];
	uint32_t purpose_count;
	uint32_t node_count;
	uint32_t first_node;               /* its nodes stand together: their ids begin alike */
	size_t line;
	size_t purposes_line;              /* 0: it names none */
};

struct node {
	char id[KW_NODE_MAX + 1];
	uint32_t partner;
	struct public_key key;
	uint8_t key_line_hash[KW_HASH_LEN]; /* of the text that key was read from */
	size_t line;
};

struct signer { /* a committee member or an operator; its name is the key's */
	struct public_key key;
	size_t line;
};

/* Local times; from and to are minutes of a day, to <= from runs into the next day. */
#define HOLIDAY_BIT (1u << 7)
struct hours_rule {
	uint8_t days;                      /* bit 0: Monday; HOLIDAY_BIT: public holidays, on whatever day */
	uint16_t from;
	uint16_t to;                       /* 1..1440 */
};
struct hours {
	uint32_t count;                    /* 0: always */
	bool names_holidays;               /* a day of "holidays" then follows "PH" alone, not its weekday */
	struct hours_rule rule[HOURS_MAX];
};
struct hours_when {                        /* a minute of local time */
	uint8_t weekday;                   /* 0: Monday */
	uint16_t minute;
	bool holiday, holiday_before;      /* that day, the day before it */
};

struct area { /* names of one level of the topic; level 0: everywhere */
	uint32_t level;                    /* from 1 */
	uint32_t count;
	char (*names)[AREA_NAME_LEN];
};

struct responsible {
	uint32_t node;
	uint32_t deputies[DEPUTIES_MAX];
	uint32_t deputy_count;
	struct hours hours;
	struct area area;
	uint64_t take_within_ms;
	size_t line;
};

struct topic_rule {
	struct agreement_topic view;       /* its filter is the one below */
	char filter[KW_TOPIC_MAX + 1];
	char purpose[NAME_LEN];            /* "": none */
	uint8_t *publish;                  /* a flag per partner, as the next five; one piece of memory, this its start */
	uint8_t *read;
	uint8_t *approve;
	uint8_t *onward;
	uint8_t *acknowledge;
	uint8_t *barred;                   /* "receive" means it, but it has not committed to the purpose */
	struct { uint32_t purpose, publish, receive, lane, approve, onward; } at; /* where these keys stand in the text; 0: they do not */
	struct responsible *line;
	uint32_t line_count;
};

struct agreement {
	const struct agreement *before;    /* whose nodes' keys were checked already; NULL once it is parsed */
	struct buf text;
	uint8_t hash[KW_HASH_LEN];
	char partnership[NAME_LEN];
	uint32_t version;
	uint8_t previous[KW_HASH_LEN];     /* zeros in version 1 */
	enum kw_mode mode;
	uint64_t from_ms, until_ms, grace_ms;
	uint32_t threshold;
	struct signer *members;
	uint32_t member_count;
	struct public_key broker;
	size_t broker_line;
	char (*endpoints)[ENDPOINT_LEN_MAX + 1];
	uint32_t endpoint_count;
	uint32_t coordinator;              /* node number */
	size_t coordinator_line;
	uint64_t coordinator_within_ms;
	char time_zone[ZONE_NAME_MAX];
	struct zone *zone;
	int32_t *holidays;                 /* days since 1970, sorted */
	uint32_t holiday_count;
	struct signer *operators;
	uint32_t operator_count;
	struct partner *partners;          /* as in the text */
	uint32_t partner_count;
	struct node *nodes;                /* sorted by id */
	uint32_t node_count;
	uint32_t *by_curve;                /* node numbers, sorted by CURVE key */
	struct topic_rule *topics;         /* as in the text */
	uint32_t topic_count;
};

/* agreement_topics.c: the list under "topics"; partners, nodes and coordinator are there already. */
KW_MUST_USE enum kw_err agreement_parse_topics(struct agreement *a, const struct yaml_node *root, struct buf *warnings, struct kw_why *why);

/* agreement_calendar.c: time_zone, holidays and coordinator_within; and what time it is there. */
KW_MUST_USE enum kw_err agreement_parse_calendar(struct agreement *a, const struct yaml_node *root, struct kw_why *why);
bool calendar_holiday(const struct agreement *a, int64_t day);
struct hours_when calendar_when(const struct agreement *a, uint64_t at_ms);

/* agreement_hours.c: "Mo-Fr 06:00-12:00,13:00-22:00; Sa,Su,PH 08:00-20:00". The sentence has no line number yet. */
KW_MUST_USE enum kw_err hours_parse(struct hours *out, const char *text, struct kw_why *why);
bool hours_at(const struct hours *h, const struct hours_when *when);
void hours_put(struct buf *out, const struct hours *h); /* as the text has it, though perhaps shorter; nothing for always */

/* agreement_line.c */
bool area_holds(const struct area *area, const char *topic);

/*
 * One topic while it is read: what every step needs. agreement_topics.c reads what concerns rights, agreement_duty.c who
 * takes a matter on, and agreement_gaps.c warns of what is allowed there and probably not meant.
 */
struct reading {
	struct agreement *a;
	struct topic_rule *t;
	const struct yaml_node *map;
	char where[KW_TOPIC_MAX + 16];     /* "topic alert/#" */
	struct buf *warnings;              /* may be NULL */
	struct kw_why *why;
};
void reading_warn(struct reading *r, size_t line, const char *text);
/* Sets the flags of the partners that the words of list mean: "*", ids, kinds. */
KW_MUST_USE enum kw_err reading_words(struct reading *r, uint8_t *flags, const struct yaml_node *list, const char *key);
/* Takes the flags of civil partners who have not committed to the topic's purpose; to name one by its id is an error. */
KW_MUST_USE enum kw_err reading_bind_to_purpose(struct reading *r, uint8_t *flags, const struct yaml_node *list);
/* take_within, responsible, on_change, onward, acknowledge. */
KW_MUST_USE enum kw_err reading_duty(struct reading *r);
void reading_gaps(struct reading *r);

/* agreement_diff_topics.c: the filter of all topics that both take in. Only for filters that overlap; false: it would be too long. */
bool agreement_intersect(char out[KW_TOPIC_MAX + 1], const char *a, const char *b);

/* The first rule that decides topic, NULL: none. */
const struct topic_rule *agreement_rule(const struct agreement *a, const char *topic);
bool rule_may_read(const struct agreement *a, const struct topic_rule *t, uint32_t node);
bool rule_may_publish(const struct agreement *a, const struct topic_rule *t, uint32_t node);
bool rule_names(const struct topic_rule *t, uint32_t node); /* an entry of responsible names it, as who or as deputy */
bool rule_in_line(const struct agreement *a, const struct topic_rule *t, uint32_t node); /* the line of any hour, or the coordinator; without responsible nobody */
bool rule_may_take(const struct agreement *a, const struct topic_rule *t, uint32_t node);
bool rule_must_approve(const struct agreement *a, const struct topic_rule *t, uint32_t node);
bool rule_onward(const struct agreement *a, const struct topic_rule *t, uint32_t node);

#endif
