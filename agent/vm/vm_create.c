// VM.create: from the manager's XML to a running guest.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/console/spice_tls.h"
#include "agent/rpc/verbs.h"
#include "agent/storage/storage.h"
#include "agent/vm/hooks.h"
#include "agent/vm/hypervisor.h"
#include "agent/vm/vm_create.h"
#include "agent/vm/vm_volumes.h"
#include "agent/vm/vm_xml.h"
#include "agent/vm/vms.h"
#include "base/base64.h"
#include "base/file.h"
#include "base/log.h"
#include "base/spawn.h"

enum { LASTING_DOUBTS = 10 };

typedef struct Launch {
    uv_work_t work;
    Vm *vm; // a reference
    Fail why;
} Launch;

// ---- drives

void vm_plan_disk(Vm *vm, const Xml *disk, const Xml *metadata, bool changing)
{
    const Xml *target = xml_child(disk, "target");
    const char *device = target ? xml_attribute(target, "dev") : NULL;
    const Xml *drive = vm_xml_device_metadata(metadata, "disk", device);
    if (drive && vm_xml_text(drive, "volumeID"))
        vm_plan_volume(vm, &(VmVolume){(char *)device, (char *)vm_xml_text(drive, "poolID"),
                                       (char *)vm_xml_text(drive, "domainID"),
                                       (char *)vm_xml_text(drive, "imageID"),
                                       (char *)vm_xml_text(drive, "volumeID"), changing});
}

int vm_prepare_disk(Vm *vm, Arena *arena, Xml *disk, const Xml *metadata, Fail *why)
{
    const Xml *target = xml_child(disk, "target");
    const char *device = target ? xml_attribute(target, "dev") : NULL;
    const Xml *drive = vm_xml_device_metadata(metadata, "disk", device);
    const char *volume = drive ? vm_xml_text(drive, "volumeID") : NULL;
    VolumePath path = {0};
    if (!volume)
        return 0;
    int error = storage_prepare(vms_agent(vm->vms)->storage, vm_xml_text(drive, "domainID"),
                                vm_xml_text(drive, "imageID"), volume, false, &path, why);
    if (error) {
        fail_prefix(why, "Disk %s of VM %s: ", device, vm->name);
        return error;
    }
    vm_xml_set_disk_file(arena, disk, path.path, path.qcow2);
    volume_path_done(&path);
    return 0;
}

// ---- the CD with initialization data

static int payload_write_file(const char *folder, const Xml *file, Fail *why)
{
    const char *name = xml_attribute(file, "path");
    size_t size = 0;
    if (!name || strstr(name, "..") || *name == '/')
        return fail_set(why, FAIL_INVALID, "The payload has a file with a bad path.");
    AUTO_FREE char *path = memory_format("%s/%s", folder, name);
    AUTO_FREE char *parent = memory_string(path);
    *strrchr(parent, '/') = 0;
    AUTO_FREE char *data = base64_decode(file->text, &size);
    if (!data)
        return fail_set(why, FAIL_INVALID, "The payload file %s is not valid base64.", name);
    int result = directory_make(parent, 0700);
    if (!result)
        result = file_write_atomic(path, data, size, 0600);
    return result ? fail_errno(why, FAIL_INTERNAL, result, "%s can't be written", path) : 0;
}

static int payload_write_files(const char *folder, const Xml *payload, Fail *why)
{
    int result = 0;
    for (const Xml *child = payload->first; !result && child; child = child->next) {
        const char *colon = strchr(child->name, ':');
        if (!strcmp(colon ? colon + 1 : child->name, "file"))
            result = payload_write_file(folder, child, why);
    }
    return result;
}

static int payload_make_image(const char *folder, const char *label, const char *image, Fail *why)
{
    const char *argv[] = {"genisoimage", "-quiet", "-R",  "-J",   "-V",
                          label,         "-o",     image, folder, NULL};
    return spawn_run(argv, NULL, 30000, NULL, why);
}

// Both inside `folder`, which is private, before the image gets its place.
static int payload_make(const char *folder, const char *image, const char *label,
                        const Xml *payload, Fail *why)
{
    AUTO_FREE char *content = memory_format("%s/content", folder);
    AUTO_FREE char *fresh = memory_format("%s/image", folder);
    int result = directory_make(content, 0700);
    if (result)
        return fail_errno(why, FAIL_INTERNAL, result, "%s can't be made", content);
    result = payload_write_files(content, payload, why);
    if (!result)
        result = payload_make_image(content, label, fresh, why);
    if (!result && (chmod(fresh, 0600) < 0 || rename(fresh, image) < 0))
        result = fail_errno(why, FAIL_INTERNAL, errno, "%s can't be made", image);
    return result;
}

static char *vm_payload_path(const Vm *vm)
{
    return memory_format("%s/payload/%s.iso", vms_agent(vm->vms)->config.run_directory, vm->id);
}

static int vm_make_payload(Vm *vm, Arena *arena, Xml *disk, const Xml *payload, Fail *why)
{
    const Config *config = &vms_agent(vm->vms)->config;
    const char *label = vm_xml_text(payload, "volId");
    // QEMU, a user of its own, must come through the outer folder; libvirt gives it the image.
    AUTO_FREE char *parent = memory_format("%s/payload", config->run_directory);
    AUTO_FREE char *folder = memory_format("%s/%s", parent, vm->id);
    AUTO_FREE char *image = vm_payload_path(vm);
    directory_remove(folder);
    int result = directory_make(parent, 0711);
    if (!result)
        result = directory_make(folder, 0700); // it may hold passwords
    if (result)
        return fail_errno(why, FAIL_INTERNAL, result, "%s can't be made", folder);
    result = payload_make(folder, image, label && *label ? label : "config-2", payload, why);
    directory_remove(folder);
    if (!result)
        vm_xml_set_disk_file(arena, disk, image, false);
    return result;
}

static const Xml *disk_payload(const Xml *disk, const Xml *metadata)
{
    const Xml *target = xml_child(disk, "target");
    const Xml *drive =
        vm_xml_device_metadata(metadata, "disk", target ? xml_attribute(target, "dev") : NULL);
    XML_EACH(drive, child) {
        const char *colon = strchr(child->name, ':');
        if (!strcmp(colon ? colon + 1 : child->name, "payload"))
            return child;
    }
    return NULL;
}

// What the VM will need on this host goes into its record first: whatever dies, it is given back.
static void vm_plan_devices(Vm *vm, const Xml *root)
{
    const Xml *metadata = vm_xml_metadata(root);
    XML_EACH(xml_child(root, "devices"), device) {
        if (strcmp(device->name, "disk"))
            continue;
        if (!disk_payload(device, metadata))
            vm_plan_disk(vm, device, metadata, false);
        else if (!vm->payload)
            vm->payload = vm_payload_path(vm);
    }
}

// ---- launching, on a pool thread

static int vm_prepare_devices(Vm *vm, Arena *arena, Xml *root, Fail *why)
{
    const Xml *metadata = vm_xml_metadata(root), *devices = xml_child(root, "devices");
    int result = 0;
    for (Xml *device = devices ? devices->first : NULL; !result && device; device = device->next) {
        if (strcmp(device->name, "disk"))
            continue;
        const Xml *payload = disk_payload(device, metadata);
        result = payload ? vm_make_payload(vm, arena, device, payload, why)
                         : vm_prepare_disk(vm, arena, device, metadata, why);
    }
    return result;
}

static bool vm_starts_paused(const Xml *root)
{
    const char *text = vm_xml_text(vm_xml_metadata(root), "launchPaused");
    return text && !strcmp(text, "true");
}

// -ECONNRESET: libvirt died meanwhile, so nobody knows whether it runs.
static int vm_start_domain(Vm *vm, const char *xml, bool paused, Fail *why)
{
    Hypervisor *hypervisor = vms_agent(vm->vms)->hypervisor;
    virConnectPtr connection = hypervisor_take(hypervisor, why);
    if (!connection)
        return fail_to_errno(FAIL_UNAVAILABLE);
    virDomainPtr domain = virDomainCreateXML(connection, xml, paused ? VIR_DOMAIN_START_PAUSED : 0);
    bool lost = !domain && libvirt_is_lost();
    if (!domain)
        libvirt_fail(why, FAIL_HOST, "QEMU could not start VM %s.", vm->name);
    else {
        vm_refresh_xml(vm, domain);
        virDomainFree(domain);
    }
    hypervisor_give(hypervisor, connection);
    return domain ? 0 : lost ? -ECONNRESET : fail_to_errno(FAIL_HOST);
}

static int vm_launch(Vm *vm, Fail *why)
{
    AUTO_ARENA arena = {0};
    AUTO_STRBUF text = {0};
    Agent *agent = vms_agent(vm->vms);
    Xml *root = xml_parse(&arena, vm->xml, strlen(vm->xml), NULL, NULL);
    VmXmlHost host = {.accelerator = hypervisor_accelerator(agent->hypervisor),
                      .console_address = agent->config.console_address,
                      .vhost_net = access("/dev/vhost-net", R_OK | W_OK) == 0,
                      .spice_tls = spice_tls_is_on()};
    int result = vm_prepare_devices(vm, &arena, root, why);
    if (result)
        return result;
    vm_xml_adapt(&arena, root, &host);
    xml_print(&text, root);
    AUTO_FREE char *xml = NULL;
    result = hooks_before(vm, "before_vm_start", text.data, &xml, why);
    if (!result)
        result = vm_start_domain(vm, xml, vm_starts_paused(root), why);
    if (result)
        return result;
    vm_set_status(vm, vm_starts_paused(root) ? VM_PAUSED : VM_POWERING_UP);
    hooks_after(vm, "after_vm_start", xml);
    return 0;
}

static void vm_launch_failed(Vm *vm, const Fail *why)
{
    AUTO_FREE char *text = fail_text(why);
    log_warn("vm.start", LOG_ID("vm", vm->id), "%s", text);
    vm_set_down(vm, VM_EXIT_START_FAILED, text);
    vm_release(vm);
    vm_save(vm);
}

// ---- launches of which nobody knows how they ended

static void vm_decide_run(uv_work_t *work)
{
    Launch *launch = work->data;
    Vm *vm = launch->vm;
    AUTO_FAIL absent = {0};
    Hypervisor *hypervisor = vms_agent(vm->vms)->hypervisor;
    virDomainPtr domain = hypervisor_domain(hypervisor, vm->id, &absent);
    if (domain)
        vm_recover(vm, domain);
    hypervisor_domain_done(hypervisor, domain);
    if (absent.code == FAIL_NOT_FOUND) {
        fail_set(&launch->why, FAIL_HOST,
                 "The start of VM %s was broken off: libvirt or the agent "
                 "ended meanwhile.",
                 vm->name);
        vm_launch_failed(vm, &launch->why);
    }
    vms_lock(vm->vms);
    vm->deciding = false;
    vm->doubtful = vm->status == VM_WAIT_FOR_LAUNCH;
    vm->doubts += domain && vm->doubtful;
    bool lasting = vm->doubtful && vm->doubts == LASTING_DOUBTS;
    vms_unlock(vm->vms);
    if (lasting)
        log_warn("vm.start", LOG_ID("vm", vm->id),
                 "libvirt has been starting %s for %d s and does not end it. Restart libvirtd: "
                 "before it starts, \"vireo-agent forget-starts\" must run.",
                 vm->name, LASTING_DOUBTS);
}

static void vm_launch_run(uv_work_t *work)
{
    Launch *launch = work->data;
    Vm *vm = launch->vm;
    int result = vm_launch(vm, &launch->why);
    // First: once it is not being launched any more, libvirt's word of its end would count, and that
    // knows less.
    if (result && result != -ECONNRESET)
        vm_launch_failed(vm, &launch->why);
    vms_lock(vm->vms);
    vm->launching = false;
    vm->doubtful = result == -ECONNRESET;
    vms_unlock(vm->vms);
}

static void vm_launch_done(uv_work_t *work, int status)
{
    Launch *launch = work->data;
    (void)status;
    vm_launched(launch->vm);
    vm_unref(launch->vm);
    fail_done(&launch->why);
    free(launch);
}

void vm_decide_launch(Vm *vm)
{
    Agent *agent = vms_agent(vm->vms);
    vms_lock(vm->vms);
    bool decides = vm->doubtful && !vm->deciding && !vm->launching;
    vm->deciding |= decides;
    vm->references += decides;
    vms_unlock(vm->vms);
    if (!decides)
        return;
    Launch *launch = NEW(Launch);
    launch->vm = vm;
    launch->work.data = launch;
    uv_queue_work(agent->loop, &launch->work, vm_decide_run, vm_launch_done);
}

void vm_write_definition(JsonWriter *writer, const Vm *vm)
{
    json_open(writer, '{');
    vm_write_status(writer, vm);
    json_add_string(writer, "vmName", vm->name);
    json_add_string(writer, "xml", vm->live_xml ? vm->live_xml : vm->xml);
    json_close(writer, '}');
}

static void vm_answer_definition(Call *call, Vm *vm)
{
    AUTO_STRBUF json = {0};
    JsonWriter writer = {.out = &json};
    vms_lock(vm->vms);
    vm_write_definition(&writer, vm);
    vms_unlock(vm->vms);
    call_reply(call, &json);
}

void vm_create(Call *call)
{
    Agent *agent = call_agent(call);
    const Json *params = call_json(call, "vmParams");
    const char *id = call_string(call, "vmID"), *xml = json_get_string(params, "xml");
    const char *error = NULL;
    int line = 0;
    Xml *root = xml ? xml_parse(call_arena(call), xml, strlen(xml), &error, &line) : NULL;
    if (!root) {
        call_fail(call, VDSM_CANNOT_CREATE_VM, "vmParams.xml is no domain XML: %s (line %d)",
                  error ? error : "it is missing", line);
        return;
    }
    const char *uuid = xml_child_text(root, "uuid"), *name = xml_child_text(root, "name");
    if (strcmp(root->name, "domain") || !name || (uuid && strcmp(uuid, id))) {
        call_fail(call, VDSM_CANNOT_CREATE_VM, "vmParams.xml is not the domain of VM %s", id);
        return;
    }
    Vm *vm = vms_add(agent->vms, id, name, xml, true);
    if (!vm) {
        call_fail(call, VDSM_VM_EXISTS, "{'vmId': '%s'}", id);
        return;
    }
    vm_plan_devices(vm, root);
    vm_save(vm);
    vm_answer_definition(call, vm);
    Launch *launch = NEW(Launch);
    launch->vm = vm;
    launch->work.data = launch;
    uv_queue_work(agent->loop, &launch->work, vm_launch_run, vm_launch_done);
}
