/* suspension: what a reason may be, for the pure core and for whoever asks it. */
#include "base/text.h"
#include "proto/entry.h"

enum kw_err
suspension_reason_check(struct span reason, struct kw_why *why)
{
	size_t at;

	if (reason.len == 0)
		return kw_refuse(why, KW_EINVAL, "a reason is missing: all partners are told why a node is suspended");
	if (reason.len > KW_SUSPENSION_REASON_MAX)
		return kw_refuse(why, KW_ELIMIT, "the reason has %zu bytes, at most %u are allowed; it says what is wrong with the machine, not with a person", reason.len,
		                 KW_SUSPENSION_REASON_MAX);
	at = text_unclean_at(reason, TEXT_LINE);
	for (size_t i = 0; i < reason.len && at == SIZE_MAX; i++)
		if (reason.p[i] == '\n' || reason.p[i] == '\t')
			at = i;
	if (at != SIZE_MAX)
		return kw_refuse(why, KW_EINVAL, "the reason has at byte %zu what is no text of one line in UTF-8", at + 1);
	return KW_OK;
}
