/* log: makes lines, and holds back what peers cause too much of. */
#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log_brake.h"
#include "base/log_out.h"
#include "base/text.h"

#define LINE_MAX 2048
#define VALUES_MAX 1900 /* of a line: time, level and code fit beside it */

static const char *const level_names[] = {"error", "warning", "notice", "info", "debug"};
static const char *const priorities[] = {"<3>", "<4>", "<5>", "<6>", "<7>"}; /* sd-daemon(3)'s SD_ERR to SD_DEBUG */

/* The one state of the process that is shared: where lines go and how many. The lock is held while a line is written, so that they have one order. */
static struct {
	pthread_mutex_t lock;
	enum log_level level;
	bool looked;
	struct log_out out;
	struct log_brake peers, strangers;
	uint64_t lost;
	atomic_bool owes; /* something was held back or lost, and not told yet */
	log_sink sink;
	void *sink_self;
} log_state = {
	.lock = PTHREAD_MUTEX_INITIALIZER, .level = LOG_NOTICE, .peers = LOG_BRAKE_INIT(LOG_PEER_LINES, LOG_PEERS_LINES),
	.strangers = LOG_BRAKE_INIT(LOG_STRANGER_LINES, LOG_STRANGERS_LINES),
};

void log_set_level(enum log_level level) { log_state.level = level; }
const char *log_level_name(enum log_level level) { return level_names[level]; }

bool
log_level_of(enum log_level *out, const char *name)
{
	for (size_t i = 0; i < sizeof level_names / sizeof level_names[0]; i++)
		if (strcmp(name, level_names[i]) == 0) {
			*out = (enum log_level)i;
			return true;
		}
	return false;
}

void
log_set_sink(log_sink sink, void *self)
{
	(void)pthread_mutex_lock(&log_state.lock);
	log_state.sink = sink;
	log_state.sink_self = self;
	(void)pthread_mutex_unlock(&log_state.lock);
}

/* ---- fields ---- */

struct values { char text[VALUES_MAX]; size_t len; bool quoted; };

static void
put_char(struct values *v, char c)
{
	if (v->len < sizeof v->text - 1)
		v->text[v->len++] = c;
}

static void
put_text(struct values *v, const char *text)
{
	for (text = text != NULL ? text : "?"; *text != '\0'; text++) {
		bool odd = *text == ' ' || *text == '"' || *text == '=';

		if (v->quoted && (*text == '"' || *text == '\\'))
			put_char(v, '\\');
		put_char(v, !v->quoted && odd ? '?' : *text);
	}
}

static void
put_number(struct values *v, char as, bool negative, unsigned long long n)
{
	char text[32];

	(void)snprintf(text, sizeof text, as == 'x' ? "%s%llx" : "%s%llu", negative ? "-" : "", n);
	for (const char *c = text; *c != '\0'; c++)
		put_char(v, *c);
}

static void
put_signed(struct values *v, long long n)
{
	put_number(v, 'd', n < 0, n < 0 ? 0 - (unsigned long long)n : (unsigned long long)n);
}

/* fmt stands behind a '%'; answers what stands behind the conversion. NULL: one that is not known, so what follows cannot be read. */
static const char *
put_one(struct values *v, const char *fmt, va_list *args)
{
	size_t longs = strspn(fmt, "l");
	bool size = *fmt == 'z';
	char as = fmt[longs + size];

	if (as == 's')
		put_text(v, va_arg(*args, const char *));
	else if (as == 'c' || (longs == 0 && !size && (as == 'd' || as == 'i')))
		as == 'c' ? put_char(v, (char)va_arg(*args, int)) : put_signed(v, va_arg(*args, int));
	else if (as == 'd' || as == 'i')
		put_signed(v, longs > 1 ? va_arg(*args, long long) : va_arg(*args, long));
	else if (as != 'u' && as != 'x')
		return NULL;
	else if (size)
		put_number(v, as, false, va_arg(*args, size_t));
	else
		put_number(v, as, false, longs == 0 ? va_arg(*args, unsigned) : longs == 1 ? va_arg(*args, unsigned long) : va_arg(*args, unsigned long long));
	return fmt + longs + size + 1;
}

static void
put_values(struct values *v, const char *fmt, va_list *args)
{
	while (fmt != NULL && *fmt != '\0') {
		if (*fmt == '%') {
			fmt = put_one(v, fmt + 1, args);
			continue;
		}
		v->quoted ^= *fmt == '"';
		put_char(v, *fmt++);
	}
}

static void
put_peer(struct values *v, const char *peer, bool alone)
{
	if (peer == NULL)
		return;
	for (const char *c = "peer="; *c != '\0'; c++)
		put_char(v, *c);
	put_text(v, peer);
	if (!alone)
		put_char(v, ' ');
}

/* What may not be shown, also what was cut in the middle of a character, becomes '?'. */
static void
clean(struct values *v)
{
	struct span rest = span_of(v->text, v->len);
	size_t at;

	v->text[v->len] = '\0';
	for (size_t i = 0; i < v->len; i++)
		if (v->text[i] == '\t' || v->text[i] == '\n')
			v->text[i] = '?';
	while ((at = text_unclean_at(rest, TEXT_LINE)) != SIZE_MAX) {
		size_t begin = v->len - rest.len + at;

		do
			v->text[begin++] = '?';
		while (begin < v->len && ((unsigned char)v->text[begin] & 0xC0) == 0x80);
		rest = span_of(v->text + begin, v->len - begin);
	}
}

/* ---- lines; the lock is held ---- */

static bool
write_line(const struct log_line *l)
{
	char line[LINE_MAX], when[TEXT_TIME_MAX] = "", *z;
	int n;

	if (!log_state.looked) {
		log_out_look(&log_state.out, STDERR_FILENO, getenv("JOURNAL_STREAM"));
		log_state.looked = true;
	}
	if (!log_state.out.journal) {
		text_put_time_utc(when, l->wall_ms);
		if ((z = strchr(when, 'Z')) != NULL)
			(void)snprintf(z, sizeof when - (size_t)(z - when), ".%03uZ ", (unsigned)(l->wall_ms % 1000));
	}
	n = snprintf(line, sizeof line, "%s%s %s%s%s\n", log_state.out.journal ? priorities[l->level] : when, level_names[l->level], l->event,
	             l->values[0] != '\0' ? " " : "", l->values);
	if (n < 0 || (size_t)n >= sizeof line)
		return false;
	return log_out_put(&log_state.out, line, (size_t)n);
}

static void
emit(enum log_level level, const char *event, const char *values)
{
	struct log_line l = {level, clock_wall_ms(), event, values};

	if (log_state.sink != NULL)
		log_state.sink(log_state.sink_self, &l);
	if (!write_line(&l))
		log_state.lost++;
}

static void
tell_held_back(const struct log_held *h, bool stranger)
{
	struct values v = {.len = 0};
	char lines[32];

	(void)snprintf(lines, sizeof lines, "lines=%llu", (unsigned long long)h->lines);
	if (h->by_code) {
		(void)snprintf(v.text, sizeof v.text, "code=%s %s", h->name, lines);
		v.len = strlen(v.text);
	} else {
		put_peer(&v, h->name[0] != '\0' ? h->name : stranger ? "other-strangers" : "others", false);
		for (const char *c = lines; *c != '\0'; c++)
			put_char(&v, *c);
	}
	clean(&v);
	emit(LOG_WARNING, "log.held_back", v.text);
}

/* Lines that nobody took are told by one that is: this goes first, to see whether there is room. */
static void
tell_lost(void)
{
	char values[64];
	struct log_line l = {LOG_WARNING, clock_wall_ms(), "log.lost", values};

	(void)snprintf(values, sizeof values, "lines=%llu", (unsigned long long)log_state.lost);
	if (!write_line(&l))
		return;
	log_state.lost = 0;
	if (log_state.sink != NULL)
		log_state.sink(log_state.sink_self, &l);
}

static void
settle(void)
{
	uint64_t second = clock_mono_ms() / 1000;
	struct log_held h;

	if (log_state.lost > 0)
		tell_lost();
	while (log_brake_over(&log_state.peers, second, &h))
		tell_held_back(&h, false);
	while (log_brake_over(&log_state.strangers, second, &h))
		tell_held_back(&h, true);
}

static void
note_debts(void)
{
	atomic_store(&log_state.owes, log_state.lost > 0 || log_state.peers.holds || log_state.strangers.holds);
}

/* brake NULL: the line goes in any case. */
static void
take(enum log_level level, const char *event, struct values *v, struct log_brake *brake, const char *peer)
{
	(void)pthread_mutex_lock(&log_state.lock);
	settle();
	if (brake == NULL || log_brake_lets(brake, peer != NULL ? peer : event, peer == NULL)) {
		clean(v);
		emit(level, event, v->text);
	}
	note_debts();
	(void)pthread_mutex_unlock(&log_state.lock);
}

/* ---- the doors ---- */

void
log_event(enum log_level level, const char *event, const char *fmt, ...)
{
	struct values v = {.len = 0};
	int before = errno;
	va_list args;

	if (level > log_state.level)
		return;
	va_start(args, fmt);
	put_values(&v, fmt, &args);
	va_end(args);
	take(level, event, &v, NULL, NULL);
	errno = before;
}

enum kw_err
log_sys(enum kw_err err, const char *event, const char *fmt, ...)
{
	int before = errno;
	const char *name = strerrorname_np(before);
	struct values v = {.len = 0};
	va_list args;

	va_start(args, fmt);
	put_values(&v, fmt, &args);
	va_end(args);
	for (const char *c = v.len > 0 ? " errno=" : "errno="; *c != '\0'; c++)
		put_char(&v, *c);
	v.quoted = false;
	put_text(&v, name);
	take(LOG_ERROR, event, &v, NULL, NULL);
	errno = before;
	return err;
}

void
log_peer(enum log_level level, const char *event, const char *peer, const char *fmt, ...)
{
	struct values v = {.len = 0};
	int before = errno;
	va_list args;

	if (level > log_state.level)
		return;
	put_peer(&v, peer, fmt[0] == '\0');
	va_start(args, fmt);
	put_values(&v, fmt, &args);
	va_end(args);
	take(level, event, &v, &log_state.peers, peer);
	errno = before;
}

void
log_stranger(enum log_level level, const char *event, const char *address, const char *fmt, ...)
{
	struct values v = {.len = 0};
	int before = errno;
	va_list args;

	if (level > log_state.level)
		return;
	put_peer(&v, address, fmt[0] == '\0');
	va_start(args, fmt);
	put_values(&v, fmt, &args);
	va_end(args);
	take(level, event, &v, &log_state.strangers, address);
	errno = before;
}

long
log_wait_ms(void)
{
	return atomic_load(&log_state.owes) ? (long)(1000 - clock_mono_ms() % 1000) : -1;
}

void
log_tick(void)
{
	int before = errno;

	if (!atomic_load(&log_state.owes))
		return;
	(void)pthread_mutex_lock(&log_state.lock);
	settle();
	note_debts();
	(void)pthread_mutex_unlock(&log_state.lock);
	errno = before;
}
