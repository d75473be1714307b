// Users as the API shows them. The directory is the internal one; oVirt's names for it are
// "internal" (the profile people log in with) and "internal-authz" (where the accounts are).
#pragma once

#include "manager/rest/items.h"

#define DOMAIN_NAME "internal-authz"
// Its name in hexadecimal digits, as oVirt makes ids of domains.
#define DOMAIN_ID "696e7465726e616c2d617574687a"

ItemView user_view;
