// The manager and what it looks after, on one screen.
#include <string.h>

#include "cli/cli.h"
#include "cli/client/json_path.h"
#include "cli/client/rest.h"
#include "cli/output/column.h"
#include "cli/verbs/runs.h"

enum { VMS_SHOWN = 15 };

static void status_heading(const char *title, const Json *summary, const char *word)
{
    int64_t active = json_get_integer(summary, "active", -1);
    int64_t total = json_get_integer(summary, "total", -1);
    if (total >= 0)
        printf("\n%s: %lld %s of %lld\n", title, (long long)active, word, (long long)total);
    else
        printf("\n%s:\n", title);
}

static const Json *status_list(Cli *cli, const NounRow *noun)
{
    const Json *answer = NULL;
    rest_get(cli, &cli->arena, noun->path, &answer, NULL);
    return rest_list(answer, noun->list);
}

static void status_objects(Cli *cli, const char *noun_name, const char *columns)
{
    const NounRow *noun = noun_find(noun_name);
    const Json *list = status_list(cli, noun);
    if (json_first(list))
        objects_print(cli, noun, list, columns, stdout, NULL);
}

// Those that are not down; the rest is in the heading's numbers.
static void status_vms(Cli *cli)
{
    const NounRow *noun = noun_find("vm");
    Json *shown = json_new_object(&cli->arena);
    size_t running = 0;
    JSON_EACH(status_list(cli, noun), vm) {
        const char *status = json_get_string(vm, "status");
        if (status && strcmp(status, "down") && ++running <= VMS_SHOWN)
            json_set(&cli->arena, shown, "all[]", *vm);
    }
    if (running)
        objects_print(cli, noun, json_get(shown, "all"), "NAME,STATUS,HOST,CPUS,MEMORY,UPTIME",
                      stdout, NULL);
    if (running > VMS_SHOWN)
        printf("... and %zu more\n", running - VMS_SHOWN);
}

int run_status(Cli *cli, Fail *why)
{
    const Json *root = NULL;
    int result = rest_get(cli, &cli->arena, "", &root, why);
    if (result)
        return result;
    if (cli->json) {
        json_print(root);
        return 0;
    }
    const char *product = json_text_at(&cli->arena, root, "product_info.name");
    const char *version = json_text_at(&cli->arena, root, "product_info.version.full_version");
    printf("%s %s at %s, logged in as %s\n", product ? product : "Manager", version ? version : "",
           cli->session.url, cli->session.user);
    status_heading("Hosts", json_at(root, "summary.hosts"), "up");
    status_objects(cli, "host", NULL);
    status_heading("Virtual machines", json_at(root, "summary.vms"), "running");
    status_vms(cli);
    status_heading("Storage domains", json_at(root, "summary.storage_domains"), "active");
    status_objects(cli, "storage", NULL);
    return 0;
}
