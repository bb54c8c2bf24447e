"""The description of the API: valid, whole, with rules and comments, and readable by itself."""

import asyncio
import json
import re
from importlib.resources import files
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest_asyncio
from google.api import annotations_pb2
from openapi_spec_validator import validate

from gateway.servicer import Web, description
from gateway.tests.backend import LOADED
from kit.stopping import stopped

TEXT = files("fairslot").joinpath("openapi.json").read_text()
DESCRIBED = json.loads(TEXT)


@pytest_asyncio.fixture
async def address():
    web = Web("127.0.0.1:0", description())
    serving = asyncio.create_task(web.run())
    yield f"http://{web.address}"
    await stopped([serving])


async def fetched(url, **headers):
    return await asyncio.to_thread(fetch, Request(url, headers=headers))


def fetch(request):
    try:
        with urlopen(request, timeout=5) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except HTTPError as error:
        return error.code, error.headers, ""


def test_it_is_openapi():
    validate(DESCRIBED)


def test_every_rpc_with_a_form_over_http_is_described_with_its_roles():
    wanted = {
        f"{service.name}_{method.name}"
        for module in LOADED
        for service in module.DESCRIPTOR.services_by_name.values()
        for method in service.methods
        if method.GetOptions().HasExtension(annotations_pb2.http)
    }
    found = {
        operation["operationId"]: operation
        for verbs in DESCRIBED["paths"].values()
        for operation in verbs.values()
    }
    assert wanted <= set(found)
    for name in wanted:
        assert found[name]["x-roles"]
        assert found[name]["summary"]


def test_rules_and_comments_of_fields_are_there():
    hold = DESCRIBED["paths"]["/v1/holds"]["post"]
    fields = hold["requestBody"]["content"]["application/json"]["schema"]
    assert "start" in fields["required"]
    assert fields["properties"]["resourceIds"]["maxItems"] == 64
    assert fields["properties"]["alternatives"]["maximum"] == 20
    assert "90 s" in fields["properties"]["ttl"]["description"]
    answer = hold["responses"]["200"]["content"]["application/json"]["schema"]
    assert answer["$ref"] == "#/components/schemas/assignment.Hold"
    listed = DESCRIBED["paths"]["/v1/assignments"]["get"]["parameters"]
    assert {"window.startTime", "resourceIds", "pageSize"} <= {one["name"] for one in listed}
    kind = DESCRIBED["components"]["schemas"]["availability.Resource"]["properties"]["kind"]
    assert "PERSON" in kind["enum"]
    for path in re.findall(r'"(/[^"]*\{[^"]*)"', TEXT):
        for verb in DESCRIBED["paths"].get(path, {}).values():
            names = {one["name"] for one in verb["parameters"] if one["in"] == "path"}
            assert names == set(re.findall(r"\{([\w.]+)\}", path))


def test_reasons_of_refusals_are_listed_with_what_to_do():
    refusal = json.dumps(DESCRIBED["components"]["responses"]["Refusal"])
    assert "SLOT_TAKEN: ABORTED." in refusal


async def test_the_page_is_served_and_loads_nothing_from_anywhere(address):
    status, headers, text = await fetched(f"{address}/docs")
    assert status == 200
    assert "default-src 'none'" in headers["content-security-policy"]
    assert not re.findall(r"<script|<link|<img|@import|url\(|https?://", text)
    for name in ("/v1/holds", "SLOT_TAKEN", "WebhookService"):
        assert name in text
    status, headers, text = await fetched(f"{address}/openapi.json")
    assert json.loads(text) == DESCRIBED
    tag = {"If-None-Match": headers["etag"]}
    assert (await fetched(f"{address}/openapi.json", **tag))[0] == 304
