#include "manager/rest/request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "manager/identity/identity.h"
#include "manager/rest/reply.h"
#include "manager/rest/server.h"

enum { BODY_MAX = 4 * 1024 * 1024 };

// ---- what handlers ask

const char *request_id(const Request *request, int number)
{
    for (int i = 0; i < request->route.depth; i++)
        if (request->route.steps[i].is_id && number-- == 0)
            return request->route.steps[i].segment;
    return NULL;
}

const char *request_parameter(const Request *request, const char *name)
{
    for (const QueryParameter *at = request->query; at; at = at->next)
        if (!strcasecmp(at->name, name))
            return at->value;
    return NULL;
}

static bool text_truth(const char *text, bool *ret)
{
    static const char *const yes[] = {"", "true", "t", "yes", "y", "1"};
    static const char *const no[] = {"false", "f", "no", "n", "0"};
    for (size_t i = 0; i < COUNT_OF(yes); i++)
        if (!strcasecmp(text, yes[i])) {
            *ret = true;
            return true;
        }
    for (size_t i = 0; i < COUNT_OF(no); i++)
        if (!strcasecmp(text, no[i])) {
            *ret = false;
            return true;
        }
    return false;
}

bool request_flag(Request *request, const char *name, bool fallback)
{
    const char *text = request_parameter(request, name);
    if (text && !text_truth(text, &fallback))
        fail_set(&request->why, FAIL_INVALID, "%s: \"%.100s\" is not a boolean (true or false).",
                 name, text);
    return fallback;
}

int request_integer(Request *request, const char *name, int64_t *value)
{
    const char *text = request_parameter(request, name);
    char *end;
    if (!text || !*text)
        return 0;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (*end || errno)
        return fail_set(&request->why, FAIL_INVALID, "%s: \"%.100s\" is not an integer.", name,
                        text);
    *value = number;
    return 0;
}

bool request_has_right(const Request *request, Permit permit)
{
    return role_permits(request->user.role, permit) || (permit == PERMIT_LOGIN && request->user.id);
}

Entity *request_entity(Request *request, int number, Kind kind)
{
    const char *id = request_id(request, number);
    Entity *entity = id ? inventory_get(request->manager->inventory, kind, id) : NULL;
    if (!entity) {
        fail_set(&request->why, FAIL_NOT_FOUND, "There is no %s with the id %s.", kind_noun(kind),
                 id ? id : "(none)");
        fail_object(&request->why, id);
    }
    return entity;
}

static const char *reference_name(const ApiType *type, const void *reference)
{
    const ApiField *field = api_field_find(type, "name");
    return field ? *(char *const *)((const char *)reference + field->offset) : NULL;
}

Entity *request_reference(Request *request, Kind kind, const void *reference, const char *member)
{
    const ApiHead *head = reference;
    const char *name = head ? reference_name(kind_type(kind), reference) : NULL;
    Inventory *inventory = request->manager->inventory;
    if (!head || (!head->id && !name)) {
        fail_set(&request->why, FAIL_INCOMPLETE, "%s [id|name] required.", member);
        return NULL;
    }
    if (head->id && !uuid_valid(head->id)) {
        fail_set(&request->why, FAIL_INVALID, "%s.id: \"%.100s\" is not a UUID.", member, head->id);
        return NULL;
    }
    Entity *entity = head->id ? inventory_get(inventory, kind, head->id)
                              : inventory_named(inventory, kind, name);
    if (!entity)
        fail_set(&request->why, FAIL_NOT_FOUND, "%s: there is no %s with the %s %s.", member,
                 kind_noun(kind), head->id ? "id" : "name", head->id ? head->id : name);
    return entity;
}

int request_check_free(Request *request, const Entity *entity, LockMode mode)
{
    const char *name = entity_name(entity);
    if (entity->kind == KIND_DISK && ENTITY_OBJECT(entity, Disk)->alias)
        name = ENTITY_OBJECT(entity, Disk)->alias;
    return operation_check_free(request->manager, entity->id, mode, kind_noun(entity->kind), name,
                                &request->why);
}

// ---- parsing

// The last one of a name counts.
static bool request_add_parameters(Request *request, char *text, char separator)
{
    char limits[2] = {separator, 0};
    for (char *pair; (pair = strsep(&text, limits));) {
        char *value = strchr(pair, '=');
        if (!*pair)
            continue;
        if (value)
            *value++ = 0;
        QueryParameter *parameter = ARENA_NEW(&request->arena, QueryParameter);
        if (!http_decode(pair, separator == '&') ||
            (value && !http_decode(value, separator == '&')))
            return false;
        *parameter = (QueryParameter){pair, value ? value : "", request->query};
        request->query = parameter;
    }
    return true;
}

static int request_parse_url(Request *request, const char *path)
{
    const HttpHead *head = http_head(request->http);
    char *copy = arena_string(&request->arena, path);
    char *matrix = strchr(copy, ';');
    if (matrix)
        *matrix++ = 0;
    char *query = arena_string(&request->arena, head->query);
    if (!http_decode(copy, false) || !request_add_parameters(request, query, '&') ||
        (matrix && !request_add_parameters(request, matrix, ';')))
        return fail_set(&request->why, FAIL_SYNTAX, "The URL has a malformed %%-escape.");
    request->prefix = API_PREFIX;
    if (!strncmp(copy, "/v4", 3) && (copy[3] == '/' || !copy[3])) {
        copy += 3;
        request->prefix = API_PREFIX "/v4";
    }
    size_t length = strlen(copy);
    while (length && copy[length - 1] == '/')
        copy[--length] = 0;
    if (!route_find(&request->arena, copy, &request->route))
        return fail_set(&request->why, FAIL_NOT_FOUND, "Nothing lies at %s.", copy);
    return 0;
}

static bool header_flag(const Request *request, const char *name, bool fallback)
{
    const char *text = http_header(request->http, name);
    bool truth = fallback;
    return text && text_truth(text, &truth) ? truth : fallback;
}

static int request_parse_accept(Request *request)
{
    const char *accept = request_parameter(request, "accept");
    if (!accept || !*accept)
        accept = http_header(request->http, "Accept");
    if (!accept || !*accept)
        return 0;
    const char *json = strcasestr(accept, "json"), *xml = strcasestr(accept, "xml");
    request->json = json && (!xml || json < xml);
    if (!fail_is_set(&request->why) && !json && !xml && !strstr(accept, "*/*") &&
        !strcasestr(accept, "x-virt-viewer") && !strcasestr(accept, "text/"))
        return fail_set(&request->why, FAIL_NOT_ACCEPTABLE,
                        "Answers come as application/xml or application/json, not as \"%.100s\".",
                        accept);
    return 0;
}

static void request_parse_correlation(Request *request)
{
    const char *given = request_parameter(request, "correlation_id");
    if (!given)
        given = http_header(request->http, "Correlation-Id");
    if (!given)
        return;
    char *clean = arena_alloc(&request->arena, 37), *to = clean;
    for (; *given && to < clean + 36; given++)
        if (strchr("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-", *given))
            *to++ = *given;
    if (to > clean)
        request->cause.correlation = clean;
}

static int request_parse_switches(Request *request)
{
    const char *version = http_header(request->http, "Version");
    if (version && *version && strcmp(version, "4"))
        return fail_set(&request->why, FAIL_INVALID,
                        "Version %.20s of the API is not spoken here; "
                        "version 4 is.",
                        version);
    request->all_content =
        request_flag(request, "all_content", header_flag(request, "All-Content", false));
    request->filter = request_flag(request, "filter", header_flag(request, "Filter", false));
    request->follow = api_follow_parse(&request->arena, request_parameter(request, "follow"));
    return fail_is_set(&request->why) ? -EINVAL : 0;
}

static int request_find_method(Request *request)
{
    static const struct {
        const char *name;
        RestVerb verb;
    } verbs[] = {
        {"GET", API_GET}, {"HEAD", API_GET},      {"POST", API_POST},
        {"PUT", API_PUT}, {"DELETE", API_DELETE},
    };
    const char *name = http_head(request->http)->method;
    for (size_t i = 0; i < COUNT_OF(verbs); i++) {
        if (strcmp(verbs[i].name, name))
            continue;
        RestVerb verb =
            request->route.action && verbs[i].verb == API_POST ? API_ACTION : verbs[i].verb;
        if (!request->route.action || verb == API_ACTION)
            request->method = route_method(&request->route, verb);
    }
    if (!request->method)
        return fail_set(&request->why, FAIL_NO_METHOD, "%s is not possible at %s.", name,
                        request->route.path);
    if (!request->method->act)
        return fail_set(&request->why, FAIL_NOT_IMPLEMENTED,
                        "%s.%s (%s %s) is part of the API but not implemented yet.",
                        route_service(&request->route)->name, request->method->name, name,
                        request->route.path);
    return 0;
}

// ---- parameters of the URL

static int request_check_parameter(Request *request, const char *name, ApiKind kind,
                                   const void *type)
{
    int64_t number;
    const char *text = request_parameter(request, name);
    if (!text || !*text)
        return 0;
    if (kind == API_BOOLEAN)
        request_flag(request, name, false);
    else if (kind == API_INTEGER)
        request_integer(request, name, &number);
    else if (kind == API_ENUM && !api_enum_find(type, text))
        fail_set(&request->why, FAIL_INVALID, "%s: \"%.100s\" is not a known %s.", name, text,
                 ((const ApiEnum *)type)->name);
    return fail_is_set(&request->why) ? fail_to_errno(request->why.code) : 0;
}

// Handlers need not look: a value that can't be never reaches them.
static int request_check_parameters(Request *request)
{
    static const RestParameter common[] = {
        {"max", API_INTEGER, NULL},
        {"async", API_BOOLEAN, NULL},
        {"case_sensitive", API_BOOLEAN, NULL},
    };
    const RestMethod *method = request->method;
    int result = 0;
    for (size_t i = 0; !result && i < COUNT_OF(common); i++)
        result = request_check_parameter(request, common[i].name, common[i].kind, NULL);
    for (int i = 0; !result && i < method->parameter_count; i++)
        result = request_check_parameter(request, method->parameters[i].name,
                                         method->parameters[i].kind, method->parameters[i].type);
    return result;
}

// ---- bodies

static const void *body_member(const ApiType *type, const void *object, const char *path,
                               bool *ret_set)
{
    char name[64];
    size_t length = strcspn(path, ".");
    *ret_set = false;
    if (length >= sizeof(name))
        return NULL;
    memcpy(name, path, length);
    name[length] = 0;
    if (!strcmp(name, "id")) {
        *ret_set = ((const ApiHead *)object)->id != NULL;
        return NULL;
    }
    const ApiField *field = api_field_find(type, name);
    if (!field) { // the contract names something the type does not have
        *ret_set = true;
        return NULL;
    }
    *ret_set = api_field_is_set(field, object);
    if (!*ret_set || !path[length] || field->kind != API_STRUCT || field->flags & API_LIST)
        return NULL;
    return body_member(field->type, *(void *const *)((const char *)object + field->offset),
                       path + length + 1, ret_set);
}

// "cluster.id|name": one of the alternatives of the last word.
static bool body_has(const ApiType *type, const void *object, const char *need)
{
    AUTO_FREE char *copy = memory_string(need);
    char *dot = strrchr(copy, '.');
    char *last = dot ? dot + 1 : copy;
    AUTO_FREE char *head = dot ? memory_bytes(copy, (size_t)(dot - copy) + 1) : memory_string("");
    for (char *word; (word = strsep(&last, "|"));) {
        AUTO_FREE char *path = memory_format("%s%s", head, word);
        bool set = false;
        body_member(type, object, path, &set);
        if (set)
            return true;
    }
    return false;
}

static int request_check_needs(Request *request)
{
    const RestMethod *method = request->method;
    AUTO_STRBUF missing = {0};
    for (const char *const *need = method->needs; need && *need; need++)
        if (!request->body || !body_has(method->body, request->body, *need))
            strbuf_addf(&missing, "%s%s", missing.length ? ", " : "", *need);
    if (!missing.length)
        return 0;
    const char *noun = method->verb == API_ACTION ? "Action" : method->body->name;
    return fail_set(&request->why, FAIL_INCOMPLETE, "%s [%s] required for %s", noun, missing.data,
                    method->name);
}

static int request_parse_json(Request *request, const char *text, size_t length)
{
    const char *error = NULL;
    size_t offset = 0;
    Json *json = json_parse(&request->arena, text, length, &error, &offset);
    if (!json)
        return fail_set(&request->why, FAIL_SYNTAX, "The JSON body is malformed at byte %zu: %s.",
                        offset, error);
    request->body = api_read_json(&request->arena, request->method->body, json, &request->why);
    return request->body ? 0 : fail_to_errno(request->why.code);
}

static int request_parse_xml(Request *request, const char *text, size_t length)
{
    const ApiType *type = request->method->body;
    const char *error = NULL;
    int line = 0;
    Xml *root = xml_parse(&request->arena, text, length, &error, &line);
    if (!root)
        return fail_set(&request->why, FAIL_SYNTAX, "The XML body is malformed in line %d: %s.",
                        line, error);
    if (strcmp(root->name, type->one))
        return fail_set(&request->why, FAIL_SYNTAX, "The body must be a <%s>, not a <%.100s>.",
                        type->one, root->name);
    request->body = api_read_xml(&request->arena, type, root, &request->why);
    return request->body ? 0 : fail_to_errno(request->why.code);
}

static int request_parse_body(Request *request)
{
    size_t length;
    const char *text = http_body(request->http, &length);
    const char *type = http_header(request->http, "Content-Type");
    const RestMethod *method = request->method;
    size_t blank = strspn(text, " \t\r\n");
    if (!method->body || method->verb == API_GET || method->verb == API_DELETE)
        return 0;
    if (blank >= length) {
        if (method->verb == API_PUT)
            return fail_set(&request->why, FAIL_SYNTAX, "The body is empty: it must be a <%s>.",
                            method->body->one);
        request->body = arena_alloc(&request->arena, method->body->size);
        return request_check_needs(request);
    }
    bool json = type ? strcasestr(type, "json") != NULL : text[blank] == '{';
    if (type && !json && !strcasestr(type, "xml") && !strcasestr(type, "x-www-form-urlencoded"))
        return fail_set(&request->why, FAIL_MEDIA_TYPE,
                        "Bodies are application/xml or application/json, not \"%.100s\".", type);
    if (type && strcasestr(type, "x-www-form-urlencoded")) // what curl -d says of anything
        json = text[blank] == '{';
    int result =
        json ? request_parse_json(request, text, length) : request_parse_xml(request, text, length);
    return result ? result : request_check_needs(request);
}

// ---- the way of a request

static void request_run(Request *request)
{
    const RestMethod *method = request->method;
    if (method->verb != API_GET) {
        method->act(request);
        return;
    }
    Items items;
    if (!method->result) { // reads without a type of their own answer by themselves
        items = (Items){0};
    } else
        items_init(&items, &request->route, method);
    int result = method->read(request, &items);
    if (result)
        items_done(&items);
    if (result < 0)
        reply_fail(request);
    else if (!result)
        reply_items(request, &items);
}

static void request_authenticated(Request *request)
{
    if (!request_has_right(request, request->method->permit)) {
        fail_set(&request->why, FAIL_FORBIDDEN, "User %s is not permitted to do this.",
                 request->user.name);
        fail_detail(&request->why, "the right %s is missing", permit_name(request->method->permit));
        fail_hint(&request->why, "Ask an administrator for a role that has it");
    }
    if (fail_is_set(&request->why) || request_check_parameters(request) ||
        request_parse_body(request))
        reply_fail(request);
    else
        request_run(request);
}

static void request_identified(const User *user, const Fail *why, void *argument)
{
    Request *request = argument;
    if (fail_is_set(why)) {
        fail_copy(&request->why, why);
        reply_fail(request);
        return;
    }
    request->user = *user;
    request->cause.user = user->id;
    request->cause.user_name = user->name;
    if (fail_is_set(&request->why) || request_find_method(request))
        reply_fail(request);
    else
        request_authenticated(request);
}

static void request_collected(Http *http, void *argument)
{
    Request *request = argument;
    (void)http;
    request_parse_correlation(request);
    if (request->cause.correlation)
        http_add_header(request->http, "Correlation-Id", request->cause.correlation);
    identity_of_request(request->manager->identity, request, request_identified);
}

static void request_lost(Http *http, void *argument)
{
    (void)http;
    request_free(argument);
}

void request_begin(Manager *manager, Http *http, const char *path)
{
    Request *request = NEW(Request);
    arena_init(&request->arena, 4096);
    request->manager = manager;
    request->http = http;
    request->head = !strcmp(http_head(http)->method, "HEAD");
    request->cause.source = arena_string(&request->arena, http_peer(http));
    // The URL is judged first, but its faults are told only to who may ask at all, and as they like.
    int malformed = request_parse_url(request, path);
    if (request_parse_accept(request) || malformed || request_parse_switches(request)) {
        request->route.depth = request->route.depth ? request->route.depth : 1;
        if (!request->route.path)
            request->route.path = "";
    }
    http_on_lost(http, request_lost);
    http_collect(http, BODY_MAX, request_collected, request);
}
