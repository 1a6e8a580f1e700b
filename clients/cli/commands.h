/* commands: every command by name; main.c's table lists them in the order of --help. */
#ifndef KW_CLI_COMMANDS_H
#define KW_CLI_COMMANDS_H

#include "clients/cli/cli.h"

extern const struct cli_command cmd_key_new, cmd_key_show, cmd_key_fingerprint;
extern const struct cli_command cmd_agreement_check, cmd_agreement_sign, cmd_agreement_verify, cmd_agreement_diff, cmd_agreement_who_reads,
	cmd_agreement_fingerprint, cmd_agreement_install;

#endif
