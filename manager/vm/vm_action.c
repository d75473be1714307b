// Actions on running VMs that are one call to the host: shutdown, reboot, reset, resume, freezing
// file systems, pictures of the screen.
#include <string.h>

#include "base/base64.h"
#include "manager/vm/vm_action.h"
#include "rest_handlers.h"

static const VmVerb shutdown_verb = {"shutdown", "VM.shutdown",
                                     VM_STATUS_BIT(UP) | VM_STATUS_BIT(POWERING_UP) |
                                         VM_STATUS_BIT(POWERING_DOWN) |
                                         VM_STATUS_BIT(NOT_RESPONDING),
                                     EVENT_USER_FAILED_SHUTDOWN_VM};
static const VmVerb reboot_verb = {"reboot", "VM.shutdown",
                                   VM_STATUS_BIT(UP) | VM_STATUS_BIT(POWERING_UP) |
                                       VM_STATUS_BIT(NOT_RESPONDING),
                                   EVENT_USER_FAILED_REBOOT_VM};
static const VmVerb reset_verb = {"reset", "VM.reset", VM_STATUS_LIVE, EVENT_USER_FAILED_RESET_VM};
static const VmVerb resume_verb = {"run", "VM.cont", VM_STATUS_BIT(PAUSED),
                                   EVENT_USER_FAILED_RESUME_VM};
static const VmVerb freeze_verb = {"freeze", "VM.freeze", VM_STATUS_BIT(UP),
                                   EVENT_USER_FAILED_TO_FREEZE_VM};
static const VmVerb thaw_verb = {"thaw", "VM.thaw", VM_STATUS_BIT(UP),
                                 EVENT_USER_FAILED_TO_THAW_VM};
static const VmVerb screenshot_verb = {"take a screenshot of", "VM.screenshot", VM_STATUS_LIVE,
                                       EVENT_NONE};

// The host has done it: the event and the answer.
static void act_done(Request *request, Entity *vm, const Json *result)
{
    (void)result;
    Change *change = change_new(request->manager, &request->cause);
    event_add(change, request->method->event, &(EventFacts){.vm = vm, .host = vm_state(vm)->host});
    commit_and_act(request, change, NULL);
}

static void act_simple(Request *request, const VmVerb *verb)
{
    StrBuf params = {0};
    JsonWriter writer;
    Entity *vm = vm_call_begin(request, verb);
    if (!vm) {
        reply_fail(request);
        return;
    }
    vm_call_params(&writer, &params, vm);
    json_close(&writer, '}');
    vm_call(request, vm, verb, &params, act_done);
}

// ---- shutdown and reboot

enum { GRACE_SECONDS = 30 };

static const char shutdown_message[] =
    "System Administrator has initiated shutdown of this Virtual Machine. Virtual Machine is "
    "shutting down.";

static void shutdown_done(Request *request, Entity *vm, const Json *result)
{
    const ApiAction *action = request->body;
    VmState *state = vm_state(vm);
    (void)result;
    if (state->status == API_VM_STATUS_UP || state->status == API_VM_STATUS_POWERING_UP)
        state->status = API_VM_STATUS_POWERING_DOWN; // what the host's next word will say
    Change *change = change_new(request->manager, &request->cause);
    event_add(change, request->method->event, &(EventFacts){.vm = vm, .host = state->host});
    if (action && action->reason) {
        ApiDocument *draft = change_edit(change, vm);
        ((ApiVm *)draft->object)->stop_reason = arena_string(&draft->arena, action->reason);
    }
    commit_and_act(request, change, NULL);
}

static void ask_guest(Request *request, const VmVerb *verb, bool reboot, VmCallDone *done)
{
    const ApiAction *action = request->body;
    StrBuf params = {0};
    JsonWriter writer;
    Entity *vm = vm_call_begin(request, verb);
    if (!vm) {
        reply_fail(request);
        return;
    }
    vm_call_params(&writer, &params, vm);
    json_add_string(&writer, "message", shutdown_message);
    json_add_integer(&writer, "delay", reboot ? 0 : GRACE_SECONDS);
    json_add_bool(&writer, "reboot", reboot);
    json_add_bool(&writer, "force", action && action->force == API_TRUE);
    json_close(&writer, '}');
    vm_call(request, vm, verb, &params, done);
}

void vm_shutdown(Request *request)
{
    ask_guest(request, &shutdown_verb, false, shutdown_done);
}

void vm_reboot(Request *request)
{
    ask_guest(request, &reboot_verb, true, act_done);
}

// ---- the rest

void vm_reset(Request *request)
{
    act_simple(request, &reset_verb);
}

static void resume_done(Request *request, Entity *vm, const Json *result)
{
    VmState *state = vm_state(vm);
    (void)result;
    if (state->status == API_VM_STATUS_PAUSED) // what the host's next word will say
        state->status = state->agent_seen ? API_VM_STATUS_UP : API_VM_STATUS_POWERING_UP;
    Change *change = change_new(request->manager, &request->cause);
    event_add(change, EVENT_USER_RESUME_VM, &(EventFacts){.vm = vm, .host = vm_state(vm)->host});
    commit_and_act(request, change, NULL);
}

void vm_resume(Request *request, Entity *vm)
{
    StrBuf params = {0};
    JsonWriter writer;
    vm_call_params(&writer, &params, vm);
    json_close(&writer, '}');
    vm_call(request, vm, &resume_verb, &params, resume_done);
}

void vm_freeze_filesystems(Request *request)
{
    act_simple(request, &freeze_verb);
}

void vm_thaw_filesystems(Request *request)
{
    act_simple(request, &thaw_verb);
}

// The answer is the picture itself, not an <action>.
static void screenshot_done(Request *request, Entity *vm, const Json *result)
{
    const char *text = json_get_string(result, "data"),
               *type = json_get_string(result, "mime_type");
    size_t length = 0;
    AUTO_FREE char *bytes = text ? base64_decode(text, &length) : NULL;
    if (!bytes) {
        fail_set(&request->why, FAIL_HOST, "Host %s sent no picture of VM %s.",
                 entity_name(vm_state(vm)->host), entity_name(vm));
        reply_fail(request);
        return;
    }
    event_write(request->manager, &request->cause, request->method->event, &(EventFacts){.vm = vm});
    reply_raw(request, 200, type ? type : "application/octet-stream", bytes, length);
}

void vm_screenshot(Request *request)
{
    StrBuf params = {0};
    JsonWriter writer;
    Entity *vm = vm_call_begin(request, &screenshot_verb);
    if (!vm) {
        reply_fail(request);
        return;
    }
    vm_call_params(&writer, &params, vm);
    json_close(&writer, '}');
    vm_call(request, vm, &screenshot_verb, &params, screenshot_done);
}
