"""A QEMU's command line, as far as an issue tells of it: which binary, which machine, and no secret."""

from __future__ import annotations

import re
import shlex
from pathlib import PurePosixPath

__all__ = ["flavor", "machine", "without_secrets"]

_BINARY = re.compile(r"qemu(-[a-z0-9]+)*(_[a-z0-9]+)?|kvm|qemu-kvm", re.ASCII)
_SYSTEM = re.compile(r"qemu-system-([a-z0-9_]+)", re.ASCII)
_PASSWORD = re.compile(r"\b(password|passwd)=(?!on\b|off\b)[^,\s'\"]+")
_SECRET = re.compile(r"(\bsecret\b[^\s]*?\bdata=)[^,\s'\"]+")
_JSON = re.compile(r'("(?:data|passwd|password)"\s*:\s*)"[^"]*"')


def flavor(command: str) -> str:
    """Return the name of the binary that a command line runs (``qemu-system-x86_64``), ``""`` for none that is QEMU's.

    Variables of the environment may stand before it, as they do in the logs of libvirt.
    """
    try:
        words = shlex.split(command)
    except ValueError:  # an open quote
        words = command.split()
    names = (PurePosixPath(w).name for w in words if w.split("=")[0] == w)
    first = next(names, "")
    return first if _BINARY.fullmatch(first) else ""


def machine(command: str) -> str:
    """Return the architecture that a command line's QEMU provides (``x86_64``), ``""`` where its name does not tell."""
    match = _SYSTEM.fullmatch(flavor(command))
    return match[1] if match is not None else ""


def without_secrets(command: str) -> str:
    """Return a command line with the values of passwords and of secret objects as ``***``."""
    return _JSON.sub(r'\1"***"', _SECRET.sub(r"\1***", _PASSWORD.sub(r"\1=***", command)))
