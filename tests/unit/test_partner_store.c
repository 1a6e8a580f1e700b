/* A node's store: whole transactions or none, gaps as intervals, duplicates, a full disk, owners and locks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "clients/partner/pstore_parts.h"

static const struct pstore_owner owner = {"musterstadt", "police/control-room", MODE_LIVE};

struct place {
	char folder[64];
	struct pstore *s;
};

static struct pstore *
open_store(const char *folder, uint32_t pages)
{
	struct pstore *s = NULL;
	struct kw_why why;

	if (pstore_open(&s, folder, &owner, pages, &why) != KW_OK)
		fail_msg("%s", why.text);
	return s;
}

static int
set_up(void **state)
{
	struct place *p = calloc(1, sizeof *p);

	(void)snprintf(p->folder, sizeof p->folder, "/tmp/kw-pstore-XXXXXX");
	if (mkdtemp(p->folder) == NULL)
		return -1;
	p->s = open_store(p->folder, 0);
	*state = p;
	return 0;
}

static int
tear_down(void **state)
{
	static const char *const files[] = {"partner.db", "partner.db-wal", "partner.db-shm", "lock"};
	struct place *p = *state;
	char path[128];

	pstore_close(&p->s);
	for (size_t i = 0; i < 4; i++) {
		(void)snprintf(path, sizeof path, "%s/%s", p->folder, files[i]);
		(void)unlink(path);
	}
	(void)rmdir(p->folder);
	free(p);
	return 0;
}

static void
begin(struct pstore *s)
{
	assert_int_equal(pstore_begin(s, NULL), KW_OK);
}

static void
commit(struct pstore *s)
{
	assert_int_equal(pstore_commit(s, NULL), KW_OK);
}

static struct header
header_of(uint64_t n)
{
	struct header h = {.lane = LANE_URGENT, .type = TYPE_NOTICE, .sender_epoch = 5, .created_ms = 1000, .expires_ms = 100000, .payload_type = PAYLOAD_ALERT};

	memcpy(h.id, &n, sizeof n);
	(void)snprintf(h.sender, sizeof h.sender, "city/public-order");
	(void)snprintf(h.topic, sizeof h.topic, "alert/flood");
	return h;
}

struct awaited { uint64_t seq[4]; uint32_t count; };

static void
one_awaited(void *self, uint64_t seq)
{
	struct awaited *a = self;

	assert_true(a->count < 4);
	a->seq[a->count++] = seq;
}

static struct awaited
awaited(struct pstore *s, uint32_t limit)
{
	struct awaited a = {.count = 0};

	assert_int_equal(pstore_in_awaiting_recall(s, limit, one_awaited, &a, NULL), KW_OK);
	return a;
}

static enum kw_err
add_in(struct pstore *s, uint64_t n, struct span payload, uint64_t *seq)
{
	struct header h = header_of(n);
	uint8_t hash[KW_HASH_LEN] = {(uint8_t)n};
	struct in_new row = {.header = &h, .frame_hash = hash, .head = span_str("head"), .lane = h.lane, .number = n, .received_ms = 2000, .payload = payload,
	                     .receipt = RECEIPT_DUE, .content_until_ms = 50000, .proof_until_ms = 90000};

	return pstore_in_add(seq, s, &row, NULL);
}

static enum kw_err
add_out(struct pstore *s, uint64_t n, struct span payload, uint64_t *seq)
{
	struct header h = header_of(n);
	uint8_t hash[KW_HASH_LEN] = {(uint8_t)n};
	struct out_reader readers[2] = {{"city/public-order", n}, {"youth-house/office", n}};
	struct out_new row = {.header = &h, .frame_hash = hash, .frame = span_str("headbody"), .head_len = 4, .wraps = span_str("wraps"), .payload = payload,
	                      .confirm_by_ms = 5000, .content_until_ms = 50000, .proof_until_ms = 90000};

	return pstore_out_add(seq, s, &row, readers, 2, NULL);
}

static void
what_was_not_committed_is_not_there_after_a_new_start(void **state)
{
	struct place *p = *state;
	struct out_row row;
	uint64_t seq, value;

	begin(p->s);
	assert_int_equal(add_out(p->s, 1, span_str("secret"), &seq), KW_OK);
	assert_int_equal(pstore_set_value(p->s, VALUE_SENDER_EPOCH, 7, NULL), KW_OK);
	commit(p->s);
	begin(p->s);
	assert_int_equal(add_out(p->s, 2, span_str("secret"), &seq), KW_OK);
	assert_int_equal(pstore_set_value(p->s, VALUE_SENDER_EPOCH, 8, NULL), KW_OK);
	pstore_close(&p->s); /* as if the process had ended here */
	p->s = open_store(p->folder, 0);
	assert_int_equal(pstore_value(&value, p->s, VALUE_SENDER_EPOCH, NULL), KW_OK);
	assert_int_equal(value, 7);
	assert_int_equal(pstore_out_next(&row, p->s, LANE_URGENT, 0, NULL), KW_OK);
	assert_int_equal(row.id[0], 1);
	assert_int_equal(pstore_out_next(&row, p->s, LANE_URGENT, row.seq, NULL), KW_ENOTFOUND);
}

static void
a_mark_undoes_what_came_behind_it_alone(void **state)
{
	struct place *p = *state;
	uint64_t number;

	begin(p->s);
	assert_int_equal(pstore_take_number(&number, p->s, "a/b", LANE_FLASH, NULL), KW_OK);
	assert_int_equal(number, 1);
	assert_int_equal(pstore_mark(p->s, NULL), KW_OK);
	assert_int_equal(pstore_take_number(&number, p->s, "a/b", LANE_FLASH, NULL), KW_OK);
	assert_int_equal(number, 2);
	pstore_mark_undo(p->s);
	assert_int_equal(pstore_take_number(&number, p->s, "a/b", LANE_FLASH, NULL), KW_OK);
	assert_int_equal(number, 2);
	assert_int_equal(pstore_take_number(&number, p->s, "a/b", LANE_ROUTINE, NULL), KW_OK);
	assert_int_equal(number, 1);
	commit(p->s);
}

static void
a_second_daemon_on_one_folder_is_refused(void **state)
{
	struct place *p = *state;
	struct pstore *other = NULL;
	struct kw_why why;

	assert_int_equal(pstore_open(&other, p->folder, &owner, 0, &why), KW_EEXISTS);
	assert_null(other);
}

static void
another_node_or_partnership_or_kind_is_refused(void **state)
{
	const struct pstore_owner others[] = {{"anderstadt", "police/control-room", MODE_LIVE}, {"musterstadt", "city/public-order", MODE_LIVE},
	                                      {"musterstadt", "police/control-room", MODE_EXERCISE}};
	struct place *p = *state;
	struct pstore *s = NULL;
	struct kw_why why;

	pstore_close(&p->s);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(pstore_open(&s, p->folder, &others[i], 0, &why), KW_EDENIED);
		assert_non_null(strstr(why.text, "police/control-room"));
	}
}

static void
a_full_disk_says_so_keeps_what_was_and_goes_on_afterwards(void **state)
{
	static uint8_t big[100000];
	struct place *p = *state;
	struct pstore_counts before, after;
	enum kw_err err = KW_OK;
	uint64_t n = 0, seq;

	pstore_close(&p->s);
	p->s = open_store(p->folder, 400);
	while (err == KW_OK && n < 100) {
		assert_int_equal(pstore_counts(&before, p->s, NULL), KW_OK);
		begin(p->s);
		n++;
		if ((err = add_in(p->s, n, span_of(big, sizeof big), &seq)) == KW_OK)
			err = add_out(p->s, n, span_of(big, sizeof big), &seq);
		if (err == KW_OK)
			err = pstore_commit(p->s, NULL);
	}
	assert_int_equal(err, KW_EFULL);
	pstore_rollback(p->s);
	assert_int_equal(pstore_counts(&after, p->s, NULL), KW_OK);
	assert_int_equal(after.in_total, before.in_total);
	assert_int_equal(after.out_waiting, before.out_waiting);
	pstore_close(&p->s);
	p->s = open_store(p->folder, 100000);
	begin(p->s);
	assert_int_equal(add_in(p->s, n, span_of(big, sizeof big), &seq), KW_OK);
	commit(p->s);
}

static void
an_id_of_one_sender_stands_once_unless_it_was_rejected(void **state)
{
	struct place *p = *state;
	struct in_known known;
	uint8_t id[KW_ID_LEN] = {9}, same[KW_HASH_LEN] = {9}, other[KW_HASH_LEN] = {1};
	uint64_t seq;

	begin(p->s);
	assert_int_equal(pstore_in_known(&known, p->s, "city/public-order", id, same, NULL), KW_ENOTFOUND);
	assert_int_equal(add_in(p->s, 9, span_str("x"), &seq), KW_OK);
	assert_int_equal(pstore_in_known(&known, p->s, "city/public-order", id, same, NULL), KW_OK);
	assert_true(known.same_frame);
	assert_int_equal(pstore_in_known(&known, p->s, "city/public-order", id, other, NULL), KW_OK);
	assert_false(known.same_frame);
	assert_int_equal(pstore_in_known(&known, p->s, "police/control-room", id, same, NULL), KW_ENOTFOUND);
	assert_int_not_equal(add_in(p->s, 9, span_str("x"), &seq), KW_OK); /* the index is the last word */
	pstore_rollback(p->s);
}

struct gaps { int count; uint64_t first[8], last[8]; };

static void
take_gap(void *self, const struct pstore_gap *g)
{
	struct gaps *all = self;

	assert_true(all->count < 8);
	all->first[all->count] = g->first;
	all->last[all->count++] = g->last;
}

static struct gaps
gaps_now(struct pstore *s)
{
	struct gaps all = {0};

	assert_int_equal(pstore_gaps(s, 8, take_gap, &all, NULL), KW_OK);
	return all;
}

static enum number_verdict
meet(struct pstore *s, uint64_t epoch, uint64_t number)
{
	struct numbers known;
	enum number_place place;
	struct number_step step;

	assert_int_equal(pstore_sender(&known, &place, s, "city/public-order", LANE_URGENT, epoch, number, NULL), KW_OK);
	step = numbers_judge(known, epoch, number, place);
	assert_int_equal(pstore_sender_step(s, "city/public-order", LANE_URGENT, epoch, number, &step, 1000, NULL), KW_OK);
	return step.verdict;
}

static void
a_gap_shows_until_it_is_filled_from_any_side(void **state)
{
	struct place *p = *state;
	struct gaps g;

	begin(p->s);
	assert_int_equal(meet(p->s, 5, 1), NUMBER_NEXT);
	assert_int_equal(meet(p->s, 5, 10), NUMBER_AHEAD);
	g = gaps_now(p->s);
	assert_int_equal(g.count, 1);
	assert_int_equal(g.first[0], 2);
	assert_int_equal(g.last[0], 9);
	assert_int_equal(meet(p->s, 5, 5), NUMBER_FILLS);
	assert_int_equal(gaps_now(p->s).count, 2);
	assert_int_equal(meet(p->s, 5, 5), NUMBER_TWICE);
	for (uint64_t n = 2; n < 10; n++)
		if (n != 5)
			assert_int_equal(meet(p->s, 5, n), NUMBER_FILLS);
	assert_int_equal(gaps_now(p->s).count, 0);
	assert_int_equal(meet(p->s, 5, 10), NUMBER_TWICE);
	assert_int_equal(meet(p->s, 4, 11), NUMBER_OLD_EPOCH);
	commit(p->s);
}

static void
a_void_closes_the_gap_before_and_after_it_shows(void **state)
{
	struct place *p = *state;

	begin(p->s);
	assert_int_equal(meet(p->s, 5, 4), NUMBER_AHEAD); /* 1..3 */
	assert_int_equal(pstore_void(p->s, "city/public-order", LANE_URGENT, 5, 2, 1000, NULL), KW_OK);
	assert_int_equal(gaps_now(p->s).count, 2);
	assert_int_equal(meet(p->s, 5, 2), NUMBER_VOID);
	assert_int_equal(pstore_void(p->s, "city/public-order", LANE_URGENT, 5, 6, 1000, NULL), KW_OK); /* not missed yet */
	assert_int_equal(meet(p->s, 5, 7), NUMBER_AHEAD);                                              /* 5 and 6 */
	assert_int_equal(gaps_now(p->s).count, 3);
	assert_int_equal(meet(p->s, 5, 5), NUMBER_FILLS);
	assert_int_equal(gaps_now(p->s).count, 2);
	assert_int_equal(pstore_void(p->s, "city/public-order", LANE_URGENT, 5, 4, 1000, NULL), KW_OK); /* it came: that counts */
	assert_int_equal(meet(p->s, 5, 4), NUMBER_TWICE);
	commit(p->s);
}

static void
confirmations_are_counted_once_for_each_reader(void **state)
{
	struct place *p = *state;
	uint8_t receipt[KW_ID_LEN] = {1};
	uint32_t missing, readers;
	uint64_t seq;

	begin(p->s);
	assert_int_equal(add_out(p->s, 3, span_str("x"), &seq), KW_OK);
	assert_int_equal(pstore_out_confirm(p->s, seq, "youth-house/office", 3000, receipt, NULL), KW_OK);
	assert_int_equal(pstore_out_confirm(p->s, seq, "youth-house/office", 4000, receipt, NULL), KW_OK);
	assert_int_equal(pstore_out_confirm(p->s, seq, "shelter/desk", 4000, receipt, NULL), KW_ENOTFOUND);
	assert_int_equal(pstore_out_missing(&missing, &readers, p->s, seq, NULL), KW_OK);
	assert_int_equal(missing, 1);
	assert_int_equal(readers, 2);
	commit(p->s);
}

static void
content_goes_when_its_time_is_over_and_what_still_waits_stays(void **state)
{
	struct place *p = *state;
	struct position at = {1, LANE_URGENT, 4};
	struct in_stored in;
	struct out_row out;
	uint32_t done;
	uint64_t a, b, c;

	begin(p->s);
	assert_int_equal(add_in(p->s, 1, span_str("readable"), &a), KW_OK);
	assert_int_equal(add_out(p->s, 2, span_str("readable"), &b), KW_OK);
	assert_int_equal(add_out(p->s, 3, span_str("readable"), &c), KW_OK);
	assert_int_equal(pstore_out_stored(p->s, b, &at, 1, span_str("proof"), 2000, NULL), KW_OK);
	assert_int_equal(pstore_sweep(&done, p->s, 49999, 100, NULL), KW_OK);
	assert_int_equal(done, 0);
	assert_int_equal(pstore_sweep(&done, p->s, 50000, 100, NULL), KW_OK);
	assert_int_equal(pstore_in_get(&in, p->s, a, NULL), KW_OK);
	assert_true(in.bare);
	assert_int_equal(in.payload.len, 0);
	assert_int_equal(pstore_out_get(&out, p->s, b, NULL), KW_OK);
	assert_int_equal(out.payload.len, 0);
	assert_int_equal(out.frame.len, 4);
	assert_int_equal(pstore_out_get(&out, p->s, c, NULL), KW_OK);
	assert_int_equal(out.payload.len, 8);
	assert_int_equal(pstore_sweep(&done, p->s, 90000, 100, NULL), KW_OK);
	assert_int_equal(pstore_in_get(&in, p->s, a, NULL), KW_ENOTFOUND);
	assert_int_equal(pstore_out_get(&out, p->s, b, NULL), KW_ENOTFOUND);
	assert_int_equal(pstore_out_get(&out, p->s, c, NULL), KW_OK);
	commit(p->s);
}

#define SWEPT_ROWS 60u
static uint64_t content_ends(uint64_t i) { return 1000 + i * 10; }
static uint64_t proof_ends(uint64_t i) { return i % 3 == 0 ? content_ends(i) - 5 : i % 3 == 1 ? content_ends(i) + 200 : 100000; }
static bool was_bare(uint64_t i) { return i % 5 == 0; }
static bool waits(uint64_t i) { return i % 7 == 0; }

static void
add_with_ends(uint64_t *in, uint64_t *out, struct pstore *s, uint64_t i)
{
	struct header h = header_of(i + 1);
	uint8_t hash[KW_HASH_LEN] = {(uint8_t)(i + 1)};
	struct position at = {1, LANE_URGENT, i + 1};
	struct out_reader reader = {"city/public-order", i + 1};
	struct in_new row = {.header = &h, .frame_hash = hash, .head = span_str("head"), .lane = h.lane, .number = i + 1, .received_ms = 900,
	                     .payload = span_str(was_bare(i) ? "" : "x"), .content_until_ms = content_ends(i), .proof_until_ms = proof_ends(i)};
	struct out_new sent = {.header = &h, .frame_hash = hash, .frame = span_str("headbody"), .head_len = 4, .wraps = span_str("wraps"), .payload = span_str("x"),
	                       .content_until_ms = content_ends(i), .proof_until_ms = proof_ends(i)};

	assert_int_equal(pstore_in_add(in, s, &row, NULL), KW_OK);
	assert_int_equal(pstore_out_add(out, s, &sent, &reader, 1, NULL), KW_OK);
	if (!waits(i))
		assert_int_equal(pstore_out_stored(s, *out, &at, 1, span_str("proof"), 900, NULL), KW_OK);
}

static void
is_kept_until_its_ends(struct pstore *s, uint64_t i, uint64_t in_seq, uint64_t out_seq, uint64_t now_ms)
{
	bool goes = proof_ends(i) <= now_ms, empty = content_ends(i) <= now_ms;
	uint32_t missing, readers;
	struct in_stored in;
	struct out_row out;

	assert_int_equal(pstore_in_get(&in, s, in_seq, NULL), goes ? KW_ENOTFOUND : KW_OK);
	if (!goes)
		assert_int_equal(in.payload.len, was_bare(i) || empty ? 0 : 1);
	assert_int_equal(pstore_out_get(&out, s, out_seq, NULL), goes && !waits(i) ? KW_ENOTFOUND : KW_OK);
	if (waits(i) || !goes)
		assert_true(out.payload.len == (empty && !waits(i) ? 0 : 1) && out.frame.len == (empty && !waits(i) ? 4 : 8));
	assert_int_equal(pstore_out_missing(&missing, &readers, s, out_seq, NULL), KW_OK);
	assert_int_equal(readers, goes && !waits(i) ? 0 : 1);
}

/* However content's and proof's ends lie among each other, and with a few rows at a time: each sweep has done something until nothing is due. */
static void
a_bounded_sweep_comes_to_all_that_is_due(void **state)
{
	static const uint64_t times[] = {900, 995, 1100, 1101, 1300, 1700, 200000};
	struct place *p = *state;
	uint64_t in[SWEPT_ROWS], out[SWEPT_ROWS];

	begin(p->s);
	for (uint64_t i = 0; i < SWEPT_ROWS; i++)
		add_with_ends(&in[i], &out[i], p->s, i);
	for (size_t t = 0; t < sizeof times / sizeof times[0]; t++) {
		uint32_t done = 1;

		for (int rounds = 0; done > 0; rounds++) {
			assert_true(rounds < 100);
			assert_int_equal(pstore_sweep(&done, p->s, times[t], 4, NULL), KW_OK);
		}
		for (uint64_t i = 0; i < SWEPT_ROWS; i++)
			is_kept_until_its_ends(p->s, i, in[i], out[i], times[t]);
	}
	commit(p->s);
}

static void
stored_at(struct pstore *s, uint64_t n, enum lane lane, uint32_t log_epoch, uint64_t number, uint64_t commit_no)
{
	struct header h = header_of(n);
	uint8_t hash[KW_HASH_LEN] = {(uint8_t)n};
	struct position at = {log_epoch, lane, number};
	struct out_new row = {.header = &h, .frame_hash = hash, .frame = span_str("headbody"), .head_len = 4, .content_until_ms = 50000, .proof_until_ms = 90000};
	uint64_t seq;

	h.lane = lane;
	assert_int_equal(pstore_out_add(&seq, s, &row, NULL, 0, NULL), KW_OK);
	assert_int_equal(pstore_out_stored(s, seq, &at, commit_no, span_str("proof"), 2000, NULL), KW_OK);
}

static int
last_stored(struct pstore *s)
{
	uint8_t id[KW_ID_LEN];
	bool has;

	assert_int_equal(pstore_out_last_stored(&has, id, s, NULL), KW_OK);
	return has ? id[0] : -1;
}

static void
the_last_that_is_stored_is_known_over_all_lanes_and_log_epochs(void **state)
{
	struct place *p = *state;
	uint64_t seq;

	assert_int_equal(last_stored(p->s), -1);
	begin(p->s);
	assert_int_equal(add_out(p->s, 9, span_str("x"), &seq), KW_OK); /* waits */
	assert_int_equal(last_stored(p->s), -1);
	stored_at(p->s, 1, LANE_ROUTINE, 1, 70, 5);
	assert_int_equal(last_stored(p->s), 1);
	stored_at(p->s, 2, LANE_FLASH, 1, 3, 6);
	assert_int_equal(last_stored(p->s), 2);
	stored_at(p->s, 3, LANE_ROUTINE, 1, 71, 6); /* of one commit */
	assert_int_equal(last_stored(p->s), 3);
	stored_at(p->s, 4, LANE_URGENT, 1, 90, 4);
	assert_int_equal(last_stored(p->s), 3);
	stored_at(p->s, 5, LANE_FLASH, 2, 2, 1); /* commits of a new log epoch may have numbers of the one before */
	assert_int_equal(last_stored(p->s), 5);
	commit(p->s);
}

static void
what_waits_past_its_time_is_found_lane_by_lane(void **state)
{
	struct place *p = *state;
	struct position at = {1, LANE_URGENT, 4};
	uint64_t a, b, c;
	struct out_row row;

	begin(p->s);
	assert_int_equal(add_out(p->s, 1, span_str("x"), &a), KW_OK);
	assert_int_equal(add_out(p->s, 2, span_str("x"), &b), KW_OK);
	assert_int_equal(add_out(p->s, 3, span_str("x"), &c), KW_OK);
	assert_int_equal(pstore_out_stored(p->s, b, &at, 1, span_str("proof"), 2000, NULL), KW_OK);
	assert_int_equal(pstore_out_expired(&row, p->s, LANE_URGENT, 0, 99999, NULL), KW_ENOTFOUND);
	assert_int_equal(pstore_out_expired(&row, p->s, LANE_FLASH, 0, 100000, NULL), KW_ENOTFOUND);
	assert_int_equal(pstore_out_expired(&row, p->s, LANE_URGENT, 0, 100000, NULL), KW_OK);
	assert_int_equal(row.seq, a);
	assert_int_equal(pstore_out_expired(&row, p->s, LANE_URGENT, a, 100000, NULL), KW_OK);
	assert_int_equal(row.seq, c);
	assert_int_equal(pstore_out_expired(&row, p->s, LANE_URGENT, c, 100000, NULL), KW_ENOTFOUND);
	commit(p->s);
}

static void
what_was_rejected_does_not_fill_the_disk(void **state)
{
	struct in_new row = {.head = span_str("rubbish"), .rejected = true, .bare = true, .content_until_ms = 50000, .proof_until_ms = 90000};
	struct place *p = *state;
	struct pstore_counts c;
	uint32_t done;
	uint64_t seq;

	begin(p->s);
	for (int i = 0; i < 10050; i++)
		assert_int_equal(pstore_in_add(&seq, p->s, &row, NULL), KW_OK);
	assert_int_equal(pstore_sweep(&done, p->s, 1000, 100, NULL), KW_OK);
	assert_int_equal(done, 50);
	commit(p->s);
	assert_int_equal(pstore_counts(&c, p->s, NULL), KW_OK);
	assert_int_equal(c.in_rejected, 10000);
	assert_int_equal(c.in_newest, 10050);
}

static void
a_new_log_epoch_offers_the_stored_ones_of_late_again_and_in_order(void **state)
{
	struct place *p = *state;
	struct position at = {1, LANE_URGENT, 4};
	struct out_row row;
	uint64_t a, b, c;

	begin(p->s);
	assert_int_equal(add_out(p->s, 1, span_str("x"), &a), KW_OK);
	assert_int_equal(add_out(p->s, 2, span_str("x"), &b), KW_OK);
	assert_int_equal(add_out(p->s, 3, span_str("x"), &c), KW_OK);
	assert_int_equal(pstore_out_stored(p->s, a, &at, 1, span_str("proof"), 1000, NULL), KW_OK);
	assert_int_equal(pstore_out_stored(p->s, b, &at, 1, span_str("proof"), 5000, NULL), KW_OK);
	assert_int_equal(pstore_out_reopen(p->s, 5000, NULL), KW_OK);
	assert_int_equal(pstore_out_next(&row, p->s, LANE_URGENT, 0, NULL), KW_OK);
	assert_int_equal(row.seq, b);
	assert_int_equal(pstore_out_next(&row, p->s, LANE_URGENT, b, NULL), KW_OK);
	assert_int_equal(row.seq, c);
	commit(p->s);
}

/* However long ago it was stored: what waits again is to be whole when it goes. */
static void
what_is_offered_again_is_not_cut_while_it_waits(void **state)
{
	const uint64_t week_ms = 7ull * 24 * 3600 * 1000;
	struct place *p = *state;
	struct position at = {1, LANE_URGENT, 4};
	struct out_row row;
	uint32_t done;
	uint64_t a;
	size_t len;

	begin(p->s);
	assert_int_equal(add_out(p->s, 1, span_str("x"), &a), KW_OK);
	assert_int_equal(pstore_out_next(&row, p->s, LANE_URGENT, 0, NULL), KW_OK);
	len = row.wraps.len;
	assert_true(len > 0);
	assert_int_equal(pstore_out_stored(p->s, a, &at, 1, span_str("proof"), 5000, NULL), KW_OK);
	assert_int_equal(pstore_out_reopen(p->s, 5000, NULL), KW_OK);
	assert_int_equal(pstore_sweep(&done, p->s, 5001 + week_ms, 100, NULL), KW_OK);
	assert_int_equal(pstore_out_next(&row, p->s, LANE_URGENT, 0, NULL), KW_OK);
	assert_int_equal(row.wraps.len, len);
	assert_int_equal(pstore_out_stored(p->s, a, &at, 1, span_str("proof"), 5000, NULL), KW_OK);
	assert_int_equal(pstore_sweep(&done, p->s, 5001 + week_ms, 100, NULL), KW_OK);
	assert_int_equal(pstore_out_get(&row, p->s, a, NULL), KW_ENOTFOUND); /* its time is over altogether */
	commit(p->s);
}

static void
commits_are_kept_by_log_epoch_and_hearsay_gives_way(void **state)
{
	struct place *p = *state;
	struct commit_seen c = {.number = 8, .hash = {1}}, newest;
	uint8_t record[WIRE_COMMIT_LEN] = {2};
	struct pstore_seen seen;

	begin(p->s);
	assert_int_equal(pstore_commit_add(p->s, 1, &c, NULL, NULL), KW_OK);
	assert_int_equal(pstore_commit_newest(&newest, p->s, 1, NULL), KW_OK);
	assert_int_equal(newest.number, 0); /* heard of is not seen */
	assert_int_equal(pstore_commit_get(&seen, p->s, 1, 8, NULL), KW_OK);
	assert_true(seen.known && seen.heard);
	assert_int_equal(pstore_commit_add(p->s, 1, &c, record, NULL), KW_OK);
	assert_int_equal(pstore_commit_newest(&newest, p->s, 1, NULL), KW_OK);
	assert_int_equal(newest.number, 8);
	assert_int_equal(pstore_commit_get(&seen, p->s, 2, 8, NULL), KW_OK);
	assert_false(seen.known);
	commit(p->s);
}

static void
a_handler_never_goes_back_and_an_unknown_one_has_no_place(void **state)
{
	const struct desk_place first = {5, 7, 2}, second = {3, 0, 0};
	struct place *p = *state;
	struct pstore_counts counts;
	struct desk_place at;

	assert_int_equal(pstore_handler_get(&at, p->s, "mail", NULL), KW_ENOTFOUND);
	begin(p->s);
	assert_int_equal(pstore_handler_put(p->s, "mail", &first, NULL), KW_OK);
	commit(p->s);
	assert_int_equal(pstore_handler_get(&at, p->s, "mail", NULL), KW_OK);
	assert_true(at.seq == 5 && at.at == 7 && at.failures == 2);
	begin(p->s);
	assert_int_equal(pstore_handler_put(p->s, "mail", &second, NULL), KW_OK);
	assert_int_equal(pstore_set_aside(p->s, "mail", 7, "exit code 1", 1, NULL), KW_OK);
	commit(p->s);
	assert_int_equal(pstore_handler_get(&at, p->s, "mail", NULL), KW_OK);
	assert_true(at.seq == 5 && at.at == 0 && at.failures == 0);
	assert_int_equal(pstore_counts(&counts, p->s, NULL), KW_OK);
	assert_int_equal(counts.handlers_set_aside, 1);
	assert_int_equal(pstore_handler_get(&at, p->s, "siren", NULL), KW_ENOTFOUND);
}

static void
add_left_out(struct pstore *s, uint64_t n, uint64_t *seq)
{
	struct header h = header_of(n);
	uint8_t hash[KW_HASH_LEN] = {(uint8_t)n};
	struct in_new row = {.header = &h, .frame_hash = hash, .head = span_str("head"), .lane = h.lane, .number = n, .received_ms = 2000, .bare = true,
	                     .awaits_recall = true, .mark = "recalled", .content_until_ms = 50000, .proof_until_ms = 90000};

	assert_int_equal(pstore_in_add(seq, s, &row, NULL), KW_OK);
}

static void
what_awaits_its_recall_is_known_after_a_new_start(void **state)
{
	struct place *p = *state;
	struct awaited a;
	uint64_t seq[4];

	begin(p->s);
	assert_int_equal(add_in(p->s, 1, span_str("x"), &seq[0]), KW_OK);
	for (uint64_t i = 1; i < 4; i++)
		add_left_out(p->s, i + 1, &seq[i]);
	commit(p->s);
	pstore_close(&p->s);
	p->s = open_store(p->folder, 0);
	a = awaited(p->s, 64);
	assert_true(a.count == 3 && a.seq[0] == seq[1] && a.seq[1] == seq[2] && a.seq[2] == seq[3]);
	assert_int_equal(awaited(p->s, 2).count, 2);
	begin(p->s);
	assert_int_equal(pstore_in_erase(p->s, seq[1], "recalled", NULL), KW_OK); /* it came */
	assert_int_equal(pstore_in_awaits_no_recall(p->s, seq[3], NULL), KW_OK);
	pstore_rollback(p->s);
	assert_int_equal(awaited(p->s, 64).count, 3);
	begin(p->s);
	assert_int_equal(pstore_in_erase(p->s, seq[1], "recalled", NULL), KW_OK);
	assert_int_equal(pstore_in_awaits_no_recall(p->s, seq[3], NULL), KW_OK);
	commit(p->s);
	a = awaited(p->s, 64);
	assert_true(a.count == 1 && a.seq[0] == seq[2]);
}

static void
a_store_remembers_its_lock(void **state)
{
	struct place *p = *state;
	uint8_t lock[KW_HASH_LEN], got[KW_HASH_LEN];
	bool has = true;

	memset(lock, 7, sizeof lock);
	assert_int_equal(pstore_lock(&has, got, p->s, NULL), KW_OK);
	assert_false(has);
	begin(p->s);
	assert_int_equal(pstore_set_lock(p->s, lock, NULL), KW_OK);
	commit(p->s);
	pstore_close(&p->s);
	p->s = open_store(p->folder, 0);
	assert_int_equal(pstore_lock(&has, got, p->s, NULL), KW_OK);
	assert_true(has);
	assert_memory_equal(got, lock, sizeof lock);
}

static void
a_store_of_a_later_version_is_left_alone(void **state)
{
	struct place *p = *state;
	char path[128];
	struct kw_why why;
	sqlite3 *db;

	pstore_close(&p->s);
	(void)snprintf(path, sizeof path, "%s/partner.db", p->folder);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 99", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	assert_int_equal(pstore_open(&p->s, p->folder, &owner, 0, &why), KW_ESTATE);
	assert_non_null(strstr(why.text, "newer"));
}

static enum kw_err
no_agreement(void *self, struct span text, struct span sigs, struct kw_why *why)
{
	(void)self, (void)text, (void)sigs, (void)why;
	return KW_OK;
}

static void no_evidence(void *self, const struct pstore_evidence *e) { (void)self, (void)e; }
static void no_gap(void *self, const struct pstore_gap *g) { (void)self, (void)g; }
static void no_confirm(void *self, const struct out_confirm *c) { (void)self, (void)c; }
static void no_out(void *self, const struct out_row *row) { (void)self, (void)row; }
static void no_in(void *self, const struct in_stored *row) { (void)self, (void)row; }

static void
ask_small_tables(struct pstore *s)
{
	const struct commit_seen c = {20000, {1}};
	const struct desk_place place = {1, 0, 0};
	uint8_t record[WIRE_COMMIT_LEN] = {0};
	struct pstore_seen seen;
	struct commit_seen newest;
	struct lane_cursor cursors[KW_LANES];
	struct desk_place at;
	struct pstore_counts counts;
	uint8_t lock[KW_HASH_LEN] = {1}, id[KW_ID_LEN];
	struct span sealed;
	uint32_t done;
	uint64_t v;
	bool has;

	assert_int_equal(pstore_lock(&has, lock, s, NULL), KW_OK);
	assert_int_equal(pstore_set_lock(s, lock, NULL), KW_OK);
	assert_int_equal(pstore_any_sealed(id, &sealed, s, NULL), KW_ENOTFOUND);
	assert_int_equal(pstore_value(&v, s, VALUE_STOPPED, NULL), KW_OK);
	assert_int_equal(pstore_set_value(s, VALUE_STOPPED, 0, NULL), KW_OK);
	assert_int_equal(pstore_agreement_add(s, 1, span_str("a"), span_str("b"), 1, NULL), KW_OK);
	assert_int_equal(pstore_agreements(s, no_agreement, NULL, NULL), KW_OK);
	assert_int_equal(pstore_commit_add(s, 1, &c, record, NULL), KW_OK);
	assert_int_equal(pstore_commit_get(&seen, s, 1, 20000, NULL), KW_OK);
	assert_int_equal(pstore_commit_newest(&newest, s, 1, NULL), KW_OK);
	assert_int_equal(pstore_commits_forget(s, NULL), KW_OK);
	assert_int_equal(pstore_evidence_add(s, "fork", "x", span_str("a"), span_str("b"), 1, NULL), KW_OK);
	assert_int_equal(pstore_evidence(s, 1, no_evidence, NULL, NULL), KW_OK);
	assert_int_equal(pstore_set_cursor(s, LANE_FLASH, (struct lane_cursor){1, 1}, NULL), KW_OK);
	assert_int_equal(pstore_cursors(cursors, s, NULL), KW_OK);
	assert_int_equal(pstore_handler_put(s, "mail", &place, NULL), KW_OK);
	assert_int_equal(pstore_handler_get(&at, s, "mail", NULL), KW_OK);
	assert_int_equal(pstore_set_aside(s, "mail", 1, "x", 1, NULL), KW_OK);
	assert_int_equal(pstore_take_number(&v, s, "a/b", LANE_FLASH, NULL), KW_OK);
	assert_int_equal(pstore_forget_numbers(s, NULL), KW_OK);
	assert_int_equal(pstore_gaps(s, 1, no_gap, NULL, NULL), KW_OK);
	assert_int_equal(pstore_sweep(&done, s, 3000, 100, NULL), KW_OK);
	assert_int_equal(pstore_counts(&counts, s, NULL), KW_OK);
}

static bool
no_id_more(void *self, const uint8_t id[KW_ID_LEN])
{
	(void)self;
	(void)id;
	return true;
}

static void
ask_outbox(struct pstore *s)
{
	const struct position at = {1, LANE_URGENT, 4};
	uint8_t id[KW_ID_LEN] = {2};
	uint32_t missing, readers;
	uint64_t seq, other;
	struct out_tally tally;
	struct out_row row;
	bool has;

	assert_int_equal(add_out(s, 2, span_str("x"), &seq), KW_OK);
	assert_int_equal(pstore_out_next(&row, s, LANE_URGENT, 0, NULL), KW_OK);
	assert_int_equal(pstore_out_get(&row, s, seq, NULL), KW_OK);
	assert_int_equal(pstore_out_find(&row, s, id, NULL), KW_OK);
	assert_int_equal(pstore_out_ids(s, id, 1, no_id_more, NULL, NULL), KW_OK);
	assert_int_equal(pstore_out_before(&row, s, UINT64_MAX, 1, 0, NULL), KW_OK);
	assert_int_equal(pstore_out_tally(&tally, s, seq, NULL), KW_OK);
	assert_int_equal(pstore_out_newest(&other, s, NULL), KW_OK);
	assert_int_equal(pstore_out_oldest(&other, s, NULL), KW_OK);
	assert_int_equal(pstore_out_expired(&row, s, LANE_URGENT, 0, 1, NULL), KW_ENOTFOUND);
	assert_int_equal(pstore_out_stored(s, seq, &at, 1, span_str("proof"), 2000, NULL), KW_OK);
	assert_int_equal(pstore_out_at(&other, &other, s, &at, seq, NULL), KW_ENOTFOUND);
	assert_int_equal(pstore_out_reopen(s, 0, NULL), KW_OK);
	assert_int_equal(pstore_out_last_stored(&has, id, s, NULL), KW_OK);
	assert_int_equal(pstore_out_waiting(&other, s, NULL), KW_OK);
	assert_int_equal(pstore_out_readers(s, seq, no_confirm, NULL, NULL), KW_OK);
	assert_int_equal(pstore_out_confirm(s, seq, "youth-house/office", 3000, id, NULL), KW_OK);
	assert_int_equal(pstore_out_rejected(s, seq, "city/public-order", 3000, "x", NULL), KW_OK);
	assert_int_equal(pstore_out_missing(&missing, &readers, s, seq, NULL), KW_OK);
	assert_int_equal(pstore_out_unconfirmed(s, 9000, 1, no_out, NULL, NULL), KW_OK);
	assert_int_equal(pstore_out_opened(s, seq, "youth-house/office", 3000, id, NULL), KW_OK);
	assert_int_equal(pstore_out_looked_at(s, seq, LATE_CONFIRM, NULL), KW_OK);
	assert_int_equal(pstore_out_awaited(s, 1, no_out, NULL, NULL), KW_OK);
	assert_int_equal(pstore_out_unanswered(&row, s, 0, 1, NULL), KW_ENOTFOUND);
	assert_int_equal(pstore_out_any_unconfirmed(&has, s, 1, NULL), KW_OK);
	assert_int_equal(pstore_out_recall(&row, s, UINT64_MAX, NULL), KW_ENOTFOUND);
	assert_int_equal(pstore_out_forwarded(&row, s, UINT64_MAX, NULL), KW_ENOTFOUND);
	assert_int_equal(pstore_out_leave(s, seq, NULL), KW_OK);
	assert_int_equal(pstore_out_erase(s, seq, NULL), KW_OK);
	assert_int_equal(pstore_out_close(s, seq, OUTBOX_REFUSED, "x", NULL, NULL), KW_OK);
}

static void
ask_inbox(struct pstore *s)
{
	struct inbox_query q = {.limit = 1}, by_id = {.limit = 1, .has_id = true}, rejected = {.limit = 1, .rejected = true}, rejected_by_id = {.limit = 1, .has_id = true, .rejected = true};
	uint8_t hash[KW_HASH_LEN] = {3}, id[KW_ID_LEN] = {3};
	struct about about = {.set = true};
	struct in_known known;
	struct in_stored row;
	uint64_t seq, other;

	memcpy(about.id, id, sizeof id);
	memcpy(about.frame_hash, hash, sizeof hash);
	assert_int_equal(add_in(s, 3, span_str("x"), &seq), KW_OK);
	assert_int_equal(pstore_in_known(&known, s, "city/public-order", id, hash, NULL), KW_OK);
	assert_int_equal(pstore_in_original(&other, s, "city", &about, NULL), KW_OK);
	assert_int_equal(pstore_in_mark(s, seq, true, false, NULL), KW_OK);
	assert_int_equal(pstore_in_set_mark(s, seq, "late", NULL), KW_OK);
	assert_int_equal(pstore_in_by_number(&other, s, "city/public-order", LANE_URGENT, 5, 3, NULL), KW_OK);
	assert_int_equal(pstore_in_ids(s, id, 1, no_id_more, NULL, NULL), KW_OK);
	assert_int_equal(pstore_in_next(&row, s, &q, 0, NULL), KW_OK);
	assert_int_equal(pstore_in_next(&row, s, &by_id, 0, NULL), KW_ENOTFOUND);
	assert_int_equal(pstore_in_next(&row, s, &rejected, 0, NULL), KW_ENOTFOUND);
	assert_int_equal(pstore_in_next(&row, s, &rejected_by_id, 0, NULL), KW_ENOTFOUND);
	assert_int_equal(pstore_in_about(&row, s, id, UINT64_MAX, NULL), KW_ENOTFOUND);
	assert_int_equal(pstore_in_get(&row, s, seq, NULL), KW_OK);
	assert_int_equal(pstore_in_due(s, no_in, NULL, NULL), KW_OK);
	assert_int_equal(pstore_in_receipt_said(s, seq, NULL), KW_OK);
	assert_int_equal(pstore_in_awaits_no_recall(s, seq, NULL), KW_OK);
	assert_int_equal(awaited(s, 4).count, 0);
	assert_int_equal(pstore_in_newest(&other, s, NULL), KW_OK);
	assert_int_equal(pstore_by_cap(&about, s, hash, NULL), KW_ENOTFOUND);
	assert_int_equal(pstore_in_opened(s, seq, NULL), KW_OK);
	assert_int_equal(pstore_in_erase(s, seq, "recalled", NULL), KW_OK);
}

static void no_id(void *self, const uint8_t id[KW_ID_LEN]) { (void)self, (void)id; }
static void no_answer(void *self, const struct pstore_answer *a) { (void)self, (void)a; }

static enum kw_err
no_entry(void *self, const struct pstore_case_entry *e)
{
	(void)self, (void)e;
	return KW_OK;
}

static void
ask_cases(struct pstore *s)
{
	struct pstore_case c = {.id = {4}, .at = {1, LANE_URGENT, 4}, .head = span_str("head"), .owner = "a/b", .next = "", .state = CASE_WAITING};
	struct pstore_case_entry e = {.id = {4}, .at = {1, LANE_URGENT, 5}, .type = TYPE_TAKEN, .actor = "a/b", .next = ""};
	struct case_counts counts;
	struct span statement;
	bool overdue;

	assert_int_equal(pstore_case_add(s, &c, 90000, NULL), KW_OK);
	assert_int_equal(pstore_case_get(&c, s, e.id, NULL), KW_OK);
	assert_int_equal(pstore_case_set(s, &c, NULL), KW_OK);
	assert_int_equal(pstore_cases(s, false, 1, no_id, NULL, NULL), KW_OK);
	assert_int_equal(pstore_cases(s, true, 1, no_id, NULL, NULL), KW_OK);
	assert_int_equal(pstore_case_counts(&counts, s, "a/b", NULL), KW_OK);
	assert_int_equal(pstore_cases_overdue(&overdue, s, NULL), KW_OK);
	assert_int_equal(pstore_case_entry_add(s, &e, 90000, NULL), KW_OK);
	assert_int_equal(pstore_case_entry_add(s, &e, 90000, NULL), KW_EEXISTS);
	assert_int_equal(pstore_case_entries(s, e.id, no_entry, NULL, NULL), KW_OK);
	assert_int_equal(pstore_case_statement(&statement, s, e.id, 5, NULL), KW_OK);
	assert_int_equal(statement.len, 0); /* a move */
	assert_int_equal(pstore_cases_cut(s, LANE_URGENT, 2, 9, NULL), KW_OK);
}

static void
ask_release(struct pstore *s)
{
	struct pstore_draft d = {.id = {5}, .author = "a/b", .topic = "statement/x"};
	struct pstore_answer answer = {.node = "a/b", .approved = true};
	uint8_t other[KW_ID_LEN] = {6};

	assert_int_equal(pstore_draft_add(s, &d, 1, 90000, NULL), KW_OK);
	assert_int_equal(pstore_draft_rename(s, d.id, other, d.frame_hash, 2, NULL), KW_OK);
	assert_int_equal(pstore_draft_get(&d, s, other, NULL), KW_OK);
	assert_int_equal(pstore_draft_set(s, other, DRAFT_REFUSED, NULL, 1, NULL), KW_OK);
	assert_int_equal(pstore_drafts(s, true, 1, no_id, NULL, NULL), KW_OK);
	assert_int_equal(pstore_drafts(s, false, 1, no_id, NULL, NULL), KW_OK);
	assert_int_equal(pstore_drafts_due(s, 1, 1, no_id, NULL, NULL), KW_OK);
	assert_int_equal(pstore_drafts_about(s, other, "a", no_id, NULL, NULL), KW_OK);
	assert_int_equal(pstore_answer_add(s, other, &answer, NULL), KW_OK);
	assert_int_equal(pstore_answers(s, other, no_answer, NULL, NULL), KW_OK);
	assert_int_equal(pstore_released_add(s, other, other, NULL, 90000, NULL), KW_OK);
	assert_int_equal(pstore_released_correcting(other, s, other, NULL), KW_ENOTFOUND);
	assert_int_equal(pstore_spool_put(s, "a", other, NULL), KW_OK);
	assert_int_equal(pstore_spool_get(other, s, "a", NULL), KW_OK);
	assert_int_equal(pstore_spool_forget(s, "a", NULL), KW_OK);
}

static void
ask_everything(struct pstore *s)
{
	begin(s);
	ask_small_tables(s);
	ask_outbox(s);
	ask_inbox(s);
	ask_cases(s);
	ask_release(s);
	assert_int_equal(meet(s, 5, 1), NUMBER_NEXT);
	assert_int_equal(meet(s, 5, 10), NUMBER_AHEAD);
	assert_int_equal(meet(s, 5, 5), NUMBER_FILLS);
	assert_int_equal(pstore_void(s, "city/public-order", LANE_URGENT, 5, 3, 1000, NULL), KW_OK);
	assert_int_equal(pstore_void(s, "city/public-order", LANE_URGENT, 5, 12, 1000, NULL), KW_OK);
	assert_int_equal(pstore_mark(s, NULL), KW_OK);
	assert_int_equal(pstore_mark_keep(s, NULL), KW_OK);
	commit(s);
}

/* Each keeps its compiled statement for the store's life: there must be room for all. */
static void
everything_can_be_asked_of_one_store(void **state)
{
	struct place *p = *state;

	ask_everything(p->s);
}

/* What may look at all there is: a status, the inbox from one place on, and what is asked once in a store's or a log's life. */
static bool
may_walk(const char *sql)
{
	static const char *const begins[] = {
		"SELECT count(*)", "SELECT (SELECT count(*)", "SELECT ifnull(min(created_ms), 0) FROM outbox", "SELECT id, payload FROM inbox WHERE payload IS NOT NULL UNION",
		"SELECT id FROM cases ORDER BY changed_ms", "SELECT id FROM draft ORDER BY changed_ms", "UPDATE draft SET other", "DELETE FROM commits", "DELETE FROM reader",
	};

	if (strstr(sql, "FROM inbox WHERE seq > ?1 AND seq <= ?4") != NULL || strstr(sql, "FROM outbox WHERE seq < ?1 AND seq >= ?2") != NULL) /* a part of it, by both ends */
		return true;
	for (size_t i = 0; i < sizeof begins / sizeof begins[0]; i++)
		if (strncmp(sql, begins[i], strlen(begins[i])) == 0)
			return true;
	return false;
}

/* A line of a query's plan: through a table that grows with time, or an index of all its rows. */
static bool
walks(const char *line)
{
	static const char *const growing[] = {"inbox", "outbox", "o", "out_reader", "r", "cases", "case_entry", "commits", "draft", "draft_answer", "released", "void"};
	/* of the few rows alone that are still to be looked after */
	static const char *const small[] = {"inbox_due", "inbox_awaits_recall", "inbox_rejected", "outbox_waiting", "outbox_recall", "outbox_forwarded", "outbox_answer",
	                                    "outbox_confirm", "draft_open"};
	char table[32] = "", index[32] = "";

	if (sscanf(line, "SCAN %31s", table) != 1)
		return sscanf(line, "SEARCH %31s", table) == 1 && strstr(line, "PRIMARY KEY (rowid>?") != NULL;
	if (sscanf(line, "SCAN %*s USING INDEX %31s", index) == 1 || sscanf(line, "SCAN %*s USING COVERING INDEX %31s", index) == 1)
		for (size_t i = 0; i < sizeof small / sizeof small[0]; i++)
			if (strcmp(index, small[i]) == 0)
				return false;
	for (size_t i = 0; i < sizeof growing / sizeof growing[0]; i++)
		if (strcmp(table, growing[i]) == 0)
			return true;
	return false;
}

static void
look_at_plan(sqlite3 *db, const char *sql)
{
	char asked[4096];
	sqlite3_stmt *q;

	assert_true(snprintf(asked, sizeof asked, "EXPLAIN QUERY PLAN %s", sql) < (int)sizeof asked);
	assert_int_equal(sqlite3_prepare_v2(db, asked, -1, &q, NULL), SQLITE_OK);
	while (sqlite3_step(q) == SQLITE_ROW)
		if (walks((const char *)sqlite3_column_text(q, 3)))
			fail_msg("%s: %s", (const char *)sqlite3_column_text(q, 3), sql);
	assert_int_equal(sqlite3_finalize(q), SQLITE_OK);
}

/* By the plans that SQLite makes of everything that is asked. */
static void
no_question_walks_through_what_grows(void **state)
{
	struct place *p = *state;
	uint32_t looked = 0;

	ask_everything(p->s);
	for (size_t i = 0; i < PSTORE_STATEMENTS; i++) {
		const char *sql = p->s->cache[i].sql;

		if (sql == NULL || may_walk(sql))
			continue;
		look_at_plan(p->s->db, sql);
		looked++;
	}
	assert_true(looked > 100);
}

static void
a_damaged_file_is_refused_and_not_read(void **state)
{
	struct place *p = *state;
	struct pstore *s = NULL;
	struct kw_why why;
	char path[128];
	FILE *f;

	pstore_close(&p->s);
	(void)snprintf(path, sizeof path, "%s/partner.db", p->folder);
	f = fopen(path, "r+");
	assert_non_null(f);
	for (long at = 0; at < 64; at++) {
		(void)fseek(f, at, SEEK_SET);
		(void)fputc('x', f);
	}
	(void)fclose(f);
	assert_int_equal(pstore_open(&s, p->folder, &owner, 0, &why), KW_ECORRUPT);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_was_not_committed_is_not_there_after_a_new_start),
		T(a_mark_undoes_what_came_behind_it_alone),
		T(a_second_daemon_on_one_folder_is_refused),
		T(another_node_or_partnership_or_kind_is_refused),
		T(a_full_disk_says_so_keeps_what_was_and_goes_on_afterwards),
		T(an_id_of_one_sender_stands_once_unless_it_was_rejected),
		T(a_gap_shows_until_it_is_filled_from_any_side),
		T(a_void_closes_the_gap_before_and_after_it_shows),
		T(confirmations_are_counted_once_for_each_reader),
		T(content_goes_when_its_time_is_over_and_what_still_waits_stays),
		T(a_bounded_sweep_comes_to_all_that_is_due),
		T(the_last_that_is_stored_is_known_over_all_lanes_and_log_epochs),
		T(what_waits_past_its_time_is_found_lane_by_lane),
		T(what_was_rejected_does_not_fill_the_disk),
		T(a_new_log_epoch_offers_the_stored_ones_of_late_again_and_in_order),
		T(what_is_offered_again_is_not_cut_while_it_waits),
		T(commits_are_kept_by_log_epoch_and_hearsay_gives_way),
		T(a_handler_never_goes_back_and_an_unknown_one_has_no_place),
		T(what_awaits_its_recall_is_known_after_a_new_start),
		T(a_store_remembers_its_lock),
		T(a_store_of_a_later_version_is_left_alone),
		T(everything_can_be_asked_of_one_store),
		T(no_question_walks_through_what_grows),
		T(a_damaged_file_is_refused_and_not_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
