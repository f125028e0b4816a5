"""The matrix of connector states: every state against every signal, and what lies beneath a fault."""

import itertools

import pytest

from ocpp_sansio.charge_point.status import DETOURS, MATRIX, Signal, State, route
from ocpp_sansio.v16 import ChargePointStatus

# The matrix of the specification: from a row to a column (ST16-A2…I8). Written down here a second time, on purpose.
STATES = dict(
    zip(
        "ABCDEFGHI",
        "Available Preparing Charging SuspendedEV SuspendedEVSE Finishing Reserved Unavailable Faulted".split(),
        strict=True,
    )
)
GRID = """
    -- A2 A3 A4 A5 .  A7 A8 A9
    B1 -- B3 B4 B5 B6 .  .  B9
    C1 .  -- C4 C5 C6 .  C8 C9
    D1 .  D3 -- D5 D6 .  D8 D9
    E1 .  E3 E4 -- E6 .  E8 E9
    F1 F2 .  .  .  -- .  F8 F9
    G1 G2 .  .  .  .  -- G8 G9
    H1 H2 H3 H4 H5 .  .  -- H9
    I1 I2 I3 I4 I5 I6 I7 I8 --
"""

# What each signal leads through, by the transition it begins with; two for a detour (CP16-03B). Else: nothing.
LEADS = {
    Signal.USED: "A2 F2 G2",
    Signal.RELEASED: "B1 F1",
    Signal.TIMED_OUT: "B6",
    Signal.CHARGING: "A3 B3 D3 E3 H3 F2+B3 G2+B3",
    Signal.EV_SUSPENDED: "A4 B4 C4 E4 H4 F2+B4 G2+B4",
    Signal.EVSE_SUSPENDED: "A5 B5 C5 D5 H5 F2+B5 G2+B5",
    Signal.ENDED: "C1 D1 E1",
    Signal.STOPPED: "C6 D6 E6",
    Signal.RESERVED: "A7 B1+A7",
    Signal.UNRESERVED: "G1",
    Signal.WITHDRAWN: "A8 B1+A8 C8 D8 E8 F8 G8",
    Signal.RESTORED: "H1",
    Signal.RESTORED_IN_USE: "H2",
    Signal.FAULT: "A9 B9 C9 D9 E9 F9 G9 H9",
    Signal.CLEARED: "",
}
WAY_TO = {
    "A": (),
    "B": (Signal.USED,),
    "C": (Signal.CHARGING,),
    "D": (Signal.EV_SUSPENDED,),
    "E": (Signal.EVSE_SUSPENDED,),
    "F": (Signal.CHARGING, Signal.STOPPED),
    "G": (Signal.RESERVED,),
    "H": (Signal.WITHDRAWN,),
}


def expected(letter, signal):
    """The ids of the transitions, and the letter of the state after them."""
    lead = next((lead for lead in LEADS[signal].split() if lead[0] == letter), None)
    ids = lead.split("+") if lead else []
    return ids, "ABCDEFGHI"[int(ids[-1][1]) - 1] if ids else letter


def state_at(letter):
    state = State()
    for signal in WAY_TO[letter]:
        state.take(signal)
    assert state.status == STATES[letter]
    return state


def ids_of(moves):
    return [move.id for move in moves]


def test_the_matrix_has_the_transitions_of_the_specification_and_no_others():
    """ST16-A2 … ST16-I8: every line of the matrix, and no line for any other cell.

    ST16-A2, ST16-A3, ST16-A4, ST16-A5, ST16-A7, ST16-A8, ST16-A9, ST16-B1, ST16-B3, ST16-B4, ST16-B5,
    ST16-B6, ST16-B9, ST16-C1, ST16-C4, ST16-C5, ST16-C6, ST16-C8, ST16-C9, ST16-D1, ST16-D3, ST16-D5,
    ST16-D6, ST16-D8, ST16-D9, ST16-E1, ST16-E3, ST16-E4, ST16-E6, ST16-E8, ST16-E9, ST16-F1, ST16-F2,
    ST16-F8, ST16-F9, ST16-G1, ST16-G2, ST16-G8, ST16-G9, ST16-H1, ST16-H2, ST16-H3, ST16-H4, ST16-H5,
    ST16-H9, ST16-I1, ST16-I2, ST16-I3, ST16-I4, ST16-I5, ST16-I6, ST16-I7, ST16-I8.
    """
    defined = [
        (cell, STATES[letter], STATES[other])
        for letter, row in zip("ABCDEFGHI", GRID.strip().splitlines(), strict=True)
        for other, cell in zip("ABCDEFGHI", row.split(), strict=True)
        if cell[0] == letter
    ]
    assert [(each.id, each.old, each.new) for each in MATRIX] == defined


def test_there_are_the_nine_states():
    """CP16-030."""
    assert set(STATES.values()) == set(ChargePointStatus)


@pytest.mark.parametrize(
    ("letter", "signal"), list(itertools.product(WAY_TO, Signal)), ids=lambda value: getattr(value, "name", value)
)
def test_a_signal_moves_a_state_as_the_matrix_says_or_not_at_all(letter, signal):
    """ST16-A2…H9: every state without a fault against every signal, those that it has no line for included."""
    state = state_at(letter)
    ids, after = expected(letter, signal)
    moves = state.take(signal)
    assert ids_of(moves) == ids
    assert state.status == STATES[after]
    assert [move.old for move in moves] == [STATES[each[0]] for each in ids]
    assert not moves or moves[-1].new == state.status


@pytest.mark.parametrize(
    ("letter", "signal"),
    list(itertools.product(WAY_TO, [signal for signal in Signal if signal is not Signal.CLEARED])),
    ids=lambda value: getattr(value, "name", value),
)
def test_beneath_a_fault_a_state_develops_unseen_and_is_what_comes_back(letter, signal):
    """ST16-I1…I8."""
    state = state_at(letter)
    assert ids_of(state.take(Signal.FAULT)) == [f"{letter}9"]
    assert state.take(signal) == []
    assert state.status == "Faulted"
    after = letter if signal is Signal.FAULT else expected(letter, signal)[1]
    assert ids_of(state.take(Signal.CLEARED)) == [f"I{'ABCDEFGH'.index(after) + 1}"]
    assert state.status == STATES[after]


@pytest.mark.parametrize("move", [move for move in MATRIX if move.old != "Faulted"], ids=lambda move: move.id)
def test_no_signal_means_two_things_in_one_state(move):
    assert [each for each in MATRIX if (each.old, each.signal) == (move.old, move.signal)] == [move]


@pytest.mark.parametrize(("state", "signal"), list(DETOURS), ids=str)
def test_a_detour_is_made_of_transitions_that_are_defined_and_follow_each_other(state, signal):
    """CP16-03B."""
    first, second = route(state, signal)
    assert first in MATRIX
    assert second in MATRIX
    assert (first.old, first.new, second.signal) == (state, second.old, signal)
