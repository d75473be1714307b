// The manual page.
#include "base/roff.h"
#include "cli/verbs/exit_code.h"
#include "cli/verbs/help.h"

static void manual_option(const VerbRow *option, FILE *to)
{
    AUTO_FREE char *usage = option_usage(option);
    AUTO_FREE char *text = option->value
                               ? memory_format("%s Default: %s.", option->help, option->value)
                               : memory_string(option->help);
    roff_item(usage, text, to);
}

static void manual_verb(const Program *program, const VerbRow *verb, FILE *to)
{
    AUTO_FREE char *usage = verb_usage(verb);
    AUTO_FREE char *title = memory_format("%s%s%s %s%s", program->name, *verb->noun ? " " : "",
                                          verb->noun, verb->name, usage);
    roff_subsection(title, to);
    roff_paragraph(verb->help, to);
    VERB_EACH(verb, ROW_ARGUMENT, argument)
    roff_item(argument->name, argument->help, to);
    VERB_EACH(verb, ROW_OPTION, option)
    manual_option(option, to);
}

static void manual_set(const char *title, const VerbRow *rows, FILE *to)
{
    if (!rows)
        return;
    roff_subsection(title, to);
    for (; rows->name; rows++)
        if (!(rows->flags & ROW_HIDDEN))
            manual_option(rows, to);
}

static void manual_head(const Program *program, FILE *to)
{
    roff_title(program->name, program->section, to);
    roff_section("NAME", to);
    roff_text(program->name, to);
    fputs(" \\- ", to);
    roff_paragraph(program->title, to);
    roff_section("SYNOPSIS", to);
    fputs(".B ", to);
    roff_text(program->name, to);
    fputs("\n.I NOUN VERB\n[\\fIARGUMENT\\fR...] [\\fIOPTION\\fR...]\n", to);
    roff_section("DESCRIPTION", to);
    roff_paragraph(program->about, to);
}

void manual_print(const Program *program, FILE *to)
{
    manual_head(program, to);
    roff_section("OPTIONS", to);
    manual_set("Of all verbs", program->common, to);
    manual_set("Of verbs that list", program->listing, to);
    manual_set("Of verbs that can take long", program->waiting, to);
    roff_section("VERBS", to);
    PROGRAM_EACH(program, verb)
    if (verb->help)
        manual_verb(program, verb, to);
    roff_section("EXIT STATUS", to);
    for (size_t i = 0; i < exit_code_count; i++) {
        AUTO_FREE char *code = memory_format("%d", exit_code_rows[i].code);
        roff_item(code, exit_code_rows[i].text, to);
    }
    for (const ManualNote *note = program->notes; note && note->head; note++)
        if (note->text)
            roff_item(note->head, note->text, to);
        else
            roff_section(note->head, to);
}
