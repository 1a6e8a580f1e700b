/* cap_mend: known slips of real files, one function each. */
#include "proto/cap_mend.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/payload_values.h"

#define N_(text) (text) /* translated where it is shown */

static const char blanks[] = " \t\r\n";

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Bytes of an invisible character at p that may be dropped: joiners of nothing, byte order marks, C1 controls, DEL. */
static size_t
droppable(const char *p)
{
	const unsigned char *u = (const unsigned char *)p;

	if (u[0] == 0x7F)
		return 1;
	if (u[0] == 0xC2 && u[1] >= 0x80 && u[1] <= 0x9F)
		return 2;
	if (u[0] == 0xE2 && u[1] == 0x80 && (u[2] == 0x8B || u[2] == 0x8E || u[2] == 0x8F))
		return 3;
	if (u[0] == 0xE2 && u[1] == 0x81 && u[2] == 0xA0)
		return 3;
	if (u[0] == 0xEF && u[1] == 0xBB && u[2] == 0xBF)
		return 3;
	return 0;
}

const char *
mend_text(struct buf *out, const char *text)
{
	const char *mended = NULL;
	size_t len;

	text += strspn(text, blanks);
	for (len = strlen(text); len > 0 && strchr(blanks, text[len - 1]) != NULL;)
		len--;
	for (size_t i = 0; i < len;) {
		size_t drop = droppable(text + i);

		if (drop > 0) {
			mended = N_("invisible characters were dropped");
			i += drop;
			continue;
		}
		buf_put_u8(out, (uint8_t)text[i++]);
	}
	return mended;
}

/* Matches text with pattern, d for a digit; gives how much of text that is, 0 when it does not. */
static size_t
matches(const char *text, const char *pattern)
{
	size_t n = strlen(pattern);

	for (size_t i = 0; i < n; i++)
		if (pattern[i] == 'd' ? !is_digit(text[i]) : text[i] != pattern[i])
			return 0;
	return n;
}

const char *
mend_time(struct buf *out, const char *text)
{
	const char *p = text, *seconds = ":00";

	if (value_time(NULL, text))
		goto as_it_is;
	if (matches(p, "dddd-dd-dd") == 0 || strchr("Tt ", p[10]) == NULL || p[10] == '\0' || matches(p + 11, "dd:dd") == 0)
		goto as_it_is;
	p += 16;
	if (matches(p, ":dd") > 0) {
		seconds = p;
		p += 3;
	}
	if (matches(p, ".d") > 0)
		for (p++; is_digit(*p);)
			p++;
	if (strcmp(p, "Z") == 0 || strcmp(p, "z") == 0) {
		buf_printf(out, "%.10sT%.5s%.3s-00:00", text, text + 11, seconds);
		return N_("the time was put into CAP's form");
	}
	if (*p != '+' && *p != '-')
		goto as_it_is;
	if (matches(p + 1, "dd:dd") == 5 && p[6] == '\0')
		buf_printf(out, "%.10sT%.5s%.3s%s", text, text + 11, seconds, p);
	else if (matches(p + 1, "dddd") == 4 && p[5] == '\0')
		buf_printf(out, "%.10sT%.5s%.3s%.3s:%s", text, text + 11, seconds, p, p + 3);
	else
		goto as_it_is;
	return N_("the time was put into CAP's form");
as_it_is:
	buf_put_str(out, text);
	return NULL;
}

/* One number, cut to 15 digits; gives the place behind it or NULL. */
static const char *
copy_number(struct buf *out, const char *p, bool longitude, const char **mended)
{
	size_t whole, decimals = 0, sign = (*p == '+' || *p == '-') ? 1 : 0;
	char text[48];
	double v;

	whole = strspn(p + sign, "0123456789");
	if (whole == 0 || whole > 5)
		return NULL;
	if (p[sign + whole] == '.')
		decimals = strspn(p + sign + whole + 1, "0123456789");
	(void)snprintf(text, sizeof text, "%.*s", (int)(sign + whole + (decimals > 0 ? 1 + (decimals > 9 ? 9 : decimals) : 0)), p);
	if (decimals > 9)
		*mended = N_("numbers were cut to 9 decimals");
	if (longitude && value_decimal(&v, text) != NULL && (v < -180 || v > 180) && v >= -540 && v <= 540) {
		(void)snprintf(text, sizeof text, "%.*f", (int)(decimals > 9 ? 9 : decimals), v < 0 ? v + 360 : v - 360);
		*mended = N_("longitudes beyond 180 were turned by 360 degrees");
	}
	buf_put_str(out, text);
	p += sign + whole;
	return *p == '.' ? p + 1 + decimals : p;
}

/* "lat,lon", blanks around the comma allowed; gives the place behind it or NULL. */
static const char *
copy_point(struct buf *out, const char *p, const char **mended)
{
	if ((p = copy_number(out, p, false, mended)) == NULL)
		return NULL;
	p += strspn(p, blanks);
	if (*p != ',')
		return NULL;
	p++;
	p += strspn(p, blanks);
	buf_put_u8(out, ',');
	return copy_number(out, p, true, mended);
}

const char *
mend_polygon(struct buf *out, const char *text)
{
	const char *mended = NULL, *p = text + strspn(text, blanks);
	size_t began = out->len, first_len = 0, last = 0, points = 0;

	while (*p != '\0') {
		last = out->len;
		if ((p = copy_point(out, p, &mended)) == NULL || (*p != '\0' && strchr(blanks, *p) == NULL)) {
			out->len = began;
			buf_put_str(out, text);
			return NULL;
		}
		if (points++ == 0)
			first_len = out->len - began;
		p += strspn(p, blanks);
		if (*p != '\0')
			buf_put_u8(out, ' ');
	}
	if (points < 3 || !buf_ok(out) || (out->len - last == first_len && memcmp(out->p + began, out->p + last, first_len) == 0))
		return mended;
	if (value_polygon_fault(buf_text(out) + began) == NULL) /* closed, written otherwise: 8.0 and 8.00 */
		return mended;
	buf_put_u8(out, ' ');
	if (buf_reserve(out, first_len) == NULL)
		return NULL;
	buf_put(out, out->p + began, first_len);
	return N_("the polygon was closed");
}

const char *
mend_circle(struct buf *out, const char *text)
{
	const char *mended = NULL, *p = text + strspn(text, blanks);
	size_t began = out->len;

	p = copy_point(out, p, &mended);
	if (p != NULL && strchr(blanks, *p) != NULL && *p != '\0') {
		buf_put_u8(out, ' ');
		p = copy_number(out, p + strspn(p, blanks), false, &mended);
		if (p != NULL && p[strspn(p, blanks)] == '\0')
			return mended;
	}
	out->len = began;
	buf_put_str(out, text);
	return NULL;
}

const char *
mend_language(struct buf *out, const char *text)
{
	const char *mended = NULL;

	for (; *text != '\0'; text++) {
		if (*text == '_')
			mended = N_("the language was put into the form de-DE");
		buf_put_u8(out, *text == '_' ? '-' : (uint8_t)*text);
	}
	return mended;
}

const char *
mend_web(struct buf *out, const char *text)
{
	if (value_uri_absolute(text)) {
		buf_put_str(out, text);
		return NULL;
	}
	if (!value_uri(text) || strchr(text, '.') == NULL || text[0] == '/' || text[0] == '.')
		return N_("is no address and was dropped");
	buf_printf(out, "https://%s", text);
	return N_("https:// was put before the address");
}

/* Does text begin with word and a comma? Gives the place behind them, or NULL. */
static const char *
behind_word(const char *text, const char *word)
{
	size_t n = strlen(word);

	return strncmp(text, word, n) == 0 && text[n] == ',' ? text + n + 1 : NULL;
}

/* Is item (sender,identifier,sent) this alert itself, or one sent later? */
static bool
is_own_or_later(const char *item, const struct own_reference *own)
{
	const char *comma = strrchr(item, ','), *rest = behind_word(item, own->sender);
	int64_t ms, own_ms;

	if (rest != NULL && behind_word(rest, own->identifier) != NULL)
		return true;
	return comma != NULL && value_time(&ms, comma + 1) && value_time(&own_ms, own->sent) && ms > own_ms;
}

const char *
mend_references(struct buf *out, const char *text, const struct own_reference *own)
{
	const char *mended = NULL, *p = text + strspn(text, blanks);
	struct buf item = BUF_INIT(4096);

	while (*p != '\0') {
		size_t len = strcspn(p, blanks);
		const char *whole;

		buf_reset(&item);
		buf_put(&item, p, len);
		p += len + strspn(p + len, blanks);
		if ((whole = buf_text(&item)) == NULL) {
			out->failed = true;
			break;
		}
		if (is_own_or_later(whole, own)) {
			mended = N_("a reference to the alert itself or to a later one was dropped");
			continue;
		}
		if (out->len > 0)
			buf_put_u8(out, ' ');
		buf_put_str(out, whole);
	}
	buf_free(&item);
	return mended;
}
