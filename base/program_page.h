// What a daemon says of itself: its usage and its manual pages, made of one table.
#pragma once

#include "base/options.h"

typedef struct PageRow {
    const char *head, *text; // no text: `head` begins a section
} PageRow;

typedef struct ProgramPage {
    const char *name;  // "vireod"
    const char *title; // "the manager of virtual machines"
    const char *about;
    const PageRow
        *commands;        // how it is called, and what happens then; ends with a row without head
    const PageRow *notes; // the end of the page; likewise
    const char *config;   // its configuration file
    const OptionRow *options;
    const size_t *option_count;
} ProgramPage;

void program_page_usage(const ProgramPage *page, FILE *to);
// The page of the program, in section 8, and of its configuration file, in section 5.
void program_page_print(const ProgramPage *page, FILE *to);
void program_page_print_config(const ProgramPage *page, FILE *to);
