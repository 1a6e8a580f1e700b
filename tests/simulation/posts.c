/* posts: nodes in the bottle. */
#include "posts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "clients/partner/desk.h"
#include "clocks.h"
#include "lines.h"
#include "oracle.h"
#include "tests/simulation/sim_disk.h"
#include "trace.h"

#define LOOK_MS 1000u /* the daemon's loop comes round at least so often */

/* The node asks the real folder whether its store was begun; what SQLite writes stands on the pretend disk. */
static void
mark_begun(const struct sim *s, const struct post *p)
{
	char path[512];
	FILE *f;

	(void)snprintf(path, sizeof path, "%s/partner.db", p->config.state);
	if (!sim_disk_is_there(s->disk, path, NULL)) {
		(void)unlink(path);
		return;
	}
	if ((f = fopen(path, "w")) != NULL)
		(void)fclose(f);
}

/* What stands there is written once more, so that a sync which failed before is made good. */
static enum kw_err
write_again(struct sim_disk *d, const char *path)
{
	struct sim_file *f;
	enum kw_err err = sim_disk_open(&f, d, path, false);
	uint8_t bytes[4096];
	size_t got = 0;

	if (err != KW_OK)
		return err == KW_ENOTFOUND ? KW_OK : err;
	for (uint64_t at = 0; (err = sim_file_read(f, at, bytes, sizeof bytes, &got)) == KW_OK && got > 0; at += got)
		if ((err = sim_file_write(f, at, bytes, got)) != KW_OK)
			break;
	if (err == KW_OK || err == KW_EFULL)
		err = sim_file_sync(f);
	sim_file_close(&f);
	return err;
}

/* On the pretend disk what the node's store does on a real one before SQLite opens it. */
static enum kw_err
settle(struct sim_disk *d, const char *state)
{
	static const char *const again[] = {"partner.db-journal", "partner.db-wal"};
	char path[512];
	enum kw_err err = KW_OK;

	for (size_t i = 0; err == KW_OK && i < sizeof again / sizeof again[0]; i++) {
		(void)snprintf(path, sizeof path, "%s/%s", state, again[i]);
		err = write_again(d, path);
	}
	(void)snprintf(path, sizeof path, "%s/partner.db", state);
	return err == KW_OK ? sim_disk_sync_folder(d, path) : err;
}

static char *
path_of(const struct sim *s, int who, const char *name)
{
	char path[512];
	char *copy;

	(void)snprintf(path, sizeof path, "%s/%d%s", s->options.folder, who, name);
	copy = strdup(path);
	MUST(copy != NULL);
	return copy;
}

void
post_begin(struct sim *s, int who, const struct paper *first)
{
	struct post *p = &s->posts[who];
	struct kw_why why;
	char *folder = path_of(s, who, ""), *sig = path_of(s, who, "/agreement.yaml.sig");

	*p = (struct post){.who = who, .member = true, .turn_at = UINT64_MAX};
	p->config.agreement = path_of(s, who, "/agreement.yaml");
	p->config.key = strdup(papers_key_file(who));
	p->config.state = path_of(s, who, "/state");
	p->config.outbox_max = 100000;
	if (first->version > 1) { /* whoever comes later compares it by phone */
		p->config.fingerprint = calloc(1, KEY_FINGERPRINT_MAX);
		MUST(p->config.fingerprint != NULL);
		agreement_fingerprint(p->config.fingerprint, first->agreement);
	}
	MUST(mkdir(folder, 0700) == 0);
	MUST(fs_write(p->config.agreement, buf_span(&first->text), 0644, &why) == KW_OK && fs_write(sig, buf_span(&first->sigs), 0644, &why) == KW_OK);
	free(folder);
	free(sig);
}

void
post_end(struct sim *s, int who)
{
	struct post *p = &s->posts[who];

	node_close(&p->node);
	config_free(&p->config);
	p->member = false;
}

void
post_start(struct sim *s, int who)
{
	struct post *p = &s->posts[who];
	struct kw_why why;
	enum kw_err err;

	if (!p->member || p->node != NULL)
		return;
	clocks_run_as(who);
	s->counts.node_starts++;
	p->turn_at = UINT64_MAX;
	mark_begun(s, p);
	if ((err = settle(s->disk, p->config.state)) != KW_OK)
		(void)kw_refuse(&why, err, "what stands there cannot be written again");
	else
		err = node_open(&p->node, &p->config, &why);
	if (!s->calm && (err == KW_EIO || err == KW_EFULL)) { /* its disk fails: started again, as systemd does */
		trace("node does not start: %s", why.text);
		sim_disk_crash(s->disk, p->config.state, SIM_KILLED);
		sim_at(s, clocks_true() + dice_between(&s->lives, 500, 3000), EVENT_NODE_START, (uint32_t)who, 0);
		return;
	}
	if (err != KW_OK) {
		sim_broken(s, "%s does not start on what it committed: %s", papers_name(who), why.text);
		return;
	}
	trace("node up");
	oracle_node_started(s->oracle, who);
	sim_wake_node(s, who, clocks_true());
}

void
post_crash(struct sim *s, int who, bool rude)
{
	struct post *p = &s->posts[who];

	if (p->node == NULL)
		return;
	clocks_run_as(who);
	trace("node falls over%s", rude ? " with its machine" : "");
	lines_node_goes(who, rude);
	sim_disk_halt(s->disk, p->config.state);
	node_close(&p->node);
	sim_disk_crash(s->disk, p->config.state, rude ? SIM_POWER_CUT : SIM_KILLED);
	p->turn_at = UINT64_MAX;
}

void
post_subscribe(struct sim *s, int who, uint32_t subjects)
{
	struct partner_config *c = &s->posts[who].config;

	subjects &= (1u << SUBJECT_COUNT) - 1;
	free(c->filters);
	c->filters = NULL;
	c->filter_count = 0;
	s->posts[who].unread = ~subjects & ((1u << SUBJECT_COUNT) - 1);
	if (s->posts[who].unread == 0)
		return;
	c->filters = calloc(SUBJECT_COUNT, sizeof *c->filters);
	MUST(c->filters != NULL);
	for (int i = 0; i < SUBJECT_COUNT; i++)
		if ((subjects & (1u << i)) != 0)
			(void)snprintf(c->filters[c->filter_count++], sizeof c->filters[0], "%s", papers_topic((enum subject)i));
	if (c->filter_count == 0) /* no filter would be all */
		(void)snprintf(c->filters[c->filter_count++], sizeof c->filters[0], "nothing/of-it");
	clocks_run_as(who);
	trace("reads all but %x from now on", s->posts[who].unread);
}

static void
fell_over(struct sim *s, int who, const struct kw_why *why)
{
	trace("node ends: %s", why->text);
	post_crash(s, who, false);
	sim_at(s, clocks_true() + dice_between(&s->lives, 200, 3000), EVENT_NODE_START, (uint32_t)who, 0);
}

void
posts_agreement(struct sim *s)
{
	for (int who = 0; who < WHO_NODES; who++)
		if ((sim_policy(s)->members & (1u << who)) != 0 && !s->posts[who].member) {
			post_begin(s, who, &s->papers[s->paper_count - 1]);
			sim_at(s, clocks_true() + 100, EVENT_NODE_START, (uint32_t)who, 0);
		}
}

/* ---- the application ---- */

struct reading { struct sim *sim; struct post *post; };

static bool
read_row(void *self, const struct inbox_row *row)
{
	struct reading *r = self;

	r->post->read_seq = row->seq;
	oracle_row(r->sim->oracle, r->post->who, row);
	return true;
}

static void
read_inbox(struct sim *s, struct post *p)
{
	struct inbox_query q = {.after_seq = p->read_seq, .limit = 1000, .with_payload = true};
	struct reading r = {s, p};
	uint64_t newest = desk_newest_seq(p->node);
	struct kw_why why;

	if (newest <= p->read_seq)
		return;
	if (desk_inbox(p->node, &q, read_row, &r, &why) != KW_OK)
		sim_broken(s, "%s cannot read its own inbox: %s", papers_name(p->who), why.text);
	p->read_seq = newest;
}

/* ---- turns ---- */

static void
plan_next(struct sim *s, struct post *p)
{
	uint64_t wake = clocks_true_at_mono(p->who, node_wake_ms(p->node)), now = clocks_true(), due = lines_due_down(p->who);

	if (wake <= now)
		wake = now + 1;
	if (due < wake)
		wake = due > now ? due : now;
	sim_wake_node(s, p->who, wake < now + LOOK_MS ? wake : now + LOOK_MS);
}

void
post_turn(struct sim *s, int who)
{
	struct post *p = &s->posts[who];
	struct kw_why why;

	if (p->node == NULL)
		return;
	clocks_run_as(who);
	s->counts.turns++;
	if (node_turn(p->node, &why) != KW_OK) {
		fell_over(s, who, &why);
		return;
	}
	read_inbox(s, p);
	plan_next(s, p);
}

bool
post_ready(struct sim *s, int who)
{
	if (s->posts[who].node == NULL)
		return false;
	post_turn(s, who);
	return s->posts[who].node != NULL;
}
