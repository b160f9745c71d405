"""Lines of events that a scan does not need, mixed in until a given share of all lines matters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from benchmarks.captures import UnusableInputError

__all__ = ["SEED", "mixed", "places"]

SEED = 1570134
Int64Array = npt.NDArray[np.int64]
Item = TypeVar("Item")


def places(wanted: npt.NDArray[np.bool_], share: float, surplus: int) -> tuple[Int64Array, Int64Array]:
    """Plan a mixture in which `share` of the records matters.

    All records that matter stay. Of the others so many stay as there is room for; where that is not enough, records
    of a surplus (of `surplus` records, used in its own order, from its start again when it is used up) follow records
    that matter, spread at random with a fixed seed.

    Parameters
    ----------
    wanted
        Which records of the original matter, shape (n,).
    share
        The share that is to matter, above 0, at most 1.
    surplus
        How many records the surplus has.

    Returns
    -------
    tuple
        For each record of the mixture, in order: its number in the original or, where that is negative,
        ``-1 - number`` in the surplus; and the record of the original whose time and thread it bears.

    Raises
    ------
    UnusableInputError
        No record matters, or there is no surplus where one is needed.
    """
    rng = np.random.default_rng(SEED)
    matter = np.flatnonzero(wanted)
    if not len(matter):
        raise UnusableInputError("no record of the original matters to a scan")
    room = round(len(matter) * (1 - share) / share)
    others = np.flatnonzero(~wanted)
    if len(others) > room:
        others = np.sort(rng.choice(others, room, replace=False))
    own = np.union1d(matter, others)
    missing = room - len(others)
    if not missing:
        return own, own
    if not surplus:
        raise UnusableInputError("no capture has records that do not matter")
    copies = rng.multinomial(missing, np.full(len(matter), 1 / len(matter)))
    followers = np.zeros(len(wanted), dtype=np.int64)
    followers[matter] = copies
    bearer = np.repeat(own, 1 + followers[own])
    first = np.concatenate(([True], bearer[1:] != bearer[:-1]))
    drawn = (rng.integers(surplus) + np.arange(missing)) % surplus
    source = bearer.copy()
    source[~first] = -1 - drawn
    return source, bearer


def mixed(own: Sequence[Item], surplus: Sequence[Item], source: Int64Array) -> list[Item]:
    """Return the records that `places` chose, of the original or of the surplus."""
    return [own[i] if i >= 0 else surplus[-1 - i] for i in source.tolist()]
