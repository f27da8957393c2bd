"""Records of the room: history of all ledgers, batches, saved views."""

from xiuhua.ledgers.models.batch import Batch
from xiuhua.ledgers.models.event import LedgerChain, LedgerEvent, LedgerPayload
from xiuhua.ledgers.models.view import SavedView

__all__ = ["Batch", "LedgerChain", "LedgerEvent", "LedgerPayload", "SavedView"]
