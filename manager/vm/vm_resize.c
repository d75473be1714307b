#include "manager/vm/vm_resize.h"

#include <stdlib.h>
#include <string.h>

#include "manager/fleet/fleet.h"
#include "manager/operations/step_call.h"
#include "manager/vm/domain_xml.h"
#include "manager/vm/vm_call.h"
#include "manager/vm/vm_config.h"
#include "manager/vm/vm_place.h"

enum { LOOK_AGAIN_MS = 1000 };

#define MEMORY_STEP (INT64_C(256) << 20) // of which guests' memory blocks are a divisor

// What can be resized. Sizes are numbers of CPUs, or bytes.
typedef struct Resize {
    const OperationKind *kind;
    EventCode succeeded, failed;
    const char *verb;
    int64_t (*seen)(const Xml *domain);
    // Fails when the host or the VM can't have it.
    int (*write)(JsonWriter *writer, const Operation *operation, int64_t seen, Fail *why);
    void (*take)(ApiVm *vm, int64_t size);
} Resize;

// ---- CPUs

static int64_t cpus_seen(const Xml *domain)
{
    const Xml *vcpu = xml_child(domain, "vcpu");
    const char *current = vcpu ? xml_attribute(vcpu, "current") : NULL;
    return vcpu ? atoll(current ? current : vcpu->text) : -1;
}

static int cpus_write(JsonWriter *writer, const Operation *operation, int64_t seen, Fail *why)
{
    int64_t wanted = operation_context(operation)->size.value;
    const Entity *host = vm_state(step_vm(operation))->host;
    int64_t possible = host_cpu_count(host);
    if (wanted > seen && possible && wanted > possible)
        return fail_set(why, FAIL_NO_HOST, "Host %s has %lld CPUs.", entity_name(host),
                        (long long)possible);
    json_add_integer(writer, "numberOfCpus", wanted);
    return 0;
}

static void cpus_take(ApiVm *vm, int64_t size)
{
    ApiCpuTopology *topology = vm->cpu->topology;
    topology->sockets = API_INT(size / (topology->cores.value * topology->threads.value));
}

// ---- memory

static int64_t memory_seen(const Xml *domain)
{
    const char *kib = xml_child_text(domain, "memory");
    return kib ? atoll(kib) << 10 : -1;
}

static int memory_write(JsonWriter *writer, const Operation *operation, int64_t seen, Fail *why)
{
    AUTO_STRBUF xml = {0};
    int64_t more = operation_context(operation)->size.value - seen;
    const Entity *host = vm_state(step_vm(operation))->host;
    const HostState *state = host_state(host);
    if (more < 0 || more % MEMORY_STEP)
        return fail_set(why, FAIL_STATE,
                        "The VM has %lld MiB of memory; more comes in steps of %lld MiB.",
                        (long long)seen >> 20, (long long)MEMORY_STEP >> 20);
    if (state->stats_ms && more > state->memory_free)
        return fail_set(why, FAIL_NO_HOST, "Host %s has %lld MiB of memory left.",
                        entity_name(host), (long long)state->memory_free >> 20);
    domain_xml_write_memory(&xml, operation->entity->id, more);
    json_key(writer, "params");
    json_open(writer, '{');
    json_add_string(writer, "vmId", operation_context(operation)->vm);
    json_add_string(writer, "xml", xml.data);
    json_close(writer, '}');
    return 0;
}

static void memory_take(ApiVm *vm, int64_t size)
{
    const ApiVm *next = vm->next_run;
    vm->memory = API_INT(size);
    if (next && next->memory_policy->guaranteed.value <= size)
        vm->memory_policy->guaranteed = next->memory_policy->guaranteed;
}

// ---- the table

static const Resize resizes[] = {
    {&vm_cpus_kind, EVENT_HOT_SET_NUMBER_OF_CPUS, EVENT_FAILED_HOT_SET_NUMBER_OF_CPUS,
     "VM.setNumberOfCpus", cpus_seen, cpus_write, cpus_take},
    {&vm_memory_kind, EVENT_HOT_SET_MEMORY, EVENT_FAILED_HOT_SET_MEMORY, "VM.hotplugMemory",
     memory_seen, memory_write, memory_take},
};

static const Resize *resize_of(const Operation *operation)
{
    return operation->kind == resizes[0].kind ? &resizes[0] : &resizes[1];
}

// ---- planning

static bool cpus_can_change(const Entity *vm, const ApiVm *next)
{
    const ApiCpuTopology *now = ENTITY_OBJECT(vm, Vm)->cpu->topology;
    const ApiCpuTopology *then = next->cpu->topology;
    return then->cores.value == now->cores.value && then->threads.value == now->threads.value &&
           then->sockets.value != now->sockets.value &&
           then->sockets.value <=
               domain_sockets_max(now, host_state(vm_state(vm)->host)->accelerated);
}

static bool memory_can_grow(const Entity *vm, const ApiVm *next)
{
    const ApiVm *now = ENTITY_OBJECT(vm, Vm);
    int64_t more = next->memory.value - now->memory.value;
    return more > 0 && more % MEMORY_STEP == 0 &&
           next->memory.value <= now->memory_policy->max.value;
}

static void plan(Change *change, const OperationKind *kind, Entity *vm, int64_t from, int64_t to,
                 const char *unit, const char *lock, Array *operations)
{
    Arena *arena;
    const char *id;
    int shift = *unit ? 20 : 0;
    ApiOperationContext *context = operation_plan(change, kind, &arena, &id);
    context->vm = arena_string(arena, vm->id);
    context->text = arena_string(arena, entity_name(vm));
    context->size = API_INT(to);
    context->reason = arena_format(arena, "from %lld%s to %lld%s", (long long)from >> shift, unit,
                                   (long long)to >> shift, unit);
    operation_lock(change, id, vm->id, LOCK_SHARED); // it is not stopped meanwhile
    operation_lock(change, id, lock, LOCK_EXCLUSIVE);
    array_add(operations, (void *)id);
}

int vm_plan_resize(Change *change, Entity *vm, const ApiVm *next, const ApiVm *wanted,
                   Array *operations, Fail *why)
{
    const ApiVm *now = ENTITY_OBJECT(vm, Vm);
    AUTO_FREE char *lock = memory_format("%s/size", vm->id);
    bool cpus = wanted->cpu && wanted->cpu->topology && cpus_can_change(vm, next);
    bool memory = wanted->memory.set && memory_can_grow(vm, next);
    if (vm_state(vm)->status != API_VM_STATUS_UP || (!cpus && !memory))
        return 0;
    int result = operation_check_free(change_manager(change), lock, LOCK_EXCLUSIVE, "vm",
                                      entity_name(vm), why);
    if (result)
        return result;
    if (cpus)
        plan(change, &vm_cpus_kind, vm, vm_config_cpus(now), vm_config_cpus(next), "", lock,
             operations);
    if (memory)
        plan(change, &vm_memory_kind, vm, now->memory.value, next->memory.value, " MiB", lock,
             operations);
    return 0;
}

// ---- the step: look, ask, and look again when the host refuses

static void look(Operation *operation, StepReply reply)
{
    Entity *vm = step_vm(operation);
    StrBuf params = {0};
    JsonWriter writer = {.out = &params};
    if (!vm || !vm_state(vm)->host) { // it has ended; its next start has the new size
        operation_done(operation);
        return;
    }
    json_open(&writer, '{');
    json_key(&writer, "vmList");
    json_open(&writer, '[');
    json_put_string(&writer, vm->id);
    json_close(&writer, ']');
    json_close(&writer, '}');
    step_call(operation, vm_state(vm)->host, "Host.dumpxmls", &params, reply);
}

// The size the host tells, -1 when it does not know the VM.
static int64_t size_seen(const Operation *operation, const Json *result)
{
    AUTO_ARENA arena = {0};
    const char *xml = json_get_string(result, operation_context(operation)->vm);
    const Xml *domain = xml ? xml_parse(&arena, xml, strlen(xml), NULL, NULL) : NULL;
    return domain ? resize_of(operation)->seen(domain) : -1;
}

static void looked_again(Operation *operation, const Json *result, const Fail *why, int code)
{
    AUTO_FAIL refusal = {0};
    (void)code;
    if (!fail_is_set(why) &&
        size_seen(operation, result) == operation_context(operation)->size.value) {
        operation_done(operation);
        return;
    }
    fail_set(&refusal, FAIL_HOST, "%s", (const char *)operation->scratch);
    operation_fail(operation, &refusal);
}

// A refusal may be that of a second request, sent after a restart while the first was under way.
static void resize_answered(Operation *operation, const Json *result, const Fail *why, int code)
{
    (void)result;
    (void)code;
    if (!fail_is_set(why)) {
        operation_done(operation);
        return;
    }
    free(operation->scratch);
    operation->scratch = fail_text(why);
    look(operation, looked_again);
}

static void looked(Operation *operation, const Json *result, const Fail *why, int code)
{
    Entity *vm = step_vm(operation);
    AUTO_FAIL wrong = {0};
    StrBuf params = {0};
    JsonWriter writer;
    (void)code;
    int64_t seen = fail_is_set(why) ? -1 : size_seen(operation, result);
    if (fail_is_set(why))
        step_fail(operation, why);
    else if (!vm || !vm_state(vm)->host || seen < 0)
        operation_wait(operation, LOOK_AGAIN_MS); // what has become of it is told soon
    else if (seen == operation_context(operation)->size.value)
        operation_done(operation);
    else {
        vm_call_params(&writer, &params, vm);
        if (resize_of(operation)->write(&writer, operation, seen, &wrong)) {
            strbuf_done(&params);
            operation_fail(operation, &wrong);
            return;
        }
        json_close(&writer, '}');
        step_call(operation, vm_state(vm)->host, resize_of(operation)->verb, &params,
                  resize_answered);
    }
}

static void act_resize(Operation *operation)
{
    look(operation, looked);
}

// What failed may have happened all the same, when its answer was lost.
static void looked_for_end(Operation *operation, const Json *result, const Fail *why, int code)
{
    (void)code;
    if (fail_is_set(why)) {
        step_fail(operation, why);
        return;
    }
    Arena *arena;
    Change *change = operation_change(operation);
    bool grown = size_seen(operation, result) == operation_context(operation)->size.value;
    operation_edit_context(operation, change, &arena)->flag = API_BOOL(grown);
    operation_done_with(operation, change);
}

static void undo_resize(Operation *operation)
{
    look(operation, looked_for_end);
}

static void resize_finish(Operation *operation, Change *change, const Fail *why)
{
    const ApiOperationContext *context = operation_context(operation);
    const Resize *resize = resize_of(operation);
    Entity *vm = step_vm(operation);
    if (!vm || !vm_state(vm)->host)
        return;
    AUTO_FREE char *text = fail_is_set(why) && context->flag != API_TRUE ? fail_text(why) : NULL;
    event_add(change, text ? resize->failed : resize->succeeded,
              &(EventFacts){.vm = vm, .name = context->reason, .detail = text});
    if (text)
        return; // it waits for the next start
    ApiVm *object = change_edit(change, vm)->object;
    resize->take(object, context->size.value);
    vm_config_drop_equal_next_run(object);
    fleet_refresh(operation->manager, vm_state(vm)->host);
}

static const OperationStep cpus_steps[] = {
    {"set", "Changing the number of CPUs", act_resize, undo_resize, 0},
};

const OperationKind vm_cpus_kind = {
    .name = "vm_cpus",
    .title = "Changing the number of CPUs of VM ${vm}",
    .steps = cpus_steps,
    .count = COUNT_OF(cpus_steps),
    .finish = resize_finish,
};

static const OperationStep memory_steps[] = {
    {"plug", "Plugging memory", act_resize, undo_resize, 0},
};

const OperationKind vm_memory_kind = {
    .name = "vm_memory",
    .title = "Plugging memory into VM ${vm}",
    .steps = memory_steps,
    .count = COUNT_OF(memory_steps),
    .finish = resize_finish,
};
