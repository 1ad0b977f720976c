"""A sweep on Ray: one actor for each GPU holds the models for its life, and makes one run after the other.

Ray only places runs. What they find goes into their folders, which all nodes share; through Ray go names and
numbers. So nothing is lost with a worker, a node or the whole cluster: Ray starts a dead worker again and
hands it its run again, which goes on where its record ends, and a sweep that is begun anew does the rest.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import os
import secrets
import socket
import sys
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steer.errors import SteerError, UsageError
from steer.parts import Parts
from steer.settings import Settings
from steer.sweep.plan import Cell, Plan, check_parts, everybody, extend_plan, read_plan
from steer.sweep.prompts import Line
from steer.sweep.work import After, Done, Failures, Words, make_run
from steer.whom import Who

INSTALL = "pip install 'steer[ray]' (from a checkout: pip install -e '.[ray]')"
WAITING = 2  # tasks of a worker: the one at work, and the next
RETRIES = (
    2  # by Ray, of a run whose worker died; then it is queued once more, for it may have died of another
)
AGAIN = 30.0  # seconds until an idle worker looks again whether a run that is at work elsewhere was left
_PATIENCE = 120  # seconds for a node to say what it sees
_LOOK = 1.0  # seconds between two looks at what is ready
_HEAD = 20.0  # seconds without the head until a sweep ends by itself; after 60 Ray ends the process, wordless

Load = Callable[[], Parts]


@dataclass(frozen=True)
class Size:
    """What one worker takes of a node."""

    gpus: float  # 0: a worker of the CPU
    cpus: float = 1.0


class Worker:
    """An actor: parts for its life, on one node."""

    def __init__(self, folder: str, load: Load, after: After | None = None) -> None:
        self.folder = Path(folder)
        self.parts = load()
        self._after = after
        self._plan: Plan | None = None

    def where(self) -> str:
        """Name of the machine; the worker has loaded its parts."""
        return socket.gethostname()

    def plan(self, settings: Settings, asked: Sequence[Who], lines: Sequence[Line]) -> None:
        """Write the plan, or what is new in it: the worker has the models that say who is meant."""
        people = everybody(asked, self.parts.scorer, self.folder)
        extend_plan(self.folder, self.parts, settings, people, lines)

    def make(self, row: int, column: int, words: Sequence[str]) -> Done:
        """One run of the plan; where a worker died on it before, it goes on where its record ends."""
        if self._plan is None:
            self._plan = read_plan(self.folder)
            check_parts(self._plan, self.parts)
        plan = self._plan
        cell = Cell(plan.people[row], plan.lines[column], row, column)
        return make_run(plan, cell, self.parts, words, after=self._after)


class Cluster:
    """A connection to Ray; `workers` are started by `start`. Use it as a context manager."""

    def __init__(self, address: str) -> None:
        """`address`: local (this machine), auto (the cluster that it is a node of), or a head's HOST:PORT.

        Raises UsageError without Ray, SteerError where nobody answers.
        """
        try:
            import ray
        except ImportError:
            raise UsageError(f"--ray needs the package ray; run: {INSTALL}") from None
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        self.ray: Any = ray
        self.address = address
        self.workers: list[Any] = []
        quiet = {"log_to_driver": False, "logging_level": "error"}
        try:
            if address == "local":
                ray.init(address="local", include_dashboard=False, **quiet)
            else:
                if address != "auto":
                    _reach(address)  # Ray itself would try for minutes
                ray.init(address=address, **quiet)
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise SteerError(
                f"no Ray cluster answers at {address}: {first}; start one there: ray start --head, or use "
                "--ray local"
            ) from error
        self._head = str(ray.get_runtime_context().gcs_address)
        self._seen = time.monotonic()
        self._head_gone = False

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._head_gone:
            atexit.register(_leave)
            return
        self.kill()
        self.ray.shutdown()

    def check_head(self) -> None:
        """Raises SteerError where the head has not answered for a while: no new work can be given out."""
        if time.monotonic() - self._seen < _HEAD / 4:
            return
        try:
            _reach(self._head)
            self._seen = time.monotonic()
        except OSError as error:
            self._head_gone = time.monotonic() - self._seen > _HEAD
            if self._head_gone:
                raise SteerError(
                    f"the head of the Ray cluster at {self._head} does not answer any more; what was done is "
                    "kept: start the cluster again, then go on with steer sweep resume"
                ) from error

    @property
    def nodes(self) -> list[dict[str, Any]]:
        """Those that are alive, as Ray tells of them."""
        return [node for node in self.ray.nodes() if node["Alive"]]

    def size(self, gpus: float | None, cpu_only: bool) -> Size:
        """What a worker takes: `gpus` of a GPU, by default one where the cluster has any; see `Size`."""
        some = any(node["Resources"].get("GPU", 0) for node in self.nodes)
        if gpus and not some:
            raise UsageError("--gpus was given, but no node of the cluster has a GPU; leave it out")
        return Size(0.0 if cpu_only or not some else 1.0 if gpus is None else gpus)

    def places(self, size: Size) -> int:
        """How many workers there is room for."""
        kind, each = ("GPU", size.gpus) if size.gpus else ("CPU", size.cpus)
        return sum(int(node["Resources"].get(kind, 0) / each + 1e-6) for node in self.nodes)

    def check_folder(self, folder: Path) -> None:
        """Every node must see the folder and its locks, or two would make one run. Raises SteerError."""
        folder.mkdir(parents=True, exist_ok=True)
        token = folder / f".seen-{secrets.token_hex(4)}"
        strategy = self.ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
        look = self.ray.remote(num_cpus=0, max_retries=0)(_look)
        try:
            with token.open("w") as file:
                file.write(token.name)
                file.flush()
                os.fsync(file.fileno())
                fcntl.flock(file, fcntl.LOCK_EX)
                asked = []
                for node in self.nodes:
                    there = strategy(node_id=node["NodeID"], soft=False)
                    ref = look.options(scheduling_strategy=there).remote(str(token))
                    asked.append((node["NodeManagerHostname"], ref))
                for name, ref in asked:
                    if why := self._answer(ref):
                        raise SteerError(
                            f"the node {name} {why}; put the sweep on storage that all nodes share, with "
                            "--sweep FOLDER, and install the same steer on each"
                        )
        finally:
            token.unlink(missing_ok=True)

    def _answer(self, ref: Any) -> str:
        errors = self.ray.exceptions
        try:
            return str(self.ray.get(ref, timeout=_PATIENCE))
        except errors.RayTaskError as error:
            return f"cannot run steer ({_cause(error)})"
        except errors.GetTimeoutError:
            return f"gave no answer in {_PATIENCE} seconds"
        except errors.RayError:
            return ""  # it has gone meanwhile, and will be given nothing to do

    def start(self, count: int, size: Size, kind: type, *about: Any) -> None:
        """Start workers, which are `kind(*about)` and say `where` they are, and wait until one is ready.

        Raises SteerError where none can load its models.
        """
        actor = self.ray.remote(kind).options(
            num_gpus=size.gpus,
            num_cpus=0 if size.gpus else size.cpus,
            max_restarts=-1,
            max_task_retries=RETRIES,
        )
        started = [actor.remote(*about) for _ in range(count)]
        self.workers += started
        waiting = {worker.where.remote(): worker for worker in started}
        errors = self.ray.exceptions
        error: Exception | None = None
        while waiting:
            ready, _ = self.ray.wait(list(waiting), num_returns=1)
            worker = waiting.pop(ready[0])
            try:
                self.ray.get(ready[0])
                return
            except errors.ActorDiedError as failure:  # it cannot load its models
                self.workers.remove(worker)
                error = failure
            except errors.RayError:  # its process is being started again
                time.sleep(_LOOK)
                waiting[worker.where.remote()] = worker
        if error is not None:
            raise SteerError(f"no worker could be started: {_cause(error)}; see: steer doctor") from error

    def plan(self, *about: Any) -> None:
        """Have a worker write the plan; see `Worker.plan`. Raises SteerError."""
        try:
            self.ray.get(self.workers[0].plan.remote(*about))
        except self.ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, SteerError):
                raise error.cause from None
            raise SteerError(f"the plan could not be written: {_cause(error)}") from error

    def kill(self) -> None:
        """End all workers at once; what they were at can be gone on with."""
        for worker in self.workers:
            with contextlib.suppress(self.ray.exceptions.RayError, ValueError):
                self.ray.kill(worker)
        self.workers = []


class Spreading:
    """The runs of a sweep on the workers of a cluster: iterate over `run()`."""

    def __init__(self, plan: Plan, cells: Iterable[Cell], cluster: Cluster, words: Words) -> None:
        self._plan, self._cluster, self._words = plan, cluster, words
        self._queues: dict[int, deque[Cell]] = defaultdict(deque)  # by prompt, whose runs share pictures
        for cell in cells:
            self._queues[cell.column].append(cell)
        self._own: dict[Any, int] = {}  # the prompt that a worker is at
        self._tasks: dict[Any, tuple[Any, Cell]] = {}  # what was handed out: reference -> worker, cell
        self._tried: dict[str, float] = {}  # when a run at work was last handed out
        self._asked: dict[Any, Any] = {}  # workers that died, and may be there again: reference -> worker
        self._deaths: Counter[str] = Counter()  # of workers, by run
        self.settled: set[str] = set()
        self.stopping = False  # set it to have only finished what is at work

    def run(self, began: Callable[[Cell], Any] = lambda _: None) -> Generator[Done, None, None]:
        """What becomes of each run, as it becomes known. Raises SteerError where several prompts fail."""
        ray, failures = self._cluster.ray, Failures(self._plan)
        while self._hand_out(began):
            ready, _ = ray.wait([*self._tasks, *self._asked], num_returns=1, timeout=_LOOK)
            self._cluster.check_head()
            for ref in ready:
                if ref in self._asked:
                    self._answered(ref)
                    continue
                worker, cell = self._tasks.pop(ref)
                done = self._result(ref, worker, cell)
                if done is None or cell.name in self.settled:
                    continue
                if done.status == "elsewhere" and any(c.name == cell.name for _, c in self._tasks.values()):
                    continue  # another worker of ours has it
                self.settled.add(cell.name)
                yield done
                failures.count(done)
                for column in failures.left:
                    self._queues.pop(column, None)

    def _hand_out(self, began: Callable[[Cell], Any]) -> bool:
        """Give every idle worker a run; False once nothing is left to wait for.

        None waits in line behind another: it could not be taken back, and handing it out takes no time.
        """
        if not self._cluster.workers:
            raise SteerError(
                "no worker is left; what was done is kept, go on with: steer sweep resume "
                f"{self._plan.folder}"
            )
        busy = {worker for worker, _ in self._tasks.values()} | set(self._asked.values())
        for worker in () if self.stopping else self._cluster.workers:
            if worker not in busy and (cell := self._next(worker)) is not None:
                ref = worker.make.remote(cell.row, cell.column, list(self._words(cell)))
                self._tasks[ref] = worker, cell
                self._tried[cell.name] = time.monotonic()
                began(cell)
        at_work = any(cell.name not in self.settled for _, cell in self._tasks.values())
        return at_work or (not self.stopping and any(self._queues.values()))

    def _next(self, worker: Any) -> Cell | None:
        """The next of the worker's prompt, then of one that nobody is at, then of the longest."""
        if not self._queues.get(self._own.get(worker, -1)):
            left = {column: queue for column, queue in self._queues.items() if queue}
            free = [column for column in left if column not in self._own.values()]
            if not left:
                return self._left_behind()
            self._own[worker] = free[0] if free else max(left, key=lambda column: len(left[column]))
        return self._queues[self._own[worker]].popleft()

    def _left_behind(self) -> Cell | None:
        """A run that was handed to another worker, which may have been lost with its node.

        If the other one is at work on it, the run's lock says so, and nothing is done twice.
        """
        now = time.monotonic()
        for _, cell in self._tasks.values():
            if cell.name not in self.settled and now - self._tried.get(cell.name, 0.0) >= AGAIN:
                return cell
        return None

    def _result(self, ref: Any, worker: Any, cell: Cell) -> Done | None:
        """What a task returned; None if its run was queued again."""
        errors = self._cluster.ray.exceptions
        try:
            return self._cluster.ray.get(ref)
        except errors.RayTaskError as error:
            return Done(cell.row, cell.column, "error", f"its worker failed: {_cause(error)}")
        except errors.RayError as error:
            self._ask(worker)
            self._deaths[cell.name] += 1
            if self._deaths[cell.name] > 1:
                return Done(cell.row, cell.column, "error", f"its worker died, again: {_cause(error)}")
            self._queues[cell.column].append(cell)  # perhaps it was not this run that it died of
            return None

    def _ask(self, worker: Any) -> None:
        """Whether a worker that died is there again: until it answers, it is given nothing."""
        self._own.pop(worker, None)
        self._asked[worker.where.remote()] = worker

    def _answered(self, ref: Any) -> None:
        worker = self._asked.pop(ref)
        try:
            self._cluster.ray.get(ref)
        except self._cluster.ray.exceptions.ActorDiedError:  # for good
            self._cluster.workers.remove(worker)
        except self._cluster.ray.exceptions.RayError:
            time.sleep(_LOOK)
            self._ask(worker)


def _leave() -> None:
    """End without Ray's own end, which would wait a minute for the head and then abort the process."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)


def _reach(address: str) -> None:
    """Raises OSError where nobody listens, ValueError for what is no address."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise ValueError("it is no HOST:PORT, such as 10.0.0.1:6379")
    socket.create_connection((host, int(port)), timeout=10).close()


def _look(token: str) -> str:
    """On a node: what is wrong with the folder as it is seen from there; nothing if all is well."""
    path = Path(token)
    try:
        if path.read_text() != path.name:
            return f"sees another {path.parent}"
        with path.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return ""
    except FileNotFoundError:
        return f"does not see {path.parent}"
    except OSError as error:
        return f"cannot use {path.parent} ({error.strerror or error})"
    return f"does not see the locks of {path.parent}"


def _cause(error: BaseException) -> str:
    """The last line of what Ray tells, which is the error itself."""
    cause = getattr(error, "cause", None) or error
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    return (lines[-1] if lines else type(cause).__name__)[:300]
