"""Which of the lost extents really differ between two images; nothing is written."""

from __future__ import annotations

from dataclasses import dataclass

from traceview.losses import Losses, LossState, LostExtent
from traceview.repair.compare import Difference, compare
from traceview.repair.naming import Related, choose_device, relate
from traceview.repair.pair import Pair

__all__ = ["Checked", "verify"]


@dataclass(frozen=True, slots=True)
class Checked:
    """A lost extent, and what differs: None where the images were not compared there, which `reasons` explain.

    Where they were, `reasons` are what speaks against their being the images of the trace. Both are trace text.
    """

    lost: LostExtent
    difference: Difference | None
    reasons: tuple[str, ...] = ()

    @property
    def open(self) -> bool:
        """Whether the target may lack it, and that was not found out."""
        return self.difference is None and self.lost.state is not LossState.REWRITTEN


def verify(losses: Losses, pair: Pair, *, device: str | None = None) -> list[Checked]:
    """Compare the extents that are lost, or may be; those that were rewritten differ by right, and are not compared.

    `device` is that of `make_plan`. Raises UnknownNameError for a device that is not there, RepairRefusedError where
    several can be meant, ImageError where an image cannot be read.
    """
    source, target = pair.source.path, pair.target.path
    chosen = choose_device(losses.extents, source, target, device)
    return [_checked(r, pair) for r in relate(chosen, source, target)]


def _checked(related: Related, pair: Pair) -> Checked:
    lost = related.lost
    if lost.state is LossState.REWRITTEN:
        return Checked(lost, None, ("the guest has written there since",))
    if related.elsewhere:
        return Checked(lost, None, (f"{related.elsewhere} has it, not this source",))
    refusal = pair.source.refusal(lost.extent) or pair.target.refusal(lost.extent)
    if refusal:
        return Checked(lost, None, (refusal,))
    return Checked(lost, compare(pair.source, pair.target, lost.extent), related.doubts)
