// Verbs that change the devices of a running VM. XML comes as <hotplug><devices>..</devices>
// <metadata>..</metadata></hotplug>, the metadata as in VM.create.
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include <libvirt/virterror.h>

#include "agent/rpc/verbs.h"
#include "agent/storage/storage.h"
#include "agent/vm/hooks.h"
#include "agent/vm/hypervisor.h"
#include "agent/vm/vm_create.h"
#include "agent/vm/vm_device.h"
#include "agent/vm/vm_orphans.h"
#include "agent/vm/vm_volumes.h"
#include "agent/vm/vm_xml.h"
#include "agent/vm/vms.h"
#include "base/log.h"

enum { DETACH_WAIT_MS = 10000 };

// ---- disks

static const char *disk_target(const Xml *disk)
{
    const Xml *target = xml_child(disk, "target");
    return target ? xml_attribute(target, "dev") : NULL;
}

// The device of this element whose child has this attribute; NULL when there is none.
static const Xml *find_device(const Xml *devices, const char *element, const char *child,
                              const char *attribute, const char *value)
{
    XML_EACH(devices, device) {
        const Xml *inner = xml_child(device, child);
        const char *text = inner ? xml_attribute(inner, attribute) : NULL;
        if (!strcmp(device->name, element) && text && value && !strcasecmp(text, value))
            return device;
    }
    return NULL;
}

// The name that the drive has in the running domain, found by its serial number, which is the
// image's id, or by its alias; NULL when it is not there.
static const char *disk_plugged(const Xml *devices, const char *image, const char *alias)
{
    XML_EACH(devices, device) {
        const char *serial = xml_child_text(device, "serial");
        const char *own = xml_attribute(xml_child(device, "alias"), "name");
        if (!strcmp(device->name, "disk") &&
            ((image && serial && !strcmp(serial, image)) || (alias && own && !strcmp(own, alias))))
            return disk_target(device);
    }
    return NULL;
}

static bool target_is_taken(const Xml *devices, const char *name)
{
    XML_EACH(devices, device) {
        const char *own = !strcmp(device->name, "disk") ? disk_target(device) : NULL;
        if (own && !strcmp(own, name))
            return true;
    }
    return false;
}

// The caller may not know what is plugged already: a name that is taken becomes the next free one
// of the same bus, in the device and in its metadata.
static void disk_choose_target(Arena *arena, Xml *disk, const Xml *metadata, const Xml *devices)
{
    const char *wanted = disk_target(disk);
    if (!wanted || strlen(wanted) < 3 || !target_is_taken(devices, wanted))
        return;
    for (char letter = 'a'; letter <= 'z'; letter++) {
        char *name = arena_string(arena, wanted);
        name[2] = letter;
        if (target_is_taken(devices, name))
            continue;
        Xml *entry = (Xml *)vm_xml_device_metadata(metadata, "disk", wanted);
        if (entry)
            xml_set_attribute(arena, entry, "name", name);
        xml_set_attribute(arena, (Xml *)xml_child(disk, "target"), "dev", name);
        return;
    }
}

// The volume is given back when the guest has not got it, now or, if libvirt has died, when it is
// there again.
static void hotplug_disk(DeviceCall *device, const Xml *devices)
{
    Call *call = device->call;
    AUTO_FAIL why = {0};
    bool plugged = false;
    const Xml *metadata = vm_xml_metadata(device->root);
    disk_choose_target(call_arena(call), device->device, metadata, devices);
    vm_plan_disk(device->vm, device->device, metadata, true);
    vm_save(device->vm);
    if (vm_prepare_disk(device->vm, call_arena(call), device->device, metadata, &why))
        call_fail_why(call, VDSM_HOTPLUG_DISK_FAILED, &why);
    else if ((plugged = device_attach(device, "disk", VDSM_HOTPLUG_DISK_FAILED,
                                      "The disk could not be plugged.")))
        device_answer(device);
    const Xml *drive = vm_xml_device_metadata(metadata, "disk", disk_target(device->device));
    vm_volumes_changed(device->vm, drive ? vm_xml_text(drive, "imageID") : NULL);
    if (!plugged)
        vm_settle_volumes(device->vm, true);
}

void vm_hotplug_disk(Call *call)
{
    DeviceCall device;
    const Xml *devices;
    if (device_begin(&device, call) && device_parse(&device, "disk", VDSM_HOTPLUG_DISK_FAILED) &&
        device_domain(&device, &devices)) {
        // A repeated call, after an answer that was lost, finds it plugged.
        if (disk_plugged(devices, xml_child_text(device.device, "serial"),
                         xml_attribute(xml_child(device.device, "alias"), "name")))
            device_answer(&device);
        else
            hotplug_disk(&device, devices);
    }
    device_end(&device);
}

// The guest must let go; QEMU tells when it has. Meanwhile others may change devices, and give its
// name to another one. False after it has answered.
static bool device_wait_gone(DeviceCall *device, const char *alias, VdsmError error)
{
    const Xml *devices;
    for (int waited = 0; waited < DETACH_WAIT_MS; waited += 100) {
        if (!device_domain(device, &devices))
            return false;
        if (!devices_have_alias(devices, alias))
            return true;
        uv_mutex_unlock(&device->vm->devices_lock);
        uv_sleep(100);
        uv_mutex_lock(&device->vm->devices_lock);
    }
    call_fail(device->call, error, "the guest did not release the device within %d s",
              DETACH_WAIT_MS / 1000);
    return false;
}

// Between the hooks before_KIND_hotunplug and after_KIND_hotunplug. libvirt wants the element of the
// live domain whole.
static bool device_detach(DeviceCall *device, const Xml *devices, const char *element,
                          const char *child, const char *attribute, const char *value,
                          VdsmError error)
{
    const char *kind = !strcmp(element, "interface") ? "nic" : element;
    AUTO_FREE char *before = memory_format("before_%s_hotunplug", kind);
    AUTO_FREE char *after = memory_format("after_%s_hotunplug", kind);
    const Xml *found = find_device(devices, element, child, attribute, value);
    if (!found)
        return true; // it is not there: done already
    AUTO_FREE char *xml = device_xml(found);
    const char *alias = xml_attribute(xml_child(found, "alias"), "name");
    if (!device_hook_before(device, before, xml, NULL))
        return false;
    if (virDomainDetachDeviceFlags(device->domain, xml, VIR_DOMAIN_AFFECT_LIVE)) {
        call_libvirt_failed(device->call, error, "The device could not be unplugged.");
        return false;
    }
    if (alias && !device_wait_gone(device, alias, error))
        return false;
    hooks_after(device->vm, after, xml);
    return true;
}

// What a call names, by serial number, alias, or the target's name itself.
static const char *disk_find_target(const Xml *devices, const Xml *disk, const Json *drive)
{
    const char *image = json_get_string(drive, "imageID");
    const char *alias = xml_attribute(xml_child(disk, "alias"), "name");
    const char *target = disk_plugged(devices, image, alias);
    return !target && disk && !alias ? disk_target(disk) : target;
}

void vm_hotunplug_disk(Call *call)
{
    DeviceCall device;
    const Xml *devices;
    if (device_begin(&device, call) && device_domain(&device, &devices)) {
        const Json *params = call_json(call, "params");
        const char *xml = json_get_string(params, "xml");
        Xml *root = xml ? xml_parse(call_arena(call), xml, strlen(xml), NULL, NULL) : NULL;
        const char *target = disk_find_target(devices, xml_find(root, "devices", "disk", NULL),
                                              json_get(params, "drive"));
        bool gone = !find_device(devices, "disk", "target", "dev", target);
        if (device_detach(&device, devices, "disk", "target", "dev", target,
                          VDSM_HOTUNPLUG_DISK_FAILED))
            device_answer(&device);
        vm_settle_volumes(device.vm, gone);
    }
    device_end(&device);
}

void vm_extend_disk(Call *call)
{
    DeviceCall device;
    const Xml *devices;
    if (device_begin(&device, call) && device_domain(&device, &devices)) {
        const Json *drive = call_json(call, "driveSpecs");
        const char *name = json_get_string(drive, "name");
        const char *target = name ? name : disk_find_target(devices, NULL, drive);
        int64_t size = call_integer(call, "newSize", 0);
        if (!target || size <= 0)
            call_fail(call, VDSM_BAD_DISK_RESIZE, "the disk is not plugged, or the size is wrong");
        else if (virDomainBlockResize(device.domain, target, (unsigned long long)size,
                                      VIR_DOMAIN_BLOCK_RESIZE_BYTES))
            call_libvirt_failed(call, VDSM_BAD_DISK_RESIZE, "The disk could not be resized.");
        else
            call_reply_string(call, arena_format(call_arena(call), "%lld", (long long)size));
    }
    device_end(&device);
}

// ---- network interfaces

static const char *nic_mac(const Xml *interface)
{
    return xml_attribute(xml_child(interface, "mac"), "address");
}

void vm_hotplug_nic(Call *call)
{
    DeviceCall device;
    const Xml *devices;
    if (device_begin(&device, call) &&
        device_parse(&device, "interface", VDSM_HOTPLUG_NIC_FAILED) &&
        device_domain(&device, &devices)) {
        VmXmlHost host = {.accelerator = ACCELERATOR_KVM,
                          .console_address = "",
                          .vhost_net = access("/dev/vhost-net", R_OK | W_OK) == 0};
        vm_xml_adapt(call_arena(call), device.root, &host);
        if (find_device(devices, "interface", "mac", "address", nic_mac(device.device)) ||
            device_attach(&device, "nic", VDSM_HOTPLUG_NIC_FAILED,
                          "The network interface could not be plugged."))
            device_answer(&device);
    }
    device_end(&device);
}

void vm_hotunplug_nic(Call *call)
{
    DeviceCall device;
    const Xml *devices;
    if (device_begin(&device, call) &&
        device_parse(&device, "interface", VDSM_HOTUNPLUG_NIC_FAILED) &&
        device_domain(&device, &devices) &&
        device_detach(&device, devices, "interface", "mac", "address", nic_mac(device.device),
                      VDSM_HOTUNPLUG_NIC_FAILED))
        device_answer(&device);
    device_end(&device);
}

static void update_interface(DeviceCall *device, const Xml *devices, const Json *params)
{
    const char *mac = json_get_string(params, "macAddr");
    const char *network = json_get_string(params, "network");
    bool link = json_get_bool(params, "linkActive", true);
    Arena *arena = call_arena(device->call);
    Xml *interface = (Xml *)find_device(devices, "interface", "mac", "address", mac);
    if (!interface) {
        call_fail(device->call, VDSM_UPDATE_DEVICE_FAILED, "no interface has the address %s",
                  mac ? mac : "(none)");
        return;
    }
    Xml *state = (Xml *)xml_child(interface, "link");
    if (!state)
        state = xml_add_child(arena, interface, "link");
    xml_set_attribute(arena, state, "state", link ? "up" : "down");
    if (network && *network)
        xml_set_attribute(arena, (Xml *)xml_child(interface, "source"), "bridge", network);
    AUTO_FREE char *changed = device_xml(interface);
    if (virDomainUpdateDeviceFlags(device->domain, changed, VIR_DOMAIN_AFFECT_LIVE))
        call_libvirt_failed(device->call, VDSM_UPDATE_DEVICE_FAILED,
                            "The network interface could not be changed.");
    else
        device_answer(device);
}

// ---- consoles

static void write_ticket_time(char text[40], int64_t seconds)
{
    time_t until = time(NULL) + seconds;
    struct tm broken;
    gmtime_r(&until, &broken);
    strftime(text, 40, "%Y-%m-%dT%H:%M:%S", &broken);
}

static void update_ticket(DeviceCall *device, const char *type, const char *password, int64_t ttl,
                          const char *action)
{
    char until[40];
    Arena *arena = call_arena(device->call);
    char *xml = virDomainGetXMLDesc(device->domain, VIR_DOMAIN_XML_SECURE);
    if (!xml) {
        call_libvirt_failed(device->call, VDSM_TICKET, "The VM's consoles could not be looked at.");
        return;
    }
    Xml *root = xml_parse(arena, xml, strlen(xml), NULL, NULL);
    Xml *graphics = NULL;
    free(xml);
    XML_EACH(xml_child(root, "devices"), child) {
        const char *own = xml_attribute(child, "type");
        if (!strcmp(child->name, "graphics") && (!type || (own && !strcmp(own, type))) && !graphics)
            graphics = (Xml *)child;
    }
    if (!graphics) {
        call_fail(device->call, VDSM_TICKET, "the VM has no console of type %s",
                  type ? type : "any");
        return;
    }
    write_ticket_time(until, ttl);
    xml_set_attribute(arena, graphics, "passwd", password);
    xml_set_attribute(arena, graphics, "passwdValidTo", until);
    // VNC servers know no other action than to keep who is connected.
    bool spice = !strcmp(xml_attribute(graphics, "type"), "spice");
    xml_set_attribute(arena, graphics, "connected", spice && action ? action : "keep");
    AUTO_FREE char *changed = device_xml(graphics);
    if (virDomainUpdateDeviceFlags(device->domain, changed, VIR_DOMAIN_AFFECT_LIVE))
        call_libvirt_failed(device->call, VDSM_TICKET, "The console ticket could not be set.");
    else
        device_answer(device);
}

void vm_set_ticket(Call *call)
{
    DeviceCall device;
    if (device_begin(&device, call))
        update_ticket(&device, NULL, call_string(call, "password"), call_integer(call, "ttl", 120),
                      call_string(call, "existingConnAction"));
    device_end(&device);
}

void vm_update_device(Call *call)
{
    DeviceCall device;
    const Xml *devices;
    const Json *params = call_json(call, "params");
    const char *type = json_get_string(params, "deviceType");
    if (device_begin(&device, call)) {
        if (type && !strcmp(type, "graphics"))
            update_ticket(&device, json_get_string(params, "graphicsType"),
                          json_get_string(params, "password"), json_get_integer(params, "ttl", 120),
                          json_get_string(params, "existingConnAction"));
        else if (!type || strcmp(type, "interface"))
            call_fail(call, VDSM_UPDATE_DEVICE_FAILED, "devices of type %s can't be changed",
                      type ? type : "(none)");
        else if (device_domain(&device, &devices))
            update_interface(&device, devices, params);
    }
    device_end(&device);
}

// ---- CD

static const char *cd_image(const Json *spec)
{
    const Json *path = json_get(spec, "path");
    return json_get_string(path && path->kind == JSON_OBJECT ? path : spec, "imageID");
}

// A volume, in the VM's record before it is prepared.
static int cd_prepare(DeviceCall *device, const char *target, const Json *spec, char **ret_path,
                      Fail *why)
{
    VolumePath prepared = {0};
    const Json *path = json_get(spec, "path");
    const Json *place = path && path->kind == JSON_OBJECT ? path : spec;
    VmVolume volume = {.device = (char *)target,
                       .pool = (char *)json_get_string(place, "poolID"),
                       .domain = (char *)json_get_string(place, "domainID"),
                       .image = (char *)json_get_string(place, "imageID"),
                       .volume = (char *)json_get_string(place, "volumeID"),
                       .changing = true};
    vm_plan_volume(device->vm, &volume);
    vm_save(device->vm);
    int error = storage_prepare(call_agent(device->call)->storage, volume.domain, volume.image,
                                volume.volume, false, &prepared, why);
    if (error)
        return error;
    *ret_path = memory_string(prepared.path);
    volume_path_done(&prepared);
    return 0;
}

static int cd_path(DeviceCall *device, const char *target, const Json *spec, char **ret_path,
                   Fail *why)
{
    const char *plain = json_string(spec) ? json_string(spec) : json_get_string(spec, "path");
    if (cd_image(spec))
        return cd_prepare(device, target, spec, ret_path, why);
    if (plain && *plain && access(plain, R_OK))
        return fail_set(why, FAIL_NOT_FOUND, "The image %s is not there.", plain);
    *ret_path = plain && *plain ? memory_string(plain) : NULL;
    return 0;
}

static Xml *find_cd(const Xml *devices, const Json *spec)
{
    const char *bus = json_get_string(spec, "iface");
    Xml *found = NULL;
    XML_EACH(devices, disk) {
        const char *kind = xml_attribute(disk, "device");
        const char *own = xml_attribute(xml_child(disk, "target"), "bus");
        if (strcmp(disk->name, "disk") || !kind || strcmp(kind, "cdrom"))
            continue;
        if (!found || (bus && own && !strcmp(bus, own)))
            found = (Xml *)disk;
    }
    return found;
}

static bool change_cd(DeviceCall *device, Xml *disk, const Json *spec)
{
    Call *call = device->call;
    AUTO_FAIL why = {0};
    AUTO_FREE char *path = NULL;
    if (cd_path(device, disk_target(disk), spec, &path, &why)) {
        call_fail_why(call, VDSM_IMAGE_FILE_NOT_FOUND, &why);
        return false;
    }
    const Xml *source = xml_child(disk, "source");
    if (source)
        xml_remove_child(disk, source);
    if (path)
        vm_xml_set_disk_file(call_arena(call), disk, path, false);
    AUTO_FREE char *changed = device_xml(disk);
    if (virDomainUpdateDeviceFlags(device->domain, changed,
                                   VIR_DOMAIN_AFFECT_LIVE | VIR_DOMAIN_DEVICE_MODIFY_FORCE)) {
        call_libvirt_failed(call, VDSM_CHANGE_DISK_FAILED, "The CD could not be changed.");
        return false;
    }
    device_answer(device);
    return true;
}

void vm_change_cd(Call *call)
{
    DeviceCall device;
    const Xml *devices;
    const Json *spec = call_json(call, "driveSpec");
    if (device_begin(&device, call) && device_domain(&device, &devices)) {
        Xml *disk = find_cd(devices, spec);
        bool changed = disk && change_cd(&device, disk, spec);
        if (!disk)
            call_fail(call, VDSM_CHANGE_DISK_FAILED, "the VM has no CD drive");
        vm_volumes_changed(device.vm, cd_image(spec));
        vm_settle_volumes(device.vm, !changed);
    }
    device_end(&device);
}
