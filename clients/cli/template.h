/*
 * template: the rules of an agreement without the names of those who made it, and names put into them again.
 *
 * Where the rules name a partner or a node, a role stands: "police-1", "city-1/node-2". Words that mean a kind, or all, stay.
 */
#ifndef KW_CLI_TEMPLATE_H
#define KW_CLI_TEMPLATE_H

#include "certs/agreement.h"
#include "clients/cli/draft_rows.h"
#include "config/yaml_tree.h"

#define TEMPLATE_ROLES_MAX 4096u

/* Writes the template's text; agreement is the tree of a text that may stand. KW_ELIMIT: too many roles, too large. */
KW_MUST_USE enum kw_err template_make(struct buf *out, const struct yaml_node *agreement, struct kw_why *why);

/* Parsed, with its roles, which somebody has to be. */
struct template;
KW_MUST_USE enum kw_err template_read(struct template **out, struct span text, struct kw_why *why);
void template_free(struct template **t);

/*
 * Says who is who: given holds "ROLE=NODE" or "ROLE=PARTNER" words. A role that nobody was given is its kind's only partner, and
 * that partner's only node, where there is but one on each side. KW_EINVAL: a role that is none, somebody who is none of
 * rows, of another kind, or twice. KW_ENOTFOUND: somebody is missing; the sentence names all of them.
 */
KW_MUST_USE enum kw_err template_cast(struct template *t, const struct draft_rows *rows, const char *const *given, size_t n, struct kw_why *why);

size_t template_roles(const struct template *t);
const char *template_role(const struct template *t, size_t i);   /* "city-1/node-2" */
const char *template_actor(const struct template *t, size_t i);  /* who it is; "" before template_cast */
const char *template_coordinator(const struct template *t);      /* likewise */

/* Time zone, holidays and the coordinator's time; and the topics: with the actors in the place of the roles. */
void template_put_head(struct buf *out, const struct template *t);
void template_put_topics(struct buf *out, const struct template *t);

#endif
