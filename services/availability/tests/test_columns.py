"""Packed columns are on the wire what the message class itself would have put there."""

import numpy as np
import pytest
from fairslot.availability.v1 import availability_pb2

from services.availability.servicer.columns import put_fixed32


@pytest.mark.parametrize("count", [0, 1, 31, 32, 4095, 4096, 70_000])
def test_packed_bytes_are_the_messages_own(count: int) -> None:
    values = np.arange(count, dtype=np.int32) * 3
    packed = availability_pb2.SearchSlotMatrixResponse(result="x")
    put_fixed32(packed, "start_minutes", values)
    put_fixed32(packed, "candidate_indexes", values.astype(np.int64))
    plain = availability_pb2.SearchSlotMatrixResponse(
        result="x", start_minutes=values.tolist(), candidate_indexes=values.tolist()
    )
    assert packed == plain
    assert packed.SerializeToString() == plain.SerializeToString()
