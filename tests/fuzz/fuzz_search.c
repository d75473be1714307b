// Searches: any text. What was accepted and is written with all its parentheses and quotes must be
// read as the same tree again.
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "manager/search/query.h"
#include "manager/search/search_value.h"
#include "manager/search/text_match.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_value(StrBuf *out, const QueryValue *value)
{
    strbuf_addc(out, '"');
    for (int i = 0; i < value->part_count; i++) {
        if (i)
            strbuf_addc(out, '*');
        for (const char *at = value->parts[i]; *at; at++)
            strbuf_addf(out, strchr("\"\\*", *at) ? "\\%c" : "%c", *at);
    }
    strbuf_addc(out, '"');
}

static void put_node(StrBuf *out, const QueryNode *node)
{
    if (node->kind == QUERY_CONDITION)
        strbuf_addf(out, "%s%s%s%s", node->object.text ? node->object.text : "",
                    node->object.text ? "." : "", node->field.text,
                    query_relation_text(node->relation));
    if (node->kind == QUERY_CONDITION || node->kind == QUERY_TEXT) {
        put_value(out, &node->value);
        return;
    }
    for (const QueryNode *child = node->first; child; child = child->next) {
        bool leaf = child->kind == QUERY_CONDITION || child->kind == QUERY_TEXT;
        strbuf_adds(out, leaf ? "" : "(");
        put_node(out, child);
        strbuf_adds(out, leaf ? "" : ")");
        if (child->next)
            strbuf_adds(out, node->kind == QUERY_AND ? " and " : " or ");
    }
}

static int depth_of(const QueryNode *node)
{
    int deepest = 0;
    for (const QueryNode *child = node ? node->first : NULL; child; child = child->next) {
        int depth = depth_of(child) + (child->first != NULL);
        deepest = depth > deepest ? depth : deepest;
    }
    return deepest;
}

static void put_query(StrBuf *out, const Query *query)
{
    if (query->object.text)
        strbuf_addf(out, "%s:", query->object.text);
    if (query->all)
        put_node(out, query->all);
    if (query->sort.text)
        strbuf_addf(out, " sortby %s %s", query->sort.text, query->descending ? "desc" : "asc");
    if (query->page)
        strbuf_addf(out, " page %d", (int)query->page);
    strbuf_adds(out, "");
}

// The values as all types would read them.
static void read_values(Arena *arena, const QueryNode *node, const char *text)
{
    int64_t from = 0, until = 0;
    double number;
    bool unit;
    TextPattern pattern;
    TextScratch scratch = {.arena = arena};
    for (const QueryNode *child = node->first; child; child = child->next)
        read_values(arena, child, text);
    if (!node->value.text)
        return;
    if (search_date_parse(node->value.text, 1700000000000, &from, &until) && from >= until)
        abort();
    search_span_parse(node->value.text, &number);
    search_number_parse(node->value.text, &number);
    search_size_parse(node->value.text, &number, &unit);
    text_pattern_init(&pattern, arena, node->value.parts, node->value.part_count, false, false);
    if (!text_pattern_matches(&pattern, node->value.text, &scratch))
        abort(); // "*" matches itself
    text_pattern_matches(&pattern, text, &scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_ARENA arena = {0};
    AUTO_STRBUF once = {0}, twice = {0};
    AUTO_FREE char *text = memory_bytes(data, size);
    AUTO_FAIL why = {0};
    Query query;
    if (query_parse(&arena, text, &query, &why)) {
        if (why.code != FAIL_SEARCH || !utf8_valid(why.message, strlen(why.message)))
            abort();
        return 0;
    }
    if (query.all)
        read_values(&arena, query.all, text);
    put_query(&once, &query);
    if (once.length > QUERY_LENGTH_MAX || depth_of(query.all) > QUERY_DEPTH_MAX)
        return 0; // grown by escapes, quotes and parentheses
    if (query_parse(&arena, once.data, &query, NULL))
        abort();
    put_query(&twice, &query);
    if (strcmp(once.data, twice.data))
        abort();
    return 0;
}
