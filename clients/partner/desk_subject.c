/* desk_subject: see its header. */
#include "clients/partner/desk_subject.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json_memory.h"
#include "base/text.h"
#include "clients/partner/desk_parts.h"
#include "clients/partner/desk_receipts.h"
#include "clients/partner/node_audit.h"
#include "proto/seal.h"

#define LOOK_ROWS 512u
#define LOOK_MS 100u
#define HITS_MAX 256u
#define TERM_MAX 256u

/* ---- a subject ---- */

/* A to Z, and U+00C0 to U+00DE (two bytes that begin with C3), made small. */
static uint8_t
small(uint8_t c, uint8_t before)
{
	if (c >= 'A' && c <= 'Z')
		return (uint8_t)(c + 0x20);
	if (before == 0xC3 && c >= 0x80 && c <= 0x9E && c != 0x97)
		return (uint8_t)(c + 0x20);
	return c;
}

static bool
stands_at(const uint8_t *at, const uint8_t *term, size_t len, uint8_t before)
{
	for (size_t i = 0; i < len; i++) {
		if (small(at[i], before) != term[i])
			return false;
		before = at[i];
	}
	return true;
}

/* A text field of a payload stands in it in one piece, so its bytes are looked through as they are. */
static bool
speaks_of(struct span content, struct span term)
{
	if (content.len < term.len)
		return false;
	for (size_t i = 0; i <= content.len - term.len; i++)
		if (stands_at(content.p + i, term.p, term.len, i > 0 ? content.p[i - 1] : 0))
			return true;
	return false;
}

struct search { struct span term; json_t *hits; uint64_t after, gone, end_mono_ms; bool cut; };

static bool
each(void *self, const struct inbox_row *row)
{
	struct search *s = self;
	char id[37];

	s->after = row->seq;
	if (!row->of_case && !row->of_suspension && row->payload.len == 0)
		s->gone++;
	if (speaks_of(row->whole, s->term)) {
		kw_id_text(id, row->header.id);
		(void)json_array_append_new(s->hits, json_pack("{s:I, s:s, s:s, s:s, s:s, s:I, s:I}", "seq", (json_int_t)row->seq, "id", id, "topic", row->header.topic, "sender",
		                                               row->header.sender, "type", notice_type_name(row->header.type), "created_ms", (json_int_t)row->header.created_ms,
		                                               "received_ms", (json_int_t)row->received_ms));
	}
	s->cut = json_array_size(s->hits) >= HITS_MAX || clock_mono_ms() >= s->end_mono_ms;
	return !s->cut;
}

/* Whom somebody searched for names a person: it stands sealed. */
static enum kw_err
record(struct node *n, const char *term, bool first, const char *as, const char *reason, struct kw_why *why)
{
	char text[AUDIT_REASON_MAX];
	struct audit_record r = {.event = "subject_search", .actor = "local", .as = as, .reason = text};

	(void)snprintf(text, sizeof text, "\"%s\"%s%s", term, reason != NULL ? ": " : "", reason != NULL ? reason : "");
	return node_audit(n, &r, first, why);
}

enum kw_err
desk_subject(json_t **out, struct node *n, const char *term, uint64_t after_seq, const char *as, const char *reason, struct kw_why *why)
{
	struct inbox_query q = {.after_seq = after_seq, .until_seq = after_seq + LOOK_ROWS, .receipts = true, .with_payload = true, .limit = 1000};
	uint8_t folded[TERM_MAX];
	size_t len = strlen(term);
	struct search s = {.hits = json_array(), .after = after_seq, .end_mono_ms = clock_mono_ms() + LOOK_MS};
	uint64_t newest = desk_newest_seq(n);
	enum kw_err err;

	MUST(len > 0 && len <= TERM_MAX);
	for (size_t i = 0; i < len; i++)
		folded[i] = small((uint8_t)term[i], i > 0 ? (uint8_t)term[i - 1] : 0);
	s.term = span_of(folded, len);
	if ((err = record(n, term, after_seq == 0, as, reason, why)) == KW_OK)
		err = desk_inbox(n, &q, each, &s, why);
	if (err != KW_OK) {
		json_decref(s.hits);
		return err;
	}
	if (!s.cut)
		s.after = q.until_seq < newest ? q.until_seq : newest;
	*out = json_pack("{s:s, s:o, s:I, s:b, s:I}", "term", term, "hits", s.hits, "after", (json_int_t)s.after, "more", s.after < newest, "gone", (json_int_t)s.gone);
	return *out != NULL ? KW_OK : kw_refuse(why, KW_ENOMEM, "out of memory for an answer");
}

/* ---- what was seen of the broker ---- */

static void
add_commit(void *self, uint64_t number, const uint8_t hash[KW_HASH_LEN], struct span record)
{
	json_t *list = self;
	char hex[2 * WIRE_COMMIT_LEN + 1];

	text_put_hex(hex, record.len == WIRE_COMMIT_LEN ? record : span_of(hash, KW_HASH_LEN));
	(void)json_array_append_new(list, json_pack("{s:I, s:s}", "number", (json_int_t)number, record.len == WIRE_COMMIT_LEN ? "record" : "hash", hex));
}

enum kw_err
desk_seen(json_t **out, struct node *n, struct kw_why *why)
{
	json_t *commits = json_array();
	enum kw_err err = pstore_commits(n->store, n->log_epoch, add_commit, commits, why);

	if (err != KW_OK) {
		json_decref(commits);
		return err;
	}
	node_now(n);
	*out = json_pack("{s:s, s:s, s:s, s:I, s:I, s:o, s:o}", "form", "kurzweg-seen-1", "node", n->id, "partnership", agreement_partnership(node_agreement(n)), "made_ms",
	                 (json_int_t)n->wall_ms, "log_epoch", (json_int_t)n->log_epoch, "agreements", desk_agreements(n), "commits", commits);
	return *out != NULL ? KW_OK : kw_refuse(why, KW_ENOMEM, "out of memory for an answer");
}
