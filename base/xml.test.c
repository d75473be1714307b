#include "base/test.h"

#include <string.h>

#include "base/xml.h"

// The document written again, or the error.
static const char *again(Arena *arena, const char *text, size_t length)
{
    const char *error = NULL;
    int line = -1;
    Xml *root = xml_parse(arena, text, length, &error, &line);
    if (!root) {
        assert_non_null(error);
        assert_true(line >= 0);
        return arena_format(arena, "! %s", error);
    }
    AUTO_STRBUF out = {0};
    xml_print(&out, root);
    return arena_bytes(arena, out.data, out.length);
}

#define assert_xml(text, expected) assert_string_equal(again(&arena, text, strlen(text)), expected)
#define assert_refused(text, word) assert_non_null(strstr(again(&arena, text, strlen(text)), word))

TEST(documents_come_back_as_they_were)
{
    static const char *const texts[] = {
        "<vm/>",
        "<vm id=\"1\" name=\"a b\"/>",
        "<vm> text </vm>",
        "<vm><disk/><disk size=\"3\">x</disk></vm>",
        "<a:b xmlns:a=\"http://x/\" a:c=\"d\"/>",
        "<a>&lt;&amp;&gt;&quot;&#13;</a>",
        "<a b=\"&lt;&amp;&gt;&quot;'\"/>",
        "<a b=\"one&#10;two&#9;three&#13;\"/>",
        "<a>one\ntwo\tthree</a>",
        "<a>\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80</a>",
    };
    AUTO_ARENA arena = {0};
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        assert_xml(texts[i], texts[i]);
}

TEST(layout_is_dropped)
{
    AUTO_ARENA arena = {0};
    assert_xml("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<a>\n  <b>1</b>\n  <!-- c -->\n</a>\n",
               "<a><b>1</b></a>");
}

TEST(entities_and_sections)
{
    AUTO_ARENA arena = {0};
    assert_xml("<a>&#65;&#x42;&apos;<![CDATA[<&]]>.</a>", "<a>AB'&lt;&amp;.</a>");
    assert_xml("<a b='&#65;&amp;&apos;\"'/>", "<a b=\"A&amp;'&quot;\"/>");
}

TEST(text_around_children_is_joined)
{
    AUTO_ARENA arena = {0};
    static const char text[] = "<a>one<b>in</b>two<c/>three</a>";
    Xml *root = xml_parse(&arena, text, sizeof(text) - 1, NULL, NULL);
    assert_string_equal(root->text, "onetwothree");
    assert_string_equal(xml_child_text(root, "b"), "in");
    assert_string_equal(xml_child_text(root, "c"), "");
}

TEST(text_around_many_children_takes_linear_memory)
{
    AUTO_ARENA arena = {0};
    AUTO_FREE char *middle = test_repeat("x<b/>", 20000);
    AUTO_FREE char *whole = memory_format("<a>%s</a>", middle);
    Xml *root = xml_parse(&arena, whole, strlen(whole), NULL, NULL);
    assert_int_equal(strlen(root->text), 20000);
    assert_true(arena.total < 10 << 20);
}

TEST(malformed_documents_are_refused)
{
    static const char *const bad[] = {
        "",
        " ",
        "x",
        "<a>",
        "<a",
        "<a></b>",
        "<a/><b/>",
        "<a/>x",
        "<a b/>",
        "<a b=c/>",
        "<a b='1' b='2'/>",
        "<a>&unknown;</a>",
        "<a b='&unknown;'/>",
        "<a>&#0;</a>",
        "<a>&#xD800;</a>",
        "<a>\x01</a>",
        "<a>\xff</a>",
        "<a b='<'/>",
        "<a>]]></a>",
        "<!-- only -->",
    };
    AUTO_ARENA arena = {0};
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (*again(&arena, bad[i], strlen(bad[i])) != '!')
            fail_msg("accepted: %s", bad[i]);
    assert_int_equal(*again(&arena, "<a>\0</a>", 8), '!');
    assert_null(xml_parse(&arena, "<a>", 3, NULL, NULL));
}

TEST(doctype_is_refused)
{
    AUTO_ARENA arena = {0};
    assert_refused("<!DOCTYPE a><a/>", "DOCTYPE");
    assert_refused("<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", "DOCTYPE");
    assert_refused("<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>", "DOCTYPE");
    assert_refused("<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a>&x;</a>", "DOCTYPE");
}

TEST(depth_is_limited)
{
    AUTO_ARENA arena = {0};
    AUTO_FREE char *open = test_repeat("<a>", XML_DEPTH_MAX);
    AUTO_FREE char *close = test_repeat("</a>", XML_DEPTH_MAX);
    assert_int_equal(
        *again(&arena, arena_format(&arena, "%s%s", open, close), (size_t)XML_DEPTH_MAX * 7), '<');
    assert_refused(arena_format(&arena, "<a>%s%s</a>", open, close), "nested too deeply");
    AUTO_FREE char *deeper = test_repeat("<a>", 100000);
    assert_refused(deeper, "nested too deeply");
}

TEST(tags_are_limited)
{
    AUTO_ARENA arena = {0};
    AUTO_STRBUF text = {0};
    strbuf_adds(&text, "<a");
    for (int i = 0; text.length < 4 * XML_TAG_MAX; i++)
        strbuf_addf(&text, " a%d=''", i);
    strbuf_adds(&text, "/>");
    assert_string_equal(again(&arena, text.data, text.length), "! a tag is too long");
}

TEST(long_texts_are_taken_whole)
{
    AUTO_ARENA arena = {0};
    AUTO_FREE char *line = test_repeat("umlaut \xc3\xa4 and a=\"b\" in one line\n", 20000);
    AUTO_FREE char *part = memory_format("<b>%s</b><![CDATA[%s]]>", line, line);
    AUTO_FREE char *whole = memory_format("<a>%s%s</a>", part, part);
    Xml *root = xml_parse(&arena, whole, strlen(whole), NULL, NULL);
    assert_non_null(root);
    assert_string_equal(root->first->text, line);
    assert_string_equal(root->last->text, line);
    assert_int_equal(strlen(root->text), 2 * strlen(line));
}

TEST(error_line_is_told)
{
    AUTO_ARENA arena = {0};
    const char *error = NULL;
    int line = 0;
    assert_null(xml_parse(&arena, "<a>\n<b>\n</c>\n</a>", 17, &error, &line));
    assert_int_equal(line, 3);
    assert_non_null(strstr(error, "mismatch"));
    assert_null(strchr(error, '\n'));
}

// The C library's converters are no place for a stranger's bytes.
TEST(everything_is_utf8)
{
    AUTO_ARENA arena = {0};
    assert_xml("<?xml version='1.0' encoding='ISO-8859-1'?><a>\xc3\xa4</a>", "<a>\xc3\xa4</a>");
    assert_xml("\xef\xbb\xbf<a/>", "<a/>");
    assert_refused("<?xml version='1.0' encoding='ISO-8859-1'?><a>\xe4</a>", "UTF-8");
    assert_xml("<?xml version='1.0' encoding='UTF-7'?><a>+ADw-</a>", "<a>+ADw-</a>");
    assert_string_equal(again(&arena, "\xff\xfe<\0a\0/\0>\0", 10), "! the document is not UTF-8");
    assert_string_equal(again(&arena, "\0<\0a\0/\0>", 8), "! the document is not UTF-8");
    assert_string_equal(again(&arena, "<\0\0\0a\0\0\0/\0\0\0>\0\0\0", 16),
                        "! the document is not UTF-8");
}

TEST(find_by_path)
{
    AUTO_ARENA arena = {0};
    static const char text[] = "<d><x/><devices><disk n='1'/><disk n='2'/></devices></d>";
    Xml *root = xml_parse(&arena, text, sizeof(text) - 1, NULL, NULL);
    assert_string_equal(xml_attribute(xml_find(root, "devices", "disk", NULL), "n"), "1");
    assert_ptr_equal(xml_find(root, NULL), root);
    assert_null(xml_find(root, "devices", "nic", "mac", NULL));
    assert_null(xml_find(NULL, "devices", NULL));
    assert_null(xml_attribute(NULL, "n"));
    assert_null(xml_attribute(root, "n"));
    assert_null(xml_child_text(root, "y"));
    int count = 0;
    XML_EACH(xml_child(root, "devices"), disk)
        count += disk->parent == root->last;
    assert_int_equal(count, 2);
}

TEST(trees_can_be_changed)
{
    AUTO_ARENA arena = {0};
    AUTO_STRBUF out = {0};
    Xml *root = xml_add_child(&arena, NULL, "vm");
    Xml *one = xml_add_child(&arena, root, "one");
    Xml *two = xml_add_child(&arena, root, "two");
    Xml *three = xml_add_child(&arena, root, "three");
    xml_set_attribute(&arena, one, "a", "1");
    xml_set_attribute(&arena, one, "b", "2");
    xml_set_attribute(&arena, one, "a", "3");
    xml_remove_child(root, three);
    xml_remove_child(root, three); // is gone already
    xml_add_child(&arena, root, "four");
    xml_remove_child(root, two);
    xml_print(&out, root);
    assert_string_equal(out.data, "<vm><one a=\"3\" b=\"2\"/><four/></vm>");
    xml_remove_child(root, one);
    xml_remove_child(root, root->first);
    assert_true(!root->first && !root->last);
}

TEST(writer_escapes_and_closes)
{
    AUTO_STRBUF out = {0};
    XmlWriter writer = {.out = &out};
    xml_open(&writer, "vm");
    xml_put_attribute(&writer, "id", "<\"\n>");
    xml_put_attribute(&writer, "none", NULL);
    xml_put_attribute_integer(&writer, "n", INT64_MIN);
    xml_add_text(&writer, "name", "a&b");
    xml_add_text(&writer, "empty", NULL);
    xml_add_integer(&writer, "cores", -4);
    xml_add_empty(&writer, "link", "rel", "x", "href", NULL, "type", "y", NULL);
    xml_open(&writer, "list");
    xml_close(&writer);
    xml_close(&writer);
    assert_int_equal(writer.depth, 0);
    assert_string_equal(out.data, "<vm id=\"&lt;&quot;&#10;&gt;\" n=\"-9223372036854775808\">"
                                  "<name>a&amp;b</name><empty></empty><cores>-4</cores>"
                                  "<link rel=\"x\" type=\"y\"/><list/></vm>");
}

TEST(what_xml_cannot_carry_becomes_a_question_mark)
{
    static const struct {
        const char *text, *escaped;
    } rows[] = {
        {"a\x01\x1f\x0b!", "a?\?\?!"},
        {"caf\xe9", "caf?"},
        {"\xc3\xa4\xed\xa0\x80", "\xc3\xa4?\?\?"},
        {"\xef\xbf\xbe.\xef\xbf\xbf.\xef\xbf\xbd", "?.?.\xef\xbf\xbd"},
        {"\xe2\x82", "??"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO_ARENA arena = {0};
        AUTO_STRBUF out = {0}, whole = {0};
        xml_escape(&out, rows[i].text, strlen(rows[i].text));
        assert_string_equal(out.data, rows[i].escaped);
        strbuf_addf(&whole, "<a>%s</a>", out.data);
        assert_xml(whole.data, whole.data);
    }
}

static void open_too_many(void)
{
    StrBuf out = {0};
    XmlWriter writer = {.out = &out};
    for (int i = 0; i <= XML_DEPTH_MAX; i++)
        xml_open(&writer, "a");
}

TEST(writer_depth_is_limited)
{
    assert_true(test_dies(open_too_many));
}
