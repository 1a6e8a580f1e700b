/*
 * drive: runs a target on a corpus and then, for some seconds, on what it makes of it: bits, bytes, cuts, copies and pieces of other
 * inputs. What breaks the target is written to a file and named, with the seed. It sees no coverage; campaigns have libFuzzer.
 *
 *   fuzz_NAME [-s SECONDS] [-r SEED] [-o FOLDER] FILE …    FILE.hex: an input a line; any other: one input
 */
#include <ctype.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/text.h"
#include "fuzz.h"

#define INPUT_MAX (64u * 1024u)
#define INPUTS_MAX 1024u
#define SLOW_S 20 /* a single input that takes as long is a finding */

struct run {
	struct buf inputs[INPUTS_MAX];
	size_t count;
	uint64_t random;
	uint64_t done;
};

static struct { /* what the signal handler writes down */
	const uint8_t *p;
	size_t len;
	char path[512];
} now;

static void
write_down(int signal_number)
{
	static const char said[] = "\nfuzz: the input that did it is in ";
	int fd = open(now.path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	(void)signal(SIGABRT, SIG_DFL);
	if (fd >= 0 && write(fd, now.p, now.len) == (ssize_t)now.len && write(2, said, sizeof said - 1) > 0)
		(void)!write(2, now.path, strlen(now.path));
	(void)!write(2, "\n", 1);
	if (signal_number == SIGALRM)
		(void)!write(2, "fuzz: it is too slow\n", 21);
	abort();
}

static void
take(struct run *r, const void *p, size_t len)
{
	struct buf *b = &r->inputs[r->count];

	if (r->count == INPUTS_MAX || len > INPUT_MAX) {
		(void)fprintf(stderr, "fuzz: more than %u inputs, or one of more than %u bytes\n", INPUTS_MAX, INPUT_MAX);
		exit(2);
	}
	*b = BUF_INIT(INPUT_MAX);
	buf_put(b, p, len);
	r->count++;
}

static void
take_hex(struct run *r, const char *path, char *text)
{
	for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
		uint8_t bytes[INPUT_MAX];
		size_t len = strlen(line) / 2;

		if (line[0] == '#')
			continue;
		if (len > sizeof bytes || !text_hex(bytes, len, line) || strlen(line) % 2 != 0) {
			(void)fprintf(stderr, "fuzz: %s: no hex digits: %.40s\n", path, line);
			exit(2);
		}
		take(r, bytes, len);
	}
}

static void
read_inputs(struct run *r, const char *path)
{
	size_t len = strlen(path);
	struct buf text = BUF_INIT(4u << 20);
	struct kw_why why;

	if (fs_read(&text, path, &why) != KW_OK || buf_text(&text) == NULL) {
		(void)fprintf(stderr, "fuzz: %s\n", why.text);
		exit(2);
	}
	if (len > 4 && strcmp(path + len - 4, ".hex") == 0)
		take_hex(r, path, (char *)text.p);
	else
		take(r, text.p, text.len);
	buf_free(&text);
}

/* xorshift64*: which inputs came follows from the seed alone. */
static uint64_t
below(struct run *r, uint64_t n)
{
	r->random ^= r->random >> 12;
	r->random ^= r->random << 25;
	r->random ^= r->random >> 27;
	return n == 0 ? 0 : (r->random * 0x2545F4914F6CDD1Dull >> 16) % n;
}

static void
cut(struct buf *b, size_t from, size_t n)
{
	if (b->len > from + n)
		memmove(b->p + from, b->p + from + n, b->len - from - n);
	b->len -= n;
}

static void
put_in(struct buf *b, size_t at, const uint8_t *p, size_t n)
{
	uint8_t piece[256];

	if (n > sizeof piece || b->len + n > INPUT_MAX)
		return;
	if (n > 0)
		memcpy(piece, p, n); /* it may be b's own */
	if (buf_reserve(b, n) == NULL)
		return;
	memmove(b->p + at + n, b->p + at, b->len - at);
	memcpy(b->p + at, piece, n);
	buf_commit(b, n);
}

static void
mutate_once(struct run *r, struct buf *b)
{
	static const uint8_t odd[] = {0x00, 0x01, 0x7f, 0x80, 0xff, '\n', '"', '/', '#', '<', '{', '[', ':', '&', ' ', '9'};
	const struct buf *other = &r->inputs[below(r, r->count)];
	size_t at = below(r, b->len), n = 1 + below(r, 16);
	uint8_t byte = (uint8_t)below(r, 256);

	switch (b->len == 0 ? 5 : below(r, 8)) {
	case 0:
		b->p[at] ^= (uint8_t)(1u << below(r, 8));
		break;
	case 1:
		b->p[at] = byte;
		break;
	case 2:
		b->p[at] = odd[byte % sizeof odd];
		break;
	case 3:
		cut(b, at, n < b->len - at ? n : b->len - at);
		break;
	case 4:
		b->len = at;
		break;
	case 5:
		put_in(b, at, byte % 2 == 0 ? &odd[byte % sizeof odd] : &byte, 1);
		break;
	case 6: /* a piece of itself once more */
		put_in(b, below(r, b->len), b->p + at, n < b->len - at ? n : b->len - at);
		break;
	default: /* a piece of another input */
		if (other->len > 0) {
			size_t from = below(r, other->len), most = other->len - from;

			n = 1 + below(r, 128);
			put_in(b, at, other->p + from, n < most ? n : most);
		}
	}
}

static void
run_one(struct run *r, struct span in)
{
	uint8_t *exact = malloc(in.len > 0 ? in.len : 1); /* so that a read beyond its end is found */

	if (exact == NULL)
		abort();
	if (in.len > 0)
		memcpy(exact, in.p, in.len);
	now.p = exact;
	now.len = in.len;
	(void)alarm(SLOW_S);
	(void)LLVMFuzzerTestOneInput(exact, in.len);
	(void)alarm(0);
	free(exact);
	r->done++;
}

static void
run_mutations(struct run *r, uint64_t seconds)
{
	struct timespec t;
	time_t end;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	end = t.tv_sec + (time_t)seconds;
	while (t.tv_sec < end) {
		const struct buf *from = &r->inputs[below(r, r->count)];
		struct buf b = BUF_INIT(INPUT_MAX);

		buf_put_span(&b, buf_span(from));
		for (uint64_t i = 1 + below(r, 6); i > 0; i--)
			mutate_once(r, &b);
		run_one(r, buf_span(&b));
		buf_free(&b);
		(void)clock_gettime(CLOCK_MONOTONIC, &t);
	}
}

int
main(int argc, char **argv)
{
	uint64_t seconds = 0, seed = (uint64_t)time(NULL);
	const char *folder = ".", *name = strrchr(argv[0], '/');
	struct run *r = calloc(1, sizeof *r);
	int option;

	while ((option = getopt(argc, argv, "s:r:o:")) != -1) {
		if (option == 's')
			seconds = strtoull(optarg, NULL, 10);
		else if (option == 'r')
			seed = strtoull(optarg, NULL, 10);
		else if (option == 'o')
			folder = optarg;
		else
			return 2;
	}
	name = name != NULL ? name + 1 : argv[0];
	(void)snprintf(now.path, sizeof now.path, "%s/found-%s-%d", folder, name, (int)getpid());
	r->random = seed * 2 + 1;
	(void)signal(SIGABRT, write_down);
	(void)signal(SIGALRM, write_down);
	for (int i = optind; i < argc; i++)
		read_inputs(r, argv[i]);
	if (r->count == 0) {
		(void)fprintf(stderr, "fuzz: there is nothing to begin with\n");
		return 2;
	}
	for (size_t i = 0; i < r->count; i++)
		run_one(r, buf_span(&r->inputs[i]));
	(void)printf("%s: %zu inputs, seed %llu\n", name, r->count, (unsigned long long)seed);
	(void)fflush(stdout);
	run_mutations(r, seconds);
	(void)printf("%s: %llu runs\n", name, (unsigned long long)r->done);
	for (size_t i = 0; i < r->count; i++)
		buf_free(&r->inputs[i]);
	free(r);
	return 0;
}
