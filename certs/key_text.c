/* key_text: see its header. */
#include "certs/key_text.h"

#include <sodium.h>

#define BASE64 sodium_base64_VARIANT_URLSAFE_NO_PADDING

void
key_text_put(char *out, size_t size, const uint8_t *bytes, size_t n)
{
	(void)sodium_bin2base64(out, size, bytes, n, BASE64);
}

bool
key_text_get(uint8_t *out, size_t size, size_t *n, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((uint8_t)text[i] >= 0x80)
			return false;
	return sodium_base642bin(out, size, text, len, NULL, n, NULL, BASE64) == 0;
}
