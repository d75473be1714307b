// Logging in and out. The authority of a manager seen for the first time is shown by its
// fingerprint and must be confirmed; from then on it is the only one trusted.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/certificate.h"
#include "base/file.h"
#include "cli/cli.h"
#include "cli/client/prompt.h"
#include "cli/client/rest.h"
#include "cli/verbs/runs.h"

enum { CERTIFICATE_MAX = 256 * 1024 };

static int authority_fetch(const char *url, char **ret, Fail *why)
{
    AUTO(http_client) HttpClient *anybody = http_client_new(NULL);
    AUTO_FREE char *whole = memory_format(
        "%s/ovirt-engine/services/pki-resource?resource=ca-certificate&format=X509-PEM-CA", url);
    HttpAnswer answer = {0};
    int result = http_call(anybody, &(HttpCall){.method = "GET", .url = whole}, &answer, why);
    if (result)
        return result;
    if (answer.status == 200 && strstr(answer.body.data, "BEGIN CERTIFICATE"))
        *ret = strbuf_take(&answer.body);
    else
        result = fail_set(why, FAIL_INTERNAL, "%s does not answer like a Vireo manager.", url);
    strbuf_done(&answer.body);
    return result;
}

// Two fingerprints are the same whatever colons and case they are written with.
static bool fingerprint_equal(const char *one, const char *other)
{
    for (;;) {
        one += strspn(one, ": ");
        other += strspn(other, ": ");
        if (!*one || strncasecmp(one, other, 1))
            return !*one && !*other;
        one++;
        other++;
    }
}

static int authority_confirm(const Command *command, const char *url, const char *certificate,
                             Fail *why)
{
    AUTO_FREE char *fingerprint = certificate_fingerprint(certificate);
    AUTO_FREE char *subject = certificate_subject(certificate);
    const char *wanted = command_text(command, "fingerprint");
    if (!fingerprint)
        return fail_set(why, FAIL_INTERNAL, "%s has sent no certificate.", url);
    if (wanted && fingerprint_equal(wanted, fingerprint))
        return 0;
    if (wanted) {
        fail_set(why, FAIL_INVALID, "The authority of %s has another fingerprint: %s.", url,
                 fingerprint);
        fail_hint(why, "Somebody may be in between. Compare it on the manager's machine");
        return -EINVAL;
    }
    fprintf(stderr, "The authority of %s is not known yet:\n  %s\n  SHA-256 %s\n", url,
            subject ? subject : "", fingerprint);
    AUTO_FREE char *hint =
        memory_format("When the fingerprint is right, use --fingerprint %s", fingerprint);
    return prompt_confirm("Trust it?", hint, why);
}

// The certificate that is trusted already because it was confirmed before.
static bool authority_known(const char *path, const char *certificate)
{
    AUTO_FREE char *known = NULL;
    return !file_read(path, CERTIFICATE_MAX, &known, NULL) && !strcmp(known, certificate);
}

static int authority_write(const char *path, const char *certificate, Fail *why)
{
    AUTO_FREE char *folder = memory_string(path);
    *strrchr(folder, '/') = 0;
    int result = directory_make(folder, 0700);
    if (!result)
        result = file_write_atomic(path, certificate, strlen(certificate), 0600);
    return result ? fail_errno(why, FAIL_INVALID, result, "%s can't be written", path) : 0;
}

static int authority_settle(const Command *command, const Session *session, Fail *why)
{
    AUTO_FREE char *certificate = NULL;
    const char *file = command_text(command, "ca-file");
    int result = 0;
    if (file) {
        result = file_read(file, CERTIFICATE_MAX, &certificate, NULL);
        if (result)
            return fail_errno(why, FAIL_INVALID, result, "%s can't be read", file);
    } else {
        result = authority_fetch(session->url, &certificate, why);
        bool known = !result && !command_text(command, "fingerprint") &&
                     authority_known(session->ca_file, certificate);
        if (!result && !known)
            result = authority_confirm(command, session->url, certificate, why);
    }
    return result ? result : authority_write(session->ca_file, certificate, why);
}

// Without a URL it is the manager of the last login.
static int login_url(const Command *command, char **ret, Fail *why)
{
    const char *given = command_text(command, "URL");
    Session last = {0};
    if (given) {
        *ret = url_origin(given);
        return *ret ? 0 : fail_set(why, FAIL_INVALID, "\"%s\" is no https URL.", given);
    }
    AUTO_FREE char *file = session_file();
    if (access(file, F_OK) < 0)
        return fail_set(why, FAIL_INVALID, "Which manager? Give its URL.");
    unsetenv("VIREO_CONNECTION");
    int result = session_open(NULL, &last, why);
    if (!result)
        *ret = TAKE(last.url);
    session_done(&last);
    return result;
}

static int login_password(const Command *command, const Session *session, char **ret, Fail *why)
{
    const char *file = command_text(command, "password-file");
    AUTO_FREE char *question = memory_format("Password of %s: ", session->user);
    if (file || !isatty(STDIN_FILENO))
        return secret_read(file ? file : "-", ret, why);
    return prompt_secret(question, ret, why);
}

int run_login(Cli *cli, Fail *why)
{
    const Command *command = &cli->command;
    Session *session = &cli->session;
    AUTO_SECRET char *password = NULL;
    const char *user = command_text(command, "user");
    int result = login_url(command, &session->url, why);
    if (result)
        return result;
    session->user = strchr(user, '@') ? memory_string(user) : memory_format("%s@internal", user);
    session->ca_file = session_ca_file();
    session->file = session_file();
    result = authority_settle(command, session, why);
    if (!result)
        result = login_password(command, session, &password, why);
    if (result)
        return result;
    session->http = http_client_new(session->ca_file);
    result = session_authenticate(session, password, why);
    if (!result)
        result = session_save(session, why);
    if (!result && !cli->quiet)
        printf("Logged in to %s as %s\n", session->url, session->user);
    return result;
}

int run_logout(Cli *cli, Fail *why)
{
    Session *session = &cli->session;
    AUTO_STRBUF form = {0};
    HttpAnswer answer = {0};
    int result = session_open(command_text(&cli->command, "connection"), session, why);
    if (result)
        return result;
    form_add(&form, "scope", "ovirt-app-api");
    form_add(&form, "token", session->token ? session->token : "");
    RestRequest request = {.method = "POST",
                           .path = "/ovirt-engine/services/sso-logout",
                           .body = form.data,
                           .length = form.length,
                           .type = "application/x-www-form-urlencoded",
                           .outside = true};
    AUTO_FAIL trouble = {0};
    // The token is forgotten here in any case.
    if (session->token && rest_send(cli, &request, &answer, &trouble))
        fprintf(stderr, "vireo: the manager could not be told: %s\n", trouble.message);
    strbuf_done(&answer.body);
    if (unlink(session->file) < 0 && errno != ENOENT)
        return fail_errno(why, FAIL_INVALID, errno, "%s can't be removed", session->file);
    if (!cli->quiet)
        printf("Logged out of %s\n", session->url);
    return 0;
}
