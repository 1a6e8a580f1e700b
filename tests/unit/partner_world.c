/* partner_world: see its header. */
#include "partner_world.h"

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
#include <sodium.h>
#include <zmq.h>

#include "agreement_fixture.h"
#include "base/clock.h"
#include "base/fs.h"
#include "proto/entry.h"
#include "proto/payload.h"

#define DAY_MS (24ull * 3600 * 1000)

static const char agreement_text_1[] =
	"partnership: musterstadt\n"
	"version: 1\n"
	"valid: {from: 2020-12-01T00:00:00+01:00, until: 2090-12-01T00:00:00+01:00, grace: 30d}\n"
	"kind: live\n"
	"steering:\n"
	"  threshold: 2\n"
	"  members: [{name: mayor, key: \"%mayor\"}, {name: president, key: \"%president\"}, {name: prosecutor, key: \"%prosecutor\"}]\n"
	"broker: {name: haus, endpoints: [\"ENDPOINT\"], key: \"%haus\"}\n"
	"coordinator: city/crime-prevention\n"
	"partners:\n"
	"  - {id: police, kind: police, nodes: [{id: control-room, key: \"%police/control-room\"}]}\n"
	"  - {id: city, kind: city, nodes: [{id: public-order, key: \"%city/public-order\"}, {id: crime-prevention, key: \"%city/crime-prevention\"}]}\n"
	"  - {id: youth-house, kind: civil, purposes: [danger-prevention], nodes: [{id: office, key: \"%youth-house/office\"}]}\n"
	"topics:\n"
	"  - {filter: \"alert/quick/#\", schema: alert, purpose: danger-prevention, publish: [police], receive: [city, civil], deliver_within: 1s}\n"
	"  - {filter: \"alert/local/#\", schema: alert, purpose: danger-prevention, publish: [city, civil], receive: [police, city, civil], lane: flash}\n"
	"  - {filter: \"alert/#\", schema: alert, purpose: danger-prevention, publish: [police, city], receive: [police, city, civil], lane: flash}\n"
	"  - {filter: \"report/#\", schema: report, publish: [police, city], receive: [police, city], lane: urgent, keep: {content: 2d}}\n";

static void
write_agreement(struct world *w, const struct agreement *a, const struct agreement *before)
{
	struct kw_why why;

	buf_free(&w->sigs);
	w->sigs = BUF_INIT(KW_SIGNATURES_TEXT_MAX);
	if (agreement_sign(&w->sigs, a, before, fixture_key("mayor"), &why) != KW_OK || agreement_sign(&w->sigs, a, before, fixture_key("president"), &why) != KW_OK)
		fail_msg("%s", why.text);
	w->version = agreement_version(a);
	memcpy(w->agreement_hash, agreement_hash(a), KW_HASH_LEN);
}

static void
first_version(struct world *w)
{
	char path[128];
	struct buf with_names;
	struct agreement *a = NULL;
	struct kw_why why;

	fixture_expand(&with_names, agreement_text_1, "ENDPOINT", w->endpoint);
	w->text = with_names;
	if (agreement_parse(&a, buf_span(&w->text), NULL, &why) != KW_OK)
		fail_msg("%s", why.text);
	write_agreement(w, a, NULL);
	agreement_free(&a);
	(void)snprintf(path, sizeof path, "%s/agreement.yaml", w->folder);
	assert_int_equal(fs_write(path, buf_span(&w->text), 0644, &why), KW_OK);
	(void)snprintf(path, sizeof path, "%s/agreement.yaml.sig", w->folder);
	assert_int_equal(fs_write(path, buf_span(&w->sigs), 0644, &why), KW_OK);
}

void
world_next_version(struct world *w, const char *find, const char *replace)
{
	struct agreement *before = NULL, *next = NULL;
	struct buf text = BUF_INIT(KW_AGREEMENT_MAX), edited = BUF_INIT(KW_AGREEMENT_MAX);
	char hash[2 * KW_HASH_LEN + 1], head[256];
	const char *old, *at, *rest;
	struct kw_why why;

	assert_int_equal(agreement_parse(&before, buf_span(&w->text), NULL, &why), KW_OK);
	for (int i = 0; i < KW_HASH_LEN; i++)
		(void)snprintf(hash + 2 * i, 3, "%02x", agreement_hash(before)[i]);
	(void)snprintf(head, sizeof head, "partnership: musterstadt\nversion: %u\nprevious: \"b2:%s\"\n", w->version + 1, hash);
	old = buf_text(&w->text);
	rest = strstr(old, "valid:");
	assert_non_null(rest);
	buf_put_str(&edited, head);
	buf_put_str(&edited, rest);
	old = buf_text(&edited);
	if (find != NULL) {
		at = strstr(old, find);
		assert_non_null(at);
		buf_put(&text, old, (size_t)(at - old));
		buf_put_str(&text, replace);
		buf_put_str(&text, at + strlen(find));
	} else {
		buf_put_str(&text, old);
	}
	buf_free(&edited);
	buf_free(&w->text);
	w->text = text;
	if (agreement_parse(&next, buf_span(&w->text), NULL, &why) != KW_OK)
		fail_msg("%s", why.text);
	write_agreement(w, next, before);
	agreement_free(&before);
	agreement_free(&next);
}

static void
bind_router(struct world *w)
{
	int zero = 0, one = 1, ivl = 5000;
	size_t len = sizeof w->endpoint;

	w->context = zmq_ctx_new();
	w->router = zmq_socket(w->context, ZMQ_ROUTER);
	assert_non_null(w->router);
	assert_int_equal(zmq_setsockopt(w->router, ZMQ_CURVE_SERVER, &one, sizeof one), 0);
	assert_int_equal(zmq_setsockopt(w->router, ZMQ_CURVE_SECRETKEY, secret_keys_curve(fixture_key("haus")), 32), 0);
	(void)zmq_setsockopt(w->router, ZMQ_RCVHWM, &zero, sizeof zero);
	(void)zmq_setsockopt(w->router, ZMQ_LINGER, &zero, sizeof zero);
	(void)zmq_setsockopt(w->router, ZMQ_HANDSHAKE_IVL, &ivl, sizeof ivl);
	assert_int_equal(zmq_bind(w->router, "tcp://127.0.0.1:*"), 0);
	assert_int_equal(zmq_getsockopt(w->router, ZMQ_LAST_ENDPOINT, w->endpoint, &len), 0);
}

static char *
path_of(const struct world *w, const char *name)
{
	char path[256];

	(void)snprintf(path, sizeof path, "%s/%s", w->folder, name);
	return strdup(path);
}

static void
read_alert(struct world *w)
{
	struct buf xml = BUF_INIT(1u << 20);
	char path[4096];
	struct kw_why why;

	(void)snprintf(path, sizeof path, "%s/examples/flood-neckar.cap.xml", getenv("KW_SOURCE_DIR") != NULL ? getenv("KW_SOURCE_DIR") : ".");
	if (fs_read(&xml, path, &why) != KW_OK)
		fail_msg("%s", why.text);
	w->alert = BUF_INIT(1u << 20);
	if (cap_import(&w->alert, NULL, buf_span(&xml), &why) != KW_OK)
		fail_msg("%s", why.text);
	buf_free(&xml);
}

int
world_set_up(void **state)
{
	struct world *w = calloc(1, sizeof *w);
	uint8_t random[32] = {3};
	struct kw_why why;

	(void)snprintf(w->folder, sizeof w->folder, "/tmp/kw-node-XXXXXX");
	if (mkdtemp(w->folder) == NULL)
		return -1;
	w->log_epoch = 1;
	w->control = BUF_INIT(1u << 20);
	w->frame = BUF_INIT(1u << 20);
	bind_router(w);
	first_version(w);
	read_alert(w);
	w->config.agreement = path_of(w, "agreement.yaml");
	w->config.key = path_of(w, "node.key");
	w->config.state = path_of(w, "state");
	w->config.outbox_max = 1000;
	if (secret_keys_write(fixture_key("police/control-room"), w->config.key, NULL, &why) != KW_OK)
		fail_msg("%s", why.text);
	assert_int_equal(seal_sender_new(&w->ephemeral, secret_keys_local(fixture_key("city/public-order")), random, 1, 1), KW_OK);
	*state = w;
	return 0;
}

int
world_tear_down(void **state)
{
	struct world *w = *state;
	char command[128];

	world_stop(w);
	if (w->has_msg)
		wire_msg_clear(&w->msg);
	(void)zmq_close(w->router);
	(void)zmq_ctx_term(w->context);
	buf_free(&w->control);
	buf_free(&w->frame);
	buf_free(&w->text);
	buf_free(&w->sigs);
	buf_free(&w->alert);
	seal_sender_free(&w->ephemeral);
	config_free(&w->config);
	(void)snprintf(command, sizeof command, "rm -rf %s", w->folder);
	if (system(command) != 0)
		return -1;
	free(w);
	return 0;
}

void
world_start(struct world *w)
{
	struct kw_why why;

	if (node_open(&w->node, &w->config, &why) != KW_OK)
		fail_msg("%s", why.text);
}

void
world_stop(struct world *w)
{
	node_close(&w->node);
}

void
world_steps(struct world *w, int n)
{
	struct kw_why why;

	for (int i = 0; i < n; i++)
		if (node_step(w->node, 5, &why) != KW_OK)
			fail_msg("%s", why.text);
}

/* One message from the router, if there is one. */
static bool
take(struct world *w)
{
	zmq_msg_t part;
	int n = 0;
	struct kw_why why;
	bool more = true;

	buf_reset(&w->control);
	buf_reset(&w->frame);
	while (more) {
		(void)zmq_msg_init(&part);
		if (zmq_msg_recv(&part, w->router, ZMQ_DONTWAIT) < 0) {
			(void)zmq_msg_close(&part);
			return false;
		}
		more = zmq_msg_more(&part);
		if (n == 0) {
			w->peer_len = zmq_msg_size(&part);
			memcpy(w->peer, zmq_msg_data(&part), w->peer_len);
		} else {
			buf_put(n == 1 ? &w->control : &w->frame, zmq_msg_data(&part), zmq_msg_size(&part));
		}
		n++;
		(void)zmq_msg_close(&part);
	}
	if (w->has_msg)
		wire_msg_clear(&w->msg);
	w->has_msg = false;
	if (wire_decode(&w->msg, buf_span(&w->control), &why) != KW_OK)
		fail_msg("%s", why.text);
	w->has_msg = true;
	return true;
}

bool
world_comes(struct world *w, enum wire_kind kind, int steps)
{
	for (int i = 0; i < steps; i++) {
		world_steps(w, 1);
		while (take(w))
			if (w->msg.kind == kind)
				return true;
	}
	return false;
}

struct wire_msg *
world_expect(struct world *w, enum wire_kind kind)
{
	uint64_t until = clock_mono_ms() + 10000;

	while (clock_mono_ms() < until)
		if (world_comes(w, kind, 1))
			return &w->msg;
	fail_msg("no message of kind %d came", (int)kind);
	return NULL;
}

void
world_send(struct world *w, const struct wire_msg *m, struct span frame)
{
	struct buf out = BUF_INIT(1u << 20);

	assert_int_equal(wire_encode(&out, m), KW_OK);
	assert_true(zmq_send(w->router, w->peer, w->peer_len, ZMQ_SNDMORE) >= 0);
	assert_true(zmq_send(w->router, out.p, out.len, frame.len > 0 ? ZMQ_SNDMORE : 0) >= 0);
	if (frame.len > 0)
		assert_true(zmq_send(w->router, frame.p, frame.len, 0) >= 0);
	buf_free(&out);
}

void
world_welcome(struct world *w)
{
	struct wire_msg m = {.kind = WIRE_WELCOME};

	(void)world_expect(w, WIRE_HELLO);
	m.welcome.log_epoch = w->log_epoch;
	m.welcome.agreement_version = w->version;
	memcpy(m.welcome.agreement_hash, w->agreement_hash, KW_HASH_LEN);
	m.welcome.now_ms = clock_wall_ms();
	m.welcome.has_commit = w->commit.number > 0;
	memcpy(m.welcome.commit, w->record, WIRE_COMMIT_LEN);
	m.welcome.has_last_stored = w->has_last_stored;
	memcpy(m.welcome.last_stored, w->last_stored, KW_ID_LEN);
	for (int i = 0; i < KW_LANES; i++) {
		m.welcome.epoch_start[i] = 1;
		m.welcome.tail[i] = w->tail[i];
		m.welcome.cursor[i] = (struct lane_cursor){w->log_epoch, w->msg.hello.cursor[i].number};
		m.welcome.window[i] = (struct lane_window){100, 1u << 20};
	}
	world_send(w, &m, span_of(NULL, 0));
}

void
world_up(struct world *w)
{
	world_start(w);
	world_welcome(w);
}

void
world_next_commit(struct world *w, const uint8_t root[KW_HASH_LEN])
{
	if (w->commit.number > 0)
		commit_hash(w->commit.previous, w->record);
	w->commit.number++;
	w->commit.time_ms = clock_wall_ms();
	w->commit.count = 1;
	memcpy(w->commit.root, root, KW_HASH_LEN);
	commit_encode(w->record, &w->commit, secret_keys_sign(fixture_key("haus")));
}

void
world_store(struct world *w, void (*cheat)(struct wire_stored *s))
{
	struct wire_stored_item item = {0};
	struct wire_msg m = {.kind = WIRE_STORED, .stored = {.count = 1, .items = &item}};
	uint8_t hash[KW_HASH_LEN], leaf[KW_HASH_LEN];
	struct header h;
	struct frame f;
	struct leaf l;

	assert_int_equal(frame_parse(&f, buf_span(&w->frame), FRAME_WHOLE, NULL), KW_OK);
	assert_int_equal(header_decode(&h, f.header, NULL), KW_OK);
	seal_frame_hash(hash, &f);
	memcpy(item.id, h.id, KW_ID_LEN);
	item.at = (struct position){w->log_epoch, h.lane, ++w->tail[h.lane]};
	l = (struct leaf){item.at, h.sender, h.id, hash};
	commit_leaf(leaf, &l);
	world_next_commit(w, leaf);
	memcpy(m.stored.commit, w->record, WIRE_COMMIT_LEN);
	if (cheat != NULL)
		cheat(&m.stored);
	memcpy(w->last_stored, h.id, KW_ID_LEN);
	w->has_last_stored = true;
	world_send(w, &m, span_of(NULL, 0));
}

void
world_header(struct header *h, struct world *w, enum lane lane)
{
	memset(h, 0, sizeof *h);
	randombytes_buf(h->id, KW_ID_LEN);
	(void)snprintf(h->partnership, sizeof h->partnership, "musterstadt");
	h->mode = MODE_LIVE;
	h->agreement_version = w->version;
	memcpy(h->agreement_hash, w->agreement_hash, KW_HASH_LEN);
	(void)snprintf(h->sender, sizeof h->sender, "city/public-order");
	h->sender_epoch = 1000;
	(void)snprintf(h->topic, sizeof h->topic, "alert/storm");
	h->lane = lane;
	h->created_ms = clock_wall_ms();
	h->expires_ms = h->created_ms + DAY_MS;
	h->type = TYPE_NOTICE;
	h->payload_type = PAYLOAD_ALERT;
}

void
world_seal_as(struct given *out, struct world *w, const char *sender, const char *signer, uint64_t number, struct header *h, struct span payload)
{
	struct seal_reader reader = {"police/control-room", secret_keys_public(fixture_key("police/control-room"))->seal_pk, number};
	struct buf bytes = BUF_INIT(KW_HEADER_MAX);
	struct sealed sealed = {0};
	struct frame f;
	uint8_t random[32];
	struct kw_why why;

	(void)snprintf(h->sender, sizeof h->sender, "%s", sender);
	randombytes_buf(random, sizeof random);
	if (header_encode(&bytes, h, &why) != KW_OK || seal_notification(&sealed, w->ephemeral, secret_keys_local(fixture_key(signer)), random, buf_span(&bytes), payload, true,
	                                                                 secret_keys_sign(fixture_key(signer)), &reader, 1, &why) != KW_OK)
		fail_msg("%s", why.text);
	out->frame = sealed.frame;
	memcpy(out->wrap, sealed.wraps.p, KW_WRAP_LEN);
	buf_free(&sealed.wraps);
	buf_free(&bytes);
	out->header = *h;
	assert_int_equal(frame_parse(&f, buf_span(&out->frame), FRAME_WHOLE, NULL), KW_OK);
	seal_frame_hash(out->frame_hash, &f);
}

void
world_seal(struct given *out, struct world *w, enum lane lane, void (*change)(struct header *h))
{
	struct header h;

	world_header(&h, w, lane);
	if (change != NULL)
		change(&h);
	world_seal_as(out, w, "city/public-order", "city/public-order", ++w->numbers[lane], &h, buf_span(&w->alert));
}

void
given_free(struct given *g)
{
	buf_free(&g->frame);
}

void
world_deliver_at(struct world *w, const struct given *g, enum wire_mark mark, uint64_t number)
{
	struct wire_msg m = {.kind = WIRE_DELIVER};
	struct span frame = buf_span(&g->frame);
	struct frame f;

	m.deliver.at = (struct position){w->log_epoch, g->header.lane, number};
	m.deliver.commit = 1;
	m.deliver.mark = mark;
	m.deliver.has_wrap = true;
	memcpy(m.deliver.wrap, g->wrap, KW_WRAP_LEN);
	if (mark != MARK_WHOLE) {
		assert_int_equal(frame_parse(&f, frame, FRAME_WHOLE, NULL), KW_OK);
		frame = f.head;
	}
	if (number > w->tail[g->header.lane])
		w->tail[g->header.lane] = number;
	world_send(w, &m, frame);
}

void
world_deliver(struct world *w, const struct given *g, enum wire_mark mark)
{
	world_deliver_at(w, g, mark, w->tail[g->header.lane] + 1);
}

void
world_send_agreement(struct world *w)
{
	struct wire_msg m = {.kind = WIRE_AGREEMENT, .agreement = {w->version, 0, (uint32_t)w->text.len, buf_span(&w->text), buf_span(&w->sigs)}};

	world_send(w, &m, span_of(NULL, 0));
}

void
world_send_entry(struct world *w, enum lane lane)
{
	struct broker_entry e = {.kind = ENTRY_AGREEMENT, .time_ms = clock_wall_ms(), .version = w->version};
	struct wire_msg m = {.kind = WIRE_DELIVER};
	uint8_t bytes[ENTRY_LEN];

	memcpy(e.agreement_hash, w->agreement_hash, KW_HASH_LEN);
	entry_encode(bytes, &e, secret_keys_sign(fixture_key("haus")));
	m.deliver.at = (struct position){w->log_epoch, lane, ++w->tail[lane]};
	m.deliver.commit = 1;
	m.deliver.mark = MARK_ENTRY;
	world_send(w, &m, span_of(bytes, sizeof bytes));
}

enum kw_err
world_publish(struct world *w, const char *topic, uint8_t id[KW_ID_LEN], struct kw_why *why)
{
	struct desk_publish p = {.topic = topic, .payload_type = PAYLOAD_ALERT, .payload = buf_span(&w->alert), .type = TYPE_NOTICE,
	                         .expires_ms = clock_wall_ms() + DAY_MS};

	return desk_publish(w->node, &p, id, why);
}

struct counting { uint32_t count; struct inbox_row *last; char *reason; };

static bool
count_row(void *self, const struct inbox_row *row)
{
	struct counting *c = self;

	c->count++;
	if (c->last != NULL)
		*c->last = *row;
	if (c->reason != NULL)
		(void)snprintf(c->reason, 512, "%s%s", row->mark, row->reason);
	return true;
}

uint32_t
world_inbox(struct world *w, bool rejected, struct inbox_row *last, char reason[512])
{
	struct inbox_query q = {.limit = 1000, .rejected = rejected, .with_payload = true};
	struct counting c = {0, last, reason};
	struct kw_why why;

	if (desk_inbox(w->node, &q, count_row, &c, &why) != KW_OK)
		fail_msg("%s", why.text);
	return c.count;
}

bool
world_alarm(struct world *w, const char *code)
{
	json_t *status = desk_status(w->node), *alarms, *a;
	bool found = false;
	size_t i;

	assert_non_null(status);
	alarms = json_object_get(status, "alarms");
	json_array_foreach(alarms, i, a)
		if (strcmp(json_string_value(json_object_get(a, "code")), code) == 0)
			found = true;
	json_decref(status);
	return found;
}

bool
world_alarm_comes(struct world *w, const char *code)
{
	uint64_t until = clock_mono_ms() + 10000;

	while (!world_alarm(w, code)) {
		if (clock_mono_ms() >= until)
			return false;
		world_steps(w, 1);
	}
	return true;
}
