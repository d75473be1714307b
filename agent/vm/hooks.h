// Hooks: programs of administrators that run at points of a VM's life, as VDSM runs them. They lie
// in hooks_directory/POINT and run in the order of their names, with the XML of the VM or device in
// the file $_hook_domxml, the VM's id in $vmId, and its custom properties as variables.
//
// Exit codes: 0 is good, 2 means that something is wrong and no more hooks run, all others that
// something is wrong. At points before an action that refuses the action; after it, it is logged.
#pragma once

#include "agent/vm/vms.h"

// Runs the hooks before an action. *ret_xml (may be NULL) is the XML they leave, a copy of `xml`
// when there are none. Blocks.
int hooks_before(Vm *vm, const char *point, const char *xml, char **ret_xml, Fail *why);
void hooks_after(Vm *vm, const char *point, const char *xml);
// Member hooks of the capabilities: {point: {name: {"checksum": SHA-256}}}.
void hooks_write_installed(const Agent *agent, JsonWriter *writer);
