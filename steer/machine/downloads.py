"""What is to be fetched from the hub, how large it is and who must agree first; and fetching it.

Only the files that are read count and come (`reward.hub_files`). Looking asks the network and fetches
nothing. A connection that breaks is taken up again where it broke; of a process that was ended whole files
stay, and the others begin anew, as the hub's library has it.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from reward.hub_files import files_read, snapshot
from reward.licences import LICENCES
from steer import paths
from steer.errors import SetupError
from steer.machine.hub import offline

Kind = Literal["model", "dataset"]


@dataclass(frozen=True)
class Download:
    """One repository, at the commit that was looked at."""

    id: str
    revision: str | None  # asked for; None: the newest
    kind: Kind
    files: tuple[str, ...]  # that are read
    bytes: int  # of those files
    left: int  # of them not here yet
    duplicates: int  # bytes of the files that nobody reads and that are not fetched
    gated: bool

    @property
    def page(self) -> str:
        """Where its licence is, and where its terms are accepted."""
        return page_of(self.id, self.kind)

    @property
    def terms(self) -> str:
        """Its licence in a few words."""
        return terms_of(self.id)


def page_of(id: str, kind: Kind = "model") -> str:
    """The page of a repository on the hub."""
    from huggingface_hub import constants

    return f"{constants.ENDPOINT}/{'datasets/' if kind == 'dataset' else ''}{id}"


def terms_of(id: str) -> str:
    """The licence of a model or a data set in a few words."""
    for known in LICENCES:
        if known.id.lower() in (id.lower(), id.lower().rpartition("/")[2]) or id.startswith(f"{known.id}-"):
            return known.terms
    return "licence: see its page"


def look(
    model: str, kind: Kind = "model", files: Iterable[str] | None = None, without: Collection[str] = ()
) -> Download:
    """What fetching a repository ("owner/name" or "owner/name@REVISION") would take; fetches nothing.

    `files` names what is read of it; None takes what `files_read` says, without the weights of the parts of a
    pipeline that are named by `without`. Raises `SetupError` with what to do:
    where it is gated, unknown, or where there is no network.
    """
    from huggingface_hub import HfApi

    id, _, named = model.partition("@")
    revision = named or None
    with _in_words(id, kind):
        api = HfApi()
        info = api.repo_info(id, revision=revision, repo_type=kind, files_metadata=True)
        gated = bool(getattr(info, "gated", False))
        if gated:
            api.auth_check(id, repo_type=kind)
    sizes = {each.rfilename: each.size or 0 for each in getattr(info, "siblings", None) or ()}
    wanted = files_read(sizes) if files is None else list(files)
    read = [name for name in wanted if name in sizes and not _weights_of(name, without)]
    if not read:
        what = f"no {wanted[0]}" if files is not None and wanted else "no weights that are read (safetensors)"
        single = next((name for name in sorted(sizes) if name.endswith(".gguf")), None)
        more = f"; of single files name one, as in steer setup {id}/{single}" if single else ""
        raise SetupError(f"{id} holds {what}: look at {page_of(id, kind)}{more}")
    here = snapshot(id, info.sha) if kind == "model" else None
    left = sum(sizes[name] for name in read if here is None or not (here / name).is_file())
    total = sum(sizes[name] for name in read)
    weights = (".safetensors", ".bin", ".pth", ".onnx", ".ckpt", ".msgpack", ".h5", ".gguf", ".ot")
    others = sum(size for name, size in sizes.items() if name not in read and name.endswith(weights))
    return Download(id, revision, kind, tuple(read), total, left, others, gated)


def fetch(download: Download, workers: int = 4) -> Path:
    """Bring what is missing here, with the hub's own bars; returns its folder. Raises `SetupError`."""
    from huggingface_hub import snapshot_download

    with _in_words(download.id, download.kind):
        _drop_remains(download)
        folder = snapshot_download(
            download.id,
            repo_type=download.kind,
            revision=download.revision,
            allow_patterns=[_literal(name) for name in download.files],
            max_workers=workers,
        )
    return Path(folder)


def _drop_remains(download: Download) -> None:
    """Deletes what killed processes had begun: nobody goes on with it, and it may be as large as a model.

    A file on which somebody is at work has a lock of the hub's library.
    """
    from filelock import FileLock

    store = f"{download.kind}s--{download.id.replace('/', '--')}"
    for begun in (paths.hub() / store / "blobs").glob("*.incomplete"):
        lock = paths.hub() / ".locks" / store / f"{begun.name.partition('.')[0]}.lock"
        lock.parent.mkdir(parents=True, exist_ok=True)
        with suppress(TimeoutError, NotImplementedError), FileLock(lock, timeout=0):
            begun.unlink(missing_ok=True)


def check_room(needed: Sequence[tuple[Path, int]]) -> None:
    """Raises `SetupError` where folders have less room than is needed there, in bytes.

    What goes to the same disk is added up.
    """
    by_disk: dict[int, tuple[Path, int]] = {}
    for folder, size in needed:
        there = nearest(folder)
        disk = there.stat().st_dev
        first, sum_so_far = by_disk.get(disk, (there, 0))
        by_disk[disk] = (first, sum_so_far + size)
    for folder, size in by_disk.values():
        free = shutil.disk_usage(folder).free
        if free < size:
            raise SetupError(
                f"this takes {size / 1e9:.1f} GB of disk and {folder} has {free / 1e9:.1f} GB free: make "
                "room, or name other places with HF_HOME (weights) and XDG_DATA_HOME (data, predictor)"
            )


def hub_folder() -> Path:
    """Where models come to lie."""
    return paths.hub()


def _weights_of(name: str, parts: Collection[str]) -> bool:
    """Whether a file of a repository holds weights of one of these parts."""
    return name.partition("/")[0] in parts and ".safetensors" in name


def _literal(name: str) -> str:
    """A file name as a pattern that matches nothing else."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)


def nearest(folder: Path) -> Path:
    """A folder, or its nearest parent that exists."""
    folder = folder.absolute()
    return next(parent for parent in (folder, *folder.parents) if parent.exists())


@contextmanager
def _in_words(id: str, kind: Kind) -> Iterator[None]:
    """Whatever the hub answers becomes one line."""
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    page, again = page_of(id, kind), "what is here stays; the same command goes on"
    try:
        yield
    except GatedRepoError as error:
        raise SetupError(
            f"{id} is gated: accept its terms on {page}, then: hf auth login, and the same command again"
        ) from error
    except RevisionNotFoundError as error:
        raise SetupError(f"{id} has no such revision: look at {page}") from error
    except RepositoryNotFoundError as error:
        raise SetupError(
            f"there is no {kind} {id} on the hub, or it is private: check the name, or: hf auth login"
        ) from error
    except HFValidationError as error:
        raise SetupError(f"{id!r} is no hub id of the form owner/name") from error
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else None
        if status == 429:
            raise SetupError(
                f"the hub asks for a pause (too many requests): wait some minutes; {again}"
            ) from error
        raise SetupError(f"the hub failed with {id} ({_line(error)}); {again}") from error
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise SetupError(f"the disk of {paths.hub()} is full: make room; {again}") from error
        if offline():
            raise SetupError(
                f"{id} is not here and HF_HUB_OFFLINE forbids the network: unset HF_HUB_OFFLINE"
            ) from error
        raise SetupError(f"{id} could not be fetched ({_line(error)}); {again}") from error
    except _failures() as error:  # its client's come through bare
        raise SetupError(f"{id} could not be fetched ({_line(error)}); {again}") from error


def _failures() -> tuple[type[Exception], ...]:
    from huggingface_hub.errors import HfHubHTTPError

    return (*HfHubHTTPError.__bases__, RuntimeError, ValueError)


def _line(error: BaseException) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)[:200]
