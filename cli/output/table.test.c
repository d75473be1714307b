#include "cli/output/table.h"

#include <stdlib.h>
#include <string.h>

#include "base/test.h"

// What the table prints; the caller frees it.
static char *printed(const Table *table, bool color)
{
    char *text = NULL;
    size_t length;
    FILE *memory = open_memstream(&text, &length);
    table_print(table, "", color, memory);
    fclose(memory);
    return text;
}

static void add_row(Table *table, const char *one, const char *two)
{
    table_add(table, one, COLOR_NONE);
    table_add(table, two, COLOR_NONE);
}

TEST(columns_are_as_wide_as_their_longest_cell)
{
    AUTO_TABLE table;
    table_init(&table, 2);
    add_row(&table, "NAME", "STATUS");
    add_row(&table, "web", "up");
    add_row(&table, "a-long-name", "down");
    AUTO_FREE char *text = printed(&table, false);
    assert_string_equal(text, "NAME         STATUS\n"
                              "web          up\n"
                              "a-long-name  down\n");
}

TEST(numbers_stand_at_the_right)
{
    AUTO_TABLE table;
    table_init(&table, 2);
    table.right[0] = true;
    add_row(&table, "SIZE", "NAME");
    add_row(&table, "1G", "x");
    add_row(&table, "100G", "y");
    AUTO_FREE char *text = printed(&table, false);
    assert_string_equal(text, "SIZE  NAME\n  1G  x\n100G  y\n");
}

TEST(empty_cells_leave_no_blanks_behind)
{
    AUTO_TABLE table;
    table_init(&table, 2);
    add_row(&table, "NAME", "HOST");
    add_row(&table, "web", NULL);
    AUTO_FREE char *text = printed(&table, false);
    assert_string_equal(text, "NAME  HOST\nweb\n");
}

TEST(letters_beyond_ascii_are_one_column_wide)
{
    AUTO_TABLE table;
    table_init(&table, 2);
    add_row(&table, "N\xc3\xa4me", "X");
    add_row(&table, "abcde", "y");
    AUTO_FREE char *text = printed(&table, false);
    assert_string_equal(text, "N\xc3\xa4me   X\nabcde  y\n");
    assert_int_equal(text_width("N\xc3\xa4me"), 4);
}

TEST(names_cant_drive_the_terminal)
{
    AUTO_FREE char *clean = text_clean("a\033[2Jb\nc\x7f\xc2\x9b"
                                       "d\xff");
    assert_string_equal(clean, "a?[2Jb?c???d?");
}

TEST(colours_only_when_wanted)
{
    AUTO_TABLE table;
    table_init(&table, 1);
    table_add(&table, "up", status_color("up"));
    AUTO_FREE char *plain = printed(&table, false), *painted = printed(&table, true);
    assert_string_equal(plain, "up\n");
    assert_string_equal(painted, "\033[32mup\033[0m\n");
}

TEST(states_have_colours)
{
    assert_int_equal(status_color("up"), COLOR_GOOD);
    assert_int_equal(status_color("locked"), COLOR_BUSY);
    assert_int_equal(status_color("non_responsive"), COLOR_BAD);
    assert_int_equal(status_color("no such state"), COLOR_NONE);
    assert_int_equal(status_color(NULL), COLOR_NONE);
}
