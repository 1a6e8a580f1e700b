/* faults: the plan, and each kind's beginning and end. */
#include "faults.h"

#include <stdlib.h>

#include "clocks.h"
#include "house.h"
#include "lines.h"
#include "operators.h"
#include "posts.h"
#include "tests/simulation/sim_disk.h"
#include "trace.h"

#define EVERY_MS 2500u /* a fault, about */

const char *
fault_name(enum fault f)
{
	static const char *const names[FAULT_COUNT] = {"crash-broker", "crash-node", "stall", "partition", "reset", "half-open", "slow", "clock", "disk", "node-disk", "agreement", "restore", "liar", "suspend"};

	return names[f];
}

static uint64_t
lasting(struct dice *d)
{
	switch (dice_below(d, 4)) {
	case 0: return dice_between(d, 20, 500);
	case 1:
	case 2: return dice_between(d, 500, 8000);
	default: return dice_between(d, 8000, 45000);
	}
}

static uint64_t
next_burst(const struct sim *s, uint64_t at)
{
	uint32_t i = 0;

	while (i < s->burst_count && s->bursts[i] < at)
		i++;
	return i < s->burst_count ? s->bursts[i] : at;
}

void
faults_plan(struct sim *s, uint64_t until_ms)
{
	struct dice d = dice_of(s->options.seed, 3000);
	uint64_t at = 1000;

	s->plan = calloc(until_ms / (EVERY_MS / 2) + 2 + OPERATORS_ROOM(until_ms), sizeof *s->plan);
	MUST(s->plan != NULL);
	while ((at += dice_between(&d, EVERY_MS / 2, EVERY_MS * 3 / 2)) < until_ms)
		s->plan[s->plan_count++] = (struct fault_plan){(enum fault)dice_below(&d, FAULT_LIAR), at, lasting(&d), (uint32_t)dice_u64(&d), 0};
	s->plan_count += operators_plan(s->plan + s->plan_count, s->options.seed, until_ms);
	for (uint32_t i = 0; i < s->plan_count; i++) {
		if (s->plan[i].kind == FAULT_AGREEMENT)
			s->plan[i].at = next_burst(s, s->plan[i].at);
		if (s->options.faults_left_out[i] == 0 && (s->options.faults & (1u << s->plan[i].kind)) != 0)
			sim_at(s, s->plan[i].at, EVENT_FAULT, i, 0);
	}
}

static int
somebody(struct dice *d)
{
	return (int)dice_below(d, WHO_NODES);
}

static void
partition(struct dice *d, bool on)
{
	uint32_t up = (uint32_t)dice_u64(d), down = dice_permille(d, 500) ? up : (uint32_t)dice_u64(d);

	for (int i = 0; i < WHO_NODES; i++) {
		if ((up & (1u << i)) != 0)
			lines_stall(i, WAY_UP, on);
		if ((down & (1u << i)) != 0)
			lines_stall(i, WAY_DOWN, on);
	}
}

static void
jump(struct dice *d)
{
	int who = dice_permille(d, 300) ? WHO_BROKER : somebody(d);
	int64_t ms = (int64_t)dice_between(d, 1, 240000) - 120000;

	clocks_jump(who, ms);
	clocks_drift(who, (int32_t)dice_between(d, 0, 1000) - 500);
	trace("%s: its clock jumps by %lld ms", papers_name(who), (long long)ms);
}

/*
 * Not behind an old copy: what that lacks is offered again, refused as of an older agreement, and sealed anew under another id, which whoever has it
 * already reads a second time. That is so, and not what [C-11] says.
 */
static bool
sign_version(struct sim *s, const struct policy *next)
{
	if (s->restored || s->has_next || s->paper_count == PAPERS_MAX)
		return false;
	papers_write(&s->papers[s->paper_count], &s->papers[s->paper_count - 1], next);
	s->has_next = true;
	trace("version %u is signed: members %x, the youth house reads %s", s->paper_count + 1, next->members, next->youth_urgent ? "urgent too" : "no urgent");
	return true;
}

bool
faults_agree(struct sim *s, const struct policy *next)
{
	if (!sign_version(s, next))
		return false;
	house_install(s->house);
	return true;
}

/*
 * Somebody comes, must go or comes back, may read less or more, is responsible sooner or later. Much is on its way when that comes into force: people act just
 * now, and the broker's disk takes its time.
 */
static bool
write_version(struct sim *s, struct dice *d)
{
	struct policy next = *sim_policy(s);
	uint64_t now = clocks_true();

	switch (dice_below(d, 6)) {
	case 0: next.members ^= 1u << WHO_CLUB; break;
	case 1:
	case 2: next.members ^= 1u << WHO_SHELTER; break;
	case 3: next.turned = !next.turned; break;
	default: next.youth_urgent = !next.youth_urgent; break;
	}
	if (!sign_version(s, &next))
		return false;
	house_is_slow(s->house, now + dice_between(d, 50, 400));
	sim_at(s, now + dice_between(d, 10, 200), EVENT_OPERATOR, 0, 0);
	return true;
}

static void
node_disk(struct sim *s, struct dice *d, int who)
{
	const char *state = s->posts[who].config.state;

	switch (dice_below(d, 3)) {
	case 0: sim_disk_room(s->disk, state, 0); break;
	case 1: sim_disk_fail(s->disk, state, SIM_SYNC, 1 + dice_below(d, 3), false, KW_EIO); break;
	default: sim_disk_fail(s->disk, state, SIM_READ | SIM_WRITE, 1 + dice_below(d, 20), false, KW_EIO); break;
	}
}

static void
disk(struct sim *s, struct dice *d)
{
	struct vault *broken = house_vault(s->house);

	switch (dice_below(d, 5)) {
	case 0: vault_full(broken, true); trace("the broker's disk is full"); break;
	case 4: vault_fail_next(broken, KW_EFULL, false); trace("the broker's disk is full for a moment"); break;
	case 1: vault_fail_next(broken, KW_EIO, true); trace("the broker's next sync fails behind the write"); break;
	case 2: vault_fail_next(broken, KW_EIO, false); trace("the broker's next sync fails"); break;
	default: vault_fail_read(broken); trace("the broker's next read fails"); break;
	}
}

/* The broker's machine loses its power, and what its operator finds is a copy from before. */
static bool
restore(struct sim *s, struct dice *d)
{
	uint64_t batches = vault_batches(house_vault(s->house)), back = dice_between(d, 1, 60);
	uint64_t least = s->agreed_batches > 1 ? s->agreed_batches : 1;

	if (s->has_next || s->restored || batches <= least) /* once: a copy from before a new log epoch would begin the same one again */
		return false;
	house_crash(s->house, true);
	house_back_to(s->house, batches > least + back ? batches - back : least);
	sim_at(s, clocks_true() + dice_between(d, 200, 3000), EVENT_BROKER_START, 0, 0);
	return true;
}

void
faults_begin(struct sim *s, uint32_t i)
{
	const struct fault_plan *f = &s->plan[i];
	struct dice d = dice_of(s->options.seed, 4000000ull + f->dice);
	bool rude = dice_permille(&d, 400), applied = true;
	uint64_t now = clocks_true();
	int who;

	clocks_run_as(WHO_DRIVER);
	switch (f->kind) {
	case FAULT_CRASH_BROKER:
		applied = house_is_up(s->house);
		house_crash(s->house, rude);
		sim_at(s, now + f->lasts, EVENT_BROKER_START, 0, 0);
		break;
	case FAULT_CRASH_NODE:
		who = somebody(&d);
		applied = s->posts[who].node != NULL;
		post_crash(s, who, rude);
		sim_at(s, now + f->lasts, EVENT_NODE_START, (uint32_t)who, 0);
		break;
	case FAULT_STALL:
		who = somebody(&d);
		trace("%s is cut off", papers_name(who));
		lines_stall(who, WAY_UP, true);
		lines_stall(who, WAY_DOWN, true);
		break;
	case FAULT_PARTITION:
		trace("a partition");
		partition(&d, true);
		break;
	case FAULT_RESET:
		applied = lines_reset(somebody(&d));
		break;
	case FAULT_HALF_OPEN:
		applied = lines_forget(somebody(&d), rude ? WAY_UP : WAY_DOWN);
		break;
	case FAULT_SLOW:
		lines_slow(somebody(&d), dice_between(&d, 50, 3000));
		break;
	case FAULT_CLOCK:
		jump(&d);
		break;
	case FAULT_DISK:
		disk(s, &d);
		break;
	case FAULT_NODE_DISK:
		who = somebody(&d);
		applied = s->posts[who].member;
		trace("the disk of %s begins to fail", papers_name(who));
		if (applied)
			node_disk(s, &d, who);
		break;
	case FAULT_AGREEMENT:
		applied = write_version(s, &d);
		break;
	case FAULT_RESTORE:
		applied = restore(s, &d);
		break;
	case FAULT_SUSPEND: /* counts where it is taken */
		operators_suspend(s, i);
		applied = false;
		break;
	case FAULT_LIAR: /* lies all the time: liar.h */
	case FAULT_COUNT:
		break;
	}
	trace("fault %u: %s%s", i, fault_name(f->kind), applied || f->kind == FAULT_SUSPEND ? "" : " (nothing to be met)");
	s->counts.applied[f->kind] += applied;
	sim_at(s, now + f->lasts, EVENT_FAULT_OVER, i, 0);
}

void
faults_over(struct sim *s, uint32_t i)
{
	const struct fault_plan *f = &s->plan[i];
	struct dice d = dice_of(s->options.seed, 4000000ull + f->dice);
	int who;

	clocks_run_as(WHO_DRIVER);
	(void)dice_permille(&d, 400);
	switch (f->kind) {
	case FAULT_STALL:
		who = somebody(&d);
		lines_stall(who, WAY_UP, false);
		lines_stall(who, WAY_DOWN, false);
		break;
	case FAULT_PARTITION:
		partition(&d, false);
		break;
	case FAULT_SLOW:
		lines_slow(somebody(&d), 0);
		break;
	case FAULT_DISK:
		vault_full(house_vault(s->house), false);
		break;
	case FAULT_NODE_DISK:
		who = somebody(&d);
		if (s->posts[who].member)
			sim_disk_mend(s->disk, s->posts[who].config.state);
		break;
	case FAULT_AGREEMENT: /* the operator tries again what did not come through */
		house_install(s->house);
		break;
	case FAULT_SUSPEND:
		operators_over(s, i);
		break;
	case FAULT_CRASH_BROKER:
	case FAULT_CRASH_NODE:
	case FAULT_RESET:
	case FAULT_HALF_OPEN:
	case FAULT_CLOCK:
	case FAULT_RESTORE:
	case FAULT_LIAR: /* lies all the time: liar.h */
	case FAULT_COUNT:
		break;
	}
}

void
faults_end(struct sim *s)
{
	s->calm = true;
	clocks_run_as(WHO_DRIVER);
	trace("no more faults");
	lines_heal();
	vault_full(house_vault(s->house), false);
	vault_fail_next(house_vault(s->house), KW_OK, false);
	for (int i = 0; i <= WHO_BROKER; i++)
		clocks_set_right(i);
	for (int i = 0; i < WHO_NODES; i++)
		if (s->posts[i].member)
			sim_disk_mend(s->disk, s->posts[i].config.state);
	house_start(s->house);
	house_install(s->house);
	house_new_epoch(s->house);
	operators_end(s);
	for (int i = 0; i < WHO_NODES; i++)
		post_start(s, i);
}
