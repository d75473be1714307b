// How storage functions fail: they return the VdsmError the peer gets and fill a Fail for people.
#pragma once

#include "base/fail.h"
#include "proto/vdsm.h"

// Both return `error`, so that "return storage_fail(...)" works. `why` may be NULL.
int storage_fail(Fail *why, VdsmError error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
// With the words of an errno, and what to do about it where that is known. A full file system and
// a stale handle have numbers of their own, whatever `error` is.
int storage_errno(Fail *why, VdsmError error, int number, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
