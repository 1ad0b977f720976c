"""The rating page: one picture at a time into a profile, and what its ratings say by now.

/            on to /start or /rate
/start       what it is about; demographics, which may be left out
/rate        one picture and the slider; /rate/state, /rate/ratings, /rate/undo, /rate/skip for its script
/learnt      what has been learnt, and the command to go on with
/taste       what seems to be liked, to read and correct, see `steer.pages.taste`
/pictures/ID a picture that was offered or rated, and nothing else
"""

from __future__ import annotations

import threading
from typing import Annotated, Any

from fastapi import APIRouter, Body
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response

from reward.errors import RewardError
from steer.errors import NotReady, ProfileError, SteerError
from steer.pages.learnt_view import build
from steer.pages.server import fail, render
from steer.pages.taste import taste_pages
from steer.profiles import Demographics, Profile
from steer.profiles.pictures import MEDIA_TYPES
from steer.profiles.session import Item, RatingSession

GOALS = (15, 25, 40, 60, 100, 150, 200)  # the paper's context size, then when what was learnt is shown again
ANCHORS = ("Bad", "Poor", "Fair", "Good", "Excellent")  # of the slider, at 1 to 5: appendix 0.B.1

Id = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class RatedElsewhere(SteerError):
    """The page shows a picture that is not the one to rate now."""

    status = 409


class SentRating(BaseModel):
    """One rating, as the page sends it; the same one may come twice."""

    id: Id
    value: float = Field(ge=1, le=5, allow_inf_nan=False, strict=True)


class SentDemographics(BaseModel):
    """Demographics; None is "prefer not to say"."""

    age: int | None = None
    gender: str | None = None
    nationality: str | None = None


class SharedSession:
    """One rating session as pages see it: whatever they send twice, late or from two tabs is taken once."""

    def __init__(self, profile: Profile, session: RatingSession) -> None:
        self.profile, self.session = profile, session
        self._lock = threading.Lock()
        self._practised: tuple[str, float] | None = None  # the last practice trial
        self._failure = ""  # why there are no more pictures, if the source did not just end
        self._before: tuple[str, float] | None = None  # picture shown again after undo, and what it had

    def state(self, reached: bool = False) -> dict[str, Any]:
        """What the page shows now. `reached`: a rating has just made the goal."""
        item, waiting = self._next()
        progress = self.session.progress
        count = progress.ratings
        return {
            "item": None if item is None else self._item(item),
            "waiting": waiting,
            "ratings": count,
            "goal": next((goal for goal in GOALS if goal > count), (count // 100 + 1) * 100),
            "reached": reached,
            "practice_left": progress.practice_left,
            "can_undo": count > 0 or self._practised is not None,
            "unreadable": progress.unreadable,
            "source": progress.source,
            "failure": self._failure,
        }

    def rate(self, id: str, value: float) -> dict[str, Any]:
        """On disk when this returns. Raises `RatedElsewhere`, `ProfileError`."""
        with self._lock:
            item, _ = self._next()
            if item is None or item.id != id:
                if not self._is_last(id, value):  # the answer to the first request was lost
                    raise RatedElsewhere("this picture was rated in another tab or session; here is the next")
                return self.state()
            kept = self.session.rate(id, value)
            self._practised = (id, value) if kept is None else None
            self._before = None
            return self.state(reached=kept is not None and self.session.progress.ratings in GOALS)

    def undo(self, shown: str | None) -> dict[str, Any]:
        """Take back the last rating, if the page still shows what comes after it."""
        with self._lock:
            item, _ = self._next()
            if (item.id if item else None) == shown:
                last = self.profile.ratings[-1] if self.profile.ratings else None
                again = self.session.undo()
                if again is not None:
                    had = self._practised[1] if again.practice and self._practised else None
                    if last is not None and last.picture.startswith(again.id):
                        had = last.rating
                    self._before = (again.id, had) if had is not None else None
                self._practised = None
            return self.state()

    def skip(self, id: str) -> dict[str, Any]:
        """Show another picture instead."""
        with self._lock:
            item, _ = self._next()
            if item is not None and item.id == id:
                self.session.skip(id)
            return self.state()

    def _next(self) -> tuple[Item | None, bool]:
        """The picture to rate, and whether there is none only because none is ready yet."""
        try:
            return self.session.next(0.0), False
        except NotReady:
            return None, True
        except (SteerError, RewardError) as error:  # the source broke: what was rated is kept all the same
            self._failure = str(error)
            return None, False

    def _item(self, item: Item) -> dict[str, Any]:
        had = self._before[1] if self._before and self._before[0] == item.id else None
        return {
            "id": item.id,
            "prompt": item.prompt,
            "practice": item.practice,
            "in_domain": item.in_domain,
            "value": had,
        }

    def _is_last(self, id: str, value: float) -> bool:
        if self._practised == (id, value):
            return True
        last = self.profile.ratings[-1:]
        return any(one.picture.startswith(id) and one.rating == value for one in last)


def rating_pages(
    profile: Profile, session: RatingSession, *, simulated: bool, known: dict[str, list[str]], restart: str,
    back: str = "",
) -> APIRouter:  # fmt: skip
    """The pages of one profile.

    `known` are demographics of the known people, as suggestions: gender, nationality. `restart` is the
    command that starts this page again, `back` the address of the page that opened it.
    """
    desk = SharedSession(profile, session)
    router = APIRouter()
    router.include_router(
        taste_pages(profile.name, session.taste, profile=profile, simulated=simulated, restart=restart)
    )

    @router.get("/")
    def home() -> Response:
        return RedirectResponse("/rate" if profile.ratings else "/start", 303)

    @router.get("/start")
    def start() -> Response:
        return render(
            "start.html.j2", name=profile.name, told=profile.demographics.known(), known=known,
            simulated=simulated, goal=GOALS[0], back=back, data={"restart": restart},
        )  # fmt: skip

    @router.get("/rate")
    def page() -> Response:
        data = {"restart": restart, "anchors": ANCHORS}
        return render(
            "rate.html.j2", name=profile.name, anchors=ANCHORS, simulated=simulated, back=back, data=data
        )

    @router.get("/rate/state")
    def state() -> dict[str, Any]:
        return desk.state()

    @router.post("/rate/ratings")
    def rate(given: SentRating) -> dict[str, Any]:
        return desk.rate(given.id, given.value)

    @router.post("/rate/undo")
    def undo(shown: Annotated[str | None, Body(embed=True)] = None) -> dict[str, Any]:
        return desk.undo(shown)

    @router.post("/rate/skip")
    def skip(id: Annotated[Id, Body(embed=True)]) -> dict[str, Any]:
        return desk.skip(id)

    @router.post("/demographics")
    def tell(told: SentDemographics) -> dict[str, bool]:
        clean = {key: " ".join(str(value).split()) or None for key, value in _texts(told).items()}
        profile.tell(Demographics(age=told.age, **clean))
        return {"saved": True}

    @router.get("/learnt")
    def learnt() -> Response:
        page = build(session.learnt(), profile.name, session.progress.source)
        return render("learnt.html.j2", page=page, back=back, data={"restart": restart})

    @router.get("/pictures/{id}")
    def picture(request: Request, id: str) -> Response:
        try:
            path = session.picture(id)
        except ProfileError as error:
            return fail(request, str(error), 404)
        kind = MEDIA_TYPES.get(path.suffix.lower())
        if kind is None or not path.is_file():
            return fail(request, "this picture is gone: go on with the next", 404)
        # Named by its content, so it never changes.
        return FileResponse(path, media_type=kind, headers={"cache-control": "private, max-age=86400"})

    return router


def _texts(told: SentDemographics) -> dict[str, str]:
    return {"gender": told.gender or "", "nationality": told.nationality or ""}
