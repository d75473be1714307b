// Rights and roles as the API shows them.
#pragma once

#include "api_types.h"
#include "base/arena.h"
#include "manager/identity/permit.h"

// `role` is the id of the role it belongs to, or NULL.
ApiPermit *permit_view(Arena *arena, Permit permit, const char *role);
ApiRole *role_view(Arena *arena, const Role *role);
