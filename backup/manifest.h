/*
 * manifest: what a backup is: the file "manifest.json" of its folder, which names each other file with its length and hash, and whose it is and
 * from when. It is written last; a folder without one that can be read is no backup.
 *
 *   {"form":"kurzweg-backup-1","of":"broker","made":"2026-12-01T00:00:00Z","made_ms":N,"about":{…},"files":[{"name":"data.mdb","bytes":N,"hash":"…"}]}
 *
 * about is what the daemon said of itself and of what it gave, for people. Hashes are BLAKE2b-256 in hexadecimal: they find damage; who can write to
 * the folder can write another manifest too.
 */
#ifndef KW_BACKUP_MANIFEST_H
#define KW_BACKUP_MANIFEST_H

#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"

#define BACKUP_FORM "kurzweg-backup-1"
#define BACKUP_MANIFEST "manifest.json"
#define BACKUP_FILES_MAX 80u   /* a store and, year by year, an audit trail */
#define BACKUP_NAME_MAX 64u
#define BACKUP_HASH_LEN 32u
#define BACKUP_MANIFEST_MAX (64u * 1024u)

enum backup_of { BACKUP_OF_BROKER, BACKUP_OF_NODE };
const char *backup_of_name(enum backup_of of); /* "broker", "node" */

struct backup_file { char name[BACKUP_NAME_MAX]; uint64_t bytes; uint8_t hash[BACKUP_HASH_LEN]; };

struct manifest {
	enum backup_of of;
	uint64_t made_ms;              /* the daemon's wall clock when the copy was begun */
	json_t *about;                 /* an object; owned */
	struct backup_file files[BACKUP_FILES_MAX];
	uint32_t count;
};

/* Whether a file of a backup may have that name: "data.mdb", "audit/2026.audit"; small letters, digits, one folder, never out of it. */
bool backup_name_stands(const char *name);

/* folder/name, of a backup or of what it is restored to; KW_ELIMIT: too long a path, out holds nothing of use. */
KW_MUST_USE enum kw_err backup_path(char out[PATH_MAX], const char *folder, const char *name, struct kw_why *why);

/* folder/manifest.json. KW_ENOTFOUND: it is no backup; KW_ECORRUPT; KW_ESTATE: of a form that is not known here; KW_EIO, KW_ENOMEM. Frees nothing of out before. */
KW_MUST_USE enum kw_err manifest_read(struct manifest *out, const char *folder, struct kw_why *why);
KW_MUST_USE enum kw_err manifest_parse(struct manifest *out, struct span text, const char *path, struct kw_why *why);
KW_MUST_USE enum kw_err manifest_text(struct buf *out, const struct manifest *m, struct kw_why *why);
void manifest_free(struct manifest *m);
uint64_t manifest_bytes(const struct manifest *m); /* of all its files */

#endif
