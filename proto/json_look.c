/* json_look: one walk over the text, with the way down to where it is. */
#include "proto/json_look.h"

#include <stdio.h>
#include <string.h>

struct level {
	bool object;
	bool wants_key; /* the next string is a key */
	size_t index;   /* of an array */
	struct span key;
};

struct walk {
	struct level levels[JSON_DEPTH_MAX];
	unsigned depth;
};

static size_t
behind_string(struct span text, size_t at)
{
	for (at++; at < text.len && text.p[at] != '"'; at++)
		if (text.p[at] == '\\')
			at++;
	return at < text.len ? at + 1 : text.len;
}

/* One byte, or one whole string; gives where the next begins, or SIZE_MAX when it nests too deep. */
static size_t
step(struct walk *w, struct span text, size_t at)
{
	struct level *now = w->depth > 0 ? &w->levels[w->depth - 1] : NULL;
	size_t end;

	switch (text.p[at]) {
	case '"':
		end = behind_string(text, at);
		if (now != NULL && now->object && now->wants_key) {
			now->key = span_of(text.p + at + 1, end - at >= 2 ? end - at - 2 : 0);
			now->wants_key = false;
		}
		return end;
	case '{':
	case '[':
		if (w->depth == JSON_DEPTH_MAX)
			return SIZE_MAX;
		w->levels[w->depth++] = (struct level){.object = text.p[at] == '{', .wants_key = text.p[at] == '{'};
		return at + 1;
	case '}':
	case ']':
		if (w->depth > 0)
			w->depth--;
		return at + 1;
	case ',':
		if (now != NULL) {
			now->wants_key = now->object;
			now->index++;
		}
		return at + 1;
	default:
		return at + 1;
	}
}

size_t
json_too_deep_at(struct span text)
{
	struct walk w = {.depth = 0};

	for (size_t at = 0; at < text.len;) {
		size_t next = step(&w, text, at);

		if (next == SIZE_MAX)
			return at;
		at = next;
	}
	return SIZE_MAX;
}

void
json_path_at(char *out, size_t size, struct span text, size_t offset)
{
	struct walk w = {.depth = 0};
	size_t n = 0;

	for (size_t at = 0; at < text.len && at < offset;) {
		if ((at = step(&w, text, at)) == SIZE_MAX)
			break;
	}
	out[0] = '\0';
	for (unsigned i = 0; i < w.depth && n < size; i++) {
		const struct level *l = &w.levels[i];

		if (l->object && l->key.p != NULL)
			n += (size_t)snprintf(out + n, size - n, "%s%.*s", n > 0 ? "." : "", (int)(l->key.len > 64 ? 64 : l->key.len), (const char *)l->key.p);
		else if (!l->object)
			n += (size_t)snprintf(out + n, size - n, "[%zu]", l->index);
	}
}
