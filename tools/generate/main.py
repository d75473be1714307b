#!/usr/bin/env python3
"""Makes code and documents from the contract.

    main.py API_FOLDER KIND OUTPUT      KIND: types-h types-c routes-c handlers-h coverage
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


def main():
    if len(sys.argv) != 4 or sys.argv[2] not in KINDS:
        sys.exit(__doc__)
    try:
        text = KINDS[sys.argv[2]](model.load(sys.argv[1]))
    except model.Broken as error:
        sys.exit(str(error))
    os.makedirs(os.path.dirname(sys.argv[3]) or '.', exist_ok=True)
    with open(sys.argv[3], 'w', encoding='utf-8') as file:
        file.write(text)


main()
