// The libvirt domain of a VM, complete, as RHV writes it since 4.2: with ovirt-tune and ovirt-vm
// metadata, so that VDSM can run it too.
#pragma once

#include "base/strbuf.h"
#include "manager/inventory/inventory.h"

// Everything the XML is made of. Pure: no inventory look-ups inside.
typedef struct DomainDisk {
    const ApiDiskAttachment *attachment;
    const ApiDisk *disk;
    const char *storage_domain, *data_center;
    char target[8]; // filled in: "vda"
} DomainDisk;

typedef struct DomainNic {
    const ApiNic *nic;
    const char *bridge; // NULL: not connected
} DomainNic;

typedef struct DomainInput {
    const ApiVm *vm;
    const char *cluster_version; // "4.7"
    bool accelerated;            // the host has KVM
    const char *cpu_model;       // of the cluster, NULL: the host's own
    DomainDisk *disks;
    int disk_count;
    DomainNic *nics;
    int nic_count;
    // CD: a path, or a disk with ISO content; none: an empty drive.
    const char *cd_path;
    const DomainDisk *cd_disk;
    // Files for the guest's first start; NULL: none. base64 is made here.
    const struct DomainPayload *payload;
    const char *kernel, *initrd, *command_line; // direct boot
    bool start_paused;
    const ApiBootDevice *boot;
    int boot_count;
} DomainInput;

typedef struct DomainPayloadFile {
    const char *path, *content;
} DomainPayloadFile;

typedef struct DomainPayload {
    const char *label; // "config-2"
    const DomainPayloadFile *files;
    int count;
} DomainPayload;

// Fills the targets of the disks and appends the XML.
void domain_xml_write(StrBuf *out, DomainInput *input);
// One device as <hotplug>, for a running VM. `used` has the targets taken already.
void domain_xml_write_disk(StrBuf *out, DomainDisk *disk, const char *const *used, int used_count);
void domain_xml_write_nic(StrBuf *out, const DomainNic *nic);
// A memory module of `bytes`; the id is that of the device's alias.
void domain_xml_write_memory(StrBuf *out, const char *id, int64_t bytes);
// How many sockets a VM that starts with this topology can have while it runs.
int64_t domain_sockets_max(const ApiCpuTopology *topology, bool accelerated);
// <bus> of an attachment: "virtio", "scsi", "sata", "ide".
const char *domain_disk_bus(ApiDiskInterface interface);
