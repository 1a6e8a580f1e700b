/* audit_book: see its header. */
#include "broker/net/audit_book.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "proto/seal.h"

struct peer { char name[KW_NODE_MAX + 1]; uint32_t refused; };

struct audit_book {
	struct trail *trail;
	char partnership[256];
	const struct secret_keys *keys;
	struct peer peers[BOOK_PEERS];
	uint32_t peer_count;
	uint32_t others;                /* refusals of peers for whom there was no place */
	uint64_t minute_ms, tick_ms;    /* monotonic: when this minute began; the last look */
	uint64_t turned_away;
	bool failing;                   /* the last attempt to write failed, and that was logged; failed_for: why */
	char failed_for[KW_WHY_MAX];
	char told[KW_WHY_MAX];          /* the trouble that was logged last */
};

/* ---- writing ---- */

/* Answers err. What was given and cannot stand there says nothing about the disk. */
static enum kw_err
remember(struct audit_book *b, enum kw_err err, const struct kw_why *why)
{
	if (err == KW_EINVAL || err == KW_ELIMIT)
		return err;
	if (err != KW_OK && !b->failing)
		log_event(LOG_ERROR, "audit.failed", "why=\"%s\"", why->text);
	if (err == KW_OK && b->failing)
		log_event(LOG_NOTICE, "audit.recorded_again", "why=\"what is done is recorded again\"");
	b->failing = err != KW_OK;
	if (b->failing)
		(void)snprintf(b->failed_for, sizeof b->failed_for, "%s", why->text);
	return err;
}

static enum kw_err
add(struct audit_book *b, const struct audit_record *r, uint64_t now_ms, struct kw_why *why)
{
	return remember(b, trail_add(b->trail, r, now_ms, why), why);
}

/* Once each. */
static void
log_trouble(struct audit_book *b)
{
	const char *trouble = trail_trouble(b->trail);

	if (trouble != NULL && strcmp(trouble, b->told) != 0)
		log_event(LOG_ERROR, "audit.trouble", "why=\"%s\"", trouble);
	(void)snprintf(b->told, sizeof b->told, "%s", trouble != NULL ? trouble : "");
}

static void
note(struct audit_book *b, const struct audit_record *r, uint64_t now_ms)
{
	struct kw_why why;

	(void)!add(b, r, now_ms, &why);
}

enum kw_err
audit_book_operator(struct audit_book *b, const struct audit_record *r, uint64_t now_ms, struct kw_why *why)
{
	enum kw_err err;

	if (b == NULL)
		return KW_OK;
	err = add(b, r, now_ms, why);
	return err == KW_OK ? remember(b, trail_sync(b->trail, why), why) : err;
}

void
audit_book_event(struct audit_book *b, const char *event, const char *object, const char *detail, uint64_t now_ms)
{
	char of[AUDIT_TEXT_MAX + 1], more[AUDIT_TEXT_MAX + 1];
	struct audit_record r = {.event = event, .actor = "broker", .object = of, .detail = more};

	audit_text_fit(of, object != NULL ? object : "");
	audit_text_fit(more, detail != NULL ? detail : "");
	if (b != NULL)
		note(b, &r, now_ms);
}

/* ---- refusals, bounded ---- */

static struct peer *
peer_of(struct audit_book *b, const char *name)
{
	for (uint32_t i = 0; i < b->peer_count; i++)
		if (strcmp(b->peers[i].name, name) == 0)
			return &b->peers[i];
	if (b->peer_count == BOOK_PEERS)
		return NULL;
	b->peers[b->peer_count] = (struct peer){.refused = 0};
	(void)snprintf(b->peers[b->peer_count].name, sizeof b->peers[0].name, "%s", name);
	return &b->peers[b->peer_count++];
}

void
audit_book_refused(struct audit_book *b, const char *name, enum wire_code code, const uint8_t *id, uint64_t now_ms)
{
	char text[37] = "";
	struct audit_record r = {.event = "refused", .actor = name, .object = text, .detail = wire_code_name(code)};
	struct peer *peer;

	if (b == NULL || !wire_code_for_good(code) || name == NULL || name[0] == '\0')
		return;
	if ((peer = peer_of(b, name)) == NULL) {
		b->others++;
		return;
	}
	if (peer->refused++ >= BOOK_REFUSALS)
		return;
	if (id != NULL)
		kw_id_text(text, id);
	note(b, &r, now_ms);
}

static void
end_minute(struct audit_book *b, uint64_t turned_away, uint64_t now_ms)
{
	struct audit_record more = {.event = "refused_more"}, strangers = {.event = "turned_away", .actor = "strangers", .count = (uint32_t)(turned_away - b->turned_away)};

	for (uint32_t i = 0; i < b->peer_count; i++) {
		if (b->peers[i].refused <= BOOK_REFUSALS)
			continue;
		more.actor = b->peers[i].name;
		more.count = b->peers[i].refused - BOOK_REFUSALS;
		note(b, &more, now_ms);
	}
	if (b->others > 0) {
		more.actor = "others";
		more.count = b->others;
		note(b, &more, now_ms);
	}
	if (turned_away > b->turned_away)
		note(b, &strangers, now_ms);
	b->turned_away = turned_away;
	b->peer_count = b->others = 0;
}

void
audit_book_tick(struct audit_book *b, uint64_t turned_away, uint64_t now_ms, uint64_t mono_ms)
{
	struct kw_why why;

	if (b == NULL || mono_ms - b->tick_ms < TRAIL_SYNC_MS)
		return;
	b->tick_ms = mono_ms;
	if (b->minute_ms == 0)
		b->minute_ms = mono_ms;
	if (mono_ms - b->minute_ms >= BOOK_MINUTE_MS) {
		end_minute(b, turned_away, now_ms);
		b->minute_ms = mono_ms;
	}
	(void)!remember(b, trail_tick(b->trail, now_ms, mono_ms, &why), &why);
	log_trouble(b);
}

long
audit_book_wait_ms(const struct audit_book *b, uint64_t mono_ms)
{
	uint64_t wake, soonest;

	if (b == NULL)
		return -1;
	soonest = b->tick_ms + TRAIL_SYNC_MS;
	wake = trail_wake_ms(b->trail) > soonest ? trail_wake_ms(b->trail) : soonest;
	return wake > mono_ms ? (long)(wake - mono_ms) : 0;
}

const char *
audit_book_trouble(const struct audit_book *b, bool *failing)
{
	*failing = b != NULL && b->failing;
	return b == NULL ? NULL : b->failing ? b->failed_for : trail_trouble(b->trail);
}

/* ---- reading ---- */

enum kw_err
audit_book_page(struct buf *out, size_t most, struct audit_book *b, const struct page_ask *ask, uint64_t now_ms, struct kw_why *why)
{
	enum kw_err err = KW_OK;

	if (b == NULL)
		return kw_refuse(why, KW_ESTATE, "this broker keeps no audit trail");
	if (ask->query.heads)
		err = trail_head(b->trail, now_ms, why);
	return err == KW_OK ? page_put(out, most, b->trail, ask, b->partnership, b->keys, why) : err;
}

enum kw_err
audit_book_copy(struct trail_copy *out, struct audit_book *b, uint64_t now_ms, struct kw_why *why)
{
	out->years.count = 0;
	return b != NULL ? trail_copy_begin(out, b->trail, now_ms, why) : KW_OK;
}

/* ---- begin and end ---- */

enum kw_err
audit_book_open(struct audit_book **out, const struct book_config *config, uint64_t now_ms, struct kw_why *why)
{
	struct trail_config trail = {config->folder, config->partnership, config->keys, NULL, config->keep_years};
	struct audit_book *b = calloc(1, sizeof *b);
	enum kw_err err;

	if (b == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for the audit trail");
	b->keys = config->keys;
	(void)snprintf(b->partnership, sizeof b->partnership, "%s", config->partnership);
	if ((err = trail_open(&b->trail, &trail, now_ms, why)) != KW_OK) {
		free(b);
		return err;
	}
	log_trouble(b);
	*out = b;
	return KW_OK;
}

void
audit_book_close(struct audit_book **book, uint64_t now_ms)
{
	struct audit_book *b = *book;
	struct audit_record r = {.event = "stop", .actor = "daemon"};

	if (b == NULL)
		return;
	end_minute(b, b->turned_away, now_ms);
	note(b, &r, now_ms);
	trail_close(&b->trail, now_ms);
	free(b);
	*book = NULL;
}
