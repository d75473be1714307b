#include "manager/search/condition.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "manager/search/search_value.h"

typedef enum ConditionKind {
    CONDITION_AND,
    CONDITION_OR,
    CONDITION_FIELD,
    CONDITION_TEXT,
    CONDITION_LINKED, // a related object holds the child
    CONDITION_AMONG,  // is one of the entities found before
} ConditionKind;

// The value of a condition, read as the field's type wants it.
typedef struct Operand {
    bool unset; // no value at all
    TextPattern pattern;
    double number;
    double until; // dates: behind its end
    double unit;  // sizes: bytes of one; 0: exact
    int version[4];
} Operand;

struct Condition {
    ConditionKind kind;
    Condition *first, *next;
    const Collection *collection; // TEXT: whose fields
    const Field *field;
    QueryRelation relation;
    Operand operand;
    const Reference *reference;
    const Entity **among; // sorted by address
    size_t among_count;
    bool among_negative; // none of them
};

void matching_init(Matching *matching, const SearchScope *scope, const char *text,
                   bool case_sensitive, Arena *arena)
{
    *matching = (Matching){.scope = scope,
                           .text = text,
                           .case_sensitive = case_sensitive,
                           .arena = arena,
                           .scratch = {.arena = arena},
                           .values = {.arena = arena},
                           .linked = {.arena = arena}};
}

// ---- messages

// As people wrote it, but not longer than a line.
static const char *quoted(const Matching *matching, const char *text)
{
    size_t length = strnlen(text, 60);
    while (length && (text[length] & 0xc0) == 0x80)
        length--;
    return arena_format(matching->arena, "\"%.*s%s\"", (int)length, text,
                        text[length] ? "..." : "");
}

int condition_unknown_field(const Matching *matching, const Collection *collection,
                            const QueryWord *word, Fail *why)
{
    AUTO_STRBUF names = {0};
    size_t count;
    const Field *fields = fields_of(collection->id, &count);
    query_fail(why, matching->text, word->at, "%s have no field %s", collection->noun,
               quoted(matching, word->text));
    for (size_t i = 0; i < count; i++)
        strbuf_addf(&names, "%s%s", i ? ", " : "", fields[i].name);
    fail_hint(why, "Fields are: %s", names.data);
    return fail_to_errno(FAIL_SEARCH);
}

static void unknown_object(const Matching *matching, const Collection *collection,
                           const QueryWord *word, Fail *why)
{
    AUTO_STRBUF names = {0};
    query_fail(why, matching->text, word->at, "%s do not refer to %s", collection->noun,
               quoted(matching, word->text));
    for (const Reference *reference = NULL;
         (reference = reference_next(collection->id, reference));)
        strbuf_addf(&names, "%s%s", names.length ? ", " : "",
                    collection_get(reference->to)->object);
    if (names.length)
        fail_hint(why, "What can stand before the dot: %s", names.data);
}

// ---- values

static bool version_parse(const char *text, int version[4])
{
    for (int i = 0; i < 4; i++) {
        char *end;
        if (*text < '0' || *text > '9')
            return false;
        version[i] = (int)strtol(text, &end, 10);
        if (*end != '.')
            return true; // what follows the numbers ("4.50-1.el9") does not count
        text = end + 1;
    }
    return true;
}

static int relation_check(const Matching *matching, const Field *field, const QueryNode *node,
                          Fail *why)
{
    bool ordered = field->type == FIELD_CHOICE
                       ? field->choice->ordered
                       : field->type == FIELD_VERSION ||
                             (!field_is_text(field) && field->type != FIELD_BOOLEAN);
    if (ordered || node->relation == QUERY_EQUAL || node->relation == QUERY_UNEQUAL)
        return 0;
    query_fail(why, matching->text, node->value.at, "%s has no order, so %s cannot be asked",
               field->name, query_relation_text(node->relation));
    fail_hint(why, "Use = or !=");
    return fail_to_errno(FAIL_SEARCH);
}

static int wrong_value(const Matching *matching, const Field *field, const QueryValue *value,
                       const char *expected, Fail *why)
{
    query_fail(why, matching->text, value->at, "%s is no value of %s",
               quoted(matching, value->text), field->name);
    fail_hint(why, "Expected: %s", expected);
    return fail_to_errno(FAIL_SEARCH);
}

static int choice_read(const Matching *matching, const Field *field, const QueryValue *value,
                       Operand *ret, Fail *why)
{
    AUTO_STRBUF names = {0};
    int number;
    if (choice_find(field->choice, value->text, &number)) {
        ret->number = number ? number : NAN; // equal to nothing
        return 0;
    }
    choice_list(field->choice, &names);
    return wrong_value(matching, field, value, names.data, why);
}

static int boolean_read(const Matching *matching, const Field *field, const QueryValue *value,
                        Operand *ret, Fail *why)
{
    bool truth = !strcasecmp(value->text, "true") || !strcmp(value->text, "1");
    if (!truth && strcasecmp(value->text, "false") && strcmp(value->text, "0"))
        return wrong_value(matching, field, value, "true or false", why);
    ret->number = truth;
    return 0;
}

static int date_read(const Matching *matching, const Field *field, const QueryValue *value,
                     Operand *ret, Fail *why)
{
    int64_t from, until;
    if (!search_date_parse(value->text, matching->scope->now_ms, &from, &until))
        return wrong_value(matching, field, value,
                           "today, yesterday, a day of the week, a date like 2024-01-31, "
                           "1/31/2024 or \"Jan 31, 2024\", with or without a time like 14:30",
                           why);
    ret->number = (double)from;
    ret->until = (double)until;
    return 0;
}

static int size_read(const Matching *matching, const Field *field, const QueryValue *value,
                     Operand *ret, Fail *why)
{
    bool unit;
    if (!search_size_parse(value->text, &ret->number, &unit))
        return wrong_value(matching, field, value, "a number, or one with KB, MB, GB or TB", why);
    ret->unit = unit ? 0 : field->unit;
    return 0;
}

static int text_read(const Matching *matching, const Field *field, const QueryNode *node,
                     Operand *ret, Fail *why)
{
    if (field->type == FIELD_VERSION && node->relation != QUERY_EQUAL &&
        node->relation != QUERY_UNEQUAL && !version_parse(node->value.text, ret->version))
        return wrong_value(matching, field, &node->value, "a version like 4.7", why);
    text_pattern_init(&ret->pattern, matching->arena, node->value.parts, node->value.part_count,
                      matching->case_sensitive && field->type != FIELD_UUID,
                      field->flags & FIELD_INSIDE);
    return 0;
}

static int operand_read(const Matching *matching, const Field *field, const QueryNode *node,
                        Operand *ret, Fail *why)
{
    const QueryValue *value = &node->value;
    int result = relation_check(matching, field, node, why);
    if (result)
        return result;
    ret->unset = !*value->text || ((!field_is_text(field) || field->flags & FIELD_NULLABLE) &&
                                   !strcasecmp(value->text, "null"));
    if (ret->unset)
        return node->relation == QUERY_EQUAL || node->relation == QUERY_UNEQUAL
                   ? 0
                   : wrong_value(matching, field, value, "a value to compare with", why);
    switch (field->type) {
    case FIELD_CHOICE: return choice_read(matching, field, value, ret, why);
    case FIELD_BOOLEAN: return boolean_read(matching, field, value, ret, why);
    case FIELD_DATE: return date_read(matching, field, value, ret, why);
    case FIELD_SIZE: return size_read(matching, field, value, ret, why);
    case FIELD_NUMBER:
        return search_number_parse(value->text, &ret->number)
                   ? 0
                   : wrong_value(matching, field, value, "a number", why);
    case FIELD_SPAN:
        return search_span_parse(value->text, &ret->number)
                   ? 0
                   : wrong_value(matching, field, value,
                                 "days, hours:minutes, days.hours:minutes, or 90s, 30m, 12h, 5d",
                                 why);
    default: return text_read(matching, field, node, ret, why);
    }
}

// ---- making conditions

static Condition *make(Matching *matching, Condition condition)
{
    Condition *made = ARENA_NEW(matching->arena, Condition);
    *made = condition;
    return made;
}

static Condition *make_text(Matching *matching, const Collection *collection, const QueryNode *node,
                            QueryRelation relation)
{
    Condition condition = {.kind = CONDITION_TEXT, .collection = collection, .relation = relation};
    text_pattern_init(&condition.operand.pattern, matching->arena, node->value.parts,
                      node->value.part_count, matching->case_sensitive, true);
    return make(matching, condition);
}

static Condition *make_field(Matching *matching, const Field *field, const QueryNode *node,
                             Fail *why)
{
    Condition condition = {.kind = CONDITION_FIELD, .field = field, .relation = node->relation};
    if (operand_read(matching, field, node, &condition.operand, why))
        return NULL;
    return make(matching, condition);
}

static int by_address(const void *one, const void *other)
{
    const Entity *left = *(const Entity *const *)one, *right = *(const Entity *const *)other;
    return (left > right) - (left < right);
}

// Goes through all objects the reference comes from the other way, once, and remembers what those
// lead to for which the child holds. A negative condition also holds for what nothing leads to, so
// then it remembers for what it does not hold: where something leads to, but the child never holds.
static Condition *make_among(Matching *matching, const Reference *reference, const Condition *child)
{
    Subjects sources = {.arena = matching->arena}, good = sources, all = sources;
    scope_subjects(matching->scope, collection_get(reference->to), &sources);
    for (size_t i = 0; i < sources.count; i++) {
        Subjects *to = condition_holds(matching, child, &sources.items[i]) ? &good : &all;
        reference->link(matching->scope, &sources.items[i], to);
    }
    bool negative = child->relation == QUERY_UNEQUAL;
    Condition condition = {.kind = CONDITION_AMONG, .among_negative = negative};
    condition.among = ARENA_ARRAY(matching->arena, const Entity *, good.count + all.count + 1);
    for (size_t i = 0; i < good.count; i++)
        if (good.items[i].entity)
            condition.among[condition.among_count++] = good.items[i].entity;
    qsort(condition.among, condition.among_count, sizeof(Entity *), by_address);
    if (!negative)
        return make(matching, condition);
    const Entity **holding = condition.among;
    size_t held = condition.among_count;
    condition.among = ARENA_ARRAY(matching->arena, const Entity *, all.count + 1);
    condition.among_count = 0;
    for (size_t i = 0; i < all.count; i++)
        if (all.items[i].entity &&
            !bsearch(&all.items[i].entity, holding, held, sizeof(Entity *), by_address))
            condition.among[condition.among_count++] = all.items[i].entity;
    qsort(condition.among, condition.among_count, sizeof(Entity *), by_address);
    return make(matching, condition);
}

static Condition *make_linked(Matching *matching, const Reference *reference, Condition *child)
{
    if (!child)
        return NULL;
    if (reference->inverse)
        return make_among(matching, reference, child);
    return make(matching, (Condition){.kind = CONDITION_LINKED,
                                      .reference = reference,
                                      .first = child,
                                      .relation = child->relation});
}

// field = value, object.field = value, or object = text.
static Condition *make_condition(Matching *matching, const Collection *collection,
                                 const QueryNode *node, Fail *why)
{
    const Field *field = node->object.text ? NULL : field_find(collection->id, node->field.text);
    if (field)
        return make_field(matching, field, node, why);
    const QueryWord *word = node->object.text ? &node->object : &node->field;
    const Collection *target = collection_find(word->text);
    const Reference *reference = target ? reference_find(collection->id, target->id) : NULL;
    if (!reference && target != collection) {
        if (node->object.text)
            unknown_object(matching, collection, word, why);
        else
            condition_unknown_field(matching, collection, word, why);
        return NULL;
    }
    Condition *child;
    if (node->object.text) {
        field = field_find(target->id, node->field.text);
        if (!field) {
            condition_unknown_field(matching, target, &node->field, why);
            return NULL;
        }
        child = make_field(matching, field, node, why);
    } else if (node->relation != QUERY_EQUAL && node->relation != QUERY_UNEQUAL) {
        query_fail(why, matching->text, node->value.at, "text is compared with = or !=");
        return NULL;
    } else {
        child = make_text(matching, target, node, node->relation);
    }
    return reference ? make_linked(matching, reference, child) : child;
}

static Condition *make_tree(Matching *matching, const Collection *collection, const QueryNode *node,
                            Fail *why)
{
    if (node->kind == QUERY_CONDITION)
        return make_condition(matching, collection, node, why);
    if (node->kind == QUERY_TEXT)
        return make_text(matching, collection, node, QUERY_EQUAL);
    Condition *whole = ARENA_NEW(matching->arena, Condition), **place = &whole->first;
    whole->kind = node->kind == QUERY_AND ? CONDITION_AND : CONDITION_OR;
    for (const QueryNode *child = node->first; child; child = child->next) {
        *place = make_tree(matching, collection, child, why);
        if (!*place)
            return NULL;
        place = &(*place)->next;
    }
    return whole;
}

const Condition *condition_new(Matching *matching, const Collection *collection,
                               const QueryNode *node, Fail *why)
{
    return make_tree(matching, collection, node, why);
}

// ---- asking

static int order(double one, double other)
{
    return (one > other) - (one < other);
}

static bool relation_holds(QueryRelation relation, int compared)
{
    switch (relation) {
    case QUERY_LESS: return compared < 0;
    case QUERY_GREATER: return compared > 0;
    case QUERY_LESS_EQUAL: return compared <= 0;
    case QUERY_GREATER_EQUAL: return compared >= 0;
    default: return compared == 0;
    }
}

// A day is equal to all its moments; after it begins is later than it, as oVirt compares.
static bool date_holds(const Operand *operand, QueryRelation relation, double time)
{
    switch (relation) {
    case QUERY_LESS: return time < operand->number;
    case QUERY_GREATER: return time > operand->number;
    case QUERY_LESS_EQUAL: return time < operand->until;
    case QUERY_GREATER_EQUAL: return time >= operand->number;
    default: return time >= operand->number && time < operand->until;
    }
}

static bool version_holds(const Operand *operand, QueryRelation relation, const char *text)
{
    int version[4] = {0};
    int compared = 0;
    if (!version_parse(text, version))
        return false;
    for (int i = 0; i < 4 && !compared; i++)
        compared = order(version[i], operand->version[i]);
    return relation_holds(relation, compared);
}

static bool value_holds(Matching *matching, const Condition *condition, const FieldValue *value,
                        QueryRelation relation)
{
    const Operand *operand = &condition->operand;
    switch (condition->field->type) {
    case FIELD_TEXT:
    case FIELD_UUID:
    case FIELD_ADDRESS:
        return text_pattern_matches(&operand->pattern, value->text, &matching->scratch);
    case FIELD_VERSION:
        return relation == QUERY_EQUAL
                   ? text_pattern_matches(&operand->pattern, value->text, &matching->scratch)
                   : version_holds(operand, relation, value->text);
    case FIELD_DATE: return date_holds(operand, relation, value->number);
    case FIELD_SIZE:
        return relation_holds(
            relation, order(operand->unit ? floor(value->number / operand->unit) : value->number,
                            operand->number));
    default:
        return !isnan(operand->number) &&
               relation_holds(relation, order(value->number, operand->number));
    }
}

static bool field_holds(Matching *matching, const Condition *condition, const Subject *subject)
{
    FieldValues *values = &matching->values;
    bool negative = condition->relation == QUERY_UNEQUAL, found = false;
    field_values(matching->scope, condition->field, subject, values);
    for (size_t i = 0; i < values->count && !found; i++)
        found = condition->operand.unset
                    ? !field_is_text(condition->field) || *values->items[i].text
                    : value_holds(matching, condition, &values->items[i],
                                  negative ? QUERY_EQUAL : condition->relation);
    return found != (negative != condition->operand.unset);
}

static bool text_holds(Matching *matching, const Condition *condition, const Subject *subject)
{
    size_t count;
    FieldValues *values = &matching->values;
    const Field *fields = fields_of(condition->collection->id, &count);
    for (size_t i = 0; i < count; i++) {
        if (!field_is_text(&fields[i]) || fields[i].type == FIELD_UUID ||
            fields[i].flags & FIELD_HIDDEN)
            continue;
        field_values(matching->scope, &fields[i], subject, values);
        for (size_t k = 0; k < values->count; k++)
            if (text_pattern_matches(&condition->operand.pattern, values->items[k].text,
                                     &matching->scratch))
                return condition->relation == QUERY_EQUAL;
    }
    return condition->relation != QUERY_EQUAL;
}

static bool linked_holds(Matching *matching, const Condition *condition, const Subject *subject)
{
    Subjects *linked = &matching->linked;
    linked->count = 0;
    if (condition->reference->link)
        condition->reference->link(matching->scope, subject, linked);
    for (size_t i = 0; i < linked->count; i++)
        if (condition_holds(matching, condition->first, &linked->items[i]))
            return true;
    return !linked->count && condition->relation == QUERY_UNEQUAL;
}

bool condition_holds(Matching *matching, const Condition *condition, const Subject *subject)
{
    switch (condition->kind) {
    case CONDITION_AND:
        for (const Condition *child = condition->first; child; child = child->next)
            if (!condition_holds(matching, child, subject))
                return false;
        return true;
    case CONDITION_OR:
        for (const Condition *child = condition->first; child; child = child->next)
            if (condition_holds(matching, child, subject))
                return true;
        return false;
    case CONDITION_FIELD: return field_holds(matching, condition, subject);
    case CONDITION_TEXT: return text_holds(matching, condition, subject);
    case CONDITION_LINKED: return linked_holds(matching, condition, subject);
    case CONDITION_AMONG:
        return (bsearch(&subject->entity, condition->among, condition->among_count,
                        sizeof(Entity *), by_address) != NULL) != condition->among_negative;
    }
    return false;
}
