/*
 * audit_bundle: checks an audit trail, as a bundle of "kurzweg audit export" or as the files of a daemon's own folder, with public keys alone and
 * against what others have seen, offline: docs/protocol.md [U-5], [U-10]. The first thing that does not hold is a sentence. Pure.
 */
#ifndef KW_CLI_AUDIT_BUNDLE_H
#define KW_CLI_AUDIT_BUNDLE_H

#include <jansson.h>

#include "base/err.h"
#include "base/span.h"

#define AUDIT_BUNDLE_MAX (256u * 1024u * 1024u)

struct audit_seen_files;
KW_MUST_USE enum kw_err audit_seen_new(struct audit_seen_files **out, struct kw_why *why);
void audit_seen_free(struct audit_seen_files **s);
/* What somebody kept: a node's "kurzweg audit seen", or an earlier bundle, whose heads count. KW_EPROTO: neither. */
KW_MUST_USE enum kw_err audit_seen_add(struct audit_seen_files *s, struct span file, struct kw_why *why);

/*
 * file: a bundle. pinned: the fingerprint of its first agreement, or NULL: then that must be version 1, where it brings any. seen: may be NULL. *out
 * is new: {"partnership","owner","fingerprint","first","last","records","heads","signed_to","from_ms","to_ms","seen","agreement":{…} or null,
 * "commits":{"first","last","count","not_kept","seen"} or null,"opened":N}. KW_EPROTO: no bundle; KW_ECORRUPT, KW_ECRYPTO, KW_EDENIED: what does not hold.
 */
KW_MUST_USE enum kw_err audit_bundle_check(json_t **out, struct span file, const char *pinned, struct audit_seen_files *seen, struct kw_why *why);
/* The same of lines as they stand on disk, files of one trail one behind the other. key: the owner's public line as it is known from elsewhere, or NULL. */
KW_MUST_USE enum kw_err audit_lines_check(json_t **out, struct span lines, const char *key, struct audit_seen_files *seen, struct kw_why *why);
bool audit_is_bundle(struct span file);

#endif
