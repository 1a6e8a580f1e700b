/* disk: see the header. Files in memory, as far as they hold anything but zeros, and what waits for a sync in its order. */
#include "tests/crash/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTOR 512u
#define PAGE 4096u
#define NO_FILE UINT32_MAX
#define NAME_LEN 128u

struct file { uint8_t *bytes; size_t extent, room; uint64_t size; };
struct entry { char name[NAME_LEN]; uint32_t file; bool folder; };
struct waiting { struct tape_event e; bool doomed; };

struct disk {
	struct file *files;          /* by number */
	uint32_t file_count;
	struct entry *entries;
	uint32_t entry_count;
	struct waiting *waiting;     /* in the order of the events */
	uint32_t waiting_count, waiting_room;
};

/* ---- memory ---- */

static void *
must(void *p)
{
	if (p == NULL)
		abort();
	return p;
}

static struct file *
file_at(struct disk *d, uint32_t no)
{
	if (no >= d->file_count) {
		d->files = must(realloc(d->files, (no + 1) * sizeof *d->files));
		memset(d->files + d->file_count, 0, (no + 1 - d->file_count) * sizeof *d->files);
		d->file_count = no + 1;
	}
	return &d->files[no];
}

/* Images come and go by the thousand: the memory of their files is used again. */
static struct { uint8_t *bytes; size_t room; } spare[8];

static uint8_t *
take_bytes(size_t least, size_t *room)
{
	for (size_t i = 0; i < sizeof spare / sizeof spare[0]; i++)
		if (spare[i].bytes != NULL && spare[i].room >= least) {
			uint8_t *bytes = spare[i].bytes;

			*room = spare[i].room;
			spare[i].bytes = NULL;
			return bytes;
		}
	*room = least + least / 2 + PAGE;
	return must(malloc(*room));
}

static void
give_bytes(uint8_t *bytes, size_t room)
{
	for (size_t i = 0; i < sizeof spare / sizeof spare[0]; i++)
		if (spare[i].bytes == NULL) {
			spare[i].bytes = bytes;
			spare[i].room = room;
			return;
		}
	free(bytes);
}

struct disk *
disk_new(void)
{
	return must(calloc(1, sizeof(struct disk)));
}

static struct disk *
copy_durable(const struct disk *d)
{
	struct disk *c = disk_new();

	c->files = must(calloc(d->file_count + 1, sizeof *c->files));
	c->file_count = d->file_count;
	for (uint32_t i = 0; i < d->file_count; i++) {
		c->files[i] = (struct file){.extent = d->files[i].extent, .size = d->files[i].size};
		if (d->files[i].extent == 0)
			continue;
		c->files[i].bytes = take_bytes(d->files[i].extent, &c->files[i].room);
		memcpy(c->files[i].bytes, d->files[i].bytes, d->files[i].extent);
	}
	c->entries = must(malloc((d->entry_count + 1) * sizeof *c->entries));
	if (d->entry_count > 0)
		memcpy(c->entries, d->entries, d->entry_count * sizeof *c->entries);
	c->entry_count = d->entry_count;
	return c;
}

struct disk *
disk_copy(const struct disk *d)
{
	struct disk *c = copy_durable(d);

	c->waiting = must(malloc((d->waiting_count + 1) * sizeof *c->waiting));
	if (d->waiting_count > 0)
		memcpy(c->waiting, d->waiting, d->waiting_count * sizeof *c->waiting);
	c->waiting_count = c->waiting_room = d->waiting_count;
	return c;
}

void
disk_free(struct disk **d)
{
	if (*d == NULL)
		return;
	for (uint32_t i = 0; i < (*d)->file_count; i++)
		if ((*d)->files[i].bytes != NULL)
			give_bytes((*d)->files[i].bytes, (*d)->files[i].room);
	free((*d)->files);
	free((*d)->entries);
	free((*d)->waiting);
	free(*d);
	*d = NULL;
}

/* ---- what an event does to a disk ---- */

static void
put(struct disk *d, const struct tape_event *e, uint64_t from, uint64_t to)
{
	struct file *f = file_at(d, e->file);
	size_t end = (size_t)(e->at + to);

	if (end > f->room) {
		f->room = end * 2;
		f->bytes = must(realloc(f->bytes, f->room));
	}
	if (end > f->extent) {
		memset(f->bytes + f->extent, 0, end - f->extent);
		f->extent = end;
	}
	memcpy(f->bytes + e->at + from, e->bytes + from, (size_t)(to - from));
	if (end > f->size)
		f->size = end;
}

static void
resize(struct disk *d, uint32_t file, uint64_t len)
{
	struct file *f = file_at(d, file);

	f->size = len;
	if (f->extent > len)
		f->extent = (size_t)len;
}

static struct entry *
find(struct disk *d, const char *name)
{
	for (uint32_t i = 0; i < d->entry_count; i++)
		if (strcmp(d->entries[i].name, name) == 0)
			return &d->entries[i];
	return NULL;
}

static void
name_it(struct disk *d, const char *name, uint32_t file, bool folder)
{
	struct entry *e = find(d, name);

	if (e == NULL) {
		d->entries = must(realloc(d->entries, (d->entry_count + 1) * sizeof *d->entries));
		e = &d->entries[d->entry_count++];
		(void)snprintf(e->name, sizeof e->name, "%s", name);
	}
	e->file = file;
	e->folder = folder;
}

static void
forget(struct disk *d, const char *name)
{
	struct entry *e = find(d, name);

	if (e != NULL)
		*e = d->entries[--d->entry_count];
}

/* Also where its first name never came to the disk. */
static void
move(struct disk *d, const struct tape_event *e)
{
	(void)file_at(d, e->file);
	forget(d, e->name);
	name_it(d, e->to, e->file, false);
}

/* Wholly, for what is neither torn nor a sync. */
static void
carry_out(struct disk *d, const struct tape_event *e)
{
	switch (e->kind) {
	case TAPE_WRITE:
	case TAPE_THROUGH: put(d, e, 0, e->len); break;
	case TAPE_SIZE: resize(d, e->file, e->len); break;
	case TAPE_GROW:
		if (e->len > file_at(d, e->file)->size)
			file_at(d, e->file)->size = e->len;
		break;
	case TAPE_ENTRY:
		(void)file_at(d, e->file);
		name_it(d, e->name, e->file, false);
		break;
	case TAPE_FOLDER: name_it(d, e->name, NO_FILE, true); break;
	case TAPE_GONE:
	case TAPE_FOLDER_GONE: forget(d, e->name); break;
	case TAPE_MOVED: move(d, e); break;
	case TAPE_SYNC:
	case TAPE_SYNC_FAILED:
	case TAPE_NO_SYNC:
	case TAPE_FOLDER_SYNC:
	case TAPE_MARK: break;
	}
}

/* ---- what waits ---- */

static bool
is_entry(const struct tape_event *e)
{
	return e->kind == TAPE_ENTRY || e->kind == TAPE_GONE || e->kind == TAPE_MOVED || e->kind == TAPE_FOLDER || e->kind == TAPE_FOLDER_GONE;
}

static size_t
folder_len(const char *name)
{
	const char *slash = strrchr(name, '/');

	return slash != NULL ? (size_t)(slash - name) : 0;
}

static bool
stands_in(const struct tape_event *e, const char *folder)
{
	const char *name = e->kind == TAPE_MOVED ? e->to : e->name;
	size_t n = folder_len(name);

	return n == strlen(folder) && strncmp(name, folder, n) == 0;
}

static void
wait_for_sync(struct disk *d, const struct tape_event *e)
{
	if (d->waiting_count == d->waiting_room) {
		d->waiting_room = d->waiting_room * 2 + 64;
		d->waiting = must(realloc(d->waiting, d->waiting_room * sizeof *d->waiting));
	}
	d->waiting[d->waiting_count++] = (struct waiting){.e = *e};
}

static bool
overlap(const struct tape_event *a, const struct tape_event *b)
{
	return a->file == b->file && a->at < b->at + b->len && b->at < a->at + a->len;
}

static bool
is_write(const struct tape_event *e)
{
	return e->kind == TAPE_WRITE || e->kind == TAPE_THROUGH;
}

/* Those that now says of all waiting become durable; what failed before stays where it is, unless something newer took its place. */
static void
make_durable(struct disk *d, const struct tape_event *now, bool (*says)(const struct tape_event *now, const struct tape_event *e))
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < d->waiting_count; i++) {
		struct waiting *w = &d->waiting[i];
		bool newer = false;

		for (uint32_t k = i + 1; w->doomed && k < d->waiting_count && !newer; k++)
			newer = !d->waiting[k].doomed && is_write(&d->waiting[k].e) && overlap(&w->e, &d->waiting[k].e) && says(now, &d->waiting[k].e);
		if (newer)
			continue;
		if (!w->doomed && says(now, &w->e))
			carry_out(d, &w->e);
		else
			d->waiting[kept++] = *w;
	}
	d->waiting_count = kept;
}

static bool
of_its_file(const struct tape_event *now, const struct tape_event *e)
{
	return !is_entry(e) && e->file == now->file;
}

static bool
of_its_folder(const struct tape_event *now, const struct tape_event *e)
{
	return is_entry(e) && stands_in(e, now->name);
}

static bool
of_its_place(const struct tape_event *now, const struct tape_event *e)
{
	return is_write(e) && overlap(now, e);
}

/* By pages, so that each can be replaced alone. */
static void
doom(struct disk *d, uint32_t file)
{
	uint32_t count = d->waiting_count;

	for (uint32_t i = 0; i < count; i++) {
		struct tape_event all = d->waiting[i].e;

		if (is_entry(&all) || all.file != file || d->waiting[i].doomed)
			continue;
		d->waiting[i].doomed = true;
		if (!is_write(&all) || all.len <= PAGE)
			continue;
		d->waiting[i].e.len = PAGE;
		for (uint64_t at = PAGE; at < all.len; at += PAGE) {
			struct tape_event part = all;

			part.at += at;
			part.bytes += at;
			part.len = all.len - at < PAGE ? all.len - at : PAGE;
			wait_for_sync(d, &part);
			d->waiting[d->waiting_count - 1].doomed = true;
		}
	}
}

void
disk_feed(struct disk *d, const struct tape_event *e)
{
	switch (e->kind) {
	case TAPE_THROUGH:
		wait_for_sync(d, e);
		make_durable(d, e, of_its_place); /* itself among them */
		break;
	case TAPE_SYNC: make_durable(d, e, of_its_file); break;
	case TAPE_SYNC_FAILED: doom(d, e->file); break;
	case TAPE_FOLDER_SYNC: make_durable(d, e, of_its_folder); break;
	case TAPE_NO_SYNC:
	case TAPE_MARK: break;
	case TAPE_WRITE:
	case TAPE_SIZE:
	case TAPE_GROW:
	case TAPE_ENTRY:
	case TAPE_GONE:
	case TAPE_MOVED:
	case TAPE_FOLDER:
	case TAPE_FOLDER_GONE: wait_for_sync(d, e); break;
	}
}

bool
disk_is_barrier(const struct tape_event *e)
{
	return e->kind == TAPE_THROUGH || e->kind == TAPE_SYNC || e->kind == TAPE_FOLDER_SYNC || e->kind == TAPE_SYNC_FAILED || e->kind == TAPE_MOVED ||
	       e->kind == TAPE_NO_SYNC;
}

void
disk_settle(struct disk *d)
{
	for (uint32_t i = 0; i < d->waiting_count; i++)
		carry_out(d, &d->waiting[i].e);
	d->waiting_count = 0;
}

/* ---- a cut ---- */

struct dice { uint64_t state; };

static uint64_t
roll(struct dice *x, uint64_t below)
{
	x->state ^= x->state << 13;
	x->state ^= x->state >> 7;
	x->state ^= x->state << 17;
	return (x->state >> 11) % below;
}

static void
mix(uint64_t *what, uint64_t v)
{
	*what = (*what ^ v) * 0x9E3779B97F4A7C15ull;
	*what ^= *what >> 29;
}

static void
tear(struct disk *c, const struct tape_event *e, uint32_t i, struct dice *x, uint64_t *what)
{
	for (uint64_t at = 0; at < e->len;) {
		uint64_t to = (e->at + at) / SECTOR * SECTOR + SECTOR - e->at; /* the disk's sectors, not the write's */

		to = to < e->len ? to : e->len;
		if (roll(x, 2) == 0) {
			put(c, e, at, to);
			mix(what, (uint64_t)i << 32 | at);
		}
		at = to;
	}
}

enum way { NOTHING, ALL, PREFIX, SUBSET, TORN, ALL_BUT_ONE, ONE, WAYS };

struct choice { enum way way; uint32_t prefix, one; uint64_t share; bool torn; };

static bool
takes(const struct choice *c, uint32_t i, struct dice *x)
{
	switch (c->way) {
	case NOTHING: return false;
	case ALL: return true;
	case PREFIX: return i < c->prefix;
	case SUBSET:
	case TORN: return roll(x, 10) < c->share;
	case ALL_BUT_ONE: return i != c->one;
	case ONE: return i == c->one;
	case WAYS: break;
	}
	return false;
}

/* The entries of one folder in their order: so and so many of them all. */
static void
cut_entries(struct disk *c, const struct waiting *w, uint32_t count, enum way way, struct dice *x, uint64_t *what)
{
	uint32_t all = 0, taken;

	for (uint32_t i = 0; i < count; i++)
		all += is_entry(&w[i].e);
	taken = way == NOTHING ? 0 : way == ALL ? all : (uint32_t)roll(x, all + 1u);
	mix(what, taken);
	for (uint32_t i = 0; i < count && taken > 0; i++)
		if (is_entry(&w[i].e)) {
			carry_out(c, &w[i].e);
			taken--;
		}
}

static void
cut_bytes(struct disk *c, const struct waiting *w, uint32_t count, const struct choice *choice, struct dice *x, uint64_t *what)
{
	for (uint32_t i = 0; i < count; i++) {
		const struct tape_event *e = &w[i].e;
		bool last = choice->way == PREFIX && i + 1 == choice->prefix;

		if (is_entry(e) || !takes(choice, i, x))
			continue;
		if (is_write(e) && (choice->way == TORN || (last && choice->torn))) {
			tear(c, e, i, x, what);
			continue;
		}
		carry_out(c, e);
		mix(what, i + 1);
	}
}

static bool
write_file(const char *path, const struct file *f)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	bool ok = fd >= 0 && ftruncate(fd, (off_t)f->size) == 0;

	for (size_t at = 0; ok && at < f->extent;) {
		static const uint8_t zeros[PAGE];
		size_t n = 0;

		while (at + n < f->extent) { /* runs of pages; holes stay holes */
			size_t page = f->extent - at - n < PAGE ? f->extent - at - n : PAGE;

			if (memcmp(f->bytes + at + n, zeros, page) == 0)
				break;
			n += page;
		}
		if (n > 0)
			ok = pwrite(fd, f->bytes + at, n, (off_t)at) == (ssize_t)n;
		at += n > 0 ? n : PAGE;
	}
	if (fd >= 0)
		(void)close(fd);
	return ok;
}

bool
disk_write(const struct disk *c, const char *folder)
{
	char path[512];

	for (size_t depth = 0; depth < 8; depth++) /* folders before what stands in them */
		for (uint32_t i = 0; i < c->entry_count; i++) {
			size_t slashes = 0;

			for (const char *p = c->entries[i].name; *p != '\0'; p++)
				slashes += *p == '/';
			if (slashes != depth)
				continue;
			(void)snprintf(path, sizeof path, "%s/%s", folder, c->entries[i].name);
			if (c->entries[i].folder) {
				if (mkdir(path, 0700) != 0 && errno != EEXIST)
					return false;
			} else if (!write_file(path, &c->files[c->entries[i].file]) && errno != ENOENT) { /* its folder never came to the disk */
				return false;
			}
		}
	return true;
}

struct disk *
disk_cut(const struct disk *d, const struct tape_event *e, uint64_t draw, uint64_t *what)
{
	struct dice x = {draw * 0x9E3779B97F4A7C15ull + 88172645463325252ull};
	struct disk *c = disk_copy(d);
	struct choice choice;

	for (int i = 0; i < 5; i++)
		(void)roll(&x, 2);
	if (e != NULL && (is_write(e) || is_entry(e)))
		wait_for_sync(c, e);
	choice.way = draw < 2 ? (enum way)draw : (enum way)(PREFIX + roll(&x, WAYS - PREFIX));
	choice.prefix = (uint32_t)roll(&x, c->waiting_count + 1u);
	choice.one = c->waiting_count > 0 ? (uint32_t)roll(&x, c->waiting_count) : 0;
	choice.share = 1 + roll(&x, 9);
	choice.torn = roll(&x, 2) == 0;
	*what = 0;
	cut_bytes(c, c->waiting, c->waiting_count, &choice, &x, what);
	cut_entries(c, c->waiting, c->waiting_count, choice.way, &x, what);
	c->waiting_count = 0;
	return c;
}

uint32_t
disk_known(const struct disk *d, struct tape_known *out, uint32_t max, uint32_t *files)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < d->entry_count && n < max; i++)
		if (!d->entries[i].folder)
			out[n++] = (struct tape_known){d->entries[i].name, d->entries[i].file};
	*files = d->file_count;
	return n;
}
