/* standing_config: what of a daemon's configuration file is in force, the same for broker and node. */
#include <stdio.h>
#include <string.h>

#include "clients/cli/look.h"
#include "clients/cli/standing.h"
#include "clients/cli/when.h"

void
standing_judge_config(struct standing *s, const json_t *o)
{
	const char *refused = look_text(o, "config.refused");
	char when[WHEN_MAX];
	json_t *key;
	size_t i;

	when_put(when, when_parse_utc(look_text(o, "config.read")), s->now_ms);
	if (json_is_string(look_at(o, "config.refused")))
		standing_fault(s, true, _("What the configuration file says since %s is not in force: %s. Mend it and reload."), when, refused);
	json_array_foreach(look_at(o, "config.needs_restart"), i, key)
		standing_fault(s, false, _("%s is \"%s\" in the configuration file, but \"%s\" is in force: restart the daemon when it suits."), look_text(key, "key"),
		               look_text(key, "file"), look_text(key, "in_force"));
}

void
standing_show_config(struct standing *s, const json_t *o)
{
	char line[512], when[WHEN_MAX], waits[256] = "";
	json_t *key;
	size_t i;

	if (!json_is_object(look_at(o, "config")))
		return;
	json_array_foreach(look_at(o, "config.needs_restart"), i, key) {
		size_t at = strlen(waits);

		(void)snprintf(waits + at, sizeof waits - at, "%s%s", i > 0 ? ", " : "", look_text(key, "key"));
	}
	when_put(when, when_parse_utc(look_text(o, "config.read")), s->now_ms);
	if (json_is_string(look_at(o, "config.refused")))
		(void)snprintf(line, sizeof line, _("%s, not taken %s"), look_text(o, "config.file"), when);
	else if (waits[0] != '\0')
		(void)snprintf(line, sizeof line, _("%s, read %s; needs a restart: %s"), look_text(o, "config.file"), when, waits);
	else
		(void)snprintf(line, sizeof line, _("%s, in force since %s"), look_text(o, "config.file"), when);
	standing_fact(s, FIT_SETTING, _("configuration"), json_is_string(look_at(o, "config.refused")) ? CLI_RED : waits[0] != '\0' ? CLI_YELLOW : CLI_PLAIN, line);
}
