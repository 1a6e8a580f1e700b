/* page: see its header. */
#include "audit/page.h"

#include <stdlib.h>
#include <string.h>

#include "base/json_ask.h"

#define ROW_MOST (6u * AUDIT_LINE_MAX) /* a line, escaped, and what was sealed in it */

static enum kw_err
take_key(struct page_ask *a, const char *key, const json_t *v, struct kw_why *why)
{
	const struct { const char *key; uint64_t *to; } numbers[] = {
		{"place", &a->place}, {"since_ms", &a->query.since_ms}, {"until_ms", &a->query.until_ms}, {"commits_after", &a->commits_after},
	};
	const struct { const char *key; const char **to; } texts[] = {
		{"actor", &a->query.actor}, {"event", &a->query.event}, {"object", &a->query.object}, {"as", &a->as}, {"reason", &a->reason},
	};
	const struct { const char *key; bool *to; } flags[] = {{"heads", &a->query.heads}, {"opened", &a->opened}};

	a->has_commits = a->has_commits || strcmp(key, "commits_after") == 0;
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
		if (strcmp(key, numbers[i].key) == 0)
			return json_ask_number(numbers[i].to, v, INT64_MAX, key, why);
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		if (strcmp(key, texts[i].key) == 0)
			return json_ask_text(texts[i].to, v, key, why);
	for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
		if (strcmp(key, flags[i].key) == 0)
			return json_ask_flag(flags[i].to, v, key, why);
	return kw_refuse(why, KW_EINVAL, "the key \"%.32s\" is not known in a request for the audit trail", key);
}

enum kw_err
page_ask_read(struct page_ask *out, json_t *doc, struct kw_why *why)
{
	const char *key;
	json_t *v;
	enum kw_err err = KW_OK;

	*out = (struct page_ask){.doc = doc};
	if (!json_is_object(doc))
		return kw_refuse(why, KW_EPROTO, "the request is no JSON object");
	json_object_foreach(doc, key, v)
		if ((err = take_key(out, key, v, why)) != KW_OK)
			break;
	return err;
}

void
page_ask_free(struct page_ask *a)
{
	json_decref(a->doc);
	a->doc = NULL;
}

void
page_put_string(struct buf *out, struct span text)
{
	buf_put_u8(out, '"');
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.p[i];

		if (c < 0x20 || c == '"' || c == '\\' || c >= 0x7f) /* a damaged line may hold any byte, and must be seen all the same */
			buf_printf(out, "\\u%04x", (unsigned)c);
		else
			buf_put_u8(out, c);
	}
	buf_put_u8(out, '"');
}

/* As it stands: what a line's own JSON has beyond ASCII is UTF-8 and stays so. */
static void
put_line(struct buf *out, struct span line, bool readable)
{
	if (!readable) {
		page_put_string(out, line);
		return;
	}
	buf_put_u8(out, '"');
	for (size_t i = 0; i < line.len; i++) {
		if (line.p[i] == '"' || line.p[i] == '\\')
			buf_put_u8(out, '\\');
		buf_put_u8(out, line.p[i]);
	}
	buf_put_u8(out, '"');
}

struct putting { struct buf *out, opened; size_t most; const struct audit_sealing *sealing; const uint8_t *secret; bool any; enum kw_err err; struct kw_why *why; };

static void
put_opened(struct putting *p, const struct audit_line *l)
{
	json_t *shown = NULL;
	char *text;

	if (p->sealing == NULL || p->secret == NULL || l->doc == NULL || l->sealed == NULL)
		return;
	if (p->sealing->open(&shown, l, p->secret, NULL) != KW_OK) /* its line is shown, and that it is sealed */
		return;
	text = json_dumps(shown, JSON_COMPACT);
	json_decref(shown);
	if (text == NULL) {
		p->err = kw_refuse(p->why, KW_ENOMEM, "out of memory for the audit trail");
		return;
	}
	buf_printf(&p->opened, "%s\"%llu\":%s", p->opened.len > 0 ? "," : "", (unsigned long long)l->record.number, text);
	free(text);
}

static bool
each(void *self, struct span line, const struct audit_line *l)
{
	struct putting *p = self;

	buf_put_str(p->out, p->any ? "," : "");
	p->any = true;
	put_line(p->out, line, l->doc != NULL);
	put_opened(p, l);
	return p->err == KW_OK && p->out->len + p->opened.len + ROW_MOST < p->most;
}

enum kw_err
page_put(struct buf *out, size_t most, struct trail *t, const struct page_ask *ask, const char *partnership, const struct secret_keys *keys, struct kw_why *why)
{
	struct putting p = {.out = out, .sealing = trail_sealing(t), .opened = BUF_INIT(most), .most = out->len + most, .secret = ask->opened ? secret_keys_local(keys) : NULL, .why = why};
	uint64_t place = ask->place;
	bool more = false;
	enum kw_err err;

	MUST(most > 2 * ROW_MOST);
	p.opened.secret = true;
	buf_printf(out, "{\"partnership\":\"%s\",\"owner\":\"%s\",\"key\":\"%s\",\"lines\":[", partnership, secret_keys_public(keys)->name, secret_keys_line(keys));
	err = trail_read(t, &place, &more, &ask->query, each, &p, why);
	if (err == KW_OK)
		err = p.err;
	buf_put_str(out, "],\"opened\":{");
	buf_put_span(out, buf_span(&p.opened));
	buf_printf(out, "},\"place\":%llu,\"more\":%s}", (unsigned long long)place, more ? "true" : "false");
	if (err == KW_OK && (!buf_ok(out) || !buf_ok(&p.opened)))
		err = kw_refuse(why, KW_ENOMEM, "out of memory for the audit trail");
	buf_free(&p.opened);
	return err;
}
