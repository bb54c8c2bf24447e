"""Plain HTTP through Envoy: open without a token, unread by the edge, and nothing beside it."""

import asyncio

import pytest
import pytest_asyncio
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from gateway.servicer import Web, pages
from gateway.tests import edge
from kit.stopping import stopped

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def echo(request: Request) -> JSONResponse:
    body = await request.body()
    return JSONResponse({"bytes": len(body), "authorization": "authorization" in request.headers})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gate(tokens, tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    (folder / "index.html").write_text("<!doctype html><title>page</title>")
    (folder / "assets").mkdir()
    (folder / "assets" / "page.js").write_text("1")
    routes = [Route("/webhooks/calcom", echo, methods=["POST"]), *pages(folder)]
    web = Web("127.0.0.1:0", routes)
    serving = asyncio.create_task(web.run())
    async with edge.running(tmp_path_factory.mktemp("edge"), tokens, web=web.address) as running:
        yield running
    await stopped([serving])


async def test_the_page_needs_no_token(gate):
    for path in ("/", "/assets/page.js"):
        got = await gate.http("GET", path, None, {})
        assert got.status == 200
    assert b"page" in (await gate.http("GET", "/", None, {})).body


async def test_webhooks_reach_the_process_as_they_are(gate):
    got = await gate.http("POST", "/webhooks/calcom", b"x" * 100_000, {})
    assert got.json == {"bytes": 100_000, "authorization": False}


async def test_the_api_still_needs_a_token(gate):
    for path in ("/v1/resources", "/v1/../v1/resources", "/docs/../v1/resources"):
        assert (await gate.http("GET", path, None, {})).status == 401
    headers = {"content-type": "application/grpc"}
    path = "/fairslot.availability.v1.CatalogService/ListResources"
    got = await gate.http("POST", path, b"", headers)
    assert got.headers["grpc-status"] == "16"
