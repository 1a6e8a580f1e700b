/* partner.yaml: the sample stands, also with everything in it switched on; what is wrong is refused with line, value and remedy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fs.h"
#include "clients/partner/config.h"

#define GOOD "agreement: /a.yaml\nkey: /n.key\n"

static void
read_sample(struct buf *out)
{
	char path[4096];
	struct kw_why why;

	(void)snprintf(path, sizeof path, "%s/deploy/partner.yaml.sample", getenv("KW_SOURCE_DIR") != NULL ? getenv("KW_SOURCE_DIR") : ".");
	*out = BUF_INIT(1u << 20);
	if (fs_read(out, path, &why) != KW_OK)
		fail_msg("%s", why.text);
}

static void
the_sample_stands_as_it_is(void **state)
{
	struct partner_config c;
	struct buf text;
	struct kw_why why;

	(void)state;
	read_sample(&text);
	if (config_parse(&c, buf_span(&text), &why) != KW_OK)
		fail_msg("%s", why.text);
	assert_string_equal(c.key, "/etc/kurzweg/node.key");
	assert_string_equal(c.socket, "ipc:///run/kurzweg/partner.sock");
	assert_int_equal(c.outbox_max, 1000000);
	assert_int_equal(c.log, LOG_NOTICE);
	assert_null(c.spool);
	config_free(&c);
	buf_free(&text);
}

/* Every line "# key: …" and the handler's line lose their mark. */
static void
the_sample_stands_with_every_key_switched_on(void **state)
{
	static const char *const marked[] = {"# fingerprint:", "# key_before:", "# subscribe:", "# spool:", "# handlers:", "#   - {topic:", "# keep: {", "# audit: {", "# limits: {", "# log:"};
	struct partner_config c;
	struct buf text, on = BUF_INIT(1u << 20);
	const char *at;
	struct kw_why why;

	(void)state;
	read_sample(&text);
	for (at = buf_text(&text); *at != '\0';) {
		const char *end = strchr(at, '\n');
		size_t skip = 0;

		assert_non_null(end);
		for (size_t i = 0; i < sizeof marked / sizeof marked[0]; i++)
			if (strncmp(at, marked[i], strlen(marked[i])) == 0)
				skip = 2;
		buf_put(&on, at + skip, (size_t)(end - at) + 1 - skip);
		at = end + 1;
	}
	if (config_parse(&c, buf_span(&on), &why) != KW_OK)
		fail_msg("%s", why.text);
	assert_string_equal(c.key_before, "/etc/kurzweg/node-before.key");
	assert_int_equal(c.filter_count, 2);
	assert_string_equal(c.spool, "/var/spool/kurzweg");
	assert_int_equal(c.handler_count, 1);
	assert_string_equal(c.handlers[0].run[1], "desk@example.org");
	assert_null(c.handlers[0].run[2]);
	assert_int_equal(c.handlers[0].attempts, 10);
	assert_int_equal(c.audit_keep_years, 1);
	assert_true(c.keep_content_ms == 14ull * 24 * 3600 * 1000);
	assert_int_equal(c.store_pages_max, 2u * 1024 * 1024 * 1024 / 4096);
	assert_non_null(c.fingerprint);
	assert_int_equal(c.log, LOG_NOTICE);
	config_free(&c);
	buf_free(&on);
	buf_free(&text);
}

static void
what_is_wrong_is_refused_with_its_line(void **state)
{
	static const struct { const char *text, *says; } all[] = {
		{"key: /n.key\n", "agreement"},
		{"agreement: /a.yaml\n", "key"},
		{GOOD "subscrib: [\"a\"]\n", "did you mean \"subscribe\""},
		{GOOD "key: /other.key\n", "line 3"},
		{"agreement: a.yaml\nkey: /n.key\n", "whole path"},
		{GOOD "socket: tcp://*:1\n", "ipc:///"},
		{GOOD "subscribe: [\"alert/#/x\"]\n", "line 3"},
		{GOOD "subscribe: alert\n", "line 3"},
		{GOOD "handlers: [{topic: \"alert/#\"}]\n", "run"},
		{GOOD "handlers: [{topic: \"alert/#\", run: [\"mail\"]}]\n", "whole path"},
		{GOOD "handlers: [{topic: \"alert/#\", run: [\"/m\"], as: xml}]\n", "json, cap, text, text-de"},
		{GOOD "handlers: [{topic: \"alert/#\", run: [\"/m\"], attempts: 0}]\n", "attempts"},
		{GOOD "handlers: [{topic: \"a\", run: [\"/m\"]}, {topic: \"a\", run: [\"/m\"]}]\n", "name of its own"},
		{GOOD "keep: {content: 5m}\n", "content"},
		{GOOD "keep: {proof: 5d}\n", "unknown key"},
		{GOOD "audit: {keep_years: 31}\n", "keep_years"},
		{GOOD "audit: {keep: 1}\n", "unknown key"},
		{GOOD "limits: {outbox: 0}\n", "outbox"},
		{GOOD "limits: {store: 12}\n", "store"},
		{GOOD "log: loud\n", "log is \"loud\", must be one of: error, warning, notice, info, debug"},
		{GOOD "log: {to: syslog}\n", "\"log\" of partner.yaml"},
		{GOOD "spool: [1]\n", "line 3"},
		{"- agreement\n", "line 1"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		struct partner_config c;
		struct kw_why why = {{0}};

		if (config_parse(&c, span_str(all[i].text), &why) == KW_OK)
			fail_msg("accepted: %s", all[i].text);
		if (strstr(why.text, all[i].says) == NULL)
			fail_msg("%s: %s", all[i].says, why.text);
		if (strstr(why.text, "line ") == NULL)
			fail_msg("no line: %s", why.text);
		config_free(&c);
	}
}

static void
how_much_is_logged_may_be_chosen(void **state)
{
	struct partner_config c;
	struct kw_why why = {{0}};

	(void)state;
	assert_int_equal(config_parse(&c, span_str(GOOD "log: debug\n"), &why), KW_OK);
	assert_int_equal(c.log, LOG_DEBUG);
	config_free(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_sample_stands_as_it_is),
		cmocka_unit_test(the_sample_stands_with_every_key_switched_on),
		cmocka_unit_test(what_is_wrong_is_refused_with_its_line),
		cmocka_unit_test(how_much_is_logged_may_be_chosen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
