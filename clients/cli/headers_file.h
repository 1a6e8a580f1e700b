/*
 * headers_file: what "kurzweg broker headers" writes and "kurzweg agreement simulate" reads: a JSON line that says whose it is, a
 * line for each header, a line that says that it is whole.
 */
#ifndef KW_CLI_HEADERS_FILE_H
#define KW_CLI_HEADERS_FILE_H

#include <jansson.h>

#include "base/err.h"
#include "proto/header.h"

json_t *headers_file_head(const char *partnership, const char *kind, uint64_t from_ms, uint64_t to_ms); /* NULL: out of memory */
json_t *headers_file_end(uint64_t count);

struct headers_file_info {
	char partnership[KW_NAME_MAX + 1];
	enum kw_mode mode;
	uint64_t from_ms, to_ms;
	uint64_t count;
};

/*
 * Calls each for every header, in the file's order; of h is set what a header's line says: partnership and mode are the file's. The sentence
 * names file and line. KW_EPROTO: no such file, or not whole; what each answered, if that is not KW_OK.
 */
typedef enum kw_err (*headers_file_each)(void *self, const struct header *h, uint64_t time_ms, struct kw_why *why);
KW_MUST_USE enum kw_err headers_file_read(struct headers_file_info *info, const char *path, headers_file_each each, void *self, struct kw_why *why);

#endif
