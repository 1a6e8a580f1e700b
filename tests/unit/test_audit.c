/* The audit trail: docs/protocol.md [U-1] to [U-8]. What was written is read and checks; every way to change it afterwards is found */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <dirent.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/check.h"
#include "audit/trail.h"
#include "base/fs.h"
#include "base/text.h"
#include "proto/seal.h"

#define DAY_MS (24ull * 3600 * 1000)
#define Y2026 1767225600000ull /* 2026-01-01T00:00:00Z */
#define Y2027 1798761600000ull
#define Y2028 1830297600000ull
#define LINES_MAX 2048

struct world {
	char folder[64];
	struct secret_keys *keys;
	struct trail *trail;
	char *line[LINES_MAX];   /* what stands on disk, all files */
	size_t lines;
};

static int
world_make(void **state)
{
	struct world *w = calloc(1, sizeof *w);
	struct kw_why why;

	assert_non_null(w);
	(void)snprintf(w->folder, sizeof w->folder, "/tmp/kw-audit-XXXXXX");
	assert_non_null(mkdtemp(w->folder));
	assert_int_equal(secret_keys_new(&w->keys, KEY_NODE, MODE_LIVE, "police/control-room", &why), KW_OK);
	*state = w;
	return 0;
}

static void
forget_lines(struct world *w)
{
	for (size_t i = 0; i < w->lines; i++)
		free(w->line[i]);
	w->lines = 0;
}

static void
path_of(char out[128], const struct world *w, const char *name)
{
	(void)snprintf(out, 128, "%s/%s", w->folder, name);
}

static int
world_end(void **state)
{
	struct world *w = *state;
	DIR *dir = opendir(w->folder);
	const struct dirent *e;
	char path[128];

	trail_close(&w->trail, 0);
	while (dir != NULL && (e = readdir(dir)) != NULL) {
		(void)snprintf(path, sizeof path, "%s/%.32s", w->folder, e->d_name);
		(void)unlink(path);
	}
	(void)closedir(dir);
	(void)rmdir(w->folder);
	forget_lines(w);
	secret_keys_free(&w->keys);
	free(w);
	return 0;
}

static struct trail_config
config_of(const struct world *w)
{
	return (struct trail_config){.folder = w->folder, .partnership = "musterstadt", .keys = w->keys, .sealing = &audit_sealing, .keep_years = 1};
}

static void
open_at(struct world *w, uint64_t now_ms)
{
	struct trail_config config = config_of(w);
	struct kw_why why;

	if (trail_open(&w->trail, &config, now_ms, &why) != KW_OK)
		fail_msg("%s", why.text);
}

/* Opened and closed; a copy lives until the next call. */
static const char *
trail_trouble_of(struct world *w, uint64_t now_ms)
{
	static char text[KW_WHY_MAX];
	bool any;

	open_at(w, now_ms);
	any = trail_trouble(w->trail) != NULL;
	(void)snprintf(text, sizeof text, "%s", any ? trail_trouble(w->trail) : "");
	trail_close(&w->trail, now_ms);
	return any ? text : NULL;
}

static void
add_at(struct world *w, uint64_t now_ms, const char *object)
{
	struct audit_record r = {.event = "read", .actor = "local", .object = object, .topic = "alert/flood", .as = "Duty officer 3", .reason = "shift hand-over"};
	struct kw_why why;

	if (trail_add(w->trail, &r, now_ms, &why) != KW_OK)
		fail_msg("%s", why.text);
}

static void
read_file(struct world *w, const char *name)
{
	char path[128];
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;
	FILE *f;

	path_of(path, w, name);
	f = fopen(path, "r");
	assert_non_null(f);
	while ((n = getline(&line, &cap, f)) > 0) {
		assert_true(w->lines < LINES_MAX);
		assert_int_equal(line[n - 1], '\n');
		line[n - 1] = '\0';
		w->line[w->lines++] = strdup(line);
	}
	free(line);
	(void)fclose(f);
}

static enum kw_err
check(const struct world *w, struct audit_check *c, const struct audit_seen *seen, size_t seen_count, struct kw_why *why)
{
	enum kw_err err = KW_OK;

	audit_check_begin(c, "musterstadt", NULL, false, seen, seen_count);
	for (size_t i = 0; i < w->lines && err == KW_OK; i++) {
		struct audit_line l;

		err = audit_line_read(&l, span_str(w->line[i]), why);
		if (err == KW_OK)
			err = audit_check_line(c, &l, why);
		audit_line_free(&l);
	}
	return err == KW_OK ? audit_check_end(c, why) : err;
}

static void
holds(const struct world *w, struct audit_check *c)
{
	struct kw_why why;

	if (check(w, c, NULL, 0, &why) != KW_OK)
		fail_msg("%s", why.text);
}

static void
refused(const struct world *w, const struct audit_seen *seen, size_t seen_count, enum kw_err wanted, const char *says)
{
	struct audit_check c;
	struct kw_why why = {{0}};
	enum kw_err err = check(w, &c, seen, seen_count, &why);

	if (err != wanted || strstr(why.text, says) == NULL)
		fail_msg("%s: %s", kw_err_name(err), why.text);
}

/* begin, five records, head; then begin, five records, head */
static void
ten_records(struct world *w)
{
	for (int run = 0; run < 2; run++) {
		open_at(w, Y2026 + 5 * DAY_MS);
		for (int i = 0; i < 5; i++)
			add_at(w, Y2026 + 5 * DAY_MS + i, "0193a1b2-0000-7000-8000-000000000000");
		trail_close(&w->trail, Y2026 + 5 * DAY_MS + 10);
	}
	read_file(w, "2026.audit");
}

/* [U-1] [U-2] [U-3] */
static void
what_was_written_checks(void **state)
{
	struct world *w = *state;
	struct audit_check c;

	ten_records(w);
	holds(w, &c);
	assert_int_equal(c.records, 12);
	assert_int_equal(c.first, 1);
	assert_int_equal(c.signed_to, 12);
	assert_string_equal(c.key.name, "police/control-room");
}

/* [U-3] heads stand often enough without anybody asking */
static void
heads_come_by_number_and_by_time(void **state)
{
	struct world *w = *state;
	struct audit_check c;
	struct kw_why why;

	open_at(w, Y2026);
	for (int i = 0; i < 600; i++)
		add_at(w, Y2026 + 1000, "x");
	assert_int_equal(trail_tick(w->trail, Y2026 + 2000, 5000, &why), KW_OK);
	assert_true(trail_wake_ms(w->trail) == 5000 + TRAIL_SYNC_MS);
	assert_int_equal(trail_tick(w->trail, Y2026 + 2000, 5000 + TRAIL_SYNC_MS, &why), KW_OK);
	assert_true(trail_wake_ms(w->trail) == 5000 + TRAIL_HEAD_MS);
	assert_int_equal(trail_tick(w->trail, Y2026 + 2000, 5000 + TRAIL_HEAD_MS, &why), KW_OK);
	assert_true(trail_wake_ms(w->trail) == 5000 + TRAIL_HEAD_MS + TRAIL_LOOK_MS);
	read_file(w, "2026.audit");
	holds(w, &c);
	assert_int_equal(c.records, 601);
	assert_int_equal(c.signed_to, 601);
	assert_int_equal(c.heads, 1 + 2 + 1); /* at the start, after each 256, by the minute */
}

static char *
changed(const char *line, const char *from, const char *to)
{
	const char *at = strstr(line, from);
	char *out = malloc(strlen(line) + strlen(to) + 1);

	assert_non_null(at);
	assert_non_null(out);
	(void)sprintf(out, "%.*s%s%s", (int)(at - line), line, to, at + strlen(from));
	return out;
}

/* [U-5] changed: the record's own hash; changed with another hash: the next one's link */
static void
a_change_is_found(void **state)
{
	struct world *w = *state;
	struct audit_record r = {.number = 4, .time_ms = 1, .event = "read", .actor = "local"};
	struct audit_line three;
	struct buf forged = BUF_INIT(AUDIT_LINE_MAX);
	uint8_t hash[KW_HASH_LEN];
	struct kw_why why;
	char *was;

	ten_records(w);
	was = w->line[4]; /* begin, head, 2, 3, 4 */
	w->line[4] = changed(was, "\"local\"", "\"nobody\"");
	refused(w, NULL, 0, KW_ECORRUPT, "it was changed");
	free(w->line[4]);
	assert_int_equal(audit_line_read(&three, span_str(w->line[3]), &why), KW_OK);
	assert_int_equal(audit_record_put(&forged, hash, &r, three.hash, NULL, NULL, &why), KW_OK);
	forged.p[forged.len - 1] = '\0';
	w->line[4] = (char *)forged.p;
	refused(w, NULL, 0, KW_ECORRUPT, "behind another record");
	audit_line_free(&three);
	w->line[4] = was;
	buf_free(&forged);
}

static void
move_line(struct world *w, size_t from, size_t to)
{
	char *line = w->line[from];

	memmove(w->line + from, w->line + from + 1, (w->lines - from - 1) * sizeof *w->line);
	memmove(w->line + to + 1, w->line + to, (w->lines - 1 - to) * sizeof *w->line);
	w->line[to] = line;
}

static void
drop_line(struct world *w, size_t at)
{
	free(w->line[at]);
	memmove(w->line + at, w->line + at + 1, (w->lines - at - 1) * sizeof *w->line);
	w->lines--;
}

/* [U-5] */
static void
another_order_is_found(void **state)
{
	struct world *w = *state;

	ten_records(w);
	move_line(w, 3, 5);
	refused(w, NULL, 0, KW_ECORRUPT, "missing between");
}

/* [U-5] */
static void
a_hole_is_found(void **state)
{
	struct world *w = *state;

	ten_records(w);
	drop_line(w, 4);
	refused(w, NULL, 0, KW_ECORRUPT, "missing between");
}

/* [U-5] */
static void
an_insertion_is_found(void **state)
{
	struct world *w = *state;

	ten_records(w);
	w->line[w->lines] = strdup(w->line[4]);
	w->lines++;
	move_line(w, w->lines - 1, 5);
	refused(w, NULL, 0, KW_ECORRUPT, "stand twice");
}

/* [U-5] a tail that is gone, up to the head before it */
static void
what_is_cut_off_is_found_by_who_saw_it(void **state)
{
	struct world *w = *state;
	struct audit_seen seen[1] = {{.number = 12}};
	struct audit_check c;
	size_t all;

	ten_records(w);
	holds(w, &c);
	memcpy(seen[0].hash, c.hash, KW_HASH_LEN);
	assert_int_equal(check(w, &c, seen, 1, NULL), KW_OK);
	assert_int_equal(c.seen_met, 1);
	all = w->lines;
	w->lines = 8; /* begin, head, 2 to 6, head */
	holds(w, &c); /* by itself nobody can tell */
	refused(w, seen, 1, KW_ECORRUPT, "cut off");
	w->lines = all;
}

/* [U-5] its whole tail written anew, by who has the key: only who saw the first one knows */
static void
what_is_written_anew_is_found_by_who_saw_it(void **state)
{
	struct world *w = *state;
	struct audit_seen seen[1] = {{.number = 6}};
	struct audit_check c;

	ten_records(w);
	holds(w, &c);
	memset(seen[0].hash, 7, KW_HASH_LEN);
	refused(w, seen, 1, KW_ECORRUPT, "rewritten");
}

/* [U-3] [U-5] who has no key cannot write the rest anew */
static void
heads_cannot_be_left_out_or_forged(void **state)
{
	struct world *w = *state;
	char *was;

	open_at(w, Y2026);
	for (int i = 0; i < 600; i++)
		add_at(w, Y2026 + 1000, "x");
	trail_close(&w->trail, Y2026 + 2000);
	read_file(w, "2026.audit");
	for (size_t i = w->lines - 1; i > 1; i--)
		if (strncmp(w->line[i], "head ", 5) == 0)
			drop_line(w, i);
	refused(w, NULL, 0, KW_ECRYPTO, "without a signed head");
	forget_lines(w);
	read_file(w, "2026.audit");
	was = w->line[1];
	w->line[1] = changed(was, "\"sig\":\"", "\"sig\":\"00");
	w->line[1][strlen(w->line[1]) - 4] = '"';
	w->line[1][strlen(w->line[1]) - 3] = '}';
	w->line[1][strlen(w->line[1]) - 2] = '\0';
	free(was);
	refused(w, NULL, 0, KW_ECRYPTO, "not signed by the key of police/control-room");
}

/* [U-6] [U-7] with a clock that the test turns */
static void
years_go_and_the_rest_still_checks(void **state)
{
	struct world *w = *state;
	struct audit_check c;
	char path[128];

	open_at(w, Y2026 + DAY_MS);
	add_at(w, Y2026 + 2 * DAY_MS, "first");
	trail_close(&w->trail, Y2026 + 2 * DAY_MS);
	open_at(w, Y2027 - 1000);
	add_at(w, Y2027 - 500, "last of 2026");
	add_at(w, Y2027 + 5, "first of 2027"); /* within one run */
	trail_close(&w->trail, Y2027 + 10);
	path_of(path, w, "2026.audit");
	assert_int_equal(access(path, F_OK), 0); /* until the end of 2027 */
	read_file(w, "2026.audit");
	read_file(w, "2027.audit");
	holds(w, &c);
	assert_int_equal(c.first, 1);
	forget_lines(w);

	open_at(w, Y2028 - 10);
	assert_int_equal(access(path, F_OK), 0);
	add_at(w, Y2028 + 10, "first of 2028");
	assert_int_not_equal(access(path, F_OK), 0);
	trail_close(&w->trail, Y2028 + 20);
	read_file(w, "2027.audit");
	read_file(w, "2028.audit");
	holds(w, &c);
	assert_int_equal(c.first, 5); /* begin, first, begin, last of 2026 */
	assert_int_equal(c.removed_to, 4);

	forget_lines(w); /* a year that is gone without such a record */
	read_file(w, "2028.audit");
	refused(w, NULL, 0, KW_ECORRUPT, "no record tells that they were removed");
}

/* [U-8] */
static void
a_torn_line_is_cut_and_told(void **state)
{
	struct world *w = *state;
	struct audit_check c;
	char path[128];
	FILE *f;

	ten_records(w);
	forget_lines(w);
	path_of(path, w, "2026.audit");
	f = fopen(path, "a");
	assert_non_null(f);
	(void)fputs("0123abcd {\"n\":13,", f);
	(void)fclose(f);
	open_at(w, Y2026 + 6 * DAY_MS);
	trail_close(&w->trail, Y2026 + 6 * DAY_MS);
	read_file(w, "2026.audit");
	holds(w, &c);
	assert_int_equal(c.last, 14);
	assert_non_null(strstr(w->line[w->lines - 2], "\"torn\""));
	assert_null(trail_trouble_of(w, Y2026 + 6 * DAY_MS));
}

/* ---- [U-15] what a start makes of a file that does not hold ---- */

static void
overwrite(const struct world *w, const char *name, long at, const void *bytes, size_t len)
{
	char path[128];
	FILE *f;

	path_of(path, w, name);
	f = fopen(path, "r+");
	assert_non_null(f);
	assert_int_equal(fseek(f, at, SEEK_SET), 0);
	assert_int_equal(fwrite(bytes, 1, len, f), len);
	(void)fclose(f);
}

static bool
is_there(const struct world *w, const char *name)
{
	char path[128];

	path_of(path, w, name);
	return access(path, F_OK) == 0;
}

/* What is here holds by itself, beginning with this number. */
static void
holds_from(struct world *w, uint64_t number, bool damaged)
{
	struct audit_check c;
	struct kw_why why;

	forget_lines(w);
	read_file(w, "2026.audit");
	audit_check_begin(&c, "musterstadt", NULL, true, NULL, 0);
	for (size_t i = 0; i < w->lines; i++) {
		struct audit_line l;
		enum kw_err err = audit_line_read(&l, span_str(w->line[i]), &why);

		if (err == KW_OK)
			err = audit_check_line(&c, &l, &why);
		audit_line_free(&l);
		if (err != KW_OK)
			fail_msg("line %zu: %s", i + 1, why.text);
	}
	assert_int_equal(audit_check_end(&c, &why), KW_OK);
	assert_int_equal(c.first, number);
	assert_int_equal(c.damaged > 0, damaged);
	assert_int_equal(c.signed_to, c.last);
}

/* As a newer program would add it: linked, with a key that is not known here; and, if so, a head of the owner's behind it. */
static void
add_strange(struct world *w, bool with_head)
{
	struct audit_owner owner = {"musterstadt", "police/control-room", (uint8_t)MODE_LIVE};
	struct audit_head head = {.time_ms = Y2026 + 6 * DAY_MS};
	struct buf json = BUF_INIT(1024), lines = BUF_INIT(4096);
	char path[128], hex[2 * KW_HASH_LEN + 1];
	struct audit_line last;
	struct span body;
	FILE *f;

	assert_int_equal(audit_line_read(&last, span_str(w->line[w->lines - 1]), NULL), KW_OK);
	assert_int_equal(last.kind, AUDIT_HEAD);
	text_put_hex(hex, span_of(last.head.hash, KW_HASH_LEN));
	buf_printf(&json, "{\"n\":%llu,\"at_ms\":1,\"before\":\"%s\",\"event\":\"read\",\"actor\":\"local\",\"strange\":\"x\"}", (unsigned long long)last.head.number + 1, hex);
	head.number = last.head.number + 1;
	audit_line_free(&last);
	body = buf_span(&json);
	seal_hash(head.hash, NULL, LABEL_AUDIT, &body, 1);
	text_put_hex(hex, span_of(head.hash, KW_HASH_LEN));
	buf_printf(&lines, "%s ", hex);
	buf_put_span(&lines, body);
	buf_put_u8(&lines, '\n');
	assert_true(audit_head_sign(&head, &owner, secret_keys_sign(w->keys)));
	if (with_head)
		assert_int_equal(audit_head_put(&lines, &head, NULL), KW_OK);
	path_of(path, w, "2026.audit");
	f = fopen(path, "a");
	assert_non_null(f);
	assert_int_equal(fwrite(lines.p, 1, lines.len, f), lines.len);
	assert_int_equal(fclose(f), 0);
	buf_free(&json);
	buf_free(&lines);
}

static void
what_a_newer_program_wrote_is_refused_and_not_touched(void **state)
{
	struct world *w = *state;
	struct trail_config config = config_of(w);
	struct stat before, after;
	struct kw_why why;
	char path[128];

	ten_records(w);
	add_strange(w, true);
	path_of(path, w, "2026.audit");
	assert_int_equal(stat(path, &before), 0);
	assert_int_equal(trail_open(&w->trail, &config, Y2026 + 7 * DAY_MS, &why), KW_ESTATE);
	assert_non_null(strstr(why.text, "/2026.audit was written by a newer program (byte "));
	assert_non_null(strstr(why.text, "install that one, or restore a backup from before the upgrade"));
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(before.st_size, after.st_size);
	assert_false(is_there(w, "2026.audit.damaged-1"));
}

/* What nobody signed may be anything: it keeps no daemon from starting. */
static void
what_looks_newer_and_is_not_signed_is_damage(void **state)
{
	struct world *w = *state;

	ten_records(w);
	add_strange(w, false);
	open_at(w, Y2026 + 7 * DAY_MS);
	trail_close(&w->trail, Y2026 + 7 * DAY_MS);
	assert_true(is_there(w, "2026.audit.torn-1"));
}

static void
what_was_signed_and_changed_is_set_aside_and_told(void **state)
{
	struct world *w = *state;
	char path[128];

	ten_records(w);
	overwrite(w, "2026.audit", 200, "!", 1);
	open_at(w, Y2026 + 7 * DAY_MS);
	assert_non_null(trail_trouble(w->trail));
	assert_non_null(strstr(trail_trouble(w->trail), "2026.audit.damaged-1"));
	add_at(w, Y2026 + 7 * DAY_MS, "after");
	trail_close(&w->trail, Y2026 + 7 * DAY_MS);
	assert_true(is_there(w, "2026.audit.damaged-1"));
	holds_from(w, 13, true); /* the numbers go on: nobody can be told of another record 12 */
	refused(w, NULL, 0, KW_ECORRUPT, "2026.audit.damaged-1");
	assert_non_null(trail_trouble_of(w, Y2026 + 8 * DAY_MS)); /* until somebody has looked */
	path_of(path, w, "2026.audit.damaged-1");
	assert_int_equal(unlink(path), 0);
	assert_null(trail_trouble_of(w, Y2026 + 9 * DAY_MS));
}

/* A line that is longer than any can be is no torn one, wherever it stands. */
static void
an_endless_line_in_the_middle_hides_nothing(void **state)
{
	struct world *w = *state;
	char *long_line = malloc(2 * AUDIT_LINE_MAX);
	FILE *f;
	char path[128];

	assert_non_null(long_line);
	memset(long_line, 'x', 2 * AUDIT_LINE_MAX);
	ten_records(w);
	path_of(path, w, "2026.audit");
	f = fopen(path, "w");
	assert_non_null(f);
	for (size_t i = 0; i < w->lines; i++) {
		if (i == 3)
			(void)fwrite(long_line, 1, 2 * AUDIT_LINE_MAX, f);
		(void)fprintf(f, "%s\n", w->line[i]);
	}
	(void)fclose(f);
	free(long_line);
	assert_non_null(trail_trouble_of(w, Y2026 + 7 * DAY_MS));
	assert_true(is_there(w, "2026.audit.damaged-1"));
	holds_from(w, 13, true);
}

/* The system wrote later blocks before earlier ones when the power went: nothing of them had been signed. */
static void
what_a_power_cut_left_is_kept_beside_and_goes_on(void **state)
{
	struct world *w = *state;
	static const char zeros[300];
	struct audit_check c;
	struct stat st;
	char path[128];
	long signed_end;

	ten_records(w);
	path_of(path, w, "2026.audit");
	assert_int_equal(stat(path, &st), 0);
	open_at(w, Y2026 + 6 * DAY_MS);
	assert_int_equal(stat(path, &st), 0);
	signed_end = (long)st.st_size;
	for (int i = 0; i < 4; i++)
		add_at(w, Y2026 + 6 * DAY_MS, "unsigned");
	trail_close(&w->trail, 0);
	overwrite(w, "2026.audit", signed_end + 20, zeros, sizeof zeros);
	assert_null(trail_trouble_of(w, Y2026 + 7 * DAY_MS)); /* the start succeeds, and needs nobody */
	forget_lines(w);
	read_file(w, "2026.audit");
	holds(w, &c);
	assert_non_null(strstr(w->line[w->lines - 2], "\"torn\""));
	assert_non_null(strstr(w->line[w->lines - 2], "2026.audit.torn-1"));
	path_of(path, w, "2026.audit.torn-1");
	assert_int_equal(stat(path, &st), 0);
	assert_true(st.st_size > 1000); /* all four, for who looks */
}

/* The machine went down between setting the file aside and beginning another. */
static void
numbers_go_on_behind_what_lies_aside(void **state)
{
	struct world *w = *state;
	char from[128], to[128];

	ten_records(w);
	overwrite(w, "2026.audit", 200, "!", 1);
	path_of(from, w, "2026.audit");
	path_of(to, w, "2026.audit.damaged-1");
	assert_int_equal(rename(from, to), 0);
	assert_non_null(trail_trouble_of(w, Y2026 + 7 * DAY_MS));
	holds_from(w, 13, true);
}

/* What can never be deleted keeps nobody from working, and what lies aside leaves with its year. */
static void
a_year_that_cannot_go_is_told_and_keeps_nobody(void **state)
{
	struct world *w = *state;
	char path[128];
	FILE *f;
	struct kw_why why;

	open_at(w, Y2026 + DAY_MS);
	path_of(path, w, "2024.audit");
	assert_int_equal(mkdir(path, 0700), 0);
	path_of(path, w, "2025.audit.damaged-1");
	assert_non_null(f = fopen(path, "w"));
	(void)fclose(f);
	add_at(w, Y2027 + 1, "goes on");
	assert_false(is_there(w, "2025.audit.damaged-1"));
	assert_non_null(trail_trouble(w->trail));
	assert_non_null(strstr(trail_trouble(w->trail), "2024.audit"));
	path_of(path, w, "2024.audit");
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(trail_tick(w->trail, Y2027 + 2, 1000, &why), KW_OK);
	assert_non_null(trail_trouble(w->trail));
	assert_int_equal(trail_tick(w->trail, Y2027 + 3, 1000 + 3600 * 1000, &why), KW_OK);
	assert_null(trail_trouble(w->trail));
}

/* A full disk keeps no daemon from starting; what is to be recorded is refused until there is room, and the file begins as each does. */
static void
a_disk_that_is_full_at_the_start(void **state)
{
	struct world *w = *state;
	struct audit_record r = {.event = "read", .actor = "local", .object = "x"};
	struct rlimit was, small;
	struct audit_check c;
	struct kw_why why = {{0}};
	enum kw_err err;

	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	small = was;
	small.rlim_cur = 100;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	open_at(w, Y2026);
	err = trail_add(w->trail, &r, Y2026 + 1, &why);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	assert_int_equal(err, KW_EFULL);
	add_at(w, Y2026 + 2, "after");
	trail_close(&w->trail, Y2026 + 3);
	forget_lines(w);
	read_file(w, "2026.audit");
	holds(w, &c);
	assert_int_equal(c.last, 2);
	assert_non_null(strstr(w->line[0], "\"begin\""));
}

/* [U-8] */
static void
a_full_disk_is_told_and_leaves_nothing_half(void **state)
{
	struct world *w = *state;
	struct audit_record r = {.event = "read", .actor = "local", .object = "x"};
	struct rlimit was, small;
	struct audit_check c;
	struct kw_why why = {{0}};
	struct stat st;
	char path[128];
	enum kw_err err;

	open_at(w, Y2026);
	path_of(path, w, "2026.audit");
	assert_int_equal(stat(path, &st), 0);
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	small = was;
	small.rlim_cur = (rlim_t)st.st_size + 100;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	err = trail_add(w->trail, &r, Y2026 + 1, &why);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	assert_int_equal(err, KW_EFULL);
	assert_non_null(strstr(why.text, w->folder));
	add_at(w, Y2026 + 2, "after");
	trail_close(&w->trail, Y2026 + 3);
	read_file(w, "2026.audit");
	holds(w, &c);
	assert_int_equal(c.last, 2);
}

/* [U-4] */
static void
persons_and_reasons_stand_sealed_and_can_be_shown(void **state)
{
	struct world *w = *state;
	struct audit_line l;
	struct kw_why why;
	json_t *shown = NULL;
	struct secret_keys *other;

	ten_records(w);
	assert_null(strstr(w->line[2], "Duty"));
	assert_null(strstr(w->line[2], "shift"));
	assert_int_equal(audit_line_read(&l, span_str(w->line[2]), &why), KW_OK);
	assert_int_equal(audit_sealing.open(&shown, &l, secret_keys_local(w->keys), &why), KW_OK);
	assert_string_equal(json_string_value(json_object_get(shown, "as")), "Duty officer 3");
	assert_string_equal(json_string_value(json_object_get(shown, "reason")), "shift hand-over");
	assert_true(audit_shown_holds(&l, shown));
	assert_int_equal(json_object_set_new(shown, "as", json_string("Duty officer 4")), 0);
	assert_false(audit_shown_holds(&l, shown));
	json_decref(shown);
	assert_int_equal(secret_keys_new(&other, KEY_NODE, MODE_LIVE, "police/control-room", &why), KW_OK);
	assert_int_equal(audit_sealing.open(&shown, &l, secret_keys_local(other), &why), KW_ECORRUPT);
	secret_keys_free(&other);
	audit_line_free(&l);
}

/* [U-1] a trail belongs to one, and is written by one process */
static void
a_folder_has_one_owner_and_one_writer(void **state)
{
	struct world *w = *state;
	struct trail_config config = config_of(w);
	struct secret_keys *other;
	struct trail *second = NULL;
	struct kw_why why;

	open_at(w, Y2026);
	assert_int_equal(trail_open(&second, &config, Y2026, &why), KW_EEXISTS);
	trail_close(&w->trail, Y2026);
	assert_int_equal(secret_keys_new(&other, KEY_NODE, MODE_LIVE, "city/public-order", &why), KW_OK);
	config.keys = other;
	assert_int_equal(trail_open(&second, &config, Y2026, &why), KW_EDENIED);
	assert_non_null(strstr(why.text, "police/control-room"));
	secret_keys_free(&other);
}

struct reading { uint32_t rows; bool one; };

static bool
count_row(void *self, struct span line, const struct audit_line *l)
{
	struct reading *r = self;

	(void)line;
	assert_non_null(l->doc);
	r->rows++;
	return !r->one;
}

static void
reading_goes_page_by_page_and_by_what_is_asked(void **state)
{
	struct world *w = *state;
	struct trail_query all = {.heads = false}, one = {.object = "last of 2026"}, since = {.since_ms = Y2027};
	struct reading r = {.one = true};
	uint64_t place = 0;
	uint32_t pages = 0;
	struct kw_why why;
	bool more = true;

	open_at(w, Y2027 - 1000);
	add_at(w, Y2027 - 500, "last of 2026");
	for (int i = 0; i < 20; i++)
		add_at(w, Y2027 + 5, "2027");
	for (; more; pages++)
		assert_int_equal(trail_read(w->trail, &place, &more, &all, count_row, &r, &why), KW_OK);
	assert_int_equal(r.rows, 1 + 1 + 1 + 20);
	assert_true(pages >= r.rows);
	r = (struct reading){.rows = 0};
	place = 0;
	assert_int_equal(trail_read(w->trail, &place, &more, &one, count_row, &r, &why), KW_OK);
	assert_int_equal(r.rows, 1);
	assert_false(more);
	r.rows = 0;
	place = 0;
	assert_int_equal(trail_read(w->trail, &place, &more, &since, count_row, &r, &why), KW_OK);
	assert_int_equal(r.rows, 21);
}

static void
what_is_no_line_is_refused_in_a_sentence(void **state)
{
	static const char *const heads[] = {
		"head {}", "head {\"n\":1}", "head nothing", "head {\"n\":1,\"at_ms\":1,\"hash\":\"00\",\"sig\":\"00\"}", "head [1]", "head {\"n\":1,\"n\":1}",
		"", "x", "0000000000000000000000000000000000000000000000000000000000000000 {}", "zz00000000000000000000000000000000000000000000000000000000000000 {}",
	};
	struct audit_record long_one = {.number = 1, .event = "read", .actor = "local", .object = NULL}, dirty = {.number = 1, .event = "read", .actor = "local", .object = "a\x1b[2J"};
	static char text[AUDIT_TEXT_MAX + 2];
	struct buf out = BUF_INIT(AUDIT_LINE_MAX);
	uint8_t hash[KW_HASH_LEN], none[KW_HASH_LEN] = {0};
	struct audit_line l;
	struct kw_why why;

	(void)state;
	for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
		why.text[0] = '\0';
		assert_int_equal(audit_line_read(&l, span_str(heads[i]), &why), KW_ECORRUPT);
		assert_int_not_equal(why.text[0], '\0');
		audit_line_free(&l);
	}
	memset(text, 'a', sizeof text - 1);
	long_one.object = text;
	assert_int_equal(audit_record_put(&out, hash, &long_one, none, NULL, NULL, &why), KW_ELIMIT);
	assert_int_equal(audit_record_put(&out, hash, &dirty, none, NULL, NULL, &why), KW_EINVAL);
	buf_free(&out);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, world_make, world_end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_was_written_checks),
		TEST(heads_come_by_number_and_by_time),
		TEST(a_change_is_found),
		TEST(another_order_is_found),
		TEST(a_hole_is_found),
		TEST(an_insertion_is_found),
		TEST(what_is_cut_off_is_found_by_who_saw_it),
		TEST(what_is_written_anew_is_found_by_who_saw_it),
		TEST(heads_cannot_be_left_out_or_forged),
		TEST(years_go_and_the_rest_still_checks),
		TEST(a_torn_line_is_cut_and_told),
		TEST(what_a_newer_program_wrote_is_refused_and_not_touched),
		TEST(what_looks_newer_and_is_not_signed_is_damage),
		TEST(what_was_signed_and_changed_is_set_aside_and_told),
		TEST(an_endless_line_in_the_middle_hides_nothing),
		TEST(what_a_power_cut_left_is_kept_beside_and_goes_on),
		TEST(numbers_go_on_behind_what_lies_aside),
		TEST(a_year_that_cannot_go_is_told_and_keeps_nobody),
		TEST(a_disk_that_is_full_at_the_start),
		TEST(a_full_disk_is_told_and_leaves_nothing_half),
		TEST(persons_and_reasons_stand_sealed_and_can_be_shown),
		TEST(a_folder_has_one_owner_and_one_writer),
		TEST(reading_goes_page_by_page_and_by_what_is_asked),
		cmocka_unit_test(what_is_no_line_is_refused_in_a_sentence),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
