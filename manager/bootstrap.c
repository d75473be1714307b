// What a new installation begins with. Every step looks whether it is needed, so an older store
// gets what newer versions add.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "manager/cluster/cluster_rules.h"
#include "manager/identity/identity.h"
#include "manager/inventory/change.h"
#include "manager/manager.h"
#include "manager/network/network_rules.h"

enum { PASSWORD_FILE_MAX = 4096 };

typedef struct Bootstrap {
    Manager *manager;
    Change *change;
    char data_center[UUID_SIZE], cluster[UUID_SIZE], network[UUID_SIZE], mac_pool[UUID_SIZE];
} Bootstrap;

const char *manager_setting(const Manager *manager, const char *name)
{
    char id[UUID_SIZE];
    Entity *entity =
        inventory_get(manager->inventory, KIND_SETTING, uuid_from_name("setting", name, id));
    return entity ? ENTITY_OBJECT(entity, Setting)->value : NULL;
}

static void bootstrap_setting(Bootstrap *bootstrap, const char *name, const char *value)
{
    char id[UUID_SIZE];
    ApiDocument *draft =
        change_add(bootstrap->change, KIND_SETTING, uuid_from_name("setting", name, id));
    ApiSetting *setting = draft->object;
    setting->name = arena_string(&draft->arena, name);
    setting->value = arena_string(&draft->arena, value);
}

static int bootstrap_authority(Bootstrap *bootstrap, Fail *why)
{
    Manager *manager = bootstrap->manager;
    CertificatePair pair = {0};
    char instance[UUID_SIZE];
    AUTO_FREE char *name = memory_format("Vireo authority %.8s", uuid_new(instance));
    int result = certificate_make_authority(manager->config.organization, name, &pair, why);
    if (result)
        return result;
    bootstrap_setting(bootstrap, "authority.certificate", pair.certificate);
    bootstrap_setting(bootstrap, "authority.key", pair.key);
    bootstrap_setting(bootstrap, "instance", instance);
    certificate_pair_done(&pair);
    return 0;
}

static ApiVersion *level(Arena *arena)
{
    ApiVersion *version = ARENA_NEW(arena, ApiVersion);
    version->major = API_INT(4);
    version->minor = API_INT(7);
    return version;
}

static ApiMacPool *mac_pool_reference(Arena *arena, const char *id)
{
    ApiMacPool *pool = ARENA_NEW(arena, ApiMacPool);
    pool->id = arena_string(arena, id);
    return pool;
}

static void bootstrap_mac_pool(Bootstrap *bootstrap)
{
    ApiDocument *draft = change_add(bootstrap->change, KIND_MAC_POOL, NULL);
    ApiMacPool *pool = draft->object;
    ApiRange *range = ARENA_NEW(&draft->arena, ApiRange);
    strcpy(bootstrap->mac_pool, pool->id);
    pool->name = "Default";
    pool->description = "Default MAC pool";
    pool->default_pool = API_TRUE;
    pool->allow_duplicates = API_FALSE;
    // 56:6f is oVirt's; the third byte keeps installations apart.
    unsigned char own = (unsigned char)strtol((char[]){pool->id[0], pool->id[1], 0}, NULL, 16);
    range->from = arena_format(&draft->arena, "56:6f:%02x:00:00:00", own);
    range->to = arena_format(&draft->arena, "56:6f:%02x:00:ff:ff", own);
    api_list_add(&draft->arena, &pool->ranges, range);
}

static void bootstrap_data_center(Bootstrap *bootstrap)
{
    ApiDocument *draft = change_add(bootstrap->change, KIND_DATA_CENTER, NULL);
    ApiDataCenter *object = draft->object;
    strcpy(bootstrap->data_center, object->id);
    object->name = "Default";
    object->description = "The default Data Center";
    object->comment = "";
    object->local = API_FALSE;
    object->storage_format = API_STORAGE_FORMAT_V5;
    object->version = level(&draft->arena);
    object->quota_mode = API_QUOTA_MODE_TYPE_DISABLED;
    object->mac_pool = mac_pool_reference(&draft->arena, bootstrap->mac_pool);
    object->master_version = API_INT(1);
}

static void bootstrap_network(Bootstrap *bootstrap)
{
    strcpy(bootstrap->network, network_add_management(bootstrap->change, bootstrap->data_center));
}

static void bootstrap_cluster(Bootstrap *bootstrap)
{
    ApiDocument *draft = change_add(bootstrap->change, KIND_CLUSTER, NULL);
    ApiCluster *cluster = draft->object;
    Arena *arena = &draft->arena;
    strcpy(bootstrap->cluster, cluster->id);
    cluster->name = "Default";
    cluster->description = "The default server cluster";
    cluster->data_center = ARENA_NEW(arena, ApiDataCenter);
    cluster->data_center->id = arena_string(arena, bootstrap->data_center);
    cluster->mac_pool = mac_pool_reference(arena, bootstrap->mac_pool);
    cluster->version = level(arena);
    cluster_fill(arena, cluster);
    cluster_set_management(arena, cluster, bootstrap->network);
}

static void fill_hardware(Arena *arena, ApiVm *vm, int64_t mebibytes, int64_t cpus)
{
    vm->memory = API_INT(mebibytes << 20);
    vm->memory_policy = ARENA_NEW(arena, ApiMemoryPolicy);
    vm->memory_policy->guaranteed = API_INT(mebibytes << 20);
    vm->memory_policy->max = API_INT(mebibytes << 22);
    vm->memory_policy->ballooning = API_TRUE;
    vm->cpu = ARENA_NEW(arena, ApiCpu);
    vm->cpu->architecture = API_ARCHITECTURE_X86_64;
    vm->cpu->topology = ARENA_NEW(arena, ApiCpuTopology);
    vm->cpu->topology->sockets = API_INT(cpus);
    vm->cpu->topology->cores = vm->cpu->topology->threads = API_INT(1);
}

static void bootstrap_blank(Bootstrap *bootstrap)
{
    ApiDocument *draft = change_add(bootstrap->change, KIND_TEMPLATE, UUID_ZERO);
    ApiTemplate *blank = draft->object;
    Arena *arena = &draft->arena;
    ApiVm hardware = {0};
    fill_hardware(arena, &hardware, 1024, 1);
    blank->name = "Blank";
    blank->description = "Blank template";
    blank->comment = "";
    blank->memory = hardware.memory;
    blank->memory_policy = hardware.memory_policy;
    blank->cpu = hardware.cpu;
    blank->status = API_TEMPLATE_STATUS_OK;
    blank->type = API_VM_TYPE_SERVER;
    blank->creation_time = API_INT(clock_wall_ms());
    blank->version = ARENA_NEW(arena, ApiTemplateVersion);
    blank->version->version_name = "base version";
    blank->version->version_number = API_INT(1);
    blank->version->base_template = ARENA_NEW(arena, ApiTemplate);
    blank->version->base_template->id = UUID_ZERO;
    blank->os = ARENA_NEW(arena, ApiOperatingSystem);
    blank->os->type = "other";
    blank->os->boot = ARENA_NEW(arena, ApiBoot);
    ApiBootDevice disk = API_BOOT_DEVICE_HD;
    blank->os->boot->devices.items = (void *)arena_bytes(arena, &disk, sizeof(disk));
    blank->os->boot->devices.count = 1;
    blank->os->boot->devices.set = true;
}

static void bootstrap_instance_types(Bootstrap *bootstrap)
{
    static const struct {
        const char *name, *text;
        int64_t mebibytes, cpus;
    } rows[] = {
        {"Tiny", "Tiny instance type", 512, 1},
        {"Small", "Small instance type", 2048, 1},
        {"Medium", "Medium instance type", 4096, 2},
        {"Large", "Large instance type", 8192, 2},
        {"XLarge", "Extra Large instance type", 16384, 4},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        ApiDocument *draft = change_add(bootstrap->change, KIND_INSTANCE_TYPE, NULL);
        ApiInstanceType *type = draft->object;
        ApiVm hardware = {0};
        fill_hardware(&draft->arena, &hardware, rows[i].mebibytes, rows[i].cpus);
        type->name = rows[i].name;
        type->description = rows[i].text;
        type->comment = "";
        type->memory = hardware.memory;
        type->memory_policy = hardware.memory_policy;
        type->cpu = hardware.cpu;
    }
}

// ---- the administrator

static char *first_password(const Manager *manager, bool *ret_made, Fail *why)
{
    char *text = NULL;
    const char *path = manager->config.admin_password_file;
    *ret_made = !*path;
    if (!*path) {
        text = token_new();
        text[16] = 0;
        return text;
    }
    int result = file_read(path, PASSWORD_FILE_MAX, &text, NULL);
    if (result) {
        fail_errno(why, FAIL_INVALID, result, "admin_password_file %s can't be read", path);
        return NULL;
    }
    text[strcspn(text, "\r\n")] = 0;
    if (password_acceptable(text, why))
        return text;
    free(text);
    return NULL;
}

static int bootstrap_admin(Bootstrap *bootstrap, Fail *why)
{
    bool made;
    Manager *manager = bootstrap->manager;
    AUTO_FREE char *password = first_password(manager, &made, why);
    if (!password)
        return fail_to_errno(FAIL_INVALID);
    AUTO_FREE char *hash = password_hash_now(password);
    if (!hash)
        return fail_set(why, FAIL_INTERNAL, "The password could not be hashed.");
    ApiDocument *draft = change_add(bootstrap->change, KIND_USER, NULL);
    ApiUser *user = draft->object;
    user->name = user->user_name = "admin";
    user->principal = "admin@internal";
    user->namespace = "*";
    user->last_name = user->email = user->department = "";
    user->password_hash = arena_string(&draft->arena, hash);
    user->role = arena_string(&draft->arena, role_by_name("SuperUser")->id);
    if (!made)
        return 0;
    AUTO_FREE char *path = memory_format("%s/admin-password", manager->config.state_directory);
    AUTO_FREE char *line = memory_format("%s\n", password);
    int result = file_write_atomic(path, line, strlen(line), 0600);
    if (result)
        return fail_errno(why, FAIL_INTERNAL, result, "%s can't be written", path);
    log_notice("manager.password", LOG_NONE, "The password of admin@internal is in %s.", path);
    return 0;
}

typedef struct BootstrapWait {
    bool done;
    Fail why;
} BootstrapWait;

static void bootstrap_durable(const Fail *why, void *argument)
{
    BootstrapWait *wait = argument;
    wait->done = true;
    fail_copy(&wait->why, why);
}

int manager_bootstrap(Manager *manager, Fail *why)
{
    if (manager_setting(manager, "authority.key"))
        return 0;
    Bootstrap bootstrap = {.manager = manager, .change = change_new(manager, NULL)};
    BootstrapWait wait = {0};
    int result = bootstrap_authority(&bootstrap, why);
    if (!result)
        result = bootstrap_admin(&bootstrap, why);
    if (result) {
        change_cancel(bootstrap.change);
        return result;
    }
    bootstrap_mac_pool(&bootstrap);
    bootstrap_data_center(&bootstrap);
    bootstrap_network(&bootstrap);
    bootstrap_cluster(&bootstrap);
    bootstrap_blank(&bootstrap);
    bootstrap_instance_types(&bootstrap);
    change_commit(bootstrap.change, bootstrap_durable, &wait);
    while (!wait.done)
        uv_run(manager->loop, UV_RUN_ONCE);
    if (!fail_is_set(&wait.why))
        return 0;
    fail_move(why, &wait.why);
    return fail_to_errno(FAIL_STORE);
}
