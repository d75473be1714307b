#include "base/test.h"

#include "api/codec/document.h"
#include "api_types.h"

// A VM with every shape of value: texts, numbers, objects in objects, lists of each.
static ApiDocument *vm_new(void)
{
    ApiDocument *document = api_document_new(&api_type_vm);
    Arena *arena = &document->arena;
    ApiVm *vm = document->object;
    vm->id = arena_string(arena, "7e35a9c6-54ad-4b2f-8d6b-0c3ac1c0f2a1");
    vm->name = arena_string(arena, "accounting");
    vm->memory = API_INT(1 << 30);
    vm->stateless = API_FALSE;
    vm->cluster = api_reference_new(arena, &api_type_cluster, "here");
    vm->os = ARENA_NEW(arena, ApiOperatingSystem);
    vm->os->type = arena_string(arena, "rhel_9x64");
    vm->os->boot = ARENA_NEW(arena, ApiBoot);
    static ApiBootDevice devices[] = {API_BOOT_DEVICE_HD, API_BOOT_DEVICE_NETWORK};
    vm->os->boot->devices.items = devices;
    vm->os->boot->devices.count = COUNT_OF(devices);
    vm->os->boot->devices.set = true;
    vm->tags.set = true; // and empty
    for (int i = 0; i < 20; i++) {
        ApiNic *nic = ARENA_NEW(arena, ApiNic);
        nic->name = arena_format(arena, "nic%d with a name that takes some room", i);
        api_list_add(arena, &vm->nics, nic);
    }
    return document;
}

TEST(a_packed_document_is_equal_and_its_own)
{
    ApiDocument *document = vm_new(), *same = vm_new();
    ApiDocument *packed = api_document_pack(document);
    api_document_unref(document);
    assert_true(api_equal(&api_type_vm, packed->object, same->object));
    assert_int_equal(packed->references, 1);
    api_document_unref(packed);
    api_document_unref(same);
}

TEST(a_packed_document_takes_what_it_must)
{
    ApiDocument *document = vm_new(), *packed = api_document_pack(document);
    ApiDocument *again = api_document_pack(packed);
    size_t total = packed->arena.total;
    assert_true(total < document->arena.total);
    assert_int_equal(again->arena.total, total);
    // All of it is used: the smallest thing more needs a second piece.
    arena_alloc(&packed->arena, 1);
    assert_true(packed->arena.total > total);
    // And it was one piece: the second is twice as large.
    assert_int_equal(packed->arena.total, total * 3);
    api_document_unref(document);
    api_document_unref(packed);
    api_document_unref(again);
}
