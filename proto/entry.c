/* entry: the broker's own entries, an agreement's arrival, how a case stands, who is suspended. */
#include "proto/entry.h"

#include <string.h>

#include "base/text.h"
#include "proto/seal.h"

static const char magic[4] = {'K', 'W', 'E', '1'};

static void
head_put(uint8_t *out, const struct broker_entry *e)
{
	memcpy(out, magic, 4);
	out[4] = (uint8_t)e->kind;
	be64_put(out + 5, e->time_ms);
	be32_put(out + 13, e->version);
	memcpy(out + 17, e->agreement_hash, KW_HASH_LEN);
}

void
entry_encode(uint8_t out[ENTRY_LEN], const struct broker_entry *e, const uint8_t sign_secret[64])
{
	MUST(e->kind == ENTRY_AGREEMENT);
	head_put(out, e);
	MUST(seal_sign(out + ENTRY_HEAD_LEN, LABEL_SIGN_CASE, span_of(out, ENTRY_HEAD_LEN), sign_secret));
}

static size_t
name_put(uint8_t *out, const char *name)
{
	size_t len = strlen(name);

	out[0] = (uint8_t)len;
	memcpy(out + 1, name, len);
	return 1 + len;
}

size_t
entry_case_encode(uint8_t out[ENTRY_CASE_MAX], const struct broker_entry *e, const uint8_t sign_secret[64])
{
	const struct entry_case *c = &e->of_case;
	struct broker_entry check;
	uint8_t *at = out + ENTRY_HEAD_LEN;
	size_t len;

	MUST(e->kind == ENTRY_CASE);
	MUST(strlen(c->owner) <= KW_NODE_MAX && strlen(c->next) <= KW_NODE_MAX);
	head_put(out, e);
	at[0] = (uint8_t)c->cause;
	at[1] = (uint8_t)c->state;
	at[2] = (uint8_t)c->lane;
	be32_put(at + 3, c->in_force);
	memcpy(at + 7, c->id, KW_ID_LEN);
	memcpy(at + 23, c->frame_hash, KW_HASH_LEN);
	be64_put(at + 55, c->opened);
	be64_put(at + 63, c->upto);
	be32_put(at + 71, c->entries);
	be32_put(at + 75, c->alarms);
	be16_put(at + 79, c->rule);
	be64_put(at + 81, c->until_ms);
	at += 89;
	at += name_put(at, c->owner);
	at += name_put(at, c->next);
	len = (size_t)(at - out);
	MUST(seal_sign(at, LABEL_SIGN_CASE, span_of(out, len), sign_secret));
	MUST(entry_decode(&check, span_of(out, len + KW_SIG_LEN), NULL) == KW_OK); /* what nobody takes must not be signed */
	return len + KW_SIG_LEN;
}

static enum kw_err
name_get(char *out, size_t most, struct cursor *c, const char *of, struct kw_why *why)
{
	uint8_t len = cursor_u8(c);
	const uint8_t *p = cursor_take(c, len);

	if (c->bad || len > most)
		return kw_refuse(why, KW_EPROTO, "a broker's entry breaks off, or is too long, at the %s", of);
	memcpy(out, p, len);
	out[len] = '\0';
	if (strlen(out) != len)
		return kw_refuse(why, KW_EPROTO, "a broker's entry has a zero byte in the %s", of);
	return KW_OK;
}

static void
fields_get(struct entry_case *c, struct cursor *in)
{
	c->cause = (enum case_cause)cursor_u8(in);
	c->state = (enum case_state)cursor_u8(in);
	c->lane = (enum lane)cursor_u8(in);
	c->in_force = cursor_u32(in);
	memcpy(c->id, cursor_take(in, KW_ID_LEN), KW_ID_LEN);
	memcpy(c->frame_hash, cursor_take(in, KW_HASH_LEN), KW_HASH_LEN);
	c->opened = cursor_u64(in);
	c->upto = cursor_u64(in);
	c->entries = cursor_u32(in);
	c->alarms = cursor_u32(in);
	c->rule = cursor_u16(in);
	c->until_ms = cursor_u64(in);
}

static bool
cause_fits(enum case_cause cause, enum case_state state)
{
	switch (cause) {
	case CAUSE_OPENED:
	case CAUSE_MOVED:
	case CAUSE_VOID:            return state != CASE_LAPSED || cause == CAUSE_VOID;
	case CAUSE_TIMEOUT:         return state == CASE_OFFERED || state == CASE_ESCALATED;
	case CAUSE_HANDOVER_LAPSED: return state == CASE_TAKEN;
	case CAUSE_ALARM:           return state == CASE_ESCALATED;
	case CAUSE_LAPSED:          return state == CASE_LAPSED;
	case CAUSE_AGREEMENT:       return state == CASE_OFFERED || state == CASE_ESCALATED || state == CASE_TAKEN;
	}
	return false;
}

/* Open cases that nobody has taken have a limit, and a taken one exactly where it is being handed over. */
static bool
limit_fits(const struct entry_case *c)
{
	bool handed = c->next[0] != '\0';

	if (c->state == CASE_TAKEN)
		return handed == (c->until_ms != 0);
	return !handed && (c->until_ms != 0) == (c->state == CASE_OFFERED || c->state == CASE_ESCALATED);
}

static enum kw_err
case_check(const struct entry_case *c, uint32_t version, struct kw_why *why)
{
	if (c->state <= CASE_WAITING || c->state > CASE_LAPSED || !cause_fits(c->cause, c->state))
		return kw_refuse(why, KW_EPROTO, "a broker's entry says that a case is in state %u for cause %u, which cannot be", (unsigned)c->state, (unsigned)c->cause);
	if ((unsigned)c->lane >= KW_LANES)
		return kw_refuse(why, KW_EPROTO, "a broker's entry names lane %u for a case; lanes are 0 to %d", (unsigned)c->lane, KW_LANES - 1);
	if (c->in_force < version)
		return kw_refuse(why, KW_EPROTO, "a broker's entry judges a case by version %u of the agreement, but names %u as the one in force", version, c->in_force);
	if (c->opened == 0 || c->upto < c->opened || c->entries == 0 || c->entries - 1 > c->upto - c->opened)
		return kw_refuse(why, KW_EPROTO, "a broker's entry counts %u entries of a case from number %llu to %llu, which cannot be", c->entries,
		                 (unsigned long long)c->opened, (unsigned long long)c->upto);
	if (c->cause == CAUSE_ALARM && c->alarms == 0)
		return kw_refuse(why, KW_EPROTO, "a broker's entry is an alarm and counts none");
	if (node_check(c->owner, NULL) != KW_OK || (c->next[0] != '\0' && node_check(c->next, NULL) != KW_OK) || strcmp(c->owner, c->next) == 0)
		return kw_refuse(why, KW_EPROTO, "a broker's entry names \"%.64s\" as owner of a case and \"%.64s\" as the next, which cannot be", c->owner, c->next);
	if (!limit_fits(c))
		return kw_refuse(why, KW_EPROTO, "a broker's entry gives a case that is %s a limit of time or a next owner that does not fit", case_state_name(c->state));
	return KW_OK;
}

static enum kw_err
case_get(struct entry_case *c, struct span in, uint32_t version, struct kw_why *why)
{
	struct cursor rest;
	enum kw_err err;

	if (in.len < ENTRY_CASE_MIN || in.len > ENTRY_CASE_MAX)
		return kw_refuse(why, KW_EPROTO, "a broker's entry about a case has %zu bytes, must have %d to %d", in.len, ENTRY_CASE_MIN, ENTRY_CASE_MAX);
	rest = cursor_over(span_of(in.p + ENTRY_HEAD_LEN, in.len - ENTRY_HEAD_LEN - KW_SIG_LEN));
	fields_get(c, &rest);
	if ((err = name_get(c->owner, KW_NODE_MAX, &rest, "name of the owner", why)) != KW_OK ||
	    (err = name_get(c->next, KW_NODE_MAX, &rest, "name of the next owner", why)) != KW_OK)
		return err;
	if (!cursor_done(&rest))
		return kw_refuse(why, KW_EPROTO, "a broker's entry about a case has %zu bytes too many", cursor_left(&rest));
	return case_check(c, version, why);
}

/* ---- suspensions ---- */

size_t
entry_suspension_encode(uint8_t out[ENTRY_SUSPENSION_MAX], const struct broker_entry *e, const uint8_t sign_secret[64])
{
	const struct entry_suspension *s = &e->of_suspension;
	struct broker_entry check;
	uint8_t *at = out + ENTRY_HEAD_LEN;
	size_t len;

	MUST(e->kind == ENTRY_SUSPENSION);
	MUST(strlen(s->node) <= KW_NODE_MAX && strlen(s->by) <= KW_NODE_MAX && strlen(s->reason) <= KW_SUSPENSION_REASON_MAX);
	head_put(out, e);
	at[0] = (uint8_t)s->act;
	be64_put(at + 1, s->from_ms);
	be64_put(at + 9, s->until_ms);
	at += 17;
	at += name_put(at, s->node);
	at += name_put(at, s->by);
	at += name_put(at, s->reason);
	len = (size_t)(at - out);
	MUST(seal_sign(at, LABEL_SIGN_CASE, span_of(out, len), sign_secret));
	MUST(entry_decode(&check, span_of(out, len + KW_SIG_LEN), NULL) == KW_OK);
	return len + KW_SIG_LEN;
}

static enum kw_err
suspension_check(const struct entry_suspension *s, struct kw_why *why)
{
	bool begun = s->act == SUSPENSION_BEGUN;

	if (!begun && s->act != SUSPENSION_LIFTED)
		return kw_refuse(why, KW_EPROTO, "a broker's entry does %u to a suspension, which is not known here", (unsigned)s->act);
	if (s->until_ms < s->from_ms + begun || s->until_ms - s->from_ms > KW_SUSPENDED_MAX_MS)
		return kw_refuse(why, KW_EPROTO, "a broker's entry suspends a node from %llu to %llu ms, which is none or more than 72 hours", (unsigned long long)s->from_ms,
		                 (unsigned long long)s->until_ms);
	if (node_check(s->node, NULL) != KW_OK || s->by[0] == '\0' || text_unclean_at(span_str(s->by), TEXT_LINE) != SIZE_MAX)
		return kw_refuse(why, KW_EPROTO, "a broker's entry names \"%.64s\" as a suspended node and \"%.64s\" as who wants it, which cannot be", s->node, s->by);
	if (begun ? suspension_reason_check(span_str(s->reason), NULL) != KW_OK : s->reason[0] != '\0')
		return kw_refuse(why, KW_EPROTO, "a broker's entry about the suspension of %s has a reason that cannot be", s->node);
	return KW_OK;
}

static enum kw_err
suspension_get(struct entry_suspension *s, struct span in, struct kw_why *why)
{
	struct cursor rest;
	enum kw_err err;

	if (in.len < ENTRY_SUSPENSION_MIN || in.len > ENTRY_SUSPENSION_MAX)
		return kw_refuse(why, KW_EPROTO, "a broker's entry about a suspension has %zu bytes, must have %d to %u", in.len, ENTRY_SUSPENSION_MIN, ENTRY_SUSPENSION_MAX);
	rest = cursor_over(span_of(in.p + ENTRY_HEAD_LEN, in.len - ENTRY_HEAD_LEN - KW_SIG_LEN));
	s->act = (enum suspension_act)cursor_u8(&rest);
	s->from_ms = cursor_u64(&rest);
	s->until_ms = cursor_u64(&rest);
	if ((err = name_get(s->node, KW_NODE_MAX, &rest, "name of the node", why)) != KW_OK || (err = name_get(s->by, KW_NODE_MAX, &rest, "name of the operator", why)) != KW_OK ||
	    (err = name_get(s->reason, KW_SUSPENSION_REASON_MAX, &rest, "reason", why)) != KW_OK)
		return err;
	if (!cursor_done(&rest))
		return kw_refuse(why, KW_EPROTO, "a broker's entry about a suspension has %zu bytes too many", cursor_left(&rest));
	return suspension_check(s, why);
}

enum kw_err
entry_decode(struct broker_entry *out, struct span in, struct kw_why *why)
{
	struct broker_entry e;
	enum kw_err err;

	memset(&e, 0, sizeof e);
	if (in.len < ENTRY_LEN)
		return kw_refuse(why, KW_EPROTO, "a broker's entry has %zu bytes, must have at least %d", in.len, ENTRY_LEN);
	if (memcmp(in.p, magic, 4) != 0)
		return kw_refuse(why, KW_EPROTO, "a broker's entry does not begin with KWE1");
	if (in.p[4] != ENTRY_AGREEMENT && in.p[4] != ENTRY_CASE && in.p[4] != ENTRY_SUSPENSION)
		return kw_refuse(why, KW_EPROTO, "a broker's entry is of kind %u, which is not known here", in.p[4]);
	if (in.p[4] == ENTRY_AGREEMENT && in.len != ENTRY_LEN)
		return kw_refuse(why, KW_EPROTO, "a broker's entry about an agreement has %zu bytes, must have %d", in.len, ENTRY_LEN);
	if (be32_get(in.p + 13) == 0)
		return kw_refuse(why, KW_EPROTO, "a broker's entry names version 0 of the agreement; versions begin at 1");
	e.kind = (enum entry_kind)in.p[4];
	e.time_ms = be64_get(in.p + 5);
	e.version = be32_get(in.p + 13);
	memcpy(e.agreement_hash, in.p + 17, KW_HASH_LEN);
	if (e.kind == ENTRY_CASE && (err = case_get(&e.of_case, in, e.version, why)) != KW_OK)
		return err;
	if (e.kind == ENTRY_SUSPENSION && (err = suspension_get(&e.of_suspension, in, why)) != KW_OK)
		return err;
	*out = e;
	return KW_OK;
}

bool
entry_verify(struct span in, const uint8_t broker_pk[KW_KEY_LEN])
{
	size_t len = in.len - KW_SIG_LEN;

	return in.len >= ENTRY_LEN && seal_verify(in.p + len, LABEL_SIGN_CASE, span_of(in.p, len), broker_pk);
}

void
entry_hash(uint8_t out[KW_HASH_LEN], struct span in)
{
	seal_hash(out, NULL, LABEL_FRAME, &in, 1);
}
