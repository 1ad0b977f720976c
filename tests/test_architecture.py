"""Who may import whom: data moves one way, and nobody who steers or predicts can look up the truth."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
# From the ground up: a room imports itself and what stands on an earlier line, nothing else.
LAYERS = (
    ("errors", "wire"),
    ("parts",),
    ("settings",),
    ("paths",),
    ("gates",),
    ("record", "sandbox", "taste"),
    ("proposer", "renderer", "loop"),
    ("study", "compare", "machine"),
    ("profiles",),
    ("whom",),
    ("library",),
    ("sweep",),
    ("pages", "experiments"),
    ("cli",),
)
LEVEL = {room: level for level, rooms in enumerate(LAYERS) for room in rooms}
TRUTH = "steer.sandbox.truth"
MAY_KNOW_THE_TRUTH = ("steer.sandbox.make", "steer.experiments", TRUTH)


def _modules() -> dict[str, Path]:
    found = {}
    for package in ("steer", "reward"):
        for path in (ROOT / package).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = _modules()


@cache
def imports(module: str, lazy: bool = True) -> set[str]:
    """Modules of this project that `module` imports, anywhere or (not `lazy`) when it is itself imported."""
    package = module if MODULES[module].name == "__init__.py" else module.rpartition(".")[0]
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    found = set()
    for node in ast.walk(tree) if lazy else _at_import(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            found.add(base)
            found.update(f"{base}.{alias.name}" for alias in node.names)
    return found


def _at_import(tree: ast.AST) -> list[ast.AST]:
    """Statements that run on import: not in functions, not under TYPE_CHECKING."""
    found: list[ast.AST] = []
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        found += [node, *_at_import(node)]
    return found


def reachable(module: str) -> set[str]:
    """Every module of this project that `module` can reach by any chain of imports, lazy ones included."""
    seen, todo = set(), [module]
    while todo:
        current = todo.pop()
        if current not in seen and current in MODULES:
            seen.add(current)
            todo += imports(current)
    return seen


def room(module: str) -> str | None:
    """The part of `steer` that a module belongs to; None outside of `steer` and for its front door."""
    parts = module.split(".")
    return parts[1] if parts[0] == "steer" and len(parts) > 1 and not parts[1].startswith("__") else None


def test_every_room_has_its_place_and_imports_point_one_way():
    against = []
    for module in MODULES:
        here = room(module)
        for name in imports(module) if here else ():
            there = room(name)
            if there in LEVEL and there != here and LEVEL[there] >= LEVEL[here]:
                against.append(f"{module} -> {name}")
    assert not against


def test_no_modules_import_each_other_in_a_circle():
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join([*path, module])
        if module in done or module not in MODULES:
            return
        for name in sorted(imports(module, lazy=False)):
            if name != module and name in MODULES and MODULES[name].name != "__init__.py":
                visit(name, (*path, module))
        done.add(module)

    for module in MODULES:
        visit(module, ())


def test_only_the_makers_of_the_sandbox_and_the_experiments_import_the_truth():
    for module in MODULES:
        if not module.startswith(MAY_KNOW_THE_TRUTH):
            assert not [name for name in imports(module) if name.startswith(TRUTH)], module


def test_the_predictor_and_the_loop_cannot_reach_the_truth():
    blind = ("reward", "steer.profiles", "steer.study", "steer.pages", "steer.loop", "steer.machine")
    for module in MODULES:
        if module.startswith(blind):
            assert not [name for name in reachable(module) if name.startswith(TRUTH)], module


def test_nothing_but_the_command_line_asks_for_the_experiments_that_know_the_truth():
    for module in MODULES:
        if room(module) not in ("experiments", "cli"):
            assert not [name for name in imports(module) if name.startswith("steer.experiments")], module


def test_reward_knows_nothing_of_steer():
    for module in MODULES:
        if module.partition(".")[0] == "reward":
            assert not [name for name in imports(module) if name.partition(".")[0] == "steer"], module


def test_only_the_command_line_prints_prompts_or_exits():
    guilty = []
    for module, path in MODULES.items():
        if module.startswith(("steer.cli", "reward.adapters")):  # the adapters are programs of their own
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in (
                "print",
                "input",
                "sys.exit",
                "exit",
                "quit",
            ):
                guilty.append(f"{module}:{node.lineno}")
    assert not guilty


def test_the_loop_names_no_part_of_any_preset():
    # of files; nothing of them predicts
    tools = ("reward.checked", "reward.errors", "reward.files", "reward.pictures")
    for module in [name for name in MODULES if room(name) in ("loop", "record")]:
        named = [name for name in imports(module) if name.startswith(("steer.sandbox", "reward.", "torch"))]
        assert not [name for name in named if not name.startswith(tools)], module


HEAVY = ("torch", "transformers", "diffusers", "scipy", "numpy", "PIL", "safetensors", "tokenizers", "jinja2")


def test_what_every_command_imports_is_light():
    for module in (
        "steer",
        "steer.errors",
        "steer.parts",
        "steer.settings",
        "steer.machine.presets",
        "steer.machine.loading",
        "steer.record.folder",
    ):
        names = {name.partition(".")[0] for name in imports(module, lazy=False)}
        assert not names & set(HEAVY), module


def test_only_the_reader_of_pictures_opens_one():
    openers = set()
    for module, path in MODULES.items():
        if not module.startswith("reward.adapters"):  # programs that run where there is no reward
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Image.open"):
                    openers.add(module)
                if isinstance(node, ast.ImportFrom) and node.module == "PIL.Image":
                    assert "open" not in {alias.name for alias in node.names}, module
    assert openers == {"reward.pictures"}


def test_one_environment_fills_all_templates_and_studies_know_no_pages():
    filling = {m for m in MODULES if {name.partition(".")[0] for name in imports(m)} & {"jinja2"}}
    assert filling == {"steer.pages.html"}
    for module in MODULES:
        if module.startswith("steer.study"):
            assert not [name for name in imports(module) if name.startswith("steer.pages")], module


def test_nothing_is_unpickled_and_no_shell_is_asked():
    for module, path in MODULES.items():
        text = path.read_text(encoding="utf-8")
        for forbidden in ("import pickle", "torch.load(", "shell=True", "os.system("):
            assert forbidden not in text, module
