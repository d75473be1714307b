// Icons of guests' operating systems: drawings of our own, one per family and size.
#include "manager/system/icon.h"

#include <string.h>

#include "base/base64.h"
#include "manager/rest/check.h"
#include "manager/rest/items.h"
#include "rest_handlers.h"

typedef struct IconRow {
    const char *id;
    OsFamily family;
    bool large;
    const char *drawing;
} IconRow;

#define SCREEN(width, height, color, sign)                                                \
    "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 150 120' width='" width         \
    "' height='" height "'><rect x='5' y='5' width='140' height='90' rx='8' fill='" color \
    "'/><rect x='50' y='100' width='50' height='12' rx='4' fill='" color                  \
    "'/><text x='75' y='64' font-family='sans-serif' font-size='40' fill='#fff' "         \
    "text-anchor='middle'>" sign "</text></svg>"
#define ROW(number, family, color, sign)                             \
    {"00000000-0000-0000-0001-00000000001" number, family, true,     \
     SCREEN("150", "120", color, sign)},                             \
    {                                                                \
        "00000000-0000-0000-0001-00000000002" number, family, false, \
            SCREEN("43", "43", color, sign)                          \
    }

static const IconRow rows[] = {
    ROW("0", OS_FAMILY_OTHER, "#6a6e73", "VM"),
    ROW("1", OS_FAMILY_LINUX, "#2b9af3", "$_"),
    ROW("2", OS_FAMILY_WINDOWS, "#06c", "WIN"),
};

const char *icon_id(OsFamily family, bool large)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (rows[i].family == family && rows[i].large == large)
            return rows[i].id;
    return NULL;
}

static void add_icon(Request *request, Items *items, const IconRow *row)
{
    AUTO_FREE char *data = base64_encode(row->drawing, strlen(row->drawing));
    ApiIcon *icon = ARENA_NEW(&request->arena, ApiIcon);
    icon->id = row->id;
    icon->media_type = "image/svg+xml";
    icon->data = arena_string(&request->arena, data);
    items_add_value(items, icon);
}

int icon_list(Request *request, Items *items)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        add_icon(request, items, &rows[i]);
    return 0;
}

int icon_get(Request *request, Items *items)
{
    const char *id = request_last_id(request);
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (!strcmp(rows[i].id, id)) {
            add_icon(request, items, &rows[i]);
            return 0;
        }
    return request_not_found(request, "icon", id);
}
