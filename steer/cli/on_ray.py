"""`--ray`: the command line's side of a cluster."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steer.cli.console import hint
from steer.cli.session import Request, search
from steer.cli.sweep_drive import How, drive, words_of
from steer.errors import SteerError
from steer.machine.overrides import Overrides
from steer.pages import wording as words

if TYPE_CHECKING:
    from steer.cli.sweep_progress import Board
    from steer.parts import Parts
    from steer.sweep.cluster import Cluster, Size, Spreading
    from steer.sweep.plan import Cell
    from steer.sweep.work import Done


@dataclass(frozen=True)
class Where:
    """A cluster, and what of it is to be used."""

    address: str
    gpus: float | None = None  # of a worker
    workers: int | None = None


class _OursOnly:
    """Standard output without what Ray's threads print there: whoever reads it expects our words alone."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """How many characters were taken."""
        if threading.current_thread() is threading.main_thread():
            self._stream.write(text)
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def connected(address: str, folder: Path) -> Iterator[Cluster]:
    """A cluster whose nodes all see `folder`."""
    from steer.sweep.cluster import Cluster

    ours: Any = _OursOnly(sys.stdout)
    with redirect_stdout(ours), Cluster(address) as cluster:
        cluster.check_folder(folder)
        yield cluster


class OnRay:
    """A sweep on the workers of a cluster."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self._cluster = cluster
        self._folder = folder

    def plan(self, *about: Any) -> None:
        """Have a worker write the plan; see `Worker.plan`."""
        self._cluster.plan(*about)

    def drive(self, how: How) -> None:
        """Do what is missing."""
        from steer.sweep.cluster import Spreading
        from steer.sweep.plan import read_plan

        plan, cluster = read_plan(self._folder), self._cluster
        if plan.head["simulated"]:
            hint(words.SIMULATED_NOTICE, style="yellow")

        def runs(board: Board, todo: Sequence[Cell]) -> Generator[Done, None, None]:
            spreading = Spreading(plan, todo, cluster, words_of(plan))
            with _interrupts(spreading):
                yield from spreading.run(board.began)
            if spreading.stopping:
                raise KeyboardInterrupt

        drive(plan, how, runs, len(cluster.workers))


@contextmanager
def sweep_on_ray(
    where: Where, preset: str, overrides: Overrides, folder: Path, galleries: bool
) -> Iterator[OnRay]:
    """Workers that have loaded their models, for a sweep in `folder`."""
    from steer.machine.loading import load
    from steer.pages.gallery import write_gallery
    from steer.sweep.cluster import Worker

    folder = folder.resolve()
    with connected(where.address, folder) as cluster:
        overrides, count, size = _room(cluster, where, preset, overrides)
        about = partial(load, preset, **overrides.to_json()), write_gallery if galleries else None
        cluster.start(count, size, Worker, str(folder), *about)
        yield OnRay(cluster, folder)


def search_on_ray(request: Request, address: str) -> None:
    """One run whose pictures are made by all workers of a cluster; the rest of it is at work here."""
    from steer.machine.loading import load_renderer
    from steer.parts import Loaded
    from steer.record.folder import describe
    from steer.sweep.spread import Painter, SpreadRenderer

    with ExitStack() as stack:

        def prepare(parts: Parts) -> Parts:
            out = request.out.resolve()
            cluster = stack.enter_context(connected(address, out))
            overrides, count, size = _room(cluster, Where(address), parts.preset, request.overrides)
            cluster.start(count, size, Painter, partial(load_renderer, parts.preset, overrides))
            about = describe(parts)["renderer"] or {}
            spread = replace(parts, renderer=SpreadRenderer(cluster, about, out))
            # The same parts by name: a run goes on with or without Ray.
            return replace(spread, loaded=parts.loaded and Loaded(parts.loaded.asked, spread))

        search(request, prepare)


def _room(cluster: Cluster, where: Where, preset: str, overrides: Overrides) -> tuple[Overrides, int, Size]:
    """How many workers, of which size, and how they are to be loaded. Raises SteerError."""
    size = cluster.size(where.gpus, preset == "sandbox")
    places = cluster.places(size)
    count = places if where.workers is None else min(places, where.workers)
    if count < 1:
        raise SteerError("the cluster has no room for a worker; see: ray status")
    if not size.gpus and overrides.threads is None:
        overrides = replace(overrides, threads=1)  # a worker has one CPU
    hint(f"{count} workers, {size.gpus:g} GPU each" if size.gpus else f"{count} workers of one CPU each")
    return overrides, count, size


@contextmanager
def _interrupts(spreading: Spreading) -> Iterator[None]:
    """The first Ctrl-C lets what is at work finish, the second one leaves it as it is."""

    def handle(number: int, frame: Any) -> None:
        if spreading.stopping:
            raise KeyboardInterrupt
        spreading.stopping = True
        hint("finishing the runs that are at work; Ctrl-C again leaves them as they are, to be gone on with")

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
