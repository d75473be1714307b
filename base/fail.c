#include "base/fail.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"

typedef struct FailRow {
    const char *name;
    int http, error;
    const char *reason;
} FailRow;

static const FailRow fail_rows[_FAIL_MAX] = {
    [FAIL_NONE] = {"NONE", 200, 0, ""},
#define FAIL_CODE(name, http, error, reason) [FAIL_##name] = {#name, http, error, reason},
#include "base/fail_codes.def"
#undef FAIL_CODE
};

int fail_http_status(FailCode code)
{
    return fail_rows[code].http;
}

int fail_to_errno(FailCode code)
{
    return -fail_rows[code].error;
}

const char *fail_reason(FailCode code)
{
    return fail_rows[code].reason;
}

const char *fail_name(FailCode code)
{
    return fail_rows[code].name;
}

bool fail_is_set(const Fail *why)
{
    return why && why->code != FAIL_NONE;
}

void fail_done(Fail *why)
{
    free(why->message);
    free(why->detail);
    free(why->hint);
    free(why->object);
    *why = (Fail){0};
}

void fail_move(Fail *to, Fail *from)
{
    if (to && to != from) {
        fail_done(to);
        *to = *from;
    } else if (!to)
        fail_done(from);
    if (to != from)
        *from = (Fail){0};
}

void fail_copy(Fail *to, const Fail *from)
{
    *to = (Fail){
        .code = from->code,
        .message = memory_string(from->message),
        .detail = memory_string(from->detail),
        .hint = memory_string(from->hint),
        .object = memory_string(from->object),
    };
}

__attribute__((format(printf, 1, 0))) static char *fail_vformat(const char *format, va_list args)
{
    AUTO_STRBUF text = {0};
    strbuf_addv(&text, format, args);
    return strbuf_take(&text);
}

int fail_set(Fail *why, FailCode code, const char *format, ...)
{
    if (why && !fail_is_set(why)) {
        va_list args;
        va_start(args, format);
        why->code = code;
        why->message = fail_vformat(format, args);
        va_end(args);
    }
    return fail_to_errno(code);
}

int fail_errno(Fail *why, FailCode code, int error, const char *format, ...)
{
    if (why && !fail_is_set(why)) {
        va_list args;
        va_start(args, format);
        why->code = code;
        why->message = fail_vformat(format, args);
        why->detail = memory_string(strerror(abs(error)));
        va_end(args);
    }
    return error ? -abs(error) : fail_to_errno(code);
}

void fail_detail(Fail *why, const char *format, ...)
{
    if (!fail_is_set(why))
        return;
    va_list args;
    va_start(args, format);
    char *text = fail_vformat(format, args); // of the old one, perhaps
    va_end(args);
    free(why->detail);
    why->detail = text;
}

void fail_hint(Fail *why, const char *format, ...)
{
    if (!fail_is_set(why))
        return;
    va_list args;
    va_start(args, format);
    char *text = fail_vformat(format, args); // of the old one, perhaps
    va_end(args);
    free(why->hint);
    why->hint = text;
}

void fail_object(Fail *why, const char *id)
{
    if (!fail_is_set(why))
        return;
    char *copy = memory_string(id);
    free(why->object);
    why->object = copy;
}

void fail_prefix(Fail *why, const char *format, ...)
{
    if (!fail_is_set(why))
        return;
    va_list args;
    va_start(args, format);
    AUTO_FREE char *prefix = fail_vformat(format, args);
    va_end(args);
    char *whole = memory_format("%s%s", prefix, why->message);
    free(why->message);
    why->message = whole;
}

static void fail_add_sentence(StrBuf *text, const char *sentence)
{
    if (!sentence || !*sentence)
        return;
    if (text->length)
        strbuf_addc(text, ' ');
    strbuf_adds(text, sentence);
    if (!strchr(".!?", text->data[text->length - 1]))
        strbuf_addc(text, '.');
}

char *fail_text(const Fail *why)
{
    AUTO_STRBUF text = {0};
    fail_add_sentence(&text, why->message);
    if (why->detail && *why->detail) {
        AUTO_FREE char *cause = memory_format("Cause: %s", why->detail);
        fail_add_sentence(&text, cause);
    }
    fail_add_sentence(&text, why->hint);
    return strbuf_take(&text);
}
