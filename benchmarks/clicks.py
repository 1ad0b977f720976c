"""How fast the rating page answers while it makes the next pictures ready, and how fast many ratings load.

    python benchmarks/clicks.py [--ratings 200] [--out benchmarks/results/clicks.json]

The real server, over HTTP on this machine, with the sandbox's predictor and its painter painting new pictures
beside it. One click is a rating that is answered with the next picture, as in the browser; undo, the page
itself and the picture's file are timed beside. Between clicks there is a person's pause.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PAUSE = 1.0  # seconds between a picture and its rating; people take longer
MANY = 10_000


def main() -> None:
    parser = argparse.ArgumentParser(description="How fast the rating page answers.")
    parser.add_argument("--ratings", type=int, default=200)
    parser.add_argument("--pause", type=float, default=PAUSE)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "clicks.json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = {
            "machine": {"cores": len(os.sched_getaffinity(0)), "python": platform.python_version()},
            "clicks": clicks(Path(folder), options.ratings, options.pause),
            "load": load(Path(folder) / "many"),
        }
    options.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=2))


def clicks(folder: Path, count: int, pause: float) -> dict[str, object]:
    """Seconds of `count` ratings and of what else a page asks for, in milliseconds."""
    environment = {
        **os.environ,
        "STEER_PROFILES_DIR": str(folder / "profiles"),
        "STEER_CACHE": str(folder / "cache"),  # nothing painted yet: the painter works all the time
    }
    command = [sys.executable, "-m", "steer", "rate", "bench", "--no-open"]
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as server:
        try:
            url = server.stdout.readline().strip()
            client = Client(url)
            state = client.settled()
            ready = time.perf_counter() - start
            rng = random.Random(0)
            times: dict[str, list[float]] = {name: [] for name in ("rate", "undo", "page", "picture")}
            waited = 0
            for number in range(count):
                client.get(f"/pictures/{state['item']['id']}", times["picture"])
                time.sleep(pause)
                given = {"id": state["item"]["id"], "value": round(rng.uniform(1, 5), 2)}
                state = client.post("/rate/ratings", given, times["rate"])
                if state["waiting"]:
                    waited += 1
                    state = client.settled()
                if number % 10 == 9:
                    state = client.post("/rate/undo", {"shown": state["item"]["id"]}, times["undo"])
                    client.get("/rate", times["page"])
        finally:
            server.terminate()
    return {
        "seconds_to_first_picture": round(ready, 1),
        "pause_seconds": pause,
        "next_was_not_ready": waited,
        **{name: summary(values) for name, values in times.items()},
    }


def load(folder: Path) -> dict[str, float]:
    """Seconds to open a profile of MANY ratings, written as `rate` writes them."""
    from PIL import Image

    from steer.profiles import Profiles
    from steer.profiles.ratings_on_disk import NewRating

    profile = Profiles(folder).create("many")
    pictures = folder / "pictures"
    pictures.mkdir()
    rng = random.Random(0)
    new = []
    for number in range(MANY):
        path = pictures / f"{number}.png"
        color = (number % 256, number // 256 % 256, 7)
        Image.new("RGB", (8, 8), color).save(path)
        new.append(NewRating(path, rng.uniform(1, 5), "floating mossy rocks", "bench"))
    profile.rate_all(new)
    seconds = []
    for _ in range(7):
        start = time.perf_counter()
        opened = Profiles(folder).open("many")
        seconds.append(time.perf_counter() - start)
        assert len(opened.ratings) == MANY
    start = time.perf_counter()
    opened.rate(pictures / "0.png", 3.0, source="bench")
    again = time.perf_counter() - start
    return {
        "ratings": MANY,
        "open_seconds_median": round(sorted(seconds)[3], 3),
        "open_seconds_worst": round(max(seconds), 3),
        "one_more_rating_ms": round(1000 * again, 1),
    }


class Client:
    """One connection that is kept, as a browser keeps it."""

    def __init__(self, url: str) -> None:
        base, _, token = url.partition("?token=")
        self.host = base.split("/")[2]
        self.connection = http.client.HTTPConnection(self.host)
        self.headers = {"origin": f"http://{self.host}", "content-type": "application/json"}
        self.connection.request("GET", f"/?token={token}")
        answer = self.connection.getresponse()
        answer.read()
        self.headers["cookie"] = answer.headers["set-cookie"].partition(";")[0]

    def ask(self, method: str, path: str, body: object = None, times: list[float] | None = None) -> bytes:
        start = time.perf_counter()
        data = None if body is None else json.dumps(body)
        self.connection.request(method, path, data, self.headers)
        answer = self.connection.getresponse()
        content = answer.read()
        if times is not None:
            times.append(time.perf_counter() - start)
        assert answer.status == 200, (path, answer.status, content)
        return content

    def get(self, path: str, times: list[float]) -> None:
        self.ask("GET", path, None, times)

    def post(self, path: str, body: object, times: list[float]) -> dict:
        return json.loads(self.ask("POST", path, body, times))

    def settled(self) -> dict:
        while True:
            state = json.loads(self.ask("GET", "/rate/state"))
            if state["item"]:
                return state
            time.sleep(0.1)


def summary(seconds: list[float]) -> dict[str, float]:
    """Milliseconds: median, 95th percentile, worst."""
    ordered = sorted(1000 * value for value in seconds)
    return {
        "count": len(ordered),
        "median_ms": round(ordered[len(ordered) // 2], 1),
        "p95_ms": round(ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))], 1),
        "worst_ms": round(ordered[-1], 1),
    }


if __name__ == "__main__":
    main()
