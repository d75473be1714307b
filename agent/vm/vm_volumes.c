#include "agent/vm/vm_volumes.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/storage/storage.h"
#include "agent/vm/hypervisor.h"
#include "agent/vm/vm_orphans.h"
#include "agent/vm/vm_xml.h"
#include "base/file.h"

static void volume_done(VmVolume *volume)
{
    free(volume->device);
    free(volume->pool);
    free(volume->domain);
    free(volume->image);
    free(volume->volume);
}

static void volumes_free(VmVolume *volumes, int count)
{
    for (int i = 0; i < count; i++)
        volume_done(&volumes[i]);
    free(volumes);
}

void vm_volumes_done(Vm *vm)
{
    volumes_free(vm->volumes, vm->volume_count);
    vm->volumes = NULL;
    vm->volume_count = 0;
}

static bool text_equal(const char *one, const char *other)
{
    return one && other && !strcmp(one, other);
}

// With the lock held.
static VmVolume *vm_find_volume(Vm *vm, const VmVolume *like)
{
    for (int i = 0; i < vm->volume_count; i++) {
        VmVolume *volume = &vm->volumes[i];
        if (text_equal(volume->device, like->device) && text_equal(volume->image, like->image) &&
            text_equal(volume->volume, like->volume))
            return volume;
    }
    return NULL;
}

static void vm_add_volume(Vm *vm, const VmVolume *volume)
{
    VmVolume copy = {.device = memory_string(volume->device),
                     .pool = memory_string(volume->pool),
                     .domain = memory_string(volume->domain),
                     .image = memory_string(volume->image),
                     .volume = memory_string(volume->volume),
                     .changing = volume->changing};
    vm->volumes = memory_resize(vm->volumes, (size_t)vm->volume_count + 1, sizeof(VmVolume));
    vm->volumes[vm->volume_count++] = copy;
}

void vm_plan_volume(Vm *vm, const VmVolume *volume)
{
    vms_lock(vm->vms);
    VmVolume *known = vm_find_volume(vm, volume);
    if (known) // a CD that is put in again
        known->changing |= volume->changing;
    else
        vm_add_volume(vm, volume);
    vms_unlock(vm->vms);
}

void vm_volumes_changed(Vm *vm, const char *image)
{
    vms_lock(vm->vms);
    for (int i = 0; image && i < vm->volume_count; i++)
        if (vm->volumes[i].image && !strcmp(vm->volumes[i].image, image))
            vm->volumes[i].changing = false;
    vms_unlock(vm->vms);
}

// ---- giving back

// Another VM, or another drive of the same one, may use the image too: a CD, a shared disk.
static void volumes_give_back(Vms *vms, VmVolume *volumes, int count)
{
    for (int i = 0; i < count; i++)
        if (volumes[i].image && !vms_use_image(vms, volumes[i].image))
            storage_teardown(vms_agent(vms)->storage, volumes[i].domain, volumes[i].image,
                             volumes[i].volume);
    volumes_free(volumes, count);
}

// Moves the volumes that no drive uses to the end of a list of their own.
static int vm_take_unused(Vm *vm, const Xml *devices, VmVolume **ret)
{
    int kept = 0, taken = 0;
    VmVolume *unused = NEW_ARRAY(VmVolume, vm->volume_count);
    for (int i = 0; i < vm->volume_count; i++) {
        VmVolume *volume = &vm->volumes[i];
        if (volume->changing || (volume->image && vm_xml_uses_image(devices, volume->image)))
            vm->volumes[kept++] = *volume;
        else
            unused[taken++] = *volume;
    }
    vm->volume_count = kept;
    *ret = unused;
    return taken;
}

static void vm_settle_volumes_of(Vm *vm, virDomainPtr domain, bool interrupted)
{
    AUTO_ARENA arena = {0};
    char *xml = virDomainGetXMLDesc(domain, 0);
    const Xml *root = xml ? xml_parse(&arena, xml, strlen(xml), NULL, NULL) : NULL;
    const Xml *devices = xml_child(root, "devices");
    VmVolume *unused = NULL;
    if (devices) {
        vms_lock(vm->vms);
        int count = vm_take_unused(vm, devices, &unused);
        vms_unlock(vm->vms);
        if (count && interrupted)
            domain_drop_orphans(domain, devices, NULL);
        volumes_give_back(vm->vms, unused, count);
        if (count)
            vm_save(vm);
    }
    free(xml);
}

void vm_settle_volumes(Vm *vm, bool interrupted)
{
    AUTO_FAIL why = {0};
    vms_lock(vm->vms);
    bool down = vm->status == VM_DOWN;
    vms_unlock(vm->vms);
    if (down) {
        vm_release(vm);
        return;
    }
    Hypervisor *hypervisor = vms_agent(vm->vms)->hypervisor;
    virDomainPtr domain = hypervisor_domain(hypervisor, vm->id, &why);
    if (domain)
        vm_settle_volumes_of(vm, domain, interrupted);
    hypervisor_domain_done(hypervisor, domain);
}

static void payload_remove(char *path)
{
    unlink(path);
    char *end = strrchr(path, '.'); // without ".iso": what it was made of
    if (end)
        *end = 0;
    directory_remove(path);
}

void vm_release(Vm *vm)
{
    VmVolume *volumes = NULL;
    vms_lock(vm->vms);
    int count = vm_take_unused(vm, NULL, &volumes);
    AUTO_FREE char *payload = TAKE(vm->payload);
    vms_unlock(vm->vms);
    volumes_give_back(vm->vms, volumes, count);
    if (payload)
        payload_remove(payload);
}

// ---- the record

void vm_write_volumes(JsonWriter *writer, const Vm *vm)
{
    json_key(writer, "volumes");
    json_open(writer, '[');
    for (int i = 0; i < vm->volume_count; i++) {
        json_open(writer, '{');
        json_add_string(writer, "device", vm->volumes[i].device);
        json_add_string(writer, "pool", vm->volumes[i].pool);
        json_add_string(writer, "domain", vm->volumes[i].domain);
        json_add_string(writer, "image", vm->volumes[i].image);
        json_add_string(writer, "volume", vm->volumes[i].volume);
        json_close(writer, '}');
    }
    json_close(writer, ']');
}

void vm_read_volumes(Vm *vm, const Json *list)
{
    vm->volumes = NEW_ARRAY(VmVolume, list ? list->count : 0);
    JSON_EACH(list, volume)
        vm->volumes[vm->volume_count++] =
            (VmVolume){.device = memory_string(json_get_string(volume, "device")),
                       .pool = memory_string(json_get_string(volume, "pool")),
                       .domain = memory_string(json_get_string(volume, "domain")),
                       .image = memory_string(json_get_string(volume, "image")),
                       .volume = memory_string(json_get_string(volume, "volume"))};
}
