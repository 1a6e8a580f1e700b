/* draft_rows: who belongs to a partnership, out of a spreadsheet's table with a row for each key, or of an agreement. */
#ifndef KW_CLI_DRAFT_ROWS_H
#define KW_CLI_DRAFT_ROWS_H

#include "certs/keys.h"
#include "clients/cli/sheet.h"
#include "config/yaml_tree.h"

#define DRAFT_TITLE_MAX 128
#define DRAFT_WORDS_MAX 1024

struct draft_key { /* of a node, an operator, a member or the broker: what it is its line says */
	struct public_key key;
	char line[KEY_LINE_MAX];
	size_t partner;                  /* whose node it is; SIZE_MAX: no node */
	size_t sheet_line;
};

struct draft_partner {
	char id[KW_NODE_MAX + 1];
	const char *kind;
	char title[DRAFT_TITLE_MAX];     /* "": none */
	char purposes[DRAFT_WORDS_MAX];  /* "a, b"; "": none */
	size_t sheet_line;
};

struct draft_rows {
	struct draft_key *keys;          /* in the table's order, as the partners are in that of their first nodes */
	size_t key_count;
	struct draft_partner *partners;
	size_t partner_count;
	size_t broker;                   /* its key's number */
	char endpoints[DRAFT_WORDS_MAX]; /* of the broker, quoted, with commas between */
	uint32_t members;
	enum kw_mode mode;
};

/*
 * The table's first row names its columns, in English or in German: key (Schlüssel), kind (Art), title (Titel), purposes (Zwecke),
 * address (Adresse), fingerprint (Fingerabdruck), and note (Bemerkung), which is not looked at. Every sentence begins with
 * line and column. Free with draft_rows_free, also after an error.
 */
KW_MUST_USE enum kw_err draft_rows_read(struct draft_rows *out, const struct sheet *sheet, struct kw_why *why);
/* The same of an agreement that may stand: its tree. */
KW_MUST_USE enum kw_err draft_rows_of(struct draft_rows *out, const struct yaml_node *agreement, struct kw_why *why);
void draft_rows_free(struct draft_rows *rows);

#endif
