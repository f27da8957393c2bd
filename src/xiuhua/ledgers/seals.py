"""The history of ledgers is guarded by the same triggers as the event log, and read by the same verification."""

from __future__ import annotations

from xiuhua.casework import guard_rails
from xiuhua.casework import verify as log
from xiuhua.ledgers import verify

guard_rails.seal("ledgers_ledgerevent", "id = NEW.id OR (chain_id = NEW.chain_id AND seq = NEW.seq)")
if verify.check not in log.also:
    log.also.append(verify.check)
