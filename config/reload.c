/* reload: see its header. */
#include "config/reload.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"

void
settings_put(struct settings *s, const char *key, bool live, const char *fmt, ...)
{
	char *value = NULL;
	va_list args;

	MUST(s->count < SETTINGS_MAX);
	va_start(args, fmt);
	if (vasprintf(&value, fmt, args) < 0)
		value = NULL;
	va_end(args);
	if (value == NULL) {
		s->incomplete = true;
		return;
	}
	s->each[s->count].key = key;
	s->each[s->count].live = live;
	s->each[s->count++].value = value;
}

void
settings_free(struct settings *s)
{
	for (uint32_t i = 0; i < s->count; i++)
		free(s->each[i].value);
	*s = (struct settings){.count = 0};
}

enum kw_err
reload_start(struct reload *r, const char *path, struct settings *in_force, uint64_t wall_ms)
{
	*r = (struct reload){.path = path, .in_force = *in_force, .at_ms = wall_ms};
	*in_force = (struct settings){.count = 0};
	return r->in_force.incomplete ? KW_ENOMEM : KW_OK;
}

static void
add_name(char names[256], const char *key)
{
	size_t at = strlen(names);

	(void)snprintf(names + at, 256 - at, "%s%s", at > 0 ? "," : "", key);
}

void
reload_took(struct reload *r, struct settings *file, uint64_t wall_ms)
{
	char changed[256] = "", waits[256] = "";

	settings_free(&r->waiting);
	r->count++;
	r->at_ms = wall_ms;
	r->refused = false;
	r->text[0] = '\0';
	for (uint32_t i = 0; i < file->count && i < r->in_force.count; i++) {
		char *before = r->in_force.each[i].value, *now = file->each[i].value;
		const char *key = file->each[i].key;

		MUST(strcmp(key, r->in_force.each[i].key) == 0);
		if (strcmp(before, now) == 0)
			continue;
		if (!file->each[i].live) {
			log_event(LOG_WARNING, "config.needs_restart", "key=%s in_force=\"%s\" file=\"%s\"", key, before, now);
			settings_put(&r->waiting, key, false, "%s", now);
			add_name(waits, key);
			continue;
		}
		log_event(LOG_NOTICE, "config.changed", "key=%s before=\"%s\" now=\"%s\"", key, before, now);
		add_name(changed, key);
		free(before);
		r->in_force.each[i].value = now;
		file->each[i].value = NULL;
	}
	log_event(LOG_NOTICE, "config.reloaded", "file=\"%s\" changed=%s needs_restart=%s", r->path, changed[0] != '\0' ? changed : "nothing",
	          waits[0] != '\0' ? waits : "nothing");
	settings_free(file);
}

void
reload_refused(struct reload *r, const char *why, uint64_t wall_ms)
{
	r->count++;
	r->at_ms = wall_ms;
	reload_not_whole(r, why);
}

void
reload_not_whole(struct reload *r, const char *why)
{
	r->refused = true;
	(void)snprintf(r->text, sizeof r->text, "%s", why);
	log_event(LOG_ERROR, "config.refused", "file=\"%s\" why=\"%s\"", r->path, why);
}

void
reload_free(struct reload *r)
{
	settings_free(&r->in_force);
	settings_free(&r->waiting);
}

static const char *
in_force(const struct reload *r, const char *key)
{
	for (uint32_t i = 0; i < r->in_force.count; i++)
		if (strcmp(r->in_force.each[i].key, key) == 0)
			return r->in_force.each[i].value;
	return "";
}

json_t *
reload_json(const struct reload *r)
{
	json_t *values = json_object(), *waiting = json_array();
	char when[TEXT_TIME_MAX];

	text_put_time_utc(when, r->at_ms);
	for (uint32_t i = 0; i < r->in_force.count; i++)
		(void)json_object_set_new(values, r->in_force.each[i].key, json_string(r->in_force.each[i].value));
	for (uint32_t i = 0; i < r->waiting.count; i++)
		(void)json_array_append_new(waiting, json_pack("{s:s, s:s, s:s}", "key", r->waiting.each[i].key, "in_force", in_force(r, r->waiting.each[i].key),
		                            "file", r->waiting.each[i].value));
	return json_pack("{s:s, s:s, s:i, s:o, s:o, s:s?}", "file", r->path, "read", when, "readings", (int)r->count, "in_force", values, "needs_restart", waiting,
	                 "refused", r->refused ? r->text : NULL);
}

void
reload_line(char out[256], const struct reload *r)
{
	char waits[256] = "";

	for (uint32_t i = 0; i < r->waiting.count; i++)
		add_name(waits, r->waiting.each[i].key);
	if (r->refused)
		(void)snprintf(out, 256, "its configuration file was not taken: %.200s", r->text);
	else
		(void)snprintf(out, 256, "configuration in force%s%.200s%s", waits[0] != '\0' ? " but for what needs a restart (" : "", waits, waits[0] != '\0' ? ")" : "");
}
