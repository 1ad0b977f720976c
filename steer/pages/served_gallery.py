"""Galleries with a rating control: what is rated here flows into a profile, and the next run knows it.

/runs/                   the runs
/runs/NAME/              one gallery; NAME/ratings for its script
/runs/NAME/images/FILE   a picture of the record, and nothing else from the folder but its three logs
"""

from __future__ import annotations

import re
import shlex
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response

from steer.errors import RecordError
from steer.pages import wording
from steer.pages.gallery import open_page, render, served_policy
from steer.pages.gallery_view import Page
from steer.pages.server import fail
from steer.pages.server import render as render_template
from steer.profiles import Profile, Profiles
from steer.record.events import Rendered
from steer.record.folder import Record

_LOGS = {
    "config.json": "application/json",
    "result.json": "application/json",
    "events.jsonl": "text/plain; charset=utf-8",
}
_PICTURE = re.compile(r"[A-Za-z0-9-]+\.png")


class GalleryRating(BaseModel):
    """A rating of a candidate."""

    id: Annotated[str, Field(pattern=r"^r\d{2,4}c\d{2,4}$")]
    value: Annotated[float, Field(ge=1, le=5, allow_inf_nan=False, strict=True)]


class Book:
    """The profile that the ratings go to; made with the first of them."""

    def __init__(self, profiles: Profiles, name: str) -> None:
        self.profiles, self.name = profiles, name
        self._profile: Profile | None = None
        self._lock = threading.Lock()

    def ratings(self) -> dict[str, float]:
        """What the profile's pictures were rated, by the SHA-256 of their files."""
        if self._profile is None and self.name in self.profiles:
            self._profile = self.profiles.open(self.name)
        if self._profile is None:
            return {}
        self._profile.refresh()  # `steer rate` may be open beside
        return {one.picture.partition(".")[0]: one.rating for one in self._profile.ratings}

    def rate(self, image: Path, sha256: str, value: float, prompt: str, source: str) -> None:
        """On disk when this returns; the same rating again changes nothing. Raises `ProfileError`."""
        with self._lock:
            if self._profile is None:
                self._profile = self.profiles.open_or_create(self.name)
            if self.ratings().get(sha256) != value:
                self._profile.rate(image, value, prompt=prompt, source=source)


def gallery_pages(folders: Callable[[], Mapping[str, Path]], book: Book, restart: str) -> APIRouter:
    """The galleries of these run folders, by name. `restart` is the command that serves them again."""
    router = APIRouter()
    shelf: dict[str, tuple[int, Page]] = {}
    lock = threading.Lock()

    def record_of(name: str) -> Record:
        found = folders().get(name)
        if found is None:
            raise _Gone(f"there is no run {name!r} here: go back to the list")
        return Record.read(found)

    def page_of(record: Record) -> Page:
        """Built once for each length of the log: the thumbnails take a second."""
        with lock:
            log = record.folder / "events.jsonl"
            length = log.stat().st_size if log.is_file() else 0
            kept = shelf.get(record.folder.name)
            if kept is None or kept[0] != length:
                kept = shelf[record.folder.name] = length, open_page(record)
            return kept[1]

    def rated(record: Record) -> dict[str, float]:
        ratings = book.ratings()
        return {id: ratings[sha256] for id, sha256 in _pictures(record).items() if sha256 in ratings}

    @router.get("/runs")
    def to_list() -> Response:
        return RedirectResponse("/runs/", 303)

    @router.get("/runs/")
    def list_() -> Response:
        runs = [entry_of(folder) for folder in reversed(list(folders().values()))]
        return render_template("runs.html.j2", runs=runs, profile=book.name)

    @router.get("/runs/{name}/")
    def gallery(name: str) -> Response:
        record = record_of(name)
        command = shlex.join(["steer", "run", "--user", book.name, "--prompt", str(record.config["prompt"])])
        served = {"profile": book.name, "restart": restart, "command": command}
        html = render(page_of(record), served)
        return HTMLResponse(html, headers={"content-security-policy": served_policy()})

    @router.get("/runs/{name}/ratings")
    def ratings(name: str) -> dict[str, float]:
        return rated(record_of(name))

    @router.post("/runs/{name}/ratings")
    def rate(name: str, given: GalleryRating) -> dict[str, Any]:
        record = record_of(name)
        sha256 = _pictures(record).get(given.id)
        image = record.folder / "images" / f"{given.id}.png"
        if sha256 is None or image.is_symlink():
            raise _Gone(f"there is no picture {given.id} in this run: reload the page")
        prompt = str(record.config["prompt"])
        book.rate(image, sha256, given.value, prompt, f"run:{record.folder.name}")
        return {"id": given.id, "value": given.value}

    @router.get("/runs/{name}/images/{file}")
    def picture(request: Request, name: str, file: str) -> Response:
        path = record_of(name).folder / "images" / file
        if not _PICTURE.fullmatch(file) or not path.is_file() or path.is_symlink():
            return fail(request, "there is no such picture in this run", 404)
        return FileResponse(path, media_type="image/png")

    @router.get("/runs/{name}/{log}")
    def log(request: Request, name: str, log: str) -> Response:
        path = record_of(name).folder / log
        if log not in _LOGS or not path.is_file() or path.is_symlink():
            return fail(request, "there is no such file in this run", 404)
        return FileResponse(path, media_type=_LOGS[log])

    return router


class _Gone(RecordError):
    status = 404


def _pictures(record: Record) -> dict[str, str]:
    """SHA-256 of every candidate's picture, by the candidate's id."""
    return {
        event.id: event.sha256
        for event in record.events
        if isinstance(event, Rendered) and event.role == "candidate"
    }


def entry_of(folder: Path) -> dict[str, Any]:
    """A run in the list; one that cannot be read says what is wrong with it, as in `steer runs list`."""
    record = Record(folder)
    try:
        result = record.result
        created, status = str(record.config["created"]), record.status
    except RecordError as error:
        return {"name": record.folder.name, "status": "damaged", "error": str(error)}
    best = result.get("best") or result.get("baseline") or {}
    return {
        "name": record.folder.name,
        "prompt": str(result["prompt"]),
        "person": str(result["person"]["label"]),
        "created": created[:16].replace("T", " "),
        "status": status,
        "image": best.get("id"),
        "score": wording.score(best.get("score")),
    }
