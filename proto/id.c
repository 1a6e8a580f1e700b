/* id: UUIDv7, RFC 9562 section 5.7. */
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "proto/seal.h"

void
kw_id_make(uint8_t out[KW_ID_LEN], uint64_t now_ms, const uint8_t random[10])
{
	uint8_t time[8];

	be64_put(time, now_ms);
	memcpy(out, time + 2, 6);
	memcpy(out + 6, random, 10);
	out[6] = (uint8_t)((out[6] & 0x0F) | 0x70); /* version 7 */
	out[8] = (uint8_t)((out[8] & 0x3F) | 0x80); /* variant 10 */
}

void
kw_id_text(char out[37], const uint8_t id[KW_ID_LEN])
{
	static const size_t lens[] = {4, 2, 2, 2, 6};
	size_t at = 0;

	for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
		if (i > 0)
			*out++ = '-';
		text_put_hex(out, span_of(id + at, lens[i]));
		out += 2 * lens[i];
		at += lens[i];
	}
}

bool
kw_id_parse(uint8_t out[KW_ID_LEN], const char *text)
{
	char hex[2 * KW_ID_LEN + 1];
	size_t n = 0;

	if (strlen(text) != 36)
		return false;
	for (size_t i = 0; i < 36; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash != (text[i] == '-'))
			return false;
		if (!dash)
			hex[n++] = text[i];
	}
	hex[n] = '\0';
	return text_hex(out, KW_ID_LEN, hex);
}

bool
kw_id_meant(const char *id, const char *piece)
{
	size_t len = strlen(id), of_piece = strlen(piece);

	if (of_piece < KW_ID_PIECE_MIN || of_piece > len)
		return false;
	if (strncasecmp(id, piece, of_piece) == 0 || strcasecmp(id + len - of_piece, piece) == 0)
		return true;
	return len > 8 && of_piece < 8 && strncasecmp(id + len - 8, piece, of_piece) == 0;
}
