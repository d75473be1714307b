// CPU time that searches take over 10,000 VMs (or as many as the argument says): the best of
// several turns of parsing, matching and ordering. Not a test; nothing is asserted.
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "manager/search/search.h"
#include "manager/search/search_fixture.h"

enum { TURNS = 20, HOSTS = 100 };

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void add_vms(SearchFixture *fixture, int count)
{
    for (int i = 0; i < count; i++) {
        AUTO_FREE char *name = memory_format("server-%d", i * 7919 % count);
        Entity *vm = fixture_add(fixture, KIND_VM, name,
                                 i % 2 ? "'cluster':{'id':'@cluster:Default'},'description':'One',"
                                         "'template':{'id':'@template:centos'},'memory':4294967296"
                                       : "'cluster':{'id':'@cluster:Test'},'description':'Other',"
                                         "'template':{'id':'@template:Blank'},'memory':1073741824");
        if (i % 4 == 3)
            continue;
        vm_state_set_host(vm, fixture_get(fixture, KIND_HOST, "h1"));
        vm_state(vm)->status = API_VM_STATUS_UP;
        vm_state(vm)->guest_ip = memory_format("10.%d.%d.%d", i >> 16, i >> 8 & 255, i & 255);
    }
}

static void measure(const SearchFixture *fixture, const char *collection, const char *text,
                    int64_t max)
{
    double best = 1e9;
    size_t count = 0;
    for (int i = 0; i < TURNS; i++) {
        AUTO_ARENA arena = {0};
        AUTO_ARRAY found = {0};
        double begin = now_ms();
        SearchFilter *filter =
            search_filter_new(&fixture->manager, &arena, collection, text, 0, NULL);
        search_filter_select(filter, &found, max);
        double took = now_ms() - begin;
        best = took < best ? took : best;
        count = found.count;
    }
    printf("%8.3f ms %6zu  %s: %s\n", best, count, collection, text);
}

int main(int count, char **arguments)
{
    SearchFixture fixture;
    fixture_init(&fixture);
    add_vms(&fixture, count > 1 ? atoi(arguments[1]) : 10000);
    measure(&fixture, "vms", "status=up and cluster=Default", -1);
    measure(&fixture, "vms", "status=up and cluster=Default page 3", 20);
    measure(&fixture, "vms", "name=server-77*", -1);
    measure(&fixture, "vms", "sortby name", -1);
    measure(&fixture, "vms", "sortby memory desc page 1", 20);
    measure(&fixture, "vms", "sortby ip", -1);
    measure(&fixture, "vms", "host.name=h1 and template.name=centos", -1);
    measure(&fixture, "vms", "compatibility_level>4.6", -1);
    measure(&fixture, "vms", "some text", -1);
    measure(&fixture, "templates", "vm.name=server-5*", -1);
    fixture_done(&fixture);
    return 0;
}
