"""The records of the ground, one concept per file."""

from xiuhua.city.models.component import Component
from xiuhua.city.models.division import Division
from xiuhua.city.models.grid import GridKept, ResponsibilityGrid, UnitGrid
from xiuhua.city.models.place import Place
from xiuhua.city.models.platform import Platform
from xiuhua.city.models.versions import TableVersion

__all__ = [
    "Component",
    "Division",
    "GridKept",
    "Place",
    "Platform",
    "ResponsibilityGrid",
    "TableVersion",
    "UnitGrid",
]
