/* decided_example: see its header. */
#include "decided_example.h"

static const uint8_t id[KW_ID_LEN] = {1}, hash[KW_HASH_LEN] = {2}, record[WIRE_COMMIT_LEN] = {3}, leaves[2 * KW_HASH_LEN] = {4};

void
decided_example(struct buf *b, uint32_t first, bool commit)
{
	const struct decided_op ops[] = {
		{.kind = OP_LOG_EPOCH, .log_epoch = {7, {1, 2, 3}}},
		{.kind = OP_NODE, .node = {{5}, span_str("city/public-order")}},
		{.kind = OP_SET, .set = {{6}, span_of(leaves, 8)}},
		{.kind = OP_APPEND, .append = {.lane = LANE_URGENT, .receipt = true, .set = {6}, .sender = {5}, .number = 9, .expires_ms = 10, .body_until_ms = 11,
			.proof_until_ms = 12, .id = id, .frame_hash = hash, .head = span_str("head"), .wraps = span_str("wraps"), .body = span_str("body")}},
		{.kind = OP_AGREEMENT, .agreement = {2, {4, 5, 6}, span_str("text"), span_str("sigs")}},
		{.kind = OP_CURSOR, .cursor = {{5}, LANE_ROUTINE, {7, 8}}},
		{.kind = OP_SUBSCRIBE, .subscribe = {{5}, span_str("\001#")}},
		{.kind = OP_EVIDENCE, .evidence = {span_str("two under one id")}},
		{.kind = OP_PURGE, .purge = {100}},
		{.kind = OP_SWEEP, .sweep = {LANE_FLASH, {6}, 20, 30}},
		{.kind = OP_CASE, .one_case = {id, span_str("case")}},
		{.kind = OP_FOLDED, .folded = {{1, 2, 3}}},
		{.kind = OP_RECALL, .recall = {LANE_URGENT, 9}},
		{.kind = OP_SUSPENSION, .suspension = {{5}, span_str("suspended")}},
	};
	const uint32_t count = sizeof ops / sizeof ops[0];
	size_t begun = b->len;

	decided_begin(b, 1234);
	for (uint32_t i = first; i < count; i++)
		decided_put(b, &ops[i]);
	decided_end(b, begun, count - first, &(struct decided_commit){commit, 99, record, 2, leaves});
}
