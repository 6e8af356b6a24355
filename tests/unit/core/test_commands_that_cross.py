"""A command crosses the divert it was to replace: what the PLC did counts, not what was meant."""

from __future__ import annotations

from tiny_line import Parcel, TinyLine


def aimed_again(line: TinyLine) -> tuple[Parcel, int]:
    """A parcel that slipped, so that its fire count was corrected; and the old fire count."""
    parcel = line.known_parcel(at=1_000)
    old_fire = parcel.commands[-1][2]
    parcel.slips(60)
    parcel.passes("gate")
    assert [command[:2] for command in parcel.commands] == [("FIRE", "shelf_a")] * 2
    return parcel, old_fire


def test_a_refused_correction_leaves_the_older_command_which_may_still_sort() -> None:
    line = TinyLine(restock=[["shelf_a"]])
    line.chute_becomes("outlet")
    parcel, old_fire = aimed_again(line)
    line.refuses(parcel, "TOO_LATE", at=old_fire - 20)
    assert parcel.story[-1] == "PASSED shelf_a: DIVERT_INHIBITED (TOO_LATE)"
    assert line.fill_of("shelf_a") == (0, 0)
    line.fires_at("shelf_a", parcel, at=old_fire)
    assert line.fill_of("shelf_a") == (0, 1)
    parcel.enters("shelf_a")
    assert parcel.end == "SORTED shelf_a"
    assert line.fill_of("shelf_a") == (1, 0)
