"""The page of a study: two pictures beside each other, and nothing that tells how they were made.

/study                          who are you? New raters and those who come back
/study/KEY                      two pictures; KEY/state, KEY/answers and KEY/undo for its script
/study/KEY/pictures/N/left      a picture of this rater's pair N; left and right are all that an address says
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from steer.errors import UsageError
from steer.pages.server import fail, render
from steer.study.answers import LONGEST_NAME, OpenStudy, Preferred, Rater


class RaterName(BaseModel):
    """Who begins."""

    name: str = Field(max_length=10 * LONGEST_NAME)
    person: str | None = None


class Choice(BaseModel):
    """One answer, as the page sends it; the same one may come twice."""

    number: int = Field(ge=0)
    answer: Preferred
    seconds: float = Field(ge=0, le=86_400, allow_inf_nan=False)


def study_pages(desk: OpenStudy, *, restart: str, report: str) -> APIRouter:
    """The pages of one study; `restart` and `report` are the commands that open it again and rank it."""
    router = APIRouter()

    @router.get("/study")
    def start() -> Response:
        people = [{"id": person, "name": name} for person, name in desk.design.claimable.items()]
        return render("study_start.html.j2", people=people, longest=LONGEST_NAME, data={"restart": restart})

    @router.post("/study/raters")
    def begin(told: RaterName) -> dict[str, str]:
        return {"address": f"/study/{desk.begin(told.name, told.person).key}"}

    @router.get("/study/{key}")
    def page(request: Request, key: str) -> Response:
        try:
            rater = desk.rater(key)
        except UsageError as error:
            return fail(request, str(error), 404)
        data = {"restart": restart, "key": key}
        return render("study.html.j2", name=rater.name, report=report, data=data)

    @router.get("/study/{key}/state")
    def state(key: str) -> dict[str, Any]:
        return state_of(desk.rater(key))

    @router.post("/study/{key}/answers")
    def answer(key: str, given: Choice) -> dict[str, Any]:
        return state_of(desk.answer(key, given.number, given.answer, given.seconds))

    @router.post("/study/{key}/undo")
    def undo(key: str, shown: Annotated[int | None, Body(embed=True)] = None) -> dict[str, Any]:
        return state_of(desk.undo(key, shown))

    @router.get("/study/{key}/pictures/{number}/{side}")
    def picture(request: Request, key: str, number: int, side: Literal["left", "right"]) -> Response:
        pairs = desk.rater(key).pairs
        if not 0 <= number < len(pairs):
            return fail(request, "there is no such pair", 404)
        path = desk.design.picture_file(getattr(pairs[number], side))
        if not path.is_file() or path.is_symlink():
            return fail(request, "this picture is gone: make the study again", 404)
        # Sent as bytes: the date of the file and the hash of its name say nothing either.
        return Response(
            path.read_bytes(), media_type="image/png", headers={"cache-control": "private, max-age=86400"}
        )

    return router


def state_of(rater: Rater) -> dict[str, Any]:
    """What the page shows now."""
    number = rater.next
    following = (
        [] if number is None else [i for i in range(number + 1, len(rater.pairs)) if i not in rater.given]
    )
    return {
        "number": number,
        "following": following[:1],  # loaded while this pair is looked at
        "done": len(rater.given),
        "of": len(rater.pairs),
        "can_undo": bool(rater.given),
    }
