/* own_files: a node's key and its agreement, as their files have them, and whether the two fit together. The store is not looked at. */
#ifndef KW_PARTNER_OWN_FILES_H
#define KW_PARTNER_OWN_FILES_H

#include "certs/agreement.h"
#include "clients/partner/config.h"

/* The node's own key, as systemd hands it over or where path says. */
KW_MUST_USE enum kw_err own_key_read(struct secret_keys **out, const char *path, struct kw_why *why);

struct own_files { struct agreement *a; struct buf text, sigs; };

/* The agreement at path and its signatures in path.sig, parsed; whether the signatures hold is not looked at. own_files_free also after an error. */
KW_MUST_USE enum kw_err own_files_read(struct own_files *f, const char *path, struct kw_why *why);
void own_files_free(struct own_files *f);

/*
 * Whether a node that holds mine, of the file at path, may work under a. KW_EDENIED: it is an operator's, for another kind of partnership, or not the one
 * that a has for this node. A node that a does not name is let be: it still reads what it has.
 */
KW_MUST_USE enum kw_err own_key_check(const struct public_key *mine, const char *path, const struct agreement *a, struct kw_why *why);

/* Whether the agreement is signed by enough of its members, and the one whose fingerprint the configuration has, where it has one. */
KW_MUST_USE enum kw_err own_agreement_check(const struct partner_config *config, struct kw_why *why);

/* Whether key and agreement are such as a node starts with. */
KW_MUST_USE enum kw_err own_files_check(const struct partner_config *config, struct kw_why *why);

#endif
