/* yaml_want: values of a known kind out of a yaml_tree, or one sentence "line N: …" that says what is wrong with them. */
#ifndef KW_CONFIG_YAML_WANT_H
#define KW_CONFIG_YAML_WANT_H

#include "base/log.h"
#include "config/yaml_tree.h"

/*
 * The value of key in map, which must be of that kind. where names the map in the sentence ("topic alert/#"). want: a
 * missing key is KW_EINVAL; may: it gives NULL. KW_EINVAL also for another kind of value, an empty text or an empty list.
 */
KW_MUST_USE enum kw_err yaml_want(const struct yaml_node **out, const struct yaml_node *map, const char *key, enum yaml_kind kind,
                                  const char *where, struct kw_why *why);
KW_MUST_USE enum kw_err yaml_may(const struct yaml_node **out, const struct yaml_node *map, const char *key, enum yaml_kind kind,
                                 const char *where, struct kw_why *why);
/* The scalar's text, and its line in *line when that is not NULL. may: *out is left as it was when the key is missing. */
KW_MUST_USE enum kw_err yaml_want_text(const char **out, size_t *line, const struct yaml_node *map, const char *key, const char *where,
                                       struct kw_why *why);
KW_MUST_USE enum kw_err yaml_may_text(const char **out, size_t *line, const struct yaml_node *map, const char *key, const char *where,
                                      struct kw_why *why);

/* Here key may be written whole, as "keep.content" in the map under keep: sentences say it so. */
/* A duration, as text_duration_ms. *out is left as it was when the key is missing. */
KW_MUST_USE enum kw_err yaml_may_duration(uint64_t *out, const struct yaml_node *map, const char *key, uint64_t lo_ms, uint64_t hi_ms,
                                          const char *where, struct kw_why *why);
/* A whole number in lo..hi. */
KW_MUST_USE enum kw_err yaml_want_u64(uint64_t *out, const struct yaml_node *map, const char *key, uint64_t lo, uint64_t hi,
                                      const char *where, struct kw_why *why);
/* A time, as text_time_ms. */
KW_MUST_USE enum kw_err yaml_want_time(uint64_t *out, const struct yaml_node *map, const char *key, const char *where, struct kw_why *why);

/* The scalar's number among words; else "line N: what is "x", must be one of: …; did you mean "y"?". */
KW_MUST_USE enum kw_err yaml_one_of(size_t *out, const struct yaml_node *scalar, const char *const *words, size_t n, const char *what,
                                    struct kw_why *why);
/* How much is logged, by its word. *out is left as it was when the key is missing. */
KW_MUST_USE enum kw_err yaml_may_log_level(enum log_level *out, const struct yaml_node *map, const char *key, const char *where, struct kw_why *why);

#endif
