"""PAMELA.zip: unpacked once, beside itself, never outside; and its download through a fake hub."""

from __future__ import annotations

import shutil
import stat
import zipfile
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from releases import write_pamela, zip_pamela

from reward.data import fetch_pamela, load
from reward.data.archive import unpack
from reward.data.prepare import prepare
from reward.errors import DatasetError


@pytest.fixture
def archive(tmp_path):
    return zip_pamela(tmp_path / "PAMELA.zip")


def test_the_archive_loads_like_its_folder_and_so_does_the_folder_around_it(archive, tmp_path):
    expected = load(tmp_path / "made" / "PAMELA")
    shutil.rmtree(tmp_path / "made")
    for root in (archive, tmp_path, tmp_path / "PAMELA"):
        data = load(root)
        assert data.user_ids == expected.user_ids and np.array_equal(data.scores, expected.scores)
        assert data.root == tmp_path / "PAMELA"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["PAMELA", "PAMELA.zip"]


def test_an_archive_without_a_top_folder_is_as_good(tmp_path):
    folder = write_pamela(tmp_path / "made")
    with zipfile.ZipFile(tmp_path / "PAMELA.zip", "w") as opened:
        for file in folder.rglob("*.*"):
            opened.write(file, file.relative_to(folder))
    assert len(load(tmp_path / "PAMELA.zip").user_ids) == 6


def test_an_archive_is_unpacked_once(archive):
    folder = unpack(archive)
    (folder / "mine.txt").write_text("kept")
    archive.write_bytes(b"no longer an archive")
    assert unpack(archive) == folder and (folder / "mine.txt").exists()


@pytest.mark.parametrize("keep", [0, 100, 0.5, 0.98])
def test_a_truncated_archive_is_one_clear_error_and_leaves_nothing_behind(archive, tmp_path, keep):
    data = archive.read_bytes()
    archive.write_bytes(data[: keep if isinstance(keep, int) else int(keep * len(data))])
    with pytest.raises(DatasetError, match=r"PAMELA\.zip is damaged or cut short .*download it again"):
        load(archive)
    assert not (tmp_path / "PAMELA").exists() and not (tmp_path / ".PAMELA.partial").exists()


def test_a_flipped_byte_is_found_by_its_checksum(archive, tmp_path):
    data = bytearray(archive.read_bytes())
    data[200:260] = bytes(60)
    archive.write_bytes(data)
    with pytest.raises(DatasetError, match="damaged or cut short"):
        load(archive)
    assert not (tmp_path / "PAMELA").exists()


@pytest.mark.parametrize(
    "name", ["../evil.txt", "/evil.txt", "PAMELA/../../evil.txt", "C:\\evil.txt", "..\\evil.txt"]
)
def test_a_name_that_leads_out_of_the_folder_is_refused(tmp_path, name):
    (tmp_path / "in").mkdir()
    archive = zip_pamela(tmp_path / "in" / "PAMELA.zip", {name: b"evil"})
    with pytest.raises(DatasetError, match="outside the data set"):
        load(archive)
    assert not list(tmp_path.rglob("evil.txt")) and not (tmp_path / "in" / "PAMELA").exists()


def test_a_link_in_an_archive_is_refused(archive, tmp_path):
    link = zipfile.ZipInfo("PAMELA/images/link.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(archive, "a") as opened:
        opened.writestr(link, "/etc/passwd")
    with pytest.raises(DatasetError, match="holds a link"):
        load(archive)


def test_another_archive_is_not_taken_for_pamela(tmp_path):
    with zipfile.ZipFile(tmp_path / "PAMELA.zip", "w") as opened:
        opened.writestr("holiday/photo.png", b"")
    with pytest.raises(
        DatasetError, match=r"holds no annotations/.*huggingface\.co/datasets/bethgelab/PAMELA"
    ):
        load(tmp_path / "PAMELA.zip")


def test_a_full_disk_is_said_before_anything_is_written(archive, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("reward.data.archive.shutil.disk_usage", lambda folder: usage(10, 10, 0))
    with pytest.raises(DatasetError, match=r"needs 0\.0 GB to unpack.*make room"):
        load(archive)
    assert not (tmp_path / "PAMELA").exists()


class Hub:
    """Stands in for huggingface_hub.hf_hub_download."""

    def __init__(self, archive=None, error=None):
        self.archive, self.error, self.asked = archive, error, []

    def __call__(self, *, repo_id, filename, repo_type, revision, local_dir):
        self.asked.append((repo_id, filename, repo_type, revision))
        if self.error:
            raise self.error
        return shutil.copy(self.archive, f"{local_dir}/{filename}")


def test_pamela_is_downloaded_once_and_unpacked(archive, tmp_path):
    hub = Hub(archive)
    folder = fetch_pamela(tmp_path / "new" / "place", revision="abc123", download=hub)
    assert hub.asked == [("bethgelab/PAMELA", "PAMELA.zip", "dataset", "abc123")]
    assert load(folder).name == "pamela" and folder == tmp_path / "new" / "place" / "PAMELA"
    assert fetch_pamela(tmp_path / "new" / "place", download=hub) == folder and len(hub.asked) == 1


def test_preparing_pamela_by_its_name_on_the_hub_downloads_it(archive, tmp_path):
    hub, out = Hub(archive), tmp_path / "out"
    first = prepare(["bethgelab/PAMELA"], out, download=hub)
    assert first.written and first.dataset.root == out / "PAMELA" and len(hub.asked) == 1
    assert not prepare([Path("bethgelab/PAMELA")], out, download=hub).written and len(hub.asked) == 1
    assert load(out).user_ids == first.dataset.user_ids


def test_an_archive_that_was_put_there_by_hand_is_not_downloaded(archive, tmp_path):
    hub = Hub(error=AssertionError("asked"))
    assert fetch_pamela(tmp_path, download=hub) == tmp_path / "PAMELA"


def test_without_a_network_the_error_says_where_to_get_it_and_where_to_put_it(tmp_path):
    from huggingface_hub.errors import LocalEntryNotFoundError, OfflineModeIsEnabled

    for error in (
        OfflineModeIsEnabled("offline mode"),
        LocalEntryNotFoundError("no network"),
        TimeoutError(),
    ):
        with pytest.raises(
            DatasetError, match=r"get PAMELA\.zip from https://huggingface\.co.*put it into"
        ) as told:
            fetch_pamela(tmp_path, download=Hub(error=error))
        assert "\n" not in str(told.value)


def test_the_real_client_is_asked_where_no_other_is_given(tmp_path):
    with pytest.raises(DatasetError, match="cannot be downloaded"):  # tests run offline
        fetch_pamela(tmp_path)
