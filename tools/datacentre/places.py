"""Where this checkout and its programs are."""

import os
import pathlib

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]


def build_directory(chosen=None):
    """`chosen`, else what tests/run has built, else the folder build."""
    return pathlib.Path(chosen or os.environ.get("VIREO_BUILD") or REPOSITORY / "build").resolve()
