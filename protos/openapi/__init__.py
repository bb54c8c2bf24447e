"""Describes the API over HTTP: OpenAPI and a readable page, made from the contracts alone."""
