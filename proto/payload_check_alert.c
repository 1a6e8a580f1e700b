/* payload_check_alert: CAP 1.2, what the schema demands and what section 3 of the standard demands beyond it. */
#include <stdio.h>
#include <string.h>

#include "proto/payload_check.h"
#include "proto/payload_values.h"

/* "sender,identifier,sent" of len bytes. */
static enum kw_err
check_reference(struct check *c, const char *item, size_t len, const Kurzweg__Alert *a, int64_t sent_ms)
{
	const char *comma = memchr(item, ',', len), *second;
	char time[VALUE_TIME_LEN + 1];
	size_t left, id_len;
	int64_t ms = 0;

	if (comma == NULL || comma == item)
		return check_fault(c, "references", "\"%.*s\" is no reference, must be sender,identifier,sent", (int)(len > 128 ? 128 : len), item);
	left = len - (size_t)(comma + 1 - item);
	second = memchr(comma + 1, ',', left);
	id_len = second != NULL ? (size_t)(second - comma - 1) : 0;
	if (id_len == 0 || left - id_len - 1 != VALUE_TIME_LEN)
		return check_fault(c, "references", "\"%.*s\" is no reference, must be sender,identifier,sent", (int)(len > 128 ? 128 : len), item);
	memcpy(time, second + 1, VALUE_TIME_LEN);
	time[VALUE_TIME_LEN] = '\0';
	if (!value_time(&ms, time))
		return check_fault(c, "references", "\"%s\" is no time, must be as 2026-12-01T10:00:00+01:00", time);
	if (strlen(a->sender) == (size_t)(comma - item) && memcmp(a->sender, item, strlen(a->sender)) == 0 &&
	    strlen(a->identifier) == id_len && memcmp(a->identifier, comma + 1, id_len) == 0)
		return check_fault(c, "references", "the alert refers to itself (\"%.200s\")", a->identifier);
	if (ms > sent_ms)
		return check_fault(c, "references", "\"%.*s\" was sent later than this alert (%s)", (int)(len > 128 ? 128 : len), item, a->sent);
	return KW_OK;
}

static enum kw_err
check_references(struct check *c, const Kurzweg__Alert *a, int64_t sent_ms)
{
	static const char blanks[] = " \t\r\n";
	const char *p = a->references + strspn(a->references, blanks);
	enum kw_err err;

	if (*p == '\0' && a->msg_type != KURZWEG__MSG_TYPE__IS__Alert)
		return check_fault(c, "references", "is missing; an alert that is no first one names those it is about as sender,identifier,sent");
	while (*p != '\0') {
		size_t len = strcspn(p, blanks);

		if ((err = check_reference(c, p, len, a, sent_ms)) != KW_OK)
			return err;
		p += len;
		p += strspn(p, blanks);
	}
	return KW_OK;
}

static enum kw_err
check_pairs(struct check *c, const char *name, Kurzweg__Pair *const *pairs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (pairs[i]->value_name[0] == '\0') {
			char at[64];

			(void)snprintf(at, sizeof at, "%s[%zu].valueName", name, i);
			return check_fault(c, at, "is missing");
		}
	return KW_OK;
}

static enum kw_err
check_resource(struct check *c, const Kurzweg__Resource *r)
{
	bool carries = r->deref_uri.len > 0;
	enum kw_err err;

	if ((err = check_text(c, "resourceDesc", r->resource_desc)) != KW_OK)
		return err;
	if (!value_mime(r->mime_type))
		return check_fault(c, "mimeType", "\"%.100s\" is no media type, must be as image/png", r->mime_type);
	if (r->size > INT64_MAX)
		return check_fault(c, "size", "is over the limit of %lld", (long long)INT64_MAX);
	if (r->uri[0] != '\0' && !(carries ? value_uri(r->uri) : value_uri_absolute(r->uri)))
		return check_fault(c, "uri", "\"%.200s\" is no absolute address; only beside derefUri it may be a relative one", r->uri);
	return KW_OK;
}

static enum kw_err
check_heights(struct check *c, const Kurzweg__Area *a)
{
	double low = 0, high = 0;
	const char *end;

	if (a->altitude[0] != '\0' && ((end = value_decimal(&low, a->altitude)) == NULL || *end != '\0'))
		return check_fault(c, "altitude", "\"%.64s\" is no decimal number of feet", a->altitude);
	if (a->ceiling[0] == '\0')
		return KW_OK;
	if ((end = value_decimal(&high, a->ceiling)) == NULL || *end != '\0')
		return check_fault(c, "ceiling", "\"%.64s\" is no decimal number of feet", a->ceiling);
	if (a->altitude[0] == '\0')
		return check_fault(c, "ceiling", "stands without altitude");
	if (high < low)
		return check_fault(c, "ceiling", "%.64s feet is lower than the altitude of %.64s", a->ceiling, a->altitude);
	return KW_OK;
}

static enum kw_err
check_shapes(struct check *c, const char *name, char *const *shapes, size_t n, const char *(*fault_of)(const char *))
{
	for (size_t i = 0; i < n; i++) {
		const char *fault = fault_of(shapes[i]);
		char at[64];

		(void)snprintf(at, sizeof at, "%s[%zu]", name, i);
		if (fault != NULL)
			return check_fault(c, at, "\"%.80s\" %s", shapes[i], kw_translate(fault));
	}
	return KW_OK;
}

static enum kw_err
check_area(struct check *c, const Kurzweg__Area *a)
{
	enum kw_err err;

	if ((err = check_text(c, "areaDesc", a->area_desc)) != KW_OK)
		return err;
	if ((err = check_shapes(c, "polygon", a->polygon, a->n_polygon, value_polygon_fault)) != KW_OK)
		return err;
	if ((err = check_shapes(c, "circle", a->circle, a->n_circle, value_circle_fault)) != KW_OK)
		return err;
	if ((err = check_pairs(c, "geocode", a->geocode, a->n_geocode)) != KW_OK)
		return err;
	return check_heights(c, a);
}

static enum kw_err
check_info_times(struct check *c, const Kurzweg__Info *i, const Kurzweg__Alert *a, int64_t sent_ms)
{
	int64_t expires = sent_ms;
	enum kw_err err;

	if ((err = check_time(c, "effective", i->effective, NULL)) != KW_OK)
		return err;
	if ((err = check_time(c, "onset", i->onset, NULL)) != KW_OK)
		return err;
	if ((err = check_time(c, "expires", i->expires, &expires)) != KW_OK)
		return err;
	if (expires < sent_ms)
		return check_fault(c, "expires", "%s lies before sent, %s", i->expires, a->sent);
	return KW_OK;
}

static enum kw_err
check_info_choices(struct check *c, const Kurzweg__Info *i)
{
	enum kw_err err;

	if (i->n_category == 0)
		return check_choice(c, "category", 0, &kurzweg__category__is__descriptor);
	for (size_t k = 0; k < i->n_category; k++)
		if ((err = check_choice(c, "category", (int)i->category[k], &kurzweg__category__is__descriptor)) != KW_OK)
			return err;
	if ((err = check_text(c, "event", i->event)) != KW_OK)
		return err;
	for (size_t k = 0; k < i->n_response_type; k++)
		if ((err = check_choice(c, "responseType", (int)i->response_type[k], &kurzweg__response_type__is__descriptor)) != KW_OK)
			return err;
	if ((err = check_choice(c, "urgency", (int)i->urgency, &kurzweg__urgency__is__descriptor)) != KW_OK)
		return err;
	if ((err = check_choice(c, "severity", (int)i->severity, &kurzweg__severity__is__descriptor)) != KW_OK)
		return err;
	return check_choice(c, "certainty", (int)i->certainty, &kurzweg__certainty__is__descriptor);
}

static enum kw_err
check_info_parts(struct check *c, const Kurzweg__Info *i)
{
	enum kw_err err;

	for (size_t k = 0; k < i->n_resource; k++) {
		char at[32];
		size_t up;

		(void)snprintf(at, sizeof at, "resource[%zu]", k);
		up = path_down_name(&c->at, at);
		if ((err = check_resource(c, i->resource[k])) != KW_OK)
			return err;
		path_up(&c->at, up);
	}
	for (size_t k = 0; k < i->n_area; k++) {
		char at[32];
		size_t up;

		(void)snprintf(at, sizeof at, "area[%zu]", k);
		up = path_down_name(&c->at, at);
		if ((err = check_area(c, i->area[k])) != KW_OK)
			return err;
		path_up(&c->at, up);
	}
	return KW_OK;
}

static enum kw_err
check_info(struct check *c, const Kurzweg__Info *i, const Kurzweg__Alert *a, int64_t sent_ms)
{
	enum kw_err err;

	if ((err = check_language(c, i->language)) != KW_OK)
		return err;
	if ((err = check_info_choices(c, i)) != KW_OK)
		return err;
	if ((err = check_info_times(c, i, a, sent_ms)) != KW_OK)
		return err;
	if ((err = check_web(c, "web", i->web)) != KW_OK)
		return err;
	if ((err = check_pairs(c, "eventCode", i->event_code, i->n_event_code)) != KW_OK)
		return err;
	if ((err = check_pairs(c, "parameter", i->parameter, i->n_parameter)) != KW_OK)
		return err;
	return check_info_parts(c, i);
}

static enum kw_err
check_scope(struct check *c, const Kurzweg__Alert *a)
{
	enum kw_err err;

	if ((err = check_choice(c, "scope", (int)a->scope, &kurzweg__scope__is__descriptor)) != KW_OK)
		return err;
	if (a->restriction[0] != '\0' && a->scope != KURZWEG__SCOPE__IS__Restricted)
		return check_fault(c, "restriction", "may stand only with the scope Restricted");
	if (a->addresses[0] == '\0' && a->scope == KURZWEG__SCOPE__IS__Private)
		return check_fault(c, "addresses", "is missing; the scope Private names its readers");
	if (!value_words(a->addresses))
		return check_fault(c, "addresses", "has a double quote that is never closed");
	return KW_OK;
}

static enum kw_err
check_alert_head(struct check *c, const Kurzweg__Alert *a, int64_t *sent_ms)
{
	enum kw_err err;

	if (!value_cap_id(a->identifier))
		return check_fault(c, "identifier", "\"%.200s\" must not be empty nor hold blanks, commas, '<' or '&'", a->identifier);
	if (!value_cap_id(a->sender))
		return check_fault(c, "sender", "\"%.200s\" must not be empty nor hold blanks, commas, '<' or '&'", a->sender);
	if ((err = check_text(c, "sent", a->sent)) != KW_OK)
		return err;
	if ((err = check_time(c, "sent", a->sent, sent_ms)) != KW_OK)
		return err;
	if ((err = check_choice(c, "status", (int)a->status, &kurzweg__status__is__descriptor)) != KW_OK)
		return err;
	if ((err = check_choice(c, "msgType", (int)a->msg_type, &kurzweg__msg_type__is__descriptor)) != KW_OK)
		return err;
	return check_scope(c, a);
}

enum kw_err
check_alert(struct check *c, const Kurzweg__Alert *a)
{
	int64_t sent_ms = 0;
	enum kw_err err;

	if ((err = check_alert_head(c, a, &sent_ms)) != KW_OK)
		return err;
	for (size_t i = 0; i < a->n_code; i++)
		if ((err = check_text(c, "code", a->code[i])) != KW_OK)
			return err;
	if ((err = check_references(c, a, sent_ms)) != KW_OK)
		return err;
	if (!value_words(a->incidents))
		return check_fault(c, "incidents", "has a double quote that is never closed");
	for (size_t i = 0; i < a->n_info; i++) {
		char at[32];
		size_t up;

		(void)snprintf(at, sizeof at, "info[%zu]", i);
		up = path_down_name(&c->at, at);
		if ((err = check_info(c, a->info[i], a, sent_ms)) != KW_OK)
			return err;
		path_up(&c->at, up);
	}
	return KW_OK;
}
