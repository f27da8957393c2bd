"""What the city's records say of citizens: nothing. Accounts are staff; they stay as long as the log names them."""

from __future__ import annotations

STORES: tuple[object, ...] = ()

#: Model. or Model.column -> why it holds no personal data of a citizen.
HOLDS_NONE: dict[str, str] = {
    "Platform.": "public bodies", "Organisation.": "public bodies and firms", "Division.": "places",
    "UnitGrid.": "places", "ResponsibilityGrid.": "places", "Place.": "places", "Component.": "things",
    "CategoryScheme.": "a standard", "Category.": "a standard", "FileCondition.": "a standard", "Duty.": "rules",
    "CalendarNotice.": "a public notice", "OfficeHours.": "rules", "Post.": "posts of staff", "Appointment.": "staff",
    "User.": "staff; the log names them by number", "ApiToken.": "staff; a digest", "LoginThrottle.": "a keyed digest",
    "TableVersion.": "names of tables",
}  # fmt: skip
