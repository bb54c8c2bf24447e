"""Rows of bits, one per resource: who is free at a start, counted and listed at memory speed."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt

from services.availability.rules.intervals import Minutes

# uint64[rows, words]: bit r % 64 of word r // 64 stands for resource r.
Words = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]
Index = npt.NDArray[np.int64]

WORD_BITS = 64
# Eight bytes of a row are read as one word, so the first resource is the lowest bit of the first.
_ORDER: Literal["little"] = "little"
# Row indexes and resource numbers below these fit one sortable key together.
_ROW_BITS = 21
_ROW_MASK = (1 << _ROW_BITS) - 1
ROWS_MAX = _ROW_MASK - 1


def words_for(count: int) -> int:
    """Gives how many words hold one bit for each of so many resources; at least one."""
    return max(1, -(-count // WORD_BITS))


def packed(flags: Flags) -> Words:
    """Packs bool[rows, resources] into words."""
    rows, count = flags.shape
    padded = np.zeros((rows, words_for(count) * 8), dtype=np.uint8)
    octets = np.packbits(flags, axis=1, bitorder=_ORDER)
    padded[:, : octets.shape[1]] = octets
    words: Words = padded.view(np.uint64)
    return words


def unpacked(words: Words, count: int) -> Flags:
    """Gives bool[rows, count], the opposite of `packed`."""
    octets = np.ascontiguousarray(words).view(np.uint8)
    bits = np.unpackbits(octets, axis=1, count=count, bitorder=_ORDER)
    flags: Flags = bits.view(np.bool_)
    return flags


def row_of(indexes: Sequence[int] | Index, count: int) -> Words:
    """Gives one row, uint64[words], with the bits of these resources set."""
    flags = np.zeros((1, count), dtype=np.bool_)
    flags[0, np.asarray(indexes, dtype=np.int64)] = True
    row: Words = packed(flags)[0]
    return row


def counted(words: Words) -> Index:
    """Gives the number of bits set in each row."""
    # As a product with ones, which sums short rows faster than a sum does, and exactly up to 2**24.
    counts = np.bitwise_count(words).astype(np.float32) @ _ones(words.shape[1])
    whole: Index = counts.astype(np.int64)
    return whole


@lru_cache(maxsize=256)
def _ones(width: int) -> npt.NDArray[np.float32]:
    return np.ones(width, dtype=np.float32)


def listed(words: Words) -> Index:
    """Gives the resources of all bits set, row after row, ascending within each."""
    width = words.shape[1] * WORD_BITS
    octets = np.ascontiguousarray(words).view(np.uint8).reshape(-1)
    # Flat and as bools: the search for what is set has a fast path for those alone.
    flat = np.unpackbits(octets, bitorder=_ORDER).view(np.bool_).nonzero()[0]
    found: Index = flat & (width - 1) if width & (width - 1) == 0 else flat % width
    return found


def painted(resources: Index, first: Index, last: Index, *, rows: int, count: int) -> Words:
    """Sets the bit of `resources[i]` in the rows `[first[i], last[i])`, for all i at once.

    Ranges of one resource are merged, each then toggles its bit where it begins and where it ends,
    and a running exclusive or over the rows fills what lies between: no loop, and no work on more
    than the words. Ranges may overlap and come in any order; empty ones are left out.
    """
    if rows > ROWS_MAX:
        raise ValueError(f"{rows} rows are more than one table holds")
    width = words_for(count)
    real = first < last
    keys: Index = resources[real].astype(np.int64) << 2 * _ROW_BITS | first[real] << _ROW_BITS
    keys |= last[real]
    if not len(keys):
        return np.zeros((rows, width), dtype=np.uint64)
    keys.sort()
    # One number of resource and row, so that a running maximum never crosses a resource.
    whole = keys >> _ROW_BITS
    reach = np.maximum.accumulate(whole & ~_ROW_MASK | keys & _ROW_MASK)
    edges = np.empty(len(keys) + 1, dtype=np.bool_)
    edges[0] = edges[-1] = True
    np.greater(whole[1:], reach[:-1], out=edges[1:-1])
    places = edges.nonzero()[0]
    opens, closes = places[:-1], places[1:] - 1
    resource = whole[opens] >> _ROW_BITS
    bit = np.left_shift(np.uint64(1), (resource & (WORD_BITS - 1)).astype(np.uint64))
    word = resource // WORD_BITS
    # A bit never toggles twice in one row, so that adding is the same as exclusive or.
    toggles = np.zeros((rows + 1) * width, dtype=np.uint64)
    np.add.at(toggles, (whole[opens] & _ROW_MASK) * width + word, bit)
    np.add.at(toggles, (reach[closes] & _ROW_MASK) * width + word, bit)
    table = toggles.reshape(rows + 1, width)
    np.bitwise_xor.accumulate(table, axis=0, out=table)
    return table[:-1]


class Ruler:
    """Finds how many starts lie before a minute by looking it up, not by searching."""

    def __init__(self, starts: Minutes, low: int, high: int) -> None:
        """Takes ascending starts inside `[low, high)`."""
        self._low, self._high = low, high
        marks = np.zeros(high - low + 1, dtype=np.int64)
        # The starts are distinct; each raises the count from the minute after it on.
        marks[starts - low + 1] = 1
        self._before = np.cumsum(marks)

    def before(self, moments: Minutes) -> Index:
        """Gives for each minute how many starts lie before it."""
        # Not np.clip, which costs more than the rest for few moments.
        clipped = np.minimum(np.maximum(moments, self._low), self._high)
        found: Index = self._before[clipped - self._low]
        return found
