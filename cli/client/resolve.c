#include "cli/client/resolve.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/uuid.h"
#include "cli/client/json_path.h"

enum { CANDIDATES_MAX = 10 };

const char *path_add(Arena *arena, const char *path, const char *name, const char *value)
{
    AUTO_STRBUF pair = {0};
    form_add(&pair, name, value);
    return arena_format(arena, "%s%c%s", path, strchr(path, '?') ? '&' : '?', pair.data);
}

// ---- paths

static int place_find(Cli *cli, const char *place, const Value *current, const char **ret,
                      Fail *why)
{
    const char *colon = strchr(place, ':');
    int position = *place >= '1' && *place <= '9' ? *place - '0' : 0;
    const Value *value =
        position ? command_argument(&cli->command, position) : command_value(&cli->command, place);
    if (current && position && current->position == position)
        value = current;
    *ret = value ? (value->id ? value->id : value->text) : "";
    if (!colon || !value)
        return 0;
    const NounRow *noun = noun_find(value->row->of);
    const Json *object = NULL;
    int result = rest_get(cli, &cli->arena, arena_format(&cli->arena, "%s/%s", noun->path, *ret),
                          &object, why);
    if (result)
        return result;
    *ret = json_text_at(&cli->arena, object, colon + 1);
    if (*ret)
        return 0;
    return fail_set(why, FAIL_CONFLICT, "%s is attached to no data centre.", value->text);
}

int resolve_path(Cli *cli, const char *path, const Value *current, const char **ret, Fail *why)
{
    AUTO_STRBUF filled = {0};
    strbuf_adds(&filled, "");
    while (*path) {
        size_t length = strcspn(path, "{");
        strbuf_add(&filled, path, length);
        path += length;
        if (!*path)
            break;
        size_t end = strcspn(path, "}");
        AUTO_FREE char *place = memory_bytes(path + 1, end - 1);
        const char *text = NULL;
        int result = place_find(cli, place, current, &text, why);
        if (result)
            return result;
        strbuf_adds(&filled, text);
        path += end + 1;
    }
    *ret = arena_string(&cli->arena, filled.data);
    return 0;
}

// ---- names

static bool is_named(const Json *object, const char *naming, const char *text)
{
    AUTO_ARENA arena;
    bool same = false;
    arena_init(&arena, 256);
    while (*naming && !same) {
        size_t length = strcspn(naming, "|");
        AUTO_FREE char *member = memory_bytes(naming, length);
        const char *name = json_text_at(&arena, object, member);
        same = name && !strcmp(name, text);
        naming += length + (naming[length] == '|');
    }
    return same;
}

static int noun_list(Cli *cli, const NounRow *noun, const char *name, const Json **ret, Fail *why)
{
    const char *path = NULL;
    const Json *answer = NULL;
    int result = resolve_path(cli, noun->path, NULL, &path, why);
    if (result)
        return result;
    // These characters mean something to the search language or are refused by it.
    if (name && noun->search && !strpbrk(name, "\"'*;\\")) {
        AUTO_FREE char *query = memory_format("%s=\"%s\"", noun->search, name);
        path = path_add(&cli->arena, path, "search", query);
    }
    if (noun->follow && strchr(noun->naming, '.'))
        path = path_add(&cli->arena, path, "follow", noun->follow);
    result = rest_get(cli, &cli->arena, path, &answer, why);
    *ret = rest_list(answer, noun->list);
    return result;
}

// "web (id), web (id)": what people could have meant.
static void candidates_add(StrBuf *text, Arena *arena, const NounRow *noun, const Array *objects)
{
    for (size_t i = 0; i < objects->count && i < CANDIDATES_MAX; i++) {
        const char *name = json_text_at(arena, objects->items[i], noun->naming);
        strbuf_addf(text, "%s%s (%s)", i ? ", " : "", name ? name : "",
                    json_get_string(objects->items[i], "id"));
    }
    if (objects->count > CANDIDATES_MAX)
        strbuf_addf(text, ", and %zu more", objects->count - CANDIDATES_MAX);
}

static int name_missing(Cli *cli, const NounRow *noun, const char *text, const Json *list,
                        Fail *why)
{
    AUTO_ARRAY near = {0};
    AUTO_STRBUF names = {0};
    JSON_EACH(list, object) {
        const char *name = json_text_at(&cli->arena, object, noun->naming);
        if (name && !strcasecmp(name, text))
            array_add(&near, (void *)object);
    }
    fail_set(why, FAIL_NOT_FOUND, "There is no %s named %s.", noun->name, text);
    candidates_add(&names, &cli->arena, noun, &near);
    if (near.count)
        fail_hint(why, "There is %s", names.data);
    return -ENOENT;
}

int resolve_name(Cli *cli, const char *noun_name, const char *text, const char **ret_id, Fail *why)
{
    const NounRow *noun = noun_find(noun_name);
    AUTO_ARRAY found = {0};
    const Json *list = NULL;
    *ret_id = text;
    if (uuid_valid(text) || !strcmp(noun->naming, "id"))
        return 0;
    int result = noun_list(cli, noun, text, &list, why);
    if (result)
        return result;
    JSON_EACH(list, object)
        if (is_named(object, noun->naming, text))
            array_add(&found, (void *)object);
    if (!found.count)
        return name_missing(cli, noun, text, list, why);
    *ret_id = json_get_string(found.items[0], "id");
    if (found.count == 1)
        return 0;
    AUTO_STRBUF names = {0};
    candidates_add(&names, &cli->arena, noun, &found);
    fail_set(why, FAIL_INVALID, "There are %zu %s objects named %s: %s.", found.count, noun->name,
             text, names.data);
    fail_hint(why, "Give the id");
    return -EINVAL;
}

static bool counts_as_sole(Arena *arena, const NounRow *noun, const Json *object)
{
    const char *equals = noun->sole ? strchr(noun->sole, '=') : NULL;
    if (!equals)
        return true;
    AUTO_FREE char *member = memory_bytes(noun->sole, (size_t)(equals - noun->sole));
    const char *value = json_text_at(arena, object, member);
    return value && !strcmp(value, equals + 1);
}

int resolve_sole(Cli *cli, const char *noun_name, const char *option, const char **ret_id,
                 Fail *why)
{
    const NounRow *noun = noun_find(noun_name);
    AUTO_ARRAY found = {0};
    const Json *list = NULL;
    int result = noun_list(cli, noun, NULL, &list, why);
    if (result)
        return result;
    JSON_EACH(list, object)
        if (counts_as_sole(&cli->arena, noun, object))
            array_add(&found, (void *)object);
    if (!found.count)
        return fail_set(why, FAIL_NOT_FOUND, "There is no %s.", noun->name);
    *ret_id = json_get_string(found.items[0], "id");
    if (found.count == 1)
        return 0;
    AUTO_STRBUF names = {0};
    candidates_add(&names, &cli->arena, noun, &found);
    fail_set(why, FAIL_INVALID, "--%s must be given, for there are several: %s.", option,
             names.data);
    return -EINVAL;
}

static int resolve_left_out(Cli *cli, const VerbRow *option, Fail *why)
{
    const char *id = NULL;
    int result = resolve_sole(cli, option->of, option->name, &id, why);
    if (result)
        return result;
    Value *value = ARENA_NEW(&cli->arena, Value);
    *value = (Value){.row = option, .text = id, .id = id};
    array_add(&cli->command.values, value);
    return 0;
}

int resolve_command(Cli *cli, Fail *why)
{
    Command *command = &cli->command;
    int result = 0;
    // Arguments first: others are looked for inside of what they name.
    for (int options = 0; options < 2; options++)
        for (size_t i = 0; !result && i < command->values.count; i++) {
            Value *value = command->values.items[i];
            if (value->row->type == VALUE_REFERENCE && !value->id &&
                (value->row->kind == ROW_OPTION) == options)
                result = resolve_name(cli, value->row->of, value->text, &value->id, why);
        }
    VERB_EACH(command->verb, ROW_OPTION, option)
    if (!result && option->flags & ROW_SOLE && !command_value(command, option->name))
        result = resolve_left_out(cli, option, why);
    return result;
}

// ---- from ids to names

static void names_load(Cli *cli, const NounRow *noun)
{
    const Json *list = NULL;
    if (map_get(&cli->names_known, noun->name))
        return;
    map_put(&cli->names_known, noun->name, (void *)noun);
    if (noun_list(cli, noun, NULL, &list, NULL))
        return;
    JSON_EACH(list, object) {
        const char *id = json_get_string(object, "id");
        const char *name = json_text_at(&cli->arena, object, noun->naming);
        if (id && name)
            map_put(&cli->names, arena_format(&cli->arena, "%s %s", noun->name, id), (void *)name);
    }
}

const char *object_name(Cli *cli, const char *noun_name, const char *id)
{
    const NounRow *noun = noun_find(noun_name);
    AUTO_FREE char *key = memory_format("%s %s", noun_name, id);
    names_load(cli, noun);
    const char *name = map_get(&cli->names, key);
    return name ? name : id;
}

static void storage_statuses_load(Cli *cli)
{
    static const char known[] = "storage status";
    const Json *centers = NULL, *domains = NULL;
    if (map_get(&cli->names_known, known))
        return;
    map_put(&cli->names_known, known, (void *)known);
    if (rest_get(cli, &cli->arena, "datacenters", &centers, NULL))
        return;
    JSON_EACH(rest_list(centers, "data_center"), center) {
        const char *path = arena_format(&cli->arena, "datacenters/%s/storagedomains",
                                        json_get_string(center, "id"));
        if (rest_get(cli, &cli->arena, path, &domains, NULL))
            continue;
        JSON_EACH(rest_list(domains, "storage_domain"), domain) {
            const char *id = json_get_string(domain, "id");
            const char *status = json_get_string(domain, "status");
            if (id && status)
                map_put(&cli->names, arena_format(&cli->arena, "%s %s", known, id), (void *)status);
        }
    }
}

const char *storage_status(Cli *cli, const char *id)
{
    AUTO_FREE char *key = memory_format("storage status %s", id);
    storage_statuses_load(cli);
    return map_get(&cli->names, key);
}
