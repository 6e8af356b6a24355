"""Several things at once: one frame's reports may depend on each other."""

from __future__ import annotations

from tiny_line import TinyLine


def test_a_freed_place_is_handed_on_even_when_another_chute_changes_in_the_same_frame() -> None:
    line = TinyLine(restock=[["shelf_a"]], capacity={"shelf_a": 1})
    line.chute_becomes("outlet")
    waits = line.inducts(at=1_000)
    has_it = line.inducts(at=1_700).weighs().scans(identity=8)
    waits.weighs().scans(identity=7)
    assert (has_it.bound_for, waits.bound_for) == ("shelf_a", None)
    with line.one_frame():
        line.chute_becomes("hazmat", "OPEN", "FULL")
        has_it.scans("side", identity=9)
    assert has_it.bound_for == "multi_read_conflict"
    assert waits.bound_for == "shelf_a"
