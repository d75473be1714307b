// Every manager/vm/golden/NAME.json is a VM with its devices; NAME.xml beside it is its domain.
#include "manager/vm/domain_xml.h"

#include <stdlib.h>
#include <string.h>

#include "base/test.h"
#include "base/xml.h"

enum { DEVICES_MAX = 16 };

static void *load(Arena *arena, const ApiType *type, const Json *value)
{
    AUTO_FAIL why = {0};
    void *object = api_load(arena, type, value, &why);
    if (!object)
        fail_msg("%s: %s", type->name, why.message);
    return object;
}

static DomainDisk read_disk(Arena *arena, const Json *value)
{
    return (DomainDisk){
        .attachment = load(arena, &api_type_disk_attachment, json_get(value, "attachment")),
        .disk = load(arena, &api_type_disk, json_get(value, "disk")),
        .storage_domain = "5d000000-0000-4000-8000-00000000000d",
        .data_center = "dc000000-0000-4000-8000-00000000000c",
    };
}

static DomainNic read_nic(Arena *arena, const Json *value)
{
    return (DomainNic){
        .nic = load(arena, &api_type_nic, json_get(value, "nic")),
        .bridge = json_get_string(value, "bridge"),
    };
}

static const DomainPayload *read_payload(Arena *arena, const Json *value)
{
    DomainPayload *payload = ARENA_NEW(arena, DomainPayload);
    DomainPayloadFile *file = ARENA_NEW(arena, DomainPayloadFile);
    if (!value)
        return NULL;
    file->path = json_get_string(value, "path");
    file->content = json_get_string(value, "content");
    payload->label = "config-2";
    payload->files = file;
    payload->count = 1;
    return payload;
}

// A line for each element, so that a difference is a difference of lines.
static void add_lines(StrBuf *out, const char *xml)
{
    int depth = 0;
    for (const char *at = xml; *at; at++) {
        bool closing = at[0] == '<' && at[1] == '/';
        if (at > xml && at[0] == '<' && at[-1] == '>') {
            strbuf_adds(out, "\n");
            for (int i = 0; i < depth - closing; i++)
                strbuf_adds(out, "  ");
        }
        if (at[0] == '<')
            depth += closing ? -1 : 1;
        if (at[0] == '/' && at[1] == '>')
            depth--;
        strbuf_add(out, at, 1);
    }
    strbuf_adds(out, "\n");
}

static void write_answer(StrBuf *out, const Json *question, Arena *arena)
{
    DomainDisk disks[DEVICES_MAX], cd;
    DomainNic nics[DEVICES_MAX];
    AUTO_STRBUF xml = {0};
    const ApiVm *vm = load(arena, &api_type_vm, json_get(question, "vm"));
    DomainInput input = {
        .vm = vm,
        .cluster_version = "4.7",
        .accelerated = json_get_bool(question, "accelerated", true),
        .cpu_model = json_get_string(question, "cpu_model"),
        .disks = disks,
        .nics = nics,
        .payload = read_payload(arena, json_get(question, "payload")),
        .kernel = json_get_string(question, "kernel"),
        .initrd = json_get_string(question, "initrd"),
        .command_line = json_get_string(question, "command_line"),
        .start_paused = json_get_bool(question, "start_paused", false),
        .boot = vm->os->boot->devices.items,
        .boot_count = (int)vm->os->boot->devices.count,
    };
    JSON_EACH(json_get(question, "disks"), disk)
        disks[input.disk_count++] = read_disk(arena, disk);
    JSON_EACH(json_get(question, "nics"), nic)
        nics[input.nic_count++] = read_nic(arena, nic);
    if (json_get(question, "cd")) {
        cd = read_disk(arena, json_get(question, "cd"));
        input.cd_disk = &cd;
    }
    domain_xml_write(&xml, &input);
    assert_non_null(xml_parse(arena, xml.data, xml.length, NULL, NULL));
    add_lines(out, xml.data);
}

TEST(domains_are_as_recorded)
{
    test_golden_folder(GOLDEN_DIRECTORY, ".xml", write_answer);
}

TEST(a_plugged_disk_takes_a_free_name)
{
    AUTO_STRBUF xml = {0};
    AUTO_ARENA arena = {0};
    static const char *const used[] = {"vda", "sda"};
    ApiDiskAttachment attachment = {.id = "d1", .interface = API_DISK_INTERFACE_VIRTIO};
    ApiDisk disk = {.id = "d1", .image_id = "v1", .format = API_DISK_FORMAT_RAW};
    DomainDisk domain_disk = {&attachment, &disk, "sd", "dc", ""};
    domain_xml_write_disk(&xml, &domain_disk, used, 2);
    assert_string_equal(domain_disk.target, "vdb");
    assert_non_null(strstr(xml.data, "<hotplug>"));
    assert_non_null(xml_parse(&arena, xml.data, xml.length, NULL, NULL));
}

static ApiCpuTopology topology(int64_t sockets, int64_t cores, int64_t threads)
{
    return (ApiCpuTopology){
        .sockets = API_INT(sockets), .cores = API_INT(cores), .threads = API_INT(threads)};
}

TEST(sockets_are_left_for_later_but_not_more_cpus_than_a_machine_has)
{
    ApiCpuTopology small = topology(1, 2, 1), large = topology(1, 16, 2), many = topology(40, 1, 1);
    ApiCpuTopology huge = topology(2, 200, 1);
    assert_int_equal(domain_sockets_max(&small, true), 16);
    assert_int_equal(domain_sockets_max(&small, false), 1);
    assert_int_equal(domain_sockets_max(&large, true), 7);
    assert_int_equal(domain_sockets_max(&many, true), 40);
    assert_int_equal(domain_sockets_max(&huge, true), 2);
}

TEST(a_memory_module_is_written_in_kib)
{
    AUTO_STRBUF xml = {0};
    AUTO_ARENA arena = {0};
    domain_xml_write_memory(&xml, "m1", INT64_C(256) << 20);
    const Xml *root = xml_parse(&arena, xml.data, xml.length, NULL, NULL);
    const Xml *module = xml_find(root, "devices", "memory", NULL);
    assert_non_null(module);
    assert_string_equal(xml_attribute(module, "model"), "dimm");
    assert_string_equal(xml_child_text(xml_child(module, "target"), "size"), "262144");
    assert_string_equal(xml_attribute(xml_child(module, "alias"), "name"), "ua-m1");
}
