/* headers_file: see its header. */
#include "clients/cli/headers_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/seal.h"

#define FORM "kurzweg headers 1"
#define LINE_MAX_BYTES 32768u
#define LINES_MAX 50000000ull

json_t *
headers_file_head(const char *partnership, const char *kind, uint64_t from_ms, uint64_t to_ms)
{
	return json_pack("{s:s, s:s, s:s, s:I, s:I}", "form", FORM, "partnership", partnership, "kind", kind, "from_ms", (json_int_t)from_ms, "to_ms",
	                 (json_int_t)to_ms);
}

json_t *
headers_file_end(uint64_t count)
{
	return json_pack("{s:I}", "headers", (json_int_t)count);
}

/* ---- values ---- */

struct line { const json_t *doc; bool fine; const char *wrong; }; /* wrong: the first key that is not as it must be */

static void
spoil(struct line *l, const char *key)
{
	l->wrong = l->fine ? key : l->wrong;
	l->fine = false;
}

static const char *
text_of(struct line *l, const char *key, size_t max)
{
	const char *text = json_string_value(json_object_get(l->doc, key));

	if (text != NULL && strlen(text) <= max)
		return text;
	spoil(l, key);
	return "";
}

static uint64_t
number_of(struct line *l, const char *key, uint64_t max)
{
	const json_t *v = json_object_get(l->doc, key);

	if (json_is_integer(v) && json_integer_value(v) >= 0 && (uint64_t)json_integer_value(v) <= max)
		return (uint64_t)json_integer_value(v);
	spoil(l, key);
	return 0;
}

static bool
has(const struct line *l, const char *key)
{
	return json_object_get(l->doc, key) != NULL;
}

static void
take_type(struct header *h, struct line *l)
{
	const char *name = text_of(l, "type", 32);

	for (int t = TYPE_NOTICE; t <= TYPE_RELEASED && h->type == 0; t++)
		if (strcmp(notice_type_name((enum notice_type)t), name) == 0)
			h->type = (enum notice_type)t;
	if (h->type == 0)
		spoil(l, "type");
}

static void
take_to(struct header *h, struct line *l)
{
	const json_t *list = json_object_get(l->doc, "to");

	if (!json_is_array(list) || json_array_size(list) > KW_TO_MAX) {
		spoil(l, "to");
		return;
	}
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *node = json_string_value(json_array_get(list, i));

		if (node == NULL || node_check(node, NULL) != KW_OK || (i > 0 && strcmp(h->to[i - 1], node) >= 0)) {
			spoil(l, "to");
			return;
		}
		memcpy(h->to[h->to_count++], node, strlen(node) + 1);
	}
}

static void
take_header(struct header *h, struct line *l)
{
	const char *topic = text_of(l, "topic", KW_TOPIC_MAX), *sender = text_of(l, "sender", KW_NODE_MAX);

	take_type(h, l);
	take_to(h, l);
	if (!kw_id_parse(h->id, text_of(l, "id", 36)))
		spoil(l, "id");
	if (topic_check(topic, NULL) != KW_OK)
		spoil(l, "topic");
	if (node_check(sender, NULL) != KW_OK)
		spoil(l, "sender");
	if (!lane_of(&h->lane, text_of(l, "lane", 16)))
		spoil(l, "lane");
	if (!payload_type_of(&h->payload_type, text_of(l, "payload", 16)))
		spoil(l, "payload");
	memcpy(h->topic, topic, strlen(topic) + 1);
	memcpy(h->sender, sender, strlen(sender) + 1);
	h->created_ms = number_of(l, "created_ms", INT64_MAX);
	h->expires_ms = number_of(l, "expires_ms", INT64_MAX);
	h->agreement_version = (uint32_t)number_of(l, "agreement_version", UINT32_MAX);
	if (has(l, "take_within_s"))
		h->take_within_s = (uint32_t)number_of(l, "take_within_s", UINT32_MAX);
	if (has(l, "about") && !(h->about.set = kw_id_parse(h->about.id, text_of(l, "about", 36))))
		spoil(l, "about");
	if (has(l, "next_owner"))
		(void)snprintf(h->next_owner, sizeof h->next_owner, "%s", text_of(l, "next_owner", KW_NODE_MAX));
}

/* ---- lines ---- */

struct reading {
	FILE *in;
	const char *path;
	char bytes[LINE_MAX_BYTES];
	uint64_t line;
	json_t *doc;        /* of the line that was read last */
};

/* False: nothing more, or *err. */
static bool
next_line(struct reading *r, enum kw_err *err, struct kw_why *why)
{
	size_t len;

	json_decref(r->doc);
	r->doc = NULL;
	if (fgets(r->bytes, sizeof r->bytes, r->in) == NULL) {
		if (ferror(r->in))
			*err = kw_refuse(why, KW_EIO, "%s cannot be read: %s", r->path, strerror(errno));
		return false;
	}
	r->line++;
	len = strlen(r->bytes);
	if (r->line > LINES_MAX)
		*err = kw_refuse(why, KW_ELIMIT, "%s has more than %llu lines; take the headers of a shorter time", r->path, LINES_MAX);
	else if (len == 0 || r->bytes[len - 1] != '\n')
		*err = kw_refuse(why, KW_EPROTO, "%s: line %llu is cut off, or longer than %u bytes", r->path, (unsigned long long)r->line, LINE_MAX_BYTES);
	else if ((r->doc = json_loadb(r->bytes, len, JSON_REJECT_DUPLICATES, NULL)) == NULL || !json_is_object(r->doc))
		*err = kw_refuse(why, KW_EPROTO, "%s: line %llu is no JSON object", r->path, (unsigned long long)r->line);
	return *err == KW_OK;
}

static enum kw_err
read_head(struct headers_file_info *info, struct reading *r, struct kw_why *why)
{
	struct line l = {.fine = true};
	enum kw_err err = KW_OK;
	const char *kind;

	if (!next_line(r, &err, why))
		return err != KW_OK ? err : kw_refuse(why, KW_EPROTO, "%s is empty", r->path);
	l.doc = r->doc;
	if (strcmp(text_of(&l, "form", 32), FORM) != 0)
		return kw_refuse(why, KW_EPROTO, "%s holds no headers as \"kurzweg broker headers\" writes them", r->path);
	(void)snprintf(info->partnership, sizeof info->partnership, "%s", text_of(&l, "partnership", KW_NAME_MAX));
	kind = text_of(&l, "kind", 16);
	info->mode = strcmp(kind, "exercise") == 0 ? MODE_EXERCISE : MODE_LIVE;
	info->from_ms = number_of(&l, "from_ms", INT64_MAX);
	info->to_ms = number_of(&l, "to_ms", INT64_MAX);
	if (l.fine)
		return KW_OK;
	return kw_refuse(why, KW_EPROTO, "%s: line %llu: \"%s\" is missing or wrong", r->path, (unsigned long long)r->line, l.wrong);
}

static enum kw_err
read_one(const struct headers_file_info *info, struct reading *r, headers_file_each each, void *self, struct kw_why *why)
{
	struct header h = {.mode = info->mode};
	struct line l = {.doc = r->doc, .fine = true};
	uint64_t time_ms = number_of(&l, "time_ms", INT64_MAX);

	take_header(&h, &l);
	if (!l.fine)
		return kw_refuse(why, KW_EPROTO, "%s: line %llu: \"%s\" is missing or wrong", r->path, (unsigned long long)r->line, l.wrong);
	(void)snprintf(h.partnership, sizeof h.partnership, "%s", info->partnership);
	return each(self, &h, time_ms, why);
}

/* The last line counts the others: a file that was cut off is told from a quiet time. */
static enum kw_err
read_lines(struct headers_file_info *info, struct reading *r, headers_file_each each, void *self, struct kw_why *why)
{
	bool ended = false;
	enum kw_err err = KW_OK;

	while (err == KW_OK && next_line(r, &err, why)) {
		const json_t *end = json_object_get(r->doc, "headers");

		if (ended)
			return kw_refuse(why, KW_EPROTO, "%s: line %llu stands behind the last one", r->path, (unsigned long long)r->line);
		if (end == NULL) {
			info->count++;
			err = read_one(info, r, each, self, why);
			continue;
		}
		ended = true;
		if (!json_is_integer(end) || (uint64_t)json_integer_value(end) != info->count)
			return kw_refuse(why, KW_EPROTO, "%s: the last line counts %lld headers, but here are %llu; take them anew", r->path,
			                 (long long)json_integer_value(end), (unsigned long long)info->count);
	}
	if (err == KW_OK && !ended)
		return kw_refuse(why, KW_EPROTO, "%s is not whole: its last line, which counts the headers, is missing; take them anew", r->path);
	return err;
}

enum kw_err
headers_file_read(struct headers_file_info *info, const char *path, headers_file_each each, void *self, struct kw_why *why)
{
	struct reading *r = calloc(1, sizeof *r);
	enum kw_err err;

	memset(info, 0, sizeof *info);
	if (r == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory");
	r->path = path;
	r->in = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	if (r->in == NULL)
		err = kw_refuse(why, errno == ENOENT ? KW_ENOTFOUND : KW_EIO, "%s cannot be read: %s", path, strerror(errno));
	else if ((err = read_head(info, r, why)) == KW_OK)
		err = read_lines(info, r, each, self, why);
	json_decref(r->doc);
	if (r->in != NULL && r->in != stdin)
		(void)fclose(r->in);
	free(r);
	return err;
}
