"""Does a language model on a server help the search, and which way of asking does?

    make .venv-vllm/.installed
    python benchmarks/language_models.py --out runs/search --vllm-python .venv-vllm/bin/python

Guided search, 2 x 8 without finalists, for committed users, with four proposers: SmolLM2-135M in process by
worked examples (the sandbox's default); the same model under vLLM's own server by worked examples, and by the
template for large models (`prompts/guided.txt`, which tells taste and memory, its reply held to a JSON list);
and none, rewrites drawn from the bank of looks. Told are the true gain over the base (mean of the 4
confirmation seeds), and of what the model wrote: replies without any prompt, prompts that the text gate
refused, and how many of those that were rendered are its own. --out may be the folder of `search.py`.
"""

from __future__ import annotations

import argparse
from copy import copy
from pathlib import Path
from typing import Any

from arms import SEEDS, means
from common import RESULTS, clustered, machine, write_json
from corrections import Bank

from steer.experiments.lab import Lab, open_lab
from steer.gates.replies import parse
from steer.parts import Proposer
from steer.proposer import weights
from steer.proposer.vllm import VllmProposer, VllmServer
from steer.record.events import Forecasted, PromptRejected, Proposed
from steer.record.files import slug
from steer.record.folder import Record
from steer.settings import Settings

SETTINGS = Settings(iterations=2, proposals=8, finalists=0, confirm=0, patience=0)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("runs/search"))
    parser.add_argument("--vllm-python", type=Path, required=True)
    parser.add_argument("--users", type=int, default=10)
    parser.add_argument("--prompts", type=int, default=1)
    args = parser.parse_args()
    lab = open_lab(args.out)
    weights.load(None)
    model = args.out / "SmolLM2-135M-Instruct"
    if not model.is_symlink():
        model.symlink_to(weights.smollm2_folder(), target_is_directory=True)
    server = VllmServer(
        model,
        python=str(args.vllm_python.absolute()),
        dtype="bfloat16",
        max_model_len=2048,
        sleep_mode=False,
        arguments=["--enforce-eager"],
        environment={"VLLM_CPU_KVCACHE_SPACE": "1"},
        start_timeout=600.0,
    )
    proposers: dict[str, Proposer] = {
        "in process, worked examples": lab.proposer,
        "vLLM, worked examples": VllmProposer(server, mode="few-shot"),
        "vLLM, template for large models": VllmProposer(server, mode="list"),
        "none: the bank of looks": Bank(),
    }
    rows: list[dict[str, Any]] = []
    try:
        for prompt in lab.plan.prompts[: args.prompts]:
            for user in lab.users[: args.users]:
                for name, proposer in proposers.items():
                    rows.append({"proposer": name, **searched(lab, name, proposer, user, prompt)})
                    print(rows[-1], flush=True)
                write_json(RESULTS / "language_models.json", {"machine": machine(), "summary": summary(rows)})
    finally:
        server.close()


def searched(lab: Lab, name: str, proposer: Proposer, user: str, prompt: str) -> dict[str, Any]:
    """One search, found or made, and what came of it."""
    mine = copy(lab)
    mine.folder = lab.folder / "language-models" / slug(name)  # two ways of asking one server have one name
    mine.proposer = proposer  # type: ignore[assignment]  # replies of a server are kept by the record alone
    record = mine.run(mine.personal(user), prompt, SETTINGS)
    best, row = record.result["best"]["prompt"], lab.raters.ids.index(user)
    true = means(lab, [prompt, best], SEEDS)
    return {"user": user, "gain": round(float(true[best][row] - true[prompt][row]), 4), **written(record)}


def written(record: Record) -> dict[str, int]:
    """Counts of replies and prompts."""
    replies = [parse(reply) for e in record.events if isinstance(e, Proposed) for reply in e.replies]
    chosen = [one["by"] for e in record.events if isinstance(e, Forecasted) for one in e.chosen]
    return {
        "replies": len(replies),
        "unread": sum(not prompts for prompts in replies),
        "prompts": sum(map(len, replies)),
        "refused": sum(isinstance(e, PromptRejected) for e in record.events),
        "rendered": len(chosen),
        "rendered of the model": chosen.count("model"),
    }


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """By proposer: gain with a 95% interval clustered by user, and sums of the counts."""
    found = {}
    for name in dict.fromkeys(row["proposer"] for row in rows):
        mine = [row for row in rows if row["proposer"] == name]
        counts = [key for key in mine[0] if key not in ("proposer", "user", "gain")]
        found[name] = {
            "searches": len(mine),
            "gain": clustered([row["gain"] for row in mine], [row["user"] for row in mine]),
            **{key: sum(row[key] for row in mine) for key in counts},
        }
    return found


if __name__ == "__main__":
    main()
