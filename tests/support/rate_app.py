"""The rating page over made-up people and pictures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fake_run import Landscapes
from fastapi import FastAPI
from panel import Panel
from web_client import TOKEN

from steer.pages.rate import rating_pages
from steer.pages.server import create_app
from steer.profiles import Profile, Profiles
from steer.profiles.session import RatingSession
from steer.profiles.sources import FolderSource, PictureSource

RESTART = "steer rate me"
KNOWN = {"gender": ["female", "male"], "nationality": ["Germany", "Ghana", "Japan"]}


def make_pictures(folder: Path, count: int = 24, size: int = 32) -> Path:
    """A folder of different small paintings."""
    folder.mkdir(parents=True, exist_ok=True)
    painter = Landscapes(size)
    for i in range(count):
        painter.image("a landscape", i).save(folder / f"{i:03d}.png")
    return folder


def open_profile(folder: Path, name: str = "me") -> Profile:
    profiles = Profiles(folder)
    return profiles.open(name) if name in profiles else profiles.create(name)


@contextmanager
def rating_app(
    profiles: Path, panel: Panel, source: PictureSource | Path, name: str = "me", token: str = TOKEN
) -> Iterator[tuple[FastAPI, Profile, RatingSession]]:
    """What `steer rate` serves."""
    profile = open_profile(profiles, name)
    found = FolderSource(source) if isinstance(source, Path) else source
    with RatingSession(profile, panel, found, seed=0) as session:
        session.next(60)
        pages = rating_pages(profile, session, simulated=True, known=KNOWN, restart=RESTART)
        yield create_app([pages], token), profile, session
