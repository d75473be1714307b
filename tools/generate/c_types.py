"""C structs and descriptor tables of all API types."""

from model import SCALARS, snake

RESERVED = {'default', 'register', 'switch', 'static', 'enum', 'int', 'long', 'union', 'struct',
            'case', 'const', 'for', 'if', 'import', 'namespace', 'public', 'private', 'template',
            'class', 'new', 'operator', 'this', 'virtual', 'union', 'volatile', 'short', 'signed'}
RESERVED -= {'import', 'namespace', 'public', 'private', 'template', 'class', 'new', 'operator',
             'this', 'virtual'}
SCALAR_TYPES = {'string': 'const char *', 'boolean': 'ApiBoolean ', 'integer': 'ApiInteger ',
                'decimal': 'ApiDecimal ', 'date': 'ApiDate '}
SCALAR_KINDS = {'string': 'API_STRING', 'boolean': 'API_BOOLEAN', 'integer': 'API_INTEGER',
                'decimal': 'API_DECIMAL', 'date': 'API_DATE'}
HEADER = '// DO NOT EDIT: made from api/*.api by tools/generate.\n'


def member(attribute):
    return attribute.name + ('_' if attribute.name in RESERVED else '')


def enum_value(enum, value):
    return f'API_{snake(enum.name).upper()}_{value.upper()}'


def c_string(text):
    return '"' + text.replace('\\', '\\\\').replace('"', '\\"') + '"'


def declare(model, attribute):
    if attribute.type in SCALARS:
        item = SCALAR_TYPES[attribute.type]
    elif attribute.type in model.enums:
        item = f'Api{attribute.type} '
    else:
        item = f'struct Api{attribute.type} *'
    if attribute.is_list:
        star = item.rstrip() + ' *' if item.endswith(' ') else item + '*'
        return f'    struct {{ {star}items; uint32_t count; bool set; }} {member(attribute)};'
    return f'    {item}{member(attribute)};'


def header(model):
    out = [HEADER, '#pragma once', '', '#include "api/codec/value.h"', '']
    for enum in sorted(model.enums.values(), key=lambda e: e.name):
        out.append(f'typedef enum Api{enum.name} {{')
        out.append(f'    API_{snake(enum.name).upper()}_UNSET,')
        out += [f'    {enum_value(enum, value)},' for value, _ in enum.values]
        out.append(f'    _API_{snake(enum.name).upper()}_MAX,')
        out.append(f'}} Api{enum.name};')
        out.append(f'extern const ApiEnum api_enum_{snake(enum.name)};')
        out.append('')
    types = sorted(model.types.values(), key=lambda t: t.name)
    out += [f'typedef struct Api{t.name} Api{t.name};' for t in types]
    out.append('')
    for type_ in types:
        out.append(f'struct Api{type_.name} {{')
        out.append('    const char *id, *href;')
        out += [declare(model, a) for a in type_.attributes if a.name not in ('id', 'href')]
        out.append('};')
        out.append(f'extern const ApiType api_type_{snake(type_.name)};')
        out.append('')
    out.append('// All types, sorted by name.')
    out.append('extern const ApiType *const api_types[];')
    out.append('extern const size_t api_types_count;')
    return '\n'.join(out) + '\n'


def flags(attribute):
    names = []
    if attribute.is_list:
        names.append('API_LIST')
    if attribute.is_link:
        names.append('API_LINK')
    for flag in ('all_content', 'secret', 'internal', 'deprecated'):
        if flag in attribute.flags:
            names.append('API_' + flag.upper())
    return ' | '.join(names) or '0'


def field_row(model, type_, attribute):
    wire = attribute.wire
    if attribute.type in SCALARS:
        kind, described = SCALAR_KINDS[attribute.type], 'NULL'
    elif attribute.type in model.enums:
        kind, described = 'API_ENUM', f'&api_enum_{snake(attribute.type)}'
    else:
        kind, described = 'API_STRUCT', f'&api_type_{snake(attribute.type)}'
    item = attribute.item or ''
    cells = [c_string(wire), c_string(f'<{wire}>'), c_string(f'</{wire}>'), c_string(f'"{wire}":'),
             str(len(wire)), kind, flags(attribute),
             f'offsetof(struct Api{type_.name}, {member(attribute)})', described,
             c_string(item) if item else 'NULL',
             c_string(attribute.rel) if attribute.rel else 'NULL']
    return '    {' + ', '.join(cells) + '},'


def source(model):
    out = [HEADER, '#include "api_types.h"', '']
    for enum in sorted(model.enums.values(), key=lambda e: e.name):
        name = snake(enum.name)
        values = ', '.join(c_string(v) for v, _ in enum.values)
        out.append(f'static const char *const values_{name}[] = {{NULL, {values}}};')
        out.append(f'const ApiEnum api_enum_{name} = {{{c_string(enum.name)}, values_{name}, '
                   f'{len(enum.values) + 1}}};')
    out.append('')
    types = sorted(model.types.values(), key=lambda t: t.name)
    for type_ in types:
        name = snake(type_.name)
        rows = [field_row(model, type_, a) for a in type_.attributes
                if a.name not in ('id', 'href')]
        if rows:
            out.append(f'static const ApiField fields_{name}[] = {{')
            out += rows
            out.append('};')
        home = model.homes.get(type_.name)
        out.append(f'const ApiType api_type_{name} = {{{c_string(type_.name)}, '
                   f'{c_string(type_.one)}, {c_string(type_.many)}, '
                   f'{c_string(home) if home else "NULL"}, '
                   f'{f"fields_{name}" if rows else "NULL"}, {len(rows)}, '
                   f'sizeof(struct Api{type_.name})}};')
    out.append('')
    out.append('const ApiType *const api_types[] = {')
    out += [f'    &api_type_{snake(t.name)},' for t in types]
    out.append('};')
    out.append(f'const size_t api_types_count = {len(types)};')
    return '\n'.join(out) + '\n'
