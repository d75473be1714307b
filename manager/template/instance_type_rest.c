// Instance types: sizes of VMs with a name.
#include <string.h>

#include "manager/rest/check.h"
#include "manager/rest/reply.h"
#include "rest_handlers.h"

enum {
    INSTANCE_TYPE_NAME_MAX = 255,
    CPUS_MAX = 710,
    CORES_MAX = 254,
    THREADS_MAX = 8,
};

#define MEMORY_MIN (INT64_C(1) << 20)
#define MEMORY_MAX (INT64_C(64) << 40)

static void instance_type_view(Request *request, const Item *item, Arena *scratch, void *target)
{
    ApiInstanceType *view = target;
    (void)request;
    (void)scratch;
    *view = *(const ApiInstanceType *)item->document->object;
    view->description = VIEW_TEXT(view->description);
    view->comment = VIEW_TEXT(view->comment);
}

int instance_type_list(Request *request, Items *items)
{
    return items_collect(request, items, KIND_INSTANCE_TYPE, instance_type_view);
}

int instance_type_get(Request *request, Items *items)
{
    return items_one(request, items, KIND_INSTANCE_TYPE, 0, instance_type_view);
}

// ---- rules

static void fill_integer(ApiInteger *member, int64_t value)
{
    if (!member->set)
        *member = API_INT(value);
}

// Sizes that the client did not give follow the memory it gave.
static void instance_type_fill(Arena *arena, ApiInstanceType *type, const ApiInstanceType *wanted)
{
    const ApiMemoryPolicy *given = wanted->memory_policy;
    fill_integer(&type->memory, INT64_C(1) << 30);
    if (!type->memory_policy)
        type->memory_policy = ARENA_NEW(arena, ApiMemoryPolicy);
    ApiMemoryPolicy *policy = type->memory_policy;
    if (wanted->memory.set && !(given && given->guaranteed.set))
        policy->guaranteed = type->memory;
    if (wanted->memory.set && !(given && given->max.set))
        policy->max.set = false;
    fill_integer(&policy->guaranteed, type->memory.value);
    fill_integer(&policy->max,
                 type->memory.value > MEMORY_MAX / 4 ? MEMORY_MAX : type->memory.value * 4);
    if (!policy->ballooning)
        policy->ballooning = API_TRUE;
    if (!type->cpu)
        type->cpu = ARENA_NEW(arena, ApiCpu);
    if (!type->cpu->topology)
        type->cpu->topology = ARENA_NEW(arena, ApiCpuTopology);
    fill_integer(&type->cpu->topology->sockets, 1);
    fill_integer(&type->cpu->topology->cores, 1);
    fill_integer(&type->cpu->topology->threads, 1);
}

static int check_cpu(Request *request, const ApiCpuTopology *topology)
{
    int result = request_check_integer(request, "instance_type.cpu.topology.sockets",
                                       topology->sockets, 1, CPUS_MAX);
    if (!result)
        result = request_check_integer(request, "instance_type.cpu.topology.cores", topology->cores,
                                       1, CORES_MAX);
    if (!result)
        result = request_check_integer(request, "instance_type.cpu.topology.threads",
                                       topology->threads, 1, THREADS_MAX);
    ApiInteger all =
        API_INT(topology->sockets.value * topology->cores.value * topology->threads.value);
    return result ? result
                  : request_check_integer(request, "instance_type.cpu.topology (all CPUs)", all, 1,
                                          CPUS_MAX);
}

static int check_memory(Request *request, const ApiInstanceType *type)
{
    int result = request_check_integer(request, "instance_type.memory", type->memory, MEMORY_MIN,
                                       MEMORY_MAX);
    if (result)
        return result;
    if (type->memory_policy->guaranteed.value > type->memory.value)
        return fail_set(&request->why, FAIL_REJECTED,
                        "Cannot edit instance type. Physical Memory "
                        "Guaranteed cannot exceed Memory Size.");
    if (type->memory_policy->max.value < type->memory.value)
        return fail_set(&request->why, FAIL_REJECTED,
                        "Cannot edit instance type. Memory Size cannot exceed Maximum Memory.");
    return request_check_integer(request, "instance_type.memory_policy.max",
                                 type->memory_policy->max, MEMORY_MIN, MEMORY_MAX);
}

static int instance_type_take(Request *request, ApiDocument *draft, const Entity *except)
{
    ApiInstanceType *type = draft->object;
    const ApiInstanceType *wanted = request_body_members(request);
    api_merge(&draft->arena, draft->type, type, wanted);
    // An instance type belongs to no cluster and comes from nothing.
    type->cluster = NULL;
    type->storage_domain = NULL;
    type->vm = NULL;
    type->version = NULL;
    type->status = API_TEMPLATE_STATUS_UNSET;
    instance_type_fill(&draft->arena, type, wanted);
    int result =
        request_check_identified(request, draft->type, type, NAME_TEXT, INSTANCE_TYPE_NAME_MAX);
    if (!result)
        result = check_cpu(request, type->cpu->topology);
    if (!result)
        result = check_memory(request, type);
    return result ? result
                  : request_check_name_unused(request, KIND_INSTANCE_TYPE, type->name, except);
}

// ---- acts

void instance_type_add(Request *request)
{
    Change *change = change_new(request->manager, &request->cause);
    ApiDocument *draft = change_add(change, KIND_INSTANCE_TYPE, NULL);
    ApiInstanceType *type = draft->object;
    if (instance_type_take(request, draft, NULL)) {
        change_cancel(change);
        reply_fail(request);
        return;
    }
    AUTO_FREE char *path = memory_format("/instancetypes/%s", type->id);
    event_add(change, request->method->event, &(EventFacts){.name = type->name});
    commit_and_show(request, change, 201, path);
}

void instance_type_update(Request *request)
{
    Entity *type = request_entity(request, 0, KIND_INSTANCE_TYPE);
    if (!type) {
        reply_fail(request);
        return;
    }
    Change *change = change_new(request->manager, &request->cause);
    if (instance_type_take(request, change_edit(change, type), type)) {
        change_cancel(change);
        reply_fail(request);
        return;
    }
    event_add(change, request->method->event, &(EventFacts){.name = entity_name(type)});
    commit_and_show(request, change, 200, request->route.path);
}

static int check_unused(Request *request, const Entity *type)
{
    INVENTORY_EACH(request->manager->inventory, KIND_VM, vm)
        if (reference_is(ENTITY_OBJECT(vm, Vm)->instance_type, type->id)) {
            fail_set(&request->why, FAIL_CONFLICT,
                     "Cannot remove instance type. VM %s is of instance type %s.", entity_name(vm),
                     entity_name(type));
            fail_object(&request->why, vm->id);
            return fail_to_errno(FAIL_CONFLICT);
        }
    return 0;
}

void instance_type_remove(Request *request)
{
    Entity *type = request_entity(request, 0, KIND_INSTANCE_TYPE);
    if (!type || check_unused(request, type)) {
        reply_fail(request);
        return;
    }
    Change *change = change_new(request->manager, &request->cause);
    event_add(change, request->method->event, &(EventFacts){.name = entity_name(type)});
    change_remove(change, type);
    commit_and_remove(request, change);
}
