"""Shares of virtual GPUs: none is given twice, and fractions stay on one GPU."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from distributed_iac.simulation.slots import WHOLE, Grant, Slots

shares = st.sampled_from([0.0, 0.1, 0.25, 1 / 3, 0.5, 0.6, 0.75, 1.0, 1.5, 2.0])


@given(st.integers(1, 5), st.lists(shares, max_size=12), st.data())
def test_no_slot_holds_more_than_one_whole(
    count: int, wanted: list[float], data: st.DataObject
) -> None:
    slots, held = Slots(count), list[Grant]()
    for share in wanted:
        grant = slots.take(share)
        if grant is not None:
            assert sum(amount for _, amount in grant.parts) == round(share * WHOLE)
            held.append(grant)
        if held and data.draw(st.booleans()):
            slots.give_back(held.pop(data.draw(st.integers(0, len(held) - 1))))
        for slot in range(count):
            taken = sum(amount for one in held for place, amount in one.parts if place == slot)
            assert taken <= WHOLE


@given(st.integers(1, 5), st.lists(shares, max_size=12))
def test_what_is_given_back_can_be_taken_again(count: int, wanted: list[float]) -> None:
    slots = Slots(count)
    for grant in [slots.take(share) for share in wanted]:
        if grant is not None:
            slots.give_back(grant)
    assert slots.take(count) is not None


def test_a_fraction_lies_on_one_gpu_though_two_have_room_for_it_together() -> None:
    slots = Slots(2)
    assert slots.take(0.6) is not None
    assert slots.take(0.6) is not None
    assert slots.take(0.5) is None
    assert slots.take(0.4) is not None


def test_fractions_fill_up_before_a_whole_gpu_is_broken() -> None:
    slots = Slots(2)
    for _ in range(2):
        slots.take(0.5)
    assert slots.take(1.0) is not None


def test_ten_tenths_are_a_whole() -> None:
    slots = Slots(1)
    assert all(slots.take(0.1) for _ in range(10))
    assert slots.take(0.1) is None
