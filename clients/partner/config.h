/* config: partner.yaml, read strictly: an unknown key, a key given twice or a value out of its range is refused with its line. */
#ifndef KW_PARTNER_CONFIG_H
#define KW_PARTNER_CONFIG_H

#include <stdint.h>

#include "base/err.h"
#include "base/log.h"
#include "base/span.h"
#include "config/reload.h"
#include "proto/limits.h"
#include "proto/wire.h"

enum handler_form { HANDLER_JSON, HANDLER_CAP, HANDLER_TEXT, HANDLER_TEXT_DE };
enum handler_cases { CASES_NONE, CASES_TURNS, CASES_ALL };

#define CONFIG_HANDLERS_MAX 64
#define CONFIG_ARGS_MAX 32

struct config_handler {
	char *name;               /* for its place in the inbox; the topic and the program where none is given */
	char *topic;              /* a filter; "": it runs for suspensions alone */
	char *run[CONFIG_ARGS_MAX + 1]; /* ends with NULL */
	enum handler_form as;
	enum handler_cases cases; /* what becomes of cases: nothing, when it is this node's turn, every change */
	bool drafts;              /* also what is to be approved first; a program that passes on what comes must not get these */
	bool suspensions;         /* also what the broker states of nodes that an operator keeps out */
	uint32_t attempts;        /* then it is set aside */
	uint64_t timeout_ms;      /* of one run */
};

struct partner_config {
	char *agreement;          /* path of the text; its signatures lie beside it in .sig */
	char *fingerprint;        /* of the first agreement, compared at the first start; NULL: not given */
	char *key;
	char *key_before;         /* the one that this node had before, for what was sealed to it; NULL: none */
	char *socket;             /* ipc://… */
	char *state;
	char *spool;              /* NULL: none */
	uint32_t filter_count;    /* 0: everything */
	char (*filters)[KW_TOPIC_MAX + 1];
	uint32_t handler_count;
	struct config_handler *handlers;
	uint64_t keep_content_ms; /* 0: as each topic says */
	uint32_t audit_keep_years; /* a year's records stay for so many whole years after it */
	uint32_t outbox_max;      /* waiting notifications */
	uint32_t store_pages_max; /* 0: no limit but the disk */
	enum log_level log;
};

/* text: the file's content. Free with config_free, also after an error. KW_EPROTO, KW_EINVAL, KW_ELIMIT: "line N: …". */
KW_MUST_USE enum kw_err config_parse(struct partner_config *out, struct span text, struct kw_why *why);
KW_MUST_USE enum kw_err config_read(struct partner_config *out, const char *path, struct kw_why *why);
void config_free(struct partner_config *c);
void config_handler_free(struct config_handler *h); /* what it holds; it is empty then */

/* What it says, key by key. */
void config_settings(struct settings *out, const struct partner_config *c);
/* What may change while the node runs goes from fresh into running, and what running had of it into fresh. */
void config_exchange(struct partner_config *running, struct partner_config *fresh);

#endif
