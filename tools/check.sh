#!/bin/sh
# Everything that must hold before a change goes in.
set -e
ruff check .
ruff format --check .
mypy
lint-imports
pytest -n auto --dist loadfile
