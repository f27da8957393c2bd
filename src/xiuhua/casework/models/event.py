"""The append-only log: events chained per case, their erasable payloads, and anchors over all heads.

The database itself refuses to change an event (`guard_rails.py`); `chain.py` says what a digest covers.
"""

from django.conf import settings
from django.db import models

from xiuhua.casework.ids import new_id


class Event(models.Model):
    id = models.BigIntegerField(primary_key=True, default=new_id)
    case = models.ForeignKey("casework.Case", models.PROTECT, related_name="events", db_index=False)
    seq = models.PositiveIntegerField()
    action = models.CharField(max_length=60)
    actor = models.CharField(max_length=60, help_text="user:<id> or system")
    actor_user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    at = models.DateTimeField()
    from_state = models.CharField(max_length=40)
    to_state = models.CharField(max_length=40)
    body = models.TextField(help_text="canonical JSON (RFC 8785), no personal data, no free text")
    payload_digest = models.CharField(max_length=64, default="")
    prev_digest = models.CharField(max_length=64, default="")
    digest = models.CharField(max_length=64)
    algorithm = models.CharField(max_length=12)
    version = models.PositiveSmallIntegerField()
    batch = models.CharField(max_length=40, default="")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["case", "seq"], name="event_once")]
        indexes = [
            models.Index(fields=["actor_user", "at"], name="event_actor"),
            models.Index(fields=["batch"], name="event_batch", condition=~models.Q(batch="")),
        ]


class Payload(models.Model):
    """What an event said in words: erasable. Personal fields inside are encrypted."""

    event = models.OneToOneField(Event, models.PROTECT, primary_key=True, related_name="payload")
    case = models.ForeignKey("casework.Case", models.CASCADE, related_name="+")
    salt = models.CharField(max_length=32)
    body = models.TextField()
    erased_at = models.DateTimeField(null=True)


class Personal(models.Model):
    """A personal field of a case: encrypted value, and a keyed index to find it by its whole value."""

    case = models.ForeignKey("casework.Case", models.CASCADE, related_name="personal")
    field = models.CharField(max_length=60)
    kind = models.CharField(max_length=20)
    cipher = models.TextField()
    lookup = models.CharField(max_length=64, default="")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["case", "field"], name="personal_once")]
        indexes = [models.Index(fields=["lookup", "case"], name="personal_lookup", condition=~models.Q(lookup=""))]


class Anchor(models.Model):
    """A link of the anchor chain: the heads of all cases that changed since the link before."""

    at = models.DateTimeField()
    cases = models.PositiveBigIntegerField()
    prev_digest = models.CharField(max_length=64, default="")
    entries_digest = models.CharField(max_length=64)
    digest = models.CharField(max_length=64)
    algorithm = models.CharField(max_length=12)


class AnchorEntry(models.Model):
    anchor = models.ForeignKey(Anchor, models.PROTECT, related_name="entries")
    case_id = models.BigIntegerField()  # no foreign key: an entry must outlive a deleted case to accuse the deletion
    seq = models.PositiveIntegerField()
    digest = models.CharField(max_length=64)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["anchor", "case_id"], name="anchor_entry_once")]
        indexes = [models.Index(fields=["case_id", "seq"], name="anchor_entry_case")]
