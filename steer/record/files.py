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

from reward.files import whole, write_through, write_whole
from steer.errors import RecordError
from steer.parts import PersonLike

__all__ = ["whole", "write_through", "write_whole"]


def slug(text: str, limit: int = 40) -> str:
    """`text` as part of a folder name: lower-case ASCII words joined by "-"; may be empty."""
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    words = re.findall(r"[a-z0-9]+", ascii_text)
    return "-".join(words)[:limit].strip("-")


def person_slug(person: PersonLike) -> str:
    """Of "sandbox:17" as "u17", "profile:me@1f3a" as "me", "sandbox:age 18-25 (34 people)" as "age-18-25"."""
    name = slug(re.sub(r"@.*|\(.*", "", person.label.partition(":")[2] or person.label), 24)
    return f"u{name}" if name[:1].isdigit() else name or "person"


def new_folder(out: Path, name: str) -> Path:
    """A folder in `out` that no other run has: `name` and four random hex digits."""
    while True:
        folder = out / f"{name}-{secrets.token_hex(2)}"
        try:
            out.mkdir(parents=True, exist_ok=True)
            folder.mkdir()
            return folder
        except FileExistsError:
            if not out.is_dir():
                raise RecordError(f"{out} is not a folder; choose another with --out") from None
        except OSError as error:
            raise RecordError(
                f"cannot make a run folder in {out}: {error.strerror or error}; choose another with --out"
            ) from error


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
