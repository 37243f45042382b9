"""Whole runs whose pictures and options are drawn by chance: each ends in a picture of its size, or in a sentence."""

import math

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from nets import tiny_network

import impasto
from impasto.colours import COLOURS
from impasto.content import CONTENT_LOSSES
from impasto.errors import ImpastoError
from impasto.images.limits import Limits
from impasto.network.edges import EDGES
from impasto.network.pooling import POOLINGS
from impasto.solver import SOLVERS
from impasto.starts import STARTS
from impasto.style import STYLE_LOSSES

KINDS = {
    "noise": lambda noise: noise,
    "grey": lambda noise: noise[:, :1].expand(-1, 3, -1, -1),
    "flat": lambda noise: torch.full_like(noise, 0.5),
    "black": torch.zeros_like,
    "transparent": lambda noise: torch.cat([noise, noise[:, :1].round()], dim=1),
    "hidden": lambda noise: torch.cat([noise, 0 * noise[:, :1]], dim=1),
}
"""Pictures made of noise."""

SIDES = st.integers(16, 40)
NETWORK = tiny_network()
WEIGHTS = st.sampled_from([0.0, 1e-300, 1.0, 1e4, 1e15])
OPTIONS = {
    "steps": st.integers(0, 2),
    "content_weight": WEIGHTS,
    "style_weight": WEIGHTS | st.just("auto"),
    "strength": st.sampled_from([0.0, 0.5, 1.0]),
    "tv_weight": WEIGHTS,
    "excess_weight": WEIGHTS,
    "keep_lines": WEIGHTS,
    "spectrum_weight": WEIGHTS,
    "content_layers": st.dictionaries(st.sampled_from(["conv1_1", "relu3_2", "pool4"]), WEIGHTS, min_size=1),
    "style_layers": st.dictionaries(st.sampled_from(["conv1_1", "relu3_2", "conv5_4"]), WEIGHTS, min_size=1),
    "edges": st.sampled_from(sorted(EDGES)),
    "smooth_chroma": st.booleans(),
    "keep_grey": st.booleans(),
    "style_loss": st.sampled_from(sorted(STYLE_LOSSES)),
    "content_loss": st.sampled_from(sorted(CONTENT_LOSSES)),
    "blend": st.sampled_from([None, [1.0], [0.0], ["fine"], [1.0, 2.0]]),
    "stroke_size": st.sampled_from([0.1, 1.0, 10.0]),
    "colour": st.sampled_from(sorted(COLOURS)),
    "photoreal": st.booleans(),
    "tileable": st.booleans(),
    "init": st.sampled_from(sorted(STARTS)),
    "seed": st.integers(0, 2),
    "solver": st.sampled_from(sorted(SOLVERS)),
    "pooling": st.sampled_from(sorted(POOLINGS)),
    "precision": st.sampled_from(["auto", "float32", "bfloat16"]),
    "memory": st.sampled_from([None, "1MB", "1GB"]),
    "limits": st.sampled_from([Limits(300), "pixels=1e8"]),
}


@st.composite
def pictures(draw):
    generator = torch.Generator().manual_seed(draw(st.integers(0, 9)))
    noise = torch.rand(1, 3, draw(SIDES), draw(SIDES), generator=generator)
    return KINDS[draw(st.sampled_from(sorted(KINDS)))](noise)


def some_of(options):
    """A few of these, since most pairs go together and most dozens do not."""
    names = st.lists(st.sampled_from(sorted(options)), max_size=5, unique=True)
    return names.flatmap(lambda chosen: st.fixed_dictionaries({name: options[name] for name in chosen}))


@settings(max_examples=15)
@given(pictures(), pictures(), SIDES, some_of(OPTIONS))
@example(torch.zeros(1, 3, 24, 40), torch.ones(1, 3, 16, 30), 40, {"style_weight": 1e15, "strength": 1.0})
@example(torch.zeros(1, 3, 40, 24), torch.zeros(1, 3, 30, 30), 32, {"content_loss": "self-similarity", "steps": 2})
@example(torch.zeros(1, 3, 40, 24), torch.zeros(1, 3, 30, 30), 32, {"colour": "recoloured", "style_loss": "sliced"})
def test_a_run_ends_in_a_picture_or_in_a_sentence(photograph, painting, size, options):
    """Of a photograph that is neither too small nor too narrow: a finite one, as large as was asked for."""
    try:
        *_, last = impasto.stylize(
            photograph, painting, network=NETWORK, device="cpu", **{"steps": 1, "size": size, **options}
        )
    except ImpastoError as error:
        told = str(error)
    else:
        told = ""
    assert len(told) < 500
    if told:
        return
    height, width = last.image.shape[2:]
    assert max(height, width) == size
    assert height / width == pytest.approx(photograph.shape[2] / photograph.shape[3], rel=1.5 / min(height, width))
    assert torch.isfinite(last.image).all()
    assert 0 <= last.image.min() <= last.image.max() <= 1
    assert all(math.isfinite(term) for term in last.terms.values())
