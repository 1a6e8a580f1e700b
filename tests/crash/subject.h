/*
 * subject: a store under test with work for it: steps that are the same at each run, one transaction each, and all that can be read back as one
 * hash. The broker's log (store_lmdb) and a node's store (pstore), opened with every check that the programs make at their start.
 */
#ifndef KW_TESTS_CRASH_SUBJECT_H
#define KW_TESTS_CRASH_SUBJECT_H

#include <stdint.h>

#include "base/err.h"

#define SUBJECT_HASH 32u

struct subject {
	const char *name;
	/* The store lies in folder/store, which is made where it is missing. *self is to be closed, after whatever error too. */
	enum kw_err (*open)(void **self, const char *folder, struct kw_why *why);
	/*
	 * Does the n-th step (from 1) behind all before it. KW_OK: it was answered and must stand from now on. KW_EFULL: nothing of it
	 * happened, and it may be tried again. All else: the store is to be closed, as the program ends.
	 */
	enum kw_err (*step)(void *self, uint32_t n, struct kw_why *why);
	/* Of everything in a store that was just opened. Any error: something cannot be read, is not whole, or was never given. */
	enum kw_err (*hash)(void *self, uint8_t out[SUBJECT_HASH], struct kw_why *why);
	void (*close)(void **self);
};

extern const struct subject broker_subject, node_subject;

#endif
