// The catalogue of guests' operating systems.
#pragma once

#include <stdbool.h>

#include "api_types.h"

typedef enum OsFamily { OS_FAMILY_OTHER, OS_FAMILY_LINUX, OS_FAMILY_WINDOWS } OsFamily;
typedef enum OsTpm { OS_TPM_UNSUPPORTED, OS_TPM_SUPPORTED, OS_TPM_REQUIRED } OsTpm;

typedef struct OperatingSystem {
    const char *name, *text;
    int number;
    ApiArchitecture architecture;
    OsFamily family;
    int bits, memory_mib;
    OsTpm tpm;
} OperatingSystem;

const OperatingSystem *operating_system_find(const char *name); // NULL: unknown
const OperatingSystem *operating_system_at(int index);          // NULL behind the last
