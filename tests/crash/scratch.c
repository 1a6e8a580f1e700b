/* scratch: see the header. */
#include "tests/crash/scratch.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool
scratch_make(char *out, size_t len)
{
	(void)snprintf(out, len, "%s/kw-crash-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	return mkdtemp(out) != NULL;
}

void
scratch_empty(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;
	char inner[512];

	while (d != NULL && (e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		(void)snprintf(inner, sizeof inner, "%s/%s", path, e->d_name);
		if (unlink(inner) != 0) {
			scratch_empty(inner);
			(void)rmdir(inner);
		}
	}
	if (d != NULL)
		(void)closedir(d);
}
