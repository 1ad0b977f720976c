"""ComfyUI: where a workflow takes prompt and seed, and that nothing is asked for twice or lost."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from fake_image_servers import FakeComfy, all_closed, black, closed, picture, status
from fakes import PROMPT, FakePerson, FakeRenderer, fake_parts

from reward.pictures import read_image
from steer import Record, Run, Settings
from steer.errors import RendererDown, RendererError, UsageError
from steer.machine.loading import TOGETHER
from steer.renderer.servers import open_server
from steer.renderer.servers.comfyui import ComfyUI
from steer.renderer.servers.http import Http
from steer.renderer.servers.kind import Asked
from steer.renderer.servers.renderer import ServerRenderer
from steer.renderer.servers.workflow import parsed, read_workflow


@pytest.fixture(autouse=True)
def _closed(monkeypatch):
    with all_closed(monkeypatch):
        yield


@pytest.fixture
def comfy() -> Iterator[FakeComfy]:
    with FakeComfy() as fake:
        yield fake


def of(
    *fakes: FakeComfy, workflow: str = "sd", patience: float = 20.0, attempts: int = 3, **asked: Any
) -> ServerRenderer:
    servers = [Http(fake.url, timeout=20, pause=0.01, attempts=attempts) for fake in fakes]
    wanted = Asked(**{"width": 64, "height": 64, **asked})
    return ServerRenderer(ComfyUI(servers, None, wanted, workflow, patience=patience))


def made(prompt: str, seed: int) -> bytes:
    return read_image(picture(prompt, seed, (64, 64))).tobytes()


# --- workflows

KSAMPLER: dict[str, Any] = {
    "3": {
        "class_type": "KSampler",
        "inputs": {
            "seed": 1, "steps": 20, "cfg": 8, "model": ["4", 0], "positive": ["6", 0], "negative": ["7", 0],
            "latent_image": ["5", 0],
        },
        "_meta": {"title": "the sampler"},
    },
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "mine.safetensors"}},
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 512, "height": 512, "batch_size": 1}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a cat", "clip": ["4", 1]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "bad", "clip": ["4", 1]}},
    "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
    "9": {"class_type": "SaveImage", "inputs": {"images": ["8", 0], "filename_prefix": "ComfyUI"}},
}  # fmt: skip


def changed(**nodes: Any) -> dict[str, Any]:
    """The workflow with some nodes' inputs changed; a whole node under its id."""
    graph = json.loads(json.dumps(KSAMPLER))
    for id, inputs in nodes.items():
        id = id.removeprefix("n")
        if "class_type" in inputs:
            graph[id] = inputs
        else:
            graph[id]["inputs"] |= inputs
    return graph


def where(graph: dict[str, Any], *nodes: str) -> dict[str, str]:
    found = parsed(graph, "mine.json", nodes).places
    return {what: " ".join(map(str, places)) for what, places in found.items()}


def test_prompt_and_seed_are_found_from_the_sampler():
    assert where(KSAMPLER) == {
        "seed": "3.seed", "prompt": "6.text", "negative": "7.text", "model": "4.ckpt_name",
        "width": "5.width", "height": "5.height", "steps": "3.steps", "guidance": "3.cfg",
    }  # fmt: skip


def test_links_are_followed_to_where_a_value_stands():
    graph = changed(
        n3={"seed": ["20", 0], "positive": ["21", 0]},
        n20={"class_type": "PrimitiveInt", "inputs": {"value": 5}},
        n21={"class_type": "FluxGuidance", "inputs": {"conditioning": ["6", 0], "guidance": 3.5}},
        n6={"text": ["22", 0]},
        n22={"class_type": "PrimitiveString", "inputs": {"value": "a cat"}},
        n5={"width": ["23", 0]},
        n23={"class_type": "PrimitiveInt", "inputs": {"value": 640}},
    )
    del graph["3"]["inputs"]["cfg"]
    found = where(graph)
    assert found["seed"] == "20.value" and found["prompt"] == "22.value"
    assert found["guidance"] == "21.guidance" and found["width"] == "23.value"


def test_the_shipped_workflow_of_flux2_takes_all_of_it_but_a_negative_prompt():
    workflow = read_workflow("flux2-klein")
    assert {what: len(places) for what, places in workflow.places.items()} == {
        "prompt": 1, "seed": 1, "width": 2, "height": 2, "steps": 1, "guidance": 1, "model": 1,
    }  # fmt: skip
    graph = workflow.filled({"prompt": "a boat", "seed": 7, "width": 640, "height": 640, "steps": None})
    assert graph["4"]["inputs"]["text"] == "a boat" and graph["7"]["inputs"]["noise_seed"] == 7
    assert graph["9"]["inputs"] == {"steps": 4, "width": 640, "height": 640}
    assert graph["10"]["inputs"]["width"] == 640
    assert "%" not in json.dumps(graph)


def test_several_seeds_are_listed_and_one_can_be_chosen():
    graph = changed(n30={"class_type": "RandomNoise", "inputs": {"noise_seed": 3}})
    with pytest.raises(
        UsageError, match=r"several places for the seed: 3.seed \(the sampler\), 30.noise_seed"
    ) as error:
        where(graph)
    assert "--node seed=3.seed" in str(error.value)
    assert where(graph, "seed=3.seed")["prompt"] == "6.text"
    assert where(graph, "seed=3.seed", "seed=30.noise_seed")["seed"] == "3.seed 30.noise_seed"


def test_several_prompts_are_listed():
    graph = changed(
        n3={"positive": ["40", 0]},
        n40={
            "class_type": "ConditioningCombine",
            "inputs": {"conditioning_1": ["6", 0], "conditioning_2": ["41", 0]},
        },
        n41={"class_type": "CLIPTextEncode", "inputs": {"text": "a dog", "clip": ["4", 1]}},
    )
    with pytest.raises(UsageError, match=r"several places for the prompt: 6\.text"):
        where(graph)
    assert where(graph, "prompt=41.text")["prompt"] == "41.text"


def test_both_texts_of_an_sdxl_encoder_are_the_prompt():
    graph = changed(
        n6={"class_type": "CLIPTextEncodeSDXL", "inputs": {"text_g": "a", "text_l": "a", "clip": ["4", 1]}}
    )
    assert where(graph)["prompt"] == "6.text_g 6.text_l"


def test_placeholders_are_filled_and_numbers_stay_numbers():
    graph = changed(
        n3={"seed": "%seed%", "steps": "%steps%"},
        n6={"text": "photo of %prompt%, 35 mm"},
        n5={"width": "%width%"},
    )
    workflow = parsed(graph, "mine.json")
    filled = workflow.filled({"prompt": "a {boat}", "seed": 7, "width": 640, "steps": 9})
    assert filled["3"]["inputs"]["seed"] == 7 and filled["3"]["inputs"]["steps"] == 9
    assert filled["6"]["inputs"]["text"] == "photo of a {boat}, 35 mm"
    with pytest.raises(UsageError, match="wants %steps%: give it with --steps"):
        workflow.filled({"prompt": "a boat", "seed": 7, "width": 640})


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "is no JSON"),
        ('{"nodes": [], "links": []}', r"Export \(API\)"),
        ('{"a": 1}', "no workflow in API format"),
        ("[]", "no workflow in API format"),
        (json.dumps(changed(n6={"text": "%sampler%"})), "has %sampler%, and steer knows %prompt%"),
        (json.dumps({"9": KSAMPLER["9"]}), "no place for the prompt"),
    ],
)
def test_what_is_no_workflow_is_refused_with_what_to_do(tmp_path, content, says):
    path = tmp_path / "mine.json"
    path.write_text(content)
    with pytest.raises(UsageError, match=says):
        read_workflow(str(path))


def test_a_workflow_that_is_not_there_names_those_that_are_shipped():
    with pytest.raises(UsageError, match="name a file, or one of flux2-klein, sd"):
        read_workflow("nowhere.json")


@pytest.mark.parametrize(
    ("node", "says"),
    [
        ("seed", r"is not NAME=ID\.INPUT"),
        ("colour=3.seed", "names are prompt"),
        ("seed=3.sed", "its node 3 has seed, steps"),
        ("seed=77.seed", "no node 77"),
    ],
)
def test_a_node_that_is_not_there_is_refused(node, says):
    with pytest.raises(UsageError, match=says):
        parsed(KSAMPLER, "mine.json", [node])


# --- pictures


def test_pictures_come_in_order_and_each_is_asked_for_once(comfy):
    prompts = [f"a boat {i}" for i in range(10)]
    renderer = of(comfy)
    assert [image.tobytes() for image in renderer.render(prompts, [7] * 10)] == [
        made(each, 7) for each in prompts
    ]
    assert sorted(comfy.executed) == sorted((prompt, 7) for prompt in prompts)
    assert renderer.name == "tiny.safetensors (ComfyUI)" and renderer.server == "ComfyUI 0.3.64"


def test_what_another_session_asked_for_is_fetched_and_not_asked_for_again(comfy):
    list(of(comfy).render(["done"], [7]))
    comfy.paused = True
    waiting = of(comfy)

    def wait() -> None:
        with suppress(RendererError):
            list(waiting.render(["waiting"], [7]))

    threading.Thread(target=wait, daemon=True).start()
    while len(comfy.posted) < 2:
        pass
    waiting.close()  # as if that session had been killed
    again = of(comfy)
    threading.Timer(0.1, lambda: setattr(comfy, "paused", False)).start()
    assert len(list(again.render(["done", "waiting", "new"], [7, 7, 7]))) == 3
    assert Counter(comfy.posted).most_common(1)[0][1] == 1 and len(comfy.posted) == 3


def test_two_servers_share_the_work_and_know_what_the_other_has():
    with FakeComfy() as one, FakeComfy() as two:
        one.delay = two.delay = 0.03
        prompts = [str(i) for i in range(12)]
        assert len(list(of(one, two).render(prompts, [1] * 12))) == 12
        assert min(len(one.executed), len(two.executed)) >= 3
        assert len(list(of(two, one).render(prompts, [1] * 12))) == 12
        assert len(one.executed) + len(two.executed) == 12


def test_one_of_two_servers_may_die():
    with FakeComfy() as one:
        with FakeComfy() as two:
            renderer = of(one, two)
            list(renderer.render(["a"], [1]))
        assert len(list(renderer.render(list("bcdefg"), [1] * 6))) == 6
        assert "went on with the others" in renderer.notes()[0]


def test_a_queue_that_was_lost_is_asked_for_again(comfy, monkeypatch):
    monkeypatch.setattr("steer.renderer.servers.comfyui.LOOK_AT_QUEUE", 0.05)
    comfy.paused = True
    renderer = of(comfy)

    def lose() -> None:
        while not comfy.posted:
            pass
        comfy.restart()
        comfy.paused = False

    threading.Thread(target=lose, daemon=True).start()
    assert [image.tobytes() for image in renderer.render(["a boat"], [7])] == [made("a boat", 7)]
    assert comfy.executed == [("a boat", 7)]
    assert "lost its queue" in renderer.notes()[0]


def test_a_connection_that_breaks_while_asking_does_not_ask_twice(comfy):
    comfy.faults.append(closed)  # the server took it, and the answer was lost
    assert len(list(of(comfy).render(["a boat"], [7]))) == 1
    assert len(comfy.posted) == 1


def test_what_is_at_one_picture_for_too_long_is_told_of(comfy, monkeypatch):
    monkeypatch.setattr("steer.renderer.servers.comfyui.LOOK_AT_QUEUE", 0.02)
    comfy.paused = True
    with pytest.raises(RendererDown, match="is at one picture for 0 seconds"):
        list(of(comfy, patience=0.1).render(["a boat"], [7]))


def test_cached_outputs_that_a_version_leaves_out_are_saved_again(comfy):
    comfy.patchy = True
    list(of(comfy).render(["a boat"], [7]))
    comfy.history.clear()  # cleared in the page; what is in the cache is not in the history
    assert [image.tobytes() for image in of(comfy).render(["a boat"], [7])] == [made("a boat", 7)]


def test_a_file_that_was_removed_is_made_again(comfy):
    list(of(comfy).render(["a boat"], [7]))
    comfy.files.clear()
    assert [image.tobytes() for image in of(comfy).render(["a boat"], [7])] == [made("a boat", 7)]


def test_a_failure_is_this_pictures_and_another_session_tries_anew(comfy):
    comfy.fails = lambda prompt: "Allocation on device" if prompt == "a boat" else None
    renderer = of(comfy)
    with pytest.raises(RendererError, match="KSampler: Allocation on device") as error:
        list(renderer.render(["a boat"], [7]))
    assert not isinstance(error.value, RendererDown)
    assert len(list(renderer.render(["a house"], [7]))) == 1
    comfy.fails = lambda prompt: None
    assert len(list(of(comfy).render(["a boat"], [7]))) == 1


def test_a_black_picture_is_none(comfy):
    comfy.make = lambda prompt, seed, size: black(size)
    with pytest.raises(RendererError, match="black"):
        list(of(comfy).render(["a boat"], [7]))


REFUSED = {
    "a busy server": (status(503), "fails"),
    "a workflow that it does not run": (status(400, "bad linked input"), "does not run sd: bad linked input"),
    "a key": (status(401), "wants another key"),
}


@pytest.mark.parametrize(("fault", "says"), REFUSED.values(), ids=REFUSED)
def test_what_does_not_pass_ends_the_run_with_one_line(comfy, fault, says):
    comfy.faults += [fault] * 3
    with pytest.raises(RendererDown, match=says):
        list(of(comfy).render(["a boat"], [7]))


def test_a_server_that_takes_no_id_cannot_be_used(comfy):
    comfy.takes_no_id = True
    with pytest.raises(RendererDown, match="does not take the id"):
        list(of(comfy).render(["a boat"], [7]))


def test_several_pictures_at_once_are_refused(comfy):
    comfy.per_graph = 4
    with pytest.raises(RendererDown, match="makes 4 pictures at once and should make one: set batch_size"):
        list(of(comfy).render(["a boat"], [7]))


def test_nodes_that_are_not_installed_are_named(comfy):
    comfy.lacks = ("KSampler",)
    with pytest.raises(RendererDown, match="lacks the nodes KSampler of sd: install"):
        of(comfy)


def test_without_a_workflow_it_says_how_to_get_one(comfy):
    with pytest.raises(UsageError, match=r"Export \(API\).*--workflow sd"):
        open_server([comfy.url])


def test_of_several_checkpoints_one_has_to_be_named(comfy):
    comfy.checkpoints = ("a.safetensors", "b.safetensors")
    with pytest.raises(RendererDown, match="several models; choose with --renderer: a"):
        open_server([comfy.url], workflow="sd")
    with pytest.raises(RendererDown, match="has no model 'c'"):
        open_server([comfy.url], "c", workflow="sd")
    renderer = open_server([comfy.url], "b.safetensors", workflow="sd", size=64)
    assert renderer.model == "b.safetensors"
    assert comfy.asked[0]["prompt"]["1"]["inputs"]["ckpt_name"] == "b.safetensors"


def test_the_probe_makes_the_first_picture_anew(comfy):
    assert open_server([comfy.url], workflow="sd").seeds == "honoured"
    assert [seed for _, seed in comfy.executed] == [20_261, 20_262, 20_261]


def test_its_memory_is_asked_for_between_the_phases(comfy):
    renderer = of(comfy)
    renderer.rest()
    assert comfy.freed == 1 and "gives its memory back" in renderer.notes()[0]


def test_another_workflow_is_another_renderer(comfy, tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(KSAMPLER))
    one = of(comfy, workflow=str(path))
    path.write_text(json.dumps(changed(n3={"cfg": 7})))
    two = of(comfy, workflow=str(path))
    assert one.sha256 != two.sha256 and one.model == "mine.safetensors"


# --- a run

SETTINGS = Settings(iterations=2, proposals=4, confirm=2, patience=0, seed=7)


def outcome(folder: Path) -> dict[str, Any]:
    record = Record.read(folder)
    result = {key: value for key, value in record.result.items() if key not in ("run", "seconds")}
    pictures = {path.name: read_image(path).tobytes() for path in folder.glob("images/*.png")}
    return {**result, "pictures": pictures}


def run(renderer: Any, out: Path) -> Path:
    going = Run.start(PROMPT, FakePerson(), fake_parts(renderer=renderer, beside=TOGETHER), SETTINGS, out)
    list(going)
    return going.folder


def test_a_run_on_a_server_and_one_in_process_have_the_same_record(comfy, tmp_path):
    here = run(FakeRenderer(size=64), tmp_path / "here")
    there = run(of(comfy), tmp_path / "there")
    assert outcome(there) == outcome(here)
    config = Record.read(there).config["parts"]["renderer"]
    assert config["server"] == "ComfyUI 0.3.64" and config["seeds"] == "honoured"
