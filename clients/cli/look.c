/* look: see its header. */
#include "clients/cli/look.h"

#include <string.h>

const json_t *
look_at(const json_t *root, const char *path)
{
	char key[64];

	while (root != NULL && *path != '\0') {
		size_t len = strcspn(path, ".");

		if (len >= sizeof key)
			return NULL;
		memcpy(key, path, len);
		key[len] = '\0';
		root = json_object_get(root, key);
		path += len + (path[len] == '.');
	}
	return root;
}

const char *
look_text(const json_t *root, const char *path)
{
	const char *text = json_string_value(look_at(root, path));

	return text != NULL ? text : "";
}

uint64_t
look_number(const json_t *root, const char *path)
{
	json_int_t n = json_integer_value(look_at(root, path));

	return n > 0 ? (uint64_t)n : 0;
}

double
look_real(const json_t *root, const char *path)
{
	return json_number_value(look_at(root, path));
}

bool
look_flag(const json_t *root, const char *path)
{
	return json_is_true(look_at(root, path));
}
