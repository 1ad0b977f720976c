"""`steer setup`, `check`, `run` and `resume` through the hub's real client, against a hub of this machine."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from fake_hub import TOKEN, FakeHub
from fake_llm import FakeLlm
from filelock import FileLock
from safetensors.torch import save_file
from tiny import tiny_checkpoint, tiny_encoder

pytest.importorskip("diffusers")
import hub_releases
import tiny_pipelines
from single_files import as_gguf, flux2_makers

from reward.hub_files import files_read
from reward.predictor.checkpoint import read_checkpoint
from steer import paths
from steer.errors import SetupError
from steer.machine import downloads, setup
from steer.machine.presets import resolve

ROOT = Path(__file__).parents[2]
FAKE_PIP = ROOT / "tests" / "support" / "fake_pip"  # nothing is ever installed by a test
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "steer"  # HOME is another in tests


@pytest.fixture
def hub():
    with FakeHub() as opened:
        yield opened


@pytest.fixture(scope="module")
def siglip(tmp_path_factory):
    """An image-text encoder that knows the shipped photographs."""
    return hub_releases.encoder_of_photographs(tmp_path_factory.mktemp("siglip") / "encoder")


@pytest.fixture
def steer(hub, tmp_path):
    """Runs a command line in a process of its own, on a machine with nothing on it but this hub."""

    def ready(words, variables):
        """Command and environment; a list of command lines is run by one process."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "STEER_"))}
        own = {
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(tmp_path / "hf"),
            "HOME": str(tmp_path / "home"),
            "XDG_DATA_HOME": str(tmp_path / "data"),
            "STEER_CACHE": str(CACHE),
            "PYTHONPATH": f"{FAKE_PIP}:{ROOT}",
            "FAKE_PIP": str(tmp_path / "pip.jsonl"),
            "NO_PROXY": "127.0.0.1,localhost",
            "OMP_NUM_THREADS": "1",
        }
        several = [str(ROOT / "tests" / "support" / "commands.py"), *map(json.dumps, words)]
        command = several if isinstance(words[0], list) else ["-m", "steer", *words]
        return [sys.executable, *command], {**kept, **own, **variables}

    def steer(*words, code=0, answer="", before=(), **variables):
        command, environment = ready(words, variables)
        done = subprocess.run(
            [*before, *command],
            input=answer,
            capture_output=True,
            text=True,
            env=environment,
            cwd=tmp_path,
            timeout=600,
            check=False,
        )
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        return done

    def start(*words):
        command, environment = ready(words, {})
        return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment, cwd=tmp_path)

    steer.start = start
    return steer


# --- what is read of a repository


def test_of_released_repositories_only_the_files_that_are_read_are_taken():
    dev = [
        *("README.md", "flux2-dev.safetensors", "ae.safetensors", "model_index.json", "teaser.png"),
        *(
            "scheduler/scheduler_config.json",
            "text_encoder/config.json",
            "text_encoder/generation_config.json",
        ),
        *("text_encoder/model-00001-of-00010.safetensors", "text_encoder/model.safetensors.index.json"),
        *("tokenizer/tokenizer_config.json", "tokenizer/tokenizer.json", "tokenizer/chat_template.jinja"),
        *("transformer/config.json", "transformer/diffusion_pytorch_model-00001-of-00007.safetensors"),
        *("vae/config.json", "vae/diffusion_pytorch_model.safetensors", "media/grid.json"),
    ]
    unread = {"README.md", "flux2-dev.safetensors", "ae.safetensors", "teaser.png", "media/grid.json"}
    assert set(dev) - set(files_read(dev)) == unread
    llama = ["config.json", "model-00001-of-00004.safetensors", "model.safetensors.index.json",
             "tokenizer.json", "original/consolidated.00.pth", "original/params.json", "LICENSE"]  # fmt: skip
    assert files_read(llama) == sorted(llama[:4])
    turbo = ["model_index.json", "sd_turbo.safetensors", "unet/config.json", "vae/config.json",
             "unet/diffusion_pytorch_model.safetensors", "unet/diffusion_pytorch_model.fp16.safetensors",
             "vae/diffusion_pytorch_model.bin", "tokenizer/vocab.json", "tokenizer/merges.txt",
             "tokenizer/tokenizer_config.json"]  # fmt: skip
    left_out = {"sd_turbo.safetensors", "unet/diffusion_pytorch_model.fp16.safetensors",
                "vae/diffusion_pytorch_model.bin"}  # fmt: skip
    assert set(turbo) - set(files_read(turbo)) == left_out
    minilm = ["config.json", "model.safetensors", "pytorch_model.bin", "onnx/model.onnx", "onnx/config.json",
              "1_Pooling/config.json", "tokenizer.json", "vocab.txt", "tf_model.h5"]  # fmt: skip
    read = ["1_Pooling/config.json", "config.json", "model.safetensors", "tokenizer.json", "vocab.txt"]
    assert files_read(minilm) == read


# --- from nothing to a run


@pytest.mark.slow
def test_laptop_is_set_up_by_one_command_checked_run_and_resumed_without_a_network(
    hub, steer, tmp_path, siglip
):
    hub_releases.laptop(hub, tmp_path / "made", siglip)
    hub.trouble.busy = 1  # the first request is told to wait, and the client does
    done = steer("setup", "laptop", "--no-check", answer="n\n", code=1)
    assert "Go on?" in done.stderr and "nothing was fetched" in done.stderr and hub.fetched == []
    assert "licence of IDKiro/sdxs-512-dreamshaper: CreativeML OpenRAIL++-M" in done.stderr
    assert "CC-BY-4.0" in done.stderr and "to fetch" in done.stderr and "free" in done.stderr
    plan = json.loads(steer("setup", "laptop", "--json").stdout)
    assert hub.fetched == [] and plan["status"] == "planned"
    assert plan["bytes"] == sum(step["bytes"] for step in plan["steps"])

    hub.trouble.cut = 2  # connections break midway, and the client asks again
    done = steer("setup", "laptop", "--yes", "--epochs", "1")
    assert hub.trouble.cut == 0 and "image-text encoder: 5 of 5 photographs" in done.stderr
    assert "ready: steer run --user" in done.stderr  # and no --preset
    unread = ("sdxs.safetensors", ".fp16.safetensors", ".bin", "README.md")
    assert hub.fetched and not [name for name in hub.fetched if name.endswith(unread)]
    sizes = {
        f"{id}/{name}": len(data)
        for (_, id), each in hub.repositories.items()
        for name, data in each.files.items()
    }
    assert sum(sizes[name] for name in set(hub.fetched)) == plan["bytes"]

    fetched = len(hub.fetched)
    done = steer("setup", "laptop", "--yes", "--no-check", HF_HUB_OFFLINE="1")
    assert "nothing is left to fetch or to make" in done.stderr and len(hub.fetched) == fetched

    run = ("run", "--user", "1", "--prompt", "floating mossy rocks", "--iterations", "1", "--proposals", "2")
    more = ("--confirm", "1", "--no-gate", "--size", "32", "--llm-seed", "1")
    done = steer(*run, *more, "--quiet", HF_HUB_OFFLINE="1")
    assert "preset laptop" in done.stderr
    folder = done.stdout.splitlines()[-1]
    log = tmp_path / folder / "events.jsonl"
    if log.is_file():  # as if it had been killed after the base picture
        log.write_text("".join(line + "\n" for line in log.read_text().splitlines()[:3]))
    steer("runs", "resume", folder, HF_HUB_OFFLINE="1")
    assert len(hub.fetched) == fetched


@pytest.mark.slow
def test_check_fails_with_the_next_command_where_an_encoder_knows_nothing(hub, steer, tmp_path):
    hub_releases.laptop(hub, tmp_path / "made")
    done = steer("setup", "laptop", "--yes", "--epochs", "1", code=1)
    assert (
        "image-text encoder failed; next: delete the encoder's folder, then steer setup laptop" in done.stderr
    )
    done = steer("check", "laptop", "--json", "--report", "check.json", code=1)
    report = json.loads(done.stdout)
    assert report == json.loads((tmp_path / "check.json").read_text()) and report["status"] == "failed"
    assert str(tmp_path) not in done.stdout and os.environ.get("USER", "nobody-here") not in done.stdout
    failed = [each["what"] for each in report["checks"] if not each["ok"]]
    assert failed == ["image-text encoder"] and report["preset"] == "laptop"
    assert {"pictures", "batch", "language model", "scores"} <= {each["what"] for each in report["checks"]}


# --- terms, damage, no room


@pytest.mark.slow
@pytest.mark.parametrize("name", ["flux2", "klein"])
def test_a_gpu_preset_is_planned_after_its_terms_are_accepted_and_fetches_no_duplicates(
    name, hub, steer, tmp_path
):
    hub_releases.release(name, hub, tmp_path / "made")
    gated = "black-forest-labs/FLUX.2-dev" if name == "flux2" else "meta-llama/Llama-3.1-8B-Instruct"
    line = f"{gated} is gated: accept its terms on {hub.url}/{gated}, then: hf auth login"
    assert line in steer("setup", name, code=1).stderr
    assert line in steer("setup", name, code=1, HF_TOKEN="hf_of_somebody_else").stderr
    plan = json.loads(steer("setup", name, "--json", HF_TOKEN=TOKEN).stdout)
    weights = {step["name"]: step for step in plan["steps"]}
    assert weights["image model"]["bytes"] > 0 and plan["memory"]["plan"] == "bf16"
    assert not [
        file for step in plan["steps"] for file in step["files"] if "original" in file or "flux" in file
    ]
    more = ("--llm-url", "http://127.0.0.1:9/v1", "--reward", "laion-aesthetics")
    done = steer("setup", name, "--no-check", "--yes", *more, code=1, HF_TOKEN=TOKEN)
    assert f"{name} still lacks a GPU" in done.stderr  # and nothing else
    assert done.stderr.count("still lacks") == 1
    assert not [
        file for file in hub.fetched if file.endswith((".pth", "flux2-dev.safetensors", "4b.safetensors"))
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", list(hub_releases.PIPELINES))
def test_every_preset_for_a_gpu_is_set_up_checked_run_and_resumed_with_its_real_classes(
    name, hub, steer, tmp_path, siglip
):
    """On a machine whose facts are an H100's and whose work the CPU does, at tiny sizes."""
    hub_releases.release(name, hub, tmp_path / "made", siglip)
    small = ("--size", "32", "--steps", "2")
    ask = ("--user", "1", "--prompt", "floating mossy rocks", "--iterations", "1", "--proposals", "2")
    with FakeLlm() as llm:
        setup = ["setup", name, "--yes", "--epochs", "1", "--llm-url", llm.url, *small]
        done = steer([setup], HF_TOKEN=TOKEN, FAKE_GPU="H100")
        for line in (
            "language model: 4 different prompts",
            "pictures: 4 made twice: mean difference 0.00",
            "text encoder: relative error" if "flux" in name or "klein" in name else "nothing is cut",
            "image-text encoder: 5 of 5 photographs",
            "✓ scores",
            "ready: steer run --llm-url",  # and no --preset: it is found
        ):
            assert line in done.stderr, line
        unread = ("README.md", "consolidated.00.pth", hub_releases.PIPELINES[name][2])
        assert hub.fetched and not [file for file in hub.fetched if file.endswith(unread)]
        fetched = len(hub.fetched)
        run = ["run", *ask, "--confirm", "1", "--no-gate", "--llm-url", llm.url, *small, "--quiet"]
        resume = ["runs", "resume", "last"]
        done = steer([run, ["interrupt"], resume], HF_HUB_OFFLINE="1", FAKE_GPU="H100")
    assert f"preset {name}" in done.stderr and len(hub.fetched) == fetched
    [folder] = (tmp_path / "runs").iterdir()
    result = json.loads((folder / "result.json").read_text())
    config = json.loads((folder / "config.json").read_text())
    assert result["status"] == "complete" and result["preset"] == name
    assert config["parts"]["renderer"]["name"] == hub_releases.PIPELINES[name][0]


@pytest.mark.slow
def test_a_renderer_in_one_file_is_fetched_with_the_pipeline_around_it_and_without_its_denoiser(
    hub, steer, tmp_path
):
    hub_releases.release("klein", hub, tmp_path / "made")
    id, file = "someone/FLUX.2-klein-4B-GGUF", "flux-2-klein-4b-Q8_0.gguf"
    (tmp_path / "gguf").mkdir()
    weights = flux2_makers(tiny_pipelines.transformer(guidance=False, seed=1).state_dict())
    as_gguf(tmp_path / "gguf" / file, weights)
    hub.add(id, tmp_path / "gguf")
    base, around = f"{id}/{file}", "black-forest-labs/FLUX.2-klein-4B"
    assert f"steer setup {base}" in steer("setup", id, code=1).stderr
    line = "someone/things/a.gguf does not tell which pipeline it belongs to: --renderer-base"
    assert line in steer("setup", "someone/things/a.gguf", code=1).stderr
    assert "can run programs" in steer("setup", "someone/things/klein-4b.ckpt", code=1).stderr
    assert f"{id} holds no klein-4b.gguf" in steer("setup", f"{id}/klein-4b.gguf", code=1).stderr
    more = ("--renderer-base", around)  # its width is no released one's
    steer("setup", base, "--yes", *more)
    assert hub.fetched.count(base) == 1
    assert f"{around}/vae/config.json" in hub.fetched and f"{around}/transformer/config.json" in hub.fetched
    assert f"{around}/transformer/diffusion_pytorch_model.safetensors" not in hub.fetched
    assert "nothing is left" in steer("setup", base, "--yes", *more, HF_HUB_OFFLINE="1").stderr
    predictor = str(ROOT / "steer" / "sandbox" / "weights" / "predictor")
    run = ["run", "--preset", "klein", "--renderer", base, *more, "--population", "--iterations", "1",
           "--reward", predictor, "--proposals", "2", "--prompt", "floating mossy rocks", "--confirm", "1",
           "--no-gate", "--size", "32", "--steps", "2"]  # fmt: skip
    with FakeLlm() as llm:
        plan = [*run, "--llm-url", llm.url, "--plan", "--json"]
        done = steer([plan], FAKE_GPU="H100", HF_HUB_OFFLINE="1")
        models = {each["what"]: each["model"] for each in json.loads(done.stdout)["plan"]["gpu"]["models"]}
        assert models["transformer"] == base and models["vae"] == around
        run += ["--llm-url", llm.url]
        steer([run, ["interrupt"], ["runs", "resume", "last"]], FAKE_GPU="H100", HF_HUB_OFFLINE="1")
    [folder] = (tmp_path / "runs").iterdir()
    config = json.loads((folder / "config.json").read_text())
    assert config["parts"]["renderer"]["name"] == f"{base} on {around}"
    assert json.loads((folder / "result.json").read_text())["status"] == "complete"


@pytest.mark.slow
def test_a_download_that_breaks_for_good_goes_on_with_the_same_command(hub, steer, tmp_path):
    (tmp_path / "lora").mkdir()
    save_file({"a": torch.zeros(24, 2**18)}, tmp_path / "lora" / "style.safetensors")  # more than two pieces
    save_file({"a": torch.zeros(2)}, tmp_path / "lora" / "small.safetensors")
    hub.add("owner/style", tmp_path / "lora")
    hub.trouble.cut = 10**6
    done = steer("setup", "owner/style", "--yes", code=1)
    assert "owner/style" in done.stderr and "the same command goes on" in done.stderr
    assert hub.fetched == ["owner/style/small.safetensors"]
    hub.trouble.cut, hub.trouble.ranges = 1, []
    steer("setup", "owner/style", "--yes")
    assert hub.fetched == ["owner/style/small.safetensors", "owner/style/style.safetensors"]
    assert hub.trouble.ranges  # where one connection broke, the next one went on
    assert "there is no model nobody/nothing on the hub" in steer("setup", "nobody/nothing", code=1).stderr
    assert "no such revision" in steer("setup", "owner/style@abc", "--yes", code=1).stderr


@pytest.mark.slow
def test_setup_that_is_killed_at_any_instant_goes_on_with_the_same_command(hub, steer, tmp_path):
    hub_releases.laptop(hub, tmp_path / "made")
    hub.trouble.slow = 0.5
    chance = random.Random(7)
    words = ("setup", "laptop", "--yes", "--no-check", "--epochs", "3")
    for step in ("image model", "image-text encoder", "data set", "predictor"):
        process = steer.start(*words)
        for line in process.stderr:
            if f"→ {step}" in line:
                break
        time.sleep(chance.uniform(0, 1))
        process.kill()  # SIGKILL: no clean-up of any kind
        process.communicate()
    hub.trouble.slow = 0
    steer(*words)
    assert "nothing is left to fetch" in steer(*words).stderr
    blobs = list((tmp_path / "hf").glob("hub/*/blobs/*"))
    assert blobs and not [blob.name for blob in blobs if blob.name.endswith(".incomplete")]
    served = {
        hashlib.sha256(data).digest() for each in hub.repositories.values() for data in each.files.values()
    }
    assert {hashlib.sha256(blob.read_bytes()).digest() for blob in blobs} <= served


def test_remains_of_a_killed_download_go_unless_somebody_is_at_work_on_them(tmp_path, monkeypatch):
    monkeypatch.setattr(downloads.paths, "hub", lambda: tmp_path)
    blobs = tmp_path / "models--a--b" / "blobs"
    blobs.mkdir(parents=True)
    for name in ("0a.1234abcd.incomplete", "0b.1234abcd.incomplete", "0c"):
        (blobs / name).write_bytes(b"half")
    lock = tmp_path / ".locks" / "models--a--b" / "0b.lock"
    lock.parent.mkdir(parents=True)
    with FileLock(lock):
        downloads._drop_remains(downloads.Download("a/b", None, "model", (), 0, 0, 0, False))
    assert sorted(path.name for path in blobs.iterdir()) == ["0b.1234abcd.incomplete", "0c"]


@pytest.mark.slow
def test_a_disk_that_is_full_in_the_middle_of_a_download_is_one_line_and_the_same_command_goes_on(
    hub, steer, tmp_path
):
    (tmp_path / "style").mkdir()
    save_file({"a": torch.zeros(2)}, tmp_path / "style" / "a.safetensors")
    save_file({"a": torch.zeros(24, 2**18)}, tmp_path / "style" / "style.safetensors")
    hub.add("owner/style", tmp_path / "style")
    hub.trouble.understates = True  # else there would be no room before anything is fetched
    disk = tmp_path / "hf"
    disk.mkdir()
    mount = f'mount -t tmpfs -o size=4m tmpfs "{disk}" && "$@"; code=$?; ls {disk}/hub/*/blobs; exit $code'
    small = ["unshare", "--map-root-user", "--mount", "sh", "-c", mount, "sh"]
    if subprocess.run([*small, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system lets nobody mount a small disk")
    done = steer("setup", "owner/style", "--yes", code=1, before=small)
    assert f"the disk of {disk / 'hub'} is full: make room; what is here stays" in done.stderr
    assert "incomplete" not in done.stdout  # and leaves no half of a file on it
    steer("setup", "owner/style", "--yes")


def test_a_disk_without_room_is_told_before_anything_is_fetched(tmp_path, monkeypatch):
    monkeypatch.setattr(downloads.shutil, "disk_usage", lambda folder: type("D", (), {"free": 10**9}))
    downloads.check_room([(tmp_path / "hf", 4 * 10**8), (tmp_path / "data", 5 * 10**8)])
    with pytest.raises(SetupError, match=r"takes 1\.2 GB of disk .* has 1\.0 GB free: make room"):
        downloads.check_room([(tmp_path / "hf", 7 * 10**8), (tmp_path / "data", 5 * 10**8)])


def test_each_step_needs_room_on_the_disk_that_it_fills(tmp_path, monkeypatch):
    asked, taken = [], []
    monkeypatch.setattr(downloads, "check_room", asked.extend)
    steps = (
        setup.Step("weights", "", False, 5, 5),
        setup.Step("data set", "", False, 2, 4, tmp_path, run=lambda progress: taken.append("data set")),
        setup.Step("packages", "", True, 9, 9),
    )
    setup.take(setup.Plan(resolve("sandbox"), steps), lambda step: None, lambda *done: None)
    assert asked == [(paths.hub(), 5), (tmp_path, 4)] and taken == ["data set"]


def test_without_a_network_the_line_says_who_forbids_it():
    with pytest.raises(SetupError, match="a/b is not here and HF_HUB_OFFLINE forbids the network"):
        downloads.look("a/b")


def test_a_disk_that_fills_up_midway_is_one_line():
    line = r"the disk of .* is full: make room; what is here stays"
    with pytest.raises(SetupError, match=line), downloads._in_words("a/b", "model"):
        raise OSError(28, "No space left on device")


def test_packages_are_installed_beside_the_installed_ones_of_which_none_is_changed(tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_PIP", str(tmp_path / "pip.jsonl"))
    monkeypatch.setenv("PYTHONPATH", str(FAKE_PIP))
    setup._pip(sys.executable, ["torchvision"])
    told = json.loads((tmp_path / "pip.jsonl").read_text())
    assert told["arguments"][-1] == "torchvision" and "--upgrade" not in told["arguments"]
    assert f"torch=={importlib.metadata.version('torch')}" in told["constraints"][0].splitlines()


# --- a predictor for others


@pytest.mark.slow
def test_a_predictor_is_shared_without_what_its_people_said_of_themselves_and_taken_by_others(
    hub, steer, tmp_path
):
    hub.add("google/siglip2-base-patch16-224", tiny_encoder(tmp_path / "siglip"))
    folder = tiny_checkpoint(tmp_path, people=4)
    card = json.loads((folder / "predictor.json").read_text())
    steer(
        "reward", "push", str(folder), "me/mine", "--yes", code=1
    )  # its encoder is a folder of this machine
    encoder = {**card["encoder"], "id": "google/siglip2-base-patch16-224"}
    (folder / "predictor.json").write_text(json.dumps({**card, "encoder": encoder}))
    done = steer("reward", "push", str(folder), "me/mine", answer="n\n", code=1)
    assert "nothing was sent" in done.stderr and ("model", "me/mine") not in hub.repositories
    steer("reward", "push", str(folder), "me/mine", "--yes", code=1)  # no token
    steer("reward", "push", str(folder), "me/mine", "--yes", HF_TOKEN=TOKEN)
    sent = hub.repositories["model", "me/mine"].files
    assert {"predictor.json", "model.safetensors", "README.md"} <= set(sent)
    assert not any(word in sent["predictor.json"] for word in (b"Germany", b"female", b"Ghana"))
    steer("reward", "pull", "me/mine", answer="n\n", code=1)
    steer("reward", "pull", "me/mine", "--yes")
    pulled, _, tables = read_checkpoint(tmp_path / "data" / "steer" / "predictor")
    assert [person.id for person in pulled.people] == ["1", "2", "3", "4"]
    assert not any(value for person in pulled.people for value in person.demographics.values())
    assert not tables.demographics.any() and tables.profiles.any()
    steer("reward", "pull", "me/mine", "--yes", code=1)  # there is one already
