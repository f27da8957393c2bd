"""The records of the ground, one concept per file."""

from xiuhua.city.models.calendar import CalendarNotice, OfficeHours
from xiuhua.city.models.category import Category, CategoryScheme, FileCondition
from xiuhua.city.models.component import Component
from xiuhua.city.models.division import Division
from xiuhua.city.models.duty import Duty
from xiuhua.city.models.grid import GridKept, ResponsibilityGrid, UnitGrid
from xiuhua.city.models.organisation import Organisation
from xiuhua.city.models.place import Place
from xiuhua.city.models.platform import Platform
from xiuhua.city.models.post import Appointment, Post
from xiuhua.city.models.token import ApiToken, LoginThrottle
from xiuhua.city.models.user import User
from xiuhua.city.models.versions import TableVersion

__all__ = [
    "ApiToken",
    "Appointment",
    "CalendarNotice",
    "Category",
    "CategoryScheme",
    "Component",
    "Division",
    "Duty",
    "FileCondition",
    "GridKept",
    "LoginThrottle",
    "OfficeHours",
    "Organisation",
    "Place",
    "Platform",
    "Post",
    "ResponsibilityGrid",
    "TableVersion",
    "UnitGrid",
    "User",
]
