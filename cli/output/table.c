#include "cli/output/table.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"

typedef struct Cell {
    Color color;
    size_t width;
    char text[];
} Cell;

static const char *const color_codes[] = {
    [COLOR_NONE] = "",        [COLOR_GOOD] = "\033[32m", [COLOR_BUSY] = "\033[33m",
    [COLOR_BAD] = "\033[31m", [COLOR_FAINT] = "\033[2m",
};

// The API's states; a word that is not here has no colour.
static const struct {
    const char *status;
    Color color;
} status_rows[] = {
#define STATUS(name, color) {name, COLOR_##color},
#include "cli/output/statuses.def"
#undef STATUS
};

Color status_color(const char *status)
{
    for (size_t i = 0; status && i < COUNT_OF(status_rows); i++)
        if (!strcmp(status_rows[i].status, status))
            return status_rows[i].color;
    return COLOR_NONE;
}

char *text_clean(const char *text)
{
    char *clean = memory_string(text);
    size_t length = strlen(clean);
    for (size_t at = 0; at < length;) {
        size_t step = utf8_step(clean + at, length - at);
        unsigned char first = (unsigned char)clean[at], second = (unsigned char)clean[at + 1];
        bool control = first < 0x20 || first == 0x7f || (first == 0xc2 && second < 0xa0);
        if (!step || control)
            memset(clean + at, '?', step ? step : 1);
        at += step ? step : 1;
    }
    return clean;
}

size_t text_width(const char *text)
{
    size_t width = 0;
    for (; *text; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80; // bytes that begin a character
    return width;
}

void text_print(const char *text, Color color, bool colored, FILE *to)
{
    bool paint = colored && color != COLOR_NONE;
    fprintf(to, "%s%s%s", paint ? color_codes[color] : "", text, paint ? "\033[0m" : "");
}

void table_init(Table *table, size_t columns)
{
    *table = (Table){.columns = columns, .right = NEW_ARRAY(bool, columns)};
}

void table_done(Table *table)
{
    for (size_t i = 0; i < table->cells.count; i++)
        free(table->cells.items[i]);
    array_done(&table->cells);
    free(table->right);
    *table = (Table){0};
}

void table_add(Table *table, const char *text, Color color)
{
    AUTO_FREE char *clean = text_clean(text ? text : "");
    size_t length = strlen(clean);
    Cell *cell = memory_new(1, sizeof(Cell) + length + 1);
    cell->color = color;
    cell->width = text_width(clean);
    memcpy(cell->text, clean, length + 1);
    array_add(&table->cells, cell);
}

static size_t column_width(const Table *table, size_t column)
{
    size_t width = 0;
    for (size_t i = column; i < table->cells.count; i += table->columns) {
        const Cell *cell = table->cells.items[i];
        width = cell->width > width ? cell->width : width;
    }
    return width;
}

static void cell_print(const Cell *cell, size_t width, bool right, bool last, bool color, FILE *to)
{
    int padding = (int)(width - cell->width);
    if (right)
        fprintf(to, "%*s", padding, "");
    text_print(cell->text, cell->color, color, to);
    if (!right && !last)
        fprintf(to, "%*s", padding, "");
    fputs(last ? "\n" : "  ", to);
}

// Cells behind the last one with text would only be blanks at the end of the line.
static size_t row_end(const Table *table, size_t row)
{
    size_t end = table->columns;
    while (end > 1 && !((const Cell *)table->cells.items[row * table->columns + end - 1])->width)
        end--;
    return end;
}

void table_print(const Table *table, const char *indent, bool color, FILE *to)
{
    AUTO_FREE size_t *widths = NEW_ARRAY(size_t, table->columns);
    for (size_t i = 0; i < table->columns; i++)
        widths[i] = column_width(table, i);
    for (size_t row = 0; row < table->cells.count / table->columns; row++) {
        size_t end = row_end(table, row);
        fputs(indent, to);
        for (size_t i = 0; i < end; i++)
            cell_print(table->cells.items[row * table->columns + i], widths[i], table->right[i],
                       i == end - 1, color, to);
    }
}
