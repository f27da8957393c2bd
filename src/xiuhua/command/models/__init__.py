"""Records of the command room."""

from xiuhua.command.models.hand_over import HandOver

__all__ = ["HandOver"]
