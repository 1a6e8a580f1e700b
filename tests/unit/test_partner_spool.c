/* The spool in a node's loop: which files are published, when, once; where they end, and what stands beside them. */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "agreement_fixture.h"
#include "base/clock.h"
#include "base/fs.h"
#include "clients/partner/checks.h"
#include "clients/partner/spool.h"
#include "partner_world.h"
#include "proto/payload.h"

struct setup {
	struct world *w;
	struct spool *spool;
	char path[128]; /* of the spool */
	char *alert;    /* a CAP file's text */
};

static int
set_up(void **state)
{
	struct setup *s = calloc(1, sizeof *s);
	void *world = NULL;

	if (s == NULL || world_set_up(&world) != 0)
		return -1;
	s->w = world;
	(void)snprintf(s->path, sizeof s->path, "%s/spool", s->w->folder);
	if (mkdir(s->path, 0770) != 0)
		return -1;
	s->w->config.spool = strdup(s->path);
	*state = s;
	return 0;
}

static int
tear_down(void **state)
{
	struct setup *s = *state;
	void *world = s->w;

	spool_close(&s->spool);
	free(s->alert);
	free(s);
	return world_tear_down(&world);
}

static void
start(struct setup *s)
{
	struct kw_why why;

	world_up(s->w);
	if (spool_open(&s->spool, s->w->node, &why) != KW_OK)
		fail_msg("%s", why.text);
}

static void
stop(struct setup *s)
{
	spool_close(&s->spool);
	world_stop(s->w);
}

static char *
in_spool(const struct setup *s, const char *name)
{
	static char path[4][1200];
	static int next;
	char *out = path[next++ % 4];

	(void)snprintf(out, sizeof path[0], "%s/%s", s->path, name);
	return out;
}

static void
make_folders(const struct setup *s, const char *path)
{
	char whole[1200];

	(void)snprintf(whole, sizeof whole, "%s", in_spool(s, path));
	for (char *p = whole + strlen(s->path) + 1; *p != '\0'; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		(void)mkdir(whole, 0770);
		*p = '/';
	}
	(void)mkdir(whole, 0770);
}

/* An alert with an identifier of its own, as the examples have it. */
static const char *
alert_text(struct setup *s, const char *identifier)
{
	struct buf xml = BUF_INIT(1u << 20), out = BUF_INIT(1u << 20);
	char path[4096];
	char *text, *begin, *end;
	struct kw_why why;

	(void)snprintf(path, sizeof path, "%s/examples/flood-neckar.cap.xml", getenv("KW_SOURCE_DIR") != NULL ? getenv("KW_SOURCE_DIR") : ".");
	if (fs_read(&xml, path, &why) != KW_OK)
		fail_msg("%s", why.text);
	text = strdup(buf_text(&xml));
	for (char *day = text; (day = strstr(day, ">2026-")) != NULL; day++) /* it does not expire while this test is young */
		memcpy(day, ">2089-", 6);
	begin = strstr(text, "<identifier>");
	end = strstr(text, "</identifier>");
	assert_true(begin != NULL && end != NULL);
	buf_put(&out, text, (size_t)(begin - text));
	buf_printf(&out, "<identifier>%s", identifier);
	buf_put_str(&out, end);
	free(s->alert);
	s->alert = strdup(buf_text(&out));
	free(text);
	buf_free(&xml);
	buf_free(&out);
	return s->alert;
}

static void
write_file(const struct setup *s, const char *name, const char *text)
{
	FILE *f = fopen(in_spool(s, name), "w");

	assert_non_null(f);
	assert_int_equal(fputs(text, f) >= 0, 1);
	assert_int_equal(fclose(f), 0);
}

/* As an agency system should: written elsewhere, renamed in. */
static void
drop(const struct setup *s, const char *name, const char *text)
{
	write_file(s, ".dropping", text);
	assert_int_equal(rename(in_spool(s, ".dropping"), in_spool(s, name)), 0);
}

static bool
is_there(const struct setup *s, const char *name)
{
	struct stat st;

	return lstat(in_spool(s, name), &st) == 0;
}

static void
wait_there(struct setup *s, const char *name)
{
	uint64_t until = clock_mono_ms() + 60000;

	while (!is_there(s, name)) {
		if (clock_mono_ms() > until)
			fail_msg("%s is not there", name);
		world_steps(s->w, 1);
	}
}

static void
assert_note(struct setup *s, const char *name, const char *part)
{
	struct buf b = BUF_INIT(65536);
	struct kw_why why;

	wait_there(s, name);
	if (fs_read(&b, in_spool(s, name), &why) != KW_OK)
		fail_msg("%s", why.text);
	if (strstr(buf_text(&b), part) == NULL)
		fail_msg("%s says \"%s\", not \"%s\"", name, buf_text(&b), part);
	buf_free(&b);
}

static json_int_t
outbox(struct setup *s)
{
	json_t *status = desk_status(s->w->node), *out = json_object_get(status, "outbox");
	json_int_t n = json_integer_value(json_object_get(out, "waiting")) + json_integer_value(json_object_get(out, "stored"));

	json_decref(status);
	return n;
}

static int
files_in(const struct setup *s, const char *folder)
{
	DIR *d = opendir(in_spool(s, folder));
	struct dirent *e;
	int n = 0;

	assert_non_null(d);
	while ((e = readdir(d)) != NULL)
		n += e->d_name[0] != '.';
	(void)closedir(d);
	return n;
}

static void
a_file_renamed_in_is_published_at_once_and_put_away_with_its_id(void **state)
{
	struct setup *s = *state;
	uint64_t before;
	struct kw_why why;
	uint8_t id[KW_ID_LEN];
	enum outbox_state at;
	char reason[512];
	struct buf note = BUF_INIT(4096);

	make_folders(s, "alert/flood/mitte");
	start(s);
	world_steps(s->w, 30);
	before = clock_mono_ms();
	drop(s, "alert/flood/mitte/neckar.cap.xml", alert_text(s, "one"));
	wait_there(s, "sent/alert/flood/mitte/neckar.cap.xml");
	assert_true(clock_mono_ms() - before < 1500); /* and not after two seconds of quiet */
	assert_false(is_there(s, "alert/flood/mitte/neckar.cap.xml"));
	assert_int_equal(outbox(s), 1);
	if (fs_read(&note, in_spool(s, "sent/alert/flood/mitte/neckar.cap.xml.id"), &why) != KW_OK)
		fail_msg("%s", why.text);
	note.p[36] = '\0';
	assert_true(kw_id_parse(id, (const char *)note.p));
	assert_int_equal(desk_outbox_state(&at, reason, s->w->node, id), KW_OK);
	buf_free(&note);
}

static void
json_is_published_as_the_topics_schema(void **state)
{
	struct setup *s = *state;
	struct buf json = BUF_INIT(1u << 20), alert = BUF_INIT(1u << 20);

	assert_int_equal(cap_import(&alert, NULL, span_str(alert_text(s, "one")), NULL), KW_OK);
	assert_int_equal(payload_to_json(&json, PAYLOAD_ALERT, buf_span(&alert), false, NULL), KW_OK);
	make_folders(s, "alert/flood");
	start(s);
	drop(s, "alert/flood/a.json", buf_text(&json));
	wait_there(s, "sent/alert/flood/a.json");
	assert_int_equal(outbox(s), 1);
	buf_free(&json);
	buf_free(&alert);
}

static void
a_file_that_is_written_slowly_is_taken_when_it_is_whole(void **state)
{
	struct setup *s = *state;
	const char *text = alert_text(s, "slow");
	uint64_t until;
	FILE *f;

	make_folders(s, "alert/flood");
	start(s);
	f = fopen(in_spool(s, "alert/flood/slow.cap.xml"), "w");
	assert_non_null(f);
	for (size_t i = 0; i < 4; i++) { /* a quarter each 800 ms: more than two seconds in all, never quiet for so long */
		size_t quarter = strlen(text) / 4 + 1, at = i * quarter, len = strlen(text) - at < quarter ? strlen(text) - at : quarter;

		assert_int_equal(fwrite(text + at, 1, len, f), len);
		assert_int_equal(fflush(f), 0);
		until = clock_mono_ms() + 800;
		while (clock_mono_ms() < until && i < 3)
			world_steps(s->w, 1);
		assert_true(is_there(s, "alert/flood/slow.cap.xml"));
	}
	assert_int_equal(fclose(f), 0);
	wait_there(s, "sent/alert/flood/slow.cap.xml");
	assert_int_equal(files_in(s, "failed"), 0);
}

static void
what_cannot_be_published_ends_in_failed_with_its_reason(void **state)
{
	struct setup *s = *state;

	make_folders(s, "alert/flood");
	make_folders(s, "gossip");
	make_folders(s, "alert/a b");
	start(s);
	drop(s, "alert/flood/broken.cap.xml", "<alert>");
	drop(s, "alert/flood/broken.json", "{\"identifier\": 7}");
	drop(s, "alert/flood/empty.json", "");
	drop(s, "alert/flood/notes.txt", "hello");
	drop(s, "gossip/x.json", "{}");
	drop(s, "alert/a b/x.json", "{}");
	drop(s, "top.json", "{}");
	assert_note(s, "failed/alert/flood/broken.cap.xml.reason.txt", "line");
	assert_note(s, "failed/alert/flood/broken.json.reason.txt", "identifier");
	assert_note(s, "failed/alert/flood/empty.json.reason.txt", "");
	assert_note(s, "failed/alert/flood/notes.txt.reason.txt", ".cap.xml");
	assert_note(s, "failed/gossip/x.json.reason.txt", "gossip");
	assert_note(s, "failed/alert/a b/x.json.reason.txt", "topic");
	assert_note(s, "failed/top.json.reason.txt", "topic");
	assert_true(is_there(s, "failed/alert/flood/broken.cap.xml"));
	assert_true(is_there(s, "failed/top.json"));
	assert_int_equal(outbox(s), 0);
	assert_true(world_alarm_comes(s->w, "spool_failed"));
}

static void
links_and_pipes_are_refused_and_not_opened(void **state)
{
	struct setup *s = *state;

	make_folders(s, "alert/flood");
	make_folders(s, "elsewhere");
	write_file(s, ".secret", "root:x:0:0");
	assert_int_equal(symlink(in_spool(s, ".secret"), in_spool(s, "alert/flood/link.json")), 0);
	assert_int_equal(symlink(in_spool(s, "elsewhere"), in_spool(s, "alert/linked")), 0);
	assert_int_equal(mkfifo(in_spool(s, "alert/flood/pipe.json"), 0660), 0);
	start(s);
	assert_note(s, "failed/alert/flood/link.json.reason.txt", "symbolic link");
	assert_note(s, "failed/alert/flood/pipe.json.reason.txt", "no regular file");
	assert_note(s, "failed/alert/linked.reason.txt", "ends neither");
	assert_true(is_there(s, ".secret"));
	assert_int_equal(outbox(s), 0);
}

static void
unfinished_and_hidden_files_are_left_alone(void **state)
{
	struct setup *s = *state;

	make_folders(s, "alert/.git");
	write_file(s, "alert/x.json.part", "{}");
	write_file(s, "alert/x.json~", "{}");
	write_file(s, "alert/.x.json", "{}");
	write_file(s, "alert/.git/x.json", "{}");
	drop(s, "alert/last.json", "{}");
	start(s);
	wait_there(s, "failed/alert/last.json");
	world_steps(s->w, 20);
	assert_true(is_there(s, "alert/x.json.part"));
	assert_true(is_there(s, "alert/x.json~"));
	assert_true(is_there(s, "alert/.x.json"));
	assert_true(is_there(s, "alert/.git/x.json"));
	assert_int_equal(files_in(s, "failed/alert"), 2);
}

static void
a_name_that_was_there_before_hides_nothing(void **state)
{
	struct setup *s = *state;

	make_folders(s, "alert/flood");
	start(s);
	for (int i = 0; i < 3; i++) {
		char identifier[16];
		uint64_t until = clock_mono_ms() + 60000;

		(void)snprintf(identifier, sizeof identifier, "n%d", i);
		drop(s, "alert/flood/same.cap.xml", alert_text(s, identifier));
		wait_there(s, "sent/alert/flood");
		while (files_in(s, "sent/alert/flood") < 2 * (i + 1)) {
			assert_true(clock_mono_ms() < until);
			world_steps(s->w, 1);
		}
	}
	assert_int_equal(outbox(s), 3);
}

static void
an_alert_and_its_cancel_go_in_the_order_in_which_they_were_written(void **state)
{
	struct setup *s = *state;
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = 1700000000}};
	char *text = strdup(alert_text(s, "first")), *at, *sent = strstr(text, "<sent>"), *sender = strstr(text, "<sender>");
	char reference[512];
	struct buf cancel = BUF_INIT(1u << 20);

	make_folders(s, "alert/flood");
	drop(s, "alert/flood/b.cap.xml", text);
	assert_int_equal(utimensat(AT_FDCWD, in_spool(s, "alert/flood/b.cap.xml"), times, 0), 0);
	(void)snprintf(reference, sizeof reference, "<references>%.*s,first,%.*s</references>", (int)strcspn(sender + 8, "<"), sender + 8, (int)strcspn(sent + 6, "<"), sent + 6);
	at = strstr(text, "<identifier>first");
	buf_put(&cancel, text, (size_t)(at - text));
	buf_put_str(&cancel, "<identifier>second");
	buf_put_str(&cancel, at + strlen("<identifier>first"));
	free(text);
	text = strdup(buf_text(&cancel));
	at = strstr(text, "<msgType>Alert</msgType>");
	assert_non_null(at);
	buf_reset(&cancel);
	buf_put(&cancel, text, (size_t)(at - text));
	buf_put_str(&cancel, "<msgType>Cancel</msgType>");
	buf_put_str(&cancel, at + strlen("<msgType>Alert</msgType>"));
	free(text);
	text = strdup(buf_text(&cancel));
	at = strstr(text, "<info>");
	assert_non_null(at);
	buf_reset(&cancel);
	buf_put(&cancel, text, (size_t)(at - text));
	buf_put_str(&cancel, reference);
	buf_put_str(&cancel, at);
	free(text);
	drop(s, "alert/flood/a.cap.xml", buf_text(&cancel)); /* by name it would be first, and about nothing */
	start(s);
	wait_there(s, "sent/alert/flood/a.cap.xml");
	assert_true(is_there(s, "sent/alert/flood/b.cap.xml"));
	assert_int_equal(outbox(s), 2);
	buf_free(&cancel);
}

/* The daemon ended between the commit and the move, or before the commit. */
static void
what_a_crash_left_behind_is_published_once(void **state)
{
	struct setup *s = *state;
	uint8_t id[KW_ID_LEN] = {7};
	struct kw_why why;

	make_folders(s, "alert/flood");
	make_folders(s, ".taking/alert/flood");
	write_file(s, ".taking/alert/flood/published.cap.xml", alert_text(s, "one"));
	write_file(s, ".taking/alert/flood/not-yet.cap.xml", alert_text(s, "two"));
	world_up(s->w);
	assert_int_equal(desk_spool_keep(s->w->node, "alert/flood/published.cap.xml", id, &why), KW_OK);
	assert_int_equal(desk_spool_keep(s->w->node, "alert/flood/put-away.cap.xml", id, &why), KW_OK);
	world_stop(s->w);
	start(s);
	wait_there(s, "sent/alert/flood/not-yet.cap.xml");
	assert_note(s, "sent/alert/flood/published.cap.xml.id", "07000000-0000-0000-0000-000000000000");
	assert_int_equal(outbox(s), 1);
	/* A file of a name that was published before is another file. */
	world_steps(s->w, 50);
	drop(s, "alert/flood/put-away.cap.xml", alert_text(s, "three"));
	wait_there(s, "sent/alert/flood/put-away.cap.xml");
	assert_int_equal(outbox(s), 2);
	assert_int_equal(desk_spool_find(id, s->w->node, "alert/flood/put-away.cap.xml", &why), KW_ENOTFOUND);
}

/* x.json was published as 07…, its note began as this (NULL: there is none of ours), and then the daemon ended. */
static void
put_away_after_a_crash(struct setup *s, const char *note)
{
	uint8_t id[KW_ID_LEN] = {7};
	struct kw_why why;

	make_folders(s, "sent/alert");
	make_folders(s, ".taking/alert");
	write_file(s, ".taking/alert/x.json", "{}");
	if (note != NULL) {
		write_file(s, "sent/alert/x.json.id", note);
		assert_int_equal(chmod(in_spool(s, "sent/alert/x.json.id"), 0600), 0);
	}
	world_up(s->w);
	assert_int_equal(desk_spool_keep(s->w->node, "alert/x.json", id, &why), KW_OK);
	world_stop(s->w);
	start(s);
}

static void
assert_one_note(struct setup *s, const char *note)
{
	struct buf there = BUF_INIT(4096);
	struct stat st, spool;

	wait_there(s, "sent/alert/x.json");
	assert_int_equal(files_in(s, "sent/alert"), 2);
	assert_int_equal(fs_read(&there, in_spool(s, "sent/alert/x.json.id"), NULL), KW_OK);
	assert_string_equal(buf_text(&there), note);
	assert_int_equal(stat(in_spool(s, "sent/alert/x.json.id"), &st), 0);
	assert_int_equal(stat(s->path, &spool), 0);
	assert_int_equal(st.st_mode & 0777, spool.st_mode & 0666); /* who drops files may read it */
	buf_free(&there);
}

#define SEVEN "07000000-0000-0000-0000-000000000000\n"

static void
a_note_that_a_crash_left_is_not_left_twice(void **state)
{
	struct setup *s = *state;

	put_away_after_a_crash(s, SEVEN);
	assert_one_note(s, SEVEN);
}

static void
a_note_that_a_crash_left_empty_is_written(void **state)
{
	struct setup *s = *state;

	put_away_after_a_crash(s, "");
	assert_one_note(s, SEVEN);
}

static void
half_a_note_is_completed(void **state)
{
	struct setup *s = *state;

	put_away_after_a_crash(s, "07000000-0000");
	assert_one_note(s, SEVEN);
}

static void
warnings_that_a_crash_left_in_a_note_stay(void **state)
{
	struct setup *s = *state;

	put_away_after_a_crash(s, SEVEN "line 3: the area");
	assert_one_note(s, SEVEN "line 3: the area");
}

static void
somebody_elses_note_is_left_alone(void **state)
{
	struct setup *s = *state;
	uint64_t until = clock_mono_ms() + 60000;

	put_away_after_a_crash(s, "08000000-0000-0000-0000-000000000000\n");
	while (files_in(s, "sent/alert") < 3) {
		assert_true(clock_mono_ms() < until);
		world_steps(s->w, 1);
	}
	assert_false(is_there(s, "sent/alert/x.json"));
	assert_note(s, "sent/alert/x.json.id", "08000000");
}

static void
a_link_in_the_place_of_a_note_is_not_written_through(void **state)
{
	struct setup *s = *state;
	uint64_t until = clock_mono_ms() + 60000;
	struct stat st;

	make_folders(s, "sent/alert");
	write_file(s, ".elsewhere", "");
	assert_int_equal(link(in_spool(s, ".elsewhere"), in_spool(s, "sent/alert/x.json.id")), 0);
	put_away_after_a_crash(s, NULL);
	while (files_in(s, "sent/alert") < 3) {
		assert_true(clock_mono_ms() < until);
		world_steps(s->w, 1);
	}
	assert_int_equal(stat(in_spool(s, ".elsewhere"), &st), 0);
	assert_int_equal(st.st_size, 0);
}

static void
a_full_outbox_keeps_files_waiting_and_takes_them_later(void **state)
{
	struct setup *s = *state;
	uint64_t until = clock_mono_ms() + 60000;

	s->w->config.outbox_max = 2;
	make_folders(s, "alert/flood");
	for (int i = 0; i < 5; i++) {
		char name[64], identifier[16];

		(void)snprintf(name, sizeof name, "alert/flood/%d.cap.xml", i);
		(void)snprintf(identifier, sizeof identifier, "n%d", i);
		drop(s, name, alert_text(s, identifier));
	}
	start(s);
	while (!world_alarm(s->w, "spool_waits")) {
		assert_true(clock_mono_ms() < until);
		world_steps(s->w, 1);
	}
	assert_true(outbox(s) <= 2);
	assert_false(is_there(s, "failed/alert"));
	s->w->config.outbox_max = 100;
	until = clock_mono_ms() + 60000;
	while (!is_there(s, "sent/alert/flood/4.cap.xml")) {
		assert_true(clock_mono_ms() < until);
		world_steps(s->w, 1);
	}
	world_steps(s->w, 10);
	assert_int_equal(outbox(s), 5);
	assert_int_equal(files_in(s, "sent/alert/flood"), 10);
	assert_false(world_alarm(s->w, "spool_waits"));
}

static void
a_spool_that_is_not_there_is_an_alarm_until_it_is(void **state)
{
	struct setup *s = *state;
	uint64_t until;
	struct kw_why why;

	assert_int_equal(rmdir(s->path), 0);
	assert_int_equal(spool_check(&s->w->config, &why), KW_ENOTFOUND);
	start(s);
	world_steps(s->w, 10);
	assert_true(world_alarm_comes(s->w, "spool"));
	assert_int_equal(mkdir(s->path, 0770), 0);
	assert_int_equal(spool_check(&s->w->config, &why), KW_OK);
	assert_false(is_there(s, ".taking")); /* the check makes nothing */
	stop(s);
	start(s);
	until = clock_mono_ms() + 60000;
	while (!is_there(s, "failed")) {
		assert_true(clock_mono_ms() < until);
		world_steps(s->w, 1);
	}
	world_steps(s->w, 20);
	assert_false(world_alarm(s->w, "spool"));
}

static void
folders_deeper_than_a_topic_are_told_and_not_entered(void **state)
{
	struct setup *s = *state;
	char path[256] = "alert";
	uint64_t until = clock_mono_ms() + 60000;

	for (int i = 0; i < 20; i++)
		(void)strcat(path, "/x");
	make_folders(s, path);
	(void)strcat(path, "/a.json");
	write_file(s, path, "{}");
	start(s);
	while (!world_alarm(s->w, "spool")) {
		assert_true(clock_mono_ms() < until);
		world_steps(s->w, 1);
	}
	assert_true(is_there(s, path));
}

static void
a_file_that_is_too_large_is_refused_by_its_size(void **state)
{
	struct setup *s = *state;

	make_folders(s, "alert/flood");
	write_file(s, "alert/.big", "");
	assert_int_equal(truncate(in_spool(s, "alert/.big"), 8 * 1024 * 1024 + 1), 0);
	assert_int_equal(rename(in_spool(s, "alert/.big"), in_spool(s, "alert/flood/big.json")), 0);
	start(s);
	assert_note(s, "failed/alert/flood/big.json.reason.txt", "larger than 8388608 bytes");
}

static void
hundreds_of_files_are_all_published_once_while_the_loop_goes_on(void **state)
{
	struct setup *s = *state;
	uint64_t until, longest = 0;

	make_folders(s, "alert/flood");
	for (int i = 0; i < 300; i++) {
		char name[64], identifier[16];

		(void)snprintf(name, sizeof name, "alert/flood/%d.cap.xml", i);
		(void)snprintf(identifier, sizeof identifier, "n%d", i);
		drop(s, name, alert_text(s, identifier));
	}
	start(s);
	until = clock_mono_ms() + 60000;
	wait_there(s, "sent/alert/flood");
	while (files_in(s, "sent/alert/flood") < 600) {
		uint64_t before = clock_mono_ms();

		assert_true(before < until);
		world_steps(s->w, 1);
		if (clock_mono_ms() - before > longest)
			longest = clock_mono_ms() - before;
	}
	assert_int_equal(outbox(s), 300);
	assert_true(longest < 5000);
	assert_int_equal(files_in(s, "alert/flood"), 0);
	assert_int_equal(files_in(s, ".taking/alert/flood"), 0);
}

static void
what_is_older_than_its_topics_keep_is_deleted_from_sent_and_failed(void **state)
{
	struct setup *s = *state;
	uint64_t until = clock_mono_ms() + 60000;

	make_folders(s, "sent/alert/flood");
	make_folders(s, "failed/gossip");
	write_file(s, "sent/alert/flood/old.json", "{}");
	write_file(s, "sent/alert/flood/old.json.id", "x");
	write_file(s, "failed/gossip/old.json", "{}");
	s->w->config.keep_content_ms = 1;
	start(s);
	while (is_there(s, "sent/alert") || is_there(s, "failed/gossip")) {
		assert_true(clock_mono_ms() < until);
		world_steps(s->w, 1);
	}
	assert_true(is_there(s, "sent"));
	assert_true(is_there(s, "failed"));
	stop(s);
	s->w->config.keep_content_ms = 0;
	make_folders(s, "sent/alert/flood");
	write_file(s, "sent/alert/flood/new.json", "{}");
	start(s);
	world_steps(s->w, 100);
	assert_true(is_there(s, "sent/alert/flood/new.json"));
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(a_file_renamed_in_is_published_at_once_and_put_away_with_its_id),
		T(json_is_published_as_the_topics_schema),
		T(a_file_that_is_written_slowly_is_taken_when_it_is_whole),
		T(what_cannot_be_published_ends_in_failed_with_its_reason),
		T(links_and_pipes_are_refused_and_not_opened),
		T(unfinished_and_hidden_files_are_left_alone),
		T(a_name_that_was_there_before_hides_nothing),
		T(an_alert_and_its_cancel_go_in_the_order_in_which_they_were_written),
		T(what_a_crash_left_behind_is_published_once),
		T(a_note_that_a_crash_left_is_not_left_twice),
		T(a_note_that_a_crash_left_empty_is_written),
		T(half_a_note_is_completed),
		T(warnings_that_a_crash_left_in_a_note_stay),
		T(somebody_elses_note_is_left_alone),
		T(a_link_in_the_place_of_a_note_is_not_written_through),
		T(a_full_outbox_keeps_files_waiting_and_takes_them_later),
		T(a_spool_that_is_not_there_is_an_alarm_until_it_is),
		T(folders_deeper_than_a_topic_are_told_and_not_entered),
		T(a_file_that_is_too_large_is_refused_by_its_size),
		T(hundreds_of_files_are_all_published_once_while_the_loop_goes_on),
		T(what_is_older_than_its_topics_keep_is_deleted_from_sent_and_failed),
	};

	return cmocka_run_group_tests(tests, fixture_make_keys, fixture_free_keys);
}
