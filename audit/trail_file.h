/* trail_file: the files of a trail's folder: which years there are, a file's lines one by one, where the last whole one ends. */
#ifndef KW_AUDIT_TRAIL_FILE_H
#define KW_AUDIT_TRAIL_FILE_H

#include <stdbool.h>
#include <stdio.h>

#include "audit/record.h"

#define TRAIL_YEARS_MAX 64u
#define TRAIL_PATH_MAX 4096u

struct trail_years { uint32_t year[TRAIL_YEARS_MAX]; uint32_t count; }; /* ascending */
KW_MUST_USE enum kw_err trail_years(struct trail_years *out, const char *folder, struct kw_why *why);
KW_MUST_USE enum kw_err trail_path(char out[TRAIL_PATH_MAX], const char *folder, uint32_t year, struct kw_why *why);
uint32_t trail_year_of(uint64_t ms);       /* UTC */

struct lines { FILE *file; char *line; size_t cap; uint64_t at; /* offset behind what was given */ };
KW_MUST_USE enum kw_err lines_open(struct lines *l, const char *path, uint64_t at, struct kw_why *why);
/* Without its end. KW_ENOTFOUND: the end; *torn: what stands there has no line end, and is given all the same with KW_OK. */
KW_MUST_USE enum kw_err lines_next(struct span *line, bool *torn, struct lines *l, struct kw_why *why);
void lines_close(struct lines *l);

#endif
