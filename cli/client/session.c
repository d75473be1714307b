#include "cli/client/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <curl/curl.h>
#include <openssl/evp.h>

#include "base/file.h"
#include "base/json.h"

enum { SESSION_FILE_MAX = 64 * 1024 };

// ---- names

// A folder of the user's: "$variable/vireo" or "~/fallback/vireo".
static char *user_folder(const char *variable, const char *fallback)
{
    const char *base = getenv(variable), *home = getenv("HOME");
    if (base && *base == '/')
        return memory_format("%s/vireo", base);
    return memory_format("%s/%s/vireo", home && *home ? home : "/", fallback);
}

char *session_file(void)
{
    AUTO_FREE char *folder = user_folder("XDG_CONFIG_HOME", ".config");
    return memory_format("%s/session.json", folder);
}

char *session_ca_file(void)
{
    AUTO_FREE char *folder = user_folder("XDG_CONFIG_HOME", ".config");
    return memory_format("%s/ca.pem", folder);
}

// Where the token of a connection file is kept, so that not every command logs in.
static char *token_file(const char *url, const char *user)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    AUTO_FREE char *both = memory_format("%s\n%s", url, user);
    AUTO_FREE char *folder = user_folder("XDG_CACHE_HOME", ".cache");
    EVP_Digest(both, strlen(both), digest, NULL, EVP_sha256(), NULL);
    return memory_format("%s/token-%02x%02x%02x%02x%02x%02x.json", folder, digest[0], digest[1],
                         digest[2], digest[3], digest[4], digest[5]);
}

char *url_origin(const char *text)
{
    AUTO_FREE char *whole =
        strstr(text, "://") ? memory_string(text) : memory_format("https://%s", text);
    CURLU *url = curl_url();
    char *scheme = NULL, *host = NULL, *port = NULL, *origin = NULL;
    if (!curl_url_set(url, CURLUPART_URL, whole, 0) &&
        !curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) && !strcmp(scheme, "https") &&
        !curl_url_get(url, CURLUPART_HOST, &host, 0)) {
        curl_url_get(url, CURLUPART_PORT, &port, 0);
        origin = memory_format("https://%s%s%s", host, port ? ":" : "", port ? port : "");
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(url);
    return origin;
}

void form_add(StrBuf *form, const char *name, const char *value)
{
    char *quoted = curl_easy_escape(NULL, value, 0);
    strbuf_addf(form, "%s%s=%s", form->length ? "&" : "", name, quoted);
    curl_free(quoted);
}

// ---- files

static int session_read(Arena *arena, const char *path, const Json **ret, Fail *why)
{
    AUTO_FREE char *text = NULL;
    size_t length;
    int result = file_read(path, SESSION_FILE_MAX, &text, &length);
    if (result)
        return fail_errno(why, FAIL_INVALID, result, "%s can't be read", path);
    *ret = json_parse(arena, arena_bytes(arena, text, length), length, NULL, NULL);
    if (!json_get_string(*ret, "url") || !json_get_string(*ret, "user"))
        return fail_set(why, FAIL_INVALID, "%s is no connection: url and user are needed.", path);
    return 0;
}

static int session_fill(Session *session, const Json *json, Fail *why)
{
    const char *url = json_get_string(json, "url");
    session->url = url_origin(url);
    session->user = memory_string(json_get_string(json, "user"));
    session->password = memory_string(json_get_string(json, "password"));
    session->token = memory_string(json_get_string(json, "token"));
    session->ca_file = memory_string(json_get_string(json, "ca_file"));
    if (!session->url)
        return fail_set(why, FAIL_INVALID, "\"%s\" is no https URL.", url);
    if (!session->ca_file)
        return fail_set(why, FAIL_INVALID, "The connection names no ca_file.");
    session->http = http_client_new(session->ca_file);
    return 0;
}

static void session_recall_token(Session *session)
{
    AUTO_ARENA arena;
    const Json *json;
    arena_init(&arena, 4096);
    session->file = token_file(session->url, session->user);
    if (!session->token && !session_read(&arena, session->file, &json, NULL))
        session->token = memory_string(json_get_string(json, "token"));
}

int session_open(const char *connection, Session *ret, Fail *why)
{
    AUTO_ARENA arena;
    const Json *json;
    AUTO_FREE char *login = session_file();
    arena_init(&arena, 4096);
    if (!connection || !*connection)
        connection = getenv("VIREO_CONNECTION");
    bool own = !connection || !*connection;
    if (own && access(login, F_OK) < 0) {
        fail_set(why, FAIL_UNAUTHENTICATED, "You are not logged in to a manager.");
        fail_hint(why, "Use vireo login URL, or --connection FILE");
        return -EACCES;
    }
    int result = session_read(&arena, own ? login : connection, &json, why);
    if (!result)
        result = session_fill(ret, json, why);
    if (!result && own)
        ret->file = TAKE(login);
    else if (!result)
        session_recall_token(ret);
    return result;
}

void session_done(Session *session)
{
    free(session->url);
    free(session->user);
    free(session->token);
    free(session->password);
    free(session->ca_file);
    free(session->file);
    http_client_free(session->http);
    *session = (Session){0};
}

int session_save(const Session *session, Fail *why)
{
    AUTO_STRBUF text = {0};
    JsonWriter writer = {.out = &text};
    AUTO_FREE char *folder = memory_string(session->file);
    *strrchr(folder, '/') = 0;
    json_open(&writer, '{');
    json_add_string(&writer, "url", session->url);
    json_add_string(&writer, "user", session->user);
    json_add_string(&writer, "token", session->token);
    json_add_string(&writer, "ca_file", session->ca_file);
    json_close(&writer, '}');
    strbuf_addc(&text, '\n');
    int result = directory_make(folder, 0700);
    if (!result)
        result = file_write_atomic(session->file, text.data, text.length, 0600);
    if (result)
        return fail_errno(why, FAIL_INVALID, result, "%s can't be written", session->file);
    return 0;
}

// ---- tokens

static int token_refused(const Session *session, const HttpAnswer *answer, const Json *json,
                         Fail *why)
{
    const char *text = json_get_string(json, "error_description");
    if (!text)
        text = json_get_string(json, "error");
    if (answer->status == 503)
        fail_set(why, FAIL_UNAVAILABLE, "The manager at %s is not ready.", session->url);
    else if (json)
        fail_set(why, FAIL_UNAUTHENTICATED, "%s", text ? text : "The manager refused the login.");
    else
        fail_set(why, FAIL_INTERNAL, "%s does not answer like a Vireo manager (status %d).",
                 session->url, answer->status);
    return fail_to_errno(FAIL_UNAUTHENTICATED);
}

int session_authenticate(Session *session, const char *password, Fail *why)
{
    static const char *const headers[] = {"Content-Type: application/x-www-form-urlencoded",
                                          "Accept: application/json", NULL};
    AUTO_ARENA arena;
    AUTO_STRBUF form = {0};
    AUTO_FREE char *url = memory_format("%s/ovirt-engine/sso/oauth/token", session->url);
    arena_init(&arena, 4096);
    form_add(&form, "grant_type", "password");
    form_add(&form, "scope", "ovirt-app-api");
    form_add(&form, "username", session->user);
    form_add(&form, "password", password);
    HttpAnswer answer = {0};
    HttpCall call = {
        .method = "POST", .url = url, .headers = headers, .body = form.data, .length = form.length};
    int result = http_call(session->http, &call, &answer, why);
    explicit_bzero(form.data, form.length);
    if (result)
        return result;
    const Json *json = json_parse(&arena, answer.body.data, answer.body.length, NULL, NULL);
    const char *token = json_get_string(json, "access_token");
    if (answer.status != 200 || !token)
        result = token_refused(session, &answer, json, why);
    else {
        free(session->token);
        session->token = memory_string(token);
        session_save(session, NULL); // without it the next command logs in again
    }
    strbuf_done(&answer.body);
    return result;
}
