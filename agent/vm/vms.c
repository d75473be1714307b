#include "agent/vm/vms.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libvirt/virterror.h>
#include <openssl/evp.h>

#include "agent/guest/guest_agent.h"
#include "agent/rpc/server.h"
#include "agent/vm/hypervisor.h"
#include "agent/vm/vm_create.h"
#include "agent/vm/vm_pause.h"
#include "agent/vm/vm_stats.h"
#include "agent/vm/vm_volumes.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

enum { RECORD_MAX = 4 * 1024 * 1024, TICK_MS = 1000 };

struct Vms {
    Agent *agent;
    uv_mutex_t lock;
    uv_mutex_t record_lock; // writing a record and removing it; taken before `lock`
    Map by_id;
    uv_timer_t tick;
    uv_work_t settle;
    bool settling, settle_again; // on the loop's thread
};

static const char *const status_names[_VM_STATUS_MAX] = {
    [VM_WAIT_FOR_LAUNCH] = "WaitForLaunch",
    [VM_POWERING_UP] = "Powering up",
    [VM_UP] = "Up",
    [VM_PAUSED] = "Paused",
    [VM_POWERING_DOWN] = "Powering down",
    [VM_REBOOTING] = "RebootInProgress",
    [VM_DOWN] = "Down",
};

const char *vm_status_name(VmStatus status)
{
    return status_names[status];
}

void vms_lock(Vms *vms)
{
    uv_mutex_lock(&vms->lock);
}

void vms_unlock(Vms *vms)
{
    uv_mutex_unlock(&vms->lock);
}

Agent *vms_agent(const Vms *vms)
{
    return vms->agent;
}

// ---- records

static void vm_free(Vm *vm)
{
    vm_volumes_done(vm);
    vm_rates_free(vm->rates);
    vm_guest_free(vm->guest);
    vm_pause_free(vm->pause);
    free(vm->name);
    free(vm->exit_message);
    free(vm->pause_code);
    free(vm->xml);
    free(vm->live_xml);
    free(vm->watchdog_action);
    free(vm->payload);
    free(vm->client);
    uv_mutex_destroy(&vm->devices_lock);
    free(vm);
}

void vm_unref(Vm *vm)
{
    Vms *vms = vm->vms;
    vms_lock(vms);
    bool last = --vm->references == 0;
    vms_unlock(vms);
    if (last)
        vm_free(vm);
}

Vm *vms_get(Vms *vms, const char *id)
{
    vms_lock(vms);
    Vm *vm = map_get(&vms->by_id, id);
    if (vm)
        vm->references++;
    vms_unlock(vms);
    return vm;
}

Vm **vms_all(Vms *vms, size_t *ret_count)
{
    size_t count = 0;
    vms_lock(vms);
    Vm **all = NEW_ARRAY(Vm *, vms->by_id.count);
    MAP_EACH(&vms->by_id, slot) {
        all[count] = slot->value;
        all[count++]->references++;
    }
    vms_unlock(vms);
    *ret_count = count;
    return all;
}

Vm *vms_add(Vms *vms, const char *id, const char *name, const char *xml, bool launching)
{
    Vm *vm = NEW(Vm);
    vm->vms = vms;
    uv_mutex_init(&vm->devices_lock);
    memcpy(vm->id, id, UUID_SIZE - 1);
    vm->name = memory_string(name);
    vm->xml = memory_string(xml);
    vm->references = 2; // table and caller
    vm->started_ms = clock_wall_ms();
    vm->launching = launching;
    vms_lock(vms);
    bool exists = map_get(&vms->by_id, vm->id) != NULL;
    if (!exists)
        map_put(&vms->by_id, vm->id, vm);
    vms_unlock(vms);
    if (!exists)
        return vm;
    vm_free(vm);
    return NULL;
}

static char *vm_record_path(const Vm *vm)
{
    return memory_format("%s/vms/%s.json", vm->vms->agent->config.state_directory, vm->id);
}

void vms_remove(Vm *vm)
{
    AUTO_FREE char *path = vm_record_path(vm);
    uv_mutex_lock(&vm->vms->record_lock);
    vms_lock(vm->vms);
    bool listed = map_get(&vm->vms->by_id, vm->id) == vm;
    if (listed)
        map_remove(&vm->vms->by_id, vm->id);
    vms_unlock(vm->vms);
    if (listed)
        unlink(path);
    uv_mutex_unlock(&vm->vms->record_lock);
    if (listed)
        vm_unref(vm);
}

bool vms_use_image(Vms *vms, const char *image)
{
    bool used = false;
    vms_lock(vms);
    MAP_EACH(&vms->by_id, slot) {
        const Vm *vm = slot->value;
        for (int i = 0; !used && i < vm->volume_count; i++)
            used = vm->volumes[i].image && !strcmp(vm->volumes[i].image, image);
    }
    vms_unlock(vms);
    return used;
}

static void vm_write_record(JsonWriter *writer, const Vm *vm)
{
    json_open(writer, '{');
    json_add_string(writer, "id", vm->id);
    json_add_string(writer, "name", vm->name);
    json_add_string(writer, "xml", vm->xml);
    json_add_integer(writer, "started", vm->started_ms);
    json_add_bool(writer, "down", vm->status == VM_DOWN);
    json_add_bool(writer, "admin_shutdown", vm->admin_shutdown);
    json_add_integer(writer, "exit", vm->exit);
    json_add_integer(writer, "exit_code", vm->exit_code);
    json_add_string(writer, "exit_message", vm->exit_message);
    json_add_string(writer, "payload", vm->payload);
    json_add_integer(writer, "held_up", vm->held_up_ms);
    json_add_bool(writer, "held_up_too_long", vm->held_up_too_long);
    vm_write_volumes(writer, vm);
    json_close(writer, '}');
}

void vm_save(Vm *vm)
{
    AUTO_STRBUF text = {0};
    JsonWriter writer = {.out = &text};
    AUTO_FREE char *path = vm_record_path(vm);
    uv_mutex_lock(&vm->vms->record_lock);
    vms_lock(vm->vms);
    bool listed = map_get(&vm->vms->by_id, vm->id) == vm;
    vm_write_record(&writer, vm);
    vms_unlock(vm->vms);
    int result = listed ? file_write_atomic(path, text.data, text.length, 0600) : 0;
    uv_mutex_unlock(&vm->vms->record_lock);
    if (result)
        log_error("vm.record", LOG_ID("vm", vm->id), "The record %s can't be written: %s", path,
                  strerror(-result));
}

static Vm *vm_load(Vms *vms, const char *path)
{
    AUTO_FREE char *text = NULL;
    AUTO_ARENA arena = {0};
    size_t length = 0;
    if (file_read(path, RECORD_MAX, &text, &length))
        return NULL;
    Json *record = json_parse(&arena, text, length, NULL, NULL);
    const char *id = json_get_string(record, "id"), *xml = json_get_string(record, "xml");
    if (!uuid_valid(id) || !xml) {
        log_warn("vm.record", LOG_NONE, "The record %s is damaged and is ignored.", path);
        return NULL;
    }
    Vm *vm = vms_add(vms, id, json_get_string(record, "name"), xml, false);
    if (!vm)
        return NULL;
    vm->started_ms = json_get_integer(record, "started", clock_wall_ms());
    vm->status = json_get_bool(record, "down", false) ? VM_DOWN : VM_WAIT_FOR_LAUNCH;
    vm->admin_shutdown = json_get_bool(record, "admin_shutdown", false);
    vm->exit = (VmExit)json_get_integer(record, "exit", 0);
    vm->exit_code = (int)json_get_integer(record, "exit_code", 0);
    vm->exit_message = memory_string(json_get_string(record, "exit_message"));
    vm->payload = memory_string(json_get_string(record, "payload"));
    vm->held_up_ms = json_get_integer(record, "held_up", 0);
    vm->held_up_too_long = json_get_bool(record, "held_up_too_long", false);
    vm_read_volumes(vm, json_get(record, "volumes"));
    return vm;
}

// ---- states

static void vm_write_displays(JsonWriter *writer, const Vm *vm)
{
    AUTO_ARENA arena = {0};
    Xml *root =
        vm->live_xml ? xml_parse(&arena, vm->live_xml, strlen(vm->live_xml), NULL, NULL) : NULL;
    json_key(writer, "displayInfo");
    json_open(writer, '[');
    XML_EACH(xml_child(root, "devices"), device) {
        const char *type = xml_attribute(device, "type"), *port = xml_attribute(device, "port");
        const char *tls = xml_attribute(device, "tlsPort");
        if (strcmp(device->name, "graphics") || !type)
            continue;
        json_open(writer, '{');
        json_add_string(writer, "type", type);
        json_add_string(writer, "port", port ? port : "-1");
        json_add_string(writer, "tlsPort", tls ? tls : "-1");
        json_add_string(writer, "ipAddress", vm->vms->agent->host_address);
        json_close(writer, '}');
    }
    json_close(writer, ']');
}

void vm_write_status(JsonWriter *writer, const Vm *vm)
{
    json_add_string(writer, "vmId", vm->id);
    json_add_string(writer, "status", status_names[vm->status]);
    json_add_string(writer, "timeOffset", "0");
    if (vm->status == VM_DOWN) {
        json_add_integer(writer, "exitCode", vm->exit_code);
        json_add_string(writer, "exitMessage", vm->exit_message ? vm->exit_message : "");
        json_add_integer(writer, "exitReason", vm->exit);
        return;
    }
    json_add_string(writer, "hash", vm->hash);
    json_add_format(writer, "elapsedTime", "%lld",
                    (long long)(clock_wall_ms() - vm->started_ms) / 1000);
    json_add_string(writer, "monitorResponse", vm->monitor_silent ? "-1" : "0");
    json_add_string(writer, "clientIp", vm->client ? vm->client : "");
    if (vm->status == VM_PAUSED && vm->pause_code)
        json_add_string(writer, "pauseCode", vm->pause_code);
    vm_pause_write(writer, vm);
    vm_write_displays(writer, vm);
}

void vm_write_status_time(JsonWriter *writer)
{
    json_add_format(writer, "statusTime", "%lld", (long long)clock_monotonic_ms());
}

void vm_announce(Vm *vm)
{
    AUTO_STRBUF params = {0};
    JsonWriter writer = {.out = &params};
    AUTO_FREE char *method = memory_format("|virt|VM_status|%s", vm->id);
    vms_lock(vm->vms);
    json_open(&writer, '{');
    json_key(&writer, vm->id);
    json_open(&writer, '{');
    vm_write_status(&writer, vm);
    if (vm->status != VM_DOWN)
        vm_write_guest(&writer, vm);
    json_close(&writer, '}');
    json_add_integer(&writer, "notify_time", clock_monotonic_ms());
    json_close(&writer, '}');
    vms_unlock(vm->vms);
    rpc_event(vm->vms->agent->rpc, method, &params);
}

void vm_set_status(Vm *vm, VmStatus status)
{
    vms_lock(vm->vms);
    bool changed = vm->status != status && vm->status != VM_DOWN;
    if (changed)
        vm->status = status;
    vms_unlock(vm->vms);
    if (changed)
        vm_announce(vm);
}

void vm_set_down(Vm *vm, VmExit exit, const char *message)
{
    bool error = exit != VM_EXIT_OK && exit != VM_EXIT_ADMIN_SHUTDOWN &&
                 exit != VM_EXIT_USER_SHUTDOWN && exit != VM_EXIT_HOST_SHUTDOWN;
    vms_lock(vm->vms);
    bool changed = vm->status != VM_DOWN;
    if (changed) {
        vm->status = VM_DOWN;
        vm->exit = exit;
        vm->exit_code = error;
        free(vm->exit_message);
        vm->exit_message = memory_string(message);
        vm->shutdown_deadline_ms = 0;
        vm->guest_agent = false;
    }
    vms_unlock(vm->vms);
    if (!changed)
        return;
    log_info("vm.down", LOG_ID("vm", vm->id), "%s is down: %s", vm->name, message);
    vm_save(vm);
    vm_announce(vm);
}

void vm_set_ended(Vm *vm, VmExit exit, const char *message)
{
    vms_lock(vm->vms);
    bool admin = vm->admin_shutdown, killed = vm->held_up_too_long;
    vms_unlock(vm->vms);
    if (killed) {
        AUTO_FREE char *text = memory_format("It was ended because its storage held it up for more "
                                             "than %d s",
                                             vm->vms->agent->config.kill_paused_seconds);
        vm_set_down(vm, VM_EXIT_PAUSED_TOO_LONG, text);
    } else if (admin)
        vm_set_down(vm, VM_EXIT_ADMIN_SHUTDOWN, "Admin shut down from the manager");
    else
        vm_set_down(vm, exit, message);
}

void vm_set_awake(Vm *vm)
{
    vms_lock(vm->vms);
    VmStatus before = vm->status;
    free(vm->pause_code);
    vm->pause_code = NULL;
    vms_unlock(vm->vms);
    if (before == VM_PAUSED)
        vm_set_status(vm, vm->guest_agent ? VM_UP : VM_POWERING_UP);
}

void vm_refresh_xml(Vm *vm, virDomainPtr domain)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    // Without VIR_DOMAIN_XML_SECURE: console passwords are nobody's business.
    char *xml = virDomainGetXMLDesc(domain, 0);
    if (!xml)
        return;
    EVP_Digest(xml, strlen(xml), digest, NULL, EVP_sha1(), NULL);
    vms_lock(vm->vms);
    free(vm->live_xml);
    vm->live_xml = xml;
    for (int i = 0; i < 20; i++)
        snprintf(vm->hash + 2 * i, 3, "%02x", digest[i]);
    vms_unlock(vm->vms);
}

// ---- once a second

static void vm_tick(Vm *vm)
{
    Agent *agent = vm->vms->agent;
    int64_t now = clock_monotonic_ms();
    vms_lock(vm->vms);
    bool old = clock_wall_ms() - vm->started_ms > (int64_t)agent->config.guest_up_seconds * 1000;
    bool late = vm->status == VM_POWERING_UP && old;
    bool ignored = vm->shutdown_deadline_ms && now > vm->shutdown_deadline_ms;
    if (ignored) {
        vm->shutdown_deadline_ms = 0;
        vm->admin_shutdown = false;
    }
    vms_unlock(vm->vms);
    if (late)
        vm_set_status(vm, VM_UP);
    if (ignored) // the manager sees it running again and tells its user
        vm_set_status(vm, VM_UP);
    vm_decide_launch(vm);
    vm_pause_tick(vm);
    guest_agent_tick(vm);
}

static void vms_tick(uv_timer_t *timer)
{
    Vms *vms = timer->data;
    size_t count;
    AUTO_FREE Vm **all = vms_all(vms, &count);
    for (size_t i = 0; i < count; i++) {
        if (all[i]->status != VM_DOWN)
            vm_tick(all[i]);
        vm_unref(all[i]);
    }
}

// ---- recovery

static void vms_load_records(Vms *vms)
{
    AUTO_FREE char *folder = memory_format("%s/vms", vms->agent->config.state_directory);
    DIR *stream = opendir(folder);
    for (struct dirent *entry; stream && (entry = readdir(stream));) {
        size_t length = strlen(entry->d_name);
        if (length < 6 || strcmp(entry->d_name + length - 5, ".json"))
            continue;
        AUTO_FREE char *path = memory_format("%s/%s", folder, entry->d_name);
        Vm *vm = vm_load(vms, path);
        if (vm)
            vm_unref(vm);
    }
    if (stream)
        closedir(stream);
}

// What changes of devices have left that ended half way. Waits for who is changing some just now,
// which with an administrator's hook may take minutes.
static void vms_settle_run(uv_work_t *work)
{
    size_t count;
    AUTO_FREE Vm **all = vms_all(work->data, &count);
    for (size_t i = 0; i < count; i++) {
        uv_mutex_lock(&all[i]->devices_lock);
        vm_settle_volumes(all[i], true);
        uv_mutex_unlock(&all[i]->devices_lock);
        vm_unref(all[i]);
    }
}

static void vms_settle(Vms *vms);

static void vms_settled(uv_work_t *work, int status)
{
    Vms *vms = work->data;
    (void)status;
    vms->settling = false;
    if (vms->settle_again)
        vms_settle(vms);
}

static void vms_settle(Vms *vms)
{
    vms->settle_again = vms->settling;
    if (vms->settling)
        return;
    vms->settling = true;
    uv_queue_work(vms->agent->loop, &vms->settle, vms_settle_run, vms_settled);
}

void vms_recovered(Vms *vms)
{
    if (!uv_is_active((uv_handle_t *)&vms->tick))
        uv_timer_start(&vms->tick, vms_tick, TICK_MS, TICK_MS);
    vms_settle(vms);
}

Vms *vms_new(Agent *agent)
{
    Vms *vms = NEW(Vms);
    AUTO_FREE char *folder = memory_format("%s/vms", agent->config.state_directory);
    vms->agent = agent;
    uv_mutex_init(&vms->lock);
    uv_mutex_init(&vms->record_lock);
    uv_timer_init(agent->loop, &vms->tick);
    vms->tick.data = vms->settle.data = vms;
    directory_make(folder, 0700);
    directory_drop_unfinished(folder);
    vms_load_records(vms);
    return vms;
}

void vms_stop(Vms *vms)
{
    uv_close((uv_handle_t *)&vms->tick, NULL);
}

// ---- for verbs

Vm *call_vm(Call *call)
{
    const char *id = call_string(call, "vmID");
    Vm *vm = vms_get(call_agent(call)->vms, id);
    if (!vm)
        call_fail(call, VDSM_NO_SUCH_VM, "{'vmId': '%s'}", id);
    return vm;
}

virDomainPtr call_domain(Call *call, Vm *vm)
{
    AUTO_FAIL why = {0};
    virDomainPtr domain = hypervisor_domain(vm->vms->agent->hypervisor, vm->id, &why);
    if (!domain && why.code == FAIL_NOT_FOUND)
        call_fail(call, VDSM_VM_IS_DOWN, "{'vmId': '%s'}", vm->id);
    else if (!domain) // nothing was begun: it may be asked again
        call_fail_why(call, VDSM_RECOVERY_IN_PROGRESS, &why);
    return domain;
}
