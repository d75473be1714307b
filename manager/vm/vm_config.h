// The configuration of a VM: defaults, rules, and what a template gives.
#pragma once

#include "manager/rest/request.h"

// A new VM's document out of the template, the instance type and what the client sent. NULL and
// request->why when a rule is broken. `draft` is the document to fill; its object is an ApiVm.
int vm_config_create(Request *request, ApiDocument *draft, const ApiVm *wanted, Entity *cluster,
                     const Entity *template);
// Lays what a client sent over a complete configuration and checks the result. Devices, place and
// state stay.
int vm_config_merge(Request *request, Arena *arena, ApiVm *vm, const ApiVm *wanted, bool runs);
// What was to become true at the next start becomes true; devices and history stay.
void vm_config_take_next_run(ApiVm *vm);
// Forgets it when nothing of it differs from what is true now.
void vm_config_drop_equal_next_run(ApiVm *vm);
// Checks a complete configuration; names the member that is wrong.
int vm_config_check(const ApiVm *vm, Fail *why);
// Fails when another VM of the data centre has the name.
int vm_config_check_name(Request *request, const char *name, const Entity *cluster,
                         const Entity *except);
int64_t vm_config_cpus(const ApiVm *vm);
