/* commits_page: see its header. */
#include "broker/net/commits_page.h"

#include "base/text.h"

/* The text of one; KW_ENOTFOUND: it is not kept. */
static enum kw_err
one(char hex[2 * WIRE_COMMIT_LEN + 1], struct store *s, uint64_t number, uint8_t (*path)[KW_HASH_LEN], struct kw_why *why)
{
	uint8_t record[WIRE_COMMIT_LEN], hash[KW_HASH_LEN];
	uint32_t path_len;
	enum kw_err err = s->ops->proof(s, number, 0, record, path, &path_len, why);

	if (err == KW_OK) {
		text_put_hex(hex, span_of(record, sizeof record));
		return KW_OK;
	}
	if (err != KW_ENOTFOUND)
		return err;
	err = s->ops->commit_hash(s, number, hash);
	if (err == KW_OK)
		text_put_hex(hex, span_of(hash, sizeof hash));
	return err == KW_OK || err == KW_ENOTFOUND ? err : kw_refuse(why, err, "commit %llu cannot be read", (unsigned long long)number);
}

enum kw_err
commits_page_put(struct buf *out, const struct relay *r, uint64_t after, struct kw_why *why)
{
	const struct relay_parts *p = relay_parts_of(r);
	uint64_t newest = core_commit_number(p->core), at = after;
	uint8_t path[KW_PATH_MAX][KW_HASH_LEN];
	char hex[2 * WIRE_COMMIT_LEN + 1];
	uint32_t count = 0;

	buf_put_str(out, "{\"commits\":[");
	for (uint32_t looked = 0; at < newest && looked < COMMITS_LOOK && count < COMMITS_PAGE; looked++) {
		enum kw_err err = one(hex, p->store, at + 1, path, why);

		if (err != KW_OK && err != KW_ENOTFOUND)
			return err;
		at++;
		if (err == KW_OK)
			buf_printf(out, "%s[%llu,\"%s\"]", count++ > 0 ? "," : "", (unsigned long long)at, hex);
	}
	buf_printf(out, "],\"after\":%llu,\"newest\":%llu,\"more\":%s}", (unsigned long long)at, (unsigned long long)newest, at < newest ? "true" : "false");
	return buf_ok(out) ? KW_OK : kw_refuse(why, KW_ENOMEM, "the broker is short of memory");
}
