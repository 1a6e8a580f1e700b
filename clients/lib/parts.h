/* parts: what the files of libkurzweg share. */
#ifndef KURZWEG_LIB_PARTS_H
#define KURZWEG_LIB_PARTS_H

#include <jansson.h>

#include "clients/include/kurzweg/kurzweg.h"

#define CONTENT_MAX (8u * 1024u * 1024u)
#define WAIT_MS 10000u          /* the node waits so long at a time; a program that is gone holds its place no longer */

struct kurzweg {
	char *endpoint;
	bool german;
	char language[36];
	uint32_t timeout_ms;
	void *context, *socket, *monitor;
	unsigned dialled;
	uint64_t request;           /* the newest; answers to others are not ours any more */
	char error[1200];
	char *warnings;

	/* rows that the node sent ahead */
	json_t *rows;
	size_t row;                 /* the next */
	char *rows_of;              /* the question they answer */
	uint64_t rows_from;         /* after_seq of who may take the next */
	uint64_t rows_after;        /* everything up to here was looked at */
	bool rows_more;
	json_t *shown;              /* what the notification's texts lie in */
	char *shown_json, *shown_content;
	struct kurzweg_notification notification;
};

/* The sentence in both languages; each has the same arguments in the same order. Answers result. */
enum kurzweg_result fail(kurzweg *k, enum kurzweg_result result, const char *english, const char *german, ...)
	__attribute__((format(printf, 3, 5), format(printf, 4, 5)));

uint64_t now_ms(void); /* monotonic */

struct asking {
	json_t *ask;                /* taken; request and language are added */
	const void *content;        /* NULL: none */
	size_t content_len;
	uint64_t wait_ms;           /* for how long the node may wait with its answer */
	bool repeat;                /* it changes nothing: asked again when the node was started anew meanwhile */
	bool ends_at_signal;        /* KURZWEG_NOTHING then, and the connection is closed */
};
/* One request and its answer: *result is new. code: the node's own word where it refused, "" where it did not answer. */
enum kurzweg_result ask_node(kurzweg *k, const struct asking *a, json_t **result, char code[16]);
/* The answer as a JSON text of the caller's. */
enum kurzweg_result ask_for_json(kurzweg *k, json_t *ask, char **json);
bool set_text(json_t *ask, const char *key, const char *text); /* NULL: leaves it out. False: no UTF-8 */
/* A move or an answer, which the node signs: ask is taken; receipt: its id, "" where nothing was sent since it is so already. */
enum kurzweg_result ask_for_receipt(kurzweg *k, json_t *ask, char receipt[KURZWEG_ID_SIZE]);
void hang_up(kurzweg *k); /* what is still under way is given up */

#endif
