/* look: what stands at a path of a JSON object, where it may be missing. Texts are borrowed from the object. */
#ifndef KW_CLI_LOOK_H
#define KW_CLI_LOOK_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

/* path: "link.commit.number"; NULL: nothing there. */
const json_t *look_at(const json_t *root, const char *path);
const char *look_text(const json_t *root, const char *path); /* "": none */
uint64_t look_number(const json_t *root, const char *path);  /* 0: none, or below 0 */
double look_real(const json_t *root, const char *path);
bool look_flag(const json_t *root, const char *path);

#endif
