/* cmd_doctor: what is wrong at a partner's machine, and what to type. */
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "clients/cli/commands.h"
#include "clients/cli/doctor.h"

#define CONFIG_DEFAULT "/etc/kurzweg/partner.yaml"

struct doctor_options {
	const char *config;
	bool json;
};

/* Root sees what root alone may, then looks on with the daemon's eyes. */
static void
look(struct doctor *d)
{
	doctor_configuration(d);
	if (!d->has_config)
		return;
	doctor_find_unit(d);
	doctor_find_user(d);
	doctor_ask_daemon(d);
	doctor_key(d);
	if (!doctor_become(d))
		return;
	doctor_agreement(d);
	doctor_places(d);
	doctor_daemon(d);
	doctor_reach(d);
	doctor_clock(d);
}

static enum cli_exit
run_doctor(struct cli *c, const void *options)
{
	const struct doctor_options *o = options;
	struct doctor d = {.c = c, .path = o->config != NULL ? o->config : CONFIG_DEFAULT, .sudo = geteuid() == 0 ? "" : "sudo ", .now_ms = clock_wall_ms()};
	enum cli_exit code = CLI_DONE;

	look(&d);
	if (o->json)
		code = cli_json(c, doctor_json(&d));
	else
		doctor_print(&d);
	if (code == CLI_DONE && doctor_count(&d, DOCTOR_WRONG) + doctor_count(&d, DOCTOR_UNKNOWN) > 0)
		code = CLI_FAILED;
	doctor_free(&d);
	return code;
}

static const struct cli_option doctor_table[] = {
	{"config", 'c', CLI_TEXT, offsetof(struct doctor_options, config), N_("FILE"), N_("the daemon's configuration, instead of /etc/kurzweg/partner.yaml"), 0, 0},
	{"json", 0, CLI_FLAG, offsetof(struct doctor_options, json), NULL, N_("as JSON"), 0, 0},
	CLI_NO_MORE,
};

const struct cli_command cmd_doctor = {
	"doctor", NULL, NULL, 0, 0, N_("look for what is wrong at this partner's machine, and say what to type"),
	N_("On the partner's machine, whether its daemon runs or not. It looks at configuration, key, agreement, folders, handlers, the\n"
	   "daemon, the way to the broker and the clock; it changes nothing and publishes nothing. Best run by root, who then looks with\n"
	   "the eyes of the daemon's user; what others may not see is said to be unknown.\n"
	   "\n"
	   "A line a check: ok, look (it works, but somebody should look), wrong, or unknown (it could not be looked at). Ends with 0 when\n"
	   "nothing is wrong or unknown, else with 1."),
	doctor_table, run_doctor,
};
