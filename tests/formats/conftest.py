"""What the tests of single formats share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from traceview import compiled


@pytest.fixture(scope="module", params=["interpreted", "compiled"])
def engine(request: pytest.FixtureRequest) -> Iterator[None]:
    """Run what uses it once for each path that lines and records can take."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled, "COMPILED_FROM", 0 if request.param == "compiled" else 1 << 62)
        patch.setattr(compiled, "COMPILE_FROM", 0)
        yield
