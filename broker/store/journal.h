/*
 * journal: a file of fixed length in front of the LMDB store. What is to be acknowledged is appended and synced once; LMDB follows in
 * larger transactions, and what it has is written over. At the next start what LMDB has not yet is read again, record by record.
 *
 * The file is written with zeros when it is made, so that a sync later writes data alone. A record begins on a page of its own: no write
 * ever touches a page that holds something acknowledged. It carries its number, the sum of the record before it, a sum of its head and one of
 * the whole, XXH3 under the store's seed; so the first place where no record follows is the end, and nobody who only chooses what is stored
 * makes something that looks like a record. A record is never split: what does not fit before the file's end stands at its beginning.
 *
 * One is written only when the one before it is synced. So a later one that stands whole behind one that does not follow shows damage, or that
 * LMDB's file is another one's: KW_ECORRUPT.
 *
 * A write or sync that failed is never tried again; the caller ends, and what is read at the next start is in LMDB before the first record
 * is written over. One thread appends. What is marked "locked" is called under a lock of the caller's, so that another thread may say
 * meanwhile how far LMDB is.
 */
#ifndef KW_BROKER_JOURNAL_H
#define KW_BROKER_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"

#define JOURNAL_PAGE 4096u
#define JOURNAL_SUM 16u
#define JOURNAL_HEAD 56u         /* of a record, in front of what it carries */

/* Where a record goes, and what it must follow: for LMDB to keep. All zeros: the first one of a store. */
struct journal_place { uint64_t number; uint64_t at; uint8_t before[JOURNAL_SUM]; };

struct journal;

/*
 * Opens folder/journal. Where there is none it is made with that many bytes (a multiple of JOURNAL_PAGE) if may_make, its name synced; otherwise
 * KW_ECORRUPT. next: as LMDB tells it; a place beyond the file's end, as a larger file had it, is its beginning. What it holds is synced
 * before it is read. KW_EIO, KW_EFULL, KW_ENOMEM, KW_ECORRUPT: not a whole number of pages.
 */
KW_MUST_USE enum kw_err journal_open(struct journal **out, const char *folder, uint64_t bytes, bool may_make, uint64_t seed,
                                     const struct journal_place *next, struct kw_why *why);
void journal_close(struct journal **j);

/* Before the first append: the next record, into out (emptied before). KW_ENOTFOUND: that was all. KW_ECORRUPT: see above. */
KW_MUST_USE enum kw_err journal_read(struct journal *j, struct buf *out, struct kw_why *why);

#define JOURNAL_NO_ROOM UINT64_MAX
bool journal_holds(const struct journal *j, size_t len);         /* whether a record of that length, head and all, ever fits */
uint64_t journal_place_for(const struct journal *j, size_t len); /* locked: where it goes; JOURNAL_NO_ROOM: when more is applied */

/*
 * record: JOURNAL_HEAD bytes of room and what it carries behind them; padded and given its sums here, its length stays. at: where
 * journal_place_for told. KW_OK: it is on disk, and journal_advance is to follow. KW_EIO: nothing more may be acknowledged. KW_EFULL, KW_ENOMEM:
 * nothing of it counts, and it may be tried again.
 */
KW_MUST_USE enum kw_err journal_append(struct journal *j, struct buf *record, uint64_t at, struct kw_why *why);
void journal_advance(struct journal *j, const struct buf *record, uint64_t at); /* locked */

/* One that goes straight to LMDB takes its number all the same, so that nothing behind it follows from what lacks it: LMDB is to keep this place. */
struct journal_place journal_pass(struct journal *j, struct buf *record);
void journal_passed(struct journal *j, const struct journal_place *after); /* locked; LMDB has it */

struct journal_place journal_next(const struct journal *j);              /* locked, or by who appends */
uint64_t journal_used(const struct journal *j);                          /* locked: bytes between what is applied and what is next */
uint64_t journal_bytes(const struct journal *j);
void journal_applied(struct journal *j, const struct journal_place *upto); /* locked; synced by LMDB: what stands before it is room */

#endif
