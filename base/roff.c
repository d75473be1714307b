#include "base/roff.h"

#include <ctype.h>

// No requests at the start of a line, no escapes, real hyphens and straight apostrophes.
void roff_text(const char *text, FILE *to)
{
    if (*text == '.' || *text == '\'')
        fputs("\\&", to);
    for (; *text; text++)
        if (*text == '\\')
            fputs("\\e", to);
        else if (*text == '-')
            fputs("\\-", to);
        else if (*text == '"')
            fputs("\\(dq", to);
        else
            fputc(*text, to);
}

void roff_title(const char *name, int section, FILE *to)
{
    fputs(".TH ", to);
    for (; *name; name++)
        fputc(toupper((unsigned char)*name), to);
    fprintf(to, " %d \"\" \"Vireo %s\" \"Vireo\"\n", section, VIREO_VERSION);
}

static void roff_request(const char *request, const char *text, FILE *to)
{
    fprintf(to, ".%s \"", request);
    roff_text(text, to);
    fputs("\"\n", to);
}

void roff_section(const char *name, FILE *to)
{
    fputs(".SH ", to);
    roff_paragraph(name, to);
}

void roff_subsection(const char *name, FILE *to)
{
    roff_request("SS", name, to);
}

void roff_paragraph(const char *text, FILE *to)
{
    roff_text(text, to);
    fputc('\n', to);
}

void roff_item(const char *head, const char *text, FILE *to)
{
    fputs(".TP\n", to);
    roff_request("B", head, to);
    roff_paragraph(text, to);
}
