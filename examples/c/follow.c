/*
 * follow: prints a line for each notification that comes, beginning with those that are there; for ever, or until N were printed.
 *
 *   cc follow.c $(pkg-config --cflags --libs kurzweg) -o follow
 *   ./follow 'alert/#'
 */
#include <stdio.h>
#include <stdlib.h>

#include <kurzweg/kurzweg.h>

static void
print(const struct kurzweg_notification *n)
{
	printf("%llu %s %s %s", (unsigned long long)n->seq, n->sender, n->topic, n->type);
	if (n->status[0] != '\0')
		printf(" [%s]", n->status); /* not every alert is meant to be acted on */
	printf(" %s", n->bare ? "(its content is gone)" : n->headline);
	if (n->area[0] != '\0')
		printf(" (%s)", n->area);
	if (n->cancelled || n->superseded)
		printf(" - %s since", n->cancelled ? "taken back" : "updated");
	putchar('\n');
	fflush(stdout);
}

int
main(int argc, char **argv)
{
	struct kurzweg_query q = KURZWEG_QUERY_INIT;
	const struct kurzweg_notification *n;
	long left = argc > 2 ? atol(argv[2]) : -1;
	enum kurzweg_result r;
	kurzweg *k;

	q.topic = argc > 1 ? argv[1] : "#";
	r = kurzweg_open(&k, NULL);
	kurzweg_set_language(k, getenv("LANG"));
	while (left != 0 && (r == KURZWEG_OK || r == KURZWEG_NOTHING || r == KURZWEG_SILENT)) {
		r = kurzweg_next(k, &q, 60000, &n);
		if (r == KURZWEG_OK) {
			print(n); /* a program that must miss nothing keeps q.after_seq where it finds it again after a restart */
			left--;
		} else if (r == KURZWEG_SILENT) {
			fprintf(stderr, "%s\n", kurzweg_error(k)); /* the node may come back */
		}
	}
	if (r != KURZWEG_OK)
		fprintf(stderr, "%s\n", kurzweg_error(k));
	kurzweg_close(&k);
	return r;
}
