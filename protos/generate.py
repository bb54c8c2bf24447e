"""Builds gen/ from the contracts: messages, typed stubs, gRPC stubs and Envoy's descriptor set."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
GEN = ROOT / "gen"
# Contracts of others that ours import. Buf needs them as files beside ours; Python has them as
# wheels.
BORROWED = (
    "google/api/annotations.proto",
    "google/api/http.proto",
    "google/rpc/code.proto",
    "google/rpc/error_details.proto",
    "google/rpc/status.proto",
    "google/type/date.proto",
    "google/type/datetime.proto",
    "google/type/dayofweek.proto",
    "google/type/interval.proto",
    "google/type/latlng.proto",
    "google/type/timeofday.proto",
)


def main() -> int:
    """Generates everything into a fresh folder, then puts it in the place of gen/."""
    site = Path(sysconfig.get_path("purelib"))
    fresh = ROOT / "gen.new"
    shutil.rmtree(fresh, ignore_errors=True)
    include = fresh / "include"
    for name in BORROWED:
        target = include / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(site / name, target)
    sources = sorted(
        str(path.relative_to(ROOT / "protos")) for path in ROOT.glob("protos/fairslot/**/*.proto")
    )
    common = [
        f"--proto_path={ROOT / 'protos'}",
        f"--proto_path={ROOT / 'third_party'}",
        f"--proto_path={include}",
        f"--proto_path={files('grpc_tools') / '_proto'}",
    ]
    python = [
        f"--python_out={fresh}",
        f"--grpc_python_out={fresh}",
        f"--mypy_out=quiet:{fresh}",
        f"--mypy_grpc_out=quiet:{fresh}",
        # Only our own contracts and the vendored one: the rest is in the wheels.
        "buf/validate/validate.proto",
    ]
    descriptors = [
        "--include_imports",
        f"--descriptor_set_out={fresh / 'fairslot.binpb'}",
        # Envoy needs it to print the details of an error.
        "google/rpc/error_details.proto",
    ]
    scripts = Path(sysconfig.get_path("scripts"))
    plugins = [
        f"--plugin=protoc-gen-{n}={scripts / f'protoc-gen-{n}'}" for n in ("mypy", "mypy_grpc")
    ]
    for extra in (plugins + python, descriptors):
        code = protoc.main(["protoc", *common, *extra, *sources])
        if code:
            shutil.rmtree(fresh, ignore_errors=True)
            return int(code)
    for folder in [fresh / "fairslot", *(p for p in (fresh / "fairslot").rglob("*") if p.is_dir())]:
        (folder / "__init__.py").touch()
    (fresh / "fairslot" / "py.typed").touch()
    described(fresh, common, sources)
    shutil.rmtree(GEN, ignore_errors=True)
    fresh.rename(GEN)
    return 0


def described(fresh: Path, common: list[str], sources: list[str]) -> None:
    """Describes the API over HTTP beside the generated code, where the gateway finds it."""
    commented = fresh / "commented.binpb"
    options = ["--include_imports", "--include_source_info", f"--descriptor_set_out={commented}"]
    if protoc.main(["protoc", *common, *options, *sources]):
        raise SystemExit("the contracts cannot be described")
    command = [sys.executable, "-m", "protos.openapi", str(commented), str(fresh / "fairslot")]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": f"{fresh}:{ROOT}"})
    commented.unlink()


if __name__ == "__main__":
    sys.exit(main())
