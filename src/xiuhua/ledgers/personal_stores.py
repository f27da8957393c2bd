"""What ledgers keep of citizens: nothing. Their rows are things, public bodies, rules and staff; so is their history.

The phone numbers of staff stand encrypted in payloads as they do in their rows (ADR 23). A ledger of a later room whose
rows name citizens says so in the ``STORES`` of that room, with an eraser for rows, payloads and kept import files.
"""

from __future__ import annotations

STORES: tuple[object, ...] = ()

#: Model. or Model.column -> why it holds no personal data of a citizen.
HOLDS_NONE: dict[str, str] = {
    "LedgerChain.": "names of ledgers, digests", "LedgerEvent.": "codes, numbers and digests",
    "LedgerPayload.": "values of things, public bodies, rules and staff, before and after",
    "Batch.": "names, digests and options of files about things and staff", "SavedView.": "filters of staff",
}  # fmt: skip
