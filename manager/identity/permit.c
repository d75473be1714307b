#include "manager/identity/permit.h"

#include <string.h>

#include "base/memory.h"

typedef struct RoleRow {
    const char *name, *id;
    bool administrative, sees_children;
    const char *permits;
} RoleRow;

typedef enum PermitKind { PERMIT_KIND_USER, PERMIT_KIND_ADMIN } PermitKind;

typedef struct PermitRow {
    const char *name;
    int number;
    PermitKind kind;
} PermitRow;

static const PermitRow permit_rows[_PERMIT_MAX] = {
#define PERMIT(name, number, kind) [PERMIT_##name] = {#name, number, PERMIT_KIND_##kind},
#include "manager/identity/permits.def"
#undef PERMIT
};

static const RoleRow role_rows[] = {
#define ROLE(name, id, administrative, sees, permits) {#name, id, administrative, sees, permits},
#include "manager/identity/roles.def"
#undef ROLE
};

static Role roles[COUNT_OF(role_rows)];
_Static_assert(_PERMIT_MAX <= 128, "Role.permits has 128 bits");

const char *permit_name(Permit permit)
{
    return permit_rows[permit].name;
}

int permit_number(Permit permit)
{
    return permit_rows[permit].number;
}

bool permit_is_administrative(Permit permit)
{
    return permit_rows[permit].kind == PERMIT_KIND_ADMIN;
}

static void role_fill(Role *role, const RoleRow *row)
{
    *role = (Role){row->name, row->id, row->administrative, row->sees_children, {0, 0}};
    AUTO_FREE char *words = memory_string(row->permits);
    char *rest = words;
    for (char *word; (word = strsep(&rest, " "));)
        for (int permit = 0; permit < _PERMIT_MAX; permit++)
            if (!strcmp(word, "*") || !strcmp(word, permit_rows[permit].name))
                role->permits[permit / 64] |= UINT64_C(1) << permit % 64;
}

static void roles_fill(void)
{
    for (size_t i = 0; !roles[0].name && i < COUNT_OF(role_rows); i++)
        role_fill(&roles[COUNT_OF(role_rows) - 1 - i], &role_rows[COUNT_OF(role_rows) - 1 - i]);
}

const Role *role_at(int index)
{
    roles_fill();
    return index >= 0 && (size_t)index < COUNT_OF(role_rows) ? &roles[index] : NULL;
}

const Role *role_by_id(const char *id)
{
    for (int i = 0; id && role_at(i); i++)
        if (!strcmp(role_at(i)->id, id))
            return role_at(i);
    return NULL;
}

const Role *role_by_name(const char *name)
{
    for (int i = 0; name && role_at(i); i++)
        if (!strcmp(role_at(i)->name, name))
            return role_at(i);
    return NULL;
}

bool role_permits(const Role *role, Permit permit)
{
    return role && role->permits[permit / 64] >> permit % 64 & 1;
}
