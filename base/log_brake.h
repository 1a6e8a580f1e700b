/*
 * log_brake: how many lines a second are written of each peer. Pure: the caller brings the second; one at a time.
 */
#ifndef KW_BASE_LOG_BRAKE_H
#define KW_BASE_LOG_BRAKE_H

#include <stdbool.h>
#include <stdint.h>

#define LOG_BRAKE_PEERS 64   /* told apart in one second; all further ones count as one */
#define LOG_BRAKE_TOLD 8     /* of a second are told one by one; the others in one sum */
#define LOG_BRAKE_NAME 128   /* of a longer name the beginning counts */

struct log_held {
	char name[LOG_BRAKE_NAME]; /* "": others, beyond LOG_BRAKE_PEERS or LOG_BRAKE_TOLD */
	bool by_code;              /* name is an event's code, not a peer's */
	uint64_t lines;
};

struct log_brake {
	uint32_t each, all;        /* lines a second of one, and of all together */
	uint64_t second;
	uint32_t lines, count, told;
	bool holds;                /* something was held back in this second */
	struct { struct log_held held; uint32_t lines; } peer[LOG_BRAKE_PEERS + 1]; /* the last one: all who found no place */
};

#define LOG_BRAKE_INIT(each_second, all_of_them) {.each = (each_second), .all = (all_of_them)}

/*
 * Call with the second that it is until false, before log_brake_lets: each time true, *out is what was held back of one peer in the second
 * that is over.
 */
bool log_brake_over(struct log_brake *b, uint64_t second, struct log_held *out);

/* True: the line may go. False: it is counted. */
bool log_brake_lets(struct log_brake *b, const char *name, bool by_code);

#endif
