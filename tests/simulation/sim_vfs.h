/*
 * sim_vfs: SQLite on a pretend disk (sim_disk), so that a node's store can be crashed at any moment, many times in a process.
 *
 * It syncs files and folders just where SQLite's own way to a Unix disk does. Locks and the memory that connections share in WAL mode
 * live in the process and go with a crash. What SQLite asks of chance comes from the disk's dice, its clock stands still. One thread.
 */
#ifndef KW_SIM_VFS_H
#define KW_SIM_VFS_H

#include "tests/simulation/sim_disk.h"

struct sim_vfs;

/*
 * From here on every database that this process opens lies on d; SQLite's source of random numbers starts anew from dice, so that two
 * runs with the same dice write the same bytes. One at a time.
 */
struct sim_vfs *sim_vfs_new(struct sim_disk *d, struct sim_dice dice);
void sim_vfs_free(struct sim_vfs **v); /* all databases are closed before; the ones behind it lie on the real disk again */

#endif
