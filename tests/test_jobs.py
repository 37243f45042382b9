"""Jobs as files: what is read is what was written, what is wrong is told by file and key, and the same is painted."""

import json
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from nets import Own
from PIL import Image

import impasto as library
from impasto.cli import code_of
from impasto.errors import ImpastoError, InputError, UsageError
from impasto.images.decoding import read_recipe
from impasto.jobs import Job, job_of, read_job, toml_of
from impasto.network.vgg import LAYERS
from impasto.settings import HEAVIEST, Settings, validated
from impasto.solver import Adam

SIZE = 32


@pytest.fixture
def here(tmp_path, monkeypatch):
    folder = tmp_path / "folder"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def pictures(impasto, photograph, painting, tiny):
    """The files of a run, in the current folder."""
    for path in (photograph, painting, tiny):
        Path(path.name).write_bytes(path.read_bytes())
    turned = Image.open(photograph).rotate(180)
    turned.save("other.png")
    turned.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save("third.png")
    mask = np.zeros((40, 48), np.uint8)
    mask[:, :24] = 255
    Image.fromarray(mask).save("mask.png")
    return ["--weights", tiny.name, "--size", SIZE, "--steps", 3, "--device", "cpu", "-q"]


def pixels(path):
    with Image.open(path) as picture:
        return np.asarray(picture)


def read_back(job):
    return job_of(tomllib.loads(toml_of(job)), "job.toml", lambda _, file: file)


def refusal(call):
    """What is said against it, None where nothing is."""
    try:
        call()
    except ImpastoError as error:
        return str(error)


WEIGHTS = st.floats(0, HEAVIEST)
NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


@given(
    st.builds(
        Settings,
        size=st.integers(16, 10_000),
        steps=st.integers(0, 1000) | st.just("auto"),
        style_weight=WEIGHTS | st.just("auto"),
        strength=st.floats(0, 1),
        content_layers=st.dictionaries(st.sampled_from(LAYERS), WEIGHTS, min_size=1),
        style_layers=st.dictionaries(NAMES, WEIGHTS, min_size=1),
        style_loss=st.dictionaries(st.sampled_from(["gram", "moments", "gaussian"]), WEIGHTS, min_size=1),
        blend=st.none() | st.lists(WEIGHTS | st.sampled_from(["fine", "coarse"]), min_size=1),
        smooth_chroma=st.booleans(),
        init=NAMES,
        seed=st.integers(0, 2**63 - 1),
        weights=st.none() | st.just("some/file.pth"),
        solver=st.sampled_from(["lbfgs", "adam"]),
        precision=st.sampled_from(["auto", "float32", "bfloat16"]),
    ),
    st.none() | NAMES,
    st.lists(NAMES, max_size=3),
    st.lists(st.fixed_dictionaries({"mask": NAMES}, optional={"style": NAMES, "style_mask": NAMES}), max_size=2),
)
def test_jobs_survive_toml(settings, content, styles, regions):
    job = Job(content, tuple(styles), settings, tuple(regions))
    assert read_back(job) == job


def test_a_quality_survives_toml():
    for settings in (Settings(quality="fine"), validated(preset="paper"), validated(preset="paper", quality="draft")):
        assert read_back(Job(None, (), settings)).settings == settings


ONES = st.none() | st.booleans() | st.integers() | st.floats() | st.text()


def nested(ones):
    return st.recursive(
        ones,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=5,
    )


VALUES = nested(ONES | st.dates())
SOME = st.sampled_from(["content", "style", "regions", "settings", *Settings.model_fields, "preset", "self"])


@given(st.dictionaries(SOME, VALUES), st.dictionaries(SOME, VALUES))
@example({}, {"preset": ["paper"]})
@example({}, {"style_loss": ["gram"]})
@example({}, {"self": 1})
@example({}, {"solver": {}})
@example({"regions": [1]}, {})
def test_whatever_a_file_says_is_taken_or_refused_by_its_name(table, settings):
    settings.pop("network", None)
    told = refusal(lambda: job_of({**table, "settings": settings}, "job.toml", lambda _, file: file))
    assert told is None or told.startswith("'job.toml': ")


WHOLE = """
content = "photo.jpg"
style = ["a.jpg", "sample:wave"]
[settings]
preset = "paper"
size = 64
blend = [2, "fine"]
init = "first.png"
weights = "w.pth"
[settings.style_layers]
conv1_1 = 0.5
[[regions]]
mask = "mask.png"
style = "/c.jpg"
colour = "#ff8000"
style_mask = "m.png"
[[regions]]
mask = "../n.png"
"""


def test_a_file_says_a_whole_job(here):
    Path("sub").mkdir()
    Path("sub/job.toml").write_text(WHOLE)
    job = read_job("sub/job.toml")
    assert (job.content, job.styles) == ("sub/photo.jpg", ("sub/a.jpg", "sample:wave"))
    assert job.settings == validated(
        preset="paper",
        size=64,
        blend=(2, "fine"),
        init="sub/first.png",
        weights="sub/w.pth",
        style_layers={"conv1_1": 0.5},
    )
    assert job.regions == (
        {"mask": "sub/mask.png", "style": "/c.jpg", "colour": "#ff8000", "style_mask": "sub/m.png"},
        {"mask": "sub/../n.png"},
    )


def test_the_file_that_the_docs_show_is_one(here):
    docs = Path(__file__).parents[1] / "docs" / "controls.md"
    (text,) = re.findall(r"```toml\n(.*?)```", docs.read_text(encoding="utf-8"), re.DOTALL)
    Path("job.toml").write_text(text)
    job = read_job("job.toml")
    assert (job.settings.edges, job.settings.size, len(job.styles), len(job.regions)) == ("black", 1024, 2, 2)


def test_a_file_need_not_say_anything(here):
    Path("job.toml").write_text("\ufeffstyle = 'a.jpg'\n", encoding="utf-8")
    assert read_job("job.toml") == Job(None, ("a.jpg",), Settings())
    Path("job.toml").write_text("content = '-'\n[settings]\ninit = 'noise'")
    assert read_job("job.toml") == Job("-", (), Settings(init="noise"))


MISTAKES = {
    "style = ": (InputError, "is not TOML: Invalid value (at line 2"),
    "style = '''a": (InputError, "is not TOML"),
    "a = " + "[" * 20_000: (InputError, "'job.toml' is"),
    "sytle = 'a.jpg'": (UsageError, "sytle: no such key; style is one"),
    "size = 5": (UsageError, "size: no such key; it belongs to [settings]"),
    "zzz = 5": (UsageError, "zzz: no such key; there are content, style, settings, regions"),
    "content = 3": (UsageError, "content: a file's name is expected, not 3"),
    "content = ['a.jpg']": (UsageError, "content: a file's name is expected"),
    'content = "a\\u0000"': (UsageError, "content: a file's name is expected"),
    "style = []": (UsageError, "style: a painting's file is expected, or a list of them, not []"),
    "style = ['a.jpg', 3]": (UsageError, "style: a file's name is expected, not 3"),
    "settings = 3": (UsageError, "settings: a table, [settings], is expected, not 3"),
    "[settings]\nsise = 64": (UsageError, "settings: sise: there is no such setting; size is one"),
    "[settings]\nsize = 5": (UsageError, "settings: size: Input should be greater than or equal to 16, not 5"),
    "[settings]\nsize = 'big'": (UsageError, "settings: size: "),
    "[settings]\npreset = 'peper'": (UsageError, "settings: preset: one of paper"),
    "[settings]\nsolver = 'sgd'": (UsageError, "settings: solver: there is no 'sgd', but adam, lbfgs"),
    "[settings]\nnetwork = 'vgg20'": (UsageError, "settings: network: there is no 'vgg20', but lite, vgg19"),
    "[settings]\nstyle_loss = {own = 1}": (UsageError, "settings: style_loss: there is no 'own', but gram"),
    "[settings.style_layers]\nconv1_1 = -1": (UsageError, "settings: style_layers: conv1_1: "),
    "regions = 'mask.png'": (UsageError, "regions: [[regions]] are expected"),
    "regions = ['mask.png']": (UsageError, "region 1: a table, [[regions]], is expected"),
    "[[regions]]\nmask = 'm.png'\n[[regions]]\nstyle = 'a.jpg'": (UsageError, "region 2: mask: "),
    "[[regions]]\nmask = 'm.png'\ncolor = '#ff8000'": (UsageError, "region 1: color: no such key; colour is one"),
    "[[regions]]\nmask = 'm.png'\ncolour = 'orange'": (UsageError, "region 1: colour: '#ff8000' and the like"),
    "[[regions]]\nmask = 'm.png'\nstyle = true": (UsageError, "region 1: style: a file's name is expected"),
}


@pytest.mark.parametrize("text", MISTAKES, ids=range(len(MISTAKES)))
def test_a_mistake_is_told_by_file_and_key(here, text):
    kind, words = MISTAKES[text]
    Path("job.toml").write_text(f"# a job\n{text}\n")
    with pytest.raises(kind) as told:
        read_job("job.toml")
    assert str(told.value).startswith("'job.toml'")
    assert words in str(told.value)


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("none.toml", None, "'none.toml' does not exist"),
        ("latin.toml", "content = 'café'".encode("latin-1"), "'latin.toml' is not UTF-8 (byte 15)"),
        ("folder.toml", ..., "'folder.toml' is a folder"),
        ("none.png", None, "'none.png' does not exist"),
        ("text.png", b"dear diary\n" * 9, "not a picture"),
        ("sample:wave", None, "'sample:wave' carries no recipe"),
    ],
)
def test_what_cannot_be_read_is_told_by_its_name(impasto, name, data, words):
    if data is ...:
        Path(name).mkdir()
    elif data is not None:
        Path(name).write_bytes(data)
    with pytest.raises(InputError) as told:
        library.read_settings(name)
    assert words in str(told.value)
    refused = impasto("sample:chelsea", "sample:wave", "--like", name)
    assert (refused.code, refused.out) == (3, "")
    assert words in refused.err


def test_the_same_is_painted_again(impasto, pictures):
    arguments = ["--strength", 0.8, "--seed", 3, "--init", "third.png", "--stroke-size", 0.8, "--colour", "matched"]
    assert impasto("photograph.png", "painting.png", *pictures, *arguments, "-o", "out.png").code == 0
    for like in (["stylize", "--like", "out.png"], ["--like=out.png"], ["photograph.png", "--like", "out.png"]):
        told = impasto(*like, "-q", "-o", "again.png")
        assert (told.code, told.err) == (0, "")
        np.testing.assert_array_equal(pixels("again.png"), pixels("out.png"))
        assert read_recipe("again.png") == read_recipe("out.png")
        Path("again.png").unlink()


def test_of_a_file_the_same_is_painted_as_of_what_it_says(impasto, pictures):
    Path("sub").mkdir()
    Path("sub/job.toml").write_text(
        f"content = '../photograph.png'\nstyle = ['../painting.png', '../other.png']\n"
        f"[settings]\nsize = {SIZE}\nsteps = 3\nblend = [2, 1]\nweights = '../tiny.safetensors'\ndevice = 'cpu'\n"
        "[[regions]]\nmask = '../mask.png'\nstyle = '../third.png'\n"
    )
    assert impasto("--like", "sub/job.toml", "-q", "-o", "a.png").code == 0
    styles, region = ["painting.png", "other.png", "--blend", "2,1"], ["--region", "mask.png=third.png"]
    assert impasto("photograph.png", *styles, *region, *pictures, "-o", "b.png").code == 0
    np.testing.assert_array_equal(pixels("a.png"), pixels("b.png"))
    assert impasto("photograph.png", *styles, *pictures, "-o", "c.png").code == 0
    assert (pixels("a.png") != pixels("c.png")).any()


@pytest.mark.parametrize(
    "options",
    [
        ["--strength", 0.9],
        ["--steps", 1],
        ["--preset", "paper", "--steps", 4],
        ["--init", "noise"],
        ["--style-loss", "moments"],
        ["--region", "mask.png=keep"],
    ],
)
def test_what_is_said_on_the_command_line_wins(impasto, pictures, options):
    first = ["--strength", 0.2, "--seed", 3]
    assert impasto("photograph.png", "painting.png", *pictures, *first, "-o", "out.png").code == 0
    assert impasto("--like", "out.png", *options, "-q", "-o", "a.png").code == 0
    assert impasto("photograph.png", "painting.png", *pictures, *first, *options, "-o", "b.png").code == 0
    assert read_recipe("a.png") == read_recipe("b.png") != read_recipe("out.png")
    np.testing.assert_array_equal(pixels("a.png"), pixels("b.png"))
    assert (pixels("a.png") != pixels("out.png")).any()


def test_a_preset_that_is_said_wins_over_a_recipe(impasto, pictures):
    assert impasto("photograph.png", "painting.png", *pictures, "-o", "out.png").code == 0
    assert impasto("--like", "out.png", "--preset", "paper", "--steps", 1, "-q", "-o", "a.png").code == 0
    settings = read_recipe("a.png")["settings"]
    assert (settings["style_loss"], settings["edges"], settings["steps"]) == ({"gram": 1.0}, "black", 1)
    assert settings["size"] == SIZE
    assert validated(Settings(quality="fine"), preset="paper") == validated(preset="paper")


def test_on_another_photograph_and_with_other_paintings(impasto, pictures):
    two = ["painting.png", "third.png", "--blend", "2,1"]
    assert impasto("photograph.png", *two, *pictures, "-o", "out.png").code == 0
    Path("photograph.png").unlink()  # it is not asked for
    assert impasto("--like", "out.png", "other.png", "-q", "-o", "a.png").code == 0
    assert impasto("other.png", *two, *pictures, "-o", "b.png").code == 0
    np.testing.assert_array_equal(pixels("a.png"), pixels("b.png"))
    Path("painting.png").unlink()
    assert impasto("--like", "out.png", "other.png", "third.png", "-q", "-o", "c.png").code == 0
    assert impasto("other.png", "third.png", *pictures, "-o", "d.png").code == 0
    np.testing.assert_array_equal(pixels("c.png"), pixels("d.png"))
    assert read_recipe("c.png")["settings"]["blend"] is None


def test_regions_are_painted_again(impasto, pictures):
    label = Image.new("RGB", (48, 40), "#ff8000")
    label.paste("#0000ff", (0, 0, 24, 40))
    label.save("label.png")
    regions = ["--region", "label.png#0000ff=third.png@mask.png", "--region", "label.png#ff8000=keep"]
    assert impasto("photograph.png", "painting.png", *pictures, *regions, "-o", "out.png").code == 0
    assert impasto("--like", "out.png", "-q", "-o", "again.png").code == 0
    np.testing.assert_array_equal(pixels("again.png"), pixels("out.png"))
    Path("job.toml").write_text(impasto("recipe", "out.png", "--toml").out)
    assert impasto("--like", "job.toml", "-q", "-o", "of-toml.png").code == 0
    np.testing.assert_array_equal(pixels("of-toml.png"), pixels("out.png"))
    Path("third.png").write_bytes(Path("other.png").read_bytes())
    refused = impasto("--like", "out.png", "-q", "-o", "no.png")
    assert (refused.code, "'third.png' is not the file that was the painting of region 1" in refused.err) == (3, True)
    assert "say each --region anew" in refused.err


def test_a_recipe_is_printed_as_toml(impasto, pictures):
    assert impasto("photograph.png", "painting.png", *pictures, "--tv-weight", 2, "-o", "out.png").code == 0
    text = impasto("recipe", "out.png", "--toml").out
    table = tomllib.loads(text)
    assert (table["content"], table["style"], table["settings"]["tv_weight"]) == ("photograph.png", "painting.png", 2)
    Path("job.toml").write_text(text)
    assert (
        library.read_settings("job.toml")
        == library.read_settings("out.png")
        == validated(**{**json.loads(impasto("recipe", "out.png").out)["settings"], "weights": "tiny.safetensors"})
    )
    picture = library.paint("photograph.png", "painting.png", library.read_settings("job.toml"))
    np.testing.assert_array_equal(picture.numpy(), pixels("out.png"))


def test_what_a_recipe_names_is_looked_for_beside_it_and_here(impasto, pictures):
    assert impasto("photograph.png", "sample:wave", *pictures, "-o", "out.png").code == 0
    Path("sub").mkdir()
    Path("out.png").rename("sub/out.png")
    Path("tiny.safetensors").rename("sub/tiny.safetensors")
    Path("sub/photograph.png").write_bytes(Path("other.png").read_bytes())  # of that name, and another
    assert impasto("--like", "sub/out.png", "-q", "-o", "again.png").code == 0
    np.testing.assert_array_equal(pixels("again.png"), pixels("sub/out.png"))


@pytest.mark.parametrize(
    ("name", "words", "remedy"),
    [
        ("photograph.png", "the photograph of 'out.png'", ["other.png"]),
        ("painting.png", "painting 1 of 'out.png'", ["photograph.png", "third.png"]),
        ("third.png", "the --init of 'out.png'", ["--init", "noise"]),
        ("tiny.safetensors", "the --weights of 'out.png'", ["--network", "lite"]),
    ],
)
def test_what_is_missing_is_told_and_can_be_named(impasto, pictures, name, words, remedy):
    arguments = ["photograph.png", "painting.png", *pictures, "--init", "third.png"]
    assert impasto(*arguments, "-o", "out.png").code == 0
    Path(name).rename("elsewhere")
    refused = impasto("--like", "out.png", "-o", "no.png")
    assert (refused.code, f"'{name}', {words}, is neither beside it nor" in refused.err) == (3, True)
    Path(name).write_bytes(b"another")
    refused = impasto("--like", "out.png", "-o", "no.png")
    assert (refused.code, f"'{name}' is not the file that was {words}" in refused.err) == (3, True)
    assert impasto("--like", "out.png", *remedy, "-q", "-o", "yes.png").code == 0
    assert not Path("no.png").exists()


@pytest.mark.parametrize(
    ("setting", "thing", "words", "remedy"),
    [
        ("style_loss", Own(), "style_loss: there is no 'own'", ["--style-loss", "gram"]),
        ("solver", Adam(rate=0.5), "solver: there is no 'impasto.solver.Adam'", ["--solver", "adam"]),
        ("network", "own", "network: there is no 'tests.Net'", ["--network", "lite"]),
    ],
)
def test_what_is_ones_own_is_not_repeated(impasto, pictures, tiny, setting, thing, words, remedy):
    options = {"size": SIZE, "steps": 1, "weights": tiny.name, "device": "cpu"}
    if setting == "network":
        picture = library.paint("photograph.png", "painting.png", **options)
        library.write(
            picture,
            "out.png",
            recipe={**picture.recipe, "settings": {**picture.recipe["settings"], "network": "tests.Net"}},
        )
    else:
        library.paint("photograph.png", "painting.png", **options, **{setting: thing}).save("out.png")
    for arguments in (["--like", "out.png"], ["recipe", "out.png", "--toml"]):
        refused = impasto(*arguments)
        assert (refused.code, f"'out.png': settings: {words}, but " in refused.err) == (2, True)
        assert "one of your own is given in Python" in refused.err
    assert impasto("--like", "out.png", *remedy, "-q", "-o", "yes.png").code == 0


def test_what_came_without_a_file_has_to_be_named(impasto, pictures):
    mask = Image.open("mask.png")
    options = {"size": SIZE, "steps": 1, "weights": "tiny.safetensors", "device": "cpu"}
    photograph, painting = library.read("photograph.png"), library.read("painting.png")
    library.paint(photograph, painting, **options).save("out.png")
    assert "names a photograph: " in impasto("--like", "out.png").err
    refused = impasto("--like", "out.png", "photograph.png")
    assert (refused.code, "neither the command line nor 'out.png' names a painting" in refused.err) == (2, True)
    assert impasto("--like", "out.png", "photograph.png", "painting.png", "-q", "-o", "a.png").code == 0
    np.testing.assert_array_equal(pixels("a.png"), pixels("out.png"))
    region = library.Region(mask, "third.png")
    library.paint("photograph.png", "painting.png", regions=[region], **options).save("out.png")
    refused = impasto("--like", "out.png")
    assert (refused.code, "region 1: mask: it came without a file" in refused.err) == (2, True)
    assert impasto("--like", "out.png", "--region", "mask.png=third.png", "-q", "-o", "a.png").code == 0
    np.testing.assert_array_equal(pixels("a.png"), pixels("out.png"))


def test_stdin_goes_with_it(impasto, pictures, monkeypatch):
    assert impasto("photograph.png", "painting.png", *pictures, "-o", "out.png").code == 0
    with Path("photograph.png").open("rb") as file:
        monkeypatch.setattr("sys.stdin", type("Stdin", (), {"buffer": file}))
        assert impasto("-", "--like", "out.png", "-q", "-o", "again.png").code == 0
    np.testing.assert_array_equal(pixels("again.png"), pixels("out.png"))


def test_what_it_is_like_is_not_replaced(impasto, pictures):
    assert impasto("photograph.png", "painting.png", *pictures, "-o", "out.png").code == 0
    before = Path("out.png").read_bytes()
    refused = impasto("--like", "out.png", "-o", "out.png")
    assert (refused.code, "the same file as the input" in refused.err) == (2, True)
    assert Path("out.png").read_bytes() == before


@given(st.dictionaries(st.sampled_from(["settings", "inputs", "regions", "command"]), nested(ONES)))
@example({"settings": {}, "inputs": {"content": {"file": 3}, "style": 5}})
@example({"settings": {"init": "x"}, "inputs": {"style": {"file": ".."}, "content": {"file": "sample:no"}}})
@example({"settings": {}, "inputs": {"region_1_mask": {"file": "m"}}, "regions": [3]})
def test_whatever_a_recipe_says_is_taken_or_refused(tmp_path_factory, recipe):
    path = tmp_path_factory.getbasetemp() / "odd.png"
    library.write(library.read("sample:wave", size=32), path, recipe=recipe)
    told = refusal(lambda: read_job(path))
    assert told is None or str(path) in told or "no sample" in told


@pytest.mark.parametrize("arguments", [["stylize", "a.png"], ["stylize"], ["stylize", "--like", "empty.toml"]])
def test_what_is_not_named_is_asked_for(here, capsys, arguments):
    Path("empty.toml").write_text("")
    assert code_of(arguments) == 2
    told = capsys.readouterr().err
    assert ("a painting is wanted" if "a.png" in arguments else "a photograph") in told
