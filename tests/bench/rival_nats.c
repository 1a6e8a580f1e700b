/*
 * rival_nats: NATS JetStream over its text protocol. Publishes are answered by the stream; each reader is a durable consumer of its own to which the
 * server pushes, and acknowledges with one word all that came together (the policy "all").
 */
#include <stdio.h>
#include <string.h>

#include "rival.h"

#define WORDS_MAX 6u
#define ACK_SUBJECT_MAX 256u

enum step { CONNECTING, MAKING, WORKING, REMOVING };

struct nats {
	enum step step;
	bool made;                      /* stream or consumer */
	char owed[ACK_SUBJECT_MAX];     /* where the newest delivery is acknowledged, and all before it with it; "": nothing is owed */
};

/* Answers come here. Each publish could have a subject of its own; they come in order, so one will do. */
static void
put_inbox(struct rival *r)
{
	buf_printf(&r->out, "_INBOX.%s.%s", r->run, r->name);
}

static void
ask(struct rival *r, const char *subject, const char *json)
{
	buf_printf(&r->out, "PUB %s ", subject);
	put_inbox(r);
	buf_printf(&r->out, " %zu\r\n%s\r\n", strlen(json), json);
}

static void
begin(struct rival *r)
{
	buf_put_str(&r->out, "CONNECT {\"verbose\":false,\"pedantic\":false,\"tls_required\":true,\"name\":\"bench\",\"lang\":\"c\",\"version\":\"1\",\"protocol\":1}\r\n");
	if (r->role != RIVAL_IDLE) {
		buf_put_str(&r->out, "SUB ");
		put_inbox(r);
		buf_put_str(&r->out, " 1\r\n");
	}
	if (r->role == RIVAL_READER)
		buf_printf(&r->out, "SUB deliver.%s.%s 2\r\n", r->run, r->name);
	buf_put_str(&r->out, "PING\r\n");
}

/* A durable consumer goes on as soon as somebody listens where it delivers. */
static void
again(struct rival *r)
{
	struct nats *s = r->state;

	s->step = CONNECTING;
	s->made = true;
	s->owed[0] = '\0';
	begin(r);
}

static void
make_stream(struct rival *r)
{
	char subject[128], json[512];

	(void)snprintf(subject, sizeof subject, "$JS.API.STREAM.CREATE.%s", r->run);
	(void)snprintf(json, sizeof json, "{\"name\":\"%s\",\"subjects\":[\"%s\"],\"storage\":\"file\",\"retention\":\"limits\",\"num_replicas\":1}", r->run, r->run);
	ask(r, subject, json);
}

/* max_ack_pending: the default of 1000 is enough for the window, but not for what a reader may have to catch up. */
static void
make_consumer(struct rival *r)
{
	char subject[160], json[640];

	(void)snprintf(subject, sizeof subject, "$JS.API.CONSUMER.DURABLE.CREATE.%s.%s", r->run, r->name);
	(void)snprintf(json, sizeof json,
	               "{\"stream_name\":\"%s\",\"config\":{\"durable_name\":\"%s\",\"deliver_subject\":\"deliver.%s.%s\",\"deliver_policy\":\"new\","
	               "\"ack_policy\":\"all\",\"ack_wait\":120000000000,\"max_ack_pending\":65536,\"replay_policy\":\"instant\"}}",
	               r->run, r->name, r->run, r->name);
	ask(r, subject, json);
}

static void
publish(struct rival *r, struct span body)
{
	buf_printf(&r->out, "PUB %s ", r->run);
	put_inbox(r);
	buf_printf(&r->out, " %zu\r\n", body.len);
	buf_put_span(&r->out, body);
	buf_put_str(&r->out, "\r\n");
}

static void
acknowledge(struct rival *r)
{
	struct nats *s = r->state;

	if (s->owed[0] == '\0')
		return;
	buf_printf(&r->out, "PUB %s 4\r\n+ACK\r\n", s->owed);
	s->owed[0] = '\0';
}

static void
remove_stream(struct rival *r)
{
	struct nats *s = r->state;
	char subject[128];

	r->removed = r->role != RIVAL_OWNER; /* consumers go with their stream */
	if (r->removed)
		return;
	s->step = REMOVING;
	(void)snprintf(subject, sizeof subject, "$JS.API.STREAM.DELETE.%s", r->run);
	ask(r, subject, "");
}

/* ---- receiving ---- */

static void
on_pong(struct rival *r)
{
	struct nats *s = r->state;

	if (s->step != CONNECTING)
		return;
	s->step = !s->made && (r->role == RIVAL_OWNER || r->role == RIVAL_READER) ? MAKING : WORKING;
	r->ready = s->step == WORKING;
	if (s->made)
		return;
	if (r->role == RIVAL_OWNER)
		make_stream(r);
	if (r->role == RIVAL_READER)
		make_consumer(r);
}

static bool
holds(struct span text, const char *part)
{
	return text.len > 0 && memmem(text.p, text.len, part, strlen(part)) != NULL;
}

/* What the server's own interface answers is JSON, of which only whether it is an error matters. */
static enum kw_err
on_answer(struct rival *r, struct span json, struct kw_why *why)
{
	struct nats *s = r->state;

	if (json.len == 0 || json.p[0] != '{' || holds(json, "\"error\":"))
		return rival_refused(r, json, why);
	if (s->step == WORKING) {
		rival_answered(r, 1);
	} else if (s->step == MAKING) {
		s->step = WORKING;
		r->ready = true;
	} else {
		r->removed = true;
	}
	return KW_OK;
}

static uint32_t
split(struct span words[WORDS_MAX], struct span line)
{
	uint32_t count = 0;

	for (size_t at = 0; at < line.len && count < WORDS_MAX;) {
		size_t from = at;

		while (at < line.len && line.p[at] != ' ')
			at++;
		if (at > from)
			words[count++] = span_of(line.p + from, at - from);
		at++;
	}
	return count;
}

static bool
number(size_t *out, struct span digits)
{
	*out = 0;
	if (digits.len == 0 || digits.len > 8)
		return false;
	for (size_t i = 0; i < digits.len; i++) {
		if (digits.p[i] < '0' || digits.p[i] > '9')
			return false;
		*out = *out * 10 + (size_t)(digits.p[i] - '0');
	}
	return *out <= RIVAL_UNIT_MAX;
}

/* MSG subject subscription [reply] length, and the body in a line of its own. */
static enum kw_err
take_message(struct rival *r, struct span in, struct span line, size_t *used, struct kw_why *why)
{
	struct nats *s = r->state;
	struct span words[WORDS_MAX], body;
	uint32_t count = split(words, line);
	size_t head = *used, len;

	*used = 0;
	if (count < 4 || count > 5 || !number(&len, words[count - 1]))
		return rival_odd(r, "a message without its length", why);
	if (in.len - head < len + 2)
		return KW_OK;
	*used = head + len + 2;
	body = span_of(in.p + head, len);
	if (span_eq(words[2], span_str("1")))
		return on_answer(r, body, why);
	if (count != 5 || words[3].len >= sizeof s->owed)
		return rival_odd(r, "a delivery that cannot be acknowledged", why);
	memcpy(s->owed, words[3].p, words[3].len);
	s->owed[words[3].len] = '\0';
	rival_delivered(r, body);
	return KW_OK;
}

static bool
begins(struct span line, const char *word)
{
	return line.len >= strlen(word) && memcmp(line.p, word, strlen(word)) == 0;
}

static enum kw_err
take(struct rival *r, struct span in, size_t *used, struct kw_why *why)
{
	struct span line;

	*used = 0;
	if (!rival_line(in, &line, used))
		return KW_OK;
	if (begins(line, "MSG "))
		return take_message(r, in, line, used, why);
	if (begins(line, "-ERR "))
		return rival_refused(r, span_of(line.p + 5, line.len - 5), why);
	if (begins(line, "PING"))
		buf_put_str(&r->out, "PONG\r\n");
	else if (begins(line, "PONG"))
		on_pong(r);
	else if (!begins(line, "INFO ") && !begins(line, "+OK"))
		return rival_odd(r, "a line that begins with no word of it", why);
	return KW_OK;
}

const struct rival_protocol rival_nats = {
	.name = "nats", .greeted = true, .state_size = sizeof(struct nats), .begin = begin, .again = again, .take = take, .publish = publish, .acknowledge = acknowledge,
	.remove = remove_stream,
};
