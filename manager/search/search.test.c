// What searches find in the fixture.
#include "base/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "manager/events/event_log.h"
#include "manager/search/search.h"
#include "manager/search/search_fields.h"
#include "manager/search/search_fixture.h"

static SearchFixture fixture;

__attribute__((constructor)) static void fixture_make(void)
{
    setenv("TZ", "UTC", 1);
    tzset();
    fixture_init(&fixture);
}

__attribute__((destructor)) static void fixture_drop(void)
{
    fixture_done(&fixture);
}

// Names of what is found, events by number.
static char *found_names(const char *collection, const char *text, int flags, int64_t max)
{
    AUTO_ARENA arena = {0};
    AUTO_ARRAY found = {0};
    AUTO_FAIL why = {0};
    AUTO_STRBUF names = {0};
    SearchFilter *filter =
        search_filter_new(&fixture.manager, &arena, collection, text, flags, &why);
    if (!filter)
        fail_msg("%s: %s: %s", collection, text, why.message);
    search_filter_select(filter, &found, max);
    for (size_t i = 0; i < found.count; i++)
        strbuf_addf(&names, "%s%s", i ? " " : "",
                    strcmp(collection, "events")
                        ? entity_name(found.items[i])
                        : ((const ApiEvent *)((ApiDocument *)found.items[i])->object)->id);
    return strbuf_take(&names);
}

static void assert_found(const char *collection, const char *text, const char *expected)
{
    AUTO_FREE char *names = found_names(collection, text, 0, -1);
    if (strcmp(names, expected))
        fail_msg("%s: %s: found \"%s\", expected \"%s\"", collection, text, names, expected);
}

// Text with "@kind:name" in it.
static void assert_found_id(const char *collection, const char *format, const char *kind,
                            const char *name, const char *expected)
{
    char id[UUID_SIZE], text[200];
    snprintf(text, sizeof(text), "%s%s", format, fixture_id(kind, name, id));
    assert_found(collection, text, expected);
}

typedef struct Case {
    const char *text, *expected;
} Case;

static void assert_cases(const char *collection, const Case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_found(collection, cases[i].text, cases[i].expected);
}

#define ASSERT_CASES(collection, ...)                     \
    do {                                                  \
        static const Case cases[] = {__VA_ARGS__};        \
        assert_cases(collection, cases, COUNT_OF(cases)); \
    } while (0)

#define ALL_VMS "db_1 web1 web2 Äpfel"

// ---- values by type

TEST(text_is_compared_as_a_whole_in_either_case)
{
    ASSERT_CASES("vms", {"name=web1", "web1"}, {"name=WEB1", "web1"}, {"NAME=Web1", "web1"},
                 {"name=web", ""}, {"name=web*", "web1 web2"}, {"name=*b*", "db_1 web1 web2"},
                 {"name=*", ALL_VMS}, {"name!=web*", "db_1 Äpfel"}, {"name=äPFEL", "Äpfel"},
                 {"name=db?1", ""}, {"name=db%", ""}, {"name=d__1", ""}, {"name=db_1", "db_1"},
                 {"comment=\"100% OURS\"", "db_1"}, {"comment=\"\"", "web1 web2 Äpfel"},
                 {"comment!=\"\"", "db_1"}, {"description=\"web server\"", "web1"},
                 {"fqdn=*.example.com", "web1 web2 Äpfel"}, {"fqdn=\"\"", "db_1"},
                 {"fqdn!=web1.example.com", "db_1 web2 Äpfel"});
}

TEST(case_counts_when_asked)
{
    AUTO_FREE char *exact = found_names("vms", "name=web1", SEARCH_CASE_SENSITIVE, -1);
    AUTO_FREE char *other = found_names("vms", "name=WEB1", SEARCH_CASE_SENSITIVE, -1);
    AUTO_FREE char *choice = found_names("vms", "status=UP", SEARCH_CASE_SENSITIVE, -1);
    assert_string_equal(exact, "web1");
    assert_string_equal(other, "");
    assert_string_equal(choice, "web1"); // only text has case
}

TEST(choices_have_oVirts_names_too)
{
    ASSERT_CASES("vms", {"status=up", "web1"}, {"status=Up", "web1"}, {"status=down", "db_1"},
                 {"status=powering_up", "web2"}, {"status=PoweringUp", "web2"},
                 {"status=paused or status=MigratingFrom", "Äpfel"},
                 {"status!=up", "db_1 web2 Äpfel"}, {"status=imageillegal", ""},
                 {"status!=imageillegal", ALL_VMS}, {"type=server", "web1 web2"},
                 {"type=\"\"", "Äpfel"}, {"type!=null", "db_1 web1 web2"},
                 {"architecture=x86_64", "web1 web2"}, {"architecture=ppc64", "db_1 Äpfel"},
                 {"bios_type=q35_ovmf", "Äpfel"}, {"bios_type=Q35SeaBios", "web1 web2"});
}

TEST(numbers_are_compared)
{
    ASSERT_CASES("vms", {"vcpus=4", "web1"}, {"vcpus<4", "db_1 web2 Äpfel"}, {"vcpus>=1", ALL_VMS},
                 {"vcpus!=4", "db_1 web2 Äpfel"}, {"cpu_usage=80", "web1"}, {"cpu_usage>0", "web1"},
                 {"mem_usage>=42", "web1"}, {"network_usage<5", "web1 web2 Äpfel"},
                 {"migration_progress_percent>0", ""},
                 {"migration_progress_percent=null", ALL_VMS});
}

TEST(sizes_have_oVirts_units_or_their_own)
{
    ASSERT_CASES("vms", {"memory=4096", "web1"}, {"memory=4GB", "web1"},
                 {"memory>\"2 GiB\"", "web1 web2"}, {"memory<=2048", "db_1 Äpfel"},
                 {"guaranteed_memory=1024", "web1"});
    ASSERT_CASES("storagedomains", {"free_size=100", "data1"}, {"free_size>100", ""},
                 {"free_size>100GB", "data1"}, {"used_size=50", "data1"},
                 {"total_size<151", "data1"}, {"committed>=10", "data1"},
                 {"free_size=\"\"", "data2 spare"});
    ASSERT_CASES("disks", {"provisioned_size=1073741824", "shared"}, {"size>5GB", "web1_disk"},
                 {"actual_size=1000", "web1_disk"});
}

TEST(booleans_are_true_or_false)
{
    ASSERT_CASES("vms", {"next_run_config_exists=true", "web2"},
                 {"next_run_config_exists=FALSE", "db_1 web1 Äpfel"},
                 {"has_illegal_images=0", ALL_VMS});
    ASSERT_CASES("disks", {"shareable=true", "shared"},
                 {"shareable!=true", "installer raw web1_disk"},
                 {"wipe_after_delete=1", "installer"});
}

TEST(dates_are_days_or_moments)
{
    ASSERT_CASES(
        "vms", {"creationdate=2024-01-01", "web1"}, {"creationdate=1/2/2024", "web2"},
        {"creationdate<1.2.2024", "web1 web2"}, {"creationdate>\"Jan 15, 2024\"", "db_1"},
        {"creationdate<=2024-01-02", "web1 web2"}, {"creationdate>=2024-01-02", "db_1 web2"},
        {"creationdate!=2024-01-01", "db_1 web2 Äpfel"}, {"creationdate<today", "db_1 web1 web2"},
        {"creationdate=\"\"", "Äpfel"}, {"creationdate=2024-01-01T00:00:00Z", "web1"},
        {"creationdate=\"2024-01-01 00:01\"", ""});
}

TEST(spans_are_durations)
{
    ASSERT_CASES("vms", {"uptime>1h", "web1 web2 Äpfel"}, {"uptime<1:00", ""},
                 {"uptime<1.00:00:00", "web1 web2 Äpfel"}, {"uptime>1", ""},
                 {"uptime=\"\"", "db_1"});
}

TEST(ids_are_found_in_either_case)
{
    char id[UUID_SIZE];
    assert_found_id("vms", "id=", "vm", "web1", "web1");
    fixture_id("vm", "web1", id);
    for (char *at = id; *at; at++)
        if (*at >= 'a' && *at <= 'f')
            *at -= 32;
    AUTO_FREE char *text = memory_format("id=%s or id=%.8s*", id, "zzzzzzzz");
    AUTO_FREE char *exact = found_names("vms", text, SEARCH_CASE_SENSITIVE, -1);
    assert_string_equal(exact, "web1");
    ASSERT_CASES("vms", {"id=foo", ""}, {"created_by_user_id=\"\"", ALL_VMS});
}

TEST(versions_are_compared_by_their_numbers)
{
    ASSERT_CASES("vms", {"compatibility_level=4.7", "web2"},
                 {"compatibility_level>4.7", "db_1 Äpfel"}, {"compatibility_level<4.7", "web1"},
                 {"compatibility_level=4*", ALL_VMS}, {"custom_compatibility_level=4.3", "web1"});
    ASSERT_CASES("clusters", {"sortby compatibility_level", "Default Test"},
                 {"sortby compatibility_level desc", "Test Default"},
                 {"compatibility_level>=4.10", "Test"});
}

TEST(several_values_match_when_one_does)
{
    ASSERT_CASES("vms", {"ip=10.0.0.9", "web1"}, {"ip=fe80*", "web1"},
                 {"ip!=fe80::1", "db_1 web2 Äpfel"});
    ASSERT_CASES("disks", {"vm_names=web1", "shared web1_disk"}, {"vm_names=db*", "shared"},
                 {"vm_names!=web1", "installer raw"}, {"number_of_vms=0", "installer raw"},
                 {"number_of_vms>1", "shared"});
}

TEST(applications_match_inside)
{
    ASSERT_CASES("vms", {"apps=guest-agent", "web1 web2 Äpfel"}, {"apps=KERNEL", "web1 web2 Äpfel"},
                 {"apps!=qemu", "db_1"});
}

TEST(null_is_a_value_of_text)
{
    ASSERT_CASES("vms", {"name=null", ""}, {"quota=null", ALL_VMS}, {"quota!=null", ""});
}

// ---- text without a field

TEST(text_is_looked_for_in_all_text)
{
    ASSERT_CASES("vms", {"web", "web1 web2"}, {"server", "web1"}, {"ours", "db_1"},
                 {"\"web server\"", "web1"}, {"w*r", "web1"}, {"lab", "db_1 Äpfel"},
                 {"kernel", ""}, // applications and systems are not looked at
                 {"rhel", ""}, {"h1", "web1 web2 Äpfel"}, // h10 too
                 {"web status=up", "web1"}, {"nothing", ""});
}

// ---- objects

TEST(related_objects_can_be_asked)
{
    ASSERT_CASES("vms", {"host.name=h1", "web1 web2"}, {"Hosts.name=H1", "web1 web2"},
                 {"host.name!=h1", "db_1 Äpfel"}, {"host=h1", "web1 web2 Äpfel"},
                 {"host.status=up", "web1 web2"}, {"template.name=centos", "web1 web2"},
                 {"Templates.name = Blank", "db_1 Äpfel"}, {"Storage.name=data1", "web1"},
                 {"storages.type=iscsi", "db_1 web1"}, {"Clusters.name=Default", "web1 web2"},
                 {"datacenter.name=Lab", "db_1 Äpfel"}, {"vnic.network_name=red", "Äpfel"},
                 {"vnic.mac=56:6F*", "web1 Äpfel"}, {"event.severity=normal", "web1"},
                 {"events.type=153 and name=web*", "web1"}, {"user.name=admin", ""},
                 {"users.name!=admin", ALL_VMS}, {"vm.name=web1", "web1"},
                 {"disk.alias=shared", "db_1 web1"});
    ASSERT_CASES("hosts", {"vm.name=web1", "h1"}, {"vms.name=*", "h1 h10"},
                 {"vm.name!=web1", "h1 h10 h2"}, {"vm.name!=*", "h2"},
                 {"template.name=centos", "h1"}, {"storage.name=data1", "h1 h2"},
                 {"nic.mac=00:11*", "h1"}, {"nic.network_name=ovirtmgmt", "h1"},
                 {"event.severity=error", "h2"}, {"users.usrname=*", ""});
    ASSERT_CASES("templates", {"vm.name=web1", "centos"}, {"Vms.status=paused", "Blank"},
                 {"vm.name!=web*", "Blank"}, {"hosts.name=h1", "centos"},
                 {"storage.name=data2", "centos"}, {"Clusters.name=Default", "centos"},
                 {"vnic.network_name=ovirtmgmt", "centos"}, {"event.type=153", "centos"});
    ASSERT_CASES("datacenters", {"Storage.name=data1", "Default"},
                 {"storage.name=data*", "Default Lab"}, {"Clusters.name=Test", "Lab"},
                 {"network.name=red", "Lab"}, {"disk.name=shared", "Lab"}, {"quota.name=x", ""},
                 {"storage.type!=nfs", "Lab"});
    ASSERT_CASES("clusters", {"datacenter.name=Lab", "Test"}, {"datacenter=Lab", "Test"},
                 {"storage.name=data1", "Default"}, {"cluster_network.network_name=red", "Test"},
                 {"host.name=h10", "Test"});
    ASSERT_CASES("storagedomains", {"Clusters.name=Default", "data1"},
                 {"cluster.name=Test", "data2"}, {"host.name=h2", "data1"},
                 {"datacenter.name=Lab", "data2"}, {"disk.alias=installer", "data1"});
    ASSERT_CASES("disks", {"storage.name=data1", "installer web1_disk"}, {"vm.name=db_1", "shared"},
                 {"template.name=centos", "shared"},
                 {"datacenter.name=Default", "installer web1_disk"},
                 {"storage.name!=data1", "raw shared"});
    ASSERT_CASES("networks", {"cluster_network.cluster_name=Test", "ovirtmgmt red"},
                 {"cluster.name=Default", "ovirtmgmt"}, {"host_network.host_name=h1", "ovirtmgmt"},
                 {"provider.name=x", ""}, {"datacenter.name=Lab", "red"});
    ASSERT_CASES("instancetypes", {"vm.name=db_1", "Small"}, {"vm.name=web1", ""});
    ASSERT_CASES("users", {"event.type=153", "admin"}, {"vm.name=web1", ""});
}

// ---- fields by collection

TEST(fields_of_vms)
{
    ASSERT_CASES("vms", {"cluster=Default", "web1 web2"}, {"datacenter=Lab", "db_1 Äpfel"},
                 {"on_host=h1", "web1 web2"}, {"os=rhel*", "web1"},
                 {"loggedinuser=root", "web1 web2 Äpfel"}, {"pool=x", ""}, {"tag=x", ""},
                 {"address=web1*", "web1"}, {"k8s_namespace=x", ""});
}

TEST(fields_of_hosts)
{
    ASSERT_CASES(
        "hosts", {"status=up", "h1"}, {"status!=up", "h10 h2"}, {"status=NonOperational", "h10"},
        {"cluster=Default", "h1 h2"}, {"datacenter=Lab", "h10"}, {"address=10.0.0.*", "h1 h10"},
        {"hw_id=4c4c4544-0000-1111-8000-b1c04f4e4b32", "h1"}, {"cpu_usage=75", "h1"},
        {"mem_usage=75", "h1"}, {"load>1", "h1"}, {"cpus=16", "h1"}, {"memory=16384", "h1"},
        {"cpu_speed=2400", "h1"}, {"cpu_model=*xeon", "h1"}, {"active_vms=2", "h1"},
        {"migrating_vms=0", "h1 h10 h2"}, {"committed_mem=12288", "h1"}, {"type=rhel", "h1 h10 h2"},
        {"architecture=ppc64le", "h10"}, {"spm_id=2", "h2"}, {"external_status=ok", "h1 h10 h2"},
        {"update_available=false", "h1 h10 h2"}, {"ha_score>0", ""}, {"comment=old", "h2"});
}

TEST(fields_of_templates)
{
    ASSERT_CASES("templates", {"name=centos", "centos"}, {"version_name=v2", "centos"},
                 {"childcount=2", "Blank centos"}, {"mem>1024", "centos"},
                 {"status=locked", "centos"}, {"datacenter=Default", "centos"},
                 {"cluster=Default", "centos"}, {"os=rhel_8x64", "centos"},
                 {"creationdate=2024-01-01", "centos"}, {"sealed=true", ""},
                 {"datacenter!=Default", "Blank"});
    ASSERT_CASES("instancetypes", {"name=small", "Small"}, {"mem=2048", "Small"});
}

TEST(fields_of_storage)
{
    ASSERT_CASES("storagedomains", {"status=active", "data1"}, {"status=unattached", "spare"},
                 {"status=maintenance", "data2"}, {"datacenter=Default", "data1"},
                 {"datacenter=\"\"", "spare"}, {"type=nfs", "data1"}, {"type!=nfs", "data2 spare"},
                 {"backup=true", "spare"}, {"low_space_threshold (%) > 5", "data1"},
                 {"low_space_threshold=10", "data1"}, {"critical_space_threshold (gb)=5", "data2"});
    ASSERT_CASES("datacenters", {"status=up", "Default"}, {"local=true", "Lab"},
                 {"description=First", "Default"}, {"compatibility_version=4.6", "Lab"});
    ASSERT_CASES(
        "disks", {"alias=shared", "shared"}, {"name=raw", "raw"}, {"disk_type=lun", "raw"},
        {"disk_type=image", "installer shared web1_disk"}, {"disk_content_type=iso", "installer"},
        {"disk_type=image and disk_content_type=iso", "installer"}, {"status=illegal", "shared"},
        {"status=locked", "raw"}, {"status=ok", "installer web1_disk"},
        {"allocation_policy=sparse", "web1_disk"}, {"allocation_policy=preallocated", "shared"});
    assert_found_id("disks", "id=", "disk", "raw", "raw");
    ASSERT_CASES("storageconnections", {"address=nas and type=nfs", "c1"},
                 {"path=/export/*", "c1"});
}

TEST(fields_of_networks)
{
    ASSERT_CASES("networks", {"vlanid=100", "red"}, {"vlanid=\"\"", "ovirtmgmt"},
                 {"mtu>1500", "red"}, {"vmnetwork=true", "ovirtmgmt"}, {"stp=true", "red"},
                 {"datacenter=Lab", "red"}, {"comment=fast", "red"},
                 {"label=x or provider_name=x or qos_name=x", ""});
    ASSERT_CASES("vnicprofiles", {"network_name=red", "sniff"}, {"port_mirroring=true", "sniff"},
                 {"passthrough=false", "mgmt"}, {"datacenter=Default", "mgmt"},
                 {"compatibility_version<4.7", "sniff"});
    ASSERT_CASES("macpools", {"default_pool=true", "Default"}, {"allow_duplicates=true", ""});
}

TEST(fields_of_the_rest)
{
    ASSERT_CASES("users", {"usrname=admin", "admin"}, {"usrname=admin@internal", "admin"},
                 {"usrname=admin@internal-authz", "admin"}, {"usrname=*@example.com", "Eve"},
                 {"lastname=adams", "Eve"}, {"department=it", "admin"}, {"login=eve", "Eve"},
                 {"directory=internal", "admin"}, {"type=user", "admin Eve"}, {"type=group", ""},
                 {"name=Eve", "Eve"});
    ASSERT_CASES("imagetransfers", {"phase=transferring", "t1"}, {"direction=download", ""},
                 {"host=h1", "t1"});
    assert_found_id("imagetransfers", "disk_id=", "disk", "raw", "t1");
    ASSERT_CASES("jobs", {"correlation_id=abc-1", "o1"}, {"correlation_id=abc*", "o1 o2"},
                 {"status=started", "o2"}, {"end_time=\"\"", "o2"},
                 {"sortby start_time desc", "o2 o1"});
}

TEST(fields_of_events)
{
    ASSERT_CASES(
        "events", {"", "4 3 2 1"}, {"severity=error", "3"}, {"severity=alert", "4"},
        {"severity>normal", "4 3"}, {"severity<=error", "3 2 1"}, {"type=30", "1"},
        {"type=153 and message=*web1*", "2"}, {"message=*started*", "2"}, {"time=2024-01-02", "2"},
        {"time>2024-01-03", "4"}, {"usrname=admin", "2 1"}, {"usrname=admin@internal", "2 1"},
        {"event_host=h1", "2"}, {"event_vm=web1", "2"}, {"event_vm=gone", "3"},
        {"event_template=centos", "2"}, {"event_storage=data1", "4"},
        {"event_datacenter=Default", "2"}, {"correlation_id=abc-1", "2"}, {"origin=veeam", "4"},
        {"custom_event_id=77", "4"}, {"deleted=false", "4 3 2 1"}, {"deleted=true", ""},
        {"event_volume=x", ""}, {"host.name=h2", "3"}, {"host.name=h1 and type=153", "2"},
        {"Hosts.status=up", "2"}, {"vm.name=web1", "2"}, {"vm.name=gone", "3"},
        {"vm.status=up", "2"}, {"Templates.name=centos", "2"}, {"cluster.name=Default", "2"},
        {"user.usrname=admin", "2 1"}, {"backup", "4"}, {"sortby time", "1 2 3 4"},
        {"sortby severity desc", "4 3 2 1"}, {"sortby type", "1 3 2 4"}, {"volume.name=x", ""},
        {"quota.name=x", ""}, {"id>2", "4 3"});
    assert_found_id("events", "vm.id=", "vm", "web1", "2");
    assert_found_id("events", "vm.id=", "vm", "gone", "3"); // removed meanwhile
    assert_found_id("events", "_event_vm_id=", "vm", "web1", "2");
    assert_found_id("events", "_event_host_id=", "host", "h2", "3");
    assert_found_id("events", "_event_storage_id=", "storage_domain", "data1", "4");
    assert_found_id("events", "usrid=", "user", "admin", "2 1");
}

// ---- order and pages

TEST(order_depends_on_the_type)
{
    ASSERT_CASES(
        "vms", {"sortby memory", "Äpfel db_1 web1 web2"},
        {"sortby memory desc", "web2 web1 db_1 Äpfel"}, {"sortby ip", "db_1 web1 web2 Äpfel"},
        {"sortby ip desc", "Äpfel web2 web1 db_1"}, {"sortby name desc", "Äpfel web2 web1 db_1"},
        {"sortby creationdate", "Äpfel web1 web2 db_1"},
        {"sortby fqdn desc", "Äpfel web2 web1 db_1"}, // none comes last
        {"sortby type", "Äpfel db_1 web1 web2"}, {"sortby cluster", "web1 web2 db_1 Äpfel"},
        {"sortby cluster desc", "db_1 Äpfel web1 web2"}); // equals by name
    ASSERT_CASES("hosts", {"sortby spm_id", "h1 h2 h10"}, {"sortby name", "h1 h10 h2"},
                 {"sortby cpu_usage desc", "h1 h10 h2"});
}

static void assert_page(const char *text, int64_t max, const char *expected)
{
    AUTO_FREE char *names = found_names("vms", text, 0, max);
    assert_string_equal(names, expected);
}

TEST(pages_are_as_long_as_max)
{
    assert_page("page 1", 3, "db_1 web1 web2");
    assert_page("page 2", 3, "Äpfel");
    assert_page("page 3", 3, "");
    assert_page("page 999999999", 3, "");
    assert_page("page 1", -1, ALL_VMS);
    assert_page("page 2", -1, "");
    assert_page("page 1", 0, "");
    assert_page("SORTBY NAME DESC page 2", 2, "web1 db_1");
    assert_page("name=web*", 1, "web1");
    assert_page("", 2, "db_1 web1");
    assert_page("sortby memory desc", 1, "web2");
}

TEST(a_page_has_a_hundred_without_max)
{
    AUTO_ARENA arena = {0};
    AUTO_ARRAY found = {0};
    Entity *vm = fixture_get(&fixture, KIND_VM, "web1");
    SearchFilter *filter = search_filter_new(&fixture.manager, &arena, "vms", "page 2", 0, NULL);
    for (int i = 0; i < 150; i++)
        array_add(&found, vm);
    search_filter_arrange(filter, &found, -1);
    assert_int_equal(found.count, 50);
}

// ---- what clients send

TEST(searches_of_clients)
{
    static const struct {
        const char *collection, *text, *expected;
    } rows[] = {
        {"vms", "name=\"web1\"", "web1"},
        {"vms", "name=\"web1\" and cluster=\"Default\"", "web1"},
        {"vms", "name=web1 or name=db_1 status=up", "web1"},
        {"vms", " datacenter=Default page 1", "web1 web2"},
        {"vms", "SORTBY NAME ASC page 1", ALL_VMS},
        {"vms", "pool=NAME", ""},
        {"vms", "tag=mytag", ""},
        {"vms", "host=h10", "Äpfel"},
        {"vms", "Clusters.name=Test", "db_1 Äpfel"},
        {"vms",
         "status=Up or status=PoweringUp or status=MigratingTo or status=WaitForLaunch or "
         "status=RebootInProgress or status=PoweringDown or status=Paused or status=Unknown "
         "sortby cpu_usage desc",
         "web1 web2 Äpfel"},
        {"hosts", "status!=up", "h10 h2"},
        {"hosts", "hw_id=4C4C4544-0000-1111-8000-B1C04F4E4B32", "h1"},
        {"hosts", "name=h* and datacenter=Default", "h1 h2"},
        {"hosts", "sortby cpu_usage desc", "h1 h10 h2"},
        {"storagedomains", "name=data1 and status=active", "data1"},
        {"storagedomains", "type!=nfs", "data2 spare"},
        {"storagedomains", "Clusters.name=Default", "data1"},
        {"datacenters", "storage.name=data1", "Default"},
        {"datacenters", "Clusters.name=Default", "Default"},
        {"datacenters", "name=Default and status=up", "Default"},
        {"datacenters", "sortby name", "Default Lab"},
        {"clusters", "name=Default and datacenter=Default", "Default"},
        {"templates", "name=\"Blank\" and datacenter=\"Default\"", ""},
        {"templates", "name=centos* version_name=v2", "centos"},
        {"templates", "vm.name=web1", "centos"},
        {"templates", "Clusters.name=Default", "centos"},
        {"disks", "disk_type=image and disk_content_type=iso", "installer"},
        {"disks", "vm_names=web1", "shared web1_disk"},
        {"disks", "number_of_vms=0", "installer raw"},
        {"disks", "name=\"shared\" and vm_names=\"db_1\"", "shared"},
        {"networks", "name=ovirtmgmt and datacenter=Default", "ovirtmgmt"},
        {"users", "usrname=admin@internal-authz", "admin"},
        {"users", "name=admin", "admin"},
        {"instancetypes", "name=Small", "Small"},
        {"events", "severity=error", "3"},
        {"events", "type=153 and host.name=h1", "2"},
        {"events", "type=119 and message=*gone*", "3"},
        {"events", "severity=alert", "4"},
        {"jobs", "correlation_id=abc-1", "o1"},
        {"vms", "Vms: status=up", "web1"},
        {"events", "Events: severity=alert", "4"},
        {"hosts", "Host: sortby cpu_usage desc", "h1 h10 h2"},
        {"datacenters", "DataCenter: sortby name", "Default Lab"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_found(rows[i].collection, rows[i].text, rows[i].expected);
}

// ---- all fields

// The names oVirt knows (reference: its search engine), beside those of the tests above.
TEST(all_fields_of_oVirt_are_known)
{
    static const struct {
        const char *collection, *names;
    } rows[] = {
        {"vms",
         "name comment status ip on_host fqdn uptime os creationdate address cpu_usage mem_usage "
         "network_usage memory guaranteed_memory migration_progress_percent apps cluster pool "
         "loggedinuser tag datacenter type quota id description architecture "
         "custom_emulated_machine "
         "custom_cpu_type compatibility_level custom_compatibility_level created_by_user_id "
         "next_run_config_exists has_illegal_images bios_type k8s_namespace vcpus"},
        {"hosts",
         "name comment status external_status cluster address cpu_usage mem_usage network_usage "
         "load "
         "version cpus memory cpu_speed cpu_model active_vms migrating_vms committed_mem tag type "
         "datacenter architecture update_available ha_score spm_id hw_id id"},
        {"templates",
         "name comment os creationdate childcount mem description status sealed cluster datacenter "
         "quota architecture version_name tag _vmt_id"},
        {"instancetypes",
         "name comment os creationdate childcount mem description status sealed cluster "
         "datacenter quota architecture version_name tag _vmt_id"},
        {"disks",
         "alias name description provisioned_size size actual_size creation_date shareable status "
         "disk_type disk_content_type allocation_policy number_of_vms vm_names quota id "
         "wipe_after_delete last_modified"},
        {"storagedomains",
         "name status shared_status external_status datacenter type free_size used_size "
         "total_size committed comment description wipe_after_delete discard_after_delete "
         "low_space_threshold critical_space_threshold backup"},
        {"datacenters", "name description local status comment compatibility_version"},
        {"clusters", "name description comment architecture compatibility_level cpu_type"},
        {"networks", "name description comment vlanid stp mtu vmnetwork datacenter label "
                     "provider_name qos_name"},
        {"vnicprofiles",
         "name description port_mirroring passthrough network_name compatibility_version "
         "datacenter qos_name network_filter failover"},
        {"users", "name lastname usrname user_and_domain login directory department tag pool type"},
        {"jobs", "correlation_id"},
        {"events",
         "type severity message time usrname event_host event_vm event_template event_storage "
         "event_datacenter event_volume correlation_id origin custom_event_id deleted _event_vm_id "
         "_event_template_id _event_storage_id _event_host_id _event_datacenter_id _event_quota_id "
         "usrid"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO_FREE char *names = memory_string(rows[i].names);
        char *rest = NULL;
        for (char *name = strtok_r(names, " ", &rest); name; name = strtok_r(NULL, " ", &rest))
            if (!field_find(collection_find(rows[i].collection)->id, name))
                fail_msg("%s have no field %s", rows[i].collection, name);
    }
}

// Asks for every field of every collection, directly and through every reference, and sorts by it.
static void ask_fields(const Collection *collection, const char *object, CollectionId fields)
{
    size_t count;
    const Field *field = fields_of(fields, &count);
    assert_true(count > 0);
    for (size_t i = 0; i < count; i++) {
        AUTO_FREE char *set = memory_format("%s%s!=\"\"", object, field[i].name);
        AUTO_FREE char *unset = memory_format("%s%s=\"\"", object, field[i].name);
        AUTO_FREE char *sorted = memory_format("sortby %s desc", field[i].name);
        free(found_names(collection->path, set, 0, -1));
        free(found_names(collection->path, unset, 0, -1));
        if (!*object)
            free(found_names(collection->path, sorted, 0, -1));
    }
}

TEST(every_field_and_reference_can_be_asked)
{
    for (CollectionId id = 0; id < _COLLECTION_MAX; id++) {
        const Collection *collection = collection_get(id);
        if (!collection->path)
            continue;
        ask_fields(collection, "", id);
        free(found_names(collection->path, "some text", 0, -1));
        for (const Reference *to = NULL; (to = reference_next(id, to));) {
            AUTO_FREE char *object = memory_format("%s.", collection_get(to->to)->object);
            AUTO_FREE char *text = memory_format("%s=text", collection_get(to->to)->object);
            ask_fields(collection, object, to->to);
            if (!field_find(id, collection_get(to->to)->object))
                free(found_names(collection->path, text, 0, -1));
        }
    }
}

TEST(collections_are_found_by_their_names)
{
    static const char *const names[] = {"vms",
                                        "VM",
                                        "Vms",
                                        "hosts",
                                        "storage",
                                        "storages",
                                        "storagedomain",
                                        "StorageDomains",
                                        "datacenters",
                                        "data_center",
                                        "vnicprofiles",
                                        "instancetypes",
                                        "events",
                                        "jobs",
                                        "clusternetworks",
                                        "cluster_network"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        assert_non_null(collection_find(names[i]));
    assert_null(collection_find("foo"));
    assert_null(collection_find(""));
    assert_null(collection_find("s"));
}

// ---- failures

static void assert_refused(const char *collection, const char *text, const char *message,
                           const char *hint)
{
    AUTO_ARENA arena = {0};
    AUTO_FAIL why = {0};
    assert_null(search_filter_new(&fixture.manager, &arena, collection, text, 0, &why));
    assert_int_equal(why.code, FAIL_SEARCH);
    assert_string_equal(why.message, message);
    if (hint && (!why.hint || !strstr(why.hint, hint)))
        fail_msg("%s: hint is %s", text, why.hint ? why.hint : "missing");
}

#define AT(number, rest) "search, at character " #number ": " rest

TEST(failures_say_what_there_is)
{
    static const struct {
        const char *collection, *text, *message, *hint;
    } rows[] = {
        {"vms", "name=a and foo=b", AT(12, "VMs have no field \"foo\""),
         "name, comment, description, status"},
        {"vms", "sortby foo", AT(8, "VMs have no field \"foo\""), "vcpus"},
        {"vms", "host.foo=b", AT(6, "hosts have no field \"foo\""), "spm_id"},
        {"vms", "foo.name=b", AT(1, "VMs do not refer to \"foo\""), "host, template"},
        {"vms", "macpool.name=b", AT(1, "VMs do not refer to \"macpool\""), NULL},
        {"macpools", "vm.name=b", AT(1, "MAC pools do not refer to \"vm\""), NULL},
        {"vms", "status=blue", AT(8, "\"blue\" is no value of status"), "down, up, powering_up"},
        {"disks", "allocation_policy=x", AT(19, "\"x\" is no value of allocation_policy"),
         "preallocated, sparse"},
        {"vms", "status<up", AT(8, "status has no order, so < cannot be asked"), "= or !="},
        {"vms", "name>a", AT(6, "name has no order, so > cannot be asked"), NULL},
        {"vms", "memory=much", AT(8, "\"much\" is no value of memory"), "GB"},
        {"vms", "vcpus=two", AT(7, "\"two\" is no value of vcpus"), "a number"},
        {"vms", "vcpus>\"\"", AT(8, "\"\" is no value of vcpus"), NULL},
        {"vms", "uptime>soon", AT(8, "\"soon\" is no value of uptime"), "12h"},
        {"vms", "creationdate=tomorrow", AT(14, "\"tomorrow\" is no value of creationdate"),
         "yesterday"},
        {"vms", "has_illegal_images=maybe", AT(20, "\"maybe\" is no value of has_illegal_images"),
         "true or false"},
        {"vms", "compatibility_level>new", AT(21, "\"new\" is no value of compatibility_level"),
         "4.7"},
        {"vms", "host>h1", AT(6, "text is compared with = or !="), NULL},
        {"vms", "Hosts: name=a", AT(1, "these are VMs, they can't be searched for \"Hosts\""),
         "colon"},
        {"vms", "aa:bb:cc", AT(1, "these are VMs, they can't be searched for \"aa\""), "quotes"},
        {"vms", "name=", AT(6, "a value is expected after name="), NULL},
        {"vms", "status=\"a very long value that nobody has ever called a status of a VM before\"",
         AT(9, "\"a very long value that nobody has ever called a status of a ...\" is no value of "
               "status"),
         NULL},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_refused(rows[i].collection, rows[i].text, rows[i].message, rows[i].hint);
    assert_refused("sessions", "name=a", "sessions can't be searched.", NULL);
    assert_refused("vnics", "mac=a", "vnics can't be searched.", NULL);
}

// ---- one by one, and requests

TEST(a_filter_is_asked_about_one)
{
    AUTO_ARENA arena = {0};
    SearchFilter *vms = search_filter_new(&fixture.manager, &arena, "vms", "status=up", 0, NULL);
    SearchFilter *events =
        search_filter_new(&fixture.manager, &arena, "events", "vm.name=web1", 0, NULL);
    assert_true(search_filter_match(vms, fixture_get(&fixture, KIND_VM, "web1")));
    assert_false(search_filter_match(vms, fixture_get(&fixture, KIND_VM, "db_1")));
    assert_false(search_filter_match_event(events, event_log_at(fixture.manager.events, 0)));
    assert_true(search_filter_match_event(events, event_log_at(fixture.manager.events, 1)));
}

static int collect(const char *text, const char *case_sensitive, int64_t max, StrBuf *ret,
                   Fail *why)
{
    QueryParameter parameter = {"case_sensitive", case_sensitive, NULL};
    Request request = {.manager = &fixture.manager, .query = case_sensitive ? &parameter : NULL};
    Items items = {0};
    int result = search_collect(&request, &items, KIND_VM, text, max);
    for (size_t i = 0; i < items.count; i++)
        strbuf_addf(ret, "%s ", entity_name(items.items[i].entity));
    items_done(&items);
    fail_move(why, &request.why);
    arena_done(&request.arena);
    return result;
}

TEST(requests_collect_items)
{
    AUTO_STRBUF all = {0}, one = {0}, none = {0}, wrong = {0};
    AUTO_FAIL why = {0};
    int references = fixture_get(&fixture, KIND_VM, "web1")->references;
    assert_int_equal(collect("name=WEB*", NULL, -1, &all, &why), 0);
    assert_int_equal(collect("name=web*", "true", 1, &one, &why), 0);
    assert_int_equal(collect("name=WEB*", "true", -1, &none, &why), 0);
    assert_string_equal(all.data, "web1 web2 ");
    assert_string_equal(one.data, "web1 ");
    assert_null(none.data);
    assert_true(collect("name", NULL, -1, &none, &why) == 0);
    assert_true(collect("name=", NULL, -1, &wrong, &why) < 0);
    assert_int_equal(why.code, FAIL_SEARCH);
    assert_int_equal(fixture_get(&fixture, KIND_VM, "web1")->references, references);
}
