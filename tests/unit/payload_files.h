/* payload_files: files for the tests of payloads: of the tree, and of the shared folder beside it. */
#ifndef KW_TESTS_PAYLOAD_FILES_H
#define KW_TESTS_PAYLOAD_FILES_H

#include <stdbool.h>

#include "base/span.h"

/* Relative to the source folder. False when absent or unreadable. */
bool file_read(struct buf *out, const char *path);
/* Calls each with every file of the folder in the order of their names; gives how many there were. */
size_t files_each(const char *folder, void (*each)(const char *path, struct span content));

#endif
