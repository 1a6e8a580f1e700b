/*
 * yaml_tree: a strict reader of one YAML document, with line numbers, for the agreement and the configuration files.
 *
 * libyaml tells the events; this module refuses what makes two readers understand one text differently: anchors, aliases,
 * tags, directives, a second document, duplicate keys at any depth, keys that are not plain words, invisible or
 * bidirectional characters, tabs, depth over 16, more than 100,000 nodes. Every sentence starts "line N:".
 */
#ifndef KW_CONFIG_YAML_TREE_H
#define KW_CONFIG_YAML_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"

enum yaml_kind { YAML_SCALAR, YAML_LIST, YAML_MAP };

struct yaml_tree;                      /* owns all nodes */
struct yaml_node;                      /* borrowed; lives as long as its tree */

struct yaml_place { /* where a list or a map stands in its text, in characters */
	size_t end;            /* how many come before the end of what stands in it last */
	size_t column;         /* how many of its first line come before it */
	bool flow;             /* in brackets; else an item or a key a line */
};

KW_MUST_USE enum kw_err yaml_tree_parse(struct yaml_tree **out, struct span text, struct kw_why *why);
void yaml_tree_free(struct yaml_tree **t);
const struct yaml_node *yaml_tree_root(const struct yaml_tree *t);

enum yaml_kind yaml_kind(const struct yaml_node *n);
size_t yaml_line(const struct yaml_node *n);            /* from 1 */
const char *yaml_text(const struct yaml_node *n);       /* a scalar's text, zero-terminated, no NUL inside */
struct yaml_place yaml_place(const struct yaml_node *n); /* of a list or a map */
size_t yaml_count(const struct yaml_node *n);           /* items or pairs */
const struct yaml_node *yaml_item(const struct yaml_node *n, size_t i);      /* list item, or a map's i-th value */
const char *yaml_key(const struct yaml_node *n, size_t i);                   /* a map's i-th key */
const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key); /* NULL: not there */

/* "line N: unknown key "recieve" …, did you mean "receive"? known here: …" for the first key of map that is not among known. */
KW_MUST_USE enum kw_err yaml_only_keys(const struct yaml_node *map, const char *const *known, size_t n, const char *where,
                                       struct kw_why *why);

#endif
