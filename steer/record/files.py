"""Run folders on disk: names that no prompt can break, files that are whole or not there."""

from __future__ import annotations

import json
import re
import secrets
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from reward.files import write_whole
from steer.errors import RecordError
from steer.parts import PersonLike

PROFILE = "profile"  # the world of people of this machine, who are named: what is about them is private


def slug(text: str, limit: int = 40) -> str:
    """`text` as part of a folder name: lower-case ASCII words joined by "-"; may be empty."""
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    words = re.findall(r"[a-z0-9]+", ascii_text)
    return "-".join(words)[:limit].strip("-")


def person_slug(person: PersonLike) -> str:
    """In names of folders: participant 17 as "u17", profile me as "me", ages 18 to 25 as "age-18-25"."""
    return id_slug(person.id)


def id_slug(id: str) -> str:
    """The same of a person's id alone."""
    name = slug(id, 24)
    return f"u{name}" if name[:1].isdigit() else name or "person"


def person_json(person: PersonLike) -> dict[str, str]:
    """What records keep of a person."""
    return {name: getattr(person, name) for name in ("kind", "id", "world", "label", "hash")}


def split_label(label: str) -> dict[str, str]:
    """World and id, for what was written when only labels were kept.

    "profile:me@1f3a" is me of profile, "sandbox:age 18-25 (34 people)" is age 18-25 of sandbox.
    """
    world, _, name = label.partition(":") if ":" in label else ("", "", label)
    return {"world": world, "id": re.sub(r"@.*| \(.*", "", name)}


def new_folder(out: Path, name: str, *, private: bool = False) -> Path:
    """A folder in `out` that no other run has: `name` and four random hex digits.

    `private`: only the owner may look into it (mode 0700), as where a person is named.
    """
    while True:
        try:
            return _make(out / f"{name}-{secrets.token_hex(2)}", private)
        except FileExistsError:
            continue


def named_folder(out: Path, name: str, *, private: bool = False) -> Path:
    """The folder `name` in `out`, made where it is missing; `private` as in `new_folder`."""
    try:
        return _make(out / name, private)
    except FileExistsError:
        return out / name


def _make(folder: Path, private: bool) -> Path:
    """Raises FileExistsError where it is there already, RecordError where it cannot be made."""
    out = folder.parent
    try:
        out.mkdir(parents=True, exist_ok=True)
        folder.mkdir(0o700 if private else 0o777)
    except FileExistsError:
        if not folder.is_dir():
            taken = folder if out.is_dir() else out
            raise RecordError(f"{taken} is not a folder; choose another with --out") from None
        raise
    except OSError as error:
        raise RecordError(
            f"cannot make a run folder in {out}: {error.strerror or error}; choose another with --out"
        ) from error
    return folder


def write_json(path: Path, data: Mapping[str, Any], *, private: bool = False, sync: bool = False) -> None:
    """Readable JSON, whole or not there; see `reward.files.whole`. Raises OSError."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, indent=2) + "\n"
    write_whole(path, text.encode(errors="backslashreplace"), private=private, sync=sync)


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turns an OSError into one line that names the folder and how to go on."""
    try:
        yield
    except OSError as error:
        raise RecordError(
            f"cannot write to {folder}: {error.strerror or error}; what was written is safe; make room or "
            f"allow writing, then: steer runs resume {folder}"
        ) from error
