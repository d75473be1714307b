// Tables and lists of "name: value" for people. Control characters in cells are replaced: what
// others have named can't drive the terminal.
#pragma once

#include <stdio.h>

#include "base/array.h"

typedef enum Color { COLOR_NONE, COLOR_GOOD, COLOR_BUSY, COLOR_BAD, COLOR_FAINT } Color;

typedef struct Table {
    Array cells; // row by row; owned
    size_t columns;
    bool *right; // numbers stand at the right; `columns` of them
    bool headless;
} Table;

void table_init(Table *table, size_t columns);
void table_done(Table *table);
// The first row is the heading. Text is copied; NULL is an empty cell.
void table_add(Table *table, const char *text, Color color);
// Every line begins with `indent`.
void table_print(const Table *table, const char *indent, bool color, FILE *to);

#define AUTO_TABLE __attribute__((cleanup(table_done))) Table

// Number of columns on the terminal.
size_t text_width(const char *text);
// A copy without control characters; the caller frees it.
char *text_clean(const char *text);
// Colour for a word that says how something is: "up", "locked", "error".
Color status_color(const char *status);
// Writes the text in its colour, or plainly.
void text_print(const char *text, Color color, bool colored, FILE *to);
