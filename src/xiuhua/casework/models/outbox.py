"""The queue of effects: one table, claimed by a conditional update, delivered at least once."""

from django.db import models
from django.db.models import Q

from xiuhua.casework.ids import new_id


class Outbox(models.Model):
    id = models.BigIntegerField(primary_key=True, default=new_id)
    key = models.CharField(max_length=160, unique=True, help_text="what the effect is about; makes it idempotent")
    kind = models.CharField(max_length=40)
    case = models.ForeignKey("casework.Case", models.CASCADE, null=True, related_name="+")
    payload = models.JSONField(default=dict)
    run_at = models.DateTimeField()
    attempts = models.PositiveSmallIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    lease_by = models.CharField(max_length=60, default="")
    last_error = models.TextField(default="")
    done_at = models.DateTimeField(null=True)
    dead = models.BooleanField(default=False)

    class Meta:
        indexes = [
            models.Index(fields=["run_at", "id"], name="outbox_due", condition=Q(done_at__isnull=True, dead=False)),
            models.Index(fields=["case", "id"], name="outbox_case", condition=Q(done_at__isnull=True)),
            models.Index(fields=["id"], name="outbox_dead", condition=Q(dead=True)),
        ]


class Idempotency(models.Model):
    """A request that was answered: the same key with the same content gets the same answer."""

    actor = models.CharField(max_length=60)
    door = models.CharField(max_length=20)
    key = models.CharField(max_length=120)
    request_digest = models.CharField(max_length=64)
    answer = models.JSONField()
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["actor", "door", "key"], name="idempotency_once")]
        indexes = [models.Index(fields=["at"], name="idempotency_at")]
