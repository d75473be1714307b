#include "model/cluster_level.h"

#include <string.h>

#include "api/codec/document.h"

int cluster_level_minor(const char *text)
{
    int minor = strlen(text) == 3 && text[0] == '0' + CLUSTER_LEVEL_MAJOR && text[1] == '.'
                    ? text[2] - '0'
                    : 0;
    return minor >= CLUSTER_LEVEL_FIRST && minor <= CLUSTER_LEVEL_LAST ? minor : 0;
}

bool cluster_level_is_known(const ApiVersion *version)
{
    return version && version->major.set && version->minor.set &&
           version->major.value == CLUSTER_LEVEL_MAJOR &&
           version->minor.value >= CLUSTER_LEVEL_FIRST &&
           version->minor.value <= CLUSTER_LEVEL_LAST;
}

int cluster_level_compare(const ApiVersion *one, const ApiVersion *other)
{
    int64_t major = (one ? one->major.value : 0) - (other ? other->major.value : 0);
    int64_t minor = (one ? one->minor.value : 0) - (other ? other->minor.value : 0);
    int64_t order = major ? major : minor;
    return (order > 0) - (order < 0);
}

void cluster_level_list(Arena *arena, const ApiVersion *from, void *list)
{
    *(ApiList *)list = (ApiList){0};
    for (int minor = CLUSTER_LEVEL_FIRST; minor <= CLUSTER_LEVEL_LAST; minor++) {
        ApiVersion *version = ARENA_NEW(arena, ApiVersion);
        version->major = API_INT(CLUSTER_LEVEL_MAJOR);
        version->minor = API_INT(minor);
        if (cluster_level_compare(version, from) >= 0)
            api_list_add(arena, list, version);
    }
}
