// Rights and the built-in roles that bundle them.
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef enum Permit {
#define PERMIT(name, number, kind) PERMIT_##name,
#include "manager/identity/permits.def"
#undef PERMIT
    _PERMIT_MAX,
} Permit;

typedef struct Role {
    const char *name, *id;
    bool administrative, sees_children;
    uint64_t permits[2]; // one bit each
} Role;

const char *permit_name(Permit permit);
int permit_number(Permit permit);
bool permit_is_administrative(Permit permit);
const Role *role_by_id(const char *id);
const Role *role_by_name(const char *name);
const Role *role_at(int index); // NULL behind the last
bool role_permits(const Role *role, Permit permit);
