// For tests only: cmocka, and a main() that runs every TEST of the file in its order.
//
//   TEST(empty_text_is_refused)
//   {
//       assert_false(uuid_valid(""));
//   }
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <uv.h>

#include "base/json.h"
#include "base/memory.h"

#define TEST(name)                                            \
    static void name(void **state);                           \
    __attribute__((constructor)) static void name##_add(void) \
    {                                                         \
        test_add(#name, name);                                \
    }                                                         \
    static void name(void **state)

void test_add(const char *name, void (*function)(void **state));
// A fresh directory under TMPDIR; the caller frees the name and removes the tree.
char *test_directory(void);
// True when `function` ends its process otherwise than by returning.
bool test_dies(void (*function)(void));
// A text of `count` times `text`; the caller frees it.
char *test_repeat(const char *text, size_t count);

// Fails unless the file holds exactly this text; with VIREO_GOLDEN=update in the environment it is
// written instead, to be read in the diff.
void test_golden(const char *path, const char *text);

// Each NAME.json of the folder is a question; `answer` writes what NAME`suffix` must hold.
typedef void TestAnswer(StrBuf *out, const Json *question, Arena *arena);
void test_golden_folder(const char *folder, const char *suffix, TestAnswer *answer);

// Waits a little for events and handles them. (uv_run(ONCE) may sleep on after a timer has run.)
void test_turn(uv_loop_t *loop);

// Handles events until the condition holds. A test that waits for ever is ended by main()'s alarm.
#define LOOP_UNTIL(loop, condition) \
    while (!(condition))            \
    test_turn(loop)
