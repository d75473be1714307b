#include "base/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"
#include "manager/search/query.h"

// ---- trees as text

static void put_node(StrBuf *out, const QueryNode *node)
{
    if (node->kind == QUERY_TEXT) {
        strbuf_addf(out, "(text \"%s\")", node->value.text);
    } else if (node->kind == QUERY_CONDITION) {
        strbuf_addf(out, "(%s %s%s%s \"%s\")", query_relation_text(node->relation),
                    node->object.text ? node->object.text : "", node->object.text ? "." : "",
                    node->field.text, node->value.text);
    } else {
        strbuf_addf(out, "(%s", node->kind == QUERY_AND ? "and" : "or");
        for (const QueryNode *child = node->first; child; child = child->next) {
            strbuf_addc(out, ' ');
            put_node(out, child);
        }
        strbuf_addc(out, ')');
    }
}

static void put_query(StrBuf *out, const Query *query)
{
    strbuf_adds(out, "");
    if (query->object.text)
        strbuf_addf(out, "%s: ", query->object.text);
    if (query->all)
        put_node(out, query->all);
    if (query->sort.text)
        strbuf_addf(out, " sort %s %s", query->sort.text, query->descending ? "down" : "up");
    if (query->page)
        strbuf_addf(out, " page %d", (int)query->page);
}

static void assert_tree(const char *text, const char *expected)
{
    AUTO_ARENA arena = {0};
    AUTO_STRBUF tree = {0};
    AUTO_FAIL why = {0};
    Query query;
    if (query_parse(&arena, text, &query, &why))
        fail_msg("%s: %s", text, why.message);
    put_query(&tree, &query);
    assert_string_equal(tree.data, expected);
}

static void assert_trees(const char *const rows[][2], size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_tree(rows[i][0], rows[i][1]);
}

TEST(conditions_have_field_relation_and_value)
{
    static const char *const rows[][2] = {
        {"name=a", "(= name \"a\")"},
        {"name = a", "(= name \"a\")"},
        {"  name=a  ", "(= name \"a\")"},
        {"name\t=\na", "(= name \"a\")"},
        {"name!=a", "(!= name \"a\")"},
        {"memory<1", "(< memory \"1\")"},
        {"memory > 1", "(> memory \"1\")"},
        {"memory<=1", "(<= memory \"1\")"},
        {"memory >=1", "(>= memory \"1\")"},
        {"name=\"a b\"", "(= name \"a b\")"},
        {"name=\"\"", "(= name \"\")"},
        {"name=a=b", "(= name \"a=b\")"},
        {"name=f(1)", "(= name \"f(1)\")"},
        {"name=and", "(= name \"and\")"},
        {"and=1", "(= and \"1\")"},
        {"time=2024-01-31T10:00:00Z", "(= time \"2024-01-31T10:00:00Z\")"},
        {"host.name=h1", "(= host.name \"h1\")"},
        {"Storage.name = x", "(= Storage.name \"x\")"},
        {"low_space_threshold (%) > 5", "(> low_space_threshold (%) \"5\")"},
        {"critical_space_threshold (gb)=5", "(= critical_space_threshold (gb) \"5\")"},
        {"name=\xc3\xa4\xc3\xb6", "(= name \"\xc3\xa4\xc3\xb6\")"},
    };
    assert_trees(rows, COUNT_OF(rows));
}

TEST(text_stands_alone)
{
    static const char *const rows[][2] = {
        {"web", "(text \"web\")"},
        {"foo.example.com", "(text \"foo.example.com\")"},
        {"\"two words\"", "(text \"two words\")"},
        {"\"and\"", "(text \"and\")"},
        {"\"name=x\"", "(text \"name=x\")"},
        {"hello!", "(text \"hello!\")"},
        {"android", "(text \"android\")"},
        {"web name=a", "(and (text \"web\") (= name \"a\"))"},
        {"a(b)", "(text \"a(b)\")"},
        {"00:1a:4a", "(text \"00:1a:4a\")"},
        {"fe80::1", "(text \"fe80::1\")"},
        {"fe::1", "(text \"fe::1\")"},
    };
    assert_trees(rows, COUNT_OF(rows));
}

// Explicit "and" binds tightest, then "or", side by side loosest.
TEST(precedence)
{
    static const char *const rows[][2] = {
        {"a=1 and b=2", "(and (= a \"1\") (= b \"2\"))"},
        {"a=1 or b=2", "(or (= a \"1\") (= b \"2\"))"},
        {"a=1 b=2", "(and (= a \"1\") (= b \"2\"))"},
        {"a=1 or b=2 and c=3", "(or (= a \"1\") (and (= b \"2\") (= c \"3\")))"},
        {"a=1 and b=2 or c=3", "(or (and (= a \"1\") (= b \"2\")) (= c \"3\"))"},
        {"a=1 or b=2 c=3", "(and (or (= a \"1\") (= b \"2\")) (= c \"3\"))"},
        {"a=1 b=2 or c=3", "(and (= a \"1\") (or (= b \"2\") (= c \"3\")))"},
        {"a=1 and b=2 c=3", "(and (and (= a \"1\") (= b \"2\")) (= c \"3\"))"},
        {"a=1 or b=2 and c=3 d=4",
         "(and (or (= a \"1\") (and (= b \"2\") (= c \"3\"))) (= d \"4\"))"},
        {"a=1 or b=2 or c=3", "(or (= a \"1\") (= b \"2\") (= c \"3\"))"},
        {"a=1 and b=2 and c=3", "(and (= a \"1\") (= b \"2\") (= c \"3\"))"},
        {"a=1 b=2 c=3", "(and (= a \"1\") (= b \"2\") (= c \"3\"))"},
        {"(a=1 or b=2) and c=3", "(and (or (= a \"1\") (= b \"2\")) (= c \"3\"))"},
        {"a=1 and (b=2 c=3 or d=4)",
         "(and (= a \"1\") (and (= b \"2\") (or (= c \"3\") (= d \"4\"))))"},
        {"(a=1)", "(= a \"1\")"},
        {"((a=1 or b=2))and(c=3)", "(and (or (= a \"1\") (= b \"2\")) (= c \"3\"))"},
        {"(a=1)(b=2)", "(and (= a \"1\") (= b \"2\"))"},
        {"a=\"1\"or b=2", "(or (= a \"1\") (= b \"2\"))"},
        {"a=1 AND b=2 Or c=3", "(or (and (= a \"1\") (= b \"2\")) (= c \"3\"))"},
        {"name=web1 or name=web2 status=up",
         "(and (or (= name \"web1\") (= name \"web2\")) (= status \"up\"))"},
    };
    assert_trees(rows, COUNT_OF(rows));
}

TEST(order_and_page)
{
    static const char *const rows[][2] = {
        {"", ""},
        {"   ", ""},
        {"SORTBY NAME ASC page 1", " sort NAME up page 1"},
        {"sortby name", " sort name up"},
        {"sortby name desc", " sort name down"},
        {"page 2", " page 2"},
        {" datacenter=X page 1", "(= datacenter \"X\") page 1"},
        {"name=a sortby name page 12", "(= name \"a\") sort name up page 12"},
        {"status=up or status=down sortby cpu_usage desc",
         "(or (= status \"up\") (= status \"down\")) sort cpu_usage down"},
        {"sortby low_space_threshold (%) desc", " sort low_space_threshold (%) down"},
        {"page 007", " page 7"},
        {"Vms: name=a", "Vms: (= name \"a\")"},
        {"vms : ", "vms: "},
        {"Events:severity=error", "Events: (= severity \"error\")"},
        {"Host: sortby cpu_usage desc", "Host:  sort cpu_usage down"},
    };
    assert_trees(rows, COUNT_OF(rows));
}

// ---- values

// Parts joined with "|".
static void assert_parts(const char *text, const char *expected)
{
    AUTO_ARENA arena = {0};
    AUTO_STRBUF joined = {0};
    Query query;
    assert_int_equal(query_parse(&arena, text, &query, NULL), 0);
    for (int i = 0; i < query.all->value.part_count; i++)
        strbuf_addf(&joined, "%s%s", i ? "|" : "", query.all->value.parts[i]);
    assert_string_equal(joined.data, expected);
}

TEST(wildcards_split_values)
{
    assert_parts("name=abc", "abc");
    assert_parts("name=a*c", "a|c");
    assert_parts("name=*", "|");
    assert_parts("name=**x*", "||x|");
    assert_parts("name=\"web *\"", "web |");
    assert_parts("name=\"5 \\* 5\"", "5 * 5");
    assert_parts("name=a\\*", "a\\|"); // only quotes have escapes
}

TEST(quotes_have_escapes)
{
    assert_tree("name=\"a \\\"b\\\" c\"", "(= name \"a \"b\" c\")");
    assert_tree("name=\"a\\\\\"", "(= name \"a\\\")");
    assert_tree("usrname=\"DOMAIN\\user\"", "(= usrname \"DOMAIN\\user\")");
    assert_tree("usrname=DOMAIN\\user", "(= usrname \"DOMAIN\\user\")");
}

// ---- failures

static void assert_refused(const char *text, const char *message, const char *hint)
{
    AUTO_ARENA arena = {0};
    AUTO_FAIL why = {0};
    Query query = {.page = 77};
    assert_true(query_parse(&arena, text, &query, &why) < 0);
    assert_int_equal(why.code, FAIL_SEARCH);
    assert_string_equal(why.message, message);
    assert_int_equal(query.page, 77); // untouched
    if (hint)
        assert_non_null(strstr(why.hint, hint));
}

#define AT(number, rest) "search, at character " #number ": " rest

TEST(failures_name_the_place)
{
    static const struct {
        const char *text, *message, *hint;
    } rows[] = {
        {"name=", AT(6, "a value is expected after name="), "\"\""},
        {"host.name = ", AT(13, "a value is expected after host.name="), NULL},
        {"name==a", AT(6, "a value is expected after name="), "quotes"},
        {"(name=)", AT(7, "a value is expected after name="), NULL},
        {"name=a and", AT(11, "a condition is expected"), NULL},
        {"and name=a", AT(1, "a condition is expected"), NULL},
        {"name=a or or b=c", AT(11, "a condition is expected"), NULL},
        {"name=a and sortby name", AT(12, "a condition is expected"), NULL},
        {"()", AT(2, "a condition is expected"), NULL},
        {"name=a)", AT(7, "the end is expected"), NULL},
        {"(name=a", AT(1, "the parenthesis that opens here is not closed"), NULL},
        {"a=b (name=a or (b=c)", AT(5, "the parenthesis that opens here is not closed"), NULL},
        {"name=\"abc", AT(6, "the quote that opens here is not closed"), "\\\""},
        {"name=\"abc\\\"", AT(6, "the quote that opens here is not closed"), NULL},
        {"name=ab\"c\"", AT(8, "a quote stands inside of the value"), "whole value in quotes"},
        {"name=f(a b)", AT(9, "a parenthesis inside of the value is open"), "quotes"},
        {"name='a'", AT(6, "the character ' is not allowed"), "*"},
        {"name=\"a;b\"", AT(8, "the character ; is not allowed"), NULL},
        {"name=\xc3\xa4'", AT(7, "the character ' is not allowed"), NULL}, // characters, not bytes
        {"name=a\x01", AT(7, "control characters are not allowed"), NULL},
        {"name=\xff", AT(6, "this is not UTF-8"), NULL},
        {"=a", AT(1, "the name of a field is expected before a relation"), NULL},
        {".name=a", AT(1, "the name of a field is expected before a relation"), NULL},
        {"host.=a", AT(6, "the name of a field is expected before a relation"), NULL},
        {"a.b.c=d", AT(4, "the name of a field is expected before a relation"), NULL},
        {"http//x?a=b", AT(5, "the name of a field is expected before a relation"), "quotes"},
        {"sortby", AT(7, "the name of a field is expected after sortby"), NULL},
        {"sortby name page", AT(17, "a number from 1 to 999999999 is expected after page"), NULL},
        {"page 0", AT(6, "a number from 1 to 999999999 is expected after page"), NULL},
        {"page -1", AT(6, "a number from 1 to 999999999 is expected after page"), NULL},
        {"page 1x", AT(6, "a number from 1 to 999999999 is expected after page"), NULL},
        {"page 1234567890", AT(6, "a number from 1 to 999999999 is expected after page"), NULL},
        {"page 1 name=a", AT(8, "the end is expected"), NULL},
        {"sortby name name=a", AT(13, "the end is expected"), NULL},
        {"sortby name asc desc", AT(17, "the end is expected"), NULL},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_refused(rows[i].text, rows[i].message, rows[i].hint);
}

TEST(length_depth_and_number_are_limited)
{
    AUTO_ARENA arena = {0};
    Query query;
    AUTO_FREE char *longest = test_repeat("a", QUERY_LENGTH_MAX);
    AUTO_FREE char *longer = test_repeat("a", QUERY_LENGTH_MAX + 1);
    AUTO_FREE char *open = test_repeat("(", QUERY_DEPTH_MAX);
    AUTO_FREE char *close = test_repeat(")", QUERY_DEPTH_MAX);
    AUTO_FREE char *deepest = memory_format("%sa=b%s", open, close);
    AUTO_FREE char *deeper = memory_format("%s(a=b)%s", open, close);
    AUTO_FREE char *most = test_repeat("a ", QUERY_CONDITIONS_MAX);
    AUTO_FREE char *more = test_repeat("a ", QUERY_CONDITIONS_MAX + 1);
    assert_int_equal(query_parse(&arena, longest, &query, NULL), 0);
    assert_refused(longer, AT(1, "it is longer than 8192 bytes"), NULL);
    assert_int_equal(query_parse(&arena, deepest, &query, NULL), 0);
    assert_refused(deeper, AT(33, "more than 32 parentheses are open"), NULL);
    assert_int_equal(query_parse(&arena, most, &query, NULL), 0);
    assert_refused(more, AT(2001, "more than 1000 conditions"), NULL);
}

TEST(positions_are_those_of_the_text)
{
    AUTO_ARENA arena = {0};
    Query query;
    const char *text = "Vms: a=1 and host.name = \"x\" sortby b";
    assert_int_equal(query_parse(&arena, text, &query, NULL), 0);
    const QueryNode *second = query.all->first->next;
    assert_int_equal(query.object.at, 0);
    assert_int_equal(query.all->first->field.at, strstr(text, "a=1") - text);
    assert_int_equal(second->object.at, strstr(text, "host") - text);
    assert_int_equal(second->field.at, strstr(text, "name") - text);
    assert_int_equal(second->value.at, strstr(text, "x\"") - text);
    assert_int_equal(query.sort.at, strlen(text) - 1);
}
