"""Frames in order: what is kept from one to the next, where a shot begins, and what comes back into sight."""

import itertools

import films
import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

pytest.importorskip("cv2", reason="films need OpenCV: pip install 'impasto[film]'")

from impasto import Painter
from impasto.features import Features, Place
from impasto.film import shots
from impasto.film.shots import Shots, mirrored_on, recoloured, weight_of
from impasto.settings import Settings
from impasto.terms import Temporal

HEIGHT, WIDTH, STEP = 64, 96, 4


def scene(seed, width=WIDTH, blur=3):
    noise = np.random.default_rng(seed).random((HEIGHT, width, 3))
    soft = gaussian_filter(noise, (blur, blur, 0))
    return (255 * (soft - soft.min()) / np.ptp(soft)).astype(np.uint8)


def pan(count, seed=0, blur=3):
    whole = scene(seed, WIDTH + STEP * count, blur)
    return [np.ascontiguousarray(whole[:, STEP * n : STEP * n + WIDTH]) for n in range(count)]


@pytest.fixture
def painter(tiny, painting):
    return Painter(painting, weights=tiny, size=WIDTH, steps=16, strength=0.8, device="cpu", precision="float32")


@pytest.fixture(scope="module")
def lite(painting):
    """By the built-in network, whose losses weigh what they weigh in films."""
    return Painter(painting, size=WIDTH, steps=40, device="cpu")


def painted(shots_of, frames):
    return [shots_of.paint(frame) for frame in frames]


def flicker(pictures):
    """How much strokes differ from where they were, of a pan that is known: mean square."""
    arrays = [picture.numpy() / 255 for picture in pictures]
    pairs = itertools.pairwise(arrays)
    return np.mean([np.square(after[:, 8 : -STEP - 8] - before[:, STEP + 8 : -8]).mean() for before, after in pairs])


def test_the_term_is_the_distance_from_what_was_before():
    """Against the formula in NumPy, and its gradient c (x - w), per 512 x 512 pixels."""
    generator = torch.Generator().manual_seed(0)
    x, w = (torch.rand(1, 3, 10, 14, generator=generator, dtype=torch.float64) for _ in range(2))
    c = torch.rand(1, 1, 10, 14, generator=generator, dtype=torch.float64)
    term = Temporal(w, c, 7.0)
    x.requires_grad_(True)
    loss = term.loss("pixels", term.statistic("pixels", Features(x, None, Place.whole(10, 14))))
    per = 7.0 * 512**2 / (10 * 14)
    difference = x.detach().numpy() - w.numpy()
    assert float(loss.detach()) == pytest.approx(per * (c.numpy() * difference**2).sum() / 2, rel=1e-12)
    (gradient,) = torch.autograd.grad(loss, x)
    np.testing.assert_allclose(gradient.numpy(), per * c.numpy() * difference, rtol=1e-12)


def test_consistency_is_no_weight_at_all_to_a_great_one():
    assert [weight_of(of) for of in (0.0, 0.5, 1.0)] == pytest.approx([0, shots.WEIGHT, 11 * shots.WEIGHT])


def test_frames_held_to_each_other_flicker_less(lite):
    frames = pan(2)
    alone, held = (flicker(pictures) for pictures in (map(lite.paint, frames), painted(Shots(lite), frames)))
    assert held < alone / 3


def test_a_shot_begins_as_a_picture_of_its_own(painter):
    frames = [*pan(2), *pan(2, seed=1)]
    pictures = painted(Shots(painter), frames)
    assert [picture.recipe["film"]["shot"] for picture in pictures] == [0, 0, 2, 2]
    for number in (0, 2):
        assert np.array_equal(pictures[number].numpy(), painter.paint(frames[number]).numpy())
    multiples = [picture.recipe["film"]["multiple"] for picture in pictures]
    assert multiples[0] == multiples[1] != multiples[2] == multiples[3]  # the strength is found anew


def test_a_frame_that_is_shown_again_is_not_painted_again(painter, monkeypatch):
    first, second = pan(2)
    of = Shots(painter)
    pictures = painted(of, [first, second])
    monkeypatch.setattr(shots, "best_step", None)
    again = of.paint(second.copy())
    assert np.array_equal(again.numpy(), pictures[1].numpy())
    assert again.recipe["inputs"] == pictures[1].recipe["inputs"]
    assert again.recipe["film"]["frame"] == 2


def test_what_comes_back_into_sight_is_as_it_was(lite, monkeypatch):
    monkeypatch.setattr(shots, "STEPS", 6)
    monkeypatch.setattr(shots, "mirrored_on", lambda strokes, *_: torch.zeros_like(strokes))  # which help, too
    there = pan(10)[::3]
    frames = [*there, *there[-2::-1]]

    def seen_again():
        first, *_, last = painted(Shots(lite), frames)
        return np.square(first.numpy()[:, :32] / 255.0 - last.numpy()[:, :32] / 255.0).mean()

    with_anchors = seen_again()
    monkeypatch.setattr(shots, "ANCHORS", 0)
    assert with_anchors < seen_again() / 2


def test_what_comes_into_sight_has_strokes_too(monkeypatch):
    lite = Painter("sample:swirl", size=WIDTH, steps=40, device="cpu")
    frames, new = pan(7, blur=8), slice(-6 * STEP, None)

    def sharpness(picture):
        return np.square(np.diff(picture.numpy()[:, new].mean(axis=2) / 255, axis=1)).mean()

    alone = sharpness(lite.paint(frames[-1]))
    with_strokes = sharpness(painted(Shots(lite), frames)[-1])
    monkeypatch.setattr(shots, "mirrored_on", lambda strokes, *_: torch.zeros_like(strokes))
    without = sharpness(painted(Shots(lite), frames)[-1])
    assert with_strokes > 0.4 * alone
    assert with_strokes > 2 * without


@pytest.mark.parametrize(("right", "down"), [(0.0, 0.0), (2.4, 0.0), (-3.0, 1.0), (9.0, -8.0), (-31.0, 40.6)])
def test_what_is_beyond_the_edges_is_the_mirror_image(right, down):
    image = np.random.default_rng(0).random((3, 5, 7))
    wide = np.pad(image, ((0, 0), (50, 50), (50, 50)), mode="symmetric")
    top, left = 50 + round(down), 50 + round(right)
    found = mirrored_on(torch.tensor(image)[None], right, down)
    np.testing.assert_array_equal(found[0].numpy(), wide[:, top : top + 5, left : left + 7])


def test_a_film_knows_how_far_it_has_gone(painter):
    frames = [*pan(3), *pan(2, seed=1)]
    gone = [picture.recipe["film"]["gone"] for picture in painted(Shots(painter), frames)]
    np.testing.assert_allclose(gone, [[0, 0], [STEP, 0], [2 * STEP, 0], [0, 0], [STEP, 0]], atol=0.3)


def test_a_film_goes_on_as_if_it_had_not_stopped(painter):
    frames, stopped = [*pan(2), *pan(3, seed=1)], 3
    whole = painted(Shots(painter), frames)
    again = Shots(painter)
    for frame, picture in zip(frames[:stopped], whole, strict=False):
        again.go_on_after(frame, picture)
    for picture, other in zip(whole[stopped:], painted(again, frames[stopped:]), strict=True):
        assert np.array_equal(picture.numpy(), other.numpy())
        assert picture.recipe == other.recipe


def test_what_is_new_has_the_colours_of_the_rest():
    """A linear map of the colours is found where there is a picture, and goes on where there is none."""
    frame = torch.rand(1, 3, 20, 30, dtype=torch.float64)
    A = torch.tensor([[0.5, 0.2, 0.0], [0.1, 0.3, 0.3], [-0.2, 0.1, 0.6]], dtype=torch.float64)
    picture = torch.einsum("ij,bjhw->bihw", A, frame) + 0.1
    known = torch.ones(1, 1, 20, 30)
    known[..., 18:] = 0
    spoiled = torch.where(known > 0, picture, 0.0)
    found = recoloured(frame.float(), spoiled.float(), known)
    assert torch.allclose(found.double(), picture.clamp(0, 1), atol=1e-5)


def test_films_of_tests_move():
    first, second = films.moving(2)
    assert np.array_equal(first[:, 2:], second[:, :-2])


def test_a_frame_takes_all_its_steps_at_any_size():
    before = shots.Before(torch.zeros(1, 3, 8, 8), torch.ones(1, 1, 8, 8), 1.0, shots.STEPS)
    of_frames = before.settings_of(Settings(size=3840))
    assert [of_frames.steps_at(factor) for factor in of_frames.factors] == [shots.STEPS]
