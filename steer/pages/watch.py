"""Where a run stands, from its events alone: its phase, how much of it is done, how long it may take yet."""

from __future__ import annotations

from steer.machine.estimate import Costs
from steer.parts import BASE_ID
from steer.record.events import Confirmed, Event, Finals, IterationDone, Proposed, Rated, Rendered
from steer.settings import Settings


class Watch:
    """Where a run stands, from its events alone."""

    def __init__(self, settings: Settings, costs: Costs) -> None:
        self.settings = settings
        self.phase = "rendering the base prompt"
        self.iteration = 0
        self.done = 0  # of this phase
        self.total = 1 + settings.gate_renders
        self.base: float | None = None
        self.best: float | None = None
        self.best_prompt = ""
        self._prompts: dict[str, str] = {}
        self._spent = {"render": [costs.render, 1.0], "score": [costs.score, 1.0]}  # seconds, count
        self._spent["propose"] = [costs.propose * settings.written, 1.0]
        self._seen_live: set[str] = set()
        checks = settings.final_renders + 2 * settings.confirm
        self._left = {
            "propose": settings.iterations,
            "render": self.total + settings.iterations * settings.proposals + checks,
            "score": 1 + settings.iterations * settings.proposals,
        }

    @property
    def seconds_left(self) -> float:
        """Expected time until the run is through, if it does not stop early."""
        return sum(
            max(0, left) * self._spent[step][0] / self._spent[step][1] for step, left in self._left.items()
        )

    def update(self, event: Event) -> None:
        """Take in one event."""
        match event:
            case Proposed():
                self._took("propose", event, 1 if event.attempt == 0 else 0)
                self._enter(f"iteration {self.iteration + 1}: rendering", self.settings.proposals)
            case Rendered():
                self._took("render", event, 1)
                self.done += 1
                self._prompts[event.id] = event.prompt
            case Rated():
                self._took("score", event, 1)
                if event.id == BASE_ID:
                    self.base = self.best = event.score
                    self.best_prompt = self._prompts.get(BASE_ID, "")
                    self._enter("iteration 1: writing prompts", 0)
            case IterationDone():
                self.iteration, self.best = event.iteration, event.best_score
                self.best_prompt = self._prompts.get(event.best, "")
                rounds = self.settings.iterations - self.iteration
                checks = self.settings.final_renders + 2 * self.settings.confirm
                self._left = {
                    "propose": rounds,
                    "render": rounds * self.settings.proposals + checks,
                    "score": rounds * self.settings.proposals,
                }
                stopped = self.settings.patience and event.stale >= self.settings.patience
                if (stopped or not rounds) and self.settings.final_renders:
                    self._enter("finals on fresh seeds", self.settings.final_renders)
                elif stopped or not rounds:
                    self._enter("confirming on fresh seeds", 2 * self.settings.confirm)
                else:
                    self._enter(f"iteration {self.iteration + 1}: writing prompts", 0)
            case Finals():
                self._left |= {"render": 2 * self.settings.confirm}
                self._enter("confirming on fresh seeds", 2 * self.settings.confirm)
            case Confirmed():
                self._left = dict.fromkeys(self._left, 0)

    def _enter(self, phase: str, total: int) -> None:
        self.phase, self.done, self.total = phase, 0, total

    def _took(self, step: str, event: Proposed | Rendered | Rated, count: int) -> None:
        self._left[step] -= count
        if event.replayed:
            return
        spent = self._spent[step]
        if step not in self._seen_live:  # the first measurement takes the place of the estimate
            self._seen_live.add(step)
            spent[:] = [0.0, 0.0]
        spent[0] += event.seconds
        spent[1] += count or 0
        spent[1] = max(spent[1], 1.0)
