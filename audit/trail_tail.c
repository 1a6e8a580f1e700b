/* trail_tail: see its header. */
#include "audit/trail_tail.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "audit/trail_file.h"

#define N(v) ((unsigned long long)(v))

struct scan {
	struct tail *t;
	const char *partnership;
	const struct public_key *mine;
	struct public_key key;     /* by which heads are signed here, once a record named it */
	struct public_key first;   /* by which the file's first ones are */
	bool has_key, has_first, partial; /* partial: the file's beginning was not read */
};

static void
meet_begin(struct scan *s, const struct audit_record *r)
{
	if (strcmp(r->event, "begin") == 0 && r->detail != NULL)
		s->has_key = public_key_parse(&s->key, r->detail, NULL) == KW_OK;
}

static bool
verifies(const struct scan *s, const struct audit_head *h, const struct public_key *key)
{
	struct audit_owner owner = {s->partnership, key->name, (uint8_t)key->mode};

	return audit_head_verify(h, &owner, key->sign_pk);
}

static bool
is_owners(const struct scan *s, const struct audit_head *h)
{
	return (s->has_key && verifies(s, h, &s->key)) || (s->has_first && verifies(s, h, &s->first)) || verifies(s, h, s->mine);
}

/* Of a part, the first line says where it is. */
static enum kw_err
take_head(struct scan *s, const struct audit_head *h, struct kw_why *why)
{
	struct tail *t = s->t;

	if (t->number == 0 && s->partial) {
		t->number = h->number;
		memcpy(t->hash, h->hash, KW_HASH_LEN);
	}
	if (h->number != t->number || memcmp(h->hash, t->hash, KW_HASH_LEN) != 0)
		return kw_refuse(why, KW_ECORRUPT, "the head is of another record than the one before it");
	if (s->has_key && !verifies(s, h, &s->key))
		return kw_refuse(why, KW_ECORRUPT, "the head is not signed by the key of %s", s->key.name);
	t->signed_to = h->number;
	return KW_OK;
}

static enum kw_err
take_line(struct scan *s, const struct audit_line *l, struct kw_why *why)
{
	struct tail *t = s->t;

	if (l->kind == AUDIT_HEAD)
		return take_head(s, &l->head, why);
	if (t->number > 0 && (l->record.number != t->number + 1 || memcmp(l->before, t->hash, KW_HASH_LEN) != 0))
		return kw_refuse(why, KW_ECORRUPT, "it does not follow the one before it");
	t->number = l->record.number;
	memcpy(t->hash, l->hash, KW_HASH_LEN);
	meet_begin(s, &l->record);
	return KW_OK;
}

static void
go_to(struct tail *last, uint64_t number, const uint8_t hash[KW_HASH_LEN])
{
	if (number <= last->number)
		return;
	last->number = number;
	memcpy(last->hash, hash, KW_HASH_LEN);
}

/* Behind the first damage: was it signed once, and how far did the numbers go? */
static void
take_behind(struct scan *s, const struct audit_line *l, struct tail *last)
{
	if (l->kind == AUDIT_RECORD) {
		meet_begin(s, &l->record);
		go_to(last, l->record.number, l->hash);
	} else if (is_owners(s, &l->head)) {
		s->t->changed = true;
		go_to(last, l->head.number, l->head.hash);
	}
}

static enum kw_err
scan_lines(struct scan *s, struct lines *lines, const char *path, struct kw_why *why)
{
	struct tail *t = s->t, last = {.number = 0};
	struct span line;
	bool open_end = false;
	enum kw_err err;

	t->whole = lines->at;
	while ((err = lines_next(&line, &open_end, lines, why)) == KW_OK) {
		struct audit_line l;
		struct kw_why bad;
		enum kw_err good = open_end ? kw_refuse(&bad, KW_ECORRUPT, "the line is not whole") : audit_line_read(&l, line, &bad);

		if (t->why[0] != '\0') {
			if (good == KW_OK)
				take_behind(s, &l, &last);
		} else {
			good = good == KW_OK ? take_line(s, &l, &bad) : good;
			if (good == KW_OK) {
				t->whole = lines->at;
			} else {
				(void)snprintf(t->why, sizeof t->why, "%.64s, byte %llu: %.200s", strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path, N(t->whole), bad.text);
				t->newer = good == KW_ESTATE;
				t->torn = open_end && line.len <= AUDIT_LINE_MAX && t->whole + line.len == t->size;
				last = (struct tail){.number = 0};
			}
		}
		if (!open_end)
			audit_line_free(&l);
	}
	if (t->changed)
		go_to(t, last.number, last.hash);
	return err == KW_ENOTFOUND ? KW_OK : err;
}

/* From the first whole line on that begins behind the start of the part. */
static enum kw_err
open_part(struct lines *lines, bool *partial, const char *path, uint64_t size, struct kw_why *why)
{
	struct span line;
	bool open_end = true;
	enum kw_err err = lines_open(lines, path, size > TAIL_BYTES ? size - TAIL_BYTES : 0, why);

	*partial = size > TAIL_BYTES;
	while (err == KW_OK && *partial && open_end)
		if ((err = lines_next(&line, &open_end, lines, why)) == KW_ENOTFOUND)
			return KW_OK;
	return err;
}

/* The record that the file begins with, for audit_line_free. KW_ENOTFOUND: it begins with none. */
static enum kw_err
read_first(struct audit_line *out, const char *path, struct kw_why *why)
{
	struct lines lines;
	struct span line;
	bool open_end;
	enum kw_err err = lines_open(&lines, path, 0, why);

	if (err != KW_OK)
		return err;
	err = lines_next(&line, &open_end, &lines, why);
	if (err == KW_OK && open_end)
		err = KW_ENOTFOUND;
	if (err == KW_OK && (audit_line_read(out, line, NULL) != KW_OK || out->kind != AUDIT_RECORD)) {
		audit_line_free(out);
		err = KW_ENOTFOUND;
	}
	lines_close(&lines);
	return err;
}

/* Who wrote the file; nothing where that cannot be read. */
static enum kw_err
read_owner(struct scan *s, const char *path, const struct public_key *mine, struct kw_why *why)
{
	struct audit_line l;
	enum kw_err err = read_first(&l, path, why);

	if (err == KW_ENOTFOUND)
		return KW_OK;
	if (err != KW_OK)
		return err;
	meet_begin(s, &l.record);
	audit_line_free(&l);
	if (s->has_key && (strcmp(s->key.name, mine->name) != 0 || s->key.mode != mine->mode || s->key.kind != mine->kind))
		return kw_refuse(why, KW_EDENIED, "the audit trail %s is of %s, and this is %s; give each a folder of its own", path, s->key.name, mine->name);
	return KW_OK;
}

enum kw_err
tail_read(struct tail *out, const char *path, const char *partnership, const struct public_key *mine, struct kw_why *why)
{
	struct scan s = {.t = out, .partnership = partnership, .mine = mine};
	struct lines lines;
	struct stat st;
	enum kw_err err;

	*out = (struct tail){.number = 0};
	if (stat(path, &st) != 0)
		return kw_refuse(why, KW_EIO, "%s cannot be read: %s", path, strerror(errno));
	out->size = (uint64_t)st.st_size;
	if ((err = read_owner(&s, path, mine, why)) != KW_OK)
		return err;
	s.first = s.key;
	s.has_first = s.has_key;
	s.has_key = false; /* a later start may have had another key, and says so */
	if ((err = open_part(&lines, &s.partial, path, out->size, why)) == KW_OK)
		err = scan_lines(&s, &lines, path, why);
	lines_close(&lines);
	if (err == KW_OK && out->newer && out->changed) /* signed, so it is no damage that only looks like that */
		return kw_refuse(why, KW_ESTATE, "%s was written by a newer program (byte %llu has what is not known here), and nothing of it was changed; install that one, or restore a backup from before the upgrade", path, N(out->whole));
	return err;
}

enum kw_err
tail_first(uint64_t *number, uint8_t before[KW_HASH_LEN], const char *path, struct kw_why *why)
{
	struct audit_line l;
	enum kw_err err = read_first(&l, path, why);

	if (err != KW_OK)
		return err;
	*number = l.record.number;
	memcpy(before, l.before, KW_HASH_LEN);
	audit_line_free(&l);
	return KW_OK;
}
