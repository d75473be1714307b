#include "manager/rest/statistics.h"

#include <stddef.h>
#include <string.h>

#include "manager/rest/check.h"
#include "rest_handlers.h"

// Whose statistics lie under which service.
static const struct {
    const char *service;
    StatisticsOf *provide;
} providers[] = {
    {"Vm", vm_statistics},     {"VmNic", vm_nic_statistics},     {"Disk", disk_statistics},
    {"Host", host_statistics}, {"HostNic", host_nic_statistics}, {"Step", step_statistics},
};

static ApiStatistic *statistic_new(Arena *arena, const StatisticRow *row, const char *owner)
{
    char id[UUID_SIZE];
    AUTO_FREE char *name = memory_format("%s:%s", owner, row->name);
    ApiStatistic *statistic = ARENA_NEW(arena, ApiStatistic);
    statistic->id = arena_string(arena, uuid_from_name("statistic", name, id));
    statistic->name = row->name;
    statistic->description = row->text;
    statistic->kind = row->kind;
    statistic->unit = row->unit;
    statistic->type = row->type;
    api_list_add(arena, &statistic->values, ARENA_NEW(arena, ApiValue));
    return statistic;
}

void statistics_add(Request *request, Items *items, const StatisticRow *rows, int count,
                    const void *figures, const char *owner)
{
    for (int i = 0; i < count; i++) {
        ApiStatistic *statistic = statistic_new(&request->arena, &rows[i], owner);
        double value;
        memcpy(&value, (const char *)figures + rows[i].offset, sizeof(value));
        statistic->values.items[0]->datum = API_REAL(value);
        items_add_value(items, statistic);
    }
}

void statistics_add_text(Request *request, Items *items, const StatisticRow *row, const char *text,
                         const char *owner)
{
    ApiStatistic *statistic = statistic_new(&request->arena, row, owner);
    statistic->values.items[0]->detail = arena_string(&request->arena, text);
    items_add_value(items, statistic);
}

// ---- network interfaces: of hosts and of VMs alike

typedef struct NicFigures {
    double receive_rate, send_rate, receive_bits, send_bits, errors, received, sent;
} NicFigures;

#define ROW(name, text, kind, unit, type, member)                                                \
    {                                                                                            \
        name, text, API_STATISTIC_KIND_##kind, API_STATISTIC_UNIT_##unit, API_VALUE_TYPE_##type, \
            offsetof(NicFigures, member)                                                         \
    }

static const StatisticRow nic_rows[] = {
    ROW("data.current.rx", "Receive data rate", GAUGE, BYTES_PER_SECOND, DECIMAL, receive_rate),
    ROW("data.current.tx", "Transmit data rate", GAUGE, BYTES_PER_SECOND, DECIMAL, send_rate),
    ROW("data.current.rx.bps", "Receive data rate", GAUGE, BITS_PER_SECOND, DECIMAL, receive_bits),
    ROW("data.current.tx.bps", "Transmit data rate", GAUGE, BITS_PER_SECOND, DECIMAL, send_bits),
    ROW("errors.total.rx", "Total receive errors", COUNTER, NONE, INTEGER, errors),
    ROW("errors.total.tx", "Total transmit errors", COUNTER, NONE, INTEGER, errors),
    ROW("data.total.rx", "Total received data", COUNTER, BYTES, INTEGER, received),
    ROW("data.total.tx", "Total transmitted data", COUNTER, BYTES, INTEGER, sent),
};
#undef ROW

void statistics_add_nic(Request *request, Items *items, const NicRates *rates, const char *owner)
{
    NicFigures figures = {0};
    if (rates)
        figures = (NicFigures){
            .receive_rate = rates->receive_rate,
            .send_rate = rates->send_rate,
            .receive_bits = rates->receive_rate * 8,
            .send_bits = rates->send_rate * 8,
            .received = (double)rates->received,
            .sent = (double)rates->sent,
        };
    statistics_add(request, items, nic_rows, COUNT_OF(nic_rows), &figures, owner);
}

// ---- the collections

// The object above /statistics.
static StatisticsOf *provider_of(const Route *route)
{
    int i = route->depth - 1;
    while (i > 0 && strcmp(route->steps[i].service->name, "Statistics"))
        i--;
    if (--i >= 0)
        for (size_t row = 0; row < COUNT_OF(providers); row++)
            if (!strcmp(route->steps[i].service->name, providers[row].service))
                return providers[row].provide;
    return NULL;
}

int statistic_list(Request *request, Items *items)
{
    StatisticsOf *provide = provider_of(&request->route);
    if (!provide && request_check_parents(request))
        return fail_to_errno(request->why.code);
    if (!provide)
        return fail_set(&request->why, FAIL_NOT_IMPLEMENTED,
                        "Statistics under %s are not implemented yet.", request->route.path);
    return provide(request, items);
}

int statistic_get(Request *request, Items *items)
{
    int result = statistic_list(request, items);
    const char *id = request->route.steps[request->route.depth - 1].segment;
    for (size_t i = 0; !result && i < items->count; i++)
        if (!strcmp(((const ApiStatistic *)items->items[i].part)->id, id)) {
            items->items[0] = items->items[i];
            items->count = 1;
            return 0;
        }
    if (result)
        return result;
    return fail_set(&request->why, FAIL_NOT_FOUND, "There is no statistic %s at %s.", id,
                    request->route.path);
}
