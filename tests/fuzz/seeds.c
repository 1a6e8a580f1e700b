/*
 * seeds: the first inputs of the targets whose formats nobody writes by hand, made by the encoders: an input a line, in hex, as
 * corpus/NAME.hex holds them. For when a format changes.
 *
 *   fuzz-seeds frame|wire|header|entry|body|keys
 *   fuzz-seeds payload TYPE FILE …     JSON, or CAP for alerts; with TYPE receipt: one of each kind
 */
#include <sodium.h>
#include <string.h>

#include "base/fs.h"
#include "certs/keys_parts.h"
#include "fuzz.h"
#include "proto/commit.h"
#include "proto/entry.h"
#include "proto/payload.h"
#include "proto/seal_steps.h"
#include "tests/unit/decided_example.h"
#include "without_disk.h"

static const uint8_t secret[64] = {9};

static void
print(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		(void)printf("%02x", s.p[i]);
	(void)printf("\n");
}

static struct header
header_of(enum notice_type type)
{
	struct header h = {.partnership = "musterstadt", .mode = MODE_LIVE, .agreement_version = 3, .sender = "police/control-room", .sender_epoch = 5,
	                   .topic = "alert/flood", .to_count = 2, .to = {"city/public-order", "youth-house/office"}, .lane = LANE_URGENT,
	                   .created_ms = 1790000000000, .expires_ms = 1790000100000, .type = type, .payload_type = PAYLOAD_ALERT, .seen = {.number = 4},
	                   .take_within_s = 600, .confirm_at_once = true};

	h.about.set = type != TYPE_NOTICE && type != TYPE_REQUEST && type != TYPE_AGREEMENT;
	if (notice_type_is_receipt(type))
		h.confirm_at_once = false;
	if (type != TYPE_NOTICE && type != TYPE_REQUEST)
		h.take_within_s = 0;
	if (type == TYPE_HANDED_OVER)
		(void)snprintf(h.next_owner, sizeof h.next_owner, "city/public-order");
	return h;
}

static void
headers(void)
{
	for (int type = TYPE_NOTICE; type <= TYPE_RELEASED; type++) {
		struct header h = header_of((enum notice_type)type), back;
		struct buf b = BUF_INIT(KW_HEADER_MAX);

		if (header_encode(&b, &h, NULL) == KW_OK && header_decode(&back, buf_span(&b), NULL) == KW_OK)
			print(buf_span(&b));
		buf_free(&b);
	}
}

static void
frames(void)
{
	uint8_t rest[3 * 32 + KW_SIG_LEN];

	for (uint32_t body = 0; body < 3; body++) {
		struct buf b = BUF_INIT(KW_FRAME_MAX);

		memset(rest, 0x55, sizeof rest);
		buf_put(&b, "KWZ1", 4);
		buf_put_u32(&b, 6);
		buf_put(&b, "header", 6);
		buf_put(&b, rest, sizeof rest);
		if (body > 0) {
			buf_put_u32(&b, body);
			buf_put(&b, rest, body);
		}
		print(buf_span(&b));
		buf_free(&b);
	}
}

static void
print_message(const struct wire_msg *m)
{
	struct buf b = BUF_INIT(KW_CONTROL_MAX);

	if (wire_encode(&b, m) != KW_OK)
		abort();
	print(buf_span(&b));
	buf_free(&b);
}

static void
messages_of_nodes(void)
{
	static char filters[2][KW_TOPIC_MAX + 1] = {"alert/#", "request/+/west"};
	static const uint8_t wraps[2 * KW_WRAP_LEN] = {1};

	print_message(&(struct wire_msg){.kind = WIRE_HELLO, .hello = {.protocol = 1, .software = "kurzweg 0.1.0", .sender_epoch = 1795000000000, .has_last_stored = true,
		.agreement_version = 3, .seen = {.number = 9}, .cursor = {{1, 5}, {1, 0}, {2, 77}}, .window = {{256, 1u << 20}, {256, 1u << 20}, {64, 1u << 20}},
		.filter_count = 2, .filters = filters}});
	print_message(&(struct wire_msg){.kind = WIRE_PUBLISH, .publish = {span_of(wraps, sizeof wraps)}});
	print_message(&(struct wire_msg){.kind = WIRE_ACK, .ack = {.cursor = {{1, 5}, {1, 9}, {0, 0}}}});
	print_message(&(struct wire_msg){.kind = WIRE_AGREEMENT_GET, .agreement_get = {2, 1}});
	print_message(&(struct wire_msg){.kind = WIRE_SUBSCRIBE, .subscribe = {2, filters}});
	print_message(&(struct wire_msg){.kind = WIRE_ADMIN, .admin = {7, ADMIN_INSTALL, span_str("version: 2\n"), span_str("kwsteer1:x y\n"), 0, 11}});
	print_message(&(struct wire_msg){.kind = WIRE_ADMIN, .admin = {8, ADMIN_AGREEMENT, span_str("2"), span_of(NULL, 0), 3, 0}});
}

static void
messages_of_brokers(void)
{
	static struct wire_stored_item items[2] = {{.at = {1, LANE_URGENT, 1}, .path_len = 1}, {.at = {1, LANE_FLASH, 2}, .index = 1, .path_len = 1}};

	print_message(&(struct wire_msg){.kind = WIRE_WELCOME, .welcome = {.log_epoch = 2, .epoch_start = {1, 1, 1}, .tail = {4, 0, 9}, .cursor = {{2, 1}, {1, 0}, {2, 9}},
		.has_commit = true, .has_last_stored = true, .agreement_version = 2, .window = {{256, 1u << 20}, {256, 1u << 20}, {64, 1u << 20}}, .now_ms = 1795000000000}});
	print_message(&(struct wire_msg){.kind = WIRE_STORED, .stored = {.count = 2, .items = items}});
	print_message(&(struct wire_msg){.kind = WIRE_REFUSED, .refused = {.code = CODE_SLOW_DOWN, .has_id = true, .wait_ms = 500, .text = "too fast"}});
	print_message(&(struct wire_msg){.kind = WIRE_DELIVER, .deliver = {.at = {1, LANE_FLASH, 7}, .commit = 3, .mark = MARK_EXPIRED, .has_wrap = true}});
	print_message(&(struct wire_msg){.kind = WIRE_BEAT, .beat = {.has_commit = true}});
	print_message(&(struct wire_msg){.kind = WIRE_BEAT});
	print_message(&(struct wire_msg){.kind = WIRE_AGREEMENT, .agreement = {2, 0, 11, span_str("version: 2\n"), span_str("kwsteer1:x y\n")}});
	print_message(&(struct wire_msg){.kind = WIRE_AGREEMENT, .agreement = {2, 1, KW_PART_LEN + 3, span_str("2\n\n"), span_str("kwsteer1:x y\n")}});
	print_message(&(struct wire_msg){.kind = WIRE_ADMIN_REPLY, .admin_reply = {7, true, span_str("{}"), 0, 0, 0}});
	print_message(&(struct wire_msg){.kind = WIRE_ADMIN_REPLY, .admin_reply = {7, true, span_str("2\n"), 1, KW_PART_LEN + 2, 4}});
}

#define UNTIL 1790000600000ull

static void
entries(void)
{
	struct broker_entry e = {.kind = ENTRY_AGREEMENT, .time_ms = 1790000000000, .version = 2};
	struct commit c = {.number = 7, .time_ms = 1790000000000, .count = 3};
	uint8_t out[ENTRY_MAX], record[WIRE_COMMIT_LEN];
	static const struct { enum case_cause cause; enum case_state state; uint64_t until_ms; const char *next; } how[] = {
		{CAUSE_OPENED, CASE_OFFERED, UNTIL, ""}, {CAUSE_TIMEOUT, CASE_ESCALATED, UNTIL, ""}, {CAUSE_ALARM, CASE_ESCALATED, UNTIL, ""}, {CAUSE_MOVED, CASE_TAKEN, 0, ""},
		{CAUSE_MOVED, CASE_TAKEN, UNTIL, "police/control-room"}, {CAUSE_MOVED, CASE_DONE, 0, ""}, {CAUSE_MOVED, CASE_RECALLED, 0, ""}, {CAUSE_LAPSED, CASE_LAPSED, 0, ""},
	};

	entry_encode(out, &e, secret);
	print(span_of(out, ENTRY_LEN));
	e.kind = ENTRY_CASE;
	for (size_t i = 0; i < sizeof how / sizeof how[0]; i++) {
		e.of_case = (struct entry_case){.cause = how[i].cause, .state = how[i].state, .lane = LANE_URGENT, .in_force = 2, .opened = 5, .upto = 7, .entries = 2,
		                                .alarms = 1, .until_ms = how[i].until_ms, .owner = "city/public-order"};
		(void)snprintf(e.of_case.next, sizeof e.of_case.next, "%s", how[i].next);
		print(span_of(out, entry_case_encode(out, &e, secret)));
	}
	e.kind = ENTRY_SUSPENSION;
	for (int act = SUSPENSION_BEGUN; act <= SUSPENSION_LIFTED; act++) {
		e.of_suspension = (struct entry_suspension){.act = (enum suspension_act)act, .from_ms = UNTIL, .until_ms = UNTIL + 60000, .node = "police/control-room",
		                                            .by = "night-desk", .reason = ""};
		(void)snprintf(e.of_suspension.reason, sizeof e.of_suspension.reason, "%s", act == SUSPENSION_BEGUN ? "stolen" : "");
		print(span_of(out, entry_suspension_encode(out, &e, secret)));
	}
	commit_encode(record, &c, secret);
	print(span_of(record, sizeof record));
}

static void
bodies(void)
{
	static const uint8_t zstd[] = {0x28, 0xb5, 0x2f, 0xfd, 0x60, 0xd0, 0x02, 0x45, 0x00, 0x00, 0x10, 0x61, 0x61, 0x01, 0x00, 0xcb, 0x2b, 0x90, 0x04};
	struct buf plain = BUF_INIT(KW_BODY_MAX), packed = BUF_INIT(KW_BODY_MAX);

	if (step_pad(&plain, PADDED_PLAIN, span_str("a payload")) != KW_OK || step_pad(&packed, PADDED_ZSTD, span_of(zstd, sizeof zstd)) != KW_OK)
		abort();
	print(buf_span(&plain));
	print(buf_span(&packed));
	buf_free(&plain);
	buf_free(&packed);
}

static struct secret_keys *
a_key(enum key_kind kind, enum kw_mode mode, const char *name)
{
	struct secret_keys *k = secret_keys_alloc(kind, mode, name);

	if (k == NULL)
		abort();
	for (unsigned i = 0; i < SECRET_COUNT; i++)
		if (key_kind_has(kind, (enum key_secret)i))
			memset(k->secret[i], 'A' + (int)i, KW_KEY_LEN);
	if (secret_keys_derive(k, NULL) != KW_OK)
		abort();
	return k;
}

/* A first byte, as the target wants it, and what it is about. */
static void
print_behind(uint8_t first, const void *bytes, size_t len)
{
	struct buf b = BUF_INIT(8192);

	buf_put_u8(&b, first);
	buf_put(&b, bytes, len);
	print(buf_span(&b));
	buf_free(&b);
}

static void
key_files(const struct secret_keys *k, bool locked)
{
	size_t sum = sizeof "checksum \n" - 1 + 43;

	if (secret_keys_write(k, "nowhere", locked ? "four words nobody guesses" : NULL, NULL) != KW_OK)
		abort();
	print_behind(locked ? 6 : 2, disk_written.p, disk_written.len);
	print_behind(locked ? 7 : 3, disk_written.p, disk_written.len - sum);
	buf_free(&disk_written);
}

static void
keys(void)
{
	static const struct { enum key_kind kind; enum kw_mode mode; const char *name; } all[] = {
		{KEY_NODE, MODE_LIVE, "police/control-room"}, {KEY_NODE, MODE_EXERCISE, "night-desk"}, {KEY_BROKER, MODE_LIVE, "haus"}, {KEY_STEERING, MODE_LIVE, "mayor"},
	};
	static const char *const prefix[] = {"", "kwnode1:", "kwbroker1:", "kwsteer1:"};

	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		struct secret_keys *k = a_key(all[i].kind, all[i].mode, all[i].name);
		size_t skip = strlen(prefix[all[i].kind]), n = 0;
		const char *line = secret_keys_line(k);
		uint8_t bytes[KEY_LINE_MAX];

		print_behind(0, line, strlen(line));
		if (sodium_base642bin(bytes, sizeof bytes, line + skip, strlen(line) - skip, NULL, &n, NULL, sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0)
			abort();
		print_behind((uint8_t)(1 + 4 * (all[i].kind - 1)), bytes, n - KW_SIG_LEN);
		key_files(k, all[i].kind == KEY_STEERING);
		secret_keys_free(&k);
	}
}

static void
receipts(void)
{
	static struct receipt_payload r = {.count = 2, .items = {{.at_ms = 1790000000000}, {.at_ms = 1790000000001}}, .reason = "why", .as = "night desk"};
	static const struct void_number numbers[] = {{"city/public-order", 7}, {"youth-house/office", 9}};
	struct buf receipt = BUF_INIT(KW_OPENED_MAX), empty = BUF_INIT(KW_OPENED_MAX);

	buf_put_u8(&receipt, 7);
	buf_put_u8(&empty, 8);
	if (receipt_encode(&receipt, &r) != KW_OK || void_encode(&empty, numbers, 2, "expired in the outbox") != KW_OK)
		abort();
	print(buf_span(&receipt));
	print(buf_span(&empty));
	buf_free(&receipt);
	buf_free(&empty);
}

static enum kw_err
read_payload(struct buf *out, enum payload_type type, struct span file, struct kw_why *why)
{
	return type == PAYLOAD_ALERT ? cap_import(out, NULL, file, why) : payload_from_json(out, type, file, why);
}

static void
payloads(const char *name, char **paths)
{
	enum payload_type type = PAYLOAD_NONE;
	struct kw_why why = {""};

	if (strcmp(name, "receipt") == 0)
		receipts();
	else if (!payload_type_of(&type, name))
		abort();
	for (; *paths != NULL; paths++) {
		struct buf json = BUF_INIT(KW_OPENED_MAX), out = BUF_INIT(KW_OPENED_MAX);

		buf_put_u8(&out, (uint8_t)(type - PAYLOAD_ALERT));
		if (fs_read(&json, *paths, &why) == KW_OK && read_payload(&out, type, buf_span(&json), &why) == KW_OK)
			print(buf_span(&out));
		else
			(void)fprintf(stderr, "%s: %s\n", *paths, why.text);
		buf_free(&json);
		buf_free(&out);
	}
}

static void
batches(void)
{
	for (uint32_t first = 0; first < 16; first += 4) {
		struct buf b = BUF_INIT(65536);

		decided_example(&b, first, first % 8 == 0);
		if (!buf_ok(&b))
			abort();
		print(buf_span(&b));
		buf_free(&b);
	}
}

int
main(int argc, char **argv)
{
	static const struct { const char *name; void (*make)(void); } all[] = {
		{"frame", frames}, {"header", headers}, {"entry", entries}, {"body", bodies}, {"keys", keys}, {"wire", messages_of_nodes}, {"wire", messages_of_brokers}, {"journal", batches},
	};

	if (argc < 2 || sodium_init() < 0)
		return 2;
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		if (strcmp(all[i].name, argv[1]) == 0)
			all[i].make();
	if (strcmp(argv[1], "payload") == 0 && argc > 2)
		payloads(argv[2], argv + 3);
	return 0;
}
