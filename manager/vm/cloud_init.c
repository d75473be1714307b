#include "manager/vm/cloud_init.h"

#include <string.h>

#include "base/json.h"

static bool has(const char *text)
{
    return text && *text;
}

static void put_keys(JsonWriter *writer, const char *keys)
{
    AUTO_FREE char *copy = memory_string(keys);
    char *rest = copy;
    int number = 0;
    json_key(writer, "public_keys");
    json_open(writer, '{');
    for (char *line; (line = strsep(&rest, "\n"));) {
        line[strcspn(line, "\r")] = 0;
        if (!*line)
            continue;
        AUTO_FREE char *name = memory_format("openssh-key-%d", number++);
        json_add_string(writer, name, line);
    }
    json_close(writer, '}');
}

static char *meta_data(Arena *arena, const ApiVm *vm, const ApiInitialization *init)
{
    AUTO_STRBUF text = {0};
    JsonWriter writer = {.out = &text};
    const char *host = has(init->host_name) ? init->host_name : vm->name;
    json_open(&writer, '{');
    json_add_string(&writer, "uuid", vm->id);
    json_add_string(&writer, "name", host);
    json_add_string(&writer, "hostname", host);
    json_add_string(&writer, "availability_zone", "nova");
    json_add_string(&writer, "launch_index", "0");
    if (has(init->authorized_ssh_keys))
        put_keys(&writer, init->authorized_ssh_keys);
    json_close(&writer, '}');
    return arena_bytes(arena, text.data, text.length);
}

// A JSON string is a YAML string.
static void put_line(StrBuf *text, const char *indent, const char *key, const char *value)
{
    strbuf_addf(text, "%s%s: ", indent, key);
    json_quote(text, value, strlen(value));
    strbuf_addc(text, '\n');
}

static void put_password(StrBuf *text, const ApiInitialization *init)
{
    const char *user = has(init->user_name) ? init->user_name : "root";
    AUTO_FREE char *pair = memory_format("%s:%s\n", user, init->root_password);
    strbuf_adds(text, "ssh_pwauth: true\nchpasswd:\n  expire: false\n");
    put_line(text, "  ", "list", pair);
}

static char *user_data(Arena *arena, const ApiInitialization *init)
{
    AUTO_STRBUF text = {0};
    const char *script = init->custom_script;
    // A script of its own kind stands alone.
    if (has(script) && (!strncmp(script, "#!", 2) || !strncmp(script, "Content-Type:", 13)))
        return arena_string(arena, script);
    strbuf_adds(&text, "#cloud-config\n");
    if (has(init->user_name))
        put_line(&text, "", "user", init->user_name);
    if (has(init->root_password))
        put_password(&text, init);
    if (has(init->timezone))
        put_line(&text, "", "timezone", init->timezone);
    if (init->regenerate_ssh_keys == API_TRUE)
        strbuf_adds(&text, "ssh_deletekeys: true\n");
    if (has(init->host_name))
        strbuf_adds(&text, "preserve_hostname: false\nmanage_etc_hosts: true\n");
    if (has(script)) {
        const char *body = !strncmp(script, "#cloud-config", 13) ? script + 13 : script;
        strbuf_adds(&text, body + (*body == '\n'));
        strbuf_addc(&text, '\n');
    }
    return arena_bytes(arena, text.data, text.length);
}

static void put_network(JsonWriter *writer, const ApiNicConfiguration *nic, int number)
{
    static const char *const types[] = {
        [API_BOOT_PROTOCOL_NONE] = NULL,
        [API_BOOT_PROTOCOL_STATIC] = "ipv4",
        [API_BOOT_PROTOCOL_DHCP] = "ipv4_dhcp",
    };
    const char *type =
        (size_t)nic->boot_protocol < COUNT_OF(types) ? types[nic->boot_protocol] : NULL;
    if (!type)
        return;
    json_open(writer, '{');
    json_add_format(writer, "id", "network%d", number);
    json_add_string(writer, "link", nic->name);
    json_add_string(writer, "type", type);
    if (nic->boot_protocol == API_BOOT_PROTOCOL_STATIC && nic->ip) {
        json_add_string(writer, "ip_address", nic->ip->address);
        json_add_string(writer, "netmask", nic->ip->netmask);
        if (has(nic->ip->gateway)) {
            json_key(writer, "routes");
            json_open(writer, '[');
            json_open(writer, '{');
            json_add_string(writer, "network", "0.0.0.0");
            json_add_string(writer, "netmask", "0.0.0.0");
            json_add_string(writer, "gateway", nic->ip->gateway);
            json_close(writer, '}');
            json_close(writer, ']');
        }
    }
    json_close(writer, '}');
}

static void put_services(JsonWriter *writer, const char *servers)
{
    AUTO_FREE char *copy = memory_string(servers ? servers : "");
    char *rest = copy;
    json_key(writer, "services");
    json_open(writer, '[');
    for (char *server; (server = strsep(&rest, " ,"));) {
        if (!*server)
            continue;
        json_open(writer, '{');
        json_add_string(writer, "type", "dns");
        json_add_string(writer, "address", server);
        json_close(writer, '}');
    }
    json_close(writer, ']');
}

static char *network_data(Arena *arena, const ApiInitialization *init)
{
    AUTO_STRBUF text = {0};
    JsonWriter writer = {.out = &text};
    json_open(&writer, '{');
    json_key(&writer, "links");
    json_open(&writer, '[');
    for (uint32_t i = 0; i < init->nic_configurations.count; i++) {
        const char *name = init->nic_configurations.items[i]->name;
        json_open(&writer, '{');
        json_add_string(&writer, "id", name);
        json_add_string(&writer, "name", name);
        json_add_string(&writer, "type", "phy");
        json_close(&writer, '}');
    }
    json_close(&writer, ']');
    json_key(&writer, "networks");
    json_open(&writer, '[');
    for (uint32_t i = 0; i < init->nic_configurations.count; i++)
        put_network(&writer, init->nic_configurations.items[i], (int)i);
    json_close(&writer, ']');
    put_services(&writer, init->dns_servers);
    json_close(&writer, '}');
    return arena_bytes(arena, text.data, text.length);
}

const DomainPayload *cloud_init_payload(Arena *arena, const ApiVm *vm,
                                        const ApiInitialization *init)
{
    if (!init)
        return NULL;
    DomainPayload *payload = ARENA_NEW(arena, DomainPayload);
    DomainPayloadFile *files = ARENA_ARRAY(arena, DomainPayloadFile, 3);
    payload->label = "config-2";
    payload->files = files;
    files[payload->count++] =
        (DomainPayloadFile){"openstack/latest/meta_data.json", meta_data(arena, vm, init)};
    files[payload->count++] =
        (DomainPayloadFile){"openstack/latest/user_data", user_data(arena, init)};
    if (init->nic_configurations.count)
        files[payload->count++] =
            (DomainPayloadFile){"openstack/latest/network_data.json", network_data(arena, init)};
    return payload;
}
