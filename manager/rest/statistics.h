// Statistics as the API shows them: rows of a table, with stable ids.
#pragma once

#include "manager/inventory/state.h"
#include "manager/rest/items.h"

// One figure. Its value is a double at `offset` in a struct that the owner's provider fills.
typedef struct StatisticRow {
    const char *name, *text;
    ApiStatisticKind kind;
    ApiStatisticUnit unit;
    ApiValueType type;
    size_t offset;
} StatisticRow;

// Adds the statistics of the object that the URL names; the last id of the URL may be the
// statistic's own.
typedef int StatisticsOf(Request *request, Items *items);
StatisticsOf vm_statistics, vm_nic_statistics, disk_statistics, host_statistics,
    host_nic_statistics, step_statistics;

// Adds a row for each figure. `owner` is the object's id; the ids of the statistics come from it.
void statistics_add(Request *request, Items *items, const StatisticRow *rows, int count,
                    const void *figures, const char *owner);
// One statistic that is a text.
void statistics_add_text(Request *request, Items *items, const StatisticRow *row, const char *text,
                         const char *owner);
// What flows through a network interface; `rates` may be NULL.
void statistics_add_nic(Request *request, Items *items, const NicRates *rates, const char *owner);
