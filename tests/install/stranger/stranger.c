/* stranger: a program of an agency; publishes what it is given, and waits until the broker has stored it. */
#include <stdio.h>
#include <string.h>

#include <kurzweg/kurzweg.h>

int
main(int argc, char **argv)
{
	struct kurzweg_publication p = KURZWEG_PUBLICATION_INIT;
	char id[KURZWEG_ID_SIZE];
	enum kurzweg_result r;
	kurzweg *k;

	if (argc != 3) {
		fprintf(stderr, "usage: %s TOPIC JSON\n", argv[0]);
		return KURZWEG_USAGE;
	}
	p.topic = argv[1];
	p.form = KURZWEG_JSON;
	p.content = argv[2];
	p.content_len = strlen(argv[2]);
	if ((r = kurzweg_open(&k, NULL)) == KURZWEG_OK && (r = kurzweg_publish(k, &p, id)) == KURZWEG_OK)
		r = kurzweg_wait(k, id, KURZWEG_STORED, 30000);
	if (r == KURZWEG_OK)
		printf("%s stored, by libkurzweg %s\n", id, kurzweg_version());
	else
		fprintf(stderr, "%s\n", kurzweg_error(k));
	kurzweg_close(&k);
	return (int)r;
}
