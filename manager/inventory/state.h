// What hosts and storage have told: never stored, asked again after a restart.
#pragma once

#include "base/list.h"
#include "manager/inventory/inventory.h"

typedef struct HostLink HostLink;
typedef struct Fleet Fleet;

typedef struct NicRates {
    char *name; // "vnet0" on VMs, "eth0" on hosts
    char *mac;
    uint64_t received, sent;        // bytes since start
    double receive_rate, send_rate; // bytes per second
    int64_t speed;                  // bits per second
    bool up;
} NicRates;

typedef struct HostState {
    ApiHostStatus status;
    char *status_reason; // why it is not up, for people
    HostLink *link;      // connection to the agent, NULL while there is none
    Fleet *fleet;        // that watches it
    List vms;            // VmState.on_host
    // capabilities
    ApiDocument *hardware; // ApiHost with what the host says of itself: cpu, os, versions, memory
    ApiDocument *networks; // ApiHost with nics
    bool accelerated;      // KVM really executes
    char *accelerator_reason;
    bool capable; // capabilities were read
    char *boot_id;
    // statistics
    double cpu_user, cpu_system, cpu_idle, cpu_load;
    int64_t memory_total, memory_free, memory_shared, swap_total, swap_free;
    int vm_count, vm_active;
    int64_t stats_ms; // monotonic, 0: none yet
    int64_t boot_time_ms;
    bool is_spm;
    char *ended_tasks; // ids of storage tasks found ended that nobody waits for
    bool tasks_swept;  // none is left there, and it has not managed storage since
    NicRates *nics;
    int nic_count;
    int64_t silent_since_ms; // monotonic; 0 while it answers
} HostState;

typedef struct GuestNic {
    char *name, *mac;
    char **addresses;
    int address_count;
} GuestNic;

typedef struct VmDiskStats {
    char *disk; // id
    double read_rate, write_rate, read_latency, write_latency, flush_latency;
    double read_ops, write_ops;
    int64_t actual_size, apparent_size;
} VmDiskStats;

typedef struct VmState {
    ApiVmStatus status;        // 0: nobody has told yet; VMs without a host are down
    Entity *entity;            // whose state this is
    Entity *host;              // where it runs; a reference
    List on_host;              // node in HostState.vms
    int64_t start_ms, stop_ms; // wall
    char *status_detail, *exit_message;
    int exit_code, exit_reason;
    bool run_once;
    // displays
    char *display_address;
    int spice_port, spice_tls_port, vnc_port;
    // statistics
    double cpu_guest, cpu_total, cpu_hypervisor, memory_percent, network_percent;
    int64_t memory_used, memory_free, memory_buffered, memory_cached, memory_installed;
    int64_t elapsed_s;
    NicRates *nics;
    int nic_count;
    VmDiskStats *disks;
    int disk_count;
    // guest agent
    char *fqdn, *guest_ip, *os_family, *os_distribution, *os_version, *os_kernel, *os_codename,
        *os_architecture, *time_zone, *sessions, *applications;
    int time_zone_offset;
    GuestNic *guest_nics;
    int guest_nic_count;
    char *disk_mapping; // JSON: serial -> name in the guest
    char *disk_usage;   // JSON as the guest agent told
    bool agent_seen;
    int64_t agent_seen_ms, stats_ms; // monotonic
    int64_t notify_time;             // newest event or report seen, host's clock
    char *hash;
    char *xml; // of the running domain, for the logical names of devices
    bool xml_is_old;
    int64_t xml_asked_ms, plugged_ms; // monotonic: when `xml` was asked for; the last own change
    char *cdrom;                      // path in the drive now
} VmState;

typedef struct StorageDomainState {
    ApiStorageDomainStatus status; // 0: by its document (attached or not)
    int64_t available, used;       // bytes; -1 unknown
    int64_t committed;             // bytes, as of the inventory's revision
    uint64_t committed_revision;
    int code; // last error of the host's monitor
    double delay;
    int64_t seen_ms; // monotonic
    bool low_space;  // below its warning limit
    char *reason;
} StorageDomainState;

typedef struct DiskState {
    int64_t actual_size; // bytes, -1 unknown
    char *illegal_reason;
} DiskState;

typedef struct TransferState {
    int64_t transferred;       // bytes, as the host has told last
    bool active;               // clients are connected
    bool extend;               // a client has asked for more time
    int64_t seen_ms, renew_ms; // monotonic: last sign of life; when the ticket must be renewed
} TransferState;

typedef struct DataCenterState {
    Entity *spm;              // host, a reference; NULL when none holds the lease
    bool connecting;          // an election is under way
    char last_spm[UUID_SIZE]; // who held it last, "" unknown
    int64_t elect_at_ms, space_at_ms, sweep_at_ms; // monotonic: not before
} DataCenterState;

typedef struct MacPoolState {
    uint64_t next; // place behind the address handed out last
} MacPoolState;

static inline HostState *host_state(const Entity *host)
{
    return host->state;
}

static inline VmState *vm_state(const Entity *vm)
{
    return vm->state;
}

static inline StorageDomainState *storage_domain_state(const Entity *domain)
{
    return domain->state;
}

static inline DiskState *disk_state(const Entity *disk)
{
    return disk->state;
}

static inline TransferState *transfer_state(const Entity *transfer)
{
    return transfer->state;
}

static inline DataCenterState *data_center_state(const Entity *data_center)
{
    return data_center->state;
}

static inline MacPoolState *mac_pool_state(const Entity *pool)
{
    return pool->state;
}

size_t state_size(Kind kind);
void state_init(Entity *entity);
void state_done(Kind kind, void *state);
// Moves the VM to a host's list (NULL: to none).
void vm_state_set_host(Entity *vm, Entity *host);
void vm_state_forget_guest(VmState *state);
void nic_rates_free(NicRates *nics, int count);
// NULL when there is none with this name.
const NicRates *nic_rates_find(const NicRates *nics, int count, const char *name);
