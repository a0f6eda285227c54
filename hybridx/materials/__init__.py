"""What a model file holds, for others: bills of materials for programs, model cards for people."""

from typing import TYPE_CHECKING

from hybridx.first_use import on_first_use

if TYPE_CHECKING:
    from hybridx.materials.bom import write_bom
    from hybridx.materials.card import Card, Drawn, write_card
else:
    __getattr__, __dir__ = on_first_use(__name__)

__all__ = ["Card", "Drawn", "write_bom", "write_card"]
