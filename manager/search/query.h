// The text of a search as a tree. Knows the grammar and nothing else; which objects and fields
// there are is the business of condition.c.
//
//   search   := [object ":"] [all] ["sortby" field ["asc" | "desc"]] ["page" number]
//   all      := any { any }                     side by side: all must hold; binds loosest
//   any      := both { "or" both }
//   both     := one { "and" one }               binds tightest
//   one      := "(" all ")" | [object "."] field relation value | value
//   relation := "=" | "!=" | "<" | ">" | "<=" | ">="
//   value    := word | '"' text '"'             "*" stands for anything; in quotes \" \\ \* are
//                                               the characters themselves
//
// Words of the language are read in either case. "'" and ";" are refused everywhere.
#pragma once

#include "base/arena.h"
#include "base/fail.h"

enum {
    QUERY_LENGTH_MAX = 8192, // bytes
    QUERY_DEPTH_MAX = 32,    // parentheses in parentheses
    QUERY_CONDITIONS_MAX = 1000,
};

typedef enum QueryRelation {
    QUERY_EQUAL,
    QUERY_UNEQUAL,
    QUERY_LESS,
    QUERY_GREATER,
    QUERY_LESS_EQUAL,
    QUERY_GREATER_EQUAL,
} QueryRelation;

typedef struct QueryWord {
    const char *text; // NULL: not given
    size_t at;        // byte where it begins
} QueryWord;

typedef struct QueryValue {
    const char *text;         // without quotes and escapes, with its wildcards
    const char *const *parts; // what stands between the wildcards: "a*" has "a" and ""
    int part_count;
    size_t at;
} QueryValue;

typedef enum QueryKind {
    QUERY_AND,       // all children hold
    QUERY_OR,        // one of the children holds
    QUERY_CONDITION, // field relation value
    QUERY_TEXT,      // value alone
} QueryKind;

typedef struct QueryNode {
    QueryKind kind;
    struct QueryNode *first, *next; // children; next of the same parent
    QueryWord object, field;        // of a condition; object is optional
    QueryRelation relation;
    QueryValue value;
} QueryNode;

typedef struct Query {
    QueryWord object;     // before the colon
    const QueryNode *all; // NULL: no condition
    QueryWord sort;
    bool descending;
    int64_t page; // from 1; 0: not given
} Query;

// Everything lies in the arena. SEARCH failures name the character.
int query_parse(Arena *arena, const char *text, Query *ret, Fail *why);
const char *query_relation_text(QueryRelation relation);
// A failure at a byte of the text, as query_parse() tells them.
int query_fail(Fail *why, const char *text, size_t at, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
