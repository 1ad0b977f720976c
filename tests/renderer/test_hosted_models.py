"""Pictures that cost money: none is paid for twice, and no key is shown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fake_image_servers import FakeBfl, FakeServer, all_closed, answer, closed, cut_midway, picture, status
from fakes import PROMPT, FakePerson, fake_parts
from PIL import Image

from reward.pictures import read_image
from steer import Record, Run, Settings, paths
from steer.errors import RendererDown, RendererError, UsageError
from steer.machine.estimate import estimate
from steer.machine.loading import TOGETHER
from steer.machine.overrides import Overrides
from steer.machine.presets import resolve
from steer.renderer.servers import open_server
from steer.renderer.servers.bfl import Bfl
from steer.renderer.servers.hugging_face import HuggingFace
from steer.renderer.servers.kind import Asked
from steer.renderer.servers.renderer import ServerRenderer

KEY = "bfl-sesame-123"


@pytest.fixture(autouse=True)
def _keys(monkeypatch):
    monkeypatch.setenv("BFL_API_KEY", KEY)
    monkeypatch.setenv("HF_TOKEN", "hf_sesame")
    with all_closed(monkeypatch):
        yield


@pytest.fixture
def bfl() -> Iterator[FakeBfl]:
    with FakeBfl() as fake:
        yield fake


def of(fake: FakeBfl, limit: int = 100, size: int = 64) -> ServerRenderer:
    kind = Bfl("flux-2-klein-4b", Asked(size, size), limit, None, host=fake.url, look=0.005)
    for server in kind._servers:
        server._pause = 0.01
    return ServerRenderer(kind)


def made(prompt: str, seed: int) -> bytes:
    return read_image(picture(prompt, seed, (64, 64))).tobytes()


def slips() -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in (paths.data() / "paid").glob("*.json")]


def test_a_picture_is_asked_for_waited_for_and_fetched(bfl):
    renderer = of(bfl)
    assert [image.tobytes() for image in renderer.render(["a boat"], [7])] == [made("a boat", 7)]
    assert bfl.asked == [
        {
            "prompt": "a boat", "seed": 7, "width": 64, "height": 64, "output_format": "png",
            "prompt_upsampling": False,
        }
    ]  # fmt: skip
    assert set(bfl.keys) == {KEY} and renderer.seeds == "honoured"


def test_what_was_paid_for_once_is_never_paid_for_again(bfl):
    list(of(bfl).render(["a boat", "a house"], [7, 7]))
    assert [image.tobytes() for image in of(bfl).render(["a house"], [7])] == [made("a house", 7)]
    assert len(bfl.charged) == 2
    list(of(bfl).render(["a house"], [8]))
    assert len(bfl.charged) == 3


def test_a_session_that_died_while_waiting_is_gone_on_with(bfl):
    bfl.pending = 10**9
    renderer = of(bfl)
    server = renderer.kind._servers[0]
    server_get = server.get

    def dies(path: str, attempts: int = 0) -> Any:
        raise RendererDown("the power went out")

    server.get = dies  # type: ignore[method-assign]
    with pytest.raises(RendererDown):
        list(renderer.render(["a boat"], [7]))
    assert server_get is not None and "fetch" in slips()[0]
    bfl.pending = 0
    assert [image.tobytes() for image in of(bfl).render(["a boat"], [7])] == [made("a boat", 7)]
    assert len(bfl.charged) == 1


@pytest.mark.parametrize("fault", [closed, cut_midway, status(500), status(504)])
def test_where_nobody_knows_whether_it_was_paid_for_it_is_not_asked_for_again(bfl, fault):
    bfl.faults.append(fault)
    with pytest.raises(RendererError, match=r"broke the connection|fails"):
        list(of(bfl).render(["a boat"], [7]))
    for _ in range(2):
        with pytest.raises(RendererError, match=r"may have been paid for: look at the bill.* rm ") as error:
            list(of(bfl).render(["a boat"], [7]))
    assert len(bfl.asked) == 1
    path = paths.data() / "paid" / str(error.value).rpartition("/")[2]
    path.unlink()  # as the message says
    assert len(list(of(bfl).render(["a boat"], [7]))) == 1


PASSING = {"429": status(429, retry_after="0"), "503": status(503)}


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
def test_what_was_not_taken_is_asked_for_again(bfl, fault):
    bfl.faults.append(fault)
    assert len(list(of(bfl).render(["a boat"], [7]))) == 1
    assert len(bfl.charged) == 1


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (status(401, f"{KEY} is no key"), "wants another key.*export BFL_API_KEY=..."),
        (status(402, "no credits"), "no credit left"),
        (status(404), "no model 'flux-2-klein-4b'"),
        (status(422, "prompt too long"), "prompt too long"),
    ],
)
def test_what_is_refused_leaves_nothing_in_doubt_and_shows_no_key(bfl, fault, says):
    bfl.faults.append(fault)
    with pytest.raises(RendererError, match=says) as error:
        list(of(bfl).render(["a boat"], [7]))
    assert KEY not in str(error.value) and not slips()
    assert len(list(of(bfl).render(["a boat"], [7]))) == 1


def test_a_picture_that_the_host_does_not_make_is_not_asked_for_again(bfl):
    bfl.outcome = "Content Moderated"
    for _ in range(2):
        with pytest.raises(RendererError, match="Content Moderated") as error:
            list(of(bfl).render(["a boat"], [7]))
        assert not isinstance(error.value, RendererDown)
    assert len(bfl.charged) == 1


def test_another_seed_than_asked_for_ends_the_run(bfl):
    bfl.seed = 99
    with pytest.raises(RendererDown, match="used the seed 99 where 7 was asked for"):
        list(of(bfl).render(["a boat"], [7]))


def test_a_model_without_upsampling_is_asked_without(bfl):
    bfl.upsampling = False
    assert len(list(of(bfl).render(["a boat"], [7]))) == 1
    assert len(bfl.charged) == 1


def test_the_key_is_sent_to_no_other_address(bfl):
    with FakeServer() as thief:
        bfl.elsewhere = f"{thief.url}/v1/get_result?id=1"
        with pytest.raises(RendererError, match="without an address to look at"):
            list(of(bfl).render(["a boat"], [7]))
        assert not thief.keys


def test_another_region_of_theirs_is_asked_with_the_key(bfl, monkeypatch):
    monkeypatch.setattr(Bfl, "_is_theirs", lambda *_: True)
    with FakeBfl() as region:
        region._jobs["job-1"] = {"prompt": "a boat", "seed": 7, "width": 64, "height": 64}
        bfl.elsewhere = f"{region.url}/v1/get_result?id=job-1"
        assert [image.tobytes() for image in of(bfl).render(["a boat"], [7])] == [made("a boat", 7)]
        assert KEY in region.keys and region.keys[-1] is None, "but not where the picture lies"


def test_no_more_is_bought_than_the_limit(bfl):
    renderer = of(bfl, limit=2)
    with pytest.raises(RendererDown, match="raise it with --paid-limit"):
        list(renderer.render(list("abcd"), [1] * 4))  # several at a time: any two of them are bought
    renderer.close()  # waits for what is under way
    assert len(bfl.charged) == 2
    assert len(list(of(bfl, limit=0).render([prompt for prompt, _ in bfl.charged], [1, 1]))) == 2


def test_without_a_key_it_says_which_variable(monkeypatch):
    monkeypatch.delenv("BFL_API_KEY")
    with pytest.raises(RendererDown, match=r"export BFL_API_KEY=\.\.\."):
        open_server(["bfl://flux-2-klein-4b"])


def test_a_key_is_in_no_file_of_a_run(bfl, tmp_path):
    parts = fake_parts(renderer=of(bfl), beside=TOGETHER)
    settings = Settings(iterations=1, proposals=3, confirm=1, gate_sd=None)
    run = Run.start(PROMPT, FakePerson(), parts, settings, tmp_path / "runs")
    list(run)
    assert Record.read(run.folder).complete
    written = [path for folder in (tmp_path, paths.data()) for path in folder.rglob("*") if path.is_file()]
    assert written and not [path for path in written if KEY.encode() in path.read_bytes()]


def test_options_of_flux_flex_are_not_those_of_klein(bfl):
    with pytest.raises(UsageError, match="BFL takes no --steps, it takes seed, size and batch"):
        open_server(["bfl://flux-2-klein-4b"], steps=4)
    assert Bfl("flux-2-flex", Asked(), 1, None, host=bfl.url).capabilities.guidance


def test_a_plan_counts_what_is_paid_for():
    settings = Settings(iterations=2, proposals=5, confirm=4)
    images = 1 + 10 + 4 * 2 + 8

    def paid(*urls: str) -> int:
        return estimate(settings, resolve("sandbox", Overrides(renderer_url=urls))).paid

    assert paid("bfl://flux-2-klein-4b") == images
    assert paid("hf://together/black-forest-labs/FLUX.1-schnell") == images + 2 * 8 + 3, "and the probe"
    assert paid("comfyui://127.0.0.1:8188") == paid() == 0


# --- huggingface_hub


class FakeClient:
    """InferenceClient, and whom it asks."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.faults: list[Exception] = []
        self.ignores_seeds = False

    def text_to_image(self, prompt: str, **told: Any) -> Image.Image:
        self.asked.append((prompt, told))
        if self.faults:
            raise self.faults.pop(0)
        seed = len(self.asked) if self.ignores_seeds else told["seed"]
        return read_image(picture(prompt, seed, (told["width"], told["height"])))


@pytest.fixture
def hub(monkeypatch) -> FakeClient:
    client = FakeClient()
    monkeypatch.setattr("huggingface_hub.InferenceClient", lambda **_: client)
    served = [SimpleNamespace(provider="together", task="text-to-image")]
    info = SimpleNamespace(inference_provider_mapping=served)
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", lambda *_, **__: info)
    return client


def hf(limit: int = 100) -> ServerRenderer:
    return ServerRenderer(HuggingFace("together/org/model", Asked(64, 64, 4), limit, None, pause=0.01))


def failure(code: int, method: str = "POST") -> Exception:
    error = RuntimeError(f"{code} with hf_sesame in it")
    request = httpx.Request(method, "https://router.example/together")
    error.response = httpx.Response(code, request=request)  # type: ignore[attr-defined]
    return error


def test_a_provider_is_asked_through_the_hubs_client(hub):
    assert [image.tobytes() for image in hf().render(["a boat"], [7])] == [made("a boat", 7)]
    assert hub.asked[0] == (
        "a boat",
        {
            "negative_prompt": None, "width": 64, "height": 64, "num_inference_steps": 4,
            "guidance_scale": None, "model": "org/model", "seed": 7,
        },
    )  # fmt: skip
    list(hf().render(["a boat"], [7]))
    assert len(hub.asked) == 1, "paid for once"


def test_a_provider_that_does_not_serve_the_model_is_told_of_before_anything_is_paid(hub):
    with pytest.raises(
        RendererDown, match="replicate does not make pictures with org/model; that do: together"
    ):
        open_server(["hf://replicate/org/model"])
    assert not hub.asked


def test_its_seeds_are_probed_with_three_paid_pictures(hub):
    hub.ignores_seeds = True
    assert open_server(["hf://together/org/model"], paid_limit=3).seeds == "ignored"
    assert open_server(["hf://together/org/model"], paid_limit=0).seeds == "ignored"
    assert len(hub.asked) == 3


def test_what_a_provider_refused_is_asked_for_again_and_what_it_may_have_taken_is_not(hub):
    hub.faults = [failure(503), failure(429)]
    assert len(list(hf().render(["a boat"], [7]))) == 1
    hub.faults = [TimeoutError("hf_sesame took too long")]
    with pytest.raises(RendererError, match="may have been paid for") as error:
        list(hf().render(["a house"], [7]))
    assert "sesame" not in str(error.value)
    before = len(hub.asked)
    with pytest.raises(RendererError, match="look at the bill"):
        list(hf().render(["a house"], [7]))
    assert len(hub.asked) == before


def test_a_wrong_key_ends_the_run_and_is_not_shown(hub):
    hub.faults = [failure(401)]
    with pytest.raises(RendererDown, match="is HF_TOKEN the right key") as error:
        list(hf().render(["a boat"], [7]))
    assert "sesame" not in str(error.value) and not slips()


def test_a_picture_that_was_made_and_could_not_be_fetched_stays_in_doubt(hub):
    hub.faults = [failure(500, method="GET")]
    with pytest.raises(RendererError, match="may have been paid for"):
        list(hf().render(["a boat"], [7]))
    assert len(slips()) == 1 and answer({})
