// Adding, changing and removing VMs.
#include <string.h>

#include "manager/fleet/fleet.h"
#include "manager/rest/reply.h"
#include "manager/vm/vm_config.h"
#include "manager/vm/vm_view.h"

static Entity *wanted_template(Request *request, const ApiVm *wanted)
{
    if (!wanted->template)
        return inventory_get(request->manager->inventory, KIND_TEMPLATE, UUID_ZERO);
    return request_reference(request, KIND_TEMPLATE, wanted->template, "vm.template");
}

static Entity *wanted_cluster(Request *request, const ApiVm *wanted)
{
    return request_reference(request, KIND_CLUSTER, wanted->cluster, "vm.cluster");
}

void vm_add(Request *request)
{
    const ApiVm *wanted = request->body;
    Entity *cluster = wanted_cluster(request, wanted);
    Entity *template = cluster ? wanted_template(request, wanted) : NULL;
    if (!template || vm_config_check_name(request, wanted->name, cluster, NULL)) {
        reply_fail(request);
        return;
    }
    if (wanted->id && !uuid_valid(wanted->id)) {
        fail_set(&request->why, FAIL_INVALID, "vm.id: \"%.100s\" is not a UUID.", wanted->id);
        reply_fail(request);
        return;
    }
    if (wanted->id && inventory_get(request->manager->inventory, KIND_VM, wanted->id)) {
        fail_set(&request->why, FAIL_EXISTS, "Cannot add VM. A VM with the id %s exists already.",
                 wanted->id);
        reply_fail(request);
        return;
    }
    Change *change = change_new(request->manager, &request->cause);
    ApiDocument *draft = change_add(change, KIND_VM, wanted->id);
    if (vm_config_create(request, draft, wanted, cluster, template)) {
        change_cancel(change);
        reply_fail(request);
        return;
    }
    ApiVm *vm = draft->object;
    AUTO_FREE char *path = memory_format("/vms/%s", vm->id);
    event_add(change, request->method->event, &(EventFacts){.vm_name = vm->name});
    commit_and_show(request, change, 201, path);
}
