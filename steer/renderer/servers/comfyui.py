"""ComfyUI: its queue, its history, its pictures.

The id of what is queued follows from what is asked for, so that a run that goes on finds what is waiting,
running or done, on whichever of the servers, and asks for nothing twice. Queue and history live in the
server's memory: what is in neither is asked for again.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from steer.errors import RendererDown, RendererError, UsageError
from steer.parts import Capabilities
from steer.renderer.servers import pictures
from steer.renderer.servers.http import FIRST, Http, NoRoute, Refused
from steer.renderer.servers.kind import Asked, Kind
from steer.renderer.servers.workflow import Graph, Workflow, read_workflow
from steer.wire import one_line

if TYPE_CHECKING:
    from PIL.Image import Image

AT_ONCE = 2  # in a server's queue: one is made while the one before is fetched
FIRST_LOOK, LAST_LOOK = 0.005, 0.5  # seconds between two looks at the history
LOOK_AT_QUEUE = 2.0  # seconds between two looks at the queue
PATIENCE = 600.0  # seconds that nothing may happen
TRIES = 50  # failures of earlier sessions that are passed over
NAMESPACE = uuid.UUID("5c1f0a0e-6c3e-5d0b-9d0e-1b6f3a1d7c55")
LOADERS = {"ckpt_name": "CheckpointLoaderSimple", "unet_name": "UNETLoader"}
SHOWN = 12  # names that a message lists at most


class ComfyUI(Kind):
    """Pictures of a workflow, on one server or several."""

    label = "ComfyUI"
    advice = "; what the workflow has can be set in the workflow"

    def __init__(
        self,
        servers: Sequence[Http],
        model: str | None,
        asked: Asked,
        workflow: str | None,
        nodes: Sequence[str] = (),
        patience: float = PATIENCE,
    ) -> None:
        if workflow is None:
            raise UsageError(
                "ComfyUI makes what a workflow says: --workflow FILE, exported there with Workflow > "
                "Export (API); or one "
                "of steer's own: --workflow sd, --workflow flux2-klein"
            )
        self.workflow = read_workflow(workflow, nodes)
        self._patience = patience
        versions = [_version(server) for server in servers]
        for server in servers:
            _lacks_nothing(server, self.workflow)
        named = _model(servers[0], self.workflow, model)
        self._sent_model = named if model or _is_marked(self.workflow, "model") else None
        super().__init__(servers, named, asked, slots=AT_ONCE * len(servers))
        self.software = f"ComfyUI {versions[0]}"
        # A workflow's own size is what it is; that of another is asked for.
        self.capabilities = Capabilities(
            negative="negative" in self.workflow.places,
            steps="steps" in self.workflow.places,
            guidance="guidance" in self.workflow.places,
            sizes="width" in self.workflow.places and "height" in self.workflow.places,
        )
        self._graph("", 0)  # what is missing is told before anything starts
        self._client = str(uuid.uuid4())  # some versions leave cached outputs out for clients without one

    @property
    def settings(self) -> dict[str, Any]:
        """The workflow."""
        return {
            "workflow": self.workflow.graph,
            "places": {k: list(map(str, v)) for k, v in self.workflow.places.items()},
        }

    def make(self, prompt: str, seed: int, take: int = 0) -> Image:
        """See `Kind.make`. What any of the servers has, or is at, is not asked for again."""
        graph = self._graph(prompt, seed)
        for attempt in range(TRIES):
            id = str(uuid.uuid5(NAMESPACE, json.dumps([graph, take, attempt], sort_keys=True)))
            found = self._found(id)
            if found is not None and _failed(found[1]):
                continue  # of an earlier session: it may have been mended since
            data = self._finished(id, graph if attempt == 0 else _renamed(graph, id), found)
            if data is not None:
                who = f"the server at {self.address}"
                if not pictures.is_png(data):
                    self._notes.add(
                        "the workflow saves pictures in a format that may lose details; use SaveImage"
                    )
                return pictures.read(data, who, self.asked.size)
        raise RendererError(
            "ComfyUI has run the workflow for this picture and keeps none of it: does "
            f"{self.workflow.name} end in "
            "SaveImage or PreviewImage?"
        )

    def rest(self) -> None:
        """Has the servers of this machine give their memory back."""
        for server in self._balance.up:
            if server.local:
                server.post("/free", {"unload_models": True, "free_memory": True})
                self._notes.add(
                    "ComfyUI gives its memory back between the phases, since it is on this machine"
                )

    # --- one picture

    def _graph(self, prompt: str, seed: int) -> Graph:
        asked = self.asked
        return self.workflow.filled(
            {
                "prompt": prompt, "seed": seed, "width": asked.width, "height": asked.height,
                "steps": asked.steps, "guidance": asked.guidance, "negative": asked.negative,
                "model": self._sent_model,
            }
        )  # fmt: skip

    def _found(self, id: str) -> tuple[Http, dict[str, Any] | None] | None:
        """The server that knows of it, and what its history says; None where nobody does."""
        for server in self._balance.up:
            try:
                waiting, entry = _state(server, id)
            except RendererDown as error:
                self._balance.drop(server, error)
                continue
            if waiting or entry is not None:
                return server, entry
        return None

    def _finished(
        self, id: str, graph: Graph, found: tuple[Http, dict[str, Any] | None] | None
    ) -> bytes | None:
        """The picture's bytes; None where the server has run it and keeps nothing."""
        if found is not None:
            server, entry = found
            try:
                return self._picture(server, entry or self._waited(server, id, graph))
            except RendererDown as error:
                self._balance.drop(server, error)
        return self._on_some_server(lambda server: self._picture(server, self._asked(server, id, graph)))

    def _asked(self, server: Http, id: str, graph: Graph) -> dict[str, Any]:
        self._queue(server, id, graph)
        return self._waited(server, id, graph)

    def _queue(self, server: Http, id: str, graph: Graph) -> None:
        """Puts it into the queue, once: where the connection broke, it is looked for before the next try."""
        body = {"prompt": graph, "client_id": self._client, "prompt_id": id}
        for last in (False, False, True):
            try:
                answer = server.post("/prompt", body, once=True)
            except Refused as error:
                raise RendererDown(f"ComfyUI does not run {self.workflow.name}: {error.detail}") from error
            except RendererError as error:
                if last or isinstance(error, RendererDown):
                    raise
                server.stop.wait(LAST_LOOK)
                waiting, entry = _state(server, id)
                if waiting or entry is not None:
                    return
                continue
            given = answer.get("prompt_id") if isinstance(answer, dict) else None
            if given != id:
                raise RendererDown(
                    f"ComfyUI at {server.url} does not take the id of a picture, so a run could not go on "
                    "after a stop: "
                    "update it"
                )
            return

    def _waited(self, server: Http, id: str, graph: Graph) -> dict[str, Any]:
        """Its entry in the history, once there is one."""
        pause, seen = FIRST_LOOK, time.monotonic()
        ahead, since = -1, seen
        while True:
            if (entry := _entry(server, id)) is not None:
                return entry
            if server.stop.wait(pause):
                raise RendererError("the run is over")
            pause = min(LAST_LOOK, 1.5 * pause)
            now = time.monotonic()
            if now - seen < LOOK_AT_QUEUE:
                continue
            seen = now
            place = _place(server, id)
            if place is None:
                if (entry := _entry(server, id)) is not None:
                    return entry
                self._notes.add(
                    "ComfyUI was started again and had lost its queue: what was lost was asked for again"
                )
                self._queue(server, id, graph)
            elif place != ahead:
                ahead, since = place, now
            elif now - since > self._patience:
                raise RendererDown(
                    f"ComfyUI at {server.url} is at one picture for {self._patience:.0f} seconds: look at "
                    "its log, and "
                    "start it again"
                )

    def _picture(self, server: Http, entry: Mapping[str, Any]) -> bytes | None:
        """The one picture of a finished workflow."""
        if why := _failed(entry):
            raise RendererError(f"ComfyUI failed on it: {why}")
        outputs = entry.get("outputs")
        shown = [
            [one for one in each["images"] if isinstance(one, dict) and isinstance(one.get("filename"), str)]
            for each in (outputs.values() if isinstance(outputs, dict) else ())
            if isinstance(each, dict) and isinstance(each.get("images"), list)
        ]
        saved = [images for images in shown if any(one.get("type") == "output" for one in images)] or shown
        if not any(saved):
            return None
        if len(saved) > 1 or len(saved[0]) > 1:
            raise RendererDown(
                f"{self.workflow.name} makes {sum(map(len, saved))} pictures at once and should make one: "
                "set batch_size "
                "to 1, and leave one SaveImage in it"
            )
        picture = saved[0][0]
        query = {name: str(picture.get(name) or "") for name in ("filename", "subfolder", "type")}
        try:
            return server.file("/view", **query)
        except (NoRoute, Refused):  # somebody tidied up
            return None


# --- what the server says


def answers(server: Http) -> bool:
    """Whether the server at this address is of this kind."""
    try:
        found = server.get("/system_stats", attempts=FIRST)
    except NoRoute:
        return False
    return isinstance(found, dict) and isinstance(found.get("system"), dict) and "devices" in found


def _version(server: Http) -> str:
    found = server.get("/system_stats", attempts=FIRST)
    system = found.get("system") if isinstance(found, dict) else None
    return one_line(str(system.get("comfyui_version") or "")) if isinstance(system, dict) else ""


def _lacks_nothing(server: Http, workflow: Workflow) -> None:
    lacking = [kind for kind in workflow.classes if not server.get(f"/object_info/{kind}")]
    if lacking:
        raise RendererDown(
            f"ComfyUI at {server.url} lacks the nodes {', '.join(map(one_line, lacking[:SHOWN]))} of "
            f"{workflow.name}: "
            "install or update them there"
        )


def _model(server: Http, workflow: Workflow, given: str | None) -> str:
    """The checkpoint that the workflow loads. Raises `UsageError`, `RendererDown`."""
    places = workflow.places.get("model", ())
    if not places:
        if given is not None:
            raise UsageError(
                f"{workflow.name} has no single place for --renderer {given}: choose the model in the "
                "workflow"
            )
        return workflow.name
    place = places[0]
    written = workflow.graph[place.node]["inputs"][place.input]
    if given is None and not _is_marked(workflow, "model"):
        return str(written)
    names = _choices(server, workflow.graph[place.node]["class_type"], place.input)
    if given is None and len(names) == 1:
        return names[0]
    if given is None or (names and given not in names):
        shown = ", ".join(one_line(name, 80) for name in names[:SHOWN]) or "none"
        lacks = (
            "has several models"
            if given is None and names
            else f"has no model {given!r}"
            if given
            else "has no model"
        )
        raise RendererDown(f"ComfyUI at {server.url} {lacks}; choose with --renderer: {shown}")
    return given


def _is_marked(workflow: Workflow, name: str) -> bool:
    """Whether the file has a placeholder there."""
    return any(
        "%" in str(workflow.graph[place.node]["inputs"][place.input])
        for place in workflow.places.get(name, ())
    )


def _choices(server: Http, kind: str, input: str) -> list[str]:
    """What a loader can load."""
    found = server.get(f"/object_info/{kind}")
    try:
        choice = found[kind]["input"]["required"][input]
        names = choice[1]["options"] if choice[0] == "COMBO" else choice[0]
    except (LookupError, TypeError):
        return []
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def _state(server: Http, id: str) -> tuple[bool, dict[str, Any] | None]:
    """Whether it waits or runs, and its entry in the history.

    In this order: what leaves the queue between the two looks is in the history.
    """
    waiting = _place(server, id) is not None
    return waiting, None if waiting else _entry(server, id)


def _place(server: Http, id: str) -> int | None:
    """How many are before it in the queue; None where it is not in it."""
    found = server.get("/queue")
    if not isinstance(found, dict):
        return None
    running, pending = (_items(found.get(name)) for name in ("queue_running", "queue_pending"))
    if any(one[1] == id for one in running):
        return 0
    numbers = {one[1]: one[0] for one in pending}
    return 1 + sum(number < numbers[id] for number in numbers.values()) if id in numbers else None


def _items(queue: Any) -> list[list[Any]]:
    """Number and id are the first two of what a queue holds for each."""
    return [one for one in queue if isinstance(one, list) and len(one) > 1] if isinstance(queue, list) else []


def _entry(server: Http, id: str) -> dict[str, Any] | None:
    found = server.get(f"/history/{id}")
    entry = found.get(id) if isinstance(found, dict) else None
    return entry if isinstance(entry, dict) else None


def _failed(entry: Mapping[str, Any] | None) -> str | None:
    """Why it failed, on one line; None where it did not."""
    status = entry.get("status") if entry else None
    if not isinstance(status, dict) or status.get("status_str") != "error":
        return None
    messages = status.get("messages")
    for message in reversed(messages) if isinstance(messages, list) else ():
        if isinstance(message, list) and len(message) == 2 and isinstance(message[1], dict):
            told = message[1]
            if message[0] == "execution_interrupted":
                return "somebody stopped it there"
            if "exception_message" in told:
                return one_line(f"{told.get('node_type', '')}: {told['exception_message']}")
    return "its log says why"


def _renamed(graph: Graph, id: str) -> Graph:
    """Saved under another name, which makes ComfyUI save what it has in its cache."""
    renamed = json.loads(json.dumps(graph))
    for node in renamed.values():
        if isinstance(prefix := node["inputs"].get("filename_prefix"), str):
            node["inputs"]["filename_prefix"] = f"{prefix}-{id[:8]}"
    return renamed
