#include "agent/enrol.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <curl/curl.h>

#include "agent/console/spice_tls.h"
#include "agent/identity.h"
#include "base/certificate.h"
#include "base/file.h"
#include "base/json.h"
#include "base/spawn.h"

enum { ENROL_ANSWER_MAX = 1024 * 1024, ENROL_SECONDS = 30, RESTART_MS = 60000 };

int enrol_parse(EnrolOptions *options, int *argc, char **argv, Fail *why)
{
    const struct {
        const char *name;
        const char **value;
    } rows[] = {
        {"--manager", &options->manager},         {"--token", &options->token},
        {"--fingerprint", &options->fingerprint}, {"--name", &options->name},
        {"--address", &options->address},
    };
    int kept = 1;
    for (int i = 2; i < *argc; i++) {
        size_t row = 0;
        while (row < COUNT_OF(rows) && strcmp(rows[row].name, argv[i]))
            row++;
        if (row == COUNT_OF(rows))
            argv[kept++] = argv[i];
        else if (i + 1 < *argc)
            *rows[row].value = argv[++i];
    }
    *argc = kept;
    argv[kept] = NULL;
    if (!options->manager || !options->token)
        return fail_set(why, FAIL_INCOMPLETE, "--manager and --token are needed.");
    if (strncmp(options->manager, "https://", 8))
        return fail_set(why, FAIL_INVALID, "--manager is a URL that begins with https://.");
    return 0;
}

static size_t enrol_receive(char *data, size_t size, size_t count, void *argument)
{
    StrBuf *answer = argument;
    if (answer->length + size * count > ENROL_ANSWER_MAX)
        return 0;
    strbuf_add(answer, data, size * count);
    return size * count;
}

// curl's TLS library takes authorities from a file only: one in memory. -1 when there is none.
static int enrol_authority_file(const char *authority, char path[32])
{
    int fd = authority ? memfd_create("authority", MFD_CLOEXEC) : -1;
    if (fd >= 0 && write(fd, authority, strlen(authority)) != (ssize_t)strlen(authority)) {
        close(fd);
        fd = -1;
    }
    snprintf(path, 32, "/proc/self/fd/%d", fd);
    return fd;
}

static int enrol_http(const char *url, const char *authority, const char *body, StrBuf *answer,
                      long *ret_status, Fail *why)
{
    char error[CURL_ERROR_SIZE] = "";
    CURL *curl = curl_easy_init();
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    char path[32];
    int trust = enrol_authority_file(authority, path);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, enrol_receive);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)ENROL_SECONDS);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    if (authority)
        curl_easy_setopt(curl, CURLOPT_CAINFO, path);
    else { // the first contact fetches the authority; its fingerprint is judged by the caller
        curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    if (body) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    }
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, ret_status);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    if (trust >= 0)
        close(trust);
    if (code == CURLE_OK)
        return 0;
    fail_set(why, FAIL_UNAVAILABLE, "The manager at %s can't be reached.", url);
    fail_detail(why, "%s", *error ? error : curl_easy_strerror(code));
    return fail_to_errno(FAIL_UNAVAILABLE);
}

static bool enrol_same_fingerprint(const char *one, const char *other)
{
    for (;; one++, other++) {
        while (*one == ':')
            one++;
        while (*other == ':')
            other++;
        if ((*one | 0x20) != (*other | 0x20))
            return false;
        if (!*one)
            return true;
    }
}

static int enrol_fetch_authority(const EnrolOptions *options, char **ret_authority, Fail *why)
{
    long status = 0;
    AUTO_STRBUF answer = {0};
    AUTO_FREE char *url = memory_format("%s/ca.crt", options->manager);
    int result = enrol_http(url, NULL, NULL, &answer, &status, why);
    if (result)
        return result;
    AUTO_FREE char *fingerprint = status == 200 ? certificate_fingerprint(answer.data) : NULL;
    if (!fingerprint)
        return fail_set(why, FAIL_UNAVAILABLE, "%s is no certificate.", url);
    if (options->fingerprint && !enrol_same_fingerprint(fingerprint, options->fingerprint)) {
        fail_set(why, FAIL_FORBIDDEN, "The manager's authority is not the expected one.");
        fail_detail(why, "its fingerprint is %s", fingerprint);
        return fail_to_errno(FAIL_FORBIDDEN);
    }
    if (!options->fingerprint)
        fprintf(stderr, "The manager's authority has the fingerprint %s.\n", fingerprint);
    *ret_authority = strbuf_take(&answer);
    return 0;
}

static char *enrol_body(const Agent *agent, const EnrolOptions *options, const char *request)
{
    char name[256] = "host";
    AUTO_STRBUF body = {0};
    AUTO_FREE char *id = agent_host_id(&agent->config);
    AUTO_FREE char *address =
        options->address ? memory_string(options->address) : agent_host_address(&agent->config);
    gethostname(name, sizeof(name) - 1);
    JsonWriter writer = {.out = &body};
    json_open(&writer, '{');
    json_add_string(&writer, "token", options->token);
    json_add_string(&writer, "host_id", id);
    json_add_string(&writer, "name", options->name ? options->name : name);
    json_add_string(&writer, "address", address);
    json_add_integer(&writer, "port", agent->config.listen_port);
    json_add_string(&writer, "request", request);
    json_close(&writer, '}');
    return strbuf_take(&body);
}

static int enrol_keep(const Agent *agent, const char *key, const char *certificate,
                      const char *authority, Fail *why)
{
    AUTO_FREE char *folder = agent_pki_path(&agent->config, "");
    const struct {
        const char *file, *text;
        mode_t mode;
    } rows[] = {
        {"agent.key", key, 0600}, {"ca.crt", authority, 0644}, {"agent.crt", certificate, 0644}};
    int result = directory_make(folder, 0700);
    for (size_t i = 0; !result && i < COUNT_OF(rows); i++) {
        AUTO_FREE char *path = agent_pki_path(&agent->config, rows[i].file);
        result = file_write_atomic(path, rows[i].text, strlen(rows[i].text), rows[i].mode);
    }
    return result ? fail_errno(why, FAIL_INTERNAL, result, "The certificates can't be kept in %s",
                               folder)
                  : 0;
}

static int enrol_accept(const Agent *agent, const char *answer, size_t length, long status,
                        const char *key, Fail *why)
{
    AUTO_ARENA arena = {0};
    Json *json = json_parse(&arena, answer, length, NULL, NULL);
    const char *certificate = json_get_string(json, "certificate");
    const char *authority = json_get_string(json, "authority");
    if (status != 200 || !certificate || !authority) {
        const char *text = json_get_string(json, "detail");
        fail_set(why, FAIL_FORBIDDEN, "The manager refused the host.");
        fail_detail(why, "%s", text ? text : "no reason was given");
        return fail_to_errno(FAIL_FORBIDDEN);
    }
    int result = enrol_keep(agent, key, certificate, authority, why);
    if (!result)
        printf("This host has joined as %s.\n", json_get_string(json, "name"));
    return result;
}

// Its guests live on without it.
static int enrol_encrypt_consoles(Fail *why)
{
    const char *restart[] = {"systemctl", "try-restart", "libvirtd.service", NULL};
    int result = spice_tls_switch_on(why);
    if (result <= 0)
        return result;
    if (access("/run/systemd/system", F_OK)) {
        puts("SPICE consoles are encrypted when libvirtd has been started again.");
        return 0;
    }
    if ((result = spawn_run(restart, NULL, RESTART_MS, NULL, why)))
        return result;
    puts("libvirtd was started again: from now on SPICE consoles are encrypted.");
    return 0;
}

// The host has joined and its token is spent: what goes wrong now is told, and no failure.
static void enrol_settle(void)
{
    AUTO_FAIL why = {0};
    if (!enrol_encrypt_consoles(&why))
        return;
    AUTO_FREE char *text = fail_text(&why);
    fprintf(stderr, "SPICE consoles stay in the clear: %s\n", text);
}

int enrol_run(Agent *agent, const EnrolOptions *options, Fail *why)
{
    AUTO_FREE char *authority = NULL, *request = NULL, *key = NULL;
    AUTO_STRBUF answer = {0};
    long status = 0;
    int result = directory_make(agent->config.state_directory, 0700);
    if (result)
        return fail_errno(why, FAIL_INTERNAL, result, "%s can't be made",
                          agent->config.state_directory);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    if ((result = enrol_fetch_authority(options, &authority, why)) ||
        (result = certificate_make_request("vireo-agent", &request, &key, why)))
        return result;
    AUTO_FREE char *body = enrol_body(agent, options, request);
    AUTO_FREE char *url = memory_format("%s/vireo/enrol", options->manager);
    if ((result = enrol_http(url, authority, body, &answer, &status, why)))
        return result;
    result = enrol_accept(agent, answer.data, answer.length, status, key, why);
    if (!result)
        enrol_settle();
    return result;
}
