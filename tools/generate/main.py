#!/usr/bin/env python3
"""Makes code and documents from the contract.

    main.py API_FOLDER KIND OUTPUT      KIND: types-h types-c routes-c handlers-h coverage
    main.py API_FOLDER KIND OUTPUT --check      fails unless OUTPUT is as it would be made
"""

import os
import sys

import c_routes
import c_types
import coverage
import model

KINDS = {
    'types-h': c_types.header,
    'types-c': c_types.source,
    'routes-c': c_routes.source,
    'handlers-h': c_routes.handlers_header,
    'coverage': coverage.page,
}


def check(path, text):
    try:
        with open(path, encoding='utf-8') as file:
            fresh = file.read() == text
    except FileNotFoundError:
        fresh = False
    if not fresh:
        sys.exit(f'{path} is not what the contract makes of it. Make it anew:\n'
                 f'    {" ".join(sys.argv[:4])}')


def main():
    wants_check = sys.argv[4:] == ['--check']
    if len(sys.argv) != 4 + wants_check or sys.argv[2] not in KINDS:
        sys.exit(__doc__)
    try:
        text = KINDS[sys.argv[2]](model.load(sys.argv[1]))
    except model.Broken as error:
        sys.exit(str(error))
    if wants_check:
        check(sys.argv[3], text)
        return
    os.makedirs(os.path.dirname(sys.argv[3]) or '.', exist_ok=True)
    with open(sys.argv[3], 'w', encoding='utf-8') as file:
        file.write(text)


main()
