"""What is shipped: the two packages and nothing else, importable from the wheel alone."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist, and the wheel that was built from that sdist, with the tools of this environment and no network."""
    where = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", where, ROOT], check=True, capture_output=True
    )
    return where


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    (path,) = dist.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def metadata(wheel: Path, names: set[str]) -> Message:
    (name,) = (name for name in names if name.endswith(".dist-info/METADATA"))
    with zipfile.ZipFile(wheel) as archive:
        return Parser().parsestr(archive.read(name).decode())


def test_the_top_level_of_the_wheel_is_the_two_packages(names: set[str]) -> None:
    top = {name.split("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == {"ocpp_sansio", "ocpp_transports"}


@pytest.mark.parametrize("package", ["ocpp_sansio", "ocpp_transports"])
def test_both_packages_are_marked_as_typed(names: set[str], package: str) -> None:
    assert f"{package}/py.typed" in names


def test_the_wheel_has_every_module_but_the_generator(names: set[str]) -> None:
    ours = {
        path.relative_to(base).as_posix()
        for base in (ROOT, ROOT / "transports")
        for package in ("ocpp_sansio", "ocpp_transports")
        for path in (base / package).rglob("*.py")
    }
    shipped = {name for name in names if name.endswith(".py")}
    assert shipped == {name for name in ours if "/_codegen/" not in name}


def test_nothing_but_code_and_markers_is_shipped(names: set[str]) -> None:
    assert {Path(name).suffix for name in names if ".dist-info/" not in name} == {".py", ".typed"}


def test_the_metadata_says_what_pyproject_says(metadata: Message) -> None:
    assert metadata["Name"] == PROJECT["name"]
    assert metadata["Version"] == PROJECT["version"]
    assert metadata["Requires-Python"] == PROJECT["requires-python"]
    assert metadata["License-Expression"] == "MIT"
    assert set(metadata.get_all("Provides-Extra") or ()) == set(PROJECT["optional-dependencies"])


def test_the_core_asks_for_no_more_than_four_libraries(metadata: Message) -> None:
    asked = [line for line in metadata.get_all("Requires-Dist") or () if "extra ==" not in line]
    assert {line.split(">")[0].strip() for line in asked} == {"attrs", "cattrs", "msgspec", "websockets"}


def test_the_sdist_is_complete(dist: Path) -> None:
    (path,) = dist.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        shipped = {name.partition("/")[2] for name in archive.getnames()}
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    tracked = {name for name in listed.stdout.splitlines() if (ROOT / name).exists() and not name.startswith(".git")}
    assert tracked - shipped == set()


IMPORT_ALL = """
import importlib, importlib.metadata, pkgutil, sys
import ocpp_sansio, ocpp_transports

for package in (ocpp_sansio, ocpp_transports):
    assert package.__file__.startswith(sys.argv[1]), package.__file__
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
        print(module.name)
print(importlib.metadata.version("ocpp-sansio"))
"""


def test_every_module_can_be_imported_from_the_installed_wheel(wheel: Path, tmp_path: Path) -> None:
    target = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:  # which is all there is to installing a pure wheel, and needs no pip
        archive.extractall(target)
    # -P and the working directory keep the checkout off the path; the editable install comes after PYTHONPATH.
    run = subprocess.run(
        [sys.executable, "-P", "-c", IMPORT_ALL, str(target)],
        cwd=tmp_path,
        env={"PYTHONPATH": str(target)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    imported = run.stdout.split()
    assert {"ocpp_sansio.v16.messages", "ocpp_transports.asyncio"} <= set(imported)
    assert imported[-1] == PROJECT["version"]
