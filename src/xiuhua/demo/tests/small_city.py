"""A small ground for tests: platforms, one community with one unit grid and one road; the demo's people on top."""

from __future__ import annotations

from datetime import date

import shapely

from xiuhua.casework import library
from xiuhua.city import category_import, duty_import, memory, organisation_import
from xiuhua.city.models import Component, Division, Organisation, Place, Platform, UnitGrid
from xiuhua.demo import foundation

COUNTIES = ("421202", "421221", "421222", "421223", "421224", "421281")
BOX = shapely.box(114.30, 29.82, 114.34, 29.86)
COVER = "42120201001000001"
#: Inside the grid.
POINT = {"lon": "114.3200000", "lat": "29.8400000", "datum": "wgs84", "accuracy_m": 5}


def build() -> Platform:
    """Everything the city case needs, in a second or two."""
    city = Platform.objects.create(code=foundation.CITY, name="咸宁市", level="city", adcode=foundation.CITY)
    for code in COUNTIES:
        model = "one" if code == "421221" else "two"
        Platform.objects.create(
            code=code, name=f"县{code}", level="county", adcode=code, parent=city, centre_model=model
        )
    around = shapely.to_wkb(shapely.box(114.2, 29.7, 114.5, 30))
    parent = None
    for code, level, boundary in (
        ("42", "province", None),
        ("4212", "city", around),
        ("421202", "county", around),
        ("421202001", "township", None),
        ("421202001002", "village", shapely.to_wkb(BOX)),
    ):
        parent = Division.objects.create(code=code, name=f"区{code}", level=level, parent=parent, boundary=boundary)
    UnitGrid.objects.create(
        code="421202001002001",
        community="421202001002",
        platform=city,
        boundary=shapely.to_wkb(BOX),
        area_m2=10_000,
        valid_from=date(2026, 1, 1),
        simulated=True,
    )
    Place.objects.create(
        platform=city,
        kind="road",
        name="模拟大道",
        geometry=shapely.to_wkb(shapely.LineString([(114.305, 29.83), (114.335, 29.85)])),
        lon_e7=1_143_200_000,
        lat_e7=298_400_000,
        simulated=True,
    )
    organisation_import.import_profile(city=foundation.CITY)
    category_import.import_folder()
    duty_import.import_profile(city=foundation.CITY)
    owner = Organisation.objects.get(code="cg-municipal")
    Component.objects.create(
        code=COVER,
        scheme="2026",
        major="01",
        minor="001",
        name="供水井盖",
        name_en="Water-supply manhole cover",
        platform=city,
        owner=owner,
        lon_e7=1_143_200_000,
        lat_e7=298_400_000,
        grid_code="421202001002001",
        simulated=True,
    )
    memory.forget()
    library.publish()
    foundation.accounts(foundation.people(), None)
    memory.forget()
    return city
