/* sim_disk: files as an image in the kernel's cache, and what would turn it back into what stands on the disk. */
#include "tests/simulation/sim_disk.h"

#include <stdlib.h>
#include <string.h>

#define PATH_LEN 256u
#define PIECE 65536u /* of an image: so a file grows without being copied */

struct image { uint8_t **pieces; size_t piece_count, size; };

struct change { /* not synced yet */
	bool truncate;
	uint64_t at; /* or the new size */
	size_t len;
	size_t size_before;
	size_t before; /* where among the inode's bytes of before those begin that it replaced */
	uint8_t *bytes; /* once somebody asks what it wrote */
};

/*
 * As long as all syncs succeed, the disk is the cache with the changes taken back, the newest first; so a sync has only to forget
 * them. An image of its own the disk has once it differs for another reason: a sync failed.
 */
struct inode {
	struct inode *next;
	struct image cache, disk;
	bool apart; /* disk counts, and each change has its bytes */
	struct change *changes;
	size_t count, cap;
	uint8_t *before;
	size_t before_len, before_cap;
	uint32_t opened;
	bool marked; /* while the unused are looked for */
};

/* What a name stood for since its folder was synced: past[0] is safe, the last is what it stands for now. NULL: no such file. */
struct name {
	struct name *next;
	char path[PATH_LEN];
	struct inode **past;
	size_t count;
};

struct sim_file {
	struct sim_file *next;
	struct sim_disk *d;
	struct inode *inode;
	char path[PATH_LEN];
	bool dead;
};

enum rule_kind { RULE_FAIL, RULE_ROOM, RULE_HALT };
struct rule {
	struct rule *next;
	enum rule_kind kind;
	char path[PATH_LEN];
	unsigned ops;
	uint64_t nth; /* so many more until it fires; a room's bytes */
	bool for_ever, fired;
	enum kw_err how;
};

struct sim_disk {
	struct sim_dice dice;
	struct inode *inodes; /* in the order in which they were made, so that dice fall the same way in every run */
	struct name *names;
	struct sim_file *files;
	struct rule *rules;
	bool deaf;
	struct sim_disk_counts counts;
};

static void *
must_have(void *p)
{
	MUST(p != NULL);
	return p;
}

static uint64_t
dice(struct sim_disk *d, uint64_t n)
{
	return d->dice.below(d->dice.self, n);
}

static void
copy_path(char to[PATH_LEN], const char *path)
{
	size_t len = strlen(path);

	MUST(len < PATH_LEN);
	memcpy(to, path, len + 1);
}

static bool
below(const char *path, const char *above)
{
	size_t len = strlen(above);

	return strncmp(path, above, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

/* ---- images ---- */

static void
image_room(struct image *m, size_t size)
{
	size_t count = (size + PIECE - 1) / PIECE;

	if (count <= m->piece_count)
		return;
	m->pieces = must_have(realloc(m->pieces, count * sizeof *m->pieces));
	while (m->piece_count < count)
		m->pieces[m->piece_count++] = must_have(malloc(PIECE));
}

static void
image_free(struct image *m)
{
	for (size_t i = 0; i < m->piece_count; i++)
		free(m->pieces[i]);
	free(m->pieces);
	*m = (struct image){0};
}

static uint8_t *
image_at(const struct image *m, size_t at)
{
	return m->pieces[at / PIECE] + at % PIECE;
}

/* How many of the bytes from at to end lie in at's piece. */
static size_t
piece_left(size_t at, size_t end)
{
	return PIECE - at % PIECE < end - at ? PIECE - at % PIECE : end - at;
}

static void
image_resize(struct image *m, size_t size)
{
	size_t len;

	image_room(m, size);
	for (size_t at = m->size; at < size; at += len) {
		len = piece_left(at, size);
		memset(image_at(m, at), 0, len);
	}
	m->size = size;
}

static void
image_put(struct image *m, uint64_t from, const uint8_t *bytes, size_t count)
{
	size_t end = (size_t)from + count, len;

	if (count == 0)
		return;
	if (from > m->size)
		image_resize(m, (size_t)from);
	image_room(m, end);
	if (end > m->size)
		m->size = end;
	for (size_t at = (size_t)from; at < end; at += len, bytes += len) {
		len = piece_left(at, end);
		memcpy(image_at(m, at), bytes, len);
	}
}

/* All of them are there. */
static void
image_get(const struct image *m, size_t from, uint8_t *out, size_t count)
{
	size_t end = from + count, len;

	for (size_t at = from; at < end; at += len, out += len) {
		len = piece_left(at, end);
		memcpy(out, image_at(m, at), len);
	}
}

static void
image_copy(struct image *to, const struct image *from)
{
	size_t len;

	image_room(to, from->size);
	to->size = from->size;
	for (size_t at = 0; at < from->size; at += len) {
		len = piece_left(at, from->size);
		memcpy(image_at(to, at), image_at(from, at), len);
	}
}

static void
image_apply(struct image *m, const struct change *c, const void *bytes)
{
	if (c->truncate)
		image_resize(m, (size_t)c->at);
	else
		image_put(m, c->at, bytes, c->len);
}

/* ---- changes that are not synced ---- */

/* What the change is about to replace or to cut off. */
static size_t
replaces(const struct change *c)
{
	if (c->at >= c->size_before)
		return 0;
	return c->truncate || c->size_before - c->at < c->len ? c->size_before - (size_t)c->at : c->len;
}

static void
keep_before(struct inode *i, struct change *c)
{
	size_t len = replaces(c);

	c->before = i->before_len;
	if (len == 0)
		return;
	if (i->before_len + len > i->before_cap) {
		i->before_cap = (i->before_len + len) * 2;
		i->before = must_have(realloc(i->before, i->before_cap));
	}
	image_get(&i->cache, (size_t)c->at, i->before + i->before_len, len);
	i->before_len += len;
}

static void
keep_bytes(struct change *c, const void *bytes)
{
	c->bytes = must_have(malloc(c->len + 1));
	if (bytes != NULL)
		memcpy(c->bytes, bytes, c->len);
}

static void
note(struct inode *i, const struct change *what, const void *bytes)
{
	struct change *c;

	if (i->count == i->cap) {
		i->cap = i->cap * 2 + 16;
		i->changes = must_have(realloc(i->changes, i->cap * sizeof *i->changes));
	}
	c = &i->changes[i->count++];
	*c = *what;
	c->size_before = i->cache.size;
	if (!i->apart)
		keep_before(i, c);
	else if (!c->truncate)
		keep_bytes(c, bytes);
	image_apply(&i->cache, c, bytes);
}

static void
forget_changes(struct inode *i)
{
	for (size_t k = 0; k < i->count; k++)
		free(i->changes[k].bytes);
	i->count = 0;
	i->before_len = 0;
}

static void
settle(struct inode *i)
{
	for (size_t k = 0; i->apart && k < i->count; k++)
		image_apply(&i->disk, &i->changes[k], i->changes[k].bytes);
	forget_changes(i);
}

/* Gives the disk an image of its own: the cache's, with the changes taken back, of which each gets what it wrote. */
static void
set_apart(struct inode *i)
{
	if (i->apart)
		return;
	i->apart = true;
	image_copy(&i->disk, &i->cache);
	for (size_t k = i->count; k-- > 0;) {
		struct change *c = &i->changes[k];

		if (!c->truncate) {
			keep_bytes(c, NULL);
			image_get(&i->disk, (size_t)c->at, c->bytes, c->len);
		}
		image_resize(&i->disk, c->size_before);
		image_put(&i->disk, c->at, i->before + c->before, replaces(c));
	}
}

/* Up to the next boundary of a sector. */
static size_t
sector_at(const struct change *c, size_t from)
{
	size_t step = (size_t)(SIM_SECTOR - (c->at + from) % SIM_SECTOR);

	return step < c->len - from ? step : c->len - from;
}

enum survival { ALL, NONE, SOME };

/* Puts a change on the disk, whole, not at all, or sector by sector as the dice fall. */
static void
survive(struct sim_disk *d, struct inode *i, const struct change *c, enum survival how)
{
	size_t kept = 0, len;

	if (how == SOME && c->truncate)
		how = dice(d, 2) == 0 ? ALL : NONE;
	if (how == ALL)
		image_apply(&i->disk, c, c->bytes);
	if (how != SOME) {
		*(how == ALL ? &d->counts.kept : &d->counts.lost) += 1;
		return;
	}
	for (size_t at = 0; at < c->len; at += len) {
		uint8_t rubbish[SIM_SECTOR];

		len = sector_at(c, at);
		if (dice(d, 2) == 0) {
			image_put(&i->disk, c->at + at, c->bytes + at, len);
			kept += len;
		} else if (c->at + at >= i->disk.size && dice(d, 4) == 0) {
			memset(rubbish, (int)dice(d, 256), sizeof rubbish);
			image_put(&i->disk, c->at + at, rubbish, len);
		}
	}
	*(kept == c->len ? &d->counts.kept : kept == 0 ? &d->counts.lost : &d->counts.torn) += 1;
}

/* Nothing, all, a beginning whose last write is torn, or any of them and each in part. */
static void
cut_content(struct sim_disk *d, struct inode *i)
{
	uint64_t how, upto;

	if (i->count > 0) {
		set_apart(i);
		how = dice(d, 5);
		upto = how == 0 ? 0 : how == 1 ? i->count : dice(d, i->count);
		for (size_t k = 0; k < i->count; k++) {
			enum survival each = k < upto ? ALL : NONE;

			if (how == 2 && k == upto)
				each = SOME;
			if (how > 2)
				each = (enum survival)dice(d, 3);
			survive(d, i, &i->changes[k], each);
		}
		forget_changes(i);
	}
	if (!i->apart)
		return;
	image_free(&i->cache);
	i->cache = i->disk;
	i->disk = (struct image){0};
	i->apart = false;
}

/* Clean and undefined, as Linux has it: what stands on the disk is by chance, and some pages are read from there again. */
static void
sync_failed(struct sim_disk *d, struct inode *i)
{
	struct change *c = i->changes;
	size_t count = i->count;

	set_apart(i);
	for (size_t k = 0; k < count; k++)
		survive(d, i, &c[k], (enum survival)dice(d, 3));
	for (size_t k = 0; k < count; k++) {
		for (uint64_t page = c[k].at / SIM_PAGE; !c[k].truncate && page * SIM_PAGE < c[k].at + c[k].len; page++) {
			size_t at = (size_t)page * SIM_PAGE, end = at + SIM_PAGE < i->cache.size ? at + SIM_PAGE : i->cache.size;
			uint8_t old[SIM_PAGE] = {0};

			if (at >= end || dice(d, 4) != 0)
				continue;
			if (at < i->disk.size)
				image_get(&i->disk, at, old, (end < i->disk.size ? end : i->disk.size) - at);
			image_put(&i->cache, at, old, end - at);
		}
	}
	forget_changes(i);
}

/* ---- names ---- */

static struct name *
name_find(const struct sim_disk *d, const char *path)
{
	for (struct name *n = d->names; n != NULL; n = n->next)
		if (strcmp(n->path, path) == 0)
			return n;
	return NULL;
}

static struct inode *
name_now(const struct name *n)
{
	return n != NULL ? n->past[n->count - 1] : NULL;
}

static void
name_set(struct sim_disk *d, const char *path, struct inode *i)
{
	struct name *n = name_find(d, path), **end = &d->names;

	if (n == NULL) {
		while (*end != NULL)
			end = &(*end)->next;
		n = *end = must_have(calloc(1, sizeof *n));
		copy_path(n->path, path);
		n->past = must_have(calloc(1, sizeof *n->past));
		n->count = 1;
	}
	n->past = must_have(realloc(n->past, (n->count + 1) * sizeof *n->past));
	n->past[n->count++] = i;
}

static void
name_settle(struct name *n, size_t which)
{
	n->past[0] = n->past[which];
	n->count = 1;
}

static void
mark_used(struct sim_disk *d)
{
	for (struct inode *i = d->inodes; i != NULL; i = i->next)
		i->marked = i->opened > 0;
	for (struct name *n = d->names; n != NULL; n = n->next)
		for (size_t k = 0; k < n->count; k++)
			if (n->past[k] != NULL)
				n->past[k]->marked = true;
}

static void
inode_free(struct inode *i)
{
	forget_changes(i);
	free(i->changes);
	free(i->before);
	image_free(&i->cache);
	image_free(&i->disk);
	free(i);
}

static void
sweep(struct sim_disk *d)
{
	struct inode **at = &d->inodes, *i;

	mark_used(d);
	while ((i = *at) != NULL) {
		if (i->marked) {
			at = &i->next;
			continue;
		}
		*at = i->next;
		inode_free(i);
	}
}

/* ---- faults ---- */

static struct rule *
rule_add(struct sim_disk *d, enum rule_kind kind, const char *path)
{
	struct rule *r = must_have(calloc(1, sizeof *r));

	r->kind = kind;
	copy_path(r->path, path);
	r->next = d->rules;
	d->rules = r;
	return r;
}

static void
rules_drop(struct sim_disk *d, const char *path, bool halts)
{
	struct rule **at = &d->rules, *r;

	while ((r = *at) != NULL) {
		if ((r->kind == RULE_HALT) != halts || strcmp(r->path, path) != 0) {
			at = &r->next;
			continue;
		}
		*at = r->next;
		free(r);
	}
}

/* What is ordered for this operation, KW_OK: nothing. A nameless file has no path and no faults. */
static enum kw_err
fate(struct sim_disk *d, const char *path, unsigned op)
{
	enum kw_err err = KW_OK;

	for (struct rule *r = d->rules; r != NULL; r = r->next) {
		if (r->kind == RULE_ROOM || !below(path, r->path))
			continue;
		if (r->kind == RULE_HALT && r->fired)
			return KW_EIO;
		if ((r->ops & op) == 0 || (r->fired && !r->for_ever) || (!r->fired && --r->nth > 0))
			continue;
		r->fired = true;
		d->counts.failed++;
		err = r->how;
	}
	return err;
}

static uint64_t
used_below(const struct sim_disk *d, const char *path)
{
	uint64_t used = 0;

	for (struct name *n = d->names; n != NULL; n = n->next)
		if (name_now(n) != NULL && below(n->path, path))
			used += name_now(n)->cache.size;
	return used;
}

static bool
has_room(struct sim_disk *d, const struct sim_file *f, uint64_t size)
{
	uint64_t now = f->inode->cache.size;

	if (size <= now)
		return true;
	for (struct rule *r = d->rules; r != NULL; r = r->next) {
		if (r->kind != RULE_ROOM || !below(f->path, r->path) || used_below(d, r->path) + (size - now) <= r->nth)
			continue;
		d->counts.failed++;
		return false;
	}
	return true;
}

void
sim_disk_fail(struct sim_disk *d, const char *path, unsigned ops, uint64_t nth, bool for_ever, enum kw_err how)
{
	struct rule *r = rule_add(d, RULE_FAIL, path);

	MUST(nth > 0 && how != KW_OK);
	r->ops = ops;
	r->nth = nth;
	r->for_ever = for_ever;
	r->how = how;
}

void
sim_disk_mend(struct sim_disk *d, const char *path)
{
	rules_drop(d, path, false);
}

void
sim_disk_room(struct sim_disk *d, const char *path, uint64_t bytes)
{
	rule_add(d, RULE_ROOM, path)->nth = bytes;
}

void
sim_disk_deaf(struct sim_disk *d, bool deaf)
{
	d->deaf = deaf;
}

void
sim_disk_halt(struct sim_disk *d, const char *path)
{
	rule_add(d, RULE_HALT, path)->fired = true;
}

void
sim_disk_halt_at(struct sim_disk *d, const char *path, uint64_t nth)
{
	struct rule *r = rule_add(d, RULE_HALT, path);

	MUST(nth > 0);
	r->ops = SIM_CHANGES;
	r->nth = nth;
	r->how = KW_EIO;
}

bool
sim_disk_halted(const struct sim_disk *d, const char *path)
{
	for (const struct rule *r = d->rules; r != NULL; r = r->next)
		if (r->kind == RULE_HALT && r->fired && below(path, r->path))
			return true;
	return false;
}

void
sim_disk_crash(struct sim_disk *d, const char *path, enum sim_crash how)
{
	d->counts.crashes++;
	for (struct sim_file *f = d->files; f != NULL; f = f->next)
		f->dead = f->dead || below(f->path, path);
	if (how == SIM_POWER_CUT) {
		for (struct name *n = d->names; n != NULL; n = n->next) {
			if (!below(n->path, path))
				continue;
			for (size_t k = 0; k < n->count; k++)
				if (n->past[k] != NULL)
					cut_content(d, n->past[k]);
			name_settle(n, n->count > 1 ? (size_t)dice(d, n->count) : 0);
		}
	}
	rules_drop(d, path, true);
	sweep(d);
}

struct sim_disk_counts
sim_disk_counts(const struct sim_disk *d)
{
	return d->counts;
}

/* ---- what programs do ---- */

struct sim_disk *
sim_disk_new(struct sim_dice with)
{
	struct sim_disk *d = must_have(calloc(1, sizeof *d));

	d->dice = with;
	return d;
}

void
sim_disk_free(struct sim_disk **d)
{
	struct name *n;
	struct rule *r;

	if (d == NULL || *d == NULL)
		return;
	MUST((*d)->files == NULL);
	while ((n = (*d)->names) != NULL) {
		(*d)->names = n->next;
		free(n->past);
		free(n);
	}
	while ((r = (*d)->rules) != NULL) {
		(*d)->rules = r->next;
		free(r);
	}
	sweep(*d);
	free(*d);
	*d = NULL;
}

static struct inode *
inode_new(struct sim_disk *d)
{
	struct inode **end = &d->inodes;

	while (*end != NULL)
		end = &(*end)->next;
	return *end = must_have(calloc(1, sizeof **end));
}

enum kw_err
sim_disk_open(struct sim_file **out, struct sim_disk *d, const char *path, bool create)
{
	struct inode *i = path != NULL ? name_now(name_find(d, path)) : NULL;
	struct sim_file *f;
	enum kw_err err;

	if (path != NULL && (err = fate(d, path, SIM_OPEN)) != KW_OK)
		return err;
	if (i == NULL && path != NULL && !create)
		return KW_ENOTFOUND;
	if (i == NULL) {
		i = inode_new(d);
		if (path != NULL)
			name_set(d, path, i);
	}
	f = must_have(calloc(1, sizeof *f));
	f->d = d;
	f->inode = i;
	copy_path(f->path, path != NULL ? path : "");
	f->next = d->files;
	d->files = f;
	i->opened++;
	*out = f;
	return KW_OK;
}

void
sim_file_close(struct sim_file **f)
{
	struct sim_disk *d;

	if (f == NULL || *f == NULL)
		return;
	d = (*f)->d;
	for (struct sim_file **at = &d->files; *at != NULL; at = &(*at)->next) {
		if (*at == *f) {
			*at = (*f)->next;
			break;
		}
	}
	if (--(*f)->inode->opened == 0)
		sweep(d);
	free(*f);
	*f = NULL;
}

static enum kw_err
file_fate(const struct sim_file *f, unsigned op)
{
	return f->dead ? KW_EIO : fate(f->d, f->path, op);
}

enum kw_err
sim_file_read(const struct sim_file *f, uint64_t at, void *out, size_t len, size_t *got)
{
	const struct image *m = &f->inode->cache;
	enum kw_err err = file_fate(f, SIM_READ);

	if (err != KW_OK)
		return err;
	*got = at >= m->size ? 0 : m->size - at < len ? (size_t)(m->size - at) : len;
	image_get(m, (size_t)at, out, *got);
	return KW_OK;
}

enum kw_err
sim_file_write(struct sim_file *f, uint64_t at, const void *bytes, size_t len)
{
	struct change c = {.at = at, .len = len};
	bool was_halted = f->dead || sim_disk_halted(f->d, f->path);
	enum kw_err err = file_fate(f, SIM_WRITE);

	if (err == KW_OK && !has_room(f->d, f, at + len))
		err = KW_EFULL;
	if (err != KW_OK && (was_halted || (c.len = (size_t)dice(f->d, len + 1)) == 0))
		return err;
	note(f->inode, &c, bytes);
	f->d->counts.writes++;
	return err;
}

enum kw_err
sim_file_truncate(struct sim_file *f, uint64_t size)
{
	enum kw_err err = file_fate(f, SIM_TRUNCATE);

	if (err == KW_OK)
		note(f->inode, &(struct change){.truncate = true, .at = size}, NULL);
	return err;
}

enum kw_err
sim_file_sync(struct sim_file *f)
{
	bool was_halted = f->dead || sim_disk_halted(f->d, f->path);
	enum kw_err err = file_fate(f, SIM_SYNC);

	if (err != KW_OK) {
		if (!was_halted && !sim_disk_halted(f->d, f->path))
			sync_failed(f->d, f->inode);
		return err;
	}
	f->d->counts.syncs++;
	if (!f->d->deaf)
		settle(f->inode);
	return KW_OK;
}

uint64_t
sim_file_size(const struct sim_file *f)
{
	return f->inode->cache.size;
}

const void *
sim_file_which(const struct sim_file *f)
{
	return f->inode;
}

bool
sim_file_dead(const struct sim_file *f)
{
	return f->dead;
}

enum kw_err
sim_disk_remove(struct sim_disk *d, const char *path)
{
	enum kw_err err = fate(d, path, SIM_REMOVE);

	if (err != KW_OK)
		return err;
	if (name_now(name_find(d, path)) == NULL)
		return KW_ENOTFOUND;
	name_set(d, path, NULL);
	return KW_OK;
}

enum kw_err
sim_disk_sync_folder(struct sim_disk *d, const char *path)
{
	const char *slash = strrchr(path, '/');
	size_t len = slash != NULL ? (size_t)(slash - path) : 0;
	enum kw_err err = fate(d, path, SIM_SYNC_FOLDER);

	if (err != KW_OK || d->deaf)
		return err;
	for (struct name *n = d->names; n != NULL; n = n->next) {
		const char *own = strrchr(n->path, '/');

		if ((own != NULL ? (size_t)(own - n->path) : 0) == len && strncmp(n->path, path, len) == 0)
			name_settle(n, n->count - 1);
	}
	sweep(d);
	return KW_OK;
}

bool
sim_disk_is_there(const struct sim_disk *d, const char *path, uint64_t *size)
{
	const struct inode *i = name_now(name_find(d, path));

	if (i != NULL && size != NULL)
		*size = i->cache.size;
	return i != NULL;
}
