"""What all tests share: where the captures are, and how much Hypothesis tries.

The captures are real traces, too large for the repository. They are looked for in ``TRACEVIEW_CAPTURES``, else in
``../shared/captures`` beside the checkout. A test that reads them is marked ``captures`` and skipped where they are
absent; it names a capture by its folder, ``capture_path("qemu-2.4.0/mirror", "trace.log")``.
"""

from __future__ import annotations

import lzma
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent
"""The top of the checkout."""

CapturePath = Callable[[str, str], Path]
CaptureBytes = Callable[[str, str], bytes]

# Examples are the same in every run of the "ci" profile, so that a red build can be repeated. "thorough" takes
# minutes: pytest --hypothesis-profile=thorough
settings.register_profile("normal", deadline=None, max_examples=60)
settings.register_profile("ci", settings.get_profile("normal"), derandomize=True, print_blob=True)
settings.register_profile("thorough", settings.get_profile("normal"), max_examples=3000)
settings.load_profile("ci" if os.environ.get("CI") else "normal")


def captures_folder() -> Path | None:
    """Return the folder of the captures, or None where there is none."""
    named = os.environ.get("TRACEVIEW_CAPTURES")
    folder = Path(named) if named else ROOT.parent / "shared" / "captures"
    return folder if folder.is_dir() else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests that need captures where there are none."""
    if captures_folder() is not None:
        return
    skip = pytest.mark.skip(reason="no captures: set TRACEVIEW_CAPTURES to their folder")
    for item in items:
        if item.get_closest_marker("captures") is not None:
            item.add_marker(skip)


@pytest.fixture(scope="session")
def capture_path(tmp_path_factory: pytest.TempPathFactory) -> CapturePath:
    """Return a function that gives the path of a capture's file, unpacked once a session if it is compressed."""
    unpacked = tmp_path_factory.mktemp("captures")

    def path_of(name: str, file: str) -> Path:
        folder = captures_folder()
        assert folder is not None, "a test that reads captures must be marked so"
        plain = folder / name / file
        if plain.is_file():
            return plain
        target = unpacked / name / file
        if not target.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            with lzma.open(folder / name / f"{file}.xz") as packed, open(target, "wb") as out:
                shutil.copyfileobj(packed, out)
        return target

    return path_of


@pytest.fixture(scope="session")
def capture_bytes(capture_path: CapturePath) -> CaptureBytes:
    """Return a function that gives the unpacked content of a capture's file."""
    return lambda name, file: capture_path(name, file).read_bytes()
