#include "agent/vm/vm_xml.h"

#include <string.h>

// "ovirt-vm:vm" and "vm" are the same to us: prefixes are the writer's choice.
static bool name_is(const Xml *element, const char *name)
{
    const char *colon = strchr(element->name, ':');
    return !strcmp(colon ? colon + 1 : element->name, name);
}

const Xml *vm_xml_child(const Xml *parent, const char *name)
{
    XML_EACH(parent, child)
        if (name_is(child, name))
            return child;
    return NULL;
}

const Xml *vm_xml_metadata(const Xml *root)
{
    return vm_xml_child(xml_child(root, "metadata"), "vm");
}

const char *vm_xml_text(const Xml *metadata, const char *name)
{
    const Xml *child = vm_xml_child(metadata, name);
    return child ? child->text : NULL;
}

const Xml *vm_xml_device_metadata(const Xml *metadata, const char *type, const char *name)
{
    XML_EACH(metadata, device) {
        const char *devtype = xml_attribute(device, "devtype");
        const char *key = xml_attribute(device, "name");
        if (!key)
            key = xml_attribute(device, "alias");
        if (!key)
            key = xml_attribute(device, "mac_address");
        if (name_is(device, "device") && devtype && !strcmp(devtype, type) && key && name &&
            !strcmp(key, name))
            return device;
    }
    return NULL;
}

bool vm_xml_uses_image(const Xml *devices, const char *image)
{
    XML_EACH(devices, device) {
        const Xml *source = xml_child(device, "source");
        const char *file = source ? xml_attribute(source, "file") : NULL;
        const char *place = source && !file ? xml_attribute(source, "dev") : file;
        if (!strcmp(device->name, "disk") && place && strstr(place, image))
            return true;
    }
    return false;
}

static Xml *own_child(Xml *parent, const char *name)
{
    return (Xml *)xml_child(parent, name);
}

static Xml *own_or_new_child(Arena *arena, Xml *parent, const char *name)
{
    Xml *child = own_child(parent, name);
    return child ? child : xml_add_child(arena, parent, name);
}

static void remove_children(Xml *parent, const char *name)
{
    for (const Xml *child; parent && (child = xml_child(parent, name));)
        xml_remove_child(parent, child);
}

void vm_xml_set_disk_file(Arena *arena, Xml *disk, const char *path, bool qcow2)
{
    Xml *source = own_or_new_child(arena, disk, "source");
    source->attributes = NULL;
    xml_set_attribute(arena, disk, "type", "file");
    xml_set_attribute(arena, source, "file", path);
    Xml *driver = own_or_new_child(arena, disk, "driver");
    if (!xml_attribute(driver, "name"))
        xml_set_attribute(arena, driver, "name", "qemu");
    xml_set_attribute(arena, driver, "type", qcow2 ? "qcow2" : "raw");
}

// ---- without KVM

static void adapt_timers(Xml *clock)
{
    for (const Xml *timer = clock ? clock->first : NULL, *next; timer; timer = next) {
        const char *name = xml_attribute(timer, "name");
        next = timer->next;
        if (!strcmp(timer->name, "timer") && name &&
            (!strcmp(name, "hypervclock") || !strcmp(name, "kvmclock") || !strcmp(name, "tsc")))
            xml_remove_child(clock, timer);
    }
}

// A model that TCG emulates whole; what the guest would miss of a newer one is speed.
static void adapt_cpu(Arena *arena, Xml *root)
{
    Xml *cpu = own_child(root, "cpu");
    if (!cpu)
        return;
    remove_children(cpu, "model");
    remove_children(cpu, "feature");
    remove_children(cpu, "cache");
    remove_children(cpu, "maxphysaddr");
    cpu->attributes = NULL;
    xml_set_attribute(arena, cpu, "mode", "custom");
    xml_set_attribute(arena, cpu, "match", "exact");
    xml_set_attribute(arena, cpu, "check", "none");
    Xml *model = xml_add_child(arena, cpu, "model");
    xml_set_attribute(arena, model, "fallback", "allow");
    model->text = "qemu64";
}

static void adapt_features(Arena *arena, Xml *root)
{
    Xml *features = own_or_new_child(arena, root, "features");
    remove_children(features, "hyperv");
    remove_children(features, "kvm");
    // The default cache of translated code is a quarter of the guest's memory.
    Xml *tcg = own_or_new_child(arena, features, "tcg");
    Xml *cache = own_or_new_child(arena, tcg, "tb-cache");
    xml_set_attribute(arena, cache, "unit", "MiB");
    cache->text = "64";
}

static void adapt_to_tcg(Arena *arena, Xml *root)
{
    xml_set_attribute(arena, root, "type", "qemu");
    adapt_cpu(arena, root);
    adapt_features(arena, root);
    adapt_timers(own_child(root, "clock"));
}

// ---- devices

// With no channel left in the clear.
static void adapt_spice(Arena *arena, Xml *graphics)
{
    static const char *const channels[] = {"main",   "inputs",  "cursor",    "playback",
                                           "record", "display", "smartcard", "usbredir"};
    remove_children(graphics, "channel");
    xml_set_attribute(arena, graphics, "tlsPort", "-1");
    for (size_t i = 0; i < COUNT_OF(channels); i++) {
        Xml *channel = xml_add_child(arena, graphics, "channel");
        xml_set_attribute(arena, channel, "name", channels[i]);
        xml_set_attribute(arena, channel, "mode", "secure");
    }
}

static void adapt_graphics(Arena *arena, Xml *graphics, const VmXmlHost *host)
{
    const char *type = xml_attribute(graphics, "type");
    if (host->spice_tls && type && !strcmp(type, "spice"))
        adapt_spice(arena, graphics);
    remove_children(graphics, "listen");
    xml_set_attribute(arena, graphics, "listen", host->console_address);
    Xml *listen = xml_add_child(arena, graphics, "listen");
    xml_set_attribute(arena, listen, "type", "address");
    xml_set_attribute(arena, listen, "address", host->console_address);
}

static void adapt_channel(Arena *arena, Xml *channel)
{
    const char *type = xml_attribute(channel, "type");
    (void)arena;
    // libvirt makes the socket where its own confinement allows it.
    if (type && !strcmp(type, "unix"))
        remove_children(channel, "source");
}

static void adapt_interface(Arena *arena, Xml *interface, const VmXmlHost *host)
{
    Xml *driver = own_child(interface, "driver");
    const char *name = driver ? xml_attribute(driver, "name") : NULL;
    if (name && !strcmp(name, "vhost") && !host->vhost_net)
        xml_set_attribute(arena, driver, "name", "qemu");
}

void vm_xml_adapt(Arena *arena, Xml *root, const VmXmlHost *host)
{
    Xml *devices = own_child(root, "devices");
    if (host->accelerator == ACCELERATOR_TCG)
        adapt_to_tcg(arena, root);
    remove_children(devices, "emulator");
    for (Xml *device = devices ? devices->first : NULL; device; device = device->next) {
        if (!strcmp(device->name, "graphics"))
            adapt_graphics(arena, device, host);
        else if (!strcmp(device->name, "channel"))
            adapt_channel(arena, device);
        else if (!strcmp(device->name, "interface"))
            adapt_interface(arena, device, host);
    }
}
