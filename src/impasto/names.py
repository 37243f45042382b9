"""What may be named: a registry is a dict, and the one list of its names."""

from collections.abc import Mapping
from typing import TypeVar

from impasto.errors import UsageError

Entry = TypeVar("Entry")


def entry(registry: Mapping[str, Entry], name: str, kind: str) -> Entry:
    """What ``name`` stands for, a ``kind`` of thing. Raises UsageError, listing what there is, for one that is not in
    ``registry``."""
    if name not in registry:
        raise UsageError(f"`{kind}`: there is no '{name}'; choose one of: {', '.join(registry)}")
    return registry[name]


def name_of(thing: object) -> str:
    """As a recipe tells it: a name stays what it is; something of one's own has its ``name``, or that of its class."""
    if isinstance(thing, str):
        return thing
    name = getattr(thing, "name", None)
    return name if isinstance(name, str) else f"{type(thing).__module__}.{type(thing).__qualname__}"
