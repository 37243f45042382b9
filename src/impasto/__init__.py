"""impasto paints one picture in the manner of another.

    picture = impasto.paint("photograph.jpg", "painting.jpg", size=512)
    picture.save("picture.png")

A Neural Algorithm of Artistic Style (Gatys, Ecker and Bethge, arXiv 1508.06576). Images are tensors ``(1, 3, H, W)``,
float32, sRGB in [0, 1].
"""

import os

from impasto.version import __version__

TYPE_CHECKING = False  # as typing has it, which takes longer to import than a program may take to listen to Ctrl-C

# Read by GNU's OpenMP when torch is loaded. Threads that wait spin sixty times as long otherwise, and hold up every
# other program; where they do not spin at all, an idle machine takes 1.6 times as long.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "5000")

if TYPE_CHECKING:
    from impasto.content import ContentLoss
    from impasto.errors import ImpastoError
    from impasto.facade import Painter, paint, reconstruct_content, reconstruct_style, stylize, texture
    from impasto.features import Features
    from impasto.images.files import read, write
    from impasto.images.limits import Limits
    from impasto.images.picture import Picture
    from impasto.jobs import read_settings
    from impasto.network.protocol import Network
    from impasto.network.registry import load_network
    from impasto.regions import Region
    from impasto.running import Run
    from impasto.settings import Settings
    from impasto.solver import Point, Solver, Step
    from impasto.style import StyleLoss

__all__ = [
    "ContentLoss",
    "Features",
    "ImpastoError",
    "Limits",
    "Network",
    "Painter",
    "Picture",
    "Point",
    "Region",
    "Run",
    "Settings",
    "Solver",
    "Step",
    "StyleLoss",
    "__version__",
    "load_network",
    "paint",
    "read",
    "read_settings",
    "reconstruct_content",
    "reconstruct_style",
    "stylize",
    "texture",
    "write",
]

_HOMES = {
    "ContentLoss": "impasto.content",
    "Features": "impasto.features",
    "ImpastoError": "impasto.errors",
    "Limits": "impasto.images.limits",
    "Network": "impasto.network.protocol",
    "Painter": "impasto.facade",
    "Picture": "impasto.images.picture",
    "Point": "impasto.solver",
    "Region": "impasto.regions",
    "Run": "impasto.running",
    "Settings": "impasto.settings",
    "Solver": "impasto.solver",
    "Step": "impasto.solver",
    "StyleLoss": "impasto.style",
    "load_network": "impasto.network.registry",
    "paint": "impasto.facade",
    "read": "impasto.images.files",
    "read_settings": "impasto.jobs",
    "reconstruct_content": "impasto.facade",
    "reconstruct_style": "impasto.facade",
    "stylize": "impasto.facade",
    "texture": "impasto.facade",
    "write": "impasto.images.files",
}


if not TYPE_CHECKING:  # which would take any name for one that is there

    def __getattr__(name: str) -> object:
        from importlib import import_module

        # torch takes seconds to import: `impasto --help` and whoever needs only a part should not wait for it
        if name in _HOMES:
            return getattr(import_module(_HOMES[name]), name)
        raise AttributeError(f"module 'impasto' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
