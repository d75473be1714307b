#include "manager/rest/server.h"

#include <string.h>

#include "manager/console/serial_console.h"
#include "manager/fleet/enrol.h"
#include "manager/identity/identity.h"
#include "manager/metrics.h"

typedef void PathHandler(Manager *manager, Http *http, const char *rest);

typedef struct PathRow {
    const char *path;
    bool below; // also everything below it
    PathHandler *handle;
} PathRow;

static void reply_text(Http *http, int status, const char *type, const char *text)
{
    http_reply(http, status, type, text, strlen(text));
}

static void handle_authority(Manager *manager, Http *http, const char *rest)
{
    (void)rest;
    reply_text(http, 200, "application/x-x509-ca-cert", manager->authority.certificate);
}

static const char *query_value(const char *query, const char *name, char *buffer, size_t size)
{
    size_t length = strlen(name);
    for (const char *at = query; at && *at; at = strchr(at, '&')) {
        at += *at == '&';
        if (strncmp(at, name, length) || at[length] != '=')
            continue;
        size_t value = strcspn(at + length + 1, "&");
        if (value >= size)
            return NULL;
        memcpy(buffer, at + length + 1, value);
        buffer[value] = 0;
        return http_decode(buffer, true) ? buffer : NULL;
    }
    return NULL;
}

static void handle_pki(Manager *manager, Http *http, const char *rest)
{
    char resource[64], format[64];
    const char *query = http_head(http)->query;
    const char *what = query_value(query, "resource", resource, sizeof(resource));
    const char *form = query_value(query, "format", format, sizeof(format));
    (void)rest;
    bool authority = what && !strcmp(what, "ca-certificate");
    bool own = what && !strcmp(what, "engine-certificate");
    if (!authority && !own) {
        reply_text(http, 404, "text/plain", "resource is ca-certificate or engine-certificate\n");
        return;
    }
    const char *certificate =
        authority ? manager->authority.certificate : manager->certificate.certificate;
    if (form && !strcmp(form, "OPENSSH-PUBKEY")) {
        AUTO_FREE char *key = certificate_ssh_key(certificate);
        AUTO_FREE char *line = memory_format("%s vireo\n", key ? key : "");
        reply_text(http, 200, "text/plain", line);
        return;
    }
    reply_text(http, 200, "application/x-x509-ca-cert", certificate);
}

static void handle_health(Manager *manager, Http *http, const char *rest)
{
    (void)rest;
    (void)manager;
    reply_text(http, 200, "text/plain", "DB Up!Welcome to Health Status!\n");
}

static void handle_usb_filter(Manager *manager, Http *http, const char *rest)
{
    (void)manager;
    (void)rest;
    reply_text(http, 200, "text/plain", "0x03,-1,-1,-1,0|-1,-1,-1,-1,1\n");
}

static void handle_api(Manager *manager, Http *http, const char *rest)
{
    request_begin(manager, http, rest);
}

static void handle_sso(Manager *manager, Http *http, const char *rest)
{
    sso_handle(manager, http, rest);
}

static void handle_logout(Manager *manager, Http *http, const char *rest)
{
    (void)rest;
    sso_logout(manager, http);
}

static void handle_welcome(Manager *manager, Http *http, const char *rest)
{
    static const char page[] =
        "<!doctype html><title>Vireo</title><h1>Vireo</h1>"
        "<p>The API is at <a href=\"" API_PREFIX "\">" API_PREFIX "</a>, the certificate of this "
        "installation's authority at <a href=\"/ca.crt\">/ca.crt</a>.\n";
    (void)manager;
    (void)rest;
    reply_text(http, 200, "text/html; charset=utf-8", page);
}

// The longest match counts, so the order does not matter.
static const PathRow path_rows[] = {
    {API_PREFIX, true, handle_api},
    {SSO_PREFIX, true, handle_sso},
    {"/ovirt-engine/services/sso-logout", false, handle_logout},
    {"/ovirt-engine/services/pki-resource", false, handle_pki},
    {"/ovirt-engine/services/health", false, handle_health},
    {"/ovirt-engine/services/files/usbfilter.txt", false, handle_usb_filter},
    {"/ca.crt", false, handle_authority},
    {"/metrics", false, metrics_handle},
    {"/vireo/console", true, serial_console_handle},
    {"/vireo/enrol", false, enrol_handle},
    {"/vireo/enrolment-token", false, enrol_handle_token},
    {"/", false, handle_welcome},
    {"/ovirt-engine/", false, handle_welcome},
    {"/ovirt-engine", false, handle_welcome},
};

static bool path_matches(const PathRow *row, const char *path)
{
    size_t length = strlen(row->path);
    if (strncmp(path, row->path, length))
        return false;
    return !path[length] || (row->below && strchr("/;", path[length]));
}

void server_handle(Http *http, void *argument)
{
    const char *path = http_head(http)->path;
    const PathRow *best = NULL;
    for (size_t i = 0; i < COUNT_OF(path_rows); i++)
        if (path_matches(&path_rows[i], path) &&
            (!best || strlen(path_rows[i].path) > strlen(best->path)))
            best = &path_rows[i];
    if (best)
        best->handle(argument, http, path + strlen(best->path));
    else
        reply_text(http, 404, "text/plain", "Nothing lies at this path.\n");
}
