/*
 * fuzz: what the targets of this folder share. A target is one function, libFuzzer's, that takes any bytes to one door of
 * Kurzweg and holds what that door promises: no crash, no leak, and what was taken means one thing. Each target is linked twice:
 * with clang's libFuzzer for campaigns (tests/fuzz/run), and with drive.c for the slice that every test run takes.
 */
#ifndef KW_TESTS_FUZZ_H
#define KW_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len);

/* A promise that no input may break; why is the sentence of the refusal that should not have been. */
#define HOLDS(cond, why) \
	do { \
		if (!(cond)) { \
			(void)fprintf(stderr, "%s:%d: does not hold: %s: %s\n", __FILE__, __LINE__, #cond, (why)); \
			abort(); \
		} \
	} while (0)

#endif
