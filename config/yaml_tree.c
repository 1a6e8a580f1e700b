/* yaml_tree: libyaml's events to a tree, refusing all that two readers could understand in two ways. */
#include "config/yaml_tree.h"

#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "base/text.h"

#define TEXT_MAX (2u * 1024u * 1024u) /* an agreement of all its nodes */
#define DEPTH_MAX 16
#define NODES_MAX 100000u
#define KEYS_MAX 256u          /* of one map; also keeps the search for duplicates short */
#define BLOCK_LEN (32u * 1024u)

struct yaml_node {
	enum yaml_kind kind;
	size_t line;
	const char *key;           /* when it stands in a map */
	size_t key_line;
	union {
		const char *text;          /* scalars */
		struct yaml_place place;   /* lists and maps */
	};
	struct yaml_node *first;   /* lists and maps while they are built */
	struct yaml_node *last;
	struct yaml_node *next;
	const struct yaml_node **kids; /* and when they are whole */
	size_t count;
};

struct block { /* memory of nodes and texts; given back at once */
	struct block *next;
	size_t used, size;
	max_align_t bytes[];
};

struct yaml_tree {
	struct block *blocks;
	struct yaml_node *root;
	size_t nodes;
};

/* What is open while the events come in. */
struct open {
	struct yaml_node *at;
	const char *key;           /* a map's key that waits for its value */
	size_t key_line;
};

struct builder {
	struct yaml_tree *tree;
	struct open open[DEPTH_MAX];
	size_t depth;
	size_t documents;
	size_t content_end;        /* of the last scalar, or list or map in brackets, that came */
	struct kw_why *why;
};

static void *
take(struct yaml_tree *t, size_t n)
{
	struct block *b = t->blocks;
	size_t size;

	n = (n + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
	if (b == NULL || n > b->size - b->used) {
		size = n > BLOCK_LEN ? n : BLOCK_LEN;
		b = malloc(sizeof *b + size);
		if (b == NULL)
			return NULL;
		*b = (struct block){.next = t->blocks, .size = size};
		t->blocks = b;
	}
	b->used += n;
	return (uint8_t *)b->bytes + b->used - n;
}

static enum kw_err
no_memory(struct kw_why *why)
{
	return kw_refuse(why, KW_ENOMEM, "out of memory while reading YAML");
}

static size_t
line_at(struct span text, size_t offset)
{
	size_t line = 1;

	for (size_t i = 0; i < offset && i < text.len; i++)
		line += text.p[i] == '\n';
	return line;
}

/* The character at p of text that is known to be good UTF-8. */
static size_t
character(uint32_t *out, const uint8_t *p)
{
	if (p[0] < 0x80)
		return *out = p[0], 1;
	if (p[0] < 0xE0)
		return *out = (p[0] & 0x1Fu) << 6 | (p[1] & 0x3Fu), 2;
	if (p[0] < 0xF0)
		return *out = (p[0] & 0x0Fu) << 12 | (p[1] & 0x3Fu) << 6 | (p[2] & 0x3Fu), 3;
	*out = (p[0] & 0x07u) << 18 | (p[1] & 0x3Fu) << 12 | (p[2] & 0x3Fu) << 6 | (p[3] & 0x3Fu);
	return 4;
}

/*
 * Clean text may hold more than a signed or shared configuration text should: line breaks that no editor shows, blanks
 * that are no blanks, joiners, fillers and selectors that make two words look the same.
 */
static bool
looks_like_something_else(uint32_t c)
{
	static const struct {
		uint32_t from, to;
	} hidden[] = {{0xA0, 0xA0}, {0xAD, 0xAD}, {0x34F, 0x34F}, {0x61C, 0x61C}, {0x115F, 0x1160}, {0x1680, 0x1680},
	              {0x17B4, 0x17B5}, {0x180B, 0x180F}, {0x2000, 0x200F}, {0x2028, 0x202F}, {0x205F, 0x206F}, {0x2800, 0x2800},
	              {0x3000, 0x3000}, {0x3164, 0x3164}, {0xFE00, 0xFE0F}, {0xFFA0, 0xFFA0}, {0xFFF0, 0xFFFD}, {0xE0000, 0xE0FFF}};

	for (size_t i = 0; i < sizeof hidden / sizeof hidden[0]; i++)
		if (c >= hidden[i].from && c <= hidden[i].to)
			return true;
	return false;
}

/* The offset of the first character that may not stand in text, or SIZE_MAX. */
static size_t
hidden_at(struct span text, enum text_kind kind)
{
	size_t bad = text_unclean_at(text, kind), at = 0;
	size_t end = bad == SIZE_MAX ? text.len : bad;

	while (at < end) {
		uint32_t c;
		size_t n;

		if (text.p[at] == '\t' || text.p[at] == '\r')
			return at;
		if (text.p[at] < 0x80) { /* by far the most */
			at++;
			continue;
		}
		n = character(&c, text.p + at);
		if (looks_like_something_else(c))
			return at;
		at += n;
	}
	return bad;
}

static enum kw_err
check_characters(struct span text, struct kw_why *why)
{
	size_t bad, line;

	if (text.len > TEXT_MAX)
		return kw_refuse(why, KW_ELIMIT, "line 1: the text has %zu bytes, at most %u are allowed", text.len, TEXT_MAX);
	bad = hidden_at(text, TEXT_MULTILINE);
	if (bad == SIZE_MAX)
		return KW_OK;
	line = line_at(text, bad);
	if (text.p[bad] == '\t')
		return kw_refuse(why, KW_EINVAL, "line %zu: holds a tab; write blanks instead", line);
	if (text.p[bad] == '\r')
		return kw_refuse(why, KW_EINVAL, "line %zu: ends with a carriage return; save the file with Unix line ends", line);
	return kw_refuse(why, KW_EINVAL, "line %zu: byte %zu of the text begins a character that is invisible, bidirectional, a control or no UTF-8; "
	                 "delete it or type it anew", line, bad);
}

static enum kw_err
check_value(const yaml_event_t *event, size_t line, struct kw_why *why)
{
	const char *text = (const char *)event->data.scalar.value;
	size_t len = event->data.scalar.length;
	yaml_scalar_style_t style = event->data.scalar.style;

	if (style == YAML_LITERAL_SCALAR_STYLE || style == YAML_FOLDED_SCALAR_STYLE || event->start_mark.line != event->end_mark.line)
		return kw_refuse(why, KW_EINVAL, "line %zu: a value runs over several lines; write it in one line", line);
	if (len == 0 && style == YAML_PLAIN_SCALAR_STYLE)
		return kw_refuse(why, KW_EINVAL, "line %zu: a value is missing; write one, or leave the key out", line);
	if (hidden_at(span_of(text, len), TEXT_LINE) != SIZE_MAX)
		return kw_refuse(why, KW_EINVAL, "line %zu: a value holds an escaped character that is invisible, bidirectional or a control; leave it out", line);
	return KW_OK;
}

static enum kw_err
check_key(const struct yaml_node *map, const yaml_event_t *event, size_t line, struct kw_why *why)
{
	const char *key = (const char *)event->data.scalar.value;
	size_t len = event->data.scalar.length;

	if (event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE || len == 0 || len > 64
	    || strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789_-") != len)
		return kw_refuse(why, KW_EINVAL, "line %zu: the key \"%.64s\" is no plain word of a-z, 0-9, _ and - without quotes", line, key);
	if (map->count >= KEYS_MAX)
		return kw_refuse(why, KW_ELIMIT, "line %zu: more than %u keys in one place", line, KEYS_MAX);
	for (const struct yaml_node *kid = map->first; kid != NULL; kid = kid->next)
		if (strcmp(kid->key, key) == 0)
			return kw_refuse(why, KW_EINVAL, "line %zu: the key \"%s\" stands here a second time, first in line %zu; keep one", line, key, kid->key_line);
	return KW_OK;
}

static char *
copy(struct yaml_tree *t, const char *text, size_t len)
{
	char *out = take(t, len + 1);

	if (out == NULL)
		return NULL;
	memcpy(out, text, len);
	out[len] = '\0';
	return out;
}

/* A new node, hung below what is open; a map's waiting key becomes its key. */
static enum kw_err
add(struct yaml_node **out, struct builder *b, enum yaml_kind kind, size_t line)
{
	struct open *open = b->depth > 0 ? &b->open[b->depth - 1] : NULL;
	struct yaml_node *n;

	if (++b->tree->nodes > NODES_MAX)
		return kw_refuse(b->why, KW_ELIMIT, "line %zu: more than %u values in one text", line, NODES_MAX);
	n = take(b->tree, sizeof *n);
	if (n == NULL)
		return no_memory(b->why);
	*n = (struct yaml_node){.kind = kind, .line = line};
	if (open == NULL) {
		b->tree->root = n;
	} else {
		n->key = open->key;
		n->key_line = open->key_line;
		open->key = NULL;
		if (open->at->last != NULL)
			open->at->last->next = n;
		else
			open->at->first = n;
		open->at->last = n;
		open->at->count++;
	}
	*out = n;
	return KW_OK;
}

static bool
key_expected(const struct builder *b)
{
	return b->depth > 0 && b->open[b->depth - 1].at->kind == YAML_MAP && b->open[b->depth - 1].key == NULL;
}

static enum kw_err
refuse_decoration(const yaml_char_t *anchor, const yaml_char_t *tag, size_t line, struct kw_why *why)
{
	if (anchor != NULL)
		return kw_refuse(why, KW_EINVAL, "line %zu: the anchor &%.64s may not stand here; write the value out each time", line, (const char *)anchor);
	if (tag != NULL)
		return kw_refuse(why, KW_EINVAL, "line %zu: the tag %.64s may not stand here; write the value alone", line, (const char *)tag);
	return KW_OK;
}

static enum kw_err
on_scalar(struct builder *b, const yaml_event_t *event, size_t line)
{
	const char *text = (const char *)event->data.scalar.value;
	size_t len = event->data.scalar.length;
	struct yaml_node *n;
	char *copied;
	enum kw_err err;

	if ((err = refuse_decoration(event->data.scalar.anchor, event->data.scalar.tag, line, b->why)) != KW_OK)
		return err;
	if (key_expected(b))
		err = check_key(b->open[b->depth - 1].at, event, line, b->why);
	else
		err = check_value(event, line, b->why);
	if (err != KW_OK)
		return err;
	copied = copy(b->tree, text, len);
	if (copied == NULL)
		return no_memory(b->why);
	if (key_expected(b)) {
		b->open[b->depth - 1].key = copied;
		b->open[b->depth - 1].key_line = line;
		return KW_OK;
	}
	if ((err = add(&n, b, YAML_SCALAR, line)) != KW_OK)
		return err;
	n->text = copied;
	return KW_OK;
}

static enum kw_err
on_open(struct builder *b, enum yaml_kind kind, const yaml_char_t *anchor, const yaml_char_t *tag, const yaml_event_t *event)
{
	size_t line = event->start_mark.line + 1;
	struct yaml_node *n;
	enum kw_err err;

	if ((err = refuse_decoration(anchor, tag, line, b->why)) != KW_OK)
		return err;
	if (key_expected(b))
		return kw_refuse(b->why, KW_EINVAL, "line %zu: a key is a list or a map; write a plain word", line);
	if (b->depth == DEPTH_MAX)
		return kw_refuse(b->why, KW_ELIMIT, "line %zu: more than %d levels of lists and maps", line, DEPTH_MAX);
	if ((err = add(&n, b, kind, line)) != KW_OK)
		return err;
	n->place = (struct yaml_place){
		.end = event->start_mark.index + 1, /* behind the bracket, should nothing stand in it */
		.column = event->start_mark.column,
		.flow = kind == YAML_LIST ? event->data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE : event->data.mapping_start.style == YAML_FLOW_MAPPING_STYLE,
	};
	b->open[b->depth++] = (struct open){.at = n};
	return KW_OK;
}

/* The list or map is whole: its items become an array. */
static enum kw_err
on_close(struct builder *b, const yaml_event_t *event)
{
	struct yaml_node *n = b->open[--b->depth].at;
	size_t i = 0;

	MUST(n != NULL);
	if (n->count > 0)
		n->place.end = b->content_end;
	if (n->place.flow) /* the end of any other is told only where the next thing begins */
		b->content_end = event->end_mark.index;
	if (n->count == 0)
		return KW_OK;
	n->kids = take(b->tree, n->count * sizeof *n->kids);
	if (n->kids == NULL)
		return no_memory(b->why);
	for (const struct yaml_node *kid = n->first; kid != NULL; kid = kid->next)
		n->kids[i++] = kid;
	return KW_OK;
}

static enum kw_err
on_document(struct builder *b, const yaml_event_t *event, size_t line)
{
	if (event->data.document_start.version_directive != NULL
	    || event->data.document_start.tag_directives.start != event->data.document_start.tag_directives.end)
		return kw_refuse(b->why, KW_EINVAL, "line %zu: a directive (%%…) may not stand here; delete it", line);
	if (++b->documents > 1)
		return kw_refuse(b->why, KW_EINVAL, "line %zu: a second document begins (---); one text holds one document", line);
	return KW_OK;
}

static enum kw_err
on_event(struct builder *b, const yaml_event_t *event)
{
	size_t line = event->start_mark.line + 1;

	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		return on_document(b, event, line);
	case YAML_ALIAS_EVENT:
		return kw_refuse(b->why, KW_EINVAL, "line %zu: the alias *%.64s may not stand here; write the value out", line,
		                 (const char *)event->data.alias.anchor);
	case YAML_SCALAR_EVENT:
		b->content_end = event->end_mark.index;
		return on_scalar(b, event, line);
	case YAML_SEQUENCE_START_EVENT:
		return on_open(b, YAML_LIST, event->data.sequence_start.anchor, event->data.sequence_start.tag, event);
	case YAML_MAPPING_START_EVENT:
		return on_open(b, YAML_MAP, event->data.mapping_start.anchor, event->data.mapping_start.tag, event);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return on_close(b, event);
	default:
		return KW_OK;
	}
}

static enum kw_err
refuse_syntax(const yaml_parser_t *parser, struct kw_why *why)
{
	if (parser->error == YAML_MEMORY_ERROR)
		return no_memory(why);
	return kw_refuse(why, KW_EPROTO, "line %zu: this is no YAML: %s; mend the line, or the one before it", parser->problem_mark.line + 1,
	                 parser->problem != NULL ? parser->problem : "it cannot be read");
}

static enum kw_err
read_events(struct builder *b, yaml_parser_t *parser)
{
	yaml_event_type_t type;
	yaml_event_t event;
	enum kw_err err;

	do {
		if (!yaml_parser_parse(parser, &event))
			return refuse_syntax(parser, b->why);
		type = event.type;
		err = on_event(b, &event);
		yaml_event_delete(&event);
		if (err != KW_OK)
			return err;
	} while (type != YAML_STREAM_END_EVENT);
	if (b->tree->root == NULL)
		return kw_refuse(b->why, KW_EINVAL, "line 1: the text is empty");
	return KW_OK;
}

enum kw_err
yaml_tree_parse(struct yaml_tree **out, struct span text, struct kw_why *why)
{
	struct builder b = {.why = why};
	yaml_parser_t parser;
	enum kw_err err;

	if ((err = check_characters(text, why)) != KW_OK)
		return err;
	b.tree = calloc(1, sizeof *b.tree);
	if (b.tree == NULL)
		return no_memory(why);
	if (!yaml_parser_initialize(&parser)) {
		err = no_memory(why);
		goto free_tree;
	}
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, text.len > 0 ? text.p : (const uint8_t *)"", text.len);
	err = read_events(&b, &parser);
	yaml_parser_delete(&parser);
	if (err != KW_OK)
		goto free_tree;
	*out = b.tree;
	b.tree = NULL;
free_tree:
	yaml_tree_free(&b.tree);
	return err;
}

void
yaml_tree_free(struct yaml_tree **t)
{
	struct block *b, *next;

	if (t == NULL || *t == NULL)
		return;
	for (b = (*t)->blocks; b != NULL; b = next) {
		next = b->next;
		free(b);
	}
	free(*t);
	*t = NULL;
}

const struct yaml_node *
yaml_tree_root(const struct yaml_tree *t)
{
	return t->root;
}

enum yaml_kind
yaml_kind(const struct yaml_node *n)
{
	return n->kind;
}

size_t
yaml_line(const struct yaml_node *n)
{
	return n->line;
}

const char *
yaml_text(const struct yaml_node *n)
{
	MUST(n->kind == YAML_SCALAR);
	return n->text;
}

struct yaml_place
yaml_place(const struct yaml_node *n)
{
	MUST(n->kind != YAML_SCALAR);
	return n->place;
}

size_t
yaml_count(const struct yaml_node *n)
{
	return n->count;
}

const struct yaml_node *
yaml_item(const struct yaml_node *n, size_t i)
{
	MUST(i < n->count);
	return n->kids[i];
}

const char *
yaml_key(const struct yaml_node *n, size_t i)
{
	MUST(n->kind == YAML_MAP);
	MUST(i < n->count);
	return n->kids[i]->key;
}

const struct yaml_node *
yaml_get(const struct yaml_node *map, const char *key)
{
	if (map->kind != YAML_MAP)
		return NULL;
	for (size_t i = 0; i < map->count; i++)
		if (strcmp(map->kids[i]->key, key) == 0)
			return map->kids[i];
	return NULL;
}

/* "a, b, c" for the end of a sentence. */
static void
list_words(struct buf *out, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_printf(out, "%s%s", i > 0 ? ", " : "", words[i]);
}

enum kw_err
yaml_only_keys(const struct yaml_node *map, const char *const *known, size_t n, const char *where, struct kw_why *why)
{
	struct buf all = BUF_INIT(KW_WHY_MAX);
	const char *words, *near;
	enum kw_err err = KW_OK;

	if (map->kind != YAML_MAP)
		return kw_refuse(why, KW_EINVAL, "line %zu: %s must be keys with values, as key: value", map->line, where);
	for (size_t i = 0; i < map->count && err == KW_OK; i++) {
		const char *key = map->kids[i]->key;
		bool found = false;

		for (size_t k = 0; k < n && !found; k++)
			found = strcmp(known[k], key) == 0;
		if (found)
			continue;
		list_words(&all, known, n);
		words = buf_text(&all);
		near = text_nearest(key, known, n);
		err = kw_refuse(why, KW_EINVAL, "line %zu: unknown key \"%s\" in %s%s%s%s known here: %s", map->kids[i]->key_line, key, where,
		                near != NULL ? kw_translate(", did you mean \"") : "", near != NULL ? near : "", near != NULL ? kw_translate("\"?") : ";", words != NULL ? words : "?");
	}
	buf_free(&all);
	return err;
}
