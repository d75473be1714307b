#include "cli/verbs/help.h"

#include <string.h>

#include "base/strbuf.h"
#include "cli/verbs/exit_code.h"

enum { HELP_WIDTH = 96, HELP_INDENT = 26 };

char *option_usage(const VerbRow *option)
{
    AUTO_FREE char *placeholder = row_placeholder(option);
    return memory_format("--%s%s%s", option->name, *placeholder ? " " : "", placeholder);
}

char *verb_usage(const VerbRow *verb)
{
    AUTO_STRBUF usage = {0};
    strbuf_adds(&usage, "");
    VERB_EACH(verb, ROW_ARGUMENT, row) {
        bool maybe = row->flags & ROW_MAYBE;
        strbuf_addf(&usage, " %s%s%s%s", maybe ? "[" : "", row->name,
                    row->flags & ROW_MANY ? "..." : "", maybe ? "]" : "");
    }
    VERB_EACH(verb, ROW_OPTION, row) {
        AUTO_FREE char *option = option_usage(row);
        if (row->flags & ROW_REQUIRED)
            strbuf_addf(&usage, " %s", option);
    }
    return strbuf_take(&usage);
}

// Breaks the text at blanks; lines behind the first stand under it.
static void wrapped_print(const char *text, int column, FILE *to)
{
    int left = HELP_WIDTH - column;
    while ((int)strlen(text) > left) {
        int cut = left;
        while (cut > 1 && text[cut] != ' ')
            cut--;
        if (cut <= 1)
            break;
        fprintf(to, "%.*s\n%*s", cut, text, column, "");
        text += cut + 1;
    }
    fprintf(to, "%s\n", text);
}

static void item_print(const char *left, const char *text, FILE *to)
{
    if ((int)strlen(left) + 4 > HELP_INDENT)
        fprintf(to, "  %s\n%*s", left, HELP_INDENT, "");
    else
        fprintf(to, "  %-*s", HELP_INDENT - 2, left);
    wrapped_print(text, HELP_INDENT, to);
}

static void option_print(const VerbRow *option, FILE *to)
{
    AUTO_FREE char *usage = option_usage(option);
    const char *more = option->flags & ROW_MANY       ? " Can be given several times."
                       : option->flags & ROW_SOLE     ? " May be left out when there is only one."
                       : option->flags & ROW_REQUIRED ? " Must be given."
                                                      : "";
    AUTO_FREE char *fallback =
        option->value ? memory_format(" Default: %s.", option->value) : memory_string("");
    AUTO_FREE char *text = memory_format("%s%s%s", option->help, more, fallback);
    item_print(usage, text, to);
}

static bool is_own(const VerbRow *verb, const VerbRow *option)
{
    for (const VerbRow *row = verb + 1; row->name && row->kind != ROW_VERB; row++)
        if (row == option)
            return true;
    return false;
}

static void options_print(const Program *program, const VerbRow *verb, bool own, FILE *to)
{
    bool first = true;
    OPTION_EACH(program, verb, option) {
        if ((verb && is_own(verb, option)) != own || option->flags & ROW_HIDDEN)
            continue;
        if (first)
            fprintf(to, "\n%s:\n",
                    own    ? "Options"
                    : verb ? "Common options"
                           : "Options of all verbs");
        first = false;
        option_print(option, to);
    }
}

static void verb_help(const Program *program, const VerbRow *verb, FILE *to)
{
    AUTO_FREE char *usage = verb_usage(verb);
    fprintf(to, "Usage: %s%s%s %s%s [OPTION...]\n\n", program->name, *verb->noun ? " " : "",
            verb->noun, verb->name, usage);
    wrapped_print(verb->help ? verb->help : "", 0, to);
    bool first = true;
    VERB_EACH(verb, ROW_ARGUMENT, row) {
        fputs(first ? "\nArguments:\n" : "", to);
        first = false;
        AUTO_FREE char *placeholder = row_placeholder(row);
        AUTO_FREE char *text = row->type == VALUE_CHOICE
                                   ? memory_format("%s %s.", row->help, placeholder)
                                   : memory_string(row->help ? row->help : "");
        item_print(row->name, text, to);
    }
    options_print(program, verb, true, to);
    options_print(program, verb, false, to);
}

static void noun_help(const Program *program, const char *noun, FILE *to)
{
    const NounRow *row = noun_find(noun);
    size_t length = strlen(noun);
    fprintf(to, "Usage: %s %s VERB [ARGUMENT...] [OPTION...]\n", program->name, noun);
    if (row)
        fprintf(to, "\n%s: %s\n", noun, row->help);
    fputc('\n', to);
    PROGRAM_EACH(program, verb) {
        if (strncmp(verb->noun, noun, length) || (verb->noun[length] && verb->noun[length] != ' '))
            continue;
        AUTO_FREE char *usage = verb_usage(verb);
        AUTO_FREE char *left = memory_format("%s %s%s", verb->noun, verb->name, usage);
        item_print(left, verb->help, to);
    }
}

// "list, show, create": the verbs of exactly this noun.
static char *noun_verbs(const Program *program, const char *noun)
{
    AUTO_STRBUF names = {0};
    strbuf_adds(&names, "");
    PROGRAM_EACH(program, verb)
        if (!strcmp(verb->noun, noun))
            strbuf_addf(&names, "%s%s", names.length ? ", " : "", verb->name);
    return strbuf_take(&names);
}

static void nouns_print(const Program *program, FILE *to)
{
    const char *last = "";
    PROGRAM_EACH(program, verb) {
        if (!*verb->noun || !strcmp(verb->noun, last))
            continue;
        last = verb->noun;
        AUTO_FREE char *names = noun_verbs(program, last);
        item_print(last, names, to);
    }
}

static void program_help(const Program *program, FILE *to)
{
    fprintf(to, "%s: %s\n\nUsage: %s NOUN VERB [ARGUMENT...] [OPTION...]\n\n", program->name,
            program->title, program->name);
    PROGRAM_EACH(program, verb)
        if (!*verb->noun && verb->help) {
            AUTO_FREE char *usage = verb_usage(verb);
            AUTO_FREE char *left = memory_format("%s%s", verb->name, usage);
            item_print(left, verb->help, to);
        }
    fputs("\nNouns and their verbs:\n", to);
    nouns_print(program, to);
    if (program->listing)
        fprintf(to, "  A noun's plural lists: %s vms, %s events --follow.\n", program->name,
                program->name);
    options_print(program, NULL, false, to);
    fputs("\nExit codes:\n", to);
    for (size_t i = 0; i < exit_code_count; i++) {
        AUTO_FREE char *code = memory_format("%d", exit_code_rows[i].code);
        item_print(code, exit_code_rows[i].text, to);
    }
}

void help_print(const Command *command, FILE *to)
{
    if (command->verb)
        verb_help(command->program, command->verb, to);
    else if (*command->noun)
        noun_help(command->program, command->noun, to);
    else
        program_help(command->program, to);
}
