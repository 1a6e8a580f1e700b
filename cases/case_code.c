/* case_code: a case as bytes, for the broker's store and a node's. Big-endian, every field in its place, then the parties. */
#include <string.h>

#include "base/span.h"
#include "cases/case_parts.h"

#define FORM 1u
#define FIXED_LEN (1 + KW_ID_LEN + KW_HASH_LEN + 4 + 9 * 8 + 13 * 4 + 2)
#define PARTY_LEN 5
static_assert(FIXED_LEN + PARTY_LEN * CASE_PARTIES_MAX == CASE_CODE_MAX, "the fullest case just fits");

static uint8_t *
put32(uint8_t *at, uint32_t v)
{
	be32_put(at, v);
	return at + 4;
}

static uint8_t *
put64(uint8_t *at, uint64_t v)
{
	be64_put(at, v);
	return at + 8;
}

size_t
case_encode(uint8_t out[CASE_CODE_MAX], const struct kw_case *c)
{
	const uint64_t wide[] = {c->opened, c->upto, c->changed, c->moved, c->stated, c->stated_upto, c->stated_ms, c->until_ms, c->expires_ms};
	const uint32_t narrow[] = {c->version, c->in_force, c->newest, c->entries, c->moves, c->alarms, c->alarm_ms,
	                           c->sender, c->coordinator, c->owner, c->next, c->giver, c->wish};
	uint8_t *at = out;

	MUST(case_unsound(c) == NULL);
	*at++ = FORM;
	memcpy(at, c->id, KW_ID_LEN);
	at += KW_ID_LEN;
	memcpy(at, c->frame_hash, KW_HASH_LEN);
	at += KW_HASH_LEN;
	*at++ = c->lane;
	*at++ = c->state;
	*at++ = c->open_to_readers;
	*at++ = c->party_count;
	for (size_t i = 0; i < sizeof wide / sizeof wide[0]; i++)
		at = put64(at, wide[i]);
	for (size_t i = 0; i < sizeof narrow / sizeof narrow[0]; i++)
		at = put32(at, narrow[i]);
	be16_put(at, c->rule);
	at += 2;
	MUST(at == out + FIXED_LEN);
	for (uint32_t i = 0; i < c->party_count; i++) {
		at = put32(at, c->party[i]);
		*at++ = c->flags[i];
	}
	return (size_t)(at - out);
}

static void
fixed_get(struct kw_case *c, struct cursor *in, uint8_t *open_to_readers)
{
	uint64_t *const wide[] = {&c->opened, &c->upto, &c->changed, &c->moved, &c->stated, &c->stated_upto, &c->stated_ms, &c->until_ms, &c->expires_ms};
	uint32_t *const narrow[] = {&c->version, &c->in_force, &c->newest, &c->entries, &c->moves, &c->alarms, &c->alarm_ms,
	                            &c->sender, &c->coordinator, &c->owner, &c->next, &c->giver, &c->wish};

	memcpy(c->id, cursor_take(in, KW_ID_LEN), KW_ID_LEN);
	memcpy(c->frame_hash, cursor_take(in, KW_HASH_LEN), KW_HASH_LEN);
	c->lane = cursor_u8(in);
	c->state = cursor_u8(in);
	*open_to_readers = cursor_u8(in);
	c->party_count = cursor_u8(in);
	for (size_t i = 0; i < sizeof wide / sizeof wide[0]; i++)
		*wide[i] = cursor_u64(in);
	for (size_t i = 0; i < sizeof narrow / sizeof narrow[0]; i++)
		*narrow[i] = cursor_u32(in);
	c->rule = cursor_u16(in);
}

static bool
parties_get(struct kw_case *c, struct cursor *in)
{
	uint8_t count = c->party_count;

	c->party_count = 0;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t actor = cursor_u32(in);
		uint8_t flags = cursor_u8(in);

		if (actor == CASE_NOBODY || case_is_party(c, actor) || flags > (PARTY_LINE | PARTY_TRIED | PARTY_GAVE))
			return false;
		(void)case_party_add(c, actor, flags);
	}
	return cursor_done(in);
}

enum kw_err
case_decode(struct kw_case *out, struct span in, struct kw_why *why)
{
	struct cursor rest = cursor_over(in);
	struct kw_case c;
	uint8_t open_to_readers;
	const char *what;

	memset(&c, 0, sizeof c);
	if (in.len < FIXED_LEN || in.len > CASE_CODE_MAX || cursor_u8(&rest) != FORM)
		return kw_refuse(why, KW_ECORRUPT, "a kept case has %zu bytes, or begins otherwise than this version writes it", in.len);
	fixed_get(&c, &rest, &open_to_readers);
	if (c.party_count > CASE_PARTIES_MAX || in.len != FIXED_LEN + (size_t)c.party_count * PARTY_LEN || !parties_get(&c, &rest))
		return kw_refuse(why, KW_ECORRUPT, "a kept case of %u parties has %zu bytes, or parties that cannot be", c.party_count, in.len);
	if (open_to_readers > 1 || c.lane >= KW_LANES || c.version == 0 || c.in_force < c.version)
		return kw_refuse(why, KW_ECORRUPT, "a kept case is of lane %u and version %u of %u, which cannot be", c.lane, c.version, c.in_force);
	c.open_to_readers = open_to_readers;
	if ((what = case_unsound(&c)) != NULL)
		return kw_refuse(why, KW_ECORRUPT, "a kept case cannot be: %s", what);
	*out = c;
	return KW_OK;
}
