// Intrusive doubly linked list: the node lies in the element.
#pragma once

#include "base/memory.h"

typedef struct List {
    struct List *next, *previous;
} List;

static inline void list_init(List *head)
{
    head->next = head->previous = head;
}

static inline bool list_empty(const List *head)
{
    return !head->next || head->next == head;
}

static inline void list_append(List *head, List *node)
{
    node->previous = head->previous;
    node->next = head;
    head->previous->next = node;
    head->previous = node;
}

// Harmless on a node that is in no list (zeroed or removed before).
static inline void list_remove(List *node)
{
    if (!node->next)
        return;
    node->previous->next = node->next;
    node->next->previous = node->previous;
    node->next = node->previous = NULL;
}

// The first node, which is in no list any more, or NULL.
static inline List *list_take(List *head)
{
    List *first = list_empty(head) ? NULL : head->next;
    if (first)
        list_remove(first);
    return first;
}

// LIST_TAKE(head, Type, member): the first element, which is in no list any more, or NULL.
#define LIST_TAKE(head, Type, member)                    \
    ({                                                   \
        List *_taken = list_take(head);                  \
        _taken ? CONTAINER(_taken, Type, member) : NULL; \
    })

// LIST_EACH(head, Type, member, name): the current element may be removed in the body.
#define LIST_EACH(head, Type, member, name)                                   \
    for (Type *name = CONTAINER((head)->next, Type, member), *_next_##name;   \
         &name->member != (head) &&                                           \
         ((_next_##name = CONTAINER(name->member.next, Type, member)), true); \
         name = _next_##name)
