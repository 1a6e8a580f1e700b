/* The broker's own entries: what was written is read, and nothing that was changed on the way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "proto/entry.h"

static uint8_t pk[32], sk[64];

static struct broker_entry
make(uint8_t bytes[ENTRY_LEN])
{
	struct broker_entry e = {.kind = ENTRY_AGREEMENT, .time_ms = 1796000000000u, .version = 4};

	memset(e.agreement_hash, 7, sizeof e.agreement_hash);
	entry_encode(bytes, &e, sk);
	return e;
}

static void
an_entry_is_read_as_it_was_written(void **state)
{
	uint8_t bytes[ENTRY_LEN];
	struct broker_entry e = make(bytes), back;
	struct kw_why why;

	(void)state;
	assert_int_equal(entry_decode(&back, span_of(bytes, sizeof bytes), &why), KW_OK);
	assert_int_equal(back.version, e.version);
	assert_int_equal(back.time_ms, e.time_ms);
	assert_memory_equal(back.agreement_hash, e.agreement_hash, KW_HASH_LEN);
	assert_true(entry_verify(span_of(bytes, sizeof bytes), pk));
}

static void
every_flipped_bit_and_every_other_length_is_refused(void **state)
{
	uint8_t bytes[ENTRY_LEN + 1] = {0};
	struct broker_entry back;
	struct kw_why why;

	(void)state;
	(void)make(bytes);
	for (size_t bit = 0; bit < ENTRY_LEN * 8; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		assert_false(entry_decode(&back, span_of(bytes, ENTRY_LEN), &why) == KW_OK && entry_verify(span_of(bytes, ENTRY_LEN), pk));
		bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
	}
	for (size_t len = 0; len <= ENTRY_LEN + 1; len++)
		if (len != ENTRY_LEN)
			assert_int_equal(entry_decode(&back, span_of(bytes, len), &why), KW_EPROTO);
}

static void
another_key_does_not_verify(void **state)
{
	uint8_t bytes[ENTRY_LEN], other_pk[32], other_sk[64];

	(void)state;
	(void)make(bytes);
	(void)crypto_sign_keypair(other_pk, other_sk);
	assert_false(entry_verify(span_of(bytes, sizeof bytes), other_pk));
}

static int
keys(void **state)
{
	(void)state;
	if (sodium_init() < 0)
		return -1;
	return crypto_sign_keypair(pk, sk);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_entry_is_read_as_it_was_written),
		cmocka_unit_test(every_flipped_bit_and_every_other_length_is_refused),
		cmocka_unit_test(another_key_does_not_verify),
	};

	return cmocka_run_group_tests(tests, keys, NULL);
}
