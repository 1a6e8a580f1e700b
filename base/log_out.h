/*
 * log_out: lines to a descriptor that may not hold anybody up. Nothing is waited for, and the descriptor's own flags stay as they are: others
 * share them, a shell for one.
 */
#ifndef KW_BASE_LOG_OUT_H
#define KW_BASE_LOG_OUT_H

#include <stdbool.h>
#include <stddef.h>

struct log_out {
	int fd;
	bool is_socket;
	bool journal; /* it is the stream that systemd's journal gave: lines begin with a priority */
	bool torn;    /* the last line went in part: its end is made up for before the next */
};

/* What is at fd; journal_stream is $JOURNAL_STREAM, may be NULL. */
void log_out_look(struct log_out *o, int fd, const char *journal_stream);

/* A line with its end, at most 4,096 bytes. False: it did not go, since there is no room now, or nobody reads. errno is altered. */
bool log_out_put(struct log_out *o, const char *line, size_t len);

#endif
