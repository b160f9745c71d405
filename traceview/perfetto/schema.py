"""Perfetto's messages, from the package that its makers publish; nothing of it is copied here."""

from __future__ import annotations

from types import ModuleType

from traceview.errors import MissingPackageError

__all__ = ["load_schema"]


def load_schema() -> ModuleType:
    """Return the module with Perfetto's messages: Trace, TracePacket, TrackEvent and so on.

    Raises MissingPackageError where the extra ``perfetto`` is not installed.
    """
    try:
        from perfetto.protos.perfetto.trace import perfetto_trace_pb2  # noqa: PLC0415  (an extra)
    except ImportError as e:
        raise MissingPackageError(
            f"Perfetto's schema is not installed ({e}): pip install 'traceview[perfetto]' brings it"
        ) from e
    module: ModuleType = perfetto_trace_pb2
    return module
