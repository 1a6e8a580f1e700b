/* test_broker_config: what stands in broker.yaml, and the sentence for everything that may not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "broker/config.h"

static const char good[] =
	"agreement: /etc/a.yaml\n"
	"key: /etc/b.key\n"
	"listen: [\"tcp://*:7411\", \"tcp://127.0.0.1:7412\"]\n"
	"control: ipc:///run/x.sock\n"
	"store: {path: /var/x, quota: 20GiB, force_filesystem: true}\n"
	"connections: 100\n"
	"log: debug\n";

static enum kw_err
read_text(struct broker_config *c, const char *text, struct kw_why *why)
{
	char path[] = "/tmp/kw-config-XXXXXX";
	int fd = mkstemp(path);
	enum kw_err err;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	(void)close(fd);
	memset(c, 0, sizeof *c);
	err = broker_config_read(c, path, why);
	(void)unlink(path);
	return err;
}

/* good with one part replaced is refused with a sentence that holds want. */
static void
refused(const char *find, const char *replace, const char *want)
{
	char text[2048];
	const char *at = strstr(good, find);
	struct broker_config c;
	struct kw_why why = {{0}};

	assert_non_null(at);
	(void)snprintf(text, sizeof text, "%.*s%s%s", (int)(at - good), good, replace, at + strlen(find));
	assert_int_not_equal(read_text(&c, text, &why), KW_OK);
	if (strstr(why.text, want) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", why.text, want);
	assert_null(c.agreement);
}

static void
all_keys_are_read(void **state)
{
	struct broker_config c;
	struct kw_why why = {{0}};

	(void)state;
	assert_int_equal(read_text(&c, good, &why), KW_OK);
	assert_string_equal(c.agreement, "/etc/a.yaml");
	assert_string_equal(c.key, "/etc/b.key");
	assert_int_equal(c.listen_count, 2);
	assert_string_equal(c.listen[1], "tcp://127.0.0.1:7412");
	assert_string_equal(c.control, "ipc:///run/x.sock");
	assert_string_equal(c.store_path, "/var/x");
	assert_int_equal(c.store_quota, 20ull << 30);
	assert_true(c.store_force_filesystem);
	assert_int_equal(c.connections, 100);
	assert_int_equal(c.log, LOG_DEBUG);
	broker_config_free(&c);
}

static void
what_may_be_left_out_has_a_value(void **state)
{
	struct broker_config c;
	struct kw_why why = {{0}};

	(void)state;
	assert_int_equal(read_text(&c, "agreement: a\nkey: k\nlisten: [\"tcp://*:1\"]\nstore: {path: p}\n", &why), KW_OK);
	assert_string_equal(c.control, "ipc:///run/kurzweg/broker.sock");
	assert_int_equal(c.store_quota, 0);
	assert_int_equal(c.audit_keep_years, 1);
	assert_false(c.store_force_filesystem);
	assert_int_equal(c.log, LOG_NOTICE);
	assert_true(c.connections > 0);
	broker_config_free(&c);
}

static void
wrong_values_are_refused_with_their_line(void **state)
{
	(void)state;
	refused("key: /etc/b.key\n", "", "key");
	refused("connections: 100", "conections: 100", "did you mean");
	refused("connections: 100", "connections: 100\nconnections: 100", "line 7");
	refused("connections: 100", "connections: 3", "16");
	refused("quota: 20GiB", "quota: much", "quota");
	refused("quota: 20GiB", "quota: 1KiB", "quota");
	refused("quota: 20GiB", "size: 20GiB", "size");
	refused("force_filesystem: true", "force_filesystem: maybe", "force_filesystem");
	refused("[\"tcp://*:7411\", \"tcp://127.0.0.1:7412\"]", "\"tcp://*:7411\"", "listen");
	refused("tcp://127.0.0.1:7412", "ipc:///tmp/x", "listen");
	refused("ipc:///run/x.sock", "tcp://*:1", "control");
	refused("ipc:///run/x.sock", "ipc:///1234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890", "control");
	refused("log: debug", "audit: {keep_years: 31}", "keep_years");
	refused("log: debug", "audit: {years: 1}", "unknown key");
	refused("log: debug", "log: loud", "loud");
	refused("store: {path: /var/x, quota: 20GiB, force_filesystem: true}\n", "store: /var/x\n", "store");
}

static void
the_sample_may_stand(void **state)
{
	char path[4096];
	struct broker_config c;
	struct kw_why why = {{0}};

	(void)state;
	(void)snprintf(path, sizeof path, "%s/deploy/broker.yaml.sample", getenv("KW_SOURCE_DIR") != NULL ? getenv("KW_SOURCE_DIR") : ".");
	if (broker_config_read(&c, path, &why) != KW_OK)
		fail_msg("%s", why.text);
	broker_config_free(&c);
}

static void
a_missing_file_is_named(void **state)
{
	struct broker_config c;
	struct kw_why why = {{0}};

	(void)state;
	assert_int_equal(broker_config_read(&c, "/nonexistent/broker.yaml", &why), KW_ENOTFOUND);
	assert_non_null(strstr(why.text, "/nonexistent/broker.yaml"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_keys_are_read),
		cmocka_unit_test(what_may_be_left_out_has_a_value),
		cmocka_unit_test(wrong_values_are_refused_with_their_line),
		cmocka_unit_test(the_sample_may_stand),
		cmocka_unit_test(a_missing_file_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
