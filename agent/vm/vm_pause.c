#include "agent/vm/vm_pause.h"

#include <stdlib.h>
#include <string.h>

#include <libvirt/virterror.h>

#include "agent/storage/storage.h"
#include "agent/vm/hypervisor.h"
#include "agent/vm/vm_create.h"
#include "agent/vm/vm_xml.h"
#include "base/clock.h"
#include "base/log.h"

enum {
    DISKS_MAX = 64,
    RETRY_FIRST_MS = 5000,
    RETRY_MAX_MS = 300000,
    SETTLE_MS = 1500,   // storage that is still bad pauses a guest again within it
    RELAPSE_MS = 60000, // paused again within it: the resume before was in vain
};

#define SPACE_MIN (INT64_C(1) << 20) // with less it is not worth a try

typedef enum Behaviour { AUTO_RESUME, LEAVE_PAUSED, KILL } Behaviour;

struct VmPause {
    Behaviour behaviour;
    char *device; // "vda", NULL: nobody knows
    char *alias, *path;
    char domain[UUID_SIZE]; // storage domain, "" when it is none of ours
    bool full;
    int64_t began_ms, resumed_ms, retry_ms; // monotonic
    int tries;
    int64_t least_free; // bytes seen since the last try
    int64_t tried_free; // when it was looked at last
    bool seen_bad;      // the domain failed since the last try
    bool looking, working;
};

void vm_pause_free(VmPause *pause)
{
    if (!pause)
        return;
    free(pause->device);
    free(pause->alias);
    free(pause->path);
    free(pause);
}

void vm_pause_write(JsonWriter *writer, const Vm *vm)
{
    const VmPause *pause = vm->pause;
    if (vm->status != VM_PAUSED || !pause || !pause->device)
        return;
    json_key(writer, "ioerror");
    json_open(writer, '{');
    json_add_string(writer, "alias", pause->alias ? pause->alias : "");
    json_add_string(writer, "name", pause->device);
    json_add_string(writer, "path", pause->path ? pause->path : "");
    json_close(writer, '}');
}

// ---- what has failed

static Behaviour behaviour_of(const Vm *vm)
{
    AUTO_ARENA arena = {0};
    const Xml *root = xml_parse(&arena, vm->xml, strlen(vm->xml), NULL, NULL);
    const char *text = vm_xml_text(vm_xml_metadata(root), "resumeBehavior");
    return text && !strcmp(text, "leave_paused") ? LEAVE_PAUSED
           : text && !strcmp(text, "kill")       ? KILL
                                                 : AUTO_RESUME;
}

static char *copy_attribute(const Xml *element, const char *child, const char *name)
{
    const Xml *found = xml_child(element, child);
    return found ? memory_string(xml_attribute(found, name)) : NULL;
}

// With the lock held.
static void name_disk(const Vm *vm, VmPause *pause)
{
    AUTO_ARENA arena = {0};
    const char *xml = vm->live_xml;
    const Xml *root = xml ? xml_parse(&arena, xml, strlen(xml), NULL, NULL) : NULL;
    for (int i = 0; i < vm->volume_count; i++) {
        const VmVolume *volume = &vm->volumes[i];
        if (volume->device && !strcmp(volume->device, pause->device) && uuid_valid(volume->domain))
            memcpy(pause->domain, volume->domain, UUID_SIZE);
    }
    XML_EACH(xml_child(root, "devices"), device) {
        AUTO_FREE char *target =
            strcmp(device->name, "disk") ? NULL : copy_attribute(device, "target", "dev");
        if (!target || strcmp(target, pause->device))
            continue;
        pause->alias = copy_attribute(device, "alias", "name");
        pause->path = copy_attribute(device, "source", "file");
    }
}

static bool is_paused_by_error(virDomainPtr domain)
{
    int state = 0, reason = 0;
    return !virDomainGetState(domain, &state, &reason, 0) && state == VIR_DOMAIN_PAUSED &&
           reason == VIR_DOMAIN_PAUSED_IOERROR;
}

// The first disk that QEMU says is in trouble. Blocks.
static void find_disk(virDomainPtr domain, VmPause *pause)
{
    virDomainDiskError errors[DISKS_MAX];
    int count = virDomainGetDiskErrors(domain, errors, DISKS_MAX, 0);
    for (int i = 0; i < count; i++) {
        if (!pause->device && errors[i].error != VIR_DOMAIN_DISK_ERROR_NONE) {
            pause->device = memory_string(errors[i].disk);
            pause->full = errors[i].error == VIR_DOMAIN_DISK_ERROR_NO_SPACE;
        }
        free(errors[i].disk);
    }
}

char *vm_pause_text(virDomainPtr domain)
{
    VmPause pause = {0};
    if (!is_paused_by_error(domain))
        return NULL;
    find_disk(domain, &pause);
    AUTO_FREE char *device = pause.device;
    return memory_format(pause.full ? "no space is left for disk %s." : "disk %s fails.",
                         device ? device : "(unknown)");
}

// One that is found again, after a restart of the agent or of libvirt, began when it did.
static VmPause *pause_new(const Vm *vm)
{
    const VmPause *before = vm->pause;
    VmPause *pause = NEW(VmPause);
    int64_t now = clock_monotonic_ms();
    pause->began_ms = vm->held_up_ms ? vm->held_up_ms : now;
    pause->retry_ms = now + RETRY_FIRST_MS;
    pause->least_free = INT64_MAX;
    if (!before || !before->resumed_ms || now - before->resumed_ms > RELAPSE_MS)
        return pause;
    pause->tries = before->tries;
    pause->least_free = before->tried_free;
    int64_t delay = (int64_t)RETRY_FIRST_MS << (pause->tries < 6 ? pause->tries : 6);
    pause->retry_ms = now + (delay < RETRY_MAX_MS ? delay : RETRY_MAX_MS);
    return pause;
}

void vm_pause_found(Vm *vm, virDomainPtr domain)
{
    if (!is_paused_by_error(domain))
        return;
    vms_lock(vm->vms);
    VmPause *pause = pause_new(vm);
    vms_unlock(vm->vms);
    pause->behaviour = behaviour_of(vm);
    find_disk(domain, pause);
    vms_lock(vm->vms);
    if (pause->device)
        name_disk(vm, pause);
    if (pause->full || !vm->pause_code) { // after a restart of the agent there is no event
        free(vm->pause_code);
        vm->pause_code = memory_string(pause->full ? "ENOSPC" : "EOTHER");
    }
    AUTO_FREE char *text = memory_format("%s of disk %s, storage domain %s", vm->pause_code,
                                         pause->device ? pause->device : "(unknown)",
                                         *pause->domain ? pause->domain : "(none)");
    vm_pause_free(vm->pause);
    vm->pause = pause;
    bool known = vm->held_up_ms == pause->began_ms;
    vm->held_up_ms = pause->began_ms;
    vms_unlock(vm->vms);
    log_warn("vm.paused", LOG_ID("vm", vm->id), "%s is paused: %s.", vm->name, text);
    if (!known)
        vm_save(vm);
}

// ---- on the pool

typedef void (*PauseAct)(Vm *vm, virDomainPtr domain);

typedef struct PauseWork {
    Vm *vm; // a reference
    PauseAct act;
    bool reached; // libvirt knew it
    bool running; // the guest, afterwards
    uv_work_t work;
} PauseWork;

static void pause_work_run(uv_work_t *work)
{
    PauseWork *one = work->data;
    Hypervisor *hypervisor = vms_agent(one->vm->vms)->hypervisor;
    virDomainPtr domain = hypervisor_domain(hypervisor, one->vm->id, NULL);
    if (!domain)
        return;
    int state = 0, reason = 0;
    one->reached = true;
    one->act(one->vm, domain);
    one->running = !virDomainGetState(domain, &state, &reason, 0) && state == VIR_DOMAIN_RUNNING;
    hypervisor_domain_done(hypervisor, domain);
}

// Its storage does not hold it up any more.
static void vm_let_go(Vm *vm)
{
    vms_lock(vm->vms);
    bool held = vm->held_up_ms || vm->held_up_too_long;
    vm->held_up_ms = 0;
    vm->held_up_too_long = false;
    vms_unlock(vm->vms);
    if (held)
        vm_save(vm);
}

static void pause_work_done(uv_work_t *work, int status)
{
    PauseWork *one = work->data;
    Vm *vm = one->vm;
    (void)status;
    vms_lock(vm->vms);
    bool pausing = vm->status == VM_UP || vm->status == VM_POWERING_UP ||
                   vm->status == VM_POWERING_DOWN || vm->status == VM_REBOOTING;
    if (vm->pause)
        vm->pause->working = false;
    if (one->act == vm_pause_found)
        vm->pause_unseen = !one->reached;
    vms_unlock(vm->vms);
    if (one->act == vm_pause_found && pausing && !one->running)
        vm_set_status(vm, VM_PAUSED);
    if (one->act == vm_pause_found && one->running) // resumed before we had looked
        vm_let_go(vm);
    vm_unref(vm);
    free(one);
}

static void pause_queue(Vm *vm, PauseAct act)
{
    PauseWork *one = NEW(PauseWork);
    *one = (PauseWork){.vm = vms_get(vm->vms, vm->id), .act = act};
    if (!one->vm) {
        free(one);
        return;
    }
    one->work.data = one;
    uv_queue_work(vms_agent(vm->vms)->loop, &one->work, pause_work_run, pause_work_done);
}

void vm_pause_begin(Vm *vm)
{
    vms_lock(vm->vms);
    if (vm->pause)
        vm->pause->looking = true; // until another takes its place
    vms_unlock(vm->vms);
    pause_queue(vm, vm_pause_found);
}

bool vm_pause_end(Vm *vm)
{
    vms_lock(vm->vms);
    bool by_error = vm->pause && !vm->pause->resumed_ms;
    if (by_error)
        vm->pause->resumed_ms = clock_monotonic_ms();
    vms_unlock(vm->vms);
    vm_let_go(vm);
    return by_error;
}

void vm_pause_forget(Vm *vm)
{
    vms_lock(vm->vms);
    vm_pause_free(vm->pause);
    vm->pause = NULL;
    vms_unlock(vm->vms);
    vm_let_go(vm);
}

static void pause_resume(Vm *vm, virDomainPtr domain)
{
    if (is_paused_by_error(domain) && virDomainResume(domain))
        log_warn("vm.resume", LOG_ID("vm", vm->id), "%s could not be resumed: %s", vm->name,
                 virGetLastErrorMessage());
}

static void vm_mark_killed(Vm *vm, bool killed)
{
    vms_lock(vm->vms);
    vm->held_up_too_long = killed;
    vms_unlock(vm->vms);
    vm_save(vm);
}

// Why it goes is in its record first: it may be gone when nobody is there to see it.
static void pause_kill(Vm *vm, virDomainPtr domain)
{
    if (!is_paused_by_error(domain))
        return;
    vm_mark_killed(vm, true);
    if (!virDomainDestroy(domain))
        return;
    log_warn("vm.kill", LOG_ID("vm", vm->id), "%s could not be ended: %s", vm->name,
             virGetLastErrorMessage());
    if (!libvirt_is_lost())
        vm_mark_killed(vm, false);
}

// ---- when to try

// With the lock held. A first try is for storage that was bad for a moment only; later ones need a
// change for the better.
static bool pause_may_end(const Vm *vm, VmPause *pause)
{
    StorageHealth health;
    if (!*pause->domain || !storage_health(vms_agent(vm->vms)->storage, pause->domain, &health) ||
        health.checked_ms <= pause->began_ms)
        return false;
    if (health.code) {
        pause->seen_bad = true;
        return false;
    }
    if (health.free < pause->least_free)
        pause->least_free = health.free;
    if (pause->full && health.free < SPACE_MIN)
        return false;
    bool more = health.free - pause->least_free >= SPACE_MIN;
    pause->tried_free = health.free;
    return !pause->tries || more || pause->seen_bad;
}

void vm_pause_tick(Vm *vm)
{
    int64_t now = clock_monotonic_ms();
    PauseAct act = NULL;
    vms_lock(vm->vms);
    VmPause *pause = vm->pause;
    bool settled = pause && pause->resumed_ms && !pause->looking && vm->status == VM_PAUSED &&
                   now - pause->resumed_ms >= SETTLE_MS;
    if (pause && !pause->resumed_ms && !pause->working && pause->behaviour != LEAVE_PAUSED &&
        vm->status == VM_PAUSED) {
        bool may_end = pause_may_end(vm, pause);
        int64_t limit_ms = (int64_t)vms_agent(vm->vms)->config.kill_paused_seconds * 1000;
        if (pause->behaviour == KILL && now - pause->began_ms > limit_ms)
            act = pause_kill;
        else if (may_end && now >= pause->retry_ms) {
            act = pause_resume;
            pause->tries++;
            pause->retry_ms = now + RETRY_FIRST_MS;
        }
        pause->working = act != NULL;
    }
    if (vm->pause_unseen && vm->status == VM_PAUSED) {
        vm->pause_unseen = false;
        act = vm_pause_found;
    }
    vms_unlock(vm->vms);
    if (settled)
        vm_set_awake(vm);
    if (act == pause_resume)
        log_info("vm.resume", LOG_ID("vm", vm->id), "The storage of %s is good again.", vm->name);
    if (act)
        pause_queue(vm, act);
}
