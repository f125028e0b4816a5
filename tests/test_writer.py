"""The compiled writers: what they say yes to is valid and written right, and what else there is goes to the judge."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from enum import IntEnum, StrEnum
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ocpp_sansio import v16, writer
from ocpp_sansio.codec import PayloadError, codec_of, preload
from ocpp_sansio.messages import Action, Actions, Datatype, Integer, Request, Response, Tenths, Timestamp
from ocpp_sansio.schema import Kind, kind_of, properties
from ocpp_sansio.testing.strategies import messages
from ocpp_sansio.writer import compile_writer
from tests.examples import examples

CLASSES = [cls for action in v16.ACTIONS.values() for cls in (action.request, action.response)]
NOON = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
ENUMS = [each for each in vars(v16).values() if isinstance(each, type) and issubclass(each, StrEnum)]


class Doubt(Exception):
    pass


def _doubt(_: Any) -> bytes:
    raise Doubt


def at_once(cls: type[Datatype], value: Any) -> bytes | None:
    """What a writer writes by itself; ``None`` if it asks the judge."""
    codec = codec_of(cls)
    encode = compile_writer(cls, write=msgspec.json.encode, tidy=codec._tidy, judge=_doubt, refusal=Doubt)
    try:
        return encode(value)
    except Doubt:
        return None


def proved(cls: type[Datatype], value: Any) -> bytes | None:
    """What is written after reading back; ``None`` if it is refused."""
    try:
        return codec_of(cls).encode_with_proof(value)
    except PayloadError:
        return None


def encoded(cls: type[Datatype], value: Any) -> bytes | None:
    try:
        return codec_of(cls).encode(value)
    except PayloadError:
        return None


# -- whatever is said yes to is right --


class Text(str):
    __slots__ = ()


class Whole(int):
    pass


class Moment(datetime):
    pass


class Items(list):
    pass


class Two(IntEnum):
    CALL = 2


class Lookalike(v16.IdTagInfo):
    pass


ENDINGS = st.sampled_from(['"', "", 'Z"', "000Z", ".000Z", "123Z", ".123456Z", "2026-11-22T12:00:00.123000Z", "\ud800"])
TEXTS = st.one_of(st.text(max_size=8), st.builds(str.__add__, st.text(max_size=5), ENDINGS))
MOMENTS = st.builds(
    lambda moment, zone: moment.replace(tzinfo=zone),
    st.datetimes()
    | st.builds(lambda count: NOON.replace(tzinfo=None) + count * MILLISECOND, st.integers(0, 10**6))
    | st.sampled_from([datetime.min, datetime.max]),  # noqa: DTZ901 (as far as it goes)
    st.sampled_from([UTC, UTC, UTC, None, timezone(timedelta(0)), timezone(timedelta(hours=2)), ZoneInfo("UTC")]),
)
NUMBERS = st.one_of(
    st.integers(), st.floats(), st.booleans(), st.integers(-(2**33), 2**33).map(lambda number: number / 10)
)
SCALARS = st.one_of(
    st.none(),
    NUMBERS,
    TEXTS,
    MOMENTS,
    TEXTS.map(Text),
    st.integers(-5, 5).map(Whole),
    st.sampled_from([member for enum in ENUMS for member in enum]),
    st.just(Moment(2026, 11, 22, tzinfo=UTC)),
    st.binary(max_size=3),
    st.builds(object),
    st.sampled_from([Two.CALL, Lookalike(status=v16.AuthorizationStatus.ACCEPTED), str.__new__(Text, "Accepted")]),
)
ANYTHING = st.one_of(
    SCALARS,
    st.lists(SCALARS, max_size=2),
    st.lists(SCALARS, max_size=2).map(tuple),
    st.dictionaries(st.sampled_from(["status", "idTag"]), SCALARS, max_size=2),
    st.sampled_from([cls for cls in CLASSES if not properties(cls)]).map(lambda cls: cls()),
)


def _near(kind: Kind, value: Any) -> st.SearchStrategy[Any]:
    """Values that nearly fit, or just so."""
    if kind.max_length is not None:
        return st.integers(kind.max_length - 1, kind.max_length + 1).map(lambda length: "x" * length)
    if kind.type is int:
        return st.sampled_from([kind.minimum, kind.maximum]).flatmap(lambda bound: st.integers(bound - 1, bound + 1))
    if kind.type is float:
        return NUMBERS | NUMBERS.map(lambda number: math.nextafter(number, 0.0) if abs(number) < 2**53 else number)
    if kind.type is datetime:
        return MOMENTS
    if kind.type is str:
        return TEXTS
    if kind.type is list:
        items = value if type(value) is list else []
        return st.sampled_from([tuple(items), Items(items), [], items * 2, iter(items)])
    if issubclass(kind.type, StrEnum):
        return st.sampled_from(list(kind.type)) | st.sampled_from([member.value for member in kind.type])
    if issubclass(kind.type, Datatype):
        return messages(kind.type) | messages(kind.type).map(msgspec.to_builtins)
    return NUMBERS  # among them booleans


def _places(kind: Kind, value: Any, steps: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Kind]]:
    """Where something can be put inside a message, be there something already or not."""
    if steps:
        yield steps, kind
    if kind.items is not None:
        for index, item in enumerate(value if type(value) is list else ()):
            yield from _places(kind.items, item, (*steps, index))
    elif issubclass(kind.type, Datatype) and type(value) is kind.type:
        for prop in properties(kind.type):
            yield from _places(prop.kind, getattr(value, prop.name), (*steps, prop.name))


def _at(value: Any, steps: tuple[str | int, ...]) -> Any:
    for step in steps:
        value = value[step] if isinstance(step, int) else getattr(value, step)
    return value


def _put(message: Any, steps: tuple[str | int, ...], value: Any) -> None:
    *way, last = steps
    holder = _at(message, tuple(way))
    if isinstance(last, int):
        holder[last] = value
    else:
        msgspec.structs.force_setattr(holder, last, value)


@st.composite
def odd_messages(draw: st.DrawFn, cls: type[Datatype]) -> Any:
    """A message with up to three values that are nearly right, or anything at all."""
    message = codec_of(cls).decode(codec_of(cls).encode(draw(messages(cls))))
    for _ in range(draw(st.integers(0, 3))):
        if places := list(_places(kind_of(cls), message)):
            steps, kind = draw(st.sampled_from(places))
            value = draw(st.one_of(_near(kind, _at(message, steps)), _near(kind, _at(message, steps)), ANYTHING))
            _put(message, steps, value)
    return message


FRAMES = st.one_of(
    st.just(()),
    st.tuples(st.sampled_from([2, Two.CALL]), ANYTHING | TEXTS, st.just("Action")),
    st.tuples(st.just(3), ANYTHING | TEXTS),
    st.tuples(st.just(3), TEXTS),
)
"""What comes before the message in a frame. Type and action are the session's own, the id may be anybody's."""


def check_odd_message(cls: type[Datatype], message: Any, head: tuple[Any, ...]) -> None:
    value = (*head, message) if head else message
    expected = proved(cls, value)
    assert at_once(cls, value) in (None, expected)
    assert encoded(cls, value) == expected


@pytest.mark.no_cover
@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_f71_whatever_is_put_where_a_writer_does_what_reading_back_does(cls):
    @settings(max_examples=examples(15), suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
    @given(odd_messages(cls), FRAMES)
    def check(message, head):
        check_odd_message(cls, message, head)

    check()


class Entry(Datatype, kw_only=True):
    when: Timestamp


class Sample(Datatype, kw_only=True):
    limit: Tenths | None = None
    number: float | None = None
    when: Timestamp | None = None
    text: str | None = None
    others: list[Entry] | None = None


FLOATS = st.one_of(
    st.floats(),
    st.floats(-1e17, 1e17).map(lambda number: round(number, 1)),
    st.integers(-(2**60), 2**60).map(lambda number: number / 10),
    st.integers(-(2**60), 2**60).map(lambda number: math.nextafter(number / 10, math.inf)),
    st.integers(-(2**60), 2**60).map(lambda number: number / 100),
)


@pytest.mark.no_cover
@settings(max_examples=examples(1000))
@given(FLOATS)
def test_f70_a_number_is_only_taken_for_tenths_if_its_text_shows_tenths(number):
    """RPC-105: also of numbers so large that floats are further apart than tenths, where not all are recognised."""
    sample = Sample(limit=number)
    assert at_once(Sample, sample) in (None, proved(Sample, sample))


@given(st.integers(-(2**49), 2**49))
def test_every_number_of_tenths_is_written_at_once(number):
    assert at_once(Sample, Sample(limit=number / 10)) is not None


@given(MOMENTS, TEXTS, st.lists(MOMENTS, max_size=4))
def test_whatever_the_timestamps_and_the_texts_end_in_only_timestamps_are_shortened(when, text, others):
    """RPC-102."""
    sample = Sample(when=when, text=text, others=[Entry(when=other) for other in others])
    assert encoded(Sample, sample) == proved(Sample, sample)


@pytest.mark.parametrize("text", ["000Z", "x.000Z", '"000Z', "456Z"])
@pytest.mark.parametrize("microsecond", [0, 123_000, 123_456])
def test_a_text_that_ends_like_a_timestamp_is_left_alone(text, microsecond):
    when = NOON.replace(microsecond=microsecond)
    for others in ([], [NOON], [NOON + MILLISECOND], [NOON.replace(microsecond=1_456)]):
        sample = Sample(when=when, text=text, others=[Entry(when=other) for other in others])
        message = codec_of(Sample).decode(at_once(Sample, sample))
        assert message.text == text
        assert message.when == NOON.replace(microsecond=microsecond // 1000 * 1000)


# -- what is plain needs no judge --


@pytest.mark.no_cover
@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_what_was_read_is_written_without_asking_the_judge(cls):
    @settings(max_examples=examples(10))
    @given(messages(cls))
    def check(message):
        read = codec_of(cls).decode(codec_of(cls).encode(message))
        assert at_once(cls, read) == codec_of(cls).encode_with_proof(read)

    check()


@pytest.mark.parametrize("kind", [2, Two.CALL])
def test_a_frame_is_written_without_asking_the_judge(kind):
    assert at_once(v16.HeartbeatRequest, (kind, "1", "Heartbeat", v16.HeartbeatRequest())) == b'[2,"1","Heartbeat",{}]'
    response = v16.HeartbeatResponse(current_time=NOON + MILLISECOND)
    assert at_once(v16.HeartbeatResponse, (3, "1", response)) == b'[3,"1",{"currentTime":"2026-11-22T12:00:00.001Z"}]'


def test_timestamps_with_microseconds_are_written_without_asking_the_judge():
    assert at_once(Sample, Sample(when=NOON.replace(microsecond=1_234))) == b'{"when":"2026-11-22T12:00:00.001Z"}'


# -- what is new to it goes to the judge --


def test_a_kind_or_a_bound_that_is_not_known_is_a_doubt(monkeypatch):
    request = v16.AuthorizeRequest(id_tag="x")
    assert at_once(v16.AuthorizeRequest, request) is not None
    with monkeypatch.context() as patch:
        patch.delitem(writer._OUT_OF_BOUNDS, "max_length")
        assert at_once(v16.AuthorizeRequest, request) is None
    monkeypatch.setattr(writer, "_PLAIN", frozenset())
    assert at_once(v16.AuthorizeRequest, request) is None


class Defaulted(Datatype, kw_only=True):
    count: Integer = 3


def test_a_default_that_is_a_value_is_a_doubt():
    """None would be written in its place: as null, which no property allows (RPC-038)."""
    assert at_once(Defaulted, Defaulted(count=None)) is None
    assert encoded(Defaulted, Defaulted(count=None)) is None
    assert encoded(Defaulted, Defaulted()) == b"{}"


class Bounded(Datatype, kw_only=True):
    few: Annotated[list[int], msgspec.Meta(min_length=1, max_length=2)]


@pytest.mark.parametrize(("few", "fits"), [([], False), ([1], True), ([1, 2], True), ([1, 2, 3], False)])
def test_the_length_of_a_list_is_bounded(few, fits):
    assert (at_once(Bounded, Bounded(few=few)) is not None) == fits


class IdTagInfo(Datatype, kw_only=True):
    name: str


class Namesakes(Datatype, kw_only=True):
    first: v16.IdTagInfo
    second: IdTagInfo


def test_classes_of_the_same_name_are_told_apart():
    accepted = v16.IdTagInfo(status=v16.AuthorizationStatus.ACCEPTED)
    assert at_once(Namesakes, Namesakes(first=accepted, second=IdTagInfo(name="x"))) is not None
    assert at_once(Namesakes, Namesakes(first=accepted, second=accepted)) is None


def test_the_name_of_an_enum_may_be_anything():
    enum = StrEnum("my enum", {"A": "a"})
    cls = msgspec.defstruct("My class", [("value", enum)], bases=(Datatype,), kw_only=True)
    assert at_once(cls, cls(value=enum.A)) == b'{"value":"a"}'
    assert encoded(cls, cls(value="b")) is None


@pytest.mark.parametrize("name", ["class", "None", "ﬁ"])
def test_a_field_name_that_source_code_cannot_say_is_a_doubt(name):
    inner = msgspec.defstruct("Inner", [("fi", str | None, None), (name, str)], bases=(Datatype,), kw_only=True)
    outer = msgspec.defstruct("Outer", [("inner", list[inner])], bases=(Datatype,), kw_only=True)
    right, wrong = inner(**{name: "a"}), inner(**{"fi": "a", name: 1})
    for cls, message in ((inner, right), (outer, outer(inner=[right]))):
        assert at_once(cls, message) is None
        assert encoded(cls, message) == msgspec.json.encode(message)
    assert encoded(inner, wrong) is None
    assert encoded(outer, outer(inner=[wrong])) is None


# -- when it is compiled --


def test_a_writer_is_compiled_when_it_is_first_asked_for_and_once():
    class NeverSent(Datatype, kw_only=True):
        text: str

    codec = codec_of(NeverSent)
    assert codec.decode(b'{"text":"x"}') == NeverSent(text="x")
    assert "encode" not in vars(codec)
    assert codec.encode is codec.encode


def test_preloading_compiles_the_writers():
    class Late(Request):
        pass

    class LateResponse(Response):
        pass

    preload(Actions(Action("Late", Late, LateResponse, "Core")))
    assert "encode" in vars(codec_of(Late))
    assert "encode" in vars(codec_of(LateResponse))
