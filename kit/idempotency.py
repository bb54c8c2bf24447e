"""Makes a write happen once per key: the same key and payload get the stored answer, another
payload is refused.

The table, in each owner's schema:

    idem(tenant_id text, caller text, method text, key text, request_hash bytea, response bytea,
         created_at timestamptz, primary key (tenant_id, caller, method, key))
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable

from google.protobuf.message import Message

from kit.call import Caller, current_call
from kit.db import Connection
from kit.fault import Invalid

KEY_CHARS_MAX = 255
REPLAYED = "idempotent-replayed"


def key_of(message: Message) -> str:
    """Returns the call's key: request_id of the message, else the Idempotency-Key header; may be
    empty.
    """
    key: str = getattr(message, "request_id", "") or current_call().idempotency_key
    if len(key) > KEY_CHARS_MAX:
        raise Invalid.field("request_id", f"is longer than {KEY_CHARS_MAX} characters")
    return key


def fingerprint(method: str, message: Message) -> bytes:
    """Returns the SHA-256 of what the call asks for; the key itself is left out."""
    plain = type(message)()
    plain.CopyFrom(message)
    # What we cannot read we do not do either: with or without it is the same call.
    plain.DiscardUnknownFields()
    if "request_id" in plain.DESCRIPTOR.fields_by_name:
        plain.ClearField("request_id")
    return hashlib.sha256(
        method.encode() + b"\0" + plain.SerializeToString(deterministic=True)
    ).digest()


def mark_replayed() -> None:
    """Says in the call's trailers that the answer is a stored one."""
    current_call().trailers[REPLAYED] = "true"


def key_reused() -> Invalid:
    """Returns the refusal of a key that was used for another payload."""
    return Invalid(
        "IDEMPOTENCY_KEY_REUSED",
        "this idempotency key was used for another payload",
        violations=(("request_id", "was used for another payload"),),
    )


async def run_once(
    connection: Connection,
    *,
    schema: str,
    caller: Caller,
    method: str,
    key: str,
    request_hash: bytes,
    work: Callable[[], Awaitable[bytes]],
) -> bytes:
    """Returns the answer's bytes: of `work`, done in the caller's transaction, or as stored before.

    A second call with the key waits for the first one's transaction. Without a key the work is
    just done.
    """
    if not key:
        return await work()
    name = (caller.tenant, caller.subject, method, key)
    claimed = await connection.execute(
        f"INSERT INTO {schema}.idem (tenant_id, caller, method, key, request_hash)"
        " VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING RETURNING 1",
        (*name, request_hash),
    )
    where = "tenant_id = %s AND caller = %s AND method = %s AND key = %s"
    if await claimed.fetchone() is None:
        found = await connection.execute(
            f"SELECT request_hash, response FROM {schema}.idem WHERE {where}",
            name,
        )
        row = await found.fetchone()
        if row is None or bytes(row[0]) != request_hash:
            raise key_reused()
        mark_replayed()
        return bytes(row[1])
    answer = await work()
    await connection.execute(
        f"UPDATE {schema}.idem SET response = %s WHERE {where}",
        (answer, *name),
    )
    return answer
