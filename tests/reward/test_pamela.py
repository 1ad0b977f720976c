"""The fusion network against a plain reading of the paper, and what absent tokens mean."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from reward.predictor.network import TOKENS, Pamela, PamelaConfig

CONFIG = PamelaConfig(
    image_dim=6, text_dim=5, profile_dim=4, hidden=8, layers=3, heads=2, feedforward=12, dropout=0.3
)


@pytest.fixture(params=[False, True], ids=["paper", "interaction"])
def model(request) -> Pamela:
    torch.manual_seed(0)
    model = Pamela(replace(CONFIG, interaction=request.param), users=7).eval()
    for parameter in model.parameters():  # biases and norms away from their neutral start
        parameter.data += 0.1 * torch.randn_like(parameter)
    model.image[0].fit(3 + 2 * torch.randn(50, 6))
    model.metadata[0].fit(1 + torch.randn(50, 4))
    model.score_mean.fill_(3.2)
    model.score_scale.fill_(0.8)
    return model.requires_grad_(False)


@pytest.fixture
def tokens() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    sizes = {"image": 6, "text": 5, "metadata": 4, "demographics": 4, "user": 8}
    return {name: torch.randn(5, size, generator=generator) for name, size in sizes.items()}


def reference(
    model: Pamela, tokens: dict[str, torch.Tensor], present: np.ndarray | None = None
) -> np.ndarray:
    """Section 3.2 and Figure 3 one row and one head at a time, in float64 numpy."""
    w = {name: tensor.numpy().astype(float) for name, tensor in model.state_dict().items()}

    def linear(x, name, weight=".weight", bias=".bias"):
        return x @ w[name + weight].T + w[name + bias]

    def norm(x, name):
        centred = x - x.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
        return scaled * w[name + ".weight"] + w[name + ".bias"]

    def gelu(x):
        return np.vectorize(
            lambda v: 0.5 * v * (1 + torch.erf(torch.tensor(v / 2**0.5, dtype=float)).item())
        )(x)

    def projected(name, x):
        if name in ("image", "text"):
            return linear((x - w[f"{name}.0.mean"]) * w[f"{name}.0.scale"], f"{name}.2")
        if name == "user":
            return x
        x = (x - w[f"{name}.0.mean"]) * w[f"{name}.0.scale"]
        return linear(gelu(linear(x, f"{name}.2")), f"{name}.4")

    ratings = []
    for row in range(len(tokens["image"])):
        row_tokens = {
            name: projected(name, tokens[name][row].numpy().astype(float)) + w["positions"][i]
            for i, name in enumerate(TOKENS)
            if name in tokens and (present is None or present[row, i])
        }
        cls = w["cls"]
        if model.config.interaction:
            content = sum(row_tokens[n] for n in ("image", "text", "metadata") if n in row_tokens)
            cls = cls + (w["average"] + row_tokens.get("user", 0)) * (w["gate.weight"] @ content)
        x = np.stack([cls, *row_tokens.values()])
        for layer in (f"fusion.layers.{i}" for i in range(CONFIG.layers)):
            normed = norm(x, f"{layer}.norm1")
            joint = linear(normed, f"{layer}.self_attn.in_proj", "_weight", "_bias")
            heads = []
            width = CONFIG.hidden // CONFIG.heads
            for head in range(CONFIG.heads):
                q, k, v = (joint[:, i * 8 + head * width :][:, :width] for i in range(3))
                logits = q @ k.T / np.sqrt(width)
                weights = np.exp(logits - logits.max(1, keepdims=True))
                heads.append(weights / weights.sum(1, keepdims=True) @ v)
            x = x + linear(np.concatenate(heads, 1), f"{layer}.self_attn.out_proj")
            inner = linear(norm(x, f"{layer}.norm2"), f"{layer}.linear1")
            x = x + linear(gelu(inner), f"{layer}.linear2")
        state = x[0] if model.config.interaction else norm(x[0], "fusion.norm")
        ratings.append(3.2 + 0.8 * linear(state, "head")[0])
    return np.array(ratings)


def test_the_fusion_follows_the_paper(model, tokens):
    np.testing.assert_allclose(model(**tokens).numpy(), reference(model, tokens), rtol=1e-4)


def test_an_absent_token_is_the_same_as_a_masked_one_and_as_the_paper_without_it(model, tokens):
    present = torch.tensor([[True, True, False, True, True]]).expand(5, 5)
    fewer = {name: tensor for name, tensor in tokens.items() if name != "metadata"}
    masked = model(**tokens, present=present).numpy()
    np.testing.assert_allclose(masked, model(**fewer).numpy(), rtol=1e-5)
    np.testing.assert_allclose(masked, reference(model, fewer), rtol=1e-4)


def test_each_row_can_lack_other_tokens(model, tokens):
    present = torch.rand(5, 5, generator=torch.Generator().manual_seed(3)) < 0.5
    present[:, 0] = True
    np.testing.assert_allclose(
        model(**tokens, present=present).numpy(), reference(model, tokens, present.numpy()), rtol=1e-4
    )


def test_what_a_masked_token_holds_changes_nothing(model, tokens):
    present = torch.tensor([[True, True, True, False, False]]).expand(5, 5)
    before = model(**tokens, present=present)
    others = {**tokens, "user": 100 * tokens["user"], "demographics": tokens["demographics"] - 7}
    torch.testing.assert_close(model(**others, present=present), before)


def test_a_user_can_be_given_by_row_of_the_table_or_by_embedding(model, tokens):
    rows = torch.tensor([0, 6, 2, 2, 5])
    by_row = model(**{**tokens, "user": rows})
    torch.testing.assert_close(by_row, model(**{**tokens, "user": model.users.weight[rows]}))


def test_the_last_layer_computes_the_same_for_cls_alone_as_for_all_tokens(model, tokens):
    projected = model.project(**tokens)
    sequence = torch.stack([model.cls.expand(5, -1), *projected.values()], 1)
    torch.testing.assert_close(model._cls_state(sequence, None), model.fusion(sequence)[:, 0])


def test_a_grid_scores_every_person_on_every_image(model, tokens):
    images = model.project(**{name: tokens[name][:3] for name in ("image", "text", "metadata")})
    people = model.project(**{name: tokens[name] for name in ("demographics", "user")})
    grid = model.grid(images, people, count=5, batch_size=7)
    assert grid.shape == (5, 3)
    for person in range(5):
        row = {name: tokens[name][:3] for name in ("image", "text", "metadata")}
        row |= {name: tokens[name][[person] * 3] for name in ("demographics", "user")}
        torch.testing.assert_close(grid[person], model(**row))


def test_a_grid_without_person_tokens_is_the_population(model, tokens):
    images = model.project(**{name: tokens[name] for name in ("image", "text", "metadata")})
    alone = {name: tokens[name] for name in ("image", "text", "metadata")}
    torch.testing.assert_close(model.grid(images, {}, count=1)[0], model(**alone))


def test_ratings_are_not_clamped_to_the_scale(model, tokens):
    model.head.weight.mul_(100)
    ratings = model(**tokens)
    assert ratings.min() < 1 or ratings.max() > 5
