/* header_encode: a header of ours to its canonical bytes. */
#include "proto/header.h"

#include <string.h>

#include "kurzweg/header.pb-c.h"

static ProtobufCBinaryData
bytes_of(const uint8_t *p, size_t len)
{
	union { /* packing only reads what the generated struct calls its own */
		const uint8_t *in;
		uint8_t *out;
	} u = {.in = p};

	return (ProtobufCBinaryData){len, u.out};
}

static char *
text_of(const char *text)
{
	union {
		const char *in;
		char *out;
	} u = {.in = text};

	return u.out;
}

enum kw_err
header_encode(struct buf *out, const struct header *h, struct kw_why *why)
{
	Kurzweg__Header m = KURZWEG__HEADER__INIT;
	Kurzweg__About about = KURZWEG__ABOUT__INIT;
	Kurzweg__CommitSeen seen = KURZWEG__COMMIT_SEEN__INIT;
	char *to[KW_TO_MAX];
	uint8_t *at;
	size_t len;

	MUST(h->to_count <= KW_TO_MAX);
	for (uint32_t i = 0; i < h->to_count; i++)
		to[i] = text_of(h->to[i]);
	m.id = bytes_of(h->id, KW_ID_LEN);
	m.partnership = text_of(h->partnership);
	m.mode = h->mode;
	m.agreement_version = h->agreement_version;
	m.agreement_hash = bytes_of(h->agreement_hash, KW_HASH_LEN);
	m.sender = text_of(h->sender);
	m.sender_epoch = h->sender_epoch;
	m.topic = text_of(h->topic);
	m.n_to = h->to_count;
	m.to = to;
	m.lane = h->lane;
	m.created_ms = h->created_ms;
	m.expires_ms = h->expires_ms;
	m.type = h->type;
	m.next_owner = text_of(h->next_owner);
	if (h->about.set) {
		about.id = bytes_of(h->about.id, KW_ID_LEN);
		about.frame_hash = bytes_of(h->about.frame_hash, KW_HASH_LEN);
		m.about = &about;
	}
	m.take_within_s = h->take_within_s;
	m.payload_type = h->payload_type;
	if (h->seen.number != 0) {
		seen.number = h->seen.number;
		seen.hash = bytes_of(h->seen.hash, KW_HASH_LEN);
		m.seen = &seen;
	}
	m.confirm_at_once = h->confirm_at_once;
	m.not_before_ms = h->not_before_ms;
	len = kurzweg__header__get_packed_size(&m);
	if (len > KW_HEADER_MAX)
		return kw_refuse(why, KW_ELIMIT, "the header has %zu bytes with %u readers named, at most %d are allowed; name fewer, or send to all who may read the topic",
		                 len, h->to_count, KW_HEADER_MAX);
	if ((at = buf_reserve(out, len)) == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for a header of %zu bytes", len);
	buf_commit(out, kurzweg__header__pack(&m, at));
	return KW_OK;
}
