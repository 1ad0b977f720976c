"""Profiles on disk: a folder each, private to its owner.

    ~/.local/share/steer/profiles/     or elsewhere, see `steer.paths`; folders 0700, files 0600
      me/
        profile.json     schema_version, name, created, salt; written once
        ratings.jsonl    append-only truth, one object per line with `t` (Unix seconds) and `event`:
                           rating        id, picture, rating, prompt, source, held_out
                           undo          id
                           demographics  demographics {age, gender, nationality}
        corrections.jsonl  what the person says of their taste themselves, see `steer.profiles.corrections`
        images/          the rated pictures as they came, by SHA-256 of their content

A line is on disk before anyone hears that it was taken (`steer.record.log`). Several processes may write:
each holds a lock while it does, and first reads what the others wrote. A line that cannot be read does not
count.
The state after any line can be had again by its hash (`Profile.at`), which is how a run is resumed with the
taste that it was started with.
"""

from __future__ import annotations

import errno
import json
import math
import secrets
import shlex
import shutil
import threading
import time
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

from reward.checked import problem, read_json
from reward.files import make_private, write_through, write_whole
from steer import paths
from steer.errors import ProfileError, UnknownProfile
from steer.profiles.corrections import Corrections
from steer.profiles.names import checked_name, is_name
from steer.profiles.pictures import PictureFile, read_picture
from steer.profiles.snapshot import Demographics, ProfileState, Rating, apply, predictor_of, state_of
from steer.record.log import Log

if TYPE_CHECKING:
    from reward.people.person import Person
    from steer.parts import Scorer
    from steer.profiles.taste import ReadableTaste

SCHEMA_VERSION = 1
LONGEST_PROMPT = 2000


class _About(TypedDict):
    """profile.json."""

    schema_version: int
    name: Annotated[str, is_name]
    created: str
    salt: Annotated[str, str.isascii]


@dataclass(frozen=True)
class NewRating:
    """A rating that is to be kept."""

    image: bytes | Path | PictureFile
    rating: float  # 1-5
    prompt: str = ""
    source: str = ""
    held_out: bool = False


class _Taken(ProfileError):
    """There is a profile of that name already."""


class Profiles:
    """All profiles of this machine's user."""

    def __init__(self, folder: str | Path | None = None) -> None:
        self.folder = Path(folder) if folder is not None else paths.profiles()

    def list(self) -> list[str]:
        """Their names, sorted."""
        return sorted(file.parent.name for file in self.folder.glob("[!.]*/profile.json"))

    def __contains__(self, name: object) -> bool:
        try:
            return isinstance(name, str) and (self.folder / checked_name(name) / "profile.json").is_file()
        except UnknownProfile:
            return False

    def open(self, name: str) -> Profile:
        """Raises `UnknownProfile`, `ProfileError`."""
        name = checked_name(name)
        if name not in self:
            others = ", ".join(self.list())
            known = f"there are {others}" if others else "there are none yet"
            raise UnknownProfile(
                f"there is no profile {name!r} ({known}); make it: steer rate {shlex.quote(name)}"
            )
        return Profile(self.folder / name)

    def create(self, name: str, demographics: Demographics | None = None) -> Profile:
        """A new profile, whole or not there. Raises `UnknownProfile`, `ProfileError`."""
        name = checked_name(name)
        taken = _Taken(f"there is a profile {name!r} already; rate on with: steer rate {shlex.quote(name)}")
        if name in self:
            raise taken
        about = {
            "schema_version": SCHEMA_VERSION,
            "name": name,
            "created": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "salt": secrets.token_hex(16),
        }
        fresh = self.folder / f".new-{secrets.token_hex(4)}"
        with _writing(self.folder):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            fresh.mkdir(mode=0o700)
            try:
                (fresh / "images").mkdir(mode=0o700)
                text = json.dumps(about, ensure_ascii=False) + "\n"
                write_whole(fresh / "profile.json", text.encode(), private=True, sync=True)
                write_whole(fresh / "ratings.jsonl", b"", private=True, sync=True)
                fresh.rename(self.folder / name)
                write_through(self.folder)
            except OSError as error:
                shutil.rmtree(fresh, ignore_errors=True)
                if error.errno in (errno.EEXIST, errno.ENOTEMPTY):  # made by another process meanwhile
                    raise taken from None
                raise
        profile = Profile(self.folder / name)
        if demographics:
            profile.tell(demographics)
        return profile

    def open_or_create(self, name: str) -> Profile:
        """The profile of that name, made now if there is none. Raises `UnknownProfile`, `ProfileError`."""
        try:
            return self.open(name) if name in self else self.create(name)
        except _Taken:  # another process or thread was faster
            return self.open(name)

    def delete(self, name: str) -> None:
        """Remove a profile with all its ratings and pictures. Raises `UnknownProfile`, `ProfileError`."""
        profile = self.open(name)
        with _writing(self.folder):
            # Renamed first: a removal that is interrupted leaves no half profile.
            doomed = profile.folder.rename(self.folder / f".deleted-{secrets.token_hex(4)}")
            shutil.rmtree(doomed)


class Profile:
    """One person's ratings. Any number of threads and processes may use the same folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._thread = threading.RLock()
        self._log = Log(folder / "ratings.jsonl", private=True)
        self._no_lines = 0  # objects of the log that say nothing about ratings
        self._lines: list[dict[str, Any]] = []
        self._given: dict[str, Rating] = {}  # by id, without those undone
        self._told = Demographics()
        self._about = self._read_about()
        self.refresh()

    @property
    def name(self) -> str:
        return str(self._about["name"])

    @property
    def created(self) -> str:
        """When it was made, ISO 8601."""
        return str(self._about["created"])

    @property
    def state(self) -> ProfileState:
        """What it says now; a later rating makes another state."""
        return self._state

    @property
    def ratings(self) -> tuple[Rating, ...]:
        """Those that count: the last one of each picture, nothing undone."""
        return self._state.ratings

    @property
    def demographics(self) -> Demographics:
        return self._state.demographics

    @property
    def hash(self) -> str:
        """The hash of the present state."""
        return self._state.hash

    @property
    def unreadable(self) -> int:
        """Damaged lines of the log, which do not count."""
        return self._log.skipped + self._no_lines

    @property
    def corrections(self) -> Corrections:
        """What the person says of their taste themselves; no part of any state."""
        return self._state.corrections

    def path(self, rating: Rating) -> Path:
        """The picture that was rated."""
        return self._state.path(rating)

    def person(self, scorer: Scorer) -> Person:
        """Whose taste this is now, see `State.person`."""
        return self._state.person(scorer)

    def taste(self, scorer: Scorer) -> ReadableTaste:
        """What this person seems to like and to avoid. Raises `UsageError`, `ProfileError`."""
        from steer.profiles.taste import profile_taste  # brings numpy along

        return profile_taste(self._state, predictor_of(scorer))

    def at(self, hash: str) -> ProfileState:
        """The state that had this hash, however much was rated since. Raises `ProfileError`."""
        for end in range(len(self._lines), -1, -1):  # newest first: runs mostly name a recent one
            given: dict[str, Rating] = {}
            told = Demographics()
            for line in self._lines[:end]:
                told = apply(given, told, line)
            state = state_of(self.folder, self._about, given, told)
            if state.hash == hash:
                return state
        raise ProfileError(
            f"the profile {self.name} never was in the state {hash}; start a new run: steer run --user "
            f"{shlex.quote(self.name)}"
        )

    def rate(
        self,
        image: bytes | Path | PictureFile,
        rating: float,
        *,
        prompt: str = "",
        source: str,
        held_out: bool = False,
    ) -> str:
        """Keep one rating and the picture; both are on disk when this returns the rating's id.

        Another rating of the same picture replaces the one before. Raises `ProfileError` for something that
        is no picture or no rating, and for a disk that is full; then nothing was taken.
        """
        return self.rate_all([NewRating(image, rating, prompt, source, held_out)])[0]

    def rate_all(self, new: Sequence[NewRating], *, once: bool = False) -> list[str]:
        """Keep several ratings, all or none; see `rate`. `once`: not those whose source has given one before,
        even one that was taken back since.
        """
        rows = [(_picture_of(one.image), one) for one in new]
        for _, one in rows:
            _check(one)
        with self._writing():
            given = {line.get("source") for line in self._lines} if once else set()
            rows = [row for row in rows if row[1].source not in given]
            if not rows:
                return []
            files = [self._keep_picture(picture) for picture, _ in rows]
            ids = [int(line["id"]) for line in self._lines if line["event"] == "rating"]
            number = 1 + max(ids, default=0)
            lines = []
            for i, (file, one) in enumerate(zip(files, (one for _, one in rows), strict=True)):
                prompt = " ".join(one.prompt.split())[:LONGEST_PROMPT]
                kept = Rating(str(number + i), file, float(one.rating), prompt, one.source, one.held_out)
                lines.append({"event": "rating", **asdict(replace(kept, t=round(time.time(), 3)))})
            self._append(lines)
        return [line["id"] for line in lines]

    def undo(self) -> Rating | None:
        """Take back the last rating that counts; None if there is none. It stays in the log, as undone."""
        with self._writing():
            if not self._state.ratings:
                return None
            last = self._state.ratings[-1]
            self._append([{"event": "undo", "t": round(time.time(), 3), "id": last.id}])
            return last

    def take_back(self, sources: Container[str]) -> None:
        """Undo the ratings that count and come from one of these sources."""
        with self._writing():
            now = round(time.time(), 3)
            doomed = [one.id for one in self._given.values() if one.source in sources]
            if doomed:
                self._append([{"event": "undo", "t": now, "id": id} for id in doomed])

    def tell(self, demographics: Demographics) -> None:
        """Keep what the person tells of themselves; the last that was told counts."""
        with self._writing():
            told = {"demographics": demographics.known()}
            self._append([{"event": "demographics", "t": round(time.time(), 3), **told}])

    def refresh(self) -> None:
        """Read what other processes have written since. Raises `ProfileError`."""
        with self._thread:
            try:
                self._take(self._log.read(settled=True))
            except OSError as error:
                raise ProfileError(
                    f"cannot read {self._log.path}: {error.strerror or error}; see: steer people list"
                ) from error

    # --- writing

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """The log is held, and read to its end."""
        with self._thread, _writing(self.folder), self._log.held() as fresh:
            make_private(self.folder)  # other programs, and earlier versions, may have left it open to all
            if all((each / "profile.json").is_file() for each in self.folder.parent.glob("[!.]*")):
                make_private(self.folder.parent)  # which names people, and holds nothing else
            self._take(fresh)
            yield

    def _append(self, lines: Sequence[dict[str, Any]]) -> None:
        """Write lines and have them on disk, or raise OSError and leave none."""
        self._log.append(*lines)
        self._take(lines)

    def _take(self, lines: Sequence[dict[str, Any]]) -> None:
        """Let lines that are on disk count."""
        for line in lines:
            try:
                self._told = apply(self._given, self._told, line)
            except (KeyError, TypeError, ValueError, OverflowError, ProfileError):
                self._no_lines += 1
            else:
                self._lines.append(line)
        self._state = state_of(self.folder, self._about, self._given, self._told)

    def _keep_picture(self, picture: PictureFile) -> str:
        """Name of the picture's file in images/, which is on disk when this returns."""
        name = picture.sha256 + picture.ending
        path = self.folder / "images" / name
        if not path.exists():
            write_whole(path, picture.data, private=True, sync=True)
        return name

    def _read_about(self) -> dict[str, Any]:
        path = self.folder / "profile.json"
        try:
            about = read_json(path)
            if isinstance(about, dict) and about.get("schema_version", SCHEMA_VERSION) != SCHEMA_VERSION:
                raise ProfileError(f"{path} was made by another version of steer: install that one")
            if wrong := problem(_About, about):
                raise ValueError(wrong)
            return {key: about[key] for key in ("schema_version", "name", "created", "salt")}
        except (OSError, ValueError) as error:
            raise ProfileError(f"cannot read {path}: {error}; see: steer people list") from error


def _picture_of(image: bytes | Path | PictureFile) -> PictureFile:
    return image if isinstance(image, PictureFile) else read_picture(image)


def _check(new: NewRating) -> None:
    if not (isinstance(new.rating, int | float) and math.isfinite(new.rating) and 1 <= new.rating <= 5):
        raise ProfileError(f"{new.rating!r} is no rating: give a number from 1 (bad) to 5 (excellent)")


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Turns an OSError into one line that says that nothing was taken."""
    try:
        yield
    except OSError as error:
        raise ProfileError(
            f"cannot write to {folder}: {error.strerror or error}; nothing was taken, what was there before "
            "is safe: make room or allow writing, then try again"
        ) from error
