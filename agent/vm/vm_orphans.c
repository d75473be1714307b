#include "agent/vm/vm_orphans.h"

#include <stdlib.h>
#include <string.h>

#include <libvirt/libvirt-qemu.h>

#include "agent/vm/vm_xml.h"
#include "base/log.h"
#include "base/uuid.h"

// The prefix of the names that libvirt gives to block nodes.
#define NODE_PREFIX "libvirt-"

enum {
    RELEASE_MS = 5000,
    EVENT_MS = 500, // until libvirt has heard of it; later it would take the next one for that
};

static char *monitor(virDomainPtr domain, const char *command, const char *key, const char *value)
{
    AUTO_STRBUF text = {0};
    JsonWriter writer = {.out = &text};
    char *answer = NULL;
    json_open(&writer, '{');
    json_add_string(&writer, "execute", command);
    json_key(&writer, "arguments");
    json_open(&writer, '{');
    if (key)
        json_add_string(&writer, key, value);
    json_close(&writer, '}');
    json_close(&writer, '}');
    if (virDomainQemuMonitorCommand(domain, text.data, &answer, 0) < 0)
        return NULL;
    return answer;
}

// The class of QEMU's error, "" after success, NULL when nobody answered; in the arena.
static const char *monitor_act(virDomainPtr domain, Arena *arena, const char *command,
                               const char *key, const char *value)
{
    AUTO_FREE char *answer = monitor(domain, command, key, value);
    const Json *root = answer ? json_parse(arena, answer, strlen(answer), NULL, NULL) : NULL;
    const char *class = json_get_string(json_get(root, "error"), "class");
    return class ? arena_string(arena, class) : root ? "" : NULL;
}

static bool monitor_heeds(virDomainPtr domain, const char *command, const char *key,
                          const char *value)
{
    AUTO_ARENA arena = {0};
    const char *class = monitor_act(domain, &arena, command, key, value);
    return class && !*class;
}

// Asks for it until QEMU does not know it any more: the guest must let go of it. Returns whether
// there was one.
static bool drop_device(virDomainPtr domain, const char *alias)
{
    bool dropped = false;
    for (int waited = 0; waited < RELEASE_MS; waited += 100) {
        AUTO_ARENA arena = {0};
        const char *class = monitor_act(domain, &arena, "device_del", "id", alias);
        if (!class || !strcmp(class, "DeviceNotFound"))
            break;
        dropped = true;
        uv_sleep(100);
    }
    if (dropped)
        uv_sleep(EVENT_MS);
    return dropped;
}

// ---- block nodes

// The id of the image whose file it is; false for files that are no volumes.
static bool image_of(const char *file, char ret_image[UUID_SIZE])
{
    const char *at = file ? strstr(file, "/images/") : NULL;
    if (!at || strlen(at + 8) < UUID_SIZE - 1)
        return false;
    memcpy(ret_image, at + 8, UUID_SIZE - 1);
    ret_image[UUID_SIZE - 1] = 0;
    return uuid_valid(ret_image);
}

static bool is_orphan_node(const Json *node, const Xml *devices)
{
    char image[UUID_SIZE];
    const char *name = json_get_string(node, "node-name");
    return name && !strncmp(name, NODE_PREFIX, strlen(NODE_PREFIX)) &&
           image_of(json_get_string(node, "file"), image) && !vm_xml_uses_image(devices, image);
}

// A disk's device is called after its image.
static void drop_disks(virDomainPtr domain, const Json *nodes, const Xml *devices)
{
    char image[UUID_SIZE], last[UUID_SIZE] = "";
    JSON_EACH(nodes, node) {
        if (!is_orphan_node(node, devices) || !image_of(json_get_string(node, "file"), image) ||
            !strcmp(image, last))
            continue;
        memcpy(last, image, UUID_SIZE);
        AUTO_FREE char *alias = memory_format("ua-%s", image);
        drop_device(domain, alias);
    }
}

// One that another stands on goes only after that one, so they are gone through again.
static int drop_nodes(virDomainPtr domain, const Xml *devices)
{
    AUTO_ARENA arena = {0};
    AUTO_FREE char *answer = monitor(domain, "query-named-block-nodes", NULL, NULL);
    const Json *root = answer ? json_parse(&arena, answer, strlen(answer), NULL, NULL) : NULL;
    const Json *nodes = json_get(root, "return");
    int dropped = 0, before;
    drop_disks(domain, nodes, devices);
    do {
        before = dropped;
        JSON_EACH(nodes, node) {
            const char *name = json_get_string(node, "node-name");
            if (is_orphan_node(node, devices) &&
                monitor_heeds(domain, "blockdev-del", "node-name", name))
                dropped++;
        }
    } while (dropped > before);
    return dropped;
}

// ---- network interfaces and memory

bool devices_have_alias(const Xml *devices, const char *alias)
{
    XML_EACH(devices, device) {
        const char *own = xml_attribute(xml_child(device, "alias"), "name");
        if (own && !strcmp(own, alias))
            return true;
    }
    return false;
}

// QEMU can't be asked which interfaces it has; what libvirt calls a device's other half is known.
static bool drop_aliased(virDomainPtr domain, const Xml *devices, const char *alias)
{
    AUTO_FREE char *tap = memory_format("host%s", alias);
    AUTO_FREE char *memory = memory_format("mem%s", alias);
    if (devices_have_alias(devices, alias))
        return false;
    bool dropped = drop_device(domain, alias);
    dropped |= monitor_heeds(domain, "netdev_del", "id", tap);
    return monitor_heeds(domain, "object-del", "id", memory) || dropped;
}

int domain_drop_orphans(virDomainPtr domain, const Xml *devices, const char *alias)
{
    int dropped = drop_nodes(domain, devices);
    if (alias && drop_aliased(domain, devices, alias))
        dropped++;
    if (dropped)
        log_notice("vm.orphans", LOG_NONE,
                   "QEMU of VM %s had %d things open that belong to no device; closed.",
                   virDomainGetName(domain), dropped);
    return dropped;
}
