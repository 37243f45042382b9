"""The painter's controls: several paintings, the size of strokes, whose colours."""

import json
import re
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from nets import tiny_network
from PIL import Image

import impasto as library
from impasto import facade, gradients, kept, preparation
from impasto.assembly import objective_of
from impasto.colours import COLOURS, cholesky, matched, symmetric, with_colours_of
from impasto.errors import UsageError
from impasto.features import Features
from impasto.losses import luminance
from impasto.network.registry import load_network
from impasto.objective import TotalLoss, seen, style_targets
from impasto.paintings import shares
from impasto.regions import CARRIED, Painted, guides, reach
from impasto.settings import PRESETS, STYLE_LAYERS, Settings
from impasto.style import STYLE_LOSSES
from impasto.tiling import places_of
from impasto.views import WithColoursOf

SMALL = {"size": 48, "steps": 4, "coarse_steps": 1, "scales": 1}


def soft(seed, height=40, width=48, spread=1.0):
    coarse = torch.rand(1, 3, 5, 6, generator=torch.Generator().manual_seed(seed))
    image = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)
    return 0.5 + spread * (image - 0.5)


@pytest.fixture
def shapes(monkeypatch):
    """Height and width of each painting that is measured, as it is looked at."""
    found, look = [], kept.style_targets
    monkeypatch.setattr(kept, "style_targets", lambda *given: found.append(tuple(given[1].shape[2:])) or look(*given))
    return found


# Several paintings


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=4))
def test_parts_divide_every_layer(parts):
    found = shares(parts, STYLE_LAYERS, len(parts))
    for layer, weight in STYLE_LAYERS.items():
        assert [of[layer] / weight for of in found] == pytest.approx([part / sum(parts) for part in parts])


def test_fine_and_coarse_divide_the_layers():
    fine, coarse = shares(["fine", "coarse"], STYLE_LAYERS, 2)
    assert fine == {layer: STYLE_LAYERS[layer] for layer in ("conv1_1", "conv2_1")}
    assert coarse == {layer: STYLE_LAYERS[layer] for layer in ("conv3_1", "conv4_1", "conv5_1")}
    both, alone = shares([1.0, "fine"], {"conv1_1": 1.0, "conv5_1": 2.0}, 2)
    assert (both, alone) == ({"conv1_1": 0.5, "conv5_1": 2.0}, {"conv1_1": 0.5})
    assert shares([0.0, 1.0], {"conv1_1": 1.0}, 2) == [{}, {"conv1_1": 1.0}]
    assert shares(None, {"conv1_1": 1.0}, 2) == [{"conv1_1": 0.5}, {"conv1_1": 0.5}]


@pytest.mark.parametrize(
    ("blend", "words"),
    [
        ([1.0], "1 parts are said, and the paintings are 2"),
        ([0.0, 0.0], "no painting is left for conv1_1"),
        (["fine", "fine"], "no painting is left for conv3_1, one of the coarse layers"),
    ],
)
def test_a_blend_that_cannot_be(blend, words):
    with pytest.raises(UsageError, match=f"^`blend`: {words}"):
        shares(blend, STYLE_LAYERS, 2)
    with pytest.raises(UsageError, match=f"^`blend`: {words}"):
        library.stylize(soft(1), [soft(2), soft(3)], blend=blend, **SMALL)


def test_blended_gram_matrices_pull_to_their_mean():
    """Σ_k b_k ‖G − A_k‖² is ‖G − Σ_k b_k A_k‖², and a constant."""
    network, x, paintings = tiny_network().double(), soft(1).double(), [soft(seed).double() for seed in (2, 3)]
    settings = Settings(preset="paper", blend=(0.25, 0.75), content_weight=0)
    _, gradient = objective_of(settings, network, None, paintings).value_and_gradient(x)
    leaf = x.clone().requires_grad_(True)
    loss = 0.0
    for layer in settings.style_layers:
        F, *A = (network(image, [layer])[layer].flatten(2)[0] for image in (leaf, *paintings))
        G, *grams = (f @ f.T / f.shape[1] for f in (F, *A))
        loss = loss + 0.2 * 1e8 * (G - 0.25 * grams[0] - 0.75 * grams[1]).square().sum() / (4 * len(G) ** 2)
    (expected,) = torch.autograd.grad(loss, leaf)
    torch.testing.assert_close(gradient, expected, rtol=1e-8, atol=1e-12 * float(expected.abs().max()))


@pytest.mark.parametrize("style_loss", ["gram", "moments", "gaussian"])
def test_a_blend_is_the_mean_of_the_losses_whole_and_in_tiles(style_loss):
    network, x, p = tiny_network().double(), soft(1, 64, 96).double(), soft(4, 64, 96).double()
    paintings = [soft(seed).double() for seed in (2, 3)]
    settings = Settings(style_loss=style_loss, blend=(3, 1))
    whole = objective_of(settings, network, p, paintings)
    in_tiles = TotalLoss(network, whole.terms, tuple(places_of(64, 96, 32)))
    alone = [objective_of(settings.model_copy(update={"blend": None}), network, p, one) for one in paintings]
    values, gradients = zip(*(objective.value_and_gradient(x) for objective in (whole, in_tiles, *alone)), strict=True)
    assert float(values[0]["style"]) == pytest.approx(
        0.75 * float(values[2]["style"]) + 0.25 * float(values[3]["style"])
    )
    assert float(values[1]["style"]) == pytest.approx(float(values[0]["style"]), rel=1e-9)
    torch.testing.assert_close(gradients[0], 0.75 * gradients[2] + 0.25 * gradients[3])
    torch.testing.assert_close(gradients[1], gradients[0])


def test_several_paintings_in_python():
    paintings = [soft(2), soft(3, 30, 60)]
    both = library.paint(soft(1), paintings, **SMALL)
    assert set(both.recipe["inputs"]) == {"content", "style", "style_2"}
    for n, blend in enumerate([(1, 0), (0, 1)]):
        one = library.paint(soft(1), paintings, blend=blend, **SMALL)
        torch.testing.assert_close(one.tensor, library.paint(soft(1), paintings[n], **SMALL).tensor)
        assert (one.tensor - both.tensor).abs().mean() > 0.003
    assert torch.equal(library.Painter(paintings, **SMALL).paint(soft(1)), both)
    with pytest.raises(UsageError, match="`style`: at least one painting"):
        library.paint(soft(1), [], **SMALL)
    with pytest.raises(UsageError, match=r"^`style_2`: floats are from 0"):
        library.stylize(soft(1), [soft(2), 255 * soft(2)], **SMALL)


def test_a_painter_looks_at_each_painting_once(shapes):
    painter = library.Painter([soft(2), soft(3)], precision="float32", **SMALL)
    for seed in (1, 4):
        painter.paint(soft(seed))
    assert len(shapes) == 2 * 2  # each through the network, and its pixels


def test_a_painters_paintings_take_every_photographs_colours():
    """What is kept of a painting is kept by its pixels, which are others for another photograph."""
    painter = library.Painter(soft(2), colour="recoloured", **SMALL)
    for seed in (1, 4):
        assert torch.equal(painter.paint(soft(seed)), library.paint(soft(seed), soft(2), colour="recoloured", **SMALL))


# Strokes


@pytest.mark.parametrize(
    ("stroke_size", "seen"), [(0.5, (24, 18)), (1.0, (48, 36)), (1.5, (72, 54)), (10.0, (384, 288))]
)
def test_the_painting_is_read_larger_for_larger_strokes(shapes, stroke_size, seen):
    library.paint(soft(1), soft(2, 96, 72), stroke_size=stroke_size, **SMALL)
    assert set(shapes) == {seen}


def test_what_a_texture_is_made_of_is_not_enlarged(shapes):
    next(library.texture(soft(2, 96, 72), 32, 32, **{**SMALL, "size": 512}))
    assert set(shapes) == {(96, 72)}


@pytest.mark.parametrize("size", [48, 96])
def test_strokes_are_the_same_against_the_picture_at_any_size(size):
    """Checks, drawn as large as was asked for: half the size, twice the frequency."""
    y, x = np.mgrid[0:96, 0:96]
    checks = torch.tensor((x // 6 + y // 6) % 2, dtype=torch.float32).expand(1, 3, -1, -1)
    widths = []
    for stroke_size in (0.5, 1.0):
        shapes = kept.Kept(Settings(size=size, stroke_size=stroke_size)).picture("style", checks)
        flips = (luminance(shapes)[0, 0].mean(dim=0) * 0 + (luminance(shapes)[0, 0, 2] > 0.5)).diff().abs().sum()
        widths.append(shapes.shape[3] / (float(flips) + 1) / size)
    assert widths == pytest.approx([6 / 96 / 2, 6 / 96], rel=0.1)


# Regions


def halves(height=64, width=96, soft_edge=False):
    """A mask of the left half."""
    mask = torch.zeros(1, 3, height, width)
    mask[..., : width // 2] = 1
    if soft_edge:
        mask = torch.nn.functional.avg_pool2d(torch.nn.functional.pad(mask, (4,) * 4, mode="replicate"), 9, 1)
    return mask


def checks(width=96, height=64, side=6):
    y, x = np.mgrid[0:height, 0:width]
    return torch.tensor((x // side + y // side) % 2, dtype=torch.float32).expand(1, 3, -1, -1).clone()


@pytest.mark.parametrize("style_loss", ["gram", "moments", "gaussian"])
@pytest.mark.parametrize("soft_edge", [False, True])
def test_guided_statistics_are_weighted_sums(style_loss, soft_edge):
    network = tiny_network().double()
    F = Features(network(soft(1, 64, 96).double(), ["conv3_1"])["conv3_1"])
    weights = guides(network, halves(soft_edge=soft_edge)[:, :1].double(), ["conv3_1"]).of_layer["conv3_1"]
    found = STYLE_LOSSES[style_loss].statistic(F.guided(weights))
    V, g = F.activation.flatten(2)[0].numpy(), weights.flatten().numpy()
    assert float(found.M) == pytest.approx(g.sum())
    np.testing.assert_allclose(found.second, np.einsum("k,ik,jk->ij", g, V, V), rtol=1e-10)
    if style_loss != "gram":
        np.testing.assert_allclose(found.first, V @ g, rtol=1e-10)


def test_a_guided_covariance_has_no_negative_eigenvalues(monkeypatch):
    """Of few positions, with soft weights, in bfloat16, multiplied as a GPU does."""
    monkeypatch.setattr(gradients, "squared", lambda F: F.float() @ F.float().T)
    V = torch.rand(1, 64, 4, 6, generator=torch.Generator().manual_seed(1)).add(1).bfloat16()
    weights = torch.rand(4, 6, generator=torch.Generator().manual_seed(2))
    found = STYLE_LOSSES["gaussian"].statistic(Features(V).guided(weights))
    eigenvalues = torch.linalg.eigvalsh(found.covariance.double())
    assert eigenvalues[0] > -1e-5
    assert eigenvalues[-1] > 0.1
    rounded = STYLE_LOSSES["gaussian"].statistic(
        Features(V).guided(weights - 1e-7 * (weights > 0.5) - weights.min() - 1e-7)
    )
    assert rounded.covariance.isfinite().all()


def test_only_the_inside_of_a_region_counts():
    network = tiny_network()
    mask = halves()[:, :1]
    for layer, far in (("conv1_1", 1), ("conv1_2", 2), ("conv2_1", 4), ("conv3_1", 10)):
        assert reach(network, layer) == far
        inside = guides(network, mask, [layer]).of_layer[layer]
        stride = network.strides[layer]
        columns = (inside > 0).any(dim=0).nonzero().flatten()
        assert int(columns.max() + 1) * stride <= 48 - far + stride  # not farther than it can see
        assert int(columns.min()) == 0  # beyond the edges of the picture there is no other region
        assert ((inside >= 0) & (inside <= 1)).all()
    assert guides(network, mask, ["conv1_1"]).part == pytest.approx(0.5)


def test_a_mask_is_carried_in_three_ways():
    """By the columns of conv3_1, of which the left 12 of 24 are the region's: what sees it, what lies in it, what sees
    nothing else."""
    network = tiny_network()
    mask, far, stride = halves()[:, :1], reach(network, "conv3_1"), network.strides["conv3_1"]
    columns = {
        carried: int((guides(network, mask, ["conv3_1"], carried).of_layer["conv3_1"][0] > 0).sum())
        for carried in CARRIED
    }
    assert get_args(Settings.model_fields["carried"].annotation) == tuple(CARRIED)
    assert columns["simple"] == 48 // stride
    assert columns["all"] == -(-(48 + far) // stride)
    assert columns["inside"] == -(-(48 - far) // stride)


def test_a_painter_paints_regions():
    regions, painter = (
        [library.Region(halves(), soft(3, 64, 96)), library.Region(halves())],
        library.Painter(soft(2), **SMALL),
    )
    for region in regions:
        found = painter.paint(soft(1, 64, 96), regions=[region]).tensor
        assert torch.equal(found, library.paint(soft(1, 64, 96), soft(2), regions=[region], **SMALL).tensor)


def test_a_run_carries_masks_as_it_is_told():
    region = library.Region(halves(), soft(3))
    found = [
        library.paint(soft(1, 64, 96), soft(2), regions=[region], carried=carried, **SMALL | {"size": 96}).tensor
        for carried in CARRIED
    ]
    assert not torch.equal(found[0], found[1])
    assert not torch.equal(found[1], found[2])


@pytest.mark.parametrize(
    ("begin", "options", "message"),
    [
        (library.reconstruct_style, {"keep_lines": 1.0}, "`keep_lines` needs a photograph, and there is none"),
        (library.reconstruct_style, {"photoreal": True}, "`photoreal` needs a photograph, and there is none"),
        (library.reconstruct_content, {"stroke_size": 2.0}, "`stroke_size` needs a painting, and there is none"),
        (library.reconstruct_content, {"spectrum_weight": 2.0}, "`spectrum_weight` needs a painting"),
        (library.reconstruct_content, {"blend": (1, 2)}, "`blend` needs a painting"),
        (library.reconstruct_style, {"colour": "lab"}, "`colour`: 'lab' takes colours from a photograph"),
    ],
)
def test_what_makes_no_sense_is_refused(begin, options, message):
    with pytest.raises(UsageError, match=f"^{re.escape(message)}"):
        begin(soft(1), size=48, steps=1, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"carried": "all"}, "`carried` says how masks are carried, and there are no `regions`"),
        ({"photoreal": True, "keep_lines": 1.0}, "`photoreal` keeps every line of the photograph"),
        ({"blend": (1, 2)}, "`blend`: 2 parts are said, and the paintings are 1"),
        (
            {"regions": [library.Region(halves(48, 48))], "spectrum_weight": 1.0},
            "`spectrum_weight` is of whole pictures",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(options, message):
    with pytest.raises(UsageError, match=f"^{re.escape(message)}"):
        library.stylize(soft(1, 48, 48), soft(2), size=48, **options)


# Presets


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_settings_and_says_what_it_is_about(name):
    settings = Settings(preset=name)
    assert PRESETS[name].keys() - {"about"} <= Settings.model_fields.keys()
    assert all(getattr(settings, key) == value for key, value in PRESETS[name].items() if key != "about")
    assert 10 < len(PRESETS[name]["about"]) < 90
    picture = library.paint(
        soft(1), soft(2), preset=name, size=48, steps=2, coarse_steps=1, scales=1, network=tiny_network()
    )
    assert picture.tensor.shape == (1, 3, 40, 48)


def test_how_far_a_layer_sees_is_how_far_its_gradient_goes():
    network = tiny_network().double()
    for layer in ("conv1_2", "conv2_1", "conv2_2", "conv3_1", "conv4_1"):
        x = soft(1, 192, 192).double().requires_grad_(True)
        network(x, [layer])[layer][..., 96 // network.strides[layer], 96 // network.strides[layer]].sum().backward()
        seen = x.grad[0].abs().sum(dim=(0, 1)).nonzero().flatten()
        stride = network.strides[layer]
        assert 96 - int(seen.min()) <= reach(network, layer)
        assert int(seen.max()) - (96 + stride - 1) <= reach(network, layer)


def test_a_small_region_keeps_a_part_of_itself():
    network, mask = tiny_network(), torch.zeros(1, 1, 64, 96)
    mask[..., 20:30, 40:52] = 1
    for layer in STYLE_LAYERS:
        assert guides(network, mask, [layer]).of_layer[layer].sum() > 0


def test_regions_whole_and_in_tiles_and_against_finite_differences():
    network, x, p = tiny_network().double(), soft(1, 64, 96).double(), soft(4, 64, 96).double()
    painted = [Painted(halves()[:, :1].double(), soft(3).double()), Painted(torch.zeros(1, 1, 64, 96).double())]
    settings = Settings(style_loss="moments")
    whole = objective_of(settings, network, p, soft(2).double(), regions=painted)
    in_tiles = TotalLoss(network, whole.terms, tuple(places_of(64, 96, 32)))
    (terms, gradient), (terms_in_tiles, gradient_in_tiles) = (of.value_and_gradient(x) for of in (whole, in_tiles))
    assert float(terms_in_tiles["style"]) == pytest.approx(float(terms["style"]), rel=1e-9)
    torch.testing.assert_close(gradient_in_tiles, gradient)
    direction = torch.randn(x.shape, dtype=x.dtype, generator=torch.Generator().manual_seed(1))
    ahead, behind = (sum(whole.value_and_gradient(x + h * direction)[0].values()) for h in (1e-6, -1e-6))
    assert float((gradient * direction).sum()) == pytest.approx(float(ahead - behind) / 2e-6, rel=1e-4)


def test_a_region_that_is_all_of_the_picture_is_the_picture():
    photograph, painting = soft(1, 64, 96), soft(3)
    everywhere = library.Region(torch.ones(1, 3, 64, 96), painting)
    found = objective_of_run(photograph, soft(2), [everywhere]).value_and_gradient(photograph)
    expected = objective_of_run(photograph, painting, []).value_and_gradient(photograph)
    assert dict(found[0]) == pytest.approx(dict(expected[0]), rel=1e-4)
    torch.testing.assert_close(found[1], expected[1], rtol=1e-3, atol=1e-4 * float(expected[1].abs().max()))


def objective_of_run(photograph, painting, regions):
    """The first objective of a run of one size."""
    settings = Settings(size=96, scales=1, style_weight=1e8, precision="float32", smooth_chroma=False)
    sources = {"content": photograph, "style": painting, **facade.of_regions(regions)}
    objectives_at = preparation.prepared(settings, sources, None, kept.Kept(settings), regions).objectives_at
    return next(iter(objectives_at(1.0)))


def test_no_style_leaks_into_the_other_region():
    """Opposite paintings: inside each half the picture is as near to its own as where that one is alone."""
    stripes, colours, photograph = checks(96, 64, 5), soft(3, 64, 96), soft(1, 64, 96)
    options = {"size": 96, "steps": 25, "scales": 1, "style_weight": 1e9}
    both = library.paint(photograph, stripes, regions=[library.Region(halves(), colours)], **options).tensor
    network, of = load_network(edges="mirrored"), STYLE_LOSSES["gaussian"]
    for mask, own in ((halves()[:, :1], colours), (1 - halves()[:, :1], stripes)):
        alone = library.paint(photograph, own, **options).tensor
        inside, targets = guides(network, mask, STYLE_LAYERS), style_targets(network, own, STYLE_LAYERS, of)

        def loss(image, inside=inside, targets=targets):
            features = seen(network, image, STYLE_LAYERS)
            guided = {layer: of.statistic(F.guided(inside.of_layer[layer])) for layer, F in features.items()}
            return sum(w * float(of.loss(guided[layer], targets[layer])) for layer, w in STYLE_LAYERS.items())

        assert loss(both) <= loss(alone) + 0.1 * loss(photograph)
        assert loss(both) < 0.5 * loss(photograph)


def test_inside_a_region_it_is_the_same_whatever_is_painted_beside_it():
    """Gram matrices within 10 %, as far as the network sees nothing else; where it does, they are farther apart."""
    photograph, network, left = soft(1, 96, 128), load_network(edges="mirrored"), halves(96, 128)
    options = {"size": 128, "steps": 25, "scales": 1, "style_weight": 1e9, "precision": "float32"}
    layers = ["conv1_1", "conv2_1", "conv3_1"]

    def grams(beside, carried):
        regions = [library.Region(left, soft(3, 64, 96))]
        image = library.paint(photograph, beside, regions=regions, carried=carried, **options).tensor
        inside = guides(network, left[:, :1], layers).of_layer
        guided = {layer: F.guided(inside[layer]) for layer, F in seen(network, image, layers).items()}
        return {layer: F.gram / F.positions for layer, F in guided.items()}

    def apart(carried):
        G, of_another = grams(checks(128, 96, 5), carried), grams(soft(7, 96, 128), carried)
        return {layer: float((G[layer] - of_another[layer]).norm() / G[layer].norm()) for layer in layers}

    inside, bleeding = apart("inside"), apart("all")
    assert max(inside.values()) < 0.1
    assert inside["conv3_1"] < 0.5 * bleeding["conv3_1"]


@pytest.mark.parametrize("colour", ["painting", "matched"])
def test_a_region_is_left_as_it_is(colour):
    photograph = soft(1, 64, 96)
    picture = library.paint(
        photograph, soft(2), regions=[library.Region(halves())], colour=colour, **SMALL | {"size": 96, "steps": 25}
    )
    torch.testing.assert_close(picture.tensor[..., :48], photograph[..., :48], rtol=0, atol=1e-6)
    assert (picture.tensor[..., 48:] - photograph[..., 48:]).abs().mean() > 0.01
    soft_edge = library.Region(halves(soft_edge=True))
    picture = library.paint(photograph, soft(2), regions=[soft_edge], **SMALL | {"size": 96})
    torch.testing.assert_close(picture.tensor[..., :43], photograph[..., :43], rtol=0, atol=1e-6)


def test_labels_by_colour_and_masks_of_paintings():
    labels = torch.zeros(1, 3, 64, 96)
    labels[:, 0, :, :48] = 1
    labels[:, 1, :, 48:] = 1
    red, green = (library.Region(labels, soft(3, 64, 96), colour=of) for of in ("#ff0000", "00f010"))
    options = SMALL | {"size": 96, "steps": 25, "style_weight": 1e9}
    by_mask = library.paint(soft(1, 64, 96), soft(2), regions=[library.Region(halves(), soft(3, 64, 96))], **options)
    torch.testing.assert_close(library.paint(soft(1, 64, 96), soft(2), regions=[red], **options).tensor, by_mask.tensor)
    assert library.paint(soft(1, 64, 96), soft(2), regions=[red, green], **options).recipe["regions"] == [
        {"colour": "#ff0000"},
        {"colour": "00f010"},
    ]
    half = torch.cat([soft(3, 64, 96)[..., :48], 0 * soft(3, 64, 96)[..., :48]], dim=3)
    masked = library.Region(halves(), half, style_mask=halves())
    found = library.paint(soft(1, 64, 96), soft(2), regions=[masked], **options).tensor
    without = library.paint(soft(1, 64, 96), soft(2), regions=[library.Region(halves(), half)], **options).tensor
    assert found[..., :40].mean() > without[..., :40].mean()  # the black half would pull it down


@pytest.mark.parametrize(
    ("region", "words"),
    [
        (library.Region(torch.zeros(1, 3, 64, 96)), "`region_1_mask`: a mask has nothing in it"),
        (
            library.Region(torch.ones(1, 3, 64, 64)),
            "`region_1_mask`: a mask of 64 x 64 px does not fit a picture of 96 x 64",
        ),
        (library.Region(halves(), colour="reddish"), "`region_1_mask`: 'reddish' is no colour: write it as #ff8000"),
        (
            library.Region(halves(), soft(3), style_mask=torch.ones(1, 3, 90, 20)),
            "`region_1_style_mask`: a mask of 20 x 90",
        ),
        (library.Region(255 * halves()), "`region_1_mask`: floats are from 0"),
    ],
)
def test_a_mask_that_is_none(region, words):
    with pytest.raises(UsageError, match=f"^{words}"):
        next(library.stylize(soft(1, 64, 96), soft(2), regions=[region], **SMALL | {"size": 96}))


# Colours


@pytest.mark.parametrize("root", [symmetric, cholesky])
def test_recolouring_matches_means_and_covariances(root):
    painting, photograph = soft(2), soft(1, 30, 50, 0.6)
    found = with_colours_of(painting, photograph, root).double().flatten(2)[0]
    wanted = photograph.double().flatten(2)[0]
    torch.testing.assert_close(found.mean(dim=1), wanted.mean(dim=1), rtol=0, atol=1e-4)
    torch.testing.assert_close(torch.cov(found), torch.cov(wanted), rtol=0, atol=1e-4)


@given(st.integers(0, 2**31))
def test_roots_are_roots(seed):
    x = torch.randn(3, 50, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    covariance = torch.cov(x)
    for root in (symmetric, cholesky):
        R = root(covariance)
        torch.testing.assert_close(R @ R.T, covariance)
    torch.testing.assert_close(symmetric(covariance), symmetric(covariance).T)
    assert cholesky(covariance).triu(1).abs().max() == 0


def test_luminance_is_matched():
    found, wanted = luminance(matched(soft(2), soft(1, spread=0.4))), luminance(soft(1, spread=0.4))
    assert float(found.mean()) == pytest.approx(float(wanted.mean()), abs=1e-4)
    assert float(found.std()) == pytest.approx(float(wanted.std()), abs=1e-3)


def test_a_painting_of_one_colour_can_be_recoloured():
    flat = torch.full((1, 3, 20, 20), 0.5)
    for name, colours in COLOURS.items():
        for painting, photograph in ((flat, soft(1)), (soft(1), flat), (flat, flat)):
            found = colours.painting(painting, photograph)
            assert torch.isfinite(found).all(), name
            assert 0 <= float(found.min()) <= float(found.max()) <= 1


@pytest.mark.parametrize("colour", ["photo", "matched"])
def test_the_photographs_colours_are_kept(colour, tmp_path):
    photograph = soft(1)
    picture = library.paint(photograph, soft(2), colour=colour, **SMALL | {"steps": 20})
    picture.save(tmp_path / "x.png")
    saved = library.read(tmp_path / "x.png")
    for found, rounding in ((picture.tensor, 1e-5), (saved, 1 / 255)):
        chroma, wanted = (image - luminance(image) for image in (found, photograph))
        assert float((chroma - wanted).abs().max()) <= rounding
    assert float((luminance(picture.tensor) - luminance(photograph)).abs().mean()) > 0.01


def test_what_is_seen_is_what_is_scored():
    """The gradient goes through the view: against finite differences, where luminance is what it may be."""
    view, x = WithColoursOf(0.3 + 0.4 * soft(1, 16, 16).double()), 0.3 + 0.4 * soft(2, 16, 16).double()
    weights = torch.rand(1, 3, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    assert torch.autograd.gradcheck(lambda image: (view(image) * weights).sum(), x.requires_grad_(True), eps=1e-7)
    torch.testing.assert_close(view(view(x)), view(x))


def test_recoloured_pictures_are_nearer_to_the_photographs_colours():
    photograph, painting = soft(1, spread=0.3), soft(2)
    apart = {}
    for colour in ("painting", "recoloured", "recoloured-cholesky"):
        image = library.paint(photograph, painting, colour=colour, **SMALL | {"steps": 20}).tensor
        apart[colour] = float((torch.cov(image.flatten(2)[0]) - torch.cov(photograph.flatten(2)[0])).abs().sum())
    assert max(apart["recoloured"], apart["recoloured-cholesky"]) < apart["painting"]


def test_without_a_photograph_there_are_none_of_its_colours():
    with pytest.raises(UsageError, match="`colour`: 'matched' takes colours from a photograph, and there is none"):
        library.texture(soft(2), 32, 32, colour="matched", **SMALL)


# On the command line


def test_they_are_options(impasto, photograph, painting, tiny):
    quick = ["--weights", tiny, "--size", 32, "--steps", 2, "--device", "cpu", "-q"]
    Image.new("RGB", (40, 40), (200, 30, 90)).save("third.png")
    pictures = ["stylize", photograph, painting, "third.png"]
    assert impasto(*pictures, *quick, "--blend", "fine, 0.5", "--keep-colours", "--stroke-size", 0.7).code == 0
    recipe = json.loads(impasto("recipe", "photograph-painting-third.png").out)
    assert recipe["settings"]["blend"] == ["fine", 0.5]
    assert (recipe["settings"]["colour"], recipe["settings"]["stroke_size"]) == ("matched", 0.7)
    assert recipe["inputs"]["style_2"]["file"] == "third.png"
    again = library.paint(photograph, [painting, "third.png"], Settings(**recipe["settings"] | {"weights": tiny}))
    assert torch.equal((again.tensor * 255).round(), library.read("photograph-painting-third.png") * 255)
    for options, words in (
        (["--blend", "1"], "--blend: 1 parts are said, and the paintings are 2"),
        (["--blend", "1,most"], "'most' is not a number"),
        (["--colour", "mine"], "--colour: one of painting, photo"),
        (["--stroke-size", "0"], "--stroke-size: Input should be greater than or equal to 0.1"),
        (["-o", "third.png"], "the same file as the input"),
    ):
        told = impasto(*pictures, *quick, *options)
        assert (told.code, words in told.err) == (2, True), told.err


def test_regions_are_an_option(impasto, photograph, painting, tiny):
    quick = ["--weights", tiny, "--size", 48, "--steps", 2, "--device", "cpu", "-q", "-o", "out.png"]
    mask = Image.new("RGB", (48, 40), "black")
    mask.paste("#00ff00", (0, 0, 24, 40))
    mask.save("mask.png")
    Image.new("RGB", (40, 40), (200, 30, 90)).save("third.png")
    stylize = ["stylize", photograph, painting, *quick, "--region"]
    assert impasto(*stylize, "mask.png#00ff00=keep").code == 0
    kept, whole = library.read("out.png")[..., :24], library.read(photograph, size=48)[..., :24]
    assert torch.equal(kept, whole)
    assert impasto(*stylize, "mask.png#00ff00=third.png").code == 0
    assert {"region_1_mask", "region_1_style"} < set(json.loads(impasto("recipe", "out.png").out)["inputs"])
    for region, code, words in (
        ("mask.png", 2, "--region: 'mask.png' should be MASK=PAINTING"),
        ("nowhere.png=keep", 3, "'nowhere.png' does not exist"),
        ("mask.png=nowhere.png", 3, "'nowhere.png' does not exist"),
        ("mask.png#ff0000=keep", 2, "region_1_mask: a mask has nothing in it"),
        ("out.png=keep", 2, "the same file as the input"),
    ):
        told = impasto(*stylize, region)
        assert (told.code, words in told.err) == (code, True), told.err
