#include "manager/storage/domain_write.h"

#include <string.h>

enum {
    NAME_MAX_LENGTH = 50,
    LOW_SPACE_PERCENT = 10,
    CRITICAL_SPACE_GIB = 5,
    CRITICAL_SPACE_MAX_GIB = 1 << 20,
};

static bool name_is_wellformed(const char *name)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    return *name && name[strspn(name, allowed)] == 0;
}

int domain_check_name(Request *request, const char *name, const Entity *self)
{
    if (!name || !*name)
        return fail_set(&request->why, FAIL_INCOMPLETE, "StorageDomain [name] required for %s",
                        request->method->name);
    if (!name_is_wellformed(name))
        return fail_set(&request->why, FAIL_INVALID,
                        "storage_domain.name: Name must be formed of alphanumeric characters, "
                        "numbers or \"-_.\".");
    if (strlen(name) > NAME_MAX_LENGTH)
        return fail_set(&request->why, FAIL_INVALID,
                        "storage_domain.name: at most %d characters are possible.",
                        NAME_MAX_LENGTH);
    Entity *other = inventory_named(request->manager->inventory, KIND_STORAGE_DOMAIN, name);
    if (other && other != self) {
        fail_set(&request->why, FAIL_EXISTS,
                 "Cannot %s Storage. The Storage Domain name is already "
                 "in use.",
                 self ? "edit" : "add");
        fail_object(&request->why, other->id);
        return fail_to_errno(FAIL_EXISTS);
    }
    return 0;
}

int domain_check_limits(Request *request, const ApiStorageDomain *wanted, ApiStorageType type)
{
    ApiInteger warning = wanted->warning_low_space_indicator;
    ApiInteger critical = wanted->critical_space_action_blocker;
    bool block = type == API_STORAGE_TYPE_ISCSI || type == API_STORAGE_TYPE_FCP;
    if (warning.set && (warning.value < 0 || warning.value > 100))
        return fail_set(&request->why, FAIL_OUT_OF_RANGE,
                        "storage_domain.warning_low_space_indicator: %lld is no percentage.",
                        (long long)warning.value);
    if (critical.set && (critical.value < 0 || critical.value > CRITICAL_SPACE_MAX_GIB))
        return fail_set(&request->why, FAIL_OUT_OF_RANGE,
                        "storage_domain.critical_space_action_blocker: %lld GiB is not possible.",
                        (long long)critical.value);
    if (wanted->discard_after_delete == API_TRUE && !block)
        return fail_set(&request->why, FAIL_REJECTED,
                        "Discard after delete is only supported by block domains.");
    return 0;
}

static ApiBoolean chosen(ApiBoolean wanted, ApiBoolean now)
{
    return wanted ? wanted : now ? now : API_FALSE;
}

static const char *text_chosen(Arena *arena, const char *wanted, const char *now)
{
    return wanted ? arena_string(arena, wanted) : now ? now : "";
}

void domain_write(ApiDocument *draft, const ApiStorageDomain *wanted)
{
    ApiStorageDomain *domain = draft->object;
    Arena *arena = &draft->arena;
    ApiInteger *warning = &domain->warning_low_space_indicator;
    ApiInteger *critical = &domain->critical_space_action_blocker;
    if (wanted->name)
        domain->name = arena_string(arena, wanted->name);
    domain->description = text_chosen(arena, wanted->description, domain->description);
    domain->comment = text_chosen(arena, wanted->comment, domain->comment);
    domain->wipe_after_delete = chosen(wanted->wipe_after_delete, domain->wipe_after_delete);
    domain->discard_after_delete =
        chosen(wanted->discard_after_delete, domain->discard_after_delete);
    domain->backup = chosen(wanted->backup, domain->backup);
    if (wanted->warning_low_space_indicator.set || !warning->set)
        *warning = wanted->warning_low_space_indicator.set ? wanted->warning_low_space_indicator
                                                           : API_INT(LOW_SPACE_PERCENT);
    if (wanted->critical_space_action_blocker.set || !critical->set)
        *critical = wanted->critical_space_action_blocker.set
                        ? wanted->critical_space_action_blocker
                        : API_INT(CRITICAL_SPACE_GIB);
}

void domain_write_observed(ApiDocument *draft, const Json *info, bool named)
{
    static const ApiStorageFormat formats[] = {[1] = API_STORAGE_FORMAT_V1,
                                               API_STORAGE_FORMAT_V2,
                                               API_STORAGE_FORMAT_V3,
                                               API_STORAGE_FORMAT_V4,
                                               API_STORAGE_FORMAT_V5};
    ApiStorageDomain *domain = draft->object;
    int64_t version = json_get_integer(info, "version", 5);
    const char *name = json_get_string(info, "name");
    domain->block_size_detected = API_INT(json_get_integer(info, "block_size", 512));
    if (version > 0 && version < (int64_t)COUNT_OF(formats))
        domain->storage_format = formats[version];
    if (named && name && *name && domain->name && !strcmp(domain->name, domain->id))
        domain->name = arena_string(&draft->arena, name);
}
