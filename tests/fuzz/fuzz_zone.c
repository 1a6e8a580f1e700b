/* Any bytes as a table of a time zone (TZif): what is taken answers for every time there is, about each of its changes and beyond the last. */
#include <string.h>

#include "certs/zone.h"
#include "fuzz.h"

#define LATEST_S ((int64_t)1 << 55)

static void
ask(const struct zone *z, uint64_t ms)
{
	struct local_time now, last;
	uint64_t next;
	int32_t offset;

	if (ms / 1000 > (uint64_t)LATEST_S - 60)
		return;
	offset = zone_offset(z, (int64_t)(ms / 1000));
	now = zone_local(z, ms);
	next = zone_next_minute(z, ms);
	HOLDS(offset > -26 * 3600 && offset < 26 * 3600, "an offset beyond all there are");
	HOLDS(now.weekday < 7 && now.minute < 1440, "no time of a day");
	HOLDS(next > ms && next - ms <= 60000, "the next minute is not the next");
	last = zone_local(z, next - 1);
	if (zone_offset(z, (int64_t)(next / 1000) - 1) == offset)
		HOLDS(last.day == now.day && last.minute == now.minute && last.weekday == now.weekday, "the minute ended before its end");
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	struct zone *z = NULL;
	struct kw_why why = {""};

	if (zone_parse(&z, span_of(p, len), &why) != KW_OK) {
		HOLDS(why.text[0] != '\0' && z == NULL, "refused without a sentence");
		return 0;
	}
	for (unsigned bit = 0; bit < 55; bit++) {
		ask(z, ((uint64_t)1 << bit) * 1000);
		(void)zone_offset(z, -((int64_t)1 << bit));
	}
	for (size_t at = 0; at + 8 <= len && at < 512; at++) { /* its own changes are among these numbers */
		int64_t s = (int64_t)be64_get(p + at);

		if (s <= -LATEST_S || s >= LATEST_S)
			continue;
		(void)zone_offset(z, s);
		for (int64_t around = -1; around <= 1; around++)
			if (s > 1)
				ask(z, (uint64_t)(s + around) * 1000 + 999);
	}
	for (uint64_t year = 0; year < 130; year++)
		ask(z, year * 366 * 86400000 + 7 * 3600000);
	zone_free(&z);
	return 0;
}
