#include "base/program_page.h"

#include "base/roff.h"

void program_page_usage(const ProgramPage *page, FILE *to)
{
    for (const PageRow *row = page->commands; row->head; row++)
        fprintf(to, "%s %s\n        %s\n", page->name, row->head, row->text);
}

static void page_name(const char *name, const char *title, FILE *to)
{
    roff_section("NAME", to);
    roff_text(name, to);
    fputs(" \\- ", to);
    roff_paragraph(title, to);
}

static void page_rows(const PageRow *row, FILE *to)
{
    for (; row && row->head; row++)
        if (row->text)
            roff_item(row->head, row->text, to);
        else
            roff_section(row->head, to);
}

void program_page_print(const ProgramPage *page, FILE *to)
{
    AUTO_FREE char *see = memory_format("%s.conf(5)", page->name);
    roff_title(page->name, 8, to);
    page_name(page->name, page->title, to);
    roff_section("SYNOPSIS", to);
    for (const PageRow *row = page->commands; row->head; row++) {
        AUTO_FREE char *line = memory_format("%s %s", page->name, row->head);
        roff_paragraph(line, to);
        fputs(".br\n", to);
    }
    roff_section("DESCRIPTION", to);
    roff_paragraph(page->about, to);
    roff_section("OPTIONS", to);
    page_rows(page->commands, to);
    roff_section("FILES", to);
    roff_item(page->config, "The configuration.", to);
    page_rows(page->notes, to);
    roff_section("SEE ALSO", to);
    roff_paragraph(see, to);
}

void program_page_print_config(const ProgramPage *page, FILE *to)
{
    AUTO_FREE char *name = memory_format("%s.conf", page->name);
    AUTO_FREE char *title = memory_format("the configuration of %s", page->name);
    AUTO_FREE char *see = memory_format("%s(8)", page->name);
    roff_title(name, 5, to);
    page_name(name, title, to);
    roff_section("SYNOPSIS", to);
    roff_paragraph(page->config, to);
    roff_section("DESCRIPTION", to);
    roff_paragraph("Lines of the form name = value; a line that begins with # is a comment. What "
                   "is not given has its default. The program reads the file when it starts.",
                   to);
    roff_section("OPTIONS", to);
    for (size_t i = 0; i < *page->option_count; i++) {
        const OptionRow *row = &page->options[i];
        AUTO_FREE char *kind = option_kind(row);
        AUTO_FREE char *text = memory_format("%s Type: %s. Default: %s.", row->text, kind,
                                             *row->fallback ? row->fallback : "empty");
        roff_item(row->name, text, to);
    }
    roff_section("SEE ALSO", to);
    roff_paragraph(see, to);
}
