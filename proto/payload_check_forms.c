/* payload_check_forms: the rules of every schema but the alert's. */
#include <string.h>

#include "proto/payload.h"
#include "proto/payload_check.h"
#include "proto/payload_values.h"
#include "proto/topic.h"

static enum kw_err
check_grading(struct check *c, const Kurzweg__Grading *g)
{
	size_t up;
	enum kw_err err;

	if (g == NULL)
		return check_fault(c, "grading", "is missing; the reader must be able to judge it (source, content, completeness, asOf)");
	up = path_down_name(&c->at, "grading");
	if ((err = check_choice(c, "source", (int)g->source, &kurzweg__source_grade__is__descriptor)) != KW_OK)
		return err;
	if ((err = check_choice(c, "content", (int)g->content, &kurzweg__content_grade__is__descriptor)) != KW_OK)
		return err;
	if ((err = check_choice(c, "completeness", (int)g->completeness, &kurzweg__completeness__is__descriptor)) != KW_OK)
		return err;
	if ((err = check_text(c, "asOf", g->as_of)) != KW_OK)
		return err;
	if ((err = check_time(c, "asOf", g->as_of, NULL)) != KW_OK)
		return err;
	path_up(&c->at, up);
	return KW_OK;
}

static enum kw_err
check_sensitive(struct check *c, const Kurzweg__Handling *h)
{
	if (h->onward == KURZWEG__ONWARD__IS__Free)
		return check_fault(c, "onward", "may not be Free for the mark Sensitive, must be WithConsent or Forbidden");
	if (h->delete_by[0] == '\0')
		return check_fault(c, "deleteBy", "is missing; the mark Sensitive needs a day of deletion");
	return KW_OK;
}

static enum kw_err
check_handling(struct check *c, const Kurzweg__Handling *h)
{
	size_t up;
	enum kw_err err;

	if (h == NULL)
		return check_fault(c, "handling", "is missing; it says the mark, the purpose and whether it may be passed on");
	up = path_down_name(&c->at, "handling");
	if (h->mark == KURZWEG__MARK__IS__VsNfd)
		return check_fault(c, "mark", "VsNfd: Kurzweg is not approved for classified documents, send it by an approved way");
	if ((err = check_choice(c, "mark", (int)h->mark, &kurzweg__mark__is__descriptor)) != KW_OK)
		return err;
	if (!value_purpose(h->purpose))
		return check_fault(c, "purpose", "\"%.64s\" is no purpose, must be a word of the agreement as danger-prevention", h->purpose);
	if ((err = check_choice(c, "onward", (int)h->onward, &kurzweg__onward__is__descriptor)) != KW_OK)
		return err;
	if ((err = check_time(c, "deleteBy", h->delete_by, NULL)) != KW_OK)
		return err;
	if (h->mark == KURZWEG__MARK__IS__Sensitive && (err = check_sensitive(c, h)) != KW_OK)
		return err;
	path_up(&c->at, up);
	return KW_OK;
}

static enum kw_err
check_position(struct check *c, const Kurzweg__Position *p)
{
	if (!(p->latitude >= -90 && p->latitude <= 90)) /* NaN too */
		return check_fault(c, "position.latitude", "%g lies outside of -90 to 90", p->latitude);
	if (!(p->longitude >= -180 && p->longitude <= 180))
		return check_fault(c, "position.longitude", "%g lies outside of -180 to 180", p->longitude);
	return KW_OK;
}

static bool
is_area_code(const char *text)
{
	return strspn(text, "0123456789") == strlen(text) && strlen(text) == 12;
}

static enum kw_err
check_place(struct check *c, const Kurzweg__Place *p)
{
	size_t up;
	enum kw_err err;

	if (p == NULL)
		return KW_OK;
	up = path_down_name(&c->at, "place");
	if (p->position != NULL && (err = check_position(c, p->position)) != KW_OK)
		return err;
	if (p->area_code[0] != '\0' && !is_area_code(p->area_code))
		return check_fault(c, "areaCode", "\"%.64s\" is no Regionalschluessel, must be 12 digits", p->area_code);
	if (p->description[0] == '\0' && p->position == NULL && p->area_code[0] == '\0')
		return check_fault(c, NULL, "says nothing; give description, position or areaCode, or leave it away");
	path_up(&c->at, up);
	return KW_OK;
}

enum kw_err
check_request(struct check *c, const Kurzweg__Request *r)
{
	enum kw_err err;

	if ((err = check_choice(c, "kind", (int)r->kind, &kurzweg__request_kind__is__descriptor)) != KW_OK)
		return err;
	if ((err = check_text(c, "subject", r->subject)) != KW_OK)
		return err;
	if ((err = check_language(c, r->language)) != KW_OK)
		return err;
	if ((err = check_place(c, r->place)) != KW_OK)
		return err;
	if ((err = check_time(c, "observedAt", r->observed_at, NULL)) != KW_OK)
		return err;
	if ((err = check_time(c, "neededBy", r->needed_by, NULL)) != KW_OK)
		return err;
	if (r->grading != NULL && (err = check_grading(c, r->grading)) != KW_OK)
		return err;
	return check_handling(c, r->handling);
}

enum kw_err
check_report(struct check *c, const Kurzweg__Report *r)
{
	enum kw_err err;

	if ((err = check_choice(c, "category", (int)r->category, &kurzweg__category__is__descriptor)) != KW_OK)
		return err;
	if ((err = check_choice(c, "severity", (int)r->severity, &kurzweg__severity__is__descriptor)) != KW_OK)
		return err;
	if ((err = check_text(c, "subject", r->subject)) != KW_OK)
		return err;
	if ((err = check_language(c, r->language)) != KW_OK)
		return err;
	if ((err = check_place(c, r->place)) != KW_OK)
		return err;
	if ((err = check_time(c, "observedAt", r->observed_at, NULL)) != KW_OK)
		return err;
	if ((err = check_grading(c, r->grading)) != KW_OK)
		return err;
	return check_handling(c, r->handling);
}

static enum kw_err
check_statement_text(struct check *c, const Kurzweg__Statement *s, size_t i)
{
	const Kurzweg__StatementText *t = s->text[i];
	enum kw_err err;

	if ((err = check_text(c, "language", t->language)) != KW_OK)
		return err;
	if ((err = check_language(c, t->language)) != KW_OK)
		return err;
	for (size_t k = 0; k < i; k++)
		if (strcmp(s->text[k]->language, t->language) == 0)
			return check_fault(c, "language", "%.64s is there twice; each language has one text", t->language);
	if ((err = check_text(c, "headline", t->headline)) != KW_OK)
		return err;
	return check_text(c, "body", t->body);
}

enum kw_err
check_statement(struct check *c, const Kurzweg__Statement *s)
{
	enum { LANGUAGES_MAX = 64 };
	const ProtobufCFieldDescriptor *f = field_by_name(&kurzweg__statement__descriptor, "text");
	enum kw_err err;

	if ((err = check_text(c, "issuer", s->issuer)) != KW_OK)
		return err;
	if (s->n_text == 0)
		return check_fault(c, "text", "is missing; a statement has one text for each language");
	if (s->n_text > LANGUAGES_MAX)
		return check_fault(c, "text", "has %zu languages, at most %d are allowed", s->n_text, LANGUAGES_MAX);
	for (size_t i = 0; i < s->n_text; i++) {
		size_t up = path_down(&c->at, f, i);

		if ((err = check_statement_text(c, s, i)) != KW_OK)
			return err;
		path_up(&c->at, up);
	}
	if ((err = check_time(c, "notBefore", s->not_before, NULL)) != KW_OK)
		return err;
	return check_web(c, "web", s->web);
}

enum kw_err
check_feedback(struct check *c, const Kurzweg__Feedback *f)
{
	enum kw_err err;

	if ((err = check_choice(c, "confirmed", (int)f->confirmed, &kurzweg__answer__is__descriptor)) != KW_OK)
		return err;
	if ((err = check_choice(c, "acted", (int)f->acted, &kurzweg__answer__is__descriptor)) != KW_OK)
		return err;
	if ((err = check_choice(c, "stillActing", (int)f->still_acting, &kurzweg__answer__is__descriptor)) != KW_OK)
		return err;
	if (f->still_acting == KURZWEG__ANSWER__IS__Yes && f->acted != KURZWEG__ANSWER__IS__Yes)
		return check_fault(c, "stillActing", "is Yes, but acted is No");
	return KW_OK;
}

/* The name will be offered to a person for saving, so it must name a file and no place. */
static bool
is_file_name(const char *text)
{
	return text[0] != '.' && strlen(text) <= 200 && strpbrk(text, "/\\:\r\n\t") == NULL;
}

enum kw_err
check_document(struct check *c, const Kurzweg__Document *d)
{
	enum kw_err err;

	if ((err = check_text(c, "title", d->title)) != KW_OK)
		return err;
	if (!is_file_name(d->file_name))
		return check_fault(c, "fileName", "\"%.200s\" is no plain file name (no '/', '\\', ':', no leading dot, at most 200 bytes)", d->file_name);
	if (!value_mime(d->media_type))
		return check_fault(c, "mediaType", "\"%.100s\" is no media type, must be as application/pdf", d->media_type);
	if ((err = check_language(c, d->language)) != KW_OK)
		return err;
	if ((err = check_grading(c, d->grading)) != KW_OK)
		return err;
	if ((err = check_handling(c, d->handling)) != KW_OK)
		return err;
	return d->content.len > 0 ? KW_OK : check_fault(c, "content", "is missing");
}

enum kw_err
check_note(struct check *c, const Kurzweg__Note *n)
{
	enum kw_err err;

	if ((err = check_text(c, "text", n->text)) != KW_OK)
		return err;
	return check_language(c, n->language);
}

static enum kw_err
check_receipt_item(struct check *c, const Kurzweg__ReceiptItem *r)
{
	if (r->id.len != KW_ID_LEN)
		return check_fault(c, "id", "has %zu bytes, must have %d", r->id.len, KW_ID_LEN);
	if (r->frame_hash.len != KW_HASH_LEN)
		return check_fault(c, "frameHash", "has %zu bytes, must have %d", r->frame_hash.len, KW_HASH_LEN);
	return KW_OK;
}

enum kw_err
check_receipt(struct check *c, const Kurzweg__Receipt *r)
{
	const ProtobufCFieldDescriptor *f = field_by_name(&kurzweg__receipt__descriptor, "items");
	enum kw_err err;

	if (r->n_items > KW_RECEIPTS_MAX)
		return check_fault(c, "items", "has %zu, at most %d are allowed", r->n_items, KW_RECEIPTS_MAX);
	for (size_t i = 0; i < r->n_items; i++) {
		size_t up = path_down(&c->at, f, i);

		if ((err = check_receipt_item(c, r->items[i])) != KW_OK)
			return err;
		path_up(&c->at, up);
	}
	if (strlen(r->reason) >= sizeof((struct receipt_payload *)0)->reason)
		return check_fault(c, "reason", "has %zu bytes, at most 511 are allowed", strlen(r->reason));
	if (strlen(r->as) >= sizeof((struct receipt_payload *)0)->as)
		return check_fault(c, "as", "has %zu bytes, at most 127 are allowed", strlen(r->as));
	if (r->text_hash.len != 0 && r->text_hash.len != KW_HASH_LEN)
		return check_fault(c, "textHash", "has %zu bytes, must have %d", r->text_hash.len, KW_HASH_LEN);
	return KW_OK;
}

enum kw_err
check_void(struct check *c, const Kurzweg__Void *v)
{
	const ProtobufCFieldDescriptor *f = field_by_name(&kurzweg__void__descriptor, "numbers");
	struct kw_why node_why;

	if (v->n_numbers == 0)
		return check_fault(c, "numbers", "is missing");
	for (size_t i = 0; i < v->n_numbers; i++) {
		size_t up = path_down(&c->at, f, i);

		if (node_check(v->numbers[i]->node, &node_why) != KW_OK)
			return check_fault(c, "node", "%.300s", node_why.text);
		if (v->numbers[i]->number == 0)
			return check_fault(c, "number", "is missing; numbers begin at 1");
		path_up(&c->at, up);
	}
	return KW_OK;
}

static enum kw_err
check_approval(struct check *c, const Kurzweg__Approval *a)
{
	if (a->head.len == 0 || a->head.len > KW_HEAD_MAX)
		return check_fault(c, "head", "has %zu bytes, must have 1 to %u", a->head.len, KW_HEAD_MAX);
	if (a->body.len == 0 || a->body.len > KW_APPROVAL_BODY_MAX)
		return check_fault(c, "body", "has %zu bytes, must have 1 to %u", a->body.len, KW_APPROVAL_BODY_MAX);
	if (a->key.len != KW_KEY_LEN)
		return check_fault(c, "key", "has %zu bytes, must have %d", a->key.len, KW_KEY_LEN);
	return KW_OK;
}

enum kw_err
check_release(struct check *c, const Kurzweg__Release *r)
{
	const ProtobufCFieldDescriptor *f = field_by_name(&kurzweg__release__descriptor, "approvals");
	enum kw_err err;

	if (r->content.len == 0)
		return check_fault(c, "content", "is missing");
	if (r->draft.len == 0 || r->draft.len > KW_HEAD_MAX)
		return check_fault(c, "draft", "has %zu bytes, must have 1 to %u", r->draft.len, KW_HEAD_MAX);
	if (r->n_approvals == 0 || r->n_approvals > KW_APPROVALS_MAX)
		return check_fault(c, "approvals", "has %zu, must have 1 to %d", r->n_approvals, KW_APPROVALS_MAX);
	for (size_t i = 0; i < r->n_approvals; i++) {
		size_t up = path_down(&c->at, f, i);

		if ((err = check_approval(c, r->approvals[i])) != KW_OK)
			return err;
		path_up(&c->at, up);
	}
	return KW_OK;
}
