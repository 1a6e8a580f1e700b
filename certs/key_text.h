/*
 * key_text: bytes as keys and signatures write them: unpadded URL-safe base64 with one spelling for each. libsodium's own decoder takes
 * every byte beyond ASCII for the digit '_', so that "é" would stand for two of them.
 */
#ifndef KW_CERTS_KEY_TEXT_H
#define KW_CERTS_KEY_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEY_TEXT_LEN(n) (((n) * 4 + 2) / 3) /* digits of n bytes */

void key_text_put(char *out, size_t size, const uint8_t *bytes, size_t n); /* size: KEY_TEXT_LEN(n) + 1 or more */
/* At most size bytes; false: another character, digits that are left over, or more bytes than fit. */
bool key_text_get(uint8_t *out, size_t size, size_t *n, const char *text, size_t len);

#endif
