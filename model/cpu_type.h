// The catalogue of CPU types that clusters name.
#pragma once

#include "api_types.h"

typedef struct CpuTypeRow {
    int first, last; // minor numbers of the compatibility levels that have it
    int rank;        // within its manufacturer; a higher one has more features
    ApiArchitecture architecture;
    const char *name, *model;
} CpuTypeRow;

const CpuTypeRow *cpu_type_at(int index); // NULL behind the last
// The row of a name at a level, or NULL: clusters may also name types of their own.
const CpuTypeRow *cpu_type_find(const char *name, int minor);
