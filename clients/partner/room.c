/* room: see its header. */
#include "clients/partner/room.h"

#include <stdlib.h>
#include <sys/statvfs.h>

#include "base/clock.h"
#include "base/filling.h"

#define EVERY_MS 30000u

struct room {
	const char *folder;
	struct filling filling;
	uint64_t next_ms;
	uint64_t free, all;      /* bytes, at the last look; 0: not known */
};

static void
look(struct room *r, uint64_t mono_ms)
{
	struct statvfs disk;

	r->next_ms = mono_ms + EVERY_MS;
	r->free = r->all = 0;
	if (statvfs(r->folder, &disk) != 0)
		return;
	r->free = (uint64_t)disk.f_bavail * disk.f_frsize;
	r->all = (uint64_t)disk.f_blocks * disk.f_frsize;
	filling_note(&r->filling, mono_ms, 0, r->free);
}

static uint64_t wake_ms(void *self) { return ((const struct room *)self)->next_ms; }
static void fire(void *self, uint64_t mono_ms) { look(self, mono_ms); }

static json_t *
report(void *self)
{
	struct filling_left left;
	struct room *r = self;

	look(r, clock_mono_ms());
	filling_look(&left, &r->filling, 0);
	return json_pack("{s:I, s:I, s:o}", "free_bytes", (json_int_t)r->free, "bytes", (json_int_t)r->all, "full_in_ms",
	                 left.what == FILLING_DISK ? json_integer((json_int_t)(left.left_ms < INT64_MAX ? left.left_ms : INT64_MAX)) : json_null());
}

enum kw_err
room_open(struct room **out, struct node *n, const char *folder, struct kw_why *why)
{
	struct room *r = calloc(1, sizeof *r);
	struct node_timer timer = {wake_ms, fire, r};

	if (r == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory");
	r->folder = folder;
	look(r, clock_mono_ms());
	if (node_add_timer(n, &timer) != KW_OK || node_add_report(n, "disk", report, r) != KW_OK) {
		free(r);
		return kw_refuse(why, KW_ELIMIT, "the node has no place for one more timer");
	}
	*out = r;
	return KW_OK;
}

void
room_close(struct room **r)
{
	free(*r);
	*r = NULL;
}
