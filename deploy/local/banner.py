"""What a person is told when a stack is ready."""

from collections.abc import Mapping
from typing import Any


def banner(stack: Mapping[str, Any], seconds: float) -> str:
    """Returns the addresses, the tokens and a first call for a stack, as `stack.json` has it."""
    tokens = "\n".join(f"  {name:<19}{token}" for name, token in stack["tokens"].items())
    return f"""
Fairslot is ready after {seconds:.1f} s: {stack["gateway"]}

The planner's page, signed in:
  {stack["gateway"]}/#token={stack["tokens"]["planner"]}

Tokens, for the header `authorization: Bearer TOKEN`:
{tokens}

Try:
  curl -s {stack["gateway"]}/v1/resources -H 'authorization: Bearer {stack["tokens"]["planner"]}'

All of this is in {stack["run_dir"]}/stack.json; logs are in {stack["run_dir"]}/log.
"""
