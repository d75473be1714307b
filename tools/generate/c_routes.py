"""The route table: services, what lies below them, their methods and who handles them."""

from c_types import HEADER, SCALARS, SCALAR_KINDS, c_string
from model import snake


def typed(model, name):
    if name in SCALARS:
        return SCALAR_KINDS[name], 'NULL'
    if name in model.enums:
        return 'API_ENUM', f'&api_enum_{snake(name)}'
    return 'API_STRUCT', f'&api_type_{snake(name)}'


def method_rows(model, service, out):
    """Parameter arrays first, then the rows of the methods. Variants share their method's row."""
    rows = []
    merged = [m for m in service.methods if not m.variant]
    for method in merged:
        same = [method] + [m for m in service.methods if m.variant == method.name]
        seen, parameters = set(), []
        for one in same:
            for parameter in one.parameters:
                if parameter.name not in seen and parameter.place == 'query':
                    seen.add(parameter.name)
                    parameters.append(parameter)
        tag = f'{snake(service.name)}_{method.name}'
        if parameters:
            out.append(f'static const RestParameter parameters_{tag}[] = {{')
            for parameter in parameters:
                kind, described = typed(model, parameter.type)
                out.append(f'    {{{c_string(parameter.name)}, {kind}, {described}}},')
            out.append('};')
        if method.needs:
            out.append(f'static const char *const needs_{tag}[] = {{'
                       + ', '.join(c_string(n) for n in method.needs) + ', NULL};')
        body = f'&api_type_{snake(method.body.type)}' if method.body else 'NULL'
        if method.verb == 'action':
            body = '&api_type_action'
        result, is_list = 'NULL', False
        for _, type_name, many in method.outs[:1]:
            if type_name in model.types:
                result, is_list = f'&api_type_{snake(type_name)}', many
        verb = f'API_{method.verb.upper()}'
        read = method.verb == 'get' and method.handler
        handler = f'.read = {method.handler}' if read else \
            f'.act = {method.handler}' if method.handler else '.act = NULL'
        event = f'EVENT_{method.event}' if method.event and method.event != '-' else 'EVENT_NONE'
        permit = f'PERMIT_{method.permit}' if method.permit else 'PERMIT_LOGIN'
        action = c_string(method.action) if method.action else 'NULL'
        rows.append(f'    {{{c_string(method.name)}, {verb}, {action}, {body}, {result}, '
                    f'{"true" if is_list else "false"}, '
                    f'{f"parameters_{tag}" if parameters else "NULL"}, {len(parameters)}, '
                    f'{f"needs_{tag}" if method.needs else "NULL"}, '
                    f'{{{handler}}}, {permit}, {event}}},')
    return rows


def tail_rows(kind, service, rels, out):
    """The links that the service's objects show. Returns what the service's row says of them."""
    if not rels:
        return 'NULL'
    name = f'{kind}_{snake(service.name)}'
    out.append(f'static const ApiTail {name}[] = {{')
    out += [f'    API_TAIL({c_string(rel)}),' for rel in rels]
    out += ['    {0},', '};']
    return name


def handlers_of(model):
    handlers = {}
    for service in model.services.values():
        for method in service.methods:
            if method.handler:
                shape = 'read' if method.verb == 'get' else 'act'
                if handlers.setdefault(method.handler, shape) != shape:
                    raise SystemExit(f'{method.where}: {method.handler} reads in one place and '
                                     'acts in another')
    return sorted(handlers.items())


def handlers_header(model):
    out = [HEADER, '#pragma once', '', '#include "manager/rest/routes.h"', '']
    for name, shape in handlers_of(model):
        out.append(f'RestRead {name};' if shape == 'read' else f'RestAct {name};')
    return '\n'.join(out) + '\n'


def source(model):
    out = [HEADER, '#include "rest_handlers.h"', '']
    services = sorted(model.services.values(), key=lambda s: s.name)
    out += [f'static const RestService service_{snake(s.name)};' for s in services]
    out.append('')
    for service in services:
        name = snake(service.name)
        rows = method_rows(model, service, out)
        if rows:
            out.append(f'static const RestMethod methods_{name}[] = {{')
            out += rows
            out.append('};')
        if service.locators:
            out.append(f'static const RestLocator locators_{name}[] = {{')
            for path, target, locator in service.locators:
                out.append(f'    {{{c_string(path)}, {c_string(locator)}, '
                           f'&service_{snake(target)}}},')
            out.append('};')
        links = tail_rows('links', service, [path for path, _, _ in service.locators
                                             if not path.startswith('{')], out)
        actions = tail_rows('actions', service, [m.action for m in service.methods
                                                 if m.verb == 'action' and not m.variant], out)
        out.append(f'static const RestService service_{name} = {{{c_string(service.name)}, '
                   f'{f"methods_{name}" if rows else "NULL"}, {len(rows)}, '
                   f'{f"locators_{name}" if service.locators else "NULL"}, '
                   f'{len(service.locators)}, {links}, {actions}}};')
    out.append('')
    out.append('const RestService *const rest_services[] = {')
    out += [f'    &service_{snake(s.name)},' for s in services]
    out.append('};')
    out.append(f'const size_t rest_services_count = {len(services)};')
    out.append(f'const RestService *const rest_root = &service_{snake(model.root().name)};')
    return '\n'.join(out) + '\n'
