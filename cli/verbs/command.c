#include "cli/verbs/command.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "cli/output/size.h"

enum { CONTENT_MAX = 1024 * 1024 };

typedef struct Parse {
    Arena *arena;
    Command *command;
    char **words;
    int count, next;
    Array positional; // const char *
    bool no_options;  // behind "--"
    bool partial;
    Fail *why;
} Parse;

// ---- what verbs ask

const Value *command_next(const Command *command, const char *name, const Value *after)
{
    bool found = !after;
    for (size_t i = 0; i < command->values.count; i++) {
        const Value *value = command->values.items[i];
        if (found && !strcmp(value->row->name, name))
            return value;
        found = found || value == after;
    }
    return NULL;
}

const Value *command_value(const Command *command, const char *name)
{
    const Value *last = NULL;
    VALUE_EACH(command, name, value)
        last = value;
    return last;
}

const char *command_text(const Command *command, const char *name)
{
    const Value *value = command_value(command, name);
    return value ? value->text : NULL;
}

bool command_flag(const Command *command, const char *name)
{
    const Value *value = command_value(command, name);
    return value && value->number;
}

int64_t command_number(const Command *command, const char *name, int64_t fallback)
{
    const Value *value = command_value(command, name);
    return value ? value->number : fallback;
}

Value *command_argument(const Command *command, int position)
{
    for (size_t i = 0; i < command->values.count; i++) {
        Value *value = command->values.items[i];
        if (value->position == position)
            return value;
    }
    return NULL;
}

char *command_title(const Command *command)
{
    AUTO_STRBUF title = {0};
    strbuf_adds(&title, command->program->name);
    const char *noun = command->verb ? command->verb->noun : command->noun;
    if (*noun)
        strbuf_addf(&title, " %s", noun);
    if (command->verb)
        strbuf_addf(&title, " %s", command->verb->name);
    return strbuf_take(&title);
}

void command_done(Command *command)
{
    array_done(&command->values);
}

// ---- values

static bool choice_has(const char *words, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = words; at; at = strchr(at, '|') ? strchr(at, '|') + 1 : NULL)
        if (length && !strncmp(at, word, length) && (!at[length] || at[length] == '|'))
            return true;
    return false;
}

static bool boolean_parse(const char *text, int64_t *ret)
{
    static const char *const words[][2] = {{"no", "yes"}, {"false", "true"}};
    for (size_t i = 0; i < COUNT_OF(words); i++)
        for (int truth = 0; truth < 2; truth++)
            if (!strcmp(words[i][truth], text)) {
                *ret = truth;
                return true;
            }
    return false;
}

static bool count_parse(const char *text, int64_t *ret)
{
    size_t digits = strspn(text, "0123456789");
    if (!digits || digits > 18 || text[digits])
        return false;
    *ret = strtoll(text, NULL, 10);
    return true;
}

// "4" or "2:4:1"; the number is that of all.
static bool cpus_parse(const char *text, int64_t *ret)
{
    int parts = 0;
    *ret = 1;
    for (const char *at = text; at; parts++) {
        size_t digits = strspn(at, "0123456789");
        if (!digits || digits > 4 || (at[digits] && at[digits] != ':'))
            return false;
        *ret *= atoi(at);
        at = at[digits] ? at + digits + 1 : NULL;
    }
    return *ret > 0 && (parts == 1 || parts == 3);
}

static int content_read(Parse *parse, Value *value)
{
    AUTO_FREE char *text = NULL;
    size_t length;
    if (parse->partial)
        return 0;
    int result = file_read(strcmp(value->text, "-") ? value->text : "/dev/stdin", CONTENT_MAX,
                           &text, &length);
    if (result)
        return fail_errno(parse->why, FAIL_INVALID, result, "%s can't be read", value->text);
    while (length && strchr("\r\n", text[length - 1]))
        text[--length] = 0;
    value->text = arena_string(parse->arena, text);
    return 0;
}

static int value_parse(Parse *parse, Value *value)
{
    const char *text = value->text;
    bool good = true;
    switch (value->row->type) {
    case VALUE_FLAG: value->number = 1; break;
    case VALUE_SIZE: good = size_parse(text, &value->number); break;
    case VALUE_COUNT: good = count_parse(text, &value->number); break;
    case VALUE_SECONDS: good = duration_parse(text, &value->number); break;
    case VALUE_BOOLEAN: good = boolean_parse(text, &value->number); break;
    case VALUE_CPUS: good = cpus_parse(text, &value->number); break;
    case VALUE_CHOICE: good = choice_has(value->row->of, text); break;
    case VALUE_CONTENT: return content_read(parse, value);
    case VALUE_REFERENCE:
    case VALUE_FILE: good = *text; break;
    case VALUE_TEXT:
    case _VALUE_MAX: break;
    }
    if (good)
        return 0;
    AUTO_FREE char *wanted = row_placeholder(value->row);
    bool option = value->row->kind == ROW_OPTION;
    return fail_set(parse->why, FAIL_INVALID, "%s%s: \"%s\" is no %s.", option ? "--" : "",
                    value->row->name, text, wanted);
}

static int value_add(Parse *parse, const VerbRow *row, const char *text, int position)
{
    Value *value = ARENA_NEW(parse->arena, Value);
    *value = (Value){.row = row, .text = text, .position = position, .given = true};
    array_add(&parse->command->values, value);
    return value_parse(parse, value);
}

// ---- options

static const char *option_of_letter(const char *word)
{
    static const struct {
        const char *letter, *name;
    } rows[] = {{"-h", "help"}, {"-q", "search"}};
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (!strcmp(rows[i].letter, word))
            return rows[i].name;
    return NULL;
}

static int option_unknown(Parse *parse, const char *word)
{
    AUTO_FREE char *title = command_title(parse->command);
    fail_set(parse->why, FAIL_INVALID, "%s has no option %s.", title, word);
    fail_hint(parse->why, "See %s --help", title);
    return -EINVAL;
}

static int parse_option(Parse *parse, const char *word)
{
    const char *equals = strchr(word, '=');
    const char *letter = option_of_letter(word);
    char *name = letter   ? arena_string(parse->arena, letter)
                 : equals ? arena_bytes(parse->arena, word, (size_t)(equals - word))
                          : arena_string(parse->arena, word);
    if (!letter && strncmp(name, "--", 2))
        return option_unknown(parse, word);
    const VerbRow *row =
        option_find(parse->command->program, parse->command->verb, letter ? name : name + 2);
    if (!row)
        return option_unknown(parse, name);
    if (row->type == VALUE_FLAG)
        return equals ? fail_set(parse->why, FAIL_INVALID, "%s takes no value.", name)
                      : value_add(parse, row, "", 0);
    if (equals)
        return value_add(parse, row, equals + 1, 0);
    if (parse->next == parse->count)
        return fail_set(parse->why, FAIL_INVALID, "%s needs a value.", name);
    return value_add(parse, row, parse->words[parse->next++], 0);
}

// ---- noun and verb

static int verb_unknown(Parse *parse, const char *word)
{
    const Command *command = parse->command;
    AUTO_STRBUF known = {0};
    AUTO_FREE char *title = command_title(command);
    PROGRAM_EACH(command->program, verb)
        if (!strcmp(verb->noun, command->noun) && verb->help && *verb->noun)
            strbuf_addf(&known, "%s%s", known.length ? ", " : "", verb->name);
    if (*command->noun)
        fail_set(parse->why, FAIL_INVALID, "There is no \"%s %s\".", title, word);
    else
        fail_set(parse->why, FAIL_INVALID, "There is no noun or verb \"%s\".", word);
    if (known.length)
        fail_hint(parse->why, "%s knows %s", title, known.data);
    else
        fail_hint(parse->why, "See %s --help", command->program->name);
    return -EINVAL;
}

// "events" is short for "event list".
static bool parse_plural(Parse *parse, const char *word)
{
    Command *command = parse->command;
    size_t length = strlen(word);
    if (*command->noun || length < 2 || word[length - 1] != 's')
        return false;
    const char *noun = arena_format(parse->arena, "%.*s", (int)length - 1, word);
    command->verb = verb_find(command->program, noun, "list");
    if (command->verb)
        command->noun = noun;
    return command->verb != NULL;
}

static int parse_word(Parse *parse, const char *word)
{
    Command *command = parse->command;
    if (command->verb) {
        array_add(&parse->positional, (void *)word);
        return 0;
    }
    const char *longer =
        *command->noun ? arena_format(parse->arena, "%s %s", command->noun, word) : word;
    command->verb = verb_find(command->program, command->noun, word);
    if (command->verb || parse_plural(parse, word))
        return 0;
    if (!*word || !noun_begins(command->program, longer))
        return verb_unknown(parse, word);
    command->noun = arena_string(parse->arena, longer);
    return 0;
}

// ---- the whole

static int parse_positional(Parse *parse)
{
    const VerbRow *row = verb_next_row(parse->command->verb, NULL, ROW_ARGUMENT);
    int position = 1, result = 0;
    for (size_t i = 0; !result && i < parse->positional.count; i++) {
        const char *word = parse->positional.items[i];
        if (!row)
            return fail_set(parse->why, FAIL_INVALID, "\"%s\" is one argument too many.", word);
        result = value_add(parse, row, word, position);
        if (row->flags & ROW_MANY)
            continue;
        row = verb_next_row(parse->command->verb, row, ROW_ARGUMENT);
        position++;
    }
    return result;
}

static int command_incomplete(Parse *parse, const char *prefix, const char *name)
{
    AUTO_FREE char *title = command_title(parse->command);
    fail_set(parse->why, FAIL_INVALID, "%s needs %s%s.", title, prefix, name);
    fail_hint(parse->why, "See %s --help", title);
    return -EINVAL;
}

static int parse_check(Parse *parse)
{
    const Command *command = parse->command;
    if (!command->verb)
        return parse->partial ? 0 : fail_set(parse->why, FAIL_INVALID, "A verb is missing.");
    int result = parse_positional(parse);
    if (parse->partial)
        return result;
    VERB_EACH(command->verb, ROW_ARGUMENT, argument)
        if (!result && !(argument->flags & ROW_MAYBE) && !command_value(command, argument->name))
            return command_incomplete(parse, "", argument->name);
    VERB_EACH(command->verb, ROW_OPTION, option)
        if (!result && option->flags & ROW_REQUIRED && !command_value(command, option->name))
            return command_incomplete(parse, "--", option->name);
    return result;
}

// Options that were not given but have a value of their own.
static int parse_fallbacks(Parse *parse)
{
    int result = 0;
    OPTION_EACH(parse->command->program, parse->command->verb, option) {
        if (result || !option->value || command_value(parse->command, option->name))
            continue;
        result = value_add(parse, option, option->value, 0);
        ((Value *)parse->command->values.items[parse->command->values.count - 1])->given = false;
    }
    return result;
}

int command_parse(Arena *arena, const Program *program, int count, char **words, bool partial,
                  Command *ret, Fail *why)
{
    Parse parse = {.arena = arena,
                   .command = ret,
                   .words = words,
                   .count = count,
                   .partial = partial,
                   .why = why};
    int result = 0;
    *ret = (Command){.program = program, .noun = ""};
    while (!result && parse.next < count) {
        const char *word = words[parse.next++];
        if (!parse.no_options && !strcmp(word, "--"))
            parse.no_options = true;
        else if (!parse.no_options && word[0] == '-' && word[1])
            result = parse_option(&parse, word);
        else
            result = parse_word(&parse, word);
    }
    static const char *const talk[] = {"help", "version", "man"};
    bool talks = false;
    for (size_t i = 0; i < COUNT_OF(talk); i++)
        talks = talks || command_flag(ret, talk[i]);
    if (!result && !talks)
        result = parse_check(&parse);
    if (!result && !talks && !partial)
        result = parse_fallbacks(&parse);
    array_done(&parse.positional);
    return result;
}
