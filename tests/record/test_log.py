"""An append-only log takes a line wholly or not at all, and one bad line costs itself alone."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
from pathlib import Path

import pytest

from steer.errors import LogGone
from steer.record.log import Log, parse_lines


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.jsonl"


def lines(path: Path, *numbers: int) -> Log:
    log = Log(path)
    for number in numbers:
        with log.held(create=True):
            log.append({"n": number})
    return log


def numbers(path: Path) -> list[int]:
    return [line["n"] for line in Log(path).read()]


def test_a_reader_who_stays_gets_each_line_once(path):
    writer, reader = lines(path, 1, 2), Log(path)
    assert reader.read() == [{"n": 1}, {"n": 2}] and reader.read() == []
    with writer.held():
        writer.append({"n": 3}, {"n": 4})
        assert writer.read() == []
    assert reader.read(settled=True) == [{"n": 3}, {"n": 4}]


def test_whoever_holds_it_first_learns_what_others_wrote(path):
    one, other = lines(path, 1), Log(path)
    with other.held() as found:
        assert found == [{"n": 1}]
        other.append({"n": 2})
    with one.held() as found:
        assert found == [{"n": 2}]


def test_a_torn_last_line_does_not_count_and_the_next_writer_cuts_it_off(path):
    lines(path, 1)
    with path.open("ab") as file:
        file.write(b'{"n": 2, "te' + b"x" * 200_000)
    assert numbers(path) == [1]
    lines(path, 3)
    assert path.read_bytes() == b'{"n": 1}\n{"n": 3}\n'


@pytest.mark.parametrize(
    "damage",
    [
        b"\n", b"   \n", b"\0" * 4096 + b"\n", b"no json\n", b'{"n": 2\n', b"[2]\n", b"2\n", b"null\n",
        b'{"n": NaN}\n', b'{"n": Infinity}\n', b"\xff\xfe\n", b"\xef\xbb\xbf{}\n", b'{"n": "\xed\xa0\x80"}\n',
        b"[" * 100_000 + b"\n", b'{"a":' * 100_000 + b"\n", b'{"n": ' + b"9" * 5000 + b"}\n",
    ],
)  # fmt: skip
def test_a_line_that_cannot_be_read_is_counted_and_costs_itself_alone(path, damage):
    lines(path, 1)
    with path.open("ab") as file:
        file.write(damage)
    lines(path, 3)
    log = Log(path)
    assert [line["n"] for line in log.read()] == [1, 3] and log.skipped == 1


def test_nul_bytes_before_a_whole_line_do_not_take_it_along():
    assert parse_lines(b"\0" * 512 + b'{"n": 1}\n') == ([{"n": 1}], 0)


def test_any_text_comes_back_as_it_was(path):
    for text in ("🪨\u2028\n\0", "\ud800 alone", '"quoted" \\'):
        with (log := Log(path)).held(create=True):
            log.append({"text": text})
        assert Log(path).read()[-1] == {"text": text}
    assert path.read_bytes().count(b"\n") == 3


def test_a_number_that_json_does_not_know_is_not_written(path):
    log = lines(path, 1)
    with pytest.raises(ValueError, match="JSON"), log.held():
        log.append({"n": 2}, {"n": float("nan")})
    assert numbers(path) == [1]


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_a_write_that_fails_leaves_no_part_of_any_line(path, monkeypatch, call):
    log = lines(path, 1)

    def full(file: int, *data: bytes) -> int:
        if data:
            return real(file, data[0][: len(data[0]) // 2 + 3])  # one line whole, and half of the next
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    real = os.write
    with monkeypatch.context() as patch, log.held():
        patch.setattr(os, call, full)
        with pytest.raises(OSError, match="No space left"):
            log.append({"n": 2}, {"n": 3})
    assert path.read_bytes() == b'{"n": 1}\n'
    with log.held() as found:
        assert found == []
        log.append({"n": 4})
    assert numbers(path) == [1, 4]


def test_a_failure_that_cannot_even_be_taken_back_is_cut_off_by_the_next_line(path, monkeypatch):
    log = lines(path, 1)
    real = os.write

    def broken(*_: object) -> None:
        raise OSError(errno.EIO, "the disk is gone")

    with log.held():
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", lambda file, data: real(file, data[:4]))
            patch.setattr(
                os, "ftruncate", lambda file, end: None if end == 9 == os.fstat(file).st_size else broken()
            )
            with pytest.raises(OSError, match="disk is gone"):
                log.append({"n": 2})
        log.append({"n": 3})
    assert path.read_bytes() == b'{"n": 1}\n{"n": 3}\n'


def test_the_first_line_of_a_new_file_is_on_the_disk_with_the_files_name(path, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", lambda file: synced.append(Path(f"/proc/self/fd/{file}").readlink()))
    lines(path, 1)
    assert synced == [path.parent, path]
    with (log := Log(path)).held():
        log.append({"n": 2}, sync=False)
    assert len(synced) == 2


@pytest.mark.parametrize("how", ["renamed over", "removed", "emptied"])
def test_a_log_that_another_program_takes_away_is_noticed_and_told(path, how):
    log = lines(path, 1, 2)
    log.hold(wait=False)
    if how == "renamed over":
        path.with_name("copy").write_bytes(path.read_bytes())
        path.with_name("copy").replace(path)
    elif how == "removed":
        path.unlink()
    else:
        path.write_bytes(b"")
    with pytest.raises(LogGone, match="another program"):
        log.append({"n": 3})
        log.read()
    log.release()
    with pytest.raises(LogGone):
        log.read()
    with pytest.raises(LogGone):
        log.hold(wait=True, create=True)


def test_a_link_is_read_but_never_written_through(path):
    lines(path.with_name("elsewhere"), 1)
    path.symlink_to("elsewhere")
    assert numbers(path) == [1]
    with pytest.raises(OSError, match="symbolic links"):
        Log(path).hold(wait=False)


def test_what_is_no_plain_file_is_refused_at_once(path):
    os.mkfifo(path)
    for attempt in (Log(path).read, lambda: Log(path).hold(wait=True)):
        with pytest.raises(OSError, match="no plain file"):
            attempt()


def test_one_process_holds_it_and_others_know(path):
    log = lines(path, 1)
    assert not Log(path).in_use and not Log(path.with_name("none")).in_use
    log.hold(wait=False)
    assert Log(path).in_use
    with pytest.raises(BlockingIOError):
        Log(path).hold(wait=False)
    log.release()
    assert not Log(path).in_use


def _append_many(path: Path, first: int) -> None:
    log = Log(path)
    for number in range(first, first + 50):
        with log.held(create=True):
            log.append({"n": number})


def test_processes_that_write_at_the_same_time_lose_nothing(path):
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_append_many, args=(path, 100 * i)) for i in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    assert sorted(numbers(path)) == [100 * i + n for i in range(4) for n in range(50)]
    assert all(json.loads(line) for line in path.read_bytes().splitlines())
