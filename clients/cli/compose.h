/*
 * compose: a notification's content from options instead of a file, as JSON of its schema. Which options are given says which
 * schema it is; one that does not belong to it is refused by name. What the topic takes is the node's to judge.
 */
#ifndef KW_CLI_COMPOSE_H
#define KW_CLI_COMPOSE_H

#include "clients/cli/cli.h"

struct compose_options { /* NULL: not given */
	const char *headline, *event, *subject, *text, *instruction, *severity, *urgency, *certainty, *category, *area, *contact, *language;
	const char *kind, *needed_by, *measures, *reference;
	const char *file, *media_type;
	const char *mark, *purpose, *onward, *delete_by, *source, *content, *completeness;
};

struct compose_surroundings {
	const char *node, *partnership; /* for an alert's sender and restriction */
	bool exercise, german;
	uint64_t now_ms;
	uint64_t expires_ms;            /* 0: not given */
	const char *type, *about;       /* of an alert that updates or cancels one; NULL: a new one */
};

/* Rows for a table of options; member is a struct compose_options. */
/* NOLINTNEXTLINE(bugprone-macro-parentheses): a member has none */
#define COMPOSE_ROW(type, member, option, field, value, help) {option, 0, CLI_TEXT, offsetof(type, member.field), value, help, 0, 0}
#define COMPOSE_ROWS(type, member)                                                                                                          \
	COMPOSE_ROW(type, member, "headline", headline, N_("TEXT"), N_("alert: the one line that everybody reads")),                         \
	COMPOSE_ROW(type, member, "subject", subject, N_("TEXT"), N_("request, report: what it is about; document: its title")),             \
	COMPOSE_ROW(type, member, "text", text, N_("TEXT"), N_("what happened, what is wanted; alone it makes a note")),                      \
	COMPOSE_ROW(type, member, "instruction", instruction, N_("TEXT"), N_("alert: what to do")),                                           \
	COMPOSE_ROW(type, member, "severity", severity, N_("WORD"), N_("alert, report: Extreme, Severe, Moderate, Minor or Unknown")),        \
	COMPOSE_ROW(type, member, "area", area, N_("TEXT"), N_("where: \"Neckarwiese, Uferstraße 61\"")),                                     \
	COMPOSE_ROW(type, member, "category", category, N_("WORD"), N_("alert (Safety if not given), report: Fire, Security, Health …")),     \
	COMPOSE_ROW(type, member, "event", event, N_("TEXT"), N_("alert: what kind of event; the headline if not given")),                    \
	COMPOSE_ROW(type, member, "urgency", urgency, N_("WORD"), N_("alert: Immediate, Expected, Future, Past or Unknown")),                 \
	COMPOSE_ROW(type, member, "certainty", certainty, N_("WORD"), N_("alert: Observed, Likely, Possible, Unlikely or Unknown")),          \
	COMPOSE_ROW(type, member, "kind", kind, N_("WORD"), N_("request: Support, Presence, Information, Consultation, Inspection, Other")),  \
	COMPOSE_ROW(type, member, "needed-by", needed_by, N_("TIME"), N_("request: until when; 22:15, 2h or 2026-12-01T22:15:00+01:00")),     \
	COMPOSE_ROW(type, member, "measures", measures, N_("TEXT"), N_("report: what was done already")),                                     \
	COMPOSE_ROW(type, member, "contact", contact, N_("TEXT"), N_("whom to call")),                                                        \
	COMPOSE_ROW(type, member, "reference", reference, N_("TEXT"), N_("your own case number; never a person's name")),                     \
	COMPOSE_ROW(type, member, "file", file, N_("FILE"), N_("document: the file that is sent")),                                           \
	COMPOSE_ROW(type, member, "media-type", media_type, N_("TYPE"), N_("document: as application/pdf; by the file's ending if not given")), \
	COMPOSE_ROW(type, member, "language", language, N_("TAG"), N_("of the texts, as de; yours if not given")),                            \
	COMPOSE_ROW(type, member, "purpose", purpose, N_("WORD"), N_("request, report, document: as in the agreement, danger-prevention")),   \
	COMPOSE_ROW(type, member, "mark", mark, N_("WORD"), N_("the same: Open, Internal (if not given), Personal, Sensitive")),              \
	COMPOSE_ROW(type, member, "onward", onward, N_("WORD"), N_("the same: Free, WithConsent (if not given), Forbidden")),                 \
	COMPOSE_ROW(type, member, "delete-by", delete_by, N_("TIME"), N_("the same: until when readers must have deleted it")),               \
	COMPOSE_ROW(type, member, "source", source, N_("WORD"), N_("report, document: Reliable … Unreliable; NotAssessable if not given")),   \
	COMPOSE_ROW(type, member, "content", content, N_("WORD"), N_("the same: Confirmed … Improbable; NotAssessable if not given")),        \
	COMPOSE_ROW(type, member, "completeness", completeness, N_("WORD"), N_("the same: Complete, Partial, Unknown (if not given)"))

bool compose_wanted(const struct compose_options *o); /* is any of them given? */

/*
 * KW_EINVAL: they make no content, or not one; the sentence says what is missing or does not belong. Also what reading
 * --file answers. cap_name: of an alert, the name that it is cancelled by later, "sender,identifier,sent"; else "".
 */
KW_MUST_USE enum kw_err compose(json_t **out, char cap_name[256], const struct compose_options *o, const struct compose_surroundings *s, struct kw_why *why);

/* Does what the node said begin with a place in the content, a line or a field, so that the file's name belongs before it? */
bool compose_is_about_content(const char *refusal);

/*
 * refusal: what the node said to the content that these options made. True: the topic takes another schema, and *out says so;
 * false: it is refused for what it is.
 */
bool compose_mismatch(struct kw_why *out, const struct compose_options *o, const char *topic, const char *refusal);

#endif
