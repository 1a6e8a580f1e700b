/* Handlers in a node's loop: what a program is given, in which order, how often, and what becomes of what it cannot do. */
#include <setjmp.h>
#include <signal.h>
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
#include "clients/partner/handlers.h"
#include "partner_world.h"

struct setup {
	struct world *w;
	struct handlers *handlers;
};

static int
set_up(void **state)
{
	struct setup *s = calloc(1, sizeof *s);
	void *world = NULL;

	(void)signal(SIGPIPE, SIG_IGN); /* as the daemon does */
	if (s == NULL || world_set_up(&world) != 0)
		return -1;
	s->w = world;
	*state = s;
	return 0;
}

static int
tear_down(void **state)
{
	struct setup *s = *state;
	void *world = s->w;

	handlers_close(&s->handlers);
	free(s);
	return world_tear_down(&world);
}

static char *
path_in(struct setup *s, const char *name)
{
	char path[256];

	(void)snprintf(path, sizeof path, "%s/%s", s->w->folder, name);
	return strdup(path);
}

static void
write_script(struct setup *s, const char *name, const char *text)
{
	char *path = path_in(s, name);
	struct buf whole = BUF_INIT(65536);
	struct kw_why why;

	buf_printf(&whole, "#!/bin/sh\nat=%s\n%s", s->w->folder, text);
	if (fs_write(path, buf_span(&whole), 0644, &why) != KW_OK)
		fail_msg("%s", why.text);
	assert_int_equal(chmod(path, 0755), 0);
	buf_free(&whole);
	free(path);
}

/* One more handler in the configuration, for the script of that name. */
static struct config_handler *
add_handler(struct setup *s, const char *name, const char *topic)
{
	struct partner_config *c = &s->w->config;
	struct config_handler *h;

	c->handlers = realloc(c->handlers, (c->handler_count + 1) * sizeof *c->handlers);
	assert_non_null(c->handlers);
	h = &c->handlers[c->handler_count++];
	memset(h, 0, sizeof *h);
	h->name = strdup(name);
	h->topic = strdup(topic);
	h->run[0] = path_in(s, name);
	h->as = HANDLER_JSON;
	h->attempts = 3;
	h->timeout_ms = 20000;
	return h;
}

static void
start(struct setup *s)
{
	struct kw_why why;

	world_up(s->w);
	if (handlers_open(&s->handlers, s->w->node, &why) != KW_OK)
		fail_msg("%s", why.text);
}

static void
stop(struct setup *s)
{
	handlers_close(&s->handlers);
	world_stop(s->w);
}

static char *
text_of(struct setup *s, const char *name)
{
	char *path = path_in(s, name), *text;
	struct buf b = BUF_INIT(1u << 20);

	text = fs_read(&b, path, NULL) == KW_OK ? strdup(buf_text(&b)) : strdup("");
	buf_free(&b);
	free(path);
	return text;
}

/* Turns until the file holds text so many times; fails after a minute. */
static void
wait_for(struct setup *s, const char *name, const char *text, int times)
{
	uint64_t until = clock_mono_ms() + 60000;

	for (;;) {
		char *now = text_of(s, name);
		const char *at = now;
		int found = 0;

		while ((at = strstr(at, text)) != NULL) {
			at += strlen(text);
			found++;
		}
		if (clock_mono_ms() > until)
			fail_msg("\"%s\" does not stand %d times in %s, which holds: %s", text, times, name, now);
		free(now);
		if (found >= times)
			return;
		world_steps(s->w, 1);
	}
}

static void
assert_holds(struct setup *s, const char *name, const char *text)
{
	char *now = text_of(s, name);

	if (strcmp(now, text) != 0)
		fail_msg("%s holds \"%s\", not \"%s\"", name, now, text);
	free(now);
}

static json_t *
report(struct setup *s, size_t i)
{
	json_t *status = desk_status(s->w->node), *one = json_incref(json_array_get(json_object_get(status, "handlers"), i));

	assert_non_null(one);
	json_decref(status);
	return one;
}

static json_int_t
counted(struct setup *s, size_t i, const char *key)
{
	json_t *one = report(s, i);
	json_int_t v = json_integer_value(json_object_get(one, key));

	assert_true(json_is_integer(json_object_get(one, key)));
	json_decref(one);
	return v;
}

static void
wait_counted(struct setup *s, size_t i, const char *key, json_int_t value)
{
	uint64_t until = clock_mono_ms() + 60000;

	while (counted(s, i, key) != value) {
		assert_true(clock_mono_ms() < until);
		world_steps(s->w, 1);
	}
}

static const char *given_topic;

static void
on_topic(struct header *h)
{
	(void)snprintf(h->topic, sizeof h->topic, "%s", given_topic);
}

static void
deliver(struct setup *s, const char *topic, struct given *g)
{
	given_topic = topic;
	world_seal(g, s->w, LANE_FLASH, on_topic);
	world_deliver(s->w, g, MARK_WHOLE);
}

static void
deliver_and_forget(struct setup *s, const char *topic)
{
	struct given g;

	deliver(s, topic, &g);
	given_free(&g);
}

static void
the_program_gets_the_whole_notification_and_a_clean_environment(void **state)
{
	struct setup *s = *state;
	struct given g;
	char *text;
	json_t *row;

	write_script(s, "look", "cat >$at/content\nenv >$at/env\nls /proc/self/fd >$at/fds\npwd >$at/pwd\necho done >>$at/done\n");
	(void)add_handler(s, "look", "alert/+");
	start(s);
	deliver_and_forget(s, "alert/quick/north"); /* another topic */
	deliver(s, "alert/storm", &g);
	wait_for(s, "done", "done", 1);
	text = text_of(s, "content");
	row = json_loads(text, 0, NULL);
	assert_non_null(row);
	assert_string_equal(json_string_value(json_object_get(row, "topic")), "alert/storm");
	assert_string_equal(json_string_value(json_object_get(row, "sender")), "city/public-order");
	assert_true(json_is_object(json_object_get(row, "content")));
	assert_true(json_array_size(json_object_get(json_object_get(row, "content"), "info")) > 0);
	json_decref(row);
	free(text);
	text = text_of(s, "env");
	assert_non_null(strstr(text, "KURZWEG_TOPIC=alert/storm\n"));
	assert_non_null(strstr(text, "KURZWEG_SENDER=city/public-order\n"));
	assert_non_null(strstr(text, "KURZWEG_LANE=flash\n"));
	assert_non_null(strstr(text, "KURZWEG_TYPE=notice\n"));
	assert_non_null(strstr(text, "KURZWEG_SCHEMA=alert\n"));
	assert_non_null(strstr(text, "KURZWEG_KIND=live\n"));
	assert_non_null(strstr(text, "KURZWEG_NODE=police/control-room\n"));
	assert_non_null(strstr(text, "KURZWEG_ATTEMPT=1\n"));
	assert_non_null(strstr(text, "KURZWEG_HEADLINE="));
	assert_non_null(strstr(text, "KURZWEG_SEVERITY="));
	assert_null(strstr(text, "KW_SOURCE_DIR")); /* the test has it, a handler must not */
	assert_null(strstr(text, "HOME"));
	free(text);
	assert_holds(s, "pwd", "/\n");
	assert_holds(s, "fds", "0\n1\n2\n3\n"); /* the last is the listing's own */
	assert_holds(s, "done", "done\n");
	wait_counted(s, 0, "done", 1);
	given_free(&g);
}

static void
as_cap_it_gets_the_alert_as_xml(void **state)
{
	struct setup *s = *state;
	char *text;

	write_script(s, "xml", "cat >$at/content\necho done >>$at/done\n");
	add_handler(s, "xml", "alert/#")->as = HANDLER_CAP;
	start(s);
	deliver_and_forget(s, "alert/storm");
	wait_for(s, "done", "done", 1);
	text = text_of(s, "content");
	assert_memory_equal(text, "<?xml", 5);
	assert_non_null(strstr(text, "urn:oasis:names:tc:emergency:cap:1.2"));
	free(text);
}

static void
as_text_it_gets_lines_for_people_in_their_language(void **state)
{
	struct setup *s = *state;
	char *text;

	write_script(s, "english", "cat >$at/en\necho $KURZWEG_FORM $KURZWEG_LANGUAGE >>$at/done\n");
	write_script(s, "german", "cat >$at/de\necho $KURZWEG_FORM $KURZWEG_LANGUAGE >>$at/done\n");
	add_handler(s, "english", "#")->as = HANDLER_TEXT;
	add_handler(s, "german", "#")->as = HANDLER_TEXT_DE;
	start(s);
	deliver_and_forget(s, "alert/storm");
	wait_for(s, "done", "text", 2);
	wait_for(s, "done", "text en", 1);
	wait_for(s, "done", "text de", 1);
	text = text_of(s, "en");
	assert_non_null(strstr(text, "Severity:"));
	free(text);
	text = text_of(s, "de");
	assert_non_null(strstr(text, "Schwere:"));
	free(text);
}

static void
what_can_never_be_handled_is_set_aside_at_once(void **state)
{
	struct setup *s = *state;
	json_t *one;

	write_script(s, "strict", "cat >/dev/null\necho $KURZWEG_SEQ $KURZWEG_ATTEMPT >>$at/log\n[ $KURZWEG_SEQ = 2 ] || exit 12\n");
	(void)add_handler(s, "strict", "#");
	start(s);
	deliver_and_forget(s, "alert/storm");
	deliver_and_forget(s, "alert/storm");
	wait_for(s, "log", "2 1", 1);
	assert_holds(s, "log", "1 1\n2 1\n");
	wait_counted(s, 0, "done", 1);
	assert_int_equal(counted(s, 0, "failed"), 1);
	assert_int_equal(counted(s, 0, "set_aside"), 1);
	assert_true(world_alarm_comes(s->w, "handler_set_aside"));
	one = report(s, 0);
	assert_string_equal(json_string_value(json_object_get(json_object_get(one, "last_failure"), "text")), "exit code 12: it can never be handled");
	json_decref(one);
}

static void
notifications_are_handled_in_order_one_after_the_other(void **state)
{
	struct setup *s = *state;

	write_script(s, "slow", "cat >/dev/null\necho begin $KURZWEG_SEQ >>$at/log\nsleep 0.05\necho end $KURZWEG_SEQ >>$at/log\n");
	(void)add_handler(s, "slow", "#");
	start(s);
	for (int i = 0; i < 5; i++)
		deliver_and_forget(s, "alert/storm");
	wait_for(s, "log", "end", 5);
	assert_holds(s, "log", "begin 1\nend 1\nbegin 2\nend 2\nbegin 3\nend 3\nbegin 4\nend 4\nbegin 5\nend 5\n");
}

static void
a_slow_handler_holds_up_no_other(void **state)
{
	struct setup *s = *state;

	write_script(s, "stuck", "echo begun >>$at/stuck-log\nexec sleep 30\n");
	write_script(s, "quick", "echo $KURZWEG_SEQ >>$at/quick-log\n");
	(void)add_handler(s, "stuck", "#");
	(void)add_handler(s, "quick", "#");
	start(s);
	for (int i = 0; i < 3; i++)
		deliver_and_forget(s, "alert/storm");
	wait_for(s, "quick-log", "3", 1);
	assert_holds(s, "quick-log", "1\n2\n3\n");
	assert_holds(s, "stuck-log", "begun\n");
}

static void
what_fails_is_tried_again_as_a_repeat_and_set_aside_in_the_end(void **state)
{
	struct setup *s = *state;
	json_t *one;

	write_script(s, "bad", "cat >/dev/null\necho $KURZWEG_SEQ ${KURZWEG_REPEAT:-no} $KURZWEG_ATTEMPT >>$at/log\necho trouble >&2\n[ $KURZWEG_SEQ = 2 ] || exit 3\n");
	add_handler(s, "bad", "#")->attempts = 2;
	start(s);
	deliver_and_forget(s, "alert/storm");
	deliver_and_forget(s, "alert/storm");
	wait_for(s, "log", "2 no", 1);
	assert_holds(s, "log", "1 no 1\n1 1 2\n2 no 1\n");
	wait_counted(s, 0, "done", 1);
	assert_int_equal(counted(s, 0, "failed"), 2);
	assert_int_equal(counted(s, 0, "set_aside"), 1);
	assert_true(world_alarm_comes(s->w, "handler_set_aside"));
	one = report(s, 0);
	assert_string_equal(json_string_value(json_object_get(json_object_get(one, "last_failure"), "text")), "exit code 3");
	json_decref(one);
}

static void
a_program_that_does_not_read_has_not_failed(void **state)
{
	struct setup *s = *state;

	write_script(s, "deaf", "exec </dev/null\necho ran >>$at/log\n");
	(void)add_handler(s, "deaf", "#");
	start(s);
	for (int i = 0; i < 3; i++)
		deliver_and_forget(s, "alert/storm");
	wait_for(s, "log", "ran", 3);
	wait_counted(s, 0, "done", 3);
	assert_int_equal(counted(s, 0, "failed"), 0);
}

static void
a_program_that_floods_its_output_neither_blocks_nor_fills_anything(void **state)
{
	struct setup *s = *state;

	write_script(s, "loud", "cat >/dev/null\nhead -c 1000000 /dev/zero >&2\nhead -c 1000000 /dev/zero\necho ran >>$at/log\nexit 1\n");
	add_handler(s, "loud", "#")->attempts = 1;
	start(s);
	deliver_and_forget(s, "alert/storm");
	wait_for(s, "log", "ran", 1);
	wait_counted(s, 0, "set_aside", 1);
}

/* A process that ended may wait for whoever adopted it. */
static bool
is_alive(pid_t pid)
{
	char path[64];
	struct buf stat = BUF_INIT(4096);
	bool alive;

	(void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	alive = fs_read(&stat, path, NULL) == KW_OK && strstr(buf_text(&stat), ") Z ") == NULL;
	buf_free(&stat);
	return alive;
}

static void
out_of_time_the_whole_group_is_ended(void **state)
{
	struct setup *s = *state;
	struct config_handler *h;
	char *pid;

	write_script(s, "long", "sleep 300 &\necho $! >$at/pid\nwait\n");
	h = add_handler(s, "long", "#");
	h->timeout_ms = 2000; /* within which the script starts, on a busy machine too */
	h->attempts = 1;
	start(s);
	deliver_and_forget(s, "alert/storm");
	wait_counted(s, 0, "set_aside", 1);
	pid = text_of(s, "pid");
	assert_true(atoi(pid) > 1);
	assert_false(is_alive((pid_t)atoi(pid)));
	free(pid);
}

static void
mark_cancelled(struct header *h)
{
	h->type = TYPE_CANCEL;
	h->about.set = true;
}

static struct given *cancelled;

static void
about_it(struct header *h)
{
	mark_cancelled(h);
	memcpy(h->about.id, cancelled->header.id, KW_ID_LEN);
	memcpy(h->about.frame_hash, cancelled->frame_hash, KW_HASH_LEN);
}

static void
what_was_cancelled_before_its_run_is_passed_by_and_the_cancel_runs(void **state)
{
	struct setup *s = *state;
	struct given a, b, c;

	write_script(s, "first", "echo $KURZWEG_SEQ $KURZWEG_TYPE >>$at/log\n[ -e $at/go ] || exit 1\n");
	(void)add_handler(s, "first", "#");
	start(s);
	deliver(s, "alert/storm", &a);
	wait_for(s, "log", "1 notice", 1);
	deliver(s, "alert/storm", &b);
	cancelled = &b;
	world_seal(&c, s->w, LANE_FLASH, about_it);
	world_deliver(s->w, &c, MARK_WHOLE);
	write_script(s, "go", "");
	wait_for(s, "log", "3 cancel", 1);
	assert_holds(s, "log", "1 notice\n1 notice\n3 cancel\n");
	assert_int_equal(counted(s, 0, "skipped"), 1);
	given_free(&a);
	given_free(&b);
	given_free(&c);
}

static void
expired_and_bare_ones_start_nothing(void **state)
{
	struct setup *s = *state;
	struct given g;
	struct span bytes;

	write_script(s, "any", "echo $KURZWEG_SEQ >>$at/log\n");
	(void)add_handler(s, "any", "#");
	start(s);
	given_topic = "alert/storm";
	world_seal(&g, s->w, LANE_FLASH, on_topic);
	bytes = buf_span(&g.frame);
	assert_true(bytes.len > 0);
	world_deliver(s->w, &g, MARK_NOT_SUBSCRIBED);
	deliver_and_forget(s, "alert/storm");
	wait_for(s, "log", "2", 1);
	assert_holds(s, "log", "2\n");
	assert_int_equal(counted(s, 0, "skipped"), 1);
	given_free(&g);
}

static void
a_new_handler_begins_with_what_comes_from_now_on(void **state)
{
	struct setup *s = *state;

	write_script(s, "old", "echo $KURZWEG_SEQ >>$at/old-log\n");
	write_script(s, "new", "echo $KURZWEG_SEQ >>$at/new-log\n");
	(void)add_handler(s, "old", "#");
	start(s);
	deliver_and_forget(s, "alert/storm");
	wait_for(s, "old-log", "1", 1);
	stop(s);
	(void)add_handler(s, "new", "#");
	start(s);
	deliver_and_forget(s, "alert/storm");
	wait_for(s, "new-log", "2", 1);
	assert_holds(s, "new-log", "2\n");
	wait_for(s, "old-log", "2", 1);
	assert_holds(s, "old-log", "1\n2\n");
}

static void
what_came_while_the_handlers_were_away_is_run_after_the_start(void **state)
{
	struct setup *s = *state;

	write_script(s, "any", "echo $KURZWEG_SEQ >>$at/log\n");
	(void)add_handler(s, "any", "#");
	start(s);
	stop(s);
	world_up(s->w); /* without them */
	for (int i = 0; i < 3; i++)
		deliver_and_forget(s, "alert/storm");
	while (desk_newest_seq(s->w->node) < 3)
		world_steps(s->w, 1);
	stop(s);
	start(s);
	wait_for(s, "log", "3", 1);
	assert_holds(s, "log", "1\n2\n3\n");
}

static void
a_run_that_the_stop_interrupted_is_a_repeat_and_no_failure(void **state)
{
	struct setup *s = *state;

	write_script(s, "once", "echo $KURZWEG_SEQ ${KURZWEG_REPEAT:-no} $KURZWEG_ATTEMPT >>$at/log\n[ -e $at/go ] || exec sleep 300\n");
	(void)add_handler(s, "once", "#");
	start(s);
	deliver_and_forget(s, "alert/storm");
	wait_for(s, "log", "1 no 1", 1);
	stop(s);
	write_script(s, "go", "");
	start(s);
	wait_for(s, "log", "1 1 1", 1);
	wait_counted(s, 0, "done", 1);
	assert_int_equal(counted(s, 0, "failed"), 0);
}

static void
made_earlier(struct header *h)
{
	h->created_ms -= 3600000;
}

static void
what_was_made_before_this_store_began_may_have_been_seen(void **state)
{
	struct setup *s = *state;
	struct given g;

	write_script(s, "any", "echo $KURZWEG_SEQ ${KURZWEG_REPEAT:-no} >>$at/log\n");
	(void)add_handler(s, "any", "#");
	start(s);
	world_seal(&g, s->w, LANE_FLASH, made_earlier);
	world_deliver(s->w, &g, MARK_WHOLE);
	deliver_and_forget(s, "alert/storm");
	wait_for(s, "log", "2 ", 1);
	assert_holds(s, "log", "1 1\n2 no\n");
	given_free(&g);
}

static void
a_program_that_cannot_be_started_is_said_and_counts_as_failing(void **state)
{
	struct setup *s = *state;

	add_handler(s, "missing", "#")->attempts = 2;
	start(s);
	assert_true(world_alarm_comes(s->w, "handler_start"));
	deliver_and_forget(s, "alert/storm");
	wait_counted(s, 0, "failed", 1);
	assert_true(world_alarm_comes(s->w, "handler_start"));
	write_script(s, "missing", "echo $KURZWEG_SEQ $KURZWEG_ATTEMPT >>$at/log\n");
	wait_for(s, "log", "1 2", 1);
	wait_counted(s, 0, "done", 1);
	assert_false(world_alarm(s->w, "handler_start"));
}

static uint32_t said;

static void
count_sentence(void *self, const char *sentence)
{
	assert_non_null(strstr(sentence, self));
	said++;
}

static void
what_cannot_be_started_is_found_without_a_node(void **state)
{
	struct setup *s = *state;
	char *plain = path_in(s, "plain");
	char text[] = "cannot be started";

	write_script(s, "fine", "exit 0\n");
	write_script(s, "plain", "exit 0\n");
	assert_int_equal(chmod(plain, 0644), 0);
	(void)add_handler(s, "fine", "#");
	said = 0;
	assert_int_equal(handlers_check(&s->w->config, count_sentence, text), 0);
	(void)add_handler(s, "missing", "#");
	(void)add_handler(s, "plain", "#");
	(void)add_handler(s, "", "#"); /* the folder itself */
	assert_int_equal(handlers_check(&s->w->config, count_sentence, text), 3);
	assert_int_equal(said, 3);
	free(plain);
}

static void
many_handlers_run_at_once_and_all_come_to_their_turn(void **state)
{
	struct setup *s = *state;

	write_script(s, "any", "cat >/dev/null\necho $KURZWEG_HANDLER >>$at/log\n");
	for (int i = 0; i < CONFIG_HANDLERS_MAX; i++) {
		char name[32];
		struct config_handler *h;

		(void)snprintf(name, sizeof name, "number-%d-", i);
		h = add_handler(s, name, "#");
		free(h->run[0]);
		h->run[0] = path_in(s, "any");
	}
	start(s);
	deliver_and_forget(s, "alert/storm");
	deliver_and_forget(s, "alert/storm");
	for (size_t i = 0; i < CONFIG_HANDLERS_MAX; i++)
		wait_counted(s, i, "done", 2);
	wait_for(s, "log", "number-", 2 * CONFIG_HANDLERS_MAX);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(the_program_gets_the_whole_notification_and_a_clean_environment),
		T(as_cap_it_gets_the_alert_as_xml),
		T(as_text_it_gets_lines_for_people_in_their_language),
		T(what_can_never_be_handled_is_set_aside_at_once),
		T(notifications_are_handled_in_order_one_after_the_other),
		T(a_slow_handler_holds_up_no_other),
		T(what_fails_is_tried_again_as_a_repeat_and_set_aside_in_the_end),
		T(a_program_that_does_not_read_has_not_failed),
		T(a_program_that_floods_its_output_neither_blocks_nor_fills_anything),
		T(out_of_time_the_whole_group_is_ended),
		T(what_was_cancelled_before_its_run_is_passed_by_and_the_cancel_runs),
		T(expired_and_bare_ones_start_nothing),
		T(a_new_handler_begins_with_what_comes_from_now_on),
		T(what_came_while_the_handlers_were_away_is_run_after_the_start),
		T(a_run_that_the_stop_interrupted_is_a_repeat_and_no_failure),
		T(what_was_made_before_this_store_began_may_have_been_seen),
		T(a_program_that_cannot_be_started_is_said_and_counts_as_failing),
		T(what_cannot_be_started_is_found_without_a_node),
		T(many_handlers_run_at_once_and_all_come_to_their_turn),
	};

	return cmocka_run_group_tests(tests, fixture_make_keys, fixture_free_keys);
}
