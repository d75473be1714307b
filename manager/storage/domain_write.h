// What clients and hosts say of a storage domain, put into its document.
#pragma once

#include "manager/rest/request.h"

// `self` is the domain being changed, or NULL.
int domain_check_name(Request *request, const char *name, const Entity *self);
int domain_check_limits(Request *request, const ApiStorageDomain *wanted, ApiStorageType type);
// The members an administrator may set; those that are not set keep their value or get a default.
void domain_write(ApiDocument *draft, const ApiStorageDomain *wanted);
// StorageDomain.getInfo. `named`: it was found on the storage, and its name there counts.
void domain_write_observed(ApiDocument *draft, const Json *info, bool named);
