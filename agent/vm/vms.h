// The VMs of this host: records, states, and what happens to them.
//
// A record is made by VM.create and stays, as Down, until the manager has seen it and destroys it.
// Records lie in the state directory too: after a restart of the agent, or of the host, the manager
// still learns how each VM ended. Domains are transient: libvirt forgets them when they stop.
//
// One lock guards the table and the plain members of all records; nothing blocks while it is held.
#pragma once

#include <libvirt/libvirt.h>

#include "agent/agent.h"
#include "agent/rpc/call.h"
#include "base/list.h"
#include "base/map.h"
#include "base/uuid.h"
#include "base/xml.h"

typedef enum VmStatus {
    VM_WAIT_FOR_LAUNCH,
    VM_POWERING_UP,
    VM_UP,
    VM_PAUSED,
    VM_POWERING_DOWN,
    VM_REBOOTING,
    VM_DOWN,
    _VM_STATUS_MAX,
    _VM_STATUS_INVALID = -22,
} VmStatus;

const char *vm_status_name(VmStatus status);

// Why a VM went down, in VDSM's numbers.
typedef enum VmExit {
    VM_EXIT_OK = 0,
    VM_EXIT_GENERIC = 1,
    VM_EXIT_LOST_QEMU = 2,
    VM_EXIT_START_FAILED = 3,
    VM_EXIT_ADMIN_SHUTDOWN = 6,
    VM_EXIT_USER_SHUTDOWN = 7,
    VM_EXIT_DOMAIN_MISSING = 9,
    VM_EXIT_HOST_SHUTDOWN = 11,
    VM_EXIT_PAUSED_TOO_LONG = 14,
} VmExit;

typedef enum VmEventKind {
    VM_EVENT_LIFECYCLE,
    VM_EVENT_REBOOT,
    VM_EVENT_WATCHDOG,
    VM_EVENT_IO_ERROR,
    VM_EVENT_GUEST_AGENT,
    VM_EVENT_DEVICE_REMOVED,
    VM_EVENT_GRAPHICS,
} VmEventKind;

typedef struct VmEvent {
    List node;
    VmEventKind kind;
    int event, detail;
    char *text;
    char id[UUID_SIZE];
} VmEvent;

// A drive whose volume we have prepared, or are about to, and must tear down; see vm_volumes.h.
typedef struct VmVolume {
    char *device;                         // "vda"
    char *pool, *domain, *image, *volume; // UUIDs
    bool changing;                        // a verb is plugging or changing it just now
} VmVolume;

typedef struct VmRates VmRates;
typedef struct VmGuest VmGuest;
typedef struct VmPause VmPause;

typedef struct Vm {
    Vms *vms;
    char id[UUID_SIZE];
    char *name;
    int references;
    VmStatus status;
    VmExit exit;
    int exit_code; // 0 or 1
    char *exit_message, *pause_code;
    int64_t started_ms; // wall
    bool launching;     // by VM.create
    bool stopped;       // libvirt told of its end, as stop_detail, while it was being launched
    int stop_detail;
    bool admin_shutdown, reboot_wanted, guest_agent, seen_down, recovered;
    bool doubtful, deciding;      // nobody knows how its start ended: vm_decide_launch()
    int doubts;                   // how often libvirt did not know either; once a second
    int64_t shutdown_deadline_ms; // monotonic, 0: none
    char *xml;                    // as the manager sent it
    char *live_xml;               // libvirt's, refreshed when devices change
    char hash[41];                // of live_xml: the manager asks again when it changes
    char *watchdog_action;
    int64_t watchdog_time;
    VmVolume *volumes;
    int volume_count;
    char *payload;         // path of the made CD image, or of the one to be made
    char *client;          // address of who has the console open
    VmRates *rates;        // last sample of statistics
    VmGuest *guest;        // what the guest agent told
    VmPause *pause;        // the last one because of its storage, NULL: none
    bool pause_unseen;     // libvirt could not be asked about the one that it had told
    int64_t held_up_ms;    // since when its storage has paused it, monotonic; 0: it has not
    bool held_up_too_long; // so that we are ending it
    // Held from looking at the running domain's devices until they are changed: without it two
    // calls choose the same name, and one takes what the other is plugging for a remnant. Blocks;
    // taken before all other locks.
    uv_mutex_t devices_lock;
    bool monitor_silent;
    bool polling; // a guest agent call is running
    int64_t polled_ms;
} Vm;

Vms *vms_new(Agent *agent);
// From a pool thread, with a fresh connection: finds running domains and records of an earlier life.
void vms_recover(Vms *vms, virConnectPtr connection);
void vms_recovered(Vms *vms); // the same, on the loop's thread, afterwards
void vms_event(Vms *vms, const VmEvent *event);
void vms_stop(Vms *vms);
Agent *vms_agent(const Vms *vms);

void vms_lock(Vms *vms);
void vms_unlock(Vms *vms);
// With a reference, or NULL.
Vm *vms_get(Vms *vms, const char *id);
// All, each with a reference; the caller frees the array.
Vm **vms_all(Vms *vms, size_t *ret_count);
void vm_unref(Vm *vm);

// The record of the VM named by vmID, with a reference; answers the call and returns NULL when
// there is none.
Vm *call_vm(Call *call);
// Its running domain; answers the call and returns NULL when it is down.
virDomainPtr call_domain(Call *call, Vm *vm);

// ---- for the files of agent/vm

// Sets the status and tells the manager. Takes the lock itself.
void vm_set_status(Vm *vm, VmStatus status);
// Tells the managers its state and what its guest says.
void vm_announce(Vm *vm);
void vm_set_down(Vm *vm, VmExit exit, const char *message);
// It has ended, as this when that was not our doing.
void vm_set_ended(Vm *vm, VmExit exit, const char *message);
// A paused guest runs again.
void vm_set_awake(Vm *vm);
void vm_save(Vm *vm);
// The record's VM runs as this domain, whatever was known of it.
void vm_recover(Vm *vm, virDomainPtr domain);
// Reads the domain's XML from libvirt and renews live_xml and hash.
void vm_refresh_xml(Vm *vm, virDomainPtr domain);
Vm *vms_add(Vms *vms, const char *id, const char *name, const char *xml, bool launching);
// Nobody is launching it any more: its end counts that came meanwhile. Loop's thread.
void vm_launched(Vm *vm);
void vms_remove(Vm *vm);
// Whether any VM's record names the image.
bool vms_use_image(Vms *vms, const char *image);
// Members of VM statistics that are cheap: status, exit, displays. The lock is held.
void vm_write_status(JsonWriter *writer, const Vm *vm);
// The moment of the answer: managers order by it what they hear about a VM.
void vm_write_status_time(JsonWriter *writer);
