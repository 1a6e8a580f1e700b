/* yaml_append: a YAML text with one more item at the end of one of its lists; every other byte, comments too, stays as it is. */
#ifndef KW_CONFIG_YAML_APPEND_H
#define KW_CONFIG_YAML_APPEND_H

#include "config/yaml_tree.h"

/*
 * Writes text with the item added to list, which belongs to tree, which was parsed from text, into out. What is written was parsed again and
 * compared: it says what text says and the item, and nothing else. flow is the item in one line ("{id: x, kind: city}"). block, which
 * may be NULL, is the same over several lines without indentation, and is taken where the items of list stand a line each.
 * KW_EINVAL: the text cannot be added to in this way; KW_ELIMIT: out has no room for it. out then holds nothing to be used.
 */
KW_MUST_USE enum kw_err yaml_append(struct buf *out, struct span text, const struct yaml_tree *tree, const struct yaml_node *list, const char *flow,
                                    const char *block, struct kw_why *why);

#endif
