"""Where the bytes are: a file, a directory, stdin or a pipe, compressed or not, read from front to back in pieces."""

from __future__ import annotations

from traceview.source.bytes import DEFAULT_CHUNK, HEAD_BYTES, STDIN, ByteSource, ReadInto
from traceview.source.files import find_files
from traceview.source.packed import compression_of

__all__ = ["DEFAULT_CHUNK", "HEAD_BYTES", "STDIN", "ByteSource", "ReadInto", "compression_of", "find_files"]
