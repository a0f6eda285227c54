"""Bills of materials: what a model file holds, for programs that watch over what is in use."""

from typing import TYPE_CHECKING

from hybridx.first_use import on_first_use

if TYPE_CHECKING:
    from hybridx.materials.bom import write_bom
else:
    __getattr__, __dir__ = on_first_use(__name__)

__all__ = ["write_bom"]
