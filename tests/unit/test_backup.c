/* A backup's folder and its restore, as files: what somebody else does beside them, and what is left after an error. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "backup/backup_folder.h"
#include "backup/restore.h"
#include "backup/restored.h"

#define NOBODY 65534

struct stage { char folder[64]; struct kw_why why; };

static int
begin(void **state)
{
	struct stage *s = calloc(1, sizeof *s);

	assert_non_null(s);
	(void)strcpy(s->folder, "/tmp/kurzweg-backup-XXXXXX");
	assert_non_null(mkdtemp(s->folder));
	*state = s;
	return 0;
}

static int
end(void **state)
{
	struct stage *s = *state;
	char command[128];

	(void)snprintf(command, sizeof command, "rm -rf %s", s->folder);
	assert_int_equal(system(command), 0);
	free(s);
	return 0;
}

static const char *
at(const struct stage *s, const char *name)
{
	static char paths[4][PATH_MAX];
	static int next;
	char *path = paths[next++ % 4];

	(void)snprintf(path, PATH_MAX, "%s/%s", s->folder, name);
	return path;
}

static bool
is_there(const struct stage *s, const char *name)
{
	struct stat st;

	return lstat(at(s, name), &st) == 0;
}

static void
put(struct backup_folder *f, const char *name, const char *text)
{
	assert_int_equal(backup_folder_file(f, name, NULL), KW_OK);
	assert_int_equal(backup_folder_put(f, span_str(text), NULL), KW_OK);
	assert_int_equal(backup_folder_file_end(f, NULL), KW_OK);
}

static enum kw_err
make(struct stage *s, const char *to)
{
	struct manifest m = {.of = BACKUP_OF_NODE, .made_ms = 1000, .about = json_object()};
	struct backup_folder *f;
	enum kw_err err = backup_folder_begin(&f, to, &s->why);

	if (err == KW_OK) {
		put(f, "partner.db", "the store");
		put(f, "audit/2026.audit", "the trail");
		err = backup_folder_finish(&f, &m, &s->why);
	}
	manifest_free(&m);
	return err;
}

static enum kw_err
put_back(struct stage *s, const struct restore_progress *p)
{
	char from[PATH_MAX], to[PATH_MAX];
	struct manifest m;
	enum kw_err err;

	(void)strcpy(from, at(s, "backup"));
	(void)strcpy(to, at(s, "to"));
	assert_int_equal(manifest_read(&m, from, &s->why), KW_OK);
	assert_int_equal(restore_check(&m, from, p, &s->why), KW_OK);
	err = restore_place(&m, from, to, p, &s->why);
	manifest_free(&m);
	return err;
}

static void
what_was_kept_is_put_back(void **state)
{
	const struct restore_progress quiet = {NULL, NULL};
	struct stage *s = *state;
	struct restored r;

	assert_int_equal(make(s, at(s, "backup")), KW_OK);
	assert_int_equal(put_back(s, &quiet), KW_OK);
	assert_true(is_there(s, "to/partner.db") && is_there(s, "to/audit/2026.audit") && !is_there(s, "to/restoring"));
	assert_int_equal(restored_look(&r, at(s, "to"), BACKUP_OF_NODE, NULL), KW_OK);
	assert_true(r.there && r.made_ms == 1000);
}

static void
a_backup_of_nothing_is_none(void **state)
{
	struct manifest m = {.of = BACKUP_OF_NODE, .made_ms = 1000, .about = json_object()};
	struct stage *s = *state;
	struct backup_folder *f;

	assert_int_equal(backup_folder_begin(&f, at(s, "backup"), &s->why), KW_OK);
	assert_int_equal(backup_folder_finish(&f, &m, &s->why), KW_EPROTO);
	assert_null(f);
	assert_non_null(strstr(s->why.text, "gave no file"));
	assert_false(is_there(s, "backup"));
	assert_false(is_there(s, "backup.part"));
	manifest_free(&m);
}

/* Whoever the folder belongs to puts a link where the next file's folder will be. */
static void
plant(void *self, uint64_t bytes, uint64_t of)
{
	const struct stage *s = self;

	(void)bytes;
	(void)of;
	if (is_there(s, "to/partner.db") && !is_there(s, "to/audit"))
		assert_int_equal(symlink(at(s, "elsewhere"), at(s, "to/audit")), 0);
}

static void
a_link_that_somebody_plants_meanwhile_is_not_followed(void **state)
{
	struct stage *s = *state;
	const struct restore_progress planting = {s, plant};

	assert_int_equal(make(s, at(s, "backup")), KW_OK);
	assert_int_equal(mkdir(at(s, "elsewhere"), 0700), 0);
	assert_int_equal(put_back(s, &planting), KW_EIO);
	assert_non_null(strstr(s->why.text, "to/audit/2026.audit cannot be written"));
	assert_false(is_there(s, "elsewhere/2026.audit"));
	assert_false(is_there(s, "to/partner.db"));
	assert_false(is_there(s, "to/restoring"));
}

/* One may write into a letter box, and not look into it. */
static void
a_backup_whose_name_cannot_be_synced_is_not_there(void **state)
{
	struct stage *s = *state;

	if (geteuid() == 0)
		assert_int_equal(chown(s->folder, NOBODY, NOBODY), 0);
	if (geteuid() == 0)
		assert_int_equal(seteuid(NOBODY), 0);
	assert_int_equal(chmod(s->folder, 0300), 0);
	assert_int_equal(make(s, at(s, "backup")), KW_EIO);
	assert_false(is_there(s, "backup"));
	assert_false(is_there(s, "backup.part"));
	assert_int_equal(chmod(s->folder, 0700), 0);
	(void)!seteuid(getuid());
	(void)prctl(PR_SET_DUMPABLE, 1); /* for who looks for leaks */
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_was_kept_is_put_back, begin, end),
		cmocka_unit_test_setup_teardown(a_backup_of_nothing_is_none, begin, end),
		cmocka_unit_test_setup_teardown(a_link_that_somebody_plants_meanwhile_is_not_followed, begin, end),
		cmocka_unit_test_setup_teardown(a_backup_whose_name_cannot_be_synced_is_not_there, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
