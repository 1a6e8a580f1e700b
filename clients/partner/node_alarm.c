/* node_alarm: what somebody should look at; each told once in the log, and shown in status until it is over. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "clients/partner/node_parts.h"

static struct alarm *
find(struct node *n, const char *code)
{
	for (uint32_t i = 0; i < n->alarm_count; i++)
		if (strcmp(n->alarms[i].code, code) == 0)
			return &n->alarms[i];
	return NULL;
}

static struct alarm *
take(struct node *n, const char *code)
{
	struct alarm *a;

	if (n->alarm_count == NODE_ALARMS_MAX) { /* the oldest gives way; the log has it */
		memmove(&n->alarms[0], &n->alarms[1], (NODE_ALARMS_MAX - 1) * sizeof n->alarms[0]);
		n->alarm_count--;
	}
	a = &n->alarms[n->alarm_count++];
	memset(a, 0, sizeof *a);
	(void)snprintf(a->code, sizeof a->code, "%s", code);
	a->since_ms = n->wall_ms;
	return a;
}

void
node_alarm(struct node *n, const char *code, const char *fmt, ...)
{
	struct alarm *a = find(n, code);
	bool again = a != NULL;
	char text[512];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	if (!again)
		a = take(n, code);
	again = again && strcmp(a->text, text) == 0;
	a->times++;
	memcpy(a->text, text, sizeof a->text);
	if (again)
		return;
	log_peer(LOG_WARNING, "partner.alarm", NULL, "code=%s why=\"%s\"", code, text);
}

const char *
node_alarm_text(struct node *n, const char *code)
{
	const struct alarm *a = find(n, code);

	return a != NULL ? a->text : NULL;
}

void
node_alarm_clear(struct node *n, const char *code)
{
	struct alarm *a = find(n, code);

	if (a == NULL)
		return;
	log_event(LOG_NOTICE, "partner.alarm_over", "code=%s", code);
	*a = n->alarms[--n->alarm_count];
}
