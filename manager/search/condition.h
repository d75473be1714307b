// A search made ready: fields found, values read, references that lead to many looked up. Then it
// is asked about one subject after the other.
#pragma once

#include "manager/search/query.h"
#include "manager/search/search_fields.h"
#include "manager/search/text_match.h"

typedef struct Condition Condition;

// What all conditions of one search share.
typedef struct Matching {
    const SearchScope *scope;
    const char *text; // of the search, for messages
    bool case_sensitive;
    Arena *arena;
    TextScratch scratch;
    FieldValues values;
    Subjects linked;
} Matching;

void matching_init(Matching *matching, const SearchScope *scope, const char *text,
                   bool case_sensitive, Arena *arena);
// Lies in the arena of `matching`. NULL and SEARCH when a field or a value is wrong.
const Condition *condition_new(Matching *matching, const Collection *collection,
                               const QueryNode *node, Fail *why);
bool condition_holds(Matching *matching, const Condition *condition, const Subject *subject);
// The failure of a name that is no field of the collection: lists those there are.
int condition_unknown_field(const Matching *matching, const Collection *collection,
                            const QueryWord *word, Fail *why);
