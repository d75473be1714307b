#include "manager/search/search_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "manager/events/event_log.h"
#include "manager/operations/operation.h"

typedef struct Row {
    Kind kind;
    const char *name, *json;
} Row;

// Referred to before referring.
static const Row rows[] = {
    {KIND_DATA_CENTER, "Default",
     "'description':'First','local':'false','version':{'major':4,'minor':7}"},
    {KIND_DATA_CENTER, "Lab", "'local':'true','version':{'major':4,'minor':6}"},
    {KIND_NETWORK, "ovirtmgmt",
     "'data_center':{'id':'@data_center:Default'},'usages':['vm','management'],'mtu':0"},
    {KIND_NETWORK, "red",
     "'data_center':{'id':'@data_center:Lab'},'vlan':{'id':'100'},'usages':[],'mtu':9000,"
     "'stp':'true','comment':'Fast'"},
    {KIND_VNIC_PROFILE, "mgmt", "'network':{'id':'@network:ovirtmgmt'}"},
    {KIND_VNIC_PROFILE, "sniff",
     "'network':{'id':'@network:red'},'port_mirroring':'true','pass_through':{'mode':'enabled'}"},
    {KIND_CLUSTER, "Default",
     "'data_center':{'id':'@data_center:Default'},'version':{'major':4,'minor':7},"
     "'cpu':{'architecture':'x86_64','type':'Intel Nehalem Family'},"
     "'networks':[{'id':'@network:ovirtmgmt'}],'bios_type':'q35_sea_bios'"},
    {KIND_CLUSTER, "Test",
     "'data_center':{'id':'@data_center:Lab'},'version':{'major':4,'minor':10},"
     "'cpu':{'architecture':'ppc64','type':''},"
     "'networks':[{'id':'@network:ovirtmgmt'},{'id':'@network:red'}]"},
    {KIND_HOST, "h1", "'address':'10.0.0.1','cluster':{'id':'@cluster:Default'},'number':1"},
    {KIND_HOST, "h2",
     "'address':'h2.example.com','cluster':{'id':'@cluster:Default'},'number':2,'comment':'old'"},
    {KIND_HOST, "h10", "'address':'10.0.0.10','cluster':{'id':'@cluster:Test'},'number':10"},
    {KIND_STORAGE_DOMAIN, "data1",
     "'type':'data','data_center':{'id':'@data_center:Default'},'storage':{'type':'nfs'},"
     "'wanted_active':'true','master':'true','warning_low_space_indicator':10"},
    {KIND_STORAGE_DOMAIN, "data2",
     "'type':'data','data_center':{'id':'@data_center:Lab'},'storage':{'type':'iscsi'},"
     "'wanted_active':'false','critical_space_action_blocker':5"},
    {KIND_STORAGE_DOMAIN, "spare", "'type':'data','storage':{'type':'localfs'},'backup':'true'"},
    {KIND_DISK, "web1_disk",
     "'alias':'web1_disk','provisioned_size':10737418240,'sparse':'true','storage_type':'image',"
     "'storage_domains':[{'id':'@storage_domain:data1'}],'status':'ok'"},
    {KIND_DISK, "shared",
     "'alias':'shared','provisioned_size':1073741824,'sparse':'false','shareable':'true',"
     "'storage_domains':[{'id':'@storage_domain:data2'}],'status':'illegal'"},
    {KIND_DISK, "installer",
     "'alias':'installer','provisioned_size':734003200,'content_type':'iso',"
     "'storage_domains':[{'id':'@storage_domain:data1'}],'wipe_after_delete':'true'"},
    {KIND_DISK, "raw", "'alias':'raw','storage_type':'lun','lun_storage':{'type':'iscsi'}"},
    {KIND_TEMPLATE, "Blank", "'status':'ok','memory':1073741824"},
    {KIND_TEMPLATE, "centos",
     "'status':'locked','memory':2147483648,'cluster':{'id':'@cluster:Default'},"
     "'version':{'version_name':'v2','version_number':2},'creation_time':1704067200000,"
     "'os':{'type':'rhel_8x64'},'nics':[{'id':'@nic:t','vnic_profile':{'id':'@vnic_profile:mgmt'}}]"
     ","
     "'disk_attachments':[{'id':'@disk:shared'}]"},
    {KIND_INSTANCE_TYPE, "Small", "'memory':2147483648"},
    {KIND_VM, "web1",
     "'description':'Web server','cluster':{'id':'@cluster:Default'},"
     "'template':{'id':'@template:centos'},'memory':4294967296,'type':'server',"
     "'cpu':{'architecture':'x86_64','topology':{'sockets':2,'cores':2,'threads':1}},"
     "'os':{'type':'rhel_8x64'},'creation_time':1704067200000,"
     "'memory_policy':{'guaranteed':1073741824},'custom_compatibility_version':{'major':4,'minor':"
     "3},"
     "'nics':[{'id':'@nic:1','name':'nic1','mac':{'address':'56:6f:00:00:00:01'},"
     "'vnic_profile':{'id':'@vnic_profile:mgmt'}}],"
     "'disk_attachments':[{'id':'@disk:web1_disk'},{'id':'@disk:shared'}]"},
    {KIND_VM, "web2",
     "'description':'','cluster':{'id':'@cluster:Default'},'template':{'id':'@template:centos'},"
     "'memory':8589934592,'type':'server','os':{'type':'windows_2022'},"
     "'creation_time':1704196800000,'next_run':{'memory':1}"},
    {KIND_VM, "db_1",
     "'comment':'100% ours','cluster':{'id':'@cluster:Test'},'template':{'id':'@template:Blank'},"
     "'memory':2147483648,'type':'desktop','creation_time':1706745600000,"
     "'instance_type':{'id':'@instance_type:Small'},"
     "'disk_attachments':[{'id':'@disk:shared'}]"},
    {KIND_VM, "Äpfel",
     "'cluster':{'id':'@cluster:Test'},'template':{'id':'@template:Blank'},'memory':1073741824,"
     "'bios':{'type':'q35_ovmf'},'nics':[{'id':'@nic:2','name':'nic1',"
     "'mac':{'address':'56:6f:00:00:00:02'},'vnic_profile':{'id':'@vnic_profile:sniff'}}]"},
    {KIND_MAC_POOL, "Default", "'default_pool':'true','allow_duplicates':'false'"},
    {KIND_IMAGE_TRANSFER, "t1",
     "'phase':'transferring','direction':'upload','disk':{'id':'@disk:raw'},"
     "'host':{'id':'@host:h1'},'created':1704067200000,'transferred':1048576"},
    {KIND_STORAGE_CONNECTION, "c1", "'type':'nfs','address':'nas','path':'/export/data'"},
    {KIND_USER, "admin",
     "'user_name':'admin','principal':'admin@internal','last_name':'','department':'IT'"},
    {KIND_USER, "Eve",
     "'user_name':'eve','principal':'eve@example.com','last_name':'Adams','email':'eve@example."
     "com'"},
    {KIND_OPERATION, "o1",
     "'kind':'hold','phase':'ended','status':'finished','correlation_id':'abc-1','start_time':"
     "1704067200000,"
     "'end_time':1704067260000,'user_name':'admin'"},
    {KIND_OPERATION, "o2",
     "'kind':'hold','phase':'forward','step':0,'status':'started','correlation_id':'abc-2',"
     "'start_time':1704067300000,'locks':[{'object':'@disk:raw','exclusive':'true'}]"},
};

// Newest last.
static const char *const events[] = {
    "'index':1,'id':'1','code':30,'severity':'normal','description':'User admin logged in.',"
    "'time':1704067200000,'user':{'id':'@user:admin'},'origin':'oVirt','custom_id':-1",
    "'index':2,'id':'2','code':153,'severity':'normal','description':'VM web1 was started by "
    "admin.',"
    "'time':1704153600000,'vm':{'id':'@vm:web1'},'host':{'id':'@host:h1'},"
    "'user':{'id':'@user:admin'},'correlation_id':'abc-1','origin':'oVirt','custom_id':-1,"
    "'template':{'id':'@template:centos'},'cluster':{'id':'@cluster:Default'},"
    "'data_center':{'id':'@data_center:Default'}",
    "'index':3,'id':'3','code':119,'severity':'error','description':'VM gone is down with error.',"
    "'time':1704240000000,'vm':{'id':'@vm:gone','name':'gone'},'host':{'id':'@host:h2'},"
    "'origin':'oVirt','custom_id':-1",
    "'index':4,'id':'4','code':9801,'severity':'alert','description':'Backup failed.',"
    "'time':1704326400000,'origin':'veeam','custom_id':77,"
    "'storage_domain':{'id':'@storage_domain:data1'}",
};

const char *fixture_id(const char *kind, const char *name, char id[UUID_SIZE])
{
    return uuid_from_name(kind, name, id);
}

// ' becomes ", and '@kind:name' an id in quotes.
static void put_json(StrBuf *out, const char *text)
{
    while (*text) {
        strbuf_addc(out, *text == '\'' ? '"' : *text);
        if (*text++ != '\'' || *text != '@')
            continue;
        char id[UUID_SIZE];
        size_t kind = strcspn(text, ":"), whole = strcspn(text, "'");
        AUTO_FREE char *kind_text = memory_bytes(text + 1, kind - 1);
        AUTO_FREE char *name = memory_bytes(text + kind + 1, whole - kind - 1);
        strbuf_adds(out, fixture_id(kind_text, name, id));
        text += whole;
    }
}

Entity *fixture_add(SearchFixture *fixture, Kind kind, const char *name, const char *json)
{
    AUTO_STRBUF text = {0};
    AUTO_ARENA arena = {0};
    AUTO_FAIL why = {0};
    char id[UUID_SIZE];
    fixture_id(kind_name(kind), name, id);
    strbuf_addf(&text, "{\"id\":\"%s\",\"name\":\"%s\",", id, name);
    put_json(&text, json);
    strbuf_addc(&text, '}');
    ApiDocument *document = api_document_new(kind_type(kind));
    const Json *value = json_parse(&arena, text.data, text.length, NULL, NULL);
    document->object = value ? api_load(&document->arena, kind_type(kind), value, &why) : NULL;
    if (!document->object) {
        fprintf(stderr, "%s: %s\n", text.data, why.message ? why.message : "no JSON");
        abort();
    }
    Inventory *inventory = fixture->manager.inventory;
    Entity *entity =
        inventory_insert(inventory, kind, id, document, inventory_next_revision(inventory));
    api_document_unref(document);
    return entity;
}

Entity *fixture_get(SearchFixture *fixture, Kind kind, const char *name)
{
    Entity *entity = inventory_named(fixture->manager.inventory, kind, name);
    if (!entity)
        abort();
    return entity;
}

// ---- what hosts have told

static void observe_vm(SearchFixture *fixture, const char *name, ApiVmStatus status,
                       const char *host, const char *address)
{
    Entity *vm = fixture_get(fixture, KIND_VM, name);
    VmState *state = vm_state(vm);
    state->status = status;
    vm_state_set_host(vm, fixture_get(fixture, KIND_HOST, host));
    state->guest_ip = memory_string(address);
    state->fqdn = memory_format("%s.example.com", name);
    state->start_ms = clock_wall_ms() - 7200 * 1000;
    state->applications = memory_string("kernel-4.18,qemu-guest-agent-6.2");
    state->sessions = memory_string("root");
}

static void observe_vms(SearchFixture *fixture)
{
    observe_vm(fixture, "web1", API_VM_STATUS_UP, "h1", "10.0.0.9 fe80::1");
    observe_vm(fixture, "web2", API_VM_STATUS_POWERING_UP, "h1", "10.0.0.10");
    observe_vm(fixture, "Äpfel", API_VM_STATUS_PAUSED, "h10", "192.168.0.1");
    VmState *busy = vm_state(fixture_get(fixture, KIND_VM, "web1"));
    busy->cpu_total = 320; // of four CPUs
    busy->memory_percent = 42;
    busy->network_percent = 3;
}

static void observe_hosts(SearchFixture *fixture)
{
    HostState *first = host_state(fixture_get(fixture, KIND_HOST, "h1"));
    first->status = API_HOST_STATUS_UP;
    first->stats_ms = 1;
    first->cpu_user = 50;
    first->cpu_system = 25;
    first->cpu_load = 1.5;
    first->memory_total = 17179869184;
    first->memory_free = 4294967296;
    first->hardware = api_document_new(&api_type_host);
    ApiHost *hardware = first->hardware->object;
    Arena *arena = &first->hardware->arena;
    hardware->cpu = ARENA_NEW(arena, ApiCpu);
    hardware->cpu->name = "Intel Xeon";
    hardware->cpu->speed = API_REAL(2400);
    hardware->cpu->topology = ARENA_NEW(arena, ApiCpuTopology);
    hardware->cpu->topology->sockets = API_INT(2);
    hardware->cpu->topology->cores = API_INT(8);
    hardware->hardware_information = ARENA_NEW(arena, ApiHardwareInformation);
    hardware->hardware_information->uuid = "4C4C4544-0000-1111-8000-B1C04F4E4B32";
    ApiHostNic *nic = ARENA_NEW(arena, ApiHostNic);
    nic->name = "ovirtmgmt";
    nic->bridged = API_TRUE;
    nic->mac = ARENA_NEW(arena, ApiMac);
    nic->mac->address = "00:11:22:33:44:55";
    api_list_add(arena, &hardware->nics, nic);
    host_state(fixture_get(fixture, KIND_HOST, "h2"))->status = API_HOST_STATUS_MAINTENANCE;
    host_state(fixture_get(fixture, KIND_HOST, "h10"))->status = API_HOST_STATUS_NON_OPERATIONAL;
}

static void observe_storage(SearchFixture *fixture)
{
    Entity *data_center = fixture_get(fixture, KIND_DATA_CENTER, "Default");
    StorageDomainState *state =
        storage_domain_state(fixture_get(fixture, KIND_STORAGE_DOMAIN, "data1"));
    state->status = API_STORAGE_DOMAIN_STATUS_ACTIVE;
    state->available = 107911053312; // 100.5 GiB
    state->used = 53687091200;       // 50 GiB
    data_center_state(data_center)->spm = entity_ref(fixture_get(fixture, KIND_HOST, "h1"));
    disk_state(fixture_get(fixture, KIND_DISK, "web1_disk"))->actual_size = 1000;
}

static void load_events(SearchFixture *fixture)
{
    fixture->manager.events = event_log_new(0);
    for (size_t i = 0; i < COUNT_OF(events); i++) {
        AUTO_STRBUF text = {0};
        strbuf_addc(&text, '{');
        put_json(&text, events[i]);
        strbuf_addc(&text, '}');
        event_log_load(fixture->manager.events, &(StoreEvent){.document = text.data});
    }
}

// Its steps never run: the loop does not.
static void hold_act(Operation *operation)
{
    abort();
}

static const OperationStep hold_steps[] = {{"hold", "Holding", hold_act, NULL, 0}};
static const OperationKind hold_kind = {"hold", "Holding a disk", hold_steps, 1, NULL};

void fixture_init(SearchFixture *fixture)
{
    *fixture = (SearchFixture){0};
    log_set_level(LOG_LEVEL_ERROR);
    uv_loop_init(&fixture->loop);
    fixture->manager.loop = &fixture->loop;
    fixture->manager.operations = operations_new(&fixture->manager);
    fixture->manager.inventory = inventory_new();
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        fixture_add(fixture, rows[i].kind, rows[i].name, rows[i].json);
    operations_register(fixture->manager.operations, &hold_kind);
    operations_resume(fixture->manager.operations);
    observe_hosts(fixture);
    observe_vms(fixture);
    observe_storage(fixture);
    load_events(fixture);
    if (event_log_count(fixture->manager.events) != COUNT_OF(events))
        abort();
}

void fixture_done(SearchFixture *fixture)
{
    operations_stop(fixture->manager.operations);
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
    uv_loop_close(&fixture->loop);
    operations_free(fixture->manager.operations);
    event_log_free(fixture->manager.events);
    inventory_free(fixture->manager.inventory);
}
