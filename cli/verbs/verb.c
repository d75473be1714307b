#include "cli/verbs/verb.h"

#include <ctype.h>
#include <string.h>

// name, path, list, naming, search, follow, show, sole, help, member, format, of, place.
// clang-format off
#define NOUN(name, path, list, naming, search, follow, show, sole, help) \
    {name, path, list, naming, search, follow, show, sole, help, NULL, 0, NULL, 0},
#define COLUMN(heading, member, format, of, place) \
    {heading, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, member, FORMAT_##format, of, place},
// clang-format on

static const NounRow noun_rows[] = {
#include "cli/verbs/nouns.def"
    {0},
};

const VerbRow *verb_next_row(const VerbRow *verb, const VerbRow *after, RowKind kind)
{
    for (const VerbRow *row = (after ? after : verb) + 1; row->name; row++) {
        if (row->kind == ROW_VERB)
            break;
        if (row->kind == kind)
            return row;
    }
    return NULL;
}

const VerbRow *program_next_verb(const Program *program, const VerbRow *after)
{
    for (const VerbRow *row = after ? after + 1 : program->rows; row->name; row++)
        if (row->kind == ROW_VERB)
            return row;
    return NULL;
}

const VerbRow *verb_find(const Program *program, const char *noun, const char *name)
{
    PROGRAM_EACH(program, verb)
    if (!strcmp(verb->noun, noun) && !strcmp(verb->name, name))
        return verb;
    return NULL;
}

bool noun_begins(const Program *program, const char *noun)
{
    size_t length = strlen(noun);
    PROGRAM_EACH(program, verb)
    if (!strncmp(verb->noun, noun, length) && (!verb->noun[length] || verb->noun[length] == ' '))
        return true;
    return false;
}

bool verb_waits(const VerbRow *verb)
{
    return verb && verb->until;
}

static bool verb_is_list(const VerbRow *verb)
{
    return verb && !strcmp(verb->name, "list");
}

// The sets of rows that hold the verb's options, ending with NULL.
static void option_sets(const Program *program, const VerbRow *verb, const VerbRow *ret_sets[5])
{
    int count = 0;
    if (verb)
        ret_sets[count++] = verb + 1;
    if (verb_is_list(verb) && program->listing)
        ret_sets[count++] = program->listing;
    if (verb_waits(verb) && program->waiting)
        ret_sets[count++] = program->waiting;
    ret_sets[count++] = program->common;
    ret_sets[count] = NULL;
}

static bool option_applies(const VerbRow *verb, const VerbRow *option)
{
    if (option->kind != ROW_OPTION)
        return false;
    const NounRow *noun = option->flags & ROW_SEARCH ? noun_find(verb->noun) : NULL;
    return !(option->flags & ROW_SEARCH) || (noun && noun->search);
}

const VerbRow *option_next(const Program *program, const VerbRow *verb, const VerbRow *after)
{
    const VerbRow *sets[5];
    bool found = !after;
    option_sets(program, verb, sets);
    for (size_t i = 0; sets[i]; i++)
        for (const VerbRow *row = sets[i]; row->name && row->kind != ROW_VERB; row++) {
            if (found && option_applies(verb, row))
                return row;
            found = found || row == after;
        }
    return NULL;
}

const VerbRow *option_find(const Program *program, const VerbRow *verb, const char *name)
{
    OPTION_EACH(program, verb, option)
    if (!strcmp(option->name, name))
        return option;
    return NULL;
}

const NounRow *noun_find(const char *name)
{
    for (const NounRow *row = noun_rows; row->name; row++)
        if (row->path && !strcmp(row->name, name))
            return row;
    return NULL;
}

bool noun_is_collection(const char *word)
{
    for (const NounRow *row = noun_rows; word && row->name; row++) {
        const char *slash = row->path ? strrchr(row->path, '/') : NULL;
        if (row->path && !strcmp(slash ? slash + 1 : row->path, word + 1))
            return true;
    }
    return false;
}

const NounRow *noun_next_column(const NounRow *noun, const NounRow *after)
{
    const NounRow *row = (after ? after : noun) + 1;
    return row->name && !row->path ? row : NULL;
}

char *row_placeholder(const VerbRow *row)
{
    static const char *const words[_VALUE_MAX] = {
        [VALUE_FLAG] = "",        [VALUE_TEXT] = "TEXT",    [VALUE_SIZE] = "SIZE",
        [VALUE_COUNT] = "NUMBER", [VALUE_SECONDS] = "TIME", [VALUE_BOOLEAN] = "yes|no",
        [VALUE_CPUS] = "CPUS",    [VALUE_FILE] = "FILE",    [VALUE_CONTENT] = "FILE",
    };
    if (row->type == VALUE_TEXT && row->of)
        return memory_string(row->of);
    if (row->type == VALUE_CHOICE)
        return memory_string(row->of);
    if (row->type != VALUE_REFERENCE)
        return memory_string(words[row->type]);
    char *text = memory_string(row->of);
    for (char *at = text; *at; at++)
        *at = (char)(*at == ' ' ? '-' : toupper((unsigned char)*at));
    return text;
}
