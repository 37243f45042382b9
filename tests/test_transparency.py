"""Transparent photographs: painted where there is something, up to the edge, and transparent when they come out."""

import io

import numpy as np
import pytest
import tifffile
import torch
from nets import tiny_network
from PIL import Image

import impasto as library
from impasto.assembly import objective_of
from impasto.balance import content_distance
from impasto.errors import InputError
from impasto.features import Features
from impasto.images.files import read_with_alpha
from impasto.images.resizing import resized
from impasto.images.transparency import filled, there
from impasto.losses import luminance
from impasto.objective import TotalLoss
from impasto.regions import Painted, guides
from impasto.settings import Settings
from impasto.terms import Content
from impasto.tiling import places_of
from impasto.views import Continued, Through, smooth_chroma

SIDE = 64
SMALL = {"size": SIDE, "steps": 4, "coarse_steps": 1, "scales": 1}
ORANGE = torch.tensor([0.9, 0.5, 0.1]).view(1, 3, 1, 1)


def soft(seed, height=SIDE, width=SIDE, spread=1.0):
    coarse = torch.rand(1, 3, 5, 6, generator=torch.Generator().manual_seed(seed))
    image = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)
    return 0.5 + spread * (image - 0.5)


def disc(side=SIDE, radius=0.35, edge=1.0):
    """An alpha that falls from 1 to 0 within ``edge`` px."""
    y, x = torch.meshgrid(*[torch.arange(side) - (side - 1) / 2] * 2, indexing="ij")
    return ((side * radius - (x**2 + y**2).sqrt()) / edge + 0.5).clamp(0, 1)[None, None]


def transparent(colours, alpha):
    return torch.cat([colours, alpha], dim=1)


def pil(pixels):
    return Image.fromarray((pixels[0].permute(1, 2, 0) * 255).round().to(torch.uint8).numpy())


PHOTOGRAPH = transparent(soft(1), disc())
GONE = disc()[0, 0] == 0


# Colours where there is nothing


def test_what_is_faint_is_mixed_with_the_mean_of_what_is_there():
    rng = np.random.default_rng(0)
    c, w = rng.random((3, 2, 2)).astype(np.float32), np.array([[1, 0.5], [0, 0.25]], np.float32)
    mean = (c * w).sum(axis=(1, 2), keepdims=True) / w.sum()  # 4 x 4 around all four
    found = filled(torch.from_numpy(c)[None], torch.from_numpy(w)[None, None])[0]
    np.testing.assert_allclose(found, w * c + (1 - w) * mean, rtol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (37, 90), (16, 201)])
def test_colours_go_on_from_the_edge(height, width):
    """What is there stays to the bit, what is not is of the nearest colours, and what lies hidden is not seen."""
    image, weight = soft(1, height, width), torch.zeros(1, 1, height, width)
    weight[..., : width // 2] = 1
    hidden = image.clone()
    hidden[..., width // 2 :] = 1
    found = filled(image, weight)
    assert torch.equal(found, filled(hidden, weight))
    assert torch.equal(found[..., : width // 2], image[..., : width // 2])
    assert (found[..., width // 2] - image[..., width // 2 - 1]).abs().mean() < 0.1
    flat = filled(weight * ORANGE, weight)
    torch.testing.assert_close(flat, ORANGE.expand_as(flat), rtol=0, atol=1e-5)


@pytest.mark.parametrize("under", [0.0, 1.0])
@pytest.mark.parametrize("kind", ["file", "array"])
@pytest.mark.parametrize("size", [40, SIDE, 90])
def test_no_fringes_after_resizing(under, kind, size):
    """A disc of one colour, whatever the colour is of what is transparent."""
    alpha = disc(edge=4)
    pixels = transparent(torch.where(alpha > 0, ORANGE, torch.full_like(ORANGE, under)), alpha)
    image, found = read_with_alpha(pil(pixels) if kind == "file" else pixels, size=size)
    assert image.shape == (1, 3, size, size)
    torch.testing.assert_close(image, ORANGE.expand_as(image), rtol=0, atol=0.01)
    expected = pil(alpha.expand(-1, 3, -1, -1)).getchannel(0).resize((size, size), Image.Resampling.LANCZOS)
    np.testing.assert_allclose(found[0, 0] * 255, np.asarray(expected, float), atol=4)


def palette(folder):
    picture = pil(PHOTOGRAPH[:, :3]).quantize(32)
    picture.save(folder / "x.png", transparency=bytes(16 * [100]) + bytes(16 * [255]))
    return folder / "x.png"


def deep(folder):
    levels = (PHOTOGRAPH[0].permute(1, 2, 0).numpy() * 65535).round().astype(np.uint16)
    tifffile.imwrite(folder / "x.tif", levels, photometric="rgb", extrasamples=["unassalpha"])
    return folder / "x.tif"


def colour_key(folder):
    picture = Image.new("RGB", (20, 20), (9, 8, 7))
    picture.paste((200, 100, 0), (0, 0, 10, 20))
    picture.save(folder / "x.png", transparency=(9, 8, 7))
    return folder / "x.png"


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (palette, {100 / 255, 1.0}),
        (colour_key, {0.0, 1.0}),
        (lambda _: Image.new("LA", (20, 20), (7, 51)), {0.2}),
        (deep, None),
        (lambda _: pil(PHOTOGRAPH), None),
        (lambda _: PHOTOGRAPH, None),
        (lambda _: np.asarray(pil(PHOTOGRAPH)), None),
        (lambda _: library.Picture(PHOTOGRAPH[:, :3], alpha=PHOTOGRAPH[:, 3:]), None),
    ],
)
def test_every_kind_of_transparency_is_read(tmp_path, kind, values):
    image, alpha = read_with_alpha(kind(tmp_path))
    if values is None:
        torch.testing.assert_close(alpha, disc(), rtol=0, atol=1.01 / 255)
        inside = disc()[0, 0] == 1
        torch.testing.assert_close(image[..., inside], PHOTOGRAPH[:, :3, inside], rtol=0, atol=1.01 / 255)
    else:
        assert {round(value, 4) for value in alpha.unique().tolist()} == {round(value, 4) for value in values}


def test_read_lays_over_white_as_it_did():
    for source in (PHOTOGRAPH, library.Picture(PHOTOGRAPH[:, :3], alpha=PHOTOGRAPH[:, 3:])):
        assert torch.equal(library.read(source), PHOTOGRAPH[:, :3] * disc() + (1 - disc()))


def test_an_opaque_alpha_is_as_none():
    opaque = transparent(soft(1), torch.ones(1, 1, SIDE, SIDE))
    for source, plain in ((opaque, soft(1)), (pil(opaque), pil(soft(1))), (np.asarray(pil(opaque)), pil(soft(1)))):
        image, alpha = read_with_alpha(source, size=40)
        assert alpha is None
        assert torch.equal(image, library.read(plain, size=40))
    picture = library.paint(opaque, soft(2), **SMALL)
    assert picture.alpha is None
    assert torch.equal(picture, library.paint(soft(1), soft(2), **SMALL))


def test_a_photograph_with_nothing_in_it():
    for source in (0 * PHOTOGRAPH, pil(0 * PHOTOGRAPH)):
        with pytest.raises(InputError, match="transparent everywhere"):
            library.stylize(source, soft(2), **SMALL)


# What is painted


def test_it_comes_out_as_transparent_as_it_went_in():
    picture = library.paint(PHOTOGRAPH, soft(2), **SMALL | {"steps": 10})
    assert torch.equal(picture.alpha, disc())
    assert picture.tensor[..., GONE].abs().max() == 0
    assert (picture.tensor - PHOTOGRAPH[:, :3])[..., ~GONE].abs().mean() > 0.03
    other = library.paint(PHOTOGRAPH, soft(2), **SMALL | {"size": 40})
    assert other.alpha.shape == (1, 1, 40, 40)


def test_nothing_invisible_pulls_at_it():
    hidden = torch.where(disc() > 0, PHOTOGRAPH, transparent(soft(7), disc()))
    assert not torch.equal(hidden, PHOTOGRAPH)
    for options in ({}, {"colour": "matched"}, {"colour": "recoloured"}, {"keep_lines": 1.0, "init": "noise"}):
        of = [library.paint(photograph, soft(2), **SMALL, **options).tensor for photograph in (PHOTOGRAPH, hidden)]
        assert torch.equal(*of)


def test_the_rim_is_painted_as_the_inside_is():
    """A soft disc, and a painting in few colours. Over white its rim would be white."""
    alpha, painting = disc(edge=16), 0.3 * soft(2)
    rim, inside = ((low < alpha) & (alpha < high) for low, high in ((0.15, 0.6), (0.9, 1.1)))

    def apart(photograph):
        image = library.paint(photograph, painting, **SMALL | {"steps": 30}).tensor
        means = [image[..., where[0, 0]].mean(dim=2) for where in (rim, inside)]
        return float((means[0] - means[1]).abs().max())

    photograph = 0.3 + 0.2 * soft(1)
    assert apart(transparent(photograph, alpha)) < 0.12
    assert apart(photograph * alpha + 1 - alpha) > 0.2


def test_every_step_has_its_alpha_and_is_its_own():
    steps = list(library.stylize(PHOTOGRAPH, soft(2), **SMALL | {"size": 192, "scales": 2, "steps": 2}))
    assert {step.size for step in steps} == {(128, 128), (192, 192)}
    for step in steps:
        assert step.picture.numpy().shape == (*step.size, 4)
        assert torch.equal(step.alpha, steps[-1].picture.alpha)
    whole = steps[0].whole
    assert whole.tensor.shape == (1, 3, 192, 192)
    assert torch.equal(whole.alpha, steps[-1].picture.alpha)
    steps[0].alpha.fill_(0.5)  # it is the caller's
    assert steps[1].alpha.unique().tolist() != [0.5]


def test_enlarging_brings_no_dark_fringe():
    image = (resized(disc(200), SIDE, SIDE) > 0) * ORANGE
    step = library.Step(0, image, {}, 0.0, 1, recipe={"size": [200, 200]}, alpha=disc(200))
    whole = step.whole
    seen = whole.alpha[0, 0] > 0
    assert whole.shape == (1, 3, 200, 200)
    torch.testing.assert_close(whole[..., seen], ORANGE[..., 0].expand(1, 3, int(seen.sum())), rtol=0, atol=0.02)


def test_content_counts_where_the_photograph_is():
    """½ Σ g (F − P)², by hand."""
    rng = np.random.default_rng(1)
    F, P, g = rng.random((5, 6, 4)), rng.random((5, 6, 4)), rng.random((6, 4))
    term = Content({"x": torch.from_numpy(P)}, {"x": 2.0}, 3.0, guides={"x": torch.from_numpy(g)})
    seen = Features(torch.from_numpy(F)[None])
    root = np.sqrt(g)
    found, _ = Content.statistic(term, "x", with_place(seen))
    np.testing.assert_allclose(found, ((F * root - P * root) ** 2).sum() / 2)
    np.testing.assert_allclose(found, (g * (F - P) ** 2).sum() / 2)


def with_place(features):
    from dataclasses import replace

    from impasto.features import Place

    return replace(features, place=Place.whole(6, 4))


def test_the_distance_from_the_photograph_is_of_what_is_there():
    network, p = tiny_network(), soft(1)
    mask = torch.zeros(1, 1, SIDE, SIDE)
    mask[..., :32] = 1
    layer = "conv2_1"
    guide = guides(network, mask, [layer]).of_layer[layer]
    of_half, of_all = content_distance(network, layer, p, guide), content_distance(network, layer, p)
    x = torch.cat([p[..., :32], soft(5)[..., 32:]], dim=3)
    assert of_half(x) == pytest.approx(0, abs=1e-6)
    assert of_all(x) > 0.1
    F, P = (network(image, [layer])[layer][0].flatten(1).detach().double().numpy() for image in (soft(5), p))
    turned = network(p.flip(2, 3), [layer])[layer][0].flatten(1).detach().double().numpy()
    w = guide.flatten().double().numpy() / float(guide.double().sum())
    centre = (P * w).sum(axis=1, keepdims=True)

    def apart(F):
        a, b = F - centre, P - centre
        return ((1 - (a * b).sum(axis=0) / (np.linalg.norm(a, axis=0) * np.linalg.norm(b, axis=0))) * w).sum()

    assert of_half(soft(5)) == pytest.approx(apart(F) / apart(turned), rel=1e-3)


def test_whole_and_in_tiles_and_against_finite_differences():
    network, x, p = tiny_network().double(), soft(1, 64, 96).double(), soft(4, 64, 96).double()
    here = torch.zeros(1, 1, 64, 96).double()
    here[..., 8:56, 10:70] = 1
    left = here.clone()
    left[..., 40:] = 0
    painted = [Painted(left, soft(3).double()), Painted(1 - here)]
    settings = Settings(style_loss="moments")
    painting, of_painting = soft(2, 48, 96).double(), torch.ones(1, 1, 48, 96).double()
    of_painting[..., 48:] = 0
    counts = {"content": here, "style": of_painting}
    total = objective_of(settings, network, p, painting, regions=painted, counts=counts)
    in_tiles = TotalLoss(network, total.terms, tuple(places_of(64, 96, 32)))
    whole, tiled = (Through(of, Continued(smooth_chroma, here)) for of in (total, in_tiles))
    (terms, gradient), (terms_in_tiles, gradient_in_tiles) = (of.value_and_gradient(x) for of in (whole, tiled))
    for name in ("content", "style"):
        assert float(terms_in_tiles[name]) == pytest.approx(float(terms[name]), rel=1e-9)
    torch.testing.assert_close(gradient_in_tiles, gradient)
    assert gradient[..., 59:, :].abs().max() == 0  # 3 px beyond: what is blurred into the edge is 1 px
    direction = torch.randn(x.shape, dtype=x.dtype, generator=torch.Generator().manual_seed(1))
    ahead, behind = (sum(whole.value_and_gradient(x + h * direction)[0].values()) for h in (1e-6, -1e-6))
    assert float((gradient * direction).sum()) == pytest.approx(float(ahead - behind) / 2e-6, rel=1e-4)


@pytest.mark.parametrize("colour", ["photo", "matched"])
def test_the_photographs_colours_are_kept(colour):
    picture = library.paint(PHOTOGRAPH, soft(2), colour=colour, **SMALL)
    seen = there(disc())[0, 0] == 1
    chroma, wanted = (image - luminance(image) for image in (picture.tensor, PHOTOGRAPH[:, :3]))
    torch.testing.assert_close(chroma[..., seen], wanted[..., seen], rtol=0, atol=1e-5)
    assert (luminance(picture.tensor) - luminance(PHOTOGRAPH[:, :3]))[..., seen].abs().mean() > 0.01


def test_grey_stays_grey():
    greys = [luminance(soft(seed)).expand(-1, 3, -1, -1) for seed in (1, 2)]
    image = library.paint(transparent(greys[0], disc()), greys[1], **SMALL).tensor
    assert float((image.amax(dim=1) - image.amin(dim=1)).max()) < 1e-5


def test_regions_count_where_the_photograph_is():
    mask = torch.zeros(1, 3, SIDE, SIDE)
    mask[..., : SIDE // 2] = 1
    left = disc()[0, 0] > 0
    left[:, SIDE // 2 :] = False
    kept = library.paint(PHOTOGRAPH, soft(2), regions=[library.Region(mask)], **SMALL)
    opaque = left & (disc()[0, 0] == 1)
    torch.testing.assert_close(kept.tensor[..., opaque], PHOTOGRAPH[:, :3, opaque], rtol=0, atol=1e-6)
    regions = [library.Region(mask, 0.2 * soft(3))]
    both = library.paint(PHOTOGRAPH, soft(2), regions=regions, **SMALL | {"steps": 20})
    without = library.paint(PHOTOGRAPH, soft(2), **SMALL | {"steps": 20})
    assert both.tensor[..., left].mean() < without.tensor[..., left].mean() - 0.05
    assert torch.equal(both.alpha, disc())
    corner = torch.zeros(1, 3, SIDE, SIDE)
    corner[..., :8, :8] = 1  # where nothing is
    in_corner = library.paint(PHOTOGRAPH, soft(2), regions=[library.Region(corner, soft(3))], **SMALL)
    torch.testing.assert_close(in_corner.tensor, library.paint(PHOTOGRAPH, soft(2), **SMALL).tensor, rtol=0, atol=1e-3)


def test_what_is_transparent_of_a_painting_does_not_count():
    alpha = torch.ones(1, 1, SIDE, SIDE)
    alpha[..., SIDE // 2 :] = 0
    paintings = [transparent(torch.where(alpha > 0, soft(2), soft(seed)), alpha) for seed in (2, 8)]
    first, second = (library.paint(soft(1), painting, **SMALL) for painting in paintings)
    assert torch.equal(first, second)
    assert first.alpha is None
    of_region = [library.Region(torch.ones(1, 3, SIDE, SIDE), painting) for painting in (*paintings, soft(2))]
    first, second, opaque = (library.paint(soft(1), soft(3), regions=[region], **SMALL) for region in of_region)
    assert torch.equal(first, second)
    masked = library.Region(torch.ones(1, 3, SIDE, SIDE), soft(2), style_mask=alpha.expand(-1, 3, -1, -1))
    by_mask = library.paint(soft(1), soft(3), regions=[masked], **SMALL)
    assert (first.tensor - by_mask.tensor).abs().mean() < 0.5 * (first.tensor - opaque.tensor).abs().mean()


def test_painters_and_pictures_that_were_painted():
    painter = library.Painter(transparent(soft(2), disc()), **SMALL)
    picture = painter.paint(PHOTOGRAPH)
    assert torch.equal(picture, library.paint(PHOTOGRAPH, transparent(soft(2), disc()), **SMALL))
    assert torch.equal(painter.paint(PHOTOGRAPH), picture)
    assert painter.paint(soft(1)).alpha is None
    again = painter.paint(picture)
    assert torch.equal(again.alpha, disc())
    fainter = library.Picture(picture.tensor, alpha=0.5 * picture.alpha)
    digests = {painter.paint(of).recipe["inputs"]["content"]["sha256"] for of in (picture, fainter, picture.tensor)}
    assert len(digests) == 3


def test_reconstructions_and_textures_are_over_white():
    options = {"size": 48, "steps": 1, "scales": 1}
    over_white = library.read(PHOTOGRAPH)
    for of in (library.reconstruct_content, lambda source, **more: library.texture(source, 32, 32, **more)):
        (*_, found), (*_, expected) = (of(source, **options) for source in (PHOTOGRAPH, over_white))
        assert found.alpha is None
        torch.testing.assert_close(found.image, expected.image, rtol=0, atol=1e-3)


# Out


@pytest.fixture(scope="module")
def picture():
    return library.paint(PHOTOGRAPH, soft(2), **SMALL)


def test_every_form_is_transparent(picture, tmp_path):
    expected = transparent(picture.tensor, picture.alpha)[0].permute(1, 2, 0).numpy() * 255
    assert picture.pil().mode == "RGBA"
    forms = [picture.pil(), picture.numpy(), np.asarray(picture), Image.open(io.BytesIO(picture._repr_png_()))]
    for suffix in (".png", ".tif"):
        picture.save(tmp_path / f"x{suffix}")
        forms.append(Image.open(tmp_path / f"x{suffix}"))
    for form in forms:
        np.testing.assert_array_equal(np.asarray(form), expected.round())
    library.write(transparent(picture.tensor, picture.alpha), tmp_path / "y.png")
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "y.png")), expected.round())


def test_webp_and_sixteen_bits(picture, tmp_path):
    picture.save(tmp_path / "x.webp")
    with Image.open(tmp_path / "x.webp") as saved:
        np.testing.assert_array_equal(np.asarray(saved)[..., 3], (disc()[0, 0] * 255).round())
    picture.save(tmp_path / "x.tif", bits=16)
    with tifffile.TiffFile(tmp_path / "x.tif") as file:
        assert [int(of) for of in file.pages.first.extrasamples] == [2]  # not premultiplied
        expected = transparent(picture.tensor, picture.alpha)[0].permute(1, 2, 0).numpy() * 65535
        np.testing.assert_array_equal(file.asarray(), expected.round())


def test_jpeg_is_over_white(picture, tmp_path):
    picture.save(tmp_path / "x.jpg")
    expected = picture.tensor * disc() + 1 - disc()
    found = library.read(tmp_path / "x.jpg")
    assert found[..., GONE].min() > 0.9
    assert (found - expected).abs().mean() < 0.02


def test_on_the_command_line(impasto, painting, tiny):
    pil(PHOTOGRAPH).save("disc.png")
    quick = ["--weights", tiny, "--size", 48, "--steps", 2, "--scales", 1, "--device", "cpu", "-q"]
    alpha = np.asarray(pil(PHOTOGRAPH).getchannel("A").resize((48, 48), Image.Resampling.LANCZOS), float)
    ran = impasto("stylize", "disc.png", painting, *quick, "--tries", 2, "--save-every", 1, "-o", "out.png")
    assert ran.code == 0, ran.err
    for name in ("out-1.png", "out-2.png", "out-1-0001.png", "out-2-0002.png"):
        with Image.open(name) as saved:
            assert saved.mode == "RGBA"
            np.testing.assert_allclose(np.asarray(saved)[..., 3], alpha, atol=1)
    with Image.open("out-sheet.png") as sheet, Image.open("out-1.png") as first:
        assert sheet.mode == "RGBA"
        np.testing.assert_array_equal(np.asarray(sheet)[8:56, 8:56], np.asarray(first))
    assert impasto("stylize", "disc.png", painting, *quick, "-o", "out.jpg").code == 0
    assert library.read("out.jpg")[..., 0, 0].min() > 0.98
