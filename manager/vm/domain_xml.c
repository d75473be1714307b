#include "manager/vm/domain_xml.h"

#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/xml.h"
#include "manager/vm/vm_config.h"
#include "model/operating_system.h"

#define NS_TUNE "http://ovirt.org/vm/tune/1.0"
#define NS_VM   "http://ovirt.org/vm/1.0"

enum {
    ROOT_PORTS = 16,
    HOTPLUG_SLOTS = 16,
    HOTPLUG_SOCKETS = 16,
    HOTPLUG_CPUS = 255, // more need an interrupt controller of another kind
};

const char *domain_disk_bus(ApiDiskInterface interface)
{
    switch (interface) {
    case API_DISK_INTERFACE_VIRTIO_SCSI: return "scsi";
    case API_DISK_INTERFACE_SATA: return "sata";
    case API_DISK_INTERFACE_IDE: return "ide";
    default: return "virtio";
    }
}

static bool is_q35(const ApiVm *vm)
{
    return vm->bios->type != API_BIOS_TYPE_I440FX_SEA_BIOS;
}

static bool is_efi(const ApiVm *vm)
{
    return vm->bios->type == API_BIOS_TYPE_Q35_OVMF ||
           vm->bios->type == API_BIOS_TYPE_Q35_SECURE_BOOT;
}

static OsFamily family_of(const ApiVm *vm)
{
    const OperatingSystem *os = operating_system_find(vm->os ? vm->os->type : NULL);
    return os ? os->family : OS_FAMILY_OTHER;
}

// ---- metadata

static void write_place(XmlWriter *writer, const DomainDisk *disk)
{
    xml_add_text(writer, "ovirt-vm:domainID", disk->storage_domain);
    xml_add_text(writer, "ovirt-vm:imageID", disk->disk->id);
    xml_add_text(writer, "ovirt-vm:poolID", disk->data_center);
    xml_add_text(writer, "ovirt-vm:volumeID", disk->disk->image_id);
}

static void write_disk_metadata(XmlWriter *writer, const DomainDisk *disk)
{
    xml_open(writer, "ovirt-vm:device");
    xml_put_attribute(writer, "devtype", "disk");
    xml_put_attribute(writer, "name", disk->target);
    write_place(writer, disk);
    xml_close(writer);
}

static void write_payload_metadata(XmlWriter *writer, const char *target,
                                   const DomainPayload *payload)
{
    xml_open(writer, "ovirt-vm:device");
    xml_put_attribute(writer, "devtype", "disk");
    xml_put_attribute(writer, "name", target);
    xml_open(writer, "ovirt-vm:payload");
    xml_add_text(writer, "ovirt-vm:volId", payload->label);
    for (int i = 0; i < payload->count; i++) {
        const char *content = payload->files[i].content;
        AUTO_FREE char *encoded = base64_encode(content, strlen(content));
        xml_open(writer, "ovirt-vm:file");
        xml_put_attribute(writer, "path", payload->files[i].path);
        xml_put_text(writer, encoded);
        xml_close(writer);
    }
    xml_close(writer);
    xml_close(writer);
}

static void write_nic_metadata(XmlWriter *writer, const DomainNic *nic)
{
    xml_open(writer, "ovirt-vm:device");
    xml_put_attribute(writer, "mac_address", nic->nic->mac->address);
    xml_add_text(writer, "ovirt-vm:network", nic->bridge ? nic->bridge : "");
    xml_close(writer);
}

static void write_metadata(XmlWriter *writer, const DomainInput *input, const char *cd_target,
                           const char *payload_target)
{
    const ApiVm *vm = input->vm;
    static const char *const resume[] = {
        [API_VM_STORAGE_ERROR_RESUME_BEHAVIOUR_AUTO_RESUME] = "auto_resume",
        [API_VM_STORAGE_ERROR_RESUME_BEHAVIOUR_LEAVE_PAUSED] = "leave_paused",
        [API_VM_STORAGE_ERROR_RESUME_BEHAVIOUR_KILL] = "kill",
    };
    xml_open(writer, "metadata");
    xml_add_empty(writer, "ovirt-tune:qos", NULL);
    xml_open(writer, "ovirt-vm:vm");
    xml_add_text(writer, "ovirt-vm:clusterVersion", input->cluster_version);
    xml_add_integer(writer, "ovirt-vm:minGuaranteedMemoryMb",
                    vm->memory_policy->guaranteed.value >> 20);
    xml_add_text(writer, "ovirt-vm:launchPaused", input->start_paused ? "true" : "false");
    xml_add_text(writer, "ovirt-vm:resumeBehavior",
                 resume[vm->storage_error_resume_behaviour]
                     ? resume[vm->storage_error_resume_behaviour]
                     : "auto_resume");
    xml_add_text(writer, "ovirt-vm:ballooningEnabled",
                 vm->memory_policy->ballooning == API_TRUE ? "true" : "false");
    for (int i = 0; i < input->disk_count; i++)
        write_disk_metadata(writer, &input->disks[i]);
    if (input->cd_disk) {
        DomainDisk cd = *input->cd_disk;
        snprintf(cd.target, sizeof(cd.target), "%s", cd_target);
        write_disk_metadata(writer, &cd);
    }
    if (input->payload)
        write_payload_metadata(writer, payload_target, input->payload);
    for (int i = 0; i < input->nic_count; i++)
        write_nic_metadata(writer, &input->nics[i]);
    xml_close(writer);
    xml_close(writer);
}

// ---- machine

static void write_memory(XmlWriter *writer, const ApiVm *vm)
{
    bool hotplug = vm->memory_policy->max.value > vm->memory.value;
    if (hotplug) {
        xml_open(writer, "maxMemory");
        xml_put_attribute_integer(writer, "slots", HOTPLUG_SLOTS);
        char text[32];
        snprintf(text, sizeof(text), "%lld", (long long)vm->memory_policy->max.value >> 10);
        xml_put_text(writer, text);
        xml_close(writer);
    }
    xml_add_integer(writer, "memory", vm->memory.value >> 10);
    xml_add_integer(writer, "currentMemory", vm->memory.value >> 10);
}

int64_t domain_sockets_max(const ApiCpuTopology *topology, bool accelerated)
{
    int64_t possible = HOTPLUG_CPUS / (topology->cores.value * topology->threads.value);
    int64_t sockets = possible < HOTPLUG_SOCKETS ? possible : HOTPLUG_SOCKETS;
    // Without KVM, QEMU aborts when a CPU comes while its cache of translated code is handed out.
    if (!accelerated)
        return topology->sockets.value;
    return sockets > topology->sockets.value ? sockets : topology->sockets.value;
}

static void write_vcpus(XmlWriter *writer, const ApiVm *vm, bool accelerated)
{
    const ApiCpuTopology *topology = vm->cpu->topology;
    int64_t per_socket = topology->cores.value * topology->threads.value;
    int64_t sockets = domain_sockets_max(topology, accelerated);
    char text[32];
    snprintf(text, sizeof(text), "%lld", (long long)(sockets * per_socket));
    xml_open(writer, "vcpu");
    xml_put_attribute_integer(writer, "current", vm_config_cpus(vm));
    xml_put_text(writer, text);
    xml_close(writer);
}

static void write_cpu(XmlWriter *writer, const DomainInput *input)
{
    const ApiCpuTopology *topology = input->vm->cpu->topology;
    int64_t per_socket = topology->cores.value * topology->threads.value;
    int64_t sockets = domain_sockets_max(topology, input->accelerated);
    const char *model = input->vm->custom_cpu_model;
    if (!model || !*model)
        model = input->cpu_model;
    xml_open(writer, "cpu");
    if (input->vm->cpu->mode == API_CPU_MODE_HOST_PASSTHROUGH)
        xml_put_attribute(writer, "mode", "host-passthrough");
    else if (!model || !*model)
        xml_put_attribute(writer, "mode", "host-model");
    else {
        xml_put_attribute(writer, "mode", "custom");
        xml_put_attribute(writer, "match", "exact");
        xml_add_text(writer, "model", model);
    }
    xml_open(writer, "topology");
    xml_put_attribute_integer(writer, "sockets", sockets);
    xml_put_attribute_integer(writer, "cores", topology->cores.value);
    xml_put_attribute_integer(writer, "threads", topology->threads.value);
    xml_close(writer);
    xml_open(writer, "numa");
    xml_open(writer, "cell");
    xml_put_attribute(writer, "id", "0");
    char range[32];
    snprintf(range, sizeof(range), "0-%lld", (long long)(sockets * per_socket - 1));
    xml_put_attribute(writer, "cpus", sockets * per_socket > 1 ? range : "0");
    xml_put_attribute_integer(writer, "memory", input->vm->memory.value >> 10);
    xml_put_attribute(writer, "unit", "KiB");
    xml_close(writer);
    xml_close(writer);
    xml_close(writer);
}

static void write_sysinfo(XmlWriter *writer, const ApiVm *vm)
{
    const struct {
        const char *name, *value;
    } rows[] = {
        {"manufacturer", "oVirt"}, {"product", "RHEL"}, {"version", "8"},    {"sku", "8.2.0"},
        {"serial", vm->id},        {"uuid", vm->id},    {"family", "oVirt"},
    };
    xml_open(writer, "sysinfo");
    xml_put_attribute(writer, "type", "smbios");
    xml_open(writer, "system");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        xml_open(writer, "entry");
        xml_put_attribute(writer, "name", rows[i].name);
        xml_put_text(writer, rows[i].value);
        xml_close(writer);
    }
    xml_close(writer);
    xml_close(writer);
}

static void write_clock(XmlWriter *writer, const ApiVm *vm)
{
    xml_open(writer, "clock");
    xml_put_attribute(writer, "offset", "variable");
    xml_put_attribute(writer, "adjustment", "0");
    if (family_of(vm) == OS_FAMILY_WINDOWS)
        xml_add_empty(writer, "timer", "name", "hypervclock", "present", "yes", NULL);
    xml_add_empty(writer, "timer", "name", "rtc", "tickpolicy", "catchup", NULL);
    xml_add_empty(writer, "timer", "name", "pit", "tickpolicy", "delay", NULL);
    xml_add_empty(writer, "timer", "name", "hpet", "present", "no", NULL);
    xml_close(writer);
}

static void write_features(XmlWriter *writer, const DomainInput *input)
{
    xml_open(writer, "features");
    xml_add_empty(writer, "acpi", NULL);
    if (input->vm->bios->type == API_BIOS_TYPE_Q35_SECURE_BOOT)
        xml_add_empty(writer, "smm", "state", "on", NULL);
    xml_add_empty(writer, "vmcoreinfo", "state", "on", NULL);
    if (family_of(input->vm) == OS_FAMILY_WINDOWS) {
        xml_open(writer, "hyperv");
        xml_add_empty(writer, "relaxed", "state", "on", NULL);
        xml_add_empty(writer, "vapic", "state", "on", NULL);
        xml_add_empty(writer, "spinlocks", "state", "on", "retries", "8191", NULL);
        xml_close(writer);
    }
    xml_close(writer);
}

static void write_firmware(XmlWriter *writer, bool secure)
{
    xml_open(writer, "firmware");
    xml_add_empty(writer, "feature", "enabled", secure ? "yes" : "no", "name", "secure-boot", NULL);
    if (secure)
        xml_add_empty(writer, "feature", "enabled", "yes", "name", "enrolled-keys", NULL);
    xml_close(writer);
}

static void write_os(XmlWriter *writer, const DomainInput *input)
{
    const ApiVm *vm = input->vm;
    const char *machine = vm->custom_emulated_machine;
    xml_open(writer, "os");
    if (is_efi(vm))
        xml_put_attribute(writer, "firmware", "efi");
    xml_open(writer, "type");
    xml_put_attribute(writer, "arch", "x86_64");
    xml_put_attribute(writer, "machine", machine && *machine ? machine : is_q35(vm) ? "q35" : "pc");
    xml_put_text(writer, "hvm");
    xml_close(writer);
    if (is_efi(vm))
        write_firmware(writer, vm->bios->type == API_BIOS_TYPE_Q35_SECURE_BOOT);
    if (input->kernel) {
        xml_add_text(writer, "kernel", input->kernel);
        if (input->initrd)
            xml_add_text(writer, "initrd", input->initrd);
        if (input->command_line)
            xml_add_text(writer, "cmdline", input->command_line);
    }
    xml_add_empty(writer, "smbios", "mode", "sysinfo", NULL);
    xml_add_empty(
        writer, "bootmenu", "enable",
        vm->bios->boot_menu && vm->bios->boot_menu->enabled == API_TRUE ? "yes" : "no", "timeout",
        vm->bios->boot_menu && vm->bios->boot_menu->enabled == API_TRUE ? "30000" : NULL, NULL);
    xml_close(writer);
}

// ---- boot order: libvirt numbers devices, the VM names classes

static int boot_position(const DomainInput *input, ApiBootDevice device)
{
    for (int i = 0; i < input->boot_count; i++)
        if (input->boot[i] == device)
            return i + 1;
    return 0;
}

static void write_boot(XmlWriter *writer, int order)
{
    if (!order)
        return;
    xml_open(writer, "boot");
    xml_put_attribute_integer(writer, "order", order);
    xml_close(writer);
}

// ---- disks

static void next_target(char target[8], const char *bus, const char *const *used, int used_count)
{
    const char *prefix = !strcmp(bus, "virtio") ? "vd" : !strcmp(bus, "ide") ? "hd" : "sd";
    for (char letter = 'a'; letter <= 'z'; letter++) {
        bool taken = false;
        snprintf(target, 8, "%s%c", prefix, letter);
        for (int i = 0; i < used_count && !taken; i++)
            taken = used[i] && !strcmp(used[i], target);
        if (!taken)
            return;
    }
}

// Images belong to the storage's owner on every host: libvirt must not give them to its QEMU's user.
static void write_image(XmlWriter *writer, const char *path)
{
    xml_open(writer, "source");
    xml_put_attribute(writer, "file", path);
    xml_add_empty(writer, "seclabel", "model", "dac", "type", "none", "relabel", "no", NULL);
    xml_close(writer);
}

static void write_disk(XmlWriter *writer, const DomainDisk *disk, int boot_order)
{
    const ApiDiskAttachment *attachment = disk->attachment;
    const char *bus = domain_disk_bus(attachment->interface);
    bool raw = disk->disk->format != API_DISK_FORMAT_COW;
    AUTO_FREE char *path =
        memory_format("/rhev/data-center/%s/%s/images/%s/%s", disk->data_center,
                      disk->storage_domain, disk->disk->id, disk->disk->image_id);
    AUTO_FREE char *alias = memory_format("ua-%s", disk->disk->id);
    xml_open(writer, "disk");
    xml_put_attribute(writer, "snapshot", "no");
    xml_put_attribute(writer, "type", "file");
    xml_put_attribute(writer, "device", "disk");
    xml_add_empty(writer, "target", "dev", disk->target, "bus", bus, NULL);
    write_image(writer, path);
    xml_add_empty(writer, "driver", "name", "qemu", "type", raw ? "raw" : "qcow2", "cache", "none",
                  "io", "threads", "error_policy", "stop", "discard",
                  attachment->pass_discard == API_TRUE ? "unmap" : NULL, NULL);
    xml_add_empty(writer, "alias", "name", alias, NULL);
    write_boot(writer, boot_order);
    if (attachment->read_only == API_TRUE)
        xml_add_empty(writer, "readonly", NULL);
    if (disk->disk->shareable == API_TRUE)
        xml_add_empty(writer, "shareable", NULL);
    xml_add_text(writer, "serial", disk->disk->id);
    xml_close(writer);
}

static const char payload_path[] = "PAYLOAD:";

static void write_cdrom(XmlWriter *writer, const char *target, const char *bus, const char *path,
                        int boot_order, const char *serial)
{
    xml_open(writer, "disk");
    xml_put_attribute(writer, "type", "file");
    xml_put_attribute(writer, "device", "cdrom");
    xml_put_attribute(writer, "snapshot", "no");
    xml_add_empty(writer, "driver", "name", "qemu", "type", "raw", "error_policy", "report", NULL);
    if (path && !strcmp(path, payload_path)) // the host makes it, for this QEMU alone
        xml_add_empty(writer, "source", "file", path, NULL);
    else if (path && *path)
        write_image(writer, path);
    xml_add_empty(writer, "target", "dev", target, "bus", bus, NULL);
    xml_add_empty(writer, "readonly", NULL);
    if (serial)
        xml_add_text(writer, "serial", serial);
    write_boot(writer, boot_order);
    xml_close(writer);
}

// ---- other devices

static void write_nic(XmlWriter *writer, const DomainNic *nic, int boot_order)
{
    static const char *const models[] = {
        [API_NIC_INTERFACE_E1000] = "e1000",           [API_NIC_INTERFACE_E1000E] = "e1000e",
        [API_NIC_INTERFACE_VIRTIO] = "virtio",         [API_NIC_INTERFACE_RTL8139] = "rtl8139",
        [API_NIC_INTERFACE_RTL8139_VIRTIO] = "virtio",
    };
    const char *model =
        (size_t)nic->nic->interface < COUNT_OF(models) ? models[nic->nic->interface] : NULL;
    AUTO_FREE char *alias = memory_format("ua-%s", nic->nic->id);
    bool up = nic->bridge && nic->nic->linked != API_FALSE;
    xml_open(writer, "interface");
    xml_put_attribute(writer, "type", "bridge");
    xml_add_empty(writer, "model", "type", model ? model : "virtio", NULL);
    xml_add_empty(writer, "source", "bridge", nic->bridge ? nic->bridge : ";vdsmdummy;", NULL);
    xml_add_empty(writer, "mac", "address", nic->nic->mac->address, NULL);
    xml_add_empty(writer, "link", "state", up ? "up" : "down", NULL);
    xml_add_empty(writer, "alias", "name", alias, NULL);
    write_boot(writer, boot_order);
    // bar="off" alone would keep the ROM's file, with which QEMU plugs nothing into a running guest.
    xml_add_empty(writer, "rom", boot_order ? "bar" : "enabled", boot_order ? "on" : "no", NULL);
    xml_close(writer);
}

static void write_channel(XmlWriter *writer, const char *name)
{
    xml_open(writer, "channel");
    xml_put_attribute(writer, "type", "unix");
    xml_add_empty(writer, "target", "type", "virtio", "name", name, NULL);
    xml_close(writer);
}

static void write_graphics(XmlWriter *writer, const ApiVm *vm, ApiGraphicsType protocol)
{
    bool spice = protocol == API_GRAPHICS_TYPE_SPICE;
    const char *keyboard = vm->display ? vm->display->keyboard_layout : NULL;
    xml_open(writer, "graphics");
    xml_put_attribute(writer, "type", spice ? "spice" : "vnc");
    xml_put_attribute(writer, "port", "-1");
    xml_put_attribute(writer, "autoport", "yes");
    // A password that has expired already: nobody gets in without a ticket.
    xml_put_attribute(writer, "passwd", "*****");
    xml_put_attribute(writer, "passwdValidTo", "1970-01-01T00:00:01");
    if (!spice && keyboard && *keyboard)
        xml_put_attribute(writer, "keymap", keyboard);
    xml_add_empty(writer, "listen", "type", "address", "address", "0.0.0.0", NULL);
    if (spice && vm->display && vm->display->copy_paste_enabled == API_FALSE)
        xml_add_empty(writer, "clipboard", "copypaste", "no", NULL);
    if (spice && vm->display && vm->display->file_transfer_enabled == API_FALSE)
        xml_add_empty(writer, "filetransfer", "enable", "no", NULL);
    xml_close(writer);
}

static void write_consoles(XmlWriter *writer, const ApiVm *vm)
{
    bool spice = false;
    for (uint32_t i = 0; i < vm->graphics_consoles.count; i++) {
        ApiGraphicsType protocol = vm->graphics_consoles.items[i]->protocol;
        spice = spice || protocol == API_GRAPHICS_TYPE_SPICE;
        write_graphics(writer, vm, protocol);
    }
    if (spice) {
        xml_open(writer, "channel");
        xml_put_attribute(writer, "type", "spicevmc");
        xml_add_empty(writer, "target", "type", "virtio", "name", "com.redhat.spice.0", NULL);
        xml_close(writer);
    }
    if (!vm->graphics_consoles.count)
        return;
    xml_open(writer, "video");
    xml_open(writer, "model");
    // VGA is what every firmware, kernel and both protocols can show.
    xml_put_attribute(
        writer, "type",
        spice && vm->display && vm->display->video_type == API_VIDEO_TYPE_QXL ? "qxl" : "vga");
    xml_put_attribute(writer, "vram", "16384");
    xml_put_attribute(writer, "heads", "1");
    xml_close(writer);
    xml_close(writer);
}

static void write_serial(XmlWriter *writer, const ApiVm *vm)
{
    if (vm->console && vm->console->enabled == API_FALSE)
        return;
    xml_open(writer, "console");
    xml_put_attribute(writer, "type", "pty");
    xml_add_empty(writer, "target", "type", "serial", "port", "0", NULL);
    xml_close(writer);
}

static void write_controllers(XmlWriter *writer, const ApiVm *vm)
{
    if (is_q35(vm)) {
        xml_add_empty(writer, "controller", "type", "pci", "model", "pcie-root", "index", "0",
                      NULL);
        for (int i = 1; i <= ROOT_PORTS; i++) {
            xml_open(writer, "controller");
            xml_put_attribute(writer, "type", "pci");
            xml_put_attribute(writer, "model", "pcie-root-port");
            xml_put_attribute_integer(writer, "index", i);
            xml_close(writer);
        }
    }
    xml_add_empty(writer, "controller", "type", "usb", "model",
                  is_q35(vm) ? "qemu-xhci" : "piix3-uhci", "index", "0", NULL);
    xml_add_empty(writer, "controller", "type", "scsi", "model", "virtio-scsi", "index", "0", NULL);
    xml_add_empty(writer, "controller", "type", "virtio-serial", "index", "0", "ports", "16", NULL);
}

static void write_random(XmlWriter *writer)
{
    xml_open(writer, "rng");
    xml_put_attribute(writer, "model", "virtio");
    xml_open(writer, "backend");
    xml_put_attribute(writer, "model", "random");
    xml_put_text(writer, "/dev/urandom");
    xml_close(writer);
    xml_close(writer);
}

static void write_balloon(XmlWriter *writer, const ApiVm *vm)
{
    xml_open(writer, "memballoon");
    xml_put_attribute(writer, "model",
                      vm->memory_policy->ballooning == API_TRUE ? "virtio" : "none");
    if (vm->memory_policy->ballooning == API_TRUE) {
        xml_open(writer, "stats");
        xml_put_attribute(writer, "period", "5");
        xml_close(writer);
    }
    xml_close(writer);
}

// Kernels made for clouds have no driver for SATA or IDE; Windows has none for virtio-scsi.
static const char *payload_bus(const ApiVm *vm)
{
    if (family_of(vm) == OS_FAMILY_WINDOWS)
        return is_q35(vm) ? "sata" : "ide";
    return "scsi";
}

static void choose_targets(DomainInput *input, char cd[8], char payload[8], const char *cd_bus)
{
    const char *used[128] = {NULL};
    int count = 0;
    // CDs first: their names must not change when disks come and go.
    next_target(cd, cd_bus, used, count);
    used[count++] = cd;
    if (input->payload) {
        next_target(payload, payload_bus(input->vm), used, count);
        used[count++] = payload;
    }
    for (int pass = 0; pass < 2; pass++) // the boot disk gets the first name of its bus
        for (int i = 0; i < input->disk_count && count < 127; i++) {
            DomainDisk *disk = &input->disks[i];
            if ((disk->attachment->bootable == API_TRUE) != (pass == 0))
                continue;
            next_target(disk->target, domain_disk_bus(disk->attachment->interface), used, count);
            used[count++] = disk->target;
        }
}

static void write_devices(XmlWriter *writer, const DomainInput *input, const char *cd,
                          const char *payload, const char *cd_bus)
{
    const ApiVm *vm = input->vm;
    int disk_order = boot_position(input, API_BOOT_DEVICE_HD);
    int network_order = boot_position(input, API_BOOT_DEVICE_NETWORK);
    bool booted = false, any_bootable = false;
    xml_open(writer, "devices");
    write_controllers(writer, vm);
    write_cdrom(writer, cd, cd_bus, input->cd_path, boot_position(input, API_BOOT_DEVICE_CDROM),
                NULL);
    if (input->payload)
        write_cdrom(writer, payload, payload_bus(vm), payload_path, 0, NULL);
    for (int i = 0; i < input->disk_count; i++)
        any_bootable = any_bootable || input->disks[i].attachment->bootable == API_TRUE;
    for (int i = 0; i < input->disk_count; i++) {
        bool boots = !booted && (input->disks[i].attachment->bootable == API_TRUE || !any_bootable);
        write_disk(writer, &input->disks[i], boots ? disk_order : 0);
        booted = booted || boots;
    }
    for (int i = 0; i < input->nic_count; i++)
        write_nic(writer, &input->nics[i], i ? 0 : network_order);
    write_serial(writer, vm);
    write_channel(writer, "org.qemu.guest_agent.0");
    write_consoles(writer, vm);
    xml_add_empty(writer, "input", "type", "tablet", "bus", "usb", NULL);
    if (vm->soundcard_enabled == API_TRUE)
        xml_add_empty(writer, "sound", "model", is_q35(vm) ? "ich9" : "ich6", NULL);
    write_random(writer);
    write_balloon(writer, vm);
    if (vm->tpm_enabled == API_TRUE) {
        xml_open(writer, "tpm");
        xml_put_attribute(writer, "model", "tpm-crb");
        xml_add_empty(writer, "backend", "type", "emulator", "version", "2.0", NULL);
        xml_close(writer);
    }
    xml_close(writer);
}

void domain_xml_write(StrBuf *out, DomainInput *input)
{
    const ApiVm *vm = input->vm;
    const char *cd_bus = is_q35(vm) ? "sata" : "ide";
    char cd[8] = "", payload[8] = "";
    XmlWriter writer = {.out = out};
    choose_targets(input, cd, payload, cd_bus);
    xml_open(&writer, "domain");
    xml_put_attribute(&writer, "type", input->accelerated ? "kvm" : "qemu");
    xml_put_attribute(&writer, "xmlns:ovirt-tune", NS_TUNE);
    xml_put_attribute(&writer, "xmlns:ovirt-vm", NS_VM);
    xml_add_text(&writer, "name", vm->name);
    xml_add_text(&writer, "uuid", vm->id);
    write_memory(&writer, vm);
    write_vcpus(&writer, vm, input->accelerated);
    write_sysinfo(&writer, vm);
    write_clock(&writer, vm);
    write_features(&writer, input);
    write_cpu(&writer, input);
    xml_add_empty(&writer, "cputune", NULL);
    write_devices(&writer, input, cd, payload, cd_bus);
    xml_open(&writer, "pm");
    xml_add_empty(&writer, "suspend-to-disk", "enabled", "no", NULL);
    xml_add_empty(&writer, "suspend-to-mem", "enabled", "no", NULL);
    xml_close(&writer);
    write_os(&writer, input);
    xml_add_text(&writer, "on_poweroff", "destroy");
    xml_add_text(&writer, "on_reboot", "restart");
    xml_add_text(&writer, "on_crash", "destroy");
    write_metadata(&writer, input, cd, payload);
    xml_close(&writer);
}

// ---- hot-plug

static void begin_hotplug(XmlWriter *writer)
{
    xml_open(writer, "hotplug");
    xml_open(writer, "devices");
}

static void begin_hotplug_metadata(XmlWriter *writer)
{
    xml_close(writer);
    xml_open(writer, "metadata");
    xml_put_attribute(writer, "xmlns:ovirt-vm", NS_VM);
    xml_open(writer, "ovirt-vm:vm");
}

static void end_hotplug(XmlWriter *writer)
{
    xml_close(writer);
    xml_close(writer);
    xml_close(writer);
}

void domain_xml_write_disk(StrBuf *out, DomainDisk *disk, const char *const *used, int used_count)
{
    XmlWriter writer = {.out = out};
    next_target(disk->target, domain_disk_bus(disk->attachment->interface), used, used_count);
    begin_hotplug(&writer);
    write_disk(&writer, disk, 0);
    begin_hotplug_metadata(&writer);
    write_disk_metadata(&writer, disk);
    end_hotplug(&writer);
}

void domain_xml_write_nic(StrBuf *out, const DomainNic *nic)
{
    XmlWriter writer = {.out = out};
    begin_hotplug(&writer);
    write_nic(&writer, nic, 0);
    begin_hotplug_metadata(&writer);
    write_nic_metadata(&writer, nic);
    end_hotplug(&writer);
}

void domain_xml_write_memory(StrBuf *out, const char *id, int64_t bytes)
{
    XmlWriter writer = {.out = out};
    AUTO_FREE char *alias = memory_format("ua-%s", id);
    begin_hotplug(&writer);
    xml_open(&writer, "memory");
    xml_put_attribute(&writer, "model", "dimm");
    xml_open(&writer, "target");
    xml_add_integer(&writer, "size", bytes >> 10);
    xml_add_integer(&writer, "node", 0);
    xml_close(&writer);
    xml_add_empty(&writer, "alias", "name", alias, NULL);
    xml_close(&writer);
    begin_hotplug_metadata(&writer);
    end_hotplug(&writer);
}
