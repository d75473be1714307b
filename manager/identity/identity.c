#include "manager/identity/identity.h"

#include <crypt.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/crypto.h>

#include "base/base64.h"
#include "base/clock.h"
#include "manager/rest/server.h"

enum {
    BASIC_CACHE_MS = 5 * 60 * 1000, // a checked Basic login is believed for so long
    BASIC_CACHE_MAX = 1000,
    LOGIN_NAME_MAX_BYTES = 255,
};

#define API_SCOPE "ovirt-app-api"

typedef struct BasicEntry {
    char key[UUID_SIZE]; // digest of name and password with a secret of this process
    char user[UUID_SIZE];
    uint64_t user_revision;
    int64_t until_ms; // monotonic
} BasicEntry;

struct Identity {
    Manager *manager;
    Map basic; // key -> BasicEntry
    char *secret;
};

Identity *identity_new(Manager *manager)
{
    Identity *identity = NEW(Identity);
    identity->manager = manager;
    identity->secret = token_new();
    return identity;
}

static void basic_clear(Identity *identity)
{
    MAP_EACH(&identity->basic, slot)
        free(slot->value);
    map_done(&identity->basic);
}

void identity_free(Identity *identity)
{
    if (!identity)
        return;
    basic_clear(identity);
    free(identity->secret);
    free(identity);
}

bool identity_user(Identity *identity, const Entity *entity, User *ret)
{
    (void)identity;
    if (!entity || entity->removed)
        return false;
    const ApiUser *user = ENTITY_OBJECT(entity, User);
    if (user->disabled == API_TRUE)
        return false;
    *ret = (User){entity, entity->id, user->principal, role_by_id(user->role)};
    return true;
}

// ---- sessions

Entity *identity_session(Identity *identity, const char *token)
{
    char digest[UUID_SIZE];
    token_digest(token, digest);
    Entity *session = inventory_get(identity->manager->inventory, KIND_SESSION, digest);
    if (!session || ENTITY_OBJECT(session, SessionToken)->expires.value < clock_wall_ms())
        return NULL;
    return session;
}

char *identity_new_session(Identity *identity, Change *change, const User *user, const char *scope,
                           int minutes, int64_t *ret_expires_ms)
{
    char digest[UUID_SIZE];
    char *token = token_new();
    token_digest(token, digest);
    ApiDocument *draft = change_add(change, KIND_SESSION, digest);
    ApiSessionToken *session = draft->object;
    int64_t now = clock_wall_ms();
    int most = identity->manager->config.session_minutes;
    session->user = arena_string(&draft->arena, user->id);
    session->scope = arena_string(&draft->arena, scope);
    session->source = arena_string(&draft->arena, change_cause(change)->source);
    session->created = API_INT(now);
    session->expires =
        API_INT(now + (int64_t)(minutes > 0 && minutes < most ? minutes : most) * 60000);
    *ret_expires_ms = session->expires.value;
    return token;
}

static void found_fail(IdentityFound found, void *argument, const char *message, const char *hint)
{
    AUTO_FAIL why = {0};
    fail_set(&why, FAIL_UNAUTHENTICATED, "%s", message);
    if (hint)
        fail_hint(&why, "%s", hint);
    found(NULL, &why, argument);
}

static void identity_of_token(Identity *identity, const char *token, IdentityFound found,
                              void *argument)
{
    static const Fail good;
    User user;
    Entity *session = identity_session(identity, token);
    Entity *entity = session ? inventory_get(identity->manager->inventory, KIND_USER,
                                             ENTITY_OBJECT(session, SessionToken)->user)
                             : NULL;
    if (identity_user(identity, entity, &user))
        found(&user, &good, argument);
    else
        found_fail(found, argument, "The token is unknown, expired or revoked.",
                   "Log in again to get a new one");
}

// ---- passwords

typedef struct Login {
    uv_work_t work;
    Identity *identity;
    char *name, *password, *source, *hash;
    Entity *entity; // a reference, NULL: unknown user
    bool good;
    IdentityFound found;
    void *argument;
} Login;

static void login_free(Login *login)
{
    OPENSSL_cleanse(login->password, strlen(login->password));
    if (login->entity)
        entity_unref(login->entity);
    free(login->name);
    free(login->password);
    free(login->source);
    free(login->hash);
    free(login);
}

// It goes into events and logs.
static bool name_is_possible(const char *name)
{
    for (const unsigned char *at = (const unsigned char *)name; *at; at++)
        if (*at < 0x20 || *at == 0x7f)
            return false;
    return strlen(name) <= LOGIN_NAME_MAX_BYTES;
}

static void login_run(uv_work_t *work)
{
    Login *login = work->data;
    struct crypt_data *data = NEW(struct crypt_data);
    char *result = crypt_rn(login->password, login->hash, data, sizeof(*data));
    login->good = result && strlen(result) == strlen(login->hash) &&
                  !CRYPTO_memcmp(result, login->hash, strlen(result));
    OPENSSL_cleanse(data, sizeof(*data));
    free(data);
}

static void login_refuse(Login *login, const char *message, const char *hint)
{
    event_write(login->identity->manager, &(Cause){.source = login->source},
                EVENT_USER_VDC_LOGIN_FAILED,
                &(EventFacts){.name = login->name, .detail = login->source});
    found_fail(login->found, login->argument, message, hint);
    login_free(login);
}

// Counts failures and forgets them after a success.
static void login_note(Login *login)
{
    Manager *manager = login->identity->manager;
    const ApiUser *before = ENTITY_OBJECT(login->entity, User);
    int64_t failures = login->good ? 0 : before->failures.value + 1;
    if (login->entity->removed || (login->good && !before->failures.value))
        return;
    Change *change = change_new(manager, NULL);
    ApiUser *user = change_edit(change, login->entity)->object;
    bool lock = failures >= manager->config.login_failures;
    user->failures = API_INT(lock ? 0 : failures);
    if (lock)
        user->locked_until =
            API_INT(clock_wall_ms() + (int64_t)manager->config.login_lock_minutes * 60000);
    change_commit(change, NULL, NULL);
}

static void login_done(uv_work_t *work, int status)
{
    static const Fail good;
    static const char locked[] = "The user account is disabled or locked.";
    Login *login = work->data;
    User user;
    (void)status;
    if (!login->entity) {
        login_refuse(login, "The user name or password is not correct.", NULL);
        return;
    }
    const ApiUser *object = ENTITY_OBJECT(login->entity, User);
    bool is_locked = object->locked_until.value > clock_wall_ms();
    if (is_locked) {
        login_refuse(login, locked, "Wait until the lock ends, or ask an administrator");
        return;
    }
    login_note(login);
    if (!login->good)
        login_refuse(login, "The user name or password is not correct.", NULL);
    else if (!identity_user(login->identity, login->entity, &user))
        login_refuse(login, locked, NULL);
    else {
        login->found(&user, &good, login->argument);
        login_free(login);
    }
}

static Entity *login_find(Identity *identity, const char *name)
{
    INVENTORY_EACH(identity->manager->inventory, KIND_USER, entity) {
        const char *principal = ENTITY_OBJECT(entity, User)->principal;
        size_t length = strcspn(principal, "@");
        bool bare = !strchr(name, '@') && strlen(name) == length;
        if (!strcasecmp(principal, name) || (bare && !strncasecmp(principal, name, length)))
            return entity;
    }
    return NULL;
}

void identity_login(Identity *identity, const char *name, const char *password, const char *source,
                    IdentityFound found, void *argument)
{
    // An unknown user costs the same time as a known one.
    static const char nobody[] = "$y$j9T$AAAAAAAAAAAAAAAAAAAAA/$"
                                 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA/";
    AUTO_FAIL why = {0};
    if (!name_is_possible(name)) {
        fail_set(&why, FAIL_INVALID,
                 "The user name has a control character, or more than %d bytes.",
                 LOGIN_NAME_MAX_BYTES);
        found(NULL, &why, argument);
        return;
    }
    Login *login = NEW(Login);
    Entity *entity = login_find(identity, name);
    const char *hash = entity ? ENTITY_OBJECT(entity, User)->password_hash : NULL;
    *login = (Login){.identity = identity,
                     .name = memory_string(name),
                     .password = memory_string(password),
                     .source = memory_string(source),
                     .hash = memory_string(hash ? hash : nobody),
                     .entity = entity ? entity_ref(entity) : NULL,
                     .found = found,
                     .argument = argument};
    login->work.data = login;
    uv_queue_work(identity->manager->loop, &login->work, login_run, login_done);
}

// ---- Basic

typedef struct BasicLogin {
    Identity *identity;
    char key[UUID_SIZE];
    IdentityFound found;
    void *argument;
} BasicLogin;

static void basic_key(Identity *identity, const char *text, char key[UUID_SIZE])
{
    AUTO_FREE char *whole = memory_format("%s:%s", identity->secret, text);
    token_digest(whole, key);
}

static void basic_checked(const User *user, const Fail *why, void *argument)
{
    BasicLogin *login = argument;
    Identity *identity = login->identity;
    if (!fail_is_set(why)) {
        if (identity->basic.count >= BASIC_CACHE_MAX)
            basic_clear(identity);
        BasicEntry *entry = NEW(BasicEntry);
        memcpy(entry->key, login->key, UUID_SIZE);
        memcpy(entry->user, user->id, strlen(user->id) + 1);
        entry->user_revision = user->entity->revision;
        entry->until_ms = clock_monotonic_ms() + BASIC_CACHE_MS;
        free(map_put(&identity->basic, entry->key, entry));
    }
    login->found(user, why, login->argument);
    free(login);
}

static bool basic_cached(Identity *identity, const char *key, User *ret)
{
    BasicEntry *entry = map_get(&identity->basic, key);
    if (!entry)
        return false;
    Entity *entity = inventory_get(identity->manager->inventory, KIND_USER, entry->user);
    // A change of the user (password, lock, removal) ends the belief.
    if (entry->until_ms > clock_monotonic_ms() && entity &&
        entity->revision == entry->user_revision && identity_user(identity, entity, ret))
        return true;
    map_remove(&identity->basic, key);
    free(entry);
    return false;
}

static char *basic_decode(const char *encoded)
{
    size_t length = 0;
    char *text = strlen(encoded) < 8192 ? base64_decode(encoded, &length) : NULL;
    if (text && strlen(text) == length && strchr(text, ':'))
        return text;
    free(text);
    return NULL;
}

static void identity_of_basic(Identity *identity, Http *http, const char *encoded,
                              IdentityFound found, void *argument)
{
    static const Fail good;
    User user;
    char key[UUID_SIZE];
    AUTO_FREE char *text = basic_decode(encoded);
    if (!text) {
        found_fail(found, argument, "The Basic authorization is malformed.", NULL);
        return;
    }
    basic_key(identity, text, key);
    if (basic_cached(identity, key, &user)) {
        found(&user, &good, argument);
        return;
    }
    BasicLogin *login = NEW(BasicLogin);
    *login = (BasicLogin){.identity = identity, .found = found, .argument = argument};
    memcpy(login->key, key, UUID_SIZE);
    char *password = strchr(text, ':');
    *password++ = 0;
    identity_login(identity, text, password, http_peer(http), basic_checked, login);
}

// ---- requests

static char *cookie_value(const char *cookies, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = cookies; at && *at; at = strchr(at, ';')) {
        at += strspn(at, "; ");
        if (!strncmp(at, name, length) && at[length] == '=')
            return memory_bytes(at + length + 1, strcspn(at + length + 1, ";"));
    }
    return NULL;
}

void identity_of_http(Identity *identity, Http *http, const char *token, IdentityFound found,
                      void *argument)
{
    const char *authorization = http_header(http, "Authorization");
    AUTO_FREE char *cookie = cookie_value(http_header(http, "Cookie"), "JSESSIONID");
    if (token)
        identity_of_token(identity, token, found, argument);
    else if (authorization && !strncasecmp(authorization, "Bearer ", 7))
        identity_of_token(identity, authorization + 7, found, argument);
    else if (authorization && !strncasecmp(authorization, "Basic ", 6))
        identity_of_basic(identity, http, authorization + 6, found, argument);
    else if (cookie)
        identity_of_token(identity, cookie, found, argument);
    else
        found_fail(found, argument, "This needs a login.",
                   "Send a bearer token from " SSO_PREFIX "/oauth/token, or Basic authorization");
}

typedef struct PersistentLogin {
    Request *request;
    IdentityFound found;
    User user;
    char *token;
} PersistentLogin;

static void persistent_durable(const Fail *why, void *argument)
{
    PersistentLogin *login = argument;
    if (!fail_is_set(why)) {
        AUTO_FREE char *cookie = memory_format(
            "JSESSIONID=%s; Path=" API_PREFIX "; Secure; HttpOnly; SameSite=Strict", login->token);
        http_add_header(login->request->http, "Set-Cookie", cookie);
    }
    login->found(&login->user, why, login->request);
    free(login->token);
    free(login);
}

static void persistent_begin(PersistentLogin *login, const User *user)
{
    Request *request = login->request;
    const char *minutes = http_header(request->http, "Session-TTL");
    int64_t expires;
    login->user = *user;
    Change *change = change_new(request->manager, &request->cause);
    login->token = identity_new_session(request->manager->identity, change, user, API_SCOPE,
                                        minutes ? atoi(minutes) : 0, &expires);
    change_commit(change, persistent_durable, login);
}

// The session whose token the request carries, NULL after a Basic login.
static Entity *session_of_request(Request *request, bool *ret_cookie)
{
    const char *authorization = http_header(request->http, "Authorization");
    AUTO_FREE char *cookie = cookie_value(http_header(request->http, "Cookie"), "JSESSIONID");
    *ret_cookie = !authorization && cookie;
    if (*ret_cookie)
        return identity_session(request->manager->identity, cookie);
    if (authorization && !strncasecmp(authorization, "Bearer ", 7))
        return identity_session(request->manager->identity, authorization + 7);
    return NULL;
}

static void request_found(const User *user, const Fail *why, void *argument)
{
    PersistentLogin *login = argument;
    Request *request = login->request;
    const char *prefer = http_header(request->http, "Prefer");
    bool persistent = prefer && strcasestr(prefer, "persistent-auth"), by_cookie = false;
    Entity *session = fail_is_set(why) ? NULL : session_of_request(request, &by_cookie);
    const char *scope = session ? ENTITY_OBJECT(session, SessionToken)->scope : NULL;
    if (!fail_is_set(why) && !session && persistent) {
        persistent_begin(login, user);
        return;
    }
    if (scope && *scope && !strstr(scope, API_SCOPE)) {
        found_fail(login->found, request, "The token was not given for the API.",
                   "Ask for one with the scope " API_SCOPE);
        free(login);
        return;
    }
    if (by_cookie && !persistent && session) { // such a request is the last of its session
        Change *change = change_new(request->manager, &request->cause);
        change_remove(change, session);
        change_commit(change, NULL, NULL);
    }
    login->found(user, why, request);
    free(login);
}

void identity_of_request(Identity *identity, Request *request, IdentityFound found)
{
    PersistentLogin *login = NEW(PersistentLogin);
    login->request = request;
    login->found = found;
    identity_of_http(identity, request->http, NULL, request_found, login);
}
