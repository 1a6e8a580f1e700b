/*
 * spooling: what a file in the spool is by its name, whether it may be whole, and what it is called where it ends. Pure.
 */
#ifndef KW_PARTNER_SPOOLING_H
#define KW_PARTNER_SPOOLING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum spool_kind {
	SPOOL_IGNORED, /* somebody is still writing it, or it is none of ours: hidden, ~, .part, .tmp, .filepart */
	SPOOL_JSON,
	SPOOL_CAP,
	SPOOL_UNKNOWN, /* refused by its name */
};
enum spool_kind spool_kind_of(const char *name);

/* Folders of the spool itself, which are no topics: "sent" and "failed" at its top. Hidden ones are passed by anywhere. */
bool spool_is_own(const char *folder_path);

#define SPOOL_NAME_MAX 255   /* bytes of a file's name */
#define SPOOL_NOTE_MAX 11    /* of what is put behind it: ".reason.txt" */
/*
 * The nth name to try for a file that ends somewhere: its own first, then with the time, then with time and number, put
 * before .json or .cap.xml, and cut at a whole character, so that a note's name fits beside it.
 */
void spool_name(char out[SPOOL_NAME_MAX + 1], const char *name, uint64_t wall_ms, uint32_t n);

#define SPOOL_QUIET_MS 2000u
struct spool_look { /* of a file, as it was seen */
	uint64_t file;           /* its number on its file system */
	uint64_t size;
	int64_t changed_ns;      /* the file system's clock: content, mode or name */
};
/*
 * Is it whole: nothing of it changed for SPOOL_QUIET_MS. Its own time is believed where it lies that far back, by the wall
 * clock; where the two clocks contradict each other, what was seen of it before counts. before: NULL when it was not seen;
 * since_mono_ms: since when it looks as it does.
 */
bool spool_quiet(const struct spool_look *now, uint64_t wall_ms, const struct spool_look *before, uint64_t since_mono_ms, uint64_t mono_ms);
bool spool_same_look(const struct spool_look *a, const struct spool_look *b);

#endif
