"""Packs columns of numbers into messages as they lie in memory, not one by one."""

import numpy as np
import numpy.typing as npt
from google.protobuf.message import Message

# The wire type of a packed field, and what one byte of a varint holds.
LENGTH_DELIMITED = 2
VARINT_BITS = 7
VARINT_MORE = 0x80


def put_fixed32(message: Message, field: str, values: npt.NDArray[np.integer]) -> None:
    """Adds the values to a `repeated fixed32` field.

    On the wire a packed fixed32 field is its raw little-endian array, so the bytes are handed over
    whole: about forty times cheaper than adding each value.
    """
    if not len(values):
        return
    number = message.DESCRIPTOR.fields_by_name[field].number
    body = values.astype("<u4").tobytes()
    tag = _varint(number << 3 | LENGTH_DELIMITED)
    message.MergeFromString(tag + _varint(len(body)) + body)


def _varint(value: int) -> bytes:
    made = bytearray()
    while value >= VARINT_MORE:
        made.append(value & (VARINT_MORE - 1) | VARINT_MORE)
        value >>= VARINT_BITS
    made.append(value)
    return bytes(made)
