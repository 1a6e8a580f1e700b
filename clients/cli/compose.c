/* compose: see its header. One table says which option is which field of which schema. */
#include "clients/cli/compose.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include <sodium.h>

#include "base/fs.h"
#include "base/text.h"
#include "clients/cli/when.h"
#include "proto/limits.h"

enum schema { ALERT, REQUEST, REPORT, DOCUMENT, NOTE, SCHEMAS };

static const struct { const char *name, *begin; } begins[] = { /* how a payload's path begins, and what would have begun such a content here */
	{"Alert", "--headline TEXT --severity WORD"}, {"Request", "--kind WORD --subject TEXT"}, {"Report", "--subject TEXT --category WORD --severity WORD"},
	{"Document", "--file FILE"}, {"Note", "--text TEXT"}, {"Statement", "--json FILE"}, {"Feedback", "--json FILE"},
};

static const char *const schema_titles[] = {
	[ALERT] = N_("an alert"), [REQUEST] = N_("a request"), [REPORT] = N_("a report"), [DOCUMENT] = N_("a document"), [NOTE] = N_("a note"),
};

enum how { AS_TEXT, AS_WORD /* of an enumeration: begins with a capital */, AS_TIME };

static const struct field {
	const char *option;
	size_t at;
	enum how how;
	const char *path[SCHEMAS]; /* NULL: does not belong to it */
} fields[] = {
#define AT(field) offsetof(struct compose_options, field)
	{"headline", AT(headline), AS_TEXT, {[ALERT] = "info.headline"}},
	{"event", AT(event), AS_TEXT, {[ALERT] = "info.event"}},
	{"subject", AT(subject), AS_TEXT, {[REQUEST] = "subject", [REPORT] = "subject", [DOCUMENT] = "title"}},
	{"text", AT(text), AS_TEXT,
	 {[ALERT] = "info.description", [REQUEST] = "description", [REPORT] = "description", [DOCUMENT] = "description", [NOTE] = "text"}},
	{"instruction", AT(instruction), AS_TEXT, {[ALERT] = "info.instruction"}},
	{"severity", AT(severity), AS_WORD, {[ALERT] = "info.severity", [REPORT] = "severity"}},
	{"urgency", AT(urgency), AS_WORD, {[ALERT] = "info.urgency"}},
	{"certainty", AT(certainty), AS_WORD, {[ALERT] = "info.certainty"}},
	{"category", AT(category), AS_WORD, {[ALERT] = "info.category", [REPORT] = "category"}},
	{"area", AT(area), AS_TEXT, {[ALERT] = "info.area.areaDesc", [REQUEST] = "place.description", [REPORT] = "place.description"}},
	{"contact", AT(contact), AS_TEXT, {[ALERT] = "info.contact", [REQUEST] = "contact", [REPORT] = "contact"}},
	{"language", AT(language), AS_TEXT,
	 {[ALERT] = "info.language", [REQUEST] = "language", [REPORT] = "language", [DOCUMENT] = "language", [NOTE] = "language"}},
	{"kind", AT(kind), AS_WORD, {[REQUEST] = "kind"}},
	{"needed-by", AT(needed_by), AS_TIME, {[REQUEST] = "neededBy"}},
	{"measures", AT(measures), AS_TEXT, {[REPORT] = "measures"}},
	{"reference", AT(reference), AS_TEXT, {[REQUEST] = "caseReference", [REPORT] = "caseReference", [DOCUMENT] = "caseReference"}},
	{"file", AT(file), AS_TEXT, {[DOCUMENT] = "fileName"}},
	{"media-type", AT(media_type), AS_TEXT, {[DOCUMENT] = "mediaType"}},
	{"mark", AT(mark), AS_WORD, {[REQUEST] = "handling.mark", [REPORT] = "handling.mark", [DOCUMENT] = "handling.mark"}},
	{"purpose", AT(purpose), AS_TEXT, {[REQUEST] = "handling.purpose", [REPORT] = "handling.purpose", [DOCUMENT] = "handling.purpose"}},
	{"onward", AT(onward), AS_WORD, {[REQUEST] = "handling.onward", [REPORT] = "handling.onward", [DOCUMENT] = "handling.onward"}},
	{"delete-by", AT(delete_by), AS_TIME, {[REQUEST] = "handling.deleteBy", [REPORT] = "handling.deleteBy", [DOCUMENT] = "handling.deleteBy"}},
	{"source", AT(source), AS_WORD, {[REPORT] = "grading.source", [DOCUMENT] = "grading.source"}},
	{"content", AT(content), AS_WORD, {[REPORT] = "grading.content", [DOCUMENT] = "grading.content"}},
	{"completeness", AT(completeness), AS_WORD, {[REPORT] = "grading.completeness", [DOCUMENT] = "grading.completeness"}},
#undef AT
};
#define FIELDS (sizeof fields / sizeof fields[0])

static const char *
value_of(const struct compose_options *o, size_t field)
{
	return *(const char *const *)((const char *)o + fields[field].at);
}

bool
compose_wanted(const struct compose_options *o)
{
	for (size_t i = 0; i < FIELDS; i++)
		if (value_of(o, i) != NULL)
			return true;
	return false;
}

/* ---- which schema ---- */

static enum kw_err
choose(enum schema *out, const struct compose_options *o, struct kw_why *why)
{
	if (o->file != NULL)
		*out = DOCUMENT;
	else if (o->headline != NULL)
		*out = ALERT;
	else if (o->kind != NULL)
		*out = REQUEST;
	else if (o->subject != NULL && (o->category != NULL || o->severity != NULL))
		*out = REPORT;
	else if (o->subject != NULL)
		return kw_refuse(why, KW_EINVAL, "--subject begins a request or a report: for a request add --kind, for a report --category and --severity");
	else if (o->text != NULL)
		*out = NOTE;
	else
		return kw_refuse(why, KW_EINVAL, "the content is missing: --headline begins an alert, --subject and --kind a request, --subject and --category a report, --file a "
		                 "document, --text alone a note");
	for (size_t i = 0; i < FIELDS; i++)
		if (value_of(o, i) != NULL && fields[i].path[*out] == NULL)
			return kw_refuse(why, KW_EINVAL, "--%s does not belong to %s; leave it away, or give the whole as a file with --json", fields[i].option,
			                 kw_translate(schema_titles[*out]));
	return KW_OK;
}

/* What nobody else can decide for the writer. */
static enum kw_err
check_missing(const struct compose_options *o, enum schema schema, struct kw_why *why)
{
	const char *missing = NULL;

	if (schema == ALERT && o->severity == NULL)
		missing = "--severity";
	else if (schema == REQUEST && o->subject == NULL)
		missing = "--subject";
	else if (schema == REPORT && o->severity == NULL)
		missing = "--severity";
	else if (schema == REPORT && o->category == NULL)
		missing = "--category";
	else if ((schema == REQUEST || schema == REPORT || schema == DOCUMENT) && o->purpose == NULL)
		missing = "--purpose";
	if (missing == NULL)
		return KW_OK;
	return kw_refuse(why, KW_EINVAL, "%s is missing, which %s must have", missing, kw_translate(schema_titles[schema]));
}

/* ---- JSON ---- */

/* Text to the place that path names, making the objects on the way. */
static void
put(json_t *root, const char *path, json_t *value)
{
	char key[32];

	for (;;) {
		size_t len = strcspn(path, ".");
		json_t *next;

		MUST(len < sizeof key);
		memcpy(key, path, len);
		key[len] = '\0';
		if (path[len] == '\0')
			break;
		if ((next = json_object_get(root, key)) == NULL) {
			next = json_object();
			(void)json_object_set_new(root, key, next);
		}
		root = next;
		path += len + 1;
	}
	(void)json_object_set_new(root, key, value);
}

static void
put_unless(json_t *root, const char *path, bool given, const char *text)
{
	if (!given)
		put(root, path, json_string(text));
}

/* CAP's form: local, with its offset; UTC is "-00:00" there. */
static void
cap_time(char out[TEXT_TIME_MAX], uint64_t ms)
{
	time_t s = (time_t)(ms / 1000);
	struct tm day;
	char offset[8];
	size_t len;

	if (localtime_r(&s, &day) == NULL)
		memset(&day, 0, sizeof day);
	len = strftime(out, TEXT_TIME_MAX, "%Y-%m-%dT%H:%M:%S", &day);
	(void)strftime(offset, sizeof offset, "%z", &day);
	if (strcmp(offset, "+0000") == 0)
		offset[0] = '-';
	(void)snprintf(out + len, TEXT_TIME_MAX - len, "%.3s:%.2s", offset, offset + 3);
}

static enum kw_err
put_field(json_t *root, const struct field *f, enum schema schema, const char *text, uint64_t now_ms, struct kw_why *why)
{
	char word[64], when[TEXT_TIME_MAX], what[32];
	uint64_t ms;
	enum kw_err err;

	if (text[0] == '\0')
		return kw_refuse(why, KW_EINVAL, "--%s is empty; leave it away, or say something", f->option);
	if (text_unclean_at(span_str(text), TEXT_MULTILINE) != SIZE_MAX)
		return kw_refuse(why, KW_EINVAL, "--%s holds characters that may not be shown", f->option);
	if (f->how == AS_TIME) {
		(void)snprintf(what, sizeof what, "--%s", f->option);
		if ((err = when_parse_after(&ms, text, now_ms, what, why)) != KW_OK)
			return err;
		cap_time(when, ms);
		text = when;
	} else if (f->how == AS_WORD && text[0] >= 'a' && text[0] <= 'z') {
		(void)snprintf(word, sizeof word, "%c%s", text[0] - 'a' + 'A', text + 1);
		text = word;
	}
	put(root, f->path[schema], json_string(text));
	return KW_OK;
}

/* ---- what each schema has besides ---- */

static void
in_list(json_t *root, const char *key)
{
	json_t *list = json_array(), *value = json_object_get(root, key);

	if (value != NULL)
		(void)json_array_append(list, value);
	(void)json_object_set_new(root, key, list);
}

/* "20261201-041207-9f3c21aa": said on the phone more easily than most. */
static void
identifier(char out[40], uint64_t now_ms)
{
	time_t s = (time_t)(now_ms / 1000);
	struct tm day;
	size_t len;

	if (localtime_r(&s, &day) == NULL)
		memset(&day, 0, sizeof day);
	len = strftime(out, 40, "%Y%m%d-%H%M%S", &day);
	(void)snprintf(out + len, 40 - len, "-%08x", randombytes_random());
}

static enum kw_err
alert_references(json_t *root, const struct compose_surroundings *s, struct kw_why *why)
{
	bool update = s->type != NULL && strcmp(s->type, "update") == 0, cancel = s->type != NULL && strcmp(s->type, "cancel") == 0;

	put(root, "msgType", json_string(update ? "Update" : cancel ? "Cancel" : "Alert"));
	if (!update && !cancel)
		return KW_OK;
	if (s->about == NULL || strchr(s->about, ',') == NULL || strchr(s->about, ',') == strrchr(s->about, ','))
		return kw_refuse(why, KW_EINVAL, "which alert is updated or cancelled? --update ID or --cancel ID, of one that this node sent or has in its inbox with its content, or its CAP name, \"sender,identifier,sent\"");
	put(root, "references", json_string(s->about));
	return KW_OK;
}

/* Meant for the partners, unless a CAP file says that it is for the public. */
static enum kw_err
finish_alert(json_t *root, char cap_name[256], const struct compose_options *o, const struct compose_surroundings *s, struct kw_why *why)
{
	char id[40], sender[160], sent[TEXT_TIME_MAX], expires[TEXT_TIME_MAX], restriction[160];
	json_t *info = json_object_get(root, "info");
	enum kw_err err;

	identifier(id, s->now_ms);
	cap_time(sent, s->now_ms);
	(void)snprintf(sender, sizeof sender, "%s@%s", s->node, s->partnership);
	(void)snprintf(restriction, sizeof restriction, _("for the partners of \"%s\""), s->partnership);
	put(root, "identifier", json_string(id));
	put(root, "sender", json_string(sender));
	put(root, "sent", json_string(sent));
	put(root, "status", json_string(s->exercise ? "Exercise" : "Actual"));
	put(root, "scope", json_string("Restricted"));
	put(root, "restriction", json_string(restriction));
	put_unless(root, "info.event", o->event != NULL, o->headline);
	put_unless(root, "info.category", o->category != NULL, "Safety");
	put_unless(root, "info.urgency", o->urgency != NULL, "Unknown");
	put_unless(root, "info.certainty", o->certainty != NULL, "Unknown");
	if (s->expires_ms != 0) {
		cap_time(expires, s->expires_ms);
		put(root, "info.expires", json_string(expires));
	}
	if ((err = alert_references(root, s, why)) != KW_OK)
		return err;
	in_list(info, "category");
	if (json_object_get(info, "area") != NULL)
		in_list(info, "area");
	in_list(root, "info");
	(void)snprintf(cap_name, 256, "%s,%s,%s", sender, id, sent);
	return KW_OK;
}

static void
finish_handled(json_t *root, const struct compose_options *o)
{
	put_unless(root, "handling.mark", o->mark != NULL, "Internal");
	put_unless(root, "handling.onward", o->onward != NULL, "WithConsent");
}

/* What nobody graded claims nothing. */
static void
finish_graded(json_t *root, const struct compose_options *o, uint64_t now_ms)
{
	char as_of[TEXT_TIME_MAX];

	cap_time(as_of, now_ms);
	put_unless(root, "grading.source", o->source != NULL, "NotAssessable");
	put_unless(root, "grading.content", o->content != NULL, "NotAssessable");
	put_unless(root, "grading.completeness", o->completeness != NULL, "Unknown");
	put(root, "grading.asOf", json_string(as_of));
}

static const char *
media_type(const char *name)
{
	static const struct { const char *ending, *type; } known[] = {
		{".pdf", "application/pdf"}, {".txt", "text/plain"}, {".png", "image/png"}, {".jpg", "image/jpeg"}, {".jpeg", "image/jpeg"},
		{".odt", "application/vnd.oasis.opendocument.text"},
		{".docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
		{".xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}, {".csv", "text/csv"}, {".json", "application/json"},
		{".xml", "application/xml"}, {".zip", "application/zip"},
	};
	const char *dot = strrchr(name, '.');

	for (size_t i = 0; dot != NULL && i < sizeof known / sizeof known[0]; i++)
		if (strcmp(dot, known[i].ending) == 0)
			return known[i].type;
	return "application/octet-stream";
}

static enum kw_err
finish_document(json_t *root, const struct compose_options *o, struct kw_why *why)
{
	const char *slash = strrchr(o->file, '/'), *name = slash != NULL ? slash + 1 : o->file;
	struct buf bytes = BUF_INIT(KW_OPENED_MAX), text = BUF_INIT(2 * KW_OPENED_MAX);
	enum kw_err err = fs_read(&bytes, o->file, why);
	size_t size;
	char *room;

	if (err != KW_OK)
		goto free_bytes;
	size = sodium_base64_ENCODED_LEN(bytes.len, sodium_base64_VARIANT_ORIGINAL);
	if ((room = (char *)buf_reserve(&text, size)) == NULL) {
		err = kw_refuse(why, KW_ENOMEM, "out of memory for %s", o->file);
		goto free_bytes;
	}
	(void)sodium_bin2base64(room, size, bytes.p, bytes.len, sodium_base64_VARIANT_ORIGINAL);
	put(root, "content", json_string(room));
	put(root, "fileName", json_string(name));
	put_unless(root, "title", o->subject != NULL, name);
	put_unless(root, "mediaType", o->media_type != NULL, media_type(name));
free_bytes:
	buf_free(&bytes);
	buf_free(&text);
	return err;
}

static enum kw_err
finish(json_t *root, char cap_name[256], enum schema schema, const struct compose_options *o, const struct compose_surroundings *s, struct kw_why *why)
{
	put_unless(root, schema == ALERT ? "info.language" : "language", o->language != NULL, s->german ? "de" : "en");
	if (schema == ALERT)
		return finish_alert(root, cap_name, o, s, why);
	if (schema == NOTE)
		return KW_OK;
	finish_handled(root, o);
	if (schema == REPORT || schema == DOCUMENT)
		finish_graded(root, o, s->now_ms);
	return schema == DOCUMENT ? finish_document(root, o, why) : KW_OK;
}

enum kw_err
compose(json_t **out, char cap_name[256], const struct compose_options *o, const struct compose_surroundings *s, struct kw_why *why)
{
	json_t *root = json_object();
	enum schema schema = ALERT;
	enum kw_err err;

	cap_name[0] = '\0';
	if (root == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory");
	if ((err = choose(&schema, o, why)) == KW_OK)
		err = check_missing(o, schema, why);
	for (size_t i = 0; err == KW_OK && i < FIELDS; i++)
		if (value_of(o, i) != NULL)
			err = put_field(root, &fields[i], schema, value_of(o, i), s->now_ms, why);
	if (err == KW_OK)
		err = finish(root, cap_name, schema, o, s, why);
	if (err != KW_OK) {
		json_decref(root);
		return err;
	}
	*out = root;
	return KW_OK;
}

bool
compose_is_about_content(const char *refusal)
{
	if (strncmp(refusal, "line ", 5) == 0 || strncmp(refusal, "Zeile ", 6) == 0) /* in the node's two languages */
		return true;
	for (size_t i = 0; i < sizeof begins / sizeof begins[0]; i++) {
		size_t len = strlen(begins[i].name);

		if (strncmp(refusal, begins[i].name, len) == 0 && strchr(".:", refusal[len]) != NULL)
			return true;
	}
	return false;
}

bool
compose_mismatch(struct kw_why *out, const struct compose_options *o, const char *topic, const char *refusal)
{
	enum schema schema = ALERT;

	if (choose(&schema, o, NULL) != KW_OK)
		return false;
	for (size_t i = 0; i < sizeof begins / sizeof begins[0]; i++) {
		size_t len = strlen(begins[i].name);

		if (strncmp(refusal, begins[i].name, len) != 0 || refusal[len] != '.' || i == (size_t)schema)
			continue;
		(void)kw_refuse(out, KW_EDENIED, "the options make %s, but %s takes contents of the schema %s; begin with %s", kw_translate(schema_titles[schema]), topic,
		                begins[i].name, begins[i].begin);
		return true;
	}
	return false;
}
