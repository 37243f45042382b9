"""What is seen of the studio: Gradio's components, and what happens when they are used."""

import html
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image

from impasto.errors import ImpastoError
from impasto.settings import PRESETS
from impasto.studio.easel import FORMATS, Desk, Order, Over, Studio, said
from impasto.studio.words import by_language, duration, language_of, say

SIZES, LARGE = [256, 512, 768, 1024], [1536, 2048, 3072, 4096]
"""Long sides in px, of what is painted while one waits, and of what takes its time."""

TICK = 0.5
"""Seconds from one look at the easel to the next."""

COLOURS = {"#e6194b": 0, "#4363d8": 1, "#ffe119": 2, "#9e9e9e": None}
"""What is painted over a photograph, and in the manner of which painting it is then; None: it is left as it is."""

HALF = 128
"""Of 255: what is less opaque does not count as painted over."""

Number = int | float | None
"""As a control gives it."""

CANVAS = 768
"""Long side, in px, of the photograph that is painted over."""

HEIGHT = "min(520px, 80vw)"
"""Of the picture, on a screen and on a telephone."""

STYLE = """
.thumbnails .grid-wrap { max-height: 6.5rem; }
#picture img { width: 100%; height: 100%; object-fit: contain; }
#how-far p { margin: 0 0 .3rem 0; }
#picture img { width: 100%; height: 100%; object-fit: contain; }
#how-far progress { width: 100%; height: .5rem; appearance: none; border: none; border-radius: 1rem; overflow: hidden; }
#how-far progress, #how-far progress::-webkit-progress-bar { background: var(--border-color-primary); }
#how-far progress::-webkit-progress-value { background: var(--color-accent); }
#how-far progress::-moz-progress-bar { background: var(--color-accent); }
footer { display: none !important; }
"""

TO_WHAT_COMES = """() => {
    if (window.innerWidth < 700) document.getElementById("how-far").scrollIntoView({ behavior: "smooth" });
}"""
"""On a telephone it lies below."""

word: Any = gr.I18n(**by_language())
"""What is said under a name, in the browser's language."""


class Page:
    """The components by name, and what they do. Whoever looks at it is known by what is kept in his browser."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        with gr.Blocks(title="impasto", analytics_enabled=False) as self.blocks:
            self.desk = gr.BrowserState(None, storage_key="impasto-desk")
            self.shown, self.version = gr.State(-1), gr.State("")
            self.timer = gr.Timer(TICK, active=False)
            gr.Markdown("# impasto")
            gr.Markdown(word("tagline"))
            with gr.Row():
                with gr.Column(scale=2, min_width=300):
                    self._lay_out_what_is_wanted()
                with gr.Column(scale=3, min_width=300):
                    self._lay_out_what_comes()
            self._connect()

    def _lay_out_what_is_wanted(self) -> None:
        self.photograph = photograph(
            label=word("photograph"), sources=["upload", "clipboard"], height=260, elem_id="photograph"
        )
        self.photographs = self.samples_of("photograph", word("photographs_to_try"))
        self.paintings = gr.Gallery(
            label=word("paintings"),
            type="filepath",
            interactive=True,
            columns=3,
            height=200,
            object_fit="cover",
            elem_id="paintings",
        )
        self.samples = self.samples_of("painting", word("paintings_to_try"))
        self.strength = gr.Slider(0, 1, 0.5, step=0.05, label=word("strength"), info=word("strength_info"))
        with gr.Row():
            self.paint = gr.Button(word("paint"), variant="primary", elem_id="paint")
            self.stop = gr.Button(word("stop"), interactive=False, elem_id="stop")
        self.size = gr.Radio(SIZES, value=512, label=word("size"))
        self.keep_colours = gr.Checkbox(False, label=word("keep_colours"))
        with gr.Accordion(word("regions"), open=False):
            gr.Markdown(word("regions_info"))
            self.editor = gr.ImageEditor(
                label=word("regions"),
                type="pil",
                image_mode="RGBA",
                sources=(),
                transforms=(),
                layers=False,
                format="png",
                brush=gr.Brush(colors=[*COLOURS], default_color=next(iter(COLOURS)), color_mode="fixed"),
            )
        with gr.Accordion(word("more"), open=False):
            self.preset = gr.Dropdown(["", *PRESETS], value="", label=word("preset"))
            self.stroke_size = gr.Slider(0.25, 3, 1, step=0.05, label=word("stroke_size"))
            self.keep_lines = gr.Slider(0, 3, 0, step=0.1, label=word("keep_lines"))
            self.seed = gr.Number(0, label=word("seed"), precision=0, minimum=0)

    def _lay_out_what_comes(self) -> None:
        self.how_far = gr.HTML(elem_id="how-far")
        with gr.Tabs():
            with gr.Tab(word("picture")):
                self.picture = gr.Image(
                    label=word("picture"),
                    interactive=False,
                    format="png",
                    height=HEIGHT,
                    elem_id="picture",
                    alt_text=word("picture"),
                    buttons=["fullscreen"],
                )
            with gr.Tab(word("compare")):
                self.compare = gr.ImageSlider(
                    label=word("compare"), interactive=False, height=HEIGHT, elem_id="compare"
                )
        with gr.Row():
            self.downloads = [gr.DownloadButton(kind, interactive=False, size="sm") for kind in FORMATS]
        with gr.Row():
            self.again = gr.Button(word("again"), size="sm", interactive=False, elem_id="again")
            self.large = gr.Button(word("large"), size="sm", interactive=False, elem_id="large")
            self.large_size = gr.Dropdown(LARGE, value=2048, label=word("large_size"), min_width=100)
        self.history = gr.Gallery(
            label=word("history"),
            interactive=False,
            allow_preview=False,
            columns=4,
            height=240,
            fit_columns=False,
            elem_id="history",
        )

    def samples_of(self, kind: str, label: Any) -> gr.Gallery:
        """Built-in pictures, to be chosen."""
        return gr.Gallery(
            [(str(file), file.stem) for file in self.studio.samples[kind]],
            label=label,
            interactive=False,
            allow_preview=False,
            columns=6,
            height=110,
            object_fit="cover",
            buttons=[],
            elem_id=f"{kind}s-to-try",
            elem_classes="thumbnails",
        )

    @property
    def controls(self) -> dict[str, Any]:
        """What settings are made of, by the names that ``options_of`` has for them."""
        names = ("strength", "size", "keep_colours", "preset", "stroke_size", "keep_lines", "seed")
        return {name: getattr(self, name) for name in names}

    @property
    def wanted(self) -> list[Any]:
        """What an order is made of."""
        return [self.photograph, self.paintings, self.editor, *self.controls.values()]

    @property
    def seen(self) -> list[Any]:
        """What is told of an order."""
        buttons = [self.paint, self.stop, self.again, self.large]
        return [
            *(self.shown, self.version, self.timer, self.how_far, self.picture, self.compare),
            *(*self.downloads, *buttons, self.history),
        ]

    def _connect(self) -> None:
        at_once: Any = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
        mine = [self.desk, self.shown]
        self.blocks.load(self.begin, [self.desk], [self.desk, *self.seen], **at_once)
        self.timer.tick(self.look, [*mine, self.version], self.seen, **at_once)
        self.paint.click(self.order, {self.desk, *self.wanted}, [self.desk, *self.seen], **at_once)
        self.paint.click(None, js=TO_WHAT_COMES, api_visibility="private")
        self.again.click(self.order_again, mine, [*self.seen, self.seed], **at_once)
        self.large.click(self.order_large, [*mine, self.large_size], self.seen, **at_once)
        self.stop.click(self.stop_it, mine, self.seen, **at_once)
        self.history.select(self.go_back, [self.desk], [*self.seen, *self.wanted], **at_once)
        self.photographs.select(self.choose_photograph, None, self.photograph, **at_once)
        self.samples.select(self.choose_painting, self.paintings, self.paintings, **at_once)
        self.photograph.change(self.lay_under, self.photograph, self.editor, **at_once)
        sent = [photograph(visible=False), gr.File(file_count="multiple", visible=False)]
        numbers = [gr.Number(default, visible=False) for default in (0.5, 512)]
        rest = [gr.Checkbox(False, visible=False), gr.Textbox("", visible=False), gr.Number(0, visible=False)]
        gr.Button(visible=False).click(
            self.serve,
            [*sent, *numbers, *rest],
            gr.File(visible=False),
            api_name="paint",
            api_description="Paint a photograph in the manner of a painting, or of several: a PNG with its recipe.",
            concurrency_limit=self.studio.easel.most,
        )

    # --- what is done ---------------------------------------------------------------------------------------------

    def begin(self, name: str | None, request: gr.Request) -> list[Any]:
        """Whoever comes, or comes back, finds his desk as he left it."""
        name, desk = self.studio.desk(name)
        return [name, *self.told(desk, len(desk.orders) - 1, request)]

    def look(self, name: str | None, shown: int, version: str, request: gr.Request) -> Any:
        """How far it is, where that is something new."""
        _, desk = self.studio.desk(name)
        if not 0 <= shown < len(desk.orders):
            return self.told(desk, shown, request)
        if desk.orders[shown].state != "waiting" and version_of(desk, shown) == version:
            return [gr.skip()] * len(self.seen)
        return self.told(desk, shown, request, history=version_of(desk, shown).split()[1:] != version.split()[1:])

    def order(self, given: Mapping[Any, Any], request: gr.Request) -> list[Any]:
        """Have painted what is chosen."""
        language = language_of(request.headers)
        photograph, paintings = given[self.photograph], [file for file, _ in given[self.paintings] or ()]
        over = painted_over(given[self.editor])
        options = options_of(**{name: given[control] for name, control in self.controls.items()})
        missing = {"no_photograph": not photograph, "no_painting": not paintings}
        missing["too_few_paintings"] = any(of is not None and of >= len(paintings) for _, of in over)
        name, desk = self.studio.desk(given[self.desk])
        for sentence in (sentence for sentence, is_so in missing.items() if is_so):
            return [name, *self.only(say(sentence, language))]
        return [name, *self.put(desk, photograph, paintings, over, options, request)]

    def put(
        self,
        desk: Desk,
        photograph: Any,
        paintings: Sequence[Any],
        over: Sequence[Over],
        options: Mapping[str, Any],
        request: gr.Request,
    ) -> list[Any]:
        """Have it painted; or what is wrong with it."""
        try:
            self.studio.order(desk, Path(photograph), [Path(file) for file in paintings], over, **options)
        except ImpastoError as error:
            return self.only(say("failed", language_of(request.headers), why=said(error)))
        return self.told(desk, len(desk.orders) - 1, request)

    def order_again(self, name: str | None, shown: int, request: gr.Request) -> list[Any]:
        """The same with another seed."""
        _, desk = self.studio.desk(name)
        seed = 1 + max((order.settings.seed for order in desk.orders), default=0)
        return [*self.put_again(desk, shown, {"seed": seed}, request), seed]

    def order_large(self, name: str | None, shown: int, size: int, request: gr.Request) -> list[Any]:
        """The same, larger."""
        return self.put_again(self.studio.desk(name)[1], shown, {"size": size}, request)

    def put_again(self, desk: Desk, shown: int, change: Mapping[str, Any], request: gr.Request) -> list[Any]:
        """Have painted again what is looked at, with a change."""
        if not 0 <= shown < len(desk.orders):
            return self.told(desk, shown, request)
        before = desk.orders[shown]
        options = {**before.options, **change}
        return self.put(desk, before.photograph, before.paintings, before.over, options, request)

    def stop_it(self, name: str | None, shown: int, request: gr.Request) -> list[Any]:
        """Paint no more of it; what is there stays."""
        _, desk = self.studio.desk(name)
        for order in desk.orders[shown : shown + 1] if shown >= 0 else ():
            self.studio.easel.stop(order)
        return self.told(desk, shown, request)

    def go_back(self, name: str | None, request: gr.Request, event: gr.SelectData) -> list[Any]:
        """Show what was painted before, and what it was made of."""
        _, desk = self.studio.desk(name)
        shown = [n for n, order in enumerate(desk.orders) if order.seen][event.index]
        order = desk.orders[shown]
        controls = {"strength": 0.5, "preset": "", "stroke_size": 1.0, "keep_lines": 0.0} | order.options
        controls["keep_colours"] = order.options.get("colour") == "matched"
        controls["size"] = min(controls["size"], SIZES[-1])
        pictures = [str(order.photograph), [str(file) for file in order.paintings], gr.skip()]
        return [*self.told(desk, shown, request), *pictures, *(controls[name] for name in self.controls)]

    def choose_photograph(self, event: gr.SelectData) -> str:
        """One that comes with impasto."""
        return str(self.studio.samples["photograph"][event.index])

    def choose_painting(self, paintings: Sequence[Any] | None, event: gr.SelectData) -> list[Any]:
        """One that comes with impasto, beside those that are there."""
        chosen = self.studio.samples["painting"][event.index]
        before = [file for file, _ in paintings or ()]
        return before if any(Path(file).name == chosen.name for file in before) else [*before, str(chosen)]

    def lay_under(self, photograph: str | None) -> Any:
        """The photograph, to be painted over."""
        from impasto.images.decoding import decode

        if photograph is None:
            return None
        try:
            pixels = decode(photograph, size=CANVAS, enlarge=False, limits=self.studio.base.limits)
        except ImpastoError:  # which is told when it is to be painted
            return None
        picture = Image.fromarray(pixels if pixels.dtype == np.uint8 else (pixels >> 8).astype(np.uint8))
        return {"background": picture, "layers": [], "composite": None}

    def serve(
        self,
        photograph: str,
        paintings: Sequence[str],
        strength: Number,
        size: Number,
        keep_colours: bool,
        preset: str | None,
        seed: Number,
    ) -> Iterator[Any]:
        """The same for programs: the file, when it is done; whoever leaves before needs it no more."""
        _, desk = self.studio.desk(None)
        options = options_of(strength, size, keep_colours, preset, 1, 0, seed)
        try:
            order = self.studio.order(desk, Path(photograph), [Path(file) for file in paintings], **options)
        except ImpastoError as error:
            raise gr.Error(said(error), print_exception=False) from error
        try:
            while not order.ended:
                desk.looked_at = time.monotonic()
                yield gr.skip()
                time.sleep(TICK / 2)
        finally:
            self.studio.easel.stop(order)
        if "PNG" not in order.files:
            raise gr.Error(order.fault, print_exception=False)
        yield str(order.files["PNG"])

    # --- what is told ---------------------------------------------------------------------------------------------

    def only(self, sentence: str) -> list[Any]:
        """All as it is, but for a sentence."""
        return [bar(sentence, 0) if part is self.how_far else gr.skip() for part in self.seen]

    def told(self, desk: Desk, shown: int, request: gr.Request, *, history: bool = True) -> list[Any]:
        """An order as it is seen; or that there is none."""
        language = language_of(request.headers)
        if not 0 <= shown < len(desk.orders):
            nothing = [gr.update(value=None, interactive=False)] * len(FORMATS)
            off = gr.update(interactive=False)
            buttons = [gr.update(interactive=True), off, off, off]
            return [-1, "", gr.Timer(active=False), bar(say("idle", language), 0), None, None, *nothing, *buttons, None]
        order = desk.orders[shown]
        version, ended = version_of(desk, shown), order.ended
        files = [gr.update(value=path_or_none(order, kind), interactive=kind in order.files) for kind in FORMATS]
        off, on = gr.update(interactive=False), gr.update(interactive=True)
        buttons = [on, off if ended else on, on if order.files else off, on if order.files else off]
        compared: Any = gr.skip()
        if ended:
            compared = (str(order.photograph), str(order.files["PNG"])) if order.files else None
        painted = [(str(one.files["JPEG"]) if one.files else one.seen, caption(one)) for one in desk.orders if one.seen]
        busy = any(not one.ended for one in desk.orders)
        return [
            *(shown, version, gr.Timer(active=busy), bar(self.sentence(order, language), order.part)),
            *(str(order.files["PNG"]) if order.files else order.seen, compared),
            *(*files, *buttons, painted if history else gr.skip()),
        ]

    def sentence(self, order: Order, language: str) -> str:
        """How far it is."""
        width, height = order.size
        if order.state == "waiting":
            before = self.studio.easel.place(order)
            return say("waiting", language, n=before) if before else say("begins", language)
        if order.state == "painting" and order.stop.is_set():
            return say("stopping", language)
        if order.state == "failed":
            return say("failed", language, why=order.fault)
        if not width:
            return say("begins" if order.state == "painting" else "stopped_early", language)
        told = say(order.state, language, w=width, h=height)
        if order.state == "painting" and order.left is not None:
            told += ", " + say("left", language, time=duration(order.left, language))
        return told


def photograph(**how: Any) -> gr.Image:
    """An upload that nobody reads but impasto, which gets its path."""
    image = gr.Image(type="filepath", alt_text=word("photograph"), **how)
    setattr(image, "preprocess", lambda payload: None if payload is None else payload.path)  # noqa: B010
    return image


def options_of(
    strength: Number,
    size: Number,
    keep_colours: bool,
    preset: str | None,
    stroke_size: Number,
    keep_lines: Number,
    seed: Number,
) -> dict[str, Any]:
    """Fields of ``Settings``, from the page's controls, which may be empty. What a preset says holds where a control
    was left alone."""
    options: dict[str, Any] = {"size": int(size or 512), "seed": int(seed or 0)}
    said = {"strength": (strength, 0.5), "stroke_size": (stroke_size, 1), "keep_lines": (keep_lines, 0)}
    for name, (value, default) in said.items():
        if value is not None and not (preset and value == default):
            options[name] = float(value)
    if keep_colours:
        options["colour"] = "matched"
    return options | ({"preset": preset} if preset else {})


def painted_over(editor: Mapping[str, Any] | None) -> list[Over]:
    """What of the photograph was painted over, colour by colour."""
    layers = [layer for layer in (editor or {}).get("layers") or () if layer is not None]
    if not layers:
        return []
    pixels = np.asarray(layers[0].convert("RGBA")).astype(int)
    colours = np.array([[int(colour[at : at + 2], 16) for at in (1, 3, 5)] for colour in COLOURS])
    nearest = np.abs(pixels[:, :, None, :3] - colours).sum(-1).argmin(-1)
    nearest[pixels[:, :, 3] < HALF] = -1
    masks = [Image.fromarray(np.where(nearest == n, 255, 0).astype(np.uint8)) for n in range(len(COLOURS))]
    return [(mask, of) for mask, of in zip(masks, COLOURS.values(), strict=True) if mask.getbbox()]


def version_of(desk: Desk, shown: int) -> str:
    """Of all that is seen while this order is looked at."""
    return f"{desk.orders[shown].version} {sum(order.ended for order in desk.orders)}"


def path_or_none(order: Order, kind: str) -> str | None:
    """The finished picture in a format."""
    return str(order.files[kind]) if kind in order.files else None


def caption(order: Order) -> str:
    """A line under a picture of the history."""
    settings = order.settings
    width, height = order.size
    return f"{order.paintings[0].stem} · {settings.strength:g} · {width} × {height}"


def bar(sentence: str, part: float) -> str:
    """A sentence, and how much is done, as a page shows it and a screen reader says it."""
    label = html.escape(sentence, quote=True)
    return f'<p role="status" aria-live="polite">{label}</p><progress max="1" value="{part:.3f}" aria-label="{label}">'
