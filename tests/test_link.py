"""The time, the chance and the link of the tests: what is said of them is so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ocpp_sansio.testing import Conditions, Dice, Link, Pair, Trace, VirtualClock

# -- time --


def test_time_passes_when_it_is_told_to_and_what_is_due_happens_in_its_order():
    clock, happened = VirtualClock(), list[tuple[str, float]]()

    def note(what: str) -> None:
        happened.append((what, clock.now))

    clock.after(2, lambda: note("second"))
    clock.after(1, lambda: clock.after(1, lambda: note("third")))
    clock.at(5, lambda: note("too late"))
    assert clock.next_due == 1
    clock.advance(2.5)
    assert happened == [("second", 2), ("third", 2)]
    assert clock.now == 2.5
    clock.advance_to(1)
    assert clock.now == 2.5
    assert clock.step()
    assert not clock.step()
    assert (clock.now, clock.next_due) == (5, float("inf"))


def test_what_should_have_happened_happens_now():
    clock = VirtualClock()
    clock.advance(10)
    clock.at(3, lambda: None)
    assert clock.step()
    assert clock.now == 10


def test_time_does_not_go_backwards():
    with pytest.raises(ValueError, match="not by -1"):
        VirtualClock().advance(-1)


def test_the_time_of_day_may_be_set_and_the_seconds_do_not_notice():
    """F-135."""
    clock = VirtualClock(datetime(2026, 3, 29, tzinfo=UTC))
    clock.advance(60)
    assert clock.utc == datetime(2026, 3, 29, 0, 1, tzinfo=UTC)
    clock.set_utc(clock.utc - timedelta(days=365 * 50))
    clock.advance(1)
    assert clock.utc.year == 1976
    assert clock.now == 61
    with pytest.raises(ValueError, match="zone"):
        clock.set_utc(datetime(2026, 1, 1))  # noqa: DTZ001 - that is what it is about


def test_whole_numbers_have_both_bounds():
    assert {Dice(seed).whole(3, 5) for seed in range(100)} == {3, 4, 5}


# -- what has happened --


def test_a_trace_shows_the_last_that_happened_and_how_much_it_leaves_out():
    clock = VirtualClock()
    trace = Trace(clock, size=2)
    assert str(trace) == ""
    for number in range(3):
        clock.advance(1)
        trace.note("link", f"does {number}")
    assert list(trace) == [(2, "link", "does 1"), (3, "link", "does 2")]
    assert len(trace) == 2
    assert str(trace).splitlines() == [
        "… 1 before that",
        "      2.000  link            does 1",
        "      3.000  link            does 2",
    ]


# -- the link --


class Heard:
    """What comes out of a link, and when. The first of its ends is A."""

    def __init__(self, conditions: Conditions | None = None, seed: int = 0) -> None:
        self.clock = VirtualClock()
        self.link = Link[str | bytes](self.clock, conditions or Conditions(), chance=Dice(seed))
        self.a, self.b = self.link.ends
        self.came: list[tuple[float, str, str | bytes]] = []
        self.over: list[tuple[float, str]] = []
        for name, end in (("A", self.a), ("B", self.b)):
            end.on_data = lambda data, name=name: self.came.append((self.clock.now, name, data))
            end.on_lost = lambda name=name: self.over.append((self.clock.now, name))

    def at(self, name: str) -> list[str | bytes]:
        return [data for _, to, data in self.came if to == name]


def test_a_calm_link_carries_both_ways_at_once_and_in_order():
    heard = Heard()
    for number in range(3):
        heard.a.send(f"there {number}")
        heard.b.send(f"back {number}")
    assert not heard.link.is_quiet
    heard.clock.advance(0)
    assert heard.at("B") == ["there 0", "there 1", "there 2"]
    assert heard.at("A") == ["back 0", "back 1", "back 2"]
    assert heard.link.is_quiet


def test_nobody_has_to_listen():
    link = Link[str](VirtualClock())
    link.ends[0].send("anybody there?")
    link.ends[0].close()
    link.clock.advance(0)
    assert link.is_quiet


def test_what_takes_time_comes_in_order_all_the_same():
    heard = Heard(Conditions(delay=(1, 5)))
    for number in range(50):
        heard.a.send(str(number))
    heard.clock.advance(0.999)
    assert not heard.came
    heard.clock.advance(5)
    assert heard.at("B") == [str(number) for number in range(50)]
    assert len({at for at, *_ in heard.came}) > 1


def test_bytes_come_in_other_pieces_and_all_of_them():
    heard = Heard(Conditions(split=0.8))
    for _ in range(10):
        heard.a.send(bytes(range(200)))
    heard.clock.advance(0)
    assert b"".join(map(bytes, heard.at("B"))) == bytes(range(200)) * 10  # type: ignore[arg-type]
    assert len(heard.at("B")) > 30
    heard.a.send(b"x")
    heard.clock.advance(0)
    assert heard.at("B")[-1] == b"x"


def test_texts_are_lost_and_doubled():
    heard = Heard(Conditions(lose=0.3, duplicate=0.3))
    sent = [str(number) for number in range(100)]
    for text in sent:
        heard.a.send(text)
    heard.clock.advance(0)
    came = heard.at("B")
    assert came == sorted(came, key=int)  # type: ignore[arg-type]
    assert 50 < len(set(came)) < 90
    assert len(came) > len(set(came)) + 10
    assert "loses" in str(heard.link.trace)
    assert "doubles" in str(heard.link.trace)


def test_nothing_comes_out_of_a_link_that_stalls_and_then_all_of_it():
    heard = Heard()
    heard.a.send("before")
    heard.link.stall(10)
    heard.link.stall(5)
    heard.a.send("after")
    heard.clock.advance(9.9)
    assert heard.at("B") == ["before"]
    heard.clock.advance(0.1)
    assert heard.at("B") == ["before", "after"]


@pytest.mark.parametrize("told", [None, [0], [1], []])
def test_a_cut_takes_all_that_is_on_its_way_and_those_are_told_who_are_to_be(told: list[int] | None):
    heard = Heard(Conditions(delay=(1, 1), notice=(2, 2)))
    heard.a.send("there")
    heard.b.send(b"back")
    heard.link.cut(None if told is None else [heard.link.ends[each] for each in told])
    heard.link.cut()
    heard.a.send("more")
    heard.a.close()
    heard.b.send(b"more")
    heard.clock.advance(10)
    assert not heard.came
    assert {name for _, name in heard.over} == {"AB"[each] for each in ([0, 1] if told is None else told)}
    assert all(at == 2 for at, _ in heard.over)
    assert not heard.link.is_up
    assert "loses 4 bytes" in str(heard.link.trace)
    assert ("not told" in str(heard.link.trace)) == (told is not None)


def test_an_end_that_closes_is_heard_out_and_may_still_hear():
    heard = Heard()
    heard.a.send("last words")
    heard.a.close()
    heard.a.close()
    heard.a.send("none after the last")
    heard.b.send("good bye")
    heard.clock.advance(0)
    assert heard.at("B") == ["last words"]
    assert heard.at("A") == ["good bye"]
    assert heard.over == [(0, "B")]
    heard.link.cut()
    heard.clock.advance(0)
    assert heard.over == [(0, "B"), (0, "A")]


@pytest.mark.parametrize("seed", ["abc", 1.5, None])
def test_what_is_neither_a_seed_nor_a_chance_is_refused_at_once(seed):
    for takes in (Dice, lambda it: Link(VirtualClock(), chance=it), lambda it: Pair(seed=it)):
        with pytest.raises(TypeError, match="a seed is an integer, not"):
            takes(seed)


def test_a_seed_is_as_good_as_its_dice():
    one, other = Link[str](VirtualClock(), chance=7), Link[str](VirtualClock(), chance=Dice(7))
    assert one.chance.whole(0, 2**40) == other.chance.whole(0, 2**40)


def test_what_goes_wrong_goes_wrong_by_chance_and_the_same_each_time():
    conditions = Conditions(delay=(0, 1), stall=0.1, cut=0.05, half_open=0.5, notice=(0, 9))

    def story(seed: int) -> tuple[str, list[tuple[float, str]]]:
        heard = Heard(conditions, seed)
        for number in range(20):
            heard.a.send(str(number))
            heard.clock.advance(1)
        heard.clock.advance(100)
        return str(heard.link.trace), heard.over

    stories = [story(seed) for seed in range(30)]
    assert stories == [story(seed) for seed in range(30)]
    told = [sorted(name for _, name in over) for _, over in stories]
    assert all(outcome in told for outcome in ([], ["A"], ["B"], ["A", "B"]))
    assert any("carries nothing" in trace for trace, _ in stories)


@pytest.mark.parametrize(
    "wrong", [{"lose": 1.5}, {"cut": -0.1}, {"delay": (2, 1)}, {"notice": (-1, 0)}], ids=lambda wrong: next(iter(wrong))
)
def test_conditions_that_cannot_be_are_refused(wrong: dict[str, object]):
    with pytest.raises(ValueError):
        Conditions(**wrong)  # type: ignore[arg-type]
