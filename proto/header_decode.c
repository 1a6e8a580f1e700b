/* header_decode: scanned, unpacked, and every field checked for itself; one check a line. */
#include "proto/header.h"

#include <stdalign.h>
#include <string.h>

#include "kurzweg/header.pb-c.h"
#include "proto/scan.h"

#define FIELDS_MAX 128u
#define MEMORY_MAX 32768u /* on the stack: every notification passes here */
#define CREATED_MS_MIN 1577836800000ull /* 2020 */
#define CREATED_MS_MAX 7258118400000ull /* 2200 */

static enum kw_err
want_bytes(uint8_t *out, size_t len, ProtobufCBinaryData in, const char *field, struct kw_why *why)
{
	if (in.len != len)
		return kw_refuse(why, KW_EPROTO, "Header.%s has %zu bytes, must have %zu", field, in.len, len);
	memcpy(out, in.data, len);
	return KW_OK;
}

static enum kw_err
want_node(char out[KW_NODE_MAX + 1], const char *in, const char *field, struct kw_why *why)
{
	if (node_check(in, why) != KW_OK) {
		kw_why_prefix(why, "Header.%s", field);
		return KW_EPROTO;
	}
	memcpy(out, in, strlen(in) + 1);
	return KW_OK;
}

static enum kw_err
want_to(struct header *out, const Kurzweg__Header *m, struct kw_why *why)
{
	enum kw_err err;

	if (m->n_to > KW_TO_MAX)
		return kw_refuse(why, KW_EPROTO, "Header.to names %zu nodes, at most %d are allowed", m->n_to, KW_TO_MAX);
	for (size_t i = 0; i < m->n_to; i++) {
		if ((err = want_node(out->to[i], m->to[i], "to", why)) != KW_OK)
			return err;
		if (i > 0 && strcmp(out->to[i - 1], out->to[i]) >= 0)
			return kw_refuse(why, KW_EPROTO, "Header.to is not sorted, or names %s twice", out->to[i]);
	}
	out->to_count = (uint32_t)m->n_to;
	return KW_OK;
}

static enum kw_err
want_enums(struct header *out, const Kurzweg__Header *m, struct kw_why *why)
{
	if (m->mode != MODE_LIVE && m->mode != MODE_EXERCISE)
		return kw_refuse(why, KW_EPROTO, "Header.mode is %u, must be 1 (live) or 2 (exercise)", m->mode);
	if (m->lane >= KW_LANES)
		return kw_refuse(why, KW_EPROTO, "Header.lane is %u, there are %d", m->lane, KW_LANES);
	if (m->type < TYPE_NOTICE || m->type > TYPE_RELEASED)
		return kw_refuse(why, KW_EPROTO, "Header.type %u is unknown", m->type);
	if (payload_type_name((enum payload_type)m->payload_type)[0] == '?' || m->payload_type == PAYLOAD_RELEASE)
		return kw_refuse(why, KW_EPROTO, "Header.payload_type %u is unknown", m->payload_type);
	out->mode = (enum kw_mode)m->mode;
	out->lane = (enum lane)m->lane;
	out->type = (enum notice_type)m->type;
	out->payload_type = (enum payload_type)m->payload_type;
	return KW_OK;
}

static bool
type_wants_about(enum notice_type type)
{
	switch (type) {
	case TYPE_UPDATE:
	case TYPE_CANCEL:
	case TYPE_RECALL:
	case TYPE_VOID:
	case TYPE_NOTE:
	case TYPE_FORWARDED:
	case TYPE_RELEASED:
		return true;
	default:
		return notice_type_is_receipt(type);
	}
}

static enum kw_err
want_about(struct header *out, const Kurzweg__Header *m, struct kw_why *why)
{
	enum kw_err err;

	if ((m->about != NULL) != type_wants_about(out->type) && out->type != TYPE_DRAFT) /* a draft may be one of a correction */
		return kw_refuse(why, KW_EPROTO, "Header.about %s for the type %s", m->about != NULL ? "may not stand" : "is missing",
		                 notice_type_name(out->type));
	out->about.set = m->about != NULL;
	if (m->about == NULL)
		return KW_OK;
	if ((err = want_bytes(out->about.id, KW_ID_LEN, m->about->id, "about.id", why)) != KW_OK)
		return err;
	return want_bytes(out->about.frame_hash, KW_HASH_LEN, m->about->frame_hash, "about.frame_hash", why);
}

static enum kw_err
want_seen(struct header *out, const Kurzweg__Header *m, struct kw_why *why)
{
	if (m->seen == NULL)
		return KW_OK;
	if (m->seen->number == 0)
		return kw_refuse(why, KW_EPROTO, "Header.seen has number 0; commits begin at 1");
	if (m->seen->number > INT64_MAX)
		return kw_refuse(why, KW_EPROTO, "Header.seen has number %llu; no log gets so far", (unsigned long long)m->seen->number);
	out->seen.number = m->seen->number;
	return want_bytes(out->seen.hash, KW_HASH_LEN, m->seen->hash, "seen.hash", why);
}

static enum kw_err
want_next_owner(struct header *out, const Kurzweg__Header *m, struct kw_why *why)
{
	bool there = m->next_owner[0] != '\0';

	if (there != (out->type == TYPE_HANDED_OVER))
		return kw_refuse(why, KW_EPROTO, "Header.next_owner %s for the type %s", there ? "may not stand" : "is missing",
		                 notice_type_name(out->type));
	return there ? want_node(out->next_owner, m->next_owner, "next_owner", why) : KW_OK;
}

static enum kw_err
want_times(struct header *out, const Kurzweg__Header *m, struct kw_why *why)
{
	if (m->created_ms < CREATED_MS_MIN || m->created_ms > CREATED_MS_MAX)
		return kw_refuse(why, KW_EPROTO, "Header.created_ms %llu lies outside of the years 2020 to 2199", (unsigned long long)m->created_ms);
	if (m->expires_ms <= m->created_ms || m->expires_ms > CREATED_MS_MAX)
		return kw_refuse(why, KW_EPROTO, "Header.expires_ms %llu does not lie behind created_ms %llu", (unsigned long long)m->expires_ms,
		                 (unsigned long long)m->created_ms);
	if (m->not_before_ms != 0 && out->type != TYPE_DRAFT && out->type != TYPE_RELEASED)
		return kw_refuse(why, KW_EPROTO, "Header.not_before_ms may not stand for the type %s", notice_type_name(out->type));
	if (m->not_before_ms >= m->expires_ms)
		return kw_refuse(why, KW_EPROTO, "Header.not_before_ms %llu does not lie before expires_ms %llu", (unsigned long long)m->not_before_ms,
		                 (unsigned long long)m->expires_ms);
	out->created_ms = m->created_ms;
	out->expires_ms = m->expires_ms;
	out->not_before_ms = m->not_before_ms;
	return KW_OK;
}

static enum kw_err
want_names(struct header *out, const Kurzweg__Header *m, struct kw_why *why)
{
	enum kw_err err;

	if (name_check(m->partnership, "the partnership", why) != KW_OK)
		return KW_EPROTO;
	memcpy(out->partnership, m->partnership, strlen(m->partnership) + 1);
	if ((err = want_node(out->sender, m->sender, "sender", why)) != KW_OK)
		return err;
	if (topic_check(m->topic, why) != KW_OK)
		return KW_EPROTO;
	memcpy(out->topic, m->topic, strlen(m->topic) + 1);
	return want_to(out, m, why);
}

static enum kw_err
take(struct header *out, const Kurzweg__Header *m, struct kw_why *why)
{
	enum kw_err err;

	if ((err = want_bytes(out->id, KW_ID_LEN, m->id, "id", why)) != KW_OK)
		return err;
	if ((err = want_bytes(out->agreement_hash, KW_HASH_LEN, m->agreement_hash, "agreement_hash", why)) != KW_OK)
		return err;
	if (m->agreement_version == 0)
		return kw_refuse(why, KW_EPROTO, "Header.agreement_version is missing");
	if (m->sender_epoch == 0)
		return kw_refuse(why, KW_EPROTO, "Header.sender_epoch is missing");
	if (m->sender_epoch > INT64_MAX)
		return kw_refuse(why, KW_EPROTO, "Header.sender_epoch %llu is beyond 2^63; epochs begin at a clock's milliseconds",
		                 (unsigned long long)m->sender_epoch);
	if ((err = want_names(out, m, why)) != KW_OK)
		return err;
	if ((err = want_enums(out, m, why)) != KW_OK)
		return err;
	if ((err = want_times(out, m, why)) != KW_OK)
		return err;
	if ((err = want_about(out, m, why)) != KW_OK)
		return err;
	if ((err = want_next_owner(out, m, why)) != KW_OK)
		return err;
	if ((err = want_seen(out, m, why)) != KW_OK)
		return err;
	out->agreement_version = m->agreement_version;
	out->sender_epoch = m->sender_epoch;
	out->take_within_s = m->take_within_s;
	out->confirm_at_once = m->confirm_at_once;
	return KW_OK;
}

enum kw_err
header_decode(struct header *out, struct span in, struct kw_why *why)
{
	alignas(16) uint8_t bytes[MEMORY_MAX];
	struct header h;
	struct block memory;
	Kurzweg__Header *m;
	enum kw_err err;

	if (in.len == 0 || in.len > KW_HEADER_MAX)
		return kw_refuse(why, KW_EPROTO, "the header has %zu bytes, must have 1 to %d", in.len, KW_HEADER_MAX);
	if ((err = scan_message(in, &kurzweg__header__descriptor, FIELDS_MAX, why)) != KW_OK)
		return err;
	block_init(&memory, bytes, sizeof bytes);
	if ((m = kurzweg__header__unpack(&memory.allocator, in.len, in.p)) == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for a header of %zu bytes", in.len);
	memset(&h, 0, sizeof h);
	err = take(&h, m, why);
	if (err == KW_OK)
		*out = h;
	return err;
}
