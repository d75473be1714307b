#include "manager/inventory/inventory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "manager/inventory/mac_index.h"
#include "manager/inventory/state.h"
#include "model/mac_address.h"

typedef struct KindRow {
    const char *name, *noun;
    const ApiType *type;
    const ApiField *name_field; // "name" of the type; NULL when it has none
} KindRow;

struct Inventory {
    Map by_id[_KIND_MAX], by_name[_KIND_MAX];
    Array all[_KIND_MAX];
    Entity **ordered[_KIND_MAX]; // all, in the order of lists; NULL: to be made
    Map disk_vms;                // disk id -> Array of VMs; keys are the inventory's own
    MacIndex macs;               // of the NICs of all VMs
    uint64_t revision;
};

static KindRow kind_rows[] = {
#define KIND(upper, name, type, noun) [KIND_##upper] = {#name, noun, NULL, NULL},
#include "manager/inventory/kinds.def"
#undef KIND
};

// The descriptors are external objects and their names differ from ours: bound once.
static void kinds_bind(void)
{
    if (kind_rows[0].type)
        return;
    static const char *const types[] = {
#define KIND(upper, name, type, noun) [KIND_##upper] = #type,
#include "manager/inventory/kinds.def"
#undef KIND
    };
    for (int kind = 0; kind < _KIND_MAX; kind++) {
        for (size_t i = 0; i < api_types_count; i++)
            if (!strcmp(api_types[i]->name, types[kind]))
                kind_rows[kind].type = api_types[i];
        if (!kind_rows[kind].type)
            abort(); // kinds.def names a type that api/ does not have
        kind_rows[kind].name_field = api_field_find(kind_rows[kind].type, "name");
    }
}

const char *kind_name(Kind kind)
{
    return kind_rows[kind].name;
}

const char *kind_noun(Kind kind)
{
    return kind_rows[kind].noun;
}

const ApiType *kind_type(Kind kind)
{
    kinds_bind();
    return kind_rows[kind].type;
}

Kind kind_from_name(const char *name)
{
    for (Kind kind = 0; kind < _KIND_MAX; kind++)
        if (!strcmp(kind_rows[kind].name, name))
            return kind;
    return _KIND_MAX;
}

Inventory *inventory_new(void)
{
    kinds_bind();
    return NEW(Inventory);
}

// ---- entities

Entity *entity_ref(Entity *entity)
{
    entity->references++;
    return entity;
}

void entity_unref(Entity *entity)
{
    if (!entity || --entity->references)
        return;
    if (entity->state) {
        state_done(entity->kind, entity->state);
        free(entity->state);
    }
    api_document_unref(entity->document);
    free(entity);
}

static const char *document_name(Kind kind, const ApiDocument *document)
{
    const ApiField *field = kind_rows[kind].name_field;
    return field ? *(const char *const *)((const char *)document->object + field->offset) : NULL;
}

const char *entity_name(const Entity *entity)
{
    const char *name = document_name(entity->kind, entity->document);
    return name ? name : "";
}

int entity_compare(const Entity *one, const Entity *other)
{
    int order = strcasecmp(entity_name(one), entity_name(other));
    return order ? order : strcmp(one->id, other->id);
}

// ---- indexes

static void index_name(Inventory *inventory, Entity *entity)
{
    const char *name = document_name(entity->kind, entity->document);
    entity->twin = NULL;
    if (name)
        entity->twin = map_put(&inventory->by_name[entity->kind], name, entity);
}

static void unindex_name(Inventory *inventory, Entity *entity)
{
    Map *map = &inventory->by_name[entity->kind];
    const char *name = document_name(entity->kind, entity->document);
    MapSlot *slot = name ? map_slot(map, name) : NULL;
    if (!slot)
        return;
    Entity *at = slot->value;
    if (at != entity) {
        while (at && at->twin != entity)
            at = at->twin;
        if (at)
            at->twin = entity->twin;
    } else if (!entity->twin) {
        map_remove(map, name);
    } else { // the key must not point into the document that goes
        slot->key = document_name(entity->kind, entity->twin->document);
        slot->value = entity->twin;
    }
    entity->twin = NULL;
}

static void index_disk(Inventory *inventory, Entity *vm, const char *disk, bool add)
{
    Array *vms = map_get(&inventory->disk_vms, disk);
    if (!vms && add) {
        vms = NEW(Array);
        map_put(&inventory->disk_vms, memory_string(disk), vms);
    }
    if (add) {
        array_add(vms, vm);
        return;
    }
    for (size_t i = 0; vms && i < vms->count; i++)
        if (vms->items[i] == vm) {
            vms->items[i] = vms->items[--vms->count];
            break;
        }
    if (vms && !vms->count) {
        char *key = (char *)map_slot(&inventory->disk_vms, disk)->key;
        map_remove(&inventory->disk_vms, disk);
        free(key);
        array_done(vms);
        free(vms);
    }
}

static void index_vm_disks(Inventory *inventory, Entity *vm, bool add)
{
    const ApiVm *object = ENTITY_OBJECT(vm, Vm);
    for (uint32_t i = 0; i < object->disk_attachments.count; i++)
        if (object->disk_attachments.items[i]->id)
            index_disk(inventory, vm, object->disk_attachments.items[i]->id, add);
}

static void index_vm_macs(Inventory *inventory, const Entity *vm, bool add)
{
    const ApiVm *object = ENTITY_OBJECT(vm, Vm);
    for (uint32_t i = 0; i < object->nics.count; i++) {
        const ApiMac *mac = object->nics.items[i]->mac;
        uint64_t address;
        if (mac && mac_parse(mac->address, &address))
            (add ? mac_index_add : mac_index_remove)(&inventory->macs, address);
    }
}

static void forget_order(Inventory *inventory, Kind kind)
{
    free(inventory->ordered[kind]);
    inventory->ordered[kind] = NULL;
}

static void inventory_index(Inventory *inventory, Entity *entity)
{
    index_name(inventory, entity);
    if (entity->kind != KIND_VM)
        return;
    index_vm_disks(inventory, entity, true);
    index_vm_macs(inventory, entity, true);
}

static void inventory_unindex(Inventory *inventory, Entity *entity)
{
    unindex_name(inventory, entity);
    if (entity->kind != KIND_VM)
        return;
    index_vm_disks(inventory, entity, false);
    index_vm_macs(inventory, entity, false);
}

// ---- changes

void inventory_restore(Inventory *inventory, Entity *entity)
{
    Array *all = &inventory->all[entity->kind];
    entity->removed = false;
    entity->position = all->count;
    array_add(all, entity);
    forget_order(inventory, entity->kind);
    map_put(&inventory->by_id[entity->kind], entity->id, entity);
    inventory_index(inventory, entity);
}

Entity *inventory_insert(Inventory *inventory, Kind kind, const char *id, ApiDocument *document,
                         uint64_t revision)
{
    Entity *entity = NEW(Entity);
    memcpy(entity->id, id, strnlen(id, UUID_SIZE - 1));
    entity->kind = kind;
    entity->document = api_document_pack(document);
    entity->revision = revision;
    entity->references = 1;
    size_t size = state_size(kind);
    if (size) {
        entity->state = memory_new(1, size);
        state_init(entity);
    }
    inventory_restore(inventory, entity);
    return entity;
}

void inventory_replace(Inventory *inventory, Entity *entity, ApiDocument *document,
                       uint64_t revision)
{
    ApiDocument *packed = api_document_pack(document);
    const char *name = document_name(entity->kind, packed);
    inventory_unindex(inventory, entity);
    if (strcmp(name ? name : "", entity_name(entity)))
        forget_order(inventory, entity->kind);
    api_document_unref(entity->document);
    entity->document = packed;
    entity->revision = revision;
    inventory_index(inventory, entity);
}

void inventory_erase(Inventory *inventory, Entity *entity)
{
    Array *all = &inventory->all[entity->kind];
    inventory_unindex(inventory, entity);
    forget_order(inventory, entity->kind);
    map_remove(&inventory->by_id[entity->kind], entity->id);
    Entity *last = all->items[--all->count];
    all->items[entity->position] = last;
    last->position = entity->position;
    entity->removed = true;
}

uint64_t inventory_next_revision(Inventory *inventory)
{
    return ++inventory->revision;
}

int inventory_load(Inventory *inventory, Kind kind, const char *id, uint64_t revision,
                   const char *document, size_t length, Fail *why)
{
    const char *error = NULL;
    size_t offset = 0;
    AUTO_ARENA arena = {0};
    arena_init(&arena, length * 4 + 1024);
    Json *json = json_parse(&arena, document, length, &error, &offset);
    if (!json)
        return fail_set(why, FAIL_STORE, "The document of %s %s is damaged at byte %zu: %s.",
                        kind_noun(kind), id, offset, error);
    ApiDocument *loaded = api_document_new(kind_type(kind));
    loaded->object = api_load(&loaded->arena, kind_type(kind), json, why);
    int result = loaded->object ? 0 : fail_to_errno(FAIL_STORE);
    if (!result)
        inventory_insert(inventory, kind, id, loaded, revision);
    if (revision > inventory->revision)
        inventory->revision = revision;
    api_document_unref(loaded);
    return result;
}

// ---- looking things up

Entity *inventory_get(const Inventory *inventory, Kind kind, const char *id)
{
    return map_get(&inventory->by_id[kind], id);
}

Entity *inventory_named(const Inventory *inventory, Kind kind, const char *name)
{
    return map_get(&inventory->by_name[kind], name);
}

size_t inventory_count(const Inventory *inventory, Kind kind)
{
    return inventory->all[kind].count;
}

Entity *const *inventory_all(const Inventory *inventory, Kind kind)
{
    return (Entity *const *)inventory->all[kind].items;
}

static int by_name(const void *one, const void *other)
{
    return entity_compare(*(Entity *const *)one, *(Entity *const *)other);
}

Entity *const *inventory_by_name(Inventory *inventory, Kind kind)
{
    const Array *all = &inventory->all[kind];
    Entity **ordered = inventory->ordered[kind];
    if (ordered || !all->count)
        return ordered;
    ordered = inventory->ordered[kind] = NEW_ARRAY(Entity *, all->count);
    memcpy(ordered, all->items, all->count * sizeof(Entity *));
    qsort(ordered, all->count, sizeof(Entity *), by_name);
    return ordered;
}

uint64_t inventory_revision(const Inventory *inventory)
{
    return inventory->revision;
}

const Array *inventory_disk_vms(const Inventory *inventory, const char *disk)
{
    return map_get(&inventory->disk_vms, disk);
}

const MacIndex *inventory_macs(const Inventory *inventory)
{
    return &inventory->macs;
}

void inventory_free(Inventory *inventory)
{
    if (!inventory)
        return;
    // VMs hold references to hosts, data centres to their SPM: those go first.
    for (int kind = _KIND_MAX - 1; kind >= 0; kind--) {
        while (inventory->all[kind].count) {
            Entity *entity = inventory->all[kind].items[inventory->all[kind].count - 1];
            inventory_erase(inventory, entity);
            entity_unref(entity);
        }
        map_done(&inventory->by_id[kind]);
        map_done(&inventory->by_name[kind]);
        array_done(&inventory->all[kind]);
    }
    map_done(&inventory->disk_vms);
    mac_index_done(&inventory->macs);
    free(inventory);
}
