"""One provider of base-map tiles, as the operator declares it in ``XIUHUA_MAP_PROVIDERS`` (a JSON list)."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator


class MapProvider(BaseModel):
    """Tiles of one layer. The proxy of `xiuhua.city.basemap` fetches them; browsers never learn address or token.

    ``url`` has {z}, {x}, {y} and, where the provider wants them, {token} and {s} (one of ``servers``). ``matrix``
    says how its tiles are cut: *mercator* (EPSG:3857, XYZ; Tianditu's set ``w``, Amap) or *degrees* (EPSG:4490 or
    4326, 360/2**z degrees a tile from 180 W, 90 N; Tianditu's set ``c``). ``datum`` is what its pictures are drawn in.
    ``review_number`` is the map review number (审图号) that the law wants to be seen with the map.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    code: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,30}$")
    url: str
    token: SecretStr = SecretStr("")
    servers: tuple[str, ...] = ()
    matrix: Literal["mercator", "degrees"] = "mercator"
    datum: Literal["wgs84", "cgcs2000", "gcj02", "bd09"] = "cgcs2000"
    attribution: str = Field(min_length=1, max_length=200)
    review_number: str = Field(default="", max_length=60)
    min_zoom: int = Field(default=1, ge=0, le=22)
    max_zoom: int = Field(default=18, ge=0, le=22)
    #: Names over a picture: drawn above the layer before, transparent where empty.
    overlay: bool = False
    referer: str = Field(default="", max_length=200)
    timeout: float = Field(default=5.0, gt=0, le=30, description="seconds")
    per_second: float = Field(default=20.0, gt=0, description="fetches from the provider, per process")
    keep_days: float = Field(default=30.0, gt=0, le=366)

    @field_validator("url")
    @classmethod
    def _address(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise ValueError("a provider's url starts with http:// or https://")
        if any(mark in parts.netloc for mark in ("{z}", "{x}", "{y}", "{token}", "@")):
            raise ValueError("the host of a provider's url is fixed, but for {s}")
        if missing := [mark for mark in ("{z}", "{x}", "{y}") if mark not in value]:
            raise ValueError(f"a provider's url must contain {', '.join(missing)}")
        return value

    @model_validator(mode="after")
    def _together(self) -> MapProvider:
        if "{token}" in self.url and not self.token.get_secret_value():
            raise ValueError(f"provider {self.code}: the url wants a token, and none is given")
        if ("{s}" in self.url) != bool(self.servers):
            raise ValueError(f"provider {self.code}: {{s}} in the url and servers go together")
        if self.min_zoom > self.max_zoom:
            raise ValueError(f"provider {self.code}: min_zoom is above max_zoom")
        return self

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc

    @property
    def credit(self) -> str:
        """What is shown in the corner of the map."""
        return f"{self.attribution} {self.review_number}".strip()

    @property
    def plain(self) -> bool:
        """Whether its tiles are what the browser wants as they are."""
        return self.matrix == "mercator" and self.datum in ("wgs84", "cgcs2000")
