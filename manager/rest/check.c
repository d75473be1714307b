#include "manager/rest/check.h"

#include <ctype.h>
#include <string.h>

#include "base/json.h"
#include "manager/identity/group.h"
#include "manager/rest/items.h"

// ---- texts

static bool is_control(unsigned char character)
{
    return character < 0x20 || character == 0x7f;
}

int request_check_text(Request *request, const char *member, const char *text, size_t max)
{
    if (!text)
        return 0;
    if (strlen(text) > max)
        return fail_set(&request->why, FAIL_OUT_OF_RANGE, "%s: at most %zu bytes are possible.",
                        member, max);
    for (const unsigned char *at = (const unsigned char *)text; *at; at++)
        if (is_control(*at) && !strchr("\t\r\n", *at))
            return fail_set(&request->why, FAIL_INVALID, "%s: a control character (0x%02x) in it.",
                            member, *at);
    return 0;
}

static bool name_has(const char *name, NameForm form)
{
    size_t length = strlen(name);
    if (form == NAME_TEXT && (name[0] == ' ' || name[length - 1] == ' '))
        return false;
    for (const unsigned char *at = (const unsigned char *)name; *at; at++) {
        bool word = isalnum(*at) || strchr("._-", *at) || *at >= 0x80;
        if (form == NAME_WORD ? !word : is_control(*at))
            return false;
    }
    return true;
}

int request_check_name(Request *request, const char *member, const char *name, NameForm form,
                       size_t max)
{
    if (!name)
        return 0;
    if (!*name)
        return fail_set(&request->why, FAIL_INVALID, "%s: a name can't be empty.", member);
    if (strlen(name) > max)
        return fail_set(&request->why, FAIL_OUT_OF_RANGE, "%s: at most %zu bytes are possible.",
                        member, max);
    if (name_has(name, form))
        return 0;
    fail_set(&request->why, FAIL_INVALID, "%s: \"%s\" has a character that such names can't have.",
             member, name);
    fail_hint(&request->why, form == NAME_WORD ? "Use letters, digits and . _ -"
                                               : "Leave out control characters and outer spaces");
    return fail_to_errno(FAIL_INVALID);
}

static const char *text_member(const ApiType *type, const void *object, const char *name)
{
    const ApiField *field = api_field_find(type, name);
    return field ? *(const char *const *)((const char *)object + field->offset) : NULL;
}

int request_check_identified(Request *request, const ApiType *type, const void *object,
                             NameForm form, size_t name_max)
{
    static const char *const texts[] = {"description", "comment"};
    AUTO_FREE char *name = memory_format("%s.name", type->one);
    int result =
        request_check_name(request, name, text_member(type, object, "name"), form, name_max);
    for (size_t i = 0; !result && i < COUNT_OF(texts); i++) {
        AUTO_FREE char *member = memory_format("%s.%s", type->one, texts[i]);
        result = request_check_text(request, member, text_member(type, object, texts[i]),
                                    CHECK_TEXT_MAX);
    }
    return result;
}

int request_check_integer(Request *request, const char *member, ApiInteger value, int64_t from,
                          int64_t to)
{
    if (!value.set || (value.value >= from && value.value <= to))
        return 0;
    return fail_set(&request->why, FAIL_OUT_OF_RANGE, "%s: %lld is not between %lld and %lld.",
                    member, (long long)value.value, (long long)from, (long long)to);
}

int request_check_name_unused(Request *request, Kind kind, const char *name, const Entity *except)
{
    if (!name)
        return 0;
    for (Entity *other = inventory_named(request->manager->inventory, kind, name); other;
         other = other->twin) {
        if (other == except)
            continue;
        fail_set(&request->why, FAIL_EXISTS, "Cannot %s %s. The name %s is already in use.",
                 except ? "edit" : "add", kind_noun(kind), name);
        fail_detail(&request->why, "%s %s has it", kind_noun(kind), other->id);
        fail_object(&request->why, other->id);
        return fail_to_errno(FAIL_EXISTS);
    }
    return 0;
}

// ---- the path

static const RouteStep *step_of(const Request *request, const char *service)
{
    for (int i = request->route.depth - 1; i >= 0; i--)
        if (!strcmp(request->route.steps[i].service->name, service))
            return &request->route.steps[i];
    return NULL;
}

const char *request_id_of(const Request *request, const char *service)
{
    const RouteStep *step = step_of(request, service);
    return step && step->is_id ? step->segment : NULL;
}

bool request_is_below(const Request *request, const char *service)
{
    return step_of(request, service) != NULL;
}

int request_not_found(Request *request, const char *noun, const char *id)
{
    fail_set(&request->why, FAIL_NOT_FOUND, "There is no %s with the id %s.", noun,
             id ? id : "(none)");
    fail_object(&request->why, id);
    return fail_to_errno(FAIL_NOT_FOUND);
}

Entity *request_entity_of(Request *request, const char *service, Kind kind)
{
    const char *id = request_id_of(request, service);
    Entity *entity = id ? inventory_get(request->manager->inventory, kind, id) : NULL;
    if (!entity)
        request_not_found(request, kind_noun(kind), id);
    return entity;
}

const char *request_last_id(const Request *request)
{
    const RouteStep *step = &request->route.steps[request->route.depth - 1];
    return step->is_id ? step->segment : NULL;
}

// Nouns whose objects have collections below them. Those without a row have no objects yet.
static const struct {
    const char *service;
    Kind kind;
} parent_rows[] = {
    {"Cluster", KIND_CLUSTER},
    {"ClusterNetwork", KIND_NETWORK},
    {"DataCenter", KIND_DATA_CENTER},
    {"DataCenterNetwork", KIND_NETWORK},
    {"Disk", KIND_DISK},
    {"Host", KIND_HOST},
    {"InstanceType", KIND_INSTANCE_TYPE},
    {"MacPool", KIND_MAC_POOL},
    {"Network", KIND_NETWORK},
    {"AssignedVnicProfile", KIND_VNIC_PROFILE},
    {"AttachedStorageDomain", KIND_STORAGE_DOMAIN},
    {"StorageDomain", KIND_STORAGE_DOMAIN},
    {"Template", KIND_TEMPLATE},
    {"User", KIND_USER},
    {"Vm", KIND_VM},
    {"VnicProfile", KIND_VNIC_PROFILE},
};

static bool parent_exists(const Request *request, const RouteStep *step)
{
    for (size_t i = 0; i < COUNT_OF(parent_rows); i++)
        if (!strcmp(parent_rows[i].service, step->service->name))
            return inventory_get(request->manager->inventory, parent_rows[i].kind, step->segment);
    return !strcmp(step->service->name, "Group") && !strcmp(step->segment, GROUP_EVERYONE);
}

int request_check_parents(Request *request)
{
    const RouteStep *steps = request->route.steps;
    for (int i = 0; i < request->route.depth - 1; i++)
        if (steps[i].is_id && !parent_exists(request, &steps[i]))
            return request_not_found(request, steps[i].service->name, steps[i].segment);
    const char *cluster = request_id_of(request, "Cluster");
    const char *data_center = request_id_of(request, "DataCenter");
    if (!cluster || !data_center)
        return 0;
    Entity *entity = inventory_get(request->manager->inventory, KIND_CLUSTER, cluster);
    if (entity && reference_is(ENTITY_OBJECT(entity, Cluster)->data_center, data_center))
        return 0;
    return request_not_found(request, "cluster", cluster);
}

bool request_is_admin(const Request *request)
{
    return request->user.role && request->user.role->administrative;
}

// ---- bodies and references

const void *request_body_members(Request *request)
{
    const ApiType *type = request->method->body;
    char *copy = arena_bytes(&request->arena, request->body, type->size);
    *(ApiHead *)copy = (ApiHead){0};
    for (int i = 0; i < type->count; i++) {
        const ApiField *field = &type->fields[i];
        if ((field->flags & API_LIST) && (field->flags & API_LINK))
            *(ApiList *)(copy + field->offset) = (ApiList){0};
    }
    return copy;
}

bool reference_is(const void *reference, const char *id)
{
    const ApiHead *head = reference;
    return head && head->id && id && !strcmp(head->id, id);
}
