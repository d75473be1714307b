"""docs/api-coverage.md: what of the contract is there, counted from the tables."""

from model import url_templates


def page(model):
    done = total = 0
    lines = []
    paths = {}
    for path, name in url_templates(model):
        paths.setdefault(name, path)
    by_area = {}
    for service in sorted(model.services.values(), key=lambda s: s.name):
        by_area.setdefault(service.area or 'General', []).append(service)
    for area in sorted(by_area):
        lines += [f'## {area}', '', '| Service | URL | Answers | Not yet (501) |', '|---|---|---|---|']
        for service in by_area[area]:
            methods = [m for m in service.methods if not m.variant]
            if not methods:
                continue
            have = [m.name for m in methods if m.handler]
            lack = [m.name for m in methods if not m.handler]
            done += len(have)
            total += len(methods)
            lines.append(f'| {service.name} | `{paths.get(service.name, "-")}` | '
                         f'{", ".join(have) or "–"} | {", ".join(lack) or "–"} |')
        lines.append('')
    head = ['# Coverage of the oVirt v4 API', '',
            'Made by `python3 tools/generate/main.py api coverage docs/api-coverage.md`; do not edit. Methods',
            'that are not there yet are routed all the same: they answer 501 and name themselves.', '',
            f'{sum(not t.internal for t in model.types.values())} types, '
            f'{sum(not e.internal for e in model.enums.values())} enumerations, '
            f'{len(model.services)} services; **{done} of {total} methods answer**.', '']
    return '\n'.join(head + lines).rstrip() + '\n'
