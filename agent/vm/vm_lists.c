// Verbs that list VMs and show what they are.
#include <stdlib.h>
#include <string.h>

#include "agent/rpc/verbs.h"
#include "agent/vm/hypervisor.h"
#include "agent/vm/vm_create.h"
#include "agent/vm/vms.h"
#include "base/base64.h"

static bool list_wants(const Json *list, const char *id)
{
    if (!list || list->kind != JSON_ARRAY || !list->count)
        return true;
    JSON_EACH(list, wanted)
        if (json_string(wanted) && !strcmp(json_string(wanted), id))
            return true;
    return false;
}

static void call_list(Call *call, void (*write)(JsonWriter *, const Vm *, Call *), char bracket)
{
    AUTO_STRBUF json = {0};
    JsonWriter writer = {.out = &json};
    Vms *vms = call_agent(call)->vms;
    size_t count;
    AUTO_FREE Vm **all = vms_all(vms, &count);
    json_open(&writer, bracket);
    for (size_t i = 0; i < count; i++) {
        if (list_wants(call_json(call, "vmList"), all[i]->id)) {
            vms_lock(vms);
            write(&writer, all[i], call);
            vms_unlock(vms);
        }
        vm_unref(all[i]);
    }
    json_close(&writer, bracket == '[' ? ']' : '}');
    call_reply(call, &json);
}

static void write_short(JsonWriter *writer, const Vm *vm, Call *call)
{
    if (call_bool(call, "onlyUUID", false)) {
        json_put_string(writer, vm->id);
        return;
    }
    if (call_bool(call, "fullStatus", false)) {
        vm_write_definition(writer, vm);
        return;
    }
    json_open(writer, '{');
    json_add_string(writer, "vmId", vm->id);
    json_add_string(writer, "status", vm_status_name(vm->status));
    vm_write_status_time(writer);
    json_close(writer, '}');
}

static void write_full(JsonWriter *writer, const Vm *vm, Call *call)
{
    (void)call;
    vm_write_definition(writer, vm);
}

static void write_xml(JsonWriter *writer, const Vm *vm, Call *call)
{
    (void)call;
    if (vm->live_xml)
        json_add_string(writer, vm->id, vm->live_xml);
}

void host_get_vm_list(Call *call)
{
    call_list(call, write_short, '[');
}

void host_get_vm_full_list(Call *call)
{
    call_list(call, write_full, '[');
}

void host_dump_xmls(Call *call)
{
    call_list(call, write_xml, '{');
}

void vm_get_info(Call *call)
{
    AUTO_STRBUF json = {0};
    JsonWriter writer = {.out = &json};
    Vm *vm = call_vm(call);
    if (!vm)
        return;
    vms_lock(vm->vms);
    vm_write_definition(&writer, vm);
    vms_unlock(vm->vms);
    call_reply(call, &json);
    vm_unref(vm);
}

typedef struct Picture {
    StrBuf bytes;
} Picture;

static int picture_receive(virStreamPtr stream, const char *data, size_t length, void *argument)
{
    Picture *picture = argument;
    (void)stream;
    strbuf_add(&picture->bytes, data, length);
    return (int)length;
}

static char *domain_picture(virDomainPtr domain, char **ret_type)
{
    Picture picture = {0};
    virConnectPtr connection = virDomainGetConnect(domain);
    virStreamPtr stream = virStreamNew(connection, 0);
    char *type = stream ? virDomainScreenshot(domain, stream, 0, 0) : NULL;
    bool good = type && virStreamRecvAll(stream, picture_receive, &picture) == 0;
    if (good)
        virStreamFinish(stream);
    if (stream)
        virStreamFree(stream);
    char *text = good ? base64_encode(picture.bytes.data, picture.bytes.length) : NULL;
    strbuf_done(&picture.bytes);
    if (!good)
        free(type);
    else
        *ret_type = type;
    return text;
}

void vm_screenshot(Call *call)
{
    Vm *vm = call_vm(call);
    virDomainPtr domain = vm ? call_domain(call, vm) : NULL;
    if (domain) {
        char *type = NULL;
        AUTO_FREE char *data = domain_picture(domain, &type);
        if (!data)
            call_libvirt_failed(call, VDSM_UNEXPECTED, "No picture of the console could be taken.");
        else {
            AUTO_STRBUF json = {0};
            JsonWriter writer = {.out = &json};
            json_open(&writer, '{');
            json_add_string(&writer, "data", data);
            json_add_string(&writer, "encoding", "base64");
            json_add_string(&writer, "mime_type", type);
            json_close(&writer, '}');
            call_reply(call, &json);
        }
        free(type);
        hypervisor_domain_done(call_agent(call)->hypervisor, domain);
    }
    if (vm)
        vm_unref(vm);
}
