"""Servers that make pictures, on real sockets of this machine, with no model behind them.

Each plays its kind's contract: a picture follows from prompt and seed alone. `faults` are played first, one
for each request for a picture.
"""

from __future__ import annotations

import base64
import heapq
import io
import json
import socket
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from fakes import FakeRenderer
from PIL import Image

from steer.renderer.servers.http import Http

Answer = tuple[int, dict[str, str], bytes]  # status, headers, body
Fault = Callable[[Answer], Answer | None]  # what becomes of the answer; None: the connection is closed


@contextmanager
def all_closed(monkeypatch: Any) -> Iterator[None]:
    """What is opened in here is closed at the end, however a test leaves it."""
    opened = []

    def client(self: Http, opens: Callable[[Http], Any] = Http._client) -> Any:
        opened.append(opens(self))
        return opened[-1]

    monkeypatch.setattr(Http, "_client", client)
    try:
        yield
    finally:
        for each in opened:
            each.close()


# --- faults


def status(code: int, message: str = "no reason", **headers: str) -> Fault:
    return lambda _: answer(
        {"error": {"message": message}}, code, **{k.replace("_", "-"): v for k, v in headers.items()}
    )


def web_page(_: Answer) -> Answer:
    return 200, {"content-type": "text/html"}, b"<html><body>Please log in</body></html>"


def closed(_: Answer) -> None:
    return None


def cut_midway(made: Answer) -> Answer:
    """Says how long it is, and ends before."""
    code, headers, body = made
    return code, {**headers, "x-cut": "1"}, body


def hanging(seconds: float) -> Fault:
    def hang(made: Answer) -> Answer:
        time.sleep(seconds)
        return made

    return hang


def answer(content: Any, code: int = 200, **headers: str) -> Answer:
    return code, {"content-type": "application/json", **headers}, json.dumps(content).encode()


# --- pictures


def picture(prompt: str, seed: int, size: tuple[int, int], form: str = "PNG") -> bytes:
    """What every fake makes of a prompt and a seed."""
    return encoded(FakeRenderer(size=size[0]).image(prompt, seed), form)


def encoded(image: Image.Image, form: str = "PNG") -> bytes:
    data = io.BytesIO()
    image.save(data, form)
    return data.getvalue()


def black(size: tuple[int, int]) -> bytes:
    return encoded(Image.new("RGB", size))


class FakeServer:
    """Serves while it is open. `port` 0 takes any."""

    def __init__(self, port: int = 0) -> None:
        self.faults: deque[Fault] = deque()
        self.asked: list[Any] = []  # bodies of the requests for pictures
        self.keys: list[str | None] = []
        self.wanted: str | None = None  # the only authorization that is let in
        self.delay = 0.0  # seconds for one picture
        self.make: Callable[[str, int, tuple[int, int]], bytes] = picture
        self.lock = threading.Lock()
        self.connections: list[socket.socket] = []
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self) -> None:
                super().setup()
                fake.connections.append(self.connection)

            def do_GET(self) -> None:
                self.reply("GET", None)

            def do_POST(self) -> None:
                self.reply("POST", json.loads(self.rfile.read(int(self.headers["content-length"])) or b"{}"))

            def reply(self, method: str, body: Any) -> None:
                url = urlsplit(self.path)
                key = self.headers.get("authorization") or self.headers.get("x-key")
                fake.keys.append(key)
                if fake.wanted is not None and key != fake.wanted:
                    made: Answer | None = answer({"error": {"message": f"{key} is wrong"}}, 401)
                else:
                    query = {name: values[0] for name, values in parse_qs(url.query).items()}
                    made = fake.route(method, url.path, query, body) or answer({"detail": "Not Found"}, 404)
                if fake.is_picture(method, url.path) and fake.faults:
                    made = fake.faults.popleft()(made)
                if made is None:
                    self.close_connection = True
                    return
                code, headers, data = made
                cut = headers.pop("x-cut", None)
                self.send_response(code)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                if cut:
                    data, self.close_connection = data[: len(data) // 2], True
                try:
                    self.wfile.write(data)
                except OSError:  # nobody waits for it any more
                    self.close_connection = True

            def log_message(self, *args: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *args: Any) -> None:
                pass

        self._server = Server(("127.0.0.1", port), Handler)
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"

    def route(self, method: str, path: str, query: dict[str, str], body: Any) -> Answer | None:
        raise NotImplementedError

    def is_picture(self, method: str, path: str) -> bool:
        """Whether faults are played there."""
        return method == "POST"

    def __enter__(self) -> Any:
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        for each in self.connections:  # a server that ends takes its connections with it
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


class FakeSdApi(FakeServer):
    """`/sdapi/v1`, as A1111 has it: one lock, image i of a batch has seed + i."""

    checkpoint = "tiny.safetensors [abc]"

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self.prefix = ""  # that base64 begins with
        self.info: Callable[[dict[str, Any]], dict[str, Any]] = lambda told: told
        self.images: int = 1

    def route(self, method: str, path: str, query: dict[str, str], body: Any) -> Answer | None:
        if path == "/sdapi/v1/options":
            return answer({"sd_model_checkpoint": self.checkpoint, "samples_format": "png"})
        if path != "/sdapi/v1/txt2img":
            return None
        self.asked.append(body)
        size = body.get("width", 512), body.get("height", 512)
        with self.lock:
            time.sleep(self.delay)
            made = [self.make(body["prompt"], body["seed"] + i, size) for i in range(self.images)]
        told = self.info({"prompt": body["prompt"], "seed": body["seed"], "all_seeds": [body["seed"]]})
        return answer(
            {
                "images": [self.prefix + base64.b64encode(each).decode() for each in made],
                "parameters": body,
                "info": json.dumps(told),
            }
        )


class FakeImages(FakeServer):
    """`/v1/images/generations`. `strict` refuses these fields; `as_url` answers with an address."""

    def __init__(self, port: int = 0, models: tuple[str, ...] = ("tiny-flux",), as_url: bool = False) -> None:
        super().__init__(port)
        self.models, self.as_url = models, as_url
        self.strict: tuple[str, ...] = ()
        self.revised: str | None = None
        self.ignores_seeds = False
        self.kept: dict[str, bytes] = {}

    def route(self, method: str, path: str, query: dict[str, str], body: Any) -> Answer | None:
        if path == "/v1/models":
            return answer({"object": "list", "data": [{"id": name} for name in self.models]})
        if path.startswith("/files/"):
            return 200, {"content-type": "image/png"}, self.kept[path]
        if path != "/v1/images/generations":
            return None
        if not body:
            return answer({"error": {"message": "prompt is required"}}, 400)
        for field in self.strict:
            if field in body:
                return answer({"error": {"message": f"Unknown parameter: '{field}'."}}, 400)
        self.asked.append(body)
        time.sleep(self.delay)
        width, height = map(int, body["size"].split("x"))
        seed = len(self.asked) if self.ignores_seeds else body.get("seed", 42)
        data = self.make(body["prompt"], seed, (width, height))
        shown = {"b64_json": base64.b64encode(data).decode(), "url": None, "revised_prompt": self.revised}
        if self.as_url:
            name = f"/files/{len(self.kept)}.png"
            self.kept[name] = data
            shown = {"url": name}
        return answer({"created": 1, "data": [shown]})


class FakeComfy(FakeServer):
    """ComfyUI: a queue and a history in memory, a picture at a time, files that outlive both.

    `executed` counts how often each graph was worked on; one whose outputs are cached is not. `patchy` leaves
    the outputs of cached graphs out of the history, as some versions do.
    """

    checkpoints = ("tiny.safetensors",)
    version = "0.3.64"

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self.queue: list[tuple[int, str, dict[str, Any]]] = []
        self.running: tuple[int, str, dict[str, Any]] | None = None
        self.history: dict[str, dict[str, Any]] = {}
        self.files: dict[str, bytes] = {}
        self.executed: list[tuple[str, int]] = []  # prompt and seed of what was made
        self.posted: list[str] = []  # ids
        self.freed = 0
        self.lacks: tuple[str, ...] = ()
        self.fails: Callable[[str], str | None] = lambda prompt: None  # with which message
        self.patchy = self.paused = self.takes_no_id = False
        self.per_graph = 1  # pictures
        self.form = "PNG"
        self._cached = ""
        self._more = threading.Condition(self.lock)
        self._open = True

    def restart(self) -> None:
        """Queue and history are lost, files are not."""
        with self._more:
            self.queue, self.running, self.history, self._cached = [], None, {}, ""

    def __enter__(self) -> Any:
        self._worker = threading.Thread(target=self._work)
        self._worker.start()
        return super().__enter__()

    def __exit__(self, *_: object) -> None:
        with self._more:
            self._open = False
            self._more.notify_all()
        self._worker.join()
        super().__exit__()

    def is_picture(self, method: str, path: str) -> bool:
        return path == "/prompt"

    def route(self, method: str, path: str, query: dict[str, str], body: Any) -> Answer | None:
        path = path.removeprefix("/api")
        if path == "/system_stats":
            return answer({"system": {"comfyui_version": self.version}, "devices": [{"vram_free": 0}]})
        if path.startswith("/object_info/"):
            name = path.rpartition("/")[2]
            choice = {"required": {"ckpt_name": [list(self.checkpoints), {}]}}
            return answer({} if name in self.lacks else {name: {"input": choice}})
        if path == "/free":
            self.freed += 1
            return 200, {}, b""
        if path == "/view":
            data = self.files.get(query["filename"])
            return (200, {"content-type": "image/png"}, data) if data is not None else (404, {}, b"")
        with self._more:
            if path == "/queue":
                running = [self.running] if self.running else []
                return answer({"queue_running": running, "queue_pending": self.queue})
            if path.startswith("/history/"):
                id = path.rpartition("/")[2]
                return answer({id: self.history[id]} if id in self.history else {})
            if path != "/prompt":
                return None
            assert body["client_id"], "always one"
            if not all({"class_type", "inputs"} <= set(node) for node in body["prompt"].values()):
                return answer(
                    {"error": {"type": "invalid_prompt", "message": "no class_type"}, "node_errors": {}}, 400
                )
            id = str(uuid.uuid4()) if self.takes_no_id else body["prompt_id"]
            self.asked.append(body)
            self.posted.append(id)
            heapq.heappush(self.queue, (len(self.posted), id, body["prompt"]))
            self._more.notify_all()
            return answer({"prompt_id": id, "number": len(self.posted), "node_errors": {}})

    def _work(self) -> None:
        while True:
            with self._more:
                while self._open and (self.paused or not self.queue):
                    self._more.wait(0.05)
                if not self._open:
                    return
                self.running = mine = heapq.heappop(self.queue)
            time.sleep(self.delay)
            with self._more:
                if self.running is not mine:  # restarted meanwhile
                    continue
                self.history[mine[1]] = self._run(mine[2])
                self.running = None

    def _run(self, graph: dict[str, Any]) -> dict[str, Any]:
        prompt, seed, size = _asked(graph)
        if (message := self.fails(prompt)) is not None:
            told = {"node_type": "KSampler", "exception_message": message}
            return {"outputs": {}, "status": {"status_str": "error", "messages": [["execution_error", told]]}}
        key = json.dumps(graph, sort_keys=True)
        status = {"status_str": "success", "completed": True, "messages": []}
        if key == self._cached and self.patchy:
            return {"outputs": {}, "status": status}
        if key != self._cached:
            self.executed.append((prompt, seed))
        self._cached = key
        images = []
        for _ in range(self.per_graph):
            name = f"steer_{len(self.files):05}_.png"
            self.files[name] = self.make(prompt, seed, size)
            images.append({"filename": name, "subfolder": "", "type": "output"})
        return {"outputs": {"7": {"images": images}}, "status": status}


def _asked(graph: dict[str, Any]) -> tuple[str, int, tuple[int, int]]:
    """Prompt, seed and size, where the nodes of ComfyUI have them."""

    def linked(node: dict[str, Any], input: str) -> dict[str, Any]:
        return graph[node["inputs"][input][0]]

    sampler = next(node for node in graph.values() if "latent_image" in node["inputs"])
    if sampler["class_type"] == "KSampler":
        positive, seed = linked(sampler, "positive"), sampler["inputs"]["seed"]
    else:
        positive = linked(linked(sampler, "guider"), "positive")
        seed = linked(sampler, "noise")["inputs"]["noise_seed"]
    latent = linked(sampler, "latent_image")["inputs"]
    assert isinstance(seed, int) and isinstance(latent["width"], int)
    return positive["inputs"]["text"], seed, (latent["width"], latent["height"])


class FakeBfl(FakeServer):
    """BFL's API. What it takes is paid for: `charged` counts it. `pending` looks come before a picture."""

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self.charged: list[tuple[str, int]] = []
        self.pending = 2
        self.seed: int | None = None  # that it says it used
        self.outcome = "Ready"
        self.upsampling = True  # whether it knows `prompt_upsampling`
        self.elsewhere: str | None = None  # where it says that the picture will be
        self.files: dict[str, bytes] = {}
        self._jobs: dict[str, dict[str, Any]] = {}
        self._looks: dict[str, int] = {}

    def route(self, method: str, path: str, query: dict[str, str], body: Any) -> Answer | None:
        if path == "/v1/get_result":
            return self._result(query["id"])
        if path.startswith("/files/"):
            return 200, {"content-type": "image/png"}, self.files[path]
        if path != "/v1/flux-2-klein-4b":
            return None
        if not self.upsampling and "prompt_upsampling" in body:
            return answer({"detail": [{"loc": ["body", "prompt_upsampling"], "msg": "extra fields"}]}, 422)
        refused = bool(self.faults) and self.faults[0] not in (closed, cut_midway)
        self.asked.append(body)
        id = f"job-{len(self.asked)}"
        self._jobs[id] = body
        if not refused:
            self.charged.append((body["prompt"], body["seed"]))
        return answer({"id": id, "polling_url": self.elsewhere or f"{self.url}/v1/get_result?id={id}"})

    def _result(self, id: str) -> Answer:
        self._looks[id] = self._looks.get(id, 0) + 1
        if self._looks[id] <= self.pending:
            return answer({"id": id, "status": "Pending", "result": None})
        if self.outcome != "Ready":
            return answer({"id": id, "status": self.outcome, "result": None})
        body, name = self._jobs[id], f"/files/{id}.png"
        self.files[name] = self.make(body["prompt"], body["seed"], (body["width"], body["height"]))
        used = body["seed"] if self.seed is None else self.seed
        return answer({"status": "Ready", "result": {"sample": f"{self.url}{name}?sig=x", "seed": used}})
