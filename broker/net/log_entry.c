/* log_entry: see its header. */
#include "broker/net/log_entry.h"

#include "proto/entry.h"
#include "proto/frame.h"
#include "proto/seal.h"

enum kw_err
log_entry_read(struct log_entry *out, const struct store_entry *s, struct kw_why *why)
{
	struct frame f;

	out->e = (struct core_log_entry){.at = s->at, .set = s->set, .sender = s->sender};
	if (s->entry) {
		if (entry_decode(&out->own, s->head, why) != KW_OK)
			return KW_ECORRUPT;
		out->e.entry = &out->own;
		return KW_OK;
	}
	if (frame_parse(&f, s->head, FRAME_EITHER, why) != KW_OK || header_decode(&out->header, f.header, why) != KW_OK)
		return KW_ECORRUPT;
	seal_frame_hash(out->frame_hash, &f);
	out->e.header = &out->header;
	out->e.frame_hash = out->frame_hash;
	return KW_OK;
}
