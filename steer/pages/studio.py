"""The studio: begin a run, watch it, choose inside it, look at what there is; all on one page's server.

/studio/                    a finished example, a form to begin, past runs
/runs/NAME/versus.html      two runs beside each other; versus.json, its values
/studio/runs/NAME/          one run, live; NAME/state and NAME/picks for its script
/studio/runs/NAME/thumbs/ID a picture, small; ?small=1 smaller

The galleries of `steer.pages.served_gallery` stand beside it under /runs/.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response

from reward.checked import read_json
from steer.errors import PickError, RecordError, UsageError
from steer.pages import wording
from steer.pages.children import Children
from steer.pages.gallery import webp
from steer.pages.guard import way_back
from steer.pages.html import FOLDER
from steer.pages.live import LiveRun
from steer.pages.served_gallery import entry_of
from steer.pages.server import fail, render
from steer.profiles import Profiles
from steer.profiles.names import checked_name
from steer.profiles.picks import profile_of, rate_picks
from steer.record.picks import Pick
from steer.settings import DEFAULT_PROMPT, clean_prompt
from steer.taste import check_wanted

THUMB, SMALL, QUALITY = 320, 224, 78  # pixels on a dense screen and on a plain one, of WebP
_KEPT_THUMBS = 1_500  # some 30 MB
_OPEN_RUNS = 12
# A page without script, with its pictures and its style in it.
VERSUS_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
)
EXAMPLE = FOLDER / "static" / "example"

Key = Annotated[str, Field(pattern=r"^[a-z0-9]{12,64}$")]
Id = Annotated[str, Field(pattern=r"^r\d{2,6}c\d{2,6}$")]
Text = Annotated[str, Field(max_length=4_000)]
Count = Annotated[int, Field(ge=1, le=1_000)]


class _Sent(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Wish(_Sent):
    """What the form asks for."""

    kind: Literal["everyone", "profile", "participant", "group"] = "everyone"
    who: Annotated[str, Field(max_length=80)] = ""
    age: Annotated[str, Field(max_length=12)] = ""
    gender: Annotated[str, Field(max_length=60)] = ""
    nationality: Annotated[str, Field(max_length=60)] = ""
    rounds: Count = 5
    pictures: Count = 20

    def words(self) -> list[str]:
        """Of `steer`, from the command on. Raises `UsageError`."""
        if self.kind == "everyone":
            return ["run", "--population"]
        if self.kind == "group":
            given = {"age": self.age, "gender": self.gender, "nationality": self.nationality}
            words = [f"--{name}={text.strip()}" for name, text in given.items() if text.strip()]
            if not words:
                raise UsageError("say which group: an age such as 18-25, a gender or a nationality")
            return ["demographic", *words]
        if not self.who.strip():
            raise UsageError("say who: the number of a participant, or the name of a profile")
        return ["run", f"--user={self.who.strip()}"]

    @property
    def slug(self) -> str:
        """In the folder's name."""
        who = self.who.strip()
        return {
            "everyone": "everyone",
            "group": " ".join(filter(None, [self.age, self.gender, self.nationality])),
        }.get(self.kind, f"u{who}" if who[:1].isdigit() else who)


class Begin(Wish):
    """A run to begin; the same key is the same run."""

    key: Key
    prompt: Text
    asks: bool = False  # before each round
    paid: Annotated[int, Field(ge=0, le=100_000)] = 0  # pictures that were agreed to be paid for


class GivenPick(_Sent):
    """A choice, as `steer.record.picks` has them."""

    key: Key
    pick: str
    picture: str | None = None
    iteration: int | None = None
    prompt: Text | None = None
    to: Text | None = None
    on: bool | None = None


class OpenWish(_Sent):
    """Another page to open: rating for a profile, a study of runs, or two of them beside each other."""

    what: Literal["rate", "study", "compare"]
    name: Annotated[str, Field(max_length=60)] = "me"
    runs: Annotated[list[str], Field(max_length=40)] = []


@dataclass(frozen=True)
class Desk:
    """What a studio is told when it is started."""

    out: Path
    children: Children
    folders: Callable[[], Mapping[str, Path]]  # the runs by name
    profiles: Profiles
    profile: str  # the one that galleries rate into
    people: Sequence[Mapping[str, Any]]  # whom the predictor knows: id, demographics
    simulated: bool
    options: Sequence[str]  # words that every run begun here gets: models, servers
    plan: Callable[[int, int], Mapping[str, Any]]  # rounds, pictures a round -> `Estimate` as JSON
    rounds: int
    pictures: int
    restart: str


class _Gone(RecordError):
    status = 404


class _Late(PickError):
    status = 409


def studio_pages(desk: Desk) -> APIRouter:
    """The pages of one studio."""
    router = APIRouter()
    live: OrderedDict[str, LiveRun] = OrderedDict()
    thumbs: OrderedDict[tuple[Path, float, int], bytes] = OrderedDict()
    lock = threading.Lock()
    example = read_json(Path(str(EXAMPLE / "example.json")))

    def run_of(name: str) -> LiveRun | None:
        """None while a run that was begun here has no folder yet."""
        with lock:
            found = live.get(name)
        if found is not None and found.folder.is_dir():
            return found
        folder = desk.folders().get(name)
        if folder is None:
            if desk.children.known(name):
                return None
            raise _Gone(f"there is no run {name!r} here: go back to the studio")
        opened = LiveRun(folder)
        if profile_of(opened.record) is not None:
            rate_picks(opened.record, desk.profiles)  # what a kill kept from being counted
        with lock:
            live[name] = opened
            while len(live) > _OPEN_RUNS:
                live.popitem(last=False)
        return opened

    def state_of(name: str, since: str) -> dict[str, Any]:
        run = run_of(name)
        if run is not None:
            found = run.state(since, desk.children.alive(name))
            if found["status"] in ("interrupted", "error"):  # going on may fail before the log says a word
                found["error"] = desk.children.failure(name) or found["error"]
            return found
        if desk.children.alive(name):
            return _not_begun("starting", desk.children.last_words(name))
        said = desk.children.last_words(name).removeprefix("error: ") or "it ended without a word"
        return _not_begun("error", said)

    @router.get("/studio/")
    def home() -> Response:
        names = desk.profiles.list()
        known = {
            key: sorted({str(p["demographics"][key]) for p in desk.people if p["demographics"].get(key)})
            for key in ("gender", "nationality")
        }
        runs = [entry_of(folder) for folder in reversed(list(desk.folders().values()))]
        return render(
            "studio.html.j2", example=example, profiles=names, runs=runs[:60], more=max(0, len(runs) - 60),
            people=len(desk.people), known=known, simulated=desk.simulated, profile=desk.profile,
            prompt=DEFAULT_PROMPT, rounds=desk.rounds, pictures=desk.pictures,
            data={"restart": desk.restart, "people": [str(p["id"]) for p in desk.people]},
        )  # fmt: skip

    @router.post("/studio/plan")
    def plan(wish: Wish) -> dict[str, Any]:
        found = desk.plan(wish.rounds, wish.pictures)
        most = "at most " if found["may_stop_early"] else ""
        text = f"{most}{found['images']:,} pictures, {most}about {wording.seconds(found['seconds'])}"
        return {"text": f"{text[0].upper()}{text[1:]} on {found['machine']}.", "paid": found["paid"]}

    @router.post("/studio/begin")
    def begin(wish: Begin) -> dict[str, Any]:
        prompt = clean_prompt(wish.prompt)
        words = [*wish.words(), f"--prompt={prompt}", *desk.options]
        if wish.kind == "participant" and desk.people:
            _check_participant(wish.who.strip(), desk.people)
        if wish.kind == "profile" and wish.who.strip() not in desk.profiles:
            raise UsageError(f"there is no profile {wish.who.strip()!r}: rate a few pictures first")
        paid = desk.plan(wish.rounds, wish.pictures)["paid"]
        if paid > wish.paid:
            raise UsageError(f"up to {paid} of these pictures cost money: agree to that first")
        words += [f"--iterations={wish.rounds}", f"--proposals={wish.pictures}"]
        words += [f"--paid-limit={paid}"] if paid else []
        words += ["--ask"] if wish.asks else []
        return {"name": desk.children.begin(wish.key, prompt, wish.slug, words)}

    @router.post("/studio/open")
    def open_(request: Request, wish: OpenWish) -> dict[str, str]:
        if wish.what == "rate":
            words = ["rate", checked_name(wish.name), *_only_reward(desk.options)]
            return {"url": desk.children.open_server(words, way_back(request, "/studio/"))}
        runs = [str(desk.folders()[name]) for name in wish.runs if name in desk.folders()]
        if not runs:
            raise UsageError("choose a finished run or more")
        if wish.what == "compare":
            if len(runs) != 2:
                raise UsageError("choose two finished runs to put beside each other")
            page = desk.children.make_page(["runs", "compare", *runs])
            return {"url": f"/runs/{quote(page.parent.name)}/versus.html"}
        return {"url": desk.children.open_server(["study", "start", *runs])}

    @router.get("/runs/{name}/versus.html")
    @router.get("/runs/{name}/versus.json")
    def versus(request: Request, name: str) -> Response:
        path = desk.out / name / request.url.path.rpartition("/")[2]
        beside = path.parent.resolve().parent == desk.out.resolve()
        if not beside or not path.is_file() or path.is_symlink():
            return fail(request, "there is no such comparison here", 404)
        kind = "text/html" if path.suffix == ".html" else "application/json"
        return FileResponse(path, media_type=kind, headers={"content-security-policy": VERSUS_POLICY})

    @router.get("/runs/{name}/gallery.html")
    def from_versus(name: str) -> Response:
        return RedirectResponse(f"/runs/{quote(name)}/", 303)

    @router.get("/studio/runs/{name}/")
    def page(name: str) -> Response:
        run = run_of(name)
        prompt = "" if run is None else str(run.record.config["prompt"])
        data = {"restart": desk.restart, "name": name}
        return render("studio_run.html.j2", name=name, prompt=prompt, data=data)

    @router.get("/studio/runs/{name}/state")
    def state(name: str, since: str = "") -> dict[str, Any]:
        return state_of(name, since)

    @router.post("/studio/runs/{name}/picks")
    def pick(name: str, given: GivenPick, since: str = "") -> dict[str, Any]:
        run = run_of(name)
        if run is None:
            raise _Late("the run has not begun yet: wait a moment")
        chosen = Pick(**given.model_dump(exclude_none=True))
        with run.lock:
            if chosen.key not in {one.key for one in run.picks.read()}:
                _check_pick(run, chosen)
            try:
                run.picks.give(chosen)
            except OSError as error:
                why = error.strerror or error
                raise RecordError(f"cannot write to {run.folder}: {why}; nothing was taken") from error
            if chosen.picture is not None and chosen.pick != "more":
                run.record.refresh()
                rate_picks(run.record, desk.profiles)
        return state_of(name, since)

    @router.post("/studio/runs/{name}/resume")
    def resume(name: str) -> dict[str, Any]:
        run = run_of(name)
        if run is None or run.record.status not in ("interrupted", "error"):
            raise _Late("this run is not at rest: reload the page")
        desk.children.resume(name, _only_servers(desk.options))
        return state_of(name, "")

    @router.get("/studio/runs/{name}/thumbs/{id}")
    def thumb(request: Request, name: str, id: str, small: bool = False) -> Response:
        run = run_of(name)
        path = None if run is None else run.folder / "images" / f"{id}.png"
        if run is None or path is None or id not in run.shown or not path.is_file():
            return fail(request, "there is no such picture in this run", 404)
        side = SMALL if small else THUMB
        place = path, path.stat().st_mtime, side
        with lock:
            made = thumbs.get(place)
        if made is None:
            made = webp(path, side, QUALITY)
            with lock:
                thumbs[place] = made
                while len(thumbs) > _KEPT_THUMBS:
                    thumbs.popitem(last=False)
        return Response(made, media_type="image/webp", headers={"cache-control": "private, max-age=86400"})

    return router


def _check_pick(run: LiveRun, pick: Pick) -> None:
    """Raises `PickError` for what cannot be done any more, or never could."""
    run.record.refresh()
    if pick.picture is not None and pick.picture not in run.shown:
        raise PickError(f"there is no picture {pick.picture} in this run: reload the page")
    ended = run.record.complete
    if ended and pick.pick not in ("heart", "bury", "clear"):
        raise _Late("this run has ended: begin another one from its words")
    if pick.pick == "pause" and not run.record.locked:
        raise _Late("this run is not at work just now: reload the page")
    review = run.review()
    if pick.pick in ("strike", "change", "go"):
        if review is None or review["iteration"] != pick.iteration:
            raise _Late("that round is being rendered already")
        if pick.prompt is not None and pick.prompt not in [one["prompt"] for one in review["prompts"]]:
            raise _Late("that wording was changed meanwhile: look again")
    if pick.to is not None:
        check_wanted(run.record.config, pick.to)
    if pick.to is not None and review is not None:
        from steer.gates.text import normalize

        same = [one["prompt"] for one in review["prompts"] if one["prompt"] != pick.prompt]
        if normalize(pick.to) in {normalize(one) for one in [*same, *run.wordings]}:
            raise PickError("that wording is among them already, or was rendered before")


def _check_participant(who: str, people: Sequence[Mapping[str, Any]]) -> None:
    """An id, or a position."""
    position = who.isascii() and who.isdigit() and 1 <= int(who[:9]) <= len(people)
    if who not in {str(p["id"]) for p in people} and not position:
        raise UsageError(f"nobody known is called {who!r}: take a number from 1 to {len(people)}")


def _only_reward(words: Sequence[str]) -> list[str]:
    """The option that `steer rate` shares with `steer run`."""
    return [word for word in words if word.startswith("--reward=")]


def _only_servers(words: Sequence[str]) -> list[str]:
    """The options that `steer runs resume` takes: a record names no server that is used on its word alone."""
    return [word for word in words if word.startswith(("--vllm-python=", "--llm-url=", "--renderer-url="))]


def _not_begun(status: str, said: str) -> dict[str, Any]:
    """The state of a run that has no folder yet."""
    return {
        "cursor": "", "whole": True, "status": status, "error": said if status == "error" else None,
        "phase": said if status == "starting" else "", "done": 0, "total": 0, "round": 0, "rounds": 0,
        "left": "", "pictures": 0, "cards": [], "best": None, "gain": None, "review": None, "asks": False,
        "stopping": False, "pausing": False, "verdict": [], "notes": [], "prompt": "", "person": "",
        "profile": None,
    }  # fmt: skip
