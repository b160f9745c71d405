"""What the pointers of a trace are called: contexts, BlockBackends, nodes and their image files."""

from __future__ import annotations

from bisect import bisect_right

from traceview.vocabulary import Meaning, Row

__all__ = ["NameTracker"]


class NameTracker:
    """Learns names from the records that carry them. Names are trace text: escape them where they are shown."""

    MEANINGS = (Meaning.CONTEXT_NAME, Meaning.BLK_NAMED, Meaning.NODE_OPEN)

    def __init__(self) -> None:
        self.contexts: dict[int, str] = {}
        self.blks: dict[int, str] = {}
        """The last name of each BlockBackend, ``""`` for one that was attached without a name."""
        self._opened: dict[int, tuple[list[int], list[str]]] = {}
        """For each node, the records at which it was opened, and the files: a pointer is another node's later on."""

    def feed(self, row: Row) -> None:
        """Take a record of one of `MEANINGS`, in file order."""
        match row.meaning:
            case Meaning.CONTEXT_NAME:
                self.contexts[row.role("ctx")] = row.string("name")
            case Meaning.BLK_NAMED:
                self.blks[row.role("blk")] = row.string("name")
            case Meaning.NODE_OPEN:
                records, files = self._opened.setdefault(row.role("node"), ([], []))
                records.append(row.record)
                files.append(row.string("image"))
            case _:
                pass

    def device(self, blk: int) -> str:
        """Return the name of a BlockBackend, or its pointer as the trace prints it."""
        return self.blks.get(blk) or pointer(blk)

    def image(self, node: int, at_record: int | None = None) -> str:
        """Return the image file that a node was opened with last (before a record); ``""`` where it is not traced."""
        records, files = self._opened.get(node, ((), ()))
        opened = len(records) if at_record is None else bisect_right(records, at_record)
        return files[opened - 1] if opened else ""

    def node(self, node: int) -> str:
        """Return the image file of a node, or its pointer as the trace prints it."""
        return self.image(node) or pointer(node)

    def context(self, ctx: int) -> str:
        """Return the name of an AioContext, or its pointer as the trace prints it."""
        return self.contexts.get(ctx) or pointer(ctx)


def pointer(value: int) -> str:
    """Return a pointer as QEMU prints it."""
    return f"0x{value % (1 << 64):x}" if value else "(nil)"
