/*
 * bundle: checks a bundle of receipts (docs/protocol.md section 12) with nothing but the public keys in the agreements that it
 * brings, offline. What holds is listed as JSON; the first thing that does not is a sentence. Pure.
 */
#ifndef KW_CLI_BUNDLE_H
#define KW_CLI_BUNDLE_H

#include <jansson.h>

#include "base/err.h"
#include "base/span.h"

#define BUNDLE_MAX (64u * 1024u * 1024u)

/*
 * pinned: the fingerprint of the first agreement, compared where it is not NULL; else it must be version 1. *out is new:
 *   {"id","topic","type","sender","created_ms","agreement":{"partnership","first_version","fingerprint","newest"},
 *    "stored":{"commit","time_ms","lane","number","log_epoch"} or null,
 *    "receipts":[{"type","by","at_ms","created_ms","as","text","to"}…],"statements":[{"cause","state","owner","next","at_ms"}…]}
 * KW_EPROTO: no such bundle; KW_ECRYPTO: a signature, hash or path does not hold; KW_EDENIED: an agreement, or a receipt of somebody
 * else's or of another notification.
 */
KW_MUST_USE enum kw_err bundle_check(json_t **out, struct span file, const char *pinned, struct kw_why *why);

#endif
