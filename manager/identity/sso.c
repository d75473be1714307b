// Single sign-on as oVirt's clients expect it: tokens for names and passwords.
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "manager/identity/identity.h"

enum { SSO_BODY_MAX = 64 * 1024 };

typedef struct Sso {
    Manager *manager;
    Http *http;
    Arena arena;
    const QueryParameter *form;
    char *path, *token;
    int64_t expires_ms;
    User user;
} Sso;

static void sso_free(Sso *sso)
{
    free(sso->path);
    free(sso->token);
    arena_done(&sso->arena);
    free(sso);
}

static const char *sso_parameter(const Sso *sso, const char *name)
{
    for (const QueryParameter *at = sso->form; at; at = at->next)
        if (!strcmp(at->name, name))
            return at->value;
    return NULL;
}

static void sso_parse(Sso *sso, const char *text, size_t length)
{
    char *rest = arena_bytes(&sso->arena, text, length);
    for (char *pair; (pair = strsep(&rest, "&"));) {
        char *value = strchr(pair, '=');
        if (value)
            *value++ = 0;
        if (!*pair || !http_decode(pair, true) || (value && !http_decode(value, true)))
            continue;
        QueryParameter *parameter = ARENA_NEW(&sso->arena, QueryParameter);
        *parameter = (QueryParameter){pair, value ? value : "", sso->form};
        sso->form = parameter;
    }
}

static void sso_reply(Sso *sso, int status, const StrBuf *json)
{
    http_add_header(sso->http, "Cache-Control", "no-store");
    http_reply(sso->http, status, "application/json", json->data, json->length);
    sso_free(sso);
}

static void sso_fail(Sso *sso, int status, const char *code, const char *text)
{
    AUTO_STRBUF json = {0};
    JsonWriter writer = {.out = &json};
    json_open(&writer, '{');
    json_add_string(&writer, "error_code", code);
    json_add_string(&writer, "error", text);
    json_add_string(&writer, "error_description", text);
    json_close(&writer, '}');
    sso_reply(sso, status, &json);
}

static void sso_put_token(const Sso *sso, JsonWriter *writer)
{
    const char *scope = sso_parameter(sso, "scope");
    json_open(writer, '{');
    json_add_string(writer, "access_token", sso->token);
    json_add_string(writer, "scope", scope ? scope : "ovirt-app-api");
    json_add_format(writer, "exp", "%lld", (long long)sso->expires_ms);
    json_add_integer(writer, "expires_in", (sso->expires_ms - clock_wall_ms()) / 1000);
    json_add_string(writer, "token_type", "bearer");
    json_close(writer, '}');
}

static void sso_token_durable(const Fail *why, void *argument)
{
    Sso *sso = argument;
    AUTO_STRBUF json = {0};
    JsonWriter writer = {.out = &json};
    if (fail_is_set(why)) {
        sso_fail(sso, 500, "server_error", why->message);
        return;
    }
    sso_put_token(sso, &writer);
    sso_reply(sso, 200, &json);
}

static void sso_logged_in(const User *user, const Fail *why, void *argument)
{
    Sso *sso = argument;
    if (fail_is_set(why)) {
        AUTO_FREE char *text =
            memory_format("access_denied: Cannot authenticate user: %s", why->message);
        sso_fail(sso, 400, "access_denied", text);
        return;
    }
    Cause cause = {user->id, user->name, NULL, http_peer(sso->http)};
    Change *change = change_new(sso->manager, &cause);
    sso->token = identity_new_session(sso->manager->identity, change, user,
                                      sso_parameter(sso, "scope"), &sso->expires_ms);
    event_add(change, EVENT_USER_VDC_LOGIN, &(EventFacts){.detail = cause.source});
    change_commit(change, sso_token_durable, sso);
}

static void sso_token(Sso *sso)
{
    const char *grant = sso_parameter(sso, "grant_type");
    const char *name = sso_parameter(sso, "username"), *password = sso_parameter(sso, "password");
    if (grant && !strcmp(grant, "urn:ovirt:params:oauth:grant-type:http")) {
        identity_of_http(sso->manager->identity, sso->http, NULL, sso_logged_in, sso);
        return;
    }
    if (!grant || strcmp(grant, "password")) {
        sso_fail(sso, 400, "unsupported_grant_type", "The grant type must be password.");
        return;
    }
    if (!name || !*name || !password) {
        sso_fail(sso, 400, "invalid_request", "username and password are required.");
        return;
    }
    identity_login(sso->manager->identity, name, password, http_peer(sso->http), sso_logged_in,
                   sso);
}

static void sso_revoke_durable(const Fail *why, void *argument)
{
    Sso *sso = argument;
    AUTO_STRBUF empty = {0};
    strbuf_adds(&empty, "{}");
    if (fail_is_set(why))
        sso_fail(sso, 500, "server_error", why->message);
    else
        sso_reply(sso, 200, &empty);
}

static void sso_revoke(Sso *sso)
{
    const char *token = sso_parameter(sso, "token");
    Entity *session = token ? identity_session(sso->manager->identity, token) : NULL;
    static const Fail good;
    if (!session) { // an unknown token is as revoked as it can be
        sso_revoke_durable(&good, sso);
        return;
    }
    const char *id = ENTITY_OBJECT(session, SessionToken)->user;
    Entity *user = inventory_get(sso->manager->inventory, KIND_USER, id);
    Cause cause = {.user = user ? user->id : NULL,
                   .user_name = user ? ENTITY_OBJECT(user, User)->principal : NULL,
                   .source = http_peer(sso->http)};
    Change *change = change_new(sso->manager, &cause);
    change_remove(change, session);
    event_add(change, EVENT_USER_VDC_LOGOUT, NULL);
    change_commit(change, sso_revoke_durable, sso);
}

static void sso_info_found(const User *user, const Fail *why, void *argument)
{
    Sso *sso = argument;
    AUTO_STRBUF json = {0};
    JsonWriter writer = {.out = &json};
    const char *token = sso_parameter(sso, "token");
    Entity *session = token ? identity_session(sso->manager->identity, token) : NULL;
    if (fail_is_set(why)) {
        sso_fail(sso, 400, "invalid_grant",
                 "invalid_grant: The provided authorization grant for the auth code has expired.");
        return;
    }
    json_open(&writer, '{');
    json_add_bool(&writer, "active", true);
    json_add_string(&writer, "user_id", user->id);
    json_add_string(&writer, "user_name", user->name);
    json_add_string(&writer, "profile", "internal");
    json_add_string(&writer, "scope", "ovirt-app-api");
    json_add_string(&writer, "token_type", "bearer");
    if (session)
        json_add_format(&writer, "exp", "%lld",
                        (long long)ENTITY_OBJECT(session, SessionToken)->expires.value);
    json_key(&writer, "ovirt");
    json_open(&writer, '{');
    json_add_bool(&writer, "password_access", false);
    json_add_bool(&writer, "capability_credentials_change", true);
    json_close(&writer, '}');
    json_close(&writer, '}');
    sso_reply(sso, 200, &json);
}

static void sso_info(Sso *sso)
{
    identity_of_http(sso->manager->identity, sso->http, sso_parameter(sso, "token"), sso_info_found,
                     sso);
}

static const struct {
    const char *path;
    void (*handle)(Sso *sso);
} sso_rows[] = {
    {"/oauth/token", sso_token},         {"/oauth/token-http-auth", sso_token},
    {"/oauth/token-info", sso_info},     {"/oauth/revoke", sso_revoke},
    {"/oauth/revoke-token", sso_revoke},
};

static void sso_collected(Http *http, void *argument)
{
    Sso *sso = argument;
    size_t length;
    const char *body = http_body(http, &length);
    const char *query = http_head(http)->query;
    sso_parse(sso, query, strlen(query));
    sso_parse(sso, body, length);
    if (!sso->path) {
        sso_revoke(sso);
        return;
    }
    for (size_t i = 0; i < COUNT_OF(sso_rows); i++)
        if (!strcmp(sso_rows[i].path, sso->path)) {
            sso_rows[i].handle(sso);
            return;
        }
    sso_fail(sso, 404, "not_found", "There is no such service.");
}

static Sso *sso_new(Manager *manager, Http *http, const char *path)
{
    Sso *sso = NEW(Sso);
    arena_init(&sso->arena, 1024);
    sso->manager = manager;
    sso->http = http;
    sso->path = memory_string(path);
    return sso;
}

static void sso_lost(Http *http, void *argument)
{
    (void)http;
    sso_free(argument);
}

void sso_handle(Manager *manager, Http *http, const char *path)
{
    http_on_lost(http, sso_lost);
    http_collect(http, SSO_BODY_MAX, sso_collected, sso_new(manager, http, path));
}

void sso_logout(Manager *manager, Http *http)
{
    sso_handle(manager, http, NULL);
}
