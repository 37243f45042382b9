"""States as data: any frozen dataclass of tensors, numbers and names, taken apart for a file and put together again."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from torch import Tensor


def packed(state: Any) -> tuple[dict[str, Tensor], Any]:
    """Its tensors, each once, by where they are in it (``state.point.image``), and the rest as JSON can hold it.

    A state is a dataclass, tuple, list or dict of such, of tensors, numbers, strings and None. Raises TypeError for
    anything else. ``unpacked`` makes an equal one, to the bit.
    """
    tensors: dict[str, Tensor] = {}
    return tensors, _taken_apart(state, "state", tensors)


def unpacked(tensors: Mapping[str, Tensor], rest: Any) -> Any:
    """The state of which ``packed`` made these. Only dataclasses of modules that are imported already are made
    of it: no code in a file is run. Raises KeyError, TypeError or ValueError where the two are not of one state."""
    if isinstance(rest, list):
        return [unpacked(tensors, item) for item in rest]
    if not isinstance(rest, dict):
        return rest
    (kind, content), *others = rest.items()
    if others:
        raise ValueError(f"no state has {', '.join(rest)}")
    if kind == "tensor":
        return tensors[content]
    if kind == "tuple":
        return tuple(unpacked(tensors, item) for item in content)
    if kind == "dict":
        return {key: unpacked(tensors, value) for key, value in content.items()}
    return _class(kind)(**{name: unpacked(tensors, value) for name, value in content.items()})


def _taken_apart(state: Any, where: str, tensors: dict[str, Tensor]) -> Any:
    if isinstance(state, Tensor):
        first = next((place for place, tensor in tensors.items() if tensor is state), where)
        tensors[first] = state
        return {"tensor": first}
    if is_dataclass(state) and not isinstance(state, type):
        kind = f"{type(state).__module__}:{type(state).__qualname__}"
        own = {field.name: getattr(state, field.name) for field in fields(state)}
        return {kind: {name: _taken_apart(value, f"{where}.{name}", tensors) for name, value in own.items()}}
    if isinstance(state, Mapping):
        return {"dict": {key: _taken_apart(value, f"{where}.{key}", tensors) for key, value in state.items()}}
    if state is None or isinstance(state, bool | int | float | str):
        return state
    if isinstance(state, Sequence):
        items = [_taken_apart(item, f"{where}.{at}", tensors) for at, item in enumerate(state)]
        return items if isinstance(state, list) else {"tuple": items}
    raise TypeError(f"{where} is a {type(state).__name__}, which no state may hold")


def _class(kind: str) -> Any:
    """A dataclass by module and name. A file cannot have anything else called or imported."""
    module, _, name = kind.partition(":")
    found = getattr(sys.modules.get(module), name, None)
    if not (isinstance(found, type) and is_dataclass(found)):
        raise TypeError(f"no state is made of '{kind}'")
    return found
