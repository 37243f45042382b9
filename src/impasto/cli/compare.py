"""``impasto compare``: how far two pictures are from each other, and what was done otherwise."""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    import numpy as np


def compare(
    a: Annotated[str, typer.Argument(metavar="A", help="A picture: a file, or sample:NAME.", show_default=False)],
    b: Annotated[str, typer.Argument(metavar="B", help="Another; brought to the size of A.", show_default=False)],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write both into one picture, side by side.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON object on stdout.")] = False,
) -> None:
    """Print how far two pictures are from each other, and what differs between their recipes."""
    from impasto.images.decoding import decode, read_recipe
    from impasto.images.deep import eight_bits
    from impasto.images.output import check_output

    files = {"a": a, "b": b}
    if out is not None:
        check_output(out, files.values())
    pictures = {name: eight_bits(decode(file)) for name, file in files.items()}
    recipes = {name: read_recipe(file) for name, file in files.items()}
    sizes = {name: [picture.shape[1], picture.shape[0]] for name, picture in pictures.items()}
    told = {
        **{
            name: {"file": file, "size": sizes[name], "recipe": recipes[name] is not None}
            for name, file in files.items()
        },
        "resized": sizes["a"] != sizes["b"],
        **measures(pictures["a"], as_large_as(pictures["a"], pictures["b"])),
        "differences": differences(recipes["a"], recipes["b"]),
    }
    if out is not None:
        from PIL import Image

        from impasto.cli.run import contact_sheet

        contact_sheet([Image.fromarray(picture) for picture in pictures.values()], out)
    print(json.dumps(told) if as_json else in_words(told))


def as_large_as(a: "np.ndarray", b: "np.ndarray") -> "np.ndarray":
    """``b`` at the size of ``a``, stretched where it has other proportions."""
    import numpy as np
    from PIL import Image

    if a.shape == b.shape:
        return b
    return np.asarray(Image.fromarray(b).resize((a.shape[1], a.shape[0]), Image.Resampling.LANCZOS))


def measures(a: "np.ndarray", b: "np.ndarray") -> dict[str, float | None]:
    """How far two pictures ``(H, W, 3)`` are from each other, in levels of 255 where nothing else is said.

    ``psnr`` is in dB, None of equal pictures; ``ssim`` structural similarity, 1 of equal ones. Chroma is a colour less
    its luminance.
    """
    import numpy as np
    from skimage.metrics import structural_similarity

    from impasto.losses import LUMINANCE

    difference = a.astype(np.float32) - b
    luminance = difference @ np.array(LUMINANCE, np.float32)
    square = float(np.mean(difference**2, dtype=np.float64))
    return {
        "mean": float(np.mean(abs(difference), dtype=np.float64)),
        "largest": float(abs(difference).max()),
        "psnr": 10 * math.log10(255**2 / square) if square else None,
        "ssim": float(structural_similarity(a, b, channel_axis=2)),  # type: ignore[no-untyped-call]
        "luminance": float(np.mean(abs(luminance), dtype=np.float64)),
        "chroma": float(np.mean(abs(difference - luminance[..., None]), dtype=np.float64)),
    }


def differences(a: dict[str, Any] | None, b: dict[str, Any] | None) -> list[dict[str, Any]] | None:
    """What two recipes say otherwise: ``what``, and what it is in ``a`` and ``b``; None is what one does not say.

    None of a picture without a recipe. How many evaluations a run took is its outcome.
    """
    if a is None or b is None:
        return None
    first, second = entries(a), entries(b)
    names = [*first, *(name for name in second if name not in first)]
    return [
        {"what": name, "a": first.get(name), "b": second.get(name)}
        for name in names
        if first.get(name) != second.get(name)
    ]


def entries(recipe: dict[str, Any]) -> dict[str, Any]:
    """What a recipe says, one by one: ``settings.size``, ``inputs.style``, ``torch``."""
    found: dict[str, Any] = {}
    for name, value in recipe.items():
        if name == "evaluations":
            continue
        inside = name in ("settings", "inputs", "machine") and isinstance(value, dict)
        found |= {f"{name}.{key}": part for key, part in value.items()} if inside else {name: value}
    return found


def in_words(told: dict[str, Any]) -> str:
    """For people, line by line."""
    lines = [f"{name.upper()}  {told[name]['file']}, {size_of(told[name])}" for name in ("a", "b")]
    if told["resized"]:
        lines.append(f"B is compared at the size of A, {size_of(told['a'])}")
    psnr = "equal" if told["psnr"] is None else f"{told['psnr']:.2f} dB"
    lines += [
        f"difference             {told['mean']:.2f} of 255 on average, {told['largest']:.0f} at most",
        f"  of luminance         {told['luminance']:.2f} on average",
        f"  of chroma            {told['chroma']:.2f} on average",
        f"PSNR                   {psnr}",
        f"structural similarity  {told['ssim']:.4f}",
    ]
    without = [told[name]["file"] for name in ("a", "b") if not told[name]["recipe"]]
    if without:
        return "\n".join([*lines, *(f"'{file}' has no recipe" for file in without)])
    found = [f"{of['what']}: {one_line(of['a'])} | {one_line(of['b'])}" for of in told["differences"]]
    return "\n".join([*lines, *(found or ["the same recipe"])])


def size_of(picture: dict[str, Any]) -> str:
    width, height = picture["size"]
    return f"{width} x {height} px"


def one_line(value: Any) -> str:
    """What a recipe says of something; of a file its name, and how its digest begins."""
    if isinstance(value, dict) and value.keys() == {"file", "sha256"}:
        return f"{value['file']} ({str(value['sha256'])[:8]})"
    return "not said" if value is None else value if isinstance(value, str) else json.dumps(value)
