/* manifest: see its header. */
#include "backup/manifest.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/text.h"

static const char *const of_names[] = {[BACKUP_OF_BROKER] = "broker", [BACKUP_OF_NODE] = "node"};

const char *
backup_of_name(enum backup_of of)
{
	return of_names[of];
}

enum kw_err
backup_path(char out[PATH_MAX], const char *folder, const char *name, struct kw_why *why)
{
	if (snprintf(out, PATH_MAX, "%s/%s", folder, name) >= PATH_MAX)
		return kw_refuse(why, KW_ELIMIT, "%.128s… is too long a path", folder);
	return KW_OK;
}

bool
backup_name_stands(const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789.-_";
	const char *slash = strchr(name, '/'), *last = slash != NULL ? slash + 1 : name;
	size_t len = strlen(name);

	if (len == 0 || len >= BACKUP_NAME_MAX || strcmp(name, BACKUP_MANIFEST) == 0 || name[0] == '.' || last[0] == '.')
		return false;
	if (slash != NULL && (slash == name || strspn(name, allowed) != (size_t)(slash - name)))
		return false;
	return last[0] != '\0' && strspn(last, allowed) == strlen(last);
}

/* ---- reading ---- */

static enum kw_err
damaged(struct kw_why *why, const char *path)
{
	return kw_refuse(why, KW_ECORRUPT, "%s is damaged: it is not what kurzweg backup writes; take another backup", path);
}

static enum kw_err
take_file(struct manifest *m, const json_t *v, const char *path, struct kw_why *why)
{
	struct backup_file *f = &m->files[m->count];
	const char *name = json_string_value(json_object_get(v, "name")), *hash = json_string_value(json_object_get(v, "hash"));
	const json_t *bytes = json_object_get(v, "bytes");

	if (name == NULL || hash == NULL || !json_is_integer(bytes) || json_integer_value(bytes) < 0 || json_object_size(v) != 3 || !backup_name_stands(name) ||
	    !text_hex(f->hash, sizeof f->hash, hash))
		return damaged(why, path);
	for (uint32_t i = 0; i < m->count; i++)
		if (strcmp(m->files[i].name, name) == 0)
			return damaged(why, path);
	(void)snprintf(f->name, sizeof f->name, "%s", name);
	f->bytes = (uint64_t)json_integer_value(bytes);
	m->count++;
	return KW_OK;
}

static enum kw_err
take(struct manifest *m, const json_t *doc, const char *path, struct kw_why *why)
{
	const char *form = json_string_value(json_object_get(doc, "form")), *of = json_string_value(json_object_get(doc, "of"));
	const json_t *made = json_object_get(doc, "made_ms"), *files = json_object_get(doc, "files");
	json_t *about = json_object_get(doc, "about");
	enum kw_err err = KW_OK;

	if (form == NULL || strncmp(form, "kurzweg-backup-", strlen("kurzweg-backup-")) != 0)
		return damaged(why, path);
	if (strcmp(form, BACKUP_FORM) != 0)
		return kw_refuse(why, KW_ESTATE, "%s has the form %s, this kurzweg knows %s; restore it with the kurzweg that made it, or a newer one", path, form, BACKUP_FORM);
	if (of == NULL || (strcmp(of, of_names[BACKUP_OF_BROKER]) != 0 && strcmp(of, of_names[BACKUP_OF_NODE]) != 0) || !json_is_integer(made) ||
	    json_integer_value(made) < 0 || !json_is_object(about) || json_array_size(files) == 0 || json_array_size(files) > BACKUP_FILES_MAX)
		return damaged(why, path);
	m->of = strcmp(of, of_names[BACKUP_OF_NODE]) == 0 ? BACKUP_OF_NODE : BACKUP_OF_BROKER;
	m->made_ms = (uint64_t)json_integer_value(made);
	for (size_t i = 0; i < json_array_size(files) && err == KW_OK; i++)
		err = take_file(m, json_array_get(files, i), path, why);
	if (err == KW_OK)
		m->about = json_incref(about);
	return err;
}

enum kw_err
manifest_parse(struct manifest *out, struct span text, const char *path, struct kw_why *why)
{
	json_t *doc = json_loadb((const char *)text.p, text.len, JSON_REJECT_DUPLICATES, NULL);
	enum kw_err err;

	*out = (struct manifest){.count = 0};
	err = json_is_object(doc) ? take(out, doc, path, why) : damaged(why, path);
	json_decref(doc);
	return err;
}

enum kw_err
manifest_read(struct manifest *out, const char *folder, struct kw_why *why)
{
	struct buf text = BUF_INIT(BACKUP_MANIFEST_MAX);
	char path[PATH_MAX];
	enum kw_err err;

	*out = (struct manifest){.count = 0};
	if (snprintf(path, sizeof path, "%s/" BACKUP_MANIFEST, folder) >= (int)sizeof path)
		return kw_refuse(why, KW_ELIMIT, "%s is too long a path", folder);
	err = fs_read(&text, path, why);
	if (err == KW_ENOTFOUND)
		err = kw_refuse(why, err, "%s is no backup: no manifest.json is in it; name the folder that kurzweg backup made", folder);
	else if (err == KW_OK)
		err = manifest_parse(out, buf_span(&text), path, why);
	buf_free(&text);
	return err;
}

void
manifest_free(struct manifest *m)
{
	json_decref(m->about);
	m->about = NULL;
}

uint64_t
manifest_bytes(const struct manifest *m)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < m->count; i++)
		sum += m->files[i].bytes;
	return sum;
}

/* ---- writing ---- */

static json_t *
files_json(const struct manifest *m)
{
	json_t *list = json_array();

	for (uint32_t i = 0; list != NULL && i < m->count; i++) {
		const struct backup_file *f = &m->files[i];
		char hash[2 * BACKUP_HASH_LEN + 1];

		text_put_hex(hash, span_of(f->hash, sizeof f->hash));
		if (json_array_append_new(list, json_pack("{s:s, s:I, s:s}", "name", f->name, "bytes", (json_int_t)f->bytes, "hash", hash)) != 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

enum kw_err
manifest_text(struct buf *out, const struct manifest *m, struct kw_why *why)
{
	json_t *files = files_json(m), *doc = NULL;
	char made[TEXT_TIME_MAX], *text = NULL;

	text_put_time_utc(made, m->made_ms);
	if (files != NULL)
		doc = json_pack("{s:s, s:s, s:s, s:I, s:O, s:o}", "form", BACKUP_FORM, "of", of_names[m->of], "made", made, "made_ms", (json_int_t)m->made_ms, "about", m->about, "files",
		                files);
	if (doc != NULL)
		text = json_dumps(doc, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
	json_decref(doc);
	if (text != NULL) {
		buf_put_str(out, text);
		buf_put_u8(out, '\n');
	}
	free(text);
	return text != NULL && buf_ok(out) ? KW_OK : kw_refuse(why, KW_ENOMEM, "out of memory for the backup's manifest");
}
