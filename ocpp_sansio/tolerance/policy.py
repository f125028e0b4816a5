"""What to put up with: which repairs, in which messages, at which places. Says nothing of how a repair is made."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cache
from itertools import chain
from typing import Any, Final, Literal, cast

import attrs
from attrs.validators import in_, optional

from ocpp_sansio.events import ConnectionRequested, Repair
from ocpp_sansio.messages import Actions
from ocpp_sansio.version import Version

__all__ = ["FIELD", "STRICT", "WARN_ONLY", "Half", "Rule", "StationTolerance", "Tolerance", "Tolerated", "per_station"]

Half = Literal["request", "response"]
"""Of an action, the CALL or SEND, or what answers it.

Together with the role of the end it tells the direction: a central system gets a BootNotification as a request, and a
Reset as a response."""

Step = str | int


@cache
def _steps(path: str) -> tuple[Step | None, ...]:
    """The steps of a path in a scope, ``None`` being any item."""
    if _PATH(path) is None:
        raise ValueError(f"{path!r} is no path: it must look like $.meterValue[*].sampledValue[0].unit")
    return tuple(name or (None if index == "*" else int(index)) for name, index in _STEP.findall(path))


_STEP: Final = re.compile(r"\.(\w+)|\[(\d{1,9}|\*)\]", re.ASCII)
_PATH: Final = re.compile(rf"\$(?:{_STEP.pattern})*", re.ASCII).fullmatch


def _is_path(_rule: Rule, _attribute: attrs.Attribute[Any], path: str) -> None:
    _steps(path)


@attrs.frozen
class Rule:
    """That some repairs are allowed, or are not, within a scope."""

    repairs: frozenset[Repair]
    allowed: bool
    action: str | None = attrs.field(default=None, kw_only=True)
    half: Half | None = attrs.field(default=None, kw_only=True, validator=optional(in_(("request", "response"))))
    path: str | None = attrs.field(default=None, kw_only=True, validator=optional(_is_path))

    def covers(self, repair: Repair, action: str | None, half: Half, steps: Sequence[Step] | None) -> bool:
        """Whether it is about this repair in this place, see :meth:`Tolerance.allows`."""
        return (
            repair in self.repairs
            and self.action in (None, action)
            and self.half in (None, half)
            and (self.path is None or (steps is not None and _leads_to(_steps(self.path), steps)))
        )


def _leads_to(scope: Sequence[Step | None], steps: Sequence[Step]) -> bool:
    return len(scope) <= len(steps) and all(
        isinstance(step, int) if wanted is None else wanted == step
        for wanted, step in zip(scope, steps, strict=False)  # whatever is inside is in the scope as well
    )


def _rules(given: Iterable[Repair | str | Rule]) -> tuple[Rule, ...]:
    if isinstance(given, str):
        raise TypeError(f"one name is not a list of them: Tolerance.parse({given!r}) takes it")
    given = list(given)
    rules = [each for each in given if isinstance(each, Rule)]
    repairs = frozenset(_repair(each) for each in given if not isinstance(each, Rule))
    return (Rule(repairs, allowed=True), *rules) if repairs else tuple(rules)


def _repair(name: Repair | str) -> Repair:
    try:
        return Repair(name)
    except ValueError:
        if name in _PRESETS:
            raise ValueError(f"{name!r} is no repair, but Tolerance.parse takes it") from None
        raise ValueError(f"{name!r} is no repair; {_hint(name, _REPAIRS)}") from None


def _hint(name: object, names: Collection[str]) -> str:
    """What may have been meant, or what there is."""
    from difflib import get_close_matches  # noqa: PLC0415 - only who is mistaken waits for it

    near = get_close_matches(str(name), names, 1)
    return f"did you mean {near[0]!r}?" if near else f"there are {', '.join(names)}"


_REPAIRS: Final = tuple(repair.value for repair in Repair)


@attrs.frozen
class Tolerance:
    """What an end puts up with in the messages of its peer. Made of names: ``Tolerance(["unknown-enum"])``.

    A repair is tried only after the strict reader has refused; the strict reader judges what it makes of the message;
    and each place where it was made is told as one of the event's ``deviations``. What is right is never touched, and
    what was put up with is answered as if it had been right.

    Three are there to begin with: ``STRICT``, ``FIELD``, ``WARN_ONLY``. Each can be told otherwise, for every message
    or some of them, with :meth:`allowing` and :meth:`forbidding`; what is said last goes.

    Raises:
        ValueError: there is no repair of a name, or a path is none.
    """

    rules: tuple[Rule, ...] = attrs.field(default=(), converter=_rules)
    """The last one that is about a repair and a place decides; what none is about is not allowed."""

    @classmethod
    def parse(cls, text: str) -> Tolerance:
        """That of a command line: ``strict``, ``field``, ``warn-only``, names of repairs, or several with commas.

        Raises:
            ValueError: there is neither a preset nor a repair of a name.
        """
        return cls(rule for name in text.split(",") for rule in _named(name.strip()).rules)

    @classmethod
    def of(cls, tolerance: Tolerated) -> Tolerance:
        """Whatever an end takes for its ``tolerance``. A single string is parsed.

        Raises:
            ValueError: there is no repair of a name.
        """
        if isinstance(tolerance, Tolerance):
            return tolerance
        return cls.parse(tolerance) if isinstance(tolerance, str) else cls(tolerance)

    def allowing(
        self, *repairs: Repair | str, action: str | None = None, half: Half | None = None, path: str | None = None
    ) -> Tolerance:
        """The same, but with these repairs allowed; if none is named, with all.

        Args:
            repairs: which.
            action: in messages of this action only, rather than in any.
            half: in requests or in responses only.
            path: at this place of the payload, and at those inside of it, only; ``[*]`` stands for any item.

        Raises:
            ValueError: there is no repair of a name, or the path is none.
        """
        return self._with(repairs, action=action, half=half, path=path, allowed=True)

    def forbidding(
        self, *repairs: Repair | str, action: str | None = None, half: Half | None = None, path: str | None = None
    ) -> Tolerance:
        """The same, but with these repairs not allowed; if none is named, with none. As :meth:`allowing`."""
        return self._with(repairs, action=action, half=half, path=path, allowed=False)

    def _with(self, repairs: Iterable[Repair | str], **rule: Any) -> Tolerance:
        return Tolerance((*self.rules, Rule(frozenset(map(_repair, repairs or Repair)), **rule)))

    def allows(
        self, repair: Repair, *, action: str | None = None, half: Half = "request", steps: Sequence[Step] | None = None
    ) -> bool:
        """Whether a repair may be made.

        Args:
            repair: which.
            action: of the message; ``None`` if it is not known.
            half: of the action.
            steps: to the place in the payload, by names on the wire and by indices; ``None``: it is not in the payload,
                and so in no scope that has a path.
        """
        return next((rule.allowed for rule in reversed(self.rules) if rule.covers(repair, action, half, steps)), False)

    def checked(self, vendors: Collection[Actions] = ()) -> Tolerance:
        """The same, if each action that it names is one of OCPP, in whatever version, or one of these.

        Raises:
            ValueError: one is not, and what is said of it would never apply.
        """
        named = {rule.action for rule in self.rules if rule.action is not None}
        # One after the other, as a version that nobody has spoken so far takes time to be imported.
        for actions in chain(vendors, (version.actions for version in Version)):
            if not named:
                break
            named.difference_update(actions)
        if named:
            action = min(named)
            known = sorted(set(chain(*vendors, *(version.actions for version in Version))))
            raise ValueError(f"{action!r} is no action of any version; {_hint(action, known)}")
        return self

    def about(self, actions: Collection[str]) -> Tolerance:
        """The same, without what it says of actions that are not among these."""
        rules = [rule for rule in self.rules if rule.action is None or rule.action in actions]
        return self if len(rules) == len(self.rules) else Tolerance(rules)  # one for all stations, in the usual case

    def __bool__(self) -> bool:
        """Whether it allows anything."""
        return any(rule.allowed for rule in self.rules)


Tolerated = Tolerance | Iterable[Repair | str]
"""What an end takes: a :class:`Tolerance`, or what makes one."""
_Hook = Callable[[ConnectionRequested], Tolerated]
StationTolerance = Tolerated | _Hook
"""What a central system takes: the same, or what tells it of each charge point that is let in."""


def per_station(tolerance: StationTolerance, vendors: Collection[Actions] = ()) -> Tolerance | _Hook:
    """What a central system takes for its ``tolerance``, with what is wrong with it found out.

    Raises:
        ValueError: there is no repair of a name, or no action: in OCPP, and among these of vendors.
    """
    is_hook = callable(tolerance) and not isinstance(tolerance, Iterable)  # the enum of all repairs is both
    return cast("_Hook", tolerance) if is_hook else Tolerance.of(cast("Tolerated", tolerance)).checked(vendors)


STRICT: Final = Tolerance()
"""Nothing is put up with."""
WARN_ONLY: Final = Tolerance(Repair)
"""Everything is. Of a known action whatever is a JSON object is delivered, but if more than ``MAX_DEVIATIONS`` places
of it are wrong, or it is nested too deeply to look at. A message may then hold what its class does not declare: this is
for looking at traffic, not for acting on it."""
FIELD: Final = (
    Tolerance(Repair)
    .forbidding(Repair.MISSING_PROPERTY, Repair.WRONG_TYPE)
    .forbidding(Repair.UNCLOSED_JSON, half="request")
)
"""What stations in the field need. Nothing is lost, every value is of the type that its class declares, an enum's
perhaps only a ``str``, and no quantity is made up: where one is missing or is no number, the message is refused.

One thing is assumed: a time without a zone is UTC, as OCPP 1.6 recommends for all (RPC-101). A station that means its
local time moves its transactions by hours, and a tariff by the time of day with them; for such a one forbid
``naive-time-is-utc``, and it hears that the zone is missing.

A request that breaks off is refused even where only brackets are missing: what came behind it might have mattered."""

_PRESETS: Final = {"strict": STRICT, "field": FIELD, "warn-only": WARN_ONLY}


def _named(name: str) -> Tolerance:
    preset = _PRESETS.get(name)
    if preset is not None:
        return preset
    if name not in _REPAIRS:
        raise ValueError(f"{name!r} is neither a preset nor a repair; {_hint(name, (*_PRESETS, *_REPAIRS))}")
    return Tolerance([name])
