#include "agent/vm/hooks.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "agent/vm/vm_xml.h"
#include "base/array.h"
#include "base/file.h"
#include "base/log.h"
#include "base/spawn.h"

enum { HOOK_MS = 300000, HOOK_STOP = 2, HOOK_XML_MAX = 16 * 1024 * 1024 };

// ---- which there are

typedef struct Scripts {
    char *directory;
    struct dirent **entries;
    int count;
} Scripts;

static void scripts_done(Scripts *scripts)
{
    for (int i = 0; i < scripts->count; i++)
        free(scripts->entries[i]);
    free(scripts->entries);
    free(scripts->directory);
}
#define AUTO_SCRIPTS __attribute__((cleanup(scripts_done))) Scripts

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static int by_bytes(const struct dirent **one, const struct dirent **other)
{
    return strcmp((*one)->d_name, (*other)->d_name);
}

static bool is_executable(const char *path)
{
    struct stat info;
    return !stat(path, &info) && S_ISREG(info.st_mode) && !access(path, X_OK);
}

static void scripts_find(const Agent *agent, const char *point, Scripts *ret)
{
    ret->directory = memory_format("%s/%s", agent->config.hooks_directory, point);
    int count = scandir(ret->directory, &ret->entries, is_visible, by_bytes);
    for (int i = 0; i < count; i++) {
        AUTO_FREE char *path = memory_format("%s/%s", ret->directory, ret->entries[i]->d_name);
        if (is_executable(path))
            ret->entries[ret->count++] = ret->entries[i];
        else
            free(ret->entries[i]);
    }
}

static void write_checksum(JsonWriter *writer, const char *path)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    AUTO_FREE char *data = NULL;
    AUTO_STRBUF text = {0};
    size_t length = 0;
    unsigned size = 0;
    if (!file_read(path, HOOK_XML_MAX, &data, &length))
        EVP_Digest(data, length, digest, &size, EVP_sha256(), NULL);
    for (unsigned i = 0; i < size; i++)
        strbuf_addf(&text, "%02x", digest[i]);
    json_open(writer, '{');
    json_add_string(writer, "checksum", text.data ? text.data : "");
    json_close(writer, '}');
}

void hooks_write_installed(const Agent *agent, JsonWriter *writer)
{
    AUTO_SCRIPTS points = {0};
    points.count = scandir(agent->config.hooks_directory, &points.entries, is_visible, by_bytes);
    if (points.count < 0)
        points.count = 0;
    json_key(writer, "hooks");
    json_open(writer, '{');
    for (int i = 0; i < points.count; i++) {
        AUTO_SCRIPTS scripts = {0};
        scripts_find(agent, points.entries[i]->d_name, &scripts);
        if (!scripts.count)
            continue;
        json_key(writer, points.entries[i]->d_name);
        json_open(writer, '{');
        for (int j = 0; j < scripts.count; j++) {
            AUTO_FREE char *path =
                memory_format("%s/%s", scripts.directory, scripts.entries[j]->d_name);
            json_key(writer, scripts.entries[j]->d_name);
            write_checksum(writer, path);
        }
        json_close(writer, '}');
    }
    json_close(writer, '}');
}

// ---- running them

// What would change how programs are found or loaded is no property of a VM.
static bool is_variable(const char *name)
{
    size_t length = strlen(name);
    return length && !isdigit((unsigned char)*name) && strcmp(name, "PATH") &&
           strncmp(name, "LD_", 3) &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") ==
               length;
}

static void add_variable(Array *words, const char *name, const char *value)
{
    array_add(words, memory_format("%s=%s", name, value));
}

static void add_custom(Array *words, const Vm *vm)
{
    AUTO_ARENA arena = {0};
    Xml *root = xml_parse(&arena, vm->xml, strlen(vm->xml), NULL, NULL);
    XML_EACH(vm_xml_child(vm_xml_metadata(root), "custom"), property) {
        const char *colon = strchr(property->name, ':');
        const char *name = colon ? colon + 1 : property->name;
        if (is_variable(name))
            add_variable(words, name, property->text);
    }
}

typedef struct HookResult {
    const char *program;
    int code;
    Fail *why;
} HookResult;

static void hook_ended(const SpawnResult *result, void *argument)
{
    HookResult *hook = argument;
    hook->code = result->exit_code;
    spawn_succeeded(result, hook->program, hook->why);
}

static int hook_run(Array *words, const char *script, Fail *why)
{
    HookResult result = {.program = script, .why = why};
    uv_loop_t loop;
    array_add(words, memory_string(script));
    array_add(words, NULL);
    uv_loop_init(&loop);
    spawn_start(&loop, (const char *const *)words->items, NULL, HOOK_MS, hook_ended, &result);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    words->count--;
    free(words->items[--words->count]);
    return result.code;
}

// The last one's words are told, as VDSM does.
static int scripts_run(Vm *vm, const Scripts *scripts, const char *file, Fail *why)
{
    AUTO_ARRAY words = {0};
    int worst = 0;
    array_add(&words, memory_string("env"));
    add_custom(&words, vm);
    add_variable(&words, "vmId", vm->id);
    add_variable(&words, "_hook_domxml", file);
    for (int i = 0; i < scripts->count && worst != HOOK_STOP; i++) {
        AUTO_FAIL own = {0};
        AUTO_FREE char *path =
            memory_format("%s/%s", scripts->directory, scripts->entries[i]->d_name);
        int code = hook_run(&words, path, &own);
        log_info("vm.hook", LOG_ID("vm", vm->id), "%s ended with %d.", path, code);
        if (!code)
            continue;
        worst = code;
        if (why) {
            fail_done(why);
            *why = own;
            own = (Fail){0};
        }
    }
    for (size_t i = 0; i < words.count; i++)
        free(words.items[i]);
    return worst ? fail_to_errno(FAIL_HOST) : 0;
}

static int hooks_run(Vm *vm, const Scripts *scripts, const char *xml, char **ret_xml, Fail *why)
{
    AUTO_FREE char *file =
        memory_format("%s/hook-XXXXXX", vms_agent(vm->vms)->config.run_directory);
    int fd = mkostemp(file, O_CLOEXEC);
    if (fd < 0)
        return fail_errno(why, FAIL_INTERNAL, -errno, "%s can't be made", file);
    int result = fd_write_all(fd, xml, strlen(xml));
    close(fd);
    if (result)
        fail_errno(why, FAIL_INTERNAL, result, "%s can't be written", file);
    else
        result = scripts_run(vm, scripts, file, why);
    if (!result && ret_xml && (result = file_read(file, HOOK_XML_MAX, ret_xml, NULL)))
        fail_errno(why, FAIL_INTERNAL, result, "%s can't be read", file);
    unlink(file);
    return result;
}

int hooks_before(Vm *vm, const char *point, const char *xml, char **ret_xml, Fail *why)
{
    AUTO_SCRIPTS scripts = {0};
    scripts_find(vms_agent(vm->vms), point, &scripts);
    if (!scripts.count) {
        if (ret_xml)
            *ret_xml = memory_string(xml);
        return 0;
    }
    int result = hooks_run(vm, &scripts, xml, ret_xml, why);
    if (result)
        fail_prefix(why, "A hook of %s refused it for VM %s: ", point, vm->name);
    return result;
}

void hooks_after(Vm *vm, const char *point, const char *xml)
{
    AUTO_SCRIPTS scripts = {0};
    AUTO_FAIL why = {0};
    scripts_find(vms_agent(vm->vms), point, &scripts);
    if (!scripts.count || !hooks_run(vm, &scripts, xml, NULL, &why))
        return;
    AUTO_FREE char *text = fail_text(&why);
    log_warn("vm.hook", LOG_ID("vm", vm->id), "A hook of %s failed: %s", point, text);
}
