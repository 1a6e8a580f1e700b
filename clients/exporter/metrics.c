/* metrics: tables of what stands at a path of the answer, and a few loops over what has labels. */
#include "clients/exporter/metrics.h"

#include <stdio.h>
#include <string.h>

#include "clients/cli/look.h"
#include "clients/cli/when.h"
#include "proto/limits.h"
#include "proto/topic.h"

enum kind { GAUGE, COUNTER };
enum form { PLAIN, MILLISECONDS /* told in seconds */, MICROSECONDS /* likewise */, TIME /* as text, told as a Unix time */ };

struct row { const char *name, *help; enum kind kind; enum form form; const char *path; };

static const struct row broker_rows[] = {
	{"kurzweg_broker_uptime_seconds", "Time since the broker started.", GAUGE, MILLISECONDS, "uptime_ms"},
	{"kurzweg_broker_clock_seconds", "The broker's clock, as a Unix time.", GAUGE, MILLISECONDS, "now_ms"},
	{"kurzweg_broker_sessions", "Nodes that said hello and are served.", GAUGE, PLAIN, "sessions"},
	{"kurzweg_broker_connections", "Connections, operators' among them.", GAUGE, PLAIN, "connections"},
	{"kurzweg_broker_log_epoch", "The log's epoch; a change means that something of the log was lost.", GAUGE, PLAIN, "log_epoch"},
	{"kurzweg_store_used_bytes", "What the store uses of its quota.", GAUGE, PLAIN, "store.used_bytes"},
	{"kurzweg_store_quota_bytes", "The store's quota; from 80 % routine is refused, from 90 % urgent too.", GAUGE, PLAIN, "store.quota_bytes"},
	{"kurzweg_store_disk_free_bytes", "What is free on the store's file system.", GAUGE, PLAIN, "store.disk_free_bytes"},
	{"kurzweg_store_disk_bytes", "The size of the store's file system.", GAUGE, PLAIN, "store.disk_bytes"},
	{"kurzweg_store_disk_full", "1 while the store's file system has no room.", GAUGE, PLAIN, "store.disk_full"},
	{"kurzweg_store_full_in_seconds", "Time until the store stops taking routine, or its disk is full, whichever is first, as the last hour went; not told while nothing fills.", GAUGE, MILLISECONDS, "store.fills.left_ms"},
	{"kurzweg_store_last_backup_timestamp_seconds", "When the last backup was begun that was handed out whole; not told where none is known.", GAUGE, MILLISECONDS, "backup_ms"},
	{"kurzweg_commits_total", "Commits written and synced.", COUNTER, PLAIN, "counters.commits"},
	{"kurzweg_commit_median_seconds", "How long a commit took, the middle of the last minute.", GAUGE, MICROSECONDS, "commit.took_us_median"},
	{"kurzweg_commit_max_seconds", "How long a commit took, the most of the last minute.", GAUGE, MICROSECONDS, "commit.took_us_max"},
	{"kurzweg_notifications_stored_total", "Notifications answered as stored.", COUNTER, PLAIN, "counters.stored"},
	{"kurzweg_notifications_duplicate_total", "Notifications that were stored already and were answered so again.", COUNTER, PLAIN, "counters.duplicates"},
	{"kurzweg_notifications_conflict_total", "Known ids that came with other bytes.", COUNTER, PLAIN, "counters.conflicts"},
	{"kurzweg_notifications_delivered_total", "Notifications handed to a reader.", COUNTER, PLAIN, "counters.delivered"},
	{"kurzweg_messages_total", "Messages that came in.", COUNTER, PLAIN, "counters.messages"},
	{"kurzweg_messages_malformed_total", "Messages that were none.", COUNTER, PLAIN, "counters.malformed"},
	{"kurzweg_messages_dropped_total", "Messages of peers that had sent too many malformed ones.", COUNTER, PLAIN, "counters.dropped"},
	{"kurzweg_unknown_keys_total", "Connections turned away, since the agreement does not name their key.", COUNTER, PLAIN, "counters.unknown_keys"},
	{"kurzweg_handshakes_failed_total", "Connections that ended before their handshake did.", COUNTER, PLAIN, "counters.handshakes_failed"},
	{"kurzweg_cases_open", "Matters that are not closed.", GAUGE, PLAIN, "cases.open"},
	{"kurzweg_cases_overdue", "Matters that nobody took in their turn.", GAUGE, PLAIN, "cases.overdue"},
};

static const struct row node_rows[] = {
	{"kurzweg_partner_clock_ahead_seconds", "How far the broker's clock is ahead of the node's.", GAUGE, PLAIN, "link.clock_ahead_s"},
	{"kurzweg_partner_link_failures", "Attempts to connect in a row that failed.", GAUGE, PLAIN, "link.failures"},
	{"kurzweg_partner_stopped", "1 while the node publishes nothing, since it met two histories.", GAUGE, PLAIN, "stopped"},
	{"kurzweg_partner_store_bytes", "The size of the node's store.", GAUGE, PLAIN, "store_bytes"},
	{"kurzweg_partner_disk_free_bytes", "What is free on the file system of the node's store.", GAUGE, PLAIN, "disk.free_bytes"},
	{"kurzweg_partner_disk_full_in_seconds", "Time until that is full, as the last hour went; not told while it does not fill.", GAUGE, MILLISECONDS, "disk.full_in_ms"},
	{"kurzweg_partner_last_backup_timestamp_seconds", "When the last backup was begun that was handed out whole; not told where none is known.", GAUGE, TIME, "backup.made"},
	{"kurzweg_partner_outbox_waiting", "Notifications that the broker has not stored yet.", GAUGE, PLAIN, "outbox.waiting"},
	{"kurzweg_partner_outbox_limit", "How many may wait in the outbox.", GAUGE, PLAIN, "outbox.limit"},
	{"kurzweg_partner_outbox_refused", "Notifications in the outbox that were refused for good.", GAUGE, PLAIN, "outbox.refused"},
	{"kurzweg_partner_outbox_expired", "Notifications in the outbox that expired before they were stored.", GAUGE, PLAIN, "outbox.expired"},
	{"kurzweg_partner_outbox_oldest_timestamp_seconds", "When the oldest that waits in the outbox was made.", GAUGE, TIME, "outbox.oldest"},
	{"kurzweg_partner_inbox_notifications", "Notifications in the inbox.", GAUGE, PLAIN, "inbox.rows"},
	{"kurzweg_partner_inbox_rejected", "Notifications that failed the node's checks.", GAUGE, PLAIN, "inbox.rejected"},
	{"kurzweg_partner_handlers_set_aside", "Notifications that a handler gave up.", GAUGE, PLAIN, "inbox.handlers_set_aside"},
	{"kurzweg_partner_missing_numbers", "Notifications to this node that its senders numbered and that never came.", GAUGE, PLAIN, "missing_numbers"},
};

static const struct row common_rows[] = {
	{"kurzweg_agreement_version", "The version of the agreement in force.", GAUGE, PLAIN, "agreement.version"},
	{"kurzweg_agreement_until_timestamp_seconds", "When the agreement ends.", GAUGE, TIME, "agreement.until"},
};

/* ---- lines ---- */

/* Once before all lines of one name. */
static void
put_head(struct buf *out, const char *name, const char *help, enum kind kind)
{
	buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind == COUNTER ? "counter" : "gauge");
}

static void
put_escaped(struct buf *out, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '\n') {
			buf_put_str(out, "\\n");
			continue;
		}
		if (*text == '"' || *text == '\\')
			buf_put_u8(out, '\\');
		buf_put_u8(out, (uint8_t)*text);
	}
}

/* "name{label="value" " so far, for further labels; put_end closes it. */
static void
put_labelled(struct buf *out, const char *name, const char *label, const char *value)
{
	buf_printf(out, "%s{%s=\"", name, label);
	put_escaped(out, value);
	buf_put_str(out, "\"");
}

static void
put_label(struct buf *out, const char *label, const char *value)
{
	buf_printf(out, ",%s=\"", label);
	put_escaped(out, value);
	buf_put_str(out, "\"");
}

static void
put_end(struct buf *out, double value)
{
	buf_printf(out, "} %.15g\n", value);
}

/* False: there is none. */
static bool
value_at(double *out, const json_t *root, const char *path, enum form form)
{
	const json_t *v = look_at(root, path);
	uint64_t ms;

	if (form == TIME) {
		ms = when_parse_utc(look_text(root, path));
		*out = (double)ms / 1000.0;
		return ms != 0;
	}
	if (json_is_boolean(v))
		*out = json_is_true(v) ? 1 : 0;
	else if (json_is_number(v))
		*out = json_number_value(v);
	else
		return false;
	*out /= form == MILLISECONDS ? 1e3 : form == MICROSECONDS ? 1e6 : 1;
	return true;
}

static void
put_rows(struct buf *out, const struct row *rows, size_t count, const json_t *root)
{
	double value;

	for (size_t i = 0; i < count; i++) {
		if (!value_at(&value, root, rows[i].path, rows[i].form))
			continue;
		put_head(out, rows[i].name, rows[i].help, rows[i].kind);
		buf_printf(out, "%s %.15g\n", rows[i].name, value);
	}
}

/* ---- what has labels ---- */

static void
put_info(struct buf *out, const char *name, const json_t *status)
{
	put_head(out, name, "Software and partnership; always 1.", GAUGE);
	put_labelled(out, name, "software", look_text(status, "software"));
	put_label(out, "partnership", look_text(status, "partnership"));
	put_label(out, "kind", look_text(status, look_at(status, "kind") != NULL ? "kind" : "agreement.kind"));
	put_end(out, 1);
}

/* Each word of words once, 1 for the one that holds: an alert asks for a word, and one that is not there any more is 0. */
static void
put_state(struct buf *out, const char *name, const char *help, const char *const *words, const char *holds)
{
	put_head(out, name, help, GAUGE);
	for (; *words != NULL; words++) {
		put_labelled(out, name, "state", *words);
		put_end(out, strcmp(*words, holds) == 0 ? 1 : 0);
	}
}

static void
put_members(struct buf *out, const char *name, const char *help, enum kind kind, const char *label, const json_t *object, const char *const *only)
{
	const char *key;
	json_t *value;

	if (!json_is_object(object))
		return;
	put_head(out, name, help, kind);
	json_object_foreach((json_t *)(uintptr_t)object, key, value) {
		bool wanted = only == NULL;

		for (const char *const *word = only; !wanted && *word != NULL; word++)
			wanted = strcmp(*word, key) == 0;
		if (!wanted || !json_is_number(value))
			continue;
		put_labelled(out, name, label, key);
		put_end(out, json_number_value(value));
	}
}

static void
put_lane_figure(struct buf *out, const char *name, const char *help, enum kind kind, const json_t *status, const char *path)
{
	size_t i;
	json_t *lane;
	double value;

	put_head(out, name, help, kind);
	json_array_foreach(look_at(status, "lanes"), i, lane) {
		if (!value_at(&value, lane, path, PLAIN))
			continue;
		put_labelled(out, name, "lane", look_text(lane, "name"));
		put_end(out, value);
	}
}

static void
put_queues(struct buf *out, const json_t *status)
{
	static const char name[] = "kurzweg_queue_fill_ratio";
	const json_t *queues = look_at(status, "queues");
	const char *key;
	json_t *q;

	if (!json_is_object(queues))
		return;
	put_head(out, name, "How full a queue of the broker is, 1 at its limit.", GAUGE);
	json_object_foreach((json_t *)(uintptr_t)queues, key, q) {
		double used, limit;

		if (!value_at(&used, q, "used", PLAIN) || !value_at(&limit, q, "limit", PLAIN) || limit <= 0)
			continue;
		put_labelled(out, name, "queue", key);
		put_end(out, used / limit);
	}
}

/* ---- nodes ---- */

static void
put_node_counts(struct buf *out, const json_t *nodes)
{
	static const char name[] = "kurzweg_nodes";
	size_t i, connected = 0, away = 0;
	json_t *n;

	json_array_foreach(nodes, i, n) {
		if (!look_flag(n, "in_agreement"))
			continue;
		if (look_flag(n, "connected"))
			connected++;
		else
			away++;
	}
	put_head(out, name, "Nodes of the agreement in force.", GAUGE);
	put_labelled(out, name, "state", "connected");
	put_end(out, (double)connected);
	put_labelled(out, name, "state", "away");
	put_end(out, (double)away);
}

static void
put_connected(struct buf *out, const json_t *nodes)
{
	static const char name[] = "kurzweg_node_connected";
	size_t i;
	json_t *n;

	put_head(out, name, "1 while the node is connected.", GAUGE);
	json_array_foreach(nodes, i, n) {
		if (!look_flag(n, "in_agreement"))
			continue;
		put_labelled(out, name, "node", look_text(n, "id"));
		put_end(out, look_flag(n, "connected") ? 1 : 0);
	}
}

static void
put_by_lane(struct buf *out, const char *name, const char *help, const json_t *nodes, const char *member, enum form form)
{
	char path[64];
	double value;
	size_t i;
	json_t *n;

	put_head(out, name, help, GAUGE);
	json_array_foreach(nodes, i, n) {
		for (int lane = 0; lane < KW_LANES && look_flag(n, "in_agreement"); lane++) {
			(void)snprintf(path, sizeof path, "lanes.%s.%s", lane_name((enum lane)lane), member);
			if (!value_at(&value, n, path, form))
				continue;
			put_labelled(out, name, "node", look_text(n, "id"));
			put_label(out, "lane", lane_name((enum lane)lane));
			put_end(out, value);
		}
	}
}

static void
put_nodes(struct buf *out, const json_t *nodes)
{
	if (nodes == NULL)
		return;
	put_node_counts(out, nodes);
	put_connected(out, nodes);
	put_by_lane(out, "kurzweg_node_behind", "1 while something waits for the node that is not on its way to it.", nodes, "behind", PLAIN);
	put_by_lane(out, "kurzweg_node_oldest_unread_seconds", "Age of the oldest that the node has not acknowledged; not told where there is none.", nodes, "oldest_unread_ms", MILLISECONDS);
}

/* ---- both ---- */

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static void
put_broker(struct buf *out, const json_t *status, const json_t *nodes)
{
	static const char *const states[] = {"serving", "behind", "fork", "lost", "stopping", "store_full", NULL};
	static const char *const case_states[] = {"waiting", "offered", "escalated", "taken", NULL};

	put_info(out, "kurzweg_broker_info", status);
	put_state(out, "kurzweg_broker_state", "What the broker does: 1 for the state that it is in.", states, look_text(status, "state"));
	put_rows(out, broker_rows, COUNT(broker_rows), status);
	put_lane_figure(out, "kurzweg_log_entries_total", "Entries that the lane's log ever had.", COUNTER, status, "tail");
	put_lane_figure(out, "kurzweg_log_entries", "Entries that the lane's log has.", GAUGE, status, "length");
	put_lane_figure(out, "kurzweg_commit_waiting", "Notifications that wait for a commit.", GAUGE, status, "waiting_for_commit");
	put_members(out, "kurzweg_refused_total", "What was refused, by the code of docs/protocol.md.", COUNTER, "code", look_at(status, "counters.refused"), NULL);
	put_members(out, "kurzweg_cases", "Matters that are not closed, by state.", GAUGE, "state", look_at(status, "cases"), case_states);
	put_queues(out, status);
	put_nodes(out, nodes);
}

/* How many of each code stand just now. */
static void
put_alarms(struct buf *out, const json_t *status)
{
	static const char name[] = "kurzweg_partner_alarm_times";
	size_t i;
	json_t *alarm;

	put_head(out, name, "Alarms that stand, by code, and how often each came.", GAUGE);
	json_array_foreach(look_at(status, "alarms"), i, alarm) {
		put_labelled(out, name, "code", look_text(alarm, "code"));
		put_end(out, (double)look_number(alarm, "times"));
	}
	put_head(out, "kurzweg_partner_alarms", "Alarms that stand.", GAUGE);
	buf_printf(out, "kurzweg_partner_alarms %zu\n", json_array_size(look_at(status, "alarms")));
}

static void
put_unconfirmed(struct buf *out, const json_t *status)
{
	put_head(out, "kurzweg_partner_unconfirmed", "Notifications of this node that not all of their readers confirmed in time; 100 at most are counted.", GAUGE);
	buf_printf(out, "kurzweg_partner_unconfirmed %zu\n", json_array_size(look_at(status, "unconfirmed")));
}

static void
put_node(struct buf *out, const json_t *status)
{
	put_info(out, "kurzweg_partner_info", status);
	put_head(out, "kurzweg_partner_link_up", "1 while the node is connected to the broker and welcomed.", GAUGE);
	buf_printf(out, "kurzweg_partner_link_up %d\n", strcmp(look_text(status, "link.state"), "ready") == 0);
	put_rows(out, node_rows, COUNT(node_rows), status);
	put_alarms(out, status);
	put_unconfirmed(out, status);
}

enum kw_err
metrics_put(struct buf *out, enum metrics_of of, const json_t *status, const json_t *nodes, double took_s)
{
	put_head(out, "kurzweg_up", "1 when it answered.", GAUGE);
	buf_printf(out, "kurzweg_up %d\n", status != NULL);
	put_head(out, "kurzweg_ask_duration_seconds", "How long the answer took.", GAUGE);
	buf_printf(out, "kurzweg_ask_duration_seconds %.6f\n", took_s);
	if (status != NULL && of == METRICS_BROKER)
		put_broker(out, status, nodes);
	if (status != NULL && of == METRICS_NODE)
		put_node(out, status);
	if (status != NULL)
		put_rows(out, common_rows, COUNT(common_rows), status);
	return buf_ok(out) ? KW_OK : KW_ENOMEM;
}
