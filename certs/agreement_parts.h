/*
 * agreement_parts: the inside of an agreement, shared by the agreement*.c files and by nobody else.
 *
 * Rights are kept a flag per partner: a partner's nodes have the same rights everywhere.
 */
#ifndef KW_CERTS_AGREEMENT_PARTS_H
#define KW_CERTS_AGREEMENT_PARTS_H

#include "certs/agreement.h"
#include "config/yaml_tree.h"

#define PARTNERS_MAX 1024u
#define TOPICS_MAX 512u
#define MEMBERS_MAX 32u
#define OPERATORS_MAX 64u
#define ENDPOINTS_MAX 8u
#define ENDPOINT_LEN_MAX 200u
#define PURPOSES_MAX 32u       /* of one partner */
#define RESPONSIBLE_MAX 16u    /* in one line */
#define HOURS_MAX 8u           /* rules in one entry's hours */
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
	size_t line;
};

struct node {
	char id[KW_NODE_MAX + 1];
	uint32_t partner;
	struct public_key key;
	size_t line;
};

struct signer { /* a committee member or an operator; its name is the key's */
	struct public_key key;
	size_t line;
};

/* Local times of a week; from and to are minutes of a day, to <= from runs into the next day. */
struct hours_rule {
	uint8_t days;                      /* bit 0: Monday */
	uint16_t from;
	uint16_t to;                       /* 1..1440 */
};
struct hours {
	uint32_t count;                    /* 0: always */
	struct hours_rule rule[HOURS_MAX];
};

struct responsible {
	uint32_t node;
	struct hours hours;
	uint64_t take_within_ms;
};

struct topic_rule {
	struct agreement_topic view;       /* its filter is the one below */
	char filter[KW_TOPIC_MAX + 1];
	char purpose[NAME_LEN];            /* "": none */
	uint8_t *publish;                  /* a flag per partner, as the next two; one piece of memory, this its start */
	uint8_t *read;
	uint8_t *approve;
	struct responsible *line;
	uint32_t line_count;
};

struct agreement {
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

/* agreement_hours.c: "Mo-Fr 06:00-22:00; Sa,Su 08:00-20:00". The sentence has no line number yet. */
KW_MUST_USE enum kw_err hours_parse(struct hours *out, const char *text, struct kw_why *why);
bool hours_at(const struct hours *h, uint32_t minute_of_week); /* 0: Monday 00:00 */

/* The first rule that decides topic, NULL: none. */
const struct topic_rule *agreement_rule(const struct agreement *a, const char *topic);
bool rule_may_read(const struct agreement *a, const struct topic_rule *t, uint32_t node);
bool rule_may_publish(const struct agreement *a, const struct topic_rule *t, uint32_t node);
bool rule_in_line(const struct agreement *a, const struct topic_rule *t, uint32_t node); /* the line or the coordinator */

#endif
