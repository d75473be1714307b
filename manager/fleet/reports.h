// What hosts tell of themselves, their VMs and their storage, taken into the inventory's state.
#pragma once

#include "manager/fleet/fleet.h"

void report_capabilities(Manager *manager, Entity *host, const Json *capabilities);
void report_hardware(Entity *host, const Json *hardware);
void report_host_stats(Manager *manager, Entity *host, const Json *stats);
// The complete list: VMs that are missing in it do not run there any more.
void report_vm_stats(Manager *manager, Entity *host, const Json *list);
// One VM out of an event.
void report_vm_event(Manager *manager, Entity *host, const char *vm, const Json *status,
                     int64_t notify_time);
// Asks for the definitions of the VMs named in Host.dumpxmls' parameters, which are taken.
void fleet_ask_xml(Manager *manager, Entity *host, StrBuf *params);
// Domain XML by VM, for the names of devices.
void report_vm_xml(Manager *manager, const Json *map);
// It has not answered: its definitions are asked for again.
void report_vm_xml_lost(Entity *host);
// Everything on this host is unknown from now on.
void report_host_lost(Manager *manager, Entity *host);
