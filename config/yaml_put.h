/* yaml_put: YAML trees written as text again, with some of their words replaced; layout and comments are our own. */
#ifndef KW_CONFIG_YAML_PUT_H
#define KW_CONFIG_YAML_PUT_H

#include "config/yaml_tree.h"

/* What stands in the place of word, which stands at key or in the list at key; word itself where it stays. */
typedef const char *(*yaml_word)(const void *data, const char *key, const char *word);

/* Appends text as a quoted scalar of one line; put_scalar leaves the quotes away where nobody could mistake it. */
void yaml_put_quoted(struct buf *out, const char *text);
void yaml_put_scalar(struct buf *out, const char *text);

/* All of n in one line: lists and maps in brackets. key: where it stands. */
void yaml_put_flow(struct buf *out, const struct yaml_node *n, const char *key, yaml_word word, const void *data);
/* An item of a list with each key of map in a line of its own; a list of maps has an item a line. indent: blanks before "- ". */
void yaml_put_item(struct buf *out, const struct yaml_node *map, size_t indent, yaml_word word, const void *data);

#endif
