"""What the pointers of a trace are called: contexts, BlockBackends, nodes and their image files."""

from __future__ import annotations

from traceview.vocabulary import Meaning, Row

__all__ = ["NameTracker"]


class NameTracker:
    """Learns names from the records that carry them. Names are trace text: escape them where they are shown."""

    MEANINGS = (Meaning.CONTEXT_NAME, Meaning.BLK_NAMED, Meaning.NODE_OPEN)

    def __init__(self) -> None:
        self.contexts: dict[int, str] = {}
        self.blks: dict[int, str] = {}
        """The last name of each BlockBackend, ``""`` for one that was attached without a name."""
        self.images: dict[int, str] = {}
        """The file that each node was last opened with."""

    def feed(self, row: Row) -> None:
        """Take a record of one of `MEANINGS`, in file order."""
        match row.meaning:
            case Meaning.CONTEXT_NAME:
                self.contexts[row.role("ctx")] = row.string("name")
            case Meaning.BLK_NAMED:
                self.blks[row.role("blk")] = row.string("name")
            case Meaning.NODE_OPEN:
                self.images[row.role("node")] = row.string("image")
            case _:
                pass

    def device(self, blk: int) -> str:
        """Return the name of a BlockBackend, or its pointer as the trace prints it."""
        return self.blks.get(blk) or pointer(blk)

    def node(self, node: int) -> str:
        """Return the image file of a node, or its pointer as the trace prints it."""
        return self.images.get(node) or pointer(node)

    def context(self, ctx: int) -> str:
        """Return the name of an AioContext, or its pointer as the trace prints it."""
        return self.contexts.get(ctx) or pointer(ctx)


def pointer(value: int) -> str:
    """Return a pointer as QEMU prints it."""
    return f"0x{value % (1 << 64):x}" if value else "(nil)"
