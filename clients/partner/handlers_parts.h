/* handlers_parts: what the files of handlers share. Nothing outside of clients/partner/handlers*.c includes it. */
#ifndef KW_PARTNER_HANDLERS_PARTS_H
#define KW_PARTNER_HANDLERS_PARTS_H

#include "clients/partner/child.h"
#include "clients/partner/core/handling.h"
#include "clients/partner/desk.h"
#include "clients/partner/handlers.h"
#include "clients/partner/node.h"

#define HANDLERS_LOOK_ROWS 256u                       /* of the inbox, for one handler in one turn */
#define HANDLERS_LOOK_SEQ 4096u                       /* receipts between them included */
#define HANDLERS_RUNNING_MAX 32u                      /* at once; the rest waits */
#define HANDLERS_INPUT_MAX (32u * 1024u * 1024u)      /* bytes of content given to all that run; one alone may be larger */

struct handler {
	struct handlers *all;
	const struct config_handler *config;
	struct config_handler own;    /* config is this one while it leaves, else it is empty */
	bool leaving;                 /* not configured any more: what runs ends, nothing else begins */
	bool goes;                    /* within handlers_reload */
	char shown[256];              /* its name, for logs */
	struct handling at;
	struct desk_place kept;       /* as it is on disk */
	uint64_t set_aside;           /* to be brought to disk: this seq was given up; 0: none */
	struct child *child;
	bool ended;                   /* the child has; nobody looked yet */
	bool cannot_start;            /* the last attempt did not even begin */
	uint64_t input_len;           /* of the child */
	bool has_case;                /* what is tried opened a case, or is about one: */
	uint8_t case_id[KW_ID_LEN];
	char id[37];                  /* of the notification that is or was tried last */
	char how[KW_WHY_MAX];         /* the last failure, as a sentence */
	char how_id[37];              /* of which notification */
	uint64_t how_ms;              /* when, wall clock; 0: none */
	uint64_t done, failed, skipped, given_up; /* since the start */
};

struct handlers {
	struct node *node;
	uint32_t count;
	struct handler **each;
	uint32_t first;               /* whose turn it is to go first */
	uint64_t given_up_told;       /* notifications set aside that the alarm tells of */
	uint64_t rest_until_ms;       /* the store had no room: nothing begins before */
};

/* handlers_run.c: one handler */
void handler_search(struct handler *h);    /* for the next notification, in a part of the inbox */
void handler_run(struct handler *h);       /* starts its program for the notification at hand, or says why it failed */
/* The program ended, or wait_ms is over: false. */
bool handler_finish(struct handler *h, uint32_t wait_ms);
bool handler_has_room(const struct handler *h);

#endif
