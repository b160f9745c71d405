"""The image files that commands to the monitor name, where the trace has the commands (QEMU 2.10 and newer)."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["QmpFiles"]

_MIRRORS = ("drive-mirror", "blockdev-mirror")


class QmpFiles:
    """Learns from the text of commands which file the next mirror job copies to (qapi/block-core.json)."""

    def __init__(self) -> None:
        self._files: dict[str, str] = {}
        """By node-name, the file of the node that ``blockdev-add`` made."""
        self._targets: list[str] = []
        """The targets of mirror jobs that were asked for and have not started."""

    def feed(self, text: str) -> None:
        """Take the text of a record of ``handle_qmp_command``. What is no whole command is passed over."""
        _, found, written = text.partition(" req: ")
        if not found:
            return  # to 2.8 only the command's name is traced
        try:
            command = json.loads(written)
        except ValueError:
            return  # cut short
        if not isinstance(command, dict) or not isinstance(command.get("arguments"), dict):
            return
        name, arguments = command.get("execute", command.get("exec-oob")), command["arguments"]
        if name == "blockdev-add":
            node = arguments.get("node-name")
            if isinstance(node, str):
                self._files[node] = _file_of(arguments)
        elif name in _MIRRORS:
            target = arguments.get("target")
            if isinstance(target, str):
                self._targets.append(target if name == "drive-mirror" else self._files.get(target, ""))

    def target_of_next(self) -> str:
        """Return the file that the job which starts now copies to, ``""`` where no command told it."""
        return self._targets.pop(0) if self._targets else ""


def _file_of(options: dict[str, Any]) -> str:
    """Return the file at the bottom of a node's options."""
    while isinstance(options.get("file"), dict):
        options = options["file"]
    name = options.get("filename")
    return name if isinstance(name, str) else ""
