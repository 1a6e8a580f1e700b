/*
 * publish: hands a file to this machine's Kurzweg node and waits until the broker has stored it.
 *
 *   cc publish.c $(pkg-config --cflags --libs kurzweg) -o publish
 *   ./publish alert/flood/mitte flood.cap.xml
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kurzweg/kurzweg.h>

#define FILE_MAX (8u * 1024u * 1024u)

static char content[FILE_MAX + 1];

int
main(int argc, char **argv)
{
	struct kurzweg_publication p = KURZWEG_PUBLICATION_INIT;
	char id[KURZWEG_ID_SIZE];
	enum kurzweg_result r;
	kurzweg *k;
	FILE *file;

	if (argc != 3) {
		fprintf(stderr, "usage: %s TOPIC FILE.cap.xml|FILE.json\n", argv[0]);
		return KURZWEG_USAGE;
	}
	if ((file = fopen(argv[2], "rb")) == NULL) {
		perror(argv[2]);
		return KURZWEG_FAILED;
	}
	p.topic = argv[1];
	p.form = strstr(argv[2], ".xml") != NULL ? KURZWEG_CAP : KURZWEG_JSON;
	p.content = content;
	p.content_len = fread(content, 1, sizeof content, file);
	fclose(file);

	r = kurzweg_open(&k, NULL); /* $KURZWEG_SOCKET, or where the node usually is */
	kurzweg_set_language(k, getenv("LANG"));
	if (r == KURZWEG_OK)
		r = kurzweg_publish(k, &p, id);
	if (r == KURZWEG_OK) {
		printf("%s\n%s", id, kurzweg_warnings(k)); /* sealed and on disk: from here on it is never lost */
		r = kurzweg_wait(k, id, KURZWEG_STORED, 30000);
	}
	if (r == KURZWEG_OK)
		puts("stored");
	else
		fprintf(stderr, "%s\n", kurzweg_error(k));
	kurzweg_close(&k);
	return r;
}
