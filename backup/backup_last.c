/* backup_last: see its header. */
#include "backup/backup_last.h"

#include <jansson.h>
#include <limits.h>
#include <stdlib.h>

#include "backup/manifest.h"
#include "base/fs.h"

#define FORM "kurzweg-backed-up-1"

void
backup_last_read(struct backup_last *out, const char *folder)
{
	struct buf text = BUF_INIT(1024);
	char path[PATH_MAX];
	json_t *doc = NULL;
	const json_t *made, *bytes;

	*out = (struct backup_last){0, 0};
	if (backup_path(path, folder, BACKUP_LAST, NULL) == KW_OK && fs_read(&text, path, NULL) == KW_OK)
		doc = json_loadb((const char *)text.p, text.len, JSON_REJECT_DUPLICATES, NULL);
	buf_free(&text);
	made = json_object_get(doc, "made_ms");
	bytes = json_object_get(doc, "bytes");
	if (json_is_integer(made) && json_integer_value(made) > 0 && json_is_integer(bytes) && json_integer_value(bytes) >= 0)
		*out = (struct backup_last){(uint64_t)json_integer_value(made), (uint64_t)json_integer_value(bytes)};
	json_decref(doc);
}

enum kw_err
backup_last_write(const struct backup_last *last, const char *folder, struct kw_why *why)
{
	json_t *doc = json_pack("{s:s, s:I, s:I}", "form", FORM, "made_ms", (json_int_t)last->made_ms, "bytes", (json_int_t)last->bytes);
	char path[PATH_MAX], *text = doc != NULL ? json_dumps(doc, JSON_COMPACT) : NULL;
	enum kw_err err = backup_path(path, folder, BACKUP_LAST, why);

	json_decref(doc);
	if (err == KW_OK)
		err = text != NULL ? fs_write(path, span_str(text), 0600, why) : kw_refuse(why, KW_ENOMEM, "out of memory");
	free(text);
	return err;
}
