/* base64: one direction each. */
#include "proto/base64.h"

static int
digit_of(uint8_t c, bool url_too)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+' || (url_too && c == '-'))
		return 62;
	if (c == '/' || (url_too && c == '_'))
		return 63;
	return -1;
}

bool
base64_decode(struct buf *out, struct span text, unsigned rules)
{
	uint32_t bits = 0;
	unsigned held = 0;
	size_t digits = 0, pads = 0;

	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.p[i];
		int d = digit_of(c, (rules & BASE64_EITHER) != 0);

		if ((rules & BASE64_BLANKS) != 0 && (c == ' ' || c == '\t' || c == '\n' || c == '\r'))
			continue;
		if (c == '=' && ++pads <= 2)
			continue;
		if (d < 0 || pads > 0)
			return false;
		digits++;
		bits = (bits << 6 | (uint32_t)d) & 0xFFFFFFu;
		held += 6;
		if (held >= 8) {
			held -= 8;
			buf_put_u8(out, (uint8_t)(bits >> held));
		}
	}
	if (digits % 4 == 1 || (bits & ((1u << held) - 1)) != 0)
		return false;
	if (pads > 0 || (rules & BASE64_EITHER) == 0)
		return (digits + pads) % 4 == 0 && buf_ok(out);
	return buf_ok(out);
}

void
base64_encode(struct buf *out, struct span in)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < in.len; i += 3) {
		size_t n = in.len - i < 3 ? in.len - i : 3;
		uint32_t v = (uint32_t)in.p[i] << 16;

		v |= n > 1 ? (uint32_t)in.p[i + 1] << 8 : 0;
		v |= n > 2 ? in.p[i + 2] : 0;
		buf_put_u8(out, (uint8_t)alphabet[v >> 18]);
		buf_put_u8(out, (uint8_t)alphabet[v >> 12 & 63]);
		buf_put_u8(out, n > 1 ? (uint8_t)alphabet[v >> 6 & 63] : '=');
		buf_put_u8(out, n > 2 ? (uint8_t)alphabet[v & 63] : '=');
	}
}
