"""Messages on record: what was said is written down, whatever becomes of the disk."""

from __future__ import annotations

import io
import json
import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from ocpp_sansio import Direction, Version
from ocpp_transports.recording import Flush, Recorded, Recorder, read
from tests.transports.contract import ADAPTERS, BOOT, HEARTBEAT, RESET, Adapter, central_system, charge_point

NOON = datetime(2026, 1, 1, 12, 0, 0, 123456, UTC)
HELLO = '[2,"1","Heartbeat",{}]'
ANSWER = '[3,"1",{"currentTime":"2026-01-01T12:00:00Z"}]'


class FakeStation:
    identity = "CP 1"
    version = Version.V16


STATION = FakeStation()


class FullDisk(io.BytesIO):
    """A file that takes so many more bytes, and then none until there is space again."""

    def __init__(self, space: float) -> None:
        super().__init__()
        self.space = space

    def write(self, data: Any) -> int:
        if self.space <= 0:
            raise OSError(28, "No space left on device")
        written = super().write(bytes(data)[: int(min(self.space, len(data)))])
        self.space -= written
        return written


def noon() -> datetime:
    return NOON


def texts(path: Path) -> list[str]:
    return [message.text for message in read(path)]


def say(recorder: Recorder, *messages: str) -> None:
    for text in messages:
        recorder(STATION, Direction.IN, text, 0.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "traffic.jsonl"


def test_a_message_is_a_line_of_json_with_the_text_as_it_came(path: Path) -> None:
    with Recorder(path, clock=noon) as recorder:
        recorder(STATION, Direction.IN, HELLO, 17.0)
    assert path.read_text() == (
        '{"time":"2026-01-01T12:00:00.123Z","identity":"CP 1","version":"1.6","direction":"in",'
        '"text":"[2,\\"1\\",\\"Heartbeat\\",{}]"}\n'
    )


def test_what_was_recorded_is_read_back(path: Path) -> None:
    odd = 'not JSON: "\\\n\u2028 \x00 ü €'
    with Recorder(path, clock=noon) as recorder:
        recorder(STATION, Direction.IN, odd, 0.0)
        recorder.of("CP2", "2.1")(Direction.OUT, ANSWER, 0.0)
        recorder(Direction.OUT, HELLO, 0.0)
    time = NOON.replace(microsecond=123000)
    assert list(read(path)) == [
        Recorded(time=time, direction=Direction.IN, text=odd, identity="CP 1", version=Version.V16),
        Recorded(time=time, direction=Direction.OUT, text=ANSWER, identity="CP2", version=Version.V21),
        Recorded(time=time, direction=Direction.OUT, text=HELLO),
    ]


def test_the_time_is_utc_wherever_the_clock_stands(path: Path) -> None:
    with Recorder(path, clock=lambda: NOON.astimezone(timezone(timedelta(hours=5.5)))) as recorder:
        say(recorder, HELLO)
    assert json.loads(path.read_text())["time"] == "2026-01-01T12:00:00.123Z"


def test_a_record_is_continued_not_overwritten_d_02(path: Path) -> None:
    for text in ("first", "second"):
        with Recorder(path) as recorder:
            say(recorder, text)
    assert texts(path) == ["first", "second"]


def test_each_message_is_in_the_file_before_the_next_one_comes(path: Path) -> None:
    with Recorder(path, flush=Flush.EACH) as recorder:
        say(recorder, HELLO)
        assert texts(path) == [HELLO]


def test_buffered_messages_come_together_until_they_are_many_or_asked_for(path: Path) -> None:
    with Recorder(path, flush=Flush.BUFFERED) as recorder:
        say(recorder, HELLO)
        assert texts(path) == []
        recorder.flush()
        assert texts(path) == [HELLO]
        say(recorder, "x" * 2**16)
        assert len(texts(path)) == 2
        say(recorder, ANSWER)
        assert len(texts(path)) == 2
    assert len(texts(path)) == 3


@pytest.mark.parametrize("tail", ["", "\0\0\0\0"], ids=["cut", "zeros"])
def test_a_record_cut_at_any_byte_is_read_up_to_there_and_can_be_continued_d_02_d_03(path: Path, tail: str) -> None:
    with Recorder(path, clock=noon) as recorder:
        say(recorder, HELLO)
        first = path.stat().st_size
        recorder(STATION, Direction.OUT, ANSWER, 0.0)
    whole = path.read_bytes()
    for length in range(first, len(whole)):
        path.write_bytes(whole[:length] + tail.encode())
        survived = [HELLO, ANSWER] if length == len(whole) - 1 else [HELLO]
        assert texts(path) == survived, length
        with Recorder(path) as recorder:
            say(recorder, "more")
        assert texts(path) == [*survived, "more"], length


@pytest.mark.parametrize("line", ["[2]", '{"time":"yesterday","direction":"in","text":""}', '{"hello":1}', "hello"])
def test_a_file_of_something_else_is_not_taken_for_a_record_f_142(path: Path, line: str) -> None:
    with Recorder(path) as recorder:
        say(recorder, HELLO)
    with path.open("a") as file:
        file.write(line + "\n")
    records = read(path)
    next(records)
    with pytest.raises(ValueError, match=r"line 2 .* is not a record"):
        next(records)


def test_a_full_disk_is_counted_and_logged_once_and_written_to_again_f_141(
    caplog: pytest.LogCaptureFixture, path: Path
) -> None:
    disk = FullDisk(space=150)  # the first one, and the half of the second
    recorder = Recorder(disk, clock=noon)
    say(recorder, "first", "second", "third")
    assert recorder.lost == 2
    disk.space = 10_000
    say(recorder, "fourth")
    path.write_bytes(disk.getvalue())
    assert texts(path) == ["first", "fourth"]
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "No space left" in caplog.text


def test_a_disk_that_fills_up_at_any_byte_spoils_no_other_message_d_02_f_141(path: Path) -> None:
    whole = io.BytesIO()
    say(Recorder(whole, clock=noon), "first", "second")
    for space in range(len(whole.getvalue())):
        disk = FullDisk(space)
        recorder = Recorder(disk, clock=noon)
        say(recorder, "first", "second")
        disk.space = 10_000
        say(recorder, "third")
        path.write_bytes(disk.getvalue())
        on_record = texts(path)
        assert on_record[-1] == "third"
        assert on_record == [text for text in ("first", "second", "third") if text in on_record]
        # One that lacks but the end of its line is given it by the next.
        assert 2 - recorder.lost <= len(on_record) - 1 <= 3 - recorder.lost, space


def test_what_is_buffered_is_counted_when_it_cannot_be_written_f_141() -> None:
    disk = FullDisk(space=150)
    recorder = Recorder(disk, clock=noon, flush=Flush.BUFFERED)
    say(recorder, "first", "second", "third")
    recorder.flush()
    assert recorder.lost == 2


def test_a_file_that_cannot_be_opened_is_told_to_who_wants_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Recorder(tmp_path / "nowhere" / "traffic.jsonl")


def test_what_comes_after_the_end_is_lost_and_raises_nothing(path: Path) -> None:
    recorder = Recorder(path)
    recorder.close()
    say(recorder, HELLO)
    assert recorder.lost == 1
    assert texts(path) == []


def test_files_are_bounded_and_the_oldest_goes(path: Path) -> None:
    with Recorder(path, clock=noon, max_bytes=250, keep=2) as recorder:
        say(recorder, *map(str, range(20)))
    assert sorted(each.name for each in path.parent.iterdir()) == [
        "traffic.jsonl",
        "traffic.jsonl.1",
        "traffic.jsonl.2",
    ]
    files = [path.with_name("traffic.jsonl.2"), path.with_name("traffic.jsonl.1"), path]
    assert all(each.stat().st_size <= 250 for each in files)
    on_record = [text for each in files for text in texts(each)]
    assert on_record == list(map(str, range(20)))[-len(on_record) :]
    assert len(on_record) == 6


def test_with_no_older_file_to_keep_there_is_one(path: Path) -> None:
    with Recorder(path, clock=noon, max_bytes=1, keep=0) as recorder:
        say(recorder, "first", "second")
    assert list(path.parent.iterdir()) == [path]
    assert texts(path) == ["second"]


def test_buffered_messages_do_not_outgrow_the_bound_together(path: Path) -> None:
    with Recorder(path, clock=noon, max_bytes=250, keep=50, flush=Flush.BUFFERED) as recorder:
        say(recorder, *map(str, range(20)))
    assert all(each.stat().st_size <= 250 for each in path.parent.iterdir())
    assert sum(len(texts(each)) for each in path.parent.iterdir()) == 20


def test_a_file_that_cannot_be_made_way_for_is_tried_again_f_141(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = Recorder(path, clock=noon, max_bytes=150)
    say(recorder, "first")
    with monkeypatch.context() as broken:
        broken.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError(5, "Input/output error")))
        say(recorder, "second")
    say(recorder, "third")
    recorder.close()
    assert recorder.lost == 1
    assert texts(path) == ["third"]
    assert texts(path.with_name("traffic.jsonl.1")) == ["first"]


@pytest.mark.parametrize("options", [{"max_bytes": 0}, {"max_bytes": 1, "keep": -1}])
def test_sizes_that_make_no_sense_are_refused(path: Path, options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="max_bytes"):
        Recorder(path, **options)


def test_a_file_of_somebody_else_is_not_rotated() -> None:
    with pytest.raises(ValueError, match="for a path"):
        Recorder(io.BytesIO(), max_bytes=100)


def test_a_file_of_somebody_else_stays_open() -> None:
    file = io.BytesIO()
    with Recorder(file) as recorder:
        say(recorder, HELLO)
    assert HELLO in json.loads(file.getvalue())["text"]


def test_what_is_to_be_redacted_is_not_on_record_f_40(path: Path) -> None:
    with Recorder(path, redact=lambda text: text.replace("SECRET", "…")) as recorder:
        say(recorder, '[2,"1","Authorize",{"idTag":"SECRET"}]')
    assert texts(path) == ['[2,"1","Authorize",{"idTag":"…"}]']


def test_a_message_whose_redaction_fails_is_nowhere_f_40(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def fail(text: str) -> str:
        raise ValueError(text)

    with Recorder(path, redact=fail) as recorder:
        say(recorder, "SECRET")
    assert recorder.lost == 1
    assert "SECRET" not in path.read_text() + caplog.text
    assert "ValueError" in caplog.text


def test_messages_from_many_threads_are_all_whole_lines_f_133(path: Path) -> None:
    with Recorder(path, max_bytes=20_000, keep=50) as recorder:
        threads = [threading.Thread(target=say, args=(recorder, *[f"{n}:{'x' * 50}"] * 100)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    on_record = [text for each in path.parent.iterdir() for text in texts(each)]
    assert sorted(on_record) == sorted(f"{n}:{'x' * 50}" for n in range(8) for _ in range(100))


@pytest.mark.parametrize("adapter", ADAPTERS, ids=repr)
def test_both_ends_record_the_same_conversation(adapter: Adapter, tmp_path: Path) -> None:
    here, there = tmp_path / "server.jsonl", tmp_path / "client.jsonl"
    with (
        Recorder(here) as by_server,
        Recorder(there) as by_client,
        adapter.serve(central_system(), tap=by_server) as server,
        adapter.connect(server.url, handlers=charge_point(), tap=by_client.of("CP_1", "1.6")) as client,
    ):
        client.call(BOOT)
        client.call(HEARTBEAT)
        server.call("CP_1", RESET)

    other_way: Callable[[Direction], Direction] = {Direction.IN: Direction.OUT, Direction.OUT: Direction.IN}.__getitem__
    seen = [(record.identity, record.version, record.direction, record.text) for record in read(here)]
    assert len(seen) == 6
    assert {(identity, version) for identity, version, *_ in seen} == {("CP_1", Version.V16)}
    assert seen == [
        (record.identity, record.version, other_way(record.direction), record.text) for record in read(there)
    ]
