/* top_screen: lines on a terminal, and keys from it, by ncurses, which sends what changed alone. One at a time. */
#ifndef KW_CLI_TOP_SCREEN_H
#define KW_CLI_TOP_SCREEN_H

#include "base/err.h"
#include "clients/cli/top_model.h"

struct top_screen;

/* Standard input and output are terminals. colours: where it has them. KW_EINVAL: $TERM is none that is known here. */
KW_MUST_USE enum kw_err top_screen_open(struct top_screen **out, bool colours, struct kw_why *why);
void top_screen_close(struct top_screen **s); /* the terminal is as it was */

void top_screen_size(const struct top_screen *s, size_t *rows, size_t *columns); /* as it is now, at least 1 */
void top_screen_show(struct top_screen *s, const struct top_line *lines, size_t count);
void top_screen_redraw(struct top_screen *s); /* everything anew at the next show */
/*
 * A key within wait_ms, as top_press takes it; 0: none, or the terminal has another size now. False: the terminal is gone, or a signal asked for the
 * end. Control-Z stops the process here, and the terminal is as it was meanwhile.
 */
bool top_screen_key(uint32_t *key, struct top_screen *s, uint64_t wait_ms);

#endif
