"""Ratings from folders of pictures that someone has: liked, disliked, or with stars of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from steer.errors import ProfileError
from steer.profiles.metadata import read_embedded
from steer.profiles.pictures import MEDIA_TYPES, read_picture
from steer.profiles.ratings_on_disk import NewRating, Profile
from steer.profiles.snapshot import DISLIKES, LIKES
from steer.profiles.transfer import is_held_out

LIKED, DISLIKED = 4.5, 1.5  # what a picture gets for its folder alone
AT_ONCE = 16  # pictures in memory together, and on disk together
MOST = 10_000  # pictures of one import
# Pictures that others read and `reward.pictures` does not: named, where they are left out.
_FOREIGN = {
    *(".heic", ".heif", ".tif", ".tiff", ".bmp", ".jxl", ".psd", ".svg", ".raw", ".dng", ".cr2", ".cr3"),
    *(".nef", ".arw", ".orf", ".rw2", ".raf"),
}


@dataclass
class Taken:
    """What an import did."""

    ratings: int = 0
    liked: int = 0  # of these, by the folder alone
    disliked: int = 0
    stars: int = 0  # of these, with stars of their own
    prompts: int = 0  # of these, with the prompt that they were made from
    again: int = 0  # pictures that had this very rating already
    skipped: list[tuple[str, str]] = field(default_factory=list)  # file, and why


def take_folders(
    profile: Profile,
    likes: Sequence[Path] = (),
    dislikes: Sequence[Path] = (),
    rated: Sequence[Path] = (),
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Taken:
    """Take the pictures of folders, and of the folders in them, into a profile; some at a time, each on disk.

    Stars, of a sidecar, of XMP or of EXIF, go before the folder; in `rated` folders there must be some. What
    cannot be read is named and left out. Begun again after an interruption, what is there already is passed
    over. Raises `ProfileError` for a folder that is none or has too many pictures.
    """
    groups = ((likes, LIKED, LIKES), (dislikes, DISLIKED, DISLIKES), (rated, None, "stars:"))
    todo = [
        (path, value, f"{kind}{folder.resolve().name}")
        for folders, value, kind in groups
        for folder in folders
        for path in _pictures(folder)
    ]
    if len(todo) > MOST:
        raise ProfileError(f"{len(todo):,} pictures are more than {MOST:,} at a time: name smaller folders")
    taken = Taken()
    before = {one.picture.partition(".")[0]: (one.rating, one.prompt) for one in profile.ratings}
    seen: dict[str, str] = {}
    for start in range(0, len(todo), AT_ONCE):
        new = []
        for path, value, source in todo[start : start + AT_ONCE]:
            made = _rating(path, value, source, taken, before, seen)
            new += [made] if made is not None else []
        profile.rate_all(new)
        taken.ratings += len(new)
        progress(min(start + AT_ONCE, len(todo)), len(todo))
    return taken


def _rating(
    path: Path,
    value: float | None,
    source: str,
    taken: Taken,
    before: dict[str, tuple[float, str]],
    seen: dict[str, str],
) -> NewRating | None:
    """The rating of one picture; None where there is none to take, which `taken` then counts or names."""
    if path.suffix.lower() not in MEDIA_TYPES:
        taken.skipped.append((str(path), f"{path.suffix} is none of {', '.join(MEDIA_TYPES)}"))
        return None
    try:
        picture = read_picture(path)
    except ProfileError as error:
        taken.skipped.append((str(path), str(error)))
        return None
    if picture.sha256 in seen:
        taken.skipped.append((str(path), f"the same picture as {seen[picture.sha256]}"))
        return None
    seen[picture.sha256] = str(path)
    found = read_embedded(picture.data, path)
    rating = found.stars if found.stars is not None else value
    if rating is None:
        taken.skipped.append((str(path), "it has no stars: 1 to 5 in XMP beside it or in it, or in EXIF"))
        return None
    taken.stars += found.stars is not None
    taken.liked += found.stars is None and value == LIKED
    taken.disliked += found.stars is None and value == DISLIKED
    taken.prompts += bool(found.prompt)
    if before.get(picture.sha256) == (rating, found.prompt):
        taken.again += 1
        return None
    return NewRating(picture, rating, found.prompt, source, is_held_out(picture.sha256))


def _pictures(folder: Path) -> Iterator[Path]:
    """Everything that is or may be a picture, sorted; hidden files and folders are left out."""
    if not folder.is_dir():
        raise ProfileError(f"there is no folder {folder}: name one of pictures")
    depth, known = len(folder.parts), {*MEDIA_TYPES, *_FOREIGN}
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.parts[depth:])
        if path.suffix.lower() in known and not hidden and path.is_file():
            yield path
