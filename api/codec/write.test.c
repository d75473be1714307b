#include "base/test.h"

#include "api/codec/write.h"
#include "api_types.h"
#include "base/strbuf.h"

static const ApiTail links[] = {API_TAIL("nics"), API_TAIL("diskattachments"), {0}};
static const ApiTail actions[] = {API_TAIL("start"), {0}};
static const ApiExtraLink extra[] = {{"vms/search", "/vms?search={query}"}, {0}};

static void write_bookmark(StrBuf *out, bool json, const ApiPlace *place)
{
    ApiBookmark bookmark = {.id = "1\"", .name = "a<b"};
    ApiWriter writer = {.out = out, .json = json, .prefix = "/api"};
    api_write_object(&writer, &api_type_bookmark, &bookmark, place, NULL, NULL);
}

TEST(links_and_actions_begin_with_the_objects_href)
{
    AUTO_STRBUF xml = {0}, json = {0};
    ApiPlace place = {.href = "/bookmarks/1&2", .links = links, .actions = actions};
    write_bookmark(&xml, false, &place);
    assert_string_equal(
        xml.data, "<bookmark href=\"/api/bookmarks/1&amp;2\" id=\"1&quot;\"><actions>"
                  "<link href=\"/api/bookmarks/1&amp;2/start\" rel=\"start\"/></actions>"
                  "<link href=\"/api/bookmarks/1&amp;2/nics\" rel=\"nics\"/>"
                  "<link href=\"/api/bookmarks/1&amp;2/diskattachments\" rel=\"diskattachments\"/>"
                  "<name>a&lt;b</name></bookmark>");
    place.href = "/bookmarks/1";
    write_bookmark(&json, true, &place);
    assert_string_equal(
        json.data, "{\"href\":\"/api/bookmarks/1\",\"id\":\"1\\\"\",\"actions\":{\"link\":["
                   "{\"href\":\"/api/bookmarks/1/start\",\"rel\":\"start\"}]},\"link\":["
                   "{\"href\":\"/api/bookmarks/1/nics\",\"rel\":\"nics\"},"
                   "{\"href\":\"/api/bookmarks/1/diskattachments\",\"rel\":\"diskattachments\"}],"
                   "\"name\":\"a<b\"}");
}

TEST(further_links_have_their_own_href)
{
    AUTO_STRBUF xml = {0}, json = {0};
    ApiPlace place = {.href = "", .extra = extra};
    write_bookmark(&xml, false, &place);
    assert_string_equal(xml.data, "<bookmark href=\"/api\" id=\"1&quot;\">"
                                  "<link href=\"/api/vms?search={query}\" rel=\"vms/search\"/>"
                                  "<name>a&lt;b</name></bookmark>");
    write_bookmark(&json, true, &place);
    assert_non_null(strstr(json.data, "\"link\":[{\"href\":\"/api/vms?search={query}\","
                                      "\"rel\":\"vms/search\"}],\"name\""));
}

TEST(an_object_without_a_place_has_no_links)
{
    AUTO_STRBUF xml = {0};
    write_bookmark(&xml, false, NULL);
    assert_string_equal(xml.data, "<bookmark id=\"1&quot;\"><name>a&lt;b</name></bookmark>");
}

// The copied bytes lie in the buffer that grows meanwhile.
TEST(a_buffer_that_must_grow_keeps_the_href)
{
    for (size_t before = 0; before < 300; before++) {
        AUTO_STRBUF out = {0}, expected = {0};
        ApiPlace place = {.href = "/bookmarks/12345678", .links = links, .actions = actions};
        write_bookmark(&expected, false, &place);
        for (size_t i = 0; i < before; i++)
            strbuf_addc(&out, ' ');
        write_bookmark(&out, false, &place);
        assert_string_equal(out.data + before, expected.data);
    }
}
