"""Draws the description as one page of plain HTML: nothing is loaded, nothing runs."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]
# How deep the fields of a message are drawn before a name has to do.
DEPTH_MAX = 3
STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --link: #2563eb; }
@media (prefers-color-scheme: dark) { :root { --link: #8ab4ff; } }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 64rem; padding: 1rem; }
a { color: var(--link); }
nav ul { columns: 18rem; padding-left: 1rem; }
h2 { border-top: 2px solid var(--line); margin-top: 3rem; padding-top: 1rem; }
details { border: 1px solid var(--line); border-radius: .5rem; margin: .5rem 0; padding: .5rem; }
summary { cursor: pointer; }
code { background: var(--soft); border-radius: .25rem; padding: .1rem .3rem; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .5rem; text-align: left; }
td { vertical-align: top; }
td ul { margin: 0; padding-left: 1rem; }
.verb { display: inline-block; font-weight: 600; min-width: 4.5rem; }
.wide { overflow-x: auto; }
"""


def page(described: Schema) -> str:
    """Returns the page of an OpenAPI description."""
    groups: dict[str, list[tuple[str, str, Schema]]] = {}
    for path, verbs in described["paths"].items():
        for verb, operation in verbs.items():
            groups.setdefault(operation["tags"][0], []).append((path, verb, operation))
    info = described["info"]
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{info['title']}: the API</title><style>{STYLE}</style></head><body>",
        f"<header><h1>{info['title']}: the API</h1><p>{_text(info['description'])}</p>",
        '<p>For machines: <a href="/openapi.json">/openapi.json</a>.</p></header><nav><ul>',
        *(f'<li><a href="#{tag["name"]}">{tag["name"]}</a></li>' for tag in described["tags"]),
        '<li><a href="#refusals">Refusals</a></li></ul></nav><main>',
    ]
    for tag in described["tags"]:
        parts.append(f'<h2 id="{tag["name"]}">{tag["name"]}</h2><p>{_text(tag["description"])}</p>')
        for path, verb, operation in groups.get(tag["name"], []):
            parts += _operation(described, path, verb, operation)
    parts += _refusals(described)
    parts.append("</main></body></html>\n")
    return "\n".join(parts)


def _operation(described: Schema, path: str, verb: str, operation: Schema) -> Iterator[str]:
    yield (
        f'<details id="{operation["operationId"]}"><summary>'
        f'<span class="verb">{verb.upper()}</span>'
        f"<code>{_text(path)}</code> {_text(operation['summary'])}</summary>"
    )
    for paragraph in operation.get("description", "").split("\n\n"):
        yield f"<p>{_text(paragraph)}</p>"
    rows = [
        (f"{one['name']} <small>{one['in']}</small>", one["schema"], one.get("description", ""))
        for one in operation.get("parameters", [])
    ]
    if rows:
        yield "<h3>Parameters</h3>"
        yield from _table(rows)
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if body:
        yield "<h3>Body</h3>"
        yield from _message(described, body["schema"])
    for media, content in operation["responses"].get("200", {}).get("content", {}).items():
        yield f"<h3>Answer <small>{media}</small></h3>"
        yield from _message(described, content["schema"])
    yield "</details>"


def _message(described: Schema, schema: Schema) -> Iterator[str]:
    rows = [
        (name, field, field.get("description", ""))
        for name, field in _fields(described, schema, "", 1, ())
    ]
    yield from _table(rows) if rows else iter(("<p>Nothing.</p>",))


def _fields(
    described: Schema, schema: Schema, prefix: str, depth: int, above: tuple[str, ...]
) -> Iterator[tuple[str, Schema]]:
    """Yields the fields of a message and of those in it, not too deep and never in circles."""
    name = schema.get("$ref", "").rpartition("/")[2]
    if name:
        schema = described["components"]["schemas"][name]
    for key, field in schema.get("properties", {}).items():
        many = field.get("type") == "array"
        yield f"{prefix}{key}{'[]' if many else ''}", field
        inner = field.get("items", {}) if many else field
        inner_name = inner.get("$ref", "").rpartition("/")[2]
        if inner_name and depth < DEPTH_MAX and inner_name not in above:
            dots = "[]." if many else "."
            yield from _fields(
                described, inner, f"{prefix}{key}{dots}", depth + 1, (*above, inner_name)
            )


def _table(rows: list[tuple[str, Schema, str]]) -> Iterator[str]:
    yield '<div class="wide"><table><thead><tr><th>Field</th><th>Type</th><th></th></tr></thead>'
    for name, schema, comment in rows:
        told = "".join(f"<li>{_text(one)}</li>" for one in schema.get("x-enum-descriptions", ()))
        listed = f"<ul>{told}</ul>" if told else ""
        yield (
            f"<tr><td><code>{name}</code></td><td>{_type(schema)}</td>"
            f"<td>{_text(comment)}{listed}</td></tr>"
        )
    yield "</table></div>"


def _type(schema: Schema) -> str:
    if "$ref" in schema:
        return _text(schema["$ref"].rpartition("/")[2])
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}{_bounds(schema)}"
    name = schema.get("format") or ("one of" if "enum" in schema else schema.get("type", ""))
    if "enum" in schema and "x-enum-descriptions" not in schema:
        name = f"{name} {', '.join(schema['enum'])}"
    return _text(str(name)) + _bounds(schema)


def _bounds(schema: Schema) -> str:
    said = [
        f"{name} {json.dumps(schema[name], ensure_ascii=False)}"
        for name in sorted(schema)
        if name.startswith(("min", "max", "exclusive", "pattern", "unique"))
    ]
    return f"<br><small>{_text(', '.join(said))}</small>" if said else ""


def _refusals(described: Schema) -> Iterator[str]:
    refusal = described["components"]["responses"]["Refusal"]
    schema = refusal["content"]["application/json"]["schema"]
    info = schema["properties"]["details"]["items"]["properties"]["reason"]
    yield '<h2 id="refusals">Refusals</h2><div class="wide"><table>'
    for told in info["x-enum-descriptions"]:
        reason, _, comment = told.partition(": ")
        yield f"<tr><td><code>{reason}</code></td><td>{_text(comment)}</td></tr>"
    yield "</table></div>"


def _text(text: str) -> str:
    return html.escape(text)
