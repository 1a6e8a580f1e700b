/* backup_source: see its header. */
#include "clients/cli/backup_source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/base64.h"
#include "proto/limits.h"

#define WAIT_MS 60000u
#define LATER_NS 2000000l /* as long as the daemon has nothing, it is not asked all the time */

bool
backup_source_open(struct backup_source *s, const struct cli *c, const char *control, const char *socket, enum cli_exit *code)
{
	struct kw_why why;
	enum kw_err err;

	*s = (struct backup_source){.c = c};
	if (control != NULL && socket != NULL) {
		*code = cli_usage(c, _("--control is the broker's socket, --socket the node's: give one"));
		return false;
	}
	if (control == NULL && !local_only_a_broker_is_here(socket))
		return (s->node = local_open(c, socket, code)) != NULL;
	err = broker_ask_control(&s->broker, control != NULL ? control : BROKER_CONTROL_DEFAULT, &why);
	if (err != KW_OK)
		*code = cli_fail(c, err, &why);
	return err == KW_OK;
}

void
backup_source_close(struct backup_source *s)
{
	kurzweg_close(&s->node);
	broker_ask_free(&s->broker);
}

static bool
ask_node(struct buf *answer, struct backup_source *s, const char *request, enum cli_exit *code)
{
	char *text = NULL;
	enum kurzweg_result r = kurzweg_backup(s->node, request, s->as, s->reason, &text);

	if (r == KURZWEG_OK)
		buf_put_str(answer, text);
	else if (code != NULL)
		*code = local_fail(s->c, s->node, r);
	free(text);
	return r == KURZWEG_OK;
}

/* request is taken. code NULL: nothing is said. */
static bool
ask(struct buf *answer, struct backup_source *s, json_t *request, enum cli_exit *code)
{
	char *text = json_dumps(request, JSON_COMPACT);
	struct kw_why why;
	enum kw_err err = KW_OK;
	bool got;

	json_decref(request);
	if (s->node != NULL) {
		got = ask_node(answer, s, text, code);
	} else {
		err = broker_ask(answer, s->broker, ADMIN_BACKUP, span_str(text), span_of(NULL, 0), WAIT_MS, &why);
		got = err == KW_OK;
	}
	free(text);
	if (err != KW_OK && code != NULL)
		*code = cli_fail(s->c, err, &why);
	return got;
}

static bool
odd(struct backup_source *s, enum cli_exit *code)
{
	struct kw_why why;

	*code = cli_fail(s->c, kw_refuse(&why, KW_EPROTO, "what was answered is no part of a backup"), &why);
	return false;
}

static json_t *
step(const struct backup_source *s, const char *name)
{
	return json_pack("{s:s, s:s}", "step", name, "backup", s->backup);
}

bool
backup_source_begin(json_t **begun, struct backup_source *s, const char *as, const char *reason, enum cli_exit *code)
{
	json_t *request = json_pack("{s:s}", "step", "begin");
	struct buf answer = BUF_INIT(2 * KW_MESSAGE_MAX);
	const char *backup;
	bool got;

	if (s->broker != NULL && as != NULL)
		(void)json_object_set_new(request, "as", json_string(as));
	if (s->broker != NULL && reason != NULL)
		(void)json_object_set_new(request, "reason", json_string(reason));
	s->as = as;
	s->reason = reason;
	*begun = NULL;
	got = ask(&answer, s, request, code);
	s->as = s->reason = NULL;
	if (got)
		*begun = json_loadb((const char *)answer.p, answer.len, JSON_REJECT_DUPLICATES, NULL);
	buf_free(&answer);
	if (!got)
		return false;
	backup = json_string_value(json_object_get(*begun, "backup"));
	if (backup == NULL || strlen(backup) != BACKUP_TOKEN_LEN || !json_is_object(json_object_get(*begun, "about")) || !json_is_array(json_object_get(*begun, "files"))) {
		json_decref(*begun);
		*begun = NULL;
		return odd(s, code);
	}
	memcpy(s->backup, backup, sizeof s->backup);
	return true;
}

/* {"piece":"over"}, or {"piece":"bytes","bytes":"…"}: the next one is there as soon as it is asked for. */
static bool
read_node(struct buf *out, enum backup_piece *kind, struct span answer)
{
	json_t *doc = json_loadb((const char *)answer.p, answer.len, JSON_REJECT_DUPLICATES, NULL);
	const char *piece = json_string_value(json_object_get(doc, "piece")), *bytes = json_string_value(json_object_get(doc, "bytes"));
	bool good = piece != NULL && (strcmp(piece, "over") == 0 || (strcmp(piece, "bytes") == 0 && bytes != NULL && base64_decode(out, span_str(bytes), 0)));

	*kind = good && strcmp(piece, "bytes") == 0 ? PIECE_BYTES : PIECE_OVER;
	json_decref(doc);
	return good;
}

static bool
read_broker(struct buf *out, enum backup_piece *kind, struct span answer)
{
	if (answer.len == 0 || answer.p[0] > PIECE_OVER)
		return false;
	*kind = (enum backup_piece)answer.p[0];
	buf_put(out, answer.p + 1, answer.len - 1);
	return true;
}

bool
backup_source_next(struct buf *out, enum backup_piece *kind, struct backup_source *s, uint32_t file, uint64_t place, enum cli_exit *code)
{
	const struct timespec later = {.tv_nsec = LATER_NS};
	struct buf answer = BUF_INIT(2 * KW_MESSAGE_MAX);
	json_t *request = step(s, "next");
	bool got;

	(void)json_object_set_new(request, "file", json_integer((json_int_t)file));
	(void)json_object_set_new(request, "place", json_integer((json_int_t)place));
	got = ask(&answer, s, request, code);
	if (got && !(s->node != NULL ? read_node(out, kind, buf_span(&answer)) : read_broker(out, kind, buf_span(&answer))))
		got = odd(s, code);
	if (got && *kind == PIECE_LATER)
		(void)nanosleep(&later, NULL);
	buf_free(&answer);
	return got;
}

bool
backup_source_end(struct backup_source *s, enum cli_exit *code)
{
	struct buf answer = BUF_INIT(2 * KW_MESSAGE_MAX);
	bool got = ask(&answer, s, step(s, "end"), code);

	buf_free(&answer);
	return got;
}

void
backup_source_give_up(struct backup_source *s)
{
	struct buf answer = BUF_INIT(2 * KW_MESSAGE_MAX);

	if (s->backup[0] != '\0')
		(void)ask(&answer, s, step(s, "give_up"), NULL);
	buf_free(&answer);
}
