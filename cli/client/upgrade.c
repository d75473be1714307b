#include "cli/client/upgrade.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/http_head.h"
#include "cli/client/rest.h"

enum {
    UPGRADE_WAIT_MS = 45000,    // for the answer
    UPGRADE_ANSWER_MAX = 65536, // bytes of a refusal
};

void upgrade_poll(HttpClient *client, bool write, int timeout_ms)
{
    struct pollfd one = {.fd = http_connection_fd(client),
                         .events = (short)(POLLIN | (write ? POLLOUT : 0))};
    poll(&one, 1, timeout_ms);
}

static int upgrade_lost(const Cli *cli, ssize_t result, Fail *why)
{
    if (http_interrupted())
        return fail_set(why, FAIL_UNAVAILABLE, "Interrupted.");
    fail_set(why, FAIL_UNAVAILABLE, "The connection to %s broke.", cli->session.url);
    fail_detail(why, "%s",
                result == -EAGAIN ? "it did not answer in time"
                : result          ? strerror((int)-result)
                                  : "it was closed without an answer");
    return fail_to_errno(FAIL_UNAVAILABLE);
}

static int upgrade_ask(Cli *cli, HttpClient *client, const char *path, const char *protocol,
                       Fail *why)
{
    const Session *session = &cli->session;
    AUTO_STRBUF out = {0};
    const char *host = strstr(session->url, "://");
    strbuf_addf(&out, "GET %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n", path,
                host ? host + 3 : session->url, session->token ? session->token : "");
    strbuf_addf(&out, "Connection: Upgrade\r\nUpgrade: %s\r\nCorrelation-Id: %s\r\n\r\n", protocol,
                cli->correlation);
    size_t sent = 0;
    ssize_t step = 0;
    while (sent < out.length && !http_interrupted()) {
        step = http_connection_send(client, out.data + sent, out.length - sent);
        if (step == -EAGAIN)
            upgrade_poll(client, true, 200);
        else if (step < 0)
            break;
        sent += step > 0 ? (size_t)step : 0;
    }
    bool whole = sent == out.length;
    explicit_bzero(out.data, out.length);
    return whole ? 0 : upgrade_lost(cli, step, why);
}

// Bytes that belong to the answer, 0 when it is not complete. Ours are short and have a length.
static size_t answer_length(const StrBuf *in, int *ret_status, size_t *ret_head)
{
    size_t head = in->length ? http_head_end(in->data, in->length) : 0;
    if (!head || strncmp(in->data, "HTTP/1.1 ", 9))
        return 0;
    AUTO_FREE char *text = memory_bytes(in->data, head);
    const char *length = strcasestr(text, "\r\nContent-Length:");
    *ret_status = atoi(text + 9);
    *ret_head = head;
    size_t body = length && *ret_status != 101 ? strtoul(length + 17, NULL, 10) : 0;
    return body <= in->length - head ? head + body : 0;
}

static int upgrade_answer(Cli *cli, HttpClient *client, const char *path, StrBuf *early, Fail *why)
{
    AUTO_STRBUF in = {0};
    int64_t deadline = clock_monotonic_ms() + UPGRADE_WAIT_MS;
    int status = 0;
    size_t head = 0, whole = 0;
    ssize_t got = -EAGAIN;
    while (!whole && in.length < UPGRADE_ANSWER_MAX && clock_monotonic_ms() < deadline &&
           !http_interrupted()) {
        strbuf_reserve(&in, 4096);
        got = http_connection_receive(client, in.data + in.length, 4096);
        if (got == -EAGAIN)
            upgrade_poll(client, false, 200);
        else if (got <= 0)
            break;
        in.length += got > 0 ? (size_t)got : 0;
        whole = answer_length(&in, &status, &head);
    }
    if (!whole)
        return upgrade_lost(cli, got, why);
    if (status == 101) {
        strbuf_add(early, in.data + whole, in.length - whole);
        return 0;
    }
    HttpAnswer answer = {.status = status < 300 ? 500 : status};
    RestRequest request = {.method = "GET", .path = path, .outside = true};
    strbuf_add(&answer.body, in.data + head, whole - head);
    int result = rest_fault(&cli->arena, &request, &answer, why);
    strbuf_done(&answer.body);
    return result;
}

int upgrade_open(Cli *cli, const char *path, const char *protocol, HttpClient **ret, StrBuf *early,
                 Fail *why)
{
    int result = rest_open(cli, why);
    if (result)
        return result;
    AUTO(http_client) HttpClient *client = http_client_new(cli->session.ca_file);
    AUTO_FREE char *url = memory_format("%s%s", cli->session.url, path);
    result = http_connect(client, url, why);
    if (!result)
        result = upgrade_ask(cli, client, path, protocol, why);
    if (!result)
        result = upgrade_answer(cli, client, path, early, why);
    if (!result)
        *ret = TAKE(client);
    return result;
}
