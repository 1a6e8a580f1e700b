/* rival_back: a server is ended and started again; until all its readers are logged in, subscribed, and have what is published then. */
#include <stdio.h>

#include "load_figures.h"
#include "load_restart.h"
#include "rival_work.h"

static void
back_once(struct work *w)
{
	struct load_started started;
	uint64_t listening, back;

	(void)work_go(w, 1, 1, 0); /* each has been delivered to, and has acknowledged it */
	work_leave(w);
	load_restart(&started, w->target->protocol->name);
	listening = load_await_listening(w->target->port);
	work_return_publishers(w);
	work_return_readers(w);
	back = load_ns();
	(void)work_go(w, 1, 1, 0);
	load_print(json_pack("{s:s,s:s,s:i,s:f,s:f,s:f,s:f,s:i}", "run", "back", "target", w->target->protocol->name, "readers", (int)w->reader_count,
	                     "start_to_all_ms", load_ms(started.started_ns, load_ns()), "listening_to_all_ms", load_ms(listening, load_ns()),
	                     "start_to_listening_ms", load_ms(started.started_ns, listening), "listening_to_back_ms", load_ms(listening, back),
	                     "delivered_again", (int)w->delivered_again));
}

void
rival_back(struct rival_net *net, const struct rival_wishes *wish)
{
	for (uint32_t t = 0; t < wish->target_count; t++) {
		struct work w;

		work_open(&w, net, &wish->targets[t], wish, 1, wish->readers);
		for (uint32_t round = 0; round < wish->rounds; round++)
			back_once(&w);
		work_close(&w);
	}
}
