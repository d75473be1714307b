#include "base/test.h"

#include "base/list.h"

typedef struct Item {
    int number;
    List node;
} Item;

static int digits(List *head)
{
    int value = 0;
    LIST_EACH(head, Item, node, item)
        value = value * 10 + item->number;
    return value;
}

TEST(appended_in_order)
{
    List head;
    Item items[] = {{.number = 1}, {.number = 2}, {.number = 3}};
    list_init(&head);
    assert_true(list_empty(&head));
    assert_int_equal(digits(&head), 0);
    for (int i = 0; i < 3; i++)
        list_append(&head, &items[i].node);
    assert_false(list_empty(&head));
    assert_int_equal(digits(&head), 123);
}

TEST(taken_from_the_front)
{
    List head;
    Item items[] = {{.number = 1}, {.number = 2}};
    list_init(&head);
    for (int i = 0; i < 2; i++)
        list_append(&head, &items[i].node);
    assert_ptr_equal(LIST_TAKE(&head, Item, node), &items[0]);
    assert_int_equal(digits(&head), 2);
    assert_ptr_equal(LIST_TAKE(&head, Item, node), &items[1]);
    assert_null(LIST_TAKE(&head, Item, node));
    list_append(&head, &items[0].node);
    assert_int_equal(digits(&head), 1);
}

TEST(remove_anywhere)
{
    List head;
    Item items[] = {{.number = 1}, {.number = 2}, {.number = 3}};
    list_init(&head);
    for (int i = 0; i < 3; i++)
        list_append(&head, &items[i].node);
    list_remove(&items[1].node);
    assert_int_equal(digits(&head), 13);
    list_remove(&items[1].node); // again: harmless
    assert_int_equal(digits(&head), 13);
    list_append(&head, &items[1].node);
    assert_int_equal(digits(&head), 132);
    list_remove(&items[0].node);
    list_remove(&items[1].node);
    list_remove(&items[2].node);
    assert_true(list_empty(&head));
}

TEST(zeroed_nodes_and_heads_are_harmless)
{
    List head = {0}, node = {0};
    assert_true(list_empty(&head));
    list_remove(&node);
    assert_null(node.next);
}

TEST(each_may_remove_the_current)
{
    List head;
    Item items[6] = {0};
    list_init(&head);
    for (int i = 0; i < 6; i++) {
        items[i].number = i + 1;
        list_append(&head, &items[i].node);
    }
    LIST_EACH(&head, Item, node, item)
        if (item->number % 2)
            list_remove(&item->node);
    assert_int_equal(digits(&head), 246);
}
