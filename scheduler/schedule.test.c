// Every scheduler/golden/NAME.json is a question; NAME.txt beside it is the answer, host by host.
#include "scheduler/schedule.h"

#include <stdlib.h>
#include <string.h>

#include "base/test.h"

enum { HOSTS_MAX = 16 };

static const char *const *read_names(Arena *arena, const Json *list)
{
    const char **names = ARENA_ARRAY(arena, const char *, (list ? list->count : 0) + 1);
    size_t count = 0;
    JSON_EACH(list, name)
        names[count++] = json_string(name);
    return list ? names : NULL;
}

static int64_t read_mib(const Json *object, const char *key, int64_t fallback)
{
    int64_t mib = json_get_integer(object, key, fallback);
    return mib < 0 ? mib : mib << 20;
}

static void read_host(Arena *arena, const Json *object, ScheduleHost *host)
{
    *host = (ScheduleHost){
        .id = json_get_string(object, "name"),
        .name = json_get_string(object, "name"),
        .cluster = json_get_string(object, "cluster") ? json_get_string(object, "cluster") : "c",
        .up = !json_get_string(object, "status"),
        .status = json_get_string(object, "status"),
        .memory_total = read_mib(object, "memory", 16384),
        .memory_committed = read_mib(object, "committed", 0),
        .memory_free = read_mib(object, "free", -1),
        .cpus = (int)json_get_integer(object, "cpus", 8),
        .vcpus = (int)json_get_integer(object, "vcpus", 0),
        .networks = read_names(arena, json_get(object, "networks")),
    };
}

static void read_vm(Arena *arena, const Json *object, ScheduleVm *vm)
{
    *vm = (ScheduleVm){
        .cluster = "c",
        .memory = read_mib(object, "memory", 1024),
        .memory_guaranteed =
            read_mib(object, "guaranteed", json_get_integer(object, "memory", 1024)),
        .vcpus = (int)json_get_integer(object, "vcpus", 1),
        .pinned = read_names(arena, json_get(object, "pinned")),
        .networks = read_names(arena, json_get(object, "networks")),
        .overcommit_percent = (int)json_get_integer(object, "overcommit", 100),
    };
}

static void answer(StrBuf *out, const Json *question, Arena *arena)
{
    ScheduleHost hosts[HOSTS_MAX];
    ScheduleVerdict verdicts[HOSTS_MAX];
    ScheduleVm vm;
    int count = 0;
    read_vm(arena, json_get(question, "vm"), &vm);
    JSON_EACH(json_get(question, "hosts"), host) {
        assert_true(count < HOSTS_MAX);
        read_host(arena, host, &hosts[count++]);
    }
    int best = schedule(&vm, hosts, count, verdicts);
    strbuf_addf(out, "chosen: %s\n", best < 0 ? "none" : hosts[best].name);
    for (int i = 0; i < count; i++) {
        if (verdicts[i].possible)
            strbuf_addf(out, "%s: possible, weight %lld\n", hosts[i].name,
                        (long long)verdicts[i].weight);
        else
            strbuf_addf(out, "%s: %s\n", hosts[i].name, verdicts[i].reason);
    }
}

TEST(scenarios_have_their_answers)
{
    test_golden_folder(GOLDEN_DIRECTORY, ".txt", answer);
}

TEST(no_hosts_is_none)
{
    assert_int_equal(schedule(&(ScheduleVm){.cluster = "c"}, NULL, 0, NULL), -1);
}
