/* desk_meant: see its header. */
#include "clients/partner/desk_meant.h"

#include <string.h>

#include "clients/partner/desk_parts.h"
#include "proto/seal.h"

#define LOOK_IDS 16384u /* at a time */
#define LOOK_FITS 32u   /* of them that the piece fits; which are meant is looked at behind them */

bool
desk_is_sent(enum notice_type type)
{
	return type == TYPE_NOTICE || type == TYPE_UPDATE || type == TYPE_CANCEL || type == TYPE_REQUEST || type == TYPE_FORWARDED || type == TYPE_DRAFT || type == TYPE_RELEASED;
}

struct looking { const char *piece; uint8_t fits[LOOK_FITS][KW_ID_LEN], last[KW_ID_LEN]; uint32_t count, looked; };

static bool
each_id(void *self, const uint8_t id[KW_ID_LEN])
{
	struct looking *l = self;
	char text[37];

	l->looked++;
	memcpy(l->last, id, KW_ID_LEN);
	kw_id_text(text, id);
	if (kw_id_meant(text, l->piece))
		memcpy(l->fits[l->count++], id, KW_ID_LEN);
	return l->count < LOOK_FITS;
}

static enum kw_err
find_in(struct in_stored *row, struct node *n, const uint8_t id[KW_ID_LEN], struct kw_why *why)
{
	struct inbox_query q = {.has_id = true};

	memcpy(q.id, id, KW_ID_LEN);
	return pstore_in_next(row, n->store, &q, 0, why);
}

/* What lists of the inbox show, but for what the broker states. */
static bool
is_shown(const struct in_stored *row)
{
	return row->type < IN_TYPE_CASE && row->type != TYPE_VOID && !notice_type_is_receipt((enum notice_type)row->type);
}

/* KW_ENOTFOUND: no. */
static enum kw_err
check_meant(const struct desk_meant *m, struct node *n, const uint8_t id[KW_ID_LEN], struct kw_why *why)
{
	struct in_stored came;
	struct out_row sent;
	enum kw_err err;

	for (uint32_t i = 0; i < m->count; i++)
		if (memcmp(m->found[i].id, id, KW_ID_LEN) == 0)
			return KW_ENOTFOUND;
	if (m->in_inbox)
		return (err = find_in(&came, n, id, why)) == KW_OK && !is_shown(&came) ? KW_ENOTFOUND : err;
	return (err = pstore_out_find(&sent, n->store, id, why)) == KW_OK && !desk_is_sent(sent.type) ? KW_ENOTFOUND : err;
}

static enum kw_err
take_meant(struct desk_meant *m, struct node *n, const struct looking *l, struct kw_why *why)
{
	for (uint32_t i = 0; i < l->count && !m->more; i++) {
		enum kw_err err = check_meant(m, n, l->fits[i], why);

		if (err == KW_ENOTFOUND)
			continue;
		if (err != KW_OK)
			return err;
		if ((m->more = m->count == DESK_MEANT_MOST))
			break;
		memcpy(m->found[m->count].id, l->fits[i], KW_ID_LEN);
		m->found[m->count++].sent = !m->in_inbox;
	}
	return KW_OK;
}

enum kw_err
desk_meant(struct desk_meant *m, struct node *n, struct kw_why *why)
{
	struct looking l = {.piece = m->piece};
	enum kw_err err = (m->in_inbox ? pstore_in_ids : pstore_out_ids)(n->store, m->after, LOOK_IDS, each_id, &l, why);

	if (err != KW_OK || (err = take_meant(m, n, &l, why)) != KW_OK)
		return err;
	if (m->more)
		return KW_OK;
	if (l.looked == LOOK_IDS || l.count == LOOK_FITS) {
		memcpy(m->after, l.last, KW_ID_LEN);
		return KW_EAGAIN;
	}
	if (m->sent || m->in_inbox)
		return KW_OK;
	m->in_inbox = true;
	memset(m->after, 0, KW_ID_LEN);
	return KW_EAGAIN;
}

/* NULL: its row went meanwhile. */
static json_t *
one_json(struct node *n, const uint8_t id[KW_ID_LEN], bool sent)
{
	struct in_stored came;
	struct out_row out;
	struct frame f;
	struct header h;
	char text[37];

	kw_id_text(text, id);
	if (sent ? pstore_out_find(&out, n->store, id, NULL) != KW_OK : find_in(&came, n, id, NULL) != KW_OK)
		return NULL;
	if (frame_parse(&f, sent ? out.frame : came.head, FRAME_EITHER, NULL) != KW_OK || header_decode(&h, f.header, NULL) != KW_OK)
		memset(&h, 0, sizeof h);
	return json_pack("{s:s, s:b, s:s, s:s, s:s, s:I}", "id", text, "sent", sent, "type", h.type == 0 ? "" : notice_type_name(h.type), "topic", h.topic, "lane",
	                 lane_name(sent ? out.lane : came.lane), "at_ms", (json_int_t)(sent ? out.created_ms : came.received_ms));
}

enum kw_err
desk_meant_json(json_t **out, const struct desk_meant *m, struct node *n, struct kw_why *why)
{
	json_t *ids = json_array();

	for (uint32_t i = 0; i < m->count; i++)
		(void)json_array_append_new(ids, one_json(n, m->found[i].id, m->found[i].sent));
	*out = json_pack("{s:o, s:b}", "ids", ids, "more", m->more);
	return *out != NULL ? KW_OK : kw_refuse(why, KW_ENOMEM, "out of memory for an answer");
}
