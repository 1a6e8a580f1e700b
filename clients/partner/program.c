/* program: see its header. */
#include "clients/partner/program.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum kw_err
program_not_started(const char *program, int said, struct kw_why *why)
{
	enum kw_err err = said == ENOENT ? KW_ENOTFOUND : said == EACCES ? KW_EDENIED : KW_EIO;

	return kw_refuse(why, err, "%.200s cannot be started: %s", program, said == ENOEXEC ? "it is no program; a script begins with #! and its interpreter" : strerror(said));
}

enum kw_err
program_check(const char *program, struct kw_why *why)
{
	struct stat st;

	if (stat(program, &st) != 0)
		return program_not_started(program, errno, why);
	if (!S_ISREG(st.st_mode))
		return kw_refuse(why, KW_EINVAL, "%.200s cannot be started: it is no regular file", program);
	if (faccessat(AT_FDCWD, program, X_OK, AT_EACCESS) != 0)
		return errno == EACCES ? kw_refuse(why, KW_EDENIED, "%.200s cannot be started: no permission to execute it; chmod +x it", program)
		                       : program_not_started(program, errno, why);
	return KW_OK;
}
