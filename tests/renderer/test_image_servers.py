"""Pictures from `/sdapi/v1` and images APIs: what is asked, what comes back, and every way to fail."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fake_image_servers import (
    FakeImages,
    FakeSdApi,
    all_closed,
    black,
    closed,
    cut_midway,
    encoded,
    hanging,
    picture,
    status,
    web_page,
)
from PIL import Image

from reward.pictures import read_image
from steer.errors import RendererDown, RendererError, UsageError
from steer.parts import Capabilities
from steer.renderer.servers import open_server
from steer.renderer.servers.http import Http
from steer.renderer.servers.images_api import ImagesApi
from steer.renderer.servers.kind import Asked
from steer.renderer.servers.renderer import ServerRenderer
from steer.renderer.servers.sdapi import SdApi

SIZE = Asked(64, 64)


@pytest.fixture(autouse=True)
def _closed(monkeypatch):
    with all_closed(monkeypatch):
        yield


@pytest.fixture
def sd() -> Iterator[FakeSdApi]:
    with FakeSdApi() as fake:
        yield fake


@pytest.fixture
def images() -> Iterator[FakeImages]:
    with FakeImages() as fake:
        yield fake


def of(fake: FakeSdApi | FakeImages) -> ServerRenderer:
    """A renderer that does not wait long, and whose seeds were not looked at."""
    if isinstance(fake, FakeSdApi):
        return ServerRenderer(SdApi([Http(fake.url, timeout=20, pause=0.01)], None, SIZE))
    return ServerRenderer(ImagesApi([Http(f"{fake.url}/v1", timeout=20, pause=0.01)], None, SIZE, batch=None))


def made(prompt: str, seed: int) -> bytes:
    return read_image(picture(prompt, seed, (64, 64))).tobytes()


# --- what is asked, and what comes back


@pytest.mark.parametrize("kind", [FakeSdApi, FakeImages])
def test_pictures_come_in_the_order_in_which_they_are_asked_for(kind):
    prompts, seeds = [f"a boat {i}" for i in range(12)], [7] * 12
    with kind() as fake:
        renderer = of(fake)
        found = [image.tobytes() for image in renderer.render(prompts, seeds)]
        renderer.close()
    assert found == [made(prompt, 7) for prompt in prompts]


def test_sdapi_gets_one_picture_a_request_and_only_what_was_given(sd):
    asked = Asked(64, 64, steps=4, guidance=2.5, negative="fog")
    renderer = ServerRenderer(SdApi([Http(sd.url)], None, asked))
    list(renderer.render(["a boat"], [5]))
    assert sd.asked == [
        {
            "prompt": "a boat", "negative_prompt": "fog", "seed": 5, "steps": 4, "cfg_scale": 2.5,
            "width": 64, "height": 64, "batch_size": 1, "n_iter": 1, "send_images": True,
            "save_images": False,
        }
    ]  # fmt: skip
    assert renderer.name == "tiny.safetensors [abc] (sdapi)"
    list(of(sd).render(["a boat"], [5]))
    assert "steps" not in sd.asked[1] and "negative_prompt" not in sd.asked[1]


def test_base64_may_look_like_a_data_url(sd):
    sd.prefix = "data:image/png;base64,"
    assert [image.tobytes() for image in of(sd).render(["a boat"], [5])] == [made("a boat", 5)]


def test_sdapi_says_which_checkpoint_it_has_instead_of_switching(sd):
    with pytest.raises(RendererDown, match=r"has 'tiny.safetensors \[abc\]' loaded, not 'other'"):
        SdApi([Http(sd.url)], "other", SIZE)
    assert not sd.asked


def test_an_images_api_gets_steps_and_guidance_under_every_name(images):
    renderer = ServerRenderer(ImagesApi([Http(f"{images.url}/v1")], None, Asked(64, 64, 4, 1.0), None))
    list(renderer.render(["a boat"], [5]))
    assert images.asked == [
        {
            "model": "tiny-flux", "prompt": "a boat", "n": 1, "size": "64x64", "response_format": "b64_json",
            "seed": 5, "generator_device": "cpu", "num_inference_steps": 4, "steps": 4, "step": 4,
            "guidance_scale": 1.0, "cfg_scale": 1.0,
        }
    ]  # fmt: skip


def test_a_field_that_a_server_refuses_is_left_out_from_then_on(images):
    images.strict = ("seed", "generator_device")
    renderer = of(images)
    list(renderer.render(["a boat", "a house"], [5, 5]))
    notes = renderer.notes()
    assert all("seed" not in body and "generator_device" not in body for body in images.asked)
    assert len(images.asked) == 2
    assert any("takes no seed" in note for note in notes) and not renderer.notes()


def test_a_picture_may_come_as_an_address():
    with FakeImages(as_url=True) as images:
        assert [image.tobytes() for image in of(images).render(["a boat"], [5])] == [made("a boat", 5)]


def test_the_bar_that_some_servers_cut_at_is_sent_as_a_comma(images):
    renderer = of(images)
    list(renderer.render(["a boat | a house|a tree"], [5]))
    assert images.asked[0]["prompt"] == "a boat, a house, a tree"
    assert "'|'" in renderer.notes()[0]


def test_of_several_models_one_has_to_be_named():
    with FakeImages(models=("one", "two")) as images:
        with pytest.raises(RendererDown, match="several models, choose one with --renderer: one, two"):
            of(images)
        kind = ImagesApi([Http(f"{images.url}/v1")], "two", SIZE, None)
        list(ServerRenderer(kind).render(["a boat"], [1]))
        assert images.asked[0]["model"] == "two"


# --- faults

PASSING = {"500 once": status(500), "429": status(429, retry_after="0"), "closed": closed, "cut": cut_midway}


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
@pytest.mark.parametrize("kind", [FakeSdApi, FakeImages])
def test_what_passes_is_tried_again(kind, fault):
    with kind() as fake:
        fake.faults.append(fault)
        assert [image.tobytes() for image in of(fake).render(["a boat"], [5])] == [made("a boat", 5)]


def test_retry_after_is_obeyed(sd, monkeypatch):
    waits: list[float] = []
    renderer = of(sd)
    server = renderer.kind._servers[0]
    monkeypatch.setattr(server.stop, "wait", lambda seconds: bool(waits.append(seconds)))
    sd.faults.append(status(429, retry_after="7"))
    list(renderer.render(["a boat"], [5]))
    assert waits == [7.0]


FINAL = {
    "401": (status(401, "sesame is wrong"), "wants another key"),
    "404": (status(404), "is it another kind of server"),
    "a web page": (web_page, "web page, no API"),
}


@pytest.mark.parametrize(("fault", "says"), FINAL.values(), ids=FINAL)
def test_what_does_not_pass_ends_the_run_at_once_with_one_line(sd, fault, says):
    sd.faults.append(fault)
    with pytest.raises(RendererDown, match=says) as error:
        list(of(sd).render(["a boat"], [5]))
    assert "\n" not in str(error.value)


def test_a_server_that_is_not_there_is_told_of_and_started_again_it_goes_on():
    with FakeSdApi() as first:
        renderer = of(first)
    renderer.kind._servers[0]._attempts = 2
    with pytest.raises(RendererDown, match="no server answers at"):
        list(renderer.render(["a boat"], [5]))
    renderer.close()
    with FakeSdApi(first.port):
        assert len(list(renderer.render(["a boat"], [5]))) == 1


def test_a_server_that_hangs_is_told_of(sd):
    sd.faults += [hanging(1.5)] * 2
    renderer = of(sd)
    server = renderer.kind._servers[0]
    server._http.timeout = 0.2  # from here on: to open it may take longer on a busy machine
    with pytest.raises(RendererDown, match="did not answer within"):
        list(renderer.render(["a boat"], [5]))


def test_500_again_and_again_is_this_pictures_fault(sd):
    sd.faults += [status(500, "CUDA out of memory")] * 3
    renderer = of(sd)
    images = renderer.render(["a boat"], [5])
    with pytest.raises(RendererError, match="out of memory") as error:
        next(images)
    assert not isinstance(error.value, RendererDown)
    assert len(list(renderer.render(["a house"], [5]))) == 1


@pytest.mark.parametrize("kind", [FakeSdApi, FakeImages])
def test_a_black_picture_is_none(kind):
    with kind() as fake:
        fake.make = lambda prompt, seed, size: black(size)
        with pytest.raises(RendererError, match="black") as error:
            list(of(fake).render(["a boat"], [5]))
        assert not isinstance(error.value, RendererDown)


@pytest.mark.parametrize("kind", [FakeSdApi, FakeImages])
def test_another_size_than_asked_for_ends_the_run(kind):
    with kind() as fake:
        fake.make = lambda prompt, seed, size: picture(prompt, seed, (512, 512))
        with pytest.raises(
            RendererDown, match="512x512 pixels where 64x64 were asked: take that size: --size 512"
        ):
            list(of(fake).render(["a boat"], [5]))


@pytest.mark.parametrize("kind", [FakeSdApi, FakeImages])
def test_a_jpeg_is_taken_and_noted(kind):
    with kind() as fake:
        fake.make = lambda prompt, seed, size: picture(prompt, seed, size, "JPEG")
        renderer = of(fake)
        assert next(iter(renderer.render(["a boat"], [5]))).size == (64, 64)
        assert "may lose details" in renderer.notes()[0]


def test_no_picture_in_an_answer_is_told_of(sd):
    sd.images = 0
    with pytest.raises(RendererError, match="without a picture"):
        list(of(sd).render(["a boat"], [5]))


def test_half_a_picture_is_none(sd):
    sd.make = lambda prompt, seed, size: picture(prompt, seed, size)[:200]
    with pytest.raises(RendererError, match="no whole PNG"):
        list(of(sd).render(["a boat"], [5]))


def test_a_prompt_that_was_rewritten_is_noted(sd, images):
    sd.info = lambda told: {**told, "prompt": f"{told['prompt']}, masterpiece"}
    renderer = of(sd)
    list(renderer.render(["a boat", "a house"], [5, 5]))
    assert "rewrites prompts: 'a boat' became 'a boat, masterpiece'" in renderer.notes()[0]
    images.revised = "a splendid boat"
    renderer = of(images)
    list(renderer.render(["a boat"], [5]))
    assert "'a splendid boat'" in renderer.notes()[0]


def test_another_seed_than_asked_for_ends_the_run(sd):
    sd.info = lambda told: {**told, "seed": 99}
    with pytest.raises(RendererDown, match="used the seed 99 where 5 was asked for"):
        list(of(sd).render(["a boat"], [5]))


def test_one_bad_picture_does_not_take_the_others_with_it(images):
    images.make = lambda prompt, seed, size: black(size) if "bad" in prompt else picture(prompt, seed, size)
    renderer, prompts = of(images), ["one", "bad", "two", "three"]
    found = renderer.render(prompts, [1] * 4)
    next(found)
    with pytest.raises(RendererError):
        next(found)
    assert len(list(renderer.render(prompts[2:], [1, 1]))) == 2
    asked = [body["prompt"] for body in images.asked]
    assert sorted(asked) == sorted(prompts), "nothing is asked for twice"


# --- keys


def test_a_key_goes_into_the_header_and_into_no_message(sd, monkeypatch):
    monkeypatch.setenv("STEER_RENDERER_API_KEY", "sesame-123")
    sd.wanted = "Bearer something else"
    with pytest.raises(RendererDown) as error:
        open_server([f"sdapi://127.0.0.1:{sd.port}"])
    assert sd.keys[0] == "Bearer sesame-123"
    assert "sesame" not in str(error.value) and "export STEER_RENDERER_API_KEY=..." in str(error.value)


def test_a_user_and_a_password_are_basic_authentication(sd, monkeypatch):
    monkeypatch.setenv("STEER_RENDERER_API_KEY", "me:sesame")
    list(open_server([f"sdapi://127.0.0.1:{sd.port}"], size=64).render(["a boat"], [1]))
    assert set(sd.keys) == {"Basic bWU6c2VzYW1l"}


@pytest.mark.parametrize(
    "url", ["http://me:sesame@127.0.0.1", "sdapi://h/?key=sesame", "comfyui+https://h#sesame"]
)
def test_an_address_with_a_secret_in_it_is_refused_and_not_shown(url):
    with pytest.raises(UsageError, match="STEER_RENDERER_API_KEY") as error:
        open_server([url])
    assert "sesame" not in str(error.value)


def test_a_picture_elsewhere_is_fetched_without_the_key(images):
    with FakeImages() as elsewhere:
        elsewhere.kept["/files/0.png"] = picture("a boat", 5, (64, 64))
        server = Http(f"{images.url}/v1", headers={"Authorization": "Bearer sesame"})
        assert server.fetch(f"{elsewhere.url}/files/0.png") == elsewhere.kept["/files/0.png"]
        assert elsewhere.keys == [None]


# --- seeds


def test_seeds_are_looked_at_once_for_each_server_and_model(sd):
    url = f"sdapi://127.0.0.1:{sd.port}"
    renderer = open_server([url], size=512)
    assert renderer.seeds == "honoured" and renderer.capabilities.seed
    assert [body["seed"] for body in sd.asked] == [20_261, 20_262, 20_261]
    assert all(body["width"] == 256 and body["steps"] == 4 for body in sd.asked), "small, and soon made"
    open_server([url], size=512, steps=30)
    assert len(sd.asked) == 3
    sd.checkpoint = "another"
    open_server([url])
    assert len(sd.asked) == 6


def test_a_server_that_ignores_seeds_is_unpaired(images):
    images.ignores_seeds = True
    renderer = open_server([f"images://127.0.0.1:{images.port}"])
    assert renderer.seeds == "ignored" and not renderer.capabilities.seed


def test_the_same_picture_for_two_seeds_is_refused(sd):
    sd.make = lambda prompt, seed, size: picture(prompt, 1, size)
    for _ in range(2):
        with pytest.raises(RendererDown, match="the same picture for two seeds"):
            open_server([f"sdapi://127.0.0.1:{sd.port}"])


def test_rounding_is_not_another_picture():
    from steer.renderer.servers.probe import alike

    one = Image.new("RGB", (32, 32), (100, 100, 100))
    assert alike(one, Image.new("RGB", (32, 32), (101, 101, 101)))
    assert not alike(one, Image.new("RGB", (32, 32), (110, 100, 100)))
    assert encoded(one)


# --- which kind, and what it can do


def test_the_kind_is_found_by_asking(sd, images):
    assert open_server([sd.url]).kind.label == "sdapi"
    assert open_server([images.url]).kind.label == "images API"


def test_what_answers_and_is_no_such_server_is_told_of():
    with FakeImages() as fake:
        fake.route = lambda *_: None
        with pytest.raises(RendererDown, match="neither ComfyUI, nor /sdapi/v1"):
            open_server([fake.url])


def test_options_that_a_kind_lacks_are_refused_with_what_it_has(sd):
    with pytest.raises(
        UsageError, match="sdapi takes no --batch, it takes seed, negative prompt, steps, guidance and size"
    ):
        open_server([sd.url], batch=4)
    with pytest.raises(UsageError, match="takes no --lora"):
        open_server([sd.url], lora=["style"])
    with pytest.raises(UsageError, match="--workflow is for ComfyUI"):
        open_server([sd.url], workflow="sd")
    assert not sd.asked


def test_capabilities_say_what_there_is():
    assert str(Capabilities()) == "seed"
    assert str(Capabilities(seed=False)) == "nothing but the prompt"
    assert str(Capabilities(steps=True, lora=True)) == "seed, steps and lora"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ([""], "is empty"),
        (["ftp://h"], "no address"),
        (["http://"], "no address"),
        (["sdapi://a:1", "comfyui://b:2"], "several kinds"),
        (["hf://together"], "lacks the provider or the model"),
        (["bfl://sdxl"], "no model of BFL's"),
    ],
)
def test_what_is_no_address_is_refused(given, says):
    with pytest.raises(UsageError, match=says):
        open_server(given)


def test_two_servers_share_the_work_and_one_that_dies_is_left():
    with FakeSdApi() as one, FakeSdApi() as two:
        servers = [Http(fake.url, pause=0.01, attempts=2) for fake in (one, two)]
        renderer = ServerRenderer(SdApi(servers, None, SIZE))
        one.delay = two.delay = 0.02
        assert len(list(renderer.render([str(i) for i in range(10)], [1] * 10))) == 10
        assert min(len(one.asked), len(two.asked)) >= 3
        one.faults += [status(503)] * 50
        assert len(list(renderer.render([str(i) for i in range(10, 20)], [1] * 10))) == 10
        assert "went on with the others" in renderer.notes()[0]
