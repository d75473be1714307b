#include "base/http_head.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

size_t http_head_end(const char *data, size_t length)
{
    const char *at = data, *end = data + length;
    while ((at = memchr(at, '\n', (size_t)(end - at)))) {
        at++;
        if (end - at >= 2 && at[0] == '\r' && at[1] == '\n')
            return (size_t)(at - data) + 2;
        if (end - at >= 1 && at[0] == '\n')
            return (size_t)(at - data) + 1; // bare LF: ends the head, the parser refuses it
    }
    return 0;
}

static bool http_token_char(unsigned char c)
{
    return isalnum(c) || (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool http_is_token(const char *text)
{
    for (const char *at = text; *at; at++)
        if (!http_token_char((unsigned char)*at))
            return false;
    return *text != 0;
}

static int http_parse_request_line(char *line, HttpHead *head, const char **ret_error)
{
    char *target = strchr(line, ' ');
    char *version = target ? strchr(target + 1, ' ') : NULL;
    if (!version || strchr(version + 1, ' ')) {
        *ret_error = "The request line must have a method, a target and a version.";
        return 400;
    }
    *target++ = *version++ = 0;
    if (!http_is_token(line)) {
        *ret_error = "The method has characters that it must not have.";
        return 400;
    }
    if (strncmp(version, "HTTP/1.", 7) || (version[7] != '0' && version[7] != '1') || version[8]) {
        *ret_error = "Only HTTP/1.0 and HTTP/1.1 are spoken here.";
        return strncmp(version, "HTTP/", 5) ? 400 : 505;
    }
    for (const char *at = target; *at; at++)
        if ((unsigned char)*at <= 0x20 || (unsigned char)*at >= 0x7f || *at == '#') {
            *ret_error = "The target has characters that must be escaped.";
            return 400;
        }
    if (*target != '/' && strcmp(target, "*")) {
        *ret_error = "The target must be a path.";
        return 400;
    }
    char *query = strchr(target, '?');
    if (query)
        *query++ = 0;
    head->method = line;
    head->path = target;
    head->query = query ? query : "";
    head->minor = version[7] - '0';
    return 0;
}

static int http_parse_header_line(char *line, HttpHead *head, const char **ret_error)
{
    char *colon = strchr(line, ':');
    if (!colon) {
        *ret_error = "A header line has no colon.";
        return 400;
    }
    *colon = 0;
    if (!http_is_token(line)) { // covers folded lines and a space before the colon
        *ret_error = "A header name has characters that it must not have.";
        return 400;
    }
    char *value = colon + 1 + strspn(colon + 1, " \t");
    char *end = value + strlen(value);
    while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
        *--end = 0;
    for (const char *at = value; *at; at++)
        if ((unsigned char)*at < 0x20 && *at != '\t') {
            *ret_error = "A header value has a control character.";
            return 400;
        }
    if (head->count == HTTP_HEADERS_MAX) {
        *ret_error = "Too many header lines.";
        return 431;
    }
    head->headers[head->count++] = (HttpHeader){line, value};
    return 0;
}

static bool http_parse_length(const char *text, int64_t *ret)
{
    size_t digits = strspn(text, "0123456789");
    if (!digits || text[digits] || digits > 18)
        return false;
    *ret = strtoll(text, NULL, 10);
    return true;
}

static bool http_list_has(const char *list, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = list; at; at = strchr(at, ',')) {
        at += strspn(at, ", \t");
        const char *next = at + length;
        if (!strncasecmp(at, word, length) && strchr(", \t", *next))
            return true;
        if (!*at)
            break;
    }
    return false;
}

static int http_judge(HttpHead *head, const char **ret_error)
{
    int lengths = 0, encodings = 0, hosts = 0;
    head->keep_alive = head->minor == 1;
    for (int i = 0; i < head->count; i++) {
        const HttpHeader *header = &head->headers[i];
        if (!strcasecmp(header->name, "Content-Length")) {
            if (!http_parse_length(header->value, &head->length) || lengths++) {
                *ret_error = "Content-Length must be one decimal number, given once.";
                return 400;
            }
            head->has_length = true;
        } else if (!strcasecmp(header->name, "Transfer-Encoding")) {
            if (strcasecmp(header->value, "chunked") || encodings++) {
                *ret_error = "The only transfer encoding understood here is chunked.";
                return 501;
            }
            head->chunked = true;
        } else if (!strcasecmp(header->name, "Host")) {
            hosts++;
        } else if (!strcasecmp(header->name, "Connection")) {
            if (http_list_has(header->value, "close"))
                head->keep_alive = false;
            else if (head->minor == 0 && http_list_has(header->value, "keep-alive"))
                head->keep_alive = true;
        } else if (!strcasecmp(header->name, "Expect")) {
            head->expects_continue = head->minor == 1 && !strcasecmp(header->value, "100-continue");
        }
    }
    if (lengths && encodings) {
        *ret_error = "A request has either a Content-Length or a Transfer-Encoding, not both.";
        return 400;
    }
    if (hosts > 1 || (head->minor == 1 && !hosts)) {
        *ret_error = "A request needs exactly one Host header.";
        return 400;
    }
    if (head->minor == 0 && head->chunked) {
        *ret_error = "HTTP/1.0 has no transfer encodings.";
        return 400;
    }
    return 0;
}

int http_head_parse(char *head, size_t length, HttpHead *ret, const char **ret_error)
{
    *ret = (HttpHead){0};
    if (memchr(head, 0, length)) {
        *ret_error = "The head has a NUL byte.";
        return 400;
    }
    char *at = head, *end = head + length;
    for (int line = 0;; line++) {
        char *stop = memchr(at, '\n', (size_t)(end - at));
        if (!stop || stop == at || stop[-1] != '\r') {
            *ret_error = "Lines of the head end with CR LF.";
            return 400;
        }
        stop[-1] = 0;
        if (memchr(at, '\r', (size_t)(stop - 1 - at))) {
            *ret_error = "A line of the head has a stray CR.";
            return 400;
        }
        if (line == 0 && stop - at > HTTP_LINE_MAX) {
            *ret_error = "The request line is too long.";
            return 414;
        }
        if (line && stop - at == 1)
            return http_judge(ret, ret_error);
        int status = line ? http_parse_header_line(at, ret, ret_error)
                          : http_parse_request_line(at, ret, ret_error);
        if (status)
            return status;
        at = stop + 1;
    }
}

const char *http_head_get(const HttpHead *head, const char *name)
{
    for (int i = 0; i < head->count; i++)
        if (!strcasecmp(head->headers[i].name, name))
            return head->headers[i].value;
    return NULL;
}

bool http_head_lists(const HttpHead *head, const char *name, const char *word)
{
    for (int i = 0; i < head->count; i++)
        if (!strcasecmp(head->headers[i].name, name) && http_list_has(head->headers[i].value, word))
            return true;
    return false;
}

static int http_hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool http_decode(char *text, bool plus_is_space)
{
    char *to = text;
    for (const char *at = text; *at; at++) {
        if (*at == '+' && plus_is_space) {
            *to++ = ' ';
        } else if (*at == '%') {
            int high = http_hex(at[1]), low = high < 0 ? -1 : http_hex(at[2]);
            if (low < 0 || !(high | low))
                return false;
            *to++ = (char)(high << 4 | low);
            at += 2;
        } else {
            *to++ = *at;
        }
    }
    *to = 0;
    return true;
}
