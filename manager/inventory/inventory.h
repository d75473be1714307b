// The manager's picture of the data centre: every entity in memory, owned by the loop's thread.
//
// What an administrator has decided lies in an entity's document, is changed only through a
// Change, and is durable. What hosts and storage can tell lies in its state and is asked again
// after a restart.
#pragma once

#include "api/codec/document.h"
#include "api_types.h"
#include "base/array.h"
#include "base/map.h"
#include "base/uuid.h"
#include "manager/store/store.h"

typedef enum Kind {
#define KIND(upper, name, type, noun) KIND_##upper,
#include "manager/inventory/kinds.def"
#undef KIND
    _KIND_MAX,
} Kind;

typedef struct Inventory Inventory;
typedef struct MacIndex MacIndex;

typedef struct Entity {
    char id[UUID_SIZE];
    Kind kind;
    ApiDocument *document;
    uint64_t revision;
    void *state;         // the kind's own struct, zeroed at first; see state.h
    struct Entity *twin; // next one of the same kind and name
    size_t position;     // in the kind's array
    int references;
    bool removed; // from the inventory; somebody still holds it
} Entity;

// The document's object, typed: const ApiVm *vm = ENTITY_VM(entity).
#define ENTITY_OBJECT(entity, Type) ((const Api##Type *)(entity)->document->object)

const char *kind_name(Kind kind); // "vm"
const char *kind_noun(Kind kind); // "VM": in messages
const ApiType *kind_type(Kind kind);
Kind kind_from_name(const char *name); // _KIND_MAX when unknown

Inventory *inventory_new(void);
void inventory_free(Inventory *inventory);
// Puts a stored document in; the texts may go afterwards.
int inventory_load(Inventory *inventory, Kind kind, const char *id, uint64_t revision,
                   const char *document, size_t length, Fail *why);

Entity *entity_ref(Entity *entity);
void entity_unref(Entity *entity);             // NULL is fine
const char *entity_name(const Entity *entity); // "" when it has none
// By name in either case, then by id: the order of lists.
int entity_compare(const Entity *one, const Entity *other);

Entity *inventory_get(const Inventory *inventory, Kind kind, const char *id);
// First with that name; more by ->twin.
Entity *inventory_named(const Inventory *inventory, Kind kind, const char *name);
size_t inventory_count(const Inventory *inventory, Kind kind);
// Unordered; stable until the next change.
Entity *const *inventory_all(const Inventory *inventory, Kind kind);
// In the order of lists; stable until the next change. Kept while no name changes.
Entity *const *inventory_by_name(Inventory *inventory, Kind kind);
uint64_t inventory_revision(const Inventory *inventory);

#define INVENTORY_EACH(inventory, kind, entity)                                        \
    for (size_t _i_##entity = 0; _i_##entity < inventory_count((inventory), (kind));   \
         _i_##entity++)                                                                \
        for (Entity *entity = inventory_all((inventory), (kind))[_i_##entity]; entity; \
             entity = NULL)

// VMs that a disk is attached to: NULL or an array of Entity *.
const Array *inventory_disk_vms(const Inventory *inventory, const char *disk);
// MAC addresses of the NICs of all VMs.
const MacIndex *inventory_macs(const Inventory *inventory);

// ---- for change.c. A copy of the document is kept.

Entity *inventory_insert(Inventory *inventory, Kind kind, const char *id, ApiDocument *document,
                         uint64_t revision);
void inventory_replace(Inventory *inventory, Entity *entity, ApiDocument *document,
                       uint64_t revision);
void inventory_erase(Inventory *inventory, Entity *entity);
// Puts an erased entity back (a change that could not be made durable).
void inventory_restore(Inventory *inventory, Entity *entity);
uint64_t inventory_next_revision(Inventory *inventory);
