#include "manager/fleet/enrol.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "manager/fleet/fleet.h"
#include "manager/identity/identity.h"
#include "manager/operations/operation.h"
#include "manager/rest/server.h"

enum {
    ENROL_BODY_MAX = 64 * 1024,
    TOKEN_HOURS = 24,
    CERTIFICATE_DAYS = 1827,
    HOST_NUMBER_MAX = 249,
};

typedef struct Enrol {
    Manager *manager;
    Http *http;
    Arena arena;
    const Json *body;
    User user;
    Fail why;
    char host[UUID_SIZE];
    char *token, *certificate, *name;
} Enrol;

static void enrol_free(Enrol *enrol)
{
    arena_done(&enrol->arena);
    fail_done(&enrol->why);
    free(enrol->token);
    free(enrol->certificate);
    free(enrol->name);
    free(enrol);
}

static void enrol_reply(Enrol *enrol, int status, const StrBuf *json)
{
    http_reply(enrol->http, status, "application/json", json->data, json->length);
    enrol_free(enrol);
}

static void enrol_fail(Enrol *enrol)
{
    AUTO_STRBUF json = {0};
    JsonWriter writer = {.out = &json};
    AUTO_FREE char *text = fail_text(&enrol->why);
    json_open(&writer, '{');
    json_add_string(&writer, "reason", fail_reason(enrol->why.code));
    json_add_string(&writer, "detail", text);
    json_close(&writer, '}');
    enrol_reply(enrol, fail_http_status(enrol->why.code), &json);
}

static bool enrol_parse(Enrol *enrol)
{
    size_t length;
    const char *text = http_body(enrol->http, &length);
    enrol->body = json_parse(&enrol->arena, text, length, NULL, NULL);
    if (enrol->body && enrol->body->kind == JSON_OBJECT)
        return true;
    fail_set(&enrol->why, FAIL_SYNTAX, "The body must be a JSON object.");
    return false;
}

// ---- giving out tokens

static void token_durable(const Fail *why, void *argument)
{
    Enrol *enrol = argument;
    AUTO_STRBUF json = {0};
    JsonWriter writer = {.out = &json};
    if (fail_is_set(why)) {
        fail_copy(&enrol->why, why);
        enrol_fail(enrol);
        return;
    }
    AUTO_FREE char *fingerprint = certificate_fingerprint(enrol->manager->authority.certificate);
    json_open(&writer, '{');
    json_add_string(&writer, "token", enrol->token);
    json_add_string(&writer, "fingerprint", fingerprint);
    json_add_integer(&writer, "expires_in", TOKEN_HOURS * 3600);
    json_close(&writer, '}');
    enrol_reply(enrol, 200, &json);
}

static Entity *token_cluster(Enrol *enrol)
{
    const char *wanted = json_get_string(enrol->body, "cluster");
    Inventory *inventory = enrol->manager->inventory;
    if (!wanted)
        wanted = "Default";
    Entity *cluster = inventory_get(inventory, KIND_CLUSTER, wanted);
    if (!cluster)
        cluster = inventory_named(inventory, KIND_CLUSTER, wanted);
    if (!cluster)
        fail_set(&enrol->why, FAIL_NOT_FOUND, "cluster: there is no cluster %s.", wanted);
    return cluster;
}

static void token_identified(const User *user, const Fail *why, void *argument)
{
    Enrol *enrol = argument;
    if (fail_is_set(why))
        fail_copy(&enrol->why, why);
    else if (!role_permits(user->role, PERMIT_CREATE_HOST))
        fail_set(&enrol->why, FAIL_FORBIDDEN, "User %s is not permitted to add hosts.", user->name);
    Entity *cluster = NULL;
    if (!fail_is_set(&enrol->why) && enrol_parse(enrol))
        cluster = token_cluster(enrol);
    if (!cluster) {
        enrol_fail(enrol);
        return;
    }
    char digest[UUID_SIZE];
    Cause cause = {.user = user->id, .user_name = user->name, .source = http_peer(enrol->http)};
    Change *change = change_new(enrol->manager, &cause);
    enrol->token = token_new();
    token_digest(enrol->token, digest);
    ApiDocument *draft = change_add(change, KIND_ENROLMENT, digest);
    ApiEnrolmentToken *token = draft->object;
    token->cluster = arena_string(&draft->arena, cluster->id);
    token->host = arena_string(&draft->arena, json_get_string(enrol->body, "name"));
    token->created = API_INT(clock_wall_ms());
    token->expires = API_INT(token->created.value + (int64_t)TOKEN_HOURS * 3600 * 1000);
    event_add(change, EVENT_ENROLMENT_TOKEN_ADDED, &(EventFacts){.cluster = cluster});
    change_commit(change, token_durable, enrol);
}

static void token_collected(Http *http, void *argument)
{
    Enrol *enrol = argument;
    if (strcmp(http_head(http)->method, "POST")) {
        fail_set(&enrol->why, FAIL_NO_METHOD, "Only POST is possible here.");
        enrol_fail(enrol);
        return;
    }
    identity_of_http(enrol->manager->identity, http, NULL, token_identified, enrol);
}

static void enrol_lost(Http *http, void *argument)
{
    (void)http;
    enrol_free(argument);
}

static void enrol_collect(Manager *manager, Http *http, HttpDone done)
{
    Enrol *enrol = NEW(Enrol);
    arena_init(&enrol->arena, 4096);
    enrol->manager = manager;
    enrol->http = http;
    http_on_lost(http, enrol_lost);
    http_collect(http, ENROL_BODY_MAX, done, enrol);
}

void enrol_handle_token(Manager *manager, Http *http, const char *rest)
{
    (void)rest;
    enrol_collect(manager, http, token_collected);
}

// ---- taking hosts in

int enrol_free_number(const Manager *manager)
{
    bool taken[HOST_NUMBER_MAX + 1] = {false};
    INVENTORY_EACH(manager->inventory, KIND_HOST, host)
    {
        int64_t number = ENTITY_OBJECT(host, Host)->number.value;
        if (number > 0 && number <= HOST_NUMBER_MAX)
            taken[number] = true;
    }
    for (int number = 1; number <= HOST_NUMBER_MAX; number++)
        if (!taken[number])
            return number;
    return 0;
}

static void host_durable(const Fail *why, void *argument)
{
    Enrol *enrol = argument;
    AUTO_STRBUF json = {0};
    JsonWriter writer = {.out = &json};
    if (fail_is_set(why)) {
        fail_copy(&enrol->why, why);
        enrol_fail(enrol);
        return;
    }
    Entity *host = inventory_get(enrol->manager->inventory, KIND_HOST, enrol->host);
    if (host)
        fleet_host_changed(enrol->manager, host);
    json_open(&writer, '{');
    json_add_string(&writer, "id", enrol->host);
    json_add_string(&writer, "name", enrol->name);
    json_add_string(&writer, "certificate", enrol->certificate);
    json_add_string(&writer, "authority", enrol->manager->authority.certificate);
    json_close(&writer, '}');
    enrol_reply(enrol, 200, &json);
}

static bool enrol_check(Enrol *enrol, Entity **ret_token)
{
    char digest[UUID_SIZE];
    const char *token = json_get_string(enrol->body, "token");
    const char *id = json_get_string(enrol->body, "host_id");
    const char *address = json_get_string(enrol->body, "address");
    const char *name = json_get_string(enrol->body, "name");
    if (token)
        token_digest(token, digest);
    *ret_token = token ? inventory_get(enrol->manager->inventory, KIND_ENROLMENT, digest) : NULL;
    if (!*ret_token || ENTITY_OBJECT(*ret_token, EnrolmentToken)->expires.value < clock_wall_ms()) {
        fail_set(&enrol->why, FAIL_FORBIDDEN, "The enrolment token is unknown, used or expired.");
        fail_hint(&enrol->why, "Ask an administrator for a new one: vireo host token");
        return false;
    }
    if (!uuid_valid(id) || !address || !*address || strpbrk(address, " ,/\"") || !name || !*name)
        fail_set(&enrol->why, FAIL_INVALID, "host_id (a UUID), name and address are needed.");
    return !fail_is_set(&enrol->why);
}

static void enrol_fill(Enrol *enrol, ApiDocument *draft, const ApiEnrolmentToken *token, int number)
{
    ApiHost *host = draft->object;
    Arena *arena = &draft->arena;
    if (!host->cluster)
        host->cluster = ARENA_NEW(arena, ApiCluster);
    host->cluster->id = arena_string(arena, token->cluster);
    host->name = arena_string(arena, enrol->name);
    host->address = arena_string(arena, json_get_string(enrol->body, "address"));
    host->port = API_INT(json_get_integer(enrol->body, "port", 54321));
    host->enrolled = API_TRUE;
    if (!host->wanted)
        host->wanted = API_HOST_STATUS_UP;
    if (!host->number.set)
        host->number = API_INT(number);
    if (!host->comment)
        host->comment = "";
}

static void enrol_take(Enrol *enrol, Entity *token)
{
    Manager *manager = enrol->manager;
    const ApiEnrolmentToken *object = ENTITY_OBJECT(token, EnrolmentToken);
    Entity *known = inventory_get(manager->inventory, KIND_HOST, enrol->host);
    int number = enrol_free_number(manager);
    if (!known) // a host that was announced by POST /hosts is known by its name
        known = inventory_named(manager->inventory, KIND_HOST, enrol->name);
    if (!known && !number) {
        fail_set(&enrol->why, FAIL_CONFLICT, "The data center has %d hosts already.",
                 HOST_NUMBER_MAX);
        enrol_fail(enrol);
        return;
    }
    if (known)
        memcpy(enrol->host, known->id, UUID_SIZE);
    Cause cause = {.source = http_peer(enrol->http)};
    Change *change = change_new(manager, &cause);
    enrol_fill(enrol,
               known ? change_edit(change, known) : change_add(change, KIND_HOST, enrol->host),
               object, number);
    change_remove(change, token);
    event_add(change, EVENT_VDS_REGISTER_SUCCEEDED,
              &(EventFacts){.host = known, .name = enrol->name, .detail = cause.source});
    change_commit(change, host_durable, enrol);
}

static void enrol_collected(Http *http, void *argument)
{
    Enrol *enrol = argument;
    Entity *token = NULL;
    Manager *manager = enrol->manager;
    (void)http;
    if (!enrol_parse(enrol) || !enrol_check(enrol, &token)) {
        enrol_fail(enrol);
        return;
    }
    const char *wanted = ENTITY_OBJECT(token, EnrolmentToken)->host;
    const char *address = json_get_string(enrol->body, "address");
    const char *request = json_get_string(enrol->body, "request");
    enrol->name = memory_string(wanted ? wanted : json_get_string(enrol->body, "name"));
    strcpy(enrol->host, json_get_string(enrol->body, "host_id"));
    uuid_lower(enrol->host);
    AUTO_FREE char *names = memory_format("%s,%s", address, enrol->name);
    if (certificate_sign_request(&manager->authority, request ? request : "",
                                 manager->config.organization, address, names, CERTIFICATE_DAYS,
                                 &enrol->certificate, &enrol->why))
        enrol_fail(enrol);
    else
        enrol_take(enrol, token);
}

void enrol_handle(Manager *manager, Http *http, const char *rest)
{
    (void)rest;
    enrol_collect(manager, http, enrol_collected);
}
