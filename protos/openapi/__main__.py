"""Writes openapi.json and docs.html into a folder: python -m protos.openapi DESCRIPTORS FOLDER."""

import json
import sys
from pathlib import Path

from protos.openapi.contracts import Contracts
from protos.openapi.document import document
from protos.openapi.page import page


def main(descriptors: str, folder: str) -> None:
    """Reads a descriptor set with comments and writes both forms of the description."""
    described = document(Contracts.read(Path(descriptors)))
    text = json.dumps(described, indent=1, ensure_ascii=False)
    (Path(folder) / "openapi.json").write_text(text, encoding="utf-8")
    (Path(folder) / "docs.html").write_text(page(described), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
