"""The history of ledgers: one append-only chain of events per ledger, payloads apart and erasable (ADR 23).

What a digest covers is `casework.chain`'s affair: ``case`` there is the chain's id here, the states are empty. The
database refuses to change an event by the same triggers (`casework.guard_rails`).
"""

from django.conf import settings
from django.db import models

from xiuhua.casework.ids import new_id


class LedgerChain(models.Model):
    """The chain of one ledger and its head. Whoever appends holds this row."""

    ledger = models.CharField(max_length=40, unique=True)
    seq = models.PositiveBigIntegerField(default=0)
    digest = models.CharField(max_length=64, default="")

    def __str__(self) -> str:
        return self.ledger


class LedgerEvent(models.Model):
    """One row was made, changed, removed, revealed or erased. ``row`` is the id of the model's row."""

    id = models.BigIntegerField(primary_key=True, default=new_id)
    chain = models.ForeignKey(LedgerChain, models.PROTECT, related_name="events", db_index=False)
    seq = models.PositiveBigIntegerField()
    row = models.BigIntegerField()
    action = models.CharField(max_length=20)
    actor = models.CharField(max_length=60, help_text="user:<id> or system")
    actor_user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", db_index=False
    )
    at = models.DateTimeField()
    body = models.TextField(help_text="canonical JSON (RFC 8785), no personal data, no free text")
    payload_digest = models.CharField(max_length=64, default="")
    prev_digest = models.CharField(max_length=64, default="")
    digest = models.CharField(max_length=64)
    algorithm = models.CharField(max_length=12)
    version = models.PositiveSmallIntegerField()
    batch = models.CharField(max_length=40, default="")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["chain", "seq"], name="ledger_event_once")]
        indexes = [
            models.Index(fields=["chain", "row", "seq"], name="ledger_event_row"),
            models.Index(fields=["batch", "seq"], name="ledger_event_batch", condition=~models.Q(batch="")),
            models.Index(fields=["actor_user", "at"], name="ledger_event_actor"),
        ]

    def __str__(self) -> str:
        return f"{self.chain_id}/{self.seq}"


class LedgerPayload(models.Model):
    """Values before and after: erasable. Personal columns inside are encrypted."""

    event = models.OneToOneField(LedgerEvent, models.PROTECT, primary_key=True, related_name="payload")
    salt = models.CharField(max_length=32)
    body = models.TextField()
    erased_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return str(self.event_id)
