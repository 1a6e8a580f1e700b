/* restored: see its header. */
#include "backup/restored.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "backup/restore.h"
#include "base/fs.h"
#include "base/text.h"

enum kw_err
restored_look(struct restored *out, const char *folder, enum backup_of we, struct kw_why *why)
{
	struct buf text = BUF_INIT(BACKUP_MANIFEST_MAX);
	struct manifest m = {.count = 0};
	char path[PATH_MAX];
	enum kw_err err;

	*out = (struct restored){.there = false};
	if ((err = backup_path(path, folder, RESTORE_UNDER_WAY, why)) != KW_OK)
		return err;
	if (access(path, F_OK) == 0)
		return kw_refuse(why, KW_ESTATE, "a restore into %s was interrupted, so what is there is not whole; empty the folder and restore again", folder);
	if ((err = backup_path(path, folder, RESTORE_DONE, why)) != KW_OK)
		return err;
	err = fs_read(&text, path, why);
	if (err == KW_OK)
		err = manifest_parse(&m, buf_span(&text), path, why);
	buf_free(&text);
	if (err != KW_OK)
		return err == KW_ENOTFOUND ? KW_OK : err;
	if (m.of != we)
		err = kw_refuse(why, KW_ESTATE, "what was restored into %s is the backup of a %s, and this is a %s; restore the right one", folder, backup_of_name(m.of), backup_of_name(we));
	out->there = true;
	out->made_ms = m.made_ms;
	text_put_time_utc(out->made, m.made_ms);
	manifest_free(&m);
	return err;
}

enum kw_err
restored_told(const char *folder, struct kw_why *why)
{
	char path[PATH_MAX];
	enum kw_err err = backup_path(path, folder, RESTORE_DONE, why);

	if (err != KW_OK)
		return err;
	if (unlink(path) != 0 && errno != ENOENT)
		return kw_refuse(why, KW_EIO, "%s cannot be removed: %s", path, strerror(errno));
	return fs_sync(folder, why);
}
