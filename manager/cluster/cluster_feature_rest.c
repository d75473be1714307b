// Additional features of clusters and their network providers: there are none.
#include <string.h>

#include "manager/rest/check.h"
#include "manager/rest/items.h"
#include "model/cluster_level.h"
#include "rest_handlers.h"

int cluster_feature_list(Request *request, Items *items)
{
    (void)items;
    const char *level = request_id_of(request, "ClusterLevel");
    if (!level)
        return request_check_parents(request);
    return cluster_level_minor(level) ? 0 : request_not_found(request, "cluster level", level);
}

int cluster_feature_get(Request *request, Items *items)
{
    if (cluster_feature_list(request, items))
        return fail_to_errno(request->why.code);
    return request_not_found(request, "cluster feature", request_last_id(request));
}

int cluster_provider_list(Request *request, Items *items)
{
    (void)items;
    return request_check_parents(request);
}
