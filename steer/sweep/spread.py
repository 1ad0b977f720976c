"""One run on several GPUs: the pictures of a round are spread over workers, and come back as files.

A picture depends on its prompt and seed alone, so it is the same wherever it is made.
"""

from __future__ import annotations

import shutil
import socket
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reward.files import write_whole
from steer.errors import RendererError, SteerError
from steer.parts import Renderer, Wakes

if TYPE_CHECKING:
    from PIL.Image import Image

    from steer.sweep.cluster import Cluster

_AT_ONCE = (
    2  # pictures that a worker is handed at a time: it may batch them, and nobody waits long for the last
)


class SpreadRenderer:
    """A renderer whose pictures are made by the workers of a cluster; see `steer.parts.Renderer`."""

    def __init__(self, cluster: Cluster, about: dict[str, Any], folder: Path) -> None:
        """`about` is what `describe` says of the workers' renderer, `folder` one that all nodes see."""
        self.name = str(about["name"])
        self._about = about
        self._cluster = cluster
        self._folder = Path(tempfile.mkdtemp(prefix=".renders-", dir=folder))

    def __getattr__(self, name: str) -> Any:  # model, revision, steps …: what records say of a renderer
        try:
            return self.__dict__["_about"][name]
        except KeyError:
            raise AttributeError(name) from None

    def render(self, prompts: Sequence[str], seeds: Sequence[int]) -> Iterator[Image]:
        """See `steer.parts.Renderer`."""
        from reward.pictures import read_image

        ray, workers = self._cluster.ray, deque(self._cluster.workers)
        jobs = list(zip(prompts, seeds, strict=True))
        each = 1 if len(jobs) < _AT_ONCE * len(workers) else _AT_ONCE
        waiting = deque(range(0, len(jobs), each))
        free = deque(worker for _ in range(2) for worker in workers)  # one at work, one waiting
        tasks: dict[Any, tuple[int, Any]] = {}
        found: dict[int, tuple[Path, str | None]] = {}
        for place in range(len(jobs)):
            while place not in found:
                while waiting and free:
                    first, worker = waiting.popleft(), free.popleft()
                    part = jobs[first : first + each]
                    paths = [str(self._folder / f"{first + i}.png") for i in range(len(part))]
                    ref = worker.render.remote([p for p, _ in part], [s for _, s in part], paths)
                    tasks[ref] = first, worker
                [ref], _ = ray.wait(list(tasks), num_returns=1)
                first, worker = tasks.pop(ref)
                free.append(worker)
                for i, error in enumerate(self._result(ref)):
                    found[first + i] = self._folder / f"{first + i}.png", error
            path, error = found.pop(place)
            if error is not None:
                raise RendererError(error)
            image = read_image(path)
            path.unlink()
            yield image

    def _result(self, ref: Any) -> list[str | None]:
        try:
            return list(self._cluster.ray.get(ref))
        except self._cluster.ray.exceptions.RayError as error:
            raise SteerError(f"a worker was lost and could not be started again: {error}") from error

    def close(self) -> None:
        """Let go of the folder; the workers are the cluster's."""
        shutil.rmtree(self._folder, ignore_errors=True)


class Painter:
    """An actor: a renderer for its life, on one node."""

    def __init__(self, load: Callable[[], Renderer]) -> None:
        self.renderer = load()

    def where(self) -> str:
        """Name of the machine; the renderer is loaded."""
        return socket.gethostname()

    def render(self, prompts: Sequence[str], seeds: Sequence[int], paths: Sequence[str]) -> list[str | None]:
        """Pictures as files; for each its error, or None."""
        return render_to(self.renderer, prompts, seeds, paths)


def render_to(
    renderer: Renderer, prompts: Sequence[str], seeds: Sequence[int], paths: Sequence[str]
) -> list[str | None]:
    """On a worker: each picture as a file, and for each its error or None."""
    from steer.record.png import encode_png

    if isinstance(renderer, Wakes):
        renderer.wake()
    errors: list[str | None] = []
    while len(errors) < len(paths):
        done = len(errors)
        try:
            images = iter(renderer.render(prompts[done:], seeds[done:]))
            for path in paths[done:]:
                write_whole(Path(path), encode_png(next(images).convert("RGB"), {}))
                errors.append(None)
        except StopIteration:
            errors.append("too few pictures were made")
        except Exception as error:  # noqa: BLE001 - whatever a renderer raises costs this picture alone
            errors.append(str(error) or type(error).__name__)
    return errors
