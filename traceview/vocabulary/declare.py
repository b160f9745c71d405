"""Declarations for tracepoints that no release has, in the syntax of QEMU's trace-events files."""

from __future__ import annotations

from traceview.events import Conversion, EventForm

__all__ = ["declaration"]

_TYPES = {
    "POINTER": ("void *", "%p"),
    "STRING": ("const char *", "%s"),
    "DECIMAL": ("int64_t ", '%" PRId64 "'),
    "UNSIGNED": ("uint64_t ", '%" PRIu64 "'),
    "HEX": ("uint64_t ", '%" PRIx64 "'),
}
"""For a value terminal of the log line, the C type and the printf conversion that write it (any release)."""


def declaration(form: EventForm) -> str:
    """Return the line that declares an event so that the log backend writes `form`.

    Its arguments get the names that the roles of the vocabulary know. Raises KeyError for a form with a value that is
    none of pointer, text, decimal or hexadecimal number.
    """
    arguments = [""] * len(form.args)
    text = []
    for piece in form.line:
        if isinstance(piece, Conversion):
            kind, conversion = _TYPES[piece.terminal]
            arguments[piece.arg] = f"{kind}{form.args[piece.arg].name}"
            text.append(conversion)
        else:
            text.append(piece.replace("%", "%%").replace('"', '\\"'))
    # What a conversion leaves open at the end is no text: "cnt %" PRId64 "" is "cnt %" PRId64.
    line = f'"{"".join(text)}"'.removesuffix(' ""')
    return f"{form.name}({', '.join(arguments) or 'void'}) {line}"
