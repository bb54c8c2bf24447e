"""Writes what a ranking was decided on as bytes, and reads it back the same.

Values are plain dataclasses, enumerations, tuples, maps, arrays and scalars. A field that came
later takes its default when older bytes are read; one that is gone is passed over.
"""

import dataclasses
import json
import struct
import types
import typing
import zlib
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from enum import Enum
from functools import cache
from typing import Any

import numpy as np

from services.matching.engine.ranking import Inputs

# Fast: most of the bytes are small numbers, which any level packs well.
LEVEL = 1
KIND, VALUE = "~", "v"
WIDTHS = (np.int8, np.int16, np.int32)


def encode(inputs: Inputs) -> bytes:
    """Returns the bytes of a ranking's inputs."""
    arrays: list[bytes] = []
    head = json.dumps(_plain(inputs, arrays), separators=(",", ":")).encode()
    return zlib.compress(struct.pack("<I", len(head)) + head + b"".join(arrays), LEVEL)


def decode(data: bytes) -> Inputs:
    """Returns the inputs that `encode` wrote."""
    raw = zlib.decompress(data)
    (length,) = struct.unpack_from("<I", raw)
    body = memoryview(raw)[4 + length :]
    found = _rich(json.loads(raw[4 : 4 + length]), body)
    assert isinstance(found, Inputs)
    return found


def _plain(value: Any, arrays: list[bytes]) -> Any:
    if isinstance(value, Enum):
        return {KIND: type(value).__name__, VALUE: value.value}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.ndarray):
        narrow = _narrow(value)
        place = sum(map(len, arrays))
        arrays.append(narrow.tobytes())
        return {
            KIND: "array",
            VALUE: [place, narrow.dtype.str, value.dtype.str, list(value.shape)],
        }
    if isinstance(value, datetime):
        return {KIND: "moment", VALUE: value.isoformat()}
    if isinstance(value, date):
        return {KIND: "date", VALUE: value.isoformat()}
    if isinstance(value, Mapping):
        pairs = [[_plain(key, arrays), _plain(one, arrays)] for key, one in value.items()]
        return {KIND: "map", VALUE: pairs}
    if isinstance(value, tuple | list):
        return [_plain(one, arrays) for one in value]
    if isinstance(value, frozenset | set):
        return {KIND: "set", VALUE: [_plain(one, arrays) for one in sorted(value)]}
    if isinstance(value, np.generic):
        return value.item()
    fields = {
        one.name: _plain(getattr(value, one.name), arrays) for one in dataclasses.fields(value)
    }
    return {KIND: type(value).__name__, VALUE: fields}


def _narrow(value: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """Returns the same numbers in as few bytes as all of them fit."""
    if value.dtype.kind != "i" or not value.size:
        return value
    low, high = int(value.min()), int(value.max())
    for width in WIDTHS:
        limits = np.iinfo(width)
        if limits.min <= low and high <= limits.max:
            return value.astype(width)
    return value


def _rich(value: Any, body: memoryview) -> Any:
    if isinstance(value, list):
        return tuple(_rich(one, body) for one in value)
    if not isinstance(value, dict):
        return value
    kind, inner = value[KIND], value[VALUE]
    if kind == "array":
        place, narrow, dtype, shape = inner
        count = int(np.prod(shape))
        found = np.frombuffer(body, dtype=np.dtype(narrow), count=count, offset=place)
        return found.astype(np.dtype(dtype)).reshape(shape)
    if kind == "moment":
        return datetime.fromisoformat(inner)
    if kind == "date":
        return date.fromisoformat(inner)
    if kind == "map":
        return {_rich(key, body): _rich(one, body) for key, one in inner}
    if kind == "set":
        return frozenset(_rich(one, body) for one in inner)
    made = known()[kind]
    if issubclass(made, Enum):
        return made(inner)
    names = {one.name for one in dataclasses.fields(made)}
    return made(**{name: _rich(one, body) for name, one in inner.items() if name in names})


@cache
def known() -> Mapping[str, type[Any]]:
    """Returns the dataclasses and enumerations that occur in inputs, by name."""
    found: dict[str, type[Any]] = {}
    waiting: list[type[Any]] = [Inputs]
    while waiting:
        kind = waiting.pop()
        if kind.__name__ in found:
            continue
        found[kind.__name__] = kind
        if issubclass(kind, Enum):
            continue
        for hint in typing.get_type_hints(kind).values():
            waiting.extend(_classes(hint))
    return types.MappingProxyType(found)


def _classes(hint: Any) -> Iterator[type[Any]]:
    if isinstance(hint, type) and (dataclasses.is_dataclass(hint) or issubclass(hint, Enum)):
        yield hint
    for inner in typing.get_args(hint):
        yield from _classes(inner)
