/* commands: every command by name; main.c's table lists them in the order of --help. */
#ifndef KW_CLI_COMMANDS_H
#define KW_CLI_COMMANDS_H

#include "clients/cli/cli.h"

extern const struct cli_command cmd_key_new, cmd_key_show, cmd_key_fingerprint;
extern const struct cli_command cmd_agreement_check, cmd_agreement_sign, cmd_agreement_verify, cmd_agreement_diff, cmd_agreement_who_reads,
	cmd_agreement_fingerprint, cmd_agreement_install, cmd_agreement_who_is_responsible, cmd_agreement_simulate, cmd_agreement_add_partner, cmd_agreement_draft, cmd_agreement_template;
extern const struct cli_command cmd_partner_init;
extern const struct cli_command cmd_publish, cmd_inbox, cmd_sent, cmd_status, cmd_nodes, cmd_top, cmd_doctor, cmd_trace, cmd_explain, cmd_log, cmd_broker_headers, cmd_broker_new_epoch, cmd_broker_stop;
extern const struct cli_command cmd_suspend, cmd_resume;
extern const struct cli_command cmd_case_list, cmd_case_show, cmd_case_watch, cmd_take, cmd_decline, cmd_hand_over, cmd_return, cmd_done, cmd_reopen, cmd_forward, cmd_note,
	cmd_recall, cmd_recall_status, cmd_release_list, cmd_approve, cmd_refuse, cmd_receipt_export, cmd_receipt_verify;
extern const struct cli_command cmd_audit, cmd_audit_verify, cmd_audit_export, cmd_audit_seen, cmd_audit_subject;
extern const struct cli_command cmd_backup, cmd_restore;

#endif
