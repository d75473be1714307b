// Manual pages, in the form of man(7).
#pragma once

#include <stdio.h>

// The title: section 1, 5 or 8; the version is ours.
void roff_title(const char *name, int section, FILE *to);
void roff_section(const char *name, FILE *to);
void roff_subsection(const char *name, FILE *to);
// Text of a line, escaped, without the line's end.
void roff_text(const char *text, FILE *to);
void roff_paragraph(const char *text, FILE *to);
// A head and what is said of it, indented.
void roff_item(const char *head, const char *text, FILE *to);
