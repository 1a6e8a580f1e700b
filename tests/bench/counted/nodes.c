/*
 * nodes: what a notification costs the partner's own node: its sender's, from the local program's word to the broker's proof and the reader's
 * receipt, and its reader's, from what is delivered to the row in the inbox and the receipt that goes out.
 */
#include <string.h>

#include "clients/partner/desk.h"
#include "counted.h"
#include "house.h"

#define AT_ONCE 16u
#define COUNT 256u               /* one receipt names so many */
#define TEXT_LEN 200u
#define RECEIPTS_MS 21000u       /* of routine they go out together, and not later */

/* A Note of proto/kurzweg/notice.proto: a text, its length in two bytes, and a language. */
static void
note_of(struct buf *out, uint32_t number)
{
	buf_put_u8(out, 0x0a);
	buf_put_u8(out, 0x80 | (TEXT_LEN & 0x7f));
	buf_put_u8(out, TEXT_LEN >> 7);
	for (uint32_t i = 0; i < TEXT_LEN; i++)
		buf_put_u8(out, (uint8_t)('a' + (i * i + number * 7 + i * number) % 26));
	buf_put(out, "\x12\x02" "de", 4);
}

static void
publish(struct house *h, uint32_t number)
{
	struct buf note = BUF_INIT(4096);
	struct desk_publish p = {.topic = "note/fire", .payload_type = PAYLOAD_NOTE, .type = TYPE_NOTICE};
	uint8_t id[KW_ID_LEN];
	struct kw_why why;
	enum kw_err err;

	note_of(&note, number);
	p.payload = buf_span(&note);
	if (h->counted_node == POLICE)
		counted_on();
	err = desk_publish(h->nodes[POLICE].real, &p, id, &why);
	(void)counted_off();
	load_must(err, &why);
	buf_free(&note);
}

static bool
count_row(void *self, const struct inbox_row *row)
{
	(void)row;
	++*(uint32_t *)self;
	return true;
}

static uint32_t
rows_of(struct house *h, uint32_t node, uint64_t after_seq, bool receipts)
{
	struct inbox_query q = {.after_seq = after_seq, .receipts = receipts, .limit = 1000};
	uint32_t rows = 0;
	struct kw_why why;

	load_must(desk_inbox(h->nodes[node].real, &q, count_row, &rows, &why), &why);
	return rows;
}

/* All are stored, lie in the reader's inbox, and the sender has a receipt. */
static void
cycle(struct house *h, uint32_t counted_node)
{
	uint64_t before = desk_newest_seq(h->nodes[ORDER].real), receipts_before = desk_newest_seq(h->nodes[POLICE].real);

	h->counted_node = counted_node;
	for (uint32_t i = 0; i < COUNT; i++) {
		publish(h, i);
		if ((i + 1) % AT_ONCE != 0)
			continue;
		counted_pass(3);
		house_settle(h);
	}
	for (uint32_t ms = 0; ms < RECEIPTS_MS; ms += 500) {
		counted_pass(500);
		house_settle(h);
	}
	if (rows_of(h, ORDER, before, false) != COUNT)
		load_fail("%u of %u are in the reader's inbox", rows_of(h, ORDER, before, false), COUNT);
	if (rows_of(h, POLICE, receipts_before, true) == 0)
		load_fail("no receipt came back");
}

void
count_nodes(void)
{
	struct house *h = load_memory(1, sizeof *h);

	house_open(h, "nodes", false);
	house_make_real(h, POLICE);
	house_make_real(h, ORDER);
	h->counts = COUNTS_NODE;
	cycle(h, POLICE);
	counted_forget();
	cycle(h, POLICE);
	counted_end("node.out", COUNT);
	cycle(h, ORDER);
	counted_end("node.in", COUNT);
	house_close(h);
	free(h);
}
