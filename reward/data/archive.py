"""PAMELA.zip, unpacked beside itself; and the download of it."""

from __future__ import annotations

import shutil
import stat
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from reward.data.pamela import found, normalised
from reward.errors import DatasetError

NAME = "PAMELA.zip"
DATASET_ID = "bethgelab/PAMELA"  # on the Hugging Face hub; CC-BY-4.0
PAGE = f"https://huggingface.co/datasets/{DATASET_ID}"

Download = Callable[..., str]  # huggingface_hub.hf_hub_download, or what stands in for it


def unpack(archive: Path) -> Path:
    """Unpack PAMELA.zip into the folder PAMELA beside it, which is whole or not there; returns that folder.

    An archive that was unpacked before is left alone. Raises DatasetError for a damaged archive, for names
    that lead out of the folder, and where there is no room.
    """
    folder = archive.with_name("PAMELA")
    if found(folder):
        return folder
    partial = archive.with_name(f".{folder.name}.partial")
    try:
        with zipfile.ZipFile(archive) as opened:
            members = _members(opened, archive)
            _check_room(archive, sum(info.file_size for info in members.values()))
            shutil.rmtree(partial, ignore_errors=True)  # of an attempt that was broken off
            for name, info in members.items():
                target = partial / name
                target.parent.mkdir(parents=True, exist_ok=True)
                with opened.open(info) as source, target.open("wb") as file:
                    shutil.copyfileobj(source, file, 1 << 20)
        partial.rename(folder)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise DatasetError(f"{archive} is damaged or cut short ({error}): download it again") from error
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise DatasetError(
            f"{archive} cannot be unpacked ({error.strerror or error}): make room or allow writing in "
            f"{archive.parent}, or unpack it elsewhere and name that folder"
        ) from error
    return folder


def _members(opened: zipfile.ZipFile, archive: Path) -> dict[str, zipfile.ZipInfo]:
    """Files by their place in the folder; without the top folder PAMELA/ and what macOS adds."""
    members = {}
    for info in opened.infolist():
        if info.is_dir() or info.filename.startswith("__MACOSX/"):
            continue
        if stat.S_ISLNK(info.external_attr >> 16):
            raise DatasetError(f"{archive} holds a link, {info.filename}: it is not the released archive")
        members[normalised(info.filename, archive.name)] = info
    if not any(name.startswith("annotations/") for name in members):
        raise DatasetError(f"{archive} holds no annotations/: it is not PAMELA; get it from {PAGE}")
    return members


def _check_room(archive: Path, needed: int) -> None:
    free = shutil.disk_usage(archive.parent).free
    if free < needed:
        raise DatasetError(
            f"{archive} needs {needed / 1e9:.1f} GB to unpack and {archive.parent} has {free / 1e9:.1f}: "
            "make room, or move the archive"
        )


def fetch_pamela(folder: str | Path, revision: str | None = None, download: Download | None = None) -> Path:
    """Download PAMELA (2.25 GB, CC-BY-4.0) into `folder` and unpack it there; returns the data set's folder.

    What is there already is not downloaded again, and a download that was broken off goes on. `revision`: a
    commit of the hub's repository, else the newest. Raises DatasetError, without a network for instance.
    """
    place = Path(folder)
    if found(place / "PAMELA"):
        return place / "PAMELA"
    archive = place / NAME
    if not archive.is_file():
        archive = _download(place, revision, download)
    return unpack(archive)


def _download(place: Path, revision: str | None, download: Download | None) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    # the hub's errors derive from OSError and from its HTTP client's, of which some come through bare
    failures: tuple[type[Exception], ...] = (*HfHubHTTPError.__bases__, HFValidationError)
    try:
        place.mkdir(parents=True, exist_ok=True)
        return Path(
            (download or hf_hub_download)(
                repo_id=DATASET_ID,
                filename=NAME,
                repo_type="dataset",
                revision=revision,
                local_dir=str(place),
            )
        )
    except failures as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise DatasetError(
            f"PAMELA cannot be downloaded ({reason}): on a machine with a network, get {NAME} from {PAGE}, "
            f"and put it into {place}"
        ) from error
