/* sim_memory: SQLite's memory in the simulation: pieces of a few sizes that are taken up again, since a run is one thread and asks for the same again and again. */
#ifndef KW_SIM_MEMORY_H
#define KW_SIM_MEMORY_H

void sim_memory_begin(void); /* before SQLite is used. Under a sanitizer nothing: there each piece is to be malloc's own */

#endif
