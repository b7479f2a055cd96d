"""One seed, a stream for each purpose."""

from __future__ import annotations

from simulator.chance import Chance


def test_the_same_seed_and_name_draw_the_same_and_others_do_not() -> None:
    assert Chance(7).stream("people").random() == Chance(7).stream("people").random()
    assert Chance(7).stream("people").random() != Chance(7).stream("day").random()
    assert Chance(7).stream("people").random() != Chance(8).stream("people").random()


def test_a_draw_in_one_stream_changes_nothing_in_another() -> None:
    chance = Chance(7)
    expected = Chance(7).stream("day").random()
    chance.stream("people").random()
    assert chance.stream("day").random() == expected


def test_a_decision_about_one_named_thing_is_even_and_bounded() -> None:
    drawn = [Chance(7).below(f"thing {number}", 4) for number in range(4_000)]
    assert {0, 1, 2, 3} == set(drawn)
    assert all(900 < drawn.count(value) < 1_100 for value in range(4))
