"""What is sent, in the words of the house; each protocol makes its own form of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Message:
    """``words`` are the blanks of the text (number, title, due …); ``key`` names this message to the other side.

    ``template`` is the registered text of short messages. ``about`` is what a webhook gets besides: codes and numbers.
    """

    key: str
    subject: str
    body: str
    link: str = ""
    template: str = ""
    words: Mapping[str, str] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)
