/* wire_names: words and rules of codes and marks, without any codec, so that pure cores can link them. */
#include "proto/wire.h"

static const struct {
	enum wire_code code;
	const char *name;
	bool for_good; /* docs/protocol.md [P-8] */
} codes[] = {
	{CODE_MALFORMED, "malformed", true},
	{CODE_DENIED, "denied", true},
	{CODE_AUDIENCE, "audience", true},
	{CODE_EXPIRED, "expired", true},
	{CODE_CONFLICT, "conflict", true},
	{CODE_CLOCK, "clock", true},
	{CODE_RELEASE, "release", true},
	{CODE_TOO_LARGE, "too_large", true},
	{CODE_SLOW_DOWN, "slow_down", false},
	{CODE_STORE_FULL, "store_full", false},
	{CODE_BEHIND, "behind", false},
	{CODE_NO_HELLO, "no_hello", false},
	{CODE_AGREEMENT_UNKNOWN, "agreement_unknown", false},
	{CODE_STOPPING, "stopping", false},
	{CODE_AGREEMENT_OLD, "agreement_old", true},
	{CODE_REPLACED, "replaced", false},
	{CODE_NOT_FOUND, "not_found", true},
	{CODE_LANE, "lane", true},
	{CODE_SUSPENDED, "suspended", false},
};

const char *
wire_code_name(enum wire_code code)
{
	for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
		if (codes[i].code == code)
			return codes[i].name;
	return "?";
}

bool
wire_code_for_good(enum wire_code code)
{
	for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
		if (codes[i].code == code)
			return codes[i].for_good;
	return false;
}

const char *
wire_mark_name(enum wire_mark mark)
{
	static const char *const names[] = {
		[MARK_WHOLE] = "whole",
		[MARK_EXPIRED] = "expired",
		[MARK_RECALLED] = "recalled",
		[MARK_NOT_SUBSCRIBED] = "not subscribed",
		[MARK_PURGED] = "purged",
		[MARK_ENTRY] = "broker's entry",
	};

	return (unsigned)mark < sizeof names / sizeof names[0] ? names[mark] : "?";
}
