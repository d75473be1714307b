#include "agent/guest/guest_agent.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libvirt/libvirt-qemu.h>

#include "agent/vm/hypervisor.h"
#include "base/clock.h"

enum { POLL_MS = 10000, ANSWER_SECONDS = 5, INTERFACES_MAX = 64 };

typedef struct GuestInterface {
    char *name, *mac;
    char **v4, **v6;
    int v4_count, v6_count;
} GuestInterface;

struct VmGuest {
    char *host_name, *time_zone, *users;
    int64_t time_zone_offset_s;
    char *os_id, *os_name, *os_version, *os_kernel, *os_machine, *os_pretty;
    GuestInterface interfaces[INTERFACES_MAX];
    int interface_count;
    StrBuf disks_usage;  // JSON list
    StrBuf disk_mapping; // JSON map
    int64_t seen_ms;
};

typedef struct Poll {
    uv_work_t work;
    Vm *vm;
    VmGuest *guest;
} Poll;

void vm_guest_free(VmGuest *guest)
{
    if (!guest)
        return;
    char *texts[] = {guest->host_name, guest->time_zone,  guest->users,
                     guest->os_id,     guest->os_name,    guest->os_version,
                     guest->os_kernel, guest->os_machine, guest->os_pretty};
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        free(texts[i]);
    for (int i = 0; i < guest->interface_count; i++) {
        GuestInterface *one = &guest->interfaces[i];
        for (int j = 0; j < one->v4_count; j++)
            free(one->v4[j]);
        for (int j = 0; j < one->v6_count; j++)
            free(one->v6[j]);
        free(one->v4);
        free(one->v6);
        free(one->name);
        free(one->mac);
    }
    strbuf_done(&guest->disks_usage);
    strbuf_done(&guest->disk_mapping);
    free(guest);
}

// ---- asking

static const char *info_text(virTypedParameterPtr list, int count, const char *name)
{
    const char *text = NULL;
    virTypedParamsGetString(list, count, name, &text);
    return text;
}

static unsigned info_count(virTypedParameterPtr list, int count, const char *name)
{
    unsigned number = 0;
    virTypedParamsGetUInt(list, count, name, &number);
    return number;
}

static const char *info_indexed(virTypedParameterPtr list, int count, const char *group,
                                unsigned index, const char *name)
{
    char field[96];
    snprintf(field, sizeof(field), "%s.%u.%s", group, index, name);
    return info_text(list, count, field);
}

static void read_users(VmGuest *guest, virTypedParameterPtr list, int count)
{
    AUTO_STRBUF users = {0};
    unsigned total = info_count(list, count, "user.count");
    for (unsigned i = 0; i < total && i < 64; i++) {
        const char *name = info_indexed(list, count, "user", i, "name");
        if (name)
            strbuf_addf(&users, "%s%s", users.length ? ", " : "", name);
    }
    guest->users = strbuf_take(&users);
}

static void read_file_systems(VmGuest *guest, virTypedParameterPtr list, int count)
{
    JsonWriter usage = {.out = &guest->disks_usage}, mapping = {.out = &guest->disk_mapping};
    unsigned total = info_count(list, count, "fs.count");
    json_open(&usage, '[');
    json_open(&mapping, '{');
    for (unsigned i = 0; i < total && i < 64; i++) {
        char field[64];
        unsigned long long size = 0, used = 0;
        const char *path = info_indexed(list, count, "fs", i, "mountpoint");
        const char *kind = info_indexed(list, count, "fs", i, "fstype");
        const char *serial = info_indexed(list, count, "fs", i, "disk.0.serial");
        const char *device = info_indexed(list, count, "fs", i, "disk.0.device");
        snprintf(field, sizeof(field), "fs.%u.total-bytes", i);
        virTypedParamsGetULLong(list, count, field, &size);
        snprintf(field, sizeof(field), "fs.%u.used-bytes", i);
        virTypedParamsGetULLong(list, count, field, &used);
        json_open(&usage, '{');
        json_add_string(&usage, "path", path ? path : "");
        json_add_string(&usage, "fs", kind ? kind : "");
        json_add_format(&usage, "total", "%llu", size);
        json_add_format(&usage, "used", "%llu", used);
        json_close(&usage, '}');
        if (!serial || !*serial || !device)
            continue;
        json_key(&mapping, serial);
        json_open(&mapping, '{');
        json_add_string(&mapping, "name", device);
        json_close(&mapping, '}');
    }
    json_close(&usage, ']');
    json_close(&mapping, '}');
}

static void read_os(VmGuest *guest, virTypedParameterPtr list, int count)
{
    guest->os_id = memory_string(info_text(list, count, "os.id"));
    guest->os_name = memory_string(info_text(list, count, "os.name"));
    guest->os_pretty = memory_string(info_text(list, count, "os.pretty-name"));
    guest->os_version = memory_string(info_text(list, count, "os.version-id"));
    guest->os_kernel = memory_string(info_text(list, count, "os.kernel-release"));
    guest->os_machine = memory_string(info_text(list, count, "os.machine"));
    guest->host_name = memory_string(info_text(list, count, "hostname"));
    guest->time_zone = memory_string(info_text(list, count, "timezone.name"));
    int offset = 0;
    virTypedParamsGetInt(list, count, "timezone.offset", &offset);
    guest->time_zone_offset_s = offset;
}

static void read_interface(VmGuest *guest, virTypedParameterPtr list, int count, unsigned index)
{
    char field[64];
    GuestInterface *one = &guest->interfaces[guest->interface_count];
    const char *mac = info_indexed(list, count, "if", index, "hwaddr");
    if (!mac || !strcmp(mac, "00:00:00:00:00:00"))
        return; // the loopback
    guest->interface_count++;
    one->name = memory_string(info_indexed(list, count, "if", index, "name"));
    one->mac = memory_string(mac);
    snprintf(field, sizeof(field), "if.%u.addr.count", index);
    unsigned total = info_count(list, count, field);
    one->v4 = NEW_ARRAY(char *, total);
    one->v6 = NEW_ARRAY(char *, total);
    for (unsigned i = 0; i < total && i < 64; i++) {
        char group[64];
        snprintf(group, sizeof(group), "if.%u.addr", index);
        const char *address = info_indexed(list, count, group, i, "addr");
        const char *type = info_indexed(list, count, group, i, "type");
        if (address && type && !strcmp(type, "ipv6"))
            one->v6[one->v6_count++] = memory_string(address);
        else if (address)
            one->v4[one->v4_count++] = memory_string(address);
    }
}

static VmGuest *guest_ask(virDomainPtr domain)
{
    virTypedParameterPtr list = NULL;
    int count = 0;
    virDomainAgentSetResponseTimeout(domain, ANSWER_SECONDS, 0);
    // Types 0: all that this agent can tell; what it can't is left out.
    if (virDomainGetGuestInfo(domain, 0, &list, &count, 0) < 0)
        return NULL;
    VmGuest *guest = NEW(VmGuest);
    read_users(guest, list, count);
    read_os(guest, list, count);
    read_file_systems(guest, list, count);
    unsigned total = info_count(list, count, "if.count");
    for (unsigned i = 0; i < total && guest->interface_count < INTERFACES_MAX; i++)
        read_interface(guest, list, count, i);
    guest->seen_ms = clock_monotonic_ms();
    virTypedParamsFree(list, count);
    return guest;
}

static void poll_run(uv_work_t *work)
{
    Poll *poll = work->data;
    Hypervisor *hypervisor = vms_agent(poll->vm->vms)->hypervisor;
    virDomainPtr domain = hypervisor_domain(hypervisor, poll->vm->id, NULL);
    if (!domain)
        return;
    poll->guest = guest_ask(domain);
    hypervisor_domain_done(hypervisor, domain);
}

static bool text_differs(const char *one, const char *other)
{
    return strcmp(one ? one : "", other ? other : "") != 0;
}

// Something people wait for: names and addresses.
static bool guest_differs(const VmGuest *before, const VmGuest *now)
{
    if (!before || before->interface_count != now->interface_count ||
        text_differs(before->host_name, now->host_name) || text_differs(before->users, now->users))
        return true;
    for (int i = 0; i < now->interface_count; i++) {
        const GuestInterface *old = &before->interfaces[i], *new = &now->interfaces[i];
        if (old->v4_count != new->v4_count || old->v6_count != new->v6_count)
            return true;
        for (int k = 0; k < new->v4_count; k++)
            if (text_differs(old->v4[k], new->v4[k]))
                return true;
    }
    return false;
}

static void poll_done(uv_work_t *work, int status)
{
    Poll *poll = work->data;
    Vm *vm = poll->vm;
    (void)status;
    vms_lock(vm->vms);
    vm->polling = false;
    VmGuest *before = NULL;
    if (poll->guest) {
        before = vm->guest;
        vm->guest = poll->guest;
    }
    bool booting = poll->guest && (vm->status == VM_POWERING_UP || vm->status == VM_REBOOTING);
    bool news = poll->guest && guest_differs(before, poll->guest);
    vms_unlock(vm->vms);
    vm_guest_free(before);
    if (booting)
        vm_set_status(vm, VM_UP);
    if (news)
        vm_announce(vm);
    vm_unref(vm);
    free(poll);
}

void guest_agent_poll_soon(Vm *vm)
{
    vms_lock(vm->vms);
    vm->polled_ms = 0;
    vms_unlock(vm->vms);
}

void guest_agent_tick(Vm *vm)
{
    int64_t now = clock_monotonic_ms();
    vms_lock(vm->vms);
    // Without addresses yet the guest is still booting: ask more often.
    bool complete = vm->guest && vm->guest->interface_count && vm->guest->interfaces[0].v4_count;
    bool due = vm->guest_agent && !vm->polling && vm->status != VM_PAUSED &&
               (!vm->polled_ms || now - vm->polled_ms >= (complete ? POLL_MS : 1000));
    if (due) {
        vm->polling = true;
        vm->polled_ms = now;
        vm->references++;
    }
    vms_unlock(vm->vms);
    if (!due)
        return;
    Poll *poll = NEW(Poll);
    poll->vm = vm;
    poll->work.data = poll;
    uv_queue_work(vms_agent(vm->vms)->loop, &poll->work, poll_run, poll_done);
}

// ---- telling

static void write_addresses(JsonWriter *writer, const char *key, char **list, int count)
{
    json_key(writer, key);
    json_open(writer, '[');
    for (int i = 0; i < count; i++)
        json_put_string(writer, list[i]);
    json_close(writer, ']');
}

static void write_interfaces(JsonWriter *writer, const VmGuest *guest)
{
    AUTO_STRBUF all = {0};
    json_key(writer, "netIfaces");
    json_open(writer, '[');
    for (int i = 0; i < guest->interface_count; i++) {
        const GuestInterface *one = &guest->interfaces[i];
        json_open(writer, '{');
        json_add_string(writer, "name", one->name ? one->name : "");
        json_add_string(writer, "hw", one->mac);
        write_addresses(writer, "inet", one->v4, one->v4_count);
        write_addresses(writer, "inet6", one->v6, one->v6_count);
        json_close(writer, '}');
        for (int j = 0; j < one->v4_count; j++)
            strbuf_addf(&all, "%s%s", all.length ? " " : "", one->v4[j]);
        for (int j = 0; j < one->v6_count; j++)
            strbuf_addf(&all, "%s%s", all.length ? " " : "", one->v6[j]);
    }
    json_close(writer, ']');
    json_add_string(writer, "guestIPs", all.data ? all.data : "");
}

static void write_os(JsonWriter *writer, const VmGuest *guest)
{
    bool windows = guest->os_id && !strcmp(guest->os_id, "mswindows");
    json_add_string(writer, "guestOs", guest->os_kernel ? guest->os_kernel : "");
    json_key(writer, "guestOsInfo");
    json_open(writer, '{');
    json_add_string(writer, "type", windows ? "windows" : "linux");
    json_add_string(writer, "distribution",
                    guest->os_name ? guest->os_name
                    : guest->os_id ? guest->os_id
                                   : "");
    json_add_string(writer, "version", guest->os_version ? guest->os_version : "");
    json_add_string(writer, "codename", "");
    json_add_string(writer, "arch", guest->os_machine ? guest->os_machine : "");
    json_add_string(writer, "kernel", guest->os_kernel ? guest->os_kernel : "");
    json_close(writer, '}');
}

void vm_write_guest(JsonWriter *writer, const Vm *vm)
{
    const VmGuest *guest = vm->guest;
    json_add_string(writer, "session", "Unknown");
    json_add_integer(writer, "guestCPUCount", -1);
    if (!guest) {
        json_add_string(writer, "username", "Unknown");
        json_add_string(writer, "guestIPs", "");
        json_add_string(writer, "guestFQDN", "");
        return;
    }
    json_add_string(writer, "username", guest->users && *guest->users ? guest->users : "None");
    json_add_string(writer, "guestFQDN", guest->host_name ? guest->host_name : "");
    json_add_string(writer, "guestName", guest->host_name ? guest->host_name : "");
    write_interfaces(writer, guest);
    write_os(writer, guest);
    json_key(writer, "guestTimezone");
    json_open(writer, '{');
    json_add_string(writer, "zone", guest->time_zone ? guest->time_zone : "");
    json_add_integer(writer, "offset", guest->time_zone_offset_s / 60);
    json_close(writer, '}');
    json_key(writer, "appsList");
    json_open(writer, '[');
    json_close(writer, ']');
    json_key(writer, "disksUsage");
    json_put_raw(writer, guest->disks_usage.data, guest->disks_usage.length);
    json_key(writer, "diskMapping");
    json_put_raw(writer, guest->disk_mapping.data, guest->disk_mapping.length);
}
