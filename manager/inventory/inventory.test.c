#include "base/test.h"

#include "base/strbuf.h"
#include "manager/inventory/inventory.h"

static ApiDocument *tag_new(const char *id, const char *name)
{
    ApiDocument *document = api_document_new(&api_type_tag);
    ApiTag *tag = document->object;
    tag->id = arena_string(&document->arena, id);
    tag->name = arena_string(&document->arena, name);
    return document;
}

static Entity *add(Inventory *inventory, const char *id, const char *name)
{
    ApiDocument *document = tag_new(id, name);
    Entity *entity = inventory_insert(inventory, KIND_TAG, id, document, 1);
    api_document_unref(document);
    return entity;
}

static void rename_to(Inventory *inventory, Entity *entity, const char *name)
{
    ApiDocument *document = tag_new(entity->id, name);
    inventory_replace(inventory, entity, document, 2);
    api_document_unref(document);
}

static void assert_order(Inventory *inventory, const char *expected)
{
    AUTO_STRBUF ids = {0};
    Entity *const *all = inventory_by_name(inventory, KIND_TAG);
    for (size_t i = 0; i < inventory_count(inventory, KIND_TAG); i++)
        strbuf_adds(&ids, all[i]->id);
    assert_string_equal(ids.data ? ids.data : "", expected);
}

TEST(lists_are_ordered_by_name_in_either_case_then_by_id)
{
    Inventory *inventory = inventory_new();
    assert_order(inventory, "");
    add(inventory, "4", "same");
    add(inventory, "1", "beta");
    add(inventory, "3", "Same");
    add(inventory, "2", "Alpha");
    assert_order(inventory, "2134");
    inventory_free(inventory);
}

TEST(the_order_follows_every_change)
{
    Inventory *inventory = inventory_new();
    Entity *first = add(inventory, "1", "a"), *second = add(inventory, "2", "b");
    assert_order(inventory, "12");
    add(inventory, "3", "aa");
    assert_order(inventory, "132");
    rename_to(inventory, first, "c");
    assert_order(inventory, "321");
    inventory_erase(inventory, second);
    assert_order(inventory, "31");
    inventory_restore(inventory, second);
    assert_order(inventory, "321");
    rename_to(inventory, second, "b");
    assert_order(inventory, "321");
    inventory_free(inventory);
}

TEST(a_replaced_document_is_found_by_its_new_name)
{
    Inventory *inventory = inventory_new();
    Entity *entity = add(inventory, "1", "old");
    rename_to(inventory, entity, "new");
    assert_null(inventory_named(inventory, KIND_TAG, "old"));
    assert_ptr_equal(inventory_named(inventory, KIND_TAG, "new"), entity);
    rename_to(inventory, entity, entity_name(entity)); // a name that lies in what is replaced
    assert_string_equal(entity_name(entity), "new");
    inventory_free(inventory);
}
