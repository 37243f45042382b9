"""``impasto stylize``: what it makes, what it says, what it refuses, and that a kill keeps the picture."""

import hashlib
import io
import json
import math
import shlex
import signal
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
import typer
from nets import tiny_weights
from PIL import Image

import impasto as library
from impasto import assembly, facade, kept
from impasto.cli import app
from impasto.cli.options import layers, style_losses
from impasto.errors import DivergedError, LimitError, UsageError
from impasto.network.protocol import CAFFE
from impasto.network.registry import load_network
from impasto.network.weights import Weights, save_weights
from impasto.regions import Region
from impasto.settings import Settings, validated
from impasto.solver import Step

SIZE = 32


@pytest.fixture
def small(photograph, painting, tiny):
    """The arguments of a run that takes no time."""
    return ["stylize", photograph, painting, "--weights", tiny, "--size", SIZE, "--steps", 3, "--device", "cpu"]


def events(text):
    return [json.loads(line) for line in text.splitlines()]


def pixels(path):
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


def here():
    return sorted(path.name for path in Path.cwd().iterdir())


@pytest.mark.parametrize("solver", ["lbfgs", "adam"])
@pytest.mark.parametrize("pooling", ["average", "max"])
def test_the_picture_that_is_saved_has_the_loss_that_is_told(
    impasto, small, photograph, painting, tiny, solver, pooling
):
    told = impasto(*small, "--solver", solver, "--pooling", pooling, "--json", "-o", "out.png")
    assert told.code == 0
    start, *steps, saved, done = events(told.out)
    assert (start["event"], start["total"], start["size"]) == ("start", 3, [SIZE, 27])
    assert (start["machine"]["device"], done) == ("cpu", {"event": "done"})
    assert [step["event"] for step in steps] == ["step"] * 4
    assert (saved["event"], saved["path"]) == ("saved", "out.png")
    assert saved["loss"] == min(step["loss"] for step in steps) < steps[0]["loss"]
    settings = Settings(size=SIZE, weights=tiny, pooling=pooling)
    pictures = [kept.picture(path, settings) for path in (photograph, painting)]
    objective = assembly.objective_of(
        settings, load_network(weights=tiny, pooling=pooling, edges="mirrored"), *pictures
    )
    terms, _ = objective.value_and_gradient(library.read("out.png"))
    assert sum(terms.values()) == pytest.approx(saved["loss"], rel=0.05)  # 8 bits are all that is saved
    assert here() == ["out.png"]


def test_json_lines_tell_every_step_and_the_terms_sum_to_the_loss(impasto, small):
    told = impasto(*small, "--json", "--tv-weight", 3)
    assert told.err == ""
    _, *lines, _ = events(told.out)
    assert [line["step"] for line in lines[:-1]] == [0, 1, 2, 3]
    for line in lines:
        assert set(line["terms"]) == {"content", "style", "excess", "tv"}
        assert math.fsum(line["terms"].values()) == pytest.approx(line["loss"], rel=1e-12)
        assert line["loss"] > 0
    evaluations = [line["evaluations"] for line in lines[:-1]]
    assert evaluations == sorted(set(evaluations))
    assert [line["seconds"] for line in lines[:-1]] == sorted(line["seconds"] for line in lines[:-1])


def test_on_a_terminal_it_says_what_was_saved(impasto, small):
    told = impasto(*small, "-o", "out.png")
    assert (told.code, told.out) == (0, "")
    assert "out.png  (32 x 27 px, step 3, loss " in told.err
    assert here() == ["out.png"]


def test_markup_in_a_name_is_a_name(impasto, small):
    told = impasto(*small, "-o", "[bold] :smile: [x].png")
    assert told.code == 0
    assert "[bold] :smile: [x].png" in told.err
    assert here() == ["[bold] :smile: [x].png"]


def test_quiet_says_nothing(impasto, small):
    told = impasto(*small, "--quiet")
    assert (told.code, told.out, told.err) == (0, "", "")
    assert here() == ["photograph-painting.png"]


def test_the_default_name_never_replaces_a_file(impasto, small):
    Path("photograph-painting.png").write_bytes(b"mine")
    for _ in range(2):
        assert impasto(*small).code == 0
    assert here() == ["photograph-painting-2.png", "photograph-painting-3.png", "photograph-painting.png"]
    assert Path("photograph-painting.png").read_bytes() == b"mine"


def test_a_named_output_is_replaced(impasto, small):
    Path("out.png").write_bytes(b"old")
    assert impasto(*small, "--out", "out.png").code == 0
    assert pixels("out.png").shape == (27, SIZE, 3)


def test_pictures_on_the_way_are_numbered(impasto, small, photograph):
    told = impasto(*small, "--steps", 5, "--solver", "adam", "--save-every", 2, "--json", "-o", "out.webp")
    assert told.code == 0
    assert here() == ["out-0002.webp", "out-0004.webp", "out.webp"]
    told_of = {line["path"]: line["step"] for line in events(told.out) if line["event"] == "saved"}
    assert told_of.items() >= {"out-0002.webp": 2, "out-0004.webp": 4}.items()
    assert json.loads(impasto("recipe", "out-0002.webp").out)["step"] == 2


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_the_recipe_says_what_the_picture_was_made_from(impasto, small, photograph, painting, tiny, suffix):
    out = f"out{suffix}"
    assert impasto(*small, "--strength", 0.7, "--seed", 5, "-o", out, "--solver", "adam").code == 0
    told = impasto("recipe", out)
    assert (told.code, told.err) == (0, "")
    recipe = json.loads(told.out)
    expected = Settings(size=SIZE, steps=3, weights=tiny.name, strength=0.7, seed=5, solver="adam", device="cpu")
    assert validated(**recipe["settings"]) == expected
    assert recipe["impasto"] == library.__version__
    assert recipe["inputs"] == {
        role: {"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
        for role, path in (("content", photograph), ("style", painting), ("weights", tiny))
    }
    assert (recipe["size"], recipe["machine"]["threads"]) == ([SIZE, 27], torch.get_num_threads())


def test_a_picture_can_be_painted_again_from_its_recipe(impasto, small, photograph, painting, tiny):
    pictures = photograph, painting
    assert impasto(*small, "--init", "noise", "-o", "out.png").code == 0
    recipe = json.loads(impasto("recipe", "out.png").out)
    assert [recipe["inputs"][role]["file"] for role in ("content", "style")] == [path.name for path in pictures]
    library.paint(*pictures, validated(**{**recipe["settings"], "weights": tiny})).save("again.png")
    assert json.loads(impasto("recipe", "again.png").out) == recipe
    np.testing.assert_array_equal(pixels("again.png"), pixels("out.png"))


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_no_recipe_leaves_nothing(impasto, small, photograph, suffix):
    out = f"out{suffix}"
    assert impasto(*small, "--no-recipe", "-o", out).code == 0
    with Image.open(out) as picture:
        assert 0x010E not in picture.getexif()
        assert 0x0131 not in picture.getexif()
    assert b"impasto" not in Path(out).read_bytes()
    assert photograph.stem.encode() not in Path(out).read_bytes()
    refused = impasto("recipe", out)
    assert refused.code == 3
    assert "no recipe" in refused.err


def test_a_seed_says_which_picture(impasto, small):
    for name, seed in {"a.png": 1, "b.png": 1, "c.png": 2}.items():
        assert impasto(*small, "--init", "noise", "--seed", seed, "-o", name).code == 0
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()
    assert np.abs(pixels("a.png") - pixels("c.png")).mean() > 10


def test_without_steps_the_first_picture_is_what_init_says(impasto, small, photograph, painting):
    other = Image.new("RGB", (50, 50), (10, 200, 90))
    other.save("other.png")
    for init in ("content", "style", "noise", "other.png"):
        out = f"of-{init}.png".replace(".png.png", ".png")
        assert impasto(*small, "--steps", 0, "--init", init, "--no-smooth-chroma", "-o", out).code == 0

    def distance(path, image):
        return np.abs(pixels(path) - 255 * image[0].permute(1, 2, 0).numpy()).mean()

    assert distance("of-content.png", library.read(photograph, size=SIZE)) < 0.51
    stretched = torch.nn.functional.interpolate(library.read(painting), (27, SIZE), mode="area")
    assert distance("of-style.png", stretched) < 20 < distance("of-content.png", stretched)
    assert distance("of-other.png", torch.tensor([10, 200, 90]).view(1, 3, 1, 1) / 255) < 1
    noise = pixels("of-noise.png") / 255
    assert noise.mean() == pytest.approx(0.5, abs=0.05)
    assert noise.std() == pytest.approx(12**-0.5, abs=0.02)


def test_layers_are_weighted_as_said(impasto, small):
    told = impasto(*small, "--steps", 0, "--json", "--style-layers", "conv1_1", "--init", "noise", "-o", "a.png")
    doubled = impasto(*small, "--steps", 0, "--json", "--style-layers", "conv1_1=2", "--init", "noise", "-o", "b.png")
    style = [events(result.out)[1]["terms"]["style"] for result in (told, doubled)]
    assert style[1] == pytest.approx(2 * style[0], rel=1e-5)


def test_layer_lists():
    assert layers("-", "conv1_1=0.2,conv2_1", share=True) == {"conv1_1": 0.2, "conv2_1": 0.5}
    assert layers("-", "conv1_1=0.2,conv2_1", share=False) == {"conv1_1": 0.2, "conv2_1": 1.0}
    assert layers("-", " conv4_2 = 1e3 , conv1_1,", share=False) == {"conv4_2": 1000.0, "conv1_1": 1.0}
    assert layers("-", None, share=True) is None


@pytest.mark.parametrize("text", ["", ",", "conv1_1,conv1_1=2", "conv1_1=", "conv1_1=much", "conv1_1=0.2=3"])
def test_what_is_no_layer_list_is_refused(text):
    with pytest.raises(UsageError, match=r"^--style-layers: "):
        layers("--style-layers", text, share=True)


def test_threads(impasto, small, monkeypatch):
    seen, before = [], torch.get_num_threads()

    def steps(*_, **__):
        seen.append(torch.get_num_threads())
        yield Step(0, torch.zeros(1, 3, 16, 16), {"content": 1.0}, 0.0, 1, recipe={})

    monkeypatch.setattr(facade, "stylize", steps)
    try:
        assert impasto(*small, "--threads", 1, "-o", "out.png").code == 0
        assert seen == [1]
        assert impasto(*small, "--threads", 0, "-o", "out.png").code == 2
    finally:
        torch.set_num_threads(before)


def declared():
    """``{option: what the help says of its default}`` of ``impasto stylize``."""
    command = typer.main.get_command(app).commands["stylize"]
    return {parameter.name: parameter.show_default for parameter in command.params if parameter.name != "help"}


def test_the_defaults_that_the_help_states_are_those_of_the_settings(impasto):
    stated, defaults, told = declared(), Settings(), impasto("stylize", "--help-all").out
    assert stated.keys() >= Settings.model_fields.keys()
    for name in Settings.model_fields:
        default = getattr(defaults, name)
        if name in ("weights", "quality", "blend", "memory"):
            assert (default, stated[name]) == (None, {"blend": "all alike", "memory": "what is free"}.get(name, False))
            continue
        assert f"[default: ({stated[name]})]" in told.replace(" (", " ("), name
        if name.endswith("_layers"):
            assert layers(name, stated[name], share=name == "style_layers") == default
        elif name == "style_loss":
            assert style_losses(stated[name]) == default
        elif name == "limits":
            assert validated(limits=stated[name]).limits == default
        elif isinstance(default, bool):
            assert stated[name] == ("" if default else "no-") + name.replace("_", "-")
        else:
            assert type(default)(float(stated[name]) if isinstance(default, int | float) else stated[name]) == default
    assert Settings(strength=float(stated["strength"])) == defaults


EVERY_OPTION = (
    "--size 64 --content-weight 2 --style-weight 5e7 --content-layers conv4_1 --style-layers conv1_2=0.5,conv3_1=0.25 "
    "--style-loss gaussian,moments=0.5 --content-loss self-similarity --spectrum-weight 0.5 "
    "--tv-weight 0.5 --excess-weight 3 --init noise --seed 7 --quality draft --scales 2 "
    "--solver adam --network vgg19 "
    "--carried all --photoreal --tileable "
    "--memory 5GB --tile 512 "
    "--edges black --no-smooth-chroma --no-keep-grey --keep-lines 2 --coarse-steps 0.5 --full-steps-to 800 "
    "--strength 0.25 "
    "--blend 1,fine --stroke-size 0.5 --colour recoloured --region m.png#ff0000=b.png@c.png --region n.png=keep "
    "--weights w.pth --pooling max --device cpu --precision float32 --limits pixels=5000"
)


def test_every_option_reaches_the_settings(impasto, photograph, painting, monkeypatch):
    seen = []
    monkeypatch.setattr(facade, "stylize", lambda *given, regions, **_: seen.append((*given, regions)) or iter(()))
    for name in ("m.png", "n.png", "b.png", "c.png"):
        Path(name).write_bytes(photograph.read_bytes())
    assert impasto("stylize", photograph, painting).code == 0
    assert impasto("stylize", photograph, painting, *shlex.split(EVERY_OPTION)).code == 0
    assert impasto("stylize", photograph, painting, "--strength", 0.8).code == 0
    every = Settings(
        size=64,
        content_weight=2,
        style_weight=5e7,
        content_layers={"conv4_1": 1},
        style_layers={"conv1_2": 0.5, "conv3_1": 0.25},
        style_loss={"gaussian": 1.0, "moments": 0.5},
        content_loss="self-similarity",
        spectrum_weight=0.5,
        carried="all",
        photoreal=True,
        tileable=True,
        memory=5 * 10**9,
        tile=512,
        edges="black",
        smooth_chroma=False,
        keep_grey=False,
        keep_lines=2,
        coarse_steps=0.5,
        full_steps_to=800,
        strength=0.25,
        tv_weight=0.5,
        excess_weight=3,
        init="noise",
        seed=7,
        quality="draft",
        scales=2,
        solver="adam",
        network="vgg19",
        weights="w.pth",
        pooling="max",
        device="cpu",
        precision="float32",
        limits="pixels=5000",
        blend=(1, "fine"),
        stroke_size=0.5,
        colour="recoloured",
    )
    assert every.model_fields_set == set(Settings.model_fields)  # steps among them: auto
    pictures = (str(photograph), [str(painting)])
    regions = [Region("m.png", "b.png", "#ff0000", "c.png"), Region("n.png")]
    expected = ((Settings(), []), (every, regions), (Settings(strength=0.8), []))
    assert seen == [(*pictures, settings, of) for settings, of in expected]


BAD_OPTIONS = {
    "--network vgg20": "--network: there is no 'vgg20'; choose one of: lite",
    "--solver sgd": "solver",
    "--style-layers conv6_1": "no layer 'conv6_1'",
    "--content-layers conv4_2=-1": "--content-layers: conv4_2",
    "--style-layers conv1_1=x": "--style-layers",
    "--pooling median": "pooling",
    "--device tpu": "--device: 'tpu' is not there",
    "--size -5": "size",
    "--size 15": "size",
    "--size big": "--size",
    "--steps -1": "steps",
    "--save-every -1": "--save-every",
    "--seed -1": "seed",
    "--limits pixels=0": "--limits",
    "--tv-weight nan": "--tv-weight",
    "--style-weight inf": "--style-weight",
    "--strength 1.5": "--strength: Input should be less than or equal to 1",
    "--keep-lines -1": "--keep-lines",
    "--edges red": "edges",
    "--coarse-steps nan": "--coarse-steps",
    "--preset peper": "--preset: one of paper",
    "--colour red": "--colour",
    "-o out.gif": "out.gif",
    "-o out": "end it with .png",
    "-o .": "is a folder",
}


@pytest.mark.parametrize("options", BAD_OPTIONS)
def test_a_bad_option_is_refused_by_name(impasto, small, options):
    refused = impasto(*small, *options.split())
    assert refused.code == 2
    assert BAD_OPTIONS[options] in refused.err
    assert refused.out == ""
    assert here() == []


@pytest.mark.parametrize("arguments", [["stylize"], ["stylize", "one.png"], ["paint"], ["--colour"]])
def test_bad_commands_are_refused(impasto, arguments):
    refused = impasto(*arguments)
    assert refused.code == 2
    assert refused.err
    assert here() == []


def test_inputs_are_never_replaced(impasto, small, photograph, painting, tiny):
    copies = {name: Path(name) for name in ("x.png", "x-0002.png", "i.png")}
    for copy in copies.values():
        copy.write_bytes(photograph.read_bytes())
    Path("link.png").symlink_to("x.png")
    rest = [*small[3:], "--save-every", 2]
    for arguments in (
        ["x.png", painting, "-o", "x.png"],
        [painting, "x.png", "-o", "./x.png"],
        ["x.png", painting, "-o", "link.png"],
        ["link.png", painting, "-o", "x.png"],
        [photograph, painting, "--init", "i.png", "-o", "i.png"],
        ["x-0002.png", painting, "-o", "x.png"],
    ):
        refused = impasto("stylize", *arguments, *rest)
        assert refused.code == 2
        assert "the same file as the input" in refused.err
    assert all(copy.read_bytes() == photograph.read_bytes() for copy in copies.values())
    assert here() == ["i.png", "link.png", "x-0002.png", "x.png"]


def png_header(width, height):
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")


def whole_png(width=40, height=40):
    buffer = io.BytesIO()
    Image.effect_noise((width, height), 50).convert("RGB").save(buffer, "PNG")
    return buffer.getvalue()


BAD_INPUTS = {
    "missing": (None, 3, "does not exist"),
    "empty": (b"", 3, "empty"),
    "text": (b"dear diary, today I painted\n" * 20, 3, "not a picture"),
    "truncated": (whole_png()[:1500], 3, "cannot be decoded"),
    "1 x 1": (whole_png(1, 1), 3, "too small"),
    "60,000 x 60,000": (png_header(60_000, 60_000), 4, "--limits"),
}


@pytest.mark.parametrize("role", ["content", "style", "init"])
@pytest.mark.parametrize("kind", BAD_INPUTS)
def test_a_bad_input_is_refused_and_nothing_written(impasto, small, photograph, painting, kind, role):
    data, code, reason = BAD_INPUTS[kind]
    if data is not None:
        Path("bad.png").write_bytes(data)
    before = here()
    roles = {"content": photograph, "style": painting, "init": "noise", role: "bad.png"}
    pictures = [roles["content"], roles["style"], "--init", roles["init"]]
    refused = impasto("stylize", *pictures, *small[3:], "-o", "out.png")
    assert refused.code == code
    assert refused.err.startswith("impasto: 'bad.png' ")
    assert reason in refused.err
    assert refused.err.count("\n") == 1
    assert here() == before


def test_a_panorama_says_the_least_size_and_is_painted_at_it(impasto, small):
    """As a photograph; a painting is read as large as it has to be, and a start is stretched."""
    Path("pano.png").write_bytes(whole_png(400, 17))
    refused = impasto("stylize", "pano.png", *small[2:], "-o", "out.png")
    assert refused.code == 3
    assert refused.err.startswith("impasto: 'pano.png' is 400 x 17 px, and would be too small at 32 x 1 px: ")
    assert refused.err.endswith("on each side; the least --size for it is 365\n")
    assert impasto("stylize", "pano.png", *small[2:], "--size", 364).code == 3
    assert impasto("stylize", "pano.png", *small[2:], "--size", 365, "--steps", 1, "-o", "out.png").code == 0
    with Image.open("out.png") as picture:
        assert picture.size == (365, 16)
    assert impasto("stylize", small[1], "pano.png", *small[3:], "--init", "pano.png", "-o", "out.png").code == 0
    with Image.open("out.png") as picture:
        assert max(picture.size) == SIZE


@pytest.mark.parametrize(("suffix", "most"), [("webp", 16_383), ("jpg", 65_500)])
def test_more_than_a_format_has_is_refused_before_the_run(impasto, small, monkeypatch, suffix, most):
    Path("pano.png").write_bytes(whole_png(6000, 16))
    monkeypatch.setattr(facade, "stylize", lambda *_, **__: iter(()))
    at = ["stylize", "pano.png", *small[2:], "-o", f"out.{suffix}", "--size"]
    assert impasto(*at, most).code == 0
    refused = impasto(*at, most + 1)
    assert refused.code == 2
    assert f"at most {most:,} on a side; save it as .png or .tif, or choose a smaller --size" in refused.err
    texture = impasto("texture", small[2], "--size", f"16x{most + 1}", "-o", f"out.{suffix}")
    assert texture.code == 2
    assert f"cannot be 16 x {most + 1} px" in texture.err
    assert here() == ["pano.png"]


def test_limits_name_the_flag_that_moves_them(impasto, small, photograph):
    refused = impasto(*small, "--limits", "pixels=1000")
    assert refused.code == 4
    assert "--limits" in refused.err
    assert here() == []


OUTPUTS = {"nowhere/out.png": "create it first", "n" * 300 + ".png": "File name too long"}


@pytest.mark.parametrize("out", OUTPUTS, ids=["no folder", "long"])
def test_an_output_that_cannot_be_is_refused_before_the_run(impasto, small, out):
    refused = impasto(*small, "-o", out)
    assert refused.code == 3
    assert OUTPUTS[out] in refused.err
    assert here() == []


def test_long_names_of_inputs_ask_for_a_name(impasto, small, photograph, painting):
    for letter, picture in (("a", photograph), ("b", painting)):
        Path(f"{letter * 150}.png").write_bytes(picture.read_bytes())
    refused = impasto("stylize", "a" * 150 + ".png", "b" * 150 + ".png", *small[3:])
    assert refused.code == 3
    assert "too long" in refused.err


def test_weights_of_no_numbers_are_refused_at_once(impasto, small):
    tensors = tiny_weights()
    tensors["conv1_1.bias"][:] = math.nan
    save_weights(Path("nan.safetensors"), Weights(tensors, CAFFE, normalised=True))
    refused = impasto(*small, "--weights", "nan.safetensors")
    assert refused.code == 6
    assert "numbers that are infinite or NaN" in refused.err
    assert here() == ["nan.safetensors"]


@pytest.mark.parametrize("end", [None, DivergedError("diverged"), LimitError("no memory"), KeyboardInterrupt()])
def test_however_a_run_ends_the_picture_of_lowest_loss_is_saved(impasto, small, monkeypatch, end):
    def steps(*_, **__):
        for index, loss in enumerate([5.0, 3.0, 4.0]):
            image = torch.full((1, 3, 16, 16), index / 4)
            yield Step(index, image, {"content": loss}, index / 10, index + 1, recipe={})
        if end is not None:
            raise end

    monkeypatch.setattr(facade, "stylize", steps)
    told = impasto(*small, "--json", "-o", "out.png")
    assert told.code == (130 if isinstance(end, KeyboardInterrupt) else getattr(end, "exit_code", 0))
    saved, last = events(told.out)[-2:]
    assert (saved["event"], saved["step"], saved["loss"]) == ("saved", 1, 3.0)
    assert last.get("code", 0) == told.code
    assert last["event"] == ("done" if end is None else "error")
    assert (pixels("out.png") == 64).all()
    assert json.loads(impasto("recipe", "out.png").out)["step"] == 1


def until_the_first_step(child):
    for line in child.stdout:
        if json.loads(line).get("step", 0) >= 1:
            return line
    raise AssertionError(child.stderr.read())


@pytest.mark.parametrize("kill", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_kill_keeps_the_best_picture_so_far(process, small, tmp_path, kill):
    child = process(*small, "--steps", 10**9, "--solver", "adam", "--json", "-o", "out.png")
    lines = [until_the_first_step(child)]
    child.send_signal(kill)
    out, err = child.communicate(timeout=60)
    assert child.returncode == 130
    *steps, saved, error = events(lines[0] + out)
    assert (saved["event"], saved["path"]) == ("saved", "out.png")
    told = f"interrupted: the picture of step {saved['step']} of 1000000000 is kept in 'out.png'; --resume goes on"
    assert (err, error) == (f"impasto: {told}\n", {"event": "error", "message": told, "code": 130})
    assert saved["loss"] <= min(step["loss"] for step in steps)
    assert pixels(tmp_path / "out.png").shape == (27, SIZE, 3)
    files = sorted(path.name for path in tmp_path.iterdir() if not path.is_dir())
    assert files == ["out.png", "out.png.checkpoint"]


def test_where_the_reader_goes_away_the_picture_is_painted_all_the_same(process, small, tmp_path):
    child = process(*small, "--steps", 300, "--solver", "adam", "--json", "-o", "out.png")
    until_the_first_step(child)
    child.stdout.close()
    assert child.wait(timeout=60) == 0
    assert "Traceback" not in child.stderr.read()
    assert pixels(tmp_path / "out.png").shape == (27, SIZE, 3)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--version"], 0),
        (["--help"], 0),
        (["stylize", "--help"], 0),
        (["weights", "--help"], 0),
        (["samples"], 0),
        (["stylize", "no.png", "sample:wave"], 3),
        (["--like", "no.png"], 3),
        (["--like", "no.toml", "sample:wave"], 3),
        (["stylize", "sample:wave", "sample:wave", "--size", "-1"], 2),
    ],
)
def test_what_needs_no_torch_does_not_import_it(process, arguments, code):
    child = process(*arguments, python=["-X", "importtime"])
    out, err = child.communicate(timeout=60)
    imported = {line.rpartition("|")[2].strip() for line in err.splitlines() if line.startswith("import time:")}
    assert child.returncode == code
    assert "typer" in imported
    assert "torch" not in imported
    assert out or "impasto: " in err


@pytest.mark.parametrize("arguments", [[], ["paint"], ["stylize"], ["stylize", "a", "b", "--size", "x"], ["weights"]])
def test_no_bad_command_brings_a_traceback(process, arguments):
    child = process(*arguments)
    out, err = child.communicate(timeout=60)
    assert child.returncode == 2
    assert "Usage:" in out + err or err.startswith("impasto: ")
    assert "Traceback" not in err


@pytest.mark.parametrize("kind", BAD_INPUTS)
def test_no_bad_input_brings_a_traceback(process, tmp_path, kind):
    data, code, _ = BAD_INPUTS[kind]
    if data is not None:
        (tmp_path / "bad.png").write_bytes(data)
    child = process("stylize", "bad.png", "sample:wave", "--size", SIZE, "-o", "out.png")
    _, err = child.communicate(timeout=60)
    assert child.returncode == code
    assert err.startswith("impasto: 'bad.png' ")
    assert "Traceback" not in err
    assert not (tmp_path / "out.png").exists()


def test_a_name_that_is_no_text_is_a_name(process, small, photograph, tmp_path):
    odd = tmp_path / "caf\udce9.png"
    try:
        odd.write_bytes(photograph.read_bytes())
    except (OSError, UnicodeError):
        pytest.skip("this file system wants UTF-8")
    child = process("stylize", odd, *small[2:])
    _, err = child.communicate(timeout=60)
    assert child.returncode == 0, err
    assert (tmp_path / "caf\udce9-painting.png").exists()
