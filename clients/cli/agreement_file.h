/* agreement_file: an agreement and its signatures as files, and what is said about them. */
#ifndef KW_CLI_AGREEMENT_FILE_H
#define KW_CLI_AGREEMENT_FILE_H

#include "certs/agreement.h"
#include "clients/cli/cli.h"

#define AGREEMENT_DEFAULT_PATH "/etc/kurzweg/agreement.yaml"

/* Reads and parses path; warnings may be NULL. The sentence begins with the path. */
KW_MUST_USE enum kw_err agreement_file_read(struct agreement **out, const char *path, struct buf *warnings, struct kw_why *why);

/* The one that was named, or, for NULL, AGREEMENT_DEFAULT_PATH. */
KW_MUST_USE enum kw_err agreement_file_read_named(struct agreement **out, const char *named, struct kw_why *why);

/* No topic takes it in: KW_EDENIED, with the filters that there are. */
KW_MUST_USE enum kw_err agreement_file_no_topic(const struct agreement *a, const char *topic, struct kw_why *why);

/* path.sig, whole, into sigs (max KW_SIGNATURES_TEXT_MAX); a file that is not there is empty. */
KW_MUST_USE enum kw_err agreement_file_signatures(struct buf *sigs, const char *path, struct kw_why *why);

/* Signatures were missing: says behind why that there is no path.sig, where that is so. */
void agreement_file_unsigned(const char *path, struct kw_why *why);

/* "path.sig" into out. KW_ELIMIT: too long. */
#define AGREEMENT_PATH_MAX 4096
KW_MUST_USE enum kw_err agreement_file_sig_path(char out[AGREEMENT_PATH_MAX], const char *path, struct kw_why *why);

/* Partnership, version, times, numbers, fingerprint; a line each on standard output (or standard error, to_note). */
void agreement_file_summary(const struct cli *c, const struct agreement *a, bool to_note);
json_t *agreement_file_json(const struct agreement *a); /* the same; NULL: out of memory */

/* Warns when it is not yet valid, ends soon, or has ended. */
void agreement_file_warn_age(const struct cli *c, const struct agreement *a);

#define AGREEMENT_DIFF_MAX (256u << 20) /* 512 topics that 4,096 nodes come to read, a line each; taken as it grows */

/* What next changes, a coloured line each; a sentence when it is nothing. */
KW_MUST_USE enum kw_err agreement_file_diff(const struct cli *c, const struct agreement *old, const struct agreement *next, bool to_note,
                                            struct kw_why *why);

#endif
