"""Reads the contract (api/*.api) into plain objects and checks it.

The text format, by example:

    enum VmStatus                       values, one a line
        up
        down  "Not running."            a text for people may follow

    type Vm : VmBase = vm / vms         name : base = XML element / of a collection
        "A virtual machine."
        memory    integer               attributes: string boolean integer decimal date,
        os        OperatingSystem       an enum or another type
        payloads  list Payload payload  a list, with the name of its items
        cluster   link Cluster          shown as href and id unless followed
        nics      links Nic nic @nics   a collection of its own; @ names the link's rel

    flags of attributes: +deprecated, +attribute (XML attribute), +name=x (wire name),
        +all_content (only with All-Content), +secret (accepted, kept, never shown),
        +internal (kept in the store, never on the wire)

    service Vms : Base                  a URL and its methods
        area Virtualization
        at {id} Vm                      what lies below it
        get list                        GET, POST, PUT, DELETE and actions (POST to a name)
            out vms list Vm
            run vm_list permit LOGIN event -
        post add
            body vm Vm
            query clone boolean         parameters of the URL; `param` for members of <action>
            needs name cluster.id|name  members the body must have
            run vm_add permit CREATE_VM event USER_ADD_VM

A method without a `run` line answers 501. One with it must name handler, permit and event; the
event is `-` for methods that change nothing.
"""

import os
import re
import sys

SCALARS = ('string', 'boolean', 'integer', 'decimal', 'date')
VERBS = ('get', 'post', 'put', 'delete', 'action')


class Broken(Exception):
    pass


def snake(name):
    return re.sub(r'(?<=[a-z0-9])(?=[A-Z])', '_', name).lower()


class Enum:
    def __init__(self, name, where):
        self.name, self.where, self.doc, self.values = name, where, '', []
        self.internal = 'internal.api:' in where


class Attribute:
    def __init__(self, name, kind, type_name, item, rel, flags, doc):
        self.name, self.kind, self.type, self.item = name, kind, type_name, item
        self.rel, self.flags, self.doc = rel, flags, doc
        self.wire = flags.get('name', name)
        self.owner = None

    @property
    def is_list(self):
        return self.kind in ('list', 'links')

    @property
    def is_link(self):
        return self.kind in ('link', 'links')


class Type:
    def __init__(self, name, base, one, many, where):
        self.name, self.base, self.one, self.many, self.where = name, base, one, many, where
        self.doc, self.own, self.internal = '', [], False
        self.attributes = []


class Parameter:
    def __init__(self, place, name, type_name, is_list, doc):
        self.place, self.name, self.type, self.is_list, self.doc = place, name, type_name, is_list, doc


class Method:
    def __init__(self, verb, name, action, where):
        self.verb, self.name, self.action, self.where = verb, name, action, where
        self.variant = None
        self.deprecated = False
        self.doc = ''
        self.parameters, self.outs, self.needs = [], [], []
        self.handler = self.permit = self.event = None

    @property
    def body(self):
        return next((p for p in self.parameters if p.place == 'body'), None)


class Service:
    def __init__(self, name, base, where):
        self.name, self.base, self.where = name, base, where
        self.doc, self.area, self.root = '', '', False
        self.locators, self.methods = [], []


class Model:
    def __init__(self):
        self.enums, self.types, self.services = {}, {}, {}
        self.homes = {}

    def root(self):
        return next(s for s in self.services.values() if s.root)


def split_doc(line):
    """'name kind "text"' -> ('name kind', 'text')"""
    found = re.match(r'^(.*?)\s*"((?:[^"\\]|\\.)*)"\s*$', line)
    return (found.group(1), found.group(2)) if found else (line, '')


class Parser:
    def __init__(self, model):
        self.model = model
        self.current = self.method = None

    def fail(self, text):
        raise Broken(f'{self.where}: {text}')

    def parse(self, path):
        with open(path, encoding='utf-8') as file:
            for number, raw in enumerate(file, 1):
                self.where = f'{path}:{number}'
                line = raw.rstrip()
                if not line.strip() or line.lstrip().startswith('#'):
                    continue
                indent = len(line) - len(line.lstrip())
                {0: self.top, 4: self.inner, 8: self.deep}.get(indent, self.misplaced)(line.strip())

    def misplaced(self, line):
        self.fail('indent by 0, 4 or 8 spaces')

    def top(self, line):
        words = line.split()
        self.method = None
        if words[0] == 'enum' and len(words) == 2:
            self.current = Enum(words[1], self.where)
            self.put(self.model.enums)
        elif words[0] in ('type', 'internal'):
            found = re.match(r'^(?:type|internal) (\w+)(?: : (\w+))? = (\w+) / (\w+)$', line)
            if not found:
                self.fail('expected: type Name : Base = element / elements')
            self.current = Type(*found.groups(), self.where)
            self.current.internal = words[0] == 'internal'
            self.put(self.model.types)
        elif words[0] == 'service':
            found = re.match(r'^service (\w+)(?: : (\w+))?$', line)
            if not found:
                self.fail('expected: service Name : Base')
            self.current = Service(*found.groups(), self.where)
            self.put(self.model.services)
        else:
            self.fail(f'unknown word {words[0]}')

    def put(self, table):
        if self.current.name in table:
            self.fail(f'{self.current.name} is there already')
        table[self.current.name] = self.current

    def inner(self, line):
        if line.startswith('"'):
            self.current.doc = (self.current.doc + ' ' + split_doc(line)[1]).strip()
        elif isinstance(self.current, Enum):
            text, doc = split_doc(line)
            if not re.fullmatch(r'[a-z0-9_]+', text):
                self.fail('a value is lower case letters, digits and _')
            self.current.values.append((text, doc))
        elif isinstance(self.current, Type):
            self.attribute(line)
        elif isinstance(self.current, Service):
            self.service_line(line)
        else:
            self.fail('a line that belongs to nothing')

    def attribute(self, line):
        text, doc = split_doc(line)
        words = text.split()
        flags = {}
        for word in [w for w in words if w.startswith('+')]:
            key, _, value = word[1:].partition('=')
            if key not in ('deprecated', 'attribute', 'name', 'all_content', 'secret', 'internal'):
                self.fail(f'unknown flag {word}')
            flags[key] = value or True
        words = [w for w in words if not w.startswith('+')]
        rel = next((w[1:] for w in words if w.startswith('@')), None)
        words = [w for w in words if not w.startswith('@')]
        name, rest = words[0], words[1:]
        kind = rest.pop(0) if rest and rest[0] in ('list', 'link', 'links') else 'one'
        if not rest or len(rest) > 2:
            self.fail('expected: name kind Type [item]')
        item = rest[1] if len(rest) == 2 else None
        if kind in ('list', 'links') and not item:
            item = {'link': 'link'}.get(name, name[:-1] if name.endswith('s') else name)
        self.current.own.append(Attribute(name, kind, rest[0], item, rel, flags, doc))

    def service_line(self, line):
        text, doc = split_doc(line)
        words = text.split()
        deprecated = '+deprecated' in words
        words = [w for w in words if w != '+deprecated']
        if words[0] == 'area':
            self.current.area = words[1]
        elif words == ['root']:
            self.current.root = True
        elif words[0] == 'at':
            name = words[4] if len(words) == 5 and words[3] == 'as' else snake(words[2])
            self.current.locators.append((words[1], words[2], name))
        elif words[0] in VERBS:
            rest = words[2:]
            action = rest.pop(0) if words[0] == 'action' else None
            self.method = Method(words[0], words[1], action, self.where)
            self.method.deprecated, self.method.doc = deprecated, doc
            if rest[:1] == ['variant']:
                self.method.variant = rest[1]
            elif rest:
                self.fail(f'unknown words {rest}')
            self.current.methods.append(self.method)
        else:
            self.fail(f'unknown word {words[0]}')

    def deep(self, line):
        if not self.method:
            self.fail('a line that belongs to no method')
        text, doc = split_doc(line)
        words = text.split()
        if not text:
            self.method.doc = (self.method.doc + ' ' + doc).strip()
        elif words[0] in ('query', 'param', 'body'):
            is_list = words[2] == 'list'
            self.method.parameters.append(
                Parameter(words[0], words[1], words[-1 if '+deprecated' not in words else -2],
                          is_list, doc))
        elif words[0] == 'out':
            self.method.outs.append((words[1], words[-1], words[2] == 'list'))
        elif words[0] == 'needs':
            self.method.needs += words[1:]
        elif words[0] == 'run':
            found = re.match(r'^run (\w+) permit (\w+) event (\w+|-)$', text)
            if not found:
                self.fail('expected: run handler permit PERMIT event EVENT')
            self.method.handler, self.method.permit, self.method.event = found.groups()
        else:
            self.fail(f'unknown word {words[0]}')


def flatten(model, type_):
    """Attributes with the base's first; a type may refine nothing."""
    chain, at = [], type_
    while at:
        chain.insert(0, at)
        if at.base and at.base not in model.types:
            raise Broken(f'{at.where}: no base type {at.base}')
        at = model.types.get(at.base)
    seen = {}
    for part in chain:
        for attribute in part.own:
            attribute.owner = attribute.owner or part.name
            seen[attribute.name] = attribute
    return list(seen.values())


def check(model):
    for type_ in model.types.values():
        type_.attributes = flatten(model, type_)
        for attribute in type_.own:
            if attribute.type not in SCALARS and attribute.type not in model.types \
                    and attribute.type not in model.enums:
                raise Broken(f'{type_.where}: {attribute.name} has the unknown type {attribute.type}')
    for service in model.services.values():
        if service.base and service.base not in model.services:
            raise Broken(f'{service.where}: no base service {service.base}')
        base = model.services.get(service.base)
        if base:
            have = {m.name for m in service.methods}
            service.locators += [l for l in base.locators if l not in service.locators]
            service.methods += [m for m in base.methods if m.name not in have]
        for _, target, _ in service.locators:
            if target not in model.services:
                raise Broken(f'{service.where}: no service {target}')
        names = {m.name for m in service.methods}
        for method in service.methods:
            if method.variant and method.variant not in names:
                raise Broken(f'{method.where}: no method {method.variant}')
            for parameter in method.parameters:
                if parameter.type not in SCALARS and parameter.type not in model.types \
                        and parameter.type not in model.enums:
                    raise Broken(f'{method.where}: unknown type {parameter.type}')
            if method.handler and method.event == '-' and method.verb != 'get':
                raise Broken(f'{method.where}: a method that changes something names its event')


def find_homes(model):
    """Which top-level collection an object of a type lives in: Vm -> vms."""
    for path, target, _ in model.root().locators:
        service = model.services[target]
        for sub, item, _ in service.locators:
            if not sub.startswith('{'):
                continue
            for method in model.services[item].methods:
                if method.verb == 'get' and method.outs:
                    model.homes.setdefault(method.outs[0][1], path)


def load(folder):
    model = Model()
    parser = Parser(model)
    for name in sorted(os.listdir(folder)):
        if name.endswith('.api'):
            parser.parse(os.path.join(folder, name))
    check(model)
    find_homes(model)
    return model


def url_templates(model):
    """All (path, service) pairs reachable from the root; recursion is cut at a repeated service."""
    found = []

    def walk(path, name, trail):
        found.append((path or '/', name))
        for sub, target, _ in model.services[name].locators:
            if target not in trail:
                walk(f'{path}/{sub}', target, trail | {target})

    root = model.root().name
    walk('', root, {root})
    return found


if __name__ == '__main__':
    try:
        loaded = load(sys.argv[1])
    except Broken as error:
        sys.exit(str(error))
    print(len(loaded.types), 'types', len(loaded.enums), 'enums', len(loaded.services), 'services',
          len(url_templates(loaded)), 'URLs')
