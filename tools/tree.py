"""The files of the checkout, whether it is a git repository or an unpacked archive."""

import os
import pathlib

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
OWN = (".git", "__pycache__", "state")  # beside what is built


def files():
    """Paths relative to the root, in order."""
    for folder, folders, names in os.walk(REPOSITORY):
        top = pathlib.Path(folder) == REPOSITORY
        folders[:] = sorted(name for name in folders if name not in OWN and
                            not (top and (name == "build" or name.startswith("build-"))))
        for name in sorted(names):
            path = pathlib.Path(folder, name)
            if not path.is_symlink() and not name.endswith(".pyc") and name != ".git":
                yield path.relative_to(REPOSITORY)


def c_files():
    return [path for path in files() if path.suffix in (".c", ".h")]
