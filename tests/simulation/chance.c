/* chance: randombytes by dice; Ed25519 by a keyed hash, its points known after the first time. */
#include "chance.h"

#include <dlfcn.h>
#include <sodium.h>
#include <stdbool.h>
#include <string.h>

#include "base/err.h"
#include "dice.h"

static struct dice bytes;

static const char *name(void) { return "seeded"; }
static uint32_t next(void) { return (uint32_t)(dice_u64(&bytes) >> 32); }

static void
fill(void *const p, const size_t size)
{
	uint8_t *at = p;

	for (size_t i = 0; i < size; i += 8) {
		uint64_t v = dice_u64(&bytes);

		memcpy(at + i, &v, size - i < 8 ? size - i : 8);
	}
}

static struct randombytes_implementation seeded = {name, next, NULL, NULL, fill, NULL};

void
chance_begin(void)
{
	(void)randombytes_set_implementation(&seeded);
	chance_seed(0);
}

void
chance_seed(uint64_t seed)
{
	bytes = dice_of(seed, 1000);
}

/*
 * In the place of libsodium's own, since the program's symbols come first: the signature is a hash of public key and message, so that another
 * key and every changed byte are refused as ever. Whoever knows a public key could forge one; nobody in a run does. Real signatures cost a run
 * about as much as everything else together.
 */
static void
stand_in(uint8_t sig[crypto_sign_BYTES], const uint8_t *m, unsigned long long len, const uint8_t pk[crypto_sign_PUBLICKEYBYTES])
{
	(void)crypto_generichash(sig, crypto_sign_BYTES, m, len, pk, crypto_sign_PUBLICKEYBYTES);
}

__attribute__((visibility("default"))) int
crypto_sign_detached(unsigned char *sig, unsigned long long *sig_len, const unsigned char *m, unsigned long long len, const unsigned char *sk)
{
	stand_in(sig, m, len, sk + crypto_sign_SEEDBYTES);
	if (sig_len != NULL)
		*sig_len = crypto_sign_BYTES;
	return 0;
}

__attribute__((visibility("default"))) int
crypto_sign_verify_detached(const unsigned char *sig, const unsigned char *m, unsigned long long len, const unsigned char *pk)
{
	uint8_t real[crypto_sign_BYTES];

	stand_in(real, m, len, pk);
	return sodium_memcmp(sig, real, sizeof real);
}

/* The few keys of a run stand in every agreement that every node reads at every start; to look at each once is enough. */

static void *
real(const char *function)
{
	void *f = dlsym(RTLD_NEXT, function);

	MUST(f != NULL);
	return f;
}

#define POINTS 256u
static struct { uint8_t p[crypto_core_ed25519_BYTES]; bool seen; } points[POINTS];

__attribute__((visibility("default"))) int
crypto_core_ed25519_is_valid_point(const unsigned char *p)
{
	static int (*ask)(const unsigned char *);
	uint32_t i = p[0] % POINTS;

	if (points[i].seen && memcmp(points[i].p, p, sizeof points[i].p) == 0)
		return 1;
	if (ask == NULL)
		*(void **)&ask = real("crypto_core_ed25519_is_valid_point");
	if (ask(p) != 1)
		return 0;
	memcpy(points[i].p, p, sizeof points[i].p);
	points[i].seen = true;
	return 1;
}

#define PRODUCTS 512u
static struct { uint8_t of[2][crypto_scalarmult_BYTES], q[crypto_scalarmult_BYTES]; bool seen; } products[PRODUCTS];

__attribute__((visibility("default"))) int
crypto_scalarmult(unsigned char *q, const unsigned char *n, const unsigned char *p)
{
	static int (*multiply)(unsigned char *, const unsigned char *, const unsigned char *);
	uint32_t i = ((uint32_t)n[3] << 4 ^ (uint32_t)p[3] << 1 ^ n[4] ^ p[4]) % PRODUCTS;

	if (products[i].seen && memcmp(products[i].of[0], n, crypto_scalarmult_BYTES) == 0 && memcmp(products[i].of[1], p, crypto_scalarmult_BYTES) == 0) {
		memcpy(q, products[i].q, crypto_scalarmult_BYTES);
		return 0;
	}
	if (multiply == NULL)
		*(void **)&multiply = real("crypto_scalarmult");
	if (multiply(q, n, p) != 0)
		return -1;
	memcpy(products[i].of[0], n, crypto_scalarmult_BYTES);
	memcpy(products[i].of[1], p, crypto_scalarmult_BYTES);
	memcpy(products[i].q, q, crypto_scalarmult_BYTES);
	products[i].seen = true;
	return 0;
}
