"""What is done again and again goes on after a failure of the world, and ends with one of ours."""

from __future__ import annotations

import psycopg
import pytest

from kit.repeating import repeated


@pytest.mark.parametrize("failure", [psycopg.OperationalError("gone"), OSError("gone")])
async def test_after_a_failure_of_the_world_there_is_a_next_round(failure):
    rounds = []

    async def work() -> None:
        rounds.append(len(rounds))
        if len(rounds) == 1:
            raise failure
        if len(rounds) == 3:
            raise KeyError("ours")

    with pytest.raises(KeyError):
        await repeated(work, every_seconds=0.001)
    assert rounds == [0, 1, 2]
