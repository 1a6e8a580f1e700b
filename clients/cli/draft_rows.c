/* draft_rows: see its header. */
#include "clients/cli/draft_rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "certs/agreement.h"
#include "clients/cli/handed.h"
#include "proto/topic.h"

enum column { COLUMN_KEY, COLUMN_KIND, COLUMN_TITLE, COLUMN_PURPOSES, COLUMN_ADDRESS, COLUMN_FINGERPRINT, COLUMN_NOTE, COLUMN_COUNT };

static const struct {
	const char *word;
	enum column column;
} names[] = {
	{"key", COLUMN_KEY}, {"line", COLUMN_KEY}, {"schlüssel", COLUMN_KEY}, {"schluessel", COLUMN_KEY}, {"zeile", COLUMN_KEY},
	{"kind", COLUMN_KIND}, {"art", COLUMN_KIND},
	{"title", COLUMN_TITLE}, {"titel", COLUMN_TITLE}, {"bezeichnung", COLUMN_TITLE},
	{"purposes", COLUMN_PURPOSES}, {"purpose", COLUMN_PURPOSES}, {"zwecke", COLUMN_PURPOSES}, {"zweck", COLUMN_PURPOSES},
	{"address", COLUMN_ADDRESS}, {"adresse", COLUMN_ADDRESS},
	{"fingerprint", COLUMN_FINGERPRINT}, {"fingerabdruck", COLUMN_FINGERPRINT},
	{"note", COLUMN_NOTE}, {"notes", COLUMN_NOTE}, {"bemerkung", COLUMN_NOTE}, {"bemerkungen", COLUMN_NOTE},
};
#define NAMES (sizeof names / sizeof names[0])

struct taking { /* one row of one table */
	struct draft_rows *rows;
	const struct sheet *sheet;
	size_t at[COLUMN_COUNT];       /* which column of the table it is; SIZE_MAX: none */
	size_t row;
	struct kw_why *why;
};

/* The sentence that is there gets its place before it. */
static enum kw_err
wrong(const struct taking *t, enum column column, enum kw_err err)
{
	size_t at = t->at[column];

	if (at == SIZE_MAX)
		kw_why_prefix(t->why, "line %zu", sheet_line(t->sheet, t->row));
	else
		kw_why_prefix(t->why, "line %zu, column %zu (%.40s)", sheet_line(t->sheet, t->row), at + 1, sheet_cell(t->sheet, 0, at));
	return err;
}

static const char *
cell(const struct taking *t, enum column column)
{
	return t->at[column] == SIZE_MAX ? "" : sheet_cell(t->sheet, t->row, t->at[column]);
}

/* ---- the columns ---- */

/* Capital letters do not matter, nor does the capital Ü. */
static bool
is_name(const char *cell_text, const char *word)
{
	for (; *cell_text != '\0' && *word != '\0'; cell_text++, word++) {
		char a = *cell_text >= 'A' && *cell_text <= 'Z' ? (char)(*cell_text - 'A' + 'a') : *cell_text;

		if (a == '\x9C' && *word == '\xBC') /* Ü and ü differ in their second byte */
			a = *word;
		if (a != *word)
			return false;
	}
	return *cell_text == *word;
}

static enum kw_err
find_columns(struct taking *t)
{
	const char *known[NAMES], *near;

	for (size_t i = 0; i < COLUMN_COUNT; i++)
		t->at[i] = SIZE_MAX;
	for (size_t i = 0; i < sheet_columns(t->sheet, 0); i++) {
		const char *word = sheet_cell(t->sheet, 0, i);
		size_t k = 0;

		while (k < NAMES && !is_name(word, names[k].word))
			k++;
		if (word[0] == '\0')
			continue;
		for (size_t n = 0; n < NAMES; n++)
			known[n] = names[n].word;
		if (k == NAMES) {
			near = text_nearest(word, known, NAMES);
			return kw_refuse(t->why, KW_EINVAL, "line %zu, column %zu: there is no column \"%.40s\"%s%s%s; known are key, kind, title, purposes, address, fingerprint and note",
			                 sheet_line(t->sheet, 0), i + 1, word, near != NULL ? kw_translate(", did you mean \"") : "", near != NULL ? near : "", near != NULL ? kw_translate("\"?") : "");
		}
		if (names[k].column != COLUMN_NOTE && t->at[names[k].column] != SIZE_MAX)
			return kw_refuse(t->why, KW_EINVAL, "line %zu, column %zu: \"%.40s\" stands there a second time; keep one", sheet_line(t->sheet, 0), i + 1, word);
		t->at[names[k].column] = i;
	}
	if (t->at[COLUMN_KEY] != SIZE_MAX)
		return KW_OK;
	return kw_refuse(t->why, KW_EINVAL, "line %zu: the first row must name the columns, with ; or , or a tab between them, and one of them \"key\" (or \"Schlüssel\")",
	                 sheet_line(t->sheet, 0));
}

/* ---- a row ---- */

static enum kw_err
take_key(struct taking *t)
{
	struct draft_rows *rows = t->rows;
	struct draft_key *k = &rows->keys[rows->key_count];
	char fingerprint[KEY_FINGERPRINT_MAX];
	const char *said = cell(t, COLUMN_FINGERPRINT);
	enum kw_err err;

	if (cell(t, COLUMN_KEY)[0] == '\0')
		return wrong(t, COLUMN_KEY, kw_refuse(t->why, KW_EINVAL, "a public key line must stand here, which begins with kwnode1:, kwbroker1: or kwsteer1:"));
	if ((err = handed_text(&k->key, k->line, cell(t, COLUMN_KEY), t->why)) != KW_OK)
		return wrong(t, COLUMN_KEY, err);
	public_key_fingerprint(fingerprint, k->line);
	if (said[0] != '\0' && !handed_same_fingerprint(said, fingerprint))
		return wrong(t, COLUMN_FINGERPRINT, kw_refuse(t->why, KW_EDENIED, "the fingerprint of the line of %s is %s, not %.63s; ask them for the line again, on another way",
		                                              k->key.name, fingerprint, said));
	for (size_t i = 0; i < rows->key_count; i++) {
		if (rows->keys[i].key.kind == k->key.kind && strcmp(rows->keys[i].key.name, k->key.name) == 0)
			return wrong(t, COLUMN_KEY, kw_refuse(t->why, KW_EEXISTS, "%s stands in line %zu already; keep one of the two", k->key.name, rows->keys[i].sheet_line));
		if (k->key.kind != KEY_STEERING && rows->keys[i].key.kind != KEY_STEERING && rows->keys[i].key.mode != k->key.mode)
			return wrong(t, COLUMN_KEY, kw_refuse(t->why, KW_EINVAL, "the key of %s is for %s, that of %s in line %zu is not; the two never mix", k->key.name,
			                                      k->key.mode == MODE_LIVE ? kw_translate("live") : kw_translate("exercise"), rows->keys[i].key.name, rows->keys[i].sheet_line));
	}
	if (k->key.kind != KEY_STEERING)
		rows->mode = k->key.mode;
	k->sheet_line = sheet_line(t->sheet, t->row);
	k->partner = SIZE_MAX;
	rows->key_count++;
	return KW_OK;
}

/* Words with blanks, commas or semicolons between, each put by its own rule. */
static enum kw_err
take_words(char out[DRAFT_WORDS_MAX], const struct taking *t, enum column column, enum kw_err (*put)(struct buf *, const char *, struct kw_why *))
{
	struct buf words = BUF_INIT(DRAFT_WORDS_MAX - 1);
	const char *at = cell(t, column);
	enum kw_err err = KW_OK;

	for (at += strspn(at, " ,;"); *at != '\0' && err == KW_OK; at += strspn(at, " ,;")) {
		size_t len = strcspn(at, " ,;");
		char word[256];

		(void)snprintf(word, sizeof word, "%.*s", (int)(len < sizeof word ? len : sizeof word), at);
		if (words.len > 0)
			buf_put_str(&words, ", ");
		err = put(&words, word, t->why);
		at += len;
	}
	if (err == KW_OK && !buf_ok(&words))
		err = kw_refuse(t->why, KW_ELIMIT, "more than %d bytes", DRAFT_WORDS_MAX - 5);
	if (err != KW_OK)
		err = wrong(t, column, err);
	else
		(void)snprintf(out, DRAFT_WORDS_MAX, "%.*s", (int)words.len, words.p != NULL ? (const char *)words.p : "");
	buf_free(&words);
	return err;
}

static enum kw_err
put_purpose(struct buf *out, const char *word, struct kw_why *why)
{
	buf_put_str(out, word);
	return name_check(word, "the purpose", why);
}

static enum kw_err
put_endpoint(struct buf *out, const char *word, struct kw_why *why)
{
	const char *host = strncmp(word, "tcp://", 6) == 0 ? word + 6 : word, *colon = strrchr(host, ':');
	uint64_t port;

	if (colon == NULL || strpbrk(host, "\"\\/") != NULL || text_u64(&port, colon + 1, 1, 65535, "port", NULL) != KW_OK)
		return kw_refuse(why, KW_EINVAL, "\"%.80s\" is no address of the broker; write host:port, as broker.example.org:7411", word);
	buf_printf(out, "\"tcp://%s\"", host);
	return KW_OK;
}

static enum kw_err
take_kind(const char **out, const struct taking *t, const char *partner)
{
	const char *word = cell(t, COLUMN_KIND);
	struct buf all = BUF_INIT(512);
	const char *list;

	for (unsigned i = 0; agreement_kind_word(i) != NULL; i++) {
		*out = agreement_kind_word(i);
		if (strcmp(*out, word[0] != '\0' ? word : partner) == 0) {
			buf_free(&all);
			return KW_OK;
		}
		buf_printf(&all, "%s%s", i > 0 ? ", " : "", *out);
	}
	list = buf_text(&all);
	(void)kw_refuse(t->why, KW_EINVAL, "kind is \"%.40s\", but for %s one of these must stand there: %s", word, partner, list != NULL ? list : "?");
	buf_free(&all);
	return wrong(t, COLUMN_KIND, KW_EINVAL);
}

/* What another row of this partner says must be the same, or nothing. */
static enum kw_err
check_again(const struct taking *t, const struct draft_partner *p)
{
	char purposes[DRAFT_WORDS_MAX];
	enum kw_err err;

	if (cell(t, COLUMN_KIND)[0] != '\0' && strcmp(cell(t, COLUMN_KIND), p->kind) != 0)
		return wrong(t, COLUMN_KIND, kw_refuse(t->why, KW_EINVAL, "%s is of kind %s in line %zu; the two rows must say the same", p->id, p->kind, p->sheet_line));
	if (cell(t, COLUMN_TITLE)[0] != '\0' && strcmp(cell(t, COLUMN_TITLE), p->title) != 0)
		return wrong(t, COLUMN_TITLE, kw_refuse(t->why, KW_EINVAL, "%s has another title in line %zu; the two rows must say the same", p->id, p->sheet_line));
	if ((err = take_words(purposes, t, COLUMN_PURPOSES, put_purpose)) != KW_OK)
		return err;
	if (purposes[0] != '\0' && strcmp(purposes, p->purposes) != 0)
		return wrong(t, COLUMN_PURPOSES, kw_refuse(t->why, KW_EINVAL, "%s has other purposes in line %zu; the two rows must say the same", p->id, p->sheet_line));
	return KW_OK;
}

static enum kw_err
take_node(struct taking *t)
{
	struct draft_rows *rows = t->rows;
	struct draft_key *k = &rows->keys[rows->key_count - 1];
	struct draft_partner *p = &rows->partners[rows->partner_count];
	enum kw_err err;

	(void)snprintf(p->id, sizeof p->id, "%.*s", (int)strcspn(k->key.name, "/"), k->key.name);
	for (size_t i = 0; i < rows->partner_count; i++) {
		if (strcmp(rows->partners[i].id, p->id) != 0)
			continue;
		k->partner = i;
		return check_again(t, &rows->partners[i]);
	}
	if ((err = take_kind(&p->kind, t, p->id)) != KW_OK)
		return err;
	if (strlen(cell(t, COLUMN_TITLE)) >= sizeof p->title)
		return wrong(t, COLUMN_TITLE, kw_refuse(t->why, KW_ELIMIT, "the title has %zu bytes, at most %zu are allowed", strlen(cell(t, COLUMN_TITLE)), sizeof p->title - 1));
	(void)snprintf(p->title, sizeof p->title, "%s", cell(t, COLUMN_TITLE));
	if ((err = take_words(p->purposes, t, COLUMN_PURPOSES, put_purpose)) != KW_OK)
		return err;
	if (p->purposes[0] != '\0' && strcmp(p->kind, "civil") != 0)
		return wrong(t, COLUMN_PURPOSES, kw_refuse(t->why, KW_EINVAL, "%s is of kind %s; only civil partners commit to purposes", p->id, p->kind));
	p->sheet_line = k->sheet_line;
	k->partner = rows->partner_count++;
	return KW_OK;
}

/* What stands in a row of a key that it does not belong to was meant for another. */
static enum kw_err
only_empty(const struct taking *t, const enum column *columns, size_t n)
{
	const struct draft_key *k = &t->rows->keys[t->rows->key_count - 1];

	for (size_t i = 0; i < n; i++)
		if (cell(t, columns[i])[0] != '\0')
			return wrong(t, columns[i], kw_refuse(t->why, KW_EINVAL, "\"%.40s\" stands here, but %s is %s, which has none; empty the field, or look whether the row is mixed up",
			                                      cell(t, columns[i]), k->key.name, key_kind_title(k->key.kind)));
	return KW_OK;
}

static enum kw_err
take_row(struct taking *t)
{
	static const enum column partners[] = {COLUMN_KIND, COLUMN_TITLE, COLUMN_PURPOSES}, address[] = {COLUMN_ADDRESS};
	struct draft_rows *rows = t->rows;
	const struct draft_key *k;
	enum kw_err err;

	for (size_t i = sheet_columns(t->sheet, 0); i < sheet_columns(t->sheet, t->row); i++)
		if (sheet_cell(t->sheet, t->row, i)[0] != '\0')
			return kw_refuse(t->why, KW_EINVAL, "line %zu, column %zu: the first row names no column for what stands here; put a field that holds ; or , in quotes",
			                 sheet_line(t->sheet, t->row), i + 1);
	if ((err = take_key(t)) != KW_OK)
		return err;
	k = &rows->keys[rows->key_count - 1];
	if (k->key.kind != KEY_BROKER && (err = only_empty(t, address, 1)) != KW_OK)
		return err;
	if (k->key.kind == KEY_NODE && !public_key_is_operator(&k->key))
		return take_node(t);
	if ((err = only_empty(t, partners, 3)) != KW_OK)
		return err;
	rows->members += k->key.kind == KEY_STEERING;
	if (k->key.kind != KEY_BROKER)
		return KW_OK;
	if (rows->broker != SIZE_MAX)
		return wrong(t, COLUMN_KEY, kw_refuse(t->why, KW_EEXISTS, "a second broker, %s; the first stands in line %zu", k->key.name, rows->keys[rows->broker].sheet_line));
	rows->broker = rows->key_count - 1;
	if ((err = take_words(rows->endpoints, t, COLUMN_ADDRESS, put_endpoint)) != KW_OK)
		return err;
	if (rows->endpoints[0] == '\0')
		return wrong(t, COLUMN_ADDRESS, kw_refuse(t->why, KW_EINVAL, "the broker's row needs its address, as broker.example.org:7411, in a column \"address\" (or \"Adresse\")"));
	return KW_OK;
}

enum kw_err
draft_rows_read(struct draft_rows *out, const struct sheet *sheet, struct kw_why *why)
{
	struct taking t = {.rows = out, .sheet = sheet, .why = why};
	enum kw_err err;

	*out = (struct draft_rows){.broker = SIZE_MAX, .mode = MODE_LIVE};
	if ((err = find_columns(&t)) != KW_OK)
		return err;
	out->keys = calloc(sheet_rows(sheet), sizeof *out->keys);
	out->partners = calloc(sheet_rows(sheet), sizeof *out->partners);
	if (out->keys == NULL || out->partners == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory while reading a table");
	for (t.row = 1; t.row < sheet_rows(sheet); t.row++)
		if ((err = take_row(&t)) != KW_OK)
			return err;
	if (out->broker == SIZE_MAX)
		return kw_refuse(why, KW_EINVAL, "no row holds the broker's line, which begins with kwbroker1: and is printed by \"kurzweg key new NAME --broker\"");
	if (out->members == 0)
		return kw_refuse(why, KW_EINVAL, "no row holds a line of the steering committee, which begins with kwsteer1: and is printed by \"kurzweg key new NAME --steering\"");
	if (out->partner_count == 0)
		return kw_refuse(why, KW_EINVAL, "no row holds a node's line, which begins with kwnode1: and is printed by \"kurzweg partner init\"");
	return KW_OK;
}

/* ---- of an agreement ---- */

static const char *
text_of(const struct yaml_node *map, const char *key)
{
	const struct yaml_node *value = yaml_get(map, key);

	return value != NULL && yaml_kind(value) == YAML_SCALAR ? yaml_text(value) : "";
}

static enum kw_err
keep_key(struct draft_rows *rows, const struct yaml_node *map, size_t partner, struct kw_why *why)
{
	struct draft_key *k = &rows->keys[rows->key_count++];

	k->partner = partner;
	k->sheet_line = yaml_line(map);
	(void)snprintf(k->line, sizeof k->line, "%s", text_of(map, "key"));
	return public_key_parse(&k->key, k->line, why);
}

static enum kw_err
keep_list(struct draft_rows *rows, const struct yaml_node *list, size_t partner, struct kw_why *why)
{
	enum kw_err err = KW_OK;

	for (size_t i = 0; list != NULL && i < yaml_count(list) && err == KW_OK; i++)
		err = keep_key(rows, yaml_item(list, i), partner, why);
	return err;
}

/* "a, b", each in quotes where quote is one. */
static enum kw_err
keep_words(char out[DRAFT_WORDS_MAX], const struct yaml_node *list, const char *quote, struct kw_why *why)
{
	size_t len = 0;

	for (size_t i = 0; list != NULL && i < yaml_count(list); i++) {
		len += (size_t)snprintf(out + len, DRAFT_WORDS_MAX - len, "%s%s%s%s", i > 0 ? ", " : "", quote, yaml_text(yaml_item(list, i)), quote);
		if (len >= DRAFT_WORDS_MAX)
			return kw_refuse(why, KW_ELIMIT, "line %zu: more than %d bytes", yaml_line(list), DRAFT_WORDS_MAX - 1);
	}
	return KW_OK;
}

static enum kw_err
keep_partner(struct draft_rows *rows, const struct yaml_node *map, struct kw_why *why)
{
	struct draft_partner *p = &rows->partners[rows->partner_count];
	enum kw_err err;

	for (unsigned i = 0; agreement_kind_word(i) != NULL; i++)
		if (strcmp(agreement_kind_word(i), text_of(map, "kind")) == 0)
			p->kind = agreement_kind_word(i);
	p->sheet_line = yaml_line(map);
	(void)snprintf(p->id, sizeof p->id, "%s", text_of(map, "id"));
	(void)snprintf(p->title, sizeof p->title, "%s", text_of(map, "title"));
	if ((err = keep_words(p->purposes, yaml_get(map, "purposes"), "", why)) != KW_OK)
		return err;
	return keep_list(rows, yaml_get(map, "nodes"), rows->partner_count++, why);
}

static size_t
count_of(const struct yaml_node *list)
{
	return list != NULL ? yaml_count(list) : 0;
}

enum kw_err
draft_rows_of(struct draft_rows *out, const struct yaml_node *agreement, struct kw_why *why)
{
	const struct yaml_node *members = yaml_get(yaml_get(agreement, "steering"), "members"), *operators = yaml_get(agreement, "operators");
	const struct yaml_node *partners = yaml_get(agreement, "partners"), *broker = yaml_get(agreement, "broker");
	size_t keys = 1 + count_of(members) + count_of(operators);
	enum kw_err err;

	for (size_t i = 0; i < yaml_count(partners); i++)
		keys += count_of(yaml_get(yaml_item(partners, i), "nodes"));
	*out = (struct draft_rows){.broker = 0, .members = (uint32_t)count_of(members), .mode = strcmp(text_of(agreement, "kind"), "live") == 0 ? MODE_LIVE : MODE_EXERCISE};
	out->keys = calloc(keys, sizeof *out->keys);
	out->partners = calloc(yaml_count(partners), sizeof *out->partners);
	if (out->keys == NULL || out->partners == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory while reading an agreement");
	if ((err = keep_key(out, broker, SIZE_MAX, why)) != KW_OK || (err = keep_words(out->endpoints, yaml_get(broker, "endpoints"), "\"", why)) != KW_OK)
		return err;
	if ((err = keep_list(out, members, SIZE_MAX, why)) != KW_OK || (err = keep_list(out, operators, SIZE_MAX, why)) != KW_OK)
		return err;
	for (size_t i = 0; i < yaml_count(partners); i++)
		if ((err = keep_partner(out, yaml_item(partners, i), why)) != KW_OK)
			return err;
	return KW_OK;
}

void
draft_rows_free(struct draft_rows *rows)
{
	free(rows->keys);
	free(rows->partners);
	*rows = (struct draft_rows){.broker = SIZE_MAX};
}
