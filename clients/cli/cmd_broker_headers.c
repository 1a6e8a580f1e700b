/* cmd_broker_headers: the headers of past traffic, a JSON line each, as an operator takes them from the broker's log. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "clients/cli/broker_ask.h"
#include "clients/cli/commands.h"
#include "clients/cli/headers_file.h"
#include "clients/cli/look.h"
#include "clients/cli/when.h"
#include "proto/topic.h"

#define WAIT_MS 30000u
#define PAUSE_NS 10000000l /* between two pages: the broker has more to do */

struct headers_options {
	struct broker_way way;
	const char *from, *to, *topic, *output;
	bool receipts;
};

struct export {
	const struct headers_options *o;
	struct broker_ask *broker;
	FILE *out;
	uint64_t from_ms, to_ms;
	uint64_t count;
	bool begun;
};

/* ---- pages ---- */

static enum kw_err
ask_page(json_t **out, struct export *e, const char *lane, uint64_t after, struct kw_why *why)
{
	json_t *request = json_pack("{s:s, s:I, s:I, s:I, s:b}", "lane", lane, "after", (json_int_t)after, "from_ms", (json_int_t)e->from_ms, "to_ms",
	                            (json_int_t)e->to_ms, "receipts", e->o->receipts);
	struct buf answer = BUF_INIT(KW_MESSAGE_MAX);
	enum kw_err err = KW_OK;
	char *text;

	if (e->o->topic != NULL)
		json_object_set_new(request, "topic", json_string(e->o->topic));
	text = json_dumps(request, JSON_COMPACT);
	json_decref(request);
	if (text == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory");
	err = broker_ask(&answer, e->broker, ADMIN_HEADERS, span_str(text), span_of(NULL, 0), WAIT_MS, why);
	if (err == KW_OK && (*out = json_loadb((const char *)answer.p, answer.len, 0, NULL)) == NULL)
		err = kw_refuse(why, KW_EPROTO, "what the broker answered is no JSON");
	free(text);
	buf_free(&answer);
	return err;
}

static enum kw_err
put_line(struct export *e, const json_t *value, struct kw_why *why)
{
	if (value != NULL && json_dumpf(value, e->out, JSON_COMPACT) == 0 && fputc('\n', e->out) != EOF)
		return KW_OK;
	return kw_refuse(why, KW_EIO, "the output could not be written");
}

static enum kw_err
put_page(struct export *e, const json_t *page, struct kw_why *why)
{
	json_t *row;
	size_t i;
	enum kw_err err;

	if (!e->begun) {
		json_t *head = headers_file_head(look_text(page, "partnership"), look_text(page, "kind"), e->from_ms, e->to_ms);

		err = put_line(e, head, why);
		json_decref(head);
		if (err != KW_OK)
			return err;
		e->begun = true;
	}
	json_array_foreach(look_at(page, "headers"), i, row) {
		if ((err = put_line(e, row, why)) != KW_OK)
			return err;
		e->count++;
	}
	return KW_OK;
}

static enum kw_err
export_lane(struct export *e, const char *lane, struct kw_why *why)
{
	const struct timespec pause = {0, PAUSE_NS};
	uint64_t after = 0;
	bool more = true;

	while (more) {
		json_t *page = NULL;
		enum kw_err err = ask_page(&page, e, lane, after, why);

		if (err == KW_OK)
			err = put_page(e, page, why);
		more = err == KW_OK && look_flag(page, "more") && look_number(page, "after") > after;
		after = err == KW_OK ? look_number(page, "after") : after;
		json_decref(page);
		if (err != KW_OK)
			return err;
		if (more)
			(void)nanosleep(&pause, NULL);
	}
	return KW_OK;
}

static enum kw_err
export_all(struct export *e, struct kw_why *why)
{
	json_t *end;
	enum kw_err err;

	for (int lane = 0; lane < KW_LANES; lane++)
		if ((err = export_lane(e, lane_name((enum lane)lane), why)) != KW_OK)
			return err;
	end = headers_file_end(e->count);
	err = put_line(e, end, why);
	json_decref(end);
	if (err == KW_OK && fflush(e->out) != 0)
		err = kw_refuse(why, KW_EIO, "the output could not be written");
	return err;
}

/* ---- the command ---- */

static enum kw_err
read_times(struct export *e, struct kw_why *why)
{
	uint64_t now_ms = clock_wall_ms();
	enum kw_err err;

	e->to_ms = now_ms;
	if (e->o->from != NULL && (err = when_parse_before(&e->from_ms, e->o->from, now_ms, "--from", why)) != KW_OK)
		return err;
	if (e->o->to != NULL && (err = when_parse_before(&e->to_ms, e->o->to, now_ms, "--to", why)) != KW_OK)
		return err;
	if (e->from_ms >= e->to_ms)
		return kw_refuse(why, KW_EINVAL, "--from must lie before --to");
	return e->o->topic != NULL ? filter_check(e->o->topic, why) : KW_OK;
}

/* A new file that only its owner reads: who wrote to whom is nobody else's business. */
static enum kw_err
open_output(struct export *e, struct kw_why *why)
{
	int fd;

	e->out = stdout;
	if (e->o->output == NULL)
		return KW_OK;
	fd = open(e->o->output, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 && errno == EEXIST)
		return kw_refuse(why, KW_EEXISTS, "%s exists already; name a new file", e->o->output);
	if (fd < 0 || (e->out = fdopen(fd, "w")) == NULL)
		return kw_refuse(why, KW_EIO, "%s cannot be written: %s", e->o->output, strerror(errno));
	return KW_OK;
}

static enum kw_err
close_output(const struct export *e, enum kw_err err, struct kw_why *why)
{
	if (e->out == NULL || e->out == stdout)
		return err;
	if (fclose(e->out) != 0 && err == KW_OK)
		err = kw_refuse(why, KW_EIO, "the output could not be written");
	if (err != KW_OK)
		(void)unlink(e->o->output);
	return err;
}

static enum cli_exit
run_headers(struct cli *c, const void *options)
{
	struct export e = {.o = options};
	enum cli_exit code = CLI_DONE;
	struct kw_why why;
	enum kw_err err;

	if (!broker_way_stands(c, &e.o->way, &code))
		return code;
	if (read_times(&e, &why) != KW_OK)
		return cli_usage(c, "%s", why.text);
	if ((err = broker_way_open(&e.broker, &e.o->way, &why)) == KW_OK && (err = open_output(&e, &why)) == KW_OK) {
		err = export_all(&e, &why);
		err = close_output(&e, err, &why);
	}
	broker_ask_free(&e.broker);
	if (err != KW_OK)
		return cli_fail(c, err, &why);
	cli_note(c, ngettext("%llu header; no content was read.", "%llu headers; no content was read.", e.count), (unsigned long long)e.count);
	return CLI_DONE;
}

static const struct cli_option headers_table[] = {
	{"from", 0, CLI_TEXT, offsetof(struct headers_options, from), N_("TIME"), N_("stored since then; a time, or how long ago, as 90d; all that is kept if not given"), 0, 0},
	{"to", 0, CLI_TEXT, offsetof(struct headers_options, to), N_("TIME"), N_("stored before then; now if not given"), 0, 0},
	{"topic", 't', CLI_TEXT, offsetof(struct headers_options, topic), N_("FILTER"), N_("these topics alone"), 0, 0},
	{"receipts", 0, CLI_FLAG, offsetof(struct headers_options, receipts), NULL, N_("with the receipts delivered, opened and rejected, which are left out otherwise"), 0, 0},
	{"output", 'o', CLI_TEXT, offsetof(struct headers_options, output), N_("FILE"), N_("into this new file, which you alone can read"), 0, 0},
	CLI_BROKER_WAY(struct headers_options, way),
	{"agreement", 'a', CLI_TEXT, offsetof(struct headers_options, way.agreement), N_("FILE"), N_("where the broker's key stands, instead of /etc/kurzweg/agreement.yaml"), 0, 0},
	CLI_NO_MORE,
};

const struct cli_command cmd_broker_headers = {
	"broker", "headers", NULL, 0, 0, N_("write down who sent what on which topic and when, without any content"),
	N_("A JSON line each: place in the log, time, type, topic, sender, whom it names, times, and what it is about. This is what the\n"
	   "broker sees anyway; \"kurzweg agreement simulate\" runs it against a draft. Who asks for it leaves a line in the broker's log."),
	headers_table, run_headers,
};
