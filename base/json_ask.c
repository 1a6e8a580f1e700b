/* json_ask: see its header. */
#include "base/json_ask.h"

enum kw_err
json_ask_load(json_t **out, struct span text, size_t most, struct kw_why *why)
{
	*out = NULL;
	if (text.len > most)
		return kw_refuse(why, KW_ELIMIT, "the request has %zu bytes, at most %zu are allowed", text.len, most);
	*out = json_loadb((const char *)text.p, text.len, JSON_REJECT_DUPLICATES, NULL);
	return json_is_object(*out) ? KW_OK : kw_refuse(why, KW_EPROTO, "the request is no JSON object");
}

enum kw_err
json_ask_number(uint64_t *out, const json_t *v, uint64_t most, const char *key, struct kw_why *why)
{
	bool fits = json_is_integer(v) && json_integer_value(v) >= 0 && (uint64_t)json_integer_value(v) <= most;

	if (!fits && most < INT64_MAX)
		return kw_refuse(why, KW_EINVAL, "%s must be a whole number of at most %llu", key, (unsigned long long)most);
	if (!fits)
		return kw_refuse(why, KW_EINVAL, "%s must be a whole number", key);
	*out = (uint64_t)json_integer_value(v);
	return KW_OK;
}

enum kw_err
json_ask_text(const char **out, const json_t *v, const char *key, struct kw_why *why)
{
	*out = json_string_value(v);
	return *out != NULL ? KW_OK : kw_refuse(why, KW_EINVAL, "%s must be a text", key);
}

enum kw_err
json_ask_flag(bool *out, const json_t *v, const char *key, struct kw_why *why)
{
	*out = json_is_true(v);
	return json_is_boolean(v) ? KW_OK : kw_refuse(why, KW_EINVAL, "%s must be true or false", key);
}
