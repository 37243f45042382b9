"""Who has asked for what, and the easel at which it is painted, one picture after another. Knows nothing of pages."""

import re
import secrets
import shutil
import sys
import time
import traceback
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Condition, Event, Thread
from typing import Any, Literal

from PIL import Image

from impasto.errors import ImpastoError, LimitError
from impasto.facade import stylize
from impasto.images.files import Source
from impasto.images.picture import Picture
from impasto.images.samples import SAMPLES
from impasto.progress import Work
from impasto.regions import Region
from impasto.settings import Settings
from impasto.solver import Step
from impasto.tensors import is_lack_of_memory

State = Literal["waiting", "painting", "done", "stopped", "failed"]

BETWEEN = 0.3
"""Seconds from one picture on the way to the next."""

KEPT = 3600.0
"""Seconds after which what nobody has looked at is gone."""

FORMATS = {"PNG": ".png", "JPEG": ".jpg", "TIFF": ".tif"}
"""What a finished picture can be had as."""


Over = tuple[Image.Image, int | None]
"""A mask, and which of the paintings is for what it covers; None: that is left as it is."""


@dataclass(eq=False)
class Order:
    """A picture that somebody has asked for, and what has become of it. ``version`` grows with all there is to see."""

    photograph: Path
    paintings: Sequence[Path]
    settings: Settings
    options: Mapping[str, Any]
    """What was said, of which these settings are."""
    folder: Path
    over: Sequence["Over"] = ()
    state: State = "waiting"
    version: int = 0
    seen: Image.Image | None = None
    """The latest picture on the way."""
    size: tuple[int, int] = 0, 0
    """Width and height that it was painted at so far, in px."""
    part: float = 0.0
    """Of the work that is done."""
    left: float | None = None
    """About how many seconds are left."""
    fault: str = ""
    """Why it failed."""
    files: dict[str, Path] = field(default_factory=dict)
    """The finished picture, by format."""
    stop: Event = field(default_factory=Event)

    @property
    def ended(self) -> bool:
        """Whether nothing more comes."""
        return self.state in ("done", "stopped", "failed")

    @property
    def regions(self) -> list[Region]:
        """What is painted otherwise than the rest."""
        return [Region(mask, None if painting is None else self.paintings[painting]) for mask, painting in self.over]

    @property
    def of_the_rest(self) -> list[Source]:
        """The paintings in whose manner the rest is: those without a part of their own, or all."""
        used = {painting for _, painting in self.over}
        return [file for n, file in enumerate(self.paintings) if n not in used] or [*self.paintings]

    @property
    def name(self) -> str:
        """After the photograph and the first painting."""
        return f"{self.photograph.stem}-{self.paintings[0].stem}"

    def show(self, step: Step, work: Work) -> None:
        """See how far it is."""
        self.size = step.size
        self.part, left = work.done(step)
        self.left = left if work.known and step.index > 1 else None
        self.seen = step.picture.pil()
        self.version += 1

    def end(self, state: State, picture: Picture | None = None, fault: str = "") -> None:
        """It is over. The picture is saved, unless its folder was tidied away. Raises what ``Picture.save`` raises."""
        if picture is not None and self.folder.is_dir():
            try:
                self.keep(picture)
            except Exception:
                if self.folder.is_dir():
                    raise
                self.files.clear()  # it was tidied away meanwhile
        self.state, self.fault = state, fault
        self.version += 1

    def keep(self, picture: Picture) -> None:
        """Save it in each format."""
        for kind, suffix in FORMATS.items():
            path = self.folder / f"{self.name}{suffix}"
            picture.save(path)
            self.files[kind] = path
        self.seen, self.size = picture.pil(), (picture.shape[3], picture.shape[2])


class Easel:
    """Paints one order after another, in a thread of its own; so many may wait at most."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.waiting: deque[Order] = deque()
        self.changed = Condition()
        self.at_work: Order | None = None
        Thread(target=self._work, daemon=True, name="easel").start()

    def put(self, order: Order) -> None:
        """Let it be painted after those that wait. Raises LimitError where too many do."""
        with self.changed:
            if len(self.waiting) >= self.most:
                raise LimitError(f"{self.most} pictures are waiting to be painted: come back a little later")
            self.waiting.append(order)
            self.changed.notify()

    def place(self, order: Order) -> int:
        """How many are painted before it."""
        with self.changed:
            before = self.waiting.index(order) if order in self.waiting else 0
            return before + (self.at_work not in (None, order))

    def stop(self, order: Order) -> None:
        """Paint no more of it; what there is is kept."""
        order.stop.set()
        with self.changed:
            if order in self.waiting:
                self.waiting.remove(order)
                order.end("stopped")

    def _work(self) -> None:
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self.waiting)
                self.at_work = order = self.waiting.popleft()
            paint(order)
            with self.changed:
                self.at_work = None


def paint(order: Order) -> None:
    """Paint it until it is done or stopped; however that ends, the best picture so far is kept."""
    best: Step | None = None
    work: Work | None = None
    shown, fault = 0.0, ""
    order.state, order.version = "painting", order.version + 1
    try:
        for step in stylize(order.photograph, order.of_the_rest, order.settings, regions=order.regions):
            best = step if step.best else best
            recipe = step.recipe or {}
            work = work or Work(order.settings, tuple(recipe["size"]), recipe.get("machine") or {})
            if time.monotonic() - shown > BETWEEN:
                order.show(step, work)
                shown = time.monotonic()
            if order.stop.is_set():
                break
    except Exception as error:
        fault = said(error)
    try:
        state: State = "failed" if fault else "stopped" if order.stop.is_set() else "done"
        order.end(state, None if best is None else best.whole, fault)
    except Exception as error:
        order.end("failed", fault=said(error))


def said(error: Exception) -> str:
    """What went wrong, for people, who are told no folders; what is a fault of impasto's own also on stderr."""
    if isinstance(error, ImpastoError):
        return re.sub(r"'[^']*/([^'/]+)'", r"'\1'", str(error)).replace("`", "")
    if is_lack_of_memory(error):
        return "not enough memory: choose a smaller size"
    traceback.print_exception(error, file=sys.stderr)
    return "a fault of impasto's own: whoever serves this page is told more"


@dataclass(eq=False)
class Desk:
    """What one person has, in a folder that nobody else is told of."""

    folder: Path
    orders: list[Order] = field(default_factory=list)
    looked_at: float = field(default_factory=time.monotonic)

    def kept(self, files: Iterable[Path], order: int) -> list[Path]:
        """Files of an order, in this folder: what was uploaded is soon gone."""
        to = self.folder / f"{order}"
        copies = []
        for n, file in enumerate(files):
            (to / f"{n}").mkdir(parents=True, exist_ok=True)
            copies.append(Path(shutil.copy(file, to / f"{n}" / file.name)))
        return copies


class Studio:
    """Desks, by names that cannot be guessed, around one easel; ``samples`` are the built-in pictures, by kind. What
    nobody has looked at for an hour is gone, and so is what was uploaded to ``uploads``."""

    def __init__(self, folder: Path, uploads: Path, base: Settings, queue: int) -> None:
        self.folder, self.uploads, self.base = folder, uploads, base
        self.easel = Easel(queue)
        self.desks: dict[str, Desk] = {}
        (folder / "samples").mkdir(parents=True)
        self.samples: dict[str, list[Path]] = {"photograph": [], "painting": []}
        for sample in SAMPLES.values():
            self.samples[sample.kind].append(Path(shutil.copy(sample.path, folder / "samples")))
        Thread(target=self._keep_tidy, daemon=True, name="tidying").start()

    def desk(self, name: str | None) -> tuple[str, Desk]:
        """The desk of this name; or a new one, and its name."""
        if name is None or name not in self.desks:
            name = secrets.token_urlsafe(32)
            self.desks[name] = Desk(self.folder / secrets.token_urlsafe(32))
        desk = self.desks[name]
        desk.looked_at = time.monotonic()
        return name, desk

    def order(
        self, desk: Desk, photograph: Path, paintings: Sequence[Path], over: Sequence[Over] = (), **options: Any
    ) -> Order:
        """Have a picture painted: options are those of ``Settings``. Raises UsageError for such that make no sense,
        LimitError where too many wait, InputError where a picture cannot be read."""
        from impasto.images.decoding import decode
        from impasto.settings import validated

        settings = validated(self.base, **options)
        number = len(desk.orders)
        try:
            mine, *others = desk.kept([photograph, *paintings], number)
            for file in (mine, *others):
                decode(file, limits=settings.limits)
            order = Order(mine, others, settings, options, desk.folder / f"{number}", over)
            self.easel.put(order)
        except BaseException:
            shutil.rmtree(desk.folder / f"{number}", ignore_errors=True)
            raise
        desk.orders.append(order)
        return order

    def tidy(self) -> None:
        """Forget what nobody has looked at for an hour."""
        long_ago = time.monotonic() - KEPT
        for name, desk in list(self.desks.items()):
            if desk.looked_at < long_ago:
                for order in desk.orders:
                    self.easel.stop(order)
                del self.desks[name]
                gone = desk.folder
                with suppress(OSError):
                    gone = gone.rename(gone.with_suffix(".gone"))  # or more is saved in it while it is emptied
                shutil.rmtree(gone, ignore_errors=True)
        for file in self.uploads.rglob("*") if self.uploads.is_dir() else ():
            with suppress(OSError):
                if file.is_file() and file.stat().st_mtime < time.time() - KEPT:
                    file.unlink()

    def _keep_tidy(self) -> None:
        while True:
            time.sleep(60)
            self.tidy()
