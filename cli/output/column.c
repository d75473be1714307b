#include "cli/output/column.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "cli/client/json_path.h"
#include "cli/client/resolve.h"
#include "cli/output/size.h"

static const char *text_of(Cli *cli, Arena *arena, const NounRow *column, const Json *value)
{
    int64_t number = 0;
    bool truth = false, is_number = json_integer(value, &number);
    char *text = arena_alloc(arena, TIME_TEXT);
    switch (column->format) {
    case FORMAT_SIZE: return is_number ? size_format(number, text) : NULL;
    case FORMAT_TIME: return is_number ? time_format(number, text) : NULL;
    case FORMAT_AGE:
        return is_number ? duration_format((clock_wall_ms() - number) / 1000, text) : NULL;
    case FORMAT_YES: return json_bool(value, &truth) ? (truth ? "yes" : "no") : NULL;
    case FORMAT_CPUS:
        number = json_get_integer(value, "sockets", 1) * json_get_integer(value, "cores", 1) *
                 json_get_integer(value, "threads", 1);
        return arena_format(arena, "%lld", (long long)number);
    case FORMAT_VERSION:
        return arena_format(arena, "%lld.%lld", (long long)json_get_integer(value, "major", 0),
                            (long long)json_get_integer(value, "minor", 0));
    case FORMAT_NAME: {
        const char *name = json_get_string(value, "name"), *id = json_get_string(value, "id");
        return name ? name : id ? object_name(cli, column->of, id) : NULL;
    }
    default: return json_text(arena, value);
    }
}

// Figures come as decimals; large ones without exponents.
static const char *statistic_text(Arena *arena, const Json *object)
{
    const Json *datum = json_at(object, "values.value.datum");
    const char *unit = json_get_string(object, "unit");
    char *text = arena_alloc(arena, SIZE_TEXT);
    double number = datum && datum->kind == JSON_DECIMAL ? datum->decimal : 0;
    int64_t whole = (int64_t)number;
    if (!datum || datum->kind == JSON_STRING)
        return json_text_at(arena, object, "values.value.datum|values.value.detail");
    if (datum->kind == JSON_INTEGER)
        number = (double)(whole = datum->integer);
    if (unit && !strncmp(unit, "bytes", 5))
        return size_format(whole, text);
    return arena_format(arena, number == (double)whole ? "%.0f" : "%.2f", number);
}

const char *column_text(Cli *cli, Arena *arena, const NounRow *column, const Json *object,
                        Color *ret_color)
{
    AUTO_ARRAY found = {0};
    AUTO_STRBUF text = {0};
    *ret_color = COLOR_NONE;
    if (column->format == FORMAT_VALUE)
        return statistic_text(arena, object);
    json_all(object, column->member, &found);
    for (size_t i = 0; i < found.count; i++) {
        const char *one = text_of(cli, arena, column, found.items[i]);
        if (one && *one)
            strbuf_addf(&text, "%s%s", text.length ? ", " : "", one);
    }
    const char *whole = text.length ? arena_string(arena, text.data) : NULL;
    if (column->format == FORMAT_STORAGE) {
        const char *status = json_get_string(object, "id") && !json_get(object, "status")
                                 ? storage_status(cli, json_get_string(object, "id"))
                                 : NULL;
        whole = status ? status : whole;
    }
    if (column->format == FORMAT_STATUS || column->format == FORMAT_STORAGE)
        *ret_color = status_color(whole);
    return whole;
}

// ---- tables

static bool format_is_number(Format format)
{
    return format == FORMAT_SIZE || format == FORMAT_COUNT || format == FORMAT_CPUS ||
           format == FORMAT_VALUE;
}

static int columns_choose(const NounRow *noun, const char *wanted, Array *ret, Fail *why)
{
    if (!wanted) {
        COLUMN_EACH(noun, column)
        if (column->place & IN_LIST)
            array_add(ret, (void *)column);
        return 0;
    }
    while (*wanted) {
        const NounRow *chosen = NULL;
        size_t length = strcspn(wanted, ",");
        COLUMN_EACH(noun, column)
        if (strlen(column->name) == length && !strncasecmp(column->name, wanted, length) &&
            column->format != FORMAT_TABLE)
            chosen = column;
        if (!chosen) {
            AUTO_STRBUF names = {0};
            COLUMN_EACH(noun, column)
            if (column->format != FORMAT_TABLE)
                strbuf_addf(&names, "%s%s", names.length ? ", " : "", column->name);
            fail_set(why, FAIL_INVALID, "--columns: \"%.*s\" is no column of %s.", (int)length,
                     wanted, noun->name);
            fail_hint(why, "There are %s", names.data);
            return -EINVAL;
        }
        array_add(ret, (void *)chosen);
        wanted += length + (wanted[length] == ',');
    }
    return 0;
}

static void table_fill(Cli *cli, Table *table, const Array *columns, const Json *list)
{
    for (size_t i = 0; i < columns->count; i++) {
        const NounRow *column = columns->items[i];
        table->right[i] = format_is_number(column->format);
        AUTO_FREE char *heading = memory_string(column->name);
        for (char *at = heading; *at; at++)
            *at = (char)toupper((unsigned char)*at);
        table_add(table, heading, COLOR_NONE);
    }
    JSON_EACH(list, object) {
        AUTO_ARENA arena;
        arena_init(&arena, 1024);
        for (size_t i = 0; i < columns->count; i++) {
            Color color;
            const char *text = column_text(cli, &arena, columns->items[i], object, &color);
            table_add(table, text, color);
        }
    }
}

static void objects_print_columns(Cli *cli, const Array *columns, const Json *list,
                                  const char *indent, FILE *to)
{
    AUTO_TABLE table;
    table_init(&table, columns->count);
    table_fill(cli, &table, columns, list);
    table_print(&table, indent, cli->color, to);
}

int objects_print(Cli *cli, const NounRow *noun, const Json *list, const char *wanted, FILE *to,
                  Fail *why)
{
    AUTO_ARRAY columns = {0};
    int result = columns_choose(noun, wanted, &columns, why);
    if (!result)
        objects_print_columns(cli, &columns, list, "", to);
    return result;
}

// ---- single objects

void object_print(Cli *cli, const NounRow *noun, const Json *object, FILE *to)
{
    AUTO_TABLE table;
    AUTO_ARENA arena;
    arena_init(&arena, 4096);
    table_init(&table, 2);
    COLUMN_EACH(noun, column)
    {
        Color color;
        if (!(column->place & IN_SHOW) || column->format == FORMAT_TABLE)
            continue;
        const char *text = column_text(cli, &arena, column, object, &color);
        AUTO_FREE char *name = memory_format("%s:", column->name);
        if (!text)
            continue;
        table_add(&table, name, COLOR_NONE);
        table_add(&table, text, color);
    }
    table_print(&table, "", cli->color, to);
    COLUMN_EACH(noun, column)
    {
        const Json *list =
            column->format == FORMAT_TABLE ? json_list_at(object, column->member) : NULL;
        AUTO_FREE char *name = memory_format("%s:", column->name);
        AUTO_ARRAY columns = {0};
        if (!json_first(list))
            continue;
        fprintf(to, "\n%s\n", name);
        columns_choose(noun_find(column->of), NULL, &columns, NULL);
        objects_print_columns(cli, &columns, list, "  ", to);
    }
}

void json_print(const Json *value)
{
    AUTO_STRBUF text = {0};
    json_pretty(&text, value);
    fwrite(text.data, 1, text.length, stdout);
}
