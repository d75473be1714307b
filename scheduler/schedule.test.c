// Every scheduler/golden/NAME.json is a question; NAME.txt beside it is the answer, host by host.
#include "scheduler/schedule.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
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
        .memory_guaranteed = read_mib(object, "guaranteed", json_get_integer(object, "memory", 1024)),
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

static void check_scenario(const char *name)
{
    AUTO_ARENA arena = {0};
    AUTO_FREE char *text = NULL;
    AUTO_STRBUF out = {0};
    size_t length = 0, offset = 0;
    const char *error = NULL;
    AUTO_FREE char *path = memory_format("%s/%s.json", GOLDEN_DIRECTORY, name);
    AUTO_FREE char *expected = memory_format("%s/%s.txt", GOLDEN_DIRECTORY, name);
    assert_int_equal(file_read(path, 1 << 20, &text, &length), 0);
    const Json *question = json_parse(&arena, text, length, &error, &offset);
    if (!question)
        fail_msg("%s: %s at byte %zu", path, error, offset);
    answer(&out, question, &arena);
    test_golden(expected, out.data);
}

TEST(scenarios_have_their_answers)
{
    DIR *directory = opendir(GOLDEN_DIRECTORY);
    int count = 0;
    assert_non_null(directory);
    for (struct dirent *entry; (entry = readdir(directory));) {
        char *dot = strrchr(entry->d_name, '.');
        if (!dot || strcmp(dot, ".json"))
            continue;
        *dot = 0;
        check_scenario(entry->d_name);
        count++;
    }
    closedir(directory);
    assert_true(count > 0);
}

TEST(no_hosts_is_none)
{
    assert_int_equal(schedule(&(ScheduleVm){.cluster = "c"}, NULL, 0, NULL), -1);
}
