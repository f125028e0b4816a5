"""The table of deadlines."""

from enum import Enum

from ocpp_sansio.timers import Timers


class Key(Enum):
    A = 1
    B = 2


def test_deadlines_expire_earliest_first_and_once():
    timers = Timers[Key]()
    assert timers.next() is None
    assert timers.pop_expired(1e9) is None
    timers.start(Key.A, 20)
    timers.start(Key.B, 10)
    assert timers.next() == 10
    assert timers.pop_expired(9) is None
    assert [timers.pop_expired(20) for _ in range(3)] == [Key.B, Key.A, None]


def test_a_deadline_can_be_moved_and_stopped():
    timers = Timers[Key]()
    timers.start(Key.A, 10)
    timers.start(Key.A, 30)
    assert timers.next() == 30
    timers.stop(Key.A)
    timers.stop(Key.B)
    assert timers.next() is None
    timers.start(Key.B, 1)
    timers.stop_all()
    assert timers.next() is None
