#include "agent/identity.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/uuid.h"

enum { PEM_MAX = 256 * 1024 };

char *agent_pki_path(const Config *config, const char *file)
{
    return memory_format("%s/pki/%s", config->state_directory, file);
}

static char *read_id(const char *path)
{
    char *text = NULL;
    if (file_read(path, 4096, &text, NULL))
        return NULL;
    text[strcspn(text, " \r\n")] = 0;
    uuid_lower(text);
    // Some firmware gives every machine the same: all zeros, or a counting pattern.
    if (uuid_valid(text) && !uuid_is_zero(text) && strncmp(text, "03000200-0400-0500", 18))
        return text;
    free(text);
    return NULL;
}

char *agent_host_id(const Config *config)
{
    AUTO_FREE char *kept = memory_format("%s/host-id", config->state_directory);
    char *id = read_id(kept);
    if (id)
        return id;
    id = read_id("/etc/vdsm/vdsm.id"); // a host that was in RHV keeps its identity
    if (!id)
        id = read_id("/sys/class/dmi/id/product_uuid");
    if (!id) {
        id = memory_new(UUID_SIZE, 1);
        uuid_new(id);
    }
    AUTO_FREE char *line = memory_format("%s\n", id);
    file_write_atomic(kept, line, strlen(line), 0600);
    return id;
}

char *agent_host_address(const Config *config)
{
    struct ifaddrs *all = NULL;
    char text[INET_ADDRSTRLEN] = "127.0.0.1";
    if (*config->host_address)
        return memory_string(config->host_address);
    if (getifaddrs(&all))
        return memory_string(text);
    for (struct ifaddrs *at = all; at; at = at->ifa_next) {
        bool usable = at->ifa_addr && at->ifa_addr->sa_family == AF_INET &&
                      at->ifa_flags & IFF_UP && !(at->ifa_flags & IFF_LOOPBACK) &&
                      strcmp(at->ifa_name, config->network);
        if (!usable)
            continue;
        inet_ntop(AF_INET, &((struct sockaddr_in *)at->ifa_addr)->sin_addr, text, sizeof(text));
        break;
    }
    freeifaddrs(all);
    return memory_string(text);
}

static int read_pem(const Config *config, const char *file, char **ret, Fail *why)
{
    AUTO_FREE char *path = agent_pki_path(config, file);
    int result = file_read(path, PEM_MAX, ret, NULL);
    if (!result)
        return 0;
    fail_errno(why, FAIL_UNAVAILABLE, result, "The file %s can't be read", path);
    fail_hint(why,
              "A host joins a manager once, with: vireo-agent enrol --manager URL --token TOKEN");
    return fail_to_errno(FAIL_UNAVAILABLE);
}

int agent_identity_load(Agent *agent, Fail *why)
{
    const Config *config = &agent->config;
    agent->host_id = agent_host_id(config);
    agent->host_address = agent_host_address(config);
    int result = read_pem(config, "agent.crt", &agent->certificate, why);
    if (!result)
        result = read_pem(config, "agent.key", &agent->key, why);
    if (!result)
        result = read_pem(config, "ca.crt", &agent->authority, why);
    if (result)
        return result;
    agent->tls =
        tls_context_new(false, agent->certificate, agent->key, agent->authority, true, why);
    agent->image_tls = agent->tls ? tls_context_new(false, agent->certificate, agent->key,
                                                    agent->authority, false, why)
                                  : NULL;
    return agent->image_tls ? 0 : fail_to_errno(FAIL_INTERNAL);
}
