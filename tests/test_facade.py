"""Pictures and settings in, steps out."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as nnf

import impasto
from impasto.assembly import network_of, objective_of
from impasto.devices import device_of, memory, precisions_of
from impasto.errors import InputError, LimitError, UsageError
from impasto.kept import picture
from impasto.pyramid import resized
from impasto.starts import white_noise
from impasto.views import smooth_chroma


def soft(seed: int, height: int = 48, width: int = 64) -> torch.Tensor:
    """Smooth random colours: a photograph of nothing."""
    coarse = torch.rand(1, 3, 6, 8, generator=torch.Generator().manual_seed(seed))
    return nnf.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)


def losses(**options: object) -> list[float]:
    return [step.loss for step in impasto.stylize(soft(1), soft(2), size=64, steps=6, **options)]


@pytest.mark.parametrize(
    ("solver", "init"),
    [("lbfgs", "content"), ("lbfgs", "style"), ("lbfgs", "noise"), ("adam", "content"), ("adam", "noise")],
)
def test_every_start_and_solver_lowers_the_loss(solver, init):
    found = losses(solver=solver, init=init)
    assert len(found) == 7
    assert min(found) < found[0]


def test_the_picture_takes_on_the_paintings_colours():
    painting = torch.tensor([0.9, 0.1, 0.1]).view(1, 3, 1, 1) * (0.5 + 0.5 * soft(3))
    photograph = soft(4)
    picture = impasto.paint(photograph, painting, size=64, steps=40, strength=1)
    distance = [(image.mean(dim=(2, 3)) - painting.mean(dim=(2, 3))).norm() for image in (photograph, picture)]
    assert distance[1] < 0.5 * distance[0]


def test_an_odd_size_is_painted_to_the_last_row_and_column():
    grey = torch.full((1, 3, 127, 127), 0.5)
    of = impasto.paint(grey, soft(3, 127, 127), size=127, steps=20, strength=1)[0]
    for first, last in ((of[:, 0], of[:, -1]), (of[..., 0], of[..., -1])):
        assert 0.6 < float(first.std() / last.std()) < 1 / 0.6


def test_more_strength_means_less_of_the_photograph():
    """Of what is seen in it, L_content: its colours go at any strength."""
    contents = []
    for strength in (0, 0.5, 1):
        steps = impasto.stylize("sample:chelsea", "sample:swirl", size=64, steps=20, strength=strength)
        contents.append(max(steps, key=lambda step: step.merit).terms["content"])
    assert contents == sorted(contents)
    assert contents[2] > 1.5 * contents[0]


def test_same_seed_same_picture_and_another_seed_another():
    def picture(seed: int) -> torch.Tensor:
        return impasto.paint(soft(1), soft(2), size=64, steps=4, init="noise", seed=seed)

    assert torch.equal(picture(3), picture(3))
    assert not torch.equal(picture(3), picture(4))


def test_the_size_is_the_long_side_and_the_aspect_is_kept():
    step = next(impasto.stylize(soft(1, 100, 200), soft(2), size=80))
    assert step.image.shape == (1, 3, 40, 80)
    assert step.index == 0


def test_files_samples_and_tensors_are_taken_alike(tmp_path):
    impasto.write(soft(1), tmp_path / "photograph.png")
    from_file = next(impasto.stylize(tmp_path / "photograph.png", "sample:wave", size=64))
    from_tensor = next(impasto.stylize(impasto.read(tmp_path / "photograph.png"), "sample:wave", size=64))
    assert torch.equal(from_file.image, from_tensor.image)


def test_a_file_can_be_the_first_picture(tmp_path):
    impasto.write(soft(7), tmp_path / "start.png")
    start = str(tmp_path / "start.png")
    step = next(impasto.stylize(soft(1), soft(2), size=64, init=start, smooth_chroma=False))
    torch.testing.assert_close(step.image, soft(7), rtol=0, atol=0.003)


def test_what_is_wrong_shows_at_the_call_not_at_the_first_step():
    with pytest.raises(UsageError, match="conv9_1"):
        impasto.stylize(soft(1), soft(2), style_layers={"conv9_1": 1.0})
    with pytest.raises(UsageError, match="steps"):
        impasto.stylize(soft(1), soft(2), steps=-1)
    with pytest.raises(UsageError, match="stepz"):
        impasto.stylize(soft(1), soft(2), stepz=5)
    with pytest.raises(UsageError, match=r"\(1, 3, H, W\)"):
        impasto.stylize(torch.rand(2, 3, 64, 64), soft(2))
    with pytest.raises(InputError, match=r"nowhere\.png"):
        impasto.stylize("nowhere.png", soft(2))
    with pytest.raises(UsageError, match="`network`: there is no 'vgg99'"):
        impasto.stylize(soft(1), soft(2), network="vgg99")


def test_settings_and_options_go_together():
    settings = impasto.Settings(size=64, steps=3)
    assert len(list(impasto.stylize(soft(1), soft(2), settings))) == 4
    assert len(list(impasto.stylize(soft(1), soft(2), settings, steps=1))) == 2


def test_tensors_too_narrow_for_the_network_are_refused():
    with pytest.raises(InputError, match=r"too small at 200 x 4 px: .* at least 16 px"):
        impasto.stylize(torch.rand(1, 3, 4, 200), soft(2), size=64)


def test_a_texture_begins_as_a_tenth_of_that_noise():
    """Without single pixels of full contrast: some of them would stay."""
    first = next(impasto.texture(soft(2), 64, 48, size=64, steps=0, seed=4)).image
    torch.testing.assert_close(first, smooth_chroma(0.45 + 0.1 * white_noise((48, 64), 4)))


def test_white_noise_is_uniform_and_seeded():
    noise = white_noise((128, 128), 1)
    assert noise.mean() == pytest.approx(0.5, abs=0.01)
    assert noise.var() == pytest.approx(1 / 12, abs=0.005)
    assert torch.equal(noise, white_noise((128, 128), 1))


def test_resizing_keeps_colours_within_the_picture():
    flat = torch.tensor([1.0, 0.25, 0.0]).view(1, 3, 1, 1).expand(1, 3, 20, 30)
    torch.testing.assert_close(resized(flat, 7, 11), flat[..., :7, :11], rtol=0, atol=1e-5)


def test_devices():
    assert device_of("cpu").type == "cpu"
    with pytest.raises(UsageError, match=r"'tpu' is not there; this machine has: .*cpu"):
        device_of("tpu")


def test_precisions(monkeypatch):
    cpu = torch.device("cpu")
    assert precisions_of("float32", cpu) == [torch.float32]
    assert precisions_of("bfloat16", cpu) == [torch.bfloat16]
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True}, raising=False)
    assert precisions_of("auto", cpu) == [torch.bfloat16, torch.float32]
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": False}, raising=False)
    assert precisions_of("auto", cpu) == [torch.float32]
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert precisions_of("auto", cpu) == [torch.float32]


def test_bfloat16_paints_as_well_as_float32():
    """Judged in float32, by the loss of what each painted."""
    run = impasto.Settings(size=64)
    photograph, painting = (picture(f"sample:{name}", run) for name in ("chelsea", "swirl"))
    judge = objective_of(run, network_of(run), photograph, painting)

    def loss(image: torch.Tensor) -> float:
        return sum(judge.value_and_gradient(image)[0].values())

    painted = {
        precision: loss(impasto.paint(photograph, painting, size=64, steps=40, precision=precision).tensor)
        for precision in ("float32", "bfloat16")
    }
    assert painted["float32"] < 0.2 * loss(photograph)
    assert painted["bfloat16"] == pytest.approx(painted["float32"], rel=0.1)


def test_lack_of_memory_names_the_parameter():
    with pytest.raises(LimitError, match="paint a smaller one"), memory():
        torch.empty(1 << 50, dtype=torch.uint8)
    with pytest.raises(RuntimeError, match="something else"), memory():
        raise RuntimeError("something else")


def test_the_public_names():
    """Adding one is a decision; this is where it is noticed."""
    names = (
        "ContentLoss Features ImpastoError Limits Network Painter Picture Point Region Run Settings Solver Step "
        "StyleLoss __version__ load_network paint read read_settings reconstruct_content reconstruct_style stylize "
        "texture write"
    )
    assert impasto.__all__ == names.split()
    assert all(getattr(impasto, name) is not None for name in impasto.__all__)


@pytest.mark.parametrize("kind", [torch.Tensor, np.ndarray, Image.Image])
def test_a_long_and_narrow_painting_is_read_as_large_as_it_has_to_be(kind, tmp_path):
    """24 x 800 px, and at 64 it would have one row; a start is stretched."""
    array = (soft(2, 24, 800)[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8)
    Image.fromarray(array).save(tmp_path / "pano.png")
    sources = {torch.Tensor: soft(2, 24, 800), np.ndarray: array, Image.Image: Image.fromarray(array)}
    init = str(tmp_path / "pano.png")
    *_, last = impasto.stylize(soft(1), sources[kind], size=64, steps=2, init=init, stroke_size=0.5)
    assert last.image.shape == (1, 3, 48, 64)
    with pytest.raises(InputError, match="is 800 x 24 px, and would be too small at 64 x 2 px"):
        impasto.stylize(sources[kind], soft(1), size=64)


def test_a_panorama_is_painted_at_all_of_its_sizes():
    """The small ones are of its proportions, and as high as the network needs."""
    steps = list(impasto.stylize(soft(1, 36, 800), soft(2, 24, 800), size=400, steps=2))
    sizes = list(dict.fromkeys(step.size for step in steps))
    assert sizes == [(356, 16), (400, 18)]
