"""A scene as a trace that the Perfetto UI opens: its TrackEvent protobuf, by the schema of the `perfetto` package."""

from __future__ import annotations

from traceview.perfetto.extent import MOST_RECORDS, Extent, extent_of
from traceview.perfetto.items import Told
from traceview.perfetto.schema import load_schema
from traceview.perfetto.write import Part, packets, write_perfetto

__all__ = ["MOST_RECORDS", "Extent", "Part", "Told", "extent_of", "load_schema", "packets", "write_perfetto"]
