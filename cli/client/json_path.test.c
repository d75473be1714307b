#include "cli/client/json_path.h"

#include <string.h>

#include "base/test.h"

static const char sample[] =
    "{\"name\": \"web\", \"memory\": \"1073741824\", \"empty\": [],"
    " \"cpu\": {\"topology\": {\"cores\": \"2\"}},"
    " \"disks\": {\"disk\": [{\"id\": \"a\"}, {\"id\": \"b\", \"size\": 5}]},"
    " \"usages\": {\"usage\": [\"vm\", \"display\"]}}";

static const Json *parsed(Arena *arena)
{
    return json_parse(arena, sample, strlen(sample), NULL, NULL);
}

TEST(members_deep_inside)
{
    AUTO_ARENA arena;
    arena_init(&arena, 4096);
    const Json *json = parsed(&arena);
    assert_string_equal(json_text_at(&arena, json, "name"), "web");
    assert_string_equal(json_text_at(&arena, json, "cpu.topology.cores"), "2");
    assert_null(json_at(json, "cpu.topology.sockets"));
    assert_null(json_at(json, "name.of.nothing"));
    assert_null(json_at(NULL, "name"));
}

TEST(lists_are_gone_through)
{
    AUTO_ARENA arena;
    AUTO_ARRAY ids = {0}, usages = {0};
    arena_init(&arena, 4096);
    const Json *json = parsed(&arena);
    json_all(json, "disks.disk.id", &ids);
    assert_int_equal(ids.count, 2);
    assert_string_equal(json_string(ids.items[1]), "b");
    json_all(json, "usages.usage", &usages);
    assert_int_equal(usages.count, 2);
    assert_string_equal(json_text_at(&arena, json, "disks.disk.size"),
                        "5"); // the first that has it
    assert_int_equal(json_list_at(json, "disks.disk")->count, 2);
    assert_null(json_list_at(json, "disks"));
}

TEST(alternatives)
{
    AUTO_ARENA arena;
    arena_init(&arena, 4096);
    const Json *json = parsed(&arena);
    assert_string_equal(json_text_at(&arena, json, "alias|name"), "web");
    assert_string_equal(json_text_at(&arena, json, "name|memory"), "web");
    assert_null(json_text_at(&arena, json, "alias|title"));
}

TEST(documents_are_built)
{
    AUTO_ARENA arena;
    AUTO_STRBUF text = {0};
    arena_init(&arena, 4096);
    Json *body = json_new_object(&arena);
    json_set_string(&arena, body, "name", "web");
    json_set_integer(&arena, body, "cpu.topology.cores", 2);
    json_set_integer(&arena, body, "cpu.topology.sockets", 1);
    json_set_bool(&arena, body, "bios.boot_menu.enabled", true);
    json_set_string(&arena, body, "os.boot.devices.device[]", "hd");
    json_set_string(&arena, body, "os.boot.devices.device[]", "cdrom");
    json_set_string(&arena, body, "hosts.host[].id", "h1");
    json_set_string(&arena, body, "hosts.host[].id", "h2");
    json_set_string(&arena, body, "name", "other");
    json_put(&(JsonWriter){.out = &text}, body);
    assert_string_equal(text.data,
                        "{\"name\":\"other\",\"cpu\":{\"topology\":{\"cores\":2,\"sockets\":1}},"
                        "\"bios\":{\"boot_menu\":{\"enabled\":true}},"
                        "\"os\":{\"boot\":{\"devices\":{\"device\":[\"hd\",\"cdrom\"]}}},"
                        "\"hosts\":{\"host\":[{\"id\":\"h1\"},{\"id\":\"h2\"}]}}");
}

TEST(indented)
{
    AUTO_ARENA arena;
    AUTO_STRBUF text = {0};
    arena_init(&arena, 4096);
    static const char json[] = "{\"a\":[1,{\"b\":\"x\\n\"}],\"c\":{},\"d\":[],\"e\":null}";
    json_pretty(&text, json_parse(&arena, json, strlen(json), NULL, NULL));
    assert_string_equal(text.data,
                        "{\n  \"a\": [\n    1,\n    {\n      \"b\": \"x\\n\"\n    }\n  ],\n"
                        "  \"c\": {},\n  \"d\": [],\n  \"e\": null\n}\n");
}
