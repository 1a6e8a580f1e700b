/* checks: see its header. */
#include "clients/partner/checks.h"

#include <string.h>

#include "base/fs.h"
#include "clients/partner/own_files.h"
#include "clients/partner/program.h"
#include "clients/partner/spool_places.h"

uint32_t
handlers_check(const struct partner_config *config, void (*say)(void *self, const char *sentence), void *self)
{
	uint32_t bad = 0;

	for (uint32_t i = 0; i < config->handler_count; i++) {
		struct kw_why why;

		if (program_check(config->handlers[i].run[0], &why) == KW_OK)
			continue;
		kw_why_prefix(&why, "handler \"%.100s\"", config->handlers[i].name);
		say(self, why.text);
		bad++;
	}
	return bad;
}

enum kw_err
spool_check(const struct partner_config *config, struct kw_why *why)
{
	return config->spool != NULL ? spool_places_check(config->spool, why) : KW_OK;
}

enum kw_err
state_check(const struct partner_config *config, struct kw_why *why)
{
	enum kw_err err = fs_folder_check(config->state, why);

	if (err != KW_OK)
		kw_why_prefix(why, "%s", "state");
	return err;
}

enum kw_err
socket_check(const struct partner_config *config, struct kw_why *why)
{
	enum kw_err err = fs_socket_check(config->socket + strlen("ipc://"), why);

	if (err != KW_OK)
		kw_why_prefix(why, "%s", "socket");
	return err;
}

static uint32_t
count(enum kw_err err, const struct kw_why *why, void (*say)(void *self, const char *sentence), void *self)
{
	if (err != KW_OK)
		say(self, why->text);
	return err != KW_OK;
}

uint32_t
checks_all(const struct partner_config *config, void (*say)(void *self, const char *sentence), void *self)
{
	struct kw_why why;
	uint32_t bad = handlers_check(config, say, self);

	bad += count(spool_check(config, &why), &why, say, self);
	bad += count(state_check(config, &why), &why, say, self);
	bad += count(socket_check(config, &why), &why, say, self);
	return bad + count(own_files_check(config, &why), &why, say, self);
}
