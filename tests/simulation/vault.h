/*
 * vault: the broker's store on a pretend disk: broker/store's store in memory, and beside it what that forgets and a start needs. What was committed is
 * there for ever, and nothing else; a broker that fell over finds it as it was. Every batch is kept too, so that an older copy can be
 * put in its place.
 */
#ifndef KW_SIM_VAULT_H
#define KW_SIM_VAULT_H

#include "broker/store/store.h"

struct vault;

struct vault *vault_new(struct store_signer signer);
void vault_free(struct vault **d);
struct store *vault_store(struct vault *d);                 /* its close does nothing */
KW_MUST_USE enum kw_err vault_tell(struct vault *d, const struct store_load *load, struct kw_why *why); /* as a store's open */
bool vault_is_new(const struct vault *d);                   /* nothing was ever committed */
bool vault_has(const struct vault *d, const char *sender, const uint8_t id[KW_ID_LEN]);

/* The next commit answers this; on KW_EIO it may be on disk all the same (lands). */
void vault_fail_next(struct vault *d, enum kw_err with, bool lands);
void vault_fail_read(struct vault *d);                      /* the next question answers KW_EIO */
void vault_full(struct vault *d, bool full);                /* nothing is appended while it lasts */
uint64_t vault_batches(const struct vault *d);
/* Told of every batch that came to be on disk, as soon as it is there. */
void vault_watch(struct vault *d, void (*logged)(void *self, const struct store_batch *b), void *self);
void vault_back_to(struct vault *d, uint64_t batches);      /* an old copy: the first so many; whoever watches is told of these again */

#endif
