"""The questions that tell whether a server is ready to work, not merely listening."""

import asyncio
from collections.abc import Sequence
from functools import partial

from deploy.local.errors import StackError

PROBE_TIMEOUT_SECONDS = 1.0
ANSWER_BYTES_MAX = 16 * 1024


async def exchange(address: str, question: bytes, size: int) -> bytes:
    """Sends bytes to a TCP server and returns up to `size` bytes of its answer; empty if none."""
    host, port = address.rsplit(":", 1)
    try:
        async with asyncio.timeout(PROBE_TIMEOUT_SECONDS):
            reader, writer = await asyncio.open_connection(host, int(port))
            try:
                writer.write(question)
                return await reader.read(size)
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return b""


async def listens(address: str) -> bool:
    """Tells whether anybody accepts connections; much cheaper than asking for more."""
    host, port = address.rsplit(":", 1)
    try:
        async with asyncio.timeout(PROBE_TIMEOUT_SECONDS):
            _, writer = await asyncio.open_connection(host, int(port))
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


async def http_answer(address: str, path: str, size: int) -> bytes:
    """Returns the beginning of the answer to GET of the path; empty if there is none."""
    question = f"GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    return await exchange(address, question.encode(), size)


async def http_ok(address: str, path: str) -> bool:
    """Tells whether GET of the path is answered with 200."""
    return (await http_answer(address, path, 64)).startswith(b"HTTP/1.1 200")


async def http_says(address: str, path: str, phrases: Sequence[str]) -> bool:
    """Tells whether one of the phrases is in the answer to GET of the path."""
    answer = await http_answer(address, path, ANSWER_BYTES_MAX)
    return any(phrase.encode() in answer for phrase in phrases)


async def valkey_ok(address: str, password: str) -> bool:
    """Tells whether Valkey takes the password and answers."""
    answer = await exchange(address, f"AUTH {password}\r\nPING\r\n".encode(), 64)
    return answer.startswith(b"+OK")


async def postgres_ok(url: str) -> bool:
    """Tells whether PostgreSQL lets us in."""
    return await asyncio.to_thread(partial(connects, url))


def connects(url: str) -> bool:
    """Opens and closes one connection; raises StackError when the password is wrong."""
    import psycopg  # late: loaded while the server starts, not before

    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError as error:
        if "password" in str(error):
            raise StackError(
                "the data was made with other passwords; `make reset` forgets it"
            ) from None
        return False
    return True


async def grpc_serving(address: str) -> bool:
    """Tells whether a service says SERVING about itself as a whole."""
    if not await listens(address):
        return False
    import grpc  # late: loaded while the services load it too
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    async with grpc.aio.insecure_channel(address) as channel:
        check = health_pb2_grpc.HealthStub(channel).Check
        try:
            reply = await check(health_pb2.HealthCheckRequest(), timeout=PROBE_TIMEOUT_SECONDS)
        except grpc.aio.AioRpcError:
            return False
    return bool(reply.status == health_pb2.HealthCheckResponse.SERVING)
