/* payload_files: reading whole files and folders. */
#include "payload_files.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void
path_of(char out[1024], const char *path)
{
	const char *root = getenv("KW_SOURCE_DIR");

	(void)snprintf(out, 1024, "%s/%s", root != NULL ? root : ".", path);
}

bool
file_read(struct buf *out, const char *path)
{
	char full[1024], chunk[4096];
	struct stat st;
	size_t n;
	FILE *f;

	path_of(full, path);
	if (stat(full, &st) != 0 || !S_ISREG(st.st_mode))
		return false;
	if ((f = fopen(full, "rb")) == NULL)
		return false;
	while ((n = fread(chunk, 1, sizeof chunk, f)) > 0)
		buf_put(out, chunk, n);
	(void)fclose(f);
	return buf_ok(out);
}

size_t
files_each(const char *folder, void (*each)(const char *path, struct span content))
{
	struct dirent **names;
	char full[1024], path[2048];
	size_t count = 0;
	int n;

	path_of(full, folder);
	if ((n = scandir(full, &names, NULL, alphasort)) < 0)
		return 0;
	for (int i = 0; i < n; i++) {
		struct buf content = BUF_INIT(64u * 1024u * 1024u);

		(void)snprintf(path, sizeof path, "%s/%s", folder, names[i]->d_name);
		if (names[i]->d_name[0] != '.' && file_read(&content, path)) {
			each(path, buf_span(&content));
			count++;
		}
		buf_free(&content);
		free(names[i]);
	}
	free(names);
	return count;
}
