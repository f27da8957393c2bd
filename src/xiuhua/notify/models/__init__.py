"""Records of the notify room: one concept a file."""

from xiuhua.notify.models.address import Address
from xiuhua.notify.models.link import Link
from xiuhua.notify.models.notice import Delivery, Notice, Reader, Ring

__all__ = ["Address", "Delivery", "Link", "Notice", "Reader", "Ring"]
