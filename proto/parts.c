/* parts: see its header. */
#include "proto/parts.h"

uint32_t
part_count(size_t total)
{
	return (uint32_t)(total / KW_PART_LEN + (total % KW_PART_LEN != 0));
}

struct span
part_cut(struct span text, uint32_t part)
{
	size_t at = (size_t)part * KW_PART_LEN;

	MUST(at < text.len);
	return span_of(text.p + at, text.len - at < KW_PART_LEN ? text.len - at : KW_PART_LEN);
}

bool
part_is_last(uint32_t part, size_t total)
{
	return part + 1 == part_count(total);
}

enum kw_err
part_check(uint32_t part, size_t total, struct span text, struct span sigs, struct kw_why *why)
{
	size_t len;

	if (total == 0 || total > KW_AGREEMENT_MAX)
		return kw_refuse(why, KW_EPROTO, "the agreement has %zu bytes, must have 1 to %u", total, KW_AGREEMENT_MAX);
	if (part >= part_count(total))
		return kw_refuse(why, KW_EPROTO, "part %u of an agreement of %zu bytes, which has %u", part, total, part_count(total));
	len = part_is_last(part, total) ? total - (size_t)part * KW_PART_LEN : KW_PART_LEN;
	if (text.len != len)
		return kw_refuse(why, KW_EPROTO, "part %u of an agreement of %zu bytes has %zu bytes, must have %zu", part, total, text.len, len);
	if (sigs.len > 0 && !part_is_last(part, total))
		return kw_refuse(why, KW_EPROTO, "part %u of an agreement of %zu bytes brings signatures, which come with the last", part, total);
	if (sigs.len > KW_SIGNATURES_TEXT_MAX)
		return kw_refuse(why, KW_EPROTO, "the signatures have %zu bytes, at most %u are allowed", sigs.len, KW_SIGNATURES_TEXT_MAX);
	return KW_OK;
}

static enum kw_err
dropped(struct parts *p, enum kw_err err)
{
	parts_drop(p);
	return err;
}

enum kw_err
parts_take(struct parts *p, uint32_t part, size_t total, struct span text, struct span sigs, struct kw_why *why)
{
	if (p->total == 0 && part == 0)
		*p = (struct parts){.total = (uint32_t)total, .text = BUF_INIT(total), .sigs = BUF_INIT(KW_SIGNATURES_TEXT_MAX)}; /* it grows with what comes */
	if (p->total != 0 && total != p->total)
		return dropped(p, kw_refuse(why, KW_EPROTO, "part %u is of an agreement of %zu bytes, the parts before it were of one of %u", part, total, p->total));
	if (part < p->next)
		return KW_EEXISTS;
	if (part > p->next)
		return dropped(p, kw_refuse(why, KW_EPROTO, "part %u came where part %u was awaited", part, p->next));
	buf_put_span(&p->text, text);
	buf_put_span(&p->sigs, sigs);
	if (!buf_ok(&p->text) || !buf_ok(&p->sigs))
		return dropped(p, kw_refuse(why, KW_ENOMEM, "out of memory for part %u of an agreement", part));
	p->next++;
	return part_is_last(part, total) ? KW_OK : KW_EAGAIN;
}

void
parts_drop(struct parts *p)
{
	buf_free(&p->text);
	buf_free(&p->sigs);
	*p = (struct parts){.total = 0};
}
