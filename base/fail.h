// An error that a person will read: what failed, on which object, why, and what to do next.
//
// A function that can fail in front of a user takes `Fail *why` last and returns 0 or a negative
// errno. `why` may be NULL when the caller does not care. The first failure wins: a Fail that is
// already set is kept, so a caller can add context with fail_prefix() and return.
#pragma once

#include "base/memory.h"

typedef enum FailCode {
    FAIL_NONE,
#define FAIL_CODE(name, http, error, reason) FAIL_##name,
#include "base/fail_codes.def"
#undef FAIL_CODE
    _FAIL_MAX,
} FailCode;

typedef struct Fail {
    FailCode code;
    char *message; // one sentence, names the object
    char *detail;  // the cause as the lower layer told it, may be NULL
    char *hint;    // what to do next, may be NULL
    char *object;  // id of the object, may be NULL
} Fail;

#define AUTO_FAIL __attribute__((cleanup(fail_done))) Fail

void fail_done(Fail *why);
void fail_move(Fail *to, Fail *from);
void fail_copy(Fail *to, const Fail *from);

int fail_set(Fail *why, FailCode code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
// With the text of an errno as detail.
int fail_errno(Fail *why, FailCode code, int error, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void fail_detail(Fail *why, const char *format, ...) __attribute__((format(printf, 2, 3)));
void fail_hint(Fail *why, const char *format, ...) __attribute__((format(printf, 2, 3)));
void fail_object(Fail *why, const char *id);
// Puts text in front of the message: "Cannot start VM web: " + "no host is up."
void fail_prefix(Fail *why, const char *format, ...) __attribute__((format(printf, 2, 3)));

bool fail_is_set(const Fail *why);
int fail_http_status(FailCode code);
int fail_to_errno(FailCode code);
const char *fail_reason(FailCode code);
const char *fail_name(FailCode code);
// Whole text in one line: message, cause, hint. The caller frees it.
char *fail_text(const Fail *why);
