"""Operations' records: what may not be erased, and what is to be."""

from xiuhua.ops.models.erasure import ErasureItem, ErasureProposal
from xiuhua.ops.models.legal_hold import LegalHold

__all__ = ["ErasureItem", "ErasureProposal", "LegalHold"]
