/* payload_values: the grammar of single values. */
#include "proto/payload_values.h"

#include <libxml/uri.h>
#include <stdlib.h>
#include <string.h>

#define N_(text) (text) /* translated where it is shown */

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool
is_one_of(char c, const char *set)
{
	return c != '\0' && strchr(set, c) != NULL;
}

static int
two(const char *p)
{
	return (p[0] - '0') * 10 + (p[1] - '0');
}

/* Days since 1970-01-01 of a day of the Gregorian calendar, by eras of 400 years that begin in March. */
static int64_t
days_from(int year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year, era = y / 400, yoe = y - era * 400;
	int64_t doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static int
days_in(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	if (month == 2 && ((year % 4 == 0 && year % 100 != 0) || year % 400 == 0))
		return 29;
	return days[month - 1];
}

bool
value_time(int64_t *ms, const char *text)
{
	static const char pattern[] = "dddd-dd-ddTdd:dd:ddsdd:dd";
	int year, month, day, hour, minute, second, off_h, off_m;
	int64_t offset;

	if (strlen(text) != VALUE_TIME_LEN)
		return false;
	for (size_t i = 0; i < VALUE_TIME_LEN; i++) {
		bool fits = pattern[i] == 'd' ? is_digit(text[i]) : pattern[i] == 's' ? is_one_of(text[i], "+-") : text[i] == pattern[i];

		if (!fits)
			return false;
	}
	year = two(text) * 100 + two(text + 2);
	month = two(text + 5);
	day = two(text + 8);
	hour = two(text + 11);
	minute = two(text + 14);
	second = two(text + 17);
	off_h = two(text + 20);
	off_m = two(text + 23);
	if (year < 1900 || month < 1 || month > 12 || day < 1 || day > days_in(year, month))
		return false;
	if (hour > 23 || minute > 59 || second > 59)
		return false;
	if (off_m > 59 || off_h * 60 + off_m > 14 * 60)
		return false;
	offset = (int64_t)(off_h * 60 + off_m) * 60000;
	if (ms != NULL)
		*ms = (days_from(year, month, day) * 86400 + hour * 3600 + minute * 60 + second) * 1000 + (text[19] == '+' ? -offset : offset);
	return true;
}

const char *
value_decimal(double *out, const char *text)
{
	const char *p = text;
	double v = 0, scale = 1;
	unsigned digits = 0;
	bool negative = *p == '-';

	if (is_one_of(*p, "+-"))
		p++;
	if (!is_digit(*p))
		return NULL;
	for (; is_digit(*p); p++, digits++)
		v = v * 10 + (*p - '0');
	if (*p == '.') {
		p++;
		if (!is_digit(*p))
			return NULL;
		for (; is_digit(*p); p++, digits++) {
			v = v * 10 + (*p - '0');
			scale *= 10;
		}
	}
	if (digits > 15) /* more would be rounded, and equal texts are what closes a polygon */
		return NULL;
	*out = (negative ? -v : v) / scale;
	return p;
}

bool
value_language(const char *text)
{
	for (bool first = true;; first = false) {
		size_t n = 0;

		while (is_letter(text[n]) || (!first && is_digit(text[n])))
			n++;
		if (n < 1 || n > 8)
			return false;
		text += n;
		if (*text == '\0')
			return true;
		if (*text++ != '-')
			return false;
	}
}

/* Reads a token of RFC 2045; gives how long it is. */
static size_t
mime_token(const char *p)
{
	size_t n = 0;

	while (is_letter(p[n]) || is_digit(p[n]) || is_one_of(p[n], "!#$&-^_.+"))
		n++;
	return n;
}

bool
value_mime(const char *text)
{
	size_t n = mime_token(text), m;

	if (n == 0 || text[n] != '/')
		return false;
	m = mime_token(text + n + 1);
	text += n + 1 + m;
	return m > 0 && (*text == '\0' || *text == ';' || *text == ' ');
}

static bool
is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* As libxml2 parses it, which is also how CAP's schema is applied; letters beyond ASCII count as any other. */
static bool
parses_as_uri(const char *text)
{
	char *ascii = strdup(text);
	xmlURI *uri;

	if (ascii == NULL)
		return false;
	for (char *p = ascii; *p != '\0'; p++)
		if ((unsigned char)*p >= 0x80)
			*p = '_';
	uri = xmlParseURI(ascii);
	free(ascii);
	xmlFreeURI(uri);
	return uri != NULL;
}

bool
value_uri(const char *text)
{
	unsigned hashes = 0;

	if (strlen(text) > VALUE_URI_MAX)
		return false;
	for (const char *p = text; *p != '\0'; p++) {
		if ((unsigned char)*p >= 0x80) /* an IRI; that the text is clean was seen before */
			continue;
		if (*p == '%' && !(is_hex(p[1]) && is_hex(p[2])))
			return false;
		if (*p == '#' && ++hashes > 1)
			return false;
		if (!is_letter(*p) && !is_digit(*p) && !is_one_of(*p, "-._~:/?#[]@!$&'()*+,;=%"))
			return false;
	}
	return *text != '\0' && parses_as_uri(text);
}

bool
value_uri_absolute(const char *text)
{
	size_t n = 0;

	if (!is_letter(text[0]))
		return false;
	while (is_letter(text[n]) || is_digit(text[n]) || is_one_of(text[n], "+-."))
		n++;
	return text[n] == ':' && text[n + 1] != '\0' && value_uri(text);
}

bool
value_cap_id(const char *text)
{
	for (const char *p = text; *p != '\0'; p++)
		if (is_blank(*p) || is_one_of(*p, ",<&"))
			return false;
	return *text != '\0';
}

bool
value_purpose(const char *text)
{
	size_t n = 0;

	for (; text[n] != '\0'; n++)
		if (!((text[n] >= 'a' && text[n] <= 'z') || is_digit(text[n]) || text[n] == '-') || n >= 64)
			return false;
	return n > 0;
}

bool
value_words(const char *text)
{
	bool quoted = false;

	for (const char *p = text; *p != '\0'; p++)
		if (*p == '"')
			quoted = !quoted;
	return !quoted;
}

/* "lat,lon" in range; gives the place behind it, or NULL with the fault. */
static const char *
take_point(double *lat, double *lon, const char *p, const char **fault)
{
	*fault = N_("must be pairs \"latitude,longitude\" separated by blanks");
	if ((p = value_decimal(lat, p)) == NULL || *p != ',')
		return NULL;
	if ((p = value_decimal(lon, p + 1)) == NULL)
		return NULL;
	if (*lat < -90 || *lat > 90) {
		*fault = N_("has a latitude outside of -90 to 90");
		return NULL;
	}
	if (*lon < -180 || *lon > 180) {
		*fault = N_("has a longitude outside of -180 to 180");
		return NULL;
	}
	return p;
}

const char *
value_polygon_fault(const char *text)
{
	double lat, lon, first_lat = 0, first_lon = 0;
	const char *fault, *p = text;
	size_t points = 0;

	for (;;) {
		if ((p = take_point(&lat, &lon, p, &fault)) == NULL)
			return fault;
		if (points++ == 0) {
			first_lat = lat;
			first_lon = lon;
		}
		if (*p == '\0')
			break;
		if (*p != ' ')
			return fault;
		p++;
	}
	if (points < 4)
		return N_("has fewer than 4 points");
	if (lat < first_lat || lat > first_lat || lon < first_lon || lon > first_lon)
		return N_("is not closed: the last point must be the first");
	return NULL;
}

const char *
value_circle_fault(const char *text)
{
	double lat, lon, radius;
	const char *fault, *p = take_point(&lat, &lon, text, &fault);

	if (p == NULL)
		return fault;
	if (*p != ' ' || (p = value_decimal(&radius, p + 1)) == NULL || *p != '\0')
		return N_("must be \"latitude,longitude radius\", the radius in kilometres");
	if (radius < 0 || radius > 20038) /* half the earth's circumference */
		return N_("has a radius outside of 0 to 20038 kilometres");
	return NULL;
}
