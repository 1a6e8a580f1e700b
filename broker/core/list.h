/* list: an intrusive ring of links. A link that stands in no list points to itself. */
#ifndef KW_BROKER_LIST_H
#define KW_BROKER_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct link { struct link *prev, *next; };

#define LINK_OF(link, type, field) ((type *)(void *)((char *)(link) - offsetof(type, field)))

static inline void
link_init(struct link *l)
{
	l->prev = l->next = l;
}

static inline bool
link_alone(const struct link *l) /* of a list's head: the list is empty */
{
	return l->next == l;
}

static inline void
link_remove(struct link *l)
{
	l->prev->next = l->next;
	l->next->prev = l->prev;
	link_init(l);
}

static inline void
link_append(struct link *head, struct link *l) /* moves l to the end of head's list */
{
	link_remove(l);
	l->prev = head->prev;
	l->next = head;
	head->prev->next = l;
	head->prev = l;
}

#endif
