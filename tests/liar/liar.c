/*
 * liar: kurzweg-broker itself, gate, core, store and all, but what it sends goes through here (the linker's --wrap): the file
 * $KW_LIE says which lie it tells to whom and how often, "LIE NODE TIMES [ARGUMENT]", and is read at every message. Without
 * one it is honest. $KW_LIE_KEY is the broker's key file, for lies that are signed. Each lie told leaves a line in the log.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/log.h"
#include "lies.h"

#define LIE_MAX 8192

enum gate_sent __real_gate_send(struct gate *g, uint32_t conn, struct span control, zmq_msg_t *frame);
enum gate_sent __wrap_gate_send(struct gate *g, uint32_t conn, struct span control, zmq_msg_t *frame);

struct told { /* what the file said last */
	char text[LIE_MAX];
	char name[64], node[KW_NODE_MAX + 1], arg[4096];
	unsigned long times, done;
	struct { char name[KW_NODE_MAX + 1]; uint32_t conn; } nodes[LIAR_NODES];
	struct liar liar;
	struct secret_keys *keys;
};

static struct told *
told(void)
{
	static struct told t; /* --wrap hands us nothing of our own */

	return &t;
}

static void
read_lie(struct told *t)
{
	struct buf text = BUF_INIT(LIE_MAX - 1);
	const char *path = getenv("KW_LIE");
	struct kw_why why;

	if (path == NULL || fs_read(&text, path, &why) != KW_OK || buf_text(&text) == NULL)
		buf_reset(&text);
	if (text.len == 0)
		t->name[0] = '\0';
	if (text.len != 0 && strcmp(t->text, buf_text(&text)) != 0) {
		(void)snprintf(t->text, sizeof t->text, "%s", buf_text(&text));
		t->done = 0;
		t->arg[0] = '\0';
		if (sscanf(t->text, "%63s %64s %lu %4095s", t->name, t->node, &t->times, t->arg) < 3)
			t->name[0] = '\0';
	}
	buf_free(&text);
}

static void
know_keys(struct told *t)
{
	struct kw_why why;

	if (t->keys != NULL)
		return;
	if (getenv("KW_LIE_KEY") == NULL || secret_keys_read(&t->keys, KEY_BROKER, getenv("KW_LIE_KEY"), NULL, &why) != KW_OK) {
		(void)fprintf(stderr, "liar: $KW_LIE_KEY names no key\n");
		abort();
	}
	t->liar.keys = t->keys;
}

static void
know_node(struct told *t, const char *name, uint32_t conn)
{
	size_t i = 0;

	while (i < LIAR_NODES - 1 && t->nodes[i].name[0] != '\0' && strcmp(t->nodes[i].name, name) != 0)
		i++;
	(void)snprintf(t->nodes[i].name, sizeof t->nodes[i].name, "%s", name);
	t->nodes[i].conn = conn;
}

static enum gate_sent
send_as(struct gate *g, uint32_t conn, const struct wire_msg *m, struct span bytes)
{
	struct buf control = BUF_INIT(KW_CONTROL_MAX + 1024u);
	zmq_msg_t frame;
	enum gate_sent sent = GATE_GONE;

	if (wire_encode(&control, m) != KW_OK)
		goto free_control;
	(void)zmq_msg_init_size(&frame, bytes.len);
	if (bytes.len > 0)
		memcpy(zmq_msg_data(&frame), bytes.p, bytes.len);
	sent = __real_gate_send(g, conn, buf_span(&control), bytes.len > 0 ? &frame : NULL);
	(void)zmq_msg_close(&frame);
free_control:
	buf_free(&control);
	return sent;
}

static void
send_another(void *self, const char *node, const struct wire_msg *m, struct span frame)
{
	struct told *t = told();

	for (size_t i = 0; i < LIAR_NODES; i++)
		if (strcmp(t->nodes[i].name, node) == 0)
			(void)send_as(self, t->nodes[i].conn, m, frame);
}

/* KW_OK: *sent is what became of it; else it goes out as it is. */
static bool
lie_about(struct told *t, enum gate_sent *sent, struct gate *g, uint32_t conn, const char *node, struct span control, zmq_msg_t *frame)
{
	const struct lie *lie = lie_find(t->name);
	struct outgoing_lie o = {.liar = &t->liar, .node = node, .arg = t->arg, .send = send_another, .self = g, .frame = BUF_INIT(KW_MESSAGE_MAX)};
	struct wire_msg m;
	struct buf bytes = BUF_INIT(KW_CONTROL_MAX + 1024u); /* the message's own, so that a lie may write into it */
	bool lied = false, wanted;

	buf_put_span(&bytes, control);
	if (wire_decode(&m, buf_span(&bytes), NULL) != KW_OK)
		goto free_bytes;
	if (frame != NULL)
		buf_put(&o.frame, zmq_msg_data(frame), zmq_msg_size(frame));
	o.m = &m;
	wanted = lie != NULL && t->done < t->times && strcmp(t->node, node) == 0 && (lie->kinds == 0 || (lie->kinds & (1u << m.kind)) != 0) &&
	         (m.kind != WIRE_DELIVER || m.deliver.mark == (lie->of_entries ? MARK_ENTRY : MARK_WHOLE));
	if (!wanted || !lie->tell(&o)) {
		if (m.kind == WIRE_DELIVER && m.deliver.mark == MARK_WHOLE)
			liar_heard(&t->liar, node, &m.deliver, buf_span(&o.frame));
		goto clear_message;
	}
	lied = true;
	t->done++;
	log_event(LOG_NOTICE, "liar.lied", "lie=%s node=%s time=%lu", t->name, node, t->done);
	*sent = o.swallow ? GATE_SENT : send_as(g, conn, &m, buf_span(&o.frame));
clear_message:
	wire_msg_clear(&m);
free_bytes:
	buf_free(&o.frame);
	buf_free(&bytes);
	return lied;
}

enum gate_sent
__wrap_gate_send(struct gate *g, uint32_t conn, struct span control, zmq_msg_t *frame)
{
	struct told *t = told();
	char node[KW_NODE_MAX + 1];
	bool alone = control.len == 0 && frame != NULL; /* a control message that many get */
	struct span said = alone ? span_of(zmq_msg_data(frame), zmq_msg_size(frame)) : control;
	enum gate_sent sent = GATE_SENT;

	know_keys(t);
	read_lie(t);
	(void)snprintf(node, sizeof node, "%s", gate_name(g, conn));
	know_node(t, node, conn);
	return lie_about(t, &sent, g, conn, node, said, alone ? NULL : frame) ? sent : __real_gate_send(g, conn, control, frame);
}
