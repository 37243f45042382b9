"""What may be named is what the registries have: an entry is all that it takes, in Python and on the command line."""

import json

import pytest
import torch
from nets import Own
from PIL import Image

import impasto as library
from impasto.content import CONTENT_LOSSES, Compared
from impasto.errors import UsageError
from impasto.figures.paper import FIGURES, Figure
from impasto.images.resizing import resized
from impasto.network.pooling import POOLINGS
from impasto.settings import Settings, validated
from impasto.solver import SOLVERS, Adam, minimise
from impasto.starts import STARTS, Start
from impasto.style import STYLE_LOSSES, Distance, both_moments

SMALL = ("--size", 32, "--steps", 2, "-q", "-o", "out.png")


def means(x, a):
    """Filter by filter."""
    return (x.mean - a.mean).square().mean()


def grey(pictures, canvas, seed):
    return torch.full((1, 3, *canvas), seed / 10)


def mixed(pictures, canvas, seed):
    return resized(pictures["content"] * pictures["style"].mean(), *canvas)


def own_figure(subject):
    return Figure("own", "Own", [""], [""], [[subject.content("own", "conv1_1", steps=1)]])


def strength(sums, target):
    """Of a content loss: how strong each filter is."""
    return (sums[0] - target).square().sum()


def only(sums):
    return sums[0]


@pytest.fixture(autouse=True)
def entries(monkeypatch):
    """One more of everything, by the name ``mine``."""
    monkeypatch.setitem(SOLVERS, "mine", Adam(rate=0.1))
    monkeypatch.setitem(STYLE_LOSSES, "mine", Distance(means, both_moments))
    monkeypatch.setitem(CONTENT_LOSSES, "mine", Compared(strength, lambda F, _: (F.sum,), lambda P: (P.sum,), only))
    monkeypatch.setitem(POOLINGS, "mine", lambda x: x[..., ::2, ::2])
    monkeypatch.setitem(STARTS, "mine", Start(grey))
    monkeypatch.setitem(STARTS, "both", Start(mixed, needs=("content", "style")))
    monkeypatch.setitem(FIGURES, "mine", (own_figure,))


ONE_MORE = {
    **{"solver": "--solver", "style_loss": "--style-loss", "content_loss": "--content-loss"},
    **{"pooling": "--pooling", "init": "--init"},
}


@pytest.mark.parametrize("option", ONE_MORE)
def test_an_entry_is_there_in_python_on_the_command_line_in_the_help_and_in_the_recipe(
    option, impasto, photograph, painting, tiny
):
    assert validated(**{option: "mine"}) != Settings()
    told = impasto("stylize", photograph, painting, "--weights", tiny, *SMALL, ONE_MORE[option], "mine", "--seed", 5)
    assert told.code == 0, told.err
    recipe = json.loads(impasto("recipe", "out.png").out)
    assert recipe["settings"][option] == ({"mine": 1.0} if option == "style_loss" else "mine")
    expected = validated(weights=tiny.name, size=32, steps=2, seed=5, **{option: "mine"})
    assert validated(**recipe["settings"]) == expected
    assert "mine" in impasto("stylize", "--help-all").out


@pytest.mark.parametrize("option", ["solver", "style_loss", "content_loss", "pooling"])
def test_a_name_that_is_not_there_gets_a_sentence_that_lists_what_is(option, impasto, photograph, painting):
    names = {
        "solver": "adam, lbfgs, mine",
        "style_loss": "gram, moments, gaussian, sliced, mine",
        "content_loss": "features, self-similarity, mine",
        "pooling": "average, max, mine",
    }
    with pytest.raises(UsageError, match=rf"^`{option}`: one of {names[option]}.* is expected, not 'none'"):
        validated(**{option: "none"})
    told = impasto("stylize", photograph, painting, ONE_MORE[option], "none")
    assert (told.code, names[option] in told.err) == (2, True)


def test_a_start_is_offered_where_its_pictures_are(impasto, photograph, painting, tiny):
    told = impasto("reconstruct", "content", photograph, "--init", "both")
    assert (told.code, "choose content, noise, faint, mine, or a file" in told.err) == (2, True)
    assert "content, style, noise, faint, mine, both" in impasto("stylize", "--help-all").out
    assert " style, noise, faint, mine, or a file" in impasto("texture", "--help-all").out
    assert impasto("stylize", photograph, painting, "--weights", tiny, *SMALL, "--init", "both").code == 0
    step = next(library.reconstruct_content(photograph, init="mine", seed=3, size=32, weights=tiny))
    assert step.image.unique().tolist() == pytest.approx([0.3])


def test_a_figure_is_an_entry(impasto, tiny):
    assert "mine" in impasto("figures", "--help").out
    assert impasto("figures", "mine", "--out", "f", "--size", 32, "--weights", tiny, "-q").code == 0
    with Image.open("f/own.png") as sheet:
        assert sheet.width > 100
    told = impasto("figures", "7", "--out", "f")
    assert (told.code, "choose one of: 1, 2, 3, cvpr, mine, all" in told.err) == (2, True)


def test_style_losses_are_given_in_many_ways(photograph):
    assert Settings(style_loss="moments").style_loss == {"moments": 1.0}
    assert Settings(style_loss={"gram": 1, "gaussian": 0.5}).style_loss == {"gram": 1.0, "gaussian": 0.5}
    settings = Settings(style_loss={Own(): 2, "gram": 0})
    assert settings.style_loss == {Own(): 2.0, "gram": 0.0}
    assert settings.model_dump(mode="json")["style_loss"] == {"own": 2.0, "gram": 0.0}
    assert validated(settings, steps=3).style_loss == settings.style_loss
    for wrong in ({}, {"gram": -1}, {"gram": "much"}, {"gram": float("nan")}, 5, None, object()):
        with pytest.raises(UsageError, match=r"^`style_loss`: "):
            validated(style_loss=wrong)


def test_a_solver_of_ones_own_is_told_by_its_class():
    settings = Settings(solver=Adam(rate=0.5))
    assert settings.model_dump(mode="json")["solver"] == "impasto.solver.Adam"


class Nothing:
    def value_and_gradient(self, image):
        return {}, 0 * image


def test_an_unknown_solver_is_refused_by_minimise_too():
    with pytest.raises(UsageError, match=r"`solver`: there is no 'sgd'; choose one of: adam, lbfgs, mine"):
        next(minimise(Nothing(), torch.zeros(1, 3, 2, 2), 1, "sgd"))
