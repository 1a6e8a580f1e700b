/*
 * What a member sends that does not mean well, and what a broker hands over that alters it. The bytes make a header and a payload; both are
 * sealed and signed with keys of the agreement, perhaps another's, and then perhaps a byte is changed, or another's wrap is put beside
 * it. The reader takes it whole, in the sender's own words and by its rights, or says in a sentence what does not hold.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients/partner/reader.h"
#include "fuzz.h"
#include "proto/payload.h"
#include "tests/unit/agreement_fixture.h"

#define NOW_MS 1796500000000ull /* within the fixture's validity */
#define DAY_MS 86400000ull
#define ME "police/control-room"

static const char *const senders[] = {"city/public-order", "youth-house/office", "shelter/desk", "city/crime-prevention"};
enum { SENDERS = 4 };

/* Keys and seals that follow from how often they were asked for, so that an input does the same again in another process. */
static const char *name_of_random(void) { return "counted"; }
static uint32_t counted(void) { static uint32_t n; return ++n * 0x9E3779B9u; }
static void fill(void *const to, const size_t size) { for (size_t i = 0; i < size; i++) ((uint8_t *)to)[i] = (uint8_t)(counted() >> 24); }

struct sides { struct agreement_chain *chain; struct seal_opener *opener; struct seal_sender *ephemeral[SENDERS]; };

static void
signed_text(struct buf *sigs, const struct agreement *a)
{
	struct kw_why why = {""};

	HOLDS(agreement_sign(sigs, a, NULL, fixture_key("mayor"), &why) == KW_OK, why.text);
	HOLDS(agreement_sign(sigs, a, NULL, fixture_key("president"), &why) == KW_OK, why.text);
}

static struct sides *
both_sides(void)
{
	static randombytes_implementation random = {.implementation_name = name_of_random, .random = counted, .buf = fill};
	static const uint8_t fresh[32] = {5};
	static struct sides s;
	char fingerprint[KEY_FINGERPRINT_MAX];
	struct buf sigs = BUF_INIT(4096);
	struct agreement *a;
	struct kw_why why = {""};

	if (s.chain != NULL)
		return &s;
	(void)setenv("CMOCKA_TEST_ABORT", "1", 0);
	HOLDS(randombytes_set_implementation(&random) == 0 && fixture_make_keys(NULL) == 0, "keys");
	a = fixture_agreement(fixture_text, NULL, NULL);
	signed_text(&sigs, a);
	agreement_fingerprint(fingerprint, a);
	HOLDS(agreement_chain_new(&s.chain) == KW_OK, "memory");
	HOLDS(agreement_chain_add_first(s.chain, &a, buf_span(&sigs), fingerprint, &why) == KW_OK, why.text);
	buf_free(&sigs);
	HOLDS(seal_opener_new(&s.opener, ME, secret_keys_public(fixture_key(ME))->seal_pk, secret_keys_seal(fixture_key(ME)), 8) == KW_OK, "memory");
	for (uint64_t i = 0; i < SENDERS; i++)
		HOLDS(seal_sender_new(&s.ephemeral[i], secret_keys_local(fixture_key(senders[i])), fresh, 1, i) == KW_OK, "memory");
	return &s;
}

/* ---- what is said ---- */

static void
make_header(struct header *h, const struct agreement *a, struct cursor *in, uint32_t sender)
{
	static const char *const topics[] = {"alert/storm", "alert/flood/west", "request/noise/west", "statement/all", "youth/report", "nowhere"};
	static const char *const readers[] = {ME, "city/crime-prevention", "youth-house/office", "shelter/desk", "nobody/here"};
	uint8_t how = cursor_u8(in), to = cursor_u8(in), type = cursor_u8(in), odd = cursor_u8(in);

	memset(h, 0, sizeof *h);
	h->id[0] = 1;
	(void)snprintf(h->partnership, sizeof h->partnership, odd == 1 ? "elsewhere" : "musterstadt");
	h->mode = odd == 2 ? MODE_EXERCISE : MODE_LIVE;
	h->agreement_version = odd == 3 ? 2 : 1;
	memcpy(h->agreement_hash, agreement_hash(a), KW_HASH_LEN);
	h->agreement_hash[0] ^= odd == 4;
	(void)snprintf(h->sender, sizeof h->sender, "%s", odd == 5 ? ME : odd == 6 ? "nobody/here" : senders[sender]);
	h->sender_epoch = 1000;
	(void)snprintf(h->topic, sizeof h->topic, "%s", topics[how % 6]);
	h->lane = (enum lane)(how / 6 % KW_LANES);
	h->created_ms = NOW_MS + (odd == 7 ? 900 * DAY_MS : 0);
	h->expires_ms = h->created_ms + (odd == 8 ? 60 * DAY_MS : DAY_MS);
	h->type = type < 160 ? TYPE_NOTICE : (enum notice_type)(TYPE_NOTICE + type % TYPE_RELEASED);
	h->payload_type = (enum payload_type)(cursor_u8(in) % (PAYLOAD_VOID + 1));
	h->about.set = h->type != TYPE_NOTICE && h->type != TYPE_REQUEST && h->type != TYPE_AGREEMENT && odd != 9;
	h->about.id[0] = 7;
	if (h->type == TYPE_HANDED_OVER)
		(void)snprintf(h->next_owner, sizeof h->next_owner, "%s", ME);
	h->take_within_s = odd == 10 ? 300 : 0;
	h->not_before_ms = odd == 11 ? NOW_MS + 1000 : 0;
	for (uint32_t i = 0; i < 5; i++)
		if (to >> i & 1)
			(void)snprintf(h->to[h->to_count++], sizeof h->to[0], "%s", readers[i]);
	for (uint32_t i = 1; i < h->to_count; i++) /* in order, as decode wants them */
		for (uint32_t k = i; k > 0 && strcmp(h->to[k - 1], h->to[k]) > 0; k--) {
			char swap[KW_NODE_MAX + 1];

			memcpy(swap, h->to[k], sizeof swap);
			memcpy(h->to[k], h->to[k - 1], sizeof swap);
			memcpy(h->to[k - 1], swap, sizeof swap);
		}
}

/* ---- what the reader makes of it ---- */

static void
fine(const struct sides *s, const struct reading *r, const struct header *said, struct span payload, bool altered)
{
	const struct agreement *a = agreement_chain_get(s->chain, r->header.agreement_version);
	uint32_t nodes[16], count = 0, me = a != NULL ? agreement_node(a, ME) : 0, sender = a != NULL ? agreement_node(a, said->sender) : 0;
	struct kw_why why = {""};
	bool meant = false;

	HOLDS(!altered, "altered, and taken");
	HOLDS(a != NULL && r->signature_held && r->has_number && r->number == 42, "taken without its number or signature");
	HOLDS(sender != AGREEMENT_NOBODY && agreement_may_send(nodes, &count, a, said, sender, said->created_ms, &why) == KW_OK, why.text);
	for (uint32_t i = 0; i < count; i++)
		meant = meant || nodes[i] == me;
	HOLDS(meant, "taken by somebody who may not read it");
	HOLDS(r->whole && (said->type == TYPE_RELEASED || span_eq(buf_span(&r->payload), payload)), "taken with another payload");
	HOLDS(payload_check(said->payload_type, buf_span(&r->payload), &why) == KW_OK || said->payload_type == PAYLOAD_NONE, why.text);
}

static void
deliver(const struct sides *s, struct span frame, const uint8_t wrap[KW_WRAP_LEN], const struct header *said, struct span payload, bool altered)
{
	struct reader reader = {.node = ME, .chain = s->chain, .opener = s->opener, .now_ms = NOW_MS + 5000};
	struct wire_deliver d = {.at = {1, said->lane, 1}, .commit = 1, .mark = MARK_WHOLE, .has_wrap = true};
	struct reading r;

	memcpy(d.wrap, wrap, KW_WRAP_LEN);
	if (reader_head(&r, frame, MARK_WHOLE) == KW_OK)
		reader_check(&r, &reader, &d);
	HOLDS(r.verdict == READER_FINE || r.why.text[0] != '\0', "refused without a sentence");
	HOLDS(r.verdict != READER_FAILED, r.why.text);
	HOLDS(reader_step_name(r.step)[0] != '?', "a step without a name");
	if (r.verdict == READER_FINE)
		fine(s, &r, said, payload, altered);
	reading_free(&r);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	static const uint8_t random[32] = {9};
	struct cursor in = cursor_over(span_of(p, len));
	struct sides *s = both_sides();
	uint8_t who = cursor_u8(&in), alter = cursor_u8(&in), bit = cursor_u8(&in);
	uint16_t where = cursor_u16(&in);
	uint32_t sender = who % SENDERS, signer = who >= 240 ? who / 4 % SENDERS : sender;
	struct seal_reader reader = {ME, secret_keys_public(fixture_key(ME))->seal_pk, 42};
	struct buf bytes = BUF_INIT(KW_HEADER_MAX);
	struct sealed sealed = {0};
	struct header h;
	struct span payload;
	bool altered = false;

	make_header(&h, agreement_chain_newest(s->chain), &in, sender);
	payload = span_of(in.at, cursor_left(&in) < 4096 ? cursor_left(&in) : 4096);
	if (header_encode(&bytes, &h, NULL) == KW_OK &&
	    seal_notification(&sealed, s->ephemeral[sender], secret_keys_local(fixture_key(senders[signer])), random, buf_span(&bytes), payload, true,
	                      secret_keys_sign(fixture_key(senders[signer])), &reader, 1, NULL) == KW_OK) {
		if (alter % 4 == 1) {
			sealed.frame.p[where % sealed.frame.len] ^= (uint8_t)(1u << bit % 8);
			altered = true;
		} else if (alter % 4 == 2) {
			sealed.wraps.p[where % KW_WRAP_LEN] ^= (uint8_t)(1u << bit % 8);
			altered = true;
		} else if (alter % 4 == 3 && alter >= 128) {
			sealed.frame.len -= 1 + where % sealed.frame.len;
			altered = true;
		}
		deliver(s, buf_span(&sealed.frame), sealed.wraps.p, &h, payload, altered || signer != sender);
	}
	sealed_free(&sealed);
	buf_free(&bytes);
	return 0;
}
