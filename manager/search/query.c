#include "manager/search/query.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/json.h"

typedef struct Parser {
    Arena *arena;
    const char *text;
    size_t at;
    int depth, conditions;
    Fail *why;
} Parser;

static const char *const relations[] = {
    [QUERY_EQUAL] = "=",   [QUERY_UNEQUAL] = "!=",    [QUERY_LESS] = "<",
    [QUERY_GREATER] = ">", [QUERY_LESS_EQUAL] = "<=", [QUERY_GREATER_EQUAL] = ">=",
};

const char *query_relation_text(QueryRelation relation)
{
    return relations[relation];
}

int query_fail(Fail *why, const char *text, size_t at, const char *format, ...)
{
    AUTO_STRBUF message = {0};
    size_t character = 1;
    for (size_t i = 0; i < at; i++)
        character += (text[i] & 0xc0) != 0x80;
    strbuf_addf(&message, "search, at character %zu: ", character);
    va_list args;
    va_start(args, format);
    strbuf_addv(&message, format, args);
    va_end(args);
    fail_set(why, FAIL_SEARCH, "%s", message.data);
    return fail_to_errno(FAIL_SEARCH);
}

// ---- characters

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_name(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

static void skip_space(Parser *parser)
{
    while (is_space(parser->text[parser->at]))
        parser->at++;
}

// Bytes of the relation that stands there, 0 when there is none.
static size_t relation_at(const char *text, QueryRelation *ret)
{
    static const QueryRelation longest_first[] = {
        QUERY_UNEQUAL, QUERY_LESS_EQUAL, QUERY_GREATER_EQUAL,
        QUERY_EQUAL,   QUERY_LESS,       QUERY_GREATER,
    };
    for (size_t i = 0; i < COUNT_OF(longest_first); i++) {
        size_t length = strlen(relations[longest_first[i]]);
        if (strncmp(text, relations[longest_first[i]], length))
            continue;
        *ret = longest_first[i];
        return length;
    }
    return 0;
}

// What no search may contain, before anything else is looked at.
static int text_check(Parser *parser)
{
    const char *text = parser->text;
    size_t length = strnlen(text, QUERY_LENGTH_MAX + 1);
    if (length > QUERY_LENGTH_MAX)
        return query_fail(parser->why, text, 0, "it is longer than %d bytes", QUERY_LENGTH_MAX);
    for (size_t at = 0; at < length;) {
        size_t step = utf8_step(text + at, length - at);
        if (!step)
            return query_fail(parser->why, text, at, "this is not UTF-8");
        if (text[at] == '\'' || text[at] == ';') {
            query_fail(parser->why, text, at, "the character %c is not allowed", text[at]);
            fail_hint(parser->why, "Put * in its place: it stands for anything");
            return fail_to_errno(FAIL_SEARCH);
        }
        if (iscntrl((unsigned char)text[at]) && !is_space(text[at]))
            return query_fail(parser->why, text, at, "control characters are not allowed");
        at += step;
    }
    return 0;
}

// ---- words and values

static QueryWord word_make(Parser *parser, size_t from, size_t to)
{
    return (QueryWord){arena_bytes(parser->arena, parser->text + from, to - from), from};
}

// True when the word of the language stands here; it is skipped then.
static bool take_keyword(Parser *parser, const char *keyword)
{
    size_t length = strlen(keyword);
    skip_space(parser);
    const char *text = parser->text + parser->at;
    char after = 0;
    if (strncasecmp(text, keyword, length) ||
        ((after = text[length]) && !is_space(after) && !strchr("()\"", after)))
        return false;
    parser->at += length;
    return true;
}

static bool stands_keyword(Parser *parser, const char *keyword)
{
    size_t at = parser->at;
    bool stands = take_keyword(parser, keyword);
    parser->at = at;
    return stands;
}

// Copies without escapes. In `pieces` each wildcard becomes the NUL that ends a part.
static QueryValue value_make(Parser *parser, size_t from, size_t to, bool quoted)
{
    size_t length = 0;
    char *text = arena_alloc(parser->arena, to - from + 1);
    char *pieces = arena_alloc(parser->arena, to - from + 1);
    QueryValue value = {.text = text, .part_count = 1, .at = from};
    for (size_t at = from; at < to; at++, length++) {
        bool escaped = quoted && parser->text[at] == '\\' && strchr("\"\\*", parser->text[at + 1]);
        at += escaped;
        text[length] = pieces[length] = parser->text[at];
        if (parser->text[at] == '*' && !escaped) {
            pieces[length] = 0;
            value.part_count++;
        }
    }
    const char **parts = ARENA_ARRAY(parser->arena, const char *, (size_t)value.part_count);
    parts[0] = pieces;
    for (int i = 1; i < value.part_count; i++)
        parts[i] = parts[i - 1] + strlen(parts[i - 1]) + 1;
    value.parts = parts;
    return value;
}

static int take_quoted(Parser *parser, QueryValue *ret)
{
    size_t from = parser->at + 1, at = from;
    while (parser->text[at] && parser->text[at] != '"')
        at += parser->text[at] == '\\' && parser->text[at + 1] ? 2 : 1;
    if (!parser->text[at]) {
        query_fail(parser->why, parser->text, parser->at,
                   "the quote that opens here is not closed");
        fail_hint(parser->why, "Inside of quotes a quote is written \\\"");
        return fail_to_errno(FAIL_SEARCH);
    }
    *ret = value_make(parser, from, at, true);
    parser->at = at + 1;
    return 0;
}

// A word ends at a space, and at a parenthesis that it did not open itself.
static int take_bare(Parser *parser, QueryValue *ret)
{
    int open = 0;
    size_t at = parser->at;
    for (char c; (c = parser->text[at]) && !is_space(c) && c != '"'; at++) {
        if (c == ')' && !open)
            break;
        open += (c == '(') - (c == ')');
    }
    if (open || parser->text[at] == '"') {
        query_fail(parser->why, parser->text, at,
                   open ? "a parenthesis inside of the value is open"
                        : "a quote stands inside of the value");
        fail_hint(parser->why, "Put the whole value in quotes");
        return fail_to_errno(FAIL_SEARCH);
    }
    *ret = value_make(parser, parser->at, at, false);
    parser->at = at;
    return 0;
}

static int take_value(Parser *parser, const QueryNode *node, QueryValue *ret)
{
    QueryRelation relation;
    skip_space(parser);
    const char *here = parser->text + parser->at;
    if (*here == '"')
        return take_quoted(parser, ret);
    if (*here && *here != ')' && !relation_at(here, &relation))
        return take_bare(parser, ret);
    query_fail(parser->why, parser->text, parser->at, "a value is expected after %s%s%s%s",
               node->object.text ? node->object.text : "", node->object.text ? "." : "",
               node->field.text, query_relation_text(node->relation));
    fail_hint(parser->why,
              "For no value at all write \"\"; signs at its beginning need quotes too");
    return fail_to_errno(FAIL_SEARCH);
}

// ---- conditions

// Some of oVirt's field names carry their unit: "low_space_threshold (%)". Returns its end.
static size_t unit_end(const char *text, size_t at)
{
    size_t begin = at;
    while (is_space(text[at]))
        at++;
    if (text[at] != '(')
        return begin;
    at++;
    size_t inside = at;
    while (text[at] == '%' || isalpha((unsigned char)text[at]))
        at++;
    return at > inside && text[at] == ')' ? at + 1 : begin;
}

// Where the name that stands here ends and its relation begins; false when it is no condition.
static bool condition_stands(const Parser *parser, size_t *ret_end, size_t *ret_relation)
{
    const char *text = parser->text;
    QueryRelation relation;
    size_t at = parser->at;
    while (text[at] && !is_space(text[at]) && !strchr("()\"", text[at]) &&
           !relation_at(text + at, &relation))
        at++;
    size_t ends[] = {at, unit_end(text, at)};
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        size_t behind = ends[i];
        while (is_space(text[behind]))
            behind++;
        if (!relation_at(text + behind, &relation))
            continue;
        *ret_end = ends[i];
        *ret_relation = behind;
        return true;
    }
    return false;
}

static size_t name_end(const char *text, size_t at)
{
    while (is_name(text[at]))
        at++;
    return at;
}

// object.field or field, exactly up to `end`.
static int take_names(Parser *parser, size_t end, QueryNode *node)
{
    const char *text = parser->text;
    size_t from = parser->at, at = name_end(text, from);
    if (text[at] == '.' && at > from && at < end) {
        node->object = word_make(parser, from, at);
        from = at + 1;
        at = name_end(text, from);
    }
    if (at == from || (at != end && unit_end(text, at) != end)) {
        query_fail(parser->why, text, at, "the name of a field is expected before a relation");
        fail_hint(parser->why, "Put text that contains = < > in quotes");
        return fail_to_errno(FAIL_SEARCH);
    }
    node->field = word_make(parser, from, end);
    return 0;
}

static int take_condition(Parser *parser, QueryNode **ret)
{
    size_t end, relation;
    QueryNode *node = ARENA_NEW(parser->arena, QueryNode);
    if (++parser->conditions > QUERY_CONDITIONS_MAX)
        return query_fail(parser->why, parser->text, parser->at, "more than %d conditions",
                          QUERY_CONDITIONS_MAX);
    *ret = node;
    if (parser->text[parser->at] == '"') {
        node->kind = QUERY_TEXT;
        return take_quoted(parser, &node->value);
    }
    if (!condition_stands(parser, &end, &relation)) {
        node->kind = QUERY_TEXT;
        return take_bare(parser, &node->value);
    }
    node->kind = QUERY_CONDITION;
    int result = take_names(parser, end, node);
    if (result)
        return result;
    parser->at = relation + relation_at(parser->text + relation, &node->relation);
    return take_value(parser, node, &node->value);
}

// ---- conditions together

static int take_all(Parser *parser, QueryNode **ret);

static int take_one(Parser *parser, QueryNode **ret)
{
    skip_space(parser);
    size_t opened = parser->at;
    char here = parser->text[opened];
    if (!here || here == ')' || stands_keyword(parser, "and") || stands_keyword(parser, "or") ||
        stands_keyword(parser, "sortby") || stands_keyword(parser, "page"))
        return query_fail(parser->why, parser->text, opened, "a condition is expected");
    if (here != '(')
        return take_condition(parser, ret);
    if (parser->depth == QUERY_DEPTH_MAX)
        return query_fail(parser->why, parser->text, opened, "more than %d parentheses are open",
                          QUERY_DEPTH_MAX);
    parser->at++;
    parser->depth++;
    int result = take_all(parser, ret);
    parser->depth--;
    if (result)
        return result;
    skip_space(parser);
    if (parser->text[parser->at] != ')')
        return query_fail(parser->why, parser->text, opened,
                          "the parenthesis that opens here is not closed");
    parser->at++;
    return 0;
}

// Whether another operand follows at this level; skips the word between them.
typedef bool Follows(Parser *parser);
typedef int Take(Parser *parser, QueryNode **ret);

// One operand, or several of them under a node of the kind.
static int take_several(Parser *parser, QueryKind kind, Take *take, Follows *follows,
                        QueryNode **ret)
{
    QueryNode *first, *last;
    int result = take(parser, &first);
    if (result)
        return result;
    *ret = last = first;
    while (follows(parser)) {
        result = take(parser, &last->next);
        if (result)
            return result;
        last = last->next;
    }
    if (last != first) {
        *ret = ARENA_NEW(parser->arena, QueryNode);
        (*ret)->kind = kind;
        (*ret)->first = first;
    }
    return 0;
}

static bool and_follows(Parser *parser)
{
    return take_keyword(parser, "and");
}

static bool or_follows(Parser *parser)
{
    return take_keyword(parser, "or");
}

static bool more_follows(Parser *parser)
{
    skip_space(parser);
    return parser->text[parser->at] && parser->text[parser->at] != ')' &&
           !stands_keyword(parser, "sortby") && !stands_keyword(parser, "page");
}

static int take_both(Parser *parser, QueryNode **ret)
{
    return take_several(parser, QUERY_AND, take_one, and_follows, ret);
}

static int take_any(Parser *parser, QueryNode **ret)
{
    return take_several(parser, QUERY_OR, take_both, or_follows, ret);
}

static int take_all(Parser *parser, QueryNode **ret)
{
    return take_several(parser, QUERY_AND, take_any, more_follows, ret);
}

// ---- the whole

// Letters before a colon; addresses of networks have digits or two colons.
static void take_object(Parser *parser, QueryWord *ret)
{
    size_t from = parser->at, end = from, at;
    while (isalpha((unsigned char)parser->text[end]) || parser->text[end] == '_')
        end++;
    at = end;
    while (is_space(parser->text[at]))
        at++;
    if (end == from || parser->text[at] != ':' || parser->text[at + 1] == ':')
        return;
    *ret = word_make(parser, from, end);
    parser->at = at + 1;
}

static int take_sort(Parser *parser, Query *query)
{
    if (!take_keyword(parser, "sortby"))
        return 0;
    skip_space(parser);
    size_t from = parser->at, end = name_end(parser->text, from);
    if (end == from)
        return query_fail(parser->why, parser->text, from,
                          "the name of a field is expected after sortby");
    parser->at = unit_end(parser->text, end);
    query->sort = word_make(parser, from, parser->at);
    query->descending = take_keyword(parser, "desc");
    if (!query->descending)
        take_keyword(parser, "asc");
    return 0;
}

static int take_page(Parser *parser, Query *query)
{
    if (!take_keyword(parser, "page"))
        return 0;
    skip_space(parser);
    size_t from = parser->at, end = from;
    for (; isdigit((unsigned char)parser->text[end]) && end < from + 9; end++)
        query->page = query->page * 10 + parser->text[end] - '0';
    if (!query->page || is_name(parser->text[end]))
        return query_fail(parser->why, parser->text, from,
                          "a number from 1 to 999999999 is expected after page");
    parser->at = end;
    return 0;
}

int query_parse(Arena *arena, const char *text, Query *ret, Fail *why)
{
    Parser parser = {.arena = arena, .text = text, .why = why};
    Query query = {0};
    QueryNode *all = NULL;
    int result = text_check(&parser);
    if (result)
        return result;
    skip_space(&parser);
    take_object(&parser, &query.object);
    if (more_follows(&parser) && (result = take_all(&parser, &all)))
        return result;
    query.all = all;
    if ((result = take_sort(&parser, &query)) || (result = take_page(&parser, &query)))
        return result;
    skip_space(&parser);
    if (text[parser.at])
        return query_fail(why, text, parser.at, "the end is expected");
    *ret = query;
    return 0;
}
