/*
 * reload: what of a daemon's configuration is in force, what its file says that is not, and how the last reading of it went. A configuration is
 * given as a list of settings, a key with its value as a text, always the same keys in the same order, so that two of them can be compared
 * without anybody knowing what they mean.
 */
#ifndef KW_CONFIG_RELOAD_H
#define KW_CONFIG_RELOAD_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define SETTINGS_MAX 32u

struct settings {
	struct { const char *key; char *value; bool live; } each[SETTINGS_MAX];
	uint32_t count;
	bool incomplete; /* memory ran out */
};

/* key is a literal. live: it may change while the daemon runs; else a restart alone brings it in force. */
void settings_put(struct settings *s, const char *key, bool live, const char *fmt, ...) KW_PRINTF(4, 5);
void settings_free(struct settings *s);

struct reload {
	const char *path;            /* of the file; borrowed */
	struct settings in_force;
	struct settings waiting;     /* what the file says otherwise, and needs a restart */
	uint64_t at_ms;              /* of the last reading, wall clock */
	uint32_t count;              /* readings since the start */
	bool refused;                /* the last one was not taken, or not whole; text says why */
	char text[KW_WHY_MAX];
};

/* The daemon started with these; they are taken. KW_ENOMEM: not whole. */
KW_MUST_USE enum kw_err reload_start(struct reload *r, const char *path, struct settings *in_force, uint64_t wall_ms);
/*
 * The file was read and what is live of it is in force now: takes what file says, and logs each key that changed (config.changed), each that waits
 * for a restart (config.needs_restart), and the whole (config.reloaded).
 */
void reload_took(struct reload *r, struct settings *file, uint64_t wall_ms);
/* Behind that: one thing that it names could not be carried out, say an agreement. Logs config.refused. */
void reload_not_whole(struct reload *r, const char *why);
/* It was not taken at all: nothing changed. Logs config.refused. */
void reload_refused(struct reload *r, const char *why, uint64_t wall_ms);
void reload_free(struct reload *r);

/* {"file", "read", "readings", "in_force": {key: value}, "needs_restart": [{"key", "in_force", "file"}], "refused": text or null}; NULL: out of memory. */
json_t *reload_json(const struct reload *r);
/* One line for "systemctl status": "configuration in force; listen needs a restart". */
void reload_line(char out[256], const struct reload *r);

#endif
