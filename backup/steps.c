/* steps: see its header. */
#include "backup/steps.h"

#include <sodium.h>
#include <string.h>

static const char *const step_names[] = {[BACKUP_BEGIN] = "begin", [BACKUP_NEXT] = "next", [BACKUP_END] = "end", [BACKUP_GIVE_UP] = "give_up"};

static enum kw_err
want_number(uint64_t *out, const json_t *v, const char *key, uint64_t most, struct kw_why *why)
{
	if (!json_is_integer(v) || json_integer_value(v) < 0 || (uint64_t)json_integer_value(v) > most)
		return kw_refuse(why, KW_EINVAL, "%s must be a whole number", key);
	*out = (uint64_t)json_integer_value(v);
	return KW_OK;
}

static enum kw_err
take_step(struct backup_ask *a, const json_t *v, struct kw_why *why)
{
	for (size_t i = 0; json_is_string(v) && i < sizeof step_names / sizeof step_names[0]; i++)
		if (strcmp(json_string_value(v), step_names[i]) == 0) {
			a->step = (enum backup_step)i;
			return KW_OK;
		}
	return kw_refuse(why, KW_EINVAL, "step must be begin, next, end or give_up");
}

static enum kw_err
take_key(struct backup_ask *a, const char *key, const json_t *v, struct kw_why *why)
{
	const struct { const char *key; const char **to; } texts[] = {{"backup", &a->backup}, {"as", &a->as}, {"reason", &a->reason}};
	uint64_t file = 0;
	enum kw_err err;

	if (strcmp(key, "step") == 0)
		return take_step(a, v, why);
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		if (strcmp(key, texts[i].key) == 0) {
			*texts[i].to = json_string_value(v);
			return json_is_string(v) ? KW_OK : kw_refuse(why, KW_EINVAL, "%s must be a text", key);
		}
	if (strcmp(key, "place") == 0)
		return want_number(&a->place, v, key, INT64_MAX, why);
	if (strcmp(key, "file") != 0)
		return kw_refuse(why, KW_EINVAL, "the key \"%.32s\" is not known in a request for a backup", key);
	err = want_number(&file, v, key, UINT32_MAX, why);
	a->file = (uint32_t)file;
	return err;
}

static enum kw_err
goes_together(const struct backup_ask *a, struct kw_why *why)
{
	const char *missing = NULL;

	if (json_object_get(a->doc, "step") == NULL)
		missing = "step";
	else if (a->step != BACKUP_BEGIN && a->backup == NULL)
		missing = "backup";
	else if (a->step == BACKUP_NEXT && json_object_get(a->doc, "file") == NULL)
		missing = "file";
	else if (a->step == BACKUP_NEXT && json_object_get(a->doc, "place") == NULL)
		missing = "place";
	return missing == NULL ? KW_OK : kw_refuse(why, KW_EINVAL, "the key \"%s\" is missing", missing);
}

enum kw_err
backup_ask_read(struct backup_ask *out, json_t *doc, struct kw_why *why)
{
	const char *key;
	json_t *v;
	enum kw_err err;

	*out = (struct backup_ask){.doc = doc};
	if (!json_is_object(doc))
		return kw_refuse(why, KW_EPROTO, "the request is no JSON object");
	json_object_foreach(doc, key, v)
		if ((err = take_key(out, key, v, why)) != KW_OK)
			return err;
	return goes_together(out, why);
}

void
backup_ask_free(struct backup_ask *a)
{
	json_decref(a->doc);
	a->doc = NULL;
}

void
backup_token(char out[BACKUP_TOKEN_LEN + 1])
{
	uint8_t bytes[BACKUP_TOKEN_LEN / 2];

	randombytes_buf(bytes, sizeof bytes);
	(void)sodium_bin2hex(out, BACKUP_TOKEN_LEN + 1, bytes, sizeof bytes);
}
