#include "manager/vm/vm_config.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "manager/fleet/fleet.h"
#include "model/operating_system.h"

enum {
    NAME_MAX_LENGTH = 255,
    TEXT_MAX_LENGTH = 4000,
    CPUS_MAX = 710,
    CORES_MAX = 254,
    THREADS_MAX = 8,
};

#define MEMORY_MIN (INT64_C(1) << 20)
#define MEMORY_MAX (INT64_C(64) << 40)

int64_t vm_config_cpus(const ApiVm *vm)
{
    const ApiCpuTopology *topology = vm->cpu ? vm->cpu->topology : NULL;
    if (!topology)
        return 1;
    return topology->sockets.value * topology->cores.value * topology->threads.value;
}

// ---- rules

static int check_name(const char *name, Fail *why)
{
    size_t length = name ? strlen(name) : 0;
    if (!length)
        return fail_set(why, FAIL_INCOMPLETE, "Vm [name] required for add");
    if (length > NAME_MAX_LENGTH)
        return fail_set(why, FAIL_OUT_OF_RANGE, "vm.name: at most %d characters.", NAME_MAX_LENGTH);
    for (const unsigned char *at = (const unsigned char *)name; *at; at++)
        if (!isalnum(*at) && !strchr("._-+", *at) && *at < 0x80) {
            fail_set(why, FAIL_INVALID, "vm.name: \"%s\" has a character that names can't have.",
                     name);
            fail_hint(why, "Use letters, digits and . _ - +");
            return fail_to_errno(FAIL_INVALID);
        }
    return 0;
}

static int check_range(const char *member, int64_t value, int64_t from, int64_t to, Fail *why)
{
    if (value >= from && value <= to)
        return 0;
    return fail_set(why, FAIL_OUT_OF_RANGE, "%s: %lld is not between %lld and %lld.", member,
                    (long long)value, (long long)from, (long long)to);
}

static int check_topology(const ApiVm *vm, Fail *why)
{
    const ApiCpuTopology *topology = vm->cpu->topology;
    int result = check_range("vm.cpu.topology.sockets", topology->sockets.value, 1, CPUS_MAX, why);
    if (!result)
        result = check_range("vm.cpu.topology.cores", topology->cores.value, 1, CORES_MAX, why);
    if (!result)
        result =
            check_range("vm.cpu.topology.threads", topology->threads.value, 1, THREADS_MAX, why);
    if (!result)
        result = check_range("vm.cpu.topology (all CPUs)", vm_config_cpus(vm), 1, CPUS_MAX, why);
    return result;
}

static int check_memory(const ApiVm *vm, Fail *why)
{
    int result = check_range("vm.memory", vm->memory.value, MEMORY_MIN, MEMORY_MAX, why);
    if (result)
        return result;
    if (vm->memory_policy->guaranteed.value > vm->memory.value)
        return fail_set(why, FAIL_REJECTED,
                        "Cannot edit VM. Physical Memory Guaranteed cannot exceed Memory Size.");
    if (vm->memory_policy->max.value < vm->memory.value)
        return fail_set(why, FAIL_REJECTED,
                        "Cannot edit VM. Memory Size cannot exceed Maximum Memory.");
    return check_range("vm.memory_policy.max", vm->memory_policy->max.value, MEMORY_MIN, MEMORY_MAX,
                       why);
}

static int check_texts(const ApiVm *vm, Fail *why)
{
    if (vm->description && strlen(vm->description) > TEXT_MAX_LENGTH)
        return fail_set(why, FAIL_OUT_OF_RANGE, "vm.description: at most %d characters.",
                        TEXT_MAX_LENGTH);
    if (vm->comment && strlen(vm->comment) > TEXT_MAX_LENGTH)
        return fail_set(why, FAIL_OUT_OF_RANGE, "vm.comment: at most %d characters.",
                        TEXT_MAX_LENGTH);
    if (vm->os && vm->os->type && !operating_system_find(vm->os->type)) {
        fail_set(why, FAIL_INVALID, "vm.os.type: there is no operating system \"%s\".",
                 vm->os->type);
        fail_hint(why, "GET /operatingsystems lists them");
        return fail_to_errno(FAIL_INVALID);
    }
    return 0;
}

int vm_config_check(const ApiVm *vm, Fail *why)
{
    int result = check_name(vm->name, why);
    if (!result)
        result = check_texts(vm, why);
    if (!result)
        result = check_topology(vm, why);
    if (!result)
        result = check_memory(vm, why);
    return result;
}

int vm_config_check_name(Request *request, const char *name, const Entity *cluster,
                         const Entity *except)
{
    Manager *manager = request->manager;
    const Entity *data_center = cluster_data_center(manager, cluster->id);
    for (Entity *vm = inventory_named(manager->inventory, KIND_VM, name); vm; vm = vm->twin) {
        if (vm == except ||
            cluster_data_center(manager, ENTITY_OBJECT(vm, Vm)->cluster->id) != data_center)
            continue;
        fail_set(&request->why, FAIL_EXISTS, "Cannot %s VM. The VM name is already in use.",
                 except ? "edit" : "add");
        fail_detail(&request->why, "VM %s has the name %s", vm->id, name);
        fail_object(&request->why, vm->id);
        return fail_to_errno(FAIL_EXISTS);
    }
    return 0;
}

// ---- filling in

static void fill_boot(Arena *arena, ApiVm *vm)
{
    if (!vm->os)
        vm->os = ARENA_NEW(arena, ApiOperatingSystem);
    if (!vm->os->type)
        vm->os->type = "other";
    if (!vm->os->boot)
        vm->os->boot = ARENA_NEW(arena, ApiBoot);
    if (vm->os->boot->devices.count)
        return;
    ApiBootDevice disk = API_BOOT_DEVICE_HD;
    vm->os->boot->devices.items = (void *)arena_bytes(arena, &disk, sizeof(disk));
    vm->os->boot->devices.count = 1;
    vm->os->boot->devices.set = true;
}

static void fill_cpu(Arena *arena, ApiVm *vm)
{
    if (!vm->cpu)
        vm->cpu = ARENA_NEW(arena, ApiCpu);
    if (!vm->cpu->architecture)
        vm->cpu->architecture = API_ARCHITECTURE_X86_64;
    if (!vm->cpu->topology)
        vm->cpu->topology = ARENA_NEW(arena, ApiCpuTopology);
    ApiInteger *parts[] = {&vm->cpu->topology->sockets, &vm->cpu->topology->cores,
                           &vm->cpu->topology->threads};
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        if (!parts[i]->set)
            *parts[i] = API_INT(1);
}

// Sizes that the client did not give follow the memory it gave. A running VM has the maximum it was
// started with.
static void fill_memory(Arena *arena, ApiVm *vm, const ApiVm *wanted, bool runs)
{
    bool guaranteed = wanted->memory_policy && wanted->memory_policy->guaranteed.set;
    bool max = wanted->memory_policy && wanted->memory_policy->max.set;
    if (!vm->memory.set)
        vm->memory = API_INT(INT64_C(1) << 30);
    if (!vm->memory_policy)
        vm->memory_policy = ARENA_NEW(arena, ApiMemoryPolicy);
    if (!vm->memory_policy->guaranteed.set || (wanted->memory.set && !guaranteed))
        vm->memory_policy->guaranteed = vm->memory;
    bool enough = runs && vm->memory_policy->max.value >= vm->memory.value;
    if (!vm->memory_policy->max.set || (wanted->memory.set && !max && !enough))
        vm->memory_policy->max =
            API_INT(vm->memory.value > MEMORY_MAX / 4 ? MEMORY_MAX : vm->memory.value * 4);
    if (!vm->memory_policy->ballooning)
        vm->memory_policy->ballooning = API_TRUE;
}

static void add_console(Arena *arena, ApiVm *vm, ApiGraphicsType protocol)
{
    ApiGraphicsConsole *console = ARENA_NEW(arena, ApiGraphicsConsole);
    console->id = protocol == API_GRAPHICS_TYPE_SPICE ? "7370696365" : "766e63";
    console->protocol = protocol;
    api_list_add(arena, &vm->graphics_consoles, console);
}

// A display of one type is what older clients say for "this console and no other".
static void take_display_type(Arena *arena, ApiVm *vm, const ApiVm *wanted)
{
    if (!wanted->display || !wanted->display->type)
        return;
    memset(&vm->graphics_consoles, 0, sizeof(vm->graphics_consoles));
    add_console(arena, vm,
                wanted->display->type == API_DISPLAY_TYPE_SPICE ? API_GRAPHICS_TYPE_SPICE
                                                                : API_GRAPHICS_TYPE_VNC);
}

static void fill_devices(Arena *arena, ApiVm *vm)
{
    if (!vm->graphics_consoles.set) {
        add_console(arena, vm, API_GRAPHICS_TYPE_SPICE);
        add_console(arena, vm, API_GRAPHICS_TYPE_VNC);
    }
    if (!vm->cdroms.set) {
        ApiCdrom *cdrom = ARENA_NEW(arena, ApiCdrom);
        cdrom->id = UUID_ZERO;
        api_list_add(arena, &vm->cdroms, cdrom);
    }
}

static void fill_switches(Arena *arena, ApiVm *vm)
{
    const struct {
        ApiBoolean *at;
        ApiBoolean fallback;
    } rows[] = {
        {&vm->stateless, API_FALSE},
        {&vm->delete_protected, API_FALSE},
        {&vm->soundcard_enabled, API_FALSE},
        {&vm->start_paused, API_FALSE},
        {&vm->multi_queues_enabled, API_TRUE},
        {&vm->tpm_enabled, API_FALSE},
        {&vm->use_latest_template_version, API_FALSE},
        {&vm->virtio_scsi_multi_queues_enabled, API_FALSE},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (!*rows[i].at)
            *rows[i].at = rows[i].fallback;
    if (!vm->type)
        vm->type = API_VM_TYPE_SERVER;
    if (!vm->origin)
        vm->origin = "ovirt";
    if (!vm->cpu_shares.set)
        vm->cpu_shares = API_INT(0);
    if (!vm->high_availability) {
        vm->high_availability = ARENA_NEW(arena, ApiHighAvailability);
        vm->high_availability->enabled = API_FALSE;
        vm->high_availability->priority = API_INT(0);
    }
    if (!vm->time_zone) {
        vm->time_zone = ARENA_NEW(arena, ApiTimeZone);
        vm->time_zone->name = "Etc/GMT";
    }
    if (!vm->storage_error_resume_behaviour)
        vm->storage_error_resume_behaviour = API_VM_STORAGE_ERROR_RESUME_BEHAVIOUR_AUTO_RESUME;
    if (!vm->placement_policy) {
        vm->placement_policy = ARENA_NEW(arena, ApiVmPlacementPolicy);
        vm->placement_policy->affinity = API_VM_AFFINITY_MIGRATABLE;
    }
    if (!vm->console) {
        vm->console = ARENA_NEW(arena, ApiConsole);
        vm->console->enabled = API_TRUE;
    }
    if (!vm->sso)
        vm->sso = ARENA_NEW(arena, ApiSso);
    vm->sso->methods.set = true;
}

static void fill_bios(Arena *arena, ApiVm *vm, const Entity *cluster)
{
    if (!vm->bios)
        vm->bios = ARENA_NEW(arena, ApiBios);
    if (!vm->bios->type || vm->bios->type == API_BIOS_TYPE_CLUSTER_DEFAULT) {
        ApiBiosType type = ENTITY_OBJECT(cluster, Cluster)->bios_type;
        vm->bios->type =
            type && type != API_BIOS_TYPE_CLUSTER_DEFAULT ? type : API_BIOS_TYPE_Q35_SEA_BIOS;
    }
    if (!vm->bios->boot_menu) {
        vm->bios->boot_menu = ARENA_NEW(arena, ApiBootMenu);
        vm->bios->boot_menu->enabled = API_FALSE;
    }
}

static void fill_display(Arena *arena, ApiVm *vm)
{
    if (!vm->display)
        vm->display = ARENA_NEW(arena, ApiDisplay);
    ApiDisplay *display = vm->display;
    if (!display->monitors.set)
        display->monitors = API_INT(1);
    if (!display->copy_paste_enabled)
        display->copy_paste_enabled = API_TRUE;
    if (!display->file_transfer_enabled)
        display->file_transfer_enabled = API_TRUE;
    if (!display->smartcard_enabled)
        display->smartcard_enabled = API_FALSE;
    if (!display->allow_override)
        display->allow_override = API_FALSE;
    if (!display->disconnect_action)
        display->disconnect_action = "LOCK_SCREEN";
}

static void take_template(Arena *arena, ApiVm *vm, const ApiTemplate *template)
{
    if (template->memory.set)
        vm->memory = template->memory;
    if (template->memory_policy)
        vm->memory_policy = api_clone(arena, &api_type_memory_policy, template->memory_policy);
    if (template->cpu)
        vm->cpu = api_clone(arena, &api_type_cpu, template->cpu);
    if (template->os)
        vm->os = api_clone(arena, &api_type_operating_system, template->os);
    if (template->type)
        vm->type = template->type;
}

static int take_instance_type(Request *request, ApiDocument *draft, const ApiVm *wanted)
{
    ApiVm *vm = draft->object;
    if (!wanted->instance_type)
        return 0;
    Entity *type =
        request_reference(request, KIND_INSTANCE_TYPE, wanted->instance_type, "vm.instance_type");
    if (!type)
        return fail_to_errno(request->why.code);
    const ApiInstanceType *object = ENTITY_OBJECT(type, InstanceType);
    vm->memory = object->memory;
    vm->memory_policy = api_clone(&draft->arena, &api_type_memory_policy, object->memory_policy);
    vm->cpu = api_clone(&draft->arena, &api_type_cpu, object->cpu);
    return 0;
}

static void link_set(Arena *arena, void *link, const ApiType *type, const Entity *entity)
{
    ApiHead *head = arena_alloc(arena, type->size);
    head->id = arena_string(arena, entity->id);
    *(void **)link = head;
}

// What clients send back with a VM but can't change with it.
static ApiVm *wanted_settings(Arena *arena, const ApiVm *wanted)
{
    ApiVm *settings = ARENA_NEW(arena, ApiVm);
    *settings = *wanted;
    settings->id = NULL;
    settings->status = API_VM_STATUS_UNSET;
    settings->status_detail = NULL;
    settings->host = NULL;
    settings->cluster = NULL;
    settings->template = settings->original_template = NULL;
    settings->creation_time = settings->start_time = settings->stop_time = (ApiDate){0};
    settings->run_once = settings->next_run_configuration_exists = API_UNSET;
    if (wanted->display) {
        settings->display = api_clone(arena, &api_type_display, wanted->display);
        settings->display->address = NULL;
        settings->display->port = settings->display->secure_port = (ApiInteger){0};
        settings->display->certificate = NULL;
    }
    settings->fqdn = NULL;
    settings->guest_operating_system = NULL;
    settings->guest_time_zone = NULL;
    // Devices have collections of their own.
    settings->nics.set = settings->disk_attachments.set = settings->snapshots.set = false;
    settings->cdroms.set = settings->graphics_consoles.set = false;
    settings->reported_devices.set = settings->sessions.set = settings->applications.set = false;
    settings->statistics.set = settings->tags.set = settings->permissions.set = false;
    return settings;
}

void vm_config_take_next_run(ApiVm *vm)
{
    ApiVm next = *vm->next_run;
    next.id = vm->id;
    next.next_run = NULL;
    next.initialized = vm->initialized;
    next.nics = vm->nics;
    next.disk_attachments = vm->disk_attachments;
    next.snapshots = vm->snapshots;
    next.cdroms = vm->cdroms;
    next.tags = vm->tags;
    next.graphics_consoles = vm->graphics_consoles;
    next.stop_time = vm->stop_time;
    next.stop_reason = vm->stop_reason;
    next.host = vm->host;
    *vm = next;
}

void vm_config_drop_equal_next_run(ApiVm *vm)
{
    if (!vm->next_run)
        return;
    ApiVm now = *vm, next = *vm;
    vm_config_take_next_run(&next);
    now.next_run = NULL;
    if (api_equal(&api_type_vm, &now, &next))
        vm->next_run = NULL;
}

int vm_config_merge(Request *request, Arena *arena, ApiVm *vm, const ApiVm *wanted, bool runs)
{
    api_merge(arena, &api_type_vm, vm, wanted_settings(&request->arena, wanted));
    take_display_type(arena, vm, wanted);
    fill_memory(arena, vm, wanted, runs);
    return vm_config_check(vm, &request->why);
}

int vm_config_create(Request *request, ApiDocument *draft, const ApiVm *wanted, Entity *cluster,
                     const Entity *template)
{
    Arena *arena = &draft->arena;
    ApiVm *vm = draft->object;
    const char *id = vm->id;
    take_template(arena, vm, ENTITY_OBJECT(template, Template));
    int result = take_instance_type(request, draft, wanted);
    if (result)
        return result;
    api_merge(arena, &api_type_vm, vm, wanted_settings(&request->arena, wanted));
    vm->id = id;
    vm->nics.set = vm->disk_attachments.set = vm->snapshots.set = true;
    link_set(arena, &vm->cluster, &api_type_cluster, cluster);
    link_set(arena, &vm->template, &api_type_template, template);
    link_set(arena, &vm->original_template, &api_type_template, template);
    vm->creation_time = API_INT(clock_wall_ms());
    fill_boot(arena, vm);
    fill_cpu(arena, vm);
    fill_memory(arena, vm, wanted, false);
    fill_bios(arena, vm, cluster);
    fill_display(arena, vm);
    take_display_type(arena, vm, wanted);
    fill_devices(arena, vm);
    fill_switches(arena, vm);
    return vm_config_check(vm, &request->why);
}
