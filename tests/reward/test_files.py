"""A file is whole or not there: for readers, after kills and on full disks."""

from __future__ import annotations

import multiprocessing
import os
import stat
from pathlib import Path

import pytest

from reward.files import whole, write_whole


def _write_again_and_again(path: Path, letter: bytes, count: int) -> None:
    for _ in range(count):
        write_whole(path, letter * 20_000)


def test_two_who_write_one_file_never_tear_it(tmp_path):
    path = tmp_path / "file"
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_write_again_and_again, args=(path, one, 300)) for one in (b"a", b"b")]
    for writer in writers:
        writer.start()
    seen = set()
    while any(writer.is_alive() for writer in writers):
        if path.exists():
            seen.add(path.read_bytes())
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    assert seen <= {b"a" * 20_000, b"b" * 20_000}
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_fails_leaves_what_was_there_and_nothing_else(tmp_path):
    path = tmp_path / "file"
    write_whole(path, b"before")
    with pytest.raises(KeyboardInterrupt), whole(path) as temporary:
        temporary.write_bytes(b"aft")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"before" and list(tmp_path.iterdir()) == [path]


def test_a_private_file_is_never_readable_by_others_not_even_while_it_is_written(tmp_path):
    before = os.umask(0)
    try:
        with whole(tmp_path / "private", private=True) as temporary:
            assert stat.S_IMODE(temporary.stat().st_mode) == 0o600
            temporary.write_bytes(b"secret")
        write_whole(tmp_path / "open", b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "private").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "open").stat().st_mode) == 0o666


def test_what_is_to_survive_a_power_cut_is_synced_before_it_gets_its_name_and_its_folder_after(
    tmp_path, monkeypatch
):
    path, synced = tmp_path / "file", []

    def sync(descriptor: int) -> None:
        synced.append((Path(f"/proc/self/fd/{descriptor}").readlink().name, path.exists()))

    monkeypatch.setattr(os, "fsync", sync)
    write_whole(path, b"data", sync=True)
    (temporary, before), (folder, after) = synced
    assert temporary.endswith(".tmp") and not before
    assert folder == tmp_path.name and after


def test_a_link_is_replaced_and_not_written_through(tmp_path):
    (tmp_path / "other").write_bytes(b"other")
    (tmp_path / "file").symlink_to("other")
    write_whole(tmp_path / "file", b"new")
    assert (tmp_path / "other").read_bytes() == b"other" and not (tmp_path / "file").is_symlink()
