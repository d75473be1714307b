#include "api/codec/value.h"

#include <string.h>
#include <strings.h>

int api_enum_find(const ApiEnum *enumeration, const char *value)
{
    for (int i = 1; value && i < enumeration->count; i++)
        if (!strcasecmp(enumeration->values[i], value))
            return i;
    return 0;
}

const char *api_enum_name(const ApiEnum *enumeration, int value)
{
    return value > 0 && value < enumeration->count ? enumeration->values[value] : NULL;
}

const ApiField *api_field_find(const ApiType *type, const char *name)
{
    for (int i = 0; i < type->count; i++)
        if (!strcmp(type->fields[i].name, name))
            return &type->fields[i];
    return NULL;
}

size_t api_item_size(const ApiField *field)
{
    switch ((ApiKind)field->kind) {
    case API_STRING:
    case API_STRUCT: return sizeof(void *);
    case API_BOOLEAN: return sizeof(ApiBoolean);
    case API_INTEGER:
    case API_DATE: return sizeof(ApiInteger);
    case API_DECIMAL: return sizeof(ApiDecimal);
    case API_ENUM: return sizeof(int);
    }
    return 0;
}
