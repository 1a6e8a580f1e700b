/* case_entries: from the core's statements to signed bytes, and from the log back into the core. */
#include "broker/net/case_entries.h"

#include <stdlib.h>

#include "base/log.h"
#include "broker/net/carrier.h"
#include "broker/net/log_entry.h"
#include "proto/entry.h"

#define PAGE 256u

void
case_entries_state(const struct relay_parts *parts, const uint8_t id[KW_ID_LEN])
{
	uint8_t bytes[ENTRY_CASE_MAX], hash[KW_HASH_LEN];
	struct broker_entry e;
	struct span s;
	struct blob *b;

	if (!core_statement(parts->core, id, &e, relay_now()))
		return;
	s = span_of(bytes, entry_case_encode(bytes, &e, secret_keys_sign(parts->keys)));
	b = carrier_of_entry(s);
	if (b == NULL) {
		log_event(LOG_ERROR, "broker.no_memory", "for=case"); /* it stays due */
		return;
	}
	entry_hash(hash, s);
	core_stated(parts->core, &e, b, hash, relay_now());
	blob_unref(&b);
}

static enum kw_err
replay_one(const struct relay_parts *parts, const struct store_entry *s, struct kw_why *why)
{
	struct log_entry read;

	if (log_entry_read(&read, s, why) != KW_OK)
		return KW_ECORRUPT;
	core_replay(parts->core, &read.e, relay_now());
	return KW_OK;
}

static enum kw_err
replay_lane(const struct relay_parts *parts, enum lane lane, struct store_entry *page, struct kw_why *why)
{
	const struct store_ops *ops = parts->store->ops;
	uint64_t after = core_folded(parts->core, lane);
	uint32_t count = PAGE;
	enum kw_err err = KW_OK;

	while (err == KW_OK && count == PAGE) {
		if ((err = ops->heads(parts->store, lane, after, page, PAGE, &count, why)) != KW_OK)
			return err;
		for (uint32_t i = 0; i < count && err == KW_OK; i++) {
			err = replay_one(parts, &page[i], why);
			after = page[i].at.number;
		}
		ops->read_done(parts->store);
	}
	if (err != KW_OK)
		kw_why_prefix(why, "the store's entry %llu in lane %s", (unsigned long long)after, lane_name(lane));
	return err;
}

enum kw_err
case_entries_replay(const struct relay_parts *parts, struct kw_why *why)
{
	struct store_entry *page = calloc(PAGE, sizeof *page);
	enum kw_err err = KW_OK;

	if (page == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for the log's cases");
	for (int lane = 0; lane < KW_LANES && err == KW_OK; lane++)
		err = replay_lane(parts, (enum lane)lane, page, why);
	free(page);
	if (err == KW_OK && core_service(parts->core) == SERVICE_LOST)
		err = kw_refuse(why, KW_ENOMEM, "%s", core_service_why(parts->core));
	if (err == KW_OK)
		core_replayed(parts->core, relay_now());
	return err;
}
