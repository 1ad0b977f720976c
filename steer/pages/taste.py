"""A taste to read, and its owner's to correct: likings, pictures that show each, one click against each.

/taste             the page; the page of what was learnt shows the same
/taste/state       what it shows now
/taste/say         always, never, pin, strike or clear a phrase: one step
/taste/undo        take back the step that the page shows as the last
/taste/pictures/ID a picture that its owner rated, and nothing else
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from steer.errors import UsageError
from steer.pages.server import fail, render
from steer.profiles import Profile
from steer.profiles.corrections import Change
from steer.profiles.pictures import MEDIA_TYPES
from steer.profiles.snapshot import Rating
from steer.profiles.taste import Held, ReadableTaste
from steer.profiles.taste_text import about
from steer.taste import LONGEST


class Said(BaseModel):
    """One correction, as the page sends it; the same one may come twice."""

    verb: Literal["always", "never", "pin", "strike", "clear"]
    phrase: str = Field(min_length=1, max_length=2 * LONGEST)


def taste_pages(
    name: str,
    read: Callable[[], ReadableTaste],
    *,
    profile: Profile | None = None,
    simulated: bool = False,
    restart: str = "",
) -> APIRouter:
    """The pages of one taste. Without a `profile` they can only be read.

    `name` is whose, `read` reads the taste as it is now, `restart` the command that starts the pages.
    """
    router = APIRouter()

    def state() -> dict[str, Any]:
        found = read()
        step = None if profile is None else profile.corrections.last_step
        return {
            "editable": profile is not None,
            "ratings": None if profile is None else len(profile.ratings),
            "held": [_held(one) for one in found.all],
            "undo": None if step is None else {"id": step.id, "words": ", ".join(step.words)},
        }

    def owner() -> Profile:
        if profile is None:
            raise UsageError(f"the taste of {name} is read-only; your own is a profile's: steer rate me")
        return profile

    @router.get("/taste")
    def page() -> Response:
        values = {"restart": restart, "name": name}
        return render(
            "taste.html.j2", name=name, editable=profile is not None, simulated=simulated, data=values
        )

    @router.get("/taste/state")
    def now() -> dict[str, Any]:
        return state()

    @router.post("/taste/say")
    def say(said: Said) -> dict[str, Any]:
        corrections = owner().corrections
        known = said.verb == "clear"  # sent again, there is nothing left to clear, and that is no error
        corrections.say(Change("clear", said.phrase) if known else read().change(said.verb, said.phrase))
        return state()

    @router.post("/taste/undo")
    def undo(step: Annotated[str, Body(embed=True, max_length=12)]) -> dict[str, Any]:
        owner().corrections.undo(step)
        return state()

    @router.get("/taste/pictures/{id}")
    def picture(request: Request, id: str) -> Response:
        ratings = () if profile is None else profile.ratings
        found = next((one for one in ratings if _id(one) == id), None)
        path = None if profile is None or found is None else profile.path(found)
        if path is None or not path.is_file():
            return fail(request, "this picture is gone", 404)
        kind = MEDIA_TYPES[path.suffix.lower()]
        # Named by its content, so it never changes.
        return FileResponse(path, media_type=kind, headers={"cache-control": "private, max-age=86400"})

    return router


def _held(held: Held) -> dict[str, Any]:
    return {
        "phrase": held.phrase,
        "likes": held.likes,
        "told": held.told,
        "said": None if held.correction is None else held.correction.verb,
        "about": about(held),
        "sure": held.sure,
        "pictures": [
            {"id": _id(one), "prompt": one.prompt, "rating": round(one.rating, 1)} for one in held.pictures
        ],
    }


def _id(rating: Rating) -> str:
    return rating.picture.partition(".")[0]
