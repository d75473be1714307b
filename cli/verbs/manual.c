// The manual page.
#include <ctype.h>
#include <string.h>

#include "cli/verbs/exit_code.h"
#include "cli/verbs/help.h"

// Text as roff reads it: no requests at the start of a line, no escapes, real hyphens.
static void roff_print(const char *text, FILE *to)
{
    if (*text == '.' || *text == '\'')
        fputs("\\&", to);
    for (; *text; text++)
        if (*text == '\\')
            fputs("\\e", to);
        else if (*text == '-')
            fputs("\\-", to);
        else
            fputc(*text, to);
}

static void section(const char *name, FILE *to)
{
    fprintf(to, ".SH %s\n", name);
}

static void paragraph(const char *text, FILE *to)
{
    roff_print(text, to);
    fputc('\n', to);
}

static void item(const char *head, const char *text, FILE *to)
{
    fputs(".TP\n.B ", to);
    roff_print(head, to);
    fputc('\n', to);
    paragraph(text, to);
}

static void manual_option(const VerbRow *option, FILE *to)
{
    AUTO_FREE char *usage = option_usage(option);
    AUTO_FREE char *text = option->value
                               ? memory_format("%s Default: %s.", option->help, option->value)
                               : memory_string(option->help);
    item(usage, text, to);
}

static void manual_verb(const Program *program, const VerbRow *verb, FILE *to)
{
    AUTO_FREE char *usage = verb_usage(verb);
    fputs(".SS ", to);
    fprintf(to, "\"%s%s%s %s%s\"\n", program->name, *verb->noun ? " " : "", verb->noun, verb->name,
            usage);
    paragraph(verb->help, to);
    VERB_EACH(verb, ROW_ARGUMENT, argument)
        item(argument->name, argument->help, to);
    VERB_EACH(verb, ROW_OPTION, option)
        manual_option(option, to);
}

static void manual_set(const char *title, const VerbRow *rows, FILE *to)
{
    if (!rows)
        return;
    fprintf(to, ".SS %s\n", title);
    for (; rows->name; rows++)
        if (!(rows->flags & ROW_HIDDEN))
            manual_option(rows, to);
}

static void manual_head(const Program *program, FILE *to)
{
    AUTO_FREE char *upper = memory_string(program->name);
    for (char *at = upper; *at; at++)
        *at = (char)toupper((unsigned char)*at);
    fprintf(to, ".TH %s 1 \"\" \"Vireo %s\" \"Vireo\"\n", upper, VIREO_VERSION);
    section("NAME", to);
    roff_print(program->name, to);
    fputs(" \\- ", to);
    paragraph(program->title, to);
    section("SYNOPSIS", to);
    fputs(".B ", to);
    roff_print(program->name, to);
    fputs("\n.I NOUN VERB\n[\\fIARGUMENT\\fR...] [\\fIOPTION\\fR...]\n", to);
    section("DESCRIPTION", to);
    paragraph(program->about, to);
}

void manual_print(const Program *program, FILE *to)
{
    manual_head(program, to);
    section("OPTIONS", to);
    manual_set("Of all verbs", program->common, to);
    manual_set("Of verbs that list", program->listing, to);
    manual_set("Of verbs that can take long", program->waiting, to);
    section("VERBS", to);
    PROGRAM_EACH(program, verb)
        if (verb->help)
            manual_verb(program, verb, to);
    section("EXIT STATUS", to);
    for (size_t i = 0; i < exit_code_count; i++) {
        AUTO_FREE char *code = memory_format("%d", exit_code_rows[i].code);
        item(code, exit_code_rows[i].text, to);
    }
    for (const ManualNote *note = program->notes; note && note->head; note++)
        if (note->text)
            item(note->head, note->text, to);
        else
            section(note->head, to);
}
