/* trail_copy: see its header. */
#include "audit/trail_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum kw_err
look(uint64_t *bytes, const struct trail_copy *c, uint32_t i, struct kw_why *why)
{
	char path[TRAIL_PATH_MAX];
	struct stat st;
	enum kw_err err = trail_path(path, c->folder, c->years.year[i], why);

	if (err != KW_OK)
		return err;
	if (stat(path, &st) != 0)
		return kw_refuse(why, KW_EIO, "%s cannot be looked at: %s", path, strerror(errno));
	*bytes = (uint64_t)st.st_size;
	return KW_OK;
}

enum kw_err
trail_copy_begin(struct trail_copy *out, struct trail *t, uint64_t now_ms, struct kw_why *why)
{
	enum kw_err err;

	if (snprintf(out->folder, sizeof out->folder, "%s", trail_folder(t)) >= (int)sizeof out->folder)
		return kw_refuse(why, KW_ELIMIT, "the path of the audit trail is too long");
	if ((err = trail_head(t, now_ms, why)) != KW_OK || (err = trail_years(&out->years, out->folder, why)) != KW_OK)
		return err;
	for (uint32_t i = 0; i < out->years.count && err == KW_OK; i++)
		err = look(&out->bytes[i], out, i, why);
	return err;
}

void
trail_copy_name(char out[TRAIL_COPY_NAME_MAX], const struct trail_copy *c, uint32_t i)
{
	(void)snprintf(out, TRAIL_COPY_NAME_MAX, "audit/%04u.audit", c->years.year[i]);
}

enum kw_err
trail_copy_read(struct buf *out, const struct trail_copy *c, uint32_t i, uint64_t place, size_t most, struct kw_why *why)
{
	size_t want = place < c->bytes[i] ? (c->bytes[i] - place < most ? (size_t)(c->bytes[i] - place) : most) : 0;
	char path[TRAIL_PATH_MAX];
	uint8_t *at;
	ssize_t n;
	int fd;
	enum kw_err err = trail_path(path, c->folder, c->years.year[i], why);

	if (err != KW_OK || want == 0)
		return err;
	if ((at = buf_reserve(out, want)) == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for the audit trail");
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ? kw_refuse(why, KW_ENOTFOUND, "a year of the audit trail came to its end and was removed meanwhile; begin the backup anew")
		                       : kw_refuse(why, KW_EIO, "%s cannot be opened: %s", path, strerror(errno));
	do
		n = pread(fd, at, want, (off_t)place);
	while (n < 0 && errno == EINTR);
	(void)close(fd);
	if (n <= 0)
		return kw_refuse(why, KW_EIO, "%s cannot be read: %s", path, n == 0 ? "it is shorter than it was" : strerror(errno));
	buf_commit(out, (size_t)n);
	return KW_OK;
}
