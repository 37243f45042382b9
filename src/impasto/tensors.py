"""``Tensor`` for the annotations of files that do without torch until a function of theirs is called.

Importing torch takes seconds. Files with a registry do not import it, so that ``--help`` can list what there is, and a
wrong name is refused, at once.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor as Tensor
else:
    Tensor = Any
