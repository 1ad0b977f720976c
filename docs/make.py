"""Writes what the documentation takes from the code: help.md, the tree in architecture.md, the recipes in
training.md, and the examples.

python docs/make.py            # write
python docs/make.py --check    # say what is out of date; exit code 1 if anything is
"""

from __future__ import annotations

import ast
import io
import os
import re
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from itertools import zip_longest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HELP, ARCHITECTURE = ROOT / "docs" / "help.md", ROOT / "docs" / "architecture.md"
TRAINING = ROOT / "docs" / "training.md"
_EXAMPLE = re.compile(r"(?<=<!-- )(examples/\w+\.py)( -->\n).*?(?=<!-- end of example -->)", re.DOTALL)
_RECIPES = re.compile(r"(?<=<!-- recipes -->\n).*(?=<!-- end of recipes -->)", re.DOTALL)
_TREE = re.compile(r"(?<=<!-- tree -->\n).*(?=<!-- end of tree -->)", re.DOTALL)


def tree() -> str:
    """Every module of the packages with the first line of its docstring, a heading a folder."""
    parts = []
    for package in ("steer", "reward"):
        for folder in [
            ROOT / package,
            *sorted(path for path in (ROOT / package).rglob("*") if path.is_dir()),
        ]:
            modules = sorted(folder.glob("*.py"))
            if not (folder / "__init__.py").is_file():
                continue
            rows = [f"| `{path.name}` | {_about(path)} |" for path in modules if path.name != "__init__.py"]
            about = _about(folder / "__init__.py")
            title = f"### {folder.relative_to(ROOT).as_posix()}/\n\n{about}\n"
            table = "\n".join(["", "| file | what it answers |", "|---|---|", *rows, ""]) if rows else ""
            parts.append(title + table)
    return "\n" + "\n".join(parts) + "\n"


def _about(path: Path) -> str:
    doc = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(doc.split("\n\n")[0].split()).replace("|", "\\|")


def recipes() -> str:
    """Every field of the two recipes, first where they differ, with what its comment in the code says."""
    from reward.training.recipe import agreements, differences

    source = (ROOT / "reward" / "training" / "recipe.py").read_text(encoding="utf-8")
    said = dict(re.findall(r"^    (\w+): .*?  # (.*)$", source, re.MULTILINE))
    rows = [
        f"| `{name}` | {paper} | {ours} | {said[name]} |"
        for name, paper, ours in differences()
        if name != "name"
    ]
    same = [f"| `{name}` | {value} | {said[name]} |" for name, value in agreements()]
    return "\n".join(
        [
            *("| field | `paper` | `steer` | what it is |", "|---|---|---|---|", *rows, ""),
            *("In these they agree:", "", "| field | both | what it is |", "|---|---|---|", *same, ""),
        ]
    )


def help_page() -> str:
    """What `--help` prints for every command, in one page."""
    sections = ["# Every command and option\n\nMade from `--help` by `python docs/make.py`.\n"]
    for words in _commands():
        depth = "##" if len(words) < 2 else "###"
        sections.append(f"{depth} {' '.join(['steer', *words])}\n\n```\n{_help(words)}\n```\n")
    return "\n".join(sections)


def _commands() -> Iterator[tuple[str, ...]]:
    from typer.main import get_command

    from steer.cli.app import app

    def walk(command: object, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        yield words
        for name, inner in getattr(command, "commands", {}).items():
            yield from walk(inner, (*words, name))

    yield from walk(get_command(app), ())


def _help(words: tuple[str, ...]) -> str:
    from steer.cli.app import run_command

    os.environ.update(COLUMNS="100", TERMINAL_WIDTH="100", TERM="dumb", NO_COLOR="1")
    with redirect_stdout(io.StringIO()) as out:
        run_command([*words, "--help"])
    return "\n".join(line.rstrip() for line in out.getvalue().strip().splitlines())


def _with_example(page: Path) -> str:
    def insert(found: re.Match[str]) -> str:
        return f"{found[1]}{found[2]}```python\n{(ROOT / found[1]).read_text(encoding='utf-8')}```\n"

    return _EXAMPLE.sub(insert, page.read_text(encoding="utf-8"))


def pages() -> dict[Path, str]:
    """Each page that is made, as it should be."""
    return {
        HELP: help_page(),
        ARCHITECTURE: _TREE.sub(lambda _: tree(), ARCHITECTURE.read_text(encoding="utf-8")),
        TRAINING: _RECIPES.sub(lambda _: recipes(), TRAINING.read_text(encoding="utf-8")),
        **{page: _with_example(page) for page in sorted((ROOT / "docs").glob("adding-*.md"))},
    }


def main() -> int:
    """Write the pages, or check them."""
    made = pages()
    if "--check" not in sys.argv[1:]:
        for page, text in made.items():
            page.write_text(text, encoding="utf-8")
        return 0
    stale = 0
    for page, text in made.items():
        written = page.read_text("utf-8") if page.is_file() else ""
        if written != text:
            stale = 1
            lines = zip_longest(written.splitlines(), text.splitlines(), fillvalue="")
            was, now = next((pair for pair in lines if pair[0] != pair[1]), ("", ""))
            name = page.relative_to(ROOT)
            print(f"{name} is out of date: python docs/make.py\n- {was}\n+ {now}", file=sys.stderr)
    return stale


if __name__ == "__main__":
    sys.exit(main())
