"""Reads a board for one question: capacities of all rows, candidates of those somebody wants."""

from dataclasses import dataclass

import numpy as np

from services.availability.domain import MINUTES_PER_DAY, Span
from services.availability.engine.board import Block, Board
from services.availability.engine.roster import Eligible
from services.availability.rules.bits import Index, Words, counted, listed, painted
from services.availability.rules.intervals import Minutes, minutes
from services.availability.rules.slots import SlotTable


@dataclass(frozen=True, slots=True)
class Ranges:
    """Starts `[low, high)` at which single resources cannot serve this question alone."""

    ranks: Index
    low: Index
    high: Index


@dataclass(frozen=True, slots=True)
class Piece:
    """What a question finds on one day; `rows` are those of the block with any capacity."""

    block: Block
    rows: Index
    capacities: Index
    # The bits of the whole block where they are this question's own, else read when wanted.
    free: Words | None

    def __len__(self) -> int:
        return len(self.rows)


class Look:
    """One reading of a board, all of one moment; empty where blocks are missing."""

    def __init__(
        self, board: Board, eligible: Eligible, span: Span, barred: Ranges | None = None
    ) -> None:
        """Takes what to read, for whom, which starts, and what this question alone forbids."""
        self._low, self._high = span.start, span.end
        self._board = board
        self._eligible = eligible
        self._barred = barred
        self._pieces: list[Piece] = []
        self.starts = 0

    def add(self, day: int, block: Block) -> None:
        """Reads the block of a day."""
        piece = self._whole(block)
        if day * MINUTES_PER_DAY < self._low or (day + 1) * MINUTES_PER_DAY > self._high:
            first, last = np.searchsorted(block.grid.starts, (self._low, self._high))
            kept = slice(*np.searchsorted(piece.rows, (first, last)))
            piece = Piece(block, piece.rows[kept], piece.capacities, piece.free)
        if len(piece):
            self._pieces.append(piece)
            self.starts += len(piece)

    @property
    def first(self) -> int | None:
        """The first start, if there is any."""
        if not self._pieces:
            return None
        piece = self._pieces[0]
        return int(piece.block.grid.starts[piece.rows[0]])

    def table(self, limit: int | None = None) -> SlotTable:
        """Gives the first so many starts in columns; candidates are ranks of the roster."""
        starts: list[Minutes] = [minutes([])]
        capacities: list[Index] = [np.array([], dtype=np.int64)]
        words: list[Words] = []
        left = self.starts if limit is None else limit
        for piece in self._pieces:
            if left <= 0:
                break
            rows = piece.rows[:left]
            left -= len(rows)
            starts.append(piece.block.grid.starts[rows])
            capacities.append(piece.capacities[rows])
            words.append(self._words(piece, rows))
        candidates = listed(np.concatenate(words)) if words else np.array([], dtype=np.int64)
        return SlotTable(np.concatenate(starts), np.concatenate(capacities), candidates)

    def _whole(self, block: Block) -> Piece:
        shape = self._board.shape
        if self._barred is None:
            known = block.counted(self._eligible, shape)
            return Piece(block, known.rows, known.capacities, None)
        free = block.free_of(self._eligible, shape) & ~self._barred_bits(block, self._barred)
        capacities = counted(free)
        return Piece(block, np.flatnonzero(capacities), capacities, free)

    def _words(self, piece: Piece, rows: Index) -> Words:
        if piece.free is not None:
            return piece.free[rows]
        if self._eligible.untils is not None:
            return piece.block.free_of(self._eligible, self._board.shape)[rows]
        words: Words = piece.block.grid.free[rows]
        return words if self._eligible.everybody else words & self._eligible.mask

    def _barred_bits(self, block: Block, barred: Ranges) -> Words:
        starts = block.grid.starts
        first, last = np.searchsorted(starts, barred.low), np.searchsorted(starts, barred.high)
        bits = painted(
            barred.ranks,
            first,
            last,
            rows=len(starts),
            count=block.grid.free.shape[1] * 64,
        )
        return bits[:, : block.grid.free.shape[1]]


def first_of_each(table: SlotTable, most: int) -> SlotTable:
    """Keeps at most so many candidates of each slot, the best; capacities stay what they are."""
    if not len(table) or int(table.capacities.max()) <= most:
        return table
    ends = np.cumsum(table.capacities)
    places = np.arange(len(table.candidates)) - np.repeat(ends - table.capacities, table.capacities)
    return SlotTable(table.starts, table.capacities, table.candidates[places < most])


def days_between(low: int, high: int) -> range:
    """Gives the days (UTC) on which starts `[low, high)` lie."""
    return range(low // MINUTES_PER_DAY, -(-high // MINUTES_PER_DAY))
